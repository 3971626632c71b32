//! The alert: its identity, its JSON, its OCSF form.
//!
//! In: a rule and an event that it matches. Out: an [`Alert`]. Its id is a hash of what it is about
//! and of nothing else, so that the same event read twice gives the same id, and whoever receives
//! alerts can drop the second. `H128(a, b, …)` is the first 128 bits of the BLAKE3 hash of its parts,
//! each behind its length in bytes (64 bits, little-endian), in hexadecimal.

use std::sync::Arc;

use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::event::Origin;
pub use crate::shown::{Described, Fields};
use crate::sigma::{Correlation, Level, Rule, Suppress};

/// Version of OCSF that [`Alert::to_ocsf`] follows.
pub const OCSF_VERSION: &str = "1.8.0";

/// What the engine raises.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Alert {
    /// What it is known by, in every run.
    pub alert_id: String,
    /// 0 at first, more when an update replaces it.
    pub revision: u32,
    /// What kind of rule raised it.
    pub kind: AlertKind,
    /// The rule: one of them for all its alerts.
    pub rule: Arc<AlertRule>,
    /// Event time, RFC 3339 in UTC.
    pub time: String,
    /// Time of the first event.
    pub first_seen: String,
    /// Time of the last event.
    pub last_seen: String,
    /// What its events have in common.
    pub group: Map<String, Value>,
    /// How many events it stands for.
    pub count: u64,
    /// The events.
    pub events: Vec<Evidence>,
    /// What the rule's `fields` and the canonical columns hold.
    pub fields: Fields,
    /// The alert of the same group in the bucket of time before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub continues: Option<String>,
    /// The rule's own keys.
    #[serde(skip_serializing_if = "Map::is_empty")]
    pub custom: Map<String, Value>,
}

/// What kind of rule raised an alert.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum AlertKind {
    /// A rule on single events.
    Detection,
    /// A rule on several events.
    Correlation,
    /// The engine itself: something had to be given up, and alerts may be missing.
    Degraded,
}

/// What an alert says of its rule.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct AlertRule {
    /// Its id, else its name, else file and document.
    pub id: String,
    /// Its title.
    pub title: String,
    /// Its level.
    pub level: Option<&'static str>,
    /// Its status.
    pub status: Option<String>,
    /// Its tags.
    pub tags: Vec<String>,
    /// Its file.
    pub file: String,
}

/// An event that an alert rests on.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Evidence {
    /// The event's natural id.
    pub event_id: String,
    /// Its time, RFC 3339 in UTC.
    pub time: String,
    /// Its source.
    pub source: String,
    /// Where it was read.
    pub origin: Origin,
}

/// 128 bits that stand for a list of texts, in hexadecimal.
pub fn hash128(parts: &[&str]) -> String {
    format!("{:032x}", number128(parts))
}

/// The number that an id is: to be kept where there are very many.
pub fn number_of_id(alert_id: &str) -> u128 {
    // a text that is no id of ours is not to be taken for another one: that would silence an alert
    u128::from_str_radix(alert_id, 16).unwrap_or_else(|_| number128(&[alert_id]))
}

/// The same 128 bits as a number.
fn number128(parts: &[&str]) -> u128 {
    let length: usize = parts.iter().map(|part| part.len() + 8).sum();
    // one text at once: a hasher that takes pieces costs more than to hash so few bytes
    let mut text = Vec::with_capacity(length);
    for part in parts {
        text.extend_from_slice(&(part.len() as u64).to_le_bytes());
        text.extend_from_slice(part.as_bytes());
    }
    let hash = blake3::hash(&text);
    hash.as_bytes().iter().take(16).fold(0, |number, byte| number << 8 | u128::from(*byte))
}

/// Microseconds since 1970 as RFC 3339 in UTC, with as many digits as it needs.
pub fn show_time(micros: i64) -> String {
    match chrono::DateTime::from_timestamp_micros(micros) {
        Some(time) => time.to_rfc3339_opts(chrono::SecondsFormat::AutoSi, true),
        None => micros.to_string(),
    }
}

/// The id of an alert on a single event.
pub fn detection_id(tenant: &str, rule: &str, event_id: &str) -> String {
    hash128(&["det", tenant, rule, event_id])
}

/// The same id as a number.
pub fn detection_number(tenant: &str, rule: &str, event_id: &str) -> u128 {
    number128(&["det", tenant, rule, event_id])
}

/// The id that equal events of one bucket of time share, where a rule is suppressed. `values` are
/// those of the fields that it is suppressed by.
pub fn suppressed_id(tenant: &str, rule: &str, values: &[String], suppress: &Suppress, time: i64) -> String {
    let bucket = time.div_euclid(suppress.bucket).to_string();
    let mut parts = vec!["sup", tenant, rule];
    parts.extend(values.iter().map(String::as_str));
    parts.push(&bucket);
    hash128(&parts)
}

