//! PostgreSQL's wire protocol over a session: for psql, notebooks, Grafana, DBeaver.
//!
//! In: connections. Out: the same answers as [`Session::run`] gives, with the same limits: statements are
//! checked before anything else looks at them, plans are bounded as all plans of the session are, and the
//! memory limit is one for all connections. Whoever connects needs the password; there is always one.

use std::fmt;
use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;

use async_trait::async_trait;
use datafusion::common::{DFSchema, ParamValues};
use datafusion::error::DataFusionError;
use datafusion::logical_expr::{EmptyRelation, LogicalPlan};
use datafusion::prelude::SessionContext;
use datafusion::sql::sqlparser::ast::{
    CloseCursor, ContextModifier, Expr, Reset, ResetStatement, Set, Statement,
};
use datafusion::sql::sqlparser::parser::ParserError;
use datafusion_postgres::datafusion_pg_catalog::pg_catalog::context::EmptyContextProvider;
use datafusion_postgres::datafusion_pg_catalog::setup_pg_catalog;
use datafusion_postgres::hooks::HookClient;
use datafusion_postgres::hooks::set_show::SetShowHook;
use datafusion_postgres::hooks::transactions::TransactionStatementHook;
use datafusion_postgres::pgwire::api::auth::sasl::SASLAuthStartupHandler;
use datafusion_postgres::pgwire::api::auth::sasl::scram::{
    SCRAM_ITERATIONS, ScramAuth, gen_salted_password, random_nonce,
};
use datafusion_postgres::pgwire::api::auth::{
    AuthSource, DefaultServerParameterProvider, LoginInfo, Password as Salted, StartupHandler,
};
use datafusion_postgres::pgwire::api::cancel::CancelHandler;
use datafusion_postgres::pgwire::api::query::{ExtendedQueryHandler, SimpleQueryHandler};
use datafusion_postgres::pgwire::api::results::{Response, Tag};
use datafusion_postgres::pgwire::api::{ClientInfo, ErrorHandler, PgWireServerHandlers};
use datafusion_postgres::pgwire::error::{ErrorInfo, PgWireError, PgWireResult};
use datafusion_postgres::pgwire::messages::response::TransactionStatus;
use datafusion_postgres::pgwire::messages::{PgWireBackendMessage, PgWireFrontendMessage};
use datafusion_postgres::pgwire::tokio::process_socket;
use datafusion_postgres::{DfSessionService, QueryHook};
use futures::Sink;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;

use super::error::{SqlError, SqlErrorKind};
use super::limits::{Limits, MAX_CONNECTIONS, MAX_TURNED_AWAY, REFRESH};
use super::running::{Cancels, Connection, Statements};
use super::served::Served;
use super::session::{DATABASE, Session};
use super::settings::Shown;
use super::{catalog, read_only, settings, timeout};
use crate::error::ArchiveError;
use crate::lake::Lake;

/// The password of all who connect.
#[derive(Clone, PartialEq, Eq)]
pub struct Password(String);

impl Password {
    /// A password that somebody has chosen.
    ///
    /// # Errors
    /// Where it is empty.
    pub fn new(text: &str) -> Result<Self, ArchiveError> {
        match text.is_empty() {
            true => Err(ArchiveError::new("the password of the SQL server", "it is empty")),
            false => Ok(Self(text.to_owned())),
        }
    }

    /// One that nobody knows yet.
    pub fn made_up() -> Self {
        Self(random_nonce().replace(['+', '/', '='], ""))
    }

    /// Its text, to be told once.
    pub fn text(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password")
    }
}

/// A server that listens.
#[derive(Debug)]
pub struct Server {
    listener: TcpListener,
    session: Session,
    password: Password,
}

