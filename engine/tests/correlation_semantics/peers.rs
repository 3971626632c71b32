//! What other tools get wrong: times, order, chains, counts over correlations.

use super::*;

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

/// A minute after the chain `fail`, `ok` was whole comes `fail` again: a match a minute later, which another rule may
/// follow, whether its alerts are shown or not.
#[test]
fn each_hit_whose_window_holds_a_chain_is_a_match_that_outer_correlations_see() {
    for (is_shown, outer_group) in [(true, "user"), (false, "user"), (true, "host"), (false, "host")] {
        let inner = "type: temporal_ordered, rules: [fail, ok], group-by: [user], timespan: 5m";
        let outer = format!(
            "type: temporal_ordered, rules: [taken, other], group-by: [{outer_group}], timespan: 30s, generate: {is_shown}"
        );
        let set = rules(&[&correlation("taken", inner), &correlation("then", &outer)]);
        for (last, follows) in [(80, true), (101, false)] {
            let events = [
                event("fail", "eve", "h", 0),
                event("ok", "eve", "h", 10),
                event("fail", "eve", "h", 70),
                event("other", "eve", "h", last),
            ];
            let expected = [(is_shown, "taken"), (follows, "then")];
            let expected: Vec<&str> =
                expected.iter().filter_map(|(is, title)| is.then_some(*title)).collect();
            let (whole, mut told) = both(&set, &events);
            told.retain(|alert| alert.revision == 0);
            assert_eq!((titles(&whole), titles(&told)), (expected.clone(), expected.clone()));
            // of which events the inner match is, another group asks when it is certain
            if outer_group == "user" {
                assert_eq!(titles(&at_once(&set, &events).0), expected);
            }
        }
    }
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
