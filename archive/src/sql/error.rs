//! Why a query was not answered, in words for whoever wrote it.
//!
//! In: an error of the query engine. Out: a [`SqlError`]: what kind it is, what is wrong, where in the text,
//! and what to do next.

use std::time::Duration;

use datafusion::common::diagnostic::Diagnostic;
use datafusion::error::DataFusionError;

use super::limits::Limits;

/// What kind of thing went wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SqlErrorKind {
    /// The text is no SQL.
    Syntax,
    /// It names what is not there, or puts together what does not fit.
    Plan,
    /// It would write, or reach beyond the archive.
    Refused,
    /// It needs more memory than it may take.
    Memory,
    /// It takes longer than it may.
    Time,
    /// It gives more rows than it may.
    Rows,
    /// The archive cannot be read.
    Store,
    /// It failed on a value.
    Execution,
}

/// Why a query was not answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SqlError {
    /// What kind of thing went wrong.
    pub kind: SqlErrorKind,
    /// What is wrong.
    pub message: String,
    /// Line and column in the query, both from 1, and how many characters it is about.
    pub place: Option<(u64, u64, u64)>,
    /// What to do next; may be empty.
    pub help: String,
}

impl std::fmt::Display for SqlError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.message)?;
        if let Some((line, column, _)) = self.place {
            write!(f, " (line {line}, column {column})")?;
        }
        if !self.help.is_empty() {
            write!(f, "; {}", self.help)?;
        }
        Ok(())
    }
}

impl std::error::Error for SqlError {}

/// A limit that a query has met, on its way through the query engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exceeded {
    Time,
    /// Already before it began, while it was found out which events lie there twice.
    TimeToLook,
    Rows,
}

impl std::fmt::Display for Exceeded {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Time | Self::TimeToLook => "the query takes longer than it may",
            Self::Rows => "the query gives more rows than it may",
        })
    }
}

impl std::error::Error for Exceeded {}

impl SqlError {
    pub(crate) fn new(kind: SqlErrorKind, message: impl Into<String>, help: impl Into<String>) -> Self {
        Self { kind, message: message.into(), place: None, help: help.into() }
    }

    /// A statement that is refused.
    pub(crate) fn refused(what: &str) -> Self {
        let help = "SELECT, WITH, VALUES, EXPLAIN, DESCRIBE and SHOW are answered";
        Self::new(SqlErrorKind::Refused, format!("{what}: the archive is only read here"), help)
    }

    /// A limit that was met.
    pub(crate) fn exceeded(what: Exceeded, limits: &Limits) -> Self {
        match what {
            Exceeded::Time => Self::new(
                SqlErrorKind::Time,
                format!("the query takes longer than {:?}", limits.time),
                "narrow it by `source` and `time`, or allow it more with --time",
            ),
            Exceeded::TimeToLook => Self::new(
                SqlErrorKind::Time,
                format!(
                    "to find out which events lie in the archive twice takes longer than {:?}",
                    limits.time
                ),
                "`virga archive compact` finds it out once for all; or narrow the query by `source` and `time`, allow \
                 it more with --time, or count what lies there with --as-stored",
            ),
            Exceeded::Rows => Self::new(
                SqlErrorKind::Rows,
                format!("the query gives more than {} rows", limits.rows),
                "write a LIMIT, or allow it more with --rows",
            ),
        }
    }

    /// A client's own limit that was met.
    pub(crate) fn over_own(time: Duration) -> Self {
        Self::new(
            SqlErrorKind::Time,
            format!("the query takes longer than {time:?}, the statement_timeout of this connection"),
            "narrow it by `source` and `time`, or SET statement_timeout to more",
        )
    }

    /// An error of the query engine.
    pub(crate) fn of(error: &DataFusionError, limits: &Limits) -> Self {
        let root = error.find_root();
        if let DataFusionError::External(inner) = root {
            if let Some(what) = inner.downcast_ref::<Exceeded>() {
                return Self::exceeded(*what, limits);
            }
            if let Some(own) = inner.downcast_ref::<Self>() {
                return own.clone();
            }
        }
        let (kind, help) = match root {
            DataFusionError::ResourcesExhausted(_) => return Self::memory(root, limits),
            DataFusionError::SQL(..) => (SqlErrorKind::Syntax, ""),
            DataFusionError::Plan(_)
            | DataFusionError::SchemaError(..)
            | DataFusionError::NotImplemented(_)
            | DataFusionError::Configuration(_) => (SqlErrorKind::Plan, ""),
            DataFusionError::ObjectStore(_)
            | DataFusionError::ParquetError(_)
            | DataFusionError::IoError(_) => {
                (SqlErrorKind::Store, "`virga archive verify` reads every file and says which are broken")
            }
            DataFusionError::External(inner) if is_of_store(&inner.to_string()) => {
                (SqlErrorKind::Store, "`virga archive verify` reads every file and says which are broken")
            }
            _ => (SqlErrorKind::Execution, ""),
        };
        let mut own = Self::new(kind, words(root), help);
        if kind == SqlErrorKind::Syntax {
            own.take_place_from_words();
        }
        if let Some(diagnostic) = error.diagnostic() {
            own.locate(diagnostic);
        }
        if kind == SqlErrorKind::Plan {
            own.message = own.message.replace('\n', " ");
            own.shorten();
        }
        own
    }

