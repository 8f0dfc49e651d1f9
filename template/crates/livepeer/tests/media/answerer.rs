//! The other side: a server that answers WHIP and WHEP offers with the same WebRTC stack, each on a connection of its
//! own. A publisher's packets are counted; players get what [`Answerer::send`] is given.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::{delete, post};
use bytes::Bytes;
use livepeer::SecretUrl;
use rtc::media_stream::MediaStreamTrack;
use rtc::peer_connection::configuration::interceptor_registry::register_default_interceptors;
use rtc::peer_connection::configuration::media_engine::MediaEngine;
use rtc::peer_connection::configuration::setting_engine::SettingEngineBuilder;
use rtc::rtcp::payload_feedbacks::picture_loss_indication::PictureLossIndication;
use rtc::rtp_transceiver::rtp_sender::{
    RTCRtpCodec, RTCRtpCodingParameters, RTCRtpEncodingParameters, RtpCodecKind,
};
use tokio::sync::{Mutex, mpsc, watch};
use webrtc::media_stream::track_local::TrackLocal;
use webrtc::media_stream::track_local::static_rtp::TrackLocalStaticRTP;
use webrtc::media_stream::track_remote::{TrackRemote, TrackRemoteEvent};
use webrtc::peer_connection::{
    PeerConnection, PeerConnectionBuilder, PeerConnectionEventHandler, RTCIceGatheringState,
    RTCPeerConnectionState, RTCSessionDescription, Registry,
};

use crate::requests::Requests;

pub(crate) struct Answerer {
    address: String,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    connections: Mutex<Vec<Arc<dyn PeerConnection>>>,
    tracks: Mutex<Vec<Arc<dyn TrackRemote>>>,
    outgoing: Mutex<Option<(Arc<TrackLocalStaticRTP>, u8)>>,
    deleted: AtomicU64,
    requests: Arc<AtomicU64>,
    packets: Mutex<Option<mpsc::UnboundedSender<rtc::rtp::Packet>>>,
    players_connected: watch::Sender<bool>,
}

struct Events {
    shared: Arc<Shared>,
    gathered: watch::Sender<bool>,
    playing: bool,
}

#[async_trait::async_trait]
impl PeerConnectionEventHandler for Events {
    async fn on_ice_gathering_state_change(&self, state: RTCIceGatheringState) {
        if state == RTCIceGatheringState::Complete {
            self.gathered.send_replace(true);
        }
    }

    async fn on_connection_state_change(&self, state: RTCPeerConnectionState) {
        if self.playing && state == RTCPeerConnectionState::Connected {
            self.shared.players_connected.send_replace(true);
        }
    }

    async fn on_track(&self, track: Arc<dyn TrackRemote>) {
        let shared = Arc::clone(&self.shared);
        tokio::spawn(async move {
            shared.tracks.lock().await.push(Arc::clone(&track));
            while let Some(event) = track.poll().await {
                if let TrackRemoteEvent::OnRtpPacket(packet) = event
                    && let Some(packets) = &*shared.packets.lock().await
                {
                    let _ = packets.send(packet);
                }
            }
        });
    }
}

impl Answerer {
    pub(crate) async fn start() -> Self {
        let shared = Arc::new(Shared::default());
        let router = Router::new()
            .route("/whip", post(whip))
            .route("/whep", post(whep))
            .route("/session", delete(end))
            .with_state(Arc::clone(&shared));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { address, shared }
    }

    pub(crate) fn url(&self, path: &str) -> SecretUrl {
        SecretUrl::new(format!("http://{}/{path}", self.address).parse().unwrap())
    }

    /// What publishers send, from now on.
    pub(crate) async fn packets(&self) -> mpsc::UnboundedReceiver<rtc::rtp::Packet> {
        let (sender, receiver) = mpsc::unbounded_channel();
        *self.shared.packets.lock().await = Some(sender);
        receiver
    }

    /// Asks publishers for a keyframe, on the track with that source.
    pub(crate) async fn ask_for_keyframe(&self, media_ssrc: u32) {
        for track in self.shared.tracks.lock().await.iter() {
            if track.kind().await == RtpCodecKind::Video {
                let request = PictureLossIndication {
                    sender_ssrc: 1,
                    media_ssrc,
                };
                track.write_rtcp(vec![Box::new(request)]).await.unwrap();
            }
        }
    }

