//! Windows side by side, aligned to 1970: for what further events could undo.
//!
//! Counts with `lt`, `lte`, `eq`, `neq` or a range with one of them, sums with those, and all averages and
//! percentiles are measured once, when the window has passed. A group remembers the window that it is in.
//! A window without an event is no group's, so that a count of nothing is not found.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::super::hit::{Billionths, Detail, Hit, Members, Seen, events_in, hash_bits};
use super::super::words::Word;
use super::{Contribution, Kind, Match, number_of, seen_of, shown_number, shown_span};
use crate::limits::{MAX_CARRIED, MAX_WINDOW_VALUES};
use crate::sigma::Criterion;

/// Measures windows of `window` microseconds.
#[derive(Debug)]
pub(crate) struct Tumbling<M> {
    pub measure: M,
    pub window: i64,
    pub criteria: Vec<(Criterion, f64)>,
}

/// What is measured.
pub(crate) trait Measure: Debug {
    /// What it needs of a hit.
    type Detail: Detail + Debug;
    /// What it has measured so far.
    type So: Default + Clone + Debug + Serialize + DeserializeOwned;

    fn take(&self, so: &mut Self::So, hits: &[Hit<Self::Detail>], criteria: &[(Criterion, f64)]);

    /// The number that the condition compares, and its name.
    fn result(&self, so: &Self::So, events: u64) -> (f64, &'static str);

    /// What an alert shows beside it.
    fn fields(&self, _so: &Self::So) -> Map<String, Value> {
        Map::new()
    }

    fn heap(&self, _so: &Self::So) -> usize {
        0
    }
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Window<S> {
    number: i64,
    last: i64,
    events: u64,
    seen: Vec<Seen>,
    so: S,
}

impl<M: Measure> Tumbling<M> {
    fn holds(&self, number: f64) -> bool {
        self.criteria.iter().all(|(criterion, bound)| criterion.holds(number, *bound))
    }

    fn close(&self, window: &Window<M::So>, found: &mut Vec<Match>) {
        let (result, name) = self.measure.result(&window.so, window.events);
        if !self.holds(result) {
            return;
        }
        let mut contribution = Contribution::of(window.seen.clone());
        contribution.count = window.events;
        let shown = match serde_json::Number::from_f64(result) {
            Some(_) if result.fract() == 0.0 && result.abs() < 1e15 => Value::from(result as i64),
            number => number.map_or(Value::Null, Value::Number),
        };
        contribution.fields = self.measure.fields(&window.so);
        contribution.fields.insert(name.to_owned(), shown);
        found.push(Match {
            time: window.last,
            term: None,
            adds: window.events,
            contribution: Some(contribution),
        });
    }

    fn end(&self, window: &Window<M::So>) -> i64 {
        (window.number.saturating_add(1)).saturating_mul(self.window)
    }
}

impl<M: Measure> Kind for Tumbling<M> {
    type Detail = M::Detail;
    type State = Option<Window<M::So>>;

    fn tick(&self, state: &mut Self::State, time: i64, hits: &[Hit<M::Detail>], _: &mut Vec<Match>) {
        let number = time.div_euclid(self.window);
        let window = state.get_or_insert_with(|| Window {
            number,
            last: time,
            events: 0,
            seen: Vec::new(),
            so: M::So::default(),
        });
        window.last = time;
        window.events += events_in(hits);
        let room = MAX_CARRIED.saturating_sub(window.seen.len());
        window.seen.extend(seen_of(hits).take(room));
        self.measure.take(&mut window.so, hits, &self.criteria);
    }

    fn pass(&self, state: &mut Self::State, upto: i64, found: &mut Vec<Match>) {
        if let Some(window) = state
            && self.end(window).saturating_sub(1) <= upto
        {
            self.close(window, found);
            *state = None;
        }
    }

    fn horizon(&self, state: &Self::State, upto: i64) -> i64 {
        state.as_ref().map_or(upto.saturating_add(1), |window| window.last)
    }

    fn due(&self, state: &Self::State) -> Option<i64> {
        state.as_ref().map(|window| self.end(window).saturating_sub(1))
    }

    fn memory(&self) -> i64 {
        self.window
    }

    fn progress(&self, state: &Self::State, _: i64) -> f64 {
        match state {
            None => 0.0,
            Some(window) => match self.holds(self.measure.result(&window.so, window.events).0) {
                true => 1.0,
                false => 0.5,
            },
        }
    }

    fn describe(&self, state: &Self::State, _: i64) -> String {
        let Some(window) = state else { return "no event in the window".to_owned() };
        let (result, name) = self.measure.result(&window.so, window.events);
        let criteria: Vec<String> =
            self.criteria.iter().map(|(criterion, bound)| format!("{} {bound}", criterion.word())).collect();
        let verdict = if self.holds(result) { "" } else { ", which is not " };
        let criteria = if verdict.is_empty() { String::new() } else { criteria.join(" and ") };
        format!("{name} of {result} in the window of {}{verdict}{criteria}", shown_span(self.window))
    }

    fn heap(&self, state: &Self::State) -> usize {
        state
            .as_ref()
            .map_or(0, |window| window.seen.capacity() * size_of::<Seen>() + self.measure.heap(&window.so))
    }

    fn mark(&self, state: &Self::State, see: &mut dyn FnMut(&Seen)) {
        state.iter().flat_map(|window| &window.seen).for_each(see);
    }
}

/// How many events.
#[derive(Debug)]
pub(crate) struct Count;

impl Measure for Count {
    type Detail = ();
    type So = ();

    fn take(&self, (): &mut (), _: &[Hit<()>], _: &[(Criterion, f64)]) {}

    fn result(&self, (): &(), events: u64) -> (f64, &'static str) {
        (events as f64, "event_count")
    }
}

/// How many different values.
#[derive(Debug)]
pub(crate) struct Values;

impl Measure for Values {
    type Detail = Word;
    type So = BTreeSet<u128>;

    fn take(&self, so: &mut Self::So, hits: &[Hit<Word>], criteria: &[(Criterion, f64)]) {
        // beyond every bound one more makes no difference
        let most =
            criteria.iter().map(|(_, bound)| (bound.max(0.0) as usize).saturating_add(1)).max().unwrap_or(1);
        for hit in hits {
            if so.len() < most {
                so.insert(hash_bits(hit.detail.text()));
            }
        }
    }

    fn result(&self, so: &Self::So, _: u64) -> (f64, &'static str) {
        (so.len() as f64, "value_count")
    }

    fn heap(&self, so: &Self::So) -> usize {
        so.len() * 24
    }
}

/// How many of the rules.
#[derive(Debug)]
pub(crate) struct Rules;

impl Measure for Rules {
    type Detail = Members;
    type So = u64;

    fn take(&self, so: &mut u64, hits: &[Hit<Members>], _: &[(Criterion, f64)]) {
        *so |= hits.iter().fold(0, |all, hit| all | hit.detail.0);
    }

    fn result(&self, so: &u64, _: u64) -> (f64, &'static str) {
        (f64::from(so.count_ones()), "rules")
    }
}

/// What is reckoned of numbers.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Statistic {
    /// Their sum.
    Sum,
    /// Their mean.
    Average,
    /// The percentile of that rank, from 0 to 100, between the two nearest by straight line.
    Percentile(f64),
}

/// A statistic of numbers.
#[derive(Debug)]
pub(crate) struct Amounts(pub Statistic);

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Numbers {
    sum: i128,
    count: u64,
    /// For percentiles: how often each number occurs.
    each: BTreeMap<Billionths, u64>,
    /// There were so many different numbers that they are kept to three digits.
    rounded: bool,
}

/// A number to 11 binary digits: off by less than a twentieth of a percent.
fn rounded(number: Billionths) -> Billionths {
    let bits = 128 - number.unsigned_abs().leading_zeros();
    match bits.saturating_sub(11) {
        0 => number,
        shift => ((number >> shift) << shift) + (1 << (shift - 1)),
    }
}

impl Numbers {
    fn add(&mut self, number: Billionths) {
        let number = if self.rounded { rounded(number) } else { number };
        *self.each.entry(number).or_default() += 1;
        if !self.rounded && self.each.len() > MAX_WINDOW_VALUES {
            self.rounded = true;
            let mut each = BTreeMap::new();
            for (number, count) in &self.each {
                *each.entry(rounded(*number)).or_default() += count;
            }
            self.each = each;
        }
    }

