//! `virga archive`: events into Parquet files of a Delta table, and what keeps that table in order.
//!
//! In: what `virga detect` reads, and the address of an archive. Out: a new version of the archive, or the old
//! one; and a summary that accounts for every record.

use std::cell::Cell;
use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::future::Future;
use std::io::{BufWriter, Write};
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::process::ExitCode;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;

use clap::Subcommand;
use indicatif::ProgressBar;
use serde_json::json;
use tokio::sync::mpsc::{Receiver, Sender, channel};
use virga_archive::foreign::{Family, ForeignArchive, recognise};
use virga_archive::{
    Archive, ArchiveError, Coverage, Depth, EventWriter, Lake, Layout, Location, Range, Rebuild, Verified,
    Written,
};
use virga_engine::diagnostic::Severity;
use virga_engine::event::{BatchBuilder, EventBatch, OriginBase};
use virga_engine::{Engine, RuleSet};
use virga_ingest::batcher::BatchLimits;
use virga_ingest::environment::Environment;
use virga_ingest::quarantine::{Cause, Quarantined};
use virga_ingest::reader::{Choice, Reader, Sink, SourcePlan, Summary};
use virga_ingest::remake::remake;
use virga_ingest::sources::{Arrival, Normaliser, SOURCES, SourceDef, source};
use virga_ingest::transport::{FileInputs, Input, InputError, Progress, stdin_input, survey};

use super::arguments::RuleArgs;
use super::detect::{given_up, now, refuse_input, source_name};
use super::objects::{self, Left, ObjectArgs};
use super::{Failure, Outcome, line};
use crate::config::ConfigArgs;
use crate::lake::{LayoutArgs, LayoutName, StoredLogs};
use crate::redaction::{Redactions, quarantined_without_bytes, tell_blinded};
use crate::{interrupt, lake, show};

/// `virga archive …`
#[derive(Subcommand)]
pub enum Command {
    /// Put events into an archive.
    Import(Box<ImportArgs>),
    /// What an archive holds, by source and day.
    Ls(ListArgs),
    /// Read an archive whole, and say what is not as its table says.
    Verify(VerifyArgs),
    /// Merge small and late files, and keep events once that came twice.
    Compact(CompactArgs),
    /// Let go of old events and alerts, and delete files that nothing refers to.
    Expire(ExpireArgs),
}

/// Which archive.
#[derive(clap::Args, Clone)]
pub struct ArchiveArgs {
    /// The archive: a folder, or s3://bucket/prefix, gs://bucket/prefix, az://container/prefix, with the
    /// credentials that the environment has.
    #[arg(long, value_name = "URL")]
    pub archive: String,
}

impl ArchiveArgs {
    /// Where it is.
    pub fn location(&self) -> Result<Location, Failure> {
        Location::new(&self.archive, std::env::vars()).map_err(failed)
    }
}

/// An archive, and which version of it.
#[derive(clap::Args, Clone)]
pub struct VersionArgs {
    #[command(flatten)]
    archive: ArchiveArgs,
    /// An earlier version, as `ls` counts them. [default: the latest]
    #[arg(long, value_name = "N")]
    version: Option<u64>,
}

/// Arguments of `virga archive import`.
#[derive(clap::Args)]
#[command(
    after_help = "All events become part of the archive at once, when the last is read: an import that is broken
off leaves the archive as it was. The same files imported again are not doubled: what is there to the
byte is not written, and `virga archive compact` drops what else came twice.

Exit status: 0; 1 where records were quarantined and no file keeps them; 2 where an input could not be read,
or the archive not be written.

