//! The log, on standard error.

use tracing::level_filters::LevelFilter;
use tracing_subscriber::EnvFilter;

use crate::config::{Log, LogFormat};

/// Begins to write the log.
///
/// # Errors
/// Where the filter of the configuration is none.
pub fn begin(log: &Log) -> Result<(), String> {
    let level = log.level.as_deref().unwrap_or("info");
    let filter = filter(level);
    let filter = EnvFilter::try_new(filter).map_err(|error| format!("[log] level = \"{level}\": {error}"))?;
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    let begun = match log.format {
        LogFormat::Json => builder.json().try_init(),
        LogFormat::Text => {
            let terminal = std::io::IsTerminal::is_terminal(&std::io::stderr());
            builder.with_ansi(terminal).with_target(false).try_init()
        }
    };
    begun.map_err(|error| error.to_string())
}

/// Whether this is a level, or a filter. A word alone would be one for a target of that name, and a slip for a level
/// silence all others: a target is written with its level.
///
/// # Errors
/// What it is not.
pub(crate) fn prove(level: &str) -> Result<(), String> {
    let is_level = |word: &str| !word.trim().is_empty() && word.trim().parse::<LevelFilter>().is_ok();
    let is_alone = |part: &&str| !part.contains(['=', '[']);
    if let Some(word) = level.split(',').find(|part| is_alone(part) && !is_level(part)) {
        return Err(format!(
            "`{word}` is no level; there are off, error, warn, info, debug, trace, and filters such as \
             `virga_daemon=debug,warn`"
        ));
    }
    let known = EnvFilter::try_new(filter(level));
    known.map(drop).map_err(|error| format!("`{level}` is no filter: {error}"))
}

/// A word is the level of what is ours: the libraries of the archive tell of every request at `info`. What fails in the
/// kernel of its tables comes back as an error, and is said where it is one: that a table is not there yet is none.
fn filter(level: &str) -> String {
    match level {
        "info" | "debug" | "trace" => format!("warn,{KERNEL}=off,virga={level}"),
        "warn" | "error" => format!("{level},{KERNEL}=off"),
        filter => filter.to_owned(),
    }
}

/// What reads tables, as its log calls it.
const KERNEL: &str = "buoyant_kernel";
