//! Where an event came from, precisely enough to find it again.
//!
//! In: what a transport knows (a path, an object, a partition) and a number within it. Out: the
//! `origin` of an alert's evidence and of a quarantined record. Lines and records count from 1;
//! offsets are the broker's own and count from 0.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// The part of an origin that many events share: a file, an object, a partition.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum OriginBase {
    /// A file, or standard input (`-`). The path is as the user gave it.
    File {
        /// The path, below the given root where a folder was given.
        path: Arc<str>,
    },
    /// An object of an object store.
    Object {
        /// The bucket or container.
        bucket: Arc<str>,
        /// The object's key.
        key: Arc<str>,
    },
    /// A partition of a topic.
    Topic {
        /// The topic's name.
        topic: Arc<str>,
        /// The partition's number.
        partition: i32,
    },
}

/// Where one event came from.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Origin {
    /// The file, object or partition.
    pub base: OriginBase,
    /// The line in a file of lines, counted from 1.
    pub line: Option<u64>,
    /// The record in a file, object or line that holds several, counted from 1; for a topic, the
    /// offset.
    pub record: Option<u64>,
}

impl Origin {
    /// A text that no other event of the same input has: the base for an id where the source gives
    /// none.
    pub fn locator(&self) -> String {
        let number = |n: Option<u64>| n.map(|n| n.to_string()).unwrap_or_default();
        let (line, record) = (number(self.line), number(self.record));
        match &self.base {
            OriginBase::File { path } => format!("file\u{1f}{path}\u{1f}{line}\u{1f}{record}"),
            OriginBase::Object { bucket, key } => {
                format!("object\u{1f}{bucket}\u{1f}{key}\u{1f}{line}\u{1f}{record}")
            }
            OriginBase::Topic { topic, partition } => {
                format!("topic\u{1f}{topic}\u{1f}{partition}\u{1f}{line}\u{1f}{record}")
            }
        }
    }
}

impl std::fmt::Display for Origin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.base {
            OriginBase::File { path } => write!(f, "{path}")?,
            OriginBase::Object { bucket, key } => write!(f, "{bucket}/{key}")?,
            OriginBase::Topic { topic, partition } => {
                write!(f, "{topic}/{partition}")?;
                return match self.record {
                    Some(offset) => write!(f, "@{offset}"),
                    None => Ok(()),
                };
            }
        }
        if let Some(line) = self.line {
            write!(f, ":{line}")?;
        }
        match self.record {
            Some(record) => write!(f, "#{record}"),
            None => Ok(()),
        }
    }
}

impl Serialize for Origin {
    /// `{"path","line","record"}`, `{"bucket","key","record"}` or `{"topic","partition","offset"}`;
    /// a number that does not apply is left out.
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        use serde::ser::SerializeMap;
        let mut map = serializer.serialize_map(None)?;
        match &self.base {
            OriginBase::File { path } => map.serialize_entry("path", path.as_ref())?,
            OriginBase::Object { bucket, key } => {
                map.serialize_entry("bucket", bucket.as_ref())?;
                map.serialize_entry("key", key.as_ref())?;
            }
            OriginBase::Topic { topic, partition } => {
                map.serialize_entry("topic", topic.as_ref())?;
                map.serialize_entry("partition", partition)?;
                if let Some(offset) = self.record {
                    map.serialize_entry("offset", &offset)?;
                }
                return map.end();
            }
        }
        if let Some(line) = self.line {
            map.serialize_entry("line", &line)?;
        }
        if let Some(record) = self.record {
            map.serialize_entry("record", &record)?;
        }
        map.end()
    }
}
