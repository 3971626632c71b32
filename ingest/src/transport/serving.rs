//! Serving requests: what pushed events and the daemon's metrics have in common.
//!
//! In: a listener, what answers, how long the head of a request may take, and how many may be connected. Out: connections
//! that are served as axum would; who does not come to the end of a head in time is hung up on. Each answer says whose it
//! is:
//!
//! ```text
//! Server: virga (5f0c2e61a7d94b38)
//! ```
//!
//! By that a Virga that wants a port knows who holds it ([`port`]): the process that it is to follow, which goes on from
//! the same state folder and so has the same sign; another Virga; or a stranger. The sign is a hash of the name that the
//! folder has, which brokers know too: it opens nothing.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::io::{self, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::{Body, Bytes, HttpBody};
use axum::http::{HeaderValue, header};
use axum::middleware::map_response;
use axum::response::Response;
use axum::serve::Listener;
use hyper::body::{Frame, SizeHint};
use hyper::server::conn::http1;
use hyper::service::{Service as _, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::task::JoinHandle;

use crate::limits::{HEAD_OF_ANSWER, PORT_PATIENCE};

/// What every sign begins with.
const NAME: &str = "virga";

/// What a Virga asks that wants to know who holds a port, up to where it is like no other question.
pub const QUESTION: &[u8; 12] = b"GET /healthz";

/// What says whose an answer is: of the name that a process keeps over its restarts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sign(String);

impl Sign {
    /// The sign of a name; of none where the process has none yet.
    pub fn of(instance: &str) -> Self {
        if instance.is_empty() {
            return Self(NAME.to_owned());
        }
        let hash = blake3::hash(format!("port of {instance}").as_bytes()).to_hex();
        Self(format!("{NAME} ({})", hash.as_str().get(..16).unwrap_or_default()))
    }

    /// As it stands behind `Server:`.
    pub fn text(&self) -> &str {
        &self.0
    }
}

/// Serves connections for as long as the runtime is there, so many at once at the most: each is an open file of the
/// process. Where one more comes, the oldest that asks nothing is hung up on.
pub async fn serve(
    mut listener: impl Listener,
    router: Router,
    sign: &Sign,
    patience: Duration,
    most: usize,
) {
    let router = match HeaderValue::from_str(sign.text()) {
        Ok(sign) => router.layer(map_response(move |mut response: Response| {
            response.headers_mut().insert(header::SERVER, sign.clone());
            std::future::ready(response)
        })),
        Err(_) => router,
    };
    let mut connections = Connections::default();
    loop {
        let (stream, _) = listener.accept().await;
        // whoever comes is not one of those who may be hung up on
        connections.make_room(most).await;
        let asks = Arc::new(AtomicBool::new(false));
        let (router, asking) = (TowerToHyperService::new(router.clone()), Arc::clone(&asks));
        let service = service_fn(move |request| {
            let (answering, asks) = (router.call(request), Asks::begin(&asking));
            async move { Ok::<_, Infallible>(answering.await?.map(|body| Answer { body, _asks: asks })) }
        });
        let task = tokio::spawn(async move {
            let mut http = http1::Builder::new();
            http.timer(TokioTimer::new()).header_read_timeout(patience);
            // who went away, or was hung up on, is told nothing more
            drop(http.serve_connection(TokioIo::new(stream), service).await);
        });
        connections.0.push_back(Connection { task, asks, since: Instant::now() });
    }
}

/// A request that is being answered, for as long as there is something left to send.
struct Asks(Arc<AtomicBool>);

impl Asks {
    fn begin(asks: &Arc<AtomicBool>) -> Self {
        asks.store(true, Ordering::Relaxed);
        Self(Arc::clone(asks))
    }
}

impl Drop for Asks {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Relaxed);
    }
}

/// What is sent: once it is out, its connection asks nothing any more.
struct Answer {
    body: Body,
    _asks: Asks,
}

impl HttpBody for Answer {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// How long to wait where all who are connected ask something.
const ALL_ASK: Duration = Duration::from_millis(20);

/// How long somebody who has just come may take to ask: at once it could not be told from one who does not.
const JUST_CAME: Duration = Duration::from_millis(100);

struct Connection {
    task: JoinHandle<()>,
    /// A request is being answered ([`Asks`]): who sends one slowly, or waits for its answer, is not hung up on.
    asks: Arc<AtomicBool>,
    since: Instant,
}

impl Connection {
    fn is_idle(&self) -> bool {
        !self.asks.load(Ordering::Relaxed) && self.since.elapsed() >= JUST_CAME
    }
}

/// Who is connected, the oldest first.
#[derive(Default)]
struct Connections(VecDeque<Connection>);

impl Connections {
    /// Makes room for one more.
    async fn make_room(&mut self, most: usize) {
        while self.0.len() >= most.max(1) {
            self.0.retain(|connection| !connection.task.is_finished());
            if self.0.len() < most.max(1) {
                return;
            }
            match self.0.iter().position(Connection::is_idle) {
                Some(oldest) => {
                    if let Some(connection) = self.0.remove(oldest) {
                        connection.task.abort();
                    }
                }
                None => tokio::time::sleep(ALL_ASK).await,
            }
        }
    }
}

/// Who has a port that is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Port {
    /// Nobody.
    Free,
    /// The process that has this state folder.
    Own,
    /// Another Virga.
    OtherVirga,
}

