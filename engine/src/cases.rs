//! The cases beside a rule: events that it must match, and near misses that it must not.
//!
//! In: the text of a `<rule>.cases.yml`. Out: [`Case`]s. What turns a case's native events into a batch
//! lies with whoever runs them: the engine knows no log source.
//!
//! ```yaml
//! cases:
//!   - name: the root user signs in
//!     match: true
//!     events:
//!       - source: aws.cloudtrail
//!         raw: {eventName: ConsoleLogin, userIdentity: {type: Root}}
//! ```

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use serde_json::Value;

use crate::diagnostic::{Diagnostic, SourceFile, codes, known_words};
use crate::plan::Lists;
use crate::sigma::yaml::{self, Kind, Node, Scalar};
use crate::sigma::{node_to_json, timespan};

/// One case of a rule.
#[derive(Debug, Clone)]
pub struct Case {
    /// What it shows.
    pub name: String,
    /// Whether the rule must match.
    pub matches: bool,
    /// How many of the events must match; any number, where it is not said.
    pub count: Option<usize>,
    /// Lists that placeholders stand for, in this case.
    pub lists: Lists,
    /// Columns that a lookup table would fill, in this case.
    pub enrich: BTreeMap<String, Value>,
    /// The events.
    pub events: Vec<CaseEvent>,
    /// Where it stands.
    pub span: Range<usize>,
}

/// An event of a case.
#[derive(Debug, Clone)]
pub struct CaseEvent {
    /// Offset in microseconds from the start of the case, for rules on several events; the event's own
    /// time, where it is not said. Rules on single events do not look at it.
    pub at: Option<i64>,
    /// The log source.
    pub source: String,
    /// The native event, as JSON.
    pub raw: String,
}

/// Reads a file of cases.
///
/// # Errors
/// All that is wrong with it, with its place.
pub fn parse_cases(file: &Arc<SourceFile>) -> Result<Vec<Case>, Vec<Diagnostic>> {
    let (nodes, diagnostics) = yaml::documents(file);
    let mut reader = Reader { file, diagnostics };
    let mut cases = Vec::new();
    for (_, node) in &nodes {
        reader.keys(node, &["cases"]);
        for case in reader.list(node, "cases") {
            cases.extend(reader.case(case));
        }
    }
    match reader.diagnostics.is_empty() {
        true => Ok(cases),
        false => Err(reader.diagnostics),
    }
}

struct Reader<'f> {
    file: &'f Arc<SourceFile>,
    diagnostics: Vec<Diagnostic>,
}

impl Reader<'_> {
    fn error(
        &mut self,
        code: crate::diagnostic::Code,
        span: &Range<usize>,
        cause: impl Into<String>,
        help: &str,
    ) {
        self.diagnostics.push(Diagnostic::error(code, self.file, span.clone(), cause).with_help(help));
    }

    /// Only known keys may stand in a mapping.
    fn keys(&mut self, node: &Node, known: &[&str]) {
        let Kind::Map(pairs) = &node.kind else {
            let help = format!("a mapping with {}", known.join(", "));
            return self.error(
                codes::WRONG_TYPE,
                &node.span,
                format!("a mapping was expected, not {}", node.word()),
                &help,
            );
        };
        for (key, _) in pairs {
            let name = key.text().unwrap_or_default();
            if !known.contains(&name) {
                let help = known_words(name, known);
                self.error(codes::UNKNOWN_KEY, &key.span, format!("`{name}` is not known here"), &help);
            }
        }
    }

    fn list<'n>(&mut self, node: &'n Node, key: &str) -> &'n [Node] {
        match node.get(key).map(|value| (&value.kind, &value.span)) {
            Some((Kind::List(items), _)) => items,
            Some((_, span)) => {
                self.error(
                    codes::WRONG_TYPE,
                    span,
                    format!("`{key}` must be a list"),
                    "begin each element with `- `",
                );
                &[]
            }
            None => {
                self.error(
                    codes::MISSING_KEY,
                    &node.span,
                    format!("`{key}` is missing"),
                    "see the reference of cases",
                );
                &[]
            }
        }
    }

    fn case(&mut self, node: &Node) -> Option<Case> {
        self.keys(node, &["name", "match", "count", "lists", "enrich", "events"]);
        let Some(name) = node.get("name").and_then(Node::text).map(str::to_owned) else {
            self.error(codes::MISSING_KEY, &node.span, "a case needs a `name`", "say what the case shows");
            return None;
        };
        let Some(Scalar::Bool(matches)) = node.get("match").and_then(Node::scalar) else {
            self.error(codes::MISSING_KEY, &node.span, "a case needs `match: true` or `match: false`", "");
            return None;
        };
        let count =
            match node.get("count").map(|count| (count, count.text().and_then(|text| text.parse().ok()))) {
                Some((count, None)) => {
                    self.error(codes::WRONG_TYPE, &count.span, "`count` must be a whole number", "");
                    None
                }
                Some((_, count)) => count,
                None => None,
            };
        let events: Vec<_> = self.list(node, "events").iter().filter_map(|event| self.event(event)).collect();
        if events.is_empty() {
            self.error(
                codes::MISSING_KEY,
                &node.span,
                "a case needs events",
                "list at least one under `events`",
            );
        }
        Some(Case {
            name,
            matches,
            count,
            lists: self.lists(node),
            enrich: self.enrich(node),
            events,
            span: node.span.clone(),
        })
    }

    fn event(&mut self, node: &Node) -> Option<CaseEvent> {
        self.keys(node, &["at", "source", "raw"]);
        let (Some(source), Some(raw)) = (node.get("source").and_then(Node::text), node.get("raw")) else {
            self.error(
                codes::MISSING_KEY,
                &node.span,
                "an event needs `source` and `raw`",
                "name the log source of the event",
            );
            return None;
        };
        let at = match node.get("at") {
            None => None,
            Some(at) => match at.text().and_then(offset) {
                Some(at) => Some(at),
                None => {
                    self.error(
                        codes::BAD_VALUE,
                        &at.span,
                        "`at` must be an offset",
                        "write `+3m`, with s, m, h or d",
                    );
                    None
                }
            },
        };
        Some(CaseEvent { at, source: source.to_owned(), raw: node_to_json(raw).to_string() })
    }

    fn lists(&mut self, node: &Node) -> Lists {
        let Some(lists) = node.get("lists") else { return Lists::new() };
        read_lists(lists).unwrap_or_else(|span| {
            self.error(
                codes::WRONG_TYPE,
                &span,
                "`lists` must be names with lists of values",
                "`lists: {name: [a, b]}`",
            );
            Lists::new()
        })
    }

    fn enrich(&mut self, node: &Node) -> BTreeMap<String, Value> {
        match node.get("enrich").map(|node| (node, &node.kind)) {
            Some((_, Kind::Map(pairs))) => pairs
                .iter()
                .map(|(key, value)| (key.text().unwrap_or_default().to_owned(), node_to_json(value)))
                .collect(),
            Some((node, _)) => {
                self.error(
                    codes::WRONG_TYPE,
                    &node.span,
                    "`enrich` must be columns with values",
                    "`enrich: {src_asn: 64500}`",
                );
                BTreeMap::new()
            }
            None => BTreeMap::new(),
        }
    }
}