impl Server {
    /// Listens. Without a password one is made up, and only for this machine: beyond it somebody must have
    /// chosen one.
    ///
    /// # Errors
    /// Where the address is not free, or reaches beyond this machine without a password.
    pub async fn listen(
        address: SocketAddr,
        session: Session,
        password: Option<Password>,
    ) -> Result<Self, ArchiveError> {
        let doing = || format!("listening on {address}");
        let password = match password {
            Some(password) => password,
            None if address.ip().is_loopback() => Password::made_up(),
            None => {
                let cause =
                    "beyond this machine a password is needed: --password-file, or VIRGA_SQL_PASSWORD";
                return Err(ArchiveError::new(doing(), cause));
            }
        };
        setup_pg_catalog(&session.context, DATABASE, EmptyContextProvider)
            .map_err(|error| ArchiveError::new(doing(), error))?;
        catalog::complete(&session.context).map_err(ArchiveError::at(doing()))?;
        let listener = TcpListener::bind(address).await.map_err(ArchiveError::at(doing()))?;
        Ok(Self { listener, session, password })
    }

    /// Where it listens.
    ///
    /// # Errors
    /// Where the socket does not say.
    pub fn address(&self) -> std::io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// The password.
    pub fn password(&self) -> &Password {
        &self.password
    }

    /// Serves until `stop` is done. What others commit to the archive meanwhile is seen by queries that begin
    /// a little later; a failure to see it is told to `tell`, and the version at hand goes on being served.
    pub async fn run(self, mut archive: Lake, stop: impl Future<Output = ()>, tell: impl Fn(&str)) {
        let shared = Arc::new(Shared::new(&self.session, &self.password));
        let (room, door) =
            (Arc::new(Semaphore::new(MAX_CONNECTIONS)), Arc::new(Semaphore::new(MAX_TURNED_AWAY)));
        let mut refresh = tokio::time::interval(REFRESH);
        tokio::pin!(stop);
        loop {
            tokio::select! {
                () = &mut stop => return,
                _ = refresh.tick() => {
                    if let Err(error) = renew(&mut archive, &self.session).await {
                        tell(&error.to_string());
                    }
                }
                accepted = self.listener.accept() => match accepted {
                    Err(error) => tell(&format!("a connection could not be taken: {error}")),
                    Ok((socket, from)) => {
                        let place = Arc::clone(&room).try_acquire_owned();
                        let has_room = place.is_ok();
                        if !has_room {
                            tell(&format!("{from} was turned away: {MAX_CONNECTIONS} are connected"));
                        }
                        // whoever is turned away is told so, and may have come to cancel a query
                        let Ok(place) = place.or_else(|_| Arc::clone(&door).try_acquire_owned()) else { continue };
                        let shared = Arc::clone(&shared);
                        tokio::spawn(async move {
                            // a connection that breaks is its client's to see
                            let _ = serve(socket, shared, has_room).await;
                            drop(place);
                        });
                    }
                },
            }
        }
    }
}

async fn renew(archive: &mut Lake, session: &Session) -> Result<(), ArchiveError> {
    archive.refresh().await?;
    if archive.version() == session.version() {
        return Ok(());
    }
    session.show(archive).await
}

async fn serve(socket: TcpStream, shared: Arc<Shared>, has_room: bool) -> std::io::Result<()> {
    let (socket, connection) = Connection::of(socket, &shared.cancels)?;
    process_socket(socket, None, Handlers { shared, connection, has_room }).await
}

/// Asks for the password, where there is room for one more.
struct Greeting {
    has_room: bool,
    password: SASLAuthStartupHandler<DefaultServerParameterProvider>,
}

