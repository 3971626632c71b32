//! YAML → a pipeline.
//!
//! In: the text of a file. Out: a [`Pipeline`], or every mistake in it with its place. Nothing is
//! passed over: a key that is not known, a transformation that does not exist or is about the text of
//! a query is an error that names it.

use std::collections::HashSet;
use std::ops::Range;
use std::sync::Arc;

use regex::RegexBuilder;

use super::conditions::{FieldConditions, ItemConditions, RuleConditions};
use super::{Pipeline, ProcessingItem, Vars, transformations};
use crate::diagnostic::{Code, Diagnostic, SourceFile, codes, known_words};
use crate::limits::{MAX_PIPELINE_ITEMS, MAX_REGEX_BYTES};
use crate::sigma::yaml::{self, Kind, Node, Scalar};

/// Reads a pipeline.
///
/// # Errors
/// Everything that is wrong with it.
pub fn parse_pipeline(file: &Arc<SourceFile>) -> Result<Pipeline, Vec<Diagnostic>> {
    let (nodes, diagnostics) = yaml::documents(file);
    if !diagnostics.is_empty() {
        return Err(diagnostics);
    }
    let nodes: Vec<&Node> =
        nodes.iter().map(|(_, node)| node).filter(|node| node.scalar() != Some(Scalar::Null)).collect();
    let [node] = nodes.as_slice() else {
        let cause = format!("a pipeline is one document, the file holds {}", nodes.len());
        return Err(vec![Diagnostic::error(codes::WRONG_TYPE, file, 0..0, cause)]);
    };
    let mut reader = Reader { file, diagnostics: Vec::new(), items: 0 };
    let pipeline = reader.pipeline(node);
    match pipeline {
        Some(pipeline) if reader.diagnostics.is_empty() => Ok(pipeline),
        _ => Err(reader.diagnostics),
    }
}

struct Reader<'f> {
    file: &'f Arc<SourceFile>,
    diagnostics: Vec<Diagnostic>,
    items: usize,
}

impl Reader<'_> {
    fn pipeline(&mut self, node: &Node) -> Option<Pipeline> {
        let mut keys = self.kept(Parameters::new(node, self.file, "a pipeline"))?;
        let name = keys.text("name");
        let priority = keys.number("priority");
        let vars = keys.vars();
        // backends are about queries: there is one engine here, and it is meant
        let _ = keys.take("allowed_backends");
        let items = keys.take("transformations");
        for about_queries in ["postprocessing", "finalizers"] {
            let Some((key, value)) = keys.pair(about_queries) else { continue };
            let items = match &value.kind {
                Kind::List(items) => items.as_slice(),
                _ => std::slice::from_ref(value),
            };
            for item in items {
                let kind = item.get("type").and_then(Node::text).unwrap_or(about_queries);
                let cause = format!("`{kind}` changes the text of a query, and Virga makes none");
                self.error(codes::UNSUPPORTED_TRANSFORMATION, &key.span, cause);
            }
        }
        let unknown = keys.unknown();
        let (name, priority, vars) = (self.kept(name), self.kept(priority), self.kept(vars));
        self.diagnostics.extend(unknown);
        let items = items.map_or(Some(Vec::new()), |items| self.items(items, ""));
        Some(Pipeline {
            name: name?.unwrap_or_else(|| self.file.name.clone()),
            priority: priority?.unwrap_or(0.0),
            file: Arc::clone(self.file),
            vars: vars?,
            items: items?,
        })
    }

    fn error(&mut self, code: Code, span: &Range<usize>, cause: impl Into<String>) {
        self.diagnostics.push(Diagnostic::error(code, self.file, span.clone(), cause));
    }

    /// The value, or its diagnostic kept.
    fn kept<T>(&mut self, result: Result<T, Box<Diagnostic>>) -> Option<T> {
        result.map_err(|diagnostic| self.diagnostics.push(*diagnostic)).ok()
    }

    fn items(&mut self, node: &Node, within: &str) -> Option<Vec<ProcessingItem>> {
        let Kind::List(nodes) = &node.kind else {
            let cause = format!("this must be a list of processing items, not {}", node.word());
            self.error(codes::WRONG_TYPE, &node.span, cause);
            return None;
        };
        self.items += nodes.len();
        if self.items > MAX_PIPELINE_ITEMS {
            let cause = format!("a pipeline may have {MAX_PIPELINE_ITEMS} items");
            self.error(codes::TOO_LARGE, &node.span, cause);
            return None;
        }
        let items: Vec<Option<ProcessingItem>> = nodes
            .iter()
            .enumerate()
            .map(|(number, node)| self.item(node, format!("{within}{}", number + 1)))
            .collect();
        // all of them are read, so that all mistakes are told at once
        items.into_iter().collect()
    }

    fn item(&mut self, node: &Node, number: String) -> Option<ProcessingItem> {
        let mut keys = self.kept(Parameters::new(node, self.file, "a processing item"))?;
        let kind = self.kept(keys.required_text("type"))?;
        let id = keys.text("id");
        let id = self.kept(id)?.filter(|id| !id.is_empty());
        let rule_conditions = RuleConditions::read(&mut keys);
        let item_conditions = ItemConditions::read(&mut keys);
        let field_conditions = FieldConditions::read(&mut keys);
        let nested = match kind.value.as_str() {
            "nest" => match keys.take("items") {
                Some(items) => Some(self.items(items, &format!("{number}."))),
                None => {
                    self.error(codes::MISSING_KEY, &node.span, "`nest` needs `items`");
                    None
                }
            },
            _ => None,
        };
        let transformation = match nested {
            Some(items) => items.map(transformations::nest),
            None if kind.value == "nest" => None,
            None => self.kept(transformations::read(&kind, &mut keys)),
        };
        // a kind that does not exist says nothing of which keys it has
        if transformation.is_some() {
            self.diagnostics.extend(keys.unknown());
        }
        Some(ProcessingItem {
            id,
            number,
            rule_conditions: self.kept(rule_conditions)?,
            item_conditions: self.kept(item_conditions)?,
            field_conditions: self.kept(field_conditions)?,
            transformation: transformation?,
        })
    }
}

