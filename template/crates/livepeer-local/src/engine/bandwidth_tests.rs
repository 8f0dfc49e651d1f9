//! The estimate of a viewer's link, against links in virtual time.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::time::{Duration, Instant};

use super::bandwidth::Bandwidth;
use super::twcc::Feedback;

const PICTURE: Duration = Duration::from_millis(33);
const BYTES: usize = 1200;

/// A link in virtual time: a rate, a queue, a delay, and loss by chance.
struct Link {
    rate: f64,
    queue: Duration,
    delay: Duration,
    loss: f64,
    free: Instant,
    chance: u64,
}

/// A viewer behind it that sends feedback as a browser does.
struct Viewer {
    now: Instant,
    start: Instant,
    bandwidth: Bandwidth,
    link: Link,
    arrived: Vec<(Instant, u16)>,
    spoken: u16,
    number: u16,
    next_feedback: Instant,
    next_picture: Instant,
    lost: u32,
    sent: u32,
}

impl Viewer {
    fn new(rate: f64) -> Self {
        let now = Instant::now();
        Viewer {
            now,
            start: now,
            bandwidth: Bandwidth::new(now, true),
            link: Link {
                rate,
                queue: Duration::from_millis(300),
                delay: Duration::from_millis(30),
                loss: 0.0,
                free: now,
                chance: 7,
            },
            arrived: Vec::new(),
            spoken: 0,
            number: 0,
            next_feedback: now,
            next_picture: now,
            lost: 0,
            sent: 0,
        }
    }

    fn send(&mut self) {
        let link = &mut self.link;
        self.number = self.bandwidth.note_sent(self.now, BYTES, true);
        self.sent += 1;
        link.chance ^= link.chance << 13;
        link.chance ^= link.chance >> 7;
        link.chance ^= link.chance << 17;
        let free = link.free.max(self.now);
        let full = free.saturating_duration_since(self.now) > link.queue;
        if full || (link.chance % 10_000) as f64 / 10_000.0 < link.loss {
            self.lost += 1;
            return;
        }
        link.free = free + Duration::from_secs_f64(BYTES as f64 * 8.0 / link.rate);
        self.arrived.push((link.free + link.delay, self.number));
    }

    /// So many packets in each picture for so long.
    fn watch(&mut self, packets: usize, duration: Duration) {
        let end = self.now + duration;
        while self.now < end {
            self.now += Duration::from_millis(1);
            if self.now >= self.next_picture {
                self.next_picture += PICTURE;
                (0..packets).for_each(|_| self.send());
            }
            if self.now >= self.next_feedback {
                self.next_feedback += Duration::from_millis(50);
                self.feed_back();
            }
        }
    }

    fn feed_back(&mut self) {
        // It takes the way back; the link's delay stands for both.
        let here = |at: Instant| at + Duration::from_millis(30) <= self.now;
        let count = self.arrived.iter().filter(|(at, _)| here(*at)).count();
        let told: Vec<_> = self.arrived.drain(..count).collect();
        let Some((_, last)) = told.last() else {
            return;
        };
        let micros = |at: Instant| (at - self.start).as_micros() as i64 / 250 * 250;
        let feedback = Feedback {
            base: self.spoken,
            count: last.wrapping_sub(self.spoken) + 1,
            received: told.iter().map(|(at, n)| (*n, micros(*at))).collect(),
        };
        self.spoken = last.wrapping_add(1);
        self.bandwidth.take_feedback(self.now, &feedback);
    }

    fn estimate(&self) -> f64 {
        self.bandwidth.estimate() as f64 / 1e6
    }
}

const fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

#[test]
fn a_link_with_room_is_never_limited() {
    let mut viewer = Viewer::new(20e6);
    for _ in 0..60 {
        viewer.watch(9, seconds(1)); // 2.6 Mb/s
        assert!(!viewer.bandwidth.is_limited());
    }
    assert!(viewer.estimate() > 3.9, "{}", viewer.estimate());
}

