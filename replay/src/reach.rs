//! How far outside the stretch that is asked about hits still matter.
//!
//! In: correlations. Out: for each rule that feeds one, how long before the stretch its hits may be part of an
//! alert inside it, and how long behind its end. A correlation needs its window, and two of its buckets: the
//! first match of a bucket gives an alert its time, and the alert before it may be the one that it continues.
//! Correlations that stand on others need that of each.

use std::collections::HashMap;

use virga_archive::Range;
use virga_engine::Engine;
use virga_engine::correlate::{Member, Plan};

/// How far, in microseconds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Reach {
    /// Before the stretch.
    pub back: i64,
    /// Behind it.
    pub forth: i64,
}

impl Reach {
    fn max(self, other: Self) -> Self {
        Self { back: self.back.max(other.back), forth: self.forth.max(other.forth) }
    }

    fn and(self, back: i64, forth: i64) -> Self {
        Self { back: self.back.saturating_add(back), forth: self.forth.saturating_add(forth) }
    }

    /// The stretch with what matters around it.
    pub fn around(self, range: Range) -> Range {
        Range { from: range.from.saturating_sub(self.back), to: range.to.saturating_add(self.forth) }
    }
}

/// What the hits that a correlation sees reach, by its number.
pub fn of_correlations(plans: &[Plan]) -> Vec<Reach> {
    let mut reaches = vec![Reach::default(); plans.len()];
    // inner ones stand before outer ones
    for outer in (0..plans.len()).rev() {
        let plan = &plans[outer];
        let (window, bucket) = (plan.correlation.timespan, plan.bucket);
        // a history is looked back at, never ahead
        let ahead = if plan.correlation.kind.value.has_history() { 0 } else { window };
        reaches[outer] =
            reaches[outer].and(window.saturating_add(bucket.saturating_mul(2)), ahead.saturating_add(bucket));
        for member in &plan.members {
            if let Member::Correlation(inner) = member.member {
                reaches[inner] = reaches[inner].max(reaches[outer]);
            }
        }
    }
    reaches
}

/// What the hits of each rule reach, by its number; none where it feeds nothing.
pub fn of_rules(engine: &Engine) -> Vec<Option<Reach>> {
    let plans = engine.correlations();
    let reaches = of_correlations(plans);
    let mut by_key: HashMap<&str, Reach> = HashMap::new();
    for (plan, reach) in plans.iter().zip(&reaches) {
        for member in &plan.members {
            if let Member::Rule(key) = &member.member {
                let known = by_key.entry(key).or_default();
                *known = known.max(*reach);
            }
        }
    }
    engine.rules().iter().map(|rule| by_key.get(rule.lowered.rule.key().as_str()).copied()).collect()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use virga_engine::RuleSet;
    use virga_engine::diagnostic::SourceFile;
    use virga_engine::event::{LogsourceMapping, SourceSpec};
    use virga_engine::plan::Lists;

    use super::*;

    const RULES: &str = "
title: a
name: a
logsource: {product: p}
detection: {s: {x: 1}, condition: s}
---
title: free
logsource: {product: p}
detection: {s: {x: 2}, condition: s}
---
title: inner
name: inner
correlation: {type: event_count, rules: [a], group-by: [g], timespan: 5m, condition: {gte: 3}}
---
title: outer
correlation: {type: event_count, rules: [inner], group-by: [g], timespan: 1h, condition: {gte: 2}}
";

    #[test]
    fn a_rule_reaches_as_far_as_the_correlations_above_it_together() {
        let file = Arc::new(SourceFile { name: "t.yml".into(), text: RULES.into() });
        let set = RuleSet::load([file], &Lists::new());
        let source = SourceSpec {
            name: "s".into(),
            logsources: vec![LogsourceMapping { product: Some("p".into()), ..LogsourceMapping::default() }],
            all_logsources: false,
            aliases: Vec::new(),
            computed: Vec::new(),
            columns: Vec::new(),
        };
        let engine = Engine::new(&set, &[source]);
        let minutes = |n: i64| n * 60_000_000;
        // windows of 5 and 60 minutes; buckets are at least 15 minutes
        let both = Reach { back: minutes(5 + 2 * 15 + 60 + 2 * 60), forth: minutes(5 + 15 + 60 + 60) };
        assert_eq!(of_rules(&engine), [Some(both), None]);
        let range = Range { from: minutes(1_000), to: minutes(2_000) };
        assert_eq!(both.around(range), Range { from: minutes(785), to: minutes(2_140) });
    }
}
