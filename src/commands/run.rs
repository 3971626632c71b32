//! `virga run`: the long-running process.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use virga_daemon::archive::Outside;
use virga_daemon::check::check;
use virga_daemon::config::Config;
use virga_daemon::rules::{Loaded, Loader};
use virga_engine::RuleSet;
use virga_engine::diagnostic::Severity;

use super::arguments::AroundArgs;
use super::{Failure, Outcome, line};
use crate::config::ConfigArgs;
use crate::rule_files;

/// Arguments of `virga run`.
#[derive(clap::Args)]
#[command(
    after_help = "Reads the inputs of the configuration until it is asked to end (SIGTERM, SIGINT): then what is under \
way is brought to its end, a checkpoint is written, and the exit status is 0. Killed at any instant, \
it goes on from its last checkpoint. SIGHUP, and any change of a rule file, loads the rules anew.

Exit status: 0; 2 where something could not be opened or failed for good.

Examples:
  virga run -c virga.toml --check    prove inputs, rules, archive, sinks by real calls; read nothing
  virga run -c virga.toml"
)]
pub struct Args {
    /// The configuration.
    #[arg(long, short, value_name = "FILE")]
    config: PathBuf,
    /// Prove every input, table, rule folder, archive and sink by a real call, say what would be done, and end.
    #[arg(long)]
    check: bool,
}

/// Runs the command.
pub fn run(args: &Args) -> Outcome {
    let config = Config::read(&args.config).map_err(Failure::Message)?;
    let loader = loader(args, &config);
    let outside = outside(args, &config)?;
    if args.check {
        let checked = check(&config, &loader, &outside);
        for one in &checked {
            match &one.outcome {
                Ok(said) => line(format!("ok      {}: {said}", one.part))?,
                Err(why) => line(format!("failed  {}: {why}", one.part))?,
            }
            one.warnings.iter().try_for_each(|warning| line(format!("warning {}: {warning}", one.part)))?;
        }
        let failed = checked.iter().any(|one| one.outcome.is_err());
        return Ok(if failed { ExitCode::from(2) } else { ExitCode::SUCCESS });
    }
    virga_daemon::log::begin(&config.log).map_err(Failure::Message)?;
    virga_daemon::run::run(&config, &loader, &outside).map_err(Failure::Message)?;
    Ok(ExitCode::SUCCESS)
}

/// The archive that the configuration names, and what must not be kept of events.
#[cfg(feature = "lake")]
fn outside(args: &Args, config: &Config) -> Result<Outside, Failure> {
    let redactions = Arc::new(ConfigArgs { config: Some(args.config.clone()) }.redactions()?);
    let archive = match &config.archive {
        Some(archive) => {
            let lake = crate::archiving::Lake::new(archive, &config.state.folder, &redactions);
            Some(lake.map_err(Failure::Message)?)
        }
        None => None,
    };
    let redact = (!redactions.is_empty()).then_some(redactions);
    Ok(Outside {
        archive: archive.map(|archive| Arc::new(archive) as _),
        redact: redact.map(|redactions| redactions as _),
    })
}

/// Neither is there: whoever asks for them is refused.
#[cfg(not(feature = "lake"))]
fn outside(_: &Args, _: &Config) -> Result<Outside, Failure> {
    Ok(Outside::default())
}

/// Reads rules, what stands around them and the environment, as often as it is called.
fn loader(args: &Args, config: &Config) -> Loader {
    let rules = config.rules.clone();
    let around = AroundArgs { lists: rules.lists, pipelines: rules.pipelines, tuning: rules.tuning };
    let (paths, environment) = (rules.paths, ConfigArgs { config: Some(args.config.clone()) });
    Arc::new(move || {
        let environment = environment.environment().map_err(|failure| failure.to_string())?;
        let found = rule_files::read(&paths);
        if !found.unreadable.is_empty() {
            return Err(found.unreadable.join("; "));
        }
        let around = around.read(rule_files::wants_shipped(&paths)).map_err(|failure| failure.to_string())?;
        let set = RuleSet::load_with(found.files, &around);
        super::report(&set.diagnostics, Severity::Error);
        Ok(Loaded { set, environment })
    })
}
