//! The forwarding core: no socket, no clock. Datagrams, commands, other cores' letters and time go in; datagrams,
//! events, letters and the time of the next call come out. Each worker thread has one, and all the code below
//! thinks in one.
//!
//! **After every call the caller hands on the letters and makes the routes known, then sends what
//! [`Core::outbox`] holds, and calls [`Core::handle_timeout`] when [`Core::poll_timeout`] says so.** The
//! steps of a packet:
//!
//! 1. `demux.rs` tells STUN, DTLS and SRTP apart and finds the session.
//! 2. `publisher.rs` puts it on its track, `track.rs` and `ring.rs` keep it.
//! 3. [`Core::relay`] and then [`Core::flush`], once for each batch of datagrams, tell the mirrors of it
//!    (`mirror.rs`) and have `viewer.rs` send it on.
//! 4. `upkeep.rs` does what time demands: reports, repeats, deadlines.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::time::Instant;

use super::candidates::Candidate;
use super::config::EngineConfig;
use super::diagnosis::Finding;
use super::dtls::DtlsServer;
use super::incoming::Incoming;
use super::names::{Layer, SessionId, StreamEvent, StreamName};
use super::outbox::{Carrier, Outbox, Path, TransportAddress};
use super::placement::Lease;
use super::relay::Letter;
use super::routes::RouteChange;
use super::seat::Seat;
use super::session::{Leg, Session};
use super::stats::{Counters, Drops, Stats, StreamStats};
use super::stream::{SessionKey, Stream};
use super::track::RidName;
use super::upkeep::Round;
use super::wire::Unsent;

/// Everything of the engine that is not a socket or a clock.
pub(crate) struct Core {
    pub(super) config: EngineConfig,
    pub(super) dtls: DtlsServer,
    pub(super) seat: Seat,
    pub(super) candidates: Vec<Candidate>,
    pub(super) sessions: HashMap<SessionKey, Session>,
    pub(super) next_key: SessionKey,
    pub(super) by_id: HashMap<SessionId, SessionKey>,
    pub(super) by_ufrag: HashMap<String, SessionKey>,
    /// Only addresses that an authenticated check came from.
    pub(super) by_address: HashMap<TransportAddress, SessionKey>,
    pub(super) streams: HashMap<StreamName, Stream>,
    /// Streams with something new for their viewers; the first may be halfway through them.
    pub(super) dirty: VecDeque<StreamName>,
    pub(super) round: Round,
    events: Vec<StreamEvent>,
    pub(super) routes: Vec<RouteChange>,
    pub(super) letters: Vec<Letter>,
    pub(super) out: Outbox,
    /// TCP connections that no session uses any more.
    hang_ups: Vec<u64>,
    /// Of streams that are gone.
    pub(super) past: Counters,
    pub(super) drops: Drops,
    pub(super) next_upkeep: Option<Instant>,
    pub(super) next_nack: Option<Instant>,
    pub(super) next_pace: Option<Instant>,
    /// At once, if the outbox was full before all viewers were served.
    pub(super) next_flush: Option<Instant>,
}

impl Core {
    pub(crate) fn new(config: EngineConfig, dtls: DtlsServer) -> Self {
        Core {
            config,
            dtls,
            seat: Seat::default(),
            candidates: Vec::new(),
            sessions: HashMap::new(),
            next_key: 0,
            by_id: HashMap::new(),
            by_ufrag: HashMap::new(),
            by_address: HashMap::new(),
            streams: HashMap::new(),
            dirty: VecDeque::new(),
            round: Round::default(),
            events: Vec::new(),
            routes: Vec::new(),
            letters: Vec::new(),
            out: Outbox::default(),
            hang_ups: Vec::new(),
            past: Counters::default(),
            drops: Drops::default(),
            next_upkeep: None,
            next_nack: None,
            next_pace: None,
            next_flush: None,
        }
    }

    /// The addresses that answers name from now on, best first.
    pub(crate) fn set_candidates(&mut self, candidates: Vec<Candidate>) {
        self.candidates = candidates;
    }

