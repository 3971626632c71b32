//! Unpacks gzip and zstd while reading, and stops what expands beyond all measure.
//!
//! In: any reader. Out: a reader of the unpacked bytes. The first four bytes tell gzip (`1f 8b`) and
//! zstd (`28 b5 2f fd`) from plain text. Several gzip members or zstd frames one behind the other,
//! as appending writers leave them, are read as one stream. What is packed again in what was packed is
//! unpacked too: CloudWatch Logs packs what it gives to Firehose, and Firehose may pack that once more.
//!
//! A packed input can be a thousand times its size and still be honest in every block, so a cap
//! stands on the ratio and one on the whole. All that was unpacked before a fault has been given
//! out; the fault itself comes as a [`StreamFault`] inside the `io::Error`. A failure of the reader
//! below is given on as it came: it says nothing of the bytes.

use std::io::{self, BufReader, Cursor, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use flate2::bufread::MultiGzDecoder;

use crate::limits::{EXPANSION_FREE_BYTES, MAX_EXPANDED_BYTES, MAX_EXPANSION, READ_BYTES};
use crate::quarantine::Cause;

/// Why a stream ended before its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StreamFault {
    /// The packed stream ends too early.
    Truncated,
    /// The packed stream is damaged.
    Corrupt,
    /// The packed stream expands beyond the caps.
    ExpandsTooFar {
        /// Bytes read.
        packed: u64,
        /// Bytes they gave.
        expanded: u64,
    },
}

impl std::fmt::Display for StreamFault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Truncated => f.write_str("the compressed input ends too early"),
            Self::Corrupt => f.write_str("the compressed input is damaged"),
            Self::ExpandsTooFar { packed, expanded } => {
                write!(f, "{packed} compressed bytes expanded to {expanded}, beyond the caps")
            }
        }
    }
}

impl std::error::Error for StreamFault {}

impl StreamFault {
    /// The cause under which a failed read is quarantined.
    pub fn cause(error: &io::Error) -> Cause {
        match error.get_ref().and_then(|inner| inner.downcast_ref::<Self>()) {
            Some(Self::Truncated) => Cause::TruncatedCompression,
            Some(Self::Corrupt) => Cause::CorruptCompression,
            Some(Self::ExpandsTooFar { .. }) => Cause::ExpandsTooFar,
            None => Cause::ReadFailed,
        }
    }
}

/// How far a packed input may expand.
#[derive(Debug, Clone, Copy)]
pub struct ExpansionLimits {
    /// Unpacked bytes at all.
    pub bytes: u64,
    /// Unpacked bytes for each packed one.
    pub ratio: u64,
    /// Unpacked bytes below which the ratio is not asked.
    pub free_bytes: u64,
}

impl Default for ExpansionLimits {
    fn default() -> Self {
        Self { bytes: MAX_EXPANDED_BYTES, ratio: MAX_EXPANSION, free_bytes: EXPANSION_FREE_BYTES }
    }
}

type Packed = BufReader<Counted>;

/// Whether bytes begin like something packed.
pub fn is_packed(bytes: &[u8]) -> bool {
    matches!(bytes, [0x1f, 0x8b, ..] | [0x28, 0xb5, 0x2f, 0xfd, ..] | [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..])
}

/// A reader of the unpacked bytes of an input.
pub struct Decompressor {
    stream: Stream,
    limits: ExpansionLimits,
    below: Arc<Below>,
    /// Of the outermost bytes, where what was packed is packed again.
    packed: Arc<Below>,
    expanded: u64,
    /// Unpacked bytes that were read ahead, and the error that was met behind them.
    head: Cursor<Vec<u8>>,
    fault: Option<io::Error>,
}

/// What the decoder does not tell of the reader that it reads.
#[derive(Default)]
struct Below {
    /// Packed bytes read.
    bytes: AtomicU64,
    /// Its last read failed: the error that the decoder gives now is its own no more.
    failed: AtomicBool,
}

enum Stream {
    Plain(Packed),
    Gzip(Box<MultiGzDecoder<Packed>>),
    Zstd(Box<zstd::stream::read::Decoder<'static, Packed>>),
}

impl Decompressor {
    /// Looks at the first bytes of an input and unpacks it accordingly.
    ///
    /// # Errors
    /// Where the first bytes cannot be read, or the unpacking cannot be set up.
    pub fn new(reader: Box<dyn Read + Send>, limits: ExpansionLimits) -> io::Result<Self> {
        let below = Arc::<Below>::default();
        let mut counted = Counted { head: Cursor::default(), reader, below: Arc::clone(&below) };
        let magic = counted.peek(4)?;
        let packed = Arc::clone(&below);
        let mut once = Self::of(counted, &magic, limits, below, packed)?;
        if !is_packed(&magic) {
            return Ok(once);
        }
        once.hold_beginning();
        // packed once more, but not again: nobody does who has no ill will
        match is_packed(once.head.get_ref()) {
            true => once.unpacked_again(),
            false => Ok(once),
        }
    }

