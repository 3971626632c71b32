//! `virga query`: tables, forms, refusals, limits, broken archives.

use std::sync::LazyLock;

use serde_json::json;

use crate::lake::{Lake, err, out, virga};

static STORIES: LazyLock<Lake> = LazyLock::new(Lake::of_stories);

#[test]
fn events_and_coverage_count_what_was_written() {
    let lake = &*STORIES;
    let rows = lake.rows("SELECT count(*) AS n, count(DISTINCT source) AS s FROM events");
    assert_eq!(rows[0]["n"], json!(lake.events));
    assert!(rows[0]["s"].as_i64() > Some(5), "{rows:?}");
    let by_source = "SELECT source, count(*) AS n FROM events GROUP BY source ORDER BY source";
    let covered = "SELECT source, sum(events) AS n FROM coverage GROUP BY source ORDER BY source";
    assert_eq!(lake.rows(by_source), lake.rows(covered));
    let wrong = "SELECT c.source FROM coverage c JOIN (SELECT source, day, hour, min(time) AS f, max(time) AS l
        FROM events GROUP BY source, day, hour) e
        ON c.source = e.source AND c.day = e.day AND c.hour = e.hour
        WHERE c.first_time > e.f OR c.last_time < e.l OR c.last_time >= e.l + INTERVAL '1 millisecond' OR c.files < 1 OR c.bytes < 1";
    assert_eq!(lake.rows(wrong), Vec::<serde_json::Value>::new());
    let joined = "SELECT count(*) AS n FROM coverage c JOIN (SELECT DISTINCT source, day, hour FROM events) e
        ON c.source = e.source AND c.day = e.day AND c.hour = e.hour";
    assert_eq!(lake.rows(joined), lake.rows("SELECT count(*) AS n FROM coverage"));
}

#[test]
fn rules_and_alerts_and_ocsf_are_tables() {
    let lake = &*STORIES;
    let rule = "SELECT title, level, sources FROM rules WHERE title = 'CloudTrail logging stopped, deleted or curtailed'";
    let rows = lake.rows(rule);
    assert_eq!(rows[0]["level"], "high");
    assert!(rows[0]["sources"].as_array().expect("a list").contains(&json!("aws.cloudtrail")), "{rows:?}");
    let kinds = lake.rows("SELECT kind, count(*) AS n FROM rules GROUP BY kind ORDER BY kind");
    assert_eq!(kinds.len(), 2, "{kinds:?}");
    assert_eq!(lake.rows("SELECT count(*) AS n FROM alerts"), [json!({"n": 0})]);
    let names = lake.rows(
        "SELECT count(*) AS n FROM ocsf o JOIN events e USING (event_id)
         WHERE o.\"api.operation\" = e.action AND o.\"metadata.log_name\" = e.source AND o.raw_data = e.raw",
    );
    let actions = lake.rows(
        "SELECT count(*) AS n FROM events a JOIN events b USING (event_id) WHERE a.action = b.action AND a.source = b.source AND a.raw = b.raw",
    );
    assert_eq!(names, actions);
    assert!(names[0]["n"].as_i64() > Some(100), "{names:?}");
}

#[test]
fn json_functions_look_into_raw_events() {
    let lake = &*STORIES;
    let same =
        "SELECT count(*) AS n FROM events WHERE source = 'aws.cloudtrail' AND raw->>'eventName' = action
        AND json_get_str(raw, 'userIdentity', 'type') IS NOT NULL";
    let all = "SELECT count(*) AS n FROM events WHERE source = 'aws.cloudtrail'";
    assert_eq!(lake.rows(same), lake.rows(all));
    let mixed =
        lake.rows("SELECT raw->'userIdentity' AS who FROM events WHERE source = 'aws.cloudtrail' LIMIT 1");
    assert!(mixed[0]["who"].as_str().expect("JSON as a text").starts_with('{'), "{mixed:?}");
}