    /// Of a name that is not there the query engine says all that are: an archive has a hundred and more.
    fn shorten(&mut self) {
        let Some((said, fields)) = self.message.split_once(" Valid fields are ") else { return };
        let fields = fields.split(", ").count();
        if fields <= MAX_FIELDS {
            return;
        }
        let others = format!("DESCRIBE shows the {fields} fields that there are");
        self.help = if self.help.is_empty() { others } else { format!("{}; {others}", self.help) };
        self.message = said.to_owned();
    }

    fn memory(error: &DataFusionError, limits: &Limits) -> Self {
        // the words name operators and their bytes, which is for whoever tunes the engine
        let detail = words(error);
        let first = detail.lines().next().unwrap_or_default().trim_end_matches([':', '.']).to_owned();
        Self::new(
            SqlErrorKind::Memory,
            format!("the query needs more than {} MB of memory ({first})", limits.memory >> 20),
            "narrow it by `source` and `time`, select fewer columns, or allow it more with --memory",
        )
    }

    fn locate(&mut self, diagnostic: &Diagnostic) {
        if let Some(span) = diagnostic.span {
            let length = match span.start.line == span.end.line {
                true => span.end.column.saturating_sub(span.start.column).max(1),
                false => 1,
            };
            self.place = Some((span.start.line, span.start.column, length));
        }
        let said: Vec<&str> = diagnostic
            .notes
            .iter()
            .map(|note| note.message.as_str())
            .chain(diagnostic.helps.iter().map(|help| help.message.as_str()))
            .collect();
        if !said.is_empty() {
            self.help = said.join("; ");
        }
    }

    /// The parser says the place in its words: `… at Line: 1, Column: 8`.
    fn take_place_from_words(&mut self) {
        let Some((message, place)) = self.message.rsplit_once(" at Line: ") else { return };
        let Some((line, column)) = place.split_once(", Column: ") else { return };
        let column: String = column.chars().take_while(char::is_ascii_digit).collect();
        if let (Ok(line), Ok(column)) = (line.trim().parse(), column.parse()) {
            self.place = Some((line, column, 1));
            self.message = message.to_owned();
        }
    }
}

/// Fields that an error names: a line of them is read.
const MAX_FIELDS: usize = 12;

fn is_of_store(words: &str) -> bool {
    ["Parquet", "parquet", "Object at location", "object store", "No such file"]
        .iter()
        .any(|word| words.contains(word))
}

/// An error's own words, without the kinds that stand before them.
fn words(error: &DataFusionError) -> String {
    let text = error.strip_backtrace();
    let mut text = text.as_str();
    for prefix in [
        "SQL error: ",
        "Error during planning: ",
        "Schema error: ",
        "Execution error: ",
        "External error: ",
        "Resources exhausted: ",
        "Invalid or Unsupported Configuration: ",
        "This feature is not implemented: ",
        "Arrow error: ",
        "Parquet error: ",
        "Object Store error: ",
    ] {
        text = text.strip_prefix(prefix).unwrap_or(text);
    }
    let text = text.strip_prefix("ParserError(\"").and_then(|text| text.strip_suffix("\")")).unwrap_or(text);
    text.replace("\\\"", "\"")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_parsers_place_is_taken_out_of_its_words() {
        let mut error =
            SqlError::new(SqlErrorKind::Syntax, "Expected: x, found: y at Line: 2, Column: 17", "");
        error.take_place_from_words();
        assert_eq!(error.place, Some((2, 17, 1)));
        assert_eq!(error.to_string(), "Expected: x, found: y (line 2, column 17)");
    }

    #[test]
    fn of_many_fields_none_is_named() {
        let told = |fields: usize| {
            let fields = (0..fields).map(|n| format!("e.f{n}")).collect::<Vec<_>>().join(", ");
            let words = format!("No field named nope. Did you mean 'e.f0'?\nValid fields are {fields}.");
            SqlError::of(&DataFusionError::Plan(words), &Limits::default())
        };
        let few = told(3);
        assert_eq!(
            few.message,
            "No field named nope. Did you mean 'e.f0'? Valid fields are e.f0, e.f1, e.f2."
        );
        let many = told(154);
        assert_eq!(many.message, "No field named nope. Did you mean 'e.f0'?");
        assert_eq!(many.help, "DESCRIBE shows the 154 fields that there are");
    }

    #[test]
    fn words_come_without_the_kinds_before_them() {
        assert_eq!(words(&DataFusionError::Plan("no such table".into())), "no such table");
    }
}
