//! A show whose host takes a viewer private without dropping the audience, in three real browsers, against the app as a
//! process of its own.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use kit::browser;
use kit::served::person::Person;
use kit::served::room::Room;
use kit::served::{Build, person};
use serde_json::json;

const BUILD: Build = Build::of("hybrid");

/// The call waits this long for somebody who has dropped out.
const SHORT: &[(&str, &str)] = &[
    ("POLICY", r#"{"hybrid":{"call":{"returnSeconds":2}}}"#),
    ("LEAVE_SECONDS", "1"),
];

/// The audience keeps the picture.
const SILENT_CAMERA: &[(&str, &str)] =
    &[("POLICY", r#"{"hybrid":{"audienceSees":"silent-camera"}}"#)];

/// A show that is on, with two who watch it: Ben, and Cleo who stays.
async fn show(settings: &[(&str, &str)]) -> (Room, Person, Person) {
    let room = Room::open_with(BUILD, "hybrid", settings, browser::CAMERA)
        .await
        .unwrap();
    let ben = room.guest().await.unwrap();
    let cleo = room.guest().await.unwrap();
    room.go_live().await.unwrap();
    for viewer in [&ben, &cleo] {
        viewer.plays("show.1").await.unwrap();
        viewer.decodes("show.1", 30).await.unwrap();
    }
    (room, ben, cleo)
}

/// Ben asks, and the host accepts; returns when both see each other.
async fn into_the_call(room: &Room, ben: &Person) {
    ben.press_as("ask-call", "Ben").await.unwrap();
    let asks = "[...document.querySelectorAll('.person')].some(({ innerText }) =>
        innerText.includes('Ben') && innerText.includes('asks for a private call'))";
    room.host.until::<bool>(asks, person::LIMIT).await.unwrap();
    room.host.press("accept").await.unwrap();
    in_the_call(room, ben).await;
}

/// Waits until the host and Ben are in their first call and see each other.
async fn in_the_call(room: &Room, ben: &Person) {
    for (who, slot, other) in [
        (&room.host, "call-guest.1", "Ben"),
        (ben, "call-host.1", "Ada"),
    ] {
        who.has_only(&[slot]).await.unwrap();
        who.plays(slot).await.unwrap();
        who.decodes(slot, 30).await.unwrap();
        let words = format!("You are in a call with {other}");
        who.reads(&words).await.unwrap();
    }
}

/// Nothing of the call may be had by her, whatever she asks the app for.
async fn nothing_private_for(cleo: &Person) {
    for slot in ["call-host.1", "call-guest.1"] {
        for what in ["play", "publish"] {
            let (status, ticket) = cleo.asks(what, slot).await.unwrap();
            assert_eq!((status, ticket.is_some()), (403, false), "{what} {slot}");
        }
    }
}

/// The call has ended without the host, who may be in the middle of a word that is not for the audience: it goes on to
/// see the card until the host says so.
async fn back_by_a_press_alone(room: &Room, cleo: &Person) {
    let offered = "document.querySelector('[data-action=\"back-to-show\"]') !== null";
    room.host
        .until::<bool>(offered, person::LIMIT)
        .await
        .unwrap();
    cleo.decodes("show.1", 15).await.unwrap();
    cleo.sees_card("show.1").await.unwrap();
    room.host.press("back-to-show").await.unwrap();
    cleo.sees_camera("show.1").await.unwrap();
    room.host.reads("You are live").await.unwrap();
}

fn refused(status: u16) -> bool {
    matches!(status, 401 | 403 | 404)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_viewer_is_taken_private_while_the_audience_stays() {
    if !browser::available("a viewer taken private") {
        return;
    }
    let (room, ben, cleo) = show(&[]).await;
    room.stands_at_livepeer(&["show.1"]).await.unwrap();
    cleo.sees_camera("show.1").await.unwrap();
    // Sound that is off counts as silence.
    cleo.press("tap-for-sound").await.unwrap();
    let talking = cleo.loudness("show.1").await.unwrap();
    assert!(talking > 0.0, "the microphone's beeps are not to be heard");
    cleo.watch("show.1").await.unwrap();

    into_the_call(&room, &ben).await;

    // Cleo keeps her connection and its pictures, sees the card and hears nothing.
    cleo.reads("will be right back").await.unwrap();
    cleo.sees_card("show.1").await.unwrap();
    let meanwhile = cleo.loudness("show.1").await.unwrap();
    assert!(
        meanwhile < talking / 1000.0,
        "the audience hears {meanwhile} of {talking}"
    );
    cleo.decodes("show.1", 15).await.unwrap();
    cleo.has_only(&["show.1"]).await.unwrap();
    cleo.sees_card("show.1").await.unwrap();
    cleo.unbroken("show.1").await.unwrap();
    // The two, on the other hand, hear each other.
    assert!(ben.loudness("call-host.1").await.unwrap() > talking / 10.0);
    assert!(room.host.loudness("call-guest.1").await.unwrap() > talking / 10.0);

    // A stolen address is worth nothing without the token, and none of Cleo's opens it.
    let (status, bens) = ben.asks("play", "call-host.1").await.unwrap();
    let bens = bens.unwrap_or_else(|| panic!("Ben may not play what he plays: {status}"));
    let (_, hers) = cleo.asks("play", "show.1").await.unwrap();
    let hers = hers.unwrap();
    assert!(refused(cleo.takes(&bens.url, None).await.unwrap()));
    assert!(refused(
        cleo.takes(&bens.url, Some(&hers.token)).await.unwrap()
    ));
    nothing_private_for(&cleo).await;
    // So that those refusals mean something: the same request with Ben's token is let in.
    assert_eq!(ben.takes(&bens.url, Some(&bens.token)).await.unwrap(), 201);
    ben.decodes_what_it_took().await.unwrap();

    room.host.press("hang-up").await.unwrap();

    // Whatever was open has ended, and his token opens nothing any more, whoever has it.
    ben.loses_what_it_took().await.unwrap();
    room.stands_at_livepeer(&["show.1"]).await.unwrap();
    for who in [&ben, &cleo] {
        assert!(refused(
            who.takes(&bens.url, Some(&bens.token)).await.unwrap()
        ));
    }
    nothing_private_for(&cleo).await;
    nothing_private_for(&ben).await;

    // Ben is back in the audience; Cleo has the camera and its sound again, over the same connection.
    ben.has_only(&["show.1"]).await.unwrap();
    ben.plays("show.1").await.unwrap();
    ben.decodes("show.1", 30).await.unwrap();
    ben.sees_camera("show.1").await.unwrap();
    cleo.sees_camera("show.1").await.unwrap();
    cleo.decodes("show.1", 30).await.unwrap();
    assert!(cleo.loudness("show.1").await.unwrap() > talking / 10.0);
    cleo.unbroken("show.1").await.unwrap();
    room.host.reads("You are live").await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_audience_may_keep_the_picture_but_never_the_sound() {
    if !browser::available("a silent camera") {
        return;
    }
    let (room, ben, cleo) = show(SILENT_CAMERA).await;
    cleo.press("tap-for-sound").await.unwrap();
    let talking = cleo.loudness("show.1").await.unwrap();
    assert!(talking > 0.0, "the microphone's beeps are not to be heard");
    cleo.watch("show.1").await.unwrap();

    into_the_call(&room, &ben).await;

    let meanwhile = cleo.loudness("show.1").await.unwrap();
    assert!(
        meanwhile < talking / 1000.0,
        "the audience hears {meanwhile} of {talking}"
    );
    cleo.reads("There is no sound for the moment")
        .await
        .unwrap();
    cleo.sees_camera("show.1").await.unwrap();
    cleo.decodes("show.1", 30).await.unwrap();
    assert!(ben.loudness("call-host.1").await.unwrap() > talking / 10.0);

    room.host.press("hang-up").await.unwrap();
    room.host.reads("You are live").await.unwrap();
    cleo.decodes("show.1", 30).await.unwrap();
    assert!(cleo.loudness("show.1").await.unwrap() > talking / 10.0);
    cleo.unbroken("show.1").await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_a_browser_makes_of_the_card_the_camera_is_not_sent_instead() {
    if !browser::available("a browser that draws no card") {
        return;
    }
    // What is sent of the host's camera and microphone on the public stream.
    const ON_AIR: &str = "(({ publishers, devices }) => publishers.get('show.1').pc.getSenders()
        .filter(({ track }) => track && [devices.video, devices.audio].includes(track)).length
        )(livepeerStarter.page)";
    let (room, ben, cleo) = show(&[]).await;
    let sent = |count: u32| format!("{ON_AIR} === {count}");
    let sends = async |count| room.host.until::<bool>(&sent(count), person::LIMIT).await;
    sends(2).await.unwrap();

    // Firefox asks the stream for a picture, and not its track.
    let firefox = "const { prototype } = CanvasCaptureMediaStreamTrack;
        const { requestFrame } = prototype;
        delete prototype.requestFrame;
        MediaStream.prototype.requestFrame = function () { requestFrame.call(this.getVideoTracks()[0]); };";
    room.host.run::<()>(firefox, json!([])).await.unwrap();
    into_the_call(&room, &ben).await;
    sends(0).await.unwrap();
    cleo.sees_card("show.1").await.unwrap();
    room.host.press("hang-up").await.unwrap();
    sends(2).await.unwrap();

    let broken =
        "HTMLCanvasElement.prototype.captureStream = () => { throw new Error('not here'); };";
    room.host.run::<()>(broken, json!([])).await.unwrap();
    ben.press("ask-call").await.unwrap();
    room.host.press("accept").await.unwrap();
    ben.plays("call-host.2").await.unwrap();
    room.host.reads("You are in a call with").await.unwrap();
    room.host.reads("The card sends no picture").await.unwrap();
    sends(0).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_host_reloads_in_the_middle_of_a_call() {
    if !browser::available("a host who reloads in a call") {
        return;
    }
    let (room, ben, cleo) = show(&[]).await;
    cleo.watch("show.1").await.unwrap();
    into_the_call(&room, &ben).await;
    cleo.sees_card("show.1").await.unwrap();

    room.host.refresh().await.unwrap();

    // Both of the host's streams come back, and with them everybody's pictures; Cleo never saw a camera.
    in_the_call(&room, &ben).await;
    cleo.decodes("show.1", 15).await.unwrap();
    cleo.sees_card("show.1").await.unwrap();
    cleo.unbroken("show.1").await.unwrap();
    room.stands_at_livepeer(&["call-guest.1", "call-host.1", "show.1"])
        .await
        .unwrap();
    nothing_private_for(&cleo).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_guest_who_does_not_come_back_ends_the_call() {
    if !browser::available("a guest who is gone") {
        return;
    }
    let (room, ben, cleo) = show(SHORT).await;
    cleo.watch("show.1").await.unwrap();
    into_the_call(&room, &ben).await;
    cleo.sees_card("show.1").await.unwrap();

    ben.0.close().unwrap();

    room.host.has_only(&[]).await.unwrap();
    room.stands_at_livepeer(&["show.1"]).await.unwrap();
    back_by_a_press_alone(&room, &cleo).await;
    cleo.decodes("show.1", 30).await.unwrap();
    cleo.unbroken("show.1").await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_server_comes_back_with_the_call_and_the_show() {
    if !browser::available("a server killed in a call") {
        return;
    }
    let (mut room, ben, cleo) = show(&[]).await;
    into_the_call(&room, &ben).await;
    cleo.sees_card("show.1").await.unwrap();

    room.app.kill_and_start_again().unwrap();

    // The same streams, not other takes; nobody touches anything.
    for who in [&room.host, &ben, &cleo] {
        who.connected().await.unwrap();
    }
    in_the_call(&room, &ben).await;
    cleo.decodes("show.1", 15).await.unwrap();
    cleo.plays("show.1").await.unwrap();
    cleo.has_only(&["show.1"]).await.unwrap();
    cleo.sees_card("show.1").await.unwrap();
    nothing_private_for(&cleo).await;
    room.stands_at_livepeer(&["call-guest.1", "call-host.1", "show.1"])
        .await
        .unwrap();

    ben.press("hang-up").await.unwrap();
    back_by_a_press_alone(&room, &cleo).await;
    for viewer in [&ben, &cleo] {
        viewer.has_only(&["show.1"]).await.unwrap();
        viewer.sees_camera("show.1").await.unwrap();
        viewer.decodes("show.1", 30).await.unwrap();
    }
    room.stands_at_livepeer(&["show.1"]).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_viewer_comes_on_stage_and_from_there_into_a_call() {
    if !browser::available("a viewer on stage") {
        return;
    }
    let (room, ben, cleo) = show(&[]).await;
    cleo.watch("show.1").await.unwrap();

    // Somebody who only asked sees himself and the show, and may change his mind.
    ben.press_as("ask-stage", "Ben").await.unwrap();
    room.host.reads("asks to come on stage").await.unwrap();
    ben.plays("preview").await.unwrap();
    ben.press("withdraw").await.unwrap();
    ben.until::<bool>(
        "document.querySelector('[data-action=\"ask-stage\"]') !== null",
        person::LIMIT,
    )
    .await
    .unwrap();
    let alone = "!document.body.innerText.includes('asks to come')";
    room.host.until::<bool>(alone, person::LIMIT).await.unwrap();
    // So may the host.
    ben.press_as("ask-call", "Ben").await.unwrap();
    room.host.press("decline").await.unwrap();
    room.host.until::<bool>(alone, person::LIMIT).await.unwrap();
    room.stands_at_livepeer(&["show.1"]).await.unwrap();

    ben.press_as("ask-stage", "Ben").await.unwrap();
    room.host.press("accept").await.unwrap();
    ben.reads("You are on stage").await.unwrap();
    cleo.has_only(&["show.1", "stage.1"]).await.unwrap();
    for slot in ["show.1", "stage.1"] {
        cleo.plays(slot).await.unwrap();
        cleo.decodes(slot, 30).await.unwrap();
        cleo.sees_camera(slot).await.unwrap();
    }
    room.host.plays("stage.1").await.unwrap();
    room.host.decodes("stage.1", 30).await.unwrap();
    room.stands_at_livepeer(&["show.1", "stage.1"])
        .await
        .unwrap();

    // From the stage into the call: the place on stage is given up, for everybody watches it.
    into_the_call(&room, &ben).await;
    cleo.has_only(&["show.1"]).await.unwrap();
    cleo.sees_card("show.1").await.unwrap();
    nothing_private_for(&cleo).await;
    room.stands_at_livepeer(&["call-guest.1", "call-host.1", "show.1"])
        .await
        .unwrap();

    ben.press("hang-up").await.unwrap();
    back_by_a_press_alone(&room, &cleo).await;
    cleo.unbroken("show.1").await.unwrap();
    room.stands_at_livepeer(&["show.1"]).await.unwrap();
}
