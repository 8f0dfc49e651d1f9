//! Somebody says what they are called, on the page of a session. Who only watches is never asked.

use axum::extract::rejection::JsonRejection;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use axum::{Json, Router};
use axum_extra::extract::cookie::SignedCookieJar;
use serde::Deserialize;
use session::{Participant, Seat};

use super::{Problem, ScriptProblem};
use crate::app::App;
use crate::identity::{self, Identity, tidy};
use crate::sessions::ask::Ask;

/// Where it is said.
pub(crate) fn routes() -> Router<App> {
    Router::new().route("/s/{id}/name", post(called))
}

#[derive(Deserialize)]
struct Called {
    name: String,
}

async fn called(
    State(app): State<App>,
    Path(id): Path<String>,
    jar: SignedCookieJar,
    said: Result<Json<Called>, JsonRejection>,
) -> Result<Response, ScriptProblem> {
    // Only JSON is taken, which no form of another site can send.
    let Json(said) = said.map_err(|why| Problem::Malformed(why.status(), why.body_text()))?;
    let name = tidy(&said.name, identity::NAME);
    if name.is_empty() {
        let words = "name is empty; say what you are called, in up to 40 letters".to_owned();
        return Err(Problem::Malformed(StatusCode::UNPROCESSABLE_ENTITY, words).into());
    }
    let record = app.sessions.record(&id).await.map_err(Problem::from)?;
    let record = record.ok_or(Problem::NoSuchSession)?;
    let who = Identity::of(&jar).ok_or(Problem::NotInView)?;
    let who = Identity { name, ..who };
    let participant = Participant {
        id: who.participant(Seat::Guest, &record.host),
        name: who.name.clone(),
        seat: Seat::Guest,
    };
    let asked = app.sessions.ask(&id, |answer| Ask::Called {
        participant: participant.clone(),
        answer,
    });
    asked.await.map_err(Problem::from)?;
    Ok((who.remember(jar, &app), StatusCode::NO_CONTENT).into_response())
}
