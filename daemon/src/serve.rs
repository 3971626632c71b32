//! Metrics, health and readiness, on a loopback port.
//!
//! `/metrics`: Prometheus text. `/healthz`: 200 while correlation is alive. `/readyz`: 200 once all inputs have
//! begun and the archive can be written.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use axum::http::StatusCode;
use axum::routing::get;
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use virga_ingest::transport::live::Clock;

use crate::limits::HEARTBEAT;

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

/// The metrics' addresses.
pub fn router(handle: PrometheusHandle, signs: Signs) -> Router {
    let healthy = signs.clone();
    Router::new()
        .route("/metrics", get(move || async move { handle.render() }))
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

/// Serves until the process ends.
///
/// # Errors
/// Where the address is taken.
pub async fn bind(address: SocketAddr) -> Result<tokio::net::TcpListener, String> {
    let bound = tokio::net::TcpListener::bind(address).await;
    bound.map_err(|error| format!("[metrics] listen = \"{address}\": {error}"))
}

/// Who holds the watermark: one at a time, so the last one's gauge goes to zero.
pub fn tell_holder(input: &str, partition: &str, at: f64) {
    static LAST: Mutex<Option<(String, String)>> = Mutex::new(None);
    let mut last = LAST.lock().unwrap_or_else(PoisonError::into_inner);
    let now = (input.to_owned(), partition.to_owned());
    if let Some(before) = last.as_ref().filter(|before| **before != now) {
        let labels = [("input", before.0.clone()), ("partition", before.1.clone())];
        metrics::gauge!("virga_watermark_held_by", &labels).set(0.0);
    }
    let labels = [("input", now.0.clone()), ("partition", now.1.clone())];
    metrics::gauge!("virga_watermark_held_by", &labels).set(1.0);
    metrics::gauge!("virga_watermark_holder_timestamp_seconds").set(at);
    *last = Some(now);
}
