//! A test stream: one small grey picture again and again, and silence. No encoder is needed for either.

use std::time::Duration;

use bytes::Bytes;
use tokio::task::JoinHandle;
use tokio::time::{Instant, MissedTickBehavior, interval};

use crate::media::{MediaError, VideoCodec, WhipConfig, WhipPublisher};
use crate::secret::{PlaybackToken, SecretUrl};

/// A VP8 keyframe (RFC 6386) of 64 by 64 grey pixels.
const PICTURE: [u8; 37] = [
    0xf0, 0x02, 0x00, 0x9d, 0x01, 0x2a, 0x40, 0x00, 0x40, 0x00, 0x00, 0x47, 0x08, 0x85, 0x85, 0x88,
    0x99, 0x84, 0x88, 0x02, 0x02, 0x00, 0x06, 0x70, 0x3c, 0x42, 0x60, 0x0a, 0xb2, 0x20, 0xf7, 0x30,
    0x00, 0xfe, 0xc3, 0xe0, 0x00,
];

/// 20 ms of nothing in Opus (RFC 6716).
const SILENCE: [u8; 3] = [0xf8, 0xff, 0xfe];

/// How long one packet of sound lasts.
const PACKET: Duration = Duration::from_millis(20);

/// Packets of sound for each picture: ten pictures a second.
const PACKETS_A_PICTURE: u32 = 5;

/// A stream that is being published.
#[derive(Debug)]
pub(super) struct TestStream {
    task: JoinHandle<()>,
    stop: tokio::sync::oneshot::Sender<()>,
}

impl TestStream {
    pub(super) async fn begin(
        url: SecretUrl,
        bearer: Option<PlaybackToken>,
    ) -> Result<Self, MediaError> {
        let publisher = WhipPublisher::connect(WhipConfig {
            video: VideoCodec::Vp8,
            bearer,
            ..WhipConfig::new(url)
        })
        .await?;
        let (stop, stopped) = tokio::sync::oneshot::channel();
        let task = tokio::spawn(async move {
            tokio::select! {
                _ = publish(&publisher) => {}
                _ = stopped => {}
            }
            publisher.close().await;
        });
        Ok(Self { task, stop })
    }

    /// Whether the server has ended it.
    pub(super) fn is_over(&self) -> bool {
        self.task.is_finished()
    }

    /// Ends it: DELETE, then the connection.
    pub(super) async fn end(self) {
        // It may have ended by itself.
        let _ = self.stop.send(());
        let _ = self.task.await;
    }
}

async fn publish(publisher: &WhipPublisher) -> Result<(), MediaError> {
    let begin = Instant::now();
    let mut ticks = interval(PACKET);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    for tick in 0u32.. {
        ticks.tick().await;
        let at = begin.elapsed();
        publisher
            .write_audio(Bytes::from_static(&SILENCE), at)
            .await?;
        if tick.is_multiple_of(PACKETS_A_PICTURE) {
            publisher
                .write_video(Bytes::from_static(&PICTURE), at)
                .await?;
        }
    }
    Ok(())
}
