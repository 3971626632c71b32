//! TLS of pushed events.
//!
//! In: the files of a certificate and of its key (PEM). Out: connections whose handshake is done. Each handshake is
//! a task of its own with a time limit: who speaks something else, or nothing at all, is hung up on, and nobody waits
//! for it. Files that have changed are read anew, so that a renewed certificate needs no restart; where they do not
//! fit each other, the certificate before is shown on, and it is said.
//!
//! ```text
//! accepted ─▶ first byte of TLS? ─▶ handshake ─▶ requests
//!               no: 400, in the clear
//! ```

use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::SystemTime;

use axum::serve::Listener;
use serde::Deserialize;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, mpsc};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::{Error as PemError, PemObject};
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::server::TlsStream;

use crate::limits::{CERTIFICATE_LOOK, HANDSHAKE_PATIENCE, HANDSHAKES, MAX_PENDING_NOTES, REFUSED_BYTES};
use crate::transport::live::{Note, TransportError};
use crate::transport::serving::{QUESTION, Sign};

/// `tls = { cert = "…", key = "…" }`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TlsFiles {
    /// The certificate, and those between it and its authority behind it (PEM).
    pub cert: PathBuf,
    /// Its private key, not encrypted (PEM).
    pub key: PathBuf,
}

/// The type of the record that TLS begins with.
const HANDSHAKE_RECORD: u8 = 0x16;

/// What a client hears that does not speak TLS.
fn speak_tls(sign: &Sign) -> String {
    format!(
        "HTTP/1.1 400 Bad Request\r\nServer: {}\r\nConnection: close\r\nContent-Type: text/plain\r\n\
         Content-Length: 32\r\n\r\nthis port speaks TLS: say https\n",
        sign.text()
    )
}

impl TlsFiles {
    /// Paths begin at this folder.
    pub(super) fn resolve(&mut self, base: &Path) {
        self.cert = base.join(&self.cert);
        self.key = base.join(&self.key);
    }

    /// What is shown to clients.
    ///
    /// # Errors
    /// Which file cannot be read, or is none, or that they do not fit each other.
    pub(super) fn server(&self) -> Result<Arc<ServerConfig>, TransportError> {
        let wrong = |path: &Path, cause: &dyn std::fmt::Display| {
            TransportError::new(format!("[input.http] tls: {}: {cause}", path.display()))
        };
        let pem = std::fs::read(&self.cert).map_err(|error| wrong(&self.cert, &error))?;
        let chain: Result<Vec<_>, PemError> = CertificateDer::pem_slice_iter(&pem).collect();
        let chain = chain.map_err(|error| wrong(&self.cert, &error))?;
        if chain.is_empty() {
            return Err(wrong(&self.cert, &"it holds no certificate").help("write one as PEM"));
        }
        let pem = std::fs::read(&self.key).map_err(|error| wrong(&self.key, &error))?;
        let key = PrivateKeyDer::from_pem_slice(&pem).map_err(|error| match error {
            PemError::NoItemsFound => {
                wrong(&self.key, &"it holds no private key").help("write it as PEM, not encrypted")
            }
            other => wrong(&self.key, &other),
        })?;
        let built = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .and_then(|builder| builder.with_no_client_auth().with_single_cert(chain, key));
        let mut server = built.map_err(|error| {
            let both = format!("{} and {}", self.cert.display(), self.key.display());
            TransportError::new(format!("[input.http] tls: {both}: {error}"))
                .help("give a certificate and the key that it was made for")
        })?;
        server.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Arc::new(server))
    }

    /// When the files were written, where that is known.
    fn written(&self) -> [Option<SystemTime>; 2] {
        [&self.cert, &self.key].map(|path| path.metadata().and_then(|metadata| metadata.modified()).ok())
    }
}

/// What is shown to clients, and the files that it came from.
pub(super) struct Certificate {
    files: TlsFiles,
    written: [Option<SystemTime>; 2],
    server: Arc<ServerConfig>,
}

