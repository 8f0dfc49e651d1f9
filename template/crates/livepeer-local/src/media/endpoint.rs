//! `/webrtc/{streamKey}` and `/webrtc/{playbackId}`: POST an offer, get an answer.
//!
//! The order of the questions matters: who is this, then what do they send. Nobody's SDP is looked at before the gate has
//! let them in.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::SystemTime;

use axum::Extension;
use axum::body::Body;
use axum::extract::{Path, RawQuery, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, post};
use url::Url;

use super::sent::{FRAGMENT, OFFER};
use super::{ACCEPT_PATCH, etag, events, layers, owner, studio};
use crate::auth;
use crate::engine::{Answer, OfferError, StreamName};
use crate::fidelity::Fidelity;
use crate::gate::{self, Verdict, Viewer};
use crate::gate_webhook::{self, Decision};
use crate::problem::Problem;
use crate::rate::Asker;
use crate::state::Shared;
use crate::tables::StreamRow;

const METHODS: &str = "GET, HEAD, OPTIONS, POST";

/// Who is meant stands in the address.
pub(super) fn named() -> MethodRouter<Shared> {
    post(offer).get(knock).options(about).fallback(not_a_method)
}

/// The stream key stands in `Authorization: Bearer` (RFC 9725 section 4.7), out of the way of every log.
pub(super) fn keyed() -> MethodRouter<Shared> {
    post(offer_with_key)
        .get(about)
        .options(about)
        .fallback(not_a_method)
}

/// What the last part of an address opens.
pub(super) enum Door {
    /// A stream key: publish, and only that.
    Publish(Arc<StreamRow>),
    /// A playback id: play, and only that.
    Play(Arc<StreamRow>),
}

impl Door {
    pub(super) fn row(&self) -> &StreamRow {
        let (Door::Publish(row) | Door::Play(row)) = self;
        row
    }
}

fn door(shared: &Shared, name: &str) -> Result<Door, Problem> {
    let tables = shared.tables();
    let playback_id = name.strip_prefix("video+").unwrap_or(name);
    if let Some(row) = tables.stream_by_key(name) {
        Ok(Door::Publish(row.clone()))
    } else if let Some(row) = tables.stream_by_playback(playback_id) {
        Ok(Door::Play(row.clone()))
    } else {
        Err(Problem::new(
            StatusCode::NOT_FOUND,
            "no stream has this stream key or playback id: it was deleted, or the address is not complete",
        ))
    }
}

async fn offer(
    State(shared): State<Shared>,
    Path(name): Path<String>,
    RawQuery(query): RawQuery,
    asker: Option<Extension<Asker>>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let door = door(&shared, &name)?;
    let asker = asker.map(|Extension(Asker(address))| address);
    enter(&shared, door, asker, query, &headers, body).await
}

async fn offer_with_key(
    State(shared): State<Shared>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let Some(key) = auth::bearer(&headers) else {
        return Err(Problem::unauthorized(
            "send the stream key as Authorization: Bearer",
        ));
    };
    let row = shared.tables().stream_by_key(key).cloned();
    let Some(row) = row else {
        return Err(Problem::unauthorized(
            "no stream has the stream key that was sent as a bearer token",
        ));
    };
    enter(&shared, Door::Publish(row), None, query, &headers, body).await
}

async fn enter(
    shared: &Shared,
    door: Door,
    asker: Option<IpAddr>,
    query: Option<String>,
    headers: &HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let viewer = Viewer::of(headers, query.as_deref().unwrap_or_default());
    admit(shared, &door, &viewer).await?;
    let sdp = OFFER.read(headers, body).await?;

    let row = door.row();
    let fidelity = shared.config().fidelity;
    let stream = StreamName::from(row.stream.playback_id.as_str());
    let answer = match &door {
        Door::Publish(_) => shared.engine().publish(&stream, &sdp).await,
        Door::Play(_) => match asker {
            Some(address) => {
                let engine = shared.engine().on_behalf_of(address);
                engine.play(&stream, &sdp).await
            }
            None => shared.engine().play(&stream, &sdp).await,
        },
    };
    let answer = answer.map_err(|error| match fidelity {
        Fidelity::Studio => studio::refused(&door, &error),
        Fidelity::Lenient | Fidelity::Strict => refused(&door, error),
    })?;

    // The stream may have been suspended, deleted or locked while the engine answered.
    let tables = shared.tables();
    let still_open = match &door {
        _ if tables
            .stream(&row.stream.id)
            .is_none_or(|row| row.stream.suspended) =>
        {
            false
        }
        Door::Publish(_) => true,
        Door::Play(before) => tables.stream(&row.stream.id).is_some_and(|now| {
            now.stream.playback_policy == before.stream.playback_policy
                || gate::decide(&now.stream, &tables, &viewer, SystemTime::now()).is_ok()
        }),
    };
    if !still_open {
        shared.engine().end(&answer.session).await;
        return Err(Problem::new(
            StatusCode::FORBIDDEN,
            "the stream was closed at this very moment",
        ));
    }
    if fidelity == Fidelity::Strict
        && let Some(owner) = owner::shown(headers)
    {
        shared.engine().set_owner(&answer.session, owner).await;
    }
    Ok(created(shared, &door, &answer))
}

