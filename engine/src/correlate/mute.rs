//! Which rules raise no alerts of their own, for they only feed a correlation.
//!
//! In: correlations, and what is left of those that do not run. Out: the rules that are muted. `generate` decides where
//! it is given; else a rule is muted that stands in the correlation's file, or is `informational` or without a level.
//!
//! Building blocks match often: a correlation that is away must not let them loose on who waits for its alerts. One
//! with an error mutes what it would mute without it, and the error says so. Who switches one off wants to be told
//! less; but its rules that have a level he may have wanted all along.

use std::sync::Arc;

use super::link::Member;
use super::plan::Plan;
use crate::sigma::{AbsentCorrelation, Level};

/// The file of a rule, and its level.
pub(crate) type FileAndLevel = (String, Option<Level>);

/// What a correlation names that does not run.
#[derive(Debug, Clone)]
pub(crate) struct Block {
    /// The key of the rule.
    pub key: String,
    /// As it is written there.
    pub name: String,
    /// The correlation.
    pub of: Arc<AbsentCorrelation>,
}

impl Block {
    /// Whether a rule of that file and level would be heard through the correlation alone.
    pub fn is_silent(&self, file: &str, level: Option<Level>) -> bool {
        let is_beside = self.of.is_broken && *file == *self.of.file.name;
        match self.of.generate {
            Some(true) => false,
            Some(false) if self.of.is_broken => true,
            _ => is_beside || !has_a_level(level),
        }
    }
}

fn has_a_level(level: Option<Level>) -> bool {
    level.is_some_and(|level| level != Level::Informational)
}

/// Which rules raise no alerts of their own. A correlation that no source serves silences nothing that has a level of
/// its own; what those silence that are not there at all, their [`Block`]s tell. `about(rule)` gives a rule's file and
/// level. In: rules by key; out: keys of muted rules, and correlations by number.
pub(crate) fn mute(
    plans: &mut [Plan],
    blocks: &[Block],
    runs: &dyn Fn(usize) -> bool,
    about: &dyn Fn(&str) -> Option<FileAndLevel>,
) -> Vec<String> {
    let silenced = |block: &Block| {
        let inner = plans.iter().position(|plan| plan.correlation.key() == block.key);
        let (file, level) = match inner {
            Some(inner) => {
                let inner = &plans[inner].correlation;
                (inner.file.name.clone(), inner.level)
            }
            None => about(&block.key)?,
        };
        let member = inner.map_or_else(|| Member::Rule(block.key.clone()), Member::Correlation);
        // who wants its rules to be heard wants that still
        let is_loud = block.of.is_broken && block.of.generate == Some(true);
        (is_loud || block.is_silent(&file, level)).then_some((member, Some(is_loud)))
    };
    let mut wanted: Vec<(Member, Option<bool>)> = blocks.iter().filter_map(silenced).collect();
    for (number, plan) in plans.iter().enumerate() {
        for member in &plan.members {
            let own = match &member.member {
                Member::Rule(key) => about(key),
                Member::Correlation(inner) => {
                    let inner = &plans[*inner].correlation;
                    Some((inner.file.name.clone(), inner.level))
                }
            };
            let Some((file, level)) = own else { continue };
            let has_a_level = has_a_level(level);
            if has_a_level && !runs(number) {
                continue;
            }
            let is_block = file == plan.correlation.file.name || !has_a_level;
            let shown = match plan.correlation.generate {
                Some(shown) => Some(shown),
                None => is_block.then_some(false),
            };
            wanted.push((member.member.clone(), shown));
        }
    }
    let is_muted = |member: &Member| {
        let said = |shown| wanted.iter().any(|(of, says)| of == member && *says == Some(shown));
        said(false) && !said(true)
    };
    let mut muted: Vec<String> = Vec::new();
    for (member, _) in &wanted {
        if let Member::Rule(key) = member
            && is_muted(member)
            && !muted.contains(key)
        {
            muted.push(key.clone());
        }
    }
    let inner: Vec<bool> = (0..plans.len()).map(|number| is_muted(&Member::Correlation(number))).collect();
    plans.iter_mut().zip(inner).for_each(|(plan, muted)| plan.muted = muted);
    muted
}

#[cfg(test)]
mod tests {
    use crate::diagnostic::{Severity, SourceFile, codes};
    use crate::rule_set::Surroundings;
    use crate::tuning::Tuning;
    use crate::{Engine, RuleSet, testing};

    use super::*;

    fn rule(name: &str, level: &str) -> String {
        format!(
            "title: {name}\nname: {name}\n{level}logsource: {{product: p}}\ndetection: {{s: {{a: 1}}, condition: s}}\n---\n"
        )
    }

    /// Which rules are muted, and what is said of that.
    fn muted(beside: &str, elsewhere: &str) -> (Vec<String>, Vec<String>) {
        muted_with(beside, elsewhere, "")
    }