/// A text with its place.
pub(super) struct Placed {
    pub value: String,
    pub span: Range<usize>,
}

/// The keys of a mapping, taken one by one; what nobody takes is unknown.
pub(super) struct Parameters<'n> {
    pairs: &'n [(Node, Node)],
    span: Range<usize>,
    pub file: &'n Arc<SourceFile>,
    of: String,
    known: HashSet<&'static str>,
}

type Read<T> = Result<T, Box<Diagnostic>>;

impl<'n> Parameters<'n> {
    pub fn new(node: &'n Node, file: &'n Arc<SourceFile>, of: &str) -> Read<Self> {
        match &node.kind {
            Kind::Map(pairs) => {
                Ok(Self { pairs, span: head(node), file, of: of.to_owned(), known: HashSet::new() })
            }
            _ => Err(wrong_type(file, node, &format!("{of} must be a mapping, not {}", node.word()))),
        }
    }

    /// What the keys are of, for messages.
    pub fn name(&mut self, of: &str) {
        of.clone_into(&mut self.of);
    }

    pub fn pair(&mut self, key: &'static str) -> Option<&'n (Node, Node)> {
        self.known.insert(key);
        self.pairs.iter().find(|(name, _)| name.text() == Some(key))
    }

    pub fn take(&mut self, key: &'static str) -> Option<&'n Node> {
        self.pair(key).map(|(_, value)| value)
    }

    pub fn required(&mut self, key: &'static str) -> Read<&'n Node> {
        let cause = format!("{} needs `{key}`", self.of);
        let (file, span) = (self.file, self.span.clone());
        self.take(key).ok_or_else(|| Box::new(Diagnostic::error(codes::MISSING_KEY, file, span, cause)))
    }

    pub fn text(&mut self, key: &'static str) -> Read<Option<String>> {
        let file = self.file;
        self.take(key).map(|node| text_of(node, key, file)).transpose()
    }

    pub fn required_text(&mut self, key: &'static str) -> Read<Placed> {
        let node = self.required(key)?;
        Ok(Placed { value: text_of(node, key, self.file)?, span: node.span.clone() })
    }

    pub fn flag(&mut self, key: &'static str) -> Read<bool> {
        match self.take(key).map(|node| (node, node.scalar())) {
            None => Ok(false),
            Some((_, Some(Scalar::Bool(flag)))) => Ok(flag),
            Some((node, _)) => Err(wrong_type(self.file, node, &format!("`{key}` must be true or false"))),
        }
    }

    pub fn number(&mut self, key: &'static str) -> Read<Option<f64>> {
        match self.take(key).map(|node| (node, node.scalar())) {
            None => Ok(None),
            Some((_, Some(Scalar::Number(number)))) if number.parse::<f64>().is_ok() => {
                Ok(number.parse().ok())
            }
            Some((node, _)) => Err(wrong_type(self.file, node, &format!("`{key}` must be a number"))),
        }
    }

    /// A text, or a list of texts.
    pub fn texts(&mut self, key: &'static str) -> Read<Option<Vec<String>>> {
        let file = self.file;
        self.take(key).map(|node| texts_of(node, key, file)).transpose()
    }

    /// One of a few words.
    pub fn word(&mut self, key: &'static str, words: &[&'static str]) -> Read<Option<&'static str>> {
        let Some(node) = self.take(key) else { return Ok(None) };
        let text = text_of(node, key, self.file)?;
        match words.iter().find(|word| **word == text) {
            Some(word) => Ok(Some(word)),
            None => {
                let cause = format!("`{text}` is no {key}");
                let diagnostic = Diagnostic::error(codes::BAD_VALUE, self.file, node.span.clone(), cause);
                Err(Box::new(diagnostic.with_help(format!("one of {}", words.join(", ")))))
            }
        }
    }

    /// A regular expression, tied to the start of the text where asked.
    pub fn regex(&mut self, key: &'static str, at_start: bool) -> Read<regex::Regex> {
        let node = self.required(key)?;
        let text = text_of(node, key, self.file)?;
        regex(&text, at_start).map_err(|error| {
            Box::new(Diagnostic::error(codes::BAD_REGEX, self.file, node.span.clone(), error))
        })
    }

    /// Names with a text or a list of texts each; the name is `None` for a key that is null.
    pub fn mapping(&mut self, key: &'static str) -> Read<Vec<(Option<String>, Vec<String>)>> {
        let node = self.required(key)?;
        let Kind::Map(pairs) = &node.kind else {
            return Err(wrong_type(
                self.file,
                node,
                &format!("`{key}` must be a mapping, not {}", node.word()),
            ));
        };
        let is_null = |node: &Node| node.scalar() == Some(Scalar::Null);
        let entry = |(name, value): &(Node, Node)| {
            let name = name.text().filter(|_| !is_null(name)).map(str::to_owned);
            Ok((name, texts_of(value, key, self.file)?))
        };
        // what is mapped to null is not mapped
        pairs.iter().filter(|(_, value)| !is_null(value)).map(entry).collect()
    }

    fn vars(&mut self) -> Read<Vars> {
        let Some(node) = self.take("vars") else { return Ok(Vars::new()) };
        let Kind::Map(pairs) = &node.kind else {
            return Err(wrong_type(self.file, node, "`vars` must be a mapping of names to values"));
        };
        let var = |(name, value): &(Node, Node)| {
            Ok((name.text().unwrap_or_default().to_owned(), texts_of(value, "vars", self.file)?))
        };
        pairs.iter().map(var).collect()
    }

    /// An error for each key that nobody has taken.
    pub fn unknown(&self) -> Vec<Diagnostic> {
        let unknown = self.pairs.iter().map(|(name, _)| name);
        let unknown = unknown.filter(|name| !self.known.contains(name.text().unwrap_or_default()));
        unknown
            .map(|name| {
                let word = name.text().unwrap_or_default();
                let mut known: Vec<&str> = self.known.iter().copied().collect();
                known.sort_unstable();
                let help = known_words(word, &known);
                let cause = format!("{} has no `{word}`", self.of);
                Diagnostic::error(codes::UNKNOWN_KEY, self.file, name.span.clone(), cause).with_help(help)
            })
            .collect()
    }
}

/// A regular expression, within the bound that those of rules have.
pub(super) fn regex(text: &str, at_start: bool) -> Result<regex::Regex, String> {
    let text = if at_start { format!(r"\A(?:{text})") } else { text.to_owned() };
    RegexBuilder::new(&text).size_limit(MAX_REGEX_BYTES).build().map_err(|error| error.to_string())
}

fn head(node: &Node) -> Range<usize> {
    match &node.kind {
        Kind::Map(pairs) => pairs.first().map_or(node.span.clone(), |(key, _)| key.span.clone()),
        _ => node.span.clone(),
    }
}

pub(super) fn wrong_type(file: &Arc<SourceFile>, node: &Node, cause: &str) -> Box<Diagnostic> {
    Box::new(Diagnostic::error(codes::WRONG_TYPE, file, node.span.clone(), cause))
}

pub(super) fn text_of(node: &Node, key: &str, file: &Arc<SourceFile>) -> Read<String> {
    match (node.scalar(), node.text()) {
        (Some(Scalar::Null), _) | (_, None) => {
            Err(wrong_type(file, node, &format!("`{key}` must be a text, not {}", node.word())))
        }
        (_, Some(text)) => Ok(text.to_owned()),
    }
}

pub(super) fn texts_of(node: &Node, key: &str, file: &Arc<SourceFile>) -> Read<Vec<String>> {
    match &node.kind {
        Kind::List(items) => items.iter().map(|item| text_of(item, key, file)).collect(),
        _ => Ok(vec![text_of(node, key, file)?]),
    }
}
