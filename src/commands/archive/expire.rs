//! `virga archive expire`: what is older than one's retention is let go, and later deleted.

use std::process::ExitCode;

use virga_archive::Archive;

use super::{ArchiveArgs, wait_for};
use crate::commands::detect::now;
use crate::commands::{Outcome, line};
use crate::show;

/// Arguments of `virga archive expire`.
#[derive(clap::Args)]
#[command(
    after_help = "Events are let go by hours, alerts by the files of a day. Files are deleted once no version \
of the last days refers to them; so are those that a write that was broken off has left behind.

Example:
  virga archive expire --archive lake/ --keep 90d"
)]
pub struct ExpireArgs {
    #[command(flatten)]
    archive: ArchiveArgs,
    /// How old events and alerts may be, by their event time: days (90d) or hours (36h).
    #[arg(long, value_name = "AGE", value_parser = age)]
    keep: chrono::Duration,
    /// How long earlier versions can still be read, and imports may take that run now.
    #[arg(long, value_name = "AGE", value_parser = age, default_value = "7d")]
    versions: chrono::Duration,
}

fn age(text: &str) -> Result<chrono::Duration, String> {
    let wrong = || format!("`{text}` is no age, as in 90d or 36h");
    let unit = text.chars().last().ok_or_else(wrong)?;
    let number = text.strip_suffix(unit).and_then(|number| number.parse::<u32>().ok()).ok_or_else(wrong)?;
    let length = match unit {
        'd' => chrono::Duration::try_days(number.into()),
        'h' => chrono::Duration::try_hours(number.into()),
        _ => None,
    };
    length.ok_or_else(wrong)
}

pub(super) fn expire(args: &ExpireArgs) -> Outcome {
    if args.versions < chrono::Duration::hours(1) {
        return Err(
            "`--versions` is at least 1h: what an import has written and not yet committed must stay".into(),
        );
    }
    let location = args.archive.location()?;
    let before = now().saturating_sub(args.keep.num_microseconds().unwrap_or(i64::MAX));
    let (expired, version) = wait_for(async {
        let mut archive = Archive::open(&location).await?;
        let expired = archive.expire(before, args.versions).await?;
        Ok((expired, archive.version()))
    })?;
    line(format!(
        "{} events in {} files and {} alerts in {} files let go, {} files deleted; version {version}",
        show::thousands(expired.rows as u64),
        expired.files,
        show::thousands(expired.alerts as u64),
        expired.alert_files,
        expired.deleted
    ))?;
    Ok(ExitCode::SUCCESS)
}
