//! A correlation as it is written: its type, the rules that it is about, its groups, window and condition.
//!
//! In: the node of a document with a `correlation`. Out: a [`Correlation`]: the rules are names here, and
//! [`crate::correlate`] finds out which ones are meant. Nothing is ignored in silence: a key that is not known is an
//! error, a condition that no group could fail is pointed out. Here stands what a correlation is; `read` reads its
//! keys, `condition` and `history` what it compares with.
//!
//! Beyond the letter of the specification (2.1.0): conditions may be ranges (`gt: 100, lte: 200`), numbers
//! may have fractions, and `temporal` types take an expression over rules (`fail and not pass`).

mod condition;
mod history;
mod read;

use std::ops::Range;
use std::sync::Arc;

pub(super) use read::absent;

use super::condition::Condition;
use super::document::{Level, key};
use super::value::Spanned;
use crate::diagnostic::SourceFile;

/// A rule over the matches of other rules.
#[derive(Debug, Clone)]
pub struct Correlation {
    /// The file.
    pub file: Arc<SourceFile>,
    /// The number of the document in its file, from 1.
    pub document: usize,
    /// The bytes of the document.
    pub span: Range<usize>,
    /// `id`
    pub id: Option<String>,
    /// `name`
    pub name: Option<String>,
    /// `title`
    pub title: String,
    /// `status`
    pub status: Option<String>,
    /// `level`
    pub level: Option<Level>,
    /// `description`
    pub description: Option<String>,
    /// `author`
    pub author: Option<String>,
    /// `tags`
    pub tags: Vec<String>,
    /// `references`
    pub references: Vec<String>,
    /// `falsepositives`
    pub falsepositives: Vec<String>,
    /// `suppress`: for how long, in microseconds, equal matches are one alert.
    pub suppress: Option<i64>,
    /// What is counted or looked for.
    pub kind: Spanned<CorrelationType>,
    /// The rules whose matches are looked at: ids, names, or titles, in the order given.
    pub rules: Vec<Spanned<String>>,
    /// The fields whose values make a group; with none, all matches are one group.
    pub group_by: Vec<Spanned<String>>,
    /// `missing: group`: events without one of these fields are a group of their own, and not left out.
    pub missing_is_a_group: bool,
    /// The length of the window, in microseconds. A match is in the window of another iff it is at most
    /// so much older. Of types with a history its length.
    pub timespan: i64,
    /// Names that stand for another field in each rule.
    pub aliases: Vec<CorrelationAlias>,
    /// When a group is an alert.
    pub condition: CorrelationCondition,
    /// Whether the rules raise alerts of their own, where that is said.
    pub generate: Option<bool>,
    /// Keys that are not Sigma's, as JSON.
    pub custom: serde_json::Map<String, serde_json::Value>,
}

impl Correlation {
    /// What it is known by: its id, else its name, else file and document.
    pub fn key(&self) -> String {
        key(self.id.as_ref(), self.name.as_ref(), &self.file, self.document)
    }

    /// What is left of it where it does not run.
    pub(crate) fn absent(&self, is_broken: bool) -> AbsentCorrelation {
        AbsentCorrelation {
            key: self.key(),
            file: Arc::clone(&self.file),
            span: self.kind.span.clone(),
            rules: self.rules.clone(),
            generate: self.generate,
            is_broken,
        }
    }
}

/// What is left of a correlation that does not run, so that its rules are no louder without it than with it.
#[derive(Debug, Clone)]
pub(crate) struct AbsentCorrelation {
    /// What it is known by.
    pub key: String,
    /// The file.
    pub file: Arc<SourceFile>,
    /// Where its type stands, or it begins.
    pub span: Range<usize>,
    /// Its rules, as far as they can be read, each once.
    pub rules: Vec<Spanned<String>>,
    /// Whether they raise alerts of their own, where that is said.
    pub generate: Option<bool>,
    /// It has an error; else it is switched off.
    pub is_broken: bool,
}

/// What a correlation looks at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CorrelationType {
    /// The number of events.
    EventCount,
    /// The number of different values of a field, or of tuples of several.
    ValueCount,
    /// All rules match.
    Temporal,
    /// All rules match in the order given.
    TemporalOrdered,
    /// The sum of a field's values.
    ValueSum,
    /// Their mean.
    ValueAvg,
    /// A percentile of them.
    ValuePercentile,
    /// Their median: the 50th percentile.
    ValueMedian,
    /// Values that a group has not had before; not Sigma's.
    NewTerms,
    /// Places too far apart for the time between; not Sigma's.
    ImpossibleTravel,
    /// Far above what the group does at other times; not Sigma's.
    RateBaseline,
}

impl CorrelationType {
    /// All types.
    pub const ALL: [Self; 11] = [
        Self::EventCount,
        Self::ValueCount,
        Self::Temporal,
        Self::TemporalOrdered,
        Self::ValueSum,
        Self::ValueAvg,
        Self::ValuePercentile,
        Self::ValueMedian,
        Self::NewTerms,
        Self::ImpossibleTravel,
        Self::RateBaseline,
    ];

