//! Correlations against a brute-force oracle that was written from the specification alone.
//!
//! Random rules of every type, random hits: the engine must give the oracle's alerts over finite input in
//! any order, and over a stream in any order, with duplicates, with delays within the bound and beyond it,
//! and with snapshots and restores at random points.

#[path = "correlate_oracle/mod.rs"]
mod oracle;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use oracle::{Expr, Hit, Op, OracleAlert, Rule, Type, Value as OracleValue};
use virga_engine::alert::{Alert, AlertKind};
use virga_engine::correlate::{Finite, Live, LiveLimits, MemorySpill, Occurrence, Plan, Value, plan};
use virga_engine::diagnostic::{Severity, SourceFile};
use virga_engine::event::{Origin, OriginBase};
use virga_engine::plan::Lists;
use virga_engine::{RuleSet, alert};

/// Cases of each type in each test.
const CASES: usize = 10_000;

/// A small generator of its own: a case is known by its seed.
struct Chance(u64);

impl Chance {
    fn next(&mut self) -> u64 {
        // splitmix64
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    fn below(&mut self, n: usize) -> usize {
        (self.next() % n as u64) as usize
    }

    fn one_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }

    fn pick<T: Clone>(&mut self, of: &[T]) -> T {
        of[self.below(of.len())].clone()
    }

    fn shuffle<T>(&mut self, list: &mut [T]) {
        for i in (1..list.len()).rev() {
            list.swap(i, self.below(i + 1));
        }
    }
}

const SECOND: i64 = 1_000_000;
const TYPES: &[&str] = &[
    "event_count",
    "event_count tumbling",
    "value_count",
    "value_count tumbling",
    "temporal",
    "temporal tumbling",
    "temporal expression",
    "temporal with not",
    "temporal_ordered",
    "value_sum",
    "value_sum tumbling",
    "value_avg",
    "value_percentile",
    "value_median",
    "new_terms",
    "impossible_travel",
    "rate_baseline",
];

/// A rule as the engine reads it, and as the oracle does.
struct Subject {
    plans: Vec<Plan>,
    rule: Rule,
    members: usize,
}

fn op_word(op: Op) -> &'static str {
    match op {
        Op::Lt => "lt",
        Op::Lte => "lte",
        Op::Gt => "gt",
        Op::Gte => "gte",
        Op::Eq => "eq",
        Op::Neq => "neq",
    }
}

fn criteria_text(criteria: &[(Op, f64)]) -> String {
    criteria.iter().map(|(op, bound)| format!("{}: {bound}", op_word(*op))).collect::<Vec<_>>().join(", ")
}

fn rising(chance: &mut Chance, most: usize) -> Vec<(Op, f64)> {
    let bound = chance.below(most) as f64 + chance.pick(&[0.0, 0.0, 0.0, 0.5]);
    vec![(chance.pick(&[Op::Gt, Op::Gte, Op::Gte]), bound)]
}

fn any_criteria(chance: &mut Chance, least: i64, most: usize) -> Vec<(Op, f64)> {
    let bound = |chance: &mut Chance| (least + chance.below(most) as i64) as f64;
    match chance.below(6) {
        0 => vec![(Op::Lt, bound(chance))],
        1 => vec![(Op::Lte, bound(chance))],
        2 => vec![(Op::Eq, bound(chance))],
        3 => vec![(Op::Neq, bound(chance))],
        4 => vec![(Op::Gt, bound(chance)), (Op::Lt, bound(chance) + 4.0)],
        _ => vec![(Op::Gte, bound(chance)), (Op::Lte, bound(chance) + 2.0)],
    }
}

