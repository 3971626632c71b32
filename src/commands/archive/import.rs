//! `virga archive import`: logs, and archives of others, become part of an archive in one commit.
//!
//! In: files, objects, standard input. Out: one version more, or the version that was there; what could not be read
//! in a file of its own; and a summary of all of it. Reading and writing have a thread each.

use std::cell::Cell;
use std::collections::{BTreeMap, HashMap};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;

use indicatif::ProgressBar;
use serde_json::json;
use tokio::sync::mpsc::{Receiver, Sender, channel};
use virga_archive::foreign::{Family, ForeignArchive, recognise};
use virga_archive::{Archive, ArchiveError, EventWriter, Lake, Layout, Written};
use virga_engine::diagnostic::Severity;
use virga_engine::event::{EventBatch, OriginBase};
use virga_ingest::batcher::BatchLimits;
use virga_ingest::environment::Environment;
use virga_ingest::quarantine::Quarantined;
use virga_ingest::reader::{Choice, Reader, Sink, SourcePlan, Summary};
use virga_ingest::remake::remake;
use virga_ingest::sources::{SOURCES, SourceDef, source};
use virga_ingest::transport::{FileInputs, Input, InputError, Progress, stdin_input, survey};

use super::{ArchiveArgs, engine, failed, layouts, runtime};
use crate::commands::arguments::RuleArgs;
use crate::commands::detect::{given_up, now, source_name};
use crate::commands::objects::{self, Left, ObjectArgs};
use crate::commands::{Failure, Outcome, line, when};
use crate::config::ConfigArgs;
use crate::lake::{LayoutArgs, LayoutName, StoredLogs};
use crate::redaction::{Redactions, quarantined_without_bytes, tell_blinded};
use crate::unread::Unread;
use crate::{interrupt, lake, show};

/// Arguments of `virga archive import`.
#[derive(clap::Args)]
#[command(
    after_help = "All events become part of the archive at once, when the last is read: an import that is broken \
off leaves the archive as it was. The same files imported again are not doubled: what is there to the \
byte is not written, and `virga archive compact` drops what else came twice.

Exit status: 0; 1 where records were quarantined and no file keeps them; 2 where an input could not be read, \
or the archive not be written.

Examples:
  virga archive import AWSLogs/ --archive lake/
  virga archive import trail.json.gz --archive s3://my-lake/logs --quarantine bad.ndjson
  virga archive import s3://trail/AWSLogs/ --from 7d --account 111122223333 --archive lake/
                                             objects of a week and an account, told by their keys
  virga archive import -c virga.toml --rules my-rules/ logs/ --archive lake/
                                             with redaction, and the fields of own rules as columns"
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
    #[arg(long, value_name = "TIME", value_parser = when::time)]
    from: Option<i64>,
    /// Of object stores, leave out objects that by their keys are not older.
    #[arg(long, value_name = "TIME", value_parser = when::time)]
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

/// Events go to the writer, and its end says whether they count.
enum Message {
    Batch(Box<EventBatch>),
    Commit,
}

pub(super) fn import(args: &ImportArgs) -> Outcome {
    let started = Instant::now();
    args.objects.prove(&args.inputs)?;
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

/// The sources that take part: all, or the one that is named.
fn sources(name: &str) -> Vec<&'static SourceDef> {
    source(name).map_or_else(|| SOURCES.to_vec(), |source| vec![source])
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
        Ok(Some(remake(batch, source, &layout.projection, &self.environment, &|text| {
            self.redactions.apply(name, text)
        })))
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
        let location = runtime.block_on(lake::location_by(text, &args.objects.settings(text)))?;
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

/// Whether an input is a file of an archive of another program: its name may say nothing, and as a log it cannot be read.
fn is_stored(input: &Result<Input, InputError>, folder: &Path, archive: &ForeignArchive) -> bool {
    let Ok(Input { base: OriginBase::File { path }, .. }) = input else { return false };
    let below = Path::new(path.as_ref()).strip_prefix(folder).ok().and_then(Path::to_str);
    below.is_some_and(|below| archive.has(below))
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
                false => {
                    let logs =
                        FileInputs::new(path, progress).filter(|input| !is_stored(input, path, archive));
                    Box::new(files.chain(logs))
                }
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
struct ImportSink {
    sender: Sender<Message>,
    unread: Unread,
    /// What could not be read may hold what must not be kept.
    without_bytes: bool,
    bar: ProgressBar,
    progress: Progress,
}

impl ImportSink {
    fn new(
        args: &ImportArgs,
        sender: Sender<Message>,
        without_bytes: bool,
        progress: Progress,
    ) -> Result<Self, Failure> {
        let unread = Unread::new(args.quarantine.as_deref(), &args.inputs, args.quiet)?;
        let bar = match args.quiet {
            true => ProgressBar::hidden(),
            false => bar(&args.inputs),
        };
        Ok(Self { sender, unread, without_bytes, bar, progress })
    }

    /// All is read: what was handed over counts, unless what could not be read would be lost.
    fn finish(&mut self) -> Result<(), Failure> {
        let sender = std::mem::replace(&mut self.sender, channel(1).0);
        self.unread.finish()?;
        // a writer that has failed tells why itself
        let _ = sender.blocking_send(Message::Commit);
        Ok(())
    }
}

impl Sink for ImportSink {
    fn batch(&mut self, batch: EventBatch) -> ControlFlow<()> {
        self.bar.set_position(self.progress.bytes());
        if self.unread.is_broken() || self.sender.blocking_send(Message::Batch(Box::new(batch))).is_err() {
            return ControlFlow::Break(());
        }
        ControlFlow::Continue(())
    }

    fn quarantined(&mut self, record: Quarantined) {
        let record = if self.without_bytes { quarantined_without_bytes(record) } else { record };
        self.unread.record(&record, &self.bar);
    }

    fn unreadable(&mut self, error: InputError) {
        self.unread.input(&error, &self.bar);
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
