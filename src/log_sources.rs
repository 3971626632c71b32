//! What a backtest asks of log sources: the columns of an event, and the cells of fields that an archive does
//! not hold.

use std::collections::HashMap;
use std::sync::Arc;

use virga_archive::CellArray;
use virga_engine::event::{
    BatchBuilder, Column, ColumnValue, OriginBase, ProjectedField, Projection, SourceSpec,
};
use virga_ingest::environment::Environment;
use virga_ingest::sources::{Arrival, Describer, Normaliser, SOURCES, generic, source};
use virga_replay::LogSources;

use crate::lake::{LayoutName, StoredLogs};

/// All log sources, in a user's environment.
pub struct AllSources {
    environment: Arc<Environment>,
    describers: HashMap<&'static str, Describer>,
    /// The shapes of files of other programs, where those are read.
    stored: StoredLogs,
}

impl AllSources {
    /// In an environment.
    pub fn new(environment: &Arc<Environment>, layout: LayoutName) -> Self {
        let describers = SOURCES.iter().map(|source| (source.name, Describer::new(source, environment)));
        Self {
            environment: Arc::clone(environment),
            describers: describers.collect(),
            stored: StoredLogs::new(environment, layout),
        }
    }

    /// How files of other programs are read.
    pub fn stored(&self) -> &StoredLogs {
        &self.stored
    }

    /// What the engine must know of them, as `detect` tells it.
    pub fn specs(&self) -> Vec<SourceSpec> {
        let spec =
            |source: &&'static virga_ingest::sources::SourceDef| match source.name == generic::SOURCE.name {
                true => generic::spec(Vec::new(), false),
                false => source.spec_in(&self.environment),
            };
        SOURCES.iter().map(spec).collect()
    }
}

impl LogSources for AllSources {
    fn columns(&self, source: &str, raw: &str) -> Vec<(&'static Column, ColumnValue)> {
        self.describers.get(source).map(|describer| describer.describe(raw)).unwrap_or_default()
    }

    fn value(&self, source: &str, raw: &str, name: &str) -> Option<ColumnValue> {
        self.describers.get(source)?.value(raw, name)
    }

    fn keeps(&self, source: &str, field: &ProjectedField) -> bool {
        self.stored.keeps(source, field)
    }

    fn cells(
        &self,
        name: &str,
        fields: &Arc<Projection>,
        raw: &arrow_array::StringArray,
    ) -> Result<Vec<CellArray>, String> {
        let source = source(name).ok_or_else(|| format!("this virga knows no log source `{name}`"))?;
        let mut normaliser = Normaliser::new(source, fields, &self.environment);
        let mut builder = BatchBuilder::new(name.into(), Arc::clone(fields));
        let base = OriginBase::File { path: "".into() };
        let arrival = Arrival { base: &base, line: None, record: None, ingest_time: 0 };
        for raw in raw.iter() {
            let raw = raw.ok_or_else(|| "an event has no text".to_owned())?;
            normaliser.normalise(raw, &arrival, &mut builder).map_err(|cause| cause.to_string())?;
        }
        Ok(builder.finish().fields().to_vec())
    }
}
