//! The command line around rules and sources, as its users meet it: filters, pipelines, tuning, lookup
//! tables, `rules fields`, `sources`.

use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;
use virga_test_support::workspace;

fn virga(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_virga"))
        .args(args)
        .current_dir(workspace())
        .output()
        .expect("virga runs")
}

fn out(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn err(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn lines(output: &Output) -> Vec<Value> {
    out(output).lines().map(|line| serde_json::from_str(line).expect("a line is JSON")).collect()
}

fn write(folder: &Path, name: &str, text: &str) -> String {
    let path = folder.join(name);
    std::fs::write(&path, text).expect("a file");
    path.display().to_string()
}

const RULE: &str = "title: key used\nid: 00000000-0000-4000-8000-000000000001\nlevel: high\nlogsource: {product: aws, service: cloudtrail}\ndetection:\n  sel: {eventName: GetObject}\n  condition: sel\n";

/// Two events, of which the second is by a role of one's own.
const EVENTS: &str = r#"{"eventVersion":"1.08","eventID":"1","eventTime":"2026-03-01T10:00:00Z","eventSource":"s3.amazonaws.com","eventName":"GetObject","sourceIPAddress":"203.0.113.7","userIdentity":{"arn":"arn:aws:iam::111122223333:user/eve"}}
{"eventVersion":"1.08","eventID":"2","eventTime":"2026-03-01T10:00:01Z","eventSource":"s3.amazonaws.com","eventName":"GetObject","sourceIPAddress":"198.51.100.7","userIdentity":{"arn":"arn:aws:sts::111122223333:assumed-role/backup/x"}}
"#;

/// The event ids of the alerts that `detect` raises with more arguments.
fn alerted(rules: &str, events: &str, more: &[&str]) -> Vec<String> {
    let args: Vec<&str> = ["detect", "--rules", rules, events].iter().chain(more).copied().collect();
    let output = virga(&args);
    assert!(output.status.success(), "{}", err(&output));
    let id = |alert: &Value| alert["events"][0]["event_id"].as_str().unwrap_or_default().to_owned();
    lines(&output).iter().map(id).collect()
}

#[test]
fn filters_tuning_and_pipelines_change_what_public_rules_do() {
    let folder = tempfile::tempdir().expect("a folder");
    let rules = write(folder.path(), "rule.yml", RULE);
    let events = write(folder.path(), "events.ndjson", EVENTS);
    assert_eq!(alerted(&rules, &events, &[]), ["1", "2"]);

    let filter = "title: backup\nlogsource: {product: aws}\nfilter:\n  rules: any\n  ours: {userIdentity.arn|contains: ':assumed-role/backup/'}\n  condition: not ours\n";
    let filter = write(folder.path(), "filter.yml", filter);
    assert_eq!(alerted(&rules, &events, &["--rules", &filter]), ["1"]);

    let id = "00000000-0000-4000-8000-000000000001";
    let tuning = write(
        folder.path(),
        "tuning.yml",
        &format!("{id}: {{exclude: {{eve: {{userIdentity.arn|endswith: '/eve'}}}}, level: low}}\n"),
    );
    assert_eq!(alerted(&rules, &events, &["--tuning", &tuning]), ["2"]);
    assert_eq!(alerted(&rules, &events, &["--tuning", &tuning, "--min-level", "high"]), Vec::<String>::new());

    // events of one's own lake, in which the field has another name
    let lake = write(folder.path(), "lake.ndjson", &EVENTS.replace("eventName", "event_name"));
    let pipeline = write(
        folder.path(),
        "lake.yml",
        "transformations:\n- {type: field_name_mapping, mapping: {eventName: event_name}}\n- {type: strict_field_mapping_failure}\n",
    );
    assert_eq!(alerted(&rules, &lake, &["--source", "aws.cloudtrail"]), Vec::<String>::new());
    assert_eq!(alerted(&rules, &lake, &["--source", "aws.cloudtrail", "--pipeline", &pipeline]), ["1", "2"]);
}

#[test]
fn what_stands_around_rules_and_is_wrong_ends_the_command_with_its_place() {
    let folder = tempfile::tempdir().expect("a folder");
    let rules = write(folder.path(), "rule.yml", RULE);
    let events = write(folder.path(), "events.ndjson", EVENTS);
    for (flag, name, text, words) in [
        (
            "--pipeline",
            "p.yml",
            "transformations:\n- type: query_expression_placeholders\n",
            ["`query_expression_placeholders` is not supported", "p.yml:2:9"],
        ),
        (
            "--pipeline",
            "p.yml",
            "transformations:\n- type: field_name_maping\n",
            ["did you mean `field_name_mapping`?", "p.yml:2:9"],
        ),
        ("--tuning", "t.yml", "x: {levle: low}\n", ["did you mean `level`?", "t.yml:1:5"]),
        ("--tuning", "none.yml", "", ["none.yml", "No such file"]),
        ("--config", "c.toml", "[enviroment]\n", ["unknown field `enviroment`", "line 1, column 2"]),
        (
            "--config",
            "c.toml",
            "[[tables]]\nfile = \"none.csv\"\nkey = \"src_ip\"\n",
            ["none.csv", "No such file"],
        ),
        (
            "--config",
            "c.toml",
            "[[tables]]\nfile = \"rule.yml\"\nkey = \"ip\"\n",
            ["`ip` is no canonical column", "rule.yml"],
        ),
    ] {
        let path = folder.path().join(name).display().to_string();
        if !text.is_empty() {
            write(folder.path(), name, text);
        }
        let output = virga(&["detect", "--rules", &rules, flag, &path, &events]);
        assert_eq!(output.status.code(), Some(2), "{text}");
        assert!(out(&output).is_empty(), "{text}: nothing runs");
        for word in words {
            assert!(err(&output).contains(word), "{text}: {word} in {}", err(&output));
        }
    }
}

#[test]
fn a_lookup_table_fills_columns_and_wakes_the_rules_that_ask_for_them() {
    let folder = tempfile::tempdir().expect("a folder");
    let rule = RULE.replace("{eventName: GetObject}", "{src_tags: vpn, src_country: NL}");
    let rules = write(folder.path(), "rule.yml", &rule);
    let events = write(folder.path(), "events.ndjson", EVENTS);
    let output = virga(&["detect", "--rules", &rules, &events]);
    assert!(err(&output).contains("1 disabled (no lookup table fills"), "{}", err(&output));
    write(folder.path(), "networks.csv", "network,src_tags,src_country\n198.51.100.0/24,vpn;office,NL\n");
    let config =
        write(folder.path(), "virga.toml", "[[tables]]\nfile = \"networks.csv\"\nkey = \"src_ip\"\n");
    assert_eq!(alerted(&rules, &events, &["--config", &config]), ["2"]);
    let output = virga(&["detect", "--rules", &rules, "--config", &config, &events]);
    let fields = &lines(&output)[0]["fields"];
    assert_eq!(
        (&fields["src_country"], &fields["src_tags"]),
        (&"NL".into(), &serde_json::json!(["vpn", "office"]))
    );
    let explained = virga(&["sources", "explain", "-c", &config, &format!("{events}:2")]);
    let line =
        out(&explained).lines().find(|line| line.contains("src_country")).unwrap_or_default().to_owned();
    assert!(line.contains("NL") && line.contains("networks.csv by sourceIPAddress"), "{line}");
    // and of all events that one is shown which the rule matches
    let explained = virga(&["rules", "explain", "-c", &config, &rules, &events]);
    assert!(out(&explained).contains("events.ndjson:2"), "{}", out(&explained));
    assert!(err(&explained).contains("1 of 2 events match"), "{}", err(&explained));
    assert_eq!(explained.status.code(), Some(0));
    // without the table none does, and the nearest miss is
    let explained = virga(&["rules", "explain", &rules, &events]);
    assert!(out(&explained).contains("no lookup table fills"), "{}", out(&explained));
    assert!(
        err(&explained).contains("0 of 2 events match; shown is the nearest miss"),
        "{}",
        err(&explained)
    );
    assert_eq!(explained.status.code(), Some(1));
}

#[test]
fn what_is_not_read_and_what_no_source_knows_is_said_at_the_end() {
    let folder = tempfile::tempdir().expect("a folder");
    for (name, text, status, words) in [
        (
            "capture.avro",
            "Obj\u{1}\u{4}\n{\"a\":1}\n",
            2,
            ["quarantined  1 (other_format 1)", "nothing could be read"],
        ),
        (
            "athena.csv",
            "eventtime,eventname\n2026-03-02T10:00:00Z,X\n",
            0,
            ["not_json 2", "nothing could be read"],
        ),
        (
            "odd.ndjson",
            "{\"eventVersion\":\"1.11\",\"eventSource\":\"s3.amazonaws.com\",\"eventName\":\"X\"}\n{\"a\":1}\n",
            0,
            ["no source knows 1 of the events", "odd.ndjson:2"],
        ),
    ] {
        let file = write(folder.path(), name, text);
        let output = virga(&["detect", &file]);
        assert_eq!(output.status.code(), Some(status), "{name}: {}", err(&output));
        for word in words {
            assert!(err(&output).contains(word), "{name}: {word} in {}", err(&output));
        }
    }
}

#[test]
fn logs_that_are_cut_are_not_called_another_format() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = write(folder.path(), "cut.json", "{\"Records\":[{\"eventName\":\"X");
    let output = virga(&["detect", &file]);
    assert!(err(&output).contains("cut_off 1"), "{}", err(&output));
    assert!(!err(&output).contains("nothing could be read"), "{}", err(&output));
}

#[test]
fn mixed_files_are_read_event_for_event() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut mixed = String::new();
    for source in ["gcp.audit", "entra.signin", "aws.cloudtrail", "kubernetes.audit"] {
        mixed += &std::fs::read_to_string(workspace().join(format!("samples/{source}/events.ndjson")))
            .expect("samples");
    }
    mixed += "{\"something\":\"else\"}\n";
    let file = write(folder.path(), "mixed.ndjson", &mixed);
    let output = virga(&["detect", &file]);
    let summary = err(&output);
    for words in ["gcp.audit 17", "entra.signin 10", "kubernetes.audit 20", "generic 1", "quarantined  0"] {
        assert!(summary.contains(words), "{words} in {summary}");
    }
}

