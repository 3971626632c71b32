//! What PostgreSQL's clients ask of its catalog before they ask of the tables, beyond what the library answers.
//!
//! In: a session that is served. Out: functions such as `current_setting`, and an `information_schema` whose columns have
//! PostgreSQL's types. Nothing here has a size, a comment or a member: these are null.

use std::ops::ControlFlow;
use std::str::FromStr as _;
use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray as _, StringArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, Int64Type};
use async_trait::async_trait;
use datafusion::catalog::information_schema::{INFORMATION_SCHEMA, InformationSchemaProvider};
use datafusion::catalog::{SchemaProvider, TableProvider};
use datafusion::common::{Column, ScalarValue};
use datafusion::datasource::{ViewTable, provider_as_source};
use datafusion::error::{DataFusionError, Result};
use datafusion::logical_expr::{
    ColumnarValue, Expr, LogicalPlanBuilder, ScalarUDF, Signature, SimpleScalarUDF, TypeSignature,
    Volatility, create_udf,
};
use datafusion::prelude::SessionContext;
use datafusion::sql::sqlparser::ast::{
    Expr as SqlExpr, FunctionArguments, Statement, VisitMut as _, VisitorMut,
};
use datafusion::sql::sqlparser::dialect::PostgreSqlDialect;
use datafusion::sql::sqlparser::parser::Parser as SqlParser;
use datafusion_postgres::arrow_pg::datatypes::into_pg_type;
use datafusion_postgres::pgwire::api::Type;

use super::catalog_tables::{self, CatalogTables};
use super::error::{SqlError, SqlErrorKind};
use super::session::DATABASE;
use super::settings;
use super::spoken;

/// What `version()` says: drivers read PostgreSQL's number out of it, and do not connect where they find none.
fn version() -> String {
    let (_, number) = settings::known("server_version").unwrap_or_default();
    format!("PostgreSQL {number}, as Virga {} speaks it", env!("CARGO_PKG_VERSION"))
}

/// Functions that say nothing: how many values they take (where nothing stands, any number), and what they would give.
fn unsaid() -> Vec<(&'static str, &'static [usize], ScalarValue)> {
    let (text, size) = (ScalarValue::Utf8(None), ScalarValue::Int64(None));
    let yes = ScalarValue::Boolean(Some(true));
    let nothing = text.clone();
    vec![
        ("obj_description", &[1, 2], text.clone()),
        ("shobj_description", &[2], text.clone()),
        ("col_description", &[2], text.clone()),
        ("pg_get_function_result", &[1], text.clone()),
        ("pg_get_function_arguments", &[1], text.clone()),
        ("pg_get_viewdef", &[1, 2], text),
        ("pg_table_size", &[1], size.clone()),
        ("pg_database_size", &[1], size.clone()),
        // the number of a type that an extension would bring, which SQLAlchemy looks for when it connects
        ("to_regtype", &[1], size),
        ("pg_get_function_sqlbody", &[1], nothing.clone()),
        ("pg_get_functiondef", &[1], nothing.clone()),
        ("pg_get_indexdef", &[1, 3], nothing.clone()),
        ("pg_get_serial_sequence", &[2], nothing.clone()),
        ("pg_tablespace_location", &[1], nothing.clone()),
        ("json_build_object", &[], nothing.clone()),
        (spoken::NOTHING, &[], nothing.clone()),
        ("inet_server_addr", &[0], nothing.clone()),
        // it gives nothing back
        ("pg_advisory_unlock_all", &[0], nothing),
        ("pg_is_in_recovery", &[0], ScalarValue::Boolean(Some(false))),
        ("pg_postmaster_start_time", &[0], ScalarValue::TimestampMicrosecond(None, Some("UTC".into()))),
        ("generate_subscripts", &[2], ScalarValue::Int32(None)),
        ("pg_collation_is_visible", &[1], yes.clone()),
        ("pg_function_is_visible", &[1], yes.clone()),
        ("pg_type_is_visible", &[1], yes),
    ]
}

