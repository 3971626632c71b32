//! A batch and its hits → what correlations see of them.
//!
//! In: an [`EventBatch`] whose projection holds the fields that correlations ask for, and the hits of its
//! rules. Out: [`Occurrence`]s. A field that holds several values gives an event one group, or value, for
//! each: a call that ends ten instances has ended ten. What lacks a field of the group, or a value that its
//! type can read, is dropped and counted.

use hashbrown::HashMap;

use arrow_array::{Array, DictionaryArray, StringArray, types::Int32Type};
use serde::Serialize;
use serde_json::value::RawValue;

use super::carried::{Carried, Lists, Packer};
use super::kinds::BILLION;
use super::occurrence::{Occurrence, Value};
use super::plan::ValuePlan;
use super::watermark::clamped;
use crate::event::{EventBatch, TEXT_SEPARATOR};
use crate::json::{self, string_text};
use crate::limits::{MAX_COMBINATIONS, MAX_LIST};
use crate::predicate::Number;
use crate::scan::Hit;

/// What one rule gives to one correlation, on one source.
#[derive(Debug, Clone)]
pub(crate) struct Use {
    pub rule: u32,
    pub correlation: usize,
    pub member: usize,
    /// Columns of the projection.
    pub group_by: Vec<usize>,
    pub value: Vec<usize>,
    pub carry: Vec<Carry>,
    pub looks_at: ValuePlan,
    /// Events without a field of the group are a group of their own.
    pub missing_is_a_group: bool,
}

/// Where stands what an event carries.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Carry {
    /// In the group's key.
    InKey,
    /// In this column, and in the value, where each of its fields is one plain text.
    InValue(usize),
    /// In this column.
    In(usize),
}

impl Carry {
    /// The column, if it has to be looked at.
    pub fn column(self) -> Option<usize> {
        match self {
            Self::InKey => None,
            Self::InValue(column) | Self::In(column) => Some(column),
        }
    }

    /// The same, where the value may say it.
    fn beside(self, value_is_plain: bool) -> Option<usize> {
        match self {
            Self::InValue(_) if value_is_plain => None,
            _ => self.column(),
        }
    }
}

/// Hits that a correlation could not use.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Dropped {
    /// A field of `group-by` was missing or null.
    pub missing_key: u64,
    /// The field that is looked at was missing or null.
    pub missing_value: u64,
    /// It was no number where one is needed, or a negative one where more may only add.
    pub bad_value: u64,
    /// A field held so many values that some were left out.
    pub too_many: u64,
}

impl Dropped {
    /// Adds what was counted elsewhere.
    pub fn add(&mut self, other: &Self) {
        self.missing_key += other.missing_key;
        self.missing_value += other.missing_value;
        self.bad_value += other.bad_value;
        self.too_many += other.too_many;
    }

    /// All of them.
    pub fn total(&self) -> u64 {
        self.missing_key + self.missing_value + self.bad_value + self.too_many
    }
}

/// Which time counts for an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Times {
    /// Its own: of input that ends, where nothing waits for a watermark.
    AsWritten,
    /// Its own, but not one that lies far beyond its arrival: of a stream, where such a one would be the
    /// latest for ever.
    Clamped,
}

impl Times {
    /// The time of an event of a batch.
    pub fn of(self, batch: &EventBatch, row: usize) -> i64 {
        let time = batch.times().value(row);
        match self {
            Self::AsWritten => time,
            Self::Clamped => clamped(time, batch.ingest_times().value(row)).0,
        }
    }
}

/// Makes occurrences of the hits of one source.
#[derive(Debug, Default)]
pub(crate) struct Extractor {
    /// By rule, in the order of rules.
    pub uses: Vec<Use>,
}