fn expression(chance: &mut Chance, members: usize, with_not: bool) -> (Expr, String) {
    // every rule is named, as the engine demands, in a random tree
    let mut parts: Vec<(Expr, String)> =
        (0..members).map(|member| (Expr::Member(member), format!("r{member}"))).collect();
    chance.shuffle(&mut parts);
    if with_not {
        let at = if members > 1 { 1 + chance.below(members - 1) } else { 0 };
        let (expr, text) = parts[at].clone();
        parts[at] = (Expr::Not(Box::new(expr)), format!("not {text}"));
    }
    while parts.len() > 1 {
        let (b, b_text) = parts.pop().expect("two parts");
        let (a, a_text) = parts.remove(0);
        let joined = match chance.below(2) {
            0 => (Expr::And(vec![a, b]), format!("({a_text} and {b_text})")),
            _ => (Expr::Or(vec![a, b]), format!("({a_text} or {b_text})")),
        };
        parts.insert(0, joined);
    }
    parts.remove(0)
}

fn subject(kind: &str, chance: &mut Chance) -> Subject {
    let seconds = chance.pick(&[1, 2, 5, 10, 30]);
    let members = match kind {
        "temporal expression" | "temporal with not" => 2 + chance.below(3),
        "temporal_ordered" => 1 + chance.below(4),
        _ => 1 + chance.below(3),
    };
    let mut own = format!("timespan: {seconds}s");
    let mut timespan = seconds * SECOND;
    let (kind_word, kind_type, condition) = match kind {
        "event_count" => {
            let criteria = rising(chance, 5);
            ("event_count", Type::EventCount(criteria.clone()), format!("{{{}}}", criteria_text(&criteria)))
        }
        "event_count tumbling" => {
            let criteria = any_criteria(chance, 0, 5);
            ("event_count", Type::EventCount(criteria.clone()), format!("{{{}}}", criteria_text(&criteria)))
        }
        "value_count" | "value_count tumbling" => {
            let criteria = match kind {
                "value_count" => rising(chance, 5),
                _ => any_criteria(chance, 0, 4),
            };
            let text = format!("{{field: f, {}}}", criteria_text(&criteria));
            ("value_count", Type::ValueCount(criteria), text)
        }
        "temporal" | "temporal tumbling" => {
            let criteria = match kind {
                "temporal" if chance.one_in(2) => vec![(Op::Gte, members as f64)],
                "temporal" => vec![(Op::Gte, 1.0 + chance.below(members) as f64)],
                _ => any_criteria(chance, 0, 3),
            };
            let text = match criteria.as_slice() {
                [(Op::Gte, bound)] if *bound == members as f64 => String::new(),
                criteria => format!("{{{}}}", criteria_text(criteria)),
            };
            ("temporal", Type::TemporalCount { members, criteria }, text)
        }
        "temporal expression" | "temporal with not" => {
            let (expr, text) = expression(chance, members, kind == "temporal with not");
            ("temporal", Type::TemporalExpr(expr), format!("\"{text}\""))
        }
        "temporal_ordered" => ("temporal_ordered", Type::TemporalOrdered { members }, String::new()),
        "value_sum" | "value_sum tumbling" => {
            let criteria = match kind {
                "value_sum" => rising(chance, 20),
                _ => any_criteria(chance, -10, 25),
            };
            let text = format!("{{field: f, {}}}", criteria_text(&criteria));
            ("value_sum", Type::ValueSum(criteria), text)
        }
        "value_avg" => {
            let mut criteria = any_criteria(chance, -3, 8);
            if chance.one_in(2) {
                criteria = rising(chance, 6);
            }
            let text = format!("{{field: f, {}}}", criteria_text(&criteria));
            ("value_avg", Type::ValueAvg(criteria), text)
        }
        "value_percentile" | "value_median" => {
            let criteria = match chance.one_in(2) {
                true => rising(chance, 6),
                false => any_criteria(chance, -3, 8),
            };
            let percentile =
                if kind == "value_median" { 50.0 } else { chance.pick(&[0.0, 25.0, 50.0, 75.0, 100.0]) };
            let text = match kind {
                "value_median" => format!("{{field: f, {}}}", criteria_text(&criteria)),
                _ => format!("{{field: f, percentile: {percentile}, {}}}", criteria_text(&criteria)),
            };
            (kind, Type::ValuePercentile(percentile, criteria), text)
        }
        "new_terms" => {
            let history = chance.pick(&[5, 10, 20]);
            let (age, events) = (chance.below(4) as i64, chance.below(3) as f64);
            let idle = chance.one_in(3).then(|| 1 + chance.below(4) as i64);
            timespan = history * SECOND;
            own = format!(
                "history: {history}s, field: f, warmup: {{{}min_events: {events}}}{}",
                if age > 0 { format!("min_age: {age}s, ") } else { String::new() },
                idle.map(|idle| format!(", idle_only: {idle}s")).unwrap_or_default()
            );
            let idle = idle.map(|idle| idle * SECOND);
            ("new_terms", Type::NewTerms { min_age: age * SECOND, min_events: events, idle }, String::new())
        }
        "impossible_travel" => {
            let history = chance.pick(&[5, 10, 3_600]);
            let (speed, distance) = (chance.pick(&[100.0, 900.0, 500_000.0]), chance.pick(&[10.0, 500.0]));
            timespan = history * SECOND;
            own = format!("history: {history}s");
            (
                "impossible_travel",
                Type::ImpossibleTravel { min_speed_kmh: speed, min_distance_km: distance },
                format!("{{min_speed_kmh: {speed}, min_distance_km: {distance}}}"),
            )
        }
        _ => {
            let (bucket, times) = (chance.pick(&[1, 2, 5]), chance.pick(&[3, 5, 8]));
            let field = if chance.one_in(2) { ", field: f" } else { "" };
            let (buckets, value) = (chance.below(3) as f64, chance.below(4) as f64);
            let (ratio, score) = (chance.pick(&[1.0, 1.5, 2.0]), chance.pick(&[0.5, 1.0, 2.0]));
            timespan = bucket * times * SECOND;
            own = format!(
                "history: {}s, bucket: {bucket}s{field}, warmup: {{min_buckets: {buckets}}}",
                bucket * times
            );
            (
                "rate_baseline",
                Type::RateBaseline {
                    bucket: bucket * SECOND,
                    min_buckets: buckets,
                    min_value: value,
                    min_ratio: ratio,
                    min_score: score,
                },
                format!("{{min_value: {value}, min_ratio: {ratio}, min_score: {score}}}"),
            )
        }
    };
    let suppress = chance.pick(&[3, 10, 60]);
    let condition = if condition.is_empty() { String::new() } else { format!(", condition: {condition}") };
    let names: Vec<String> = (0..members).map(|member| format!("r{member}")).collect();
    let mut text: String = names
        .iter()
        .map(|name| {
            format!("title: {name}\nname: {name}\nlogsource: {{product: p}}\ndetection: {{s: {{a: 1}}, condition: s}}\n---\n")
        })
        .collect();
    text += &format!(
        "title: c\nname: c\nsuppress: {{for: {suppress}s}}\ncorrelation: {{type: {kind_word}, rules: [{}], group-by: k, {own}{condition}}}\n",
        names.join(", ")
    );
    let set =
        RuleSet::load([Arc::new(SourceFile { name: "t.yml".into(), text: text.clone() })], &Lists::new());
    let errors: Vec<_> = set.diagnostics.iter().filter(|d| d.severity == Severity::Error).collect();
    assert!(errors.is_empty() && set.correlations.len() == 1, "{text}\n{errors:?}");
    let uses_field = kind != "rate_baseline" || text.contains("field");
    let rule = Rule { kind: kind_type, timespan, suppress: suppress * SECOND };
    let members = if uses_field { members } else { members | 1 << 32 };
    Subject { plans: plan(&set.correlations), rule, members }
}

