//! The keys of a correlation.
//!
//! In: the nodes of a document. Out: a [`Correlation`], or diagnostics with their places, and what is left of it.

use std::collections::HashSet;
use std::sync::Arc;

use super::condition::Given;
use super::{
    AbsentCorrelation, Correlation, CorrelationAlias, CorrelationCondition, CorrelationType, Criterion,
};
use crate::diagnostic::{SourceFile, codes};
use crate::limits::{MAX_CORRELATED_RULES, MAX_SILENCED_RULES, MAX_TIMESPAN};
use crate::sigma::condition::{self, Condition};
use crate::sigma::document::{Level, Reader, head, key, verbatim};
use crate::sigma::value::Spanned;
use crate::sigma::yaml::{Kind, Node, Scalar};

/// What is left of a correlation with errors, which are told already.
pub(in crate::sigma) fn absent(
    file: &Arc<SourceFile>,
    document: usize,
    node: &Node,
    body: &Node,
) -> AbsentCorrelation {
    let mut reader = Reader { file, document, diagnostics: Vec::new() };
    let name = |item: &Node| Some(Spanned { value: item.text()?.to_owned(), span: item.span.clone() });
    let mut rules: Vec<Spanned<String>> = match body.get("rules").map(|rules| &rules.kind) {
        Some(Kind::List(items)) => items.iter().filter_map(name).collect(),
        Some(_) => body.get("rules").and_then(name).into_iter().collect(),
        None => Vec::new(),
    };
    // those that the condition names, where none are listed
    if rules.is_empty()
        && let Some(value) = body.get("condition")
        && let Some(Scalar::Text(text)) = value.scalar()
        && let Ok(condition) = condition::parse(text, &value.span, verbatim(file, value, text), file)
    {
        let _quantities_are_told = reader.named_rules(&condition, &mut rules);
    }
    let mut known = HashSet::new();
    rules.retain(|rule| known.len() < MAX_SILENCED_RULES && known.insert(rule.value.clone()));
    let text = |key: &str| Some(node.get(key)?.text()?.to_owned());
    AbsentCorrelation {
        key: key(text("id").as_ref(), text("name").as_ref(), file, document),
        file: Arc::clone(file),
        span: body.get("type").map_or_else(|| head(body), |kind| kind.span.clone()),
        rules,
        generate: reader.generate(body).or_else(|| reader.generate(node)),
        is_broken: true,
    }
}

impl Reader<'_> {
    /// Reads a document with a `correlation`.
    pub(in crate::sigma) fn correlation(
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
}
