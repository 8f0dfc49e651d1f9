//! A publisher that sends something and players that count it, over the HTTP routes and the engine.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Bytes;
use livepeer::PlaybackToken;
use livepeer::media::{
    MediaError, PlayerStats, VideoCodec, WhepConfig, WhepPlayer, WhipConfig, WhipPublisher,
};
use livepeer::secret::SecretUrl;
use livepeer::studio::{Stream, Studio};
use tokio::task::JoinHandle;
use tokio::time::timeout;

/// Longer than anything here takes; a test that waits this long has failed.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// The wait before asking again for a stream that is not live, where the server does not say.
const ASK_AGAIN: Duration = Duration::from_millis(100);

/// Publishes 30 pictures and 50 packets of sound a second until it is dropped or the session is over.
pub(crate) struct Feed {
    pub(crate) publisher: Arc<WhipPublisher>,
    task: JoinHandle<()>,
}

impl Feed {
    pub(crate) async fn start(
        studio: &Studio,
        stream: &Stream,
        codec: VideoCodec,
    ) -> Result<Feed, MediaError> {
        let url = studio.whip_url(stream).await?;
        let mut config = WhipConfig::new(url);
        config.video = codec;
        let publisher = Arc::new(WhipPublisher::connect(config).await?);
        let feeding = publisher.clone();
        let task = tokio::spawn(async move {
            let mut ticks = tokio::time::interval(Duration::from_millis(20));
            let mut pictures = 0;
            for tick in 0_u32.. {
                ticks.tick().await;
                let at = Duration::from_millis(20) * tick;
                let sound = feeding
                    .write_audio(Bytes::from_static(&[0xf8, 0xff, 0xfe]), at)
                    .await;
                let picture = if at >= Duration::from_millis(33) * pictures {
                    pictures += 1;
                    feeding
                        .write_video(picture(codec, pictures % 30 == 1), at)
                        .await
                } else {
                    Ok(())
                };
                if sound.is_err() || picture.is_err() {
                    return;
                }
            }
        });
        Ok(Feed { publisher, task })
    }

    /// Waits until the server has closed the session.
    pub(crate) async fn over(&self) {
        let mut state = self.publisher.state();
        timeout(PATIENCE, state.wait_for(|state| state.is_over()))
            .await
            .expect("the publisher is closed")
            .ok();
    }

    pub(crate) async fn stop(self) {
        self.task.abort();
        self.task.await.ok();
        Arc::into_inner(self.publisher)
            .expect("the feed has ended")
            .close()
            .await;
    }
}

/// What a forwarding engine takes for a picture: the beginnings are true, the rest is filler of 2,500 bytes.
pub(crate) fn picture(codec: VideoCodec, keyframe: bool) -> Bytes {
    let mut bytes = match (codec, keyframe) {
        (VideoCodec::H264, true) => {
            let sps = [
                0, 0, 0, 1, 0x67, 0x42, 0xe0, 0x1f, 0xda, 0x01, 0x40, 0x16, 0xe8,
            ];
            let pps = [0, 0, 0, 1, 0x68, 0xce, 0x3c, 0x80];
            [&sps[..], &pps, &[0, 0, 0, 1, 0x65, 0x88]].concat()
        }
        (VideoCodec::H264, false) => vec![0, 0, 0, 1, 0x41, 0x9a],
        // RFC 7741 section 4.3: the frame tag, whose lowest bit is 0 for a keyframe; then start code and size.
        (VideoCodec::Vp8, true) => vec![0x10, 0x02, 0x00, 0x9d, 0x01, 0x2a, 0x40, 0x01, 0xf0, 0x00],
        (VideoCodec::Vp8, false) => vec![0x11, 0x02, 0x00],
    };
    bytes.resize(2500, 0x5a);
    bytes.into()
}

/// Plays; while the stream is not live yet, asks again as the server says.
pub(crate) async fn play(
    studio: &Studio,
    stream: &Stream,
    token: Option<PlaybackToken>,
) -> Result<WhepPlayer, MediaError> {
    let url = studio
        .playback(&stream.playback_id)
        .await?
        .whep_url()
        .expect("a WHEP address");
    let mut config = WhepConfig::new(SecretUrl::new(url));
    config.token = token;
    loop {
        match WhepPlayer::connect(config.clone()).await {
            Err(MediaError::NotLive { retry_after }) => {
                tokio::time::sleep(retry_after.unwrap_or(ASK_AGAIN)).await;
            }
            other => return other,
        }
    }
}

/// Reads until enough of both kinds has come.
pub(crate) async fn receive(player: &mut WhepPlayer, pictures: u64, sounds: u64) -> PlayerStats {
    let enough = async {
        while player.stats().video.frames < pictures || player.stats().audio.packets < sounds {
            player.recv().await.expect("the player is still connected");
        }
        player.stats()
    };
    timeout(PATIENCE, enough).await.expect("media comes")
}
