//! What Livepeer sends to a webhook, and how to know that it was Livepeer.
//!
//! `Livepeer-Signature: t=<milliseconds>,v1=<hex of HMAC-SHA256(shared secret, body)>`. `t` is not part of what is
//! signed, but the body holds the same number as `timestamp`: so [`verify`] compares them, and refuses what is old.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use hmac::{Hmac, Mac as _};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::Sha256;

use crate::secret::SharedSecret;
use crate::studio::Stream;

/// The header that carries the signature.
pub const SIGNATURE_HEADER: &str = "Livepeer-Signature";

/// How far a report's time may be from the clock here, either way. Livepeer names none; it signs each repetition anew,
/// so what is older was not just sent.
pub const TOLERANCE: Duration = Duration::from_secs(5 * 60);

/// One report, as it stands in the body.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Delivery {
    /// The event's id. Repetitions of one report have the same: take each once.
    pub id: String,
    /// Which registration it is sent for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub webhook_id: Option<String>,
    /// When it happened, milliseconds since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created_at: Option<u64>,
    /// When this was sent, milliseconds since 1970.
    pub timestamp: u64,
    /// What happened, e.g. `stream.started`; [`event`](Self::event) is the same, typed.
    #[serde(rename = "event")]
    pub name: String,
    /// The stream that it happened to, without its key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stream: Option<Stream>,
    /// More, depending on the event. `stream.started` and `stream.idle` come without.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub payload: Option<Value>,
}

impl Delivery {
    /// What happened.
    pub fn event(&self) -> Event {
        match self.name.as_str() {
            Event::STREAM_STARTED => Event::StreamStarted,
            Event::STREAM_IDLE => Event::StreamIdle,
            name => Event::Other {
                name: name.to_owned(),
            },
        }
    }
}

/// What happened to a stream.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Event {
    /// Somebody publishes it.
    StreamStarted,
    /// Nobody publishes it any more. Comes up to 90 seconds after a publisher vanished without a word.
    StreamIdle,
    /// Something else.
    Other {
        /// Livepeer's name for it, e.g. `recording.ready`.
        name: String,
    },
}

impl Event {
    /// Livepeer's name for [`Event::StreamStarted`].
    pub const STREAM_STARTED: &str = "stream.started";
    /// Livepeer's name for [`Event::StreamIdle`].
    pub const STREAM_IDLE: &str = "stream.idle";

    /// Livepeer's name for it.
    pub fn name(&self) -> &str {
        match self {
            Self::StreamStarted => Self::STREAM_STARTED,
            Self::StreamIdle => Self::STREAM_IDLE,
            Self::Other { name } => name,
        }
    }
}

/// Why a report is not believed. Answer 400 to it: Livepeer does not repeat what was refused with a 4xx.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum WebhookError {
    /// The header is missing or is not of the form above.
    #[error("the {SIGNATURE_HEADER} header is missing or malformed")]
    Header,
    /// It was signed with another secret, or changed on the way.
    #[error("the webhook's signature is wrong")]
    Signature,
    /// Header and body name different times.
    #[error("the webhook's header and body name different times")]
    OtherTime,
    /// It is too old, or from the future: a replay, or a clock that is wrong.
    #[error("the webhook was sent {0} seconds from now; is this machine's clock right?")]
    Stale(u64),
    /// Signed, but not a report.
    #[error("the webhook's body cannot be read")]
    Body,
}

/// The value of [`SIGNATURE_HEADER`] for a body whose `timestamp` is `timestamp_ms`.
pub fn sign(secret: &SharedSecret, body: &[u8], timestamp_ms: u64) -> String {
    use std::fmt::Write as _;
    let mut value = format!("t={timestamp_ms},v1=");
    for byte in mac(secret, body).finalize().into_bytes() {
        // Writing to a string cannot fail.
        let _ = write!(value, "{byte:02x}");
    }
    value
}

/// Verifies a report before a word of it is believed. `header` is the value of [`SIGNATURE_HEADER`], `body` the bytes as
/// they came.
///
/// # Errors
///
/// See [`WebhookError`].
pub fn verify(
    secret: &SharedSecret,
    header: Option<&str>,
    body: &[u8],
    now: SystemTime,
) -> Result<Delivery, WebhookError> {
    // Livepeer: 6 check what a webhook says
    let (time, signatures) = parse(header.ok_or(WebhookError::Header)?)?;
    if !signatures
        .iter()
        .any(|signature| mac(secret, body).verify_slice(signature).is_ok())
    {
        return Err(WebhookError::Signature);
    }
    let delivery: Delivery = serde_json::from_slice(body).map_err(|_| WebhookError::Body)?;
    if delivery.timestamp != time {
        return Err(WebhookError::OtherTime);
    }
    let now = now.duration_since(UNIX_EPOCH).unwrap_or_default();
    let distance = now.abs_diff(Duration::from_millis(time));
    if distance > TOLERANCE {
        return Err(WebhookError::Stale(distance.as_secs()));
    }
    Ok(delivery)
}

/// Milliseconds, and every `v1`: there are two while a secret is being changed.
fn parse(header: &str) -> Result<(u64, Vec<Vec<u8>>), WebhookError> {
    let (mut time, mut signatures) = (None, Vec::new());
    for part in header.split(',') {
        match part.trim().split_once('=') {
            Some(("t", value)) => time = value.parse().ok(),
            Some(("v1", value)) => signatures.extend(unhex(value)),
            _ => {}
        }
    }
    match time {
        Some(time) if !signatures.is_empty() => Ok((time, signatures)),
        _ => Err(WebhookError::Header),
    }
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    // Bytes, not a slice of the text: it may hold anything.
    let nibble = |b: u8| {
        char::from(b)
            .to_digit(16)
            .and_then(|n| u8::try_from(n).ok())
    };
    let bytes = text.as_bytes();
    if bytes.len() != 64 {
        return None;
    }
    bytes
        .chunks_exact(2)
        .map(|pair| Some(nibble(pair[0])? << 4 | nibble(pair[1])?))
        .collect()
}

fn mac(secret: &SharedSecret, body: &[u8]) -> Hmac<Sha256> {
    // HMAC takes a key of any length, so the other arm is never reached; it must not sign with less than the secret.
    let mut mac = match Hmac::<Sha256>::new_from_slice(secret.expose().as_bytes()) {
        Ok(mac) => mac,
        Err(error) => unreachable!("HMAC takes keys of any length: {error}"),
    };
    mac.update(body);
    mac
}
