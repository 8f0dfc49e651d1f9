//! One connection of the WebRTC stack: built, offered, answered, connected, closed.

use std::collections::HashSet;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use rtc::ice::mdns::MulticastDnsMode;
use rtc::interceptor::Registry;
use rtc::peer_connection::configuration::RTCConfigurationBuilder;
use rtc::peer_connection::configuration::interceptor_registry::{
    configure_nack, configure_rtcp_reports,
};
use rtc::peer_connection::configuration::media_engine::{
    MIME_TYPE_H264, MIME_TYPE_OPUS, MIME_TYPE_RTX, MIME_TYPE_VP8, MediaEngine,
};
use rtc::peer_connection::configuration::setting_engine::SettingEngineBuilder;
use rtc::peer_connection::transport::{RTCDtlsTransportState, RTCIceServer};
use rtc::rtp_transceiver::rtp_sender::{
    RTCPFeedback, RTCRtpCodec, RTCRtpCodecParameters, RtpCodecKind,
};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::{interval, timeout};
use webrtc::media_stream::track_remote::TrackRemote;
use webrtc::peer_connection::{
    PeerConnection, PeerConnectionBuilder, PeerConnectionEventHandler, RTCIceGatheringState,
    RTCPeerConnectionState, RTCSessionDescription,
};

use super::codec::{IceServer, VideoCodec};
use super::keyframe::{KeyframeRequests, SLOT};
use super::{MediaError, MediaState, sdp};

/// How long STUN and TURN servers may take; after that the offer goes out with the candidates that there are.
const GATHERING: Duration = Duration::from_secs(5);

/// How long the connection may take to come about once both sides know each other.
pub(super) const CONNECTING: Duration = Duration::from_secs(10);

/// How often to look whether the server has closed.
const LOOK: Duration = Duration::from_millis(250);

/// How often to try the pairs of addresses, until one works: RFC 8445 (14.2) paces checks so. It takes two rounds to
/// connect, so the stack's own 200 ms would be most of the time that a viewer waits.
const CHECK: Duration = Duration::from_millis(50);

/// How often to try a pair before it is given up: for two seconds.
const CHECKS: u16 = 40;

/// When nothing has come for so long, the connection may be gone.
const DISCONNECTED: Duration = Duration::from_secs(5);

/// And so much later it is. (The stack's own 25 seconds are for a person who walks between networks.)
const FAILED: Duration = Duration::from_secs(10);

/// The codecs to offer and the servers to ask for help.
pub(super) struct Wishes<'a> {
    pub(super) video: &'a [VideoCodec],
    pub(super) audio: bool,
    pub(super) ice_servers: &'a [IceServer],
}

/// A connection, not yet connected.
pub(super) struct Peer {
    pub(super) connection: Arc<dyn PeerConnection>,
    closed: bool,
    state: watch::Sender<MediaState>,
    /// Notices that the server has closed; begun once connected.
    watchman: Option<JoinHandle<()>>,
    gathered: watch::Receiver<bool>,
    /// PLI and FIR seen, for a publisher.
    pub(super) keyframe_requests: watch::Receiver<u64>,
    /// Tracks as they begin, for a player.
    pub(super) tracks: mpsc::UnboundedReceiver<Arc<dyn TrackRemote>>,
}

/// What the stack tells us. It calls these on its own loop, so nothing here waits.
struct Events {
    state: watch::Sender<MediaState>,
    gathered: watch::Sender<bool>,
    tracks: mpsc::UnboundedSender<Arc<dyn TrackRemote>>,
}

#[async_trait::async_trait]
impl PeerConnectionEventHandler for Events {
    async fn on_ice_gathering_state_change(&self, state: RTCIceGatheringState) {
        if state == RTCIceGatheringState::Complete {
            self.gathered.send_replace(true);
        }
    }

    async fn on_connection_state_change(&self, state: RTCPeerConnectionState) {
        let state = match state {
            RTCPeerConnectionState::Connected => MediaState::Connected,
            RTCPeerConnectionState::Disconnected => MediaState::Disconnected,
            RTCPeerConnectionState::Failed => MediaState::Failed,
            RTCPeerConnectionState::Closed => MediaState::Closed,
            _ => MediaState::Connecting,
        };
        set(&self.state, state);
    }

    async fn on_track(&self, track: Arc<dyn TrackRemote>) {
        // Without a receiver nobody wants tracks: a publisher.
        let _ = self.tracks.send(track);
    }
}