    /// What is in it, where that is packed too. How far it expands is measured from the outermost bytes.
    fn unpacked_again(self) -> io::Result<Self> {
        let (limits, packed) = (self.limits, Arc::clone(&self.below));
        let magic = self.head.get_ref().clone();
        let below = Arc::<Below>::default();
        let counted = Counted { head: Cursor::default(), reader: Box::new(self), below: Arc::clone(&below) };
        Self::of(counted, &magic, limits, below, packed)
    }

    /// Reads the first four bytes ahead, as far as they are there, and remembers why no more are.
    fn hold_beginning(&mut self) {
        let mut held = Vec::new();
        let mut chunk = [0; 4];
        while let Some(free) = chunk.get_mut(held.len()..).filter(|free| !free.is_empty()) {
            match self.unpack(free) {
                Ok(0) => break,
                Ok(read) => held.extend_from_slice(free.get(..read).unwrap_or_default()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    self.fault = Some(error);
                    break;
                }
            }
        }
        self.head = Cursor::new(held);
    }

    fn of(
        counted: Counted,
        magic: &[u8],
        limits: ExpansionLimits,
        below: Arc<Below>,
        packed: Arc<Below>,
    ) -> io::Result<Self> {
        let stream = match magic {
            [0x1f, 0x8b, ..] => Stream::Gzip(Box::new(MultiGzDecoder::new(buffered(counted)))),
            // a frame, or one that is to be skipped, with which parallel packers begin
            [0x28, 0xb5, 0x2f, 0xfd] | [0x50..=0x5f, 0x2a, 0x4d, 0x18] => {
                Stream::Zstd(Box::new(zstd::stream::read::Decoder::with_buffer(buffered(counted))?))
            }
            _ => Stream::Plain(buffered(counted)),
        };
        Ok(Self { stream, limits, below, packed, expanded: 0, head: Cursor::default(), fault: None })
    }

    /// How many bytes have been unpacked so far, in both layers where what was packed is packed again.
    pub(super) fn unpacked_bytes(&self) -> u64 {
        let is_again = !Arc::ptr_eq(&self.below, &self.packed);
        let between = if is_again { self.below.bytes.load(Ordering::Relaxed) } else { 0 };
        self.expanded + between
    }

    fn check(&self) -> io::Result<()> {
        if matches!(self.stream, Stream::Plain(_)) {
            return Ok(());
        }
        let packed = self.packed.bytes.load(Ordering::Relaxed);
        let beyond_ratio =
            self.expanded > self.limits.free_bytes && self.expanded / self.limits.ratio.max(1) > packed;
        if beyond_ratio || self.expanded > self.limits.bytes {
            let fault = StreamFault::ExpandsTooFar { packed, expanded: self.expanded };
            return Err(io::Error::other(fault));
        }
        Ok(())
    }
}

fn buffered(counted: Counted) -> Packed {
    BufReader::with_capacity(READ_BYTES, counted)
}

impl Read for Decompressor {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        match self.head.read(buf)? {
            0 => self.fault.take().map_or_else(|| self.unpack(buf), Err),
            read => Ok(read),
        }
    }
}

impl Decompressor {
    fn unpack(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        self.check()?;
        let read = match &mut self.stream {
            Stream::Plain(reader) => return reader.read(buf),
            Stream::Gzip(reader) => reader.read(buf),
            Stream::Zstd(reader) => reader.read(buf),
        };
        let read = read.map_err(|error| match self.below.failed.load(Ordering::Relaxed) {
            true => error,
            false => as_fault(error),
        })?;
        self.expanded += read as u64;
        Ok(read)
    }
}

/// What a decoder's own error means: "unexpected end" is a stream that is cut off, "invalid" in several
/// ways one that is damaged.
fn as_fault(error: io::Error) -> io::Error {
    match error.kind() {
        io::ErrorKind::UnexpectedEof => io::Error::other(StreamFault::Truncated),
        io::ErrorKind::InvalidInput | io::ErrorKind::InvalidData => io::Error::other(StreamFault::Corrupt),
        // what zstd's library says comes as this kind, without an error number of the system
        io::ErrorKind::Other if error.raw_os_error().is_none() => io::Error::other(StreamFault::Corrupt),
        _ => error,
    }
}

