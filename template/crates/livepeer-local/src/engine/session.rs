//! One WHIP or WHEP session: its transport (ICE, DTLS, SRTP) and its leg.

use std::time::{Duration, Instant};

use super::advice::Advice;
use super::bandwidth::Bandwidth;
use super::dtls::{Dtls, DtlsError, DtlsEvent, DtlsServer};
use super::ice::Credentials;
use super::ice_session::IceSession;
use super::incoming::Incoming;
use super::names::{Owner, SessionId, StreamName};
use super::outbox::{Outbox, Path, TransportAddress};
use super::placement::Lease;
use super::routes::RouteChange;
use super::rtcp::Compound;
use super::sdp::{IceParameters, TaggedSection};
use super::seat::Seat;
use super::srtp::Srtp;
use super::viewer::Sender;

/// Addresses that a session may have proven at a time; the oldest makes room.
const MAX_VALIDATED: usize = 8;
/// RTCP senders of one peer: one for each of its SSRCs, and some to spare.
const MAX_RTCP_SSRCS: usize = 8;
/// Checks with a wrong MESSAGE-INTEGRITY that are held against the password at a time, and again in each second.
/// More come from nobody who means this session.
const MAX_FORGERIES: u32 = 50;
/// An address is its session's for so long after an authenticated packet from it: above the six seconds that
/// may pass between two consent checks (RFC 7675).
pub(crate) const HOLD: Duration = Duration::from_secs(7);
/// How often the other workers are told of such packets.
const TELL: Duration = Duration::from_secs(2);
/// Packets of unknown RTCP senders that are tried before no new one is taken.
const MAX_RTCP_STRANGERS: u32 = 64;

/// Everything that is kept of a session; dropped when it ends.
pub(crate) struct Session {
    pub(crate) id: SessionId,
    pub(crate) stream: StreamName,
    pub(crate) ice: IceSession,
    /// Who may change it, where that is asked; the core does not.
    pub(crate) owner: Option<Owner>,
    pub(crate) created: Instant,
    /// The last authenticated Binding request (RFC 7675).
    pub(crate) consent: Instant,
    /// The last packet of any kind that the peer has proven to be its own.
    pub(crate) heard: Instant,
    pub(crate) leg: Leg,
    /// The last media packet of a publisher; its beginning before the first.
    pub(crate) media: Instant,
    /// Next sender or receiver report.
    pub(crate) next_report: Instant,
    /// The SSRC of our own RTCP; for a viewer that of its first track.
    pub(crate) our_ssrc: u32,
    pub(crate) reduced_size: bool,
    /// What a publisher is told about its link.
    pub(crate) advice: Option<Box<Advice>>,
    fingerprints: Vec<[u8; 32]>,
    /// Where we send: the path that the peer chose (USE-CANDIDATE), or its first.
    path: Option<Path>,
    /// The newest is last.
    validated: Vec<Path>,
    /// Since when every path that was validated has been closed, which only TCP tells of.
    pub(crate) cut_off: Option<Instant>,
    /// Where the last packet came from that only the peer's keys could make, and when. A check proves less: its
    /// sender may have made up the address, and never see what is sent there.
    proven: Option<(TransportAddress, Instant)>,
    /// The last of those that was told of.
    told: Option<(TransportAddress, Instant)>,
    forgeries: u32,
    forgeries_since: Instant,
    dtls: Dtls,
    srtp: Option<Box<Srtp>>,
    rtcp_ssrcs: Vec<u32>,
    rtcp_strangers: u32,
    /// Its place among the workers, given back when the session ends. `None` in tests of one core.
    lease: Option<Lease>,
}

/// Audio, then video.
pub(crate) type Tracks<T> = [Option<T>; 2];

/// What the session is for.
pub(crate) enum Leg {
    Publisher(Tracks<Incoming>),
    Viewer(Box<Viewer>),
}

/// A viewer's leg.
pub(crate) struct Viewer {
    pub(crate) tracks: Tracks<Sender>,
    pub(crate) cname: String,
    pub(crate) bandwidth: Bandwidth,
}

