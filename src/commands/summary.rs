//! The closing summary of `virga detect`, on standard error: what was read, what ran, what came of it.

use std::collections::BTreeMap;

use virga_engine::LoadReport;
use virga_engine::correlate::{CorrelationCounts, Dropped};
use virga_engine::sigma::Level;
use virga_ingest::quarantine::Cause;
use virga_ingest::reader::Summary;
use virga_ingest::sources::generic;

use super::objects::Left;
use crate::show;

/// All that the summary tells.
pub struct Closing<'a> {
    /// What was read, and what was not.
    pub read: &'a Summary,
    /// What became of the rules.
    pub rules: &'a LoadReport,
    /// Alerts by level.
    pub by_level: &'a BTreeMap<Option<Level>, u64>,
    /// Alerts left out because one like them stands in their bucket of time.
    pub suppressed: u64,
    /// What became of the hits that correlations look at.
    pub correlated: &'a [CorrelationCounts],
    /// Files whose names are not those of logs.
    pub passed_over: u64,
    /// What was left of object stores.
    pub left: Left,
    /// Diagnostics of the rules.
    pub said: usize,
    /// The user has said which rules are for generic events.
    pub generic_asked: bool,
    /// How long it took.
    pub seconds: f64,
}

impl Closing<'_> {
    /// Prints it.
    pub fn print(&self) {
        for line in self.lines() {
            show::say!("{line}");
        }
        for hint in self.hints() {
            show::say!("{}hint:{:#} {hint}", show::BOLD, show::BOLD);
        }
    }

    fn lines(&self) -> Vec<String> {
        let events = self.read.total_events();
        let rate = events as f64 / self.seconds.max(1e-9);
        let mut lines = vec![format!(
            "{} events from {} inputs in {:.2} s ({} events/s)",
            show::thousands(events),
            show::thousands(self.read.inputs),
            self.seconds,
            show::thousands(rate as u64),
        )];
        let present = self.read.events.iter().filter(|(_, count)| **count > 0);
        let sources = present.map(|(source, count)| format!("{source} {}", show::thousands(*count)));
        lines.push(format!("sources      {}", sources.collect::<Vec<_>>().join(", ")));
        lines.push(format!("quarantined  {}", self.quarantined()));
        if self.read.unreadable > 0 {
            lines.push(format!("unreadable   {} inputs", self.read.unreadable));
        }
        if self.passed_over > 0 {
            lines.push(format!("passed over  {} files whose names are not those of logs", self.passed_over));
        }
        if self.left.folders + self.left.objects > 0 {
            lines.push(format!(
                "left         {} folders and {} objects of other times, accounts or regions",
                show::thousands(self.left.folders),
                show::thousands(self.left.objects)
            ));
        }
        if self.read.times_missing > 0 {
            let count = self.read.times_missing;
            lines.push(format!("no time      {count} events (their input's time stands for it)"));
        }
        lines.push(format!("rules        {}", self.rules()));
        if self.rules.correlations + self.rules.idle_correlations.len() > 0 {
            lines.push(format!("correlations {}", self.correlations()));
        }
        lines.push(format!("alerts       {}", self.alerts()));
        lines
    }

    fn quarantined(&self) -> String {
        let causes: Vec<String> =
            self.read.quarantined.iter().map(|(cause, count)| format!("{} {count}", cause.code())).collect();
        match causes.is_empty() {
            true => "0".to_owned(),
            false => format!("{} ({})", self.read.quarantined.total(), causes.join(", ")),
        }
    }

    fn rules(&self) -> String {
        let LoadReport { loaded, rejected, unmapped, disabled, muted, switched_off, .. } = self.rules;
        let mut text = format!(
            "{loaded} loaded, {rejected} rejected, {} unmapped, {} muted",
            unmapped.len(),
            muted.len()
        );
        if !disabled.is_empty() {
            let mut columns: Vec<&str> = disabled.iter().map(|(_, column)| *column).collect();
            columns.sort_unstable();
            columns.dedup();
            text += &format!(", {} disabled (no lookup table fills {})", disabled.len(), columns.join(", "));
        }
        if *switched_off > 0 {
            text += &format!(", {switched_off} switched off by tuning");
        }
        text
    }

    fn correlations(&self) -> String {
        let LoadReport { correlations, idle_correlations, muted_correlations, .. } = self.rules;
        let mut text = format!("{correlations} loaded, {} muted", muted_correlations.len());
        let mut columns: Vec<&str> = idle_correlations.iter().filter_map(|(_, column)| *column).collect();
        let unfed = idle_correlations.len() - columns.len();
        if !columns.is_empty() {
            let count = columns.len();
            columns.sort_unstable();
            columns.dedup();
            text += &format!(", {count} disabled (no lookup table fills {})", columns.join(", "));
        }
        if unfed > 0 {
            text += &format!(", {unfed} whose rules do not run");
        }
        let hits: u64 = self.correlated.iter().map(|counts| counts.taken).sum();
        text += &format!("; {} hits", show::thousands(hits));
        let mut dropped = Dropped::default();
        self.correlated.iter().for_each(|counts| dropped.add(&counts.dropped));
        for (count, what) in [
            (dropped.missing_key, "without a field of the group"),
            (dropped.missing_value, "without the value that is looked at"),
            (dropped.bad_value, "with a value that is no number, or a negative one"),
            (dropped.too_many, "with more values in one event than are looked at"),
        ] {
            if count > 0 {
                text += &format!(", {} {what}", show::thousands(count));
            }
        }
        text
    }

    fn alerts(&self) -> String {
        let total: u64 = self.by_level.values().sum();
        let levels = self.by_level.iter().rev().map(|(level, count)| {
            let word = level.map(Level::word);
            let style = show::level_style(word);
            format!("{style}{} {}{style:#}", word.unwrap_or("no level"), show::thousands(*count))
        });
        let mut text = show::thousands(total);
        if total > 0 {
            text += &format!(": {}", levels.collect::<Vec<_>>().join(", "));
        }
        if self.suppressed > 0 {
            text += &format!(" ({} suppressed)", show::thousands(self.suppressed));
        }
        text
    }

    /// What to do next, where something looks as if it was not meant.
    fn hints(&self) -> Vec<String> {
        let mut hints = Vec::new();
        let unrecognised = self.read.events.get(generic::SOURCE.name).copied().unwrap_or(0);
        if unrecognised > 0 && !self.generic_asked {
            let first = self.read.first_unknown.as_ref().map(ToString::to_string).unwrap_or_default();
            hints.push(format!(
                "no source knows {} of the events, and no rule ran on them; the first is {} (`virga sources explain` \
                 shows what it is), and `--logsource product=…` says which rules are for them",
                show::thousands(unrecognised),
                show::printable(&first),
            ));
        }
        // what is cut or too large may well be such logs
        let quarantined = &self.read.quarantined;
        let is_other = quarantined.of(Cause::NotJson) + quarantined.of(Cause::OtherFormat) > 0;
        if self.read.total_events() == 0 && is_other {
            hints.push(
                "nothing could be read: logs are JSON, a line each or in documents, or rows of Log Analytics in CSV; other \
                 CSV and Avro are not read, Parquet by `virga backtest --archive`"
                    .to_owned(),
            );
        }
        if self.read.inputs == 0 && self.passed_over > 0 {
            hints.push("a file that is named is read whatever its name".to_owned());
        }
        if self.rules.loaded == 0 && self.rules.correlations == 0 {
            hints.push(
                "no rule fits the sources of this input; `virga rules list` shows what each is for"
                    .to_owned(),
            );
        } else if self.said > 0 {
            hints.push(format!("`virga rules check` has {} things to say about the rules", self.said));
        }
        hints
    }
}
