//! What the metrics say of partitions: series that go with their partition.
//!
//! In: values of a metric, by input and partition. Out: lines of Prometheus text. The registry of all other metrics keeps
//! a series for as long as the process lives; files that are rotated are partitions without end.
//!
//! ```text
//! set(LAG_BYTES, "app", "/var/log/a.json", 7) ─▶ virga_lag_bytes{input="app",partition="/var/log/a.json"} 7
//! remove(LAG_BYTES, "app", "/var/log/a.json") ─▶ nothing
//! ```

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Records that are unread.
pub const LAG_RECORDS: &str = "virga_lag_records";

/// Bytes that are unread.
pub const LAG_BYTES: &str = "virga_lag_bytes";

/// 1 of the partition that holds the watermark.
pub const HELD_BY: &str = "virga_watermark_held_by";

/// By metric, input and partition.
type Values = BTreeMap<(&'static str, String, String), f64>;

/// What the metrics say of partitions.
#[derive(Debug, Default)]
pub struct Partitions(Mutex<Values>);

impl Partitions {
    fn values(&self) -> MutexGuard<'_, Values> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What a metric says of a partition.
    pub fn set(&self, metric: &'static str, input: &str, partition: &str, value: f64) {
        self.values().insert((metric, input.to_owned(), partition.to_owned()), value);
    }

    /// It says nothing of the partition any more.
    pub fn remove(&self, metric: &'static str, input: &str, partition: &str) {
        self.values().remove(&(metric, input.to_owned(), partition.to_owned()));
    }

    /// It says something of this partition alone.
    pub fn set_only(&self, metric: &'static str, input: &str, partition: &str, value: f64) {
        let mut values = self.values();
        values.retain(|(of, ..), _| *of != metric);
        values.insert((metric, input.to_owned(), partition.to_owned()), value);
    }

    /// As Prometheus reads it.
    pub fn render(&self) -> String {
        let mut text = String::new();
        let mut last = "";
        for ((metric, input, partition), value) in self.values().iter() {
            // a text takes all that is written to it
            if *metric != last {
                let _ = writeln!(text, "# TYPE {metric} gauge");
                last = metric;
            }
            let [input, partition] = [input, partition].map(|label| escaped(label));
            let _ = writeln!(text, "{metric}{{input=\"{input}\",partition=\"{partition}\"}} {value}");
        }
        text
    }
}

/// A label's value as it is written: a path may hold anything.
fn escaped(label: &str) -> String {
    label.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn series_go_with_their_partition_and_labels_are_escaped() {
        let partitions = Partitions::default();
        assert_eq!(partitions.render(), "");
        partitions.set(LAG_RECORDS, "a", "t/1", 4.0);
        partitions.set(LAG_BYTES, "b", "/x \"y\"\\\n", 1.5);
        partitions.set(LAG_BYTES, "b", "/gone", 2.0);
        partitions.set_only(HELD_BY, "a", "t/0", 1.0);
        partitions.set_only(HELD_BY, "a", "t/1", 1.0);
        partitions.remove(LAG_BYTES, "b", "/gone");
        let expected = r#"# TYPE virga_lag_bytes gauge
virga_lag_bytes{input="b",partition="/x \"y\"\\\n"} 1.5
# TYPE virga_lag_records gauge
virga_lag_records{input="a",partition="t/1"} 4
# TYPE virga_watermark_held_by gauge
virga_watermark_held_by{input="a",partition="t/1"} 1
"#;
        assert_eq!(partitions.render(), expected);
    }
}