/// What a new session starts with.
pub(crate) struct NewSession {
    pub(crate) stream: StreamName,
    pub(crate) leg: Leg,
    pub(crate) our_ssrc: u32,
    pub(crate) reduced_size: bool,
    pub(crate) fingerprints: Vec<[u8; 32]>,
    /// The peer's ICE credentials.
    pub(crate) ice: IceParameters,
    pub(crate) section: TaggedSection,
    pub(crate) advice: Option<Box<Advice>>,
    /// Whether the peer repeats packets with other header extensions under the same number.
    pub(crate) repeats_changed: bool,
    /// Whether we send the ClientHello.
    pub(crate) calls: bool,
}

impl Session {
    pub(crate) fn new(now: Instant, seat: Seat, new: NewSession) -> Self {
        Session {
            id: SessionId::random(seat),
            stream: new.stream,
            ice: IceSession::new(Credentials::random(seat), new.ice, new.section),
            owner: None,
            created: now,
            consent: now,
            heard: now,
            media: now,
            leg: new.leg,
            next_report: now,
            our_ssrc: new.our_ssrc,
            reduced_size: new.reduced_size,
            advice: new.advice,
            fingerprints: new.fingerprints,
            path: None,
            validated: Vec::new(),
            cut_off: None,
            proven: None,
            told: None,
            forgeries: 0,
            forgeries_since: now,
            dtls: Dtls::new(new.calls, new.repeats_changed),
            srtp: None,
            rtcp_ssrcs: Vec::new(),
            rtcp_strangers: 0,
            lease: None,
        }
    }

    /// Keeps its place until it ends.
    pub(crate) fn hold(&mut self, lease: Lease) {
        self.lease = Some(lease);
    }

    pub(crate) fn is_connected(&self) -> bool {
        self.srtp.is_some()
    }

    /// Notes an authenticated Binding request. Returns the path that had to make room.
    pub(crate) fn validate(&mut self, now: Instant, path: Path, chosen: bool) -> Option<Path> {
        self.consent = now;
        self.heard = now;
        if chosen || self.path.is_none() {
            self.path = Some(path);
        }
        self.cut_off = None;
        self.forget(path.remote_end());
        self.validated.push(path);
        (self.validated.len() > MAX_VALIDATED).then(|| self.validated.remove(0))
    }

    /// The peer's connection is closed. What it was sent goes over another path that it has proven, if there
    /// is one; otherwise it may come back.
    pub(crate) fn disconnected(&mut self, now: Instant, end: TransportAddress) {
        self.forget(end);
        match self.validated.last() {
            None => self.cut_off = Some(now),
            Some(newest) if self.path.is_some_and(|path| path.remote_end() == end) => {
                self.path = Some(*newest);
            }
            Some(_) => {}
        }
    }

    fn forget(&mut self, end: TransportAddress) {
        self.validated.retain(|known| known.remote_end() != end);
    }

    /// Calls the peer, if that is ours to do and there is a path now.
    pub(crate) fn start_dtls(
        &mut self,
        now: Instant,
        server: &DtlsServer,
        out: &mut Outbox,
    ) -> Result<(), DtlsError> {
        let outcome = self.dtls.start(now, server);
        self.flush_dtls(out);
        outcome
    }

    pub(crate) fn validated(&self) -> &[Path] {
        &self.validated
    }

    /// Whether a check from this address is worth the look at its integrity. The peer's own addresses always are:
    /// forged checks with its name in them must not cost it its consent.
    pub(crate) fn may_ask(&mut self, now: Instant, from: Path) -> bool {
        if now.saturating_duration_since(self.forgeries_since) >= Duration::from_secs(1) {
            self.forgeries_since = now;
            self.forgeries = 0;
        }
        self.forgeries < MAX_FORGERIES
            || self
                .validated
                .iter()
                .any(|known| known.remote_end() == from.remote_end())
    }

