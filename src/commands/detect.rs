//! `virga detect`: rules over finite input, alerts on standard output.

use std::cell::Cell;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::io::{BufWriter, IsTerminal, Write};
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::process::ExitCode;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Instant, SystemTime};

use clap::ValueEnum;
use indicatif::ProgressBar;
use virga_engine::Engine;
use virga_engine::alert::{Alert, number_of_id};
use virga_engine::correlate::{Dropped, Finite, Times};
use virga_engine::diagnostic::Severity;
use virga_engine::event::{EventBatch, LogsourceMapping, SourceSpec};
use virga_engine::scan::Hit;
use virga_engine::sigma::Level;
use virga_ingest::batcher::BatchLimits;
use virga_ingest::environment::Environment;
use virga_ingest::quarantine::{Cause, Quarantined};
use virga_ingest::reader::{Choice, Reader, Sink, SourcePlan, Summary};
use virga_ingest::sources::{Describer, SOURCES, SourceDef, generic, source};
use virga_ingest::transport::{FileInputs, Input, InputError, Progress, stdin_input, survey};

use super::arguments::RuleArgs;
use super::objects::{self, Left, ObjectArgs};
use super::summary::Closing;
use super::{Failure, Outcome, when};
use crate::config::ConfigArgs;
use crate::show;
use crate::spill::{self, TemporaryFiles};
use crate::unread::Unread;

/// Arguments of `virga detect`.
#[derive(clap::Args)]
#[command(
    after_help = "Exit status: 0, whether or not something matched; 1 with --fail-on where something did; 2 where \
an input, a rule folder or an argument could not be used (all others are still worked through).

Examples:
  virga detect AWSLogs/                      the rules that ship with Virga on CloudTrail
  virga detect --rules sigma/rules/cloud trail.json.gz
  aws cloudtrail lookup-events | virga detect -
  virga detect --pipeline ecs.yml --tuning tuning.yml --rules sigma/ logs/
                                             public rules with your mapping and exceptions
  virga detect -c virga.toml AWSLogs/        with lookup tables: countries, networks, tags
  virga detect s3://trail/AWSLogs/ --from 7d --account 111122223333
                                             objects of S3, and only those that can matter; also
                                             gs://bucket/prefix and az://container/prefix
  virga detect s3://theirs/ --role-arn arn:aws:iam::999988887777:role/Audit --external-id WORD
                                             another account's bucket
  virga detect --fail-on high AWSLogs/       for CI: exit 1 where an alert is high or critical
  virga detect --all-logsources --rules my.yml app.ndjson
                                             any rule on any JSON, one object a line"
)]
pub struct Args {
    /// Files or folders of logs, plain, gzip or zstd; `s3://`, `gs://`, `az://` addresses of objects;
    /// `-` for standard input.
    #[arg(required = true, value_name = "FILE|URL")]
    inputs: Vec<PathBuf>,
    #[command(flatten)]
    rules: RuleArgs,
    #[command(flatten)]
    config: ConfigArgs,
    /// Look only at events from this time on: a day, a time, or how long ago (7d, 24h). Objects whose keys
    /// tell that they are older are not read.
    #[arg(long, value_name = "TIME", value_parser = when::time)]
    from: Option<i64>,
    /// Look only at events before this time.
    #[arg(long, value_name = "TIME", value_parser = when::time)]
    to: Option<i64>,
    #[command(flatten)]
    objects: ObjectArgs,
    /// The log source of the input.
    #[arg(long, value_name = "NAME|auto", default_value = "auto", value_parser = source_name)]
    source: String,
    /// Take any JSON object as an event (the same as `--source generic`).
    #[arg(long, conflicts_with = "source")]
    generic: bool,
    /// Run the rules of this log source on events that no source recognises (with --generic: on all).
    #[arg(long, value_name = "product=…,service=…,category=…", value_parser = logsource)]
    logsource: Vec<LogsourceMapping>,
    /// Run all rules on events that no source recognises (with --generic: on all events).
    #[arg(long, conflicts_with = "logsource")]
    all_logsources: bool,
    /// How alerts are printed. [default: table on a terminal, ndjson in a pipe]
    #[arg(long, value_enum)]
    format: Option<Format>,
    /// Exit with status 1 where an alert has at least this level.
    #[arg(long, value_name = "LEVEL", value_parser = level)]
    fail_on: Option<Level>,
    /// Print only alerts of at least this level. Rules without a level are always printed.
    #[arg(long, value_name = "LEVEL", value_parser = level)]
    min_level: Option<Level>,
    /// Apply the rules' own suppression: of equal alerts in a bucket of time only the first.
    #[arg(long)]
    suppress: bool,
    /// Write what could not be read to this file, one JSON object a line.
    #[arg(long, value_name = "FILE")]
    quarantine: Option<PathBuf>,
    /// No progress bar and no closing summary.
    #[arg(long, short)]
    quiet: bool,
}

