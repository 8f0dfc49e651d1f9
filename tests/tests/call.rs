//! A private call, in real browsers, against the app as a process of its own: built for nothing else, and among others.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use kit::browser;
use kit::served::Build;
use kit::served::person::{LIMIT, Person};
use kit::served::room::{HOST, Room, TITLE};
use serde_json::json;

const ALONE: Build = Build::of("one-to-one");
const WITHIN_HYBRID: Build = Build::of("hybrid");

/// The call waits this long for somebody who has dropped out.
const SHORT: &[(&str, &str)] = &[
    ("POLICY", r#"{"one-to-one":{"returnSeconds":2}}"#),
    ("LEAVE_SECONDS", "1"),
];

/// The host calls, and somebody with the link answers; returns when both see each other.
async fn call(build: Build, settings: &[(&str, &str)]) -> (Room, Person) {
    let room = Room::open_with(build, "one-to-one", settings, browser::CAMERA)
        .await
        .unwrap();
    let guest = room.guest().await.unwrap();
    guest.reads("Ada is not calling yet").await.unwrap();
    room.host.plays("preview").await.unwrap();
    room.host.press("call").await.unwrap();
    room.host.reads("has opened your link").await.unwrap();
    // It rings, with one's own picture to check, and nothing is sent or paid for yet.
    guest.phase("ringing").await.unwrap();
    guest.reads("Ada is calling").await.unwrap();
    guest.plays("preview").await.unwrap();
    room.stands_at_livepeer(&[]).await.unwrap();
    guest.press_as("join-call", "Ben").await.unwrap();
    in_the_call(&room, &guest).await;
    (room, guest)
}

/// Waits until the two are in the first call and see each other.
async fn in_the_call(room: &Room, guest: &Person) {
    for (who, slot, other) in [
        (&room.host, "call-guest.1", "Ben"),
        (guest, "call-host.1", "Ada"),
    ] {
        who.has_only(&[slot]).await.unwrap();
        who.plays(slot).await.unwrap();
        who.decodes(slot, 30).await.unwrap();
        let words = format!("You are in a call with {other}");
        who.reads(&words).await.unwrap();
    }
}

/// What somebody is told who has the link and is not in the call.
async fn is_told_nothing(third: &Person) {
    third.reads("This call is full").await.unwrap();
    third.has_only(&[]).await.unwrap();
    let told = "
        const page = await fetch(location.href).then((answer) => answer.text());
        const view = window.livepeerStarter.page.view;
        return [page, JSON.stringify(view), document.title, document.body.innerText, view.buttons.length];";
    let (page, view, title, text, buttons): (String, String, String, String, u32) =
        third.run(told, json!([])).await.unwrap();
    assert!(page.contains("data-session"), "{page}");
    for told in [page, view, title, text] {
        for secret in [TITLE, HOST, "Ben", "call-host", "call-guest"] {
            assert!(
                !told.contains(secret),
                "a third person reads {secret}: {told}"
            );
        }
    }
    assert_eq!(buttons, 0);
    for slot in ["call-host.1", "call-guest.1"] {
        for what in ["play", "publish"] {
            let (status, ticket) = third.asks(what, slot).await.unwrap();
            assert_eq!((status, ticket.is_some()), (403, false), "{what} {slot}");
        }
    }
}

/// Waits until somebody sees what the other has switched off or on.
async fn sees_switches(who: &Person, slot: &str, camera: bool, microphone: bool) {
    let seen = format!(
        "(() => {{
            const tile = document.querySelector('video[data-slot=\"{slot}\"]').closest('.tile');
            const silent = tile.querySelector('.tile-silent');
            const off = getComputedStyle(silent).display !== 'none'
                && silent.getAttribute('aria-label').endsWith('microphone off');
            return tile.innerText.includes('camera is off') === {} && off === {};
        }})()",
        !camera, !microphone
    );
    who.until::<bool>(&seen, LIMIT).await.unwrap();
}

