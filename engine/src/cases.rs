//! The cases beside a rule: events that it must match, and near misses that it must not.
//!
//! In: the text of a `<rule>.cases.yml`. Out: [`Case`]s. What turns a case's native events into a batch
//! lies with whoever runs them: the engine knows no log source.
//!
//! ```yaml
//! templates:
//!   denied:
//!     source: aws.cloudtrail
//!     raw: {eventName: GetObject, errorCode: AccessDenied, eventID: 'denied-{n}'}
//! cases:
//!   - name: the root user signs in
//!     match: true
//!     events:
//!       - source: aws.cloudtrail
//!         raw: {eventName: ConsoleLogin, userIdentity: {type: Root}}
//!   - name: eight calls are denied within a few minutes
//!     match: true
//!     count: 1
//!     events:
//!       - {like: denied, at: +1m, repeat: 8, every: 20s, raw: {sourceIPAddress: 192.0.2.66}}
//! ```
//!
//! An event that is `like` a template has its source, its columns and its text, with its own members laid
//! over them. A story of thousands of events is told with `repeat`. In both, `{n}` in a text is the number
//! of the event in its case, `{n:12}` the same with zeros before it, `{n%10}` what is left of it by ten.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use serde_json::Value;

use crate::diagnostic::{Diagnostic, SourceFile, codes, known_words};
use crate::limits::{MAX_CASE_EVENTS, MAX_TIMESPAN};
use crate::plan::Lists;
use crate::sigma::yaml::{self, Kind, Node, Scalar};
use crate::sigma::{node_to_json, span_of_time};

/// One case of a rule.
#[derive(Debug, Clone)]
pub struct Case {
    /// What it shows.
    pub name: String,
    /// Whether the rule must match.
    pub matches: bool,
    /// How many of the events must match, or for a correlation how many alerts there must be; any number,
    /// where it is not said.
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

/// An event of a case, or several that are alike.
#[derive(Debug, Clone)]
pub struct CaseEvent {
    /// Offset in microseconds from the start of the case, which becomes the event's time; its own time,
    /// where it is not said.
    pub at: Option<i64>,
    /// The log source.
    pub source: String,
    /// Columns that a lookup table would fill, for this event.
    pub enrich: BTreeMap<String, Value>,
    /// The native event.
    pub raw: Value,
    /// How many there are.
    pub repeat: usize,
    /// How far they are apart, in microseconds.
    pub every: i64,
    /// Whether `{n}` stands for the event's number.
    numbered: bool,
}

/// An event as it is played.
#[derive(Debug, Clone)]
pub struct PlayedEvent<'c> {
    /// As it is written in the case.
    pub written: &'c CaseEvent,
    /// Its offset from the start of the case, in microseconds.
    pub at: Option<i64>,
    /// The native event, as JSON.
    pub raw: String,
}

impl Case {
    /// The events, repeated ones one by one, in the order in which they are written.
    pub fn played(&self) -> impl Iterator<Item = PlayedEvent<'_>> {
        let each = self.events.iter().flat_map(|event| (0..event.repeat as i64).map(move |nth| (event, nth)));
        each.zip(1..).map(|((event, nth), number)| PlayedEvent {
            written: event,
            at: event.at.map(|at| at + nth * event.every),
            raw: match event.numbered {
                true => numbered(&event.raw, number).to_string(),
                false => event.raw.to_string(),
            },
        })
    }
}

/// The value with `{n}`, `{n:12}` and `{n%10}` in its texts replaced.
fn numbered(value: &Value, number: usize) -> Value {
    match value {
        Value::String(text) if text.contains("{n") => numbered_text(text, number).into(),
        Value::Array(items) => items.iter().map(|item| numbered(item, number)).collect(),
        Value::Object(members) => {
            Value::Object(members.iter().map(|(key, value)| (key.clone(), numbered(value, number))).collect())
        }
        other => other.clone(),
    }
}

fn numbered_text(text: &str, number: usize) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("{n") {
        out.push_str(&rest[..at]);
        let inside = rest[at + 2..].split_once('}');
        let shown = inside.and_then(|(form, _)| match (form.get(..1), form.get(1..)?.parse::<usize>()) {
            (Some(":"), Ok(width)) if width <= 64 => Some(format!("{number:0width$}")),
            (Some("%"), Ok(by)) if by > 0 => Some((number % by).to_string()),
            _ => None,
        });
        let plain = inside.filter(|(form, _)| form.is_empty()).map(|_| number.to_string());
        match (plain.or(shown), inside) {
            (Some(shown), Some((_, behind))) => {
                out.push_str(&shown);
                rest = behind;
            }
            // what only looks like it stays as it is
            _ => {
                out.push_str("{n");
                rest = &rest[at + 2..];
            }
        }
    }
    out.push_str(rest);
    out
}

