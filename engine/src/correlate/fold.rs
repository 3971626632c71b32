//! One group in event-time order: its type's state, and the alerts that its matches make.
//!
//! In: one time after the other with all its hits. Out: alerts, one for each bucket of time in which there
//! is a match, and the matches themselves for correlations that stand on this one.
//!
//! What an alert says depends on the hits alone: `time` is that of its first match, `first_seen` that of
//! the earliest event that made it, `last_seen` that of the last match. `count` is the number of events
//! that made the first match and, of sliding types, of all that came to the group from then to the last.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::hit::{Hit, Seen, events_in};
use super::kinds::{Contribution, Kind, Match};
use super::words::Word;
use crate::limits::MAX_EVIDENCE;

/// How matches become alerts.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Folding {
    /// The length of a bucket in microseconds, aligned to 1970: one alert a bucket.
    pub bucket: i64,
    /// Correlations stand on this one and want its matches.
    pub feeds: bool,
    /// They want to know more of its events than their group. Which events make a match is certain only when
    /// all of them are there, so that matches are passed on then and not before.
    pub carries: bool,
    /// Some of them show its events beside their own, or ask what those carry.
    pub shows: bool,
    /// It raises alerts of its own; what only feeds others needs none.
    pub tells: bool,
    /// How long after a match another may rest on the same events.
    pub memory: i64,
}

impl Folding {
    /// Until when it must be known that there was an alert in a bucket: the next one continues it, and the
    /// events that made it may make another.
    fn known_until(self, bucket: i64) -> i64 {
        let end = bucket.saturating_add(1).saturating_mul(self.bucket);
        end.saturating_add(self.bucket.max(self.memory))
    }
}

/// A group.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(bound = "S: Serialize + serde::de::DeserializeOwned")]
pub(crate) struct Fold<S> {
    pub state: S,
    /// Most groups have none.
    alerts: Option<Box<Alerts>>,
}

impl<S: Default> Default for Fold<S> {
    fn default() -> Self {
        Self { state: S::default(), alerts: None }
    }
}

/// What of a group an alert is about: its bucket and term.
pub(crate) type OpenKey = (i64, Option<Box<str>>);

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Alerts {
    open: BTreeMap<OpenKey, Body>,
    /// The bucket of the last alert.
    last: Option<i64>,
}

/// What an alert says.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Body {
    pub bucket: i64,
    pub term: Option<Box<str>>,
    pub time: i64,
    pub first_seen: i64,
    pub last_seen: i64,
    pub count: u64,
    /// Events since the last match: they count when another comes.
    since: u64,
    pub seen: Vec<Seen>,
    #[serde(with = "as_text")]
    pub fields: Map<String, Value>,
    /// The bucket before has an alert too.
    pub continues: bool,
}

/// JSON in a format that does not describe itself.
mod as_text {
    use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};
    use serde_json::{Map, Value};

    pub fn serialize<S: Serializer>(fields: &Map<String, Value>, serializer: S) -> Result<S::Ok, S::Error> {
        serde_json::to_string(fields).map_err(serde::ser::Error::custom)?.serialize(serializer)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Map<String, Value>, D::Error> {
        serde_json::from_str(&String::deserialize(deserializer)?).map_err(D::Error::custom)
    }
}

/// A match, for correlations that stand on this one.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct MatchPoint {
    pub time: i64,
    pub bucket: i64,
    pub term: Option<Box<str>>,
    /// The events that made it; of very many the first.
    pub seen: Vec<Seen>,
    /// Of types that look at texts, what each of those had there; nobody asks any more once it is passed on.
    #[serde(skip)]
    pub values: Vec<Word>,
}

/// What came of a step.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    /// Alerts that are new.
    pub opened: Vec<OpenKey>,
    /// Alerts to which nothing can be added any more.
    pub closed: Vec<Body>,
    pub instants: Vec<MatchPoint>,
}

