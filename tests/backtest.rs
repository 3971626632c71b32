//! Backtests at the command line, over archives of real and of made events.
#![cfg(feature = "lake")]

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::Arc;

use serde_json::{Value, json};
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
use virga_test_support::{SIGMAHQ, corpus, events, rule_archive, workspace};

fn virga(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_virga"))
        .args(args)
        .current_dir(workspace())
        .output()
        .expect("virga runs")
}

fn ok(args: &[&str]) -> String {
    let output = virga(args);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{args:?}: {said}");
    String::from_utf8(output.stdout).expect("text")
}

fn text(path: &Path) -> &str {
    path.to_str().expect("a path in UTF-8")
}

/// The rules that ship.
fn shipped() -> RuleSet {
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
fn archive(input: &Path, folder: &Path) {
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

fn parsed(text: &str) -> Vec<Value> {
    let mut alerts: Vec<Value> =
        text.lines().map(|line| serde_json::from_str(line).expect("an alert is JSON")).collect();
    alerts.sort_by_key(|alert| (alert["alert_id"].to_string(), alert.to_string()));
    alerts
}

/// The alerts of `detect` over files, and of `backtest` over their archive.
fn both(input: &Path, more: &[&str]) -> (Vec<Value>, Vec<Value>, Value) {
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

fn assert_same(detected: &[Value], told: &[Value]) {
    for (a, b) in detected.iter().zip(told) {
        assert_eq!(a, b);
    }
    assert_eq!(detected.len(), told.len());
}

/// Made events: half an hour of a small company, with attacks.
fn made(folder: &Path, events: usize) -> PathBuf {
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

#[test]
fn the_alerts_of_a_story_are_those_of_detect() {
    let input = workspace().join("samples/stories/leaked-key-to-llmjacking.ndjson");
    let (detected, told, report) = both(&input, &[]);
    assert!(detected.len() > 20, "{}", detected.len());
    assert_same(&detected, &told);
    assert_eq!(report["sets"][0]["alerts"], detected.len() as u64);
    let summed: u64 =
        report["sets"][0]["over_time"].as_array().expect("bars").iter().filter_map(Value::as_u64).sum();
    assert_eq!(summed, detected.len() as u64);
}

#[test]
fn the_alerts_of_real_logs_are_those_of_detect() {
    let Some(corpus) = corpus() else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let rules = folder.path().join("rules");
    for file in rule_archive(&corpus, SIGMAHQ).iter().filter(|file| file.path.starts_with("rules/cloud/")) {
        let path = rules.join(&file.path);
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        std::fs::write(&path, &file.text).expect("a rule");
    }
    let flaws = folder.path().join("flaws.ndjson");
    std::fs::write(&flaws, events(&corpus, "aws/aws_flaws_excerpt.jsonl.gz").join("\n")).expect("events");
    let azure = folder.path().join("azure.ndjson");
    std::fs::write(&azure, events(&corpus, "azure/azure_sentinel_training_lab.jsonl.gz").join("\n"))
        .expect("events");
    for input in [corpus.join("aws/invictus_native"), flaws, azure] {
        let (detected, told, _) = both(&input, &[]);
        println!("{}: {} alerts", input.display(), detected.len());
        assert_same(&detected, &told);
        // rules whose fields the archive has no columns for
        let (detected, told, _) = both(&input, &["--rules", text(&rules)]);
        println!("{}: {} alerts of SigmaHQ", input.display(), detected.len());
        assert_same(&detected, &told);
    }
}

const RULES: &str = "
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
struct Lab {
    folder: tempfile::TempDir,
    input: PathBuf,
    lake: PathBuf,
}

impl Lab {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let input = made(folder.path(), 30_000);
        let lake = folder.path().join("lake");
        archive(&input, &lake);
        Self { input, lake, folder }
    }

    fn write(&self, name: &str, content: &str) -> String {
        let path = self.path(name);
        std::fs::write(&path, content).expect("a file");
        path
    }

    fn path(&self, name: &str) -> String {
        text(&self.folder.path().join(name)).to_owned()
    }

    fn backtest(&self, more: &[&str]) -> Value {
        let args = ["backtest", "--quiet", "--format", "json", "--archive", text(&self.lake)];
        serde_json::from_str(&ok(&[&args, more].concat())).expect("a report")
    }

    fn detect(&self, rules: &str) -> Vec<Value> {
        parsed(&ok(&["detect", "--quiet", "--format", "ndjson", "--rules", rules, text(&self.input)]))
    }
}

fn of_rule<'a>(alerts: &'a [Value], title: &str) -> Vec<&'a Value> {
    alerts.iter().filter(|alert| alert["rule"]["title"] == title).collect()
}

fn find<'a>(list: &'a Value, title: &str) -> &'a Value {
    let found = list.as_array().expect("a list").iter().find(|one| one["title"] == title);
    found.unwrap_or_else(|| panic!("{title} in {list}"))
}

