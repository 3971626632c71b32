//! `virga rules fields`: what rules ask of logs, and what a sample of logs answers.
//!
//! In: rules, and where wanted a sample. Out: for each source the fields that its rules need, or correlations of
//! what they match, with how many rules need them and how many events have them; the *dead rules*, which cannot match whatever
//! the values are, because fields that they need never occur; and the *blind spots*, those fields.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use serde_json::json;
use virga_engine::Engine;
use virga_engine::correlate::Member;
use virga_engine::diagnostic::Severity;
use virga_engine::event::{EventBatch, SourceSpec};
use virga_engine::plan::{Expr, FieldKey, Predicate};
use virga_engine::predicate::Test;
use virga_ingest::batcher::BatchLimits;
use virga_ingest::quarantine::Quarantined;
use virga_ingest::reader::{Choice, Reader, Sink, SourcePlan};
use virga_ingest::sources::{SOURCES, SourceDef, generic};
use virga_ingest::transport::{FileInputs, Input, InputError, Progress, stdin_input};

use super::arguments::{AroundArgs, RuleArgs};
use super::{Failure, Outcome};
use crate::config::ConfigArgs;
use crate::show;

/// Arguments of `virga rules fields`.
#[derive(clap::Args)]
#[command(
    after_help = "A rule is dead where it cannot match whatever the values are, because fields that it needs never \
occur in the sample: the log is not switched on, or calls the field by another name.

Exit status: 0; 1 with --fail-on-dead where a rule is dead; 2 where a path cannot be read.

Examples:
  virga rules fields sigma/rules/cloud/gcp
  virga rules fields sigma/rules/cloud --sample logs/ --source gcp.audit
  virga rules fields --pipeline lake.yml sigma/ --sample lake.ndjson --json"
)]
pub struct Args {
    /// Files or folders of rules; `built-in` are those that ship with Virga. [default: built-in]
    paths: Vec<PathBuf>,
    /// Files or folders of logs to look for the fields in; `-` for standard input.
    #[arg(long, value_name = "FILE")]
    sample: Vec<PathBuf>,
    /// Only the rules and events of this source.
    #[arg(long, value_name = "NAME")]
    source: Option<String>,
    /// Exit with status 1 where a rule is dead, or runs on no source.
    #[arg(long, requires = "sample")]
    fail_on_dead: bool,
    /// A JSON object a line: fields, then dead rules.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    around: AroundArgs,
    #[command(flatten)]
    config: ConfigArgs,
}

/// What is known of the fields of one source.
struct Needs {
    source: &'static SourceDef,
    /// Rules that need a field.
    rules: BTreeMap<Field, BTreeSet<usize>>,
    /// Rules that look through the whole event.
    keywords: usize,
    /// Events that have a field.
    seen: BTreeMap<Field, u64>,
    events: u64,
}

/// A field, by its name in lower case, and whether only the canonical column of that name is meant, as by
/// rules of `cloud/normalized`.
type Field = (String, bool);

