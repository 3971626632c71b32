//! What can go wrong with an archive, with where.

use std::fmt;

/// Why something of an archive could not be done.
#[derive(Debug)]
pub struct ArchiveError {
    /// What was being done, and where.
    pub doing: String,
    /// Why it failed.
    pub cause: String,
}

impl ArchiveError {
    /// An error with its place.
    pub fn new(doing: impl Into<String>, cause: impl fmt::Display) -> Self {
        Self { doing: doing.into(), cause: cause.to_string() }
    }

    /// Gives errors of another kind their place.
    pub fn at<E: fmt::Display>(doing: impl Into<String>) -> impl FnOnce(E) -> Self {
        let doing = doing.into();
        move |cause| Self { doing, cause: cause.to_string() }
    }
}

impl fmt::Display for ArchiveError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.doing, self.cause)
    }
}

impl std::error::Error for ArchiveError {}
