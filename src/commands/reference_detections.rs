//! The page on the rules that ship: every rule by threat, with what must be switched on for it.
//!
//! In: the rules, and the texts around them (`detections/pages/`, `detections/needs.toml`). Out: one page.

use std::collections::{BTreeSet, HashMap};

use serde::Deserialize;
use virga_engine::correlate::{Member, Plan};
use virga_engine::diagnostic::SourceFile;
use virga_engine::sigma::{Level, Logsource};
use virga_engine::{Engine, RuleSet, Surroundings};
use virga_ingest::sources::SOURCES;

use super::coverage::{atlas_technique, attack_technique};
use crate::rule_files;

/// Threats by the folder of a rule, in the order in which the page tells them.
const THREATS: &[(&str, &str)] = &[
    ("identity", "Credential abuse"),
    ("persistence", "Privilege escalation and persistence"),
    ("defense-impairment", "Defence impairment"),
    ("discovery", "Discovery"),
    ("extraction", "Model extraction"),
    ("ai", "AI services and their abuse"),
    ("exfiltration", "Exfiltration"),
    ("impact", "Impact"),
];

/// The needs of rules, as `needs.toml` has them.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Needs {
    need: Vec<Need>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Need {
    name: String,
    logsource: Option<String>,
    how: String,
}

/// A line of the page.
struct Told {
    threat: usize,
    level: Option<Level>,
    name: String,
    title: String,
    path: String,
    kind: &'static str,
    finds: String,
    needs: BTreeSet<usize>,
    techniques: Vec<String>,
    off: bool,
}

/// The page.
///
/// # Panics
/// Where `needs.toml` cannot be read, or a rule needs what is not in it: a test prints the page.
pub fn page(head: &str) -> String {
    let needs: Needs = toml::from_str(virga_detections::NEEDS).expect("needs.toml can be read");
    let told = told(&needs.need);
    let alerting = told.iter().filter(|rule| !rule.off).count();
    let mut page = format!("# Detections\n\n{head}{}\n", virga_detections::OPENING);
    page += &format!("{alerting} rules raise alerts");
    let off = told.len() - alerting;
    page += &match off {
        0 => ".\n".to_owned(),
        _ => format!("; {off} more ship switched off.\n"),
    };
    page += "\n## What must be switched on\n\n| log | rules | how |\n|---|---|---|\n";
    for (number, need) in needs.need.iter().enumerate() {
        let count = told.iter().filter(|rule| rule.needs.contains(&number)).count();
        if count > 0 {
            page += &format!("| {} | {count} | {} |\n", need.name, need.how);
        }
    }
    for (threat, (_, heading)) in THREATS.iter().enumerate() {
        let mut rules: Vec<&Told> = told.iter().filter(|rule| rule.threat == threat && !rule.off).collect();
        rules.sort_by(|a, b| (b.level, &a.title).cmp(&(a.level, &b.title)));
        page += &format!(
            "\n## {heading}\n\n| level | rule | finds | needs | techniques |\n|---|---|---|---|---|\n"
        );
        rules.iter().for_each(|rule| page += &row(rule, &needs.need));
    }
    if off > 0 {
        page += "\n## Switched off\n\nWhat they look for is not proven by a record or a vendor's documentation. `<id>: {enabled: true}` in a tuning file switches one on.\n\n| level | rule | finds | needs | techniques |\n|---|---|---|---|---|\n";
        told.iter().filter(|rule| rule.off).for_each(|rule| page += &row(rule, &needs.need));
    }
    for (heading, text) in [
        ("What is not there, and why", virga_detections::ABSENT),
        ("How they fare", virga_detections::EVASION),
        ("What logs cannot show", virga_detections::LIMITS),
    ] {
        if !text.trim().is_empty() {
            page += &format!("\n## {heading}\n\n{}\n", text.trim_end());
        }
    }
    page
}

fn row(rule: &Told, needs: &[Need]) -> String {
    let level = rule.level.map_or("-", Level::word);
    let needs: Vec<&str> = rule.needs.iter().map(|number| needs[*number].name.as_str()).collect();
    format!(
        "| {level} | [`{}`](../detections/rules/{}) {}{} | {} | {} | {} |\n",
        rule.name,
        rule.path,
        rule.title,
        if rule.kind.is_empty() { String::new() } else { format!(" *({})*", rule.kind) },
        rule.finds.replace('|', "\\|"),
        needs.join("; "),
        rule.techniques.join(", ")
    )
}

