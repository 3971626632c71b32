//! Where the time, the id and the columns of an event come from: for people who wonder.
//!
//! In: an event of a source. Out: an [`Explanation`]: each value, and the native fields that it was
//! made of, by the path at which each was found.

use std::path::PathBuf;
use std::sync::Arc;

use virga_engine::event::{COLUMNS, Column, ColumnValue, ProjectedField};
use virga_engine::json::{Cells, JsonError, Projector};

use super::slots::{BoundIdentity, Fallback, Projected, Slots};
use super::time::parse_time;
use super::unfold::unfold_all;
use super::{SourceDef, scalar};
use crate::environment::Environment;

/// A native field that a value was made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    /// Where it stands in the event.
    pub path: String,
    /// What stands there, as JSON.
    pub text: String,
}

/// A canonical column of an event.
#[derive(Debug, Clone, PartialEq)]
pub struct Explained {
    /// The column.
    pub column: &'static Column,
    /// Its value.
    pub value: ColumnValue,
    /// The native fields that it was made of; none where it is the same for all events of the source.
    pub from: Vec<Origin>,
    /// The lookup table that said it.
    pub table: Option<PathBuf>,
}

/// What is known of an event, and from where.
#[derive(Debug, Clone, PartialEq)]
pub struct Explanation {
    /// The event time in microseconds since 1970, and where it stands.
    pub time: Option<(i64, Origin)>,
    /// The natural id or the hash of the record; `None` where only the event's place can stand for it.
    pub id: Option<String>,
    /// What the id is made of; none where it is a hash.
    pub id_from: Vec<Origin>,
    /// The columns that the event has.
    pub columns: Vec<Explained>,
}

/// Explains the events of one source.
pub struct Explainer {
    projector: Projector,
    unfold: Vec<usize>,
    times: Vec<Place>,
    identity: BoundIdentity,
    natural: Vec<Vec<Vec<Place>>>,
    columns: Vec<(&'static Column, Vec<Way>)>,
    environment: Arc<Environment>,
}

/// One path of several at which a value may stand.
struct Place {
    path: String,
    slot: usize,
}

/// One way in which a column gets its value, and the places of what it looks at.
struct Way {
    fallback: Fallback,
    inputs: Vec<Vec<Place>>,
    table: Option<PathBuf>,
}

impl Explainer {
    /// An explainer of a source's events.
    pub fn new(source: &'static SourceDef, environment: &Arc<Environment>) -> Self {
        let mut slots = Slots::new(source);
        let columns = COLUMNS.iter().map(|column| (column, ways(&mut slots, source, column, environment)));
        let columns: Vec<_> = columns.collect();
        let unfold = slots.of(source.unfold);
        let times = source.time_paths.iter().flat_map(|path| places(&mut slots, path)).collect();
        let identity = slots.identity(source);
        let mut natural = Vec::new();
        for way in source.identity.natural {
            natural.push(way.iter().map(|path| places(&mut slots, path)).collect());
        }
        let projector = Projector::new(&slots.paths);
        let environment = Arc::clone(environment);
        Self { projector, unfold, times, identity, natural, columns, environment }
    }

