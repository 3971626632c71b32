//! Small writers: numbers, identifiers, times and addresses come in, their bytes go to the end of a buffer.
//!
//! They are here because the hot loop writes some fifteen of them an event, and `write!` costs more than
//! the event itself.

use super::rng::Rng;

/// Seconds since 1970-01-01T00:00:00Z.
pub type Seconds = i64;

const HEX: &[u8; 16] = b"0123456789abcdef";
const BASE64: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
const BASE32: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
const BASE36: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";
const UPPER: &[u8; 32] = b"ABCDEFGHJKLMNPQRSTVWXYZ123456789";
const MONTHS: [&[u8; 3]; 12] =
    [b"Jan", b"Feb", b"Mar", b"Apr", b"May", b"Jun", b"Jul", b"Aug", b"Sep", b"Oct", b"Nov", b"Dec"];

/// Sixteen lower-case hexadecimal digits.
pub fn hex16(mut x: u64) -> [u8; 16] {
    let mut digits = [0; 16];
    for digit in &mut digits {
        *digit = HEX[(x & 15) as usize];
        x >>= 4;
    }
    digits
}

/// `n` lower-case hexadecimal digits.
pub fn hex(out: &mut Vec<u8>, rng: &mut Rng, n: usize) {
    fill(out, n, 16, || hex16(rng.draw()));
}

/// `n` characters of base64, without padding.
pub fn base64(out: &mut Vec<u8>, rng: &mut Rng, n: usize) {
    fill(out, n, 10, || letters(rng.draw(), BASE64, 6));
}

/// `n` capitals and digits as access key ids have them.
pub fn base32(out: &mut Vec<u8>, rng: &mut Rng, n: usize) {
    fill(out, n, 12, || letters(rng.draw(), BASE32, 5));
}

/// `n` small letters and digits.
pub fn small(out: &mut Vec<u8>, rng: &mut Rng, n: usize) {
    fill(out, n, 12, || letters(rng.draw(), BASE36, 5));
}

/// `n` capitals and digits as S3 request ids have them.
pub fn capitals(out: &mut Vec<u8>, rng: &mut Rng, n: usize) {
    fill(out, n, 12, || letters(rng.draw(), UPPER, 5));
}

fn letters<const N: usize>(mut x: u64, alphabet: &[u8; N], bits: u32) -> [u8; 16] {
    let mut chars = [0; 16];
    for char in chars.iter_mut().take(64 / bits as usize) {
        *char = alphabet[x as usize % N];
        x >>= bits;
    }
    chars
}

/// Appends `n` bytes, `step` at a time.
fn fill(out: &mut Vec<u8>, mut n: usize, step: usize, mut next: impl FnMut() -> [u8; 16]) {
    while n > 0 {
        let take = n.min(step);
        out.extend_from_slice(&next()[..take]);
        n -= take;
    }
}

/// A random UUID of version 4.
pub fn uuid(out: &mut Vec<u8>, rng: &mut Rng) {
    let (high, low) = (hex16(rng.draw()), hex16(rng.draw()));
    let mut text = [b'-'; 36];
    text[..8].copy_from_slice(&high[..8]);
    text[9..13].copy_from_slice(&high[8..12]);
    text[14..18].copy_from_slice(&high[12..]);
    text[19..23].copy_from_slice(&low[..4]);
    text[24..].copy_from_slice(&low[4..]);
    text[14] = b'4';
    text[19] = b"89ab"[(low[0] & 3) as usize];
    out.extend_from_slice(&text);
}

/// A decimal number.
pub fn decimal(out: &mut Vec<u8>, mut x: u64) {
    let mut digits = [0; 20];
    let mut at = digits.len();
    loop {
        at -= 1;
        digits[at] = b'0' + (x % 10) as u8;
        x /= 10;
        if x == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[at..]);
}

/// An IPv4 address.
pub fn ipv4(out: &mut Vec<u8>, octets: [u8; 4]) {
    for (i, octet) in octets.into_iter().enumerate() {
        if i > 0 {
            out.push(b'.');
        }
        decimal(out, u64::from(octet));
    }
}