#[test]
fn a_part_of_the_time_has_the_alerts_of_the_whole_that_lie_in_it() {
    let lab = Lab::new();
    let rules = lab.write("rules.yml", RULES);
    let all = lab.detect(&rules);
    assert!(!of_rule(&all, "errors, then many").is_empty() && !of_rule(&all, "many addresses").is_empty());
    let (from, to) = ("2025-01-01T00:40:30Z", "2025-01-01T01:20:10Z");
    let alerts = lab.path("alerts.ndjson");
    let within: Vec<Value> = all
        .iter()
        .filter(|alert| {
            let time = alert["time"].as_str().expect("a time");
            let time = virga_replay::time::parse_moment(time).expect("a moment");
            (virga_replay::time::parse_moment(from).expect("from")
                ..virga_replay::time::parse_moment(to).expect("to"))
                .contains(&time)
        })
        .cloned()
        .collect();
    assert!(within.len() > 100 && within.len() < all.len());
    for more in [&[][..], &["--no-prune"]] {
        lab.backtest(&[&["--rules", &rules, "--from", from, "--to", to, "--alerts", &alerts], more].concat());
        assert_same(&within, &parsed(&std::fs::read_to_string(&alerts).expect("alerts")));
    }
}

#[test]
fn two_rule_sets_differ_where_their_runs_do_and_the_test_is_named() {
    let lab = Lab::new();
    let old = lab.write("old.yml", RULES);
    let new = lab.write(
        "new.yml",
        &RULES
            .replace("eventSource: ec2.amazonaws.com", "eventSource: s3.amazonaws.com")
            .replace("gte: 3}", "gte: 4}"),
    );
    let report = lab.backtest(&["--rules", &old, "--against", &new]);
    let ids = |alerts: Vec<Value>| -> std::collections::BTreeSet<String> {
        alerts.iter().map(|alert| alert["alert_id"].to_string()).collect()
    };
    let (a, b) = (ids(lab.detect(&old)), ids(lab.detect(&new)));
    assert_eq!(report["diff"]["both"], a.intersection(&b).count());
    assert_eq!(report["diff"]["only_a"], a.difference(&b).count());
    assert_eq!(report["diff"]["only_b"], b.difference(&a).count());
    let errors = find(&report["diff"]["rules"], "errors");
    assert_eq!(errors["change"], "changed");
    let flips = errors["flips"].to_string();
    assert!(flips.contains("not eventSource") && flips.contains("s3.amazonaws.com"), "{flips}");
    assert!(
        report["diff"]["rules"].as_array().expect("rules").iter().all(|rule| rule["title"] != "describes")
    );
}

#[test]
fn of_a_list_that_lost_a_value_all_that_is_left_is_named() {
    let lab = Lab::new();
    let rule = |names: &str| {
        format!(
            "title: one\nid: one\nlogsource: {{product: aws, service: cloudtrail}}\ndetection: {{s: {{eventName: [{names}]}}, condition: s}}\n"
        )
    };
    let old = lab.write("old.yml", &rule("StopLogging, ListBuckets"));
    let new = lab.write("new.yml", &rule("StopLogging, DeleteTrail"));
    let report = lab.backtest(&["--rules", &old, "--against", &new]);
    let flips = &find(&report["diff"]["rules"], "one")["flips"];
    let stopped_in_b = flips.as_array().expect("flips").iter().find(|flip| flip["stopped"] == "B");
    assert_eq!(
        stopped_in_b.expect("a flip")["test"],
        "eventName is none of ('stoplogging', 'deletetrail')",
        "{flips}"
    );
}

