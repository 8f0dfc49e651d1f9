//! A Livepeer that can be told to misbehave: just enough of it for the app to start and to make a stream.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex};

use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, get};
use axum::{Json, Router};
use serde_json::{Value, json};
use url::Url;

/// The only key that it takes.
pub(crate) const KEY: &str = "the-right-key";

#[derive(Clone, Default)]
pub(crate) struct FakeLivepeer {
    /// With which status it answers to creations, and whether it carries them out all the same.
    pub(crate) failing: Arc<Mutex<Option<(StatusCode, bool)>>>,
    /// Whether it carries out creations and never answers.
    pub(crate) hanging: Arc<AtomicBool>,
    /// How often it was asked to create a stream.
    pub(crate) creations: Arc<AtomicU32>,
    streams: Arc<Mutex<Vec<Value>>>,
}

impl FakeLivepeer {
    /// Serves it on a free port.
    pub(crate) async fn start(&self) -> Url {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let router = Router::new()
            .route("/stream", get(list).post(create))
            .route("/stream/{id}", delete(end).get(one))
            .route("/stream/{id}/suspended", axum::routing::patch(suspend))
            .route("/access-control/signing-key", get(no_keys))
            .route("/webhook", get(no_keys))
            .route("/ingest", get(ingest))
            .with_state(self.clone());
        tokio::spawn(axum::serve(listener, router).into_future());
        Url::parse(&format!("http://{address}")).unwrap()
    }

    /// The streams that stand there.
    pub(crate) fn streams(&self) -> Vec<Value> {
        self.streams.lock().unwrap().clone()
    }
}

async fn create(State(fake): State<FakeLivepeer>, Json(wanted): Json<Value>) -> Response {
    let count = fake.creations.fetch_add(1, Ordering::SeqCst) + 1;
    let failing = *fake.failing.lock().unwrap();
    let mut stream = wanted;
    stream["id"] = json!(format!("stream-{count}"));
    stream["playbackId"] = json!(format!("playback-{count}"));
    stream["streamKey"] = json!(format!("key-{count}"));
    stream["isActive"] = json!(false);
    if failing.is_none_or(|(_, carried_out)| carried_out) {
        fake.streams.lock().unwrap().push(stream.clone());
    }
    if fake.hanging.load(Ordering::SeqCst) {
        std::future::pending::<()>().await;
    }
    match failing {
        Some((status, _)) => (status, Json(json!({"errors": ["no"]}))).into_response(),
        None => (StatusCode::CREATED, Json(stream)).into_response(),
    }
}

async fn list(State(fake): State<FakeLivepeer>) -> Json<Vec<Value>> {
    Json(fake.streams())
}

async fn one(State(fake): State<FakeLivepeer>, Path(id): Path<String>) -> Response {
    match fake.streams().into_iter().find(|stream| stream["id"] == id) {
        Some(stream) => Json(stream).into_response(),
        None => (
            StatusCode::NOT_FOUND,
            Json(json!({"errors": ["not found"]})),
        )
            .into_response(),
    }
}

async fn suspend(Path(_): Path<String>) -> StatusCode {
    StatusCode::NO_CONTENT
}

async fn end(State(fake): State<FakeLivepeer>, Path(id): Path<String>) -> StatusCode {
    fake.streams
        .lock()
        .unwrap()
        .retain(|stream| stream["id"] != id);
    StatusCode::NO_CONTENT
}

async fn no_keys(headers: HeaderMap) -> Response {
    let right = format!("Bearer {KEY}");
    match headers.get("authorization") {
        Some(given) if *given == right => Json(json!([])).into_response(),
        // As Studio does: it says the key back.
        given => {
            let words = format!("no token {given:?} found");
            (StatusCode::UNAUTHORIZED, Json(json!({"errors": [words]}))).into_response()
        }
    }
}

async fn ingest() -> Json<Value> {
    Json(
        json!([{"ingest": "rtmp://fake/live", "playback": "https://fake/hls", "base": "https://fake.example"}]),
    )
}
