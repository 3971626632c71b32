//! Parameters of prepared statements whose types the query engine does not find out by itself.
//!
//! In: the types that a client declares for `$1`, `$2`, and their values. Out: statements and values that the query engine
//! takes. A type of arithmetic is written into the statement (`$1 - $2` becomes `CAST($1 AS TIMESTAMPTZ) - CAST($2 AS
//! INTERVAL)`): from its surroundings alone a span of time would be guessed to be a moment. Ids and addresses are texts in an
//! archive, so they become texts. Where the surroundings say nothing, as the name of a field in JSON or a column of its own
//! does, what is not declared is a text, and behind LIMIT and OFFSET a number. What is left when a statement is planned has
//! the type that is declared, or is a text; of a list in which something is looked for, the elements are of the type of what
//! is looked for (`source = ANY ($1)`).

use std::collections::HashMap;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::ops::ControlFlow;
use std::sync::Arc;

use arrow::datatypes::{DataType, Field, IntervalUnit, TimeUnit};
use async_trait::async_trait;
use bytes::{BufMut as _, Bytes, BytesMut};
use datafusion::common::DFSchema;
use datafusion::common::tree_node::{Transformed, TreeNode as _, TreeNodeRecursion};
use datafusion::error::Result;
use datafusion::logical_expr::utils::merge_schema;
use datafusion::logical_expr::{Expr as PlanExpr, ExprSchemable as _, LogicalPlan};
use datafusion::sql::sqlparser::ast::{
    BinaryOperator, Expr, FunctionArg, FunctionArgExpr, FunctionArguments, LimitClause, Query, Select,
    SelectItem, Statement, Value, VisitMut as _, VisitorMut,
};
use datafusion::sql::sqlparser::dialect::PostgreSqlDialect;
use datafusion::sql::sqlparser::parser::Parser as SqlParser;
use datafusion_postgres::Parser;
use datafusion_postgres::pgwire::api::portal::{Format, Portal};
use datafusion_postgres::pgwire::api::results::{FieldFormat, FieldInfo};
use datafusion_postgres::pgwire::api::stmt::{QueryParser, StoredStatement};
use datafusion_postgres::pgwire::api::{ClientInfo, Type};
use datafusion_postgres::pgwire::error::{ErrorInfo, PgWireError, PgWireResult};

use super::running::Statements;

/// The types that a client declares for the parameters of the statement at hand.
#[derive(Debug)]
pub(super) struct Declared(Vec<Option<Type>>);

/// The protocol's own parser; whoever plans for it finds what is declared with the client.
pub(super) struct Declaring(pub Arc<Parser>, pub Statements);

#[async_trait]
impl QueryParser for Declaring {
    type Statement = <Parser as QueryParser>::Statement;

    async fn parse_sql<C>(
        &self,
        client: &C,
        sql: &str,
        types: &[Option<Type>],
    ) -> PgWireResult<Option<Self::Statement>>
    where
        C: ClientInfo + Unpin + Send + Sync,
    {
        client.session_extensions().insert(Declared(types.to_vec()));
        let end = self.1.end(client);
        let prepared = self.1.before(&end, self.1.prepare(sql, client)).await?;
        Ok(prepared.map(|(statement, plan)| (statement.to_string(), Some((statement, plan)))))
    }

    fn get_parameter_types(&self, statement: &Self::Statement) -> PgWireResult<Vec<Type>> {
        self.0.get_parameter_types(statement)
    }

    fn get_result_schema(
        &self,
        statement: &Self::Statement,
        format: Option<&Format>,
    ) -> PgWireResult<Vec<FieldInfo>> {
        self.0.get_result_schema(statement, format)
    }
}

/// Writes types into a statement, where it calculates with parameters, and where nothing says of what type they are.
pub(super) fn write_types(statement: &mut Statement, declared: &Declared) {
    let _ = statement.visit(&mut Writer(declared));
}

struct Writer<'d>(&'d Declared);

