//! Sessions at work: one actor for each, started when somebody needs it, ended when nobody does.
//!
//! Reading order: [`ask`] (what is asked), [`actor`] (the loop), [`step`] (what is done at once), [`store`] (what survives), [`effects`] (what is
//! done at Livepeer), [`audience`] (who is told what), [`reconcile`] (how Livepeer and we stay of one mind).

mod actor;
pub(crate) mod ask;
pub(crate) mod audience;
mod effects;
pub(crate) mod reconcile;
mod step;
pub(crate) mod store;
#[cfg(test)]
mod tests;
#[cfg(test)]
pub(crate) mod toy;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use session::{Opening, ParticipantId};
use tokio::sync::{Mutex, mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use self::actor::Actor;
use self::ask::{Ask, News};
use self::store::{Owned, Record};
use crate::clock;
use crate::kind::{Kind, Kinds};
use crate::secret::random_text;
use crate::store::{Store, StoreError};
use crate::streams::Streams;
use crate::telemetry::Metrics;

/// What may wait for one session. Whoever asks more waits in turn, so a flood slows down who sends it.
const INBOX: usize = 256;

/// Every session of this app. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Sessions {
    shared: Arc<Shared>,
}

/// What every session's actor works with.
pub(crate) struct Shared {
    kinds: Kinds,
    store: Store,
    streams: Streams,
    metrics: Arc<Metrics>,
    /// How long somebody without a connection counts as being there.
    leave: Duration,
    stopping: CancellationToken,
    actors: Mutex<HashMap<String, mpsc::Sender<Ask>>>,
    /// Each actor holds a clone; when all are gone, all have ended.
    running: std::sync::Mutex<Option<mpsc::Sender<()>>>,
    all_ended: Mutex<mpsc::Receiver<()>>,
}

/// Why a session cannot be asked.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unavailable {
    #[error("there is no such session")]
    Unknown,
    #[error("this app was built without the architecture {0:?}, which the session has")]
    NotBuiltIn(String),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("the app is stopping")]
    Stopping,
}

impl Unavailable {
    /// Whether this build will never be able to run the session: it lacks its architecture, or cannot read its state.
    fn lasts(&self) -> bool {
        matches!(
            self,
            Unavailable::NotBuiltIn(_) | Unavailable::Store(StoreError::Unreadable(_))
        )
    }
}

impl Sessions {
    /// No session at work yet.
    pub(crate) fn new(
        kinds: Kinds,
        store: Store,
        streams: Streams,
        metrics: Arc<Metrics>,
        leave: Duration,
    ) -> Sessions {
        let (running, all_ended) = mpsc::channel(1);
        Sessions {
            shared: Arc::new(Shared {
                kinds,
                store,
                streams,
                metrics,
                leave,
                stopping: CancellationToken::new(),
                actors: Mutex::default(),
                running: std::sync::Mutex::new(Some(running)),
                all_ended: Mutex::new(all_ended),
            }),
        }
    }

    /// What a session can be.
    pub(crate) fn kinds(&self) -> &Kinds {
        &self.shared.kinds
    }

    /// Creates a session, and gives its id.
    pub(crate) async fn create(
        &self,
        kind: &'static Kind,
        title: String,
        host: ParticipantId,
        host_name: String,
    ) -> Result<String, StoreError> {
        let record = Record {
            // Whoever knows the id may watch, so it must not be guessed: 128 bits.
            id: random_text::<16>(),
            kind: kind.name.to_owned(),
            title: title.clone(),
            host: host.0.clone(),
            host_name: host_name.clone(),
        };
        let id = record.id.clone();
        let opening = Opening {
            title,
            host,
            host_name,
        };
        let machine = self.shared.kinds.open(kind, opening)?;
        let state = machine.state()?;
        self.shared
            .store
            .run(move |connection| store::create(connection, &record, clock::now(), &state))
            .await?;
        tracing::info!(session = id, kind = kind.name, "session created");
        Ok(id)
    }

