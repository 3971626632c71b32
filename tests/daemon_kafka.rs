//! `virga run` on Kafka: what must hold whatever happens to it.

#![cfg(feature = "daemon")]
#![allow(missing_docs, dead_code)]

mod daemon_support;

use std::fs;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use rdkafka::producer::BaseProducer;

use daemon_support::{Broker, Chance, Place, TITLES, event, flush, kafka_input, send, until};

const PARTITIONS: i32 = 3;
const LONG: Duration = Duration::from_secs(120);

/// Failures in bursts from many addresses, now and then an intruder, and much that is neither; out of order by
/// some seconds. Ends with an event a day later in each partition, which moves the watermark past all others.
/// `pause` is called before each five hundred, with the number of the next.
fn fill(producer: &BaseProducer, topic: &str, events: u64, pause: &dyn Fn(u64)) {
    let mut chance = Chance(7);
    for number in 0..events {
        let address = format!("198.51.100.{}", chance.below(40));
        let name = match chance.below(10) {
            0..=2 => "FailedLogin",
            3 if chance.below(10) == 0 => "Intrusion",
            _ => "ConsoleLogin",
        };
        if number % 500 == 0 {
            pause(number);
        }
        let second = number / 20 + chance.below(10);
        let text = event(number, second, name, &address).to_string();
        send(producer, topic, (number % PARTITIONS as u64) as i32, text.as_bytes());
    }
    for partition in 0..PARTITIONS {
        let last = event(events + partition as u64, events / 20 + 86_400, "ConsoleLogin", "203.0.113.1");
        send(producer, topic, partition, last.to_string().as_bytes());
    }
    flush(producer);
}

/// A run that nothing happens to.
fn quiet(broker: &Broker, topic: &str, group: &str) -> Place {
    let place = Place::new(&kafka_input(broker, topic, group), "");
    let daemon = place.start();
    daemon.wait_until_read(PARTITIONS as usize, LONG);
    assert_eq!(daemon.end(), Some(0), "{}", place.log());
    place
}

#[test]
fn killed_at_any_instant_it_raises_the_alerts_of_a_quiet_run() {
    let number =
        |name: &str, usual: u64| std::env::var(name).ok().and_then(|n| n.parse().ok()).unwrap_or(usual);
    let (rounds, seed) = (number("VIRGA_KILL_ROUNDS", 4), number("VIRGA_SEED", 1));
    let broker = Broker::start();
    broker.create("trail", PARTITIONS);
    let killed = Place::new(&kafka_input(&broker, "trail", "killed"), "");
    let events = 20_000 + rounds * 1_000;
    // its share is written while each round runs, so that the last is under load as the first is
    let round_now = AtomicU64::new(0);
    let pause = |number: u64| {
        while number * rounds > (round_now.load(Ordering::Relaxed) + 1) * events {
            std::thread::sleep(Duration::from_millis(20));
        }
        std::thread::sleep(Duration::from_millis(150));
    };
    let producer = broker.producer();
    /// Lets the filling go on to its end, also where a round fails.
    struct Rest<'r>(&'r AtomicU64);
    impl Drop for Rest<'_> {
        fn drop(&mut self) {
            self.0.store(u32::MAX.into(), Ordering::Relaxed);
        }
    }
    std::thread::scope(|scope| {
        let rest = Rest(&round_now);
        let filling = scope.spawn(|| fill(&producer, "trail", events, &pause));
        let mut chance = Chance(seed);
        for round in 0..rounds {
            round_now.store(round, Ordering::Relaxed);
            let daemon = killed.start();
            let wait = 300 + chance.below(2_500);
            std::thread::sleep(Duration::from_millis(wait));
            eprintln!("round {round}: killed after {wait} ms, {} deliveries so far", killed.delivered());
            daemon.kill();
        }
        drop(rest);
        filling.join().expect("the topic is filled");
    });
    let daemon = killed.start();
    daemon.wait_until_read(PARTITIONS as usize, LONG);
    assert_eq!(daemon.end(), Some(0), "{}", killed.log());
    let quiet = quiet(&broker, "trail", "quiet");
    let (expected, found) = (quiet.alerts(), killed.alerts());
    for title in TITLES {
        assert!(expected.values().any(|(rule, _)| rule == title), "the quiet run raised none of `{title}`");
    }
    let missing: Vec<_> = expected.iter().filter(|(id, _)| !found.contains_key(*id)).collect();
    let extra: Vec<_> = found.iter().filter(|(id, _)| !expected.contains_key(*id)).collect();
    assert!(missing.is_empty() && extra.is_empty(), "missing {missing:?}\nextra {extra:?}");
    let twice = found.values().filter(|(_, times)| *times > 1).count();
    eprintln!("{} alerts in both runs; {twice} were delivered more than once", found.len());
    assert_eq!(killed.late(), "", "nothing may be late");
}

