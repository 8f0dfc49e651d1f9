//! Refusals on the media routes: `application/problem+json` (RFC 9457), which RFC 9725 section 4.1 allows.

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::json;

/// Why a WHIP or WHEP request was refused, in words fit for a log and for a screen. Never carries a key or a token.
#[derive(Debug)]
pub(crate) struct Problem {
    status: StatusCode,
    detail: String,
    /// Seconds after which the same request may succeed.
    retry_after: Option<u16>,
}

impl Problem {
    /// A refusal with a status and words.
    pub(crate) fn new(status: StatusCode, detail: impl Into<String>) -> Problem {
        Problem {
            status,
            detail: detail.into(),
            retry_after: None,
        }
    }

    /// 401, with the challenge that RFC 6750 section 3 asks for.
    pub(crate) fn unauthorized(detail: impl Into<String>) -> Problem {
        Problem::new(StatusCode::UNAUTHORIZED, detail)
    }

    /// The same, worth repeating after so many seconds.
    pub(crate) fn retry_after(mut self, seconds: u16) -> Problem {
        self.retry_after = Some(seconds);
        self
    }
}

/// The words of a refusal, beside its body: for whoever puts them another way.
#[derive(Clone, Debug)]
pub(crate) struct Detail(pub(crate) String);

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        // No `type` means `about:blank`, whose title is the status's own name (RFC 9457 section 4.2.1).
        let body = Json(json!({
            "title": self.status.canonical_reason().unwrap_or("Refused"),
            "status": self.status.as_u16(),
            "detail": &self.detail,
        }));
        let mut response = (self.status, body).into_response();
        response.extensions_mut().insert(Detail(self.detail));
        let headers = response.headers_mut();
        let problem = HeaderValue::from_static("application/problem+json");
        headers.insert(header::CONTENT_TYPE, problem);
        if self.status == StatusCode::UNAUTHORIZED {
            let challenge = HeaderValue::from_static("Bearer realm=\"livepeer\"");
            headers.insert(header::WWW_AUTHENTICATE, challenge);
        }
        if let Some(seconds) = self.retry_after {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}
