//! Sums, means, percentiles.

use super::*;

#[test]
fn value_sum_slides_without_negative_values() {
    let rule = rule(Type::ValueSum(vec![(Op::Gte, 10.0)]), 10, 100);
    let hits = [valued(0, 1, 6), valued(5, 2, -9), valued(10, 3, 4), valued(11, 4, 4)];
    assert_eq!(times(&rule, &hits), [10]);
    assert_eq!(rows(&rule, &hits), [(0, 10, 0, 10, 2, false)]);
    // the hits at 4 and 5 reach it, then one more at 6: the negative one there is no hit
    let hits = [valued(1, 1, 9), valued(4, 2, 4), valued(5, 3, 6), valued(6, 4, 1), valued(6, 5, -1)];
    assert_eq!(rows(&rule, &hits[1..]), [(0, 5, 4, 6, 3, false)]);
    assert_eq!(rows(&rule, &hits), [(0, 4, 1, 6, 4, false)]);
    // no more than is needed: 9 and 2 suffice without 1
    let hits = [valued(1, 1, 1), valued(2, 2, 2), valued(3, 3, 9)];
    assert_eq!(rows(&rule, &hits), [(0, 3, 2, 3, 2, false)]);
    // an event with two values gives both, and one with the same value twice gives it once
    assert_eq!(rows(&rule, &[valued(0, 1, 4), valued(0, 1, 6)]), [(0, 0, 0, 0, 1, false)]);
    assert_eq!(times(&rule, &[valued(0, 1, 5), valued(0, 1, 5)]), [0; 0]);
}

#[test]
fn value_sum_tumbles_with_negative_values() {
    let rule = rule(Type::ValueSum(vec![(Op::Lt, 0.0)]), 10, 100);
    let hits = [valued(1, 1, 6), valued(5, 2, -9), valued(10, 3, 4), valued(20, 4, -4), valued(21, 5, 4)];
    assert_eq!(rows(&rule, &hits), [(0, 5, 1, 5, 2, false)]);
}

#[test]
fn value_avg_divides_by_the_hits() {
    let rule = rule(Type::ValueAvg(vec![(Op::Gt, 2.0), (Op::Lte, 2.5)]), 10, 100);
    let hits = [valued(-10, 1, 2), valued(-1, 2, 3), valued(-1, 3, 2), valued(0, 4, 2), valued(9, 5, 2)];
    assert_eq!(rows(&rule, &hits), [(-1, -1, -10, -1, 3, false)]);
    // an event with two values is two hits here, and one in the count: (2 + 4 + 1) / 3
    let hits = [valued(0, 1, 2), valued(0, 1, 4), valued(5, 2, 1)];
    assert_eq!(rows(&rule, &hits), [(0, 5, 0, 5, 2, false)]);
}

#[test]
fn percentiles_are_interpolated() {
    assert_eq!(percentile(50.0, vec![4.0, 1.0, 3.0, 2.0]), 2.5);
    assert_eq!(percentile(25.0, vec![40.0, 10.0, 20.0, 30.0]), 17.5);
    assert_eq!(percentile(0.0, vec![3.0, 1.0]), 1.0);
    assert_eq!(percentile(100.0, vec![3.0, 1.0]), 3.0);
    assert_eq!(percentile(99.0, vec![7.0]), 7.0);
    let rule = rule(Type::ValuePercentile(50.0, vec![(Op::Eq, 2.5)]), 10, 100);
    let hits = [valued(0, 1, 4), valued(1, 2, 1), valued(2, 3, 3), valued(3, 4, 2), valued(10, 5, 2)];
    assert_eq!(rows(&rule, &hits), [(0, 3, 0, 3, 4, false)]);
}
