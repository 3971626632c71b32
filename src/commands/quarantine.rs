//! `virga quarantine`: looks at what the long-running process could not read, and tries it again.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use virga_daemon::config::Config;
use virga_daemon::quarantine::{Entry, files, replace};
use virga_ingest::reader::events_of;

use super::{Failure, Outcome, line};
use crate::show;

/// Subcommands of `virga quarantine`.
#[derive(clap::Subcommand)]
pub enum Command {
    /// List what is there, a line a record, with its number.
    Ls(Where),
    /// Print the bytes of one record as they came.
    Show(Show),
    /// Read all records anew; print the events of those that can be read now, and keep the others.
    #[command(
        after_help = "A record that could not be read by an older version, or for a mistake that has been mended, becomes
events on standard output; `virga detect -` takes them. Stop the process before: the files are rewritten.

Examples:
  virga quarantine retry -c virga.toml | virga detect -"
    )]
    Retry(Where),
}

/// Which quarantine.
#[derive(clap::Args)]
pub struct Where {
    /// The configuration of the process.
    #[arg(long, short, value_name = "FILE")]
    config: PathBuf,
}

/// Arguments of `virga quarantine show`.
#[derive(clap::Args)]
pub struct Show {
    #[command(flatten)]
    at: Where,
    /// The record's number, as `ls` prints it.
    #[arg(value_name = "NUMBER")]
    number: usize,
}

/// Runs a subcommand.
pub fn run(command: Command) -> Outcome {
    match command {
        Command::Ls(at) => list(&at),
        Command::Show(args) => print(&args),
        Command::Retry(at) => retry(&at),
    }
}

impl Where {
    fn folder(&self) -> Result<PathBuf, Failure> {
        Ok(Config::read(&self.config).map_err(Failure::Message)?.state.folder)
    }
}

/// The lines of a file of quarantine.
fn lines(path: &Path) -> Result<impl Iterator<Item = std::io::Result<String>>, Failure> {
    let file = std::fs::File::open(path).map_err(|error| format!("{}: {error}", path.display()))?;
    Ok(BufReader::new(file).lines())
}

fn entry(path: &Path, text: &str) -> Result<Entry, Failure> {
    Entry::parse(text).map_err(|error| format!("{}: {error}", path.display()).into())
}

fn list(at: &Where) -> Outcome {
    let mut number = 0;
    let mut by_cause: BTreeMap<String, u64> = BTreeMap::new();
    for path in files(&at.folder()?)? {
        for text in lines(&path)? {
            let entry = entry(&path, &text?)?;
            number += 1;
            *by_cause.entry(entry.cause.clone()).or_default() += 1;
            let bytes = entry.bytes.len();
            line(format!(
                "{number:>6}  {}  {:<22} {bytes:>6} bytes  {}",
                entry.time, entry.cause, entry.origin
            ))?;
        }
    }
    let causes: Vec<String> = by_cause.iter().map(|(cause, count)| format!("{count} {cause}")).collect();
    show::say!("{number} records{}{}", if causes.is_empty() { "" } else { ": " }, causes.join(", "));
    Ok(ExitCode::SUCCESS)
}

fn print(args: &Show) -> Outcome {
    let mut number = 0;
    for path in files(&args.at.folder()?)? {
        for text in lines(&path)? {
            let text = text?;
            number += 1;
            if number == args.number {
                use std::io::Write;
                let entry = entry(&path, &text)?;
                show::say!("{} at {}, {}", entry.cause, entry.origin, entry.time);
                std::io::stdout().write_all(&entry.bytes)?;
                return Ok(ExitCode::SUCCESS);
            }
        }
    }
    Err(format!("there is no record {}; there are {number}", args.number).into())
}

fn retry(at: &Where) -> Outcome {
    let folder = at.folder()?;
    let _lock = virga_daemon::run::lock(&folder).map_err(Failure::Message)?;
    let (mut read, mut left) = (0, 0);
    for path in files(&folder)? {
        let mut kept = String::new();
        for text in lines(&path)? {
            let text = text?;
            match events_of(&entry(&path, &text)?.bytes) {
                Some(events) => {
                    read += 1;
                    events.iter().try_for_each(line)?;
                }
                None => {
                    left += 1;
                    kept.push_str(&text);
                    kept.push('\n');
                }
            }
        }
        replace(&path, kept.as_bytes())?;
    }
    show::say!("{read} records can be read now, {left} still cannot");
    Ok(ExitCode::SUCCESS)
}