    /// What never changes about a session.
    pub(crate) async fn record(&self, id: &str) -> Result<Option<Record>, StoreError> {
        let id = id.to_owned();
        self.shared
            .store
            .run(move |connection| store::record(connection, &id))
            .await
    }

    /// Goes on with every session for which there is something to do.
    pub(crate) async fn wake_unfinished(&self) -> Result<(), StoreError> {
        let unfinished = self.shared.store.run(|c| store::unfinished(c)).await?;
        for id in unfinished {
            if let Err(error) = self.actor(&id).await {
                tracing::error!(session = id, %error, "a session could not be woken");
            }
        }
        Ok(())
    }

    /// Asks a session something, starting its actor if need be, and waits for the answer.
    pub(crate) async fn ask<T>(
        &self,
        id: &str,
        ask: impl Fn(oneshot::Sender<T>) -> Ask,
    ) -> Result<(T, mpsc::Sender<Ask>), Unavailable> {
        // An actor may end between our finding it and its hearing us; the second one has just been started.
        for _ in 0..3 {
            let actor = self.actor(id).await?;
            let (answer, answered) = oneshot::channel();
            if actor.send(ask(answer)).await.is_ok()
                && let Ok(answer) = answered.await
            {
                return Ok((answer, actor));
            }
            if self.shared.stopping.is_cancelled() {
                break;
            }
        }
        Err(Unavailable::Stopping)
    }

    /// Tells a session how one of its streams is. It is written when this returns.
    pub(crate) async fn observe(&self, owned: &Owned, news: News) -> Result<(), Unavailable> {
        self.ask(&owned.session, |answer| Ask::Observe {
            slot: owned.slot.clone(),
            stream_id: owned.stream_id.clone(),
            news,
            answer,
        })
        .await
        .map(drop)
    }

    /// Stops every actor, each after the step it is at. What they were doing is in the database.
    pub(crate) async fn stop(&self) {
        self.shared.stopping.cancel();
        if let Ok(mut running) = self.shared.running.lock() {
            running.take();
        }
        // Nobody sends: it ends when the last actor has dropped its clone.
        let _ = self.shared.all_ended.lock().await.recv().await;
    }

    async fn actor(&self, id: &str) -> Result<mpsc::Sender<Ask>, Unavailable> {
        // Held while loading, so that nobody else starts a second actor for the same session.
        let mut actors = self.shared.actors.lock().await;
        if let Some(actor) = actors.get(id)
            && !actor.is_closed()
        {
            return Ok(actor.clone());
        }
        let running = match self.shared.running.lock() {
            Ok(running) => running.clone(),
            Err(_) => None,
        };
        let running = running.ok_or(Unavailable::Stopping)?;
        let wanted = id.to_owned();
        let saved = self
            .shared
            .store
            .run(move |connection| store::load(connection, &wanted))
            .await?
            .ok_or(Unavailable::Unknown)?;
        let kind = self
            .shared
            .kinds
            .named(&saved.record.kind)
            .ok_or_else(|| Unavailable::NotBuiltIn(saved.record.kind.clone()))?;
        let machine = (kind.restore)(&saved.state).map_err(StoreError::from)?;
        let (actor, inbox) = mpsc::channel(INBOX);
        actors.insert(id.to_owned(), actor.clone());
        let task = Actor::new(Arc::clone(&self.shared), kind, machine, saved, inbox);
        let metrics = Arc::clone(&self.shared.metrics);
        tokio::spawn(async move {
            let _running = running;
            metrics.sessions.inc();
            let counted = Counted(metrics);
            task.run().await;
            drop(counted);
        });
        Ok(actor)
    }
}

impl Shared {
    /// Lets go of an actor that nobody needs, unless somebody has asked it something meanwhile.
    async fn unload(&self, id: &str, inbox: &mpsc::Receiver<Ask>) -> bool {
        let mut actors = self.actors.lock().await;
        if !inbox.is_empty() {
            return false;
        }
        actors.remove(id);
        true
    }
}

/// Counts an actor out, also when it panics.
struct Counted(Arc<Metrics>);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.sessions.dec();
    }
}
