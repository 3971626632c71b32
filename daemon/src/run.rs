//! The whole process: opens everything, runs it, ends it in order.
//!
//! In: a configuration and a loader of rules. Out: the process's end. It ends when it is asked to (SIGTERM,
//! SIGINT), when all inputs have ended, or when something fails that no waiting mends. In each case what is
//! under way is brought to its end, and a checkpoint is written.

mod end;
mod hear;
#[cfg(test)]
mod tests;

use std::fs::{self, File, TryLockError};
use std::io::Write as _;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::mpsc::{Sender, channel, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use virga_ingest::transport::live::{Clock, LiveTransport, OpenContext};
use virga_ingest::transport::serving::Sign;

use self::hear::Heard;
use crate::archive::Outside;
use crate::archive::keep;
use crate::archive::leave::Leave;
use crate::broken;
use crate::checkpoint::{Checkpoint, Store};
use crate::clock::{steady, wall};
use crate::config::Config;
use crate::limits::{ARCHIVE_FIRST_WORD, FILE_BYTES, KEPT_FILES, METRICS_PATIENCE, QUEUE_PIECES};
use crate::outbox::Outbox;
use crate::partitions::Partitions;
use crate::pipeline::correlate::{Correlator, Parts};
use crate::pipeline::scan::Shared;
use crate::pipeline::{Dispatch, InputInfo, read, scan};
use crate::private;
use crate::quarantine::Quarantine;
use crate::reload::Watch;
use crate::rotate::Rotating;
use crate::rules::{Generation, Loader};
use crate::serve::{self, Signs};
use crate::sinks::{self, Sink};
use crate::zero;

/// The file of the name that a process is known by.
const INSTANCE: &str = "instance";

/// What the main thread hears.
#[derive(Debug, PartialEq, Eq)]
enum Word {
    /// Load the rules anew.
    Reload(&'static str),
    /// End.
    Stop(&'static str),
    /// An input or a thread has failed for good.
    Failed(String),
    /// All inputs have ended.
    Ended,
}

/// Runs until it is asked to end.
///
/// # Errors
/// What could not be opened, or failed for good.
pub fn run(config: &Config, loader: &Loader, outside: &Outside) -> Result<(), String> {
    // a signal that comes while rules are compiled must not end the process in the middle of something
    let (words, mut heard) = Heard::open()?;
    outside.prove(config)?;
    let folder = &config.state.folder;
    let _lock = lock(folder)?;
    let store = Store::new(folder);
    let found = store.load()?;
    for complaint in &found.complaints {
        tracing::error!("{complaint}; the checkpoint before it is used");
    }
    let mut from = found.checkpoint.unwrap_or_default();
    match from.number {
        0 => tracing::info!("no checkpoint: everything begins where the configuration says"),
        number => tracing::info!(number, inputs = from.positions.len(), "goes on from the checkpoint"),
    }
    for input in others(config, &from) {
        tracing::info!(input, "it is not configured any more: where it stood is kept, for when it is again");
    }
    if from.instance.is_empty() {
        from.instance = instance(folder)?;
    }
    let generation = Generation::compile(1, &loader()?, config.workers())?;
    let generation = Arc::new(generation.archived(outside.archive.as_deref()));
    tracing::info!(rules = generation.rules, correlations = generation.plans.len(), "rules are compiled");
    generation.tell_unheard();
    if let Some(signal) = heard.stop() {
        tracing::info!("{signal}: nothing has begun yet");
        return Ok(());
    }
    let process = Process::open(config, loader, outside, store, from, generation, words)?;
    process.run(&mut heard)
}

/// What two processes on one folder would do to each other is refused: the folder is this one's for as long
/// as it holds the file.
///
/// # Errors
/// Where another has it, or it cannot be made.
pub fn lock(folder: &Path) -> Result<File, String> {
    let at = |error: &dyn std::fmt::Display| format!("[state] folder = \"{}\": {error}", folder.display());
    private::folder(folder).map_err(|error| at(&error))?;
    let file = private::create(&folder.join("lock")).map_err(|error| at(&error))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(at(&"another process uses it")),
        Err(TryLockError::Error(error)) => Err(at(&error)),
    }
}

/// What the process is known by: made once, and the same also where it is killed before its first checkpoint.
fn instance(folder: &Path) -> Result<String, String> {
    if let Some(known) = known_instance(folder)? {
        return Ok(known);
    }
    let made = new_instance();
    let path = folder.join(INSTANCE);
    let written = private::create(&path).and_then(|mut file| file.write_all(made.as_bytes()));
    written.map_err(|error| format!("{}: {error}", path.display()))?;
    Ok(made)
}

/// The same, where it has been made.
///
/// # Errors
/// Where it cannot be read.
pub(crate) fn known_instance(folder: &Path) -> Result<Option<String>, String> {
    let path = folder.join(INSTANCE);
    match fs::read_to_string(&path) {
        Ok(known) => Ok(Some(known.trim().to_owned()).filter(|known| !known.is_empty())),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(format!("{}: {error}", path.display())),
    }
}

/// A name that no other process has.
fn new_instance() -> String {
    let seed = format!("{}/{}/{:?}", wall(), std::process::id(), std::thread::current().id());
    blake3::hash(seed.as_bytes()).to_hex().as_str().get(..16).unwrap_or_default().to_owned()
}

/// Everything at work.
struct Process<'a> {
    config: &'a Config,
    loader: &'a Loader,
    outside: &'a Outside,
    dispatch: Arc<Dispatch>,
    outbox: Arc<Outbox>,
    stop: Arc<AtomicBool>,
    hurry: Arc<AtomicBool>,
    readers: Vec<JoinHandle<()>>,
    workers: Vec<JoinHandle<()>>,
    sinks: Vec<JoinHandle<()>>,
    correlator: JoinHandle<Correlator>,
    archive: Option<JoinHandle<()>>,
    /// The archive can be written, or there is none.
    is_archived: Arc<AtomicBool>,
    leave: Leave,
    words: Sender<Word>,
    watch: Option<Watch>,
}

impl<'a> Process<'a> {
    fn open(
        config: &'a Config,
        loader: &'a Loader,
        outside: &'a Outside,
        store: Store,
        mut from: Checkpoint,
        generation: Arc<Generation>,
        words: Sender<Word>,
    ) -> Result<Self, String> {
        let clock = steady();
        let names: Vec<String> = config.sinks.iter().map(|sink| sink.name.clone()).collect();
        let left = from.outbox.left(&names);
        let outbox = Arc::new(Outbox::new(&names, std::mem::take(&mut from.outbox), config.limits.outbox));
        let (stop, hurry) = (Arc::<AtomicBool>::default(), Arc::<AtomicBool>::default());
        let signs = Signs {
            alive: Arc::new(AtomicI64::new(clock())),
            ready: Arc::new(AtomicBool::new(false)),
            archive: Arc::new(AtomicBool::new(config.archive.is_none())),
            clock: Arc::clone(&clock),
        };
        let partitions = Arc::<Partitions>::default();
        serve_metrics(config, signs.clone(), &partitions, Sign::of(&from.instance))?;
        for (sink, count) in left {
            metrics::counter!("virga_dropped_total", "cause" => "sink_removed").increment(count);
            tracing::warn!(sink, "{}", tell_left(count));
        }
        let opened_sinks = open_sinks(config)?;
        let leave = Leave::new(&stop, &hurry);
        let (keeper, archive) = match keep::open(config, outside, &leave, &signs.archive) {
            Some((keeper, keeping, opened)) => {
                let thread = spawn_keeping(keeping, &words)?;
                // a store that is away is waited for while all else begins: no word yet is none of a mistake
                if let Ok(Err(error)) = opened.recv_timeout(ARCHIVE_FIRST_WORD) {
                    return Err(error);
                }
                (Some(keeper), Some(thread))
            }
            None => (None, None),
        };
        let inputs = open_inputs(config, &from, &clock, &stop)?;
        let (dispatch, work) = Dispatch::new(config.workers(), Arc::clone(&generation));
        let dispatch = Arc::new(dispatch);
        let shared = Shared {
            inputs: inputs.iter().map(|(info, _)| info.clone()).collect(),
            redact: outside.redact.clone(),
            way: keeper.as_ref().map(|keeper| keeper.way.clone()),
        };
        let mut results = Vec::new();
        let mut workers = Vec::new();
        for (number, work) in work.into_iter().enumerate() {
            let (done, result) = sync_channel(QUEUE_PIECES);
            results.push(result);
            let shared = shared.clone();
            workers.push(spawn(&format!("scan-{number}"), &words, move || scan::run(&shared, &work, &done))?);
        }
        let mut told = Vec::new();
        let mut readers = Vec::new();
        let running = Arc::new(Mutex::new(inputs.len()));
        for (number, (info, transport)) in inputs.into_iter().enumerate() {
            let (acknowledge, acknowledged) = channel();
            told.push((info.clone(), acknowledge));
            let (dispatch, stop, words_of) = (Arc::clone(&dispatch), Arc::clone(&stop), words.clone());
            let (running, partitions) = (Arc::clone(&running), Arc::clone(&partitions));
            readers.push(spawn(&format!("read-{}", info.name), &words, move || {
                let reading = read::Reading { number, name: &info.name, partitions: &partitions };
                read::run(reading, transport, &dispatch, &acknowledged, &stop, &|failed| {
                    // whoever heard may have ended already
                    if let Some(error) = failed {
                        let _ = words_of.send(Word::Failed(format!("input \"{}\": {error}", info.name)));
                        return;
                    }
                    let mut running = running.lock().unwrap_or_else(PoisonError::into_inner);
                    *running -= 1;
                    if *running == 0 {
                        let _ = words_of.send(Word::Ended);
                    }
                });
            })?);
        }
        let mut correlator = Correlator::new(Parts {
            inputs: told,
            from,
            generation,
            memory: usize::try_from(config.limits.correlation_memory.0).unwrap_or(usize::MAX),
            tenant: config.rules.tenant.clone(),
            outbox: Arc::clone(&outbox),
            quarantine: Quarantine::open(&config.state.folder)
                .map_err(|error| format!("quarantine: {error}"))?,
            late: Rotating::private(&config.state.folder.join("late.ndjson"), FILE_BYTES, KEPT_FILES)
                .map_err(|error| format!("late hits: {error}"))?,
            store,
            every: config.archive.as_ref().map_or(config.checkpoint.every.0, |archive| archive.every.0),
            clock: Arc::clone(&clock),
            stop: Arc::clone(&stop),
            hurry: Arc::clone(&hurry),
            leave: leave.clone(),
            alive: signs.alive,
            ready: signs.ready,
            keeper: keeper.map(|keeper| (keeper, config.archive.as_ref().map_or(u64::MAX, |of| of.size.0))),
            redact: outside.redact.clone(),
            partitions,
        })?;
        let correlator = spawn("correlate", &words, move || {
            correlator.run(&results);
            correlator
        })?;
        let mut sinks = Vec::new();
        for (config, mut sink) in config.sinks.iter().zip(opened_sinks) {
            let (name, least, outbox) = (config.name.clone(), config.least(), Arc::clone(&outbox));
            let (clock, hurry) = (Arc::clone(&clock), Arc::clone(&hurry));
            sinks.push(spawn(&format!("sink-{}", config.name), &words, move || {
                sinks::run(&name, least, sink.as_mut(), &outbox, &|| clock(), &|| {
                    hurry.load(Ordering::Relaxed)
                });
            })?);
        }
        let watch = watch(config, &words);
        Ok(Self {
            config,
            loader,
            outside,
            dispatch,
            outbox,
            stop,
            hurry,
            readers,
            workers,
            sinks,
            correlator,
            archive,
            is_archived: signs.archive,
            leave,
            words,
            watch,
        })
    }

    fn run(mut self, heard: &mut Heard) -> Result<(), String> {
        let outcome = loop {
            match heard.next() {
                Some(Word::Reload(why)) => {
                    // a folder may be another one now, or be there at last. It is watched before it is read
                    self.watch = watch(self.config, &self.words).or(self.watch.take());
                    self.reload(why);
                }
                Some(Word::Stop(signal)) => {
                    tracing::info!("{signal}: what is under way is brought to its end");
                    break Ok(());
                }
                Some(Word::Ended) => {
                    tracing::info!("all inputs have ended");
                    break Ok(());
                }
                Some(Word::Failed(error)) => break Err(error),
                None => break Ok(()),
            }
        };
        let ended = self.end();
        outcome.and(ended)
    }

    /// All is compiled before anything is switched; the old rules stay where something is wrong.
    fn reload(&self, why: &str) {
        let old = self.dispatch.generation();
        let compiled = (self.loader)().and_then(|loaded| {
            // what was broken before stays broken; a rule that has just been broken is a mistake
            let new = Generation::compile(old.number + 1, &loaded, self.config.workers())?;
            broken::prove(&old.broken, &new.broken).map(|()| new)
        });
        match compiled {
            Ok(generation) => {
                let generation = generation.archived(self.outside.archive.as_deref());
                tracing::info!("{why}: rules were compiled, and are at work from the next piece on");
                generation.tell_unheard();
                metrics::counter!("virga_reloads_total", "outcome" => "done").increment(1);
                self.dispatch.switch(Arc::new(generation));
            }
            Err(error) => {
                metrics::counter!("virga_reloads_total", "outcome" => "refused").increment(1);
                tracing::error!("{why}: the old rules stay, for the new ones cannot be used: {error}");
            }
        }
    }
}

/// A thread with a name; if it panics, the process hears of it.
fn spawn<T: Send + 'static>(
    name: &str,
    words: &Sender<Word>,
    body: impl FnOnce() -> T + Send + 'static,
) -> Result<JoinHandle<T>, String> {
    struct Alarm(Sender<Word>, String);
    impl Drop for Alarm {
        fn drop(&mut self) {
            if std::thread::panicking() {
                let _ = self.0.send(Word::Failed(format!("the thread {} has failed", self.1)));
            }
        }
    }
    let alarm = Alarm(words.clone(), name.to_owned());
    let builder = std::thread::Builder::new().name(name.to_owned());
    let thread = builder.spawn(move || {
        let _alarm = alarm;
        body()
    });
    thread.map_err(|error| format!("a thread cannot be started: {error}"))
}

