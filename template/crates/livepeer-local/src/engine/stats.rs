//! Counters, per stream and in all.

use std::collections::BTreeMap;

use super::diagnosis::Finding;
use super::names::StreamName;

/// A snapshot of every counter since the engine started.
#[derive(Clone, Debug, Default)]
pub struct Stats {
    /// Sessions at this moment, publishers and viewers, connecting ones included.
    pub sessions: usize,
    /// Sum over all streams, those that are gone included.
    pub total: Counters,
    /// Each stream that has a publisher or viewers.
    pub streams: BTreeMap<StreamName, StreamStats>,
    /// Datagrams that were thrown away.
    pub drops: Drops,
}

/// One stream at this moment.
#[derive(Clone, Debug, Default)]
pub struct StreamStats {
    /// Between [`Started`](super::StreamEvent::Started) and [`Idle`](super::StreamEvent::Idle).
    pub live: bool,
    /// A publisher's session exists, connected or not.
    pub publisher: bool,
    /// Viewers whose DTLS handshake is done.
    pub viewers: usize,
    /// Threads that serve viewers besides the one that has the publisher.
    pub mirrors: usize,
    /// The publisher's codecs, e.g. `VP8` and `opus`.
    pub codecs: Vec<String>,
    /// The size of the publisher's pictures in pixels, once a keyframe has told.
    pub picture: Option<(u32, u32)>,
    /// What its publisher should change, in words.
    pub findings: Vec<Finding>,
    /// What was counted.
    pub counters: Counters,
}

/// What is counted for a stream and in all. Bytes are RTP packets without SRTP's tag.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// RTP packets that came from publishers, authenticated and new.
    pub packets_in: u64,
    /// Their bytes.
    pub bytes_in: u64,
    /// RTP packets that went to viewers, retransmissions included.
    pub packets_out: u64,
    /// Their bytes.
    pub bytes_out: u64,
    /// Viewers that got their first packet.
    pub joins: u64,
    /// Joins that began at once with the pictures kept since the last keyframe.
    pub replays: u64,
    /// Keyframe requests that viewers sent (PLI and FIR).
    pub plis_in: u64,
    /// Keyframe requests that publishers were sent (PLI).
    pub plis_out: u64,
    /// Packets that viewers asked for again.
    pub nacks_in: u64,
    /// Packets that publishers were asked for again.
    pub nacks_out: u64,
    /// Packets that viewers were sent again.
    pub retransmissions: u64,
    /// Times that a publisher took over from another.
    pub takeovers: u64,
}

impl Counters {
    pub(crate) fn add(&mut self, other: &Counters) {
        self.packets_in += other.packets_in;
        self.bytes_in += other.bytes_in;
        self.packets_out += other.packets_out;
        self.bytes_out += other.bytes_out;
        self.joins += other.joins;
        self.replays += other.replays;
        self.plis_in += other.plis_in;
        self.plis_out += other.plis_out;
        self.nacks_in += other.nacks_in;
        self.nacks_out += other.nacks_out;
        self.retransmissions += other.retransmissions;
        self.takeovers += other.takeovers;
    }
}

/// Why datagrams were thrown away.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Drops {
    /// Neither STUN, DTLS nor RTP (RFC 7983), or too short to tell.
    pub unknown_kind: u64,
    /// From an address that no authenticated STUN check came from.
    pub unknown_address: u64,
    /// STUN: malformed, not a Binding request, or for no session here.
    pub stun_unknown: u64,
    /// STUN: wrong MESSAGE-INTEGRITY.
    pub stun_integrity: u64,
    /// DTLS records that could not be used.
    pub dtls: u64,
    /// RTP or RTCP before the handshake was done, or from the wrong side.
    pub early: u64,
    /// RTP of an SSRC or payload type that was not negotiated.
    pub unexpected_rtp: u64,
    /// RTP or RTCP that failed authentication, or came twice.
    pub srtp: u64,
    /// Sent datagrams that the system did not take.
    pub send: u64,
    /// Sent datagrams whose TCP connection was closed, or whose peer did not read fast enough.
    pub slow_tcp: u64,
    /// For another thread of the engine, which was too busy to take them.
    pub busy: u64,
}

impl Drops {
    pub(crate) fn add(&mut self, other: &Drops) {
        self.unknown_kind += other.unknown_kind;
        self.unknown_address += other.unknown_address;
        self.stun_unknown += other.stun_unknown;
        self.stun_integrity += other.stun_integrity;
        self.dtls += other.dtls;
        self.early += other.early;
        self.unexpected_rtp += other.unexpected_rtp;
        self.srtp += other.srtp;
        self.send += other.send;
        self.slow_tcp += other.slow_tcp;
        self.busy += other.busy;
    }
}

impl Stats {
    /// Joins what another worker has counted.
    pub(crate) fn add(&mut self, other: Stats) {
        self.sessions += other.sessions;
        self.total.add(&other.total);
        for (name, stream) in other.streams {
            self.streams.entry(name).or_default().add(stream);
        }
        self.drops.add(&other.drops);
    }
}

impl StreamStats {
    fn add(&mut self, other: StreamStats) {
        self.live |= other.live;
        self.publisher |= other.publisher;
        self.viewers += other.viewers;
        self.mirrors += other.mirrors;
        if self.codecs.is_empty() {
            self.codecs = other.codecs;
        }
        self.picture = self.picture.or(other.picture);
        self.findings.extend(other.findings);
        self.counters.add(&other.counters);
    }
}
