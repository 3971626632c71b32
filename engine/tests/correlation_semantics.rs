//! Correlations by example: what other tools get wrong, chains, memory, bad input.

use std::collections::BTreeMap;
use std::sync::Arc;

use virga_engine::alert::{Alert, AlertKind};
use virga_engine::correlate::{
    Carried, Dropped, Finite, Live, LiveLimits, MemorySpill, Occurrence, Times, Value, Watermarks, clamped,
    plan,
};
use virga_engine::diagnostic::{Severity, SourceFile};
use virga_engine::event::{BatchBuilder, EventBatch, EventId, Origin, OriginBase, RowIdentity, SourceSpec};
use virga_engine::json::{Cells, Projector};
use virga_engine::plan::Lists;
use virga_engine::{Engine, RuleSet};

const SECOND: i64 = 1_000_000;
const MINUTE: i64 = 60 * SECOND;

/// Rules `fail`, `ok` and `other`, and a correlation.
fn rules(correlations: &[&str]) -> RuleSet {
    let mut documents: Vec<String> = ["fail", "ok", "other"]
        .iter()
        .map(|name| {
            format!("title: {name}\nname: {name}\nlevel: low\nlogsource: {{product: p}}\ndetection: {{s: {{do: {name}}}, condition: s}}\n")
        })
        .collect();
    documents.extend(correlations.iter().map(|text| (*text).to_owned()));
    let text = documents.join("---\n");
    let set = RuleSet::load([Arc::new(SourceFile { name: "t.yml".into(), text })], &Lists::new());
    let errors: Vec<_> = set.diagnostics.iter().filter(|d| d.severity == Severity::Error).collect();
    assert!(errors.is_empty(), "{errors:?}");
    set
}

fn correlation(name: &str, body: &str) -> String {
    format!("title: {name}\nname: {name}\nlevel: high\ngenerate: true\ncorrelation: {{{body}}}\n")
}

