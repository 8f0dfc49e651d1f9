//! The forwarding core: no socket, no clock. Datagrams, commands and time go in; datagrams, events and
//! the time of the next call come out.
//!
//! **After every call the caller sends what [`Core::outbox`] holds, and calls
//! [`Core::handle_timeout`] when [`Core::poll_timeout`] says so.** The steps of a packet:
//!
//! 1. `demux.rs` tells STUN, DTLS and SRTP apart and finds the session.
//! 2. `publisher.rs` puts it on its track, `track.rs` and `ring.rs` keep it.
//! 3. [`Core::flush`], once for each batch of datagrams, has `viewer.rs` send it on.
//! 4. `upkeep.rs` does what time demands: reports, repeats, deadlines.

use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;
use std::time::Instant;

use rand::RngExt as _;

use super::config::EngineConfig;
use super::dtls::DtlsServer;
use super::names::{Answer, OfferError, SessionId, StreamEvent, StreamName};
use super::negotiate;
use super::outbox::Outbox;
use super::publisher::Receiver;
use super::sdp::{AnswerLine, Offer, Setup, Transport, write_answer};
use super::session::{Leg, NewSession, Session, Tracks, Viewer};
use super::stats::{Counters, Drops, Stats, StreamStats};
use super::stream::{SessionKey, Stream};
use super::viewer::Sender;

/// Everything of the engine that is not a socket or a clock.
pub(crate) struct Core {
    pub(super) config: EngineConfig,
    pub(super) dtls: DtlsServer,
    candidates: Vec<SocketAddr>,
    pub(super) sessions: HashMap<SessionKey, Session>,
    next_key: SessionKey,
    by_id: HashMap<SessionId, SessionKey>,
    pub(super) by_ufrag: HashMap<String, SessionKey>,
    /// Only addresses that an authenticated check came from.
    pub(super) by_address: HashMap<SocketAddr, SessionKey>,
    pub(super) streams: HashMap<StreamName, Stream>,
    pub(super) dirty: Vec<StreamName>,
    events: Vec<StreamEvent>,
    pub(super) out: Outbox,
    /// Of streams that are gone.
    past: Counters,
    pub(super) drops: Drops,
    pub(super) next_upkeep: Option<Instant>,
    pub(super) next_nack: Option<Instant>,
    pub(super) next_pace: Option<Instant>,
}

impl Core {
    pub(crate) fn new(config: EngineConfig, dtls: DtlsServer) -> Self {
        Core {
            config,
            dtls,
            candidates: Vec::new(),
            sessions: HashMap::new(),
            next_key: 0,
            by_id: HashMap::new(),
            by_ufrag: HashMap::new(),
            by_address: HashMap::new(),
            streams: HashMap::new(),
            dirty: Vec::new(),
            events: Vec::new(),
            out: Outbox::default(),
            past: Counters::default(),
            drops: Drops::default(),
            next_upkeep: None,
            next_nack: None,
            next_pace: None,
        }
    }

    /// The addresses that answers name from now on, best first.
    pub(crate) fn set_candidates(&mut self, candidates: Vec<SocketAddr>) {
        self.candidates = candidates;
    }

    /// What to send. The caller clears it.
    pub(crate) fn outbox(&mut self) -> &mut Outbox {
        &mut self.out
    }

    /// What happened to streams since the last call.
    pub(crate) fn take_events(&mut self) -> Vec<StreamEvent> {
        std::mem::take(&mut self.events)
    }

    pub(super) fn event(&mut self, event: StreamEvent) {
        self.events.push(event);
    }

    /// Counts datagrams that the system did not take.
    pub(crate) fn count_unsent(&mut self, datagrams: u64) {
        self.drops.send += datagrams;
    }

    /// Answers a publisher's offer; see [`Engine::publish`](super::Engine::publish).
    pub(crate) fn publish(
        &mut self,
        now: Instant,
        name: &StreamName,
        offer: &Offer,
    ) -> Result<Answer, OfferError> {
        let plan = negotiate::publish(offer)?;
        let replaced = self.streams.get(name).and_then(|stream| stream.publisher);
        if replaced.is_none() {
            self.check_room()?;
        }
        let receivers = plan.tracks.each_ref().map(|track| {
            let (section, payload) = track.as_ref()?;
            Some(Receiver::new(&offer.media[*section], payload))
        });
        let payloads = plan.tracks.map(|track| track.map(|(_, payload)| payload));
        self.next_key += 1;
        let key = self.next_key;
        let stream = self.streams.entry(name.clone()).or_insert_with(Stream::new);
        let continues = stream.take_tracks(payloads);
        // First of all, so that the stream is never empty while the older sessions go.
        stream.publisher = Some(key);
        let orphans = match continues {
            true => Vec::new(),
            false => stream.viewers.clone(),
        };
        if let Some(older) = replaced {
            stream.counters.takeovers += 1;
            self.remove(now, older);
        }
        for viewer in orphans {
            self.remove(now, viewer);
        }
        let our_ssrc = self.random_ssrc();
        let new = NewSession {
            stream: name.clone(),
            leg: Leg::Publisher(receivers),
            our_ssrc,
            reduced_size: reduced_size(offer),
            fingerprints: offer.fingerprints.clone(),
            calls: offer.setup == Setup::Passive,
        };
        Ok(self.insert(now, key, offer, &plan.lines, new))
    }