/// How many events of each part an alert shows: no part is left out for another.
fn evidence(mut seen: Vec<Seen>) -> Vec<Seen> {
    if seen.len() > MAX_EVIDENCE {
        // the beginning and the end: where it came from, and what made it a match
        let tail = seen.split_off(seen.len() - MAX_EVIDENCE / 2);
        seen.truncate(MAX_EVIDENCE - tail.len());
        seen.extend(tail);
    }
    seen
}

impl<S> Fold<S> {
    /// Takes all hits of one time; later than all before it.
    pub fn tick<K: Kind<State = S>>(
        &mut self,
        kind: &K,
        how: Folding,
        hits: &[Hit<K::Detail>],
        out: &mut Outcome,
    ) {
        let Some(time) = hits.first().map(|hit| hit.seen.time) else { return };
        self.pass(kind, how, time.saturating_sub(1), out);
        let mut found = Vec::new();
        kind.tick(&mut self.state, time, hits, &mut found);
        if kind.is_sliding() {
            match found.is_empty() {
                true => self.count_between(time, hits, how),
                false => self.slide(kind, how, time, hits, out),
            }
        } else {
            self.take(found, how, out);
        }
    }

    /// Learns that no further hit is as old as `upto`.
    pub fn pass<K: Kind<State = S>>(&mut self, kind: &K, how: Folding, upto: i64, out: &mut Outcome) {
        let mut found = Vec::new();
        kind.pass(&mut self.state, upto, &mut found);
        self.take(found, how, out);
        let horizon = kind.horizon(&self.state, upto);
        self.close(how, horizon, out);
    }

    /// Events that come while an alert is open count once there is another match.
    fn count_between<D>(&mut self, time: i64, hits: &[Hit<D>], how: Folding) {
        if let Some(alerts) = &mut self.alerts
            && let Some(open) = alerts.open.get_mut(&(time.div_euclid(how.bucket), None))
        {
            open.since += events_in(hits);
        }
    }

    fn slide<K: Kind<State = S>>(
        &mut self,
        kind: &K,
        how: Folding,
        time: i64,
        hits: &[Hit<K::Detail>],
        out: &mut Outcome,
    ) {
        let bucket = time.div_euclid(how.bucket);
        let is_open = self.alerts.as_ref().is_some_and(|alerts| alerts.open.contains_key(&(bucket, None)));
        let opens = how.tells && !is_open;
        if how.feeds || opens {
            let contribution = (how.shows || opens).then(|| kind.contribution(&self.state, time, hits));
            self.take(vec![Match { time, term: None, adds: 0, contribution }], how, out);
        }
        if is_open
            && let Some(alerts) = &mut self.alerts
            && let Some(open) = alerts.open.get_mut(&(bucket, None))
        {
            open.last_seen = time;
            open.count += open.since + events_in(hits);
            open.since = 0;
            open.show(hits.iter().map(|hit| hit.seen));
        }
    }

    /// Puts matches into their alerts.
    fn take(&mut self, found: Vec<Match>, how: Folding, out: &mut Outcome) {
        for found in found {
            let bucket = found.time.div_euclid(how.bucket);
            let contribution = found.contribution.unwrap_or_default();
            if how.feeds {
                let (seen, values) = match how.shows {
                    true => (contribution.seen.clone(), contribution.values.clone()),
                    false => Default::default(),
                };
                out.instants.push(MatchPoint {
                    time: found.time,
                    bucket,
                    term: found.term.clone(),
                    seen,
                    values,
                });
            }
            if !how.tells {
                continue;
            }
            let alerts = self.alerts.get_or_insert_default();
            let about = (bucket, found.term.clone());
            match alerts.open.get_mut(&about) {
                Some(open) => {
                    open.last_seen = open.last_seen.max(found.time);
                    open.count += found.adds;
                    if found.adds > 0 {
                        open.show(contribution.seen.into_iter());
                    }
                }
                None => {
                    out.opened.push(about.clone());
                    alerts.open.insert(about, Body::new(bucket, found.time, found.term, contribution));
                }
            }
        }
    }

