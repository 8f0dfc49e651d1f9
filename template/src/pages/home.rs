//! The start page: begin a session, or join one.

use askama::Template;
use axum::Router;
use axum::extract::{Form, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use axum_extra::extract::cookie::SignedCookieJar;
use serde::Deserialize;
use session::{ParticipantId, Seat};
use url::Url;

use super::{PageProblem, page};
use crate::app::App;
use crate::identity::{self, Identity, tidy};
use crate::kind::Kind;

/// Letters in a title, at most.
const TITLE: usize = 80;
/// Letters in an id of a session; more is no id.
const ID: usize = 64;

/// Where these pages are.
pub(crate) fn routes() -> Router<App> {
    Router::new()
        .route("/", get(home))
        .route("/sessions", post(create))
        .route("/join", get(join))
}

#[derive(Template)]
#[template(path = "home.html")]
struct Home {
    kinds: Vec<KindCard>,
    name: String,
    error: Option<String>,
    title_value: String,
}

/// An architecture to choose.
struct KindCard {
    name: &'static str,
    title: &'static str,
    summary: &'static str,
}

impl Home {
    fn of(app: &App, jar: &SignedCookieJar) -> Home {
        let card = |kind: &Kind| KindCard {
            name: kind.name,
            title: kind.title,
            summary: kind.summary,
        };
        Home {
            kinds: app.sessions.kinds().iter().map(card).collect(),
            name: Identity::of(jar).map_or_else(String::new, |who| who.name),
            error: None,
            title_value: String::new(),
        }
    }

    fn refuse(self, status: StatusCode, error: &str) -> Response {
        let home = Home {
            error: Some(error.to_owned()),
            ..self
        };
        (status, page(&home)).into_response()
    }
}

async fn home(State(app): State<App>, jar: SignedCookieJar) -> Response {
    page(&Home::of(&app, &jar))
}

#[derive(Deserialize)]
struct Create {
    #[serde(default)]
    title: String,
    #[serde(default)]
    name: String,
    /// An architecture; the first one when left out.
    #[serde(default)]
    kind: String,
}

async fn create(
    State(app): State<App>,
    jar: SignedCookieJar,
    Form(form): Form<Create>,
) -> Result<Response, PageProblem> {
    let (title, name) = (tidy(&form.title, TITLE), tidy(&form.name, identity::NAME));
    let kinds = app.sessions.kinds();
    let kind = match form.kind.as_str() {
        "" => kinds.iter().next(),
        name => kinds.named(name),
    };
    let error = match (title.as_str(), name.as_str(), kind) {
        ("", ..) => "Give it a title.",
        (_, "", _) => "Tell your name: your audience sees it.",
        (.., None) => "There is no such kind. Choose one of those below.",
        (.., Some(kind)) => {
            let mut who = Identity::of_or_new(&jar);
            who.name.clone_from(&name);
            let host: ParticipantId = who.participant(Seat::Host, &who.id);
            let id = app.sessions.create(kind, title, host, name).await?;
            let jar = who.remember(jar, &app);
            return Ok((jar, Redirect::to(&format!("/s/{id}/host"))).into_response());
        }
    };
    let home = Home {
        name,
        title_value: title,
        ..Home::of(&app, &jar)
    };
    Ok(home.refuse(StatusCode::UNPROCESSABLE_ENTITY, error))
}

#[derive(Deserialize)]
struct Join {
    #[serde(default)]
    link: String,
}

async fn join(
    State(app): State<App>,
    jar: SignedCookieJar,
    Query(join): Query<Join>,
) -> Result<Response, PageProblem> {
    let words = match session_in(&join.link) {
        None => "That is neither a link to a session nor the code in one. Paste the whole link.",
        Some(id) => match app.sessions.record(id).await? {
            // Only the id is taken from what was pasted: it cannot lead to another site.
            Some(record) => return Ok(Redirect::to(&format!("/s/{}", record.id)).into_response()),
            None => {
                "There is no such session here. Ask for the link again: a letter may be missing."
            }
        },
    };
    Ok(Home::of(&app, &jar).refuse(StatusCode::NOT_FOUND, words))
}

/// The id in a pasted link, or in what may be a bare id.
fn session_in(pasted: &str) -> Option<&str> {
    let pasted = pasted.trim();
    let path = match Url::parse(pasted) {
        Ok(url) if url.has_host() => &pasted[pasted.find("/s/")?..],
        _ => pasted,
    };
    let path = path.trim_start_matches('/');
    let path = path.strip_prefix("s/").unwrap_or(path);
    let id = path.split(['/', '?', '#']).next()?;
    let plain = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
    (!id.is_empty() && id.len() <= ID && id.bytes().all(plain)).then_some(id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pasted_link_or_code_names_its_session() {
        for pasted in [
            "abc-1_D",
            " abc-1_D ",
            "/s/abc-1_D",
            "https://live.example.org/s/abc-1_D",
            "http://localhost:3000/s/abc-1_D/host?codec=vp8#top",
            "s/abc-1_D/",
        ] {
            assert_eq!(session_in(pasted), Some("abc-1_D"), "{pasted:?}");
        }
    }

    #[test]
    fn what_is_no_link_names_none() {
        for pasted in [
            "",
            " ",
            "https://evil.example/",
            "a b",
            "<script>",
            "https://x.example/s/",
        ] {
            assert_eq!(session_in(pasted), None, "{pasted:?}");
        }
    }
}