Examples:
  virga archive import AWSLogs/ --archive lake/
  virga archive import trail.json.gz --archive s3://my-lake/logs --quarantine bad.ndjson
  virga archive import s3://trail/AWSLogs/ --from 7d --account 111122223333 --archive lake/
                                             the objects of a week and an account, told by their keys
  virga archive import -c virga.toml --rules my-rules/ logs/ --archive lake/
                                             with redaction, and the fields of one's own rules as columns"
)]
pub struct ImportArgs {
    /// Files or folders of logs, plain, gzip or zstd; `-` for standard input; s3://bucket/prefix,
    /// gs://bucket/prefix, az://container/prefix.
    #[arg(required = true, value_name = "FILE")]
    inputs: Vec<PathBuf>,
    #[command(flatten)]
    archive: ArchiveArgs,
    #[command(flatten)]
    rules: RuleArgs,
    #[command(flatten)]
    config: ConfigArgs,
    /// Of object stores, leave out objects that by their keys are older: an instant, a day, or how long ago
    /// (7d). What is read of an object is imported whole.
    #[arg(long, value_name = "TIME", value_parser = super::when::time)]
    from: Option<i64>,
    /// Of object stores, leave out objects that by their keys are not older.
    #[arg(long, value_name = "TIME", value_parser = super::when::time)]
    to: Option<i64>,
    #[command(flatten)]
    objects: ObjectArgs,
    #[command(flatten)]
    layout: LayoutArgs,
    /// The log source of the input.
    #[arg(long, value_name = "NAME|auto", default_value = "auto", value_parser = source_name)]
    source: String,
    /// Write what could not be read to this file, one JSON object a line.
    #[arg(long, value_name = "FILE")]
    quarantine: Option<PathBuf>,
    /// Print the summary as JSON.
    #[arg(long)]
    json: bool,
    /// No progress bar and no summary.
    #[arg(long, short)]
    quiet: bool,
}

/// Arguments of `virga archive ls`.
#[derive(clap::Args)]
#[command(after_help = "Examples:
  virga archive ls --archive lake/
  virga archive ls --archive lake/ --version 3 --json")]
pub struct ListArgs {
    #[command(flatten)]
    which: VersionArgs,
    /// By hour, not by day.
    #[arg(long)]
    hours: bool,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// Arguments of `virga archive verify`.
#[derive(clap::Args)]
#[command(after_help = "The alerts beside the events are read too, as they are now whatever the version.

Exit status: 0 where all is as the table says, 1 where something is not.

Examples:
  virga archive verify --archive lake/
  virga archive verify --archive s3://my-lake/logs --quick")]
pub struct VerifyArgs {
    #[command(flatten)]
    which: VersionArgs,
    /// Read only the footers of files, not their events.
    #[arg(long)]
    quick: bool,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// Arguments of `virga archive compact`.
#[derive(clap::Args)]
#[command(
    after_help = "Others may read and import meanwhile. What is replaced can be read as an earlier version
until `virga archive expire` deletes it.

Example:
  virga archive compact --archive lake/"
)]
pub struct CompactArgs {
    #[command(flatten)]
    archive: ArchiveArgs,
    #[command(flatten)]
    rules: RuleArgs,
    #[command(flatten)]
    config: ConfigArgs,
}

/// Arguments of `virga archive expire`.
#[derive(clap::Args)]
#[command(
    after_help = "Events are let go by hours, alerts by the files of a day. Files are deleted once no version
of the last days refers to them; so are those that a write that was broken off has left behind.

Example:
  virga archive expire --archive lake/ --keep 90d"
)]
pub struct ExpireArgs {
    #[command(flatten)]
    archive: ArchiveArgs,
    /// How old events and alerts may be, by their event time: days (90d) or hours (36h).
    #[arg(long, value_name = "AGE", value_parser = age)]
    keep: chrono::Duration,
    /// How long earlier versions can still be read, and imports may take that run now.
    #[arg(long, value_name = "AGE", value_parser = age, default_value = "7d")]
    versions: chrono::Duration,
}

fn age(text: &str) -> Result<chrono::Duration, String> {
    let wrong = || format!("`{text}` is no age, as in 90d or 36h");
    let unit = text.chars().last().ok_or_else(wrong)?;
    let number = text.strip_suffix(unit).and_then(|number| number.parse::<u32>().ok()).ok_or_else(wrong)?;
    let length = match unit {
        'd' => chrono::Duration::try_days(number.into()),
        'h' => chrono::Duration::try_hours(number.into()),
        _ => None,
    };
    length.ok_or_else(wrong)
}

fn failed(error: ArchiveError) -> Failure {
    Failure::Message(error.to_string())
}

