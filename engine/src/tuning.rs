//! `tuning.yml`: public rules are switched off, given another level, thinned out and given exceptions
//! without being edited.
//!
//! In: a file of entries by rule id. Out: a [`Tuning`], or every mistake with its place.
//!
//! ```yaml
//! 4f1d2c9e-…:
//!   why: our backup job copies snapshots every night
//!   level: low
//!   suppress: {by: [principal], for: 1h}
//!   exclude:
//!     backup:
//!       userIdentity.arn|endswith: ':role/backup'
//! a3b0…:
//!   enabled: false
//! ```
//!
//! What `exclude` names are selections of Sigma, in the rule's own field names; where any of them
//! holds, the rule does not match.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use crate::diagnostic::{Code, Diagnostic, SourceFile, codes, known_words};
use crate::limits::MAX_TIMESPAN;
use crate::plan::{Beside, ResolvedNode, ResolvedRule, ResolvedSelection, detection_beside};
use crate::sigma::yaml::{self, Kind, Node, Scalar};
use crate::sigma::{Condition, Correlation, Level, Rule, Spanned, Suppress, parse_detection, parse_suppress};

/// Entries by rule id; a rule without id by its name.
#[derive(Debug, Default)]
pub struct Tuning {
    entries: BTreeMap<String, Entry>,
}

/// What is said of one rule.
#[derive(Debug)]
struct Entry {
    file: Arc<SourceFile>,
    span: Range<usize>,
    enabled: bool,
    level: Option<Level>,
    suppress: Option<Suppress>,
    exclude: Vec<(String, ResolvedNode)>,
}

const KEYS: [&str; 5] = ["enabled", "level", "suppress", "exclude", "why"];

impl Tuning {
    /// Reads a file of tuning.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub fn parse(file: &Arc<SourceFile>) -> Result<Self, Vec<Diagnostic>> {
        let (nodes, diagnostics) = yaml::documents(file);
        let mut reader = Reader { file, diagnostics };
        let mut tuning = Self::default();
        for (_, node) in nodes.iter().filter(|(_, node)| node.scalar() != Some(Scalar::Null)) {
            reader.document(node, &mut tuning);
        }
        if reader.diagnostics.is_empty() { Ok(tuning) } else { Err(reader.diagnostics) }
    }

    /// Takes in another file's entries.
    ///
    /// # Errors
    /// Where both speak of one rule.
    pub fn merge(&mut self, other: Self) -> Result<(), Box<Diagnostic>> {
        for (id, entry) in other.entries {
            if let Some(first) = self.entries.get(&id) {
                let cause = format!("`{id}` is already tuned in {}", first.file.name);
                return Err(Box::new(Diagnostic::error(
                    codes::DUPLICATE_KEY,
                    &entry.file,
                    entry.span,
                    cause,
                )));
            }
            self.entries.insert(id, entry);
        }
        Ok(())
    }

    /// Takes in entries for rules that nothing is said of yet: what ships, under what its user says.
    pub fn fill(&mut self, defaults: Self) {
        for (id, entry) in defaults.entries {
            self.entries.entry(id).or_insert(entry);
        }
    }

    fn of(&self, key: &str) -> Option<&Entry> {
        self.entries.get(&key.to_lowercase())
    }

    /// Whether what is known by this is switched off.
    pub(crate) fn switches_off(&self, key: &str) -> bool {
        self.of(key).is_some_and(|entry| !entry.enabled)
    }

    /// Gives a correlation the level and suppression that are wanted; `false` where it is switched off.
    /// What cannot be said of a correlation is told.
    pub(crate) fn tune_correlation(
        &self,
        correlation: &mut Correlation,
        diagnostics: &mut Vec<Diagnostic>,
    ) -> bool {
        let Some(entry) = self.of(&correlation.key()) else { return true };
        let mut idle = |cause: &str, help: &str| {
            let warning = Diagnostic::warning(codes::BAD_VALUE, &entry.file, entry.span.clone(), cause);
            diagnostics.push(warning.with_help(help));
        };
        if !entry.exclude.is_empty() {
            idle("a correlation has no fields to `exclude` by", "tune the rules that it is about");
        }
        if entry.level.is_some() {
            correlation.level = entry.level;
        }
        if let Some(suppress) = &entry.suppress {
            if !suppress.by.is_empty() {
                idle("a correlation is suppressed by its groups, and `by` has no effect", "leave `by` out");
            }
            correlation.suppress = Some(suppress.bucket.min(MAX_TIMESPAN));
        }
        entry.enabled
    }

    /// Gives a rule the level and suppression that are wanted; `false` where it is switched off.
    pub(crate) fn tune(&self, rule: &mut Rule) -> bool {
        let Some(entry) = self.of(&rule.key()) else { return true };
        if entry.level.is_some() {
            rule.level = entry.level;
        }
        if entry.suppress.is_some() {
            rule.suppress.clone_from(&entry.suppress);
        }
        entry.enabled
    }

    /// Puts a rule's exceptions beside its conditions.
    pub(crate) fn exclude(&self, rule: &mut ResolvedRule) {
        let Some(entry) = self.of(&rule.rule.key()) else { return };
        if entry.exclude.is_empty() {
            return;
        }
        let (scope, place) = (rule.new_scope(), rule.rule.span.start);
        for (name, node) in &entry.exclude {
            rule.selections.push(ResolvedSelection { name: name.clone(), scope, node: node.clone() });
            let excluded = Condition::Selection(Spanned { value: name.clone(), span: place..place });
            rule.beside.push(Beside { scope, condition: Condition::Not(Box::new(excluded)) });
        }
    }

    /// A warning for each entry whose rule is not there.
    pub(crate) fn idle<'t>(
        &'t self,
        known: impl Fn(&str) -> bool + 't,
    ) -> impl Iterator<Item = Diagnostic> + 't {
        let idle = self.entries.iter().filter(move |(id, _)| !known(id));
        idle.map(|(id, entry)| {
            let cause = format!("there is no rule `{id}` to tune");
            let place = entry.span.clone();
            Diagnostic::warning(codes::FITS_NO_RULE, &entry.file, place, cause)
        })
    }
}