    fn muted_with(beside: &str, elsewhere: &str, tuning: &str) -> (Vec<String>, Vec<String>) {
        let file = |name: &str, text: String| Arc::new(SourceFile { name: name.into(), text });
        let [block, low] = [rule("block", ""), rule("low", "level: low\n")];
        let own = rule("own", "level: low\n") + beside;
        let files = [file("r.yml", block + &low), file("c.yml", own), file("d.yml", elsewhere.to_owned())];
        let tuning = Tuning::parse(&file("tuning.yml", tuning.to_owned())).expect("a tuning");
        let around = Surroundings { tuning, ..Surroundings::default() };
        let set = RuleSet::load_with(files, &around);
        let told = set.diagnostics.iter().filter(|said| said.code == codes::NEVER_HEARD);
        let told: Vec<String> = told
            .inspect(|said| assert_eq!(said.severity, Severity::Error))
            .map(|said| said.cause.trim_start_matches("until this is mended, no alert tells of ").to_owned())
            .collect();
        let engine = Engine::new(&set, &[testing::source()]);
        let rules = engine.rules().iter().enumerate().filter(|(rule, _)| engine.is_muted(*rule as u32));
        (rules.map(|(_, loaded)| loaded.lowered.rule.key()).collect(), told)
    }

    #[test]
    fn an_error_in_a_correlation_makes_none_of_its_rules_louder_and_says_so() {
        let all = "rules: [block, low, own]";
        for (body, expected) in [
            (format!("type: event_count, {all}, condition: {{gtee: 3}}"), &["block", "own"][..]),
            (format!("type: event_coutn, {all}, condition: {{gte: 3}}"), &["block", "own"]),
            (format!("type: temporal, {all}, generate: false, timespan: 0m"), &["block", "low", "own"]),
            (format!("type: temporal, {all}, generate: true, timespan: 0m"), &[]),
            ("type: temporal, rules: [block, own, nobody]".to_owned(), &["block", "own"]),
            ("type: temporal, rules: [block, [a], own]".to_owned(), &["block", "own"]),
            ("type: temporal, rules: own, condition: 1".to_owned(), &["own"]),
            ("type: temporal, condition: block and not (own or nobody)".to_owned(), &["block", "own"]),
            ("type: temporal, rules: [own, c]".to_owned(), &["own"]),
            (format!("type: event_count, {all}, condition: {{gte: 3}}, suppress: {{}}"), &["block", "own"]),
        ] {
            let window = if body.contains("timespan") { "" } else { ", timespan: 5m" };
            let broken = format!("title: c\nname: c\ncorrelation: {{{body}, group-by: [user]{window}}}\n");
            let (muted_rules, told) = muted(&broken, "");
            assert_eq!(muted_rules, expected, "{body}");
            let said: Vec<String> = expected.iter().map(|rule| format!("`{rule}`")).collect();
            assert_eq!(told, Vec::from_iter((!said.is_empty()).then(|| said.join(", "))), "{body}");
            // of what another correlation is about, that one tells; and it may let its rules be heard
            let generate = "title: d\nname: d\ncorrelation: {type: temporal, rules: [block, own], group-by: [user], timespan: 5m, generate: true}\n";
            let (muted_rules, told) = muted(&broken, generate);
            let low: &[&str] = if expected.contains(&"low") { &["low"] } else { &[] };
            assert_eq!(muted_rules, low, "{body}");
            assert_eq!(told.len(), low.len(), "{body}");
            let (muted_rules, told) = muted(&broken, &generate.replace("true", "false"));
            let is_loud = body.contains("generate: true");
            assert_eq!(muted_rules.starts_with(&["block".to_owned()]), !is_loud, "{body}");
            assert_eq!(told.len(), low.len(), "{body}");
        }
    }

    #[test]
    fn one_that_is_switched_off_mutes_no_more_for_an_error() {
        for (body, expected) in [
            ("timespan: 5m", &["block"][..]),
            ("timespan: 0m", &["block"]),
            ("timespan: 0m, generate: true", &[]),
        ] {
            let of = format!(
                "title: c\nname: c\nid: 11111111-aaaa-4aaa-8aaa-000000000002\ncorrelation: {{type: event_count, rules: [block, own, block], group-by: [user], condition: {{gte: 3}}, {body}}}\n"
            );
            let off = "11111111-aaaa-4aaa-8aaa-000000000002: {enabled: false}\n";
            let (rules, told) = muted_with(&of, "", off);
            assert_eq!(
                (rules, told),
                (expected.iter().map(|rule| (*rule).to_owned()).collect(), vec![]),
                "{body}"
            );
        }
    }

    #[test]
    fn a_correlation_that_has_the_id_of_another_mutes_its_rules_too() {
        let of = |rule: &str| {
            format!(
                "title: {rule}\nid: 11111111-aaaa-4aaa-8aaa-000000000001\ncorrelation: {{type: event_count, rules: [{rule}], group-by: [user], timespan: 5m, condition: {{gte: 3}}}}\n"
            )
        };
        let (rules, told) = muted(&format!("{}---\n{}", of("block"), of("own")), "");
        assert_eq!((rules, told), (vec!["block".to_owned(), "own".to_owned()], vec!["`own`".to_owned()]));
    }
}
