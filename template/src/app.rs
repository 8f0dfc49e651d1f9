//! The one wiring file: what there is, what it is made of, in which order it starts and stops.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use axum::extract::DefaultBodyLimit;
use axum::http::HeaderValue;
use axum::middleware::{from_fn, from_fn_with_state};
use axum::serve::ListenerExt as _;
use axum::{Router, serve};
use axum_extra::extract::cookie::Key;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use url::Url;

use crate::config::Config;
use crate::embedded::{self, Embedded};
use crate::health::Health;
use crate::kind::{Kind, Kinds};
use crate::sessions::Sessions;
use crate::store::{Store, StoreError};
use crate::streams::{Streams, StreamsError};
use crate::telemetry::Metrics;
use crate::{
    assets, credentials, doctor, health, identity, live, pages, security, telemetry, webhooks,
};

/// Livepeer's own address, for builds without an embedded one.
pub(crate) const STUDIO: &str = "https://livepeer.studio/api";
/// The largest request that our own routes take, in bytes. Forms and credentials are a few hundred.
const LARGEST: usize = 16 * 1024;
/// How long each part of the app may take to stop. Together they stay within five seconds.
const STOPPING: Duration = Duration::from_millis(1500);

/// What every handler works with. Cheap to clone.
#[derive(Clone)]
pub(crate) struct App {
    inner: Arc<Inner>,
}

pub(crate) struct Inner {
    /// Where browsers reach the app.
    pub(crate) public_url: Url,
    /// What cookies are signed with.
    pub(crate) key: Key,
    pub(crate) store: Store,
    pub(crate) streams: Streams,
    pub(crate) sessions: Sessions,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) health: Health,
    /// Cancelled when the app stops: connections close with words.
    pub(crate) stopping: CancellationToken,
    content_policy: OnceLock<HeaderValue>,
}

impl std::ops::Deref for App {
    type Target = Inner;

    fn deref(&self) -> &Inner {
        &self.inner
    }
}

impl App {
    /// An address of ours as others see it.
    pub(crate) fn address(&self, path: &str) -> String {
        format!("{}{path}", self.public_url)
    }

    /// What pages may load and reach, once it is known where Livepeer takes media.
    pub(crate) fn content_policy(&self) -> Option<HeaderValue> {
        self.content_policy.get().cloned()
    }
}

/// Everything that answers requests.
fn router(app: App, embedded: Option<&Embedded>) -> Router {
    let own = Router::new()
        .merge(pages::home::routes())
        .merge(pages::room::routes())
        .merge(pages::name::routes())
        .merge(credentials::routes())
        .merge(assets::routes())
        .merge(health::routes())
        .layer(DefaultBodyLimit::max(LARGEST))
        .layer(from_fn(security::time_limit))
        .merge(live::routes())
        .fallback(pages::no_such_page)
        .layer(from_fn_with_state(app.clone(), security::same_origin))
        // Not from our pages, but signed.
        .merge(webhooks::routes())
        .layer(from_fn_with_state(app.clone(), security::headers))
        .layer(from_fn(telemetry::request))
        .with_state(app);
    match embedded {
        // Outside of our layers: it is another's server, which happens to have this port too.
        Some(livepeer) => Router::new()
            .nest(embedded::MOUNT, livepeer.router())
            .merge(own),
        None => own,
    }
}

/// Why the app does not start, in words that name the mend.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The address is not to be had.
    #[error(
        "LISTEN {address} cannot be used: {why}. Stop whatever has it, or choose another port."
    )]
    Listen {
        /// The configured address.
        address: SocketAddr,
        /// What the system said.
        why: std::io::Error,
    },
    /// The architectures cannot be used as they are configured.
    #[error("{0}")]
    Kinds(String),
    /// The database cannot be used.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The Livepeer built in does not start.
    #[error(
        "the built-in Livepeer does not start: {0}. LIVEPEER_LOCAL_UDP sets its port; LIVEPEER_API_URL another Livepeer."
    )]
    Embedded(String),
    /// Livepeer does not answer, or not to us.
    #[error("{0}")]
    Livepeer(String),
}

/// The app at work.
pub struct Running {
    /// The address that it listens on.
    pub address: SocketAddr,
    /// Where browsers reach it.
    pub public_url: Url,
    app: App,
    shutdown: CancellationToken,
    server: JoinHandle<std::io::Result<()>>,
    reconciler: JoinHandle<()>,
    embedded: Option<Embedded>,
}

