//! Rules of which nothing is ever said.
//!
//! In: an engine. Out: a diagnostic for each rule that only feeds correlations, could match, and is heard of by none
//! of them: it raises no alert of its own because they do, and they never will, for something else that they need is
//! missing. That is how the specification has it, and whoever wrote the rule waits for an alert that cannot come.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

use crate::Engine;
use crate::correlate::Member;
use crate::diagnostic::{Diagnostic, SourceFile, codes};

/// What to do about all of them.
const HELP: &str =
    "give it what it lacks, or write `generate: true` in the correlation to hear of the rule itself";

/// What is known of an engine's correlations.
struct Outlook<'e> {
    engine: &'e Engine,
    by_key: HashMap<String, usize>,
    /// By correlation: it can match.
    can_match: Vec<bool>,
    /// By correlation: an alert says when it does, its own or that of an outer one.
    is_heard: Vec<bool>,
}

impl Engine {
    /// The rules and correlations that can match, raise no alert of their own, and feed only what can never match.
    pub fn unheard(&self) -> Vec<Diagnostic> {
        let outlook = Outlook::new(self);
        let muted = self.report().muted.iter().filter_map(|&rule| Some((rule, self.rules().get(rule)?)));
        let rules = muted.filter(|(rule, _)| outlook.gives(*rule)).filter_map(|(_, loaded)| {
            let rule = &loaded.lowered.rule;
            let cause = outlook.silence(&Member::Rule(rule.key()), "rule")?;
            Some(told(&rule.file, &rule.logsource.span, cause))
        });
        let muted = self.report().muted_correlations.iter();
        let muted = muted.filter(|number| outlook.can_match.get(**number) == Some(&true));
        let correlations = muted.filter_map(|&number| {
            let rule = &self.correlations().get(number)?.correlation;
            let cause = outlook.silence(&Member::Correlation(number), "correlation")?;
            Some(told(&rule.file, &rule.kind.span, cause))
        });
        rules.chain(correlations).collect()
    }
}

fn told(file: &Arc<SourceFile>, span: &Range<usize>, cause: String) -> Diagnostic {
    Diagnostic::warning(codes::NEVER_HEARD, file, span.clone(), cause).with_help(HELP)
}

impl<'e> Outlook<'e> {
    fn new(engine: &'e Engine) -> Self {
        let (plans, report) = (engine.correlations(), engine.report());
        let mut can_match = vec![true; plans.len()];
        let idle = report.idle_correlations.iter().map(|(number, _)| number);
        for number in idle.chain(&report.unmatchable_correlations) {
            if let Some(can_match) = can_match.get_mut(*number) {
                *can_match = false;
            }
        }
        let rules = engine.rules().iter().enumerate();
        let by_key = rules.map(|(number, rule)| (rule.lowered.rule.key(), number)).collect();
        let mut outlook = Self { engine, by_key, can_match, is_heard: vec![false; plans.len()] };
        // outer ones stand behind inner ones
        for (number, plan) in plans.iter().enumerate().rev() {
            let can_match = outlook.can_match.get(number) == Some(&true);
            let is_heard = can_match && (!plan.muted || outlook.is_heard_above(&Member::Correlation(number)));
            if let Some(heard) = outlook.is_heard.get_mut(number) {
                *heard = is_heard;
            }
        }
        outlook
    }

    /// The correlations that something feeds.
    fn above(&self, member: &Member) -> impl Iterator<Item = usize> {
        let feeds = |number: &usize| {
            let plan = self.engine.correlations().get(*number);
            plan.is_some_and(|plan| plan.members.iter().any(|asks| asks.member == *member))
        };
        (0..self.is_heard.len()).filter(feeds)
    }

    fn is_heard_above(&self, member: &Member) -> bool {
        self.above(member).any(|number| self.is_heard.get(number) == Some(&true))
    }

    /// Whether a rule runs and can match.
    fn gives(&self, rule: usize) -> bool {
        let runs = self.engine.rules().get(rule).is_some_and(|rule| !rule.sources.is_empty());
        runs && !self.engine.report().unmatchable.contains(&rule)
    }

    /// Why nothing is heard of a member, in words; `None` where something is.
    fn silence(&self, member: &Member, what: &str) -> Option<String> {
        if self.is_heard_above(member) {
            return None;
        }
        let above: Vec<usize> = self.above(member).collect();
        let first = *above.first()?;
        let lead = match above.len() {
            1 => format!("the {what} will raise no alert: it only feeds"),
            several => format!(
                "the {what} will raise no alert: it only feeds {several} correlations, of which none is ever heard, as"
            ),
        };
        Some(format!("{lead} {}", self.of_correlation(first)))
    }