/// The thread of the archive; where it fails for good, the process hears of it.
fn spawn_keeping(keeping: keep::Work, words: &Sender<Word>) -> Result<JoinHandle<()>, String> {
    let failed = words.clone();
    spawn("archive", words, move || {
        if let Err(error) = keeping.run() {
            let _ = failed.send(Word::Failed(error));
        }
    })
}

fn open_sinks(config: &Config) -> Result<Vec<Box<dyn Sink>>, String> {
    let open = |sink: &crate::config::SinkConfig| {
        let kind = sink.kind().ok_or_else(|| format!("sink \"{}\" says not where to", sink.name))?;
        kind.open().map_err(|error| format!("sink \"{}\": {error}", sink.name))
    };
    config.sinks.iter().map(open).collect()
}

/// Inputs that a checkpoint knows and that are not configured.
pub(crate) fn others<'a>(config: &Config, from: &'a Checkpoint) -> Vec<&'a str> {
    let names: Vec<&str> = config.inputs.iter().map(|input| input.name.as_str()).collect();
    from.others(&names)
}

/// What is said of alerts that waited for a sink which is configured no more.
pub(crate) fn tell_left(count: u64) -> String {
    format!("the sink is not configured any more: {count} alerts that it had still to take go to nobody")
}

/// What an input's transport is opened with.
pub(crate) fn context(
    config: &Config,
    input: &str,
    from: &Checkpoint,
    clock: &Clock,
    stop: &Arc<AtomicBool>,
) -> OpenContext {
    OpenContext {
        input: input.into(),
        instance: from.instance.as_str().into(),
        positions: from.positions_of(input),
        known: from.knows(input),
        clock: Arc::clone(clock),
        state: config.state.folder.join("inputs").join(input),
        stop: Arc::clone(stop),
    }
}

