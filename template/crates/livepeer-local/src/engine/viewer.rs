//! The sending leg: a viewer is a cursor in each track's ring.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::bandwidth::Bandwidth;
use super::config::ReplayLimit;
use super::encoding::{Encoding, ticks};
use super::layers::Choice;
use super::outbox::{Outbox, Path};
use super::pacer::{MAX_CATCH_UP, MAX_LAG, MAX_REPLAY, Pacer};
use super::resends::{Resends, Verdict};
use super::ring::Packet;
use super::rtp::{HEADER_BYTES, header, numbered};
use super::sdp::{Codec, Outgoing, Payload};
use super::segment::{Place, Segment};
use super::srtp::Srtp;
use super::stats::Counters;
use super::track::{RidName, Track};
use super::vp8::{Numbers, Shift};

/// A joiner is shown the pictures since the keyframe at this multiple of the track's own rate ...
const REPLAY_SPEED: u64 = 4;
/// ... but at least this fast, in bits per second.
const REPLAY_MIN_RATE: u64 = 8_000_000;
/// What a joiner is sent at once: a keyframe, mostly.
const REPLAY_BURST: f64 = 64_000.0;
/// A viewer that no decodable picture can be found for is sent what there is after this long.
const PATIENCE: Duration = Duration::from_secs(3);
/// A viewer is moved to another layer at its last keyframe, if that is whole and no older than this;
/// otherwise a new one is asked for.
const CHANGE_LIMIT: ReplayLimit = ReplayLimit {
    span: Duration::from_millis(500),
    bytes: 1_000_000,
};
/// Runs of packets that are remembered for a viewer's NACKs: those of the last seconds.
const MAX_SEGMENTS: usize = 4;

/// Where a viewer's packets go.
pub(crate) struct Link<'a> {
    pub(crate) srtp: &'a mut Srtp,
    pub(crate) path: Path,
    pub(crate) out: &'a mut Outbox,
    pub(crate) counters: &'a mut Counters,
    pub(crate) bandwidth: &'a mut Bandwidth,
}

/// One track of one viewer.
pub(crate) struct Sender {
    payload_type: u8,
    ssrc: u32,
    rtx: Option<Rtx>,
    /// The id of the extension with transport-wide numbers. Only with `rtx`: each sending has another.
    transport_cc: Option<u8>,
    /// The sequence number of the first packet sent. Below 2^15, so that receivers count the first
    /// rollover as we do.
    first_sequence: u16,
    state: State,
    choice: Choice,
    /// The layer that the viewer asked for.
    wish: RidName,
    packets: u32,
    octets: u32,
    resends: Resends,
    pacer: Pacer,
}

struct Rtx {
    payload_type: u8,
    ssrc: u32,
    sequence: u16,
}

enum State {
    /// Until there is a picture to begin with.
    Waiting {
        since: Option<Instant>,
    },
    Playing(Cursor),
}

struct Cursor {
    segment: Segment,
    /// Of the layers that were left, oldest first.
    past: VecDeque<Segment>,
    /// The next of the segment's layer to send.
    next: u64,
    /// The newest timestamp that was sent.
    newest: u32,
    /// The last packet that was sent ended a picture.
    between_pictures: bool,
    /// While the past is replayed: bytes that may go now.
    replay: Option<Replay>,
}

/// Where another layer can be gone over to.
struct Change {
    layer: usize,
    first: u64,
    timestamp: u32,
}

struct Replay {
    began: Instant,
    budget: f64,
    at: Instant,
}

impl Sender {
    pub(crate) fn new(payload: &Payload, outgoing: &Outgoing) -> Self {
        let rtx = match (payload.rtx, outgoing.rtx_ssrc) {
            (Some(payload_type), Some(ssrc)) => Some(Rtx {
                payload_type,
                ssrc,
                sequence: rand::random::<u16>() >> 1,
            }),
            _ => None,
        };
        Sender {
            payload_type: payload.number,
            ssrc: outgoing.ssrc,
            transport_cc: payload.transport_cc.filter(|_| rtx.is_some()),
            rtx,
            first_sequence: rand::random::<u16>() >> 1,
            state: State::Waiting { since: None },
            choice: Choice::default(),
            wish: None,
            packets: 0,
            octets: 0,
            resends: Resends::new(),
            pacer: Pacer::default(),
        }
    }

