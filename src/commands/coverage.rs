//! `virga rules coverage`: which techniques rules are about, for ATT&CK's Navigator and as a table of ATLAS.
//!
//! In: rules with their tags. Out: a layer that the Navigator opens, a table of ATLAS techniques, or a line a
//! technique. Counted are the rules that can raise alerts: those that only feed correlations find nothing by
//! themselves, and those that are switched off, do not run here or compare with empty lists find nothing at all.
//! How many were left out for that is said.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::ValueEnum;
use serde_json::{Value, json};
use virga_engine::Engine;
use virga_engine::diagnostic::Severity;
use virga_engine::sigma::Level;

use super::arguments::{AroundArgs, RuleArgs};
use super::{Failure, Outcome};
use crate::config::ConfigArgs;
use crate::show;

/// Arguments of `virga rules coverage`.
#[derive(clap::Args)]
#[command(after_help = "Examples:
  virga rules coverage                                        a line a technique
  virga rules coverage --format navigator --output layer.json
                                   open it at https://mitre-attack.github.io/attack-navigator/
  virga rules coverage --format atlas > atlas.md
  virga rules coverage sigma/rules/cloud built-in             other rules beside Virga's own")]
pub struct Args {
    /// Files or folders of rules; `built-in` are those that ship with Virga. [default: built-in]
    paths: Vec<PathBuf>,
    /// What is written.
    #[arg(long, value_enum, default_value = "table")]
    format: Format,
    /// Write into this file instead of standard output.
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
    #[command(flatten)]
    around: AroundArgs,
    #[command(flatten)]
    config: ConfigArgs,
}

/// What is written.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// A line a technique, of ATT&CK and ATLAS.
    Table,
    /// A layer for the ATT&CK Navigator.
    Navigator,
    /// ATLAS techniques as a Markdown table.
    Atlas,
}

/// A rule that raises alerts.
struct Alerting {
    title: String,
    level: Option<Level>,
    tags: Vec<String>,
}

/// Techniques with the rules that are about them.
#[derive(Default)]
struct Coverage {
    attack: BTreeMap<String, Vec<usize>>,
    atlas: BTreeMap<String, Vec<usize>>,
}

/// Runs the command.
pub fn run(args: &Args) -> Outcome {
    let rules = RuleArgs { rules: args.paths.clone(), around: args.around.clone() };
    let (set, missing) = rules.load(Severity::Error)?;
    let engine = Engine::new(&set, &super::rules::all_sources(&args.config)?);
    let alerting = alerting(&engine);
    let left_out = left_out(&engine);
    let coverage = Coverage::of(&alerting);
    let text = match args.format {
        Format::Table => coverage.table(&alerting),
        Format::Navigator => format!("{:#}\n", coverage.layer(&alerting, &left_out)),
        Format::Atlas => coverage.atlas_table(&alerting),
    };
    match &args.output {
        None => super::line(text.trim_end())?,
        Some(path) => {
            let at = |error: std::io::Error| Failure::Message(format!("{}: {error}", path.display()));
            std::fs::File::create(path).and_then(|mut file| file.write_all(text.as_bytes())).map_err(at)?;
        }
    }
    show::say!(
        "{} rules that raise alerts, {} ATT&CK techniques, {} ATLAS techniques",
        alerting.len(),
        coverage.attack.len(),
        coverage.atlas.len()
    );
    if !left_out.is_empty() {
        show::say!("left out: {left_out}");
    }
    Ok(if missing { ExitCode::from(2) } else { ExitCode::SUCCESS })
}

/// The rules that can raise alerts: what feeds correlations only is left out, and what cannot match.
fn alerting(engine: &Engine) -> Vec<Alerting> {
    let report = engine.report();
    let is_idle = |number: &usize| {
        report.unmapped.contains(number)
            || report.unmatchable.contains(number)
            || report.disabled.iter().any(|(disabled, _)| disabled == number)
    };
    let rules = engine.rules().iter().enumerate();
    let rules = rules.filter(|(number, _)| !engine.is_muted(*number as u32) && !is_idle(number));
    let rules = rules.map(|(_, loaded)| {
        let rule = &loaded.lowered.rule;
        Alerting { title: rule.title.clone(), level: rule.level, tags: rule.tags.clone() }
    });
    let is_starved = |number: &usize| {
        report.unmatchable_correlations.contains(number)
            || report.idle_correlations.iter().any(|(idle, _)| idle == number)
    };
    let correlations = engine.correlations().iter().enumerate();
    let correlations = correlations.filter(|(number, plan)| !plan.muted && !is_starved(number));
    let correlations = correlations.map(|(_, plan)| {
        let rule = &plan.correlation;
        Alerting { title: rule.title.clone(), level: rule.level, tags: rule.tags.clone() }
    });
    rules.chain(correlations).collect()
}