#[async_trait]
impl StartupHandler for Greeting {
    async fn on_startup<C>(&self, client: &mut C, message: PgWireFrontendMessage) -> PgWireResult<()>
    where
        C: ClientInfo + Sink<PgWireBackendMessage> + Unpin + Send + Sync,
        C::Error: fmt::Debug,
        PgWireError: From<<C as Sink<PgWireBackendMessage>>::Error>,
    {
        if let PgWireFrontendMessage::Startup(begun) = &message {
            let said = timeout::said(|name| begun.parameters.get(name).map(String::as_str));
            if said.is_some_and(|text| timeout::read(&text).is_none()) {
                let words = format!("{} takes no such value", timeout::NAME);
                let info = ErrorInfo::new("FATAL".into(), "22023".into(), words);
                return Err(PgWireError::UserError(Box::new(info)));
            }
        }
        if self.has_room {
            return self.password.on_startup(client, message).await;
        }
        let words = format!("too many connections: {MAX_CONNECTIONS} are open");
        Err(PgWireError::UserError(Box::new(ErrorInfo::new("FATAL".into(), "53300".into(), words))))
    }
}

/// What all connections share.
struct Shared {
    service: Arc<DfSessionService>,
    hooks: Arc<[Arc<dyn QueryHook>]>,
    session: Session,
    secret: Arc<Secret>,
    cancels: Arc<Cancels>,
}

impl Shared {
    fn new(session: &Session, password: &Password) -> Self {
        let hooks: Vec<Arc<dyn QueryHook>> = vec![
            Arc::new(Guard),
            Arc::new(Shown),
            Arc::new(SetShowHook),
            Arc::new(TransactionStatementHook),
            Arc::new(Served { limits: session.limits }),
        ];
        let context = Arc::new(session.context.clone());
        Self {
            service: Arc::new(DfSessionService::new_with_hooks(context, hooks.clone())),
            hooks: hooks.into(),
            session: session.clone(),
            secret: Arc::new(Secret::new(password)),
            cancels: Arc::default(),
        }
    }
}

/// What a connection is handed to.
struct Handlers {
    shared: Arc<Shared>,
    connection: Arc<Connection>,
    has_room: bool,
}

impl Handlers {
    fn statements(&self) -> Arc<Statements> {
        Arc::new(Statements::new(
            &self.shared.service,
            &self.shared.hooks,
            &self.shared.session,
            &self.connection,
        ))
    }
}

impl PgWireServerHandlers for Handlers {
    fn simple_query_handler(&self) -> Arc<impl SimpleQueryHandler> {
        self.statements()
    }

    fn extended_query_handler(&self) -> Arc<impl ExtendedQueryHandler> {
        self.statements()
    }

    /// It remembers how far the exchange of the password has come.
    fn startup_handler(&self) -> Arc<impl StartupHandler> {
        let mut scram = ScramAuth::new(Arc::clone(&self.shared.secret) as Arc<dyn AuthSource>);
        scram.set_iterations(SCRAM_ITERATIONS);
        let mut parameters = DefaultServerParameterProvider::default();
        parameters.is_superuser = false;
        parameters.default_transaction_read_only = true;
        parameters.time_zone = "UTC".into();
        let password = SASLAuthStartupHandler::new(Arc::new(parameters)).with_scram(scram);
        Arc::new(Greeting { has_room: self.has_room, password })
    }

    fn error_handler(&self) -> Arc<impl ErrorHandler> {
        Arc::new(Words { limits: self.shared.session.limits })
    }

    fn cancel_handler(&self) -> Arc<impl CancelHandler> {
        Arc::clone(&self.shared.cancels)
    }
}

/// The password, salted once: it is never sent, and not kept in clear.
#[derive(Debug)]
struct Secret {
    salt: Vec<u8>,
    salted: Vec<u8>,
}

impl Secret {
    fn new(password: &Password) -> Self {
        let salt = random_nonce().into_bytes();
        let salted = gen_salted_password(&password.0, &salt, SCRAM_ITERATIONS);
        Self { salt, salted }
    }
}

#[async_trait]
impl AuthSource for Secret {
    async fn get_password(&self, _: &LoginInfo) -> PgWireResult<Salted> {
        Ok(Salted::new(Some(self.salt.clone()), self.salted.clone()))
    }
}

/// Gives errors their words and codes.
struct Words {
    limits: Limits,
}

