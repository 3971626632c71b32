//! Fields that lack, values that are none or several, times at the ends of the calendar.

use super::*;

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
