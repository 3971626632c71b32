//! Event times in every form that logs write them.
//!
//! In: the JSON text of a value. Out: microseconds since 1970 in UTC, or nothing where it is no time
//! between 1973 and 9999: a zero time or a small number is a missing one.
//!
//! | form | example |
//! |---|---|
//! | RFC 3339 | `2023-07-10T11:42:00Z`, `…:00.123456Z`, `…:00+02:00` |
//! | with a space, with or without an offset (none: UTC) | `2023-07-10 11:42:00.123`, `2022-02-08 09:23:37+11:00` |
//! | as the portal of Azure exports it (UTC) | `7/18/2026, 2:03:03.221 PM` |
//! | as Windows PowerShell writes it in JSON | `/Date(1688989320000)/` |
//! | RFC 2822, and the long form that AWS prints | `Mon, 10 Jul 2023 11:42:00 GMT`, `Jul 10, 2023 11:42:00 AM` |
//! | epoch in s, ms, µs or ns, as number or in a string | `1688989320`, `1688989320.5`, `"1688989320000"` |

use chrono::{DateTime, NaiveDateTime, SecondsFormat};
use virga_engine::json::string_text;

const SECOND: i64 = 1_000_000;

/// 1973-03-03: no audit log is older, and below it a number is a counter rather than a time.
const EARLIEST: i64 = 100_000_000 * SECOND;

/// The end of the year 9999, the last that RFC 3339 can write.
const LATEST: i64 = 253_402_300_799 * SECOND;

/// Reads a time from the JSON text of a string or number.
pub fn parse_time(text: &str) -> Option<i64> {
    let time = match fast_rfc3339(text.as_bytes()) {
        Some(time) => Some(time),
        None => match text.as_bytes().first()? {
            b'"' => parse_text(string_text(text)?.trim()),
            b'0'..=b'9' => parse_epoch(text),
            _ => None,
        },
    };
    time.filter(|time| (EARLIEST..=LATEST).contains(time))
}

/// Microseconds since 1970 as RFC 3339.
pub fn to_rfc3339(micros: i64) -> String {
    match DateTime::from_timestamp_micros(micros) {
        Some(time) => time.to_rfc3339_opts(SecondsFormat::AutoSi, true),
        None => micros.to_string(),
    }
}

/// `"YYYY-MM-DDTHH:MM:SSZ"`, quotes included: what CloudTrail writes, on nearly every event.
fn fast_rfc3339(text: &[u8]) -> Option<i64> {
    let text: &[u8; 22] = text.try_into().ok()?;
    let shape = [(0, b'"'), (5, b'-'), (8, b'-'), (11, b'T'), (14, b':'), (17, b':'), (20, b'Z'), (21, b'"')];
    if shape.iter().any(|&(at, byte)| text[at] != byte) {
        return None;
    }
    let number = |at: usize, digits: usize| {
        text[at..at + digits]
            .iter()
            .try_fold(0i64, |n, &digit| digit.is_ascii_digit().then(|| n * 10 + i64::from(digit - b'0')))
    };
    let (year, month, day) = (number(1, 4)?, number(6, 2)?, number(9, 2)?);
    let (hour, minute, second) = (number(12, 2)?, number(15, 2)?, number(18, 2)?);
    if !(1..=12).contains(&month) || day < 1 || day > days_in_month(year, month) {
        return None;
    }
    // a leap second (60) is left to the slow way
    if hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let days = days_since_1970(year, month, day);
    Some((((days * 24 + hour) * 60 + minute) * 60 + second) * SECOND)
}

