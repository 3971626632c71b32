//! `virga run --check`: everything is proved by a real call, and nothing is changed.
//!
//! In: a configuration and a loader. Out: a line for each part, with what it would do or what does not work,
//! and what works and should not be so.

use std::sync::Arc;

use virga_engine::correlate::{SnapshotError, readable};
use virga_ingest::transport::live::LiveConfig;
use virga_ingest::transport::serving::{Sign, port};

use crate::archive::Outside;
use crate::checkpoint::{Checkpoint, Store};
use crate::clock::steady;
use crate::config::Config;
use crate::rotate;
use crate::rules::{Generation, Loader};
use crate::run::{context, known_instance, others, tell_left};

/// What came of one part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checked {
    /// The part: `state`, `rules`, `input "trail"`.
    pub part: String,
    /// What it would do, or what does not work.
    pub outcome: Result<String, String>,
    /// What works and should not be so.
    pub warnings: Vec<String>,
}

impl Checked {
    fn new(part: impl Into<String>, outcome: Result<String, String>) -> Self {
        Self { part: part.into(), outcome, warnings: Vec::new() }
    }
}

/// Proves all parts.
pub fn check(config: &Config, loader: &Loader, outside: &Outside) -> Vec<Checked> {
    let store = Store::new(&config.state.folder);
    let found = store.load();
    let state = match &found {
        Err(error) => Err(error.clone()),
        Ok(found) if !found.complaints.is_empty() => {
            Ok(format!("{}; the checkpoint before it would be used", found.complaints.join("; ")))
        }
        Ok(found) => Ok(match &found.checkpoint {
            None => format!("{}: no checkpoint, everything would begin anew", config.state.folder.display()),
            Some(checkpoint) => {
                let others: Vec<String> =
                    others(config, checkpoint).iter().map(|name| format!("\"{name}\"")).collect();
                let kept = match others.is_empty() {
                    true => String::new(),
                    false => format!("; it keeps where {} stood, not configured any more", others.join(", ")),
                };
                format!("would go on from checkpoint {}{kept}", checkpoint.number)
            }
        }),
    };
    let state = rotate::check_folder(&config.state.folder)
        .map_err(|error| format!("[state] folder: {error}"))
        .and(state);
    let mut from = found.ok().and_then(|found| found.checkpoint).unwrap_or_default();
    let names: Vec<String> = config.sinks.iter().map(|sink| sink.name.clone()).collect();
    let left = from.outbox.left(&names).into_iter();
    let mut warnings: Vec<String> =
        left.map(|(sink, count)| format!("sink \"{sink}\": {}", tell_left(count))).collect();
    let (state, forgotten) = match correlations(&from.correlations) {
        Ok(forgotten) => (state, forgotten),
        Err(cause) => (state.and(Err(cause)), None),
    };
    warnings.extend(forgotten);
    let mut checked = vec![Checked { part: "state".into(), outcome: state, warnings }];
    checked.push(rules(loader));
    if let (true, Ok(Some(known))) = (from.instance.is_empty(), known_instance(&config.state.folder)) {
        from.instance = known;
    }
    if !config.metrics.off {
        checked.push(Checked::new("metrics", metrics(config, &from)));
    }
    let clock = steady();
    for input in &config.inputs {
        let context = context(config, &input.name, &from, &clock, &Arc::default());
        let outcome = match input.transport() {
            Some(transport) => transport.check(&context).map_err(|error| error.to_string()),
            None => Err("says not what to read".into()),
        };
        let warnings = input.transport().map(LiveConfig::warnings).unwrap_or_default();
        checked.push(Checked { part: format!("input \"{}\"", input.name), outcome, warnings });
    }
    if let Some(archive) = &config.archive {
        let outcome = outside.prove(config).and_then(|()| match &outside.archive {
            Some(kept) => kept.check().map(|said| format!("{said}, every {:?}", archive.every.0)),
            None => Err("it is not there".into()),
        });
        checked.push(Checked::new("archive", outcome));
    }
    if config.redacts {
        let outcome = outside.prove(config).map(|()| "paths are known".to_owned());
        checked.push(Checked::new("redact", outcome));
    }
    for sink in &config.sinks {
        let outcome = sink.kind().map_or_else(|| Err("says not where to".into()), |kind| kind.check());
        checked.push(Checked::new(format!("sink \"{}\"", sink.name), outcome));
    }
    checked
}

/// Whether correlations would go on from their state: a warning where they would begin without memory, an error where
/// nothing would begin.
fn correlations(pieces: &[Vec<u8>]) -> Result<Option<String>, String> {
    match pieces.first().map_or(Ok(()), |piece| readable(piece)) {
        Ok(()) => Ok(None),
        Err(error @ SnapshotError::Version(_)) => {
            Ok(Some(format!("{error}: all correlations would begin without memory")))
        }
        Err(error) => Err(error.to_string()),
    }
}