    /// Closes the alerts in whose buckets there can be no further match.
    fn close(&mut self, how: Folding, horizon: i64, out: &mut Outcome) {
        let Some(alerts) = &mut self.alerts else { return };
        let is_over =
            |bucket: i64| bucket.saturating_add(1).saturating_mul(how.bucket).saturating_sub(1) < horizon;
        while alerts.open.first_key_value().is_some_and(|((bucket, _), _)| is_over(*bucket)) {
            let Some((_, mut body)) = alerts.open.pop_first() else { break };
            body.continues = body.term.is_none() && alerts.last == Some(body.bucket - 1);
            alerts.last = Some(body.bucket);
            out.closed.push(body);
        }
        let forget = |last: i64| how.known_until(last) <= horizon;
        if alerts.open.is_empty() && alerts.last.is_none_or(forget) {
            self.alerts = None;
        }
    }

    /// Alerts that are not closed.
    pub fn open(&self) -> impl Iterator<Item = Body> + '_ {
        self.alerts.iter().flat_map(|alerts| alerts.open.keys()).filter_map(|about| self.open_body(about))
    }

    /// An alert that is not closed.
    pub fn open_body(&self, about: &OpenKey) -> Option<Body> {
        let alerts = self.alerts.as_ref()?;
        let body = alerts.open.get(about)?;
        let continues = body.term.is_none() && alerts.last == Some(body.bucket - 1);
        Some(Body { continues, ..body.clone() })
    }

    /// When [`Fold::pass`] has something to do, if ever.
    pub fn due<K: Kind<State = S>>(&self, kind: &K, how: Folding) -> Option<i64> {
        let end = |bucket: i64| bucket.saturating_add(1).saturating_mul(how.bucket).saturating_sub(1);
        let alert = self
            .alerts
            .as_ref()
            .and_then(|alerts| alerts.open.first_key_value().map(|((bucket, _), _)| end(*bucket)));
        let last = self.alerts.as_ref().and_then(|alerts| alerts.last);
        let last = last.map(|last| how.known_until(last).saturating_sub(1));
        [kind.due(&self.state), alert, last].into_iter().flatten().min()
    }

    /// Bytes held elsewhere.
    pub fn heap<K: Kind<State = S>>(&self, kind: &K) -> usize {
        let body = |body: &Body| {
            size_of::<Body>() + body.seen.capacity() * size_of::<Seen>() + body.fields.len() * 64
        };
        let alerts = self.alerts.as_ref().map_or(0, |a| 48 + a.open.values().map(body).sum::<usize>());
        kind.heap(&self.state) + alerts
    }

    pub fn mark<K: Kind<State = S>>(&self, kind: &K, see: &mut dyn FnMut(&Seen)) {
        kind.mark(&self.state, see);
        let open = self.alerts.iter().flat_map(|alerts| alerts.open.values());
        open.flat_map(|body| &body.seen).for_each(see);
    }
}

impl Body {
    /// Whether an alert with this body reads like one with the other.
    pub fn says_the_same(&self, other: &Self) -> bool {
        self == &Self { since: self.since, ..other.clone() }
    }

    fn new(bucket: i64, time: i64, term: Option<Box<str>>, contribution: Contribution) -> Self {
        let Contribution { mut seen, beside, count, fields, values: _ } = contribution;
        let first_seen = seen.first().map_or(time, |seen| seen.time);
        seen.extend(beside);
        seen.sort_unstable();
        seen.dedup();
        Self {
            bucket,
            term,
            time,
            first_seen,
            last_seen: time,
            count,
            since: 0,
            seen: evidence(seen),
            fields,
            continues: false,
        }
    }

    /// Shows further events, while there is room.
    fn show(&mut self, seen: impl Iterator<Item = Seen>) {
        for seen in seen {
            if self.seen.len() >= MAX_EVIDENCE {
                return;
            }
            // what the window after an earlier match reaches to comes later than this, and may be this
            if let Err(place) = self.seen.binary_search(&seen) {
                self.seen.insert(place, seen);
            }
        }
    }
}