#[test]
fn a_building_block_has_hits_and_no_alerts() {
    let lab = Lab::new();
    let rules = lab.write("rules.yml", RULES);
    let report = lab.backtest(&["--rules", &rules]);
    let set = &report["sets"][0];
    let block = find(&set["rules"], "describes");
    assert_eq!((&block["kind"], &block["alerts"]), (&json!("block"), &json!(0)));
    assert!(block["hits"].as_u64() > Some(0), "{block}");
    let summed: u64 =
        set["rules"].as_array().expect("rules").iter().filter_map(|rule| rule["alerts"].as_u64()).sum();
    assert_eq!(set["alerts"], summed);
    let expected = format!(
        "expect: [{{rule: describes, alerts: 0, hits: {}}}, {{rule: describes, hits: {{max: 0}}}}]\n",
        block["hits"]
    );
    let expect = lab.write("expect.yml", &expected);
    let args = ["backtest", "--quiet", "--archive", text(&lab.lake), "--rules", &rules, "--expect", &expect];
    let output = virga(&args);
    let said =
        String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("describes: hits") && !said.contains("describes: alerts: expected"), "{said}");
}

#[test]
fn labels_of_what_is_not_there_are_told() {
    let lab = Lab::new();
    let rules = lab.write("rules.yml", RULES);
    let event = &of_rule(&lab.detect(&rules), "errors")[0]["events"][0]["event_id"].clone();
    let notes = |text: &str| {
        let labels = lab.write("labels.yml", text);
        lab.backtest(&["--rules", &rules, "--labels", &labels])["notes"].to_string()
    };
    let told = notes(&format!("events: [{{id: {event}, rules: [errors]}}]\n"));
    assert!(!told.contains("label"), "{told}");
    let told = notes(&format!("events: [{{id: {event}, rules: [erors]}}, {{id: nowhere}}]\n"));
    assert!(told.contains("rules that are not there: `erors`"), "{told}");
    assert!(told.contains("1 labelled events are not in this stretch of the archive"), "{told}");
    assert!(told.contains("missed: nowhere"), "{told}");
}

#[test]
fn a_tuning_that_leaves_no_rule_can_be_compared_with() {
    let lab = Lab::new();
    let rule = "title: one\nid: one\nlogsource: {product: aws, service: cloudtrail}\ndetection: {s: {eventName: StopLogging}, condition: s}\n";
    let rules = lab.write("one.yml", rule);
    let tuning = lab.write("tuning.yml", "one: {enabled: false}\n");
    let report = lab.backtest(&["--rules", &rules, "--against-tuning", &tuning]);
    assert!(report["diff"]["only_a"].as_u64() > Some(0), "{}", report["diff"]);
    assert_eq!((&report["diff"]["both"], &report["diff"]["only_b"]), (&json!(0), &json!(0)));
    let refused = virga(&["detect", "--quiet", "--rules", &rules, "--tuning", &tuning, text(&lab.input)]);
    assert_eq!(refused.status.code(), Some(2));
    let said = String::from_utf8_lossy(&refused.stderr);
    assert!(said.contains("the tuning switches off all rules of"), "{said}");
}

#[test]
fn a_threshold_curve_says_what_detect_says_with_each_threshold() {
    let lab = Lab::new();
    let rules = lab.write("rules.yml", RULES);
    let report = lab.backtest(&["--rules", &rules]);
    for (title, now) in [("many calls", "gte: 3}"), ("many addresses", "gte: 20}")] {
        let curve = find(&report["sets"][0]["curves"], title);
        let points = curve["points"].as_array().expect("points");
        assert!(points.len() > 3, "{curve}");
        let step = (points.len() / 5).max(1);
        for point in points.iter().step_by(step) {
            let changed = lab.write("changed.yml", &RULES.replace(now, &format!("gte: {}}}", point["n"])));
            let alerts = lab.detect(&changed);
            // correlations that only feed another one are not shown
            if title == "many calls" {
                assert!(
                    of_rule(&alerts, title).len() as u64 == point["alerts"].as_u64().expect("alerts"),
                    "{title} {point}"
                );
                continue;
            }
            assert_eq!(of_rule(&alerts, title).len() as u64, point["alerts"], "{title} {point}");
        }
    }
}

