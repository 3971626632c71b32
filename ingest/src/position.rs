//! How far each partition of an input has been read: what a checkpoint holds, and where reading goes on.
//!
//! In: what a live transport says of its deliveries. Out: [`Positions`], by partition. A position is a short
//! text that only its own transport understands (an offset, an inode with a byte offset, an entity tag), so
//! that a checkpoint holds those of all transports alike, and shows them to people.
//!
//! ```text
//! cloudtrail/3         1048576
//! /var/log/k8s.json    {"inode":7,"offset":4096,"line":31}
//! ```

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// How far one partition has been read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Position(String);

impl Position {
    /// A position in the words of its transport.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// A position in a partition whose records are numbered: the number of the first that is not read.
    pub fn offset(next: i64) -> Self {
        Self(next.to_string())
    }

    /// The number, if it is one.
    pub fn as_offset(&self) -> Option<i64> {
        self.0.parse().ok()
    }

    /// The words of its transport.
    pub fn text(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Display for Position {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// The positions of one input, by the name of the partition.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Positions(BTreeMap<String, Position>);

impl Positions {
    /// The position of a partition.
    pub fn get(&self, partition: &str) -> Option<&Position> {
        self.0.get(partition)
    }

    /// A partition has been read so far.
    pub fn set(&mut self, partition: &str, position: Position) {
        match self.0.get_mut(partition) {
            Some(known) => *known = position,
            None => drop(self.0.insert(partition.to_owned(), position)),
        }
    }

    /// A partition belongs to the input no more.
    pub fn remove(&mut self, partition: &str) {
        self.0.remove(partition);
    }

    /// All of them, in the order of their names.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Position)> {
        self.0.iter().map(|(partition, position)| (partition.as_str(), position))
    }

    /// How many partitions there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_are_by_partition_and_come_back_from_json() {
        let mut positions = Positions::default();
        positions.set("trail/1", Position::offset(7));
        positions.set("trail/0", Position::offset(5));
        positions.set("trail/1", Position::offset(9));
        assert_eq!(positions.get("trail/1").and_then(Position::as_offset), Some(9));
        let json = serde_json::to_string(&positions).unwrap();
        assert_eq!(json, r#"{"trail/0":"5","trail/1":"9"}"#);
        assert_eq!(serde_json::from_str::<Positions>(&json).unwrap(), positions);
        positions.remove("trail/0");
        assert_eq!((positions.len(), positions.get("trail/0")), (1, None));
    }
}
