//! Whether a queue is growing on the way to a viewer: the trend of the packets' one-way delay, after
//! draft-ietf-rmcat-gcc-02 section 5 with the line fit that browsers use.

use std::time::{Duration, Instant};

/// Packets that leave within this are one group: a picture, mostly (section 5.2).
const GROUP: Duration = Duration::from_millis(5);
/// Groups that the line is fitted to.
const WINDOW: usize = 20;
/// How much of the past the smoothed delay keeps.
const SMOOTHING: f64 = 0.9;
/// What scales a slope to the threshold, which is in milliseconds.
const GAIN: f64 = 4.0;
/// Groups beyond this number do not make a slope count for more.
const MAX_GROUPS: f64 = 60.0;
/// The threshold follows what the path does (section 5.4): faster down than up, within limits.
const THRESHOLD_UP: f64 = 0.0087;
const THRESHOLD_DOWN: f64 = 0.039;
const THRESHOLD_MIN: f64 = 6.0;
const THRESHOLD_MAX: f64 = 600.0;
/// A slope must stay above it for this long.
const OVERUSE: f64 = 10.0;
/// A difference of delays beyond this is a clock that was set, not a queue.
const MAX_STEP: f64 = 10_000.0;
/// The least delay of the last half to whole minute is taken for the path's own.
const BASE: Duration = Duration::from_secs(30);

/// What the delay says about the link.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Usage {
    #[default]
    Normal,
    /// A queue grows.
    Over,
    /// A queue drains.
    Under,
}

/// The detector of one viewer; about 500 bytes.
#[derive(Default)]
pub(crate) struct Delay {
    epoch: Option<(Instant, i64)>,
    group: Option<Group>,
    /// Of the last complete group, and of all since the start: milliseconds.
    last: Option<f64>,
    smoothed: f64,
    groups: f64,
    /// When each group arrived, and the smoothed delay then.
    points: [(f64, f64); WINDOW],
    slope: f64,
    threshold: f64,
    threshold_at: Option<f64>,
    over_for: f64,
    over_count: u32,
    usage: Usage,
    base: [Option<f64>; 2],
    base_since: Option<Instant>,
}

struct Group {
    first: Instant,
    /// The least of its packets': what the queue was when the first of them came to it.
    delay: f64,
    arrived: f64,
}

impl Delay {
    /// Takes a packet that left at `sent` and arrived at the microsecond `arrived` of the receiver's
    /// clock. In order of leaving.
    pub(crate) fn note(&mut self, sent: Instant, arrived: i64) {
        let (epoch, first_arrived) = *self.epoch.get_or_insert((sent, arrived));
        let sent_ms = sent.saturating_duration_since(epoch).as_secs_f64() * 1000.0;
        let arrived_ms = (arrived - first_arrived) as f64 / 1000.0;
        let delay = arrived_ms - sent_ms;
        if self
            .last
            .is_some_and(|last| (delay - last).abs() > MAX_STEP)
        {
            *self = Delay::default();
            return;
        }
        match &mut self.group {
            Some(group) if sent.saturating_duration_since(group.first) < GROUP => {
                group.delay = group.delay.min(delay);
                group.arrived = group.arrived.max(arrived_ms);
            }
            group => {
                let complete = group.replace(Group {
                    first: sent,
                    delay,
                    arrived: arrived_ms,
                });
                if let Some(group) = complete {
                    self.fit(&group);
                }
            }
        }
    }

    pub(crate) fn usage(&self) -> Usage {
        self.usage
    }

    /// How much longer packets take now than at the best of times: the queue, in time.
    pub(crate) fn queue(&self) -> Duration {
        let base = self.base.into_iter().flatten().reduce(f64::min);
        let queue = match (self.last, base) {
            (Some(last), Some(base)) => (last - base).max(0.0),
            _ => 0.0,
        };
        Duration::from_secs_f64(queue / 1000.0)
    }

    fn fit(&mut self, group: &Group) {
        self.note_base(group);
        self.smoothed = match self.last {
            Some(_) => SMOOTHING * self.smoothed + (1.0 - SMOOTHING) * group.delay,
            None => group.delay,
        };
        let step = self.last.map_or(0.0, |last| group.delay - last);
        self.last = Some(group.delay);
        let elapsed = match self.groups as usize {
            0 => 0.0,
            groups => group.arrived - self.points[(groups - 1) % WINDOW].0,
        };
        self.points[self.groups as usize % WINDOW] = (group.arrived, self.smoothed);
        self.groups += 1.0;
        let slope = match self.groups as usize >= WINDOW {
            true => slope(&self.points).unwrap_or(self.slope),
            // Too few for a line, but a link that is far too thin shows at once.
            false => match step > 0.0 && self.groups > 3.0 {
                true => slope(&self.points[..self.groups as usize]).unwrap_or(0.0),
                false => 0.0,
            },
        };
        self.detect(slope, elapsed, group.arrived);
    }