/// Runs what changes an archive, until it is done or Ctrl-C. What a commit has begun is ended before anything
/// is said of it.
fn until_interrupted<T>(
    location: &Location,
    work: impl Future<Output = Result<T, ArchiveError>>,
) -> Result<T, Failure> {
    let runtime = runtime()?;
    let done = runtime.block_on(async {
        tokio::select! {
            done = work => Some(done),
            _ = tokio::signal::ctrl_c() => None,
        }
    });
    // requests of the disk that are on their way come to their end
    runtime.shutdown_timeout(interrupt::PATIENCE);
    match done {
        Some(done) => done.map_err(failed),
        None => Err(Failure::Stopped(interrupt::what_stands(location))),
    }
}

/// Runs what waits for a store.
fn wait_for<T>(work: impl Future<Output = Result<T, ArchiveError>>) -> Result<T, Failure> {
    runtime()?.block_on(work).map_err(failed)
}

fn runtime() -> Result<tokio::runtime::Runtime, Failure> {
    Ok(tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?)
}

/// Runs the command.
pub fn run(command: &Command) -> Outcome {
    match command {
        Command::Import(args) => import(args),
        Command::Ls(args) => list(args),
        Command::Verify(args) => verify(args),
        Command::Compact(args) => compact(args),
        Command::Expire(args) => expire(args),
    }
}

/// The sources that take part: all, or the one that is named.
fn sources(name: &str) -> Vec<&'static SourceDef> {
    source(name).map_or_else(|| SOURCES.to_vec(), |source| vec![source])
}

