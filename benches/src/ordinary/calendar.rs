//! Four weeks of time: what recurs, and how logs write it.
//!
//! In: a [`Rhythm`], such as "three times a working day". Out: all moments of the four weeks at which it
//! comes round, in order; and texts for a moment, as each log writes them. The company works in Central
//! European winter time, an hour ahead of the logs, whose times are all UTC.

use crate::generator::rng::Rng;

/// Milliseconds since 1970-01-01T00:00:00Z.
pub type Millis = i64;

pub const SECOND: Millis = 1_000;
pub const MINUTE: Millis = 60 * SECOND;
pub const HOUR: Millis = 60 * MINUTE;
pub const DAY: Millis = 24 * HOUR;

/// 2026-02-02T00:00:00Z, a Monday.
pub const START: Millis = 1_769_990_400_000;

/// Four whole weeks.
pub const DAYS: i64 = 28;

/// The first moment that is no longer told.
pub const END: Millis = START + DAYS * DAY;

/// When something comes round.
#[derive(Debug, Clone, Copy)]
pub enum Rhythm {
    /// Every day, at a minute of it (UTC).
    Daily(u32),
    /// Every working day, at a minute of it.
    Workdaily(u32),
    /// Every week: the day, counted from Monday as 0, and the minute.
    Weekly(u32, u32),
    /// So many times a working day, at office hours.
    Work(u32),
    /// Every full hour at which the office works.
    Hours,
    /// So many times a day, day and night, evenly.
    Always(u32),
}

/// How much is done in each hour of a working day, from 7 to 17 o'clock UTC: a slow start, a lunch, an
/// early end.
const BUSY: [u32; 11] = [6, 12, 14, 14, 9, 7, 12, 13, 12, 8, 3];

/// The first of those hours.
const FIRST_HOUR: i64 = 7;

impl Rhythm {
    /// All moments of the four weeks, in order.
    pub fn moments(self, rng: &mut Rng) -> Vec<Millis> {
        let days = || (0..DAYS).map(|day| START + day * DAY);
        let workdays = || days().filter(|day| is_workday(*day));
        let late = |rng: &mut Rng| i64::from(rng.below(4 * 60)) * SECOND;
        match self {
            Self::Daily(minute) => days().map(|day| day + i64::from(minute) * MINUTE + late(rng)).collect(),
            Self::Workdaily(minute) => {
                workdays().map(|day| day + i64::from(minute) * MINUTE + late(rng)).collect()
            }
            Self::Weekly(weekday, minute) => {
                let on = days().filter(|day| weekday_of(*day) == i64::from(weekday));
                on.map(|day| day + i64::from(minute) * MINUTE + late(rng)).collect()
            }
            Self::Work(times) => {
                let mut moments: Vec<_> =
                    workdays().flat_map(|day| vec![day; times as usize]).map(|day| day + busy(rng)).collect();
                moments.sort_unstable();
                moments
            }
            Self::Hours => workdays().flat_map(|day| (FIRST_HOUR..17).map(move |h| day + h * HOUR)).collect(),
            Self::Always(times) => {
                let step = DAY / i64::from(times.max(1));
                let slack = (step / 6 / SECOND).clamp(1, 600) as u32;
                (0..DAYS * i64::from(times))
                    .map(|number| START + number * step + i64::from(rng.below(slack)) * SECOND)
                    .collect()
            }
        }
    }
}

/// A time of day at which somebody works.
fn busy(rng: &mut Rng) -> Millis {
    let mut left = rng.below(BUSY.iter().sum());
    let mut hour = FIRST_HOUR;
    for share in BUSY {
        if left < share {
            break;
        }
        left -= share;
        hour += 1;
    }
    hour * HOUR + i64::from(rng.below(3_600)) * SECOND
}

/// The number of the day in the four weeks, from 0.
pub fn day_of(at: Millis) -> i64 {
    (at - START).div_euclid(DAY)
}

/// Monday is 0.
pub fn weekday_of(at: Millis) -> i64 {
    day_of(at).rem_euclid(7)
}

pub fn is_workday(at: Millis) -> bool {
    weekday_of(at) < 5
}

/// A moment as people read it.
pub struct Civil {
    pub year: i64,
    pub month: i64,
    pub day: i64,
    pub hour: i64,
    pub minute: i64,
    pub second: i64,
    pub millis: i64,
}