impl Extractor {
    /// Gives each occurrence in a batch to `take`. `hits` are in the order of rows.
    pub fn occurrences(
        &self,
        batch: &EventBatch,
        hits: &[Hit],
        times: Times,
        dropped: &mut [Dropped],
        take: &mut dyn FnMut(Occurrence<'_>),
    ) {
        let mut made = Made { carried: vec![HashMap::new(); self.uses.len()], ..Made::default() };
        for of_row in hits.chunk_by(|a, b| a.row == b.row) {
            let row = of_row[0].row as usize;
            let mut event = None;
            for hit in of_row {
                let first = self.uses.partition_point(|one| one.rule < hit.rule);
                let uses = self.uses.iter().enumerate().skip(first);
                for (number, one) in uses.take_while(|(_, one)| one.rule == hit.rule) {
                    let (event_id, origin) = event.get_or_insert_with(|| {
                        let row = batch.row(row);
                        (row.event_id(), row.origin())
                    });
                    let identity = (times.of(batch, row), &**event_id, &*origin);
                    let carried = one.carried(batch, row, number, &mut made);
                    if !one.plain_occurrence(batch, row, identity, &carried, &mut made, take) {
                        let dropped = &mut dropped[one.correlation];
                        one.occurrences(batch, row, identity, carried, dropped, take);
                    }
                }
            }
        }
    }
}

/// What was made for other events of the batch, or is made in the same place.
#[derive(Default)]
struct Made {
    key: String,
    value: String,
    /// By use, and by the values' numbers in their columns: most events of a batch carry the same.
    carried: Vec<HashMap<Box<[i32]>, Carried>>,
    packer: Packer,
}

impl Use {
    /// The columns that are looked at, some of them more than once.
    pub fn columns(&self) -> impl Iterator<Item = usize> {
        let carried = self.carry.iter().filter_map(|carry| carry.column());
        self.group_by.iter().chain(&self.value).copied().chain(carried)
    }

    /// What an event carries; `number` is that of the use.
    fn carried(&self, batch: &EventBatch, row: usize, number: usize, made: &mut Made) -> Option<Carried> {
        /// Of a column that the event does not have, or that is left out.
        const ABSENT: i32 = -1;
        const FEW: usize = 8;
        if self.carry.is_empty() {
            return None;
        }
        let has_plain_value = self.carry.iter().any(|carry| matches!(carry, Carry::InValue(_)))
            && self.value.iter().all(|column| plain_cell(&batch.fields()[*column], row).is_some());
        let columns = self.carry.iter().map(|carry| carry.beside(has_plain_value));
        let mut keys = [ABSENT; FEW];
        let Some(keys) = keys.get_mut(..self.carry.len()) else {
            return Some(packed(batch, row, columns, &mut made.packer));
        };
        for (key, column) in keys.iter_mut().zip(columns.clone()) {
            let there = column.and_then(|column| batch.fields()[column].key(row));
            *key = there.map_or(ABSENT, |there| there as i32);
        }
        let Made { carried, packer, .. } = made;
        let (_, carried) = carried[number]
            .raw_entry_mut()
            .from_key(&*keys)
            .or_insert_with(|| ((*keys).into(), packed(batch, row, columns, packer)));
        Some(carried.clone())
    }

