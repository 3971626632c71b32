//! What several tests need: a sink that keeps everything, and inputs out of bytes.
#![allow(dead_code, missing_docs, clippy::unwrap_used)]

use std::io::{Cursor, Read};
use std::ops::ControlFlow;
use std::sync::Arc;

use virga_engine::event::{EventBatch, OriginBase, ProjectedField, Projection};
use virga_ingest::batcher::BatchLimits;
use virga_ingest::quarantine::Quarantined;
use virga_ingest::reader::{Choice, Reader, Sink, SourcePlan, Summary};
use virga_ingest::sources::{SOURCES, source};
use virga_ingest::transport::{Input, InputError};

/// The ingest time of every input here.
pub const RECEIVED: i64 = 1_700_000_000_000_000;

#[derive(Default)]
pub struct Kept {
    pub batches: Vec<EventBatch>,
    pub quarantined: Vec<Quarantined>,
    pub unreadable: Vec<InputError>,
    pub stop_after: Option<usize>,
}

impl Sink for Kept {
    fn batch(&mut self, batch: EventBatch) -> ControlFlow<()> {
        self.batches.push(batch);
        match self.stop_after {
            Some(count) if self.batches.len() >= count => ControlFlow::Break(()),
            _ => ControlFlow::Continue(()),
        }
    }

    fn quarantined(&mut self, record: Quarantined) {
        self.quarantined.push(record);
    }

    fn unreadable(&mut self, error: InputError) {
        self.unreadable.push(error);
    }
}

impl Kept {
    /// `(source, event id, time, origin, raw)` of every row.
    pub fn rows(&self) -> Vec<(String, String, i64, String, String)> {
        let rows = self.batches.iter().flat_map(|batch| (0..batch.len()).map(|row| batch.row(row)));
        rows.map(|row| {
            let origin = row.origin().to_string();
            (row.source().to_owned(), row.event_id().into_owned(), row.time(), origin, row.raw().to_owned())
        })
        .collect()
    }

    /// The JSON text of each row's field, as the batches hold it.
    pub fn field(&self, field: usize) -> Vec<Option<String>> {
        use arrow_array::{Array, StringArray};
        let column = |batch: &EventBatch| {
            let column = batch.fields()[field].clone();
            let values: StringArray = column.values().as_any().downcast_ref::<StringArray>().unwrap().clone();
            (0..batch.len())
                .map(|row| column.key(row).map(|key| values.value(key).to_owned()))
                .collect::<Vec<_>>()
        };
        self.batches.iter().flat_map(column).collect()
    }

    /// `origin cause` of everything quarantined.
    pub fn bad(&self) -> Vec<String> {
        self.quarantined.iter().map(|bad| format!("{} {}", bad.origin, bad.cause.code())).collect()
    }
}

pub fn input(path: &str, reader: impl Read + Send + 'static) -> Result<Input, InputError> {
    let base = OriginBase::File { path: path.into() };
    Ok(Input { base, ingest_time: RECEIVED, size: None, reader: Box::new(reader) })
}

pub fn bytes(path: &str, bytes: impl Into<Vec<u8>>) -> Result<Input, InputError> {
    input(path, Cursor::new(bytes.into()))
}

/// The fields of a source by the names that rules write.
pub fn plan(name: &str, fields: &[&str]) -> SourcePlan {
    let source = source(name).expect("a source of that name");
    let spec = source.spec();
    let fields = fields.iter().map(|field| ProjectedField::resolve(field, &spec)).collect();
    SourcePlan { source, projection: Arc::new(Projection { fields, dispatch: None }) }
}

pub fn auto(fields: &[&str]) -> Choice {
    Choice::Auto(SOURCES.iter().map(|source| plan(source.name, fields)).collect())
}

pub fn read(choice: Choice, inputs: Vec<Result<Input, InputError>>) -> (Kept, Summary) {
    let mut kept = Kept::default();
    let summary = Reader::new(choice, BatchLimits::default(), &Arc::default()).run(inputs, &mut kept);
    (kept, summary)
}
