//! OpenTelemetry's OTLP in JSON: many spans or log records under what they share → one event each.
//!
//! In: `{"resourceSpans":[…]}` or `{"resourceLogs":[…]}`, as collectors write it, one object a line or
//! a file. Out: each span or log record with its resource and scope beside it, and attributes as an
//! object: they travel as `[{"key":"a","value":{"intValue":"1"}}]`, in which no rule could name one.
//! Of what they share the address of a schema is left out, nothing else. A document of another build gives nothing, and
//! whoever asked takes it as an event.
//!
//! Format: OTLP 1.x, JSON Protobuf encoding (`opentelemetry-proto`, `trace.proto`, `logs.proto`).

use std::borrow::Cow;
use std::collections::HashMap;
use std::collections::hash_map::Entry;

use virga_engine::json::{Value, parse};

use super::envelope::Rebuilt;

type Members<'a> = Vec<(Cow<'a, str>, Value<'a>)>;

/// How one signal is built: the list of resources, the lists of scopes in each (the older name too),
/// the records in each.
struct Signal {
    resources: &'static str,
    scopes: &'static [&'static str],
    records: &'static str,
}

const SIGNALS: &[Signal] = &[
    Signal {
        resources: "resourceSpans",
        scopes: &["scopeSpans", "instrumentationLibrarySpans"],
        records: "spans",
    },
    Signal {
        resources: "resourceLogs",
        scopes: &["scopeLogs", "instrumentationLibraryLogs"],
        records: "logRecords",
    },
];

/// The records of a document, each as JSON; `false` where it is not built so. What is no record where
/// one should be is bad by itself.
pub(super) fn records(document: &str, records: &mut Rebuilt) -> bool {
    let Ok(Value::Object(members)) = parse(document) else { return false };
    let signal = |key: &str| SIGNALS.iter().find(|signal| signal.resources == key);
    if !members.iter().all(|(key, value)| signal(key).is_some() && matches!(value, Value::Array(_))) {
        return false;
    }
    for (key, value) in members {
        if let (Some(signal), Value::Array(resources)) = (signal(&key), value) {
            resources.into_iter().for_each(|resource| of_resource(resource, signal, records));
        }
    }
    true
}

fn of_resource(resource: Value<'_>, signal: &Signal, records: &mut Rebuilt) {
    let Value::Object(mut members) = resource else { return records.push_bad(&resource) };
    let described = take(&mut members, &["resource"]).map(with_attributes);
    // the older name of the list may stand beside today's
    let lists: Vec<Value<'_>> = signal.scopes.iter().filter_map(|name| take(&mut members, &[name])).collect();
    let scopes: Vec<Value<'_>> = lists.into_iter().flat_map(|scopes| list(Some(scopes), records)).collect();
    for scope in scopes {
        let Value::Object(mut members) = scope else {
            records.push_bad(&scope);
            continue;
        };
        let scope = take(&mut members, &["scope", "instrumentationLibrary"]).map(with_attributes);
        let shared = Shared::new([("resource", &described), ("scope", &scope)]);
        for record in list(take(&mut members, &[signal.records]), records) {
            if !records.has_room(shared.bytes) {
                return;
            }
            match record {
                Value::Object(record) => records.push(shared.with(record)),
                other => records.push_bad(&other),
            }
        }
    }
}

/// The elements of a list; nothing has none, and what is no list is bad.
fn list<'a>(value: Option<Value<'a>>, records: &mut Rebuilt) -> Vec<Value<'a>> {
    match value {
        Some(Value::Array(elements)) => elements,
        Some(other) => {
            records.push_bad(&other);
            Vec::new()
        }
        None => Vec::new(),
    }
}

/// What the records of one scope share, as JSON: written once, copied into each.
struct Shared {
    members: String,
    bytes: usize,
}

