//! What a viewer's link bears: an estimate from its feedback, for everybody who has to choose how much
//! to send it.
//!
//! Two sources, after draft-ietf-rmcat-gcc-02: a queue that grows on the way (`delay.rs`), and loss. With
//! transport-wide feedback both are seen ten and more times a second; without it, receiver reports
//! tell of loss and round trips once a second. A stream sends what it sends: the estimate rises only
//! as far as what is sent can prove, and does not fall because less is sent.

use std::time::{Duration, Instant};

use super::delay::{Delay, Usage};
use super::meter::Meter;
use super::sent::SentLog;
use super::twcc::Feedback;

/// Before anything is known, in bits per second: what publishers are told to send.
const START: f64 = 3_000_000.0;
const MIN: f64 = 50_000.0;
const MAX: f64 = 100_000_000.0;
/// A link that is too full is given this much of what it delivered (draft-ietf-rmcat-gcc-02 section 5.5).
const BACK_OFF: f64 = 0.85;
/// Growth in a second.
const GROWTH: f64 = 0.08;
/// No more than this multiple of what arrives can be trusted without a trial.
const PROVEN: f64 = 1.5;
/// Below this share of lost packets the estimate may grow, above the other it must fall (section 6) ...
const LOSS_LOW: f64 = 0.02;
const LOSS_HIGH: f64 = 0.10;
/// ... if a queue shows as well, or so much is lost that the cause does not matter: radio loses packets
/// on links with room, and repeats mend that.
const LOSS_EXTREME: f64 = 0.25;
/// A queue that is one.
const QUEUE: Duration = Duration::from_millis(30);
/// And one that takes no more patience.
const LONG_QUEUE: Duration = Duration::from_millis(150);
/// Without transport-wide feedback: a round trip this much above the best one.
const SLOW_QUEUE: Duration = Duration::from_millis(250);
/// Loss is looked at for so long and for so many packets at least.
const LOSS_SPAN: Duration = Duration::from_millis(500);
const LOSS_PACKETS: u32 = 20;
/// Between two steps down, beside the round trip.
const SETTLE: Duration = Duration::from_millis(200);
/// A burst of so many packets shows by how it is drawn out what the link can do.
const TRAIN: u32 = 8;
/// Packets of a train leave within this.
const TRAIN_SPAN: Duration = Duration::from_millis(5);
/// A train's word is taken for no more than this, or three times what is sent: nobody needs more.
const TRAIN_MAX: f64 = 2.0 * START;
/// Bytes that may be on their way before the first feedback, and how long that is waited for: a browser
/// sends it every 50 to 250 ms.
const WINDOW: usize = 64_000;
const FIRST_FEEDBACK: Duration = Duration::from_millis(750);
/// A replay at this multiple of the track's rate comes to the live edge.
const CATCHING_UP: f64 = 1.25;
/// On a link that is too thin so much may be on its way, beside the round trip: feedback comes every 50 to
/// 100 ms.
const IN_FLIGHT: Duration = Duration::from_millis(150);
/// Trust in trains that led to a full link comes back after this, doubled each time up to a minute.
const DISTRUST: Duration = Duration::from_secs(2);
const MAX_DISTRUST: Duration = Duration::from_secs(60);

/// One viewer's link, as far as its feedback tells.
pub(crate) struct Bandwidth {
    /// Where transport-wide feedback was negotiated.
    sent: Option<SentLog>,
    epoch: Instant,
    estimate: f64,
    /// Whether any feedback has said something about the link.
    measured: bool,
    /// The first packet left.
    began: Option<Instant>,
    /// The estimate was met from above: what is sent has to keep to it.
    limited: bool,
    demand: f64,
    delay: Delay,
    outgoing: Meter,
    /// By the viewer's clock.
    arriving: Meter,
    loss: Loss,
    train: Option<Train>,
    trained: bool,
    distrust: Option<(Instant, Duration)>,
    raised_by_train: Option<Instant>,
    grown: Option<Instant>,
    lowered: Option<Instant>,
    rtt: Option<Duration>,
    best_rtt: Option<Duration>,
    /// The middle of our last sender reports' NTP times, and when they left.
    reports: [Option<(u32, Instant)>; 2],
}

/// Packets that left together, without a gap.
struct Train {
    left: Instant,
    last_left: Instant,
    next: u16,
    packets: u32,
    /// Of all but the first.
    bytes: usize,
    first: i64,
    last: i64,
}