/// Starts the app with those architectures, usually [`KINDS`](crate::KINDS). It stops when `shutdown` is cancelled; [`Running::stopped`] waits for that.
///
/// # Errors
///
/// [`StartError`] says what is in the way and how to mend it. Nothing is left running then.
pub async fn start(
    config: Config,
    kinds: &'static [Kind],
    shutdown: CancellationToken,
) -> Result<Running, StartError> {
    let kinds = Kinds::new(kinds, &config.policy).map_err(StartError::Kinds)?;
    let store = Store::open(&config.data_dir)?;
    let refuse = |why| StartError::Listen {
        address: config.listen,
        why,
    };
    // The port must be known before anything is told where it can be reached.
    let listener = TcpListener::bind(config.listen).await.map_err(refuse)?;
    let address = listener.local_addr().map_err(refuse)?;
    let public_url = config.public_url(address);

    let embedded = Embedded::start(&config, &public_url)
        .await
        .map_err(|error| StartError::Embedded(error.to_string()))?;
    let app = wire(
        &config,
        kinds,
        store,
        address,
        &public_url,
        embedded.as_ref(),
    )
    .await?;
    let router = router(app.clone(), embedded.as_ref());
    // Small messages must not wait for one another.
    let listener = listener.tap_io(|connection| {
        let _ = connection.set_nodelay(true);
    });
    // With the address that each request is from, by which the embedded Livepeer counts.
    let service = router.into_make_service_with_connect_info::<SocketAddr>();
    let stopping = app.stopping.clone();
    let server = tokio::spawn(
        serve(listener, service)
            .with_graceful_shutdown(stopping.cancelled_owned())
            .into_future(),
    );
    let told_to_stop = shutdown.clone();
    let mut running = Running {
        address,
        public_url,
        reconciler: tokio::spawn(std::future::ready(())),
        app,
        shutdown,
        server,
        embedded,
    };
    // From here on the embedded Livepeer answers as well.
    let begun = tokio::select! {
        begun = running.begin(&config) => begun,
        // While Livepeer keeps it waiting; what has started so far is stopped like anything else.
        () = told_to_stop.cancelled() => Ok(()),
    };
    if let Err(error) = begun {
        running.stop().await;
        return Err(error);
    }
    Ok(running)
}

async fn wire(
    config: &Config,
    kinds: Kinds,
    store: Store,
    address: SocketAddr,
    public_url: &Url,
    embedded: Option<&Embedded>,
) -> Result<App, StartError> {
    let metrics = Metrics::new();
    let api = match (&config.livepeer_api_url, embedded) {
        (Some(url), _) => url.to_string(),
        (None, Some(_)) => format!("http://{}{}/api", within_reach(address), embedded::MOUNT),
        (None, None) => STUDIO.to_owned(),
    };
    let api = Url::parse(&api).map_err(|error| StartError::Livepeer(error.to_string()))?;
    let configured = config.livepeer_api_key.clone();
    let key = configured.or_else(|| embedded.map(Embedded::api_key));
    let key = key.ok_or_else(|| StartError::Livepeer(doctor::no_key(&api)))?;
    let renditions = config.livepeer_renditions.clone();
    let streams = Streams::new(api, key, renditions, store.clone(), Arc::clone(&metrics))
        .await
        .map_err(streams_failed)?;
    Ok(App {
        inner: Arc::new(Inner {
            public_url: public_url.clone(),
            key: identity::signing_key(config, &store).await?,
            sessions: Sessions::new(
                kinds,
                store.clone(),
                streams.clone(),
                Arc::clone(&metrics),
                config.leave(),
            ),
            store,
            streams,
            metrics,
            health: Health::default(),
            stopping: CancellationToken::new(),
            content_policy: OnceLock::new(),
        }),
    })
}

impl Running {
    /// What is done once the server answers.
    async fn begin(&mut self, config: &Config) -> Result<(), StartError> {
        let streams = &self.app.streams;
        let refused = |error| StartError::Livepeer(doctor::words(&error, streams.api()));
        streams.check().await.map_err(refused)?;
        let mut ingest = streams.ingest_origin().await.map_err(streams_failed)?;
        if let Some(node) = self.embedded.as_ref().and_then(Embedded::redirects_to) {
            ingest = format!("{ingest} {node}");
        }
        if let Some(policy) = security::content_policy(&self.public_url, &ingest) {
            let _ = self.app.content_policy.set(policy);
        }
        let mut webhook = self.public_url.clone();
        webhook.set_path(webhooks::PATH);
        if let Err(error) = streams.register_webhook(webhook).await {
            tracing::warn!(%error, "no webhook at Livepeer; the app asks every few seconds instead");
        }
        self.app.sessions.wake_unfinished().await?;
        let mended = Duration::from_secs(config.mended_seconds);
        let sessions = self.app.sessions.clone();
        self.reconciler = tokio::spawn(sessions.reconcile(config.poll(), mended));
        Ok(())
    }

    /// Waits until `shutdown` is cancelled and everything has stopped. Streams are not ended by it: the show goes on
    /// when the app is back.
    pub async fn stopped(mut self) {
        tokio::select! {
            () = self.shutdown.cancelled() => {}
            ended = &mut self.server => tracing::error!(?ended, "the server has ended by itself"),
        }
        self.stop().await;
    }

    async fn stop(&mut self) {
        tracing::info!("stopping");
        self.app.stopping.cancel();
        self.reconciler.abort();
        // Pages hear that the server restarts, and come back by themselves.
        if !self.server.is_finished() && timeout(STOPPING, &mut self.server).await.is_err() {
            self.server.abort();
        }
        if timeout(STOPPING, self.app.sessions.stop()).await.is_err() {
            tracing::warn!("a session took too long to stop; it goes on from its last step");
        }
        if let Some(livepeer) = &self.embedded
            && timeout(STOPPING, livepeer.shutdown()).await.is_err()
        {
            tracing::warn!("the built-in Livepeer took too long to stop");
        }
        self.app.store.close().await;
    }
}

/// The address at which this very machine reaches a listener.
fn within_reach(listening: SocketAddr) -> SocketAddr {
    let ip = match listening.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, listening.port())
}

fn streams_failed(error: StreamsError) -> StartError {
    match error {
        StreamsError::Store(error) => error.into(),
        error => StartError::Livepeer(error.to_string()),
    }
}
