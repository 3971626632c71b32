//! Templates: text with holes comes in, a short program that fills them comes out.
//!
//! Every part of an event is written down as the JSON that it is, with the values that differ from event to
//! event as `<tokens>`:
//!
//! ```text
//! {"vpcId":"<vpc>","cidrBlock":"10.<n:0:255>.0.0/16"}
//! ```
//!
//! | token | gives |
//! |---|---|
//! | `<n:1:99>` | a whole number from 1 to 99 |
//! | `<hex:8>` `<b64:75>` `<az:8>` `<AZ:16>` `<id32:16>` | that many characters of an alphabet |
//! | `<uuid>` `<UUID>` | a UUID of version 4 |
//! | `<ip>` `<ip10>` `<aws-ip>` | an address: public, private, of a cloud |
//! | `<pick:a\|b\|b>` | one of the texts; saying one twice doubles it |
//! | `<vpc>`, `<bucket>`, `<role>` … | an identifier or a name: see [`names`] |
//! | `<some:1:5:vpc>` | `"vpc-…","vpc-…"`, one to five of them |
//! | `<items:1:5:vpcId:vpc>` | `{"vpcId":"vpc-…"},{"vpcId":"vpc-…"}` |
//! | `<my.role>` | a value that belongs to the principal and never changes |
//! | `<account>` `<region>` `<me>` `<now>` `<date>` `<ago:3600>` `<cipher>` | of this event |
//!
//! A token that stands more than once in an event has one value there (a bucket in the parameters is the
//! bucket in the resources); with a star, `<uuid*>`, it is fresh each time. The second time costs a copy
//! inside the output, no look-up. A `<word>` is fresh each time: names are made of several.
//!
//! What is not a token stays as it is: a slip shows up as `<…>` in an event, and a test looks for that.

use super::names::{self, Names};
use super::rng::{Rng, fnv, mix};
use super::text::{self, Seconds};

/// A compiled template.
pub type Program = Box<[Op]>;

/// One step of a program.
#[derive(Debug)]
pub enum Op {
    /// Text as it stands.
    Text(Box<[u8]>),
    /// A value.
    Draw(Value),
    /// A value on its first use in an event, a copy of it afterwards.
    Keep(Value, usize),
}

