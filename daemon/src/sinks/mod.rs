//! Where alerts go: one file each, and one line in [`SINKS`].
//!
//! In: alerts from the outbox, some at a time, in their order. Out: they are delivered, all of them, before
//! [`Sink::deliver`] comes back without an error. What fails is tried again, all of it: whoever receives alerts
//! knows them by their ids. To add a sink: a file here, a line below, a field in
//! [`crate::config::SinkConfig`].

mod file;
mod kafka;
mod shorten;
mod stdout;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use virga_engine::sigma::Level;

pub use file::{FileConfig, Sync};
pub use kafka::KafkaSinkConfig;
pub use stdout::StdoutConfig;

use crate::limits::{RETRY_FIRST, RETRY_MOST, SINK_BATCH};
use crate::outbox::{OutAlert, Outbox};

/// One kind of sink, for help and reference pages.
#[derive(Debug, Clone, Copy)]
pub struct SinkDef {
    /// Its name.
    pub name: &'static str,
    /// What it does.
    pub description: &'static str,
}

/// Every kind of sink.
pub static SINKS: &[SinkDef] = &[
    SinkDef { name: "stdout", description: "standard output, a JSON object a line" },
    SinkDef { name: "file", description: "a file, a JSON object a line, rotated by size" },
    SinkDef { name: "kafka", description: "a topic, the alert's id as the key, by an idempotent producer" },
];

/// The part of the configuration that says how to open a sink.
pub trait OpenSink {
    /// Proves by a real call that alerts can go there, sends none, and says what it would do.
    ///
    /// # Errors
    /// What does not work, and what to do.
    fn check(&self) -> Result<String, String>;

    /// Opens it. What fails only for a while is no error.
    ///
    /// # Errors
    /// What cannot work however long one waits.
    fn open(&self) -> Result<Box<dyn Sink>, String>;

    /// The file that it writes, where it is one, and how many old ones it keeps beside it: they are no other sink's.
    fn file(&self) -> Option<(&Path, usize)> {
        None
    }
}

/// Takes alerts.
pub trait Sink: Send {
    /// Delivers alerts; all are where they belong when it comes back. Who waits for somebody meanwhile asks `stop`, which
    /// says that there is no time left.
    ///
    /// # Errors
    /// Why not all were delivered; they are given again.
    fn deliver(&mut self, alerts: &[Arc<OutAlert>], stop: &dyn Fn() -> bool) -> Result<(), String>;
}

/// What one sink does until the outbox is closed and it has all, or `stop` says that there is no time left.
pub fn run(
    name: &str,
    least: Option<Level>,
    sink: &mut dyn Sink,
    outbox: &Outbox,
    now: &dyn Fn() -> i64,
    stop: &dyn Fn() -> bool,
) {
    let labels = [("sink", name.to_owned())];
    let mut pause = Pause::new(name);
    while let Some(alerts) = outbox.take(name, SINK_BATCH, Duration::from_millis(500)) {
        if alerts.is_empty() {
            if stop() {
                return;
            }
            continue;
        }
        let wanted: Vec<Arc<OutAlert>> =
            alerts.iter().filter(|alert| is_wanted(alert, least)).cloned().collect();
        loop {
            if stop() {
                return;
            }
            let delivered = if wanted.is_empty() { Ok(()) } else { sink.deliver(&wanted, stop) };
            match delivered {
                Ok(()) => break,
                Err(error) => {
                    metrics::counter!("virga_sink_failures_total", &labels).increment(1);
                    let wait = pause.next();
                    tracing::warn!(
                        sink = name,
                        "alerts were not delivered ({error}); tried again in {wait:?}"
                    );
                    wait_for(wait, stop);
                }
            }
        }
        if pause.is_pausing() {
            tracing::info!(sink = name, "alerts are delivered again");
        }
        pause.reset();
        let now = now();
        let latency = metrics::histogram!("virga_alert_latency_seconds", &labels);
        for alert in &wanted {
            let seconds = now.saturating_sub(alert.arrived).max(0) as f64 / 1e6;
            latency.record(seconds);
        }
        metrics::counter!("virga_sink_alerts_total", &labels).increment(wanted.len() as u64);
        outbox.taken(name, alerts.len());
    }
}

fn is_wanted(alert: &OutAlert, least: Option<Level>) -> bool {
    let level = alert.level.as_deref().and_then(Level::parse);
    level.is_none() || level >= least
}

fn wait_for(wait: Duration, stop: &dyn Fn() -> bool) {
    let until = std::time::Instant::now() + wait;
    while !stop() && std::time::Instant::now() < until {
        std::thread::sleep(Duration::from_millis(50).min(wait));
    }
}

/// How long to wait before the next try: twice as long each time, and a part of it by chance.
struct Pause {
    failures: u32,
    chance: u64,
}

impl Pause {
    fn new(name: &str) -> Self {
        // chance need not be good here: sinks and processes must only not all begin alike
        let seed = name.bytes().fold(u64::from(std::process::id()), |seed, byte| seed * 31 + u64::from(byte));
        Self { failures: 0, chance: seed | 1 }
    }

    fn next(&mut self) -> Duration {
        let whole = (RETRY_FIRST * 2u32.saturating_pow(self.failures.min(16))).min(RETRY_MOST);
        self.failures += 1;
        self.chance =
            self.chance.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let part = (self.chance >> 33) as f64 / (1u64 << 31) as f64;
        whole.mul_f64(0.5 + 0.5 * part)
    }

    fn is_pausing(&self) -> bool {
        self.failures > 0
    }

    fn reset(&mut self) {
        self.failures = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outbox::Kept;

    #[test]
    fn waits_grow_to_a_bound_and_have_chance_in_them() {
        let mut pause = Pause::new("a");
        let waits: Vec<Duration> = (0..20).map(|_| pause.next()).collect();
        assert!(waits[0] >= RETRY_FIRST / 2 && waits[0] <= RETRY_FIRST);
        assert!(waits.iter().all(|wait| *wait <= RETRY_MOST) && waits[19] >= RETRY_MOST / 2);
        assert_ne!(waits[18], waits[19]);
    }

    /// Refuses so many times, then takes.
    struct Refusing {
        refuse: u32,
        taken: Vec<String>,
    }

    impl Sink for Refusing {
        fn deliver(&mut self, alerts: &[Arc<OutAlert>], _: &dyn Fn() -> bool) -> Result<(), String> {
            if self.refuse > 0 {
                self.refuse -= 1;
                return Err("not now".into());
            }
            self.taken.extend(alerts.iter().map(|alert| alert.id.clone()));
            Ok(())
        }
    }

    #[test]
    fn a_sink_that_refuses_for_a_while_gets_all_in_order() {
        let outbox = Outbox::new(&["s".into()], Kept::default(), 100);
        let alert = |number: u32, level: &str| OutAlert {
            id: number.to_string(),
            rule: "r".into(),
            level: (!level.is_empty()).then(|| level.to_owned()),
            json: "{}".into(),
            arrived: 0,
        };
        outbox.push([alert(1, "high"), alert(2, "low"), alert(3, ""), alert(4, "critical")]);
        outbox.close();
        let mut sink = Refusing { refuse: 2, taken: Vec::new() };
        run("s", Some(Level::High), &mut sink, &outbox, &|| 0, &|| false);
        assert_eq!(sink.taken, ["1", "3", "4"]);
        assert!(outbox.is_empty());
    }
}