struct Reader<'f> {
    file: &'f Arc<SourceFile>,
    diagnostics: Vec<Diagnostic>,
}

impl Reader<'_> {
    fn error(&mut self, code: Code, span: &Range<usize>, cause: String, help: &str) {
        self.diagnostics.push(Diagnostic::error(code, self.file, span.clone(), cause).with_help(help));
    }

    fn document(&mut self, node: &Node, tuning: &mut Tuning) {
        let Kind::Map(pairs) = &node.kind else {
            let cause = format!("tuning is a mapping of rule ids, this is {}", node.word());
            return self.error(codes::WRONG_TYPE, &node.span, cause, "`<rule id>: {level: low}`");
        };
        for (id, node) in pairs {
            let Some(entry) = self.entry(id, node) else { continue };
            let id = id.text().unwrap_or_default().to_lowercase();
            if let Some(first) = tuning.entries.insert(id.clone(), entry) {
                let cause = format!("`{id}` is tuned twice");
                self.error(codes::DUPLICATE_KEY, &first.span, cause, "join the two entries");
            }
        }
    }

    fn entry(&mut self, id: &Node, node: &Node) -> Option<Entry> {
        let Kind::Map(pairs) = &node.kind else {
            let cause = format!("what is said of a rule is a mapping, not {}", node.word());
            self.error(codes::WRONG_TYPE, &node.span, cause, "`{enabled: false}`, `{level: low}`");
            return None;
        };
        for (key, _) in pairs {
            let name = key.text().unwrap_or_default();
            if !KEYS.contains(&name) {
                let help = known_words(name, &KEYS);
                self.error(codes::UNKNOWN_KEY, &key.span, format!("tuning has no `{name}`"), &help);
            }
        }
        let suppress = node.get("suppress").and_then(|suppress| {
            parse_suppress(suppress, self.file).map_err(|mut wrong| self.diagnostics.append(&mut wrong)).ok()
        });
        Some(Entry {
            file: Arc::clone(self.file),
            span: id.span.clone(),
            enabled: self.enabled(node),
            level: self.level(node),
            suppress,
            exclude: self.exclude(node),
        })
    }

    fn enabled(&mut self, node: &Node) -> bool {
        match node.get("enabled").map(|value| (value, value.scalar())) {
            None => true,
            Some((_, Some(Scalar::Bool(enabled)))) => enabled,
            Some((value, _)) => {
                let cause = "`enabled` must be true or false".to_owned();
                self.error(codes::WRONG_TYPE, &value.span, cause, "`enabled: false`");
                true
            }
        }
    }

    fn level(&mut self, node: &Node) -> Option<Level> {
        let value = node.get("level")?;
        let level = value.text().and_then(Level::parse);
        if level.is_none() {
            let help = format!("one of {}", Level::ALL.map(Level::word).join(", "));
            let cause = format!("`{}` is no level", value.text().unwrap_or(value.word()));
            self.error(codes::BAD_VALUE, &value.span, cause, &help);
        }
        level
    }

    /// Named selections. A text alone would be a keyword, looked for in the whole event: who writes
    /// `exclude: {userName: bob}` means a field.
    fn exclude(&mut self, node: &Node) -> Vec<(String, ResolvedNode)> {
        const HELP: &str = "`exclude: {backup: {userIdentity.arn|endswith: ':role/backup'}}`";
        let Some(value) = node.get("exclude") else { return Vec::new() };
        let Kind::Map(pairs) = &value.kind else {
            let cause = format!("`exclude` names selections, this is {}", value.word());
            self.error(codes::WRONG_TYPE, &value.span, cause, HELP);
            return Vec::new();
        };
        let mut selections = Vec::with_capacity(pairs.len());
        for (name, selection) in pairs {
            let name = name.text().unwrap_or_default().to_owned();
            if selection.scalar().is_some() {
                let cause = format!("`{name}` must be a selection: fields with values");
                self.error(codes::WRONG_TYPE, &selection.span, cause, HELP);
                continue;
            }
            let resolved = parse_detection(selection, self.file)
                .map_err(Box::new)
                .and_then(|detection| detection_beside(&detection, self.file));
            match resolved {
                Ok(node) => selections.push((name, node)),
                Err(error) => self.diagnostics.push(*error),
            }
        }
        selections
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Tuning, Vec<Diagnostic>> {
        Tuning::parse(&Arc::new(SourceFile { name: "tuning.yml".into(), text: text.into() }))
    }

    #[test]
    fn a_mistake_in_tuning_has_its_place_and_code() {
        for (text, code) in [
            ("- a", codes::WRONG_TYPE),
            ("a: low", codes::WRONG_TYPE),
            ("a: {levle: low}", codes::UNKNOWN_KEY),
            ("a: {level: loud}", codes::BAD_VALUE),
            ("a: {enabled: 'no'}", codes::WRONG_TYPE),
            ("a: {suppress: {by: [x]}}", codes::BAD_VALUE),
            ("a: {suppress: 1h}", codes::WRONG_TYPE),
            ("a: {exclude: bob}", codes::WRONG_TYPE),
            ("a: {exclude: {userName: bob}}", codes::WRONG_TYPE),
            ("a: {exclude: {x: {b|nothing: 1}}}", codes::UNKNOWN_MODIFIER),
            ("a: {exclude: {x: {}}}", codes::EMPTY_DETECTION),
            ("a: {exclude: {x: ['']}}", codes::BAD_VALUE),
            ("a: {level: low}\n---\nA: {level: high}", codes::DUPLICATE_KEY),
            ("a: [", codes::YAML),
        ] {
            let wrong = parse(text).unwrap_err();
            assert_eq!(wrong[0].code, code, "{text}: {wrong:?}");
        }
        assert!(parse("").unwrap().entries.is_empty());
    }

    #[test]
    fn two_files_may_not_speak_of_one_rule() {
        let mut first = parse("a: {level: low}").unwrap();
        assert!(first.merge(parse("b: {level: low}").unwrap()).is_ok());
        assert_eq!(first.merge(parse("a: {why: x}").unwrap()).unwrap_err().code, codes::DUPLICATE_KEY);
    }
}
