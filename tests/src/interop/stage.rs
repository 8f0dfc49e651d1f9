//! The local Livepeer that everybody publishes into and plays from, and the server that the pages come from and report to.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, bail};
use axum::extract::{Query, State};
use axum::http::header::CONTENT_TYPE;
use axum::response::Html;
use axum::routing::{get, post};
use axum::{Json, Router};
use livepeer::studio::{NewStream, Stream, Studio, StudioConfig};
use livepeer_local::{Config, Local};
use serde::Deserialize;
use serde_json::Value;
use tokio::sync::oneshot;
use tokio::time::{sleep, timeout};

use super::Seen;
use super::cast::{Browser, Publisher, Running};

/// How long a browser may take to start, connect, and see its first picture: they start cold.
const PATIENCE: Duration = Duration::from_secs(60);
/// How often Livepeer is asked whether a stream is live.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// The browser was built without the codec: no fault of the engine.
#[derive(Debug)]
pub(super) struct LacksCodec(String);

impl std::fmt::Display for LacksCodec {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for LacksCodec {}

/// Who waits for the report of which page.
type Reports = Arc<Mutex<HashMap<u32, oneshot::Sender<Value>>>>;

/// A stage that is set. Strike it at the end.
pub(super) struct Stage {
    address: String,
    local: Local,
    studio: Studio,
    reports: Reports,
    /// Keeps the state file until the end.
    _data: tempfile::TempDir,
}

/// A stream that somebody publishes.
pub(super) struct Show {
    stream: Stream,
    whep: String,
    _publisher: Running,
}

impl Stage {
    /// Starts a local Livepeer on free ports.
    pub(super) async fn set() -> anyhow::Result<Stage> {
        let data = tempfile::tempdir()?;
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
        let address = format!("http://localhost:{}", listener.local_addr()?.port());
        let local = Local::start(Config {
            base_url: format!("{address}/livepeer").parse()?,
            data: data.path().join("livepeer-local.json"),
            // Every address: Firefox uses none of the loopback while nobody has let it use a camera.
            udp: ([0, 0, 0, 0], 0).into(),
            ..Config::default()
        })
        .await?;
        let reports = Reports::default();
        let app = Router::new()
            .route("/", get(|| async { Html(include_str!("page.html")) }))
            .route("/interop.js", get(script))
            .route("/report", post(take_report))
            .with_state(reports.clone())
            .nest("/livepeer", local.router());
        tokio::spawn(async move { axum::serve(listener, app).await });
        let api = format!("{address}/livepeer/api").parse()?;
        let studio = Studio::new(StudioConfig::new(api, local.api_key().clone()))?;
        Ok(Stage {
            address,
            local,
            studio,
            reports,
            _data: data,
        })
    }

    /// Has somebody publish; returns when the stream is live.
    pub(super) async fn publish(&self, publisher: &Publisher<'_>) -> anyhow::Result<Show> {
        let stream = NewStream::source_only("interop");
        let stream = self.studio.create_stream(&stream).await?;
        let whip = self.studio.whip_url(&stream).await?.expose().to_string();
        let (id, report) = self.expect_report();
        let mut running = publisher.start(&self.address, &whip, id)?;
        if publisher.reports() {
            read(report).await?;
        }
        let live = async {
            loop {
                if self.studio.get_stream(&stream.id).await?.is_active {
                    return Ok(());
                }
                if running.has_ended() {
                    bail!("it ended before it was live");
                }
                sleep(LOOK_EVERY).await;
            }
        };
        timeout(PATIENCE, live)
            .await
            .context("it was never live")??;
        let whep = self.studio.playback(&stream.playback_id).await?;
        let whep = whep.whep_url().context("the stream has no WHEP address")?;
        Ok(Show {
            whep: whep.to_string(),
            stream,
            _publisher: running,
        })
    }

    /// Has a browser watch for so many seconds.
    pub(super) async fn play(
        &self,
        show: &Show,
        player: &Browser,
        seconds: u32,
    ) -> anyhow::Result<Seen> {
        let (id, report) = self.expect_report();
        let query = [
            ("role", "play"),
            ("url", &show.whep),
            ("seconds", &seconds.to_string()),
            ("id", &id.to_string()),
        ];
        let page = reqwest::Url::parse_with_params(&self.address, query)?;
        let _running = player.open(page.as_str())?;
        let watched = Duration::from_secs(u64::from(seconds));
        let seen = timeout(PATIENCE + watched, read(report)).await;
        Ok(serde_json::from_value(seen.context("it never reported")??)?)
    }

    /// Ends a show, and the stream with it.
    pub(super) async fn end(&self, show: Show) -> anyhow::Result<()> {
        self.studio.delete_stream(&show.stream.id).await?;
        Ok(())
    }

    /// Stops the local Livepeer.
    pub(super) async fn strike(self) {
        self.local.shutdown().await;
    }

    fn expect_report(&self) -> (u32, oneshot::Receiver<Value>) {
        let (tell, report) = oneshot::channel();
        let mut waiting = self.reports.lock().unwrap_or_else(PoisonError::into_inner);
        // Taken out when it is told, so the number of those that wait names no two.
        let id = (0..)
            .find(|id| !waiting.contains_key(id))
            .unwrap_or_default();
        waiting.insert(id, tell);
        (id, report)
    }
}

/// What a page reports, or the error that it ran into.
async fn read(report: oneshot::Receiver<Value>) -> anyhow::Result<Value> {
    let report = timeout(PATIENCE, report).await;
    let report = report.context("the browser never reported")??;
    let Some(error) = report.get("error").and_then(Value::as_str) else {
        return Ok(report);
    };
    match report.get("lacksCodec").and_then(Value::as_bool) {
        Some(true) => bail!(LacksCodec(error.to_owned())),
        _ => bail!("{error}"),
    }
}

async fn script() -> ([(axum::http::HeaderName, &'static str); 1], &'static str) {
    let script = include_str!("interop.js");
    ([(CONTENT_TYPE, "text/javascript")], script)
}

#[derive(Deserialize)]
struct From {
    id: u32,
}

async fn take_report(
    State(reports): State<Reports>,
    Query(from): Query<From>,
    Json(report): Json<Value>,
) {
    let waiting = reports
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .remove(&from.id);
    if let Some(waiting) = waiting {
        // Whoever waited may have lost patience.
        let _ = waiting.send(report);
    }
}
