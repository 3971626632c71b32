//! The thread of the archive, and what the correlator and the workers see of it.
//!
//! In: batches of events and alerts, in their order, and now and then a barrier. Out: for each barrier a word,
//! once all that came before it is part of the archive. The queue is bounded, and so is what the writer holds:
//! where the store is slow or away, whoever gives waits, and with it the reading.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, SyncSender, TrySendError, channel, sync_channel};
use std::time::{Duration, Instant};

use virga_engine::event::EventBatch;

use super::leave::Leave;
use super::{Archive, ArchiveFailure, ArchiveWriter, Committed, Held, Outside};
use crate::config::Config;
use crate::limits::{ARCHIVE_QUEUE, RETRY_FIRST, STORE_RETRY_MOST};
use crate::outbox::OutAlert;
use crate::rules::Generation;

/// How long to wait for room before the wish to end is looked at.
const BREATH: Duration = Duration::from_millis(5);

/// From which failure in a row on what is not written counts as held up.
const HELD_FROM: u32 = 3;

/// What goes to the archive.
pub enum Kept {
    /// Events that were read under some rules.
    Events(Arc<Generation>, Box<EventBatch>),
    /// Alerts.
    Alerts(Vec<OutAlert>),
    /// All that came before is to be committed.
    Barrier(u64),
}

/// The way to the archive.
#[derive(Clone)]
pub struct Way {
    queue: SyncSender<Kept>,
    leave: Leave,
}

impl Way {
    /// Gives something on, however long that takes; false where the archive is left ([`Leave`]), or is gone.
    /// `waiting` is called now and then meanwhile.
    pub fn give(&self, mut kept: Kept, waiting: &dyn Fn()) -> bool {
        loop {
            kept = match self.queue.try_send(kept) {
                Ok(()) => return true,
                Err(TrySendError::Disconnected(_)) => return false,
                Err(TrySendError::Full(kept)) => kept,
            };
            if self.leave.is_due() {
                return false;
            }
            waiting();
            std::thread::sleep(BREATH);
        }
    }
}

/// The way to the archive, and what tells of its commits.
pub struct Keeper {
    /// The way.
    pub way: Way,
    /// The barriers that are behind a commit.
    pub committed: Receiver<u64>,
}

/// The other end: what the archive's thread runs on.
pub struct Desk {
    queue: Receiver<Kept>,
    committed: Sender<u64>,
    leave: Leave,
}

/// How the opening went, or that the store is away so far.
pub type FirstWord = Receiver<Result<(), String>>;

/// What the archive's thread runs: it opens the archive, however long the store is away, then writes.
pub struct Work {
    archive: Arc<dyn Archive>,
    said: String,
    desk: Desk,
    /// Set once it is open.
    is_open: Arc<AtomicBool>,
    /// Hears how the opening went, or that the store is away.
    first: Sender<Result<(), String>>,
}

impl Work {
    /// Opens the archive and writes until nothing more comes.
    ///
    /// # Errors
    /// Where it can neither be opened nor made, and what no waiting mends later.
    pub fn run(self) -> Result<(), String> {
        let leave = &self.desk.leave;
        let (away, first) = (held(leave), self.first.clone());
        let tell_away: Held = Arc::new(move |why, failures| {
            // whoever waited for the first word may have gone on
            drop(first.send(Ok(())));
            away(why, failures)
        });
        let mut writer = match self.archive.open(tell_away) {
            Ok(writer) => writer,
            // the process ends, and the store was away until then
            Err(_) if leave.is_due() => return Ok(()),
            Err(error) => {
                let error = format!("[archive] {error}");
                drop(self.first.send(Err(error.clone())));
                return Err(error);
            }
        };
        serves(&self.desk.leave);
        tracing::info!("{}", self.said);
        self.is_open.store(true, Ordering::Relaxed);
        drop(self.first.send(Ok(())));
        run(&self.desk, writer.as_mut())
    }
}

