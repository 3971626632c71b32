//! The daemon's part of `virga.toml`.
//!
//! In: the file's text. Out: a [`Config`], or an error with the line, the key and what is known there. Nothing
//! unknown is passed over: a misspelt key would be a promise that nobody keeps.
//!
//! ```toml
//! [state]
//! folder = "/var/lib/virga"
//!
//! [[input]]
//! name = "trail"
//! source = "aws.cloudtrail"
//! kafka = { brokers = ["localhost:9092"], topics = ["cloudtrail"], group = "virga" }
//!
//! [[sink]]
//! name = "alerts"
//! file = { path = "/var/log/virga/alerts.ndjson" }
//! ```

mod archive;
mod input;
mod sink;

use std::collections::HashSet;
use std::net::SocketAddr;
use std::path::{Component, Path, PathBuf};

use serde::de::{Error, IgnoredAny};
use serde::{Deserialize, Deserializer};
use virga_ingest::quote::explain;
use virga_ingest::transport::serving::collide;
use virga_ingest::units::{Size, Span};

pub use archive::ArchiveConfig;
pub use input::InputConfig;
pub use sink::SinkConfig;

use crate::sinks::OpenSink;

/// The whole file. Parts of other commands are known by name and read by them.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    state: State,
    #[serde(default)]
    checkpoint: Checkpoint,
    #[serde(default)]
    rules: Rules,
    #[serde(default)]
    metrics: Metrics,
    #[serde(default)]
    log: Log,
    #[serde(default)]
    limits: Limits,
    #[serde(default)]
    input: Vec<InputConfig>,
    #[serde(default)]
    sink: Vec<SinkConfig>,
    archive: Option<ArchiveConfig>,
    /// What they say is the root's; that there are some is not passed over.
    #[serde(default)]
    redact: Vec<IgnoredAny>,
    #[serde(default, rename = "environment")]
    _environment: IgnoredAny,
    #[serde(default, rename = "tables")]
    _tables: IgnoredAny,
}

/// What the daemon is to do.
#[derive(Debug, Clone)]
pub struct Config {
    /// Where state lies.
    pub state: State,
    /// When checkpoints are written.
    pub checkpoint: Checkpoint,
    /// Which rules.
    pub rules: Rules,
    /// Where metrics are served.
    pub metrics: Metrics,
    /// How the log is written.
    pub log: Log,
    /// How much may be used.
    pub limits: Limits,
    /// What is read.
    pub inputs: Vec<InputConfig>,
    /// Where alerts go.
    pub sinks: Vec<SinkConfig>,
    /// Where events and alerts are kept, if they are.
    pub archive: Option<ArchiveConfig>,
    /// Whether something must not be kept of them.
    pub redacts: bool,
    /// The folder of the file: paths in it begin there.
    pub base: PathBuf,
}

/// `[state]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct State {
    /// The folder of checkpoint, quarantine and ledgers. One process uses it at a time.
    pub folder: PathBuf,
}

/// `[checkpoint]`
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Checkpoint {
    /// How often one is written: what a killed process does again at the most.
    pub every: Span,
}

impl Default for Checkpoint {
    fn default() -> Self {
        Self { every: Span::seconds(5) }
    }
}

/// `[rules]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Rules {
    /// Files and folders; `built-in` are those that ship. None: those.
    pub paths: Vec<PathBuf>,
    /// Files of lists.
    pub lists: Vec<PathBuf>,
    /// Processing pipelines.
    pub pipelines: Vec<PathBuf>,
    /// Files of tuning.
    pub tuning: Vec<PathBuf>,
    /// Load them anew when one of these files changes.
    pub watch: bool,
    /// The tenant that ids of alerts are made with.
    pub tenant: String,
}

impl Default for Rules {
    fn default() -> Self {
        Self {
            paths: Vec::new(),
            lists: Vec::new(),
            pipelines: Vec::new(),
            tuning: Vec::new(),
            watch: true,
            tenant: String::new(),
        }
    }
}

/// `[metrics]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Metrics {
    /// Where `/metrics`, `/healthz` and `/readyz` are served.
    pub listen: SocketAddr,
    /// Serve them to other machines too: they tell rules and topics to whoever asks.
    pub allow_remote: bool,
    /// A file that the address is written to: where `listen` ends in `:0` and the system chooses.
    pub address_file: Option<PathBuf>,
    /// Serve none.
    pub off: bool,
}

