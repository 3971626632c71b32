//! A small tree of one JSON value, for the few places that need one.
//!
//! In: the text of a value. Out: a [`Value`] that keeps numbers as they were written (an account id
//! or a number beyond 2^53 loses nothing) and of equal keys the last. The scan needs it only for
//! values that are objects or arrays: their leaves, and their compact text.

use std::borrow::Cow;

use super::JsonError;
use super::cursor::{incomplete, skip_value, skip_whitespace, string_end, syntax, too_deep};
use crate::limits::MAX_JSON_DEPTH;

/// A JSON value.
#[derive(Debug, Clone, PartialEq)]
pub enum Value<'a> {
    /// `null`
    Null,
    /// `true` or `false`
    Bool(bool),
    /// A number, as it was written.
    Number(&'a str),
    /// A string, unescaped.
    String(Cow<'a, str>),
    /// An array.
    Array(Vec<Value<'a>>),
    /// An object; of equal keys the last, where the last stood.
    Object(Vec<(Cow<'a, str>, Value<'a>)>),
}

/// Reads one JSON value, which must be all that the text holds.
///
/// # Errors
/// Where the text is not JSON, is cut off or nests too deep.
pub fn parse(text: &str) -> Result<Value<'_>, JsonError> {
    let mut parser = Parser { text, bytes: text.as_bytes(), at: 0 };
    let value = parser.value(0)?;
    match skip_whitespace(parser.bytes, parser.at) {
        end if end == text.len() => Ok(value),
        end => Err(syntax("more text after the value", end)),
    }
}

/// The characters of a JSON string, unescaped; `None` where the text is not one string.
pub fn string_text(text: &str) -> Option<Cow<'_, str>> {
    // a byte and no pattern: for one `strip_prefix` calls a comparison of memory
    if text.as_bytes().first() != Some(&b'"') {
        return None;
    }
    let (end, escaped) = string_end(text.as_bytes(), 1).ok()?;
    if end + 1 != text.len() {
        return None;
    }
    let inner = &text[1..end];
    if escaped { unescape(inner).map(Cow::Owned) } else { Some(Cow::Borrowed(inner)) }
}

/// Replaces the escapes of a string's inside. A lone surrogate becomes U+FFFD: logs hold them, and
/// an event must not be lost for one.
fn unescape(inner: &str) -> Option<String> {
    let mut out = String::with_capacity(inner.len());
    let mut rest = inner;
    while let Some(at) = memchr::memchr(b'\\', rest.as_bytes()) {
        out.push_str(&rest[..at]);
        let escape = *rest.as_bytes().get(at + 1)?;
        let mut used = at + 2;
        match escape {
            b'"' | b'\\' | b'/' => out.push(char::from(escape)),
            b'b' => out.push('\u{8}'),
            b'f' => out.push('\u{c}'),
            b'n' => out.push('\n'),
            b'r' => out.push('\r'),
            b't' => out.push('\t'),
            b'u' => {
                let (c, more) = unicode_escape(rest.get(at + 2..)?)?;
                out.push(c);
                used += more;
            }
            _ => return None,
        }
        rest = rest.get(used..)?;
    }
    out.push_str(rest);
    Some(out)
}

/// Reads `XXXX`, or `XXXX\uYYYY` where the two are a surrogate pair; says how many bytes that took.
fn unicode_escape(text: &str) -> Option<(char, usize)> {
    let unit = |text: &str| {
        let digits = text.get(..4).filter(|d| d.bytes().all(|b| b.is_ascii_hexdigit()))?;
        u32::from_str_radix(digits, 16).ok()
    };
    let first = unit(text)?;
    if (0xD800..0xDC00).contains(&first)
        && let Some(second) = text.get(4..).and_then(|t| t.strip_prefix("\\u")).and_then(unit)
        && (0xDC00..0xE000).contains(&second)
    {
        let c = char::from_u32(0x10000 + ((first - 0xD800) << 10) + (second - 0xDC00))?;
        return Some((c, 10));
    }
    Some((char::from_u32(first).unwrap_or('\u{FFFD}'), 4))
}

