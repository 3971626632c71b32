//! SQL over an archive.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema, SchemaRef};

use crate::layout::timestamp;

/// The columns of the table of alerts.
pub(crate) fn alerts_schema() -> SchemaRef {
    let text = |name: &str| Field::new(name, DataType::Utf8, true);
    Arc::new(Schema::new(vec![
        Field::new("day", DataType::Date32, true),
        text("alert_id"),
        text("kind"),
        text("rule_id"),
        text("rule_title"),
        text("level"),
        Field::new("time", timestamp(), true),
        Field::new("first_seen", timestamp(), true),
        Field::new("last_seen", timestamp(), true),
        Field::new("count", DataType::Int64, true),
        text("principal"),
        text("event_ids"),
        text("alert"),
    ]))
}
