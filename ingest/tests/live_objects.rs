//! Objects as they come, told by a queue or found by listing: each once, none lost, whatever is redelivered or
//! restarted. Against moto; skipped with a word where no Python is at hand.
#![cfg(feature = "object-store")]

use std::collections::BTreeMap;
use std::io::Read;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use virga_engine::event::OriginBase;
use virga_ingest::position::Positions;
use virga_ingest::transport::live::{Contents, Event, Frontier, LiveConfig, LiveTransport, OpenContext};
use virga_ingest::transport::object_store::ObjectsConfig;
use virga_test_support::Moto;

const NOW: i64 = 4_000_000_000_000_000;

/// A server, a bucket and a queue that the bucket tells; the configuration that reads them.
struct Bench {
    moto: Moto,
    queue: String,
}

impl Bench {
    fn start() -> Option<Self> {
        let mut moto = Moto::start()?;
        moto.call("s3", "create_bucket", json!({ "Bucket": "trail" }));
        let queue = moto.call("sqs", "create_queue", json!({ "QueueName": "virga" }));
        let queue = queue["QueueUrl"].as_str().expect("its address").to_owned();
        // moto names itself by the host that it was asked by
        assert!(queue.contains("127.0.0.1"), "{queue}");
        Some(Self { moto, queue })
    }

    fn notify(&mut self) {
        let configuration = json!({ "QueueConfigurations": [{
            "QueueArn": "arn:aws:sqs:us-east-1:123456789012:virga", "Events": ["s3:ObjectCreated:*"],
        }]});
        let arguments = json!({ "Bucket": "trail", "NotificationConfiguration": configuration });
        self.moto.call("s3", "put_bucket_notification_configuration", arguments);
    }

    fn config(&self, queue: bool, settle: u32, visibility: u32) -> ObjectsConfig {
        let mut config = json!({
            "url": "s3://trail/AWSLogs/", "settle_seconds": settle, "visibility_seconds": visibility, "list_seconds": 1,
            "store": { "endpoint": self.moto.endpoint, "region": "us-east-1", "credentials": "profile", "profile": "virga" },
        });
        if queue {
            config["queue"] = Value::from(self.queue.as_str());
        }
        serde_json::from_value(config).expect("a configuration")
    }

    fn send(&mut self, body: &Value) {
        let arguments = json!({ "QueueUrl": self.queue, "MessageBody": body.to_string() });
        self.moto.call("sqs", "send_message", arguments);
    }

    /// Messages in the queue, those in somebody's hands included.
    fn messages(&mut self) -> u64 {
        let arguments = json!({ "QueueUrl": self.queue, "AttributeNames": ["All"] });
        let answer = self.moto.call("sqs", "get_queue_attributes", arguments);
        let count =
            |name: &str| answer["Attributes"][name].as_str().and_then(|text| text.parse::<u64>().ok());
        count("ApproximateNumberOfMessages").unwrap_or(0)
            + count("ApproximateNumberOfMessagesNotVisible").unwrap_or(0)
    }
}

fn credentials() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    let text = "[virga]\naws_access_key_id = test\naws_secret_access_key = test\n";
    std::fs::create_dir_all(folder.path().join(".aws")).expect("a folder");
    std::fs::write(folder.path().join(".aws/credentials"), text).expect("a file");
    folder
}

fn open(config: &ObjectsConfig, state: &Path, positions: &Positions) -> Box<dyn LiveTransport> {
    let context = OpenContext {
        input: "trail".into(),
        instance: "test".into(),
        positions: positions.clone(),
        known: !positions.is_empty(),
        clock: Arc::new(|| NOW),
        state: state.to_path_buf(),
        stop: Arc::default(),
    };
    config.open(context).expect("the input opens")
}

#[derive(Default)]
struct Reading {
    /// Key → how often, and what it held.
    objects: BTreeMap<String, (u32, String)>,
    positions: Positions,
    ticket: u64,
    notes: Vec<String>,
    since: i64,
}

impl Reading {
    /// Reads until so many objects have come or time is over.
    fn until(&mut self, transport: &mut dyn LiveTransport, objects: usize, patience: Duration) {
        let until = Instant::now() + patience;
        while self.objects.len() < objects && Instant::now() < until {
            self.step(transport);
        }
    }

    fn step(&mut self, transport: &mut dyn LiveTransport) {
        match transport.poll(Duration::from_millis(200)).expect("it is read") {
            Some(Event::Delivery(delivery)) => {
                let Contents::Stream(mut input, _) = delivery.contents else { panic!("an object") };
                let OriginBase::Object { key, .. } = &input.base else { panic!("an object") };
                let mut text = String::new();
                input.reader.read_to_string(&mut text).expect("its body");
                let entry = self.objects.entry(key.to_string()).or_default();
                *entry = (entry.0 + 1, text);
                self.positions.set(&delivery.partition, delivery.position.expect("a position"));
                assert_eq!(delivery.ticket, self.ticket + 1);
                self.ticket = delivery.ticket;
                self.frontier(delivery.frontier);
            }
            Some(Event::Reached { frontier, .. }) => self.frontier(frontier),
            Some(Event::Note(note)) => self.notes.push(format!("{}: {}", note.cause, note.message)),
            _ => {}
        }
    }

