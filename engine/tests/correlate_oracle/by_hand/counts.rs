//! Counts of events and of values.

use super::*;

#[test]
fn event_count_window_is_closed_on_both_sides() {
    let rule = rule(Type::EventCount(vec![(Op::Gte, 2.0)]), 10, 100);
    assert_eq!(times(&rule, &[plain(0, 1), plain(10, 2)]), [10]);
    assert_eq!(times(&rule, &[plain(0, 1), plain(11, 2)]), [0; 0]);
}

#[test]
fn event_count_takes_a_duplicate_once_and_equal_times_together() {
    let rule = rule(Type::EventCount(vec![(Op::Gte, 2.0)]), 10, 100);
    assert_eq!(times(&rule, &[plain(5, 1), plain(5, 1)]), [0; 0]);
    // one id at two times is two hits, but one id
    assert_eq!(times(&rule, &[plain(5, 1), plain(6, 1)]), [0; 0]);
    // all hits of the tick are there, not just the one that reaches the threshold
    assert_eq!(rows(&rule, &[plain(5, 1), plain(5, 2), plain(5, 3)]), [(0, 5, 5, 5, 3, false)]);
    // a value makes no further hit where none is asked for
    assert_eq!(times(&rule, &[worded(5, 1, "a"), worded(5, 1, "b")]), [0; 0]);
}

#[test]
fn event_count_thresholds_are_fractions_or_below_one() {
    let hits = [plain(0, 1), plain(1, 2), plain(2, 3), plain(3, 4)];
    let times = |criteria| times(&rule(Type::EventCount(criteria), 10, 100), &hits);
    assert_eq!(times(vec![(Op::Gt, 2.5)]), [2, 3]);
    assert_eq!(times(vec![(Op::Gt, 2.0)]), [2, 3]);
    assert_eq!(times(vec![(Op::Gte, 2.5)]), [2, 3]);
    assert_eq!(times(vec![(Op::Gte, 2.0), (Op::Gt, 3.0)]), [3]);
    assert_eq!(times(vec![(Op::Gte, -3.0)]), [0, 1, 2, 3]);
    assert_eq!(times(vec![(Op::Gt, 0.0)]), [0, 1, 2, 3]);
}

#[test]
fn event_count_alert_has_what_is_needed_and_what_follows() {
    let rule = rule(Type::EventCount(vec![(Op::Gte, 3.0)]), 10, 100);
    // the tick at 6 has two of three; of those before, 4 is the latest; then 7 and 30, of which 30 is
    // past the last match
    let hits = [plain(1, 1), plain(4, 2), plain(6, 3), plain(6, 4), plain(7, 5), plain(30, 6)];
    assert_eq!(times(&rule, &hits[1..]), [6, 7]);
    assert_eq!(rows(&rule, &hits), [(0, 6, 4, 7, 4, false)]);
    // 3 match at 4, of which 1 is the earliest; then 6 and 7
    let hits = [plain(1, 1), plain(4, 2), plain(4, 3), plain(6, 4), plain(7, 5), plain(30, 6)];
    assert_eq!(rows(&rule, &hits), [(0, 4, 1, 7, 5, false)]);
    // an id that is there already is not needed once more: 3, 2 and 0
    let hits = [plain(0, 1), plain(1, 2), plain(2, 2), plain(3, 3)];
    assert_eq!(rows(&rule, &hits), [(0, 3, 0, 3, 3, false)]);
}

#[test]
fn event_count_counts_the_hits_between_two_matches() {
    let rule = rule(Type::EventCount(vec![(Op::Gte, 2.0)]), 2, 100);
    // 10 matches nothing, but lies between the matches at 1 and 21
    let hits = [plain(0, 1), plain(1, 2), plain(10, 3), plain(20, 4), plain(21, 5)];
    assert_eq!(times(&rule, &hits), [1, 21]);
    assert_eq!(rows(&rule, &hits), [(0, 1, 0, 21, 5, false)]);
}

#[test]
fn alerts_fall_into_buckets_of_the_epoch_and_continue() {
    let rule = rule(Type::EventCount(vec![(Op::Gte, 1.0)]), 5, 10);
    let hits = [plain(-11, 1), plain(-10, 2), plain(-1, 3), plain(0, 4), plain(25, 5)];
    let expected = [
        (-2, -11, -11, -11, 1, false),
        (-1, -10, -10, -1, 2, true),
        (0, 0, 0, 0, 1, true),
        (2, 25, 25, 25, 1, false),
    ];
    assert_eq!(rows(&rule, &hits), expected);
}

