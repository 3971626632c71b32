//! A timeline at a glance: how much of what, from where.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use virga_engine::alert::show_time;

use super::{Event, Mark, Timeline};

/// What stands above a timeline.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Summary {
    /// Events.
    pub events: usize,
    /// The first, RFC 3339.
    pub first: Option<String>,
    /// The last, RFC 3339.
    pub last: Option<String>,
    /// Values with how many events have them, most first.
    pub principals: Vec<(String, usize)>,
    /// Credentials.
    pub credentials: Vec<(String, usize)>,
    /// Services.
    pub services: Vec<(String, usize)>,
    /// Actions.
    pub actions: Vec<(String, usize)>,
    /// Regions.
    pub regions: Vec<(String, usize)>,
    /// Source addresses.
    pub addresses: Vec<(String, usize)>,
    /// Accounts.
    pub accounts: Vec<(String, usize)>,
    /// Error codes; a failure without one counts as `failure`.
    pub errors: Vec<(String, usize)>,
    /// Alerts, by rule.
    pub alerts: Vec<(String, usize)>,
    /// Credentials that were handed out.
    pub sessions_opened: usize,
}

impl Summary {
    /// Of a timeline.
    pub fn of(timeline: &Timeline) -> Self {
        let events = &timeline.events;
        let by = |of: fn(&Event) -> Option<&str>| counted(events.iter().filter_map(of));
        let error = |event: &Event| match (&event.error_code, event.outcome.as_deref()) {
            (Some(code), _) => Some(code.clone()),
            (None, Some("failure")) => Some("failure".to_owned()),
            _ => None,
        };
        let errors: Vec<String> = events.iter().filter_map(error).collect();
        let alerts: BTreeSet<&Mark> = events.iter().flat_map(|event| &event.alerts).collect();
        Self {
            events: events.len(),
            first: events.first().map(|event| show_time(event.time)),
            last: events.last().map(|event| show_time(event.time)),
            principals: by(|event| event.principal.as_deref()),
            credentials: by(|event| event.credential_id.as_deref()),
            services: by(|event| event.service.as_deref()),
            actions: by(|event| event.action.as_deref()),
            regions: by(|event| event.region.as_deref()),
            addresses: by(|event| event.src_ip.as_deref()),
            accounts: by(|event| event.account.as_deref()),
            errors: counted(errors.iter().map(String::as_str)),
            alerts: counted(alerts.iter().map(|mark| mark.title.as_str())),
            sessions_opened: timeline.links.len(),
        }
    }

    /// Its lists, with their words.
    pub fn lists(&self) -> [(&'static str, &[(String, usize)]); 9] {
        [
            ("principals", &self.principals),
            ("accounts", &self.accounts),
            ("credentials", &self.credentials),
            ("services", &self.services),
            ("actions", &self.actions),
            ("regions", &self.regions),
            ("addresses", &self.addresses),
            ("errors", &self.errors),
            ("alerts", &self.alerts),
        ]
    }
}

fn counted<'t>(texts: impl Iterator<Item = &'t str>) -> Vec<(String, usize)> {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    texts.for_each(|text| *counts.entry(text).or_default() += 1);
    let mut counts: Vec<(String, usize)> =
        counts.into_iter().map(|(text, count)| (text.to_owned(), count)).collect();
    counts.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
    counts
}
