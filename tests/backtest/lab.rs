//! Archives to run backtests over: of what ships, of made events, of a few calls; and the commands on them.

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::Arc;

use serde_json::Value;
use virga_archive::{Archive, EventWriter, Layout, Location};
use virga_benches::generator::{Config, Generator};
use virga_engine::cases::parse_lists;
use virga_engine::diagnostic::SourceFile;
use virga_engine::event::{EventBatch, SourceSpec};
use virga_engine::tuning::Tuning;
use virga_engine::{Engine, RuleSet, Surroundings};
use virga_ingest::batcher::BatchLimits;
use virga_ingest::quarantine::Quarantined;
use virga_ingest::reader::{Choice, Reader, Sink, SourcePlan};
use virga_ingest::sources::{SOURCES, generic};
use virga_ingest::transport::{FileInputs, InputError, Progress};
use virga_test_support::workspace;

pub fn virga(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_virga"))
        .args(args)
        .current_dir(workspace())
        .output()
        .expect("virga runs")
}

pub fn ok(args: &[&str]) -> String {
    let output = virga(args);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{args:?}: {said}");
    String::from_utf8(output.stdout).expect("text")
}

pub fn text(path: &Path) -> &str {
    path.to_str().expect("a path in UTF-8")
}

/// The rules that ship.
pub fn shipped() -> RuleSet {
    let file = |name: &str, text: &str| Arc::new(SourceFile { name: name.into(), text: text.into() });
    let around = Surroundings {
        lists: parse_lists(&file("lists.yml", virga_detections::LISTS)).expect("lists"),
        tuning: Tuning::parse(&file("tuning.yml", virga_detections::TUNING)).expect("tuning"),
        ..Surroundings::default()
    };
    let rules = virga_detections::rules().into_iter();
    RuleSet::load_with(rules.map(|rule| file(&rule.path, &rule.text)), &around)
}

struct Batches(Vec<EventBatch>);

impl Sink for Batches {
    fn batch(&mut self, batch: EventBatch) -> ControlFlow<()> {
        self.0.push(batch);
        ControlFlow::Continue(())
    }

    fn quarantined(&mut self, _: Quarantined) {}

    fn unreadable(&mut self, error: InputError) {
        panic!("{error}");
    }
}

/// Archives the events of a path, with the columns that the shipped rules ask for.
pub fn archive(input: &Path, folder: &Path) {
    let specs: Vec<SourceSpec> = SOURCES
        .iter()
        .map(|source| match source.name == generic::SOURCE.name {
            true => generic::spec(Vec::new(), false),
            false => source.spec(),
        })
        .collect();
    let engine = Engine::new(&shipped(), &specs);
    let layouts: Vec<(String, Layout)> = specs
        .iter()
        .map(|spec| {
            let asked = engine.projection(&spec.name).expect("a plan").whole();
            (spec.name.clone(), Layout::new(&spec.columns, &asked))
        })
        .collect();
    let plans = SOURCES
        .iter()
        .zip(&layouts)
        .map(|(source, (_, layout))| SourcePlan { source, projection: Arc::clone(&layout.projection) });
    let mut batches = Batches(Vec::new());
    let progress = Progress::default();
    Reader::new(Choice::Auto(plans.collect()), BatchLimits::default(), &Arc::default())
        .run(FileInputs::new(input, &progress), &mut batches);
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(async {
        let location = Location::new(text(folder)).expect("a location");
        let mut archive = Archive::open_or_create(&location).await.expect("an archive");
        let mut writer = EventWriter::new(layouts);
        for batch in &batches.0 {
            writer.push(&archive, batch).await.expect("events are written");
        }
        let written = writer.commit(&mut archive).await.expect("a commit");
        assert_eq!(written.rows, batches.0.iter().map(EventBatch::len).sum::<usize>());
    });
}

pub fn parsed(text: &str) -> Vec<Value> {
    let mut alerts: Vec<Value> =
        text.lines().map(|line| serde_json::from_str(line).expect("an alert is JSON")).collect();
    alerts.sort_by_key(|alert| (alert["alert_id"].to_string(), alert.to_string()));
    alerts
}

/// The alerts of `detect` over files, and of `backtest` over their archive.
pub fn both(input: &Path, more: &[&str]) -> (Vec<Value>, Vec<Value>, Value) {
    let folder = tempfile::tempdir().expect("a folder");
    let lake = folder.path().join("lake");
    archive(input, &lake);
    let alerts = folder.path().join("alerts.ndjson");
    let detected = ok(&[&["detect", "--quiet", "--format", "ndjson", text(input)], more].concat());
    let args =
        ["backtest", "--quiet", "--format", "json", "--archive", text(&lake), "--alerts", text(&alerts)];
    let report = ok(&[&args, more].concat());
    let told = std::fs::read_to_string(&alerts).expect("alerts");
    (parsed(&detected), parsed(&told), serde_json::from_str(&report).expect("a report"))
}

pub fn assert_same(detected: &[Value], told: &[Value]) {
    for (a, b) in detected.iter().zip(told) {
        assert_eq!(a, b);
    }
    assert_eq!(detected.len(), told.len());
}

/// Made events: half an hour of a small company, with attacks.
pub fn made(folder: &Path, events: usize) -> PathBuf {
    let config = Config {
        seed: 11,
        events_per_second: 4,
        accounts: 2,
        principals_per_account: 60,
        attack_rate: 0.02,
        ..Config::default()
    };
    let mut generator = Generator::new(config);
    let mut out = Vec::new();
    for _ in 0..events {
        generator.next_into(&mut out);
        out.push(b'\n');
    }
    let path = folder.join("made.ndjson");
    std::fs::write(&path, out).expect("a file");
    path
}

