//! Archives that other programs have written: CloudTrail in Athena's columns and in Security Lake's OCSF raises
//! the alerts that the log itself raises; what cannot be known or read is named.
#![cfg(feature = "lake")]

mod writers;

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Output};

use parquet::basic::Compression;
use serde_json::{Value, json};
use virga_test_support::{corpus, events, records, workspace};

use writers::{athena, athena_fields, athena_row, ocsf_row, security_lake, text, write};

fn virga(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_virga"))
        .args(args)
        .current_dir(workspace())
        .output()
        .expect("virga runs")
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn ok(args: &[&str]) -> String {
    let output = virga(args);
    assert!(output.status.success(), "{args:?}: {}", said(&output));
    String::from_utf8(output.stdout).expect("text")
}

fn shown(path: &Path) -> &str {
    path.to_str().expect("a path in UTF-8")
}

/// Real CloudTrail with ids, each event once; none, with a word, where the corpus is absent.
fn cloudtrail() -> Option<Vec<Value>> {
    let corpus = corpus()?;
    let mut texts = events(&corpus, "aws/aws_flaws_excerpt.jsonl.gz");
    texts.extend(records(&corpus, "aws/invictus_native"));
    let mut seen = HashSet::new();
    let events = texts.iter().map(|text| serde_json::from_str::<Value>(text).expect("an event"));
    Some(
        events
            .filter(|event| event["eventID"].is_string() && seen.insert(event["eventID"].to_string()))
            .collect(),
    )
}

/// The events of the stories that ship: attacks told in CloudTrail.
fn stories() -> Vec<Value> {
    let folder = workspace().join("samples/stories");
    let mut seen = HashSet::new();
    let mut found = Vec::new();
    let mut paths: Vec<_> =
        std::fs::read_dir(folder).expect("stories").map(|entry| entry.expect("a story").path()).collect();
    paths.sort();
    for path in paths.iter().filter(|path| path.extension().is_some_and(|ending| ending == "ndjson")) {
        let text = std::fs::read_to_string(path).expect("a story");
        let events = text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        let of_aws =
            events.filter(|event| event["eventSource"].is_string() && event["eventTime"].is_string());
        found.extend(
            of_aws.filter(|event| event["eventID"].is_string() && seen.insert(event["eventID"].to_string())),
        );
    }
    found
}

fn as_log(path: &Path, events: &[Value]) {
    let mut file = std::fs::File::create(path).expect("a file");
    for event in events {
        writeln!(file, "{event}").expect("a file");
    }
}

/// Alerts by id: the rule and the time.
type Alerts = BTreeMap<String, (String, String)>;

fn alerts(text: &str) -> Alerts {
    let alert = |line: &str| {
        let alert: Value = serde_json::from_str(line).expect("an alert");
        let texts =
            ["/alert_id", "/rule/id", "/time"].map(|path| alert.pointer(path).expect("its text").clone());
        let [id, rule, time] = texts.map(|value| value.as_str().expect("a text").to_owned());
        (id, (rule, time))
    };
    text.lines().map(alert).collect()
}

fn detected(folder: &Path, events: &[Value]) -> Alerts {
    let log = folder.join("log.ndjson");
    as_log(&log, events);
    alerts(&ok(&["detect", "--quiet", "--format", "ndjson", shown(&log)]))
}

fn backtested(lake: &Path, more: &[&str]) -> (Alerts, Value, Output) {
    let folder = tempfile::tempdir().expect("a folder");
    let told = folder.path().join("alerts.ndjson");
    let args = ["backtest", "--format", "json", "--archive", shown(lake), "--alerts", shown(&told)];
    let output = virga(&[&args, more].concat());
    let report =
        serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {}", said(&output)));
    (alerts(&std::fs::read_to_string(told).expect("alerts")), report, output)
}

fn assert_same(told: &Alerts, wanted: &Alerts) {
    let rules = |a: &Alerts, b: &Alerts| -> Vec<(String, String)> {
        a.iter().filter(|(id, _)| !b.contains_key(*id)).map(|(_, told)| told.clone()).collect()
    };
    assert_eq!((rules(told, wanted), rules(wanted, told)), (Vec::new(), Vec::new()));
    assert_eq!(told, wanted);
}

#[test]
fn stories_in_columns_and_in_ocsf_raise_the_alerts_of_the_log_id_for_id() {
    let folder = tempfile::tempdir().expect("a folder");
    let events = stories();
    assert!(events.len() > 150, "{}", events.len());
    let wanted = detected(folder.path(), &events);
    assert!(wanted.len() > 30, "{}", wanted.len());
    let (plain, lake) = (folder.path().join("plain"), folder.path().join("lake"));
    athena(&plain, &events);
    security_lake(&lake, &events, true);
    for (path, shape) in [(&plain, "parquet"), (&lake, "security-lake")] {
        let (told, report, output) = backtested(path, &[]);
        assert!(output.status.success(), "{}", said(&output));
        assert_same(&told, &wanted);
        assert_eq!(report["archive"]["events"], json!({"aws.cloudtrail": events.len()}));
        assert!(report["notes"].to_string().contains(&format!("read as {shape}")), "{}", report["notes"]);
    }
}

#[test]
fn real_events_in_columns_and_in_ocsf_raise_the_alerts_of_the_log_id_for_id() {
    let Some(events) = cloudtrail() else { return };
    let folder = tempfile::tempdir().expect("a folder");
    assert!(events.len() > 1_000, "{}", events.len());
    let wanted = detected(folder.path(), &events);
    assert!(wanted.len() > 20, "{}", wanted.len());
    let (plain, lake) = (folder.path().join("plain"), folder.path().join("lake"));
    athena(&plain, &events);
    security_lake(&lake, &events, true);
    for path in [&plain, &lake] {
        let (told, report, _) = backtested(path, &[]);
        assert_same(&told, &wanted);
        assert_eq!(report["archive"]["events"], json!({"aws.cloudtrail": events.len()}));
    }
}

/// The ids of rules in a list of a report.
fn named<'r>(report: &'r Value, list: &str) -> BTreeSet<&'r str> {
    let rules = report["sets"][0][list].as_array().expect("a list").iter();
    rules.filter_map(|rule| rule["id"].as_str()).collect()
}