impl Subject {
    fn value(&self, kind: &str, chance: &mut Chance) -> OracleValue {
        match kind {
            "value_count" | "value_count tumbling" | "new_terms" => {
                OracleValue::Text(chance.pick(&["a", "b", "c", "d", "é"]).to_owned())
            }
            "value_sum" => OracleValue::Number(chance.below(8) as i64),
            "value_sum tumbling" | "value_avg" | "value_percentile" | "value_median" => {
                OracleValue::Number(chance.below(11) as i64 - 4)
            }
            "impossible_travel" => {
                let (latitude, longitude) =
                    chance.pick(&[(50.0, 8.0), (50.5, 8.0), (1.0, 103.0), (-33.0, 151.0), (50.0, 8.0)]);
                OracleValue::Point(latitude, longitude)
            }
            "rate_baseline" if self.members < 1 << 32 => OracleValue::Number(chance.below(6) as i64),
            "rate_baseline" => OracleValue::Number(1),
            _ => OracleValue::None,
        }
    }

    /// Hits by group, among them the same one twice, with other rules, or with another value.
    fn hits(&self, kind: &str, chance: &mut Chance) -> Vec<(&'static str, Hit)> {
        let members = self.members & 0xffff;
        let start = chance.pick(&[-40, 0, 1_700_000_000]) * SECOND;
        let span = chance.pick(&[5, 20, 60, 120]);
        let mut hits = Vec::new();
        // now and then a group so large that it is kept and folded in other ways; the oracle looks for chains
        // by trying, which takes it long
        let most = if kind != "temporal_ordered" && chance.one_in(250) { 400 } else { 22 };
        for id in 0..1 + chance.below(most) as u64 {
            let fraction = if chance.one_in(4) { chance.pick(&[1, 500_000, 999_999]) } else { 0 };
            let hit = Hit {
                time: start + chance.below(span) as i64 * SECOND + fraction,
                id,
                members: 1 << chance.below(members),
                value: self.value(kind, chance),
            };
            let key = chance.pick(&["[\"x\"]", "[\"x\"]", "[\"y\"]"]);
            if chance.one_in(6) {
                let other = Hit { members: 1 << chance.below(members), ..hit.clone() };
                hits.push((key, other));
            }
            // types that know one value an event get no second one
            if chance.one_in(6) && matches!(hit.value, OracleValue::Text(_)) {
                hits.push((key, Hit { value: self.value(kind, chance), ..hit.clone() }));
            }
            if chance.one_in(6) {
                hits.push((key, hit.clone()));
            }
            hits.push((key, hit));
        }
        hits
    }

