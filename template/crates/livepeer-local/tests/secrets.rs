//! Nothing that opens a door is ever written to the log. The only test of this file: it listens to the whole process.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod support;

use std::io::{self, Write};
use std::sync::{Arc, Mutex};

use livepeer::media::{WhepConfig, WhepPlayer, WhipConfig, WhipPublisher};
use livepeer::secret::SecretUrl;
use livepeer::studio::{NewStream, NewWebhook, PlaybackPolicy};
use livepeer::token::PlaybackSigner;
use support::{KEY, TestLocal, studio};
use tracing_subscriber::EnvFilter;

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_and_tokens_stay_out_of_the_log() {
    let log = Log::default();
    let writer = log.clone();
    tracing_subscriber::fmt()
        .with_env_filter(EnvFilter::new(
            "debug,livepeer_local=trace,tower_http=trace,axum=trace",
        ))
        .with_writer(move || writer.clone())
        .init();

    let (local, server) = TestLocal::serving().await;
    let studio = studio(&server);
    let new = NewStream {
        playback_policy: Some(PlaybackPolicy::jwt()),
        ..NewStream::source_only("a")
    };
    let stream = studio.create_stream(&new).await.unwrap();
    let hook = NewWebhook {
        name: "dead".into(),
        url: "http://127.0.0.1:9/?token=in-the-address".parse().unwrap(),
        events: vec!["stream.started".into(), "stream.idle".into()],
        shared_secret: Some("the-shared-secret".into()),
        stream_id: None,
    };
    studio.create_webhook(&hook).await.unwrap();
    let key = studio.create_signing_key(None).await.unwrap();
    let signer = PlaybackSigner::from_signing_key(&key, "test").unwrap();
    let now = std::time::SystemTime::now();
    let minute = std::time::Duration::from_secs(60);
    let token = signer
        .mint(&stream.playback_id, now, minute, Default::default())
        .unwrap();

    let whip = studio.whip_url(&stream).await.unwrap();
    let publisher = WhipPublisher::connect(WhipConfig::new(whip)).await.unwrap();
    let frame = axum::body::Bytes::from_static(&[0, 0, 0, 1, 0x65, 0x88, 0x84]);
    publisher
        .write_video(frame, std::time::Duration::ZERO)
        .await
        .unwrap();
    let mut whep = studio
        .playback(&stream.playback_id)
        .await
        .unwrap()
        .whep_url()
        .unwrap();
    let mut config = WhepConfig::new(SecretUrl::new(whep.clone()));
    config.token = Some(token.clone());
    let played = WhepPlayer::connect(config).await;
    whep.set_query(Some(&format!("jwt={}", token.expose())));
    WhepPlayer::connect(WhepConfig::new(SecretUrl::new(whep)))
        .await
        .ok();
    publisher.close().await;
    drop(played);
    studio.terminate_stream(&stream.id).await.unwrap();
    local.local.shutdown().await;

    let text = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    assert!(
        text.contains("/webrtc/{name}"),
        "requests are logged by route:\n{text}"
    );
    let stream_key = stream.stream_key.unwrap();
    let (_, signature) = token.expose().rsplit_once('.').unwrap();
    for secret in [
        KEY,
        stream_key.expose(),
        signature,
        "the-shared-secret",
        "in-the-address",
    ] {
        let line = text.lines().find(|line| line.contains(secret));
        assert_eq!(line, None, "a secret is in the log");
    }
}
