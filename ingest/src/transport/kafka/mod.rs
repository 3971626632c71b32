//! Kafka, and whatever speaks its protocol: Event Hubs, MSK, Confluent, Redpanda.
//!
//! In: topics, read as a member of a consumer group. Out: messages of one partition at a time, in its order,
//! each with the broker's time as its ingest time. Positions belong to the checkpoint; they are committed to
//! the group behind it, for people and for the next member (`assignment` says which counts).
//!
//! ```toml
//! [input.kafka]
//! brokers = ["localhost:9092"]
//! topics = ["cloudtrail", "audit"]
//! sources = { audit = "kubernetes.audit" }    # a topic's source; else the input's
//! group = "virga"
//! ```
//!
//! A partition is *caught up* when its leader says that its end has been read; it is asked once a second. A
//! paused partition is fetched no further, and its member stays in the group.
//!
//! A topic that is made anew with fewer partitions takes none from its members: one of which its leader says nothing for a
//! while and that the topic no longer has is told closed, for it would hold the watermark for ever. One that is made anew
//! is read from its beginning, whatever offset the one before had come to (`topic_ids`).

mod assignment;
mod commits;
mod config;
mod ends;
mod gaps;
mod partitions;
mod settings;
mod topic_ids;

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::{Message as _, TopicPartitionList};

pub use self::config::{Begin, KafkaConfig};
pub use self::settings::{Mechanism, OWN_PROPERTIES, Sasl, Settings, Tls};

use self::assignment::{Assigned, Context};
use self::commits::Commits;
use self::gaps::Gaps;
use self::partitions::{Partition, Partitions, partition_name, split_name};
use self::topic_ids::{Place, is_same, signature};
use super::live::{
    Clock, Contents, Delivery, Event, Frontier, LiveConfig, LiveTransport, Messages, Note, OpenContext,
    PartitionLag, Ticket, TransportError,
};
use crate::position::Positions;

/// How long messages wait for others to be given together: short beside the second that an alert may take.
const LINGER: Duration = Duration::from_millis(20);
/// A wait for messages that says by its end that there are none.
const WAITED_OUT: Duration = Duration::from_millis(5);
/// How often the leaders are asked for the ends.
const ASK_EVERY: Duration = Duration::from_secs(1);
/// How often a leader may say nothing of a partition until it is looked whether the topic still has it.
const GONE_AFTER: u32 = 5;
/// How long they may take; meanwhile nothing is read.
const ASKING: Duration = Duration::from_secs(5);
/// The same when the process ends.
const ASKING_AT_LAST: Duration = Duration::from_secs(2);
/// How long it is waited for why they do not answer.
const REASONS: Duration = Duration::from_millis(500);
/// How long what was fetched of a topic may take to be given out once the topic is another one.
const LAST_OF_TOPIC: Duration = Duration::from_secs(1);

/// What is said of a partition whose topic was deleted and made anew.
fn made_anew(name: &str) -> String {
    format!("{name} was made anew: it is read from its beginning")
}

impl LiveConfig for KafkaConfig {
    fn check(&self, context: &OpenContext) -> Result<String, TransportError> {
        self.sources()?;
        let consumer = self.consumer(context)?;
        // a token is fetched while polling
        drop(consumer.poll(Duration::from_millis(200)));
        let unreachable = |error: KafkaError| {
            // why is said while polling
            let until = Instant::now() + REASONS;
            while Instant::now() < until {
                drop(consumer.poll(WAITED_OUT));
            }
            let why = consumer.context().reason().unwrap_or_else(|| error.to_string());
            TransportError::new(format!("{} cannot be reached: {why}", self.brokers.join(", ")))
                .help("check `brokers`, `tls` and `sasl`")
        };
        let metadata = consumer.fetch_metadata(None, ASKING).map_err(unreachable)?;
        let mut said = Vec::new();
        for topic in &self.topics {
            if topic.starts_with('^') {
                said.push(format!("topics that match {topic}"));
                continue;
            }
            let known = metadata.topics().iter().find(|known| known.name() == topic);
            let Some(known) = known.filter(|known| !known.partitions().is_empty()) else {
                let error = TransportError::new(format!("there is no topic `{topic}`"));
                return Err(error.help("create it, correct `topics`, or let Virga's user see it"));
            };
            let mut list = TopicPartitionList::new();
            for partition in known.partitions() {
                list.add_partition(topic, partition.id());
            }
            let (low, high) = (
                ends::beginnings(&consumer, &list, ASKING).map_err(unreachable)?,
                ends::ends(&consumer, &list, ASKING).map_err(unreachable)?,
            );
            let unread: i64 = high
                .iter()
                .map(|(key, high)| {
                    let own = context.positions.get(&partition_name(&key.0, key.1)).and_then(Place::of);
                    // one beyond the end is of a topic that was made anew
                    let own = own.map(|own| own.offset).filter(|own| own <= high);
                    high - own.or(low.get(key).copied()).unwrap_or(*high)
                })
                .sum();
            let partitions = known.partitions().len();
            said.push(format!("{topic} ({partitions} partitions, about {unread} records to read)"));
        }
        Ok(format!("would read {} as a member of the group {}", said.join(", "), self.group))
    }