    /// Answers a viewer's offer; see [`Engine::play`](super::Engine::play).
    pub(crate) fn play(
        &mut self,
        now: Instant,
        name: &StreamName,
        offer: &Offer,
    ) -> Result<Answer, OfferError> {
        let stream = self.streams.get(name).filter(|stream| stream.live);
        let stream = stream.ok_or(OfferError::NotLive)?;
        if stream.viewers.len() >= self.config.max_viewers_per_stream {
            return Err(OfferError::Busy);
        }
        self.check_room()?;
        let codecs = stream
            .tracks
            .each_ref()
            .map(|track| track.as_ref().map(|track| track.codec()));
        let names = (random_name(), random_name());
        let plan = negotiate::play(offer, codecs, || self.random_ssrc(), names)?;
        let tracks: Tracks<Sender> = plan
            .tracks
            .map(|track| track.map(|(payload, outgoing)| Sender::new(&payload, &outgoing)));
        let our_ssrc = tracks.iter().flatten().map(Sender::ssrc).next();
        let our_ssrc = our_ssrc.unwrap_or_else(|| self.random_ssrc());
        self.next_key += 1;
        let key = self.next_key;
        if let Some(stream) = self.streams.get_mut(name) {
            stream.viewers.push(key);
        }
        let new = NewSession {
            stream: name.clone(),
            leg: Leg::Viewer(Viewer {
                tracks,
                cname: plan.cname,
            }),
            our_ssrc,
            reduced_size: reduced_size(offer),
            fingerprints: offer.fingerprints.clone(),
            calls: offer.setup == Setup::Passive,
        };
        Ok(self.insert(now, key, offer, &plan.lines, new))
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
        self.by_ufrag.remove(&session.credentials.ufrag);
        for address in session.validated() {
            if self.by_address.get(address) == Some(&key) {
                self.by_address.remove(address);
            }
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

    fn drop_if_empty(&mut self, name: &StreamName) {
        if let Some(stream) = self.streams.get(name)
            && stream.publisher.is_none()
            && stream.viewers.is_empty()
        {
            self.past.add(&stream.counters);
            self.streams.remove(name);
        }
    }

    fn check_room(&self) -> Result<(), OfferError> {
        match self.sessions.len() < self.config.max_sessions {
            true => Ok(()),
            false => Err(OfferError::Busy),
        }
    }

    fn insert(
        &mut self,
        now: Instant,
        key: SessionKey,
        offer: &Offer,
        lines: &[AnswerLine],
        new: NewSession,
    ) -> Answer {
        let session = Session::new(now, new);
        let sdp = write_answer(
            offer,
            &Transport {
                ice_ufrag: &session.credentials.ufrag,
                ice_pwd: &session.credentials.pwd,
                fingerprint: &self.dtls.fingerprint,
                candidates: &self.candidates,
                // Fits a signed number, as RFC 9429 section 5.2.1 wants it.
                session: rand::random::<u64>() >> 2,
            },
            lines,
        );
        let answer = Answer {
            session: session.id.clone(),
            sdp,
        };
        self.by_id.insert(session.id.clone(), key);
        self.by_ufrag.insert(session.credentials.ufrag.clone(), key);
        self.sessions.insert(key, session);
        self.next_upkeep.get_or_insert(now);
        answer
    }

    fn random_ssrc(&self) -> u32 {
        // Zero is what some take for "not known".
        rand::rng().random_range(1..=u32::MAX)
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
            let codecs = stream.tracks.iter().flatten();
            let snapshot = StreamStats {
                live: stream.live,
                publisher: stream.publisher.is_some(),
                viewers: stream.viewers.iter().filter(connected).count(),
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

fn reduced_size(offer: &Offer) -> bool {
    let mut used = offer
        .media
        .iter()
        .filter(|media| !media.payloads.is_empty());
    used.all(|media| media.rtcp_reduced_size)
}

/// A CNAME or MediaStream id: 96 random bits, as RFC 7022 section 4.2 advises.
fn random_name() -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(rand::random::<[u8; 12]>())
}
