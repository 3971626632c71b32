//! Every envelope, and what only looks like one.

use super::*;

fn opened(text: &str) -> (Shape, Vec<String>) {
    let mut inner = Vec::new();
    let shape = open(text.as_bytes(), &mut inner, &mut Allowance::of(text.len()));
    let show = |inner: &Inner| match inner {
        Inner::Value(range) => text[range.clone()].to_owned(),
        Inner::Text(range) => format!("text {}", &text[range.clone()]),
        Inner::Carried(text) => format!("carried {text}"),
        Inner::Built(text, None) => format!("built {text}"),
        Inner::Built(text, Some(cause)) => format!("bad {} {text}", cause.code()),
        Inner::Bad(range, cause) => format!("bad {} {}", cause.code(), &text[range.clone()]),
    };
    (shape, inner.iter().map(show).collect())
}

#[test]
fn an_array_of_next_to_nothing_is_not_unfolded_without_end() {
    let text = format!("[{}0]", "0,".repeat(2 * MAX_ENVELOPE_ELEMENTS));
    let mut inner = Vec::new();
    open(text.as_bytes(), &mut inner, &mut Allowance::of(0));
    assert_eq!(inner.len(), MAX_ENVELOPE_ELEMENTS + 1);
    assert!(matches!(inner.last(), Some(Inner::Bad(_, Cause::TooLarge))));
}

