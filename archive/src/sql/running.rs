//! Statements that run for a client of PostgreSQL's protocol, and what ends them before their last row.
//!
//! In: a statement of a connection. Out: its rows, or one error in their place: its client has cancelled it, has gone, or
//! its time is over. Rows are made while they are sent, and the protocol's own handler looks at a cancel only before
//! that: so it is the stream of rows that ends here. Whoever drops it drops the plan and all that works for it.

use std::collections::HashMap;
use std::fmt::Debug;
use std::net::Shutdown;
use std::os::fd::AsFd as _;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::task::Poll;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use datafusion::error::DataFusionError;
use datafusion::logical_expr::LogicalPlan;
use datafusion::sql::sqlparser::ast::Statement;
use datafusion_postgres::DfSessionService;
use datafusion_postgres::QueryHook;
use datafusion_postgres::hooks::HookClient;
use datafusion_postgres::pgwire::api::cancel::CancelHandler;
use datafusion_postgres::pgwire::api::portal::Portal;
use datafusion_postgres::pgwire::api::query::{ExtendedQueryHandler, SimpleQueryHandler};
use datafusion_postgres::pgwire::api::results::{QueryResponse, Response};
use datafusion_postgres::pgwire::api::store::PortalStore;
use datafusion_postgres::pgwire::api::{ClientInfo, ClientPortalStore};
use datafusion_postgres::pgwire::error::ErrorInfo;
use datafusion_postgres::pgwire::error::{PgWireError, PgWireResult};
use datafusion_postgres::pgwire::messages::PgWireBackendMessage;
use datafusion_postgres::pgwire::messages::cancel::CancelRequest;
use futures::future::{BoxFuture, Shared};
use futures::{FutureExt as _, Sink, StreamExt as _};
use tokio::io::Interest;
use tokio::net::TcpStream;
use tokio::sync::watch;

use super::error::{Exceeded, SqlError};
use super::limits::{GONE, Limits, STALLED};
use super::parameters::{Declaring, with_texts};
use super::postgres::told;
use super::session::Session;
use super::timeout::own_timeout;
use super::{shape, spoken};

/// What a client names when it cancels: the number and the secret that it was given.
type Key = (i32, Bytes);

/// Who can be told that its statement is cancelled.
#[derive(Debug, Default)]
pub(super) struct Cancels(Mutex<HashMap<Key, watch::Sender<()>>>);

impl Cancels {
    fn by_key(&self) -> std::sync::MutexGuard<'_, HashMap<Key, watch::Sender<()>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl CancelHandler for Cancels {
    async fn on_cancel_request(&self, request: CancelRequest) {
        let known = self.by_key().get(&(request.pid, request.secret_key.to_bytes())).cloned();
        // where nothing runs nobody listens, and the next statement does not hear of it
        if let Some(cancel) = known {
            cancel.send_replace(());
        }
    }
}

/// A connection, as its statements see it.
#[derive(Debug)]
pub(super) struct Connection {
    /// The protocol's socket once more: its handler does not look at it while a statement runs.
    socket: TcpStream,
    cancel: watch::Sender<()>,
    cancels: Arc<Cancels>,
    key: OnceLock<Key>,
}

impl Connection {
    /// A socket, for the protocol and for here.
    ///
    /// # Errors
    /// Where the system has no room for it.
    pub fn of(socket: TcpStream, cancels: &Arc<Cancels>) -> std::io::Result<(TcpStream, Arc<Self>)> {
        let socket = socket.into_std()?;
        let again = TcpStream::from_std(socket.try_clone()?)?;
        let connection = Self {
            socket: again,
            cancel: watch::Sender::new(()),
            cancels: Arc::clone(cancels),
            key: OnceLock::new(),
        };
        Ok((TcpStream::from_std(socket)?, Arc::new(connection)))
    }

    /// From its first statement on it can be cancelled.
    fn known_by(&self, client: &impl ClientInfo) {
        self.key.get_or_init(|| {
            let (number, secret) = client.pid_and_secret_key();
            let key = (number, secret.to_bytes());
            self.cancels.by_key().insert(key.clone(), self.cancel.clone());
            key
        });
    }

    /// Hangs up: whatever waits for the other side to read goes on, to its end.
    fn close(&self) {
        let again = self.socket.as_fd().try_clone_to_owned().map(std::net::TcpStream::from);
        // one that is not there any more is closed already
        let _ = again.and_then(|socket| socket.shutdown(Shutdown::Both));
    }

