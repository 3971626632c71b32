//! Functions whose result may be far larger than what they are given: it fits, or the query fails.
//!
//! In: a plan. Out: the same, in which each call of such a function (`replace`, `regexp_replace`, `concat`, `||`, …) first adds
//! up what it may give. Only operators account for their memory: what a function gives is there before anybody is asked, and
//! a process that gets no memory ends. One letter of a text may become a text (`replace(raw, 'e', raw)`), and what is doubled
//! thirty times is a billion times as large, also while a plan is made.
//!
//! What may be too large is made of few rows at a time: so what is added up is what there is, and not what there might be.

use std::hash::{Hash, Hasher};
use std::sync::Arc;

use arrow::array::{Array as _, ArrayRef, AsArray as _, RecordBatch};
use arrow::compute::concat;
use arrow::datatypes::{DataType, Field, FieldRef, Schema};
use datafusion::common::ScalarValue;
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TreeNode as _};
use datafusion::error::{DataFusionError, Result};
use datafusion::logical_expr::expr::ScalarFunction;
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::utils::merge_schema;
use datafusion::logical_expr::{
    BinaryExpr, ColumnarValue, Expr, ExprSchemable as _, LogicalPlan, Operator, ReturnFieldArgs,
    ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};
use datafusion::optimizer::AnalyzerRule;
use datafusion::physical_expr::PhysicalExpr as _;
use datafusion::physical_expr::expressions::{BinaryExpr as Joining, Column};

/// The last of the rules by which a plan is read.
#[derive(Debug)]
pub(super) struct Sizes {
    /// Bytes that one call may give.
    pub most: usize,
}

impl AnalyzerRule for Sizes {
    fn analyze(&self, plan: LogicalPlan, _: &ConfigOptions) -> Result<LogicalPlan> {
        let sized = plan.transform_down_with_subqueries(|plan| {
            let schema = merge_schema(&plan.inputs());
            // what an expression is called is the name of a column, by which the steps above it ask for it
            let names = NamePreserver::new(&plan);
            plan.map_expressions(|expression| {
                let name = names.save(&expression);
                let sized = expression.transform_up(|part| {
                    let kind = match &part {
                        Expr::BinaryExpr(BinaryExpr { op: Operator::StringConcat, .. }) => {
                            Some(part.get_type(&schema)?)
                        }
                        _ => None,
                    };
                    Ok(self.sized(part, kind))
                })?;
                Ok(sized.update_data(|expression| name.restore(expression)))
            })
        });
        Ok(sized?.data)
    }

    fn name(&self) -> &'static str {
        "sizes"
    }
}

impl Sizes {
    /// A call that is watched; `kind` is what `||` gives.
    fn sized(&self, part: Expr, kind: Option<DataType>) -> Transformed<Expr> {
        let (function, growth, args) = match (part, kind) {
            (Expr::BinaryExpr(BinaryExpr { left, right, .. }), Some(kind)) => {
                let joined = ScalarUDF::new_from_impl(Joined::new(kind));
                (Arc::new(joined), Growth::Sum, vec![*left, *right])
            }
            (Expr::ScalarFunction(ScalarFunction { func, args }), _) => {
                match Growth::of(func.name(), &args) {
                    Some(growth) if !func.inner().is::<Sized>() => (func, growth, args),
                    _ => return Transformed::no(Expr::ScalarFunction(ScalarFunction { func, args })),
                }
            }
            (other, _) => return Transformed::no(other),
        };
        let func = Arc::new(ScalarUDF::new_from_impl(Sized { function, growth, most: self.most }));
        Transformed::yes(Expr::ScalarFunction(ScalarFunction { func, args }))
    }
}

/// How much a function gives of what it is given.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Growth {
    /// As much as all its values together.
    Sum,
    /// A text for each place of another.
    Replaced,
    /// A text for each match of a pattern, in which parts of the match may stand.
    Matched,
    /// A text between the elements of a list.
    Between,
}

impl Growth {
    fn of(name: &str, args: &[Expr]) -> Option<Self> {
        Some(match name {
            "concat" | "concat_ws" | "overlay" | "array_concat" | "array_append" | "array_prepend" => {
                Self::Sum
            }
            // a list that is written out becomes a set in which values are looked for
            "make_array" if !args.iter().all(|arg| matches!(arg, Expr::Literal(..))) => Self::Sum,
            "replace" => Self::Replaced,
            "regexp_replace" => Self::Matched,
            "array_to_string" => Self::Between,
            _ => return None,
        })
    }