/// The rules for these sources.
fn engine(set: &RuleSet, sources: &[&'static SourceDef], environment: &Environment) -> Engine {
    let specs: Vec<_> = sources.iter().map(|source| source.spec_in(environment)).collect();
    Engine::new(set, &specs)
}

/// What is stored of each source: canonical columns, and what the rules ask for.
fn layouts(
    engine: &Engine,
    sources: &[&'static SourceDef],
    environment: &Environment,
) -> HashMap<String, Layout> {
    let specs: Vec<_> = sources.iter().map(|source| source.spec_in(environment)).collect();
    let layout = |spec: &virga_engine::event::SourceSpec| {
        let asked = engine.projection(&spec.name).unwrap_or_default();
        (spec.name.clone(), Layout::new(&spec.columns, &asked))
    };
    specs.iter().map(layout).collect()
}

/// Events go to the writer, and its end says whether they count.
enum Message {
    Batch(Box<EventBatch>),
    Commit,
}

fn import(args: &ImportArgs) -> Outcome {
    let started = Instant::now();
    let environment = args.config.environment()?;
    let redactions = Arc::new(args.config.redactions()?);
    let sources = sources(&args.source);
    let (set, rules_missing) = args.rules.load(Severity::Error)?;
    let engine = engine(&set, &sources, &environment);
    let layouts = layouts(&engine, &sources, &environment);
    let blinded = redactions.blinded(&engine);
    let plans: Vec<SourcePlan> = sources
        .iter()
        .filter_map(|source| {
            let layout = layouts.get(source.name)?;
            // what is redacted gets its columns afterwards
            let projection = match redactions.concern(source.name) {
                true => Arc::default(),
                false => Arc::clone(&layout.projection),
            };
            Some(SourcePlan { source, projection })
        })
        .collect();
    let choice = match plans.as_slice() {
        [only] if sources.len() == 1 => Choice::Fixed(only.clone()),
        _ => Choice::Auto(plans),
    };
    let runtime = runtime()?;
    let location = args.archive.location()?;
    let mut archive = runtime.block_on(Archive::open_or_create(&location)).map_err(failed)?;
    runtime.block_on(archive.note_redactions(redactions.all())).map_err(failed)?;
    let (sender, receiver) = channel(2);
    let commit = interrupt::Commit::default();
    let (watched, committing) = (commit.clone(), commit.clone());
    let redactor = Redactor {
        redactions: Arc::clone(&redactions),
        layouts: layouts.clone(),
        environment: Arc::clone(&environment),
    };
    let writer = runtime.spawn(async move {
        let written = write(&mut archive, layouts, redactor, receiver, &committing).await?;
        Ok::<_, ArchiveError>((written, archive.version()))
    });
    interrupt::watch(&runtime, &location, watched, writer.abort_handle());
    let foreign = foreign_inputs(args, &environment, &runtime)?;
    let progress = Progress::default();
    let mut sink = ImportSink::new(args, sender, !redactions.is_empty(), progress.clone())?;
    let summary = Reader::new(choice, BatchLimits::default(), &environment)
        .run(inputs(args, &foreign, runtime.handle(), &progress), &mut sink);
    sink.bar.set_message("writing");
    let finished = sink.finish();
    let written = runtime.block_on(writer).map_err(|error| Failure::Message(error.to_string()))?;
    finished?;
    let (written, version) = written.map_err(failed)?;
    sink.bar.finish_and_clear();
    report(args, &summary, &written, version, started)?;
    let incomplete = foreign.iter().fold(false, |so_far, (_, lake)| lake::tell(lake, args.quiet) || so_far);
    if !args.quiet {
        tell_blinded(&engine, &blinded);
    }
    Ok(match () {
        () if commit.was_interrupted() => ExitCode::from(interrupt::STATUS),
        () if rules_missing || incomplete || given_up(&summary) => ExitCode::from(2),
        () if summary.quarantined.total() > 0 && args.quarantine.is_none() => ExitCode::from(1),
        () => ExitCode::SUCCESS,
    })
}

/// Takes batches until the reader says that these are all.
async fn write(
    archive: &mut Archive,
    layouts: HashMap<String, Layout>,
    redactor: Redactor,
    mut batches: Receiver<Message>,
    committing: &interrupt::Commit,
) -> Result<Written, ArchiveError> {
    let mut writer = EventWriter::new(layouts);
    while let Some(message) = batches.recv().await {
        match message {
            Message::Batch(batch) => match redactor.redacted(&batch)? {
                Some(batch) => writer.push(archive, &batch).await?,
                None => writer.push(archive, &batch).await?,
            },
            Message::Commit => {
                committing.begin();
                return writer.commit(archive).await;
            }
        }
    }
    Err(ArchiveError::new("importing", "the reading was broken off; the archive is as it was"))
}

/// Takes out of events what must not be kept, and makes their columns of what is left.
struct Redactor {
    redactions: Arc<Redactions>,
    layouts: HashMap<String, Layout>,
    environment: Arc<Environment>,
}

impl Redactor {
    /// A batch without what is redacted; `None` where nothing is asked for of its source.
    fn redacted(&self, batch: &EventBatch) -> Result<Option<EventBatch>, ArchiveError> {
        let name = batch.source().as_ref();
        if !self.redactions.concern(name) {
            return Ok(None);
        }
        let doing = || format!("redacting events of {name}");
        let (source, layout) = source(name)
            .zip(self.layouts.get(name))
            .ok_or_else(|| ArchiveError::new(doing(), "the source is not known"))?;
        let (made, refused) = remake(batch, source, &layout.projection, &self.environment, &|text| {
            self.redactions.apply(name, text).map_err(|_| Cause::NotJson)
        });
        match refused.first() {
            Some(first) => Err(ArchiveError::new(doing(), format!("{}: {}", first.origin, first.cause))),
            None => Ok(Some(made)),
        }
    }
}

/// Inputs that are archives of other programs, with their places among the arguments: folders with Parquet
/// files, and addresses of which `--layout` says so.
fn foreign_inputs(
    args: &ImportArgs,
    environment: &Arc<Environment>,
    runtime: &tokio::runtime::Runtime,
) -> Result<Vec<(usize, Lake)>, Failure> {
    let layout = args.layout.layout;
    if layout == LayoutName::Virga {
        return Err(
            "an archive of virga's is read as it is; `import` takes logs, and archives of others".into()
        );
    }
    let mut found = Vec::new();
    for (at, path) in args.inputs.iter().enumerate() {
        let is_address = objects::is_address(path);
        let Some(text) = path.to_str().filter(|text| *text != "-" && (is_address || path.is_dir())) else {
            continue;
        };
        if is_address && layout == LayoutName::Auto {
            continue;
        }
        let location = Location::new(text, std::env::vars()).map_err(failed)?;
        // what cannot be listed is told by whoever reads it as logs
        let looks = || runtime.block_on(recognise(&location)).is_ok_and(|family| family == Family::Foreign);
        if layout != LayoutName::Auto || looks() {
            let logs = StoredLogs::new(environment, layout);
            found.push((at, runtime.block_on(lake::open(&location, layout, None, &logs, &[]))?));
        }
    }
    Ok(found)
}

/// The files of an archive of another program, as logs.
fn stored<'a>(
    archive: &'a ForeignArchive,
    runtime: &'a tokio::runtime::Handle,
    progress: &'a Progress,
) -> impl Iterator<Item = Result<Input, InputError>> + 'a {
    archive.lines().map(|lines| {
        let (base, ingest_time, size) = (lines.origin.clone(), lines.modified(), Some(lines.size()));
        Ok(Input { base, ingest_time, size, reader: progress.count(lines.by(runtime)) })
    })
}