impl ErrorHandler for Words {
    fn on_error<C: ClientInfo>(&self, client: &C, error: &mut PgWireError) {
        if let PgWireError::InvalidPassword(user) = error {
            // SCRAM's messages leave the name out: it came with the first one
            *user = client.metadata().get("user").cloned().unwrap_or_default();
        }
        let PgWireError::ApiError(inner) = error else { return };
        let own = if let Some(error) = inner.downcast_ref::<DataFusionError>() {
            SqlError::of(error, &self.limits)
        } else if let Some(error) = inner.downcast_ref::<ParserError>() {
            SqlError::of(&DataFusionError::SQL(Box::new(error.clone()), None), &self.limits)
        } else {
            return;
        };
        *error = told(own);
    }
}

pub(super) fn told(error: SqlError) -> PgWireError {
    let code = match error.kind {
        SqlErrorKind::Syntax => "42601",
        SqlErrorKind::Plan => "42000",
        SqlErrorKind::Refused => "25006",
        SqlErrorKind::Memory => "53200",
        SqlErrorKind::Time => "57014",
        SqlErrorKind::Rows => "54000",
        SqlErrorKind::Store => "58030",
        SqlErrorKind::Execution => "22000",
    };
    let mut info = ErrorInfo::new("ERROR".into(), code.into(), error.message);
    info.hint = Some(error.help).filter(|help| !help.is_empty());
    PgWireError::UserError(Box::new(info))
}

/// Looks at every statement first.
#[derive(Debug)]
struct Guard;

