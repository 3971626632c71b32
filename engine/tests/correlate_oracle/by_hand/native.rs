//! New terms, impossible travel, rates above their baseline.

use super::*;

fn terms(min_age: i64, min_events: f64, idle: Option<i64>) -> Rule {
    rule(Type::NewTerms { min_age, min_events, idle }, 20, 100)
}

fn pairs(rule: &Rule, hits: &[Hit]) -> Vec<(i64, String)> {
    instants(rule, hits).into_iter().map(|(time, term)| (time, term.unwrap_or_default())).collect()
}

#[test]
fn new_terms_are_those_of_a_warm_group() {
    let hits = [worded(0, 1, "a"), worded(4, 2, "b"), worded(5, 3, "c"), worded(6, 4, "c")];
    assert_eq!(pairs(&terms(5, 2.0, None), &hits), [(5, "c".into())]);
    assert_eq!(pairs(&terms(6, 2.0, None), &hits), []);
    assert_eq!(pairs(&terms(5, 3.0, None), &hits), []);
    assert_eq!(pairs(&terms(0, 0.0, None), &hits), [(0, "a".into()), (4, "b".into()), (5, "c".into())]);
    // events, not values: the first has two
    let hits = [worded(0, 1, "a"), worded(0, 1, "b"), worded(5, 3, "c")];
    assert_eq!(pairs(&terms(5, 2.0, None), &hits), []);
}

#[test]
fn new_terms_forget_after_the_history() {
    // b at 20 is known to 40, and at 61 no more; the group lives on with a
    let mut hits = vec![worded(0, 1, "b"), worded(20, 2, "b"), worded(40, 3, "b"), worded(41, 4, "a")];
    hits.extend([worded(55, 5, "a"), worded(61, 6, "b")]);
    assert_eq!(pairs(&terms(1, 1.0, None), &hits), [(41, "a".into()), (61, "b".into())]);
    // a gap above the history ends the life: 100 begins a new one, which is not warm
    hits.extend([worded(100, 7, "x"), worded(101, 8, "y")]);
    assert_eq!(pairs(&terms(1, 1.0, None), &hits)[2..], [(101, "y".into())]);
}

#[test]
fn new_terms_count_events_by_eighths_of_the_history() {
    // an eighth of 20 is 2: at 40 and 41 it is the one of 40, and the first that counts is that of 26
    for (time, before, warm) in
        [(40, 25, false), (40, 26, true), (41, 26, true), (42, 27, false), (42, 28, true)]
    {
        let hits = [worded(before - 15, 1, "a"), worded(before, 2, "a"), worded(time, 3, "b")];
        let expected: &[(i64, String)] = if warm { &[(time, "b".into())] } else { &[] };
        assert_eq!(pairs(&terms(0, 1.0, None), &hits), expected, "{time} {before}");
    }
}

#[test]
fn new_terms_with_idle_are_known_and_were_silent() {
    let rule = terms(1, 0.0, Some(10));
    let mut hits = vec![worded(0, 1, "a"), worded(9, 2, "a"), worded(19, 3, "a"), worded(20, 4, "b")];
    hits.extend([worded(39, 5, "a"), worded(41, 6, "b")]);
    // 19 is 10 after 9 and 39 is 20 after 19; 41 is 21 after 20: not known; b at 20 is new
    assert_eq!(pairs(&rule, &hits), [(19, "a".into()), (39, "a".into())]);
}

#[test]
fn new_terms_have_an_alert_for_each_term() {
    let rule = Rule { suppress: 10, ..terms(1, 1.0, None) };
    let hits =
        [worded(0, 1, "a"), worded(5, 2, "y"), worded(5, 3, "x"), worded(5, 4, "y"), worded(12, 5, "z")];
    let found = alerts(&rule, &hits);
    let row = |bucket, term: &str, time, count| OracleAlert {
        bucket,
        term: Some(term.into()),
        time,
        first_seen: time,
        last_seen: time,
        count,
        continues: false,
    };
    assert_eq!(found, [row(0, "x", 5, 1), row(0, "y", 5, 2), row(1, "z", 12, 1)]);
}

const HOUR: i64 = 3_600_000_000;

fn travel(min_speed_kmh: f64, min_distance_km: f64) -> Rule {
    rule(Type::ImpossibleTravel { min_speed_kmh, min_distance_km }, 2 * HOUR, 24 * HOUR)
}

#[test]
fn travel_is_impossible_by_speed_and_distance() {
    // a degree of the equator is 111.195 km
    let hits = [placed(0, 1, 0.0, 0.0), placed(HOUR, 2, 0.0, 1.0)];
    assert_eq!(times(&travel(111.19, 100.0), &hits), [HOUR]);
    assert_eq!(times(&travel(111.2, 100.0), &hits), [0; 0]);
    assert_eq!(times(&travel(1.0, 111.19), &hits), [HOUR]);
    assert_eq!(times(&travel(1.0, 111.2), &hits), [0; 0]);
    // within the history, ends included
    let late = |time| [placed(0, 1, 0.0, 0.0), placed(time, 2, 0.0, 90.0)];
    assert_eq!(times(&travel(1.0, 1.0), &late(2 * HOUR)), [2 * HOUR]);
    assert_eq!(times(&travel(1.0, 1.0), &late(2 * HOUR + 1)), [0; 0]);
    // no time at all is always fast enough, even for no distance
    assert_eq!(times(&travel(1.0, 0.0), &[placed(0, 1, 0.0, 0.0), placed(0, 2, 0.0, 0.0)]), [0]);
    assert_eq!(times(&travel(1.0, 0.0), &[placed(0, 1, 0.0, 0.0), placed(1, 2, 0.0, 0.0)]), [0; 0]);
    assert_eq!(times(&travel(1e9, 100.0), &[placed(0, 1, 0.0, 0.0), placed(0, 2, 0.0, 1.0)]), [0]);
}

