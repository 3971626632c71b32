//! What wraps events on their way: arrays, `{"Records":[…]}` and its kin, EventBridge, CloudWatch
//! Logs, CloudTrail's `LookupEvents`, Kinesis, SQS and SNS, Pub/Sub, CloudEvents, lists of Kubernetes,
//! pages of OpenAI and Anthropic, tables of Log Analytics, OTLP.
//!
//! In: the bytes of one whole JSON value. Out: whether it is an event, and if it is an envelope,
//! where the things in it stand. Each of those may be an envelope again.
//!
//! | envelope | events |
//! |---|---|
//! | `[…]` | its elements |
//! | `{"Records":[…]}`, and `records`, `value`, `Events`, `entries`, `receivedMessages`, `events`, `Messages` | the elements |
//! | `{"kind":"EventList","items":[…]}` (Kubernetes) | the elements |
//! | `{"object":"list","data":[…],"first_id":…,"last_id":…,"has_more":…}` (OpenAI; Anthropic without `object`) | the elements |
//! | `{"CloudTrailEvent":"{…}", …}` (an element of `LookupEvents`) | the JSON in that string |
//! | `{"detail-type":"… via CloudTrail","source":…,"detail":{…}}` (EventBridge) | `detail` |
//! | `{"messageType":"DATA_MESSAGE","logEvents":[{"message":"{…}"}]}` (CloudWatch Logs) | the JSON in each message |
//! | `{"messageType":"CONTROL_MESSAGE", …}` | none |
//! | `{"message":"{…}","ingestionTime":…}` (CloudWatch Logs, read), records and messages of Kinesis, SQS, SNS | the JSON in that string: `carriers` |
//! | `{"results":[[{"field":"@message","value":"{…}"}]]}` (a query of CloudWatch Logs) | an event a row: `insights` |
//! | `{"message":{"data":"…", …}, "subscription":…}` (Pub/Sub, pushed or pulled) | the message |
//! | `{"data":"…", "messageId":…}` (a Pub/Sub message) | the JSON in that base64 |
//! | `{"specversion":…,"data":{"protoPayload":…}}` (CloudEvents), `{"data":{"protoPayload":…}}` | `data` |
//! | `{"tables":[{"columns":…,"rows":…}]}` (a Log Analytics query) | an object a row: `log_analytics` |
//! | `{"resourceSpans":[…]}`, `{"resourceLogs":[…]}` (OTLP) | spans, log records: `otlp` |
//!
//! Nearly every value is a plain event, so that is decided by its first key alone: only an object
//! that begins with a key that some envelope has is looked at member by member.

mod prefix;

use std::ops::Range;
use std::sync::OnceLock;

use memchr::memchr;
use memchr::memmem::Finder;
use virga_engine::json::{Value, skip_value, skip_whitespace};

pub(super) use self::prefix::{Prefix, array_prefix};
use super::carriers::carried;
use super::packed::{Allowance, carried_base64};
use crate::limits::{MAX_ENVELOPE_ELEMENTS, MAX_REBUILT_BYTES};
use crate::quarantine::Cause;

/// What a value is.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Shape {
    Event,
    Envelope,
    NotAnObject,
}

/// One thing in an envelope, by where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Inner {
    /// A JSON value.
    Value(Range<usize>),
    /// A JSON string that holds a JSON value.
    Text(Range<usize>),
    /// What a JSON string held, in base64 or not, packed or not: an object or an array.
    Carried(String),
    /// An event that stood in parts, made whole; or a part that cannot be made one, and why.
    Built(String, Option<Cause>),
    /// What cannot be read.
    Bad(Range<usize>, Cause),
}

/// Keys whose array of objects holds the events.
const ARRAY_KEYS: &[&[u8]] =
    &[b"Records", b"records", b"value", b"Events", b"entries", b"receivedMessages", b"events", b"Messages"];

/// Some of them are words that events use too: nothing of them may stand beside these, which is known only
/// when the object has been read to its end.
const LISTED: &[&[u8]] = &[b"entries", b"events", b"Messages"];

