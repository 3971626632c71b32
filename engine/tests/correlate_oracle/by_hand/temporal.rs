//! Members together, in their order, and those that stay away.

use super::*;

#[test]
fn temporal_counts_an_event_for_each_of_its_members() {
    let rule = rule(two_members(Vec::new()), 10, 100);
    assert_eq!(rows(&rule, &[of(4, 1, &[0, 1])]), [(0, 4, 4, 4, 1, false)]);
    // the two hits are one: their members are united
    assert_eq!(rows(&rule, &[of(4, 1, &[0]), of(4, 1, &[1])]), [(0, 4, 4, 4, 1, false)]);
    assert_eq!(times(&rule, &[of(4, 1, &[0]), of(14, 2, &[1])]), [14]);
    assert_eq!(times(&rule, &[of(4, 1, &[0]), of(15, 2, &[1])]), [0; 0]);
}

#[test]
fn temporal_alert_has_the_last_hit_of_each_member() {
    let rule = rule(two_members(vec![(Op::Gte, 2.0)]), 10, 100);
    let hits = [of(0, 1, &[0]), of(2, 2, &[0]), of(5, 3, &[1]), of(5, 4, &[1])];
    assert_eq!(rows(&rule, &hits), [(0, 5, 2, 5, 3, false)]);
}

#[test]
fn temporal_with_an_upper_limit_tumbles() {
    let rule = rule(two_members(vec![(Op::Lte, 1.0)]), 10, 100);
    let hits = [of(0, 1, &[0]), of(2, 2, &[1]), of(10, 3, &[1]), of(12, 4, &[1])];
    assert_eq!(rows(&rule, &hits), [(0, 12, 10, 12, 2, false)]);
}

#[test]
fn temporal_expressions_look_back() {
    let expr = Expr::Or(vec![and(&[0, 1]), Expr::Member(2)]);
    let rule = rule(Type::TemporalExpr(expr), 10, 100);
    let hits = [of(0, 1, &[0]), of(10, 2, &[1]), of(11, 3, &[1]), of(30, 4, &[2])];
    assert_eq!(times(&rule, &hits), [10, 30]);
    assert_eq!(rows(&rule, &hits), [(0, 10, 0, 30, 4, false)]);
}

#[test]
fn ordered_steps_are_distinct_events_in_the_order_of_time() {
    let ordered = |members| rule(Type::TemporalOrdered { members }, 10, 100);
    assert_eq!(times(&ordered(2), &[of(0, 1, &[0]), of(10, 2, &[1])]), [10]);
    assert_eq!(times(&ordered(2), &[of(0, 1, &[0]), of(11, 2, &[1])]), [0; 0]);
    assert_eq!(times(&ordered(2), &[of(0, 1, &[1]), of(1, 2, &[0])]), [0; 0]);
    // one event is not two steps; two events that match both are
    assert_eq!(times(&ordered(2), &[of(4, 1, &[0, 1])]), [0; 0]);
    assert_eq!(times(&ordered(2), &[of(4, 1, &[0, 1]), of(4, 2, &[0, 1])]), [4]);
    // equal times are in order, whichever id is smaller
    assert_eq!(times(&ordered(2), &[of(4, 1, &[1]), of(4, 2, &[0])]), [4]);
    // 2 must be the first step, so that 1 can be the second
    assert_eq!(times(&ordered(3), &[of(4, 1, &[0, 1]), of(4, 2, &[0]), of(4, 3, &[2])]), [4]);
    assert_eq!(times(&ordered(3), &[of(4, 1, &[0, 1, 2]), of(4, 2, &[0, 1, 2])]), [0; 0]);
}

