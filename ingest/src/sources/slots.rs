//! What a projector is asked for, in the making: equal requests share a slot.
//!
//! In: the fields and paths that a source's parts ask for. Out: slot numbers, and one list of paths
//! for the projector that serves all of them. Here also is where the value of a column comes from
//! ([`Fallback`]), for it is made of slots.

use std::borrow::Cow;

use virga_engine::event::{Column, ColumnValue, ProjectedField, SourceSpec, record_hash};
use virga_engine::json::Cells;

use super::time::{parse_time, to_rfc3339};
use super::{Derivation, EVENT_UID, Inputs, Otherwise, SourceDef, scalar};
use crate::environment::Environment;

/// Requests of one source.
pub(super) struct Slots {
    pub(super) paths: Vec<Vec<String>>,
    pub(super) spec: SourceSpec,
}

impl Slots {
    pub(super) fn new(source: &SourceDef) -> Self {
        Self { paths: Vec::new(), spec: source.spec() }
    }

    pub(super) fn add(&mut self, paths: Vec<String>) -> usize {
        match self.paths.iter().position(|other| *other == paths) {
            Some(slot) => slot,
            None => {
                self.paths.push(paths);
                self.paths.len() - 1
            }
        }
    }

    /// Slots of paths as they stand.
    pub(super) fn of(&mut self, paths: &[&str]) -> Vec<usize> {
        paths.iter().map(|path| self.add(path.split(" | ").map(str::to_owned).collect())).collect()
    }

    /// Slots of fields, found as those of rules are.
    fn of_fields(&mut self, fields: &[&str]) -> Vec<usize> {
        let resolve = |field: &&str| {
            let mut paths: Vec<String> = Vec::new();
            for path in field.split(" | ").flat_map(|name| ProjectedField::resolve(name, &self.spec).paths) {
                if !paths.contains(&path) {
                    paths.push(path);
                }
            }
            paths
        };
        let paths: Vec<Vec<String>> = fields.iter().map(resolve).collect();
        paths.into_iter().map(|paths| self.add(paths)).collect()
    }

    pub(super) fn bind(&mut self, derivation: &'static Derivation) -> Bound {
        Bound { derivation, slots: self.of_fields(derivation.inputs) }
    }

    /// The computation of a field, if the source computes it.
    pub(super) fn computed(&mut self, source: &'static SourceDef, field: &str) -> Option<Bound> {
        let found = source.computed.iter().find(|computed| computed.column.eq_ignore_ascii_case(field))?;
        Some(self.bind(found))
    }

    pub(super) fn identity(&mut self, source: &SourceDef) -> BoundIdentity {
        let identity = &source.identity;
        let is_time = |part: &str| part.split(" | ").all(|path| source.time_paths.contains(&path));
        let ways = identity.natural.iter().map(|parts| {
            let slots = self.of(parts).into_iter();
            slots.zip(*parts).map(|(slot, part)| Part { slot, is_time: is_time(part) }).collect()
        });
        BoundIdentity { ways: ways.collect(), otherwise: identity.otherwise }
    }

    /// Where the value of a column comes from, best first: what the log says, then what tables say.
    pub(super) fn fallbacks(
        &mut self,
        source: &'static SourceDef,
        column: &'static Column,
        environment: &Environment,
    ) -> Vec<Fallback> {
        if column.name == EVENT_UID {
            let known = !source.derivations.is_empty();
            return known.then(|| Fallback::EventUid(self.identity(source))).into_iter().collect();
        }
        let derivation = source.derivation(column).map(|derivation| self.bind(derivation));
        let mut fallbacks: Vec<Fallback> = derivation.map(Fallback::Derived).into_iter().collect();
        for (table, of) in environment.tables.iter().enumerate() {
            if let Some(value) = of.columns().position(|filled| filled == column)
                && let Some(key) = source.derivation(of.key)
            {
                fallbacks.push(Fallback::Table { table, value, key: self.bind(key) });
            }
        }
        fallbacks
    }
}

/// A derivation with the slots of its inputs.
pub(super) struct Bound {
    derivation: &'static Derivation,
    slots: Vec<usize>,
}

impl Bound {
    pub(super) fn derive(&self, event: &Projected<'_>) -> Option<ColumnValue> {
        (self.derivation.derive)(&event.inputs(&self.slots))
    }
}

/// An event, projected.
pub(super) struct Projected<'a> {
    pub(super) raw: &'a str,
    pub(super) cells: &'a Cells,
    pub(super) environment: &'a Environment,
}

impl<'a> Projected<'a> {
    pub(super) fn inputs<'s>(&self, slots: &'s [usize]) -> Inputs<'s>
    where
        'a: 's,
    {
        Inputs { raw: self.raw, cells: self.cells, slots, environment: self.environment }
    }
}

/// Where the value of a column comes from, where an event has no native field of its name.
pub(super) enum Fallback {
    /// The same for all events.
    Constant(ColumnValue),
    /// The event's id.
    EventUid(BoundIdentity),
    /// A derivation from native fields.
    Derived(Bound),
    /// A lookup table, asked with a derived column.
    Table { table: usize, value: usize, key: Bound },
}

impl Fallback {
    pub(super) fn value(&self, event: &Projected<'_>) -> Option<ColumnValue> {
        match self {
            Self::Constant(value) => Some(value.clone()),
            Self::EventUid(identity) => Some(ColumnValue::Text(identity.id(event)?.into_owned())),
            Self::Derived(bound) => bound.derive(event),
            Self::Table { table, value, key } => {
                let ColumnValue::Text(key) = key.derive(event)? else { return None };
                event.environment.tables.get(*table)?.find(&key, *value)
            }
        }
    }
}

/// An identity with its slots.
pub(super) struct BoundIdentity {
    ways: Vec<Vec<Part>>,
    otherwise: Otherwise,
}

/// A part of a natural id.
struct Part {
    slot: usize,
    /// One moment counts as one however it is printed: deliveries of one event differ in that.
    is_time: bool,
}

impl Part {
    fn of<'a>(&self, event: &Projected<'a>) -> Option<Cow<'a, str>> {
        let text = event.cells.text(self.slot, event.raw)?;
        let time = if self.is_time { parse_time(text) } else { None };
        time.map(|time| Cow::Owned(to_rfc3339(time))).or_else(|| scalar(text))
    }
}

impl BoundIdentity {
    /// The id by which an event is known; `None` where only its place can stand for it.
    pub(super) fn id<'a>(&self, event: &Projected<'a>) -> Option<Cow<'a, str>> {
        let of_record = || (self.otherwise == Otherwise::Record).then(|| Cow::Owned(record_hash(event.raw)));
        self.natural(event).or_else(of_record)
    }

    /// What stands for the id of an event that has none.
    pub(super) fn otherwise(&self) -> Otherwise {
        self.otherwise
    }

    /// The natural id. The parts of one of several are joined by `|`, times among them as RFC 3339 in UTC.
    pub(super) fn natural<'a>(&self, event: &Projected<'a>) -> Option<Cow<'a, str>> {
        for parts in &self.ways {
            match parts.as_slice() {
                [only] => {
                    if let Some(id) = only.of(event) {
                        return Some(id);
                    }
                }
                several => {
                    let parts = several.iter().map(|part| part.of(event));
                    if let Some(parts) = parts.collect::<Option<Vec<_>>>() {
                        return Some(Cow::Owned(parts.join("|")));
                    }
                }
            }
        }
        None
    }
}
