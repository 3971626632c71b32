//! YAML text → nodes that know where they stand.
//!
//! In: the text of a file. Out: one [`Node`] a document, or a diagnostic. Scalars keep the text as it
//! was written, so that `007`, `1.10` and a number beyond 2^64 lose nothing; what a plain scalar means
//! (null, true, a number) follows the core schema of YAML 1.2. A repeated key is an error: in a rule
//! it means that half a selection is lost.

use std::collections::HashMap;
use std::ops::Range;
use std::rc::Rc;
use std::sync::Arc;

use saphyr_parser::{Event, Parser, ScalarStyle, Span};

use crate::diagnostic::{Diagnostic, SourceFile, codes};
use crate::limits::{MAX_RULE_BYTES, MAX_RULE_DEPTH};

/// A node of a YAML document.
#[derive(Debug, Clone)]
pub(crate) struct Node {
    /// The bytes of the file that it covers.
    pub span: Range<usize>,
    /// What it is.
    pub kind: Kind,
}

/// What a node is.
#[derive(Debug, Clone)]
pub(crate) enum Kind {
    /// A scalar: its text, and whether it was written without quotes.
    Scalar { text: String, plain: bool },
    /// A list.
    List(Vec<Node>),
    /// A mapping, in the order of the text.
    Map(Vec<(Node, Node)>),
}

/// What a scalar means by YAML 1.2's core schema.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Scalar<'n> {
    Null,
    Bool(bool),
    /// A number, as it was written.
    Number(&'n str),
    Text(&'n str),
}

impl Node {
    /// What a scalar means; `None` for a list or mapping.
    pub fn scalar(&self) -> Option<Scalar<'_>> {
        let Kind::Scalar { text, plain } = &self.kind else { return None };
        if !plain {
            return Some(Scalar::Text(text));
        }
        Some(match text.as_str() {
            "" | "~" | "null" | "Null" | "NULL" => Scalar::Null,
            "true" | "True" | "TRUE" => Scalar::Bool(true),
            "false" | "False" | "FALSE" => Scalar::Bool(false),
            number if is_number(number) => Scalar::Number(number),
            text => Scalar::Text(text),
        })
    }

    /// The text of a scalar, whatever it means.
    pub fn text(&self) -> Option<&str> {
        match &self.kind {
            Kind::Scalar { text, .. } => Some(text),
            _ => None,
        }
    }

    /// The value of a key of a mapping.
    pub fn get(&self, key: &str) -> Option<&Node> {
        match &self.kind {
            Kind::Map(pairs) => pairs.iter().find(|(k, _)| k.text() == Some(key)).map(|(_, v)| v),
            _ => None,
        }
    }

    /// The word for what it is, for messages.
    pub fn word(&self) -> &'static str {
        match (&self.kind, self.scalar()) {
            (Kind::List(_), _) => "a list",
            (Kind::Map(_), _) => "a mapping",
            (_, Some(Scalar::Null)) => "null",
            (_, Some(Scalar::Bool(_))) => "a boolean",
            (_, Some(Scalar::Number(_))) => "a number",
            _ => "a text",
        }
    }
}

/// Decimal integers and floats of the core schema.
fn is_number(text: &str) -> bool {
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    digits.starts_with(|c: char| c.is_ascii_digit() || c == '.')
        && digits.bytes().any(|b| b.is_ascii_digit())
        && digits.bytes().all(|b| b.is_ascii_digit() || matches!(b, b'.' | b'e' | b'E' | b'+' | b'-'))
        && text.parse::<f64>().is_ok()
}

/// Reads the documents of a file: each with its number, from 1. A document with a flaw is left out and
/// the next is read; where the text is no YAML at all, what stands before is kept.
pub(crate) fn documents(file: &Arc<SourceFile>) -> (Vec<(usize, Node)>, Vec<Diagnostic>) {
    let text = &file.text;
    if text.len() > MAX_RULE_BYTES {
        let cause = format!("the file has {} bytes, a rule file may have {MAX_RULE_BYTES}", text.len());
        return (Vec::new(), vec![Diagnostic::error(codes::TOO_LARGE, file, 0..0, cause)]);
    }
    let mut loader = Loader { file, bytes: byte_offsets(text), anchors: HashMap::new(), nodes: 0 };
    let mut parser = Parser::new_from_str(text);
    let (mut documents, mut diagnostics, mut number) = (Vec::new(), Vec::new(), 0);
    loop {
        let read = loader.next(&mut parser).and_then(|(event, span)| match event {
            Event::StreamEnd => Ok(None),
            Event::DocumentStart(_) => {
                number += 1;
                loader.anchors.clear();
                let first = loader.next(&mut parser)?;
                loader.node(first, &mut parser, 0).map(|node| Some(Some(node)))
            }
            Event::DocumentEnd | Event::StreamStart | Event::Nothing => Ok(Some(None)),
            _ => Err(loader.error(codes::YAML, span, "something stands outside a document")),
        });
        match read {
            Ok(None) => return (documents, diagnostics),
            Ok(Some(node)) => documents.extend(node.map(|node| (number, node))),
            Err(diagnostic) => {
                diagnostics.push(diagnostic);
                if !loader.skip_document(&mut parser) {
                    return (documents, diagnostics);
                }
            }
        }
    }
}

