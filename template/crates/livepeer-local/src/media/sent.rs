//! Reading a body: of the right type, neither empty nor too long, and in time.

use std::time::Duration;

use axum::body::{Body, to_bytes};
use axum::http::{HeaderMap, StatusCode, header};

use crate::engine::{MAX_FRAGMENT_BYTES, MAX_OFFER_BYTES};
use crate::problem::Problem;

/// How long a body may take to arrive.
const DEADLINE: Duration = Duration::from_secs(10);

/// What a body has to be.
pub(super) struct Expected {
    /// With its article, for words.
    what: &'static str,
    pub(super) media_type: &'static str,
    max_bytes: usize,
    /// What to do instead of sending nothing.
    pub(super) empty: &'static str,
}

pub(super) const OFFER: Expected = Expected {
    what: "the offer",
    media_type: "application/sdp",
    max_bytes: MAX_OFFER_BYTES,
    empty: "POST an SDP offer; this server makes none of its own",
};

pub(super) const FRAGMENT: Expected = Expected {
    what: "the SDP fragment",
    media_type: "application/trickle-ice-sdpfrag",
    max_bytes: MAX_FRAGMENT_BYTES,
    empty: "PATCH with candidates, or with a new ice-ufrag and ice-pwd",
};

pub(super) const NAMES: Expected = Expected {
    what: "the list of events",
    media_type: "application/json",
    max_bytes: 4096,
    empty: "POST a JSON array of the names of events",
};

pub(super) const LAYER: Expected = Expected {
    what: "the choice of a layer",
    media_type: "application/json",
    max_bytes: 4096,
    empty: "POST a JSON object with mediaId and rid, or without rid to leave the choice to the server",
};

impl Expected {
    /// Reads it.
    ///
    /// # Errors
    /// 415, 413, 408, and 400 for nothing and for what is not text.
    pub(super) async fn read(&self, headers: &HeaderMap, body: Body) -> Result<String, Problem> {
        let Expected {
            what, media_type, ..
        } = self;
        let content_type = headers
            .get(header::CONTENT_TYPE)
            .and_then(|value| value.to_str().ok());
        let essence = content_type
            .unwrap_or_default()
            .split(';')
            .next()
            .unwrap_or_default()
            .trim();
        if !essence.eq_ignore_ascii_case(media_type) {
            return Err(Problem::new(
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                format!("{what} has Content-Type: {media_type}"),
            ));
        }
        let too_large = || {
            let words = format!("{what} is larger than {} KB", self.max_bytes / 1024);
            Problem::new(StatusCode::PAYLOAD_TOO_LARGE, words)
        };
        let announced = headers
            .get(header::CONTENT_LENGTH)
            .and_then(|value| value.to_str().ok());
        let announced = announced.and_then(|text| text.parse::<usize>().ok());
        if announced.is_some_and(|length| length > self.max_bytes) {
            return Err(too_large());
        }
        let reading = tokio::time::timeout(DEADLINE, to_bytes(body, self.max_bytes));
        let bytes = match reading.await {
            Ok(Ok(bytes)) => bytes,
            Ok(Err(_)) => return Err(too_large()),
            Err(_) => {
                let words = format!("{what} did not arrive in time");
                return Err(Problem::new(StatusCode::REQUEST_TIMEOUT, words));
            }
        };
        if bytes.is_empty() {
            return Err(Problem::new(
                StatusCode::BAD_REQUEST,
                format!("the body is empty: {}", self.empty),
            ));
        }
        String::from_utf8(bytes.into()).map_err(|_| {
            let words = format!("{what} cannot be read: it is not UTF-8 text");
            Problem::new(StatusCode::BAD_REQUEST, words)
        })
    }
}
