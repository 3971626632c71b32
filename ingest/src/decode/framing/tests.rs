//! Frames, by input: what goes in, what comes out, and that the pieces in which it comes do not
//! matter.

use super::*;
use proptest::prelude::*;
use std::io;

/// Gives bytes in pieces of a fixed size, then perhaps an error.
struct Pieces<'a> {
    bytes: &'a [u8],
    size: usize,
    error: Option<io::ErrorKind>,
}

impl Read for Pieces<'_> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let count = self.size.min(self.bytes.len()).min(buf.len());
        if count == 0 {
            return self.error.take().map_or(Ok(0), |kind| Err(kind.into()));
        }
        let (now, later) = self.bytes.split_at(count);
        buf[..count].copy_from_slice(now);
        self.bytes = later;
        Ok(count)
    }
}

fn show(framer: &mut Framer<impl Read>) -> Vec<String> {
    let mut frames = Vec::new();
    while let Some(frame) = framer.next() {
        let number = |place: Place| match (place.line, place.record) {
            (Some(line), Some(record)) => format!("{line}#{record}"),
            (Some(line), None) => format!("{line}"),
            (None, Some(record)) => format!("#{record}"),
            (None, None) => "nowhere".to_owned(),
        };
        frames.push(match frame {
            Frame::Event { text, place } => format!("{} {text}", number(place)),
            Frame::Bad { bytes, cause, place } => {
                format!("{} {}: {}", number(place), cause.code(), String::from_utf8_lossy(bytes))
            }
        });
    }
    assert_eq!(framer.next(), None, "an end is an end");
    frames
}

fn frames(input: impl AsRef<[u8]>) -> Vec<String> {
    let bytes = input.as_ref();
    let whole = show(&mut Framer::new(bytes));
    for size in [1, 7] {
        let pieces = Pieces { bytes, size, error: None };
        assert_eq!(show(&mut Framer::new(pieces)), whole, "in pieces of {size}");
    }
    whole
}

#[test]
fn a_line_of_very_many_values_takes_bounded_room() {
    use crate::limits::MAX_ENVELOPE_ELEMENTS as MOST;
    let line = "{}".repeat(MOST + 3);
    let input = format!("{{\"a\":1}}\n{line}\n{{\"a\":2}}\n");
    let frames = show(&mut Framer::new(input.as_bytes()));
    assert_eq!(frames.len(), 1 + MOST + 1 + 1);
    assert_eq!(frames[MOST], format!("2#{MOST} {{}}"));
    assert_eq!(frames[MOST + 1], format!("2#{} too_large: {{}}{{}}{{}}", MOST + 1));
    assert_eq!(frames[MOST + 2], "3 {\"a\":2}");
}

const SMALL: FrameLimits = FrameLimits { event_bytes: 40, kept_bytes: 8, probe_bytes: 60 };

fn small_frames(input: impl AsRef<[u8]>) -> Vec<String> {
    show(&mut Framer::with_limits(input.as_ref(), SMALL))
}

#[test]
fn lines() {
    let cases: &[(&str, &[&str])] = &[
        ("", &[]),
        ("\n\n  \r\n", &[]),
        ("\u{feff}", &[]),
        ("{\"a\":1}", &["1 {\"a\":1}"]),
        ("{\"a\":1}\n{\"a\":2}\n", &["1 {\"a\":1}", "2 {\"a\":2}"]),
        ("\u{feff}{\"a\":1}\r\n\r\n  {\"a\":2}  \r\n", &["1 {\"a\":1}", "3 {\"a\":2}"]),
        ("\n\n{\"a\":1}\n", &["3 {\"a\":1}"]),
        // lines cut out of an array
        ("{\"a\":1},\n{\"a\":2}\n", &["1 {\"a\":1}", "2 {\"a\":2}"]),
    ];
    for (input, expected) in cases {
        assert_eq!(frames(input), *expected, "{input:?}");
    }
}

#[test]
fn a_broken_line_is_bad_alone() {
    let input = "{\"a\":1}\n{\"a\":\nnot json\n\"text\"\n7\n{\"a\":2}\n{\"a\":[}\n";
    assert_eq!(
        frames(input),
        [
            "1 {\"a\":1}",
            "2 cut_off: {\"a\":",
            "3 not_json: not json",
            "4 not_an_object: \"text\"",
            "5 not_an_object: 7",
            "6 {\"a\":2}",
            // brackets only are counted here: what else is wrong is found when the event is read
            "7 cut_off: {\"a\":[}",
        ]
    );
}

fn base64(bytes: &[u8]) -> String {
    use base64::Engine;
    base64::engine::general_purpose::STANDARD.encode(bytes)
}

fn gzip(text: &str) -> Vec<u8> {
    use std::io::Write;
    let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    packer.write_all(text.as_bytes()).unwrap();
    packer.finish().unwrap()
}

