//! The lock file: what makes a backtest come out the same again.
//!
//! In: a report. Out: JSON with the version of the engine and of the archive's table, the stretch of time, and of
//! each rule set a hash of its files and one of its alerts. A run that is held to it reads the archive as it
//! was then, and says where rules, engine or alerts are not those of the lock.

use serde::{Deserialize, Serialize};

use crate::report::Report;

/// The form of the file.
const FORM: u32 = 1;

/// A lock file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Lock {
    /// The form of the file.
    pub form: u32,
    /// The version of the engine.
    pub engine: String,
    /// Where the archive was.
    pub archive: String,
    /// The version of its table.
    pub version: u64,
    /// The stretch of event time.
    pub from: String,
    /// Its end.
    pub to: String,
    /// The rule sets.
    pub sets: Vec<LockedSet>,
}

/// A rule set of a lock file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LockedSet {
    /// What it was called.
    pub name: String,
    /// A hash of its files.
    pub hash: String,
    /// Alerts.
    pub alerts: u64,
    /// A hash of them.
    pub digest: String,
}

impl Lock {
    /// Of a report; `None` where it was not asked for a hash of its alerts.
    pub fn of(report: &Report) -> Option<Self> {
        let set = |set: &crate::report::SetReport| {
            Some(LockedSet {
                name: set.name.clone(),
                hash: set.hash.clone(),
                alerts: set.alerts,
                digest: set.digest.clone()?,
            })
        };
        Some(Self {
            form: FORM,
            engine: report.engine.clone(),
            archive: report.archive.location.clone(),
            version: report.archive.version,
            from: report.from.clone(),
            to: report.to.clone(),
            sets: report.sets.iter().map(set).collect::<Option<_>>()?,
        })
    }

    /// From the text of a lock file.
    ///
    /// # Errors
    /// Where it is none, or one of another form.
    pub fn parse(text: &str) -> Result<Self, String> {
        let lock: Self =
            serde_json::from_str(text).map_err(|error| format!("it is no lock file: {error}"))?;
        match lock.form {
            FORM => Ok(lock),
            other => Err(format!("it has the form {other}, this virga reads {FORM}")),
        }
    }

    /// As a file.
    pub fn to_text(&self) -> String {
        // a value of texts and numbers can be written
        serde_json::to_string_pretty(self).unwrap_or_default() + "\n"
    }

    /// What differs before anything is run: rule sets by name and hash.
    pub fn refuses(&self, sets: &[(String, String)]) -> Vec<String> {
        if self.sets.len() != sets.len() {
            return vec![format!("the lock has {} rule sets, this run has {}", self.sets.len(), sets.len())];
        }
        let differs = |(locked, (name, hash)): (&LockedSet, &(String, String))| {
            (locked.hash != *hash).then(|| {
                format!(
                    "the rules of `{name}`, or what stands around them, are not those of the lock (`{}`)",
                    locked.name
                )
            })
        };
        self.sets.iter().zip(sets).filter_map(differs).collect()
    }

    /// What differs in what came out.
    pub fn differences(&self, report: &Report) -> Vec<String> {
        let mut all = Vec::new();
        if self.engine != report.engine {
            all.push(format!("the lock is of virga {}, this is {}", self.engine, report.engine));
        }
        for (locked, set) in self.sets.iter().zip(&report.sets) {
            if (locked.alerts, Some(&locked.digest)) != (set.alerts, set.digest.as_ref()) {
                all.push(format!(
                    "`{}` raised {} alerts, the lock has {}{}",
                    set.name,
                    set.alerts,
                    locked.alerts,
                    if locked.alerts == set.alerts { ", and they are others" } else { "" }
                ));
            }
        }
        all
    }
}
