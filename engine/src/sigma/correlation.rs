//! A correlation document → its type, the rules that it is about, its groups, window and condition.
//!
//! In: the node of a document with a `correlation`. Out: a [`Correlation`], as it is written: the rules
//! are names here, and [`crate::correlate`] finds out which ones are meant. Nothing is ignored in
//! silence: a key that is not known is an error, a condition that no group could fail is pointed out.
//!
//! Beyond the letter of the specification (2.1.0): conditions may be ranges (`gt: 100, lte: 200`), numbers
//! may have fractions, and `temporal` types take an expression over rules (`fail and not pass`).

use std::ops::Range;
use std::sync::Arc;

use super::condition::{self, Condition};
use super::document::{Level, Reader, head, key, verbatim};
use super::value::Spanned;
use super::yaml::{Kind, Node, Scalar};
use crate::diagnostic::{Diagnostic, SourceFile, codes};
use crate::limits::{MAX_CORRELATED_RULES, MAX_TIMESPAN};

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

impl Reader<'_> {
    /// Reads a document with a `correlation`.
    pub(super) fn correlation(
        &mut self,
        node: &Node,
        body: &Node,
        top: &[(Node, Node)],
    ) -> Option<Correlation> {
        let title = self.mandatory_text(node, "title");
        let level = self.word(node, "level", Level::parse, &Level::ALL.map(Level::word));
        let Kind::Map(pairs) = &body.kind else {
            let cause = format!("`correlation` must be a mapping, not {}", body.word());
            self.error(codes::WRONG_TYPE, &body.span, cause);
            return None;
        };
        let kind = self.correlation_type(body)?;
        let of = match kind.value.has_history() {
            true => format!("`{}`", kind.value.word()),
            false => "a correlation".to_owned(),
        };
        self.known_keys(pairs, kind.value.known_keys(), &of);
        let (names, group_by) = (self.names(body, "rules"), self.names(body, "group-by"));
        let timespan = self.window(body, if kind.value.has_history() { "history" } else { "timespan" });
        let aliases = self.aliases(body);
        let read = |word: &str| match word {
            "group" => Some(true),
            "drop" => Some(false),
            _ => None,
        };
        let missing = self.word(body, "missing", read, &["drop", "group"]);
        let generate = self.generate(body).or_else(|| self.generate(node));
        let condition = match kind.value.has_history() {
            true => self.history_condition(body, kind.value, timespan).map(Given::Condition),
            false => self.correlation_condition(body, kind.value),
        };
        if body.get("group-by").is_none() {
            self.warning(codes::MISSING_KEY, &head(body), "without a `group-by` all matches are one group");
        }
        let rules = self.rules_of(body, names?, condition.as_ref());
        self.check_number(rules.as_deref().unwrap_or_default());
        if let (Some(rules), Some(Given::Condition(condition))) = (&rules, &condition) {
            self.check_temporal(body, kind.value, rules, condition);
        }
        Some(Correlation {
            file: Arc::clone(self.file),
            document: self.document,
            span: node.span.clone(),
            id: self.text(node, "id"),
            name: self.text(node, "name"),
            title: title?,
            status: self.status(node),
            level,
            description: self.text(node, "description"),
            author: self.text(node, "author"),
            tags: self.texts(node, "tags"),
            references: self.texts(node, "references"),
            falsepositives: self.texts(node, "falsepositives"),
            suppress: self.suppress_correlation(node),
            kind,
            condition: match condition? {
                Given::Condition(condition) => condition,
                // all of them
                Given::Nothing => CorrelationCondition::Number {
                    criteria: vec![(Criterion::Gte, rules.as_ref()?.len() as f64)],
                    fields: Vec::new(),
                    percentile: None,
                },
            },
            rules: rules?,
            group_by: group_by?,
            missing_is_a_group: missing == Some(true),
            timespan: timespan?,
            aliases: aliases?,
            generate,
            custom: self.custom(top),
        })
    }

    /// `suppress` of a correlation: its groups are what it is suppressed by.
    fn suppress_correlation(&mut self, node: &Node) -> Option<i64> {
        let value = node.get("suppress")?;
        let suppress = self.suppress(value)?;
        if let Some(by) = value.get("by") {
            let cause = "a correlation is suppressed by its groups, and `by` has no effect";
            self.warning(codes::BAD_VALUE, &by.span, cause);
        }
        if suppress.bucket > MAX_TIMESPAN {
            let cause = format!("a bucket of more than {} days", MAX_TIMESPAN / 86_400_000_000);
            self.error(codes::BAD_VALUE, &value.span, cause);
        }
        Some(suppress.bucket)
    }

    /// Whether the rules are few enough to be bits of a number.
    fn check_number(&mut self, rules: &[Spanned<String>]) {
        if let Some(beyond) = rules.get(MAX_CORRELATED_RULES) {
            let cause = format!("a correlation of more than {MAX_CORRELATED_RULES} rules");
            let help = "correlate parts of them, and then the parts";
            self.error_with_help(codes::BAD_VALUE, &beyond.span, cause, help);
        }
    }

    /// What rules together cannot be asked.
    fn check_temporal(
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

    fn correlation_type(&mut self, body: &Node) -> Option<Spanned<CorrelationType>> {
        let Some(value) = body.get("type") else {
            self.error(codes::MISSING_KEY, &head(body), "a correlation needs a `type`");
            return None;
        };
        let words = CorrelationType::ALL.map(CorrelationType::word);
        let kind = self.word(body, "type", CorrelationType::parse, &words)?;
        Some(Spanned { value: kind, span: value.span.clone() })
    }

    /// A list of names, or one name; `None` is a mistake.
    pub(super) fn names(&mut self, body: &Node, key: &'static str) -> Option<Vec<Spanned<String>>> {
        let Some(value) = body.get(key) else { return Some(Vec::new()) };
        let items = match &value.kind {
            Kind::List(items) => items.as_slice(),
            _ => std::slice::from_ref(value),
        };
        let mut names = Vec::with_capacity(items.len());
        for item in items {
            match item.text().filter(|text| !text.is_empty() && item.scalar() != Some(Scalar::Null)) {
                Some(text) => names.push(Spanned { value: text.to_owned(), span: item.span.clone() }),
                None => {
                    let cause = format!("`{key}` must be a list of names, this is {}", item.word());
                    self.error(codes::WRONG_TYPE, &item.span, cause);
                }
            }
        }
        (names.len() == items.len()).then_some(names)
    }

    fn window(&mut self, body: &Node, key: &str) -> Option<i64> {
        let help = format!("a number and s, m, h, d, w, M or y, as in `{key}: 15m`");
        let Some(value) = body.get(key) else {
            let cause = format!("a correlation of this type needs a `{key}`");
            self.error_with_help(codes::MISSING_KEY, &head(body), cause, &help);
            return None;
        };
        let span = self.span(value, key)?;
        if span > MAX_TIMESPAN {
            let cause = format!("a window of more than {} days", MAX_TIMESPAN / 86_400_000_000);
            let help = "what is remembered for so long is looked up in an archive, not kept at hand";
            self.error_with_help(codes::BAD_VALUE, &value.span, cause, help);
            return None;
        }
        Some(span)
    }

    fn generate(&mut self, node: &Node) -> Option<bool> {
        let value = node.get("generate")?;
        match value.scalar() {
            Some(Scalar::Bool(generate)) => Some(generate),
            _ => {
                let cause = format!("`generate` must be true or false, not {}", value.word());
                self.error(codes::WRONG_TYPE, &value.span, cause);
                None
            }
        }
    }

    fn aliases(&mut self, body: &Node) -> Option<Vec<CorrelationAlias>> {
        let Some(value) = body.get("aliases") else { return Some(Vec::new()) };
        let help = "as in `aliases: {user: {rule_a: UserName, rule_b: principal}}`";
        let Kind::Map(pairs) = &value.kind else {
            let cause = format!("`aliases` must be a mapping, not {}", value.word());
            self.error_with_help(codes::WRONG_TYPE, &value.span, cause, help);
            return None;
        };
        let mut aliases = Vec::with_capacity(pairs.len());
        for (name, of) in pairs {
            let Kind::Map(rules) = &of.kind else {
                let cause = format!("an alias must be a mapping of rules to fields, not {}", of.word());
                self.error_with_help(codes::WRONG_TYPE, &of.span, cause, help);
                continue;
            };
            let spanned = |node: &Node| Spanned {
                value: node.text().unwrap_or_default().to_owned(),
                span: node.span.clone(),
            };
            let mut fields = Vec::with_capacity(rules.len());
            for (rule, field) in rules {
                match (field.text(), field.scalar()) {
                    (Some(text), Some(Scalar::Text(_) | Scalar::Number(_))) => {
                        fields.push((spanned(rule), text.to_owned()));
                    }
                    _ => {
                        let cause = format!("a field is a name, not {}", field.word());
                        self.error_with_help(codes::WRONG_TYPE, &field.span, cause, help);
                    }
                }
            }
            aliases.push(CorrelationAlias { name: spanned(name), fields });
        }
        Some(aliases)
    }

    /// The rules: those listed, or those that the condition names.
    fn rules_of(
        &mut self,
        body: &Node,
        listed: Vec<Spanned<String>>,
        condition: Option<&Given>,
    ) -> Option<Vec<Spanned<String>>> {
        let named = match condition {
            Some(Given::Condition(CorrelationCondition::Rules(condition))) => {
                let mut named = Vec::new();
                self.named_rules(condition, &mut named)?;
                Some(named)
            }
            _ => None,
        };
        match (body.get("rules"), named) {
            (None, Some(named)) => Some(named),
            (None, None) => {
                let help = "`rules: [name-or-id]`, the rules whose matches are correlated";
                self.error_with_help(codes::MISSING_KEY, &head(body), "a correlation needs `rules`", help);
                None
            }
            (Some(value), _) if listed.is_empty() => {
                self.error(codes::BAD_VALUE, &value.span, "a correlation of no rule never matches");
                None
            }
            (Some(_), None) => Some(listed),
            (Some(_), Some(named)) => {
                let has = |names: &[Spanned<String>], name: &str| names.iter().any(|n| n.value == name);
                for rule in listed.iter().filter(|rule| !has(&named, &rule.value)) {
                    let cause = format!("the condition says nothing of `{}`", rule.value);
                    self.error(codes::UNUSED_SELECTION, &rule.span, cause);
                }
                for rule in named.iter().filter(|rule| !has(&listed, &rule.value)) {
                    let cause = format!("`{}` is not one of the `rules`", rule.value);
                    self.error(codes::UNKNOWN_RULE, &rule.span, cause);
                }
                Some(listed)
            }
        }
    }

    /// The rules that an expression names, each once.
    fn named_rules(&mut self, condition: &Condition, names: &mut Vec<Spanned<String>>) -> Option<()> {
        match condition {
            Condition::Selection(name) => {
                if names.iter().all(|known| known.value != name.value) {
                    names.push(name.clone());
                }
            }
            Condition::Not(inner) => self.named_rules(inner, names)?,
            Condition::And(branches) | Condition::Or(branches) => {
                for branch in branches {
                    self.named_rules(branch, names)?;
                }
            }
            Condition::Of(_, pattern) => {
                let cause = "a condition over rules has `and`, `or` and `not`, and no quantities";
                let help = "for `3 of them` write `condition: {gte: 3}`";
                self.error_with_help(codes::CONDITION_SYNTAX, &pattern.span, cause, help);
                return None;
            }
        }
        Some(())
    }

    fn correlation_condition(&mut self, body: &Node, kind: CorrelationType) -> Option<Given> {
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

    fn warning(&mut self, code: crate::diagnostic::Code, span: &Range<usize>, cause: impl Into<String>) {
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

/// A condition, or that there is none.
enum Given {
    Condition(CorrelationCondition),
    Nothing,
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
