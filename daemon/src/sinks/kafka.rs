//! A topic: the alert's id as the key, so that a compacted topic holds each alert once.
//!
//! The producer is idempotent: what it tries again within a session stands in the topic once. After a crash an
//! alert may stand there twice, under its one id.
//!
//! An alert that the broker finds too large is sent shortened ([`shortened`]): it must not hold up all that come
//! behind it. A broker refuses a batch as a whole, so those of a refused one are tried each by itself first.

use std::collections::{BTreeMap, HashSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rdkafka::client::OAuthToken;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::producer::{BaseProducer, BaseRecord, DeliveryResult, Producer, ProducerContext, PurgeConfig};
use rdkafka::{ClientContext, Message};
use serde::Deserialize;
use virga_ingest::transport::kafka::{Sasl, Settings, Tls};

use super::shorten::shortened;
use super::{OpenSink, Sink};
use crate::clock::wall;
use crate::limits::{ALERT_PARTS, MAX_MESSAGE_BYTES};
use crate::outbox::OutAlert;

/// How long a broker may take to take a batch; then all of it is tried again.
const DELIVERING: Duration = Duration::from_secs(30);
const ASKING: Duration = Duration::from_secs(5);
/// How long it is waited for why brokers do not answer.
const REASONS: Duration = Duration::from_millis(500);
/// How long brokers are waited for before the wish to end is looked at.
const BREATH: Duration = Duration::from_millis(200);

/// How long brokers are waited for.
struct Patience<'a> {
    until: Instant,
    stop: &'a dyn Fn() -> bool,
}

impl<'a> Patience<'a> {
    fn new(stop: &'a dyn Fn() -> bool) -> Self {
        Self { until: Instant::now() + DELIVERING, stop }
    }

    fn is_over(&self) -> bool {
        Instant::now() >= self.until || (self.stop)()
    }
}

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
        let most = MAX_MESSAGE_BYTES.to_string();
        for (name, value) in [
            ("linger.ms", "5"),
            ("compression.type", "zstd"),
            ("message.timeout.ms", "20000"),
            // what a topic takes is the broker's to say
            ("message.max.bytes", &most),
        ] {
            if !self.options.contains_key(name) {
                client.set(name, value);
            }
        }
        let context = Context {
            sasl: self.sasl.clone(),
            failed: AtomicU64::new(0),
            too_large: Mutex::default(),
            reason: Mutex::default(),
        };
        client.create_with_context(context).map_err(|error| format!("the producer cannot be made: {error}"))
    }
}

impl OpenSink for KafkaSinkConfig {
    fn check(&self) -> Result<String, String> {
        let producer = self.producer()?;
        producer.poll(Duration::from_millis(200));
        let unreachable = |error: KafkaError| {
            // why is said while polling
            let until = Instant::now() + REASONS;
            while Instant::now() < until {
                producer.poll(REASONS / 10);
            }
            let why = producer.context().reason().unwrap_or_else(|| error.to_string());
            format!("{} cannot be reached: {why}", self.brokers.join(", "))
        };
        let metadata = producer.client().fetch_metadata(Some(&self.topic), ASKING).map_err(unreachable)?;
        let partitions = metadata.topics().first().map_or(0, |topic| topic.partitions().len());
        match partitions {
            0 => Err(format!("there is no topic `{}`: create it, or correct `topic`", self.topic)),
            _ => Ok(format!("would send alerts to the topic {} ({partitions} partitions)", self.topic)),
        }
    }

    fn open(&self) -> Result<Box<dyn Sink>, String> {
        Ok(Box::new(KafkaSink { producer: self.producer()?, topic: self.topic.clone(), told: false }))
    }
}

/// Counts what was not delivered.
struct Context {
    sasl: Option<Sasl>,
    failed: AtomicU64,
    /// The ids of alerts that were refused for their size.
    too_large: Mutex<HashSet<String>>,
    /// Why a broker failed last.
    reason: Mutex<Option<String>>,
}

