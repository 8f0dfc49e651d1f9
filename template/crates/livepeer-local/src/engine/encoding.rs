//! One encoding of a track: the only one, or one layer of a simulcast (RFC 8853). It outlives its
//! publishers: a new one continues the older one's numbers and time line, so that viewers see no break.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::config::ReplayLimit;
use super::layers::Rung;
use super::pacer;
use super::relay::{LayerState, LayerUpdate};
use super::ring::{Inserted, Packet, Ring};
use super::sdp::Codec;
use super::track::RidName;

/// Packets that are kept: at 3 Mb/s about ten seconds of video.
const VIDEO_PACKETS: usize = 4096;
/// A layer that sends nothing for this long has been paused.
const PAUSE: Duration = Duration::from_secs(1);
/// Ten seconds of audio.
const AUDIO_PACKETS: usize = 512;

/// The packets of one encoding, and what is known of it.
pub(crate) struct Encoding {
    codec: Codec,
    /// The name that its publisher gave it.
    pub(crate) rid: RidName,
    /// The publisher of this moment negotiated it.
    pub(crate) is_sent: bool,
    pub(crate) ring: Ring,
    /// Packets that came after newer ones, until they have been sent on.
    late: Vec<u64>,
    /// So many of them the mirrors know of.
    relayed: usize,
    /// The newest hole that its publisher was asked for in vain: nothing before it can be decoded
    /// into what follows.
    lost: Option<u64>,
    broken: bool,
    /// The newest packet's place on the time line, and when it came.
    newest: Option<(u32, Instant)>,
    report: Option<Report>,
    rate: Rate,
    /// Width and height of the last keyframe.
    pub(crate) size: Option<(u32, u32)>,
    keyframe_wanted: bool,
    /// Viewers are waiting for a keyframe at this moment.
    pub(crate) keyframe_awaited: bool,
    keyframe_asked: Option<Instant>,
}

/// The publisher's last sender report: which moment of its clock a timestamp means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Report {
    ntp: u64,
    /// On the stream's time line.
    timestamp: u32,
    received: Instant,
}

impl Encoding {
    pub(crate) fn new(codec: Codec) -> Self {
        let capacity = match codec.is_video() {
            true => VIDEO_PACKETS,
            false => AUDIO_PACKETS,
        };
        Encoding {
            codec,
            rid: None,
            is_sent: true,
            ring: Ring::new(capacity),
            late: Vec::new(),
            relayed: 0,
            lost: None,
            broken: false,
            newest: None,
            report: None,
            rate: Rate::default(),
            size: None,
            keyframe_wanted: false,
            keyframe_awaited: false,
            keyframe_asked: None,
        }
    }

    pub(crate) fn codec(&self) -> Codec {
        self.codec
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
        self.keyframe_wanted &= !packet.marks.picture;
        let inserted = self.ring.insert(packet);
        match inserted {
            Inserted::Newest { .. } => self.newest = Some((timestamp, now)),
            Inserted::Late => self.late.push(index),
            Inserted::Useless => return inserted,
        }
        self.rate.count(now, bytes);
        inserted
    }

    /// What a mirror is told of it; `packets` are those that are new to it.
    pub(crate) fn told(&self, packets: Vec<Arc<Packet>>) -> LayerUpdate {
        LayerUpdate {
            packets,
            state: LayerState {
                rid: self.rid.clone(),
                is_sent: self.is_sent,
                size: self.size,
                lost: self.lost,
                report: self.report,
            },
            newest: self.newest,
            bitrate: self.bitrate(),
        }
    }

    /// Takes what the stream's home has, on another worker.
    pub(crate) fn mirror(&mut self, update: LayerUpdate) {
        for packet in update.packets {
            let index = packet.index;
            self.keyframe_wanted &= !packet.marks.picture;
            if self.ring.insert(packet) == Inserted::Late {
                self.late.push(index);
            }
        }
        self.rid = update.state.rid;
        self.is_sent = update.state.is_sent;
        self.size = update.state.size;
        self.lost = update.state.lost;
        self.report = update.state.report;
        self.newest = update.newest;
        self.rate.bits_per_second = update.bitrate;
    }

