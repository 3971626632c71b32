//! Where partitions begin and end, by the word of their leaders, and how far they have been fetched.
//!
//! A partition may end in marks of transactions, which are never given out: the offset behind the last message
//! is not its end then. The consumer's own statistics say at which end it has come to.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};
use rdkafka::error::KafkaResult;
use rdkafka::{Offset, TopicPartitionList};
use serde::Deserialize;

use super::assignment::ASKING;

/// How often librdkafka says its statistics, in milliseconds.
pub(super) const STATISTICS_EVERY: &str = "1000";

/// By topic and partition.
pub(super) type Offsets = HashMap<(String, i32), i64>;

/// The ends that the consumer has fetched up to. What it had fetched by then has been given out when it has
/// nothing more to give.
pub(super) struct Fetched {
    pub(super) at: Instant,
    pub(super) ends: Offsets,
}

#[derive(Deserialize)]
struct Statistics {
    #[serde(default)]
    topics: HashMap<String, TopicStatistics>,
}

#[derive(Deserialize)]
struct TopicStatistics {
    #[serde(default)]
    partitions: HashMap<String, PartitionStatistics>,
}

#[derive(Deserialize)]
struct PartitionStatistics {
    eof_offset: Option<i64>,
}

impl Fetched {
    /// From librdkafka's statistics; `None` where they are something else.
    pub(super) fn read(statistics: &[u8]) -> Option<Self> {
        let statistics: Statistics = serde_json::from_slice(statistics).ok()?;
        let of_topic = |(topic, of_it): (String, TopicStatistics)| {
            of_it.partitions.into_iter().filter_map(move |(number, partition)| {
                // where no end was reached it is below zero, and so is the partition of what has none
                let number = number.parse::<i32>().ok().filter(|number| *number >= 0)?;
                let end = partition.eof_offset.filter(|end| *end >= 0)?;
                Some(((topic.clone(), number), end))
            })
        };
        let ends = statistics.topics.into_iter().flat_map(of_topic).collect();
        Some(Self { at: Instant::now(), ends })
    }
}

/// The first offset kept and the next to be written, by partition.
#[derive(Default)]
pub(super) struct Ends {
    low: HashMap<(String, i32), i64>,
    high: HashMap<(String, i32), i64>,
}

/// What asks a leader for its first offset, and for its end, instead of a time.
const EARLIEST: i64 = -2;
const LATEST: i64 = -1;

impl Ends {
    /// Asks the leaders, once for all partitions.
    pub(super) fn ask<C: ConsumerContext>(
        consumer: &BaseConsumer<C>,
        partitions: &TopicPartitionList,
    ) -> Self {
        let low = offsets(consumer, partitions, EARLIEST, ASKING).unwrap_or_default();
        let high = offsets(consumer, partitions, LATEST, ASKING).unwrap_or_default();
        Self { low, high }
    }

    pub(super) fn of(&self, topic: &str, partition: i32) -> Option<(i64, i64)> {
        let key = (topic.to_owned(), partition);
        Some((*self.low.get(&key)?, *self.high.get(&key)?))
    }
}

/// The ends of partitions, as their leaders say them now.
pub(super) fn ends<C: ConsumerContext>(
    consumer: &BaseConsumer<C>,
    partitions: &TopicPartitionList,
    wait: Duration,
) -> KafkaResult<HashMap<(String, i32), i64>> {
    offsets(consumer, partitions, LATEST, wait)
}

/// The first offsets that are kept.
pub(super) fn beginnings<C: ConsumerContext>(
    consumer: &BaseConsumer<C>,
    partitions: &TopicPartitionList,
    wait: Duration,
) -> KafkaResult<HashMap<(String, i32), i64>> {
    offsets(consumer, partitions, EARLIEST, wait)
}

fn offsets<C: ConsumerContext>(
    consumer: &BaseConsumer<C>,
    partitions: &TopicPartitionList,
    which: i64,
    wait: Duration,
) -> KafkaResult<HashMap<(String, i32), i64>> {
    let mut asked = TopicPartitionList::with_capacity(partitions.count());
    for element in partitions.elements() {
        // the offset is what librdkafka passes on as a time; these two are the protocol's words for the ends
        let raw = Offset::from_raw(which);
        asked.add_partition_offset(element.topic(), element.partition(), raw)?;
    }
    let answer = consumer.offsets_for_times(asked, wait)?;
    let known =
        answer.elements().into_iter().filter_map(|element| match (element.error(), element.offset()) {
            (Ok(()), Offset::Offset(offset)) => {
                Some(((element.topic().to_owned(), element.partition()), offset))
            }
            _ => None,
        });
    Ok(known.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statistics_say_which_ends_were_reached() {
        let text = br#"{"name":"x","topics":{"trail":{"topic":"trail","partitions":{
            "0":{"partition":0,"eof_offset":17,"app_offset":15},"1":{"eof_offset":-1001},"-1":{"eof_offset":3}}}}}"#;
        let fetched = Fetched::read(text).unwrap();
        assert_eq!(fetched.ends, Offsets::from([(("trail".to_owned(), 0), 17)]));
        assert!(Fetched::read(b"[").is_none());
        assert!(Fetched::read(b"{}").is_some_and(|fetched| fetched.ends.is_empty()));
    }
}