#[test]
fn what_events_share_is_not_written_out_without_end() {
    let shared = "x".repeat(1 << 20);
    let spans = vec!["{}"; 1_000].join(",");
    let document = format!(
        r#"{{"resourceSpans":[{{"resource":{{"a":"{shared}"}},"scopeSpans":[{{"spans":[{spans}]}}]}}]}}"#
    );
    let mut inner = Vec::new();
    assert_eq!(open(document.as_bytes(), &mut inner, &mut Allowance::of(0)), Shape::Envelope);
    assert_eq!(inner.len(), MAX_REBUILT_BYTES / (1 << 20));
    assert!(matches!(inner.last(), Some(Inner::Bad(_, Cause::TooLarge))));
    let rows = vec!["[]"; MAX_ENVELOPE_ELEMENTS + 5].join(",");
    let table = format!(r#"{{"tables":[{{"columns":[],"rows":[{rows}]}}]}}"#);
    inner.clear();
    open(table.as_bytes(), &mut inner, &mut Allowance::of(0));
    assert_eq!(inner.len(), MAX_ENVELOPE_ELEMENTS + 1);
    assert!(matches!(inner.last(), Some(Inner::Bad(_, Cause::TooLarge))));
}

#[test]
fn every_envelope_is_opened() {
    let cases: &[(&str, &[&str])] = &[
        (r#"[{"a":1}, {"a":2}]"#, &[r#"{"a":1}"#, r#"{"a":2}"#]),
        (r#"{"Records":[{"a":1}]}"#, &[r#"{"a":1}"#]),
        (r#"{"Records":[{"a":1}],"Records":[{"a":2}]}"#, &[r#"{"a":1}"#, r#"{"a":2}"#]),
        (r#"{ "records" : [ {"a":1} , {"a":2} ] }"#, &[r#"{"a":1}"#, r#"{"a":2}"#]),
        (r#"{"value":[{"a":1}],"nextLink":"x"}"#, &[r#"{"a":1}"#]),
        (r#"{"@odata.context":"x","value":[{"a":1}]}"#, &[r#"{"a":1}"#]),
        (r#"{"Events":[{"a":1}],"NextToken":"x"}"#, &[r#"{"a":1}"#]),
        (r#"{"NextToken":"x","Events":[]}"#, &[]),
        (r#"{"EventId":"x","CloudTrailEvent":"{\"a\":1}"}"#, &[r#"text "{\"a\":1}""#]),
        (
            r#"{"version":"0","detail-type":"AWS API Call via CloudTrail","source":"aws.s3","detail":{"a":1}}"#,
            &[r#"{"a":1}"#],
        ),
        (
            r#"{"account":"1","detail":{"eventVersion":"1.11"},"detail-type":"x","source":"s"}"#,
            &[r#"{"eventVersion":"1.11"}"#],
        ),
        (
            r#"{"messageType":"DATA_MESSAGE","logEvents":[{"id":"1","message":"{}"},{"id":"2"}]}"#,
            &[r#"text "{}""#, r#"bad not_json {"id":"2"}"#],
        ),
        (r#"{"messageType":"CONTROL_MESSAGE","logEvents":[{"message":"x"}]}"#, &[]),
        (r#"{"entries":[{"a":1}],"nextPageToken":"x"}"#, &[r#"{"a":1}"#]),
        (
            r#"{"events":[{"timestamp":1,"message":"m","ingestionTime":2}],"nextForwardToken":"f","nextBackwardToken":"b"}"#,
            &[r#"{"timestamp":1,"message":"m","ingestionTime":2}"#],
        ),
        (r#"{"Messages":[{"Body":"x"}]}"#, &[r#"{"Body":"x"}"#]),
        (r#"{"timestamp":1,"message":"{\"a\":1}","ingestionTime":2}"#, &[r#"carried {"a":1}"#]),
        (
            r#"{"eventId":"7","ingestionTime":2,"logStreamName":"s","message":"{}","timestamp":1}"#,
            &["carried {}"],
        ),
        (r#"{"awslogs":{"data":"H4sIAAAAAAACA6tWSlSyMqwFAK+sG1YHAAAA"}}"#, &[r#"carried {"a":1}"#]),
        (
            r#"{"kinesis":{"partitionKey":"p","data":"eyJhIjoxfQ=="},"eventSource":"aws:kinesis","eventVersion":"1.0","awsRegion":"r"}"#,
            &[r#"carried {"a":1}"#],
        ),
        (
            r#"{"SequenceNumber":"1","ApproximateArrivalTimestamp":1.5,"Data":"eyJhIjoxfQ==","PartitionKey":"p"}"#,
            &[r#"carried {"a":1}"#],
        ),
        (
            r#"{"messageId":"m","receiptHandle":"r","body":"{}","attributes":{},"eventSource":"aws:sqs"}"#,
            &["carried {}"],
        ),
        (r#"{"MessageId":"m","ReceiptHandle":"r","MD5OfBody":"x","Body":"[]"}"#, &["carried []"]),
        (
            r#"{"EventSource":"aws:sns","EventVersion":"1.0","Sns":{"Type":"Notification","Message":"{}"}}"#,
            &["carried {}"],
        ),
        (r#"{"Type":"Notification","MessageId":"m","TopicArn":"t","Message":"{}"}"#, &["carried {}"]),
        (
            r#"{"results":[[{"field":"@message","value":"{\"a\":1}"}],[{"field":"n","value":"2"}]],"status":"Complete"}"#,
            &[r#"built {"a":1}"#, r#"built {"n":"2"}"#],
        ),
        (r#"{"kind":"EventList","apiVersion":"audit.k8s.io/v1","items":[{"a":1}]}"#, &[r#"{"a":1}"#]),
        (
            r#"{"object":"list","data":[{"a":1},{"a":2}],"first_id":"x","last_id":"y","has_more":true}"#,
            &[r#"{"a":1}"#, r#"{"a":2}"#],
        ),
        (r#"{"data":[{"a":1}],"has_more":false,"first_id":"x","last_id":"x"}"#, &[r#"{"a":1}"#]),
        (r#"{"data":[],"has_more":false,"first_id":null,"last_id":null}"#, &[]),
        (
            r#"{"message":{"data":"eyJhIjoxfQ==","messageId":"1"},"subscription":"s"}"#,
            &[r#"carried {"a":1}"#],
        ),
        (r#"{"receivedMessages":[{"ackId":"x","message":{}}]}"#, &[r#"{"ackId":"x","message":{}}"#]),
        (r#"{"ackId":"x","message":{"data":"W10=","publishTime":"t"}}"#, &[r#"carried []"#]),
        (r#"{"attributes":{},"data":"eyJhIjoxfQ==","messageId":"1"}"#, &[r#"carried {"a":1}"#]),
        (r#"{"specversion":"1.0","type":"t","data":{"protoPayload":{}}}"#, &[r#"{"protoPayload":{}}"#]),
        (
            r#"{"specversion":"1.0","type":"t","data":{"message":{"data":"e30=","messageId":"1"},"subscription":"s"}}"#,
            &["carried {}"],
        ),
        (r#"{"data":{"protoPayload":{}}}"#, &[r#"{"protoPayload":{}}"#]),
        (r#"{"tables":[{"columns":[{"name":"a"}],"rows":[[1]]}]}"#, &[r#"built {"a":1}"#]),
        (
            r#"{"tables":[{"columns":[{"name":"a"}],"rows":[[1,2],[3]]}]}"#,
            &["bad not_an_object [1,2]", r#"built {"a":3}"#],
        ),
        (r#"{"resourceSpans":[7]}"#, &["bad not_an_object 7"]),
        (r#"{"resourceLogs":[{"scopeLogs":[{"logRecords":[{"b":1}]}]}]}"#, &[r#"built {"b":1}"#]),
        (r#"{"Records":[]}"#, &[]),
        ("[]", &[]),
    ];
    for (text, expected) in cases {
        let (shape, inner) = opened(text);
        assert_eq!(shape, Shape::Envelope, "{text}");
        assert_eq!(inner, *expected, "{text}");
    }
}

#[test]
fn what_only_looks_like_an_envelope_is_an_event() {
    for text in [
        r#"{"eventVersion":"1.08","Records":[{"a":1}]}"#,
        r#"{"id":"x","Records":[{"a":1}]}"#,
        r#"{"entries":[{"a":1}],"user":"u"}"#,
        r#"{"records":[1,2]}"#,
        r#"{"records":[],"status":"ok"}"#,
        r#"{"value":"x"}"#,
        r#"{"source":"app","detail":{"a":1}}"#,
        r#"{"detail-type":"x","source":"y","detail":"text"}"#,
        // what it says of itself stands around it
        r#"{"version":"0","id":"7","detail-type":"Object Created","source":"aws.s3","time":"2026-03-02T10:00:00Z","detail":{"a":1}}"#,
        r#"{"messageType":"OTHER","logEvents":[]}"#,
        r#"{"EventId":4624,"EventTime":"x"}"#,
        r#"{"CloudTrailEvent":null}"#,
        r#"{"version":1,"broken" 2}"#,
        r#"{"kind":"Event","items":[{"a":1}]}"#,
        r#"{"kind":"Pod","note":"EventList","items":[{"a":1}]}"#,
        r#"{"message":"EventList"}"#,
        r#"{"message":{"text":"x"}}"#,
        r#"{"message":{"data":"plain text","messageId":"1"},"subscription":"s"}"#,
        r#"{"data":"eyJhIjoxfQ=="}"#,
        r#"{"message":{"data":"eyJhIjoxfQ=="},"user":"u"}"#,
        r#"{"message":{"data":"eyJhIjoxfQ=="}}"#,
        r#"{"data":{"protoPayload":5}}"#,
        r#"{"data":{"protoPayload":{}},"user":"u"}"#,
        r#"{"messageType":"CONTROL_MESSAGE","logEvents":"none"}"#,
        r#"{"messageType":"CONTROL_MESSAGE","logEvents":[],"user":"u"}"#,
        r#"{"tables":[{"columns":[],"rows":[]}],"user":"u"}"#,
        r#"{"kind":"EventList","items":[],"user":"u"}"#,
        r#"{"data":"W10=","messageId":"1","user":"u"}"#,
        r#"{"data":"eyJhbGciOiJIUzI1NiJ9.x.sig","messageId":"m"}"#,
        r#"{"EventName":"x","CloudTrailEvent":"hello"}"#,
        r#"{"EventName":"x","CloudTrailEvent":"{}","user":"u"}"#,
        r#"{"data":{"a":1},"messageId":"x"}"#,
        r#"{"specversion":"1.0","data":{"a":{"protoPayload":1}}}"#,
        r#"{"tables":[{"columns":"x"}]}"#,
        r#"{"resourceSpans":7}"#,
        r#"{"resourceMetrics":[{"a":1}]}"#,
        r#"{"events":[{"a":1}],"host":"h"}"#,
        r#"{"Messages":[{"a":1}],"user":"u"}"#,
        r#"{"timestamp":1,"message":"{}"}"#,
        r#"{"timestamp":1,"message":"{}","ingestionTime":2,"host":"h"}"#,
        r#"{"timestamp":1,"message":"in words","ingestionTime":2}"#,
        r#"{"timestamp":1,"message":"[INFO] in words","ingestionTime":2}"#,
        r#"{"timestamp":1,"message":"{user} logged in","ingestionTime":2}"#,
        r#"{"awslogs":{"data":"in words"}}"#,
        r#"{"awslogs":{"data":"eyJhIjoxfQ=="},"user":"u"}"#,
        r#"{"kinesis":{"data":"eyJhIjoxfQ=="},"user":"u"}"#,
        r#"{"kinesis":{"data":7},"eventSource":"aws:kinesis"}"#,
        r#"{"kinesis":"eyJhIjoxfQ==","eventSource":"aws:kinesis"}"#,
        r#"{"messageId":"m","body":"{}"}"#,
        r#"{"Type":"Notification","TopicArn":"t","Message":"in words"}"#,
        r#"{"results":[{"a":1}],"status":"ok"}"#,
        r#"{"results":[],"status":"ok"}"#,
        // an answer that has data, and no page of a list
        r#"{"object":"list","data":[{"a":1}]}"#,
        r#"{"data":[{"a":1}],"has_more":true,"user":"u"}"#,
        r#"{"data":[1,2],"has_more":true}"#,
        r#"{"data":{"a":1},"has_more":true}"#,
        "{}",
    ] {
        assert_eq!(opened(text), (Shape::Event, vec![]), "{text}");
    }
    for text in ["1", "null", "\"x\""] {
        assert_eq!(opened(text).0, Shape::NotAnObject, "{text}");
    }
}