impl Certificate {
    /// The certificate of these files.
    ///
    /// # Errors
    /// As [`TlsFiles::server`].
    pub(super) fn new(files: &TlsFiles) -> Result<Self, TransportError> {
        // what is written while it is read is read again
        let written = files.written();
        Ok(Self { files: files.clone(), written, server: files.server()? })
    }

    /// Reads the files anew where they have changed; says what came of it.
    fn renew(&mut self) -> Option<Note> {
        let written = self.files.written();
        if written == std::mem::replace(&mut self.written, written) {
            return None;
        }
        let (cause, message) = match self.files.server() {
            Ok(server) => {
                self.server = server;
                ("certificate_renewed", "the certificate has been read anew".to_owned())
            }
            Err(error) => ("certificate_refused", format!("{error}; the one before is shown on")),
        };
        Some(Note { cause, count: 1, message })
    }
}

/// A listener whose connections speak TLS.
pub(super) struct TlsListener {
    address: SocketAddr,
    done: mpsc::Receiver<(TlsStream<TcpStream>, SocketAddr)>,
}

impl TlsListener {
    /// Serves this certificate on a listener, within the runtime that this is called in. What is to be told comes
    /// through the second.
    pub(super) fn new(
        listener: TcpListener,
        certificate: Certificate,
        sign: &Sign,
    ) -> io::Result<(Self, mpsc::Receiver<Note>)> {
        let (sender, done) = mpsc::channel(HANDSHAKES);
        let (notes, told) = mpsc::channel(MAX_PENDING_NOTES);
        let address = listener.local_addr()?;
        let telling = Telling { notes, told: Arc::default(), refusal: speak_tls(sign).into() };
        tokio::spawn(take_all(listener, certificate, sender, telling));
        Ok((Self { address, done }, told))
    }
}

impl Listener for TlsListener {
    type Io = TlsStream<TcpStream>;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        match self.done.recv().await {
            Some(connection) => connection,
            // whoever accepts ends with the runtime, and so does this
            None => std::future::pending().await,
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        Ok(self.address)
    }
}

/// Says what becomes of handshakes: the first that fails in words, the others by their count.
#[derive(Clone)]
struct Telling {
    notes: mpsc::Sender<Note>,
    told: Arc<AtomicBool>,
    /// What a client hears that does not speak TLS.
    refusal: Arc<str>,
}

impl Telling {
    fn tell(&self, note: Note) {
        // those that are on their way already say what is wrong
        let _ = self.notes.try_send(note);
    }

    fn failed(&self, peer: SocketAddr, why: &str) {
        let message = match self.told.swap(true, Ordering::Relaxed) {
            true => String::new(),
            false => {
                format!("a client at {} was hung up on: {why}; further ones are only counted", peer.ip())
            }
        };
        self.tell(Note { cause: "handshake_failed", count: 1, message });
    }
}

/// Accepts connections until nobody takes them any more.
async fn take_all(
    mut listener: TcpListener,
    mut certificate: Certificate,
    done: mpsc::Sender<(TlsStream<TcpStream>, SocketAddr)>,
    telling: Telling,
) {
    let room = Arc::new(Semaphore::new(HANDSHAKES));
    let mut look = tokio::time::interval(CERTIFICATE_LOOK);
    loop {
        let Ok(place) = Arc::clone(&room).acquire_owned().await else { return };
        let (stream, peer) = tokio::select! {
            accepted = Listener::accept(&mut listener) => accepted,
            _ = look.tick() => {
                certificate.renew().into_iter().for_each(|note| telling.tell(note));
                continue;
            }
            () = done.closed() => return,
        };
        let acceptor = TlsAcceptor::from(Arc::clone(&certificate.server));
        let (done, telling) = (done.clone(), telling.clone());
        tokio::spawn(async move {
            let _place = place;
            match tokio::time::timeout(HANDSHAKE_PATIENCE, shake_hands(&acceptor, stream, &telling.refusal))
                .await
            {
                // whoever served is gone with the process
                Ok(Ok(Some(stream))) => drop(done.send((stream, peer)).await),
                Ok(Ok(None)) => {}
                Ok(Err(error)) => telling.failed(peer, &error.to_string()),
                Err(_) => telling.failed(peer, "it did not come to the end of the handshake"),
            }
        });
    }
}