pub const RULES: &str = "
title: describes
name: describes
id: 00000000-0000-4000-8000-000000000001
level: low
logsource: {product: aws, service: cloudtrail}
detection: {s: {eventName|startswith: Describe}, condition: s}
---
title: errors
name: errors
id: 00000000-0000-4000-8000-000000000002
level: high
logsource: {product: aws, service: cloudtrail}
detection: {s: {errorCode|exists: true}, ec2: {eventSource: ec2.amazonaws.com}, condition: s and not ec2}
---
title: many calls
name: many
id: 00000000-0000-4000-8000-000000000003
level: medium
correlation: {type: event_count, rules: [describes], group-by: [userIdentity.arn], timespan: 5m, condition: {gte: 3}}
---
title: many addresses
name: addresses
id: 00000000-0000-4000-8000-000000000004
level: medium
correlation: {type: value_count, rules: [describes], group-by: [recipientAccountId], timespan: 10m, condition: {field: sourceIPAddress, gte: 20}}
---
title: errors, then many
name: chain
id: 00000000-0000-4000-8000-000000000005
level: critical
correlation: {type: temporal, rules: [many, errors], group-by: [userIdentity.arn], timespan: 30m, generate: true}
";

/// A folder with made events, their archive and a file of rules.
pub struct Lab {
    pub folder: tempfile::TempDir,
    pub input: PathBuf,
    pub lake: PathBuf,
}

impl Lab {
    pub fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let input = made(folder.path(), 30_000);
        let lake = folder.path().join("lake");
        archive(&input, &lake);
        Self { input, lake, folder }
    }

    pub fn write(&self, name: &str, content: &str) -> String {
        let path = self.path(name);
        std::fs::write(&path, content).expect("a file");
        path
    }

    pub fn path(&self, name: &str) -> String {
        text(&self.folder.path().join(name)).to_owned()
    }

    pub fn backtest(&self, more: &[&str]) -> Value {
        let args = ["backtest", "--quiet", "--format", "json", "--archive", text(&self.lake)];
        serde_json::from_str(&ok(&[&args, more].concat())).expect("a report")
    }

    pub fn detect(&self, rules: &str) -> Vec<Value> {
        parsed(&ok(&["detect", "--quiet", "--format", "ndjson", "--rules", rules, text(&self.input)]))
    }
}

pub fn of_rule<'a>(alerts: &'a [Value], title: &str) -> Vec<&'a Value> {
    alerts.iter().filter(|alert| alert["rule"]["title"] == title).collect()
}

pub fn find<'a>(list: &'a Value, title: &str) -> &'a Value {
    let found = list.as_array().expect("a list").iter().find(|one| one["title"] == title);
    found.unwrap_or_else(|| panic!("{title} in {list}"))
}

/// A few events of one user and their archive: `calls` are seconds from nine o'clock, calls and addresses.
pub fn few(folder: &Path, calls: &[(usize, &str, &str)]) -> String {
    let events: Vec<String> = calls
        .iter()
        .enumerate()
        .map(|(id, (second, name, ip))| {
            format!(
                r#"{{"eventVersion":"1.08","eventID":"e{id}","eventTime":"2026-03-02T09:{:02}:{:02}Z","eventSource":"s3.amazonaws.com","eventName":"{name}","awsRegion":"eu-west-1","sourceIPAddress":"{ip}","userIdentity":{{"type":"IAMUser","arn":"ann"}}}}"#,
                second / 60,
                second % 60
            )
        })
        .collect();
    let (input, lake) = (folder.join("events.ndjson"), folder.join("lake"));
    std::fs::write(&input, events.join("\n")).expect("a file");
    ok(&["archive", "import", "--quiet", "--archive", text(&lake), text(&input)]);
    text(&lake).to_owned()
}

pub const FEW: &str = "
title: lists
name: lists
logsource: {product: aws, service: cloudtrail}
detection: {s: {eventName: ListBuckets}, condition: s}
---
title: reads
name: reads
level: low
logsource: {product: aws, service: cloudtrail}
detection: {s: {eventName: GetObject}, condition: s}
---
title: addresses
name: addresses
level: low
correlation: {type: value_count, rules: [lists], group-by: [principal], timespan: 5m, condition: {field: src_ip, gte: 2}}
---
title: silent
name: silent
level: low
logsource: {product: aws, service: cloudtrail}
detection: {s: {eventName: StopLogging}, condition: s}
";

/// A folder with few events, their archive and a file of rules.
pub struct Few {
    pub folder: tempfile::TempDir,
    pub lake: String,
}

impl Few {
    pub fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let calls = [
            (0, "ListBuckets", "192.0.2.1"),
            (10, "ListBuckets", "192.0.2.2"),
            (20, "GetObject", "192.0.2.1"),
        ];
        let lake = few(folder.path(), &calls);
        Self { folder, lake }
    }

    pub fn write(&self, name: &str, content: &str) -> String {
        let path = self.folder.path().join(name);
        std::fs::write(&path, content).expect("a file");
        text(&path).to_owned()
    }

    pub fn run(&self, more: &[&str]) -> Output {
        virga(&[&["backtest", "--quiet", "--format", "json", "--archive", &self.lake], more].concat())
    }

    pub fn report(&self, more: &[&str]) -> Value {
        let output = self.run(more);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice(&output.stdout).expect("a report")
    }
}