#[test]
fn a_rule_in_a_where_finds_what_detect_finds() {
    let lake = Lake::of_story("console-login-from-afar-to-snapshot-sharing");
    let story = "samples/stories/console-login-from-afar-to-snapshot-sharing.ndjson";
    let detected = virga(&["detect", "--format", "ndjson", "--quiet", story]);
    let mut checked = 0;
    let alerts: Vec<serde_json::Value> =
        out(&detected).lines().map(|line| serde_json::from_str(line).expect("an alert")).collect();
    let titles: std::collections::BTreeSet<&str> = alerts
        .iter()
        .filter(|alert| alert["kind"] == "detection")
        .filter_map(|alert| alert["rule"]["title"].as_str())
        .collect();
    for title in titles {
        let mut expected: Vec<&str> = alerts
            .iter()
            .filter(|alert| alert["rule"]["title"] == title)
            .filter_map(|alert| alert["events"][0]["event_id"].as_str())
            .collect();
        expected.sort_unstable();
        let quoted = title.replace('\'', "''");
        let rows = lake.rows(&format!(
            "SELECT event_id FROM events WHERE sigma_match('{quoted}', source, raw) ORDER BY event_id"
        ));
        let found: Vec<&str> = rows.iter().filter_map(|row| row["event_id"].as_str()).collect();
        assert_eq!(found, expected, "{title}");
        checked += found.len();
    }
    assert!(checked >= 7, "{checked}");
}

#[test]
fn a_rule_may_be_a_text_or_a_file_and_is_checked_before_anything_is_read() {
    let lake = Lake::of_story("console-login-from-afar-to-snapshot-sharing");
    let rule = "title: t\nlogsource: {product: aws, service: cloudtrail}\ndetection:\n  s: {eventName: StopLogging}\n  condition: s\n";
    let count = |rule: &str| {
        lake.rows(&format!("SELECT count(*) AS n FROM events WHERE sigma_match('{rule}', source, raw)"))
    };
    let expected = lake.rows("SELECT count(*) AS n FROM events WHERE action = 'StopLogging'");
    assert!(expected[0]["n"].as_i64() > Some(0));
    assert_eq!(count(rule), expected);
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("rule.yml");
    std::fs::write(&file, rule).expect("a file");
    assert_eq!(count(&file.display().to_string()), expected);
    for (rule, said) in [
        ("no such rule", "there is no rule `no such rule`"),
        ("CloudTrail logging stopped", "did you mean `CloudTrail logging stopped, deleted or curtailed`"),
        ("nowhere.yml", "nowhere.yml: No such file"),
        (
            "title: t\nlogsource: {product: aws, service: cloudtrail}\ndetection:\n  s: {a|wrong: b}\n  condition: s\n",
            "wrong",
        ),
        ("Logging impaired, then data leaving the same account", "is a correlation"),
    ] {
        let words = lake.refused(&format!("SELECT 1 FROM events WHERE sigma_match('{rule}', source, raw)"));
        assert!(words.contains(said), "{rule}: {words}");
    }
}

#[test]
fn nothing_can_write_or_reach_beyond_the_archive() {
    let lake = &*STORIES;
    let before: Vec<_> = lake.files();
    let elsewhere = tempfile::tempdir().expect("a folder");
    let target = elsewhere.path().join("out.csv").display().to_string();
    for sql in [
        "INSERT INTO events SELECT * FROM events",
        "INSERT INTO rules (id) VALUES ('x')",
        "UPDATE events SET action = 'x'",
        "DELETE FROM events",
        "TRUNCATE TABLE events",
        "DROP TABLE events",
        "DROP VIEW ocsf",
        "ALTER TABLE events ADD COLUMN x INT",
        "CREATE TABLE t AS SELECT 1",
        "CREATE VIEW v AS SELECT 1",
        "CREATE SCHEMA s",
        "CREATE FUNCTION f(int) RETURNS int RETURN $1 + 1",
        &format!("CREATE EXTERNAL TABLE t STORED AS CSV LOCATION '{target}'"),
        &format!("COPY events TO '{target}'"),
        &format!("COPY (SELECT 1) TO '{target}' STORED AS PARQUET"),
        "SET datafusion.execution.batch_size = 1",
        "SET datafusion.runtime.memory_limit = '100G'",
        "RESET datafusion.execution.batch_size",
        "BEGIN",
        "PREPARE p AS SELECT 1",
        "EXECUTE p",
        "EXPLAIN ANALYZE INSERT INTO events SELECT * FROM events",
        "EXPLAIN CREATE TABLE t AS SELECT 1",
        "VACUUM",
    ] {
        let words = lake.refused(sql);
        assert!(words.contains("the archive is only read here"), "{sql}: {words}");
    }
    for sql in [
        "SELECT * FROM '/etc/passwd'",
        "SELECT * FROM 'file:///etc/hosts.csv'",
        "SELECT * FROM read_csv('/etc/passwd')",
        "SELECT * INTO t FROM events",
        "SELECT repeat('x', 2000000000)",
        "SELECT array_repeat(1, 2000000000)",
        "SELECT 1; SELECT 2",
    ] {
        lake.refused(sql);
    }
    assert_eq!(std::fs::read_dir(elsewhere.path()).expect("a folder").count(), 0);
    assert_eq!(lake.files(), before);
    assert_eq!(lake.rows("SELECT count(*) AS n FROM events"), [json!({"n": lake.events})]);
}