/// The parser counts characters; diagnostics count bytes.
fn byte_offsets(text: &str) -> Option<Vec<usize>> {
    if text.is_ascii() {
        return None;
    }
    Some(text.char_indices().map(|(at, _)| at).chain([text.len()]).collect())
}

struct Loader<'f> {
    file: &'f Arc<SourceFile>,
    bytes: Option<Vec<usize>>,
    anchors: HashMap<usize, (Rc<Node>, Size)>,
    nodes: usize,
}

/// Aliases may multiply a small file; no rule needs more nodes than bytes allowed.
const MAX_NODES: usize = MAX_RULE_BYTES;

type TextParser<'f> = Parser<'f, saphyr_parser::StrInput<'f>>;

impl<'f> Loader<'f> {
    fn byte(&self, character: usize) -> usize {
        let length = self.file.text.len();
        match &self.bytes {
            None => character.min(length),
            Some(offsets) => offsets.get(character).copied().unwrap_or(length),
        }
    }

    fn range(&self, span: Span) -> Range<usize> {
        let start = self.byte(span.start.index());
        start..self.byte(span.end.index()).max(start)
    }

    fn error(&self, code: crate::diagnostic::Code, span: Span, cause: impl Into<String>) -> Diagnostic {
        Diagnostic::error(code, self.file, self.range(span), cause)
    }

    fn next(&self, parser: &mut TextParser<'f>) -> Result<(Event<'f>, Span), Diagnostic> {
        match parser.next() {
            Some(Ok(event)) => Ok(event),
            Some(Err(error)) => {
                let at = self.byte(error.marker().index());
                Err(Diagnostic::error(codes::YAML, self.file, at..at, error.info())
                    .with_help(help_with(error.info())))
            }
            None => Ok((Event::StreamEnd, Span::default())),
        }
    }

    /// Reads on to the end of the document at hand; false where the text cannot be read on.
    fn skip_document(&self, parser: &mut TextParser<'f>) -> bool {
        loop {
            match parser.next() {
                Some(Ok((Event::DocumentEnd, _))) => return true,
                Some(Ok((Event::StreamEnd, _)) | Err(_)) | None => return false,
                Some(Ok(_)) => {}
            }
        }
    }