/// The gate: for a publisher the key is enough while the stream is not suspended; for a viewer the policy decides.
async fn admit(shared: &Shared, door: &Door, viewer: &Viewer) -> Result<(), Problem> {
    let row = match door {
        Door::Publish(row) if row.stream.suspended => {
            let words = "this stream is suspended: nobody may publish it";
            return Err(Problem::new(StatusCode::FORBIDDEN, words));
        }
        Door::Publish(_) => return Ok(()),
        Door::Play(row) => row,
    };
    let tables = shared.tables();
    let verdict = gate::decide(&row.stream, &tables, viewer, SystemTime::now())
        .map_err(|refusal| Problem::new(refusal.status(), refusal.to_string()))?;
    let Verdict::Ask(webhook) = verdict else {
        return Ok(());
    };
    let access_key = viewer.access_key.as_deref().unwrap_or_default();
    let play_url = play_url(&shared.config().base_url, &row.stream.playback_id);
    match gate_webhook::ask(&webhook, &row.stream, access_key, &play_url).await {
        Decision::Allowed => Ok(()),
        Decision::Denied => Err(Problem::new(
            StatusCode::FORBIDDEN,
            "the access key is refused by the webhook that guards this stream",
        )),
        Decision::Unreachable(why) => {
            tracing::warn!(webhook = %webhook.webhook.id, why, "the webhook that guards a stream did not answer");
            Err(Problem::new(
                StatusCode::BAD_GATEWAY,
                "the webhook that guards this stream did not answer",
            ))
        }
    }
}

fn play_url(base: &Url, playback_id: &str) -> Url {
    let mut url = base.clone();
    if let Ok(mut path) = url.path_segments_mut() {
        path.pop_if_empty().extend(["webrtc", playback_id]);
    }
    url
}

fn refused(door: &Door, error: OfferError) -> Problem {
    match (&error, door) {
        (OfferError::WrongDirection(_), Door::Publish(_)) => Problem::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            format!("{error}; a stream key publishes and never plays: play with the playback id"),
        ),
        (OfferError::WrongDirection(_), Door::Play(_)) => Problem::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            format!(
                "{error}; a playback id plays and never publishes: publish with the stream key"
            ),
        ),
        _ => refused_offer(error),
    }
}

fn refused_offer(error: OfferError) -> Problem {
    let words = error.to_string();
    match error {
        OfferError::NotLive => Problem::new(StatusCode::CONFLICT, words).retry_after(1),
        OfferError::Malformed(_) => Problem::new(StatusCode::BAD_REQUEST, words),
        OfferError::Unsupported(_) | OfferError::WrongDirection(_) => {
            Problem::new(StatusCode::UNPROCESSABLE_ENTITY, words)
        }
        OfferError::TooLarge => Problem::new(StatusCode::PAYLOAD_TOO_LARGE, words),
        OfferError::Busy => Problem::new(StatusCode::SERVICE_UNAVAILABLE, words).retry_after(5),
        OfferError::ShuttingDown => {
            Problem::new(StatusCode::SERVICE_UNAVAILABLE, words).retry_after(2)
        }
    }
}

fn created(shared: &Shared, door: &Door, answer: &Answer) -> Response {
    let content = [
        (header::CONTENT_TYPE, OFFER.media_type),
        (header::CACHE_CONTROL, "no-store"),
    ];
    let mut response = (StatusCode::CREATED, content, answer.sdp.clone()).into_response();
    let headers = response.headers_mut();
    for server in &shared.config().ice_servers {
        // Of characters that a header may have, like all that follows.
        if let Ok(link) = HeaderValue::from_str(&server.link()) {
            headers.append(header::LINK, link);
        }
    }
    if shared.config().fidelity == Fidelity::Studio {
        studio::created(door, headers);
        return response;
    }
    // Relative to the address that was POSTed to, so it holds under any mount point and behind any proxy.
    if let Ok(location) = HeaderValue::from_str(&format!("session/{}", answer.session)) {
        headers.insert(header::LOCATION, location);
    }
    if let Door::Play(_) = door {
        for link in [events::link(&answer.session), layers::link(&answer.session)] {
            if let Ok(link) = HeaderValue::from_str(&link) {
                headers.append(header::LINK, link);
            }
        }
    }
    if let Some(tag) = etag::strong(&answer.tag) {
        headers.insert(header::ETAG, tag);
        headers.insert(ACCEPT_PATCH, HeaderValue::from_static(FRAGMENT.media_type));
    }
    response
}

/// GET and HEAD: clients knock before they offer (Livepeer's own does).
async fn knock(
    State(shared): State<Shared>,
    Path(name): Path<String>,
) -> Result<Response, Problem> {
    door(&shared, &name)?;
    let headers = [
        (header::CONTENT_TYPE, OFFER.media_type),
        (ACCEPT_POST, OFFER.media_type),
    ];
    Ok((headers, "").into_response())
}

pub(super) const ACCEPT_POST: HeaderName = HeaderName::from_static("accept-post");

async fn about() -> Response {
    let headers = [(header::ALLOW, METHODS), (ACCEPT_POST, OFFER.media_type)];
    (headers, ()).into_response()
}

async fn not_a_method() -> Response {
    let words =
        "POST an SDP offer here; DELETE goes to the address in the Location header of its answer";
    not_allowed(words, METHODS)
}

pub(super) fn not_allowed(words: &str, methods: &'static str) -> Response {
    let mut response = Problem::new(StatusCode::METHOD_NOT_ALLOWED, words).into_response();
    response
        .headers_mut()
        .insert(header::ALLOW, HeaderValue::from_static(methods));
    response
}
