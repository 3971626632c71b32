//! Expectations: what a backtest must come to, for a build that stops where it does not.
//!
//! In: a YAML file and a report. Out: one [`Check`] for each expectation, and all of them as JUnit.
//!
//! ```yaml
//! expect:
//! - rule: aws-root-usage            # id, name or title
//!   alerts: 3                       # or {min: 1, max: 10}
//! - rule: noisy rule
//!   precision: {min: 0.5}           # with a labels file
//! - rule: block of a correlation
//!   hits: {min: 1}                  # it raises no alerts
//! total: {max: 200}                 # all alerts
//! score: {precision: {min: 0.9}, recall: {min: 0.8}, time_to_detect: {max: 900}}
//! diff: {only_a: {max: 0}, only_b: {max: 5}}
//! ```

use std::fmt::Write as _;
use std::sync::Arc;

use serde::Deserialize;
use virga_engine::diagnostic::SourceFile;
use virga_engine::sigma::yaml_to_json;

use crate::labels::Score;
use crate::report::{Report, RuleReport};

/// What is expected.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Expectations {
    #[serde(default)]
    expect: Vec<OfRule>,
    total: Option<Bound>,
    score: Option<OfScore>,
    diff: Option<OfDiff>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct OfRule {
    rule: String,
    alerts: Option<Bound>,
    /// Of a building block.
    hits: Option<Bound>,
    precision: Option<Bound>,
    recall: Option<Bound>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct OfScore {
    precision: Option<Bound>,
    recall: Option<Bound>,
    /// Seconds.
    time_to_detect: Option<Bound>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct OfDiff {
    only_a: Option<Bound>,
    only_b: Option<Bound>,
}

/// A number, or between which it must lie.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(untagged)]
enum Bound {
    Exactly(f64),
    Between(Between),
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields)]
struct Between {
    min: Option<f64>,
    max: Option<f64>,
}

impl Bound {
    fn holds(self, value: f64) -> bool {
        match self {
            Self::Exactly(wanted) => value == wanted,
            Self::Between(Between { min, max }) => {
                min.is_none_or(|min| value >= min) && max.is_none_or(|max| value <= max)
            }
        }
    }
}

impl Bound {
    /// Whether it lets everything pass, or nothing.
    fn is_void(self) -> bool {
        match self {
            Self::Exactly(_) => false,
            Self::Between(Between { min: Some(min), max: Some(max) }) => min > max,
            Self::Between(Between { min, max }) => min.or(max).is_none(),
        }
    }
}

impl std::fmt::Display for Bound {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Exactly(wanted) => write!(f, "{wanted}"),
            Self::Between(Between { min: Some(min), max: Some(max) }) => write!(f, "{min} to {max}"),
            Self::Between(Between { min: Some(min), .. }) => write!(f, "at least {min}"),
            Self::Between(Between { max: Some(max), .. }) => write!(f, "at most {max}"),
            Self::Between(_) => write!(f, "any"),
        }
    }
}

/// How an expectation came out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Check {
    /// What is expected of what.
    pub name: String,
    /// What is there instead, where it does not hold.
    pub failure: Option<String>,
}

impl Check {
    fn new(name: String, bound: Bound, value: Option<f64>) -> Self {
        let failure = match value {
            Some(value) if bound.holds(value) => None,
            Some(value) => Some(format!("expected {bound}, got {value}")),
            None => Some(format!("expected {bound}, and there is nothing to tell it from")),
        };
        Self { name, failure }
    }
}

