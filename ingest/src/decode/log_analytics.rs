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

use super::envelope::Rebuilt;
use super::member;

/// The rows of a document, each as JSON; `false` where it is not built so. A row that has not the length
/// of its header is bad by itself.
pub(super) fn rows(document: &str, rows: &mut Rebuilt) -> bool {
    let Ok(Value::Object(members)) = parse(document) else { return false };
    let Some(Value::Array(tables)) = member(&members, "tables") else { return false };
    let Some(tables) = tables.iter().map(Table::of).collect::<Option<Vec<Table<'_>>>>() else {
        return false;
    };
    for table in tables {
        let named: usize = table.names.iter().map(|name| name.len() + 4).sum();
        for row in table.rows {
            if !rows.has_room(named) {
                return true;
            }
            match row {
                Value::Array(values) if values.len() == table.names.len() => {
                    let names = table.names.iter().map(|name| Cow::Borrowed(*name));
                    let cells = names.zip(values.iter().cloned()).filter(|(_, value)| !is_empty(value));
                    let mut text = String::new();
                    Value::Object(cells.collect()).write_compact(&mut text);
                    rows.push(text);
                }
                other => rows.push_bad(other),
            }
        }
    }
    true
}

struct Table<'v> {
    names: Vec<&'v str>,
    rows: &'v [Value<'v>],
}

impl<'v> Table<'v> {
    fn of(table: &'v Value<'v>) -> Option<Self> {
        let Value::Object(table) = table else { return None };
        let Value::Array(rows) = member(table, "rows")? else { return None };
        Some(Self { names: names(member(table, "columns")?)?, rows })
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(document: &str) -> Option<Vec<String>> {
        let mut rebuilt = Rebuilt::default();
        super::rows(document, &mut rebuilt).then(|| rebuilt.texts())
    }

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
            r#"{"tables":[{"columns":[{"name":"a"}]}]}"#,
        ] {
            assert_eq!(rows(document), None, "{document}");
        }
    }
}
