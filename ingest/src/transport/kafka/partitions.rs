//! The partitions that have been this member's: what is known of each, and what waits of it to be given together.
//!
//! In: messages, in a partition's order. Out: pieces, and the position behind each.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;

use virga_engine::event::OriginBase;

use super::topic_ids::{Place, TopicId};
use crate::limits::{LIVE_PIECE_BYTES, LIVE_PIECE_MESSAGES};
use crate::position::Position;
use crate::sources::SourceDef;
use crate::transport::live::{Clock, Event, Messages};

/// What a partition is called in checkpoints, metrics and the log.
pub(super) fn partition_name(topic: &str, partition: i32) -> String {
    format!("{topic}/{partition}")
}

/// A partition's name taken apart.
pub(super) fn split_name(name: &str) -> (String, i32) {
    let (topic, partition) = name.rsplit_once('/').unwrap_or((name, "0"));
    (topic.to_owned(), partition.parse().unwrap_or(0))
}

/// All partitions that have been this member's.
#[derive(Default)]
pub(super) struct Partitions {
    sources: HashMap<String, &'static SourceDef>,
    pub(super) all: Vec<Partition>,
    numbers: HashMap<(String, i32), usize>,
    /// The partition of the last message: the next is mostly of the same.
    last: Option<usize>,
}

/// A partition that has been this member's.
pub(super) struct Partition {
    pub(super) topic: String,
    pub(super) number: i32,
    pub(super) name: Arc<str>,
    pub(super) source: Option<&'static SourceDef>,
    pub(super) pending: Messages,
    /// The next offset, once one is known.
    pub(super) next: Option<i64>,
    /// The topic that it counts in, once that is known.
    pub(super) topic_id: Option<TopicId>,
    /// Since when the topic is another one, and has not been begun with.
    pub(super) made_anew: Option<Instant>,
    /// The last time of a broker, for what has none.
    latest: i64,
    /// The end as the leader said it last.
    pub(super) end: Option<i64>,
    /// The consumer has come to the end since the last message.
    pub(super) at_end: bool,
    pub(super) open: bool,
    /// How often its leader has said nothing, one time after the other.
    pub(super) missed: u32,
    /// Its topic no longer has it, and the group has not taken it: it may come back without a word.
    pub(super) is_gone: bool,
}

impl Partition {
    pub(super) fn take(&mut self) -> Messages {
        let next = self.pending.next();
        std::mem::replace(&mut self.pending, next)
    }

    /// Its topic has it again.
    pub(super) fn come_back(&mut self) -> Event {
        (self.open, self.is_gone, self.missed) = (true, false, 0);
        (self.next, self.end, self.at_end) = (None, None, false);
        Event::Opened { partition: Arc::clone(&self.name), position: None }
    }

    /// How far it has been read.
    pub(super) fn position(&self) -> Option<Position> {
        self.next.map(|offset| Place { offset, topic: self.topic_id.clone() }.position())
    }

    pub(super) fn base(&self) -> OriginBase {
        self.pending.base.clone()
    }

    /// Whether this is the next offset, or one behind others that are passed over.
    pub(super) fn goes_on(&self, offset: i64) -> bool {
        !self.is_gone && self.next.is_some_and(|next| next <= offset)
    }

    /// Puts a message behind the others; whether there are enough for a piece.
    pub(super) fn push(&mut self, offset: i64, millis: Option<i64>, payload: &[u8], clock: &Clock) -> bool {
        let arrived = millis.filter(|millis| *millis >= 0).map(|millis| millis.saturating_mul(1_000));
        // a message without a time came with the one before it
        let arrived = arrived.unwrap_or_else(|| match self.latest {
            0 => clock(),
            latest => latest,
        });
        self.latest = arrived;
        self.next = Some(offset + 1);
        self.at_end = false;
        self.pending.push(offset.unsigned_abs(), arrived, payload);
        self.pending.len() >= LIVE_PIECE_MESSAGES || self.pending.bytes() >= LIVE_PIECE_BYTES
    }
}

impl Partitions {
    /// None yet, of topics with these sources.
    pub(super) fn of(sources: HashMap<String, &'static SourceDef>) -> Self {
        Self { sources, ..Self::default() }
    }

    pub(super) fn number(&mut self, topic: &str, partition: i32) -> usize {
        if let Some(last) = self.last
            && let Some(known) = self.all.get(last)
            && known.number == partition
            && known.topic == topic
        {
            return last;
        }
        let key = (topic.to_owned(), partition);
        let number = match self.numbers.get(&key) {
            Some(number) => *number,
            None => self.add(key),
        };
        self.last = Some(number);
        number
    }

    /// The topic that a partition's offsets count in, as far as it is known.
    pub(super) fn topic_id(&self, topic: &str, partition: i32) -> Option<&TopicId> {
        let number = self.numbers.get(&(topic.to_owned(), partition))?;
        self.all.get(*number)?.topic_id.as_ref()
    }

    fn add(&mut self, key: (String, i32)) -> usize {
        let number = self.all.len();
        let base = OriginBase::Topic { topic: key.0.as_str().into(), partition: key.1 };
        self.all.push(Partition {
            topic: key.0.clone(),
            number: key.1,
            name: partition_name(&key.0, key.1).into(),
            source: self.sources.get(&key.0).copied(),
            pending: Messages::new(base),
            next: None,
            topic_id: None,
            made_anew: None,
            latest: 0,
            end: None,
            at_end: false,
            open: false,
            missed: 0,
            is_gone: false,
        });
        self.numbers.insert(key, number);
        number
    }
}