#[test]
fn rules_whose_fields_a_layout_has_no_place_for_are_named_and_no_other_is_silent() {
    let folder = tempfile::tempdir().expect("a folder");
    let events = stories();
    let wanted = detected(folder.path(), &events);
    let lake = folder.path().join("lake");
    // what has no column of its own is not there
    security_lake(&lake, &events, false);
    let (told, report, _) = backtested(&lake, &[]);
    let (blind, partly) = (named(&report, "blind"), named(&report, "partly"));
    let of_layout: Vec<&Value> = report["sets"][0]["blind"]
        .as_array()
        .expect("a list")
        .iter()
        .filter(|rule| rule["missing"].as_str().is_some_and(|why| why.contains("no place for")))
        .collect();
    assert!(!of_layout.is_empty() && !partly.is_empty(), "{report}");
    let lost: BTreeSet<&str> =
        wanted.iter().filter(|(id, _)| !told.contains_key(*id)).map(|(_, (rule, _))| rule.as_str()).collect();
    let unnamed: Vec<&&str> =
        lost.iter().filter(|rule| !blind.contains(**rule) && !partly.contains(**rule)).collect();
    assert_eq!(unnamed, Vec::<&&str>::new());
}

#[test]
fn what_cannot_be_read_is_named_and_the_rest_goes_on() {
    let folder = tempfile::tempdir().expect("a folder");
    let events = stories();
    let (good, lake) = (&events[..100], folder.path().join("lake"));
    let rows: Vec<Value> = good.iter().map(athena_row).collect();
    write(&lake.join("good.parquet"), athena_fields(), &rows, Compression::SNAPPY);
    let whole = std::fs::read(lake.join("good.parquet")).expect("a file");
    std::fs::write(lake.join("cut.parquet"), &whole[..whole.len() / 2]).expect("a file");
    std::fs::write(lake.join("empty.parquet"), b"").expect("a file");
    std::fs::write(lake.join("not.parquet"), b"PAR1 is not enough PAR1").expect("a file");
    write(&lake.join("other.parquet"), vec![text("a"), text("b")], &[json!({"a": "1"})], Compression::SNAPPY);
    let mut lists = athena_fields();
    lists.retain(|field| field.name() != "useragent");
    let item = arrow::datatypes::Field::new("element", arrow::datatypes::DataType::Int64, true);
    lists.push(arrow::datatypes::Field::new(
        "useragent",
        arrow::datatypes::DataType::List(item.into()),
        true,
    ));
    write(&lake.join("lists.parquet"), lists, &[json!({"useragent": [1]})], Compression::SNAPPY);
    let (told, report, output) = backtested(&lake, &[]);
    let said = said(&output);
    assert_eq!(output.status.code(), Some(2), "{said}");
    for (file, why) in [
        ("cut.parquet", ""),
        ("empty.parquet", ""),
        ("not.parquet", ""),
        ("other.parquet", "lacks eventname, eventsource, eventtime"),
        ("lists.parquet", "column `useragent` holds List"),
    ] {
        let line = said.lines().find(|line| line.contains(&format!("unreadable: {file}")));
        assert!(line.is_some_and(|line| line.contains(why)), "{file}: {said}");
        assert!(report["notes"].to_string().contains(&format!("not read: {file}")));
    }
    assert!(!said.contains("unreadable: good.parquet"), "{said}");
    let clean = tempfile::tempdir().expect("a folder");
    assert_same(&told, &detected(clean.path(), good));
}

