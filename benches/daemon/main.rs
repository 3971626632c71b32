//! `virga run` measured whole: processor time of the process an event, latency, memory.
//!
//! In: generated CloudTrail (`VIRGA_BENCH_EVENTS`, a million unless said) in a topic of a real Kafka, packed with
//! zstd, and in objects of a store, packed with gzip; SigmaHQ's rules for clouds where the corpus is at hand, and
//! the rules that ship. Out: microseconds of processor time an event, all threads of the process, librdkafka's
//! too; beside it, in the same run, a consumer of librdkafka that only counts. Each row asserts its counts before
//! it reports: the events read, and the alerts of `virga detect` over the same events.
//!
//! `VIRGA_BENCH_RUN="chrt -f 50 taskset -c 1"` is put before what is measured, so that nothing else takes part.

#[path = "../../tests/daemon_support/mod.rs"]
#[allow(dead_code)]
mod daemon_support;
mod latency;
mod process;

use std::collections::BTreeSet;
use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::{Offset, TopicPartitionList};
use virga_benches::generator::{Config, Generator};
use virga_test_support::{SIGMAHQ, corpus, rule_archive};

use daemon_support::objects::{Bucket, now};
use daemon_support::{Broker, Place, flush, kafka_input, send};
use process::{Measured, measured, run};

const SEED: u64 = 20_261_120;
const PARTITIONS: usize = 3;
const OBJECTS_OF: usize = 5_000;

fn main() {
    let mut arguments = std::env::args().skip(1);
    if arguments.next().as_deref() == Some("--count") {
        let all: Vec<String> = arguments.collect();
        let [address, topic, events] = all.as_slice() else { panic!("--count ADDRESS TOPIC EVENTS") };
        return count_only(address, topic, events.parse().expect("a number"));
    }
    let wanted = std::env::var("VIRGA_BENCH_EVENTS").ok().and_then(|n| n.parse().ok());
    let count: usize = wanted.unwrap_or(1_000_000);
    let part = std::env::args().skip(1).find(|argument| !argument.starts_with("--"));
    let is_asked = |name: &str| part.as_deref().is_none_or(|part| part == name);
    let broker = Broker::start();
    let all = events(count);
    let bytes: usize = all.iter().map(Vec::len).sum();
    println!("{count} events, {:.0} bytes each on average", bytes as f64 / count as f64);
    let expected = [Rules::SigmaHq, Rules::Shipped].map(|rules| rules.detect(&all));
    if is_asked("kafka") {
        fill(&broker, &all);
        println!("| from a topic | µs an event | events/s | peak MB |\n|---|---|---|---|");
        bare(&broker, count).print("a consumer that only counts", count);
        for (rules, expected) in [Rules::SigmaHq, Rules::Shipped].into_iter().zip(&expected) {
            let Some(expected) = expected else { continue };
            let place = rules.place(&kafka_input(&broker, "trail", rules.name()));
            run(&place, count, expected).print(rules.name(), count);
        }
    }
    if is_asked("s3") {
        let Some(mut bucket) = Bucket::start(&["a", "b"]) else { return };
        bucket.put(&objects(&all));
        println!("| from objects | µs an event | events/s | peak MB |\n|---|---|---|---|");
        for (queue, rules) in [Rules::SigmaHq, Rules::Shipped].into_iter().enumerate() {
            let Some(expected) = &expected[queue] else { continue };
            let place = rules.place(&bucket.input(queue, "1h", 300));
            run(&place, count, expected).print(rules.name(), count);
        }
    }
    if is_asked("latency") {
        latency::measure(&broker, &all[..all.len().min(100_000)]);
    }
}

/// Which rules run.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Rules {
    /// SigmaHQ's for clouds.
    SigmaHq,
    /// The same, and those that ship with their correlations.
    Shipped,
}

