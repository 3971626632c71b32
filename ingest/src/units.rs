//! Lengths of time and sizes as people write them in a configuration: one way for every key.
//!
//! In: `"500ms"`, `"5s"`, `"15m"`, `"1h"`, `"7d"`; `"64KB"`, `"10MB"`, `"1GiB"`. Out: a [`Duration`] or a number
//! of bytes. Sizes count in steps of 1024, whether the unit has an `i` or not. A bare number is refused, for
//! nobody remembers what it counts, but of keys that have always counted one thing ([`seconds()`], [`bytes()`]).

use std::fmt;
use std::time::Duration;

use serde::de::{Error, Visitor};
use serde::{Deserialize, Deserializer};

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

/// What is written as a number with a unit.
trait Measure: Sized {
    /// What it is, and how it is written.
    const WORD: &'static str;
    const WRITTEN: &'static str;
    /// What a bare number counts, of keys that take one.
    const BARE: &'static str;

    /// How many of the least unit a unit has.
    fn unit(unit: &str) -> Option<u64>;

    /// So many of the least unit.
    fn of_least(number: u64) -> Self;

    /// So many of what a bare number counts.
    fn of_bare(number: u64) -> Self;

    fn read(text: &str) -> Option<Self> {
        let (number, unit) = split(text)?;
        Some(Self::of_least(number.checked_mul(Self::unit(unit)?)?))
    }
}

impl Measure for Span {
    const WORD: &'static str = "length of time";
    const WRITTEN: &'static str = "\"500ms\", \"5s\", \"15m\", \"1h\" or \"7d\"";
    const BARE: &'static str = "seconds";

    fn unit(unit: &str) -> Option<u64> {
        Some(match unit {
            "ms" => 1,
            "s" => 1_000,
            "m" => 60_000,
            "h" => 3_600_000,
            "d" => 86_400_000,
            _ => return None,
        })
    }

    fn of_least(number: u64) -> Self {
        Self::millis(number)
    }

    fn of_bare(number: u64) -> Self {
        Self::seconds(number)
    }
}

impl Measure for Size {
    const WORD: &'static str = "size";
    const WRITTEN: &'static str = "\"64KB\", \"10MB\" or \"1GB\" (or KiB, MiB, GiB, which are the same)";
    const BARE: &'static str = "bytes";

    fn unit(unit: &str) -> Option<u64> {
        Some(match unit {
            "B" => 1,
            "KB" | "KiB" => 1 << 10,
            "MB" | "MiB" => 1 << 20,
            "GB" | "GiB" => 1 << 30,
            _ => return None,
        })
    }

    fn of_least(number: u64) -> Self {
        Self(number)
    }

    fn of_bare(number: u64) -> Self {
        Self(number)
    }
}

/// Reads a measure, and says of what it cannot read how it is written.
struct Reading<M> {
    bare: bool,
    measure: std::marker::PhantomData<M>,
}

impl<M: Measure> Reading<M> {
    fn read<'de, D: Deserializer<'de>>(bare: bool, deserializer: D) -> Result<M, D::Error> {
        deserializer.deserialize_any(Self { bare, measure: std::marker::PhantomData })
    }

    fn refused<E: Error>(&self, written: &dyn fmt::Display) -> E {
        let bare = if self.bare { format!(", or a number of {}", M::BARE) } else { String::new() };
        E::custom(format!("`{written}` is no {}: write {}{bare}", M::WORD, M::WRITTEN))
    }
}

impl<M: Measure> Visitor<'_> for Reading<M> {
    type Value = M;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a {} as {}", M::WORD, M::WRITTEN)
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<M, E> {
        M::read(text).ok_or_else(|| self.refused(&text))
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<M, E> {
        match self.bare {
            true => Ok(M::of_bare(number)),
            false => Err(self.refused(&number)),
        }
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<M, E> {
        match u64::try_from(number) {
            Ok(number) => self.visit_u64(number),
            Err(_) => Err(self.refused(&number)),
        }
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<M, E> {
        Err(self.refused(&number))
    }
}

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Reading::read(false, deserializer)
    }
}

impl<'de> Deserialize<'de> for Size {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Reading::read(false, deserializer)
    }
}

/// A length of time of a key that has always counted seconds.
///
/// # Errors
/// Where it is none.
pub fn seconds<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Span, D::Error> {
    Reading::read(true, deserializer)
}

/// A size of a key that has always counted bytes.
///
/// # Errors
/// Where it is none.
pub fn bytes<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Size, D::Error> {
    Reading::read(true, deserializer)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, PartialEq, Deserialize)]
    struct Bare {
        #[serde(deserialize_with = "seconds")]
        wait: Span,
        #[serde(deserialize_with = "bytes")]
        most: Size,
    }

    #[test]
    fn lengths_and_sizes_have_units() {
        assert_eq!(Span::read("500ms"), Some(Span::millis(500)));
        assert_eq!(Span::read("15m"), Some(Span::seconds(900)));
        assert_eq!(Span::read(" 7 d "), Some(Span::seconds(7 * 86_400)));
        for (text, size) in [("7B", 7), ("3KiB", 3 << 10), ("10MB", 10 << 20), ("10MiB", 10 << 20)] {
            assert_eq!(Size::read(text), Some(Size(size)), "{text}");
        }
        assert_eq!(Size::read("1GB"), Size::read("1GiB"));
        for wrong in ["5", "", "s", "5 weeks", "-1s", "99999999999999999999s", "18446744073709551615d", "1gb"]
        {
            assert_eq!(Span::read(wrong), None, "{wrong}");
            assert_eq!(Size::read(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_bare_number_counts_only_what_it_always_has() {
        for text in [
            r#"{"wait": 90, "most": 2048}"#,
            r#"{"wait": "90s", "most": "2KB"}"#,
            r#"{"wait": "90000ms", "most": "2KiB"}"#,
        ] {
            let read: Bare = serde_json::from_str(text).unwrap();
            assert_eq!(read, Bare { wait: Span::seconds(90), most: Size(2048) }, "{text}");
        }
        for (text, expected) in [
            (r#"{"wait": -1, "most": 1}"#, "`-1` is no length of time: write"),
            (r#"{"wait": 1.5, "most": 1}"#, "`1.5` is no length of time: write"),
            (r#"{"wait": "90", "most": 1}"#, "or a number of seconds"),
            (r#"{"wait": 1, "most": "2 parsecs"}"#, "or a number of bytes"),
            (r#"{"wait": true, "most": 1}"#, "expected a length of time as \"500ms\""),
        ] {
            let error = serde_json::from_str::<Bare>(text).unwrap_err().to_string();
            assert!(error.contains(expected), "{text}: {error}");
        }
        let error = serde_json::from_str::<Span>("5").unwrap_err().to_string();
        assert!(error.starts_with("`5` is no length of time") && !error.contains("number of"), "{error}");
        assert!(serde_json::from_str::<Size>("5").unwrap_err().to_string().starts_with("`5` is no size"));
    }
}
