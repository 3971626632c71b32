//! Live transports: inputs that go on, and of which nothing may be lost.
//!
//! In: an input's part of the configuration, and the positions of the last checkpoint. Out: [`Event`]s, one
//! after the other: what was read ([`Delivery`]), and what is known of what was not. Whoever polls owns a
//! thread for it, gives the deliveries on in the order in which they came, and tells the transport when a
//! checkpoint stands behind them ([`LiveTransport::acknowledge`]). Until then the transport must be able to
//! give the same again: it commits no offset, deletes no message, answers no request before.
//!
//! ```text
//! open(positions) ─▶ Opened(p)… Ready ─▶ Delivery(ticket 1, p, position) … Reached(p, caught up) … Closed(p)
//!                                             │
//!                  acknowledge(ticket 1) ◀────┴─ checkpoint
//! ```
//!
//! | | partition | position | acknowledging | what may still be unread |
//! |---|---|---|---|---|
//! | Kafka | `topic/number` | next offset | commits it to the group | the broker says the end: `CaughtUp` |
//! | objects | one, the input | none, or of blobs that grow | ledger, then deletes the messages | `Unread`: oldest message or listing |
//! | HTTP push | one, the input | none | answers the requests | nothing that is known: `CaughtUp` |
//! | followed files | path | inode, offset, line | nothing to do | end of file: `CaughtUp` |
//! | standard input | `-` | none | nothing to do | `Event::Ended` |
//!
//! What is redelivered after a crash does no harm: ids of events and alerts are the same again. What is
//! skipped is lost. So, in doubt, a transport delivers twice. What cannot be delivered twice (a request that was
//! answered at once, a pipe) is delivered before the end ([`LiveTransport::leave`]).

use std::io::Read;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use virga_engine::event::OriginBase;

use super::Input;
use crate::limits::LIVE_PIECE_BYTES;
use crate::position::{Position, Positions};
use crate::sources::SourceDef;

/// The time by the clock that stands for arrivals, microseconds since 1970 in UTC. An argument, so that
/// tests have one of their own; whoever runs gives one that does not jump.
pub type Clock = Arc<dyn Fn() -> i64 + Send + Sync>;

/// What a live transport is opened with.
#[derive(Clone)]
pub struct OpenContext {
    /// The input's name in the configuration.
    pub input: Arc<str>,
    /// What this process is known by, the same after a restart: who wrote a committed offset.
    pub instance: Arc<str>,
    /// Where the last checkpoint stands. A partition that is not in it begins where the transport's
    /// configuration says.
    pub positions: Positions,
    /// Whether a checkpoint knows the input, be it without any partition: it has begun before.
    pub known: bool,
    /// The clock.
    pub clock: Clock,
    /// A folder of the input's own, for what it must remember beside the checkpoint (a ledger of objects).
    /// It is made before, and nobody else writes there.
    pub state: PathBuf,
    /// Set when the process is to end. What is being waited for then (a store, a queue) is not waited for any more.
    pub stop: Arc<AtomicBool>,
}

/// The part of the configuration that says how to open a live transport.
pub trait LiveConfig {
    /// Proves by real calls that it can be read, changes nothing, and says in a sentence or two what it would
    /// do.
    ///
    /// # Errors
    /// What does not work, and what to do.
    fn check(&self, context: &OpenContext) -> Result<String, TransportError>;

    /// What works and should not be so, in words: said when it is checked and when it is opened.
    fn warnings(&self) -> Vec<String> {
        Vec::new()
    }

    /// The address that it listens on: no other part of a configuration may.
    fn listens(&self) -> Option<SocketAddr> {
        None
    }

    /// Opens it. What fails only for a while (a broker that is away) is no error: reading waits for it.
    ///
    /// # Errors
    /// What cannot work however long one waits: a missing secret, a file that is no certificate.
    fn open(&self, context: OpenContext) -> Result<Box<dyn LiveTransport>, TransportError>;
}

/// An input that goes on.
pub trait LiveTransport: Send {
    /// The next event; waits for it so long at the most, and serves the connection meanwhile. Failures that
    /// pass are retried within, with back-off, and told as a [`Note`].
    ///
    /// # Errors
    /// Only what no waiting mends: the process then drains, writes its checkpoint, and ends.
    fn poll(&mut self, wait: Duration) -> Result<Option<Event>, TransportError>;

    /// All deliveries up to this ticket are behind a checkpoint, whose positions these are. Called in order of
    /// tickets, not for each. What fails here and passes is retried with the next.
    fn acknowledge(&mut self, ticket: Ticket, positions: &Positions);