/// The archive that the configuration names: the way to it, and what its thread is to run. `is_open` is set once
/// it can be written.
pub fn open(
    config: &Config,
    outside: &Outside,
    leave: &Leave,
    is_open: &Arc<AtomicBool>,
) -> Option<(Keeper, Work, FirstWord)> {
    let (Some(archive), Some(of)) = (&outside.archive, &config.archive) else { return None };
    let (keeper, desk) = ends(leave);
    let (first, opened) = channel();
    let said = format!("events and alerts are archived at {}, every {:?}", of.url, of.every.0);
    let (archive, is_open) = (Arc::clone(archive), Arc::clone(is_open));
    Some((keeper, Work { archive, said, desk, is_open, first }, opened))
}

/// Both ends.
pub fn ends(leave: &Leave) -> (Keeper, Desk) {
    let (queue, taken) = sync_channel(ARCHIVE_QUEUE);
    let (told, committed) = channel();
    let way = Way { queue, leave: leave.clone() };
    (Keeper { way, committed }, Desk { queue: taken, committed: told, leave: leave.clone() })
}

/// How long to wait after so many failures.
fn pause(failures: u32) -> Duration {
    (RETRY_FIRST * 2u32.saturating_pow(failures.saturating_sub(1).min(16))).min(STORE_RETRY_MOST)
}

/// What becomes of a request that the store did not serve: it is counted, and tried again after a pause that
/// grows, until it is left. It is said once for as long as the store does not serve.
pub fn held(leave: &Leave) -> Held {
    let leave = leave.clone();
    Arc::new(move |why, failures| {
        metrics::counter!("virga_archive_failures_total").increment(1);
        if leave.is_due() {
            return None;
        }
        let wait = pause(failures);
        if leave.hold() {
            tracing::warn!(
                "the archive is held up ({why}): it is tried again until its store serves, and nothing is \
                 acknowledged meanwhile; look at the network, the store, its room and the rights"
            );
        }
        metrics::gauge!("virga_archive_held").set(1.0);
        // the process may have been about to end before it was known
        (!leave.is_due()).then_some(wait)
    })
}

/// The store has served.
fn serves(leave: &Leave) {
    metrics::gauge!("virga_archive_held").set(0.0);
    if leave.serve() {
        tracing::info!("the archive's store serves again");
    }
}

/// Writes until nothing more comes.
///
/// # Errors
/// What no waiting mends: the next process begins from the last checkpoint.
pub fn run(desk: &Desk, writer: &mut dyn ArchiveWriter) -> Result<(), String> {
    let mut keeping = Keeping { writer, desk, generation: 0, waiting: 0 };
    while let Ok(kept) = desk.queue.recv() {
        match kept {
            Kept::Events(generation, batch) => keeping.events(&generation, &batch)?,
            Kept::Alerts(alerts) => {
                keeping.tried(&mut |writer| writer.alerts(&alerts))?;
            }
            Kept::Barrier(number) => {
                keeping.commit()?;
                // whoever asked may be gone
                let _ = desk.committed.send(number);
            }
        }
    }
    Ok(())
}

struct Keeping<'a> {
    writer: &'a mut dyn ArchiveWriter,
    desk: &'a Desk,
    generation: u64,
    /// Events since the last commit.
    waiting: u64,
}