impl Shared {
    fn new(parts: [(&str, &Option<Value<'_>>); 2]) -> Self {
        let mut members = String::new();
        for (key, value) in parts {
            if let Some(value) = value {
                members += &format!(",\"{key}\":");
                value.write_compact(&mut members);
            }
        }
        let bytes = members.len();
        Self { members, bytes }
    }

    /// A record with what it shares, as JSON.
    fn with(&self, mut record: Members<'_>) -> String {
        record.iter_mut().for_each(|(key, value)| plain_member(key, value));
        let mut text = String::new();
        Value::Object(record).write_compact(&mut text);
        text.pop();
        let shared = if text == "{" { self.members.trim_start_matches(',') } else { &self.members };
        text += shared;
        text.push('}');
        text
    }
}

fn take<'a>(members: &mut Members<'a>, names: &[&str]) -> Option<Value<'a>> {
    let at = members.iter().position(|(key, _)| names.contains(&key.as_ref()))?;
    Some(members.swap_remove(at).1)
}

/// A member of a record: attribute lists become objects, a log's body its value.
fn plain_member(key: &str, value: &mut Value<'_>) {
    match key {
        "attributes" => *value = attributes(std::mem::replace(value, Value::Null)),
        "body" => *value = plain(std::mem::replace(value, Value::Null)),
        "events" | "links" => {
            if let Value::Array(elements) = value {
                for element in elements {
                    *element = with_attributes(std::mem::replace(element, Value::Null));
                }
            }
        }
        _ => {}
    }
}