/// A few events of one user and their archive: `calls` are seconds from nine o'clock, calls and addresses.
fn few(folder: &Path, calls: &[(usize, &str, &str)]) -> String {
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

const FEW: &str = "
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
struct Few {
    folder: tempfile::TempDir,
    lake: String,
}

impl Few {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let calls = [
            (0, "ListBuckets", "192.0.2.1"),
            (10, "ListBuckets", "192.0.2.2"),
            (20, "GetObject", "192.0.2.1"),
        ];
        let lake = few(folder.path(), &calls);
        Self { folder, lake }
    }

    fn write(&self, name: &str, content: &str) -> String {
        let path = self.folder.path().join(name);
        std::fs::write(&path, content).expect("a file");
        text(&path).to_owned()
    }

    fn run(&self, more: &[&str]) -> Output {
        virga(&[&["backtest", "--quiet", "--format", "json", "--archive", &self.lake], more].concat())
    }

    fn report(&self, more: &[&str]) -> Value {
        let output = self.run(more);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice(&output.stdout).expect("a report")
    }
}

#[test]
fn what_a_correlation_counted_is_told_value_by_value() {
    let few = Few::new();
    let report = few.report(&["--rules", &few.write("rules.yml", FEW)]);
    let told = &find(&report["sets"][0]["rules"], "addresses")["entities"]["src_ip"];
    let most = json!([{"value": "192.0.2.1", "count": 1}, {"value": "192.0.2.2", "count": 1}]);
    assert_eq!((&told["different"], &told["most"]), (&json!(2), &most));
    // a group without the field has no value of it
    let grouped = FEW.replace("group-by: [principal]", "group-by: [principal, target_user], missing: group");
    let report =
        few.report(&["--rules", &few.write("rules.yml", &grouped.replace("field: src_ip", "field: action"))]);
    let entities = report["sets"][0]["rules"].to_string();
    assert!(!entities.contains(r#""value":"null""#), "{entities}");
}

#[test]
fn an_alert_on_several_labelled_events_tells_of_each() {
    let few = Few::new();
    let labels = few.write(
        "labels.yml",
        "events: [{id: e0}, {id: e1}, {id: e2, rules: [reads]}, {id: e2, rules: [silent]}]\n",
    );
    let report = few.report(&["--rules", &few.write("rules.yml", FEW), "--labels", &labels]);
    let set = &report["sets"][0];
    assert_eq!(set["score"]["events"], json!([4, 4]), "{}", set["score"]);
    let of = |title: &str| {
        let rule = find(&set["rules"], title);
        (rule["alerts"].clone(), rule["score"]["events"].clone(), rule["score"]["recall"].clone())
    };
    assert_eq!(of("addresses"), (json!(1), json!([2, 2]), json!(1.0)));
    assert_eq!(of("reads"), (json!(1), json!([1, 1]), json!(1.0)));
    // what labels name is told of, also where it said nothing
    assert_eq!(of("silent"), (json!(0), json!([1, 0]), json!(0.0)));
    let expect = few.write("expect.yml", "expect: [{rule: silent, recall: {min: 0.5}}]\n");
    let output =
        few.run(&["--rules", &few.write("rules.yml", FEW), "--labels", &labels, "--expect", &expect]);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.code() == Some(1) && said.contains("expected at least 0.5, got 0"), "{said}");
}

#[test]
fn a_lock_of_a_stretch_of_which_the_archive_holds_nothing_can_be_held_to() {
    let few = Few::new();
    let (rules, lock) = (few.write("rules.yml", FEW), few.write("run.lock", ""));
    for stretch in [["--from", "2030-01-01"], ["--to", "2020-01-01"]] {
        let report = few.report(&[&["--rules", &rules, "--lock", &lock], &stretch[..]].concat());
        assert_eq!(report["from"], report["to"], "{stretch:?}");
        let held = few.report(&["--rules", &rules, "--locked", &lock]);
        assert_eq!((&held["from"], &held["sets"][0]["alerts"]), (&report["from"], &json!(0)));
    }
}

#[test]
fn a_curve_that_is_asked_for_is_drawn_or_told_why_not() {
    let few = Few::new();
    let rules = few.write("rules.yml", FEW);
    let report = few.report(&["--rules", &rules, "--curve", "ADDRESSES"]);
    let curve = find(&report["sets"][0]["curves"], "addresses");
    assert_eq!((&curve["points"], &curve["muted"]), (&json!([{"n": 2, "alerts": 1}]), &json!(false)));
    for name in ["nobody", "reads"] {
        let output = few.run(&["--rules", &rules, "--curve", name]);
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{said}");
        assert!(said.contains(&format!("there is no correlation `{name}`")), "{said}");
    }
    let outer = "---\ntitle: outer\nlevel: low\ncorrelation: {type: event_count, rules: [addresses], group-by: [principal], timespan: 1h, condition: {gte: 1}}\n";
    let chain = few.write("chain.yml", &(FEW.to_owned() + outer));
    let report = few.report(&["--rules", &chain, "--curve", "outer", "--curve", "addresses"]);
    let curves = &report["sets"][0]["curves"];
    assert_eq!(find(curves, "addresses")["muted"], true, "its alerts are not raised");
    let missing = find(curves, "outer")["missing"].to_string();
    assert!(missing.contains("only a number of events"), "{missing}");
}

#[test]
fn a_page_says_what_it_leaves_out() {
    let few = Few::new();
    let rule = |number: usize| {
        format!(
            "title: r{number}\nlogsource: {{product: aws, service: cloudtrail}}\ndetection: {{s: {{eventName: GetObject}}, condition: s}}\n"
        )
    };
    let rules: Vec<String> = (0..201).map(rule).collect();
    let rules = few.write("rules.yml", &(rules.join("---\n") + "---" + FEW));
    let labels = few.write(
        "labels.yml",
        "incidents: [{name: <unseen>, from: 2026-03-02, to: 2026-03-03, entity: {principal: bob}}]\n",
    );
    let page = few.write("page.html", "");
    few.report(&["--rules", &rules, "--html", &page, "--labels", &labels]);
    let page = std::fs::read_to_string(page).expect("a page");
    for part in [
        "These are the first 200 of 203 rules",
        "Nothing told of the incident &lt;unseen&gt;",
        "The files of that stretch hold 3 events",
    ] {
        assert!(page.contains(part), "{part}");
    }
}

#[test]
fn what_else_than_a_test_makes_a_difference_is_named() {
    let few = Few::new();
    let old = few.write("old.yml", FEW);
    let differs = |new: &str, title: &str| {
        let report = few.report(&["--rules", &old, "--against", &few.write("new.yml", new)]);
        let rule = find(&report["diff"]["rules"], title);
        (rule["change"].clone(), rule["explained"].clone(), rule["flips"][0]["test"].clone())
    };
    let elsewhere = FEW.replace(
        "title: reads\nname: reads\nlevel: low\nlogsource: {product: aws, service: cloudtrail}",
        "title: reads\nname: reads\nlevel: low\nlogsource: {product: azure, service: activitylogs}",
    );
    let told = differs(&elsewhere, "reads");
    assert_eq!(told, (json!("changed"), json!(1), json!("it does not run on aws.cloudtrail")));
    let (rest, _) = FEW.split_once("---\ntitle: addresses").expect("a correlation");
    let told = differs(rest, "lists");
    let feeds = "it only feeds correlations, and raises no alerts";
    assert_eq!(told, (json!("same"), json!(2), json!(feeds)));
    // a correlation has no test to ask for; who has no group is part of what it says
    let old = FEW.replace("group-by: [principal]", "group-by: [target_user]");
    let told = {
        let rules = (
            few.write("old.yml", &old),
            few.write("new.yml", &old.replace("gte: 2}", "gte: 2}, missing: group")),
        );
        let report = few.report(&["--rules", &rules.0, "--against", &rules.1]);
        let rule = find(&report["diff"]["rules"], "addresses");
        (rule["change"].clone(), rule["explained"].clone(), rule["only_b"].clone())
    };
    assert_eq!(told, (json!("changed"), json!(0), json!(1)));
}

#[test]
fn one_rule_reads_little_and_what_is_left_out_holds_nothing() {
    let lab = Lab::new();
    let rule = "title: one\nlogsource: {product: aws, service: cloudtrail}\ndetection: {s: {eventName: StopLogging}, condition: s}\n";
    let rules = lab.write("one.yml", rule);
    let (pruned, whole) =
        (lab.backtest(&["--rules", &rules]), lab.backtest(&["--rules", &rules, "--no-prune"]));
    assert_eq!(pruned["sets"][0]["digest"], whole["sets"][0]["digest"]);
    assert!(pruned["sets"][0]["alerts"].as_u64() > Some(0), "{pruned}");
    assert!(pruned["cost"]["scanned"].as_u64() < whole["cost"]["scanned"].as_u64());
    assert_eq!(whole["cost"]["scanned"], whole["cost"]["events"]);
    assert!(pruned["cost"]["bytes_read"].as_u64() <= whole["cost"]["bytes_read"].as_u64());
}

#[test]
fn what_is_only_counted_comes_to_the_same_numbers_and_reads_less() {
    let lab = Lab::new();
    // `errors` feeds a correlation and tells of itself, `visible` feeds none, `describes` is muted
    let more = "---
title: visible
id: 00000000-0000-4000-8000-000000000006
level: low
logsource: {product: aws, service: cloudtrail}
detection: {s: {eventName|startswith: List}, condition: s}
suppress: {by: [account], for: 10m}
";
    let rules = lab.write("rules.yml", &format!("{RULES}{more}"));
    // whole hours, and a stretch that begins and ends within hours
    for stretch in [&[][..], &["--from", "2025-01-01T00:40:30Z", "--to", "2025-01-01T01:20:10Z"]] {
        let whole = lab.backtest(&[&["--rules", &rules], stretch].concat());
        let counted = lab.backtest(&[&["--rules", &rules, "--counts"], stretch].concat());
        assert_eq!((&whole["counts"], &counted["counts"]), (&false.into(), &true.into()));
        let (whole_set, counted_set) = (&whole["sets"][0], &counted["sets"][0]);
        for of in ["alerts", "by_level", "over_time", "silent", "curves"] {
            assert_eq!(whole_set[of], counted_set[of], "{of}");
        }
        let rules = |set: &Value| set["rules"].as_array().expect("rules").clone();
        let (all, numbers) = (rules(whole_set), rules(counted_set));
        assert_eq!(all.len(), numbers.len());
        assert!(all.len() >= 4, "{whole_set}");
        for (rule, counted) in all.iter().zip(&numbers) {
            for of in ["id", "kind", "alerts", "hits", "over_time"] {
                assert_eq!(rule[of], counted[of], "{of} of {rule}");
            }
            if rule["kind"] == "correlation" {
                assert_eq!((&rule["entities"], &rule["first"]), (&counted["entities"], &counted["first"]));
                continue;
            }
            let unknown = json!({"own": null, "per_principal_and_hour": null, "per_principal_and_day": null});
            assert_eq!((&counted["entities"], &counted["first"]), (&json!({}), &Value::Null));
            assert_eq!(counted["suppressed"], unknown);
        }
        assert!(counted["cost"]["bytes_read"].as_u64() < whole["cost"]["bytes_read"].as_u64());
        let note = counted["notes"].to_string();
        assert!(note.contains("counted only"), "{note}");
    }
    let alerts = lab.path("alerts.ndjson");
    let refused = virga(&["backtest", "--archive", text(&lab.lake), "--counts", "--alerts", &alerts]);
    assert_eq!(refused.status.code(), Some(2));
}

#[test]
fn labels_give_precision_and_recall_and_expectations_fail_a_build() {
    let lab = Lab::new();
    let rules = lab.write("rules.yml", RULES);
    let alerts = lab.detect(&rules);
    let errors = of_rule(&alerts, "errors");
    let known = &errors[0]["events"][0]["event_id"];
    // an event of which a correlation alone tells: the rule that it matches is muted
    let addresses = of_rule(&alerts, "many addresses");
    let behind = &addresses[0]["events"][0]["event_id"];
    let labels = lab.write(
        "labels.yml",
        &format!(
            "events:\n- {{id: {known}, rules: [errors]}}\n- {{id: nowhere}}\n- {{id: {behind}, rules: [addresses]}}\n"
        ),
    );
    let expect = lab.write(
        "expect.yml",
        &format!("expect:\n- {{rule: errors, alerts: {}}}\n- {{rule: many calls, alerts: {{min: 1}}}}\ntotal: {{max: 1}}\n", errors.len()),
    );
    let junit = lab.path("junit.xml");
    let args = ["backtest", "--quiet", "--format", "json", "--archive", text(&lab.lake), "--rules", &rules];
    let output = virga(&[&args[..], &["--labels", &labels, "--expect", &expect, "--junit", &junit]].concat());
    assert_eq!(output.status.code(), Some(1), "the total is more than one");
    let report: Value = serde_json::from_slice(&output.stdout).expect("a report");
    let score = &find(&report["sets"][0]["rules"], "errors")["score"];
    assert_eq!((score["right"].as_u64(), score["alerts"].as_u64()), (Some(1), Some(errors.len() as u64)));
    assert_eq!(score["recall"], 1.0);
    let score = &find(&report["sets"][0]["rules"], "many addresses")["score"];
    assert_eq!((score["right"].as_u64(), &score["recall"]), (Some(1), &1.0.into()), "{score}");
    assert_eq!(report["sets"][0]["score"]["recall"], 2.0 / 3.0);
    let written = std::fs::read_to_string(&junit).expect("JUnit");
    assert!(written.contains("failures=\"1\"") && written.contains("expected at most 1"), "{written}");
}

#[test]
fn a_locked_run_comes_out_the_same_and_changed_rules_are_refused() {
    let lab = Lab::new();
    let rules = lab.write("rules.yml", RULES);
    let lock = lab.path("run.lock");
    lab.backtest(&["--rules", &rules, "--lock", &lock]);
    // what comes later is not part of the run
    archive(&workspace().join("samples/stories/leaked-key-to-llmjacking.ndjson"), &lab.lake);
    lab.backtest(&["--rules", &rules, "--locked", &lock]);
    lab.write("rules.yml", &RULES.replace("startswith: Describe", "startswith: List"));
    let args = ["backtest", "--archive", text(&lab.lake), "--rules", &rules, "--locked", &lock];
    let output = virga(&args);
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("not those of the lock"));
}

