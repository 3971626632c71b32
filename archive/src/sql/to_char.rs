//! `to_char(time, 'YYYY-MM-DD')`: times in PostgreSQL's patterns.
//!
//! In: a format. Out: the same in the query engine's own way, which is `%Y-%m-%d`; what has a `%` in it is in that way already.
//! The query engine takes PostgreSQL's patterns for text that is to be copied, and so each time would be told the same. What
//! PostgreSQL has a pattern for and the engine has not is refused; letters that are no pattern are copied, as PostgreSQL does.

use std::hash::{Hash, Hasher};
use std::sync::Arc;

use arrow::array::{AsArray as _, StringArray};
use arrow::compute::cast;
use arrow::datatypes::DataType;
use datafusion::common::ScalarValue;
use datafusion::error::{DataFusionError, Result};
use datafusion::logical_expr::{ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature};

use super::error::{SqlError, SqlErrorKind};

/// Patterns, the longer before those that they begin with; `None` where the query engine has none.
const PATTERNS: &[(&str, Option<&str>)] = &[
    ("YYYY", Some("%Y")),
    ("YYY", None),
    ("YY", Some("%y")),
    ("Y,YYY", None),
    ("IYYY", Some("%G")),
    ("IYY", None),
    ("IY", Some("%g")),
    ("HH24", Some("%H")),
    ("HH12", Some("%I")),
    ("HH", Some("%I")),
    ("MI", Some("%M")),
    ("SSSSS", None),
    ("SSSS", None),
    ("SS", Some("%S")),
    ("MS", Some("%3f")),
    ("US", Some("%6f")),
    ("FF3", Some("%3f")),
    ("FF6", Some("%6f")),
    ("AM", Some("%p")),
    ("PM", Some("%p")),
    ("MM", Some("%m")),
    ("MONTH", None),
    ("MON", None),
    ("DAY", None),
    ("DY", None),
    ("IDDD", None),
    ("DDD", Some("%j")),
    ("DD", Some("%d")),
    ("ID", Some("%u")),
    ("IW", Some("%V")),
    ("WW", None),
    ("CC", None),
    ("RM", None),
    ("TZH", None),
    ("TZM", None),
    ("TZ", Some("%Z")),
    ("OF", Some("%:z")),
    ("D", None),
    ("J", None),
    ("Q", None),
    ("W", None),
    ("Y", None),
];

/// Names, which are written as the pattern is.
const NAMES: &[(&str, &str)] =
    &[("Month", "%B"), ("Mon", "%b"), ("Day", "%A"), ("Dy", "%a"), ("am", "%P"), ("pm", "%P")];

/// The query engine's own patterns that are numbers.
const NUMBERS: &[&str] = &["Y", "y", "G", "g", "m", "d", "j", "H", "I", "M", "S", "u", "V"];

/// A format of PostgreSQL's as the query engine writes it.
///
/// # Errors
/// The pattern that it has no word for.
fn translated(format: &str) -> std::result::Result<String, String> {
    if format.contains('%') {
        return Ok(format.to_owned());
    }
    let mut out = String::new();
    let mut rest = format;
    while !rest.is_empty() {
        if let Some(quoted) = rest.strip_prefix('"') {
            let (text, behind) = quoted.split_once('"').unwrap_or((quoted, ""));
            out.push_str(text);
            rest = behind;
            continue;
        }
        // without blanks or zeros before it, of the pattern that follows
        let (bare, is_bare) = match rest.get(..2) {
            Some(two) if two.eq_ignore_ascii_case("FM") => (&rest[2..], true),
            _ => (rest, false),
        };
        let name = NAMES.iter().find(|(name, _)| bare.starts_with(name));
        let pattern = || {
            PATTERNS.iter().find(|(pattern, _)| {
                bare.get(..pattern.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(pattern))
            })
        };
        let (length, own) = match (name, name.map_or_else(pattern, |_| None)) {
            (Some((name, own)), _) => (name.len(), *own),
            (None, Some((pattern, Some(own)))) => (pattern.len(), *own),
            (None, Some((pattern, None))) => return Err(bare[..pattern.len()].to_owned()),
            (None, None) => {
                let mut letters = rest.chars();
                out.extend(letters.next());
                rest = letters.as_str();
                continue;
            }
        };
        match own.strip_prefix('%') {
            Some(letter) if is_bare && NUMBERS.contains(&letter) => out.extend(["%-", letter]),
            _ => out.push_str(own),
        }
        rest = &bare[length..];
    }
    Ok(out)
}

/// The function.
#[derive(Debug)]
pub(super) struct ToChar(pub Arc<ScalarUDF>);

impl PartialEq for ToChar {
    fn eq(&self, other: &Self) -> bool {
        self.0 == other.0
    }
}

impl Eq for ToChar {}

impl Hash for ToChar {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.hash(state);
    }
}

impl ScalarUDFImpl for ToChar {
    fn name(&self) -> &str {
        self.0.name()
    }

    fn signature(&self) -> &Signature {
        self.0.signature()
    }

    fn return_type(&self, kinds: &[DataType]) -> Result<DataType> {
        self.0.return_type(kinds)
    }

    fn invoke_with_args(&self, mut args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        if let [time, format] = args.args.as_mut_slice()
            && !matches!(time.data_type(), DataType::Duration(_))
        {
            *format = match &*format {
                ColumnarValue::Scalar(ScalarValue::Utf8(Some(text))) => {
                    ColumnarValue::Scalar(ScalarValue::from(translated(text).map_err(unknown)?))
                }
                ColumnarValue::Array(formats) => {
                    let texts = cast(formats, &DataType::Utf8)?;
                    let each = texts.as_string::<i32>().iter().map(|text| text.map(translated).transpose());
                    let each = each.collect::<std::result::Result<StringArray, _>>();
                    ColumnarValue::Array(Arc::new(each.map_err(unknown)?))
                }
                other => other.clone(),
            };
        }
        self.0.invoke_with_args(args)
    }
}

fn unknown(pattern: String) -> DataFusionError {
    let message = format!("to_char has no `{pattern}` here");
    let help = "write a text that is none in \"quotes\", or the format as in '%Y-%m-%d %H:%M:%S'";
    DataFusionError::External(Box::new(SqlError::new(SqlErrorKind::Execution, message, help)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_of_postgresql_are_those_of_the_query_engine() {
        for (format, expected) in [
            ("YYYY-MM-DD", Ok("%Y-%m-%d")),
            ("yyyy-mm-dd hh24:mi:ss", Ok("%Y-%m-%d %H:%M:%S")),
            ("YYYY-MM-DD\"T\"HH24:MI:SS.MS\"Z\"", Ok("%Y-%m-%dT%H:%M:%S.%3fZ")),
            ("FMDD Mon YY, Day", Ok("%-d %b %y, %A")),
            ("HH12:MI AM", Ok("%I:%M %p")),
            ("IYYY-IW", Ok("%G-%V")),
            ("FMMonth", Ok("%B")),
            ("%Y-%m", Ok("%Y-%m")),
            ("é x", Ok("é x")),
            ("", Ok("")),
            ("YYYY Q", Err("Q")),
            ("MONTH", Err("MONTH")),
        ] {
            let expected = expected.map(str::to_owned).map_err(str::to_owned);
            assert_eq!(translated(format), expected, "{format}");
        }
    }
}
