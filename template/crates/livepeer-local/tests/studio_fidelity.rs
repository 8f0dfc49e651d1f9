//! The ways of Livepeer's own nodes, and that our client gets along with each of them.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod support;

use livepeer::media::{MediaError, VideoCodec, WhepConfig, WhepPlayer};
use livepeer::secret::SecretUrl;
use livepeer::studio::{NewStream, PlaybackPolicy, Stream, Studio};
use livepeer_local::Fidelity;
use support::feed::{Feed, play, receive};
use support::{Answer, TestLocal, offer, studio, text};
use tokio::time::timeout;

const SDP: (&str, &str) = ("content-type", "application/sdp");

async fn start() -> TestLocal {
    TestLocal::start_with(|config| config.fidelity = Fidelity::Studio).await
}

async fn scene(new: NewStream) -> (TestLocal, Studio, Stream) {
    let serving = TestLocal::serving_with(|config| config.fidelity = Fidelity::Studio);
    let (local, server) = serving.await;
    let studio = studio(&server);
    let stream = studio.create_stream(&new).await.unwrap();
    (local, studio, stream)
}

fn plain(answer: &Answer, status: u16) -> &str {
    assert_eq!(answer.status.as_u16(), status, "{}", answer.text);
    let kind = answer.header("content-type").unwrap();
    assert!(kind.starts_with("text/plain"), "{kind}");
    &answer.text
}

#[tokio::test]
async fn the_public_name_sends_on_to_a_node_and_the_preflight_is_answered_there() {
    // Its base address is http://localhost:3000/livepeer.
    let local = start().await;
    let stream = local.named("a").await;
    let (key, play) = (text(&stream, "streamKey"), text(&stream, "playbackId"));
    let public = ("host", "localhost:3000");
    for method in ["POST", "HEAD", "GET"] {
        for (name, there) in [(&key, key.clone()), (&play, format!("video+{play}"))] {
            let asked = format!("{name}?jwt=a.b.c");
            let sent = local.webrtc(method, &asked, &[SDP, public], "").await;
            assert_eq!(sent.status.as_u16(), 307);
            let node = format!("http://127.0.0.1:3000/webrtc/{there}?jwt=a.b.c");
            assert_eq!(sent.header("location"), Some(node.as_str()));
            assert_eq!(sent.header("access-control-allow-origin"), Some("*"));
        }
    }
    let preflight = local.webrtc("OPTIONS", &key, &[public], "").await;
    assert_eq!(preflight.status.as_u16(), 200);
    let node = ("host", "127.0.0.1:3000");
    let known = local
        .webrtc("HEAD", &format!("video+{play}"), &[node], "")
        .await;
    assert_eq!(known.status.as_u16(), 200);
}

#[tokio::test]
async fn a_node_takes_the_offer_and_nothing_after_it() {
    let local = start().await;
    let stream = local.named("a").await;
    let key = text(&stream, "streamKey");
    let answer = local.webrtc("POST", &key, &[SDP], &offer("sendonly")).await;
    assert_eq!(answer.status.as_u16(), 201, "{}", answer.text);
    for header in ["etag", "accept-patch"] {
        assert_eq!(answer.header(header), None, "{header}");
    }
    assert!(!answer.text.contains("trickle"), "{}", answer.text);
    let location = answer.header("location").unwrap();
    let relative = format!("video+{}/", text(&stream, "playbackId"));
    assert!(location.starts_with(&relative), "{location}");
    let fragment = [("content-type", "application/trickle-ice-sdpfrag")];
    let patched = local
        .webrtc("PATCH", location, &fragment, "a=end-of-candidates")
        .await;
    plain(&patched, 405);
    plain(&local.webrtc("DELETE", location, &[], "").await, 405);
    assert_eq!(local.local.engine().stats().await.sessions, 1);
}

#[tokio::test]
async fn refusals_are_plain_text_with_the_statuses_of_a_node() {
    let local = start().await;
    let stream = local.named("a").await;
    let (key, play) = (text(&stream, "streamKey"), text(&stream, "playbackId"));
    let offline = local
        .webrtc("POST", &play, &[SDP], &offer("recvonly"))
        .await;
    assert_eq!(plain(&offline, 404), "stream open failed");
    assert_eq!(offline.header("retry-after"), None);
    let nonsense = local.webrtc("POST", &key, &[SDP], "hello").await;
    assert_eq!(plain(&nonsense, 400), "Failed to parse offer SDP");
    let backwards = local
        .webrtc("POST", &play, &[SDP], &offer("sendonly"))
        .await;
    assert_eq!(plain(&backwards, 403), "Request not allowed");

    let private = serde_json::json!({"name": "b", "playbackPolicy": {"type": "jwt"}});
    let private = text(&local.stream(private).await, "playbackId");
    let unknown = local
        .webrtc("POST", &private, &[SDP], &offer("recvonly"))
        .await;
    plain(&unknown, 403);
}

#[tokio::test(flavor = "multi_thread")]
async fn our_client_follows_to_the_node_and_media_flow() {
    let (local, studio, stream) = scene(NewStream::source_only("show")).await;
    let feed = Feed::start(&studio, &stream, VideoCodec::H264)
        .await
        .unwrap();
    let mut player = play(&studio, &stream, None).await.unwrap();
    receive(&mut player, 10, 10).await;
    // The DELETE is a 405; that the media connection is closed ends the session all the same.
    player.close().await;
    feed.stop().await;
    let over = async {
        while local.local.engine().stats().await.sessions > 0 {
            tokio::task::yield_now().await;
        }
    };
    timeout(support::feed::PATIENCE, over)
        .await
        .expect("the sessions end");
}

#[tokio::test(flavor = "multi_thread")]
async fn our_client_knows_offline_from_refused_and_from_no_codec() {
    let (_local, studio, stream) = scene(NewStream::source_only("show")).await;
    let address = |stream: &Stream| {
        let (studio, id) = (studio.clone(), stream.playback_id.clone());
        async move {
            let info = studio.playback(&id).await.unwrap();
            WhepConfig::new(SecretUrl::new(info.whep_url().unwrap()))
        }
    };
    let offline = WhepPlayer::connect(address(&stream).await)
        .await
        .unwrap_err();
    assert_eq!(offline, MediaError::NotLive { retry_after: None });

    let feed = Feed::start(&studio, &stream, VideoCodec::H264)
        .await
        .unwrap();
    play(&studio, &stream, None).await.unwrap().close().await;
    let mut other = address(&stream).await;
    other.video = vec![VideoCodec::Vp8];
    let error = WhepPlayer::connect(other).await.unwrap_err();
    assert!(
        matches!(error, MediaError::Refused { status: 406, .. }) && !error.is_retryable(),
        "{error}"
    );
    assert!(error.to_string().contains("HLS"), "{error}");
    feed.stop().await;

    let private = NewStream {
        playback_policy: Some(PlaybackPolicy::jwt()),
        ..NewStream::source_only("private")
    };
    let private = studio.create_stream(&private).await.unwrap();
    let error = WhepPlayer::connect(address(&private).await)
        .await
        .unwrap_err();
    assert!(
        matches!(error, MediaError::Refused { status: 403, .. }),
        "{error}"
    );
}
