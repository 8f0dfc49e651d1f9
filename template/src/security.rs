//! What every answer of ours carries, and which requests come from our own pages.

use std::time::Duration;

use axum::extract::{Request, State};
use axum::http::Method;
use axum::http::header::{self, HeaderMap, HeaderName, HeaderValue};
use axum::middleware::Next;
use axum::response::Response;
use url::Url;

use crate::app::App;
use crate::pages::Problem;

/// How long a request may take, but for WebSockets. The longest wait within one is for Livepeer.
const TIME_LIMIT: Duration = Duration::from_secs(20);

/// Headers that hold for every page. Scripts and styles come from our own files alone, so nothing that somebody writes
/// into a name or a title can run.
const HEADERS: [(HeaderName, &str); 4] = [
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    // The address of a session is the invitation to it: it does not go to other sites.
    (header::REFERRER_POLICY, "same-origin"),
    (
        HeaderName::from_static("permissions-policy"),
        "camera=(self), microphone=(self), display-capture=(self), geolocation=()",
    ),
    (
        HeaderName::from_static("cross-origin-opener-policy"),
        "same-origin",
    ),
];

/// The content security policy. Media and its signalling go to Livepeer: over https to whichever of its machines a
/// redirect names, and to `ingest`, which on your own machine may be plain http.
pub(crate) fn content_policy(public_url: &Url, ingest: &str) -> Option<HeaderValue> {
    let mut socket = public_url.clone();
    let scheme = if socket.scheme() == "https" {
        "wss"
    } else {
        "ws"
    };
    // Between web schemes this cannot fail.
    let _ = socket.set_scheme(scheme);
    let host = socket.host_str()?;
    let socket = match socket.port() {
        Some(port) => format!("{scheme}://{host}:{port}"),
        None => format!("{scheme}://{host}"),
    };
    let policy = format!(
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; \
         media-src 'self' blob: mediastream:; connect-src 'self' https: {socket} {ingest}; form-action 'self'; \
         base-uri 'none'; frame-ancestors 'none'"
    );
    HeaderValue::from_str(&policy).ok()
}

/// Sets the headers, unless the answer has its own.
pub(crate) async fn headers(State(app): State<App>, request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    for (name, value) in HEADERS {
        headers
            .entry(name)
            .or_insert(HeaderValue::from_static(value));
    }
    if let Some(policy) = app.content_policy() {
        headers
            .entry(header::CONTENT_SECURITY_POLICY)
            .or_insert(policy);
    }
    response
}

/// Answers in the place of whoever takes too long.
pub(crate) async fn time_limit(request: Request, next: Next) -> Response {
    let html = wants_html(request.headers());
    match tokio::time::timeout(TIME_LIMIT, next.run(request)).await {
        Ok(response) => response,
        Err(_) => Problem::TooSlow.answer(html),
    }
}

/// Refuses what another site makes a browser send: everything that changes something, and every WebSocket.
pub(crate) async fn same_origin(State(app): State<App>, request: Request, next: Next) -> Response {
    let changes = !matches!(
        *request.method(),
        Method::GET | Method::HEAD | Method::OPTIONS
    );
    let upgrades = request.headers().contains_key(header::UPGRADE);
    if (changes || upgrades) && !is_ours(request.headers(), &app.public_url) {
        return Problem::ForeignOrigin.answer(wants_html(request.headers()));
    }
    next.run(request).await
}

/// Whether a request comes from a page of ours, or from something that is no browser and has no cookies to abuse.
fn is_ours(headers: &HeaderMap, public_url: &Url) -> bool {
    let Some(origin) = headers.get(header::ORIGIN) else {
        return true;
    };
    // `Origin: null` is a page that hides where it is from.
    let Some(origin) = origin.to_str().ok().and_then(|o| Url::parse(o).ok()) else {
        return false;
    };
    if origin.origin() == public_url.origin() {
        return true;
    }
    let Some(host) = headers.get(header::HOST).and_then(|h| h.to_str().ok()) else {
        return false;
    };
    // Behind a proxy the scheme that we see is not the browser's, so the host decides.
    Url::parse(&format!("{}://{host}", origin.scheme()))
        .is_ok_and(|own| own.origin() == origin.origin())
}

/// Whether somebody looks at the answer, rather than a script.
pub(crate) fn wants_html(headers: &HeaderMap) -> bool {
    let accept = headers.get(header::ACCEPT).and_then(|a| a.to_str().ok());
    accept.is_some_and(|accept| accept.contains("text/html"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn from(origin: &str, host: &str) -> bool {
        let mut headers = HeaderMap::new();
        headers.insert(header::ORIGIN, origin.parse().unwrap());
        headers.insert(header::HOST, host.parse().unwrap());
        is_ours(&headers, &Url::parse("https://live.example.org").unwrap())
    }

    #[test]
    fn only_our_own_pages_may_change_things() {
        assert!(from("https://live.example.org", "10.0.0.1:3000"));
        assert!(from("http://127.0.0.1:3000", "127.0.0.1:3000"));
        assert!(from("https://other.name", "other.name"));
        assert!(!from("https://evil.example", "live.example.org"));
        assert!(!from("http://127.0.0.1:4000", "127.0.0.1:3000"));
        assert!(!from("null", "live.example.org"));
        assert!(is_ours(&HeaderMap::new(), &Url::parse("http://x").unwrap()));
    }

    #[test]
    fn pages_may_reach_livepeer_and_nothing_inline_may_run() {
        let url = Url::parse("http://localhost:3000").unwrap();
        let policy = content_policy(&url, "http://127.0.0.1:8888").unwrap();
        let policy = policy.to_str().unwrap();
        assert!(policy.contains("ws://localhost:3000 http://127.0.0.1:8888;"));
        assert!(!policy.contains("unsafe"));
    }
}
