//! A YAML document → a rule with its metadata, log source, selections and condition.
//!
//! In: the nodes of a file. Out: [`Document`]s and diagnostics. A document with an error is left out;
//! the others of the same file are not.

use std::ops::Range;
use std::sync::Arc;

use super::condition::{self, Condition};
use super::correlation::{self, AbsentCorrelation, Correlation};
use super::detection::{self, Detection, Selection};
use super::value::Spanned;
use super::yaml::{self, Kind, Node, Scalar};
use crate::diagnostic::{Code, Diagnostic, SourceFile, codes, known_words, nearest};

/// One document of a rule file.
#[derive(Debug, Clone)]
pub enum Document {
    /// A detection rule.
    Rule(Box<Rule>),
    /// A correlation of rules.
    Correlation(Box<Correlation>),
    /// A filter on rules.
    Filter(Box<Filter>),
}

/// A filter: what must hold beside the conditions of other rules.
#[derive(Debug, Clone)]
pub struct Filter {
    /// The file.
    pub file: Arc<SourceFile>,
    /// Where its title, or the document, stands.
    pub span: Range<usize>,
    /// `title`
    pub title: String,
    /// `logsource`: rules of this or a narrower one are meant.
    pub logsource: Spanned<Logsource>,
    /// The rules that are meant, by id or name; `None` for any.
    pub rules: Option<Vec<Spanned<String>>>,
    /// Its selections.
    pub selections: Vec<Selection>,
    /// What must hold. It is not negated: what is to be left out is written `not selection`.
    pub condition: Condition,
}

/// How bad it is when a rule matches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Level {
    /// Worth knowing; no reason to act.
    Informational,
    /// Notable.
    Low,
    /// To be looked at.
    Medium,
    /// To be looked at soon.
    High,
    /// To be looked at now.
    Critical,
}

impl Level {
    /// All levels, from the least.
    pub const ALL: [Self; 5] = [Self::Informational, Self::Low, Self::Medium, Self::High, Self::Critical];

    /// Its word.
    pub fn word(self) -> &'static str {
        match self {
            Self::Informational => "informational",
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
            Self::Critical => "critical",
        }
    }

    /// The level of that word, in any case.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|level| level.word().eq_ignore_ascii_case(word))
    }
}

/// Which logs a rule is for.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Logsource {
    /// `product`
    pub product: Option<String>,
    /// `service`
    pub service: Option<String>,
    /// `category`
    pub category: Option<String>,
}

impl std::fmt::Display for Logsource {
    /// `product/service`, with `category:` where there is one; `*` for what is left out.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let or_any = |attribute: &Option<String>| attribute.clone().unwrap_or_else(|| "*".into());
        write!(f, "{}/{}", or_any(&self.product), or_any(&self.service))?;
        match &self.category {
            Some(category) => write!(f, " category:{category}"),
            None => Ok(()),
        }
    }
}

/// How a rule's alerts are thinned out: at most one for equal values in a bucket of time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Suppress {
    /// The fields whose values must be equal.
    pub by: Vec<String>,
    /// The length of a bucket, in microseconds. Buckets are aligned to 1970.
    pub bucket: i64,
}

/// A detection rule.
#[derive(Debug, Clone)]
pub struct Rule {
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
    /// `license`
    pub license: Option<String>,
    /// `taxonomy`
    pub taxonomy: Option<String>,
    /// `date`
    pub date: Option<String>,
    /// `modified`
    pub modified: Option<String>,
    /// `references`
    pub references: Vec<String>,
    /// `falsepositives`
    pub falsepositives: Vec<String>,
    /// `fields`: what an alert should show.
    pub fields: Vec<String>,
    /// `logsource`
    pub logsource: Spanned<Logsource>,
    /// `logsource.definition`: what must be switched on so that the log has what the rule looks for.
    pub definition: Option<String>,
    /// The selections.
    pub selections: Vec<Selection>,
    /// The conditions; any of them is enough.
    pub conditions: Vec<Condition>,
    /// `suppress`
    pub suppress: Option<Suppress>,
    /// Keys that are not Sigma's, as JSON.
    pub custom: serde_json::Map<String, serde_json::Value>,
}

