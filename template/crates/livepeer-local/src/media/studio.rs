//! [`Fidelity::Studio`]: the same routes as Livepeer's own nodes have them, so that a client meets their ways here first.
//!
//! The public name sends an offer on to a node with a 307; this server plays both parts, under two names of its own. The
//! node, MistServer, takes the offer and nothing after it: no PATCH, no DELETE, no entity-tags. A stream that is offline is
//! a 404 rather than a 409, a viewer without the codec is sent to HLS with a 406, and its refusals are plain text.

use std::sync::atomic::{AtomicU64, Ordering};

use axum::extract::{OriginalUri, Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, any};
use url::Url;

use super::endpoint::Door;
use crate::config::Config;
use crate::engine::OfferError;
use crate::ids::now_ms;
use crate::problem::{Detail, Problem};
use crate::state::Shared;

/// What a node is sent that is no offer.
const NOT_HERE: &str = "Must POST or use websocket";

/// The address of a session, which a node names and never serves.
pub(super) fn session() -> MethodRouter<Shared> {
    any(not_here)
}

async fn not_here(method: Method) -> Response {
    match method {
        Method::OPTIONS => StatusCode::OK.into_response(),
        Method::PATCH => {
            Problem::new(StatusCode::METHOD_NOT_ALLOWED, "PATCH not supported").into_response()
        }
        _ => Problem::new(StatusCode::METHOD_NOT_ALLOWED, NOT_HERE).into_response(),
    }
}

/// Sends what is asked of the public name to the node, and words refusals as the node does.
pub(super) async fn as_there(
    State(shared): State<Shared>,
    request: Request,
    next: Next,
) -> Response {
    // A preflight that is redirected fails in every browser.
    let asked = matches!(*request.method(), Method::GET | Method::HEAD | Method::POST);
    if asked && let Some(node) = node(&shared, &request) {
        let headers = [
            (header::LOCATION, node),
            (header::CACHE_CONTROL, "no-store".to_owned()),
        ];
        return (StatusCode::TEMPORARY_REDIRECT, headers).into_response();
    }
    let response = next.run(request).await;
    let Some(Detail(words)) = response.extensions().get().cloned() else {
        return response;
    };
    let status = match response.status() {
        // Whoever is not let in is told nothing more.
        StatusCode::UNAUTHORIZED => StatusCode::FORBIDDEN,
        status => status,
    };
    (status, words).into_response()
}

/// Where a request for the public name goes; `None` if it was for the node.
fn node(shared: &Shared, request: &Request) -> Option<String> {
    let asked = request.headers().get(header::HOST)?.to_str().ok()?;
    // Below a mount the request's own address lacks the beginning.
    let uri = match request.extensions().get::<OriginalUri>() {
        Some(OriginalUri(whole)) => whole,
        None => request.uri(),
    };
    let name = uri.path().rsplit('/').next()?;
    let plays = shared.tables().stream_by_playback(name).is_some();
    elsewhere(shared.config(), asked, uri, plays)
}

fn elsewhere(config: &Config, asked: &str, uri: &Uri, plays: bool) -> Option<String> {
    let asked = Url::parse(&format!("{}://{asked}", config.base_url.scheme())).ok()?;
    if asked.host_str() != config.base_url.host_str() {
        return None;
    }
    let mut node = match &config.redirect_to {
        Some(node) => node.clone(),
        None => other_name(&asked)?,
    };
    // A redirect to itself would never end.
    if node.host_str() == asked.host_str() {
        return None;
    }
    let (folder, name) = uri.path().rsplit_once('/')?;
    let name = match plays {
        // As the media server itself calls the stream.
        true => format!("video+{name}"),
        false => name.to_owned(),
    };
    node.set_path(&format!("{folder}/{name}"));
    node.set_query(uri.query());
    Some(node.into())
}

/// The other name that a machine has for itself.
fn other_name(public: &Url) -> Option<Url> {
    let other = match public.host_str()? {
        "localhost" => "127.0.0.1",
        "127.0.0.1" | "[::1]" => "localhost",
        _ => return None,
    };
    let mut node = public.clone();
    node.set_host(Some(other)).ok()?;
    Some(node)
}