/// Lays the members of one value over another; of lists and texts the upper one counts whole.
fn lay_over(below: &mut Value, above: Value) {
    match (below, above) {
        (Value::Object(below), Value::Object(above)) => {
            for (key, value) in above {
                match below.get_mut(&key) {
                    Some(under) => lay_over(under, value),
                    None => drop(below.insert(key, value)),
                }
            }
        }
        (below, above) => *below = above,
    }
}

/// Reads a file of cases.
///
/// # Errors
/// All that is wrong with it, with its place.
pub fn parse_cases(file: &Arc<SourceFile>) -> Result<Vec<Case>, Vec<Diagnostic>> {
    let (nodes, diagnostics) = yaml::documents(file);
    let mut reader = Reader { file, diagnostics, templates: BTreeMap::new() };
    let mut cases = Vec::new();
    for (_, node) in &nodes {
        reader.keys(node, &["templates", "cases"]);
        reader.read_templates(node);
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
    templates: BTreeMap<String, Template>,
}

/// What events may be like.
#[derive(Debug, Clone)]
struct Template {
    source: String,
    enrich: BTreeMap<String, Value>,
    raw: Value,
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
        if events.iter().map(|event| event.repeat).sum::<usize>() > MAX_CASE_EVENTS {
            let cause = format!("a case may have {MAX_CASE_EVENTS} events");
            self.error(codes::TOO_LARGE, &node.span, cause, "tell the story with fewer");
        }
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

    fn read_templates(&mut self, node: &Node) {
        let Some(templates) = node.get("templates") else { return };
        let Kind::Map(pairs) = &templates.kind else {
            return self.error(
                codes::WRONG_TYPE,
                &templates.span,
                "`templates` must be names with events",
                "`templates: {call: {source: …, raw: {…}}}`",
            );
        };
        for (name, template) in pairs {
            self.keys(template, &["source", "enrich", "raw", "like"]);
            let name = name.text().unwrap_or_default().to_owned();
            if let Some(template) = self.template(template) {
                self.templates.insert(name, template);
            }
        }
    }

    /// What is written of an event, laid over the template that it is like.
    fn template(&mut self, node: &Node) -> Option<Template> {
        let mut whole = match node.get("like") {
            None => {
                let (Some(source), Some(_)) = (node.get("source").and_then(Node::text), node.get("raw"))
                else {
                    self.error(
                        codes::MISSING_KEY,
                        &node.span,
                        "an event needs `source` and `raw`, or a template that it is `like`",
                        "name the log source of the event",
                    );
                    return None;
                };
                Template { source: source.to_owned(), enrich: BTreeMap::new(), raw: Value::Null }
            }
            Some(like) => {
                let name = like.text().unwrap_or_default();
                let Some(template) = self.templates.get(name) else {
                    let known: Vec<&str> = self.templates.keys().map(String::as_str).collect();
                    let help = known_words(name, &known);
                    let cause = format!("there is no template `{name}` before it");
                    self.error(codes::BAD_VALUE, &like.span, cause, &help);
                    return None;
                };
                let mut template = template.clone();
                if let Some(source) = node.get("source").and_then(Node::text) {
                    template.source = source.to_owned();
                }
                template
            }
        };
        if let Some(raw) = node.get("raw") {
            lay_over(&mut whole.raw, node_to_json(raw));
        }
        let enrich = self.enrich(node);
        whole.enrich.extend(enrich);
        Some(whole)
    }

    fn event(&mut self, node: &Node) -> Option<CaseEvent> {
        self.keys(node, &["at", "source", "raw", "like", "enrich", "repeat", "every"]);
        let Template { source, enrich, raw } = self.template(node)?;
        let at = self.offset(node, "at");
        let every = self.offset(node, "every").unwrap_or(0);
        if at.is_none() && every != 0 {
            let place = node.get("every").map_or(&node.span, |every| &every.span);
            self.error(
                codes::MISSING_KEY,
                place,
                "`every` needs an `at` to begin with",
                "`at: +0s`, or leave `every` out",
            );
        }
        let repeat = match node.get("repeat") {
            None => 1,
            Some(repeat) => match repeat.text().and_then(|text| text.parse().ok()) {
                Some(times @ 1..=MAX_CASE_EVENTS) => times,
                _ => {
                    let cause = format!("`repeat` must be a whole number from 1 to {MAX_CASE_EVENTS}");
                    self.error(codes::BAD_VALUE, &repeat.span, cause, "");
                    1
                }
            },
        };
        // each is bounded, so that this is far below what an `i64` holds
        let last = at.unwrap_or(0) + every * (repeat as i64 - 1);
        if last > MAX_TIMESPAN {
            let cause = "the last of these events is more than 400 days from the start of the case";
            self.error(codes::TOO_LARGE, &node.span, cause, "a smaller `at`, `every` or `repeat`");
            return None;
        }
        let numbered = node.get("like").is_some() || node.get("repeat").is_some();
        Some(CaseEvent { at, source, enrich, raw, repeat, every, numbered })
    }

    /// An offset, in microseconds.
    fn offset(&mut self, node: &Node, key: &str) -> Option<i64> {
        let at = node.get(key)?;
        let offset = at.text().and_then(offset).filter(|offset| *offset <= MAX_TIMESPAN);
        if offset.is_none() {
            let cause = format!("`{key}` must be an offset of at most 400 days");
            self.error(codes::BAD_VALUE, &at.span, cause, "write `+3m`, with s, m, h or d");
        }
        offset
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
        "0" => Some(0),
        span => span_of_time(span),
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

/// Where a file of lists names them, without a look at what is in them.
pub fn names_of_lists(file: &Arc<SourceFile>) -> Vec<(String, Range<usize>)> {
    let mut names = Vec::new();
    for (_, node) in yaml::documents(file).0 {
        let Kind::Map(pairs) = &node.kind else { continue };
        names.extend(
            pairs.iter().map(|(key, _)| (key.text().unwrap_or_default().to_owned(), key.span.clone())),
        );
    }
    names
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
                "a file of lists holds names with lists of values, and no value is empty",
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
        let played: Vec<_> = cases[0].played().collect();
        assert_eq!(played[0].raw, r#"{"a":"007","b":1.5,"c":null,"d":[true]}"#);
        assert_eq!(cases[0].events[0].at, Some(180_000_000));
        assert_eq!((cases[0].count, cases[0].lists["l"].len()), (Some(2), 2));
    }

    #[test]
    fn events_are_like_templates_with_their_own_members_over_them_and_repeat_with_their_number() {
        let text = "templates:\n  t: {source: s, enrich: {src_asn: 1}, raw: {id: 'x-{n:3}', who: {a: 1, b: [1, 2]}, k: '{n%2} {n} {no'}}\ncases:\n- name: n\n  match: true\n  events:\n  - {source: s, raw: {id: '{n}'}}\n  - {like: t, at: +1m, repeat: 2, every: 30s, raw: {who: {b: [3], c: null}}, enrich: {src_country: BR}}\n";
        let cases = parse_cases(&file(text)).unwrap();
        let played: Vec<_> = cases[0].played().map(|event| (event.at, event.raw)).collect();
        let third = r#"{"id":"x-003","who":{"a":1,"b":[3],"c":null},"k":"1 3 {no"}"#;
        assert_eq!(played[0], (None, r#"{"id":"{n}"}"#.to_owned()));
        assert_eq!(played[1].0, Some(60_000_000));
        assert_eq!(played[2], (Some(90_000_000), third.to_owned()));
        assert_eq!(cases[0].events[1].enrich.len(), 2);
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
            ("templates: []", codes::WRONG_TYPE),
            ("cases: [{name: n, match: true, events: [{like: t}]}]", codes::BAD_VALUE),
            ("cases: [{name: n, match: true, events: [{source: s, raw: {}, repeat: 0}]}]", codes::BAD_VALUE),
            (
                "cases: [{name: n, match: true, events: [{source: s, raw: {}, every: often}]}]",
                codes::BAD_VALUE,
            ),
            // what could be reckoned with no longer
            (
                "cases: [{name: n, match: true, events: [{source: s, raw: {}, at: 292000y}]}]",
                codes::BAD_VALUE,
            ),
            (
                "cases: [{name: n, match: true, events: [{source: s, raw: {}, at: 0, repeat: 50000, every: 400d}]}]",
                codes::TOO_LARGE,
            ),
            (
                "cases: [{name: n, match: true, events: [{source: s, raw: {}, repeat: 30000}, {source: s, raw: {}, repeat: 30000}]}]",
                codes::TOO_LARGE,
            ),
        ] {
            assert_eq!(parse_cases(&file(text)).unwrap_err()[0].code, code, "{text}");
        }
        assert!(parse_lists(&file("a: b")).is_err());
        assert_eq!(parse_lists(&file("a: [b]\n---\nc: []")).unwrap().len(), 2);
    }
}
