//! Requests that are sent over sockets, as senders send them.

use super::*;
use crate::transport::serving::Port;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::PathBuf;

use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

struct Server {
    transport: Box<dyn LiveTransport>,
    address: SocketAddr,
    told: u8,
    notes: Vec<Note>,
}

/// A file of the certificates that tests show: `server` and `other` are of one authority, whose key is gone, for
/// `localhost` and 127.0.0.1 and a hundred years.
pub(super) fn file(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/tls").join(name)
}

pub(super) fn files(name: &str) -> TlsFiles {
    TlsFiles { cert: file(&format!("{name}.pem")), key: file(&format!("{name}.key")) }
}

fn serve(answer: Answer, token: Option<&str>) -> Server {
    serve_over(answer, token, None)
}

fn serve_over(answer: Answer, token: Option<&str>, tls: Option<TlsFiles>) -> Server {
    serve_as(config(answer, tls), token)
}

fn config(answer: Answer, tls: Option<TlsFiles>) -> HttpConfig {
    HttpConfig {
        listen: "127.0.0.1:0".into(),
        token: None,
        tls,
        answer,
        max_size: Size(1_000),
        wait: Span::seconds(1),
    }
}

fn serve_as(config: HttpConfig, token: Option<&str>) -> Server {
    let certificate = config.tls.as_ref().map(|files| Certificate::new(files).unwrap());
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let context = OpenContext {
        input: "push".into(),
        instance: "test".into(),
        positions: Positions::default(),
        known: false,
        clock: Arc::new(|| 42),
        state: std::path::PathBuf::new(),
        stop: Arc::default(),
    };
    let token = token.map(|token| blake3::hash(token.as_bytes()));
    let bound = Bound { listener, token, certificate };
    Server { transport: config.serve(bound, context).unwrap(), address, told: 0, notes: Vec::new() }
}

impl Server {
    fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        stream
    }

    fn send(&self, path: &str, headers: &str, body: &[u8]) -> TcpStream {
        request(self.connect(), path, headers, body)
    }

    /// Sends over TLS to who shows a certificate of the tests' authority.
    fn send_secretly(&self, path: &str, headers: &str, body: &[u8]) -> impl Read {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_file(file("ca.pem")).unwrap()).unwrap();
        let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        let name = ServerName::try_from("localhost").unwrap();
        let client = ClientConnection::new(Arc::new(config), name).unwrap();
        request(StreamOwned::new(client, self.connect()), path, headers, body)
    }

    fn delivery(&mut self) -> Option<Delivery> {
        for _ in 0..20 {
            match self.transport.poll(Duration::from_millis(200)).unwrap() {
                Some(Event::Delivery(delivery)) => return Some(delivery),
                Some(Event::Opened { .. } | Event::Ready) => self.told += 1,
                Some(Event::Note(note)) => self.notes.push(note),
                _ => {}
            }
        }
        None
    }
}

fn request<S: Write>(mut stream: S, path: &str, headers: &str, body: &[u8]) -> S {
    let length = body.len();
    let head = format!(
        "POST {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: {length}\r\n{headers}\r\n"
    );
    stream.write_all(head.as_bytes()).unwrap();
    // what is refused at its head may not be read to its end
    let _ = stream.write_all(body);
    stream
}

fn status(mut stream: impl Read) -> (u16, String) {
    let mut text = String::new();
    let _ = stream.read_to_string(&mut text);
    (text.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0), text)
}

#[test]
fn who_is_refused_hears_why_however_much_it_sends() {
    let server = serve(Answer::AtOnce, Some("word"));
    // more than buffers on the way hold
    let large = vec![b'x'; 8 << 20];
    for (path, headers, expected) in [
        ("/v1/ingest/auto", "", 401),
        ("/v1/ingest/auto", "Authorization: Bearer word\r\n", 413),
        ("/v1/ingest/nobody", "Authorization: Bearer word\r\n", 404),
    ] {
        let mut sends = server.connect();
        let length = large.len();
        let head = format!(
            "POST {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: {length}\r\n{headers}\r\n"
        );
        sends.write_all(head.as_bytes()).unwrap();
        // many hear nothing more once they cannot send
        sends.write_all(&large).expect("it is not hung up on while it sends");
        assert_eq!(status(sends).0, expected);
    }
    // who asks before it sends is answered before
    let mut asks = server.connect();
    asks.write_all(
        b"POST /v1/ingest/auto HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 100\r\n\r\n",
    )
    .unwrap();
    assert_eq!(status(asks).0, 401);
    // and who sends nothing more is waited for no longer than for a while
    let mut silent = server.connect();
    silent.write_all(b"POST /v1/ingest/auto HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n").unwrap();
    assert_eq!(status(silent).0, 401);
}