impl Rule {
    /// What the rule is known by: its id, else its name, else file and document.
    pub fn key(&self) -> String {
        key(self.id.as_ref(), self.name.as_ref(), &self.file, self.document)
    }
}

/// What a rule or correlation is known by: its id, else its name, else file and document.
pub(super) fn key(id: Option<&String>, name: Option<&String>, file: &SourceFile, document: usize) -> String {
    id.or(name).cloned().unwrap_or_else(|| format!("{}#{document}", file.name))
}

/// Top-level keys that mean something; any other is the author's own.
const KNOWN_KEYS: &[&str] = &[
    "title",
    "id",
    "related",
    "name",
    "taxonomy",
    "status",
    "description",
    "license",
    "author",
    "references",
    "date",
    "modified",
    "logsource",
    "detection",
    "fields",
    "falsepositives",
    "level",
    "tags",
    "scope",
    "correlation",
    "filter",
    "generate",
    "suppress",
];

const STATUSES: &[&str] = &["stable", "test", "experimental", "deprecated", "unsupported"];

/// Reads all documents of a rule file.
pub fn parse_documents(file: &Arc<SourceFile>) -> (Vec<Document>, Vec<Diagnostic>) {
    let ParsedFile { documents, diagnostics, .. } = parse_file(file);
    (documents, diagnostics)
}

/// What a rule file holds.
pub(crate) struct ParsedFile {
    /// The documents without an error.
    pub documents: Vec<Document>,
    /// The correlations with one.
    pub broken: Vec<AbsentCorrelation>,
    /// What there is to say.
    pub diagnostics: Vec<Diagnostic>,
}

/// Reads all documents of a rule file, and what is left of its correlations with errors.
pub(crate) fn parse_file(file: &Arc<SourceFile>) -> ParsedFile {
    let (nodes, mut diagnostics) = yaml::documents(file);
    let flawed = !diagnostics.is_empty();
    let (mut documents, mut absent) = (Vec::new(), Vec::new());
    for (number, node) in &nodes {
        if node.scalar() == Some(Scalar::Null) {
            continue;
        }
        let mut reader = Reader { file, document: *number, diagnostics: Vec::new() };
        let document = reader.document(node);
        let broken = reader.diagnostics.iter().any(|d| d.severity == crate::diagnostic::Severity::Error);
        diagnostics.append(&mut reader.diagnostics);
        if broken && let Some(body) = node.get("correlation") {
            absent.push(correlation::absent(file, *number, node, body));
        }
        documents.extend(document.filter(|_| !broken));
    }
    if !flawed && nodes.iter().all(|(_, node)| node.scalar() == Some(Scalar::Null)) {
        diagnostics.push(Diagnostic::warning(codes::NOT_A_RULE, file, 0..0, "the file holds no rule"));
    }
    ParsedFile { documents, broken: absent, diagnostics }
}

/// Reads a `suppress` that stands elsewhere than in a rule.
pub(crate) fn parse_suppress(value: &Node, file: &Arc<SourceFile>) -> Result<Suppress, Vec<Diagnostic>> {
    let mut reader = Reader { file, document: 1, diagnostics: Vec::new() };
    match reader.suppress(value) {
        Some(suppress) if reader.diagnostics.is_empty() => Ok(suppress),
        _ => Err(reader.diagnostics),
    }
}

pub(super) struct Reader<'f> {
    pub(super) file: &'f Arc<SourceFile>,
    pub(super) document: usize,
    pub(super) diagnostics: Vec<Diagnostic>,
}