#[test]
fn a_field_that_is_named_as_what_is_no_text_of_another_is_told_apart() {
    let folder = tempfile::tempdir().expect("a folder");
    let write = |name: &str, content: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, content).expect("a file");
        text(&path).to_owned()
    };
    let rule = |title: &str, test: &str| {
        format!(
            "title: {title}\nlogsource: {{product: aws, service: cloudtrail}}\ndetection: {{s: {{{test}}}, condition: s}}\n"
        )
    };
    let rules = write(
        "rules.yml",
        &[
            rule("whole", "requestParameters.doc|contains: zzz"),
            rule("part", "requestParameters.doc.json: hello"),
        ]
        .join("---\n"),
    );
    let event = |id: usize, doc: &str| {
        format!(
            r#"{{"eventVersion":"1.08","eventID":"e{id}","eventTime":"2026-03-02T09:00:0{id}Z","eventSource":"s3.amazonaws.com","eventName":"A","awsRegion":"eu-west-1","requestParameters":{{"doc":{doc}}}}}"#
        )
    };
    let docs =
        [r#"{"json":"hello"}"#, r#""zzz text""#, r#"{"json":["hello"]}"#, r#"{"json":"zzz"}"#, "\"a\""];
    let events: Vec<String> = docs.iter().enumerate().map(|(id, doc)| event(id, doc)).collect();
    let input = write("events.ndjson", &events.join("\n"));
    let detected = parsed(&ok(&["detect", "--quiet", "--format", "ndjson", "--rules", &rules, &input]));
    assert_eq!(detected.len(), 4);
    let lake = text(&folder.path().join("lake")).to_owned();
    ok(&["archive", "import", "--quiet", "--archive", &lake, "--rules", &rules, &input]);
    let alerts = text(&folder.path().join("alerts.ndjson")).to_owned();
    for more in [&[][..], &["--no-prune"]] {
        let args = ["backtest", "--quiet", "--archive", &lake, "--rules", &rules, "--alerts", &alerts];
        ok(&[&args, more].concat());
        assert_same(&detected, &parsed(&std::fs::read_to_string(&alerts).expect("alerts")));
    }
}

