//! Tables of PostgreSQL's catalog as clients join them: with the columns and types that they count on.
//!
//! In: the library's catalog, which holds a copy of PostgreSQL's own and what there is here. Out: the same, but that columns of
//! lists are lists (there they are texts), that columns which the library lacks are null, and that no table here has a key or
//! an index: those of PostgreSQL's own tables are left out, and drivers that ask for the keys of `events` find none.

use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, StringArray, new_null_array};
use arrow::datatypes::{DataType, Field, Schema};
use async_trait::async_trait;
use datafusion::catalog::{MemTable, SchemaProvider, TableProvider};
use datafusion::common::{Column, ScalarValue};
use datafusion::datasource::empty::EmptyTable;
use datafusion::datasource::{ViewTable, provider_as_source};
use datafusion::error::Result;
use datafusion::logical_expr::{Expr, LogicalPlanBuilder, cast, lit};

use super::settings::SETTINGS;

/// The catalog's schema.
pub(super) const SCHEMA: &str = "pg_catalog";

/// A type that a column has in PostgreSQL.
#[derive(Debug, Clone, Copy)]
enum Kind {
    Texts,
    Shorts,
    Numbers,
    Number,
}

impl Kind {
    fn values(self) -> DataType {
        match self {
            Self::Texts => DataType::new_list(DataType::Utf8, true),
            Self::Shorts => DataType::new_list(DataType::Int16, true),
            Self::Numbers => DataType::new_list(DataType::Int32, true),
            Self::Number => DataType::Int32,
        }
    }
}

/// Columns of tables that are null here.
const NULL: &[(&str, &[(&str, Kind)])] = &[
    ("pg_attribute", &[("attacl", Kind::Texts), ("attoptions", Kind::Texts), ("attfdwoptions", Kind::Texts)]),
    ("pg_class", &[("relacl", Kind::Texts), ("reloptions", Kind::Texts), ("tableoid", Kind::Number)]),
    ("pg_database", &[("datacl", Kind::Texts)]),
    ("pg_language", &[("lanacl", Kind::Texts), ("tableoid", Kind::Number)]),
    ("pg_namespace", &[("nspacl", Kind::Texts)]),
    ("pg_proc", &[("proacl", Kind::Texts), ("proconfig", Kind::Texts)]),
    ("pg_tablespace", &[("spcacl", Kind::Texts), ("spcoptions", Kind::Texts)]),
    ("pg_type", &[("typacl", Kind::Texts)]),
];

/// Tables that have no row here, and the lists among their columns.
const EMPTY: &[(&str, &[(&str, Kind)])] = &[
    (
        "pg_constraint",
        &[
            ("conkey", Kind::Shorts),
            ("confkey", Kind::Shorts),
            ("conpfeqop", Kind::Numbers),
            ("conppeqop", Kind::Numbers),
            ("conffeqop", Kind::Numbers),
            ("conexclop", Kind::Numbers),
        ],
    ),
    (
        "pg_index",
        &[
            ("indkey", Kind::Shorts),
            ("indoption", Kind::Shorts),
            ("indcollation", Kind::Numbers),
            ("indclass", Kind::Numbers),
        ],
    ),
];

/// The library's catalog, seen through this page.
#[derive(Debug)]
pub(super) struct CatalogTables(pub Arc<dyn SchemaProvider>);

#[async_trait]
impl SchemaProvider for CatalogTables {
    fn table_names(&self) -> Vec<String> {
        self.0.table_names()
    }

    async fn table(&self, name: &str) -> Result<Option<Arc<dyn TableProvider>>> {
        let Some(table) = self.0.table(name).await? else { return Ok(None) };
        let of = |tables: &[(&str, &'static [(&'static str, Kind)])]| {
            tables.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, columns)| *columns)
        };
        let table = match (of(EMPTY), of(NULL)) {
            (Some(lists), _) => Arc::new(empty(&table, lists)) as Arc<dyn TableProvider>,
            (None, Some(columns)) => Arc::new(with_null(table, columns)?),
            (None, None) if name.eq_ignore_ascii_case("pg_settings") => Arc::new(settings(&table)?),
            (None, None) => table,
        };
        Ok(Some(table))
    }

    fn table_exist(&self, name: &str) -> bool {
        self.0.table_exist(name)
    }
}

fn empty(table: &Arc<dyn TableProvider>, lists: &[(&str, Kind)]) -> EmptyTable {
    let schema = table.schema();
    let fields =
        schema.fields().iter().map(|field| match lists.iter().find(|(name, _)| name == field.name()) {
            Some((_, kind)) => Arc::new(Field::new(field.name(), kind.values(), true)),
            None => Arc::clone(field),
        });
    EmptyTable::new(Arc::new(Schema::new(fields.collect::<Vec<_>>())))
}

fn with_null(table: Arc<dyn TableProvider>, columns: &[(&str, Kind)]) -> Result<ViewTable> {
    let schema = table.schema();
    let null = |(name, kind): &(&str, Kind)| cast(lit(ScalarValue::Null), kind.values()).alias(*name);
    let known = |name: &str| columns.iter().find(|(column, _)| *column == name);
    let mut all: Vec<Expr> = schema
        .fields()
        .iter()
        .map(|field| match known(field.name()) {
            Some(column) => null(column),
            None => Expr::Column(Column::new(Some("inner"), field.name())),
        })
        .collect();
    all.extend(columns.iter().filter(|(name, _)| schema.field_with_name(name).is_err()).map(null));
    let plan = LogicalPlanBuilder::scan("inner", provider_as_source(table), None)?.project(all)?.build()?;
    Ok(ViewTable::new(plan, None))
}

/// The settings that SHOW knows.
fn settings(table: &Arc<dyn TableProvider>) -> Result<MemTable> {
    let schema = table.schema();
    let columns = schema.fields().iter().map(|field| -> ArrayRef {
        let text = |(name, value): &(&'static str, &'static str)| match field.name().as_str() {
            "name" => Some(*name),
            "setting" | "boot_val" | "reset_val" => Some(*value),
            "category" | "short_desc" => Some(""),
            _ => None,
        };
        match field.data_type() {
            DataType::Utf8 => Arc::new(SETTINGS.iter().map(text).collect::<StringArray>()),
            other => new_null_array(other, SETTINGS.len()),
        }
    });
    let batch = RecordBatch::try_new(Arc::clone(&schema), columns.collect())?;
    MemTable::try_new(schema, vec![vec![batch]])
}
