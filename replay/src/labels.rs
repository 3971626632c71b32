//! Labels: which events and incidents are attacks, and what rules make of them.
//!
//! In: a YAML file, and alerts as they come. Out: precision, recall and time to detect, by rule and overall.
//!
//! ```yaml
//! events:
//! - id: 5d0f7a3e-…                      # an event that is an attack
//!   rules: [aws-root-usage]             # those that should tell of it; without: any
//! incidents:
//! - name: leaked key
//!   from: 2026-03-02T09:00:00Z
//!   to: 2026-03-02T11:00:00Z
//!   entity: {principal: 'arn:aws:iam::111122223333:user/build', src_ip: [192.0.2.7, 192.0.2.8]}
//! ```
//!
//! An alert is right if one of its events is labelled, or lies in an incident: within its time, and with one of
//! the values of every column of its entity.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use virga_engine::alert::Alert;
use virga_engine::diagnostic::SourceFile;
use virga_engine::event::column;
use virga_engine::sigma::yaml_to_json;

use crate::time::parse_moment;

/// What is known of the events.
#[derive(Debug, Default)]
pub struct Labels {
    events: Vec<LabelledEvent>,
    /// One event may be labelled more than once, for several rules.
    by_id: HashMap<String, Vec<usize>>,
    incidents: Vec<Incident>,
    /// The canonical columns that incidents speak of.
    pub columns: Vec<&'static str>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    events: Vec<LabelledEvent>,
    #[serde(default)]
    incidents: Vec<WrittenIncident>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct LabelledEvent {
    id: String,
    #[serde(default)]
    rules: Vec<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenIncident {
    name: String,
    from: String,
    to: String,
    entity: BTreeMap<String, Value>,
    #[serde(default)]
    rules: Vec<String>,
}

#[derive(Debug)]
struct Incident {
    name: String,
    from: i64,
    to: i64,
    entity: Vec<(&'static str, Vec<String>)>,
    rules: Vec<String>,
}

/// What of the labels an event is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Labelled {
    events: Vec<usize>,
    incidents: Vec<usize>,
}

impl Labelled {
    /// Whether it is an attack.
    pub fn is_attack(&self) -> bool {
        !(self.events.is_empty() && self.incidents.is_empty())
    }

    fn merge(&mut self, other: &Self) {
        self.events.extend(&other.events);
        self.incidents.extend(&other.incidents);
    }
}

impl Labels {
    /// Reads a file of labels.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(file: &Arc<SourceFile>) -> Result<Self, String> {
        let at = |error: &dyn std::fmt::Display| format!("{}: {error}", file.name);
        let mut labels = Self::default();
        for document in yaml_to_json(file).map_err(|error| error.to_string())? {
            let read: File = serde_json::from_value(document).map_err(|error| at(&error))?;
            for event in read.events {
                labels.by_id.entry(event.id.clone()).or_default().push(labels.events.len());
                labels.events.push(event);
            }
            for written in read.incidents {
                labels.incidents.push(incident(written).map_err(|error| at(&error))?);
            }
        }
        for name in labels.incidents.iter().flat_map(|incident| &incident.entity).map(|(name, _)| *name) {
            if !labels.columns.contains(&name) {
                labels.columns.push(name);
            }
        }
        Ok(labels)
    }

    /// The rules that labels name.
    pub fn rule_names(&self) -> impl Iterator<Item = &str> {
        let of_events = self.events.iter().flat_map(|event| &event.rules);
        of_events.chain(self.incidents.iter().flat_map(|incident| &incident.rules)).map(String::as_str)
    }

    /// Whether any names a rule, by what it may be called.
    pub fn name(&self, names: &[String]) -> bool {
        self.rule_names().any(|wanted| names.iter().any(|name| name.eq_ignore_ascii_case(wanted)))
    }

    /// The events that are labelled by their ids.
    pub fn event_ids(&self) -> impl Iterator<Item = &str> {
        self.events.iter().map(|event| event.id.as_str())
    }

    /// What an event is: `value` gives the canonical columns of [`Labels::columns`].
    pub fn of(&self, id: &str, time: i64, value: &dyn Fn(&str) -> Option<String>) -> Labelled {
        let holds = |incident: &Incident| {
            (incident.from..incident.to).contains(&time)
                && incident
                    .entity
                    .iter()
                    .all(|(name, wanted)| value(name).is_some_and(|value| wanted.contains(&value)))
        };
        let incidents = self.incidents.iter().enumerate().filter(|(_, incident)| holds(incident));
        Labelled {
            events: self.by_id.get(id).cloned().unwrap_or_default(),
            incidents: incidents.map(|(at, _)| at).collect(),
        }
    }
}

fn incident(written: WrittenIncident) -> Result<Incident, String> {
    let moment =
        |text: &str| parse_moment(text).map_err(|error| format!("incident `{}`: {error}", written.name));
    let (from, to) = (moment(&written.from)?, moment(&written.to)?);
    if from >= to || written.entity.is_empty() {
        return Err(format!("incident `{}` needs an entity, and a `to` behind its `from`", written.name));
    }
    let mut entity = Vec::new();
    for (name, values) in &written.entity {
        let known = column(name)
            .ok_or_else(|| format!("incident `{}`: `{name}` is no canonical column", written.name))?;
        let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        let values = match values {
            Value::Array(several) => several.iter().map(text).collect(),
            one => vec![text(one)],
        };
        entity.push((known.name, values));
    }
    Ok(Incident { name: written.name, from, to, entity, rules: written.rules })
}

/// What a rule, or a whole rule set, makes of the labels.
#[derive(Debug, Clone, Default)]
pub struct Scored {
    alerts: u64,
    right: u64,
    events: HashSet<usize>,
    /// By incident: the time of the first alert.
    incidents: BTreeMap<usize, i64>,
}

/// Precision, recall, time to detect.
#[derive(Debug, Clone, Serialize)]
pub struct Score {
    /// Alerts.
    pub alerts: u64,
    /// Alerts that are about an attack.
    pub right: u64,
    /// The share of alerts that are right; none where there are no alerts.
    pub precision: Option<f64>,
    /// Labelled events that should have been told of, and how many were.
    pub events: (u64, u64),
    /// Incidents that should have been told of, and how many were.
    pub incidents: (u64, u64),
    /// The share of labelled events and incidents that were told of; none where there are none.
    pub recall: Option<f64>,
    /// From the beginning of an incident to its first alert, in seconds, nothing where that began before: the
    /// middle one of those that were told of, of two the longer.
    pub time_to_detect: Option<f64>,
    /// Incidents that nothing told of.
    pub missed: Vec<String>,
}

impl Scored {
    /// Takes an alert on one event.
    pub fn detection(&mut self, labelled: &Labelled, time: i64) {
        self.alerts += 1;
        self.right += u64::from(labelled.is_attack());
        self.events.extend(&labelled.events);
        for incident in &labelled.incidents {
            let first = self.incidents.entry(*incident).or_insert(time);
            *first = (*first).min(time);
        }
    }