impl VisitorMut for Writer<'_> {
    type Break = ();

    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        use BinaryOperator::{Divide, Eq, Gt, GtEq, Lt, LtEq, Minus, Modulo, Multiply, NotEq, Plus};
        match expr {
            Expr::BinaryOp { op: BinaryOperator::Arrow | BinaryOperator::LongArrow, right, .. } => {
                replace(right, self.0.of_path(right));
            }
            Expr::BinaryOp { left, op, right } => {
                let calculates = matches!(op, Plus | Minus | Multiply | Divide | Modulo);
                let compares = matches!(op, Eq | NotEq | Lt | LtEq | Gt | GtEq);
                for side in [left, right] {
                    // compared with a whole number, a fraction would be taken for one
                    let cast = if calculates || compares { self.0.cast(side, compares) } else { None };
                    replace(side, cast);
                }
            }
            // it is cast from the type that it has, and not said to be of the one that it is cast to
            Expr::Cast { expr, .. } => replace(expr, self.0.cast(expr, false)),
            Expr::Function(function) if is_of_json(&function.name.to_string()) => {
                let FunctionArguments::List(given) = &mut function.args else {
                    return ControlFlow::Continue(());
                };
                for argument in given.args.iter_mut().skip(1) {
                    if let FunctionArg::Unnamed(FunctionArgExpr::Expr(step)) = argument {
                        replace(step, self.0.of_path(step));
                    }
                }
            }
            _ => {}
        }
        ControlFlow::Continue(())
    }

    fn post_visit_select(&mut self, select: &mut Select) -> ControlFlow<()> {
        for item in &mut select.projection {
            if let SelectItem::UnnamedExpr(value) | SelectItem::ExprWithAlias { expr: value, .. } = item {
                replace(value, self.0.undeclared(value, "TEXT"));
            }
        }
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, query: &mut Query) -> ControlFlow<()> {
        if let Some(LimitClause::LimitOffset { limit, offset, .. }) = &mut query.limit_clause {
            let offset = offset.as_mut().map(|offset| &mut offset.value);
            for number in limit.iter_mut().chain(offset) {
                replace(number, self.0.undeclared(number, "BIGINT"));
            }
        }
        ControlFlow::Continue(())
    }
}

/// Gives a type to each parameter of a plan that has none.
pub(super) fn with_types(plan: LogicalPlan, declared: &Declared) -> Result<LogicalPlan> {
    if plan.get_parameter_types()?.values().all(Option::is_some) {
        return Ok(plan);
    }
    let mut lists = HashMap::new();
    plan.apply_with_subqueries(|plan| {
        let schema = merge_schema(&plan.inputs());
        for expression in plan.expressions() {
            expression.apply(|part| {
                lists.extend(looked_into(part, &schema));
                Ok(TreeNodeRecursion::Continue)
            })?;
        }
        Ok(TreeNodeRecursion::Continue)
    })?;
    let typed = plan.transform_up_with_subqueries(|plan| {
        let typed = plan.map_expressions(|expression| {
            expression.transform_down(|part| Ok(Transformed::yes(typed_part(part, &lists, declared))))
        })?;
        typed.map_data(LogicalPlan::recompute_schema)
    });
    Ok(typed?.data)
}

/// A parameter that is a list in which something is looked for, and its type.
fn looked_into(part: &PlanExpr, schema: &DFSchema) -> Option<(String, DataType)> {
    let PlanExpr::ScalarFunction(function) = part else { return None };
    let [PlanExpr::Placeholder(list), element] = function.args.as_slice() else { return None };
    if function.name() != "array_has" {
        return None;
    }
    let kind = match element.get_type(schema).ok()? {
        DataType::Dictionary(_, values) => *values,
        DataType::Utf8View | DataType::Null => DataType::Utf8,
        kind => kind,
    };
    Some((list.id.clone(), DataType::new_list(kind, true)))
}

