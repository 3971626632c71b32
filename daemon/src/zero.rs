//! Counters that stand at zero from the start.
//!
//! In: the configuration. Out: each counter whose labels are known before anything is counted. Prometheus sees no step
//! from nothing to one: `increase()` would miss the first record that could not be read, and the first sink that failed.
//! What is labelled by rules, log sources or the words of an input is there from its first count on.

use virga_ingest::quarantine::CAUSES;

use crate::config::Config;

/// Why something is given up.
const DROPPED: &[&str] =
    &["alert_too_large", "late_full", "late_unwritten", "quarantine_full", "sink_removed"];

/// By one outcome and the other.
const OUTCOMES: &[(&str, [&str; 2])] =
    &[("virga_checkpoints_total", ["written", "failed"]), ("virga_reloads_total", ["done", "refused"])];

const OF_INPUTS: &[&str] = &["virga_bytes_total", "virga_messages_total", "virga_input_pauses_total"];

const OF_SINKS: &[&str] = &["virga_sink_alerts_total", "virga_sink_failures_total"];

const OF_ARCHIVES: &[&str] = &[
    "virga_archive_alerts_total",
    "virga_archive_bytes_total",
    "virga_archive_events_left_out_total",
    "virga_archive_events_total",
    "virga_archive_failures_total",
    "virga_archive_files_total",
];

/// Begins all of them.
pub fn begin(config: &Config) {
    for &cause in DROPPED {
        metrics::counter!("virga_dropped_total", "cause" => cause).increment(0);
    }
    for (name, outcomes) in OUTCOMES {
        begin_outcomes(name, outcomes);
    }
    metrics::counter!("virga_quarantine_failures_total").increment(0);
    for input in &config.inputs {
        for &name in OF_INPUTS {
            metrics::counter!(name, "input" => input.name.clone()).increment(0);
        }
        for cause in CAUSES {
            let labels = [("input", input.name.clone()), ("cause", cause.code().to_owned())];
            metrics::counter!("virga_quarantined_total", &labels).increment(0);
        }
    }
    for sink in &config.sinks {
        for &name in OF_SINKS {
            metrics::counter!(name, "sink" => sink.name.clone()).increment(0);
        }
    }
    if config.archive.is_some() {
        begin_outcomes("virga_archive_commits_total", &["done", "failed"]);
        OF_ARCHIVES.iter().for_each(|&name| metrics::counter!(name).increment(0));
    }
}

fn begin_outcomes(name: &'static str, outcomes: &[&'static str]) {
    for &outcome in outcomes {
        metrics::counter!(name, "outcome" => outcome).increment(0);
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use metrics_exporter_prometheus::PrometheusBuilder;

    use super::*;

    #[test]
    fn what_is_known_beforehand_stands_at_zero_and_is_what_is_counted() {
        let text = "[state]\nfolder = \"s\"\n[[input]]\nname = \"in\"\n[input.stdin]\n[[sink]]\nname = \"out\"\n[sink.stdout]\n[archive]\nurl = \"lake\"\n";
        let config = Config::parse(text, Path::new("/etc")).unwrap();
        let recorder = PrometheusBuilder::new().build_recorder();
        let told = metrics::with_local_recorder(&recorder, || {
            begin(&config);
            recorder.handle().render()
        });
        for line in [
            "virga_dropped_total{cause=\"quarantine_full\"} 0",
            "virga_quarantined_total{input=\"in\",cause=\"not_json\"} 0",
            "virga_sink_failures_total{sink=\"out\"} 0",
            "virga_archive_commits_total{outcome=\"failed\"} 0",
        ] {
            assert!(told.lines().any(|told| told == line), "{line}: {told}");
        }
        // a name that nobody counts by would be a promise that nobody keeps
        let mut code = String::new();
        let mut folders = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("src")];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                match path.is_dir() {
                    true => folders.push(path),
                    false if path.ends_with("zero.rs") => {}
                    false => code += &std::fs::read_to_string(path).unwrap(),
                }
            }
        }
        let names = told.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next());
        let words = DROPPED.iter().copied().chain(OUTCOMES.iter().flat_map(|(_, outcomes)| *outcomes));
        for word in names.chain(words) {
            assert!(code.contains(&format!("\"{word}\"")), "{word}");
        }
        for (_, dropped) in code
            .match_indices("\"virga_dropped_total\", \"cause\" => \"")
            .map(|(at, found)| (at, &code[at + found.len()..]))
        {
            let cause = dropped.split('"').next().unwrap();
            assert!(DROPPED.contains(&cause), "{cause}");
        }
    }
}