/// How alerts are printed.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// A line an alert, for people.
    Table,
    /// A JSON object a line.
    Ndjson,
    /// OCSF Detection Findings, a JSON object a line.
    Ocsf,
}

pub(super) fn source_name(name: &str) -> Result<String, String> {
    let known: Vec<&str> = SOURCES.iter().map(|source| source.name).chain(["auto"]).collect();
    match known.contains(&name) {
        true => Ok(name.to_owned()),
        false => Err(format!("there are: {}", known.join(", "))),
    }
}

fn level(word: &str) -> Result<Level, String> {
    Level::parse(word).ok_or_else(|| format!("one of {}", Level::ALL.map(Level::word).join(", ")))
}

fn logsource(text: &str) -> Result<LogsourceMapping, String> {
    let mut mapping = LogsourceMapping::default();
    for pair in text.split(',') {
        let Some((key, value)) = pair.split_once('=') else {
            return Err("write it as product=aws,service=cloudtrail".into());
        };
        let attribute = match key.trim() {
            "product" => &mut mapping.product,
            "service" => &mut mapping.service,
            "category" => &mut mapping.category,
            other => return Err(format!("a log source has product, service and category, not `{other}`")),
        };
        if attribute.is_some() || value.trim().is_empty() {
            return Err(format!("`{}` needs one value", key.trim()));
        }
        *attribute = Some(value.trim().to_lowercase());
    }
    Ok(mapping)
}

/// The sources that take part, as the engine must know them, and how the reader chooses among them.
struct Sources {
    specs: Vec<SourceSpec>,
    taking_part: Vec<&'static SourceDef>,
    fixed: bool,
}

impl Args {
    /// Whether an event of this time is looked at.
    fn asks_for(&self, time: i64) -> bool {
        self.from.is_none_or(|from| from <= time) && self.to.is_none_or(|to| time < to)
    }

    fn sources(&self, environment: &Environment) -> Result<Sources, Failure> {
        let generic_rules = !self.logsource.is_empty() || self.all_logsources;
        let name = if self.generic { generic::SOURCE.name } else { &self.source };
        let spec_of = |source: &'static SourceDef| match source.name == generic::SOURCE.name {
            true => generic::spec(self.logsource.clone(), self.all_logsources),
            false => source.spec_in(environment),
        };
        if name == generic::SOURCE.name && !generic_rules {
            return Err(
                "generic input needs `--logsource product=…` or `--all-logsources`: which rules are for it?"
                    .into(),
            );
        }
        if generic_rules && name != "auto" && name != generic::SOURCE.name {
            let message =
                format!("`--logsource` and `--all-logsources` are for generic input, not for {name}");
            return Err(message.into());
        }
        let taking_part: Vec<&'static SourceDef> = match source(name) {
            Some(source) => vec![source],
            None => SOURCES.to_vec(),
        };
        let specs = taking_part.iter().map(|source| spec_of(source)).collect();
        Ok(Sources { specs, fixed: taking_part.len() == 1, taking_part })
    }
}