/// What a token gives.
#[derive(Debug)]
pub enum Value {
    /// A whole number from the first to the second.
    Number(u32, u32),
    /// Random characters of an alphabet.
    Chars(fn(&mut Vec<u8>, &mut Rng, usize), usize),
    /// A UUID, in capitals or not.
    Uuid(bool),
    /// A resource id: the prefix, then 16 hexadecimal digits.
    Id(&'static str),
    /// A name of the table in [`names`].
    Name(usize),
    /// One of some texts.
    Pick(Box<[Box<str>]>),
    /// One of some words.
    Word(&'static [&'static str]),
    /// An address of a kind.
    Address(Address),
    /// A list of values, each wrapped as given.
    Many(u32, u32, Box<(String, Value, &'static str)>),
    /// A value of the principal, with a salt.
    Mine(Box<Value>, u64),
    /// Something that the event already knows.
    Ambient(Ambient),
}

/// A kind of address.
#[derive(Clone, Copy, Debug)]
pub enum Address {
    /// Of a household or an office, IPv6 once in 25.
    Public,
    /// Of a private network.
    Private,
    /// Of a machine in a public cloud.
    Cloud,
}

/// What an event knows without drawing.
#[derive(Clone, Copy, Debug)]
pub enum Ambient {
    /// The account of the principal.
    Account,
    /// The region of the call.
    Region,
    /// The ARN of the principal.
    Me,
    /// The time of the event.
    Now,
    /// The same in the American way.
    Date,
    /// A time up to so many seconds ago.
    Ago(u32),
    /// The TLS cipher suite.
    Cipher,
}

/// What the tokens of one event can see.
#[derive(Clone, Copy, Debug)]
pub struct Scene<'a> {
    /// The names that tokens refer to.
    pub names: &'a Names,
    /// Twelve digits.
    pub account: &'a [u8],
    /// Such as `eu-west-1`.
    pub region: &'a str,
    /// The ARN of the principal.
    pub me: &'a [u8],
    /// What the principal's own values grow from.
    pub mine: u64,
    /// When the event happened.
    pub now: Seconds,
    /// TLS 1.3, not 1.2.
    pub tls13: bool,
}

/// How many different tokens of an event may come back in it. A template with more of them repeats a value
/// less (the tokens beyond are fresh each time); the busiest so far has seven.
pub const SLOTS: usize = 16;

/// Where in the output the values stand that may come back: start and end, empty before the first use.
pub type Slots = [(usize, usize); SLOTS];

/// Compiles the sections of one event, which share the values of their tokens.
pub fn compile<const N: usize>(sections: [&str; N]) -> [Program; N] {
    let mut repeated: Vec<&str> = Vec::new();
    let mut seen: Vec<&str> = Vec::new();
    for piece in sections.iter().flat_map(|section| pieces(section)) {
        let Piece::Token(token) = piece else { continue };
        if !seen.contains(&token) {
            seen.push(token);
        } else if !repeated.contains(&token) && !token.ends_with('*') && repeated.len() < SLOTS {
            repeated.push(token);
        }
    }
    sections.map(|section| pieces(section).map(|piece| op(piece, &repeated)).collect())
}

fn op(piece: Piece<'_>, repeated: &[&str]) -> Op {
    let token = match piece {
        Piece::Text(text) => return Op::Text(text.as_bytes().into()),
        Piece::Token(token) => token,
    };
    let Some(value) = parse(token.trim_end_matches('*')) else {
        return Op::Text(format!("<{token}>").into_bytes().into());
    };
    match repeated.iter().position(|&known| known == token) {
        Some(slot) if !matches!(value, Value::Ambient(_) | Value::Mine(..) | Value::Word(_)) => {
            Op::Keep(value, slot)
        }
        _ => Op::Draw(value),
    }
}

enum Piece<'a> {
    Text(&'a str),
    Token(&'a str),
}

/// Cuts a template at its tokens.
fn pieces(mut rest: &str) -> impl Iterator<Item = Piece<'_>> {
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        if let Some((token, after)) = rest.strip_prefix('<').and_then(|inner| inner.split_once('>')) {
            rest = after;
            return Some(Piece::Token(token));
        }
        let end = rest.find('<').filter(|&at| at > 0).unwrap_or(rest.len());
        let (text, after) = rest.split_at(end);
        rest = after;
        Some(Piece::Text(text))
    })
}

fn parse(token: &str) -> Option<Value> {
    if let Some(own) = token.strip_prefix("my.") {
        return Some(Value::Mine(Box::new(parse(own)?), fnv(own.as_bytes())));
    }
    let (head, rest) = token.split_once(':').unwrap_or((token, ""));
    let length = || rest.parse().ok();
    Some(match head {
        "n" => {
            let (low, high) = rest.split_once(':')?;
            Value::Number(low.parse().ok()?, high.parse().ok()?)
        }
        "hex" => Value::Chars(text::hex, length()?),
        "b64" => Value::Chars(text::base64, length()?),
        "az" => Value::Chars(text::small, length()?),
        "AZ" => Value::Chars(text::capitals, length()?),
        "id32" => Value::Chars(text::base32, length()?),
        "uuid" => Value::Uuid(false),
        "UUID" => Value::Uuid(true),
        "ip" => Value::Address(Address::Public),
        "ip10" => Value::Address(Address::Private),
        "aws-ip" => Value::Address(Address::Cloud),
        "pick" => Value::Pick(rest.split('|').map(Into::into).collect()),
        "some" | "items" => many(head, rest)?,
        _ => return ambient(head, rest).or_else(|| names::value(token)),
    })
}