    /// Adds what another rule makes of them.
    pub fn add(&mut self, other: &Self) {
        self.alerts += other.alerts;
        self.right += other.right;
        self.events.extend(&other.events);
        for (incident, time) in &other.incidents {
            let first = self.incidents.entry(*incident).or_insert(*time);
            *first = (*first).min(*time);
        }
    }

    /// The figures. `rule` is one rule, by what labels may call it: then only labels count that name it, and
    /// those that name none where the rule found them.
    pub fn score(&self, labels: &Labels, rule: Option<&[String]>) -> Score {
        let is_asked = |rules: &[String], found: bool| match rule {
            None => true,
            Some(_) if rules.is_empty() => found,
            Some(names) => {
                rules.iter().any(|wanted| names.iter().any(|name| name.eq_ignore_ascii_case(wanted)))
            }
        };
        let (mut events, mut incidents) = ((0, 0), (0, 0));
        for (at, event) in labels.events.iter().enumerate() {
            let found = self.events.contains(&at);
            if is_asked(&event.rules, found) {
                events = (events.0 + 1, events.1 + u64::from(found));
            }
        }
        let (mut delays, mut missed) = (Vec::new(), Vec::new());
        for (at, incident) in labels.incidents.iter().enumerate() {
            let first = self.incidents.get(&at);
            if is_asked(&incident.rules, first.is_some()) {
                incidents = (incidents.0 + 1, incidents.1 + u64::from(first.is_some()));
                match first {
                    // what began before it and took in events of it told of it at once
                    Some(first) => delays.push((first - incident.from).max(0) as f64 / 1e6),
                    None => missed.push(incident.name.clone()),
                }
            }
        }
        delays.sort_by(f64::total_cmp);
        let share = |part: u64, whole: u64| (whole > 0).then(|| part as f64 / whole as f64);
        Score {
            alerts: self.alerts,
            right: self.right,
            precision: share(self.right, self.alerts),
            events,
            incidents,
            recall: share(events.1 + incidents.1, events.0 + incidents.0),
            time_to_detect: delays.get(delays.len() / 2).copied(),
            missed,
        }
    }
}

/// What is known of events that correlations may show as evidence.
#[derive(Debug, Default)]
pub struct Evidence {
    by_event: HashMap<String, Labelled>,
}

impl Evidence {
    /// Remembers an event that is an attack.
    pub fn remember(&mut self, id: &str, labelled: &Labelled) {
        if labelled.is_attack() && !self.by_event.contains_key(id) {
            self.by_event.insert(id.to_owned(), labelled.clone());
        }
    }