impl Port {
    /// What there is to know of it, behind what would be done with it.
    pub fn note(self) -> &'static str {
        match self {
            Self::Free => "",
            Self::Own => "; the port is held by the process that runs on this state folder, until that ends",
            Self::OtherVirga => {
                "; the port is held by a virga with another state folder, which has to end before this one starts"
            }
        }
    }
}

/// Who has a port, proved by listening on it for a moment, and else by asking who does.
///
/// # Errors
/// Why it could not be listened on, where that is not for a Virga.
pub fn port(address: SocketAddr, own: &Sign) -> Result<Port, String> {
    let error = match TcpListener::bind(address) {
        Ok(_) => return Ok(Port::Free),
        Err(error) => error,
    };
    if error.kind() != io::ErrorKind::AddrInUse {
        return Err(format!("cannot listen on {address}: {error}"));
    }
    let said = server_of(address).ok().flatten().unwrap_or_default();
    match said.strip_prefix(NAME) {
        Some(_) if said == own.text() && said != NAME => Ok(Port::Own),
        Some(rest) if rest.is_empty() || rest.starts_with(' ') => Ok(Port::OtherVirga),
        _ => Err(format!("cannot listen on {address}: {error}, and who holds it does not answer as a virga")),
    }
}

/// What who listens there says of itself. What speaks TLS alone is asked in the clear too: a Virga says then that it
/// speaks TLS, and who it is.
fn server_of(address: SocketAddr) -> io::Result<Option<String>> {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    let until = Instant::now() + PORT_PATIENCE;
    let mut stream = TcpStream::connect_timeout(&SocketAddr::new(ip, address.port()), PORT_PATIENCE)?;
    stream.set_write_timeout(Some(PORT_PATIENCE))?;
    stream.write_all(&[QUESTION, &b" HTTP/1.1\r\nHost: virga\r\nConnection: close\r\n\r\n"[..]].concat())?;
    let (mut head, mut piece) = (Vec::new(), [0; 512]);
    while head.len() < HEAD_OF_ANSWER && !head.windows(4).any(|end| end == b"\r\n\r\n") {
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Ok(None);
        }
        stream.set_read_timeout(Some(left))?;
        match stream.read(&mut piece)? {
            0 => break,
            read => head.extend_from_slice(piece.get(..read).unwrap_or_default()),
        }
    }
    let head = String::from_utf8_lossy(&head);
    let (head, _) = head.split_once("\r\n\r\n").unwrap_or_default();
    let mut fields = head.lines().skip(1).filter_map(|line| line.split_once(':'));
    let server = fields.find(|(name, _)| name.eq_ignore_ascii_case("server"));
    Ok(server.map(|(_, value)| value.trim().to_owned()))
}

/// Whether two addresses cannot be listened on at once. The port 0 is another one each time.
pub fn collide(a: SocketAddr, b: SocketAddr) -> bool {
    let (ip, other) = (a.ip().to_canonical(), b.ip().to_canonical());
    // one that is not of the same kind is taken by the unspecified address of IPv6 alone, which takes both
    let takes = |all: IpAddr, one: IpAddr| all.is_unspecified() && (all.is_ipv6() || one.is_ipv4());
    a.port() == b.port() && a.port() != 0 && (ip == other || takes(ip, other) || takes(other, ip))
}

#[cfg(test)]
mod tests {
    use std::thread;

    use axum::routing::get;

    use super::*;

    const MOST: usize = 4;

