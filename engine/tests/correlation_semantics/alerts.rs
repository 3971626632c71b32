//! What an alert of a correlation says, and when it goes out: group, time, evidence, the bucket before, once.

use super::*;

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

/// The window after the first match holds an event that comes after the second match: both are shown.
#[test]
fn an_alert_shows_later_matches_before_what_the_window_of_the_first_reaches_to() {
    let set = rules(&[&correlation(
        "c",
        "type: temporal, rules: [fail, ok, other], group-by: [user], timespan: 3s, condition: fail and ok and not other",
    )]);
    let events = [event("fail", "a", "h", 0), event("fail", "a", "h", 2), event("ok", "a", "h", 3)];
    let (whole, told) = both(&set, &events);
    for alert in [&whole[0], told.last().expect("an alert")] {
        let times: Vec<&str> = alert.events.iter().map(|event| event.time.as_str()).collect();
        assert_eq!(times, ["1970-01-01T00:00:00Z", "1970-01-01T00:00:02Z", "1970-01-01T00:00:03Z"]);
        assert_eq!(alert.count, 2);
    }
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

/// An outer correlation groups by what events of the inner one carry: by a field of the inner group, by the one that
/// is looked at, which is not held twice, or by another.
#[test]
fn outer_groups_come_from_the_events_of_a_match_wherever_their_fields_stand() {
    let new_terms = |field: &str| {
        format!(
            "type: new_terms, rules: [fail], group-by: [user], field: {field}, history: 30d, warmup: {{min_events: 0}}"
        )
    };
    let value_count = |field: &str| {
        format!(
            "type: value_count, rules: [fail], group-by: [user], timespan: 5m, condition: {{field: {field}, gte: 2}}"
        )
    };
    // host and zone of each event of one user, a second after the other
    let plain = [("h1", "z1"), ("h1", "z2"), ("h2", "z2")];
    let several = [(r#"["h1","h2"]"#, "z1"), ("h3", r#"["z1","z2"]"#)];
    let escaped = [(r#""h\\1""#, "z1"), ("h2", r#""z\"2""#)];
    for (inner, events, outer_group, expected) in [
        (new_terms("host"), &plain[..], "[user]", vec!["u"]),
        (new_terms("host"), &plain, "[host]", vec!["h1", "h2"]),
        // the second event brings no new host
        (new_terms("host"), &plain, "[zone]", vec!["z1", "z2"]),
        (new_terms("host"), &plain[..2], "[zone]", vec!["z1"]),
        (new_terms("host"), &plain, "[zone, host]", vec!["z1 h1", "z2 h2"]),
        (new_terms("[zone, host]"), &plain, "[host]", vec!["h1", "h2"]),
        (new_terms("[zone, host]"), &plain, "[host, user, zone]", vec!["h1 u z1", "h1 u z2", "h2 u z2"]),
        (new_terms("host"), &several, "[host]", vec!["h1", "h2", "h3"]),
        (new_terms("host"), &several, "[zone]", vec!["z1", "z2"]),
        (new_terms("[host, zone]"), &several, "[host]", vec!["h1", "h2", "h3"]),
        (new_terms("host"), &escaped, "[host]", vec!["h2", "h\\1"]),
        (new_terms("[host, zone]"), &escaped, "[zone]", vec!["z\"2", "z1"]),
        (value_count("host"), &plain, "[host]", vec!["h1", "h2"]),
        (value_count("host"), &plain[..2], "[host]", vec![]),
        // of each host its last event is one of the match
        (value_count("host"), &plain, "[zone]", vec!["z2"]),
        (value_count("host"), &plain, "[host, zone]", vec!["h1 z2", "h2 z2"]),
        (value_count("zone"), &plain, "[zone, host]", vec!["z1 h1", "z2 h1", "z2 h2"]),
        (value_count("[host, zone]"), &plain, "[zone]", vec!["z1", "z2"]),
        (value_count("host"), &several, "[host]", vec!["h1", "h2", "h3"]),
        (value_count("host"), &escaped, "[host]", vec!["h2", "h\\1"]),
    ] {
        let outer = format!(
            "type: event_count, rules: [i], group-by: {outer_group}, timespan: 5m, condition: {{gte: 1}}"
        );
        let set = rules(&[&correlation("i", &inner), &correlation("o", &outer)]);
        let events: Vec<Event> = events
            .iter()
            .zip(0..)
            .map(|((host, zone), second)| {
                let mut event = event("fail", "u", host, second);
                event.fields.push(("zone", (*zone).into()));
                event
            })
            .collect();
        let groups = |alerts: Vec<Alert>| {
            let outer = alerts.into_iter().filter(|alert| alert.rule.title == "o");
            let values = outer.map(|alert| {
                let values: Vec<String> =
                    alert.group.values().map(|value| value.as_str().unwrap_or_default().to_owned()).collect();
                values.join(" ")
            });
            values.collect::<std::collections::BTreeSet<_>>().into_iter().collect::<Vec<_>>()
        };
        let (whole, told) = both(&set, &events);
        assert_eq!(groups(whole), expected, "{inner} by {outer_group}, input that ends");
        assert_eq!(groups(told), expected, "{inner} by {outer_group}, a stream");
    }
}
