//! `/webhook`: where events are reported. How they get there is in `deliveries.rs`.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::routing::{get, post};
use axum::{Json, Router};
use livepeer::studio::{NewWebhook, Webhook};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::body::JsonBody;
use crate::error::{ApiError, ApiResult};
use crate::ids::{now_ms, uuid};
use crate::schema::{Shape, TEXT};
use crate::state::Shared;
use crate::tables::{Tables, WebhookRow};

/// Each has a queue of its own; arbitrary.
const MAX_WEBHOOKS: usize = 100;

const EVENTS: Shape = Shape::List(&Shape::Word(&[
    "stream.started",
    "stream.detection",
    "stream.idle",
    "recording.ready",
    "recording.started",
    "recording.waiting",
    "multistream.connected",
    "multistream.error",
    "multistream.disconnected",
    "playback.user.new",
    "playback.accessControl",
    "asset.created",
    "asset.updated",
    "asset.failed",
    "asset.ready",
    "asset.deleted",
    "task.spawned",
    "task.updated",
    "task.completed",
    "task.failed",
]));

const NEW_WEBHOOK: Shape = Shape::Object {
    required: &["name", "url"],
    fields: &FIELDS,
};

const WEBHOOK_PATCH: Shape = Shape::Object {
    required: &[],
    fields: &FIELDS,
};

/// Read-only fields are let through and passed over: clients send back what they were given.
const FIELDS: [(&str, Shape); 11] = [
    ("id", TEXT),
    ("name", TEXT),
    ("kind", TEXT),
    ("userId", TEXT),
    ("projectId", TEXT),
    ("createdAt", Shape::Number),
    ("events", EVENTS),
    ("url", Shape::HttpAddress),
    ("sharedSecret", TEXT),
    ("streamId", TEXT),
    ("status", Shape::Map(&Shape::Any)),
];

/// The routes of this file, relative to the API.
pub(crate) fn routes() -> Router<Shared> {
    Router::new()
        .route("/webhook", post(create).get(list))
        .route(
            "/webhook/{id}",
            get(read).put(replace).patch(change).delete(delete),
        )
}

/// A webhook as the API shows it: without its secret.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct WireWebhook {
    #[serde(flatten)]
    webhook: Webhook,
    kind: &'static str,
    user_id: String,
}

impl WireWebhook {
    fn new(webhook: &Webhook, tables: &Tables) -> WireWebhook {
        WireWebhook {
            webhook: webhook.clone(),
            kind: "webhook",
            user_id: tables.user_id.clone(),
        }
    }
}

async fn create(
    State(shared): State<Shared>,
    body: JsonBody,
) -> ApiResult<(StatusCode, Json<WireWebhook>)> {
    let new = read_new(body)?;
    let wire = shared
        .change(move |tables| {
            if tables.webhooks.len() >= MAX_WEBHOOKS {
                return Err(ApiError::forbidden(format!(
                    "this Livepeer keeps at most {MAX_WEBHOOKS} webhooks, delete some first"
                )));
            }
            let row = row(new, uuid(), now_ms(), tables);
            let wire = WireWebhook::new(&row.webhook, tables);
            tables.webhooks.push(Arc::new(row));
            Ok(wire)
        })
        .await?;
    Ok((StatusCode::CREATED, Json(wire)))
}

async fn list(State(shared): State<Shared>) -> Json<Vec<WireWebhook>> {
    let tables = shared.tables();
    let show = |row: &Arc<WebhookRow>| WireWebhook::new(&row.webhook, &tables);
    Json(tables.webhooks.iter().map(show).collect())
}

async fn read(
    State(shared): State<Shared>,
    Path(id): Path<String>,
) -> ApiResult<Json<WireWebhook>> {
    let tables = shared.tables();
    let row = tables.webhook(&id).ok_or_else(ApiError::not_found)?;
    Ok(Json(WireWebhook::new(&row.webhook, &tables)))
}

/// PUT: everything anew but the id and the day of its creation.
async fn replace(
    State(shared): State<Shared>,
    Path(id): Path<String>,
    body: JsonBody,
) -> ApiResult<Json<Value>> {
    let new = read_new(body)?;
    let answer = json!({ "id": id });
    shared
        .change(move |tables| {
            let old = tables.webhook(&id).ok_or_else(ApiError::not_found)?;
            let created_at = old.webhook.created_at.unwrap_or_default();
            let fresh = Arc::new(row(new, id.clone(), created_at, tables));
            put(tables, fresh);
            Ok(())
        })
        .await?;
    Ok(Json(answer))
}

async fn change(
    State(shared): State<Shared>,
    Path(id): Path<String>,
    body: JsonBody,
) -> ApiResult<StatusCode> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Patch {
        name: Option<String>,
        url: Option<url::Url>,
        events: Option<Vec<String>>,
        shared_secret: Option<livepeer::SharedSecret>,
        stream_id: Option<String>,
    }
    let patch: Patch = body.typed(&WEBHOOK_PATCH)?;
    if patch.events.as_ref().is_some_and(Vec::is_empty) {
        return Err(no_events());
    }
    shared
        .change(move |tables| {
            let old = tables.webhook(&id).ok_or_else(ApiError::not_found)?;
            let mut row = WebhookRow::clone(old);
            if let Some(name) = patch.name {
                row.webhook.name = name;
            }
            if let Some(url) = patch.url {
                row.webhook.url = url;
            }
            if let Some(events) = patch.events {
                row.webhook.events = events;
            }
            if patch.shared_secret.is_some() {
                row.shared_secret = patch.shared_secret;
            }
            if patch.stream_id.is_some() {
                row.webhook.stream_id = patch.stream_id;
            }
            put(tables, Arc::new(row));
            Ok(StatusCode::NO_CONTENT)
        })
        .await
}

async fn delete(State(shared): State<Shared>, Path(id): Path<String>) -> ApiResult<StatusCode> {
    shared
        .change(move |tables| {
            tables.webhook(&id).ok_or_else(ApiError::not_found)?;
            tables.webhooks.retain(|row| row.webhook.id != id);
            Ok(StatusCode::NO_CONTENT)
        })
        .await
}

fn read_new(body: JsonBody) -> ApiResult<NewWebhook> {
    NEW_WEBHOOK.check(&body.0)?;
    // Studio asks for events beside its own description.
    let events = body.0.get("events").and_then(Value::as_array);
    if events.is_none_or(Vec::is_empty) {
        return Err(no_events());
    }
    body.typed(&NEW_WEBHOOK)
}

fn no_events() -> ApiError {
    ApiError::unprocessable("must provide \"events\" field with subscriptions")
}

fn row(new: NewWebhook, id: String, created_at: u64, tables: &Tables) -> WebhookRow {
    WebhookRow {
        webhook: Webhook {
            id,
            name: new.name,
            url: new.url,
            events: new.events,
            stream_id: new.stream_id,
            project_id: Some(tables.project_id.clone()),
            created_at: Some(created_at),
        },
        shared_secret: new.shared_secret,
    }
}

fn put(tables: &mut Tables, row: Arc<WebhookRow>) {
    let place = tables
        .webhooks
        .iter_mut()
        .find(|old| old.webhook.id == row.webhook.id);
    if let Some(place) = place {
        *place = row;
    }
}
