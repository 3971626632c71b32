//! The correlation types that look back at a history, which Sigma does not have.
//!
//! In: the keys of a `new_terms`, an `impossible_travel` or a `rate_baseline`. Out: what each of them
//! compares with. They stand in the same documents as Sigma's own types; `history` takes the place of
//! `timespan`.
//!
//! | type | an alert is | keys |
//! |---|---|---|
//! | `new_terms` | a value (or tuple) of `field` that the group has not had within `history` | `field`, `history`, `warmup: {min_age, min_events}`, `idle_only` |
//! | `impossible_travel` | two places of a group, one match after the other, too far apart for the time between | `history`, `condition: {min_speed_kmh, min_distance_km}` |
//! | `rate_baseline` | a bucket far above the group's own: score = (x − median) / (1.4826 · MAD) | `field` (without one events are counted), `bucket`, `history`, `warmup: {min_buckets}`, `condition: {min_value, min_ratio, min_score}` |

use super::{CorrelationCondition, CorrelationType};
use crate::diagnostic::codes;
use crate::sigma::document::{Reader, head, span_of_time};
use crate::sigma::yaml::{Kind, Node};

/// Kilometres an hour that no airliner exceeds by much, and a distance beyond the errors of address
/// databases.
const TRAVEL: (f64, f64) = (900.0, 500.0);

/// How far above the median a value is called an outlier, in robust standard deviations (Iglewicz and
/// Hoaglin, "How to Detect and Handle Outliers", 1993).
const OUTLIER: f64 = 3.5;

impl Reader<'_> {
    /// What a type with a history compares with.
    pub(super) fn history_condition(
        &mut self,
        body: &Node,
        kind: CorrelationType,
        history: Option<i64>,
    ) -> Option<CorrelationCondition> {
        match kind {
            CorrelationType::NewTerms => self.new_terms(body, history),
            CorrelationType::ImpossibleTravel => self.impossible_travel(body),
            CorrelationType::RateBaseline => self.rate_baseline(body, history),
            _ => None,
        }
    }

    fn new_terms(&mut self, body: &Node, history: Option<i64>) -> Option<CorrelationCondition> {
        let fields = self.names(body, "field")?;
        if fields.is_empty() {
            let help = "the values that may be new, as in `field: [src_net]`";
            self.error_with_help(codes::MISSING_KEY, &head(body), "`new_terms` needs a `field`", help);
            return None;
        }
        let help = "as in `warmup: {min_age: 7d, min_events: 20}`: to a group that is new itself all is new";
        let warmup = self.section(body, "warmup", &["min_age", "min_events"], Some(help))?;
        let min_age = self.span_or_none(warmup, "min_age")?;
        let min_events = self.number_or(warmup, "min_events", 0.0)?;
        let idle = match body.get("idle_only") {
            Some(_) => Some(self.span_or_none(Some(body), "idle_only")?),
            None => None,
        };
        for (key, span) in [("min_age", Some(min_age)), ("idle_only", idle)] {
            if let (Some(span), Some(history)) = (span, history)
                && span > history
            {
                let cause = format!("`{key}` is longer than the history, and so never reached");
                self.error(codes::BAD_VALUE, &body.span, cause);
                return None;
            }
        }
        Some(CorrelationCondition::NewTerms { fields, min_age, min_events, idle })
    }

    fn impossible_travel(&mut self, body: &Node) -> Option<CorrelationCondition> {
        let condition = self.section(body, "condition", &["min_speed_kmh", "min_distance_km"], None)?;
        let min_speed_kmh = self.number_or(condition, "min_speed_kmh", TRAVEL.0)?;
        let min_distance_km = self.number_or(condition, "min_distance_km", TRAVEL.1)?;
        Some(CorrelationCondition::ImpossibleTravel { min_speed_kmh, min_distance_km })
    }

    fn rate_baseline(&mut self, body: &Node, history: Option<i64>) -> Option<CorrelationCondition> {
        let fields = self.names(body, "field")?;
        if let [_, second, ..] = fields.as_slice() {
            self.error(codes::BAD_VALUE, &second.span, "`rate_baseline` reckons with one field");
            return None;
        }
        let help = "as in `warmup: {min_buckets: 72}`: a baseline of a few buckets is none";
        let warmup = self.section(body, "warmup", &["min_buckets"], Some(help))?;
        let min_buckets = self.number_or(warmup, "min_buckets", 0.0)?;
        let help = "as in `condition: {min_value: 1000, min_ratio: 5, min_score: 6}`: without a floor every quiet group is loud once";
        let condition =
            self.section(body, "condition", &["min_value", "min_ratio", "min_score"], Some(help))?;
        if condition.is_some_and(|condition| condition.get("min_value").is_none()) {
            let cause = "`rate_baseline` needs a `min_value`";
            self.error_with_help(codes::MISSING_KEY, &condition?.span, cause, help);
            return None;
        }
        let Some(bucket) = body.get("bucket") else {
            let cause = "`rate_baseline` needs a `bucket`";
            self.error_with_help(codes::MISSING_KEY, &head(body), cause, "as in `bucket: 1h`");
            return None;
        };
        // time is divided by it
        let bucket = self.span(bucket, "bucket")?;
        if let Some(history) = history
            && min_buckets.max(2.0) * bucket as f64 > history as f64
        {
            let cause = "the history does not hold the buckets of the warm-up, and so it never ends";
            self.error(codes::BAD_VALUE, &body.span, cause);
            return None;
        }
        Some(CorrelationCondition::RateBaseline {
            field: fields.into_iter().next(),
            bucket,
            min_buckets,
            min_value: self.number_or(condition, "min_value", 0.0)?,
            min_ratio: self.number_or(condition, "min_ratio", 1.0)?,
            min_score: self.number_or(condition, "min_score", OUTLIER)?,
        })
    }

    /// A mapping under a key; the outer `None` is a mistake. With a `needed` it must be there.
    #[allow(clippy::option_option)]
    fn section<'n>(
        &mut self,
        body: &'n Node,
        key: &str,
        known: &[&str],
        needed: Option<&str>,
    ) -> Option<Option<&'n Node>> {
        let Some(value) = body.get(key) else {
            let Some(help) = needed else { return Some(None) };
            let cause = format!("a correlation of this type needs a `{key}`");
            self.error_with_help(codes::MISSING_KEY, &head(body), cause, help);
            return None;
        };
        let Kind::Map(pairs) = &value.kind else {
            let cause = format!("`{key}` must be a mapping, not {}", value.word());
            let help = format!("it has: {}", known.join(", "));
            self.error_with_help(codes::WRONG_TYPE, &value.span, cause, &help);
            return None;
        };
        self.known_keys(pairs, known, &format!("`{key}`"));
        Some(Some(value))
    }

    /// A number that is not negative, or what stands for it.
    fn number_or(&mut self, section: Option<&Node>, key: &str, default: f64) -> Option<f64> {
        let Some(node) = section.and_then(|section| section.get(key)) else { return Some(default) };
        let number = self.number(node, key)?;
        if number < 0.0 {
            self.error(codes::BAD_VALUE, &node.span, format!("`{key}` cannot be negative"));
            return None;
        }
        Some(number)
    }

    /// A time span; nothing is none.
    fn span_or_none(&mut self, section: Option<&Node>, key: &str) -> Option<i64> {
        let Some(node) = section.and_then(|section| section.get(key)) else { return Some(0) };
        // none at all may be said in so many words
        match node.text().and_then(span_of_time) {
            Some(0) => Some(0),
            _ => self.span(node, key),
        }
    }
}
