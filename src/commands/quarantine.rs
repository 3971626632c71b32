//! `virga quarantine`: looks at what the long-running process could not read, and tries it again.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use virga_daemon::config::Config;
use virga_daemon::quarantine::{Entry, files, keep_retried, replace, retried_files};
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
        after_help = "A record that could not be read by an older version, or for a mistake that has been mended, becomes \
events on standard output; `virga detect -` takes them. Stop the process before: the files are rewritten.

Nothing is deleted: a record leaves the quarantine when its events are printed, for retried.ndjson in the \
state folder, because whoever reads them may end before it is done with them. `--again` prints those.

Exit status: 0; 2 where something could not be read or written, whoever read the events has gone, or the \
process is running. What was not printed is in the quarantine then.

Examples:
  virga quarantine retry -c virga.toml | virga detect -
  virga quarantine retry -c virga.toml --again > events.ndjson"
    )]
    Retry(Retry),
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

/// Arguments of `virga quarantine retry`.
#[derive(clap::Args)]
pub struct Retry {
    #[command(flatten)]
    at: Where,
    /// Print the events of records that were printed before, and change nothing.
    #[arg(long)]
    again: bool,
}

/// Runs a subcommand.
pub fn run(command: Command) -> Outcome {
    match command {
        Command::Ls(at) => list(&at),
        Command::Show(args) => print(&args),
        Command::Retry(args) if args.again => again(&args.at),
        Command::Retry(args) => retry(&args.at),
    }
}

impl Where {
    fn folder(&self) -> Result<PathBuf, Failure> {
        Ok(Config::read(&self.config).map_err(Failure::Message)?.state.folder)
    }
}

/// The lines of a file of quarantine. What a crash has cut off is none: it was behind no checkpoint, and is read
/// again from its input.
fn lines(path: &Path) -> Result<impl Iterator<Item = Result<Vec<u8>, Failure>>, Failure> {
    let at = |error: std::io::Error| Failure::from(format!("{}: {error}", path.display()));
    let mut file = BufReader::new(std::fs::File::open(path).map_err(at)?);
    Ok(std::iter::from_fn(move || {
        let mut line = Vec::new();
        match file.read_until(b'\n', &mut line) {
            Ok(_) if line.pop() == Some(b'\n') => Some(Ok(line)),
            Ok(_) => None,
            Err(error) => Some(Err(at(error))),
        }
    }))
}

/// The entry that a line is. A disk may have damaged one, which is no reason not to look at the others.
fn entry(line: &[u8]) -> Result<Entry, String> {
    let text =
        std::str::from_utf8(line).map_err(|error| format!("a line is no entry of quarantine: {error}"))?;
    Entry::parse(text)
}

/// Says a damaged line.
fn tell_damaged(path: &Path, number: u64, why: &str) {
    show::say!("{}: record {number}: {why}", path.display());
}

/// What is said of damaged lines behind a count of others, and the exit status.
fn with_damaged(said: &str, damaged: u64) -> Outcome {
    match damaged {
        0 => {
            show::say!("{said}");
            Ok(ExitCode::SUCCESS)
        }
        damaged => {
            show::say!("{said}; {damaged} lines are damaged");
            Ok(ExitCode::from(2))
        }
    }
}

fn list(at: &Where) -> Outcome {
    let (mut number, mut damaged) = (0, 0);
    let mut by_cause: BTreeMap<String, u64> = BTreeMap::new();
    for path in files(&at.folder()?)? {
        for record in lines(&path)? {
            number += 1;
            match entry(&record?) {
                Ok(entry) => {
                    *by_cause.entry(entry.cause.clone()).or_default() += 1;
                    let bytes = entry.bytes.len();
                    line(format!(
                        "{number:>6}  {}  {:<22} {bytes:>6} bytes  {}",
                        entry.time, entry.cause, entry.origin
                    ))?;
                }
                Err(why) => {
                    damaged += 1;
                    tell_damaged(&path, number, &why);
                }
            }
        }
    }
    let causes: Vec<String> = by_cause.iter().map(|(cause, count)| format!("{count} {cause}")).collect();
    let colon = if causes.is_empty() { "" } else { ": " };
    with_damaged(&format!("{} records{colon}{}", number - damaged, causes.join(", ")), damaged)
}

