//! What the tests of Azure sources share: columns and fields of single events, and our own samples.

use std::sync::Arc;

use virga_engine::event::ProjectedField;
use virga_engine::json::{Cells, Projector};
use virga_test_support::workspace;

use crate::environment::Environment;
use crate::sources::{Describer, SourceDef, recognise};

/// A canonical column of an event as JSON text; `-` where it has none.
pub(in crate::sources) fn column(source: &'static SourceDef, event: &str, name: &str) -> String {
    column_in(source, event, name, Environment::default())
}

/// The same, where something is known of the environment.
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

/// What a rule finds under a field's name, as JSON text; `-` where it finds nothing.
pub(in crate::sources) fn field(source: &'static SourceDef, event: &str, name: &str) -> String {
    let event = Describer::new(source, &Arc::default()).unfolded(event).into_owned();
    let projector = Projector::new(&[ProjectedField::resolve(name, &source.spec()).paths]);
    let mut cells = Cells::default();
    projector.project(&event, &mut cells).unwrap();
    cells.text(0, &event).unwrap_or("-").to_owned()
}

/// The name of the source that an event is recognised as.
pub(in crate::sources) fn owner(event: &str) -> &'static str {
    recognise(event).map_or("-", |source| source.name)
}

/// The events of a sample that holds one a line.
pub(in crate::sources) fn sample(path: &str) -> Vec<String> {
    let text = std::fs::read_to_string(workspace().join("samples").join(path)).unwrap();
    text.lines().map(str::to_owned).collect()
}

/// The events of a sample that holds them in a list under a key.
pub(in crate::sources) fn wrapped(path: &str, key: &str) -> Vec<String> {
    let text = std::fs::read_to_string(workspace().join("samples").join(path)).unwrap();
    let document: serde_json::Value = serde_json::from_str(&text).unwrap();
    document[key].as_array().unwrap().iter().map(ToString::to_string).collect()
}
