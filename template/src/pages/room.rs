//! A session's two pages: the host's, and the one for everybody with the link. Both draw whatever View they are sent.

use askama::Template;
use axum::Router;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum_extra::extract::cookie::SignedCookieJar;
use session::Seat;

use super::{PageProblem, Problem, page};
use crate::app::App;
use crate::identity::Identity;

/// Where these pages are.
pub(crate) fn routes() -> Router<App> {
    Router::new()
        .route("/s/{id}", get(watch))
        .route("/s/{id}/host", get(host))
}

/// The page says neither what the session is called nor whose it is: somebody may have the link who is not to know. Both
/// come with the View.
#[derive(Template)]
#[template(path = "session.html")]
struct SessionPage {
    session_id: String,
    /// `host` or `guest`, as in the address of the WebSocket.
    seat: &'static str,
    /// What this person is called; empty if they have not said so yet.
    name: String,
    live_url: String,
    watch_url: String,
    app_name: &'static str,
}

async fn watch(
    State(app): State<App>,
    Path(id): Path<String>,
    jar: SignedCookieJar,
) -> Result<Response, PageProblem> {
    show(&app, id, jar, Seat::Guest).await
}

async fn host(
    State(app): State<App>,
    Path(id): Path<String>,
    jar: SignedCookieJar,
) -> Result<Response, PageProblem> {
    show(&app, id, jar, Seat::Host).await
}

async fn show(
    app: &App,
    id: String,
    jar: SignedCookieJar,
    seat: Seat,
) -> Result<Response, PageProblem> {
    let record = app.sessions.record(&id).await?;
    let record = record.ok_or(Problem::NoSuchSession)?;
    let who = Identity::of_or_new(&jar);
    if seat == Seat::Host && who.id != record.host {
        return Err(Problem::NotTheHost.into());
    }
    let seat = match seat {
        Seat::Host => "host",
        Seat::Guest => "guest",
    };
    let shown = page(&SessionPage {
        live_url: format!("/s/{id}/live?seat={seat}"),
        watch_url: app.address(&format!("s/{id}")),
        seat,
        name: who.name.clone(),
        app_name: env!("CARGO_PKG_NAME"),
        session_id: id,
    });
    // The WebSocket that the page opens knows them by the cookie.
    Ok((who.remember(jar, app), shown).into_response())
}