impl AlertRule {
    /// What an alert says of a correlation.
    pub fn of_correlation(rule: &Correlation) -> Self {
        Self {
            id: rule.key(),
            title: rule.title.clone(),
            level: rule.level.map(Level::word),
            status: rule.status.clone(),
            tags: rule.tags.clone(),
            file: rule.file.name.clone(),
        }
    }

    /// What an alert says of a rule.
    pub fn of(rule: &Rule) -> Self {
        Self {
            id: rule.key(),
            title: rule.title.clone(),
            level: rule.level.map(Level::word),
            status: rule.status.clone(),
            tags: rule.tags.clone(),
            file: rule.file.name.clone(),
        }
    }
}

impl Alert {
    /// The alert as an OCSF Detection Finding (class 2004).
    pub fn to_ocsf(&self) -> Value {
        let (severity_id, severity) = match self.rule.level {
            Some("informational") => (1, "Informational"),
            Some("low") => (2, "Low"),
            Some("medium") => (3, "Medium"),
            Some("high") => (4, "High"),
            Some("critical") => (5, "Critical"),
            _ => (0, "Unknown"),
        };
        json!({
            "class_uid": 2004, "class_name": "Detection Finding",
            "category_uid": 2, "category_name": "Findings",
            "activity_id": 1, "activity_name": "Create", "type_uid": 200_401,
            "severity_id": severity_id, "severity": severity,
            "status_id": 1, "status": "New",
            "time": epoch_millis(&self.time),
            "start_time": epoch_millis(&self.first_seen), "end_time": epoch_millis(&self.last_seen),
            "count": self.count,
            "metadata": {
                "version": OCSF_VERSION, "uid": self.alert_id,
                "product": {"name": "Virga", "vendor_name": "Virga", "version": env!("CARGO_PKG_VERSION")},
            },
            "finding_info": {
                "uid": self.alert_id, "title": self.rule.title,
                "first_seen_time": epoch_millis(&self.first_seen),
                "last_seen_time": epoch_millis(&self.last_seen),
                "analytic": {"uid": self.rule.id, "name": self.rule.title, "type_id": 1, "type": "Rule"},
                "related_events": self.events.iter().map(|event| json!({"uid": event.event_id})).collect::<Value>(),
                "attacks": self.attacks(),
            },
            "evidences": [{"data": {"columns": self.ocsf_columns()}}],
            "unmapped": {"fields": self.fields, "events": self.events, "group": self.group, "custom": self.custom},
        })
    }

    /// ATT&CK and ATLAS techniques among the tags.
    fn attacks(&self) -> Value {
        let technique = |tag: &String| {
            let tag = tag.to_lowercase();
            let (framework, id) = tag.split_once('.')?;
            let is_technique = match framework {
                "attack" => {
                    id.strip_prefix('t').is_some_and(|id| id.starts_with(|c: char| c.is_ascii_digit()))
                }
                "atlas" => id.starts_with("aml.t"),
                _ => false,
            };
            is_technique.then(|| json!({"technique": {"uid": id.to_uppercase()}}))
        };
        self.rule.tags.iter().filter_map(technique).collect()
    }

    /// The canonical columns under their OCSF names, where they have one.
    fn ocsf_columns(&self) -> Value {
        let named = self.fields.iter().filter_map(|(name, value)| {
            let column = crate::event::column(name).filter(|column| !column.ocsf.is_empty())?;
            Some((column.ocsf.to_owned(), value.into_owned()))
        });
        Value::Object(named.collect())
    }
}

fn epoch_millis(time: &str) -> Option<i64> {
    chrono::DateTime::parse_from_rfc3339(time).ok().map(|time| time.timestamp_millis())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_depends_on_its_parts_and_on_where_they_end() {
        assert_eq!(detection_id("", "rule", "event"), detection_id("", "rule", "event"));
        assert_ne!(hash128(&["ab", "c"]), hash128(&["a", "bc"]));
        assert_eq!(hash128(&["a"]).len(), 32);
        assert_eq!(number_of_id(&hash128(&["a"])), number128(&["a"]));
    }

    #[test]
    fn buckets_are_aligned_to_the_epoch_also_before_it() {
        let hour = Suppress { by: Vec::new(), bucket: 3_600_000_000 };
        let id = |time: i64| suppressed_id("", "r", &[], &hour, time);
        assert_eq!(id(0), id(3_599_999_999));
        assert_ne!(id(0), id(3_600_000_000));
        assert_ne!(id(0), id(-1));
    }

    #[test]
    fn times_show_the_digits_that_they_have() {
        assert_eq!(show_time(1_700_000_000_000_000), "2023-11-14T22:13:20Z");
        assert_eq!(show_time(1_700_000_000_000_001), "2023-11-14T22:13:20.000001Z");
    }
}
