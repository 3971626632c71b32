//! `virga backtest`: rules over an archive.

use std::collections::BTreeSet;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Instant;

use clap::ValueEnum;
use virga_archive::sql::{Around, Session, texts};
use virga_archive::{Lake, Range};
use virga_engine::alert::{Alert, hash128};
use virga_engine::diagnostic::{Severity, SourceFile};
use virga_engine::{Engine, RuleSet};
use virga_replay::time::parse_moment;
use virga_replay::{Check, Expectations, Labels, Lock, Question, Report, RuleSide, Step, World};

use super::arguments::{AroundArgs, RuleArgs};
use super::{Failure, Outcome, backtest_table};
use crate::config::ConfigArgs;
use crate::lake::LayoutArgs;
use crate::log_sources::AllSources;
use crate::new_file::NewFiles;
use crate::redaction::{Redactions, tell_blinded};
use crate::timeline::{moment, quoted};
use crate::{interrupt, lake, rule_files, show, spill};

/// Arguments of `virga backtest`.
#[derive(clap::Args)]
#[command(
    after_help = "Exit status: 0; 1 where an expectation does not hold or a locked run came out otherwise; 2 where the \
archive, a rule folder or an argument could not be used.

Examples:
  virga backtest --archive lake                  what the rules that ship would have told
  virga backtest --archive s3://logs/lake --rules sigma/rules/cloud --from 2026-01-01
  virga backtest --archive lake --rules old/ --against new/ --html diff.html
                                                 what a change alters, and by which test
  virga backtest --archive lake --rules r.yml --curve bruteforce
                                                 how many alerts each threshold would give
  virga backtest --archive lake --rules noisy.yml --counts
                                                 how often, in a hurry
  virga backtest --archive lake --labels attacks.yml --expect expect.yml --junit report.xml
                                                 precision, recall, time to detect; for CI
  virga backtest --archive lake --lock run.lock && virga backtest --archive lake --locked run.lock"
)]
pub struct Args {
    /// The archive: a folder, or s3://, gs://, az://.
    #[arg(long, value_name = "URL")]
    archive: String,
    #[command(flatten)]
    layout: LayoutArgs,
    #[command(flatten)]
    rules: RuleArgs,
    /// Rules to compare with, in the same pass; may be given several times.
    #[arg(long, value_name = "DIR")]
    against: Vec<PathBuf>,
    /// The tuning of the rules to compare with, instead of --tuning. Without --against: of the same rules.
    #[arg(long, value_name = "FILE")]
    against_tuning: Vec<PathBuf>,
    #[command(flatten)]
    config: ConfigArgs,
    /// The first moment of event time: RFC 3339 or a date. [default: the archive's first]
    #[arg(long, value_name = "TIME", value_parser = parse_moment)]
    from: Option<i64>,
    /// The first moment behind the stretch. [default: the archive's end]
    #[arg(long, value_name = "TIME", value_parser = parse_moment)]
    to: Option<i64>,
    /// How the report is printed.
    #[arg(long, value_enum, default_value = "table")]
    format: Format,
    /// Write the report as one HTML file with charts, which needs nothing else.
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
    /// Write the alerts themselves, as `detect` prints them, one JSON object a line.
    #[arg(long, value_name = "FILE")]
    alerts: Option<PathBuf>,
    /// Apply the rules' own suppression to the alerts that are written.
    #[arg(long, requires = "alerts")]
    suppress: bool,
    /// Events and incidents that are attacks, in YAML: gives precision, recall and time to detect.
    #[arg(long, value_name = "FILE")]
    labels: Option<PathBuf>,
    /// What must come out, in YAML; exit status 1 where it does not.
    #[arg(long, value_name = "FILE")]
    expect: Option<PathBuf>,
    /// Write the expectations as JUnit.
    #[arg(long, value_name = "FILE", requires = "expect")]
    junit: Option<PathBuf>,
    /// Draw the threshold curve of this correlation (id, name or title), however many events it sees.
    #[arg(long, value_name = "RULE")]
    curve: Vec<String>,
    /// Write a lock file, which makes the run reproducible.
    #[arg(long, value_name = "FILE", conflicts_with = "locked")]
    lock: Option<PathBuf>,
    /// Run as a lock file says: the same archive as it was then, the same stretch, the same rules.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["from", "to"])]
    locked: Option<PathBuf>,
    /// Count the hits of each rule by hour, and nothing more: not who is behind them. Faster where many events
    /// match.
    #[arg(long, conflicts_with_all = ["against", "against_tuning", "alerts", "labels", "lock", "locked"])]
    counts: bool,
    /// Rules that the table shows.
    #[arg(long, value_name = "N", default_value_t = 40)]
    top: usize,
    /// Read everything: to see what leaving out gains. The alerts are the same.
    #[arg(long)]
    no_prune: bool,
    /// No progress bar.
    #[arg(long, short)]
    quiet: bool,
}