/// Runs the command.
pub fn run(args: &Args) -> Outcome {
    let started = Instant::now();
    args.objects.prove(&args.inputs)?;
    let environment = args.config.environment()?;
    let sources = args.sources(&environment)?;
    let (set, rules_missing) = args.rules.load(Severity::Error)?;
    let engine = Engine::new(&set, &sources.specs);
    let plans: Vec<SourcePlan> = sources
        .taking_part
        .iter()
        .filter_map(|source| Some(SourcePlan { source, projection: engine.projection(source.name)? }))
        .collect();
    let choice = match plans.as_slice() {
        [only] if sources.fixed => Choice::Fixed(only.clone()),
        _ => Choice::Auto(plans),
    };
    let progress = Progress::default();
    let mut sink = DetectSink::new(args, engine, &sources.taking_part, &environment, progress.clone())?;
    let left = Rc::new(Cell::new(Left::default()));
    let summary = Reader::new(choice, BatchLimits::default(), &environment)
        .run(inputs(args, &progress, &left), &mut sink);
    sink.correlate()?;
    sink.finish()?;
    if !args.quiet {
        let closing = Closing {
            read: &summary,
            rules: sink.engine.report(),
            by_level: &sink.by_level,
            suppressed: sink.suppressed_alerts,
            correlated: sink.finite.as_ref().map(Finite::counts).unwrap_or_default(),
            passed_over: paths(args).map(|path| survey(path).passed_over).sum::<u64>()
                + left.get().passed_over,
            left: left.get(),
            said: set.diagnostics.len(),
            generic_asked: !args.logsource.is_empty() || args.all_logsources,
            seconds: started.elapsed().as_secs_f64(),
        };
        closing.print();
    }
    Ok(match args.fail_on {
        _ if rules_missing || given_up(&summary) => ExitCode::from(2),
        Some(least) if sink.worst >= Some(least) => ExitCode::from(1),
        _ => ExitCode::SUCCESS,
    })
}

/// Whether an input could not be opened, or not be read to its end.
pub(super) fn given_up(summary: &Summary) -> bool {
    let ends = [
        Cause::TruncatedCompression,
        Cause::CorruptCompression,
        Cause::ExpandsTooFar,
        Cause::ReadFailed,
        Cause::OtherFormat,
    ];
    summary.unreadable > 0 || ends.iter().any(|cause| summary.quarantined.of(*cause) > 0)
}

/// The inputs that are files and folders.
fn paths(args: &Args) -> impl Iterator<Item = &PathBuf> {
    args.inputs.iter().filter(|path| !objects::is_address(path))
}

fn inputs<'a>(
    args: &'a Args,
    progress: &'a Progress,
    left: &'a Rc<Cell<Left>>,
) -> impl Iterator<Item = Result<Input, InputError>> + 'a {
    args.inputs.iter().flat_map(move |path| -> Box<dyn Iterator<Item = Result<Input, InputError>>> {
        match path.to_str() {
            Some("-") => Box::new(std::iter::once(Ok(stdin_input(now(), progress)))),
            _ if objects::is_address(path) => {
                objects::inputs(path, &args.objects, (args.from, args.to), progress, left)
            }
            _ => Box::new(FileInputs::new(path, progress)),
        }
    })
}

/// The clock, in microseconds since 1970: the ingest time of standard input, which has none.
pub(super) fn now() -> i64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_micros()).unwrap_or(i64::MAX)
}

