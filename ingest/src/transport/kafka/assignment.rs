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
//! another that is further ahead wins. What either says of a topic that was deleted meanwhile and made anew counts for
//! nothing ([`topic_ids`](super::topic_ids)).

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rdkafka::client::OAuthToken;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext, RebalanceProtocol};
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode};
use rdkafka::types::RDKafkaRespErr;
use rdkafka::{ClientContext, Offset, TopicPartitionList};

use super::config::Begin;
use super::ends::{Ends, Fetched};
use super::made_anew;
use super::partitions::{partition_name, split_name};
use super::settings::Sasl;
use super::topic_ids::{Place, TopicId, noted, signed};
use crate::limits::{MAX_FAILED_TOPICS, MAX_PENDING_NOTES};
use crate::position::Positions;
use crate::transport::live::{Clock, Event, Note};

/// How long the coordinator and the leaders may take to say offsets while partitions are given out. Longer
/// than a broker's restart needs; shorter than the time after which the group gives a member up.
pub(super) const ASKING: Duration = Duration::from_secs(10);

/// How long a failure has to stay away until it is another one. librdkafka tries again every ten seconds at the least.
const ANOTHER_AFTER: Duration = Duration::from_secs(60);

/// How long after brokers have answered again what happened before may still be called back: the answer comes by another
/// way than failures, which wait in a queue. Brokers that are away in earnest fail again, several times a second at first.
const CALLED_BACK_AFTER: Duration = Duration::from_secs(3);

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
    pub(super) behind: Vec<(String, i32, Place)>,
    /// A commit is on its way. One at a time: of two, the older may be tried again after the newer.
    pub(super) is_committing: bool,
    /// When offsets that the broker did not take are committed again.
    pub(super) commit_again: Option<Instant>,
    /// The ids of topics, as far as they are known.
    pub(super) topics: HashMap<String, TopicId>,
    /// One of them has come, or is another one now.
    pub(super) topics_changed: bool,
    /// The ends that were fetched up to, as of the last word.
    pub(super) fetched: Option<Fetched>,
    /// What has failed, and when it did last: what goes on is told once.
    pub(super) failures: Vec<(Failure, Instant)>,
    /// All brokers are away, and it was told.
    pub(super) are_away: bool,
    /// When they answered behind an outage, last.
    pub(super) back: Option<Instant>,
    /// The error that was told last, until it is met once more as what polling ends with.
    pub(super) told: Option<RDKafkaErrorCode>,
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

/// What one failure has in common with the next of its kind. Reasons of brokers differ by address and by attempt; that of
/// a topic says which it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Failure {
    code: RDKafkaErrorCode,
    topic: Option<String>,
}

impl Failure {
    fn of(code: RDKafkaErrorCode, reason: &str) -> Self {
        use RDKafkaErrorCode::{
            InvalidTopic, TopicAuthorizationFailed, UnknownPartition, UnknownTopic, UnknownTopicOrPartition,
        };
        let is_of_topic = matches!(
            code,
            InvalidTopic
                | TopicAuthorizationFailed
                | UnknownPartition
                | UnknownTopic
                | UnknownTopicOrPartition
        );
        Self { code, topic: (is_of_topic && !reason.is_empty()).then(|| reason.to_owned()) }
    }
}

impl State {
    /// Remembers a failure; whether it is another one than those that go on.
    fn fail(&mut self, code: Option<RDKafkaErrorCode>, reason: &str, now: Instant) -> bool {
        let Some(code) = code else { return true };
        let failure = Failure::of(code, reason);
        self.failures.retain(|(_, last)| now.saturating_duration_since(*last) <= ANOTHER_AFTER);
        if let Some((_, last)) = self.failures.iter_mut().find(|(known, _)| *known == failure) {
            *last = now;
            return false;
        }
        // of brokers there are as many as codes
        let topics = self.failures.iter().filter(|(known, _)| known.topic.is_some()).count();
        if failure.topic.is_some() && topics >= MAX_FAILED_TOPICS {
            return false;
        }
        if code == RDKafkaErrorCode::AllBrokersDown {
            let is_old = |back| now.saturating_duration_since(back) < CALLED_BACK_AFTER;
            if self.back.is_some_and(is_old) {
                return false;
            }
            self.are_away = true;
        }
        self.failures.push((failure, now));
        true
    }

