//! What could not be read: kept with its origin and cause, counted, never dropped in silence.
//!
//! In: the bytes of a record (the first [`crate::limits::MAX_QUARANTINED_BYTES`] of them), where it
//! stood, and why it could not be read. Out: one line of NDJSON each, and a count for each cause.
//!
//! ```text
//! {"origin":{"path":"trail.jsonl","line":7},"cause":"cut_off","time":"2023-07-10T11:42:00Z","raw_base64":"eyJl"}
//! ```
//!
//! `time` is the input's ingest time, not the clock's: the same input gives the same entries. The
//! bytes stand in base64 because they may be anything.

use base64::Engine;
use virga_engine::event::Origin;
use virga_engine::json::{JsonError, JsonErrorKind};

use crate::sources::time::to_rfc3339;

/// Why a record, or the rest of an input, could not be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Cause {
    /// Its text is not UTF-8.
    InvalidUtf8,
    /// It is not JSON.
    NotJson,
    /// It is JSON, but no object: an event has fields.
    NotAnObject,
    /// It ends inside a value.
    CutOff,
    /// It nests deeper than the engine reads.
    TooDeep,
    /// It is larger than an event may be.
    TooLarge,
    /// The compressed input ends too early.
    TruncatedCompression,
    /// The compressed input is damaged.
    CorruptCompression,
    /// The compressed input expands beyond all measure.
    ExpandsTooFar,
    /// Reading the input failed.
    ReadFailed,
    /// The input is in a format that is not read, as its first bytes tell.
    OtherFormat,
}

/// Every cause, in the order in which a summary shows them.
pub static CAUSES: &[Cause] = &[
    Cause::InvalidUtf8,
    Cause::NotJson,
    Cause::NotAnObject,
    Cause::CutOff,
    Cause::TooDeep,
    Cause::TooLarge,
    Cause::TruncatedCompression,
    Cause::CorruptCompression,
    Cause::ExpandsTooFar,
    Cause::ReadFailed,
    Cause::OtherFormat,
];

impl Cause {
    /// The stable name in quarantine files and metrics.
    pub fn code(self) -> &'static str {
        match self {
            Self::InvalidUtf8 => "invalid_utf8",
            Self::NotJson => "not_json",
            Self::NotAnObject => "not_an_object",
            Self::CutOff => "cut_off",
            Self::TooDeep => "too_deep",
            Self::TooLarge => "too_large",
            Self::TruncatedCompression => "truncated_compression",
            Self::CorruptCompression => "corrupt_compression",
            Self::ExpandsTooFar => "expands_too_far",
            Self::ReadFailed => "read_failed",
            Self::OtherFormat => "other_format",
        }
    }

    /// The same for people.
    pub fn meaning(self) -> &'static str {
        match self {
            Self::InvalidUtf8 => "the record is not valid UTF-8",
            Self::NotJson => "the record is not JSON",
            Self::NotAnObject => "the record is JSON, but not an object",
            Self::CutOff => "the record ends inside a value",
            Self::TooDeep => "the record nests too deep",
            Self::TooLarge => "the record is larger than an event may be",
            Self::TruncatedCompression => "the compressed input ends too early",
            Self::CorruptCompression => "the compressed input is damaged",
            Self::ExpandsTooFar => "the compressed input expands too far",
            Self::ReadFailed => "reading the input failed",
            Self::OtherFormat => {
                "the input is no JSON but Avro, Parquet, an archive, or packed otherwise than by gzip or zstd"
            }
        }
    }

    fn index(self) -> usize {
        CAUSES.iter().position(|cause| *cause == self).unwrap_or_default()
    }
}

impl std::fmt::Display for Cause {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.meaning())
    }
}

impl From<&JsonError> for Cause {
    fn from(error: &JsonError) -> Self {
        match error.kind {
            JsonErrorKind::Incomplete => Self::CutOff,
            JsonErrorKind::Syntax(_) => Self::NotJson,
            JsonErrorKind::TooDeep => Self::TooDeep,
        }
    }
}

/// One record, or the rest of one input, that could not be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Quarantined {
    /// Where it stood.
    pub origin: Origin,
    /// Why it could not be read.
    pub cause: Cause,
    /// When the input received it, microseconds since 1970 in UTC.
    pub time: i64,
    /// Its first bytes.
    pub bytes: Vec<u8>,
}

impl Quarantined {
    /// The entry as one line of NDJSON, without the line break.
    pub fn to_json_line(&self) -> String {
        serde_json::json!({
            "origin": self.origin,
            "cause": self.cause.code(),
            "time": to_rfc3339(self.time),
            "raw_base64": base64::engine::general_purpose::STANDARD.encode(&self.bytes),
        })
        .to_string()
    }
}

/// How many records each cause took.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CauseCounts {
    counts: Vec<u64>,
}

impl CauseCounts {
    /// Counts one.
    pub fn add(&mut self, cause: Cause) {
        self.counts.resize(CAUSES.len(), 0);
        if let Some(count) = self.counts.get_mut(cause.index()) {
            *count += 1;
        }
    }

    /// Counts what others have counted.
    pub fn extend(&mut self, others: &Self) {
        self.counts.resize(CAUSES.len(), 0);
        self.counts.iter_mut().zip(&others.counts).for_each(|(count, more)| *count += more);
    }

    /// How many records that cause took.
    pub fn of(&self, cause: Cause) -> u64 {
        self.counts.get(cause.index()).copied().unwrap_or_default()
    }

    /// All of them.
    pub fn total(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// The causes that took any, in the order of [`CAUSES`].
    pub fn iter(&self) -> impl Iterator<Item = (Cause, u64)> {
        CAUSES.iter().map(|&cause| (cause, self.of(cause))).filter(|(_, count)| *count > 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use virga_engine::event::OriginBase;

    #[test]
    fn an_entry_is_one_line_whatever_its_bytes_are() {
        let entry = Quarantined {
            origin: Origin { base: OriginBase::File { path: "a.jsonl".into() }, line: Some(3), record: None },
            cause: Cause::InvalidUtf8,
            time: 1_688_989_320_000_000,
            bytes: vec![0xff, b'\n', 0],
        };
        assert_eq!(
            entry.to_json_line(),
            r#"{"origin":{"path":"a.jsonl","line":3},"cause":"invalid_utf8","time":"2023-07-10T11:42:00Z","raw_base64":"/woA"}"#
        );
    }

    #[test]
    fn every_cause_has_a_code_of_its_own() {
        let mut codes: Vec<_> = CAUSES.iter().map(|cause| cause.code()).collect();
        codes.sort_unstable();
        codes.dedup();
        assert_eq!(codes.len(), CAUSES.len());
    }

    #[test]
    fn counts_are_kept_for_each_cause() {
        let mut counts = CauseCounts::default();
        counts.add(Cause::CutOff);
        counts.add(Cause::CutOff);
        counts.add(Cause::NotJson);
        assert_eq!(counts.iter().collect::<Vec<_>>(), [(Cause::NotJson, 1), (Cause::CutOff, 2)]);
        assert_eq!((counts.total(), counts.of(Cause::TooDeep)), (3, 0));
    }
}