impl Context {
    fn too_large(&self) -> MutexGuard<'_, HashSet<String>> {
        self.too_large.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn reason(&self) -> Option<String> {
        self.reason.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

fn is_too_large(error: &KafkaError) -> bool {
    let code = error.rdkafka_error_code();
    matches!(code, Some(RDKafkaErrorCode::MessageSizeTooLarge | RDKafkaErrorCode::MessageBatchTooLarge))
}

impl ClientContext for Context {
    const ENABLE_REFRESH_OAUTH_TOKEN: bool = true;

    fn error(&self, error: KafkaError, reason: &str) {
        tracing::debug!("producer: {error}: {reason}");
        // that all are away does not say why
        if error.rdkafka_error_code() != Some(RDKafkaErrorCode::AllBrokersDown) {
            let said = Some(format!("{error}: {reason}"));
            *self.reason.lock().unwrap_or_else(PoisonError::into_inner) = said;
        }
    }

    fn generate_oauth_token(&self, _: Option<&str>) -> Result<OAuthToken, Box<dyn std::error::Error>> {
        let sasl = self.sasl.as_ref().ok_or("no login is configured")?;
        Ok(sasl.bearer(wall() / 1_000)?)
    }
}

impl ProducerContext for Context {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, (): ()) {
        match result {
            Ok(_) => {}
            Err((error, message)) if is_too_large(error) => {
                let id = message.key().map(|key| String::from_utf8_lossy(key).into_owned());
                self.too_large().extend(id);
            }
            Err(_) => drop(self.failed.fetch_add(1, Ordering::Relaxed)),
        }
    }
}

struct KafkaSink {
    producer: BaseProducer<Context>,
    topic: String,
    /// It was said that alerts are too large.
    told: bool,
}

impl Sink for KafkaSink {
    fn deliver(&mut self, alerts: &[Arc<OutAlert>], stop: &dyn Fn() -> bool) -> Result<(), String> {
        let all: Vec<_> = alerts.iter().map(|alert| (alert.id.as_str(), alert.json.as_str())).collect();
        let refused = self.batch(&all, &Patience::new(stop))?;
        for alert in alerts.iter().filter(|alert| refused.contains(&alert.id)) {
            // each has its own time: together they take longer than a batch, and would begin anew for ever
            let patience = Patience::new(stop);
            let alone = &[(alert.id.as_str(), alert.json.as_str())];
            if !self.batch(alone, &patience)?.is_empty() {
                self.shorten(alert, &patience)?;
            }
        }
        Ok(())
    }
}

impl KafkaSink {
    /// Sends messages, a key and a body each, and waits for the brokers' word. Gives back the keys of those that were
    /// refused for their size; all others are where they belong.
    fn batch(&self, messages: &[(&str, &str)], patience: &Patience<'_>) -> Result<HashSet<String>, String> {
        self.producer.context().too_large().clear();
        let failed_before = self.producer.context().failed.load(Ordering::Relaxed);
        let delivered = self.send(messages, patience).and_then(|()| self.flush(patience));
        if let Err(error) = delivered {
            // all of it is sent again: what is still on its way must not follow behind
            self.producer.purge(PurgeConfig::default().queue().inflight());
            self.producer.poll(Duration::from_millis(100));
            return Err(error);
        }
        match self.producer.context().failed.load(Ordering::Relaxed) - failed_before {
            0 => Ok(std::mem::take(&mut *self.producer.context().too_large())),
            failed => Err(format!("{failed} alerts were not taken by the brokers")),
        }
    }

    fn flush(&self, patience: &Patience<'_>) -> Result<(), String> {
        loop {
            match self.producer.flush(BREATH) {
                Err(KafkaError::Flush(RDKafkaErrorCode::OperationTimedOut)) if !patience.is_over() => {}
                flushed => return flushed.map_err(|error| format!("the brokers take too long: {error}")),
            }
        }
    }