#[test]
fn a_request_is_answered_when_a_checkpoint_is_behind_it() {
    let mut server = serve(Answer::Checkpoint, Some("word"));
    let token = "Authorization: Bearer word\r\n";
    let stream = server.send("/v1/ingest/aws.cloudtrail", token, b"{\"a\":1}\n");
    let delivery = server.delivery().unwrap();
    assert!(delivery.urgent);
    assert_eq!(delivery.source.map(|source| source.name), Some("aws.cloudtrail"));
    let Contents::Messages(messages) = &delivery.contents else { panic!("messages") };
    assert_eq!(messages.iter().next().unwrap().bytes, b"{\"a\":1}\n");
    server.transport.acknowledge(delivery.ticket, &Positions::default());
    assert_eq!(status(stream).0, 200);
    // without a checkpoint the sender is told to come again
    let stream = server.send("/v1/ingest/auto", token, b"{}");
    assert!(server.delivery().unwrap().source.is_none());
    assert_eq!(status(stream).0, 503);
}

#[test]
fn who_does_not_come_to_an_end_takes_nothing_from_others() {
    let mut server = serve(Answer::AtOnce, None);
    let mut slow = server.connect();
    let head =
        "POST /v1/ingest/auto HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 900\r\n\r\n{";
    slow.write_all(head.as_bytes()).unwrap();
    let (got, text) = status(slow);
    assert_eq!(got, 408, "{text}");
    assert!(text.contains("send it again"), "{text}");
    // nor is a connection kept for who does not come to the end of a head
    for begun in ["", "POST /v1/ingest/auto HTTP/1.1\r\nHos"] {
        let mut slow = server.connect();
        slow.write_all(begun.as_bytes()).unwrap();
        let began = std::time::Instant::now();
        status(slow);
        assert!(began.elapsed() < Duration::from_secs(15), "{begun:?}: it is hung up on");
    }
    assert_eq!(status(server.send("/v1/ingest/auto", "", b"{}")).0, 202);
    let Contents::Messages(messages) = server.delivery().unwrap().contents else { panic!("messages") };
    assert_eq!(messages.iter().map(|message| message.bytes).collect::<Vec<_>>(), [b"{}"]);
}

#[test]
fn what_may_not_be_pushed_is_refused() {
    let mut server = serve(Answer::AtOnce, Some("word"));
    let token = "Authorization: Bearer word\r\n";
    let large = vec![b' '; 2_000];
    for (path, headers, body, expected) in [
        ("/v1/ingest/auto", "", &b"{}"[..], 401),
        ("/v1/ingest/auto", "Authorization: Bearer work\r\n", b"{}", 401),
        ("/v1/ingest/auto", "Authorization: Basic word\r\n", b"{}", 401),
        ("/v1/ingest/auto", "Authorization: word\r\n", b"{}", 401),
        ("/v1/ingest/auto", "Authorization: bearer word\r\n", b"{}", 202),
        ("/v1/ingest/nothing", token, b"{}", 404),
        ("/v1/ingest/auto", token, &large, 413),
        ("/v1/ingest/auto", &format!("{token}Content-Encoding: br\r\n"), b"{}", 415),
        ("/v1/ingest/auto", &format!("{token}Content-Encoding: gzip\r\n"), b"{}", 202),
        // codings are written in any case, and one has an older name
        ("/v1/ingest/auto", &format!("{token}Content-Encoding: GZIP\r\n"), b"{}", 202),
        ("/v1/ingest/auto", &format!("{token}Content-Encoding: X-gzip\r\n"), b"{}", 202),
        ("/v1/ingest/auto", &format!("{token}Content-Encoding: Zstd\r\n"), b"{}", 202),
    ] {
        let (got, text) = status(server.send(path, headers, body));
        assert_eq!(got, expected, "{path} {headers}: {text}");
    }
    assert!(!server.delivery().unwrap().urgent);
    server.transport.pause();
    let (got, text) = status(server.send("/v1/ingest/auto", token, b"{}"));
    assert_eq!(got, 429);
    assert!(text.to_lowercase().contains("retry-after: 1"), "{text}");
    server.transport.resume();
    assert_eq!(status(server.send("/v1/ingest/auto", token, b"{}")).0, 202);
}

