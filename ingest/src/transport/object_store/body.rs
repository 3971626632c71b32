//! The body of one object, as a reader.
//!
//! In: a store, a key, a range. Out: what the store says of the object, and its bytes through a bounded
//! buffer: the store is asked for more as the reader takes it. A body that breaks off, or that takes longer
//! than one request may, is asked for again from where it stands, of the same version of the object. Where the
//! store itself is away, or denies what it gave before, whoever reads live waits for it: given up, the rest of the
//! object would be lost.

use std::io::{self, Read};
use std::sync::Arc;
use std::time::Duration;

use bytes::{Buf, Bytes};
use futures::StreamExt;
use object_store::path::Path;
use object_store::{Error, GetOptions, GetRange, ObjectMeta, ObjectStore, ObjectStoreExt as _};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};

use super::aws::chain;
use super::blob_type;
use super::ending::Ending;
use super::served::Served;
use crate::limits::{BODY_RESUMES, OBJECT_BUFFER_BYTES};

/// What to read.
#[derive(Debug, Clone)]
pub struct Wanted {
    /// The key.
    pub location: Path,
    /// The first byte.
    pub from: u64,
}

/// An object that is being read.
#[derive(Debug)]
pub struct Opened {
    /// What the store says of it.
    pub meta: ObjectMeta,
    /// Its bytes.
    pub body: Body,
}

/// The bytes of an object, to be read outside of any runtime.
#[derive(Debug)]
pub struct Body {
    chunks: mpsc::UnboundedReceiver<io::Result<Chunk>>,
    current: Bytes,
    /// Room in the buffer that the current chunk takes.
    held: Option<OwnedSemaphorePermit>,
    ended: bool,
}

#[derive(Debug)]
struct Chunk {
    bytes: Bytes,
    room: Option<OwnedSemaphorePermit>,
}

/// What a reader is given in the place of the rest of an object whose store does not serve while the process ends.
#[derive(Debug)]
struct CutOff;

impl std::fmt::Display for CutOff {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the process ends, and the store does not serve")
    }
}

impl std::error::Error for CutOff {}

/// Whether an object was cut off for the process's end: its rest is neither damaged nor lost.
pub fn is_cut(error: &io::Error) -> bool {
    error.get_ref().is_some_and(|inner| inner.is::<CutOff>())
}

/// What becomes of an object that broke off.
#[derive(Debug, Clone, Copy)]
pub enum Broken<'a> {
    /// Its store is waited for from now on: why, and whether that is because it denies access to all.
    Waits {
        /// Why.
        cause: &'a str,
        /// Access is denied, and not to this object alone.
        is_denied: bool,
    },
    /// It was asked once more, in vain.
    WaitsOn,
    /// Its bytes come again.
    ReadOn,
    /// It is this object that cannot be given: its rest is not waited for.
    GivenUp(&'a str),
}

