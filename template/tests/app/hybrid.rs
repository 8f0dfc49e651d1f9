//! A show whose host takes a viewer into a private call, on real media, before an audience.
#![cfg(feature = "local")]

use app::Kind;
use reqwest::StatusCode;
use serde_json::json;

use crate::media::{Camera, Player, refused, watch};
use crate::support::{TestApp, eventually};

static SHOW: &[Kind] = &[Kind::of::<hybrid::Hybrid>()];

#[tokio::test(flavor = "multi_thread")]
async fn a_host_goes_private_and_comes_back_and_the_audience_stays_and_learns_nothing() {
    let app = TestApp::start_as(SHOW, |_| {}).await;
    let [ada, bob, eve] = [(); 3].map(|()| app.browser());
    bob.create_as("Bob", "hybrid").await;
    let session = ada.create_kind("hybrid").await;
    let mut host = ada.host(&session).await;
    let mut guest = bob.watch(&session).await;
    let mut viewer = eve.watch(&session).await;

    // The show.
    let show = host.go_live().await;
    let publish = ada.credential(&session, "publish", &show, "host").await;
    let _public = Camera::start(&publish.json()).await;
    viewer.phase("live").await;
    let own = eve
        .credential(&session, "play", &show, "guest")
        .await
        .json();
    let mut player = Player::start(&own).await;
    player.pictures(10).await;

    // Bob asks, and Ada accepts: she holds two streams at once, the public one with a card on it.
    guest.offers("ask-call").await;
    assert_eq!(guest.press("ask-call").await["type"], "done");
    host.sees(|view| view["people"][0]["name"] == "Bob").await;
    assert_eq!(host.press_about_first("accept").await["type"], "done");
    let mine = host.slot("publishes", "call-host").await;
    let theirs = guest.slot("publishes", "call-guest").await;
    assert_eq!(host.view["publishes"][0]["slot"], show);
    assert_eq!(host.view["publishes"][0]["source"]["type"], "card");
    assert_eq!(
        host.view["publishes"][1]["source"],
        json!({"type": "camera"})
    );
    let publish = ada.credential(&session, "publish", &mine, "host").await;
    let hosts = Camera::start(&publish.json()).await;
    let publish = bob.credential(&session, "publish", &theirs, "guest").await;
    let guests = Camera::start(&publish.json()).await;
    host.phase("live").await;
    guest.phase("live").await;
    let play = ada
        .credential(&session, "play", &theirs, "host")
        .await
        .json();
    watch(&play, 10).await;
    let stolen = bob
        .credential(&session, "play", &mine, "guest")
        .await
        .json();
    watch(&stolen, 10).await;

    // Eve stays where she was, and is told of no call.
    viewer
        .sees(|view| view["headline"] == "Ada will be right back")
        .await;
    player.pictures(10).await;
    let told = viewer.view.to_string() + &eve.get(&format!("/s/{session}")).await.text;
    for secret in ["Bob", "call-host", "call-guest", "private call with"] {
        assert!(!told.contains(secret), "{secret} in {told}");
    }
    for slot in [&mine, &theirs] {
        for what in ["publish", "play"] {
            let answer = eve.credential(&session, what, slot, "guest").await;
            assert_eq!(answer.status, StatusCode::FORBIDDEN, "{what} {slot}");
        }
    }
    // Bob's and Ada's addresses are worth nothing to her, without a token or with her own.
    for address in [&stolen, &play] {
        assert_eq!(refused(address, None).await, 401);
        assert_eq!(refused(address, Some(&own["token"])).await, 403);
    }
    // Nor is Ada's page, opened as a viewer's, the host in the call.
    let _own_viewer = ada.watch(&session).await;
    let answer = ada.credential(&session, "play", &theirs, "guest").await;
    assert_eq!(answer.status, StatusCode::FORBIDDEN);

    // Back to the show: the call is gone, with everybody in it, and even Bob's token opens nothing any more.
    assert_eq!(host.press("hang-up").await["type"], "done");
    hosts.thrown_out().await;
    guests.thrown_out().await;
    for address in [&stolen, &play] {
        let token = Some(&address["token"]);
        assert!([403, 404].contains(&refused(address, token).await));
    }
    viewer.sees(|view| view["headline"] == "Ada is live").await;
    assert_eq!(
        host.view["publishes"],
        json!([{"slot": show, "source": {"type": "camera"}}])
    );
    player.pictures(10).await;
    guest.slot("plays", "show").await;
    let again = bob.credential(&session, "play", &show, "guest").await;
    watch(&again.json(), 10).await;
    let livepeer = app.livepeer();
    eventually(async || {
        let left = livepeer.list_streams(&Default::default()).await.unwrap();
        (left.len() == 1).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_guest_comes_on_stage_and_the_audience_plays_both() {
    let app = TestApp::start_as(SHOW, |_| {}).await;
    let [ada, bob, eve] = [(); 3].map(|()| app.browser());
    let session = ada.create_kind("hybrid").await;
    let mut host = ada.host(&session).await;
    let mut guest = bob.watch(&session).await;
    let mut viewer = eve.watch(&session).await;
    let show = host.go_live().await;
    let publish = ada.credential(&session, "publish", &show, "host").await;
    let _host = Camera::start(&publish.json()).await;
    guest.offers("ask-stage").await;
    assert_eq!(guest.press("ask-stage").await["type"], "done");
    host.sees(|view| view["people"] != json!([])).await;
    assert_eq!(host.press_about_first("accept").await["type"], "done");
    let stage = guest.slot("publishes", "stage").await;
    let publish = bob.credential(&session, "publish", &stage, "guest").await;
    let camera = Camera::start(&publish.json()).await;
    viewer.slot("plays", "stage").await;
    assert_eq!(viewer.view["layout"], "grid");
    for slot in [&show, &stage] {
        let play = eve.credential(&session, "play", slot, "guest").await;
        watch(&play.json(), 10).await;
    }
    // Off again, by the host.
    assert_eq!(host.press_about_first("take-down").await["type"], "done");
    camera.thrown_out().await;
    viewer
        .sees(|view| view["plays"].as_array().unwrap().len() == 1)
        .await;
    let late = eve.credential(&session, "play", &stage, "guest").await;
    assert_eq!(late.status, StatusCode::FORBIDDEN);
}