/// Runs the command.
pub fn run(args: &Args) -> Outcome {
    let environment = args.config.environment()?;
    let sources = wanted(args)?;
    let specs: Vec<SourceSpec> = sources.iter().map(|source| source.spec_in(&environment)).collect();
    let rules = RuleArgs { rules: args.paths.clone(), around: args.around.clone() };
    let (set, missing) = rules.load(Severity::Error)?;
    let engine = Engine::new(&set, &specs);
    let mut needs: Vec<Needs> = sources.iter().map(|source| needs_of(source, &engine)).collect();
    let mut unread = false;
    if !args.sample.is_empty() {
        let plan = |source: &&'static SourceDef| {
            // what rules could do without is counted too
            Some(SourcePlan { source, projection: Arc::new(engine.projection(source.name)?.whole()) })
        };
        let mut plans: Vec<SourcePlan> = sources.iter().filter_map(plan).collect();
        // what none of them recognises is counted apart
        let rest = SourcePlan { source: &generic::SOURCE, projection: std::sync::Arc::default() };
        plans.push(rest);
        let reader = Reader::new(Choice::Auto(plans), BatchLimits::default(), &environment);
        let mut counting = Counting { needs: &mut needs, unknown: 0, unreadable: false };
        let progress = Progress::default();
        let summary = reader.run(inputs(&args.sample, &progress), &mut counting);
        let unknown = counting.unknown;
        unread = counting.unreadable;
        if !args.json {
            show::say!(
                "{} events read, {} of no source here, {} quarantined",
                show::thousands(summary.total_events()),
                show::thousands(unknown),
                show::thousands(summary.quarantined.total())
            );
        }
    }
    needs.retain(|needs| !needs.rules.is_empty() || needs.keywords > 0);
    let dead = if args.sample.is_empty() { Vec::new() } else { dead_rules(&engine, &needs) };
    print(args, &engine, &needs, &dead)?;
    let idle = idle_rules(args, &engine)?;
    Ok(match () {
        () if missing || unread => ExitCode::from(2),
        () if args.fail_on_dead && (!dead.is_empty() || idle) => ExitCode::from(1),
        () => ExitCode::SUCCESS,
    })
}

impl Needs {
    fn seen(&self, field: &Field) -> u64 {
        self.seen.get(field).copied().unwrap_or(0)
    }
}

fn wanted(args: &Args) -> Result<Vec<&'static SourceDef>, Failure> {
    let known = || SOURCES.iter().copied().filter(|source| source.name != generic::SOURCE.name);
    let Some(name) = &args.source else { return Ok(known().collect()) };
    match known().find(|source| source.name == name) {
        Some(source) => Ok(vec![source]),
        None => Err(format!("there is no source `{name}`; `virga sources ls` lists them").into()),
    }
}

fn inputs<'a>(
    paths: &'a [PathBuf],
    progress: &'a Progress,
) -> impl Iterator<Item = Result<Input, InputError>> + 'a {
    paths.iter().flat_map(move |path| -> Box<dyn Iterator<Item = Result<Input, InputError>>> {
        match path.to_str() {
            Some("-") => Box::new(std::iter::once(Ok(stdin_input(0, progress)))),
            _ => Box::new(FileInputs::new(path, progress)),
        }
    })
}

/// The fields that a predicate looks at; none where it looks through the whole event.
fn fields_of(predicate: &Predicate) -> impl Iterator<Item = &str> {
    let own = match &predicate.field {
        FieldKey::Named(name) => Some(name.as_str()),
        FieldKey::Event => None,
    };
    let other = match &predicate.test {
        Test::FieldRef(test) => Some(test.field.as_str()),
        _ => None,
    };
    own.into_iter().chain(other)
}

fn needs_of(source: &'static SourceDef, engine: &Engine) -> Needs {
    let mut needs = Needs { source, rules: BTreeMap::new(), keywords: 0, seen: BTreeMap::new(), events: 0 };
    for (number, rule) in engine.rules().iter().enumerate() {
        let Some((_, canonical)) = rule.sources.iter().find(|(name, _)| name == source.name) else {
            continue;
        };
        let mut whole = false;
        rule.lowered.expr.for_each_predicate(&mut |predicate| {
            whole |= predicate.field == FieldKey::Event;
            for field in fields_of(predicate) {
                needs.rules.entry((field.to_owned(), *canonical)).or_default().insert(number);
            }
        });
        needs.keywords += usize::from(whole);
        let key = rule.lowered.rule.key();
        let members = engine.correlations().iter().flat_map(|plan| &plan.members);
        for member in members.filter(|member| matches!(&member.member, Member::Rule(of) if *of == key)) {
            for field in [&member.group_by, &member.value, &member.carry].into_iter().flatten() {
                needs.rules.entry((field.to_lowercase(), *canonical)).or_default().insert(number);
            }
        }
    }
    needs
}

/// Counts which events have which fields.
struct Counting<'a> {
    needs: &'a mut [Needs],
    unknown: u64,
    unreadable: bool,
}

