//! What tests of `virga run` need: a broker, a bucket, events, a daemon that can be killed.

pub mod archive;
pub mod objects;

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rdkafka::admin::{AdminClient, AdminOptions, NewPartitions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::mocking::MockCluster;
use rdkafka::producer::{BaseProducer, BaseRecord, DefaultProducerContext, Producer};
use rdkafka::{ClientConfig, Offset, TopicPartitionList};
use serde_json::{Value, json};
use virga_test_support::workspace;

/// The real Kafka where Java and Maven are, else librdkafka's own.
pub enum Broker {
    Real { folder: tempfile::TempDir, address: String },
    Mock { address: String, _cluster: MockCluster<'static, DefaultProducerContext> },
}

impl Broker {
    pub fn start() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        match script("start", folder.path()) {
            Some(address) => {
                eprintln!("broker: Apache Kafka at {address}");
                Self::Real { folder, address }
            }
            None => {
                let cluster = MockCluster::new(1).expect("a mock cluster");
                let address = cluster.bootstrap_servers();
                eprintln!("broker: librdkafka's mock cluster, for Java or Maven are missing");
                Self::Mock { address, _cluster: cluster }
            }
        }
    }

    /// The real Kafka, or `None` with a word: for what the mock has no function of.
    pub fn real() -> Option<Self> {
        let broker = Self::start();
        if matches!(broker, Self::Mock { .. }) {
            eprintln!("skipped: only the real Kafka does this");
            return None;
        }
        Some(broker)
    }

    /// The real Kafka, with listeners that want TLS and a login besides; `None` where it cannot be had.
    pub fn start_secure() -> Option<Self> {
        let folder = tempfile::tempdir().expect("a folder");
        let address = script("secure", folder.path())?;
        Some(Self::Real { folder, address })
    }

    /// Where a real one lies.
    pub fn folder(&self) -> &Path {
        match self {
            Self::Real { folder, .. } => folder.path(),
            Self::Mock { .. } => panic!("it is not a real one"),
        }
    }

    /// What a file of a real one says.
    pub fn file(&self, name: &str) -> String {
        fs::read_to_string(self.folder().join(name)).expect("a file").trim().to_owned()
    }

    pub fn address(&self) -> &str {
        match self {
            Self::Real { address, .. } | Self::Mock { address, .. } => address,
        }
    }

    /// Ends the broker and starts it again on its port; false where it is not a real one.
    pub fn restart(&self, away: Duration) -> bool {
        let Self::Real { folder, .. } = self else { return false };
        script("kill", folder.path());
        std::thread::sleep(away);
        script("start", folder.path()).is_some()
    }

    pub fn create(&self, topic: &str, partitions: i32) {
        let admin: AdminClient<DefaultClientContext> = self.client().create().expect("an admin client");
        let new =
            NewTopic::new(topic, partitions, TopicReplication::Fixed(1)).set("max.message.bytes", "12582912");
        let made = runtime().block_on(admin.create_topics([&new], &AdminOptions::new())).expect("an answer");
        assert!(made.iter().all(Result::is_ok), "{made:?}");
    }

    /// Deletes a topic and makes another of its name, as soon as the broker has let the first go.
    pub fn make_anew(&self, topic: &str, partitions: i32) {
        let admin: AdminClient<DefaultClientContext> = self.client().create().expect("an admin client");
        let options = AdminOptions::new();
        let deleted = runtime().block_on(admin.delete_topics(&[topic], &options)).expect("an answer");
        assert!(deleted.iter().all(Result::is_ok), "{deleted:?}");
        until("it can be made anew", Duration::from_secs(30), || {
            let new = NewTopic::new(topic, partitions, TopicReplication::Fixed(1));
            let made = runtime().block_on(admin.create_topics([&new], &options)).expect("an answer");
            made.iter().all(Result::is_ok)
        });
    }

    /// Drops what lies before an offset, as retention does.
    pub fn delete_records(&self, topic: &str, partition: i32, before: i64) {
        let admin: AdminClient<DefaultClientContext> = self.client().create().expect("an admin client");
        let mut list = TopicPartitionList::new();
        list.add_partition_offset(topic, partition, Offset::Offset(before)).expect("a partition");
        let done = runtime().block_on(admin.delete_records(&list, &AdminOptions::new()));
        done.expect("they are dropped");
    }

    /// Makes partitions, until there are so many.
    pub fn add_partitions(&self, topic: &str, count: usize) {
        let admin: AdminClient<DefaultClientContext> = self.client().create().expect("an admin client");
        let new = NewPartitions::new(topic, count);
        let made =
            runtime().block_on(admin.create_partitions([&new], &AdminOptions::new())).expect("an answer");
        assert!(made.iter().all(Result::is_ok), "{made:?}");
    }

    pub fn client(&self) -> ClientConfig {
        let mut client = ClientConfig::new();
        client.set("bootstrap.servers", self.address());
        client
    }

    pub fn producer(&self) -> BaseProducer {
        let mut client = self.client();
        client.set("compression.type", "zstd").set("message.max.bytes", "12582912").set("linger.ms", "5");
        client.create().expect("a producer")
    }
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime")
}

impl Drop for Broker {
    fn drop(&mut self) {
        if let Self::Real { folder, .. } = self {
            script("kill", folder.path());
        }
    }
}

/// What the script prints; `None` where it says that it cannot.
fn script(what: &str, folder: &Path) -> Option<String> {
    let output = Command::new(workspace().join("tests/kafka/kafka.sh"))
        .args([what.as_ref(), folder.as_os_str()])
        .stderr(Stdio::inherit())
        .output()
        .expect("the script runs");
    match output.status.code() {
        Some(0) => {
            Some(String::from_utf8_lossy(&output.stdout).lines().last().unwrap_or_default().trim().to_owned())
        }
        Some(3) => None,
        other => panic!("kafka.sh {what}: {other:?}"),
    }
}

pub fn send(producer: &BaseProducer, topic: &str, partition: i32, payload: &[u8]) {
    loop {
        let record = BaseRecord::<(), [u8]>::to(topic).partition(partition).payload(payload);
        match producer.send(record) {
            Ok(()) => break,
            Err(_) => {
                producer.poll(Duration::from_millis(20));
            }
        }
    }
    producer.poll(Duration::ZERO);
}

pub fn flush(producer: &BaseProducer) {
    producer.flush(Duration::from_secs(60)).expect("all is written");
}

/// Chance that is the same each time.
pub struct Chance(pub u64);

impl Chance {
    pub fn below(&mut self, most: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % most.max(1)
    }
}

/// An event of CloudTrail: `second` since a day of 2024.
pub fn event(number: u64, second: u64, name: &str, address: &str) -> Value {
    event_at(number, 1_714_521_600 + second as i64, name, address)
}

/// An event of CloudTrail: `second` since 1970.
pub fn event_at(number: u64, second: i64, name: &str, address: &str) -> Value {
    let time = virga_engine::alert::show_time(second * 1_000_000);
    json!({
        "eventVersion": "1.08", "eventSource": "signin.amazonaws.com", "eventName": name,
        "eventID": format!("00000000-0000-4000-8000-{number:012x}"), "eventTime": time,
        "awsRegion": "us-east-1", "sourceIPAddress": address, "recipientAccountId": "111122223333",
        "userIdentity": {"type": "IAMUser", "userName": format!("user{}", number % 17), "accountId": "111122223333"},
        "requestParameters": null, "responseElements": null,
    })
}

/// The rules that a run under load raises alerts of, whatever its chance.
pub const TITLES: [&str; 4] = [
    "Failed sign-in",
    "Many failures from an address",
    "Failures of many users from an address",
    "An intruder after failures",
];

const RULES: &str = r#"title: Failed sign-in
id: 11111111-0000-4000-8000-000000000001
name: failed_signin
status: test
logsource: {product: aws, service: cloudtrail}
detection:
  selection: {eventName: FailedLogin}
  condition: selection
level: low
---
title: Sign-in of an intruder
id: 11111111-0000-4000-8000-000000000002
name: intruder
status: test
logsource: {product: aws, service: cloudtrail}
detection:
  selection: {eventName: Intrusion}
  condition: selection
level: high
---
title: Many failures from an address
id: 11111111-0000-4000-8000-000000000003
status: test
correlation:
  type: event_count
  rules: [failed_signin]
  group-by: [sourceIPAddress]
  timespan: 1m
  condition: {gte: 5}
  generate: true
level: high
---
title: Failures of many users from an address
id: 11111111-0000-4000-8000-000000000004
status: test
correlation:
  type: value_count
  rules: [failed_signin]
  group-by: [sourceIPAddress]
  timespan: 2m
  condition: {gte: 4, field: userIdentity.userName}
  generate: true
level: medium
---
title: An intruder after failures
id: 11111111-0000-4000-8000-000000000005
status: test
correlation:
  type: temporal_ordered
  rules: [failed_signin, intruder]
  group-by: [sourceIPAddress]
  timespan: 5m
  generate: true
level: critical
"#;

/// A place for one daemon: configuration, state, alerts.
pub struct Place {
    pub folder: tempfile::TempDir,
}

impl Place {
    /// `inputs` and `more` are parts of the configuration.
    pub fn new(input: &str, more: &str) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        fs::create_dir(folder.path().join("rules")).expect("a folder of rules");
        fs::write(folder.path().join("rules/rules.yml"), RULES).expect("rules");
        let place = Self { folder };
        place.configure(input, more);
        place
    }

    pub fn configure(&self, input: &str, more: &str) {
        let config = format!(
            "[state]\nfolder = \"state\"\n[checkpoint]\nevery = \"200ms\"\n[rules]\npaths = [\"rules\"]\n\
             [metrics]\nlisten = \"127.0.0.1:0\"\naddress_file = \"address\"\n[limits]\nworkers = 2\n\
             [[sink]]\nname = \"alerts\"\nfile = {{ path = \"alerts.ndjson\" }}\n{input}\n{more}\n"
        );
        fs::write(self.path("virga.toml"), config).expect("a configuration");
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn command(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_virga"));
        command.arg("run").arg("-c").arg(self.path("virga.toml")).stdin(Stdio::null());
        // what moto takes for a login
        command
            .env("AWS_ACCESS_KEY_ID", "test")
            .env("AWS_SECRET_ACCESS_KEY", "test")
            .env_remove("AWS_PROFILE");
        command
    }

    pub fn start(&self) -> Daemon {
        self.start_as(self.command(), Stdio::null())
    }

    /// Starts what runs the daemon.
    pub fn start_as(&self, mut command: Command, stdout: Stdio) -> Daemon {
        let log = File::options().create(true).append(true).open(self.path("log")).expect("a log");
        let child = command.stdout(stdout).stderr(log).spawn().expect("the daemon starts");
        self.daemon(child)
    }

    /// A daemon of this place that was started otherwise.
    pub fn daemon(&self, child: Child) -> Daemon {
        Daemon { child, log: self.path("log"), address: self.path("address") }
    }

    /// Changes the configuration.
    pub fn replace(&self, from: &str, to: &str) {
        let config = fs::read_to_string(self.path("virga.toml")).expect("a configuration");
        assert!(config.contains(from), "{config}");
        fs::write(self.path("virga.toml"), config.replace(from, to)).expect("a configuration");
    }

    /// Hits that came behind the watermark.
    pub fn late(&self) -> String {
        fs::read_to_string(self.path("state/late.ndjson")).unwrap_or_default()
    }

    /// What could not be read.
    pub fn quarantined(&self) -> String {
        fs::read_to_string(self.path("state/quarantine.ndjson")).unwrap_or_default()
    }

    pub fn log(&self) -> String {
        fs::read_to_string(self.path("log")).unwrap_or_default()
    }

    /// How often each alert was delivered, by id, with its rule.
    pub fn alerts(&self) -> BTreeMap<String, (String, u32)> {
        let mut alerts = BTreeMap::new();
        // the sink begins a new file where one has grown
        let files = (0..).map(|number| match number {
            0 => self.path("alerts.ndjson"),
            number => self.path(&format!("alerts.ndjson.{number}")),
        });
        let texts = files.map_while(|path| fs::read_to_string(path).ok()).collect::<String>();
        for line in texts.lines() {
            let Ok(alert) = serde_json::from_str::<Value>(line) else { continue };
            let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
            let entry = alerts.entry(text(&alert["alert_id"])).or_insert((text(&alert["rule"]["title"]), 0));
            entry.1 += 1;
        }
        alerts
    }

    /// How many alerts were delivered, those that came twice counted twice: for whoever asks often.
    pub fn delivered(&self) -> usize {
        let count = |path: &Path| {
            fs::read(path).map_or(0, |bytes| bytes.iter().filter(|byte| **byte == b'\n').count())
        };
        let older = (1..).map(|number| self.path(&format!("alerts.ndjson.{number}")));
        count(&self.path("alerts.ndjson"))
            + older.take_while(|path| path.exists()).map(|path| count(&path)).sum::<usize>()
    }

    pub fn ids(&self) -> Vec<String> {
        self.alerts().into_keys().collect()
    }
}

pub fn kafka_input(broker: &Broker, topic: &str, group: &str) -> String {
    format!(
        "[[input]]\nname = \"trail\"\nlateness = \"30s\"\nkafka = {{ brokers = [\"{}\"], topics = [\"{topic}\"], group = \"{group}\" }}\n",
        broker.address()
    )
}

/// A daemon that runs; it is killed when the test forgets it.
pub struct Daemon {
    pub child: Child,
    log: PathBuf,
    address: PathBuf,
}

impl Daemon {
    pub fn kill(mut self) {
        self.child.kill().expect("a running daemon");
        self.child.wait().expect("an ended daemon");
    }

    pub fn signal(&self, name: &str) {
        let sent = Command::new("kill").arg(format!("-{name}")).arg(self.child.id().to_string()).status();
        assert!(sent.is_ok_and(|status| status.success()));
    }

    /// Asks it to end; its exit status.
    pub fn end(mut self) -> Option<i32> {
        self.signal("TERM");
        let until = Instant::now() + Duration::from_secs(60);
        loop {
            if let Some(status) = self.child.try_wait().expect("a status") {
                return status.code();
            }
            assert!(
                Instant::now() < until,
                "it does not end:\n{}",
                fs::read_to_string(&self.log).unwrap_or_default()
            );
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Waits until all partitions are read to their ends and have been for three seconds, in which a checkpoint
    /// is written many times.
    pub fn wait_until_read(&self, partitions: usize, most: Duration) {
        let (until, mut since) = (Instant::now() + most, None);
        loop {
            let metrics = self.get("/metrics");
            let lags: Vec<&str> = metrics
                .lines()
                .filter(|line| line.starts_with("virga_lag_records{"))
                .filter_map(|line| line.rsplit(' ').next())
                .collect();
            let is_read = lags.len() == partitions && lags.iter().all(|lag| *lag == "0");
            since = since.filter(|_| is_read).or(is_read.then(Instant::now));
            if since.is_some_and(|since| since.elapsed() > Duration::from_secs(3)) {
                return;
            }
            assert!(Instant::now() < until, "lags {lags:?} after {most:?}");
            std::thread::sleep(Duration::from_millis(200));
        }
    }

    /// What it serves under a path.
    pub fn get(&self, path: &str) -> String {
        use std::io::{Read, Write};
        let Ok(address) = fs::read_to_string(&self.address) else { return String::new() };
        let Ok(mut stream) = std::net::TcpStream::connect(address.trim()) else { return String::new() };
        let request = format!("GET {path} HTTP/1.1\r\nHost: virga\r\nConnection: close\r\n\r\n");
        let mut answer = String::new();
        let asked = stream.write_all(request.as_bytes()).and_then(|()| stream.read_to_string(&mut answer));
        if asked.is_err() { String::new() } else { answer }
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Waits until something is so.
pub fn until(what: &str, most: Duration, mut so: impl FnMut() -> bool) {
    let end = Instant::now() + most;
    while !so() {
        assert!(Instant::now() < end, "not within {most:?}: {what}");
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// A small disk of its own, as long as it lives; `None` with a word where this user may not have one.
pub struct SmallDisk(tempfile::TempDir);

impl SmallDisk {
    /// Of so many megabytes.
    pub fn mount(size: u32) -> Option<Self> {
        let folder = tempfile::tempdir().expect("a folder");
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &format!("size={size}m"), "virga-test"])
            .arg(folder.path())
            .output()
            .is_ok_and(|output| output.status.success());
        if !mounted {
            eprintln!("skipped: no small disk can be mounted here");
            return None;
        }
        Some(Self(folder))
    }

    pub fn path(&self) -> &Path {
        self.0.path()
    }

    /// Takes all the room that is left.
    pub fn fill(&self) {
        use std::io::Write;
        let mut file = fs::File::create(self.path().join("filler")).expect("a file");
        while file.write_all(&[0; 512]).is_ok() {}
    }

    pub fn free(&self) {
        fs::remove_file(self.path().join("filler")).expect("it was full");
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let unmounted = Command::new("umount").arg(self.path()).status();
        if !unmounted.is_ok_and(|status| status.success()) {
            eprintln!("{} could not be unmounted", self.path().display());
        }
    }
}
