//! For tests: one direction of a peer's link, with delay, jitter, loss, and a rate with a queue before
//! it. Time is the caller's, and chance is the same in every run.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// What the network does to datagrams one way. `default` delivers each at once.
#[derive(Default)]
pub(super) struct Wire {
    pub(super) delay: Duration,
    /// Up to so much more, for each by itself: they may overtake each other.
    pub(super) jitter: Duration,
    /// From 0 to 1.
    pub(super) loss: f64,
    /// In bits per second; `None` is without limit.
    pub(super) rate: Option<f64>,
    /// Bytes that may wait for the rate; what comes then is dropped.
    pub(super) queue: usize,
    /// Datagrams that found the queue full.
    pub(super) overflowed: u64,
    /// The longest that one waited for the rate.
    pub(super) longest: Duration,
    pub(super) bytes: u64,
    free: Option<Instant>,
    under_way: BTreeMap<(Instant, u64), Vec<u8>>,
    count: u64,
    chance: u64,
}

impl Wire {
    /// Takes a datagram at `now`. Given back if it arrives at once.
    pub(super) fn carry(&mut self, now: Instant, datagram: Vec<u8>) -> Option<Vec<u8>> {
        self.count += 1;
        let mut arrives = now;
        if let Some(rate) = self.rate {
            let free = self.free.unwrap_or(now).max(now);
            let waits = free.saturating_duration_since(now);
            if waits.as_secs_f64() * rate / 8.0 + datagram.len() as f64 > self.queue as f64 {
                self.overflowed += 1;
                return None;
            }
            self.longest = self.longest.max(waits);
            arrives = free + Duration::from_secs_f64(datagram.len() as f64 * 8.0 / rate);
            self.free = Some(arrives);
        }
        self.bytes += datagram.len() as u64;
        if self.chance() < self.loss {
            return None;
        }
        arrives += self.delay + self.jitter.mul_f64(self.chance());
        if arrives == now {
            return Some(datagram);
        }
        self.under_way.insert((arrives, self.count), datagram);
        None
    }

    /// What has arrived by now.
    pub(super) fn arrived(&mut self, now: Instant) -> Vec<Vec<u8>> {
        let later = self.under_way.split_off(&(now, u64::MAX));
        let arrived = std::mem::replace(&mut self.under_way, later);
        arrived.into_values().collect()
    }

    /// From 0 to 1.
    fn chance(&mut self) -> f64 {
        if self.chance == 0 {
            self.chance = 0x9e37_79b9_7f4a_7c15;
        }
        self.chance ^= self.chance << 13;
        self.chance ^= self.chance >> 7;
        self.chance ^= self.chance << 17;
        (self.chance % 1_000_000) as f64 / 1e6
    }
}