#[test]
fn what_was_answered_at_once_comes_before_the_end_and_nothing_is_answered_so_behind_it() {
    let mut server = serve(Answer::AtOnce, None);
    let bodies: Vec<String> = (0..50).map(|number| format!("{{\"a\":{number}}}")).collect();
    for body in &bodies {
        assert_eq!(status(server.send("/v1/ingest/auto", "", body.as_bytes())).0, 202);
    }
    // whoever works had enough
    server.transport.pause();
    let mut given = Vec::new();
    while let Some(event) = server.transport.leave() {
        let Event::Delivery(Delivery { contents: Contents::Messages(messages), .. }) = event else {
            continue;
        };
        given.extend(messages.iter().map(|m| String::from_utf8_lossy(m.bytes).into_owned()));
        let (got, text) = status(server.send("/v1/ingest/auto", "", b"{}"));
        assert_eq!(got, 503, "{text}");
        assert!(text.contains("the process ends; send it again"), "{text}");
    }
    assert_eq!(given, bodies);
}

#[test]
fn who_sends_nothing_takes_no_room_of_others() {
    let largest = Size(PUSHED_BYTES as u64);
    for length in ["Transfer-Encoding: chunked".to_owned(), format!("Content-Length: {PUSHED_BYTES}")] {
        let mut config = config(Answer::AtOnce, None);
        (config.max_size, config.wait) = (largest, Span::seconds(60));
        let server = serve_as(config, None);
        let idle: Vec<TcpStream> = (0..8)
            .map(|number| {
                let mut idle = server.connect();
                let head = "POST /v1/ingest/auto HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\n";
                let length = if number == 0 { &length } else { "Transfer-Encoding: chunked" };
                idle.write_all(format!("{head}{length}\r\n\r\n").as_bytes()).unwrap();
                // its body is waited for, and it has its room
                let mut said = [0; 12];
                idle.read_exact(&mut said).unwrap();
                assert_eq!(String::from_utf8_lossy(&said), "HTTP/1.1 100", "{length}");
                idle
            })
            .collect();
        let (got, text) = status(server.send("/v1/ingest/auto", "", &vec![b' '; 1_000_000]));
        assert_eq!(got, 202, "{length}: {text}");
        drop(idle);
    }
}

#[test]
fn a_body_without_a_length_is_read_to_its_end_or_refused_where_it_is_too_large() {
    for (bytes, expected) in [(PUSHED_STEP * 3, 202), (PUSHED_STEP * 4, 202), (PUSHED_STEP * 4 + 1, 413)] {
        let mut config = config(Answer::AtOnce, None);
        (config.max_size, config.wait) = (Size(PUSHED_STEP as u64 * 4), Span::seconds(60));
        let mut server = serve_as(config, None);
        let mut stream = server.connect();
        let head = "POST /v1/ingest/auto HTTP/1.1\r\nHost: x\r\nConnection: close\r\n";
        stream
            .write_all(format!("{head}Transfer-Encoding: chunked\r\n\r\n{bytes:x}\r\n").as_bytes())
            .unwrap();
        // what is refused is not read to its end
        let _ = stream.write_all(&vec![b' '; bytes]).and_then(|()| stream.write_all(b"\r\n0\r\n\r\n"));
        let (got, text) = status(stream);
        assert_eq!(got, expected, "{bytes}: {text}");
        if expected == 202 {
            let Contents::Messages(messages) = server.delivery().unwrap().contents else {
                panic!("messages")
            };
            assert_eq!(messages.bytes(), bytes);
        }
    }
}