/// Which rules would run, and which of them nobody would hear of.
fn rules(loader: &Loader) -> Checked {
    let generation = loader().and_then(|loaded| Generation::compile(1, &loaded, 1));
    let unheard = generation.iter().flat_map(|generation| &generation.unheard);
    let warnings = unheard.map(|said| format!("{said}; {}", said.help)).collect();
    let outcome = generation.map(|generation| {
        format!("would run {} rules and {} correlations", generation.rules, generation.plans.len())
    });
    Checked { part: "rules".into(), outcome, warnings }
}

/// Whether metrics could be served. A port that the process has which is to be followed is no obstacle.
fn metrics(config: &Config, from: &Checkpoint) -> Result<String, String> {
    let address = config.metrics.listen;
    let port = port(address, &Sign::of(&from.instance))
        .map_err(|error| format!("[metrics] listen = \"{address}\": {error}"))?;
    Ok(format!("would be served at http://{address}/metrics{}", port.note()))
}

#[cfg(test)]
mod tests {
    use virga_engine::RuleSet;
    use virga_engine::correlate::{Live, LiveLimits};
    use virga_engine::diagnostic::SourceFile;
    use virga_engine::plan::Lists;

    use super::*;
    use crate::rules::Loaded;

    const RULES: &str = "title: a\nname: a\nlevel: high\nlogsource: {product: aws, service: cloudtrail}\ndetection: {s: {eventName: A}, condition: s}\n\
        ---\ntitle: b\nname: b\nlevel: high\nlogsource: {product: aws, service: cloudtrail}\ndetection: {s: {eventName|expand: '%none%'}, condition: s}\n\
        ---\ntitle: both\nname: both\nlevel: high\ncorrelation: {type: temporal, rules: [a, b], group-by: x, timespan: 5m}\n";

    #[test]
    fn a_rule_that_will_never_be_heard_of_is_warned_of_and_runs() {
        for (text, expected) in [(RULES.to_owned(), 1), (RULES.replace("[a, b]", "[a]"), 0)] {
            let loader: Loader = Arc::new(move || {
                let file = Arc::new(SourceFile { name: "r.yml".into(), text: text.clone() });
                let set = RuleSet::load([file], &Lists::from([("none".to_owned(), Vec::new())]));
                Ok(Loaded { set, environment: Arc::default() })
            });
            let checked = rules(&loader);
            assert_eq!(checked.outcome, Ok("would run 2 rules and 1 correlations".to_owned()));
            assert_eq!(checked.warnings.len(), expected, "{:?}", checked.warnings);
            let words =
                "r.yml:4:12: warning[never-heard]: the rule will raise no alert: it only feeds `both`";
            assert!(checked.warnings.iter().all(|said| said.starts_with(words)), "{:?}", checked.warnings);
        }
    }

    #[test]
    fn a_state_of_correlations_fails_where_a_start_with_it_would() {
        let good = Live::new(&[], "", LiveLimits::default()).snapshot().unwrap();
        let mut other = good.clone();
        other[0][9] ^= 0x40;
        for (what, pieces, expected) in [
            ("none yet", Vec::new(), Ok(false)),
            ("good", good, Ok(false)),
            ("of another version", other, Ok(true)),
            ("no snapshot", vec![vec![1, 2, 3]], Err(())),
        ] {
            let found = correlations(&pieces);
            assert_eq!(found.as_ref().map(Option::is_some).map_err(drop), expected, "{what}: {found:?}");
            let started = Live::new(&[], "", LiveLimits::default()).restore(&pieces);
            let starts = pieces.is_empty() || matches!(started, Ok(_) | Err(SnapshotError::Version(_)));
            assert_eq!(found.is_ok(), starts, "{what}: {started:?}");
        }
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_state_folder_that_takes_no_files_fails() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("file"), "x").unwrap();
        // the last can be read, and nothing can be made in it
        for (state, is_good) in
            [("state", true), ("file/state", false), ("file", false), ("/proc/virga", false)]
        {
            let text = format!(
                "[state]\nfolder = \"{state}\"\n[metrics]\noff = true\n[[input]]\nname = \"in\"\n[input.stdin]\n\
                 [[sink]]\nname = \"out\"\n[sink.stdout]\n"
            );
            let config = Config::parse(&text, folder.path()).unwrap();
            let loader: Loader = Arc::new(|| Err("no rules".into()));
            let checked = check(&config, &loader, &Outside::default());
            assert_eq!(checked[0].part, "state");
            assert_eq!(checked[0].outcome.is_ok(), is_good, "{state}: {:?}", checked[0].outcome);
        }
    }
}
