//! The server stops, and is back: the show goes on.

use app::config::{Config, Policies};
use serde_json::json;
use tempfile::TempDir;

use crate::support::TestApp;

#[tokio::test]
async fn who_does_not_come_back_after_a_restart_has_left() {
    let app = TestApp::start().await;
    let ada = app.browser();
    let session = ada.create().await;
    let mut host = ada.host(&session).await;
    let _viewer = app.browser().watch(&session).await;
    host.audience(1).await;
    let (cookie, folder) = (ada.cookie(), app.stop().await);

    let app = TestApp::start_in(folder, |_| {}).await;
    let ada = app.browser().with_cookie(cookie);
    let mut host = ada.host(&session).await;
    assert_eq!(host.view["audience"], 1);
    host.audience(0).await;
}

#[tokio::test]
async fn pages_are_told_that_the_server_restarts() {
    let app = TestApp::start().await;
    let ada = app.browser();
    let session = ada.create().await;
    let mut host = ada.host(&session).await;
    host.go_live().await;
    let begun = std::time::Instant::now();
    let folder: TempDir = app.stop().await;
    assert!(
        begun.elapsed().as_secs() < 5,
        "it took {:?}",
        begun.elapsed()
    );
    let code = loop {
        if let Err(code) = host.next().await {
            break code;
        }
    };
    assert_eq!(code, Some(1012), "service restart");

    // Streams outlive the restart.
    let app = TestApp::start_in(folder, |_| {}).await;
    let left = app
        .livepeer()
        .list_streams(&Default::default())
        .await
        .unwrap();
    assert_eq!(left.len(), 1);
}

#[tokio::test]
async fn a_session_keeps_the_policy_with_which_it_was_created() {
    let patience = |words: &'static str| {
        move |config: &mut Config| {
            let policy = ("toy".to_owned(), json!({"patience": words}));
            config.policy = Policies([policy].into());
        }
    };
    let app = TestApp::start_with(patience("In a minute")).await;
    let session = app.browser().create().await;
    let viewer = app.browser().watch(&session).await;
    assert_eq!(viewer.view["headline"], "In a minute");

    let app = TestApp::start_in(app.stop().await, patience("In an hour")).await;
    let viewer = app.browser().watch(&session).await;
    assert_eq!(viewer.view["headline"], "In a minute");
    let session = app.browser().create().await;
    let viewer = app.browser().watch(&session).await;
    assert_eq!(viewer.view["headline"], "In an hour");
}