impl Keeping<'_> {
    fn events(&mut self, generation: &Generation, batch: &EventBatch) -> Result<(), String> {
        if self.generation != generation.number {
            self.tried(&mut |writer| writer.begin(&generation.asked))?;
            self.generation = generation.number;
        }
        self.tried(&mut |writer| writer.events(batch))?;
        self.waiting += batch.len() as u64;
        metrics::gauge!("virga_archive_waiting_events").set(self.waiting as f64);
        Ok(())
    }

    fn commit(&mut self) -> Result<(), String> {
        let began = Instant::now();
        let committed = self.tried(&mut |writer| writer.commit())?;
        self.waiting = 0;
        serves(&self.desk.leave);
        tell(&committed, began.elapsed());
        Ok(())
    }

    /// Tries until it is done, or cannot be.
    fn tried<T>(
        &mut self,
        what: &mut dyn FnMut(&mut dyn ArchiveWriter) -> Result<T, ArchiveFailure>,
    ) -> Result<T, String> {
        let mut failures = 0u32;
        loop {
            match what(self.writer) {
                Ok(done) => {
                    if failures > 0 {
                        serves(&self.desk.leave);
                    }
                    return Ok(done);
                }
                Err(ArchiveFailure::Lost(why)) => return Err(format!("archive: {why}")),
                Err(ArchiveFailure::Again(why)) => {
                    metrics::counter!("virga_archive_commits_total", "outcome" => "failed").increment(1);
                    failures += 1;
                    let wait = self.again(&why, failures).ok_or_else(|| format!("archive: {why}"))?;
                    std::thread::sleep(wait);
                }
            }
        }
    }

    /// How long to wait after so many failures; none where the archive is left. Somebody else's commit makes a try or
    /// two fail; what fails on is as good as away.
    fn again(&self, why: &str, failures: u32) -> Option<Duration> {
        if failures >= HELD_FROM {
            return held(&self.desk.leave)(&why, failures);
        }
        let wait = pause(failures);
        tracing::warn!("the archive was not written ({why}); tried again in {wait:?}");
        (!self.desk.leave.is_due()).then_some(wait)
    }
}

