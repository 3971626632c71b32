//! The event: what a log source hands to the engine.
//!
//! In: rows that a log source has read. Out: an [`EventBatch`], Arrow columns of one source:
//! identity (`event_id`, `time`, `ingest_time`, origin), the fields that the loaded rules asked
//! for (a [`Projection`]), and `raw`, the event as it came.
//!
//! A field's cell holds *JSON texts*, dictionary-encoded: exactly what stood in the event, so that
//! `5` and `"5"`, `null` and absence stay apart. A field that is reached through an array has as
//! many texts as elements had it; they stand in one cell, each but the first behind a record
//! separator (U+001E, as in RFC 7464; the character cannot stand unescaped in JSON).
//!
//! ```text
//! {"eventName":"GetObject","resources":[{"type":"A"},{"type":"B"}]}
//!   eventName       -> "GetObject"            one text, quotes kept
//!   resources.type  -> "A"<RS>"B"             two texts
//!   errorCode       -> (null in Arrow)        absent
//! ```

mod batch;
mod columns;
mod field_map;
mod origin;

pub use crate::scan::{Dispatch, Dispatcher};
pub use batch::{
    BatchBuilder, EventBatch, EventId, KeptColumns, Row, RowIdentity, TEXT_SEPARATOR, record_hash,
};
pub use columns::{COLUMNS, Column, ColumnKind, ColumnValue, column};
pub use field_map::{Alias, LogsourceMapping, ProjectedField, Projection, SourceSpec};
pub use origin::{Origin, OriginBase};
