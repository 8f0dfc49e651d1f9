//! Reading a JSON body: bounded, checked against its shape, then typed.

use std::time::Duration;

use axum::body::Bytes;
use axum::extract::{FromRequest, Request};
use axum::http::{HeaderMap, StatusCode, header};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::error::{ApiError, ApiResult};
use crate::schema::Shape;

/// The longest body that the API reads, in bytes; arbitrary, and far above any honest one.
pub(crate) const MAX_BODY: usize = 64 * 1024;

/// How long a body may take to arrive.
const DEADLINE: Duration = Duration::from_secs(10);

/// A JSON body, not yet checked. No body at all counts as `{}`, as at Studio.
pub(crate) struct JsonBody(pub(crate) Value);

impl JsonBody {
    /// The body as `T`, after `shape` has nothing against it.
    ///
    /// # Errors
    /// 422 with ajv's complaint, or with serde's where a value is legal JSON Schema and yet absurd (a width of 10^12).
    pub(crate) fn typed<T: DeserializeOwned>(self, shape: &Shape) -> ApiResult<T> {
        shape.check(&self.0)?;
        serde_json::from_value(self.0).map_err(|error| ApiError::unprocessable(error.to_string()))
    }
}

impl<S: Send + Sync> FromRequest<S> for JsonBody {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, Self::Rejection> {
        let json = is_json(request.headers());
        let reading = tokio::time::timeout(DEADLINE, Bytes::from_request(request, state));
        let read = reading.await.map_err(|_| {
            ApiError::new(
                StatusCode::REQUEST_TIMEOUT,
                "the body did not arrive in time",
            )
        })?;
        let bytes = read.map_err(|rejection| {
            let message = match rejection.status() {
                StatusCode::PAYLOAD_TOO_LARGE => {
                    format!("request entity too large: at most {MAX_BODY} bytes")
                }
                _ => rejection.body_text(),
            };
            ApiError::new(rejection.status(), message)
        })?;
        if bytes.is_empty() {
            return Ok(JsonBody(Value::Object(Map::new())));
        }
        if !json {
            return Err(ApiError::unprocessable(
                "the body was not read: send it with Content-Type: application/json",
            ));
        }
        // serde_json's words name a line and a column, never the content.
        let parsed = serde_json::from_slice(&bytes)
            .map_err(|error| ApiError::bad_request(format!("the body is not JSON: {error}")))?;
        Ok(JsonBody(parsed))
    }
}

fn is_json(headers: &HeaderMap) -> bool {
    let value = headers.get(header::CONTENT_TYPE);
    let text = value
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    let essence = text.split(';').next().unwrap_or_default().trim();
    essence.eq_ignore_ascii_case("application/json")
}
