//! `/webrtc/{streamKey}` is WHIP (RFC 9725), and so is `/webrtc/whip` with the key as a bearer token; `/webrtc/{playbackId}`
//! is WHEP, `/webrtc/session/{id}` is a session of either.
//!
//! Reading order: `endpoint` (an offer and its answer), `session` (what comes after), `sent` (bodies), `etag`, `owner`;
//! `events`, `subscriptions` and `layers` (what a player is told and may choose meanwhile);
//! `studio` (as it is at Livepeer's nodes).

mod endpoint;
mod etag;
mod events;
mod layers;
mod owner;
mod sent;
mod session;
mod studio;
mod subscriptions;

pub(crate) use studio::origin_of_node;
pub(crate) use subscriptions::Subscriptions;

use axum::Router;
use axum::http::HeaderName;
use axum::middleware::{from_fn, from_fn_with_state};

use crate::cors;
use crate::fidelity::Fidelity;
use crate::state::Shared;

const ACCEPT_PATCH: HeaderName = HeaderName::from_static("accept-patch");

/// The routes, relative to the mount. Any page may use them: what they ask for is not a cookie.
pub(crate) fn routes(shared: &Shared) -> Router<Shared> {
    let routes = Router::new().route("/webrtc/{name}", endpoint::named());
    let routes = match shared.config().fidelity {
        Fidelity::Lenient | Fidelity::Strict => routes
            .route("/webrtc/whip", endpoint::keyed())
            .route("/webrtc/session/{id}", session::session())
            .route("/webrtc/session/{id}/layer", layers::layer())
            .route("/webrtc/session/{id}/events", events::subscriptions())
            .route(
                "/webrtc/session/{id}/events/{subscription}",
                events::subscription(),
            ),
        Fidelity::Studio => routes
            .route("/webrtc/{name}/{id}", studio::session())
            .layer(from_fn_with_state(shared.clone(), studio::as_there)),
    };
    routes.layer(from_fn(cors::open))
}