#[test]
fn travel_compares_neighbours_in_order_of_time_and_id() {
    let rule = travel(500.0, 100.0);
    // near, far, near, near: two pairs match
    let hits = [
        placed(3, 4, 0.0, 0.0),
        placed(2, 3, 0.0, 0.0),
        placed(1, 2, 0.0, 90.0),
        placed(0, 1, 0.0, 0.0),
        placed(0, 1, 0.0, 0.0),
    ];
    assert_eq!(rows(&rule, &hits), [(0, 1, 0, 2, 3, false)]);
    // two pairs at one instant: the first begins it
    let hits = [placed(0, 5, 0.0, 0.0), placed(1, 3, 0.0, 0.0), placed(1, 2, 0.0, 90.0)];
    assert_eq!(rows(&rule, &hits), [(0, 1, 0, 1, 3, false)]);
}

fn baseline(min_buckets: f64, min_value: f64, min_ratio: f64, min_score: f64) -> Rule {
    rule(Type::RateBaseline { bucket: 10, min_buckets, min_value, min_ratio, min_score }, 40, 1000)
}

#[test]
fn rate_baseline_is_the_median_and_its_deviation() {
    assert_eq!(median(vec![5.0, 1.0, 3.0]), 3.0);
    assert_eq!(median(vec![5.0, 1.0, 3.0, 2.0]), 2.5);
    // before: 10, 20, 30, 0; median 15, deviations 5, 5, 15, 15: MAD 10; score of 60 is 45 / 14.826 = 3.04
    let hits = [valued(0, 1, 10), valued(10, 2, 20), valued(20, 3, 30), valued(40, 4, 25), valued(49, 5, 35)];
    assert_eq!(rows(&baseline(4.0, 60.0, 4.0, 3.03), &hits), [(0, 49, 40, 49, 2, false)]);
    assert_eq!(rows(&baseline(4.0, 60.0, 4.0, 3.04), &hits), []);
    assert_eq!(rows(&baseline(4.0, 61.0, 4.0, 3.03), &hits), []);
    assert_eq!(rows(&baseline(4.0, 60.0, 4.1, 3.03), &hits), []);
    assert_eq!(rows(&baseline(5.0, 60.0, 4.0, 3.03), &hits), []);
}

#[test]
fn rate_baseline_deviates_by_a_tenth_of_the_median_or_one_at_least() {
    // 100 and 100: MAD 0, so 10; score of 130 is 3
    let hits = [valued(0, 1, 100), valued(10, 2, 100), valued(20, 3, 130)];
    assert_eq!(times(&baseline(2.0, 0.0, 0.0, 3.0), &hits), [20]);
    assert_eq!(times(&baseline(2.0, 0.0, 0.0, 3.1), &hits), [0; 0]);
    // one event each, and then four: MAD 0, a tenth 0.1, so 1; score 3
    let mut hits = vec![plain(0, 1), plain(10, 2), plain(20, 3), plain(21, 4), plain(22, 5), plain(23, 6)];
    hits.push(plain(23, 6));
    assert_eq!(rows(&baseline(2.0, 0.0, 0.0, 3.0), &hits), [(0, 23, 20, 23, 4, false)]);
    assert_eq!(rows(&baseline(2.0, 0.0, 0.0, 3.1), &hits), []);
}

#[test]
fn rate_baseline_begins_with_the_life_and_goes_back_by_the_history() {
    // a first bucket has no baseline, whatever is asked for; the times are before the epoch
    let hits = [valued(-15, 1, 9), valued(-1, 2, 9)];
    assert_eq!(times(&baseline(0.0, 0.0, 0.0, 0.0), &hits), [-1]);
    // 41 after the last hit a new life begins
    let hits = [valued(0, 1, 1), valued(41, 2, 9)];
    assert_eq!(times(&baseline(1.0, 0.0, 0.0, 0.0), &hits), [0; 0]);
    // 40 after it does not: the buckets 0 to 3 are 1, 0, 0, 0
    let hits = [valued(0, 1, 1), valued(40, 2, 9)];
    assert_eq!(times(&baseline(4.0, 0.0, 0.0, 9.0), &hits), [40]);
    // four buckets back and no further: 50 is not in the baseline of bucket 5, which is 1, 0, 0, 0
    let hits = [valued(0, 1, 50), valued(10, 2, 1), valued(50, 3, 9)];
    assert_eq!(times(&baseline(4.0, 0.0, 0.0, 9.0), &hits), [50]);
    assert_eq!(times(&baseline(5.0, 0.0, 0.0, 0.0), &hits), [0; 0]);
}
