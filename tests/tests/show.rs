//! A whole show, in real browsers, against the app as a process of its own: built for nothing else, and among others.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use kit::browser;
use kit::served::Build;
use kit::served::person::{LIMIT, Person};
use kit::served::room::{Room, TITLE};
use serde_json::json;

const ALONE: Build = Build::of("one-to-many");
const WITHIN_HYBRID: Build = Build::of("hybrid");

async fn a_show_outlives_its_hosts_reload(build: Build) {
    if !browser::available("a show in browsers") {
        return;
    }
    let room = Room::open(build, "one-to-many").await.unwrap();
    let early = room.guest().await.unwrap();
    early.reads("Ada is not live yet").await.unwrap();
    early.reads(TITLE).await.unwrap();
    room.go_live().await.unwrap();
    let late = room.guest().await.unwrap();
    for viewer in [&early, &late] {
        viewer.plays("show.1").await.unwrap();
        viewer.decodes("show.1", 60).await.unwrap();
    }
    room.host.reads("2 watching").await.unwrap();

    // The host's page goes and comes: the viewers touch nothing, and keep their very connections.
    for viewer in [&early, &late] {
        viewer.watch("show.1").await.unwrap();
    }
    room.host.refresh().await.unwrap();
    room.host.phase("live").await.unwrap();
    for viewer in [&early, &late] {
        viewer.decodes("show.1", 60).await.unwrap();
        viewer.plays("show.1").await.unwrap();
        viewer.unbroken("show.1").await.unwrap();
    }

    // One viewer goes; the show ends for the other.
    late.0.close().unwrap();
    room.host.reads("1 watching").await.unwrap();
    room.host.press("end-show").await.unwrap();
    room.host.press("confirm").await.unwrap();
    room.host.phase("ended").await.unwrap();
    early.phase("ended").await.unwrap();
    early.has_only(&[]).await.unwrap();
    room.stands_at_livepeer(&[]).await.unwrap();
}

