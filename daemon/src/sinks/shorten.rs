//! What is left of an alert that a sink does not take for its size.
//!
//! In: an alert's JSON, and how much each of its parts may have. Out: the same, of the same schema, with the parts that
//! have more empty, and `cut`, which names them. Whoever receives it still knows the alert by its id, the rule, the time
//! and, where they are short enough, its group and its events; the whole of it is in the archive, where there is one, and
//! in sinks that took it.
//!
//! ```text
//! {"alert_id":"a1", …, "fields":{"body":"…1.2 MB…"}}  ─▶  {"alert_id":"a1", …, "fields":{}, "cut":["fields"]}
//! ```

use serde_json::{Map, Value, json};

use crate::outbox::OutAlert;

/// The alert with parts of more than so many bytes empty, but for its id and its rule's, which are always there.
pub fn shortened(alert: &OutAlert, most: usize) -> String {
    let mut parts = serde_json::from_str::<Map<String, Value>>(&alert.json).unwrap_or_default();
    let mut cut = Vec::new();
    for (name, part) in &mut parts {
        if name != "alert_id" && part.to_string().len() > most {
            *part = empty(alert, name, part);
            cut.push(Value::from(name.as_str()));
        }
    }
    parts.entry("alert_id").or_insert_with(|| alert.id.as_str().into());
    parts.entry("rule").or_insert_with(|| rule(alert));
    parts.insert("cut".into(), cut.into());
    Value::Object(parts).to_string()
}

/// What stands in the place of a part: nothing, of the same kind.
fn empty(alert: &OutAlert, name: &str, part: &Value) -> Value {
    match part {
        _ if name == "rule" => rule(alert),
        Value::Object(_) => json!({}),
        Value::Array(_) => json!([]),
        Value::String(_) => json!(""),
        Value::Null | Value::Bool(_) | Value::Number(_) => Value::Null,
    }
}

/// As much of the rule as whoever hears of the alert cannot do without.
fn rule(alert: &OutAlert) -> Value {
    json!({"id": alert.rule, "title": "", "level": alert.level, "status": null, "tags": [], "file": ""})
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_that_are_too_long_are_left_out_and_named() {
        let long = "x".repeat(100);
        let json = format!(
            r#"{{"alert_id":"a1","rule":{{"id":"r","title":"{long}"}},"count":2,"events":[1],"fields":{{"b":"{long}"}}}}"#
        );
        let alert = |json: &str| OutAlert {
            id: "a1".into(),
            rule: "r".into(),
            level: None,
            json: json.into(),
            arrived: 0,
        };
        let rule = r#""rule":{"id":"r","title":"","level":null,"status":null,"tags":[],"file":""}"#;
        for (json, most, expected) in [
            (
                json.as_str(),
                100,
                format!(
                    r#"{{"alert_id":"a1",{rule},"count":2,"events":[1],"fields":{{}},"cut":["rule","fields"]}}"#
                ),
            ),
            (
                json.as_str(),
                2,
                format!(
                    r#"{{"alert_id":"a1",{rule},"count":2,"events":[],"fields":{{}},"cut":["rule","events","fields"]}}"#
                ),
            ),
            (json.as_str(), 1_000, json.replace("}}", r#"},"cut":[]}"#)),
            // none of Virga's own, and known by its id all the same
            ("[]", 100, format!(r#"{{"alert_id":"a1",{rule},"cut":[]}}"#)),
        ] {
            let cut = shortened(&alert(json), most);
            assert_eq!(cut, expected);
        }
    }
}