    /// Sends a packet of video to the player.
    pub(crate) async fn send(&self, sequence: u16, timestamp: u32, marker: bool, payload: Bytes) {
        let outgoing = self.shared.outgoing.lock().await;
        let (track, payload_type) = outgoing.as_ref().unwrap();
        let header = rtc::rtp::Header {
            version: 2,
            marker,
            payload_type: *payload_type,
            sequence_number: sequence,
            timestamp,
            ssrc: SSRC,
            ..Default::default()
        };
        track
            .write_rtp(rtc::rtp::Packet { header, payload })
            .await
            .unwrap();
    }

    pub(crate) async fn player_connected(&self) {
        self.shared
            .players_connected
            .subscribe()
            .wait_for(|connected| *connected)
            .await
            .unwrap();
    }

    /// How many keyframes players have asked for.
    pub(crate) fn keyframes_asked_for(&self) -> u64 {
        self.shared.requests.load(Ordering::SeqCst)
    }

    pub(crate) fn deleted(&self) -> u64 {
        self.shared.deleted.load(Ordering::SeqCst)
    }

    /// Ends every connection from this side.
    pub(crate) async fn hang_up(&self) {
        for connection in self.shared.connections.lock().await.drain(..) {
            connection.close().await.unwrap();
        }
    }
}

const SSRC: u32 = 0x1234_5678;

async fn whip(State(shared): State<Arc<Shared>>, offer: String) -> impl IntoResponse {
    answer(shared, offer, false).await
}

async fn whep(State(shared): State<Arc<Shared>>, offer: String) -> impl IntoResponse {
    answer(shared, offer, true).await
}

async fn end(State(shared): State<Arc<Shared>>) -> StatusCode {
    shared.deleted.fetch_add(1, Ordering::SeqCst);
    // What Livepeer's own nodes answer.
    StatusCode::METHOD_NOT_ALLOWED
}

async fn answer(shared: Arc<Shared>, offer: String, playing: bool) -> impl IntoResponse {
    let mut engine = MediaEngine::default();
    engine.register_default_codecs().unwrap();
    let registry = register_default_interceptors(Registry::new(), &mut engine)
        .unwrap()
        // Beyond all of the stack's own, where nothing else is left to see.
        .with(14_000.into(), Requests::new(&shared.requests));
    let (gathered, mut gathered_rx) = watch::channel(false);
    let connection = PeerConnectionBuilder::new()
        .with_media_engine(engine)
        .with_interceptor_registry(registry)
        .with_setting_engine(
            SettingEngineBuilder::new()
                .with_include_loopback_candidate(true)
                .build(),
        )
        .with_handler(Arc::new(Events {
            shared: Arc::clone(&shared),
            gathered,
            playing,
        }))
        .with_udp_addrs(vec!["127.0.0.1:0"])
        .build()
        .await
        .unwrap();
    if playing {
        let encoding = RTCRtpEncodingParameters {
            rtp_coding_parameters: RTCRtpCodingParameters {
                ssrc: Some(SSRC),
                ..Default::default()
            },
            codec: RTCRtpCodec {
                mime_type: "video/H264".to_owned(),
                clock_rate: 90_000,
                sdp_fmtp_line:
                    "level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f"
                        .to_owned(),
                ..Default::default()
            },
            ..Default::default()
        };
        let name = || "test".to_owned();
        let track =
            MediaStreamTrack::new(name(), name(), name(), RtpCodecKind::Video, vec![encoding]);
        let track = Arc::new(TrackLocalStaticRTP::new(track));
        connection.add_track(track.clone()).await.unwrap();
        *shared.outgoing.lock().await = Some((track, 102));
    }
    connection
        .set_remote_description(RTCSessionDescription::offer(offer).unwrap())
        .await
        .unwrap();
    let answer = connection.create_answer(None).await.unwrap();
    connection.set_local_description(answer).await.unwrap();
    tokio::time::timeout(Duration::from_secs(5), gathered_rx.wait_for(|done| *done))
        .await
        .unwrap()
        .unwrap();
    let answer = connection.local_description().await.unwrap().sdp;
    shared.connections.lock().await.push(Arc::new(connection));
    (
        StatusCode::CREATED,
        [
            (header::CONTENT_TYPE, "application/sdp"),
            (header::LOCATION, "session"),
        ],
        answer,
    )
}
