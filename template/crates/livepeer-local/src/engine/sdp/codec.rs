//! The codecs that are forwarded, and when a viewer's decoder fits a publisher's stream.

use std::fmt;

/// What a track carries. Forwarded untouched; only who can decode it must be known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Codec {
    /// RFC 6184.
    H264 {
        /// From `profile-level-id`.
        profile: H264Profile,
        /// 0 or 1; mode 2 (interleaved) is not supported by any browser.
        packetization_mode: u8,
    },
    /// RFC 7741.
    Vp8,
    /// RFC 7587.
    Opus,
}

/// The profile families of RFC 6184 table 5. The level is left to `level-asymmetry-allowed`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum H264Profile {
    ConstrainedBaseline,
    Baseline,
    Main,
    Extended,
    High,
    ConstrainedHigh,
}

impl H264Profile {
    /// Reads the three bytes of `profile-level-id`. `None` for profiles beyond the table.
    fn parse(profile_level_id: &str) -> Option<Self> {
        if profile_level_id.len() != 6 {
            return None;
        }
        let bits = u32::from_str_radix(profile_level_id, 16).ok()?;
        H264Profile::of((bits >> 16) as u8, (bits >> 8) as u8)
    }

    /// From a `profile_idc` and its constraint flags, of the offer or of the stream itself. `None` for profiles
    /// beyond the table.
    pub(crate) fn of(idc: u8, constraints: u8) -> Option<Self> {
        Some(match idc {
            0x42 if constraints & 0x40 != 0 => H264Profile::ConstrainedBaseline,
            0x42 => H264Profile::Baseline,
            0x4d if constraints & 0x80 != 0 => H264Profile::ConstrainedBaseline,
            0x4d => H264Profile::Main,
            0x58 if constraints & 0xc0 == 0xc0 => H264Profile::ConstrainedBaseline,
            0x58 if constraints & 0x80 != 0 => H264Profile::Baseline,
            0x58 => H264Profile::Extended,
            0x64 if constraints & 0x0c == 0x0c => H264Profile::ConstrainedHigh,
            0x64 => H264Profile::High,
            _ => return None,
        })
    }

    /// The name of H.264's annex A.
    pub(crate) fn words(self) -> &'static str {
        match self {
            H264Profile::ConstrainedBaseline => "Constrained Baseline",
            H264Profile::Baseline => "Baseline",
            H264Profile::Main => "Main",
            H264Profile::Extended => "Extended",
            H264Profile::High => "High",
            H264Profile::ConstrainedHigh => "Constrained High",
        }
    }

    /// How well a decoder of profile `self` plays a stream of profile `stream`: 0 is exactly, higher
    /// is further away, `None` is not at all. Baseline counts as constrained baseline: what sets
    /// them apart (FMO, ASO, redundant slices) no encoder on the web produces.
    pub(crate) fn distance(self, stream: H264Profile) -> Option<u8> {
        use H264Profile::{Baseline, ConstrainedBaseline, ConstrainedHigh, High, Main};
        match (stream, self) {
            (stream, decoder) if stream == decoder => Some(0),
            (ConstrainedBaseline, Baseline) | (Baseline, ConstrainedBaseline) => Some(1),
            (ConstrainedBaseline, Main | ConstrainedHigh | High) => Some(2),
            (Main, High) | (ConstrainedHigh, High) => Some(2),
            _ => None,
        }
    }
}

impl Codec {
    /// From `rtpmap` and `fmtp`. `None` for every codec that is not forwarded.
    pub(crate) fn parse(name: &str, clock_rate: u32, channels: u8, fmtp: &str) -> Option<Self> {
        match (name.to_ascii_lowercase().as_str(), clock_rate, channels) {
            ("h264", 90_000, _) => {
                let packetization_mode = match parameter(fmtp, "packetization-mode") {
                    None | Some("0") => 0,
                    Some("1") => 1,
                    Some(_) => return None,
                };
                // RFC 6184 section 8.1: without the parameter, Baseline level 1 is meant.
                let profile =
                    H264Profile::parse(parameter(fmtp, "profile-level-id").unwrap_or("42000a"))?;
                Some(Codec::H264 {
                    profile,
                    packetization_mode,
                })
            }
            ("vp8", 90_000, _) => Some(Codec::Vp8),
            ("opus", 48_000, 2) => Some(Codec::Opus),
            _ => None,
        }
    }

    /// RTP clock, in Hz.
    pub(crate) fn clock_rate(self) -> u32 {
        match self {
            Codec::H264 { .. } | Codec::Vp8 => 90_000,
            Codec::Opus => 48_000,
        }
    }

