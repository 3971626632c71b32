//! `virga rules`: check, list, explain and test rules.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use clap::{Subcommand, ValueEnum};
use indicatif::ProgressBar;
use rayon::prelude::*;
use serde_json::json;
use virga_engine::cases::{Case, parse_cases};
use virga_engine::correlate::Plan;
use virga_engine::diagnostic::{Diagnostic, Severity, SourceFile, codes};
use virga_engine::event::SourceSpec;
use virga_engine::modifiers::MODIFIERS;
use virga_engine::pipeline::{REFUSED, TRANSFORMATIONS};
use virga_engine::sigma::Level;
use virga_engine::{Engine, RuleSet};
use virga_ingest::sources::{SOURCES, generic};

use super::arguments::{AroundArgs, RuleArgs};
use super::{Failure, Outcome, coverage, explain, fields};
use crate::case_runner::{Library, Played};
use crate::config::ConfigArgs;
use crate::{rule_files, show};

/// Work with rules.
#[derive(Subcommand)]
#[command(after_help = "Examples:
  virga rules check sigma/rules/ my-rules/
  virga rules list --level high
  virga rules explain aws-cloudtrail-stopped event.json
  virga rules fields sigma/rules/cloud --sample AWSLogs/
  virga rules test detections/rules/")]
pub enum Command {
    /// Say what is wrong with rules, and where.
    Check(CheckArgs),
    /// List rules with their level, log source and the sources that run them.
    List(ListArgs),
    /// Say why a rule did or did not match an event.
    Explain(explain::Args),
    /// Run the cases that stand beside rules.
    Test(TestArgs),
    /// Say which fields rules need, and which of them never occur in a sample.
    Fields(fields::Args),
    /// Say which techniques of ATT&CK and ATLAS rules are about.
    Coverage(coverage::Args),
    /// List the modifiers, each with an example.
    Modifiers,
    /// List the transformations of processing pipelines.
    Transformations,
    /// Print the lists that the rules that ship with Virga look into, to be filled in.
    Lists,
}

/// Arguments of `virga rules check`.
#[derive(clap::Args)]
#[command(
    after_help = "Exit status: 0 where no rule has an error, 1 where one has, 2 where a path cannot be read.

Examples:
  virga rules check my-rules/
  virga rules check --warnings-as-errors my-rules/     for CI
  virga rules check --format ndjson my-rules/ | jq .code"
)]
pub struct CheckArgs {
    /// Files or folders of rules; `built-in` are those that ship with Virga. [default: built-in]
    paths: Vec<PathBuf>,
    #[command(flatten)]
    around: AroundArgs,
    #[command(flatten)]
    config: ConfigArgs,
    /// Warnings fail the check too.
    #[arg(long)]
    warnings_as_errors: bool,
    /// How diagnostics are printed.
    #[arg(long, value_enum, default_value = "graphical")]
    format: CheckFormat,
}

/// How diagnostics are printed.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum CheckFormat {
    /// With the place underlined.
    Graphical,
    /// A line each, `file:line:column: severity[code]: cause`.
    Short,
    /// A JSON object a line.
    Ndjson,
}

/// Arguments of `virga rules list`.
#[derive(clap::Args)]
pub struct ListArgs {
    /// Files or folders of rules; `built-in` are those that ship with Virga. [default: built-in]
    paths: Vec<PathBuf>,
    /// Only rules of at least this level.
    #[arg(long, value_name = "LEVEL")]
    level: Option<String>,
    /// Only rules that no source runs.
    #[arg(long)]
    unmapped: bool,
    /// A JSON object a line.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    around: AroundArgs,
    #[command(flatten)]
    config: ConfigArgs,
}

/// Arguments of `virga rules test`.
#[derive(clap::Args)]
#[command(
    after_help = "The cases of `rule.yml` stand in `rule.cases.yml` beside it. Each has events that the rule must match \
(`match: true`) or must not (`match: false`).

Exit status: 0 where all cases pass, 1 where one fails, 2 where a path cannot be read."
)]
pub struct TestArgs {
    /// Files or folders of rules; `built-in` are those that ship with Virga. [default: built-in]
    paths: Vec<PathBuf>,
    /// A rule without a hit and a near miss among its cases fails.
    #[arg(long)]
    strict: bool,
}