    /// Bytes that some rows give at most.
    fn most(self, args: &[ColumnarValue], rows: usize) -> usize {
        let sizes: Vec<Sizing> = args.iter().map(|arg| Sizing::of(arg, rows)).collect();
        let sum = sizes.iter().fold(0_usize, |sum, size| sum.saturating_add(size.all));
        let [whole, by @ ..] = sizes.as_slice() else { return sum };
        let places = whole.all.saturating_add(rows);
        match (self, by) {
            (Self::Replaced, [from, to, ..]) => {
                let places = (whole.all / from.least.max(1)).saturating_add(rows);
                whole.all.saturating_add(places.saturating_mul(to.largest.saturating_sub(from.least)))
            }
            (Self::Matched, [_, to, ..]) => {
                // all that the groups of all matches hold together is no more than the text
                let parts = whole.all.saturating_mul(to.groups);
                whole.all.saturating_add(parts).saturating_add(places.saturating_mul(to.largest))
            }
            (Self::Between, [between, ..]) => sum.saturating_add(places.saturating_mul(between.largest)),
            _ => sum,
        }
    }

    /// Bytes that one row gives, where that can be told without making it.
    fn exact(self, args: &[ColumnarValue]) -> Option<usize> {
        let (Self::Replaced, [whole, from, to]) = (self, args) else { return None };
        let texts =
            [whole, from, to].map(|value| ScalarValue::try_from_array(&value.to_array(1).ok()?, 0).ok());
        let [Some(whole), Some(from), Some(to)] = texts else { return None };
        let [whole, from, to] = [&whole, &from, &to].map(|value| value.try_as_str().flatten().unwrap_or(""));
        let places = whole.matches(from).count();
        Some(whole.len().saturating_add(places.saturating_mul(to.len().saturating_sub(from.len()))))
    }
}

/// How large values are, in bytes.
#[derive(Debug, Clone, Copy, Default)]
struct Sizing {
    all: usize,
    least: usize,
    largest: usize,
    /// Of a text that stands for matches: groups that it names.
    groups: usize,
}

impl Sizing {
    fn of(value: &ColumnarValue, rows: usize) -> Self {
        match value {
            ColumnarValue::Scalar(value) => {
                let text = value.try_as_str().flatten();
                let size = match text {
                    Some(text) => text.len(),
                    None if value.is_null() => 0,
                    None => value.size(),
                };
                let groups = text.map_or(0, groups);
                Self { all: size.saturating_mul(rows), least: size, largest: size, groups }
            }
            ColumnarValue::Array(values) => match values.data_type() {
                DataType::Utf8 => Self::of_texts(values.as_string::<i32>().iter()),
                DataType::LargeUtf8 => Self::of_texts(values.as_string::<i64>().iter()),
                DataType::Utf8View => Self::of_texts(values.as_string_view().iter()),
                _ => {
                    // of a slice, what the slice holds
                    let all = values.to_data().get_slice_memory_size();
                    let all = all.unwrap_or_else(|_| values.get_array_memory_size());
                    Self { all, least: 0, largest: all, groups: 0 }
                }
            },
        }
    }

    fn of_texts<'t>(texts: impl Iterator<Item = Option<&'t str>>) -> Self {
        let mut sizing = Self { least: usize::MAX, ..Self::default() };
        for text in texts.flatten() {
            sizing.all = sizing.all.saturating_add(text.len());
            sizing.least = sizing.least.min(text.len());
            sizing.largest = sizing.largest.max(text.len());
            sizing.groups = sizing.groups.max(groups(text));
        }
        if sizing.least == usize::MAX {
            sizing.least = 0;
        }
        sizing
    }
}

/// Groups of a match that a text may name: `\1`, `$1`.
fn groups(text: &str) -> usize {
    text.bytes().filter(|byte| matches!(byte, b'\\' | b'$')).count()
}

/// A function that gives what fits.
#[derive(Debug, Clone)]
struct Sized {
    function: Arc<ScalarUDF>,
    growth: Growth,
    most: usize,
}

impl PartialEq for Sized {
    fn eq(&self, other: &Self) -> bool {
        (&self.function, self.growth, self.most) == (&other.function, other.growth, other.most)
    }
}

impl Eq for Sized {}

impl Hash for Sized {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.function.hash(state);
    }
}

impl Sized {
    /// Made at once where all of it fits by far, else of half of the rows at a time.
    fn made(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let is_one = args.args.iter().all(|arg| matches!(arg, ColumnarValue::Scalar(_)));
        let rows = if is_one { 1 } else { args.number_rows };
        let most = self.growth.most(&args.args, rows);
        if most <= self.most / 4 {
            return self.function.invoke_with_args(args);
        }
        if rows <= 1 {
            let exact = || self.growth.exact(&args.args).unwrap_or(most);
            return match most <= self.most || exact() <= self.most {
                true => self.function.invoke_with_args(args),
                false => Err(self.too_much()),
            };
        }
        let (first, second) = halves(args, rows);
        let first = self.made(first)?.into_array(rows / 2)?;
        let second = self.made(second)?.into_array(rows - rows / 2)?;
        let all = first.get_array_memory_size().saturating_add(second.get_array_memory_size());
        match all <= self.most {
            true => Ok(ColumnarValue::Array(concat(&[first.as_ref(), second.as_ref()])?)),
            false => Err(self.too_much()),
        }
    }