    fn open(&self, context: OpenContext) -> Result<Box<dyn LiveTransport>, TransportError> {
        let sources = self.sources()?;
        let consumer = Arc::new(self.consumer(&context)?);
        let topics: Vec<&str> = self.topics.iter().map(String::as_str).collect();
        consumer.subscribe(&topics).map_err(|error| {
            TransportError::new(format!("cannot subscribe to {}: {error}", topics.join(", ")))
        })?;
        let commits = Commits::new(&consumer)
            .map_err(|error| TransportError::new(format!("a thread cannot be started: {error}")))?;
        Ok(Box::new(KafkaTransport {
            consumer,
            commits,
            partitions: Partitions::of(sources),
            gaps: Gaps::default(),
            waiting: VecDeque::new(),
            oldest_pending: None,
            asked: Instant::now(),
            drained: Instant::now(),
            paused: false,
            ticket: 0,
            clock: context.clock,
            committed: TopicPartitionList::new(),
            uncommitted: false,
        }))
    }
}

/// How long the last commits may take when the process ends: a broker that is away costs the next member some reading
/// twice.
const FAREWELL: Duration = Duration::from_secs(3);

/// A group member at work.
struct KafkaTransport {
    consumer: Arc<BaseConsumer<Context>>,
    commits: Commits,
    partitions: Partitions,
    /// Offsets that were passed over since the leaders were asked last.
    gaps: Gaps,
    waiting: VecDeque<Event>,
    /// Since when a message waits for others.
    oldest_pending: Option<Instant>,
    asked: Instant,
    /// When the consumer had nothing to give last.
    drained: Instant,
    paused: bool,
    ticket: Ticket,
    clock: Clock,
    /// What is to be committed, and at the farewell once more.
    committed: TopicPartitionList,
    /// It has not been given to be committed.
    uncommitted: bool,
}

impl KafkaTransport {
    /// Commits what is newest of the partitions that are still this member's, unless a commit is on its way or
    /// one that was refused waits.
    fn commit_newest(&mut self) {
        let behind = std::mem::take(&mut self.consumer.context().state().behind);
        for (topic, partition, place) in behind {
            let is_known = self.committed.find_partition(&topic, partition).is_some();
            let by = signature(&self.consumer.context().instance, place.topic.as_ref());
            self.uncommitted |= !is_known && add(&mut self.committed, (&topic, partition), place.offset, &by);
        }
        {
            let mut state = self.consumer.context().state();
            if let Some(at) = state.commit_again {
                if at > Instant::now() {
                    return;
                }
                state.commit_again = None;
                self.uncommitted = true;
            }
            if !self.uncommitted || state.is_committing {
                return;
            }
        }
        self.uncommitted = false;
        let list = self.own_offsets();
        if list.count() > 0 {
            self.consumer.context().state().is_committing = true;
            self.commits.give(list);
        }
    }

    /// What is to be committed of the partitions that are still this member's.
    fn own_offsets(&self) -> TopicPartitionList {
        let assigned = self.assigned();
        let mut list = TopicPartitionList::new();
        for element in self.committed.elements() {
            let (topic, partition, by) = (element.topic(), element.partition(), element.metadata());
            let offset = element.offset().to_raw().unwrap_or(-1);
            let (_, id) = topic_ids::signed(by);
            // not what was meant before another member had the partition and read on, nor of a topic that is no more
            let is_own = assigned
                .get(&(topic.to_owned(), partition))
                .is_some_and(|assigned| assigned.start.is_none_or(|start| offset >= start))
                && is_same(id.as_ref(), self.partitions.topic_id(topic, partition));
            if is_own {
                add(&mut list, (topic, partition), offset, by);
            }
        }
        list
    }

