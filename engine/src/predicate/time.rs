//! Parts of a date: what the modifiers `minute` … `year` look at.
//!
//! In: a date as logs write it (RFC 3339, with `T` or a space, with or without zone). Out: the asked
//! part of the date as it is written: the specification asks for no conversion between zones.

use chrono::{Datelike, NaiveDate, NaiveDateTime, Timelike};

/// A part of a date.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TimePart {
    /// 0 to 59
    Minute,
    /// 0 to 23
    Hour,
    /// Day of the month, 1 to 31
    Day,
    /// ISO week, 1 to 53
    Week,
    /// 1 to 12
    Month,
    /// The year
    Year,
}

impl TimePart {
    /// The part's word, which is also its modifier's name.
    pub fn word(self) -> &'static str {
        match self {
            Self::Minute => "minute",
            Self::Hour => "hour",
            Self::Day => "day",
            Self::Week => "week",
            Self::Month => "month",
            Self::Year => "year",
        }
    }

    /// The part of a date; `None` where the text is no date, or has no time and one is asked for.
    pub fn of(self, text: &str) -> Option<i64> {
        let date = NaiveDate::parse_from_str(text.get(..10)?, "%Y-%m-%d").ok()?;
        let part = match self {
            Self::Minute => time(text)?.minute(),
            Self::Hour => time(text)?.hour(),
            Self::Day => date.day(),
            Self::Week => date.iso_week().week(),
            Self::Month => date.month(),
            Self::Year => return Some(i64::from(date.year())),
        };
        Some(i64::from(part))
    }
}

fn time(text: &str) -> Option<NaiveDateTime> {
    let written = text.get(..19)?;
    NaiveDateTime::parse_from_str(written, "%Y-%m-%dT%H:%M:%S")
        .or_else(|_| NaiveDateTime::parse_from_str(written, "%Y-%m-%d %H:%M:%S"))
        .ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_is_read_as_it_is_written() {
        let cases = [
            (TimePart::Hour, "2026-11-20T23:05:00Z", Some(23)),
            (TimePart::Hour, "2026-11-20 23:05:00.123+02:00", Some(23)),
            (TimePart::Minute, "2026-11-20T23:05:00Z", Some(5)),
            (TimePart::Day, "2026-11-20", Some(20)),
            (TimePart::Hour, "2026-11-20", None),
            (TimePart::Week, "2026-01-01T00:00:00Z", Some(1)),
            (TimePart::Week, "2021-01-01T00:00:00Z", Some(53)),
            (TimePart::Year, "0999-01-01", Some(999)),
            (TimePart::Month, "20é6-11-20T", None),
            (TimePart::Month, "2026-13-20", None),
        ];
        for (part, text, expected) in cases {
            assert_eq!(part.of(text), expected, "{part:?} of {text}");
        }
    }
}