#[derive(Default)]
struct Loss {
    since: Option<Instant>,
    expected: u32,
    lost: u32,
    /// Of the last span that was long enough.
    share: f64,
}

impl Bandwidth {
    /// For a viewer that gives transport-wide feedback, or only receiver reports.
    pub(crate) fn new(now: Instant, transport_wide: bool) -> Self {
        Bandwidth {
            sent: transport_wide.then(|| SentLog::new(now)),
            epoch: now,
            estimate: START,
            measured: false,
            began: None,
            limited: false,
            demand: 0.0,
            delay: Delay::default(),
            outgoing: Meter::default(),
            arriving: Meter::default(),
            loss: Loss::default(),
            train: None,
            trained: false,
            distrust: None,
            raised_by_train: None,
            grown: None,
            lowered: None,
            rtt: None,
            best_rtt: None,
            reports: [None, None],
        }
    }

    /// What the link is believed to bear, in bits per second. Before any feedback that is a guess.
    pub(crate) fn estimate(&self) -> u64 {
        self.estimate as u64
    }

    /// How fast the past of a track of this `bitrate` may be replayed, where `wish` would be right: within the
    /// estimate once there is one. The first burst is the trial: until its feedback comes, no more than a window is
    /// on its way. On a link that was not found too thin it is never so slow that the live edge runs away: there
    /// the track itself is not held back either.
    pub(crate) fn replay_rate(&self, now: Instant, bitrate: u64, wish: u64) -> u64 {
        let waits = |began| now.saturating_duration_since(began) < FIRST_FEEDBACK;
        match &self.sent {
            Some(sent) if !self.trained && self.began.is_none_or(waits) => {
                match sent.in_flight() < WINDOW {
                    true => wish,
                    false => 0,
                }
            }
            _ if self.limited => wish.min(self.estimate()),
            _ if self.trained || self.measured => {
                let catching_up = CATCHING_UP * bitrate as f64;
                wish.min(self.estimate().max(catching_up as u64))
            }
            _ => wish,
        }
    }

    /// Whether the link was found too thin lately, so that what is sent has to keep to the estimate.
    /// While it was not, nothing is held back.
    pub(crate) fn is_limited(&self) -> bool {
        self.limited
    }

    /// Whether as much is on its way as the link bears with a short queue.
    pub(crate) fn is_full(&self) -> bool {
        let Some(sent) = &self.sent else {
            return false;
        };
        let span = self.best_rtt.unwrap_or_default() + IN_FLIGHT;
        sent.in_flight() as f64 > self.estimate / 8.0 * span.as_secs_f64()
    }

    /// Notes what the viewer would be sent if its link bore it, in bits per second.
    pub(crate) fn note_demand(&mut self, bitrate: u64) {
        self.demand = bitrate as f64;
    }

    /// The shortest round trip so far, where it is known: the path's own, without queues.
    pub(crate) fn best_rtt(&self) -> Option<Duration> {
        self.best_rtt
    }

    /// Notes a packet that leaves now. `number` asks for its transport-wide number.
    pub(crate) fn note_sent(&mut self, now: Instant, bytes: usize, number: bool) -> u16 {
        self.began.get_or_insert(now);
        self.outgoing.add(self.micros(now), bytes);
        match &mut self.sent {
            Some(sent) if number => sent.push(now, bytes),
            _ => 0,
        }
    }

    /// Notes a sender report that leaves now.
    pub(crate) fn note_report(&mut self, now: Instant, ntp: u64) {
        self.reports = [Some(((ntp >> 16) as u32, now)), self.reports[0]];
    }

    /// Takes transport-wide feedback.
    pub(crate) fn take_feedback(&mut self, now: Instant, feedback: &Feedback) {
        let Some(mut sent) = self.sent.take() else {
            return;
        };
        let mut newest = None;
        let mut arrived = 0;
        for (number, arrival) in &feedback.received {
            let Some(packet) = sent.acknowledge(now, *number) else {
                continue;
            };
            arrived += u32::from(!packet.was_lost);
            self.loss.lost -= self.loss.lost.min(u32::from(packet.was_lost));
            self.arriving.add(*arrival, packet.bytes);
            self.delay.note(packet.sent, *arrival);
            self.note_train(now, *number, packet.sent, *arrival, packet.bytes);
            newest = newest.max(Some(packet.sent));
        }
        let missing = sent.settle(feedback.base, feedback.count) as u32;
        // Nothing else left that could end the train.
        if let Some(train) = self.train.take_if(|train| train.next == sent.next_number()) {
            self.judge_train(now, &train);
        }
        self.sent = Some(sent);
        let Some(newest) = newest else {
            return;
        };
        self.note_rtt(now.saturating_duration_since(newest));
        self.loss.note(now, arrived + missing, missing);
        self.measured = true;
        let (usage, queue) = (self.delay.usage(), self.delay.queue());
        let delivered = self.arriving.rate(self.arriving.newest);
        if usage == Usage::Over && queue > QUEUE / 3 {
            self.lower(now, BACK_OFF * delivered, delivered);
        } else {
            self.judge_loss(now, delivered, queue > QUEUE, usage == Usage::Normal);
        }
    }