/// How the report is printed.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For people.
    Table,
    /// One JSON document.
    Json,
}

/// A rule set as it was read.
struct Loaded {
    name: String,
    hash: String,
    set: RuleSet,
}

/// Runs the command.
pub fn run(args: &Args) -> Outcome {
    let locked = args.locked.as_deref().map(read_lock).transpose()?;
    let labels = match &args.labels {
        None => None,
        Some(path) => Some(Labels::parse(&read_file(path)?)?),
    };
    let expected = match &args.expect {
        None => None,
        Some(path) => Some(Expectations::parse(&read_file(path)?)?),
    };
    let (sets, rules_missing) = load(args)?;
    if let Some(lock) = &locked {
        let sets: Vec<_> = sets.iter().map(|set| (set.name.clone(), set.hash.clone())).collect();
        if let Some(difference) = lock.refuses(&sets).into_iter().next() {
            return Err(difference.into());
        }
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let sources = AllSources::new(&args.config.environment()?, args.layout.layout);
    let (files, bar) = (NewFiles::new(), bar(args.quiet));
    let (unfinished, shown) = (files.unfinished(), bar.clone());
    interrupt::end_at_once(move || {
        shown.finish_and_clear();
        match unfinished.leave() {
            true => "no file was written, and the archive is as it was",
            false => "the files were written before, and the archive is as it was",
        }
    })?;
    let work = answer(args, sets, locked.as_ref(), labels.as_ref(), &sources, (&files, &bar));
    let (report, names, incomplete) = runtime.block_on(work)?;
    let known = |name: &str| names.iter().find(|known| known.is(name)).map(|known| known.id.clone());
    let checks = expected.map(|expected| expected.check(&report, &known)).unwrap_or_default();
    write_files(args, &report, &checks, &files)?;
    match args.format {
        Format::Json => super::line(serde_json::to_string_pretty(&report).map_err(std::io::Error::from)?)?,
        Format::Table => backtest_table::print(&report, args.top)?,
    }
    let mut wrong: Vec<String> = locked.map(|lock| lock.differences(&report)).unwrap_or_default();
    let failed =
        checks.iter().filter_map(|check| Some(format!("{}: {}", check.name, check.failure.as_ref()?)));
    wrong.extend(failed);
    for message in &wrong {
        show::say!("{}failed:{:#} {}", show::BOLD, show::BOLD, show::printable(message));
    }
    Ok(match (rules_missing || incomplete, wrong.is_empty()) {
        (true, _) => ExitCode::from(2),
        (false, true) => ExitCode::SUCCESS,
        (false, false) => ExitCode::from(1),
    })
}

/// What a rule may be called.
struct Name {
    id: String,
    others: Vec<String>,
}

impl Name {
    fn is(&self, name: &str) -> bool {
        std::iter::once(&self.id).chain(&self.others).any(|known| known.eq_ignore_ascii_case(name))
    }
}

/// What the rules of a set are called.
fn names_of(set: &RuleSet) -> Vec<Name> {
    let rules = set.rules.iter().map(|rule| {
        let of = &rule.rule;
        let others = [of.id.clone(), of.name.clone(), Some(of.title.clone())];
        Name { id: of.key(), others: others.into_iter().flatten().collect() }
    });
    let correlations = set.correlations.iter().map(|linked| {
        let of = &linked.correlation;
        let others = [of.id.clone(), of.name.clone(), Some(of.title.clone())];
        Name { id: of.key(), others: others.into_iter().flatten().collect() }
    });
    rules.chain(correlations).collect()
}

async fn answer(
    args: &Args,
    sets: Vec<Loaded>,
    locked: Option<&Lock>,
    labels: Option<&Labels>,
    sources: &AllSources,
    (files, bar): (&NewFiles, &indicatif::ProgressBar),
) -> Result<(Report, Vec<Name>, bool), Failure> {
    let location = lake::location(&args.archive).await?;
    let specs = sources.specs();
    let names = sets.first().map(|loaded| names_of(&loaded.set)).unwrap_or_default();
    let others = sets.get(1).map(|loaded| names_of(&loaded.set)).unwrap_or_default();
    let sides: Vec<RuleSide> = sets
        .into_iter()
        .map(|Loaded { name, hash, set }| RuleSide { name, hash, engine: Engine::new(&set, &specs) })
        .collect();
    let engines: Vec<&Engine> = sides.iter().map(|side| &side.engine).collect();
    let has_plan = |name: &String| {
        engines
            .iter()
            .flat_map(|engine| engine.correlations())
            .any(|plan| virga_replay::is_called(plan, name))
    };
    if let Some(name) = args.curve.iter().find(|name| !has_plan(name)) {
        return Err(format!("--curve: there is no correlation `{name}`").into());
    }
    let version = locked.map(|lock| lock.version);
    let archive = lake::open(&location, args.layout.layout, version, sources.stored(), &engines).await?;
    if args.lock.is_some() && matches!(archive, Lake::Foreign(_)) {
        return Err(
            format!("{location} is not an archive of virga's: it has no versions to hold a run to").into()
        );
    }
    let (mut from, mut to) = (args.from, args.to);
    if let Some(lock) = locked {
        (from, to) = (Some(parse_moment(&lock.from)?), Some(parse_moment(&lock.to)?));
    }
    let range = Range { from: from.unwrap_or(i64::MIN), to: to.unwrap_or(i64::MAX) };
    // the stretch of a lock may have been empty
    if locked.is_none() && range.from >= range.to {
        return Err("--from must be before --to".into());
    }
    if let Lake::Own(archive) = &archive {
        let redactions = Redactions::from(archive.redactions().map_err(|error| error.to_string())?);
        for side in &sides {
            tell_blinded(&side.engine, &redactions.blinded(&side.engine));
        }
    }
    let question = Question {
        range,
        prune: !args.no_prune,
        suppress: args.suppress,
        curves: &args.curve,
        labels,
        digest: args.lock.is_some() || locked.is_some() || (args.format == Format::Json && !args.counts),
        counts: args.counts,
    };
    let started = Instant::now();
    let clock = || started.elapsed();
    let world = World {
        specs: &specs,
        logs: sources,
        clock: &clock,
        memory: spill::MEMORY,
        spill: &|| Box::new(spill::TemporaryFiles::default()),
    };
    let mut progress = |step: Step| {
        bar.set_length(step.of);
        bar.set_position(step.events);
        bar.set_message(format!("{} hits", show::thousands(step.hits)));
    };
    let file = args.alerts.as_deref().map(|path| files.create(path)).transpose()?;
    let mut file = file.map(std::io::BufWriter::new);
    let mut write = |alert: &Alert| match &mut file {
        Some(file) => {
            serde_json::to_writer(&mut *file, alert)?;
            writeln!(file)
        }
        None => Ok(()),
    };
    let sink: Option<virga_replay::AlertSink<'_>> =
        if args.alerts.is_some() { Some(&mut write) } else { None };
    let report = virga_replay::run(&archive, sides, &question, &world, sink, &mut progress).await;
    bar.finish_and_clear();
    let mut report = report.map_err(|error| error.to_string())?;
    let incomplete = lake::tell(&archive, args.quiet);
    report.notes.extend(lake::notes(&archive));
    if let Some(labels) = labels {
        let is_known = |name: &str| names.iter().chain(&others).any(|known| known.is(name));
        report.notes.extend(unknown_rules(labels, &is_known));
        report.notes.extend(unknown_events(labels, &report, &archive, range).await);
    }
    if let Some(mut file) = file {
        file.flush()?;
    }
    Ok((report, names, incomplete))
}

/// How far the pass is, for whoever waits.
fn bar(quiet: bool) -> indicatif::ProgressBar {
    match quiet {
        true => indicatif::ProgressBar::hidden(),
        false => {
            show::bar(Some(0), "{wide_bar} {human_pos}/{human_len} events, {per_sec}, {msg}, {eta} left")
        }
    }
}

/// Rules that labels name and that are not there: no alert of theirs can be right.
fn unknown_rules(labels: &Labels, is_known: &dyn Fn(&str) -> bool) -> Option<String> {
    let unknown: BTreeSet<&str> = labels.rule_names().filter(|name| !is_known(name)).collect();
    let unknown: Vec<String> = unknown.into_iter().map(|name| format!("`{name}`")).collect();
    (!unknown.is_empty()).then(|| format!("labels name rules that are not there: {}", some_of(&unknown)))
}

/// Labelled events that are not there: nothing can tell of them. Ids are looked up only where some were not told of.
async fn unknown_events(labels: &Labels, report: &Report, archive: &Lake, range: Range) -> Option<String> {
    let all_told = |set: &virga_replay::SetReport| {
        set.score.as_ref().is_some_and(|score| score.events.0 == score.events.1)
    };
    let ids: Vec<&str> = labels.event_ids().collect();
    if ids.is_empty() || report.sets.iter().all(all_told) {
        return None;
    }
    match missing(&ids, archive, range).await {
        Ok(missing) if missing.is_empty() => None,
        Ok(missing) => Some(format!(
            "{} labelled events are not in this stretch of the archive, and count as missed: {}",
            missing.len(),
            some_of(&missing)
        )),
        Err(error) => Some(format!("whether all labelled events are in the archive is not known: {error}")),
    }
}

/// Ids that one query asks for.
const IDS_AT_ONCE: usize = 1_000;

async fn missing(ids: &[&str], archive: &Lake, range: Range) -> Result<Vec<String>, String> {
    let around = Around { as_stored: true, ..Around::default() };
    let session = Session::open(archive, around).await.map_err(|error| error.to_string())?;
    let bound = |sign: &str, time: i64| match time {
        i64::MIN | i64::MAX => String::new(),
        time => format!(" AND time {sign} {}", moment(time)),
    };
    let mut found = BTreeSet::new();
    for ids in ids.chunks(IDS_AT_ONCE) {
        let ids = ids.iter().map(|id| quoted(id)).collect::<Vec<_>>().join(", ");
        let sql = format!(
            "SELECT DISTINCT event_id FROM events WHERE event_id IN ({ids}){}{}",
            bound(">=", range.from),
            bound("<", range.to)
        );
        let mut answer = session.run(&sql).await.map_err(|error| error.to_string())?;
        while let Some(batch) = answer.next().await.map_err(|error| error.to_string())? {
            found.extend(texts(&batch).map_err(|error| error.to_string())?.into_iter().flatten().flatten());
        }
    }
    let missing = ids.iter().filter(|id| !found.contains(**id));
    Ok(missing.map(|id| (*id).to_owned()).collect())
}

/// The first of many.
fn some_of(names: &[String]) -> String {
    const SHOWN: usize = 5;
    match names.get(..SHOWN) {
        Some(first) if names.len() > SHOWN => {
            format!("{} and {} more", first.join(", "), names.len() - SHOWN)
        }
        _ => names.join(", "),
    }
}

/// The rule sets, and whether a path could not be read.
fn load(args: &Args) -> Result<(Vec<Loaded>, bool), Failure> {
    let (set, mut missing) = args.rules.load(Severity::Error)?;
    let mut sets = vec![Loaded { name: name_of(&args.rules.rules), hash: hash_of(&args.rules)?, set }];
    if !args.against.is_empty() || !args.against_tuning.is_empty() {
        let around = args.rules.around.clone();
        let other = RuleArgs {
            rules: if args.against.is_empty() { args.rules.rules.clone() } else { args.against.clone() },
            around: match args.against_tuning.is_empty() {
                true => around,
                false => AroundArgs { tuning: args.against_tuning.clone(), ..around },
            },
        };
        let (set, other_missing) = other.load_tuned(Severity::Error)?;
        missing |= other_missing;
        let mut name = name_of(&other.rules);
        if let Some(tuning) = args.against_tuning.first() {
            name = format!("{name} with {}", tuning.display());
        }
        sets.push(Loaded { name, hash: hash_of(&other)?, set });
    }
    Ok((sets, missing))
}

fn name_of(paths: &[PathBuf]) -> String {
    match paths {
        [] => "built-in".to_owned(),
        paths => paths.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(" + "),
    }
}

/// A hash of the files of a rule set and of what stands around it: where they lie is no part of it.
fn hash_of(rules: &RuleArgs) -> Result<String, Failure> {
    let mut parts: Vec<String> = Vec::new();
    let mut add = |kind: &str, files: Vec<Arc<SourceFile>>| {
        let mut texts: Vec<String> = files.iter().map(|file| format!("{kind}\n{}", file.text)).collect();
        texts.sort();
        parts.extend(texts);
    };
    add("rules", rule_files::read(&rules.rules).files);
    for (kind, paths) in [
        ("pipeline", &rules.around.pipelines),
        ("tuning", &rules.around.tuning),
        ("lists", &rules.around.lists),
    ] {
        if !paths.is_empty() {
            add(kind, rule_files::read(paths).files);
        }
    }
    if rule_files::wants_shipped(&rules.rules) {
        parts.extend([virga_detections::LISTS.into(), virga_detections::TUNING.into()]);
    }
    Ok(hash128(&parts.iter().map(String::as_str).collect::<Vec<_>>()))
}

fn read_file(path: &Path) -> Result<Arc<SourceFile>, Failure> {
    let text = std::fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
    Ok(Arc::new(SourceFile { name: path.display().to_string(), text }))
}

fn read_lock(path: &Path) -> Result<Lock, Failure> {
    let file = read_file(path)?;
    Ok(Lock::parse(&file.text).map_err(|error| format!("{}: {error}", path.display()))?)
}

/// Writes what is asked for; all of it takes its names together.
fn write_files(args: &Args, report: &Report, checks: &[Check], files: &NewFiles) -> Result<(), Failure> {
    let write = |path: &Path, text: &str| -> Result<(), Failure> {
        Ok(files.create(path)?.write_all(text.as_bytes())?)
    };
    if let Some(path) = &args.html {
        write(path, &virga_replay::html(report))?;
    }
    if let Some(path) = &args.junit {
        write(path, &virga_replay::junit(checks, report.cost.seconds))?;
    }
    if let Some(path) = &args.lock {
        let lock = Lock::of(report).ok_or("the run was not asked for a hash of its alerts")?;
        write(path, &lock.to_text())?;
    }
    files.keep()
}
