//! A whole show, on real media.
#![cfg(feature = "local")]

use std::time::Duration;

use app::Kind;
use reqwest::StatusCode;
use serde_json::json;

use crate::media::{Camera, watch};
use crate::program::Program;
use crate::support::{Browser, KEY, TestApp, eventually};

static SHOW: &[Kind] = &[Kind::of::<one_to_many::OneToMany>()];

#[tokio::test]
async fn a_show_from_going_live_to_the_end() {
    // So rarely that whatever happens soon has come by webhook.
    let app = TestApp::start_as(SHOW, |config| config.poll_seconds = 60).await;
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
    let app = TestApp::start_as(SHOW, |_| {}).await;
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

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_server_goes_on_in_the_middle_of_the_show() {
    let folder = tempfile::tempdir().unwrap();
    let mut program = Program::start(folder.path(), 0);
    let (ada, bob) = (
        Browser::at(program.url.clone()),
        Browser::at(program.url.clone()),
    );
    let session = ada.create_kind("one-to-many").await;
    let mut host = ada.host(&session).await;
    let mut viewer = bob.watch(&session).await;
    let slot = host.go_live().await;
    let publish = ada.credential(&session, "publish", &slot, "host").await;
    let camera = Camera::start(&publish.json()).await;
    viewer.phase("live").await;
    let before = program
        .livepeer()
        .list_streams(&Default::default())
        .await
        .unwrap();
    assert_eq!(before.len(), 1);
    let epoch = host.epoch.clone();

    program.kill();
    while host.next().await.is_ok() {}
    drop((camera, viewer));
    let mut program = Program::start(folder.path(), program.url.port().unwrap());

    // The pages come back by themselves, and find the same show on the same stream. What was asked before the cut, and
    // perhaps not answered, is not done twice.
    let mut host = ada.open(&session, "host").await;
    let hello = host.resume(&epoch, 1).await;
    assert_ne!(hello["epoch"], epoch);
    host.act("press-1", "go-live").await;
    let answer = host.until(|message| message["id"] == "press-1").await;
    assert_eq!(answer["type"], "done");
    let mut viewer = bob.watch(&session).await;
    assert_eq!(
        host.view["publishes"],
        json!([{"slot": slot, "source": {"type": "camera"}}])
    );

    // The same key still publishes; the picture is back.
    let again = ada.credential(&session, "publish", &slot, "host").await;
    assert_eq!(again.json()["url"], publish.json()["url"]);
    let camera = Camera::start(&again.json()).await;
    host.phase("live").await;
    viewer.phase("live").await;
    let play = bob.credential(&session, "play", &slot, "guest").await;
    watch(&play.json(), 10).await;
    assert_eq!(program.streams().await, [before[0].id.clone()]);

    // Killed while the stream is being ended: it is ended all the same.
    host.act("end", "end-show").await;
    host.until(|message| message["id"] == "end").await;
    program.kill();
    camera.stop().await;
    let program = Program::start(folder.path(), program.url.port().unwrap());
    eventually(async || program.streams().await.is_empty().then_some(())).await;

    // And through all of this no secret was written down.
    let log = std::fs::read_to_string(folder.path().join("log")).unwrap();
    let key = before[0].stream_key.as_ref().unwrap();
    let token = play.json()["token"].as_str().unwrap().to_owned();
    assert!(log.contains(&session), "the log tells nothing");
    for secret in [KEY, key.expose(), &token] {
        assert!(!log.contains(secret), "a secret is in the log");
    }
}
