//! Every bound of the daemon, in one place, each with its reason and what happens beyond it.

use std::time::Duration;

/// Pieces that wait before and behind each worker. With pieces of some megabytes it bounds memory; beyond it
/// inputs are paused.
pub const QUEUE_PIECES: usize = 2;

/// Alerts that wait for a sink. Beyond it correlation waits, and reading with it: a sink that is down for
/// long slows everything and loses nothing.
pub const MAX_OUTBOX: usize = 100_000;

/// Bytes of alerts that wait: they are part of each checkpoint. Beyond it as with [`MAX_OUTBOX`].
pub const MAX_OUTBOX_BYTES: usize = 32 << 20;

/// Alerts that a sink is given at once.
pub const SINK_BATCH: usize = 500;

/// Bytes of an alert that is sent to a broker, before compression. Whether it takes one is the topic's to say
/// (`max.message.bytes`); from 100 MB on brokers hang up without a word (`socket.request.max.bytes`). Beyond it the
/// alert is sent shortened.
pub const MAX_MESSAGE_BYTES: usize = 64 << 20;

/// Bytes of each part of an alert that is too large for a sink: first so much that the whole stays below what brokers
/// take unless they are told otherwise (1 MB), then so little that any topic takes it. Longer parts are left out.
pub const ALERT_PARTS: &[usize] = &[64 << 10, 256];

/// Ids of suppressed alerts that are remembered, so that of equal ones the first alone goes out. Beyond it the
/// oldest buckets are forgotten, and their alerts go out again under the same id.
pub const MAX_SUPPRESSED: usize = 1_000_000;

/// The first wait before a sink is tried again; it doubles, with chance in it, so that many daemons do not
/// come back at one instant.
pub const RETRY_FIRST: Duration = Duration::from_millis(200);

/// The longest wait before a sink is tried again.
pub const RETRY_MOST: Duration = Duration::from_secs(30);

/// How long sinks may take to deliver what is left when the process is asked to end; the rest stays in the
/// checkpoint.
pub const DRAIN: Duration = Duration::from_secs(10);

/// How long a sink may then take to come back from a write. One that hangs in it (a pipe that nobody reads, a share that
/// is gone) is left: what it was given comes again from the checkpoint.
pub const SINK_END: Duration = Duration::from_secs(2);

/// How long work that is under way may take to come to its end when the process is asked to end; what is not
/// through is read again by the next.
pub const FINISH: Duration = Duration::from_secs(60);

/// How long the disk of the state may take to have room for a record that cannot be read, when the process is asked to
/// end: then no checkpoint passes over it, and it is read again by the next.
pub const DISK_END: Duration = Duration::from_secs(3);

/// Bytes of one file of quarantine, of late hits, and of a file sink unless it says otherwise, before the next
/// is begun.
pub const FILE_BYTES: u64 = 64 << 20;

/// Files of quarantine and of late hits that are kept; beyond it the oldest is removed, counted and told.
pub const KEPT_FILES: usize = 16;

/// Bytes of a checkpoint that is read: beyond it the file is something else.
pub const MAX_CHECKPOINT_BYTES: u64 = 8 << 30;

/// Bytes of a checkpoint that are given to the system at once.
pub const WRITE_BYTES: usize = 256 << 10;

/// The share of time that writing checkpoints may take: where one takes long, the next waits so many times
/// as long.
pub const CHECKPOINT_PAUSE: u32 = 10;

/// How soon after the last a checkpoint may follow where somebody waits for it.
pub const URGENT_CHECKPOINT: Duration = Duration::from_millis(100);

/// How soon after the last a commit of the archive, and a checkpoint behind it, may follow where somebody waits for
/// it: each makes a file for each hour of each source.
pub const URGENT_COMMIT: Duration = Duration::from_secs(1);

/// Batches and alerts that wait for the archive's thread. With batches of some megabytes it bounds memory; beyond
/// it correlation waits, and reading with it.
pub const ARCHIVE_QUEUE: usize = 8;

/// Bytes of the events of one piece that wait for their turn with it. Of a larger piece (an object of gigabytes)
/// what is beyond goes to the archive before its turn: after a kill it may be there twice.
pub const PIECE_BYTES: usize = 32 << 20;

/// How long a start waits for the archive's first word: one that is wrong ends the start at once, one that is away is
/// waited for while all else runs.
pub const ARCHIVE_FIRST_WORD: Duration = Duration::from_secs(3);

/// How long the archive's thread may take to come back when the process ends, beyond the longest wait of its own. One
/// whose store answers nothing is left: what it has not committed no checkpoint stands on.
pub const ARCHIVE_END: Duration = Duration::from_secs(10);

/// The same where its store was away when the process was to end: nothing that it does now counts.
pub const ARCHIVE_LEFT_END: Duration = Duration::from_secs(1);

/// The longest wait before a request to the archive's store is made anew.
pub const STORE_RETRY_MOST: Duration = Duration::from_secs(5);

/// After a change of a rule file: how long until nothing more changes before all are read.
pub const SETTLE: Duration = Duration::from_millis(500);

/// The longest such wait: where files change without end, what is there by then is read.
pub const SETTLE_MOST: Duration = Duration::from_secs(5);

/// Rules that are links and whose files are watched where they lie: each folder of them takes a watch of the system's.
/// Beyond it a change behind a link is heard with SIGHUP only, which is said.
pub const WATCHED_LINKS: usize = 4_096;

/// How long the head of a request for metrics may take to come, from the answer before it where the connection is kept:
/// longer than the minute that usually lies between two of them. Who takes longer is hung up on.
pub const METRICS_PATIENCE: Duration = Duration::from_secs(120);

/// How often what histograms were given is drained, where nobody asks for the metrics.
pub const METRICS_UPKEEP: Duration = Duration::from_secs(5);

/// Who may be connected to the metrics at once: each is an open file of the process. Beyond it the oldest that asks
/// nothing is hung up on.
pub const METRICS_CONNECTIONS: usize = 32;

/// Without a sign of life of the correlator for so long, the process is not healthy.
pub const HEARTBEAT: Duration = Duration::from_secs(60);

/// Worker threads, unless the configuration says otherwise: beyond it correlation, one thread, is what
/// bounds.
pub const MAX_WORKERS: usize = 32;
