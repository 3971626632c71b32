//! What an alert shows of its events.
//!
//! In: what a rule asks to be shown, and the canonical columns of an event, which all its alerts share. Out: fields by
//! name, each once, in that order. Nothing is copied before somebody asks for it: an event may raise many alerts, and
//! most are written once.

use std::borrow::Cow;
use std::sync::Arc;

use serde::ser::SerializeMap as _;
use serde::{Serialize, Serializer};
use serde_json::{Map, Value};

use crate::event::{Column, ColumnValue};

/// The canonical columns of an event, in their order.
pub type Described = Arc<Vec<(&'static Column, ColumnValue)>>;

/// Fields by name.
#[derive(Debug, Clone, Default)]
pub struct Fields {
    own: Map<String, Value>,
    columns: Described,
}

impl Fields {
    /// What a rule asks for, and behind it the columns of the event that have other names.
    pub fn new(own: Map<String, Value>, columns: &Described) -> Self {
        Self { own, columns: Arc::clone(columns) }
    }

    /// A field, by its name.
    pub fn get(&self, name: &str) -> Option<Cow<'_, Value>> {
        let of_event = || self.columns.iter().find(|(column, _)| column.name == name);
        match self.own.get(name) {
            Some(value) => Some(Cow::Borrowed(value)),
            None => of_event().map(|(_, value)| Cow::Owned(value.to_json())),
        }
    }

    /// All fields.
    pub fn iter(&self) -> impl Iterator<Item = (&str, Cow<'_, Value>)> {
        let own = self.own.iter().map(|(name, value)| (name.as_str(), Cow::Borrowed(value)));
        own.chain(self.others().map(|(name, value)| (name, Cow::Owned(value.to_json()))))
    }

    fn others(&self) -> impl Iterator<Item = (&'static str, &ColumnValue)> {
        let others = self.columns.iter().filter(|(column, _)| !self.own.contains_key(column.name));
        others.map(|(column, value)| (column.name, value))
    }
}

impl From<Map<String, Value>> for Fields {
    fn from(own: Map<String, Value>) -> Self {
        Self { own, columns: Arc::default() }
    }
}

impl FromIterator<(String, Value)> for Fields {
    fn from_iter<I: IntoIterator<Item = (String, Value)>>(fields: I) -> Self {
        Map::from_iter(fields).into()
    }
}

impl From<Fields> for Map<String, Value> {
    fn from(fields: Fields) -> Self {
        let others: Vec<(String, Value)> =
            fields.others().map(|(name, value)| (name.to_owned(), value.to_json())).collect();
        let mut map = fields.own;
        map.extend(others);
        map
    }
}

impl PartialEq for Fields {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

impl Serialize for Fields {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        for (name, value) in &self.own {
            map.serialize_entry(name, value)?;
        }
        for (name, value) in self.others() {
            map.serialize_entry(name, value)?;
        }
        map.end()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::event::column;

    #[test]
    fn a_field_stands_once_and_a_rules_own_stands_first() {
        let columns: Vec<(&'static Column, ColumnValue)> = vec![
            (column("principal").expect("a column"), ColumnValue::Text("alice".into())),
            (column("bytes_out").expect("a column"), ColumnValue::Int(7)),
            (column("grants").expect("a column"), ColumnValue::List(vec!["a".into(), "b".into()])),
            (column("mfa").expect("a column"), ColumnValue::Bool(true)),
            (column("src_lat").expect("a column"), ColumnValue::Float(f64::NAN)),
        ];
        let own =
            Map::from_iter([("eventName".to_owned(), json!("X")), ("principal".to_owned(), json!("bob"))]);
        let fields = Fields::new(own, &Arc::new(columns));
        let told = r#"{"eventName":"X","principal":"bob","bytes_out":7,"grants":["a","b"],"mfa":true,"src_lat":null}"#;
        assert_eq!(serde_json::to_string(&fields).expect("JSON"), told);
        assert_eq!(serde_json::to_string(&Map::from(fields.clone())).expect("JSON"), told);
        assert_eq!(fields.get("principal").as_deref(), Some(&json!("bob")));
        assert_eq!(fields.get("grants").as_deref(), Some(&json!(["a", "b"])));
        assert_eq!(fields.get("target"), None);
        assert_eq!(fields, Fields::from(Map::from(fields.clone())));
    }
}
