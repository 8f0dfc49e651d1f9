//! A viewer whose link bears less than its video: what is sent keeps to the estimate, and what would come
//! too late is left out up to the next keyframe. The queue is the ring that is there anyway, so it costs
//! nothing and delays nobody; sound is never held back.

use std::time::{Duration, Instant};

use super::bandwidth::Bandwidth;

/// What is sent may exceed the estimate by so much, to find out whether there is more.
const PACE: f64 = 1.1;
/// Bytes that may leave at once after a pause: a train that shows what the link can do.
const BURST: f64 = 12_000.0;
/// Video that lags further behind the live edge than this is left out. More than a keyframe may be old
/// when it is gone on with.
pub(crate) const MAX_LAG: Duration = Duration::from_millis(700);
/// ... unless the link bears more than the video's rate, so that it catches up: then so much further.
pub(crate) const MAX_CATCH_UP: Duration = Duration::from_secs(2);
/// A joiner that has not come to the live edge by then, on a link that cannot bring it there, goes on with
/// the next keyframe.
pub(crate) const MAX_REPLAY: Duration = Duration::from_secs(2);
/// A publisher is asked for keyframes on behalf of such viewers no more often than this: each costs all the
/// others quality.
pub(crate) const KEYFRAMES: Duration = Duration::from_secs(3);

/// Of one viewer's video.
#[derive(Default)]
pub(crate) struct Pacer {
    budget: f64,
    at: Option<Instant>,
    held: bool,
    skipping: bool,
}

impl Pacer {
    /// Begins a turn: what has been saved up since the last one may go.
    pub(crate) fn refill(&mut self, now: Instant, bandwidth: &Bandwidth) {
        self.held = false;
        if !bandwidth.is_limited() {
            self.at = None;
            return;
        }
        let rate = PACE * bandwidth.estimate() as f64 / 8.0;
        self.budget = match self.at {
            Some(at) => {
                let elapsed = now.saturating_duration_since(at).as_secs_f64();
                (self.budget + elapsed * rate).min(BURST)
            }
            None => 0.0,
        };
        self.at = Some(now);
    }

    /// Whether the next packet has to wait.
    pub(crate) fn holds(&mut self, bandwidth: &Bandwidth) -> bool {
        self.held = bandwidth.is_limited() && (self.budget <= 0.0 || bandwidth.is_full());
        self.held
    }

    pub(crate) fn spend(&mut self, bytes: usize) {
        if self.at.is_some() {
            self.budget -= bytes as f64;
        }
    }

    /// Whether time alone brings more to send.
    pub(crate) fn is_held(&self) -> bool {
        self.held
    }

    /// Leaves out what is there, up to the next keyframe.
    pub(crate) fn skip(&mut self) {
        self.skipping = true;
    }

    pub(crate) fn is_skipping(&self) -> bool {
        self.skipping
    }

    /// There is a picture to go on with.
    pub(crate) fn resume(&mut self) {
        self.skipping = false;
    }
}
