//! Streams are made, or it is said why not; and never twice.

use std::sync::atomic::Ordering;

use app::config::Config;
use axum::http::StatusCode;
use serde_json::json;
use url::Url;

use crate::fake::{self, FakeLivepeer};
use crate::support::{TestApp, eventually};

async fn app_with(livepeer: &FakeLivepeer) -> TestApp {
    let api = livepeer.start().await;
    TestApp::start_with(with(api)).await
}

fn with(api: Url) -> impl FnOnce(&mut Config) {
    |config| {
        config.livepeer_api_url = Some(api);
        config.livepeer_api_key = Some(fake::KEY.into());
    }
}

#[tokio::test]
async fn a_livepeer_that_is_away_for_a_moment_is_asked_again() {
    let livepeer = FakeLivepeer::default();
    let app = app_with(&livepeer).await;
    let ada = app.browser();
    let session = ada.create().await;
    let mut host = ada.host(&session).await;
    *livepeer.failing.lock().unwrap() = Some((StatusCode::SERVICE_UNAVAILABLE, false));
    host.press("go-live").await;
    eventually(async || (livepeer.creations.load(Ordering::SeqCst) >= 1).then_some(())).await;
    *livepeer.failing.lock().unwrap() = None;
    while host.view["publishes"] == json!([]) {
        host.until(|message| message["type"] == "view").await;
    }
    assert_eq!(livepeer.streams().len(), 1);
}

#[tokio::test]
async fn a_creation_whose_answer_was_lost_is_not_repeated() {
    let livepeer = FakeLivepeer::default();
    let app = app_with(&livepeer).await;
    let ada = app.browser();
    let session = ada.create().await;
    let mut host = ada.host(&session).await;
    // It is carried out, and a proxy on the way back says that it was not.
    *livepeer.failing.lock().unwrap() = Some((StatusCode::GATEWAY_TIMEOUT, true));
    host.go_live().await;
    assert_eq!(livepeer.creations.load(Ordering::SeqCst), 1);
    assert_eq!(livepeer.streams().len(), 1);
    assert_eq!(livepeer.streams()[0]["userTags"]["session"], session);
}

#[tokio::test]
async fn who_cannot_have_a_stream_is_told_and_may_try_again() {
    let livepeer = FakeLivepeer::default();
    let app = app_with(&livepeer).await;
    let ada = app.browser();
    let session = ada.create().await;
    let mut host = ada.host(&session).await;
    *livepeer.failing.lock().unwrap() = Some((StatusCode::UNAUTHORIZED, false));
    host.press("go-live").await;
    host.until(|message| message["view"]["headline"] == "There is no stream")
        .await;
    assert!(
        host.view["detail"].as_str().unwrap().contains("Livepeer"),
        "{}",
        host.view
    );
    *livepeer.failing.lock().unwrap() = None;
    host.act("again", "go-live").await;
    while host.view["publishes"] == json!([]) {
        host.until(|message| message["type"] == "view").await;
    }
    // Each take is a stream of its own.
    assert_eq!(host.view["publishes"][0]["slot"], "show.2");
}

#[tokio::test]
async fn a_show_that_is_called_off_leaves_no_stream() {
    let livepeer = FakeLivepeer::default();
    let app = app_with(&livepeer).await;
    let ada = app.browser();
    let session = ada.create().await;
    let mut host = ada.host(&session).await;
    // Livepeer makes a stream each time, and each time says that it did not.
    *livepeer.failing.lock().unwrap() = Some((StatusCode::SERVICE_UNAVAILABLE, true));
    host.press("go-live").await;
    host.act("off", "end-show").await;
    host.until(|message| message["id"] == "off").await;
    eventually(async || livepeer.streams().is_empty().then_some(())).await;
    assert_eq!(host.view["phase"], "ended");
}

#[tokio::test]
async fn a_stream_that_was_being_made_when_the_app_went_down_is_not_made_twice() {
    let livepeer = FakeLivepeer::default();
    let api = livepeer.start().await;
    let app = TestApp::start_with(with(api.clone())).await;
    let ada = app.browser();
    let session = ada.create().await;
    let mut host = ada.host(&session).await;
    livepeer.hanging.store(true, Ordering::SeqCst);
    host.press("go-live").await;
    eventually(async || (livepeer.streams().len() == 1).then_some(())).await;
    let (cookie, folder) = (ada.cookie(), app.stop().await);

    livepeer.hanging.store(false, Ordering::SeqCst);
    let app = TestApp::start_in(folder, with(api)).await;
    let ada = app.browser().with_cookie(cookie);
    let mut host = ada.host(&session).await;
    while host.view["publishes"] == json!([]) {
        host.until(|message| message["type"] == "view").await;
    }
    assert_eq!(livepeer.creations.load(Ordering::SeqCst), 1);
    assert_eq!(livepeer.streams().len(), 1);
}
