//! What Livepeer tells, and what others pretend that it told.

use std::time::{SystemTime, UNIX_EPOCH};

use livepeer::SharedSecret;
use livepeer::webhook;
use reqwest::{Method, StatusCode};
use serde_json::json;

use crate::support::{Browser, TestApp};

#[tokio::test]
async fn only_what_livepeer_signed_is_believed() {
    let app = TestApp::start_with(|config| config.poll_seconds = 60).await;
    let ada = app.browser();
    let session = ada.create().await;
    let mut host = ada.host(&session).await;
    host.go_live().await;
    let stream = app
        .livepeer()
        .list_streams(&Default::default())
        .await
        .unwrap()
        .remove(0);

    let body = report("forged", &stream.id);
    let forged = webhook::sign(&SharedSecret::new("a guess"), body.as_bytes(), now());
    let unsigned = deliver(&ada, body.clone(), None).await;
    assert_eq!(unsigned, StatusCode::UNAUTHORIZED);
    assert_eq!(
        deliver(&ada, body, Some(forged)).await,
        StatusCode::UNAUTHORIZED
    );
    let _bob = app.browser().watch(&session).await;
    host.audience(1).await;
    assert_eq!(host.view["phase"], "starting");
}

#[tokio::test]
async fn the_app_asks_livepeer_to_tell_once_however_often_it_starts() {
    let app = TestApp::start().await;
    let first = app.livepeer().list_webhooks().await.unwrap();
    assert_eq!(first.len(), 1);
    assert_eq!(first[0].url, app.url.join("webhooks/livepeer").unwrap());
    let folder = app.stop().await;
    // The port is another one now, and so is the address.
    let app = TestApp::start_in(folder, |_| {}).await;
    let second = app.livepeer().list_webhooks().await.unwrap();
    assert_eq!(second.len(), 1);
    assert_eq!(second[0].url, app.url.join("webhooks/livepeer").unwrap());
}

fn report(id: &str, stream: &str) -> String {
    let stream = json!({"id": stream, "name": "", "playbackId": "", "isActive": true});
    json!({"id": id, "event": "stream.started", "timestamp": now(), "stream": stream}).to_string()
}

async fn deliver(to: &Browser, body: String, signature: Option<String>) -> StatusCode {
    let answer = to.send(Method::POST, "/webhooks/livepeer", |mut request| {
        if let Some(signature) = signature {
            request = request.header(webhook::SIGNATURE_HEADER, signature);
        }
        request
            .header("Content-Type", "application/json")
            .body(body)
    });
    answer.await.status
}

fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    u64::try_from(since.as_millis()).unwrap()
}
