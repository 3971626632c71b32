//! Events that are pushed: `POST /v1/ingest/{source}`.
//!
//! In: requests, NDJSON or JSON, plain, gzip or zstd, with a bearer token, over TLS where a certificate is given
//! (`tls`). Out: one message a request. The
//! answer comes when a checkpoint is behind the events, or at once, as configured.
//!
//! | status | when |
//! |---|---|
//! | 200 | the events are behind a checkpoint |
//! | 202 | the events are taken (`answer = "at_once"`); a crash may lose them, an end in order does not |
//! | 400 | the body broke off |
//! | 401 | no token, or another |
//! | 404 | no such source |
//! | 413 | the body is larger than `max_size` |
//! | 415 | a content encoding other than gzip, zstd, identity |
//! | 429 | too much is on its way; `Retry-After` says when to come again |
//! | 503 | the process ends, or no checkpoint came in time: send it again, ids are the same |

mod tls;

use std::collections::BTreeMap;
use std::net::{SocketAddr, TcpListener};
use std::path::Path as FilePath;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, BodyDataStream};
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use bytes::{Bytes, BytesMut};
use futures::StreamExt as _;
use serde::Deserialize;
use tokio::runtime::Runtime;
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};
use virga_engine::event::OriginBase;

use self::tls::{Certificate, TlsFiles, TlsListener};
use super::live::{
    Clock, Contents, Delivery, Event, Frontier, LiveConfig, LiveTransport, Messages, Note, OpenContext,
    PartitionLag, Ticket, TransportError,
};
use super::serving::{Sign, port, serve};
use crate::limits::{MAX_EVENT_BYTES, PUSHED_BYTES, PUSHED_STEP, PUSHERS, PUSHES_WAITING, REFUSED_PATIENCE};
use crate::position::Positions;
use crate::secret::Secret;
use crate::sources::{SourceDef, source};
use crate::units::{self, Size, Span};

/// `[input.http]`: events that are pushed.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HttpConfig {
    /// The address: `127.0.0.1:8088`.
    pub listen: String,
    /// The token that senders show: `Authorization: Bearer …`. Only on the loopback it may be left out.
    #[serde(default)]
    pub token: Option<Secret>,
    /// The certificate that senders see, and its key. Without it requests come in the clear.
    #[serde(default)]
    pub tls: Option<TlsFiles>,
    /// When requests are answered.
    #[serde(default)]
    pub answer: Answer,
    /// Bytes of a request as it comes.
    #[serde(default = "largest", alias = "max_bytes", deserialize_with = "units::bytes")]
    pub max_size: Size,
    /// How long a request has for its head to come, then for its body, and then waits for its checkpoint.
    #[serde(default = "patience", alias = "wait_seconds", deserialize_with = "units::seconds")]
    pub wait: Span,
}

fn largest() -> Size {
    Size(MAX_EVENT_BYTES as u64)
}

fn patience() -> Span {
    Span::seconds(60)
}

/// When requests are answered.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// When a checkpoint is behind their events.
    #[default]
    Checkpoint,
    /// When their events are taken.
    AtOnce,
}

/// A request on its way.
struct Push {
    source: Option<&'static SourceDef>,
    body: Bytes,
    /// `None` where it has been answered.
    answer: Option<oneshot::Sender<()>>,
    _room: OwnedSemaphorePermit,
}

/// What all requests look at.
struct Desk {
    token: Option<blake3::Hash>,
    paused: Arc<AtomicBool>,
    pushes: mpsc::Sender<Push>,
    room: Arc<Semaphore>,
    answer: Answer,
    /// Bytes of a request at the most.
    most: usize,
    /// How long a request has for its head to come, then for its body, and then waits for its checkpoint.
    wait: Duration,
}

/// What is listened on and shown.
struct Bound {
    listener: TcpListener,
    token: Option<blake3::Hash>,
    certificate: Option<Certificate>,
}

impl HttpConfig {
    /// Paths begin at this folder.
    pub fn resolve(&mut self, base: &FilePath) {
        if let Some(tls) = &mut self.tls {
            tls.resolve(base);
        }
        if let Some(token) = &mut self.token {
            token.resolve(base);
        }
    }