#[test]
fn errors_say_where_they_are() {
    let lake = &*STORIES;
    for (sql, place, said) in [
        ("SELECT wrong FROM events", "1:8", "wrong"),
        ("SELECT action\nFROM nowhere", "2:6", "nowhere"),
        ("SELECT action\nFROM events\nWHERE WHERE x", "3:13", "Expected"),
        ("SELECT princpal FROM events", "1:8", "principal"),
    ] {
        let words = lake.refused(sql);
        assert!(words.contains(&format!("the query:{place}")) && words.contains(said), "{sql}: {words}");
    }
}

#[test]
fn a_plan_is_shown_whole_a_step_a_line() {
    let lake = &*STORIES;
    let sql = "EXPLAIN ANALYZE SELECT count(*) FROM events WHERE source = 'aws.cloudtrail'";
    let output = lake.query(&["--format", "table", sql]);
    assert!(output.status.success(), "{}", err(&output));
    let text = out(&output);
    assert!(text.lines().count() > 4, "{text}");
    assert!(text.contains("AggregateExec: mode=Final") && text.contains("output_rows="), "{text}");
    assert!(!text.contains('…') && !text.contains('\u{FFFD}'), "{text}");
}

#[test]
fn a_span_of_time_is_shown_in_hours_and_minutes() {
    let rows =
        STORIES.rows("SELECT TIMESTAMP '2026-03-02T20:00:03Z' - TIMESTAMP '2026-03-02T01:24:00Z' AS span");
    assert_eq!(rows[0]["span"], "18:36:03");
}

#[test]
fn of_a_field_that_is_not_there_a_word_is_said_and_not_all_that_are() {
    let said = STORIES.refused("SELECT nope FROM events");
    assert!(said.contains("No field named nope") && said.contains("DESCRIBE shows the"), "{said}");
    assert!(!said.contains("Valid fields are") && !said.contains('\u{FFFD}'), "{said}");
}

