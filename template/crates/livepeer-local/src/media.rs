//! `/webrtc/{streamKey}` is WHIP (RFC 9725), `/webrtc/{playbackId}` is WHEP, `/webrtc/session/{id}` ends either.
//!
//! The order of the questions matters: who is this, then what do they send. Nobody's SDP is looked at before the gate has
//! let them in.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Path, RawQuery, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::middleware::from_fn;
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, delete, post};
use url::Url;

use crate::cors;
use crate::engine::{Answer, MAX_OFFER_BYTES, OfferError, SessionId, StreamName};
use crate::gate::{self, Verdict, Viewer};
use crate::gate_webhook::{self, Decision};
use crate::problem::Problem;
use crate::state::Shared;
use crate::tables::StreamRow;

/// The media type of an offer and of an answer.
const SDP: &str = "application/sdp";

/// How long an offer may take to arrive.
const OFFER_DEADLINE: Duration = Duration::from_secs(10);

/// The routes of this file, relative to the mount. Any page may use them: what they ask for is not a cookie.
pub(crate) fn routes() -> Router<Shared> {
    Router::new()
        .route("/webrtc/{name}", endpoint())
        .route("/webrtc/session/{id}", session())
        .layer(from_fn(cors::open))
}

fn endpoint() -> MethodRouter<Shared> {
    post(offer)
        .get(knock)
        .options(about_endpoint)
        .fallback(not_an_endpoints_method)
}

fn session() -> MethodRouter<Shared> {
    delete(end)
        .get(about_session)
        .options(about_session)
        .fallback(not_a_sessions_method)
}

/// What the last part of an address opens.
enum Door {
    /// A stream key: publish, and only that.
    Publish(Arc<StreamRow>),
    /// A playback id: play, and only that.
    Play(Arc<StreamRow>),
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
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let door = door(&shared, &name)?;
    let viewer = Viewer::of(&headers, query.as_deref().unwrap_or_default());
    admit(&shared, &door, &viewer).await?;
    let sdp = read_offer(&headers, body).await?;

    let (Door::Publish(row) | Door::Play(row)) = &door;
    let stream = StreamName::from(row.stream.playback_id.as_str());
    let answer = match &door {
        Door::Publish(_) => shared.engine().publish(&stream, &sdp).await,
        Door::Play(_) => shared.engine().play(&stream, &sdp).await,
    };
    let answer = answer.map_err(|error| refused(&door, error))?;

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
    Ok(created(&answer))
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

/// The offer as text: of the right type, neither empty nor too long, and in time.
async fn read_offer(headers: &HeaderMap, body: Body) -> Result<String, Problem> {
    let content_type = headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok());
    let essence = content_type
        .unwrap_or_default()
        .split(';')
        .next()
        .unwrap_or_default()
        .trim();
    if !essence.eq_ignore_ascii_case(SDP) {
        return Err(Problem::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            format!("an offer has Content-Type: {SDP}"),
        ));
    }
    let too_large = || refused_offer(OfferError::TooLarge);
    let announced = headers
        .get(header::CONTENT_LENGTH)
        .and_then(|value| value.to_str().ok());
    let announced = announced.and_then(|text| text.parse::<usize>().ok());
    if announced.is_some_and(|length| length > MAX_OFFER_BYTES) {
        return Err(too_large());
    }
    let reading = tokio::time::timeout(OFFER_DEADLINE, to_bytes(body, MAX_OFFER_BYTES));
    let bytes = match reading.await {
        Ok(Ok(bytes)) => bytes,
        Ok(Err(_)) => return Err(too_large()),
        Err(_) => {
            let words = "the offer did not arrive in time";
            return Err(Problem::new(StatusCode::REQUEST_TIMEOUT, words));
        }
    };
    if bytes.is_empty() {
        return Err(Problem::new(
            StatusCode::BAD_REQUEST,
            "the body is empty: POST an SDP offer; this server makes none of its own",
        ));
    }
    String::from_utf8(bytes.into())
        .map_err(|_| refused_offer(OfferError::Malformed("it is not UTF-8 text".to_owned())))
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

fn created(answer: &Answer) -> Response {
    // Relative to the address that was POSTed to, so it holds under any mount point and behind any proxy.
    let location = format!("session/{}", answer.session);
    let headers = [
        (header::CONTENT_TYPE, SDP),
        (header::LOCATION, location.as_str()),
        (header::CACHE_CONTROL, "no-store"),
    ];
    (StatusCode::CREATED, headers, answer.sdp.clone()).into_response()
}

/// GET and HEAD: clients knock before they offer (Livepeer's own does).
async fn knock(
    State(shared): State<Shared>,
    Path(name): Path<String>,
) -> Result<Response, Problem> {
    door(&shared, &name)?;
    Ok(([(header::CONTENT_TYPE, SDP), (ACCEPT_POST, SDP)], "").into_response())
}

const ACCEPT_POST: header::HeaderName = header::HeaderName::from_static("accept-post");

async fn about_endpoint() -> Response {
    allowing(StatusCode::OK, "GET, HEAD, OPTIONS, POST")
}

async fn about_session() -> Response {
    allowing(StatusCode::OK, "DELETE, GET, HEAD, OPTIONS")
}

fn allowing(status: StatusCode, methods: &'static str) -> Response {
    ([(header::ALLOW, methods), (ACCEPT_POST, SDP)], status).into_response()
}

async fn not_an_endpoints_method() -> Response {
    let words =
        "POST an SDP offer here; DELETE goes to the address in the Location header of its answer";
    not_allowed(words, "GET, HEAD, OPTIONS, POST")
}

async fn not_a_sessions_method() -> Response {
    let words = "DELETE ends this session; there is no trickle ICE and no restart here: every candidate is in the answer";
    not_allowed(words, "DELETE, GET, HEAD, OPTIONS")
}

fn not_allowed(words: &str, methods: &'static str) -> Response {
    let mut response = Problem::new(StatusCode::METHOD_NOT_ALLOWED, words).into_response();
    response
        .headers_mut()
        .insert(header::ALLOW, HeaderValue::from_static(methods));
    response
}

/// The session's address is its key: 128 random bits that only its owner was told.
async fn end(State(shared): State<Shared>, Path(id): Path<String>) -> Result<StatusCode, Problem> {
    let ended = match id.parse::<SessionId>() {
        Ok(session) => shared.engine().end(&session).await,
        Err(_) => false,
    };
    if ended {
        Ok(StatusCode::OK)
    } else {
        Err(Problem::new(
            StatusCode::NOT_FOUND,
            "this session is over, or never was",
        ))
    }
}