fn inputs<'a>(
    args: &'a ImportArgs,
    foreign: &'a [(usize, Lake)],
    runtime: &'a tokio::runtime::Handle,
    progress: &'a Progress,
) -> impl Iterator<Item = Result<Input, InputError>> + 'a {
    let paths = args.inputs.iter().enumerate();
    paths.flat_map(move |(at, path)| -> Box<dyn Iterator<Item = Result<Input, InputError>>> {
        let archive = foreign.iter().find(|(own, _)| *own == at).map(|(_, lake)| lake);
        if let Some(Lake::Foreign(archive)) = archive {
            let files = stored(archive, runtime, progress);
            // logs may lie beside the archive; what lies in a store is one or the other
            return match objects::is_address(path) {
                true => Box::new(files),
                false => Box::new(files.chain(FileInputs::new(path, progress))),
            };
        }
        match path.to_str() {
            Some("-") => Box::new(std::iter::once(Ok(stdin_input(now(), progress)))),
            _ if objects::is_address(path) => {
                let left = Rc::new(Cell::new(Left::default()));
                objects::inputs(path, &args.objects, (args.from, args.to), progress, &left)
            }
            _ => Box::new(FileInputs::new(path, progress)),
        }
    })
}

/// Hands batches to the writer, and keeps what could not be read.
struct ImportSink<'a> {
    args: &'a ImportArgs,
    sender: Sender<Message>,
    quarantine: Option<BufWriter<File>>,
    /// What could not be read may hold what must not be kept.
    without_bytes: bool,
    bar: ProgressBar,
    progress: Progress,
    failure: Option<std::io::Error>,
    shown: usize,
}

/// Messages about single records that are printed; the summary has the counts, a file all of them.
const QUARANTINED_SHOWN: usize = 10;

impl<'a> ImportSink<'a> {
    fn new(
        args: &'a ImportArgs,
        sender: Sender<Message>,
        without_bytes: bool,
        progress: Progress,
    ) -> Result<Self, Failure> {
        let quarantine = match &args.quarantine {
            None => None,
            Some(path) => {
                refuse_input(path, &args.inputs)?;
                let file = File::create(path).map_err(|error| format!("{}: {error}", path.display()))?;
                Some(BufWriter::new(file))
            }
        };
        let bar = match args.quiet {
            true => ProgressBar::hidden(),
            false => bar(&args.inputs),
        };
        Ok(Self { args, sender, quarantine, without_bytes, bar, progress, failure: None, shown: 0 })
    }

    /// All is read: what was handed over counts, unless what could not be read would be lost.
    fn finish(&mut self) -> Result<(), Failure> {
        let sender = std::mem::replace(&mut self.sender, channel(1).0);
        if let Some(quarantine) = &mut self.quarantine {
            quarantine.flush()?;
        }
        if let Some(error) = self.failure.take() {
            return Err(error.into());
        }
        // a writer that has failed tells why itself
        let _ = sender.blocking_send(Message::Commit);
        Ok(())
    }
}