impl Reader<'_> {
    pub(super) fn error(&mut self, code: Code, span: &Range<usize>, cause: impl Into<String>) {
        self.diagnostics.push(Diagnostic::error(code, self.file, span.clone(), cause));
    }

    pub(super) fn error_with_help(
        &mut self,
        code: Code,
        span: &Range<usize>,
        cause: impl Into<String>,
        help: &str,
    ) {
        self.diagnostics.push(Diagnostic::error(code, self.file, span.clone(), cause).with_help(help));
    }

    fn document(&mut self, node: &Node) -> Option<Document> {
        let Kind::Map(pairs) = &node.kind else {
            let cause = format!("a Sigma document is a mapping, this is {}", node.word());
            self.error(codes::NOT_A_RULE, &node.span, cause);
            return None;
        };
        if let Some(action) = node.get("action") {
            let help = "write each rule out in full, with YAML anchors for what they share";
            self.error_with_help(
                codes::OLD_SYNTAX,
                &action.span,
                "`action` is no longer part of Sigma",
                help,
            );
            return None;
        }
        let kinds = ["detection", "correlation", "filter"];
        let mut kinds = pairs.iter().filter(|(key, _)| key.text().is_some_and(|key| kinds.contains(&key)));
        if let (Some((first, _)), Some((second, _))) = (kinds.next(), kinds.next()) {
            let (first, second_name) = (first.text().unwrap_or_default(), second.text().unwrap_or_default());
            let cause = format!("a document has `{first}` or `{second_name}`, not both");
            let help = "separate two documents with a line of `---`";
            self.error_with_help(codes::NOT_A_RULE, &second.span.clone(), cause, help);
            return None;
        }
        if let Some(body) = node.get("correlation") {
            let correlation = self.correlation(node, body, pairs)?;
            return Some(Document::Correlation(Box::new(correlation)));
        }
        if let Some(body) = node.get("filter") {
            return self.filter(node, body).map(|filter| Document::Filter(Box::new(filter)));
        }
        if node.get("detection").is_none() && node.get("logsource").is_none() {
            let help = "a rule has at least `title`, `logsource` and `detection`";
            self.error_with_help(
                codes::NOT_A_RULE,
                &head(node),
                "neither a rule, a correlation nor a filter",
                help,
            );
            return None;
        }
        self.rule(node, pairs).map(|rule| Document::Rule(Box::new(rule)))
    }

    fn rule(&mut self, node: &Node, pairs: &[(Node, Node)]) -> Option<Rule> {
        let title = self.mandatory_text(node, "title");
        let level = self.word(node, "level", Level::parse, &Level::ALL.map(Level::word));
        let status = self.status(node);
        let logsource = self.logsource(node);
        let Some(body) = node.get("detection") else {
            self.error(codes::MISSING_KEY, &head(node), "a rule needs a `detection`");
            return None;
        };
        let (selections, conditions) = self.detection(body, &[])?;
        Some(Rule {
            file: Arc::clone(self.file),
            document: self.document,
            span: node.span.clone(),
            id: self.text(node, "id"),
            name: self.text(node, "name"),
            title: title?,
            status,
            level,
            description: self.text(node, "description"),
            author: self.text(node, "author"),
            tags: self.texts(node, "tags"),
            license: self.text(node, "license"),
            taxonomy: self.text(node, "taxonomy"),
            date: self.text(node, "date"),
            modified: self.text(node, "modified"),
            references: self.texts(node, "references"),
            falsepositives: self.texts(node, "falsepositives"),
            fields: self.texts(node, "fields"),
            logsource: logsource?,
            definition: node.get("logsource").and_then(|logsource| self.text(logsource, "definition")),
            selections,
            conditions,
            suppress: node.get("suppress").and_then(|value| self.suppress(value)),
            custom: self.custom(pairs),
        })
    }

    fn filter(&mut self, node: &Node, body: &Node) -> Option<Filter> {
        let title = self.mandatory_text(node, "title");
        let logsource = self.logsource(node);
        if !matches!(body.kind, Kind::Map(_)) {
            let cause = format!("`filter` must be a mapping, not {}", body.word());
            self.error(codes::WRONG_TYPE, &body.span, cause);
            return None;
        }
        let rules = self.filtered_rules(body);
        let (selections, mut conditions) = self.detection(body, &["rules"])?;
        if let Some(condition) = body.get("condition").filter(|condition| condition.scalar().is_none()) {
            self.error(codes::WRONG_TYPE, &condition.span, "a filter has one condition, a text");
        }
        let span = node.get("title").map_or(node.span.clone(), |title| title.span.clone());
        Some(Filter {
            file: Arc::clone(self.file),
            span,
            title: title?,
            logsource: logsource?,
            rules: rules?,
            selections,
            condition: conditions.pop()?,
        })
    }

    /// The rules that a filter is about: `any`, one, or a list. The outer `None` is a mistake.
    #[allow(clippy::option_option)]
    fn filtered_rules(&mut self, body: &Node) -> Option<Option<Vec<Spanned<String>>>> {
        let Some(value) = body.get("rules") else {
            let help = "`rules: any`, or a list of ids or names";
            self.error_with_help(codes::MISSING_KEY, &head(body), "a filter needs `rules`", help);
            return None;
        };
        let items = match &value.kind {
            Kind::List(items) => items.as_slice(),
            _ if value.text().is_some_and(|text| text.eq_ignore_ascii_case("any")) => return Some(None),
            _ => std::slice::from_ref(value),
        };
        if items.is_empty() {
            self.diagnostics.push(Diagnostic::warning(
                codes::BAD_VALUE,
                self.file,
                value.span.clone(),
                "an empty list of rules means any rule",
            ));
            return Some(None);
        }
        let mut rules = Vec::with_capacity(items.len());
        for item in items {
            match item.scalar() {
                Some(Scalar::Text(text)) => {
                    rules.push(Spanned { value: text.to_owned(), span: item.span.clone() })
                }
                _ => {
                    let cause = format!("a rule is named by its id or name, not by {}", item.word());
                    self.error(codes::WRONG_TYPE, &item.span, cause);
                }
            }
        }
        Some(Some(rules))
    }

    /// `status`, one of the known words.
    pub(super) fn status(&mut self, node: &Node) -> Option<String> {
        let read = |word: &str| STATUSES.iter().find(|s| s.eq_ignore_ascii_case(word)).map(|s| s.to_string());
        self.word(node, "status", read, STATUSES)
    }

    /// A key that must be there and be a text.
    pub(super) fn mandatory_text(&mut self, node: &Node, key: &'static str) -> Option<String> {
        if node.get(key).is_none() {
            self.error(codes::MISSING_KEY, &head(node), format!("a rule needs a `{key}`"));
        }
        self.text(node, key)
    }

    pub(super) fn text(&mut self, node: &Node, key: &'static str) -> Option<String> {
        let value = node.get(key)?;
        match (value.scalar(), value.text()) {
            (Some(Scalar::Null), _) => None,
            (Some(_), Some(text)) => Some(text.to_owned()),
            _ => {
                self.error(
                    codes::WRONG_TYPE,
                    &value.span,
                    format!("`{key}` must be a text, not {}", value.word()),
                );
                None
            }
        }
    }

    /// A list of texts; one text alone is a list of one.
    pub(super) fn texts(&mut self, node: &Node, key: &'static str) -> Vec<String> {
        let Some(value) = node.get(key) else { return Vec::new() };
        let items = match &value.kind {
            Kind::List(items) => items.as_slice(),
            _ => std::slice::from_ref(value),
        };
        let mut texts = Vec::with_capacity(items.len());
        for item in items {
            match (item.scalar(), item.text()) {
                (Some(Scalar::Null), _) => {}
                (_, Some(text)) => texts.push(text.to_owned()),
                (_, None) => {
                    let cause = format!("`{key}` must be a list of texts, this is {}", item.word());
                    self.error(codes::WRONG_TYPE, &item.span, cause);
                }
            }
        }
        texts
    }

    /// A key whose value must be one of a few words.
    pub(super) fn word<T>(
        &mut self,
        node: &Node,
        key: &'static str,
        read: impl Fn(&str) -> Option<T>,
        known: &[&str],
    ) -> Option<T> {
        let text = self.text(node, key)?;
        let value = read(&text);
        if value.is_none()
            && let Some(node) = node.get(key)
        {
            let help = format!("one of {}", known.join(", "));
            self.error_with_help(codes::BAD_VALUE, &node.span, format!("`{text}` is no {key}"), &help);
        }
        value
    }

    fn logsource(&mut self, node: &Node) -> Option<Spanned<Logsource>> {
        let Some(value) = node.get("logsource") else {
            self.error(codes::MISSING_KEY, &head(node), "a rule needs a `logsource`");
            return None;
        };
        let Kind::Map(pairs) = &value.kind else {
            self.error(
                codes::WRONG_TYPE,
                &value.span,
                format!("`logsource` must be a mapping, not {}", value.word()),
            );
            return None;
        };
        self.known_keys(pairs, &["product", "service", "category", "definition"], "a log source");
        let mut attribute = |key| self.text(value, key).map(|text| text.to_lowercase());
        let logsource = Logsource {
            product: attribute("product"),
            service: attribute("service"),
            category: attribute("category"),
        };
        if logsource == Logsource::default() {
            let cause = "a log source needs a `product`, `service` or `category`";
            self.error(codes::MISSING_KEY, &value.span, cause);
            return None;
        }
        Some(Spanned { value: logsource, span: value.span.clone() })
    }

    /// The selections and conditions under `detection` or `filter`; `beside` are keys that are neither.
    fn detection(&mut self, value: &Node, beside: &[&str]) -> Option<(Vec<Selection>, Vec<Condition>)> {
        let Kind::Map(pairs) = &value.kind else {
            self.error(
                codes::WRONG_TYPE,
                &value.span,
                format!("`detection` must be a mapping, not {}", value.word()),
            );
            return None;
        };
        let mut selections = Vec::new();
        let mut broken = false;
        for (key, node) in pairs {
            match key.text().unwrap_or_default() {
                "condition" => {}
                other if beside.contains(&other) => {}
                "timeframe" => {
                    let help = "the time span of a count belongs to a correlation rule (`timespan`)";
                    self.error_with_help(
                        codes::OLD_SYNTAX,
                        &key.span,
                        "`timeframe` is no longer part of a detection",
                        help,
                    );
                }
                name => match detection::parse(node, self.file) {
                    Ok(detection) => selections.push(Selection {
                        name: Spanned { value: name.to_owned(), span: key.span.clone() },
                        detection,
                    }),
                    Err(diagnostic) => {
                        self.diagnostics.push(diagnostic);
                        broken = true;
                    }
                },
            }
        }
        let conditions = self.conditions(value)?;
        if selections.is_empty() && !broken {
            self.error(codes::EMPTY_DETECTION, &value.span, "`detection` has no selection");
        }
        if !broken {
            self.check_selections(&selections, &conditions);
        }
        Some((selections, conditions))
    }

    fn conditions(&mut self, detection: &Node) -> Option<Vec<Condition>> {
        let Some(value) = detection.get("condition") else {
            self.error(codes::MISSING_KEY, &head(detection), "`detection` needs a `condition`");
            return None;
        };
        let nodes = match &value.kind {
            Kind::List(items) => items.as_slice(),
            _ => std::slice::from_ref(value),
        };
        let mut conditions = Vec::new();
        for node in nodes {
            let Some(text) = node.text().filter(|_| node.scalar() != Some(Scalar::Null)) else {
                self.error(
                    codes::WRONG_TYPE,
                    &node.span,
                    format!("a condition must be a text, not {}", node.word()),
                );
                continue;
            };
            match condition::parse(text, &node.span, verbatim(self.file, node, text), self.file) {
                Ok(condition) => conditions.push(condition),
                Err(diagnostic) => self.diagnostics.push(diagnostic),
            }
        }
        if nodes.is_empty() {
            self.error(codes::MISSING_KEY, &value.span, "the list of conditions is empty");
        }
        (!conditions.is_empty()).then_some(conditions)
    }

    /// Every name that a condition uses exists, every selection is used.
    fn check_selections(&mut self, selections: &[Selection], conditions: &[Condition]) {
        let mut used = vec![false; selections.len()];
        for condition in conditions {
            self.mark_used(condition, selections, &mut used);
        }
        for (selection, used) in selections.iter().zip(used) {
            if !used {
                let cause = format!("`{}` is never used by the condition", selection.name.value);
                let span = selection.name.span.clone();
                self.diagnostics.push(Diagnostic::warning(codes::UNUSED_SELECTION, self.file, span, cause));
            }
        }
    }

    fn mark_used(&mut self, condition: &Condition, selections: &[Selection], used: &mut [bool]) {
        match condition {
            Condition::Not(inner) => self.mark_used(inner, selections, used),
            Condition::And(branches) | Condition::Or(branches) => {
                branches.iter().for_each(|branch| self.mark_used(branch, selections, used));
            }
            Condition::Selection(name) => {
                match selections.iter().position(|selection| selection.name.value == name.value) {
                    Some(at) => used[at] = true,
                    None => self.unknown_selection(&name.value, &name.span, selections),
                }
            }
            Condition::Of(quantity, pattern) => {
                let covered: Vec<usize> = (0..selections.len())
                    .filter(|&i| pattern.value.covers(&selections[i].name.value))
                    .collect();
                covered.iter().for_each(|&i| used[i] = true);
                if covered.is_empty() {
                    self.unknown_selection(&pattern.value.to_string(), &pattern.span, selections);
                } else if let super::Quantity::AtLeast(n) = quantity
                    && *n > covered.len()
                {
                    let cause = format!("`{n} of {}`, but there are only {}", pattern.value, covered.len());
                    self.error(codes::CONDITION_SYNTAX, &pattern.span, cause);
                }
            }
        }
    }

    fn unknown_selection(&mut self, name: &str, span: &Range<usize>, selections: &[Selection]) {
        let names = || selections.iter().map(|selection| selection.name.value.as_str());
        let help = match nearest(name, names()) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("there are: {}", names().take(10).collect::<Vec<_>>().join(", ")),
        };
        self.error_with_help(
            codes::UNKNOWN_SELECTION,
            span,
            format!("there is no selection `{name}`"),
            &help,
        );
    }

    pub(super) fn suppress(&mut self, value: &Node) -> Option<Suppress> {
        let Kind::Map(pairs) = &value.kind else {
            self.error_with_help(
                codes::WRONG_TYPE,
                &value.span,
                "`suppress` must be a mapping",
                "`suppress: {by: [principal], for: 1h}`",
            );
            return None;
        };
        self.known_keys(pairs, &["by", "for"], "`suppress`");
        let by = self.texts(value, "by");
        let Some(bucket) = value.get("for") else {
            let help = "a number and s, m, h, d, w, M or y, as in `for: 1h`";
            self.error_with_help(codes::BAD_VALUE, &value.span, "`suppress` needs a `for`", help);
            return None;
        };
        let bucket = self.span(bucket, "for")?;
        Some(Suppress { by, bucket })
    }

    /// Only known keys may stand in a mapping.
    pub(super) fn known_keys(&mut self, pairs: &[(Node, Node)], known: &[&str], of: &str) {
        for (key, _) in pairs {
            let name = key.text().unwrap_or_default();
            if !known.contains(&name) {
                let (cause, help) = (format!("`{name}` is not part of {of}"), known_words(name, known));
                self.error_with_help(codes::UNKNOWN_KEY, &key.span, cause, &help);
            }
        }
    }

    /// A time span, in microseconds.
    pub(super) fn span(&mut self, node: &Node, key: &str) -> Option<i64> {
        let span = node.text().and_then(timespan);
        if span.is_none() {
            let help = format!("a number and s, m, h, d, w, M or y, as in `{key}: 1h`");
            self.error_with_help(codes::BAD_VALUE, &node.span, format!("`{key}` must be a time span"), &help);
        }
        span
    }

    /// The author's own keys, kept; one that looks like a misspelt key of Sigma is pointed out.
    pub(super) fn custom(&mut self, pairs: &[(Node, Node)]) -> serde_json::Map<String, serde_json::Value> {
        let mut custom = serde_json::Map::new();
        for (key, value) in pairs {
            let name = key.text().unwrap_or_default();
            if KNOWN_KEYS.contains(&name) {
                continue;
            }
            if let Some(near) = nearest(name, KNOWN_KEYS.iter().copied()) {
                let cause = format!("`{name}` is taken as a key of your own");
                let warning = Diagnostic::warning(codes::LIKE_A_KEY, self.file, key.span.clone(), cause);
                self.diagnostics.push(warning.with_help(format!("did you mean `{near}`?")));
            }
            custom.insert(name.to_owned(), node_to_json(value));
        }
        custom
    }
}

