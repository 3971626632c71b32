//! A topic: the alert's id as the key, so that a compacted topic holds each alert once.
//!
//! The producer is idempotent: what it tries again within a session stands in the topic once. After a crash an
//! alert may stand there twice, under its one id.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use rdkafka::ClientContext;
use rdkafka::client::OAuthToken;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::producer::{BaseProducer, BaseRecord, DeliveryResult, Producer, ProducerContext, PurgeConfig};
use serde::Deserialize;
use virga_ingest::transport::kafka::{Sasl, Settings, Tls};

use super::{OpenSink, Sink};
use crate::clock::wall;
use crate::outbox::OutAlert;

/// How long a broker may take to take a batch; then all of it is tried again.
const DELIVERING: Duration = Duration::from_secs(30);
const ASKING: Duration = Duration::from_secs(5);

/// `[sink.kafka]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KafkaSinkConfig {
    /// Host and port of some of the brokers.
    pub brokers: Vec<String>,
    /// The topic.
    pub topic: String,
    /// TLS.
    pub tls: Option<Tls>,
    /// Logging in.
    pub sasl: Option<Sasl>,
    /// Further properties of librdkafka.
    #[serde(default)]
    pub options: BTreeMap<String, String>,
}

impl KafkaSinkConfig {
    fn producer(&self) -> Result<BaseProducer<Context>, String> {
        let settings = Settings {
            brokers: &self.brokers,
            tls: self.tls.as_ref(),
            sasl: self.sasl.as_ref(),
            options: &self.options,
        };
        let mut client = settings.client().map_err(|error| error.to_string())?;
        client.set("enable.idempotence", "true").set("acks", "all");
        for (name, value) in
            [("linger.ms", "5"), ("compression.type", "zstd"), ("message.timeout.ms", "20000")]
        {
            if !self.options.contains_key(name) {
                client.set(name, value);
            }
        }
        let context = Context { sasl: self.sasl.clone(), failed: AtomicU64::new(0) };
        client.create_with_context(context).map_err(|error| format!("the producer cannot be made: {error}"))
    }
}

impl OpenSink for KafkaSinkConfig {
    fn check(&self) -> Result<String, String> {
        let producer = self.producer()?;
        producer.poll(Duration::from_millis(200));
        let metadata = producer
            .client()
            .fetch_metadata(Some(&self.topic), ASKING)
            .map_err(|error| format!("{} cannot be reached: {error}", self.brokers.join(", ")))?;
        let partitions = metadata.topics().first().map_or(0, |topic| topic.partitions().len());
        match partitions {
            0 => Err(format!("there is no topic `{}`: create it, or correct `topic`", self.topic)),
            _ => Ok(format!("would send alerts to the topic {} ({partitions} partitions)", self.topic)),
        }
    }

    fn open(&self) -> Result<Box<dyn Sink>, String> {
        Ok(Box::new(KafkaSink { producer: self.producer()?, topic: self.topic.clone() }))
    }
}

/// Counts what was not delivered.
struct Context {
    sasl: Option<Sasl>,
    failed: AtomicU64,
}

impl ClientContext for Context {
    const ENABLE_REFRESH_OAUTH_TOKEN: bool = true;

    fn error(&self, error: KafkaError, reason: &str) {
        tracing::debug!("producer: {error}: {reason}");
    }

    fn generate_oauth_token(&self, _: Option<&str>) -> Result<OAuthToken, Box<dyn std::error::Error>> {
        let sasl = self.sasl.as_ref().ok_or("no login is configured")?;
        Ok(sasl.bearer(wall() / 1_000)?)
    }
}

impl ProducerContext for Context {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, (): ()) {
        if result.is_err() {
            self.failed.fetch_add(1, Ordering::Relaxed);
        }
    }
}

struct KafkaSink {
    producer: BaseProducer<Context>,
    topic: String,
}

impl Sink for KafkaSink {
    fn deliver(&mut self, alerts: &[Arc<OutAlert>]) -> Result<(), String> {
        let until = Instant::now() + DELIVERING;
        let failed_before = self.producer.context().failed.load(Ordering::Relaxed);
        let delivered = self.send(alerts, until).and_then(|()| {
            let left = until.saturating_duration_since(Instant::now());
            self.producer.flush(left).map_err(|error| format!("the brokers take too long: {error}"))
        });
        if let Err(error) = delivered {
            // all of it is sent again: what is still on its way must not follow behind
            self.producer.purge(PurgeConfig::default().queue().inflight());
            self.producer.poll(Duration::from_millis(100));
            return Err(error);
        }
        match self.producer.context().failed.load(Ordering::Relaxed) - failed_before {
            0 => Ok(()),
            failed => Err(format!("{failed} alerts were not taken by the brokers")),
        }
    }
}

impl KafkaSink {
    fn send(&mut self, alerts: &[Arc<OutAlert>], until: Instant) -> Result<(), String> {
        for alert in alerts {
            loop {
                let record = BaseRecord::to(&self.topic).key(&alert.id).payload(&alert.json);
                match self.producer.send(record) {
                    Ok(()) => break,
                    Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), _))
                        if Instant::now() < until =>
                    {
                        self.producer.poll(Duration::from_millis(50));
                    }
                    Err((error, _)) => return Err(error.to_string()),
                }
            }
        }
        Ok(())
    }
}