impl Default for Metrics {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 9464)),
            allow_remote: false,
            address_file: None,
            off: false,
        }
    }
}

/// `[log]`
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Log {
    /// Lines for people, or JSON objects.
    pub format: LogFormat,
    /// `error`, `warn`, `info` (the default), `debug`, or a filter as in `virga_daemon=debug,warn`.
    #[serde(deserialize_with = "level")]
    pub level: Option<String>,
}

fn level<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    let level = String::deserialize(deserializer)?;
    crate::log::prove(&level).map_err(D::Error::custom)?;
    Ok(Some(level))
}

/// How the log is written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// Lines.
    #[default]
    Text,
    /// JSON objects.
    Json,
}

/// `[limits]`
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Threads that decode and scan; 0: one for each core.
    pub workers: usize,
    /// Memory of correlations; beyond it those farthest from a match are forgotten, and an alert says so.
    pub correlation_memory: Size,
    /// Alerts that may wait for a sink.
    pub outbox: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { workers: 0, correlation_memory: Size(1 << 30), outbox: crate::limits::MAX_OUTBOX }
    }
}

impl Config {
    /// Reads a configuration. Paths in it begin at its folder.
    ///
    /// # Errors
    /// What is wrong, with its place.
    pub fn read(path: &Path) -> Result<Self, String> {
        let at = |error: &dyn std::fmt::Display| format!("{}: {error}", path.display());
        let text = std::fs::read_to_string(path).map_err(|error| at(&error))?;
        let base = path.parent().unwrap_or(Path::new("")).to_owned();
        Self::parse(&text, &base).map_err(|error| at(&error))
    }

    /// The same from its text.
    ///
    /// # Errors
    /// What is wrong, with its place.
    pub fn parse(text: &str, base: &Path) -> Result<Self, String> {
        let file: File =
            toml::from_str(text).map_err(|error| explain(text, error.span(), error.message()))?;
        let mut config = Self {
            state: file.state,
            checkpoint: file.checkpoint,
            rules: file.rules,
            metrics: file.metrics,
            log: file.log,
            limits: file.limits,
            inputs: file.input,
            sinks: file.sink,
            archive: file.archive,
            redacts: !file.redact.is_empty(),
            base: base.to_owned(),
        };
        config.resolve();
        config.prove()?;
        Ok(config)
    }

    /// Paths begin at the configuration's folder.
    fn resolve(&mut self) {
        let base = self.base.clone();
        let rules = &mut self.rules;
        let lists = [&mut rules.lists, &mut rules.pipelines, &mut rules.tuning];
        for path in lists.into_iter().flatten() {
            *path = base.join(&path);
        }
        for path in &mut rules.paths {
            // the word for the rules that ship is no path
            if path.as_os_str() != "built-in" {
                *path = base.join(&path);
            }
        }
        self.state.folder = base.join(&self.state.folder);
        if let Some(path) = &mut self.metrics.address_file {
            *path = base.join(&path);
        }
        self.inputs.iter_mut().for_each(|input| input.resolve(&base));
        self.sinks.iter_mut().for_each(|sink| sink.resolve(&base));
        if let Some(archive) = &mut self.archive {
            archive.resolve(&base);
        }
    }