/// Every rule that raises alerts, or would.
fn told(needs: &[Need]) -> Vec<Told> {
    let load = |tuning| {
        let lists = rule_files::shipped_lists();
        RuleSet::load_with(rule_files::shipped(), &Surroundings { lists, tuning, ..Surroundings::default() })
    };
    // as they ship, to know which are off; and all, to tell of them
    let shipped: BTreeSet<String> = keys(&load(rule_files::shipped_tuning()));
    let set = load(virga_engine::tuning::Tuning::default());
    let mut specs: Vec<_> = SOURCES.iter().map(|source| source.spec()).collect();
    // a rule is told of whether or not a lookup table is at hand
    let all = virga_engine::event::COLUMNS.iter().map(|column| column.name.to_owned());
    let all: Vec<String> = all.collect();
    specs.iter_mut().for_each(|spec| spec.columns.clone_from(&all));
    let engine = Engine::new(&set, &specs);
    let own_needs: HashMap<String, usize> = engine
        .rules()
        .iter()
        .map(|loaded| {
            let rule = &loaded.lowered.rule;
            (rule.key(), need_of(needs, rule.definition.as_deref(), &rule.logsource.value, &rule.file.name))
        })
        .collect();
    let mut told = Vec::new();
    for (number, loaded) in engine.rules().iter().enumerate() {
        let rule = &loaded.lowered.rule;
        if engine.is_muted(number as u32) {
            continue;
        }
        told.push(Told {
            threat: threat_of(&rule.file),
            level: rule.level,
            name: rule.name.clone().unwrap_or_else(|| rule.key()),
            title: rule.title.clone(),
            path: path_of(&rule.file),
            kind: "",
            finds: first_sentences(rule.description.as_deref()),
            needs: BTreeSet::from([own_needs[&rule.key()]]),
            techniques: techniques(&rule.tags),
            off: !shipped.contains(&rule.key()),
        });
    }
    let plans = engine.correlations();
    for plan in plans.iter().filter(|plan| !plan.muted) {
        let rule = &plan.correlation;
        told.push(Told {
            threat: threat_of(&rule.file),
            level: rule.level,
            name: rule.name.clone().unwrap_or_else(|| plan.key()),
            title: rule.title.clone(),
            path: path_of(&rule.file),
            kind: rule.kind.value.word(),
            finds: first_sentences(rule.description.as_deref()),
            needs: needs_of_plan(plan, plans, &own_needs),
            techniques: techniques(&rule.tags),
            off: !shipped.contains(&plan.key()),
        });
    }
    told
}

fn keys(set: &RuleSet) -> BTreeSet<String> {
    let rules = set.rules.iter().map(|rule| rule.rule.key());
    rules.chain(set.correlations.iter().map(|linked| linked.correlation.key())).collect()
}

fn need_of(needs: &[Need], definition: Option<&str>, logsource: &Logsource, file: &str) -> usize {
    let default = logsource.to_string();
    let found = match definition {
        Some(definition) => needs.iter().position(|need| definition.trim().starts_with(need.name.as_str())),
        None => needs.iter().position(|need| need.logsource.as_ref() == Some(&default)),
    };
    found.unwrap_or_else(|| panic!("{file}: needs.toml has no `{}`", definition.unwrap_or(&default)))
}

/// What all rules need on which a correlation rests.
fn needs_of_plan(plan: &Plan, plans: &[Plan], own: &HashMap<String, usize>) -> BTreeSet<usize> {
    plan.members
        .iter()
        .flat_map(|member| match &member.member {
            Member::Rule(key) => own.get(key).copied().into_iter().collect::<BTreeSet<_>>(),
            Member::Correlation(inner) => needs_of_plan(&plans[*inner], plans, own),
        })
        .collect()
}

fn path_of(file: &SourceFile) -> String {
    file.name.split_once(':').map_or(file.name.as_str(), |(_, path)| path).to_owned()
}

fn threat_of(file: &SourceFile) -> usize {
    let path = path_of(file);
    let mut folders = path.split('/');
    let (provider, topic) = (folders.next().unwrap_or_default(), folders.next().unwrap_or_default());
    let topic = if provider == "ai" && topic == "abuse" { "ai" } else { topic };
    let threat = THREATS.iter().position(|(folder, _)| *folder == topic);
    threat.unwrap_or_else(|| panic!("{path}: `{topic}` is no threat of the page"))
}

fn techniques(tags: &[String]) -> Vec<String> {
    let technique = |tag: &String| attack_technique(tag).or_else(|| atlas_technique(tag));
    tags.iter().filter_map(technique).collect()
}

/// As much of a description as a table holds: its first sentence, and the second where the first is short.
fn first_sentences(description: Option<&str>) -> String {
    let text = description.unwrap_or_default().split_whitespace().collect::<Vec<_>>().join(" ");
    let mut told = String::new();
    for sentence in text.split_inclusive(". ") {
        if told.len() > 90 {
            break;
        }
        told.push_str(sentence);
    }
    told.trim_end().to_owned()
}
