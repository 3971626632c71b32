//! What is kept, for how long and how much of it; and what is told where it has to be forgotten.

use super::*;

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

/// Numbers of what hits mean are given again once nobody has them: a match still carries what its own events do.
#[test]
fn what_is_forgotten_with_some_events_is_not_taken_from_others() {
    for inner in [
        "type: event_count, rules: [fail], group-by: [user], timespan: 20s, condition: {gte: 3}",
        "type: value_count, rules: [fail], group-by: [user], timespan: 20s, condition: {field: host, gte: 3}",
        "type: new_terms, rules: [fail], group-by: [user], field: zone, history: 30d, warmup: {min_events: 3}",
        "type: temporal, rules: [fail, ok], group-by: [user], timespan: 20s",
        "type: temporal_ordered, rules: [fail, ok], group-by: [user], timespan: 20s",
    ] {
        let outer =
            "type: event_count, rules: [i], group-by: [host, zone], timespan: 1m, condition: {gte: 1}";
        let set = rules(&[&correlation("i", inner), &correlation("o", outer)]);
        // every event has a host of its own; every seventh second two users do the same at once
        let mut events: Vec<Event> = (0..6_000)
            .map(|number| {
                let rule = if number % 5 == 4 { "ok" } else { "fail" };
                let mut event = event(rule, &format!("u{}", number % 7), &format!("h{number}"), number / 2);
                event.fields.push(("zone", format!("z{}", number / 3)));
                event
            })
            .collect();
        let said = |alerts: Vec<Alert>| -> std::collections::BTreeSet<(String, String, Vec<String>)> {
            let final_ones: BTreeMap<String, Alert> =
                alerts.into_iter().map(|alert| (alert.alert_id.clone(), alert)).collect();
            let outer = final_ones.into_values().filter(|alert| alert.rule.title == "o");
            let of = |alert: Alert| {
                // an id tells the place in its batch too
                let record =
                    |event: &Evidence| event.event_id.split_once('{').unwrap_or_default().1.to_owned();
                let mut events: Vec<String> = alert.events.iter().map(record).collect();
                events.sort_unstable();
                (alert.alert_id, serde_json::Value::Object(alert.group).to_string(), events)
            };
            outer.map(of).collect()
        };
        let (whole, _) = finite(&set, &events);
        // out of order within a few seconds, and some twice
        events.chunks_mut(9).for_each(<[Event]>::reverse);
        let mut engine = engine(&set);
        let mut live = Live::new(engine.correlations(), "", LiveLimits::default());
        let mut dropped = vec![Dropped::default(); engine.correlations().len()];
        let (mut told, mut hits) = (Vec::new(), Vec::new());
        for part in events.chunks(90) {
            let batch = batch(&engine, part);
            hits.clear();
            engine.scan(&batch, &mut hits);
            for _ in 0..2 {
                engine.occurrences(&batch, &hits, Times::AsWritten, &mut dropped, &mut |one| live.take(&one));
                told.extend(live.commit());
            }
            let latest = part.iter().map(|event| event.time).max().unwrap_or_default();
            told.extend(live.advance(latest - 10 * SECOND));
        }
        told.extend(live.finish());
        let (whole, told) = (said(whole), said(told));
        assert!(whole.len() > 1_000, "{inner}: {}", whole.len());
        let apart: Vec<_> = whole.symmetric_difference(&told).take(3).collect();
        assert!(apart.is_empty(), "{inner}: {apart:?}");
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
    // a hit itself takes 40 bytes in lists that are nearly full, and nothing is held besides
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
