//! What one viewer was sent lately, by transport-wide number, until its feedback says what arrived.

use std::time::{Duration, Instant};

/// Packets that are remembered: 4 KB. At 3 Mb/s that is more than a second, and feedback comes every
/// 50 to 250 ms.
const REMEMBERED: usize = 512;

/// The memory of one viewer. No allocation after it is made.
pub(crate) struct SentLog {
    epoch: Instant,
    packets: Box<[Packet; REMEMBERED]>,
    /// The number of the next packet, counted on over wraps.
    next: u64,
    /// Everything before it has been spoken of, or never will be.
    settled: u64,
    /// Bytes that are neither acknowledged nor lost.
    in_flight: usize,
}

#[derive(Clone, Copy, Default)]
struct Packet {
    /// Microseconds since the epoch: wraps after 71 minutes, which is long after it is forgotten.
    at: u32,
    bytes: u16,
    state: State,
}

#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum State {
    #[default]
    Settled,
    InFlight,
    /// Said to be missing; may still turn up.
    Lost,
}

/// A packet that the feedback speaks of for the first time, or that was thought lost and is not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Acknowledged {
    pub(crate) sent: Instant,
    pub(crate) bytes: usize,
    pub(crate) was_lost: bool,
}

impl SentLog {
    pub(crate) fn new(now: Instant) -> Self {
        SentLog {
            epoch: now,
            packets: Box::new([Packet::default(); REMEMBERED]),
            next: 0,
            settled: 0,
            in_flight: 0,
        }
    }

    /// Notes a packet that leaves now, and gives it its number.
    pub(crate) fn push(&mut self, now: Instant, bytes: usize) -> u16 {
        let number = self.next;
        self.next += 1;
        let at = now.saturating_duration_since(self.epoch).as_micros() as u32;
        let slot = &mut self.packets[number as usize % REMEMBERED];
        if slot.state == State::InFlight {
            self.in_flight -= usize::from(slot.bytes);
        }
        let bytes = bytes.min(usize::from(u16::MAX)) as u16;
        *slot = Packet {
            at,
            bytes,
            state: State::InFlight,
        };
        self.in_flight += usize::from(bytes);
        number as u16
    }

    /// The number of the next packet.
    pub(crate) fn next_number(&self) -> u16 {
        self.next as u16
    }

    /// Bytes on their way.
    pub(crate) fn in_flight(&self) -> usize {
        self.in_flight
    }

    /// A packet that arrived; `None` if it was acknowledged before or is no longer remembered.
    pub(crate) fn acknowledge(&mut self, now: Instant, number: u16) -> Option<Acknowledged> {
        let number = self.find(number)?;
        let age_now = now.saturating_duration_since(self.epoch).as_micros() as u32;
        let packet = &mut self.packets[number as usize % REMEMBERED];
        let was_lost = match packet.state {
            State::Settled => return None,
            State::Lost => true,
            State::InFlight => {
                self.in_flight -= usize::from(packet.bytes);
                false
            }
        };
        packet.state = State::Settled;
        let age = Duration::from_micros(u64::from(age_now.wrapping_sub(packet.at)));
        Some(Acknowledged {
            sent: now.checked_sub(age)?,
            bytes: usize::from(packet.bytes),
            was_lost,
        })
    }

    /// Everything before `end` that is still on its way: from `base` on the feedback says that it is
    /// missing, before that it will not be spoken of any more. Returns how many packets are missing.
    pub(crate) fn settle(&mut self, base: u16, count: u16) -> usize {
        let newest = match self.next.checked_sub(1) {
            Some(newest) => newest,
            None => return 0,
        };
        let Some(base) = extend(newest, base) else {
            return 0;
        };
        let end = (base + u64::from(count)).min(self.next);
        let mut missing = 0;
        for number in self.settled.max(self.oldest())..end {
            let packet = &mut self.packets[number as usize % REMEMBERED];
            if packet.state == State::InFlight {
                self.in_flight -= usize::from(packet.bytes);
                packet.state = State::Lost;
                missing += usize::from(number >= base);
            }
        }
        self.settled = self.settled.max(end);
        missing
    }

    fn oldest(&self) -> u64 {
        self.next.saturating_sub(REMEMBERED as u64)
    }

    fn find(&self, number: u16) -> Option<u64> {
        let number = extend(self.next.checked_sub(1)?, number)?;
        (number >= self.oldest()).then_some(number)
    }
}

/// The number that these 16 bits mean, at most 2^15 before the newest. `None` for one that was never
/// given.
fn extend(newest: u64, number: u16) -> Option<u64> {
    let age = (newest as u16).wrapping_sub(number);
    match age < 0x8000 {
        true => newest.checked_sub(u64::from(age)),
        false => None,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;

    #[test]
    fn each_packet_is_acknowledged_once_and_what_is_missing_may_turn_up() {
        let start = Instant::now();
        let at = |millis| start + Duration::from_millis(millis);
        let mut sent = SentLog::new(start);
        for number in 0..10 {
            assert_eq!(sent.push(at(number), 100), number as u16);
        }
        assert_eq!(sent.in_flight(), 1000);
        let first = sent.acknowledge(at(50), 3).unwrap();
        assert_eq!(
            (first.sent, first.bytes, first.was_lost),
            (at(3), 100, false)
        );
        assert_eq!(sent.acknowledge(at(50), 3), None, "twice");
        assert_eq!(sent.acknowledge(at(50), 10), None, "never sent");
        assert_eq!(sent.settle(2, 6), 5, "2, 4, 5, 6 and 7");
        assert_eq!(sent.in_flight(), 200, "8 and 9");
        assert!(sent.acknowledge(at(60), 4).unwrap().was_lost);
        assert_eq!(sent.in_flight(), 200);
    }

    #[test]
    fn what_feedback_never_speaks_of_does_not_stay_on_its_way() {
        let start = Instant::now();
        let mut sent = SentLog::new(start);
        for _ in 0..70_000u32 {
            sent.push(start, 1000);
        }
        assert_eq!(sent.in_flight(), REMEMBERED * 1000);
        let newest = 69_999u32 as u16;
        assert_eq!(sent.acknowledge(start, newest.wrapping_sub(600)), None);
        assert!(sent.acknowledge(start, newest).is_some());
        // The messages before this one were lost: 499 packets are unknown, not missing.
        assert_eq!(sent.settle(newest.wrapping_sub(10), 11), 10);
        assert_eq!(sent.in_flight(), 0);
    }

    #[test]
    fn numbers_that_were_never_given_change_nothing() {
        let start = Instant::now();
        let mut sent = SentLog::new(start);
        assert_eq!(sent.settle(0, 100), 0);
        assert_eq!(sent.acknowledge(start, 0), None);
        sent.push(start, 10);
        assert_eq!(sent.settle(500, 1000), 0);
        assert_eq!(sent.settle(65_000, 10), 0);
        assert_eq!(sent.in_flight(), 10);
        assert_eq!(sent.settle(0, u16::MAX), 1);
        assert_eq!(sent.in_flight(), 0);
    }
}