    /// Its word.
    pub fn word(self) -> &'static str {
        match self {
            Self::EventCount => "event_count",
            Self::ValueCount => "value_count",
            Self::Temporal => "temporal",
            Self::TemporalOrdered => "temporal_ordered",
            Self::ValueSum => "value_sum",
            Self::ValueAvg => "value_avg",
            Self::ValuePercentile => "value_percentile",
            Self::ValueMedian => "value_median",
            Self::NewTerms => "new_terms",
            Self::ImpossibleTravel => "impossible_travel",
            Self::RateBaseline => "rate_baseline",
        }
    }

    /// The type of that word, in any case.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.word().eq_ignore_ascii_case(word))
    }

    /// Whether it asks which rules match, and not how much.
    pub fn is_temporal(self) -> bool {
        matches!(self, Self::Temporal | Self::TemporalOrdered)
    }

    /// Whether it looks back at a history: a type that Sigma does not have.
    pub fn has_history(self) -> bool {
        matches!(self, Self::NewTerms | Self::ImpossibleTravel | Self::RateBaseline)
    }

    /// Whether the condition names a field whose values are looked at.
    fn has_field(self) -> bool {
        !self.is_temporal() && !self.has_history() && self != Self::EventCount
    }

    fn known_keys(self) -> &'static [&'static str] {
        match self {
            Self::NewTerms => &[
                "type",
                "rules",
                "group-by",
                "missing",
                "aliases",
                "generate",
                "field",
                "history",
                "warmup",
                "idle_only",
            ],
            Self::ImpossibleTravel => {
                &["type", "rules", "group-by", "missing", "aliases", "generate", "history", "condition"]
            }
            Self::RateBaseline => &[
                "type",
                "rules",
                "group-by",
                "missing",
                "aliases",
                "generate",
                "field",
                "bucket",
                "history",
                "warmup",
                "condition",
            ],
            _ => &["type", "rules", "group-by", "missing", "timespan", "condition", "aliases", "generate"],
        }
    }
}

/// A name that stands for another field in each rule: `user` for `userIdentity.arn` in one and for
/// `principalEmail` in another.
#[derive(Debug, Clone)]
pub struct CorrelationAlias {
    /// The name, as it stands under `group-by` or in the condition's `field`.
    pub name: Spanned<String>,
    /// Rule and field.
    pub fields: Vec<(Spanned<String>, String)>,
}

/// How a count or value is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Criterion {
    /// Less.
    Lt,
    /// Less or equal.
    Lte,
    /// Greater.
    Gt,
    /// Greater or equal.
    Gte,
    /// Equal.
    Eq,
    /// Not equal.
    Neq,
}

impl Criterion {
    const ALL: [Self; 6] = [Self::Lt, Self::Lte, Self::Gt, Self::Gte, Self::Eq, Self::Neq];

    /// Its key.
    pub fn word(self) -> &'static str {
        match self {
            Self::Lt => "lt",
            Self::Lte => "lte",
            Self::Gt => "gt",
            Self::Gte => "gte",
            Self::Eq => "eq",
            Self::Neq => "neq",
        }
    }

    /// Whether a number passes.
    pub fn holds(self, number: f64, bound: f64) -> bool {
        match self {
            Self::Lt => number < bound,
            Self::Lte => number <= bound,
            Self::Gt => number > bound,
            Self::Gte => number >= bound,
            Self::Eq => number == bound,
            Self::Neq => number != bound,
        }
    }
}

/// When a group is an alert.
#[derive(Debug, Clone)]
pub enum CorrelationCondition {
    /// A number passes all of these.
    Number {
        /// Comparisons; two are a range.
        criteria: Vec<(Criterion, f64)>,
        /// The fields whose values are looked at; several are a tuple.
        fields: Vec<Spanned<String>>,
        /// Which percentile, from 0 to 100.
        percentile: Option<f64>,
    },
    /// Which rules match and which do not.
    Rules(Condition),
    /// A term that is new to the group.
    NewTerms {
        /// The fields whose values are a term.
        fields: Vec<Spanned<String>>,
        /// How long the group must have been known, in microseconds.
        min_age: i64,
        /// How many events it must have had.
        min_events: f64,
        /// A term that returns after so long, in microseconds, and not one that is new.
        idle: Option<i64>,
    },
    /// Two places, one match after the other.
    ImpossibleTravel {
        /// Kilometres an hour.
        min_speed_kmh: f64,
        /// Kilometres.
        min_distance_km: f64,
    },
    /// A bucket far above the group's others.
    RateBaseline {
        /// What is summed; without it events are counted.
        field: Option<Spanned<String>>,
        /// The length of a bucket, in microseconds.
        bucket: i64,
        /// How many buckets make a baseline.
        min_buckets: f64,
        /// The least sum or count that is told.
        min_value: f64,
        /// How many times the median it must be.
        min_ratio: f64,
        /// How many robust standard deviations it must be above the median.
        min_score: f64,
    },
}