    /// Takes what was called back, and puts what belongs before it before it.
    fn take_callbacks(&mut self) {
        self.commit_newest();
        let events: Vec<Event> = self.consumer.context().state().events.drain(..).collect();
        for event in events {
            match &event {
                Event::Opened { partition, position } => {
                    let (topic, number) = split_name(partition);
                    let at = self.partitions.number(&topic, number);
                    if let Some(known) = self.partitions.all.get_mut(at) {
                        known.pending = Messages::new(known.base());
                        let place = position.as_ref().and_then(Place::of);
                        (known.next, known.topic_id) =
                            place.map_or((None, None), |place| (Some(place.offset), place.topic));
                        (known.end, known.at_end, known.open) = (None, false, true);
                        (known.missed, known.is_gone, known.made_anew) = (0, false, None);
                    }
                    // what it counts in may have been made anew since
                    self.consumer.context().state().topics_changed = true;
                }
                Event::Closed { partition } => {
                    let (topic, number) = split_name(partition);
                    let at = self.partitions.number(&topic, number);
                    self.flush(at);
                    if let Some(known) = self.partitions.all.get_mut(at) {
                        (known.open, known.is_gone) = (false, false);
                    }
                }
                _ => {}
            }
            self.waiting.push_back(event);
        }
    }

    /// What has come together of a partition becomes a delivery.
    fn flush(&mut self, at: usize) {
        if self.partitions.all.get(at).is_some_and(|partition| !partition.pending.is_empty()) {
            self.deliver(at);
        }
    }

    /// Gives what has come together of a partition, be it nothing: then it says only how far the partition has been read.
    fn deliver(&mut self, at: usize) {
        let Some(partition) = self.partitions.all.get_mut(at) else { return };
        self.ticket += 1;
        let (messages, position) = (partition.take(), partition.position());
        self.waiting.push_back(Event::Delivery(Delivery {
            ticket: self.ticket,
            partition: Arc::clone(&partition.name),
            position,
            source: partition.source,
            contents: Contents::Messages(messages),
            frontier: Frontier::InOrder,
            urgent: false,
        }));
    }

    fn flush_all(&mut self) {
        (0..self.partitions.all.len()).for_each(|at| self.flush(at));
        self.oldest_pending = None;
    }

    /// Reads until a piece is full, or has waited long enough, or nothing came for so long.
    fn read(&mut self, wait: Duration) -> Result<(), TransportError> {
        let until = Instant::now() + wait;
        loop {
            let began = Instant::now();
            let left = until.saturating_duration_since(began);
            let left = match self.oldest_pending {
                Some(since) => left.min(LINGER.saturating_sub(began.saturating_duration_since(since))),
                None => left,
            };
            let mut full = None;
            match self.consumer.poll(left) {
                Some(Ok(message)) => {
                    let (offset, millis) = (message.offset(), message.timestamp().to_millis());
                    let payload = message.payload().unwrap_or_default();
                    let at = self.partitions.number(message.topic(), message.partition());
                    // the same call may have given the partition to us, and then that comes first
                    let is_plain = self.consumer.context().state().events.is_empty();
                    match self.partitions.all.get_mut(at) {
                        Some(partition) if is_plain && partition.goes_on(offset) => {
                            if let Some(start) = partition.next.filter(|next| *next < offset) {
                                self.gaps.add(at, start, offset);
                            }
                            let is_full = partition.push(offset, millis, payload, &self.clock);
                            full = is_full.then_some(at);
                        }
                        _ => {
                            // the message borrows the consumer, which is asked of what was called back
                            let payload = payload.to_vec();
                            drop(message);
                            self.take_callbacks();
                            full = self.take(at, offset, millis, &payload);
                        }
                    }
                    self.oldest_pending.get_or_insert_with(Instant::now);
                }
                Some(Err(KafkaError::PartitionEOF(number))) => {
                    let of_it = self.partitions.all.iter_mut().filter(|partition| partition.number == number);
                    of_it.for_each(|partition| partition.at_end = true);
                }
                Some(Err(error)) => self.failed(&error)?,
                // one that comes back early has served something else
                None if left >= WAITED_OUT && began.elapsed() >= left => self.drained = Instant::now(),
                None => {}
            }
            if let Some(at) = full {
                self.flush(at);
                return Ok(());
            }
            let now = Instant::now();
            let lingered =
                self.oldest_pending.is_some_and(|since| now.saturating_duration_since(since) >= LINGER);
            if lingered {
                self.flush_all();
            }
            let is_due = now.saturating_duration_since(self.asked) >= ASK_EVERY;
            let told = !self.waiting.is_empty() || !self.consumer.context().state().events.is_empty();
            if lingered || is_due || told || now >= until {
                return Ok(());
            }
        }
    }

