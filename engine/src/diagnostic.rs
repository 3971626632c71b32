//! What is wrong with a rule, as a value: code, file, span, cause, help.
//!
//! In: the place of a mistake and words for it. Out: a [`Diagnostic`] that a terminal can underline,
//! an API can list and a test can compare. Loading goes on after a diagnostic; the document that has
//! an error is left out, the others are not.

use std::ops::Range;
use std::sync::Arc;

/// A stable code for one kind of mistake, and its one-line title.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Code {
    /// The code, as users search for it.
    pub id: &'static str,
    /// What it says in one line.
    pub title: &'static str,
}

/// The codes of all diagnostics.
pub mod codes {
    use super::Code;

    /// the file is not YAML
    pub const YAML: Code = Code { id: "yaml", title: "the file is not YAML" };
    /// the document is larger than a rule may be
    pub const TOO_LARGE: Code = Code { id: "too-large", title: "the document is larger than a rule may be" };
    /// the document nests deeper than a rule may
    pub const TOO_DEEP: Code = Code { id: "too-deep", title: "the document nests deeper than a rule may" };
    /// a key stands twice
    pub const DUPLICATE_KEY: Code = Code { id: "duplicate-key", title: "a key stands twice" };
    /// the document is not a Sigma rule
    pub const NOT_A_RULE: Code = Code { id: "not-a-rule", title: "the document is not a Sigma rule" };
    /// a mandatory key is missing
    pub const MISSING_KEY: Code = Code { id: "missing-key", title: "a mandatory key is missing" };
    /// a value has the wrong type
    pub const WRONG_TYPE: Code = Code { id: "wrong-type", title: "a value has the wrong type" };
    /// a value is not one of those allowed
    pub const BAD_VALUE: Code = Code { id: "bad-value", title: "a value is not one of those allowed" };
    /// a key is not known here
    pub const UNKNOWN_KEY: Code = Code { id: "unknown-key", title: "a key is not known here" };
    /// a custom key resembles a known one
    pub const LIKE_A_KEY: Code = Code { id: "like-a-key", title: "a custom key resembles a known one" };
    /// the rule is written in an old syntax
    pub const OLD_SYNTAX: Code = Code { id: "old-syntax", title: "the rule is written in an old syntax" };
    /// a detection holds nothing
    pub const EMPTY_DETECTION: Code = Code { id: "empty-detection", title: "a detection holds nothing" };
    /// a modifier does not exist
    pub const UNKNOWN_MODIFIER: Code = Code { id: "unknown-modifier", title: "a modifier does not exist" };
    /// the modifiers make no sense together
    pub const MODIFIER_CHAIN: Code =
        Code { id: "modifier-chain", title: "the modifiers make no sense together" };
    /// a modifier cannot take this value
    pub const MODIFIER_VALUE: Code =
        Code { id: "modifier-value", title: "a modifier cannot take this value" };
    /// a regular expression does not compile
    pub const BAD_REGEX: Code = Code { id: "bad-regex", title: "a regular expression does not compile" };
    /// not a network in CIDR notation
    pub const BAD_CIDR: Code = Code { id: "bad-cidr", title: "not a network in CIDR notation" };
    /// the condition cannot be read
    pub const CONDITION_SYNTAX: Code = Code { id: "condition-syntax", title: "the condition cannot be read" };
    /// the condition names a selection that does not exist
    pub const UNKNOWN_SELECTION: Code =
        Code { id: "unknown-selection", title: "the condition names a selection that does not exist" };
    /// a correlation is about a rule that is not there
    pub const UNKNOWN_RULE: Code =
        Code { id: "unknown-rule", title: "a correlation is about a rule that is not there" };
    /// correlations stand on one another without an end
    pub const CORRELATION_CHAIN: Code =
        Code { id: "correlation-chain", title: "correlations stand on one another without an end" };
    /// a selection is never used by the condition
    pub const UNUSED_SELECTION: Code =
        Code { id: "unused-selection", title: "a selection is never used by the condition" };
    /// a placeholder has no list
    pub const UNDEFINED_PLACEHOLDER: Code =
        Code { id: "undefined-placeholder", title: "a placeholder has no list" };
    /// the rule expands to more tests than a rule may
    pub const TOO_MANY_TESTS: Code =
        Code { id: "too-many-tests", title: "the rule expands to more tests than a rule may" };
    /// two rules have the same id
    pub const DUPLICATE_RULE: Code = Code { id: "duplicate-rule", title: "two rules have the same id" };
    /// no source serves the rule's log source
    pub const UNMAPPED_LOGSOURCE: Code =
        Code { id: "unmapped-logsource", title: "no source serves the rule's log source" };

