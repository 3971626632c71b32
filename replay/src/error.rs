//! What can go wrong with a backtest.

use std::fmt;

use virga_archive::ArchiveError;

/// Why a backtest ended early.
#[derive(Debug)]
pub enum ReplayError {
    /// The archive could not be read.
    Archive(ArchiveError),
    /// What was found could not be written.
    Io(std::io::Error),
    /// What was asked for cannot be answered.
    Asked(String),
}

impl fmt::Display for ReplayError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Archive(error) => write!(f, "{error}"),
            Self::Io(error) => write!(f, "{error}"),
            Self::Asked(message) => f.write_str(message),
        }
    }
}

impl std::error::Error for ReplayError {}

impl From<ArchiveError> for ReplayError {
    fn from(error: ArchiveError) -> Self {
        Self::Archive(error)
    }
}

impl From<std::io::Error> for ReplayError {
    fn from(error: std::io::Error) -> Self {
        Self::Io(error)
    }
}

impl From<String> for ReplayError {
    fn from(message: String) -> Self {
        Self::Asked(message)
    }
}
