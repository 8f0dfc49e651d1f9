//! What survives the end of the process, however it ends.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod support;

use std::fs;

use livepeer_local::{Local, StartError};
use serde_json::json;
use support::{TestLocal, config, request, text};

/// Everything that the API lists.
async fn everything(local: &TestLocal) -> [serde_json::Value; 3] {
    [
        local.get("/stream?order=createdAt-false").await.json(),
        local.get("/access-control/signing-key").await.json(),
        local.get("/webhook").await.json(),
    ]
}

async fn furnished() -> TestLocal {
    let local = TestLocal::start().await;
    for n in 0..3 {
        local
            .stream(json!({"name": format!("s{n}"), "creatorId": "me", "playbackPolicy": {"type": "jwt"},
                           "userTags": {"n": n}, "profiles": []}))
            .await;
    }
    let gone = local.named("gone").await;
    local
        .delete(&format!("/stream/{}", text(&gone, "id")))
        .await;
    local
        .post("/access-control/signing-key", json!({"name": "k"}))
        .await;
    let hook = json!({"name": "w", "url": "http://127.0.0.1:9/", "events": ["stream.idle"], "sharedSecret": "s"});
    local.post("/webhook", hook).await;
    local
}

#[tokio::test]
async fn a_restart_keeps_everything() {
    let TestLocal { local, folder } = furnished().await;
    let before = TestLocal { local, folder };
    let expected = everything(&before).await;
    before.local.shutdown().await;
    let TestLocal { local: old, folder } = before;

    let local = Local::start(config(&folder)).await.unwrap();
    let after = TestLocal { local, folder };
    assert_eq!(everything(&after).await, expected);
    drop(old);
}

#[tokio::test]
async fn what_was_answered_is_on_disk_at_that_moment() {
    // The file is copied while the first one still runs: what `kill -9` would leave behind.
    let before = furnished().await;
    let expected = everything(&before).await;
    let folder = tempfile::tempdir().unwrap();
    fs::copy(before.file(), folder.path().join("state.json")).unwrap();

    let local = Local::start(config(&folder)).await.unwrap();
    let after = TestLocal { local, folder };
    assert_eq!(everything(&after).await, expected);
}

#[tokio::test]
async fn the_key_is_made_once_and_kept_unless_one_is_configured() {
    let folder = tempfile::tempdir().unwrap();
    let without_key = || {
        let mut config = config(&folder);
        config.api_key = None;
        config
    };
    let first = Local::start(without_key()).await.unwrap();
    let key = first.api_key().clone();
    assert!(key.expose().len() >= 32);
    first.shutdown().await;
    let second = Local::start(without_key()).await.unwrap();
    assert_eq!(*second.api_key(), key);
    second.shutdown().await;
    let third = Local::start(config(&folder)).await.unwrap();
    assert!(third.api_key().matches(support::KEY));
    let third = TestLocal {
        local: third,
        folder,
    };
    let old_key = request("GET", "/api/stream", None, Some(key.expose()));
    assert_eq!(third.send(old_key).await.status.as_u16(), 401);
}

#[tokio::test]
async fn a_second_one_on_the_same_file_is_refused_in_words() {
    let first = TestLocal::start().await;
    let error = Local::start(config(&first.folder)).await.unwrap_err();
    assert!(matches!(error, StartError::InUse { .. }));
    assert!(error.to_string().contains("state.json"), "{error}");
}

#[tokio::test]
async fn a_taken_udp_port_is_refused_in_words_and_the_file_stays_free() {
    let first = TestLocal::start().await;
    let folder = tempfile::tempdir().unwrap();
    let mut second = config(&folder);
    second.udp = first.local.engine().udp_addr();
    let error = Local::start(second).await.unwrap_err();
    let port = first.local.engine().udp_addr().port().to_string();
    assert!(error.to_string().contains(&port), "{error}");
    assert!(Local::start(config(&folder)).await.is_ok());
}

#[tokio::test]
async fn a_spoilt_file_and_a_useless_address_are_refused_in_words() {
    let folder = tempfile::tempdir().unwrap();
    let spoilt = config(&folder);
    fs::write(&spoilt.data, "{\"streams\":").unwrap();
    let error = Local::start(spoilt.clone()).await.unwrap_err();
    assert!(matches!(error, StartError::Unreadable { .. }));
    assert_eq!(fs::read_to_string(&spoilt.data).unwrap(), "{\"streams\":");

    let folder = tempfile::tempdir().unwrap();
    let mut useless = config(&folder);
    useless.base_url = "mailto:me@example.com".parse().unwrap();
    assert!(matches!(
        Local::start(useless).await,
        Err(StartError::BaseUrl(_))
    ));
}
