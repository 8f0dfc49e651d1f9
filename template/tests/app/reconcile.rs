//! Whatever was lost on the way, Livepeer and the app come to be of one mind.

use std::collections::BTreeMap;

use livepeer::studio::{CreatorId, NewStream, TagValue};

use crate::media::Camera;
use crate::support::{TestApp, eventually};

#[tokio::test]
async fn what_a_lost_webhook_would_have_told_is_found_out() {
    let app = TestApp::start().await;
    let livepeer = app.livepeer();
    for webhook in livepeer.list_webhooks().await.unwrap() {
        livepeer.delete_webhook(&webhook.id).await.unwrap();
    }
    let ada = app.browser();
    let session = ada.create().await;
    let mut host = ada.host(&session).await;
    let slot = host.go_live().await;
    let publish = ada.credential(&session, "publish", &slot, "host").await;
    let camera = Camera::start(&publish.json()).await;
    host.phase("live").await;
    camera.stop().await;
    host.phase("interrupted").await;
}

#[tokio::test]
async fn a_stream_that_an_operator_ends_ends_the_show() {
    let app = TestApp::start().await;
    let ada = app.browser();
    let session = ada.create().await;
    let mut host = ada.host(&session).await;
    host.go_live().await;
    let livepeer = app.livepeer();
    let streams = livepeer.list_streams(&Default::default()).await.unwrap();
    livepeer.delete_stream(&streams[0].id).await.unwrap();
    host.phase("ended").await;
}

#[tokio::test]
async fn a_suspended_stream_ends_the_show_and_is_cleared_away() {
    let app = TestApp::start().await;
    let ada = app.browser();
    let session = ada.create().await;
    let mut host = ada.host(&session).await;
    host.go_live().await;
    let livepeer = app.livepeer();
    let streams = livepeer.list_streams(&Default::default()).await.unwrap();
    livepeer.suspend_stream(&streams[0].id, true).await.unwrap();
    host.phase("ended").await;
}

#[tokio::test]
async fn a_stream_of_ours_that_no_session_owns_is_ended_and_others_are_left_alone() {
    let app = TestApp::start().await;
    let livepeer = app.livepeer();
    let ada = app.browser();
    let session = ada.create().await;
    let mut host = ada.host(&session).await;
    host.go_live().await;
    let owned = livepeer
        .list_streams(&Default::default())
        .await
        .unwrap()
        .remove(0);

    // As if the database had been put back to an older state.
    let orphan = NewStream {
        name: "left over".into(),
        creator_id: owned.creator_id.clone(),
        user_tags: BTreeMap::from([
            ("app".to_owned(), owned.user_tags["app"].clone()),
            ("session".to_owned(), TagValue::from("nobody")),
            ("slot".to_owned(), TagValue::from("show.1")),
        ]),
        ..NewStream::default()
    };
    let orphan = livepeer.create_stream(&orphan).await.unwrap();
    // Another app with the same account.
    let foreign = NewStream {
        name: "another app's".into(),
        creator_id: Some(CreatorId::from("somebody else")),
        ..NewStream::default()
    };
    let foreign = livepeer.create_stream(&foreign).await.unwrap();

    eventually(async || livepeer.get_stream(&orphan.id).await.err()).await;
    livepeer.get_stream(&foreign.id).await.unwrap();
    livepeer.get_stream(&owned.id).await.unwrap();
    assert_eq!(host.view["phase"], "starting");
}

#[tokio::test]
async fn a_session_that_cannot_be_read_keeps_no_other_from_being_looked_after() {
    let app = TestApp::start().await;
    let ada = app.browser();
    let session = ada.create().await;
    ada.host(&session).await.go_live().await;
    let owned = app.livepeer().list_streams(&Default::default()).await;
    let owned = owned.unwrap().remove(0);
    let folder = app.stop().await;
    // As if another version of the architecture had written it.
    let database = rusqlite::Connection::open(folder.path().join("app.sqlite")).unwrap();
    let broken = database.execute("UPDATE sessions SET state = '{}' WHERE id = ?1", [&session]);
    assert_eq!(broken.unwrap(), 1);
    drop(database);

    let app = TestApp::start_in(folder, |_| {}).await;
    let livepeer = app.livepeer();
    let mut user_tags = owned.user_tags.clone();
    user_tags.insert("session".to_owned(), TagValue::from("nobody"));
    let orphan = NewStream {
        name: "left over".into(),
        creator_id: owned.creator_id.clone(),
        user_tags,
        ..NewStream::default()
    };
    let orphan = livepeer.create_stream(&orphan).await.unwrap();
    eventually(async || livepeer.get_stream(&orphan.id).await.err()).await;
    // It may be mended yet, and then finds its stream.
    livepeer.get_stream(&owned.id).await.unwrap();

    // But nobody pays for it for ever.
    let folder = app.stop().await;
    let app = TestApp::start_in(folder, |config| config.mended_seconds = 0).await;
    let livepeer = app.livepeer();
    eventually(async || livepeer.get_stream(&owned.id).await.err()).await;
}