/// Is told what becomes of an object that broke off.
pub type Tell = Arc<dyn Fn(&Path, Broken<'_>) + Send + Sync>;

/// Whoever reads live and waits for a store.
#[derive(Clone)]
pub struct Waits {
    /// Is told of it.
    pub tell: Tell,
    /// What the store has served: asked whether a refusal is of one object or of all.
    pub served: Arc<Served>,
}

/// Starts to read an object. The answer comes when the store has found it. With `waits` a store that goes away
/// in the middle is waited for, however long that takes; without, what the store does not give is an error.
pub fn open(
    store: Arc<dyn ObjectStore>,
    wanted: Wanted,
    ending: Ending,
    waits: Option<Waits>,
) -> oneshot::Receiver<Result<Opened, Error>> {
    let (answer, opened) = oneshot::channel();
    tokio::spawn(async move {
        let first = store.get_opts(&wanted.location, options(wanted.from, None)).await;
        match first {
            Err(error) => {
                let _ = answer.send(Err(error));
            }
            Ok(first) => {
                let (sender, chunks) = mpsc::unbounded_channel();
                let meta = first.meta.clone();
                if let Some(waits) = &waits {
                    waits.served.remember(&meta);
                }
                let body = Body { chunks, current: Bytes::new(), held: None, ended: false };
                let (of, room) = (meta.clone(), room());
                let grows = blob_type::grows(&first.attributes);
                let pump = Pump { store, wanted, meta: of, grows, sender, room, ending, waits };
                if answer.send(Ok(Opened { meta, body })).is_ok() {
                    pump.run(first).await;
                }
            }
        }
    });
    opened
}

fn room() -> Arc<Semaphore> {
    Arc::new(Semaphore::new(OBJECT_BUFFER_BYTES))
}

fn options(from: u64, etag: Option<String>) -> GetOptions {
    let range = (from > 0).then_some(GetRange::Offset(from));
    GetOptions { range, if_match: etag, ..GetOptions::default() }
}

/// Moves the bytes of one object from the store to its reader.
struct Pump {
    store: Arc<dyn ObjectStore>,
    wanted: Wanted,
    meta: ObjectMeta,
    /// What stands in it now stays, and more may come behind it meanwhile.
    grows: bool,
    sender: mpsc::UnboundedSender<io::Result<Chunk>>,
    room: Arc<Semaphore>,
    ending: Ending,
    waits: Option<Waits>,
}

/// The pause between two questions to a store that is away.
const AWAY_PAUSE: Duration = Duration::from_secs(5);

/// How a stream of bytes came to its end.
enum End {
    Complete,
    /// Whoever read is gone.
    Abandoned,
    /// The process ends, and nothing comes.
    CutOff,
    Broken(String),
}

/// Who does not give an object's bytes.
enum Fault {
    /// The store gives nothing: it is away, or denies access.
    Store { is_denied: bool },
    /// It is this object that it cannot give.
    Object,
}

impl Pump {
    async fn run(self, first: object_store::GetResult) {
        let mut at = first.range.start;
        let mut next = Some(first);
        let (mut in_vain, mut is_away) = (0, false);
        loop {
            let before = at;
            let asked = match next.take() {
                Some(first) => Ok(first),
                None => match self.ending.impatient(self.ask(at)).await {
                    Some(asked) => asked,
                    None => return self.cut_off(),
                },
            };
            // the store's client has tried for minutes where it gives an error
            let was_tried = asked.is_err();
            let is_denied = asked.as_ref().is_err_and(is_denied);
            let end = match asked {
                Ok(result) => self.stream(result, &mut at).await,
                // the next process asks whoever does not serve now
                Err(_) if self.ending.is_near() => return self.cut_off(),
                Err(error) if self.waits.is_some() && (is_denied || !is_refused(&error)) => {
                    End::Broken(describe(&error))
                }
                // among them that the object is another now
                Err(error) => return self.fail(&describe(&error)),
            };
            if at > before && std::mem::take(&mut is_away) {
                self.tell(Broken::ReadOn);
            }
            let cause = match end {
                End::Complete | End::Abandoned => return,
                End::CutOff => return self.cut_off(),
                End::Broken(cause) => cause,
            };
            in_vain = if at > before { 0 } else { in_vain + 1 };
            let mut pause = Duration::from_millis(100) * 2u32.saturating_pow(in_vain);
            if was_tried || in_vain > BODY_RESUMES {
                match self.ending.impatient(self.whose_fault(is_denied)).await {
                    None => return self.cut_off(),
                    Some(Fault::Store { is_denied }) => {
                        self.tell(match std::mem::replace(&mut is_away, true) {
                            false => Broken::Waits { cause: &cause, is_denied },
                            true => Broken::WaitsOn,
                        });
                        (in_vain, pause) = (0, AWAY_PAUSE);
                    }
                    Some(Fault::Object) if in_vain > BODY_RESUMES => {
                        return self.give_up(&format!("broke off after {at} bytes: {cause}"));
                    }
                    // a right that was given back is not there everywhere at once
                    Some(Fault::Object) if is_denied => pause = AWAY_PAUSE,
                    Some(Fault::Object) => {}
                }
            }
            if self.ending.impatient(tokio::time::sleep(pause)).await.is_none() {
                return self.cut_off();
            }
        }
    }

    /// Asks for the rest, of the same version; of a blob that grows, as far as it went when it was opened.
    async fn ask(&self, at: u64) -> Result<object_store::GetResult, Error> {
        let asked = match self.grows {
            true => {
                let range = Some(GetRange::Bounded(at..self.meta.size));
                GetOptions { range, ..GetOptions::default() }
            }
            false => options(at, self.meta.e_tag.clone()),
        };
        self.store.get_opts(&self.wanted.location, asked).await
    }

    fn tell(&self, broken: Broken<'_>) {
        if let Some(waits) = &self.waits {
            (waits.tell)(&self.wanted.location, broken);
        }
    }

    /// Whether it is the store that does not serve, or this object alone. Access that is denied may be either: the
    /// store is asked for what it has served before.
    async fn whose_fault(&self, is_denied: bool) -> Fault {
        let Some(waits) = &self.waits else { return Fault::Object };
        if !is_denied {
            match self.store.head(&self.wanted.location).await {
                Err(error) if self::is_denied(&error) => {}
                Err(error) if !is_refused(&error) => return Fault::Store { is_denied: false },
                _ => return Fault::Object,
            }
        }
        match waits.served.is_any_given(self.store.as_ref()).await {
            true => Fault::Object,
            false => Fault::Store { is_denied: true },
        }
    }

    async fn stream(&self, result: object_store::GetResult, at: &mut u64) -> End {
        let end = result.range.end;
        let mut stream = result.into_stream();
        loop {
            let next = match self.ending.patient(stream.next()).await {
                Some(Some(next)) => next,
                Some(None) => break,
                None => return End::CutOff,
            };
            match next {
                Ok(bytes) => {
                    *at += bytes.len() as u64;
                    if !self.give(bytes).await {
                        return End::Abandoned;
                    }
                }
                Err(error) => return End::Broken(describe(&error)),
            }
        }
        match *at >= end {
            true => End::Complete,
            false => End::Broken("the connection ended early".into()),
        }
    }

    /// Waits until there is room, and gives the bytes on; `false` where nobody reads any more.
    async fn give(&self, bytes: Bytes) -> bool {
        let needed = u32::try_from(bytes.len().min(OBJECT_BUFFER_BYTES)).unwrap_or(u32::MAX);
        tokio::select! {
            room = Arc::clone(&self.room).acquire_many_owned(needed) => {
                self.sender.send(Ok(Chunk { bytes, room: room.ok() })).is_ok()
            }
            () = self.sender.closed() => false,
        }
    }

    fn cut_off(&self) {
        // whoever read may be gone
        let _ = self.sender.send(Err(io::Error::other(CutOff)));
    }

    fn give_up(&self, cause: &str) {
        self.tell(Broken::GivenUp(cause));
        self.fail(cause);
    }

    fn fail(&self, cause: &str) {
        // whoever read may be gone
        let _ = self.sender.send(Err(io::Error::other(cause.to_owned())));
    }
}

impl Read for Body {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        while self.current.is_empty() && !self.ended {
            self.held = None;
            match self.chunks.blocking_recv() {
                Some(Ok(chunk)) => (self.current, self.held) = (chunk.bytes, chunk.room),
                Some(Err(error)) => {
                    self.ended = true;
                    return Err(error);
                }
                None => self.ended = true,
            }
        }
        let read = self.current.len().min(buf.len());
        if let Some(target) = buf.get_mut(..read) {
            self.current.copy_to_slice(target);
        }
        Ok(read)
    }
}

