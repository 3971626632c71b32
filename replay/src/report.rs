//! What a backtest answers: one value that every form of output is made of.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::curve::Curve;
use crate::labels::Score;
use crate::top::Counted;

/// The answer.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// The version of the engine.
    pub engine: String,
    /// What was asked.
    pub archive: ArchiveSummary,
    /// The stretch that is asked about, RFC 3339 in UTC; the end is not part of it.
    pub from: String,
    /// Its end.
    pub to: String,
    /// Hits were counted only: of a rule nobody knows who, the first and last, and what suppression would leave.
    pub counts: bool,
    /// The length of a bar over time, in microseconds.
    pub bar: i64,
    /// Where the first bar begins, microseconds since 1970.
    pub first_bar: i64,
    /// The rule sets: one, or two that are compared.
    pub sets: Vec<SetReport>,
    /// Where the two differ.
    pub diff: Option<DiffReport>,
    /// What it cost.
    pub cost: Cost,
    /// What whoever reads it must know.
    pub notes: Vec<String>,
}

/// The archive as it was read.
#[derive(Debug, Clone, Serialize)]
pub struct ArchiveSummary {
    /// Where it is.
    pub location: String,
    /// The version of its table.
    pub version: u64,
    /// The first and the last event of the whole archive.
    pub holds: Option<(String, String)>,
    /// Events of the stretch, by source; of files that reach beyond it all are counted.
    pub events: BTreeMap<String, u64>,
}

/// What one rule set did.
#[derive(Debug, Clone, Serialize)]
pub struct SetReport {
    /// What it is called here.
    pub name: String,
    /// A hash of its files and what stands around them.
    pub hash: String,
    /// Rules and correlations that ran.
    pub rules_run: usize,
    /// Alerts.
    pub alerts: u64,
    /// By level.
    pub by_level: BTreeMap<String, u64>,
    /// Alerts by bar.
    pub over_time: Vec<u64>,
    /// The same for equal alerts, where it was asked for.
    pub digest: Option<String>,
    /// Rules with at least one hit or alert, or that labels name, the loudest first, building blocks behind them.
    pub rules: Vec<RuleReport>,
    /// Threshold curves of correlations.
    pub curves: Vec<Curve>,
    /// What the labels say of all alerts together.
    pub score: Option<Score>,
    /// Rules that no event of this archive could match.
    pub dead: Vec<DeadRule>,
    /// Rules for logs of which the archive holds nothing.
    pub blind: Vec<BlindRule>,
    /// Rules that look at fields for which the archive has no place: they may say less than live.
    pub partly: Vec<BlindRule>,
    /// Rules and correlations without an alert, of those that could have had one.
    pub silent: usize,
}

/// What one rule did.
#[derive(Debug, Clone, Serialize)]
pub struct RuleReport {
    /// Its id.
    pub id: String,
    /// Its title.
    pub title: String,
    /// Its level.
    pub level: Option<String>,
    /// `detection`, `correlation`, or `block`: one that only feeds correlations.
    pub kind: &'static str,
    /// Alerts; a building block raises none.
    pub alerts: u64,
    /// Of a building block the events that it matches.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hits: Option<u64>,
    /// By bar.
    pub over_time: Vec<u64>,
    /// The first and the last; none where hits are counted only.
    pub first: Option<String>,
    /// The last.
    pub last: Option<String>,
    /// The most frequent values of each canonical column.
    pub entities: BTreeMap<&'static str, TopReport>,
    /// Of a correlation the groups with the most alerts.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub groups: Vec<Counted>,
    /// What suppression would leave.
    pub suppressed: Suppressed,
    /// What it cost.
    pub cost: RuleCost,
    /// What the labels say of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub score: Option<Score>,
}

/// Values with their counts.
#[derive(Debug, Clone, Serialize)]
pub struct TopReport {
    /// How many different ones; none where there are too many to tell.
    pub different: Option<usize>,
    /// The most frequent.
    pub most: Vec<Counted>,
}

/// How many alerts suppression would leave; none where it cannot be told.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Suppressed {
    /// The rule's own.
    pub own: Option<u64>,
    /// One for each principal and hour.
    pub per_principal_and_hour: Option<u64>,
    /// One for each principal and day.
    pub per_principal_and_day: Option<u64>,
}

/// What a rule cost.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct RuleCost {
    /// Events that had to be looked at for it.
    pub rows: u64,
    /// Bytes that it alone would read, about.
    pub bytes: u64,
    /// Its share of the time, in seconds.
    pub seconds: f64,
}

/// What a backtest cost.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Cost {
    /// Files that were opened.
    pub files: u64,
    /// Events in the files of the stretch.
    pub events: u64,
    /// Events that were looked at.
    pub scanned: u64,
    /// Events of which more was read than rules look at; twice where correlations and the report asked for it.
    pub fetched: u64,
    /// Events with matches that stood in the archive twice, and were passed over the second time.
    pub repeated: u64,
    /// Bytes that were read, footers included.
    pub bytes_read: u64,
    /// Bytes of the files.
    pub bytes_total: u64,
    /// Seconds in all, and by what was done.
    pub seconds: f64,
    /// By what was done.
    pub phases: BTreeMap<&'static str, f64>,
}

/// A rule that cannot match anything in the archive.
#[derive(Debug, Clone, Serialize)]
pub struct DeadRule {
    /// Its id.
    pub id: String,
    /// Its title.
    pub title: String,
    /// The log sources of the archive that it runs on.
    pub sources: Vec<String>,
    /// The fields of it that occur in no event.
    pub fields: Vec<String>,
}

/// A rule for logs that the archive does not hold.
#[derive(Debug, Clone, Serialize)]
pub struct BlindRule {
    /// Its id.
    pub id: String,
    /// Its title.
    pub title: String,
    /// What is missing.
    pub missing: String,
}

/// Where two rule sets differ.
#[derive(Debug, Clone, Serialize)]
pub struct DiffReport {
    /// Alerts of both.
    pub both: u64,
    /// Alerts of the first alone.
    pub only_a: u64,
    /// Alerts of the second alone.
    pub only_b: u64,
    /// Rules with a difference, the greatest first.
    pub rules: Vec<DiffRule>,
}

/// Where two rule sets differ in one rule.
#[derive(Debug, Clone, Serialize)]
pub struct DiffRule {
    /// Its id.
    pub id: String,
    /// Its title.
    pub title: String,
    /// `changed`, `added` (only in B), `removed` (only in A), or `same`: then something around it changed.
    pub change: &'static str,
    /// Alerts of both.
    pub both: u64,
    /// Alerts of the first alone.
    pub only_a: u64,
    /// Alerts of the second alone.
    pub only_b: u64,
    /// The tests that made the difference, or what else did, the most frequent first.
    pub flips: Vec<Flip>,
    /// How many events were asked for them.
    pub explained: u64,
    /// Some of the events.
    pub events: Vec<DiffEvent>,
}

/// A test that made a difference.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Flip {
    /// The rule set that did not match: `A` or `B`.
    pub stopped: &'static str,
    /// The test that stopped it there, or what else kept it silent.
    pub test: String,
    /// On how many events.
    pub events: u64,
}

/// An event on which two rule sets disagree.
#[derive(Debug, Clone, Serialize)]
pub struct DiffEvent {
    /// Its id; of a correlation that of the alert.
    pub id: String,
    /// When.
    pub time: String,
    /// The rule set that told of it.
    pub only: &'static str,
    /// What it is about.
    pub entities: BTreeMap<&'static str, String>,
}
