//! What a correlation is to whoever drives it, live or over finite input.
//!
//! In: arrivals, watermarks, the ends of groups. Out: what they have made certain.

use std::fmt::Debug;

use serde::{Deserialize, Serialize};

use super::carried::Carried;
use super::fold::{Body, MatchPoint};
use super::hit::{Seen, Used};
use super::occurrence::Value;

/// An event or a match on its way into a correlation.
#[derive(Debug, Clone)]
pub(crate) struct Arrival<'a> {
    pub key: &'a str,
    pub seen: Seen,
    pub members: u64,
    pub value: Value<'a>,
    /// What outer correlations ask of it; of a match of an inner correlation each of its events may carry
    /// something else.
    pub carried: &'a [Carried],
    /// The events behind a match of an inner correlation.
    pub evidence: Option<Box<[Seen]>>,
}

/// What became of an arrival.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Offer {
    Taken,
    /// It was there already.
    Known,
    /// The watermark has passed it.
    Late,
}

/// An alert, or a new body of one.
#[derive(Debug, Clone)]
pub(crate) struct Raised {
    pub key: Box<str>,
    pub body: Body,
    pub revision: u32,
}

/// A match for outer correlations.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Fed {
    pub key: Box<str>,
    pub instant: MatchPoint,
    /// What the events that made it carry, each different one once.
    pub carried: Vec<Carried>,
}

impl Fed {
    /// Bytes held elsewhere, about.
    pub fn bytes(&self) -> usize {
        self.key.len()
            + self.instant.seen.len() * size_of::<Seen>()
            + self.carried.iter().map(Carried::bytes).sum::<usize>()
    }
}

/// What a correlation gives.
#[derive(Debug, Default)]
pub(crate) struct Emitted {
    pub raised: Vec<Raised>,
    pub fed: Vec<Fed>,
    pub explained: Vec<Explained>,
}

/// How near a group came to a match.
#[derive(Debug, Clone, PartialEq)]
pub struct Explained {
    /// The values of `group-by`, as a JSON list of texts.
    pub key: String,
    /// From 0 to 1.
    pub progress: f64,
    /// When it was so near.
    pub time: i64,
    /// What it had then, and what was missing.
    pub state: String,
    /// How many events it had.
    pub events: u64,
    /// How many alerts it is.
    pub alerts: usize,
}

/// A correlation of any type.
pub(crate) trait Machine: Debug + Send + Sync {
    /// Live: takes an arrival, in any order.
    fn offer(&mut self, arrival: &Arrival<'_>) -> Offer;
    /// Live: tells what the arrivals since the last time have made known.
    fn commit(&mut self, out: &mut Emitted);
    /// Live: all hits up to `upto` are there.
    fn advance(&mut self, upto: i64, out: &mut Emitted);
    /// Finite: the next arrival of the group, in order.
    fn put(&mut self, arrival: Arrival<'_>, out: &mut Emitted);
    /// Finite: the group has no more.
    fn end_group(&mut self, out: &mut Emitted);
    /// Finite: tell of every group how near it came.
    fn explain(&mut self);
    /// Bytes held, about.
    fn bytes(&self) -> usize;
    fn groups(&self) -> usize;
    /// Whether something of a group is remembered.
    fn has_group(&self, key: &str) -> bool;
    /// Lets go of the groups that are farthest from a match, until so many bytes are free; how many.
    fn relieve(&mut self, bytes: usize) -> u64;
    /// Puts its state as bytes behind others.
    fn snapshot(&self, behind: Vec<u8>) -> Result<Vec<u8>, postcard::Error>;
    fn restore(&mut self, bytes: &[u8]) -> Result<(), postcard::Error>;
    fn mark(&self, used: &mut Used);
}