    /// Which worker this core is; before its first session.
    pub(crate) fn set_seat(&mut self, seat: Seat) {
        self.seat = seat;
    }

    pub(crate) fn seat(&self) -> Seat {
        self.seat
    }

    /// Has a session keep its place among the workers until it ends.
    pub(crate) fn hold(&mut self, id: &SessionId, lease: Lease) {
        let key = self.by_id.get(id);
        if let Some(session) = key.and_then(|key| self.sessions.get_mut(key)) {
            session.hold(lease);
        }
    }

    /// What to send. The caller clears it.
    pub(crate) fn outbox(&mut self) -> &mut Outbox {
        &mut self.out
    }

    /// What happened to streams since the last call.
    pub(crate) fn take_events(&mut self) -> Vec<StreamEvent> {
        std::mem::take(&mut self.events)
    }

    /// The TCP connections to close, once the outbox is sent.
    pub(crate) fn take_hang_ups(&mut self) -> Vec<u64> {
        std::mem::take(&mut self.hang_ups)
    }

    /// A session does not use this path any more.
    pub(super) fn leave(&mut self, key: SessionKey, path: Path) {
        if self.by_address.get(&path.remote_end()) != Some(&key) {
            return;
        }
        self.by_address.remove(&path.remote_end());
        self.route(RouteChange::Forgotten(path.remote_end()));
        if let Carrier::Tcp(connection) = path.carrier {
            self.hang_ups.push(connection);
        }
    }

    pub(super) fn event(&mut self, event: StreamEvent) {
        self.events.push(event);
    }

    /// Which addresses lead here since the last call; to be made known before [`outbox`](Self::outbox) is sent.
    /// Nothing while there is only one worker.
    pub(crate) fn take_routes(&mut self) -> Vec<RouteChange> {
        std::mem::take(&mut self.routes)
    }

    pub(super) fn route(&mut self, change: RouteChange) {
        if self.seat.of > 1 {
            self.routes.push(change);
        }
    }

    /// Counts datagrams that another worker was too busy to take.
    pub(crate) fn count_unrouted(&mut self) {
        self.drops.busy += 1;
    }

    /// Counts datagrams that were not taken.
    pub(crate) fn count_unsent(&mut self, datagrams: Unsent) {
        self.drops.send += datagrams.udp;
        self.drops.slow_tcp += datagrams.tcp;
    }

    /// Ends one session. `false` if there is none of this id.
    pub(crate) fn end(&mut self, now: Instant, id: &SessionId) -> bool {
        match self.by_id.get(id) {
            Some(key) => {
                self.remove(now, *key);
                true
            }
            None => false,
        }
    }

    /// What is told of a stream's layers; see [`Engine::layers`](super::Engine::layers).
    pub(crate) fn layers(&self, now: Instant, name: &StreamName) -> Vec<Layer> {
        let video = self.streams.get(name).and_then(|s| s.tracks[1].as_ref());
        video.map(|video| video.described(now)).unwrap_or_default()
    }

    /// Takes a viewer's wish; see [`Engine::choose_layer`](super::Engine::choose_layer).
    pub(crate) fn choose_layer(&mut self, id: &SessionId, rid: Option<String>) -> bool {
        let session = self
            .by_id
            .get(id)
            .and_then(|key| self.sessions.get_mut(key));
        let Some(session) = session else {
            return false;
        };
        let stream = self.streams.get(&session.stream);
        let track = stream.and_then(|stream| stream.tracks[1].as_ref());
        let Leg::Viewer(viewer) = &mut session.leg else {
            return false;
        };
        let (Some(track), Some(sender)) = (track, &mut viewer.tracks[1]) else {
            return false;
        };
        let rid: RidName = rid.map(Into::into);
        if rid.is_some() && track.named(&rid).is_none() {
            return false;
        }
        sender.wish(rid);
        true
    }

    /// Ends a stream's publisher and viewers.
    pub(crate) fn end_stream(&mut self, now: Instant, name: &StreamName) {
        let Some(stream) = self.streams.get(name) else {
            return;
        };
        let members: Vec<_> = stream
            .publisher
            .iter()
            .chain(&stream.viewers)
            .copied()
            .collect();
        for key in members {
            self.remove(now, key);
        }
    }

