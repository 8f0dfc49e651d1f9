//! The example of an architecture of one's own, in real browsers: several people on stage at once, drawn by the page that
//! knows nothing of it.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use kit::browser;
use kit::served::Build;
use kit::served::person::LIMIT;
use kit::served::room::Room;

const BUILD: Build = Build::example("panel");

#[tokio::test(flavor = "multi_thread")]
async fn people_come_up_and_everybody_sees_them_all() {
    if !browser::available("a panel") {
        return;
    }
    let room = Room::open(BUILD, "panel").await.unwrap();
    let ben = room.guest().await.unwrap();
    let cleo = room.guest().await.unwrap();
    room.host.plays("preview").await.unwrap();
    room.host.press("open-panel").await.unwrap();
    for viewer in [&ben, &cleo] {
        viewer.reads("Nobody is on stage").await.unwrap();
    }
    room.stands_at_livepeer(&[]).await.unwrap();

    room.host.press("step-up").await.unwrap();
    cleo.has_only(&["seat-1.1"]).await.unwrap();
    cleo.decodes("seat-1.1", 30).await.unwrap();
    cleo.watch("seat-1.1").await.unwrap();
    ben.press_as("raise-hand", "Ben").await.unwrap();
    room.host.press("bring-up").await.unwrap();
    cleo.has_only(&["seat-1.1", "seat-2.1"]).await.unwrap();
    cleo.press_as("raise-hand", "Cleo").await.unwrap();
    room.host.press("bring-up").await.unwrap();

    // Three on stage, each of whom sees the two others; the first one's picture was never interrupted.
    for (who, others) in [
        (&room.host, ["seat-2.1", "seat-3.1"]),
        (&ben, ["seat-1.1", "seat-3.1"]),
        (&cleo, ["seat-1.1", "seat-2.1"]),
    ] {
        who.has_only(&others).await.unwrap();
        for slot in others {
            who.plays(slot).await.unwrap();
            who.decodes(slot, 15).await.unwrap();
            who.sees_camera(slot).await.unwrap();
        }
    }
    cleo.unbroken("seat-1.1").await.unwrap();
    room.stands_at_livepeer(&["seat-1.1", "seat-2.1", "seat-3.1"])
        .await
        .unwrap();

    // One leaves, one is taken down; nothing is left running when it closes.
    ben.press("step-down").await.unwrap();
    cleo.has_only(&["seat-1.1"]).await.unwrap();
    room.stands_at_livepeer(&["seat-1.1", "seat-3.1"])
        .await
        .unwrap();
    room.host.press("take-down").await.unwrap();
    let off = "document.querySelector('[data-action=\"raise-hand\"]') !== null";
    cleo.until::<bool>(off, LIMIT).await.unwrap();
    cleo.unbroken("seat-1.1").await.unwrap();
    room.host.press("close-panel").await.unwrap();
    room.host.press("confirm").await.unwrap();
    for who in [&room.host, &ben, &cleo] {
        who.phase("ended").await.unwrap();
        who.has_only(&[]).await.unwrap();
    }
    room.stands_at_livepeer(&[]).await.unwrap();
}
