//! A whole show, on real media.

use std::time::Duration;

use reqwest::StatusCode;

use crate::media::{Camera, watch};
use crate::support::{TestApp, eventually};

#[tokio::test]
async fn a_show_from_going_live_to_the_end() {
    // So rarely that whatever happens soon has come by webhook.
    let app = TestApp::start_with(|config| config.poll_seconds = 60).await;
    let ada = app.browser();
    let session = ada.create().await;
    let mut host = ada.host(&session).await;
    let bob = app.browser();
    let mut viewer = bob.watch(&session).await;

    let slot = host.go_live().await;
    let publish = ada.credential(&session, "publish", &slot, "host").await;
    let camera = Camera::start(&publish.json()).await;
    host.phase("live").await;
    viewer.phase("live").await;

    assert_eq!(viewer.view["plays"][0]["slot"], slot);
    let play = bob
        .credential(&session, "play", &slot, "guest")
        .await
        .json();
    assert!(play["token"].is_string() && play["expiresAt"].is_u64());
    watch(&play, 30).await;

    // The camera goes and comes back: the same stream, the same players.
    camera.stop().await;
    viewer.phase("interrupted").await;
    assert_eq!(viewer.view["plays"][0]["slot"], slot);
    let publish = ada.credential(&session, "publish", &slot, "host").await;
    let camera = Camera::start(&publish.json()).await;
    viewer.phase("live").await;
    watch(&play, 30).await;

    // The end throws the camera out, and leaves nothing that costs money.
    assert_eq!(host.press("end-show").await["type"], "done");
    viewer.phase("ended").await;
    camera.thrown_out().await;
    let livepeer = app.livepeer();
    eventually(async || {
        let left = livepeer.list_streams(&Default::default()).await.unwrap();
        left.is_empty().then_some(())
    })
    .await;
    let late = bob.credential(&session, "play", &slot, "guest").await;
    assert_eq!(late.status, StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn a_token_is_for_one_stream() {
    let app = TestApp::start().await;
    let mut shows = Vec::new();
    for _ in 0..2 {
        let ada = app.browser();
        let session = ada.create().await;
        let mut host = ada.host(&session).await;
        let bob = app.browser();
        let mut viewer = bob.watch(&session).await;
        let slot = host.go_live().await;
        let publish = ada.credential(&session, "publish", &slot, "host").await;
        let camera = Camera::start(&publish.json()).await;
        viewer.phase("live").await;
        let play = bob
            .credential(&session, "play", &slot, "guest")
            .await
            .json();
        shows.push((play, host, viewer, camera));
    }
    let mut crossed = shows[0].0.clone();
    crossed["token"] = shows[1].0["token"].clone();
    let refused = tokio::time::timeout(
        Duration::from_secs(5),
        tokio::spawn(async move { watch(&crossed, 1).await }),
    );
    assert!(
        refused.await.unwrap().is_err(),
        "a token of another show let in"
    );
    watch(&shows[0].0, 5).await;
}