    /// Puts a message to its partition, and remembers what lies between it and the one before; says which partition
    /// is full.
    fn take(&mut self, at: usize, offset: i64, millis: Option<i64>, payload: &[u8]) -> Option<usize> {
        let partition = self.partitions.all.get_mut(at)?;
        if partition.is_gone {
            self.waiting.push_back(partition.come_back());
        }
        let skipped = partition.next.map_or(0, |next| offset - next);
        if skipped < 0 {
            // what has come of the one before counts for itself
            self.flush(at);
            self.begin_anew(at, offset);
        } else if skipped > 0 {
            self.gaps.add(at, offset - skipped, offset);
        }
        let partition = self.partitions.all.get_mut(at)?;
        partition.push(offset, millis, payload, &self.clock).then_some(at)
    }

    /// Looks whether topics are others than those that have been read, where their ids have come since.
    fn look_at_topics(&mut self) {
        let topics = {
            let mut state = self.consumer.context().state();
            if !std::mem::take(&mut state.topics_changed) {
                return;
            }
            state.topics.clone()
        };
        let mut told = Vec::new();
        for (at, partition) in self.partitions.all.iter_mut().enumerate() {
            let Some(id) = topics.get(&partition.topic) else { continue };
            match &partition.topic_id {
                None => {
                    partition.topic_id = Some(Arc::clone(id));
                    // nothing may come for long, and a checkpoint is to know it
                    told.extend((partition.open && partition.next.is_some()).then_some(at));
                }
                Some(known) if known != id => {
                    partition.made_anew.get_or_insert_with(Instant::now);
                }
                Some(_) => partition.made_anew = None,
            }
        }
        told.into_iter().for_each(|at| self.deliver(at));
    }

    /// Goes to the beginning of partitions whose topic was made anew: the consumer would read on at the offset to which
    /// the one before had come. What had been fetched of that one is given out first; what comes of the new one until
    /// then comes twice.
    fn look_for_anew(&mut self) {
        let is_due = |since: Instant| self.drained > since || since.elapsed() >= LAST_OF_TOPIC;
        let due = |partition: &Partition| partition.open && partition.made_anew.is_some_and(is_due);
        let due: Vec<usize> =
            self.partitions.all.iter().enumerate().filter(|(_, of)| due(of)).map(|(at, _)| at).collect();
        // what is paused is fetched no further
        if due.is_empty() || self.paused {
            return;
        }
        let mut list = TopicPartitionList::new();
        for partition in due.iter().filter_map(|at| self.partitions.all.get(*at)) {
            add(&mut list, (&partition.topic, partition.number), 0, "");
        }
        let sought = self.consumer.seek_partitions(list, ASKING);
        for at in due {
            let Some(partition) = self.partitions.all.get_mut(at) else { continue };
            let found = sought.as_ref().ok();
            let found = found.and_then(|list| list.find_partition(&partition.topic, partition.number));
            if found.is_none_or(|found| found.error().is_err()) {
                // its leader may not be known yet
                partition.made_anew = Some(Instant::now());
                continue;
            }
            self.flush(at);
            self.begin_anew(at, 0);
            self.deliver(at);
        }
    }

    /// A partition is read from its beginning, for its topic is another one now.
    fn begin_anew(&mut self, at: usize, offset: i64) {
        let Some(partition) = self.partitions.all.get_mut(at) else { return };
        (partition.next, partition.made_anew) = (Some(offset), None);
        (partition.end, partition.at_end) = (None, false);
        {
            let mut state = self.consumer.context().state();
            partition.topic_id = state.topics.get(&partition.topic).cloned();
            // what was committed of the one before is not before it
            if let Some(assigned) = state.assigned.get_mut(&(partition.topic.clone(), partition.number)) {
                assigned.start = Some(offset);
            }
            state.own.remove(&partition.name);
            state.fetched = None;
        }
        let message = made_anew(&partition.name);
        self.waiting.push_back(Event::Note(Note { cause: "offset_beyond_end", count: 1, message }));
    }