    /// Give no more deliveries until [`Self::resume`], but what lies ready: whoever works is full. `poll` is called on, so
    /// that connections, leases and group membership are kept.
    fn pause(&mut self);

    /// Go on.
    fn resume(&mut self);

    /// Whether what it has given, or holds, cannot be given again: then it is given on when the process ends too.
    fn gives_once(&self) -> bool {
        false
    }

    /// The process ends and nothing more is polled for: takes nothing new from now on, and gives what it has taken
    /// and nobody can give again, one after the other, until nothing is left. Waits for nobody for long.
    fn leave(&mut self) -> Option<Event> {
        None
    }

    /// How much is known to be unread, by partition, as of the last look. Asks nobody.
    fn lag(&self) -> Vec<PartitionLag>;

    /// The end: everything that will be acknowledged has been. Leaves groups, gives leases back.
    fn close(self: Box<Self>);
}

/// Counts the deliveries of one transport, and what else is acknowledged, since it was opened, from 1.
pub type Ticket = u64;

/// What a live transport says.
pub enum Event {
    /// Something was read.
    Delivery(Delivery),
    /// A partition takes part from now on, and holds the watermark until something is known of it. Comes
    /// before its first delivery.
    Opened {
        /// The partition.
        partition: Arc<str>,
        /// Where reading begins, where that is known: a partition of which nothing has come yet must not
        /// begin elsewhere after a restart.
        position: Option<Position>,
    },
    /// A partition takes part no more: it is another's now, or its file is gone. Nothing of it comes after.
    Closed {
        /// The partition.
        partition: Arc<str>,
    },
    /// The partitions that the input begins with have all been opened (there may be none). Comes once,
    /// before the first delivery; until then the whole input holds the watermark.
    Ready,
    /// Where reading begins has been told, and is to stand in a checkpoint before anything is read: one is written soon
    /// and acknowledged as behind a delivery of this number.
    Placed {
        /// Its number.
        ticket: Ticket,
    },
    /// News of what is unread, where nothing was read.
    Reached {
        /// The partition.
        partition: Arc<str>,
        /// What is known.
        frontier: Frontier,
    },
    /// Something to tell and count.
    Note(Note),
    /// The input has ended and nothing will come any more.
    Ended,
}

/// Something that was read.
pub struct Delivery {
    /// Its number.
    pub ticket: Ticket,
    /// The partition.
    pub partition: Arc<str>,
    /// Where reading of the partition goes on after it; `None` where the transport remembers by itself what
    /// has been acknowledged.
    pub position: Option<Position>,
    /// The source of its events, where the transport knows it (of a topic, of a request); else the input's.
    pub source: Option<&'static SourceDef>,
    /// What was read.
    pub contents: Contents,
    /// What is known of the unread.
    pub frontier: Frontier,
    /// Somebody waits for the acknowledgement: the next checkpoint is written soon.
    pub urgent: bool,
}

/// What was read.
pub enum Contents {
    /// Whole messages, each read by itself: records of a topic, lines of a file, a request.
    Messages(Messages),
    /// A stream that is read to its end by whoever decodes it, on another thread: an object. It retries by
    /// itself; an error that it gives ends it for good, and the rest goes to quarantine.
    Stream(Input, Cut),
}

/// Whether a stream gave its error because the process ends, not because it cannot be read: then it was not read,
/// nor was what its input gave behind it, and nothing of it counts.
#[derive(Debug, Clone, Default)]
pub struct Cut(Arc<AtomicBool>);

impl Cut {
    /// It was cut off: said by whoever gives the error, before it does.
    pub fn set(&self) {
        self.0.store(true, Ordering::Release);
    }

    /// Whether it was, once it has been read to its end or its error.
    pub fn is_set(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }
}

/// Messages of one partition in one piece of memory.
#[derive(Debug, Clone)]
pub struct Messages {
    /// The file, object or partition.
    pub base: OriginBase,
    bytes: Vec<u8>,
    entries: Vec<Entry>,
}

#[derive(Debug, Clone, Copy)]
struct Entry {
    end: usize,
    number: u64,
    ingest_time: i64,
}

/// One message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Message<'a> {
    /// Its offset in a topic, from 0; its line in a file or object, from 1.
    pub number: u64,
    /// When it arrived, microseconds since 1970 in UTC: the broker's time.
    pub ingest_time: i64,
    /// Its bytes as they lie: packed or not, an event or an envelope of many.
    pub bytes: &'a [u8],
}

