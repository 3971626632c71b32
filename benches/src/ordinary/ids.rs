//! Identifiers: fresh ones out of chance, and those of things that stay, out of their names.
//!
//! In: a generator, or the name of a thing. Out: what the logs call it: `AROA…` of a role, the object id
//! of a person. What stays must not depend on the seed, for it is the same company under every seed.

use crate::generator::rng::{Rng, fnv};

const BASE32: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
const CAPITALS: &[u8; 32] = b"ABCDEFGHJKLMNPQRSTVWXYZ123456789";
const SMALL: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";

fn letters(rng: &mut Rng, alphabet: &[u8; 32], n: usize) -> String {
    (0..n).map(|_| char::from(alphabet[rng.below(32) as usize])).collect()
}

/// Chance that is the same for the same name.
pub fn of(name: &str) -> Rng {
    Rng::new(fnv(name.as_bytes()))
}

pub fn hex(rng: &mut Rng, n: usize) -> String {
    (0..n).map(|_| char::from(b"0123456789abcdef"[rng.below(16) as usize])).collect()
}

pub fn guid(rng: &mut Rng) -> String {
    let (a, b) = (rng.draw(), rng.draw());
    format!(
        "{:08x}-{:04x}-4{:03x}-{:04x}-{:012x}",
        a >> 32,
        (a >> 16) & 0xffff,
        a & 0xfff,
        0x8000 | ((b >> 48) & 0x3fff),
        b & 0xffff_ffff_ffff
    )
}

pub fn guid_of(name: &str) -> String {
    guid(&mut of(name))
}

/// `ASIA…` or `AKIA…`: twenty characters.
pub fn access_key(rng: &mut Rng, prefix: &str) -> String {
    format!("{prefix}{}", letters(rng, BASE32, 16))
}

/// `AROA…` of a role, `AIDA…` of a user: twenty-one characters.
pub fn unique_id(prefix: &str, name: &str) -> String {
    format!("{prefix}{}", letters(&mut of(name), BASE32, 17))
}

/// The id of a request to S3.
pub fn capitals(rng: &mut Rng, n: usize) -> String {
    letters(rng, CAPITALS, n)
}

/// The end of the name of a pod.
pub fn small(rng: &mut Rng, n: usize) -> String {
    letters(rng, SMALL, n)
}

pub fn digits(rng: &mut Rng, n: usize) -> String {
    (0..n).map(|at| char::from(b'0' + if at == 0 { 1 + rng.below(9) } else { rng.below(10) } as u8)).collect()
}