/// Adds what is missing to a session.
pub(super) fn complete(context: &SessionContext) -> Result<()> {
    for (name, counts, value) in unsaid() {
        let of = |count: &usize| match count {
            0 => TypeSignature::Nullary,
            count => TypeSignature::Any(*count),
        };
        let signature = match counts {
            [] => Signature::variadic_any(Volatility::Stable),
            counts => Signature::one_of(counts.iter().map(of).collect(), Volatility::Stable),
        };
        let kind = value.data_type();
        let says = Arc::new(move |_: &[ColumnarValue]| Ok(ColumnarValue::Scalar(value.clone())));
        let function = SimpleScalarUDF::new_with_signature(name, signature, kind, says);
        context.register_udf(ScalarUDF::new_from_impl(function));
    }
    let says = Arc::new(|_: &[ColumnarValue]| Ok(ColumnarValue::Scalar(ScalarValue::from(version()))));
    context.register_udf(create_udf("version", vec![], DataType::Utf8, Volatility::Stable, says));
    context.register_udf(current_setting());
    context.register_udf(pg_size_pretty());
    context.register_udf(set_config());
    context.register_udf(pg_expandarray());
    let state = context.state();
    let own = Arc::new(OwnTypes(InformationSchemaProvider::new(Arc::clone(state.catalog_list()))));
    if let Some(catalog) = context.catalog(DATABASE) {
        // the query engine's own would be found before it
        context.state_ref().write().config_mut().options_mut().catalog.information_schema = false;
        catalog.register_schema(INFORMATION_SCHEMA, own)?;
        if let Some(tables) = catalog.schema(catalog_tables::SCHEMA) {
            catalog.register_schema(catalog_tables::SCHEMA, Arc::new(CatalogTables(tables)))?;
        }
    }
    Ok(())
}

fn current_setting() -> ScalarUDF {
    let signature = Signature::one_of(
        vec![
            TypeSignature::Exact(vec![DataType::Utf8]),
            TypeSignature::Exact(vec![DataType::Utf8, DataType::Boolean]),
        ],
        Volatility::Stable,
    );
    let says = Arc::new(|values: &[ColumnarValue]| {
        let (name, may_miss) = match values {
            [ColumnarValue::Scalar(ScalarValue::Utf8(Some(name)))] => (name, false),
            [
                ColumnarValue::Scalar(ScalarValue::Utf8(Some(name))),
                ColumnarValue::Scalar(ScalarValue::Boolean(missing)),
            ] => (name, missing.unwrap_or(false)),
            _ => return Ok(ColumnarValue::Scalar(ScalarValue::Utf8(None))),
        };
        let known = settings::known(name);
        if known.is_none() && !may_miss {
            let message = format!("there is no setting `{name}`");
            let error = SqlError::new(SqlErrorKind::Plan, message, "");
            return Err(DataFusionError::External(Box::new(error)));
        }
        Ok(ColumnarValue::Scalar(ScalarValue::Utf8(known.map(|(_, value)| value.to_owned()))))
    });
    let function = SimpleScalarUDF::new_with_signature("current_setting", signature, DataType::Utf8, says);
    ScalarUDF::new_from_impl(function)
}

/// Sets what a SET would set without an effect, and gives it back: drivers switch off what plans their questions of the
/// catalog would suffer from.
fn set_config() -> ScalarUDF {
    let kinds = vec![DataType::Utf8, DataType::Utf8, DataType::Boolean];
    let says = Arc::new(|values: &[ColumnarValue]| {
        let text = |value: &ColumnarValue| match value {
            ColumnarValue::Scalar(value) => value.try_as_str().flatten().map(str::to_owned),
            ColumnarValue::Array(_) => None,
        };
        let (name, value) = match values {
            [name, value, _] => (text(name).unwrap_or_default(), text(value).unwrap_or_default()),
            _ => Default::default(),
        };
        match settings::kind(&name, &value) {
            Some(_) => Ok(ColumnarValue::Scalar(ScalarValue::from(value))),
            None => {
                Err(DataFusionError::External(Box::new(SqlError::refused(&format!("set_config({name})")))))
            }
        }
    });
    create_udf("set_config", kinds, DataType::Utf8, Volatility::Volatile, says)
}

