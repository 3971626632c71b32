//! Events and alerts on their way to the archive.
//!
//! The daemon knows no archive: its root brings what writes one ([`Archive`]), so that it is built without a
//! query engine. What is the daemon's is the order:
//!
//! ```text
//! workers ─▶ correlator ─▶ events, alerts … barrier ─▶ archive thread ─▶ commit
//!                │                                                         │
//!                └─ state of the same instant, held in memory ─▶ checkpoint ◀─ done
//!                                                                   │
//! inputs ◀── acknowledge ───────────────────────────────────────────┘
//! ```
//!
//! A checkpoint says up to where everything has been read. So the archive has committed all that was read up to
//! there before the checkpoint is written, and no input is acknowledged before the checkpoint: [`keep`].

pub mod columns;
pub mod keep;
pub mod leave;

use std::fmt::Display;
use std::sync::Arc;
use std::time::Duration;

use virga_engine::event::{EventBatch, Projection};

use crate::config::Config;
use crate::outbox::OutAlert;
use crate::redact::Redactions;

/// What the daemon's root brings beside the rules.
#[derive(Clone, Default)]
pub struct Outside {
    /// Where events and alerts are kept, where the configuration names an archive.
    pub archive: Option<Arc<dyn Archive>>,
    /// What must not be kept of them.
    pub redact: Redactions,
}

impl Outside {
    /// Whether it has what the configuration asks for: nothing of it is passed over in silence.
    ///
    /// # Errors
    /// What is missing.
    pub fn prove(&self, config: &Config) -> Result<(), String> {
        let missing = |what: &str| {
            Err(format!(
                "{what} needs an archive, which this build of virga lacks: build it with the feature `lake`"
            ))
        };
        match () {
            () if config.archive.is_some() && self.archive.is_none() => missing("[archive]"),
            () if config.redacts && self.redact.is_none() => missing("[[redact]]"),
            () => Ok(()),
        }
    }
}

/// What the rules at work ask for of a source.
#[derive(Debug, Clone)]
pub struct Asked {
    /// The source.
    pub source: String,
    /// Its canonical columns.
    pub columns: Vec<String>,
    /// The fields.
    pub projection: Arc<Projection>,
}

/// Hears why the store does not serve and how often a request has failed, and says how long to wait for the next
/// try; `None`: the process ends.
pub type Held = Arc<dyn Fn(&dyn Display, u32) -> Option<Duration> + Send + Sync>;

/// Where events and alerts are kept.
pub trait Archive: Send + Sync {
    /// The fields that batches of a source must have to be written.
    fn fields(&self, asked: &Asked) -> Arc<Projection>;

    /// Proves by a real call that it can be read and written, and says what it would do.
    ///
    /// # Errors
    /// What does not work, and what to do.
    fn check(&self) -> Result<String, String>;

    /// Opens it, or makes it. What the store does not serve is waited for, as `held` says: here what passes, from
    /// then on also what it refuses.
    ///
    /// # Errors
    /// Where it can neither be opened nor made however long one waits, or `held` says that the process ends.
    fn open(&self, held: Held) -> Result<Box<dyn ArchiveWriter>, String>;
}

/// Why something was not written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ArchiveFailure {
    /// It may be tried again; nothing is lost.
    Again(String),
    /// What was taken since the last commit is gone with the writer: the process must begin anew from its
    /// checkpoint.
    Lost(String),
}

/// Writes events and alerts; what was taken is part of the archive after [`Self::commit`].
pub trait ArchiveWriter: Send {
    /// Batches of other fields come from now on: those of rules that ask for these.
    ///
    /// # Errors
    /// Why what was taken before could not be committed.
    fn begin(&mut self, asked: &[Asked]) -> Result<(), ArchiveFailure>;

    /// Takes a batch. It may wait for the store.
    ///
    /// # Errors
    /// Why not.
    fn events(&mut self, batch: &EventBatch) -> Result<(), ArchiveFailure>;

    /// Takes alerts.
    ///
    /// # Errors
    /// Why not.
    fn alerts(&mut self, alerts: &[OutAlert]) -> Result<(), ArchiveFailure>;

    /// Makes all that was taken part of the archive. May be called again where it has failed.
    ///
    /// # Errors
    /// Why not; the archive is as it was.
    fn commit(&mut self) -> Result<Committed, ArchiveFailure>;
}

/// What a commit has made part of the archive.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Committed {
    /// Events.
    pub events: u64,
    /// Events that were there to the byte, or twice in what was taken.
    pub left_out: u64,
    /// Files of events.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Alerts.
    pub alerts: u64,
}
