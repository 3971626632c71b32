//! What clients of PostgreSQL's protocol write, as statements.
//!
//! In: a text. Out: its statements as the query engine can carry them out. Clients ask PostgreSQL's catalog for more than
//! there is here, and the library that answers them takes liberties: a subquery that it cannot answer becomes null, or the
//! first of its rows. Of events that would be a wrong answer. So only what asks the catalog is read by the library; anything
//! else is read as it stands, but for what PostgreSQL alone writes so:
//!
//! ```text
//! pg_catalog.lower(source), current_schema      lower(source), current_schema()
//! source = ANY ('{gcp.audit,"a,b"}')            source = ANY (ARRAY['gcp.audit', 'a,b'])
//! '{1,NULL}'::int[]                             ARRAY['1', NULL]::int[]
//! ```

use std::collections::HashSet;
use std::ops::ControlFlow;
use std::sync::LazyLock;

use datafusion::sql::sqlparser::ast::{
    AccessExpr, Array, DataType, Expr, Function, GroupByExpr, Ident, ObjectName, Query, Select, SelectItem,
    SetExpr, Statement, Value, Visit, VisitMut, Visitor, VisitorMut,
};
use datafusion::sql::sqlparser::dialect::PostgreSqlDialect;
use datafusion::sql::sqlparser::parser::{Parser, ParserError};
use datafusion_postgres::datafusion_pg_catalog::sql::PostgresCompatibilityParser;
use datafusion_postgres::datafusion_pg_catalog::sql::rules::{
    AliasDuplicatedProjectionRewrite, CurrentUserVariableToSessionUserFunctionCall, FixVersionColumnName,
    ResolveUnqualifiedIdentifier, RewritePgCatalogOperator, SqlStatementRewriteRule, StripCallableQualifier,
    StripCollate,
};

/// The library's own reading: it makes tables of replacements when it begins.
static OF_CATALOG: LazyLock<PostgresCompatibilityParser> = LazyLock::new(PostgresCompatibilityParser::new);

/// What the library changes of names and marks, and what changes no answer.
const HARMLESS: &[&dyn SqlStatementRewriteRule] = &[
    &AliasDuplicatedProjectionRewrite,
    &ResolveUnqualifiedIdentifier,
    &StripCallableQualifier,
    &CurrentUserVariableToSessionUserFunctionCall,
    &StripCollate,
    &RewritePgCatalogOperator,
    &FixVersionColumnName,
];

/// The statements of a text.
///
/// # Errors
/// Where it is no SQL.
pub(super) fn statements(text: &str) -> Result<Vec<Statement>, ParserError> {
    let Ok(plain) = Parser::parse_sql(&PostgreSqlDialect {}, text) else {
        // some words of PostgreSQL's the library alone knows
        return OF_CATALOG.parse(text);
    };
    if !plain.iter().any(asks_catalog) {
        return Ok(plain.into_iter().map(read).collect());
    }
    let by_library = OF_CATALOG.parse(text)?;
    let by_rules = plain.iter().map(|statement| OF_CATALOG.rewrite(statement.clone()));
    match by_rules.eq(by_library.iter().cloned()) {
        true => Ok(plain.into_iter().map(|statement| OF_CATALOG.rewrite(of_catalog(statement))).collect()),
        // some questions it knows by heart
        false => Ok(by_library),
    }
}

/// A statement that asks the catalog, without what the library takes otherwise.
fn of_catalog(mut statement: Statement) -> Statement {
    let _ = VisitMut::visit(&mut statement, &mut OfCatalog);
    statement
}

struct OfCatalog;

impl VisitorMut for OfCatalog {
    type Break = ();

    fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        match expr {
            // functions stand there by their names, not by their numbers
            Expr::Cast { expr: name, data_type, .. }
                if data_type.to_string().to_lowercase().trim_start_matches("pg_catalog.") == "regproc" =>
            {
                if let Expr::Value(value) = name.as_mut()
                    && let Value::SingleQuotedString(text) = &mut value.value
                {
                    let bare = text.rsplit('.').next().unwrap_or_default().to_owned();
                    *expr = Expr::Value(Value::SingleQuotedString(bare).with_empty_span());
                }
            }
            // a field of a value that has some, as JDBC's of the columns of keys
            Expr::CompoundFieldAccess { root, access_chain } => {
                if let [AccessExpr::Dot(Expr::Identifier(field))] = access_chain.as_slice()
                    && let Some(read) = parsed(&format!("get_field({root}, '{}')", field.value))
                {
                    *expr = read;
                }
            }
            // of what is asked for by its number there is one: the query engine wants to be told so
            Expr::Subquery(query) => first_of(query),
            _ => {}
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_select(&mut self, select: &mut Select) -> ControlFlow<()> {
        let mut seen = HashSet::new();
        for (at, item) in select.projection.iter_mut().enumerate() {
            if let SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. } = item
                && !is_left_to_library(expr)
            {
                let _ = VisitMut::visit(expr, &mut Nulled);
            }
            if let SelectItem::UnnamedExpr(expr) = item
                && !seen.insert(expr.to_string())
            {
                // two columns of one name the query engine does not take
                let alias = Ident::with_quote('"', format!("{expr}_{at}"));
                *item = SelectItem::ExprWithAlias { expr: expr.clone(), alias };
            }
        }
        ControlFlow::Continue(())
    }
}

/// A subquery that stands by itself the library makes null, and with it forgets the parameters in it.
fn is_left_to_library(selected: &Expr) -> bool {
    matches!(selected, Expr::Subquery(query) if parameters_of(query).is_empty())
}

/// Subqueries within what is selected: of defaults, sequences, collations, which there are none of.
struct Nulled;

impl VisitorMut for Nulled {
    type Break = ();

    fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        if let Expr::Subquery(query) = expr {
            // parameters are counted: none may be missing
            let given = parameters_of(query);
            let nothing = match given.is_empty() {
                true => None,
                false => parsed(&format!("{NOTHING}({})", given.join(", "))),
            };
            *expr = nothing.unwrap_or_else(|| Expr::Value(Value::Null.with_empty_span()));
        }
        ControlFlow::Continue(())
    }
}

/// A function that gives null, whatever it is given.
pub(super) const NOTHING: &str = "nothing_of";

fn parameters_of(query: &Query) -> Vec<String> {
    let mut given = Given::default();
    let _ = Visit::visit(query, &mut given);
    given.0
}

/// The parameters of a query.
#[derive(Default)]
struct Given(Vec<String>);

impl Visitor for Given {
    type Break = ();

    fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<()> {
        if let Expr::Value(value) = expr
            && let Value::Placeholder(name) = &value.value
        {
            self.0.push(name.clone());
        }
        ControlFlow::Continue(())
    }
}

/// What gives one value of many by itself.
const AGGREGATES: &[&str] =
    &["array_agg", "bool_and", "bool_or", "count", "every", "max", "min", "string_agg", "sum"];

/// A subquery that gives one value gives the first.
fn first_of(query: &mut Query) {
    let SetExpr::Select(select) = query.body.as_mut() else { return };
    let GroupByExpr::Expressions(groups, _) = &select.group_by else { return };
    if !groups.is_empty() || query.limit_clause.is_some() || query.with.is_some() {
        return;
    }
    let [SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. }] =
        select.projection.as_mut_slice()
    else {
        return;
    };
    if let Expr::Function(function) = expr
        && AGGREGATES.iter().any(|name| function.name.to_string().eq_ignore_ascii_case(name))
    {
        return;
    }
    if let Some(first) = parsed(&format!("first_value({expr})")) {
        *expr = first;
    }
}

fn parsed(sql: &str) -> Option<Expr> {
    Parser::new(&PostgreSqlDialect {}).try_with_sql(sql).ok()?.parse_expr().ok()
}

fn read(mut statement: Statement) -> Statement {
    for rule in HARMLESS {
        statement = rule.rewrite(statement);
    }
    let _ = VisitMut::visit(&mut statement, &mut Lists);
    statement
}