impl Rules {
    fn name(self) -> &'static str {
        match self {
            Self::SigmaHq => "sigmahq",
            Self::Shipped => "sigmahq-and-shipped",
        }
    }

    /// Where the daemon runs by these rules.
    fn place(self, input: &str) -> Place {
        let place = Place::new(&input.replace("lateness = \"30s\"", "lateness = \"15m\""), "");
        self.write(&place.path("rules"));
        if self == Self::Shipped {
            place.replace("paths = [\"rules\"]", "paths = [\"rules\", \"built-in\"]");
        }
        place.replace("every = \"200ms\"", "every = \"5s\"");
        place.replace("workers = 2", "workers = 0");
        place.replace("alerts.ndjson\" }", "alerts.ndjson\", rotate_at = \"4GB\" }");
        place
    }

    fn write(self, folder: &Path) {
        fs::remove_file(folder.join("rules.yml")).ok();
        let Some(corpus) = corpus() else { return };
        let archive = rule_archive(&corpus, SIGMAHQ);
        let clouds = archive.iter().filter(|file| file.path.starts_with("rules/cloud/"));
        for (number, file) in clouds.enumerate() {
            fs::write(folder.join(format!("{number}.yml")), &file.text).expect("a rule");
        }
    }

    /// The ids of what `virga detect` raises; `None` where there are no rules.
    fn detect(self, events: &[Vec<u8>]) -> Option<BTreeSet<String>> {
        corpus()?;
        let folder = tempfile::tempdir().expect("a folder");
        self.write(folder.path());
        let mut command = Command::new(env!("CARGO_BIN_EXE_virga"));
        command.args(["detect", "--quiet", "--format", "ndjson", "--source", "aws.cloudtrail", "--rules"]);
        command.arg(folder.path());
        if self == Self::Shipped {
            command.args(["--rules", "built-in"]);
        }
        let mut child = command
            .arg("-")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("virga runs");
        let mut stdin = child.stdin.take().expect("its input");
        let output = std::thread::scope(|scope| {
            scope.spawn(move || {
                for event in events {
                    stdin.write_all(event).and_then(|()| stdin.write_all(b"\n")).expect("it reads");
                }
            });
            child.wait_with_output().expect("it ends")
        });
        let text = String::from_utf8(output.stdout).expect("text");
        Some(text.lines().map(process::id_of).collect())
    }
}

/// Generated events of the last hours.
fn events(count: usize) -> Vec<Vec<u8>> {
    let events_per_second = 50;
    let start_time = now() - count as i64 / i64::from(events_per_second) - 7_200;
    let mut generator =
        Generator::new(Config { seed: SEED, start_time, events_per_second, ..Config::default() });
    (0..count)
        .map(|_| {
            let mut event = Vec::with_capacity(1_400);
            generator.next_into(&mut event);
            event
        })
        .collect()
}

/// Fills the topic `trail`.
fn fill(broker: &Broker, events: &[Vec<u8>]) {
    broker.create("trail", PARTITIONS as i32);
    let producer = broker.producer();
    for (number, event) in events.iter().enumerate() {
        send(&producer, "trail", (number % PARTITIONS) as i32, event);
    }
    flush(&producer);
}

/// The same events as objects.
fn objects(events: &[Vec<u8>]) -> Vec<daemon_support::objects::Object> {
    let all = events.chunks(OBJECTS_OF).enumerate().map(|(number, events)| {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::new(6));
        encoder.write_all(b"{\"Records\":[").expect("memory");
        encoder.write_all(&events.join(&b","[..])).expect("memory");
        encoder.write_all(b"]}").expect("memory");
        (format!("AWSLogs/{number:06}.json.gz"), encoder.finish().expect("memory"))
    });
    all.collect()
}

/// A process that only counts, with the same options where they cost something.
fn bare(broker: &Broker, count: usize) -> Measured {
    let own = std::env::current_exe().expect("its path");
    let mut child = measured(&own)
        .args(["--count", broker.address(), "trail", &count.to_string()])
        .stdout(Stdio::piped())
        .spawn()
        .expect("it starts");
    let before = process::Usage::of(child.id());
    let mut read = String::new();
    let mut output = child.stdout.take().expect("its output");
    std::io::Read::read_to_string(&mut output, &mut read).expect("what it says");
    child.wait().expect("it ends");
    let mut words = read.split_whitespace().map(|word| word.parse::<f64>().expect("a number"));
    let mut next = || words.next().expect("a number");
    assert_eq!(next() as usize, count, "the consumer has read others");
    Measured { cpu: next() - before.cpu, seconds: next(), peak: next() }
}

/// Counts the messages of a topic: prints how many, the processor time, the time, the peak of memory.
fn count_only(address: &str, topic: &str, events: usize) {
    let began = std::time::Instant::now();
    let mut client = rdkafka::ClientConfig::new();
    client.set("bootstrap.servers", address).set("group.id", "count").set("fetch.wait.max.ms", "100");
    client.set("queued.max.messages.kbytes", "32768").set("queued.min.messages", "20000");
    let consumer: BaseConsumer = client.create().expect("a consumer");
    let mut list = TopicPartitionList::new();
    for partition in 0..PARTITIONS as i32 {
        list.add_partition_offset(topic, partition, Offset::Beginning).expect("a partition");
    }
    consumer.assign(&list).expect("partitions");
    let (mut read, mut bytes) = (0, 0);
    while read < events {
        if let Some(Ok(message)) = consumer.poll(Duration::from_millis(100)) {
            read += 1;
            bytes += message.payload_len();
        }
    }
    assert!(bytes > events * 100, "messages without contents");
    let usage = process::Usage::of(std::process::id());
    println!("{read} {} {} {}", usage.cpu, began.elapsed().as_secs_f64(), usage.peak);
}
