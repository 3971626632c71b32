//! Standard input, named `-`.
//!
//! In: the process's standard input. Out: one [`Input`]. Its ingest time is the caller's to give:
//! a pipe has none of its own, and reading the clock here would make two runs differ.

use std::io;

use virga_engine::event::OriginBase;

use super::{Input, Progress};

/// Standard input as an input.
pub fn stdin_input(ingest_time: i64, progress: &Progress) -> Input {
    Input {
        base: OriginBase::File { path: "-".into() },
        ingest_time,
        size: None,
        reader: progress.count(io::stdin()),
    }
}
