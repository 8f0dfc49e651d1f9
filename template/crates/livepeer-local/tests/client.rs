//! Every call of the `livepeer` client against the router, over HTTP: what the app does with it, on this machine.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod support;

use std::time::{Duration, SystemTime};

use livepeer::studio::{
    CreatorId, NewStream, NewWebhook, PlaybackPolicy, Profile, StreamFilter, StreamPatch, Studio,
    StudioConfig,
};
use livepeer::token::{self, PlaybackSigner};
use support::{TestLocal, studio};

#[tokio::test]
async fn a_stream_lives_its_whole_life_through_the_client() {
    let (_local, server) = TestLocal::serving().await;
    let studio = studio(&server);
    let stream = studio
        .create_stream(&NewStream {
            creator_id: Some(CreatorId("me".into())),
            playback_policy: Some(PlaybackPolicy::jwt().refreshed_every(60)),
            user_tags: [("session".to_owned(), "s-1".into())].into(),
            profiles: Some(vec![Profile::h264("480p", 854, 480, 1_000_000)]),
            ..NewStream::source_only("show")
        })
        .await
        .unwrap();
    assert_eq!(studio.get_stream(&stream.id).await.unwrap(), stream);
    assert!(!stream.is_active && !stream.suspended);

    let whip = studio.whip_url(&stream).await.unwrap();
    let key = stream.stream_key.as_ref().unwrap();
    assert_eq!(
        whip.expose().as_str(),
        format!("{server}webrtc/{}", key.expose())
    );
    let playback = studio.playback(&stream.playback_id).await.unwrap();
    let whep = playback.whep_url().unwrap();
    assert_eq!(
        whep.as_str(),
        format!("{server}webrtc/{}", stream.playback_id)
    );
    assert!(!playback.is_live());

    let patch = StreamPatch {
        name: Some("another".into()),
        profiles: Some(Vec::new()),
        ..StreamPatch::default()
    };
    studio.patch_stream(&stream.id, &patch).await.unwrap();
    let patched = studio.get_stream(&stream.id).await.unwrap();
    assert_eq!(
        (patched.name.as_str(), patched.profiles),
        ("another", Some(Vec::new()))
    );
    assert_eq!(patched.playback_policy, stream.playback_policy);

    studio.suspend_stream(&stream.id, true).await.unwrap();
    assert!(studio.get_stream(&stream.id).await.unwrap().suspended);
    assert!(
        studio
            .playback(&stream.playback_id)
            .await
            .unwrap_err()
            .is_not_found()
    );
    studio.suspend_stream(&stream.id, false).await.unwrap();
    studio.terminate_stream(&stream.id).await.unwrap();
    studio.delete_stream(&stream.id).await.unwrap();
    assert!(
        studio
            .get_stream(&stream.id)
            .await
            .unwrap_err()
            .is_not_found()
    );
    assert!(
        studio
            .delete_stream(&stream.id)
            .await
            .unwrap_err()
            .is_not_found()
    );
}

#[tokio::test]
async fn all_pages_of_a_list_come_through_the_link_header() {
    let (_local, server) = TestLocal::serving().await;
    let studio = studio(&server);
    for n in 0..7 {
        let new = NewStream {
            creator_id: Some(CreatorId(if n % 2 == 0 { "even" } else { "odd" }.into())),
            ..NewStream::source_only(format!("stream {n}"))
        };
        studio.create_stream(&new).await.unwrap();
    }
    let count = |filter: StreamFilter| {
        let studio = studio.clone();
        async move { studio.list_streams(&filter).await.unwrap().len() }
    };
    let paged = StreamFilter {
        page_size: Some(2),
        ..StreamFilter::default()
    };
    assert_eq!(count(paged.clone()).await, 7);
    assert_eq!(
        count(StreamFilter {
            creator_id: Some("odd".into()),
            ..paged.clone()
        })
        .await,
        3
    );
    assert_eq!(
        count(StreamFilter {
            is_active: Some(true),
            ..paged
        })
        .await,
        0
    );
    assert_eq!(count(StreamFilter::default()).await, 7);
}

#[tokio::test]
async fn a_signing_key_made_here_signs_tokens_that_hold_here() {
    let (_local, server) = TestLocal::serving().await;
    let studio = studio(&server);
    let key = studio.create_signing_key(Some("app")).await.unwrap();
    let signer = PlaybackSigner::from_signing_key(&key, "https://app.example").unwrap();
    let now = SystemTime::now();
    let token = signer
        .mint("abcd", now, Duration::from_secs(60), Default::default())
        .unwrap();
    assert!(token::verify(token.expose(), "abcd", now).is_ok());

    let listed = studio.list_signing_keys().await.unwrap();
    assert_eq!(listed.len(), 1);
    assert_eq!(
        (listed[0].public_key.as_str(), &listed[0].private_key),
        (key.public_key.as_str(), &None)
    );
    studio.delete_signing_key(&key.id).await.unwrap();
    assert!(studio.list_signing_keys().await.unwrap().is_empty());
}

#[tokio::test]
async fn webhooks_are_registered_listed_and_removed() {
    let (_local, server) = TestLocal::serving().await;
    let studio = studio(&server);
    let new = NewWebhook {
        name: "app".into(),
        url: "http://127.0.0.1:9/livepeer".parse().unwrap(),
        events: vec!["stream.started".into(), "stream.idle".into()],
        shared_secret: Some("s3cret".into()),
        stream_id: None,
    };
    let webhook = studio.create_webhook(&new).await.unwrap();
    let listed = studio.list_webhooks().await.unwrap();
    assert_eq!(listed, std::slice::from_ref(&webhook));
    studio.delete_webhook(&webhook.id).await.unwrap();
    assert!(studio.list_webhooks().await.unwrap().is_empty());
}

#[tokio::test]
async fn a_wrong_key_is_told_in_words_that_do_not_repeat_it() {
    let (_local, server) = TestLocal::serving().await;
    let wrong = StudioConfig::new(server.join("api").unwrap(), "lp-wrong-key-123".into());
    let error = Studio::new(wrong)
        .unwrap()
        .list_webhooks()
        .await
        .unwrap_err();
    assert!(error.is_unauthorized());
    assert!(error.to_string().contains("LIVEPEER_API_KEY"), "{error}");
    assert!(
        !format!("{error} {error:?}").contains("lp-wrong-key"),
        "{error:?}"
    );
}

#[tokio::test]
async fn a_refusal_names_the_field_that_is_wrong() {
    let (_local, server) = TestLocal::serving().await;
    let new = NewStream {
        profiles: Some(vec![Profile::h264("tiny", 16, 16, 1)]),
        ..NewStream::source_only("a")
    };
    let error = studio(&server).create_stream(&new).await.unwrap_err();
    assert_eq!(error.status(), Some(422));
    assert!(error.to_string().contains("width"), "{error}");
}