/// Whether a statement asks PostgreSQL's catalog: a table or a function of it, or the number that stands for a name there.
fn asks_catalog(statement: &Statement) -> bool {
    Visit::visit(statement, &mut Catalog).is_break()
}

struct Catalog;

impl Visitor for Catalog {
    type Break = ();

    fn pre_visit_relation(&mut self, relation: &ObjectName) -> ControlFlow<()> {
        let names: Vec<String> = relation
            .0
            .iter()
            .filter_map(|part| part.as_ident())
            .map(|name| name.value.to_lowercase())
            .collect();
        let is_schema = |name: &String| ["pg_catalog", "information_schema"].contains(&name.as_str());
        let is_of_catalog = names.last().is_some_and(|name| name.starts_with("pg_"));
        found(is_of_catalog || names.iter().any(is_schema))
    }

    fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<()> {
        match expr {
            Expr::Function(Function { name, .. }) => {
                let last = name.0.last().and_then(|part| part.as_ident());
                found(last.is_some_and(|name| name.value.to_lowercase().starts_with("pg_")))
            }
            Expr::Cast { data_type, .. } => {
                let name = data_type.to_string().to_lowercase();
                found(name.trim_start_matches("pg_catalog.").starts_with("reg"))
            }
            _ => ControlFlow::Continue(()),
        }
    }
}

fn found(is_found: bool) -> ControlFlow<()> {
    if is_found { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
}

/// Lists that stand in a text, as lists.
struct Lists;

impl VisitorMut for Lists {
    type Break = ();

    fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        let written = match expr {
            Expr::AnyOp { right, .. } | Expr::AllOp { right, .. } => right,
            Expr::Cast { expr, data_type: DataType::Array(_), .. } => expr,
            _ => return ControlFlow::Continue(()),
        };
        let Expr::Value(value) = written.as_ref() else { return ControlFlow::Continue(()) };
        if let Value::SingleQuotedString(text) = &value.value
            && let Some(elements) = elements(text)
        {
            let element = |element: Option<String>| {
                let value = element.map_or(Value::Null, Value::SingleQuotedString);
                Expr::Value(value.with_empty_span())
            };
            let elem = elements.into_iter().map(element).collect();
            **written = Expr::Array(Array { elem, named: true });
        }
        ControlFlow::Continue(())
    }
}

/// The elements of a list as PostgreSQL writes it, `{a,"b, c",NULL}`. `None` where it is none, or one of lists.
fn elements(text: &str) -> Option<Vec<Option<String>>> {
    let inner = text.trim().strip_prefix('{')?.strip_suffix('}')?;
    let mut all = Vec::new();
    if inner.trim().is_empty() {
        return Some(all);
    }
    let mut rest = inner.chars().peekable();
    loop {
        while rest.next_if(|c| c.is_whitespace()).is_some() {}
        let element = match rest.next_if_eq(&'"') {
            Some(_) => Some(quoted(&mut rest)?),
            None => bare(&mut rest)?,
        };
        all.push(element);
        while rest.next_if(|c| c.is_whitespace()).is_some() {}
        match rest.next() {
            None => return Some(all),
            Some(',') => {}
            Some(_) => return None,
        }
    }
}

type Rest<'t> = std::iter::Peekable<std::str::Chars<'t>>;

/// Up to the closing quote; a backslash takes its meaning from what follows it.
fn quoted(rest: &mut Rest<'_>) -> Option<String> {
    let mut element = String::new();
    loop {
        match rest.next()? {
            '"' => return Some(element),
            '\\' => element.push(rest.next()?),
            other => element.push(other),
        }
    }
}

