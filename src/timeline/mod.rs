//! What one actor, key, session, address or resource did, in order.
//!
//! In: an archive that is asked, an entity, a stretch of time, alerts. Out: a [`Timeline`]: its events, joined
//! across the sessions that they opened and were opened by ([`links`]), with marks for what was new and for
//! alerts, and a [`Summary`]. [`fold`] makes runs of what was done again and again.

pub mod fold;
mod links;
mod summary;

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use virga_archive::sql::{OutputForm, OutputWriter, Session};

pub use links::Link;
pub use summary::Summary;

use crate::commands::Failure;
use crate::commands::query::told;

/// Events of one timeline: a person reads some hundred lines, and memory holds so many.
pub const MAX_EVENTS: usize = 200_000;

/// Values of one `IN (…)`: the text of a query is bounded.
const CHUNK: usize = 500;

/// Principals whose past is looked at for what was new to them, those that come first: for each `CHUNK` of them the
/// archive is read once. How many are left is said.
pub const MAX_PRINCIPALS: usize = 5_000;

/// Whose timeline.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A principal, by its whole name or its short one, or by the name of its session.
    Actor,
    /// A source address.
    Ip,
    /// A session, by its id or name.
    Session,
    /// Something that was acted on.
    Resource,
    /// A credential.
    Key,
}

impl Kind {
    /// Its word.
    pub fn word(self) -> &'static str {
        match self {
            Self::Actor => "actor",
            Self::Ip => "ip",
            Self::Session => "session",
            Self::Resource => "resource",
            Self::Key => "key",
        }
    }

    /// The columns that hold it.
    fn columns(self) -> &'static [&'static str] {
        match self {
            // who stands behind an impersonated account is that account's `invoked_by`
            Self::Actor => &["principal", "principal_name", "session_name", "invoked_by"],
            Self::Ip => &["src_ip"],
            Self::Session => &["session_id", "session_name", "credential_id"],
            Self::Resource => &["target", "target_container", "target_user"],
            Self::Key => &["credential_id", "session_id"],
        }
    }

    /// Whether what its events opened is its own doing.
    fn follows(self) -> bool {
        self != Self::Resource
    }
}

/// An event of a timeline.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, Serialize)]
#[serde(default)]
pub struct Event {
    /// What it is known by.
    pub event_id: String,
    /// Microseconds since 1970.
    pub time: i64,
    /// Its log source.
    pub source: String,
    /// Who acted.
    pub principal: Option<String>,
    /// The session's name.
    pub session_name: Option<String>,
    /// The session.
    pub session_id: Option<String>,
    /// The credential.
    pub credential_id: Option<String>,
    /// Who stands behind it.
    pub invoked_by: Option<String>,
    /// From where.
    pub src_ip: Option<String>,
    /// The region.
    pub region: Option<String>,
    /// The account.
    pub account: Option<String>,
    /// The service.
    pub service: Option<String>,
    /// What was called.
    pub action: Option<String>,
    /// How it went.
    pub outcome: Option<String>,
    /// Why it failed.
    pub error_code: Option<String>,
    /// What was acted on.
    pub target: Option<String>,
    /// What joins logs of one call.
    pub correlation_uid: Option<String>,
    /// The credential that it handed out.
    pub issued: Option<String>,
    /// How it came into the timeline, where not by the entity itself.
    pub via: Option<String>,
    /// What was first seen of its principal with it.
    pub first_seen: Vec<String>,
    /// Alerts that it belongs to.
    pub alerts: Vec<Mark>,
}

/// An alert on an event.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Deserialize, Serialize)]
pub struct Mark {
    /// The alert.
    pub alert_id: String,
    /// Its rule.
    pub title: String,
    /// Its level.
    pub level: Option<String>,
}

/// What was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// What kind of entity.
    pub kind: Kind,
    /// Its name.
    pub value: String,
    /// The first moment, and the first behind the last; microseconds since 1970.
    pub range: (Option<i64>, Option<i64>),
    /// How many events, the earliest.
    pub most: usize,
}

/// What an entity did.
#[derive(Debug)]
pub struct Timeline {
    /// In order of time.
    pub events: Vec<Event>,
    /// Credentials that were handed out.
    pub links: Vec<Link>,
    /// There were more events than a timeline holds: the later ones are left out.
    pub is_cut: bool,
    /// Principals of which was not looked what was new to them.
    pub unmarked: usize,
}

/// An archive that is asked for one timeline.
struct Asking<'a> {
    session: &'a Session,
    wanted: &'a Wanted,
    events: Vec<Event>,
    known: HashSet<Known>,
    /// Credentials that were handed out before the range.
    handed_out: BTreeSet<String>,
    is_cut: bool,
    unmarked: usize,
}

/// What tells events apart: one id may be that of two records.
type Known = (String, String, i64, Option<String>, Option<String>, Option<String>);

/// A text as SQL writes it.
pub(crate) fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// Calls that hand out credentials, and where CloudTrail says which.
const ISSUING: &str = "source = 'aws.cloudtrail' AND action IN ('AssumeRole', 'AssumeRoleWithSAML', \
     'AssumeRoleWithWebIdentity', 'AssumeRoot', 'GetSessionToken', 'GetFederationToken', 'CreateAccessKey')";