struct Parser<'a> {
    text: &'a str,
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Parser<'a> {
    fn value(&mut self, depth: usize) -> Result<Value<'a>, JsonError> {
        self.at = skip_whitespace(self.bytes, self.at);
        match self.bytes.get(self.at) {
            Some(b'{' | b'[') if depth >= MAX_JSON_DEPTH => Err(too_deep(self.at)),
            Some(b'{') => self.object(depth),
            Some(b'[') => self.array(depth),
            Some(b'"') => self.string().map(Value::String),
            Some(_) => {
                let start = self.at;
                self.at = skip_value(self.bytes, start)?;
                Ok(match self.bytes[start] {
                    b't' => Value::Bool(true),
                    b'f' => Value::Bool(false),
                    b'n' => Value::Null,
                    _ => Value::Number(&self.text[start..self.at]),
                })
            }
            None => Err(incomplete(self.at)),
        }
    }

    fn string(&mut self) -> Result<Cow<'a, str>, JsonError> {
        let start = self.at;
        if self.bytes.get(start) != Some(&b'"') {
            return Err(match self.bytes.get(start) {
                Some(_) => syntax("a string was expected", start),
                None => incomplete(start),
            });
        }
        let (end, _) = string_end(self.bytes, start + 1)?;
        if let Some(control) = self.bytes[start + 1..end].iter().position(|&b| b < 0x20) {
            return Err(syntax("a control character in a string", start + 1 + control));
        }
        self.at = end + 1;
        string_text(&self.text[start..self.at]).ok_or_else(|| syntax("a bad escape in the string", start))
    }

    fn object(&mut self, depth: usize) -> Result<Value<'a>, JsonError> {
        let mut members: Vec<(Cow<'a, str>, Value<'a>)> = Vec::new();
        self.at = skip_whitespace(self.bytes, self.at + 1);
        if self.bytes.get(self.at) == Some(&b'}') {
            self.at += 1;
            return Ok(Value::Object(members));
        }
        loop {
            self.at = skip_whitespace(self.bytes, self.at);
            let key = self.string()?;
            self.at = skip_whitespace(self.bytes, self.at);
            self.expect(b':', "a colon was expected")?;
            let value = self.value(depth + 1)?;
            members.push((key, value));
            if self.next_or(b'}')? {
                return Ok(Value::Object(last_of_equal_keys(members)));
            }
        }
    }

    fn array(&mut self, depth: usize) -> Result<Value<'a>, JsonError> {
        let mut elements = Vec::new();
        self.at = skip_whitespace(self.bytes, self.at + 1);
        if self.bytes.get(self.at) == Some(&b']') {
            self.at += 1;
            return Ok(Value::Array(elements));
        }
        loop {
            elements.push(self.value(depth + 1)?);
            if self.next_or(b']')? {
                return Ok(Value::Array(elements));
            }
        }
    }

    /// Crosses a comma (false) or the closing bracket (true).
    fn next_or(&mut self, close: u8) -> Result<bool, JsonError> {
        self.at = skip_whitespace(self.bytes, self.at);
        let closed = self.bytes.get(self.at) == Some(&close);
        if !closed {
            self.expect(b',', "a comma or a closing bracket was expected")?;
            return Ok(false);
        }
        self.at += 1;
        Ok(true)
    }

    fn expect(&mut self, byte: u8, what: &'static str) -> Result<(), JsonError> {
        match self.bytes.get(self.at) {
            Some(b) if *b == byte => {
                self.at += 1;
                Ok(())
            }
            Some(_) => Err(syntax(what, self.at)),
            None => Err(incomplete(self.at)),
        }
    }
}

/// Members of an object up to which its keys are compared one with the other: most have fewer, and a
/// set costs more.
const FEW_MEMBERS: usize = 24;

fn has_equal_keys(members: &[(Cow<'_, str>, Value<'_>)]) -> bool {
    if members.len() <= FEW_MEMBERS {
        let before = |at: usize, key: &str| members[..at].iter().any(|(other, _)| other == key);
        return members.iter().enumerate().any(|(at, (key, _))| before(at, key));
    }
    let mut seen = std::collections::HashSet::with_capacity(members.len());
    members.iter().any(|(key, _)| !seen.insert(key.as_ref()))
}

