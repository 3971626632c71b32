//! SQL over an archive: for the command line and for whatever speaks PostgreSQL's protocol.
//!
//! ```text
//! Archive ─▶ tables (events, alerts, coverage, rules, ocsf) ─▶ session ─▶ answer ─▶ output
//!                                       functions (JSON, sigma_match) ─┘ └─▶ postgres
//! ```
//!
//! Every query only reads, ends in time and holds a bounded amount of memory: `read_only`, `bounded`, `limits`.

mod balanced;
mod blocks;
mod bounded;
mod catalog;
mod catalog_tables;
mod dense;
mod error;
mod events;
mod far;
mod foreign;
mod functions;
mod limits;
mod meant;
mod output;
mod parameters;
mod postgres;
mod precedence;
mod pruned;
mod read_only;
mod running;
mod sealed;
mod served;
mod session;
mod settings;
mod shape;
mod sized;
mod spoken;
mod tables;
mod timeout;
mod to_char;

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema, SchemaRef};

/// Why an answer could not be put into a form or written.
pub use arrow::error::ArrowError as OutputError;
pub use error::{SqlError, SqlErrorKind};
pub use functions::{SigmaMatcher, SigmaTest};
pub use limits::{Limits, MEMORY, ROWS, TIME};
pub use output::{OutputForm, OutputWriter, texts};
pub use postgres::{Password, Server};
pub use session::{Answer, Around, Session};
pub use tables::RuleRow;

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
        Field::new("revision", DataType::Int64, true),
    ]))
}
