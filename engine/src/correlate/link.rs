//! Names of rules → the rules.
//!
//! In: correlations as they are written, and all that they may be about. Out: those whose rules are all
//! there, in an order in which each stands behind those that it is about; a diagnostic for every other.
//! A rule is meant by its id, else its name, else its title, which is pointed out, for titles change.

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::Arc;

use super::mute::Block;
use crate::diagnostic::{Code, Diagnostic, codes, nearest};
use crate::limits::MAX_CORRELATION_DEPTH;
use crate::sigma::{AbsentCorrelation, Correlation, CorrelationAlias, Spanned};

/// A correlation whose rules are found.
#[derive(Debug, Clone)]
pub struct LinkedCorrelation {
    /// The correlation.
    pub correlation: Arc<Correlation>,
    /// What it is about, in the order of its `rules`.
    pub members: Vec<Member>,
}

/// One of the rules that a correlation is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Member {
    /// A detection rule, by its key.
    Rule(String),
    /// Another correlation, by its number among the linked ones.
    Correlation(usize),
}

/// A rule that a correlation may be about.
#[derive(Debug)]
pub(crate) struct Candidate {
    pub id: Option<String>,
    pub name: Option<String>,
    pub title: String,
    pub key: String,
    /// It can run, or would if it were not switched off.
    pub works: bool,
}