    fn desk(&self) -> Result<(SocketAddr, Option<blake3::Hash>), TransportError> {
        let address: SocketAddr = self.listen.parse().map_err(|_| {
            TransportError::new(format!("`{}` is no address to listen on", self.listen))
                .help("write it as 127.0.0.1:8088")
        })?;
        if self.token.is_none() && !address.ip().is_loopback() {
            return Err(TransportError::new(format!("anybody could push events to {address}"))
                .help("give `token = { env = \"VIRGA_TOKEN\" }`, or listen on 127.0.0.1"));
        }
        self.largest_body()?;
        if self.wait.0.is_zero() {
            return Err(TransportError::new("[input.http] wait is none in which a request could come")
                .help("write \"1s\" or more"));
        }
        let token =
            self.token.as_ref().map(|token| token.reveal().map_err(TransportError::new)).transpose()?;
        // hashes compare in constant time
        Ok((address, token.map(|token| blake3::hash(token.text().as_bytes()))))
    }

    /// Bytes of a request at the most.
    fn largest_body(&self) -> Result<usize, TransportError> {
        let most = usize::try_from(self.max_size.0).unwrap_or(usize::MAX);
        match (1..=PUSHED_BYTES).contains(&most) {
            true => Ok(most),
            false => Err(TransportError::new(format!("[input.http] max_size is {most} bytes"))
                .help(format!("write \"1B\" to \"{}MB\"", PUSHED_BYTES >> 20))),
        }
    }

    fn bind(&self) -> Result<Bound, TransportError> {
        let (address, token) = self.desk()?;
        let certificate = self.tls.as_ref().map(Certificate::new).transpose()?;
        let listener = TcpListener::bind(address)
            .map_err(|error| TransportError::new(format!("cannot listen on {address}: {error}")))?;
        Ok(Bound { listener, token, certificate })
    }

    /// Opens it over a listener that is there.
    fn serve(
        &self,
        Bound { listener, token, certificate }: Bound,
        context: OpenContext,
    ) -> Result<Box<dyn LiveTransport>, TransportError> {
        let failed =
            |error: std::io::Error| TransportError::new(format!("cannot serve {}: {error}", self.listen));
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .thread_name("virga-http")
            .enable_all()
            .build()
            .map_err(failed)?;
        listener.set_nonblocking(true).map_err(failed)?;
        let (pushes, coming) = mpsc::channel(PUSHES_WAITING);
        let paused = Arc::new(AtomicBool::new(false));
        let desk = Desk {
            token,
            paused: Arc::clone(&paused),
            pushes,
            room: Arc::new(Semaphore::new(PUSHED_BYTES)),
            answer: self.answer,
            most: self.largest_body()?,
            wait: self.wait.0,
        };
        let router = Router::new().route("/v1/ingest/{source}", post(push)).with_state(Arc::new(desk));
        let (inside, sign, patience) = (runtime.enter(), Sign::of(&context.instance), self.wait.0);
        let listener = tokio::net::TcpListener::from_std(listener).map_err(failed)?;
        // what is served ends with its runtime
        let notes = match certificate {
            None => {
                tokio::spawn(async move { serve(listener, router, &sign, patience, PUSHERS).await });
                None
            }
            Some(certificate) => {
                let (listener, notes) = TlsListener::new(listener, certificate, &sign).map_err(failed)?;
                tokio::spawn(async move { serve(listener, router, &sign, patience, PUSHERS).await });
                Some(notes)
            }
        };
        drop(inside);
        Ok(Box::new(HttpTransport {
            partition: context.input,
            clock: context.clock,
            coming,
            paused,
            notes,
            runtime: Some(runtime),
            waiting: BTreeMap::new(),
            ticket: 0,
            greeting: 0,
        }))
    }
}