fn with_attributes(mut value: Value<'_>) -> Value<'_> {
    if let Value::Object(members) = &mut value {
        for (key, value) in members.iter_mut().filter(|(key, _)| key == "attributes") {
            plain_member(key, value);
        }
    }
    value
}

/// `[{"key":…,"value":{…}}]` → an object; of equal keys the last. Anything else stays as it is.
fn attributes(list: Value<'_>) -> Value<'_> {
    let Value::Array(pairs) = list else { return list };
    let named = |pair: &Value<'_>| {
        matches!(pair, Value::Object(members)
            if members.iter().any(|(key, value)| key == "key" && matches!(value, Value::String(_))))
    };
    if !pairs.iter().all(named) {
        return Value::Array(pairs);
    }
    let mut object: Members<'_> = Vec::with_capacity(pairs.len());
    let mut places: HashMap<Cow<'_, str>, usize> = HashMap::with_capacity(pairs.len());
    for pair in pairs {
        let Value::Object(mut members) = pair else { continue };
        let value = take(&mut members, &["value"]).map_or(Value::Null, plain);
        let Some(Value::String(key)) = take(&mut members, &["key"]) else { continue };
        match places.entry(key) {
            Entry::Occupied(known) => object[*known.get()].1 = value,
            Entry::Vacant(new) => {
                object.push((new.key().clone(), value));
                new.insert(object.len() - 1);
            }
        }
    }
    Value::Object(object)
}

/// `{"intValue":"12"}` → `12`, and so on through lists; anything else stays as it is.
fn plain(value: Value<'_>) -> Value<'_> {
    let Value::Object(mut members) = value else { return value };
    let [(kind, _)] = members.as_slice() else { return Value::Object(members) };
    let list = |value| match value {
        Value::Object(mut inner) => take(&mut inner, &["values"]).unwrap_or(Value::Array(Vec::new())),
        other => other,
    };
    match kind.as_ref() {
        "stringValue" | "boolValue" | "doubleValue" | "bytesValue" => members.remove(0).1,
        "intValue" => match members.remove(0).1 {
            Value::String(Cow::Borrowed(digits)) if digits.parse::<i64>().is_ok() => Value::Number(digits),
            other => other,
        },
        "arrayValue" => match list(members.remove(0).1) {
            Value::Array(values) => Value::Array(values.into_iter().map(plain).collect()),
            other => other,
        },
        "kvlistValue" => attributes(list(members.remove(0).1)),
        _ => Value::Object(members),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn records(document: &str) -> Option<Vec<String>> {
        let mut rebuilt = Rebuilt::default();
        super::records(document, &mut rebuilt).then(|| rebuilt.texts())
    }

    #[test]
    fn a_span_carries_what_it_shares_and_its_attributes_are_an_object() {
        let document = r#"{"resourceSpans":[{
            "resource":{"attributes":[{"key":"service.name","value":{"stringValue":"gateway"}}]},
            "scopeSpans":[{"scope":{"name":"lib","version":"1"},"spans":[
                {"traceId":"t","spanId":"1","attributes":[
                    {"key":"gen_ai.usage.input_tokens","value":{"intValue":"12"}},
                    {"key":"n","value":{"doubleValue":0.5}},
                    {"key":"n","value":{"boolValue":true}},
                    {"key":"list","value":{"arrayValue":{"values":[{"stringValue":"a"},{"intValue":2}]}}},
                    {"key":"map","value":{"kvlistValue":{"values":[{"key":"k","value":{"stringValue":"v"}}]}}},
                    {"key":"empty","value":{}}],
                 "events":[{"name":"e","attributes":[{"key":"a","value":{"stringValue":"b"}}]}]},
                {"traceId":"t","spanId":"2"}]}]}]}"#;
        let shared =
            r#""resource":{"attributes":{"service.name":"gateway"}},"scope":{"name":"lib","version":"1"}}"#;
        assert_eq!(
            records(document).unwrap(),
            [
                format!(
                    "{}{shared}",
                    r#"{"traceId":"t","spanId":"1","attributes":{"gen_ai.usage.input_tokens":12,"n":true,"list":["a",2],"map":{"k":"v"},"empty":{}},"events":[{"name":"e","attributes":{"a":"b"}}],"#
                ),
                format!("{}{shared}", r#"{"traceId":"t","spanId":"2","#),
            ]
        );
    }

    #[test]
    fn of_equal_attributes_the_last_stands_in_the_place_of_the_first() {
        let pair =
            |key: usize, value: usize| format!(r#"{{"key":"k{key}","value":{{"intValue":"{value}"}}}}"#);
        for many in [3, 2_000] {
            let pairs: Vec<String> =
                (0..many).chain(0..many).enumerate().map(|(value, key)| pair(key, value)).collect();
            let list = format!("[{}]", pairs.join(","));
            let mut text = String::new();
            attributes(parse(&list).unwrap()).write_compact(&mut text);
            let expected: Vec<String> = (0..many).map(|key| format!("\"k{key}\":{}", many + key)).collect();
            assert_eq!(text, format!("{{{}}}", expected.join(",")));
        }
    }

    #[test]
    fn a_log_record_has_its_body_as_a_value() {
        let document = r#"{"resourceLogs":[{"scopeLogs":[{"logRecords":[
            {"timeUnixNano":"1","body":{"kvlistValue":{"values":[{"key":"content","value":{"stringValue":"hi"}}]}}},
            {"body":{"stringValue":"text"}}]}]},{"resource":{}}]}"#;
        assert_eq!(
            records(document).unwrap(),
            [r#"{"timeUnixNano":"1","body":{"content":"hi"}}"#, r#"{"body":"text"}"#]
        );
    }

    #[test]
    fn another_build_is_not_taken_apart() {
        for document in ["{", "[]", r#"{"resourceSpans":{}}"#, r#"{"resourceSpans":[],"other":1}"#] {
            assert_eq!(records(document), None, "{document}");
        }
        assert_eq!(records(r#"{"resourceSpans":[]}"#), Some(vec![]));
        let both = r#"{"resourceSpans":[{"scopeSpans":[{"spans":[{"a":1}]}],"instrumentationLibrarySpans":[{"spans":[{"b":2}]}]}]}"#;
        assert_eq!(records(both).unwrap(), [r#"{"a":1}"#, r#"{"b":2}"#]);
        let bad = r#"{"resourceSpans":[1,{"scopeSpans":{}},{"scopeSpans":[2,{"spans":[3,{"a":4}]}]}]}"#;
        let expected = ["1", "{}", "2", "3"].map(|part| format!("bad not_an_object {part}"));
        assert_eq!(records(bad).unwrap(), [&expected[..], &[r#"{"a":4}"#.to_owned()]].concat());
    }
}
