//! The limits of a query: an archive is asked by people who did not write the query planner.
//!
//! In: nothing. Out: numbers with their reasons, and [`Limits`] that a command may set otherwise.

use std::time::Duration;

/// What one query, or all queries of a server together, may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Bytes that sorts, joins and groups may hold. They are not written to disk beyond it: what an archive
    /// keeps is not copied to places that nobody expires.
    pub memory: usize,
    /// From the start of a query to its last row.
    pub time: Duration,
    /// Rows that a query may give.
    pub rows: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { memory: MEMORY, time: TIME, rows: ROWS }
    }
}

/// Half of what a whole process may take; the other half is what is read ahead and not accounted for.
pub const MEMORY: usize = 256 << 20;

/// An investigator waits so long for an answer; a forgotten query holds the machine no longer.
pub const TIME: Duration = Duration::from_secs(120);

/// More than a person reads or a notebook holds; an export of more is `virga archive`'s own Parquet.
pub const ROWS: usize = 1_000_000;

/// Bytes of a query's text: people write a few hundred, tools some thousands.
pub(crate) const MAX_SQL: usize = 256 << 10;

/// Brackets in brackets of a query. In a debug build 24 took the parser no time that could be told, 33 took 15 s, and 36 came
/// to no end.
pub(crate) const MAX_BRACKETS: usize = 24;

/// Values of a query that are joined by arithmetic or `||`: to plan 500 took a debug build 0.4 s, 2,000 took 11 s.
pub(crate) const MAX_JOINED: usize = 500;

/// Conditions of a query that `AND` and `OR` join: whoever goes through them as they are written calls itself for each, and
/// at twice as many a debug build's stack of 64 MB is over.
pub(crate) const MAX_CONDITIONS: usize = 8_000;

/// Rules that one session keeps compiled for `sigma_match`.
pub(crate) const MAX_COMPILED: usize = 64;

/// Connections of the PostgreSQL server: each holds a socket, and queries share one memory limit.
pub(crate) const MAX_CONNECTIONS: usize = 32;

/// Connections beyond those that are told so, or that come to cancel a query; still more are hung up on.
pub(crate) const MAX_TURNED_AWAY: usize = 32;

/// How often the PostgreSQL server looks for a newer version of the archive.
pub(crate) const REFRESH: Duration = Duration::from_secs(10);

/// How often it looks whether a client that waits for an answer is still there, where what the client sent before lies
/// unread and hides that it has closed.
pub(crate) const GONE: Duration = Duration::from_millis(500);

/// How long a query computes before others get their turn, whoever cancels it among them.
pub(crate) const TURN: Duration = Duration::from_millis(50);

/// How long after the end of a query its client may still read what was made before it; then it is hung up on. Whoever reads
/// has what the system holds for it sooner.
pub(crate) const STALLED: Duration = Duration::from_secs(10);

/// Functions that make much out of little: a handful of letters would take all memory, which only operators
/// account for.
pub(crate) const WITHOUT: &[&str] = &[
    "repeat",
    "lpad",
    "rpad",
    "array_repeat",
    "list_repeat",
    "array_resize",
    "list_resize",
    "range",
    "generate_series",
    "gen_series",
];