impl LiveConfig for HttpConfig {
    fn check(&self, context: &OpenContext) -> Result<String, TransportError> {
        let (address, _) = self.desk()?;
        self.tls.as_ref().map(Certificate::new).transpose()?;
        let port = port(address, &Sign::of(&context.instance)).map_err(TransportError::new)?;
        let when = match self.answer {
            Answer::Checkpoint => "when they are behind a checkpoint",
            Answer::AtOnce => "at once; a crash may lose what was answered",
        };
        let scheme = if self.tls.is_some() { "https" } else { "http" };
        Ok(format!(
            "takes events at {scheme}://{}/v1/ingest/<source> and answers {when}{}",
            self.listen,
            port.note()
        ))
    }

    fn listens(&self) -> Option<SocketAddr> {
        self.listen.parse().ok()
    }

    fn warnings(&self) -> Vec<String> {
        let address = self.listen.parse::<SocketAddr>();
        match address.is_ok_and(|address| !address.ip().is_loopback()) && self.tls.is_none() {
            true => vec![format!(
                "tokens and events come to {} in the clear, for whoever is on the way to read; give `tls = {{ cert = \"…\", key = \"…\" }}`, or listen on 127.0.0.1 behind a proxy that speaks TLS",
                self.listen
            )],
            false => Vec::new(),
        }
    }

    fn open(&self, context: OpenContext) -> Result<Box<dyn LiveTransport>, TransportError> {
        self.serve(self.bind()?, context)
    }
}

fn refuse(status: StatusCode, why: &str) -> Response {
    let mut response = (status, format!("{why}\n")).into_response();
    let header = match status {
        StatusCode::TOO_MANY_REQUESTS => Some((header::RETRY_AFTER, "1")),
        StatusCode::UNAUTHORIZED => Some((header::WWW_AUTHENTICATE, "Bearer")),
        _ => None,
    };
    if let Some((name, value)) = header {
        response.headers_mut().insert(name, header::HeaderValue::from_static(value));
    }
    response
}

fn full() -> Response {
    refuse(StatusCode::TOO_MANY_REQUESTS, "too much is on its way")
}

fn ending() -> Response {
    refuse(StatusCode::SERVICE_UNAVAILABLE, "the process ends; send it again")
}

async fn push(
    State(desk): State<Arc<Desk>>,
    Path(name): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Response {
    let mut pieces = body.into_data_stream();
    match desk.take(&name, &headers, &mut pieces).await {
        Ok(response) => response,
        Err(refusal) => {
            leave_unread(&headers, &mut pieces).await;
            refusal
        }
    }
}

/// Lets the rest of a body come that is refused, so much and so long at the most: who is hung up on while it sends is
/// told that the connection broke, and not why. Who asks before it sends has sent nothing.
async fn leave_unread(headers: &HeaderMap, pieces: &mut BodyDataStream) {
    if headers.contains_key(header::EXPECT) || length_of(headers).is_some_and(|said| said > PUSHED_BYTES) {
        return;
    }
    let rest = async {
        let mut left = PUSHED_BYTES;
        while let Some(Ok(piece)) = pieces.next().await {
            left = left.saturating_sub(piece.len());
            if left == 0 {
                return;
            }
        }
    };
    // who takes longer is hung up on
    drop(tokio::time::timeout(REFUSED_PATIENCE, rest).await);
}

/// How long a body says that it is.
fn length_of(headers: &HeaderMap) -> Option<usize> {
    headers.get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok())
}