/// Counts the packed bytes, gives the peeked ones out again, and remembers whether reading failed.
struct Counted {
    head: Cursor<Vec<u8>>,
    reader: Box<dyn Read + Send>,
    below: Arc<Below>,
}

impl Counted {
    fn peek(&mut self, count: u64) -> io::Result<Vec<u8>> {
        let mut head = Vec::new();
        self.reader.by_ref().take(count).read_to_end(&mut head)?;
        self.head = Cursor::new(head.clone());
        Ok(head)
    }
}

impl Read for Counted {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let read = match self.head.read(buf)? {
            0 => self.reader.read(buf),
            read => Ok(read),
        };
        self.below.failed.store(read.is_err(), Ordering::Relaxed);
        let read = read?;
        self.below.bytes.fetch_add(read as u64, Ordering::Relaxed);
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::Compression;
    use flate2::write::GzEncoder;
    use std::io::Write;

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    fn unpack(bytes: Vec<u8>, limits: ExpansionLimits) -> (Vec<u8>, Option<Cause>) {
        let mut reader = Decompressor::new(Box::new(Cursor::new(bytes)), limits).unwrap();
        let mut out = Vec::new();
        let mut chunk = [0; 1000];
        loop {
            match reader.read(&mut chunk) {
                Ok(0) => return (out, None),
                Ok(read) => out.extend_from_slice(&chunk[..read]),
                Err(error) => return (out, Some(StreamFault::cause(&error))),
            }
        }
    }

    /// Gives its bytes, is interrupted before each piece, and then fails.
    struct Failing {
        bytes: Cursor<Vec<u8>>,
        interrupted: bool,
        fail: fn() -> io::Error,
    }

