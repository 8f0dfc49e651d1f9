//! What every handler shares, and the task that follows the engine.

use std::collections::HashMap;
use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, Instant};

use livepeer::ApiKey;
use livepeer::webhook::Event;
use tokio::sync::Mutex;
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::{RecvError, TryRecvError};
use tokio_util::sync::CancellationToken;

use crate::config::Config;
use crate::deliveries::Deliveries;
use crate::engine::{Engine, Layer, Stats, StreamEvent, StreamName};
use crate::error::{ApiError, ApiResult};
use crate::ids::now_ms;
use crate::live::Live;
use crate::media::Subscriptions;
use crate::rate::RateLimiter;
use crate::store::{ChangeError, Store};
use crate::tables::{StreamRow, Tables};

/// A handle to everything; cheap to clone.
pub(crate) type Shared = Arc<Service>;

/// The parts of a running local Livepeer.
pub(crate) struct Service {
    config: Config,
    api_key: ApiKey,
    user_id: String,
    store: Store,
    live: Live,
    engine: Engine,
    deliveries: Deliveries,
    subscriptions: Subscriptions,
    /// What the engine said a moment ago.
    recent: Mutex<Option<Recent>>,
    rate: RateLimiter,
}

/// What the engine said at one moment, for all who ask soon after.
struct Recent {
    at: Instant,
    stats: Arc<Stats>,
    /// Of those streams that somebody has asked for.
    layers: HashMap<StreamName, Arc<[Layer]>>,
}

impl Service {
    /// Puts the parts together.
    pub(crate) fn new(
        config: Config,
        store: Store,
        engine: Engine,
        deliveries: Deliveries,
    ) -> Shared {
        let tables = store.read();
        Arc::new(Service {
            api_key: config
                .api_key
                .clone()
                .unwrap_or_else(|| tables.api_key.clone()),
            user_id: tables.user_id.clone(),
            live: Live::default(),
            rate: RateLimiter::new(config.rate),
            config,
            store,
            engine,
            deliveries,
            subscriptions: Subscriptions::default(),
            recent: Mutex::new(None),
        })
    }

    pub(crate) fn config(&self) -> &Config {
        &self.config
    }

    /// What callers of the API must send.
    pub(crate) fn api_key(&self) -> &ApiKey {
        &self.api_key
    }

    pub(crate) fn user_id(&self) -> &str {
        &self.user_id
    }

    pub(crate) fn engine(&self) -> &Engine {
        &self.engine
    }

    pub(crate) fn live(&self) -> &Live {
        &self.live
    }

    pub(crate) fn deliveries(&self) -> &Deliveries {
        &self.deliveries
    }

    pub(crate) fn subscriptions(&self) -> &Subscriptions {
        &self.subscriptions
    }

    /// The engine's counters, no older than `age`: however many ask, the engine is asked once in that time.
    pub(crate) async fn recent_stats(&self, age: Duration) -> Arc<Stats> {
        let mut recent = self.recent.lock().await;
        self.refresh(&mut recent, age).await.stats.clone()
    }

    /// A stream's layers, likewise.
    pub(crate) async fn recent_layers(&self, stream: &StreamName, age: Duration) -> Arc<[Layer]> {
        let mut recent = self.recent.lock().await;
        let recent = self.refresh(&mut recent, age).await;
        match recent.layers.get(stream) {
            Some(layers) => layers.clone(),
            None => {
                let layers: Arc<[Layer]> = self.engine.layers(stream).await.into();
                recent.layers.insert(stream.clone(), layers.clone());
                layers
            }
        }
    }

    async fn refresh<'a>(&self, recent: &'a mut Option<Recent>, age: Duration) -> &'a mut Recent {
        let now = Instant::now();
        let kept = recent.take();
        let fresh = match kept.filter(|kept| now.saturating_duration_since(kept.at) < age) {
            Some(kept) => kept,
            None => Recent {
                at: now,
                stats: Arc::new(self.engine.stats().await),
                layers: HashMap::new(),
            },
        };
        recent.insert(fresh)
    }

    /// How often who may ask.
    pub(crate) fn rate(&self) -> &RateLimiter {
        &self.rate
    }

    pub(crate) fn store(&self) -> &Store {
        &self.store
    }

    /// What is kept, as it is now.
    pub(crate) fn tables(&self) -> Arc<Tables> {
        self.store.read()
    }

    /// Changes what is kept; returns once it is on disk. If `change` refuses, nothing has changed.
    pub(crate) async fn change<T: Send + 'static>(
        &self,
        change: impl FnOnce(&mut Tables) -> ApiResult<T> + Send + 'static,
    ) -> ApiResult<T> {
        self.store
            .change(change)
            .await
            .map_err(|error| match error {
                ChangeError::Refused(refused) => refused,
                ChangeError::NotWritten(error) => ApiError::internal(error),
            })
    }
}