/// A subscription of CloudWatch Logs that calls a function with this.
fn called(packed: &[u8]) -> String {
    format!(r#"{{"awslogs":{{"data":"{}"}}}}"#, base64(packed))
}

#[test]
fn what_is_packed_and_cannot_be_read_is_bad_and_what_is_no_json_stays_in_its_event() {
    let whole = gzip(r#"{"eventName":"StopLogging","eventSource":"cloudtrail.amazonaws.com"}"#);
    let cut = &whole[..whole.len() - 6];
    let mut damaged = whole.clone();
    damaged[20] ^= 0xff;
    let large = gzip(&format!(r#"{{"a":"{}"}}"#, "x".repeat(MAX_EVENT_BYTES)));
    assert_eq!(
        frames(called(&gzip(r#"{"a":"x"#))),
        [r##"1 {"a":"x"##],
        "whoever reads it will say that it is cut"
    );
    let text = frames(called(&whole));
    assert_eq!(text, [r##"1 {"eventName":"StopLogging","eventSource":"cloudtrail.amazonaws.com"}"##]);
    for (packed, cause) in [
        (cut, "truncated_compression"),
        (&damaged, "corrupt_compression"),
        (&large, "too_large"),
        (&gzip("in words"), "event"),
        (b"[INFO] in words", "event"),
    ] {
        let event = called(packed);
        let pushed = format!(r#"{{"message":{{"data":"{}","messageId":"1"}}}}"#, base64(packed));
        for event in [event, pushed] {
            let found = show(&mut Framer::new(event.as_bytes()));
            assert_eq!(found.len(), 1);
            match cause {
                "event" => assert_eq!(found[0], format!("1 {event}")),
                cause => assert!(found[0].starts_with(&format!("1 {cause}: \"")), "{cause}"),
            }
        }
    }
}

#[test]
fn what_is_packed_in_what_is_packed_is_measured_by_the_outermost_value() {
    let pack = |text: &str| zstd::encode_all(text.as_bytes(), 19).unwrap();
    let part = called(&pack(&format!(r#"{{"a":"{}"}}"#, "x".repeat(4 << 20))));
    let line = called(&pack(&format!(r#"{{"Records":[{}]}}"#, vec![part; 15].join(","))));
    let most = crate::limits::MAX_EXPANSION as usize * line.len() + (64 << 10);
    assert!(most < 8 << 20, "{most}");
    let input = format!("{line}\n{}\n", called(&gzip(r#"{"a":1}"#)));
    let mut framer = Framer::new(input.as_bytes());
    let (mut unpacked, mut causes, mut last) = (0, Vec::new(), String::new());
    while let Some(frame) = framer.next() {
        match frame {
            Frame::Event { text, .. } => (unpacked, last) = (unpacked + text.len(), text.to_owned()),
            Frame::Bad { cause, .. } => causes.push(cause),
        }
    }
    assert!(unpacked <= most, "{unpacked} of {most}");
    assert!(causes.len() >= 14 && causes.iter().all(|cause| *cause == Cause::ExpandsTooFar), "{causes:?}");
    assert_eq!(last, r#"{"a":1}"#, "the next line is measured by itself");
}

#[test]
fn what_is_packed_in_many_parts_of_a_document_is_unpacked_one_by_one() {
    let event = format!(r#"{{"a":"{}"}}"#, "x".repeat(1 << 20));
    let data = base64(&gzip(&event));
    let record = format!(r#"{{"SequenceNumber":"1","Data":"{data}","PartitionKey":"p"}}"#);
    let document = format!(r#"{{"NextShardIterator":"x","Records":[{}]}}"#, vec![record; 50].join(","));
    let mut framer = Framer::new(document.as_bytes());
    for _ in 0..50 {
        assert!(matches!(framer.next(), Some(Frame::Event { text, .. }) if text == event));
        assert!(framer.texts.len() <= event.len());
    }
    assert_eq!(framer.next(), None);
}

#[test]
fn rows_of_log_analytics_in_csv_are_objects() {
    let table = "\u{feff}\n\"TimeGenerated [UTC]\",OperationName,Properties\r\n\
        \"3/2/2026, 10:00:00.000 AM\",Delete,\"{\"\"a\"\":\"\"x\ny\"\"}\"\r\n\
        \r\n\
        t,,\n\
        t,a\n\
        t,b,c,d\n\
        t,\"e\",f";
    assert_eq!(
        frames(table),
        [
            r##"3 {"TimeGenerated [UTC]":"3/2/2026, 10:00:00.000 AM","OperationName":"Delete","Properties":"{\"a\":\"x\ny\"}"}"##,
            r##"6 {"TimeGenerated [UTC]":"t"}"##,
            "7 not_json: t,a",
            "8 not_json: t,b,c,d",
            r##"9 {"TimeGenerated [UTC]":"t","OperationName":"e","Properties":"f"}"##,
        ]
    );
    // quotes that are not closed take no other row with them
    assert_eq!(
        frames("TimeGenerated,A\nt,\"x\nt,y\n"),
        ["2 cut_off: t,\"x", r##"3 {"TimeGenerated":"t","A":"y"}"##]
    );
    assert_eq!(
        small_frames(format!("TimeGenerated,A\nt,\"{}\nt,y\n", "x".repeat(60))),
        ["2 too_large: t,\"xxxxx", r##"3 {"TimeGenerated":"t","A":"y"}"##]
    );
    let long = format!("TimeGenerated,A\nt,\"x\n{}\nt,y\n", "t,z\n".repeat(20));
    for size in [1, 7, 1000] {
        let pieces = Pieces { bytes: long.as_bytes(), size, error: None };
        let frames = show(&mut Framer::with_limits(pieces, SMALL));
        assert_eq!((frames.len(), frames[0].as_str()), (22, "2 too_large: t,\"x"), "{frames:?}");
    }
    assert_eq!(frames("TimeGenerated,A\n"), [""; 0]);
    // of other tables nothing is known
    assert_eq!(frames("eventtime,a\nt,1\n"), ["1 not_json: eventtime,a", "2 not_json: t,1"]);
}

#[test]
fn quotes_of_a_table_take_no_other_row_with_them() {
    let row = |line: u64, value: &str| format!(r##"{line} {{"TimeGenerated":"t","A":"{value}"}}"##);
    let cases: &[(&str, Vec<String>)] = &[
        // a quote within a value that began without one
        (
            "t,5\" disk\nt,y\nt,z\nt,6\" disk\nt,w\n",
            vec![row(2, r#"5\" disk"#), row(3, "y"), row(4, "z"), row(5, r#"6\" disk"#), row(6, "w")],
        ),
        // two that are not closed
        (
            "t,\"x\nt,y\nt,\"z\n",
            vec![r##"2 not_json: t,"x"##.to_owned(), row(3, "y"), r##"4 cut_off: t,"z"##.to_owned()],
        ),
        ("t,\"x\"y\nt,z", vec![r##"2 not_json: t,"x"y"##.to_owned(), row(3, "z")]),
        ("t,\"x\"y", vec![r##"2 not_json: t,"x"y"##.to_owned()]),
        ("t,\"x\"\"\ny\"\r\nt,\"\"\n", vec![row(2, r#"x\"\ny"#), r##"4 {"TimeGenerated":"t"}"##.to_owned()]),
        // what ends a line for some
        ("t,a\rt,\"b\nt,c\n", vec!["2 cut_off: t,a\rt,\"b".to_owned(), row(3, "c")]),
        ("t,\"a\"\r\"b\nt,c\n", vec!["2 not_json: t,\"a\"\r\"b".to_owned(), row(3, "c")]),
    ];
    for (rows, expected) in cases {
        assert_eq!(frames(format!("TimeGenerated,A\n{rows}")), *expected, "{rows:?}");
    }
    // longer than an event may be, and no end of a line near
    let long = format!("TimeGenerated,A\nt,\"x\"{}\nt,y\n", "z".repeat(100));
    let expected = ["2 too_large: t,\"x\"zzz".to_owned(), row(3, "y")];
    for size in [1, 7, 1000] {
        let pieces = Pieces { bytes: long.as_bytes(), size, error: None };
        assert_eq!(show(&mut Framer::with_limits(pieces, SMALL)), expected, "in pieces of {size}");
    }
}

#[test]
fn rows_that_cannot_be_read_are_told_as_what_they_are() {
    let rows = frames(b"TimeGenerated,A\nt,\xff\nt,y\n");
    assert_eq!(rows, ["2 invalid_utf8: t,\u{fffd}", r##"3 {"TimeGenerated":"t","A":"y"}"##]);
    assert_eq!(frames("TimeGenerated,A"), [""; 0], "a header alone");
    // a value may have been longer where the input broke off
    for size in [1, 10, 1000] {
        let broken = |bytes: &[u8]| {
            show(&mut Framer::new(Pieces { bytes, size, error: Some(io::ErrorKind::ConnectionReset) }))
        };
        let whole = r##"2 {"TimeGenerated":"t","A":"x"}"##;
        assert_eq!(broken(b"TimeGenerated,A\nt,x\nt,y"), [whole, "3 read_failed: t,y"]);
        assert_eq!(broken(b"TimeGenerated,A\nt,x\nt,\"y"), [whole, "3 read_failed: t,\"y"]);
        assert_eq!(broken(b"TimeGenerated,A\nt,x\n"), [whole, "3 read_failed: "]);
        assert_eq!(broken(b"TimeGenerated,A"), ["2 read_failed: "]);
    }
}

#[test]
fn utf_16_is_read_as_utf_8() {
    let text = "{\"a\":\"é 𝄞\"}\r\n{\"a\":2}\r\n";
    for (mark, to_bytes) in
        [(b"\xff\xfe", u16::to_le_bytes as fn(u16) -> [u8; 2]), (b"\xfe\xff", u16::to_be_bytes)]
    {
        let mut bytes = mark.to_vec();
        bytes.extend(text.encode_utf16().flat_map(to_bytes));
        assert_eq!(frames(&bytes), ["1 {\"a\":\"é 𝄞\"}", "2 {\"a\":2}"]);
        let mut framer = Framer::of_messages();
        framer.begin(&bytes);
        assert_eq!(show(&mut framer), ["1 {\"a\":\"é 𝄞\"}", "2 {\"a\":2}"]);
        framer.begin(b"{\"a\":3}");
        assert_eq!(show(&mut framer), ["1 {\"a\":3}"], "a message of its own");
        // an event that is longer than what is read at once
        let long = format!("{{\"a\":\"{}\"}}\n", "☃".repeat(300_000));
        let bytes: Vec<u8> = mark.iter().copied().chain(long.encode_utf16().flat_map(to_bytes)).collect();
        let mut framer = Framer::new(bytes.as_slice());
        assert!(matches!(framer.next(), Some(Frame::Event { text, .. }) if text == long.trim()));
        assert_eq!(framer.next(), None);
    }
    // half a unit at the end
    assert_eq!(frames(b"\xff\xfe{\0}\0\n\0x"), ["1 {}", "2 not_json: \u{fffd}"]);
    assert_eq!(frames(b"\xff\xfe"), [""; 0]);
}

#[test]
fn an_input_in_another_format_is_one_bad_thing() {
    for input in [
        &b"Obj\x01\x04\x14avro.codec\n{\"a\":1}\n"[..],
        b"PAR1\x15\n\n",
        b"PK\x03\x04a.json\n",
        b"\x1f\x8b\x08",
    ] {
        let frames = frames(input);
        assert_eq!(frames.len(), 1, "{frames:?}");
        assert!(frames[0].starts_with("nowhere other_format: "), "{frames:?}");
    }
    assert_eq!(frames("Object\n{\"a\":1}\n"), ["1 not_json: Object", "2 {\"a\":1}"]);
}

#[test]
fn a_first_line_that_was_cut_off_does_not_make_a_document_of_the_rest() {
    assert_eq!(
        frames("{\"a\":1,\"b\n{\"a\":2}\n{\"a\":3}\n"),
        ["1 cut_off: {\"a\":1,\"b", "2 {\"a\":2}", "3 {\"a\":3}"]
    );
    assert_eq!(frames("a,b,c\n{\"a\":2}\n"), ["1 not_json: a,b,c", "2 {\"a\":2}"]);
}

#[test]
fn lines_may_be_envelopes() {
    let input = concat!(
        "{\"Records\":[{\"a\":1},{\"a\":2}]}\n",
        "{\"a\":3}\n",
        "{\"Records\":[]}\n",
        "[{\"a\":4}]\n",
        "{\"a\":5}{\"a\":6}\n",
        "{\"records\":[{\"a\":7},8]}\n",
    );
    assert_eq!(
        frames(input),
        [
            "1#1 {\"a\":1}",
            "1#2 {\"a\":2}",
            "2 {\"a\":3}",
            "4 {\"a\":4}",
            "5#1 {\"a\":5}",
            "5#2 {\"a\":6}",
            "6#1 {\"a\":7}",
            "6#2 not_an_object: 8",
        ]
    );
}

#[test]
fn documents() {
    let two: &[&str] = &["#1 {\"a\":1}", "#2 {\"a\":2}"];
    for input in [
        "{\"Records\":[{\"a\":1},{\"a\":2}]}",
        "{\"Records\":[{\"a\":1},{\"a\":2}]}\n",
        "\u{feff} {\n  \"Records\": [\n    {\"a\":1},\n    {\"a\":2}\n  ]\n}\n",
        "{\"records\":[{\"a\":1},{\"a\":2}]}",
        "{\"value\":[{\"a\":1},{\"a\":2}],\"nextLink\":\"x\",\"count\":2}",
        "{\"Events\":[{\"a\":1}],\"NextToken\":\"x\",\"Events\":[{\"a\":2}]}",
        "[{\"a\":1},{\"a\":2}]",
        "[\n{\"a\":1},\n{\"a\":2}\n]\n",
        "[[{\"a\":1}],[{\"a\":2}]]",
        "{\"a\":1}{\"a\":2}",
        "{\"a\":1} {\"a\":2}\n",
        "{\"Records\":[{\"a\":1}]}{\"Records\":[{\"a\":2}]}",
        "[{\"Records\":[{\"a\":1}]},{\"a\":2}]",
    ] {
        assert_eq!(frames(input), two, "{input}");
    }
    assert_eq!(frames("{\n \"a\": 1\n}\n{\n \"a\": 2\n}\n"), ["#1 {\n \"a\": 1\n}", "#2 {\n \"a\": 2\n}"]);
    assert_eq!(frames("[]"), [""; 0]);
    assert_eq!(
        frames("[1, \"x\", {\"a\":1}]"),
        ["#1 not_an_object: 1", "#2 not_an_object: \"x\"", "#3 {\"a\":1}"]
    );
}

#[test]
fn an_answer_of_odata_is_streamed_behind_what_it_says_of_itself() {
    let answer = r#"{"@odata.context":"c","@odata.count":2,"value":[{"a":1},{"a":2}],"@odata.nextLink":"x"}"#;
    assert_eq!(frames(answer), [r##"#1 {"a":1}"##, r##"#2 {"a":2}"##]);
    assert_eq!(small_frames(answer), [r##"#1 {"a":1}"##, r##"#2 {"a":2}"##], "longer than an event may be");
    // one event, and an answer without any
    let event = r#"{"@odata.context":"c#$entity","value":7}"#;
    assert_eq!(frames(event), [format!("1 {event}")]);
    assert_eq!(frames(r#"{"@odata.context":"c","value":[]}"#), [""; 0]);
}

#[test]
fn log_events_are_streamed_and_known_by_their_first_key() {
    let event =
        r#"{"logStreamName":"s","timestamp":1,"message":"{\"a\":1}","ingestionTime":2,"eventId":"7"}"#;
    let answer = format!(r#"{{"events":[{event},{event}],"searchedLogStreams":[],"nextToken":"x"}}"#);
    assert_eq!(frames(&answer), [r##"#1 {"a":1}"##, r##"#2 {"a":1}"##]);
    let long = FrameLimits { event_bytes: event.len(), ..SMALL };
    let streamed = show(&mut Framer::with_limits(answer.as_bytes(), long));
    assert_eq!(streamed, [r##"#1 {"a":1}"##, r##"#2 {"a":1}"##], "longer than an event may be");
    for words in ["[INFO] hello", "{user} logged in", "[ERROR]", "{user}"] {
        let event = event.replace(r#"{\"a\":1}"#, words);
        assert_eq!(
            frames(format!(r#"{{"events":[{event}]}}"#)),
            [format!("#1 {event}")],
            "a message in words"
        );
    }
    let other = r#"{"events":[{"timestamp":1,"message":"in words"}],"host":"h"}"#;
    assert_eq!(frames(other), [format!("1 {other}")], "an event that has events");
}

#[test]
fn what_begins_as_an_answer_and_is_an_event_loses_nothing_alone_or_among_lines() {
    for event in [
        r#"{"@odata.context":"c","value":[{"a":1}],"user":"u"}"#,
        r#"{"events":[{"logStreamName":"s","x":1}],"host":"h"}"#,
    ] {
        assert_eq!(frames(event), [format!("#1 {event}")]);
        assert_eq!(frames(format!("{event}\n{event}\n")), [format!("1 {event}"), format!("2 {event}")]);
        assert_eq!(frames(format!("{event}{event}")), [format!("#1 {event}"), format!("#2 {event}")]);
    }
    // pretty-printed
    let event = "{\n \"@odata.context\": \"c\",\n \"value\": [{\"a\":1}],\n \"user\": \"u\"\n}";
    assert_eq!(frames(event), [format!("#1 {event}")]);
    // longer than an event may be: what is not known is at least told
    assert_eq!(
        small_frames(r#"{"@odata.context":"c","value":[{"a":1}],"user":"u","@odata.nextLink":"x"}"#),
        [r##"#1 {"a":1}"##, r##"#2 not_json: "user":""##]
    );
    // what is broken in an answer takes nothing else with it
    assert_eq!(
        frames(r#"{"@odata.context":"c","value":[{"a":1},7x,{"a":3}]}"#),
        [r##"#1 {"a":1}"##, "#2 not_json: 7x,", r##"#3 {"a":3}"##]
    );
    assert_eq!(frames(r#"{"@odata.context":"c","value":[{"a":1},{"#)[0], r##"#1 {"a":1}"##);
}

#[test]
fn events_held_as_text_are_unescaped() {
    let lookup = r#"{"Events":[{"EventId":"x","EventName":"A","CloudTrailEvent":"{\"a\":\"\\u00e9\"}"},{"EventId":"y","CloudTrailEvent":"no"}]}"#;
    // what is no event in a string stays the object that it is, and loses nothing
    let other = r#"#2 {"EventId":"y","CloudTrailEvent":"no"}"#;
    assert_eq!(frames(lookup), ["#1 {\"a\":\"\\u00e9\"}", other]);
    let logs = r#"{"messageType":"DATA_MESSAGE","owner":"1","logGroup":"g","logStream":"s","subscriptionFilters":["f"],"logEvents":[{"id":"1","timestamp":1,"message":"{\"a\":1}"},{"id":"2","message":"REJECT OK"},{"id":"3","message":"{\"Records\":[{\"a\":2},{\"a\":3}]}"}]}"#;
    assert_eq!(
        frames(format!("{logs}\n{{\"messageType\":\"CONTROL_MESSAGE\",\"logEvents\":[]}}\n")),
        ["1#1 {\"a\":1}", "1#2 not_json: REJECT OK", "1#3 {\"a\":2}", "1#4 {\"a\":3}"]
    );
    let bridge = r#"{"version":"0","id":"x","detail-type":"AWS API Call via CloudTrail","source":"aws.iam","detail":{"a":1}}"#;
    assert_eq!(frames(format!("{bridge}\n{bridge}\n")), ["1 {\"a\":1}", "2 {\"a\":1}"]);
}

#[test]
fn a_document_goes_on_after_what_is_broken() {
    assert_eq!(
        frames("{\"Records\":[{\"a\":1},oops {\"a\":2}]}"),
        ["#1 {\"a\":1}", "#2 not_json: oops ", "#3 {\"a\":2}"]
    );
    // one record a line, one of them cut off
    assert_eq!(
        frames("[\n{\"a\":1},\n{\"a\":{\"b\":2\n,\n{\"a\":3}\n]\n"),
        ["#1 {\"a\":1}", "#2 cut_off: {\"a\":{\"b\":2\n,", "#3 {\"a\":3}"]
    );
    assert_eq!(
        frames("{\n \"a\": 1\n}\n{\n \"a\": {\n{\n \"a\": 3\n}\n"),
        ["#1 {\n \"a\": 1\n}", "#2 cut_off: {\n \"a\": {", "#3 {\n \"a\": 3\n}"]
    );
    assert_eq!(frames("{\"Records\":[{\"a\":1},{\"a\":"), ["#1 {\"a\":1}", "#2 cut_off: {\"a\":"]);
    assert_eq!(frames("{\"Records\":[{\"a\":1}"), ["#1 {\"a\":1}", "#2 cut_off: "]);
}

#[test]
fn the_rest_of_an_event_whose_bracket_ended_the_array_is_not_taken_for_what_stands_beside_it() {
    let cases: &[(&str, &[&str])] = &[
        // a backslash that is missing, and a bracket of the event behind it
        (
            r#"{"Records":[{"a":"{"b\":1}"},{"d":[1,2],"a":7},{"a":3}],"NextToken":"x"}"#,
            &[
                // brackets only are counted here: what else is wrong is found when the event is read
                r##"#1 {"a":"{"b\":1}"##,
                r##"#2 not_an_object: "},{""##,
                r##"#3 not_json: d":[1,2"##,
                r##"#4 not_json: "a":7"##,
                r##"#5 {"a":3}"##,
                r##"#6 not_json: ],"NextToken":"x"}"##,
            ],
        ),
        // the brace of an event became a bracket
        (
            r#"{"Records":[{"a":1},]"a":2,"b":[{"a":9}]},{"a":3}]}"#,
            &[
                r##"#1 {"a":1}"##,
                r##"#2 not_json: "a":2"##,
                r##"#3 not_json: "b":[{"a":9}]"##,
                r##"#4 {"a":3}"##,
                "#5 not_json: ]}",
            ],
        ),
        (
            r#"{"Records":[{"a":1}]"a":2},{"a":3}]}"#,
            &[r##"#1 {"a":1}"##, r##"#2 not_json: "a":2"##, r##"#3 {"a":3}"##, "#4 not_json: ]}"],
        ),
        // what is known to stand there is no event
        (
            r#"{"value":[{"a":1},{"a":},{"a":3}],"@odata.nextLink":"x","nextLink":"y"}"#,
            &[r##"#1 {"a":1}"##, r##"#2 {"a":}"##, r##"#3 {"a":3}"##],
        ),
        (
            r#"{"value":[{"a":1},7x,{"a":3}],"@odata.nextLink":"x","nextLink":"y"}"#,
            &[r##"#1 {"a":1}"##, "#2 not_json: 7x,", r##"#3 {"a":3}"##],
        ),
        // and where nothing was broken nothing is
        (r#"{"value":[{"a":1}],"total":{"a":2}}"#, &[r##"#1 {"a":1}"##]),
        (
            r#"{"Records":[{"a":1},7x,{"a":2}]}{"Records":[{"a":3}],"total":1}"#,
            &[r##"#1 {"a":1}"##, "#2 not_json: 7x,", r##"#3 {"a":2}"##, r##"#4 {"a":3}"##],
        ),
    ];
    for (input, expected) in cases {
        assert_eq!(frames(input), *expected, "{input}");
    }
}

#[test]
fn a_record_too_deep_is_bad_alone() {
    let deep = format!("{{\"a\":{}1{}}}", "[".repeat(100), "]".repeat(100));
    let expected = |number: &str| format!("{number} too_deep: {deep}");
    assert_eq!(frames(format!("{{\"a\":1}}\n{deep}\n{{\"a\":2}}\n"))[1], expected("2"));
    let document = frames(format!("{{\"Records\":[{{\"a\":1}},{deep},{{\"a\":2}}]}}"));
    assert_eq!(document, ["#1 {\"a\":1}".to_owned(), expected("#2"), "#3 {\"a\":2}".to_owned()]);
    assert_eq!(frames("[".repeat(1 << 16)).len(), 2, "the bomb, and the array that never closes");
    assert_eq!(frames("{\"a\":".repeat(1 << 16)).len(), 1);
}

#[test]
fn bad_bytes_take_their_record_only() {
    let input = b"{\"a\":\"\xff\xfe\"}\n{\"a\":2}\n\x00\x00\x00\n{\"a\":4}\n";
    let found = frames(input);
    assert_eq!(found.len(), 4);
    assert!(found[0].starts_with("1 invalid_utf8: "));
    assert_eq!(found[1], "2 {\"a\":2}");
    assert!(found[2].starts_with("3 not_json: \0"));
    assert_eq!(found[3], "4 {\"a\":4}");
    let found = frames(b"{\"Records\":[{\"a\":1},{\"a\":\"\xc3\"},{\"a\":3}]}");
    assert!(found[1].starts_with("#2 invalid_utf8: "));
    assert_eq!((&*found[0], &*found[2]), ("#1 {\"a\":1}", "#3 {\"a\":3}"));
    let found = frames(b"{\"Records\":[{\"a\":1},{\"a\":\"\xc3\"}]}\n{\"a\":3}\n");
    assert!(found[1].starts_with("1#2 invalid_utf8: "));
}

#[test]
fn what_is_too_large_is_bad_alone_and_mostly_forgotten() {
    let large = format!("{{\"a\":\"{}\"}}", "x".repeat(100));
    for (input, expected) in [
        (
            format!("{{\"a\":1}}\n{large}\n{{\"a\":3}}\n"),
            ["1 {\"a\":1}", "2 too_large: {\"a\":\"xx", "3 {\"a\":3}"],
        ),
        (
            format!("[{{\"a\":1}},{large},{{\"a\":3}}]"),
            ["#1 {\"a\":1}", "#2 too_large: {\"a\":\"xx", "#3 {\"a\":3}"],
        ),
        (
            format!("{{\"a\":1}} {large} {{\"a\":3}}"),
            ["#1 {\"a\":1}", "#2 too_large: {\"a\":\"xx", "#3 {\"a\":3}"],
        ),
    ] {
        assert_eq!(small_frames(input.as_bytes()), expected, "{input}");
    }
    assert_eq!(small_frames(format!("{large}\n{{\"a\":2}}\n")), ["1 too_large: {\"a\":\"xx", "2 {\"a\":2}"]);
    assert_eq!(small_frames(&large), ["1 too_large: {\"a\":\"xx"]);
    assert_eq!(small_frames(" ".repeat(100)), ["1 too_large:         "]);
    // an envelope larger than an event is streamed, however many events it holds
    let many = vec!["{\"a\":1}"; 1000].join(",");
    assert_eq!(small_frames(format!("{{\"Records\":[{many}]}}")).len(), 1000);
    assert_eq!(small_frames(format!("[{many}]")).len(), 1000);
}

#[test]
fn an_input_that_breaks_off_gives_what_it_has_and_one_entry() {
    let broken = |bytes: &[u8]| {
        let error = Some(io::ErrorKind::ConnectionReset);
        show(&mut Framer::new(Pieces { bytes, size: 10, error }))
    };
    assert_eq!(broken(b"{\"a\":1}\n{\"a\""), ["1 {\"a\":1}", "2 read_failed: {\"a\""]);
    assert_eq!(broken(b"{\"a\":1}\n{\"a\":2}\n"), ["1 {\"a\":1}", "2 {\"a\":2}", "3 read_failed: "]);
    assert_eq!(broken(b"{\"Records\":[{\"a\":1},{\"a\""), ["#1 {\"a\":1}", "#2 read_failed: {\"a\""]);
    assert_eq!(broken(b"{\"Records\":[{\"a\":1}"), ["#1 {\"a\":1}", "#2 read_failed: "]);
    assert_eq!(broken(b""), ["1 read_failed: "]);
}

/// A line of 100 MB that exists nowhere, between two others.
struct LongLine {
    left: usize,
    tail: &'static [u8],
}

impl Read for LongLine {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        if self.left > 0 {
            let count = buf.len().min(self.left);
            buf[..count].fill(b'x');
            self.left -= count;
            return Ok(count);
        }
        self.tail.read(buf)
    }
}

#[test]
fn a_line_of_100_mb_is_never_held() {
    let long = LongLine { left: 100 << 20, tail: b"\"}\n{\"a\":3}\n" };
    let mut framer = Framer::new(b"{\"a\":1}\n{\"a\":\"".as_slice().chain(long));
    let mut seen = Vec::new();
    while let Some(frame) = framer.next() {
        seen.push(match frame {
            Frame::Event { text, place } => (text.len(), None, place.line),
            Frame::Bad { bytes, cause, place } => (bytes.len(), Some(cause), place.line),
        });
    }
    let too_large = (MAX_QUARANTINED_BYTES, Some(Cause::TooLarge), Some(2));
    assert_eq!(seen, [(7, None, Some(1)), too_large, (7, None, Some(3))]);
}

#[test]
fn envelopes_in_envelopes_have_an_end() {
    let nested = (0..10).fold("{\"a\":1}".to_owned(), |inner, _| format!("{{\"Records\":[{inner}]}}"));
    let found = frames(format!("{nested}\n{{}}\n"));
    assert_eq!(found.len(), 2);
    assert!(found[0].starts_with("1 {\"Records\""), "{}", found[0]);
}

fn fragment() -> impl Strategy<Value = String> {
    prop_oneof![
        Just("{\"a\":1}".to_owned()),
        Just("{\"a\":\"x\\\"y{\",\"b\":[{},[]]}".to_owned()),
        Just("{\"Records\":[".to_owned()),
        Just("{\"Records\":[{\"a\":1},{\"b\":2}],\"x\":7}".to_owned()),
        Just("{\"@odata.context\":\"c\",\"value\":[{\"a\":1}".to_owned()),
        Just("{\"@odata.context\":\"c\",\"value\":[{\"a\":1}],\"x\":7}".to_owned()),
        Just("{\"events\":[{\"logStreamName\":7}],\"x\":7}".to_owned()),
        Just("{\"detail-type\":\"x via CloudTrail\",\"source\":2,\"detail\":{\"a\":1}}".to_owned()),
        Just("{\"CloudTrailEvent\":\"{\\\"a\\\":1}\"}".to_owned()),
        Just("{\n \"a\": {\n }\n}".to_owned()),
        Just("\n".to_owned()),
        Just("\r\n".to_owned()),
        "[\\[\\]{},:\" ]{1,3}",
        "[a-z0-9]{1,12}",
        Just(format!("{{\"k\":\"{}\"}}", "v".repeat(50))),
        Just("[[[[{".repeat(15)),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn frames_do_not_depend_on_the_pieces_in_which_bytes_arrive(
        fragments in proptest::collection::vec(fragment(), 0..14),
        size in 1usize..9,
        small in any::<bool>(),
    ) {
        let text = fragments.concat();
        let limits = if small { SMALL } else { FrameLimits::default() };
        let whole = show(&mut Framer::with_limits(text.as_bytes(), limits));
        let pieces = Pieces { bytes: text.as_bytes(), size, error: None };
        prop_assert_eq!(show(&mut Framer::with_limits(pieces, limits)), whole);
    }

    #[test]
    fn any_bytes_end(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        show(&mut Framer::with_limits(bytes.as_slice(), SMALL));
    }

    #[test]
    fn events_written_in_any_way_are_all_read(values in proptest::collection::vec(0u32..1000, 1..30)) {
        let events: Vec<String> = values.iter().map(|value| format!("{{\"a\":{value}}}")).collect();
        for (text, numbered) in [
            (events.join("\n"), "line"),
            (format!("{{\"Records\":[{}]}}", events.join(",")), "record"),
            (format!("[\n{}\n]", events.join(",\n")), "record"),
        ] {
            let mut framer = Framer::new(text.as_bytes());
            for (number, event) in (1u64..).zip(&events) {
                let place = match numbered {
                    "line" => Place { line: Some(number), record: None },
                    _ => Place { line: None, record: Some(number) },
                };
                prop_assert_eq!(framer.next(), Some(Frame::Event { text: event, place }));
            }
            prop_assert_eq!(framer.next(), None);
        }
    }
}
