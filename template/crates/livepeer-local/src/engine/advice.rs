//! What a publisher is told about its link: when each packet arrived, where it takes that (`twcc.rs`), and
//! how much it may send at most (REMB), from what really arrives.

use std::time::{Duration, Instant};

use super::meter::Meter;
use super::rtp;
use super::twcc::Arrivals;

/// Between two messages about arrivals. The draft's example; browsers take 50 to 250 ms.
const INTERVAL: Duration = Duration::from_millis(50);
/// A publisher without such messages may begin with this, in bits per second ...
const START: f64 = 1_000_000.0;
/// ... and go this far beyond what arrives.
const HEADROOM: f64 = 1.5;
/// As browsers take it: below so much loss nothing is wrong, above it there is too much.
const LOSS_HIGH: f64 = 0.10;
const MIN: f64 = 100_000.0;

/// Of one publisher.
pub(crate) struct Advice {
    /// The id of the extension with transport-wide numbers.
    transport_cc: Option<u8>,
    arrivals: Arrivals,
    arriving: Meter,
    epoch: Instant,
    limit: f64,
    /// One of the publisher's own, which feedback has to name.
    ssrc: u32,
}

impl Advice {
    pub(crate) fn new(now: Instant, transport_cc: Option<u8>) -> Self {
        Advice {
            transport_cc,
            arrivals: Arrivals::default(),
            arriving: Meter::default(),
            epoch: now,
            limit: START,
            ssrc: 0,
        }
    }

    /// Notes an authenticated packet.
    pub(crate) fn note(&mut self, now: Instant, packet: &[u8]) {
        let micros = now.saturating_duration_since(self.epoch).as_micros() as i64;
        self.arriving.add(micros, packet.len());
        if let Some(number) = self.transport_cc.and_then(|id| rtp::number(packet, id)) {
            self.arrivals.note(now, number);
            if let Some((_, _, ssrc)) = rtp::clear_fields(packet) {
                self.ssrc = ssrc;
            }
        }
    }

    /// The next message about arrivals, if one is due: an RTCP packet.
    pub(crate) fn feedback(&mut self, now: Instant, our_ssrc: u32) -> Option<Vec<u8>> {
        self.arrivals.due(now, INTERVAL, our_ssrc, self.ssrc)
    }

    /// What it may send at most, in bits per second; called with every report. Whoever is told of arrivals
    /// finds its own limit, and has only the `ceiling`. The others go up with what arrives, and down when
    /// much of it is lost, but not because they have little to send.
    pub(crate) fn limit(&mut self, now: Instant, ceiling: u64, loss: f64) -> u64 {
        let ceiling = ceiling as f64;
        if self.transport_cc.is_some() {
            return ceiling as u64;
        }
        let micros = now.saturating_duration_since(self.epoch).as_micros() as i64;
        let arriving = self.arriving.rate(micros);
        self.limit = match loss > LOSS_HIGH {
            true => (self.limit * (1.0 - loss / 2.0)).max(MIN),
            false => self.limit.max(HEADROOM * arriving),
        };
        self.limit = self.limit.min(ceiling);
        self.limit as u64
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;
    use crate::engine::rtp::{header, numbered};
    use crate::engine::twcc::Feedback;

    #[test]
    fn without_feedback_the_limit_follows_what_arrives_up_to_the_ceiling() {
        let start = Instant::now();
        let mut advice = Advice::new(start, None);
        let mut now = start;
        let mut second = |rate: usize, loss: f64| {
            for _ in 0..100 {
                now += Duration::from_millis(10);
                advice.note(now, &vec![0x80; rate / 800]);
            }
            advice.limit(now, 3_000_000, loss)
        };
        assert_eq!(second(300_000, 0.0), 1_000_000, "room to begin with");
        let limit = second(1_000_000, 0.0);
        assert!((1_400_000..1_600_000).contains(&limit), "{limit}");
        assert_eq!(second(100_000, 0.0), limit, "a still picture");
        assert_eq!(second(2_500_000, 0.0), 3_000_000, "the ceiling");
        let limit = second(2_500_000, 0.5);
        assert!((2_200_000..2_300_000).contains(&limit), "{limit}");
        assert!(advice.feedback(now, 1).is_none());
    }

    #[test]
    fn a_publisher_that_takes_feedback_is_told_of_every_packet() {
        let start = Instant::now();
        let mut advice = Advice::new(start, Some(3));
        for number in 0..5u16 {
            let packet = numbered(&header(false, 96, number, 0, 7), 3, 65_533 + number % 3);
            advice.note(start, &packet);
        }
        let message = advice.feedback(start, 1).unwrap();
        assert_eq!(message[8..12], [0, 0, 0, 7], "of its own SSRC");
        let feedback = Feedback::parse(&message).unwrap();
        assert_eq!((feedback.base, feedback.count), (65_533, 3));
        assert_eq!(advice.limit(start, 2_500_000, 0.9), 2_500_000);
    }
}
