//! The answer of a Log Analytics query: a table, as names of columns and rows of values → one object
//! a row.
//!
//! In: `{"tables":[{"name":…,"columns":[{"name":…,"type":…}],"rows":[[…]]}]}`. Out: each row as the
//! object that an export of the same table writes. A document of another build gives nothing, and
//! whoever asked takes it as an event.
//!
//! Format: Azure Monitor Logs, query API response.

use std::borrow::Cow;

use virga_engine::json::{Value, parse};

/// The rows of a document, each as JSON; `None` where it is not built so, or a row has not the length
/// of its header.
pub(super) fn rows(document: &str) -> Option<Vec<String>> {
    let Ok(Value::Object(members)) = parse(document) else { return None };
    let Value::Array(tables) = member(&members, "tables")? else { return None };
    let mut rows = Vec::new();
    for table in tables {
        let Value::Object(table) = table else { return None };
        let names = names(member(table, "columns")?)?;
        let Value::Array(of_table) = member(table, "rows")? else { return None };
        for row in of_table {
            let Value::Array(values) = row else { return None };
            if values.len() != names.len() {
                return None;
            }
            let cells = names.iter().map(|name| Cow::Borrowed(*name)).zip(values.iter().cloned());
            let row = cells.filter(|(_, value)| !is_empty(value)).collect();
            let mut text = String::new();
            Value::Object(row).write_compact(&mut text);
            rows.push(text);
        }
    }
    Some(rows)
}

/// An export leaves out the columns that a row has nothing in.
fn is_empty(value: &Value<'_>) -> bool {
    matches!(value, Value::Null) || matches!(value, Value::String(text) if text.is_empty())
}

fn names<'v>(columns: &'v Value<'_>) -> Option<Vec<&'v str>> {
    let Value::Array(columns) = columns else { return None };
    let name = |column: &'v Value<'_>| match column {
        Value::Object(members) => match member(members, "name")? {
            Value::String(name) => Some(name.as_ref()),
            _ => None,
        },
        _ => None,
    };
    columns.iter().map(name).collect()
}

fn member<'v, 'a>(members: &'v [(Cow<'a, str>, Value<'a>)], name: &str) -> Option<&'v Value<'a>> {
    members.iter().find(|(key, _)| key == name).map(|(_, value)| value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_is_an_object_of_its_columns() {
        let document = r#"{"tables":[{"name":"PrimaryResult",
            "columns":[{"name":"TimeGenerated","type":"datetime"},{"name":"Claims","type":"dynamic"},{"name":"N","type":"int"}],
            "rows":[["2024-01-01T00:00:00Z","{\"a\":1}",null],["x","",7]]}]}"#;
        assert_eq!(
            rows(document).unwrap(),
            [
                r#"{"TimeGenerated":"2024-01-01T00:00:00Z","Claims":"{\"a\":1}"}"#,
                r#"{"TimeGenerated":"x","N":7}"#
            ]
        );
    }

    #[test]
    fn another_build_is_not_taken_apart() {
        for document in [
            "{",
            r#"{"tables":[1]}"#,
            r#"{"tables":[{"columns":[{"name":1}],"rows":[]}]}"#,
            r#"{"tables":[{"columns":[{"name":"a"}],"rows":[[1,2]]}]}"#,
            r#"{"tables":[{"columns":[{"name":"a"}]}]}"#,
        ] {
            assert_eq!(rows(document), None, "{document}");
        }
    }
}
