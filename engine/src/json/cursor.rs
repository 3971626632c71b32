//! Moving through JSON text without reading what nobody asks for.
//!
//! In: bytes and a position. Out: the position behind a string, a number, a whole value. Strings
//! are crossed 16 bytes at a time, objects and arrays 64: quotes and backslashes become bit masks,
//! a prefix-xor of the quotes tells inside from outside, and only brackets outside strings count
//! (the method of simdjson, used here only where a value is to be skipped).
//!
//! What is skipped is checked for balance and depth, not for every rule of JSON's grammar: an
//! event with a flaw in a part that no rule looks at is still evaluated, and its raw text kept.

use wide::u8x16;

use crate::limits::MAX_JSON_DEPTH;

/// Why a text could not be read as JSON, and at which byte.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JsonError {
    /// What is wrong.
    pub kind: JsonErrorKind,
    /// The byte at which it shows.
    pub at: usize,
}

/// What is wrong with a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum JsonErrorKind {
    /// It ends inside a value: with more text it might be whole.
    Incomplete,
    /// It is not JSON.
    Syntax(&'static str),
    /// It nests deeper than [`MAX_JSON_DEPTH`].
    TooDeep,
}

impl std::fmt::Display for JsonError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.kind {
            JsonErrorKind::Incomplete => write!(f, "the text ends inside a value, at byte {}", self.at),
            JsonErrorKind::Syntax(what) => write!(f, "{what} at byte {}", self.at),
            JsonErrorKind::TooDeep => {
                write!(f, "nested deeper than {MAX_JSON_DEPTH} levels at byte {}", self.at)
            }
        }
    }
}

impl std::error::Error for JsonError {}

pub(super) fn incomplete(at: usize) -> JsonError {
    JsonError { kind: JsonErrorKind::Incomplete, at }
}

pub(super) fn syntax(what: &'static str, at: usize) -> JsonError {
    JsonError { kind: JsonErrorKind::Syntax(what), at }
}

pub(super) fn too_deep(at: usize) -> JsonError {
    JsonError { kind: JsonErrorKind::TooDeep, at }
}

/// The first position at or after `at` that is not white space.
#[inline]
pub fn skip_whitespace(bytes: &[u8], mut at: usize) -> usize {
    while let Some(b' ' | b'\n' | b'\r' | b'\t') = bytes.get(at) {
        at += 1;
    }
    at
}

/// The position behind the value that starts at `at`.
///
/// # Errors
/// [`JsonErrorKind::Incomplete`] where the text ends first, and what else is wrong with it.
#[inline]
pub fn skip_value(bytes: &[u8], at: usize) -> Result<usize, JsonError> {
    skip_value_at(bytes, at, 0)
}

/// The same for a value that stands so many levels deep.
#[inline]
pub(super) fn skip_value_at(bytes: &[u8], at: usize, outer: usize) -> Result<usize, JsonError> {
    match bytes.get(at) {
        Some(b'"') => Ok(string_end(bytes, at + 1)?.0 + 1),
        Some(b'{' | b'[') => skip_container(bytes, at, outer),
        Some(b't') => literal(bytes, at, b"true"),
        Some(b'f') => literal(bytes, at, b"false"),
        Some(b'n') => literal(bytes, at, b"null"),
        Some(b'-' | b'0'..=b'9') => number_end(bytes, at),
        Some(_) => Err(syntax("a value was expected", at)),
        None => Err(incomplete(at)),
    }
}

fn literal(bytes: &[u8], at: usize, word: &'static [u8]) -> Result<usize, JsonError> {
    let rest = &bytes[at..];
    if rest.starts_with(word) {
        Ok(at + word.len())
    } else if word.starts_with(rest) {
        Err(incomplete(bytes.len()))
    } else {
        Err(syntax("a value was expected", at))
    }
}