    /// Comes back when the other side has closed. What it has sent before may still lie there unread.
    async fn gone(&self) {
        while let Ok(ready) = self.socket.ready(Interest::READABLE).await
            && !ready.is_read_closed()
        {
            tokio::time::sleep(GONE).await;
        }
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        if let Some(key) = self.key.get() {
            self.cancels.by_key().remove(key);
        }
    }
}

/// What ends a statement before its last row.
#[derive(Debug, Clone, Copy)]
pub(super) enum Ended {
    /// Its client said so, or has gone.
    Cancelled,
    /// It takes longer than any statement may.
    Over,
    /// It takes longer than its client wants to wait.
    OverOwn(Duration),
}

pub(super) type End = Shared<BoxFuture<'static, Ended>>;

/// The statements of a connection.
#[derive(Clone)]
pub(super) struct Statements {
    inner: Arc<DfSessionService>,
    /// Those to which a statement is shown in turn, until one answers it.
    hooks: Arc<[Arc<dyn QueryHook>]>,
    session: Session,
    connection: Arc<Connection>,
}

impl Statements {
    pub fn new(
        inner: &Arc<DfSessionService>,
        hooks: &Arc<[Arc<dyn QueryHook>]>,
        session: &Session,
        connection: &Arc<Connection>,
    ) -> Self {
        Self {
            inner: Arc::clone(inner),
            hooks: Arc::clone(hooks),
            session: session.clone(),
            connection: Arc::clone(connection),
        }
    }

    /// The one statement of a text that is prepared, with its plan; none of a text without any.
    pub async fn prepare(
        &self,
        text: &str,
        client: &(dyn ClientInfo + Send + Sync),
    ) -> PgWireResult<Option<(Statement, LogicalPlan)>> {
        let mut statements = read(text)?;
        if statements.len() > 1 {
            return Err(error("42601", "of what is prepared there can be one statement only"));
        }
        let Some(statement) = statements.pop() else { return Ok(None) };
        for hook in self.hooks.iter() {
            let planned = hook.handle_extended_parse_query(&statement, &self.session.context, client).await;
            if let Some(plan) = planned {
                return Ok(Some((statement, plan?)));
            }
        }
        Err(unanswered(&statement))
    }

    async fn answer(&self, statement: &Statement, client: &mut dyn HookClient) -> PgWireResult<Response> {
        for hook in self.hooks.iter() {
            if let Some(answer) = hook.handle_simple_query(statement, &self.session.context, client).await {
                return answer;
            }
        }
        Err(unanswered(statement))
    }

    /// What ends the statements that begin now.
    pub fn end(&self, client: &impl ClientInfo) -> End {
        self.connection.known_by(client);
        let connection = Arc::clone(&self.connection);
        let mut cancelled = connection.cancel.subscribe();
        let most = self.session.limits.time;
        let (time, over) = match own_timeout(client) {
            Some(own) if own < most => (own, Ended::OverOwn(own)),
            _ => (most, Ended::Over),
        };
        let end = async move {
            tokio::select! {
                _ = cancelled.changed() => Ended::Cancelled,
                () = connection.gone() => Ended::Cancelled,
                () = tokio::time::sleep(time) => over,
            }
        };
        end.boxed().shared()
    }

    /// What comes of work, if it is done before the end.
    pub async fn before<T>(&self, end: &End, work: impl Future<Output = PgWireResult<T>>) -> PgWireResult<T> {
        tokio::select! {
            biased;
            ended = end.clone() => Err(match ended {
                Ended::Over if self.session.is_looking() => {
                    told(SqlError::exceeded(Exceeded::TimeToLook, &self.session.limits))
                }
                ended => ended.told(&self.session.limits),
            }),
            done = work => done,
        }
    }

    /// Ends an answer in time. One that is sent as a whole is waited for no longer than a client takes that reads.
    fn until(&self, end: &End, response: Response, is_whole: bool) -> Response {
        match response {
            Response::Query(answer) => {
                let connection = is_whole.then(|| Arc::clone(&self.connection));
                Response::Query(until(end.clone(), self.session.limits, answer, connection))
            }
            other => other,
        }
    }
}

fn read(text: &str) -> PgWireResult<Vec<Statement>> {
    shape::check(text).map_err(told)?;
    spoken::statements(text).map_err(|error| PgWireError::ApiError(Box::new(error)))
}

fn error(code: &str, words: &str) -> PgWireError {
    PgWireError::UserError(Box::new(ErrorInfo::new("ERROR".into(), code.into(), words.into())))
}