fn typed_part(mut part: PlanExpr, lists: &HashMap<String, DataType>, declared: &Declared) -> PlanExpr {
    match &mut part {
        PlanExpr::Cast(cast) => {
            let kind = cast.field.data_type().clone();
            give_type(&mut cast.expr, lists, declared, kind);
        }
        other => give_type(other, lists, declared, DataType::Utf8),
    }
    part
}

fn give_type(
    expr: &mut PlanExpr,
    lists: &HashMap<String, DataType>,
    declared: &Declared,
    otherwise: DataType,
) {
    if let PlanExpr::Placeholder(parameter) = expr
        && parameter.field.is_none()
    {
        let list = || lists.get(&parameter.id).cloned();
        let kind = declared.values(&parameter.id).or_else(list).unwrap_or(otherwise);
        parameter.field = Some(Arc::new(Field::new(&parameter.id, kind, true)));
    }
}

fn replace(expr: &mut Expr, by: Option<Expr>) {
    if let Some(by) = by {
        *expr = by;
    }
}

/// Whether a function takes steps into JSON behind its first value.
fn is_of_json(name: &str) -> bool {
    name.get(..5).is_some_and(|start| start.eq_ignore_ascii_case("json_"))
}

/// A parameter of a type.
fn typed(name: &str, kind: &str) -> Option<Expr> {
    let sql = format!("CAST({name} AS {kind})");
    SqlParser::new(&PostgreSqlDialect {}).try_with_sql(&sql).ok()?.parse_expr().ok()
}

impl Declared {
    /// The type of values that is declared for a parameter, where one is that a plan can have.
    fn values(&self, name: &str) -> Option<DataType> {
        let at = name.strip_prefix('$')?.parse::<usize>().ok()?.checked_sub(1)?;
        let list = |kind: DataType| DataType::new_list(kind, true);
        Some(match *self.0.get(at)?.as_ref()? {
            Type::BOOL => DataType::Boolean,
            // functions take whole numbers of one size
            Type::INT2 | Type::INT4 | Type::INT8 => DataType::Int64,
            Type::FLOAT4 => DataType::Float32,
            Type::FLOAT8 | Type::NUMERIC => DataType::Float64,
            Type::DATE => DataType::Date32,
            Type::TIME => DataType::Time64(TimeUnit::Microsecond),
            Type::TIMESTAMP => DataType::Timestamp(TimeUnit::Microsecond, None),
            Type::TIMESTAMPTZ => DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
            Type::INTERVAL => DataType::Interval(IntervalUnit::MonthDayNano),
            Type::BYTEA => DataType::Binary,
            Type::BOOL_ARRAY => list(DataType::Boolean),
            Type::INT2_ARRAY => list(DataType::Int16),
            Type::INT4_ARRAY => list(DataType::Int32),
            Type::INT8_ARRAY => list(DataType::Int64),
            Type::FLOAT4_ARRAY => list(DataType::Float32),
            Type::FLOAT8_ARRAY => list(DataType::Float64),
            Type::TEXT_ARRAY
            | Type::VARCHAR_ARRAY
            | Type::UUID_ARRAY
            | Type::INET_ARRAY
            | Type::CIDR_ARRAY => list(DataType::Utf8),
            _ => return None,
        })
    }

