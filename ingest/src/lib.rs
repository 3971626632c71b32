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
//! [`reader::Reader`] drives the whole way for finite input; of input that goes on, a
//! [`transport::live::LiveTransport`] gives pieces with their positions, and whoever runs drives. Ingest
//! knows no rules, no alerts and no archive, and no clock but the one that it is given.

pub mod batcher;
pub mod decode;
pub mod environment;
pub mod limits;
pub mod position;
pub mod quarantine;
pub mod quote;
pub mod reader;
pub mod remake;
pub mod secret;
pub mod sources;
pub mod tables;
pub mod transport;
pub mod units;
