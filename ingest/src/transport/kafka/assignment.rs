//! Which partitions of a group are this member's, and where reading of each begins.
//!
//! In: what the group's coordinator gives and takes, the positions of the checkpoint, and what the group has
//! committed. Out: an offset for each partition, and [`Event`]s that say so.
//!
//! Where `begin` is the end, that is the end of what is there when the input begins. A partition that is found later
//! (it was added, its topic was made) is read from its beginning, for records come to it before it is found. So that
//! a partition of which nothing has come yet is not taken for a new one, where its reading began is committed.
//!
//! The checkpoint's position goes before the committed one, for state stands behind it. But a partition may
//! have been another member's meanwhile, who has read on: so each commit names who made it, and a commit of
//! another that is further ahead wins.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rdkafka::client::OAuthToken;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext, RebalanceProtocol};
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode};
use rdkafka::types::RDKafkaRespErr;
use rdkafka::{ClientContext, Offset, TopicPartitionList};

use super::ends::{Ends, Fetched};
use super::settings::Sasl;
use super::{Begin, partition_name, split_name};
use crate::limits::MAX_PENDING_NOTES;
use crate::position::{Position, Positions};
use crate::transport::live::{Clock, Event, Note};

/// How long the coordinator and the leaders may take to say offsets while partitions are given out. Longer
/// than a broker's restart needs; shorter than the time after which the group gives a member up.
pub(super) const ASKING: Duration = Duration::from_secs(10);

/// How long after a refused commit the next try: a rebalance is over by then, mostly.
pub(super) const COMMIT_AGAIN: Duration = Duration::from_secs(1);

/// What librdkafka calls back.
pub struct Context {
    pub(super) instance: Arc<str>,
    pub(super) clock: Clock,
    pub(super) sasl: Option<Sasl>,
    pub(super) begin: Begin,
    pub(super) state: Mutex<State>,
}

/// What was called back and is not told yet.
#[derive(Default)]
pub struct State {
    /// What is still to be told.
    pub events: VecDeque<Event>,
    /// Partitions that are this member's, and from where on; what is committed for one is not before it.
    pub assigned: HashMap<(String, i32), Assigned>,
    /// Positions of the checkpoint, as long as nobody else has had the partition.
    pub own: Positions,
    /// The first assignment has come.
    pub ready: bool,
    /// Newly given partitions are to be paused.
    pub paused: bool,
    /// Offsets that the group has not: of the checkpoint, where a crash came between the two and there is nothing
    /// more to read, so that no checkpoint follows; and where reading began at the end.
    pub(super) behind: Vec<(String, i32, i64)>,
    /// A commit is on its way. One at a time: of two, the older may be tried again after the newer.
    pub(super) is_committing: bool,
    /// When offsets that the broker did not take are committed again.
    pub(super) commit_again: Option<Instant>,
    /// The ends that were fetched up to, as of the last word.
    pub(super) fetched: Option<Fetched>,
    /// The last error of a broker that was told, so that one that goes on is told once.
    pub(super) last_error: String,
    /// Why the last commit was refused; empty where it was not.
    pub(super) last_refusal: String,
}

/// A partition that is this member's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Assigned {
    /// Where reading began; `None` where the broker decides.
    pub start: Option<i64>,
    /// Counts assignments, so that a partition that comes back is not taken for what it was.
    pub epoch: u64,
}

impl State {
    /// Whether this input has read a topic before: in this process, or in one whose checkpoint is there.
    fn has_begun(&self, topic: &str) -> bool {
        self.ready || self.own.iter().any(|(name, _)| split_name(name).0 == topic)
    }
}

impl Context {
    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn note(&self, cause: &'static str, count: u64, message: String) {
        let mut state = self.state();
        if state.events.len() < MAX_PENDING_NOTES {
            state.events.push_back(Event::Note(Note { cause, count, message }));
        }
    }

