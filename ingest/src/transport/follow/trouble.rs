//! A file that cannot be opened or read now: tried again with growing pauses, and told once.
//!
//! In: each failure. Out: until when it is left alone, and what to tell. Others are read meanwhile, so that a disk with
//! a bad block, or one file without permission, neither stops the rest nor fills the log.

use std::io;

use crate::transport::live::Note;

/// The first pause, and the longest, in microseconds.
const FIRST: i64 = 1_000_000;
const LONGEST: i64 = 30_000_000;

/// Since a file cannot be read.
#[derive(Debug, Default)]
pub(super) struct Trouble {
    pause: i64,
    until: i64,
}

impl Trouble {
    /// Whether it is left alone now.
    pub(super) fn waits(&self, now: i64) -> bool {
        now < self.until
    }

    /// It has failed, once more or for the first time: what to tell and count.
    pub(super) fn again(&mut self, now: i64, what: &str, error: &io::Error) -> Note {
        let message = match self.pause {
            0 => format!("{what}: {error}; it is tried again, and others are read meanwhile"),
            _ => String::new(),
        };
        self.pause = (self.pause * 2).clamp(FIRST, LONGEST);
        self.until = now + self.pause;
        Note { cause: "retrying", count: 1, message }
    }
}