#[test]
fn limits_are_met_with_a_word() {
    let lake = &*STORIES;
    let much = "SELECT a.raw, b.raw FROM events a, events b ORDER BY b.raw, a.raw";
    let output = lake.query(&["--memory", "1", much]);
    assert_eq!(output.status.code(), Some(2));
    assert!(err(&output).contains("needs more than 1 MB of memory"), "{}", err(&output));
    assert!(err(&output).contains("allow it more with --memory"), "{}", err(&output));
    for long in [
        "SELECT sum(a.value * b.value) FROM generate_series(1, 10000000) a, generate_series(1, 10000000) b",
        "SELECT sum(a.value * b.value) FROM generate_series(1, 10000) a, generate_series(1, 100000000000) b",
        "SELECT count(*) FROM generate_series(1, 100000000) a JOIN generate_series(1, 100000000) b ON a.value < b.value",
        "WITH RECURSIVE r AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM r) SELECT count(*) FROM r",
        "SELECT count(*) FROM generate_series(1, 100000000000000)",
    ] {
        // each would take hours
        let output = lake.query(&["--time", "1", long]);
        assert_eq!(output.status.code(), Some(2), "{long}: {}", out(&output));
        let said = err(&output);
        assert!(said.contains("takes longer than 1s") || said.contains("of memory"), "{long}: {said}");
    }
    let doubled = |first: &str, step: &str| {
        let steps = (1..40).map(|n| format!(", t{n} AS (SELECT {step} AS x FROM t{})", n - 1));
        format!("WITH t0 AS (SELECT {first}){} SELECT max(length(x)) FROM t39", steps.collect::<String>())
    };
    for (large, function) in [
        ("SELECT max(length(replace(replace(raw, 'e', raw), 'e', raw))) FROM events".to_owned(), "replace"),
        (doubled("'x' AS x", "replace(x || 'x', 'x', x || x)"), "replace"),
        (doubled("raw AS x FROM events LIMIT 9", "concat(x, x)"), "concat"),
        (
            "SELECT max(length(array_to_string(ARRAY[raw, raw, raw], replace(raw, '\"', raw)))) FROM events"
                .into(),
            "re",
        ),
    ] {
        // each would take all the memory that there is
        let output = lake.query(&["--memory", "16", &large]);
        assert_eq!(output.status.code(), Some(2), "{large}: {}", out(&output));
        let said = err(&output);
        assert!(said.contains("needs more than 16 MB of memory") && said.contains(function), "{said}");
    }
    // what is made of few rows at a time is what it would be at once
    let made = "SELECT md5(string_agg(replace(raw, 'a', raw), '' ORDER BY event_id, raw)) AS made
        FROM (SELECT event_id, raw FROM events WHERE source = 'aws.cloudtrail' ORDER BY event_id, raw LIMIT 30)";
    let at_once = lake.query(&["--format", "ndjson", made]);
    let in_pieces = lake.query(&["--format", "ndjson", "--memory", "8", made]);
    assert_eq!(out(&at_once), out(&in_pieces), "{}{}", err(&at_once), err(&in_pieces));
    let output = lake.query(&["--rows", "3", "--format", "ndjson", "SELECT event_id FROM events"]);
    assert!(output.status.success());
    assert_eq!(out(&output).lines().count(), 3);
    assert!(err(&output).contains("there are more than these 3 rows"), "{}", err(&output));
    let exact = "SELECT event_id FROM events LIMIT 3";
    let output = lake.query(&["--rows", "3", "--format", "ndjson", exact]);
    assert!(!err(&output).contains("there are more"), "{}", err(&output));
}

#[test]
fn what_is_written_means_what_it_means_to_postgresql() {
    let lake = &*STORIES;
    let by_day = "SELECT to_char(time, 'YYYY-MM-DD') AS day, count(*) AS n FROM events GROUP BY 1 ORDER BY 1";
    let by_column = "SELECT CAST(day AS TEXT) AS day, count(*) AS n FROM events GROUP BY 1 ORDER BY 1";
    assert_eq!(lake.rows(by_day), lake.rows(by_column));
    let meant = "SELECT 16777217::float AS f, 'a_b' LIKE 'a/_b' ESCAPE '/' AS same, 'axb' LIKE 'a/_b' ESCAPE '/' AS other,
        'a/b' LIKE 'a//b' ESCAPE '/' AS itself, 'a\\b' LIKE 'a\\b' ESCAPE '!' AS bare";
    let expected = json!({"f": 16777217.0, "same": true, "other": false, "itself": true, "bare": true});
    assert_eq!(lake.rows(meant), [expected]);
    let refused = lake.refused("SELECT to_char(time, 'YYYY \"Q\"Q') FROM events");
    assert!(refused.contains("to_char has no `Q` here"), "{refused}");
}