/// The first line of a node: what to underline when something is missing from it.
pub(super) fn head(node: &Node) -> Range<usize> {
    match &node.kind {
        Kind::Map(pairs) => pairs.first().map_or(node.span.clone(), |(key, _)| key.span.clone()),
        _ => node.span.clone(),
    }
}

/// Where a scalar's first character stands, if it stands in the file letter for letter.
pub(super) fn verbatim(file: &SourceFile, node: &Node, text: &str) -> Option<usize> {
    let written = file.text.get(node.span.clone())?;
    written.find(text).filter(|at| *at <= 1).map(|at| node.span.start + at)
}

/// `15m` → microseconds. Units: s, m, h, d, w, M, y; a year is 365.2425 days, as it is on average, and
/// a month the twelfth of it.
pub(crate) fn timespan(text: &str) -> Option<i64> {
    span_of_time(text).filter(|span| *span > 0)
}

/// The same, which may be nothing.
pub(crate) fn span_of_time(text: &str) -> Option<i64> {
    let unit = text.chars().last()?;
    let number: i64 = text[..text.len() - unit.len_utf8()].parse().ok().filter(|n| *n >= 0)?;
    let seconds = match unit {
        's' => 1,
        'm' => 60,
        'h' => 3_600,
        'd' => 86_400,
        'w' => 7 * 86_400,
        'M' => 2_629_746,
        'y' => 31_556_952,
        _ => return None,
    };
    number.checked_mul(seconds)?.checked_mul(1_000_000)
}