    pub(crate) fn ssrc(&self) -> u32 {
        self.ssrc
    }

    /// Whether its packets have transport-wide numbers.
    pub(crate) fn is_numbered(&self) -> bool {
        self.transport_cc.is_some()
    }

    pub(crate) fn is_waiting(&self) -> bool {
        matches!(self.state, State::Waiting { .. })
    }

    /// Whether the past is still being replayed, or a thin link is waited for, so that time alone brings
    /// more to send.
    pub(crate) fn is_paced(&self) -> bool {
        let replays = matches!(&self.state, State::Playing(cursor) if cursor.replay.is_some());
        replays || self.pacer.is_held()
    }

    /// Whether the video is left out up to the next keyframe.
    pub(crate) fn is_skipping(&self) -> bool {
        self.pacer.is_skipping()
    }

    /// Packets and payload bytes sent so far, for sender reports.
    pub(crate) fn sent(&self) -> (u32, u32) {
        (self.packets, self.octets)
    }

    /// What a sender report of this moment says; `None` before the publisher's own first.
    pub(crate) fn report(&self, now: Instant, track: &Track) -> Option<(u64, u32)> {
        let State::Playing(cursor) = &self.state else {
            return None;
        };
        let (ntp, timestamp) = track.layer(cursor.segment.layer)?.report(now)?;
        Some((ntp, cursor.segment.straight(timestamp)))
    }

    /// Asks for a layer, or leaves the choice to the engine again.
    pub(crate) fn wish(&mut self, rid: RidName) {
        self.wish = rid;
    }

    /// The layer that the viewer looks at, or waits for.
    pub(crate) fn layer(&self) -> usize {
        match &self.state {
            State::Playing(cursor) => cursor.segment.layer,
            State::Waiting { .. } => self.choice.layer().unwrap_or(0),
        }
    }

    /// The layer that it needs a keyframe of, to begin or to be moved there.
    pub(crate) fn wants_keyframe(&self) -> Option<usize> {
        let chosen = self.choice.layer().unwrap_or(0);
        match &self.state {
            State::Waiting { .. } => Some(chosen),
            State::Playing(cursor) => (cursor.segment.layer != chosen).then_some(chosen),
        }
    }

    /// Sends what is new to this viewer: late packets, and those from its cursor on. Begins where a
    /// decoder can, and goes over to another layer where a decoder can.
    pub(crate) fn forward(
        &mut self,
        now: Instant,
        track: &Track,
        limit: ReplayLimit,
        link: &mut Link,
    ) {
        let wish = self.wish.as_ref().and_then(|_| track.named(&self.wish));
        if track.codec().is_video() {
            let layer = track.layer(self.layer());
            link.bandwidth
                .note_demand(layer.map_or(0, Encoding::bitrate));
        }
        let estimate = link.bandwidth.estimate();
        let limited = link.bandwidth.is_limited();
        self.choice
            .choose(now, &track.ladder, wish, estimate, limited);
        if let State::Waiting { since } = &mut self.state {
            let since = *since.get_or_insert(now);
            let Some(cursor) = self.begin(now, since, track, limit) else {
                return;
            };
            link.counters.replays += u64::from(cursor.replay.is_some() && since == now);
            self.state = State::Playing(cursor);
        }
        self.send_late(now, track, link);
        self.advance(now, track, link);
    }

    fn send_late(&mut self, now: Instant, track: &Track, link: &mut Link) {
        let State::Playing(cursor) = &self.state else {
            return;
        };
        let mut late = Vec::new();
        for segment in cursor.past.iter().chain([&cursor.segment]) {
            let Some(layer) = track.layer(segment.layer) else {
                continue;
            };
            let ours = |index: &&u64| {
                let sent = segment.end != u64::MAX || **index < cursor.next;
                segment.has(**index) && sent
            };
            let packets = layer.late().iter().filter(ours);
            let packets = packets.filter_map(|index| layer.ring.get(*index));
            late.extend(packets.map(|p| (p.clone(), segment.place(p))));
        }
        for (packet, place) in late {
            self.send(now, &packet, place, link);
        }
    }