    fn frontier(&mut self, frontier: Frontier) {
        let Frontier::Unread { since } = frontier else { panic!("{frontier:?}") };
        assert!(since >= self.since, "the bound went back");
        self.since = since;
    }
}

/// One test, for its environment is the process's: where the profile stands.
#[test]
fn every_object_comes_once_and_its_message_goes_behind_the_checkpoint() {
    let Some(mut bench) = Bench::start() else { return };
    let home = credentials();
    let profile = home.path().join(".aws/credentials");
    let mut config = bench.config(true, 0, 30);
    config.store.profile = Some("virga".into());
    config.store.profile_file = Some(profile.clone());
    let state = tempfile::tempdir().expect("a folder");
    bench.notify();
    for number in 0..7 {
        bench.moto.put(
            "trail",
            &format!("AWSLogs/a b/{number}+ü.json"),
            format!("{{\"n\":{number}}}").as_bytes(),
        );
    }
    bench.moto.put("trail", "elsewhere/x.json", b"{}");
    bench.moto.put("trail", "AWSLogs/1/CloudTrail-Digest/d.json.gz", b"{}");
    let event = |key: &str| json!({"detail-type": "Object Created", "detail": {"bucket": {"name": "trail"}, "object": {"key": key}}});
    bench.moto.put_many(
        "trail",
        [("AWSLogs/bridge.json", &b"{\"n\":100}"[..]), ("AWSLogs/sns.json", b"{\"n\":101}")].into_iter(),
    );
    bench.send(&event("AWSLogs/bridge.json"));
    bench.send(&json!({"Type": "Notification", "Message": event("AWSLogs/sns.json").to_string()}));
    bench.send(&json!({"Service": "Amazon S3", "Event": "s3:TestEvent"}));
    let said = config.check(&OpenContext {
        input: "trail".into(),
        instance: "test".into(),
        positions: Positions::default(),
        known: false,
        clock: Arc::new(|| NOW),
        state: state.path().to_path_buf(),
        stop: Arc::default(),
    });
    assert!(said.expect("it works").contains("that the queue tells of"));

    let mut transport = open(&config, state.path(), &Positions::default());
    let mut read = Reading::default();
    read.until(&mut *transport, 9, Duration::from_secs(20));
    assert_eq!(read.objects.len(), 9, "{:?} {:?}", read.objects.keys(), read.notes);
    assert_eq!(read.objects["AWSLogs/a b/3+ü.json"], (1, "{\"n\":3}".to_owned()));
    assert_eq!(read.objects["AWSLogs/sns.json"].1, "{\"n\":101}");
    // nothing is deleted before the checkpoint, except what told of nothing that is read
    let until = Instant::now() + Duration::from_secs(15);
    while bench.messages() > 11 && Instant::now() < until {
        read.step(&mut *transport);
    }
    // two of the objects are told of twice: by the bucket itself, and by what was sent above
    assert_eq!(bench.messages(), 11);
    assert!(read.objects.values().all(|(times, _)| *times == 1), "{:?}", read.objects);
    transport.acknowledge(read.ticket, &read.positions);
    assert_eq!(bench.messages(), 0, "{:?}", read.notes);
    // all that was there is read: the bound comes to the clock
    let until = Instant::now() + Duration::from_secs(15);
    while read.since < NOW && Instant::now() < until {
        read.step(&mut *transport);
    }
    assert_eq!(read.since, NOW);
    // told of again: known, deleted, not read
    bench.send(&event("AWSLogs/bridge.json"));
    let until = Instant::now() + Duration::from_secs(15);
    while bench.messages() > 0 && Instant::now() < until {
        read.step(&mut *transport);
    }
    assert_eq!((bench.messages(), read.objects["AWSLogs/bridge.json"].0), (0, 1));
    transport.close();

    // delivered, and no checkpoint behind it: a new process reads it again; with one it does not
    let checkpoint = read.positions.clone();
    bench.moto.put("trail", "AWSLogs/late.json", b"{\"n\":200}");
    let mut transport = open(&config, state.path(), &checkpoint);
    (read.ticket, read.since) = (0, 0);
    read.until(&mut *transport, 10, Duration::from_secs(20));
    assert_eq!(read.objects["AWSLogs/late.json"].0, 1);
    transport.close();
    let mut transport = open(&config, state.path(), &checkpoint);
    let mut again = Reading::default();
    again.until(&mut *transport, 1, Duration::from_secs(20));
    assert_eq!(again.objects.keys().collect::<Vec<_>>(), ["AWSLogs/late.json"]);
    transport.acknowledge(again.ticket, &again.positions);
    assert_eq!(bench.messages(), 0);
    transport.close();

    // by listing, with a ledger of its own: all, once; new ones after
    let state = tempfile::tempdir().expect("a folder");
    let mut config = bench.config(false, 0, 30);
    config.store.profile_file = Some(profile);
    let mut transport = open(&config, state.path(), &Positions::default());
    let mut listed = Reading::default();
    listed.until(&mut *transport, 10, Duration::from_secs(20));
    bench.moto.put("trail", "AWSLogs/new.json", b"{}");
    listed.until(&mut *transport, 11, Duration::from_secs(20));
    assert_eq!(listed.objects.len(), 11, "{:?}", listed.notes);
    assert!(listed.objects.values().all(|(times, _)| *times == 1));
    transport.acknowledge(listed.ticket, &listed.positions);
    transport.close();
}
