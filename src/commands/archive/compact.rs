//! `virga archive compact`: small and late files become large ones, with the columns of the rules of today.

use std::process::ExitCode;
use std::sync::Arc;

use virga_archive::{Archive, Rebuild};
use virga_engine::diagnostic::Severity;
use virga_engine::event::{BatchBuilder, EventBatch, OriginBase, Projection};
use virga_ingest::environment::Environment;
use virga_ingest::sources::{Arrival, Normaliser, SOURCES, source};

use super::{ArchiveArgs, engine, layouts, until_interrupted};
use crate::commands::arguments::RuleArgs;
use crate::commands::{Outcome, line};
use crate::config::ConfigArgs;
use crate::show;

/// Arguments of `virga archive compact`.
#[derive(clap::Args)]
#[command(
    after_help = "Others may read and import meanwhile. What is replaced can be read as an earlier version \
until `virga archive expire` deletes it.

Example:
  virga archive compact --archive lake/"
)]
pub struct CompactArgs {
    #[command(flatten)]
    archive: ArchiveArgs,
    #[command(flatten)]
    rules: RuleArgs,
    #[command(flatten)]
    config: ConfigArgs,
}

pub(super) fn compact(args: &CompactArgs) -> Outcome {
    let environment = args.config.environment()?;
    let (set, rules_missing) = args.rules.load(Severity::Error)?;
    let layouts = layouts(&engine(&set, SOURCES, &environment), SOURCES, &environment);
    let location = args.archive.location()?;
    let bar = show::bar(None, "{spinner} {pos} files");
    let rebuild: &Rebuild<'_> = &|name, projection, raw| {
        let batch = rebuilt(&environment, name, projection, &mut raw.iter().map(Option::unwrap_or_default))?;
        Ok(batch.fields().to_vec())
    };
    let (done, alerts, version) = until_interrupted(&location, async {
        let mut archive = Archive::open(&location).await?;
        let done = archive.compact(&layouts, rebuild, &|files| bar.inc(files as u64)).await?;
        let alerts = archive.compact_alerts().await?;
        Ok((done, alerts, archive.version()))
    })?;
    bar.finish_and_clear();
    line(match done.replaced {
        0 => format!("no files to merge; version {version}"),
        replaced => format!(
            "{replaced} files became {}: {} events, {} duplicates dropped; version {version}",
            done.written,
            show::thousands(done.rows as u64),
            show::thousands(done.duplicates as u64)
        ),
    })?;
    if alerts.replaced > 0 {
        line(format!(
            "{} files of alerts became {}: {} that came again or were revised dropped",
            alerts.replaced,
            alerts.written,
            show::thousands(alerts.duplicates as u64)
        ))?;
    }
    if done.left > 0 {
        line(format!("{} files share events and are too large to be merged: they stay", done.left))?;
    }
    Ok(if rules_missing { ExitCode::from(2) } else { ExitCode::SUCCESS })
}

/// Makes the cells of a projection from stored events.
fn rebuilt(
    environment: &Arc<Environment>,
    name: &str,
    projection: &Arc<Projection>,
    events: &mut dyn Iterator<Item = &str>,
) -> Result<EventBatch, String> {
    let source = source(name).ok_or_else(|| format!("there is no source {name}"))?;
    let mut normaliser = Normaliser::new(source, projection, environment);
    let mut builder = BatchBuilder::new(name.into(), Arc::clone(projection));
    let base = OriginBase::File { path: "".into() };
    let arrival = Arrival { base: &base, line: None, record: None, ingest_time: 0 };
    for event in events {
        normaliser.normalise(event, &arrival, &mut builder).map_err(|cause| cause.to_string())?;
    }
    Ok(builder.finish())
}