    /// Asks the leaders, once for all gaps, whether they still keep what was passed over, and tells what they do not.
    fn look_at_gaps(&mut self, wait: Duration) {
        let mut list = TopicPartitionList::new();
        let met: Vec<usize> = self.gaps.partitions().collect();
        for partition in met.iter().filter_map(|at| self.partitions.all.get(*at)) {
            list.add_partition(&partition.topic, partition.number);
        }
        if list.count() == 0 {
            return;
        }
        let answer = ends::beginnings(&self.consumer, &list, wait).map_err(|error| error.to_string());
        for at in met {
            let Some(partition) = self.partitions.all.get(at) else { continue };
            let key = (partition.topic.clone(), partition.number);
            let low = answer.as_ref().map_err(String::as_str);
            let low = low.and_then(|low| low.get(&key).copied().ok_or("its leader did not answer"));
            let note = self.gaps.settle(at, &partition.name, low);
            self.waiting.extend(note.map(Event::Note));
        }
    }

    fn failed(&self, error: &KafkaError) -> Result<(), TransportError> {
        if let KafkaError::MessageConsumptionFatal(code) = error {
            return Err(TransportError::new(format!("the consumer has failed for good: {code}")));
        }
        self.consumer.context().failed(error);
        Ok(())
    }

    /// Asks the leaders for the ends, and tells which partitions have been read to theirs.
    fn look_at_ends(&mut self) {
        self.asked = Instant::now();
        let mut list = TopicPartitionList::new();
        for partition in self.partitions.all.iter().filter(|partition| partition.open || partition.is_gone) {
            list.add_partition(&partition.topic, partition.number);
        }
        if list.count() == 0 {
            return;
        }
        // taken before the answer: what comes after it is not claimed to have been read
        let now = (self.clock)();
        let Ok(ends) = ends::ends(&self.consumer, &list, ASKING) else { return };
        if ends.len() == list.count() {
            self.consumer.context().answered();
        }
        let paused = self.paused;
        let fetched = {
            let state = self.consumer.context().state();
            let drained = state.fetched.as_ref().filter(|fetched| fetched.at < self.drained);
            drained.map(|fetched| fetched.ends.clone()).unwrap_or_default()
        };
        let asked = self.partitions.all.iter_mut().filter(|partition| partition.open || partition.is_gone);
        for partition in asked {
            let key = (partition.topic.clone(), partition.number);
            let Some(end) = ends.get(&key) else {
                partition.missed += 1;
                continue;
            };
            partition.missed = 0;
            if partition.is_gone {
                self.waiting.push_back(partition.come_back());
            }
            partition.end = Some(*end);
            // an end that is behind what was read is that of a topic that was made anew. Marks of transactions at the end
            // are never given out: there the consumer's own word counts. That some partition of the number has come
            // to its end does not say which topic's
            let read = partition.next.is_some_and(|next| next == *end)
                || (partition.at_end && fetched.get(&key).is_some_and(|fetched| fetched >= end));
            if read && partition.made_anew.is_none() && partition.pending.is_empty() && !paused {
                // nothing but marks lies between
                partition.next = partition.next.max(Some(*end));
                let frontier = Frontier::CaughtUp { now };
                self.waiting.push_back(Event::Reached { partition: Arc::clone(&partition.name), frontier });
            }
        }
    }

    /// Tells partitions closed that their topics no longer have.
    fn look_for_gone(&mut self) {
        let mut topics: HashMap<String, Option<Vec<i32>>> = HashMap::new();
        for at in 0..self.partitions.all.len() {
            let Some(partition) = self.partitions.all.get_mut(at) else { continue };
            if !partition.open || partition.missed < GONE_AFTER {
                continue;
            }
            // where it is not known it is looked again as late
            partition.missed = 0;
            let topic = partition.topic.clone();
            let number = partition.number;
            let consumer = &self.consumer;
            let has = topics.entry(topic).or_insert_with_key(|topic| partitions_of(consumer, topic));
            if has.as_ref().is_none_or(|has| has.contains(&number)) {
                continue;
            }
            self.flush(at);
            let Some(partition) = self.partitions.all.get_mut(at) else { continue };
            (partition.open, partition.is_gone) = (false, true);
            self.waiting.push_back(Event::Closed { partition: Arc::clone(&partition.name) });
        }
    }

