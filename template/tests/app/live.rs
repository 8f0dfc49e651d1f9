//! The WebSocket: numbered, resumable, and polite about nonsense.

use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Error;

use crate::media::Camera;
use crate::support::TestApp;

#[tokio::test]
async fn a_page_is_greeted_and_told_how_things_stand() {
    let app = TestApp::start().await;
    let ada = app.browser();
    let session = ada.create().await;
    let host = ada.host(&session).await;
    assert_eq!(host.view["phase"], "setup");
    assert_eq!(host.view["buttons"][0]["action"], "go-live");
    let viewer = app.browser().watch(&session).await;
    assert_eq!(viewer.view["phase"], "waiting");
    assert_eq!(viewer.view["buttons"], json!([]));
}

#[tokio::test]
async fn people_are_counted_and_a_reload_is_no_departure() {
    let app = TestApp::start().await;
    let ada = app.browser();
    let session = ada.create().await;
    let mut host = ada.host(&session).await;
    let bob = app.browser();
    let first = bob.watch(&session).await;
    host.audience(1).await;
    // A second tab is no second person.
    let second = bob.watch(&session).await;
    let _carol = app.browser().watch(&session).await;
    host.audience(2).await;
    drop(first);
    drop(second);
    let reloaded = bob.watch(&session).await;
    // Had he been counted out, there would be a message of it before this one.
    let _dave = app.browser().watch(&session).await;
    host.until(|message| message["type"] == "view").await;
    assert_eq!(host.view["audience"], 3);
    drop(reloaded);
    host.audience(2).await;
}

#[tokio::test]
async fn a_button_is_answered_once_however_often_it_is_sent() {
    let app = TestApp::start().await;
    let ada = app.browser();
    let session = ada.create().await;
    let mut host = ada.host(&session).await;
    host.act("one", "go-live").await;
    host.act("one", "go-live").await;
    let answer = host.until(|message| message["id"] == "one").await;
    assert_eq!(answer["type"], "done");
    // What is sent later is answered later: no second answer to the first came in between.
    host.act("two", "go-live").await;
    let answer = host.until(|message| message["id"].is_string()).await;
    assert_eq!(
        (&answer["type"], &answer["id"]),
        (&json!("refused"), &json!("two"))
    );
    assert_eq!(answer["reason"], "Not now.");
}

#[tokio::test]
async fn who_may_not_is_refused_in_words() {
    let app = TestApp::start().await;
    let session = app.browser().create().await;
    let mut viewer = app.browser().watch(&session).await;
    let answer = viewer.press("go-live").await;
    assert_eq!(answer["type"], "refused");
    assert_eq!(answer["reason"], "Only the host can do that.");
}

#[tokio::test]
async fn after_a_cut_nothing_is_missing() {
    let app = TestApp::start().await;
    let ada = app.browser();
    let session = ada.create().await;
    let mut host = ada.host(&session).await;
    host.press("go-live").await;
    let (epoch, after) = (host.epoch.clone(), host.last);
    drop(host);
    let _bob = app.browser().watch(&session).await;

    let mut host = ada.open(&session, "host").await;
    let hello = host.resume(&epoch, after).await;
    assert_eq!(
        (&hello["epoch"], &hello["last"]),
        (&json!(epoch), &json!(after))
    );
    host.audience(1).await;
    // And from the beginning, every number once.
    let last = host.last;
    drop(host);
    let mut host = ada.open(&session, "host").await;
    host.resume(&epoch, 0).await;
    while host.last < last {
        host.next().await.unwrap();
    }
}

#[tokio::test]
async fn who_comes_from_another_time_is_told_how_things_stand() {
    let app = TestApp::start().await;
    let ada = app.browser();
    let session = ada.create().await;
    let (epoch, last) = {
        let host = ada.host(&session).await;
        (host.epoch.clone(), host.last)
    };
    for (epoch, after) in [("nonsense", 3), (&*epoch, last + 1000)] {
        let mut host = ada.open(&session, "host").await;
        let hello = host.resume(epoch, after).await;
        assert_ne!(hello["last"], after);
        host.until(|message| message["type"] == "view").await;
    }
}

#[tokio::test]
async fn nonsense_is_answered_and_the_connection_stays() {
    let app = TestApp::start().await;
    let ada = app.browser();
    let session = ada.create().await;
    let mut page = ada.open(&session, "host").await;
    for nonsense in [
        "",
        "hello?",
        "{}",
        "[1]",
        r#"{"type":"act","id":"x","action":"go-live"}"#,
        r#"{"type":"switched","camera":true,"microphone":true}"#,
    ] {
        page.say_text(nonsense).await;
        assert_eq!(page.next().await.unwrap()["type"], "error", "{nonsense:?}");
    }
    page.join().await;
    for nonsense in [
        "{",
        r#"{"type":"join"}"#,
        r#"{"type":"act"}"#,
        r#"{"type":"act","id":"","action":"x"}"#,
        r#"{"type":"switched","camera":true}"#,
    ] {
        page.say_text(nonsense).await;
        let answer = page.next().await.unwrap();
        assert_eq!(answer["type"], "error", "{nonsense:?}");
        assert_eq!(answer["n"], Value::Null);
    }
    assert_eq!(page.press("go-live").await["type"], "done");
}

