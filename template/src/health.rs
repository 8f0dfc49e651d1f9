//! What machines ask the app: is it well (`/healthz`), and how busy (`/metrics`).

use std::time::Duration;

use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use serde_json::json;
use tokio::sync::Mutex;
use tokio::time::{Instant, timeout};

use crate::app::App;

/// How long an answer from Livepeer is good: whoever asks after our health must not become a load on Livepeer.
const GOOD_FOR: Duration = Duration::from_secs(10);
/// Who takes longer is away.
const PATIENCE: Duration = Duration::from_secs(3);

/// When Livepeer was last asked, and whether it answered.
#[derive(Default)]
pub(crate) struct Health {
    livepeer: Mutex<Option<(Instant, bool)>>,
}

/// Where machines ask.
pub(crate) fn routes() -> Router<App> {
    Router::new()
        .route("/healthz", get(healthz))
        .route("/metrics", get(metrics))
}

async fn healthz(State(app): State<App>) -> Response {
    let database = timeout(PATIENCE, app.store.setting("instance")).await;
    let status = if !matches!(database, Ok(Ok(_))) {
        "the database does not answer"
    } else if !livepeer(&app).await {
        "Livepeer does not answer"
    } else {
        return Json(json!({"status": "ok"})).into_response();
    };
    let body = Json(json!({"status": status}));
    (StatusCode::SERVICE_UNAVAILABLE, body).into_response()
}

async fn livepeer(app: &App) -> bool {
    let mut known = app.health.livepeer.lock().await;
    if let Some((at, well)) = *known
        && at.elapsed() < GOOD_FOR
    {
        return well;
    }
    let well = matches!(timeout(PATIENCE, app.streams.check()).await, Ok(Ok(())));
    *known = Some((Instant::now(), well));
    well
}

async fn metrics(State(app): State<App>) -> Response {
    match app.metrics.text() {
        Ok(text) => {
            let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
            ([(CONTENT_TYPE, kind)], text).into_response()
        }
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}