/// `2024-05-06T07:08:09Z`.
pub fn iso(out: &mut Vec<u8>, time: Seconds) {
    let (year, month, day, second) = civil(time);
    let mut text = *b"0000-00-00T00:00:00Z";
    two(&mut text, 0, year / 100);
    two(&mut text, 2, year % 100);
    two(&mut text, 5, month);
    two(&mut text, 8, day);
    two(&mut text, 11, second / 3600);
    two(&mut text, 14, second / 60 % 60);
    two(&mut text, 17, second % 60);
    out.extend_from_slice(&text);
}

/// `May 6, 2024, 7:08:09 AM`: how CloudTrail writes the times inside parameters and answers.
pub fn american(out: &mut Vec<u8>, time: Seconds) {
    let (year, month, day, second) = civil(time);
    out.extend_from_slice(MONTHS[month as usize - 1]);
    out.push(b' ');
    decimal(out, u64::from(day));
    out.extend_from_slice(b", ");
    decimal(out, u64::from(year));
    let hour = second / 3600;
    let mut text = *b":00:00 AM";
    two(&mut text, 1, second / 60 % 60);
    two(&mut text, 4, second % 60);
    text[7] = if hour < 12 { b'A' } else { b'P' };
    out.extend_from_slice(b", ");
    decimal(out, u64::from((hour + 11) % 12 + 1));
    out.extend_from_slice(&text);
}

fn two(text: &mut [u8], at: usize, x: u32) {
    text[at] = b'0' + (x / 10) as u8;
    text[at + 1] = b'0' + (x % 10) as u8;
}

/// Year, month, day, and second of the day (Howard Hinnant's `civil_from_days`); 1970 to 9999.
pub fn civil(time: Seconds) -> (u32, u32, u32, u32) {
    let time = time.clamp(0, 253_402_300_799);
    let days = (time / 86_400) as u32 + 719_468;
    let (era, of_era) = (days / 146_097, days % 146_097);
    let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let march = (5 * of_year + 2) / 153;
    let month = if march < 10 { march + 3 } else { march - 9 };
    let year = year + era * 400 + u32::from(month <= 2);
    (year, month, of_year - (153 * march + 2) / 5 + 1, (time % 86_400) as u32)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(write: impl Fn(&mut Vec<u8>)) -> String {
        let mut out = Vec::new();
        write(&mut out);
        String::from_utf8_lossy(&out).into_owned()
    }

    #[test]
    fn times() {
        let cases = [
            (0, "1970-01-01T00:00:00Z", "Jan 1, 1970, 12:00:00 AM"),
            (951_782_399, "2000-02-28T23:59:59Z", "Feb 28, 2000, 11:59:59 PM"),
            (951_868_800, "2000-03-01T00:00:00Z", "Mar 1, 2000, 12:00:00 AM"),
            (1_709_208_000, "2024-02-29T12:00:00Z", "Feb 29, 2024, 12:00:00 PM"),
            (253_402_300_799, "9999-12-31T23:59:59Z", "Dec 31, 9999, 11:59:59 PM"),
        ];
        for (time, want_iso, want_american) in cases {
            assert_eq!(written(|out| iso(out, time)), want_iso);
            assert_eq!(written(|out| american(out, time)), want_american);
        }
    }

    #[test]
    fn numbers_and_identifiers() {
        assert_eq!(written(|out| decimal(out, 0)), "0");
        assert_eq!(written(|out| decimal(out, u64::MAX)), u64::MAX.to_string());
        assert_eq!(written(|out| ipv4(out, [10, 0, 255, 7])), "10.0.255.7");
        assert_eq!(written(|out| base64(out, &mut Rng::new(1), 76)).len(), 76);
        let uuid = written(|out| uuid(out, &mut Rng::new(1)));
        let dashes: Vec<usize> = uuid.match_indices('-').map(|(at, _)| at).collect();
        assert_eq!((uuid.len(), dashes), (36, vec![8, 13, 18, 23]));
        assert_eq!(uuid.as_bytes()[14], b'4');
    }
}
