//! `virga archive ls`: what an archive holds, by source and day.

use std::collections::BTreeMap;
use std::process::ExitCode;

use serde_json::json;
use virga_archive::{Coverage, Range};

use super::{VersionArgs, wait_for};
use crate::commands::{Outcome, line};
use crate::show;

/// Arguments of `virga archive ls`.
#[derive(clap::Args)]
#[command(after_help = "Examples:
  virga archive ls --archive lake/
  virga archive ls --archive lake/ --version 3 --json")]
pub struct ListArgs {
    #[command(flatten)]
    which: VersionArgs,
    /// By hour, not by day.
    #[arg(long)]
    hours: bool,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

pub(super) fn list(args: &ListArgs) -> Outcome {
    let location = args.which.archive.location()?;
    let (version, coverage) = wait_for(async {
        let archive = args.which.open(&location).await?;
        Ok((archive.version(), archive.coverage(Range::ALL).await?))
    })?;
    let coverage = if args.hours { coverage } else { by_day(coverage) };
    if args.json {
        let rows: Vec<_> = coverage
            .iter()
            .map(|c| json!({"source": c.source, "time": c.hour, "events": c.rows, "files": c.files, "bytes": c.size}))
            .collect();
        line(json!({"version": version, "coverage": rows}))?;
        return Ok(ExitCode::SUCCESS);
    }
    line(format!(
        "{}{:<32} {:<14} {:>14} {:>7} {:>16}{:#}",
        show::BOLD,
        "SOURCE",
        if args.hours { "HOUR" } else { "DAY" },
        "EVENTS",
        "FILES",
        "BYTES",
        show::BOLD
    ))?;
    let number = |n: usize| show::thousands(n as u64);
    for c in &coverage {
        line(format!(
            "{:<32} {:<14} {:>14} {:>7} {:>16}",
            show::printable(&c.source),
            show::printable(&c.hour),
            number(c.rows),
            number(c.files),
            show::thousands(c.size)
        ))?;
    }
    let sum = |of: &dyn Fn(&Coverage) -> u64| show::thousands(coverage.iter().map(of).sum());
    line(format!(
        "{} events, {} files, {} bytes; version {version}",
        sum(&|c| c.rows as u64),
        sum(&|c| c.files as u64),
        sum(&|c| c.size)
    ))?;
    Ok(ExitCode::SUCCESS)
}

fn by_day(coverage: Vec<Coverage>) -> Vec<Coverage> {
    let mut days: BTreeMap<(String, String), Coverage> = BTreeMap::new();
    for hour in coverage {
        let day = hour.hour.split('T').next().unwrap_or_default().to_owned();
        let nothing =
            || Coverage { source: hour.source.clone(), hour: day.clone(), files: 0, rows: 0, size: 0 };
        let sum = days.entry((hour.source.clone(), day.clone())).or_insert_with(nothing);
        sum.files += hour.files;
        sum.rows += hour.rows;
        sum.size += hour.size;
    }
    days.into_values().collect()
}
