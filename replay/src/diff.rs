//! Two rule sets over the same events: what only one of them tells of, and why.
//!
//! In: for each event the rules of either set that match it, in one pass. Out: counts by rule, some of the
//! events, and the tests that made the difference, as the reference explains them.

use std::collections::{BTreeMap, HashMap};

use virga_engine::Engine;
use virga_engine::event::SourceSpec;
use virga_engine::plan::{LoweredRule, Predicate};
use virga_engine::scan::reference::{Event, Trace};

use crate::limits::{MAX_EXPLAINED, SHOWN_EVENTS};
use crate::report::{DiffEvent, DiffReport, DiffRule, Flip};
use crate::sources::LogSources;

/// The names of the two sets.
pub const NAMES: [&str; 2] = ["A", "B"];

/// Counts where two rule sets differ.
#[derive(Debug, Default)]
pub struct Differ {
    keys: HashMap<String, usize>,
    rules: Vec<Compared>,
}

/// A rule of either set, or of both.
#[derive(Debug, Default)]
struct Compared {
    id: String,
    title: String,
    /// By set: whether it has the rule.
    there: [bool; 2],
    /// Both have it, and not in the same words.
    changed: bool,
    both: u64,
    only: [u64; 2],
    flips: [HashMap<String, u64>; 2],
    explained: [u64; 2],
    shown: [Vec<DiffEvent>; 2],
}

impl Differ {
    /// For two rule sets.
    pub fn new(engines: &[&Engine]) -> Self {
        let mut differ = Self::default();
        let mut bodies: HashMap<usize, String> = HashMap::new();
        for (side, engine) in engines.iter().enumerate().take(2) {
            for rule in engine.rules() {
                let of = &rule.lowered.rule;
                let body = format!("{:?}{:?}", of.logsource.value, rule.lowered.expr);
                differ.add(side, of.key(), &of.title, body, &mut bodies);
            }
            for plan in engine.correlations() {
                let of = &plan.correlation;
                let body = format!(
                    "{:?}{:?}{}{}{:?}{:?}",
                    of.kind.value,
                    of.condition,
                    of.missing_is_a_group,
                    of.timespan,
                    plan.members,
                    plan.bucket
                );
                // where something stands in its file is no part of what it says
                differ.add(side, of.key(), &of.title, without_places(&body), &mut bodies);
            }
        }
        differ
    }

    fn add(
        &mut self,
        side: usize,
        key: String,
        title: &str,
        body: String,
        bodies: &mut HashMap<usize, String>,
    ) {
        let number = self.number(&key);
        let rule = &mut self.rules[number];
        rule.there[side] = true;
        rule.title = title.to_owned();
        match bodies.get(&number) {
            Some(other) if side == 1 => rule.changed = *other != body,
            _ => drop(bodies.insert(number, body)),
        }
    }

    /// The number of a rule, by its id.
    pub fn number(&mut self, key: &str) -> usize {
        // ids are compared in any case, as rule sets do
        let folded = key.to_lowercase();
        *self.keys.entry(folded).or_insert_with(|| {
            self.rules.push(Compared { id: key.to_owned(), ..Compared::default() });
            self.rules.len() - 1
        })
    }

    /// Both tell of an event.
    pub fn both(&mut self, rule: usize) {
        self.rules[rule].both += 1;
    }

    /// Only one tells of it.
    pub fn only(&mut self, side: usize, rule: usize, event: &dyn Fn() -> DiffEvent) {
        let rule = &mut self.rules[rule];
        rule.only[side] += 1;
        if rule.shown[side].len() < SHOWN_EVENTS {
            rule.shown[side].push(event());
        }
    }

    /// Whether it is worth asking why only one tells of an event.
    pub fn asks(&mut self, side: usize, rule: usize) -> bool {
        let rule = &mut self.rules[rule];
        let asks = rule.there[1 - side] && rule.explained[side] < MAX_EXPLAINED as u64;
        rule.explained[side] += u64::from(asks);
        asks
    }

    /// Something else than a test kept the other set from telling of an event.
    pub fn kept(&mut self, (side, rule): (usize, usize), why: String) {
        *self.rules[rule].flips[side].entry(why).or_default() += 1;
    }

    /// Asks the rule of the set that does not match an event what stopped it.
    pub fn explain(
        &mut self,
        (side, rule): (usize, usize),
        other: &LoweredRule,
        (spec, raw): (&SourceSpec, &str),
        canonical: bool,
        logs: &dyn LogSources,
    ) {
        let value = |name: &str| logs.value(&spec.name, raw, name);
        let Ok(event) = Event::parse(raw, spec, &value) else { return };
        let trace = event.trace(&other.expr, canonical);
        let blockers = trace.blockers(true);
        let flips = &mut self.rules[rule].flips[side];
        for blocker in blockers {
            *flips.entry(shown(blocker)).or_default() += 1;
        }
    }

    /// The answer.
    pub fn report(self) -> DiffReport {
        let mut rules: Vec<DiffRule> = self.rules.into_iter().map(Compared::report).collect();
        let sum = |of: &dyn Fn(&DiffRule) -> u64| rules.iter().map(of).sum();
        let (both, only_a, only_b) = (sum(&|r| r.both), sum(&|r| r.only_a), sum(&|r| r.only_b));
        rules.retain(|rule| rule.only_a + rule.only_b > 0);
        rules.sort_by(|a, b| (b.only_a + b.only_b).cmp(&(a.only_a + a.only_b)).then_with(|| a.id.cmp(&b.id)));
        DiffReport { both, only_a, only_b, rules }
    }
}