/// The connection as one of TLS; one that begins otherwise hears why not. `None` where it only asked who is here.
async fn shake_hands(
    acceptor: &TlsAcceptor,
    mut stream: TcpStream,
    refusal: &str,
) -> io::Result<Option<TlsStream<TcpStream>>> {
    let mut first = [0; QUESTION.len()];
    if stream.peek(&mut first).await? > 0 && !first.starts_with(&[HANDSHAKE_RECORD]) {
        stream.write_all(refusal.as_bytes()).await?;
        stream.shutdown().await?;
        // a connection that is closed over unread bytes takes the answer with it
        tokio::io::copy(&mut stream.take(REFUSED_BYTES), &mut tokio::io::sink()).await?;
        return match first == *QUESTION {
            true => Ok(None),
            false => Err(io::Error::other("it does not speak TLS")),
        };
    }
    acceptor.accept(stream).await.map(Some)
}

#[cfg(test)]
mod tests {
    use super::super::tests::{file, files};
    use super::*;

    #[test]
    fn files_that_are_missing_or_wrong_are_named() {
        let folder = tempfile::tempdir().unwrap();
        let empty = folder.path().join("empty.pem");
        std::fs::write(&empty, "").unwrap();
        let torn = folder.path().join("torn.pem");
        std::fs::write(&torn, "-----BEGIN CERTIFICATE-----\n!!\n-----END CERTIFICATE-----\n").unwrap();
        for (cert, key, path, expected) in [
            (file("nowhere.pem"), file("server.key"), file("nowhere.pem"), "No such file"),
            (file("server.pem"), file("nowhere.key"), file("nowhere.key"), "No such file"),
            (empty.clone(), file("server.key"), empty.clone(), "holds no certificate"),
            (torn.clone(), file("server.key"), torn, "base64"),
            (file("server.key"), file("server.key"), file("server.key"), "holds no certificate"),
            (file("server.pem"), file("server.pem"), file("server.pem"), "holds no private key"),
            (file("server.pem"), empty.clone(), empty, "holds no private key"),
            (file("server.pem"), file("other.key"), file("other.key"), "the key that it was made for"),
        ] {
            let error = TlsFiles { cert, key }.server().unwrap_err().to_string();
            assert!(error.starts_with("[input.http] tls: "), "{error}");
            assert!(error.contains(&path.display().to_string()) && error.contains(expected), "{error}");
        }
        assert!(files("server").server().is_ok());
    }

    #[test]
    fn a_renewed_certificate_is_read_and_one_that_does_not_fit_is_not_shown() {
        let folder = tempfile::tempdir().unwrap();
        let own = TlsFiles { cert: folder.path().join("a.pem"), key: folder.path().join("a.key") };
        let mut second = 1_000_000;
        let mut put = |from: &str, to: &Path| {
            std::fs::copy(file(from), to).unwrap();
            second += 1;
            let at = SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(second);
            std::fs::File::options().append(true).open(to).unwrap().set_modified(at).unwrap();
        };
        put("server.pem", &own.cert);
        put("server.key", &own.key);
        let mut certificate = Certificate::new(&own).unwrap();
        let first = Arc::clone(&certificate.server);
        assert_eq!(certificate.renew(), None);
        put("other.pem", &own.cert);
        let note = certificate.renew().unwrap();
        assert_eq!(note.cause, "certificate_refused");
        assert!(Arc::ptr_eq(&certificate.server, &first), "the one before is shown on");
        assert_eq!(certificate.renew(), None, "what is wrong is said once");
        put("other.key", &own.key);
        assert_eq!(certificate.renew().unwrap().cause, "certificate_renewed");
        assert!(!Arc::ptr_eq(&certificate.server, &first));
    }

    #[test]
    fn what_a_client_hears_has_the_length_that_it_says() {
        let refusal = speak_tls(&Sign::of("a"));
        let (head, body) = refusal.split_once("\r\n\r\n").unwrap();
        assert!(head.contains(&format!("Content-Length: {}", body.len())));
    }
}