/// Keys that may stand beside such an array where it does not come first.
const METADATA_KEYS: &[&[u8]] = &[
    b"NextToken",
    b"nextToken",
    b"nextLink",
    b"nextPageToken",
    b"ResponseMetadata",
    b"count",
    b"$schema",
    // of log events
    b"searchedLogStreams",
    b"nextForwardToken",
    b"nextBackwardToken",
    // of records of a stream
    b"NextShardIterator",
    b"MillisBehindLatest",
    b"ChildShards",
];

/// Keys with which an object may begin that is an envelope though it does not begin with its array,
/// and a text that stands in every such envelope: to look for it costs much less than to look at the
/// members of each event that begins so by chance.
const SUSPECT_FIRST_KEYS: &[(&[&[u8]], &[u8])] = &[
    // EventBridge, as it comes and with its keys sorted
    (
        &[
            b"version",
            b"id",
            b"detail-type",
            b"source",
            b"account",
            b"time",
            b"region",
            b"resources",
            b"detail",
        ],
        b"\"detail-type\"",
    ),
    (OF_CLOUDWATCH, b"\"logEvents\""),
    (OF_LOOKUP_EVENTS, b"\"CloudTrailEvent\""),
    (OF_DELIVERY, b"\"message\""),
    (OF_MESSAGE, b"\"data\""),
    (OF_CLOUD_EVENT, b"\"protoPayload\""),
    // one that carries a Pub/Sub delivery
    (OF_CLOUD_EVENT, b"\"subscription\""),
    (OF_EVENT_LIST, b"\"EventList\""),
    (OF_PAGE, b"\"has_more\""),
    (&[b"tables"], b"\"columns\""),
    (OF_INSIGHTS, b"\"results\""),
    (&[b"resourceSpans"], b"\"resourceSpans\""),
    (&[b"resourceLogs"], b"\"resourceLogs\""),
];

/// Finds the texts of [`suspects`]: to make a finder costs as much as to use it.
static TELLING: OnceLock<Vec<Finder<'static>>> = OnceLock::new();

/// Decides what a whole JSON value is; what is in an envelope is added to `inner`, and what is unpacked of it taken
/// from the allowance.
pub(super) fn open(bytes: &[u8], inner: &mut Vec<Inner>, allowance: &mut Allowance) -> Shape {
    let start = skip_whitespace(bytes, 0);
    match bytes.get(start) {
        Some(b'{') => match first_key(bytes, start) {
            Some(key) if may_wrap(key, bytes) => open_object(bytes, start, inner, allowance),
            _ => Shape::Event,
        },
        Some(b'[') => {
            elements(bytes, start, inner);
            Shape::Envelope
        }
        _ => Shape::NotAnObject,
    }
}

/// Whether a key is one whose array of objects holds the events.
pub(super) fn is_array_key(key: &[u8]) -> bool {
    ARRAY_KEYS.contains(&key)
}

fn first_key(bytes: &[u8], open: usize) -> Option<&[u8]> {
    let quote = skip_whitespace(bytes, open + 1);
    if bytes.get(quote) != Some(&b'"') {
        return None;
    }
    // no key that matters is longer
    let rest = bytes.get(quote + 1..)?;
    let rest = rest.get(..LONGEST_KEY + 1).unwrap_or(rest);
    rest.get(..memchr(b'"', rest)?)
}

const LONGEST_KEY: usize = 24;

fn may_wrap(key: &[u8], bytes: &[u8]) -> bool {
    if ARRAY_KEYS.contains(&key) || is_metadata(key) {
        return true;
    }
    let telling = TELLING.get_or_init(|| suspects().map(|(_, text)| Finder::new(text)).collect());
    suspects().zip(telling).any(|((keys, _), text)| keys.contains(&key) && text.find(bytes).is_some())
}

/// All objects that may be envelopes though they do not begin with their array.
fn suspects() -> impl Iterator<Item = (&'static [&'static [u8]], &'static [u8])> {
    SUSPECT_FIRST_KEYS.iter().copied().chain(super::carriers::suspects())
}

/// Whether a key says something of an array that stands beside it.
pub(super) fn is_metadata(key: &[u8]) -> bool {
    METADATA_KEYS.contains(&key) || key.starts_with(ODATA)
}

/// With which OData begins what it says of an answer.
const ODATA: &[u8] = b"@odata.";

