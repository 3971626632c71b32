//! What stands at the beginning of an input that is one document: whether its events can be given while it is read.
//!
//! In: the first bytes. Out: where the first event of an array stands, or that only the end of the document tells.

use memchr::memchr;
use virga_engine::json::{JsonErrorKind, skip_value, skip_whitespace};

use super::{ARRAY_KEYS, LISTED, LONGEST_KEY, ODATA};
use crate::limits::MAX_PREFIX_BYTES;

/// A list of this name holds events, and is no part of one, where its first element begins with this key
/// (`filter-log-events`).
const TOLD_LIST: (&[u8], &[u8]) = (b"events", b"\"logStreamName\"");

/// What stands at the beginning of an input: an object whose first key holds the array of events, but for what
/// OData says of it (`@odata.context`)?
#[derive(Debug, PartialEq, Eq)]
pub(in crate::decode) enum Prefix {
    /// Yes; the first event stands so many bytes behind the beginning.
    Array(usize),
    /// So it seems, but an event may begin so: what stands behind the array tells.
    Perhaps(usize),
    /// No.
    Other,
    /// More bytes would tell.
    Unknown,
}

/// Looks for `{"Records":[{` (or its kin) at the beginning of the bytes.
pub(in crate::decode) fn array_prefix(bytes: &[u8]) -> Prefix {
    let bytes = bytes.get(..MAX_PREFIX_BYTES).unwrap_or(bytes);
    match read_prefix(bytes) {
        Some(prefix) => prefix,
        None if bytes.len() >= MAX_PREFIX_BYTES => Prefix::Other,
        None => Prefix::Unknown,
    }
}

/// The same; `None` where the bytes end too early to tell.
fn read_prefix(bytes: &[u8]) -> Option<Prefix> {
    let mut at = skip_whitespace(bytes, 0);
    if *bytes.get(at)? != b'{' {
        return Some(Prefix::Other);
    }
    let mut is_first = true;
    loop {
        at = skip_whitespace(bytes, at + 1);
        if *bytes.get(at)? != b'"' {
            return Some(Prefix::Other);
        }
        let key = bytes.get(at + 1..)?;
        let Some(close) = memchr(b'"', key) else {
            return if key.len() > LONGEST_KEY { Some(Prefix::Other) } else { None };
        };
        let key = key.get(..close)?;
        at = skip_whitespace(bytes, at + close + 2);
        if *bytes.get(at)? != b':' {
            return Some(Prefix::Other);
        }
        at = skip_whitespace(bytes, at + 1);
        if !key.starts_with(ODATA) {
            return read_array(bytes, key, at, is_first);
        }
        is_first = false;
        at = match skip_value(bytes, at) {
            Ok(end) => skip_whitespace(bytes, end),
            Err(error) if error.kind == JsonErrorKind::Incomplete => return None,
            Err(_) => return Some(Prefix::Other),
        };
        if *bytes.get(at)? != b',' {
            return Some(Prefix::Other);
        }
    }
}

/// Whether the value of a key, the first of its object or not, is an array of events.
fn read_array(bytes: &[u8], key: &[u8], at: usize, is_first: bool) -> Option<Prefix> {
    let (list, first) = TOLD_LIST;
    if !ARRAY_KEYS.contains(&key) || (LISTED.contains(&key) && key != list) || *bytes.get(at)? != b'[' {
        return Some(Prefix::Other);
    }
    let at = skip_whitespace(bytes, at + 1);
    if *bytes.get(at)? != b'{' {
        return Some(Prefix::Other);
    }
    if key != list {
        return Some(if is_first { Prefix::Array(at) } else { Prefix::Perhaps(at) });
    }
    let begin = skip_whitespace(bytes, at + 1);
    let there = bytes.get(begin..)?;
    match there.get(..first.len()) {
        Some(there) if there == first => Some(Prefix::Perhaps(at)),
        None if first.starts_with(there) => None,
        _ => Some(Prefix::Other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_beginning_of_a_streamed_array_is_known_as_soon_as_it_can_be() {
        let whole = "{ \"Records\" : [ {";
        assert_eq!(array_prefix(whole.as_bytes()), Prefix::Array(whole.len() - 1));
        for cut in 0..whole.len() {
            assert_eq!(array_prefix(&whole.as_bytes()[..cut]), Prefix::Unknown, "{}", &whole[..cut]);
        }
        let answer = "{\"@odata.context\":\"c\",\n \"@odata.count\":7,\"value\":[{";
        assert_eq!(array_prefix(answer.as_bytes()), Prefix::Perhaps(answer.len() - 1));
        for cut in 0..answer.len() {
            assert_eq!(array_prefix(&answer.as_bytes()[..cut]), Prefix::Unknown, "{}", &answer[..cut]);
        }
        let told = "{\"events\":[{\"logStreamName\"";
        assert_eq!(array_prefix(told.as_bytes()), Prefix::Perhaps(11));
        for cut in 0..told.len() {
            assert_eq!(array_prefix(&told.as_bytes()[..cut]), Prefix::Unknown, "{}", &told[..cut]);
        }
        for other in [
            "{\"Records\":[]",
            "{\"Records\":{",
            "{\"eventVersion\":[{",
            "[",
            "{}",
            "{\"recordsX\":[{",
            "{\"entries\":[{",
            "{\"events\":[{\"timestamp\"",
            "{\"@odata.context\":\"c\",\"id\":",
            "{\"@odata.context\":\"c\"}",
            "{\"@odata.context\":,",
        ] {
            assert_eq!(array_prefix(other.as_bytes()), Prefix::Other, "{other}");
        }
        assert_eq!(array_prefix(&vec![b' '; 1 << 20]), Prefix::Other);
    }
}
