//! All state as bytes, and back.
//!
//! ```text
//! "VIRGASNP"  8 bytes
//! version     2 bytes, little-endian
//! checksum    16 bytes: the first 128 bits of BLAKE3 over what follows
//! contents    postcard: watermark, identities, of each correlation its fingerprint and state, and what is on
//!             its way from one to another
//! ```
//!
//! A version that this program does not know is refused with its number; a damaged snapshot is refused
//! before anything of it is read. The fingerprint of a correlation is a hash of the text of its document, of
//! what outer ones ask of it, and of the fingerprints of the inner ones. Not of the rules on single events: when
//! such a rule changes, what has been counted stays counted.

use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

use super::link::Member;
use super::node::Fed;
use super::plan::Plan;
use crate::alert::hash128;

const MAGIC: &[u8; 8] = b"VIRGASNP";
/// Raised when the bytes of a state mean something else than before.
const VERSION: u16 = 3;
const HEAD: usize = 8 + 2 + 16;

/// What a snapshot holds.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Contents {
    pub watermark: i64,
    #[serde(with = "serde_bytes")]
    pub identities: Vec<u8>,
    pub states: Vec<(String, ByteBuf)>,
    /// Matches that an outer correlation asks to stay away: its fingerprint, that of the inner one, the number of
    /// the member, and the match.
    pub held_back: Vec<(String, String, usize, Fed)>,
}

/// Why a snapshot was not written or read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SnapshotError {
    /// The bytes are something else.
    NoSnapshot,
    /// It was written by a program with another format.
    Version(u16),
    /// The checksum does not fit.
    Damaged,
    /// It could not be written or read for another reason.
    Format(String),
}

impl std::fmt::Display for SnapshotError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::NoSnapshot => write!(f, "this is no snapshot of correlations"),
            Self::Version(version) => write!(
                f,
                "the snapshot has format {version}, this program reads format {VERSION}: start without it, and replay the history from the archive"
            ),
            Self::Damaged => {
                write!(f, "the snapshot is damaged (its checksum does not fit): use the one before it")
            }
            Self::Format(cause) => write!(f, "the snapshot cannot be read: {cause}"),
        }
    }
}

impl std::error::Error for SnapshotError {}

impl From<postcard::Error> for SnapshotError {
    fn from(error: postcard::Error) -> Self {
        Self::Format(error.to_string())
    }
}

pub(crate) fn write(contents: &Contents) -> Result<Vec<u8>, SnapshotError> {
    let mut bytes = postcard::to_extend(contents, vec![0; HEAD])?;
    let (head, body) = bytes.split_at_mut(HEAD);
    let checksum = blake3::hash(body);
    head[..8].copy_from_slice(MAGIC);
    head[8..10].copy_from_slice(&VERSION.to_le_bytes());
    head[10..].copy_from_slice(&checksum.as_bytes()[..16]);
    Ok(bytes)
}

pub(crate) fn read(bytes: &[u8]) -> Result<Contents, SnapshotError> {
    let (Some(MAGIC), Some(head)) = (bytes.first_chunk(), bytes.first_chunk::<HEAD>()) else {
        return Err(SnapshotError::NoSnapshot);
    };
    let version = u16::from_le_bytes([head[8], head[9]]);
    if version != VERSION {
        return Err(SnapshotError::Version(version));
    }
    let body = &bytes[HEAD..];
    if blake3::hash(body).as_bytes()[..16] != head[10..] {
        return Err(SnapshotError::Damaged);
    }
    Ok(postcard::from_bytes(body)?)
}

impl Plan {
    /// Stands for all that its state depends on.
    pub(super) fn fingerprint(&self, plans: &[Self]) -> String {
        let correlation = &self.correlation;
        let text = correlation.file.text.get(correlation.span.clone()).unwrap_or_default();
        let bucket = self.bucket.to_string();
        let (carry, feeds) = (self.carry.join("\u{1f}"), self.feeds.is_empty().to_string());
        let inner = self.members.iter().filter_map(|asks| match asks.member {
            Member::Correlation(inner) => Some(plans[inner].fingerprint(plans)),
            Member::Rule(_) => None,
        });
        let inner: Vec<String> = inner.collect();
        let delay = self.delay.to_string();
        hash128(&[&self.key(), text, &bucket, &carry, &feeds, &delay, &inner.join(" ")])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_snapshot_or_an_old_or_a_damaged_one_is_refused_in_so_many_words() {
        let contents = Contents {
            watermark: 5,
            identities: vec![1],
            states: vec![("a".into(), ByteBuf::from(vec![2, 3]))],
            held_back: Vec::new(),
        };
        let bytes = write(&contents).unwrap();
        assert_eq!(read(&bytes).unwrap().states, contents.states);
        for (change, expected) in [
            (0, SnapshotError::NoSnapshot),
            (8, SnapshotError::Version(VERSION ^ 0xff)),
            (12, SnapshotError::Damaged),
            (HEAD, SnapshotError::Damaged),
            (bytes.len() - 1, SnapshotError::Damaged),
        ] {
            let mut changed = bytes.clone();
            changed[change] ^= 0xff;
            assert_eq!(read(&changed).unwrap_err(), expected, "byte {change}");
        }
        for end in 0..HEAD {
            assert!(read(&bytes[..end]).is_err());
        }
        assert!(SnapshotError::Version(9).to_string().contains("format 9"));
    }
}
