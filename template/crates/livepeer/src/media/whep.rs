//! A player.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use rtc::rtcp::payload_feedbacks::picture_loss_indication::PictureLossIndication;
use rtc::rtp;
use rtc::rtp_transceiver::rtp_sender::RtpCodecKind;
use rtc::rtp_transceiver::{RTCRtpTransceiverDirection, RTCRtpTransceiverInit};
use tokio::sync::{mpsc, watch};
use webrtc::media_stream::track_remote::{TrackRemote, TrackRemoteEvent};

use super::codec::{Codec, IceServer, Kind, RtpPacket, VideoCodec};
use super::counts::PlayerStats;
use super::exchange::{Accepted, Endpoint, PLAY};
use super::peer::{Peer, Wishes, local};
use super::{MediaError, MediaState, sdp};
use crate::secret::{PlaybackToken, SecretUrl};

/// Packets kept for whoever reads them: about two seconds of a good picture.
const UNREAD: usize = 1024;

/// How long to wait for a keyframe that was asked for before asking again.
const ASK_AGAIN: Duration = Duration::from_millis(500);

/// What a [`WhepPlayer`] needs to know.
#[derive(Clone, Debug)]
pub struct WhepConfig {
    /// Where to play from.
    pub url: SecretUrl,
    /// Livepeer's playback token, sent as `Livepeer-Jwt`.
    pub token: Option<PlaybackToken>,
    /// For servers that want `Authorization: Bearer`. Livepeer does not.
    pub bearer: Option<PlaybackToken>,
    /// The codecs to offer, the best first.
    pub video: Vec<VideoCodec>,
    /// Helpers to find a way; none are needed on one network.
    pub ice_servers: Vec<IceServer>,
}

impl WhepConfig {
    /// H.264 or VP8, and Opus, from that address, without any token.
    pub fn new(url: SecretUrl) -> Self {
        Self {
            url,
            token: None,
            bearer: None,
            video: vec![VideoCodec::H264, VideoCodec::Vp8],
            ice_servers: Vec::new(),
        }
    }
}

/// Plays one video track and one audio track: receives and counts their packets, decodes nothing.
///
/// It asks for a keyframe when pictures come and none of them can be begun with, as a browser does.
///
/// Dropped without [`close`](Self::close), it ends the session in the background if a Tokio runtime is still there.
pub struct WhepPlayer {
    /// Taken out by `close`, so that `drop` has nothing left to do.
    live: Option<Live>,
    packets: mpsc::Receiver<RtpPacket>,
    shared: Arc<Shared>,
    state: watch::Receiver<MediaState>,
}

struct Live {
    peer: Peer,
    endpoint: Endpoint,
    accepted: Accepted,
    reader: tokio::task::JoinHandle<()>,
}

/// What the readers of the tracks and the player's owner both see.
struct Shared {
    stats: Mutex<PlayerStats>,
    /// The track to ask for keyframes, once it has begun.
    video: Mutex<Option<(Arc<dyn TrackRemote>, u32)>>,
}

impl std::fmt::Debug for WhepPlayer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("WhepPlayer")
            .field("state", &*self.state.borrow())
            .field("stats", &self.stats())
            .finish_non_exhaustive()
    }
}

impl WhepPlayer {
    /// Offers, and returns once media can flow.
    ///
    /// # Errors
    ///
    /// See [`MediaError`]; [`MediaError::NotLive`] is worth another try. A session that was begun is ended again.
    pub async fn connect(config: WhepConfig) -> Result<Self, MediaError> {
        // Livepeer: 9 play over WHEP
        let mut peer = Peer::new(Wishes {
            video: &config.video,
            audio: true,
            ice_servers: &config.ice_servers,
        })
        .await?;
        for kind in [RtpCodecKind::Video, RtpCodecKind::Audio] {
            let init = RTCRtpTransceiverInit {
                direction: RTCRtpTransceiverDirection::Recvonly,
                ..Default::default()
            };
            peer.connection
                .add_transceiver_from_kind(kind, Some(init))
                .await
                .map_err(local)?;
        }

        let endpoint = Endpoint {
            call: PLAY,
            url: config.url,
            bearer: config.bearer,
            jwt: config.token,
        };
        let offer = peer.offer().await?;
        let accepted = endpoint.post(&offer).await?;
        let shared = Arc::new(Shared {
            stats: Mutex::default(),
            video: Mutex::default(),
        });
        let (out, packets) = mpsc::channel(UNREAD);
        let (_, nothing) = mpsc::unbounded_channel();
        let tracks = std::mem::replace(&mut peer.tracks, nothing);
        // Reading begins before the connection stands: its first packets are a keyframe.
        let codecs = sdp::payload_types(&accepted.answer);
        let reader = tokio::spawn(read(tracks, peer.state(), codecs, Arc::clone(&shared), out));
        let connected = peer.connect(&accepted.answer).await;
        let state = peer.state();
        let live = Live {
            peer,
            endpoint,
            accepted,
            reader,
        };
        if let Err(error) = connected {
            live.end().await;
            return Err(error);
        }
        Ok(Self {
            live: Some(live),
            packets,
            shared,
            state,
        })
    }

