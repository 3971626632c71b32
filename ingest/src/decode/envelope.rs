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

use std::ops::Range;
use std::sync::OnceLock;

use memchr::memchr;
use memchr::memmem::Finder;
use virga_engine::json::{JsonErrorKind, Value, skip_value, skip_whitespace};

use super::carriers::carried;
use super::packed::{Allowance, carried_base64};
use crate::limits::{MAX_ENVELOPE_ELEMENTS, MAX_PREFIX_BYTES, MAX_REBUILT_BYTES};
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

/// But this is known by the key with which its first element begins (`filter-log-events`).
const TOLD_LIST: (&[u8], &[u8]) = (b"events", b"\"logStreamName\"");

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

/// What stands at the beginning of an input: an object whose first key holds the array of events, but for what
/// OData says of it (`@odata.context`)?
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Prefix {
    /// Yes; the first event stands so many bytes behind the beginning.
    Array(usize),
    /// So it seems, but an event may begin so: what stands behind the array tells.
    Perhaps(usize),
    /// No.
    Other,
    /// More bytes would tell.
    Unknown,
}

/// Looks for `{"Records":[{` (or its kin) at the beginning of the bytes.
pub(super) fn array_prefix(bytes: &[u8]) -> Prefix {
    let bytes = bytes.get(..MAX_PREFIX_BYTES).unwrap_or(bytes);
    match read_prefix(bytes) {
        Some(prefix) => prefix,
        None if bytes.len() >= MAX_PREFIX_BYTES => Prefix::Other,
        None => Prefix::Unknown,
    }
}

/// The same; `None` where the bytes end too early to tell.
fn read_prefix(bytes: &[u8]) -> Option<Prefix> {
    let mut at = skip_whitespace(bytes, 0);
    if *bytes.get(at)? != b'{' {
        return Some(Prefix::Other);
    }
    let mut is_first = true;
    loop {
        at = skip_whitespace(bytes, at + 1);
        if *bytes.get(at)? != b'"' {
            return Some(Prefix::Other);
        }
        let key = bytes.get(at + 1..)?;
        let Some(close) = memchr(b'"', key) else {
            return if key.len() > LONGEST_KEY { Some(Prefix::Other) } else { None };
        };
        let key = key.get(..close)?;
        at = skip_whitespace(bytes, at + close + 2);
        if *bytes.get(at)? != b':' {
            return Some(Prefix::Other);
        }
        at = skip_whitespace(bytes, at + 1);
        if !key.starts_with(ODATA) {
            return read_array(bytes, key, at, is_first);
        }
        is_first = false;
        at = match skip_value(bytes, at) {
            Ok(end) => skip_whitespace(bytes, end),
            Err(error) if error.kind == JsonErrorKind::Incomplete => return None,
            Err(_) => return Some(Prefix::Other),
        };
        if *bytes.get(at)? != b',' {
            return Some(Prefix::Other);
        }
    }
}

/// Whether the value of a key, the first of its object or not, is an array of events.
fn read_array(bytes: &[u8], key: &[u8], at: usize, is_first: bool) -> Option<Prefix> {
    let (list, first) = TOLD_LIST;
    if !ARRAY_KEYS.contains(&key) || (LISTED.contains(&key) && key != list) || *bytes.get(at)? != b'[' {
        return Some(Prefix::Other);
    }
    let at = skip_whitespace(bytes, at + 1);
    if *bytes.get(at)? != b'{' {
        return Some(Prefix::Other);
    }
    if key != list {
        return Some(if is_first { Prefix::Array(at) } else { Prefix::Perhaps(at) });
    }
    let begin = skip_whitespace(bytes, at + 1);
    let there = bytes.get(begin..)?;
    match there.get(..first.len()) {
        Some(there) if there == first => Some(Prefix::Perhaps(at)),
        None if first.starts_with(there) => None,
        _ => Some(Prefix::Other),
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
mod tests {
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

    #[test]
    fn the_beginning_of_a_streamed_array_is_known_as_soon_as_it_can_be() {
        let whole = "{ \"Records\" : [ {";
        assert_eq!(array_prefix(whole.as_bytes()), Prefix::Array(whole.len() - 1));
        for cut in 0..whole.len() {
            assert_eq!(array_prefix(&whole.as_bytes()[..cut]), Prefix::Unknown, "{}", &whole[..cut]);
        }
        let answer = "{\"@odata.context\":\"c\",\n \"@odata.count\":7,\"value\":[{";
        assert_eq!(array_prefix(answer.as_bytes()), Prefix::Perhaps(answer.len() - 1));
        for cut in 0..answer.len() {
            assert_eq!(array_prefix(&answer.as_bytes()[..cut]), Prefix::Unknown, "{}", &answer[..cut]);
        }
        let told = "{\"events\":[{\"logStreamName\"";
        assert_eq!(array_prefix(told.as_bytes()), Prefix::Perhaps(11));
        for cut in 0..told.len() {
            assert_eq!(array_prefix(&told.as_bytes()[..cut]), Prefix::Unknown, "{}", &told[..cut]);
        }
        for other in [
            "{\"Records\":[]",
            "{\"Records\":{",
            "{\"eventVersion\":[{",
            "[",
            "{}",
            "{\"recordsX\":[{",
            "{\"entries\":[{",
            "{\"events\":[{\"timestamp\"",
            "{\"@odata.context\":\"c\",\"id\":",
            "{\"@odata.context\":\"c\"}",
            "{\"@odata.context\":,",
        ] {
            assert_eq!(array_prefix(other.as_bytes()), Prefix::Other, "{other}");
        }
        assert_eq!(array_prefix(&vec![b' '; 1 << 20]), Prefix::Other);
    }
}
