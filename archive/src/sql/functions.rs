//! `sigma_match(rule, source, raw)`: a Sigma rule in a WHERE.
//!
//! In: a rule by id, title, file or text, and events as they came. Out: which of them it matches, by the same
//! engine that raises alerts. The lake knows no log source: [`SigmaMatcher`] comes from whoever does.

use std::collections::HashMap;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::{Arc, Mutex, PoisonError};

use arrow::array::{Array, ArrayRef, AsArray as _, BooleanArray, StringArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, FieldRef};
use datafusion::common::ScalarValue;
use datafusion::error::{DataFusionError, Result};
use datafusion::logical_expr::{
    ColumnarValue, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDFImpl, Signature, Volatility,
};

use super::error::{SqlError, SqlErrorKind};
use super::limits::MAX_COMPILED;

/// Compiles rules: given by whoever knows rules and log sources.
pub trait SigmaMatcher: fmt::Debug + Send + Sync {
    /// A rule by its id, its title, its file or its own text.
    ///
    /// # Errors
    /// Why there is none, or what is wrong with it.
    fn compile(&self, rule: &str) -> std::result::Result<Arc<dyn SigmaTest>, String>;
}

/// A rule that is compiled.
pub trait SigmaTest: Send + Sync {
    /// Which of a source's events it matches; one answer for each.
    ///
    /// # Errors
    /// Where events cannot be tested at all. One that cannot be read does not match.
    fn matches(&self, source: &str, raw: &[&str]) -> std::result::Result<Vec<bool>, String>;
}

/// The function's name.
const NAME: &str = "sigma_match";

/// The function.
pub(crate) struct SigmaMatch {
    matcher: Arc<dyn SigmaMatcher>,
    signature: Signature,
    compiled: Mutex<HashMap<String, Arc<dyn SigmaTest>>>,
}

impl SigmaMatch {
    pub fn new(matcher: Arc<dyn SigmaMatcher>) -> Self {
        Self { matcher, signature: Signature::string(3, Volatility::Stable), compiled: Mutex::default() }
    }

    /// A rule is compiled once for all batches of a query, and for the next query.
    fn compile(&self, rule: &str) -> Result<Arc<dyn SigmaTest>> {
        let mut compiled = self.compiled.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(test) = compiled.get(rule) {
            return Ok(Arc::clone(test));
        }
        let test = self.matcher.compile(rule).map_err(|cause| failed(SqlErrorKind::Plan, &cause))?;
        if compiled.len() >= MAX_COMPILED {
            compiled.clear();
        }
        compiled.insert(rule.to_owned(), Arc::clone(&test));
        Ok(test)
    }
}

fn failed(kind: SqlErrorKind, cause: &str) -> DataFusionError {
    let help = "write sigma_match('<id, name, title, file or text of a rule>', source, raw)";
    DataFusionError::External(Box::new(SqlError::new(kind, format!("{NAME}: {cause}"), help)))
}

impl fmt::Debug for SigmaMatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(NAME)
    }
}

// a session has one
impl PartialEq for SigmaMatch {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.matcher, &other.matcher)
    }
}

impl Eq for SigmaMatch {}

impl Hash for SigmaMatch {
    fn hash<H: Hasher>(&self, state: &mut H) {
        NAME.hash(state);
    }
}

impl ScalarUDFImpl for SigmaMatch {
    fn name(&self) -> &str {
        NAME
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::Boolean)
    }

    /// A rule that is written out is compiled while planning: what is wrong with it is said before a file is
    /// read.
    fn return_field_from_args(&self, args: ReturnFieldArgs<'_>) -> Result<FieldRef> {
        if let Some(Some(rule)) = args.scalar_arguments.first().map(|rule| rule.and_then(text_of)) {
            self.compile(rule)?;
        }
        Ok(Arc::new(Field::new(NAME, DataType::Boolean, true)))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let [rule, source, raw] = args.args.as_slice() else {
            return Err(failed(SqlErrorKind::Plan, "it takes three values"));
        };
        let ColumnarValue::Scalar(rule) = rule else {
            return Err(failed(SqlErrorKind::Plan, "the rule must be the same for all rows"));
        };
        let rows = args.number_rows;
        let Some(rule) = text_of(rule) else {
            return Ok(ColumnarValue::Array(Arc::new(BooleanArray::new_null(rows))));
        };
        let test = self.compile(rule)?;
        let (sources, raws) = (texts(source, rows)?, texts(raw, rows)?);
        let mut by_source: HashMap<&str, Vec<usize>> = HashMap::new();
        for row in (0..rows).filter(|&row| raws.is_valid(row) && sources.is_valid(row)) {
            by_source.entry(sources.value(row)).or_default().push(row);
        }
        let mut answers: Vec<Option<bool>> = vec![None; rows];
        for (source, rows) in by_source {
            let events: Vec<&str> = rows.iter().map(|&row| raws.value(row)).collect();
            let matches =
                test.matches(source, &events).map_err(|cause| failed(SqlErrorKind::Execution, &cause))?;
            for (row, matches) in rows.into_iter().zip(matches) {
                answers[row] = Some(matches);
            }
        }
        Ok(ColumnarValue::Array(Arc::new(BooleanArray::from(answers))))
    }
}

fn text_of(value: &ScalarValue) -> Option<&str> {
    match value {
        ScalarValue::Utf8(text) | ScalarValue::LargeUtf8(text) | ScalarValue::Utf8View(text) => {
            text.as_deref()
        }
        ScalarValue::Dictionary(_, inner) => text_of(inner),
        _ => None,
    }
}

fn texts(value: &ColumnarValue, rows: usize) -> Result<StringArray> {
    let array: ArrayRef = value.to_array(rows)?;
    Ok(cast(&array, &DataType::Utf8)?.as_string::<i32>().clone())
}