    /// How the commit that was on its way ended.
    pub(super) fn committed(&self, result: KafkaResult<()>) {
        let mut state = self.state();
        state.is_committing = false;
        let Err(error) = result else {
            state.last_refusal.clear();
            return;
        };
        // an input that has come to its end gets no further checkpoint soon
        state.commit_again = Some(Instant::now() + COMMIT_AGAIN);
        let refusal = error.to_string();
        // what goes on is counted, and told of once
        let message = match state.last_refusal == refusal {
            true => String::new(),
            false => format!("offsets were not committed ({refusal}); they will be again"),
        };
        state.last_refusal = refusal;
        drop(state);
        self.note("commit_failed", 1, message);
    }

    fn assign(&self, consumer: &BaseConsumer<Self>, given: &TopicPartitionList) -> KafkaResult<()> {
        let committed = consumer.committed_offsets(given.clone(), ASKING);
        if let Err(error) = &committed {
            let message = format!("cannot ask for committed offsets ({error}): the checkpoint's count");
            self.note("commit_unknown", 1, message);
        }
        let ends = Ends::ask(consumer, given);
        let mut starts = TopicPartitionList::new();
        let mut opened = Vec::new();
        for element in given.elements() {
            let (topic, partition) = (element.topic().to_owned(), element.partition());
            let found = committed.as_ref().ok().and_then(|list| Committed::of(list, &topic, partition));
            let start = self.start(&topic, partition, found.as_ref(), &ends);
            let offset = start.map_or(Offset::Stored, Offset::Offset);
            starts.add_partition_offset(&topic, partition, offset)?;
            let own = self.state().own.get(&partition_name(&topic, partition)).and_then(Position::as_offset);
            // what the group has is not overwritten unseen
            let begins_at_end = self.begin == Begin::Latest && own.is_none() && committed.is_ok();
            if let Some(offset) =
                start.filter(|start| own == Some(*start) || (begins_at_end && found.is_none()))
                && found.is_none_or(|found| found.offset < offset)
            {
                self.state().behind.push((topic.clone(), partition, offset));
            }
            opened.push((topic, partition, start));
        }
        match consumer.rebalance_protocol() {
            RebalanceProtocol::Cooperative => consumer.incremental_assign(&starts)?,
            _ => consumer.assign(&starts)?,
        }
        let mut state = self.state();
        if state.paused {
            consumer.pause(&starts)?;
        }
        // it may be of a time when a partition was this member's before, and stood further on
        state.fetched = None;
        let epoch = state.assigned.values().map(|assigned| assigned.epoch).max().unwrap_or(0) + 1;
        for (topic, partition, start) in opened {
            let name = partition_name(&topic, partition);
            let position = start.map(Position::offset);
            state.events.push_back(Event::Opened { partition: name.into(), position });
            state.assigned.insert((topic, partition), Assigned { start, epoch });
        }
        if !std::mem::replace(&mut state.ready, true) {
            state.events.push_back(Event::Ready);
        }
        Ok(())
    }

    /// Where reading of a partition begins.
    fn start(&self, topic: &str, partition: i32, committed: Option<&Committed>, ends: &Ends) -> Option<i64> {
        let name = partition_name(topic, partition);
        let own = self.state().own.get(&name).and_then(Position::as_offset);
        let end = ends.of(topic, partition);
        match choose(own, committed, &self.instance) {
            Some(offset) => {
                let Some((low, high)) = end else { return Some(offset) };
                if offset < low {
                    let lost = low - offset;
                    let message = format!(
                        "{name}: offset {offset} is no longer kept by the broker; reading goes on at {low}, {lost} offsets are lost. Keep logs longer than Virga may stand still"
                    );
                    self.note("offset_expired", lost.unsigned_abs(), message);
                    return Some(low);
                }
                if offset > high {
                    let message = format!(
                        "{name}: offset {offset} lies beyond the end {high}: the topic was made anew; it is read from its beginning"
                    );
                    self.note("offset_beyond_end", 1, message);
                    return Some(low);
                }
                Some(offset)
            }
            None => end.map(|(low, high)| match self.begin {
                Begin::Latest if !self.state().has_begun(topic) => high,
                Begin::Earliest | Begin::Latest => low,
            }),
        }
    }

