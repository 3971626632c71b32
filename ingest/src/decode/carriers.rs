//! What carries one thing as a text: log events of CloudWatch, messages of SQS and SNS, records of Kinesis, the event by
//! which a subscription of CloudWatch Logs calls a function.
//!
//! In: an object, and the keys in it. Out: where in it the string stands that holds what is carried, if the object is
//! nothing but one of [`CARRIERS`] and the string holds JSON. What is carried may be packed, where it is in base64, and
//! may be an envelope again; packed and damaged it is bad.
//!
//! ```text
//! {"timestamp":1,"message":"{\"eventName\":…}","ingestionTime":2}     aws logs filter-log-events, an element
//! {"Records":[{"kinesis":{"data":"H4sI…"},"eventSource":"aws:kinesis"}]}   each record carries one document
//! ```
//!
//! A message in words is no JSON: then the object around it is the event, with the time that it has.
//!
//! Formats: API references of CloudWatch Logs, Kinesis Data Streams, SQS and SNS; AWS Lambda, events of its sources.

use super::envelope::{Inner, last_member};
use super::packed::{Allowance, carried_base64, carried_text};

/// One kind of carrier.
struct Carrier {
    /// What may stand in it, also first: an object with anything beside is an event.
    keys: &'static [&'static [u8]],
    /// What may stand in it, but not first: every event of CloudTrail begins so, and none is to be looked through.
    behind: &'static [&'static [u8]],
    /// What stands in each, among others: a text that is looked for before its members are.
    telling: &'static [u8],
    /// Where the string stands.
    at: &'static [&'static [u8]],
    is_base64: bool,
}

static CARRIERS: &[Carrier] = &[
    // `filter-log-events` and `get-log-events`, an element
    Carrier {
        keys: &[b"logStreamName", b"timestamp", b"message", b"ingestionTime", b"eventId"],
        behind: &[],
        telling: b"\"ingestionTime\"",
        at: &[b"message"],
        is_base64: false,
    },
    // by which a subscription of CloudWatch Logs calls a function
    Carrier {
        keys: &[b"awslogs"],
        behind: &[],
        telling: b"\"awslogs\"",
        at: &[b"awslogs", b"data"],
        is_base64: true,
    },
    // by which a stream calls a function, an element
    Carrier {
        keys: &[
            b"kinesis",
            b"eventSource",
            b"eventID",
            b"eventName",
            b"invokeIdentityArn",
            b"awsRegion",
            b"eventSourceARN",
        ],
        behind: &[b"eventVersion"],
        telling: b"\"kinesis\"",
        at: &[b"kinesis", b"data"],
        is_base64: true,
    },
    // `kinesis get-records`, an element
    Carrier {
        keys: &[
            b"SequenceNumber",
            b"ApproximateArrivalTimestamp",
            b"Data",
            b"PartitionKey",
            b"EncryptionType",
        ],
        behind: &[],
        telling: b"\"SequenceNumber\"",
        at: &[b"Data"],
        is_base64: true,
    },
    // by which a queue calls a function, an element
    Carrier {
        keys: &[
            b"messageId",
            b"receiptHandle",
            b"body",
            b"attributes",
            b"messageAttributes",
            b"md5OfBody",
            b"md5OfMessageAttributes",
            b"eventSource",
            b"eventSourceARN",
            b"awsRegion",
        ],
        behind: &[],
        telling: b"\"receiptHandle\"",
        at: &[b"body"],
        is_base64: false,
    },
    // `sqs receive-message`, an element
    Carrier {
        keys: &[
            b"MessageId",
            b"ReceiptHandle",
            b"MD5OfBody",
            b"Body",
            b"Attributes",
            b"MD5OfMessageAttributes",
            b"MessageAttributes",
        ],
        behind: &[],
        telling: b"\"ReceiptHandle\"",
        at: &[b"Body"],
        is_base64: false,
    },
    // by which a topic calls a function, an element
    Carrier {
        keys: &[b"EventSource", b"EventVersion", b"EventSubscriptionArn", b"Sns"],
        behind: &[],
        telling: b"\"Sns\"",
        at: &[b"Sns", b"Message"],
        is_base64: false,
    },
    // what a topic sends to queues and addresses
    Carrier {
        keys: &[
            b"Type",
            b"MessageId",
            b"SequenceNumber",
            b"TopicArn",
            b"Subject",
            b"Message",
            b"Timestamp",
            b"SignatureVersion",
            b"Signature",
            b"SigningCertURL",
            b"SigningCertUrl",
            b"UnsubscribeURL",
            b"UnsubscribeUrl",
            b"MessageAttributes",
        ],
        behind: &[],
        telling: b"\"TopicArn\"",
        at: &[b"Message"],
        is_base64: false,
    },
];

/// The keys with which carriers may begin, and the text that each has.
pub(super) fn suspects() -> impl Iterator<Item = (&'static [&'static [u8]], &'static [u8])> {
    CARRIERS.iter().map(|carrier| (carrier.keys, carrier.telling))
}

/// What an object carries, if it is a carrier of something that is JSON.
pub(super) fn carried(bytes: &[u8], open: usize, keys: &[&[u8]], allowance: &mut Allowance) -> Option<Inner> {
    CARRIERS.iter().find_map(|carrier| carrier.opened(bytes, open, keys, allowance))
}

impl Carrier {
    fn opened(&self, bytes: &[u8], open: usize, keys: &[&[u8]], allowance: &mut Allowance) -> Option<Inner> {
        // the text that tells is one of its keys, in quotes
        let told = self.telling.get(1..self.telling.len() - 1)?;
        let is_known = |key: &&[u8]| self.keys.contains(key) || self.behind.contains(key);
        if !keys.contains(&told) || !keys.iter().all(is_known) {
            return None;
        }
        let mut at = open..bytes.len();
        for key in self.at {
            at = last_member(bytes, at.start, key)?;
        }
        match (self.is_base64, bytes.get(at.start..)?) {
            (true, [b'"', ..]) => carried_base64(bytes, &at, allowance),
            (false, [b'"', ..]) => carried_text(bytes, &at),
            _ => None,
        }
    }
}