    /// The late packets that the mirrors do not know of yet.
    pub(crate) fn take_unrelayed(&mut self) -> &[u64] {
        let known = std::mem::replace(&mut self.relayed, self.late.len());
        &self.late[known..]
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

    /// Whether packets come: a layer that an encoder has paused is no choice.
    pub(crate) fn is_active(&self, now: Instant) -> bool {
        self.newest
            .is_some_and(|(_, at)| now.saturating_duration_since(at) < PAUSE)
    }

    /// What a choice of layers has to know of this one, the one with the index `layer`.
    pub(crate) fn rung(&self, layer: usize) -> Rung {
        let size = self.size;
        Rung {
            layer,
            bitrate: self.bitrate(),
            pixels: size.map(|(width, height)| width.saturating_mul(height)),
        }
    }

    /// The timestamp of this moment.
    pub(crate) fn live_edge(&self, now: Instant) -> Option<u32> {
        let (timestamp, at) = self.newest?;
        let elapsed = now.saturating_duration_since(at);
        Some(timestamp.wrapping_add(ticks(elapsed, self.codec().clock_rate())))
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

    /// The late packets that viewers have not been sent yet.
    pub(crate) fn late(&self) -> &[u64] {
        &self.late
    }

    /// Every viewer has been sent the late packets.
    pub(crate) fn clear_late(&mut self) {
        self.late.clear();
        self.relayed = 0;
    }

    pub(crate) fn note_report(&mut self, now: Instant, ntp: u64, timestamp: u32) {
        self.report = Some(Report {
            ntp,
            timestamp,
            received: now,
        });
    }

    /// A moment of the publisher's clock (NTP) and what it is on this time line.
    pub(crate) fn clock(&self) -> Option<(u64, u32)> {
        let report = self.report.as_ref()?;
        Some((report.ntp, report.timestamp))
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

    /// The next time that its publisher can be asked, it is asked for a keyframe.
    pub(crate) fn want_keyframe(&mut self) {
        self.keyframe_wanted = true;
    }

    /// The same for viewers whose links are too thin, who may cost the others a keyframe less often.
    pub(crate) fn want_keyframe_slowly(&mut self, now: Instant) {
        let recent = self
            .keyframe_asked
            .is_some_and(|asked| now.saturating_duration_since(asked) < pacer::KEYFRAMES);
        self.keyframe_wanted |= !recent;
    }

    /// The next request goes at once, however recent the last one is: the first viewer is waiting.
    pub(crate) fn want_keyframe_at_once(&mut self) {
        self.keyframe_wanted = true;
        self.keyframe_asked = None;
    }

    /// Whether a keyframe is to be asked for now: one is wanted, and the last request is old enough.
    pub(crate) fn take_keyframe_wanted(&mut self, now: Instant, interval: Duration) -> bool {
        let recent = self
            .keyframe_asked
            .is_some_and(|asked| now.saturating_duration_since(asked) < interval);
        if !(self.keyframe_wanted || self.keyframe_awaited) || recent {
            return false;
        }
        self.keyframe_wanted = false;
        self.keyframe_asked = Some(now);
        true
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

/// Bits per second, counted in windows of a second.
#[derive(Default)]
struct Rate {
    window: Option<Instant>,
    bytes: usize,
    bits_per_second: u64,
}

impl Rate {
    fn count(&mut self, now: Instant, bytes: usize) {
        let window = *self.window.get_or_insert(now);
        let elapsed = now.saturating_duration_since(window);
        if elapsed >= Duration::from_secs(2) {
            // A pause, and no measure of what is sent now.
            self.window = Some(now);
            self.bytes = 0;
        }
        self.bytes += bytes;
        if (1000..2000).contains(&elapsed.as_millis()) {
            let rate = (self.bytes as u128 * 8_000 / elapsed.as_millis()) as u64;
            // Half of the one before, since seconds with and without a keyframe differ.
            self.bits_per_second = match self.bits_per_second {
                0 => rate,
                before => before.midpoint(rate),
            };
            self.window = Some(now);
            self.bytes = 0;
        }
    }
}