/// Days to dates after Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms".
pub fn civil(at: Millis) -> Civil {
    let (days, rest) = (at.div_euclid(DAY), at.rem_euclid(DAY));
    let z = days + 719_468;
    let era = z.div_euclid(146_097);
    let doe = z.rem_euclid(146_097);
    let yoe = (doe - doe / 1_460 + doe / 36_524 - doe / 146_096) / 365;
    let doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    let mp = (5 * doy + 2) / 153;
    let month = if mp < 10 { mp + 3 } else { mp - 9 };
    Civil {
        year: yoe + era * 400 + i64::from(month <= 2),
        month,
        day: doy - (153 * mp + 2) / 5 + 1,
        hour: rest / HOUR,
        minute: rest / MINUTE % 60,
        second: rest / SECOND % 60,
        millis: rest % SECOND,
    }
}

/// `2026-02-02T08:00:00Z`
pub fn iso(at: Millis) -> String {
    format!("{}Z", seconds(at))
}

/// `2026-02-02T08:00:00.1234567Z`, with so many digits, of which a moment has three and the others are
/// `noise`.
pub fn iso_with(at: Millis, digits: usize, noise: u64) -> String {
    format!("{}.{}Z", seconds(at), fraction(at, digits, noise))
}

/// The same as Graph and Entra write it: `+00:00` for `Z`.
pub fn iso_offset(at: Millis, noise: u64) -> String {
    format!("{}.{}+00:00", seconds(at), fraction(at, 7, noise))
}

/// `2026-02-02`
pub fn date(at: Millis) -> String {
    let Civil { year, month, day, .. } = civil(at);
    format!("{year:04}-{month:02}-{day:02}")
}

/// `2026/02/02`
pub fn date_path(at: Millis) -> String {
    date(at).replace('-', "/")
}

/// `Feb 2, 2026, 8:00:00 AM`, as some answers of AWS write it.
pub fn long_date(at: Millis) -> String {
    const MONTHS: [&str; 12] =
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let Civil { year, month, day, hour, minute, second, .. } = civil(at);
    let (name, half) = (MONTHS[(month - 1) as usize], if hour < 12 { "AM" } else { "PM" });
    let hour = if hour % 12 == 0 { 12 } else { hour % 12 };
    format!("{name} {day}, {year}, {hour}:{minute:02}:{second:02} {half}")
}

fn seconds(at: Millis) -> String {
    let Civil { year, month, day, hour, minute, second, .. } = civil(at);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}")
}

fn fraction(at: Millis, digits: usize, noise: u64) -> String {
    let millis = civil(at).millis;
    let more = digits.saturating_sub(3);
    let noise = noise % 10_u64.pow(more as u32);
    if more == 0 { format!("{millis:03}") } else { format!("{millis:03}{noise:0more$}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_written_as_logs_write_them() {
        let at = START + 27 * DAY + 13 * HOUR + 5 * MINUTE + 9 * SECOND + 7;
        assert_eq!(iso(START), "2026-02-02T00:00:00Z");
        assert_eq!(iso_with(at, 7, 12_345), "2026-03-01T13:05:09.0072345Z");
        assert_eq!(iso_with(at, 3, 12_345), "2026-03-01T13:05:09.007Z");
        assert_eq!(iso_offset(at, 1), "2026-03-01T13:05:09.0070001+00:00");
        assert_eq!(long_date(at), "Mar 1, 2026, 1:05:09 PM");
        assert_eq!(date_path(at), "2026/03/01");
    }

    #[test]
    fn rhythms_keep_to_their_days() {
        let mut rng = Rng::new(1);
        for (rhythm, count) in [
            (Rhythm::Daily(60), 28),
            (Rhythm::Workdaily(60), 20),
            (Rhythm::Weekly(6, 60), 4),
            (Rhythm::Work(3), 60),
            (Rhythm::Hours, 200),
            (Rhythm::Always(24), 672),
        ] {
            let moments = rhythm.moments(&mut rng);
            assert_eq!(moments.len(), count, "{rhythm:?}");
            assert!(moments.is_sorted() && moments.iter().all(|at| (START..END).contains(at)), "{rhythm:?}");
        }
        assert!(Rhythm::Work(9).moments(&mut rng).into_iter().all(is_workday));
    }
}
