//! The body of one object, as a reader.
//!
//! In: a store, a key, a range. Out: what the store says of the object, and its bytes through a bounded
//! buffer: the store is asked for more as the reader takes it. A body that breaks off, or that takes longer
//! than one request may, is asked for again from where it stands, of the same version of the object. Where the
//! store itself is away, whoever reads live waits for it: given up, the rest of the object would be lost.

use std::io::{self, Read};
use std::sync::Arc;
use std::time::Duration;

use bytes::{Buf, Bytes};
use futures::StreamExt;
use object_store::path::Path;
use object_store::{Error, GetOptions, GetRange, ObjectMeta, ObjectStore, ObjectStoreExt as _};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};

use super::aws::chain;
use super::ending::Ending;
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

/// Is told where a store goes away in the middle of an object: which, and why; and, without a cause, when it is back.
pub type Tell = Arc<dyn Fn(&Path, Option<&str>) + Send + Sync>;

/// Starts to read an object. The answer comes when the store has found it. With `waits` a store that goes away
/// in the middle is waited for, however long that takes; without, what the store does not give is an error.
pub fn open(
    store: Arc<dyn ObjectStore>,
    wanted: Wanted,
    ending: Ending,
    waits: Option<Tell>,
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
                let body = Body { chunks, current: Bytes::new(), held: None, ended: false };
                let (of, room) = (meta.clone(), room());
                let pump = Pump { store, wanted, meta: of, sender, room, ending, waits };
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
    sender: mpsc::UnboundedSender<io::Result<Chunk>>,
    room: Arc<Semaphore>,
    ending: Ending,
    waits: Option<Tell>,
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

impl Pump {
    async fn run(self, first: object_store::GetResult) {
        let mut at = first.range.start;
        let mut next = Some(first);
        let (mut in_vain, mut is_away) = (0, false);
        loop {
            let before = at;
            let result = match next.take() {
                Some(first) => Ok(first),
                None => {
                    let etag = self.meta.e_tag.clone();
                    let again = self.store.get_opts(&self.wanted.location, options(at, etag));
                    match self.ending.impatient(again).await {
                        Some(result) => result,
                        None => return self.cut_off(),
                    }
                }
            };
            // the store's client has tried for minutes where it gives an error
            let was_tried = result.is_err();
            let end = match result {
                Ok(result) => self.stream(result, &mut at).await,
                // the next process asks whoever does not serve now
                Err(_) if self.ending.is_near() => return self.cut_off(),
                // among them that the object is another now
                Err(error) if is_refused(&error) || self.waits.is_none() => {
                    return self.fail(&describe(&error));
                }
                Err(error) => End::Broken(describe(&error)),
            };
            if at > before && std::mem::take(&mut is_away) {
                self.tell(None);
            }
            let cause = match end {
                End::Complete | End::Abandoned => return,
                End::CutOff => return self.cut_off(),
                End::Broken(cause) => cause,
            };
            in_vain = if at > before { 0 } else { in_vain + 1 };
            let mut pause = Duration::from_millis(100) * 2u32.saturating_pow(in_vain);
            if was_tried || in_vain > BODY_RESUMES {
                match self.ending.impatient(self.is_store_away()).await {
                    None => return self.cut_off(),
                    Some(true) => {
                        if !std::mem::replace(&mut is_away, true) {
                            self.tell(Some(&cause));
                        }
                        (in_vain, pause) = (0, AWAY_PAUSE);
                    }
                    // it is this object that it cannot give
                    Some(false) if in_vain > BODY_RESUMES => {
                        return self.fail(&format!("broke off after {at} bytes: {cause}"));
                    }
                    Some(false) => {}
                }
            }
            if self.ending.impatient(tokio::time::sleep(pause)).await.is_none() {
                return self.cut_off();
            }
        }
    }

    fn tell(&self, cause: Option<&str>) {
        if let Some(tell) = &self.waits {
            tell(&self.wanted.location, cause);
        }
    }

    /// Whether the store, which is waited for, says nothing of the object either.
    async fn is_store_away(&self) -> bool {
        self.waits.is_some()
            && matches!(self.store.head(&self.wanted.location).await, Err(error) if !is_refused(&error))
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
        Error::PermissionDenied { .. } | Error::Unauthenticated { .. } => {
            format!("access is denied: {}", short(&innermost(error)))
        }
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
