//! A daemon that is measured: processor time, time and memory, and the alerts that it wrote.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::daemon_support::{Daemon, Place};

/// How long a run may take.
const MOST: Duration = Duration::from_secs(900);
/// Ticks of `/proc/…/stat` in a second, on every Linux.
const TICKS: f64 = 100.0;

/// What a process has used.
pub struct Usage {
    /// Seconds of all its threads.
    pub cpu: f64,
    /// Its peak of resident memory, in MB.
    pub peak: f64,
}

impl Usage {
    pub fn of(process: u32) -> Self {
        let stat = fs::read_to_string(format!("/proc/{process}/stat")).expect("it runs");
        // behind the name, which may hold anything, come the state and fifty numbers
        let numbers: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
        let ticks = |at: usize| numbers.get(at).and_then(|n| n.parse::<f64>().ok()).expect("ticks");
        let status = fs::read_to_string(format!("/proc/{process}/status")).expect("it runs");
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let peak = peak.and_then(|text| text.split_whitespace().next()?.parse::<f64>().ok());
        Self { cpu: (ticks(11) + ticks(12)) / TICKS, peak: peak.expect("a peak") / 1024.0 }
    }
}

/// What a run took.
pub struct Measured {
    pub cpu: f64,
    pub seconds: f64,
    pub peak: f64,
}

impl Measured {
    pub fn print(&self, what: &str, events: usize) {
        let (each, rate) = (self.cpu * 1e6 / events as f64, events as f64 / self.seconds);
        println!("| {what} | {each:.2} | {rate:.0} | {:.0} |", self.peak);
    }
}

/// A command before which stands what `VIRGA_BENCH_RUN` says.
pub fn measured(program: &Path) -> Command {
    let before = std::env::var("VIRGA_BENCH_RUN").unwrap_or_default();
    let mut words = before.split_whitespace();
    match words.next() {
        None => Command::new(program),
        Some(first) => {
            let mut command = Command::new(first);
            command.args(words).arg(program);
            command
        }
    }
}

/// A daemon of a place, to be measured.
pub fn start(place: &Place, stdout: Stdio) -> Daemon {
    let mut command = measured(Path::new(env!("CARGO_BIN_EXE_virga")));
    command.arg("run").arg("-c").arg(place.path("virga.toml")).stdin(Stdio::null());
    command.env("AWS_ACCESS_KEY_ID", "test").env("AWS_SECRET_ACCESS_KEY", "test").env_remove("AWS_PROFILE");
    let daemon = place.start_as(command, stdout);
    // what it takes to read rules is no part of an event
    let end = Instant::now() + MOST;
    while !place.log().contains("rules are compiled") {
        assert!(Instant::now() < end, "it does not start:\n{}", place.log());
        std::thread::sleep(Duration::from_millis(5));
    }
    daemon
}

/// The id of an alert in a line.
pub fn id_of(line: &str) -> String {
    let alert: serde_json::Value = serde_json::from_str(line).expect("an alert");
    alert["alert_id"].as_str().expect("an id").to_owned()
}

/// How many events the daemon says to have read.
pub fn events_read(daemon: &Daemon) -> usize {
    let metrics = daemon.get("/metrics");
    let counts = metrics.lines().filter(|line| line.starts_with("virga_events_total{"));
    counts.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).sum::<f64>() as usize
}

/// Reads everything, and asserts that alerts are those of `virga detect`, but for those of correlations that are
/// not certain yet when the last event has been read.
pub fn run(place: &Place, events: usize, expected: &BTreeSet<String>) -> Measured {
    let daemon = start(place, Stdio::null());
    let (before, began) = (Usage::of(daemon.child.id()), Instant::now());
    while events_read(&daemon) < events {
        assert!(began.elapsed() < MOST, "{} events:\n{}", events_read(&daemon), place.log());
        // to ask takes the process milliseconds, for its metrics have a line for each rule
        std::thread::sleep(Duration::from_millis(250));
    }
    let (usage, seconds) = (Usage::of(daemon.child.id()), began.elapsed().as_secs_f64());
    assert_eq!(events_read(&daemon), events, "events were read twice");
    assert_eq!(daemon.end(), Some(0), "{}", place.log());
    let text = fs::read_to_string(place.path("alerts.ndjson")).expect("alerts");
    let found: BTreeSet<String> = text.lines().map(id_of).collect();
    let extra = found.difference(expected).count();
    let missing = expected.difference(&found).count();
    assert_eq!(extra, 0, "alerts that `virga detect` does not raise");
    println!("<!-- {} alerts, {missing} of {} not certain yet -->", found.len(), expected.len());
    assert!(missing * 10 <= expected.len(), "{missing} of {} alerts are missing", expected.len());
    assert_eq!(place.late(), "", "nothing may be late");
    Measured { cpu: usage.cpu - before.cpu, seconds, peak: usage.peak }
}
