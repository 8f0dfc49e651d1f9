//! The pages, and what there is instead of one when something is wrong.

pub(crate) mod home;
pub(crate) mod name;
pub(crate) mod room;

use askama::Template;
use axum::Json;
use axum::http::header::{CACHE_CONTROL, RETRY_AFTER};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{Html, IntoResponse, Response};
use serde_json::json;

use crate::security::wants_html;
use crate::sessions::Unavailable;
use crate::store::StoreError;
use crate::streams::StreamsError;

/// Why somebody does not get what they asked for, in words fit for them. What is internal is logged, not told.
#[derive(Debug)]
pub(crate) enum Problem {
    NoSuchPage,
    NoSuchSession,
    NotTheHost,
    ForeignOrigin,
    /// The request itself is wrong: nothing that a person does on our pages.
    Malformed(StatusCode, String),
    /// The View does not grant it.
    NotInView,
    LivepeerAway,
    TooSlow,
    Restarting,
    Internal,
}

#[derive(Template)]
#[template(path = "message.html")]
struct Message {
    status: u16,
    title: &'static str,
    text: String,
    action_label: &'static str,
    action_href: &'static str,
}

impl Problem {
    fn words(&self) -> (StatusCode, &'static str, &str) {
        match self {
            Problem::NoSuchPage => (
                StatusCode::NOT_FOUND,
                "There is no such page",
                "The address may be misspelt, or the page has moved.",
            ),
            Problem::NoSuchSession => (
                StatusCode::NOT_FOUND,
                "There is no such session",
                "Ask whoever invited you for the link again: a letter may be missing.",
            ),
            Problem::NotTheHost => (
                StatusCode::FORBIDDEN,
                "This is the host's page",
                "Only the browser in which this session was created can host it.",
            ),
            Problem::ForeignOrigin => (
                StatusCode::FORBIDDEN,
                "This came from another site",
                "For your safety, only this app's own pages may do that.",
            ),
            Problem::Malformed(status, words) => (*status, "That cannot be understood", words),
            Problem::NotInView => (
                StatusCode::FORBIDDEN,
                "Not now",
                "This stream is not yours to publish or play at this moment.",
            ),
            Problem::LivepeerAway => (
                StatusCode::SERVICE_UNAVAILABLE,
                "Livepeer does not answer",
                "Try again in a moment.",
            ),
            Problem::TooSlow => (
                StatusCode::SERVICE_UNAVAILABLE,
                "This takes too long",
                "Try again in a moment.",
            ),
            Problem::Restarting => (
                StatusCode::SERVICE_UNAVAILABLE,
                "The server is restarting",
                "Try again in a moment.",
            ),
            Problem::Internal => (
                StatusCode::INTERNAL_SERVER_ERROR,
                "Something went wrong here",
                "It is not your fault, and it has been noted. Try again in a moment.",
            ),
        }
    }

    /// As a page for people, or as JSON for scripts.
    pub(crate) fn answer(&self, html: bool) -> Response {
        let (status, title, text) = self.words();
        let mut response = if html {
            let message = Message {
                status: status.as_u16(),
                title,
                text: text.to_owned(),
                action_label: "To the start page",
                action_href: "/",
            };
            (status, page(&message)).into_response()
        } else {
            (status, Json(json!({ "error": text }))).into_response()
        };
        if status == StatusCode::SERVICE_UNAVAILABLE {
            response.headers_mut().insert(RETRY_AFTER, 2.into());
        }
        response
    }
}

/// What is answered to a page's script when it fails.
pub(crate) struct ScriptProblem(Problem);

impl From<Problem> for ScriptProblem {
    fn from(problem: Problem) -> Self {
        ScriptProblem(problem)
    }
}

impl IntoResponse for ScriptProblem {
    fn into_response(self) -> Response {
        self.0.answer(false)
    }
}

/// What pages answer when they fail.
pub(crate) struct PageProblem(pub(crate) Problem);

impl<P: Into<Problem>> From<P> for PageProblem {
    fn from(problem: P) -> Self {
        PageProblem(problem.into())
    }
}

impl IntoResponse for PageProblem {
    fn into_response(self) -> Response {
        self.0.answer(true)
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        tracing::error!(%error, "a request failed");
        Problem::Internal
    }
}

impl From<Unavailable> for Problem {
    fn from(error: Unavailable) -> Self {
        match error {
            Unavailable::Unknown => Problem::NoSuchSession,
            Unavailable::Stopping => Problem::Restarting,
            Unavailable::NotBuiltIn(_) => {
                tracing::error!(%error, "a request failed");
                Problem::Internal
            }
            Unavailable::Store(error) => error.into(),
        }
    }
}

impl From<StreamsError> for Problem {
    fn from(error: StreamsError) -> Self {
        tracing::error!(%error, "Livepeer gave no credential");
        match error {
            StreamsError::Livepeer(_) => Problem::LivepeerAway,
            _ => Problem::Internal,
        }
    }
}

/// Renders a page. Pages show what holds for one person at one moment, so nobody keeps them.
fn page(template: &impl Template) -> Response {
    match template.render() {
        Ok(html) => ([(CACHE_CONTROL, "no-store")], Html(html)).into_response(),
        Err(error) => {
            tracing::error!(%error, "a page could not be rendered");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

/// What answers where no route does.
pub(crate) async fn no_such_page(headers: HeaderMap) -> Response {
    Problem::NoSuchPage.answer(wants_html(&headers))
}
