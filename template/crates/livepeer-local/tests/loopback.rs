//! Real media: a WHIP publisher and WHEP players through the HTTP routes and the engine, packets counted.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod support;

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use livepeer::media::{
    MediaError, MediaState, VideoCodec, WhepConfig, WhepPlayer, WhipConfig, WhipPublisher,
};
use livepeer::secret::SecretUrl;
use livepeer::studio::{
    NewStream, NewWebhook, PlaybackPolicy, Profile, Stream, StreamFilter, StreamPatch, Studio,
};
use livepeer::token::PlaybackSigner;
use livepeer::webhook::{self, Delivery};
use livepeer_local::engine::{Engine, StreamEvent};
use support::feed::{Feed, PATIENCE, play, receive};
use support::{TestLocal, studio};
use tokio::sync::{broadcast, mpsc, watch};
use tokio::time::timeout;

async fn closed(mut state: watch::Receiver<MediaState>) {
    timeout(PATIENCE, state.wait_for(|state| state.is_over()))
        .await
        .expect("it is closed")
        .ok();
}

async fn wait_for(events: &mut broadcast::Receiver<StreamEvent>, wanted: StreamEvent) {
    let found = async { while events.recv().await.unwrap() != wanted {} };
    timeout(PATIENCE, found).await.expect("the event comes");
}

/// Asks the API until the stream is (in)active: the engine's word reaches it a moment after the media does.
async fn active(studio: &Studio, stream: &Stream, wanted: bool) -> Stream {
    let asking = async {
        loop {
            let now = studio.get_stream(&stream.id).await.unwrap();
            if now.is_active == wanted {
                return now;
            }
            tokio::task::yield_now().await;
        }
    };
    timeout(PATIENCE, asking)
        .await
        .expect("isActive follows the engine")
}

async fn scene() -> (TestLocal, Studio, Stream) {
    let (local, server) = TestLocal::serving().await;
    let studio = studio(&server);
    let stream = studio
        .create_stream(&NewStream::source_only("show"))
        .await
        .unwrap();
    (local, studio, stream)
}