    /// A check whose integrity was wrong.
    pub(crate) fn note_forgery(&mut self) {
        self.forgeries += 1;
    }

    /// An authenticated packet that is no check came from there. What it returns is for the other workers.
    pub(crate) fn note_proof(&mut self, now: Instant, from: Path) -> Option<RouteChange> {
        let from = from.remote_end();
        self.heard = now;
        self.proven = Some((from, now));
        let fresh = self
            .told
            .is_some_and(|(told, at)| told == from && now.saturating_duration_since(at) < TELL);
        if fresh {
            return None;
        }
        self.told = self.proven;
        Some(RouteChange::Proven(from, now))
    }

    /// Whether no other session may have this address: its packets are this one's.
    pub(crate) fn holds(&self, now: Instant, path: Path) -> bool {
        self.proven.is_some_and(|(proven, at)| {
            proven == path.remote_end() && now.saturating_duration_since(at) < HOLD
        })
    }

    /// Takes a DTLS datagram from a validated address.
    pub(crate) fn handle_dtls(
        &mut self,
        now: Instant,
        datagram: &[u8],
        server: &DtlsServer,
        out: &mut Outbox,
    ) -> Result<Option<DtlsEvent>, DtlsError> {
        let outcome = self.dtls.handle(now, datagram, server, &self.fingerprints);
        self.flush_dtls(out);
        let event = outcome?;
        match event {
            Some(DtlsEvent::Connected(srtp)) => {
                self.heard = now;
                self.srtp = Some(srtp);
                Ok(None)
            }
            other => Ok(other),
        }
    }

    #[cfg(any(test, fuzzing))]
    pub(crate) fn connect_without_handshake(&mut self, srtp: Box<Srtp>) {
        self.srtp = Some(srtp);
    }

    /// Repeats what the handshake got no answer to.
    pub(crate) fn handle_dtls_timeout(
        &mut self,
        now: Instant,
        out: &mut Outbox,
    ) -> Result<(), DtlsError> {
        if self.dtls.poll_timeout().is_none_or(|due| due > now) {
            return Ok(());
        }
        let outcome = self.dtls.handle_timeout(now);
        self.flush_dtls(out);
        outcome
    }

    /// Says goodbye to the peer, if it ever said hello.
    pub(crate) fn close(&mut self, now: Instant, out: &mut Outbox) {
        self.dtls.close(now);
        self.flush_dtls(out);
    }

    fn flush_dtls(&mut self, out: &mut Outbox) {
        while let Some(datagram) = self.dtls.poll_transmit() {
            if let Some(path) = self.path {
                out.push(path, &datagram);
            }
        }
    }

    /// The keys and the path, once both are there, and the leg that uses them.
    pub(crate) fn media(&mut self) -> Option<(&mut Srtp, Path, &mut Leg)> {
        Some((self.srtp.as_deref_mut()?, self.path?, &mut self.leg))
    }

    /// Authenticates and decrypts RTCP. Bounded in the number of senders, since each costs memory.
    pub(crate) fn open_rtcp(&mut self, sender: u32, datagram: &[u8]) -> Option<Vec<u8>> {
        let srtp = self.srtp.as_deref_mut()?;
        let known = self.rtcp_ssrcs.contains(&sender);
        if !known {
            if self.rtcp_strangers >= MAX_RTCP_STRANGERS || self.rtcp_ssrcs.len() >= MAX_RTCP_SSRCS
            {
                return None;
            }
            self.rtcp_strangers += 1;
        }
        let plain = srtp.open_rtcp(datagram).ok()?;
        if !known {
            self.rtcp_ssrcs.push(sender);
        }
        Some(plain.to_vec())
    }

    pub(crate) fn send_rtcp(&mut self, compound: Compound, out: &mut Outbox) {
        let (Some(srtp), Some(path), Some(plain)) =
            (self.srtp.as_deref_mut(), self.path, compound.write())
        else {
            return;
        };
        if let Ok(sealed) = srtp.seal_rtcp(&plain) {
            out.push(path, &sealed);
        }
    }
}
