//! The words in which the engine and its caller talk: names, answers, refusals, events.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use super::diagnosis::Finding;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::seat::Seat;

/// The opaque key of a stream inside the engine: one publisher at a time, any number of viewers.
///
/// The engine never reads meaning into it; the HTTP side uses the playback id. Cloning is cheap.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct StreamName(Arc<str>);

impl StreamName {
    /// Wraps a caller's key.
    pub fn new(name: impl Into<Arc<str>>) -> Self {
        StreamName(name.into())
    }

    /// The key as the caller gave it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for StreamName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<&str> for StreamName {
    fn from(name: &str) -> Self {
        StreamName::new(name)
    }
}

impl From<String> for StreamName {
    fn from(name: String) -> Self {
        StreamName::new(name)
    }
}

/// One WHIP or WHEP session: 128 random bits, 22 URL-safe characters.
///
/// Whoever knows it may end the session (RFC 9725 section 5 asks for unguessable session URLs), so
/// `Debug` shows only its beginning and the engine never logs the rest.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct SessionId(String);

impl SessionId {
    /// A new one from the system's random numbers, for a session of the worker at `seat`: of 128 bits
    /// those are given away that the worker's number takes.
    pub(crate) fn random(seat: Seat) -> Self {
        loop {
            let bits = rand::random::<[u8; 16]>();
            if seat.owns(bits[0]) {
                return SessionId(URL_SAFE_NO_PAD.encode(bits));
            }
        }
    }

    /// Which of so many workers has it, if it is a session's at all.
    pub(crate) fn worker(&self, of: usize) -> usize {
        let bits = URL_SAFE_NO_PAD.decode(&self.0).unwrap_or_default();
        bits.first().map_or(0, |first| usize::from(*first) % of)
    }

    /// The whole identifier, fit for a URL path segment.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SessionId({}…)", self.0.get(..4).unwrap_or_default())
    }
}

/// The text is not one that a [`SessionId`] can have: an HTTP server answers 404.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a session id")]
pub struct NotASessionId;

impl FromStr for SessionId {
    type Err = NotASessionId;

    fn from_str(text: &str) -> Result<Self, NotASessionId> {
        match URL_SAFE_NO_PAD.decode(text) {
            Ok(bits) if bits.len() == 16 => Ok(SessionId(text.to_owned())),
            _ => Err(NotASessionId),
        }
    }
}

/// What [`publish`](super::Engine::publish) and [`play`](super::Engine::play) give back.
#[derive(Clone, Debug)]
pub struct Answer {
    /// Names the session from now on: the last segment of the `Location` of the 201.
    pub session: SessionId,
    /// The SDP answer, complete: every candidate is in it (RFC 9725 section 4.3.2).
    pub sdp: String,
    /// The entity-tag of the ICE session (RFC 9725 section 4.3.1), without the quotes.
    pub tag: String,
}

/// Whoever opened a session, as a digest of what they showed. The engine keeps it and asks nothing of it.
#[derive(Clone, PartialEq, Eq)]
pub struct Owner([u8; 32]);

impl Owner {
    /// Wraps a digest. It must not be the secret itself.
    pub fn new(digest: [u8; 32]) -> Self {
        Owner(digest)
    }

    /// The digest.
    pub fn digest(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Debug for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Owner(…)")
    }
}

/// Why an offer was refused. The words are fit for a person and name no secret.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OfferError {
    /// Nobody publishes this stream yet, or its publisher has not sent media. HTTP 409.
    #[error("this stream is not live yet; try again in a moment")]
    NotLive,
    /// Not an SDP offer that can be understood. HTTP 400.
    #[error("the offer cannot be read: {0}")]
    Malformed(String),
    /// Understood, but nothing here can serve it; names what was offered and what is supported. HTTP 422.
    #[error("the offer cannot be served: {0}")]
    Unsupported(String),
    /// A publisher must offer to send, a viewer to receive. HTTP 400.
    #[error("the offer's direction is wrong: {0}")]
    WrongDirection(String),
    /// Larger than [`MAX_OFFER_BYTES`](super::MAX_OFFER_BYTES). HTTP 413.
    #[error("the offer is larger than {} KB", super::MAX_OFFER_BYTES / 1024)]
    TooLarge,
    /// The configured number of sessions is reached. HTTP 503.
    #[error("too many sessions at the moment; try again later")]
    Busy,
    /// The engine is stopping or has stopped. HTTP 503.
    #[error("the media engine is shutting down")]
    ShuttingDown,
}

/// One layer of a stream's video, where its publisher sends several (simulcast, RFC 8853).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layer {
    /// The name that the publisher gave it (RFC 8851). It says nothing about its quality.
    pub rid: String,
    /// Payload bits per second, over the last seconds; 0 until it has been measured.
    pub bitrate: u64,
    /// Of its last keyframe, in pixels; `None` where the engine cannot read it.
    pub width: Option<u32>,
    /// Of its last keyframe, in pixels; `None` where the engine cannot read it.
    pub height: Option<u32>,
    /// Packets come. An encoder that is short of bandwidth pauses its best layers.
    pub active: bool,
}

/// What happened to a stream, for webhooks and for `isActive`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StreamEvent {
    /// The first media packet of a publisher came in while the stream was idle.
    Started {
        /// The stream.
        stream: StreamName,
    },
    /// What its publisher sends amiss, all that is known of it: more has been found, or another publisher has
    /// taken over, of whom nothing is known yet. Only between `Started` and `Idle`, which ends it too.
    Diagnosed {
        /// The stream.
        stream: StreamName,
        /// Empty after a takeover.
        findings: Vec<Finding>,
    },
    /// The publisher is gone: ended, closed, or silent for
    /// [`publisher_silence`](super::EngineConfig::publisher_silence).
    Idle {
        /// The stream.
        stream: StreamName,
    },
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;

    #[test]
    fn a_session_id_survives_a_url_and_hides_in_debug() {
        let id = SessionId::random(Seat::default());
        assert_eq!(id.as_str().len(), 22);
        assert_eq!(id.as_str().parse::<SessionId>().unwrap(), id);
        assert!(!format!("{id:?}").contains(id.as_str()));
        assert_ne!(id, SessionId::random(Seat::default()));
    }

    #[test]
    fn what_is_not_a_session_id_is_refused() {
        for text in [
            "",
            "a",
            "../../etc/passwd",
            "!!!!!!!!!!!!!!!!!!!!!!",
            &"a".repeat(4000),
        ] {
            assert_eq!(text.parse::<SessionId>(), Err(NotASessionId), "{text}");
        }
    }
}
