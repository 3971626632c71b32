//! Metrics, health and readiness, on a loopback port.
//!
//! `/metrics`: Prometheus text. `/healthz`: 200 while correlation is alive. `/readyz`: 200 once all inputs have
//! begun and the archive can be written.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::time::Duration;

use axum::Router;
use axum::http::StatusCode;
use axum::routing::get;
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use virga_ingest::transport::live::Clock;
use virga_ingest::transport::serving::{self, Sign};

use crate::limits::{HEARTBEAT, METRICS_CONNECTIONS, METRICS_UPKEEP};
use crate::partitions::Partitions;

/// What health is told by.
#[derive(Clone)]
pub struct Signs {
    /// When correlation was last alive.
    pub alive: Arc<AtomicI64>,
    /// All inputs have begun.
    pub ready: Arc<AtomicBool>,
    /// The archive can be written, or there is none.
    pub archive: Arc<AtomicBool>,
    /// The clock.
    pub clock: Clock,
}

/// Seconds: of latencies, and of writing checkpoints.
const BUCKETS: &[f64] =
    &[0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 3_600.0];

/// Begins to count.
///
/// # Errors
/// Where the process counts already.
pub fn count() -> Result<PrometheusHandle, String> {
    let builder = PrometheusBuilder::new();
    let builder = builder
        .set_buckets_for_metric(Matcher::Suffix("_seconds".into()), BUCKETS)
        .map_err(|error| error.to_string())?;
    builder.install_recorder().map_err(|error| error.to_string())
}

/// Drains what histograms were given, until the process ends: where nobody asks for the metrics, all of it would be kept.
pub async fn tend(handle: PrometheusHandle) {
    loop {
        tokio::time::sleep(METRICS_UPKEEP).await;
        handle.run_upkeep();
    }
}

/// The metrics' addresses.
pub fn router(handle: PrometheusHandle, partitions: Arc<Partitions>, signs: Signs) -> Router {
    let healthy = signs.clone();
    Router::new()
        .route("/metrics", get(move || async move { handle.render() + &partitions.render() }))
        .route("/healthz", get(move || async move { health(&healthy) }))
        .route("/readyz", get(move || async move { readiness(&signs) }))
}

fn health(signs: &Signs) -> (StatusCode, String) {
    let silent = (signs.clock)().saturating_sub(signs.alive.load(Ordering::Relaxed));
    match silent < i64::try_from(HEARTBEAT.as_micros()).unwrap_or(i64::MAX) {
        true => (StatusCode::OK, "alive\n".into()),
        false => {
            let seconds = silent / 1_000_000;
            (StatusCode::SERVICE_UNAVAILABLE, format!("correlation has been silent for {seconds} s\n"))
        }
    }
}

fn readiness(signs: &Signs) -> (StatusCode, &'static str) {
    match (signs.ready.load(Ordering::Relaxed), signs.archive.load(Ordering::Relaxed)) {
        (true, true) => (StatusCode::OK, "ready\n"),
        (false, _) => (StatusCode::SERVICE_UNAVAILABLE, "an input has not begun yet\n"),
        (true, false) => (StatusCode::SERVICE_UNAVAILABLE, "the archive's store does not serve yet\n"),
    }
}

/// Serves as pushed events are served, until the process ends: who does not come to the end of a request's head within
/// `patience` is hung up on.
pub async fn serve(listener: tokio::net::TcpListener, router: Router, sign: &Sign, patience: Duration) {
    serving::serve(listener, router, sign, patience, METRICS_CONNECTIONS).await;
}

/// Listens on the address of the metrics.
///
/// # Errors
/// Where the address is taken.
pub async fn bind(address: SocketAddr) -> Result<tokio::net::TcpListener, String> {
    let bound = tokio::net::TcpListener::bind(address).await;
    bound.map_err(|error| format!("[metrics] listen = \"{address}\": {error}"))
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::TcpStream;

    use super::*;

    #[test]
    fn who_does_not_come_to_the_end_of_a_head_is_hung_up_on_and_others_are_served() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        listener.set_nonblocking(true).unwrap();
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            let signs = Signs {
                alive: Arc::default(),
                ready: Arc::default(),
                archive: Arc::default(),
                clock: Arc::new(|| 0),
            };
            let handle = PrometheusBuilder::new().build_recorder().handle();
            let router = router(handle, Arc::default(), signs);
            runtime.block_on(async {
                let listener = tokio::net::TcpListener::from_std(listener).unwrap();
                serve(listener, router, &Sign::of("a"), Duration::from_millis(500)).await;
            });
        });
        let connect = |begun: &str| {
            let mut stream = TcpStream::connect(address).unwrap();
            stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
            stream.write_all(begun.as_bytes()).unwrap();
            stream
        };
        let slow = ["", "GET /metrics HTTP/1.1\r\nHos"].map(connect);
        let mut answer = String::new();
        let mut asks = connect("GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
        asks.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        for mut slow in slow {
            assert!(slow.read_to_end(&mut Vec::new()).is_ok(), "it is hung up on");
        }
        assert!(answer.contains("server: virga ("), "{answer}");
    }
}
