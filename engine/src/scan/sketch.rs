//! Which short pieces of text stored values hold at all: what is kept of a field with too many values to list.
//!
//! In: the cells of a field, as whoever stores events sees them. Out: for a test, whether any of these values
//! can pass it. Every value is folded and cut into pieces of three bytes; a piece is a bit. A test that looks for
//! a text can only hold where all pieces of that text occur, in whatever case and wherever in the value it looks.
//! A piece may seem to occur though it does not; none that occurs is missing.

use std::borrow::Cow;

use regex_syntax::hir::{Hir, HirKind};

use crate::event::TEXT_SEPARATOR;
use crate::json;
use crate::predicate::{Number, Shape, Test, fold};
use crate::sigma::Part;

/// Bits of a sketch, as a power of two.
const BITS: u32 = 15;

/// A sketch with more bits set than this share of all says too little to be kept.
const FULL: usize = (1 << BITS) / 8 * 7;

/// Bytes of a piece.
const PIECE: usize = 3;

/// The pieces of text of a field's values.
#[derive(Clone, PartialEq, Eq)]
pub struct Sketch {
    words: Box<[u64]>,
    /// Some value is an object or a list: its texts are not known.
    has_containers: bool,
}

impl std::fmt::Debug for Sketch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sketch").field("bits", &self.count()).finish_non_exhaustive()
    }
}

impl Default for Sketch {
    fn default() -> Self {
        Self { words: vec![0; (1 << BITS) / 64].into(), has_containers: false }
    }
}

impl Sketch {
    /// Bytes that a sketch takes.
    pub const BYTES: usize = (1 << BITS) / 8;

    /// Adds the values of a cell. What it adds is what a scan compares.
    pub fn add(&mut self, cell: &str) {
        for text in cell.split(TEXT_SEPARATOR) {
            match text.as_bytes().first() {
                Some(b'"') => self.text(&json::string_text(text).unwrap_or(Cow::Borrowed(text))),
                Some(b'{' | b'[') => self.has_containers = true,
                _ => self.text(text),
            }
        }
    }

    fn text(&mut self, text: &str) {
        match text.is_ascii() {
            true => self.pieces(text.as_bytes(), |byte| byte.to_ascii_lowercase()),
            false => self.pieces(fold(text).as_bytes(), |byte| byte),
        }
    }

    fn pieces(&mut self, text: &[u8], folded: impl Fn(u8) -> u8) {
        let mut piece = 0u32;
        for (at, &byte) in text.iter().enumerate() {
            piece = (piece << 8 | u32::from(folded(byte))) & 0x00FF_FFFF;
            if at + 1 >= PIECE {
                let bit = bit_of(piece);
                if let Some(word) = self.words.get_mut(bit / 64) {
                    *word |= 1 << (bit % 64);
                }
            }
        }
    }

    fn count(&self) -> usize {
        self.words.iter().map(|word| word.count_ones() as usize).sum()
    }

    /// Whether it can tell anything apart; one that cannot need not be kept.
    pub fn is_useful(&self) -> bool {
        !self.has_containers && self.count() <= FULL
    }

    /// Whether any of the values may hold all of these, which [`Needles::of`] gives for a test.
    pub fn may_hold(&self, needles: &Needles) -> bool {
        let holds = |bit: &usize| self.words.get(bit / 64).is_none_or(|word| word & (1 << (bit % 64)) != 0);
        self.has_containers || needles.bits.iter().all(holds)
    }

    /// As bytes; containers are not told of, so only a useful one is to be kept.
    pub fn to_bytes(&self) -> Vec<u8> {
        self.words.iter().flat_map(|word| word.to_le_bytes()).collect()
    }

    /// From bytes; `None` where they are not those of a sketch.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (words, rest) = bytes.as_chunks::<8>();
        let is_whole = bytes.len() == Self::BYTES && rest.is_empty();
        let words = words.iter().map(|word| u64::from_le_bytes(*word)).collect();
        is_whole.then_some(Self { words, has_containers: false })
    }
}

/// The pieces without which no value passes a test.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Needles {
    bits: Vec<usize>,
}

impl Needles {
    /// Those of a test; none where it looks for no text.
    pub fn of(test: &Test) -> Self {
        let mut texts: Vec<String> = Vec::new();
        match test {
            Test::Text(text) => match &text.shape {
                // what reads as a number also is the number that is written in another way: '1e3' and 1000
                Shape::Exact(text) if Number::parse(text).is_some() => {}
                Shape::Exact(text) | Shape::Prefix(text) | Shape::Suffix(text) | Shape::Contains(text) => {
                    texts.push(text.clone());
                }
                Shape::Anything => {}
                Shape::Glob(pattern) => texts.extend(pattern.parts.iter().filter_map(|part| match part {
                    Part::Text(text) => Some(text.clone()),
                    _ => None,
                })),
            },
            Test::Regex(regex) => regex.syntax().iter().for_each(|hir| required(hir, &mut texts)),
            _ => {}
        }
        Self::of_texts(&texts)
    }

    /// Those of texts which a value holds all.
    pub fn of_texts(texts: &[String]) -> Self {
        let mut needles = Self::default();
        for text in texts {
            for piece in fold(text).as_bytes().windows(PIECE) {
                needles.bits.push(bit_of(piece.iter().fold(0, |piece, byte| piece << 8 | u32::from(*byte))));
            }
        }
        needles.bits.sort_unstable();
        needles.bits.dedup();
        needles
    }
}