/// What a rule without its lookup table needs.
const TABLE_HELP: &str = "a `[[tables]]` of the configuration fills it, given with --config: docs/sources.md, \"What no log says\"";

/// Every source, as the engine must know it.
pub fn all_sources(config: &ConfigArgs) -> Result<Vec<SourceSpec>, Failure> {
    let environment = config.environment()?;
    let known = SOURCES.iter().filter(|source| source.name != generic::SOURCE.name);
    Ok(known.map(|source| source.spec_in(&environment)).collect())
}

/// Runs the command.
pub fn run(command: Command) -> Outcome {
    match command {
        Command::Check(args) => check(&args),
        Command::List(args) => list(&args),
        Command::Explain(args) => explain::run(&args),
        Command::Test(args) => test(&args),
        Command::Fields(args) => fields::run(&args),
        Command::Coverage(args) => coverage::run(&args),
        Command::Modifiers => modifiers(),
        Command::Transformations => transformations(),
        Command::Lists => {
            super::line(virga_detections::LISTS.trim_end())?;
            Ok(ExitCode::SUCCESS)
        }
    }
}

fn check(args: &CheckArgs) -> Outcome {
    let around = args.around.read(rule_files::wants_shipped(&args.paths))?;
    let sources = all_sources(&args.config)?;
    let found = rule_files::read(&args.paths);
    for message in &found.unreadable {
        show::say!("{}error:{:#} {message}", show::BOLD, show::BOLD);
    }
    let mut set = RuleSet::load_with(found.files, &around);
    let engine = Engine::new(&set, &sources);
    set.diagnostics.extend(engine.unserved(&sources));
    for (rule, column) in &engine.report().disabled {
        let rule = &engine.rules()[*rule].lowered.rule;
        let cause = format!("the rule does not run: no lookup table fills `{column}`");
        let at = rule.logsource.span.clone();
        let warning = Diagnostic::warning(codes::MISSING_TABLE, &rule.file, at, cause);
        set.diagnostics.push(warning.with_help(TABLE_HELP));
    }
    for (number, column) in &engine.report().idle_correlations {
        let Some(column) = column else { continue };
        let correlation = &engine.correlations()[*number].correlation;
        let cause = format!("the correlation does not run: no lookup table fills `{column}`");
        let at = correlation.kind.span.clone();
        let warning = Diagnostic::warning(codes::MISSING_TABLE, &correlation.file, at, cause);
        set.diagnostics.push(warning.with_help(TABLE_HELP));
    }
    set.diagnostics.extend(engine.unheard());
    set.diagnostics.sort_by(|a, b| (&a.file.name, a.span.start).cmp(&(&b.file.name, b.span.start)));
    // rules for logs that are not read here may be thousands
    let is_told = |d: &&Diagnostic| d.code != codes::UNMAPPED_LOGSOURCE || d.severity != Severity::Note;
    let shown = set.diagnostics.iter().filter(is_told);
    for diagnostic in shown {
        print_diagnostic(diagnostic, args.format)?;
    }
    let count = |severity| set.diagnostics.iter().filter(|d| d.severity == severity).count();
    let (errors, warnings) = (count(Severity::Error), count(Severity::Warning));
    let report = engine.report();
    show::say!(
        "{} rules: {} run, {} unmapped, {} rejected; {errors} errors, {warnings} warnings{}",
        set.rules.len() + set.rejected,
        report.loaded,
        report.unmapped.len(),
        set.rejected,
        also(&set)
    );
    if !report.unmapped.is_empty() {
        show::say!("what no source serves: `virga rules list --unmapped`");
    }
    Ok(match () {
        () if !found.unreadable.is_empty() => ExitCode::from(2),
        () if errors > 0 || (args.warnings_as_errors && warnings > 0) => ExitCode::from(1),
        () => ExitCode::SUCCESS,
    })
}

/// What else there is to say of a rule set.
fn also(set: &RuleSet) -> String {
    let mut text = String::new();
    if !set.correlations.is_empty() {
        text += &format!("; {} correlations", set.correlations.len());
    }
    if set.filters > 0 {
        text += &format!("; {} filters at work", set.filters);
    }
    if set.switched_off > 0 {
        text += &format!("; {} switched off by tuning", set.switched_off);
    }
    if set.repeated > 0 {
        text += &format!("; {} rules given twice, word for word", set.repeated);
    }
    text
}