/// Where the members of an object that matter here stand.
#[derive(Default)]
struct Members<'b> {
    /// All keys: an event that only resembles an envelope has others beside.
    keys: Vec<&'b [u8]>,
    /// Arrays under a key of events; one, but for a repeated key, of which none must be lost.
    arrays: Vec<Range<usize>>,
    array_is_first: bool,
    /// The array is under a word that events use too: nothing of them may stand beside it.
    listed: bool,
    only_metadata: bool,
    message_type: Option<Range<usize>>,
    log_events: Option<Range<usize>>,
    detail: Option<Range<usize>>,
    detail_type: Option<Range<usize>>,
    source: bool,
    event_text: Option<Range<usize>>,
    message: Option<Range<usize>>,
    data: Option<Range<usize>>,
    /// A key that only a Pub/Sub message has.
    of_message: bool,
    /// A key that an entry of Cloud Audit Logs has.
    payload: bool,
    kind: Option<Range<usize>>,
    items: Option<Range<usize>>,
    /// A key whose value `log_analytics`, `insights` or `otlp` takes apart.
    rebuilt: Option<Rebuild>,
}

/// Takes a document apart into events; `false` where it is not built as it must be.
type Rebuild = fn(&str, &mut Rebuilt) -> bool;

fn open_object(bytes: &[u8], start: usize, inner: &mut Vec<Inner>, allowance: &mut Allowance) -> Shape {
    let Some(members) = read_members(bytes, start) else {
        // a flaw in it: whoever reads the event will say what
        return Shape::Event;
    };
    let found = open_single(bytes, &members, allowance);
    if let Some(found) = found.or_else(|| carried(bytes, start, &members.keys, allowance)) {
        inner.push(found);
        return Shape::Envelope;
    }
    if let (Some(kind), Some(events)) = (&members.message_type, &members.log_events)
        && members.are(OF_CLOUDWATCH)
        && bytes.get(events.start) == Some(&b'[')
    {
        return match bytes.get(kind.clone()) {
            Some(b"\"DATA_MESSAGE\"") => messages(bytes, events, inner),
            Some(b"\"CONTROL_MESSAGE\"") => Shape::Envelope,
            _ => Shape::Event,
        };
    }
    if let (Some(kind), Some(items)) = (&members.kind, &members.items)
        && bytes.get(kind.clone()) == Some(b"\"EventList\"")
        && bytes.get(items.start) == Some(&b'[')
        && members.are(OF_EVENT_LIST)
    {
        elements(bytes, items.start, inner);
        return Shape::Envelope;
    }
    if let Some(page) = members.data.as_ref().filter(|data| members.is_page(bytes, data)) {
        elements(bytes, page.start, inner);
        return Shape::Envelope;
    }
    if let Some(rebuild) = members.rebuilt
        && (members.are(OF_TABLES) || members.are(OF_OTLP) || members.are(OF_INSIGHTS))
    {
        return open_rebuilt(bytes, rebuild, inner);
    }
    if !wraps_events(bytes, &members) {
        return Shape::Event;
    }
    members.arrays.iter().for_each(|array| elements(bytes, array.start, inner));
    Shape::Envelope
}

/// Whether the members of an object are an array of events and what may stand beside it.
fn wraps_events(bytes: &[u8], members: &Members) -> bool {
    let is_first = members.array_is_first && !members.listed;
    members.arrays.first().is_some_and(|array| wraps(bytes, array, is_first, members.only_metadata))
}

/// Whether a whole object that begins as an envelope does ([`Prefix::Perhaps`]) is an event, by what else stands in it.
pub(super) fn is_event(bytes: &[u8]) -> bool {
    read_members(bytes, 0).is_some_and(|members| !wraps_events(bytes, &members))
}