impl Peer {
    pub(super) async fn new(wishes: Wishes<'_>) -> Result<Self, MediaError> {
        let (state, _) = watch::channel(MediaState::Connecting);
        let (gathered, gathered_rx) = watch::channel(false);
        let (tracks, tracks_rx) = mpsc::unbounded_channel();
        let (keyframe_requests, keyframe_requests_rx) = watch::channel(0);

        let mut engine = media_engine(&wishes).map_err(local)?;
        let registry = configure_rtcp_reports(configure_nack(Registry::new(), &mut engine))
            .with(SLOT.into(), KeyframeRequests::new(keyframe_requests));
        let ice_servers = wishes.ice_servers.iter().map(|server| RTCIceServer {
            urls: vec![server.url.clone()],
            username: server.username.clone(),
            credential: server.credential.clone(),
        });
        let settings = SettingEngineBuilder::new()
            // Without it a server on this very machine is not reached at 127.0.0.1.
            .with_include_loopback_candidate(true)
            .with_ice_connection_attempts(Some(CHECK), Some(CHECKS))
            .with_ice_timeouts(Some(DISCONNECTED), Some(FAILED), None)
            // Server-side addresses are addresses; a socket on the multicast group would only be one more thing to fail.
            .with_multicast_dns_mode(MulticastDnsMode::Disabled)
            .build();

        let connection = PeerConnectionBuilder::new()
            .with_configuration(
                RTCConfigurationBuilder::new()
                    .with_ice_servers(ice_servers.collect())
                    .build(),
            )
            .with_media_engine(engine)
            .with_setting_engine(settings)
            .with_interceptor_registry(registry)
            .with_handler(Arc::new(Events {
                state: state.clone(),
                gathered,
                tracks,
            }))
            .with_udp_addrs(local_addresses())
            .build()
            .await
            .map_err(local)?;
        Ok(Self {
            connection: Arc::new(connection),
            closed: false,
            state,
            watchman: None,
            gathered: gathered_rx,
            keyframe_requests: keyframe_requests_rx,
            tracks: tracks_rx,
        })
    }

    pub(super) fn state(&self) -> watch::Receiver<MediaState> {
        self.state.subscribe()
    }

    /// The offer, with every candidate in it: not every server takes more later.
    pub(super) async fn offer(&mut self) -> Result<String, MediaError> {
        let offer = self.connection.create_offer(None).await.map_err(local)?;
        self.connection
            .set_local_description(offer)
            .await
            .map_err(local)?;
        if timeout(GATHERING, self.gathered.wait_for(|done| *done))
            .await
            .is_err()
        {
            tracing::debug!("a STUN or TURN server does not answer; going on without it");
        }
        let offer = self.connection.local_description().await;
        offer
            .map(|offer| offer.sdp)
            .ok_or_else(|| MediaError::Local("there is no offer".to_owned()))
    }

    /// Takes the answer and waits until media can flow.
    pub(super) async fn connect(&mut self, answer: &str) -> Result<(), MediaError> {
        let unusable = |error: rtc::shared::error::Error| MediaError::Answer(error.to_string());
        let answer = RTCSessionDescription::answer(sdp::usable(answer)).map_err(unusable)?;
        self.connection
            .set_remote_description(answer)
            .await
            .map_err(unusable)?;
        let mut state = self.state();
        let settled = |state: &MediaState| *state == MediaState::Connected || state.is_over();
        let state = timeout(CONNECTING, state.wait_for(settled))
            .await
            .map(|state| state.map(|state| *state));
        match state {
            Ok(Ok(MediaState::Connected)) => {
                self.watchman = Some(tokio::spawn(watch(
                    Arc::clone(&self.connection),
                    self.state.clone(),
                )));
                Ok(())
            }
            Ok(_) => Err(MediaError::Over),
            Err(_) => Err(MediaError::Unreachable(CONNECTING)),
        }
    }

    pub(super) async fn close(mut self) {
        self.closed = true;
        close(&self.connection).await;
    }
}

impl Drop for Peer {
    /// The stack's loop outlives its handle, so whoever gives up half way must close it too.
    fn drop(&mut self) {
        if let Some(watchman) = &self.watchman {
            watchman.abort();
        }
        if let (false, Ok(runtime)) = (self.closed, tokio::runtime::Handle::try_current()) {
            let connection = Arc::clone(&self.connection);
            runtime.spawn(async move { close(&connection).await });
        }
    }
}

