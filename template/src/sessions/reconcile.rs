//! Keeps Livepeer and this app of one mind, whatever was lost on the way.
//!
//! Webhooks tell sooner, where they arrive; nothing depends on them. Every look compares what Livepeer has with what the
//! sessions own: differences become news for the sessions, and a stream that no session owns is ended, since somebody
//! would pay for it.

use std::collections::HashMap;
use std::time::Duration;

use livepeer::studio::Stream;
use rusqlite::params;
use tokio::time::{Instant, MissedTickBehavior};

use super::ask::News;
use super::store::{self, Owned};
use super::{Sessions, Unavailable};
use crate::clock;
use crate::store::StoreError;
use crate::streams::{self, StreamsError};

/// How often to look when no stream is out, and whether the signing key still holds. Arbitrary.
const SWEEP: Duration = Duration::from_secs(60);
/// How long webhook deliveries are remembered: Livepeer gives up repeating one within two days.
const DELIVERIES_MS: u64 = 3 * 24 * 60 * 60 * 1000;

#[derive(Debug, thiserror::Error)]
pub(crate) enum ReconcileError {
    #[error(transparent)]
    Livepeer(#[from] livepeer::Error),
    #[error(transparent)]
    Streams(#[from] StreamsError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Session(#[from] Unavailable),
}

impl Sessions {
    /// Looks every `poll` while streams are out, and every minute anyhow. A session that cannot be run may be `mended`
    /// for so long before its streams are ended. Never returns.
    pub(crate) async fn reconcile(self, poll: Duration, mended: Duration) {
        let mended = Instant::now() + mended;
        let mut ticks = tokio::time::interval(poll);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut swept: Option<Instant> = None;
        let mut well = true;
        loop {
            ticks.tick().await;
            let sweep = swept.is_none_or(|at| at.elapsed() >= SWEEP);
            match self.look(sweep, mended).await {
                Ok(()) => {
                    if sweep {
                        swept = Some(Instant::now());
                    }
                    if !std::mem::replace(&mut well, true) {
                        tracing::info!("Livepeer and the sessions are of one mind again");
                    }
                }
                // Told once, not every few seconds.
                Err(error) if std::mem::replace(&mut well, false) => {
                    tracing::warn!(%error, "cannot compare with Livepeer; trying again");
                }
                Err(_) => {}
            }
        }
    }

    async fn look(&self, sweep: bool, mended: Instant) -> Result<(), ReconcileError> {
        let owned = self.shared.store.run(|c| store::owned(c)).await?;
        if owned.is_empty() && !sweep {
            return Ok(());
        }
        // What a session learns after this moment is newer than what we are about to hear.
        let asked = Instant::now();
        let there = self.shared.streams.mine().await?;
        let by_id: HashMap<&str, &Stream> = there.iter().map(|s| (s.id.as_str(), s)).collect();
        for one in &owned {
            let stream = by_id.get(one.stream_id.as_str()).copied();
            match self.compare(one, stream, asked).await {
                // One session that cannot be run must not keep the others from being looked after.
                Err(ReconcileError::Session(error)) if error.lasts() => {
                    let left = mended.saturating_duration_since(Instant::now());
                    if left.is_zero() {
                        self.give_up(one, &error).await?;
                    } else if sweep {
                        // Told once in a while, not every few seconds.
                        let (session, seconds) = (&one.session, left.as_secs());
                        tracing::warn!(session, %error, seconds, "unless that is mended, its stream is ended");
                    }
                }
                compared => compared?,
            }
        }
        self.end_orphans(&there).await?;
        if sweep {
            self.shared.streams.renew_signing_key().await?;
            self.forget_deliveries().await?;
        }
        Ok(())
    }

    async fn compare(
        &self,
        owned: &Owned,
        there: Option<&Stream>,
        asked: Instant,
    ) -> Result<(), ReconcileError> {
        let news = match there {
            // An operator has put an end to it; the next look finds that nobody owns it.
            Some(stream) if stream.suspended => News::Gone,
            Some(stream) => News::Seen {
                active: stream.is_active,
                at: asked,
            },
            // It may be younger than the list. Only Livepeer's own word counts.
            None => match self.shared.streams.get(&owned.stream_id).await? {
                Some(_) => return Ok(()),
                None => News::Gone,
            },
        };
        Ok(self.observe(owned, news).await?)
    }

    /// Ends a stream whose session cannot be run, when nobody has mended that in time: by running the version again that
    /// wrote it, or with the Cargo feature that it needs.
    async fn give_up(&self, owned: &Owned, error: &Unavailable) -> Result<(), ReconcileError> {
        let (session, stream) = (&owned.session, &owned.stream_id);
        tracing::warn!(session, stream, %error, "ending a stream whose session cannot be run");
        self.shared.streams.end(stream).await?;
        let id = stream.clone();
        Ok(self
            .shared
            .store
            .run(move |c| store::disown(c, &id))
            .await?)
    }

    /// Ends what Livepeer has of ours and no session owns.
    async fn end_orphans(&self, there: &[Stream]) -> Result<(), ReconcileError> {
        // Read after the list was: a stream made meanwhile is not on it, and one on it is in either of these.
        let (owned, making) = self
            .shared
            .store
            .run(|c| Ok((store::owned(c)?, store::in_the_making(c)?)))
            .await?;
        for stream in there {
            let place = streams::place(stream);
            let is_owned = owned.iter().any(|owned| owned.stream_id == stream.id);
            let is_making = place.as_ref().is_some_and(|(session, slot)| {
                making.iter().any(|(s, made)| s == session && made == slot)
            });
            // Or it was ended since the list was made.
            if is_owned || is_making || self.shared.streams.get(&stream.id).await?.is_none() {
                continue;
            }
            tracing::warn!(stream = stream.id, "ending a stream that no session owns");
            self.shared.streams.end(&stream.id).await?;
            self.shared.metrics.orphans.inc();
        }
        Ok(())
    }

    async fn forget_deliveries(&self) -> Result<(), StoreError> {
        let before = clock::now().0.saturating_sub(DELIVERIES_MS);
        self.shared
            .store
            .run(move |connection| {
                connection.execute("DELETE FROM deliveries WHERE at < ?1", params![before])?;
                Ok(())
            })
            .await
    }

    /// Who owns a stream at Livepeer.
    pub(crate) async fn owner(&self, stream_id: String) -> Result<Option<Owned>, StoreError> {
        self.shared
            .store
            .run(move |connection| store::owner(connection, &stream_id))
            .await
    }

    /// Whether a webhook delivery was taken in already.
    pub(crate) async fn delivered(&self, id: String) -> Result<bool, StoreError> {
        self.shared
            .store
            .run(move |connection| {
                let mut statement =
                    connection.prepare_cached("SELECT 1 FROM deliveries WHERE id = ?1")?;
                Ok(statement.exists([id])?)
            })
            .await
    }

    /// Remembers that a webhook delivery was taken in.
    pub(crate) async fn remember_delivery(&self, id: String) -> Result<(), StoreError> {
        self.shared
            .store
            .run(move |connection| {
                connection.execute(
                    "INSERT OR IGNORE INTO deliveries (id, at) VALUES (?1, ?2)",
                    params![id, clock::now().0],
                )?;
                Ok(())
            })
            .await
    }
}