/// Finds the rules of all correlations.
pub(crate) fn link(
    correlations: Vec<Correlation>,
    rules: &[Candidate],
) -> (Vec<LinkedCorrelation>, Vec<Diagnostic>) {
    let mut correlations: Vec<_> = correlations.into_iter().map(Arc::new).collect();
    let mut candidates: Vec<(Found, Names<'_>)> =
        rules.iter().enumerate().map(|(i, rule)| (Found::Rule(i), Names::of_rule(rule))).collect();
    candidates.extend(correlations.iter().enumerate().map(|(i, c)| (Found::Correlation(i), Names::of(c))));
    let mut finder = Finder { rules, candidates, diagnostics: Vec::new() };
    let (mut found, mut renamed) = (Vec::new(), Vec::new());
    for correlation in &correlations {
        let members = finder.members(correlation);
        renamed.push(finder.aliases(correlation, &members));
        found.push(members.into_iter().collect());
    }
    let diagnostics = finder.diagnostics;
    for (correlation, aliases) in correlations.iter_mut().zip(renamed) {
        if let Some(aliases) = aliases {
            Arc::make_mut(correlation).aliases = aliases;
        }
    }
    let mut graph = Graph::new(&correlations, found, diagnostics);
    graph.link(rules);
    graph.tell_broken();
    graph.tell_endless();
    (graph.linked, graph.diagnostics)
}

/// What correlations name that do not run, as far as it is found.
pub(crate) fn named(
    by: Vec<AbsentCorrelation>,
    rules: &[Candidate],
    linked: &[LinkedCorrelation],
) -> Vec<Block> {
    let mut candidates: Vec<(Found, Names<'_>)> =
        rules.iter().enumerate().map(|(i, rule)| (Found::Rule(i), Names::of_rule(rule))).collect();
    let correlations = linked.iter().enumerate();
    candidates
        .extend(correlations.map(|(i, linked)| (Found::Correlation(i), Names::of(&linked.correlation))));
    let finder = Finder { rules, candidates, diagnostics: Vec::new() };
    let key = |name: &Spanned<String>| match finder.find(&name.value).0.as_slice() {
        [Found::Rule(rule)] => Some(rules[*rule].key.clone()),
        [Found::Correlation(number)] => Some(linked[*number].correlation.key()),
        _ => None,
    };
    let blocks = by.into_iter().flat_map(|of| {
        let of = Arc::new(of);
        let block = |name| Some(Block { key: key(name)?, name: name.value.clone(), of: Arc::clone(&of) });
        of.rules.iter().filter_map(block).collect::<Vec<_>>()
    });
    blocks.collect()
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Found {
    Rule(usize),
    Correlation(usize),
}

/// What something may be called by.
struct Names<'a> {
    id: Option<String>,
    name: Option<&'a str>,
    title: &'a str,
}

impl<'a> Names<'a> {
    fn of_rule(rule: &'a Candidate) -> Self {
        let id = rule.id.as_deref().map(crate::rule_set::bare_id);
        Self { id, name: rule.name.as_deref(), title: &rule.title }
    }

    fn of(correlation: &'a Correlation) -> Self {
        let id = correlation.id.as_deref().map(crate::rule_set::bare_id);
        Self { id, name: correlation.name.as_deref(), title: &correlation.title }
    }
}

/// Finds out what names mean.
struct Finder<'a> {
    rules: &'a [Candidate],
    candidates: Vec<(Found, Names<'a>)>,
    diagnostics: Vec<Diagnostic>,
}

impl Finder<'_> {
    /// What a correlation is about, in the order of its rules; `None` for what is not there. All names are looked up, so
    /// that all mistakes are told at once.
    fn members(&mut self, correlation: &Correlation) -> Vec<Option<Found>> {
        correlation.rules.iter().map(|name| self.member(correlation, name)).collect()
    }

    fn member(&mut self, correlation: &Correlation, name: &Spanned<String>) -> Option<Found> {
        let found = self.one(correlation, name)?;
        match found {
            Found::Rule(rule) if !self.rules[rule].works => {
                let cause = format!("the rule `{}` has errors", name.value);
                self.error(correlation, name, cause, "mend that rule first");
                None
            }
            _ => Some(found),
        }
    }

    /// All that a name may mean, and whether it is a title.
    fn find(&self, name: &str) -> (Vec<Found>, bool) {
        let id = crate::rule_set::bare_id(name);
        let by = |fits: &dyn Fn(&Names<'_>) -> bool| -> Vec<Found> {
            self.candidates.iter().filter(|(_, names)| fits(names)).map(|(found, _)| *found).collect()
        };
        let mut found = by(&|names| names.id.as_ref() == Some(&id));
        if found.is_empty() {
            found = by(&|names| names.name == Some(name));
        }
        let is_title = found.is_empty();
        if is_title {
            found = by(&|names| names.title == name);
        }
        // a broken rule does not stand in the way of a good one with its id
        let works = |found: &Found| !matches!(found, Found::Rule(rule) if !self.rules[*rule].works);
        if found.iter().any(works) {
            found.retain(works);
        }
        (found, is_title)
    }

    /// What a name means; a mistake is told.
    fn one(&mut self, correlation: &Correlation, name: &Spanned<String>) -> Option<Found> {
        let (found, is_title) = self.find(&name.value);
        if is_title && !found.is_empty() {
            let cause = format!("`{}` is the title of a rule", name.value);
            self.diagnostics.push(
                Diagnostic::warning(codes::UNKNOWN_RULE, &correlation.file, name.span.clone(), cause)
                    .with_help("name it by its `name` or `id`: titles change"),
            );
        }
        match found.as_slice() {
            [one] => Some(*one),
            [] => {
                let names = self.candidates.iter().filter_map(|(_, names)| names.name);
                let help = match nearest(&name.value, names) {
                    Some(near) => format!("did you mean `{near}`?"),
                    None => "load the file that it stands in too; it is meant by its id or name".to_owned(),
                };
                let cause = format!("there is no rule `{}`", name.value);
                self.error(correlation, name, cause, &help);
                None
            }
            several => {
                let cause = format!("{} rules are called `{}`", several.len(), name.value);
                self.error(correlation, name, cause, "name it by its id");
                None
            }
        }
    }

    /// An alias says which field of which rule it stands for, and may call that rule by another of its names than
    /// `rules` does: the aliases as `rules` has them, where that is so. One of no use is a slip of the pen.
    fn aliases(
        &mut self,
        correlation: &Correlation,
        members: &[Option<Found>],
    ) -> Option<Vec<CorrelationAlias>> {
        let mut aliases = correlation.aliases.clone();
        let mut is_renamed = false;
        for (rule, _) in aliases.iter_mut().flat_map(|alias| &mut alias.fields) {
            if correlation.rules.iter().any(|name| name.value == rule.value) {
                continue;
            }
            let meant = match self.find(&rule.value).0.as_slice() {
                [one] => members.iter().position(|member| *member == Some(*one)),
                _ => None,
            };
            if let Some(name) = meant.and_then(|at| correlation.rules.get(at)) {
                rule.value.clone_from(&name.value);
                is_renamed = true;
                continue;
            }
            let cause = format!("`{}` is not one of the correlation's rules", rule.value);
            self.diagnostics.push(
                Diagnostic::warning(codes::UNKNOWN_RULE, &correlation.file, rule.span.clone(), cause)
                    .with_help("an alias names a rule of `rules` by its id or name"),
            );
        }
        is_renamed.then_some(aliases)
    }

    fn error(&mut self, correlation: &Correlation, name: &Spanned<String>, cause: String, help: &str) {
        let error = Diagnostic::error(codes::UNKNOWN_RULE, &correlation.file, name.span.clone(), cause);
        self.diagnostics.push(error.with_help(help));
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Waiting,
    /// Its number among the linked ones.
    Linked(usize),
    Broken,
}

/// Which correlation stands on which. Nothing here is recursive: files come from outside, and chains may
/// be of any length.
struct Graph<'a> {
    correlations: &'a [Arc<Correlation>],
    found: Vec<Vec<Found>>,
    states: Vec<State>,
    /// Those that stand on each, as often as they name it.
    above: Vec<Vec<usize>>,
    linked: Vec<LinkedCorrelation>,
    diagnostics: Vec<Diagnostic>,
}

impl<'a> Graph<'a> {
    fn new(
        correlations: &'a [Arc<Correlation>],
        found: Vec<Option<Vec<Found>>>,
        diagnostics: Vec<Diagnostic>,
    ) -> Self {
        let state = |found: &Option<_>| if found.is_some() { State::Waiting } else { State::Broken };
        let states = found.iter().map(state).collect();
        let found: Vec<Vec<Found>> = found.into_iter().map(Option::unwrap_or_default).collect();
        let mut above = vec![Vec::new(); correlations.len()];
        for (at, members) in found.iter().enumerate() {
            for member in members {
                if let Found::Correlation(other) = member {
                    above[*other].push(at);
                }
            }
        }
        Self { correlations, found, states, above, linked: Vec::new(), diagnostics }
    }

    /// Links what stands on rules, then what stands on that, and so on.
    fn link(&mut self, rules: &[Candidate]) {
        let on_correlations =
            |members: &Vec<Found>| members.iter().filter(|m| matches!(m, Found::Correlation(_))).count();
        let mut waits_for: Vec<usize> = self.found.iter().map(on_correlations).collect();
        let mut depths = vec![1; self.found.len()];
        let ready =
            (0..self.found.len()).filter(|&at| waits_for[at] == 0 && self.states[at] == State::Waiting);
        let mut queue: VecDeque<usize> = ready.collect();
        while let Some(at) = queue.pop_front() {
            if depths[at] > MAX_CORRELATION_DEPTH {
                let cause =
                    format!("more than {MAX_CORRELATION_DEPTH} correlations stand on one another here");
                self.break_at(at, codes::CORRELATION_CHAIN, &self.correlations[at].kind.span, cause, None);
                continue;
            }
            let member = |found: &Found| match *found {
                Found::Rule(rule) => Some(Member::Rule(rules[rule].key.clone())),
                Found::Correlation(other) => match self.states[other] {
                    State::Linked(number) => Some(Member::Correlation(number)),
                    State::Waiting | State::Broken => None,
                },
            };
            let Some(members) = self.found[at].iter().map(member).collect() else { continue };
            self.states[at] = State::Linked(self.linked.len());
            self.linked.push(LinkedCorrelation { correlation: Arc::clone(&self.correlations[at]), members });
            for &other in &self.above[at] {
                depths[other] = depths[other].max(depths[at] + 1);
                waits_for[other] -= 1;
                if waits_for[other] == 0 && self.states[other] == State::Waiting {
                    queue.push_back(other);
                }
            }
        }
    }

    /// What stands on something broken is broken.
    fn tell_broken(&mut self) {
        let mut queue: VecDeque<usize> =
            (0..self.states.len()).filter(|&at| self.states[at] == State::Broken).collect();
        while let Some(at) = queue.pop_front() {
            for other in self.above[at].clone() {
                if self.states[other] == State::Waiting {
                    self.break_on(other, at);
                    queue.push_back(other);
                }
            }
        }
    }

    /// What still waits is a circle, or stands on one.
    fn tell_endless(&mut self) {
        let waits = |graph: &Self, at: usize| graph.states[at] == State::Waiting;
        let below = |graph: &Self, at: usize| -> Vec<usize> {
            let correlations = graph.found[at].iter().filter_map(|member| match member {
                Found::Correlation(other) => Some(*other),
                Found::Rule(_) => None,
            });
            correlations.filter(|&other| waits(graph, other)).collect()
        };
        let mut named_by: Vec<usize> =
            self.above.iter().map(|above| above.iter().filter(|&&at| waits(self, at)).count()).collect();
        let on_top = (0..self.states.len()).filter(|&at| waits(self, at) && named_by[at] == 0);
        let mut queue: VecDeque<usize> = on_top.collect();
        let mut only_above = Vec::new();
        while let Some(at) = queue.pop_front() {
            let below = below(self, at);
            self.states[at] = State::Broken;
            only_above.extend(below.first().map(|first| (at, *first)));
            for other in below {
                named_by[other] -= 1;
                if named_by[other] == 0 {
                    queue.push_back(other);
                }
            }
        }
        let circle: Vec<(usize, Vec<usize>)> =
            (0..self.states.len()).filter(|&at| waits(self, at)).map(|at| (at, below(self, at))).collect();
        for (at, below) in circle {
            let Some(name) = below.first().and_then(|other| self.name_of(at, *other)) else { continue };
            let cause = match below.contains(&at) {
                true => "a correlation cannot stand on itself".to_owned(),
                false => format!("the chain by way of `{}` has no end", name.value),
            };
            self.break_at(at, codes::CORRELATION_CHAIN, &name.span, cause, None);
        }
        only_above.sort_unstable();
        only_above.into_iter().for_each(|(at, on)| self.break_on(at, on));
    }

    /// The name under which a correlation names another.
    fn name_of(&self, at: usize, other: usize) -> Option<Spanned<String>> {
        let place = self.found[at].iter().position(|member| *member == Found::Correlation(other));
        // one whose names were not all found has no members here, and its mistakes are told already
        self.correlations[at].rules.get(place?).cloned()
    }

    fn break_on(&mut self, at: usize, broken: usize) {
        if let Some(name) = self.name_of(at, broken) {
            let cause = format!("the correlation `{}` has errors", name.value);
            let help = Some("mend that correlation first");
            self.break_at(at, codes::UNKNOWN_RULE, &name.span, cause, help);
        }
    }

    fn break_at(&mut self, at: usize, code: Code, span: &Range<usize>, cause: String, help: Option<&str>) {
        self.states[at] = State::Broken;
        let error = Diagnostic::error(code, &self.correlations[at].file, span.clone(), cause);
        self.diagnostics.push(match help {
            Some(help) => error.with_help(help),
            None => error,
        });
    }
}

#[cfg(test)]
mod tests {
    use crate::diagnostic::{Severity, SourceFile};
    use crate::plan::Lists;
    use crate::rule_set::RuleSet;
    use crate::sigma::CorrelationCondition;

    use super::*;

    const RULES: &str = "title: Failed sign-in\nid: 11111111-aaaa-4aaa-8aaa-000000000001\nname: fail\nlogsource: {product: p}\ndetection: {s: {a: 1}, condition: s}\n---\ntitle: Signed in\nname: pass\nlogsource: {product: p}\ndetection: {s: {a: 2}, condition: s}\n";

    fn correlation(name: &str, body: &str) -> String {
        let group = if body.contains("group-by") { "" } else { "group-by: user, " };
        let window = if body.contains("history") { "" } else { "timespan: 5m, " };
        format!("title: {name}\nname: {name}\ncorrelation: {{{window}{group}{body}}}\n")
    }

    fn load(correlations: &[String]) -> RuleSet {
        let text = [&[RULES.to_owned()], correlations].concat().join("---\n");
        RuleSet::load([Arc::new(SourceFile { name: "t.yml".into(), text })], &Lists::new())
    }

    /// What is said, without the notes and what follows from an error for other rules.
    fn said(set: &RuleSet) -> Vec<(Severity, String)> {
        let is_own = |d: &&Diagnostic| d.severity != Severity::Note && d.code != codes::NEVER_HEARD;
        let spoken = set.diagnostics.iter().filter(is_own);
        spoken.map(|d| (d.severity, format!("{}: {}", d.code.id, &d.file.text[d.span.clone()]))).collect()
    }

    #[test]
    fn a_rule_is_meant_by_its_id_its_name_or_its_title() {
        for (name, warned) in [
            ("fail", false),
            ("11111111-AAAA-4aaa-8aaa-000000000001", false),
            ("'{11111111aaaa4aaa8aaa000000000001}'", false),
            ("Failed sign-in", true),
        ] {
            let set = load(&[correlation(
                "c",
                &format!("type: event_count, rules: {name}, condition: {{gte: 3}}"),
            )]);
            let key = "11111111-aaaa-4aaa-8aaa-000000000001".to_owned();
            assert_eq!(set.correlations[0].members, [Member::Rule(key)], "{name}");
            let expected = warned.then(|| (Severity::Warning, format!("unknown-rule: {name}")));
            assert_eq!(said(&set), Vec::from_iter(expected), "{name}");
            assert_eq!(set.rejected, 0);
        }
    }

    #[test]
    fn an_alias_may_call_a_rule_by_another_of_its_names_than_rules_does() {
        let id = "11111111-aaaa-4aaa-8aaa-000000000001";
        for (rules, aliased, expected) in [
            ("fail", "fail", "fail"),
            (id, "fail", id),
            ("fail", "11111111-AAAA-4aaa-8aaa-000000000001", "fail"),
            ("Failed sign-in", "fail", "Failed sign-in"),
        ] {
            let body = format!(
                "type: value_count, rules: ['{rules}', pass], condition: {{field: f, gte: 2}}, aliases: {{f: {{'{aliased}': a, pass: b}}}}"
            );
            let set = load(&[correlation("c", &body)]);
            let aliases = &set.correlations[0].correlation.aliases;
            let names: Vec<&str> = aliases[0].fields.iter().map(|(rule, _)| rule.value.as_str()).collect();
            assert_eq!(names, [expected, "pass"], "{rules} {aliased}");
            assert!(
                said(&set).iter().all(|(_, said)| said == "unknown-rule: 'Failed sign-in'"),
                "{:?}",
                said(&set)
            );
        }
        let other =
            "type: value_count, rules: [fail], condition: {field: f, gte: 2}, aliases: {f: {pass: b}}";
        let expected = (Severity::Warning, "unknown-rule: pass".to_owned());
        assert_eq!(
            said(&load(&[correlation("c", other)])),
            [expected],
            "a rule that is none of the correlation's"
        );
    }

    #[test]
    fn more_rules_than_a_number_has_bits_are_refused_whatever_is_asked_of_them() {
        let rule = |number: usize| {
            format!(
                "title: r{number}\nname: r{number}\nlogsource: {{product: p}}\ndetection: {{s: {{a: {number}}}, condition: s}}\n"
            )
        };
        let documents: Vec<String> = (0..65).map(rule).collect();
        let named = |count: usize| (0..count).map(|n| format!("r{n}")).collect::<Vec<_>>().join(", ");
        for kind in ["type: temporal", "type: temporal_ordered", "type: event_count, condition: {gte: 2}"] {
            for (count, said_of_it) in [(64, None), (65, Some("bad-value: r64"))] {
                let of = correlation("c", &format!("{kind}, rules: [{}]", named(count)));
                let set = load(&[documents.clone(), vec![of]].concat());
                let expected = said_of_it.map(|said| (Severity::Error, said.to_owned()));
                assert_eq!(said(&set), Vec::from_iter(expected), "{kind} {count}");
                assert_eq!(set.correlations.len(), usize::from(count == 64), "{kind} {count}");
            }
        }
    }

    #[test]
    fn a_broken_rule_does_not_stand_in_the_way_of_a_good_one_with_its_name() {
        let broken =
            "title: b\nname: fail\nlogsource: {product: p}\ndetection: {s: {a|re: '('}, condition: s}\n";
        let of = correlation("c", "type: event_count, rules: [fail], condition: {gte: 3}");
        let set = load(&[broken.to_owned(), of.clone()]);
        assert_eq!((set.correlations.len(), set.rejected), (1, 1), "{:?}", said(&set));
        let alone = [broken.replace("name: fail", "name: other"), of.replace("[fail]", "[other]")];
        let set = load(&alone);
        assert_eq!((set.correlations.len(), set.rejected), (0, 2), "{:?}", said(&set));
    }

    #[test]
    fn a_chain_is_put_into_the_order_in_which_it_works() {
        let set = load(&[
            correlation("outer", "type: temporal, rules: [inner, pass]"),
            correlation("inner", "type: event_count, rules: [fail], group-by: user, condition: {gte: 3}"),
        ]);
        let titles: Vec<&str> = set.correlations.iter().map(|c| c.correlation.title.as_str()).collect();
        assert_eq!(titles, ["inner", "outer"]);
        assert_eq!(set.correlations[1].members, [Member::Correlation(0), Member::Rule("pass".into())]);
        // all of its rules, for nothing else is said
        let CorrelationCondition::Number { criteria, .. } = &set.correlations[1].correlation.condition else {
            panic!("a number");
        };
        assert_eq!(criteria, &[(crate::sigma::Criterion::Gte, 2.0)]);
        assert_eq!(said(&set), []);
    }

    #[test]
    fn what_stands_on_itself_is_an_error_and_so_is_all_that_stands_on_it() {
        let set = load(&[
            correlation("itself", "type: temporal, rules: [fail, itself]"),
            correlation("a", "type: temporal, rules: [fail, b]"),
            correlation("b", "type: temporal, rules: [pass, a]"),
            correlation("above", "type: temporal, rules: [fail, b]"),
            correlation("fine", "type: temporal, rules: [fail, pass]"),
        ]);
        let codes: Vec<String> = said(&set).into_iter().map(|(_, text)| text).collect();
        assert_eq!(
            codes,
            ["correlation-chain: itself", "correlation-chain: b", "correlation-chain: a", "unknown-rule: b"]
        );
        assert_eq!((set.correlations.len(), set.rejected), (1, 4));
    }

    #[test]
    fn a_chain_has_an_end() {
        let long: Vec<String> = (0..=MAX_CORRELATION_DEPTH)
            .map(|i| {
                let below = i.checked_sub(1).map_or("pass".to_owned(), |i| format!("c{i}"));
                correlation(&format!("c{i}"), &format!("type: temporal, rules: [fail, {below}]"))
            })
            .collect();
        let set = load(&long);
        assert_eq!((set.correlations.len(), set.rejected), (MAX_CORRELATION_DEPTH, 1));
        assert_eq!(said(&set)[0].1, "correlation-chain: temporal");
        // thousands of them do not exhaust the stack: each stands on its neighbour, and all on nothing
        let ring: Vec<String> = (0..3000)
            .map(|i| {
                correlation(&format!("r{i}"), &format!("type: temporal, rules: [fail, r{}]", (i + 1) % 3000))
            })
            .collect();
        assert_eq!(load(&ring).rejected, 3000);
    }

    #[test]
    fn each_mistake_is_told_where_it_stands() {
        use Severity::{Error, Warning};
        let count = "type: event_count, rules: [fail]";
        let same_name = RULES.split("---\n").nth(1).unwrap().replace("name: pass", "name: pass\nid: 5");
        for (body, severity, expected) in [
            ("type: event_count, rules: [fial], condition: {gte: 3}", Error, "unknown-rule: fial"),
            (
                "type: temporal, rules: [fail, pass], condition: fail and other",
                Error,
                "unused-selection: pass",
            ),
            ("type: temporal, condition: 1 of f*", Error, "condition-syntax: f*"),
            ("type: event_count, rules: [fail], condition: {gte: .inf}", Error, "wrong-type: .inf"),
            (&format!("{count}, condition: {{gte: 1}}"), Warning, "bad-value: {gte: 1}"),
            (&format!("{count}, condition: {{gte: 5, lt: 5}}"), Warning, "bad-value: {gte: 5, lt: 5}"),
            // what is counted is there
            (&format!("{count}, condition: {{lt: 1}}"), Warning, "bad-value: {lt: 1}"),
            (&format!("{count}, condition: {{eq: 2.5}}"), Warning, "bad-value: {eq: 2.5}"),
            (&format!("{count}, condition: {{gt: 2, lt: 3}}"), Warning, "bad-value: {gt: 2, lt: 3}"),
            ("type: temporal, rules: [fail, pass], condition: {gte: 3}", Warning, "bad-value: {gte: 3}"),
            ("type: temporal, rules: [fail, pass], condition: {lt: 1}", Warning, "bad-value: {lt: 1}"),
            (
                "type: value_sum, rules: [fail], condition: {gt: 2, lt: 2, field: a}",
                Warning,
                "bad-value: {gt: 2, lt: 2, field: a}",
            ),
            (&format!("{count}, condition: {{gte: 5, field: a}}"), Warning, "bad-value: a"),
            (&format!("{count}, condition: {{}}"), Error, "missing-key: {}"),
            (&format!("{count}, condition: {{gte: 5}}, gruop-by: a"), Error, "unknown-key: gruop-by"),
            ("type: value_sum, rules: [fail], condition: {gte: 5, field: [a, b]}", Error, "bad-value: b"),
            (
                "type: value_sum, rules: [fail], condition: {gte: 5, field: a}, aliases: {u: {pass: x}}",
                Warning,
                "unknown-rule: pass",
            ),
        ] {
            let set = load(&[correlation("c", body)]);
            assert_eq!(said(&set)[0], (severity, expected.to_owned()), "{body}");
            assert_eq!(set.rejected, usize::from(severity == Error), "{body}");
        }
        // a count that there can be, and a sum that is no whole number
        for body in [
            &format!("{count}, condition: {{eq: 2}}"),
            &format!("{count}, condition: {{lt: 2}}"),
            &format!("{count}, condition: {{gt: 2.5, lt: 3.5}}"),
            &format!("{count}, condition: {{gte: 2, neq: 2}}"),
            "type: temporal, rules: [fail, pass], condition: {gt: 1}",
            "type: temporal, rules: [fail, pass], condition: {neq: 2}",
            "type: value_sum, rules: [fail], condition: {gt: 2, lt: 3, field: a}",
            "type: value_sum, rules: [fail], condition: {lt: 1, field: a}",
        ] {
            assert_eq!(said(&load(&[correlation("c", body)])), [], "{body}");
        }
        for span in ["0m", "10y", "401d", "99999999999999999w"] {
            let document = correlation("c", &format!("{count}, condition: {{gte: 2}}")).replace("5m", span);
            assert_eq!(said(&load(&[document])), [(Error, format!("bad-value: {span}"))]);
        }
        let set = load(&[same_name, correlation("c", "type: temporal, rules: [fail, pass]")]);
        assert!(said(&set).iter().any(|(_, text)| text == "unknown-rule: pass"), "{:?}", said(&set));
    }

    #[test]
    fn types_with_a_history_say_what_they_compare_with() {
        let terms = "type: new_terms, rules: [fail], field: [a, b], history: 30d";
        let travel = "type: impossible_travel, rules: [pass], history: 1d";
        let rate = "type: rate_baseline, rules: [fail], history: 14d, bucket: 1h";
        let rate = |more: &str| format!("{rate}, warmup: {{min_buckets: 72}}, {more}");
        for (body, expected) in [
            (
                format!("{terms}, warmup: {{min_age: 1d, min_events: 20}}, idle_only: 7d"),
                "NewTerms [\"a\", \"b\"] 86400000000 20 Some(604800000000)",
            ),
            (format!("{terms}, warmup: {{}}"), "NewTerms [\"a\", \"b\"] 0 0 None"),
            (travel.to_owned(), "ImpossibleTravel 900 500"),
            (format!("{travel}, condition: {{min_speed_kmh: 700}}"), "ImpossibleTravel 700 500"),
            (rate("condition: {min_value: 10}"), "RateBaseline None 3600000000 72 10 1 3.5"),
            (
                rate("field: t, condition: {min_value: 10, min_ratio: 5, min_score: 6}"),
                "RateBaseline Some(\"t\") 3600000000 72 10 5 6",
            ),
        ] {
            let set = load(&[correlation("c", &body)]);
            assert_eq!(said(&set), [], "{body}");
            let name = |field: &Spanned<String>| field.value.clone();
            let read = match &set.correlations[0].correlation.condition {
                CorrelationCondition::NewTerms { fields, min_age, min_events, idle } => {
                    let fields: Vec<_> = fields.iter().map(name).collect();
                    format!("NewTerms {fields:?} {min_age} {min_events} {idle:?}")
                }
                CorrelationCondition::ImpossibleTravel { min_speed_kmh, min_distance_km } => {
                    format!("ImpossibleTravel {min_speed_kmh} {min_distance_km}")
                }
                CorrelationCondition::RateBaseline {
                    field,
                    bucket,
                    min_buckets,
                    min_value,
                    min_ratio,
                    min_score,
                } => {
                    let field = field.as_ref().map(name);
                    format!(
                        "RateBaseline {field:?} {bucket} {min_buckets} {min_value} {min_ratio} {min_score}"
                    )
                }
                other => panic!("{other:?}"),
            };
            assert_eq!(read, expected);
        }
        for (body, expected) in [
            (format!("{terms}, timespan: 5m, warmup: {{}}"), "unknown-key: timespan"),
            (terms.replace(", field: [a, b]", "") + ", warmup: {}", "missing-key: type"),
            (terms.to_owned(), "missing-key: type"),
            (format!("{terms}, warmup: {{min_aeg: 1d}}"), "unknown-key: min_aeg"),
            (format!("{terms}, warmup: {{min_events: -1}}"), "bad-value: -1"),
            (format!("{terms}, warmup: {{}}, idle_only: soon"), "bad-value: soon"),
            (format!("{travel}, condition: fast"), "wrong-type: fast"),
            (rate("condition: {min_ratio: 5}"), "missing-key: {min_ratio: 5}"),
            (rate("field: [a, b], condition: {min_value: 5}"), "bad-value: b"),
            (rate("condition: {min_value: 5}").replace("1h", "0s"), "bad-value: 0s"),
            (travel.replace("1d", "2y"), "bad-value: 2y"),
        ] {
            let body = format!("group-by: u, {body}");
            let set = load(&[correlation("c", &body)]);
            let (severity, text) = &said(&set)[0];
            assert_eq!(
                (*severity, text.as_str()),
                (Severity::Error, expected.replace(": type", ": group-by").as_str()),
                "{body}"
            );
        }
        // never reached, and told
        for body in [
            format!("{terms}, warmup: {{min_age: 31d}}"),
            format!("{terms}, warmup: {{}}, idle_only: 31d"),
            rate("condition: {min_value: 5}").replace("14d", "2d"),
        ] {
            let set = load(&[correlation("c", &body)]);
            assert!(said(&set)[0].1.starts_with("bad-value: ") && set.rejected == 1, "{body}");
        }
        // all matches as one group may be meant
        let set =
            load(
                &["title: c\ncorrelation: {type: temporal, rules: [fail, pass], timespan: 5m}\n".to_owned()],
            );
        assert_eq!(said(&set), [(Severity::Warning, "missing-key: type".to_owned())]);
        assert_eq!(set.correlations.len(), 1);
    }
}