/// The last of the hooks answers whatever comes to it.
fn unanswered(statement: &Statement) -> PgWireError {
    PgWireError::ApiError(Box::new(DataFusionError::Internal(format!("nobody answers {statement}"))))
}

impl Ended {
    fn told(self, limits: &Limits) -> PgWireError {
        match self {
            Self::Cancelled => PgWireError::QueryCanceled,
            Self::Over => told(SqlError::exceeded(Exceeded::Time, limits)),
            Self::OverOwn(time) => told(SqlError::over_own(time)),
        }
    }
}

/// The rows of an answer that are made before the end, and then why there are no more.
///
/// Whoever reads no further is never asked for the next row: at the end the rows and all that makes them are let go of all
/// the same, and a connection on which nothing goes out is closed.
fn until(
    end: End,
    limits: Limits,
    mut answer: QueryResponse,
    connection: Option<Arc<Connection>>,
) -> QueryResponse {
    let made = std::mem::replace(&mut answer.data_rows, futures::stream::empty().boxed());
    let made = Arc::new(Mutex::new(Some(made)));
    let (held, has_ended) = (Arc::downgrade(&made), end.clone());
    tokio::spawn(async move {
        // no longer than somebody holds the answer
        let mut ended = std::pin::pin!(has_ended);
        while held.strong_count() > 0 {
            if tokio::time::timeout(GONE, &mut ended).await.is_ok() {
                if let Some(made) = held.upgrade() {
                    drop(made.lock().unwrap_or_else(PoisonError::into_inner).take());
                }
                tokio::time::sleep(STALLED).await;
                if let Some(connection) = connection.filter(|_| held.strong_count() > 0) {
                    connection.close();
                }
                return;
            }
        }
    });
    let mut end = Some(end);
    let rows = futures::stream::poll_fn(move |context| {
        // asked first: what is always ready would leave no turn to it
        let Some(waited) = &mut end else { return Poll::Ready(None) };
        if let Poll::Ready(ended) = waited.poll_unpin(context) {
            end = None;
            return Poll::Ready(Some(Err(ended.told(&limits))));
        }
        match made.lock().unwrap_or_else(PoisonError::into_inner).as_mut() {
            Some(made) => made.poll_next_unpin(context),
            // let go of at the end, which this poll hears of when it is woken
            None => Poll::Pending,
        }
    });
    answer.data_rows = rows.boxed();
    answer
}

#[async_trait]
impl SimpleQueryHandler for Statements {
    async fn do_query<C>(&self, client: &mut C, query: &str) -> PgWireResult<Vec<Response>>
    where
        C: ClientInfo + ClientPortalStore + Sink<PgWireBackendMessage> + Unpin + Send + Sync,
        C::PortalStore: PortalStore,
        C::Error: Debug,
        PgWireError: From<<C as Sink<PgWireBackendMessage>>::Error>,
    {
        let statements = read(query)?;
        if statements.is_empty() {
            return Ok(vec![Response::EmptyQuery]);
        }
        let end = self.end(client);
        let mut responses = Vec::with_capacity(statements.len());
        for statement in &statements {
            let response = self.before(&end, self.answer(statement, client)).await?;
            responses.push(self.until(&end, response, true));
        }
        Ok(responses)
    }
}

#[async_trait]
impl ExtendedQueryHandler for Statements {
    type Statement = <DfSessionService as ExtendedQueryHandler>::Statement;
    type QueryParser = Declaring;

    fn query_parser(&self) -> Arc<Self::QueryParser> {
        Arc::new(Declaring(self.inner.query_parser(), self.clone()))
    }

    async fn do_query<C>(
        &self,
        client: &mut C,
        portal: &Portal<Self::Statement>,
        rows: usize,
    ) -> PgWireResult<Response>
    where
        C: ClientInfo + ClientPortalStore + Sink<PgWireBackendMessage> + Unpin + Send + Sync,
        C::PortalStore: PortalStore<Statement = Self::Statement>,
        C::Error: Debug,
        PgWireError: From<<C as Sink<PgWireBackendMessage>>::Error>,
    {
        let end = self.end(client);
        let texts = with_texts(portal)?;
        let portal = texts.as_ref().unwrap_or(portal);
        let work = ExtendedQueryHandler::do_query(self.inner.as_ref(), client, portal, rows);
        let response = self.before(&end, work).await?;
        // a client that takes some rows at a time may come back for more, or never
        Ok(self.until(&end, response, rows == 0))
    }
}