/// The position behind a number, by JSON's grammar.
fn number_end(bytes: &[u8], start: usize) -> Result<usize, JsonError> {
    let digits = |mut at: usize| {
        while let Some(b'0'..=b'9') = bytes.get(at) {
            at += 1;
        }
        at
    };
    let some_digits = |at: usize| match digits(at) {
        end if end > at => Ok(end),
        end if end == bytes.len() => Err(incomplete(end)),
        end => Err(syntax("a digit was expected", end)),
    };
    let mut at = start + usize::from(bytes.get(start) == Some(&b'-'));
    at = if bytes.get(at) == Some(&b'0') { at + 1 } else { some_digits(at)? };
    if bytes.get(at) == Some(&b'.') {
        at = some_digits(at + 1)?;
    }
    if let Some(b'e' | b'E') = bytes.get(at) {
        at += 1;
        at += usize::from(matches!(bytes.get(at), Some(b'+' | b'-')));
        at = some_digits(at)?;
    }
    match bytes.get(at) {
        Some(b'0'..=b'9' | b'a'..=b'z' | b'A'..=b'Z' | b'.' | b'+' | b'-' | b'"') => {
            Err(syntax("a number ends badly", at))
        }
        _ => Ok(at),
    }
}

#[inline(always)]
fn load(bytes: &[u8], at: usize) -> Option<u8x16> {
    let chunk: [u8; 16] = bytes.get(at..at + 16)?.try_into().ok()?;
    Some(u8x16::new(chunk))
}

#[inline(always)]
fn equal(chunk: u8x16, byte: u8) -> u32 {
    chunk.simd_eq(u8x16::splat(byte)).to_bitmask()
}

/// From just behind an opening quote: the position of the closing one, and whether the string
/// holds an escape.
#[inline]
pub(super) fn string_end(bytes: &[u8], mut at: usize) -> Result<(usize, bool), JsonError> {
    let mut escaped = false;
    while let Some(chunk) = load(bytes, at) {
        let hits = equal(chunk, b'"') | equal(chunk, b'\\');
        if hits == 0 {
            at += 16;
            continue;
        }
        at += hits.trailing_zeros() as usize;
        if bytes[at] == b'"' {
            return Ok((at, escaped));
        }
        escaped = true;
        at += 2;
    }
    loop {
        match bytes.get(at) {
            Some(b'"') => return Ok((at, escaped)),
            Some(b'\\') => {
                escaped = true;
                at += 2;
            }
            Some(_) => at += 1,
            None => return Err(incomplete(bytes.len())),
        }
    }
}

/// Where the bits of interest stand in one block of 64 bytes.
struct Block {
    quotes: u64,
    backslashes: u64,
    opens: u64,
    closes: u64,
}

impl Block {
    #[inline(always)]
    fn read(block: &[u8; 64]) -> Self {
        let mut masks = Self { quotes: 0, backslashes: 0, opens: 0, closes: 0 };
        // '{' and '[', and '}' and ']', differ in one bit: set it, and one comparison serves both
        let case = u8x16::splat(0x20);
        for (i, chunk) in block.as_chunks::<16>().0.iter().enumerate() {
            let chunk = u8x16::new(*chunk);
            let folded = chunk | case;
            masks.quotes |= u64::from(equal(chunk, b'"')) << (i * 16);
            masks.backslashes |= u64::from(equal(chunk, b'\\')) << (i * 16);
            masks.opens |= u64::from(equal(folded, b'{')) << (i * 16);
            masks.closes |= u64::from(equal(folded, b'}')) << (i * 16);
        }
        masks
    }
}

/// Each bit becomes the parity of the bits at and below it.
#[inline(always)]
fn prefix_xor(mut bits: u64) -> u64 {
    for shift in [1, 2, 4, 8, 16, 32] {
        bits ^= bits << shift;
    }
    bits
}

/// The bits of characters that a backslash escapes; `carry` says, in and out, whether the first
/// character of a block is escaped by the last of the one before.
#[inline(always)]
fn escaped(backslashes: u64, carry: &mut bool) -> u64 {
    if backslashes == 0 {
        return u64::from(std::mem::take(carry));
    }
    let mut result = 0u64;
    let mut at = 0u32;
    if std::mem::take(carry) {
        result = 1;
        at = 1;
    }
    // rare, and short where it occurs: a loop over the backslashes is enough
    while at < 64 {
        let rest = backslashes >> at;
        if rest == 0 {
            break;
        }
        at += rest.trailing_zeros();
        if at == 63 {
            *carry = true;
            break;
        }
        result |= 1 << (at + 1);
        at += 2;
    }
    result
}

