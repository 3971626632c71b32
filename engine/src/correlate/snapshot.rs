//! All state as bytes, and back: in pieces, so that neither who writes nor who reads it holds it as a whole.
//!
//! ```text
//! piece 0     "VIRGASNP" 8 bytes, version 2 bytes little-endian, then postcard: watermark, identities, and
//!             what is on its way from one correlation to another
//! piece n     postcard: the fingerprint of a correlation, behind it its state
//! ```
//!
//! A version that this program does not know is refused with its number. There is no checksum: whoever keeps the
//! pieces has one over all that it keeps. The fingerprint of a correlation is a hash of the text of its document, of
//! what outer ones ask of it, and of the fingerprints of the inner ones. Not of the rules on single events: when
//! such a rule changes, what has been counted stays counted.

use super::hit::Identities;
use super::link::Member;
use super::machine::Fed;
use super::plan::Plan;
use crate::alert::hash128;

const MAGIC: &[u8; 8] = b"VIRGASNP";
/// Raised when the bytes of a state mean something else than before.
const VERSION: u16 = 6;
const HEAD: usize = 8 + 2;

/// A match that an outer correlation asks to stay away: the fingerprint of the outer one, that of the inner one, the
/// number of the member, and the match.
pub(crate) type HeldBack<S, F> = (S, S, usize, F);

/// What the first piece holds, as it is read: the watermark, identities, and what is held back.
pub(crate) type Common = (i64, Identities, Vec<HeldBack<String, Fed>>);

/// Why a snapshot was not written or read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SnapshotError {
    /// The bytes are something else.
    NoSnapshot,
    /// It was written by a program with another format.
    Version(u16),
    /// It could not be written or read for another reason.
    Format(String),
}

impl std::fmt::Display for SnapshotError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::NoSnapshot => write!(f, "this is no snapshot of correlations"),
            Self::Version(version) => write!(
                f,
                "the state of correlations has format {version}, this program reads format {VERSION}"
            ),
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

impl From<SnapshotError> for std::io::Error {
    fn from(error: SnapshotError) -> Self {
        Self::other(error)
    }
}

/// The first piece.
pub(crate) fn write_common(
    watermark: i64,
    identities: &Identities,
    held_back: &[HeldBack<&str, &Fed>],
) -> Result<Vec<u8>, SnapshotError> {
    let mut bytes = Vec::from(MAGIC);
    bytes.extend_from_slice(&VERSION.to_le_bytes());
    Ok(postcard::to_extend(&(watermark, identities, held_back), bytes)?)
}

/// Whether this program reads a snapshot that begins with this piece.
///
/// # Errors
/// Where it does not.
pub fn readable(piece: &[u8]) -> Result<(), SnapshotError> {
    contents(piece).map(|_| ())
}

/// What stands in the first piece behind its head.
fn contents(piece: &[u8]) -> Result<&[u8], SnapshotError> {
    let (Some(MAGIC), Some(head)) = (piece.first_chunk(), piece.first_chunk::<HEAD>()) else {
        return Err(SnapshotError::NoSnapshot);
    };
    match u16::from_le_bytes([head[8], head[9]]) {
        VERSION => Ok(&piece[HEAD..]),
        version => Err(SnapshotError::Version(version)),
    }
}

/// What the first piece holds.
pub(crate) fn read_common(piece: &[u8]) -> Result<Common, SnapshotError> {
    Ok(postcard::from_bytes(contents(piece)?)?)
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
    fn what_is_no_snapshot_or_one_of_another_format_is_refused_in_so_many_words() {
        let piece = write_common(5, &Identities::default(), &[]).unwrap();
        assert_eq!(read_common(&piece).unwrap().0, 5);
        for (change, expected) in
            [(0, SnapshotError::NoSnapshot), (8, SnapshotError::Version(VERSION ^ 0xff))]
        {
            let mut changed = piece.clone();
            changed[change] ^= 0xff;
            assert_eq!(read_common(&changed).unwrap_err(), expected, "byte {change}");
            assert_eq!(readable(&changed).unwrap_err(), expected, "byte {change}");
        }
        for end in 0..piece.len() {
            assert!(read_common(&piece[..end]).is_err(), "{end} bytes");
        }
        assert!(SnapshotError::Version(9).to_string().contains("format 9"));
    }
}