const ISSUED: &str = "coalesce(json_get_str(raw, 'responseElements', 'credentials', 'accessKeyId'), \
     json_get_str(raw, 'responseElements', 'accessKey', 'accessKeyId'))";

/// Makes a timeline.
pub async fn make(
    session: &Session,
    wanted: &Wanted,
    alerts: &[serde_json::Value],
) -> Result<Timeline, Failure> {
    let mut asking = Asking {
        session,
        wanted,
        events: Vec::new(),
        known: HashSet::new(),
        handed_out: BTreeSet::new(),
        is_cut: false,
        unmarked: 0,
    };
    let own: Vec<String> =
        wanted.kind.columns().iter().map(|column| format!("{column} IN ({})", asking.spellings())).collect();
    asking.fetch(&own.join(" OR "), None).await?;
    if wanted.kind.follows() {
        asking.find_handed_out(&own.join(" OR ")).await?;
        asking.follow_sessions().await?;
        asking.find_origins().await?;
        asking.join_correlated().await?;
    }
    asking.mark_first_seen().await?;
    asking.mark_alerts(alerts).await?;
    let links = links::of(&asking.events);
    Ok(Timeline { links, is_cut: asking.is_cut, unmarked: asking.unmarked, events: asking.events })
}

/// The rows of a query.
async fn rows<T: DeserializeOwned>(session: &Session, sql: &str) -> Result<Vec<T>, Failure> {
    let mut answer = session.run(sql).await.map_err(|error| told(sql, &error))?;
    let mut text = Vec::new();
    let failure = |error: virga_archive::sql::OutputError| Failure::Message(error.to_string());
    let mut writer = OutputWriter::new(OutputForm::Ndjson, &answer.schema(), &mut text).map_err(failure)?;
    while let Some(batch) = answer.next().await.map_err(|error| told(sql, &error))? {
        writer.write(&batch).map_err(failure)?;
    }
    writer.finish().map_err(failure)?;
    let lines = text.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
    let row =
        |line| serde_json::from_slice(line).map_err(|error| Failure::Message(format!("a row: {error}")));
    lines.map(row).collect()
}

impl Event {
    fn known(&self) -> Known {
        let Self { source, event_id, time, action, error_code, target, .. } = self;
        (source.clone(), event_id.clone(), *time, action.clone(), error_code.clone(), target.clone())
    }
}

