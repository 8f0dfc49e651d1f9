//! Renditions: what Livepeer transcodes a stream to (`ffmpeg-profile`).

use serde::{Deserialize, Serialize};

/// One rendition. Names are unique within a stream and never `source`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Profile {
    /// Its name, 1 to 500 characters, e.g. `720p`.
    pub name: String,
    /// Pixels, at least 128.
    pub width: u32,
    /// Pixels, at least 128.
    pub height: u32,
    /// Bits per second, at least 400.
    pub bitrate: u32,
    /// Pictures per second; 0 keeps the source's.
    pub fps: u32,
    /// Denominator of `fps`, at least 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fps_den: Option<u32>,
    /// Constant quality, 0 (best) to 44.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quality: Option<u8>,
    /// Seconds between keyframes, as a string such as `1.0`, or `intra`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gop: Option<String>,
    /// The H.264 profile. Livepeer takes [`H264Profile::ConstrainedHigh`] if unset.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub profile: Option<H264Profile>,
    /// The encoder.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub encoder: Option<Encoder>,
}

impl Profile {
    /// An H.264 rendition fit for WebRTC: no B-frames, a keyframe every second, the source's frame rate.
    pub fn h264(name: impl Into<String>, width: u32, height: u32, bitrate: u32) -> Self {
        Self {
            name: name.into(),
            width,
            height,
            bitrate,
            fps: 0,
            fps_den: None,
            quality: None,
            gop: Some("1.0".to_owned()),
            profile: Some(H264Profile::ConstrainedHigh),
            encoder: None,
        }
    }
}

/// The H.264 profiles that Livepeer encodes. Main and High may hold B-frames, which WebRTC cannot play.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum H264Profile {
    /// Baseline.
    #[serde(rename = "H264Baseline")]
    Baseline,
    /// Main.
    #[serde(rename = "H264Main")]
    Main,
    /// High.
    #[serde(rename = "H264High")]
    High,
    /// High without B-frames.
    #[serde(rename = "H264ConstrainedHigh")]
    ConstrainedHigh,
}

/// The encoders of live renditions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Encoder {
    /// H.264, the only one.
    #[serde(rename = "H.264")]
    H264,
}