#[test]
fn files_and_rows_of_other_products_are_left_out_with_a_word() {
    let folder = tempfile::tempdir().expect("a folder");
    let events = stories();
    security_lake(folder.path(), &events[..50], true);
    let flow = vec![
        text("class_name"),
        arrow::datatypes::Field::new("class_uid", arrow::datatypes::DataType::Int64, true),
        arrow::datatypes::Field::new(
            "metadata",
            arrow::datatypes::DataType::Struct(vec![text("uid")].into()),
            true,
        ),
    ];
    let below = "aws/VPC_FLOW/2.0/region=eu-west-1/accountId=1/eventDay=20260101/f.parquet";
    write(&folder.path().join(below), flow, &[json!({"class_uid": 4001})], Compression::SNAPPY);
    let mut row = ocsf_row(&events[60]);
    row["metadata"]["product"]["name"] = "EKS".into();
    let below = "ext/eks/1.0/region=eu-west-1/accountId=1/eventDay=20260101/f.parquet";
    write(&folder.path().join(below), writers::ocsf_fields(true), &[row], Compression::SNAPPY);
    let (_, report, output) = backtested(folder.path(), &[]);
    assert_eq!(report["archive"]["events"]["aws.cloudtrail"], 51, "events of files, as their footers say");
    let said = said(&output);
    assert!(said.contains("1 files of aws/VPC_FLOW/2.0 are left out"), "{said}");
    assert!(said.contains("row 1: metadata.product.name is EKS, not CloudTrail"), "{said}");
    assert_eq!(output.status.code(), Some(2), "a row that is none of the log's is not what was asked for");
}

fn count(lake: &Path, sql: &str) -> Vec<Value> {
    let text = ok(&["query", "--format", "ndjson", "--archive", shown(lake), sql]);
    text.lines().map(|line| serde_json::from_str(line).expect("a row")).collect()
}

/// As texts `09:30:00-10:00` stands between `09:00:00Z` and `10:00:00Z`, and is later than both.
#[test]
fn times_in_texts_of_several_forms_are_found_where_they_are() {
    let folder = tempfile::tempdir().expect("a folder");
    let times = ["2026-03-02T09:00:00Z", "2026-03-02T09:30:00-10:00", "2026-03-02T10:00:00Z"];
    let event = |(number, time): (usize, &&str)| {
        let event = json!({"eventID": format!("e{number}"), "eventTime": time, "eventSource": "s3.amazonaws.com",
            "eventName": "DeleteTrail", "awsRegion": "eu-west-1"});
        athena_row(&event)
    };
    let rows: Vec<Value> = times.iter().enumerate().map(event).collect();
    write(&folder.path().join("a.parquet"), athena_fields(), &rows, Compression::SNAPPY);
    for (from, wanted) in
        [("2026-03-02T09:00:00Z", 3), ("2026-03-02T10:00:00Z", 2), ("2026-03-02T19:00:00Z", 1)]
    {
        let sql = format!("SELECT count(*) AS n FROM events WHERE time >= '{from}'");
        assert_eq!(count(folder.path(), &sql), [json!({"n": wanted})], "{from}");
    }
}