    /// Ends everything.
    pub(crate) fn end_all(&mut self, now: Instant) {
        let keys: Vec<_> = self.sessions.keys().copied().collect();
        for key in keys {
            self.remove(now, key);
        }
    }

    /// Takes a session out, with a goodbye to its peer. Its stream goes idle or goes away with it.
    pub(super) fn remove(&mut self, now: Instant, key: SessionKey) {
        let Some(mut session) = self.sessions.remove(&key) else {
            return;
        };
        session.close(now, &mut self.out);
        self.by_id.remove(&session.id);
        for ufrag in session.ice.ufrags() {
            self.by_ufrag.remove(ufrag);
        }
        for path in session.validated() {
            self.leave(key, *path);
        }
        let Some(stream) = self.streams.get_mut(&session.stream) else {
            return;
        };
        stream.viewers.retain(|viewer| *viewer != key);
        if stream.publisher == Some(key) {
            stream.publisher = None;
            self.go_idle(now, &session.stream);
        }
        self.drop_if_empty(&session.stream);
    }

    /// The publisher is gone or silent.
    pub(super) fn go_idle(&mut self, now: Instant, name: &StreamName) {
        let Some(stream) = self.streams.get_mut(name) else {
            return;
        };
        if stream.live {
            stream.live = false;
            stream.idle_since = Some(now);
            tracing::info!(stream = %name, "stream is idle");
            self.event(StreamEvent::Idle {
                stream: name.clone(),
            });
        }
    }

    /// A home goes with the last session, wherever that was. A mirror takes its leave in `upkeep.rs`.
    pub(super) fn drop_if_empty(&mut self, name: &StreamName) {
        if let Some(stream) = self.streams.get(name)
            && stream.home.is_none()
            && stream.publisher.is_none()
            && stream.viewers.is_empty()
            && stream.mirrors.is_empty()
        {
            self.past.add(&stream.counters);
            self.streams.remove(name);
        }
    }

    /// What is wrong with the video that this session publishes.
    pub(super) fn findings(&self, publisher: SessionKey) -> Vec<Finding> {
        match self.sessions.get(&publisher).map(|session| &session.leg) {
            Some(Leg::Publisher([_, Some(video)])) => video.findings(),
            _ => Vec::new(),
        }
    }

    /// A snapshot of every counter.
    pub(crate) fn stats(&self) -> Stats {
        let mut total = self.past;
        let mut streams = BTreeMap::new();
        for (name, stream) in &self.streams {
            total.add(&stream.counters);
            let connected = |key: &&SessionKey| {
                let session = self.sessions.get(*key);
                session.is_some_and(Session::is_connected)
            };
            let limited = |key: &&SessionKey| {
                let leg = self.sessions.get(*key).map(|session| &session.leg);
                matches!(leg, Some(Leg::Viewer(viewer)) if viewer.bandwidth.is_limited())
            };
            let codecs = stream.tracks.iter().flatten();
            let publisher = stream.publisher.and_then(|key| self.sessions.get(&key));
            let video = publisher.and_then(|session| match &session.leg {
                Leg::Publisher([_, video]) => video.as_ref(),
                Leg::Viewer(_) => None,
            });
            let snapshot = StreamStats {
                picture: video.and_then(Incoming::picture),
                findings: video.map(Incoming::findings).unwrap_or_default(),
                live: stream.live,
                publisher: stream.publisher.is_some(),
                viewers: stream.viewers.iter().filter(connected).count(),
                mirrors: stream.mirrors.len(),
                limited_viewers: stream.viewers.iter().filter(limited).count(),
                codecs: codecs.map(|track| track.codec().to_string()).collect(),
                counters: stream.counters,
            };
            streams.insert(name.clone(), snapshot);
        }
        Stats {
            sessions: self.sessions.len(),
            total,
            streams,
            drops: self.drops,
        }
    }
}
