//! What the tests of sources share: the columns of an event, what a rule finds under a name, its time, its
//! owner, and our own samples.

use std::sync::Arc;

use virga_engine::event::{BatchBuilder, OriginBase, ProjectedField, Projection};
use virga_engine::json::{Cells, Projector};
use virga_test_support::workspace;

use crate::environment::Environment;
use crate::sources::time::to_rfc3339;
use crate::sources::{Arrival, Describer, Normaliser, SourceDef, recognise};

/// Column and value pairs of an event, as JSON texts.
pub(super) fn columns_in(
    source: &'static SourceDef,
    event: &str,
    environment: impl Into<Arc<Environment>>,
) -> Vec<(&'static str, String)> {
    let describer = Describer::new(source, &environment.into());
    let described = describer.describe(&describer.unfolded(event));
    described.into_iter().map(|(column, value)| (column.name, value.to_json().to_string())).collect()
}

/// The same, where nothing is known of the environment.
pub(super) fn columns(source: &'static SourceDef, event: &str) -> Vec<(&'static str, String)> {
    columns_in(source, event, Environment::default())
}

/// A canonical column of an event as JSON text; `-` where it has none.
pub(super) fn column(source: &'static SourceDef, event: &str, name: &str) -> String {
    column_in(source, event, name, Environment::default())
}

/// The same, where something is known of the environment.
pub(super) fn column_in(
    source: &'static SourceDef,
    event: &str,
    name: &str,
    environment: impl Into<Arc<Environment>>,
) -> String {
    let found = columns_in(source, event, environment).into_iter().find(|(column, _)| *column == name);
    found.map_or_else(|| "-".to_owned(), |(_, value)| value)
}

/// `(event, column, expected)`; `-` is absent.
pub(super) fn check(source: &'static SourceDef, cases: &[(&str, &str, &str)]) {
    for (event, name, expected) in cases {
        assert_eq!(column(source, event, name), *expected, "{name} of {event}");
    }
}

/// What a rule finds under a field's name, as JSON text; `-` where it finds nothing. Several values are
/// joined by a space.
pub(super) fn field(source: &'static SourceDef, event: &str, name: &str) -> String {
    let describer = Describer::new(source, &Arc::default());
    let event = describer.unfolded(event);
    let projector = Projector::new(&[ProjectedField::resolve(name, &source.spec()).paths]);
    let mut cells = Cells::default();
    projector.project(&event, &mut cells).unwrap();
    match cells.text(0, &event) {
        Some(_) if cells.has_several(0) => cells.texts(0, &event).collect::<Vec<_>>().join(" "),
        Some(text) => text.to_owned(),
        None => "-".to_owned(),
    }
}

/// The time that an event's row has; `-` where it has none.
pub(super) fn time(source: &'static SourceDef, event: &str) -> String {
    let projection = Projection::default();
    let mut normaliser = Normaliser::new(source, &projection, &Arc::default());
    let mut batch = BatchBuilder::new(source.name.into(), Arc::new(projection));
    let base = OriginBase::File { path: "x".into() };
    let arrival = Arrival { base: &base, line: Some(1), record: None, ingest_time: 0 };
    normaliser.normalise(event, &arrival, &mut batch).unwrap();
    match batch.finish().row(0).time() {
        0 => "-".to_owned(),
        time => to_rfc3339(time),
    }
}

/// The name of the source that an event is recognised as.
pub(super) fn owner(event: &str) -> &'static str {
    recognise(event).map_or("-", |source| source.name)
}

/// The events of a sample that holds one a line.
pub(super) fn sample(path: &str) -> Vec<String> {
    let text = std::fs::read_to_string(workspace().join("samples").join(path)).unwrap();
    text.lines().map(str::to_owned).collect()
}

/// The events of a sample that holds them in a list under a key.
pub(super) fn wrapped(path: &str, key: &str) -> Vec<String> {
    let text = std::fs::read_to_string(workspace().join("samples").join(path)).unwrap();
    let document: serde_json::Value = serde_json::from_str(&text).unwrap();
    document[key].as_array().unwrap().iter().map(ToString::to_string).collect()
}