    fn advance(&mut self, now: Instant, track: &Track, link: &mut Link) {
        if let State::Playing(Cursor {
            segment,
            replay: Some(replay),
            ..
        }) = &mut self.state
        {
            let bitrate = track.layer(segment.layer).map_or(0, Encoding::bitrate);
            let rate = (REPLAY_SPEED * bitrate).max(REPLAY_MIN_RATE);
            let rate = link.bandwidth.replay_rate(now, bitrate, rate);
            let elapsed = now.saturating_duration_since(replay.at).as_secs_f64();
            replay.budget = (replay.budget + elapsed * rate as f64 / 8.0).min(REPLAY_BURST);
            replay.at = now;
        }
        let mut change = self.change(track);
        let is_video = track.codec().is_video();
        if is_video {
            self.pacer.refill(now, link.bandwidth);
        }
        loop {
            let State::Playing(cursor) = &mut self.state else {
                return;
            };
            let Some(layer) = track.layer(cursor.segment.layer) else {
                return;
            };
            // A picture that was begun is ended first, unless its layer has stopped.
            if let Some(change) =
                change.take_if(|_| cursor.between_pictures || !layer.is_active(now))
            {
                cursor.follow(track, change);
                link.counters.layer_changes += 1;
                self.pacer.resume();
                continue;
            }
            if is_video && cursor.between_pictures {
                if !self.pacer.is_skipping() && cursor.is_too_late(now, layer, link.bandwidth) {
                    link.counters.skips += 1;
                    cursor.replay = None;
                    self.pacer.skip();
                }
                if self.pacer.is_skipping() {
                    let Some(change) = cursor.next_keyframe(layer) else {
                        return;
                    };
                    cursor.follow(track, change);
                    self.pacer.resume();
                    continue;
                }
            }
            cursor.next = cursor.next.max(layer.ring.tail());
            if cursor.next >= layer.ring.head() {
                cursor.replay = None;
                return;
            }
            let packet = layer.ring.get(cursor.next);
            if let (Some(replay), Some(packet)) = (&mut cursor.replay, packet) {
                if replay.budget <= 0.0 {
                    return;
                }
                replay.budget -= packet.payload.len() as f64;
            }
            if is_video && let Some(packet) = packet {
                if self.pacer.holds(link.bandwidth) {
                    return;
                }
                self.pacer.spend(packet.payload.len());
            }
            cursor.next += 1;
            if let Some(packet) = packet {
                let place = cursor.segment.place(packet);
                cursor.between_pictures = packet.marker;
                if (place.timestamp.wrapping_sub(cursor.newest) as i32).is_positive() {
                    cursor.newest = place.timestamp;
                }
                self.send(now, packet, place, link);
            }
        }
    }

    /// Where the chosen layer can be gone over to, if that is another than the one that is sent.
    fn change(&self, track: &Track) -> Option<Change> {
        let State::Playing(cursor) = &self.state else {
            return None;
        };
        let layer = self.choice.layer().filter(|l| *l != cursor.segment.layer)?;
        let target = track.layer(layer)?;
        let first = target.joinable_from(CHANGE_LIMIT)?;
        let timestamp = target.ring.get(first)?.timestamp;
        Some(Change {
            layer,
            first,
            timestamp,
        })
    }

    fn send(&mut self, now: Instant, packet: &Packet, place: Place, link: &mut Link) {
        let header = header(
            packet.marker,
            self.payload_type,
            place.number as u16,
            place.timestamp,
            self.ssrc,
        );
        self.packets = self.packets.wrapping_add(1);
        self.octets = self.octets.wrapping_add(packet.payload.len() as u32);
        self.seal(now, &header, &[], packet, place, link);
    }