#[test]
fn ordered_alert_begins_as_late_as_possible() {
    let rule = rule(Type::TemporalOrdered { members: 3 }, 10, 100);
    // the chain is at 2, 3 and 5, where a second hit is not part of it; 8 and 9 follow within its window
    let hits = [
        of(0, 1, &[0]),
        of(2, 2, &[0]),
        of(3, 3, &[1]),
        of(4, 4, &[0]),
        of(5, 5, &[2]),
        of(5, 6, &[2]),
        of(8, 7, &[0]),
        of(9, 8, &[2]),
    ];
    assert_eq!(times(&rule, &hits), [5, 8, 9]);
    assert_eq!(rows(&rule, &hits), [(0, 5, 2, 9, 5, false)]);
}

#[test]
fn ordered_matches_at_each_hit_whose_window_holds_a_chain() {
    let rule = rule(Type::TemporalOrdered { members: 2 }, 10, 10);
    // whole at 2: the window of 11 holds all of it, that of 12 does not begin before 2
    let after = |time, member| [of(1, 1, &[0]), of(2, 2, &[1]), of(time, 3, &[member])];
    assert_eq!(times(&rule, &after(11, 0)), [2, 11]);
    assert_eq!(times(&rule, &after(11, 1)), [2, 11]);
    assert_eq!(times(&rule, &after(12, 0)), [2]);
    assert_eq!(times(&rule, &after(12, 1)), [2]);
    // another bucket, and so another alert: of the chain and the hit, or of the chain that ends there
    assert_eq!(rows(&rule, &after(11, 0)), [(0, 2, 1, 2, 2, false), (1, 11, 1, 11, 3, true)]);
    assert_eq!(rows(&rule, &after(11, 1)), [(0, 2, 1, 2, 2, false), (1, 11, 1, 11, 2, true)]);
    // a hit before the chain is whole is no match
    assert_eq!(times(&rule, &[of(1, 1, &[0]), of(2, 2, &[0]), of(3, 3, &[1])]), [3]);
}

#[test]
fn forward_looks_for_what_does_not_follow() {
    let expr = Expr::And(vec![Expr::Member(0), not(Expr::Member(1))]);
    let rule = rule(Type::TemporalExpr(expr), 10, 100);
    // the window is closed: 10 follows 0, 31 does not follow 20; a hit of the tick follows as well
    assert_eq!(times(&rule, &[of(0, 1, &[0]), of(10, 2, &[1])]), [0; 0]);
    assert_eq!(times(&rule, &[of(20, 1, &[0]), of(31, 2, &[1])]), [20]);
    assert_eq!(times(&rule, &[of(0, 1, &[0]), of(0, 2, &[1])]), [0; 0]);
    // what came before does not matter, and the negated member opens no window
    assert_eq!(times(&rule, &[of(-1, 1, &[1]), of(0, 2, &[0])]), [0]);
    // only the hits of match instants count: 20 is not one
    let hits = [of(0, 1, &[0]), of(0, 2, &[0]), of(20, 3, &[0]), of(21, 4, &[1]), of(40, 5, &[0])];
    assert_eq!(rows(&rule, &hits), [(0, 0, 0, 40, 3, false)]);
}

#[test]
fn forward_opens_at_members_under_an_even_number_of_nots() {
    let nested = not(Expr::And(vec![not(Expr::Member(0)), not(not(Expr::Member(1)))]));
    assert_eq!(positive(&nested, 0), BTreeSet::from([0]));
    // not (not a and not not b) = a or not b: a opens, and is true there
    let nested = rule(Type::TemporalExpr(nested), 10, 100);
    assert_eq!(times(&nested, &[of(0, 1, &[0]), of(20, 2, &[1])]), [0]);
    let nothing = rule(Type::TemporalExpr(not(Expr::Member(0))), 10, 100);
    assert_eq!(times(&nothing, &[of(0, 1, &[0]), of(20, 2, &[1])]), [0; 0]);
    // a double negation looks forward, too
    let double = Expr::And(vec![not(not(Expr::Member(0))), Expr::Member(1)]);
    let double = rule(Type::TemporalExpr(double), 10, 100);
    assert_eq!(times(&double, &[of(0, 1, &[0]), of(5, 2, &[1])]), [0]);
}
