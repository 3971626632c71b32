//! Events of every source, mixed: our own samples with fresh values.
//!
//! In: a seed and a number. Out: lines, of which each is a sample event of some source (`samples/`) with
//! all that would differ from event to event made anew: ids, times, addresses, numbers, the names of
//! people. What stands twice in an event stands twice in what is made of it. A tenth is CloudTrail from
//! the [`crate::generator`], so that no source fills the mix. The sources take turns at random: that is
//! harder than a real stream, in which events of one source come in runs.

use std::collections::HashMap;
use std::path::Path;

use crate::generator::rng::Rng;
use crate::generator::{Config, Generator};

/// One sample, taken apart.
struct Template {
    parts: Vec<Part>,
    /// How many different things vary.
    slots: usize,
}

/// A piece of a sample.
enum Part {
    /// What stays.
    Fixed(String),
    /// What is made anew: the same slot is the same thing.
    Fresh { slot: usize, shape: Shape, length: usize },
}

/// What a varying piece looks like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Shape {
    /// Hexadecimal digits and hyphens where the sample has them.
    Guid,
    /// `203.0.113.7`
    Address,
    /// Digits.
    Digits,
    /// The part of a mail address before the `@`.
    Person,
    /// A fraction of a second.
    Fraction,
}

/// Lines of all sources, from the samples below `workspace`.
///
/// # Panics
/// Where a sample cannot be read.
pub fn ndjson(workspace: &Path, seed: u64, events: usize) -> Vec<u8> {
    let templates = templates(&workspace.join("samples"));
    assert!(templates.len() >= 13, "samples of {} sources", templates.len());
    let mut trail = Generator::new(Config { seed, ..Config::default() });
    let mut rng = Rng::new(seed);
    let mut out = Vec::new();
    for _ in 0..events {
        if rng.below(10) == 0 {
            trail.next_into(&mut out);
        } else {
            let of_source = &templates[rng.below(templates.len() as u32) as usize];
            of_source[rng.below(of_source.len() as u32) as usize].write(&mut rng, &mut out);
        }
        out.push(b'\n');
    }
    out
}

/// The samples of each source but CloudTrail.
fn templates(samples: &Path) -> Vec<Vec<Template>> {
    let entries = std::fs::read_dir(samples).expect("the samples");
    let mut folders: Vec<_> = entries.map(|entry| entry.expect("an entry").path()).collect();
    folders.sort();
    let skipped = |path: &Path| path.ends_with("stories") || path.ends_with("aws.cloudtrail");
    let read = |folder: &Path| {
        let text = std::fs::read_to_string(folder.join("events.ndjson")).expect("events of a source");
        text.lines().map(Template::of).collect()
    };
    folders.iter().filter(|path| !skipped(path)).map(|path| read(path)).collect()
}

impl Template {
    fn of(line: &str) -> Self {
        let bytes = line.as_bytes();
        let (mut parts, mut fixed) = (Vec::new(), String::new());
        let mut slots: HashMap<&str, usize> = HashMap::new();
        let mut at = 0;
        while at < bytes.len() {
            let begins = at == 0 || !bytes[at - 1].is_ascii_alphanumeric();
            match begins.then(|| varying(&line[at..])).flatten() {
                Some((shape, length)) => {
                    let text = &line[at..at + length];
                    let fresh = slots.len();
                    let slot = *slots.entry(text).or_insert(fresh);
                    parts.push(Part::Fixed(std::mem::take(&mut fixed)));
                    parts.push(Part::Fresh { slot, shape, length });
                    at += length;
                }
                None => {
                    let length = line[at..].chars().next().map_or(1, char::len_utf8);
                    fixed.push_str(&line[at..at + length]);
                    at += length;
                }
            }
        }
        parts.push(Part::Fixed(fixed));
        Self { parts, slots: slots.len() }
    }

    fn write(&self, rng: &mut Rng, out: &mut Vec<u8>) {
        let seeds: Vec<u64> = (0..self.slots).map(|_| rng.draw()).collect();
        for part in &self.parts {
            match part {
                Part::Fixed(text) => out.extend_from_slice(text.as_bytes()),
                Part::Fresh { slot, shape, length } => shape.write(seeds[*slot], *length, out),
            }
        }
    }
}