    fn node(
        &mut self,
        (event, span): (Event<'f>, Span),
        parser: &mut TextParser<'f>,
        depth: usize,
    ) -> Result<Node, Diagnostic> {
        self.nodes += 1;
        if depth > MAX_RULE_DEPTH || self.nodes > MAX_NODES {
            return Err(self.error(
                codes::TOO_DEEP,
                span,
                format!("a rule may nest {MAX_RULE_DEPTH} levels"),
            ));
        }
        let (anchor, node) = match event {
            Event::Scalar(text, style, anchor, tag) => {
                let as_text = match tag.as_deref() {
                    None => false,
                    Some(tag) if tag.is_yaml_core_schema() && tag.suffix == "str" => true,
                    Some(tag) => {
                        let cause = format!("the tag `{}{}` means nothing in a rule", tag.handle, tag.suffix);
                        return Err(self.error(codes::YAML, span, cause));
                    }
                };
                let plain = style == ScalarStyle::Plain && !as_text;
                let kind = Kind::Scalar { text: text.into_owned(), plain };
                (anchor, Node { span: self.range(span), kind })
            }
            Event::SequenceStart(anchor, _) => (anchor, self.list(span, parser, depth)?),
            Event::MappingStart(anchor, _) => (anchor, self.map(span, parser, depth)?),
            Event::Alias(anchor) => {
                let node = self.anchors.get(&anchor).cloned();
                let (node, size) =
                    node.ok_or_else(|| self.error(codes::YAML, span, "an alias to no anchor"))?;
                self.nodes += size.weight;
                if self.nodes > MAX_NODES || depth + size.height > MAX_RULE_DEPTH {
                    let cause = "aliases make the document larger or deeper than a rule may be";
                    return Err(self.error(codes::TOO_DEEP, span, cause));
                }
                return Ok((*node).clone());
            }
            _ => return Err(self.error(codes::YAML, span, "a value was expected")),
        };
        if anchor > 0 {
            self.anchors.insert(anchor, (Rc::new(node.clone()), size(&node)));
        }
        Ok(node)
    }

    fn list(&mut self, span: Span, parser: &mut TextParser<'f>, depth: usize) -> Result<Node, Diagnostic> {
        let mut items = Vec::new();
        loop {
            match self.next(parser)? {
                (Event::SequenceEnd, end) => {
                    let span = self.range(span).start..self.range(end).end;
                    return Ok(Node { span, kind: Kind::List(items) });
                }
                event => items.push(self.node(event, parser, depth + 1)?),
            }
        }
    }

    fn map(&mut self, span: Span, parser: &mut TextParser<'f>, depth: usize) -> Result<Node, Diagnostic> {
        let mut pairs: Vec<(Node, Node)> = Vec::new();
        let mut keys = std::collections::HashSet::new();
        loop {
            match self.next(parser)? {
                (Event::MappingEnd, end) => {
                    let span = self.range(span).start..self.range(end).end;
                    return Ok(Node { span, kind: Kind::Map(pairs) });
                }
                event => {
                    let key = self.node(event, parser, depth + 1)?;
                    let Some(text) = key.text() else {
                        return Err(Diagnostic::error(
                            codes::YAML,
                            self.file,
                            key.span,
                            "a key must be a text",
                        ));
                    };
                    if text == MERGE {
                        let cause = "merge keys (`<<`) are not read: YAML 1.2 has none";
                        return Err(Diagnostic::error(codes::YAML, self.file, key.span, cause)
                            .with_help("write the pairs out, or name a whole selection again by its alias"));
                    }
                    if !keys.insert(text.to_owned()) {
                        let cause = format!("the key `{text}` stands twice; only one of the two can count");
                        return Err(Diagnostic::error(codes::DUPLICATE_KEY, self.file, key.span, cause)
                            .with_help("join the values in one list, or put them into two selections"));
                    }
                    let event = self.next(parser)?;
                    let value = self.node(event, parser, depth + 1)?;
                    pairs.push((key, value));
                }
            }
        }
    }
}

/// The key by which YAML 1.1 takes the pairs of another mapping.
const MERGE: &str = "<<";

/// What may be wrong where YAML cannot be read.
fn help_with(what: &str) -> &'static str {
    if what.contains("tabs") {
        return "indent with spaces: YAML takes no tabs";
    }
    if what.contains("block mapping") || what.contains("block collection") || what.contains("indentation") {
        return "keys of one mapping stand in one column; values that hold ': ' or ' #' are quoted";
    }
    "quote values that hold ': ', ' #', or begin with one of * & % @ ` [ {"
}

/// How much an anchored node adds wherever it is named again.
#[derive(Debug, Clone, Copy)]
struct Size {
    /// Nodes and bytes.
    weight: usize,
    /// Levels.
    height: usize,
}

