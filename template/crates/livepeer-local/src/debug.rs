//! `/debug`: what the engine is doing, for a person; `/debug/stats`, the same as JSON; `/metrics`, for Prometheus.
//!
//! On a development machine they are open. Where [`Config::base_url`](crate::Config::base_url) is an address that others
//! reach, they ask for the API key: titles and numbers of viewers are nobody else's business. Neither a stream key nor a
//! token is ever in them.

use std::sync::OnceLock;
use std::time::Instant;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use serde_json::{Map, Value, json};
use url::{Host, Url};

use crate::auth;
use crate::engine::JoinTimes;
use crate::error::{ApiError, ApiResult};
use crate::metrics;
use crate::state::Shared;

/// The page loads nothing but its own two files, and asks nobody else.
const POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; \
     base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// The routes of this file, relative to the mount.
pub(crate) fn routes(shared: Shared) -> Router<Shared> {
    // The time from which "up since" counts.
    started();
    Router::new()
        .route("/debug", get(page))
        .route("/debug/debug.css", get(style))
        .route("/debug/debug.js", get(script))
        .route("/debug/stats", get(stats))
        .route("/metrics", get(prometheus))
        .route_layer(from_fn_with_state(shared, admit))
}

fn started() -> Instant {
    static STARTED: OnceLock<Instant> = OnceLock::new();
    *STARTED.get_or_init(Instant::now)
}

/// Lets everybody in on a machine for development, and whoever has the API key elsewhere.
async fn admit(State(shared): State<Shared>, request: Request, next: Next) -> Response {
    let headers = request.headers();
    let open = is_own_machine(&shared.config().base_url) && is_asked_by_own_name(headers);
    if !open && !auth::has_key(headers, shared.api_key().expose()) {
        let words = "the debug page shows who watches what: give the API key as the password, with any user name";
        let mut response = ApiError::unauthorized(words).into_response();
        let challenge = HeaderValue::from_static("Basic realm=\"Livepeer on this machine\"");
        response
            .headers_mut()
            .insert(header::WWW_AUTHENTICATE, challenge);
        return response;
    }
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(
        header::CONTENT_SECURITY_POLICY,
        HeaderValue::from_static(POLICY),
    );
    headers.insert(
        header::X_CONTENT_TYPE_OPTIONS,
        HeaderValue::from_static("nosniff"),
    );
    response
}

/// Whether that address can be reached from this machine alone.
fn is_own_machine(base: &Url) -> bool {
    match base.host() {
        Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(Host::Ipv4(ip)) => ip.is_loopback(),
        Some(Host::Ipv6(ip)) => ip.is_loopback(),
        None => false,
    }
}

/// Somebody on the network, or a page whose name was pointed at this machine (DNS rebinding), asks by another name.
fn is_asked_by_own_name(headers: &HeaderMap) -> bool {
    let host = headers
        .get(header::HOST)
        .and_then(|host| host.to_str().ok());
    let url = host.and_then(|host| Url::parse(&format!("http://{host}")).ok());
    url.is_some_and(|url| is_own_machine(&url))
}

async fn page() -> impl IntoResponse {
    let html = include_str!("debug/debug.html");
    ([(header::CONTENT_TYPE, "text/html; charset=utf-8")], html)
}

async fn style() -> impl IntoResponse {
    let css = include_str!("debug/debug.css");
    ([(header::CONTENT_TYPE, "text/css; charset=utf-8")], css)
}

async fn script() -> impl IntoResponse {
    let js = include_str!("debug/debug.js");
    (
        [(header::CONTENT_TYPE, "text/javascript; charset=utf-8")],
        js,
    )
}

/// Every counter, with the names of the streams and of the reasons in words.
async fn stats(State(shared): State<Shared>) -> Json<Value> {
    let stats = shared.engine().stats().await;
    let tables = shared.tables();
    let streams: Vec<Value> = stats
        .streams
        .iter()
        .map(|(name, stream)| {
            let row = tables.stream_by_playback(name.as_str());
            json!({
                "playbackId": name.as_str(),
                "name": row.map(|row| row.stream.name.as_str()),
                "stats": stream,
            })
        })
        .collect();
    let drops = stats.drops.named().into_iter();
    let drops: Vec<Value> = drops
        .map(|(reason, words, count)| json!({"reason": reason, "words": words, "count": count}))
        .collect();
    let counters: Map<String, Value> = stats
        .total
        .named()
        .into_iter()
        .map(|(name, _, value)| (name.to_owned(), value.into()))
        .collect();
    Json(json!({
        "upSeconds": started().elapsed().as_secs(),
        "udp": shared.engine().udp_addr().to_string(),
        "sessions": stats.sessions,
        "total": counters,
        "joinTimes": stats.total.join_times,
        "joinBoundsMs": JoinTimes::BOUNDS_MS,
        "streams": streams,
        "drops": drops,
    }))
}

async fn prometheus(State(shared): State<Shared>) -> ApiResult<Response> {
    let text = metrics::text(shared.engine().stats().await).map_err(ApiError::internal)?;
    Ok(([(header::CONTENT_TYPE, metrics::CONTENT_TYPE)], text).into_response())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_machine_is_its_owners_by_address_not_by_look() {
        for (url, own) in [
            ("http://localhost:3000/livepeer", true),
            ("http://127.0.0.1:3000", true),
            ("http://[::1]:3000", true),
            ("https://live.example.org/livepeer", false),
            ("http://192.168.1.4:3000", false),
            ("http://localhost.example.org", false),
        ] {
            assert_eq!(is_own_machine(&Url::parse(url).unwrap()), own, "{url}");
        }
    }
}