impl Sink for ImportSink<'_> {
    fn batch(&mut self, batch: EventBatch) -> ControlFlow<()> {
        self.bar.set_position(self.progress.bytes());
        if self.failure.is_some() || self.sender.blocking_send(Message::Batch(Box::new(batch))).is_err() {
            return ControlFlow::Break(());
        }
        ControlFlow::Continue(())
    }

    fn quarantined(&mut self, record: Quarantined) {
        let record = if self.without_bytes { quarantined_without_bytes(record) } else { record };
        if let Some(file) = &mut self.quarantine
            && let Err(error) = writeln!(file, "{}", record.to_json_line())
        {
            // a quarantine that cannot be written would lose what it holds: the next batch ends the reading
            self.failure = Some(error);
        }
        if !self.args.quiet && self.shown < QUARANTINED_SHOWN {
            self.shown += 1;
            let origin = show::printable(&record.origin.to_string());
            self.bar.suspend(|| {
                show::say!("{}quarantined:{:#} {origin}: {}", show::BOLD, show::BOLD, record.cause)
            });
        }
    }

    fn unreadable(&mut self, error: InputError) {
        let message = show::printable(&error.to_string());
        self.bar.suspend(|| show::say!("{}warning:{:#} {message}", show::BOLD, show::BOLD));
    }
}

/// A progress bar over the bytes of the inputs as they lie.
fn bar(inputs: &[PathBuf]) -> ProgressBar {
    if !show::is_watched() {
        return ProgressBar::hidden();
    }
    if inputs.iter().any(|path| path.as_os_str() == "-" || objects::is_address(path)) {
        return show::bar(None, "{spinner} {bytes} read, {bytes_per_sec} {msg}");
    }
    let bytes = inputs.iter().map(|path| survey(path).bytes).sum();
    show::bar(Some(bytes), "{wide_bar} {bytes}/{total_bytes}, {bytes_per_sec}, {eta} left {msg}")
}

fn report(
    args: &ImportArgs,
    summary: &Summary,
    written: &Written,
    version: u64,
    started: Instant,
) -> Result<(), Failure> {
    let causes: BTreeMap<&str, u64> =
        summary.quarantined.iter().map(|(cause, count)| (cause.code(), count)).collect();
    let seconds = started.elapsed().as_secs_f64();
    if args.json {
        return line(json!({
            "read": summary.total_events(), "events": written.rows, "files": written.files,
            "bytes": written.bytes, "duplicates": written.duplicates, "present": written.present,
            "quarantined": causes, "unreadable": summary.unreadable, "times_missing": summary.times_missing,
            "sources": summary.events, "version": version, "seconds": seconds,
        }));
    }
    if args.quiet {
        return Ok(());
    }
    let number = |n: usize| show::thousands(n as u64);
    line(format!(
        "{} events read in {seconds:.2} s ({} events/s)",
        show::thousands(summary.total_events()),
        show::thousands((summary.total_events() as f64 / seconds.max(1e-9)) as u64)
    ))?;
    let sources = summary.events.iter().filter(|(_, count)| **count > 0);
    let sources: Vec<String> =
        sources.map(|(source, count)| format!("{source} {}", show::thousands(*count))).collect();
    line(format!("sources      {}", sources.join(", ")))?;
    line(format!(
        "written      {} events, {} files, {} bytes: version {version} of {}",
        number(written.rows),
        number(written.files),
        show::thousands(written.bytes),
        args.archive.archive
    ))?;
    if written.duplicates + written.present > 0 {
        line(format!(
            "left out     {} that came twice, {} in files that are there already",
            number(written.duplicates),
            number(written.present)
        ))?;
    }
    if summary.times_missing > 0 {
        line(format!("no time      {} events (their input's time stands for it)", summary.times_missing))?;
    }
    if summary.unreadable > 0 {
        line(format!("unreadable   {} inputs", summary.unreadable))?;
    }
    let total = summary.quarantined.total();
    let causes: Vec<String> = causes.iter().map(|(cause, count)| format!("{cause} {count}")).collect();
    match (total, &args.quarantine) {
        (0, _) => line("quarantined  0"),
        (_, Some(path)) => {
            line(format!("quarantined  {total} ({}) in {}", causes.join(", "), path.display()))
        }
        (_, None) => line(format!(
            "quarantined  {total} ({}): they are in no archive; `--quarantine FILE` keeps them",
            causes.join(", ")
        )),
    }
}

