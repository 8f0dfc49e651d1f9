//! What the engine is measured against: a broadcaster on the `webrtc` crate, as one would write it from the crate's own
//! example. A connection for each publisher and each viewer, a channel from one to the others, a task for each viewer.

use std::collections::HashMap;
use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context, anyhow};
use axum::Router;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use rtc::ice::mdns::MulticastDnsMode;
use rtc::interceptor::Registry;
use rtc::media_stream::MediaStreamTrack;
use rtc::peer_connection::configuration::RTCConfigurationBuilder;
use rtc::peer_connection::configuration::interceptor_registry::register_default_interceptors;
use rtc::peer_connection::configuration::media_engine::{
    MIME_TYPE_RTX, MIME_TYPE_VP8, MediaEngine,
};
use rtc::peer_connection::configuration::setting_engine::SettingEngineBuilder;
use rtc::peer_connection::transport::RTCDtlsRole;
use rtc::rtp;
use rtc::rtp_transceiver::rtp_sender::{
    RTCPFeedback, RTCRtpCodec, RTCRtpCodecParameters, RTCRtpCodingParameters,
    RTCRtpEncodingParameters, RtpCodecKind,
};
use rtc::rtp_transceiver::{RTCRtpTransceiverDirection, RTCRtpTransceiverInit};
use tokio::net::TcpListener;
use tokio::sync::{broadcast, watch};
use webrtc::media_stream::track_local::TrackLocal;
use webrtc::media_stream::track_local::static_rtp::TrackLocalStaticRTP;
use webrtc::media_stream::track_remote::{TrackRemote, TrackRemoteEvent};
use webrtc::peer_connection::{
    PeerConnection, PeerConnectionBuilder, PeerConnectionEventHandler, RTCIceGatheringState,
    RTCSessionDescription,
};

/// Packets that a viewer may lag behind, as in the crate's example.
const LAG: usize = 256;

/// Serves `/whip/{name}` and `/whep/{name}` on a free port, and prints its address.
pub(crate) async fn serve() -> anyhow::Result<()> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    println!("http://{}", listener.local_addr()?);
    let app = Router::new()
        .route("/whip/{name}", post(whip))
        .route("/whep/{name}", post(whep))
        .with_state(Arc::<Broadcaster>::default());
    Ok(axum::serve(listener, app).await?)
}

#[derive(Default)]
struct Broadcaster {
    streams: Mutex<HashMap<String, broadcast::Sender<rtp::Packet>>>,
    /// Held so that they live on.
    connections: Mutex<Vec<Arc<dyn PeerConnection>>>,
}

async fn whip(
    State(broadcaster): State<Arc<Broadcaster>>,
    Path(name): Path<String>,
    offer: String,
) -> Result<Response, Failure> {
    let (packets, _) = broadcast::channel(LAG);
    let connection = Connection::new(Some(packets.clone())).await?;
    let init = RTCRtpTransceiverInit {
        direction: RTCRtpTransceiverDirection::Recvonly,
        ..RTCRtpTransceiverInit::default()
    };
    let kind = RtpCodecKind::Video;
    let peer = &connection.peer;
    peer.add_transceiver_from_kind(kind, Some(init)).await?;
    let answer = connection.answer(offer).await?;
    lock(&broadcaster.streams).insert(name, packets);
    lock(&broadcaster.connections).push(connection.peer);
    Ok(created(answer))
}

async fn whep(
    State(broadcaster): State<Arc<Broadcaster>>,
    Path(name): Path<String>,
    offer: String,
) -> Result<Response, Failure> {
    let packets = lock(&broadcaster.streams)
        .get(&name)
        .map(broadcast::Sender::subscribe);
    let mut packets = packets.context("nobody publishes this")?;
    let connection = Connection::new(None).await?;
    let ssrc = rand::random();
    let track = Arc::new(TrackLocalStaticRTP::new(MediaStreamTrack::new(
        "show".to_owned(),
        "video".to_owned(),
        "video".to_owned(),
        RtpCodecKind::Video,
        vec![RTCRtpEncodingParameters {
            rtp_coding_parameters: RTCRtpCodingParameters {
                ssrc: Some(ssrc),
                ..RTCRtpCodingParameters::default()
            },
            codec: vp8().rtp_codec,
            ..RTCRtpEncodingParameters::default()
        }],
    )));
    let local: Arc<dyn TrackLocal> = track.clone();
    connection.peer.add_track(local).await?;
    let answer = connection.answer(offer).await?;
    lock(&broadcaster.connections).push(connection.peer);
    tokio::spawn(async move {
        loop {
            match packets.recv().await {
                Ok(mut packet) => {
                    packet.header.ssrc = ssrc;
                    // Until the viewer is connected there is nowhere to send to.
                    let _ = track.write_rtp(packet).await;
                }
                Err(broadcast::error::RecvError::Lagged(_)) => {}
                Err(broadcast::error::RecvError::Closed) => return,
            }
        }
    });
    Ok(created(answer))
}