// a refusal is an answer, and as large as one
#[allow(clippy::result_large_err)]
impl Desk {
    async fn take(
        &self,
        name: &str,
        headers: &HeaderMap,
        pieces: &mut BodyDataStream,
    ) -> Result<Response, Response> {
        self.admit(headers)?;
        if self.pushes.is_closed() {
            return Err(ending());
        }
        let source = match name {
            "auto" => None,
            name => {
                Some(source(name).ok_or_else(|| refuse(StatusCode::NOT_FOUND, "there is no such source"))?)
            }
        };
        if self.paused.load(Ordering::Relaxed) {
            return Err(full());
        }
        // a sender that has gone without a word must not keep the room of others
        let came = tokio::time::timeout(self.wait, self.read(headers, pieces)).await;
        let late = || refuse(StatusCode::REQUEST_TIMEOUT, "the body did not come in time; send it again");
        let (body, room) = came.map_err(|_| late())??;
        let (sender, answered) = oneshot::channel();
        let at_once = self.answer == Answer::AtOnce;
        let answer = (!at_once).then_some(sender);
        self.pushes.try_send(Push { source, body, answer, _room: room }).map_err(
            |refused| match refused {
                TrySendError::Full(_) => full(),
                TrySendError::Closed(_) => ending(),
            },
        )?;
        if at_once {
            return Ok((StatusCode::ACCEPTED, "taken\n").into_response());
        }
        match tokio::time::timeout(self.wait, answered).await {
            Ok(Ok(())) => Ok((StatusCode::OK, "kept\n").into_response()),
            _ => Err(refuse(StatusCode::SERVICE_UNAVAILABLE, "no checkpoint came in time; send it again")),
        }
    }

    /// Reads a body. Room is taken as it grows, so that who says much and sends nothing takes none of others.
    async fn read(
        &self,
        headers: &HeaderMap,
        pieces: &mut BodyDataStream,
    ) -> Result<(Bytes, OwnedSemaphorePermit), Response> {
        let too_large =
            || refuse(StatusCode::PAYLOAD_TOO_LARGE, "the request is larger than this input takes");
        let said = length_of(headers);
        if said.is_some_and(|said| said > self.most) {
            return Err(too_large());
        }
        // what has no room now is refused before it is sent
        if said.is_some_and(|said| said > self.room.available_permits()) {
            return Err(full());
        }
        let mut room = self.room_for(said.unwrap_or(self.most).clamp(1, PUSHED_STEP))?;
        let mut whole = BytesMut::new();
        while let Some(piece) = pieces.next().await {
            let broken = |_| refuse(StatusCode::BAD_REQUEST, "the body broke off; send it again");
            let piece = piece.map_err(broken)?;
            let length = whole.len() + piece.len();
            if length > self.most {
                return Err(too_large());
            }
            let has = room.num_permits();
            if length > has {
                let next = length.max(has + PUSHED_STEP).min(self.most);
                room.merge(self.room_for(next - has)?);
            }
            whole.extend_from_slice(&piece);
        }
        Ok((whole.freeze(), room))
    }

    /// Room for so many bytes more, where there is as much.
    fn room_for(&self, bytes: usize) -> Result<OwnedSemaphorePermit, Response> {
        let bytes = u32::try_from(bytes).map_err(|_| full())?;
        Arc::clone(&self.room).try_acquire_many_owned(bytes).map_err(|_| full())
    }

    fn admit(&self, headers: &HeaderMap) -> Result<(), Response> {
        if let Some(token) = &self.token {
            let shown = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
            // the scheme is written in any case
            let shown = shown.and_then(|value| value.split_once(' '));
            let shown = shown.filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"));
            if shown.is_none_or(|(_, shown)| blake3::hash(shown.trim().as_bytes()) != *token) {
                return Err(refuse(StatusCode::UNAUTHORIZED, "the token is missing or another"));
            }
        }
        match is_unpacked(headers) {
            true => Ok(()),
            false => Err(refuse(StatusCode::UNSUPPORTED_MEDIA_TYPE, "bodies are plain, gzip or zstd")),
        }
    }
}

/// Whether a body can be unpacked. Codings are a list, of one line or of several, in any case, and x-gzip is gzip
/// (RFC 9110, 5.3 and 8.4.1); what is packed twice is not unpacked.
fn is_unpacked(headers: &HeaderMap) -> bool {
    let lines = headers.get_all(header::CONTENT_ENCODING).into_iter();
    let codings = lines.flat_map(|line| line.as_bytes().split(|byte| *byte == b','));
    let codings = codings.map(<[u8]>::trim_ascii).filter(|coding| !coding.is_empty());
    let mut packed = codings.filter(|coding| !coding.eq_ignore_ascii_case(b"identity"));
    let is_known = |coding: &[u8]| CODINGS.iter().any(|known| coding.eq_ignore_ascii_case(known));
    packed.next().is_none_or(is_known) && packed.next().is_none()
}

