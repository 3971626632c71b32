//! Where a file stands: which it is, how far it was read, and the how many-th of its name it is.
//!
//! In: what was read of a file. Out: its position in a checkpoint, and the numbers of its lines.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::limits::FILE_NUMBERS;
use crate::position::Position;

/// Which file, how far.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Place {
    pub(super) file: String,
    pub(super) offset: u64,
    pub(super) line: u64,
    /// Of what the file began with when it was read so far. Checkpoints of before have none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) head: Option<String>,
    /// How many files have had its name before and have given lines under it. Checkpoints of before know of none.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub(super) before: u64,
    /// When it was made, in microseconds since 1970, where its file system knows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) born: Option<i64>,
}

// as serde asks
#[allow(clippy::trivially_copy_pass_by_ref)]
fn is_zero(number: &u64) -> bool {
    *number == 0
}

impl Place {
    /// For the checkpoint.
    pub(super) fn position(&self) -> Position {
        // texts and numbers: nothing in it can fail
        Position::new(serde_json::to_string(self).unwrap_or_default())
    }

    /// How many files have had its name, this one included if it has given lines.
    pub(super) fn files(&self, has_given: bool) -> u64 {
        self.before.saturating_add(u64::from(has_given))
    }

    /// The number of the last line that was read, among all of its name.
    pub(super) fn number(&self) -> u64 {
        self.before.saturating_mul(FILE_NUMBERS).saturating_add(self.line)
    }
}

/// A place of the checkpoint, and what the partition was called there.
pub(super) struct Known {
    pub(super) partition: Arc<str>,
    pub(super) place: Place,
}

impl Known {
    /// How many files have had its name, this one included: it may have given more lines than the checkpoint knows.
    pub(super) fn files(&self) -> u64 {
        self.place.files(true)
    }

    /// Whether a file that is begun goes on under its own name from where it was. One of which nothing was read has no
    /// beginning by which another would be told from it, but the time at which it was made, where that is known: places
    /// of a checkpoint of before have none.
    pub(super) fn goes_on(&self, partition: &Arc<str>, place: &Place) -> bool {
        let is_it = place.offset > 0 || self.place.born.is_none() || self.place.born == place.born;
        self.partition == *partition && self.place.offset == place.offset && is_it
    }
}

/// Of what a file begins with.
pub(super) fn hash_of(head: &[u8]) -> String {
    blake3::hash(head).to_hex().as_str().get(..16).unwrap_or_default().to_owned()
}
