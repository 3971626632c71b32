//! Every bound of the archive, in one place, each with its reason and what happens beyond it.

use std::time::Duration;

/// Bytes of events that wait to be written, over all partitions; beyond it the largest partition is written.
/// What waits is packed; while a file is made its events are unpacked, and as many may wait. An import of
/// CloudTrail took 629 MB with this in all (docs/benchmarks.md).
pub const MAX_WAITING: usize = 72 << 20;

/// Bytes of raw events of one file, unpacked: while the file is made all of them are in memory. A file that
/// reaches it has fewer rows.
pub const MAX_RAW: usize = 128 << 20;

/// Files that are sorted and packed at once: each holds its events unpacked while it is.
pub const MAX_AT_WORK: usize = 1;

/// Files on their way to the store at once: what is packed waits in memory for them.
pub const MAX_PUTTING: usize = 2;

/// Values of a column in one row group beyond which there is no facet: what is new in every event says
/// nothing of where to look.
pub const MAX_FACET_VALUES: usize = 8_192;

/// Bytes of the values of one facet: whoever asks of a column reads it whole.
pub const MAX_FACET_BYTES: usize = 1 << 20;

/// Bytes of a section as it stands in a file; a larger one is not read, and nothing is known of its column.
pub const MAX_SECTION: u64 = 4 << 20;

/// Bytes that a section may unfold to; beyond it nothing is known of the column, and all of it is read.
pub const MAX_SECTION_UNFOLDED: usize = 16 << 20;

/// How often a commit is tried while others commit too; beyond it the commit is an error and nothing of it
/// is there.
pub const MAX_COMMIT_ATTEMPTS: usize = 32;

/// How often a request is tried that a store could not serve; beyond it the error is given on.
pub const MAX_REQUESTS: u32 = 6;

/// The pause before the second try; it doubles before each one after.
pub const FIRST_PAUSE: Duration = Duration::from_millis(20);

/// Bytes of a file that is read whole when it is opened: to read it piece by piece takes as many bytes, and more
/// requests.
pub const SMALL_FILE: u64 = 1 << 20;

/// Bytes at the end of a larger file that are read at once and kept while it is open: the footer of an ordinary
/// file with what it says of its small columns.
pub const FOOTER_READ: u64 = 128 << 10;

/// Events of one partition that `verify` compares: 32 bytes each. Of a larger one it forgets those before, and
/// counts fewer events that are there twice than there are.
pub const MAX_COMPARED: usize = 16_000_000;

/// Ids of one partition that are compared at once, 8 bytes each, to find events that are there twice. A larger
/// one is gone through several times, each time for some of its ids.
pub const MAX_IDS: usize = 3_000_000;

/// Bytes up to which the system is told beforehand which pieces of a file on disk will be read; of more it is not the
/// waiting for each that counts.
pub const MAX_ANNOUNCED: u64 = 1 << 20;

/// Hours of which it is found out at once what stands in them twice: each holds its ids.
pub const MAX_HOURS_AT_ONCE: usize = 4;

/// Files that are opened, or whose ids are read, ahead of whoever asks: each holds its footer, a megabyte or two.
pub const MAX_AHEAD: usize = 6;

/// Files of which a query asks what they say of their values before it is seen whether that helps.
pub const MAX_ASKED_BEFORE: usize = 16;

/// How deep a condition is taken apart; what lies deeper may be true of any row. Each level takes stack. A chain of
/// a thousand `OR`s is ten deep, for chains are balanced before.
pub const MAX_CONDITION_DEPTH: usize = 64;

/// So many times as many files are read unasked after some that were asked in vain: to ask a file costs nearly as much
/// as to read a column of it (docs/benchmarks.md).
pub const MAX_ASKED_IN_VAIN: usize = 8;

/// How deep a redaction looks into JSON that stands in strings, one inside the other; what is deeper is
/// masked as a whole, unless no name of the path stands in it.
pub const MAX_UNFOLDED_STRINGS: usize = 4;

/// Names of a redaction's path: how far it has come is a set of bits, one for each and one for the end. A longer
/// path is refused.
pub const MAX_REDACTED_NAMES: usize = 63;

/// Bytes of one alert's JSON; a longer one is refused, for a reader holds many at once.
pub const MAX_ALERT_BYTES: usize = 4 << 20;

/// Bytes of a file that is verified, which is read whole: many times what the largest has that is written
/// here. A larger one is a problem of its own.
pub const MAX_VERIFIED_BYTES: u64 = 1 << 30;

/// Bytes, unpacked, of files that share events and are merged at once: they are held in memory twice. More
/// than that stay as they are, and compaction says so.
pub const MAX_MERGED: usize = 448 << 20;

/// Parquet files of an archive of another program, and likewise files without endings; beyond it, whoever asks must name
/// less of it: footers of all files are read before anything else.
pub const MAX_FOREIGN_FILES: usize = 200_000;

/// Files whose names say nothing that are looked into before an archive is taken for none of another program's: a folder
/// of logs without endings may hold any number.
pub const MAX_LOOKS: usize = 16;

/// Footers of foreign files that are read at once.
pub const MAX_FOOTERS: usize = 32;

/// Foreign files that a query reads at once: each holds a batch as JSON and as columns.
pub const MAX_FOREIGN_READERS: usize = 4;

/// Rows of a foreign file that become events at once: their JSON is held twice.
pub const FOREIGN_BATCH: usize = 4_096;

/// Bytes of events of a foreign file that are packed into one part: they are held twice while they are.
pub const MAX_FOREIGN_PART: usize = 96 << 20;