    /// A parameter's name, and the type that is declared for it.
    fn parameter<'e>(&self, expr: &'e Expr) -> Option<(&'e str, Option<&Type>)> {
        let Expr::Value(value) = expr else { return None };
        let Value::Placeholder(name) = &value.value else { return None };
        let at = name.strip_prefix('$')?.parse::<usize>().ok()?.checked_sub(1)?;
        let kind = self.0.get(at).and_then(Option::as_ref);
        Some((name, kind.filter(|kind| **kind != Type::UNKNOWN)))
    }

    /// A parameter as a value of a type, where none is declared for it.
    fn undeclared(&self, expr: &Expr, kind: &str) -> Option<Expr> {
        match self.parameter(expr)? {
            (name, None) => typed(name, kind),
            _ => None,
        }
    }

    /// A parameter as a step into JSON: the name of a field, or a place in a list.
    fn of_path(&self, expr: &Expr) -> Option<Expr> {
        match self.parameter(expr)? {
            (name, Some(&(Type::INT2 | Type::INT4 | Type::INT8))) => typed(name, "BIGINT"),
            (name, _) => typed(name, "TEXT"),
        }
    }

    /// A parameter as a value of its type; or only where that is one of numbers with fractions.
    fn cast(&self, expr: &Expr, fractions: bool) -> Option<Expr> {
        let (name, kind) = self.parameter(expr)?;
        let named = match *kind? {
            Type::INTERVAL => "INTERVAL",
            Type::TIMESTAMPTZ => "TIMESTAMPTZ",
            Type::TIMESTAMP => "TIMESTAMP",
            Type::DATE => "DATE",
            Type::INT2 => "SMALLINT",
            Type::INT4 => "INT",
            Type::INT8 => "BIGINT",
            Type::FLOAT4 => "REAL",
            Type::FLOAT8 | Type::NUMERIC => "DOUBLE PRECISION",
            Type::BOOL => "BOOLEAN",
            _ => return None,
        };
        if fractions && !matches!(named, "REAL" | "DOUBLE PRECISION") {
            return None;
        }
        typed(name, named)
    }
}

/// The type as which a value is given on.
fn as_text(kind: &Type) -> Option<Type> {
    match *kind {
        Type::UUID | Type::INET | Type::CIDR | Type::JSON | Type::JSONB => Some(Type::TEXT),
        Type::UUID_ARRAY | Type::INET_ARRAY | Type::CIDR_ARRAY => Some(Type::TEXT_ARRAY),
        _ => None,
    }
}

/// The same values, those of types that an archive does not have as texts. `None` where there are none.
///
/// # Errors
/// Where a value is not of the type that it is said to be.
pub(super) fn with_texts<S: Clone + Default>(portal: &Portal<S>) -> PgWireResult<Option<Portal<S>>> {
    let declared = &portal.statement.parameter_types;
    if !declared.iter().flatten().any(|kind| as_text(kind).is_some()) {
        return Ok(None);
    }
    let mut types = declared.clone();
    let mut parameters = portal.parameters.clone();
    let mut formats: Vec<i16> = Vec::with_capacity(parameters.len());
    for (at, parameter) in parameters.iter_mut().enumerate() {
        // one format may stand for all
        let is_binary = match &portal.parameter_format {
            Format::UnifiedBinary => true,
            Format::UnifiedText => false,
            Format::Individual(each) => each.get(at).is_some_and(|code| *code == BINARY),
        };
        formats.push(FieldFormat::from(if is_binary { BINARY } else { 0 }).value());
        let Some(Some(kind)) = declared.get(at) else { continue };
        let Some(text) = as_text(kind) else { continue };
        if let Some(value) = parameter {
            let text = if is_binary { text_of(kind, value) } else { written(kind, value) };
            *value = text.ok_or_else(|| malformed(kind))?;
        }
        types[at] = Some(text);
    }
    let statement =
        StoredStatement::new(portal.statement.id.clone(), portal.statement.statement.clone(), types);
    let mut same = Portal::default();
    same.name = portal.name.clone();
    same.statement = Arc::new(statement);
    same.parameter_format = Format::Individual(formats);
    same.parameters = parameters;
    same.result_column_format = portal.result_column_format.clone();
    same.state = Arc::clone(&portal.state);
    Ok(Some(same))
}

/// The code of values that are no texts.
const BINARY: i16 = 1;

fn malformed(kind: &Type) -> PgWireError {
    let message = format!("a parameter is no value of type {kind}");
    PgWireError::UserError(Box::new(ErrorInfo::new("ERROR".into(), "22P03".into(), message)))
}

/// A binary value as a text, an array as an array of texts.
fn text_of(kind: &Type, value: &Bytes) -> Option<Bytes> {
    match *kind {
        Type::UUID => uuid(value).map(Bytes::from),
        Type::INET | Type::CIDR => address(value).map(Bytes::from),
        Type::JSON => Some(value.clone()),
        // a version stands before it
        Type::JSONB => value.strip_prefix(&[1]).map(Bytes::copy_from_slice),
        Type::UUID_ARRAY => array(value, uuid),
        _ => array(value, address),
    }
}

