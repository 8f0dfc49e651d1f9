//! Livepeer tells that a stream has started or stopped. Sooner than asking, and not to be relied on: see
//! `sessions/reconcile.rs`.

use std::time::SystemTime;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use livepeer::webhook::{self, Event};

use crate::app::App;
use crate::sessions::Unavailable;
use crate::sessions::ask::News;

/// Where Livepeer tells.
pub(crate) const PATH: &str = "/webhooks/livepeer";
/// A report holds a whole stream object, which is a few kilobytes.
const LARGEST: usize = 256 * 1024;

/// Where Livepeer tells.
pub(crate) fn routes() -> Router<App> {
    Router::new()
        .route(PATH, post(told))
        .layer(DefaultBodyLimit::max(LARGEST))
}

async fn told(
    State(app): State<App>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<StatusCode, StatusCode> {
    let failed = |error: &dyn std::fmt::Display| {
        // Livepeer repeats what is answered like this.
        tracing::warn!(%error, "a webhook delivery could not be taken in");
        StatusCode::SERVICE_UNAVAILABLE
    };
    let secret = app.streams.webhook_secret().await;
    let secret = secret.map_err(|error| failed(&error))?;
    let signature = headers.get(webhook::SIGNATURE_HEADER);
    let signature = signature.and_then(|value| value.to_str().ok());
    // Livepeer: 6 check what a webhook says
    let delivery =
        webhook::verify(&secret, signature, &body, SystemTime::now()).map_err(|error| {
            tracing::warn!(%error, "a webhook delivery was refused");
            StatusCode::UNAUTHORIZED
        })?;
    let active = match delivery.event() {
        Event::StreamStarted => true,
        Event::StreamIdle => false,
        Event::Other { .. } => return Ok(StatusCode::NO_CONTENT),
    };
    let at = delivery.created_at.unwrap_or(delivery.timestamp);
    let sessions = &app.sessions;
    let repeated = sessions.delivered(delivery.id.clone()).await;
    if repeated.map_err(|error| failed(&error))? {
        return Ok(StatusCode::NO_CONTENT);
    }
    let Some(stream) = delivery.stream else {
        return Ok(StatusCode::NO_CONTENT);
    };
    // Not every stream of the account is ours.
    let owner = sessions.owner(stream.id).await;
    if let Some(owned) = owner.map_err(|error| failed(&error))? {
        match sessions.observe(&owned, News::Told { active, at }).await {
            Ok(()) | Err(Unavailable::Unknown) => {}
            Err(error) => return Err(failed(&error)),
        }
    }
    app.metrics.webhooks.inc();
    let remembered = sessions.remember_delivery(delivery.id).await;
    remembered.map_err(|error| failed(&error))?;
    Ok(StatusCode::NO_CONTENT)
}