fn last_of_equal_keys<'a>(mut members: Vec<(Cow<'a, str>, Value<'a>)>) -> Vec<(Cow<'a, str>, Value<'a>)> {
    if has_equal_keys(&members) {
        let mut seen = std::collections::HashSet::with_capacity(members.len());
        members.reverse();
        members.retain(|(key, _)| seen.insert(key.clone()));
        members.reverse();
    }
    members
}

impl Value<'_> {
    /// Calls `see` with every scalar below and including this value.
    pub fn for_each_leaf(&self, see: &mut impl FnMut(&Value<'_>)) {
        match self {
            Value::Array(elements) => elements.iter().for_each(|element| element.for_each_leaf(see)),
            Value::Object(members) => members.iter().for_each(|(_, value)| value.for_each_leaf(see)),
            scalar => see(scalar),
        }
    }

    /// Appends the value as JSON without white space and with no more escapes than JSON needs, so
    /// that the text does not depend on how the log was printed.
    pub fn write_compact(&self, out: &mut String) {
        match self {
            Value::Null => out.push_str("null"),
            Value::Bool(b) => out.push_str(if *b { "true" } else { "false" }),
            Value::Number(text) => out.push_str(text),
            Value::String(text) => write_string(text, out),
            Value::Array(elements) => {
                out.push('[');
                for (i, element) in elements.iter().enumerate() {
                    if i > 0 {
                        out.push(',');
                    }
                    element.write_compact(out);
                }
                out.push(']');
            }
            Value::Object(members) => {
                out.push('{');
                for (i, (key, value)) in members.iter().enumerate() {
                    if i > 0 {
                        out.push(',');
                    }
                    write_string(key, out);
                    out.push(':');
                    value.write_compact(out);
                }
                out.push('}');
            }
        }
    }
}

fn write_string(text: &str, out: &mut String) {
    use std::fmt::Write;
    out.push('"');
    let mut rest = text;
    // most texts need no escape: they are copied in stretches
    while let Some(at) = rest.bytes().position(|byte| byte < b' ' || matches!(byte, b'"' | b'\\')) {
        out.push_str(&rest[..at]);
        // a byte below 0x80 is a character
        let c = char::from(rest.as_bytes()[at]);
        rest = &rest[at + 1..];
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            c if c < ' ' => {
                // writing to a String cannot fail
                let _ = write!(out, "\\u{:04x}", c as u32);
            }
            c => out.push(c),
        }
    }
    out.push_str(rest);
    out.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;

    fn compact(text: &str) -> String {
        let mut out = String::new();
        parse(text).unwrap().write_compact(&mut out);
        out
    }

    #[test]
    fn compact_text_does_not_depend_on_how_the_log_was_printed() {
        let cases = [
            (r#" { "a" : [ 1 , 2.50 , -0e1 ] } "#, r#"{"a":[1,2.50,-0e1]}"#),
            (r#"{"a\/b":"\u0041\u00e9\ud83d\ude00\n\u001f"}"#, "{\"a/b\":\"Aé😀\\n\\u001f\"}"),
            (r#"{"a":1,"b":2,"a":3}"#, r#"{"b":2,"a":3}"#),
            (r#"["\ud800"]"#, "[\"\u{FFFD}\"]"),
            ("[]", "[]"),
            ("{}", "{}"),
        ];
        for (text, expected) in cases {
            assert_eq!(compact(text), expected, "{text}");
        }
    }

    #[test]
    fn what_is_not_json_is_refused() {
        for text in [
            "",
            "{",
            "[1,]",
            "{\"a\"}",
            "{\"a\":1,}",
            "{a:1}",
            "\"\\x\"",
            "\"\\u12\"",
            "1 2",
            "\"a\nb\"",
            "nul",
        ] {
            assert!(parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn numbers_stay_as_they_were_written() {
        for text in ["123456789012345678901234567890", "9007199254740993", "1.10", "1E5", "-0"] {
            assert_eq!(parse(text).unwrap(), Value::Number(text));
        }
    }
}