/// What a store's error means to whoever asked for the object.
pub fn describe(error: &Error) -> String {
    match error {
        Error::NotFound { .. } => "it is not there any more".to_owned(),
        Error::Precondition { .. } => "it was written anew while it was read".to_owned(),
        denied if is_denied(denied) => format!("access is denied: {}", short(&innermost(denied))),
        other => short(&innermost(other)),
    }
}

/// The last cause: what was said by whoever failed, without the story of how it came here.
fn innermost(error: &dyn std::error::Error) -> String {
    let mut last = error;
    while let Some(cause) = last.source() {
        last = cause;
    }
    last.to_string()
}

/// An error's text in one line of bearable length: a store's answer is a page of XML.
fn short(text: &str) -> String {
    let words: Vec<&str> = text.split_whitespace().collect();
    let line = words.join(" ");
    match line.char_indices().nth(500) {
        Some((cut, _)) => format!("{}…", &line[..cut]),
        None => line,
    }
}

/// Whether a store denies access: the right is missing, or the credentials are none or are over.
pub fn is_denied(error: &Error) -> bool {
    match error {
        Error::PermissionDenied { .. } | Error::Unauthenticated { .. } => true,
        // of a token that is over AWS says so with a status of 400
        Error::Generic { .. } => {
            let text = chain(error);
            ["ExpiredToken", "InvalidToken", "TokenRefreshRequired"].iter().any(|code| text.contains(code))
        }
        _ => false,
    }
}

