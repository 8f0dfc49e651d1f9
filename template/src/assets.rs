//! The files in `static/`, which the program carries within it, so that it runs from anywhere.

use std::hash::{DefaultHasher, Hash, Hasher};

use axum::Router;
use axum::extract::Path;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, ETAG, IF_NONE_MATCH};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::get;

use crate::app::App;
use crate::pages::Problem;
use crate::security::wants_html;

/// Each file by its name, for the compiler to read in.
macro_rules! files {
    ($($name:literal)*) => {
        const FILES: &[(&str, &[u8])] = &[
            $(($name, include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/static/", $name)))),*
        ];
    };
}

// A new file in `static/` goes here; a test tells if it was forgotten.
files! {
    "app.css"
    "buttons.js"
    "card.js"
    "connection.js"
    "credentials.js"
    "devices.js"
    "exchange.js"
    "favicon.svg"
    "level.js"
    "name.js"
    "page.js"
    "panel.js"
    "peer.js"
    "people.js"
    "ring.js"
    "session.css"
    "session.js"
    "silence.js"
    "sources.js"
    "stage.css"
    "stage.js"
    "stats.js"
    "ticks.js"
    "tile.js"
    "view.js"
    "whep.js"
    "whip.js"
}

/// Where the files are.
pub(crate) fn routes() -> Router<App> {
    Router::new().route("/static/{name}", get(file))
}

async fn file(Path(name): Path<String>, headers: HeaderMap) -> Response {
    let Some((name, bytes)) = FILES.iter().find(|(known, _)| *known == name) else {
        return Problem::NoSuchPage.answer(wants_html(&headers));
    };
    let tag = tag(bytes);
    // Asked for every time and rarely sent twice: a new version of the app never runs with old scripts.
    let caching = [(CACHE_CONTROL, "no-cache".to_owned()), (ETAG, tag.clone())];
    let known = headers
        .get(IF_NONE_MATCH)
        .and_then(|tags| tags.to_str().ok());
    if known.is_some_and(|tags| tags.contains(&tag)) {
        return (StatusCode::NOT_MODIFIED, caching).into_response();
    }
    (caching, [(CONTENT_TYPE, media_type(name))], *bytes).into_response()
}

/// Says whether two versions of a file are the same. Not a safeguard: everybody may read these files.
fn tag(bytes: &[u8]) -> String {
    let mut hasher = DefaultHasher::new();
    bytes.hash(&mut hasher);
    format!("\"{:x}\"", hasher.finish())
}

fn media_type(name: &str) -> &'static str {
    match name.rsplit_once('.') {
        Some((_, "css")) => "text/css; charset=utf-8",
        Some((_, "js")) => "text/javascript; charset=utf-8",
        Some((_, "svg")) => "image/svg+xml",
        _ => "application/octet-stream",
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn every_file_is_carried() {
        let folder = std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/static")).unwrap();
        let mut there: Vec<String> = folder
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        there.sort();
        let carried: Vec<&str> = FILES.iter().map(|(name, _)| *name).collect();
        assert_eq!(carried, there);
    }

    #[test]
    fn every_file_has_a_type() {
        for (name, _) in FILES {
            assert_ne!(media_type(name), "application/octet-stream", "{name}");
        }
    }
}