/// The texts that every match of an expression holds, as far as they are plain to see.
fn required(hir: &Hir, texts: &mut Vec<String>) {
    match hir.kind() {
        HirKind::Literal(literal) => texts.extend(String::from_utf8(literal.0.to_vec()).ok()),
        HirKind::Capture(capture) => required(&capture.sub, texts),
        HirKind::Concat(parts) => parts.iter().for_each(|part| required(part, texts)),
        HirKind::Repetition(repetition) if repetition.min > 0 => required(&repetition.sub, texts),
        _ => {}
    }
}

fn bit_of(piece: u32) -> usize {
    (piece.wrapping_mul(0x9E37_79B1) >> (32 - BITS)) as usize
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::predicate::{RegexTest, TextTest};
    use crate::scan::classes::FieldMatcher;

    fn may_pass(sketch: &Sketch, test: &Test) -> bool {
        sketch.may_hold(&Needles::of(test))
    }

    fn regex(pattern: &str, ignore_case: bool) -> Test {
        Test::Regex(RegexTest { pattern: pattern.into(), ignore_case, multi_line: false, dot_all: false })
    }

    fn test(shape: fn(String) -> Shape, text: &str, cased: bool) -> Test {
        let text = if cased { text.to_owned() } else { fold(text).into_owned() };
        Test::Text(TextTest { shape: shape(text), cased })
    }

    /// Few numbers, each written in many ways.
    fn number_like() -> impl Strategy<Value = String> {
        let written = |(number, zeros, form): (u32, usize, u8)| match form {
            0 => format!("{number}000"),
            1 => format!("{}{number}000", "0".repeat(zeros)),
            2 => format!("{number}000.{}", "0".repeat(zeros + 1)),
            3 => format!("{number}e3"),
            _ => format!("{number}00.0E+1"),
        };
        (1u32..3, 0usize..3, 0u8..5).prop_map(written)
    }

    proptest! {
        /// Whatever the matcher finds the sketch of the same cells may hold.
        #[test]
        fn no_test_that_a_value_passes_is_ruled_out(
            values in proptest::collection::vec("[aAbBÄä\u{130}\"\\\\ 1]{0,7}", 1..6),
            literal in prop_oneof!["[aAbBÄä\u{130}\"\\\\ 1]{0,4}", number_like()],
            number in number_like(),
            cased: bool,
        ) {
            let cells: Vec<String> = values.iter().map(|value| serde_json::Value::from(value.as_str()).to_string()).collect();
            // an event may write a number in any way that JSON knows
            let number = serde_json::from_str::<serde_json::Value>(&number).map_or("17".into(), |_| number);
            let cells = [cells.join("\u{1e}"), cells[0].clone(), number, "true".into(), "null".into()];
            let mut sketch = Sketch::default();
            cells.iter().for_each(|cell| sketch.add(cell));
            prop_assert!(sketch.is_useful());
            let sketch = Sketch::from_bytes(&sketch.to_bytes()).unwrap();
            for shape in [Shape::Exact, Shape::Prefix, Shape::Suffix, Shape::Contains] {
                let test = test(shape, &literal, cased);
                let mut matcher = FieldMatcher::new([(0, &test)].into_iter());
                for cell in &cells {
                    prop_assert!(matcher.classify(cell).is_empty() || may_pass(&sketch, &test), "{cell} {test:?}");
                }
            }
        }
    }

    #[test]
    fn a_text_that_no_value_holds_is_ruled_out_and_containers_are_anything() {
        let mut sketch = Sketch::default();
        sketch.add(r#""Mozilla/5.0 (X11; Linux)""#);
        let contains = |text| test(Shape::Contains, text, false);
        assert!(may_pass(&sketch, &contains("linux")) && may_pass(&sketch, &contains("0 (x11")));
        assert!(!may_pass(&sketch, &contains("trufflehog")));
        assert!(!may_pass(&sketch, &test(Shape::Exact, "KALI", true)));
        assert!(may_pass(&sketch, &contains("zz")), "what is shorter than a piece is not known");
        assert!(may_pass(&sketch, &Test::Exists) && may_pass(&sketch, &Test::Null));
        for (pattern, ignore_case, passes) in [
            (".+\\(X11; (Linux)+.*", false, true),
            (".+\\(X11; (Plan9)+.*", false, false),
            (".+(Plan9)?|x", false, true),
            ("(Plan9)*", false, true),
            ("PLAN9", true, true),
        ] {
            assert_eq!(may_pass(&sketch, &regex(pattern, ignore_case)), passes, "{pattern}");
        }
        sketch.add(r#"{"a":["trufflehog"]}"#);
        assert!(!sketch.is_useful() && may_pass(&sketch, &contains("trufflehog")));
        assert!(Sketch::from_bytes(&[1, 2, 3]).is_none());
    }

    #[test]
    fn what_is_full_is_not_useful() {
        let mut sketch = Sketch::default();
        let mut state = 1u64;
        let text: String = (0..200_000)
            .map(|_| {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                char::from(b'#' + (state >> 33) as u8 % 90)
            })
            .collect();
        sketch.text(&text);
        assert!(!sketch.is_useful(), "{sketch:?}");
    }
}
