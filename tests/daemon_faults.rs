//! `virga run` while what it stands on fails: offsets that are gone, partitions that come, brokers that want a
//! login, disks that are full, sinks that refuse. Held or slowed, said, caught up, nothing lost. What a broker
//! alone can do is asked of the real Kafka, and passed over with a word where that is not at hand.

#![cfg(feature = "daemon")]
#![allow(missing_docs, dead_code)]

mod daemon_support;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::time::{Duration, Instant};

use rdkafka::Message as _;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::producer::Producer;
use rdkafka::{Offset, TopicPartitionList};

use daemon_support::{Broker, Place, SmallDisk, event, flush, kafka_input, send, until};

const LONG: Duration = Duration::from_secs(180);

fn intrusion(number: u64) -> String {
    event(number, number, "Intrusion", &format!("203.0.113.{}", number % 200)).to_string()
}

/// What a group has committed, and the ends, by partition.
fn committed(broker: &Broker, topic: &str, group: &str, partitions: i32) -> (Vec<i64>, Vec<i64>) {
    let mut client = broker.client();
    let consumer: BaseConsumer = client.set("group.id", group).create().expect("a consumer");
    let mut list = TopicPartitionList::new();
    for number in 0..partitions {
        list.add_partition(topic, number);
    }
    // the client may know a coordinator that is none any more
    let mut answer = None;
    until("the group's coordinator answers", Duration::from_secs(60), || {
        answer = consumer.committed_offsets(list.clone(), Duration::from_secs(20)).ok();
        answer.is_some()
    });
    let answer = answer.expect("an answer");
    let offset = |number: i32| {
        answer.find_partition(topic, number).and_then(|found| match found.offset() {
            Offset::Offset(offset) => Some(offset),
            _ => None,
        })
    };
    let end =
        |number: i32| consumer.fetch_watermarks(topic, number, Duration::from_secs(20)).expect("an answer").1;
    ((0..partitions).map(|number| offset(number).unwrap_or(-1)).collect(), (0..partitions).map(end).collect())
}

#[test]
fn offsets_that_the_broker_has_dropped_are_said_and_reading_goes_on_behind_them() {
    let Some(broker) = Broker::real() else { return };
    broker.create("short", 1);
    let place = Place::new(&kafka_input(&broker, "short", "g"), "");
    let producer = broker.producer();
    (0..5).for_each(|number| send(&producer, "short", 0, intrusion(number).as_bytes()));
    flush(&producer);
    let daemon = place.start();
    until("five alerts", LONG, || place.ids().len() == 5);
    assert_eq!(daemon.end(), Some(0), "{}", place.log());
    (5..30).for_each(|number| send(&producer, "short", 0, intrusion(number).as_bytes()));
    flush(&producer);
    broker.delete_records("short", 0, 20);
    let daemon = place.start();
    until("what the broker has kept", LONG, || place.ids().len() == 15);
    let counted = "virga_input_notes_total{input=\"trail\",cause=\"offset_expired\"} 15";
    until("it is counted", LONG, || daemon.get("/metrics").contains(counted));
    assert!(place.log().contains("reading goes on at 20, 15 offsets are lost"), "{}", place.log());
    assert_eq!(daemon.end(), Some(0), "{}", place.log());
}

#[test]
fn partitions_that_are_added_while_it_runs_are_read_from_their_beginning() {
    let Some(broker) = Broker::real() else { return };
    broker.create("growing", 1);
    let options = "options = { \"topic.metadata.refresh.interval.ms\" = \"1000\" } }";
    let input = kafka_input(&broker, "growing", "g");
    let place = Place::new(&input.replace(" }\n", &format!(", {options}\n")), "");
    let producer = broker.producer();
    send(&producer, "growing", 0, intrusion(0).as_bytes());
    flush(&producer);
    let daemon = place.start();
    until("the first alert", LONG, || place.ids().len() == 1);
    broker.add_partitions("growing", 3);
    // before the member can know of them
    let producer = broker.producer();
    (1..40).for_each(|number| send(&producer, "growing", (number % 3) as i32, intrusion(number).as_bytes()));
    flush(&producer);
    until("all alerts", LONG, || place.ids().len() == 40);
    for partition in ["growing/1", "growing/2"] {
        assert!(place.log().contains(&format!("partition={partition}")), "{}", place.log());
    }
    assert_eq!(daemon.end(), Some(0), "{}", place.log());
    // events of 2024, behind a watermark that goes with the clock: correlations are told that they came late
    assert!(place.alerts().values().all(|(_, times)| *times == 1));
}