/// What becomes of a statement.
enum Verdict {
    /// It goes its way.
    Pass,
    /// It is refused.
    Refuse(SqlError),
    /// It is of no effect here, and its client expects it to be done.
    Done(&'static str),
    /// How many milliseconds the client waits for a statement, where it has not said so before; whether it does until the
    /// end of a transaction; and what it is told.
    Timeout(Option<u64>, bool, &'static str),
    /// A transaction ends, and goes on in the protocol's own way.
    End { is_committed: bool },
    /// A part of a transaction is undone, and what has failed in it forgotten.
    Undone,
}

impl Verdict {
    fn carry_out(self, client: &mut dyn HookClient) -> Option<PgWireResult<Response>> {
        match self {
            Self::Pass => None,
            Self::Refuse(error) => Some(Err(told(error))),
            Self::Done(tag) => Some(Ok(Response::Execution(Tag::new(tag)))),
            Self::Timeout(milliseconds, is_local, tag) => {
                timeout::keep(client, milliseconds, is_local);
                Some(Ok(Response::Execution(Tag::new(tag))))
            }
            Self::End { is_committed } => {
                timeout::end(client, is_committed);
                None
            }
            // out of what has failed the protocol's own handler knows no other way than its end
            Self::Undone if client.transaction_status() == TransactionStatus::Error => {
                Some(Ok(Response::TransactionEnd(Tag::new("ROLLBACK"))))
            }
            Self::Undone => Some(Ok(Response::Execution(Tag::new("ROLLBACK")))),
        }
    }
}

impl Guard {
    fn judge(statement: &Statement) -> Verdict {
        match statement {
            // there is nothing to commit, and drivers begin with it
            Statement::StartTransaction { .. } => Verdict::Pass,
            Statement::Commit { .. } => Verdict::End { is_committed: true },
            Statement::Rollback { savepoint: None, .. } => Verdict::End { is_committed: false },
            Statement::Rollback { savepoint: Some(_), .. } => Verdict::Undone,
            // a part of nothing
            Statement::Savepoint { .. } => Verdict::Done("SAVEPOINT"),
            Statement::ReleaseSavepoint { .. } => Verdict::Done("RELEASE"),
            Statement::Deallocate { .. } => Verdict::Done("DEALLOCATE"),
            // there are no cursors and nothing is listened to: a pool makes sure
            Statement::Close { cursor: CloseCursor::All } => Verdict::Done("CLOSE CURSOR ALL"),
            Statement::UNLISTEN { .. } => Verdict::Done("UNLISTEN"),
            // a pool hands the connection to somebody else
            Statement::Discard { .. } => Verdict::Timeout(None, false, "DISCARD ALL"),
            Statement::Reset(ResetStatement { reset }) => match reset {
                Reset::ALL => Verdict::Timeout(None, false, "RESET"),
                Reset::ConfigurationParameter(name)
                    if name.to_string().eq_ignore_ascii_case(timeout::NAME) =>
                {
                    Verdict::Timeout(None, false, "RESET")
                }
                Reset::ConfigurationParameter(_) => Verdict::Done("RESET"),
            },
            Statement::Set(set) => Self::judge_set(set),
            other => match read_only::check_statement(other) {
                Ok(()) => Verdict::Pass,
                Err(error) => Verdict::Refuse(error),
            },
        }
    }

    /// Settings of the connection are the client's; those of the query engine are all connections'.
    fn judge_set(set: &Set) -> Verdict {
        let (scope, variable, values) = match set {
            Set::SingleAssignment { scope, variable, values, .. } => (scope, variable, values),
            Set::SetTimeZone { value, .. } => {
                return match settings::kind("timezone", &unquoted(value)) {
                    Some(_) => Verdict::Done("SET"),
                    None => Verdict::Refuse(SqlError::refused("SET TIME ZONE")),
                };
            }
            Set::SetNames { .. } | Set::SetTransaction { .. } | Set::SetSessionParam(_) => {
                return Verdict::Done("SET");
            }
            other => return Verdict::Refuse(SqlError::refused(&other.to_string())),
        };
        let name = variable.to_string().to_lowercase();
        if name == timeout::NAME {
            let is_local = *scope == Some(ContextModifier::Local);
            return match timeout::parse(values) {
                Some(milliseconds) => Verdict::Timeout(milliseconds, is_local, "SET"),
                None => Verdict::Refuse(SqlError::new(
                    SqlErrorKind::Execution,
                    format!("{name} takes no such value"),
                    "write a number of milliseconds, or '30s', '5min'",
                )),
            };
        }
        let value = values.first().map(unquoted).unwrap_or_default();
        match settings::kind(&name, &value) {
            Some(settings::Kind::Kept) => Verdict::Pass,
            Some(settings::Kind::Idle) => Verdict::Done("SET"),
            None => Verdict::Refuse(SqlError::refused(&format!("SET {name}"))),
        }
    }
}

fn unquoted(value: &Expr) -> String {
    value.to_string().trim_matches(['\'', '"']).to_owned()
}

#[async_trait]
impl QueryHook for Guard {
    async fn handle_simple_query(
        &self,
        statement: &Statement,
        _: &SessionContext,
        client: &mut dyn HookClient,
    ) -> Option<PgWireResult<Response>> {
        Self::judge(statement).carry_out(client)
    }

    async fn handle_extended_parse_query(
        &self,
        statement: &Statement,
        _: &SessionContext,
        _: &(dyn ClientInfo + Send + Sync),
    ) -> Option<PgWireResult<LogicalPlan>> {
        match Self::judge(statement) {
            Verdict::Pass => None,
            Verdict::Refuse(error) => Some(Err(told(error))),
            Verdict::Done(_) | Verdict::Timeout(..) | Verdict::End { .. } | Verdict::Undone => {
                let nothing = EmptyRelation { produce_one_row: false, schema: Arc::new(DFSchema::empty()) };
                Some(Ok(LogicalPlan::EmptyRelation(nothing)))
            }
        }
    }

    async fn handle_extended_query(
        &self,
        statement: &Statement,
        _: &LogicalPlan,
        _: &ParamValues,
        _: &SessionContext,
        client: &mut dyn HookClient,
    ) -> Option<PgWireResult<Response>> {
        Self::judge(statement).carry_out(client)
    }
}