    fn prove(&self) -> Result<(), String> {
        if self.inputs.is_empty() {
            return Err("there is no [[input]]: nothing would be read".into());
        }
        if self.sinks.is_empty() {
            return Err("there is no [[sink]]: nobody would hear of an alert".into());
        }
        names("[[input]]", self.inputs.iter().map(|input| input.name.as_str()))?;
        names("[[sink]]", self.sinks.iter().map(|sink| sink.name.as_str()))?;
        self.inputs.iter().try_for_each(InputConfig::prove)?;
        if let [first, second, ..] =
            self.inputs.iter().filter(|input| input.is_stdin()).collect::<Vec<_>>()[..]
        {
            return Err(format!(
                "input \"{}\" and input \"{}\" both read standard input: each line would go to one of them, by chance",
                first.name, second.name
            ));
        }
        self.sinks.iter().try_for_each(SinkConfig::prove)?;
        self.archive.as_ref().map_or(Ok(()), ArchiveConfig::prove)?;
        let metrics = &self.metrics;
        if !metrics.off && !metrics.allow_remote && !metrics.listen.ip().is_loopback() {
            return Err(format!(
                "[metrics] listen = \"{}\" serves rules and topics to whoever asks; say `allow_remote = true` if that is meant",
                metrics.listen
            ));
        }
        self.prove_ports()?;
        self.prove_files()?;
        if self.checkpoint.every.0.is_zero() {
            return Err("[checkpoint] every is zero: write \"1s\" or more".into());
        }
        if self.limits.workers > crate::limits::MAX_WORKERS {
            let most = crate::limits::MAX_WORKERS;
            return Err(format!("[limits] workers = {} is more than {most}", self.limits.workers));
        }
        let (memory, most) = (self.limits.correlation_memory, crate::limits::MAX_CHECKPOINT_BYTES);
        if memory.0 > most {
            return Err(format!(
                "[limits] correlation_memory is {} GB: a checkpoint of more than {} GB is not read",
                memory.0 >> 30,
                most >> 30
            ));
        }
        if self.limits.outbox == 0 {
            return Err("[limits] outbox is zero: no alert could go out".into());
        }
        Ok(())
    }

    /// Two parts that listen on one address are one too many: the second would end the start.
    fn prove_ports(&self) -> Result<(), String> {
        let inputs = self.inputs.iter().filter_map(|input| {
            let address = input.transport()?.listens()?;
            Some((format!("input \"{}\"", input.name), address))
        });
        let metrics = (!self.metrics.off).then(|| ("[metrics]".to_owned(), self.metrics.listen));
        let mut taken: Vec<(String, SocketAddr)> = Vec::new();
        for (part, address) in inputs.chain(metrics) {
            if let Some((first, held)) = taken.iter().find(|(_, held)| collide(*held, address)) {
                return Err(format!(
                    "{first} listens on {held} and {part} on {address}, which cannot be both: give one of them another port"
                ));
            }
            taken.push((part, address));
        }
        Ok(())
    }

    /// Two sinks that write one file would cut and rotate it under each other, be it that it is an old file of one of
    /// them; and what lies in the state folder is the process's own.
    fn prove_files(&self) -> Result<(), String> {
        let state = resolved(&self.state.folder);
        let mut taken: Vec<(&str, PathBuf, usize)> = Vec::new();
        for sink in &self.sinks {
            let Some((path, keep)) = sink.kind().and_then(OpenSink::file) else { continue };
            let (name, path) = (sink.name.as_str(), resolved(path));
            if path.starts_with(&state) {
                return Err(format!(
                    "sink \"{name}\" writes {}, which lies in [state] folder = \"{}\": what is there is the process's own, give the sink another path",
                    path.display(),
                    self.state.folder.display()
                ));
            }
            for (first, held, held_keep) in &taken {
                let what = if *held == path {
                    format!("both write {}", path.display())
                } else if is_old(&path, held, *held_keep) {
                    format!("both write {}, an old file of the first", path.display())
                } else if is_old(held, &path, keep) {
                    format!("both write {}, an old file of the second", held.display())
                } else {
                    continue;
                };
                return Err(format!(
                    "sink \"{first}\" and sink \"{name}\" {what}: give one of them another path"
                ));
            }
            taken.push((name, path, keep));
        }
        Ok(())
    }

    /// How many threads decode and scan.
    pub fn workers(&self) -> usize {
        match self.limits.workers {
            0 => std::thread::available_parallelism().map_or(1, usize::from).min(crate::limits::MAX_WORKERS),
            some => some,
        }
    }
}

/// Where a path really leads, as far as it is there; the rest as it is written.
fn resolved(path: &Path) -> PathBuf {
    let mut real = std::env::current_dir().unwrap_or_default();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir => drop(real.pop()),
            part => real.push(part),
        }
        real = real.canonicalize().unwrap_or(real);
    }
    real
}

/// Whether a path is that of an old file of another, of which so many are kept: `path.1`, `path.2` …
fn is_old(path: &Path, of: &Path, keep: usize) -> bool {
    let name = |path: &Path| path.file_name().map(|name| name.to_string_lossy().into_owned());
    let (Some(old), Some(name)) = (name(path), name(of)) else { return false };
    let number = old.strip_prefix(&name).and_then(|end| end.strip_prefix('.'));
    let count = number.and_then(|number| number.parse::<usize>().ok().filter(|n| n.to_string() == number));
    path.parent() == of.parent() && count.is_some_and(|count| (1..=keep).contains(&count))
}