/// A value that was written out, as an archive writes it: of an id drivers leave the hyphens out.
fn written(kind: &Type, value: &Bytes) -> Option<Bytes> {
    let text = std::str::from_utf8(value).ok()?;
    let one = |text: &str| {
        let digits: String = text.chars().filter(|c| !"{-}\"".contains(*c)).collect();
        let number = u128::from_str_radix(&digits, 16).ok().filter(|_| digits.len() == 32)?;
        uuid(&number.to_be_bytes())
    };
    match *kind {
        Type::UUID => one(text).map(Bytes::from),
        Type::UUID_ARRAY => {
            let all = text.strip_prefix('{')?.strip_suffix('}')?.split(',').filter(|text| !text.is_empty());
            let each = all.map(|text| match text.eq_ignore_ascii_case("null") {
                true => Some(text.to_owned()),
                false => one(text),
            });
            Some(format!("{{{}}}", each.collect::<Option<Vec<_>>>()?.join(",")).into())
        }
        _ => Some(value.clone()),
    }
}

fn uuid(value: &[u8]) -> Option<String> {
    let number = u128::from_be_bytes(value.try_into().ok()?);
    let digits = format!("{number:032x}");
    let parts = [0..8, 8..12, 12..16, 16..20, 20..32].map(|part| digits.get(part).unwrap_or_default());
    Some(parts.join("-"))
}

/// Family, length of the network, whether it is one, length of the address, the address.
fn address(value: &[u8]) -> Option<String> {
    let [_, bits, _, _, address @ ..] = value else { return None };
    let (shown, whole) = match address.len() {
        4 => (Ipv4Addr::from(<[u8; 4]>::try_from(address).ok()?).to_string(), 32),
        16 => (Ipv6Addr::from(<[u8; 16]>::try_from(address).ok()?).to_string(), 128),
        _ => return None,
    };
    Some(if *bits == whole { shown } else { format!("{shown}/{bits}") })
}