fn print(args: &Show) -> Outcome {
    let mut number = 0;
    for path in files(&args.at.folder()?)? {
        for record in lines(&path)? {
            let record = record?;
            number += 1;
            if number == args.number {
                let entry = entry(&record).map_err(|why| format!("{}: {why}", path.display()))?;
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
    let _lock = virga_daemon::run::lock(&folder)
        .map_err(|error| Failure::Message(format!("{error}; stop it first: the quarantine is rewritten")))?;
    let mut done = Retried::default();
    files(&folder)?.iter().try_for_each(|path| done.file(&folder, path))?;
    let Retried { read, left, damaged, removed } = done;
    if removed > 0 {
        show::say!("retried.ndjson has grown: {removed} of its oldest files were removed");
    }
    with_damaged(&format!("{read} records can be read now, {left} still cannot"), damaged)
}

/// What became of records.
#[derive(Default)]
struct Retried {
    read: u64,
    left: u64,
    /// Lines that are no entries; they stay where they are.
    damaged: u64,
    removed: usize,
}

impl Retried {
    /// Prints what can be read of one file, keeps that elsewhere, and takes it out of the file, in this order:
    /// wherever it is broken off, each record is in one of the two places, or in both.
    fn file(&mut self, folder: &Path, path: &Path) -> Result<(), Failure> {
        let (mut printed, mut kept) = (Vec::new(), Vec::new());
        let mut out = std::io::stdout().lock();
        for record in lines(path)? {
            let record = record?;
            let place = match entry(&record).map(|entry| events_of(&entry.bytes)) {
                Ok(Some(events)) => {
                    self.read += 1;
                    print_events(&mut out, &events)?;
                    &mut printed
                }
                Ok(None) => {
                    self.left += 1;
                    &mut kept
                }
                Err(why) => {
                    self.damaged += 1;
                    tell_damaged(path, self.read + self.left + self.damaged, &why);
                    &mut kept
                }
            };
            place.extend_from_slice(&record);
            place.push(b'\n');
        }
        out.flush().map_err(unprinted)?;
        if printed.is_empty() {
            return Ok(());
        }
        let at = |error: std::io::Error| {
            format!(
                "{error}; what was printed is in the quarantine still, and is printed again the next time"
            )
        };
        self.removed += keep_retried(folder, &printed).map_err(at)?;
        replace(path, &kept).map_err(at)?;
        Ok(())
    }
}

/// Prints what was printed before.
fn again(at: &Where) -> Outcome {
    let mut out = std::io::stdout().lock();
    let (mut read, mut left, mut damaged) = (0, 0, 0);
    for path in retried_files(&at.folder()?)? {
        for record in lines(&path)? {
            match entry(&record?).map(|entry| events_of(&entry.bytes)) {
                Ok(Some(events)) => {
                    read += 1;
                    print_events(&mut out, &events)?;
                }
                Ok(None) => left += 1,
                Err(why) => {
                    damaged += 1;
                    tell_damaged(&path, read + left + damaged, &why);
                }
            }
        }
    }
    out.flush().map_err(unprinted)?;
    let said = format!("{read} records that were printed before, {left} that cannot be read any more");
    with_damaged(&said, damaged)
}

fn print_events(out: &mut impl Write, events: &[String]) -> Result<(), Failure> {
    events.iter().try_for_each(|event| writeln!(out, "{event}")).map_err(unprinted)
}

/// Here a reader that is gone is no success: what it was to read is not done.
fn unprinted(error: std::io::Error) -> Failure {
    let why = match error.kind() {
        std::io::ErrorKind::BrokenPipe => "whoever read the events has gone".to_owned(),
        _ => format!("the events cannot be printed: {error}"),
    };
    Failure::Message(format!(
        "{why}; records whose events were not printed are in the quarantine, those of files that were done in retried.ndjson (`--again`)"
    ))
}
