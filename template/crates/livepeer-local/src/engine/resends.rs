//! How much a viewer's NACKs may cost: so many packets and so many bytes a second, and no packet twice
//! within a round trip, since its repetition may still be under way.

use std::time::{Duration, Instant};

/// Packets that a viewer's track may be sent again, per second.
const PACKETS: f64 = 500.0;
/// The share of what its link is believed to bear that repetitions may take ...
const SHARE: f64 = 0.5;
/// ... but so much in any case, in bits per second.
const MIN_RATE: f64 = 200_000.0;
/// Packets whose last repetition is remembered, a power of two: one lost picture, mostly.
const REMEMBERED: usize = 128;
/// A browser's clock and ours differ in when a round trip is over.
const PATIENCE: f64 = 0.75;
/// Over a longer one no second request comes in time: a link with room gets each repetition twice. On a
/// shorter one it does when the first repetition was lost.
const LONG_TRIP: Duration = Duration::from_millis(150);
/// For a viewer whose round trip is not known.
const ROUND_TRIP: Duration = Duration::from_millis(40);
/// Beyond this a picture is too late anyway, whatever the round trip.
const MAX_ROUND_TRIP: Duration = Duration::from_millis(400);

/// What one track of a viewer may be sent again. 3 KB once it has been.
pub(crate) struct Resends {
    packets: f64,
    bytes: f64,
    at: Option<Instant>,
    /// By their index, the newest of each slot; made when it is needed.
    recent: Option<Box<Recent>>,
}

type Recent = [Option<(u64, Instant)>; REMEMBERED];

/// Whether a packet is sent again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Send,
    /// Two copies at once: a third request would come too late for the picture.
    SendTwice,
    /// It was, within the round trip.
    UnderWay,
    /// The viewer has had its share.
    TooMuch,
}

impl Resends {
    pub(crate) fn new() -> Self {
        Resends {
            packets: PACKETS,
            bytes: f64::MAX,
            at: None,
            recent: None,
        }
    }

    /// Asks for a packet of so many bytes to be sent again now, over a link with this estimate in bits
    /// per second and this round trip. Counts it if it is. `may_double`: a second copy may be worth it, since
    /// the link has room.
    pub(crate) fn ask(
        &mut self,
        now: Instant,
        index: u64,
        bytes: usize,
        (estimate, round_trip): (u64, Option<Duration>),
        may_double: bool,
    ) -> Verdict {
        let before = self.at.replace(now).unwrap_or(now);
        let elapsed = now.saturating_duration_since(before).as_secs_f64();
        // Saved up for a second at most.
        let rate = (SHARE * estimate as f64).max(MIN_RATE) / 8.0;
        self.packets = (self.packets + elapsed * PACKETS).min(PACKETS);
        self.bytes = (self.bytes + elapsed * rate).min(rate);
        let recent = self
            .recent
            .get_or_insert_with(|| Box::new([None; REMEMBERED]));
        let slot = &mut recent[index as usize % REMEMBERED];
        let round_trip = round_trip.unwrap_or(ROUND_TRIP).min(MAX_ROUND_TRIP);
        if let Some((same, at)) = slot
            && *same == index
            && now.saturating_duration_since(*at) < round_trip.mul_f64(PATIENCE)
        {
            return Verdict::UnderWay;
        }
        let again = matches!(slot, Some((same, _)) if *same == index);
        let (copies, verdict) = match may_double && (again || round_trip > LONG_TRIP) {
            true => (2.0, Verdict::SendTwice),
            false => (1.0, Verdict::Send),
        };
        if self.packets < copies || self.bytes < copies * bytes as f64 {
            return Verdict::TooMuch;
        }
        self.packets -= copies;
        self.bytes -= copies * bytes as f64;
        *slot = Some((index, now));
        verdict
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RTT: Option<Duration> = Some(Duration::from_millis(100));

    #[test]
    fn a_packet_is_not_sent_again_while_its_repetition_may_be_under_way() {
        let now = Instant::now();
        let at = |millis| now + Duration::from_millis(millis);
        let mut resends = Resends::new();
        let mut ask = |millis, index| resends.ask(at(millis), index, 1000, (3_000_000, RTT), false);
        assert_eq!(ask(0, 7), Verdict::Send);
        assert_eq!(ask(0, 8), Verdict::Send);
        assert_eq!(ask(70, 7), Verdict::UnderWay);
        assert_eq!(ask(90, 7), Verdict::Send);
        assert_eq!(ask(120, 7), Verdict::UnderWay);
    }

    #[test]
    fn what_would_come_too_late_a_third_time_is_sent_twice() {
        let now = Instant::now();
        let at = |millis| now + Duration::from_millis(millis);
        let mut resends = Resends::new();
        let mut ask = |millis, rtt| {
            let rtt = Some(Duration::from_millis(rtt));
            resends.ask(at(millis), 7, 1000, (3_000_000, rtt), true)
        };
        assert_eq!(ask(0, 60), Verdict::Send);
        assert_eq!(ask(100, 60), Verdict::SendTwice, "the first was lost");
        assert_eq!(ask(400, 200), Verdict::SendTwice, "a long way");
    }

    #[test]
    fn a_flood_costs_no_more_than_the_share() {
        let now = Instant::now();
        for (estimate, ceiling) in [(1_000_000, 62_500), (20_000_000, 600_000), (0, 25_000)] {
            let mut resends = Resends::new();
            let mut sent = 0;
            for millis in 0..10_000 {
                let at = now + Duration::from_millis(millis);
                for index in 0..20 {
                    let index = millis * 20 + index;
                    if resends.ask(at, index, 1200, (estimate, RTT), false) == Verdict::Send {
                        sent += 1200;
                    }
                }
            }
            // What was saved up in the first second comes on top.
            let seconds = 11;
            assert!(sent <= ceiling * seconds, "{estimate}: {sent}");
            assert!(sent >= ceiling * 9, "{estimate}: {sent}");
        }
    }
}