#[test]
fn a_query_answers_of_columns_and_ocsf_what_it_answers_of_an_archive_of_ones_own() {
    let folder = tempfile::tempdir().expect("a folder");
    let events = stories();
    let (plain, lake) = (folder.path().join("plain"), folder.path().join("lake"));
    athena(&plain, &events);
    security_lake(&lake, &events, true);
    let (own, log) = (folder.path().join("own"), folder.path().join("log.ndjson"));
    as_log(&log, &events);
    ok(&["archive", "import", "--quiet", "--archive", shown(&own), shown(&log)]);
    let mut times: Vec<&str> = events.iter().filter_map(|event| event["eventTime"].as_str()).collect();
    times.sort_unstable();
    let middle = times[times.len() / 2];
    let queries = [
        "SELECT count(*) AS n FROM events".to_owned(),
        "SELECT service, action, outcome, count(*) AS n FROM events GROUP BY 1, 2, 3 ORDER BY 1, 2, 3"
            .to_owned(),
        "SELECT event_id, time, day, hour, principal, src_ip, region, account, target FROM events ORDER BY 1"
            .into(),
        format!("SELECT count(*) AS n, min(time) AS a, max(time) AS b FROM events WHERE time >= '{middle}'"),
        format!("SELECT count(*) AS n FROM events WHERE day = '{}'", &middle[..10]),
        "SELECT count(*) AS n FROM events WHERE source = 'azure.activity'".to_owned(),
        "SELECT raw->>'eventName' AS name, count(*) AS n FROM events GROUP BY 1 ORDER BY 1".to_owned(),
        "SELECT useridentity__type AS t, count(*) AS n FROM events GROUP BY 1 ORDER BY 1".to_owned(),
        "SELECT count(*) AS n FROM alerts".to_owned(),
        "SELECT sum(events) AS n FROM coverage".to_owned(),
    ];
    for sql in &queries {
        let wanted = count(&own, sql);
        assert!(!wanted.is_empty(), "{sql}");
        for archive in [&plain, &lake] {
            assert_eq!(count(archive, sql), wanted, "{sql}");
        }
    }
    // a file that breaks off half-way is no answer
    let file = plain.join("0000.snappy.parquet");
    let mut bytes = std::fs::read(&file).expect("a file");
    let end = bytes.len() / 2;
    bytes[100..end].fill(0xa5);
    std::fs::write(&file, bytes).expect("a file");
    let output = virga(&["query", "--archive", shown(&plain), "SELECT count(raw) FROM events"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(said(&output).contains("0000.snappy.parquet"), "{}", said(&output));
}

#[test]
fn an_archive_of_others_is_imported_and_raises_the_same_alerts() {
    let folder = tempfile::tempdir().expect("a folder");
    let events = stories();
    let wanted = detected(folder.path(), &events);
    let (lake, own) = (folder.path().join("lake"), folder.path().join("own"));
    security_lake(&lake, &events, true);
    let told = ok(&["archive", "import", "--json", "--archive", shown(&own), shown(&lake)]);
    let told: Value = serde_json::from_str(&told).expect("JSON");
    assert_eq!((&told["events"], &told["read"]), (&json!(events.len()), &json!(events.len())));
    let (alerts, _, _) = backtested(&own, &[]);
    assert_same(&alerts, &wanted);
    let again = ok(&["archive", "import", "--json", "--archive", shown(&own), shown(&lake)]);
    let again: Value = serde_json::from_str(&again).expect("JSON");
    assert_eq!((&again["events"], &again["present"]), (&json!(0), &json!(events.len())), "twice is once");
}

#[test]
fn what_an_archive_is_can_be_seen_and_can_be_said() {
    let folder = tempfile::tempdir().expect("a folder");
    let events = stories();
    let (plain, delta) = (folder.path().join("plain"), folder.path().join("delta"));
    athena(&plain, &events[..20]);
    let refused = |lake: &Path, more: &[&str]| {
        let output = virga(&[&["backtest", "--archive", shown(lake)], more].concat());
        assert_eq!(output.status.code(), Some(2));
        said(&output)
    };
    assert!(refused(&plain, &["--layout", "security-lake"]).contains("as security-lake it lacks class_uid"));
    assert!(refused(&plain, &["--layout", "virga"]).contains("there is no archive"));
    assert!(refused(&plain, &["--lock", "x.lock"]).contains("no versions"));
    assert!(refused(&folder.path().join("none"), &[]).contains("there is no archive"));
    std::fs::create_dir_all(delta.join("_delta_log")).expect("a folder");
    std::fs::write(delta.join("_delta_log/00000000000000000000.json"), "{}").expect("a file");
    athena(&delta, &events[..5]);
    assert!(refused(&delta, &[]).contains("a Delta table of another program"));
}

/// Who parts a table takes the column out of its files: Spark's `partitionBy`, Athena's `partitioned_by`.
#[test]
fn what_folders_say_of_the_events_in_them_is_read_as_a_column() {
    let folder = tempfile::tempdir().expect("a folder");
    let events = stories();
    let wanted = detected(folder.path(), &events);
    let (own, log, lake) =
        (folder.path().join("own"), folder.path().join("log.ndjson"), folder.path().join("lake"));
    as_log(&log, &events);
    ok(&["archive", "import", "--quiet", "--archive", shown(&own), shown(&log)]);
    let mut of_folder: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    for event in &events {
        let text =
            |name: &str| event[name].as_str().unwrap_or("__HIVE_DEFAULT_PARTITION__").replace('.', "%2E");
        let below = format!(
            "awsRegion={}/eventsource={}/team=blue/{}.parquet",
            text("awsRegion"),
            text("eventSource"),
            of_folder.len()
        );
        let folder = below.rsplit_once('/').expect("a folder").0.to_owned();
        of_folder.entry(folder).or_default().push(athena_row(event));
    }
    let mut fields = athena_fields();
    fields.retain(|field| !["awsregion", "eventsource"].contains(&field.name().as_str()));
    assert!(of_folder.len() > 5, "{}", of_folder.len());
    for (below, rows) in &mut of_folder {
        for row in rows.iter_mut().filter_map(Value::as_object_mut) {
            row.retain(|name, _| !["awsregion", "eventsource"].contains(&name.as_str()));
        }
        write(&lake.join(below).join("part-0.parquet"), fields.clone(), rows, Compression::SNAPPY);
    }
    let (told, report, output) = backtested(&lake, &[]);
    assert!(output.status.success(), "{}", said(&output));
    assert_same(&told, &wanted);
    assert_eq!(report["archive"]["events"], json!({"aws.cloudtrail": events.len()}));
    for sql in [
        "SELECT region, service, count(*) AS n FROM events GROUP BY 1, 2 ORDER BY 1, 2",
        "SELECT raw->>'awsRegion' AS r, raw->>'team' AS t, count(*) AS n FROM events GROUP BY 1, 2 ORDER BY 1",
    ] {
        assert_eq!(count(&lake, sql), count(&own, sql), "{sql}");
    }
}

/// Athena and Hive give the files that they write no ending.
#[test]
fn files_without_an_ending_are_known_by_their_first_bytes() {
    let folder = tempfile::tempdir().expect("a folder");
    let events = stories();
    let wanted = detected(folder.path(), &events);
    let (lake, own) = (folder.path().join("lake"), folder.path().join("own"));
    let rows: Vec<Value> = events.iter().map(athena_row).collect();
    let (first, second) = rows.split_at(rows.len() / 2);
    write(&lake.join("20260301_112233_00012_abcde_0f0f"), athena_fields(), first, Compression::SNAPPY);
    write(&lake.join("b/000000_0"), athena_fields(), second, Compression::SNAPPY);
    std::fs::write(lake.join("README"), "what lies here").expect("a file");
    std::fs::write(lake.join("b/_SUCCESS"), "").expect("a file");
    let (told, _, output) = backtested(&lake, &[]);
    assert!(output.status.success(), "{}", said(&output));
    assert_same(&told, &wanted);
    std::fs::remove_file(lake.join("README")).expect("a file");
    // as a log, such a file would be quarantined
    let told = ok(&["archive", "import", "--json", "--archive", shown(&own), shown(&lake)]);
    let told: Value = serde_json::from_str(&told).expect("JSON");
    assert_eq!((&told["events"], &told["read"]), (&json!(events.len()), &json!(events.len())));
    let (alerts, _, _) = backtested(&own, &[]);
    assert_same(&alerts, &wanted);
}