fn print_diagnostic(diagnostic: &Diagnostic, format: CheckFormat) -> Result<(), Failure> {
    match format {
        CheckFormat::Graphical => {
            let colours = anstream::AutoStream::choice(&std::io::stdout()) != anstream::ColorChoice::Never;
            super::line(show::diagnostic(diagnostic, colours))
        }
        CheckFormat::Short => super::line(show::printable(&diagnostic.to_string().replace('\n', " "))),
        CheckFormat::Ndjson => {
            let (line, column) = diagnostic.place();
            super::line(json!({
                "code": diagnostic.code.id, "severity": diagnostic.severity.word(), "file": diagnostic.file.name,
                "line": line, "column": column, "cause": diagnostic.cause, "help": diagnostic.help,
            }))
        }
    }
}

fn list(args: &ListArgs) -> Outcome {
    let least = match &args.level {
        None => None,
        Some(word) => Some(Level::parse(word).ok_or_else(|| format!("`{word}` is no level"))?),
    };
    let rules = RuleArgs { rules: args.paths.clone(), around: args.around.clone() };
    let (set, missing) = rules.load(Severity::Error)?;
    let engine = Engine::new(&set, &all_sources(&args.config)?);
    let wanted = engine.rules().iter().filter(|rule| {
        let level = rule.lowered.rule.level;
        (least.is_none() || level >= least) && (!args.unmapped || rule.sources.is_empty())
    });
    let mut shown = 0;
    for loaded in wanted {
        shown += 1;
        let rule = &loaded.lowered.rule;
        let sources: Vec<&str> = loaded.sources.iter().map(|(name, _)| name.as_str()).collect();
        let level = rule.level.map(Level::word);
        if args.json {
            super::line(json!({
                "id": rule.key(), "title": rule.title, "level": level, "status": rule.status,
                "logsource": rule.logsource.value.to_string(), "sources": sources, "tags": rule.tags, "file": rule.file.name,
            }))?;
            continue;
        }
        let style = show::level_style(level);
        super::line(format!(
            "{style}{:<13}{style:#} {:<60} {:<28} {}",
            level.unwrap_or("-"),
            show::cut(&show::printable(&rule.title), 60),
            show::cut(&rule.logsource.value.to_string(), 28),
            match loaded.missing_table {
                _ if !sources.is_empty() => sources.join(", "),
                Some(column) => format!("(disabled: no lookup table fills {column})"),
                None => "(unmapped)".to_owned(),
            },
        ))?;
    }
    let wanted = |level: Option<Level>| (least.is_none() || level >= least) && !args.unmapped;
    let mut correlations = 0;
    for plan in engine.correlations().iter().filter(|plan| wanted(plan.correlation.level)) {
        correlations += 1;
        list_correlation(plan, args.json)?;
    }
    if !args.json {
        match correlations {
            0 => show::say!("{shown} rules"),
            _ => show::say!("{shown} rules, {correlations} correlations"),
        }
    }
    Ok(if missing { ExitCode::from(2) } else { ExitCode::SUCCESS })
}

fn list_correlation(plan: &Plan, as_json: bool) -> Result<(), Failure> {
    let correlation = &plan.correlation;
    let level = correlation.level.map(Level::word);
    let rules: Vec<&str> = correlation.rules.iter().map(|rule| rule.value.as_str()).collect();
    if as_json {
        return super::line(json!({
            "id": plan.key(), "title": correlation.title, "level": level, "status": correlation.status,
            "correlation": correlation.kind.value.word(), "rules": rules, "muted": plan.muted,
            "tags": correlation.tags, "file": correlation.file.name,
        }));
    }
    let style = show::level_style(level);
    super::line(format!(
        "{style}{:<13}{style:#} {:<60} {:<28} {}",
        level.unwrap_or("-"),
        show::cut(&show::printable(&correlation.title), 60),
        correlation.kind.value.word(),
        show::printable(&rules.join(", ")),
    ))
}

fn modifiers() -> Outcome {
    for modifier in MODIFIERS {
        super::line(format!("{}{:<13}{:#} {}", show::BOLD, modifier.name, show::BOLD, modifier.summary))?;
        let example = &modifier.example;
        super::line(format!("{:<13} {}{}{:#}", "", show::DIM, example.selection, show::DIM))?;
    }
    Ok(ExitCode::SUCCESS)
}

