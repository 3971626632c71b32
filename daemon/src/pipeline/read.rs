//! One input: polls its transport, gives on what it says, tells it what is behind a checkpoint.
//!
//! Where the workers have enough, the piece is kept, the transport is paused, and polling goes on: a group
//! member that does not poll is given up by its group.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use virga_ingest::position::Positions;
use virga_ingest::transport::live::{Event, LiveTransport, Note, PartitionLag, Ticket, TransportError};

use super::{Dispatch, Item};
use crate::partitions::{LAG_BYTES, LAG_RECORDS, Partitions};

/// How long a poll may wait; after it, acknowledgements and the wish to end are looked at.
const POLL: Duration = Duration::from_millis(50);
/// How long to wait for a worker before the transport is served again.
const BREATH: Duration = Duration::from_millis(2);
/// How long to wait for a worker before the transport is paused.
const PAUSE_AFTER: Duration = Duration::from_millis(500);
const LAG_EVERY: Duration = Duration::from_secs(1);

/// A checkpoint stands behind what an input had given.
pub struct Acknowledged {
    /// Up to which delivery.
    pub ticket: Ticket,
    /// The positions in it.
    pub positions: Positions,
}

/// The input that is read.
#[derive(Clone, Copy)]
pub struct Reading<'a> {
    /// Its number.
    pub number: usize,
    /// Its name.
    pub name: &'a Arc<str>,
    /// What the metrics say of its partitions.
    pub partitions: &'a Partitions,
}

/// Runs an input until it is asked to end, ends by itself, or fails for good. Comes back when the last
/// checkpoint has been acknowledged, with the transport closed. `ended` is called when nothing more is given on,
/// with why it cannot be read at all where that is so: whoever ends the process must not take it for an end.
pub fn run(
    reading: Reading<'_>,
    mut transport: Box<dyn LiveTransport>,
    dispatch: &Dispatch,
    acknowledged: &Receiver<Acknowledged>,
    stop: &AtomicBool,
    ended: &dyn Fn(Option<&TransportError>),
) {
    let Reading { number: input, name, .. } = reading;
    let read = read(reading, transport.as_mut(), dispatch, acknowledged, stop);
    if read.is_err() {
        // the others are to end too; whoever calls says why
        stop.store(true, Ordering::Relaxed);
    }
    give_what_is_left(input, name, transport.as_mut(), dispatch);
    give_at_last(input, dispatch, Item::Stopped);
    ended(read.as_ref().err());
    // what is under way comes to its end and its checkpoint; the transport is served meanwhile
    loop {
        match acknowledged.recv_timeout(POLL) {
            Ok(done) => transport.acknowledge(done.ticket, &done.positions),
            Err(RecvTimeoutError::Timeout) if read.is_ok() => {
                transport.pause();
                // what it says now is said again to the next process
                drop(transport.poll(Duration::from_millis(1)));
            }
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => break,
        }
    }
    transport.close();
}

fn read(
    reading: Reading<'_>,
    transport: &mut dyn LiveTransport,
    dispatch: &Dispatch,
    acknowledged: &Receiver<Acknowledged>,
    stop: &AtomicBool,
) -> Result<(), TransportError> {
    let Reading { number: input, name, .. } = reading;
    let (mut lag_told, mut lags) = (Instant::now(), Lags::default());
    // what is held when the end comes is read again by the next process, where it can be
    let never = AtomicBool::new(false);
    let leave_it = if transport.gives_once() { &never } else { stop };
    while !stop.load(Ordering::Relaxed) {
        while let Ok(done) = acknowledged.try_recv() {
            transport.acknowledge(done.ticket, &done.positions);
        }
        if lag_told.elapsed() >= LAG_EVERY {
            lag_told = Instant::now();
            lags.tell(reading, &transport.lag());
        }
        let Some(event) = poll(name, transport, POLL)? else { continue };
        if !give(input, name, event, transport, dispatch, acknowledged, leave_it)? {
            return Ok(());
        }
    }
    Ok(())
}

/// The next event that is to be given on. A note is told at once, and not behind what is being read: it may say why
/// that takes so long.
fn poll(
    name: &Arc<str>,
    transport: &mut dyn LiveTransport,
    wait: Duration,
) -> Result<Option<Event>, TransportError> {
    match transport.poll(wait)? {
        Some(Event::Note(note)) => {
            tell(name, note);
            Ok(None)
        }
        event => Ok(event),
    }
}

