//! One file a subcommand. Each parses its arguments, calls a crate and prints.

#[cfg(feature = "lake")]
pub mod archive;
mod arguments;
#[cfg(feature = "lake")]
pub mod backtest;
#[cfg(feature = "lake")]
mod backtest_table;
pub mod completions;
pub mod coverage;
pub mod demo;
pub mod detect;
pub mod explain;
mod explain_correlation;
pub mod fields;
mod objects;
#[cfg(feature = "daemon")]
pub mod quarantine;
#[cfg(feature = "lake")]
pub mod query;
pub mod reference;
mod reference_detections;
pub mod rules;
#[cfg(feature = "daemon")]
pub mod run;
pub mod sources;
mod summary;
#[cfg(feature = "lake")]
pub mod timeline;
mod when;

use virga_engine::diagnostic::{Diagnostic, Severity};

use crate::show;

/// Why a command ended early, in words for its user.
#[derive(Debug)]
pub enum Failure {
    /// A message.
    Message(String),
    /// Ctrl-C, and what stands.
    #[cfg_attr(not(feature = "lake"), allow(dead_code))]
    Stopped(String),
    /// Reading or writing failed.
    Io(std::io::Error),
}

impl Failure {
    /// Whether it only means that nobody reads the output any more.
    pub fn is_broken_pipe(&self) -> bool {
        matches!(self, Self::Io(error) if error.kind() == std::io::ErrorKind::BrokenPipe)
    }
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Message(message) | Self::Stopped(message) => f.write_str(message),
            Self::Io(error) => write!(f, "{error}"),
        }
    }
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        Self::Io(error)
    }
}

impl From<String> for Failure {
    fn from(message: String) -> Self {
        Self::Message(message)
    }
}

impl From<&str> for Failure {
    fn from(message: &str) -> Self {
        Self::Message(message.to_owned())
    }
}

/// What a command gives back.
pub type Outcome = Result<std::process::ExitCode, Failure>;

/// Whether standard error is a terminal that shows colours.
fn colours_on_stderr() -> bool {
    anstream::AutoStream::choice(&std::io::stderr()) != anstream::ColorChoice::Never
}

/// Prints diagnostics at least so severe on standard error.
fn report(diagnostics: &[Diagnostic], least: Severity) {
    let colours = colours_on_stderr();
    for diagnostic in diagnostics.iter().filter(|diagnostic| diagnostic.severity >= least) {
        show::say!("{}", show::diagnostic(diagnostic, colours));
    }
}

/// Prints a line on standard output; a closed pipe is an error to end on, not to panic about.
fn line(text: impl std::fmt::Display) -> Result<(), Failure> {
    use std::io::Write;
    writeln!(anstream::stdout(), "{text}").map_err(Failure::from)
}