/// Where the node of a public address is found, if there is one: for the policy of a page.
pub(crate) fn origin_of_node(config: &Config) -> Option<String> {
    let node = match &config.redirect_to {
        Some(node) => node.clone(),
        None => other_name(&config.base_url)?,
    };
    Some(node.origin().ascii_serialization())
}

/// The node's `Location` and what it says of the play head. The number is a process id there.
pub(super) fn created(door: &Door, headers: &mut HeaderMap) {
    static SESSIONS: AtomicU64 = AtomicU64::new(1000);
    let id = SESSIONS.fetch_add(1, Ordering::Relaxed);
    let playback_id = &door.row().stream.playback_id;
    // Of characters that a header may have.
    if let Ok(location) = HeaderValue::from_str(&format!("video+{playback_id}/{id}")) {
        headers.insert(header::LOCATION, location);
    }
    if matches!(door, Door::Play(_)) {
        headers.insert("playhead-utc", HeaderValue::from(now_ms()));
    }
}

/// An offer that the node cannot serve.
pub(super) fn refused(door: &Door, error: &OfferError) -> Problem {
    let (status, words) = match (error, door) {
        (OfferError::NotLive, _) => (StatusCode::NOT_FOUND, "stream open failed"),
        (OfferError::Malformed(_) | OfferError::TooLarge, _) => {
            (StatusCode::BAD_REQUEST, "Failed to parse offer SDP")
        }
        (OfferError::Unsupported(_), Door::Play(_)) => {
            let words = "this stream cannot be had over WebRTC: play it over HLS";
            (StatusCode::NOT_ACCEPTABLE, words)
        }
        (OfferError::Unsupported(_), Door::Publish(_)) => (
            StatusCode::BAD_REQUEST,
            "Failed to set up the tracks of the offer",
        ),
        (OfferError::WrongDirection(_), _) => (StatusCode::FORBIDDEN, "Request not allowed"),
        (OfferError::Busy | OfferError::ShuttingDown, _) => (
            StatusCode::SERVICE_UNAVAILABLE,
            "the node is full or shutting down",
        ),
    };
    Problem::new(status, words)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn sent(base_url: &str, redirect_to: Option<&str>, asked: &str, plays: bool) -> Option<String> {
        let config = Config {
            base_url: base_url.parse().unwrap(),
            redirect_to: redirect_to.map(|node| node.parse().unwrap()),
            ..Config::default()
        };
        let uri = "/livepeer/webrtc/abcd?jwt=x".parse().unwrap();
        elsewhere(&config, asked, &uri, plays)
    }

    #[test]
    fn the_public_name_sends_on_to_the_node_and_the_node_serves() {
        let base = "http://localhost:3000/livepeer";
        assert_eq!(
            sent(base, None, "localhost:3000", true).unwrap(),
            "http://127.0.0.1:3000/livepeer/webrtc/video+abcd?jwt=x"
        );
        assert_eq!(
            sent(base, None, "LOCALHOST:3000", false).unwrap(),
            "http://127.0.0.1:3000/livepeer/webrtc/abcd?jwt=x"
        );
        assert_eq!(sent(base, None, "127.0.0.1:3000", true), None);
        assert_eq!(
            sent("http://127.0.0.1:1/", None, "127.0.0.1:1", false).unwrap(),
            "http://localhost:1/livepeer/webrtc/abcd?jwt=x"
        );
    }

    #[test]
    fn another_node_may_be_named_and_never_itself() {
        let (public, node) = ("https://play.example/", "https://node-2.example:8443");
        assert_eq!(
            sent(public, Some(node), "play.example", true).unwrap(),
            "https://node-2.example:8443/livepeer/webrtc/video+abcd?jwt=x"
        );
        assert_eq!(sent(public, None, "play.example", true), None);
        assert_eq!(sent(public, Some(public), "play.example", true), None);
        assert_eq!(sent(public, Some(node), "not a host", true), None);
    }
}
