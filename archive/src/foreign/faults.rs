//! What of a foreign archive could not be read, with the file's name; the rest went on.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

/// A file that could not be read, or rows of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// The file, below the archive.
    pub path: String,
    /// The first row that could not be read, from 1; none where it is the file itself.
    pub row: Option<u64>,
    /// Why.
    pub cause: String,
    /// Rows of the file with this cause.
    pub rows: u64,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.row, self.rows) {
            (None, _) => write!(f, "{}: {}", self.path, self.cause),
            (Some(row), 0 | 1) => write!(f, "{} row {row}: {}", self.path, self.cause),
            (Some(row), rows) => write!(f, "{} row {row} and {} more: {}", self.path, rows - 1, self.cause),
        }
    }
}

/// What could not be read, as it is found.
#[derive(Debug, Clone, Default)]
pub struct Faults(Arc<Mutex<Vec<Fault>>>);

impl Faults {
    /// All of it.
    pub fn all(&self) -> Vec<Fault> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Why a file could not be read to its end, if so.
    pub(crate) fn of_file(&self, path: &str) -> Option<Fault> {
        self.all().into_iter().find(|fault| fault.path == path && fault.row.is_none())
    }

    /// A file that could not be read to its end. A file that is read again fails as it did.
    pub(super) fn file(&self, path: &str, cause: impl fmt::Display) {
        let fault = Fault { path: path.to_owned(), row: None, cause: cause.to_string(), rows: 0 };
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if !all.contains(&fault) {
            all.push(fault);
        }
    }

    /// A row that is no event.
    pub(super) fn row(&self, path: &str, row: u64, cause: String) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let is_it = |fault: &&mut Fault| fault.path == path && fault.row.is_some() && fault.cause == cause;
        match all.iter_mut().find(is_it) {
            Some(fault) => fault.rows += 1,
            None => all.push(Fault { path: path.to_owned(), row: Some(row), cause, rows: 1 }),
        }
    }
}
