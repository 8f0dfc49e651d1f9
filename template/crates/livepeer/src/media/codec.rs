//! What goes over the wire: codecs, packets, and the servers that help to find a way.

use std::time::Instant;

use bytes::Bytes;

/// The two kinds of a session's tracks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Pictures.
    Video,
    /// Sound.
    Audio,
}

/// What pictures are encoded with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum VideoCodec {
    /// H.264, Constrained Baseline, packetization mode 1 (RFC 6184). What Livepeer transcodes.
    H264,
    /// VP8 (RFC 7741).
    Vp8,
}

/// What a packet that was received is encoded with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Codec {
    /// H.264.
    H264,
    /// VP8.
    Vp8,
    /// Opus.
    Opus,
}

impl Codec {
    /// By its name in an `a=rtpmap` line.
    pub(super) fn named(name: &str) -> Option<Self> {
        [
            ("H264", Self::H264),
            ("VP8", Self::Vp8),
            ("OPUS", Self::Opus),
        ]
        .into_iter()
        .find_map(|(known, codec)| known.eq_ignore_ascii_case(name).then_some(codec))
    }

    /// Its kind.
    pub fn kind(self) -> Kind {
        match self {
            Self::H264 | Self::Vp8 => Kind::Video,
            Self::Opus => Kind::Audio,
        }
    }

    /// Ticks of its RTP clock per second.
    pub fn clock_rate(self) -> u32 {
        match self {
            Self::H264 | Self::Vp8 => 90_000,
            Self::Opus => 48_000,
        }
    }

    /// Whether this payload is the beginning of a picture that needs no other one.
    pub fn begins_keyframe(self, payload: &[u8]) -> bool {
        match self {
            Self::H264 => h264_begins_keyframe(payload),
            Self::Vp8 => vp8_begins_keyframe(payload).unwrap_or(false),
            Self::Opus => false,
        }
    }
}

impl From<VideoCodec> for Codec {
    fn from(codec: VideoCodec) -> Self {
        match codec {
            VideoCodec::H264 => Self::H264,
            VideoCodec::Vp8 => Self::Vp8,
        }
    }
}

/// The H.264 unit types of a slice of an IDR picture, of an aggregate and of a fragment (RFC 6184, 5.2 to 5.8).
const IDR: u8 = 5;
const STAP_A: u8 = 24;
const FU_A: u8 = 28;

fn h264_begins_keyframe(payload: &[u8]) -> bool {
    match payload {
        [first, ..] if first & 0x1f == IDR => true,
        [first, rest @ ..] if first & 0x1f == STAP_A => {
            let mut rest = rest;
            while let [high, low, unit @ ..] = rest {
                let length = usize::from(u16::from_be_bytes([*high, *low]));
                if unit.first().is_some_and(|first| first & 0x1f == IDR) {
                    return true;
                }
                rest = unit.get(length..).unwrap_or_default();
            }
            false
        }
        [first, fragment, ..] if first & 0x1f == FU_A => {
            fragment & 0x80 != 0 && fragment & 0x1f == IDR
        }
        _ => false,
    }
}

/// RFC 7741, 4.2 and 4.3.
fn vp8_begins_keyframe(payload: &[u8]) -> Option<bool> {
    let (&descriptor, mut rest) = payload.split_first()?;
    let (starts_partition, partition) = (descriptor & 0x10 != 0, descriptor & 0x07);
    if !starts_partition || partition != 0 {
        return Some(false);
    }
    if descriptor & 0x80 != 0 {
        let (&extension, after) = rest.split_first()?;
        rest = after;
        if extension & 0x80 != 0 {
            let long = rest.first()? & 0x80 != 0;
            rest = rest.get(if long { 2 } else { 1 }..)?;
        }
        if extension & 0x40 != 0 {
            rest = rest.get(1..)?;
        }
        if extension & 0x30 != 0 {
            rest = rest.get(1..)?;
        }
    }
    Some(rest.first()? & 0x01 == 0)
}

/// One RTP packet (RFC 3550), header extensions left out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RtpPacket {
    /// What it is encoded with.
    pub codec: Codec,
    /// One more than that of the packet before it, modulo 65,536.
    pub sequence: u16,
    /// The instant that it shows or plays, in ticks of [`Codec::clock_rate`].
    pub timestamp: u32,
    /// On video: whether it is its picture's last packet.
    pub marker: bool,
    /// What it carries.
    pub payload: Bytes,
    /// When it came. Of a packet to be sent, any time.
    pub at: Instant,
}

/// A STUN or TURN server that helps to find a way. On one network none is needed.
#[derive(Clone, PartialEq, Eq)]
pub struct IceServer {
    /// E.g. `stun:host:3478` or `turn:host:3478?transport=udp`.
    pub url: String,
    /// For TURN.
    pub username: String,
    /// For TURN.
    pub credential: String,
}

impl std::fmt::Debug for IceServer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("IceServer")
            .field("url", &self.url)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn h264_keyframes_are_seen_in_every_packetization() {
        let h264 = |payload: &[u8]| Codec::H264.begins_keyframe(payload);
        assert!(h264(&[0x65, 0x88]), "a single unit");
        assert!(
            h264(&[0x78, 0, 2, 0x67, 0x42, 0, 1, 0x68, 0, 1, 0x65]),
            "an aggregate that holds one"
        );
        assert!(h264(&[0x7c, 0x85, 0]), "a first fragment");
        assert!(!h264(&[0x7c, 0x05, 0]), "a later fragment");
        assert!(
            !h264(&[0x78, 0, 2, 0x67, 0x42, 0, 1, 0x68]),
            "parameter sets alone"
        );
        assert!(
            !h264(&[0x78, 0xff, 0xff, 0x67]),
            "an aggregate that is cut off"
        );
        assert!(!h264(&[0x41, 0x9a]) && !h264(&[0x78, 0]) && !h264(&[]));
    }

    #[test]
    fn vp8_keyframes_are_seen_behind_every_descriptor() {
        let vp8 = |payload: &[u8]| Codec::Vp8.begins_keyframe(payload);
        assert!(vp8(&[0x10, 0x00]));
        assert!(vp8(&[0x90, 0x80, 0x05, 0x00]), "with a short picture id");
        assert!(
            vp8(&[0x90, 0xf0, 0x80, 0x05, 0x01, 0x02, 0x00]),
            "with everything"
        );
        assert!(!vp8(&[0x10, 0x01]), "an inter frame");
        assert!(!vp8(&[0x00, 0x00]), "the middle of a partition");
        assert!(!vp8(&[0x90, 0x80]) && !vp8(&[]), "cut off");
    }
}
