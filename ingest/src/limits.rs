//! Every bound of reading, in one place, each with its reason and what happens beyond it.

use std::time::Duration;

/// Bytes of one event, and of one envelope that is not streamed. CloudTrail's own bound is 256 KB
/// an event and Azure's 1 MB; beyond this the event goes to quarantine and the next one is read.
pub const MAX_EVENT_BYTES: usize = 16 << 20;

/// Bytes of an unreadable record that quarantine keeps: enough to recognise it. The rest is
/// dropped, so that a line of 100 MB costs no memory.
pub const MAX_QUARANTINED_BYTES: usize = 64 << 10;

/// Bytes at the beginning of an input among which the first line is looked for, before an array of
/// records is read as one document. Longer first lines lose nothing but their line numbers.
pub const PROBE_BYTES: usize = 1 << 20;

/// Bytes among which `{"Records":[{` must stand for its records to be streamed. Beyond this the
/// object is read whole, within [`MAX_EVENT_BYTES`].
pub const MAX_PREFIX_BYTES: usize = 4 << 10;

/// Bytes asked from an input at a time: large enough that decompression runs in long strides,
/// small enough that many inputs can be open at once.
pub const READ_BYTES: usize = 128 << 10;

/// Envelopes within envelopes (an EventBridge event in a CloudWatch message in an array). What is
/// still an envelope below is taken as an event.
pub const MAX_ENVELOPE_LEVELS: u8 = 4;

/// Elements of one envelope that is not streamed, and values of one line. Events have a hundred bytes at the least,
/// so that 16 MiB hold fewer; beyond this the rest of the envelope goes to quarantine as one entry.
pub const MAX_ENVELOPE_ELEMENTS: usize = 1 << 18;

/// Bytes that one compressed input may expand to: a stream that never ends must not be read for
/// ever. Beyond this the input is given up with a quarantined entry.
pub const MAX_EXPANDED_BYTES: u64 = 1 << 40;

/// How many times its size a compressed input may expand to. Audit logs reach 10 to 60; only text
/// made to do so goes beyond (deflate's own end is 1,032). Beyond this the input is given up with
/// a quarantined entry.
pub const MAX_EXPANSION: u64 = 1_000;

/// Expanded bytes below which [`MAX_EXPANSION`] is not asked: a small log of equal lines is no bomb.
pub const EXPANSION_FREE_BYTES: u64 = 64 << 20;

/// Bytes that packed parts of one value may be unpacked to, beside [`MAX_EXPANSION`] for each of its own: what packs a
/// few equal lines best stays below, and an array of the smallest such values costs no more for each of its bytes than
/// a packed input may. Beyond this a part goes to quarantine.
pub const PARTS_FREE_BYTES: u64 = 64 << 10;

/// Folders within folders. S3 layouts have about ten; beyond this the folder is reported and left.
pub const MAX_FOLDER_DEPTH: usize = 64;

/// Events of one batch, unless the caller says otherwise: columns long enough for the engine to run
/// over, short enough that the batches of fifteen sources at once stay in the processor's cache and
/// that their memory is used again (four times as many made a mix of sources a fifth slower).
pub const BATCH_ROWS: usize = 2_048;

/// Bytes of one batch, unless the caller says otherwise; a batch ends with the row that reaches it.
pub const BATCH_BYTES: usize = 16 << 20;

/// Grants named for one event: a policy may multiply principals by actions. The list ends here;
/// whether any grant is public or external is decided on all of them.
pub const MAX_GRANTS: usize = 256;

/// How often unfolding may uncover more to unfold: a row of strings, of which one holds a log that holds
/// another. What is folded deeper stays a string.
pub const MAX_UNFOLDINGS: usize = 3;

/// Bytes that the events of one document may take which is rebuilt into them (OTLP, a table of Log
/// Analytics): what they share is written into each. Beyond this the rest goes to quarantine as one entry.
pub const MAX_REBUILT_BYTES: usize = 4 * MAX_EVENT_BYTES;

/// How long after an event the object that holds it may be delivered. CloudTrail and Azure deliver within
/// minutes, and within hours after an outage of theirs; what a key dates later than this is not read.
pub const LATE_DELIVERY: Duration = Duration::from_secs(6 * 3600);

/// Days whose folders are asked for by name. Beyond this the folders of years and months are listed first,
/// which costs less than as many empty answers.
pub const MAX_GENERATED_DAYS: usize = 62;

/// Objects opened at once: a store answers within tens of milliseconds, and a small object is read in one.
pub const OBJECTS_AT_ONCE: usize = 16;

/// Bytes of one object that wait to be read. With [`OBJECTS_AT_ONCE`] this bounds the memory of reading;
/// beyond it the store is not asked for more.
pub const OBJECT_BUFFER_BYTES: usize = 1 << 20;

/// Keys that wait to be opened: about one answer of a listing.
pub const KEYS_AHEAD: usize = 1_000;

/// How long a store may take for one answer, its body included. A body that takes longer, because it is large
/// or is read slowly, is asked for again from where it stands.
pub const REQUEST_TIMEOUT: Duration = Duration::from_secs(60);

/// How often one request is tried again after an answer of 5xx or 429, or a broken connection, with growing
/// pauses; beyond it the object is given up with its cause.
pub const REQUEST_RETRIES: usize = 8;

/// The same for a question that whoever asks it asks again by itself, with growing pauses, and says so.
pub const QUESTION_RETRIES: usize = 2;

/// How long one request is tried again at the most: a signature is valid for five minutes.
pub const RETRY_TIMEOUT: Duration = Duration::from_secs(3 * 60);

/// How often the body of an object is asked for again from where it broke off without a byte more coming.
pub const BODY_RESUMES: u32 = 5;

