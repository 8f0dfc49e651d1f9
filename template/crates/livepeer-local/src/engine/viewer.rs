//! The sending leg: a viewer is a cursor in each track's ring.

use std::time::{Duration, Instant};

use super::bandwidth::Bandwidth;
use super::config::ReplayLimit;
use super::outbox::{Outbox, Path};
use super::resends::{Resends, Verdict};
use super::ring::Packet;
use super::rtp::{HEADER_BYTES, header, numbered};
use super::sdp::{Outgoing, Payload};
use super::srtp::Srtp;
use super::stats::Counters;
use super::track::Track;

/// A joiner is shown the pictures since the keyframe at this multiple of the track's own rate ...
const REPLAY_SPEED: u64 = 4;
/// ... but at least this fast, in bits per second.
const REPLAY_MIN_RATE: u64 = 8_000_000;
/// What a joiner is sent at once: a keyframe, mostly.
const REPLAY_BURST: f64 = 64_000.0;
/// Replayed pictures are this much closer to each other in time: those of ten seconds fit into a third
/// of one, and no two timestamps meet at 60 pictures a second.
const SQUEEZE: u32 = 33;
/// A viewer that no decodable picture can be found for is sent what there is after this long.
const PATIENCE: Duration = Duration::from_secs(3);

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
    packets: u32,
    octets: u32,
    resends: Resends,
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
    /// The track's index that has the first sequence number. Sequence numbers are linear in indexes:
    /// a hole in the track is a hole here, and a NACK needs no table.
    first: u64,
    /// The next to send.
    next: u64,
    squeeze: Option<Squeeze>,
    /// While the past is replayed: bytes that may go now.
    replay: Option<Replay>,
}

#[derive(Clone, Copy)]
struct Squeeze {
    /// Packets before this are from the past.
    until: u64,
    /// The newest timestamp when the viewer joined.
    joined: u32,
}

struct Replay {
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
            packets: 0,
            octets: 0,
            resends: Resends::new(),
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

    /// Whether the past is still being replayed, so that time alone brings more to send.
    pub(crate) fn is_replaying(&self) -> bool {
        matches!(&self.state, State::Playing(cursor) if cursor.replay.is_some())
    }

    /// Packets and payload bytes sent so far, for sender reports.
    pub(crate) fn sent(&self) -> (u32, u32) {
        (self.packets, self.octets)
    }

    /// Sends what is new to this viewer: late packets, and those from its cursor on. Begins where a
    /// decoder can.
    pub(crate) fn forward(
        &mut self,
        now: Instant,
        track: &Track,
        late: &[u64],
        limit: ReplayLimit,
        link: &mut Link,
    ) {
        if let State::Waiting { since } = &mut self.state {
            let since = *since.get_or_insert(now);
            let Some(cursor) = begin(now, since, track, limit) else {
                return;
            };
            link.counters.replays += u64::from(cursor.replay.is_some() && since == now);
            self.state = State::Playing(cursor);
        }
        let State::Playing(cursor) = &mut self.state else {
            return;
        };
        if let Some(replay) = &mut cursor.replay {
            let rate = (REPLAY_SPEED * track.bitrate()).max(REPLAY_MIN_RATE);
            let rate = link.bandwidth.replay_rate(now, rate);
            let elapsed = now.saturating_duration_since(replay.at).as_secs_f64();
            replay.budget = (replay.budget + elapsed * rate as f64 / 8.0).min(REPLAY_BURST);
            replay.at = now;
        }
        let (first, next) = (cursor.first, cursor.next);
        for index in late.iter().filter(|index| (first..next).contains(*index)) {
            if let Some(packet) = track.ring.get(*index) {
                self.send(now, packet, link);
            }
        }
        self.advance(now, track, link);
    }

    fn advance(&mut self, now: Instant, track: &Track, link: &mut Link) {
        loop {
            let State::Playing(cursor) = &mut self.state else {
                return;
            };
            cursor.next = cursor.next.max(track.ring.tail());
            if cursor.next >= track.ring.head() {
                cursor.replay = None;
                return;
            }
            let packet = track.ring.get(cursor.next);
            if let (Some(replay), Some(packet)) = (&mut cursor.replay, packet) {
                if replay.budget <= 0.0 {
                    return;
                }
                replay.budget -= packet.payload.len() as f64;
            }
            cursor.next += 1;
            if let Some(packet) = packet {
                self.send(now, packet, link);
            }
        }
    }

    fn send(&mut self, now: Instant, packet: &Packet, link: &mut Link) {
        let State::Playing(cursor) = &self.state else {
            return;
        };
        let header = header(
            packet.marker,
            self.payload_type,
            self.first_sequence
                .wrapping_add(packet.index.wrapping_sub(cursor.first) as u16),
            cursor.timestamp(packet),
            self.ssrc,
        );
        self.packets = self.packets.wrapping_add(1);
        self.octets = self.octets.wrapping_add(packet.payload.len() as u32);
        self.seal(now, &header, &[], &packet.payload, link);
    }