    /// A correlation by its title, and why nobody hears of it.
    fn of_correlation(&self, number: usize) -> String {
        let mut number = number;
        let mut text = String::new();
        // outer ones stand behind inner ones: this ends
        loop {
            let Some(plan) = self.engine.correlations().get(number) else { return text };
            text += &format!("`{}`", plan.correlation.title);
            if self.can_match.get(number) != Some(&true) {
                return text + ", which can never match: " + &self.lack(number);
            }
            let Some(outer) = self.above(&Member::Correlation(number)).next() else { return text };
            text += ", which only feeds ";
            number = outer;
        }
    }

    /// What a correlation that can never match lacks.
    fn lack(&self, number: usize) -> String {
        let table = |column: &str| format!("no lookup table fills `{column}`");
        let idle = self.engine.report().idle_correlations.iter().find(|(idle, _)| *idle == number);
        if let Some((_, Some(column))) = idle {
            return table(column);
        }
        let Some(plan) = self.engine.correlations().get(number) else { return String::new() };
        let named = plan.correlation.rules.iter().zip(&plan.members);
        let mut lacks = named.filter_map(|(name, asks)| {
            let name = &name.value;
            match &asks.member {
                Member::Correlation(inner) if self.can_match.get(*inner) == Some(&true) => None,
                Member::Correlation(_) => Some(format!("its rule `{name}` can never match")),
                Member::Rule(key) => {
                    let Some(rule) = self.by_key.get(key) else {
                        return Some(format!("its rule `{name}` is switched off"));
                    };
                    let loaded = self.engine.rules().get(*rule)?;
                    match loaded.missing_table {
                        _ if self.gives(*rule) => None,
                        _ if !loaded.sources.is_empty() => {
                            Some(format!("its rule `{name}` compares with nothing but empty lists"))
                        }
                        Some(column) => {
                            Some(format!("its rule `{name}` does not run, for {}", table(column)))
                        }
                        None => Some(format!("no source serves its rule `{name}`")),
                    }
                }
            }
        });
        lacks.next().unwrap_or_else(|| "its rules together do not make its condition true".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use crate::diagnostic::Severity;
    use crate::event::SourceSpec;
    use crate::plan::Lists;
    use crate::tuning::Tuning;
    use crate::{RuleSet, Surroundings, testing};

    use super::*;

    /// `a` can match, and so can `block`, which has no level; the list of `b` is empty.
    const RULES: &str = "title: a\nname: a\nlevel: high\nlogsource: {product: p}\ndetection: {s: {a: 1}, condition: s}\n\
        ---\ntitle: block\nname: block\nlogsource: {product: p}\ndetection: {s: {a: 2}, condition: s}\n\
        ---\ntitle: b\nname: b\nid: 11111111-aaaa-4aaa-8aaa-000000000002\nlevel: high\nlogsource: {product: p}\ndetection: {s: {a|expand: '%none%'}, condition: s}\n";

    /// Correlations, tuning, and what is said: line, words of the cause.
    type Case<'c> = (String, &'c str, &'c [(usize, &'c str)]);

    fn correlation(title: &str, body: &str) -> String {
        format!("---\ntitle: {title}\nname: {title}\nlevel: high\ncorrelation: {{timespan: 5m, {body}}}\n")
    }

    /// What is said: line, cause.
    fn said(correlations: &str, tuning: &str) -> Vec<(usize, String)> {
        let file = |text: String| Arc::new(SourceFile { name: "t.yml".into(), text });
        let around = Surroundings {
            lists: Lists::from([("none".to_owned(), Vec::new())]),
            tuning: Tuning::parse(&file(tuning.to_owned())).unwrap(),
            ..Surroundings::default()
        };
        let set = RuleSet::load_with([file(format!("{RULES}{correlations}"))], &around);
        let errors = set.diagnostics.iter().filter(|said| said.severity == Severity::Error);
        assert_eq!(errors.count(), 0, "{:?}", set.diagnostics);
        let source = SourceSpec { columns: vec!["principal".into()], ..testing::source() };
        let said = Engine::new(&set, &[source]).unheard();
        assert!(
            said.iter().all(|said| said.code == codes::NEVER_HEARD && said.severity == Severity::Warning)
        );
        said.into_iter().map(|said| (said.place().0, said.cause)).collect()
    }

    /// Who switches a correlation off wants to be told less, and not of its building blocks.
    #[test]
    fn building_blocks_of_what_is_switched_off_stay_silent() {
        let file = |text: String| Arc::new(SourceFile { name: "t.yml".into(), text });
        let counts = |title: &str, rule: &str, more: &str| {
            correlation(
                title,
                &format!("type: event_count, rules: [{rule}], group-by: user, condition: {{gte: 2}}{more}"),
            )
        };
        let rule = |name: &str| {
            format!(
                "title: {name}\nname: {name}\nlogsource: {{product: p}}\ndetection: {{s: {{a: 3}}, condition: s}}\n---\n"
            )
        };
        for (documents, off, muted) in [
            (counts("c", "block", ""), "", &["block"][..]),
            (counts("c", "block", ""), "c: {enabled: false}", &["block"]),
            // a rule that has a level speaks for itself
            (counts("c", "a", ""), "c: {enabled: false}", &[]),
            (counts("c", "block", ", generate: true"), "c: {enabled: false}", &[]),
            (
                counts("c", "block", "") + &counts("d", "block", ", generate: true"),
                "c: {enabled: false}",
                &[],
            ),
            (counts("c", "block", "") + &counts("d", "block", ""), "c: {enabled: false}", &["block"]),
            (counts("c", "block", "") + &counts("d", "c", ""), "d: {enabled: false}", &["block"]),
        ] {
            let around = Surroundings {
                lists: Lists::from([("none".to_owned(), Vec::new())]),
                tuning: Tuning::parse(&file(off.to_owned())).unwrap(),
                ..Surroundings::default()
            };
            // in a file of their own, so that where a rule stands says nothing
            let rules =
                Arc::new(SourceFile { name: "r.yml".into(), text: format!("{}{RULES}", rule("other")) });
            let set = RuleSet::load_with([rules, file(documents.clone())], &around);
            let engine = Engine::new(&set, &[testing::source()]);
            let found = engine.rules().iter().enumerate().filter(|(rule, _)| engine.is_muted(*rule as u32));
            let found: Vec<String> = found.map(|(_, loaded)| loaded.lowered.rule.key()).collect();
            assert_eq!(found, muted, "{documents} {off}");
        }
    }

    #[test]
    fn rules_that_only_feed_what_can_never_match_are_told_with_what_it_lacks() {
        let c = |body: &str| correlation("c", &format!("group-by: user, {body}"));
        let count = |rule: &str| c(&format!("type: event_count, rules: [{rule}], condition: {{gte: 2}}"));
        let starved = "c`, which can never match: its rule `b` compares with nothing but empty lists";
        let chained = format!("the rule will raise no alert: it only feeds `i`, which only feeds `{starved}");
        let chain = [
            correlation("i", "group-by: user, type: event_count, rules: [a], condition: {gte: 2}"),
            c("type: temporal, rules: [i, b]"),
        ]
        .concat();
        let tables =
            correlation("c", "type: event_count, rules: [block], group-by: src_country, condition: {gte: 2}");
        let cases: [Case<'_>; 14] = [
            (c("type: temporal, rules: [a, b]"), "", &[(4, starved)]),
            (c("type: temporal_ordered, rules: [block, b]"), "", &[(9, starved)]),
            (c("type: temporal, rules: [a, block, b]"), "", &[(4, starved), (9, starved)]),
            // where they are heard of
            (count("a"), "", &[]),
            (c("type: temporal, rules: [a, b], condition: {gte: 1}"), "", &[]),
            (c("type: temporal, rules: [a, b], generate: true"), "", &[]),
            (count("a") + &correlation("d", "type: temporal, rules: [a, b], group-by: user"), "", &[]),
            // what is of no use by itself is told as such, and not here
            (count("b"), "", &[]),
            // a correlation that does not run silences nothing that has a level
            (tables.replace("block", "a"), "", &[]),
            (tables, "", &[(9, "`c`, which can never match: no lookup table fills `src_country`")]),
            (
                c("type: temporal, rules: [block, b]"),
                "11111111-aaaa-4aaa-8aaa-000000000002: {enabled: false}",
                &[(9, "`c`, which can never match: its rule `b` is switched off")],
            ),
            (
                c("type: temporal, rules: [a, block], condition: {gte: 3}"),
                "",
                &[(9, "`c`, which can never match: its rules together do not make its condition true")],
            ),
            (chain, "", &[(4, &chained), (22, starved)]),
            (
                c("type: temporal, rules: [a, b]")
                    + &correlation("d", "type: temporal, rules: [a, b], group-by: user"),
                "",
                &[(4, &format!("2 correlations, of which none is ever heard, as `{starved}"))],
            ),
        ];
        for (correlations, tuning, expected) in cases {
            let said = said(&correlations, tuning);
            assert_eq!(said.len(), expected.len(), "{correlations}: {said:?}");
            for ((line, cause), (as_line, words)) in said.iter().zip(expected) {
                assert_eq!(line, as_line, "{correlations}: {cause}");
                assert!(cause.contains(words), "{correlations}: {cause}");
            }
        }
    }
}