/// What a body may be packed with; how it is, is seen in its bytes.
const CODINGS: [&[u8]; 3] = [b"gzip", b"x-gzip", b"zstd"];

struct HttpTransport {
    partition: Arc<str>,
    clock: Clock,
    coming: mpsc::Receiver<Push>,
    paused: Arc<AtomicBool>,
    /// What TLS has to tell.
    notes: Option<mpsc::Receiver<Note>>,
    runtime: Option<Runtime>,
    /// Who waits for a checkpoint.
    waiting: BTreeMap<Ticket, oneshot::Sender<()>>,
    ticket: Ticket,
    greeting: u8,
}

impl HttpTransport {
    fn delivery(&mut self, push: Push) -> Delivery {
        let now = (self.clock)();
        self.ticket += 1;
        // the same body sent again has the same place, and so its events the same ids
        let hash = blake3::hash(&push.body).to_hex();
        let path = format!("http/{}/{}", self.partition, hash.as_str().get(..32).unwrap_or_default());
        let mut messages = Messages::new(OriginBase::File { path: path.into() });
        messages.push(1, now, &push.body);
        let urgent = push.answer.is_some();
        if let Some(answer) = push.answer {
            self.waiting.insert(self.ticket, answer);
        }
        Delivery {
            ticket: self.ticket,
            partition: Arc::clone(&self.partition),
            position: None,
            source: push.source,
            contents: Contents::Messages(messages),
            frontier: Frontier::CaughtUp { now },
            urgent,
        }
    }
}

impl LiveTransport for HttpTransport {
    fn poll(&mut self, wait: Duration) -> Result<Option<Event>, TransportError> {
        self.greeting = (self.greeting + 1).min(3);
        match self.greeting {
            1 => return Ok(Some(Event::Opened { partition: Arc::clone(&self.partition), position: None })),
            2 => return Ok(Some(Event::Ready)),
            _ => {}
        }
        if let Some(note) = self.notes.as_mut().and_then(|notes| notes.try_recv().ok()) {
            return Ok(Some(Event::Note(note)));
        }
        if self.paused.load(Ordering::Relaxed) {
            std::thread::sleep(wait);
            return Ok(None);
        }
        let Some(runtime) = &self.runtime else { return Ok(None) };
        let coming = &mut self.coming;
        let came = runtime.block_on(async { tokio::time::timeout(wait, coming.recv()).await });
        Ok(match came {
            Ok(Some(push)) => Some(Event::Delivery(self.delivery(push))),
            Ok(None) => Some(Event::Ended),
            Err(_) => Some(Event::Reached {
                partition: Arc::clone(&self.partition),
                frontier: Frontier::CaughtUp { now: (self.clock)() },
            }),
        })
    }

    fn acknowledge(&mut self, ticket: Ticket, _: &Positions) {
        let later = self.waiting.split_off(&(ticket + 1));
        for answer in std::mem::replace(&mut self.waiting, later).into_values() {
            // whoever asked may have gone
            let _ = answer.send(());
        }
    }

    fn pause(&mut self) {
        self.paused.store(true, Ordering::Relaxed);
    }

    fn resume(&mut self) {
        self.paused.store(false, Ordering::Relaxed);
    }

    fn gives_once(&self) -> bool {
        // what was answered nobody sends again
        true
    }

    fn leave(&mut self) -> Option<Event> {
        // requests are answered 503 from now on, but those that are in the channel already, or on their way into it
        self.coming.close();
        let coming = &mut self.coming;
        let push = self.runtime.as_ref()?.block_on(coming.recv())?;
        Some(Event::Delivery(self.delivery(push)))
    }

    fn lag(&self) -> Vec<PartitionLag> {
        Vec::new()
    }

    fn close(mut self: Box<Self>) {
        self.paused.store(true, Ordering::Relaxed);
        if let Some(runtime) = self.runtime.take() {
            // answers that are on their way go out
            runtime.shutdown_timeout(Duration::from_millis(500));
        }
    }
}

#[cfg(test)]
mod tests;