    fn assigned(&self) -> HashMap<(String, i32), Assigned> {
        self.consumer.context().state().assigned.clone()
    }

    fn assigned_list(&self) -> TopicPartitionList {
        let mut list = TopicPartitionList::new();
        for (topic, partition) in self.assigned().keys() {
            list.add_partition(topic, *partition);
        }
        list
    }

    fn tell(&mut self, cause: &'static str, message: String) {
        self.waiting.push_back(Event::Note(Note { cause, count: 1, message }));
    }
}

/// Puts an offset into a list, and who says it.
fn add(list: &mut TopicPartitionList, (topic, partition): (&str, i32), offset: i64, by: &str) -> bool {
    let added = list.add_partition_offset(topic, partition, rdkafka::Offset::Offset(offset)).is_ok();
    if added && let Some(mut element) = list.find_partition(topic, partition) {
        element.set_metadata(by);
    }
    added
}

/// The partitions that a topic has; `None` where it has none, or nobody says: it may be about to be made.
fn partitions_of(consumer: &BaseConsumer<Context>, topic: &str) -> Option<Vec<i32>> {
    let metadata = consumer.fetch_metadata(Some(topic), ASKING).ok()?;
    let known = metadata.topics().iter().find(|known| known.name() == topic && known.error().is_none())?;
    let numbers: Vec<i32> = known.partitions().iter().map(|partition| partition.id()).collect();
    (!numbers.is_empty()).then_some(numbers)
}

impl LiveTransport for KafkaTransport {
    fn poll(&mut self, wait: Duration) -> Result<Option<Event>, TransportError> {
        if let Some(event) = self.waiting.pop_front() {
            return Ok(Some(event));
        }
        self.read(wait)?;
        // a piece that is ready was read before what was called back
        self.take_callbacks();
        self.look_at_topics();
        self.look_for_anew();
        if self.asked.elapsed() >= ASK_EVERY {
            self.look_at_ends();
            self.look_at_gaps(ASKING);
            self.look_for_gone();
        }
        Ok(self.waiting.pop_front())
    }

    fn acknowledge(&mut self, _: Ticket, positions: &Positions) {
        let mut list = TopicPartitionList::new();
        let instance = Arc::clone(&self.consumer.context().instance);
        for ((topic, partition), assigned) in self.assigned() {
            let name = partition_name(&topic, partition);
            let Some(place) = positions.get(&name).and_then(Place::of) else { continue };
            // of a checkpoint from before the partition was somebody else's, or its topic was made anew
            if assigned.start.is_some_and(|start| place.offset < start)
                || !place.is_of(self.partitions.topic_id(&topic, partition))
            {
                continue;
            }
            add(&mut list, (&topic, partition), place.offset, &signature(&instance, place.topic.as_ref()));
        }
        if list.count() == 0 {
            return;
        }
        self.committed = list;
        self.uncommitted = true;
        self.commit_newest();
    }

    fn pause(&mut self) {
        self.paused = true;
        self.consumer.context().state().paused = true;
        if let Err(error) = self.consumer.pause(&self.assigned_list()) {
            self.tell("pause_failed", format!("partitions were not paused: {error}"));
        }
    }

    fn resume(&mut self) {
        self.paused = false;
        self.consumer.context().state().paused = false;
        if let Err(error) = self.consumer.resume(&self.assigned_list()) {
            self.tell("resume_failed", format!("partitions were not resumed: {error}"));
        }
    }

    fn leave(&mut self) -> Option<Event> {
        // the next process begins behind them
        self.look_at_gaps(ASKING_AT_LAST);
        // what else waits is read again by it
        std::iter::from_fn(|| self.waiting.pop_front()).find(|event| matches!(event, Event::Note(_)))
    }

    fn lag(&self) -> Vec<PartitionLag> {
        let open = self.partitions.all.iter().filter(|partition| partition.open);
        open.map(|partition| PartitionLag {
            partition: Arc::clone(&partition.name),
            records: partition.end.zip(partition.next).map(|(end, next)| (end - next).max(0).unsigned_abs()),
            bytes: None,
        })
        .collect()
    }

    fn close(self: Box<Self>) {
        // a group that is left hears nothing more
        let list = self.own_offsets();
        if list.count() > 0 {
            self.commits.give(list);
        }
        self.commits.end(FAREWELL);
    }
}
