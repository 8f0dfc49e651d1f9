//! What the app tells about itself: logs on standard error, metrics at `/metrics`. Neither ever holds a secret.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::AtomicI64;
use std::time::Instant;

use axum::extract::Request;
use axum::middleware::Next;
use axum::response::Response;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;
use tracing::Instrument as _;
use tracing_subscriber::EnvFilter;

/// What is logged unless `RUST_LOG` says otherwise. (The DTLS library warns of every extension that browsers offer.)
const FILTER: &str = "info,rtc_dtls=error";

/// Starts logging to standard error. A second call changes nothing.
pub fn init() {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(FILTER));
    // It fails when a test has started it already, which is as good.
    let _ = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .try_init();
}

/// Gives each request a span, with its path but for what is secret in it, and a line when it is answered.
pub(crate) async fn request(request: Request, next: Next) -> Response {
    let path = shown(request.uri().path());
    let span = tracing::info_span!("request", method = %request.method(), path);
    async move {
        let begun = Instant::now();
        let response = next.run(request).await;
        let (status, took) = (response.status(), begun.elapsed());
        if status.is_server_error() {
            tracing::warn!(status = status.as_u16(), ?took, "failed");
        } else {
            tracing::debug!(status = status.as_u16(), ?took, "answered");
        }
        response
    }
    .instrument(span)
    .await
}

/// A path as it may be logged: a WHIP address holds the stream key, a WHIP session's address is a capability. Queries
/// are never logged.
fn shown(path: &str) -> String {
    match path.find("/webrtc/") {
        Some(at) => format!("{}/webrtc/...", &path[..at]),
        None => path.to_owned(),
    }
}

/// A call to Livepeer, as the metrics name it.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub(crate) struct Call {
    call: &'static str,
    outcome: &'static str,
}

type Durations = Family<Call, Histogram, fn() -> Histogram>;

/// The app's metrics. Labels are words from this source, never names or ids of anybody.
pub(crate) struct Metrics {
    registry: Registry,
    /// Sessions in memory.
    pub(crate) sessions: Gauge<i64, AtomicI64>,
    /// Open pages.
    pub(crate) connections: Gauge<i64, AtomicI64>,
    /// Connections that were cut because they did not keep up; they resume.
    pub(crate) cut: Counter,
    /// Streams made at Livepeer.
    pub(crate) provisioned: Counter,
    /// Streams ended at Livepeer.
    pub(crate) ended: Counter,
    /// Streams ended that no session owned.
    pub(crate) orphans: Counter,
    /// Effects that failed and are tried again.
    pub(crate) retried: Counter,
    /// Effects given up.
    pub(crate) failed: Counter,
    /// Webhook deliveries taken in.
    pub(crate) webhooks: Counter,
    livepeer: Durations,
}

impl Metrics {
    pub(crate) fn new() -> Arc<Metrics> {
        let mut registry = Registry::default();
        let metrics = Metrics {
            sessions: Gauge::default(),
            connections: Gauge::default(),
            cut: Counter::default(),
            provisioned: Counter::default(),
            ended: Counter::default(),
            orphans: Counter::default(),
            retried: Counter::default(),
            failed: Counter::default(),
            webhooks: Counter::default(),
            livepeer: Family::new_with_constructor(|| {
                Histogram::new([0.005, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0])
            }),
            registry: Registry::default(),
        };
        let m = &metrics;
        registry.register("app_sessions", "Sessions in memory", m.sessions.clone());
        registry.register("app_connections", "Open pages", m.connections.clone());
        registry.register(
            "app_connections_cut",
            "Connections that did not keep up",
            m.cut.clone(),
        );
        registry.register(
            "app_streams_provisioned",
            "Streams made at Livepeer",
            m.provisioned.clone(),
        );
        registry.register(
            "app_streams_ended",
            "Streams ended at Livepeer",
            m.ended.clone(),
        );
        registry.register(
            "app_streams_orphaned",
            "Streams ended that no session owned",
            m.orphans.clone(),
        );
        registry.register(
            "app_effects_retried",
            "Effects that failed and are tried again",
            m.retried.clone(),
        );
        registry.register("app_effects_failed", "Effects given up", m.failed.clone());
        registry.register(
            "app_webhooks",
            "Webhook deliveries taken in",
            m.webhooks.clone(),
        );
        registry.register(
            "app_livepeer_seconds",
            "How long Livepeer took to answer",
            m.livepeer.clone(),
        );
        Arc::new(Metrics {
            registry,
            ..metrics
        })
    }

    /// Measures one call to Livepeer.
    pub(crate) async fn livepeer<T, E>(
        &self,
        call: &'static str,
        work: impl Future<Output = Result<T, E>>,
    ) -> Result<T, E> {
        let begun = Instant::now();
        let answer = work.await;
        let outcome = if answer.is_ok() { "ok" } else { "failed" };
        self.livepeer
            .get_or_create(&Call { call, outcome })
            .observe(begun.elapsed().as_secs_f64());
        answer
    }

    /// Everything, in Prometheus' text format.
    pub(crate) fn text(&self) -> Result<String, std::fmt::Error> {
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &self.registry)?;
        Ok(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_key_in_a_path_is_not_logged() {
        assert_eq!(shown("/livepeer/webrtc/abcd-1234"), "/livepeer/webrtc/...");
        assert_eq!(shown("/livepeer/webrtc/session/x"), "/livepeer/webrtc/...");
        assert_eq!(shown("/s/abc/live"), "/s/abc/live");
    }
}
