//! A rate over a short, sliding window.

/// Slots of a meter, and their length in microseconds.
const SLOTS: i64 = 8;
const SLOT: i64 = 50_000;

/// Bits per second over the last third of a second.
#[derive(Default)]
pub(crate) struct Meter {
    slots: [u32; SLOTS as usize],
    first: Option<i64>,
    /// The microsecond of the newest.
    pub(crate) newest: i64,
}

impl Meter {
    /// Bytes at this microsecond of some clock.
    pub(crate) fn add(&mut self, at: i64, bytes: usize) {
        let slot = at.div_euclid(SLOT);
        if self.first.is_none() {
            self.first = Some(slot);
            self.newest = at;
        }
        let newest = self.newest.div_euclid(SLOT);
        if slot <= newest - SLOTS {
            return;
        }
        for passed in (newest + 1..=slot).rev().take(SLOTS as usize) {
            self.slots[passed.rem_euclid(SLOTS) as usize] = 0;
        }
        let sum = &mut self.slots[slot.rem_euclid(SLOTS) as usize];
        *sum = sum.saturating_add(bytes as u32);
        self.newest = self.newest.max(at);
    }

    /// At this microsecond, over the slots that are complete by then.
    pub(crate) fn rate(&self, at: i64) -> f64 {
        let Some(first) = self.first else {
            return 0.0;
        };
        let (now, newest) = (at.div_euclid(SLOT), self.newest.div_euclid(SLOT));
        let from = first.max(now - SLOTS + 1).min(now);
        let until = now.max(from + 1);
        let held = from.max(newest - SLOTS + 1)..until.min(newest + 1);
        let bytes = held.map(|slot| u64::from(self.slots[slot.rem_euclid(SLOTS) as usize]));
        bytes.sum::<u64>() as f64 * 8e6 / ((until - from) * SLOT) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_meter_forgets_what_is_older_than_a_third_of_a_second() {
        let mut meter = Meter::default();
        for at in 0..100 {
            meter.add(at * 10_000, 1000);
        }
        assert!((meter.rate(990_000) - 800_000.0).abs() < 1000.0);
        assert_eq!(meter.rate(2_000_000), 0.0);
        meter.add(10_000_000_000, 1000);
        assert!(meter.rate(10_000_060_000) > 0.0);
        meter.add(0, 1000);
        assert!(meter.rate(10_000_060_000) < 25_000.0);
    }
}
