//! From inputs to alerts, on several threads, in one order.
//!
//! ```text
//! read (a thread an input) ─▶ dispatch ─▶ scan (workers) ─▶ correlate (one) ─▶ outbox ─▶ sinks (a thread each)
//!        ▲                    numbers        decode, scan       in the order of       │
//!        └── acknowledge ◀─────────────── checkpoint ◀───────── numbers ──────────────┘
//! ```
//!
//! Each piece gets a number when it is dispatched; the *n*-th goes to worker *n* modulo their count, and the
//! correlator takes from the workers in the same turn. So all that follows is in one order, without waiting
//! rooms: what a checkpoint says is true of a prefix of all pieces. Every channel is bounded: where sinks or
//! disks are slow, workers wait, and inputs are paused.

pub mod correlate;
pub mod read;
pub mod scan;

use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use virga_ingest::sources::SourceDef;
use virga_ingest::transport::live::Event;

use self::scan::Scanned;
use crate::limits::QUEUE_PIECES;
use crate::rules::Generation;

/// An input at work.
#[derive(Debug, Clone)]
pub struct InputInfo {
    /// Its name.
    pub name: Arc<str>,
    /// The source of its events; `None`: each is recognised.
    pub source: Option<&'static SourceDef>,
    /// How late its events may come, in microseconds.
    pub lateness: i64,
}

/// What goes to a worker.
pub struct Work {
    /// The input's number.
    pub input: usize,
    /// By which rules.
    pub generation: Arc<Generation>,
    /// What was read or told.
    pub item: Item,
}

/// What an input gives on.
pub enum Item {
    /// What its transport said.
    Event(Event),
    /// Nothing more comes: it was asked to end, or has.
    Stopped,
}

/// What comes from a worker.
pub struct Done {
    /// The input's number.
    pub input: usize,
    /// By which rules.
    pub generation: Arc<Generation>,
    /// What was made of it.
    pub item: DoneItem,
}

/// What was made of what an input gave.
pub enum DoneItem {
    /// A delivery, scanned.
    Scanned(Box<Scanned>),
    /// Something else, as it was.
    Event(Event),
    /// Nothing more comes.
    Stopped,
}

/// Gives numbers, and pieces to workers in their turn.
pub struct Dispatch {
    state: Mutex<Turn>,
}

struct Turn {
    next: usize,
    workers: Vec<SyncSender<Work>>,
    generation: Arc<Generation>,
}

impl Dispatch {
    /// A dispatch to so many workers, and what the workers take from.
    pub fn new(workers: usize, generation: Arc<Generation>) -> (Self, Vec<Receiver<Work>>) {
        let (senders, receivers) = (0..workers).map(|_| sync_channel(QUEUE_PIECES)).unzip();
        (Self { state: Mutex::new(Turn { next: 0, workers: senders, generation }) }, receivers)
    }

    fn turn(&self) -> MutexGuard<'_, Turn> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Gives an item on, or gives it back where the worker whose turn it is has enough.
    ///
    /// # Errors
    /// The item, to be tried again; or `None` where the workers are gone.
    // it is not an error that travels: the item comes back to be tried again
    #[allow(clippy::result_large_err)]
    pub fn give(&self, input: usize, item: Item) -> Result<(), Option<Item>> {
        let mut turn = self.turn();
        let work = Work { input, generation: Arc::clone(&turn.generation), item };
        let Some(worker) = turn.workers.get(turn.next) else { return Err(None) };
        match worker.try_send(work) {
            Ok(()) => {
                turn.next = (turn.next + 1) % turn.workers.len();
                Ok(())
            }
            Err(TrySendError::Full(work)) => Err(Some(work.item)),
            Err(TrySendError::Disconnected(_)) => Err(None),
        }
    }

    /// What is dispatched from now on is scanned by these rules.
    pub fn switch(&self, generation: Arc<Generation>) {
        self.turn().generation = generation;
    }

    /// The rules at work.
    pub fn generation(&self) -> Arc<Generation> {
        Arc::clone(&self.turn().generation)
    }

    /// Nothing more is dispatched: workers end when they have done what they have.
    pub fn close(&self) {
        self.turn().workers.clear();
    }
}