    impl Read for Failing {
        fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
            self.interrupted = !self.interrupted;
            if self.interrupted {
                return Err(io::ErrorKind::Interrupted.into());
            }
            match self.bytes.read(buf)? {
                0 => Err((self.fail)()),
                read => Ok(read),
            }
        }
    }

    #[test]
    fn a_reader_that_fails_below_is_no_damage_and_its_error_comes_as_it_was() {
        let text = noise(200_000);
        // the store gave up, the disk is broken, and kinds that decoders use for damage themselves
        let failures: [fn() -> io::Error; 5] = [
            || io::Error::other("the connection ended early"),
            || io::Error::from_raw_os_error(5),
            || io::Error::new(io::ErrorKind::UnexpectedEof, "the peer closed"),
            || io::Error::new(io::ErrorKind::InvalidData, "a record of TLS"),
            || io::Error::new(io::ErrorKind::InvalidInput, "no such range"),
        ];
        for packed in [gzip(&text), zstd::encode_all(text.as_slice(), 3).unwrap()] {
            // in the header, in the middle, in the trailer, and between two members
            for cut in [6, packed.len() / 2, packed.len() - 2, packed.len()] {
                for fail in failures {
                    let bytes = Cursor::new(packed[..cut].to_vec());
                    let reader = Box::new(Failing { bytes, interrupted: false, fail });
                    let mut reader = Decompressor::new(reader, ExpansionLimits::default()).unwrap();
                    let mut out = Vec::new();
                    let error = reader.read_to_end(&mut out).unwrap_err();
                    assert_eq!(StreamFault::cause(&error), Cause::ReadFailed, "{cut} of {}", packed.len());
                    assert_eq!(error.to_string(), fail().to_string());
                    assert!(text.starts_with(&out));
                    assert!(cut < packed.len() || out.len() == text.len());
                }
            }
        }
    }

    fn noise(len: usize) -> Vec<u8> {
        let mut state = 7u64;
        let mut next = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (state >> 56) as u8
        };
        (0..len).map(|_| next()).collect()
    }

    #[test]
    fn what_is_packed_is_known_by_its_bytes() {
        let text = b"{\"a\":1}\n".repeat(500);
        let zstd = zstd::encode_all(text.as_slice(), 3).unwrap();
        let (first, second) = text.split_at(1234);
        let members = [gzip(first), gzip(second)].concat();
        let frames = [zstd::encode_all(first, 1).unwrap(), zstd::encode_all(second, 1).unwrap()].concat();
        let skippable = [&[0x50, 0x2a, 0x4d, 0x18, 4, 0, 0, 0, 1, 2, 3, 4], zstd.as_slice()].concat();
        for packed in [text.clone(), gzip(&text), zstd, members, frames, skippable] {
            assert_eq!(unpack(packed, ExpansionLimits::default()), (text.clone(), None));
        }
        for short in [&b""[..], b"{", b"{}\n"] {
            assert_eq!(unpack(short.to_vec(), ExpansionLimits::default()), (short.to_vec(), None));
        }
    }

    #[test]
    fn what_is_packed_twice_is_unpacked_and_its_faults_are_told() {
        let text = noise(200_000);
        let (first, second) = text.split_at(70_000);
        let members = [gzip(first), gzip(second)].concat();
        let frames = [zstd::encode_all(first, 1).unwrap(), zstd::encode_all(second, 1).unwrap()].concat();
        for inner in [members, frames] {
            for outer in [gzip(&inner), zstd::encode_all(inner.as_slice(), 3).unwrap()] {
                assert_eq!(unpack(outer.clone(), ExpansionLimits::default()), (text.clone(), None));
                // an end that is missing outside, and one that is missing inside
                let (out, cause) = unpack(outer[..outer.len() / 2].to_vec(), ExpansionLimits::default());
                assert!(text.starts_with(&out) && !out.is_empty());
                assert_eq!(cause, Some(Cause::TruncatedCompression));
            }
            let cut = gzip(&inner[..inner.len() / 2]);
            let (out, cause) = unpack(cut, ExpansionLimits::default());
            assert!(text.starts_with(&out) && !out.is_empty());
            assert_eq!(cause, Some(Cause::TruncatedCompression));
        }
        // a third time is once too often, and what there is goes on as bytes
        let thrice = gzip(&gzip(&gzip(b"{}")));
        assert_eq!(unpack(thrice, ExpansionLimits::default()), (gzip(b"{}"), None));
        // what is too short to be anything stays what it is
        assert_eq!(unpack(gzip(b"{}"), ExpansionLimits::default()), (b"{}".to_vec(), None));
        assert_eq!(unpack(gzip(b""), ExpansionLimits::default()), (Vec::new(), None));
        let cut = gzip(b"{}\n")[..12].to_vec();
        assert_eq!(unpack(cut, ExpansionLimits::default()).1, Some(Cause::TruncatedCompression));
    }

    #[test]
    fn a_truncated_stream_gives_what_it_has_and_then_its_cause() {
        let text = noise(200_000);
        for packed in [gzip(&text), zstd::encode_all(text.as_slice(), 3).unwrap()] {
            let cut = packed[..packed.len() / 2].to_vec();
            let (out, cause) = unpack(cut, ExpansionLimits::default());
            assert_eq!(cause, Some(Cause::TruncatedCompression));
            assert!(text.starts_with(&out));
        }
    }

    #[test]
    fn a_damaged_stream_says_so() {
        let text = noise(200_000);
        for mut packed in [gzip(&text), zstd::encode_all(text.as_slice(), 3).unwrap()] {
            let last = packed.len() - 6;
            packed[last] ^= 0x55;
            let (_, cause) = unpack(packed.clone(), ExpansionLimits::default());
            assert!(matches!(cause, None | Some(Cause::CorruptCompression)), "{cause:?}");
            packed.truncate(last);
            packed.splice(4000..4000, [0xff; 64]);
            let (_, cause) = unpack(packed, ExpansionLimits::default());
            assert!(cause.is_some());
        }
        let mut gz = gzip(&text);
        let crc = gz.len() - 6;
        gz[crc] ^= 0x55;
        assert_eq!(unpack(gz, ExpansionLimits::default()), (text, Some(Cause::CorruptCompression)));
    }

    #[test]
    fn a_bomb_is_stopped_by_its_ratio_and_by_its_size() {
        let bomb = gzip(&vec![b' '; 4 << 20]);
        let by_ratio = ExpansionLimits { bytes: u64::MAX, ratio: 100, free_bytes: 1 << 20 };
        let (out, cause) = unpack(bomb.clone(), by_ratio);
        assert_eq!(cause, Some(Cause::ExpandsTooFar));
        assert!(out.len() >= 1 << 20 && out.len() < 2 << 20, "{}", out.len());
        let by_size = ExpansionLimits { bytes: 100_000, ratio: u64::MAX, free_bytes: 0 };
        let (out, cause) = unpack(bomb, by_size);
        assert_eq!(cause, Some(Cause::ExpandsTooFar));
        assert!(out.len() <= 101_000);
    }

    #[test]
    fn an_honest_log_of_equal_lines_is_no_bomb() {
        let text = b"{\"eventName\":\"GetObject\"}\n".repeat(100_000);
        assert_eq!(unpack(gzip(&text), ExpansionLimits::default()).1, None);
    }
}