    /// Encrypts a packet, with a number where the viewer gives feedback by number.
    fn seal(
        &self,
        now: Instant,
        header: &[u8; HEADER_BYTES],
        prefix: &[u8],
        packet: &Packet,
        place: Place,
        link: &mut Link,
    ) {
        let payload = &packet.payload;
        let bytes = header.len() + prefix.len() + payload.len();
        let number = link
            .bandwidth
            .note_sent(now, bytes, self.transport_cc.is_some());
        match self.transport_cc {
            Some(id) => {
                let header = numbered(header, id, number);
                seal(&header, prefix, payload, place.vp8, link);
            }
            None => seal(header, prefix, payload, place.vp8, link),
        }
    }

    /// Where a viewer that has waited since `since` begins: with the chosen layer, or for now with the next
    /// lower one that there is a picture of.
    fn begin(
        &self,
        now: Instant,
        since: Instant,
        track: &Track,
        limit: ReplayLimit,
    ) -> Option<Cursor> {
        let chosen = self.choice.layer().unwrap_or(0);
        let number = u64::from(self.first_sequence);
        let layer = track.layer(chosen)?;
        let (head, newest) = (layer.ring.head(), layer.newest_timestamp()?);
        let live = || Cursor::new(Segment::live(chosen, head, number), newest, None);
        if !track.codec().is_video() {
            return Some(live());
        }
        let joinable = track.up_to(chosen).find_map(|index| {
            let layer = track.layer(index)?;
            Some((index, layer, layer.joinable_from(limit)?))
        });
        let Some((index, layer, first)) = joinable else {
            let is_patient = now.saturating_duration_since(since) <= PATIENCE;
            return (!is_patient).then(live);
        };
        let (head, joined) = (layer.ring.head(), layer.newest_timestamp()?);
        let segment = Segment::joined(index, first, number, head, joined);
        let replay = Replay {
            began: now,
            budget: REPLAY_BURST,
            at: now,
        };
        let before = layer.ring.get(first)?;
        let newest = segment.place(before).timestamp;
        Some(Cursor::new(segment, newest, Some(replay)))
    }

    /// Sends again what the viewer misses, as far as it is still here.
    pub(crate) fn resend(
        &mut self,
        now: Instant,
        sequences: &[u16],
        track: &Track,
        link: &mut Link,
    ) {
        link.counters.nacks_in += sequences.len() as u64;
        let known = (link.bandwidth.estimate(), link.bandwidth.best_rtt());
        // Without RTX the second copy would be a replay to the receiver.
        let may_double = self.rtx.is_some() && !link.bandwidth.is_limited();
        for sequence in sequences {
            let State::Playing(cursor) = &self.state else {
                return;
            };
            let Some((packet, place)) = cursor.sent(*sequence, track) else {
                continue;
            };
            let bytes = HEADER_BYTES + packet.payload.len();
            let verdict = self
                .resends
                .ask(now, place.number, bytes, known, may_double);
            let copies = match verdict {
                Verdict::Send => 1,
                Verdict::SendTwice => 2,
                Verdict::UnderWay => continue,
                Verdict::TooMuch => {
                    link.counters.nacks_refused += 1;
                    continue;
                }
            };
            link.counters.retransmissions += copies;
            for _ in 0..copies {
                self.repeat(now, *sequence, packet, place, link);
            }
        }
    }

    fn repeat(
        &mut self,
        now: Instant,
        sequence: u16,
        packet: &Packet,
        place: Place,
        link: &mut Link,
    ) {
        match &mut self.rtx {
            Some(rtx) => {
                let header = header(
                    packet.marker,
                    rtx.payload_type,
                    rtx.sequence,
                    place.timestamp,
                    rtx.ssrc,
                );
                rtx.sequence = rtx.sequence.wrapping_add(1);
                // RFC 4588 section 4: the original sequence number comes first.
                let prefix = sequence.to_be_bytes();
                self.seal(now, &header, &prefix, packet, place, link);
            }
            None => {
                let header = header(
                    packet.marker,
                    self.payload_type,
                    sequence,
                    place.timestamp,
                    self.ssrc,
                );
                self.seal(now, &header, &[], packet, place, link);
            }
        }
    }
}