async fn a_killed_server_comes_back_with_the_show(build: Build) {
    if !browser::available("a killed server") {
        return;
    }
    let mut room = Room::open(build, "one-to-many").await.unwrap();
    let viewer = room.guest().await.unwrap();
    room.go_live().await.unwrap();
    viewer.plays("show.1").await.unwrap();
    viewer.decodes("show.1", 30).await.unwrap();

    room.app.kill_and_start_again().unwrap();

    // The same stream, not another take; nobody touches anything.
    for who in [&room.host, &viewer] {
        who.connected().await.unwrap();
    }
    viewer.decodes("show.1", 60).await.unwrap();
    viewer.plays("show.1").await.unwrap();
    room.host.phase("live").await.unwrap();
    viewer.phase("live").await.unwrap();
    room.stands_at_livepeer(&["show.1"]).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_show_reaches_two_viewers_and_outlives_its_hosts_reload_alone() {
    a_show_outlives_its_hosts_reload(ALONE).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_show_reaches_two_viewers_and_outlives_its_hosts_reload_within_the_hybrid() {
    a_show_outlives_its_hosts_reload(WITHIN_HYBRID).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_server_comes_back_with_the_show_and_everybody_reconnects_alone() {
    a_killed_server_comes_back_with_the_show(ALONE).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_server_comes_back_with_the_show_and_everybody_reconnects_within_the_hybrid() {
    a_killed_server_comes_back_with_the_show(WITHIN_HYBRID).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn where_udp_is_blocked_a_show_is_published_and_played_over_tcp() {
    if !browser::available("a show over TCP") {
        return;
    }
    let room = Room::open_with(ALONE, "one-to-many", &[], browser::UDP_BLOCKED)
        .await
        .unwrap();
    let guest = room.browser.open_with(&room.link, browser::UDP_BLOCKED);
    let blocked = Person(guest.await.unwrap());
    let open = room.guest().await.unwrap();
    room.go_live().await.unwrap();
    for (viewer, protocol) in [(&blocked, "tcp"), (&open, "udp")] {
        viewer.plays("show.1").await.unwrap();
        viewer.decodes("show.1", 60).await.unwrap();
        viewer.plays_over("show.1", protocol).await.unwrap();
    }
}

/// Changes the offers that this page sends: every pair of words and what to write in their place.
const REWRITE_OFFERS: &str = "
    const pairs = arguments[0];
    const send = window.fetch;
    window.fetch = (url, init) => {
        if (!String(init?.body).includes('m=video')) return send(url, init);
        const body = pairs.reduce((sdp, [from, to]) => sdp.replaceAll(from, to), init.body);
        return send(url, { ...init, body });
    };";

#[tokio::test(flavor = "multi_thread")]
async fn what_a_browser_cannot_do_and_what_an_encoder_does_amiss_is_said_in_words() {
    if !browser::available("odd browsers and encoders") {
        return;
    }
    let room = Room::open(ALONE, "one-to-many").await.unwrap();
    let host_page = format!("{}/host?codec=h264", room.link.trim_end_matches('/'));
    room.host.goto(&host_page).await.unwrap();
    // Its encoder does not keep to what is negotiated: the answer is of level 1, and the pictures are not.
    room.host.plays("preview").await.unwrap();
    let level_1 = json!([[
        ["profile-level-id=42e01f", "profile-level-id=42e00a"],
        ["profile-level-id=42001f", "profile-level-id=42000a"]
    ]]);
    room.host.run::<()>(REWRITE_OFFERS, level_1).await.unwrap();
    // This viewer has other codecs than the host.
    let viewer = room.guest().await.unwrap();
    let others = json!([[["VP8/90000", "VP9/90000"], ["H264/90000", "H265/90000"]]]);
    viewer.run::<()>(REWRITE_OFFERS, others).await.unwrap();

    room.go_live().await.unwrap();
    viewer
        .reads("The video server refused the connection")
        .await
        .unwrap();
    viewer.reads("this stream needs H264").await.unwrap();
    room.host.reads("level 1.0 was negotiated").await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_says_what_is_wrong_and_what_to_do() {
    if !browser::available("what the page says") {
        return;
    }
    // A host who denies the camera, and one who has none.
    for (switches, words) in [
        (browser::CAMERA_DENIED, "blocked"),
        (browser::NO_CAMERA, "No camera found"),
    ] {
        let room = Room::open_with(ALONE, "one-to-many", &[], switches)
            .await
            .unwrap();
        let failed =
            "document.querySelector('video[data-slot=preview]')?.dataset.state === 'failed'
            && document.querySelector('#stage').innerText";
        let said: String = room.host.until(failed, LIMIT).await.unwrap();
        assert!(said.contains(words), "{said}");
    }

    let room = Room::open(ALONE, "one-to-many").await.unwrap();
    room.go_live().await.unwrap();

    // The same host in a second tab takes over; the first one says so and offers to take it back.
    let first = room.host.window().await.unwrap();
    let second = room.host.new_window(false).await.unwrap().handle;
    room.host.switch_to_window(second).await.unwrap();
    let host_page = format!("{}/host", room.link.trim_end_matches('/'));
    room.host.goto(&host_page).await.unwrap();
    room.host.phase("live").await.unwrap();
    room.host.switch_to_window(first).await.unwrap();
    let back = "document.querySelector('[data-action=\"use-here\"]') !== null";
    room.host.until::<bool>(back, LIMIT).await.unwrap();

    // A stranger on the host's page, and a session that never was.
    let stranger = room.browser.open(&host_page).await.unwrap();
    assert!(
        !stranger
            .source()
            .await
            .unwrap()
            .contains("data-seat=\"host\"")
    );
    stranger
        .goto(&format!("{}/s/no-such-session", room.app.url()))
        .await
        .unwrap();
    let text: String = stranger
        .run("return document.body.innerText", json!([]))
        .await
        .unwrap();
    assert!(text.contains("There is no such session"), "{text}");
}

/// The pages against a redirect to another host, no PATCH, no DELETE and an offline stream that is a 404.
#[tokio::test(flavor = "multi_thread")]
async fn a_show_reaches_a_viewer_by_the_ways_of_livepeers_own_nodes() {
    if !browser::available("a show by the ways of Livepeer's nodes") {
        return;
    }
    let studio = [("LIVEPEER_LOCAL_FIDELITY", "studio")];
    let room = Room::open_with(ALONE, "one-to-many", &studio, browser::CAMERA).await;
    let room = room.unwrap();
    let viewer = room.guest().await.unwrap();
    viewer.reads("Ada is not live yet").await.unwrap();
    room.go_live().await.unwrap();
    viewer.plays("show.1").await.unwrap();
    viewer.decodes("show.1", 60).await.unwrap();
    room.host.press("end-show").await.unwrap();
    room.host.press("confirm").await.unwrap();
    viewer.phase("ended").await.unwrap();
    viewer.has_only(&[]).await.unwrap();
}
