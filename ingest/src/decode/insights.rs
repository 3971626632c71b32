//! The answer of a CloudWatch Logs Insights query: rows of fields and values → the event of each row.
//!
//! In: `{"results":[[{"field":"@timestamp","value":"…"},{"field":"@message","value":"{…}"}]],"status":"Complete"}`.
//! Out: the message of each row, where the query asked for it and it is JSON; else the row as an object of its fields. A
//! document of another build gives nothing, and whoever asked takes it as an event.
//!
//! Format: API reference of CloudWatch Logs, `GetQueryResults`.

use std::borrow::Cow;

use virga_engine::json::{Value, parse};

use super::envelope::Rebuilt;
use super::member;
use super::packed::is_json;

/// The events of the rows, each as JSON; `false` where the document is not built so.
pub(super) fn rows(document: &str, rows: &mut Rebuilt) -> bool {
    let Ok(Value::Object(members)) = parse(document) else { return false };
    let Some(Value::Array(results)) = member(&members, "results") else { return false };
    // an event may have an empty list called `results`
    if results.is_empty() && member(&members, "statistics").is_none() {
        return false;
    }
    let made: Vec<Option<Vec<(&str, &str)>>> = results.iter().map(fields).collect();
    if !results.is_empty() && made.iter().all(Option::is_none) {
        return false;
    }
    for (row, fields) in results.iter().zip(made) {
        let size = fields.iter().flatten().map(|(name, value)| name.len() + value.len()).sum();
        if !rows.has_room(size) {
            return true;
        }
        match fields {
            Some(fields) => rows.push(event(&fields)),
            None => rows.push_bad(row),
        }
    }
    true
}

/// The message of a row, if it is JSON; else the row as an object.
fn event(fields: &[(&str, &str)]) -> String {
    if let Some((_, message)) = fields.iter().find(|(name, text)| *name == "@message" && is_object(text)) {
        return (*message).to_owned();
    }
    let field = |(name, value): &(&str, &str)| {
        (Cow::Owned((*name).to_owned()), Value::String(Cow::Owned((*value).to_owned())))
    };
    let mut text = String::new();
    Value::Object(fields.iter().map(field).collect()).write_compact(&mut text);
    text
}

fn is_object(text: &str) -> bool {
    text.starts_with('{') && is_json(text.as_bytes())
}

/// Names and values of a row, if there is nothing else in it; where a record is (`@ptr`) is no field of it.
fn fields<'v>(row: &'v Value<'_>) -> Option<Vec<(&'v str, &'v str)>> {
    let Value::Array(cells) = row else { return None };
    if cells.is_empty() {
        return None;
    }
    let cell = |cell: &'v Value<'_>| {
        let Value::Object(members) = cell else { return None };
        let text = |name| match member(members, name)? {
            Value::String(text) => Some(text.as_ref()),
            _ => None,
        };
        let is_known = members.iter().all(|(key, _)| key == "field" || key == "value");
        is_known.then_some((text("field")?, text("value").unwrap_or_default()))
    };
    let cells: Option<Vec<_>> = cells.iter().map(cell).collect();
    Some(cells?.into_iter().filter(|(name, _)| *name != "@ptr").collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(document: &str) -> Option<Vec<String>> {
        let mut rebuilt = Rebuilt::default();
        super::rows(document, &mut rebuilt).then(|| rebuilt.texts())
    }

    #[test]
    fn a_row_is_its_message_or_its_fields() {
        let document = r#"{"results":[
            [{"field":"@timestamp","value":"2026-03-02 10:00:00.000"},{"field":"@message","value":"{\"a\":1}"},{"field":"@ptr","value":"x"}],
            [{"field":"@message","value":"in words"},{"field":"@ptr","value":"x"}],
            [{"field":"@message","value":"{user} logged in"}],
            [{"field":"eventName","value":"StopLogging"},{"field":"n","value":"7"}]],
            "statistics":{"recordsMatched":3.0},"status":"Complete"}"#;
        let expected = [
            r#"{"a":1}"#,
            r#"{"@message":"in words"}"#,
            r#"{"@message":"{user} logged in"}"#,
            r#"{"eventName":"StopLogging","n":"7"}"#,
        ];
        assert_eq!(rows(document).unwrap(), expected);
    }

    #[test]
    fn a_row_that_is_not_built_so_is_bad_by_itself() {
        let document =
            r#"{"results":[[{"field":"a","value":"1"}],[{"field":"a","val[ue":"2"}],7],"statistics":{}}"#;
        let expected =
            [r#"{"a":"1"}"#, r#"bad not_an_object [{"field":"a","val[ue":"2"}]"#, "bad not_an_object 7"];
        assert_eq!(rows(document).unwrap(), expected);
    }

    #[test]
    fn another_build_is_not_taken_apart() {
        for document in [
            r#"{"results":7}"#,
            r#"{"results":[]}"#,
            r#"{"results":[[]]}"#,
            r#"{"results":[7]}"#,
            r#"{"results":[[{"value":"x"}]]}"#,
            r#"{"results":[{"a":1}]}"#,
        ] {
            assert_eq!(rows(document), None, "{document}");
        }
    }
}
