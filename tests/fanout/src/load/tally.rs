//! What all viewers together have seen.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::feedback::Received;

/// Counts while something is measured, and how viewers joined.
#[derive(Default)]
pub(super) struct Tally {
    measuring: bool,
    received: u64,
    bytes: u64,
    lost: u64,
    nacks: u64,
    repaired: u64,
    decrypted: u64,
    /// Packets that a viewer should have been able to decrypt and was not.
    pub(super) undecryptable: u64,
    /// In microseconds.
    delays: Vec<u32>,
    joins: Vec<Duration>,
}

/// What the load reports about the time that was measured.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct Seen {
    /// Packets that reached viewers, each counted once.
    pub(crate) packets: u64,
    pub(crate) bytes: u64,
    /// Packets that never came, although they were asked for.
    pub(crate) lost: u64,
    /// Packets asked for, every time that they were.
    pub(crate) nacks: u64,
    /// Packets that came only when they were sent again.
    pub(crate) repaired: u64,
    pub(crate) decrypted: u64,
    pub(crate) undecryptable: u64,
    pub(crate) delay_p50_ms: f64,
    pub(crate) delay_p99_ms: f64,
    /// From the POST to the first packet, of the viewers that joined last.
    pub(crate) join_p50_ms: f64,
}

impl Tally {
    /// Begins to count.
    pub(super) fn measure(&mut self) {
        let joins = std::mem::take(&mut self.joins);
        *self = Tally {
            measuring: true,
            joins,
            ..Tally::default()
        };
    }

    pub(super) fn packet(
        &mut self,
        received: Received,
        bytes: usize,
        decrypted: bool,
        delay: Option<Duration>,
    ) {
        if !self.measuring || received == Received::Again {
            return;
        }
        self.received += 1;
        self.bytes += bytes as u64;
        self.repaired += u64::from(received == Received::Late);
        self.decrypted += u64::from(decrypted);
        self.delays
            .extend(delay.map(|delay| delay.as_micros() as u32));
    }

    pub(super) fn lost(&mut self, packets: u64) {
        self.lost += packets;
    }

    pub(super) fn nacks(&mut self, packets: u64) {
        self.nacks += packets;
    }

    pub(super) fn joined(&mut self, after: Duration) {
        self.joins.push(after);
    }

    /// How many have had their first packet since the last [`report`](Self::report).
    pub(super) fn newcomers(&self) -> usize {
        self.joins.len()
    }

    /// Ends counting.
    pub(super) fn report(&mut self) -> Seen {
        self.measuring = false;
        let mut delays = std::mem::take(&mut self.delays);
        delays.sort_unstable();
        let mut joins = std::mem::take(&mut self.joins);
        joins.sort_unstable();
        let percentile = |percent: usize| {
            let rank = (delays.len() * percent).div_ceil(100).max(1);
            delays
                .get(rank - 1)
                .map_or(f64::NAN, |micros| f64::from(*micros) / 1000.0)
        };
        Seen {
            packets: self.received,
            bytes: self.bytes,
            lost: self.lost,
            nacks: self.nacks,
            repaired: self.repaired,
            decrypted: self.decrypted,
            undecryptable: self.undecryptable,
            delay_p50_ms: percentile(50),
            delay_p99_ms: percentile(99),
            join_p50_ms: joins
                .get(joins.len() / 2)
                .map_or(f64::NAN, |join| join.as_secs_f64() * 1000.0),
        }
    }
}