#[test]
fn a_still_picture_is_no_reason_to_think_less_of_the_link() {
    let mut viewer = Viewer::new(20e6);
    viewer.watch(9, seconds(10));
    let before = viewer.estimate();
    viewer.watch(1, seconds(60));
    assert!(viewer.estimate() >= before);
    viewer.watch(9, seconds(10));
    assert!(!viewer.bandwidth.is_limited());
}

#[test]
fn a_rate_cut_is_met_within_a_second_and_its_end_is_found() {
    let mut viewer = Viewer::new(10e6);
    viewer.watch(9, seconds(10));
    viewer.link.rate = 1e6;
    viewer.watch(9, seconds(1));
    assert!(viewer.bandwidth.is_limited());
    assert!(viewer.estimate() < 1.2, "{}", viewer.estimate());
    // Whoever sends keeps to it from now on.
    for _ in 0..20 {
        let packets = (viewer.estimate() * 1e6 * 0.033 / 9600.0) as usize;
        viewer.watch(packets, seconds(1));
        assert!(viewer.estimate() < 1.3, "{}", viewer.estimate());
        assert!(viewer.estimate() > 0.6, "{}", viewer.estimate());
    }
    viewer.link.rate = 10e6;
    for _ in 0..10 {
        let packets = (viewer.estimate() * 1e6 * 0.033 / 9600.0) as usize;
        viewer.watch(packets.min(9), seconds(1));
    }
    assert!(viewer.estimate() > 2.0, "{}", viewer.estimate());
}

#[test]
fn loss_by_chance_is_no_full_link_and_loss_by_a_full_one_is() {
    let mut viewer = Viewer::new(20e6);
    viewer.link.loss = 0.05;
    viewer.watch(9, seconds(60));
    assert!(!viewer.bandwidth.is_limited());
    assert!(viewer.estimate() > 3.0, "{}", viewer.estimate());

    // A queue too short to be seen.
    let mut viewer = Viewer::new(1.2e6);
    viewer.link.queue = Duration::from_millis(15);
    viewer.watch(9, seconds(5));
    assert!(viewer.bandwidth.is_limited());
    assert!(viewer.estimate() < 1.5, "{}", viewer.estimate());
}

#[test]
fn the_first_burst_shows_what_a_thin_link_bears() {
    let mut viewer = Viewer::new(1.5e6);
    (0..40).for_each(|_| viewer.send());
    viewer.now += Duration::from_millis(10);
    viewer.send();
    viewer.watch(0, Duration::from_millis(500));
    assert!(
        (1.0..1.6).contains(&viewer.estimate()),
        "{}",
        viewer.estimate()
    );
}

#[test]
fn receiver_reports_alone_tell_of_loss_and_round_trips() {
    let now = Instant::now();
    let at = |millis| now + Duration::from_millis(millis);
    let mut bandwidth = Bandwidth::new(now, false);
    let mut report = |millis: u64, loss: u8, rtt: u64| {
        for packet in 0..260 {
            let sent = at(millis * 1000 - 1000 + packet * 1000 / 260);
            bandwidth.note_sent(sent, BYTES, true);
        }
        bandwidth.note_report(at(millis * 1000 - rtt - 50), millis << 16);
        let dlsr = (65_536.0 * 0.05) as u32;
        bandwidth.take_report(at(millis * 1000), loss, millis as u32, dlsr);
        (
            bandwidth.estimate(),
            bandwidth.is_limited(),
            bandwidth.best_rtt(),
        )
    };
    for second in 1..20 {
        let (estimate, limited, rtt) = report(second, 12, 60);
        assert!(estimate >= 3_000_000 && !limited);
        let rtt = rtt.unwrap().as_millis();
        assert!((59..=61).contains(&rtt), "{rtt}");
    }
    let (estimate, limited, _) = report(20, 0, 500);
    assert!(limited && estimate < 2_200_000, "{estimate}");
    let (lower, _, _) = report(22, 90, 60);
    assert!(lower < estimate, "{lower}");
}
