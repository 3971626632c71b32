//! What a message of the queue says of objects.
//!
//! In: the body of an SQS message. Out: the objects that it tells of, nothing where it is a test or tells of objects
//! that went (or changed otherwise than by being written), or an error where it is no notice of objects: whoever sent it
//! meant it for somebody else, and it is not ours to delete.
//!
//! | form | shape |
//! |---|---|
//! | S3 event | `{"Records":[{"eventName":"ObjectCreated:Put","s3":{"bucket":{"name"},"object":{"key","eTag","size"}}}]}` |
//! | in SNS | `{"Type":"Notification","Message":"<an S3 event as text>"}` |
//! | EventBridge | `{"detail-type":"Object Created","detail":{"bucket":{"name"},"object":{"key","etag","size"}}}` |
//! | EventBridge in SNS | both of them |
//! | CloudTrail's own notice | `{"s3Bucket":"b","s3ObjectKey":["k"]}` |
//! | S3's test | `{"Service":"Amazon S3","Event":"s3:TestEvent"}` |
//! | CloudTrail's test, when a trail is given its topic | the text `CloudTrail validation message.`, by itself or in SNS |
//!
//! The keys of S3 events are encoded as in forms (`+` is a space); those of EventBridge are not.

use percent_encoding::percent_decode_str;
use serde_json::Value;

/// An object that was created.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    /// The bucket.
    pub bucket: String,
    /// The key.
    pub key: String,
    /// The entity tag, without quotes, where the message says it.
    pub etag: Option<String>,
}

/// What CloudTrail sends to a topic to see that it may: no JSON, but a text.
const TEST_OF_CLOUDTRAIL: &str = "CloudTrail validation message.";

/// Reads a message.
pub fn read(body: &str) -> Result<Vec<Notice>, String> {
    if body.trim() == TEST_OF_CLOUDTRAIL {
        return Ok(Vec::new());
    }
    let value: Value = serde_json::from_str(body).map_err(|error| format!("it is not JSON: {error}"))?;
    read_value(&value, 0)
}

fn read_value(value: &Value, level: u8) -> Result<Vec<Notice>, String> {
    if let Some(records) = value.get("Records").and_then(Value::as_array) {
        if records.iter().any(|record| record.get("s3").is_none()) {
            return Err("its Records are none of S3".into());
        }
        let created = records.iter().filter(|record| text(record, "/eventName").is_none_or(is_created));
        return created.map(s3_record).collect();
    }
    if let Some(inner) = value.get("Message").and_then(Value::as_str).filter(|_| level == 0) {
        if inner.trim() == TEST_OF_CLOUDTRAIL {
            return Ok(Vec::new());
        }
        let inner: Value =
            serde_json::from_str(inner).map_err(|error| format!("its Message is not JSON: {error}"))?;
        return read_value(&inner, 1);
    }
    if text(value, "/Event") == Some("s3:TestEvent") {
        return Ok(Vec::new());
    }
    if let Some(kind) = text(value, "/detail-type") {
        return match kind {
            "Object Created" => Ok(vec![Notice {
                bucket: needed(value, "/detail/bucket/name")?,
                key: needed(value, "/detail/object/key")?,
                etag: text(value, "/detail/object/etag").map(unquoted),
            }]),
            kind if kind.starts_with("Object ") => Ok(Vec::new()),
            // a type may be long, and is told
            kind => Err(format!(
                "it is an event of the type {:?}, and no notice of an object",
                kind.chars().take(64).collect::<String>()
            )),
        };
    }
    if let Some(keys) = value.get("s3ObjectKey").and_then(Value::as_array) {
        let bucket = needed(value, "/s3Bucket")?;
        let keys = keys.iter().filter_map(Value::as_str);
        return Ok(keys
            .map(|key| Notice { bucket: bucket.clone(), key: key.to_owned(), etag: None })
            .collect());
    }
    Err("it is no notice of S3, SNS or EventBridge".into())
}

