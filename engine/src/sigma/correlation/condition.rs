//! What a correlation compares with: a number, or which of its rules match.
//!
//! In: the node under `condition`. Out: a [`CorrelationCondition`], and a word on conditions that nothing can pass or
//! that everything does.

use std::ops::Range;

use super::{CorrelationCondition, CorrelationType, Criterion};
use crate::diagnostic::{Code, Diagnostic, codes};
use crate::sigma::condition::{self, Condition};
use crate::sigma::document::{Reader, head, verbatim};
use crate::sigma::value::Spanned;
use crate::sigma::yaml::{Kind, Node, Scalar};

/// A condition, or that there is none.
pub(super) enum Given {
    Condition(CorrelationCondition),
    Nothing,
}

impl Reader<'_> {
    pub(super) fn correlation_condition(&mut self, body: &Node, kind: CorrelationType) -> Option<Given> {
        let Some(value) = body.get("condition") else {
            if kind.is_temporal() {
                return Some(Given::Nothing);
            }
            let help = "as in `condition: {gte: 10}`";
            self.error_with_help(codes::MISSING_KEY, &head(body), "a correlation needs a `condition`", help);
            return None;
        };
        match &value.kind {
            Kind::Map(pairs) => self.number_condition(value, pairs, kind),
            _ => self.rules_condition(value, kind),
        }
        .map(Given::Condition)
    }

    fn rules_condition(&mut self, value: &Node, kind: CorrelationType) -> Option<CorrelationCondition> {
        let Some(Scalar::Text(text)) = value.scalar() else {
            let cause = format!("a condition is a mapping or a text, not {}", value.word());
            self.error_with_help(codes::WRONG_TYPE, &value.span, cause, "as in `condition: {gte: 10}`");
            return None;
        };
        if !kind.is_temporal() {
            let cause = format!("`{}` compares a number, and has no expression over rules", kind.word());
            let help =
                "as in `condition: {gte: 10}`; expressions belong to `temporal` and `temporal_ordered`";
            self.error_with_help(codes::WRONG_TYPE, &value.span, cause, help);
            return None;
        }
        match condition::parse(text, &value.span, verbatim(self.file, value, text), self.file) {
            Ok(condition) => Some(CorrelationCondition::Rules(condition)),
            Err(diagnostic) => {
                self.diagnostics.push(diagnostic);
                None
            }
        }
    }

    fn number_condition(
        &mut self,
        value: &Node,
        pairs: &[(Node, Node)],
        kind: CorrelationType,
    ) -> Option<CorrelationCondition> {
        let known: Vec<&str> =
            Criterion::ALL.iter().map(|criterion| criterion.word()).chain(["field", "percentile"]).collect();
        self.known_keys(pairs, &known, "a correlation's condition");
        let mut criteria = Vec::new();
        let mut readable = true;
        for criterion in Criterion::ALL {
            if let Some(bound) = value.get(criterion.word()) {
                let number = self.number(bound, criterion.word());
                readable &= number.is_some();
                criteria.extend(number.map(|number| (criterion, number)));
            }
        }
        if criteria.is_empty() && readable {
            let help = "as in `condition: {gte: 10}`; two are a range: `{gt: 100, lte: 200}`";
            self.error_with_help(codes::MISSING_KEY, &value.span, "a condition compares with a number", help);
        }
        // `temporal` with `gte: 1` is a way to say "any of these rules"
        if kind == CorrelationType::EventCount
            && !criteria.is_empty()
            && criteria.iter().all(|(criterion, bound)| criterion.holds_for_all_counts(*bound))
        {
            let cause = "every group that is seen passes this condition";
            self.warning(codes::BAD_VALUE, &value.span, cause);
        }
        match kind {
            CorrelationType::EventCount | CorrelationType::ValueCount => {
                self.check_count(&value.span, &criteria, f64::INFINITY);
            }
            // counted as well, once it is known how many rules there are
            CorrelationType::Temporal | CorrelationType::TemporalOrdered => {}
            _ if holds_for_none(&criteria) => {
                self.warning(codes::BAD_VALUE, &value.span, "no number passes this condition");
            }
            _ => {}
        }
        let fields = self.names(value, "field")?;
        self.check_fields(value, &fields, kind);
        let percentile = self.percentile(value, kind);
        (readable && !criteria.is_empty()).then_some(())?;
        Some(CorrelationCondition::Number { criteria, fields, percentile: percentile? })
    }

    fn check_fields(&mut self, value: &Node, fields: &[Spanned<String>], kind: CorrelationType) {
        let word = kind.word();
        if kind.has_field() && fields.is_empty() {
            let cause = format!("`{word}` needs a `field` in its condition");
            self.error_with_help(
                codes::MISSING_KEY,
                &value.span,
                cause,
                "as in `{field: eventName, gte: 5}`",
            );
        } else if !kind.has_field() && !fields.is_empty() {
            let span = value.get("field").map_or(value.span.clone(), |field| field.span.clone());
            self.warning(codes::BAD_VALUE, &span, format!("`{word}` looks at no `field`"));
        } else if let ([_, second, ..], true) =
            (fields, kind.has_field() && kind != CorrelationType::ValueCount)
        {
            let cause = format!("`{word}` reckons with one field");
            self.error(codes::BAD_VALUE, &second.span, cause);
        }
    }

    /// The percentile that is meant; the outer `None` is a mistake.
    #[allow(clippy::option_option)]
    fn percentile(&mut self, value: &Node, kind: CorrelationType) -> Option<Option<f64>> {
        let given = value.get("percentile");
        match (kind, given) {
            (CorrelationType::ValueMedian, None) => Some(Some(50.0)),
            (CorrelationType::ValuePercentile, None) => {
                let cause = "without `percentile` the median is meant";
                self.warning(codes::BAD_VALUE, &value.span, cause);
                Some(Some(50.0))
            }
            (CorrelationType::ValuePercentile, Some(node)) => {
                let percentile = self.number(node, "percentile")?;
                if !(0.0..=100.0).contains(&percentile) {
                    self.error(codes::BAD_VALUE, &node.span, "a percentile is a number from 0 to 100");
                    return None;
                }
                Some(Some(percentile))
            }
            (_, Some(node)) => {
                let cause = format!("`{}` has no `percentile`", kind.word());
                self.warning(codes::BAD_VALUE, &node.span, cause);
                Some(None)
            }
            (_, None) => Some(None),
        }
    }

    /// A number, also in quotes.
    pub(super) fn number(&mut self, node: &Node, key: &str) -> Option<f64> {
        let text = match node.scalar() {
            Some(Scalar::Number(text) | Scalar::Text(text)) => text,
            _ => "",
        };
        match text.trim().parse::<f64>() {
            Ok(number) if number.is_finite() => Some(number),
            _ => {
                let cause = format!("`{key}` must be a number, not {}", node.word());
                self.error(codes::WRONG_TYPE, &node.span, cause);
                None
            }
        }
    }

    /// What rules together cannot be asked.
    pub(super) fn check_temporal(
        &mut self,
        body: &Node,
        kind: CorrelationType,
        rules: &[Spanned<String>],
        condition: &CorrelationCondition,
    ) {
        let place = body.get("condition").map_or_else(|| head(body), |condition| condition.span.clone());
        let in_order = match condition {
            CorrelationCondition::Rules(condition) => {
                if !needs_something(condition, true) {
                    let cause =
                        "a condition that only says what must not be there has no event to begin with";
                    let help = "name a rule that must match, as in `fail and not pass`";
                    self.error_with_help(codes::BAD_VALUE, &place, cause, help);
                }
                all_in_order(condition, rules)
            }
            CorrelationCondition::Number { criteria, .. } => {
                if kind == CorrelationType::Temporal {
                    self.check_count(&place, criteria, rules.len() as f64);
                }
                criteria.as_slice() == [(Criterion::Gte, rules.len() as f64)]
            }
            _ => true,
        };
        if kind == CorrelationType::TemporalOrdered && !in_order {
            let cause =
                "`temporal_ordered` is about all of its rules in their order, and takes no other condition";
            let help = "leave the condition out, or write `temporal`";
            self.error_with_help(codes::BAD_VALUE, &place, cause, help);
        }
    }

    /// Whether something can be counted that passes: at least one, and at most so many.
    fn check_count(&mut self, span: &Range<usize>, criteria: &[(Criterion, f64)], most: f64) {
        if criteria.is_empty() || counts_that_pass(criteria, most) {
            return;
        }
        let cause = match most.is_finite() {
            true => format!("no count of {most} rules passes this condition"),
            false => "no count passes this condition".to_owned(),
        };
        let warning = Diagnostic::warning(codes::BAD_VALUE, self.file, span.clone(), cause);
        let help =
            "what is counted is a whole number from 1: a window in which nothing happens is no group's";
        self.diagnostics.push(warning.with_help(help));
    }

    pub(super) fn warning(&mut self, code: Code, span: &Range<usize>, cause: impl Into<String>) {
        self.diagnostics.push(Diagnostic::warning(code, self.file, span.clone(), cause));
    }
}

