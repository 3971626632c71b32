//! Small readers of JSON values that derivations share.
//!
//! In: a parsed value, whatever it turned out to be. Out: the part asked for, or nothing where the value
//! is of another kind: logs come from outside, and none of these can fail.

use virga_engine::json::Value;

/// A member of an object, its name in any case: the same request comes from tools that begin names with
/// a capital and from tools that do not.
pub(super) fn get<'v, 'a>(value: &'v Value<'a>, name: &str) -> Option<&'v Value<'a>> {
    let Value::Object(members) = value else { return None };
    members.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value)
}

/// The elements of an array; nothing else has any.
pub(super) fn elements<'v, 'a>(value: &'v Value<'a>) -> &'v [Value<'a>] {
    match value {
        Value::Array(elements) => elements,
        _ => &[],
    }
}

/// A value that may be one thing or a list of things, as a list.
pub(super) fn one_or_more<'v, 'a>(value: &'v Value<'a>) -> &'v [Value<'a>] {
    match value {
        Value::Array(elements) => elements,
        Value::Null => &[],
        one => std::slice::from_ref(one),
    }
}

/// A string that is not empty.
pub(super) fn string<'v>(value: &'v Value<'_>) -> Option<&'v str> {
    match value {
        Value::String(text) if !text.is_empty() => Some(text),
        _ => None,
    }
}

/// A string that is not empty, or a number as it is written.
pub(super) fn scalar<'v>(value: &'v Value<'_>) -> Option<&'v str> {
    match value {
        Value::Number(number) => Some(number),
        other => string(other),
    }
}

#[cfg(test)]
mod tests {
    use virga_engine::json::parse;

    use super::*;

    #[test]
    fn each_reads_its_own_kind_and_nothing_of_another() {
        let text = r#"{"Text":"a","empty":"","number":1.50,"null":null,"list":["b",2],"yes":true}"#;
        let object = parse(text).unwrap();
        let of = |name: &str| get(&object, name).unwrap();
        assert_eq!(get(&object, "tEXT").and_then(string), Some("a"));
        assert!(get(of("list"), "Text").is_none());
        assert!(get(&object, "absent").is_none());
        let read = ["text", "empty", "number", "null", "list", "yes"].map(|name| {
            (string(of(name)), scalar(of(name)), elements(of(name)).len(), one_or_more(of(name)).len())
        });
        assert_eq!(
            read,
            [
                (Some("a"), Some("a"), 0, 1),
                (None, None, 0, 1),
                (None, Some("1.50"), 0, 1),
                (None, None, 0, 0),
                (None, None, 2, 2),
                (None, None, 0, 1),
            ]
        );
    }
}