/// Up to the next comma; without quotes `NULL` is null.
fn bare(rest: &mut Rest<'_>) -> Option<Option<String>> {
    let mut element = String::new();
    while let Some(next) = rest.next_if(|c| *c != ',') {
        match next {
            '{' | '}' | '"' => return None,
            '\\' => element.push(rest.next()?),
            other => element.push(other),
        }
    }
    let element = element.trim_end();
    match (element.is_empty(), element.eq_ignore_ascii_case("null")) {
        (true, _) => None,
        (false, true) => Some(None),
        (false, false) => Some(Some(element.to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_read_as_postgresql_writes_them() {
        let some = |text: &str| Some(text.to_owned());
        for (text, expected) in [
            ("{}", Some(vec![])),
            (" { } ", Some(vec![])),
            ("{a}", Some(vec![some("a")])),
            ("{a, b c ,NULL,null}", Some(vec![some("a"), some("b c"), None, None])),
            (r#"{"a,b","c\"d","e\\f","","NULL"}"#, {
                Some(vec![some("a,b"), some("c\"d"), some("e\\f"), some(""), some("NULL")])
            }),
            (r#"{ "a" , b}"#, Some(vec![some("a"), some("b")])),
            (r"{a\,b}", Some(vec![some("a,b")])),
            ("{a,}", None),
            ("{\"a}", None),
            ("{\"a\"b}", None),
            ("{{a},{b}}", None),
            ("a", None),
        ] {
            assert_eq!(elements(text), expected, "{text}");
        }
    }

    #[test]
    fn only_what_asks_the_catalog_is_read_by_the_library() {
        let of_events =
            "SELECT source, (SELECT max(time) FROM events e WHERE e.source = events.source) FROM events";
        let asked_of_catalog = "SELECT c.relname, (SELECT n.nspname FROM pg_namespace n WHERE n.oid = c.relnamespace) FROM pg_class c";
        for (sql, written) in [
            (of_events, of_events),
            ("SELECT (SELECT source FROM events)", "SELECT (SELECT source FROM events)"),
            (asked_of_catalog, "SELECT c.relname, NULL FROM pg_catalog.pg_class c"),
            (
                "SELECT NULL, NULL FROM pg_type t WHERE t.typinput = 'pg_catalog.array_in'::regproc",
                "SELECT NULL, NULL AS \"NULL_1\" FROM pg_catalog.pg_type t WHERE t.typinput = 'array_in'",
            ),
            (
                "SELECT CASE WHEN a.atthasdef THEN (SELECT d.adbin FROM pg_attrdef d WHERE d.adnum = a.attnum) END AS x \
                 FROM pg_attribute a",
                "SELECT CASE WHEN a.atthasdef THEN NULL END AS x FROM pg_catalog.pg_attribute a",
            ),
            (
                "SELECT CASE WHEN a.atthasdef THEN (SELECT f($2, d.x, $3) FROM pg_attrdef d) END AS x FROM pg_attribute a",
                "SELECT CASE WHEN a.atthasdef THEN nothing_of($2, $3) END AS x FROM pg_catalog.pg_attribute a",
            ),
            (
                "SELECT a.attname, (SELECT f($1, s.x) FROM pg_sequence s) AS i FROM pg_attribute a WHERE a.attnum > $2",
                "SELECT a.attname, nothing_of($1) AS i FROM pg_catalog.pg_attribute a WHERE a.attnum > $2",
            ),
            (
                "SELECT 1 FROM pg_type t WHERE (SELECT c.relkind = 'c' FROM pg_class c WHERE c.oid = t.typrelid)",
                "SELECT 1 FROM pg_catalog.pg_type t WHERE \
                 (SELECT first_value(c.relkind = 'c') FROM pg_catalog.pg_class c WHERE c.oid = t.typrelid)",
            ),
            (
                "SELECT 1 WHERE source = ANY('{\"a,b\",NULL}') AND x <> ALL('{1}'::int[])",
                "SELECT 1 WHERE source = ANY(ARRAY['a,b', NULL]) AND x <> ALL(ARRAY['1']::INT[])",
            ),
            (
                "SELECT 1 WHERE x = ANY(SELECT y FROM coverage)",
                "SELECT 1 WHERE x = ANY(SELECT y FROM coverage)",
            ),
            ("SELECT pg_catalog.lower(a COLLATE \"C\")", "SELECT lower(a)"),
            ("SELECT current_schema", "SELECT current_schema()"),
            ("ABORT", "ROLLBACK"),
        ] {
            let read: Vec<String> = statements(sql).unwrap().iter().map(ToString::to_string).collect();
            assert_eq!(read, [written], "{sql}");
        }
    }
}
