//! The alerts as they were with an earlier version of the events.
//!
//! The two tables have versions of their own, and no commit of one names a version of the other. What they have in
//! common is time. The alerts of a version of the events are those that stood there when the next version of the
//! events was committed: whoever keeps both commits the events first and behind them the alerts that they raised, so
//! the moment of the version's own commit would show events without their alerts. It is also what stands there now
//! for the latest version, and stays that when it is the latest no more.
//!
//! ```text
//! events   7 ────────────── 8 ──────────────
//! alerts        3 ──── 4        5 ────           with 7: 4
//! ```
//!
//! Times are those that commits say of themselves; the times of files change with every copy. A log keeps commits for
//! 30 days: where one that matters is gone, which alerts there were is not known, and is said so.

use deltalake::DeltaTable;
use serde_json::Value;

use crate::table::Archive;

/// The alerts with a version of the events.
pub(super) enum Then {
    /// The table as it is now.
    Now,
    /// The table as it was.
    Was(Box<DeltaTable>),
    /// There was no table yet.
    None,
    /// That is not known, and why.
    Unknown(String),
}

/// The alerts that stood beside the version of the events at hand.
pub(super) async fn alerts_then(archive: &Archive) -> Then {
    match find(archive).await {
        Ok(then) => then,
        Err(why) => Then::Unknown(why),
    }
}

async fn find(archive: &Archive) -> Result<Then, String> {
    let version = archive.version();
    let latest = archive.events.log_store().get_latest_version(version).await;
    if latest.map_err(|error| error.to_string())? <= version {
        return Ok(Then::Now);
    }
    let next = version + 1;
    let until = committed(&archive.events, next)
        .await?
        .ok_or_else(|| format!("the log of the events holds version {next} no more"))?;
    let newest = archive.alerts.version().ok_or("the table of alerts has no version")?;
    // commits come in the order of their times, and those whose entries are gone are the oldest
    let (mut before, mut behind) = (0, newest + 1);
    while before < behind {
        let middle = before + (behind - before) / 2;
        match committed(&archive.alerts, middle).await? {
            Some(at) if at >= until => behind = middle,
            _ => before = middle + 1,
        }
    }
    let Some(version) = before.checked_sub(1) else { return Ok(Then::None) };
    let mut table = archive.alerts.clone();
    let loaded = table.load_version(version).await;
    loaded.map_err(|error| format!("version {version} of the alerts: {error}"))?;
    Ok(Then::Was(Box::new(table)))
}

/// When a version was committed, in milliseconds since 1970, as its commit says; `None` where the log holds it no
/// more.
async fn committed(table: &DeltaTable, version: u64) -> Result<Option<i64>, String> {
    let entry = table.log_store().read_commit_entry(version).await;
    let Some(entry) = entry.map_err(|error| format!("reading commit {version}: {error}"))? else {
        return Ok(None);
    };
    commit_time(&entry).map(Some).ok_or_else(|| format!("commit {version} does not say when it was made"))
}

/// The time that a commit says: a JSON object a line, of which one is about the commit itself.
fn commit_time(entry: &[u8]) -> Option<i64> {
    let infos = entry.split(|byte| *byte == b'\n').filter_map(|line| {
        let action: Value = serde_json::from_slice(line).ok()?;
        action.get("commitInfo").cloned()
    });
    infos.into_iter().find_map(|info| info.get("inCommitTimestamp").or(info.get("timestamp"))?.as_i64())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_commit_says_when_it_was_made() {
        for (entry, expected) in [
            ("{\"commitInfo\":{\"timestamp\":12}}\n{\"add\":{\"path\":\"a\"}}\n", Some(12)),
            ("{\"add\":{\"path\":\"a\"}}\n{\"commitInfo\":{\"timestamp\":12}}", Some(12)),
            ("{\"commitInfo\":{\"timestamp\":12,\"inCommitTimestamp\":13}}", Some(13)),
            ("{\"add\":{\"commitInfo\":{\"timestamp\":12}}}", None),
            ("{\"commitInfo\":{}}\nno JSON", None),
            ("", None),
        ] {
            assert_eq!(commit_time(entry.as_bytes()), expected, "{entry}");
        }
    }
}
