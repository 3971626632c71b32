//! A bucket that tells queues of its objects (moto), and objects that a daemon is to read.

use std::collections::BTreeMap;
use std::io::Write;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};
use virga_test_support::Moto;

use super::{Chance, Daemon, Place, until};

/// An object: its key, and its bytes.
pub type Object = (String, Vec<u8>);

/// A bucket, and queues that are each told of all that is put into it.
pub struct Bucket {
    pub moto: Moto,
    queues: Vec<String>,
}

impl Bucket {
    /// `None` where no Python has moto; said on standard error.
    pub fn start(queues: &[&str]) -> Option<Self> {
        let mut moto = Moto::start()?;
        moto.call("s3", "create_bucket", json!({ "Bucket": "trail" }));
        let mut urls = Vec::new();
        let mut told = Vec::new();
        for name in queues {
            let queue = moto.call("sqs", "create_queue", json!({ "QueueName": name }));
            urls.push(queue["QueueUrl"].as_str().expect("its address").to_owned());
            told.push(json!({
                "QueueArn": format!("arn:aws:sqs:us-east-1:123456789012:{name}"), "Events": ["s3:ObjectCreated:*"],
            }));
        }
        let configuration = json!({ "QueueConfigurations": told });
        let arguments = json!({ "Bucket": "trail", "NotificationConfiguration": configuration });
        moto.call("s3", "put_bucket_notification_configuration", arguments);
        Some(Self { moto, queues: urls })
    }

    /// The part of a configuration that reads by one of the queues.
    pub fn input(&self, queue: usize, lateness: &str, visibility: u32) -> String {
        format!(
            "[[input]]\nname = \"trail\"\nsource = \"aws.cloudtrail\"\nlateness = \"{lateness}\"\n\
             [input.s3]\nurl = \"s3://trail/AWSLogs/\"\nqueue = \"{}\"\nsettle = \"0s\"\n\
             visibility = \"{visibility}s\"\n\
             [input.s3.store]\nendpoint = \"{}\"\nregion = \"us-east-1\"\n",
            self.queues[queue], self.moto.endpoint
        )
    }

    /// The part of a configuration that lists.
    pub fn listed(&self, lateness: &str) -> String {
        format!(
            "[[input]]\nname = \"trail\"\nsource = \"aws.cloudtrail\"\nlateness = \"{lateness}\"\n\
             [input.s3]\nurl = \"s3://trail/AWSLogs/\"\nlist_every = \"1s\"\n\
             [input.s3.store]\nendpoint = \"{}\"\nregion = \"us-east-1\"\n",
            self.moto.endpoint
        )
    }

    pub fn put(&mut self, objects: &[Object]) {
        self.moto.put_many("trail", objects.iter().map(|(key, body)| (key.as_str(), body.as_slice())));
    }

    /// Tells a queue again of an object.
    pub fn tell(&mut self, queue: usize, key: &str) {
        self.tell_of("trail", queue, key);
    }

    /// Tells a queue of an object of whatever bucket.
    pub fn tell_of(&mut self, bucket: &str, queue: usize, key: &str) {
        let body = json!({"detail-type": "Object Created", "detail": {"bucket": {"name": bucket}, "object": {"key": key}}});
        let arguments = json!({ "QueueUrl": self.queues[queue], "MessageBody": body.to_string() });
        self.moto.call("sqs", "send_message", arguments);
    }

    /// Messages in a queue, those in somebody's hands included.
    pub fn messages(&mut self, queue: usize) -> u64 {
        let arguments = json!({ "QueueUrl": self.queues[queue], "AttributeNames": ["All"] });
        let answer = self.moto.call("sqs", "get_queue_attributes", arguments);
        let count =
            |name: &str| answer["Attributes"][name].as_str().and_then(|text| text.parse::<u64>().ok());
        count("ApproximateNumberOfMessages").unwrap_or(0)
            + count("ApproximateNumberOfMessagesNotVisible").unwrap_or(0)
    }

    /// How often each kind of request was sent since the last time.
    pub fn asked(&mut self) -> BTreeMap<String, usize> {
        let mut counts = BTreeMap::new();
        for request in self.moto.requests() {
            // of a store the verb, of a service what it is to do
            let kind =
                request.rsplit_once("AmazonSQS.").map_or(request.split(' ').next(), |(_, kind)| Some(kind));
            *counts.entry(kind.unwrap_or_default().to_owned()).or_default() += 1;
        }
        counts
    }

    /// Waits until every message is deleted, which is behind the checkpoint of what it told of.
    pub fn wait_until_read(&mut self, queue: usize, place: &Place, most: Duration) {
        let end = std::time::Instant::now() + most;
        loop {
            let left = self.messages(queue);
            if left == 0 {
                return;
            }
            assert!(std::time::Instant::now() < end, "{left} messages after {most:?}:\n{}", place.log());
            std::thread::sleep(Duration::from_millis(200));
        }
    }
}

/// Seconds since 1970, by the clock that also stamps objects and messages.
pub fn now() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs() as i64)
}

/// Waits until all that happened by a time is certain.
pub fn wait_for_watermark(daemon: &Daemon, time: i64, most: Duration) {
    until(&format!("the watermark passes {time}"), most, || {
        let metrics = daemon.get("/metrics");
        let lines = metrics.lines().find_map(|line| line.strip_prefix("virga_watermark_timestamp_seconds "));
        lines.and_then(|text| text.parse::<f64>().ok()).is_some_and(|at| at > time as f64)
    });
}

/// An object of CloudTrail that holds these events.
pub fn object(account: u64, second: i64, number: u64, events: &[Value]) -> Object {
    let shown = virga_engine::alert::show_time(second * 1_000_000);
    let (day, minute) = (shown[..10].replace('-', "/"), shown[..16].replace(['-', ':'], ""));
    let account = 111_122_220_000 + account;
    let key = format!(
        "AWSLogs/{account}/CloudTrail/us-east-1/{day}/{account}_CloudTrail_us-east-1_{minute}Z_{number:08}.json.gz"
    );
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(json!({ "Records": events }).to_string().as_bytes()).expect("memory");
    (key, encoder.finish().expect("memory"))
}

/// The name of an event: failures mostly, now and then an intruder, and much that is neither.
pub fn name(chance: &mut Chance) -> &'static str {
    match chance.below(10) {
        0..=2 => "FailedLogin",
        3 if chance.below(10) == 0 => "Intrusion",
        _ => "ConsoleLogin",
    }
}
