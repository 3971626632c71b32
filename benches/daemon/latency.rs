//! From the producer's hand to the alert: latency at twenty thousand events a second.

use std::io::{BufRead, BufReader};
use std::process::Stdio;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;

use crate::daemon_support::{Broker, Place, event_at, flush, kafka_input, objects::now, send};
use crate::process::start;

const RATE: usize = 20_000;
const SECONDS: usize = 20;
/// One event in so many raises an alert.
const EVERY: usize = 200;
/// Seconds at the beginning that do not count: connections, first fetches.
const WARM: usize = 2;

/// Produces, reads alerts from the daemon's standard output, and prints percentiles.
pub fn measure(broker: &Broker, ordinary: &[Vec<u8>]) {
    broker.create("rate", 3);
    let place = Place::new(&kafka_input(broker, "rate", "rate"), "");
    place.replace("file = { path = \"alerts.ndjson\" }", "stdout = {}");
    place.replace("every = \"200ms\"", "every = \"5s\"");
    let mut daemon = start(&place, Stdio::piped());
    let output = daemon.child.stdout.take().expect("its output");
    let all = RATE * SECONDS;
    let expected = all / EVERY;
    let began = Instant::now();
    let reader = std::thread::spawn(move || {
        let mut arrived = vec![None; expected];
        let mut lines = BufReader::new(output).lines();
        while arrived.iter().any(Option::is_none) {
            let line = lines.next().expect("an alert more").expect("a line");
            let at = began.elapsed();
            let alert: serde_json::Value = serde_json::from_str(&line).expect("an alert");
            let event = alert["events"][0]["event_id"].as_str();
            let Some(number) = event.and_then(|id| usize::from_str_radix(id.get(24..)?, 16).ok()) else {
                continue;
            };
            if let Some(place) = arrived.get_mut(number) {
                place.get_or_insert(at);
            }
        }
        arrived
    });
    // the group is joined and the first fetches are under way
    crate::daemon_support::until("it is ready", Duration::from_secs(120), || {
        daemon.get("/readyz").contains("200 OK")
    });
    let sent = produce(broker, ordinary, began, all);
    let arrived = reader.join().expect("all alerts come");
    let mut histogram: Histogram<u64> = Histogram::new(3).expect("a histogram");
    for (sent, arrived) in sent.iter().zip(&arrived).skip(WARM * RATE / EVERY) {
        let taken = arrived.expect("it came").saturating_sub(*sent);
        histogram.record(taken.as_micros() as u64).expect("it fits");
    }
    assert_eq!(histogram.len() as usize, expected - WARM * RATE / EVERY);
    assert_eq!(daemon.end(), Some(0), "{}", place.log());
    let ms = |percentile: f64| histogram.value_at_percentile(percentile) as f64 / 1e3;
    println!("| latency at {RATE} events/s | p50 | p90 | p99 | p99.9 | most |\n|---|---|---|---|---|---|");
    println!(
        "| ms, {} alerts | {:.1} | {:.1} | {:.1} | {:.1} | {:.1} |",
        histogram.len(),
        ms(50.0),
        ms(90.0),
        ms(99.0),
        ms(99.9),
        histogram.max() as f64 / 1e3
    );
}

/// Gives events at an even pace; when each that raises an alert was given.
fn produce(broker: &Broker, ordinary: &[Vec<u8>], began: Instant, all: usize) -> Vec<Duration> {
    let mut client = broker.client();
    client.set("compression.type", "zstd").set("linger.ms", "5");
    let producer = client.create().expect("a producer");
    let start = began.elapsed();
    let mut sent = Vec::new();
    for number in 0..all {
        let due = start + Duration::from_secs_f64(number as f64 / RATE as f64);
        let early = due.saturating_sub(began.elapsed());
        // a sleep is never shorter than its time: a little behind is made good by the next
        if early > Duration::from_millis(1) {
            std::thread::sleep(early);
        }
        let partition = (number % 3) as i32;
        if number % EVERY == 0 {
            let marked = (number / EVERY) as u64;
            let event = event_at(marked, now(), "Intrusion", "203.0.113.9").to_string();
            sent.push(began.elapsed());
            send(&producer, "rate", partition, event.as_bytes());
        } else {
            send(&producer, "rate", partition, &ordinary[number % ordinary.len()]);
        }
    }
    let behind = began.elapsed().saturating_sub(start + Duration::from_secs_f64(all as f64 / RATE as f64));
    assert!(behind < Duration::from_secs(1), "the producer was too slow: {behind:?} behind");
    flush(&producer);
    sent
}