impl Cursor {
    fn new(segment: Segment, newest: u32, replay: Option<Replay>) -> Self {
        Cursor {
            next: segment.first,
            segment,
            past: VecDeque::new(),
            newest,
            between_pictures: true,
            replay,
        }
    }

    /// Whether what comes next is so far behind the live edge that the link will not catch up with it.
    fn is_too_late(&self, now: Instant, layer: &Encoding, bandwidth: &Bandwidth) -> bool {
        let patient = match &self.replay {
            Some(replay) => now.saturating_duration_since(replay.began) < MAX_REPLAY,
            None => !bandwidth.is_limited(),
        };
        let next = layer.ring.since(self.next).next();
        let (false, Some(next), Some(newest)) = (patient, next, layer.newest_timestamp()) else {
            return false;
        };
        let lag = newest.wrapping_sub(next.timestamp) as i32;
        let allowed = match bandwidth.estimate() > layer.bitrate() * 11 / 10 {
            true => MAX_CATCH_UP,
            false => MAX_LAG,
        };
        lag > ticks(allowed, layer.codec().clock_rate()) as i32
    }

    /// Where the same layer can be gone on with, after something was left out.
    fn next_keyframe(&self, layer: &Encoding) -> Option<Change> {
        let first = layer.joinable_from(CHANGE_LIMIT)?;
        let timestamp = layer.ring.get(first)?.timestamp;
        (first >= self.next).then_some(Change {
            layer: self.segment.layer,
            first,
            timestamp,
        })
    }

    /// What continues the numbers in VP8 payloads: see `vp8.rs`.
    fn vp8_shift(&self, track: &Track, change: &Change) -> Shift {
        let numbers = |layer: usize, index: u64| {
            let packet = track.layer(layer)?.ring.get(index)?;
            Some(Numbers::of(&packet.payload))
        };
        let layer = self.segment.layer;
        // Before the last that was sent there may be holes, and probes without a payload.
        let newest = (self.segment.first..self.next).rev().take(64);
        let mut newest = newest.filter_map(|index| numbers(layer, index));
        let last = newest.find(|numbers| *numbers != Numbers::default());
        let last = last.unwrap_or_default().shifted(self.segment.vp8);
        let next = numbers(change.layer, change.first).unwrap_or_default();
        Shift::between(last, next)
    }

    /// Goes over to another layer, or on to a later picture of the same.
    fn follow(&mut self, track: &Track, change: Change) {
        let shift = track.shift(self.segment.layer, change.layer);
        let first = (change.first, change.timestamp);
        let mut run = self
            .segment
            .follow(self.next, change.layer, first, shift, self.newest);
        if track.codec() == Codec::Vp8 {
            run.vp8 = self.vp8_shift(track, &change);
        }
        if self.past.len() == MAX_SEGMENTS - 1 {
            self.past.pop_front();
        }
        self.past
            .push_back(std::mem::replace(&mut self.segment, run));
        self.next = change.first;
    }

    /// The packet that was sent with this sequence number, as far as it is still here.
    fn sent<'t>(&self, sequence: u16, track: &'t Track) -> Option<(&'t Packet, Place)> {
        let next = self.segment.number(self.next);
        let newest = next.checked_sub(1)?;
        let age = (newest as u16).wrapping_sub(sequence);
        let number = newest.checked_sub(u64::from(age))?;
        let mut segments = self.past.iter().chain([&self.segment]);
        let (segment, index) = segments.find_map(|s| Some((s, s.index(number)?)))?;
        let packet = track.layer(segment.layer)?.ring.get(index)?;
        Some((packet, segment.place(packet)))
    }
}

fn seal(header: &[u8], prefix: &[u8], payload: &[u8], vp8: Shift, link: &mut Link) {
    let payload = &*vp8.applied(payload);
    link.counters.packets_out += 1;
    link.counters.bytes_out += (header.len() + prefix.len() + payload.len()) as u64;
    let srtp = &mut link.srtp;
    // Sealing fails only after 2^48 packets: then the viewer has been watching for centuries.
    let _ = link.out.push_made(link.path, |out| {
        srtp.seal_rtp([header, prefix, payload], out)
    });
}
