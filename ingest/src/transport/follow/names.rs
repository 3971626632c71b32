//! Names that have no file now and had one: how many have had each, so that the lines of the next are not numbered as
//! theirs were.
//!
//! In: a name whose file has gone or is called otherwise. Out: for a file that gets the name, how many there were before
//! it; and what a checkpoint holds of this, as the position of a partition that is no file.
//!
//! ```text
//! #names     {"names":[["/var/log/app.json",3]]}      the next file of this name is its fourth
//! ```

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use crate::limits::REMEMBERED_NAMES;
use crate::position::Position;

/// What the partition is called.
pub(super) const NAMES: &str = "#names";

/// Names without a file; that which has been without one for longest first.
#[derive(Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Names {
    names: VecDeque<(String, u64)>,
}

impl Names {
    /// As a checkpoint has them.
    pub(super) fn of(position: Option<&Position>) -> Self {
        position.and_then(|position| serde_json::from_str(position.text()).ok()).unwrap_or_default()
    }

    /// For the checkpoint.
    pub(super) fn position(&self) -> Position {
        // texts and numbers: nothing in it can fail
        Position::new(serde_json::to_string(self).unwrap_or_default())
    }

    pub(super) fn is_empty(&self) -> bool {
        self.names.is_empty()
    }

    /// How many files have had this name.
    pub(super) fn files(&self, name: &str) -> u64 {
        self.names.iter().find(|(known, _)| known == name).map_or(0, |(_, files)| *files)
    }

    /// A name has no file any more, and so many have had it. What says nothing new is not remembered.
    pub(super) fn remember(&mut self, name: &str, files: u64) -> bool {
        if files <= self.files(name) {
            return false;
        }
        self.names.retain(|(known, _)| known != name);
        self.names.push_back((name.to_owned(), files));
        if self.names.len() > REMEMBERED_NAMES {
            self.names.pop_front();
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_come_back_from_a_checkpoint_and_the_oldest_are_forgotten() {
        let mut names = Names::default();
        assert!(names.is_empty() && !names.remember("a", 0));
        assert!(names.remember("a", 2) && !names.remember("a", 1));
        assert_eq!(names.position().text(), r#"{"names":[["a",2]]}"#);
        let mut back = Names::of(Some(&names.position()));
        assert_eq!(back, names);
        for number in 1..REMEMBERED_NAMES {
            back.remember(&number.to_string(), 1);
        }
        assert_eq!((back.files("a"), back.files("1")), (2, 1));
        back.remember("b", 1);
        assert_eq!((back.files("a"), back.files("1"), back.files("b")), (0, 1, 1));
        for other in [None, Some(&Position::offset(7))] {
            assert!(Names::of(other).is_empty());
        }
    }
}