    fn note_base(&mut self, group: &Group) {
        let since = *self.base_since.get_or_insert(group.first);
        if group.first.saturating_duration_since(since) > BASE {
            self.base_since = Some(group.first);
            self.base = [None, self.base[0]];
        }
        let [newest, _] = &mut self.base;
        *newest = Some(newest.map_or(group.delay, |least| least.min(group.delay)));
    }

    fn detect(&mut self, slope: f64, elapsed: f64, now: f64) {
        if self.threshold == 0.0 {
            self.threshold = 12.5;
        }
        let scaled = self.groups.min(MAX_GROUPS) * slope * GAIN;
        if scaled > self.threshold {
            // Half of the first interval: it began somewhere within it.
            self.over_for += if self.over_count == 0 {
                elapsed / 2.0
            } else {
                elapsed
            };
            self.over_count += 1;
            if self.over_for > OVERUSE && self.over_count > 1 && slope >= self.slope {
                self.over_for = 0.0;
                self.over_count = 0;
                self.usage = Usage::Over;
            }
        } else {
            self.over_for = 0.0;
            self.over_count = 0;
            self.usage = match scaled < -self.threshold {
                true => Usage::Under,
                false => Usage::Normal,
            };
        }
        self.slope = slope;
        let distance = scaled.abs() - self.threshold;
        let since = (now - self.threshold_at.unwrap_or(now)).clamp(0.0, 100.0);
        self.threshold_at = Some(now);
        // A jump far beyond it says nothing about what is usual here.
        if distance <= 15.0 {
            let speed = match distance < 0.0 {
                true => THRESHOLD_DOWN,
                false => THRESHOLD_UP,
            };
            self.threshold += speed * distance * since;
            self.threshold = self.threshold.clamp(THRESHOLD_MIN, THRESHOLD_MAX);
        }
    }
}

/// The slope of the line through the points, by least squares. `None` if they are above one another.
fn slope(points: &[(f64, f64)]) -> Option<f64> {
    let count = points.len() as f64;
    let (x, y) = points
        .iter()
        .fold((0.0, 0.0), |(x, y), point| (x + point.0, y + point.1));
    let (x, y) = (x / count, y / count);
    let (above, below) = points.iter().fold((0.0, 0.0), |(above, below), point| {
        let dx = point.0 - x;
        (above + dx * (point.1 - y), below + dx * dx)
    });
    (below > 0.0).then(|| above / below)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Pictures of so many packets, 33 ms apart, over a link of `rate` bits a second with jitter. Returns
    /// what the detector said after each.
    fn run(delay: &mut Delay, from: u64, rate: f64, packets: u64, pictures: u64) -> Vec<Usage> {
        let start = Instant::now();
        let start = *delay.epoch.as_ref().map_or(&start, |(epoch, _)| epoch);
        let mut free = 0.0f64;
        let mut said = Vec::new();
        for picture in from..from + pictures {
            let sent = picture as f64 * 33_000.0;
            for packet in 0..packets {
                free = free.max(sent) + 1200.0 * 8.0 / rate * 1e6;
                // A pattern that does not repeat within a window.
                let jitter = ((picture * 7 + packet * 3) * 2_654_435_761 % 4_000) as f64;
                let arrived = free + 20_000.0 + jitter;
                delay.note(start + Duration::from_micros(sent as u64), arrived as i64);
            }
            said.push(delay.usage());
        }
        said
    }

    #[test]
    fn a_link_with_room_is_not_overused_whatever_its_jitter() {
        let mut delay = Delay::default();
        let said = run(&mut delay, 0, 10e6, 9, 600);
        assert!(said.iter().all(|usage| *usage != Usage::Over));
        assert!(delay.queue() < Duration::from_millis(10));
    }

    #[test]
    fn a_growing_queue_shows_within_a_third_of_a_second_and_its_end_too() {
        let mut delay = Delay::default();
        run(&mut delay, 0, 10e6, 9, 100);
        let said = run(&mut delay, 100, 1.3e6, 9, 10);
        assert!(said.contains(&Usage::Over), "{said:?}");
        assert!(delay.queue() > Duration::from_millis(100));
        let said = run(&mut delay, 110, 10e6, 9, 60);
        assert!(said.contains(&Usage::Under));
        assert_eq!(said.last(), Some(&Usage::Normal));
    }

    #[test]
    fn a_clock_that_is_set_is_not_a_queue() {
        let mut delay = Delay::default();
        run(&mut delay, 0, 10e6, 9, 30);
        let now = Instant::now();
        delay.note(now, 3_600_000_000);
        assert_eq!(delay.usage(), Usage::Normal);
        assert_eq!(delay.queue(), Duration::ZERO);
    }
}