/// An event: which rule it matches, its user and host, its time in seconds.
#[derive(Debug, Clone)]
struct Event {
    rule: &'static str,
    fields: Vec<(&'static str, String)>,
    time: i64,
}

fn event(rule: &'static str, user: &str, host: &str, second: i64) -> Event {
    Event { rule, fields: vec![("user", user.into()), ("host", host.into())], time: second * SECOND }
}

fn engine(set: &RuleSet) -> Engine {
    let spec = SourceSpec {
        name: "test".into(),
        logsources: Vec::new(),
        all_logsources: true,
        aliases: Vec::new(),
        computed: Vec::new(),
        columns: Vec::new(),
    };
    Engine::new(set, &[spec])
}

fn batch(engine: &Engine, events: &[Event]) -> EventBatch {
    let projection = engine.projection("test").expect("the source");
    let paths: Vec<Vec<String>> = projection.fields.iter().map(|field| field.paths.clone()).collect();
    let projector = Projector::new(&paths);
    let (mut cells, mut builder) = (Cells::default(), BatchBuilder::new("test".into(), projection));
    let base = OriginBase::File { path: "t.ndjson".into() };
    for (number, event) in events.iter().enumerate() {
        let fields: Vec<String> =
            event.fields.iter().map(|(name, value)| format!(",{name:?}:{}", json(value))).collect();
        let raw = format!("{{\"do\":{:?}{}}}", event.rule, fields.concat());
        projector.project(&raw, &mut cells).expect("an event");
        for field in 0..paths.len() {
            if cells.text(field, &raw).is_some() {
                builder.field_texts(field, cells.texts(field, &raw));
            }
        }
        let id = format!("{}-{}-{raw}", event.time, number);
        let identity = RowIdentity {
            event_id: EventId::Natural(&id),
            time: event.time,
            ingest_time: 1_000_000 * MINUTE,
            time_missing: false,
            base: &base,
            line: Some(number as u64 + 1),
            record: None,
        };
        builder.finish_row(&identity, &raw);
    }
    builder.finish()
}

/// A text, or what is JSON already.
fn json(value: &str) -> String {
    match value.starts_with(['[', '{', '"']) || value == "null" || value.parse::<f64>().is_ok() {
        true => value.to_owned(),
        false => format!("{value:?}"),
    }
}

/// Alerts over finite input, and what was dropped, by the correlations' names.
fn finite(set: &RuleSet, events: &[Event]) -> (Vec<Alert>, BTreeMap<String, Dropped>) {
    let mut engine = engine(set);
    let batch = batch(&engine, events);
    let mut hits = Vec::new();
    engine.scan(&batch, &mut hits);
    let mut dropped = vec![Dropped::default(); engine.correlations().len()];
    let mut finite = Finite::new(engine.correlations(), "", 1 << 20, Box::new(MemorySpill::default()));
    engine.occurrences(&batch, &hits, Times::AsWritten, &mut dropped, &mut |occurrence| {
        finite.take(&occurrence).expect("memory takes all");
    });
    finite.count_dropped(&dropped);
    let alerts = finite.finish().expect("memory gives all");
    let names = engine.correlations().iter().map(|plan| plan.correlation.title.clone());
    (alerts, names.zip(finite.counts().iter().map(|counts| counts.dropped)).collect())
}

/// Alerts over finite input and over a stream in the order given; of the stream all that went out.
fn both(set: &RuleSet, events: &[Event]) -> (Vec<Alert>, Vec<Alert>) {
    let (whole, _) = finite(set, events);
    let mut engine = engine(set);
    let mut live = Live::new(engine.correlations(), "", LiveLimits::default());
    let mut dropped = vec![Dropped::default(); engine.correlations().len()];
    let mut told = Vec::new();
    let all = batch(&engine, events);
    let mut hits = Vec::new();
    engine.scan(&all, &mut hits);
    for hit in hits {
        engine.occurrences(&all, &[hit], Times::AsWritten, &mut dropped, &mut |one| live.take(&one));
        told.extend(live.commit());
    }
    told.extend(live.finish());
    (whole, told)
}

fn titles(alerts: &[Alert]) -> Vec<&str> {
    alerts.iter().map(|alert| alert.rule.title.as_str()).collect()
}

// ---- what a peer gets wrong ------------------------------------------------------------------------------

#[test]
fn three_events_of_which_two_are_within_a_minute_are_not_three_within_a_minute() {
    let set = rules(&[&correlation(
        "c",
        "type: event_count, rules: [fail], group-by: [user], timespan: 60s, condition: {gte: 3}",
    )]);
    let events = [event("fail", "a", "h", 600), event("fail", "a", "h", 0), event("fail", "a", "h", 601)];
    let (whole, told) = both(&set, &events);
    assert!(whole.is_empty() && told.is_empty(), "{told:?}");
}

#[test]
fn an_event_that_claims_to_be_of_2099_makes_no_other_late() {
    let set = rules(&[&correlation(
        "c",
        "type: event_count, rules: [fail], group-by: [user], timespan: 60s, condition: {gte: 3}",
    )]);
    let future = 4_070_908_800;
    let events: Vec<Event> =
        [0, 10, future, 20].iter().map(|second| event("fail", "a", "h", *second)).collect();
    let (whole, told) = both(&set, &events);
    assert_eq!((titles(&whole), titles(&told)), (vec!["c"], vec!["c"]));
    // with a watermark that follows the stream: the arrivals of the first and last are a minute apart
    let mut engine = engine(&set);
    let mut live = Live::new(engine.correlations(), "", LiveLimits::default());
    let mut marks = Watermarks::default();
    marks.open(0, MINUTE);
    let mut told = Vec::new();
    for (at, second) in [0, 10, future, 20].iter().enumerate() {
        let arrived = at as i64 * 20 * SECOND;
        let (time, _) = clamped(second * SECOND, arrived);
        marks.see(0, time, arrived);
        let all = batch(&engine, &[Event { time, ..event("fail", "a", "h", *second) }]);
        let mut hits = Vec::new();
        engine.scan(&all, &mut hits);
        engine.occurrences(&all, &hits, Times::AsWritten, &mut [Dropped::default()], &mut |one| {
            live.take(&one)
        });
        told.extend(live.commit());
        told.extend(live.advance(marks.now().expect("one partition")));
    }
    assert_eq!((titles(&told), live.counts()[0].late), (vec!["c"], 0));
}

#[test]
fn what_stays_away_is_known_only_when_the_window_has_passed() {
    let set = rules(&[&correlation(
        "c",
        "type: temporal, rules: [fail, ok], group-by: [user], timespan: 60s, condition: fail and not ok",
    )]);
    let (whole, told) = both(&set, &[event("fail", "a", "h", 0), event("ok", "a", "h", 20)]);
    assert!(whole.is_empty() && told.is_empty());
    let (whole, told) = both(&set, &[event("fail", "a", "h", 0), event("ok", "a", "h", 61)]);
    assert_eq!((titles(&whole), titles(&told)), (vec!["c"], vec!["c"]));
}

#[test]
fn an_outer_correlation_groups_by_its_own_fields_whatever_the_inner_one_groups_by() {
    let inner = correlation(
        "many",
        "type: event_count, rules: [fail], group-by: [host], timespan: 5m, condition: {gte: 3}",
    );
    let outer =
        correlation("taken", "type: temporal_ordered, rules: [many, ok], group-by: [user], timespan: 5m");
    let set = rules(&[&inner, &outer]);
    let mut events: Vec<Event> = (0..3).map(|at| event("fail", "eve", "host1", at)).collect();
    events.push(event("ok", "eve", "host2", 10));
    let (whole, told) = both(&set, &events);
    let taken = whole.iter().find(|alert| alert.rule.title == "taken").expect("the outer one fires");
    assert_eq!((taken.group["user"].as_str(), taken.count, taken.events.len()), (Some("eve"), 2, 4));
    assert!(titles(&told).contains(&"taken"));
    // another user signs in
    events[3] = event("ok", "mallory", "host1", 10);
    assert!(!titles(&finite(&set, &events).0).contains(&"taken"));
}

#[test]
fn fewer_than_three_of_four_is_not_found_on_the_way() {
    let set = rules(&[&correlation(
        "c",
        "type: event_count, rules: [fail], group-by: [user], timespan: 1h, condition: {lt: 3}",
    )]);
    let events: Vec<Event> = (0..4).map(|at| event("fail", "a", "h", at * 60)).collect();
    let (whole, told) = both(&set, &events);
    assert!(whole.is_empty() && told.is_empty());
    let (whole, told) = both(&set, &events[..2]);
    assert_eq!((titles(&whole), titles(&told)), (vec!["c"], vec!["c"]));
}

#[test]
fn a_chain_of_six_steps_costs_no_more_for_every_hit_before_it() {
    // counted in looks at hits, not in time: a group remembers at most one event for each step of each
    // chain, however many hits there were
    let steps: Vec<String> = (0..6)
        .map(|step| {
            format!("title: r{step}\nname: r{step}\nlogsource: {{product: p}}\ndetection: {{s: {{a: 1}}, condition: s}}\n---\n")
        })
        .collect();
    let text = format!(
        "{}title: c\nname: c\ncorrelation: {{type: temporal_ordered, rules: [r0, r1, r2, r3, r4, r5], group-by: k, timespan: 30d}}\n",
        steps.concat()
    );
    let set = RuleSet::load([Arc::new(SourceFile { name: "t.yml".into(), text })], &Lists::new());
    let plans = plan(&set.correlations);
    let mut live = Live::new(&plans, "", LiveLimits::default());
    let mut sizes = Vec::new();
    for at in 0..20_000_i64 {
        // every step but the last, over and over
        take(&mut live, 0, 1 << (at % 5), at * SECOND, "[\"x\"]", at as u64, Value::None);
        if at % 50 == 49 {
            assert!(live.commit().is_empty());
            live.advance(at * SECOND);
        }
        if at % 5_000 == 4_999 {
            sizes.push(live.bytes());
        }
    }
    assert!(sizes.iter().all(|size| size.abs_diff(sizes[0]) < 8_192), "{sizes:?}");
    take(&mut live, 0, 1 << 5, 20_000 * SECOND, "[\"x\"]", 20_000, Value::None);
    assert_eq!(live.commit().len(), 1);
}

#[test]
fn a_match_feeds_outer_correlations_though_its_alert_is_suppressed() {
    let inner = format!(
        "suppress: {{for: 1d}}\n{}",
        correlation(
            "many",
            "type: event_count, rules: [fail], group-by: [user], timespan: 1m, condition: {gte: 2}"
        )
    );
    let outer =
        correlation("then", "type: temporal_ordered, rules: [many, ok], group-by: [user], timespan: 2m");
    let set = rules(&[&inner, &outer]);
    // a match at once, whose alert stands for the whole day, and one half an hour later, just before `ok`
    let events = [
        event("fail", "a", "h", 0),
        event("fail", "a", "h", 1),
        event("fail", "a", "h", 1_800),
        event("fail", "a", "h", 1_801),
        event("ok", "a", "h", 1_802),
    ];
    let (whole, told) = both(&set, &events);
    assert_eq!(titles(&whole), ["many", "then"]);
    assert!(titles(&told).contains(&"then"));
}

#[test]
fn a_count_over_a_correlation_counts_its_alerts_and_not_its_matches() {
    let inner = format!(
        "suppress: {{for: 10m}}\n{}",
        correlation(
            "many",
            "type: event_count, rules: [fail], group-by: [user], timespan: 1m, condition: {gte: 2}"
        )
    );
    let outer = correlation(
        "often",
        "type: event_count, rules: [many], group-by: [user], timespan: 1h, condition: {gte: 3}",
    );
    let set = rules(&[&inner, &outer]);
    let burst = |start: i64| (0..10).map(move |at| event("fail", "a", "h", start + at));
    let one: Vec<Event> = burst(0).collect();
    assert_eq!(titles(&finite(&set, &one).0), ["many"]);
    let three: Vec<Event> = burst(0).chain(burst(700)).chain(burst(1_400)).collect();
    let (whole, told) = both(&set, &three);
    assert_eq!(titles(&whole), ["many", "many", "many", "often"]);
    assert!(titles(&told).contains(&"often"));
}

#[test]
fn a_value_count_over_a_correlation_counts_values_of_its_events() {
    let inner = correlation(
        "many",
        "type: event_count, rules: [fail], group-by: [host], timespan: 1m, condition: {gte: 2}",
    );
    let outer = correlation(
        "wide",
        "type: value_count, rules: [many], group-by: [user], timespan: 1h, condition: {field: host, gte: 3}",
    );
    let set = rules(&[&inner, &outer]);
    let on = |host: &str, at: i64| vec![event("fail", "a", host, at), event("fail", "a", host, at + 1)];
    let events: Vec<Event> = [on("h1", 0), on("h2", 100), on("h1", 200)].concat();
    assert!(!titles(&finite(&set, &events).0).contains(&"wide"));
    let events: Vec<Event> = [on("h1", 0), on("h2", 100), on("h3", 200)].concat();
    let (whole, told) = both(&set, &events);
    assert!(titles(&whole).contains(&"wide") && titles(&told).contains(&"wide"));
}

// ---- what alerts say -------------------------------------------------------------------------------------

#[test]
fn an_alert_tells_its_group_its_time_and_its_evidence() {
    let set = rules(&[&correlation(
        "c",
        "type: value_count, rules: [fail], group-by: [user], timespan: 5m, condition: {field: host, gte: 3}",
    )]);
    let events: Vec<Event> = (0..30).map(|at| event("fail", "a", &format!("h{}", at % 4), at * 10)).collect();
    let (whole, told) = both(&set, &events);
    let alert = &whole[0];
    assert_eq!((alert.kind, alert.group["user"].as_str()), (AlertKind::Correlation, Some("a")));
    assert_eq!(
        (alert.time.as_str(), alert.first_seen.as_str()),
        ("1970-01-01T00:00:20Z", "1970-01-01T00:00:00Z")
    );
    assert_eq!((alert.last_seen.as_str(), alert.count, alert.events.len()), ("1970-01-01T00:04:50Z", 30, 20));
    assert_eq!(alert.fields.get("host").as_deref(), Some(&serde_json::json!(["h0", "h1", "h2"])));
    assert_eq!(alert.events[0].origin.to_string(), "t.ndjson:1");
    assert_eq!(alert.rule.level, Some("high"));
    // the stream said it after the third event, and once more when the bucket was over
    let revisions: Vec<(u32, u64)> = told.iter().map(|alert| (alert.revision, alert.count)).collect();
    assert_eq!(revisions, [(0, 3), (1, 30)]);
    assert_eq!(told[0].alert_id, alert.alert_id);
}

#[test]
fn an_alert_continues_that_of_the_bucket_before() {
    let set = rules(&[&format!(
        "suppress: {{for: 1m}}\n{}",
        correlation(
            "c",
            "type: event_count, rules: [fail], group-by: [user], timespan: 10s, condition: {gte: 1}"
        )
    )]);
    let events: Vec<Event> = [0, 70, 200].iter().map(|second| event("fail", "a", "h", *second)).collect();
    let (whole, _) = both(&set, &events);
    let continued: Vec<Option<&str>> = whole.iter().map(|alert| alert.continues.as_deref()).collect();
    assert_eq!(continued, [None, Some(whole[0].alert_id.as_str()), None]);
}

// ---- memory ----------------------------------------------------------------------------------------------

fn take(live: &mut Live, correlation: usize, members: u64, time: i64, key: &str, id: u64, value: Value<'_>) {
    let source: Arc<str> = "s".into();
    let origin = Origin { base: OriginBase::File { path: "f".into() }, line: None, record: Some(id) };
    live.take(&Occurrence {
        correlation,
        members,
        time,
        key,
        value,
        event_id: &format!("00000000-0000-0000-0000-{id:012x}"),
        source: &source,
        origin: &origin,
        carried: None,
    });
}

#[test]
fn spraying_keys_does_not_push_out_a_group_that_is_near_and_is_told_loudly() {
    let set = rules(&[&correlation(
        "c",
        "type: event_count, rules: [fail], group-by: [user], timespan: 1h, condition: {gte: 10}",
    )]);
    let plans = plan(&set.correlations);
    let mut live = Live::new(&plans, "", LiveLimits { memory: 2 << 20, late: 10 });
    let mut told = Vec::new();
    for id in 0..9 {
        take(&mut live, 0, 1, id * SECOND, "[\"victim\"]", id as u64, Value::None);
    }
    for id in 9..60_000_u64 {
        take(&mut live, 0, 1, MINUTE + id as i64, &format!("[\"sprayed{id}\"]"), id, Value::None);
        if id % 1_000 == 0 {
            told.extend(live.commit());
            live.advance(id as i64 / 2);
        }
    }
    take(&mut live, 0, 1, 2 * MINUTE, "[\"victim\"]", 99_999, Value::None);
    told.extend(live.commit());
    let degraded: Vec<&Alert> = told.iter().filter(|alert| alert.kind == AlertKind::Degraded).collect();
    let found: Vec<&Alert> = told.iter().filter(|alert| alert.kind == AlertKind::Correlation).collect();
    assert_eq!((found.len(), found[0].group["user"].as_str()), (1, Some("victim")));
    let last = degraded.last().expect("an alert says that groups were forgotten");
    assert_eq!((last.rule.id.as_str(), last.count), ("c", live.counts()[0].forgotten));
    assert!(live.counts()[0].forgotten > 30_000 && live.bytes() < 3 << 20, "{} bytes", live.bytes());
}

#[test]
fn state_is_bounded_by_the_threshold_and_not_by_the_traffic() {
    for body in [
        "type: event_count, rules: [fail], group-by: [user], timespan: 30d, condition: {gte: 5000}",
        "type: value_count, rules: [fail], group-by: [user], timespan: 30d, condition: {field: f, gte: 50}",
        "type: temporal, rules: [fail, ok], group-by: [user], timespan: 30d",
        "type: temporal_ordered, rules: [fail, ok], group-by: [user], timespan: 30d",
        "type: value_sum, rules: [fail], group-by: [user], timespan: 30d, condition: {field: f, gte: 3000}",
        "type: event_count, rules: [fail], group-by: [user], timespan: 30d, condition: {lt: 3}",
    ] {
        let set = rules(&[&correlation("c", body)]);
        let plans = plan(&set.correlations);
        let mut live = Live::new(&plans, "", LiveLimits::default());
        let mut sizes = Vec::new();
        for id in 0..40_000_u64 {
            let value = match body.contains("value_count") {
                true => Value::Text("same"),
                false if body.contains("value_sum") => Value::Number(1_000_000_000),
                false => Value::None,
            };
            take(&mut live, 0, 1, id as i64 * SECOND, "[\"a\"]", id, value);
            if id % 50 == 49 {
                live.commit();
                live.advance(id as i64 * SECOND);
            }
            if id % 10_000 == 9_999 {
                sizes.push(live.bytes());
            }
        }
        assert!(sizes[3] <= sizes[0] + sizes[0] / 10 + 2_048, "{body}: {sizes:?}");
    }
}

/// An outer correlation asks each event for its host: what events carry is kept no longer than the events.
#[test]
fn what_events_carry_is_forgotten_with_them() {
    for inner in [
        "type: new_terms, rules: [fail], group-by: [user], field: f, history: 30d, warmup: {min_events: 3}",
        "type: value_count, rules: [fail], group-by: [user], timespan: 30d, condition: {field: f, gte: 4}",
        "type: temporal, rules: [fail, ok], group-by: [user], timespan: 30d",
    ] {
        let outer = "type: event_count, rules: [i], group-by: [host], timespan: 1h, condition: {gte: 3}";
        let set = rules(&[&correlation("i", inner), &correlation("o", outer)]);
        let plans = plan(&set.correlations);
        let mut live = Live::new(&plans, "", LiveLimits::default());
        let (source, base): (Arc<str>, _) = ("s".into(), OriginBase::File { path: "f".into() });
        let mut sizes = Vec::new();
        for id in 0..40_000_u64 {
            live.take(&Occurrence {
                correlation: 0,
                members: 1,
                time: id as i64 * SECOND,
                key: "[\"a\"]",
                value: Value::Text("same"),
                event_id: &format!("6b6e1a5c-8a1f-4f6e-9f3d-{id:012x}"),
                source: &source,
                origin: &Origin { base: base.clone(), line: None, record: Some(id) },
                carried: Some(Carried::new(&[vec![format!("host{id}")]])),
            });
            if id % 50 == 49 {
                live.commit();
                live.advance(id as i64 * SECOND);
            }
            if id % 10_000 == 9_999 {
                sizes.push(live.bytes());
            }
        }
        assert!(sizes.iter().all(|bytes| *bytes < 400_000), "{inner}: {sizes:?}");
    }
}

/// A partition that says nothing holds the watermark; what is asked to stay away matches meanwhile, with every
/// hit, and is told when it is final.
#[test]
fn matches_that_are_asked_to_stay_away_do_not_heap_up_while_the_watermark_stands() {
    let inner = "type: event_count, rules: [fail], group-by: [user], timespan: 1h, condition: {gte: 2}";
    let outer = "type: temporal, rules: [ok, i], group-by: [user], timespan: 1h, condition: ok and not i";
    let set = rules(&[&correlation("i", inner), &correlation("o", outer)]);
    let plans = plan(&set.correlations);
    let held = |hits: u64| {
        let mut live = Live::new(&plans, "", LiveLimits::default());
        for id in 0..hits {
            take(&mut live, 0, 1, id as i64, "[\"a\"]", id, Value::None);
            if id % 50 == 49 {
                live.commit();
            }
        }
        live.bytes()
    };
    // a hit itself takes 60 bytes in a tree, and nothing is held besides
    let (few, many) = (held(2_000), held(20_000));
    assert!(many < few + 18_000 * 100, "{few} bytes, then {many}");
}

/// Until the outer watermark passes them nobody knows whether they are asked for: they take memory as groups do.
#[test]
fn matches_that_are_held_back_count_where_memory_is_bounded() {
    let inner = "type: event_count, rules: [fail], group-by: [user], timespan: 10s, condition: {gte: 2}";
    // that something is missing is known an hour later, and so long the outer correlation waits
    let slow = "type: event_count, rules: [other], group-by: [user], timespan: 1h, condition: {lt: 2}";
    let outer =
        "type: temporal, rules: [ok, s, i], group-by: [user], timespan: 1h, condition: ok and s and not i";
    // fifty users, who match with every hit
    let run = |documents: &[&str], memory: usize| {
        let plans = plan(&rules(documents).correlations);
        let mut live = Live::new(&plans, "", LiveLimits { memory, ..LiveLimits::default() });
        let mut told = Vec::new();
        for id in 0..20_000_u64 {
            let time = id as i64 * SECOND / 20;
            take(&mut live, 0, 1, time, &format!("[\"user{}\"]", id % 50), id, Value::None);
            if id % 50 == 49 {
                told.extend(live.commit());
                told.extend(live.advance(time));
            }
        }
        let degraded = told.iter().filter(|alert| alert.kind == AlertKind::Degraded).count();
        (live.bytes(), degraded, live.counts()[0].forgotten)
    };
    let [inner, slow, outer] =
        [("i", inner), ("s", slow), ("o", outer)].map(|(name, body)| correlation(name, body));
    let all = [inner.as_str(), &slow, &outer];
    let memory = 1 << 20;
    assert_eq!(run(&[&inner], memory).2, 0, "groups and events have room enough");
    let (bytes, degraded, forgotten) = run(&all, usize::MAX);
    assert!(bytes > 2 * memory && (degraded, forgotten) == (0, 0), "{bytes} bytes with what is held back");
    let (bytes, degraded, forgotten) = run(&all, memory);
    assert!(degraded > 0 && forgotten > 0, "{bytes} bytes, and nothing was forgotten or told");
}

#[test]
fn late_hits_are_kept_by_themselves_and_counted() {
    let set = rules(&[&correlation(
        "c",
        "type: event_count, rules: [fail], group-by: [user], timespan: 1m, condition: {gte: 2}",
    )]);
    let plans = plan(&set.correlations);
    let mut live = Live::new(&plans, "", LiveLimits { late: 2, ..LiveLimits::default() });
    live.advance(100 * SECOND);
    for id in 0..5 {
        take(&mut live, 0, 1, 100 * SECOND - id as i64, "[\"a\"]", id, Value::None);
    }
    take(&mut live, 0, 1, 101 * SECOND, "[\"a\"]", 9, Value::None);
    take(&mut live, 0, 1, 101 * SECOND, "[\"a\"]", 9, Value::None);
    let counts = live.counts()[0];
    assert_eq!((counts.late, counts.taken, counts.repeated), (5, 1, 1));
    let late = live.take_late();
    assert_eq!((late.len(), late[0].correlation.as_str(), late[0].key.as_str()), (2, "c", "[\"a\"]"));
    assert!(live.take_late().is_empty() && live.finish().is_empty());
}

// ---- bad input -------------------------------------------------------------------------------------------

#[test]
fn what_lacks_a_field_of_the_group_is_dropped_and_counted_or_a_group_of_its_own() {
    let body = "type: event_count, rules: [fail], group-by: [user, host], timespan: 5m, condition: {gte: 2}";
    let mut events: Vec<Event> = (0..3).map(|at| event("fail", "a", "h", at)).collect();
    events.extend((3..6).map(|at| Event {
        rule: "fail",
        fields: vec![("user", "a".into())],
        time: at * SECOND,
    }));
    events.extend((6..9).map(|at| event("fail", "a", "null", at)));
    let (alerts, dropped) = finite(&rules(&[&correlation("c", body)]), &events);
    assert_eq!((alerts.len(), dropped["c"].missing_key), (1, 6));
    let set = rules(&[&correlation("c", &format!("{body}, missing: group"))]);
    let (alerts, dropped) = finite(&set, &events);
    assert_eq!((alerts.len(), dropped["c"].total()), (2, 0));
    assert_eq!(
        alerts[1].group,
        serde_json::json!({"user": "a", "host": null}).as_object().cloned().expect("an object")
    );
}

#[test]
fn a_value_that_is_no_number_is_dropped_and_counted() {
    let set = rules(&[&correlation(
        "c",
        "type: value_sum, rules: [fail], group-by: [user], timespan: 5m, condition: {field: bytes, gte: 100}",
    )]);
    let values = ["60", "\"50\"", "\"many\"", "-5", "{\"a\":1}", "null", "1e40", "[1,2]", "true"];
    let events: Vec<Event> = values
        .iter()
        .enumerate()
        .map(|(at, value)| Event {
            rule: "fail",
            fields: vec![("user", "a".into()), ("bytes", (*value).into())],
            time: at as i64 * SECOND,
        })
        .collect();
    let (alerts, dropped) = finite(&set, &events);
    // the numbers of a list are one number, what the event has moved
    assert_eq!((alerts.len(), alerts[0].last_seen.as_str()), (1, "1970-01-01T00:00:07Z"));
    assert_eq!((dropped["c"].missing_value, dropped["c"].bad_value), (1, 5));
    assert_eq!(
        (alerts[0].count, alerts[0].fields.get("value_sum").as_deref()),
        (3, Some(&serde_json::json!(110)))
    );
}

#[test]
fn an_event_with_several_values_belongs_to_several_groups_and_counts_several_values() {
    let set = rules(&[&correlation(
        "c",
        "type: value_count, rules: [fail], group-by: [user], timespan: 5m, condition: {field: items, gte: 3}",
    )]);
    let events = [Event {
        rule: "fail",
        fields: vec![("user", "[\"a\",\"b\"]".into()), ("items", "[1,2,3,3]".into())],
        time: 0,
    }];
    let (alerts, _) = finite(&set, &events);
    let groups: Vec<_> = alerts.iter().map(|alert| (alert.group["user"].as_str(), alert.count)).collect();
    assert_eq!(groups, [(Some("a"), 1), (Some("b"), 1)]);
}

#[test]
fn times_at_the_ends_of_the_calendar_do_no_harm() {
    for body in [
        "type: event_count, rules: [fail], group-by: [user], timespan: 400d, condition: {gte: 2}",
        "type: event_count, rules: [fail], group-by: [user], timespan: 400d, condition: {lt: 9}",
        "type: temporal, rules: [fail, ok], group-by: [user], timespan: 400d, condition: fail and not ok",
        "type: temporal_ordered, rules: [fail, ok], group-by: [user], timespan: 400d",
        "type: new_terms, rules: [fail], group-by: [user], field: host, history: 400d, warmup: {min_events: 1}",
        "type: rate_baseline, rules: [fail], group-by: [user], bucket: 1s, history: 400d, warmup: {min_buckets: 1}, condition: {min_value: 1}",
    ] {
        let set = rules(&[&correlation("c", body)]);
        let mut events: Vec<Event> = Vec::new();
        for time in [i64::MIN, i64::MIN + 1, -1, 0, 1, i64::MAX - 1, i64::MAX] {
            events.push(Event { time, ..event("fail", "a", "h", 0) });
            events.push(Event { time, ..event("ok", "a", "i", 0) });
        }
        let _ = both(&set, &events);
    }
}

// ---- what a reading of the code has found ------------------------------------------------------------------

#[test]
fn an_alert_that_is_over_does_not_go_out_again() {
    let set = rules(&[&format!(
        "suppress: {{for: 1m}}\n{}",
        correlation(
            "c",
            "type: event_count, rules: [fail], group-by: [user], timespan: 10s, condition: {gte: 3}"
        )
    )]);
    let plans = plan(&set.correlations);
    let mut live = Live::new(&plans, "", LiveLimits::default());
    let mut told: Vec<(String, u32)> = Vec::new();
    let mut hear = |alerts: Vec<Alert>| told.extend(alerts.into_iter().map(|a| (a.alert_id, a.revision)));
    for id in 0..70_u64 {
        take(&mut live, 0, 1, id as i64 * SECOND / 2, "[\"a\"]", id, Value::None);
    }
    take(&mut live, 0, 1, 100 * SECOND, "[\"a\"]", 100, Value::None);
    hear(live.commit());
    hear(live.advance(80 * SECOND));
    for id in 101..103 {
        take(&mut live, 0, 1, id as i64 * SECOND, "[\"a\"]", id, Value::None);
    }
    hear(live.commit());
    hear(live.finish());
    let mut once = told.clone();
    once.sort();
    once.dedup();
    assert_eq!(once.len(), told.len(), "{told:?}");
    assert_eq!(told.iter().filter(|(_, revision)| *revision == 0).count(), 2, "{told:?}");
}

#[test]
fn a_match_of_an_inner_correlation_is_not_lost_for_a_long_silence_after_it() {
    let inner = correlation(
        "many",
        "type: event_count, rules: [fail], group-by: [host], timespan: 1m, condition: {lt: 100000}",
    );
    let outer =
        correlation("taken", "type: temporal_ordered, rules: [many, ok], group-by: [user], timespan: 1h");
    let set = rules(&[&inner, &outer]);
    let mut events: Vec<Event> = (0..1_500).map(|at| event("fail", "eve", "h", at / 750)).collect();
    events.push(event("ok", "eve", "i", 1_200));
    events.push(event("fail", "eve", "h", 10 * 86_400));
    let (whole, told) = both(&set, &events);
    assert!(titles(&whole).contains(&"taken") && titles(&told).contains(&"taken"));
}

#[test]
fn each_event_of_a_match_says_which_outer_groups_it_belongs_to() {
    let chain = [
        correlation(
            "many",
            "type: event_count, rules: [fail], group-by: [region], timespan: 5m, condition: {gte: 2}",
        ),
        correlation("mid", "type: temporal, rules: [many, other], group-by: [user], timespan: 5m"),
        correlation("top", "type: temporal_ordered, rules: [mid, ok], group-by: [host], timespan: 5m"),
    ];
    let set = rules(&chain.iter().map(String::as_str).collect::<Vec<_>>());
    let at = |rule: &'static str, user: &str, host: &str, second: i64| {
        let mut event = event(rule, user, host, second);
        event.fields.push(("region", "r".to_owned()));
        event
    };
    // the two failures are of users a and b, or both of a, on two hosts; a does something else; then a sign-in
    for (second, host, expected) in [
        ("b", "h1", true),
        ("b", "h2", false),
        ("b", "h3", true),
        ("a", "h1", true),
        ("a", "h2", true),
        ("a", "h4", false),
    ] {
        let events = [
            at("fail", "a", "h1", 0),
            at("fail", second, "h2", 1),
            at("other", "a", "h3", 2),
            at("ok", "x", host, 3),
        ];
        let (whole, told) = both(&set, &events);
        let found = (titles(&whole).contains(&"top"), titles(&told).contains(&"top"));
        assert_eq!(found, (expected, expected), "{second} {host}");
    }
}