/// The documents of a YAML file as JSON: for files beside rules that have a form of their own.
///
/// # Errors
/// Where it is no YAML, with the place.
pub fn yaml_to_json(file: &Arc<SourceFile>) -> Result<Vec<serde_json::Value>, Box<Diagnostic>> {
    let (nodes, diagnostics) = super::yaml::documents(file);
    match diagnostics.into_iter().next() {
        Some(diagnostic) => Err(Box::new(diagnostic)),
        None => Ok(nodes.iter().map(|(_, node)| node_to_json(node)).collect()),
    }
}

pub(crate) fn node_to_json(node: &Node) -> serde_json::Value {
    match (&node.kind, node.scalar()) {
        (Kind::List(items), _) => items.iter().map(node_to_json).collect(),
        (Kind::Map(pairs), _) => {
            let pairs = pairs
                .iter()
                .map(|(key, value)| (key.text().unwrap_or_default().to_owned(), node_to_json(value)));
            serde_json::Value::Object(pairs.collect())
        }
        (_, Some(Scalar::Null) | None) => serde_json::Value::Null,
        (_, Some(Scalar::Bool(b))) => b.into(),
        (_, Some(Scalar::Number(number))) => serde_json::from_str(number).unwrap_or_else(|_| number.into()),
        (_, Some(Scalar::Text(text))) => text.into(),
    }
}

impl Detection {
    /// Calls `see` with every item.
    pub fn for_each_item<'d>(&'d self, see: &mut impl FnMut(&'d detection::FieldItem)) {
        match self {
            Self::All(items) | Self::Any(items) => items.iter().for_each(|item| item.for_each_item(see)),
            Self::Item(item) => see(item),
        }
    }
}