impl Expectations {
    /// Reads a file.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(file: &Arc<SourceFile>) -> Result<Self, String> {
        let mut documents = yaml_to_json(file).map_err(|error| error.to_string())?;
        let at = |error: &dyn std::fmt::Display| format!("{}: {error}", file.name);
        match (documents.pop(), documents.is_empty()) {
            (Some(one), true) => {
                let read: Self = serde_json::from_value(one).map_err(|error| at(&error))?;
                read.verify().map_err(|error| at(&error))?;
                Ok(read)
            }
            _ => Err(at(&"one YAML document with `expect`, `total`, `score` or `diff` is needed")),
        }
    }

    /// What expects nothing, or what nothing can be, is a mistake: it would let every build pass, or none.
    fn verify(&self) -> Result<(), String> {
        let (score, diff) = (self.score.as_ref(), self.diff.as_ref());
        let each = self.expect.iter().map(|rule| {
            (format!("`{}`", rule.rule), vec![rule.alerts, rule.hits, rule.precision, rule.recall])
        });
        let score = score.map(|s| ("`score`".to_owned(), vec![s.precision, s.recall, s.time_to_detect]));
        let diff = diff.map(|d| ("`diff`".to_owned(), vec![d.only_a, d.only_b]));
        let total = self.total.map(|total| ("`total`".to_owned(), vec![Some(total)]));
        let all: Vec<_> = each.chain(score).chain(diff).chain(total).collect();
        if all.is_empty() {
            return Err("nothing is expected".to_owned());
        }
        for (of, bounds) in all {
            if bounds.iter().all(Option::is_none) {
                return Err(format!("nothing is expected of {of}"));
            }
            if let Some(bound) = bounds.into_iter().flatten().find(|bound| bound.is_void()) {
                return Err(format!(
                    "{of} cannot be {bound}: `min` or `max` is needed, and `min` not above `max`"
                ));
            }
        }
        Ok(())
    }

    /// Holds them against a report. `known` says whether there is a rule of an id, name or title, and which.
    pub fn check(&self, report: &Report, known: &dyn Fn(&str) -> Option<String>) -> Vec<Check> {
        let mut checks = Vec::new();
        let Some(set) = report.sets.first() else { return checks };
        for wanted in &self.expect {
            let Some(id) = known(&wanted.rule) else {
                let failure = Some("there is no such rule in the rule set".to_owned());
                checks.push(Check { name: wanted.rule.clone(), failure });
                continue;
            };
            checks.extend(wanted.check(set.rules.iter().find(|rule| rule.id == id)));
        }
        if let Some(bound) = self.total {
            checks.push(Check::new("all alerts".into(), bound, Some(set.alerts as f64)));
        }
        if let Some(wanted) = &self.score {
            checks.extend(wanted.check(set.score.as_ref()));
        }
        if let Some(wanted) = &self.diff {
            let diff = report.diff.as_ref();
            let only = [
                ("only in A", wanted.only_a, diff.map(|d| d.only_a)),
                ("only in B", wanted.only_b, diff.map(|d| d.only_b)),
            ];
            for (name, bound, value) in only {
                checks.extend(bound.map(|bound| Check::new(name.into(), bound, value.map(|v| v as f64))));
            }
        }
        checks
    }
}

impl OfRule {
    fn check(&self, rule: Option<&RuleReport>) -> Vec<Check> {
        let score = rule.and_then(|rule| rule.score.as_ref());
        let alerts = rule.map_or(0, |rule| rule.alerts);
        let hits = rule.map_or(Some(0), |rule| rule.hits);
        let all = [
            ("alerts", self.alerts, Some(alerts as f64)),
            ("hits", self.hits, hits.map(|hits| hits as f64)),
            ("precision", self.precision, score.and_then(|score| score.precision)),
            ("recall", self.recall, score.and_then(|score| score.recall)),
        ];
        let each = all.into_iter();
        each.filter_map(|(what, bound, value)| {
            Some(Check::new(format!("{}: {what}", self.rule), bound?, value))
        })
        .collect()
    }
}

impl OfScore {
    fn check(&self, score: Option<&Score>) -> Vec<Check> {
        let all = [
            ("precision", self.precision, score.and_then(|score| score.precision)),
            ("recall", self.recall, score.and_then(|score| score.recall)),
            ("time to detect", self.time_to_detect, score.and_then(|score| score.time_to_detect)),
        ];
        let each = all.into_iter();
        each.filter_map(|(what, bound, value)| Some(Check::new(format!("all rules: {what}"), bound?, value)))
            .collect()
    }
}