/// Waits until the group `g` has committed the ends of the three partitions of `trail`.
fn ends_are_committed(broker: &Broker, place: &Place, most: Duration) {
    let mut seen = (Vec::new(), Vec::new());
    let end = Instant::now() + most;
    while Instant::now() < end {
        seen = committed(broker, "trail", "g", 3);
        if seen.0 == seen.1 {
            return;
        }
        std::thread::sleep(Duration::from_millis(500));
    }
    panic!("committed {:?}, the ends are {:?}:\n{}", seen.0, seen.1, place.log());
}

#[test]
fn each_checkpoint_is_committed_behind_it_however_soon_the_next_comes() {
    let broker = Broker::start();
    broker.create("trail", 3);
    let place = Place::new(&kafka_input(&broker, "trail", "g"), "");
    let daemon = place.start();
    let producer = broker.producer();
    for part in 0..5 {
        // over some checkpoints
        for number in part * 90..(part + 1) * 90 {
            send(&producer, "trail", (number % 3) as i32, intrusion(number).as_bytes());
            std::thread::sleep(Duration::from_millis(10));
        }
        flush(&producer);
        ends_are_committed(&broker, &place, Duration::from_secs(15));
    }
    assert_eq!(daemon.end(), Some(0), "{}", place.log());
    assert!(!place.log().contains("commit_failed"), "{}", place.log());
}

#[test]
fn commits_reach_the_ends_without_further_input_also_past_a_restart_of_the_broker() {
    let broker = Broker::start();
    broker.create("trail", 3);
    let place = Place::new(&kafka_input(&broker, "trail", "g"), "");
    let fill = |from: u64| {
        let producer = broker.producer();
        let all = from..from + 900;
        all.for_each(|number| send(&producer, "trail", (number % 3) as i32, intrusion(number).as_bytes()));
        flush(&producer);
    };
    let reached = |most: Duration| ends_are_committed(&broker, &place, most);
    fill(0);
    // killed between checkpoint and commit or elsewhere: whoever comes back commits what the checkpoint says
    for wait in [400, 900, 1_500] {
        let daemon = place.start();
        std::thread::sleep(Duration::from_millis(wait));
        daemon.kill();
    }
    let daemon = place.start();
    until("all alerts", LONG, || place.ids().len() == 900);
    reached(LONG);
    fill(900);
    if broker.restart(Duration::from_secs(2)) {
        until("all alerts after the restart", LONG, || place.ids().len() == 1_800);
        reached(LONG);
    }
    assert_eq!(daemon.end(), Some(0), "{}", place.log());
}

#[test]
fn asked_to_end_while_the_broker_answers_nothing_it_ends_soon_and_its_checkpoint_stands() {
    let Some(broker) = Broker::real() else { return };
    broker.create("trail", 1);
    let place = Place::new(&kafka_input(&broker, "trail", "g"), "");
    let producer = broker.producer();
    (0..50).for_each(|number| send(&producer, "trail", 0, intrusion(number).as_bytes()));
    flush(&producer);
    let daemon = place.start();
    until("all is committed", LONG, || committed(&broker, "trail", "g", 1).0 == [50]);
    let signal = |name: &str| {
        let sent = std::process::Command::new("kill").args([name, &broker.file("pid")]).status();
        assert!(sent.is_ok_and(|status| status.success()), "{name}");
    };
    signal("-STOP");
    std::thread::sleep(Duration::from_secs(2));
    let began = Instant::now();
    // whatever comes of it, the broker goes on
    let ended = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| daemon.end()));
    let took = began.elapsed();
    signal("-CONT");
    assert_eq!(ended.ok(), Some(Some(0)), "{}", place.log());
    assert!(took < Duration::from_secs(20), "{took:?}");
    (50..60).for_each(|number| send(&producer, "trail", 0, intrusion(number).as_bytes()));
    flush(&producer);
    let daemon = place.start();
    until("what came meanwhile", LONG, || place.ids().len() == 60);
    assert_eq!(daemon.end(), Some(0), "{}", place.log());
    assert!(place.alerts().values().all(|(_, times)| *times == 1));
}