async fn media_goes_through(codec: VideoCodec, name: &str) {
    let (local, studio, stream) = scene().await;
    let feed = Feed::start(&studio, &stream, codec).await.unwrap();
    let mut first = play(&studio, &stream, None).await.unwrap();
    let mut second = play(&studio, &stream, None).await.unwrap();
    for player in [&mut first, &mut second] {
        let stats = receive(player, 60, 100).await;
        assert!(stats.video.keyframes >= 1, "{stats:?}");
        assert!(
            stats.video.packets >= 3 * 59,
            "2,500 bytes are three packets: {stats:?}"
        );
        assert_eq!(stats.video.lost() + stats.audio.lost(), 0, "{stats:?}");
    }
    let live = active(&studio, &stream, true).await;
    assert!(live.last_seen > 0);
    assert!(
        studio
            .playback(&stream.playback_id)
            .await
            .unwrap()
            .is_live()
    );
    let stats = local.local.engine().stats().await;
    let counted = &stats.streams[&stream.playback_id.as_str().into()];
    assert_eq!(counted.viewers, 2);
    assert!(
        counted.codecs.iter().any(|codec| codec.starts_with(name)),
        "{:?}",
        counted.codecs
    );

    first.close().await;
    second.close().await;
    feed.stop().await;
    let idle = active(&studio, &stream, false).await;
    assert!(idle.last_seen >= live.last_seen);
    local.local.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn h264_goes_from_a_publisher_to_two_players() {
    media_goes_through(VideoCodec::H264, "H264").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn vp8_goes_from_a_publisher_to_two_players() {
    media_goes_through(VideoCodec::Vp8, "VP8").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_nobody_publishes_is_not_live_and_says_when_to_ask_again() {
    let (_local, studio, stream) = scene().await;
    let url = studio
        .playback(&stream.playback_id)
        .await
        .unwrap()
        .whep_url()
        .unwrap();
    let error = WhepPlayer::connect(WhepConfig::new(SecretUrl::new(url)))
        .await
        .unwrap_err();
    assert_eq!(
        error,
        MediaError::NotLive {
            retry_after: Some(Duration::from_secs(1))
        }
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_private_stream_plays_with_its_token_and_without_it_not() {
    let (_local, server) = TestLocal::serving().await;
    let studio = studio(&server);
    let private = |name: &str| NewStream {
        playback_policy: Some(PlaybackPolicy::jwt()),
        ..NewStream::source_only(name)
    };
    let stream = studio.create_stream(&private("private")).await.unwrap();
    let other = studio.create_stream(&private("other")).await.unwrap();
    let key = studio.create_signing_key(None).await.unwrap();
    let signer = PlaybackSigner::from_signing_key(&key, "test").unwrap();
    let minute = Duration::from_secs(60);
    let mint = |id: &str| {
        signer
            .mint(id, SystemTime::now(), minute, Default::default())
            .unwrap()
    };

    let feed = Feed::start(&studio, &stream, VideoCodec::Vp8)
        .await
        .unwrap();
    let mut player = play(&studio, &stream, Some(mint(&stream.playback_id)))
        .await
        .unwrap();
    receive(&mut player, 10, 10).await;

    for token in [None, Some(mint(&other.playback_id)), Some("a.b.c".into())] {
        let status = if token.is_some() { 403 } else { 401 };
        let error = play(&studio, &stream, token).await.unwrap_err();
        assert!(
            matches!(error, MediaError::Refused { status: told, .. } if told == status),
            "{error}"
        );
    }
    studio.delete_signing_key(&key.id).await.unwrap();
    let error = play(&studio, &stream, Some(mint(&stream.playback_id)))
        .await
        .unwrap_err();
    assert!(
        matches!(error, MediaError::Refused { status: 403, .. }),
        "{error}"
    );
    feed.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_never_plays_and_a_playback_id_never_publishes() {
    let (_local, studio, stream) = scene().await;
    let feed = Feed::start(&studio, &stream, VideoCodec::Vp8)
        .await
        .unwrap();
    let mut player = play(&studio, &stream, None).await.unwrap();
    receive(&mut player, 1, 1).await;

    let whip = studio.whip_url(&stream).await.unwrap();
    let error = WhepPlayer::connect(WhepConfig::new(whip))
        .await
        .unwrap_err();
    assert!(
        matches!(&error, MediaError::Refused { status: 422, message, .. } if message.contains("never plays")),
        "{error}"
    );
    let whep = studio
        .playback(&stream.playback_id)
        .await
        .unwrap()
        .whep_url()
        .unwrap();
    let error = WhipPublisher::connect(WhipConfig::new(SecretUrl::new(whep)))
        .await
        .unwrap_err();
    assert!(
        matches!(&error, MediaError::Refused { status: 422, message, .. } if message.contains("never publishes")),
        "{error}"
    );
    receive(&mut player, 30, 30).await;
    feed.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn terminate_throws_everybody_out_and_lets_the_publisher_come_back() {
    let (_local, studio, stream) = scene().await;
    let feed = Feed::start(&studio, &stream, VideoCodec::H264)
        .await
        .unwrap();
    let mut player = play(&studio, &stream, None).await.unwrap();
    receive(&mut player, 5, 5).await;

    studio.terminate_stream(&stream.id).await.unwrap();
    feed.over().await;
    closed(player.state()).await;
    active(&studio, &stream, false).await;

    let again = Feed::start(&studio, &stream, VideoCodec::H264)
        .await
        .unwrap();
    let mut player = play(&studio, &stream, None).await.unwrap();
    receive(&mut player, 5, 5).await;
    again.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_suspended_or_deleted_stream_ends_and_lets_nobody_in() {
    let (_local, studio, stream) = scene().await;
    let feed = Feed::start(&studio, &stream, VideoCodec::H264)
        .await
        .unwrap();
    studio.suspend_stream(&stream.id, true).await.unwrap();
    feed.over().await;
    let error = Feed::start(&studio, &stream, VideoCodec::H264)
        .await
        .err()
        .unwrap();
    assert!(
        matches!(error, MediaError::Refused { status: 403, .. }),
        "{error}"
    );

    studio.suspend_stream(&stream.id, false).await.unwrap();
    let feed = Feed::start(&studio, &stream, VideoCodec::H264)
        .await
        .unwrap();
    studio.delete_stream(&stream.id).await.unwrap();
    feed.over().await;
    let error = Feed::start(&studio, &stream, VideoCodec::H264)
        .await
        .err()
        .unwrap();
    assert!(
        matches!(
            error,
            MediaError::NotLive { .. } | MediaError::Refused { status: 404, .. }
        ),
        "{error}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_of_nonsense_does_not_disturb_the_picture() {
    let (local, studio, stream) = scene().await;
    let feed = Feed::start(&studio, &stream, VideoCodec::Vp8)
        .await
        .unwrap();
    let mut player = play(&studio, &stream, None).await.unwrap();
    let before = receive(&mut player, 5, 5).await;
    let local = Arc::new(local);
    let key = stream.stream_key.as_ref().unwrap().expose().to_owned();
    let floods: Vec<_> = (0..200)
        .map(|n| {
            let local = local.clone();
            let path = if n % 2 == 0 {
                key.clone()
            } else {
                stream.playback_id.clone()
            };
            let nonsense = "v=0\r\na=mid:".repeat(n * 40);
            tokio::spawn(async move {
                let headers = [("content-type", "application/sdp")];
                local
                    .webrtc("POST", &path, &headers, &nonsense)
                    .await
                    .status
            })
        })
        .collect();
    for flood in floods {
        assert!(flood.await.unwrap().is_client_error());
    }
    let after = receive(
        &mut player,
        before.video.frames + 30,
        before.audio.packets + 30,
    )
    .await;
    assert_eq!(after.video.lost() + after.audio.lost(), 0);
    active(&studio, &stream, true).await;
    feed.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_publisher_takes_over_and_the_player_stays() {
    let (local, studio, stream) = scene().await;
    let first = Feed::start(&studio, &stream, VideoCodec::Vp8)
        .await
        .unwrap();
    let mut player = play(&studio, &stream, None).await.unwrap();
    let before = receive(&mut player, 10, 10).await;

    let second = Feed::start(&studio, &stream, VideoCodec::Vp8)
        .await
        .unwrap();
    first.over().await;
    let after = receive(
        &mut player,
        before.video.frames + 60,
        before.audio.packets + 60,
    )
    .await;
    assert!(after.video.keyframes > before.video.keyframes);
    assert!(!player.state().borrow().is_over());
    active(&studio, &stream, true).await;
    let stats = local.local.engine().stats().await;
    assert_eq!(
        stats.streams[&stream.playback_id.as_str().into()]
            .counters
            .takeovers,
        1
    );
    second.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_under_way_cannot_be_changed() {
    let (_local, studio, stream) = scene().await;
    let feed = Feed::start(&studio, &stream, VideoCodec::Vp8)
        .await
        .unwrap();
    active(&studio, &stream, true).await;
    let record = StreamPatch {
        record: Some(true),
        ..StreamPatch::default()
    };
    let ladder = Some(vec![Profile::h264("480p", 854, 480, 1_000_000)]);
    let profiles = StreamPatch {
        profiles: ladder,
        ..StreamPatch::default()
    };
    for (patch, field) in [(record, "record"), (profiles, "profiles")] {
        let error = studio.patch_stream(&stream.id, &patch).await.unwrap_err();
        assert_eq!(error.status(), Some(400));
        let words = format!("cannot change '{field}' field while stream is active");
        assert_eq!(error.messages(), [words]);
    }
    let same = StreamPatch {
        record: Some(false),
        profiles: Some(Vec::new()),
        name: Some("renamed".into()),
        ..StreamPatch::default()
    };
    studio.patch_stream(&stream.id, &same).await.unwrap();
    let live = StreamFilter {
        is_active: Some(true),
        ..StreamFilter::default()
    };
    assert_eq!(studio.list_streams(&live).await.unwrap()[0].name, "renamed");
    feed.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_publisher_sends_amiss_is_told_with_its_stream_until_it_is_gone() {
    let (_local, studio, stream) = scene().await;
    let feed = Feed::start(&studio, &stream, VideoCodec::H264)
        .await
        .unwrap();
    let well = active(&studio, &stream, true).await;
    assert_eq!((well.is_healthy, well.issues.len()), (None, 0));
    // A picture with the parameters of High, level 4.0, from an encoder that passes over what was negotiated.
    let sps = [
        0, 0, 0, 1, 0x67, 0x64, 0x00, 0x28, 0xac, 0xda, 0x01, 0xe0, 0x08, 0x9f, 0x95,
    ];
    let pps = [0, 0, 0, 1, 0x68, 0xce, 0x3c, 0x80];
    let high = [&sps[..], &pps, &[0, 0, 0, 1, 0x65, 0x88, 0x5a]].concat();
    let told = async {
        loop {
            let at = Duration::from_secs(60);
            feed.publisher
                .write_video(Bytes::copy_from_slice(&high), at)
                .await
                .unwrap();
            let now = studio.get_stream(&stream.id).await.unwrap();
            if now.issues.iter().any(|words| words.contains("H.264 High")) {
                return now;
            }
            tokio::task::yield_now().await;
        }
    };
    let told = timeout(PATIENCE, told).await.expect("it is told");
    assert_eq!(told.is_healthy, Some(false));
    feed.stop().await;
    let over = active(&studio, &stream, false).await;
    assert_eq!((over.is_healthy, over.issues.len()), (None, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn deleting_the_session_makes_the_stream_idle_at_once() {
    let (local, studio, stream) = scene().await;
    let mut events = local.local.engine().events();
    let name = || stream.playback_id.as_str().into();
    let feed = Feed::start(&studio, &stream, VideoCodec::Vp8)
        .await
        .unwrap();
    wait_for(&mut events, StreamEvent::Started { stream: name() }).await;
    // `stop` sends the DELETE; without it the engine would wait out the publisher's silence.
    feed.stop().await;
    let soon = Duration::from_secs(2);
    let idle =
        async { while events.recv().await.unwrap() != (StreamEvent::Idle { stream: name() }) {} };
    timeout(soon, idle).await.expect("idle at once");
}

/// A receiver of webhooks that believes nothing unsigned.
async fn receiver() -> (url::Url, mpsc::UnboundedReceiver<Delivery>) {
    async fn take(
        State(taken): State<mpsc::UnboundedSender<Delivery>>,
        headers: HeaderMap,
        body: Bytes,
    ) -> StatusCode {
        let signature = headers
            .get(webhook::SIGNATURE_HEADER)
            .and_then(|value| value.to_str().ok());
        match webhook::verify(&"s3cret".into(), signature, &body, SystemTime::now()) {
            Ok(delivery) => {
                assert!(
                    !String::from_utf8_lossy(&body).contains("streamKey"),
                    "the key is not told"
                );
                taken.send(delivery).unwrap();
                StatusCode::NO_CONTENT
            }
            Err(_) => StatusCode::BAD_REQUEST,
        }
    }
    let (taken, deliveries) = mpsc::unbounded_channel();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/hook", listener.local_addr().unwrap());
    let router = Router::new().route("/hook", post(take)).with_state(taken);
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    (url.parse().unwrap(), deliveries)
}

#[tokio::test(flavor = "multi_thread")]
async fn webhooks_tell_the_beginning_and_the_end_in_order_and_signed() {
    let (_local, studio, stream) = scene().await;
    let (url, mut deliveries) = receiver().await;
    let hook = NewWebhook {
        name: "app".into(),
        url,
        events: vec!["stream.started".into(), "stream.idle".into()],
        shared_secret: Some("s3cret".into()),
        stream_id: None,
    };
    // One that nobody answers must not hold up the other.
    let dead = NewWebhook {
        url: "http://127.0.0.1:9/".parse().unwrap(),
        ..hook.clone()
    };
    studio.create_webhook(&dead).await.unwrap();
    let webhook = studio.create_webhook(&hook).await.unwrap();

    let feed = Feed::start(&studio, &stream, VideoCodec::H264)
        .await
        .unwrap();
    let started = timeout(PATIENCE, deliveries.recv()).await.unwrap().unwrap();
    feed.stop().await;
    let idle = timeout(PATIENCE, deliveries.recv()).await.unwrap().unwrap();

    for (delivery, name, is_active) in [
        (&started, "stream.started", true),
        (&idle, "stream.idle", false),
    ] {
        assert_eq!(delivery.name, name);
        assert_eq!(delivery.webhook_id.as_deref(), Some(webhook.id.as_str()));
        assert_eq!(delivery.payload, None);
        let told = delivery.stream.as_ref().unwrap();
        assert_eq!(
            (told.id.as_str(), told.is_active),
            (stream.id.as_str(), is_active)
        );
    }
    assert_ne!(started.id, idle.id);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_stream_still_has_its_end_told() {
    let (_local, studio, stream) = scene().await;
    let (url, mut deliveries) = receiver().await;
    let hook = NewWebhook {
        name: "app".into(),
        url,
        events: vec!["stream.started".into(), "stream.idle".into()],
        shared_secret: Some("s3cret".into()),
        stream_id: Some(stream.id.clone()),
    };
    studio.create_webhook(&hook).await.unwrap();
    let feed = Feed::start(&studio, &stream, VideoCodec::H264)
        .await
        .unwrap();
    assert_eq!(
        timeout(PATIENCE, deliveries.recv())
            .await
            .unwrap()
            .unwrap()
            .name,
        "stream.started"
    );
    studio.delete_stream(&stream.id).await.unwrap();
    let idle = timeout(PATIENCE, deliveries.recv()).await.unwrap().unwrap();
    assert_eq!(
        (idle.name.as_str(), idle.stream.unwrap().id),
        ("stream.idle", stream.id)
    );
    feed.over().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn shutting_down_closes_everybody_and_tells_it() {
    let (local, studio, stream) = scene().await;
    let (url, mut deliveries) = receiver().await;
    let hook = NewWebhook {
        name: "app".into(),
        url,
        events: vec!["stream.idle".into()],
        shared_secret: Some("s3cret".into()),
        stream_id: None,
    };
    studio.create_webhook(&hook).await.unwrap();
    let feed = Feed::start(&studio, &stream, VideoCodec::H264)
        .await
        .unwrap();
    let mut player = play(&studio, &stream, None).await.unwrap();
    receive(&mut player, 5, 5).await;
    let engine: Engine = local.local.engine().clone();
    local.local.shutdown().await;
    feed.over().await;
    closed(player.state()).await;
    assert_eq!(
        timeout(PATIENCE, deliveries.recv())
            .await
            .unwrap()
            .unwrap()
            .name,
        "stream.idle"
    );
    assert_eq!(engine.stats().await.sessions, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn viewers_that_one_thread_is_not_to_serve_play_from_another() {
    let (local, server) = TestLocal::serving_with(|config| {
        config.threads = 2;
        config.viewers_per_thread = 1;
    })
    .await;
    let studio = studio(&server);
    let stream = studio
        .create_stream(&NewStream::source_only("show"))
        .await
        .unwrap();
    let feed = Feed::start(&studio, &stream, VideoCodec::H264)
        .await
        .unwrap();
    let mut players = Vec::new();
    for _ in 0..4 {
        players.push(play(&studio, &stream, None).await.unwrap());
    }
    for player in &mut players {
        let stats = receive(player, 30, 50).await;
        assert!(stats.video.keyframes >= 1, "{stats:?}");
        assert_eq!(stats.video.lost() + stats.audio.lost(), 0, "{stats:?}");
    }
    let name = stream.playback_id.as_str().into();
    let counted = local.local.engine().stats().await.streams[&name].clone();
    assert_eq!((counted.viewers, counted.mirrors), (4, 1));

    // A publisher that comes back is followed there too.
    let again = Feed::start(&studio, &stream, VideoCodec::H264)
        .await
        .unwrap();
    feed.over().await;
    for player in &mut players {
        let before = player.stats();
        receive(player, before.video.frames + 30, before.audio.packets + 50).await;
    }
    studio.terminate_stream(&stream.id).await.unwrap();
    again.over().await;
    for player in players {
        closed(player.state()).await;
    }
    let gone = async {
        while !local.local.engine().stats().await.streams.is_empty() {
            tokio::task::yield_now().await;
        }
    };
    timeout(PATIENCE, gone).await.expect("nothing is left");
}