/// The elements of a list with their numbers, of which JDBC asks for the columns of keys: there are none.
fn pg_expandarray() -> ScalarUDF {
    let fields = vec![Field::new("x", DataType::Int16, true), Field::new("n", DataType::Int32, true)];
    let kind = DataType::Struct(fields.into());
    let null = ScalarValue::try_from(&kind).unwrap_or(ScalarValue::Null);
    let says = Arc::new(move |_: &[ColumnarValue]| Ok(ColumnarValue::Scalar(null.clone())));
    let signature = Signature::any(1, Volatility::Stable);
    ScalarUDF::new_from_impl(SimpleScalarUDF::new_with_signature("_pg_expandarray", signature, kind, says))
}

fn pg_size_pretty() -> ScalarUDF {
    let shown = |bytes: i64| {
        let units = ["bytes", "kB", "MB", "GB", "TB"];
        let (mut size, mut unit) = (bytes, 0);
        // PostgreSQL's: the next unit from ten thousand on
        while size.unsigned_abs() >= 10_240 && unit + 1 < units.len() {
            (size, unit) = (size >> 10, unit + 1);
        }
        format!("{size} {}", units[unit])
    };
    of_each("pg_size_pretty", DataType::Int64, move |sizes| {
        let sizes = sizes.as_primitive::<Int64Type>();
        Arc::new(sizes.iter().map(|size| size.map(shown)).collect::<StringArray>())
    })
}

/// A function from one value to a text.
fn of_each(
    name: &str,
    takes: DataType,
    texts: impl Fn(&ArrayRef) -> ArrayRef + Send + Sync + 'static,
) -> ScalarUDF {
    let each = Arc::new(move |values: &[ColumnarValue]| match values {
        [ColumnarValue::Array(values)] => Ok(ColumnarValue::Array(texts(values))),
        [ColumnarValue::Scalar(value)] => {
            let text = ScalarValue::try_from_array(&texts(&value.to_array()?), 0)?;
            Ok(ColumnarValue::Scalar(text))
        }
        _ => Err(DataFusionError::Internal("it takes one value".into())),
    });
    create_udf(name, vec![takes], DataType::Utf8, Volatility::Immutable, each)
}

/// The query engine's `information_schema`, with the names that PostgreSQL has for types.
#[derive(Debug)]
struct OwnTypes(InformationSchemaProvider);

#[async_trait]
impl SchemaProvider for OwnTypes {
    fn table_names(&self) -> Vec<String> {
        self.0.table_names()
    }

    async fn table(&self, name: &str) -> Result<Option<Arc<dyn TableProvider>>> {
        let table = self.0.table(name).await?;
        let Some(table) = table.filter(|_| name.eq_ignore_ascii_case("columns")) else {
            return self.0.table(name).await;
        };
        let schema = table.schema();
        let columns = schema.fields().iter().map(|field| {
            let column = Expr::Column(Column::new(Some("columns"), field.name()));
            match field.name().as_str() {
                "data_type" => type_name().call(vec![column]).alias("data_type"),
                _ => column,
            }
        });
        let plan = LogicalPlanBuilder::scan("columns", provider_as_source(Arc::clone(&table)), None)?;
        Ok(Some(Arc::new(ViewTable::new(plan.project(columns)?.build()?, None))))
    }

    fn table_exist(&self, name: &str) -> bool {
        self.0.table_exist(name)
    }
}

fn type_name() -> ScalarUDF {
    of_each("shown_type", DataType::Utf8, |shown| match cast(shown, &DataType::Utf8) {
        Ok(texts) => {
            let texts = texts.as_string::<i32>();
            Arc::new(texts.iter().map(|text| text.map(postgres_name)).collect::<StringArray>())
        }
        Err(_) => Arc::clone(shown),
    })
}

