//! Every bound of a backtest, with its reason.

/// Different values of an entity that are counted for a rule at once. A rule that hits on more of them is told
/// by its most frequent ones, and the counts of values that come late are then too low.
pub const MAX_VALUES: usize = 4_096;

/// Values of an entity that a report shows: what stands behind them is the long tail.
pub const SHOWN_VALUES: usize = 5;

/// Groups of a correlation that a report shows.
pub const SHOWN_GROUPS: usize = 5;

/// Hits of a rule that are told apart to say what suppression would leave, in numbers of 64 bits or, by the rule's own
/// `suppress`, of 128. Where there are more it is not said.
pub const MAX_SUPPRESSED: usize = 1 << 20;

/// Events of one hour that matched and whose ids are remembered, 16 bytes each, to find those that are there twice;
/// with more the ids of the whole hour are compared, which takes no more to read.
pub const MAX_REMEMBERED: usize = 65_536;

/// Hits of one correlation from which a threshold curve is drawn without being asked for: 32 bytes each.
pub const MAX_CURVE_HITS: usize = 500_000;

/// Hits of all correlations together from which curves are drawn without being asked for: beyond it the longest is let
/// go. 64 MB, and up to as much again while they grow.
pub const MAX_ALL_CURVE_HITS: usize = 2_000_000;

/// Hits of one correlation whose curve is asked for: 320 MB.
pub const MAX_ASKED_CURVE_HITS: usize = 10_000_000;

/// Points of a threshold curve.
pub const MAX_CURVE_POINTS: usize = 60;

/// Events of one rule that two rule sets disagree on and of which is asked which test made the difference:
/// each is read as it came.
pub const MAX_EXPLAINED: usize = 200;

/// Events on which two rule sets disagree that a report shows for a rule.
pub const SHOWN_EVENTS: usize = 5;

/// Bars of a chart over time: more are thinner than a pixel.
pub const MAX_BARS: usize = 400;

/// Event time up to which bars are hours, in microseconds: eight days.
pub const HOURS_UP_TO: i64 = 8 * 86_400 * 1_000_000;