#[test]
fn ctrl_c_leaves_no_file_behind() {
    let lake = &*STORIES;
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("answer.csv").display().to_string();
    let endless =
        "SELECT a.raw FROM events a, events b, events c WHERE a.raw = 'nothing' OR b.raw = c.raw || 'x'";
    let mut child = std::process::Command::new(env!("CARGO_BIN_EXE_virga"))
        .args(["query", "--archive", &lake.url(), "--output", &path, endless])
        .stderr(std::process::Stdio::piped())
        .spawn()
        .expect("virga runs");
    let files = || std::fs::read_dir(folder.path()).expect("the folder").count();
    let since = std::time::Instant::now();
    while files() == 0 {
        assert!(since.elapsed().as_secs() < 60, "the file is begun");
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    // it is listened for a moment after
    std::thread::sleep(std::time::Duration::from_millis(500));
    let sent = std::process::Command::new("kill").args(["-INT", &child.id().to_string()]).status();
    assert!(sent.is_ok_and(|status| status.success()));
    let status = child.wait().expect("it ends");
    assert_eq!((status.code(), files()), (Some(130), 0));
}

#[test]
fn answers_come_in_every_form() {
    let lake = &*STORIES;
    let folder = tempfile::tempdir().expect("a folder");
    let sql = "SELECT time, action, grants, tokens_in, raw FROM events ORDER BY time, event_id";
    for (name, check) in
        [("a.csv", csv as fn(&[u8], usize)), ("a.ndjson", ndjson), ("a.parquet", parquet), ("a.txt", table)]
    {
        let path = folder.path().join(name);
        let shown = path.display().to_string();
        let output = lake.query(&["--output", &shown, "--rows", "1000000", sql]);
        assert!(output.status.success(), "{name}: {}", err(&output));
        assert_eq!(out(&output), "");
        check(&std::fs::read(&path).expect("a file"), lake.events);
    }
    let path = folder.path().join("none.csv").display().to_string();
    let failing = "SELECT CAST(action AS INT) FROM events";
    assert_eq!(lake.query(&["--output", &path, failing]).status.code(), Some(2));
    let names: Vec<_> = std::fs::read_dir(folder.path()).expect("a folder").collect();
    assert_eq!(names.len(), 4, "an answer that failed left a file: {names:?}");
    let nothing =
        lake.query(&["--format", "csv", "SELECT action, time FROM events WHERE action = 'nothing'"]);
    assert_eq!(out(&nothing), "action,time\n");
    let unknown = lake.query(&["--output", "x.unknown", "SELECT 1"]);
    assert!(err(&unknown).contains("say --format"), "{}", err(&unknown));
}

fn csv(bytes: &[u8], events: usize) {
    let text = String::from_utf8_lossy(bytes);
    assert!(text.starts_with("time,action,grants,tokens_in,raw\n"), "{}", &text[..80]);
    // events stand in quotes, each on its line
    assert_eq!(text.lines().count(), events + 1);
}

fn ndjson(bytes: &[u8], events: usize) {
    let text = String::from_utf8_lossy(bytes);
    let rows: Vec<serde_json::Value> =
        text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert_eq!(rows.len(), events);
    assert!(
        rows.iter().any(|row| row["grants"].is_array()) && rows.iter().any(|row| row["tokens_in"].is_i64())
    );
}

fn parquet(bytes: &[u8], events: usize) {
    assert_eq!((&bytes[..4], &bytes[bytes.len() - 4..]), (&b"PAR1"[..], &b"PAR1"[..]));
    assert!(bytes.len() > events);
}

fn table(bytes: &[u8], events: usize) {
    let text = String::from_utf8_lossy(bytes);
    assert_eq!(text.lines().count(), events + 1);
    assert!(!text.contains('\x1b'));
}

#[test]
fn an_archive_that_is_not_there_or_broken_is_told_of() {
    let output = virga(&["query", "--archive", "/nowhere/at/all", "SELECT 1"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(err(&output).contains("there is no archive"), "{}", err(&output));
    let lake = Lake::of_story("leaked-key-to-llmjacking");
    let count = "SELECT count(action) FROM events WHERE raw LIKE '%a%'";
    let files = lake.files();
    let (gone, cut) = (&files[0], &files[1]);
    let name = |path: &std::path::PathBuf| path.file_name().expect("a name").to_string_lossy().into_owned();
    let whole = std::fs::read(gone).expect("a file");
    std::fs::remove_file(gone).expect("it goes");
    let words = lake.refused(count);
    assert!(words.contains(&name(gone)) && words.contains("archive verify"), "{words}");
    std::fs::write(gone, &whole).expect("it comes back");
    assert!(lake.query(&[count]).status.success());
    let bytes = std::fs::read(cut).expect("a file");
    std::fs::write(cut, &bytes[..bytes.len() / 2]).expect("half of it");
    let words = lake.refused(count);
    assert!(words.contains(&name(cut)) && words.contains("archive verify"), "{words}");
    // what does not need the file is answered: the table knows how many events it has
    assert_eq!(lake.rows("SELECT count(*) AS n FROM events"), [json!({"n": lake.events})]);
}

#[test]
fn of_two_broken_files_the_one_that_is_asked_is_named() {
    let lake = Lake::of_story("leaked-key-to-llmjacking");
    let files = lake.files();
    let (other, asked) = (&files[0], &files[files.len() - 1]);
    assert_ne!(other.parent(), asked.parent(), "the story is of several hours");
    for file in [other, asked] {
        let bytes = std::fs::read(file).expect("a file");
        std::fs::write(file, &bytes[..bytes.len() / 2]).expect("half of it");
    }
    let conditions: Vec<String> = asked
        .iter()
        .filter_map(|part| part.to_str()?.split_once('='))
        .map(|(column, value)| format!("CAST({column} AS TEXT) = '{}'", value.trim_start_matches('0')))
        .collect();
    assert_eq!(conditions.len(), 3, "{conditions:?}");
    let words = lake.refused(&format!(
        "SELECT count(action) FROM events WHERE raw LIKE '%a%' AND {}",
        conditions.join(" AND ")
    ));
    let name = |path: &std::path::Path| path.file_name().expect("a name").to_string_lossy().into_owned();
    assert!(words.contains(&name(asked)) && !words.contains(&name(other)), "{words}");
}

#[test]
fn moments_that_nanoseconds_cannot_hold_are_compared() {
    let lake = &*STORIES;
    for (condition, all) in [
        ("time < '9000-01-01'", true),
        ("'9000-01-01' > time", true),
        ("time <= TIMESTAMP '9999-12-31T23:59:59.999999'", true),
        ("time <= '9999-12-31T23:59:59.999999Z'::timestamptz", true),
        ("time BETWEEN '0001-01-01' AND '9999-12-31'", true),
        // beside moments of our days
        ("time BETWEEN '2020-01-01' AND '9999-12-31'", true),
        ("time BETWEEN '2020-01-01' AND TIMESTAMP '9999-12-31'", true),
        ("time NOT BETWEEN '0001-01-01' AND '2020-01-01T00:00:00Z'", true),
        ("time NOT IN ('9000-01-01', '2020-01-01')", true),
        ("time NOT IN ('9000-01-01', now(), TIMESTAMP '2020-01-01 00:00:00')", true),
        ("time <> '9000-01-01' AND time <> '2020-01-01'", true),
        ("time < DATE '9999-12-31'", true),
        ("time > '9000-01-01'", false),
        ("time < TIMESTAMP '1600-01-01'", false),
    ] {
        let rows = lake.rows(&format!("SELECT count(*) AS n FROM events WHERE {condition}"));
        assert_eq!(rows, [json!({"n": if all { lake.events } else { 0 }})], "{condition}");
    }
}

#[test]
fn what_is_compared_with_a_far_moment_or_a_day_may_stand_in_an_aggregate() {
    let lake = &*STORIES;
    for (expression, is) in [
        ("count(*) FILTER (WHERE time < '9999-12-31')", json!(lake.events)),
        ("count(*) FILTER (WHERE time > DATE '2020-01-01')", json!(lake.events)),
        ("sum(CASE WHEN time > TIMESTAMPTZ '9999-12-31' THEN 1 ELSE 0 END)", json!(0)),
        ("bool_and(time BETWEEN DATE '2020-01-01' AND '9999-12-31')", json!(true)),
    ] {
        let rows = lake.rows(&format!("SELECT max({expression}) OVER () AS x FROM events GROUP BY 1 = 1"));
        assert_eq!(rows, [json!({"x": is})], "{expression}");
    }
}

#[test]
fn conditions_behind_is_distinct_from_hold_by_themselves() {
    let lake = &*STORIES;
    for (written, meant) in [
        (
            "mfa IS DISTINCT FROM true AND action = 'AssumeRole'",
            "(mfa IS DISTINCT FROM true) AND action = 'AssumeRole'",
        ),
        ("mfa IS NOT DISTINCT FROM true OR hour > 11", "(mfa IS NOT DISTINCT FROM true) OR hour > 11"),
        (
            "hour > 11 AND mfa IS DISTINCT FROM true OR hour = 9",
            "(hour > 11 AND (mfa IS DISTINCT FROM true)) OR hour = 9",
        ),
        ("NOT mfa IS DISTINCT FROM true AND hour > 11", "(mfa IS NOT DISTINCT FROM true) AND hour > 11"),
        (
            "outcome IS DISTINCT FROM 'success' AND action IS NOT NULL",
            "(outcome IS DISTINCT FROM 'success') AND action IS NOT NULL",
        ),
    ] {
        let counted =
            |condition: &str| lake.rows(&format!("SELECT count(*) AS n FROM events WHERE {condition}"));
        let rows = counted(meant);
        assert_eq!(counted(written), rows, "{written}");
        assert!(
            rows[0]["n"].as_u64().is_some_and(|n| n > 0 && n < lake.events as u64),
            "{written}: {rows:?}"
        );
    }
    let explained = lake.rows("EXPLAIN SELECT 1 FROM events WHERE mfa IS DISTINCT FROM true AND hour > 11");
    assert!(
        explained[0]["plan"].as_str().is_some_and(|plan| plan.contains("events.hour > Int")),
        "{explained:?}"
    );
}

/// Each hour of a source is a file, and each file a batch.
#[test]
fn many_small_files_take_no_more_memory_than_their_rows() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("events.ndjson");
    let event = |n: usize| {
        let (day, hour, who) = (1 + n / 24 % 28, n % 24, n * 7 % 300);
        format!(
            r#"{{"eventVersion":"1.08","eventID":"id-{n}","eventTime":"2026-03-{day:02}T{hour:02}:00:{:02}Z","eventSource":"s3.amazonaws.com","eventName":"PutObject","sourceIPAddress":"192.0.2.{}","userIdentity":{{"type":"IAMUser","userName":"u{who}","accessKeyId":"AKIA{who}","arn":"arn:aws:iam::111122223333:user/of-a-name-that-is-long-{who}"}}}}"#,
            n % 60,
            n % 250
        )
    };
    let events: Vec<String> = (0..24 * 28 * 6).map(event).collect();
    std::fs::write(&path, events.join("\n")).expect("a file");
    let lake = Lake::of(&[path]);
    assert_eq!(lake.files().len(), 24 * 28);
    let sql = "SELECT count(before) AS n FROM (SELECT lag(origin) OVER (PARTITION BY principal ORDER BY time, event_id) AS before FROM events) t";
    let output = lake.query(&["--memory", "32", "--format", "ndjson", sql]);
    assert!(output.status.success(), "{}", err(&output));
    // all but the first of each of 300
    assert_eq!(out(&output).trim(), format!("{{\"n\":{}}}", lake.events - 300));
}

#[test]
fn a_table_holds_a_cell_of_any_width() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("events.ndjson");
    let wide = "x".repeat(70_000);
    let event = |id: &str, key: &str| {
        format!(
            r#"{{"eventVersion":"1.08","eventID":"{id}","eventTime":"2026-03-02T09:00:00Z","eventSource":"s3.amazonaws.com","eventName":"PutObject","userIdentity":{{"type":"Root"}},"requestParameters":{{"key":"{key}"}}}}"#
        )
    };
    std::fs::write(&path, [event("a", "short"), event("b", &wide)].join("\n")).expect("a file");
    let lake = Lake::of(&[path]);
    let output = lake.query(&["--format", "table", "SELECT raw FROM events ORDER BY event_id"]);
    assert!(output.status.success(), "{}", err(&output));
    let lines: Vec<usize> = out(&output).lines().map(str::len).collect();
    assert!(lines.len() == 3 && lines[1] < 1_000 && lines[2] > 70_000, "{lines:?}");
}

#[test]
fn values_of_json_within_lists_come_in_every_form() {
    let lake = &*STORIES;
    let folder = tempfile::tempdir().expect("a folder");
    let of = "FROM events WHERE source = 'aws.cloudtrail' AND action = 'AssumeRole'";
    let sql = format!(
        "SELECT array_agg(DISTINCT raw->'eventName') AS l, named_struct('h', max(hour), 's', [max(raw)->'eventName', NULL]) AS m, [1, NULL] AS n, INTERVAL '1 day' AS i {of}"
    );
    let shown = |name: &str| {
        let path = folder.path().join(name);
        let output = lake.query(&["--output", &path.display().to_string(), &sql]);
        assert!(output.status.success(), "{name}: {}", err(&output));
        std::fs::read(path).expect("a file")
    };
    let csv = String::from_utf8(shown("a.csv")).expect("text");
    assert!(csv.contains(r#""[""AssumeRole""]""#) && csv.contains(r#""[1,null]""#), "{csv}");
    let line: serde_json::Value = serde_json::from_slice(&shown("a.ndjson")).expect("JSON");
    assert_eq!((&line["l"], &line["m"]["s"]), (&json!(["AssumeRole"]), &json!(["AssumeRole", null])));
    assert!(shown("a.parquet").starts_with(b"PAR1"));
    assert!(!shown("a.txt").is_empty());
}

/// What the parser or the planner would work on longer than anybody waits, with nothing that could interrupt it.
#[test]
fn what_could_not_be_read_in_time_is_refused_and_long_lists_are_answered() {
    let lake = &*STORIES;
    let brackets = format!("{}action = 'a'{}", "not (".repeat(40), ")".repeat(40));
    let sum = vec!["1"; 5_000].join(" + ");
    for (sql, words) in [
        (format!("SELECT count(*) FROM events WHERE {brackets}"), "brackets stand 40 deep"),
        (format!("SELECT {sum} FROM events"), "joins 4999 values"),
    ] {
        let refused = lake.refused(&sql);
        assert!(refused.contains(words), "{refused}");
    }
    let none_of: Vec<String> = (0..1_000).map(|number| format!("action <> 'x{number}'")).collect();
    let sql = format!("SELECT count(*) AS n FROM events WHERE action IS NULL OR ({})", none_of.join(" AND "));
    assert_eq!(lake.rows(&sql), [json!({"n": lake.events})]);
    // where the condition gives a column its name
    let neither = "action <> 'a' AND action <> 'b'";
    for sql in [
        format!(
            "SELECT sum(CASE WHEN {neither} THEN 1 ELSE 0 END) AS n FROM events WHERE action IS NOT NULL"
        ),
        format!("SELECT count(*) FILTER (WHERE {neither}) AS n FROM events WHERE action IS NOT NULL"),
        format!("SELECT count(*) AS n FROM events WHERE action IS NOT NULL GROUP BY ({neither})"),
        format!(
            "SELECT count(*) AS n FROM events WHERE {neither} HAVING sum(CASE WHEN {neither} THEN 1 END) > 0"
        ),
        format!("SELECT count(*) AS n FROM (SELECT {neither} FROM events WHERE action IS NOT NULL) t"),
    ] {
        let rows = lake.rows(&sql);
        let all = lake.rows("SELECT count(action) AS n FROM events");
        assert_eq!(rows, all, "{sql}");
    }
}

#[test]
fn an_earlier_version_can_be_asked() {
    let lake = &*STORIES;
    let at = |version: &str| {
        lake.query(&["--archive-version", version, "--format", "ndjson", "SELECT count(*) AS n FROM events"])
    };
    assert_eq!(out(&at("0")), "{\"n\":0}\n");
    assert!(err(&at("999")).contains("version 999"), "{}", err(&at("999")));
}
