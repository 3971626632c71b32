//! Classes of values by simple tests alone: what a [`super::dispatch::Dispatcher`] asks of an event's fields.
//!
//! In: the tests of a field. Out: for each value a number for the set of tests that it passes, where that is
//! quick to say: of one plain text, by comparing it. Nothing is said of numbers, lists, objects and escaped
//! texts, nor by tests that would have to search; a caller goes on without knowing.

use super::classes::{ABSENT, Classes, FieldMatcher};
use crate::event::TEXT_SEPARATOR;
use crate::predicate::{Shape, Test, TextTest};

/// Up to so many tests are compared one after the other.
const FEW: usize = 16;

/// The classes of one field's values by those of its tests that are quick.
#[derive(Debug)]
pub(super) struct QuickClasses {
    tests: Vec<(u32, Test)>,
    classes: Classes,
    by: By,
}

#[derive(Debug)]
enum By {
    /// With the classes of the sets that were met.
    Comparing(Vec<(u16, u32)>),
    /// The usual matcher, of many names that are one of a list.
    Matcher(Box<FieldMatcher>),
}

/// Whether a test can be answered by comparing texts.
pub(super) fn is_quick(test: &Test) -> bool {
    match test {
        Test::Null | Test::Exists => true,
        Test::Text(text) => {
            matches!(text.shape, Shape::Exact(_) | Shape::Prefix(_) | Shape::Suffix(_) | Shape::Anything)
        }
        _ => false,
    }
}

impl QuickClasses {
    /// For quick tests, given with their numbers.
    pub fn new(tests: &[(u32, Test)]) -> Self {
        let absent: Vec<u32> =
            tests.iter().filter(|(_, test)| *test == Test::Null).map(|(number, _)| *number).collect();
        let by = match tests.len() <= FEW {
            true => By::Comparing(Vec::new()),
            false => {
                By::Matcher(Box::new(FieldMatcher::new(tests.iter().map(|(number, test)| (*number, test)))))
            }
        };
        Self { tests: tests.to_vec(), classes: Classes::new(&absent), by }
    }

    /// The class of a cell; `None` where it is not quick to say.
    pub fn class(&mut self, cell: Option<&str>) -> Option<u32> {
        let Some(cell) = cell else { return Some(ABSENT) };
        let text = plain(cell)?;
        match &mut self.by {
            By::Matcher(matcher) => Some(self.classes.intern(matcher.classify(cell))),
            By::Comparing(known) => {
                let bits = self.tests.iter().enumerate().fold(0, |bits: u16, (number, (_, test))| {
                    bits | (u16::from(passes(test, text)) << number)
                });
                if let Some((_, class)) = known.iter().find(|(of, _)| *of == bits) {
                    return Some(*class);
                }
                let passed = self.tests.iter().enumerate().filter(|(number, _)| bits & (1 << number) != 0);
                let mut passed: Vec<u32> = passed.map(|(_, (test, _))| *test).collect();
                passed.sort_unstable();
                let class = self.classes.intern(&passed);
                known.push((bits, class));
                Some(class)
            }
        }
    }

    /// The tests that values of a class pass, sorted.
    pub fn tests(&self, class: u32) -> &[u32] {
        self.classes.tests(class)
    }

    /// How many classes there are.
    pub fn len(&self) -> usize {
        self.classes.len()
    }
}

/// What stands between the quotes of one text in which nothing is escaped and all is ASCII.
fn plain(cell: &str) -> Option<&str> {
    let text = cell.strip_prefix('"')?.strip_suffix('"')?;
    let is_plain = cell.len() >= 2 && text.is_ascii();
    (is_plain && memchr::memchr2(b'\\', TEXT_SEPARATOR as u8, text.as_bytes()).is_none()).then_some(text)
}

fn passes(test: &Test, text: &str) -> bool {
    match test {
        Test::Exists => true,
        Test::Text(TextTest { shape, cased }) => {
            let is = |a: &[u8], b: &String| match cased {
                true => a == b.as_bytes(),
                false => a.eq_ignore_ascii_case(b.as_bytes()),
            };
            let text = text.as_bytes();
            match shape {
                Shape::Anything => true,
                Shape::Exact(literal) => is(text, literal),
                Shape::Prefix(literal) => text.get(..literal.len()).is_some_and(|head| is(head, literal)),
                Shape::Suffix(literal) => {
                    let start = text.len().checked_sub(literal.len());
                    start.is_some_and(|start| is(&text[start..], literal))
                }
                Shape::Contains(_) | Shape::Glob(_) => false,
            }
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn text(shape: Shape, cased: bool) -> Test {
        Test::Text(TextTest { shape, cased })
    }

    fn quick_tests() -> Vec<(u32, Test)> {
        let literals = ["ab", "", "a", "AB", "1", "é", "true"];
        let mut tests = vec![Test::Null, Test::Exists, text(Shape::Anything, false)];
        for literal in literals {
            let folded = crate::predicate::fold(literal).into_owned();
            tests.push(text(Shape::Exact(folded.clone()), false));
            tests.push(text(Shape::Prefix(folded.clone()), false));
            tests.push(text(Shape::Suffix(literal.into()), true));
        }
        (5..).zip(tests).collect()
    }

    proptest! {
        /// What is quick to say is what the matcher says.
        #[test]
        fn quick_classes_are_those_of_the_matcher(
            first in 0usize..20,
            count in 1usize..25,
            cells in prop::collection::vec("\"[aAbB1é]{0,3}\"|\"\\\\\\\\n\"|true|1|null|\\[\"ab\"\\]|\"a\"\u{1e}\"b\"", 1..20),
        ) {
            let all = quick_tests();
            let tests: Vec<(u32, Test)> = all.into_iter().cycle().skip(first).take(count.min(24)).collect();
            let mut matcher = FieldMatcher::new(tests.iter().map(|(number, test)| (*number, test)));
            let mut quick = QuickClasses::new(&tests);
            let absent = quick.class(None).unwrap();
            let mut passed = matcher.absent().to_vec();
            passed.sort_unstable();
            prop_assert_eq!(quick.tests(absent), passed.as_slice());
            for cell in &cells {
                if let Some(class) = quick.class(Some(cell)) {
                    prop_assert_eq!(quick.tests(class), matcher.classify(cell), "{}", cell);
                }
            }
        }
    }

    #[test]
    fn of_texts_that_must_be_read_first_nothing_is_said() {
        let mut quick = QuickClasses::new(&quick_tests()[..4]);
        for cell in ["1", "true", "null", "{}", "[\"ab\"]", "\"a\\u0062\"", "\"é\"", "\"a\"\u{1e}\"b\"", "\""]
        {
            assert_eq!(quick.class(Some(cell)), None, "{cell}");
        }
        assert!(quick.class(Some("\"ab\"")).is_some() && quick.class(Some("\"\"")).is_some());
    }
}