#[test]
fn fields_says_which_rules_are_dead_and_why() {
    let folder = tempfile::tempdir().expect("a folder");
    let dead = RULE
        .replace("key used", "never")
        .replace("0001", "0002")
        .replace("{eventName: GetObject}", "{eventName: GetObject, status: success}");
    let rules = write(folder.path(), "rule.yml", &format!("{RULE}---\n{dead}"));
    let events = write(folder.path(), "events.ndjson", EVENTS);
    let output = virga(&["rules", "fields", &rules, "--sample", &events, "--json"]);
    assert!(output.status.success(), "{}", err(&output));
    let lines = lines(&output);
    let field = |name: &str| lines.iter().find(|line| line["field"] == name).cloned().unwrap_or_default();
    assert_eq!((&field("eventname")["rules"], &field("eventname")["present"]), (&2.into(), &2.into()));
    assert_eq!((&field("status")["rules"], &field("status")["present"]), (&1.into(), &0.into()));
    let dead: Vec<&Value> = lines.iter().filter(|line| line.get("dead").is_some()).collect();
    assert_eq!(dead.len(), 1);
    assert_eq!((&dead[0]["title"], &dead[0]["missing"]), (&"never".into(), &serde_json::json!(["status"])));
    let output = virga(&["rules", "fields", &rules, "--sample", &events, "--fail-on-dead"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(out(&output).contains("never occurs"), "{}", out(&output));
}

/// The last line cannot be read: who is told of it has read what nobody asked for.
#[test]
fn events_are_explained_without_the_rest_of_their_file() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("log.ndjson");
    std::fs::write(&path, "{\"a\":1}\n{\"a\":2}\n{\"a\":3}\n{\"a\"\n").expect("written");
    let path = path.display().to_string();
    for (arguments, shown, said) in [
        (vec![path.as_str()], vec!["1", "2", "3"], "quarantined"),
        (vec!["--limit", "2", &path], vec!["1", "2"], "2 events are shown; --limit shows more"),
        (vec![&format!("{path}:2")], vec!["2"], ""),
    ] {
        let explained = virga(&[&["sources", "explain"][..], &arguments].concat());
        let shown: Vec<String> = shown.iter().map(|line| format!("{path}:{line} is generic")).collect();
        let printed = out(&explained);
        let first: Vec<&str> =
            printed.lines().filter_map(|line| line.strip_suffix(" (no source recognises it)")).collect();
        assert_eq!(first, shown, "{arguments:?}");
        let told = err(&explained);
        assert!(told.contains(said) && told.is_empty() == said.is_empty(), "{arguments:?}: {told}");
        assert_eq!(told.contains("quarantined"), said == "quarantined", "{arguments:?}: {told}");
    }
}

#[test]
fn sources_are_listed_sampled_and_explained() {
    let listed = out(&virga(&["sources", "ls"]));
    for words in ["azure.activity", "azure/activitylogs", "otel.genai", "generic"] {
        assert!(listed.contains(words), "{words} in {listed}");
    }
    for line in lines(&virga(&["sources", "ls", "--json"])) {
        let name = line["name"].as_str().expect("a name").to_owned();
        if name == "generic" {
            continue;
        }
        let forms = out(&virga(&["sources", "sample", &name, "--forms"]));
        assert!(forms.lines().next() == Some("events"), "{name}: {forms}");
        let sample = virga(&["sources", "sample", &name]);
        let event = out(&sample).lines().next().expect("an event").to_owned();
        let explained = lines(&virga(&["sources", "explain", "--json", &event]));
        assert_eq!(explained[0]["source"], name.as_str(), "{event}");
        let columns = explained[0]["columns"].as_object().expect("columns");
        assert!(columns.len() > 5 && columns.values().all(|column| !column["value"].is_null()), "{name}");
    }
    let unknown = virga(&["sources", "explain", r#"{"a":1}"#]);
    assert_eq!(unknown.status.code(), Some(1));
    assert!(out(&unknown).contains("no source recognises it"), "{}", out(&unknown));
    assert_eq!(virga(&["sources", "sample", "nothing"]).status.code(), Some(2));
}
