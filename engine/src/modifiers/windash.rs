//! `windash`: a flag of a command line may be written with any of five dashes.

use super::{Apply, Example, Fault, Modifier, Value};
use crate::limits::{MAX_WINDASH_BYTES, MAX_WINDASH_VARIANTS};
use crate::sigma::{Part, Pattern};

pub(super) static MODIFIER: Modifier = Modifier {
    name: "windash",
    summary: "Each dash or slash that begins a flag stands for any of - / – — ―, in every combination.",
    example: Example {
        selection: r#"CommandLine|windash|contains: " -enc ""#,
        matches: r#"{"CommandLine":"powershell /enc AAAA"}"#,
        misses: r#"{"CommandLine":"powershell +enc AAAA"}"#,
    },
    apply: Apply::Value(permutations),
};

const DASHES: [char; 5] = ['-', '/', '–', '—', '―'];

fn permutations(value: Value) -> Result<Value, Fault> {
    let Value::Pattern(pattern) = value else {
        return Err(Fault::value(format!("`windash` needs a text, not {}", value.word())));
    };
    let characters = flatten(&pattern);
    let flags: Vec<usize> = (0..characters.len()).filter(|&at| begins_flag(&characters, at)).collect();
    let count = u32::try_from(flags.len()).ok().and_then(|n| DASHES.len().checked_pow(n));
    let Some(count) = count.filter(|count| *count <= MAX_WINDASH_VARIANTS) else {
        return Err(Fault::value(format!(
            "{} dashes make more than {MAX_WINDASH_VARIANTS} texts",
            flags.len()
        ))
        .with_help("ask for fewer flags at once"));
    };
    if count * characters.len() > MAX_WINDASH_BYTES {
        return Err(
            Fault::value("the text is too long for so many dashes").with_help("ask for fewer flags at once")
        );
    }
    let variants = (0..count).map(|mut number| {
        let mut variant = characters.clone();
        for &at in flags.iter().rev() {
            variant[at] = Character::Plain(DASHES[number % DASHES.len()]);
            number /= DASHES.len();
        }
        Value::Pattern(rebuild(variant))
    });
    Ok(Value::AnyOf(variants.collect()))
}

#[derive(Clone)]
enum Character {
    Plain(char),
    Part(Part),
}

fn flatten(pattern: &Pattern) -> Vec<Character> {
    let mut characters = Vec::new();
    for part in &pattern.parts {
        match part {
            Part::Text(text) => characters.extend(text.chars().map(Character::Plain)),
            part => characters.push(Character::Part(part.clone())),
        }
    }
    characters
}

fn rebuild(characters: Vec<Character>) -> Pattern {
    let mut pattern = Pattern::default();
    for character in characters {
        pattern.parts.push(match character {
            Character::Plain(c) => Part::Text(c.to_string()),
            Character::Part(part) => part,
        });
    }
    pattern.normalise();
    pattern
}

/// A dash that stands behind no word character and before one: the `-` of ` -enc`, not of `a-b`.
fn begins_flag(characters: &[Character], at: usize) -> bool {
    let is_word =
        |c: Option<&Character>| matches!(c, Some(Character::Plain(c)) if c.is_alphanumeric() || *c == '_');
    matches!(&characters[at], Character::Plain(c) if DASHES.contains(c))
        && !is_word(at.checked_sub(1).and_then(|before| characters.get(before)))
        && is_word(characters.get(at + 1))
}