impl Sink for Counting<'_> {
    fn batch(&mut self, batch: EventBatch) -> ControlFlow<()> {
        let rows = batch.len() as u64;
        match self.needs.iter_mut().find(|needs| needs.source.name == batch.source().as_ref()) {
            None => self.unknown += rows,
            Some(needs) => {
                needs.events += rows;
                for (number, field) in batch.projection().fields.iter().enumerate() {
                    let canonical = field.paths.is_empty();
                    *needs.seen.entry((field.name.clone(), canonical)).or_default() +=
                        batch.present(number) as u64;
                }
            }
        }
        ControlFlow::Continue(())
    }

    fn quarantined(&mut self, _: Quarantined) {}

    fn unreadable(&mut self, error: InputError) {
        self.unreadable = true;
        show::say!("{}warning:{:#} {}", show::BOLD, show::BOLD, show::printable(&error.to_string()));
    }
}

/// Whether an expression can come out true where only some fields ever occur.
fn can_match(expr: &Expr, occurs: &dyn Fn(&str) -> bool) -> bool {
    let of_test = |predicate: &Predicate| match fields_of(predicate).all(occurs) {
        true => (true, true),
        // of a field that is never there only its absence holds
        false => (predicate.test == Test::Null, predicate.test != Test::Null),
    };
    expr.outcomes(&of_test).0
}

/// A rule that cannot match on any source of which there are events.
struct Dead {
    rule: usize,
    sources: Vec<&'static str>,
    missing: BTreeSet<String>,
}

fn dead_rules(engine: &Engine, needs: &[Needs]) -> Vec<Dead> {
    let mut dead = Vec::new();
    for (number, rule) in engine.rules().iter().enumerate() {
        let here: Vec<&Needs> = needs
            .iter()
            .filter(|needs| needs.events > 0)
            .filter(|needs| rule.sources.iter().any(|(name, _)| name == needs.source.name))
            .collect();
        let mut missing = BTreeSet::new();
        let lives = here.iter().any(|needs| {
            let canonical =
                rule.sources.iter().any(|(name, canonical)| *canonical && name == needs.source.name);
            let occurs = |field: &str| needs.seen(&(field.to_owned(), canonical)) > 0;
            rule.lowered.expr.for_each_predicate(&mut |predicate| {
                missing.extend(fields_of(predicate).filter(|field| !occurs(field)).map(str::to_owned));
            });
            can_match(&rule.lowered.expr, &occurs)
        });
        if !here.is_empty() && !lives {
            dead.push(Dead {
                rule: number,
                sources: here.iter().map(|needs| needs.source.name).collect(),
                missing,
            });
        }
    }
    dead
}

fn print(args: &Args, engine: &Engine, needs: &[Needs], dead: &[Dead]) -> Result<(), Failure> {
    let sampled = !args.sample.is_empty();
    for needs in needs {
        if !args.json {
            super::line(format!("{}{}{:#}", show::BOLD, needs.source.name, show::BOLD))?;
            if sampled && needs.events == 0 {
                super::line("  the sample has no event of this source")?;
            }
        }
        let mut fields: Vec<(&Field, usize)> =
            needs.rules.iter().map(|(field, rules)| (field, rules.len())).collect();
        fields.sort_by(|a, b| (b.1, a.0).cmp(&(a.1, b.0)));
        for (field, rules) in fields {
            let seen = needs.seen(field);
            let (field, canonical) = field;
            if args.json {
                super::line(json!({
                    "source": needs.source.name, "field": field, "canonical": canonical, "rules": rules,
                    "events": sampled.then_some(needs.events), "present": sampled.then_some(seen),
                }))?;
                continue;
            }
            let field = show::printable(field);
            let count = format!("{rules:>5} {}", if rules == 1 { "rule " } else { "rules" });
            super::line(match (sampled && needs.events > 0, seen) {
                (false, _) => format!("  {count}  {field}"),
                (true, 0) => format!("  {count}  {field}  {}never occurs{:#}", show::BOLD, show::BOLD),
                (true, seen) => {
                    let share = 100.0 * seen as f64 / needs.events as f64;
                    format!("  {count}  {field}  in {share:.0} % of {} events", show::thousands(needs.events))
                }
            })?;
        }
    }
    for Dead { rule, sources, missing } in dead {
        let rule = &engine.rules()[*rule].lowered.rule;
        if args.json {
            super::line(
                json!({"dead": rule.key(), "title": rule.title, "sources": sources, "missing": missing}),
            )?;
            continue;
        }
        let missing: Vec<&str> = missing.iter().map(String::as_str).collect();
        super::line(format!(
            "{}dead{:#}  {}  ({}: no {})",
            show::BOLD,
            show::BOLD,
            show::printable(&rule.title),
            sources.join(", "),
            show::printable(&missing.join(", "))
        ))?;
    }
    if !args.json {
        let distinct: BTreeSet<&Field> = needs.iter().flat_map(|needs| needs.rules.keys()).collect();
        let mut text = format!("{} fields of {} sources", distinct.len(), needs.len());
        if sampled {
            let blind = needs
                .iter()
                .filter(|needs| needs.events > 0)
                .flat_map(|needs| needs.rules.keys().filter(|field| needs.seen(field) == 0));
            text += &format!("; {} blind spots, {} dead rules", blind.count(), dead.len());
        }
        show::say!("{text}");
    }
    Ok(())
}

