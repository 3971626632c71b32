//! What correlations see of an event: who it is, where it stands, what it is grouped by.
//!
//! In: an event and a rule that it matches. Out: an [`Occurrence`] for each correlation and group that it belongs
//! to; and [`Occurrences`], which hold many as they travel from where events are scanned to where they are
//! correlated.

use std::ops::Range;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::carried::Carried;
use crate::event::Origin;

/// An event that matches rules of a correlation, as it arrives.
#[derive(Debug, Clone, PartialEq)]
pub struct Occurrence<'a> {
    /// The correlation's number.
    pub correlation: usize,
    /// Which of its rules match: bit *i* is the *i*-th.
    pub members: u64,
    /// Event time, microseconds since 1970 in UTC.
    pub time: i64,
    /// The values of `group-by`, as a JSON list of texts.
    pub key: &'a str,
    /// What the correlation looks at.
    pub value: Value<'a>,
    /// The event's id.
    pub event_id: &'a str,
    /// Its source.
    pub source: &'a Arc<str>,
    /// Where it was read.
    pub origin: &'a Origin,
    /// What correlations that stand on this one ask of the event.
    pub carried: Option<Carried>,
}

/// The value of a correlation's `field` in one event.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub enum Value<'a> {
    /// The type looks at none.
    None,
    /// A text, or the JSON list of several.
    Text(&'a str),
    /// A number, in billionths.
    Number(i128),
    /// Latitude and longitude, in millionths of a degree.
    Place(i32, i32),
}

/// Occurrences by themselves, in the order in which they came. Their texts stand in one piece of room, those of an
/// event once: an event is in several groups, and for each its own copies would be most of what travels.
#[derive(Debug, Default)]
pub struct Occurrences {
    text: String,
    events: Vec<OfEvent>,
    all: Vec<Kept>,
}

/// What occurrences of one event have in common.
#[derive(Debug)]
struct OfEvent {
    time: i64,
    id: Range<usize>,
    source: Arc<str>,
    origin: Origin,
}

#[derive(Debug)]
struct Kept {
    event: usize,
    correlation: usize,
    members: u64,
    key: Range<usize>,
    value: KeptValue,
    carried: Option<Carried>,
}

#[derive(Debug)]
enum KeptValue {
    Text(Range<usize>),
    /// Of a value without text.
    Other(Value<'static>),
}

impl Occurrences {
    /// Takes one.
    pub fn push(&mut self, occurrence: &Occurrence<'_>) {
        let is_same = |event: &OfEvent| {
            event.time == occurrence.time
                && self.text.get(event.id.clone()) == Some(occurrence.event_id)
                && event.origin == *occurrence.origin
                && event.source == *occurrence.source
        };
        if !self.events.last().is_some_and(is_same) {
            let id = self.keep(occurrence.event_id);
            self.events.push(OfEvent {
                time: occurrence.time,
                id,
                source: Arc::clone(occurrence.source),
                origin: occurrence.origin.clone(),
            });
        }
        let key = self.keep(occurrence.key);
        let value = match occurrence.value {
            Value::Text(text) => KeptValue::Text(self.keep(text)),
            Value::None => KeptValue::Other(Value::None),
            Value::Number(number) => KeptValue::Other(Value::Number(number)),
            Value::Place(latitude, longitude) => KeptValue::Other(Value::Place(latitude, longitude)),
        };
        self.all.push(Kept {
            event: self.events.len() - 1,
            correlation: occurrence.correlation,
            members: occurrence.members,
            key,
            value,
            carried: occurrence.carried.clone(),
        });
    }

    fn keep(&mut self, text: &str) -> Range<usize> {
        let start = self.text.len();
        self.text.push_str(text);
        start..self.text.len()
    }

    /// Each, as correlations take it.
    pub fn iter(&self) -> impl Iterator<Item = Occurrence<'_>> {
        self.all.iter().filter_map(|kept| {
            let event = self.events.get(kept.event)?;
            Some(Occurrence {
                correlation: kept.correlation,
                members: kept.members,
                time: event.time,
                key: &self.text[kept.key.clone()],
                value: match &kept.value {
                    KeptValue::Text(text) => Value::Text(&self.text[text.clone()]),
                    KeptValue::Other(value) => *value,
                },
                event_id: &self.text[event.id.clone()],
                source: &event.source,
                origin: &event.origin,
                carried: kept.carried.clone(),
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::OriginBase;

    #[test]
    fn occurrences_come_out_as_they_went_in_and_an_event_is_held_once() {
        let (source, other): (Arc<str>, Arc<str>) = ("a".into(), "b".into());
        let origin =
            |record| Origin { base: OriginBase::File { path: "f".into() }, line: None, record: Some(record) };
        let (first, second) = (origin(1), origin(2));
        let carried = Carried::new(&[vec!["x"]]);
        let of = |event_id, key, value, source, origin, carried| Occurrence {
            correlation: 3,
            members: 5,
            time: 7,
            key,
            value,
            event_id,
            source,
            origin,
            carried,
        };
        let all = [
            of("e", "[\"é\"]", Value::Text("text"), &source, &first, Some(carried.clone())),
            of("e", "[]", Value::Number(-9), &source, &first, None),
            of("e", "[]", Value::Place(1, -2), &source, &second, None),
            of("e", "[]", Value::None, &other, &second, None),
            of("f", "", Value::Text(""), &other, &second, Some(carried)),
        ];
        let mut kept = Occurrences::default();
        all.iter().for_each(|one| kept.push(one));
        assert_eq!(kept.iter().collect::<Vec<_>>(), all);
        assert_eq!((kept.all.len(), kept.events.len()), (5, 4));
    }
}
