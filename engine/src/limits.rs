//! Every bound of the engine, in one place, each with its reason and what happens beyond it.

/// How deep an event's JSON may nest. Real cloud logs stay below 20; beyond this the event is not
/// read and goes to quarantine, so that no input can exhaust the stack.
pub const MAX_JSON_DEPTH: usize = 64;

/// Names in a field path for which every way of joining neighbours into one key is tried (2^(n−1)
/// routes). Of longer paths only the last so many names are joined, and the whole is tried as one key.
pub const MAX_JOINED_SEGMENTS: usize = 8;

/// Bytes of one rule document. The largest public rule has 60 KB; beyond this the document is
/// rejected with a diagnostic.
pub const MAX_RULE_BYTES: usize = 1 << 20;

/// Events of one case beside a rule, repeated ones counted one by one: enough for a story of a whole day,
/// and seconds to play. Beyond this the case is an error.
pub const MAX_CASE_EVENTS: usize = 50_000;

/// How deep a rule's YAML may nest, and how deep its condition; beyond this it is rejected.
pub const MAX_RULE_DEPTH: usize = 32;

/// Tests in one rule after its modifiers have expanded it (`windash` and lists multiply); the
/// largest public rule has 2,100. Beyond this it is rejected.
pub const MAX_RULE_PREDICATES: usize = 20_000;

/// Values that one `windash` may expand to: five characters for each dash.
pub const MAX_WINDASH_VARIANTS: usize = 5_000;

/// Bytes of one compiled regular expression (the regex library's own default; the largest public one
/// needs 2 MB); beyond this the rule is rejected.
pub const MAX_REGEX_BYTES: usize = 10 << 20;

/// Values of one `expand` placeholder; beyond this the rule is rejected.
pub const MAX_PLACEHOLDER_VALUES: usize = 20_000;

/// Numbers (of 4 bytes) that a plan's verdicts may hold. Real sources have tens to a few thousand tuples
/// of classes; when an adversary makes more, what is remembered is dropped and learnt anew.
pub const MAX_REMEMBERED: usize = 8 << 20;

/// Classes that one field may intern before the classes and all that is remembered of them are
/// dropped. A class is a set of tests that a value passes: few sets ever occur.
pub const MAX_CLASSES: usize = 1 << 16;

/// Modifiers of one item; the longest sensible chain has five. Beyond this the rule is rejected.
pub const MAX_MODIFIERS: usize = 8;

/// Bytes of the texts that one `windash` may make of a value; beyond this the rule is rejected.
pub const MAX_WINDASH_BYTES: usize = 4 << 20;

/// Tests of all selections that a condition names, each counted as often as it is named; beyond this
/// the rule is rejected.
pub const MAX_CONDITION_TESTS: usize = 10 * MAX_RULE_PREDICATES;

/// Bytes of all texts of a rule that processing pipelines may make; beyond this the rule is refused.
pub const MAX_PATTERN_BYTES: usize = 4 << 20;

/// Items of one processing pipeline, nested ones included; public ones have a few hundred. Beyond
/// this it is refused.
pub const MAX_PIPELINE_ITEMS: usize = 10_000;

/// Microseconds of a correlation's window: 400 days, so that a year fits. What is longer is a question
/// for an archive; beyond this the correlation is rejected.
pub const MAX_TIMESPAN: i64 = 400 * 86_400 * 1_000_000;

/// How many correlations may stand on one another; beyond this the outermost is rejected.
pub const MAX_CORRELATION_DEPTH: usize = 8;

/// Characters of a word for which a nearest known word is looked for.
pub const MAX_NEAREST_CHARS: usize = 64;

/// Rules that one correlation may be about: they are bits of a number. Beyond this it is rejected.
pub const MAX_CORRELATED_RULES: usize = 64;

/// Rules that are looked for of a correlation that has an error, to mute them: one of more is none that works. What is
/// beyond raises alerts of its own.
pub const MAX_SILENCED_RULES: usize = 1_024;

/// Events that an alert shows; how many there were is told beside them.
pub const MAX_EVIDENCE: usize = 20;

/// Events of a window whose values an outer correlation sees, and groups that one match of an inner
/// correlation may belong to. Beyond this the first count.
pub const MAX_CARRIED: usize = 64;

/// Groups or values that one event may give where a field of it is a list; beyond this the first count,
/// and the others are counted as dropped.
pub const MAX_COMBINATIONS: usize = 64;

/// Different numbers of one window from which percentiles are exact; beyond this they are kept to three
/// digits, and the alert says so.
pub const MAX_WINDOW_VALUES: usize = 1 << 16;

/// Hits that one correlation folds ahead of the watermark after a batch; groups beyond it wait for the next
/// batch or for the watermark. It bounds what a flood of late hits to one group can cost.
pub const MAX_FOLDED_AHEAD: usize = 250_000;

/// Microseconds that an event's time may lie ahead of its arrival: 5 minutes, as clocks differ. What is
/// further ahead is wrong, and the arrival stands for it.
pub const MAX_AHEAD: i64 = 5 * 60 * 1_000_000;

/// Hits of one group that are folded ahead of the watermark however few of them are new. A group with more,
/// which come out of order, waits until one in [`MAX_FOLDED_AGAIN`] is new.
pub const MAX_FOLDED_AT_ONCE: usize = 4_096;

/// How often a hit of a very large group is folded ahead, at most, on average.
pub const MAX_FOLDED_AGAIN: usize = 32;

/// Elements of a list in an event that a correlation looks at; beyond it the first count, and the others
/// are counted as dropped.
pub const MAX_LIST: usize = 1_024;