async fn close(connection: &Arc<dyn PeerConnection>) {
    if let Err(error) = connection.close().await {
        tracing::debug!(%error, "closing a media connection");
    }
}

/// Looks every now and then whether the server has closed DTLS, which the stack knows and tells nobody: its connection
/// stays "connected" until ICE gives up too, many seconds later.
async fn watch(connection: Arc<dyn PeerConnection>, state: watch::Sender<MediaState>) {
    let mut looks = interval(LOOK);
    while !state.borrow().is_over() {
        looks.tick().await;
        match dtls_state(&*connection).await {
            Some(RTCDtlsTransportState::Closed) => set(&state, MediaState::Closed),
            Some(RTCDtlsTransportState::Failed) => set(&state, MediaState::Failed),
            _ => {}
        }
    }
}

/// All tracks share one transport, so any of them leads there.
async fn dtls_state(connection: &dyn PeerConnection) -> Option<RTCDtlsTransportState> {
    let transport = match connection.get_senders().await.first() {
        Some(sender) => sender.transport().await,
        None => connection.get_receivers().await.first()?.transport().await,
    };
    transport.ok()??.state().await.ok()
}

/// The end is the end: nothing that the stack says later undoes it.
fn set(state: &watch::Sender<MediaState>, new: MediaState) {
    state.send_if_modified(|old| !old.is_over() && std::mem::replace(old, new) != new);
}

/// What the stack says goes wrong on our side.
pub(super) fn local(error: rtc::shared::error::Error) -> MediaError {
    MediaError::Local(error.to_string())
}

/// Every address of this machine, loopback included: the server may be here.
fn local_addresses() -> Vec<SocketAddr> {
    let mut seen: HashSet<IpAddr> = HashSet::from([IpAddr::from([127, 0, 0, 1])]);
    for interface in if_addrs::get_if_addrs().unwrap_or_default() {
        let ip = interface.ip();
        // A link-local address means nothing without the link that it is on.
        let link_local = match ip {
            IpAddr::V4(ip) => ip.is_link_local(),
            IpAddr::V6(ip) => ip.is_unicast_link_local(),
        };
        if !link_local && !ip.is_unspecified() {
            seen.insert(ip);
        }
    }
    seen.into_iter().map(|ip| SocketAddr::new(ip, 0)).collect()
}

fn media_engine(wishes: &Wishes<'_>) -> Result<MediaEngine, rtc::shared::error::Error> {
    let mut engine = MediaEngine::default();
    if wishes.audio {
        engine.register_codec(
            codec(
                111,
                MIME_TYPE_OPUS,
                48_000,
                2,
                "minptime=10;useinbandfec=1",
                &[],
            ),
            RtpCodecKind::Audio,
        )?;
    }
    let feedback = [("nack", ""), ("nack", "pli"), ("ccm", "fir")];
    for video in wishes.video {
        let (number, mime_type, parameters) = match video {
            VideoCodec::Vp8 => (96, MIME_TYPE_VP8, ""),
            VideoCodec::H264 => (
                102,
                MIME_TYPE_H264,
                "level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f",
            ),
        };
        engine.register_codec(
            codec(number, mime_type, 90_000, 0, parameters, &feedback),
            RtpCodecKind::Video,
        )?;
        let apt = format!("apt={number}");
        engine.register_codec(
            codec(number + 1, MIME_TYPE_RTX, 90_000, 0, &apt, &[]),
            RtpCodecKind::Video,
        )?;
    }
    Ok(engine)
}

fn codec(
    payload_type: u8,
    mime_type: &str,
    clock_rate: u32,
    channels: u16,
    parameters: &str,
    feedback: &[(&str, &str)],
) -> RTCRtpCodecParameters {
    let feedback = feedback.iter().map(|(typ, parameter)| RTCPFeedback {
        typ: (*typ).to_owned(),
        parameter: (*parameter).to_owned(),
    });
    RTCRtpCodecParameters {
        rtp_codec: RTCRtpCodec {
            mime_type: mime_type.to_owned(),
            clock_rate,
            channels,
            sdp_fmtp_line: parameters.to_owned(),
            rtcp_feedback: feedback.collect(),
        },
        payload_type,
    }
}