/// Whether a store has refused: the same will be refused until a person has changed something.
pub fn is_refused(error: &Error) -> bool {
    match error {
        Error::PermissionDenied { .. } | Error::Unauthenticated { .. } | Error::NotFound { .. } => true,
        // of a listing the store's client keeps the status in the text alone
        Error::Generic { .. } => is_refused_text(&chain(error)),
        Error::JoinError { .. } => false,
        _ => true,
    }
}

/// Whether a store's words tell of a mistake of whoever asks: a status of 4xx, but for those that pass, or a
/// bucket of another region.
fn is_refused_text(text: &str) -> bool {
    let status = text.split("status code: ").nth(1).and_then(|rest| rest.split(' ').next());
    let status = status.and_then(|status| status.parse::<u16>().ok());
    let passes = |status: u16| matches!(status, 408 | 425 | 429) || !(400..500).contains(&status);
    status.map_or_else(|| text.contains("redirect without LOCATION"), |status| !passes(status))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_that_are_over_are_denied_access_whatever_the_status() {
        let generic = |text: &str| Error::Generic { store: "S3", source: text.to_owned().into() };
        let denied = |source: &str| Error::PermissionDenied { path: "a".into(), source: source.into() };
        for (error, expected) in [
            (denied("status code: 403 Forbidden"), true),
            (Error::Unauthenticated { path: "a".into(), source: "401".into() }, true),
            (generic("status code: 400 Bad Request: <Error><Code>ExpiredToken</Code></Error>"), true),
            (generic("status code: 400 Bad Request: <Error><Code>InvalidRange</Code></Error>"), false),
            (generic("status code: 503 Service Unavailable"), false),
            (Error::NotFound { path: "a".into(), source: "404".into() }, false),
        ] {
            assert_eq!(is_denied(&error), expected, "{error}");
        }
    }

    #[test]
    fn what_a_person_must_mend_is_told_from_what_passes() {
        let said = |status: &str| {
            format!(
                "Error performing list request: … - Server returned non-2xx status code: {status}: <Error>"
            )
        };
        for (status, refused) in [
            ("400 Bad Request", true),
            ("403 Forbidden", true),
            ("404 Not Found", true),
            ("408 Request Timeout", false),
            ("429 Too Many Requests", false),
            ("503 Service Unavailable", false),
        ] {
            assert_eq!(is_refused_text(&said(status)), refused, "{status}");
        }
        assert!(is_refused_text("Received redirect without LOCATION, this normally indicates"));
        assert!(!is_refused_text("error sending request: tcp connect error: Connection refused"));
    }
}
