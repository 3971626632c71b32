//! Standard input as an input that goes on: lines, as they come.
//!
//! In: the process's standard input. Out: lines in pieces, each with the time of its arrival. A pipe cannot
//! be read again: what was read and is behind no checkpoint when the process is killed is lost, and
//! `virga run` says so when it starts. Where it is asked to end, the whole lines that it has read come first.
//!
//! Each process counts lines from 1, and what it reads is not what the one before it has read: so where an event stood
//! is told with the time at which the pipe was opened (`-@2026-03-02T10:00:00Z`, line 1). Else the first events of two
//! runs would be one.

use std::io::{BufRead, BufReader, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::time::Duration;

use serde::Deserialize;
use virga_engine::event::OriginBase;

use super::live::{
    Clock, Contents, Delivery, Event, Frontier, LiveConfig, LiveTransport, Messages, OpenContext,
    PartitionLag, Ticket, TransportError,
};
use crate::limits::{LIVE_PIECE_BYTES, LIVE_PIECE_MESSAGES, MAX_EVENT_BYTES};
use crate::position::Positions;
use crate::sources::time::to_rfc3339;

const PARTITION: &str = "-";

/// An input's part of the configuration: nothing to say.
#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StdinConfig {}

impl LiveConfig for StdinConfig {
    fn check(&self, _: &OpenContext) -> Result<String, TransportError> {
        Ok("would read standard input until it ends; what a killed process had read of it is lost".into())
    }

    fn open(&self, context: OpenContext) -> Result<Box<dyn LiveTransport>, TransportError> {
        Ok(Box::new(StdinTransport::of(std::io::stdin(), context.clock)))
    }
}

/// How often it is looked whether the reader has come to the end of what it holds.
const LOOK: Duration = Duration::from_millis(5);

/// What the thread that reads and whoever polls know of each other.
#[derive(Default)]
struct Hand {
    /// It holds whole lines.
    holds: AtomicBool,
    /// It is to read no more.
    leaves: AtomicBool,
}

/// Lines of a reader.
struct StdinTransport {
    pieces: Receiver<Messages>,
    hand: Arc<Hand>,
    state: Stage,
    ticket: Ticket,
    clock: Clock,
    paused: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    New,
    Opened,
    Reading,
    Ended,
}

impl StdinTransport {
    fn of(reader: impl Read + Send + 'static, clock: Clock) -> Self {
        // two pieces ahead: whoever works slowly slows the pipe
        let (sender, pieces) = sync_channel(2);
        let arrival = Arc::clone(&clock);
        let hand = Arc::<Hand>::default();
        let of_reader = Arc::clone(&hand);
        std::thread::spawn(move || read_lines(reader, &arrival, &sender, &of_reader));
        Self { pieces, hand, state: Stage::New, ticket: 0, clock, paused: false }
    }
}

/// Reads pieces of whole lines. A piece ends where no other whole line has arrived.
fn read_lines(reader: impl Read, clock: &Clock, sender: &SyncSender<Messages>, hand: &Hand) {
    let mut reader = BufReader::with_capacity(1 << 16, reader);
    let base = OriginBase::File { path: format!("{PARTITION}@{}", to_rfc3339(clock())).into() };
    let (mut number, mut line) = (0, Vec::new());
    let mut piece = Messages::new(base.clone());
    loop {
        line.clear();
        // a line beyond what an event may have is cut there, and quarantined as what it then is
        let read = reader.by_ref().take(MAX_EVENT_BYTES as u64 + 1).read_until(b'\n', &mut line);
        let ended = !matches!(read, Ok(read) if read > 0);
        hand.holds.store(true, Ordering::Release);
        if !ended {
            number += 1;
            if !line.trim_ascii().is_empty() {
                piece.push(number, clock(), &line);
            }
        }
        let full = piece.len() >= LIVE_PIECE_MESSAGES || piece.bytes() >= LIVE_PIECE_BYTES;
        let last = !reader.buffer().contains(&b'\n');
        if ended || full || last {
            let full = std::mem::replace(&mut piece, Messages::new(base.clone()));
            if !full.is_empty() && sender.send(full).is_err() {
                return;
            }
        }
        if ended || (last && hand.leaves.load(Ordering::Acquire)) {
            return;
        }
        hand.holds.store(!last, Ordering::Release);
    }
}

impl StdinTransport {
    fn delivery(&mut self, messages: Messages) -> Event {
        self.ticket += 1;
        Event::Delivery(Delivery {
            ticket: self.ticket,
            partition: PARTITION.into(),
            position: None,
            source: None,
            contents: Contents::Messages(messages),
            frontier: Frontier::InOrder,
            urgent: false,
        })
    }
}

impl LiveTransport for StdinTransport {
    fn poll(&mut self, wait: Duration) -> Result<Option<Event>, TransportError> {
        match self.state {
            Stage::New => {
                self.state = Stage::Opened;
                return Ok(Some(Event::Opened { partition: PARTITION.into(), position: None }));
            }
            Stage::Opened => {
                self.state = Stage::Reading;
                return Ok(Some(Event::Ready));
            }
            Stage::Reading if !self.paused => {}
            Stage::Reading | Stage::Ended => {
                std::thread::sleep(wait);
                return Ok(None);
            }
        }
        let now = (self.clock)();
        Ok(Some(match self.pieces.recv_timeout(wait) {
            Ok(messages) => self.delivery(messages),
            Err(RecvTimeoutError::Timeout) => {
                Event::Reached { partition: PARTITION.into(), frontier: Frontier::CaughtUp { now } }
            }
            Err(RecvTimeoutError::Disconnected) => {
                self.state = Stage::Ended;
                Event::Ended
            }
        }))
    }

    fn acknowledge(&mut self, _: Ticket, _: &Positions) {}

    fn pause(&mut self) {
        self.paused = true;
    }

    fn resume(&mut self) {
        self.paused = false;
    }

    fn gives_once(&self) -> bool {
        true
    }

    fn leave(&mut self) -> Option<Event> {
        self.hand.leaves.store(true, Ordering::Release);
        loop {
            // looked at before: what it has given by then is there
            let holds = self.hand.holds.load(Ordering::Acquire);
            match self.pieces.recv_timeout(LOOK) {
                Ok(messages) => return Some(self.delivery(messages)),
                Err(RecvTimeoutError::Timeout) if holds => {}
                // it waits for the pipe
                Err(_) => return None,
            }
        }
    }

    fn lag(&self) -> Vec<PartitionLag> {
        Vec::new()
    }

    fn close(self: Box<Self>) {}
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_come_with_their_numbers_and_then_the_end() {
        let clock: Clock = Arc::new(|| 42);
        let mut transport = StdinTransport::of(&b"{\"a\":1}\n\n{\"a\":2}"[..], clock);
        let (mut lines, mut told, mut base) = (Vec::new(), Vec::new(), None);
        loop {
            match transport.poll(Duration::from_secs(5)).unwrap().unwrap() {
                Event::Opened { .. } => told.push("opened"),
                Event::Ready => told.push("ready"),
                Event::Delivery(delivery) => {
                    let Contents::Messages(messages) = delivery.contents else { panic!("messages") };
                    base = Some(messages.base.clone());
                    lines.extend(messages.iter().map(|message| {
                        (
                            message.number,
                            message.ingest_time,
                            String::from_utf8_lossy(message.bytes).into_owned(),
                        )
                    }));
                }
                Event::Ended => break,
                _ => {}
            }
        }
        assert_eq!(base, Some(OriginBase::File { path: "-@1970-01-01T00:00:00.000042Z".into() }));
        assert_eq!(told, ["opened", "ready"]);
        assert_eq!(lines, [(1, 42, "{\"a\":1}\n".to_owned()), (3, 42, "{\"a\":2}".to_owned())]);
    }

    /// Gives what it has and counts it, and then waits for ever, as a pipe does whose writer lives on.
    struct Pipe(std::io::Cursor<String>, Arc<std::sync::atomic::AtomicUsize>);

    impl Read for Pipe {
        fn read(&mut self, to: &mut [u8]) -> std::io::Result<usize> {
            let read = self.0.read(to)?;
            if read == 0 {
                loop {
                    std::thread::park();
                }
            }
            self.1.fetch_add(read, Ordering::SeqCst);
            Ok(read)
        }
    }

    #[test]
    fn whole_lines_that_were_read_come_before_the_end() {
        let line = "{\"a\":1}\n";
        let taken = Arc::<std::sync::atomic::AtomicUsize>::default();
        // more pieces than lie ready, and half a line
        let text = line.repeat(LIVE_PIECE_MESSAGES * 9 + 3) + "{\"a\":";
        let pipe = Pipe(std::io::Cursor::new(text), Arc::clone(&taken));
        let mut transport = StdinTransport::of(pipe, Arc::new(|| 42));
        let count = |event: Event| match event {
            Event::Delivery(Delivery { contents: Contents::Messages(messages), .. }) => messages.len(),
            _ => 0,
        };
        let mut lines = 0;
        while lines == 0 {
            lines += transport.poll(Duration::from_secs(20)).unwrap().map_or(0, count);
        }
        while let Some(event) = transport.leave() {
            lines += count(event);
        }
        assert_eq!(lines, taken.load(Ordering::SeqCst) / line.len());
    }
}
