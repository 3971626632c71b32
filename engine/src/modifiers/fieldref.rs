//! `fieldref`: the value is the name of another field of the same event, to be compared with.

use super::{Apply, Example, Fault, Modifier, Value};
use crate::predicate::{FieldRefTest, Relation};

pub(super) static MODIFIER: Modifier = Modifier {
    name: "fieldref",
    summary: "The field equals another field of the same event; before contains, startswith or endswith it relates so.",
    example: Example {
        selection: r#"userName|fieldref: requestParameters.userName"#,
        matches: r#"{"userName":"Bob","requestParameters":{"userName":"bob"}}"#,
        misses: r#"{"userName":"Bob","requestParameters":{"userName":"eve"}}"#,
    },
    apply: Apply::Value(|value| {
        let name = match &value {
            Value::Pattern(pattern) => pattern.as_literal().filter(|name| !name.is_empty()),
            _ => None,
        };
        match name {
            Some(name) => Ok(Value::FieldRef(FieldRefTest {
                field: name.to_owned(),
                relation: Relation::Equals,
                cased: false,
            })),
            None => Err(Fault::value(format!("`fieldref` needs the name of a field, not {}", value.word()))),
        }
    }),
};