/// From the opening bracket of an object or array: the position behind its closing one.
fn skip_container(bytes: &[u8], start: usize, outer: usize) -> Result<usize, JsonError> {
    let most = MAX_JSON_DEPTH.saturating_sub(outer);
    let mut at = start;
    let mut depth = 0usize;
    let mut in_string = 0u64;
    let mut carry = false;
    while at < bytes.len() {
        let masks = match bytes.get(at..at + 64).and_then(|block| block.try_into().ok()) {
            Some(block) => Block::read(block),
            None => {
                let mut block = [b' '; 64];
                let rest = &bytes[at..];
                block[..rest.len()].copy_from_slice(rest);
                Block::read(&block)
            }
        };
        let quotes = masks.quotes & !escaped(masks.backslashes, &mut carry);
        let strings = prefix_xor(quotes) ^ in_string;
        in_string = ((strings as i64) >> 63) as u64;
        let opens = masks.opens & !strings;
        let closes = masks.closes & !strings;
        let (up, down) = (opens.count_ones() as usize, closes.count_ones() as usize);
        if down >= depth || depth + up > most {
            match bracket_walk(opens, closes, &mut depth, most) {
                Walk::Closed(bit) => return Ok(at + bit + 1),
                Walk::TooDeep(bit) => return Err(too_deep(at + bit)),
                Walk::Open => {}
            }
        } else {
            depth = depth + up - down;
        }
        at += 64;
    }
    Err(incomplete(bytes.len()))
}

enum Walk {
    Closed(usize),
    TooDeep(usize),
    Open,
}

/// Follows the depth bracket by bracket through one block.
fn bracket_walk(opens: u64, closes: u64, depth: &mut usize, most: usize) -> Walk {
    let mut brackets = opens | closes;
    while brackets != 0 {
        let bit = brackets.trailing_zeros();
        brackets &= brackets - 1;
        if opens & (1 << bit) != 0 {
            *depth += 1;
            if *depth > most {
                return Walk::TooDeep(bit as usize);
            }
        } else {
            *depth -= 1;
            if *depth == 0 {
                return Walk::Closed(bit as usize);
            }
        }
    }
    Walk::Open
}

#[cfg(test)]
mod tests {
    use super::*;

    fn end(text: &str) -> Result<usize, JsonErrorKind> {
        skip_value(text.as_bytes(), 0).map_err(|e| e.kind)
    }

    #[test]
    fn a_value_ends_where_it_ends() {
        for value in [
            "null",
            "true",
            "false",
            "0",
            "-1.5e+10",
            "\"\"",
            "\"a\\\"b\"",
            "\"\\\\\"",
            "{}",
            "[]",
            r#"{"a":"}","b":["]",{"c":"\\"}]}"#,
        ] {
            for tail in ["", ",", " ", "]", "\n{}"] {
                assert_eq!(end(&format!("{value}{tail}")), Ok(value.len()), "{value}{tail}");
            }
        }
    }

    #[test]
    fn brackets_in_strings_do_not_count_wherever_blocks_fall() {
        for pad in 0..140 {
            for slashes in 0..5 {
                let value = format!(
                    r#"{{"{}":"{}\"]}}","k":[{{"x":"{}"}}]}}"#,
                    "p".repeat(pad),
                    "\\\\".repeat(slashes),
                    "\\\\".repeat(slashes)
                );
                assert_eq!(end(&format!("{value} tail")), Ok(value.len()), "{value}");
            }
        }
    }

    #[test]
    fn what_is_cut_off_is_incomplete_at_every_length() {
        let value = r#"{"a":["\"",true,null,-1.5e3],"b":{"c":"\\"}}"#;
        for cut in 0..value.len() {
            assert_eq!(end(&value[..cut]), Err(JsonErrorKind::Incomplete), "{}", &value[..cut]);
        }
    }

    #[test]
    fn depth_is_bounded() {
        let nested = |n: usize| "[".repeat(n) + &"]".repeat(n);
        assert_eq!(end(&nested(MAX_JSON_DEPTH)), Ok(2 * MAX_JSON_DEPTH));
        assert_eq!(end(&nested(MAX_JSON_DEPTH + 1)), Err(JsonErrorKind::TooDeep));
        assert_eq!(end(&"[".repeat(1 << 20)), Err(JsonErrorKind::TooDeep));
    }

    #[test]
    fn what_is_no_value_is_said() {
        for text in ["x", "tru!", "+1", "01", "1a", "-x", "1.x", "]"] {
            assert!(matches!(end(text), Err(JsonErrorKind::Syntax(_))), "{text}: {:?}", end(text));
        }
    }
}
