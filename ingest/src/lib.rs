//! Bytes in, event batches out.
//!
//! ```text
//! transport ──▶ decode ──▶ sources ──▶ batcher ──▶ EventBatch
//! files, stdin   gzip, zstd  event time    rows to     for the engine
//!                envelopes   natural id    columns
//!                records     columns
//!                   │           │
//!                   └───────────┴──▶ quarantine: what could not be read, and why
//! ```
//!
//! [`reader::Reader`] drives the whole way for finite input. Ingest knows no rules, no alerts and no
//! archive, and no clock: the only time it reads is a file's own.

pub mod batcher;
pub mod decode;
pub mod environment;
pub mod limits;
pub mod quarantine;
pub mod reader;
pub mod sources;
pub mod tables;
pub mod transport;