    /// Encrypts a packet, with a number where the viewer gives feedback by number.
    fn seal(
        &self,
        now: Instant,
        header: &[u8; HEADER_BYTES],
        prefix: &[u8],
        payload: &[u8],
        link: &mut Link,
    ) {
        let bytes = header.len() + prefix.len() + payload.len();
        let number = link
            .bandwidth
            .note_sent(now, bytes, self.transport_cc.is_some());
        match self.transport_cc {
            Some(id) => seal(&numbered(header, id, number), prefix, payload, link),
            None => seal(header, prefix, payload, link),
        }
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
        let (estimate, round_trip) = (link.bandwidth.estimate(), link.bandwidth.best_rtt());
        for sequence in sequences {
            let State::Playing(cursor) = &self.state else {
                return;
            };
            let Some(packet) = cursor
                .sent(*sequence, self.first_sequence)
                .and_then(|index| track.ring.get(index))
            else {
                continue;
            };
            let bytes = HEADER_BYTES + packet.payload.len();
            let verdict = self
                .resends
                .ask(now, packet.index, bytes, estimate, round_trip);
            match verdict {
                Verdict::Send => {}
                Verdict::UnderWay => continue,
                Verdict::TooMuch => {
                    link.counters.nacks_refused += 1;
                    continue;
                }
            }
            link.counters.retransmissions += 1;
            let timestamp = cursor.timestamp(packet);
            match &mut self.rtx {
                Some(rtx) => {
                    let header = header(
                        packet.marker,
                        rtx.payload_type,
                        rtx.sequence,
                        timestamp,
                        rtx.ssrc,
                    );
                    rtx.sequence = rtx.sequence.wrapping_add(1);
                    // RFC 4588 section 4: the original sequence number comes first.
                    let prefix = sequence.to_be_bytes();
                    self.seal(now, &header, &prefix, &packet.payload, link);
                }
                None => {
                    let header = header(
                        packet.marker,
                        self.payload_type,
                        *sequence,
                        timestamp,
                        self.ssrc,
                    );
                    self.seal(now, &header, &[], &packet.payload, link);
                }
            }
        }
    }
}

/// Where a viewer that has waited since `since` begins.
fn begin(now: Instant, since: Instant, track: &Track, limit: ReplayLimit) -> Option<Cursor> {
    let head = track.ring.head();
    let joined = track.newest_timestamp()?;
    if !track.codec().is_video() {
        return Some(Cursor::live(head));
    }
    match track.joinable_from(limit) {
        Some(first) => Some(Cursor {
            first,
            next: first,
            squeeze: Some(Squeeze {
                until: head,
                joined,
            }),
            replay: Some(Replay {
                budget: REPLAY_BURST,
                at: now,
            }),
        }),
        None if now.saturating_duration_since(since) > PATIENCE => Some(Cursor::live(head)),
        None => None,
    }
}

impl Cursor {
    fn live(head: u64) -> Self {
        Cursor {
            first: head,
            next: head,
            squeeze: None,
            replay: None,
        }
    }

    /// A packet's timestamp for this viewer. Depends on nothing but the packet, since a retransmission
    /// must be equal to the first sending bit for bit.
    fn timestamp(&self, packet: &Packet) -> u32 {
        let Some(squeeze) = self.squeeze.filter(|squeeze| packet.index < squeeze.until) else {
            return packet.timestamp;
        };
        let age = squeeze.joined.wrapping_sub(packet.timestamp);
        match (age as i32).is_positive() {
            true => squeeze.joined.wrapping_sub(age / SQUEEZE),
            false => packet.timestamp,
        }
    }

    /// The index that was sent with this sequence number.
    fn sent(&self, sequence: u16, first_sequence: u16) -> Option<u64> {
        let newest = self.next.checked_sub(1)?;
        let newest_sequence = first_sequence.wrapping_add((newest.wrapping_sub(self.first)) as u16);
        let age = newest_sequence.wrapping_sub(sequence);
        let index = newest.checked_sub(u64::from(age))?;
        (index >= self.first).then_some(index)
    }
}

fn seal(header: &[u8], prefix: &[u8], payload: &[u8], link: &mut Link) {
    let mut plain = Vec::with_capacity(header.len() + prefix.len() + payload.len());
    plain.extend_from_slice(header);
    plain.extend_from_slice(prefix);
    plain.extend_from_slice(payload);
    link.counters.packets_out += 1;
    link.counters.bytes_out += plain.len() as u64;
    // Sealing fails only after 2^48 packets: then the viewer has been watching for centuries.
    if let Ok(sealed) = link.srtp.seal_rtp(&plain) {
        link.out.push(link.path, &sealed);
    }
}