fn size(node: &Node) -> Size {
    let below: Vec<Size> = match &node.kind {
        Kind::Scalar { text, .. } => return Size { weight: 1 + text.len(), height: 0 },
        Kind::List(items) => items.iter().map(size).collect(),
        Kind::Map(pairs) => pairs.iter().flat_map(|(key, value)| [size(key), size(value)]).collect(),
    };
    Size {
        weight: 1 + below.iter().map(|size| size.weight).sum::<usize>(),
        height: 1 + below.iter().map(|size| size.height).max().unwrap_or(0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(text: &str) -> Result<Vec<Node>, Diagnostic> {
        let (nodes, mut diagnostics) =
            documents(&Arc::new(SourceFile { name: "test.yml".into(), text: text.into() }));
        if diagnostics.is_empty() {
            Ok(nodes.into_iter().map(|(_, node)| node).collect())
        } else {
            Err(diagnostics.remove(0))
        }
    }

    #[test]
    fn a_document_with_a_flaw_does_not_take_the_others_with_it() {
        let text = "a: 1\n---\na: 1\na: 2\nb: [x]\n---\na: 3\n---\na: [\n---\na: 5\n";
        let (nodes, diagnostics) =
            documents(&Arc::new(SourceFile { name: "test.yml".into(), text: text.into() }));
        assert_eq!(nodes.iter().map(|(number, _)| *number).collect::<Vec<_>>(), [1, 3]);
        assert_eq!(
            diagnostics.iter().map(|d| d.code).collect::<Vec<_>>(),
            [codes::DUPLICATE_KEY, codes::YAML]
        );
    }

    #[test]
    fn what_is_wrong_with_yaml_is_told_with_what_to_do() {
        for (text, cause, help) in [
            ("a:\n\tb: 1\n", "tabs", "spaces"),
            ("a:\n  b: 1\n c: 2\n", "block mapping", "one column"),
            ("a: &x {b: 1}\nc:\n  <<: *x\n", "merge keys", "its alias"),
            ("a: %b\n", "", "quote values"),
        ] {
            let told = load(text).unwrap_err();
            assert_eq!(told.code, codes::YAML, "{text}");
            assert!(told.cause.contains(cause) && told.help.contains(help), "{text}: {told} {}", told.help);
        }
    }

    fn scalar(text: &str) -> String {
        let nodes = load(&format!("a: {text}")).unwrap();
        format!("{:?}", nodes[0].get("a").unwrap().scalar().unwrap())
    }

    #[test]
    fn plain_scalars_mean_what_yaml_1_2_says() {
        let cases = [
            ("~", "Null"),
            ("", "Null"),
            ("'null'", "Text(\"null\")"),
            ("true", "Bool(true)"),
            ("yes", "Text(\"yes\")"),
            ("007", "Number(\"007\")"),
            ("'1'", "Text(\"1\")"),
            ("-1.5e3", "Number(\"-1.5e3\")"),
            ("12345678901234567890123", "Number(\"12345678901234567890123\")"),
            ("0x10", "Text(\"0x10\")"),
            ("1.2.3.4", "Text(\"1.2.3.4\")"),
            ("2026-11-20", "Text(\"2026-11-20\")"),
            (".", "Text(\".\")"),
            ("e5", "Text(\"e5\")"),
            ("!!str 5", "Text(\"5\")"),
        ];
        for (text, expected) in cases {
            assert_eq!(scalar(text), expected, "{text}");
        }
    }

    #[test]
    fn a_place_is_in_bytes_even_behind_non_ascii_text() {
        let text = "a: é\nb: [x, 'ü', y]";
        let nodes = load(text).unwrap();
        let b = nodes[0].get("b").unwrap();
        let Kind::List(items) = &b.kind else { panic!("{b:?}") };
        assert_eq!(&text[items[2].span.clone()], "y");
        assert_eq!(&text[items[1].span.clone()], "'ü'");
    }

    fn deep_by_aliases() -> String {
        let nested = |inner: &str| format!("{}{inner}{}", "[".repeat(20), "]".repeat(20));
        format!("a: &a {}\nb: &b {}\nc: {}", nested("x"), nested("*a"), nested("*b"))
    }

    #[test]
    fn what_is_no_rule_file_is_a_diagnostic() {
        let deep = format!("a: {}{}", "[".repeat(100), "]".repeat(100));
        let bomb: String = (1..20).fold("a0: &a0 [x, x]\n".to_owned(), |text, i| {
            format!("{text}a{i}: &a{i} [{}]\n", vec![format!("*a{}", i - 1); 10].join(", "))
        });
        for (text, code) in [
            ("a: [", codes::YAML),
            ("a: 1\na: 2", codes::DUPLICATE_KEY),
            ("? [a]\n: 1", codes::YAML),
            ("a: !!binary aGk=", codes::YAML),
            ("a: !own x", codes::YAML),
            ("a: *x", codes::YAML),
            (&deep, codes::TOO_DEEP),
            (&bomb, codes::TOO_DEEP),
            (&format!("a: &a {}\nb: [{}]", "x".repeat(100_000), vec!["*a"; 1000].join(",")), codes::TOO_DEEP),
            (&deep_by_aliases(), codes::TOO_DEEP),
            (&"# x\n".repeat(MAX_RULE_BYTES), codes::TOO_LARGE),
        ] {
            assert_eq!(load(text).unwrap_err().code, code, "{}", &text[..text.len().min(40)]);
        }
    }

    #[test]
    fn several_documents_and_anchors_are_read() {
        let nodes = load("a: &x [1, 2]\nb: *x\n---\nc: 1\n").unwrap();
        assert_eq!(nodes.len(), 2);
        assert!(matches!(&nodes[0].get("b").unwrap().kind, Kind::List(items) if items.len() == 2));
    }
}