#[test]
fn what_could_not_match_is_told() {
    let lab = Lab::new();
    let rules = lab.write(
        "rules.yml",
        "title: dead\nlogsource: {product: cloud, service: normalized}\ndetection: {s: {action: x}, t: {passed_role: y}, condition: s and t}\n---\ntitle: blind\nlogsource: {product: azure, service: signinlogs}\ndetection: {s: {a: x}, condition: s}\n---\ntitle: news\nname: news\nlogsource: {product: aws, service: cloudtrail}\ndetection: {s: {eventSource: ec2.amazonaws.com}, condition: s}\n---\ntitle: new service\nlevel: low\ncorrelation: {type: new_terms, rules: [news], group-by: [account], field: action, history: 30d, warmup: {min_age: 1h, min_events: 20}}\n",
    );
    let report = lab.backtest(&["--rules", &rules]);
    assert_eq!(find(&report["sets"][0]["dead"], "dead")["fields"][0], "passed_role");
    find(&report["sets"][0]["blind"], "blind");
    let notes = report["notes"].to_string();
    assert!(notes.contains("new service") && notes.contains("30 d"), "{notes}");
}

#[test]
fn an_archive_that_is_not_there_is_told_and_nothing_is_written() {
    let folder = tempfile::tempdir().expect("a folder");
    let html = folder.path().join("report.html");
    let output = virga(&["backtest", "--archive", text(&folder.path().join("none")), "--html", text(&html)]);
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("there is no archive"));
    assert!(!html.exists());
}