#[test]
fn lengths_and_sizes_are_written_with_a_unit_or_as_they_were() {
    let read =
        |keys: &str| serde_json::from_str::<HttpConfig>(&format!(r#"{{"listen":"127.0.0.1:8088"{keys}}}"#));
    let as_it_was = read(r#","max_bytes":2097152,"wait_seconds":90"#).unwrap();
    for keys in [
        r#","max_size":"2MB","wait":"90s""#,
        r#","max_size":"2MiB","wait":90"#,
        r#","max_bytes":"2048KB","wait_seconds":"90s""#,
    ] {
        assert_eq!(read(keys).unwrap(), as_it_was, "{keys}");
    }
    for (size, right) in [("\"0B\"", false), ("\"1B\"", true), ("\"64MB\"", true), ("\"65MB\"", false)] {
        let proved = read(&format!(r#","max_size":{size}"#)).unwrap().desk();
        assert_eq!(proved.is_ok(), right, "{size}");
        assert!(right || proved.is_err_and(|error| error.to_string().contains("max_size")));
    }
    let at_once = read(r#","wait":0"#).unwrap().desk();
    assert!(at_once.is_err_and(|error| error.to_string().contains("wait")));
    assert!(read(r#","max_size":1,"max_bytes":1"#).is_err());
}

#[test]
fn without_a_token_only_the_loopback_is_listened_on() {
    let config: HttpConfig = serde_json::from_str(r#"{"listen":"0.0.0.0:8088"}"#).unwrap();
    assert!(config.desk().unwrap_err().to_string().contains("token"));
    let config: HttpConfig = serde_json::from_str(r#"{"listen":"127.0.0.1:8088"}"#).unwrap();
    assert!(config.desk().is_ok());
    assert!(serde_json::from_str::<HttpConfig>(r#"{"listen":"x","tokens":1}"#).is_err());
}

#[test]
fn over_tls_a_client_that_speaks_something_else_hurts_nobody() {
    let mut server = serve_over(Answer::AtOnce, Some("word"), Some(files("server")));
    let token = "Authorization: Bearer word\r\n";
    // a configuration that is checked wants the port: that is no client, and is not counted
    for (instance, expected) in [("test", Port::Own), ("other", Port::OtherVirga)] {
        assert_eq!(port(server.address, &Sign::of(instance)), Ok(expected));
    }
    for _ in 0..4 {
        let event = server.transport.poll(Duration::from_millis(100)).unwrap();
        assert!(!matches!(event, Some(Event::Note(_))), "it is told as a client");
    }
    // one says nothing, one begins a handshake and stops
    let silent = server.connect();
    let mut halting = server.connect();
    halting.write_all(&[0x16, 0x03, 0x01]).unwrap();
    for _ in 0..3 {
        let (got, text) = status(server.send("/v1/ingest/auto", token, b"{}"));
        assert_eq!(got, 400, "{text}");
        assert!(text.contains("say https") && !text.contains("word"), "{text}");
        let (got, text) = status(server.send_secretly("/v1/ingest/aws.cloudtrail", token, b"{\"a\":1}\n"));
        assert_eq!(got, 202, "{text}");
        assert_eq!(status(server.send_secretly("/v1/ingest/auto", "", b"{}")).0, 401);
        let delivery = server.delivery().unwrap();
        assert_eq!(delivery.source.map(|source| source.name), Some("aws.cloudtrail"));
        let Contents::Messages(messages) = &delivery.contents else { panic!("messages") };
        assert_eq!(messages.iter().next().unwrap().bytes, b"{\"a\":1}\n");
    }
    drop((silent, halting));
    for _ in 0..100 {
        if server.notes.len() >= 3 {
            break;
        }
        if let Some(Event::Note(note)) = server.transport.poll(Duration::from_millis(100)).unwrap() {
            server.notes.push(note);
        }
    }
    assert!(server.notes.len() >= 3, "{:?}", server.notes);
    assert!(server.notes.iter().all(|note| note.cause == "handshake_failed"));
    let words: Vec<&Note> = server.notes.iter().filter(|note| !note.message.is_empty()).collect();
    assert_eq!(words.len(), 1, "{:?}", server.notes);
    assert!(words[0].message.contains("does not speak TLS"), "{:?}", words[0]);
}

#[test]
fn in_the_clear_off_the_loopback_is_warned_of() {
    let tls = r#","tls":{"cert":"c.pem","key":"k.pem"}"#;
    for (listen, more, warned) in [
        ("0.0.0.0:8088", "", true),
        ("192.0.2.7:8088", "", true),
        ("[::]:8088", "", true),
        ("0.0.0.0:8088", tls, false),
        ("127.0.0.1:8088", "", false),
        ("[::1]:8088", "", false),
    ] {
        let text = format!(r#"{{"listen":"{listen}","token":{{"env":"T"}}{more}}}"#);
        let config: HttpConfig = serde_json::from_str(&text).unwrap();
        let warnings = config.warnings();
        assert_eq!(warnings.len(), usize::from(warned), "{listen}{more}: {warnings:?}");
        assert!(warnings.iter().all(|warning| warning.contains("in the clear")));
    }
}

#[test]
fn codings_are_a_list_of_one_line_or_of_several_and_one_packs_the_body() {
    for (lines, expected) in [
        (&[][..], true),
        (&["gzip"], true),
        (&["X-GZIP"], true),
        (&["identity, zstd"], true),
        (&["identity", "gzip"], true),
        (&["gzip", "br"], false),
        (&["br", "gzip"], false),
        (&["gzip", "gzip"], false),
        (&["gzip, zstd"], false),
        (&["deflate"], false),
    ] {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(header::CONTENT_ENCODING, header::HeaderValue::from_static(line));
        }
        assert_eq!(is_unpacked(&headers), expected, "{lines:?}");
    }
}