    /// The number at a place of the sorted list.
    fn at(&self, place: u64) -> f64 {
        let mut before = 0;
        for (number, count) in &self.each {
            before += count;
            if place < before {
                return number_of(*number);
            }
        }
        0.0
    }

    fn percentile(&self, percentile: f64) -> f64 {
        let rank = percentile / 100.0 * (self.count.saturating_sub(1)) as f64;
        let (low, high) = (self.at(rank.floor() as u64), self.at(rank.ceil() as u64));
        low + (rank - rank.floor()) * (high - low)
    }
}

impl Measure for Amounts {
    type Detail = Billionths;
    type So = Numbers;

    fn take(&self, so: &mut Numbers, hits: &[Hit<Billionths>], _: &[(Criterion, f64)]) {
        for hit in hits {
            so.sum = so.sum.saturating_add(hit.detail);
            so.count += 1;
            if matches!(self.0, Statistic::Percentile(_)) {
                so.add(hit.detail);
            }
        }
    }

    fn result(&self, so: &Numbers, _: u64) -> (f64, &'static str) {
        match self.0 {
            Statistic::Sum => (number_of(so.sum), "value_sum"),
            Statistic::Average => (number_of(so.sum) / so.count.max(1) as f64, "value_avg"),
            Statistic::Percentile(percentile) => (so.percentile(percentile), "value_percentile"),
        }
    }