/// The one event in an envelope of one: an element of `LookupEvents`, EventBridge, a message.
fn open_single(bytes: &[u8], members: &Members, allowance: &mut Allowance) -> Option<Inner> {
    let begins = |range: &Range<usize>, with: u8| bytes.get(range.start) == Some(&with);
    let holds_object = |text: &Range<usize>| bytes.get(text.start..text.start + 2) == Some(b"\"{");
    if let Some(text) =
        members.event_text.clone().filter(|text| holds_object(text) && members.are(OF_LOOKUP_EVENTS))
    {
        return Some(Inner::Text(text));
    }
    if let (Some(kind), Some(detail)) = (&members.detail_type, &members.detail)
        && members.source
        && begins(detail, b'{')
        && is_of_trail(bytes, kind, detail)
    {
        return Some(Inner::Value(detail.clone()));
    }
    open_message(bytes, members, allowance)
}

/// Whether what EventBridge brings is an event of CloudTrail, which says all of itself. Any other has its time,
/// account and id in what stands around it, and is an event with it.
fn is_of_trail(bytes: &[u8], kind: &Range<usize>, detail: &Range<usize>) -> bool {
    let is_said = bytes.get(kind.clone()).is_some_and(|kind| kind.ends_with(b" via CloudTrail\""));
    let has_version = |inside: &Members<'_>| inside.keys.contains(&&b"eventVersion"[..]);
    is_said || read_members(bytes, detail.start).as_ref().is_some_and(has_version)
}

/// The events that a document in parts is rebuilt into; a document of another build is an event. What the
/// events share is written into each, so that their sum has a bound of its own: what is beyond it is one
/// bad thing.
fn open_rebuilt(bytes: &[u8], rebuild: Rebuild, inner: &mut Vec<Inner>) -> Shape {
    let Ok(text) = simdutf8::basic::from_utf8(bytes) else { return Shape::Event };
    let mut rebuilt = Rebuilt::default();
    if !rebuild(text, &mut rebuilt) {
        return Shape::Event;
    }
    inner.append(&mut rebuilt.events);
    if rebuilt.full {
        inner.push(Inner::Bad(0..bytes.len(), Cause::TooLarge));
    }
    Shape::Envelope
}

/// The events of a document in parts.
#[derive(Default)]
pub(super) struct Rebuilt {
    events: Vec<Inner>,
    bytes: usize,
    full: bool,
}

impl Rebuilt {
    /// Whether another event of about that size may be added; once it may not, none may.
    pub fn has_room(&mut self, bytes: usize) -> bool {
        let fits = self.events.len() < MAX_ENVELOPE_ELEMENTS && self.bytes + bytes <= MAX_REBUILT_BYTES;
        self.full |= !fits;
        !self.full
    }

    /// Adds an event.
    pub fn push(&mut self, event: String) {
        self.bytes += event.len();
        self.events.push(Inner::Built(event, None));
    }

    /// Adds what cannot be made an event.
    pub fn push_bad(&mut self, part: &Value<'_>) {
        let mut text = String::new();
        part.write_compact(&mut text);
        self.bytes += text.len();
        self.events.push(Inner::Built(text, Some(Cause::NotAnObject)));
    }

    /// The texts of the events, and of what is bad.
    #[cfg(test)]
    pub fn texts(self) -> Vec<String> {
        let text = |inner| match inner {
            Inner::Built(text, None) => text,
            Inner::Built(text, Some(cause)) => format!("bad {} {text}", cause.code()),
            other => format!("{other:?}"),
        };
        self.events.into_iter().map(text).collect()
    }
}

/// What a Pub/Sub delivery, a Pub/Sub message or a CloudEvent holds.
fn open_message(bytes: &[u8], members: &Members, allowance: &mut Allowance) -> Option<Inner> {
    let first = |range: &Range<usize>| bytes.get(range.start).copied();
    if let Some(message) = members.message.clone().filter(|message| first(message) == Some(b'{')) {
        let inside = read_members(bytes, message.start)?;
        let delivered = members.are(OF_DELIVERY) && (members.keys.len() > 1 || inside.of_message);
        // taken apart here, where it is known to be a message: inside it need not say so
        return carried_base64(bytes, inside.data.as_ref().filter(|_| delivered)?, allowance);
    }
    let data = members.data.clone()?;
    match first(&data) {
        Some(b'"') if members.of_message && members.are(OF_MESSAGE) => {
            carried_base64(bytes, &data, allowance)
        }
        // a CloudEvent may carry any extension; without its version the wrapper must be nothing else
        Some(b'{') if members.keys.contains(&&b"specversion"[..]) || members.are(&[b"data"]) => {
            let inside = read_members(bytes, data.start)?;
            if inside.payload { Some(Inner::Value(data)) } else { open_message(bytes, &inside, allowance) }
        }
        _ => None,
    }
}

