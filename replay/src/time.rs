//! Moments as people write and read them.

use chrono::{DateTime, NaiveDate, NaiveDateTime};
use virga_engine::alert::show_time;

/// A moment, in microseconds since 1970 in UTC: RFC 3339, or a date, or a date with a time of day in UTC.
///
/// # Errors
/// Where it is none of these.
pub fn parse_moment(text: &str) -> Result<i64, String> {
    let text = text.trim();
    if let Ok(time) = DateTime::parse_from_rfc3339(text) {
        return Ok(time.timestamp_micros());
    }
    if let Ok(day) = text.parse::<NaiveDate>() {
        return Ok(day.and_time(chrono::NaiveTime::MIN).and_utc().timestamp_micros());
    }
    // the first is how the hour behind the year 9999 is written, which RFC 3339 has no form for
    let forms =
        ["%Y-%m-%dT%H:%M:%SZ", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M:%S", "%Y-%m-%dT%H:%M", "%Y-%m-%d %H:%M"];
    for form in forms {
        if let Ok(time) = NaiveDateTime::parse_from_str(text, form) {
            return Ok(time.and_utc().timestamp_micros());
        }
    }
    Err(format!("`{text}` is no moment: write RFC 3339 (2026-03-02T09:30:00Z) or a date (2026-03-02)"))
}

/// The moment of an alert, which writes it as RFC 3339.
pub fn moment_of(text: &str) -> Option<i64> {
    DateTime::parse_from_rfc3339(text).ok().map(|time| time.timestamp_micros())
}

/// A moment to the second.
pub fn show_moment(micros: i64) -> String {
    show_time(micros.div_euclid(1_000_000).saturating_mul(1_000_000))
}

/// A length of time with its two greatest units.
pub fn show_span(micros: i64) -> String {
    let seconds = micros / 1_000_000;
    let units = [(86_400, "d"), (3_600, "h"), (60, "m"), (1, "s")];
    let mut shown: Vec<String> = Vec::new();
    let mut rest = seconds;
    for (length, unit) in units {
        if rest >= length && shown.len() < 2 {
            shown.push(format!("{} {unit}", rest / length));
            rest %= length;
        }
    }
    if shown.is_empty() { "0 s".to_owned() } else { shown.join(" ") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_read_in_several_forms() {
        let second = 1_772_442_000_000_000;
        for text in
            ["2026-03-02T09:00:00Z", "2026-03-02T10:00:00+01:00", "2026-03-02 09:00", "2026-03-02T09:00:00"]
        {
            assert_eq!(parse_moment(text), Ok(second), "{text}");
        }
        assert_eq!(parse_moment("2026-03-02"), Ok(second - 9 * 3_600_000_000));
        assert!(parse_moment("yesterday").is_err());
    }

    #[test]
    fn the_hour_behind_an_event_of_the_year_9999_is_read_as_it_is_written() {
        let last = parse_moment("9999-12-31T23:00:00Z").expect("a moment");
        let behind = last + 3_600_000_000;
        assert_eq!(parse_moment(&show_time(behind)), Ok(behind), "{}", show_time(behind));
    }

    #[test]
    fn spans_have_two_units() {
        assert_eq!(show_span(90_061_000_000), "1 d 1 h");
        assert_eq!(show_span(61_000_000), "1 m 1 s");
        assert_eq!(show_span(0), "0 s");
    }
}