/// All records of a topic: their keys and payloads, up to the ends of now.
fn records(broker: &Broker, topic: &str, partitions: i32) -> Vec<(String, String)> {
    let mut client = broker.client();
    client.set("group.id", "reader").set("auto.offset.reset", "earliest");
    let consumer: BaseConsumer = client.create().expect("a consumer");
    let mut list = TopicPartitionList::new();
    let mut left = 0;
    for number in 0..partitions {
        let (low, high) =
            consumer.fetch_watermarks(topic, number, Duration::from_secs(20)).expect("an answer");
        list.add_partition_offset(topic, number, Offset::Offset(low)).expect("a partition");
        left += high - low;
    }
    consumer.assign(&list).expect("partitions");
    let mut records = Vec::new();
    let end = Instant::now() + LONG;
    while (records.len() as i64) < left && Instant::now() < end {
        let Some(Ok(message)) = consumer.poll(Duration::from_millis(200)) else { continue };
        let text = |bytes: Option<&[u8]>| String::from_utf8_lossy(bytes.unwrap_or_default()).into_owned();
        records.push((text(message.key()), text(message.payload())));
    }
    records
}

#[test]
fn a_topic_gets_every_alert_under_its_id_also_past_a_restart_of_the_broker() {
    let Some(broker) = Broker::real() else { return };
    broker.create("trail", 2);
    broker.create("alerts", 2);
    let sink = format!(
        "[[sink]]\nname = \"topic\"\nkafka = {{ brokers = [\"{}\"], topic = \"alerts\" }}\n",
        broker.address()
    );
    let place = Place::new(&kafka_input(&broker, "trail", "g"), &sink);
    let daemon = place.start();
    for round in 0..2 {
        let producer = broker.producer();
        let all = round * 2_000..(round + 1) * 2_000;
        all.for_each(|number| send(&producer, "trail", (number % 2) as i32, intrusion(number).as_bytes()));
        flush(&producer);
        if round == 0 {
            // while alerts are on their way
            until("some alerts", LONG, || !place.ids().is_empty());
            assert!(broker.restart(Duration::from_secs(3)));
        }
    }
    until("all alerts", LONG, || place.ids().len() == 4_000);
    let taken = "virga_sink_waiting{sink=\"topic\"} 0";
    until("the topic has them", LONG, || daemon.get("/metrics").contains(taken));
    assert_eq!(daemon.end(), Some(0), "{}", place.log());
    let records = records(&broker, "alerts", 2);
    let mut by_key: BTreeMap<String, u32> = BTreeMap::new();
    for (key, payload) in &records {
        let alert: serde_json::Value = serde_json::from_str(payload).expect("an alert");
        assert_eq!(alert["alert_id"], key.as_str());
        *by_key.entry(key.clone()).or_default() += 1;
    }
    let (found, expected): (BTreeSet<_>, BTreeSet<_>) =
        (by_key.keys().cloned().collect(), place.ids().into_iter().collect());
    assert!(found == expected, "{} ids in the topic, {} in the file", found.len(), expected.len());
    let twice = by_key.values().filter(|times| **times > 1).count();
    eprintln!("{} alerts in {} records; {twice} more than once", found.len(), records.len());
}