/// An array of objects that comes first or beside metadata only. An empty one must be alone: an
/// event may have an empty list called `records`.
fn wraps(bytes: &[u8], array: &Range<usize>, is_first: bool, only_metadata: bool) -> bool {
    match bytes.get(skip_whitespace(bytes, array.start + 1)) {
        Some(b'{') => is_first || only_metadata,
        Some(b']') => only_metadata,
        _ => false,
    }
}

fn read_members(bytes: &[u8], open: usize) -> Option<Members<'_>> {
    let mut members = Members { only_metadata: true, ..Members::default() };
    let mut first = true;
    let mut at = skip_whitespace(bytes, open + 1);
    while *bytes.get(at)? != b'}' {
        let key_end = skip_value(bytes, at).ok()?;
        let key = bytes.get(at + 1..key_end - 1)?;
        at = skip_whitespace(bytes, key_end);
        if *bytes.get(at)? != b':' {
            return None;
        }
        at = skip_whitespace(bytes, at + 1);
        let end = skip_value(bytes, at).ok()?;
        members.note(key, bytes, at..end, first);
        first = false;
        at = skip_whitespace(bytes, end);
        if bytes.get(at) == Some(&b',') {
            at = skip_whitespace(bytes, at + 1);
        }
    }
    Some(members)
}

/// What stands in envelopes of one kind; where anything stands beside it, the object is an event.
const OF_LOOKUP_EVENTS: &[&[u8]] = &[
    b"EventId",
    b"EventName",
    b"ReadOnly",
    b"AccessKeyId",
    b"EventTime",
    b"EventSource",
    b"Username",
    b"Resources",
    b"CloudTrailEvent",
];
const OF_CLOUDWATCH: &[&[u8]] = &[
    b"messageType",
    b"owner",
    b"logGroup",
    b"logStream",
    b"subscriptionFilters",
    b"logEvents",
    b"policyLevel",
];
const OF_DELIVERY: &[&[u8]] = &[b"message", b"subscription", b"ackId", b"deliveryAttempt"];
const OF_MESSAGE: &[&[u8]] = &[
    b"data",
    b"attributes",
    b"messageId",
    b"message_id",
    b"publishTime",
    b"publish_time",
    b"orderingKey",
    b"ordering_key",
    b"@type",
];
/// With which a CloudEvent may begin.
const OF_CLOUD_EVENT: &[&[u8]] =
    &[b"specversion", b"type", b"id", b"source", b"time", b"datacontenttype", b"data"];
const OF_EVENT_LIST: &[&[u8]] = &[b"kind", b"apiVersion", b"metadata", b"items"];
/// A page of a list. An event that has `data` and more says nothing of a next page.
const OF_PAGE: &[&[u8]] = &[b"object", b"data", b"first_id", b"last_id", b"has_more"];
const OF_TABLES: &[&[u8]] = &[b"tables", b"error", b"statistics", b"render"];
const OF_OTLP: &[&[u8]] = &[b"resourceSpans", b"resourceLogs"];
const OF_INSIGHTS: &[&[u8]] = &[b"results", b"statistics", b"status", b"encryptionKey", b"queryLanguage"];

impl<'b> Members<'b> {
    /// Whether nothing but these stands in the object.
    fn are(&self, known: &[&[u8]]) -> bool {
        self.keys.iter().all(|key| known.contains(key))
    }

    /// Whether the object is a page whose `data` are objects, or nothing.
    fn is_page(&self, bytes: &[u8], data: &Range<usize>) -> bool {
        let holds_objects = bytes.get(data.start) == Some(&b'[')
            && matches!(bytes.get(skip_whitespace(bytes, data.start + 1)), Some(b'{' | b']'));
        holds_objects && self.keys.contains(&&b"has_more"[..]) && self.are(OF_PAGE)
    }