impl Compared {
    fn report(self) -> DiffRule {
        let mut flips: Vec<Flip> = Vec::new();
        for (side, counted) in self.flips.into_iter().enumerate() {
            let of = |(test, events)| Flip { stopped: NAMES[1 - side], test, events };
            flips.extend(counted.into_iter().map(of));
        }
        flips.sort_by(|a, b| b.events.cmp(&a.events).then_with(|| a.test.cmp(&b.test)));
        DiffRule {
            id: self.id,
            title: self.title,
            change: match (self.there, self.changed) {
                ([true, false], _) => "removed",
                ([false, true], _) => "added",
                (_, true) => "changed",
                (_, false) => "same",
            },
            both: self.both,
            only_a: self.only[0],
            only_b: self.only[1],
            flips,
            explained: self.explained.iter().sum(),
            events: self.shown.into_iter().flatten().collect(),
        }
    }
}

/// A test with what it found, in one line.
fn shown(trace: &Trace) -> String {
    match trace {
        Trace::Test { predicate, holds, .. } => {
            let not = if *holds { "not " } else { "" };
            format!("{not}{} {}", predicate.shown, predicate.test)
        }
        Trace::Join { parts, .. } => none_of(parts),
        Trace::Never => "a placeholder without a list".to_owned(),
    }
}

/// Alternatives that a line names; rules have lists of hundreds.
const SHOWN_ALTERNATIVES: usize = 12;

/// Alternatives of which none holds, in one line: `eventName is none of ('a', 'b')`.
fn none_of(parts: &[Trace]) -> String {
    let tests: Vec<&Predicate> = parts
        .iter()
        .filter_map(|part| match part {
            Trace::Test { predicate, .. } => Some(predicate),
            _ => None,
        })
        .collect();
    let one_field = tests
        .first()
        .filter(|first| tests.iter().all(|test| test.field == first.field))
        .map(|one| &one.shown);
    let texts: Vec<String> = tests.iter().map(|predicate| predicate.test.to_string()).collect();
    let are_equal = texts.iter().all(|text| text.starts_with("= "));
    let alternative = |(predicate, text): (&&Predicate, &String)| match one_field {
        Some(_) if are_equal => text.trim_start_matches("= ").to_owned(),
        Some(_) => text.clone(),
        None => format!("{} {text}", predicate.shown),
    };
    let mut shown: Vec<String> = tests.iter().zip(&texts).take(SHOWN_ALTERNATIVES).map(alternative).collect();
    if tests.len() > SHOWN_ALTERNATIVES {
        shown.push(format!("{} more", tests.len() - SHOWN_ALTERNATIVES));
    }
    let shown = shown.join(", ");
    match one_field {
        Some(field) if are_equal => format!("{field} is none of ({shown})"),
        Some(field) => format!("{field}: none of ({shown})"),
        None => format!("none of ({shown})"),
    }
}

/// The debug form of a tree without the places in its file.
fn without_places(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("span: ") {
        out.push_str(&rest[..at]);
        rest = rest[at + 6..].trim_start_matches(|c: char| c.is_ascii_digit() || c == '.');
    }
    out.push_str(rest);
    out
}

/// What a diff shows of an event.
pub fn diff_event(
    side: usize,
    id: &str,
    time: String,
    entities: BTreeMap<&'static str, String>,
) -> DiffEvent {
    DiffEvent { id: id.to_owned(), time, only: NAMES[side.min(1)], entities }
}

#[cfg(test)]
mod tests {
    use virga_engine::plan::FieldKey;
    use virga_engine::predicate::{Shape, Test, TextTest};

    use super::*;

    fn test(field: &str, shape: Shape) -> Trace {
        let test = Test::Text(TextTest { shape, cased: false });
        let predicate = Predicate { field: FieldKey::Named(field.to_lowercase()), shown: field.into(), test };
        Trace::Test { predicate, actual: None, holds: false }
    }

    fn any(parts: Vec<Trace>) -> Trace {
        Trace::Join { word: "or".into(), parts, holds: false }
    }

    #[test]
    fn alternatives_that_all_fail_are_named_together() {
        let is = |field: &str, text: &str| test(field, Shape::Exact(text.into()));
        let starts = |field: &str, text: &str| test(field, Shape::Prefix(text.into()));
        for (trace, expected) in [
            (any(vec![is("eventName", "a"), is("eventName", "b")]), "eventName is none of ('a', 'b')"),
            (
                any(vec![is("eventName", "a"), starts("eventName", "b")]),
                "eventName: none of (= 'a', starts with 'b')",
            ),
            (
                any(vec![is("eventName", "a"), is("userAgent", "b")]),
                "none of (eventName = 'a', userAgent = 'b')",
            ),
            (is("eventName", "a"), "eventName = 'a'"),
        ] {
            let told: Vec<String> = trace.blockers(true).into_iter().map(shown).collect();
            assert_eq!(told, [expected]);
        }
        let many = any((0..20).map(|n| is("eventName", &n.to_string())).collect());
        assert!(shown(&many).ends_with("'10', '11', 8 more)"), "{}", shown(&many));
    }
}