/// Prints the rules that run on no source at all; whether there are any. With `--source` most rules are
/// another source's.
fn idle_rules(args: &Args, engine: &Engine) -> Result<bool, Failure> {
    if args.source.is_some() {
        return Ok(false);
    }
    let report = engine.report();
    let unmapped = report.unmapped.iter().map(|rule| (*rule, None));
    let disabled = report.disabled.iter().map(|(rule, column)| (*rule, Some(*column)));
    let mut any = false;
    for (rule, column) in unmapped.chain(disabled) {
        any = true;
        let rule = &engine.rules()[rule].lowered.rule;
        let (word, why) = match column {
            None => ("unmapped", format!("no source serves {}", rule.logsource.value)),
            Some(column) => ("disabled", format!("no lookup table fills {column}")),
        };
        match args.json {
            true => super::line(json!({word: rule.key(), "title": rule.title, "why": why}))?,
            false => super::line(format!(
                "{}{word}{:#}  {}  ({})",
                show::BOLD,
                show::BOLD,
                show::printable(&rule.title),
                show::printable(&why)
            ))?,
        }
    }
    Ok(any)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use virga_engine::RuleSet;
    use virga_engine::diagnostic::SourceFile;
    use virga_engine::plan::Lists;

    #[test]
    fn a_rule_is_dead_where_no_value_could_make_it_match() {
        for (detection, dead) in [
            ("s: {here: 1}\n  condition: s", false),
            ("s: {gone: 1}\n  condition: s", true),
            ("s: {here: 1, gone: 1}\n  condition: s", true),
            ("s: [{here: 1}, {gone: 1}]\n  condition: s", false),
            ("s: {gone: null}\n  condition: s", false),
            ("s: {gone|exists: true}\n  condition: s", true),
            ("s: {here: 1}\n  f: {gone: 1}\n  condition: s and not f", false),
            ("s: {here: 1}\n  f: {gone: null}\n  condition: s and not f", true),
            ("s: {here|fieldref: gone}\n  condition: s", true),
            ("a: {gone: 1}\n  b: {here: 1}\n  c: {here: 2}\n  condition: 2 of them", false),
            ("a: {gone: 1}\n  b: {here: 1}\n  c: {gone: 2}\n  condition: 2 of them", true),
            ("k: [text]\n  condition: k", false),
        ] {
            let text = format!("title: t\nlogsource: {{product: t}}\ndetection:\n  {detection}\n");
            let file = Arc::new(SourceFile { name: "t.yml".into(), text });
            let set = RuleSet::load([file], &Lists::new());
            let possible = can_match(&set.rules[0].expr, &|field| field == "here");
            assert_eq!(!possible, dead, "{detection}");
        }
    }
}
