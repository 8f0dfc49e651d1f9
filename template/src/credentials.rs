//! Credentials to publish and to play. **The View is the permission**: they are given for what stands in it, and for
//! nothing else; and what is for a few people alone is given to nobody else even if a View should err.

use axum::extract::rejection::JsonRejection;
use axum::extract::{Path, State};
use axum::http::header::CACHE_CONTROL;
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use axum::{Json, Router};
use axum_extra::extract::cookie::SignedCookieJar;
use serde::{Deserialize, Serialize};
use session::{ParticipantId, Seat, Slot, Timestamp};

use crate::app::App;
use crate::clock;
use crate::identity::Identity;
use crate::pages::{Problem, ScriptProblem};
use crate::sessions::ask::{Ask, Denied, Right};
use crate::sessions::store::Made;
use crate::streams::StreamsError;

/// Where they are given out.
pub(crate) fn routes() -> Router<App> {
    Router::new()
        .route("/s/{id}/publish", post(publish))
        .route("/s/{id}/play", post(play))
        .route("/s/{id}/issues", post(issues))
}

#[derive(Deserialize)]
struct Wanted {
    slot: Slot,
    seat: Seat,
    /// Which line the asking page has, as it was greeted. A page that has lost it is not given anything to publish to; a
    /// program that has none says none.
    #[serde(default)]
    line: Option<u64>,
}

/// A WHIP address, which holds the stream key: it goes to this person alone, and dies with the stream.
#[derive(Serialize)]
struct Publishing {
    url: String,
}

/// A WHEP address, and the token for it where it needs one: when that expires, and the time by the same clock, since the
/// browser's own may be wrong.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Playing {
    url: String,
    token: Option<String>,
    expires_at: Option<Timestamp>,
    now: Timestamp,
}

async fn publish(
    State(app): State<App>,
    Path(id): Path<String>,
    jar: SignedCookieJar,
    wanted: Result<Json<Wanted>, JsonRejection>,
) -> Result<Response, ScriptProblem> {
    let (made, _) = granted(&app, &id, &jar, wanted, Right::Publish).await?;
    let url = app.streams.whip(&made).await.map_err(Problem::from)?;
    let url = url.expose().to_string();
    Ok(unkept(Publishing { url }))
}

async fn play(
    State(app): State<App>,
    Path(id): Path<String>,
    jar: SignedCookieJar,
    wanted: Result<Json<Wanted>, JsonRejection>,
) -> Result<Response, ScriptProblem> {
    let (made, person) = granted(&app, &id, &jar, wanted, Right::Play).await?;
    let url = app.streams.whep(&made.playback_id).await;
    let url = url.map_err(Problem::from)?.to_string();
    let token = app.streams.token(&made, &person).await;
    let (token, expires_at) = token.map_err(Problem::from)?.unzip();
    Ok(unkept(Playing {
        url,
        token: token.map(|token| token.expose().to_owned()),
        expires_at,
        now: clock::now(),
    }))
}

/// What Livepeer finds wrong with what comes in, in words: only its publisher can change it, and is told.
#[derive(Serialize)]
struct Issues {
    issues: Vec<String>,
}

async fn issues(
    State(app): State<App>,
    Path(id): Path<String>,
    jar: SignedCookieJar,
    wanted: Result<Json<Wanted>, JsonRejection>,
) -> Result<Response, ScriptProblem> {
    let (made, _) = granted(&app, &id, &jar, wanted, Right::Publish).await?;
    let stream = app.streams.get(&made.id).await;
    let stream = stream.map_err(|error| Problem::from(StreamsError::from(error)))?;
    let issues = stream.map(|stream| stream.issues).unwrap_or_default();
    Ok(unkept(Issues { issues }))
}

/// The stream, if the asking person's View grants it at this moment.
async fn granted(
    app: &App,
    id: &str,
    jar: &SignedCookieJar,
    wanted: Result<Json<Wanted>, JsonRejection>,
    right: Right,
) -> Result<(Made, ParticipantId), Problem> {
    // Only JSON is taken, which no form of another site can send.
    let Json(wanted) = wanted.map_err(|why| Problem::Malformed(why.status(), why.body_text()))?;
    let record = app.sessions.record(id).await?;
    let record = record.ok_or(Problem::NoSuchSession)?;
    let who = Identity::of(jar).ok_or(Problem::NotInView)?;
    if wanted.seat == Seat::Host && who.id != record.host {
        return Err(Problem::NotTheHost);
    }
    let person = who.participant(wanted.seat, &record.host);
    let (answer, _) = app
        .sessions
        .ask(id, |answer| Ask::Credential {
            participant: person.clone(),
            line: wanted.line,
            slot: wanted.slot.clone(),
            right,
            answer,
        })
        .await?;
    match answer {
        Ok(made) => Ok((made, person)),
        // Both mean: not at this moment, and whether it ever exists is nobody's business.
        Err(Denied::NotInView | Denied::NotThere) => Err(Problem::NotInView),
    }
}

/// An answer that nobody keeps.
fn unkept(answer: impl Serialize) -> Response {
    ([(CACHE_CONTROL, "no-store")], Json(answer)).into_response()
}
