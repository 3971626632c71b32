//! How far outside the stretch that is asked about hits still matter.
//!
//! In: correlations. Out: for each rule that feeds one, how long before the stretch its hits may be part of an
//! alert inside it, and how long behind its end. A correlation needs its window, and two of its buckets: the
//! first match of a bucket gives an alert its time, and the alert before it may be the one that it continues.
//! One with a history also needs what tells how old a group is: each life of a group that is older than some age
//! has an event in the history before that age, so that history and age together are enough.
//! Correlations that stand on others need that of each.

use std::collections::HashMap;

use virga_archive::Range;
use virga_engine::Engine;
use virga_engine::correlate::{Member, Plan};
use virga_engine::sigma::CorrelationCondition;

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
        let (window, bucket, back) = (plan.correlation.timespan, plan.bucket, looks_back(plan));
        // a history is looked back at, never ahead
        let ahead = if plan.correlation.kind.value.has_history() { 0 } else { window };
        reaches[outer] =
            reaches[outer].and(back.saturating_add(bucket.saturating_mul(2)), ahead.saturating_add(bucket));
        for member in &plan.members {
            if let Member::Correlation(inner) = member.member {
                reaches[inner] = reaches[inner].max(reaches[outer]);
            }
        }
    }
    reaches
}

/// How long before a match an event may be that makes a difference to it.
pub fn looks_back(plan: &Plan) -> i64 {
    let window = plan.correlation.timespan;
    match &plan.correlation.condition {
        CorrelationCondition::NewTerms { min_age, .. } => window.saturating_add(*min_age),
        // a group is as old as the history, or as its first bucket
        CorrelationCondition::RateBaseline { .. } => window.saturating_mul(2),
        _ => window,
    }
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

    use proptest::prelude::*;
    use virga_engine::RuleSet;
    use virga_engine::alert::{Alert, show_time};
    use virga_engine::correlate::{Finite, MemorySpill, Occurrence, Value, plan};
    use virga_engine::diagnostic::SourceFile;
    use virga_engine::event::{LogsourceMapping, Origin, OriginBase, SourceSpec};
    use virga_engine::plan::Lists;

    use super::*;

    const MINUTE: i64 = 60_000_000;

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

    /// Correlations with a history, of a day, and one of two steps within a day.
    fn plans() -> Vec<Plan> {
        let bodies = [
            "rules: [a], history: 1d, type: new_terms, field: f, warmup: {min_age: 1d}",
            "rules: [a], history: 1d, type: new_terms, field: f, warmup: {min_age: 3h, min_events: 5}",
            "rules: [a], history: 1d, type: new_terms, field: f, idle_only: 20h, warmup: {min_events: 0}",
            "rules: [a], history: 1d, type: rate_baseline, bucket: 1h, warmup: {min_buckets: 23}, condition: {min_value: 2}",
            "rules: [a], history: 1d, type: rate_baseline, bucket: 3h, warmup: {min_buckets: 8}, condition: {min_value: 2, min_score: 1}",
            "rules: [a, b], timespan: 1d, type: temporal_ordered",
        ];
        let correlation = |(number, body): (usize, &&str)| {
            format!("---\ntitle: c{number}\nsuppress: {{for: 1h}}\ncorrelation: {{group-by: [g], {body}}}\n")
        };
        let rules = ["a", "b"].map(|name| {
            format!(
                "---\ntitle: {name}\nname: {name}\nlogsource: {{product: p}}\ndetection: {{s: {{x: 1}}, condition: s}}\n"
            )
        });
        let text = rules.into_iter().chain(bodies.iter().enumerate().map(correlation));
        let file = Arc::new(SourceFile { name: "t.yml".into(), text: text.collect() });
        let set = RuleSet::load([file], &Lists::new());
        assert_eq!((set.rejected, set.correlations.len()), (0, bodies.len()), "{:?}", set.diagnostics);
        plan(&set.correlations)
    }

    /// The alerts of events from some moment on, each with its term, by number and time.
    fn alerts(plans: &[Plan], number: usize, events: &[(i64, usize)], from: i64) -> Vec<Alert> {
        let mut finite = Finite::new(plans, "", 1 << 20, Box::new(MemorySpill::default()));
        let source: Arc<str> = "s".into();
        let origin = Origin { base: OriginBase::File { path: "f".into() }, line: None, record: Some(0) };
        let is_number =
            matches!(plans[number].correlation.condition, CorrelationCondition::RateBaseline { .. });
        let is_ordered = matches!(plans[number].correlation.condition, CorrelationCondition::Number { .. });
        for (time, term) in events.iter().filter(|(time, _)| *time >= from) {
            // of four events one is the first step
            let members = if is_ordered && *term > 0 { 2 } else { 1 };
            let term = ["a", "b", "c", "d"][*term];
            let value = if is_number { Value::Number(1_000_000_000) } else { Value::Text(term) };
            let occurrence = Occurrence {
                correlation: number,
                members,
                time: *time,
                key: "[\"g\"]",
                value,
                event_id: &time.to_string(),
                source: &source,
                origin: &origin,
                carried: None,
            };
            finite.take(&occurrence).expect("memory takes all");
        }
        finite.finish().expect("memory gives all")
    }

    proptest! {
        #[test]
        fn who_begins_where_a_correlation_reaches_to_comes_to_the_same_alerts(
            gaps in prop::collection::vec((prop_oneof![1i64..40, 60i64..400, 1_100i64..1_500], 0usize..4), 20..60),
            share in 0.2f64..1.0,
        ) {
            let mut time = 20_000_000 * MINUTE;
            let each = gaps.iter().map(|(gap, term)| {
                time += gap * MINUTE;
                (time, *term)
            });
            let events: Vec<(i64, usize)> = each.collect();
            let (first, last) = (events[0].0, events[events.len() - 1].0);
            let from = (first + ((last - first) as f64 * share) as i64) / MINUTE * MINUTE;
            let plans = plans();
            let reaches = of_correlations(&plans);
            for (number, reach) in reaches.iter().enumerate() {
                let of = |begin: i64| -> Vec<Alert> {
                    let mut alerts = alerts(&plans, number, &events, begin);
                    alerts.retain(|alert| alert.time >= show_time(from));
                    alerts
                };
                let shown = |alerts: &[Alert]| -> Vec<String> {
                    alerts.iter().map(|alert| serde_json::to_string(alert).expect("an alert is JSON")).collect()
                };
                prop_assert_eq!(shown(&of(from - reach.back)), shown(&of(i64::MIN)), "{}", number);
            }
        }
    }
}