async fn two_people_and_nobody_else(build: Build) {
    if !browser::available("a private call") {
        return;
    }
    let (room, guest) = call(build, &[]).await;
    room.stands_at_livepeer(&["call-guest.1", "call-host.1"])
        .await
        .unwrap();
    assert!(guest.loudness("call-host.1").await.unwrap() > 0.0);
    assert!(room.host.loudness("call-guest.1").await.unwrap() > 0.0);

    // What one switches off the other reads.
    sees_switches(&room.host, "call-guest.1", true, true).await;
    guest.press("microphone").await.unwrap();
    sees_switches(&room.host, "call-guest.1", true, false).await;
    guest.press("camera").await.unwrap();
    sees_switches(&room.host, "call-guest.1", false, false).await;
    guest.press("microphone").await.unwrap();
    guest.press("camera").await.unwrap();
    sees_switches(&room.host, "call-guest.1", true, true).await;
    room.host.press("camera").await.unwrap();
    sees_switches(&guest, "call-host.1", false, true).await;
    room.host.press("camera").await.unwrap();
    sees_switches(&guest, "call-host.1", true, true).await;
    room.host.sees_camera("call-guest.1").await.unwrap();
    guest.sees_camera("call-host.1").await.unwrap();

    let third = room.guest().await.unwrap();
    is_told_nothing(&third).await;
    // The address of a stream, got from one of the two, is worth nothing to her.
    let (_, ticket) = guest.asks("play", "call-host.1").await.unwrap();
    let ticket = ticket.unwrap();
    let refused = third.takes(&ticket.url, None).await.unwrap();
    assert!(matches!(refused, 401 | 403 | 404), "{refused}");

    // Somebody who drops out comes back into the same call, and nobody takes the seat meanwhile.
    guest.goto("about:blank").await.unwrap();
    room.host.reads("has dropped out").await.unwrap();
    is_told_nothing(&third).await;
    guest.goto(&room.link).await.unwrap();
    in_the_call(&room, &guest).await;
    room.host.refresh().await.unwrap();
    in_the_call(&room, &guest).await;
    is_told_nothing(&third).await;

    guest.press("hang-up").await.unwrap();
    for who in [&room.host, &guest] {
        who.phase("ended").await.unwrap();
        who.has_only(&[]).await.unwrap();
    }
    room.stands_at_livepeer(&[]).await.unwrap();
    let late = guest.takes(&ticket.url, Some(&ticket.token)).await.unwrap();
    assert!(matches!(late, 401 | 403 | 404), "{late}");

    // The next call has streams of its own.
    room.host.press("call").await.unwrap();
    guest.press_as("join-call", "Ben").await.unwrap();
    guest.has_only(&["call-host.2"]).await.unwrap();
    guest.decodes("call-host.2", 30).await.unwrap();
    room.host.press("hang-up").await.unwrap();
    guest.phase("ended").await.unwrap();
    room.stands_at_livepeer(&[]).await.unwrap();
}

async fn who_does_not_come_back_ends_it(build: Build) {
    if !browser::available("a call that is left") {
        return;
    }
    let (room, guest) = call(build, SHORT).await;
    guest.0.close().unwrap();
    room.host.phase("ended").await.unwrap();
    room.host.has_only(&[]).await.unwrap();
    room.stands_at_livepeer(&[]).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn two_people_and_nobody_else_alone() {
    two_people_and_nobody_else(ALONE).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_people_and_nobody_else_within_the_hybrid() {
    two_people_and_nobody_else(WITHIN_HYBRID).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_does_not_come_back_ends_the_call_alone() {
    who_does_not_come_back_ends_it(ALONE).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_does_not_come_back_ends_the_call_within_the_hybrid() {
    who_does_not_come_back_ends_it(WITHIN_HYBRID).await;
}

/// An app that is built for calls offers nothing else, and asks nothing about it.
#[tokio::test(flavor = "multi_thread")]
async fn an_app_of_one_kind_offers_no_choice() {
    if !browser::available("an app of one kind") {
        return;
    }
    let room = Room::open(ALONE, "one-to-one").await.unwrap();
    let home = room.browser.open(&room.app.url()).await.unwrap();
    let offered = "return [...document.querySelectorAll('[name=kind]')].map(({ type, value }) => `${type} ${value}`)";
    let offered: Vec<String> = home.run(offered, json!([])).await.unwrap();
    assert_eq!(offered, ["hidden one-to-one"]);
}