    fn send(&self, messages: &[(&str, &str)], patience: &Patience<'_>) -> Result<(), String> {
        for (id, json) in messages {
            loop {
                let record = BaseRecord::to(&self.topic).key(*id).payload(*json);
                match self.producer.send(record) {
                    Ok(()) => break,
                    Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), _))
                        if !patience.is_over() =>
                    {
                        self.producer.poll(Duration::from_millis(50));
                    }
                    Err((error, _)) if is_too_large(&error) => {
                        self.producer.context().too_large().insert((*id).to_owned());
                        break;
                    }
                    Err((error, _)) => return Err(error.to_string()),
                }
            }
        }
        Ok(())
    }

    /// An alert that is too large goes out with less and less of it. One that is too large even so is given up.
    fn shorten(&mut self, alert: &OutAlert, patience: &Patience<'_>) -> Result<(), String> {
        let mut is_taken = false;
        for most in ALERT_PARTS {
            let short = shortened(alert, *most);
            is_taken = self.batch(&[(&alert.id, &short)], patience)?.is_empty();
            if is_taken {
                break;
            }
        }
        metrics::counter!("virga_dropped_total", "cause" => "alert_too_large").increment(1);
        if !is_taken {
            tracing::error!(
                alert = %alert.id, topic = %self.topic, bytes = alert.json.len(),
                "an alert is too large for the topic even when it is shortened, and is not sent: raise the topic's \
                 `max.message.bytes`"
            );
        } else if !std::mem::replace(&mut self.told, true) {
            tracing::warn!(
                alert = %alert.id, topic = %self.topic, bytes = alert.json.len(),
                "an alert is too large for the topic and was sent shortened, as others like it will be: raise the \
                 topic's `max.message.bytes`; `virga_dropped_total{{cause=\"alert_too_large\"}}` counts them"
            );
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use rdkafka::consumer::{BaseConsumer, Consumer};
    use rdkafka::mocking::MockCluster;
    use rdkafka::types::{RDKafkaApiKey, RDKafkaRespErr};
    use rdkafka::{ClientConfig, Offset, TopicPartitionList};

    use super::*;

    fn alert(id: &str, body: usize) -> Arc<OutAlert> {
        let json =
            format!(r#"{{"alert_id":"{id}","rule":{{"id":"r"}},"fields":{{"b":"{}"}}}}"#, "x".repeat(body));
        Arc::new(OutAlert { id: id.into(), rule: "r".into(), level: None, json, arrived: 0 })
    }

    /// What a topic holds: keys, and whether the body is shortened.
    fn held(servers: &str, count: usize) -> Vec<(String, bool)> {
        let mut client = ClientConfig::new();
        client.set("bootstrap.servers", servers).set("group.id", "g").set("auto.offset.reset", "earliest");
        client.set("fetch.message.max.bytes", "100000000").set("receive.message.max.bytes", "200000000");
        let consumer: BaseConsumer = client.create().unwrap();
        let mut whole = TopicPartitionList::new();
        whole.add_partition_offset("alerts", 0, Offset::Beginning).unwrap();
        consumer.assign(&whole).unwrap();
        let until = Instant::now() + Duration::from_secs(60);
        let mut found = Vec::new();
        while found.len() < count && Instant::now() < until {
            if let Some(Ok(message)) = consumer.poll(Duration::from_millis(100)) {
                let text =
                    |bytes: Option<&[u8]>| String::from_utf8(bytes.unwrap_or_default().to_vec()).unwrap();
                found.push((text(message.key()), text(message.payload()).contains(r#""cut":["fields"]"#)));
            }
        }
        found
    }

    #[test]
    fn an_alert_that_is_too_large_goes_out_shortened_and_holds_up_none() {
        // the size of the alert in the middle, the client's own limit, and how often the broker refuses
        for (body, limit, refusals, expected) in [
            // more than the client takes unless it is told to
            (3_000_000, None, 0, vec![("a", false), ("b", false), ("c", false)]),
            (100_000, Some("10000"), 0, vec![("a", false), ("c", false), ("b", true)]),
            // a batch is refused as a whole: each is tried by itself
            (10, None, 1, vec![("a", false), ("b", false), ("c", false)]),
            // the first is refused by itself too
            (100_000, None, 2, vec![("a", true), ("b", false), ("c", false)]),
            // and however short it is: it is given up
            (10, None, 4, vec![("b", false), ("c", false)]),
        ] {
            let cluster = MockCluster::new(1).unwrap();
            cluster.create_topic("alerts", 1, 1).unwrap();
            let large = RDKafkaRespErr::RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE;
            cluster.request_errors(RDKafkaApiKey::Produce, &vec![large; refusals]);
            let options = limit.map(|limit| ("message.max.bytes".to_owned(), limit.to_owned()));
            // all three are one batch
            let linger = ("linger.ms".to_owned(), "500".to_owned());
            let config = KafkaSinkConfig {
                brokers: vec![cluster.bootstrap_servers()],
                topic: "alerts".into(),
                tls: None,
                sasl: None,
                options: options.into_iter().chain([linger]).collect(),
            };
            let sizes = if refusals == 2 { [body, 10, 10] } else { [10, body, 10] };
            let alerts: Vec<_> =
                ["a", "b", "c"].into_iter().zip(sizes).map(|(id, size)| alert(id, size)).collect();
            config.open().unwrap().deliver(&alerts, &|| false).unwrap();
            let held = held(&cluster.bootstrap_servers(), expected.len());
            let held: Vec<_> = held.iter().map(|(key, short)| (key.as_str(), *short)).collect();
            assert_eq!(held, expected, "{body} {limit:?} {refusals}");
        }
    }

    #[test]
    fn a_check_says_why_brokers_cannot_be_reached() {
        let config = KafkaSinkConfig {
            brokers: vec!["127.0.0.1:1".into()],
            topic: "alerts".into(),
            tls: None,
            sasl: None,
            options: BTreeMap::new(),
        };
        let error = config.check().unwrap_err();
        assert!(error.contains("127.0.0.1:1 cannot be reached"), "{error}");
        assert!(error.contains("Connection refused"), "{error}");
    }

    #[test]
    fn brokers_that_are_away_are_not_waited_for_when_there_is_no_time_left() {
        let config = KafkaSinkConfig {
            brokers: vec!["127.0.0.1:1".into()],
            topic: "alerts".into(),
            tls: None,
            sasl: None,
            options: BTreeMap::new(),
        };
        let began = Instant::now();
        let asked = std::cell::Cell::new(0);
        let stop = || {
            asked.set(asked.get() + 1);
            asked.get() > 3
        };
        assert!(config.open().unwrap().deliver(&[alert("a", 10)], &stop).is_err());
        assert!(began.elapsed() < DELIVERING / 2, "{:?}", began.elapsed());
    }
}