/// How many rules would raise alerts and cannot, and why; nothing where there are none.
fn left_out(engine: &Engine) -> String {
    let report = engine.report();
    let hearable = |number: &usize| !engine.is_muted(*number as u32);
    let heard = |number: &usize| engine.correlations().get(*number).is_some_and(|plan| !plan.muted);
    let disabled = report.disabled.iter().filter(|(number, _)| hearable(number)).map(|(_, column)| *column);
    let idle = report.idle_correlations.iter().filter(|(number, _)| heard(number));
    let tables: Vec<&str> = disabled.chain(idle.clone().filter_map(|(_, column)| *column)).collect();
    let columns: BTreeSet<&str> = tables.iter().copied().collect();
    let columns = columns.into_iter().collect::<Vec<_>>().join(", ");
    [
        (report.switched_off, "switched off by tuning".to_owned()),
        (tables.len(), format!("without a lookup table for {columns}")),
        (
            report.unmatchable.iter().filter(|number| hearable(number)).count(),
            "with nothing but empty lists to compare with (`virga rules lists`)".to_owned(),
        ),
        (
            report.unmapped.iter().filter(|number| hearable(number)).count(),
            "of a log source that is none of Virga's".to_owned(),
        ),
        (
            idle.filter(|(_, column)| column.is_none()).count()
                + report.unmatchable_correlations.iter().filter(|number| heard(number)).count(),
            "as correlations of rules that do not run or cannot match".to_owned(),
        ),
    ]
    .into_iter()
    .filter(|(count, _)| *count > 0)
    .map(|(count, why)| format!("{count} {why}"))
    .collect::<Vec<_>>()
    .join(", ")
}

/// `attack.t1078.004` → `T1078.004`.
pub fn attack_technique(tag: &str) -> Option<String> {
    let id = tag.strip_prefix("attack.t")?;
    id.starts_with(|c: char| c.is_ascii_digit()).then(|| format!("T{id}"))
}

/// `atlas.aml.t0024.002` → `AML.T0024.002`.
pub fn atlas_technique(tag: &str) -> Option<String> {
    Some(format!("AML.{}", tag.strip_prefix("atlas.aml.")?.to_uppercase()))
}

impl Coverage {
    fn of(rules: &[Alerting]) -> Self {
        let mut coverage = Self::default();
        for (number, rule) in rules.iter().enumerate() {
            let tags: BTreeSet<String> = rule.tags.iter().map(|tag| tag.to_lowercase()).collect();
            for tag in &tags {
                if let Some(technique) = attack_technique(tag) {
                    coverage.attack.entry(technique).or_default().push(number);
                }
                if let Some(technique) = atlas_technique(tag) {
                    coverage.atlas.entry(technique).or_default().push(number);
                }
            }
        }
        coverage
    }

    fn table(&self, rules: &[Alerting]) -> String {
        let mut text = String::new();
        for (technique, about) in self.attack.iter().chain(&self.atlas) {
            text += &format!("{technique:<15} {:>3}  {}\n", about.len(), titles(rules, about, ", "));
        }
        text
    }

    /// A layer in the Navigator's format 4.5: the score of a technique is the number of rules about it.
    fn layer(&self, rules: &[Alerting], left_out: &str) -> Value {
        let most = self.attack.values().map(Vec::len).max().unwrap_or(1);
        let techniques: Vec<Value> = self
            .attack
            .iter()
            .map(|(technique, about)| {
                json!({
                    "techniqueID": technique, "score": about.len(), "enabled": true,
                    "comment": titles(rules, about, "\n"), "showSubtechniques": true,
                })
            })
            .collect();
        let mut description = format!("Techniques that {} rules of Virga are about", rules.len());
        if !left_out.is_empty() {
            description += &format!("; left out: {left_out}");
        }
        json!({
            "name": "Virga", "domain": "enterprise-attack",
            "description": description,
            "versions": {"attack": "19", "navigator": "5.2.0", "layer": "4.5"},
            "gradient": {"colors": ["#deebf7", "#2171b5"], "minValue": 0, "maxValue": most},
            "techniques": techniques,
        })
    }

