//! From one session to the next: which credential handed out which.
//!
//! In: the events of an entity. Out: more events: those of the sessions that it opened, in as many steps as
//! there are; the call by which each of its sessions was opened; and what other logs say of the same call.
//!
//! | provider | what joins |
//! |---|---|
//! | AWS | `responseElements.credentials.accessKeyId` of AssumeRole and its like is the `credential_id` of the session's events; of CreateAccessKey the key |
//! | Google Cloud | `serviceAccountDelegationInfo` of an impersonated account's events names who stands behind it: their `invoked_by` |
//! | Entra, Azure | correlation ids |

use std::collections::{BTreeSet, HashMap};

use serde::{Deserialize, Serialize};

use super::{Asking, CHUNK, Event, ISSUED, ISSUING, moment, quoted, rows};
use crate::commands::Failure;

/// Steps from session to session: AWS chains roles without end, attackers do so a few times.
const MAX_STEPS: usize = 12;

/// Sessions that are followed: a role that is assumed every minute opens hundreds a day.
const MAX_SESSIONS: usize = 20_000;

/// A credential that was handed out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Link {
    /// When, microseconds since 1970.
    pub time: i64,
    /// The credential that asked.
    pub from: Option<String>,
    /// Who asked.
    pub by: Option<String>,
    /// The call.
    pub action: Option<String>,
    /// What it was handed out for.
    pub target: Option<String>,
    /// The new credential.
    pub to: String,
    /// Events that were done with it.
    pub events: usize,
}

/// The credentials that a timeline's events hand out.
pub fn of(events: &[Event]) -> Vec<Link> {
    let mut used: HashMap<&str, usize> = HashMap::new();
    for credential in events.iter().filter_map(|event| event.credential_id.as_deref()) {
        *used.entry(credential).or_default() += 1;
    }
    let link = |event: &Event| {
        let to = event.issued.clone()?;
        Some(Link {
            time: event.time,
            from: event.credential_id.clone(),
            by: event.principal.clone(),
            action: event.action.clone(),
            target: event.target.clone(),
            events: used.get(to.as_str()).copied().unwrap_or(0),
            to,
        })
    };
    events.iter().filter_map(link).collect()
}

impl Asking<'_> {
    /// Finds the credentials that were handed out before the range to who is asked for, and with those that they had so:
    /// what is done with them is done by the same.
    pub(super) async fn find_handed_out(&mut self, own: &str) -> Result<(), Failure> {
        #[derive(Deserialize)]
        struct Issued {
            issued: String,
        }
        let Some(from) = self.wanted.range.0 else { return Ok(()) };
        let mut conditions = vec![format!("({own})")];
        for _ in 0..MAX_STEPS {
            let mut new: BTreeSet<String> = BTreeSet::new();
            for condition in conditions {
                let sql = format!(
                    "SELECT DISTINCT {ISSUED} AS issued FROM events WHERE {ISSUING} AND {ISSUED} IS NOT NULL \
                     AND {condition} AND time < {}",
                    moment(from)
                );
                let found: Vec<Issued> = rows(self.session, &sql).await?;
                new.extend(found.into_iter().map(|found| found.issued));
            }
            new.retain(|key| !self.handed_out.contains(key));
            if new.is_empty() {
                return Ok(());
            }
            if self.handed_out.len() > MAX_SESSIONS {
                break;
            }
            let keys: Vec<String> = new.iter().cloned().collect();
            self.handed_out.extend(new);
            let with = |keys: &[String]| {
                let keys = list(keys);
                format!("(credential_id IN ({keys}) OR session_id IN ({keys}))")
            };
            conditions = keys.chunks(CHUNK).map(with).collect();
        }
        self.is_cut = true;
        Ok(())
    }

    /// Adds what was done with credentials that these events handed out, and so on.
    pub(super) async fn follow_sessions(&mut self) -> Result<(), Failure> {
        let mut done: BTreeSet<String> = BTreeSet::new();
        for _ in 0..MAX_STEPS {
            let issued = self.events.iter().filter_map(|event| event.issued.clone());
            let issued = issued.chain(self.handed_out.iter().cloned());
            let new: Vec<String> =
                issued.filter(|key| !done.contains(key)).collect::<BTreeSet<_>>().into_iter().collect();
            if new.is_empty() {
                return Ok(());
            }
            for keys in new.chunks(CHUNK) {
                let keys = list(keys);
                let condition = format!("credential_id IN ({keys}) OR session_id IN ({keys})");
                self.fetch(&condition, Some("a session that it opened")).await?;
            }
            done.extend(new);
            if done.len() > MAX_SESSIONS {
                break;
            }
        }
        self.is_cut = true;
        Ok(())
    }

    /// Adds the calls by which these sessions were opened, and so on.
    pub(super) async fn find_origins(&mut self) -> Result<(), Failure> {
        let mut done: BTreeSet<String> =
            self.events.iter().filter_map(|event| event.issued.clone()).collect();
        for _ in 0..MAX_STEPS {
            // a temporary credential of AWS; any other was not handed out by a call in these logs
            let sessions = self.events.iter().filter_map(|event| event.session_id.clone());
            let new: Vec<String> =
                sessions.filter(|key| !done.contains(key)).collect::<BTreeSet<_>>().into_iter().collect();
            if new.is_empty() {
                return Ok(());
            }
            for keys in new.chunks(CHUNK) {
                let condition = format!("{ISSUING} AND {ISSUED} IN ({})", list(keys));
                self.fetch(&condition, Some("the call that opened the session")).await?;
            }
            done.extend(new);
        }
        self.is_cut = true;
        Ok(())
    }

    /// Adds what other logs of Microsoft say under the same correlation id.
    pub(super) async fn join_correlated(&mut self) -> Result<(), Failure> {
        let of_microsoft =
            |event: &&Event| event.source.starts_with("entra.") || event.source.starts_with("azure.");
        let ids: BTreeSet<String> = self
            .events
            .iter()
            .filter(of_microsoft)
            .filter_map(|event| event.correlation_uid.clone())
            .collect();
        let ids: Vec<String> = ids.into_iter().take(MAX_SESSIONS).collect();
        for ids in ids.chunks(CHUNK) {
            let condition = format!(
                "(source LIKE 'entra.%' OR source LIKE 'azure.%') AND correlation_uid IN ({})",
                list(ids)
            );
            self.fetch(&condition, Some("the same correlation id")).await?;
        }
        Ok(())
    }
}

fn list(values: &[String]) -> String {
    values.iter().map(|value| quoted(value)).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_says_how_often_its_credential_was_used() {
        let event = |credential: &str, issued: Option<&str>| Event {
            credential_id: Some(credential.into()),
            issued: issued.map(str::to_owned),
            ..Event::default()
        };
        let links = of(&[event("AKIA1", Some("ASIA1")), event("ASIA1", None), event("ASIA1", None)]);
        assert_eq!(links.len(), 1);
        assert_eq!(
            (links[0].from.as_deref(), links[0].to.as_str(), links[0].events),
            (Some("AKIA1"), "ASIA1", 2)
        );
    }

    #[test]
    fn values_are_quoted() {
        assert_eq!(list(&["a'b".into(), "c".into()]), "'a''b', 'c'");
    }
}