#[test]
fn tls_and_logins_are_used_and_what_is_wrong_with_them_is_said() {
    let Some(broker) = Broker::start_secure() else { return };
    broker.create("trail", 1);
    let producer = broker.producer();
    (0..3).for_each(|number| send(&producer, "trail", 0, intrusion(number).as_bytes()));
    flush(&producer);
    let (sasl, ssl) = (broker.file("address.sasl"), broker.file("address.ssl"));
    let tls = broker.folder().join("tls");
    let ca = format!("ca = \"{}\"", tls.join("ca.pem").display());
    let login = |mechanism: &str, password: &str| {
        format!(
            "sasl = {{ mechanism = \"{mechanism}\", username = \"virga\", password = {{ file = \"{password}\" }} }}"
        )
    };
    let input = |address: &str, group: &str, rest: &str| {
        format!(
            "[[input]]\nname = \"trail\"\n[input.kafka]\nbrokers = [\"{address}\"]\ntopics = [\"trail\"]\ngroup = \"{group}\"\n{rest}\n"
        )
    };
    let place = Place::new("", "");
    fs::write(place.path("right"), "secret").expect("a file");
    fs::write(place.path("wrong"), "guess").expect("a file");
    let (right, wrong) =
        (place.path("right").display().to_string(), place.path("wrong").display().to_string());
    let certificate = format!(
        "tls = {{ {ca}, certificate = \"{0}/client.pem\", key = \"{0}/client.key\" }}",
        tls.display()
    );
    let with_tls = format!("tls = {{ {ca} }}");
    // another authority, which did not sign the broker's certificate
    let other = format!("tls = {{ ca = \"{}\" }}", tls.join("client.pem").display());
    let check = |input: &str| {
        place.configure(input, "");
        place.command().arg("--check").output().expect("virga runs")
    };
    let said = |output: &std::process::Output| {
        format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
    };
    let good = [
        ("plain", input(&sasl, "plain", &format!("{with_tls}\n{}", login("PLAIN", &right)))),
        ("scram256", input(&sasl, "scram256", &format!("{with_tls}\n{}", login("SCRAM-SHA-256", &right)))),
        ("scram512", input(&sasl, "scram512", &format!("{with_tls}\n{}", login("SCRAM-SHA-512", &right)))),
        ("certificate", input(&ssl, "certificate", &certificate)),
    ];
    for (what, input) in &good {
        let output = check(input);
        assert!(output.status.success(), "{what}: {}", said(&output));
        // a sink over the same way, and a run that reads
        let place = Place::new(input, "");
        let daemon = place.start();
        until(&format!("alerts by {what}"), LONG, || place.ids().len() == 3);
        assert_eq!(daemon.end(), Some(0), "{}", place.log());
    }
    let bad = [
        (
            "a wrong password",
            input(&sasl, "bad", &format!("{with_tls}\n{}", login("SCRAM-SHA-512", &wrong))),
            "invalid credentials",
        ),
        (
            "an unknown authority",
            input(&sasl, "bad", &format!("{other}\n{}", login("PLAIN", &right))),
            "certificate verify failed",
        ),
        ("no certificate", input(&ssl, "bad", &with_tls), "alert bad certificate"),
        ("no TLS", input(&sasl, "bad", &login("PLAIN", &right)), ""),
    ];
    for (what, input, why) in &bad {
        let output = check(input);
        assert!(!output.status.success(), "{what}: {}", said(&output));
        assert!(said(&output).contains("cannot be reached"), "{what}: {}", said(&output));
        assert!(said(&output).contains(why), "{what}: {}", said(&output));
        assert!(!said(&output).contains("guess") && !said(&output).contains("secret"), "{}", said(&output));
    }
    // one that runs and may not log in waits, says why, and reads as soon as it may
    let place = Place::new(&bad[0].1, "");
    let daemon = place.start();
    until("it is said", LONG, || place.log().contains("uthentication"));
    assert!(place.ids().is_empty());
    assert_eq!(daemon.end(), Some(0), "{}", place.log());
}

