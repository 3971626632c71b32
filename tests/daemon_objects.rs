//! `virga run` on objects that a queue tells of: what must hold whatever happens to it, to the store and to the
//! queue. Against moto; skipped with a word where no Python is at hand.

#![cfg(feature = "daemon")]
#![allow(missing_docs, dead_code)]

mod daemon_support;

use std::collections::BTreeSet;
use std::fs;
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::json;

use daemon_support::objects::{Bucket, Object, name, now, object, wait_for_watermark};
use daemon_support::{Chance, Place, SmallDisk, TITLES, event_at, until};

const LONG: Duration = Duration::from_secs(120);

/// Events of the last seconds in objects of twenty, each event up to ten seconds old when it is delivered.
fn fresh(chance: &mut Chance, objects: u64, next: &mut u64) -> Vec<Object> {
    let second = now();
    let one = |number: u64, chance: &mut Chance| {
        let events: Vec<_> = (0..20)
            .map(|event| {
                let address = format!("198.51.100.{}", chance.below(40));
                event_at(number * 20 + event, second - chance.below(10) as i64, name(chance), &address)
            })
            .collect();
        object(number % 5, second, number, &events)
    };
    let from = *next;
    *next += objects;
    (from..*next).map(|number| one(number, chance)).collect()
}

#[test]
fn killed_at_any_instant_it_raises_the_alerts_of_a_quiet_run() {
    let Some(mut bucket) = Bucket::start(&["killed", "quiet"]) else { return };
    let number =
        |name: &str, usual: u64| std::env::var(name).ok().and_then(|n| n.parse().ok()).unwrap_or(usual);
    let (rounds, seed) = (number("VIRGA_KILL_ROUNDS", 4), number("VIRGA_SEED", 1));
    // what is in hand when it is killed comes again after the two seconds
    let killed = Place::new(&bucket.input(0, "15s", 2), "");
    let mut chance = Chance(seed);
    let mut next = 0;
    for round in 0..rounds {
        let daemon = killed.start();
        let wait = 300 + chance.below(2_500);
        // some come before, some while it reads
        for _ in 0..4 {
            let objects = fresh(&mut chance, 10, &mut next);
            bucket.put(&objects);
            std::thread::sleep(Duration::from_millis(wait / 4));
        }
        eprintln!("round {round}: killed after {wait} ms, {} deliveries so far", killed.delivered());
        daemon.kill();
    }
    // forty objects a round, from a store that is not fast
    let most = LONG + Duration::from_secs(10 * rounds);
    let last = now();
    let daemon = killed.start();
    bucket.wait_until_read(0, &killed, most);
    wait_for_watermark(&daemon, last, LONG);
    assert_eq!(daemon.end(), Some(0), "{}", killed.log());
    let quiet = Place::new(&bucket.input(1, "15s", 60), "");
    bucket.moto.requests();
    let began = Instant::now();
    let daemon = quiet.start();
    bucket.wait_until_read(1, &quiet, most);
    eprintln!("the quiet run read {next} objects in {:?}: {:?}", began.elapsed(), bucket.asked());
    wait_for_watermark(&daemon, last, LONG);
    assert_eq!(daemon.end(), Some(0), "{}", quiet.log());
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

/// What `virga detect` raises of the same objects as files, in order of time: the oracle.
fn detected(place: &Place, objects: &[Object]) -> BTreeSet<String> {
    let folder = tempfile::tempdir().expect("a folder");
    for (key, body) in objects {
        let path = folder.path().join(key);
        fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        fs::write(path, body).expect("a file");
    }
    let output = Command::new(env!("CARGO_BIN_EXE_virga"))
        .args(["detect", "--format", "ndjson", "--source", "aws.cloudtrail", "--rules"])
        .arg(place.path("rules"))
        .arg(folder.path())
        .output()
        .expect("virga runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let alerts = text.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).expect("an alert"));
    alerts.map(|alert| alert["alert_id"].as_str().expect("an id").to_owned()).collect()
}

/// Six hours of fifty accounts, an object of each every quarter of an hour. An address goes from account to
/// account, so that what belongs together lies in many objects.
fn backlog(chance: &mut Chance) -> Vec<Object> {
    let end = now() - 120;
    let mut objects = Vec::new();
    for quarter in 0..24_i64 {
        let from = end - (24 - quarter) * 900;
        for account in 0..50 {
            let number = quarter as u64 * 50 + account;
            let events: Vec<_> = (0..12)
                .map(|event| {
                    let address = format!("198.51.100.{}", chance.below(30));
                    let second = from + chance.below(900) as i64;
                    event_at(number * 12 + event, second, name(chance), &address)
                })
                .collect();
            objects.push(object(account, from + 900, number, &events));
        }
    }
    objects
}

#[test]
fn a_backlog_of_hours_in_any_order_is_late_for_nothing_across_restarts() {
    let Some(mut bucket) = Bucket::start(&["backlog"]) else { return };
    let mut chance = Chance(11);
    let objects = backlog(&mut chance);
    let mut shuffled = objects.clone();
    for at in (1..shuffled.len()).rev() {
        shuffled.swap(at, chance.below(at as u64 + 1) as usize);
    }
    bucket.put(&shuffled);
    let all = bucket.messages(0);
    assert!(all >= objects.len() as u64, "{all}");
    let place = Place::new(&bucket.input(0, "1m", 3), "");
    let expected = detected(&place, &objects);
    // one that is killed, one that is asked to end, each within the backlog
    let daemon = place.start();
    until("a part is read", LONG, || bucket.messages(0) < all * 3 / 4);
    daemon.kill();
    let daemon = place.start();
    until("half is read", LONG, || bucket.messages(0) < all / 2);
    let within = daemon.get("/metrics");
    assert!(within.contains("virga_watermark_held_by{input=\"trail\",partition=\"trail\"}"), "{within}");
    assert_eq!(daemon.end(), Some(0), "{}", place.log());
    assert!(bucket.messages(0) > 0, "the backlog was over before the restart");
    let single = place.alerts().into_values().filter(|(rule, _)| rule.starts_with("Many")).count();
    assert_eq!(single, 0, "the watermark has passed what is unread");
    let daemon = place.start();
    bucket.wait_until_read(0, &place, LONG);
    wait_for_watermark(&daemon, now() - 119, LONG);
    assert_eq!(daemon.end(), Some(0), "{}", place.log());
    assert_eq!(place.late(), "", "nothing may be late");
    let found: BTreeSet<String> = place.ids().into_iter().collect();
    let titles: BTreeSet<String> = place.alerts().into_values().map(|(title, _)| title).collect();
    assert!(TITLES.iter().all(|title| titles.contains(*title)), "{titles:?}");
    assert_eq!(found.len(), expected.len());
    assert!(found == expected, "other alerts than those of `virga detect`");
}

/// Single events that each raise one alert, an object each.
fn intrusions(count: u64) -> Vec<Object> {
    let second = now();
    (0..count)
        .map(|number| {
            let address = format!("203.0.113.{}", number % 200);
            object(number % 5, second, number, &[event_at(number, second, "Intrusion", &address)])
        })
        .collect()
}

#[test]
fn what_a_queue_gives_again_is_counted_once_and_the_trouble_is_said() {
    let Some(mut bucket) = Bucket::start(&["again"]) else { return };
    let place = Place::new(&bucket.input(0, "1s", 2), "");
    // checkpoints so seldom that messages come again while they are in hand, for nothing extends them
    place.replace("every = \"200ms\"", "every = \"7s\"");
    bucket.moto.fault(json!({ "match": "ChangeMessageVisibilityBatch", "times": 9, "status": 500 }));
    let second = now();
    let failure = |number: u64| event_at(number, second, "FailedLogin", "203.0.113.1");
    // five failures make an alert; four that come five times do not
    let five: Vec<_> = (0..5).map(failure).collect();
    let four: Vec<_> =
        (10..14).map(|number| event_at(number, second, "FailedLogin", "203.0.113.2")).collect();
    let objects = [object(0, second, 0, &five), object(1, second, 1, &four)];
    bucket.put(&objects);
    for _ in 0..4 {
        bucket.tell(0, &objects[1].0);
    }
    let daemon = place.start();
    bucket.wait_until_read(0, &place, LONG);
    wait_for_watermark(&daemon, second + 1, LONG);
    // a call is tried again for some time before it has failed
    until("it is said", LONG, || daemon.get("/metrics").contains("not_extended"));
    let metrics = daemon.get("/metrics");
    assert_eq!(daemon.end(), Some(0), "{}", place.log());
    let said = place.log();
    for cause in ["redelivered", "not_extended"] {
        let counted = format!("virga_input_notes_total{{input=\"trail\",cause=\"{cause}\"}}");
        assert!(metrics.contains(&counted) && said.contains(cause), "{cause}:\n{metrics}\n{said}");
    }
    assert!(
        metrics.contains("virga_events_total{input=\"trail\",source=\"aws.cloudtrail\"} 9\n"),
        "{metrics}"
    );
    let alerts = place.alerts();
    let many: Vec<_> = alerts.values().filter(|(rule, _)| rule.starts_with("Many")).collect();
    assert_eq!(many.len(), 1, "{alerts:?}");
    assert!(alerts.values().all(|(_, times)| *times == 1), "{alerts:?}");
}

#[test]
fn a_store_that_refuses_is_slow_or_has_lost_an_object_holds_up_nothing_else() {
    let Some(mut bucket) = Bucket::start(&["faults"]) else { return };
    let place = Place::new(&bucket.input(0, "1s", 20), "");
    let mut objects = intrusions(30);
    let lost = objects.remove(7);
    for (fault, times) in [("\"status\": 503", 12), ("\"delay\": 1.5", 3), ("\"cut\": 20", 3)] {
        let fault = format!("{{\"match\": \"GET /trail/\", \"times\": {times}, {fault}}}");
        bucket.moto.fault(serde_json::from_str(&fault).expect("a fault"));
    }
    // more than are tried again within a call
    bucket.moto.fault(json!({ "match": "ReceiveMessage", "times": 9, "status": 500 }));
    bucket.put(&objects);
    bucket.tell(0, &lost.0);
    let daemon = place.start();
    bucket.wait_until_read(0, &place, LONG);
    until("all alerts", LONG, || place.ids().len() == objects.len());
    assert_eq!(daemon.end(), Some(0), "{}", place.log());
    let said = place.log();
    assert!(said.contains(&format!("{} is not there any more", lost.0)), "{said}");
    assert!(said.contains("the queue does not answer"), "{said}");
    assert!(place.alerts().values().all(|(_, times)| *times == 1));
    assert!(!place.path("state/quarantine.ndjson").exists() || place.quarantined().is_empty(), "{said}");
}

#[test]
fn messages_that_cannot_be_deleted_stay_and_are_known_when_they_come_again() {
    let Some(mut bucket) = Bucket::start(&["kept"]) else { return };
    let place = Place::new(&bucket.input(0, "1s", 2), "");
    bucket.moto.fault(json!({ "match": "DeleteMessageBatch", "times": 9, "status": 500 }));
    let objects = intrusions(5);
    bucket.put(&objects);
    let daemon = place.start();
    until("all alerts", LONG, || place.ids().len() == 5);
    bucket.wait_until_read(0, &place, LONG);
    let metrics = daemon.get("/metrics");
    assert!(metrics.contains("cause=\"not_deleted\""), "{metrics}");
    assert!(
        metrics.contains("virga_events_total{input=\"trail\",source=\"aws.cloudtrail\"} 5\n"),
        "{metrics}"
    );
    assert_eq!(daemon.end(), Some(0), "{}", place.log());
    assert!(place.alerts().values().all(|(_, times)| *times == 1));
}

const RETRYING: &str = "virga_input_notes_total{input=\"trail\",cause=\"retrying\"}";

/// The sum of a counter over all of its labels that a text names.
fn counted(metrics: &str, name: &str) -> f64 {
    let lines = metrics.lines().filter(|line| line.starts_with(name));
    lines.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).sum()
}

#[test]
fn a_store_that_is_away_at_the_start_is_waited_for_and_caught_up_with() {
    let Some(mut bucket) = Bucket::start(&["away"]) else { return };
    let objects = intrusions(6);
    bucket.put(&objects);
    for (what, input, said) in [
        ("by the queue", bucket.input(0, "1s", 5), "the queue does not answer"),
        ("by listing", bucket.listed("1s"), "s3://trail/AWSLogs/ cannot be listed"),
    ] {
        let place = Place::new(&input, "");
        bucket.moto.fault(json!({ "match": "", "times": 1_000_000, "status": 503 }));
        let away = |starts: usize| {
            let daemon = place.start();
            until("it is said", LONG, || place.log().matches(said).count() == starts);
            until("it is counted", LONG, || counted(&daemon.get("/metrics"), RETRYING) >= 3.0);
            assert!(daemon.get("/healthz").contains("200 OK"), "{what}: it is alive while it waits");
            assert!(daemon.get("/readyz").contains("503"), "{what}: it has not begun");
            daemon
        };
        // asked to end while it waits, it ends
        let daemon = away(1);
        let asked = Instant::now();
        assert_eq!(daemon.end(), Some(0), "{what}: {}", place.log());
        assert!(asked.elapsed() < Duration::from_secs(20), "{what}: {:?}", asked.elapsed());
        let daemon = away(2);
        bucket.moto.clear_faults();
        until("all alerts", LONG, || place.ids().len() == objects.len());
        until("it has begun", LONG, || daemon.get("/readyz").contains("200 OK"));
        assert_eq!(daemon.end(), Some(0), "{what}: {}", place.log());
        let log = place.log();
        assert_eq!(log.matches(said).count(), 2, "{what}: it is said once a start: {log}");
        assert!(log.contains("it answers again"), "{what}: {log}");
        assert!(place.alerts().values().all(|(_, times)| *times == 1), "{what}");
    }
}

#[test]
fn objects_that_no_store_serves_are_waited_for_with_their_messages_in_hand() {
    let Some(mut bucket) = Bucket::start(&["objects"]) else { return };
    let place = Place::new(&bucket.input(0, "1s", 2), "");
    let objects = intrusions(12);
    bucket.put(&objects);
    // objects and listings
    bucket.moto.fault(json!({ "match": "GET /trail", "times": 1_000_000, "status": 503 }));
    let daemon = place.start();
    // the store's own client tries for some time before
    until("it is said", LONG, || place.log().contains("no object of s3://trail/AWSLogs/ can be read"));
    bucket.moto.requests();
    std::thread::sleep(Duration::from_secs(6));
    let asked = bucket.asked();
    assert!(
        !asked.contains_key("ReceiveMessage"),
        "each time that a message comes counts against it: {asked:?}"
    );
    assert!(asked.contains_key("ChangeMessageVisibilityBatch"), "{asked:?}");
    // tries that begin before the store answers again and end behind it, beside others that succeed, count as their
    // objects': they are given again, which costs each one of its receives
    assert!(!place.log().contains("object_unreadable"), "{}", place.log());
    bucket.moto.clear_faults();
    bucket.wait_until_read(0, &place, LONG);
    until("all alerts", LONG, || place.ids().len() == objects.len());
    assert_eq!(daemon.end(), Some(0), "{}", place.log());
    assert!(place.alerts().values().all(|(_, times)| *times == 1));
}

#[test]
fn a_store_that_goes_away_in_the_middle_of_an_object_is_waited_for() {
    let Some(mut bucket) = Bucket::start(&["middle"]) else { return };
    let place = Place::new(&bucket.input(0, "1s", 2), "");
    let objects = intrusions(1);
    // it gives the first bytes, and then nothing of anything
    bucket.moto.fault(json!({ "match": "GET /trail/", "times": 1, "cut": 20 }));
    bucket.put(&objects);
    bucket.moto.fault(json!({ "match": " /trail/", "times": 1_000_000, "status": 503 }));
    let daemon = place.start();
    // the client of the store tries for long before
    until("it is said", LONG, || place.log().contains("broke off"));
    let said = place.log();
    assert!(said.contains("the store is waited for"), "{said}");
    bucket.moto.clear_faults();
    bucket.wait_until_read(0, &place, LONG);
    until("all alerts", LONG, || place.ids().len() == objects.len());
    assert_eq!(daemon.end(), Some(0), "{}", place.log());
    assert!(place.log().contains("is read on from where it broke off"), "{}", place.log());
    assert!(place.alerts().values().all(|(_, times)| *times == 1));
    assert!(!place.path("state/quarantine.ndjson").exists() || place.quarantined().is_empty(), "{said}");
}

#[test]
fn access_that_is_denied_to_all_in_the_middle_of_an_object_is_waited_for() {
    for (status, code) in [(403, "AccessDenied"), (400, "ExpiredToken")] {
        let Some(mut bucket) = Bucket::start(&["denied"]) else { return };
        let place = Place::new(&bucket.input(0, "1s", 2), "");
        let mut objects = intrusions(3);
        let last = objects.split_off(2);
        bucket.put(&objects);
        let daemon = place.start();
        until("the first are read", LONG, || place.ids().len() == 2);
        bucket.moto.fault(json!({ "match": "GET /trail/", "times": 1, "cut": 20 }));
        bucket.moto.fault(json!({ "match": " /trail/", "times": 1_000_000, "status": status, "code": code }));
        bucket.put(&last);
        let broke = format!("{} broke off: access is denied", last[0].0);
        until("it is said", LONG, || place.log().contains(&broke));
        // and goes on, which is counted and not said
        until("it is counted", LONG, || counted(&daemon.get("/metrics"), RETRYING) >= 3.0);
        bucket.moto.clear_faults();
        bucket.wait_until_read(0, &place, LONG);
        until("all alerts", LONG, || place.ids().len() == 3);
        assert_eq!(daemon.end(), Some(0), "{}", place.log());
        let said = place.log();
        let lines = said.lines().filter(|line| line.contains(&broke)).collect::<Vec<_>>();
        assert_eq!(lines.len(), 1, "{code}: it is said once: {said}");
        assert!(lines[0].contains("input=trail") && lines[0].contains("renew the credentials"), "{said}");
        assert!(said.contains("is read on from where it broke off"), "{code}: {said}");
        assert!(place.alerts().values().all(|(_, times)| *times == 1), "{code}");
        assert_eq!(place.quarantined(), "", "{code}");
    }
}

#[test]
fn access_that_is_denied_to_one_object_in_its_middle_sends_its_rest_to_quarantine() {
    let Some(mut bucket) = Bucket::start(&["forbidden"]) else { return };
    let place = Place::new(&bucket.input(0, "1s", 20), "");
    let mut objects = intrusions(4);
    let later = objects.split_off(2);
    let forbidden = objects[1].0.clone();
    bucket.moto.fault(json!({ "match": format!("GET /trail/{forbidden}"), "times": 1, "cut": 20 }));
    let denied = json!({ "match": format!(" /trail/{forbidden}"), "times": 1_000_000, "status": 403 });
    bucket.moto.fault(denied);
    bucket.put(&objects);
    let daemon = place.start();
    until("it is quarantined", LONG, || place.quarantined().contains("read_failed"));
    bucket.put(&later);
    bucket.wait_until_read(0, &place, LONG);
    until("what else there is is read", LONG, || place.ids().len() == 3);
    assert_eq!(daemon.end(), Some(0), "{}", place.log());
    let said = place.log();
    let given_up =
        said.lines().filter(|line| line.contains("object_unreadable") && line.contains(&forbidden));
    assert_eq!(given_up.count(), 1, "{said}");
    assert!(said.contains("other objects are given, so its rest goes to quarantine"), "{said}");
    assert!(!said.contains("access is waited for"), "{said}");
}

#[test]
fn access_that_is_denied_to_all_objects_is_waited_for_with_their_messages_in_hand() {
    for has_read in [true, false] {
        let Some(mut bucket) = Bucket::start(&["withdrawn"]) else { return };
        let place = Place::new(&bucket.input(0, "1s", 2), "");
        let mut objects = intrusions(4);
        let later = objects.split_off(2);
        let denied = json!({ "match": "GET /trail/", "times": 1_000_000, "status": 403 });
        if !has_read {
            bucket.moto.fault(denied.clone());
        }
        bucket.put(&objects);
        let daemon = place.start();
        if has_read {
            until("the first are read", LONG, || place.ids().len() == 2);
            bucket.moto.fault(denied);
            bucket.put(&later);
        }
        let what = "no object of s3://trail/AWSLogs/ can be read: AWSLogs/";
        until("it is said", LONG, || place.log().contains(what));
        bucket.moto.requests();
        until("it is counted", LONG, || counted(&daemon.get("/metrics"), RETRYING) >= 4.0);
        let asked = bucket.asked();
        assert!(!asked.contains_key("ReceiveMessage"), "the messages stay in hand: {asked:?}");
        bucket.moto.clear_faults();
        bucket.wait_until_read(0, &place, LONG);
        until("all alerts", LONG, || place.ids().len() == if has_read { 4 } else { 2 });
        assert_eq!(daemon.end(), Some(0), "{}", place.log());
        let said = place.log();
        let lines = said.lines().filter(|line| line.contains(what)).collect::<Vec<_>>();
        assert_eq!(lines.len(), 1, "it is said once: {said}");
        assert!(
            lines[0].contains("access is denied") && lines[0].contains("renew the credentials"),
            "{said}"
        );
        assert!(!said.contains("object_unreadable"), "{said}");
        assert!(place.alerts().values().all(|(_, times)| *times == 1));
        assert_eq!(place.quarantined(), "");
    }
}

#[test]
fn an_object_that_is_denied_for_ever_does_not_hold_the_watermark_of_a_listing() {
    let Some(mut bucket) = Bucket::start(&[]) else { return };
    let place = Place::new(&bucket.listed("1s"), "");
    let objects = intrusions(4);
    let forbidden = &objects[1].0;
    bucket
        .moto
        .fault(json!({ "match": format!("GET /trail/{forbidden}"), "times": 1_000_000, "status": 403 }));
    bucket.put(&objects);
    let daemon = place.start();
    until("the others are read", LONG, || place.ids().len() == 3);
    wait_for_watermark(&daemon, now() + 2, LONG);
    // which is said, and it is tried on, which is counted, and read when it may be
    let unread = "virga_input_notes_total{input=\"trail\",cause=\"object_unreadable\"}";
    until("it is tried on", LONG, || counted(&daemon.get("/metrics"), unread) >= 5.0);
    let said = place.log();
    let lines: Vec<&str> = said.lines().filter(|line| line.contains(forbidden.as_str())).collect();
    assert!(lines.len() == 3 && lines[2].contains("no longer holds the watermark"), "{said}");
    bucket.moto.clear_faults();
    until("all alerts", LONG, || place.ids().len() == 4);
    assert_eq!(daemon.end(), Some(0), "{}", place.log());
    assert!(place.alerts().values().all(|(_, times)| *times == 1));
    assert_eq!(place.quarantined(), "");
}

#[test]
fn an_object_that_cannot_be_read_holds_up_no_other_and_keeps_its_message() {
    let Some(mut bucket) = Bucket::start(&["unreadable"]) else { return };
    let place = Place::new(&bucket.input(0, "1s", 20), "");
    let mut objects = intrusions(14);
    let later = objects.split_off(9);
    // one that is refused, and one at which the store fails: of these keys alone
    for (object, status) in [(2, 403), (6, 500)] {
        let fault = json!({ "match": format!("GET /trail/{}", objects[object].0), "times": 1_000_000, "status": status });
        bucket.moto.fault(fault);
    }
    bucket.put(&objects);
    let daemon = place.start();
    until("the others are read", LONG, || place.ids().len() == 7);
    // they stay unreadable, and the queue goes on
    bucket.put(&later);
    until("what comes later is read", LONG, || place.ids().len() == 12);
    until("the messages of the others are deleted", LONG, || bucket.messages(0) == 2);
    let said = place.log();
    for unread in [&objects[2].0, &objects[6].0] {
        assert!(
            said.lines().any(|line| line.contains("object_unreadable") && line.contains(unread.as_str())),
            "{said}"
        );
    }
    let metrics = daemon.get("/metrics");
    assert!(
        counted(&metrics, "virga_input_notes_total{input=\"trail\",cause=\"object_unreadable\"}") >= 2.0,
        "{metrics}"
    );
    assert_eq!(bucket.messages(0), 2, "{said}");
    bucket.moto.clear_faults();
    bucket.wait_until_read(0, &place, LONG);
    until("all alerts", LONG, || place.ids().len() == 14);
    assert_eq!(daemon.end(), Some(0), "{}", place.log());
    assert!(place.alerts().values().all(|(_, times)| *times == 1));
    assert_eq!(place.quarantined(), "");
}

#[test]
fn a_bucket_that_is_not_there_ends_the_input_of_its_queue_and_deletes_no_message() {
    let Some(mut bucket) = Bucket::start(&["bucketless"]) else { return };
    let place = Place::new(&bucket.input(0, "1s", 2).replace("s3://trail", "s3://absent"), "");
    for (key, _) in intrusions(3) {
        bucket.tell_of("absent", 0, &key);
    }
    let mut daemon = place.start();
    let mut status = None;
    until("it ends", LONG, || {
        status = daemon.child.try_wait().expect("a status");
        status.is_some()
    });
    let log = place.log();
    assert!(status.is_some_and(|status| !status.success()), "{log}");
    assert!(log.contains("input \"trail\"") && log.contains("NoSuchBucket"), "{log}");
    assert_eq!(bucket.messages(0), 3, "{log}");
    // once it is there, the next process reads what it tells of
    bucket.moto.call("s3", "create_bucket", json!({ "Bucket": "absent" }));
    for (key, body) in intrusions(3) {
        bucket.moto.put("absent", &key, &body);
    }
    let daemon = place.start();
    bucket.wait_until_read(0, &place, LONG);
    until("all alerts", LONG, || place.ids().len() == 3);
    assert_eq!(daemon.end(), Some(0), "{}", place.log());
}

#[test]
fn asked_to_end_it_waits_for_no_store_that_is_away_and_nothing_is_lost() {
    for (what, breaks_off) in [("a queue that does not answer", false), ("a store that breaks off", true)] {
        let Some(mut bucket) = Bucket::start(&["away"]) else { return };
        let place = Place::new(&bucket.input(0, "1s", 2), "");
        // what is read stays in hand until it is asked to end
        place.replace("every = \"200ms\"", "every = \"1h\"");
        let objects = intrusions(1);
        let away = json!({ "match": "", "times": 1_000_000, "status": 503 });
        if breaks_off {
            bucket.moto.fault(json!({ "match": "GET /trail/", "times": 1, "cut": 20 }));
            bucket.moto.fault(json!({ "match": "GET /trail", "times": 1_000_000, "status": 503 }));
        }
        bucket.moto.requests();
        bucket.put(&objects);
        let daemon = place.start();
        if breaks_off {
            let mut gets = 0;
            until("the rest is asked for again", LONG, || {
                gets += bucket.asked().get("GET").copied().unwrap_or(0);
                gets >= 3
            });
        } else {
            until("it is read", LONG, || place.ids().len() == 1);
            bucket.moto.fault(away);
        }
        let asked = Instant::now();
        assert_eq!(daemon.end(), Some(0), "{what}: {}", place.log());
        assert!(asked.elapsed() < Duration::from_secs(15), "{what}: {:?}", asked.elapsed());
        assert!(bucket.messages(0) > 0, "{what}: what is not behind a checkpoint was deleted");
        bucket.moto.clear_faults();
        let daemon = place.start();
        until("it is read", LONG, || daemon.get("/readyz").contains("200 OK") && place.ids().len() == 1);
        if !breaks_off {
            // it is known, and its message goes at once
            bucket.wait_until_read(0, &place, LONG);
        }
        // the last checkpoint is written when it is asked to end, and the message goes with it
        assert_eq!(daemon.end(), Some(0), "{what}: {}", place.log());
        assert_eq!(bucket.messages(0), 0, "{what}");
        let alerts = place.alerts();
        assert!(alerts.len() == 1 && alerts.values().all(|(_, times)| *times == 1), "{what}: {alerts:?}");
        assert_eq!(place.quarantined(), "", "{what}");
    }
}

#[test]
fn what_no_waiting_mends_ends_the_start_with_a_word() {
    let Some(mut bucket) = Bucket::start(&["wrong"]) else { return };
    let (queue, listed) = (bucket.input(0, "1s", 20), bucket.listed("1s"));
    let keyless = |input: &str| format!("{input}credentials = \"profile\"\nprofile = \"nobody\"\n");
    for (what, input, is_denied, said) in [
        ("a queue that is not there", queue.replace("/wrong\"", "/absent\""), false, "queue does not exist"),
        ("a queue that refuses", queue.clone(), true, "the role needs sqs:ReceiveMessage"),
        ("a bucket that is not there", listed.replace("s3://trail", "s3://absent"), false, "NoSuchBucket"),
        ("a bucket that refuses", listed.clone(), true, "the role needs s3:ListBucket"),
        ("a profile that is not there", keyless(&queue), false, "nobody"),
        ("a profile that is not there, listed", keyless(&listed), false, "nobody"),
    ] {
        if is_denied {
            bucket.moto.fault(json!({ "match": "", "times": 1_000_000, "status": 403 }));
        }
        let place = Place::new(&input, "");
        let mut daemon = place.start();
        let mut status = None;
        until(&format!("{what}: it ends"), LONG, || {
            status = daemon.child.try_wait().expect("a status");
            status.is_some()
        });
        bucket.moto.clear_faults();
        assert!(status.is_some_and(|status| !status.success()), "{what}: {}", place.log());
        assert!(place.log().contains(said), "{what}: {}", place.log());
    }
}

#[test]
fn a_full_disk_of_state_holds_up_objects_and_they_are_caught_up_with_when_there_is_room() {
    for is_told in [true, false] {
        let Some(mut bucket) = Bucket::start(&["full"]) else { return };
        let Some(disk) = SmallDisk::mount(6) else { return };
        let input = if is_told { bucket.input(0, "15s", 60) } else { bucket.listed("15s") };
        let place = Place::new(&input, "");
        place.replace("folder = \"state\"", &format!("folder = \"{}\"", disk.path().display()));
        let objects = intrusions(300);
        bucket.put(&objects[..5]);
        let daemon = place.start();
        until("the first alerts", LONG, || place.delivered() == 5);
        disk.fill();
        bucket.put(&objects[5..]);
        until("it is said", LONG, || place.log().contains("can be written down: the ledger of objects"));
        std::thread::sleep(Duration::from_secs(3));
        assert!(place.delivered() < 300, "what is not in the ledger is not read");
        disk.free();
        until("all alerts", LONG, || place.delivered() >= 300);
        assert_eq!(daemon.end(), Some(0), "{}", place.log());
        assert!(place.alerts().values().all(|(_, times)| *times == 1));
        assert_eq!(place.ids().len(), 300);
        assert_eq!(place.log().matches("can be written down: the ledger").count(), 1, "{}", place.log());
        // and after a restart nothing comes again
        let daemon = place.start();
        std::thread::sleep(Duration::from_secs(3));
        assert_eq!((daemon.end(), place.delivered()), (Some(0), 300), "{}", place.log());
    }
}

#[test]
fn a_start_on_a_full_disk_of_state_waits_for_room_and_nothing_comes_twice() {
    let Some(mut bucket) = Bucket::start(&["full"]) else { return };
    let Some(disk) = SmallDisk::mount(2) else { return };
    let place = Place::new(&bucket.input(0, "15s", 10), "");
    place.replace("folder = \"state\"", &format!("folder = \"{}\"", disk.path().display()));
    let objects = intrusions(41);
    bucket.put(&objects[..1]);
    let daemon = place.start();
    until("the first alerts", LONG, || place.delivered() == 1);
    assert_eq!(daemon.end(), Some(0), "{}", place.log());
    disk.fill();
    bucket.put(&objects[1..]);
    let checked = place.command().arg("--check").output().expect("it runs");
    let said = String::from_utf8_lossy(&checked.stdout).into_owned();
    assert!(said.contains("failed  state: [state] folder") && said.contains("No space left"), "{said}");
    let mut daemon = place.start();
    until("it is said", LONG, || place.log().contains("can be written down: the ledger of objects"));
    std::thread::sleep(Duration::from_secs(2));
    assert!(daemon.child.try_wait().expect("a status").is_none(), "{}", place.log());
    assert_eq!(place.delivered(), 1, "what is not in the ledger is not read");
    disk.free();
    until("all alerts", LONG, || place.delivered() >= 41);
    assert_eq!(daemon.end(), Some(0), "{}", place.log());
    assert!(place.alerts().values().all(|(_, times)| *times == 1));
    assert_eq!(place.ids().len(), 41);
}
