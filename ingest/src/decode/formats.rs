//! Formats that are told by their first bytes and not read.
//!
//! In: the beginning of an input. Out: whether it is one of these. To read one line by line would give as many
//! unreadable records as it has line breaks by chance, and none would say what is wrong.

/// What such inputs begin with.
static BEGINNINGS: &[&[u8]] = &[
    // Avro (Event Hubs Capture), Parquet, Arrow
    b"Obj\x01",
    b"PAR1",
    b"ARROW1\0\0",
    // zip, bzip2, xz, lz4, snappy in frames
    b"PK\x03\x04",
    b"BZh91AY&SY",
    b"\xfd7zXZ\0",
    b"\x04\x22\x4d\x18",
    b"\xff\x06\0\0sNaPpY",
    // gzip and zstd, where they have been unpacked as often as they may be
    b"\x1f\x8b",
    b"\x28\xb5\x2f\xfd",
];

/// Bytes that tell.
pub(super) const TELLING_BYTES: usize = 10;

/// Whether an input that begins so is in a format that is not read.
pub(super) fn is_other(beginning: &[u8]) -> bool {
    BEGINNINGS.iter().any(|known| beginning.starts_with(known))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_beginning_is_within_what_is_looked_at_and_no_text() {
        for known in BEGINNINGS {
            assert!(known.len() <= TELLING_BYTES && is_other(known));
        }
        for text in ["", "{", "[", "{\"a\":1}", "Object", "PART", "BZh", "PK"] {
            assert!(!is_other(text.as_bytes()), "{text}");
        }
    }
}
