//! Where bytes come from: the only disk and network access of this crate.
//!
//! In: what a user names (a path, `-`). Out: [`Input`]s, each an origin, the time at which it was
//! received, and a reader of its bytes; or an [`InputError`] for what could not be opened, after
//! which the others go on.
//!
//! To add a transport: a file here that yields `Result<Input, InputError>`, and a line in
//! [`TRANSPORTS`].

mod file;
pub mod follow;
#[cfg(feature = "http-push")]
pub mod http_push;
#[cfg(feature = "kafka")]
pub mod kafka;
pub mod live;
mod names;
#[cfg(feature = "object-store")]
pub mod object_store;
#[cfg(feature = "http-push")]
pub mod serving;
mod stdin;
pub mod stdin_live;

use std::io::{self, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use virga_engine::event::OriginBase;

pub use file::{FileInputs, Survey, survey};
pub use stdin::stdin_input;

/// One transport, for help and reference pages.
#[derive(Debug, Clone, Copy)]
pub struct Transport {
    /// Its name.
    pub name: &'static str,
    /// What it reads.
    pub description: &'static str,
}

/// Every transport.
pub static TRANSPORTS: &[Transport] = &[
    Transport {
        name: "file",
        description: "a file, or a folder read recursively in the order of its paths (.json, .jsonl, .ndjson, .log, .gz, .zst)",
    },
    Transport { name: "stdin", description: "standard input, named `-`" },
    Transport {
        name: "follow",
        description: "files that grow, with wildcards, over renaming and cutting (`virga run`)",
    },
    Transport { name: "http", description: "requests, `POST /v1/ingest/{source}` (`virga run`)" },
    Transport {
        name: "object store",
        description: "objects below a prefix of S3 (`s3://`), Google Cloud Storage (`gs://`) and Azure Blob Storage (`az://`), in the order of their keys",
    },
    Transport {
        name: "kafka",
        description: "topics of Kafka and of what speaks its protocol, as a member of a consumer group (`virga run`)",
    },
];

/// Something to read events from.
pub struct Input {
    /// The file, object or partition.
    pub base: OriginBase,
    /// When it was received, microseconds since 1970 in UTC.
    pub ingest_time: i64,
    /// Its size as it lies, where that is known.
    pub size: Option<u64>,
    /// Its bytes as they lie: packed or not.
    pub reader: Box<dyn Read + Send>,
}

/// An input that could not be opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InputError {
    /// The path, as the user gave it or below what the user gave.
    pub path: String,
    /// Why.
    pub cause: String,
}

impl std::fmt::Display for InputError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "cannot read {}: {}", self.path, self.cause)
    }
}

impl std::error::Error for InputError {}

/// How many bytes have been read, as they lie; shared, so that a progress bar can look at it.
#[derive(Debug, Clone, Default)]
pub struct Progress(Arc<AtomicU64>);

impl Progress {
    /// Bytes read so far.
    pub fn bytes(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    /// A reader that counts here what goes through it.
    pub fn count(&self, reader: impl Read + Send + 'static) -> Box<dyn Read + Send> {
        Box::new(Counting { reader, progress: self.clone() })
    }
}

struct Counting<R> {
    reader: R,
    progress: Progress,
}

impl<R: Read> Read for Counting<R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let read = self.reader.read(buf)?;
        self.progress.0.fetch_add(read as u64, Ordering::Relaxed);
        Ok(read)
    }
}