fn tell(name: &Arc<str>, Note { cause, count, message }: Note) {
    let labels = [("input", name.to_string()), ("cause", cause.to_owned())];
    metrics::counter!("virga_input_notes_total", &labels).increment(count);
    // what goes on is told of once
    if !message.is_empty() {
        tracing::warn!(input = %name, cause, "{message}");
    }
}

/// Gives an event on, however long it takes, and what comes meanwhile behind it: the transport is polled on, or its group
/// would give it up. False where nothing is to be read any more: the end came before, or the input's own.
///
/// # Errors
/// Why it cannot be read any more; what was held has been given on.
fn give(
    input: usize,
    name: &Arc<str>,
    event: Event,
    transport: &mut dyn LiveTransport,
    dispatch: &Dispatch,
    acknowledged: &Receiver<Acknowledged>,
    leave_it: &AtomicBool,
) -> Result<bool, TransportError> {
    let since = Instant::now();
    let (mut held, mut paused, mut goes_on, mut failed) = (VecDeque::new(), false, true, None);
    let mut next = Some(event);
    loop {
        if let Some(event) = next.take() {
            goes_on &= !matches!(event, Event::Ended);
            held.push_back(Item::Event(event));
        }
        if !give_held(input, &mut held, dispatch) {
            goes_on = false;
            break;
        }
        if held.is_empty() {
            break;
        }
        if leave_it.load(Ordering::Relaxed) {
            // not given on, not acknowledged: the next process reads it again
            goes_on = false;
            break;
        }
        std::thread::sleep(BREATH);
        while let Ok(done) = acknowledged.try_recv() {
            transport.acknowledge(done.ticket, &done.positions);
        }
        // a short wait is usual; only a long one is worth fetching anew what lay ready
        if !paused && since.elapsed() >= PAUSE_AFTER {
            paused = true;
            transport.pause();
            metrics::counter!("virga_input_pauses_total", "input" => name.to_string()).increment(1);
        }
        // membership may change while it is paused, and what lay ready may come: it is told in its turn
        if paused && failed.is_none() {
            match poll(name, transport, Duration::from_millis(10)) {
                Ok(event) => next = event,
                Err(error) => failed = Some(error),
            }
        }
    }
    if paused {
        transport.resume();
    }
    failed.map_or(Ok(goes_on), Err)
}

/// Gives on what is held, as far as there is room; false where the workers are gone.
fn give_held(input: usize, held: &mut VecDeque<Item>, dispatch: &Dispatch) -> bool {
    while let Some(item) = held.pop_front() {
        match dispatch.give(input, item) {
            Ok(()) => {}
            Err(None) => return false,
            Err(Some(item)) => {
                held.push_front(item);
                break;
            }
        }
    }
    true
}

/// What the transport has taken and cannot give to the next process comes before the end.
fn give_what_is_left(input: usize, name: &Arc<str>, transport: &mut dyn LiveTransport, dispatch: &Dispatch) {
    while let Some(event) = transport.leave() {
        match event {
            Event::Note(note) => tell(name, note),
            event => {
                if !give_at_last(input, dispatch, Item::Event(event)) {
                    return;
                }
            }
        }
    }
}

/// Gives on what comes at the end, however long it takes; false where the workers are gone.
fn give_at_last(input: usize, dispatch: &Dispatch, mut item: Item) -> bool {
    loop {
        item = match dispatch.give(input, item) {
            Ok(()) => return true,
            Err(None) => return false,
            Err(Some(back)) => back,
        };
        std::thread::sleep(BREATH);
    }
}

/// Partitions of which the metrics have been told what is unread.
#[derive(Default)]
struct Lags(BTreeSet<Arc<str>>);

impl Lags {
    /// Tells what is unread now; of a partition that is no more nothing is said.
    fn tell(&mut self, Reading { name, partitions, .. }: Reading<'_>, now: &[PartitionLag]) {
        for partition in std::mem::take(&mut self.0) {
            if !now.iter().any(|lag| lag.partition == partition) {
                [LAG_RECORDS, LAG_BYTES]
                    .iter()
                    .for_each(|metric| partitions.remove(metric, name, &partition));
            }
        }
        for lag in now {
            for (metric, unread) in [(LAG_RECORDS, lag.records), (LAG_BYTES, lag.bytes)] {
                if let Some(unread) = unread {
                    partitions.set(metric, name, &lag.partition, unread as f64);
                }
            }
            self.0.insert(Arc::clone(&lag.partition));
        }
    }
}

#[cfg(test)]
mod tests;