    pub(crate) fn is_video(self) -> bool {
        !matches!(self, Codec::Opus)
    }

    /// How well a receiver that offers `self` plays a stream of `stream`; see [`H264Profile::distance`].
    pub(crate) fn distance(self, stream: Codec) -> Option<u8> {
        match (self, stream) {
            (Codec::Vp8, Codec::Vp8) | (Codec::Opus, Codec::Opus) => Some(0),
            (
                Codec::H264 {
                    profile: decoder,
                    packetization_mode: can,
                },
                Codec::H264 {
                    profile,
                    packetization_mode: needed,
                },
            ) if can >= needed => decoder
                .distance(profile)
                // Mode 1 receives mode 0 too; the same mode is the better match.
                .map(|distance| 2 * distance + (can - needed)),
            _ => None,
        }
    }

    /// Whether viewers of a stream of `self` can go on when it becomes one of `other`.
    pub(crate) fn is_same_stream_as(self, other: Codec) -> bool {
        match (self, other) {
            // Who takes fragments (mode 1) takes whole units (mode 0) too, but not the other way round (RFC 6184 section 6).
            (
                Codec::H264 {
                    profile: a,
                    packetization_mode: taken,
                },
                Codec::H264 {
                    profile: b,
                    packetization_mode: sent,
                },
            ) => a == b && sent <= taken,
            (a, b) => a == b,
        }
    }
}

impl fmt::Display for Codec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Codec::H264 {
                profile,
                packetization_mode,
            } => write!(
                f,
                "H264 ({profile:?}, packetization-mode={packetization_mode})"
            ),
            Codec::Vp8 => f.write_str("VP8"),
            Codec::Opus => f.write_str("opus"),
        }
    }
}

/// One parameter of a `fmtp` value: `a=1;b=2`, with or without spaces.
pub(crate) fn parameter<'a>(fmtp: &'a str, name: &str) -> Option<&'a str> {
    fmtp.split(';').find_map(|pair| {
        let (key, value) = pair.trim().split_once('=')?;
        key.trim().eq_ignore_ascii_case(name).then(|| value.trim())
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;

    fn h264(fmtp: &str) -> Codec {
        Codec::parse("H264", 90_000, 0, fmtp).unwrap()
    }

    #[test]
    fn profiles_are_told_apart_as_rfc_6184_does() {
        for (id, profile) in [
            ("42e01f", H264Profile::ConstrainedBaseline),
            ("42001f", H264Profile::Baseline),
            ("4d001f", H264Profile::Main),
            ("4d801f", H264Profile::ConstrainedBaseline),
            ("640c34", H264Profile::ConstrainedHigh),
            ("64001f", H264Profile::High),
            ("640032", H264Profile::High),
        ] {
            assert_eq!(H264Profile::parse(id), Some(profile), "{id}");
        }
        assert_eq!(H264Profile::parse("f4001f"), None);
        assert_eq!(H264Profile::parse("42e0"), None);
        assert_eq!(H264Profile::parse("zzzzzz"), None);
    }

    #[test]
    fn viewers_go_on_only_with_what_they_can_put_together() {
        let fragments = h264("packetization-mode=1;profile-level-id=42e01f");
        let whole = h264("packetization-mode=0;profile-level-id=42e01f");
        assert!(fragments.is_same_stream_as(whole));
        assert!(!whole.is_same_stream_as(fragments));
        assert!(!fragments.is_same_stream_as(Codec::Vp8));
    }

    #[test]
    fn the_nearest_decoder_wins_and_a_lesser_one_is_refused() {
        let stream = h264("packetization-mode=1;profile-level-id=42e01f");
        let exact = h264("profile-level-id=42e034; packetization-mode=1");
        let high = h264("packetization-mode=1;profile-level-id=64001f");
        let mode0 = h264("profile-level-id=42e01f");
        assert_eq!(exact.distance(stream), Some(0));
        assert!(high.distance(stream) > exact.distance(stream));
        assert_eq!(mode0.distance(stream), None, "mode 0 cannot take fragments");
        assert_eq!(
            stream.distance(high),
            None,
            "a baseline decoder cannot play High"
        );
        assert_eq!(Codec::Vp8.distance(stream), None);
    }

    #[test]
    fn codecs_that_are_not_forwarded_are_not_known() {
        assert_eq!(Codec::parse("VP9", 90_000, 0, "profile-id=0"), None);
        assert_eq!(Codec::parse("opus", 48_000, 0, ""), None);
        assert_eq!(
            Codec::parse("H264", 90_000, 0, "packetization-mode=2"),
            None
        );
        assert_eq!(Codec::parse("PCMU", 8_000, 0, ""), None);
    }
}