/// Takes batches, prints alerts, counts.
struct DetectSink<'a> {
    args: &'a Args,
    engine: Engine,
    /// Correlations, where there are any.
    finite: Option<Finite>,
    dropped: Vec<Dropped>,
    describers: HashMap<&'static str, Describer>,
    format: Format,
    out: Box<dyn Write>,
    unread: Unread,
    bar: ProgressBar,
    progress: Progress,
    /// Lines of the table, printed together: a bar that is drawn between two would flicker.
    pending: String,
    hits: Vec<Hit>,
    by_level: BTreeMap<Option<Level>, u64>,
    worst: Option<Level>,
    /// The ids of alerts that stand for others, as numbers.
    suppressed: HashSet<u128>,
    suppressed_alerts: u64,
    failure: Option<std::io::Error>,
}

impl<'a> DetectSink<'a> {
    fn new(
        args: &'a Args,
        engine: Engine,
        sources: &[&'static SourceDef],
        environment: &Arc<Environment>,
        progress: Progress,
    ) -> Result<Self, Failure> {
        let terminal = std::io::stdout().is_terminal();
        let format = args.format.unwrap_or(if terminal { Format::Table } else { Format::Ndjson });
        let unread = Unread::new(args.quarantine.as_deref(), &args.inputs, args.quiet)?;
        let mut out: Box<dyn Write> = match format {
            Format::Table => Box::new(anstream::stdout()),
            _ => Box::new(BufWriter::with_capacity(1 << 16, std::io::stdout())),
        };
        if format == Format::Table {
            writeln!(out, "{}", show::table_head())?;
        }
        let finite = (!engine.correlations().is_empty()).then(|| {
            let spill = Box::new(TemporaryFiles::default());
            Finite::new(engine.correlations(), "", spill::MEMORY, spill)
        });
        Ok(Self {
            args,
            dropped: vec![Dropped::default(); engine.correlations().len()],
            finite,
            engine,
            describers: sources
                .iter()
                .map(|source| (source.name, Describer::new(source, environment)))
                .collect(),
            format,
            out,
            unread,
            bar: bar(args),
            progress,
            pending: String::new(),
            hits: Vec::new(),
            by_level: BTreeMap::new(),
            worst: None,
            suppressed: HashSet::new(),
            suppressed_alerts: 0,
            failure: None,
        })
    }

    /// The alerts of one event, which is described once for all its hits.
    fn raise(&mut self, batch: &EventBatch, hits: &[Hit]) -> std::io::Result<()> {
        let Some(first) = hits.first() else { return Ok(()) };
        let row = batch.row(first.row as usize);
        let columns = self.describers.get(row.source()).map(|describer| describer.describe(row.raw()));
        let columns = Arc::new(columns.unwrap_or_default());
        for hit in hits {
            let describer = self.describers.get(row.source());
            let computed = |name: &str| describer?.value(row.raw(), name);
            let mut alert = self.engine.alert(batch, *hit, &columns, &computed);
            if self.args.suppress
                && let Some(id) = self.engine.suppressed_id(*hit, &alert, row)
            {
                if !self.suppressed.insert(number_of_id(&id)) {
                    self.suppressed_alerts += 1;
                    continue;
                }
                alert.alert_id = id;
            }
            let level = self.engine.rules()[hit.rule as usize].lowered.rule.level;
            self.count_and_print(&alert, level)?;
        }
        Ok(())
    }

    fn count_and_print(&mut self, alert: &Alert, level: Option<Level>) -> std::io::Result<()> {
        *self.by_level.entry(level).or_default() += 1;
        self.worst = self.worst.max(level);
        if level.is_some() && level < self.args.min_level {
            return Ok(());
        }
        self.print(alert)
    }

    /// Shows correlations what they see of a batch.
    fn feed(&mut self, batch: &EventBatch, hits: &[Hit]) -> std::io::Result<()> {
        let Some(finite) = &mut self.finite else { return Ok(()) };
        let mut failure = Ok(());
        self.engine.occurrences(batch, hits, Times::AsWritten, &mut self.dropped, &mut |occurrence| {
            if failure.is_ok() {
                failure = finite.take(&occurrence);
            }
        });
        failure
    }

    /// All events are read: what correlations make of them.
    fn correlate(&mut self) -> Result<(), Failure> {
        let Some(finite) = &mut self.finite else { return Ok(()) };
        finite.count_dropped(&self.dropped);
        if self.failure.is_some() || self.unread.is_broken() {
            return Ok(());
        }
        self.bar.set_message("correlating");
        for alert in finite.finish()? {
            let level = alert.rule.level.and_then(Level::parse);
            self.count_and_print(&alert, level)?;
        }
        self.print_pending()?;
        Ok(())
    }

    fn print(&mut self, alert: &Alert) -> std::io::Result<()> {
        match self.format {
            Format::Table => {
                self.pending.push_str(&show::table_line(alert));
                self.pending.push('\n');
                Ok(())
            }
            Format::Ndjson => {
                serde_json::to_writer(&mut self.out, alert)?;
                writeln!(self.out)
            }
            Format::Ocsf => {
                serde_json::to_writer(&mut self.out, &alert.to_ocsf())?;
                writeln!(self.out)
            }
        }
    }

    /// Prints the lines of the table that have come together.
    fn print_pending(&mut self) -> std::io::Result<()> {
        if self.pending.is_empty() {
            return Ok(());
        }
        let lines = std::mem::take(&mut self.pending);
        let out = &mut self.out;
        self.bar.suspend(|| out.write_all(lines.as_bytes()))
    }

    fn finish(&mut self) -> Result<(), Failure> {
        self.bar.finish_and_clear();
        if let Some(error) = self.failure.take() {
            return Err(error.into());
        }
        self.out.flush()?;
        self.unread.finish()?;
        Ok(())
    }

    /// What cannot be written ends the reading; the error is given at the end.
    fn keep(&mut self, result: std::io::Result<()>) -> ControlFlow<()> {
        match result {
            Ok(()) => ControlFlow::Continue(()),
            Err(error) => {
                self.failure = Some(error);
                ControlFlow::Break(())
            }
        }
    }
}

impl Sink for DetectSink<'_> {
    fn batch(&mut self, batch: EventBatch) -> ControlFlow<()> {
        let mut hits = std::mem::take(&mut self.hits);
        hits.clear();
        self.engine.scan(&batch, &mut hits);
        if self.args.from.is_some() || self.args.to.is_some() {
            hits.retain(|hit| self.args.asks_for(batch.row(hit.row as usize).time()));
        }
        let fed = self.feed(&batch, &hits);
        let heard: Vec<Hit> = hits.iter().filter(|hit| !self.engine.is_muted(hit.rule)).copied().collect();
        let mut by_row = heard.chunk_by(|a, b| a.row == b.row);
        let raised = fed.and_then(|()| by_row.try_for_each(|of_row| self.raise(&batch, of_row)));
        let raised = raised.and_then(|()| self.print_pending());
        self.hits = hits;
        self.bar.set_position(self.progress.bytes());
        match self.unread.is_broken() {
            false => self.keep(raised),
            true => ControlFlow::Break(()),
        }
    }

    fn quarantined(&mut self, record: Quarantined) {
        self.unread.record(&record, &self.bar);
    }

    fn unreadable(&mut self, error: InputError) {
        self.unread.input(&error, &self.bar);
    }
}

/// A progress bar over the bytes of the inputs as they lie.
fn bar(args: &Args) -> ProgressBar {
    // to know how much there is takes a walk through all folders
    if args.quiet || !show::is_watched() {
        return ProgressBar::hidden();
    }
    let unknown = |path: &PathBuf| path.as_os_str() == "-" || objects::is_address(path);
    if args.inputs.iter().any(unknown) {
        return show::bar(None, "{spinner} {bytes} read, {bytes_per_sec}");
    }
    let bytes = args.inputs.iter().map(|path| survey(path).bytes).sum();
    show::bar(Some(bytes), "{wide_bar} {bytes}/{total_bytes}, {bytes_per_sec}, {eta} left")
}