    /// What an alert on several events is about.
    pub fn of(&self, alert: &Alert) -> Labelled {
        let mut labelled = Labelled::default();
        let known = alert.events.iter().filter_map(|event| self.by_event.get(&event.event_id));
        known.for_each(|event| labelled.merge(event));
        for numbers in [&mut labelled.events, &mut labelled.incidents] {
            numbers.sort_unstable();
            numbers.dedup();
        }
        labelled
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Labels, String> {
        Labels::parse(&Arc::new(SourceFile { name: "labels.yml".into(), text: text.into() }))
    }

    const TEXT: &str = "
events:
- {id: e1}
- {id: e2, rules: [other]}
incidents:
- name: key
  from: 1970-01-01T00:00:10Z
  to: 1970-01-01T00:00:20Z
  entity: {principal: p, src_ip: [a, b]}
";

    #[test]
    fn an_event_is_an_attack_by_its_id_or_by_entity_and_time() {
        let labels = parse(TEXT).expect("labels");
        let of = |id: &str, second: i64, ip: &'static str| {
            let value = move |name: &str| Some(if name == "principal" { "p" } else { ip }.to_owned());
            labels.of(id, second * 1_000_000, &value).is_attack()
        };
        assert_eq!(
            [of("e1", 0, "x"), of("e9", 10, "a"), of("e9", 10, "x"), of("e9", 20, "a")],
            [true, true, false, false]
        );
    }

    #[test]
    fn precision_recall_and_time_to_detect_follow_from_alerts() {
        let labels = parse(TEXT).expect("labels");
        let value = |name: &str| Some(if name == "principal" { "p" } else { "b" }.to_owned());
        let mut scored = Scored::default();
        for (id, second) in [("e1", 0), ("x", 15), ("y", 12), ("z", 30)] {
            scored.detection(&labels.of(id, second * 1_000_000, &value), second * 1_000_000);
        }
        let all = scored.score(&labels, None);
        assert_eq!((all.alerts, all.right, all.precision), (4, 3, Some(0.75)));
        assert_eq!((all.events, all.incidents, all.time_to_detect), ((2, 1), (1, 1), Some(2.0)));
        assert_eq!(all.recall, Some(2.0 / 3.0));
        // of one rule only the labels count that are its own
        let own = scored.score(&labels, Some(&["mine".to_owned()]));
        assert_eq!((own.events, own.recall), ((1, 1), Some(1.0)));
        let other = scored.score(&labels, Some(&["OTHER".to_owned()]));
        assert_eq!(other.events, (2, 1));
    }

    #[test]
    fn an_event_that_is_labelled_for_two_rules_counts_for_each() {
        let labels = parse("events:\n- {id: e, rules: [a]}\n- {id: e, rules: [b]}").expect("labels");
        let mut scored = Scored::default();
        scored.detection(&labels.of("e", 0, &|_| None), 0);
        for rule in ["a", "b"] {
            assert_eq!(scored.score(&labels, Some(&[rule.to_owned()])).events, (1, 1), "{rule}");
        }
        assert_eq!((scored.score(&labels, None).events, scored.score(&labels, None).right), ((2, 2), 1));
    }

    #[test]
    fn an_alert_on_several_events_tells_of_all_that_it_shows() {
        let labels = parse("events: [{id: e1}, {id: e2}, {id: e3}]").expect("labels");
        let mut of_all = Labelled::default();
        ["e1", "e2", "other"].iter().for_each(|id| of_all.merge(&labels.of(id, 0, &|_| None)));
        let mut scored = Scored::default();
        scored.detection(&of_all, 0);
        let score = scored.score(&labels, None);
        assert_eq!((score.events, score.alerts, score.right), ((3, 2), 1, 1));
    }

    #[test]
    fn an_alert_that_began_before_an_incident_told_of_it_at_once() {
        let labels = parse(TEXT).expect("labels");
        let value = |name: &str| Some(if name == "principal" { "p" } else { "a" }.to_owned());
        let mut scored = Scored::default();
        // the alert has the time of its first match, and shows an event of the incident
        scored.detection(&labels.of("x", 12_000_000, &value), 4_000_000);
        assert_eq!(scored.score(&labels, None).time_to_detect, Some(0.0));
    }

    #[test]
    fn what_is_wrong_is_told() {
        for (text, word) in [
            ("events: [{name: x}]", "unknown field"),
            ("incidents: [{name: i, from: x, to: y, entity: {principal: a}}]", "RFC 3339"),
            ("incidents: [{name: i, from: 2026-01-01, to: 2026-01-02, entity: {nothing: a}}]", "canonical"),
            ("incidents: [{name: i, from: 2026-01-02, to: 2026-01-01, entity: {principal: a}}]", "behind"),
            ("events: [", "labels.yml"),
        ] {
            let error = parse(text).expect_err(text);
            assert!(error.contains(word), "{error}");
        }
    }
}
