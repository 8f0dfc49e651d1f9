//! Publishing over WHIP (RFC 9725) and playing over WHEP (draft-ietf-wish-whep), without a browser: for tests, examples,
//! the doctor and load generators.
//!
//! Written against the weakest server: all candidates are gathered before the offer is sent, nothing is ever patched,
//! two redirects are followed, and what a server answers to the DELETE at the end does not matter.
//!
//! The WebRTC stack underneath (crate `webrtc`) does not show: [`WhipPublisher`] takes encoded frames or RTP,
//! [`WhepPlayer`] gives RTP.

mod codec;
mod counts;
mod exchange;
mod keyframe;
mod peer;
mod sdp;
mod track;
mod whep;
mod whip;

use std::time::Duration;

pub use codec::{Codec, IceServer, Kind, RtpPacket, VideoCodec};
pub use counts::{Counts, PlayerStats};
#[cfg(feature = "conformance")]
pub(crate) use exchange::may_carry_authorization;
pub use whep::{WhepConfig, WhepPlayer};
pub use whip::{Audio, WhipConfig, WhipPublisher};

/// Where a media connection stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum MediaState {
    /// Looking for a way to the server, or greeting it.
    Connecting,
    /// Media flows.
    Connected,
    /// Nothing has come for a while; it may come back by itself.
    Disconnected,
    /// It will not come back. Close, and begin anew.
    Failed,
    /// Closed, by either side.
    Closed,
}

impl MediaState {
    /// Whether this is the end.
    pub fn is_over(self) -> bool {
        matches!(self, Self::Failed | Self::Closed)
    }
}

/// Why there is no media.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MediaError {
    /// Nobody publishes the stream (404 or 409). Ask again, after `retry_after` or a second or so.
    #[error("the stream is not live")]
    NotLive {
        /// How long the server asks to wait, if it says.
        retry_after: Option<Duration>,
    },
    /// The server refuses.
    #[error("the server refuses to {call} ({status}){}", if .message.is_empty() { String::new() } else { format!(": {}", .message) })]
    Refused {
        /// `publish` or `play`.
        call: &'static str,
        /// The HTTP status.
        status: u16,
        /// Its words, without addresses, keys or tokens. May be empty.
        message: String,
        /// How long the server asks to wait, if it says.
        retry_after: Option<Duration>,
    },
    /// The server redirects in a way that cannot be followed.
    #[error("cannot follow the server's redirect: {0}")]
    Redirect(String),
    /// The request did not come through.
    #[error(transparent)]
    Http(#[from] crate::Error),
    /// The server's answer cannot be used.
    #[error("cannot use the server's SDP answer: {0}")]
    Answer(String),
    /// The media connection did not come about, although the server agreed to it.
    #[error(
        "the server agreed, but no media connection came about within {} seconds; \
         is UDP between here and the server blocked, or does the server advertise an address that cannot be reached?",
        .0.as_secs()
    )]
    Unreachable(Duration),
    /// This machine cannot do it.
    #[error("cannot set up WebRTC on this machine: {0}")]
    Local(String),
    /// The connection is over.
    #[error("the media connection is over: the server ended it, or the network did")]
    Over,
}

impl MediaError {
    /// Whether trying again later may help.
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::NotLive { .. } | Self::Unreachable(_) | Self::Over => true,
            Self::Refused { status, .. } => matches!(status, 408 | 425 | 429 | 500..=599),
            Self::Http(error) => error.is_retryable(),
            Self::Redirect(_) | Self::Answer(_) | Self::Local(_) => false,
        }
    }

    /// How long the server asks to wait, if it says.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::NotLive { retry_after } | Self::Refused { retry_after, .. } => *retry_after,
            _ => None,
        }
    }
}