#[test]
fn a_full_disk_holds_acknowledgements_and_is_caught_up_when_there_is_room() {
    let Some(disk) = SmallDisk::mount(2) else { return };
    let broker = Broker::start();
    broker.create("trail", 1);
    let place = Place::new(&kafka_input(&broker, "trail", "g"), "");
    place.replace("folder = \"state\"", &format!("folder = \"{}\"", disk.path().display()));
    let producer = broker.producer();
    let give = |numbers: std::ops::Range<u64>| {
        numbers.for_each(|number| send(&producer, "trail", 0, intrusion(number).as_bytes()));
        flush(&producer);
    };
    give(0..10);
    let daemon = place.start();
    until("the first are committed", LONG, || committed(&broker, "trail", "g", 1).0 == [10]);
    disk.fill();
    give(10..30);
    until("all alerts", LONG, || place.ids().len() == 30);
    until("it is said", LONG, || place.log().contains("the checkpoint was not written"));
    // many checkpoints would have been due
    std::thread::sleep(Duration::from_secs(2));
    assert_eq!(committed(&broker, "trail", "g", 1).0, [10], "acknowledged what is in no checkpoint");
    let metrics = daemon.get("/metrics");
    let failures =
        metrics.lines().find_map(|line| line.strip_prefix("virga_checkpoints_total{outcome=\"failed\"} "));
    assert!(failures.and_then(|count| count.parse::<u32>().ok()) > Some(2), "{metrics}");
    let said = place.log().matches("the checkpoint was not written (No space left on device").count();
    assert_eq!(said, 1, "each is counted, and it is said once: {}", place.log());
    // what cannot be put aside holds everything behind it
    send(&producer, "trail", 0, b"{\"eventName\": \"cut o");
    give(30..31);
    until("it waits", LONG, || place.log().contains("everything waits for it"));
    assert_eq!(place.ids().len(), 30, "a record went past one that was neither read nor put aside");
    daemon.kill();
    disk.free();
    // the last checkpoint that was written stands
    let daemon = place.start();
    until("all is read", LONG, || place.ids().len() == 31);
    until("all is committed", LONG, || committed(&broker, "trail", "g", 1).0 == [32]);
    let quarantined = fs::read_to_string(disk.path().join("quarantine.ndjson")).expect("a quarantine");
    assert_eq!(quarantined.lines().count(), 1, "{quarantined}");
    // and without a restart: full, said, room, written
    let failed = || place.log().matches("the checkpoint was not written").count();
    let before = failed();
    disk.fill();
    give(32..40);
    until("it fails again", LONG, || failed() > before);
    disk.free();
    until("it is written when there is room", LONG, || committed(&broker, "trail", "g", 1).0 == [40]);
    assert!(place.log().contains("checkpoints are written again"), "{}", place.log());
    assert_eq!(daemon.end(), Some(0), "{}", place.log());
}

#[test]
fn a_sink_that_refuses_for_a_while_slows_reading_and_gets_all_of_it_in_the_end() {
    let Some(disk) = SmallDisk::mount(2) else { return };
    let broker = Broker::start();
    broker.create("trail", 1);
    let sink = format!("[[sink]]\nname = \"full\"\nfile = {{ path = \"{}/a\" }}\n", disk.path().display());
    let place = Place::new(&kafka_input(&broker, "trail", "g"), &sink);
    place.replace("workers = 2", "workers = 2\noutbox = 100");
    disk.fill();
    let daemon = place.start();
    until("it is ready", LONG, || daemon.get("/readyz").contains("200 OK"));
    let producer = broker.producer();
    // in small pieces, and more than may wait
    let all = 500;
    for number in 0..all {
        send(&producer, "trail", 0, intrusion(number).as_bytes());
        if number % 10 == 0 {
            flush(&producer);
            std::thread::sleep(Duration::from_millis(50));
        }
    }
    flush(&producer);
    until("it is said", LONG, || place.log().contains("alerts were not delivered"));
    until("the outbox is full", LONG, || place.ids().len() >= 100);
    std::thread::sleep(Duration::from_secs(2));
    assert!((place.ids().len() as u64) < all, "nothing was held");
    // what waits stands in the checkpoint: a kill loses none of it
    daemon.kill();
    let refused = || place.log().matches("alerts were not delivered").count();
    let before = refused();
    let daemon = place.start();
    until("it is said again", LONG, || refused() > before);
    disk.free();
    let taken = || -> BTreeSet<String> {
        let text = fs::read_to_string(disk.path().join("a")).unwrap_or_default();
        let alerts = text.lines().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
        alerts.map(|alert| alert["alert_id"].as_str().unwrap_or_default().to_owned()).collect()
    };
    until("the other sink has all", LONG, || place.ids().len() as u64 == all);
    until("it takes all", LONG, || taken().len() as u64 == all);
    assert_eq!(daemon.end(), Some(0), "{}", place.log());
    assert_eq!(taken(), place.ids().into_iter().collect(), "the sinks have other alerts");
    assert!(place.log().contains("alerts are delivered again"), "{}", place.log());
}