    fn note(&mut self, key: &'b [u8], bytes: &[u8], value: Range<usize>, first: bool) {
        self.keys.push(key);
        match key {
            b"messageType" => self.message_type = Some(value),
            b"logEvents" => self.log_events = Some(value),
            b"detail" => self.detail = Some(value),
            b"detail-type" => self.detail_type = Some(value),
            b"source" => self.source = true,
            b"CloudTrailEvent" => self.event_text = Some(value),
            b"message" => self.message = Some(value),
            b"data" => self.data = Some(value),
            b"messageId" | b"message_id" | b"publishTime" | b"publish_time" => self.of_message = true,
            b"protoPayload" => self.payload = bytes.get(value.start) == Some(&b'{'),
            b"kind" => self.kind = Some(value),
            b"items" => self.items = Some(value),
            b"tables" => self.rebuilt = Some(super::log_analytics::rows),
            b"results" => self.rebuilt = Some(super::insights::rows),
            b"resourceSpans" | b"resourceLogs" => self.rebuilt = Some(super::otlp::records),
            _ if is_array_key(key) && bytes.get(value.start) == Some(&b'[') => {
                self.array_is_first |= first;
                self.listed |= LISTED.contains(&key);
                self.arrays.push(value);
                return;
            }
            _ if is_metadata(key) => return,
            _ => {}
        }
        self.only_metadata = false;
    }
}

/// The elements of an array.
fn elements(bytes: &[u8], open: usize, inner: &mut Vec<Inner>) {
    each_element(bytes, open, |element| inner.push(element));
}

/// The messages of a CloudWatch Logs subscription; one that is not there is bad by itself.
fn messages(bytes: &[u8], events: &Range<usize>, inner: &mut Vec<Inner>) -> Shape {
    if bytes.get(events.start) != Some(&b'[') {
        return Shape::Event;
    }
    each_element(bytes, events.start, |element| {
        inner.push(match element {
            Inner::Value(range) => match last_member(bytes, range.start, b"message") {
                Some(text) if bytes.get(text.start) == Some(&b'"') => Inner::Text(text),
                _ => Inner::Bad(range, Cause::NotJson),
            },
            other => other,
        });
    });
    Shape::Envelope
}

/// Where the value of a key stands in an object: of equal keys the last one's.
pub(super) fn last_member(bytes: &[u8], open: usize, key: &[u8]) -> Option<Range<usize>> {
    if bytes.get(open) != Some(&b'{') {
        return None;
    }
    let mut found = None;
    let mut at = skip_whitespace(bytes, open + 1);
    while *bytes.get(at)? != b'}' {
        let key_end = skip_value(bytes, at).ok()?;
        let is_it = bytes.get(at + 1..key_end - 1) == Some(key) && bytes.get(at) == Some(&b'"');
        at = skip_whitespace(bytes, key_end);
        if *bytes.get(at)? != b':' {
            return None;
        }
        at = skip_whitespace(bytes, at + 1);
        let end = skip_value(bytes, at).ok()?;
        if is_it {
            found = Some(at..end);
        }
        at = skip_whitespace(bytes, end);
        if bytes.get(at) == Some(&b',') {
            at = skip_whitespace(bytes, at + 1);
        }
    }
    found
}

/// Calls back with each element of an array that is whole; what follows a flaw, or stands beyond
/// [`MAX_ENVELOPE_ELEMENTS`], is one bad thing.
fn each_element(bytes: &[u8], open: usize, mut take: impl FnMut(Inner)) {
    let mut at = skip_whitespace(bytes, open + 1);
    let mut taken = 0;
    loop {
        match bytes.get(at) {
            None | Some(b']') => return,
            Some(b',') if taken >= MAX_ENVELOPE_ELEMENTS => {
                return take(Inner::Bad(at + 1..bytes.len(), Cause::TooLarge));
            }
            Some(b',') => at = skip_whitespace(bytes, at + 1),
            Some(_) => match skip_value(bytes, at) {
                Ok(end) => {
                    take(Inner::Value(at..end));
                    taken += 1;
                    at = skip_whitespace(bytes, end);
                }
                Err(error) => return take(Inner::Bad(at..bytes.len(), Cause::from(&error))),
            },
        }
    }
}

#[cfg(test)]
mod tests;
