//! One track of a publisher.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use rtc::media_stream::MediaStreamTrack;
use rtc::rtp;
use rtc::rtp::codec::h264::H264Payloader;
use rtc::rtp::codec::opus::OpusPayloader;
use rtc::rtp::codec::vp8::Vp8Payloader;
use rtc::rtp::packetizer::Payloader;
use rtc::rtp_transceiver::rtp_sender::{
    RTCRtpCodec, RTCRtpCodingParameters, RTCRtpEncodingParameters, RtpCodecKind,
};
use rtc::rtp_transceiver::{RTCRtpTransceiverDirection, RTCRtpTransceiverInit};
use webrtc::media_stream::track_local::TrackLocal;
use webrtc::media_stream::track_local::static_rtp::TrackLocalStaticRTP;

use super::MediaError;
use super::codec::Codec;
use super::peer::{Peer, local};

/// Bytes of payload per packet: with every header it stays below what all networks carry in one piece.
const MTU: usize = 1200;

/// One track: cuts frames into packets and numbers them.
pub(super) struct Track {
    pub(super) codec: Codec,
    ssrc: u32,
    /// RTP's clock begins at a random value (RFC 3550, 5.1).
    origin: u32,
    out: Arc<TrackLocalStaticRTP>,
    cutter: Mutex<Cutter>,
}

struct Cutter {
    payloader: Box<dyn Payloader>,
    sequence: u16,
    /// Known once the server has answered.
    payload_type: u8,
}

impl Track {
    pub(super) async fn add(peer: &Peer, codec: Codec) -> Result<Self, MediaError> {
        let (kind, label, mime_type, channels) = match codec {
            Codec::H264 => (RtpCodecKind::Video, "video", "video/H264", 0),
            Codec::Vp8 => (RtpCodecKind::Video, "video", "video/VP8", 0),
            Codec::Opus => (RtpCodecKind::Audio, "audio", "audio/opus", 2),
        };
        let ssrc = rand::random();
        let encoding = RTCRtpEncodingParameters {
            rtp_coding_parameters: RTCRtpCodingParameters {
                ssrc: Some(ssrc),
                ..Default::default()
            },
            codec: RTCRtpCodec {
                mime_type: mime_type.to_owned(),
                clock_rate: codec.clock_rate(),
                channels,
                ..Default::default()
            },
            ..Default::default()
        };
        // One stream for both tracks: RFC 9725 (4.4.2) wants one MediaStream.
        let track = MediaStreamTrack::new(
            "livepeer".to_owned(),
            label.to_owned(),
            label.to_owned(),
            kind,
            vec![encoding.clone()],
        );
        let out = Arc::new(TrackLocalStaticRTP::new(track));
        let init = RTCRtpTransceiverInit {
            direction: RTCRtpTransceiverDirection::Sendonly,
            streams: vec!["livepeer".to_owned()],
            send_encodings: vec![encoding],
        };
        let track: Arc<dyn TrackLocal> = out.clone();
        peer.connection
            .add_transceiver_from_track(track, Some(init))
            .await
            .map_err(local)?;
        let payloader: Box<dyn Payloader> = match codec {
            Codec::H264 => Box::new(H264Payloader::default()),
            Codec::Vp8 => Box::new(Vp8Payloader::default()),
            Codec::Opus => Box::new(OpusPayloader),
        };
        let cutter = Mutex::new(Cutter {
            payloader,
            sequence: rand::random(),
            payload_type: 0,
        });
        Ok(Self {
            codec,
            ssrc,
            origin: rand::random(),
            out,
            cutter,
        })
    }

    /// Takes note of the payload type that the server has agreed to.
    pub(super) fn settle(&self, negotiated: &HashMap<u8, Codec>) -> Result<(), MediaError> {
        let number = negotiated
            .iter()
            .find_map(|(number, codec)| (*codec == self.codec).then_some(*number));
        let number = number
            .ok_or_else(|| MediaError::Answer(format!("it does not take {:?}", self.codec)))?;
        self.cutter().payload_type = number;
        Ok(())
    }

    pub(super) async fn write(&self, frame: Bytes, at: Duration) -> Result<(), MediaError> {
        let ticks = at.as_nanos() * u128::from(self.codec.clock_rate()) / 1_000_000_000;
        // RTP's clock wraps.
        let timestamp = self.origin.wrapping_add(ticks as u32);
        let (payloads, first) = {
            let mut cutter = self.cutter();
            let payloads = cutter.payloader.payload(MTU, &frame).map_err(local)?;
            let first = cutter.sequence;
            cutter.sequence = first.wrapping_add(payloads.len() as u16);
            (payloads, first)
        };
        let last = payloads.len().saturating_sub(1);
        for (index, payload) in payloads.into_iter().enumerate() {
            // On Opus the marker means a talk spurt's beginning (RFC 7587, 4.2), and there is no silence here.
            let marker = index == last && self.codec != Codec::Opus;
            self.send(first.wrapping_add(index as u16), timestamp, marker, payload)
                .await?;
        }
        Ok(())
    }

    pub(super) async fn send(
        &self,
        sequence: u16,
        timestamp: u32,
        marker: bool,
        payload: Bytes,
    ) -> Result<(), MediaError> {
        let header = rtp::Header {
            version: 2,
            marker,
            payload_type: self.cutter().payload_type,
            sequence_number: sequence,
            timestamp,
            ssrc: self.ssrc,
            ..Default::default()
        };
        // It fails only once the stack's loop has ended.
        self.out
            .write_rtp(rtp::Packet { header, payload })
            .await
            .map_err(|_| MediaError::Over)
    }

    fn cutter(&self) -> MutexGuard<'_, Cutter> {
        // Nothing in there can be left half done.
        self.cutter.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