impl Asking<'_> {
    /// The name as it was given, and in lower case as directories write it.
    fn spellings(&self) -> String {
        let (value, lower) = (&self.wanted.value, self.wanted.value.to_lowercase());
        match *value == lower {
            true => quoted(value),
            false => format!("{}, {}", quoted(value), quoted(&lower)),
        }
    }

    fn within(&self) -> String {
        let (from, to) = self.wanted.range;
        let bound = |sign: &str, time: i64| format!(" AND time {sign} {}", moment(time));
        let from = from.map(|time| bound(">=", time)).unwrap_or_default();
        from + &to.map(|time| bound("<", time)).unwrap_or_default()
    }

    /// Adds the events that a condition holds for and that are not there yet. Of all that are there then, the earliest
    /// stay.
    async fn fetch(&mut self, condition: &str, via: Option<&str>) -> Result<(), Failure> {
        let most = self.wanted.most;
        let mut from: Option<i64> = None;
        loop {
            let behind = from.map(|time| format!(" AND time >= {}", moment(time))).unwrap_or_default();
            let sql = format!(
                "SELECT event_id, CAST(time AS BIGINT) AS time, source, principal, session_name, session_id, \
                 credential_id, invoked_by, src_ip, region, account, service, action, outcome, error_code, target, \
                 correlation_uid, CASE WHEN {ISSUING} THEN {ISSUED} END AS issued FROM events \
                 WHERE ({condition}){}{behind} ORDER BY time, event_id LIMIT {}",
                self.within(),
                most + 1
            );
            let found: Vec<Event> = rows(self.session, &sql).await?;
            let last = if found.len() > most { found.last().map(|event| event.time) } else { None };
            for mut event in found {
                if self.known.insert(event.known()) {
                    event.via = via.map(str::to_owned);
                    self.events.push(event);
                }
            }
            self.keep_earliest();
            // further rows lie there; some of these may have been known, or lie there twice
            let Some(last) = last else { return Ok(()) };
            let is_full =
                self.events.len() == most && self.events.last().is_none_or(|event| event.time <= last);
            if is_full || from == Some(last) {
                self.is_cut = true;
                return Ok(());
            }
            from = Some(last);
        }
    }

    /// Puts the events in order, and lets go of those that are too many.
    fn keep_earliest(&mut self) {
        self.events.sort_by(|a, b| (a.time, &a.event_id).cmp(&(b.time, &b.event_id)));
        self.is_cut |= self.events.len() > self.wanted.most;
        self.events.truncate(self.wanted.most);
    }

    /// Which values a principal had first when, in the whole archive up to the end of the range.
    async fn mark_first_seen(&mut self) -> Result<(), Failure> {
        #[derive(Deserialize)]
        struct First {
            principal: String,
            kind: String,
            value: String,
            first: i64,
        }
        let mut seen = HashSet::new();
        let principals: Vec<String> = self
            .events
            .iter()
            .filter_map(|event| event.principal.as_deref())
            .filter(|name| seen.insert(*name))
            .map(quoted)
            .collect();
        self.unmarked = principals.len().saturating_sub(MAX_PRINCIPALS);
        let until = self.wanted.range.1.map(|to| format!(" AND time < {}", moment(to))).unwrap_or_default();
        let mut open: HashMap<(String, String, String), i64> = HashMap::new();
        for names in principals.chunks(CHUNK).take(MAX_PRINCIPALS / CHUNK) {
            let names = names.join(", ");
            let parts: Vec<String> = FIRSTS
                .iter()
                .map(|(kind, column)| {
                    format!(
                        "SELECT principal, '{kind}' AS kind, {column} AS value, CAST(min(time) AS BIGINT) AS first \
                         FROM events WHERE principal IN ({names}) AND {column} IS NOT NULL{until} \
                         GROUP BY principal, {column}"
                    )
                })
                .collect();
            let firsts: Vec<First> = rows(self.session, &parts.join(" UNION ALL ")).await?;
            let mut began: HashMap<&str, i64> = HashMap::new();
            for first in &firsts {
                let time = began.entry(&first.principal).or_insert(first.first);
                *time = (*time).min(first.first);
            }
            // with a principal's first event everything is new, and nothing is said by that
            let new = firsts.iter().filter(|first| began.get(first.principal.as_str()) != Some(&first.first));
            open.extend(new.map(|first| {
                ((first.principal.clone(), first.kind.clone(), first.value.clone()), first.first)
            }));
        }
        for event in &mut self.events {
            let Some(principal) = event.principal.clone() else { continue };
            for (kind, _) in FIRSTS {
                let value = match *kind {
                    "service" => &event.service,
                    "region" => &event.region,
                    "address" => &event.src_ip,
                    _ => &event.action,
                };
                let Some(value) = value.as_deref() else { continue };
                let key = (principal.clone(), (*kind).to_owned(), value.to_owned());
                if open.get(&key) == Some(&event.time) {
                    open.remove(&key);
                    event.first_seen.push((*kind).to_owned());
                }
            }
        }
        Ok(())
    }

    /// Alerts of the archive and of a file, by the events that they rest on.
    async fn mark_alerts(&mut self, given: &[serde_json::Value]) -> Result<(), Failure> {
        #[derive(Deserialize)]
        struct Stored {
            alert: String,
        }
        let (first, last) = match (self.events.first(), self.events.last()) {
            (Some(first), Some(last)) => (first.time, last.time),
            _ => return Ok(()),
        };
        // an alert on an event here reaches into the stretch that the events span
        let sql = format!(
            "SELECT alert FROM alerts WHERE alert IS NOT NULL AND coalesce(last_seen, time) >= {} \
             AND coalesce(first_seen, time) <= {}",
            moment(first),
            moment(last)
        );
        let stored: Vec<Stored> = rows(self.session, &sql).await?;
        let stored = stored.iter().filter_map(|row| serde_json::from_str(&row.alert).ok());
        let mut marks: HashMap<String, BTreeSet<Mark>> = HashMap::new();
        for alert in stored.chain(given.iter().cloned()) {
            for (event, mark) in marks_of(&alert) {
                marks.entry(event).or_default().insert(mark);
            }
        }
        for event in &mut self.events {
            let own = marks.get(&event.event_id).cloned().unwrap_or_default();
            // one alert may stand in the archive and in a file, in two revisions
            let by_id: BTreeMap<String, Mark> =
                own.into_iter().map(|mark| (mark.alert_id.clone(), mark)).collect();
            event.alerts = by_id.into_values().collect();
        }
        Ok(())
    }
}

/// What may be new of a principal, and its column.
const FIRSTS: &[(&str, &str)] =
    &[("service", "service"), ("region", "region"), ("address", "src_ip"), ("action", "action")];

/// A moment as SQL writes it.
pub(crate) fn moment(micros: i64) -> String {
    // a literal would be of nanoseconds, which end in the year 2262
    format!("arrow_cast({micros}, 'Timestamp(Microsecond, Some(\"UTC\"))')")
}

/// The events that an alert rests on.
fn marks_of(alert: &serde_json::Value) -> Vec<(String, Mark)> {
    let text = |value: &serde_json::Value| value.as_str().map(str::to_owned);
    let rule = &alert["rule"];
    let Some(title) = text(&rule["title"]) else { return Vec::new() };
    let mark =
        Mark { alert_id: text(&alert["alert_id"]).unwrap_or_default(), title, level: text(&rule["level"]) };
    let events = alert["events"].as_array().into_iter().flatten();
    events.filter_map(|event| Some((text(&event["event_id"])?, mark.clone()))).collect()
}
