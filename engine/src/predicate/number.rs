//! Numbers that lose nothing: integers exactly, the rest as 64-bit floats.
//!
//! In: the text of a number, from a rule or an event. Out: a [`Number`] that compares as the number
//! does: `9007199254740993` is not `9007199254740992`, and `5`, `5.0` and `005` are equal.

use std::cmp::Ordering;

/// A number.
#[derive(Debug, Clone, Copy)]
pub enum Number {
    /// A whole number within 128 bits.
    Int(i128),
    /// Anything else; finite, and never a whole number that would fit.
    Float(f64),
}

impl Number {
    /// Reads a decimal number: sign, digits, fraction, exponent, and nothing around it.
    pub fn parse(text: &str) -> Option<Self> {
        let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
        if !digits.starts_with(|c: char| c.is_ascii_digit() || c == '.') {
            return None;
        }
        if digits.bytes().all(|b| b.is_ascii_digit())
            && let Ok(int) = text.parse::<i128>()
        {
            return Some(Self::Int(int));
        }
        if !digits.bytes().all(|b| matches!(b, b'0'..=b'9' | b'.' | b'e' | b'E' | b'+' | b'-')) {
            return None;
        }
        let float = text.parse::<f64>().ok()?;
        match whole(text) {
            Some(int) => Some(Self::Int(int)),
            None => Self::from_float(float),
        }
    }

    fn from_float(float: f64) -> Option<Self> {
        const LIMIT: f64 = 1e38;
        match float {
            _ if !float.is_finite() => None,
            _ if float.fract() == 0.0 && float.abs() < LIMIT => Some(Self::Int(float as i128)),
            _ => Some(Self::Float(float)),
        }
    }
}

/// A decimal number that is whole and fits, exactly, however it is written: a float has 53 bits alone.
fn whole(text: &str) -> Option<i128> {
    let (mantissa, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
    let (int, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let fraction = fraction.trim_end_matches('0');
    let digits = format!("{int}{fraction}");
    let significant = digits.trim_end_matches('0');
    // what is left of the digits is to be followed by so many zeros
    let zeros = exponent.parse::<i64>().ok()?.checked_sub(i64::try_from(fraction.len()).ok()?)?;
    let zeros = zeros.checked_add(i64::try_from(digits.len() - significant.len()).ok()?)?;
    let number = match significant {
        "" | "-" | "+" => return Some(0),
        significant => significant.parse::<i128>().ok()?,
    };
    number.checked_mul(10i128.checked_pow(u32::try_from(zeros).ok()?)?)
}

impl Ord for Number {
    fn cmp(&self, other: &Self) -> Ordering {
        match (*self, *other) {
            (Self::Int(a), Self::Int(b)) => a.cmp(&b),
            (Self::Float(a), Self::Float(b)) => a.total_cmp(&b),
            (Self::Int(a), Self::Float(b)) => int_to_float(a, b),
            (Self::Float(a), Self::Int(b)) => int_to_float(b, a).reverse(),
        }
    }
}

/// The float is no whole number, or is beyond every 128-bit one that a float is made of.
fn int_to_float(int: i128, float: f64) -> Ordering {
    if float.abs() >= 1e38 {
        return if float > 0.0 { Ordering::Less } else { Ordering::Greater };
    }
    if int <= float.floor() as i128 { Ordering::Less } else { Ordering::Greater }
}

impl PartialOrd for Number {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Number {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Number {}

impl std::hash::Hash for Number {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        match self {
            Self::Int(int) => int.hash(state),
            Self::Float(float) => float.to_bits().hash(state),
        }
    }
}

impl std::fmt::Display for Number {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Int(int) => write!(f, "{int}"),
            Self::Float(float) => write!(f, "{float}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn n(text: &str) -> Number {
        Number::parse(text).unwrap()
    }

    #[test]
    fn numbers_compare_as_numbers_do() {
        for (a, b) in [("5", "5.0"), ("005", "5"), ("1e3", "1000"), ("-0", "0"), ("+7", "7"), ("0.5", ".5")] {
            assert_eq!(n(a), n(b), "{a} {b}");
        }
        // exact beyond what a float holds, however they are written
        for (a, b) in [
            ("1e23", "100000000000000000000000"),
            ("9007199254740993.0", "9007199254740993"),
            ("-900719925474099.300e1", "-9007199254740993"),
            ("1.7014118346046923173168730371588410572700E+38", "170141183460469231731687303715884105727"),
            (".0e5", "0"),
            ("-0.000", "0"),
        ] {
            assert_eq!(n(a), n(b), "{a} {b}");
            assert!(matches!(n(a), Number::Int(_)), "{a}");
        }
        for (a, b) in [
            ("9007199254740992", "9007199254740993"),
            ("-1", "-0.5"),
            ("2", "2.5"),
            ("2.5", "3"),
            ("-2.5", "-2"),
            ("170141183460469231731687303715884105727", "1e300"),
            ("-1e300", "-170141183460469231731687303715884105727"),
            ("9007199254740992.0", "9007199254740993.0"),
            ("1e-3", "2e-3"),
            ("170141183460469231731687303715884105727.0", "1.8e38"),
        ] {
            assert!(n(a) < n(b) && n(b) > n(a), "{a} {b}");
        }
    }

    #[test]
    fn what_is_no_number_is_none() {
        for text in ["", "-", "1 ", " 1", "0x10", "inf", "NaN", "1e999", "1_000", "1.2.3", "e5", "."] {
            assert!(Number::parse(text).is_none(), "{text}");
        }
    }
}