    /// Explains an event.
    ///
    /// # Errors
    /// Where it cannot be read.
    pub fn explain(&self, raw: &str) -> Result<Explanation, JsonError> {
        let mut cells = Cells::default();
        self.projector.project(raw, &mut cells)?;
        let raw = unfold_all(raw, &self.projector, &mut cells, &self.unfold);
        let event = Projected { raw: &raw, cells: &cells, environment: &self.environment };
        let time = self.times.iter().find_map(|place| {
            let origin = found(&event, std::slice::from_ref(place))?;
            Some((parse_time(&origin.text)?, origin))
        });
        let part = |part: &Vec<Place>| found(&event, part).filter(|origin| scalar(&origin.text).is_some());
        let of_id = self.natural.iter().find_map(|way| way.iter().map(part).collect());
        Ok(Explanation {
            time,
            id: self.identity.id(&event).map(std::borrow::Cow::into_owned),
            id_from: of_id.unwrap_or_default(),
            columns: self
                .columns
                .iter()
                .filter_map(|(column, ways)| explained(&event, column, ways))
                .collect(),
        })
    }
}

fn ways(
    slots: &mut Slots,
    source: &'static SourceDef,
    column: &'static Column,
    environment: &Environment,
) -> Vec<Way> {
    let fallbacks = slots.fallbacks(source, column, environment);
    let mut all = Vec::with_capacity(fallbacks.len());
    for fallback in fallbacks {
        let (derivation, table) = match &fallback {
            Fallback::Derived(_) => (source.derivation(column), None),
            Fallback::Table { table, .. } => {
                let table = environment.tables.get(*table);
                (table.and_then(|table| source.derivation(table.key)), table.map(|table| table.file.clone()))
            }
            Fallback::Constant(_) | Fallback::EventUid(_) => (None, None),
        };
        let fields = derivation.map_or(&[][..], |derivation| derivation.inputs);
        let inputs = fields.iter().map(|field| field_places(slots, field)).collect();
        all.push(Way { fallback, inputs, table });
    }
    all
}

/// The places of a field, found as those of rules are.
fn field_places(slots: &mut Slots, field: &str) -> Vec<Place> {
    let names: Vec<String> =
        field.split(" | ").flat_map(|name| ProjectedField::resolve(name, &slots.spec).paths).collect();
    names.iter().flat_map(|name| places(slots, name)).collect()
}

fn places(slots: &mut Slots, path: &str) -> Vec<Place> {
    path.split(" | ")
        .map(|path| Place { path: path.to_owned(), slot: slots.add(vec![path.to_owned()]) })
        .collect()
}

/// The first place at which something stands.
fn found(event: &Projected<'_>, places: &[Place]) -> Option<Origin> {
    places.iter().find_map(|place| {
        let text = event.cells.text(place.slot, event.raw).filter(|text| *text != "null")?;
        Some(Origin { path: place.path.clone(), text: text.to_owned() })
    })
}

fn explained(event: &Projected<'_>, column: &'static Column, ways: &[Way]) -> Option<Explained> {
    ways.iter().find_map(|way| {
        let value = way.fallback.value(event)?;
        let from = way.inputs.iter().filter_map(|places| found(event, places)).collect();
        Some(Explained { column, value, from, table: way.table.clone() })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sources::{Describer, aws_cloudtrail};

    #[test]
    fn an_explanation_says_what_the_columns_are_made_of() {
        let event = r#"{"eventTime":"2024-05-01T10:00:00Z","eventID":"e","eventName":"GetObject","eventSource":"s3.amazonaws.com",
            "sourceIPAddress":"203.0.113.7","requestParameters":{"bucketName":"b","key":"k"}}"#;
        let explained = Explainer::new(&aws_cloudtrail::SOURCE, &Arc::default()).explain(event).unwrap();
        let (time, from) = explained.time.clone().unwrap();
        assert_eq!((time, from.path.as_str()), (1_714_557_600_000_000, "eventTime"));
        assert_eq!((explained.id.as_deref(), explained.id_from[0].path.as_str()), (Some("e"), "eventID"));
        let target = explained.columns.iter().find(|explained| explained.column.name == "target").unwrap();
        assert_eq!(target.value, ColumnValue::Text("s3://b/k".into()));
        let paths: Vec<&str> = target.from.iter().map(|origin| origin.path.as_str()).collect();
        assert_eq!(paths, ["eventSource", "requestParameters.key", "requestParameters.bucketName"]);
        let described = Describer::new(&aws_cloudtrail::SOURCE, &Arc::default()).describe(event);
        let columns: Vec<_> = explained.columns.into_iter().map(|e| (e.column, e.value)).collect();
        assert_eq!(columns, described);
    }
}