#[test]
fn event_count_alert_reaches_back_beyond_its_bucket() {
    let rule = rule(Type::EventCount(vec![(Op::Gte, 2.0)]), 10, 10);
    assert_eq!(rows(&rule, &[plain(8, 1), plain(12, 2)]), [(1, 12, 8, 12, 2, false)]);
}

#[test]
fn event_count_ranges_tumble() {
    let rule = rule(Type::EventCount(vec![(Op::Gte, 2.0), (Op::Lte, 3.0)]), 10, 100);
    // windows -1: 2 hits, 0: 1 hit, 1: 4 hits, 2: 3 hits
    let mut hits = vec![plain(-10, 1), plain(-1, 2), plain(9, 3)];
    hits.extend([plain(10, 4), plain(11, 5), plain(12, 6), plain(19, 7)]);
    hits.extend([plain(20, 8), plain(21, 9), plain(25, 10)]);
    assert_eq!(times(&rule, &hits), [-1, 25]);
    assert_eq!(rows(&rule, &hits), [(-1, -1, -10, -1, 2, false), (0, 25, 20, 25, 3, true)]);
}

#[test]
fn tumbling_counts_the_hits_of_all_matching_windows_of_a_bucket() {
    let hits = [plain(1, 1), plain(12, 2), plain(13, 3), plain(14, 4), plain(27, 5), plain(28, 6)];
    let rows = |op, number| rows(&rule(Type::EventCount(vec![(op, number)]), 10, 100), &hits);
    assert_eq!(rows(Op::Neq, 3.0), [(0, 1, 1, 28, 3, false)]);
    assert_eq!(rows(Op::Lt, 3.0), [(0, 1, 1, 28, 3, false)]);
    assert_eq!(rows(Op::Eq, 2.0), [(0, 28, 27, 28, 2, false)]);
    // a window without a hit is no match, however small its measure
    assert_eq!(rows(Op::Lte, 0.0), []);
}

#[test]
fn value_count_counts_values_not_hits() {
    let rule = rule(Type::ValueCount(vec![(Op::Gte, 2.0)]), 10, 100);
    assert_eq!(times(&rule, &[worded(0, 1, "a"), worded(1, 2, "a"), plain(1, 3)]), [0; 0]);
    assert_eq!(times(&rule, &[worded(0, 1, "a"), worded(10, 2, "b")]), [10]);
    assert_eq!(times(&rule, &[worded(0, 1, "a"), worded(11, 2, "b")]), [0; 0]);
    // an event with two values is two hits that count as one
    let hits = [worded(3, 1, "b"), worded(3, 1, "a"), worded(3, 1, "a")];
    assert_eq!(rows(&rule, &hits), [(0, 3, 3, 3, 1, false)]);
}

#[test]
fn value_count_alert_takes_the_most_recent_values() {
    let rule = rule(Type::ValueCount(vec![(Op::Gt, 2.0)]), 10, 100);
    // at 5 there are a (last at 3), b (2) and c (5): all three, each with its last hit
    let hits = [worded(0, 1, "a"), worded(2, 2, "b"), worded(3, 3, "a"), worded(5, 4, "c")];
    assert_eq!(rows(&rule, &hits), [(0, 5, 2, 5, 3, false)]);
    // every hit of the tick, even of one value, and the last of another
    let hits = [worded(1, 1, "a"), worded(2, 2, "b"), worded(5, 3, "c"), worded(5, 4, "c")];
    assert_eq!(rows(&rule, &hits), [(0, 5, 1, 5, 4, false)]);
    // at 5 there is d, and a, b and c are all last at 2: the smaller two are taken, which are one event
    let rule = Rule { suppress: 4, ..rule };
    let hits = [worded(2, 1, "b"), worded(2, 2, "c"), worded(2, 1, "a"), worded(5, 3, "d")];
    assert_eq!(rows(&rule, &hits), [(0, 2, 2, 2, 2, false), (1, 5, 2, 5, 2, true)]);
}

#[test]
fn value_count_below_a_number_tumbles() {
    let rule = rule(Type::ValueCount(vec![(Op::Lt, 2.0)]), 10, 100);
    let hits = [worded(0, 1, "a"), worded(9, 2, "a"), worded(10, 3, "a"), worded(11, 4, "b")];
    assert_eq!(rows(&rule, &hits), [(0, 9, 0, 9, 2, false)]);
}