impl VersionArgs {
    async fn open(&self, location: &Location) -> Result<Archive, ArchiveError> {
        let mut archive = Archive::open(location).await?;
        if let Some(version) = self.version {
            archive.at_version(version).await?;
        }
        Ok(archive)
    }
}

fn list(args: &ListArgs) -> Outcome {
    let location = args.which.archive.location()?;
    let (version, coverage) = wait_for(async {
        let archive = args.which.open(&location).await?;
        Ok((archive.version(), archive.coverage(Range::ALL).await?))
    })?;
    let coverage = if args.hours { coverage } else { by_day(coverage) };
    if args.json {
        let rows: Vec<_> = coverage
            .iter()
            .map(|c| json!({"source": c.source, "time": c.hour, "events": c.rows, "files": c.files, "bytes": c.size}))
            .collect();
        line(json!({"version": version, "coverage": rows}))?;
        return Ok(ExitCode::SUCCESS);
    }
    line(format!(
        "{}{:<32} {:<14} {:>14} {:>7} {:>16}{:#}",
        show::BOLD,
        "SOURCE",
        if args.hours { "HOUR" } else { "DAY" },
        "EVENTS",
        "FILES",
        "BYTES",
        show::BOLD
    ))?;
    let number = |n: usize| show::thousands(n as u64);
    for c in &coverage {
        line(format!(
            "{:<32} {:<14} {:>14} {:>7} {:>16}",
            show::printable(&c.source),
            show::printable(&c.hour),
            number(c.rows),
            number(c.files),
            show::thousands(c.size)
        ))?;
    }
    let sum = |of: &dyn Fn(&Coverage) -> u64| show::thousands(coverage.iter().map(of).sum());
    line(format!(
        "{} events, {} files, {} bytes; version {version}",
        sum(&|c| c.rows as u64),
        sum(&|c| c.files as u64),
        sum(&|c| c.size)
    ))?;
    Ok(ExitCode::SUCCESS)
}

fn by_day(coverage: Vec<Coverage>) -> Vec<Coverage> {
    let mut days: BTreeMap<(String, String), Coverage> = BTreeMap::new();
    for hour in coverage {
        let day = hour.hour.split('T').next().unwrap_or_default().to_owned();
        let nothing =
            || Coverage { source: hour.source.clone(), hour: day.clone(), files: 0, rows: 0, size: 0 };
        let sum = days.entry((hour.source.clone(), day.clone())).or_insert_with(nothing);
        sum.files += hour.files;
        sum.rows += hour.rows;
        sum.size += hour.size;
    }
    days.into_values().collect()
}

fn verify(args: &VerifyArgs) -> Outcome {
    let location = args.which.archive.location()?;
    let depth = if args.quick { Depth::Footers } else { Depth::Everything };
    let bar = show::bar(None, "{spinner} {bytes} checked, {bytes_per_sec}");
    let (version, found) = wait_for(async {
        let archive = args.which.open(&location).await?;
        let found = archive.verify(depth, &|bytes| bar.inc(bytes)).await?;
        Ok((archive.version(), found))
    })?;
    bar.finish_and_clear();
    let Verified { files, rows, bytes, problems, former, left_behind, duplicates, .. } = &found;
    if args.json {
        let shown: Vec<_> = problems.iter().map(|p| json!({"path": p.path, "what": p.what})).collect();
        line(json!({
            "version": version, "files": files, "events": rows, "bytes": bytes, "problems": shown,
            "former_files": former, "left_behind": left_behind, "duplicates": duplicates,
            "alerts": found.alerts, "alert_files": found.alert_files, "alert_bytes": found.alert_bytes,
        }))?;
    } else {
        for problem in problems {
            line(format!("{}: {}", show::printable(&problem.path), show::printable(&problem.what)))?;
        }
        for path in left_behind {
            line(format!(
                "{}: no version holds it; `virga archive expire` deletes it",
                show::printable(path)
            ))?;
        }
        if *duplicates > 0 {
            line(format!(
                "{} events stand there twice; `virga archive compact` keeps one of each",
                show::thousands(*duplicates as u64)
            ))?;
        }
        let verdict = match problems.len() {
            0 => "all is as the table says".to_owned(),
            count => format!("{count} problems"),
        };
        line(format!(
            "version {version}: {} events, {} files, {} bytes; {verdict}; {former} files of earlier versions, {} left behind",
            show::thousands(*rows as u64),
            show::thousands(*files as u64),
            show::thousands(*bytes),
            left_behind.len()
        ))?;
        line(format!(
            "{} alerts in {} files, {} bytes",
            show::thousands(found.alerts as u64),
            show::thousands(found.alert_files as u64),
            show::thousands(found.alert_bytes)
        ))?;
    }
    Ok(if problems.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(1) })
}

