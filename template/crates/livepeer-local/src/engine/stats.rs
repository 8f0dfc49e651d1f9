//! Counters, per stream and in all.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;

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
#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct StreamStats {
    /// Between [`Started`](super::StreamEvent::Started) and [`Idle`](super::StreamEvent::Idle).
    pub live: bool,
    /// A publisher's session exists, connected or not.
    pub publisher: bool,
    /// Viewers whose DTLS handshake is done.
    pub viewers: usize,
    /// Threads that serve viewers besides the one that has the publisher.
    pub mirrors: usize,
    /// Those of them whose link was found too thin for what they would be sent.
    pub limited_viewers: usize,
    /// The publisher's codecs, e.g. `VP8` and `opus`.
    pub codecs: Vec<String>,
    /// The size of the publisher's pictures in pixels, once a keyframe has told.
    pub picture: Option<(u32, u32)>,
    /// What its publisher should change, in words.
    pub findings: Vec<Finding>,
    /// What was counted.
    pub counters: Counters,
}

/// Declares counters once: as fields, as a sum, and by name with their words, for metrics and the debug page.
macro_rules! counters {
    (
        $(#[$about:meta])*
        pub struct $name:ident {
            $($(#[doc = $words:literal])+ pub $field:ident: u64,)*
        }
        $(and { $(#[doc = $more_words:literal])+ pub $more:ident: $type:ty })?
    ) => {
        $(#[$about])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
        #[serde(rename_all = "camelCase")]
        pub struct $name {
            $($(#[doc = $words])+ pub $field: u64,)*
            $($(#[doc = $more_words])+ pub $more: $type,)?
        }

        impl $name {
            /// Each counter's name, what it counts, and its value.
            pub fn named(&self) -> Vec<(&'static str, &'static str, u64)> {
                vec![$((
                    stringify!($field),
                    concat!($($words),+).trim().trim_end_matches('.'),
                    self.$field,
                )),*]
            }

            pub(crate) fn add(&mut self, other: &$name) {
                $(self.$field += other.$field;)*
                $(self.$more.add(&other.$more);)?
            }
        }
    };
}

counters! {
    /// What is counted for a stream and in all. Bytes are RTP packets without SRTP's tag.
    pub struct Counters {
        /// RTP packets that came from publishers, authenticated and new.
        pub packets_in: u64,
        /// Bytes of RTP that came from publishers.
        pub bytes_in: u64,
        /// RTP packets that went to viewers, retransmissions included.
        pub packets_out: u64,
        /// Bytes of RTP that went to viewers.
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
        /// Times that a viewer's video was left out up to the next keyframe, because its link was too thin.
        pub skips: u64,
        /// Packets that viewers were refused, because they had their share of repetitions.
        pub nacks_refused: u64,
        /// Times that a viewer was moved to another layer of a simulcast.
        pub layer_changes: u64,
        /// Times that a publisher took over from another.
        pub takeovers: u64,
    }
    and {
        /// How long viewers waited for their first packet.
        pub join_times: JoinTimes
    }
}

counters! {
    /// Why datagrams were thrown away.
    pub struct Drops {
        /// Neither STUN, DTLS nor RTP (RFC 7983), or too short to tell.
        pub unknown_kind: u64,
        /// From an address that no authenticated STUN check came from.
        pub unknown_address: u64,
        /// STUN: malformed, not a Binding request, or for no session here.
        pub stun_unknown: u64,
        /// STUN: wrong MESSAGE-INTEGRITY.
        pub stun_integrity: u64,
        /// STUN for a session that has had many of those within a second: not looked at any more.
        pub stun_forged: u64,
        /// STUN, authentic, from an address at which another session is at work.
        pub stun_taken: u64,
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
}

/// How long viewers waited: from the answer to their offer to the first packet that they were sent, ICE and DTLS included.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct JoinTimes {
    /// All of them together, in milliseconds.
    pub total_ms: u64,
    /// How many waited at most as long as each of [`BOUNDS_MS`](Self::BOUNDS_MS), and longer than the one before it; the last
    /// waited longer than all.
    pub buckets: [u64; JoinTimes::BOUNDS_MS.len() + 1],
}

impl JoinTimes {
    /// The limits of the buckets, in milliseconds.
    pub const BOUNDS_MS: [u64; 9] = [10, 20, 50, 100, 200, 500, 1000, 2000, 5000];

    /// How many there were.
    pub fn count(&self) -> u64 {
        self.buckets.iter().sum()
    }

    pub(crate) fn note(&mut self, waited: Duration) {
        let ms = waited.as_millis() as u64;
        self.total_ms += ms;
        let bucket = Self::BOUNDS_MS.iter().position(|bound| ms <= *bound);
        self.buckets[bucket.unwrap_or(Self::BOUNDS_MS.len())] += 1;
    }

    pub(crate) fn add(&mut self, other: &JoinTimes) {
        self.total_ms += other.total_ms;
        for (bucket, more) in self.buckets.iter_mut().zip(other.buckets) {
            *bucket += more;
        }
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
        self.limited_viewers += other.limited_viewers;
        if self.codecs.is_empty() {
            self.codecs = other.codecs;
        }
        self.picture = self.picture.or(other.picture);
        self.findings.extend(other.findings);
        self.counters.add(&other.counters);
    }
}