    /// a rule needs a lookup table that is not there
    pub const MISSING_TABLE: Code =
        Code { id: "missing-table", title: "a rule needs a lookup table that is not there" };

    /// a rule of which no alert can tell: it only feeds correlations that can never match, or that have an error
    pub const NEVER_HEARD: Code = Code {
        id: "never-heard",
        title: "a rule of which no alert can tell: it only feeds correlations that can never match, or that have an error",
    };

    /// a transformation does not exist
    pub const UNKNOWN_TRANSFORMATION: Code =
        Code { id: "unknown-transformation", title: "a transformation does not exist" };
    /// a transformation has no meaning here
    pub const UNSUPPORTED_TRANSFORMATION: Code =
        Code { id: "unsupported-transformation", title: "a transformation has no meaning here" };
    /// a pipeline refuses the rule
    pub const PIPELINE_REFUSED: Code = Code { id: "pipeline-refused", title: "a pipeline refuses the rule" };
    /// a filter, a list or a tuning entry is about no rule that is loaded
    pub const FITS_NO_RULE: Code = Code {
        id: "fits-no-rule",
        title: "a filter, a list or a tuning entry is about no rule that is loaded",
    };

    /// All of them, for the reference page.
    pub static ALL: &[Code] = &[
        YAML,
        TOO_LARGE,
        TOO_DEEP,
        DUPLICATE_KEY,
        NOT_A_RULE,
        MISSING_KEY,
        WRONG_TYPE,
        BAD_VALUE,
        UNKNOWN_KEY,
        LIKE_A_KEY,
        OLD_SYNTAX,
        EMPTY_DETECTION,
        UNKNOWN_MODIFIER,
        MODIFIER_CHAIN,
        MODIFIER_VALUE,
        BAD_REGEX,
        BAD_CIDR,
        CONDITION_SYNTAX,
        UNKNOWN_SELECTION,
        UNKNOWN_RULE,
        CORRELATION_CHAIN,
        UNUSED_SELECTION,
        UNDEFINED_PLACEHOLDER,
        TOO_MANY_TESTS,
        DUPLICATE_RULE,
        UNMAPPED_LOGSOURCE,
        MISSING_TABLE,
        NEVER_HEARD,
        UNKNOWN_TRANSFORMATION,
        UNSUPPORTED_TRANSFORMATION,
        PIPELINE_REFUSED,
        FITS_NO_RULE,
    ];
}

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Something to know.
    Note,
    /// The rule runs, perhaps not as its author meant.
    Warning,
    /// The document is not loaded.
    Error,
}

impl Severity {
    /// The word for it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Note => "note",
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }
}

/// A rule file's name and text, shared by all that refers into it.
#[derive(Debug, PartialEq, Eq)]
pub struct SourceFile {
    /// The name as the user gave it.
    pub name: String,
    /// The text.
    pub text: String,
}

impl SourceFile {
    /// Line and column (both from 1, columns in characters) of a byte.
    pub fn place(&self, byte: usize) -> (usize, usize) {
        let before = &self.text.as_bytes()[..byte.min(self.text.len())];
        let line = before.iter().filter(|&&b| b == b'\n').count() + 1;
        let start = before.iter().rposition(|&b| b == b'\n').map_or(0, |at| at + 1);
        // a continuation byte is not a character of its own
        let column = before[start..].iter().filter(|&&b| b & 0xC0 != 0x80).count() + 1;
        (line, column)
    }
}