/// Checks as JUnit, as build servers read it.
pub fn junit(checks: &[Check], seconds: f64) -> String {
    let failures = checks.iter().filter(|check| check.failure.is_some()).count();
    let mut out = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    let tests = checks.len();
    // writing to a String cannot fail
    let _ = writeln!(out, "<testsuites tests=\"{tests}\" failures=\"{failures}\" time=\"{seconds:.3}\">");
    let _ = writeln!(
        out,
        "  <testsuite name=\"virga backtest\" tests=\"{tests}\" failures=\"{failures}\" errors=\"0\" time=\"{seconds:.3}\">"
    );
    for check in checks {
        let name = escape(&check.name);
        let _ = match &check.failure {
            None => writeln!(out, "    <testcase classname=\"backtest\" name=\"{name}\"/>"),
            Some(failure) => writeln!(
                out,
                "    <testcase classname=\"backtest\" name=\"{name}\"><failure message=\"{}\"/></testcase>",
                escape(failure)
            ),
        };
    }
    out + "  </testsuite>\n</testsuites>\n"
}

/// A text for XML and HTML: what it must not hold is replaced.
pub(crate) fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            '\t' | '\n' => out.push(c),
            // of control characters XML knows no escape; those that turn the direction of a line mislead
            c if c.is_control()
                || matches!(c, '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}' | '\u{FFFE}' | '\u{FFFF}') =>
            {
                out.push('\u{FFFD}');
            }
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_are_numbers_or_ranges() {
        let bound = |text: &str| serde_json::from_str::<Bound>(text).expect("a bound");
        for (text, value, holds) in [
            ("3", 3.0, true),
            ("3", 4.0, false),
            ("{\"min\":1}", 1.0, true),
            ("{\"min\":1,\"max\":2}", 2.1, false),
        ] {
            assert_eq!(bound(text).holds(value), holds, "{text} {value}");
        }
        assert!(serde_json::from_str::<Bound>("{\"least\":1}").is_err());
    }

    #[test]
    fn what_expects_nothing_or_what_cannot_be_is_a_mistake() {
        let parse = |text: &str| {
            let file = SourceFile { name: "expect.yml".into(), text: text.into() };
            Expectations::parse(&Arc::new(file)).map(|_| ())
        };
        for (text, word) in [
            ("expect: [{rule: a}]", "of `a`"),
            ("expect: [{rule: a, alerts: }]", "of `a`"),
            ("expect: [{rule: a, alerts: {}}]", "cannot be any"),
            ("expect: [{rule: a, hits: {min: }}]", "cannot be any"),
            ("total: {min: 5, max: 1}", "cannot be 5 to 1"),
            ("score: {}", "of `score`"),
            ("diff: {}", "of `diff`"),
            ("expect: []", "nothing is expected"),
            ("{}", "nothing is expected"),
        ] {
            let error = parse(text).expect_err(text);
            assert!(error.contains(word) && error.starts_with("expect.yml"), "{text}: {error}");
        }
        for text in ["total: 0", "expect: [{rule: a, recall: {min: 1}}]", "diff: {only_b: {max: 0}}"] {
            assert_eq!(parse(text), Ok(()), "{text}");
        }
    }

    #[test]
    fn junit_is_xml_whatever_a_rule_is_called() {
        let checks = [
            Check { name: "a <b> & \"c\"\u{1b}".into(), failure: None },
            Check { name: "d".into(), failure: Some("expected 1, got 2".into()) },
        ];
        let text = junit(&checks, 1.5);
        assert!(text.contains("name=\"a &lt;b&gt; &amp; &quot;c&quot;\u{FFFD}\"/>"), "{text}");
        assert!(text.contains("tests=\"2\" failures=\"1\""), "{text}");
        assert!(text.contains("<failure message=\"expected 1, got 2\"/>"), "{text}");
    }
}