fn ambient(head: &str, rest: &str) -> Option<Value> {
    Some(Value::Ambient(match head {
        "account" => Ambient::Account,
        "region" => Ambient::Region,
        "me" => Ambient::Me,
        "now" => Ambient::Now,
        "date" => Ambient::Date,
        "ago" => Ambient::Ago(rest.parse().ok()?),
        "cipher" => Ambient::Cipher,
        _ => return None,
    }))
}

/// `some:1:5:vpc` or `items:1:5:vpcId:vpc`.
fn many(head: &str, rest: &str) -> Option<Value> {
    let mut parts = rest.splitn(3, ':');
    let (low, high) = (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
    let rest = parts.next()?;
    let wrapped = if head == "some" {
        ("\"".to_owned(), parse(rest)?, "\"")
    } else {
        let (key, inner) = rest.split_once(':')?;
        (format!("{{\"{key}\":\""), parse(inner)?, "\"}")
    };
    Some(Value::Many(low, high, Box::new(wrapped)))
}

/// Runs a program: appends its text to `out`.
pub fn run(program: &[Op], out: &mut Vec<u8>, rng: &mut Rng, scene: &Scene<'_>, slots: &mut Slots) {
    for op in program {
        match op {
            Op::Text(text) => out.extend_from_slice(text),
            Op::Draw(value) => value.write(out, rng, scene),
            Op::Keep(value, slot) => {
                let (start, end) = slots[*slot];
                if start < end {
                    out.extend_from_within(start..end);
                } else {
                    let start = out.len();
                    value.write(out, rng, scene);
                    slots[*slot] = (start, out.len());
                }
            }
        }
    }
}

impl Value {
    /// Appends one value to `out`.
    pub fn write(&self, out: &mut Vec<u8>, rng: &mut Rng, scene: &Scene<'_>) {
        match self {
            Self::Number(low, high) => text::decimal(out, u64::from(rng.between(*low, *high))),
            Self::Chars(alphabet, n) => alphabet(out, rng, *n),
            Self::Uuid(capitals) => {
                let start = out.len();
                text::uuid(out, rng);
                if *capitals {
                    out[start..].make_ascii_uppercase();
                }
            }
            Self::Id(prefix) => {
                out.extend_from_slice(prefix.as_bytes());
                out.extend_from_slice(&text::hex16(mix(names::seed(
                    rng,
                    fnv(prefix.as_bytes()) >> 32,
                    RECURRING_ID,
                ))));
            }
            Self::Name(at) => scene.names.write(*at, out, rng, scene),
            Self::Pick(texts) => {
                out.extend_from_slice(texts[rng.below(texts.len() as u32) as usize].as_bytes());
            }
            Self::Word(words) => {
                out.extend_from_slice(words[rng.below(words.len() as u32) as usize].as_bytes());
            }
            Self::Address(kind) => kind.write(out, rng),
            Self::Many(low, high, inner) => write_many(rng.between(*low, *high), inner, out, rng, scene),
            Self::Mine(value, salt) => value.write(out, &mut Rng::new(mix(scene.mine ^ salt)), scene),
            Self::Ambient(ambient) => ambient.write(out, rng, scene),
        }
    }
}

/// Per mille of resource ids that come back from an earlier event; the rest have never been seen.
const RECURRING_ID: u32 = 300;

fn write_many(
    count: u32,
    (before, value, after): &(String, Value, &str),
    out: &mut Vec<u8>,
    rng: &mut Rng,
    scene: &Scene<'_>,
) {
    for i in 0..count {
        if i > 0 {
            out.push(b',');
        }
        out.extend_from_slice(before.as_bytes());
        value.write(out, rng, scene);
        out.extend_from_slice(after.as_bytes());
    }
}

impl Ambient {
    fn write(self, out: &mut Vec<u8>, rng: &mut Rng, scene: &Scene<'_>) {
        match self {
            Self::Account => out.extend_from_slice(scene.account),
            Self::Region => out.extend_from_slice(scene.region.as_bytes()),
            Self::Me => out.extend_from_slice(scene.me),
            Self::Now => text::iso(out, scene.now),
            Self::Date => text::american(out, scene.now),
            Self::Ago(seconds) => text::iso(out, scene.now - i64::from(rng.below(seconds))),
            Self::Cipher if scene.tls13 => out.extend_from_slice(b"TLS_AES_128_GCM_SHA256"),
            Self::Cipher => out.extend_from_slice(b"ECDHE-RSA-AES128-GCM-SHA256"),
        }
    }
}

/// First octets that clouds announce many machines under, and that nothing else is read into.
const CLOUD_OCTETS: [u8; 8] = [3, 13, 18, 34, 35, 44, 52, 54];

impl Address {
    fn write(self, out: &mut Vec<u8>, rng: &mut Rng) {
        let [a, b, c, d, e, f, g, h] = rng.draw().to_le_bytes();
        match self {
            Self::Private => text::ipv4(out, [10, b & 63, c, d]),
            Self::Cloud => text::ipv4(out, [CLOUD_OCTETS[usize::from(a & 7)], b, c, d]),
            Self::Public if e < 10 => {
                out.extend_from_slice(b"2a02:");
                for pair in [[a, b], [c, d], [f, g], [h, a ^ d]] {
                    out.extend_from_slice(&text::hex16(u64::from(u16::from_le_bytes(pair)) | 1)[..4]);
                    out.push(b':');
                }
                out.extend_from_slice(b":1");
            }
            // From 60 to 99 and from 173 to 191: no private, shared, loopback or link-local network.
            Self::Public => text::ipv4(out, [if a < 170 { 60 + a % 40 } else { 173 + a % 19 }, b, c, d]),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rendered<const N: usize>(sections: [&str; N]) -> [String; N] {
        let names = Names::new();
        let scene = Scene {
            names: &names,
            account: b"111122223333",
            region: "eu-west-1",
            me: b"arn:aws:iam::111122223333:user/x",
            mine: 5,
            now: 0,
            tls13: false,
        };
        let (mut rng, mut slots) = (Rng::new(3), Slots::default());
        let mut out = Vec::new();
        compile(sections).map(|program| {
            let start = out.len();
            run(&program, &mut out, &mut rng, &scene, &mut slots);
            String::from_utf8_lossy(&out[start..]).into_owned()
        })
    }

    #[test]
    fn a_token_has_one_value_in_an_event() {
        let [a, b] = rendered(["<bucket>", "<bucket>"]);
        assert_eq!(a, b);
        assert!(a.len() > 8, "{a}");
    }

    #[test]
    fn a_starred_token_is_fresh_each_time() {
        let [a, b] = rendered(["<uuid*>", "<uuid*>"]);
        assert_ne!(a, b);
    }

    #[test]
    fn a_value_of_the_principal_stays() {
        let [a, b] = rendered(["<my.role> <n:1:9>", "<n:1:9> <my.role>"]);
        assert_eq!(a.split(' ').next(), b.split(' ').nth(1));
    }

    #[test]
    fn what_is_no_token_stays() {
        let [text] = rendered(["a <b <nonsense> <account> <region> <now> <"]);
        assert_eq!(text, "a <b <nonsense> 111122223333 eu-west-1 1970-01-01T00:00:00Z <");
    }

    #[test]
    fn lists() {
        let [some, items] = rendered(["[<some:3:3:vpc>]", "[<items:2:2:vpcId:vpc>]"]);
        assert_eq!(some.matches("\"vpc-0").count(), 3, "{some}");
        assert_eq!(items.matches("{\"vpcId\":\"vpc-0").count(), 2, "{items}");
    }
}
