//! Carrying out effects at Livepeer: again and again, until they are done or have definitely failed.

use std::sync::Arc;
use std::time::Duration;

use livepeer::Error;
use session::{Effect, Slot, StreamSpec};

use super::store::Made;
use crate::streams::{Streams, StreamsError};
use crate::telemetry::Metrics;

/// The wait before the second attempt; it doubles from one to the next.
const FIRST_WAIT: Duration = Duration::from_millis(250);
/// The longest wait between attempts to end a stream, which are never given up: it would cost money.
const LONGEST_WAIT: Duration = Duration::from_secs(60);
/// After so many attempts somebody who waits for a stream is told that there is none. Together about eight seconds, and
/// what the client's own repetitions take.
const ATTEMPTS: u32 = 6;

/// What became of an effect.
#[derive(Clone)]
pub(super) enum Outcome {
    /// The stream exists, or why it does not, in words fit for a person.
    Provisioned(Result<Made, String>),
    /// The stream is gone.
    Ended,
}

/// What effects are carried out with.
#[derive(Clone)]
pub(super) struct Hands {
    pub(super) session: Arc<str>,
    pub(super) title: Arc<str>,
    pub(super) streams: Streams,
    pub(super) metrics: Arc<Metrics>,
}

impl Hands {
    /// Makes or ends a stream. `known` is the stream of its slot, where one is recorded; `again` says that an earlier
    /// run of the app may have begun with it.
    pub(super) async fn carry_out(
        self,
        effect: Effect,
        known: Option<Made>,
        again: bool,
    ) -> Outcome {
        match effect {
            Effect::Provision { slot, spec } => {
                Outcome::Provisioned(self.provision(&slot, &spec, again).await)
            }
            Effect::End { slot } => {
                self.end(&slot, known).await;
                Outcome::Ended
            }
            // The actor itself does the others.
            Effect::SetDeadline { .. } | Effect::ClearDeadline { .. } | Effect::Notice { .. } => {
                std::future::pending().await
            }
        }
    }

    async fn provision(&self, slot: &Slot, spec: &StreamSpec, again: bool) -> Result<Made, String> {
        let mut wait = FIRST_WAIT;
        let mut attempt = 1;
        loop {
            // An attempt that was not answered may have been carried out: what it made is taken, not made twice.
            let look_first = again || attempt > 1;
            let error = match self.find_or_create(slot, spec, look_first).await {
                Ok(made) => {
                    self.metrics.provisioned.inc();
                    tracing::info!(session = %self.session, %slot, stream = made.id, "stream made");
                    return Ok(made);
                }
                Err(error) => error,
            };
            let passing = matches!(&error, StreamsError::Livepeer(error) if error.is_retryable());
            if !passing || attempt == ATTEMPTS {
                self.metrics.failed.inc();
                tracing::error!(session = %self.session, %slot, %error, "no stream could be made");
                return Err(apology(&error).to_owned());
            }
            self.metrics.retried.inc();
            tracing::warn!(session = %self.session, %slot, %error, attempt, "a stream could not be made yet");
            let asked = match &error {
                StreamsError::Livepeer(error) => error.retry_after(),
                _ => None,
            };
            tokio::time::sleep(asked.unwrap_or(wait).min(LONGEST_WAIT)).await;
            wait *= 2;
            attempt += 1;
        }
    }

    async fn find_or_create(
        &self,
        slot: &Slot,
        spec: &StreamSpec,
        look_first: bool,
    ) -> Result<Made, StreamsError> {
        if look_first && let Some(made) = self.streams.found(&self.session, slot, spec).await? {
            return Ok(made);
        }
        self.streams
            .create(&self.session, &self.title, slot, spec)
            .await
    }

    async fn end(&self, slot: &Slot, known: Option<Made>) {
        let mut wait = FIRST_WAIT;
        while let Err(error) = self.try_end(slot, known.as_ref()).await {
            self.metrics.retried.inc();
            tracing::warn!(session = %self.session, %slot, %error, "a stream could not be ended yet");
            tokio::time::sleep(wait).await;
            wait = (wait * 2).min(LONGEST_WAIT);
        }
        tracing::info!(session = %self.session, %slot, "stream ended");
    }

    async fn try_end(&self, slot: &Slot, known: Option<&Made>) -> Result<(), Error> {
        if let Some(made) = known {
            self.streams.end(&made.id).await?;
            self.metrics.ended.inc();
            return Ok(());
        }
        // It was being made when it was not wanted any more: what has come of that is found by its tags.
        for stream in self.streams.find(&self.session, slot).await? {
            self.streams.end(&stream.id).await?;
            self.metrics.ended.inc();
        }
        Ok(())
    }
}

/// What a person is told when no stream could be made. Details are for the log: they may name the account.
fn apology(error: &StreamsError) -> &'static str {
    match error {
        StreamsError::Livepeer(error) if error.is_unauthorized() => {
            "Livepeer does not accept this app's key. Whoever runs the app has to mend that."
        }
        StreamsError::Livepeer(error) if error.is_retryable() => {
            "Livepeer cannot be reached at the moment. Try again in a minute."
        }
        _ => {
            "Livepeer could not make the stream. Try again, and tell whoever runs this app if it stays that way."
        }
    }
}