    fn expected(&self, hits: &[(&'static str, Hit)]) -> Told {
        let mut by_key: BTreeMap<&str, Vec<Hit>> = BTreeMap::new();
        for (key, hit) in hits {
            by_key.entry(key).or_default().push(hit.clone());
        }
        let mut told = Told::new();
        for (key, hits) in by_key {
            for alert in oracle::alerts(&self.rule, &hits) {
                told.insert((key.to_owned(), alert.bucket, alert.term.clone()), alert);
            }
        }
        told
    }

    /// Alerts by what they are about; of one id the last body counts.
    fn told(&self, alerts: &[Alert], key_of: &BTreeMap<String, String>) -> Told {
        let mut told = Told::new();
        let mut ids = BTreeMap::new();
        for alert in alerts {
            let key = key_of[alert.group["k"].as_str().expect("a key")].clone();
            let time = micros(&alert.time);
            let term = match &self.rule.kind {
                Type::NewTerms { .. } => alert.fields.get("f").and_then(|f| f.as_str().map(str::to_owned)),
                _ => None,
            };
            let bucket = time.div_euclid(self.rule.suppress);
            let about = (key, bucket, term.clone());
            assert_eq!(ids.entry(about.clone()).or_insert_with(|| alert.alert_id.clone()), &alert.alert_id);
            assert!(alert.events.len() <= 20 && alert.kind == AlertKind::Correlation);
            let alert = OracleAlert {
                bucket,
                term,
                time,
                first_seen: micros(&alert.first_seen),
                last_seen: micros(&alert.last_seen),
                count: alert.count,
                continues: alert.continues.is_some(),
            };
            told.insert(about, alert);
        }
        told
    }
}

/// What an alert is about, and what it says.
type Told = BTreeMap<(String, i64, Option<String>), OracleAlert>;

fn micros(time: &str) -> i64 {
    chrono_micros(time)
}

/// The inverse of [`alert::show_time`], by search in whole seconds.
fn chrono_micros(time: &str) -> i64 {
    let (date, fraction) = match time.trim_end_matches('Z').split_once('.') {
        Some((date, fraction)) => (date, format!("{fraction:0<6}").parse::<i64>().expect("digits")),
        None => (time.trim_end_matches('Z'), 0),
    };
    let number = |range: std::ops::Range<usize>| date[range].parse::<i64>().expect("digits");
    let (y, m, d) = (number(0..4), number(5..7), number(8..10));
    // days from civil, Howard Hinnant's algorithm
    let y = if m <= 2 { y - 1 } else { y };
    let era = y.div_euclid(400);
    let yoe = y - era * 400;
    let doy = (153 * (m + if m > 2 { -3 } else { 9 }) + 2) / 5 + d - 1;
    let doe = yoe * 365 + yoe / 4 - yoe / 100 + doy;
    let days = era * 146_097 + doe - 719_468;
    let seconds = days * 86_400 + number(11..13) * 3_600 + number(14..16) * 60 + number(17..19);
    let micros = seconds * SECOND + fraction;
    assert_eq!(alert::show_time(micros), time);
    micros
}

fn keys() -> BTreeMap<String, String> {
    [("x", "[\"x\"]"), ("y", "[\"y\"]")].iter().map(|(k, t)| (k.to_string(), t.to_string())).collect()
}

/// The hit as it arrives.
fn with_occurrence<R>(key: &str, hit: &Hit, then: impl FnOnce(&Occurrence<'_>) -> R) -> R {
    with_occurrence_of(0, key, hit, then)
}

/// The hit as it arrives at a correlation of that number.
fn with_occurrence_of<R>(
    correlation: usize,
    key: &str,
    hit: &Hit,
    then: impl FnOnce(&Occurrence<'_>) -> R,
) -> R {
    let source: Arc<str> = "s".into();
    let origin = Origin { base: OriginBase::File { path: "f".into() }, line: Some(hit.id + 1), record: None };
    let event_id = format!("00000000-0000-0000-0000-{:012x}", hit.id);
    let value = match &hit.value {
        OracleValue::None => Value::None,
        OracleValue::Text(text) => Value::Text(text),
        OracleValue::Number(number) => Value::Number(i128::from(*number) * 1_000_000_000),
        OracleValue::Point(latitude, longitude) => {
            Value::Place((latitude * 1e6) as i32, (longitude * 1e6) as i32)
        }
    };
    then(&Occurrence {
        correlation,
        members: hit.members,
        time: hit.time,
        key,
        value,
        event_id: &event_id,
        source: &source,
        origin: &origin,
        carried: None,
    })
}

fn run_finite(subject: &Subject, hits: &[(&'static str, Hit)], memory: usize) -> Vec<Alert> {
    let mut finite = Finite::new(&subject.plans, "", memory, Box::new(MemorySpill::default()));
    for (key, hit) in hits {
        with_occurrence(key, hit, |occurrence| finite.take(occurrence)).expect("memory takes all");
    }
    finite.finish().expect("memory gives all")
}

/// Every type in turn; each rule with several sets of hits.
fn for_each_case(salt: u64, mut check: impl FnMut(&str, &Subject, &[(&'static str, Hit)], &mut Chance, u64)) {
    for (number, kind) in TYPES.iter().enumerate() {
        for rule in 0..CASES / 25 {
            let seed = salt ^ (number as u64) << 48 ^ (rule as u64) << 8;
            let mut chance = Chance(seed);
            let subject = subject(kind, &mut chance);
            for _ in 0..25 {
                let hits = subject.hits(kind, &mut chance);
                check(kind, &subject, &hits, &mut chance, seed);
            }
        }
    }
}

#[test]
fn finite_input_in_any_order_gives_what_the_oracle_says() {
    let mut alerts_of: BTreeMap<String, usize> = BTreeMap::new();
    for_each_case(0x0f17, |kind, subject, hits, chance, seed| {
        let expected = subject.expected(hits);
        let mut shuffled = hits.to_vec();
        chance.shuffle(&mut shuffled);
        let memory = chance.pick(&[1 << 30, 1_000]);
        let alerts = run_finite(subject, &shuffled, memory);
        assert_eq!(
            subject.told(&alerts, &keys()),
            expected,
            "{kind}, seed {seed:#x}: {hits:#?} {:?}",
            subject.rule
        );
        *alerts_of.entry(kind.to_owned()).or_default() += alerts.len();
    });
    // a test of rules that never match would show nothing
    assert!(TYPES.iter().all(|kind| alerts_of[*kind] > CASES / 20), "{alerts_of:?}");
}

#[test]
fn a_stream_in_any_order_with_restarts_gives_what_the_oracle_says_of_all_that_was_in_time() {
    let mut late_hits = 0;
    for_each_case(0x11fe, |kind, subject, hits, chance, seed| {
        let mut arriving = hits.to_vec();
        chance.shuffle(&mut arriving);
        let mut live = Live::new(&subject.plans, "", LiveLimits::default());
        let (mut alerts, mut in_time): (Vec<Alert>, Vec<(&'static str, Hit)>) = (Vec::new(), Vec::new());
        for (at, (key, hit)) in arriving.iter().enumerate() {
            if hit.time > live.watermark() {
                in_time.push((key, hit.clone()));
            } else {
                late_hits += 1;
            }
            with_occurrence(key, hit, |occurrence| live.take(occurrence));
            if chance.one_in(3) {
                alerts.extend(live.commit());
            }
            if chance.one_in(4) {
                // mostly just behind what is still to come, at times beyond it
                let least = arriving[at + 1..].iter().map(|(_, hit)| hit.time).min();
                let beyond = if chance.one_in(4) { chance.below(10) as i64 * SECOND } else { -1 };
                alerts.extend(live.commit());
                alerts.extend(live.advance(least.unwrap_or(hit.time).saturating_add(beyond)));
            }
            if chance.one_in(8) {
                let snapshot = live.snapshot().expect("a snapshot");
                live = Live::new(&subject.plans, "", LiveLimits::default());
                assert_eq!(live.restore(&snapshot).expect("a snapshot that opens"), Vec::<String>::new());
                assert_eq!(live.snapshot().expect("a snapshot"), snapshot, "the same state, the same bytes");
            }
        }
        alerts.extend(live.commit());
        let expected = subject.expected(&in_time);
        let about = |alerts: &[Alert]| -> BTreeSet<_> { subject.told(alerts, &keys()).into_keys().collect() };
        if subject.plans[0].is_eager() {
            let all: BTreeSet<_> = expected.keys().cloned().collect();
            assert_eq!(about(&alerts), all, "eager {kind}, seed {seed:#x}: {arriving:#?} {:?}", subject.rule);
        }
        alerts.extend(live.finish());
        let told = subject.told(&alerts, &keys());
        assert_eq!(told, expected, "{kind}, seed {seed:#x}: {arriving:#?} {:?}", subject.rule);
        // an alert goes out once, and once more where its final body says something else
        let mut revisions: BTreeMap<&str, Vec<u32>> = BTreeMap::new();
        alerts.iter().for_each(|alert| revisions.entry(&alert.alert_id).or_default().push(alert.revision));
        assert!(
            revisions.values().all(|all| all.as_slice() == [0] || all.as_slice() == [0, 1]),
            "{revisions:?}"
        );
        assert_eq!(live.groups(), 0, "all is forgotten at the end");
    });
    assert!(late_hits > CASES, "{late_hits} late hits");
}

#[test]
fn finite_and_live_say_the_same_word_for_word() {
    for_each_case(0x5a3e, |kind, subject, hits, chance, seed| {
        let mut arriving = hits.to_vec();
        chance.shuffle(&mut arriving);
        let mut live = Live::new(&subject.plans, "", LiveLimits::default());
        for (key, hit) in &arriving {
            with_occurrence(key, hit, |occurrence| live.take(occurrence));
        }
        let mut last: BTreeMap<String, Alert> = BTreeMap::new();
        for alert in live.finish() {
            last.insert(alert.alert_id.clone(), Alert { revision: 0, ..alert });
        }
        let finite: BTreeMap<String, Alert> = run_finite(subject, hits, 1 << 30)
            .into_iter()
            .map(|alert| (alert.alert_id.clone(), alert))
            .collect();
        assert_eq!(last, finite, "{kind}, seed {seed:#x}");
    });
}

/// A correlation over another and over a rule, as the engine reads it; and the two rules of the oracle.
fn chain(chance: &mut Chance) -> (Subject, Rule) {
    let inner_seconds = chance.pick(&[1, 2, 5, 10]);
    let inner_criteria = rising(chance, 4);
    let (inner_kind, inner_text, members) = match chance.one_in(2) {
        true => {
            (Type::TemporalOrdered { members: 2 }, "type: temporal_ordered, rules: [r0, r2]".to_owned(), 3)
        }
        false => {
            let text =
                format!("type: event_count, rules: [r0], condition: {{{}}}", criteria_text(&inner_criteria));
            (Type::EventCount(inner_criteria), text, 2)
        }
    };
    let (inner_suppress, suppress) = (chance.pick(&[1, 5, 30]), chance.pick(&[3, 10, 60]));
    let seconds = chance.pick(&[2, 5, 20]);
    let (word, kind, condition) = match chance.below(4) {
        0 => ("temporal_ordered", Type::TemporalOrdered { members: 2 }, String::new()),
        1 => {
            let not = Expr::Not(Box::new(Expr::Member(1)));
            let expr = Expr::And(vec![Expr::Member(0), not]);
            ("temporal", Type::TemporalExpr(expr), ", condition: inner and not r1".to_owned())
        }
        2 => {
            let criteria = rising(chance, 4);
            let text = format!(", condition: {{{}}}", criteria_text(&criteria));
            // different alerts of the inner one, and different events of the rule
            ("event_count", Type::ValueCount(criteria), text)
        }
        _ => {
            let criteria = any_criteria(chance, 0, 4);
            let text = format!(", condition: {{{}}}", criteria_text(&criteria));
            ("event_count", Type::ValueCount(criteria), text)
        }
    };
    let text = format!(
        "title: r0\nname: r0\nlogsource: {{product: p}}\ndetection: {{s: {{a: 1}}, condition: s}}\n---\n\
         title: r1\nname: r1\nlogsource: {{product: p}}\ndetection: {{s: {{a: 1}}, condition: s}}\n---\n\
         title: r2\nname: r2\nlogsource: {{product: p}}\ndetection: {{s: {{a: 1}}, condition: s}}\n---\n\
         title: inner\nname: inner\nsuppress: {{for: {inner_suppress}s}}\n\
         correlation: {{{inner_text}, group-by: k, timespan: {inner_seconds}s}}\n---\n\
         title: outer\nname: outer\nsuppress: {{for: {suppress}s}}\n\
         correlation: {{type: {word}, rules: [inner, r1], group-by: k, timespan: {seconds}s{condition}}}\n",
    );
    let set =
        RuleSet::load([Arc::new(SourceFile { name: "t.yml".into(), text: text.clone() })], &Lists::new());
    assert_eq!(set.correlations.len(), 2, "{text}\n{:?}", set.diagnostics);
    let inner =
        Rule { kind: inner_kind, timespan: inner_seconds * SECOND, suppress: inner_suppress * SECOND };
    let rule = Rule { kind, timespan: seconds * SECOND, suppress: suppress * SECOND };
    (Subject { plans: plan(&set.correlations), rule, members }, inner)
}

/// What the oracle says of a chain: the matches of the inner one are hits of the outer one.
fn expected_of_chain(subject: &Subject, inner: &Rule, hits: &[(&'static str, Hit)]) -> Told {
    let mut outer_hits: Vec<(&'static str, Hit)> = Vec::new();
    for key in ["[\"x\"]", "[\"y\"]"] {
        let of = |member: u64| -> Vec<Hit> {
            hits.iter()
                .filter(|(k, hit)| *k == key && hit.members == member)
                .map(|(_, hit)| hit.clone())
                .collect()
        };
        let second_step = of(4).into_iter().map(|hit| Hit { members: 2, ..hit });
        let steps: Vec<Hit> = of(1).into_iter().chain(second_step).collect();
        for (number, (time, _)) in oracle::instants(inner, &steps).into_iter().enumerate() {
            let bucket = OracleValue::Text(format!("alert {}", time.div_euclid(inner.suppress)));
            outer_hits.push((key, Hit { time, id: 1_000_000 + number as u64, members: 1, value: bucket }));
        }
        let own =
            of(2).into_iter().map(|hit| Hit { value: OracleValue::Text(format!("event {}", hit.id)), ..hit });
        outer_hits.extend(own.map(|hit| (key, hit)));
    }
    subject.expected(&outer_hits)
}

#[test]
fn a_chain_gives_what_the_oracle_says_over_finite_input_and_over_a_stream() {
    let mut found = 0;
    for seed in 0..CASES as u64 / 10 {
        let mut chance = Chance(0xc4a1 ^ seed << 16);
        let (subject, inner) = chain(&mut chance);
        for _ in 0..10 {
            let mut hits = subject.hits("event_count", &mut chance);
            // one event matches one rule here, each a correlation of its own
            let mut seen = BTreeSet::new();
            hits.retain(|(key, hit)| seen.insert((*key, hit.id)));
            let twice = hits.clone();
            hits.extend(twice.into_iter().filter(|_| chance.one_in(5)));
            chance.shuffle(&mut hits);
            let number = |hit: &Hit| usize::from(hit.members == 2);
            // of the inner one
            let arriving =
                |hit: &Hit| Hit { members: if hit.members == 4 { 2 } else { hit.members }, ..hit.clone() };
            // what an outer count looks at: the event itself
            for (_, hit) in &mut hits {
                hit.value = OracleValue::Text(format!("event {}", hit.id));
            }
            let mut finite = Finite::new(
                &subject.plans,
                "",
                chance.pick(&[1 << 30, 1_000]),
                Box::new(MemorySpill::default()),
            );
            let mut live = Live::new(&subject.plans, "", LiveLimits::default());
            let (mut told, mut in_time) = (Vec::new(), Vec::new());
            for (at, (key, hit)) in hits.iter().enumerate() {
                let arrives = arriving(hit);
                with_occurrence_of(number(hit), key, &arrives, |o| finite.take(o)).expect("memory takes all");
                if hit.time > live.watermark() {
                    in_time.push((*key, hit.clone()));
                }
                with_occurrence_of(number(hit), key, &arrives, |o| live.take(o));
                if chance.one_in(3) {
                    told.extend(live.commit());
                }
                if chance.one_in(4) {
                    let least = hits[at + 1..].iter().map(|(_, hit)| hit.time).min();
                    let beyond = if chance.one_in(4) { chance.below(10) as i64 * SECOND } else { -1 };
                    told.extend(live.commit());
                    told.extend(live.advance(least.unwrap_or(hit.time).saturating_add(beyond)));
                }
                if chance.one_in(8) {
                    let snapshot = live.snapshot().expect("a snapshot");
                    live = Live::new(&subject.plans, "", LiveLimits::default());
                    live.restore(&snapshot).expect("a snapshot that opens");
                }
            }
            told.extend(live.finish());
            let mut whole = finite.finish().expect("memory gives all");
            whole.retain(|alert| alert.rule.title == "outer");
            told.retain(|alert| alert.rule.title == "outer");
            found += whole.len();
            let expected = expected_of_chain(&subject, &inner, &hits);
            assert_eq!(
                subject.told(&whole, &keys()),
                expected,
                "seed {seed}: {hits:#?} {:?} {inner:?}",
                subject.rule
            );
            let expected = expected_of_chain(&subject, &inner, &in_time);
            assert_eq!(
                subject.told(&told, &keys()),
                expected,
                "stream, seed {seed}: {hits:#?} {:?} {inner:?}",
                subject.rule
            );
        }
    }
    assert!(found > CASES / 10, "{found} alerts");
}
