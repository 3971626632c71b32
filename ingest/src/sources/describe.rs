//! All canonical columns of single events: what an alert shows.

use std::borrow::Cow;
use std::sync::Arc;

use virga_engine::event::{COLUMNS, Column, ColumnValue};
use virga_engine::json::{Cells, Projector};

use super::SourceDef;
use super::slots::{Bound, Fallback, Projected, Slots};
use super::unfold::unfold_all;
use crate::environment::Environment;

/// Derives all canonical columns of single events.
pub struct Describer {
    projector: Projector,
    unfold: Vec<usize>,
    columns: Vec<(&'static Column, Vec<Fallback>)>,
    computed: Vec<(&'static str, Bound)>,
    environment: Arc<Environment>,
}

impl Describer {
    /// A describer of a source's events.
    pub fn new(source: &'static SourceDef, environment: &Arc<Environment>) -> Self {
        let mut slots = Slots::new(source);
        let fallbacks = COLUMNS.iter().map(|column| (column, slots.fallbacks(source, column, environment)));
        let columns = fallbacks.collect();
        let computed = source.computed.iter().map(|field| (field.column, slots.bind(field))).collect();
        let unfold = slots.of(source.unfold);
        let projector = Projector::new(&slots.paths);
        Self { projector, unfold, columns, computed, environment: Arc::clone(environment) }
    }

    /// The event as a row holds it: with what its source unfolds unfolded.
    pub fn unfolded<'e>(&self, raw: &'e str) -> Cow<'e, str> {
        let mut cells = Cells::default();
        match self.projector.project(raw, &mut cells) {
            Ok(()) => unfold_all(raw, &self.projector, &mut cells, &self.unfold),
            Err(_) => Cow::Borrowed(raw),
        }
    }

    /// The value of a canonical column or computed field of an event, by its name.
    pub fn value(&self, raw: &str, name: &str) -> Option<ColumnValue> {
        let mut cells = Cells::default();
        self.projector.project(raw, &mut cells).ok()?;
        let event = Projected { raw, cells: &cells, environment: &self.environment };
        if let Some((_, bound)) = self.computed.iter().find(|(field, _)| field.eq_ignore_ascii_case(name)) {
            return bound.derive(&event);
        }
        let (_, fallbacks) =
            self.columns.iter().find(|(column, _)| column.name.eq_ignore_ascii_case(name))?;
        fallbacks.iter().find_map(|fallback| fallback.value(&event))
    }

    /// The canonical columns that an event has, in the order of `COLUMNS`; none where it cannot be
    /// read. The event is one as a row holds it: see [`super::Normaliser::normalise`].
    pub fn describe(&self, raw: &str) -> Vec<(&'static Column, ColumnValue)> {
        let mut cells = Cells::default();
        if self.projector.project(raw, &mut cells).is_err() {
            return Vec::new();
        }
        let event = Projected { raw, cells: &cells, environment: &self.environment };
        let derived = self.columns.iter().filter_map(|(column, fallbacks)| {
            Some((*column, fallbacks.iter().find_map(|fallback| fallback.value(&event))?))
        });
        derived.collect()
    }
}
