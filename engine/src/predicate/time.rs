//! Parts of a date: what the modifiers `minute` … `year` look at.
//!
//! In: a date as logs write it (RFC 3339, with `T` or a space, with or without zone). Out: the asked
//! part of the date as it is written: the specification asks for no conversion between zones. What only begins
//! like a date is none: `2026-11-201`, `+026-11-20`.

use chrono::{Datelike, NaiveDate, NaiveTime, Timelike};

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
        let (date, rest) = text.split_at_checked(10).filter(|(date, _)| is_written(date, b"0000-00-00"))?;
        let time = rest.strip_prefix(['T', 't', ' ']);
        if time.is_none() && !rest.is_empty() {
            return None;
        }
        let date = NaiveDate::parse_from_str(date, "%Y-%m-%d").ok()?;
        let part = match self {
            Self::Minute => time_of_day(time?)?.minute(),
            Self::Hour => time_of_day(time?)?.hour(),
            Self::Day => date.day(),
            Self::Week => date.iso_week().week(),
            Self::Month => date.month(),
            Self::Year => return Some(i64::from(date.year())),
        };
        Some(i64::from(part))
    }
}

/// The time that a text begins with; a fraction or a zone may stand behind it.
fn time_of_day(text: &str) -> Option<NaiveTime> {
    let (time, rest) = text.split_at_checked(8).filter(|(time, _)| is_written(time, b"00:00:00"))?;
    let is_whole = rest.is_empty() || rest.starts_with(['.', ',', 'Z', 'z', '+', '-', ' ']);
    NaiveTime::parse_from_str(time, "%H:%M:%S").ok().filter(|_| is_whole)
}

/// Whether a text has a digit wherever the form has a 0, and else what the form has.
fn is_written(text: &str, form: &[u8]) -> bool {
    let fits = |(byte, form): (u8, &u8)| if *form == b'0' { byte.is_ascii_digit() } else { byte == *form };
    text.len() == form.len() && text.bytes().zip(form).all(fits)
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
            (TimePart::Hour, "2026-11-20t23:05:00z", Some(23)),
            (TimePart::Hour, "2026-11-20T23:05:60+00:00", Some(23)),
            // no date, or a date with something else behind it
            (TimePart::Day, "2026-1-5", None),
            (TimePart::Day, "2026-1-05x", None),
            (TimePart::Day, "2026- 1-05", None),
            (TimePart::Year, "+026-01-05", None),
            (TimePart::Year, "-026-01-05", None),
            (TimePart::Day, "2026-11-201", None),
            (TimePart::Day, "2026-11-20x", None),
            // a date without a time, or with none that can be read
            (TimePart::Day, "2026-11-20 23:05", Some(20)),
            (TimePart::Hour, "2026-11-20 23:05", None),
            (TimePart::Hour, "2026-11-20T 3:05:00", None),
            (TimePart::Hour, "2026-11-20T+3:05:00", None),
            (TimePart::Hour, "2026-11-20T23:05:001", None),
            (TimePart::Hour, "2026-11-20T24:05:00", None),
        ];
        for (part, text, expected) in cases {
            assert_eq!(part.of(text), expected, "{part:?} of {text}");
        }
    }
}
