//! What a backtest raises: the alerts that `detect` raises of the same events, however little of the archive is read.

use serde_json::{Value, json};
use virga_test_support::{SIGMAHQ, corpus, events, rule_archive, workspace};

use super::lab::{Lab, RULES, assert_same, both, find, of_rule, ok, parsed, text, virga};

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