    /// The leaders have answered. Whether all brokers had been away: that they are once more would be told anew.
    fn answer(&mut self, now: Instant) -> bool {
        let were_away = std::mem::take(&mut self.are_away);
        if were_away {
            self.back = Some(now);
            // others stay known: failures of single connections from before the answer are called back after it
            self.failures.retain(|(known, _)| known.code != RDKafkaErrorCode::AllBrokersDown);
        }
        were_away
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

    /// What polling has ended with, where it was not told when it came.
    pub(super) fn failed(&self, error: &KafkaError) {
        let code = error.rdkafka_error_code();
        if self.state().told.take() != code {
            self.tell_failure(code, "", format!("{error}; it is tried again"));
        }
    }

    /// Counts a failure, and tells of it where it is not the one that goes on.
    fn tell_failure(&self, code: Option<RDKafkaErrorCode>, reason: &str, message: String) {
        let is_new = self.state().fail(code, reason, Instant::now());
        let cause = match code {
            Some(RDKafkaErrorCode::UnknownTopicOrPartition) => "unknown_topic",
            Some(RDKafkaErrorCode::PollExceeded) => "poll_exceeded",
            _ => "broker_error",
        };
        self.note(cause, 1, if is_new { message } else { String::new() });
    }

    /// The leaders of all partitions have answered.
    pub(super) fn answered(&self) {
        let were_away = self.state().answer(Instant::now());
        if were_away {
            self.note("served_again", 1, "its brokers answer again".to_owned());
        }
    }

    /// Why brokers could not be asked, the last that was told; that all are away says the least.
    pub(super) fn reason(&self) -> Option<String> {
        let state = self.state();
        let told = state.events.iter().rev().filter_map(|event| match event {
            Event::Note(note) if !note.message.is_empty() => Some(note.message.as_str()),
            _ => None,
        });
        let says_why = |told: &&str| !told.contains("AllBrokersDown");
        let reason = told.clone().find(says_why).or_else(|| told.clone().next())?;
        Some(reason.trim_end_matches("; it is tried again").to_owned())
    }

    /// A topic has this id now.
    fn topic_is(&self, topic: &str, id: Option<TopicId>) {
        // a broker that knows no ids says nothing of the topic
        let Some(id) = id else { return };
        let mut state = self.state();
        state.topics.insert(topic.to_owned(), id);
        state.topics_changed = true;
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
            let own = self.state().own.get(&partition_name(&topic, partition)).and_then(Place::of);
            let start = self.start(&topic, partition, own.as_ref(), found.as_ref(), &ends);
            let offset = start.as_ref().map_or(Offset::Stored, |start| Offset::Offset(start.offset));
            starts.add_partition_offset(&topic, partition, offset)?;
            // what the group has is not overwritten unseen
            let begins_at_end = self.begin == Begin::Latest && own.is_none() && committed.is_ok();
            let is_own = |start: &&Place| own.as_ref().is_some_and(|own| own.offset == start.offset);
            if let Some(start) =
                start.as_ref().filter(|start| is_own(start) || (begins_at_end && found.is_none()))
                && found.is_none_or(|found| found.place.offset < start.offset)
            {
                self.state().behind.push((topic.clone(), partition, start.clone()));
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
            let position = start.as_ref().map(Place::position);
            state.events.push_back(Event::Opened { partition: name.into(), position });
            let start = start.map(|start| start.offset);
            state.assigned.insert((topic, partition), Assigned { start, epoch });
        }
        if !std::mem::replace(&mut state.ready, true) {
            state.events.push_back(Event::Ready);
        }
        Ok(())
    }

    /// Where reading of a partition begins, from the checkpoint's place and the group's.
    fn start(
        &self,
        topic: &str,
        partition: i32,
        own: Option<&Place>,
        committed: Option<&Committed>,
        ends: &Ends,
    ) -> Option<Place> {
        let name = partition_name(topic, partition);
        let id = self.state().topics.get(topic).cloned();
        let end = ends.of(topic, partition);
        let was_known = own.is_some() || committed.is_some();
        let own = own.filter(|own| own.is_of(id.as_ref()));
        let committed = committed.filter(|committed| committed.place.is_of(id.as_ref()));
        let at = |offset| Place { offset, topic: id.clone() };
        match choose(own, committed, &self.instance) {
            Some(Place { offset, topic }) => {
                let known = Place { offset, topic: topic.or_else(|| id.clone()) };
                let Some((low, high)) = end else { return Some(known) };
                if offset < low {
                    let lost = low - offset;
                    let message = format!(
                        "{name}: offset {offset} is no longer kept by the broker; reading goes on at {low}, {lost} offsets are lost. Keep logs longer than Virga may stand still"
                    );
                    self.note("offset_expired", lost.unsigned_abs(), message);
                    return Some(Place { offset: low, ..known });
                }
                if offset > high {
                    let message = format!(
                        "{name}: offset {offset} lies beyond the end {high}: the topic was made anew; it is read from its beginning"
                    );
                    self.note("offset_beyond_end", 1, message);
                    return Some(at(low));
                }
                Some(known)
            }
            None if was_known => {
                self.note("offset_beyond_end", 1, made_anew(&name));
                Some(at(end.map_or(0, |(low, _)| low)))
            }
            None => end.map(|(low, high)| match self.begin {
                Begin::Latest if !self.state().has_begun(topic) => at(high),
                Begin::Earliest | Begin::Latest => at(low),
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
    place: Place,
    by: String,
}

impl Committed {
    fn of(list: &TopicPartitionList, topic: &str, partition: i32) -> Option<Self> {
        let element = list.find_partition(topic, partition)?;
        let Offset::Offset(offset) = element.offset() else { return None };
        let (by, topic) = signed(element.metadata());
        Some(Self { place: Place { offset, topic }, by: by.to_owned() })
    }
}

/// The place to begin at, from the checkpoint's and the group's.
fn choose(own: Option<&Place>, committed: Option<&Committed>, instance: &str) -> Option<Place> {
    let chosen = match (own, committed) {
        (Some(own), Some(committed)) if committed.by != instance && committed.place.offset > own.offset => {
            &committed.place
        }
        // one's own commit comes after the checkpoint; where the checkpoint before it had to be taken, that counts
        (Some(own), _) => own,
        (None, committed) => &committed?.place,
    };
    Some(chosen.clone())
}

impl ClientContext for Context {
    const ENABLE_REFRESH_OAUTH_TOKEN: bool = true;

    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        if let Some((topic, id)) = noted(message) {
            self.topic_is(topic, id);
            return;
        }
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
        let code = error.rdkafka_error_code();
        self.state().told = code;
        self.tell_failure(code, reason, format!("{error}: {reason}; it is tried again"));
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
    fn a_failure_that_goes_on_is_told_once() {
        use RDKafkaErrorCode::{AllBrokersDown, Authentication, BrokerTransportFailure};
        let (mut state, began) = (State::default(), Instant::now());
        // failures in pairs, as often as a closed port is tried, and then hardly any more
        for (second, code, expected) in [
            (0, AllBrokersDown, true),
            (0, BrokerTransportFailure, true),
            (1, AllBrokersDown, false),
            (1, BrokerTransportFailure, false),
            (2, Authentication, true),
            (60, AllBrokersDown, false),
            (119, AllBrokersDown, false),
            // it had been away for more than a minute
            (119, BrokerTransportFailure, true),
            (180, AllBrokersDown, true),
        ] {
            let found = state.fail(Some(code), &format!("at {second}"), began + Duration::from_secs(second));
            assert_eq!(found, expected, "{code:?} at {second}");
        }
        assert!(state.are_away);
    }

    #[test]
    fn brokers_that_are_away_once_more_are_told_of_once_more() {
        use RDKafkaErrorCode::{AllBrokersDown, BrokerTransportFailure, UnknownTopicOrPartition};
        let (mut state, began) = (State::default(), Instant::now());
        // `None`: the leaders have answered
        for (second, failed, expected) in [
            (0, Some(UnknownTopicOrPartition), true),
            (0, None, false),
            (1, Some(BrokerTransportFailure), true),
            // one of several: the others lead what is read
            (2, None, false),
            (3, Some(BrokerTransportFailure), false),
            (4, Some(AllBrokersDown), true),
            (5, Some(AllBrokersDown), false),
            (10, None, true),
            // from before the answer, called back after it
            (10, Some(BrokerTransportFailure), false),
            (10, Some(AllBrokersDown), false),
            (11, None, false),
            (30, Some(AllBrokersDown), true),
            (30, Some(BrokerTransportFailure), false),
            (31, Some(AllBrokersDown), false),
            (31, Some(UnknownTopicOrPartition), false),
            (40, None, true),
        ] {
            let told = match failed {
                Some(code) => state.fail(Some(code), "nope", began + Duration::from_secs(second)),
                None => state.answer(began + Duration::from_secs(second)),
            };
            assert_eq!(told, expected, "{failed:?} at {second}");
        }
    }

    #[test]
    fn each_topic_that_fails_is_told_of_once() {
        use RDKafkaErrorCode::{AllBrokersDown, TopicAuthorizationFailed, UnknownTopicOrPartition};
        let (mut state, now) = (State::default(), Instant::now());
        for (code, reason, expected) in [
            (UnknownTopicOrPartition, "Subscribed topic not available: nope1", true),
            (UnknownTopicOrPartition, "Subscribed topic not available: nope2", true),
            (TopicAuthorizationFailed, "Subscribed topic not available: nope2", true),
            (UnknownTopicOrPartition, "Subscribed topic not available: nope1", false),
            (UnknownTopicOrPartition, "Subscribed topic not available: nope2", false),
        ] {
            assert_eq!(state.fail(Some(code), reason, now), expected, "{code:?} {reason}");
        }
        let told = (0..2 * MAX_FAILED_TOPICS)
            .filter(|number| state.fail(Some(UnknownTopicOrPartition), &number.to_string(), now));
        assert_eq!(told.count() + 3, MAX_FAILED_TOPICS);
        assert!(
            state.fail(Some(AllBrokersDown), "3/3 brokers are down", now),
            "topics take no place of brokers'"
        );
    }

    #[test]
    fn the_checkpoint_counts_unless_another_member_has_read_on() {
        let place = |offset| Place { offset, topic: None };
        let by = |who: &str, offset| Some(Committed { place: place(offset), by: who.into() });
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
            let found = choose(own.map(place).as_ref(), committed.as_ref(), "a");
            assert_eq!(found, expected.map(place), "{own:?} {committed:?}");
        }
    }
}
