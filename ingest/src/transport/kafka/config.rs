//! What an operator says of an input of topics, and the client that is made of it.
//!
//! In: `[input.kafka]`. Out: a consumer of its group, with what it needs to be told so that positions are ours, and the
//! sources of its topics.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex};

use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::BaseConsumer;
use serde::Deserialize;

use super::assignment::{Context, State};
use super::ends::STATISTICS_EVERY;
use super::settings::{Sasl, Settings, Tls};
use super::topic_ids::NOTES;
use crate::sources::{SourceDef, source};
use crate::transport::live::{OpenContext, TransportError};

/// An input's part of the configuration.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KafkaConfig {
    /// Host and port of some of the brokers.
    pub brokers: Vec<String>,
    /// The topics; one that begins with `^` is a regular expression.
    pub topics: Vec<String>,
    /// The source of a topic's events, where it is not the input's.
    #[serde(default)]
    pub sources: BTreeMap<String, String>,
    /// The consumer group.
    pub group: String,
    /// Where a partition begins of which neither checkpoint nor group know anything, where it is there when the input
    /// begins; one that is found later begins at its first message.
    #[serde(default)]
    pub begin: Begin,
    /// TLS.
    pub tls: Option<Tls>,
    /// Logging in.
    pub sasl: Option<Sasl>,
    /// Further properties of librdkafka.
    #[serde(default)]
    pub options: BTreeMap<String, String>,
}

/// Where an unknown partition begins.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Begin {
    /// At the first message that the broker keeps.
    #[default]
    Earliest,
    /// At the end.
    Latest,
}

impl KafkaConfig {
    pub(super) fn sources(&self) -> Result<HashMap<String, &'static SourceDef>, TransportError> {
        let find = |(topic, name): (&String, &String)| match source(name) {
            Some(source) => Ok((topic.clone(), source)),
            None => {
                let error = TransportError::new(format!("topic {topic}: there is no source `{name}`"));
                Err(error.help("`virga sources ls` lists them"))
            }
        };
        self.sources.iter().map(find).collect()
    }

    pub(super) fn consumer(&self, context: &OpenContext) -> Result<BaseConsumer<Context>, TransportError> {
        if self.topics.is_empty() {
            return Err(TransportError::new("`topics` is empty"));
        }
        let settings = Settings {
            brokers: &self.brokers,
            tls: self.tls.as_ref(),
            sasl: self.sasl.as_ref(),
            options: &self.options,
        };
        let mut client = settings.client()?;
        let defaults = [
            ("partition.assignment.strategy", "cooperative-sticky"),
            ("session.timeout.ms", "45000"),
            ("max.poll.interval.ms", "300000"),
            // memory: what librdkafka holds ahead of us, of all partitions and of each. A fetch is counted as it
            // comes, and unpacks to many times that: with ten megabytes each the process held 200 MB more
            // (docs/benchmarks.md). A message that is larger than a fetch comes all the same, by itself
            ("queued.max.messages.kbytes", "32768"),
            ("queued.min.messages", "20000"),
            ("fetch.message.max.bytes", "1048576"),
            ("fetch.wait.max.ms", "100"),
            ("topic.metadata.refresh.interval.ms", "30000"),
        ];
        for (name, value) in defaults {
            if !self.options.contains_key(name) {
                client.set(name, value);
            }
        }
        // a killed process that comes back takes its partitions at once, without waiting out its own session
        if !context.instance.is_empty() {
            client.set("group.instance.id", format!("{}-{}", context.instance, context.input));
        }
        client
            .set("group.id", &self.group)
            .set("enable.auto.commit", "false")
            .set("enable.auto.offset.store", "false")
            .set("enable.partition.eof", "true")
            .set("statistics.interval.ms", STATISTICS_EVERY)
            // aborted transactions are no events
            .set("isolation.level", "read_committed")
            // an offset that is no longer kept: the earliest that is; it is told
            .set("auto.offset.reset", "earliest")
            // the ids of topics
            .set(
                "debug",
                self.options.get("debug").map_or(NOTES.to_owned(), |more| format!("{NOTES},{more}")),
            )
            .set_log_level(RDKafkaLogLevel::Debug);
        let state = State { own: context.positions.clone(), ..State::default() };
        let context = Context {
            instance: Arc::clone(&context.instance),
            clock: Arc::clone(&context.clock),
            sasl: self.sasl.clone(),
            begin: self.begin,
            state: Mutex::new(state),
        };
        let made = client.create_with_context::<_, BaseConsumer<Context>>(context);
        made.map_err(|error| TransportError::new(format!("the client cannot be made: {error}")))
    }
}