/// `+3m` → microseconds.
fn offset(text: &str) -> Option<i64> {
    match text.strip_prefix('+').unwrap_or(text) {
        "0" | "0s" => Some(0),
        span => timespan(span),
    }
}

/// Names with lists of texts; the place of what is not one.
fn read_lists(node: &Node) -> Result<Lists, Range<usize>> {
    let Kind::Map(pairs) = &node.kind else { return Err(node.span.clone()) };
    let mut lists = Lists::new();
    for (key, value) in pairs {
        let Kind::List(items) = &value.kind else { return Err(value.span.clone()) };
        let name = key.text().unwrap_or_default().to_owned();
        let list = lists.entry(name).or_default();
        for item in items {
            // an empty value would be found in every text
            let text = item.text().filter(|text| !text.is_empty() && item.scalar() != Some(Scalar::Null));
            list.push(text.ok_or_else(|| item.span.clone())?.to_owned());
        }
    }
    Ok(lists)
}

/// Reads a `lists.yml`: what `%name%` stands for under `expand`.
///
/// # Errors
/// What is wrong with it, with its place.
pub fn parse_lists(file: &Arc<SourceFile>) -> Result<Lists, Diagnostic> {
    let mut all = Lists::new();
    let (nodes, mut diagnostics) = yaml::documents(file);
    if !diagnostics.is_empty() {
        return Err(diagnostics.remove(0));
    }
    for (_, node) in nodes {
        if node.scalar() == Some(Scalar::Null) {
            continue;
        }
        let lists = read_lists(&node).map_err(|span| {
            Diagnostic::error(
                codes::WRONG_TYPE,
                file,
                span,
                "a file of lists holds names with lists of values, none of them empty",
            )
            .with_help("`own_egress_ips: ['192.0.2.10', '192.0.2.11']`")
        })?;
        for (name, values) in lists {
            all.entry(name).or_default().extend(values);
        }
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(text: &str) -> Arc<SourceFile> {
        Arc::new(SourceFile { name: "x.cases.yml".into(), text: text.into() })
    }

    #[test]
    fn cases_keep_events_as_they_are_written() {
        let text = "cases:\n- name: n\n  match: true\n  count: 2\n  lists: {l: [a, 1]}\n  events:\n  - at: +3m\n    source: s\n    raw: {a: '007', b: 1.5, c: null, d: [true]}\n";
        let cases = parse_cases(&file(text)).unwrap();
        assert_eq!(cases[0].events[0].raw, r#"{"a":"007","b":1.5,"c":null,"d":[true]}"#);
        assert_eq!(cases[0].events[0].at, Some(180_000_000));
        assert_eq!((cases[0].count, cases[0].lists["l"].len()), (Some(2), 2));
    }

    #[test]
    fn a_mistake_in_a_case_has_its_place() {
        for (text, code) in [
            ("cases: 5", codes::WRONG_TYPE),
            ("case: []", codes::UNKNOWN_KEY),
            ("cases: [{match: true, events: []}]", codes::MISSING_KEY),
            ("cases: [{name: n, events: []}]", codes::MISSING_KEY),
            ("cases: [{name: n, match: true, events: [{raw: {}}]}]", codes::MISSING_KEY),
            ("cases: [{name: n, match: true, events: [{source: s, raw: {}, at: soon}]}]", codes::BAD_VALUE),
            ("cases: [{name: n, match: true, lists: [], events: [{source: s, raw: {}}]}]", codes::WRONG_TYPE),
            ("cases: [{name: n, match: true, events: []}]", codes::MISSING_KEY),
        ] {
            assert_eq!(parse_cases(&file(text)).unwrap_err()[0].code, code, "{text}");
        }
        assert!(parse_lists(&file("a: b")).is_err());
        assert_eq!(parse_lists(&file("a: [b]\n---\nc: []")).unwrap().len(), 2);
    }
}
