//! A private call, on real media, with somebody else at the door.
#![cfg(feature = "local")]

use app::Kind;
use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::media::{Camera, Player, refused, watch};
use crate::page::Page;
use crate::program::Program;
use crate::support::{Browser, TestApp, eventually};

static CALL: &[Kind] = &[Kind::of::<one_to_one::OneToOne>()];

/// Two people in a call, each seen by the other.
struct Call {
    session: String,
    host: Page,
    guest: Page,
    /// The host's camera, and the guest's.
    cameras: [Camera; 2],
    /// What the host plays with, and what the guest does.
    plays: [Value; 2],
}

/// Ada calls, Bob answers, and both decode each other.
async fn call(ada: &Browser, bob: &Browser) -> Call {
    let session = ada.create_kind("one-to-one").await;
    let mut host = ada.host(&session).await;
    let mut guest = bob.watch(&session).await;
    assert_eq!(host.press("call").await["type"], "done");
    guest.phase("ringing").await;
    assert_eq!(guest.press("join-call").await["type"], "done");
    let (cameras, plays) = connect([ada, bob], &session, [&mut host, &mut guest]).await;
    Call {
        session,
        host,
        guest,
        cameras,
        plays,
    }
}

/// What the pages of the two do by themselves: each publishes, and plays the other.
async fn connect(
    [ada, bob]: [&Browser; 2],
    session: &str,
    [host, guest]: [&mut Page; 2],
) -> ([Camera; 2], [Value; 2]) {
    let mine = host.slot("publishes", "call-host").await;
    let theirs = guest.slot("publishes", "call-guest").await;
    let publish = ada.credential(session, "publish", &mine, "host").await;
    let first = Camera::start(&publish.json()).await;
    let publish = bob.credential(session, "publish", &theirs, "guest").await;
    let second = Camera::start(&publish.json()).await;
    host.phase("live").await;
    guest.phase("live").await;
    let hosts = ada.credential(session, "play", &theirs, "host").await;
    let guests = bob.credential(session, "play", &mine, "guest").await;
    for play in [&hosts, &guests] {
        assert!((540..=600).contains(&play.life()), "{}", play.text);
        watch(&play.json(), 10).await;
    }
    ([first, second], [hosts.json(), guests.json()])
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_from_ringing_to_hanging_up() {
    // So rarely that whatever happens soon has come by webhook.
    let app = TestApp::start_as(CALL, |config| config.poll_seconds = 60).await;
    let (ada, bob) = (app.browser(), app.browser());
    let mut call = call(&ada, &bob).await;
    call.guest.switch(false, true).await;
    let dark = json!({"camera": false, "microphone": true});
    call.host.sees_sending(&dark).await;

    // Bob's camera drops out and comes back: the same call, the same stream, the same player of Ada's.
    let mut player = Player::start(&call.plays[0]).await;
    player.pictures(5).await;
    let [hosts, guests] = call.cameras;
    guests.stop().await;
    call.host.phase("interrupted").await;
    let slot = call.guest.slot("publishes", "call-guest").await;
    let publish = bob
        .credential(&call.session, "publish", &slot, "guest")
        .await;
    let guests = Camera::start(&publish.json()).await;
    call.host.phase("live").await;
    player.pictures(5).await;

    // Hanging up throws out both, and leaves nothing that costs money.
    assert_eq!(call.guest.press("hang-up").await["type"], "done");
    call.host.phase("ended").await;
    hosts.thrown_out().await;
    guests.thrown_out().await;
    player.thrown_out().await;
    let livepeer = app.livepeer();
    eventually(async || {
        let left = livepeer.list_streams(&Default::default()).await.unwrap();
        left.is_empty().then_some(())
    })
    .await;

    // Another call is other streams.
    assert_eq!(call.host.press("call").await["type"], "done");
    call.guest.offers("join-call").await;
    assert_eq!(call.guest.press("join-call").await["type"], "done");
    let pages = [&mut call.host, &mut call.guest];
    let (_cameras, plays) = connect([&ada, &bob], &call.session, pages).await;
    for (old, new) in call.plays.iter().zip(&plays) {
        assert_ne!(old["url"], new["url"]);
        assert_eq!(refused(new, Some(&old["token"])).await, 403);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_third_person_is_told_nothing_and_let_in_nowhere() {
    let app = TestApp::start_as(CALL, |_| {}).await;
    let [ada, bob, eve, dan] = [(); 4].map(|()| app.browser());
    bob.create_as("Bob", "one-to-one").await;
    let Call {
        session,
        mut host,
        cameras: _cameras,
        plays,
        ..
    } = call(&ada, &bob).await;

    // The page says nothing, nor does anything that is told to it.
    let page = eve.get(&format!("/s/{session}")).await.text;
    let mut third = eve.watch(&session).await;
    let view = third.view.clone();
    assert_eq!(view["headline"], "This call is full");
    for (field, empty) in [
        ("title", json!("")),
        ("byline", json!("")),
        ("detail", json!("")),
        ("since", json!(null)),
        ("audience", json!(null)),
        ("preview", json!(false)),
        ("publishes", json!([])),
        ("plays", json!([])),
        ("buttons", json!([])),
        ("people", json!([])),
    ] {
        assert_eq!(view[field], empty, "{field}");
    }
    for told in [page, view.to_string()] {
        for secret in ["Friday", "Ada", "Bob", "call-host", "call-guest"] {
            assert!(!told.contains(secret), "{secret} in {told}");
        }
    }
    for button in ["join-call", "hang-up", "call"] {
        assert_eq!(third.press(button).await["type"], "refused", "{button}");
    }
    for slot in ["call-host.1", "call-guest.1"] {
        for what in ["publish", "play"] {
            let answer = eve.credential(&session, what, slot, "guest").await;
            assert_eq!(answer.status, StatusCode::FORBIDDEN, "{what} {slot}");
        }
    }

    // A stolen address lets in neither without a token nor with one of another call of their own.
    let own = call(&eve, &dan).await;
    for stolen in &plays {
        assert_eq!(refused(stolen, None).await, 401);
        for token in own.plays.iter().map(|play| &play["token"]) {
            assert_eq!(refused(stolen, Some(token)).await, 403);
        }
    }

    // And when the call is over, the very tokens of the two let nobody in.
    let mut players = [
        Player::start(&plays[0]).await,
        Player::start(&plays[1]).await,
    ];
    for player in &mut players {
        player.pictures(1).await;
    }
    assert_eq!(host.press("hang-up").await["type"], "done");
    for player in players {
        player.thrown_out().await;
    }
    for stolen in &plays {
        assert!([403, 404].contains(&refused(stolen, Some(&stolen["token"])).await));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_server_goes_on_in_the_middle_of_the_call() {
    let folder = tempfile::tempdir().unwrap();
    let mut program = Program::start(folder.path(), 0);
    let (ada, bob) = (
        Browser::at(program.url.clone()),
        Browser::at(program.url.clone()),
    );
    let call = call(&ada, &bob).await;
    let before = program.streams().await;
    assert_eq!(before.len(), 2);

    program.kill();
    drop((call.host, call.guest, call.cameras));
    let program = Program::start(folder.path(), program.url.port().unwrap());
    let mut host = ada.host(&call.session).await;
    let mut guest = bob.watch(&call.session).await;
    let pages = [&mut host, &mut guest];
    let (_cameras, plays) = connect([&ada, &bob], &call.session, pages).await;
    assert_eq!(program.streams().await, before);
    for (old, new) in call.plays.iter().zip(&plays) {
        assert_eq!(old["url"], new["url"]);
    }

    // Nobody else is let in by it.
    let mut third = Browser::at(program.url.clone()).watch(&call.session).await;
    assert_eq!(third.view["headline"], "This call is full");
    assert_eq!(third.press("join-call").await["type"], "refused");
}