/// One thing that is wrong, or worth knowing, about a rule.
#[derive(Debug, Clone)]
pub struct Diagnostic {
    /// Its kind.
    pub code: Code,
    /// How bad it is.
    pub severity: Severity,
    /// The file.
    pub file: Arc<SourceFile>,
    /// The bytes that it is about.
    pub span: Range<usize>,
    /// What is wrong, in this case.
    pub cause: String,
    /// What to do about it; may be empty.
    pub help: String,
}

impl Diagnostic {
    /// An error.
    pub fn error(code: Code, file: &Arc<SourceFile>, span: Range<usize>, cause: impl Into<String>) -> Self {
        let (file, cause) = (Arc::clone(file), cause.into());
        Self { code, severity: Severity::Error, file, span, cause, help: String::new() }
    }

    /// A warning.
    pub fn warning(code: Code, file: &Arc<SourceFile>, span: Range<usize>, cause: impl Into<String>) -> Self {
        Self { severity: Severity::Warning, ..Self::error(code, file, span, cause) }
    }

    /// A note.
    pub fn note(code: Code, file: &Arc<SourceFile>, span: Range<usize>, cause: impl Into<String>) -> Self {
        Self { severity: Severity::Note, ..Self::error(code, file, span, cause) }
    }

    /// Adds what to do about it.
    #[must_use]
    pub fn with_help(mut self, help: impl Into<String>) -> Self {
        self.help = help.into();
        self
    }

    /// Line and column of its start, from 1.
    pub fn place(&self) -> (usize, usize) {
        self.file.place(self.span.start)
    }
}

impl std::fmt::Display for Diagnostic {
    /// One line: `file:line:column: error[code]: cause`.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (line, column) = self.place();
        let word = self.severity.word();
        write!(f, "{}:{line}:{column}: {word}[{}]: {}", self.file.name, self.code.id, self.cause)
    }
}

/// What to do about a word that is not known: the nearest one that is, else all of them.
pub fn known_words(word: &str, known: &[&str]) -> String {
    match nearest(word, known.iter().copied()) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("there are: {}", known.join(", ")),
    }
}

/// The known word nearest to a misspelt one, if any is near enough to be meant.
pub fn nearest<'w>(word: &str, known: impl IntoIterator<Item = &'w str>) -> Option<&'w str> {
    if word.chars().count() > crate::limits::MAX_NEAREST_CHARS {
        return None;
    }
    let word = word.to_lowercase();
    known
        .into_iter()
        .filter(|known| known.len().abs_diff(word.len()) <= 4)
        .map(|known| (edit_distance(&word, &known.to_lowercase()), known))
        .filter(|(distance, known)| *distance <= 2 && *distance * 2 < known.len().max(3))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, known)| known)
}

/// Insertions, deletions and substitutions between two words (Levenshtein).
fn edit_distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, ca) in a.chars().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], i + 1);
        for (j, cb) in b.iter().enumerate() {
            let substituted = diagonal + usize::from(ca != *cb);
            diagonal = row[j + 1];
            row[j + 1] = substituted.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_counts_lines_and_characters_from_one() {
        let file = SourceFile { name: "r.yml".into(), text: "a: é\nb: x".into() };
        assert_eq!(file.place(0), (1, 1));
        assert_eq!(file.place(5), (1, 5));
        assert_eq!(file.place(6), (2, 1));
        assert_eq!(file.place(999), (2, 5));
    }

    #[test]
    fn a_misspelt_word_finds_its_neighbour() {
        let known = ["contains", "startswith", "re", "all"];
        assert_eq!(nearest("contain", known), Some("contains"));
        assert_eq!(nearest("starstwith", known), Some("startswith"));
        assert_eq!(nearest("xy", known), None);
        assert_eq!(nearest("completely", known), None);
    }

    #[test]
    fn codes_are_unique() {
        for (i, code) in codes::ALL.iter().enumerate() {
            assert!(codes::ALL[..i].iter().all(|other| other.id != code.id), "{}", code.id);
        }
    }
}
