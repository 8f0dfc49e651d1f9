//! `/webrtc/session/{id}`: PATCH adds candidates or restarts ICE, DELETE ends the session.

use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, patch};

use super::endpoint::{ACCEPT_POST, not_allowed};
use super::sent::{FRAGMENT, OFFER};
use super::{ACCEPT_PATCH, etag, owner};
use crate::engine::{Condition, PatchError, Patched, SessionId, SessionInfo};
use crate::fidelity::Fidelity;
use crate::problem::Problem;
use crate::state::Shared;

const METHODS: &str = "DELETE, GET, HEAD, OPTIONS, PATCH";

pub(super) fn session() -> MethodRouter<Shared> {
    patch(change)
        .delete(end)
        .get(look)
        .options(about)
        .fallback(not_a_method)
}

/// What is said of a session that is not there.
pub(super) fn over() -> Problem {
    Problem::new(StatusCode::NOT_FOUND, PatchError::Unknown.to_string())
}

/// The session, if it is there and whoever asks may change it.
pub(super) async fn owned(
    shared: &Shared,
    id: &str,
    headers: &HeaderMap,
) -> Result<(SessionId, SessionInfo), Problem> {
    let id = id.parse::<SessionId>().map_err(|_| over())?;
    let info = shared.engine().session(&id).await.ok_or_else(over)?;
    owner::check(shared.config().fidelity, &info, headers)?;
    Ok((id, info))
}

async fn change(
    State(shared): State<Shared>,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let (id, _) = owned(&shared, &id, &headers).await?;
    let fragment = FRAGMENT.read(&headers, body).await?;
    let condition = etag::condition(&headers);
    if shared.config().fidelity == Fidelity::Strict && condition == Condition::Absent {
        return Err(Problem::new(
            StatusCode::PRECONDITION_REQUIRED,
            "a PATCH needs If-Match: the ETag of the 201 for candidates, * for an ICE restart",
        ));
    }
    let patched = shared.engine().patch(&id, &fragment, condition).await;
    match patched.map_err(refused)? {
        // No entity-tag: there is no new ICE session (RFC 9725 section 4.3.2).
        Patched::Trickled => Ok(StatusCode::NO_CONTENT.into_response()),
        Patched::Restarted { tag, fragment } => {
            let headers = [
                (header::CONTENT_TYPE, FRAGMENT.media_type),
                (header::CACHE_CONTROL, "no-store"),
            ];
            let mut response = (headers, fragment).into_response();
            if let Some(tag) = etag::strong(&tag) {
                response.headers_mut().insert(header::ETAG, tag);
            }
            Ok(response)
        }
    }
}

fn refused(error: PatchError) -> Problem {
    let words = error.to_string();
    match error {
        PatchError::Unknown => over(),
        PatchError::Malformed(_) => Problem::new(StatusCode::BAD_REQUEST, words),
        PatchError::ConditionNeeded => Problem::new(StatusCode::PRECONDITION_REQUIRED, words),
        PatchError::Outdated => Problem::new(StatusCode::PRECONDITION_FAILED, words),
        PatchError::ShuttingDown => {
            Problem::new(StatusCode::SERVICE_UNAVAILABLE, words).retry_after(2)
        }
    }
}

/// Ends the session, whatever entity-tag is sent along (RFC 9725 section 4.3.1).
async fn end(
    State(shared): State<Shared>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<StatusCode, Problem> {
    let (id, _) = owned(&shared, &id, &headers).await?;
    match shared.engine().end(&id).await {
        true => Ok(StatusCode::OK),
        false => Err(over()),
    }
}

/// GET and HEAD: whether it is there (RFC 9725 section 4.1: without content).
async fn look(
    State(shared): State<Shared>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    owned(&shared, &id, &headers).await?;
    Ok(about().await)
}

async fn about() -> Response {
    let headers = [
        (header::ALLOW, METHODS),
        (ACCEPT_POST, OFFER.media_type),
        (ACCEPT_PATCH, FRAGMENT.media_type),
    ];
    (headers, ()).into_response()
}

async fn not_a_method() -> Response {
    let words =
        "PATCH an SDP fragment to trickle candidates or to restart ICE; DELETE ends this session";
    not_allowed(words, METHODS)
}