    fn atlas_table(&self, rules: &[Alerting]) -> String {
        let mut text = "| technique | name | rules |\n|---|---|---|\n".to_owned();
        for (technique, about) in &self.atlas {
            let name = atlas_name(technique).unwrap_or("");
            text += &format!(
                "| [{technique}](https://atlas.mitre.org/techniques/{technique}) | {name} | {} |\n",
                titles(rules, about, "; ").replace('|', "\\|")
            );
        }
        text
    }
}

/// The titles of rules, the most severe first.
fn titles(rules: &[Alerting], about: &[usize], between: &str) -> String {
    let mut about = about.to_vec();
    about.sort_by(|a, b| (rules[*b].level, &rules[*a].title).cmp(&(rules[*a].level, &rules[*b].title)));
    let title = |number: &usize| {
        let rule = &rules[*number];
        let level = rule.level.map_or(String::new(), |level| format!(" ({})", level.word()));
        show::printable(&rule.title) + &level
    };
    about.iter().map(title).collect::<Vec<_>>().join(between)
}

/// The name of an ATLAS technique, as far as rules that ship are about it.
pub fn atlas_name(technique: &str) -> Option<&'static str> {
    ATLAS.iter().find(|(id, _)| *id == technique).map(|(_, name)| *name)
}

/// MITRE ATLAS 5.6.0, the techniques that rules that ship are about.
const ATLAS: &[(&str, &str)] = &[
    ("AML.T0005.001", "Create Proxy AI Model: Train Proxy via Replication"),
    ("AML.T0006", "Active Scanning"),
    ("AML.T0008.005", "Acquire Infrastructure: AI Service Proxies"),
    ("AML.T0010", "AI Supply Chain Compromise"),
    ("AML.T0012", "Valid Accounts"),
    ("AML.T0014", "Discover AI Model Family"),
    ("AML.T0018", "Manipulate AI Model"),
    ("AML.T0020", "Poison Training Data"),
    ("AML.T0024", "Exfiltration via AI Inference API"),
    ("AML.T0024.001", "Exfiltration via AI Inference API: Invert AI Model"),
    ("AML.T0024.002", "Exfiltration via AI Inference API: Extract AI Model"),
    ("AML.T0025", "Exfiltration via Cyber Means"),
    ("AML.T0029", "Denial of AI Service"),
    ("AML.T0034", "Cost Harvesting"),
    ("AML.T0034.000", "Cost Harvesting: Excessive Queries"),
    ("AML.T0034.001", "Cost Harvesting: Resource-Intensive Queries"),
    ("AML.T0035", "AI Artifact Collection"),
    ("AML.T0040", "AI Model Inference API Access"),
    ("AML.T0044", "Full AI Model Access"),
    ("AML.T0048.004", "External Harms: AI Intellectual Property Theft"),
    ("AML.T0051", "LLM Prompt Injection"),
    ("AML.T0053", "AI Agent Tool Invocation"),
    ("AML.T0054", "LLM Jailbreak"),
    ("AML.T0055", "Unsecured Credentials"),
    ("AML.T0057", "LLM Data Leakage"),
    ("AML.T0065", "LLM Prompt Crafting"),
    ("AML.T0070", "RAG Poisoning"),
    ("AML.T0075", "Cloud Service Discovery"),
    ("AML.T0081", "Modify AI Agent Configuration"),
    ("AML.T0085", "Data from AI Services"),
    ("AML.T0085.000", "Data from AI Services: RAG Databases"),
    ("AML.T0086", "Exfiltration via AI Agent Tool Invocation"),
    ("AML.T0091.000", "Use Alternate Authentication Material: Application Access Token"),
    ("AML.T0098", "AI Agent Tool Credential Harvesting"),
    ("AML.T0112.001", "Machine Compromise: AI Artifacts"),
];
