//! Livepeer on your machine: Studio's HTTP API and a WebRTC engine in one process.
//!
//! What `livekit-server --dev` is to LiveKit: create streams, publish with WHIP, play with WHEP, lock playback with tokens,
//! hear of it through webhooks, all without an account. A client cannot tell it from Livepeer Studio but by the address;
//! where it differs, the README of this crate says so.
//!
//! ```no_run
//! # async fn run() -> Result<(), Box<dyn std::error::Error>> {
//! use livepeer_local::{Config, Local};
//!
//! let local = Local::start(Config::default()).await?;
//! let listener = tokio::net::TcpListener::bind("127.0.0.1:8888").await?;
//! axum::serve(listener, local.router()).await?;
//! local.shutdown().await;
//! # Ok(())
//! # }
//! ```
//!
//! Reading order: [`config`](Config); `tables` (what is kept) and `store` (the file it is kept in); `live` (what the engine
//! knows) and `state` (both together); `schema`, `body`, `error`, `auth` (what every API route needs); `streams`,
//! `stream_body`, `stream_list`, `playback`, `signing_keys`, `webhooks` (the API); `deliveries` (reports to webhooks); `gate` and `media`
//! (WHIP and WHEP, as `fidelity` says), `rate` (how often); `debug` and `metrics` (what it is doing); [`engine`] (the packets).

mod auth;
mod body;
mod config;
mod cors;
mod debug;
mod deliveries;
pub mod engine;
mod error;
mod fidelity;
mod gate;
mod gate_webhook;
mod ice_server;
mod ids;
mod live;
mod media;
mod metrics;
mod playback;
mod problem;
mod rate;
mod schema;
mod signing_keys;
mod state;
mod store;
mod stream_body;
mod stream_list;
mod streams;
mod tables;
mod trace;
mod webhooks;

use std::time::Duration;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::http::StatusCode;
use axum::middleware::{from_fn, from_fn_with_state};
use livepeer::ApiKey;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

pub use config::{Config, StartError};
pub use fidelity::Fidelity;
pub use ice_server::{IceServer, NotAnIceServer};
pub use rate::{Rate, RateLimits};

use crate::deliveries::Deliveries;
use crate::engine::{Engine, EngineConfig};
use crate::error::ApiError;
use crate::state::{Service, Shared, follow_engine};
use crate::store::Store;
use crate::tables::Tables;

/// How long [`Local::shutdown`] waits for a webhook that is being delivered.
const LAST_DELIVERY: Duration = Duration::from_secs(2);

/// A running local Livepeer. Its sessions and its tasks end at [`shutdown`](Local::shutdown), or when it is dropped.
pub struct Local {
    shared: Shared,
    follower: TaskTracker,
    stop: CancellationToken,
}

impl Local {
    /// Opens the state file, binds the engine's socket, and begins.
    ///
    /// # Errors
    ///
    /// See [`StartError`]; its words name the mend.
    pub async fn start(config: Config) -> Result<Local, StartError> {
        let web = matches!(config.base_url.scheme(), "http" | "https");
        if !web || config.base_url.query().is_some() || config.base_url.fragment().is_some() {
            return Err(StartError::BaseUrl(config.base_url));
        }
        let store = Store::open(&config.data, || {
            Tables::new(ids::uuid().into(), ids::uuid(), ids::uuid())
        })?;
        let engine = Engine::start(EngineConfig {
            udp: config.udp,
            tcp: config.tcp,
            advertise: config.advertise.clone(),
            threads: config.threads,
            viewers_per_thread: config.viewers_per_thread,
            max_sessions: config.max_sessions,
            trickle: config.fidelity.takes_patches(),
            strict: config.fidelity == Fidelity::Strict,
            handshake_deadline: config.handshake_deadline,
            ..EngineConfig::default()
        });
        let engine = engine.await.inspect_err(|_| store.close())?;

        let deliveries = Deliveries::new(store.clone(), config.webhook_retry);
        let events = engine.events();
        let shared = Service::new(config, store, engine, deliveries);
        let (follower, stop) = (TaskTracker::new(), CancellationToken::new());
        follower.spawn(follow_engine(shared.clone(), events, stop.clone()));
        Ok(Local {
            shared,
            follower,
            stop,
        })
    }

    /// The routes, relative to wherever they are mounted: `/api/…` and `/webrtc/…`. Mount them where
    /// [`Config::base_url`] says.
    ///
    /// Whoever mounts them must not log the path of a request: that of a publisher holds the stream key. They log
    /// themselves, by route.
    pub fn router(&self) -> Router {
        let shared = self.shared.clone();
        let keyed = streams::routes()
            .merge(playback::routes())
            .merge(signing_keys::routes())
            .merge(webhooks::routes())
            .route_layer(from_fn_with_state(shared.clone(), auth::require_api_key));
        let public = playback::public_routes().route_layer(from_fn(cors::open));
        let api = keyed
            .merge(public)
            .fallback(no_such_route)
            .method_not_allowed_fallback(no_such_method)
            .layer(DefaultBodyLimit::max(body::MAX_BODY));
        let media = media::routes(&shared)
            .route_layer(from_fn_with_state(shared.clone(), rate::limit))
            // Also on what is refused before it gets there.
            .layer(from_fn(cors::open));
        Router::new()
            .nest("/api", api)
            .merge(media)
            .merge(debug::routes(shared.clone()))
            .layer(from_fn(trace::log))
            .with_state(shared)
    }

    /// The engine, for its counters.
    pub fn engine(&self) -> &Engine {
        self.shared.engine()
    }

    /// The origin that browsers are sent on to under [`Fidelity::Studio`], for the content security policy of a page.
    pub fn redirects_to(&self) -> Option<String> {
        match self.shared.config().fidelity {
            Fidelity::Studio => media::origin_of_node(self.shared.config()),
            Fidelity::Lenient | Fidelity::Strict => None,
        }
    }

    /// What callers of the API must send: the configured key, or else the one in the state file.
    pub fn api_key(&self) -> &ApiKey {
        self.shared.api_key()
    }

    /// Ends every session, reports what that made idle, lets go of the state file. Returns when all of it is done; what
    /// was answered before is on disk.
    pub async fn shutdown(&self) {
        self.shared.engine().shutdown().await;
        self.stop.cancel();
        self.follower.close();
        self.follower.wait().await;
        self.shared.deliveries().close(LAST_DELIVERY).await;
        self.shared.store().close();
    }
}

impl Drop for Local {
    fn drop(&mut self) {
        self.stop.cancel();
        self.shared.deliveries().stop();
    }
}

impl std::fmt::Debug for Local {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Local")
            .field("config", self.shared.config())
            .finish_non_exhaustive()
    }
}

async fn no_such_route() -> ApiError {
    ApiError::new(
        StatusCode::NOT_FOUND,
        "not found: the Livepeer on this machine has streams, playback, ingest, signing keys and webhooks only",
    )
}

async fn no_such_method() -> ApiError {
    ApiError::new(
        StatusCode::METHOD_NOT_ALLOWED,
        "this method is not allowed here",
    )
}