/// Names become metrics, files and keys of the checkpoint.
fn names<'a>(what: &str, names: impl Iterator<Item = &'a str>) -> Result<(), String> {
    let mut seen = HashSet::new();
    for name in names {
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        if name.is_empty() || name.starts_with('.') || !name.chars().all(plain) {
            return Err(format!("{what} name = \"{name}\": a name has letters, digits, `-`, `_` and `.`"));
        }
        if !seen.insert(name) {
            return Err(format!("{what} name = \"{name}\" is given twice"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const LEAST: &str = r#"
[state]
folder = "state"

[[input]]
name = "in"
[input.stdin]

[[sink]]
name = "out"
[sink.stdout]
"#;

    fn parse(text: &str) -> Result<Config, String> {
        Config::parse(text, Path::new("/etc/virga"))
    }

    #[test]
    fn little_is_enough_and_paths_begin_at_the_file() {
        let config = parse(LEAST).unwrap();
        assert_eq!(config.state.folder, Path::new("/etc/virga/state"));
        assert_eq!(config.checkpoint.every, Span::seconds(5));
        assert!(config.metrics.listen.ip().is_loopback());
        let rules = parse(&format!("{LEAST}\n[rules]\npaths = [\"built-in\", \"mine\"]")).unwrap().rules;
        assert_eq!(rules.paths, [Path::new("built-in"), Path::new("/etc/virga/mine")]);
        assert!(config.archive.is_none() && !config.redacts);
        for (url, expected) in
            [("lake", "/etc/virga/lake"), ("/lake", "/lake"), ("s3://b/lake", "s3://b/lake")]
        {
            let archive = parse(&format!("{LEAST}\n[archive]\nurl = \"{url}\"")).unwrap().archive.unwrap();
            assert_eq!((archive.url.as_str(), archive.every), (expected, Span::seconds(60)));
        }
    }

    #[test]
    fn a_level_that_would_silence_the_log_is_a_mistake_with_its_place() {
        for level in ["loud", "warn,virga", "foo=bar=baz", "virga=loud", "", "info,"] {
            let error = parse(&format!("{LEAST}[log]\nlevel = \"{level}\"\n")).unwrap_err();
            assert!(error.contains("line 13"), "{level}: {error}");
        }
        for level in ["info", "INFO", "off", "trace", "virga_daemon=debug,warn", "x[span{a=1}]=info"] {
            let read = parse(&format!("{LEAST}[log]\nlevel = \"{level}\"\n"));
            assert_eq!(read.unwrap().log.level.as_deref(), Some(level));
        }
    }

    #[test]
    fn every_path_of_inputs_sinks_and_stores_begins_at_the_file() {
        let kafka = "brokers = [\"b:1\"]\ntls = { ca = \"in/ca\", certificate = \"in/crt\", key = \"in/key\", key_password = { file = \"in/kp\" } }\nsasl = { mechanism = \"PLAIN\", username = \"u\", password = { file = \"in/pw\" }, token = { file = \"in/tok\" } }\n";
        let store = "store = { profile_file = \"in/prof\", key_file = \"in/key\", ca_file = \"in/ca\" }\n";
        let text = format!(
            "[state]\nfolder = \"state\"\n\
             [[input]]\nname = \"a\"\n[input.kafka]\ntopics = [\"t\"]\ngroup = \"g\"\n{kafka}\
             [[input]]\nname = \"b\"\n[input.s3]\nurl = \"s3://b/p/\"\n{store}\
             [[input]]\nname = \"c\"\n[input.http]\nlisten = \"127.0.0.1:1\"\ntoken = {{ file = \"in/tok\" }}\ntls = {{ cert = \"in/crt\", key = \"in/key\" }}\n\
             [[input]]\nname = \"d\"\n[input.follow]\npaths = [\"in/*.log\", \"/else/*.log\"]\n\
             [[sink]]\nname = \"out\"\n[sink.kafka]\ntopic = \"t\"\n{kafka}\
             [archive]\nurl = \"s3://b/lake\"\n{store}"
        );
        let named = text.matches("\"in/").count();
        assert_eq!(named, 22);
        for base in ["/etc/virga", ""] {
            let shown = format!("{:?}", Config::parse(&text, Path::new(base)).unwrap());
            let base = if base.is_empty() { String::new() } else { format!("{base}/") };
            assert_eq!(shown.matches(&format!("\"{base}in/")).count(), named, "{shown}");
            assert!(shown.contains("\"/else/*.log\""), "{shown}");
        }
        // a folder whose name would be a wildcard
        let config = Config::parse(&text, Path::new("/a[b]")).unwrap();
        assert!(format!("{config:?}").contains("\"/a[[]b[]]/in/*.log\""), "{config:?}");
    }

    #[test]
    fn two_sinks_on_one_file_are_refused_whatever_it_is_called() {
        let folder = tempfile::tempdir().unwrap();
        let base = folder.path().canonicalize().unwrap();
        std::fs::create_dir(base.join("logs")).unwrap();
        std::os::unix::fs::symlink("logs", base.join("link")).unwrap();
        for (first, second, is_one) in [
            ("a.ndjson", "b.ndjson", false),
            ("logs/a.ndjson", "a.ndjson", false),
            ("a.ndjson", "a.ndjson", true),
            ("a.ndjson", "./none/../a.ndjson", true),
            ("logs/a.ndjson", "link/a.ndjson", true),
            ("none/a.ndjson", "none/./a.ndjson", true),
        ] {
            let sink = |name: &str, path: &str| {
                format!("[[sink]]\nname = \"{name}\"\n[sink.file]\npath = \"{path}\"\n")
            };
            let text = format!("{LEAST}{}{}", sink("one", first), sink("two", second));
            let said = Config::parse(&text, &base).err();
            let file = base.join(first);
            let expected = format!(
                "sink \"one\" and sink \"two\" both write {}: give one of them another path",
                file.display()
            );
            assert_eq!(said, is_one.then_some(expected), "{first} {second}");
        }
    }

    #[test]
    fn a_sink_on_an_old_file_of_another_or_on_the_state_is_refused() {
        let of_first = "sink \"one\" and sink \"two\" both write /l/a.ndjson.1, an old file of the first";
        let of_second = "sink \"one\" and sink \"two\" both write /l/a.ndjson.2, an old file of the second";
        for (first, second, expected) in [
            ("/l/a.ndjson", "/l/a.ndjson.1", Some(of_first)),
            ("/l/a.ndjson.2", "/l/a.ndjson", Some(of_second)),
            // more than are kept, and what is called otherwise
            ("/l/a.ndjson", "/l/a.ndjson.3", None),
            ("/l/a.ndjson", "/l/a.ndjson.01", None),
            ("/l/a.ndjson", "/l/a.ndjson.old", None),
            ("/l/a.ndjson", "/m/a.ndjson.1", None),
            (
                "/l/a.ndjson",
                "state/quarantine.ndjson",
                Some("sink \"two\" writes /etc/virga/state/quarantine.ndjson"),
            ),
            (
                "none/../state/inputs/x",
                "/l/a.ndjson",
                Some("which lies in [state] folder = \"/etc/virga/state\""),
            ),
            ("states/a.ndjson", "state.ndjson", None),
        ] {
            let sink = |name: &str, path: &str| {
                format!("[[sink]]\nname = \"{name}\"\n[sink.file]\npath = \"{path}\"\nkeep = 2\n")
            };
            let parsed = parse(&format!("{LEAST}{}{}", sink("one", first), sink("two", second)));
            match expected {
                None => assert!(parsed.is_ok(), "{first} {second}: {parsed:?}"),
                Some(words) => {
                    let error = parsed.unwrap_err();
                    assert!(error.contains(words) && error.contains("another path"), "{error}");
                }
            }
        }
    }

    #[test]
    fn an_unknown_key_is_an_error_with_its_place() {
        for (from, to, place) in [
            ("[state]\n", "[state]\nfloder = 1\n", "line 3"),
            ("[input.stdin]\n", "[input.stdin]\nx = 1\n", "line 8"),
            ("[[sink]]\n", "[[sinc]]\n", "line 9"),
            ("[sink.stdout]\n", "[sink.stdout]\nformt = \"ocsf\"\n", "line 12"),
            ("[[sink]]\n", "[archive]\nurl = \"lake\"\nevry = \"1m\"\n[[sink]]\n", "line 11"),
        ] {
            let error = parse(&LEAST.replace(from, to)).unwrap_err();
            assert!(error.contains(place) && error.contains("unknown field"), "{to}: {error}");
        }
    }

    #[test]
    fn a_secret_that_is_written_is_shown_by_no_error() {
        let kafka = "[input.kafka]\nbrokers = [\"b:1\"]\ntopics = [\"t\"]\ngroup = \"g\"\n";
        let mut told = 0;
        for lines in [
            "sasl = { mechanism = \"PLAIN\", username = 5, password = \"hunter2\" }",
            "sasl = { mechanism = \"PLAIN\", password = \"hunter2\", username = 5 }",
            "sasl = { mechanism = \"PLAIN\", password = \"hunter2\", user = }",
            "sasl = { mechanism = \"PLAIN\", password = \"hunter2 }",
            "sasl = { mechanism = \"PLAIN\", pasword = \"hunter2\" }",
            "sasl = \"virga:hunter2\"",
            "[input.kafka.sasl]\nmechanism = \"PLAIN\"\npassword = \"\"\"\nhunter2\\q\"\"\"",
            "[input.kafka.sasl]\nmechanism = \"PLAIN\"\npassword = hunter2",
            "[input.kafka.tls]\nkey_password = { value = \"hunter2\" }",
            "[[redact]]\nkey = 4711\nkey = \"hunter2\"",
        ] {
            let text = LEAST.replace("[input.stdin]\n", &format!("{kafka}{lines}\n"));
            let error = parse(&text).unwrap_err();
            assert!(!error.contains("hunter2"), "{error}");
            // the place is that of the mistake all the same
            let plain = toml::from_str::<File>(&text).unwrap_err().to_string();
            told += usize::from(plain.contains("hunter2"));
            assert_eq!(error.lines().next(), plain.lines().next(), "{error}");
        }
        assert!(told >= 8, "only {told} would have been shown");
    }

    /// The configuration with one more key, somewhere.
    fn with_key(table: &str, key: &str, value: &str) -> String {
        let text = match table {
            "[input.s3]" => LEAST.replace("[input.stdin]", "[input.s3]\nurl = \"s3://b/p/\"\nKEY"),
            "[input.http]" => LEAST.replace("[input.stdin]", "[input.http]\nlisten = \"127.0.0.1:1\"\nKEY"),
            "[[input]]" => LEAST.replace("name = \"in\"", "name = \"in\"\nKEY"),
            "[sink.file]" => LEAST.replace("[sink.stdout]", "[sink.file]\npath = \"a\"\nKEY"),
            "[archive]" => format!("{LEAST}\n[archive]\nurl = \"lake\"\nKEY"),
            table => format!("{LEAST}\n{table}\nKEY"),
        };
        assert!(text.contains("KEY"), "{table}");
        text.replace("KEY", &format!("{key} = {value}"))
    }

    #[test]
    fn every_length_and_size_is_written_in_one_way() {
        let spans = ["\"1500ms\"", "\"30s\"", "\"5m\"", "\"1h\"", "\"1d\""];
        let sizes = ["\"4096B\"", "\"64KB\"", "\"64KiB\"", "\"64MB\"", "\"64MiB\"", "\"1GB\"", "\"1GiB\""];
        // and whether a bare number has always been understood
        let keys: [(&str, &str, &[&str], bool); 16] = [
            ("[input.s3]", "visibility", &spans, true),
            ("[input.s3]", "visibility_seconds", &spans, true),
            ("[input.s3]", "settle", &spans, true),
            ("[input.s3]", "settle_seconds", &spans, true),
            ("[input.s3]", "list_every", &spans, true),
            ("[input.s3]", "list_seconds", &spans, true),
            ("[input.http]", "wait", &spans, true),
            ("[input.http]", "wait_seconds", &spans, true),
            ("[input.http]", "max_size", &sizes, true),
            ("[input.http]", "max_bytes", &sizes, true),
            ("[[input]]", "lateness", &spans, false),
            ("[checkpoint]", "every", &spans, false),
            ("[archive]", "every", &spans, false),
            ("[archive]", "size", &sizes, false),
            ("[limits]", "correlation_memory", &sizes, false),
            ("[sink.file]", "rotate_at", &sizes, false),
        ];
        for (table, key, right, bare) in keys {
            for value in right {
                let parsed = parse(&with_key(table, key, value));
                assert!(parsed.is_ok(), "{table} {key} = {value}: {parsed:?}");
            }
            for (value, is_right) in
                [("60", bare), ("-60", false), ("\"60\"", false), ("\"60 weeks\"", false)]
            {
                let text = with_key(table, key, value);
                let parsed = parse(&text);
                assert_eq!(parsed.is_ok(), is_right, "{table} {key} = {value}");
                let Err(error) = parsed else { continue };
                let line = text.lines().position(|line| line.starts_with(&format!("{key} = "))).unwrap() + 1;
                assert!(error.contains(&format!("line {line}, column")), "{error}");
                assert!(error.contains(&format!("{key} = ***")), "{error}");
                let word = if right == spans {
                    "is no length of time: write \"500ms\""
                } else {
                    "is no size: write \"64KB\""
                };
                assert!(error.contains(word) && error.contains("or a number of") == bare, "{error}");
            }
        }
    }

    #[test]
    fn two_parts_that_listen_on_one_address_are_both_named() {
        let http = |name: &str, listen: &str| {
            format!(
                "\n[[input]]\nname = \"{name}\"\n[input.http]\nlisten = \"{listen}\"\ntoken = {{ env = \"T\" }}\n"
            )
        };
        let metrics = |listen: &str, more: &str| format!("\n[metrics]\nlisten = \"{listen}\"\n{more}");
        let (one, other) = (http("one", "127.0.0.1:8088"), http("other", "0.0.0.0:8088"));
        for (more, expected) in [
            (
                format!("{one}{other}"),
                Some(["input \"one\" listens on 127.0.0.1:8088", "input \"other\" on 0.0.0.0:8088"]),
            ),
            (
                http("one", "127.0.0.1:9464"),
                Some(["input \"one\" listens on 127.0.0.1:9464", "[metrics] on 127.0.0.1:9464"]),
            ),
            (format!("{one}{}", metrics("127.0.0.1:8088", "")), Some(["input \"one\"", "[metrics]"])),
            (format!("{one}{}", metrics("127.0.0.1:8088", "off = true")), None),
            (format!("{one}{}", http("other", "127.0.0.1:8089")), None),
            (format!("{}{}", http("one", "127.0.0.1:0"), http("other", "127.0.0.1:0")), None),
        ] {
            let parsed = parse(&format!("{LEAST}{more}"));
            match expected {
                None => assert!(parsed.is_ok(), "{more}: {parsed:?}"),
                Some(words) => {
                    let error = parsed.unwrap_err();
                    assert!(words.iter().all(|word| error.contains(word)), "{more}: {error}");
                    assert!(error.contains("another port"), "{error}");
                }
            }
        }
    }

    #[test]
    fn what_cannot_be_meant_is_refused_in_words() {
        for (text, expected) in [
            (LEAST.replace("[input.stdin]", ""), "says not what to read"),
            (LEAST.replace("[sink.stdout]", ""), "says not where to"),
            (LEAST.replace("name = \"in\"", "name = \"a/b\""), "letters, digits"),
            (LEAST.replace("name = \"in\"", "name = \"in\"\nsource = \"aws\""), "no source `aws`"),
            (format!("{LEAST}\n[metrics]\nlisten = \"0.0.0.0:1\""), "allow_remote"),
            (format!("{LEAST}\n[checkpoint]\nevery = \"5\""), "no length of time"),
            (format!("{LEAST}\n[[sink]]\nname = \"out\"\n[sink.stdout]"), "given twice"),
            (format!("{LEAST}\n[archive]\nurl = \"\""), "url is empty"),
            (format!("{LEAST}\n[archive]\nurl = \"lake\"\nevery = \"0s\""), "every is zero"),
            (format!("{LEAST}\n[archive]\nurl = \"lake\"\nstore = {{ region = \"x\" }}"), "names a folder"),
            (
                format!("{LEAST}\n[[input]]\nname = \"other\"\n[input.stdin]"),
                "input \"in\" and input \"other\" both",
            ),
            (format!("{LEAST}\n[limits]\ncorrelation_memory = \"9GB\""), "correlation_memory is 9 GB"),
            ("[state]\nfolder=\"s\"".to_owned(), "no [[input]]"),
        ] {
            let error = parse(&text).unwrap_err();
            assert!(error.contains(expected), "{expected}: {error}");
        }
    }
}
