//! `virga archive verify`: whether every file is what its table says.

use std::process::ExitCode;

use serde_json::json;
use virga_archive::{Depth, Verified};

use super::{VersionArgs, wait_for};
use crate::commands::{Outcome, line};
use crate::show;

/// Arguments of `virga archive verify`.
#[derive(clap::Args)]
#[command(
    after_help = "The alerts beside the events are read too. They have versions of their own: with --version N they are read as \
they stood when version N+1 was committed, by the times that the commits say.

Exit status: 0 where all is as the table says, 1 where something is not.

Examples:
  virga archive verify --archive lake/
  virga archive verify --archive lake/ --version 7
  virga archive verify --archive s3://my-lake/logs --quick"
)]
pub struct VerifyArgs {
    #[command(flatten)]
    which: VersionArgs,
    /// Read only the footers of files, not their events.
    #[arg(long)]
    quick: bool,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

pub(super) fn verify(args: &VerifyArgs) -> Outcome {
    let location = args.which.archive.location()?;
    let depth = if args.quick { Depth::Footers } else { Depth::Everything };
    let bar = show::bar(None, "{spinner} {bytes} checked, {bytes_per_sec}");
    let (version, found) = wait_for(async {
        let archive = args.which.open(&location).await?;
        let found = archive.verify(depth, &|bytes| bar.inc(bytes)).await?;
        Ok((archive.version(), found))
    })?;
    bar.finish_and_clear();
    let Verified { files, rows, bytes, problems, former, left_behind, duplicates, .. } = &found;
    if args.json {
        let shown: Vec<_> = problems.iter().map(|p| json!({"path": p.path, "what": p.what})).collect();
        line(json!({
            "version": version, "files": files, "events": rows, "bytes": bytes, "problems": shown,
            "former_files": former, "left_behind": left_behind, "duplicates": duplicates,
            "alert_version": found.alert_version, "alerts_left_out": found.alerts_left_out, "alerts": found.alerts, "alert_files": found.alert_files, "alert_bytes": found.alert_bytes,
        }))?;
    } else {
        for problem in problems {
            line(format!("{}: {}", show::printable(&problem.path), show::printable(&problem.what)))?;
        }
        for path in left_behind {
            line(format!(
                "{}: no version holds it; `virga archive expire` deletes it",
                show::printable(path)
            ))?;
        }
        if *duplicates > 0 {
            line(format!(
                "{} events stand there twice; `virga archive compact` keeps one of each",
                show::thousands(*duplicates as u64)
            ))?;
        }
        let verdict = match problems.len() {
            0 => "all is as the table says".to_owned(),
            count => format!("{count} problems"),
        };
        line(format!(
            "version {version}: {} events, {} files, {} bytes; {verdict}; {former} files of earlier versions, {} left behind",
            show::thousands(*rows as u64),
            show::thousands(*files as u64),
            show::thousands(*bytes),
            left_behind.len()
        ))?;
        line(alerts(&found))?;
    }
    Ok(if problems.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(1) })
}

/// What was found of the alerts.
fn alerts(found: &Verified) -> String {
    match (&found.alerts_left_out, found.alert_version) {
        (Some(why), _) => format!("the alerts were not looked at, for which there were is not known: {why}"),
        (None, None) => "there were no alerts yet".to_owned(),
        (None, Some(version)) => format!(
            "version {version} of the alerts: {} alerts in {} files, {} bytes",
            show::thousands(found.alerts as u64),
            show::thousands(found.alert_files as u64),
            show::thousands(found.alert_bytes)
        ),
    }
}
