//! Where to play a stream (`playback-info`).

use serde::{Deserialize, Deserializer, Serialize};
use url::Url;

use super::policy::PlaybackPolicy;

/// What Livepeer tells anyone about a playback id.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PlaybackInfo {
    /// `live`, `vod` or `recording`.
    #[serde(rename = "type")]
    pub kind: String,
    /// The rest.
    pub meta: PlaybackMeta,
}

/// The inner part of [`PlaybackInfo`].
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PlaybackMeta {
    /// 1 while somebody publishes, 0 while not. Cached by Livepeer for up to two minutes.
    #[serde(
        default,
        deserialize_with = "flag",
        skip_serializing_if = "Option::is_none"
    )]
    pub live: Option<u8>,
    /// Who may play it; nothing means anyone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub playback_policy: Option<PlaybackPolicy>,
    /// The addresses. Livepeer lists HLS first; [`Studio::playback`](super::Studio::playback) puts WebRTC first.
    pub source: Vec<PlaybackSource>,
}

/// One address to play from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlaybackSource {
    /// A name for people, e.g. `WebRTC (H264)`.
    pub hrn: String,
    /// The media type, e.g. `html5/video/h264`.
    #[serde(rename = "type")]
    pub media_type: String,
    /// The address.
    pub url: String,
}

impl PlaybackSource {
    /// A WHEP address.
    pub fn webrtc(url: &Url) -> Self {
        Self {
            hrn: "WebRTC (H264)".to_owned(),
            media_type: WEBRTC_TYPE.to_owned(),
            url: url.to_string(),
        }
    }

    /// Whether this is a WHEP address.
    pub fn is_webrtc(&self) -> bool {
        self.media_type == WEBRTC_TYPE || self.hrn.starts_with("WebRTC")
    }

    /// Whether this is an HLS playlist.
    pub fn is_hls(&self) -> bool {
        self.media_type == "html5/application/vnd.apple.mpegurl"
    }

    /// How soon a viewer sees what happens: lower is sooner.
    fn delay_rank(&self) -> u8 {
        match () {
            () if self.is_webrtc() => 0,
            () if self.is_hls() => 1,
            () if self.media_type.starts_with("html5/video/") => 2,
            () => 3,
        }
    }
}

const WEBRTC_TYPE: &str = "html5/video/h264";

impl PlaybackInfo {
    /// Whether somebody publishes now, as far as Livepeer tells.
    pub fn is_live(&self) -> bool {
        self.meta.live == Some(1)
    }

    /// Where to POST a WHEP offer.
    pub fn whep_url(&self) -> Option<Url> {
        self.first(PlaybackSource::is_webrtc)
    }

    /// The HLS playlist, for players without WebRTC; 8 to 20 seconds behind.
    pub fn hls_url(&self) -> Option<Url> {
        self.first(PlaybackSource::is_hls)
    }

    /// Lowest delay first; otherwise in Livepeer's order.
    pub fn sort_by_delay(&mut self) {
        self.meta.source.sort_by_key(PlaybackSource::delay_rank);
    }

    fn first(&self, wanted: impl Fn(&PlaybackSource) -> bool) -> Option<Url> {
        self.meta
            .source
            .iter()
            .filter(|s| wanted(s))
            .find_map(|s| Url::parse(&s.url).ok())
    }
}

/// 0, 1, `false`, `true` or `null`.
fn flag<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u8>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Flag {
        Number(u8),
        Bool(bool),
    }
    Ok(
        Option::<Flag>::deserialize(deserializer)?.map(|flag| match flag {
            Flag::Number(n) => n,
            Flag::Bool(b) => b.into(),
        }),
    )
}
