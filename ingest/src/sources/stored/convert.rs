//! One stored value → the value as the source writes it.
//!
//! In: a JSON value, as a column's value reads. Out: the value of the field; nothing where the column says
//! nothing of it. What cannot be understood stays as it is: a text that is no JSON is a text.

use serde_json::{Map, Number, Value};

use super::How;
use crate::sources::time::{parse_time, to_rfc3339};

/// What is made of a value.
pub(super) fn convert(how: How, value: &Value) -> Option<Value> {
    match how {
        How::Text => text(value).map(Value::from),
        How::Digits(count) => match value {
            // a number shows itself without regard to width
            Value::Number(number) => Some(format!("{:0>count$}", digits(number)).into()),
            other => text(other).map(Value::from),
        },
        How::Bool => match value {
            Value::String(text) if text.eq_ignore_ascii_case("true") => Some(true.into()),
            Value::String(text) if text.eq_ignore_ascii_case("false") => Some(false.into()),
            other => Some(other.clone()),
        },
        How::Time => time(value),
        How::Json => Some(json(value)),
        How::Begins(start) => text(value).filter(|text| text.starts_with(start)).map(Value::from),
        How::BeginsNot(start) => text(value).filter(|text| !text.starts_with(start)).map(Value::from),
        How::Words(words) => {
            let text = text(value)?;
            words.iter().find(|(from, _)| from.eq_ignore_ascii_case(&text)).map(|(_, to)| (*to).into())
        }
        How::List(members) => list(&json(value), members),
    }
}

/// A whole number without the point that a column of fractions gives it: pandas makes one of every column of numbers of
/// which some are absent.
fn digits(number: &Number) -> String {
    match number.as_f64().filter(|value| number.is_f64() && value.fract() == 0.0) {
        Some(whole) => format!("{whole:.0}"),
        None => number.to_string(),
    }
}

fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(is) => Some(is.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

/// A time that has an offset is as somebody wrote it; any other is written anew, in UTC.
fn time(value: &Value) -> Option<Value> {
    match value {
        Value::String(text) if text.ends_with('Z') => Some(value.clone()),
        Value::String(_) | Value::Number(_) => {
            Some(parse_time(&value.to_string()).map_or_else(|| value.clone(), |time| to_rfc3339(time).into()))
        }
        _ => None,
    }
}

/// JSON that stands in a text, also in the texts of a map; members that are null are absent.
pub(super) fn json(value: &Value) -> Value {
    match value {
        Value::String(text) => unfolded(text).unwrap_or_else(|| value.clone()),
        Value::Object(members) => Value::Object(
            members
                .iter()
                .filter(|(_, value)| !value.is_null())
                .map(|(name, value)| (name.clone(), member(value)))
                .collect(),
        ),
        other => other.clone(),
    }
}

fn member(value: &Value) -> Value {
    match value {
        Value::Object(_) => json(value),
        Value::String(text) if text.starts_with(['{', '[']) => {
            serde_json::from_str(text).unwrap_or_else(|_| value.clone())
        }
        other => other.clone(),
    }
}

/// An object, a list or a null; a text that reads as a number is a text all the same.
fn unfolded(text: &str) -> Option<Value> {
    let text = text.trim();
    match text.starts_with(['{', '[']) || text == "null" {
        true => serde_json::from_str(text).ok(),
        false => None,
    }
}

fn list(value: &Value, members: &[(&str, &[&str])]) -> Option<Value> {
    let Value::Array(elements) = value else { return None };
    let element = |element: &Value| {
        let Value::Object(object) = element else { return element.clone() };
        let renamed = members.iter().filter_map(|(name, candidates)| {
            let value = candidates.iter().find_map(|path| at(object, path))?;
            Some(((*name).to_owned(), value.clone()))
        });
        Value::Object(renamed.collect())
    };
    Some(elements.iter().map(element).collect())
}

/// The value at a dotted path, names in any case.
fn at<'v>(object: &'v Map<String, Value>, path: &str) -> Option<&'v Value> {
    let (name, rest) = path.split_once('.').map_or((path, None), |(name, rest)| (name, Some(rest)));
    let value = object.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value)?;
    match rest {
        None => Some(value).filter(|value| !value.is_null()),
        Some(rest) => at(value.as_object()?, rest),
    }
}