    /// Serves on a port of its own, in the background.
    fn virga(instance: &str, patience: Duration) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let (address, sign) = (listener.local_addr().unwrap(), Sign::of(instance));
        listener.set_nonblocking(true).unwrap();
        thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let listener = tokio::net::TcpListener::from_std(listener).unwrap();
                let waits = || async {
                    tokio::time::sleep(Duration::from_secs(2)).await;
                    "waited"
                };
                let router = Router::new().route("/x", get(|| async { "y" })).route("/waits", get(waits));
                serve(listener, router, &sign, patience, MOST).await;
            });
        });
        address
    }

    /// Takes one connection, reads of it, and says something, or nothing.
    fn stranger(answer: &'static str) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut asked = [0; 20];
            stream.read_exact(&mut asked).unwrap();
            stream.write_all(answer.as_bytes()).unwrap();
            thread::sleep(PORT_PATIENCE * 2);
        });
        address
    }

    #[test]
    fn a_port_is_free_or_a_virgas_or_held_by_a_stranger() {
        let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let (own, patience) = (Sign::of("a"), Duration::from_secs(9));
        assert_eq!(port(free, &own), Ok(Port::Free));
        assert_eq!(port(virga("a", patience), &own), Ok(Port::Own));
        assert_eq!(port(virga("b", patience), &own), Ok(Port::OtherVirga));
        // who has no name yet is not the same as another who has none
        assert_eq!(port(virga("", patience), &Sign::of("")), Ok(Port::OtherVirga));
        for answer in [
            "",
            "x",
            "HTTP/1.1 200 OK\r\nServer: nginx\r\n\r\n",
            "HTTP/1.1 200 OK\r\n\r\nServer: virga",
            "HTTP/1.1 200 OK\r\nServer: virgate\r\n\r\n",
        ] {
            let error = port(stranger(answer), &own).unwrap_err();
            assert!(error.contains("in use") && error.contains("does not answer as a virga"), "{error}");
        }
    }

    #[test]
    fn who_does_not_come_to_the_end_of_a_head_is_hung_up_on() {
        let address = virga("a", Duration::from_millis(300));
        for begun in ["", "GET /x HTTP/1.1\r\nHos"] {
            let mut slow = TcpStream::connect(address).unwrap();
            slow.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
            slow.write_all(begun.as_bytes()).unwrap();
            assert!(slow.read_to_end(&mut Vec::new()).is_ok(), "{begun:?}: it is hung up on");
        }
    }

    #[test]
    fn beyond_the_most_the_oldest_that_asks_nothing_is_hung_up_on() {
        let address = virga("a", Duration::from_secs(60));
        let connect = |said: &str| {
            let mut stream = TcpStream::connect(address).unwrap();
            stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
            stream.write_all(said.as_bytes()).unwrap();
            stream
        };
        let ask =
            |path: &str| connect(&format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"));
        let answer = |mut stream: TcpStream| {
            let mut answer = String::new();
            stream.read_to_string(&mut answer).unwrap();
            answer.rsplit("\r\n").next().unwrap_or_default().to_owned()
        };
        // where all ask something, one more waits for its turn
        let busy: Vec<TcpStream> = (0..=MOST * 2).map(|_| ask("/waits")).collect();
        for (number, one) in busy.into_iter().enumerate() {
            assert_eq!(answer(one), "waited", "the {number}th that asks");
        }
        let idle: Vec<TcpStream> = (0..MOST).map(|_| connect("")).collect();
        thread::sleep(Duration::from_millis(200));
        for mut one in idle {
            one.set_read_timeout(Some(Duration::from_millis(50))).unwrap();
            let left = one.read(&mut [0]).map_err(|error| error.kind());
            assert_eq!(left, Err(io::ErrorKind::WouldBlock), "as many as may be are left alone");
        }
        let waits = ask("/waits");
        thread::sleep(Duration::from_millis(200));
        // half-open ones, many times as many as may be
        let half_open: Vec<TcpStream> = (0..MOST * 5).map(|_| connect("GET /x HTTP/1.1\r\nHos")).collect();
        assert_eq!(answer(ask("/x")), "y");
        assert_eq!(answer(waits), "waited", "one that is older and asks something is not hung up on");
        for mut old in half_open.into_iter().take(MOST * 4) {
            let left = old.read_to_end(&mut Vec::new()).map_err(|error| error.kind());
            // whose head had not been looked at is reset
            assert!(
                matches!(left, Ok(_) | Err(io::ErrorKind::ConnectionReset)),
                "it is hung up on: {left:?}"
            );
        }
    }

    #[test]
    fn addresses_collide_where_one_of_them_takes_the_others_port() {
        for (a, b, expected) in [
            ("127.0.0.1:1", "127.0.0.1:1", true),
            ("127.0.0.1:1", "127.0.0.1:2", false),
            ("127.0.0.1:0", "127.0.0.1:0", false),
            ("127.0.0.1:1", "127.0.0.2:1", false),
            ("0.0.0.0:1", "127.0.0.1:1", true),
            ("127.0.0.1:1", "[::]:1", true),
            ("0.0.0.0:1", "[::]:1", true),
            ("0.0.0.0:1", "[::1]:1", false),
            ("[::ffff:127.0.0.1]:1", "127.0.0.1:1", true),
        ] {
            let [one, other] = [a, b].map(|address| address.parse::<SocketAddr>().unwrap());
            assert_eq!((collide(one, other), collide(other, one)), (expected, expected), "{a} {b}");
        }
    }
}