type Opened = (InputInfo, Box<dyn LiveTransport>);

fn open_inputs(
    config: &Config,
    from: &Checkpoint,
    clock: &Clock,
    stop: &Arc<AtomicBool>,
) -> Result<Vec<Opened>, String> {
    let open = |input: &crate::config::InputConfig| {
        let at = |error: &dyn std::fmt::Display| format!("input \"{}\": {error}", input.name);
        let context = context(config, &input.name, from, clock, stop);
        private::folder(&context.state).map_err(|error| at(&error))?;
        let transport = input.transport().ok_or_else(|| at(&"says not what to read"))?;
        transport.warnings().iter().for_each(|warning| tracing::warn!(input = %input.name, "{warning}"));
        let opened = transport.open(context).map_err(|error| at(&error))?;
        let info = InputInfo {
            name: input.name.as_str().into(),
            source: input.fixed(),
            lateness: input.lateness.micros(),
        };
        Ok((info, opened))
    };
    config.inputs.iter().map(open).collect()
}

/// Rules and what stands around them are watched.
fn watch(config: &Config, words: &Sender<Word>) -> Option<Watch> {
    let rules = &config.rules;
    let paths: Vec<_> = [&rules.paths, &rules.lists, &rules.pipelines, &rules.tuning]
        .into_iter()
        .flatten()
        // the word for the rules that ship is no path
        .filter(|path| path.as_os_str() != "built-in")
        .cloned()
        .collect();
    if !rules.watch || paths.is_empty() {
        return None;
    }
    let words = words.clone();
    match Watch::new(&paths, move || drop(words.send(Word::Reload("a rule file has changed")))) {
        Ok((watch, complaints)) => {
            complaints.iter().for_each(|complaint| tracing::warn!("{complaint}"));
            Some(watch)
        }
        Err(error) => {
            tracing::warn!("rule files are not watched ({error}): send SIGHUP after a change");
            None
        }
    }
}

/// Serves metrics, on a thread of its own.
fn serve_metrics(
    config: &Config,
    signs: Signs,
    partitions: &Arc<Partitions>,
    sign: Sign,
) -> Result<(), String> {
    let metrics = &config.metrics;
    if metrics.off {
        return Ok(());
    }
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| format!("no runtime: {error}"))?;
    let listener = runtime.block_on(serve::bind(metrics.listen))?;
    let address = listener.local_addr().map_err(|error| error.to_string())?;
    tracing::info!("metrics at http://{address}/metrics");
    if let Some(path) = &metrics.address_file {
        fs::write(path, address.to_string()).map_err(|error| format!("{}: {error}", path.display()))?;
    }
    let handle = serve::count()?;
    zero::begin(config);
    let router = serve::router(handle.clone(), Arc::clone(partitions), signs);
    let thread = std::thread::Builder::new().name("serve".into()).spawn(move || {
        runtime.spawn(serve::tend(handle));
        runtime.block_on(serve::serve(listener, router, &sign, METRICS_PATIENCE));
    });
    thread.map(drop).map_err(|error| format!("a thread cannot be started: {error}"))
}
