//! A publisher.

use std::time::Duration;

use bytes::Bytes;
use tokio::sync::watch;

use super::codec::{Codec, IceServer, RtpPacket, VideoCodec};
use super::exchange::{Accepted, Endpoint, PUBLISH};
use super::peer::{Peer, Wishes};
use super::track::Track;
use super::{MediaError, MediaState, sdp};
use crate::secret::{PlaybackToken, SecretUrl};

/// What a [`WhipPublisher`] needs to know.
#[derive(Clone, Debug)]
pub struct WhipConfig {
    /// Where to publish. Livepeer's contains the stream key.
    pub url: SecretUrl,
    /// For servers that want `Authorization: Bearer`. Livepeer does not.
    pub bearer: Option<PlaybackToken>,
    /// What the pictures are encoded with.
    pub video: VideoCodec,
    /// Whether there is sound beside the pictures.
    pub audio: Audio,
    /// Helpers to find a way; none are needed on one network.
    pub ice_servers: Vec<IceServer>,
}

/// Whether there is sound.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Audio {
    /// Opus (RFC 7587), 48 kHz.
    Opus,
    /// None.
    None,
}

impl WhipConfig {
    /// H.264 and Opus to that address, without a bearer token.
    pub fn new(url: SecretUrl) -> Self {
        Self {
            url,
            bearer: None,
            video: VideoCodec::H264,
            audio: Audio::Opus,
            ice_servers: Vec::new(),
        }
    }
}

/// Publishes one video track and at most one audio track.
///
/// Dropped without [`close`](Self::close), it ends the session in the background if a Tokio runtime is still there.
pub struct WhipPublisher {
    /// Taken out by `close`, so that `drop` has nothing left to do.
    live: Option<Live>,
    video: Track,
    audio: Option<Track>,
    state: watch::Receiver<MediaState>,
    keyframe_requests: watch::Receiver<u64>,
}

struct Live {
    peer: Peer,
    endpoint: Endpoint,
    accepted: Accepted,
}

impl std::fmt::Debug for WhipPublisher {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("WhipPublisher")
            .field("state", &*self.state.borrow())
            .finish_non_exhaustive()
    }
}

impl WhipPublisher {
    /// Offers, and returns once media can flow.
    ///
    /// # Errors
    ///
    /// See [`MediaError`]. A session that was begun is ended again.
    pub async fn connect(config: WhipConfig) -> Result<Self, MediaError> {
        // Livepeer: 9 publish over WHIP
        let mut peer = Peer::new(Wishes {
            video: &[config.video],
            audio: config.audio == Audio::Opus,
            ice_servers: &config.ice_servers,
        })
        .await?;
        let video = Track::add(&peer, config.video.into()).await?;
        let audio = match config.audio {
            Audio::Opus => Some(Track::add(&peer, Codec::Opus).await?),
            Audio::None => None,
        };

        let endpoint = Endpoint {
            call: PUBLISH,
            url: config.url,
            bearer: config.bearer,
            jwt: None,
        };
        let offer = peer.offer().await?;
        let accepted = endpoint.post(&offer).await?;
        let negotiated = sdp::payload_types(&accepted.answer);
        let state = peer.state();
        let keyframe_requests = peer.keyframe_requests.clone();
        let settled = [Some(&video), audio.as_ref()]
            .into_iter()
            .flatten()
            .try_for_each(|track| track.settle(&negotiated));
        let connected = match settled {
            Ok(()) => peer.connect(&accepted.answer).await,
            Err(error) => Err(error),
        };
        let live = Live {
            peer,
            endpoint,
            accepted,
        };
        if let Err(error) = connected {
            live.end().await;
            return Err(error);
        }
        Ok(Self {
            live: Some(live),
            video,
            audio,
            state,
            keyframe_requests,
        })
    }

    /// Sends a picture: an H.264 access unit with start codes (Annex B), or a VP8 frame. `at` is its time since the
    /// beginning, on the clock that [`write_audio`](Self::write_audio) uses too.
    ///
    /// # Errors
    ///
    /// [`MediaError::Over`] once the connection is over; [`MediaError::Local`] if the frame cannot be packetized.
    pub async fn write_video(&self, frame: Bytes, at: Duration) -> Result<(), MediaError> {
        self.guard()?;
        self.video.write(frame, at).await
    }

    /// Sends an Opus packet. Without an audio track it is dropped.
    ///
    /// # Errors
    ///
    /// As [`write_video`](Self::write_video).
    pub async fn write_audio(&self, packet: Bytes, at: Duration) -> Result<(), MediaError> {
        self.guard()?;
        match &self.audio {
            Some(audio) => audio.write(packet, at).await,
            None => Ok(()),
        }
    }

    /// Sends a packet as it is, but for the payload type and the source, which this session has settled: for whoever
    /// has RTP already. Do not mix it with the other two on one track.
    ///
    /// # Errors
    ///
    /// As [`write_video`](Self::write_video); [`MediaError::Local`] if this session has no track of that codec.
    pub async fn write_rtp(&self, packet: &RtpPacket) -> Result<(), MediaError> {
        self.guard()?;
        let track = [Some(&self.video), self.audio.as_ref()]
            .into_iter()
            .flatten()
            .find(|track| track.codec == packet.codec)
            .ok_or_else(|| {
                MediaError::Local(format!("this session publishes no {:?}", packet.codec))
            })?;
        track
            .send(
                packet.sequence,
                packet.timestamp,
                packet.marker,
                packet.payload.clone(),
            )
            .await
    }

    /// How many keyframes the server has asked for (PLI and FIR). Whenever it changes, the next picture should be one.
    pub fn keyframe_requests(&self) -> watch::Receiver<u64> {
        self.keyframe_requests.clone()
    }

    /// The address of this session at the server, if it names one: whoever knows it may change and end the session.
    pub fn session(&self) -> Option<&SecretUrl> {
        self.live.as_ref()?.accepted.session.as_ref()
    }

    /// Where the connection stands.
    pub fn state(&self) -> watch::Receiver<MediaState> {
        self.state.clone()
    }

    /// Ends the session: DELETE, then the media connection.
    pub async fn close(mut self) {
        if let Some(live) = self.live.take() {
            live.end().await;
        }
    }

    fn guard(&self) -> Result<(), MediaError> {
        if self.state.borrow().is_over() {
            Err(MediaError::Over)
        } else {
            Ok(())
        }
    }
}

impl Drop for WhipPublisher {
    fn drop(&mut self) {
        if let (Some(live), Ok(runtime)) = (self.live.take(), tokio::runtime::Handle::try_current())
        {
            runtime.spawn(live.end());
        }
    }
}

impl Live {
    async fn end(self) {
        self.endpoint.delete(&self.accepted).await;
        self.peer.close().await;
    }
}