#[test]
fn forgetting_frees_the_texts_of_events_too() {
    let set = rules(&[&correlation(
        "c",
        "type: event_count, rules: [fail], group-by: [user], timespan: 1h, condition: {gte: 10}",
    )]);
    let plans = plan(&set.correlations);
    // a partition that says nothing holds the watermark
    let mut live = Live::new(&plans, "", LiveLimits { memory: 4 << 20, late: 0 });
    let source: Arc<str> = "s".into();
    for id in 0..60_000_u64 {
        let origin = Origin { base: OriginBase::File { path: "f".into() }, line: None, record: Some(id) };
        live.take(&Occurrence {
            correlation: 0,
            members: 1,
            time: id as i64,
            key: &format!("[\"{id}\"]"),
            value: Value::None,
            event_id: &format!("projects/p/logs/activity|2026-03-02T09:00:00Z|{id}"),
            source: &source,
            origin: &origin,
            carried: None,
        });
        if id % 1_000 == 999 {
            live.commit();
        }
    }
    assert!(
        live.bytes() < 8 << 20 && live.groups() > 1_000,
        "{} bytes, {} groups",
        live.bytes(),
        live.groups()
    );
}

#[test]
fn ten_thousand_values_and_terms_of_one_second_are_looked_at_once() {
    for (body, alerts) in [
        (
            "type: value_count, rules: [fail], group-by: [user], timespan: 1h, condition: {field: f, gte: 3}",
            1,
        ),
        (
            "type: new_terms, rules: [fail], group-by: [user], field: f, history: 1h, warmup: {min_events: 1}",
            10_000,
        ),
    ] {
        let set = rules(&[&correlation("c", body)]);
        let plans = plan(&set.correlations);
        let mut finite = Finite::new(&plans, "", 1 << 30, Box::new(MemorySpill::default()));
        let (source, origin): (Arc<str>, _) =
            ("s".into(), Origin { base: OriginBase::File { path: "f".into() }, line: None, record: None });
        for id in 0..=10_000_u64 {
            finite
                .take(&Occurrence {
                    correlation: 0,
                    members: 1,
                    time: i64::from(id > 0) * SECOND,
                    key: "[\"a\"]",
                    value: Value::Text(&format!("value {id}")),
                    event_id: &format!("00000000-0000-0000-0000-{id:012x}"),
                    source: &source,
                    origin: &origin,
                    carried: None,
                })
                .expect("memory takes all");
        }
        assert_eq!(finite.finish().expect("memory gives all").len(), alerts, "{body}");
    }
}