#[test]
fn a_browser_shows_the_report() {
    let lab = Lab::new();
    let old = lab.write("old.yml", RULES);
    let new = lab.write("new.yml", &RULES.replace("ec2.amazonaws.com", "s3.amazonaws.com"));
    let html = lab.path("report.html");
    lab.backtest(&["--rules", &old, "--against", &new, "--html", &html]);
    let page = std::fs::read_to_string(&html).expect("a page");
    assert!(
        !page.contains("http://") && !page.contains("https://") && !page.contains("<script"),
        "loads nothing"
    );
    assert!(page.contains("that only A has") || page.contains("that only B has"), "more than are shown");
    let (rules, thresholds) = (page.find("<h2>Rules of"), page.find("<h2>Thresholds of"));
    assert!(rules.is_some() && rules < thresholds, "rules stand before other thresholds");
    for part in ["A: errors", "B: errors", "scan: rules on them"] {
        assert!(page.contains(part), "{part}");
    }
    let browser = ["chromium", "chromium-browser", "google-chrome"].into_iter().find(|name| {
        Command::new(name).arg("--version").output().is_ok_and(|output| output.status.success())
    });
    let Some(browser) = browser else {
        eprintln!("skipped: no chromium (Debian: apt-get install chromium)");
        return;
    };
    let profile = tempfile::tempdir().expect("a folder");
    let output = Command::new(browser)
        .args(["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"])
        .args(["--disable-background-networking", "--disable-component-update", "--disable-sync"])
        .arg(format!("--user-data-dir={}", profile.path().display()))
        .args(["--dump-dom", &format!("file://{html}")])
        .output()
        .expect("a browser");
    let dom = String::from_utf8_lossy(&output.stdout);
    for part in [
        "chart bars",
        "chart split",
        "chart curve",
        "chart amounts",
        "many calls",
        "not eventSource",
        "of the bytes read",
    ] {
        assert!(dom.contains(part), "{part} in {dom}");
    }
    assert!(dom.matches("<rect").count() > 50, "bars are there");
}