fn days_in_month(year: i64, month: i64) -> i64 {
    match month {
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Howard Hinnant's `days_from_civil`: the year begins in March, so that a leap day comes last.
fn days_since_1970(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

fn parse_text(text: &str) -> Option<i64> {
    let digits = |b: u8| b.is_ascii_digit() || matches!(b, b'.' | b'e' | b'E' | b'+');
    if text.starts_with(|c: char| c.is_ascii_digit()) && text.bytes().all(digits) {
        return parse_epoch(text);
    }
    if let Some(millis) = text.strip_prefix("/Date(").and_then(|rest| rest.strip_suffix(")/")) {
        // an offset behind it says in which zone the time was shown
        let millis = millis.split(['+', '-']).next()?;
        return millis.parse::<i64>().ok()?.checked_mul(1_000);
    }
    if let Ok(time) = DateTime::parse_from_rfc3339(text).or_else(|_| DateTime::parse_from_rfc2822(text)) {
        return Some(time.timestamp_micros());
    }
    for form in ["%Y-%m-%d %H:%M:%S%.f%:z", "%Y-%m-%dT%H:%M:%S%.f%z", "%Y-%m-%d %H:%M:%S%.f %z"] {
        if let Ok(time) = DateTime::parse_from_str(text, form) {
            return Some(time.timestamp_micros());
        }
    }
    let utc = text.trim_end_matches(['Z', 'z']).trim_end_matches(" UTC");
    for form in LOCAL_FORMS {
        if let Ok(time) = NaiveDateTime::parse_from_str(utc, form) {
            return Some(time.and_utc().timestamp_micros());
        }
    }
    None
}

/// Times without an offset, which are meant in UTC. The portal of Azure exports the American forms.
const LOCAL_FORMS: [&str; 6] = [
    "%Y-%m-%d %H:%M:%S%.f",
    "%Y-%m-%dT%H:%M:%S%.f",
    "%b %d, %Y %I:%M:%S %p",
    "%Y-%m-%dT%H:%M",
    "%m/%d/%Y, %I:%M:%S%.f %p",
    "%m/%d/%Y %I:%M:%S%.f %p",
];

/// An epoch number: its size says its unit, because the ranges do not meet between 1973 and 5138.
fn parse_epoch(text: &str) -> Option<i64> {
    if text.bytes().any(|b| matches!(b, b'e' | b'E')) {
        // 1.68898932e9, as some printers of floats write it
        let number: f64 = text.parse().ok()?;
        return (number < 1e11).then_some((number * 1e6) as i64);
    }
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let number: i64 = whole.parse().ok()?;
    let digits: String = fraction.chars().chain("000000".chars()).take(6).collect();
    let micros: i64 = digits.parse().ok()?;
    match number {
        ..=99_999_999_999 => number.checked_mul(SECOND)?.checked_add(micros),
        100_000_000_000..=99_999_999_999_999 => number.checked_mul(1_000)?.checked_add(micros / 1_000),
        100_000_000_000_000..=99_999_999_999_999_999 => Some(number),
        _ => Some(number / 1_000),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const NOON: i64 = 1_688_989_320 * SECOND;

    #[test]
    fn every_form_of_a_time_is_read() {
        for text in [
            r#""2023-07-10T11:42:00Z""#,
            r#""2023-07-10T11:42:00.000Z""#,
            r#""2023-07-10T11:42:00.000000000Z""#,
            r#""2023-07-10T13:42:00+02:00""#,
            r#""2023-07-10T07:42:00-0400""#,
            r#""2023-07-10t11:42:00z""#,
            r#""2023-07-10T11:42:00""#,
            r#""2023-07-10T11:42""#,
            r#""2023-07-10 11:42:00""#,
            r#""2023-07-10 11:42:00.000""#,
            r#""2023-07-10 11:42:00.000000000""#,
            r#""2023-07-10 11:42:00 UTC""#,
            r#""2023-07-10 11:42:00Z""#,
            r#""2023-07-10 22:42:00+11:00""#,
            r#""2023-07-10 11:42:00 +0000""#,
            r#"" 2023-07-10 11:42:00 ""#,
            r#""2023\u002d07-10T11:42:00Z""#,
            r#""Mon, 10 Jul 2023 11:42:00 GMT""#,
            r#""Jul 10, 2023 11:42:00 AM""#,
            r#""7/10/2023, 11:42:00.000 AM""#,
            r#""07/10/2023 11:42:00 AM""#,
            r#""1.68898932E9""#,
            r#""\/Date(1688989320000)\/""#,
            r#""/Date(1688989320000+0200)/""#,
            "1688989320",
            "1688989320.0",
            "1.68898932e9",
            "1688989320000",
            "1688989320000000",
            "1688989320000000000",
            r#""1688989320""#,
            r#""1688989320000""#,
        ] {
            assert_eq!(parse_time(text), Some(NOON), "{text}");
        }
    }

    #[test]
    fn fractions_are_kept_to_the_microsecond() {
        for (text, micros) in [
            (r#""2023-07-10T11:42:00.5Z""#, 500_000),
            (r#""2023-07-10T11:42:00.123456789Z""#, 123_456),
            (r#""2023-07-10 11:42:00.25""#, 250_000),
            ("1688989320.123456789", 123_456),
            ("1688989320123", 123_000),
            ("1688989320123.5", 123_500),
        ] {
            assert_eq!(parse_time(text), Some(NOON + micros), "{text}");
        }
    }

    #[test]
    fn what_is_no_time_is_none() {
        for text in [
            r#""""#,
            r#""soon""#,
            r#""2023-13-10T11:42:00Z""#,
            r#""2023-02-29T11:42:00Z""#,
            r#""2023-07-10T24:42:00Z""#,
            r#""2023-07-10T11:60:00Z""#,
            r#""0001-01-01T00:00:00Z""#,
            r#""1970-01-01T00:00:00Z""#,
            "0",
            "5",
            "-1688989320",
            "null",
            "true",
            "{}",
            "[1688989320]",
            "99999999999999999999",
            "1e400",
            r#"".""#,
            "",
        ] {
            assert_eq!(parse_time(text), None, "{text}");
        }
    }

    #[test]
    fn a_leap_second_is_a_time() {
        assert!(parse_time(r#""2016-12-31T23:59:60Z""#).is_some());
    }

    #[test]
    fn times_are_written_back() {
        assert_eq!(to_rfc3339(NOON), "2023-07-10T11:42:00Z");
        assert_eq!(to_rfc3339(NOON + 123_456), "2023-07-10T11:42:00.123456Z");
        assert_eq!(to_rfc3339(i64::MAX), i64::MAX.to_string());
    }

    proptest! {
        #[test]
        fn the_fast_way_agrees_with_the_slow_one(seconds in 100_000_000i64..253_402_300_799) {
            let text = to_rfc3339(seconds * SECOND);
            prop_assert_eq!(parse_time(&format!("\"{text}\"")), Some(seconds * SECOND));
            prop_assert_eq!(parse_text(&text), Some(seconds * SECOND));
        }

        #[test]
        fn no_text_panics(text in "\\PC*", digits in "[0-9.eE+-]{0,24}") {
            parse_time(&text);
            parse_time(&digits);
            parse_time(&format!("\"{digits}\""));
        }
    }
}