#[test]
fn it_goes_on_behind_a_broker_that_was_away_and_past_what_cannot_be_read() {
    let broker = Broker::start();
    broker.create("mixed", PARTITIONS);
    let place = Place::new(&kafka_input(&broker, "mixed", "g"), "");
    let producer = broker.producer();
    let intrusion = |number: u64| event(number, number, "Intrusion", "203.0.113.9").to_string();
    send(&producer, "mixed", 0, intrusion(1).as_bytes());
    send(&producer, "mixed", 0, b"{\"eventName\": \"cut o");
    send(&producer, "mixed", 0, b"\x80\x81");
    // ten megabytes in one message: an envelope of many events, the last of which matters
    let padding = "x".repeat(1_000_000);
    let mut records: Vec<String> = (0..10)
        .map(|n| {
            let mut event = event(100 + n, 1, "ConsoleLogin", "203.0.113.9");
            event["requestParameters"] = serde_json::json!({ "padding": padding });
            event.to_string()
        })
        .collect();
    records.push(intrusion(2));
    send(&producer, "mixed", 0, format!("{{\"Records\":[{}]}}", records.join(",")).as_bytes());
    flush(&producer);
    let daemon = place.start();
    until("two alerts", LONG, || place.ids().len() == 2);
    until("it is ready", LONG, || daemon.get("/readyz").contains("200 OK"));
    assert!(daemon.get("/healthz").contains("200 OK"));
    until("metrics", LONG, || {
        let metrics = daemon.get("/metrics");
        let mut counted = metrics.lines().filter(|line| line.starts_with("virga_quarantined_total{"));
        counted.any(|line| !line.ends_with(" 0"))
    });
    let entries = fs::read_to_string(place.path("state/quarantine.ndjson")).expect("a quarantine");
    assert_eq!(entries.lines().count(), 2, "{entries}");
    assert!(entries.contains(r#""topic":"mixed","partition":0,"offset":1"#), "{entries}");
    if broker.restart(Duration::from_secs(3)) {
        let producer = broker.producer();
        send(&producer, "mixed", 1, intrusion(3).as_bytes());
        flush(&producer);
        until("an alert after the broker's restart", LONG, || place.ids().len() == 3);
    }
    assert_eq!(daemon.end(), Some(0), "{}", place.log());
}

#[test]
fn a_damaged_checkpoint_is_said_and_the_one_before_is_used() {
    let broker = Broker::start();
    broker.create("trail", PARTITIONS);
    fill(&broker.producer(), "trail", 4_000, &|_| ());
    let place = quiet(&broker, "trail", "g");
    let before = place.ids();
    let checkpoint = place.path("state/checkpoint");
    let bytes = fs::read(&checkpoint).expect("a checkpoint");
    fs::write(&checkpoint, &bytes[..bytes.len() / 2]).expect("damage");
    let producer = broker.producer();
    send(&producer, "trail", 0, event(9_999_999, 90_000, "Intrusion", "203.0.113.9").to_string().as_bytes());
    flush(&producer);
    let daemon = place.start();
    until("one alert more", LONG, || place.ids().len() == before.len() + 1);
    assert_eq!(daemon.end(), Some(0), "{}", place.log());
    assert!(place.log().contains("it is cut off"), "{}", place.log());
}

#[test]
fn rules_are_exchanged_while_it_runs_and_bad_ones_are_refused() {
    let broker = Broker::start();
    broker.create("trail", 1);
    let place = Place::new(&kafka_input(&broker, "trail", "g"), "");
    let daemon = place.start();
    let producer = broker.producer();
    let mut number = 0;
    let mut give = |name: &str| {
        number += 1;
        send(&producer, "trail", 0, event(number, number, name, "203.0.113.9").to_string().as_bytes());
        flush(&producer);
    };
    give("Intrusion");
    until("an alert", LONG, || place.ids().len() == 1);
    let rules = fs::read_to_string(place.path("rules/rules.yml")).expect("rules");
    fs::write(place.path("rules/rules.yml"), rules.replace("condition: selection", "condition: selektion"))
        .expect("a bad rule");
    until("it is refused", LONG, || place.log().contains("the old rules stay"));
    give("Intrusion");
    until("the old rules are at work", LONG, || place.ids().len() == 2);
    fs::write(place.path("rules/rules.yml"), rules.replace("eventName: Intrusion", "eventName: Theft"))
        .expect("a new rule");
    daemon.signal("HUP");
    until("they are compiled", LONG, || place.log().contains("at work from the next piece on"));
    give("Theft");
    until("the new rules are at work", LONG, || place.ids().len() == 3);
    assert_eq!(daemon.end(), Some(0), "{}", place.log());
}

#[test]
fn two_members_of_a_group_share_the_partitions_and_lose_no_alert() {
    let broker = Broker::start();
    broker.create("trail", PARTITIONS);
    let (first, second) = (
        Place::new(&kafka_input(&broker, "trail", "g"), ""),
        Place::new(&kafka_input(&broker, "trail", "g"), ""),
    );
    let single = |place: &Place| -> std::collections::BTreeSet<String> {
        let alerts = place.alerts().into_iter();
        alerts
            .filter(|(_, (rule, _))| rule == "Failed sign-in" || rule == "Sign-in of an intruder")
            .map(|(id, _)| id)
            .collect()
    };
    let shared = || -> std::collections::BTreeSet<String> {
        single(&first).union(&single(&second)).cloned().collect()
    };
    let one = first.start();
    let producer = broker.producer();
    std::thread::scope(|scope| {
        let filling = scope
            .spawn(|| fill(&producer, "trail", 20_000, &|_| std::thread::sleep(Duration::from_millis(100))));
        std::thread::sleep(Duration::from_millis(1_500));
        let two = second.start();
        until("the second has partitions", LONG, || second.log().contains("partition=trail/"));
        filling.join().expect("the topic is filled");
        let expected = single(&quiet(&broker, "trail", "quiet"));
        until("all that a single one raises is raised by the two", LONG, || shared() == expected);
        assert_eq!(two.end(), Some(0), "{}", second.log());
    });
    assert_eq!(one.end(), Some(0), "{}", first.log());
    assert!(!single(&second).is_empty(), "the second raised nothing:\n{}", second.log());
    let expected = single(&quiet(&broker, "trail", "again"));
    assert_eq!(shared(), expected, "nothing is raised under another id at the end either");
}

/// Sends an intruder's sign-in, which alone raises an alert of its rule.
fn intrude(broker: &Broker, topic: &str, partitions: std::ops::Range<i32>, numbers: std::ops::Range<u64>) {
    let producer = broker.producer();
    let count = u64::from(partitions.len() as u32);
    for number in numbers {
        let text = event(number, number, "Intrusion", &format!("203.0.113.{}", number % 200)).to_string();
        send(&producer, topic, partitions.start + (number % count) as i32, text.as_bytes());
    }
    flush(&producer);
}

#[test]
fn where_all_begins_at_the_end_what_is_found_later_is_read_from_its_beginning() {
    let Some(broker) = Broker::real() else { return };
    broker.create("late", 2);
    // what was there when it began is not asked for
    intrude(&broker, "late", 0..2, 0..10);
    let more = "begin = \"latest\", options = { \"topic.metadata.refresh.interval.ms\" = \"1000\", \
                \"session.timeout.ms\" = \"6000\" } }\n";
    let input = kafka_input(&broker, "late", "g").replace(" }\n", &format!(", {more}"));
    let place = Place::new(&input, "");
    let daemon = place.start();
    until("it reads", LONG, || place.log().contains("partition=late/1"));
    let read = |what: &str, alerts: usize| until(what, LONG, || place.ids().len() >= alerts);
    intrude(&broker, "late", 0..1, 10..15);
    read("what comes after it began", 5);
    // before the member can know of them
    broker.add_partitions("late", 4);
    intrude(&broker, "late", 2..4, 15..35);
    read("the new partitions from their beginning", 25);
    assert_eq!(daemon.end(), Some(0), "{}", place.log());
    // one that is added while nobody is there, and no longer expected back
    broker.add_partitions("late", 5);
    intrude(&broker, "late", 4..5, 35..40);
    std::thread::sleep(Duration::from_secs(8));
    let daemon = place.start();
    read("what came to a new partition meanwhile", 30);
    assert_eq!(daemon.end(), Some(0), "{}", place.log());
    // nothing has come to the second partition since it was begun with. Whoever takes it over, without a
    // checkpoint, goes on from there
    fs::remove_dir_all(place.path("state")).expect("its state");
    intrude(&broker, "late", 1..2, 40..45);
    let daemon = place.start();
    read("what came to a partition that was idle", 35);
    daemon.wait_until_read(5, LONG);
    assert_eq!(daemon.end(), Some(0), "{}", place.log());
    assert_eq!(place.ids().len(), 35, "nothing from before it began: {}", place.log());
}

#[test]
fn where_all_begins_at_the_end_an_idle_member_says_where_it_began() {
    let Some(broker) = Broker::real() else { return };
    broker.create("idle", 1);
    intrude(&broker, "idle", 0..1, 0..10);
    let more = "begin = \"latest\", options = { \"session.timeout.ms\" = \"6000\" } }\n";
    let place = Place::new(&kafka_input(&broker, "idle", "g").replace(" }\n", &format!(", {more}")), "");
    let daemon = place.start();
    daemon.wait_until_read(1, LONG);
    assert_eq!(daemon.end(), Some(0), "{}", place.log());
    // nothing came, and no checkpoint is left to whoever takes over
    fs::remove_dir_all(place.path("state")).expect("its state");
    intrude(&broker, "idle", 0..1, 10..15);
    let daemon = place.start();
    until("what came meanwhile", Duration::from_secs(45), || place.ids().len() == 5);
    assert_eq!(daemon.end(), Some(0), "{}", place.log());
}

#[test]
fn a_topic_that_is_made_anew_is_read_from_its_beginning_whatever_offset_the_old_one_had_come_to() {
    let Some(broker) = Broker::real() else { return };
    /// What happens to the daemon while the topic is made anew.
    #[derive(Debug, Clone, Copy, PartialEq)]
    enum Meanwhile {
        Runs,
        IsAway,
        HasLostItsState,
    }
    // how many the new topic holds in each partition, where the old one held ten
    let (mut number, old) = (0, 10);
    for meanwhile in [Meanwhile::Runs, Meanwhile::IsAway, Meanwhile::HasLostItsState] {
        for new in [4, 10, 30] {
            let topic = format!("{meanwhile:?}-{new}").to_lowercase();
            broker.create(&topic, 2);
            // one that has lost its state is another member, and the one before is missed soon
            let options = ", options = { \"session.timeout.ms\" = \"6000\" } }\n";
            let input = kafka_input(&broker, &topic, &topic).replace(" }\n", options);
            let place = Place::new(&input, "");
            let mut fill = |each: u64| {
                intrude(&broker, &topic, 0..2, number..number + each * 2);
                number += each * 2;
            };
            let daemon = place.start();
            fill(old);
            daemon.wait_until_read(2, LONG);
            let daemon = match meanwhile {
                Meanwhile::Runs => Some(daemon),
                _ => {
                    assert_eq!(daemon.end(), Some(0), "{}", place.log());
                    None
                }
            };
            // the first of it is there before the daemon can have asked
            broker.make_anew(&topic, 2);
            fill(new);
            if meanwhile == Meanwhile::HasLostItsState {
                fs::remove_dir_all(place.path("state")).expect("its state");
            }
            let daemon = daemon.unwrap_or_else(|| place.start());
            let all = (old + new) as usize * 2;
            until(&format!("{meanwhile:?}, {new}: all alerts"), Duration::from_secs(30), || {
                place.ids().len() == all
            });
            // what a checkpoint says of the new one is good for the next start
            daemon.wait_until_read(2, LONG);
            daemon.kill();
            let before = place.delivered();
            let daemon = place.start();
            daemon.wait_until_read(2, LONG);
            assert_eq!(daemon.end(), Some(0), "{}", place.log());
            assert_eq!(place.delivered(), before, "{meanwhile:?}, {new}: it goes on:\n{}", place.log());
        }
    }
}

#[test]
fn brokers_that_are_away_are_told_of_once_and_so_is_that_they_are_back() {
    let Some(broker) = Broker::real() else { return };
    broker.create("away", 1);
    // a broker that comes back slowly does not cost the place in the group, and with it other words
    let options = ", options = { \"session.timeout.ms\" = \"180000\" } }\n";
    let place = Place::new(&kafka_input(&broker, "away", "g").replace(" }\n", options), "");
    let warnings = |what: &str| place.log().lines().filter(|line| line.contains(what)).count();
    let daemon = place.start();
    daemon.wait_until_read(1, LONG);
    // longer than the client waits between two tries
    assert!(broker.restart(Duration::from_secs(25)));
    until("they are back", LONG, || warnings("its brokers answer again") > 0);
    for what in ["AllBrokersDown", "BrokerTransportFailure"] {
        assert!(warnings(what) <= 1, "{what}:\n{}", place.log());
    }
    assert!(warnings("cause=\"broker_error\"") >= 1, "{}", place.log());
    assert_eq!(daemon.end(), Some(0), "{}", place.log());
}