/// Objects that were served and are asked for again where another one is denied: several, for some may be gone by
/// then, and few, for where access is denied to all of them each is asked.
pub const SERVED_KEPT: usize = 4;

/// Bytes of one answer of a service such as SQS: ten messages of 256 KB, and what is around them. A longer
/// one is an error of the call.
pub const MAX_SERVICE_ANSWER: usize = 8 << 20;

/// Messages of one call of SQS: its own limit.
pub const MESSAGES_AT_ONCE: usize = 10;

/// Messages in our hands, from their coming until they are deleted behind a checkpoint. Beyond this no more are
/// received (SQS itself allows 120,000 in flight, for all readers together).
pub const MESSAGES_IN_HAND: usize = 5_000;

/// How often an object is tried in vain, while others are read, before it no longer holds the watermark. A message
/// that tells of it stays in the queue, whose own policy says what becomes of it; one that was listed is tried with
/// each listing that finds it.
pub const OBJECT_TRIES: u64 = 3;

/// Objects found by listing that could not be read and whose tries are counted. Beyond this the next ones hold the
/// watermark until they can be.
pub const MOST_IN_VAIN: usize = 10_000;

/// How long a store or a queue has for an answer once the process is to end; one that gives none is away. What was
/// not read is read by the next process, and messages that were not deleted come again and are known.
/// A call for messages waits two seconds for them by itself.
pub const ENDING_PATIENCE: Duration = Duration::from_secs(3);

/// How long messages are kept in hand while the store serves no object. Beyond it they are given back, and come
/// again: SQS lets nobody keep them for longer than twelve hours.
pub const HOLD_OBJECTS: Duration = Duration::from_secs(10 * 60);

/// How long the ledger remembers an object: SQS keeps messages for 14 days at the most.
pub const LEDGER_AGE: Duration = Duration::from_secs(15 * 86_400);

/// Objects that the ledger remembers, of 80 bytes each; beyond this the oldest are forgotten, and would be read
/// again if somebody told of them.
pub const LEDGER_ENTRIES: u64 = 8_000_000;
/// Messages that a live transport gives together: as many as a batch has rows.
pub const LIVE_PIECE_MESSAGES: usize = BATCH_ROWS;

/// Bytes of messages that a live transport gives together; a piece ends with the message that reaches it,
/// so that one of 10 MB is a piece of its own.
pub const LIVE_PIECE_BYTES: usize = 4 << 20;

/// Things to tell that a transport holds until it is asked; beyond it the next are not told, for those
/// before say what is wrong.
pub const MAX_PENDING_NOTES: usize = 1_000;

/// Topics of which it is said once that they cannot be read, as long as that goes on. Beyond this they are counted alone.
pub const MAX_FAILED_TOPICS: usize = 100;

/// Kinds of messages, and buckets, of which it is said once that a queue holds what is not for its input; likewise objects
/// that cannot be read. Beyond this they are counted alone.
pub const STRANGERS_SAID: usize = 64;

/// Gaps of a partition of Kafka that are told apart until its leader has said which of them are a loss, once a second.
/// Beyond this they are judged with the last.
pub const GAPS_HELD: usize = 4_096;

/// Files that are followed at once; each is open. Beyond this the others wait until one is gone, and it is said.
pub const FOLLOWED_FILES: usize = 512;

/// Bytes of a file's beginning by which it is told from another that has come to its inode: lines begin with times,
/// and so differ early.
pub const FOLLOWED_HEAD: u64 = 256;

/// Lines of a followed file that have numbers of their own among all files of its name: a number is how many files had
/// the name before, times this, and the line. A file has fewer, and 900,000 files of one name have numbers that JSON
/// keeps exact everywhere.
pub const FILE_NUMBERS: u64 = 10_000_000_000;

/// Names of followed files that have no file now and are remembered with how many had them. Beyond this that which has
/// been without for longest is forgotten, as the names with a date in them are that never come back; the lines of a file
/// that gets it after all are numbered from 1 once more.
pub const REMEMBERED_NAMES: usize = 1_024;

/// Bytes of pushed requests that wait to be read, all together. Beyond this they are answered 429.
pub const PUSHED_BYTES: usize = 64 << 20;

/// Bytes of them that a request has room for when its body begins, and by which its room grows at the least.
pub const PUSHED_STEP: usize = 64 << 10;

/// Handshakes of TLS at once with senders of events. Beyond this new connections wait until one is done, or has had
/// [`HANDSHAKE_PATIENCE`].
pub const HANDSHAKES: usize = 512;

/// How long a handshake may take: a sender that is far away takes a second.
pub const HANDSHAKE_PATIENCE: Duration = Duration::from_secs(10);

/// How long whoever holds a port has to say who it is, when a configuration is checked that wants it.
pub const PORT_PATIENCE: Duration = Duration::from_secs(2);

/// Bytes of that answer's head; who it is stands near its beginning, and what comes behind is not read.
pub const HEAD_OF_ANSWER: usize = 8 << 10;

/// How often the files of a certificate are looked at: they are renewed weeks before they end.
pub const CERTIFICATE_LOOK: Duration = Duration::from_secs(30);

/// Bytes that are read of a request in the clear which TLS was wanted for, so that its sender reads the answer.
pub const REFUSED_BYTES: u64 = 64 << 10;

/// How long the rest of a request may take to come that is refused, so that its sender hears why; then it is hung up on.
pub const REFUSED_PATIENCE: Duration = Duration::from_secs(2);

/// Who may be connected at once to push; each is an open file, of which a process has 1,024 unless it is given more, and
/// without any left nothing works. Beyond it the oldest that asks nothing is hung up on.
pub const PUSHERS: usize = 256;

/// Pushed requests that wait to be read. Beyond this they are answered 429.
pub const PUSHES_WAITING: usize = 1_024;