    /// The occurrence of an event whose fields each hold one plain text, as most do; false where they hold
    /// something else, and nothing is given then. Such a text is a part of the key as it stands in the event.
    fn plain_occurrence(
        &self,
        batch: &EventBatch,
        row: usize,
        (time, event_id, origin): (i64, &str, &crate::event::Origin),
        carried: &Option<Carried>,
        Made { key, value, .. }: &mut Made,
        take: &mut dyn FnMut(Occurrence<'_>),
    ) -> bool {
        if !plain_list(batch, row, &self.group_by, key) {
            return false;
        }
        let value = match (self.looks_at, self.value.as_slice()) {
            (ValuePlan::None, _) => Value::None,
            (ValuePlan::One, _) => Value::Number(BILLION),
            (ValuePlan::Text, [column]) => match plain_cell(&batch.fields()[*column], row) {
                Some(text) => Value::Text(&text[1..text.len() - 1]),
                None => return false,
            },
            (ValuePlan::Text, columns) if plain_list(batch, row, columns, value) => Value::Text(value),
            _ => return false,
        };
        take(Occurrence {
            correlation: self.correlation,
            members: 1 << self.member,
            time,
            key,
            value,
            event_id,
            source: batch.source(),
            origin,
            carried: carried.clone(),
        });
        true
    }

    fn occurrences(
        &self,
        batch: &EventBatch,
        row: usize,
        (time, event_id, origin): (i64, &str, &crate::event::Origin),
        carried: Option<Carried>,
        dropped: &mut Dropped,
        take: &mut dyn FnMut(Occurrence<'_>),
    ) {
        let texts = |columns: &[usize]| -> Vec<Vec<Box<str>>> {
            columns.iter().map(|column| texts(&batch.fields()[*column], row)).collect()
        };
        let mut group = texts(&self.group_by);
        if !complete(&mut group, self.missing_is_a_group) {
            dropped.missing_key += 1;
            return;
        }
        let looked_at = texts(&self.value);
        let long_value = looked_at.iter().any(|texts| texts.len() == MAX_LIST);
        let values = match self.looks_at.read(looked_at, event_id) {
            Ok(values) => values,
            Err(why) => {
                dropped.add(&why.counted());
                return;
            }
        };
        let (keys, more) = combinations(&group);
        let cut = group.iter().any(|texts| texts.len() == MAX_LIST) || long_value;
        dropped.too_many += u64::from(more || values.1 || cut);
        let source = batch.source();
        for key in keys {
            for value in &values.0 {
                take(Occurrence {
                    correlation: self.correlation,
                    members: 1 << self.member,
                    time,
                    key: &key_text(&key),
                    value: value.as_value(),
                    event_id,
                    source,
                    origin,
                    carried: carried.clone(),
                });
            }
        }
    }
}

/// Packs what stands in some columns; of those that are left out an empty list.
fn packed(
    batch: &EventBatch,
    row: usize,
    columns: impl ExactSizeIterator<Item = Option<usize>>,
    packer: &mut Packer,
) -> Carried {
    packer.begin(columns.len());
    for column in columns {
        let Some(column) = column.map(|column| &batch.fields()[column]) else {
            packer.list([].into_iter());
            continue;
        };
        match plain_cell(column, row) {
            // nearly every field: the text stands in the cell
            Some(cell) => packer.list([&cell[1..cell.len() - 1]].into_iter()),
            None => packer.list(texts(column, row).iter().map(|text| &**text)),
        }
    }
    packer.finish()
}

/// Why a value could not be read.
pub(crate) enum Unread {
    Missing,
    Bad,
}

impl Unread {
    /// As it is counted.
    pub fn counted(&self) -> Dropped {
        match self {
            Self::Missing => Dropped { missing_value: 1, ..Dropped::default() },
            Self::Bad => Dropped { bad_value: 1, ..Dropped::default() },
        }
    }
}

/// A value by itself.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum OwnValue {
    None,
    Text(Box<str>),
    Number(i128),
    Place(i32, i32),
}

impl OwnValue {
    pub fn as_value(&self) -> Value<'_> {
        match self {
            Self::None => Value::None,
            Self::Text(text) => Value::Text(text),
            Self::Number(number) => Value::Number(*number),
            Self::Place(latitude, longitude) => Value::Place(*latitude, *longitude),
        }
    }
}

impl ValuePlan {
    /// What a correlation looks at, from the texts of its fields; and whether something was left out.
    pub fn read(self, texts: Vec<Vec<Box<str>>>, identity: &str) -> Result<(Vec<OwnValue>, bool), Unread> {
        if texts.iter().any(Vec::is_empty) {
            return Err(Unread::Missing);
        }
        let one = |value| Ok((vec![value], false));
        match self {
            Self::None => one(OwnValue::None),
            Self::One => one(OwnValue::Number(BILLION)),
            Self::Identity => one(OwnValue::Text(identity.into())),
            Self::Text => {
                let (tuples, more) = combinations(&texts);
                let text = |tuple: Vec<&str>| match tuple.as_slice() {
                    [one] => OwnValue::Text((*one).into()),
                    several => OwnValue::Text(key_text(several).into()),
                };
                Ok((tuples.into_iter().map(text).collect(), more))
            }
            Self::Number { signed } => {
                let numbers: Option<Vec<i128>> =
                    texts.iter().flatten().map(|text| billionths(text)).collect();
                let numbers = numbers.ok_or(Unread::Bad)?;
                if !signed && numbers.iter().any(|number| *number < 0) {
                    return Err(Unread::Bad);
                }
                // several numbers of one event are one number: their sum is what the event has moved
                one(OwnValue::Number(numbers.iter().fold(0, |sum: i128, number| sum.saturating_add(*number))))
            }
            Self::Place => {
                let degrees = |at: usize, most: i128| {
                    let billionths = billionths(texts.get(at)?.first()?)?;
                    (billionths.abs() <= most * BILLION).then_some((billionths / 1_000) as i32)
                };
                match (degrees(0, 90), degrees(1, 180)) {
                    (Some(latitude), Some(longitude)) => one(OwnValue::Place(latitude, longitude)),
                    _ => Err(Unread::Bad),
                }
            }
        }
    }
}

/// A decimal number in billionths; `None` where it is none, or is beyond what can be added up.
fn billionths(text: &str) -> Option<i128> {
    const MOST: u128 = 1_000_000_000_000_000_000;
    let number = match Number::parse(text.trim())? {
        // the least of all whole numbers has no counterpart above 0
        Number::Int(whole) if whole.unsigned_abs() <= MOST => whole * BILLION,
        Number::Float(number) if number.abs() <= MOST as f64 => super::plan::billionths_of(number),
        Number::Int(_) | Number::Float(_) => return None,
    };
    Some(number)
}

/// Each choice of one text from every list, up to a most; and whether there were more.
pub(crate) fn combinations(lists: &[Vec<Box<str>>]) -> (Vec<Vec<&str>>, bool) {
    let mut chosen: Vec<Vec<&str>> = vec![Vec::new()];
    let mut more = false;
    for list in lists {
        let mut next = Vec::with_capacity(chosen.len().saturating_mul(list.len()).min(MAX_COMBINATIONS));
        for tuple in &chosen {
            for text in list {
                if next.len() == MAX_COMBINATIONS {
                    more = true;
                    break;
                }
                let mut longer: Vec<&str> = tuple.clone();
                longer.push(text);
                next.push(longer);
            }
        }
        chosen = next;
    }
    (chosen, more)
}

/// Stands for a field that is not there, where that is a group. A log that writes this character alone is
/// read as the sign for it.
const MISSING: &str = "\u{0}";

/// Whether every field of a group has a value; with `missing_is_a_group` one that has none gets one.
pub(crate) fn complete(group: &mut [Vec<Box<str>>], missing_is_a_group: bool) -> bool {
    if missing_is_a_group {
        group.iter_mut().filter(|texts| texts.is_empty()).for_each(|texts| texts.push(MISSING.into()));
    }
    group.iter().all(|texts| !texts.is_empty())
}

/// The values of a group as one text: a JSON list.
pub(crate) fn key_text(values: &[&str]) -> String {
    let mut text = String::with_capacity(16 + values.iter().map(|value| value.len() + 3).sum::<usize>());
    text.push('[');
    for (number, value) in values.iter().enumerate() {
        if number > 0 {
            text.push(',');
        }
        if *value == MISSING {
            text.push_str("null");
            continue;
        }
        text.push('"');
        for c in value.chars() {
            match c {
                '"' => text.push_str("\\\""),
                '\\' => text.push_str("\\\\"),
                c if c < ' ' => text.push_str(&format!("\\u{:04x}", c as u32)),
                c => text.push(c),
            }
        }
        text.push('"');
    }
    text.push(']');
    text
}

/// The values of a group from its text; `None` is a field that is not there.
pub(crate) fn key_values(key: &str) -> Vec<Option<String>> {
    serde_json::from_str(key).unwrap_or_default()
}

/// Writes the JSON list of cells that each hold one plain text; false where one holds something else.
fn plain_list(batch: &EventBatch, row: usize, columns: &[usize], list: &mut String) -> bool {
    list.clear();
    list.push('[');
    for (number, column) in columns.iter().enumerate() {
        let Some(text) = plain_cell(&batch.fields()[*column], row) else { return false };
        if number > 0 {
            list.push(',');
        }
        list.push_str(text);
    }
    list.push(']');
    true
}

/// The text of a cell that holds one text in which nothing is escaped, with its quotes.
fn plain_cell(column: &DictionaryArray<Int32Type>, row: usize) -> Option<&str> {
    let key = column.key(row)?;
    let text = column.values().as_any().downcast_ref::<StringArray>()?.value(key);
    let bytes = text.as_bytes();
    // an escaped character begins with a backslash; the next of several texts stands behind a separator, which is a
    // control character as those that no JSON text may hold as they are
    let needs_a_look = |byte: &u8| *byte < b' ' || *byte == b'\\';
    let is_plain = bytes.len() >= 2
        && bytes.first() == Some(&b'"')
        && bytes.last() == Some(&b'"')
        && !bytes.iter().fold(false, |any, byte| any | needs_a_look(byte));
    is_plain.then_some(text)
}

/// The values of a field: of a text what stands between its quotes, of a list each element's, of anything
/// else its JSON without white space. `null` is no value.
fn texts(column: &DictionaryArray<Int32Type>, row: usize) -> Vec<Box<str>> {
    let Some(key) = column.key(row) else { return Vec::new() };
    let Some(values) = column.values().as_any().downcast_ref::<StringArray>() else { return Vec::new() };
    let mut texts: Vec<Box<str>> = Vec::new();
    for text in values.value(key).split(TEXT_SEPARATOR) {
        let elements = text.starts_with('[').then(|| serde_json::from_str::<Vec<&RawValue>>(text));
        match elements {
            Some(Ok(elements)) => {
                texts.extend(elements.iter().filter_map(|element| scalar(element.get())).take(MAX_LIST))
            }
            _ => texts.extend(scalar(text)),
        }
        if texts.len() >= MAX_LIST {
            texts.truncate(MAX_LIST);
            break;
        }
    }
    texts
}

fn scalar(text: &str) -> Option<Box<str>> {
    match string_text(text) {
        // which stands for a field that is not there
        Some(inner) if inner == MISSING => Some("\u{2400}".into()),
        Some(inner) => Some(inner.into()),
        None if text == "null" || text.is_empty() => None,
        None => Some(compact(text)),
    }
}

/// A value that is no text, in a form that does not depend on how the log was printed.
fn compact(text: &str) -> Box<str> {
    match json::parse(text).ok().filter(|_| text.starts_with(['{', '['])) {
        Some(value) => {
            let mut compact = String::with_capacity(text.len());
            value.write_compact(&mut compact);
            compact.into()
        }
        None => text.into(),
    }
}

/// Of what is carried that which is asked for.
pub(crate) fn pick(carried: &Lists, which: &[usize]) -> Lists {
    which.iter().map(|at| carried.get(*at).cloned().unwrap_or_default()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_a_json_list_and_comes_back() {
        for values in [vec!["a", "b"], vec![""], vec!["\"\\\n\u{1f}é"], vec![]] {
            let back: Vec<Option<String>> = values.iter().map(|value| Some(value.to_string())).collect();
            assert_eq!(key_values(&key_text(&values)), back);
        }
        assert_eq!(key_values(&key_text(&["a", MISSING])), [Some("a".to_owned()), None]);
        assert_ne!(key_text(&["a", "b"]), key_text(&["a\",\"b"]));
    }

    #[test]
    fn a_plain_text_is_its_own_part_of_a_key() {
        let column: DictionaryArray<Int32Type> = [
            Some(r#""plain é""#),
            Some(r#""""#),
            None,
            Some(r#""a\\b""#),
            Some("\"a\"\u{1e}\"b\""),
            Some("5"),
            Some("null"),
            Some("[\"a\"]"),
            Some("\"a\tb\""),
        ]
        .into_iter()
        .collect();
        let plain: Vec<Option<&str>> = (0..column.len()).map(|row| plain_cell(&column, row)).collect();
        assert_eq!(plain, [Some(r#""plain é""#), Some(r#""""#), None, None, None, None, None, None, None]);
        for (row, text) in plain.iter().enumerate().filter_map(|(row, text)| Some((row, (*text)?))) {
            let slow = texts(&column, row);
            assert_eq!(format!("[{text}]"), key_text(&[&slow[0]]));
        }
    }

    #[test]
    fn a_value_is_the_same_however_the_log_was_printed() {
        for (one, other, expected) in [
            (
                r#"{"a":[1,{"b":"c"}]}"#,
                "{ \"a\" : [1, {\"b\":\n\"\\u0063\"}] }",
                vec![r#"{"a":[1,{"b":"c"}]}"#],
            ),
            (
                r#"["a",["b","c"],{"d":1.0}]"#,
                "[ \"a\", [\"b\", \"c\"] , {\"d\" :1.0}]",
                vec!["a", r#"["b","c"]"#, r#"{"d":1.0}"#],
            ),
            ("\"a\tb\"", r#""a\tb""#, vec!["a\tb"]),
            ("1.50", "1.50", vec!["1.50"]),
        ] {
            for cell in [one, other] {
                let column: DictionaryArray<Int32Type> = [Some(cell)].into_iter().collect();
                let values = texts(&column, 0);
                assert!(
                    values.iter().map(|value| &**value).eq(expected.iter().copied()),
                    "{cell} {values:?}"
                );
                let values: Vec<&str> = values.iter().map(|value| &**value).collect();
                let back: Vec<Option<String>> =
                    values.iter().map(|value| Some((*value).to_owned())).collect();
                assert_eq!(key_values(&key_text(&values)), back, "{cell}");
            }
        }
    }

    #[test]
    fn numbers_are_read_exactly_or_not_at_all() {
        for (text, expected) in [
            ("1", Some(1_000_000_000)),
            ("0.1", Some(100_000_000)),
            (" 25 ", Some(25_000_000_000)),
            ("-3", Some(-3_000_000_000)),
            ("1e30", None),
            ("-170141183460469231731687303715884105728", None),
            ("ten", None),
            ("", None),
        ] {
            assert_eq!(billionths(text), expected, "{text}");
        }
    }

    #[test]
    fn lists_give_every_combination_up_to_a_most() {
        let list = |n: usize| (0..n).map(|i| i.to_string().into_boxed_str()).collect::<Vec<_>>();
        let lists = [list(2), list(3)];
        assert_eq!(combinations(&lists).0.len(), 6);
        let lists = [list(100), list(2)];
        let (chosen, more) = combinations(&lists);
        assert!(more && chosen.len() <= MAX_COMBINATIONS);
        assert_eq!(combinations(&[]).0, [Vec::<&str>::new()]);
    }
}
