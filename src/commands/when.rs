//! Times as people write them on the command line.
//!
//! In: a day, a time of RFC 3339, or how long ago (`7d`, `24h`, `90m`), and the clock for the last. Out:
//! microseconds since 1970.

use std::time::SystemTime;

use virga_ingest::sources::time::parse_time;

/// Reads a time against the clock, for clap.
pub fn time(text: &str) -> Result<i64, String> {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    read(text, i64::try_from(since.as_micros()).unwrap_or(i64::MAX))
}

fn read(text: &str, now: i64) -> Result<i64, String> {
    let text = text.trim();
    let day = text.len() == 10 && text.bytes().filter(|byte| *byte == b'-').count() == 2;
    let written = if day { format!("\"{text}T00:00:00Z\"") } else { format!("\"{text}\"") };
    ago(text, now).or_else(|| parse_time(&written)).ok_or_else(|| {
        "write it as 2023-07-10, 2023-07-10T11:42:00Z, or how long ago: 7d, 24h, 90m".to_owned()
    })
}

fn ago(text: &str, now: i64) -> Option<i64> {
    let unit = text.chars().next_back()?;
    let count: i64 = text.strip_suffix(unit)?.parse().ok().filter(|count| *count >= 0)?;
    let seconds = match unit {
        'd' => 86_400,
        'h' => 3_600,
        'm' => 60,
        _ => return None,
    };
    count.checked_mul(seconds * 1_000_000).and_then(|ago| now.checked_sub(ago))
}

#[cfg(test)]
mod tests {
    use super::*;
    use virga_ingest::sources::time::to_rfc3339;

    #[test]
    fn times_are_days_instants_or_how_long_ago() {
        let now = read("2023-07-10T12:00:00Z", 0).unwrap();
        for (text, expected) in [
            ("2023-07-10", "2023-07-10T00:00:00Z"),
            ("2023-07-10T11:42:00Z", "2023-07-10T11:42:00Z"),
            ("2023-07-10T11:42:00+02:00", "2023-07-10T09:42:00Z"),
            ("7d", "2023-07-03T12:00:00Z"),
            ("24h", "2023-07-09T12:00:00Z"),
            ("90m", "2023-07-10T10:30:00Z"),
        ] {
            assert_eq!(to_rfc3339(read(text, now).unwrap()), expected, "{text}");
        }
        for text in ["", "yesterday", "2023-13-10", "-7d", "7w"] {
            assert!(read(text, now).is_err(), "{text}");
        }
    }
}