struct Connection {
    peer: Arc<dyn PeerConnection>,
    gathered: watch::Receiver<bool>,
}

impl Connection {
    async fn new(packets: Option<broadcast::Sender<rtp::Packet>>) -> anyhow::Result<Connection> {
        let (gathered, gathered_rx) = watch::channel(false);
        let mut engine = MediaEngine::default();
        engine.register_codec(vp8(), RtpCodecKind::Video)?;
        engine.register_codec(rtx(), RtpCodecKind::Video)?;
        let registry = register_default_interceptors(Registry::new(), &mut engine)?;
        let settings = SettingEngineBuilder::new()
            .with_include_loopback_candidate(true)
            .with_multicast_dns_mode(MulticastDnsMode::Disabled)
            // The load's peers call, as the engine has them do.
            .with_answering_dtls_role(RTCDtlsRole::Server)
            .build();
        let peer = PeerConnectionBuilder::new()
            .with_configuration(RTCConfigurationBuilder::new().build())
            .with_media_engine(engine)
            .with_setting_engine(settings)
            .with_interceptor_registry(registry)
            .with_handler(Arc::new(Events { gathered, packets }))
            .with_udp_addrs(vec!["127.0.0.1:0"])
            .build()
            .await?;
        Ok(Connection {
            peer: Arc::new(peer),
            gathered: gathered_rx,
        })
    }

    async fn answer(&self, offer: String) -> anyhow::Result<String> {
        let offer = RTCSessionDescription::offer(offer)?;
        self.peer.set_remote_description(offer).await?;
        let answer = self.peer.create_answer(None).await?;
        self.peer.set_local_description(answer).await?;
        self.gathered.clone().wait_for(|done| *done).await?;
        let answer = self.peer.local_description().await;
        answer
            .map(|answer| answer.sdp)
            .context("there is no answer")
    }
}

struct Events {
    gathered: watch::Sender<bool>,
    /// Where a publisher's packets go.
    packets: Option<broadcast::Sender<rtp::Packet>>,
}

#[async_trait::async_trait]
impl PeerConnectionEventHandler for Events {
    async fn on_ice_gathering_state_change(&self, state: RTCIceGatheringState) {
        if state == RTCIceGatheringState::Complete {
            self.gathered.send_replace(true);
        }
    }

    async fn on_track(&self, track: Arc<dyn TrackRemote>) {
        let Some(packets) = self.packets.clone() else {
            return;
        };
        tokio::spawn(async move {
            while let Some(event) = track.poll().await {
                if let TrackRemoteEvent::OnRtpPacket(packet) = event {
                    // Without viewers nobody wants it.
                    let _ = packets.send(packet);
                }
            }
        });
    }
}

fn vp8() -> RTCRtpCodecParameters {
    let feedback = [
        ("goog-remb", ""),
        ("ccm", "fir"),
        ("nack", ""),
        ("nack", "pli"),
    ];
    codec(96, MIME_TYPE_VP8, "", &feedback)
}

fn rtx() -> RTCRtpCodecParameters {
    codec(97, MIME_TYPE_RTX, "apt=96", &[])
}

fn codec(
    payload_type: u8,
    mime_type: &str,
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
            clock_rate: 90_000,
            sdp_fmtp_line: parameters.to_owned(),
            rtcp_feedback: feedback.collect(),
            ..RTCRtpCodec::default()
        },
        payload_type,
    }
}

fn created(answer: String) -> Response {
    let kind = [("content-type", "application/sdp")];
    (StatusCode::CREATED, kind, answer).into_response()
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Why there is no answer, in words.
struct Failure(anyhow::Error);

impl<E: Into<anyhow::Error>> From<E> for Failure {
    fn from(error: E) -> Self {
        Failure(error.into())
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let words = anyhow!(self.0).to_string();
        (StatusCode::INTERNAL_SERVER_ERROR, words).into_response()
    }
}