    fn too_much(&self) -> DataFusionError {
        DataFusionError::ResourcesExhausted(format!("`{}` makes more of its values", self.function.name()))
    }
}

fn halves(args: ScalarFunctionArgs, rows: usize) -> (ScalarFunctionArgs, ScalarFunctionArgs) {
    let part = |from: usize, length: usize| ScalarFunctionArgs {
        args: args
            .args
            .iter()
            .map(|arg| match arg {
                ColumnarValue::Array(values) => ColumnarValue::Array(values.slice(from, length)),
                ColumnarValue::Scalar(value) => ColumnarValue::Scalar(value.clone()),
            })
            .collect(),
        arg_fields: args.arg_fields.clone(),
        number_rows: length,
        return_field: Arc::clone(&args.return_field),
        config_options: Arc::clone(&args.config_options),
    };
    (part(0, rows / 2), part(rows / 2, rows - rows / 2))
}

impl ScalarUDFImpl for Sized {
    fn name(&self) -> &str {
        self.function.name()
    }

    fn signature(&self) -> &Signature {
        self.function.signature()
    }

    fn return_type(&self, kinds: &[DataType]) -> Result<DataType> {
        self.function.return_type(kinds)
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs<'_>) -> Result<FieldRef> {
        self.function.return_field_from_args(args)
    }

    fn coerce_types(&self, kinds: &[DataType]) -> Result<Vec<DataType>> {
        self.function.coerce_types(kinds)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        self.made(args)
    }
}

/// `||` between texts, as a function.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Joined {
    kind: DataType,
    signature: Signature,
}

impl Joined {
    fn new(kind: DataType) -> Self {
        Self { kind, signature: Signature::any(2, Volatility::Immutable) }
    }
}

impl ScalarUDFImpl for Joined {
    fn name(&self) -> &'static str {
        "||"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(self.kind.clone())
    }

    /// The query engine's own operator, on two columns.
    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let is_one = args.args.iter().all(|arg| matches!(arg, ColumnarValue::Scalar(_)));
        let rows = if is_one { 1 } else { args.number_rows };
        let columns = args.args.iter().map(|arg| arg.to_array(rows)).collect::<Result<Vec<ArrayRef>>>()?;
        let fields = columns.iter().map(|column| Field::new("text", column.data_type().clone(), true));
        let schema = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
        let batch = RecordBatch::try_new(schema, columns)?;
        let side = |at: usize| Arc::new(Column::new("text", at));
        let joined = Joining::new(side(0), Operator::StringConcat, side(1)).evaluate(&batch)?;
        match is_one {
            true => {
                let value = ScalarValue::try_from_array(&joined.into_array(1)?, 0)?;
                Ok(ColumnarValue::Scalar(value))
            }
            false => Ok(joined),
        }
    }
}

#[cfg(test)]
mod tests {
    use arrow::array::StringArray;

    use super::*;

    fn text(text: &str) -> ColumnarValue {
        ColumnarValue::Scalar(ScalarValue::from(text))
    }

    fn column(texts: &[&str]) -> ColumnarValue {
        ColumnarValue::Array(Arc::new(StringArray::from(texts.to_vec())))
    }

    #[test]
    fn what_a_call_gives_is_never_more_than_was_expected() {
        let column = column(&["", "aaaa", "banana"]);
        for (growth, args, given) in [
            (Growth::Sum, vec![column.clone(), text("xyz")], 10 + 3 * 3),
            (Growth::Replaced, vec![column.clone(), text("a"), text("xyz")], 10 + 7 * 2),
            (Growth::Replaced, vec![column.clone(), text("a"), text("")], 3),
            (Growth::Matched, vec![column.clone(), text("(a)"), text("<\\1>"), text("g")], 10 + 7 * 2),
            (Growth::Matched, vec![column.clone(), text("(.*)"), text("\\1\\1"), text("g")], 20),
        ] {
            let most = growth.most(&args, 3);
            assert!((given..200).contains(&most), "{growth:?}: {given}, {most}");
        }
        let one = [text("banana"), text("a"), text("xyz")];
        assert_eq!(Growth::Replaced.exact(&one), Some(12));
        assert_eq!(Growth::Matched.exact(&one), None);
    }
}