/// Finishes the work even if the caller hangs up meanwhile: a stream must not be suspended on disk and go on in the
/// engine.
pub(crate) async fn to_the_end<T: Send + 'static>(
    work: impl Future<Output = ApiResult<T>> + Send + 'static,
) -> ApiResult<T> {
    tokio::spawn(work)
        .await
        .unwrap_or_else(|error| Err(ApiError::internal(error)))
}

/// Keeps `isActive` and `lastSeen` in step with the engine and reports what happens, until `stop`.
pub(crate) async fn follow_engine(
    shared: Shared,
    mut events: Receiver<StreamEvent>,
    stop: CancellationToken,
) {
    loop {
        let event = tokio::select! {
            () = stop.cancelled() => break,
            event = events.recv() => event,
        };
        match event {
            Ok(event) => follow(&shared, event).await,
            Err(RecvError::Lagged(missed)) => {
                tracing::warn!(
                    missed,
                    "the engine's events came too fast; asking it what is live"
                );
                catch_up(&shared).await;
            }
            Err(RecvError::Closed) => return,
        }
    }
    // What the engine said before it stopped is still heard.
    loop {
        match events.try_recv() {
            Ok(event) => follow(&shared, event).await,
            Err(TryRecvError::Lagged(_)) => {}
            Err(TryRecvError::Empty | TryRecvError::Closed) => return,
        }
    }
}

async fn follow(shared: &Shared, event: StreamEvent) {
    match event {
        StreamEvent::Started { stream } => started(shared, stream.as_str()).await,
        StreamEvent::Diagnosed { stream, findings } => {
            let issues = findings.iter().map(ToString::to_string).collect();
            shared.live.diagnose(stream.as_str(), issues);
        }
        StreamEvent::Idle { stream } => idle(shared, stream.as_str()).await,
    }
}

async fn started(shared: &Shared, playback_id: &str) {
    let tables = shared.tables();
    let Some(row) = tables.stream_by_playback(playback_id) else {
        // Deleted while its publisher was connecting.
        shared
            .engine
            .end_stream(&StreamName::from(playback_id))
            .await;
        return;
    };
    if shared.live.start(playback_id) {
        tracing::info!(stream = %row.stream.id, "stream started");
        shared
            .deliveries
            .report(Event::STREAM_STARTED, &shared.live.show(row));
        seen_now(shared, &row.stream.id).await;
    }
}

async fn idle(shared: &Shared, playback_id: &str) {
    // First on disk when it was last seen, then no longer active: a reader between the two never sees that time go back.
    if let Some(row) = shared.tables().stream_by_playback(playback_id) {
        seen_now(shared, &row.stream.id).await;
    }
    let Some(deleted) = shared.live.stop(playback_id) else {
        return;
    };
    let kept = shared.tables().stream_by_playback(playback_id).cloned();
    let Some(mut row) = kept.or(deleted) else {
        return;
    };
    Arc::make_mut(&mut row).stream.last_seen = now_ms();
    tracing::info!(stream = %row.stream.id, "stream idle");
    shared
        .deliveries
        .report(Event::STREAM_IDLE, &shared.live.show(&row));
}

/// Best effort: a disk that is full must not stop the picture.
async fn seen_now(shared: &Shared, id: &str) {
    let id = id.to_owned();
    let now = now_ms();
    let written = shared.store.change(move |tables| {
        let Some(mut row) = tables.stream(&id).map(|row| StreamRow::clone(row)) else {
            return Ok(());
        };
        row.stream.last_seen = now;
        tables.put_stream(row)
    });
    if written.await.is_err() {
        tracing::warn!("when the stream was last seen could not be written");
    }
}

async fn catch_up(shared: &Shared) {
    let stats = shared.engine.stats().await;
    let live = |name: &str| {
        stats
            .streams
            .get(&StreamName::from(name))
            .is_some_and(|s| s.live)
    };
    for playback_id in shared.live.all() {
        if !live(&playback_id) {
            idle(shared, &playback_id).await;
        }
    }
    for (name, stream) in &stats.streams {
        if stream.live {
            started(shared, name.as_str()).await;
        }
    }
}
