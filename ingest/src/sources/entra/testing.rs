//! What the tests of the three logs share: one column of an event, what a rule finds under a name, and
//! the time.

use std::sync::Arc;

use virga_engine::event::{BatchBuilder, OriginBase, ProjectedField, Projection};
use virga_engine::json::{Cells, Projector};

use crate::environment::Environment;
use crate::sources::time::to_rfc3339;
use crate::sources::{Arrival, Describer, Normaliser, SourceDef};

/// A column of an event, as JSON; `-` is absent.
pub(in crate::sources) fn column(source: &'static SourceDef, event: &str, name: &str) -> String {
    column_in(source, event, name, Environment::default())
}

/// The same in an environment.
pub(in crate::sources) fn column_in(
    source: &'static SourceDef,
    event: &str,
    name: &str,
    environment: Environment,
) -> String {
    let describer = Describer::new(source, &Arc::new(environment));
    let described = describer.describe(&describer.unfolded(event));
    let found = described.into_iter().find(|(column, _)| column.name == name);
    found.map_or_else(|| "-".to_owned(), |(_, value)| value.to_json().to_string())
}

/// `(event, column, expected)`
pub(in crate::sources) fn check(source: &'static SourceDef, cases: &[(&str, &str, &str)]) {
    for (event, name, expected) in cases {
        assert_eq!(column(source, event, name), *expected, "{name} of {event}");
    }
}

/// What a rule finds under a name, as JSON; `-` is nothing. Several values are joined by a space.
pub(in crate::sources) fn field(source: &'static SourceDef, event: &str, name: &str) -> String {
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
pub(in crate::sources) fn time(source: &'static SourceDef, event: &str) -> String {
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