#[test]
fn a_checkpoint_with_a_wrong_bit_is_not_used_and_without_any_it_does_not_start() {
    let broker = Broker::start();
    broker.create("trail", 1);
    let place = Place::new(&kafka_input(&broker, "trail", "g"), "");
    let producer = broker.producer();
    let give = |number: u64| {
        send(&producer, "trail", 0, intrusion(number).as_bytes());
        flush(&producer);
    };
    give(0);
    let daemon = place.start();
    until("an alert", LONG, || place.ids().len() == 1);
    until("it is committed", LONG, || committed(&broker, "trail", "g", 1).0 == [1]);
    assert_eq!(daemon.end(), Some(0), "{}", place.log());
    let damage = |name: &str| {
        let path = place.path("state").join(name);
        let mut bytes = fs::read(&path).expect("a checkpoint");
        let middle = bytes.len() / 2;
        bytes[middle] ^= 4;
        fs::write(&path, bytes).expect("damage");
    };
    damage("checkpoint");
    give(1);
    let daemon = place.start();
    until("an alert more", LONG, || place.ids().len() == 2);
    assert!(place.log().contains("its checksum does not fit"), "{}", place.log());
    assert_eq!(daemon.end(), Some(0), "{}", place.log());
    damage("checkpoint");
    let previous = fs::read(place.path("state/checkpoint.previous")).expect("the one before");
    fs::write(place.path("state/checkpoint.previous"), &previous[..20]).expect("damage");
    let output = place.command().output().expect("virga runs");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success() && said.contains("no checkpoint is left"), "{said}");
}

#[test]
fn marks_of_transactions_at_the_end_do_not_hold_the_watermark() {
    let Some(broker) = Broker::real() else { return };
    broker.create("trail", 1);
    broker.create("other", 1);
    let input = kafka_input(&broker, "trail", "g").replace("[\"trail\"]", "[\"trail\", \"other\"]");
    let place = Place::new(&input.replace("lateness = \"30s\"", "lateness = \"2s\""), "");
    let mut client = broker.client();
    client.set("transactional.id", "test").set("linger.ms", "0");
    let producer: rdkafka::producer::BaseProducer = client.create().expect("a producer");
    producer.init_transactions(LONG).expect("transactions");
    let mut number = 0;
    // five failures, the last thing that comes but for the marks, and one that was taken back
    for is_meant in [true, true, false] {
        producer.begin_transaction().expect("a transaction");
        for topic in ["trail", "other"] {
            for _ in 0..5 {
                number += 1;
                let failure = event(number, 10, "FailedLogin", if is_meant { topic } else { "aborted" });
                send(&producer, topic, 0, failure.to_string().as_bytes());
            }
        }
        // what is not sent yet would not be taken back but never be
        flush(&producer);
        match is_meant {
            true => producer.commit_transaction(LONG).expect("it is meant"),
            false => producer.abort_transaction(LONG).expect("it is not meant"),
        }
    }
    let daemon = place.start();
    let many = || place.alerts().into_values().filter(|(rule, _)| rule.starts_with("Many")).count();
    until("the correlation is certain", LONG, || many() > 0);
    assert_eq!(daemon.end(), Some(0), "{}", place.log());
    assert_eq!(place.late(), "", "nothing may be late");
    let text = fs::read_to_string(place.path("alerts.ndjson")).expect("alerts");
    assert!(!text.contains("aborted"), "what was taken back was read");
}
