//! What a command that reads to an end does with what it cannot read.
//!
//! In: quarantined records, and inputs that could not be opened. Out: a line of NDJSON a record in the file that the
//! user names, the first few of them on standard error, and every input in words. A file that cannot be written ends
//! the reading: what it was to hold would be lost.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use indicatif::ProgressBar;
use virga_ingest::quarantine::Quarantined;
use virga_ingest::transport::InputError;

use crate::commands::Failure;
use crate::show;

/// Messages about single records that are printed; the summary has the counts, a file all of them.
const SHOWN: usize = 10;

/// Takes what could not be read.
pub struct Unread {
    file: Option<BufWriter<File>>,
    quiet: bool,
    shown: usize,
    failure: Option<io::Error>,
}

impl Unread {
    /// Into this file, where one is named; `quiet` shows nothing of single records.
    pub fn new(path: Option<&Path>, inputs: &[PathBuf], quiet: bool) -> Result<Self, Failure> {
        let create = |path: &Path| {
            refuse_input(path, inputs)?;
            let file = File::create(path).map_err(|error| format!("{}: {error}", path.display()))?;
            Ok::<_, Failure>(BufWriter::new(file))
        };
        Ok(Self { file: path.map(create).transpose()?, quiet, shown: 0, failure: None })
    }

    /// A record that could not be read.
    pub fn record(&mut self, record: &Quarantined, bar: &ProgressBar) {
        if let Some(file) = &mut self.file
            && let Err(error) = writeln!(file, "{}", record.to_json_line())
        {
            // the first says why; what comes before the reading ends fails as it did
            self.failure.get_or_insert(error);
        }
        if !self.quiet && self.shown < SHOWN {
            self.shown += 1;
            let origin = show::printable(&record.origin.to_string());
            bar.suspend(|| {
                show::say!("{}quarantined:{:#} {origin}: {}", show::BOLD, show::BOLD, record.cause)
            });
        }
    }

    /// An input that could not be opened.
    pub fn input(&self, error: &InputError, bar: &ProgressBar) {
        let message = show::printable(&error.to_string());
        bar.suspend(|| show::say!("{}warning:{:#} {message}", show::BOLD, show::BOLD));
    }

    /// Whether a record could not be written: reading on would lose more.
    pub fn is_broken(&self) -> bool {
        self.failure.is_some()
    }

    /// All is read: everything is written, or the error says that it is not.
    pub fn finish(&mut self) -> io::Result<()> {
        if let Some(error) = self.failure.take() {
            return Err(error);
        }
        self.file.as_mut().map_or(Ok(()), Write::flush)
    }
}

/// A quarantine that is one of the inputs, or stands below one, would destroy what it is to be read.
fn refuse_input(quarantine: &Path, inputs: &[PathBuf]) -> Result<(), Failure> {
    let Ok(quarantine) = quarantine.canonicalize() else { return Ok(()) };
    let is_input = |input: &PathBuf| input.canonicalize().is_ok_and(|input| quarantine.starts_with(input));
    match inputs.iter().any(is_input) {
        true => {
            Err(format!("{} is an input: name another file for the quarantine", quarantine.display()).into())
        }
        false => Ok(()),
    }
}
