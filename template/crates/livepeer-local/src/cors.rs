//! Pages of any origin may use the media routes and read the playback info, as at Livepeer. No cookie opens anything here,
//! so there is nothing that a foreign page could borrow.

use axum::extract::Request;
use axum::http::{HeaderValue, Method, header};
use axum::middleware::Next;
use axum::response::Response;

const METHODS: &str = "GET, HEAD, POST, PATCH, DELETE, OPTIONS";
const REQUEST_HEADERS: &str =
    "Authorization, Content-Type, If-Match, ETag, Livepeer-Jwt, Livepeer-Access-Key";
const RESPONSE_HEADERS: &str =
    "Location, Link, ETag, Accept-Patch, Accept-Post, Retry-After, Playhead-UTC";

/// Puts the headers on every answer, refusals included: a page must be able to read why.
pub(crate) async fn open(request: Request, next: Next) -> Response {
    let preflight = request.method() == Method::OPTIONS;
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    let any = HeaderValue::from_static("*");
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, any);
    let exposed = HeaderValue::from_static(RESPONSE_HEADERS);
    headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, exposed);
    if preflight {
        let methods = HeaderValue::from_static(METHODS);
        headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, methods);
        let asked = HeaderValue::from_static(REQUEST_HEADERS);
        headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, asked);
        headers.insert(
            header::ACCESS_CONTROL_MAX_AGE,
            HeaderValue::from_static("600"),
        );
    }
    response
}