/// A type of the query engine, as PostgreSQL's `information_schema` calls it.
fn postgres_name(shown: &str) -> String {
    let kind = DataType::from_str(shown).ok();
    if matches!(kind, Some(DataType::List(_) | DataType::LargeList(_) | DataType::FixedSizeList(..))) {
        return "ARRAY".to_owned();
    }
    let known = kind.and_then(|kind| into_pg_type(&kind).ok()).and_then(|kind| match kind {
        Type::TEXT | Type::VARCHAR => Some("text"),
        Type::BOOL => Some("boolean"),
        Type::INT2 => Some("smallint"),
        Type::INT4 => Some("integer"),
        Type::INT8 => Some("bigint"),
        Type::FLOAT4 => Some("real"),
        Type::FLOAT8 => Some("double precision"),
        Type::NUMERIC => Some("numeric"),
        Type::DATE => Some("date"),
        Type::TIME => Some("time without time zone"),
        Type::TIMESTAMP => Some("timestamp without time zone"),
        Type::TIMESTAMPTZ => Some("timestamp with time zone"),
        Type::INTERVAL => Some("interval"),
        Type::BYTEA => Some("bytea"),
        _ => None,
    });
    known.map_or_else(|| shown.to_owned(), str::to_owned)
}

/// What clients collect from PostgreSQL's catalog into arrays: members of roles, options of tables, rights, conditions.
const COLLECTED: &[&str] = &["attacl", "pg_auth_members", "pg_constraint", "pg_policy", "reloptions"];

fn is_of_catalog(query: &str) -> bool {
    COLLECTED.iter().any(|name| query.contains(name))
}

/// `ARRAY(SELECT …)` of the catalog, which the query engine does not know, becomes null: there is none of it here.
pub(super) fn without_arrays(statement: &mut Statement) {
    let _ = statement.visit(&mut Arrays);
}

struct Arrays;

impl VisitorMut for Arrays {
    type Break = ();

    fn pre_visit_expr(&mut self, expr: &mut SqlExpr) -> ControlFlow<()> {
        let is_nothing = match &*expr {
            SqlExpr::Function(function) => match &function.args {
                FunctionArguments::Subquery(query) => {
                    function.name.to_string().eq_ignore_ascii_case("array")
                        && is_of_catalog(&query.to_string())
                }
                _ => false,
            },
            _ => false,
        };
        let nothing = || {
            let mut parser =
                SqlParser::new(&PostgreSqlDialect {}).try_with_sql("CAST(NULL AS TEXT[])").ok()?;
            parser.parse_expr().ok()
        };
        if is_nothing && let Some(nothing) = nothing() {
            *expr = nothing;
        }
        ControlFlow::Continue(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_arrays_of_the_catalog_become_null() {
        for (sql, is_of_catalog) in [
            (
                "SELECT c.reloptions || array(select 'toast.' || x from pg_catalog.unnest(tc.reloptions) x)",
                true,
            ),
            ("SELECT ARRAY(SELECT b.rolname FROM pg_catalog.pg_auth_members m) AS memberof", true),
            ("SELECT ARRAY(SELECT principal FROM events)", false),
            ("SELECT ARRAY[1, 2]", false),
        ] {
            let mut statement = SqlParser::parse_sql(&PostgreSqlDialect {}, sql).unwrap().remove(0);
            without_arrays(&mut statement);
            assert_eq!(statement.to_string().contains("NULL"), is_of_catalog, "{sql}: {statement}");
        }
    }

    #[test]
    fn types_are_called_what_postgresql_calls_them() {
        for (shown, name) in [
            ("Utf8", "text"),
            ("Utf8View", "text"),
            ("Dictionary(UInt16, Utf8)", "text"),
            ("Boolean", "boolean"),
            ("Int64", "bigint"),
            ("Int32", "integer"),
            ("Float64", "double precision"),
            ("Date32", "date"),
            ("Timestamp(µs, \"UTC\")", "timestamp with time zone"),
            ("Timestamp(ns)", "timestamp without time zone"),
            ("List(Utf8)", "ARRAY"),
            ("something else", "something else"),
        ] {
            assert_eq!(postgres_name(shown), name, "{shown}");
        }
    }
}