/// What varies at the beginning of a text, and how long it is.
fn varying(text: &str) -> Option<(Shape, usize)> {
    let bytes = text.as_bytes();
    let run = |keep: fn(&u8) -> bool| bytes.iter().take_while(|byte| keep(byte)).count();
    let hex = run(|byte| byte.is_ascii_hexdigit() || *byte == b'-');
    if hex == 36 && [8, 13, 18, 23].iter().all(|at| bytes[*at] == b'-') {
        return Some((Shape::Guid, 36));
    }
    let dotted = run(|byte| byte.is_ascii_digit() || *byte == b'.');
    let octets: Vec<&str> = text[..dotted].split('.').collect();
    if octets.len() == 4 && octets.iter().all(|octet| octet.parse::<u8>().is_ok()) {
        return Some((Shape::Address, dotted));
    }
    let digits = run(u8::is_ascii_digit);
    let behind = bytes.get(digits);
    if (3..=9).contains(&digits) && behind == Some(&b'Z') {
        return Some((Shape::Fraction, digits));
    }
    if digits >= 10 && !behind.is_some_and(u8::is_ascii_alphanumeric) {
        return Some((Shape::Digits, digits));
    }
    let name = run(|byte| byte.is_ascii_lowercase() || matches!(byte, b'.' | b'-'));
    (name >= 3 && bytes.get(name) == Some(&b'@')).then_some((Shape::Person, name))
}

impl Shape {
    fn write(self, seed: u64, length: usize, out: &mut Vec<u8>) {
        let mut rng = Rng::new(seed);
        let mut word = 0;
        let mut nibble = |at: usize| {
            if at.is_multiple_of(16) {
                word = rng.draw();
            }
            let digit = (word & 15) as u8;
            word >>= 4;
            digit
        };
        match self {
            Self::Guid => (0..length).for_each(|at| {
                let digit = nibble(at);
                out.push(if matches!(at, 8 | 13 | 18 | 23) {
                    b'-'
                } else {
                    b"0123456789abcdef"[digit as usize]
                });
            }),
            // the first digit stays away from 0, which JSON does not let a number begin with
            Self::Digits => (0..length).for_each(|at| {
                let digit = nibble(at) % 9;
                out.push(b'0' + if at == 0 { 1 } else { digit });
            }),
            Self::Fraction => (0..length).for_each(|at| out.push(b'0' + nibble(at) % 10)),
            Self::Person => (0..length).for_each(|at| out.push(b'a' + nibble(at))),
            Self::Address => {
                let [a, b, c, d, ..] = Rng::new(seed).draw().to_le_bytes();
                // addresses of the internet
                out.extend_from_slice(format!("{}.{b}.{c}.{d}", 20 + a % 80).as_bytes());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use virga_test_support::workspace;

    #[test]
    fn what_varies_is_made_anew_and_the_same_where_it_stood_twice() {
        let line = r#"{"id":"0f8fad5b-d9cb-469f-a165-70867728950e","again":"0f8fad5b-d9cb-469f-a165-70867728950e","ip":"203.0.113.7:443",
            "time":"2026-11-18T08:00:00.1234567Z","who":"ada.lovelace@example.com","account":"111122223333","n":12}"#;
        let template = Template::of(line);
        assert_eq!(template.slots, 5);
        let mut out = Vec::new();
        template.write(&mut Rng::new(7), &mut out);
        let made: serde_json::Value = serde_json::from_slice(&out).unwrap();
        assert_eq!(made["id"], made["again"]);
        assert_ne!(made["id"], "0f8fad5b-d9cb-469f-a165-70867728950e");
        assert!(made["ip"].as_str().unwrap().ends_with(":443"));
        assert!(made["who"].as_str().unwrap().ends_with("@example.com"));
        assert_eq!((made["n"].as_i64(), made["account"].as_str().unwrap().len()), (Some(12), 12));
    }

    #[test]
    fn the_mix_is_json_the_same_for_one_seed_and_new_in_every_event() {
        let made = ndjson(&workspace(), 3, 500);
        assert_eq!(made, ndjson(&workspace(), 3, 500));
        let text = String::from_utf8(made).unwrap();
        let lines: std::collections::HashSet<&str> = text.lines().collect();
        assert!(lines.len() > 480, "{} different events", lines.len());
        for line in lines {
            assert!(serde_json::from_str::<serde_json::Value>(line).is_ok(), "{line}");
        }
    }
}