    fn fields(&self, so: &Numbers) -> Map<String, Value> {
        let mut fields = Map::new();
        if self.0 != Statistic::Sum {
            fields.insert("value_sum".to_owned(), shown_number(so.sum));
        }
        if so.rounded {
            fields.insert("approximate".to_owned(), true.into());
        }
        fields
    }

    fn heap(&self, so: &Numbers) -> usize {
        so.each.len() * 40
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bound_beyond_every_number_of_values_is_one() {
        let (mut so, mut words) = (BTreeSet::new(), super::super::super::words::Words::default());
        let hit = Hit { seen: Seen::derived(1, "e"), detail: words.get("a") };
        Values.take(&mut so, &[hit], &[(Criterion::Lt, 2e19)]);
        assert_eq!(so.len(), 1);
    }

    #[test]
    fn rounding_is_off_by_less_than_it_says() {
        for number in [0, 1, -1, 2_047, 2_048, 123_456_789_012, -123_456_789_012, i128::from(i64::MAX)] {
            let off = (rounded(number) - number).unsigned_abs() as f64;
            assert!(off <= number.unsigned_abs() as f64 / 2_000.0, "{number} {}", rounded(number));
        }
    }

    #[test]
    fn percentiles_lie_between_the_nearest_two() {
        let mut numbers = Numbers::default();
        for number in [10, 20, 30, 40] {
            numbers.count += 1;
            numbers.add(number * super::super::BILLION);
        }
        for (percentile, expected) in [(0.0, 10.0), (50.0, 25.0), (100.0, 40.0), (25.0, 17.5)] {
            assert_eq!(numbers.percentile(percentile), expected);
        }
    }

    #[test]
    fn very_many_numbers_are_kept_to_three_digits() {
        let mut numbers = Numbers::default();
        let count = 2 * MAX_WINDOW_VALUES as u64;
        for number in 1..=count {
            numbers.count += 1;
            numbers.add(i128::from(number) * super::super::BILLION);
        }
        let median = numbers.percentile(50.0);
        assert!(numbers.rounded && numbers.each.len() < MAX_WINDOW_VALUES);
        assert!((median / (count as f64 / 2.0) - 1.0).abs() < 0.001, "{median}");
    }
}