fn transformations() -> Outcome {
    for kind in TRANSFORMATIONS {
        super::line(format!("{}{:<29}{:#} {}", show::BOLD, kind.name, show::BOLD, kind.summary))?;
    }
    for (name, why) in REFUSED {
        super::line(format!("{}{name:<29} not supported: {why}{:#}", show::DIM, show::DIM))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// What the cases of one rule came to.
#[derive(Default)]
struct Tally {
    hits: usize,
    misses: usize,
    failures: Vec<String>,
}

fn test(args: &TestArgs) -> Outcome {
    let found = rule_files::read(&args.paths);
    for message in &found.unreadable {
        show::say!("{}error:{:#} {message}", show::BOLD, show::BOLD);
    }
    let (mut failed, mut rules, mut cases) = (0, 0, 0);
    // correlations may be about rules that ship with Virga
    let mut known = found.files.clone();
    known.extend(rule_files::shipped());
    let library = Library::new(&known, rule_files::shipped_lists());
    let bar = show::bar(Some(found.files.len() as u64), "{wide_bar} {pos}/{len} rules, {eta} left");
    for (file, tally) in found.files.iter().zip(tallies(&library, &found.files, &bar)) {
        rules += 1;
        cases += tally.hits + tally.misses;
        let incomplete = args.strict && (tally.hits == 0 || tally.misses == 0);
        let mut failures = tally.failures;
        if incomplete && failures.is_empty() {
            failures.push("needs at least one hit and one near miss".into());
        }
        let verdict = if failures.is_empty() { "ok" } else { "FAILED" };
        super::line(format!(
            "{verdict:<7} {} ({} hits, {} near misses)",
            file.name, tally.hits, tally.misses
        ))?;
        for failure in &failures {
            super::line(format!("        {failure}"))?;
        }
        failed += usize::from(!failures.is_empty());
    }
    let mut lost = 0;
    for path in found.cases_of_none() {
        lost += 1;
        super::line(format!("FAILED  {} (there is no rule beside it that it could test)", path.display()))?;
    }
    show::say!("{rules} rules, {cases} cases, {failed} rules failed");
    Ok(match () {
        () if !found.unreadable.is_empty() => ExitCode::from(2),
        () if failed + lost > 0 => ExitCode::from(1),
        () => ExitCode::SUCCESS,
    })
}

/// What the cases of each file come to. Files are played at once, on every core.
fn tallies(library: &Library, files: &[Arc<SourceFile>], bar: &ProgressBar) -> Vec<Tally> {
    let play = |(number, file)| {
        let tally = test_file(library, number, file);
        bar.inc(1);
        tally
    };
    let tallies = files.par_iter().enumerate().map(play).collect();
    bar.finish_and_clear();
    tallies
}

fn test_file(library: &Library, number: usize, file: &Arc<SourceFile>) -> Tally {
    let mut tally = Tally::default();
    let cases = match rule_files::cases_beside(file) {
        Ok(Some(cases)) => match parse_cases(&cases) {
            Ok(parsed) => parsed,
            Err(diagnostics) => {
                tally.failures.extend(diagnostics.iter().map(ToString::to_string));
                return tally;
            }
        },
        Ok(None) => Vec::new(),
        Err(message) => {
            tally.failures.push(message);
            return tally;
        }
    };
    if cases.is_empty() {
        // a rule without cases must still be one
        let set = RuleSet::load([Arc::clone(file)], &BTreeMap::new());
        let errors = set.diagnostics.iter().filter(|d| d.severity == Severity::Error);
        tally.failures.extend(errors.map(ToString::to_string));
    }
    for case in &cases {
        match case.matches {
            true => tally.hits += 1,
            false => tally.misses += 1,
        }
        if let Err(failure) = run_case(library, number, case) {
            tally.failures.push(format!("{}: {failure}", case.name));
        }
    }
    tally
}

fn run_case(library: &Library, number: usize, case: &Case) -> Result<(), String> {
    let Played { found, unit } = library.play(number, case)?;
    let events = case.played().count();
    match (case.matches, case.count) {
        (true, Some(count)) if found != count => {
            Err(format!("{found} {unit} from {events} events, not {count}"))
        }
        (true, None) if found == 0 => Err(format!("no {unit} from {events} events")),
        (false, _) if found > 0 => {
            Err(format!("{found} {unit} from {events} events, where there should be none"))
        }
        _ => Ok(()),
    }
}