    fn revoke(&self, consumer: &BaseConsumer<Self>, taken: &TopicPartitionList) -> KafkaResult<()> {
        {
            let mut state = self.state();
            for element in taken.elements() {
                let (topic, partition) = (element.topic().to_owned(), element.partition());
                let name = partition_name(&topic, partition);
                state.assigned.remove(&(topic, partition));
                // another reads on from what is committed: the checkpoint's position is worth nothing more
                state.own.remove(&name);
                state.events.push_back(Event::Closed { partition: name.into() });
            }
        }
        match consumer.rebalance_protocol() {
            RebalanceProtocol::Cooperative => consumer.incremental_unassign(taken),
            _ => consumer.unassign(),
        }
    }
}

/// An offset that the group has committed, and who did.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Committed {
    offset: i64,
    by: String,
}

impl Committed {
    fn of(list: &TopicPartitionList, topic: &str, partition: i32) -> Option<Self> {
        let element = list.find_partition(topic, partition)?;
        match element.offset() {
            Offset::Offset(offset) => Some(Self { offset, by: element.metadata().to_owned() }),
            _ => None,
        }
    }
}

/// The offset to begin at, from the checkpoint's and the group's.
fn choose(own: Option<i64>, committed: Option<&Committed>, instance: &str) -> Option<i64> {
    match (own, committed) {
        (Some(own), Some(committed)) if committed.by != instance => Some(own.max(committed.offset)),
        // one's own commit comes after the checkpoint; where the checkpoint before it had to be taken, that counts
        (Some(own), _) => Some(own),
        (None, committed) => committed.map(|committed| committed.offset),
    }
}

impl ClientContext for Context {
    const ENABLE_REFRESH_OAUTH_TOKEN: bool = true;

    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        // what matters comes as an error too, and is told there
        if matches!(level, RDKafkaLogLevel::Emerg | RDKafkaLogLevel::Alert | RDKafkaLogLevel::Critical) {
            self.note("librdkafka", 1, format!("{facility}: {message}"));
        }
    }

    fn stats_raw(&self, statistics: &[u8]) {
        if let Some(fetched) = Fetched::read(statistics) {
            self.state().fetched = Some(fetched);
        }
    }

    fn error(&self, error: KafkaError, reason: &str) {
        // that a partition's end was reached comes this way too, and is no failure
        if error.rdkafka_error_code() == Some(RDKafkaErrorCode::PartitionEOF) {
            return;
        }
        let message = format!("{error}: {reason}; it is tried again");
        {
            let mut state = self.state();
            if state.last_error == message {
                return;
            }
            state.last_error.clone_from(&message);
        }
        self.note("broker_error", 1, message);
    }

    fn generate_oauth_token(&self, _: Option<&str>) -> Result<OAuthToken, Box<dyn std::error::Error>> {
        let sasl = self.sasl.as_ref().ok_or("no login is configured")?;
        Ok(sasl.bearer((self.clock)() / 1_000)?)
    }
}

impl ConsumerContext for Context {
    fn rebalance(&self, consumer: &BaseConsumer<Self>, what: RDKafkaRespErr, list: &mut TopicPartitionList) {
        let done = match what {
            RDKafkaRespErr::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS => self.assign(consumer, list),
            _ => self.revoke(consumer, list),
        };
        if let Err(error) = done {
            self.note("rebalance_failed", 1, format!("taking or giving up partitions failed: {error}"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checkpoint_counts_unless_another_member_has_read_on() {
        let by = |who: &str, offset| Some(Committed { offset, by: who.into() });
        for (own, committed, expected) in [
            (None, None, None),
            (Some(5), None, Some(5)),
            (None, by("b", 7), Some(7)),
            // one's own commit is of a checkpoint that could not be read
            (Some(5), by("a", 7), Some(5)),
            // the crash came between checkpoint and commit
            (Some(9), by("a", 7), Some(9)),
            // the partition was another's meanwhile
            (Some(5), by("b", 7), Some(7)),
            // another has not come so far
            (Some(9), by("b", 7), Some(9)),
            // committed by another program
            (Some(5), by("", 7), Some(7)),
        ] {
            assert_eq!(choose(own, committed.as_ref(), "a"), expected, "{own:?} {committed:?}");
        }
    }
}