    /// Takes the block of a receiver report about one of this viewer's tracks: `fraction_lost` in
    /// 256ths, and what RFC 3550 section 6.4.1 calls LSR and DLSR.
    pub(crate) fn take_report(&mut self, now: Instant, fraction_lost: u8, lsr: u32, dlsr: u32) {
        let reports = self.reports.into_iter().flatten();
        let left = reports.filter(|(ntp, _)| *ntp == lsr).map(|(_, left)| left);
        let held = Duration::from_secs_f64(f64::from(dlsr) / 65_536.0);
        let rtt = left
            .filter_map(|left| now.saturating_duration_since(left).checked_sub(held))
            .next();
        if let Some(rtt) = rtt {
            self.note_rtt(rtt);
        }
        if self.sent.is_some() {
            return;
        }
        self.measured = true;
        self.loss.share = f64::from(fraction_lost) / 256.0;
        let queue = match (rtt, self.best_rtt) {
            (Some(rtt), Some(best)) => rtt.saturating_sub(best),
            _ => Duration::ZERO,
        };
        let delivered = self.outgoing.rate(self.micros(now)) * (1.0 - self.loss.share);
        if queue > SLOW_QUEUE {
            self.lower(now, BACK_OFF * delivered, delivered);
        } else {
            self.judge_loss(now, delivered, queue > QUEUE, true);
        }
    }

    fn judge_loss(&mut self, now: Instant, delivered: f64, queue: bool, may_grow: bool) {
        let share = self.loss.share;
        if share > LOSS_EXTREME || (share > LOSS_HIGH && queue) {
            // What arrives is proof of what the link bears.
            let sent = self.outgoing.rate(self.micros(now));
            let from = match sent > 0.5 * self.estimate {
                true => sent.min(self.estimate),
                false => self.estimate,
            };
            let target = (from * (1.0 - share / 2.0)).max(0.95 * delivered);
            self.lower(now, target, delivered);
        } else if may_grow && !queue && share < LOSS_HIGH {
            // Between the two marks the draft holds. A queue would show if the link were full.
            self.grow(now, delivered);
        } else if may_grow && share < LOSS_LOW {
            self.grow(now, delivered);
        }
        let recently = |at: Instant| now.saturating_duration_since(at) < Duration::from_secs(2);
        if self.limited
            && !self.lowered.is_some_and(recently)
            && self.estimate > 1.2 * self.outgoing.rate(self.micros(now)).max(self.demand)
        {
            self.limited = false;
        }
    }

    fn lower(&mut self, now: Instant, target: f64, delivered: f64) {
        let settle = SETTLE + self.rtt.unwrap_or_default();
        let since = self.lowered.map(|at| now.saturating_duration_since(at));
        if since.is_some_and(|since| since < settle) {
            return;
        }
        // All that was sent arrives: whatever delays it, it is not what this viewer is sent. Then the
        // estimate falls in steps, not to the little that happened to be sent.
        let sent = self.outgoing.rate(self.micros(now));
        let spare = delivered >= 0.9 * sent && sent < 0.5 * self.estimate;
        let target = match spare && self.delay.queue() < LONG_QUEUE {
            true => target.max(BACK_OFF * self.estimate),
            false => target,
        };
        if target >= self.estimate {
            return;
        }
        self.estimate = target.clamp(MIN, MAX);
        self.limited |= self.estimate < 1.2 * sent;
        self.lowered = Some(now);
        self.grown = None;
        if let Some(raised) = self.raised_by_train.take()
            && now.saturating_duration_since(raised) < 2 * DISTRUST
        {
            let span = self.distrust.map_or(DISTRUST, |(_, span)| span * 2);
            self.distrust = Some((now, span.min(MAX_DISTRUST)));
        }
    }

