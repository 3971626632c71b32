//! Lengths of time and sizes as people write them in a configuration.
//!
//! In: `"500ms"`, `"5s"`, `"15m"`, `"1h"`, `"7d"`; `"64KB"`, `"10MB"`, `"1GB"`. Out: a [`Duration`] or a
//! number of bytes. A bare number is refused: nobody remembers what it counts.

use std::time::Duration;

use serde::{Deserialize, Deserializer, de::Error};

/// A length of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Span(pub Duration);

/// A number of bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Size(pub u64);

impl Span {
    /// A number of seconds.
    pub const fn seconds(seconds: u64) -> Self {
        Self(Duration::from_secs(seconds))
    }

    /// A number of milliseconds.
    pub const fn millis(millis: u64) -> Self {
        Self(Duration::from_millis(millis))
    }

    /// In microseconds, as times of events are.
    pub fn micros(self) -> i64 {
        i64::try_from(self.0.as_micros()).unwrap_or(i64::MAX)
    }
}

/// A number and its unit.
fn split(text: &str) -> Option<(u64, &str)> {
    let text = text.trim();
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at_checked(digits)?;
    Some((number.parse().ok()?, unit.trim()))
}

fn span(text: &str) -> Option<Span> {
    let (number, unit) = split(text)?;
    let millis = match unit {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return None,
    };
    Some(Span(Duration::from_millis(number.checked_mul(millis)?)))
}

fn size(text: &str) -> Option<Size> {
    let (number, unit) = split(text)?;
    let bytes: u64 = match unit {
        "B" => 1,
        "KB" => 1 << 10,
        "MB" => 1 << 20,
        "GB" => 1 << 30,
        _ => return None,
    };
    Some(Size(number.checked_mul(bytes)?))
}

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        span(&text).ok_or_else(|| {
            D::Error::custom(format!(
                "`{text}` is no length of time: write \"500ms\", \"5s\", \"15m\", \"1h\" or \"7d\""
            ))
        })
    }
}

impl<'de> Deserialize<'de> for Size {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        size(&text).ok_or_else(|| {
            D::Error::custom(format!("`{text}` is no size: write \"64KB\", \"10MB\" or \"1GB\""))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_and_sizes_have_units() {
        assert_eq!(span("500ms"), Some(Span::millis(500)));
        assert_eq!(span("15m"), Some(Span::seconds(900)));
        assert_eq!(span(" 7 d "), Some(Span::seconds(7 * 86_400)));
        assert_eq!(size("10MB"), Some(Size(10 << 20)));
        for wrong in ["5", "", "s", "5 weeks", "-1s", "99999999999999999999s", "18446744073709551615d"] {
            assert_eq!(span(wrong), None, "{wrong}");
            assert_eq!(size(wrong), None, "{wrong}");
        }
    }
}