/// Whether a condition names a rule that must match.
fn needs_something(condition: &Condition, positive: bool) -> bool {
    match condition {
        Condition::Selection(_) | Condition::Of(..) => positive,
        Condition::Not(inner) => needs_something(inner, !positive),
        Condition::And(parts) | Condition::Or(parts) => {
            parts.iter().any(|part| needs_something(part, positive))
        }
    }
}

/// Whether a condition asks for all rules, in the order in which they are listed.
fn all_in_order(condition: &Condition, rules: &[Spanned<String>]) -> bool {
    let named = |condition: &Condition| match condition {
        Condition::Selection(name) => Some(name.value.clone()),
        _ => None,
    };
    let names: Option<Vec<String>> = match condition {
        Condition::And(parts) => parts.iter().map(named).collect(),
        one => named(one).map(|name| vec![name]),
    };
    names.is_some_and(|names| names.iter().eq(rules.iter().map(|rule| &rule.value)))
}

impl Criterion {
    /// Whether every count from 1 passes.
    fn holds_for_all_counts(self, bound: f64) -> bool {
        match self {
            Self::Gte => bound <= 1.0,
            Self::Gt => bound < 1.0,
            Self::Neq => bound < 1.0 || bound.fract() != 0.0,
            Self::Lt | Self::Lte | Self::Eq => false,
        }
    }
}

/// Whether a whole number from 1 to `most` passes.
fn counts_that_pass(criteria: &[(Criterion, f64)], most: f64) -> bool {
    // where any passes, one of these does: the least, each bound, and those on either side of it
    let around = |bound: f64| [bound.floor() - 1.0, bound.floor(), bound.ceil(), bound.ceil() + 1.0];
    let mut candidates = criteria.iter().flat_map(|(_, bound)| around(*bound)).chain([1.0]);
    candidates.any(|count| {
        (1.0..=most).contains(&count)
            && criteria.iter().all(|(criterion, bound)| criterion.holds(count, *bound))
    })
}

/// Whether the comparisons exclude each other.
fn holds_for_none(criteria: &[(Criterion, f64)]) -> bool {
    // where any number passes, one of these does: each bound, and one on either side of it
    let around = |bound: f64| {
        let step = bound.abs().max(1.0) * 1e-9;
        [bound - step, bound, bound + step]
    };
    let mut candidates = criteria.iter().flat_map(|(_, bound)| around(*bound));
    !criteria.is_empty()
        && !candidates.any(|number| criteria.iter().all(|(criterion, bound)| criterion.holds(number, *bound)))
}
