//! From bytes to batches, over the whole way.
#![allow(missing_docs, clippy::unwrap_used)]

mod common;

use std::io::{self, Read, Write};
use std::sync::Arc;

use common::{RECEIVED, auto, bytes, input, plan, read};
use flate2::Compression;
use flate2::write::GzEncoder;
use virga_engine::event::{LogsourceMapping, OriginBase};
use virga_ingest::batcher::BatchLimits;
use virga_ingest::quarantine::Cause;
use virga_ingest::reader::{Choice, Reader};
use virga_ingest::sources::generic;
use virga_ingest::transport::{FileInputs, Progress};

const NOON: i64 = 1_688_989_320_000_000;

const EVENT: &str = r#"{"eventVersion":"1.08","eventTime":"2023-07-10T11:42:00Z","eventSource":"iam.amazonaws.com","eventName":"CreateUser","eventID":"e-1"}"#;

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn cloudtrail(fields: &[&str]) -> Choice {
    Choice::Fixed(plan("aws.cloudtrail", fields))
}

#[test]
fn every_envelope_gives_the_same_event() {
    let text = serde_json::Value::from(EVENT).to_string();
    let pretty: serde_json::Value = serde_json::from_str(EVENT).unwrap();
    let pretty = serde_json::to_string_pretty(&pretty).unwrap();
    for (wrapped, origin) in [
        (EVENT.to_owned(), "t:1"),
        (format!("{EVENT}\r\n"), "t:1"),
        (format!("\u{feff}{EVENT}\n"), "t:1"),
        (format!(r#"{{"Records":[{EVENT}]}}"#), "t#1"),
        (format!(r#"{{"records":[{EVENT}]}}"#), "t#1"),
        (format!(r#"{{"value":[{EVENT}]}}"#), "t#1"),
        (format!("[{EVENT}]"), "t#1"),
        (format!(r#"{{"Events":[{{"EventId":"e-1","CloudTrailEvent":{text}}}]}}"#), "t#1"),
        (format!(r#"{{"EventId":"e-1","CloudTrailEvent":{text}}}"#), "t:1"),
        (format!(r#"{{"messageType":"DATA_MESSAGE","logEvents":[{{"id":"1","message":{text}}}]}}"#), "t:1"),
        (format!(r#"{{"version":"0","detail-type":"x","source":"aws.iam","detail":{EVENT}}}"#), "t:1"),
    ] {
        for packed in [
            wrapped.clone().into_bytes(),
            gzip(wrapped.as_bytes()),
            zstd::encode_all(wrapped.as_bytes(), 0).unwrap(),
        ] {
            let (kept, summary) = read(cloudtrail(&[]), vec![bytes("t", packed)]);
            let expected = ("aws.cloudtrail".into(), "e-1".into(), NOON, origin.into(), EVENT.into());
            assert_eq!(kept.rows(), [expected], "{wrapped}");
            assert_eq!((summary.total_events(), summary.quarantined.total()), (1, 0));
        }
    }
    let (kept, _) = read(cloudtrail(&["eventName"]), vec![bytes("t", format!("[\n{pretty}\n]"))]);
    assert_eq!(kept.field(0), [Some("\"CreateUser\"".to_owned())]);
    assert_eq!(kept.rows()[0].1, "e-1");
}

#[test]
fn an_empty_input_is_no_error() {
    for empty in ["", "\n\n", "[]", "{\"Records\":[]}"] {
        let (kept, summary) = read(auto(&[]), vec![bytes("t", empty), bytes("t.gz", gzip(empty.as_bytes()))]);
        assert!(kept.batches.is_empty() && kept.quarantined.is_empty(), "{empty:?}");
        assert_eq!((summary.inputs, summary.total_events()), (2, 0));
    }
}

#[test]
fn a_field_is_the_native_one_or_else_the_column_of_that_name() {
    let events = [
        r#"{"eventName":"A","resources":[{"type":"x"},{"type":"y"}],"userIdentity":{"arn":"arn:aws:iam::1:user/u"},"errorCode":null,"action":"native"}"#,
        r#"{"eventName":"B","n":12345678901234567890123,"readOnly":true}"#,
    ];
    let fields =
        ["EVENTNAME", "resources.type", "errorCode", "principal", "Action", "n", "action_kind", "nowhere"];
    let (kept, _) = read(cloudtrail(&fields), vec![bytes("t", events.join("\n"))]);
    let text = |text: &str| Some(text.to_owned());
    let expected = [
        [text("\"A\""), text("\"B\"")],
        [text("\"x\"\u{1e}\"y\""), None],
        [text("null"), None],
        [text("\"arn:aws:iam::1:user/u\""), None],
        [text("\"native\""), text("\"B\"")],
        [None, text("12345678901234567890123")],
        [text("\"write\""), text("\"read\"")],
        [None, None],
    ];
    for (field, expected) in expected.iter().enumerate() {
        assert_eq!(kept.field(field), *expected, "{}", fields[field]);
    }
}

#[test]
fn of_equal_keys_the_last_counts() {
    let event = r#"{"eventName":"A","eventTime":"2023-07-10T11:42:00Z","eventName":"B","EVENTNAME":"C","eventID":"x","eventID":"y"}"#;
    let (kept, _) = read(cloudtrail(&["eventName"]), vec![bytes("t", event)]);
    assert_eq!(kept.field(0), [Some("\"C\"".to_owned())]);
    assert_eq!(kept.rows()[0].1, "y");
}

#[test]
fn an_event_without_time_or_id_stands_by_its_place() {
    let events = "{\"eventName\":\"A\"}\n{\"eventName\":\"A\",\"eventTime\":\"soon\",\"eventID\":\"\"}\n";
    let (kept, summary) = read(cloudtrail(&[]), vec![bytes("a", events), bytes("b", events)]);
    assert_eq!((summary.times_missing, summary.ids_missing), (4, 4));
    let rows = kept.rows();
    let mut ids: Vec<_> = rows.iter().map(|row| row.1.clone()).collect();
    assert!(ids.iter().all(|id| id.len() == 32 && id.bytes().all(|b| b.is_ascii_hexdigit())));
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), 4, "one id for each place");
    assert!(rows.iter().all(|row| row.2 == RECEIVED));
    let (again, _) = read(cloudtrail(&[]), vec![bytes("a", events), bytes("b", events)]);
    assert_eq!(again.rows(), rows, "the same again");
}

#[test]
fn auto_tells_sources_apart() {
    let events = [
        EVENT,
        r#"{"eventVersion":"1.07","eventCategory":"Insight","insightDetails":{"eventName":"X"},"eventTime":"2023-07-10T11:42:00Z"}"#,
        r#"{"@timestamp":"2023-07-10T11:42:00Z","message":"hello"}"#,
        r#"{"eventName":"something","time":1688989320}"#,
        r#"{"ts":"1688989320000","eventName":null,"eventSource":"x"}"#,
    ];
    let (kept, summary) = read(auto(&["eventName"]), vec![bytes("t", events.join("\n"))]);
    assert_eq!(summary.events.get("aws.cloudtrail"), Some(&2));
    assert_eq!(summary.events.get("generic"), Some(&3));
    assert_eq!(summary.times_missing, 0);
    assert!(kept.rows().iter().all(|row| row.2 == NOON));
    assert_eq!(kept.batches.len(), 2, "one batch of each source");
}

#[test]
fn the_generic_source_serves_what_its_user_says() {
    let mapping = LogsourceMapping { product: Some("windows".into()), ..LogsourceMapping::default() };
    let spec = generic::spec(vec![mapping], false);
    assert!(spec.serves(Some("windows"), None, None).is_some());
    assert!(spec.serves(Some("linux"), None, None).is_none());
    assert!(generic::spec(Vec::new(), true).all_logsources);
}

#[test]
fn whatever_cannot_be_read_is_quarantined_alone() {
    let deep = format!("{{\"a\":{}{}}}", "[".repeat(70), "]".repeat(70));
    let mut lines: Vec<Vec<u8>> =
        [EVENT, "{\"a\":", &deep, "plain text", "[1]", "{\"eventName\" 5}", "{\"a\":1}}"]
            .map(|line| line.as_bytes().to_vec())
            .into();
    lines.push(b"{\"a\":\"\xff\"}".to_vec());
    lines.push(b"\0\0\0\0".to_vec());
    lines.push(EVENT.as_bytes().to_vec());
    let (kept, summary) = read(cloudtrail(&["eventName"]), vec![bytes("t", lines.join(&b'\n'))]);
    assert_eq!(
        kept.bad(),
        [
            "t:2 cut_off",
            "t:3 too_deep",
            "t:4 not_json",
            "t:5 not_an_object",
            "t:6 not_json",
            "t:7#2 not_json",
            "t:8 invalid_utf8",
            "t:9 not_json",
        ]
    );
    assert_eq!(kept.rows().iter().map(|row| row.3.as_str()).collect::<Vec<_>>(), ["t:1", "t:7#1", "t:10"]);
    assert_eq!(summary.quarantined.of(Cause::NotJson), 4);
    assert_eq!(kept.quarantined[2].bytes, b"plain text");
    assert_eq!(kept.quarantined[2].time, RECEIVED);
}

#[test]
fn a_truncated_gzip_gives_what_was_unpacked_and_one_entry() {
    let events: Vec<String> =
        (0..5000).map(|n| EVENT.replace("e-1", &format!("e-{}", blake3ish(n)))).collect();
    for whole in [events.join("\n"), format!("{{\"Records\":[{}]}}", events.join(","))] {
        let mut packed = gzip(whole.as_bytes());
        packed.truncate(packed.len() * 2 / 3);
        let (kept, summary) = read(cloudtrail(&[]), vec![bytes("t.gz", packed)]);
        assert!(summary.total_events() > 1000, "{}", summary.total_events());
        assert!(kept.rows().iter().zip(&events).all(|(row, event)| row.4 == *event));
        assert_eq!(kept.quarantined.len(), 1);
        assert_eq!(kept.quarantined[0].cause, Cause::TruncatedCompression);
    }
}

/// Digits that do not pack well.
fn blake3ish(n: u64) -> String {
    format!("{:016x}{:016x}", n.wrapping_mul(0x9E37_79B9_7F4A_7C15), n.wrapping_mul(0xC2B2_AE3D_27D4_EB4F))
}

#[test]
fn a_gzip_bomb_ends_as_one_entry() {
    // 256 MiB of one line, packed to 256 KiB
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    let chunk = vec![b' '; 1 << 20];
    encoder.write_all(b"{\"eventName\":\"A\"}\n").unwrap();
    for _ in 0..256 {
        encoder.write_all(&chunk).unwrap();
    }
    let (kept, summary) = read(cloudtrail(&[]), vec![bytes("bomb.gz", encoder.finish().unwrap())]);
    assert_eq!(summary.total_events(), 1);
    assert_eq!(kept.bad(), ["bomb.gz:2 too_large", "bomb.gz:3 expands_too_far"]);
    assert!(kept.quarantined[0].bytes.len() <= 64 << 10);
}

#[test]
fn an_input_that_fails_is_one_entry_and_the_others_go_on() {
    struct Broken;
    impl Read for Broken {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            Err(io::ErrorKind::ConnectionReset.into())
        }
    }
    let inputs = vec![input("broken", Broken), bytes("whole", EVENT)];
    let (kept, summary) = read(cloudtrail(&[]), inputs);
    assert_eq!(kept.quarantined[0].cause, Cause::ReadFailed);
    assert_eq!((summary.inputs, summary.total_events()), (2, 1));
}

#[test]
fn folders_are_read_and_what_is_not_there_is_counted() {
    let root = tempfile::tempdir().unwrap();
    std::fs::write(root.path().join("a.json.gz"), gzip(format!("{{\"Records\":[{EVENT}]}}").as_bytes()))
        .unwrap();
    std::fs::write(root.path().join("b.jsonl"), EVENT).unwrap();
    std::fs::create_dir(root.path().join("empty.json")).unwrap();
    let progress = Progress::default();
    let inputs: Vec<_> = FileInputs::new(root.path(), &progress)
        .chain(FileInputs::new(root.path().join("nowhere"), &progress))
        .collect();
    let (kept, summary) = read(cloudtrail(&[]), inputs);
    assert_eq!(
        kept.rows().iter().map(|row| row.3.as_str()).collect::<Vec<_>>(),
        ["a.json.gz#1", "b.jsonl:1"]
    );
    assert_eq!((summary.inputs, summary.unreadable, kept.unreadable.len()), (2, 1, 1));
    assert!(progress.bytes() > EVENT.len() as u64);
    let base = OriginBase::File { path: "b.jsonl".into() };
    assert_eq!(kept.batches[0].row(1).origin().base, base);
}

#[test]
fn batches_are_bounded_by_rows_and_by_bytes() {
    let events = vec![EVENT; 1000].join("\n");
    for (rows, size, expected) in
        [(300, usize::MAX, [300, 300, 300, 100].as_slice()), (10_000, 64 << 10, &[])]
    {
        let mut kept = common::Kept::default();
        let reader =
            Reader::new(cloudtrail(&["eventName"]), BatchLimits { rows, bytes: size }, &Arc::default());
        let summary = reader.run(vec![bytes("t", events.as_str())], &mut kept);
        let sizes: Vec<usize> = kept.batches.iter().map(|batch| batch.len()).collect();
        assert_eq!(sizes.iter().sum::<usize>(), 1000);
        assert_eq!(summary.event_bytes, 1000 * EVENT.len() as u64);
        if expected.is_empty() {
            assert!(sizes.len() > 1 && sizes.iter().all(|rows| rows * EVENT.len() < 128 << 10), "{sizes:?}");
        } else {
            assert_eq!(sizes, expected);
        }
    }
}

#[test]
fn a_sink_may_end_the_reading() {
    let events = vec![EVENT; 1000].join("\n");
    let mut kept = common::Kept { stop_after: Some(2), ..common::Kept::default() };
    let reader = Reader::new(cloudtrail(&[]), BatchLimits { rows: 10, bytes: usize::MAX }, &Arc::default());
    let summary = reader.run(vec![bytes("t", events)], &mut kept);
    assert_eq!(kept.batches.len(), 2);
    assert!(summary.stopped);
}

#[test]
fn messages_give_what_inputs_give_and_are_known_by_their_numbers() {
    use virga_ingest::transport::live::Messages;

    let two = format!("{EVENT}\n{EVENT}");
    let contents: [Vec<u8>; 8] = [
        EVENT.as_bytes().to_vec(),
        format!(r#"{{"Records":[{EVENT},{EVENT}]}}"#).into_bytes(),
        gzip(two.as_bytes()),
        zstd::encode_all(EVENT.as_bytes(), 0).unwrap(),
        b"{\"eventName\":".to_vec(),
        Vec::new(),
        b"\xff".to_vec(),
        EVENT.as_bytes().to_vec(),
    ];
    for (base, expected) in [
        (OriginBase::Topic { topic: "t".into(), partition: 1 }, "t/1@0 t/1@1 t/1@1 t/1@2 t/1@2 t/1@3 t/1@7"),
        (OriginBase::File { path: "f".into() }, "f:0 f:1 f:1#2 f:2 f:2#2 f:3 f:7"),
    ] {
        let mut messages = Messages::new(base);
        for (number, bytes) in (0..).zip(&contents) {
            messages.push(number, RECEIVED, bytes);
        }
        let mut kept = common::Kept::default();
        let mut reader = Reader::new(cloudtrail(&[]), BatchLimits::default(), &Arc::default());
        assert!(reader.messages(&messages, &mut kept).is_continue());
        assert!(reader.flush(&mut kept).is_continue());
        let origins: Vec<String> = kept.rows().into_iter().map(|row| row.3).collect();
        assert_eq!(origins.join(" "), expected);
        let bad: Vec<(Option<u64>, Cause)> = kept
            .quarantined
            .iter()
            .map(|record| (record.origin.record.or(record.origin.line), record.cause))
            .collect();
        assert_eq!(bad.len(), 2, "{bad:?}");
        assert_eq!((bad[0], bad[1].0), ((Some(4), Cause::CutOff), Some(6)));
        let summary = reader.take_summary();
        assert_eq!((summary.inputs, summary.total_events(), summary.quarantined.total()), (8, 7, 2));
        assert_eq!(reader.take_summary().total_events(), 0);
    }
}