/// How many dimensions, whether any is null, what type the elements have; of each dimension its length and lower bound; of
/// each element its length (-1: null) and bytes.
fn array(value: &[u8], text: impl Fn(&[u8]) -> Option<String>) -> Option<Bytes> {
    let (head, mut rest) = value.split_at_checked(12)?;
    let dimensions = i32::from_be_bytes(head.get(..4)?.try_into().ok()?);
    let mut out = BytesMut::with_capacity(value.len() * 3);
    out.put_slice(head.get(..8)?);
    out.put_u32(Type::TEXT.oid());
    let bounds = usize::try_from(dimensions).ok()?.checked_mul(8)?;
    let (bounds, elements) = rest.split_at_checked(bounds)?;
    out.put_slice(bounds);
    rest = elements;
    while !rest.is_empty() {
        let (length, behind) = rest.split_at_checked(4)?;
        let length = i32::from_be_bytes(length.try_into().ok()?);
        rest = behind;
        let Ok(length) = usize::try_from(length) else {
            out.put_i32(-1);
            continue;
        };
        let (element, behind) = rest.split_at_checked(length)?;
        let shown = text(element)?;
        out.put_i32(i32::try_from(shown.len()).ok()?);
        out.put_slice(shown.as_bytes());
        rest = behind;
    }
    Some(out.freeze())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn declared_types_stand_where_a_statement_calculates() {
        let declared = Declared(vec![Some(Type::TIMESTAMPTZ), Some(Type::INTERVAL), None, Some(Type::TEXT)]);
        for (sql, written) in [
            ("SELECT 1 WHERE time >= $1 - $2", "time >= CAST($1 AS TIMESTAMPTZ) - CAST($2 AS INTERVAL)"),
            ("SELECT 1 WHERE time >= $1", "time >= $1"),
            ("SELECT 1 WHERE x + $3 = y - $9", "x + $3 = y - $9"),
            ("SELECT 1 WHERE x || $4 = y", "x || $4 = y"),
        ] {
            let mut statement = SqlParser::parse_sql(&PostgreSqlDialect {}, sql).unwrap().remove(0);
            write_types(&mut statement, &declared);
            assert_eq!(statement.to_string(), format!("SELECT 1 WHERE {written}"));
        }
    }

    #[test]
    fn what_nothing_says_the_type_of_is_a_text_or_a_number() {
        let declared = Declared(vec![None, Some(Type::UNKNOWN), Some(Type::INT2), Some(Type::TEXT)]);
        for (sql, written) in [
            ("SELECT $1, $2 AS a, $3", "SELECT CAST($1 AS TEXT), CAST($2 AS TEXT) AS a, $3"),
            ("SELECT x FROM t LIMIT $1 OFFSET $3", "SELECT x FROM t LIMIT CAST($1 AS BIGINT) OFFSET $3"),
            ("SELECT raw ->> $1 = $2", "SELECT raw ->> CAST($1 AS TEXT) = $2"),
            ("SELECT raw -> $4 -> $3", "SELECT raw -> CAST($4 AS TEXT) -> CAST($3 AS BIGINT)"),
            (
                "SELECT json_get_str(raw, $9, $3), lower($1)",
                "SELECT json_get_str(raw, CAST($9 AS TEXT), CAST($3 AS BIGINT)), lower($1)",
            ),
        ] {
            let mut statement = SqlParser::parse_sql(&PostgreSqlDialect {}, sql).unwrap().remove(0);
            write_types(&mut statement, &declared);
            assert_eq!(statement.to_string(), written);
        }
    }

    #[test]
    fn ids_and_addresses_become_texts_as_an_archive_has_them() {
        let id: Vec<u8> = (0..16).collect();
        let shown = "00010203-0405-0607-0809-0a0b0c0d0e0f";
        assert_eq!(uuid(&id).as_deref(), Some(shown));
        assert_eq!(uuid(&id[1..]), None);
        let bare = shown.replace('-', "");
        for (kind, text, told) in [
            (Type::UUID, bare.clone(), Some(shown.to_owned())),
            (Type::UUID, shown.to_uppercase(), Some(shown.to_owned())),
            (Type::UUID, "no id".to_owned(), None),
            (
                Type::UUID_ARRAY,
                format!("{{{bare},NULL,\"{bare}\"}}"),
                Some(format!("{{{shown},NULL,{shown}}}")),
            ),
            (Type::UUID_ARRAY, "{}".to_owned(), Some("{}".to_owned())),
            (Type::INET, "192.0.2.1".to_owned(), Some("192.0.2.1".to_owned())),
        ] {
            assert_eq!(written(&kind, &text.clone().into()), told.map(Bytes::from), "{text}");
        }
        assert_eq!(address(&[2, 32, 0, 4, 192, 0, 2, 1]).as_deref(), Some("192.0.2.1"));
        assert_eq!(address(&[2, 24, 1, 4, 192, 0, 2, 0]).as_deref(), Some("192.0.2.0/24"));
        assert_eq!(address(&[2, 32, 0]), None);
        let head = |oid: u32| {
            let numbers = [1i32, 1, i32::try_from(oid).unwrap(), 2, 1];
            numbers.iter().flat_map(|number| number.to_be_bytes()).collect::<Vec<u8>>()
        };
        let null = (-1i32).to_be_bytes().to_vec();
        let given = [head(Type::UUID.oid()), 16i32.to_be_bytes().to_vec(), id, null.clone()].concat();
        let text = [head(Type::TEXT.oid()), 36i32.to_be_bytes().to_vec(), shown.into(), null].concat();
        assert_eq!(array(&given, uuid).as_deref(), Some(text.as_slice()));
        for cut in 0..given.len() {
            // whatever a client sends: no panic
            let _ = array(&given[..cut], uuid);
        }
    }
}