    fn grow(&mut self, now: Instant, delivered: f64) {
        let since = self.grown.map_or(Duration::ZERO, |at| {
            now.saturating_duration_since(at)
                .min(Duration::from_secs(1))
        });
        self.grown = Some(now);
        let proven = PROVEN * delivered + 10_000.0;
        if self.estimate < proven {
            let grown = self.estimate * (1.0 + GROWTH * since.as_secs_f64());
            self.estimate = grown.min(proven).clamp(MIN, MAX);
        }
    }

    fn note_train(&mut self, now: Instant, number: u16, left: Instant, arrival: i64, bytes: usize) {
        if let Some(train) = &mut self.train
            && train.next == number
            && left.saturating_duration_since(train.left) < TRAIN_SPAN
        {
            train.next = number.wrapping_add(1);
            train.packets += 1;
            train.bytes += bytes;
            train.first = train.first.min(arrival);
            train.last = train.last.max(arrival);
            train.last_left = left;
            return;
        }
        let complete = self.train.replace(Train {
            left,
            last_left: left,
            next: number.wrapping_add(1),
            packets: 1,
            bytes: 0,
            first: arrival,
            last: arrival,
        });
        if let Some(train) = complete {
            self.judge_train(now, &train);
        }
    }

    /// A train that is drawn out less than the estimate says shows that there is more.
    fn judge_train(&mut self, now: Instant, train: &Train) {
        if train.packets < TRAIN {
            return;
        }
        let drawn_out = (train.last - train.first).max(0) as f64 / 1e6 + 0.000_5;
        let leaving = train.last_left.saturating_duration_since(train.left);
        let spread = drawn_out.max(leaving.as_secs_f64());
        let shown = BACK_OFF * 8.0 * train.bytes as f64 / spread;
        let shown = shown.min((3.0 * self.outgoing.rate(self.micros(now))).max(TRAIN_MAX));
        if !std::mem::replace(&mut self.trained, true) {
            self.estimate = shown.clamp(MIN, MAX);
            return;
        }
        let distrusted = self
            .distrust
            .is_some_and(|(at, span)| now.saturating_duration_since(at) < span);
        let full = self.lowered.is_some_and(|at| {
            now.saturating_duration_since(at) < SETTLE + self.rtt.unwrap_or_default()
        });
        if shown > self.estimate && !distrusted && !full && self.delay.usage() != Usage::Over {
            self.estimate = shown.min(2.0 * self.estimate).clamp(MIN, MAX);
            self.raised_by_train = Some(now);
        }
    }

    fn note_rtt(&mut self, rtt: Duration) {
        self.rtt = Some(match self.rtt {
            Some(smoothed) => (smoothed * 7 + rtt) / 8,
            None => rtt,
        });
        self.best_rtt = Some(self.best_rtt.map_or(rtt, |best| best.min(rtt)));
    }

    fn micros(&self, now: Instant) -> i64 {
        now.saturating_duration_since(self.epoch).as_micros() as i64
    }
}

impl Loss {
    fn note(&mut self, now: Instant, expected: u32, lost: u32) {
        let since = *self.since.get_or_insert(now);
        self.expected += expected;
        self.lost += lost;
        if now.saturating_duration_since(since) >= LOSS_SPAN && self.expected >= LOSS_PACKETS {
            self.share = f64::from(self.lost.min(self.expected)) / f64::from(self.expected);
            *self = Loss {
                since: Some(now),
                share: self.share,
                ..Loss::default()
            };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_replay_keeps_to_the_estimate_but_comes_to_the_live_edge_where_nothing_is_held_back() {
        let start = Instant::now();
        let mut link = Bandwidth::new(start, false);
        assert_eq!(link.replay_rate(start, 2_000_000, 8_000_000), 8_000_000);
        // A third is lost of next to nothing: no proof that the link is too thin for the track.
        for second in 1..6 {
            link.take_report(start + Duration::from_secs(second), 85, 0, 0);
        }
        assert!(link.estimate() < 2_000_000 && !link.is_limited());
        assert_eq!(link.replay_rate(start, 2_000_000, 8_000_000), 2_500_000);
        assert_eq!(
            link.replay_rate(start, 400_000, 8_000_000),
            link.estimate(),
            "where that is more"
        );

        let later = start + Duration::from_secs(10);
        for millis in 0..400 {
            link.note_sent(later + Duration::from_millis(millis), 250, false);
        }
        link.take_report(later + Duration::from_millis(400), 85, 0, 0);
        assert!(link.is_limited());
        assert_eq!(
            link.replay_rate(later, 2_000_000, 8_000_000),
            link.estimate()
        );
    }
}