fn tell(committed: &Committed, took: Duration) {
    metrics::counter!("virga_archive_commits_total", "outcome" => "done").increment(1);
    metrics::counter!("virga_archive_events_total").increment(committed.events);
    metrics::counter!("virga_archive_events_left_out_total").increment(committed.left_out);
    metrics::counter!("virga_archive_alerts_total").increment(committed.alerts);
    metrics::counter!("virga_archive_files_total").increment(committed.files);
    metrics::counter!("virga_archive_bytes_total").increment(committed.bytes);
    metrics::histogram!("virga_archive_commit_seconds").record(took.as_secs_f64());
    metrics::gauge!("virga_archive_commit_timestamp_seconds").set(crate::clock::wall() as f64 / 1e6);
    metrics::gauge!("virga_archive_waiting_events").set(0.0);
    tracing::debug!(
        events = committed.events,
        alerts = committed.alerts,
        files = committed.files,
        "archived"
    );
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Mutex;
    use virga_engine::diagnostic::SourceFile;
    use virga_engine::event::Projection;

    /// What a writer was told, and what of it is committed; it fails so many times at each step.
    #[derive(Default)]
    struct Fake {
        refuse: u32,
        is_broken: bool,
        taken: usize,
        committed: Arc<Mutex<Vec<usize>>>,
    }

    impl Fake {
        fn step(&mut self) -> Result<(), ArchiveFailure> {
            if self.is_broken {
                return Err(ArchiveFailure::Lost("gone".into()));
            }
            if self.refuse > 0 {
                self.refuse -= 1;
                return Err(ArchiveFailure::Again("not now".into()));
            }
            Ok(())
        }
    }

    impl ArchiveWriter for Fake {
        fn begin(&mut self, _: &[crate::archive::Asked]) -> Result<(), ArchiveFailure> {
            self.step()
        }
        fn events(&mut self, batch: &EventBatch) -> Result<(), ArchiveFailure> {
            self.step()?;
            self.taken += batch.len();
            Ok(())
        }
        fn alerts(&mut self, _: &[OutAlert]) -> Result<(), ArchiveFailure> {
            self.step()
        }
        fn commit(&mut self) -> Result<Committed, ArchiveFailure> {
            self.step()?;
            self.committed.lock().unwrap().push(std::mem::take(&mut self.taken));
            Ok(Committed::default())
        }
    }

    fn batch(events: usize) -> Kept {
        let text = "title: r\nlogsource: {product: aws, service: cloudtrail}\ndetection:\n  s: {a: 1}\n  condition: s\n";
        let rule = Arc::new(SourceFile { name: "r.yml".into(), text: text.into() });
        let loaded = crate::rules::Loaded {
            set: virga_engine::RuleSet::load([rule], &Default::default()),
            environment: Arc::default(),
        };
        let generation = Arc::new(Generation::compile(1, &loaded, 1).unwrap());
        let events = EventBatch::of_raw("s", &Arc::new(Projection::default()), vec!["{}"; events]).unwrap();
        Kept::Events(generation, Box::new(events))
    }

    fn never() {}

    #[test]
    fn a_barrier_is_told_once_all_before_it_is_committed_however_often_that_fails() {
        let (keeper, desk) = ends(&Leave::default());
        let mut fake = Fake { refuse: 2, ..Fake::default() };
        let committed = Arc::clone(&fake.committed);
        let thread = std::thread::spawn(move || run(&desk, &mut fake));
        for kept in
            [batch(2), Kept::Alerts(Vec::new()), batch(3), Kept::Barrier(1), batch(4), Kept::Barrier(2)]
        {
            assert!(keeper.way.give(kept, &never));
        }
        assert_eq!(keeper.committed.recv(), Ok(1));
        assert_eq!(committed.lock().unwrap()[0], 5);
        assert_eq!(keeper.committed.recv(), Ok(2));
        assert_eq!(*committed.lock().unwrap(), [5, 4]);
        drop(keeper);
        assert_eq!(thread.join().unwrap(), Ok(()));
    }

    #[test]
    fn what_was_given_is_bounded_and_where_the_process_ends_at_once_it_is_not_taken() {
        let hurry = Arc::new(AtomicBool::new(false));
        let (keeper, desk) = ends(&Leave::new(&Arc::default(), &hurry));
        for _ in 0..ARCHIVE_QUEUE {
            assert!(keeper.way.give(batch(1), &never));
        }
        let waited = std::cell::Cell::new(0);
        let waiting = || {
            waited.set(waited.get() + 1);
            if waited.get() == 3 {
                hurry.store(true, Ordering::Relaxed);
            }
        };
        assert!(!keeper.way.give(batch(1), &waiting));
        assert_eq!(waited.get(), 3);
        drop(desk);
        assert!(!keeper.way.give(batch(1), &never), "nobody takes it");
    }

    #[test]
    fn what_fails_again_and_again_is_held_up_and_is_left_at_the_end() {
        let (stop, hurry) = (Arc::new(AtomicBool::new(false)), Arc::default());
        let leave = Leave::new(&stop, &hurry);
        let (keeper, desk) = ends(&leave);
        let recorder = metrics_exporter_prometheus::PrometheusBuilder::new().build_recorder();
        let handle = recorder.handle();
        let thread = std::thread::spawn(move || {
            metrics::with_local_recorder(&recorder, || {
                run(&desk, &mut Fake { refuse: u32::MAX, ..Fake::default() })
            })
        });
        assert!(keeper.way.give(Kept::Barrier(1), &never));
        let until = Instant::now() + Duration::from_secs(20);
        while !handle.render().contains("virga_archive_held 1\n") {
            assert!(Instant::now() < until, "{}", handle.render());
            std::thread::sleep(BREATH);
        }
        assert!(!leave.is_due(), "it is waited for while the process runs");
        stop.store(true, Ordering::Relaxed);
        while !thread.is_finished() {
            assert!(Instant::now() < until, "it does not end");
            std::thread::sleep(BREATH);
        }
        assert_eq!(thread.join().unwrap(), Err("archive: not now".into()));
        assert!(leave.is_left());
    }

    #[test]
    fn what_is_lost_ends_the_thread_and_no_barrier_is_told() {
        let (keeper, desk) = ends(&Leave::default());
        let mut fake = Fake { is_broken: true, ..Fake::default() };
        assert!(keeper.way.give(Kept::Barrier(1), &never));
        assert_eq!(run(&desk, &mut fake), Err("archive: gone".into()));
        drop(desk);
        assert!(keeper.committed.recv().is_err());
    }
}
