//! Statements that are served over PostgreSQL's protocol, from their text to their rows.
//!
//! In: a statement that the guard let pass. Out: its rows, or why there are none. They are planned here and not where the
//! protocol is spoken: there nobody would look at what a plan does before it is done, and values for which the protocol
//! has no type, those of JSON of any type, would be an error. They are texts, as in the other forms of an answer.

use std::sync::Arc;

use arrow::datatypes::DataType;
use async_trait::async_trait;
use datafusion::common::{Column, ParamValues, ScalarValue};
use datafusion::error::{DataFusionError, Result};
use datafusion::logical_expr::{
    ColumnarValue, Expr, LogicalPlan, LogicalPlanBuilder, ScalarUDF, Volatility, create_udf,
};
use datafusion::prelude::SessionContext;
use datafusion::sql::parser::Statement as DfStatement;
use datafusion::sql::sqlparser::ast::Statement;
use datafusion_postgres::QueryHook;
use datafusion_postgres::arrow_pg::datatypes::df::encode_dataframe;
use datafusion_postgres::hooks::HookClient;
use datafusion_postgres::pgwire::api::ClientInfo;
use datafusion_postgres::pgwire::api::portal::Format;
use datafusion_postgres::pgwire::api::results::Response;
use datafusion_postgres::pgwire::error::{PgWireError, PgWireResult};
use datafusion_postgres::pgwire::types::format::FormatOptions;

use super::catalog::without_arrays;
use super::error::Exceeded;
use super::limits::Limits;
use super::meant;
use super::output::{told, told_type};
use super::parameters::{Declared, with_types, write_types};
use super::session::{aside, planned};

/// The last of the hooks: nothing goes past it.
#[derive(Debug)]
pub(super) struct Served {
    pub limits: Limits,
}

impl Served {
    /// The plan of a statement, of which is known that it only reads.
    async fn plan(&self, mut statement: Statement, context: &SessionContext) -> PgWireResult<LogicalPlan> {
        meant::correct_statement(&mut statement);
        without_arrays(&mut statement);
        let statement = DfStatement::Statement(Box::new(statement));
        let state = context.state();
        let planning = aside(async move { planned(state, statement).await.and_then(with_texts) });
        let plan = tokio::time::timeout(self.limits.time, planning).await;
        let over = |_| Err(DataFusionError::External(Box::new(Exceeded::Time)));
        let plan = plan.unwrap_or_else(over).and_then(|plan| plan);
        plan.map_err(|error| PgWireError::ApiError(Box::new(error)))
    }

    async fn rows(
        &self,
        statement: &Statement,
        context: &SessionContext,
        client: &mut dyn HookClient,
    ) -> PgWireResult<Response> {
        let failed = |error| PgWireError::ApiError(Box::new(error));
        let plan = self.plan(statement.clone(), context).await?;
        let frame = context.execute_logical_plan(plan).await.map_err(failed)?;
        let options = Arc::new(FormatOptions::from_client_metadata(client.metadata()));
        let begun = aside(async move { encode_dataframe(frame, &Format::UnifiedText, Some(options)).await });
        Ok(Response::Query(begun.await.map_err(failed)??))
    }
}

#[async_trait]
impl QueryHook for Served {
    async fn handle_simple_query(
        &self,
        statement: &Statement,
        context: &SessionContext,
        client: &mut dyn HookClient,
    ) -> Option<PgWireResult<Response>> {
        Some(self.rows(statement, context, client).await)
    }

    async fn handle_extended_parse_query(
        &self,
        statement: &Statement,
        context: &SessionContext,
        client: &(dyn ClientInfo + Send + Sync),
    ) -> Option<PgWireResult<LogicalPlan>> {
        let mut statement = statement.clone();
        let declared = client.session_extensions().get::<Declared>();
        if let Some(declared) = &declared {
            write_types(&mut statement, declared);
        }
        let plan = self.plan(statement, context).await;
        Some(match declared {
            Some(declared) => plan.and_then(|plan| {
                with_types(plan, &declared).map_err(|error| PgWireError::ApiError(Box::new(error)))
            }),
            None => plan,
        })
    }

    /// The plan is the one that was made here when the statement was parsed.
    async fn handle_extended_query(
        &self,
        _: &Statement,
        _: &LogicalPlan,
        _: &ParamValues,
        _: &SessionContext,
        _: &mut dyn HookClient,
    ) -> Option<PgWireResult<Response>> {
        None
    }
}

/// A plan whose columns have types that the protocol knows.
fn with_texts(plan: LogicalPlan) -> Result<LogicalPlan> {
    let known = |kind: &DataType| told_type(kind, &|part| !matches!(part, DataType::Union(..)));
    if plan.schema().fields().iter().all(|field| known(field.data_type()) == *field.data_type()) {
        return Ok(plan);
    }
    let columns: Vec<Expr> = plan
        .schema()
        .iter()
        .map(|(of, field)| {
            let column = Expr::Column(Column::from((of, field)));
            let known = known(field.data_type());
            match known == *field.data_type() {
                true => column,
                false => as_known(field.data_type().clone(), known)
                    .call(vec![column])
                    .alias_qualified(of.cloned(), field.name()),
            }
        })
        .collect();
    LogicalPlanBuilder::from(plan).project(columns)?.build()
}

/// Values of JSON, by themselves or within others, as the other forms of an answer show them. No query can name it: it is
/// in no session.
fn as_known(kind: DataType, known: DataType) -> ScalarUDF {
    let shown = known.clone();
    create_udf(
        "json_shown",
        vec![kind],
        known,
        Volatility::Immutable,
        Arc::new(move |values| match values {
            [ColumnarValue::Array(values)] => Ok(ColumnarValue::Array(told(values, &shown)?)),
            [ColumnarValue::Scalar(value)] => {
                let value = ScalarValue::try_from_array(&told(&value.to_array()?, &shown)?, 0)?;
                Ok(ColumnarValue::Scalar(value))
            }
            _ => Err(DataFusionError::Internal("one value is shown at a time".into())),
        }),
    )
}