    /// The next packet of either track; `None` once the connection is over.
    pub async fn recv(&mut self) -> Option<RtpPacket> {
        self.packets.recv().await
    }

    /// What has come so far.
    pub fn stats(&self) -> PlayerStats {
        *lock(&self.shared.stats)
    }

    /// Asks for a keyframe (PLI). Nothing happens before the first packet of video has come.
    pub async fn request_keyframe(&self) {
        let video = lock(&self.shared.video).clone();
        if let Some((track, media_ssrc)) = video {
            request_keyframe(&*track, media_ssrc).await;
        }
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
}

impl Drop for WhepPlayer {
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
        self.reader.abort();
    }
}

/// Reads every track that begins, until the connection is over.
async fn read(
    mut tracks: mpsc::UnboundedReceiver<Arc<dyn TrackRemote>>,
    mut state: watch::Receiver<MediaState>,
    codecs: HashMap<u8, Codec>,
    shared: Arc<Shared>,
    out: mpsc::Sender<RtpPacket>,
) {
    // Readers end with this set, and `out` with them: then the player's owner hears that it is over.
    let mut readers = tokio::task::JoinSet::new();
    loop {
        let track = tokio::select! {
            track = tracks.recv() => track,
            _ = state.wait_for(|state| state.is_over()) => None,
        };
        let Some(track) = track else { return };
        readers.spawn(read_track(
            track,
            codecs.clone(),
            Arc::clone(&shared),
            out.clone(),
        ));
    }
}

async fn read_track(
    track: Arc<dyn TrackRemote>,
    codecs: HashMap<u8, Codec>,
    shared: Arc<Shared>,
    out: mpsc::Sender<RtpPacket>,
) {
    let mut asked: Option<Instant> = None;
    while let Some(event) = track.poll().await {
        let TrackRemoteEvent::OnRtpPacket(packet) = event else {
            continue;
        };
        let Some(codec) = codecs.get(&packet.header.payload_type) else {
            continue;
        };
        let (marker, media_ssrc) = (packet.header.marker, packet.header.ssrc);
        take(*codec, packet, &shared, &out);
        if codec.kind() == Kind::Video {
            lock(&shared.video).get_or_insert_with(|| (Arc::clone(&track), media_ssrc));
            // A picture is complete, and nothing yet that a decoder could begin with: the stack drops what comes in the
            // moment in which it greets the server. A browser would ask too.
            let ask = marker
                && lock(&shared.stats).video.keyframes == 0
                && asked.is_none_or(|at| at.elapsed() >= ASK_AGAIN);
            if ask {
                asked = Some(Instant::now());
                request_keyframe(&*track, media_ssrc).await;
            }
        }
    }
}

async fn request_keyframe(track: &dyn TrackRemote, media_ssrc: u32) {
    let request = PictureLossIndication {
        sender_ssrc: 0,
        media_ssrc,
    };
    if let Err(error) = track.write_rtcp(vec![Box::new(request)]).await {
        tracing::debug!(%error, "asking for a keyframe");
    }
}

fn take(codec: Codec, packet: rtp::Packet, shared: &Shared, out: &mpsc::Sender<RtpPacket>) {
    let packet = RtpPacket {
        codec,
        sequence: packet.header.sequence_number,
        timestamp: packet.header.timestamp,
        marker: packet.header.marker,
        payload: packet.payload,
        at: Instant::now(),
    };
    let mut stats = lock(&shared.stats);
    match codec.kind() {
        Kind::Video => stats.video.add(&packet),
        Kind::Audio => stats.audio.add(&packet),
    }
    // Whoever does not read still gets counts; nothing here may wait for them.
    if out.try_send(packet).is_err() {
        stats.unread += 1;
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    // Counts and a handle: nothing in there can be left half done.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
