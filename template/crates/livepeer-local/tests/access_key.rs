//! The playback policy `webhook`: the app's own webhook says who may play.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod support;

use std::time::SystemTime;

use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use axum::{Json, Router};
use livepeer::webhook::{self, SIGNATURE_HEADER};
use serde_json::{Value, json};
use support::{TestLocal, text};

/// Lets `good` in, refuses `bad` with a 403, refuses `soft` as Studio allows too: with a 200 that says 403.
async fn decide(headers: HeaderMap, body: Bytes) -> Response {
    let asked: Value = serde_json::from_slice(&body).unwrap();
    let signature = headers[SIGNATURE_HEADER].to_str().unwrap();
    let timestamp = asked["timestamp"].as_u64().unwrap();
    assert_eq!(signature, webhook::sign(&"s3cret".into(), &body, timestamp));
    assert_eq!(asked["context"], json!({"room": 7}));
    assert!(asked["playURL"].as_str().unwrap().contains("/webrtc/"));
    assert!(SystemTime::UNIX_EPOCH.elapsed().unwrap().as_millis() >= u128::from(timestamp));
    match asked["accessKey"].as_str().unwrap() {
        "good" => StatusCode::OK.into_response(),
        "soft" => Json(json!({"ret": 403})).into_response(),
        // A body of unknown length is sent in chunks.
        "chunked" => {
            let refusal = Json(json!({"ret": 403})).into_response();
            let (parts, body) = refusal.into_parts();
            let stream = body.into_data_stream();
            Response::from_parts(parts, Body::from_stream(stream))
        }
        _ => StatusCode::FORBIDDEN.into_response(),
    }
}

async fn guarded(local: &TestLocal, url: &str) -> String {
    let hook = json!({"name": "gate", "url": url, "events": ["playback.accessControl"], "sharedSecret": "s3cret"});
    let hook = local.post("/webhook", hook).await.json();
    let policy = json!({"type": "webhook", "webhookId": hook["id"], "webhookContext": {"room": 7}});
    let stream = local
        .stream(json!({"name": "a", "playbackPolicy": policy}))
        .await;
    text(&stream, "playbackId")
}

#[tokio::test]
async fn the_webhook_decides_who_plays() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/gate", listener.local_addr().unwrap());
    let router = Router::new().route("/gate", post(decide));
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    let local = TestLocal::start().await;
    let play = guarded(&local, &url).await;

    let knock = |path: String, key: Option<&'static str>| {
        let local = &local;
        async move {
            let mut headers = vec![("content-type", "application/sdp")];
            headers.extend(key.map(|key| ("livepeer-access-key", key)));
            local
                .webrtc("POST", &path, &headers, "")
                .await
                .status
                .as_u16()
        }
    };
    // Let in, and then refused for the empty offer.
    assert_eq!(knock(play.clone(), Some("good")).await, 400);
    assert_eq!(
        knock(format!("{play}?accessKey=good"), Some("bad")).await,
        400
    );
    assert_eq!(knock(play.clone(), Some("bad")).await, 403);
    assert_eq!(knock(play.clone(), Some("soft")).await, 403);
    assert_eq!(knock(play.clone(), Some("chunked")).await, 403);
    assert_eq!(knock(play.clone(), None).await, 401);
}

#[tokio::test]
async fn a_webhook_that_does_not_answer_lets_nobody_in() {
    let local = TestLocal::start().await;
    let play = guarded(&local, "http://127.0.0.1:9/gate").await;
    let headers = [
        ("content-type", "application/sdp"),
        ("livepeer-access-key", "good"),
    ];
    let answer = local.webrtc("POST", &play, &headers, "").await;
    assert_eq!(answer.status, StatusCode::BAD_GATEWAY);
    assert!(text(&answer.json(), "detail").contains("webhook"));
}