#[tokio::test]
async fn too_much_is_cut_off() {
    let app = TestApp::start().await;
    let ada = app.browser();
    let session = ada.create().await;
    let mut page = ada.host(&session).await;
    page.say_text(&"x".repeat(20_000)).await;
    while page.next().await.is_ok() {}

    let mut page = ada.host(&session).await;
    for _ in 0..100 {
        page.say_text("{}").await;
    }
    let code = loop {
        match page.next().await {
            Ok(message) => assert_eq!(message["type"], "error"),
            Err(code) => break code,
        }
    };
    assert_eq!(code, Some(1008));
}

#[tokio::test]
async fn what_somebody_switches_off_is_seen_by_the_others() {
    let app = TestApp::start().await;
    let ada = app.browser();
    let session = ada.create().await;
    let mut host = ada.host(&session).await;
    let mut viewer = app.browser().watch(&session).await;
    let slot = host.go_live().await;
    let publish = ada.credential(&session, "publish", &slot, "host").await;
    let _camera = Camera::start(&publish.json()).await;
    viewer.phase("live").await;
    let on = json!({"camera": true, "microphone": true});
    assert_eq!(viewer.view["plays"][0]["sending"], on);

    let muted = json!({"camera": true, "microphone": false});
    host.switch(true, false).await;
    viewer.sees_sending(&muted).await;
    // A page that has taken over says how it is, and the one that it was taken from has no say any more.
    let mut second = ada.host(&session).await;
    host.until(|message| message["type"] == "taken-over").await;
    second.switch(false, false).await;
    let off = json!({"camera": false, "microphone": false});
    viewer.sees_sending(&off).await;
}

#[tokio::test]
async fn who_says_their_name_is_called_by_it_from_then_on() {
    let app = TestApp::start().await;
    let ada = app.browser();
    let session = ada.create().await;
    let mut host = ada.host(&session).await;
    let ben = app.browser();
    let mut viewer = ben.watch(&session).await;
    host.until(|m| m["view"]["people"][0]["name"] == "Guest")
        .await;

    let path = format!("/s/{session}/name");
    let nameless = ben.post_json(&path, &json!({"name": " \n "})).await;
    assert_eq!(nameless.status, 422);
    let words = nameless.json()["error"].as_str().unwrap().to_owned();
    assert!(words.contains("name is empty"), "{words}");
    let foreign = app
        .browser()
        .post_json(&path, &json!({"name": "Eve"}))
        .await;
    assert_eq!(foreign.status, 403, "somebody whom no page has met");

    let told = ben.post_json(&path, &json!({"name": "  Ben\n"})).await;
    assert_eq!(told.status, 204, "{}", told.text);
    host.until(|m| m["view"]["people"][0]["name"] == "Ben")
        .await;
    viewer
        .until(|m| m["view"]["people"][0]["name"] == "Ben")
        .await;
    // The page knows it too, and does not ask again.
    let page = ben.get(&format!("/s/{session}")).await;
    assert!(page.text.contains("data-name=\"Ben\""), "{}", page.text);
}

#[tokio::test]
async fn a_second_host_page_takes_over() {
    let app = TestApp::start().await;
    let ada = app.browser();
    let session = ada.create().await;
    let mut first = ada.host(&session).await;
    let mut second = ada.host(&session).await;
    let told = first.until(|message| message["type"] == "taken-over").await;
    assert!(told["text"].is_string());
    assert_eq!(first.next().await, Err(Some(4001)));
    assert_eq!(second.press("go-live").await["type"], "done");
}

#[tokio::test]
async fn viewers_may_watch_in_several_tabs() {
    let app = TestApp::start().await;
    let ada = app.browser();
    let session = ada.create().await;
    let mut host = ada.host(&session).await;
    let bob = app.browser();
    let mut tabs = [bob.watch(&session).await, bob.watch(&session).await];
    // The host watches in a tab as well: somebody else, as far as the show goes.
    let _own = ada.watch(&session).await;
    host.audience(2).await;
    for tab in &mut tabs {
        tab.audience(2).await;
    }
}

#[tokio::test]
async fn strangers_and_other_sites_do_not_connect() {
    let app = TestApp::start().await;
    let ada = app.browser();
    let session = ada.create().await;
    let bob = app.browser();
    let refused = |answer: Result<_, Error>| match answer.map(drop) {
        Err(Error::Http(answer)) => answer.status().as_u16(),
        other => panic!("{other:?}"),
    };
    let live = format!("/s/{session}/live?seat=host");
    assert_eq!(refused(bob.upgrade(&live, None).await), 403);
    bob.get(&format!("/s/{session}")).await;
    assert_eq!(refused(bob.upgrade(&live, None).await), 403);
    assert_eq!(
        refused(bob.upgrade("/s/nobody/live?seat=guest", None).await),
        404
    );
    let foreign = Some("https://evil.example");
    assert_eq!(refused(ada.upgrade(&live, foreign).await), 403);
    let own = app.url.origin().ascii_serialization();
    assert!(ada.upgrade(&live, Some(&own)).await.is_ok());
}