/// Makes the cells of a projection from stored events.
fn rebuilt(
    environment: &Arc<Environment>,
    name: &str,
    projection: &Arc<virga_engine::event::Projection>,
    events: &mut dyn Iterator<Item = &str>,
) -> Result<EventBatch, String> {
    let source = source(name).ok_or_else(|| format!("there is no source {name}"))?;
    let mut normaliser = Normaliser::new(source, projection, environment);
    let mut builder = BatchBuilder::new(name.into(), Arc::clone(projection));
    let base = OriginBase::File { path: "".into() };
    let arrival = Arrival { base: &base, line: None, record: None, ingest_time: 0 };
    for event in events {
        normaliser.normalise(event, &arrival, &mut builder).map_err(|cause| cause.to_string())?;
    }
    Ok(builder.finish())
}

fn compact(args: &CompactArgs) -> Outcome {
    let environment = args.config.environment()?;
    let (set, rules_missing) = args.rules.load(Severity::Error)?;
    let layouts = layouts(&engine(&set, SOURCES, &environment), SOURCES, &environment);
    let location = args.archive.location()?;
    let bar = show::bar(None, "{spinner} {pos} files");
    let rebuild: &Rebuild<'_> = &|name, projection, raw| {
        let batch = rebuilt(&environment, name, projection, &mut raw.iter().map(Option::unwrap_or_default))?;
        Ok(batch.fields().to_vec())
    };
    let (done, alerts, version) = until_interrupted(&location, async {
        let mut archive = Archive::open(&location).await?;
        let done = archive.compact(&layouts, rebuild, &|files| bar.inc(files as u64)).await?;
        let alerts = archive.compact_alerts().await?;
        Ok((done, alerts, archive.version()))
    })?;
    bar.finish_and_clear();
    line(format!(
        "{} files became {}: {} events, {} duplicates dropped; version {version}",
        done.replaced,
        done.written,
        show::thousands(done.rows as u64),
        show::thousands(done.duplicates as u64)
    ))?;
    if alerts.replaced > 0 {
        line(format!(
            "{} files of alerts became {}: {} that came again or were revised dropped",
            alerts.replaced,
            alerts.written,
            show::thousands(alerts.duplicates as u64)
        ))?;
    }
    if done.left > 0 {
        line(format!("{} files share events and are too large to be merged: they stay", done.left))?;
    }
    Ok(if rules_missing { ExitCode::from(2) } else { ExitCode::SUCCESS })
}

fn expire(args: &ExpireArgs) -> Outcome {
    if args.versions < chrono::Duration::hours(1) {
        return Err(
            "`--versions` is at least 1h: what an import has written and not yet committed must stay".into(),
        );
    }
    let location = args.archive.location()?;
    let before = now().saturating_sub(args.keep.num_microseconds().unwrap_or(i64::MAX));
    let (expired, version) = wait_for(async {
        let mut archive = Archive::open(&location).await?;
        let expired = archive.expire(before, args.versions).await?;
        Ok((expired, archive.version()))
    })?;
    line(format!(
        "{} events in {} files and {} alerts in {} files let go, {} files deleted; version {version}",
        show::thousands(expired.rows as u64),
        expired.files,
        show::thousands(expired.alerts as u64),
        expired.alert_files,
        expired.deleted
    ))?;
    Ok(ExitCode::SUCCESS)
}