impl Messages {
    /// No messages yet.
    pub fn new(base: OriginBase) -> Self {
        Self { base, bytes: Vec::new(), entries: Vec::new() }
    }

    /// No messages yet, with room for as many as there are here: the next of a partition are about as many.
    pub fn next(&self) -> Self {
        let (bytes, entries) = (self.bytes.len(), self.entries.len());
        let bytes = Vec::with_capacity((bytes + bytes / 8).min(LIVE_PIECE_BYTES + LIVE_PIECE_BYTES / 8));
        Self { base: self.base.clone(), bytes, entries: Vec::with_capacity(entries) }
    }

    /// Adds one behind the others.
    pub fn push(&mut self, number: u64, ingest_time: i64, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
        self.entries.push(Entry { end: self.bytes.len(), number, ingest_time });
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Bytes of all messages.
    pub fn bytes(&self) -> usize {
        self.bytes.len()
    }

    /// The messages in their order.
    pub fn iter(&self) -> impl Iterator<Item = Message<'_>> {
        let mut start = 0;
        self.entries.iter().map(move |entry| {
            let bytes = self.bytes.get(start..entry.end).unwrap_or_default();
            start = entry.end;
            Message { number: entry.number, ingest_time: entry.ingest_time, bytes }
        })
    }
}

/// What is known of the part of a partition that is not read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Frontier {
    /// Arrivals come in their order, and more is there: what was read says how far it is.
    InOrder,
    /// All that had arrived by this time of the clock has been read, and confirmed by whoever keeps it.
    CaughtUp {
        /// The time.
        now: i64,
    },
    /// Arrivals come in any order; what is unread arrived at this time or later. The watermark stays behind
    /// it, whatever has been read.
    Unread {
        /// The time: of the object's own name where it says one (`…_20230710T1140Z_…`), else of its arrival.
        since: i64,
    },
}

/// How much of a partition is unread.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartitionLag {
    /// The partition.
    pub partition: Arc<str>,
    /// Records, messages or objects.
    pub records: Option<u64>,
    /// Bytes.
    pub bytes: Option<u64>,
}

/// Something to tell and count, for which reading goes on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    /// What it is counted as: few words, fixed, joined by `_`: `offset_expired`, `redelivered`, `retrying`.
    pub cause: &'static str,
    /// How many there were.
    pub count: u64,
    /// What happened and what is done about it, in a sentence; empty where that has been said, and goes on.
    pub message: String,
}

/// Why an input cannot be read at all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TransportError {
    /// What happened.
    pub message: String,
    /// What to do.
    pub help: Option<String>,
}

impl TransportError {
    /// An error that says all by itself.
    pub fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), help: None }
    }

    /// The same with what to do about it.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }
}

impl std::fmt::Display for TransportError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.message)?;
        match &self.help {
            Some(help) => write!(f, "; {help}"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for TransportError {}

impl Contents {
    /// The file, object or partition that it is of.
    pub fn base(&self) -> &OriginBase {
        match self {
            Self::Messages(messages) => &messages.base,
            Self::Stream(input, _) => &input.base,
        }
    }

    /// A stream over bytes that are there already.
    pub fn of_bytes(base: OriginBase, ingest_time: i64, reader: impl Read + Send + 'static) -> Self {
        let input = Input { base, ingest_time, size: None, reader: Box::new(reader) };
        Self::Stream(input, Cut::default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_lie_one_behind_the_other_and_come_back_one_by_one() {
        let mut messages = Messages::new(OriginBase::Topic { topic: "trail".into(), partition: 3 });
        messages.push(7, 100, b"{}");
        messages.push(8, 101, b"");
        messages.push(9, 102, b"[1]");
        let all: Vec<Message<'_>> = messages.iter().collect();
        assert_eq!(all[0], Message { number: 7, ingest_time: 100, bytes: b"{}" });
        assert_eq!(all[1], Message { number: 8, ingest_time: 101, bytes: b"" });
        assert_eq!(all[2], Message { number: 9, ingest_time: 102, bytes: b"[1]" });
        assert_eq!((messages.len(), messages.bytes()), (3, 5));
    }

    #[test]
    fn an_error_says_what_to_do() {
        let error = TransportError::new("topic `trail` is not there").help("create it, or correct `topics`");
        assert_eq!(error.to_string(), "topic `trail` is not there; create it, or correct `topics`");
    }
}