fn s3_record(record: &Value) -> Result<Notice, String> {
    let key = needed(record, "/s3/object/key")?.replace('+', " ");
    let key = percent_decode_str(&key).decode_utf8().map_err(|_| "its key is not UTF-8".to_owned())?;
    Ok(Notice {
        bucket: needed(record, "/s3/bucket/name")?,
        key: key.into_owned(),
        etag: text(record, "/s3/object/eTag").map(unquoted),
    })
}

fn is_created(name: &str) -> bool {
    name.trim_start_matches("s3:").starts_with("ObjectCreated")
}

fn text<'a>(value: &'a Value, path: &str) -> Option<&'a str> {
    value.pointer(path).and_then(Value::as_str)
}

fn needed(value: &Value, path: &str) -> Result<String, String> {
    text(value, path).map(str::to_owned).ok_or_else(|| format!("it has no {}", path.trim_start_matches('/')))
}

/// An entity tag as events write it: listings put it into quotes.
pub fn unquoted(etag: &str) -> String {
    etag.trim_matches('"').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_of_a_notice_is_read() {
        let s3 = r#"{"Records":[{"eventName":"ObjectCreated:Put","s3":{"bucket":{"name":"b"},"object":{"key":"a+b/%C3%BC%2B.json","eTag":"e1","size":7}}},{"eventName":"ObjectRemoved:Delete","s3":{"bucket":{"name":"b"},"object":{"key":"gone"}}}]}"#;
        let bridge = r#"{"version":"0","detail-type":"Object Created","source":"aws.s3","detail":{"bucket":{"name":"b"},"object":{"key":"a+b/ü.json","etag":"e1","size":7}}}"#;
        let sns = |inner: &str| {
            serde_json::json!({"Type":"Notification","TopicArn":"t","Message":inner}).to_string()
        };
        for (body, expected) in [
            (s3.to_owned(), "b a b/ü+.json e1"),
            (sns(s3), "b a b/ü+.json e1"),
            (bridge.to_owned(), "b a+b/ü.json e1"),
            (sns(bridge), "b a+b/ü.json e1"),
            (r#"{"s3Bucket":"b","s3ObjectKey":["k1","k2"]}"#.to_owned(), "b k1 -, b k2 -"),
            (r#"{"Service":"Amazon S3","Event":"s3:TestEvent","Bucket":"b"}"#.to_owned(), ""),
            (sns(r#"{"Service":"Amazon S3","Event":"s3:TestEvent"}"#), ""),
            ("CloudTrail validation message.".to_owned(), ""),
            (sns("CloudTrail validation message."), ""),
            (r#"{"detail-type":"Object Deleted","detail":{}}"#.to_owned(), ""),
            (r#"{"detail-type":"Object Tags Added","detail":{}}"#.to_owned(), ""),
            // what is meant for somebody else is not ours to delete
            (
                r#"{"detail-type":"GuardDuty Finding","source":"aws.guardduty","detail":{}}"#.to_owned(),
                "error",
            ),
            (
                r#"{"Records":[{"eventName":"ConsoleLogin","eventSource":"signin.amazonaws.com"}]}"#
                    .to_owned(),
                "error",
            ),
            ("no json".to_owned(), "error"),
            ("{}".to_owned(), "error"),
            (r#"{"Records":[{"eventName":"ObjectCreated:Put","s3":{}}]}"#.to_owned(), "error"),
            (sns("text"), "error"),
        ] {
            let shown = match read(&body) {
                Err(_) => "error".to_owned(),
                Ok(notices) => {
                    let one =
                        |n: Notice| format!("{} {} {}", n.bucket, n.key, n.etag.as_deref().unwrap_or("-"));
                    notices.into_iter().map(one).collect::<Vec<_>>().join(", ")
                }
            };
            assert_eq!(shown, expected, "{body}");
        }
    }
}
