//! One audio or video track of a stream. It outlives its publishers: a new one continues the older
//! one's numbers and time line, so that viewers see a single track.

use std::time::{Duration, Instant};

use super::config::ReplayLimit;
use super::relay::TrackUpdate;
use super::ring::{Inserted, Packet, Ring};
use super::sdp::{Codec, Payload};

/// Packets that are kept: at 3 Mb/s about ten seconds of video.
const VIDEO_PACKETS: usize = 4096;
/// Ten seconds of audio.
const AUDIO_PACKETS: usize = 512;

/// A track as viewers see it.
pub(crate) struct Track {
    /// What its publisher sends; viewers are matched with it.
    pub(crate) payload: Payload,
    pub(crate) ring: Ring,
    /// Packets that came after newer ones, until they have been sent on.
    late: Vec<u64>,
    /// The newest hole that its publisher was asked for in vain: nothing before it can be decoded
    /// into what follows.
    lost: Option<u64>,
    broken: bool,
    /// The newest packet's place on the time line, and when it came.
    newest: Option<(u32, Instant)>,
    report: Option<Report>,
    rate: Rate,
}

/// The publisher's last sender report: which moment of its clock a timestamp means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Report {
    ntp: u64,
    /// On the stream's time line.
    timestamp: u32,
    received: Instant,
}

impl Track {
    pub(crate) fn new(payload: Payload) -> Self {
        let capacity = match payload.codec.is_video() {
            true => VIDEO_PACKETS,
            false => AUDIO_PACKETS,
        };
        Track {
            payload,
            ring: Ring::new(capacity),
            late: Vec::new(),
            lost: None,
            broken: false,
            newest: None,
            report: None,
            rate: Rate::default(),
        }
    }

    pub(crate) fn codec(&self) -> Codec {
        self.payload.codec
    }

    /// Where a new publisher's first packet belongs: right after the older one's last, and as much
    /// later on the time line as it came later. Its sender reports are not comparable.
    pub(crate) fn continue_at(&mut self, now: Instant) -> Option<(u64, u32)> {
        self.report = None;
        let (timestamp, at) = self.newest?;
        let clock = self.codec().clock_rate();
        let elapsed = ticks(now.saturating_duration_since(at), clock);
        Some((self.ring.head(), timestamp.wrapping_add(elapsed.max(1))))
    }

    pub(crate) fn insert(&mut self, now: Instant, packet: Packet) -> Inserted {
        let (index, timestamp, bytes) = (packet.index, packet.timestamp, packet.payload.len());
        let inserted = self.ring.insert(packet);
        match inserted {
            Inserted::Newest { .. } => self.newest = Some((timestamp, now)),
            Inserted::Late => self.late.push(index),
            Inserted::Useless => return inserted,
        }
        self.rate.count(now, bytes);
        inserted
    }

    /// Takes what the stream's home has, on another worker.
    pub(crate) fn mirror(&mut self, now: Instant, update: TrackUpdate) {
        for packet in update.packets {
            let (index, timestamp) = (packet.index, packet.timestamp);
            match self.ring.insert(packet) {
                Inserted::Newest { .. } => self.newest = Some((timestamp, now)),
                Inserted::Late => self.late.push(index),
                Inserted::Useless => {}
            }
        }
        self.lost = update.lost;
        self.report = update.report;
        self.rate.bits_per_second = update.bitrate;
    }

    /// The newest hole that will stay one.
    pub(crate) fn lost(&self) -> Option<u64> {
        self.lost
    }

    /// The publisher's last sender report.
    pub(crate) fn last_report(&self) -> Option<Report> {
        self.report
    }

    /// A hole that will stay one.
    pub(crate) fn give_up(&mut self, index: u64) {
        self.lost = self.lost.max(Some(index));
        self.broken = true;
    }

    /// Whether a packet was lost for good since the last call: viewers' decoders are stuck, or will be.
    pub(crate) fn take_broken(&mut self) -> bool {
        std::mem::take(&mut self.broken)
    }

    /// The timestamp of the newest packet.
    pub(crate) fn newest_timestamp(&self) -> Option<u32> {
        self.newest.map(|(timestamp, _)| timestamp)
    }

    /// Where a joiner's decoder can begin, if what follows can be decoded too and is within `limit`.
    pub(crate) fn joinable_from(&self, limit: ReplayLimit) -> Option<u64> {
        let start = self.ring.decodable_from(self.codec())?;
        // Replaying takes a while, in which the ring moves on.
        let margin = 512;
        if self.lost.is_some_and(|lost| lost >= start) || start < self.ring.tail() + margin {
            return None;
        }
        let (newest, _) = self.newest?;
        let age = newest.wrapping_sub(self.ring.get(start)?.timestamp);
        if age > ticks(limit.span, self.codec().clock_rate()) {
            return None;
        }
        let bytes: usize = self.ring.since(start).map(|p| p.payload.len()).sum();
        (bytes <= limit.bytes).then_some(start)
    }

    /// Takes the late packets that viewers have not been sent yet.
    pub(crate) fn take_late(&mut self) -> Vec<u64> {
        std::mem::take(&mut self.late)
    }

    pub(crate) fn note_report(&mut self, now: Instant, ntp: u64, timestamp: u32) {
        self.report = Some(Report {
            ntp,
            timestamp,
            received: now,
        });
    }

    /// What a sender report of this moment says: the publisher's clock and the time line, both carried
    /// on from its own last report. `None` before that.
    pub(crate) fn report(&self, now: Instant) -> Option<(u64, u32)> {
        let report = self.report.as_ref()?;
        let elapsed = now.saturating_duration_since(report.received);
        let ntp = report.ntp.wrapping_add(ntp_duration(elapsed));
        let elapsed = ticks(elapsed, self.codec().clock_rate());
        Some((ntp, report.timestamp.wrapping_add(elapsed)))
    }

    /// Payload bits per second, over the last second or so.
    pub(crate) fn bitrate(&self) -> u64 {
        self.rate.bits_per_second
    }
}

/// RTP ticks in a duration.
pub(crate) fn ticks(duration: Duration, clock_rate: u32) -> u32 {
    (duration.as_micros() * u128::from(clock_rate) / 1_000_000) as u32
}

/// A duration as NTP counts: seconds in the upper half, fractions of 2^-32 in the lower.
fn ntp_duration(duration: Duration) -> u64 {
    let fraction = (u64::from(duration.subsec_nanos()) << 32) / 1_000_000_000;
    (duration.as_secs() << 32) | fraction
}

/// Bytes per second, counted in windows of a second.
#[derive(Default)]
struct Rate {
    window: Option<Instant>,
    bytes: usize,
    bits_per_second: u64,
}

impl Rate {
    fn count(&mut self, now: Instant, bytes: usize) {
        let window = *self.window.get_or_insert(now);
        self.bytes += bytes;
        let elapsed = now.saturating_duration_since(window);
        if elapsed >= Duration::from_secs(1) {
            self.bits_per_second = (self.bytes as u128 * 8_000 / elapsed.as_millis()) as u64;
            self.window = Some(now);
            self.bytes = 0;
        }
    }
}
