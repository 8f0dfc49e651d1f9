//! For tests: peers with a real ICE, DTLS and SRTP of their own, and a network between them and the
//! core that may lose packets. One thread, and time is a number.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rtc_crypto::RTCCryptoProvider;

use super::candidates::Candidate;
use super::config::EngineConfig;
use super::core::Core;
use super::dtls::DtlsServer;
use super::fake_peer::{Manner, Peer, Sent, dial};
use super::names::{OfferError, StreamEvent, StreamName};
use super::outbox::Path;
use super::rtcp;
use super::sdp::Offer;

/// Where the engine is.
pub(super) const ENGINE: SocketAddr = SocketAddr::new(
    std::net::IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1)),
    7300,
);
const TICK: Duration = Duration::from_millis(1);
/// As browsers do.
const CONSENT: Duration = Duration::from_millis(2500);

pub(super) type Id = usize;

/// What the network does with a datagram: `true` loses it. Told the peer, whether it goes to the
/// engine, and the datagram, which it may change.
type Loss = Box<dyn FnMut(Id, bool, &mut Vec<u8>) -> bool>;

/// The core and its peers.
pub(super) struct World {
    pub(super) core: Core,
    pub(super) now: Instant,
    pub(super) peers: Vec<Peer>,
    pub(super) events: Vec<StreamEvent>,
    pub(super) loss: Loss,
    provider: Arc<dyn RTCCryptoProvider>,
}

pub(super) fn stream() -> StreamName {
    StreamName::from("show")
}

impl World {
    pub(super) fn new(config: EngineConfig) -> Self {
        let provider = rtc_crypto::default_provider().unwrap();
        let mut core = Core::new(config, DtlsServer::new(provider.clone()).unwrap());
        core.set_candidates(vec![Candidate::udp(ENGINE)]);
        World {
            core,
            now: Instant::now(),
            peers: Vec::new(),
            events: Vec::new(),
            loss: Box::new(|_, _, _| false),
            provider,
        }
    }

    /// A publisher of VP8 (SSRC 2) and opus (SSRC 1), or of H.264.
    pub(super) fn publish(&mut self, codec: &str) -> Result<Id, OfferError> {
        self.connect("sendonly", codec, Manner::default())
    }

    pub(super) fn play(&mut self) -> Result<Id, OfferError> {
        self.connect("recvonly", "VP8", Manner::default())
    }

    pub(super) fn connect(
        &mut self,
        direction: &str,
        codec: &str,
        manner: Manner,
    ) -> Result<Id, OfferError> {
        let passive = manner.passive;
        let (config, offer) = dial(&self.provider, direction, codec, manner);
        let offer = Offer::parse(&offer).unwrap();
        let answer = match direction {
            "sendonly" => self.core.publish(self.now, &stream(), &offer),
            _ => self.core.play(self.now, &stream(), &offer),
        }?;
        let id = self.peers.len();
        let address = SocketAddr::from(([198, 51, 100, 1], 5000 + id as u16));
        self.peers
            .push(Peer::new(self.now, address, answer, config, passive));
        Ok(id)
    }

    /// Connects and waits for it.
    pub(super) fn connected(&mut self, id: Result<Id, OfferError>) -> Id {
        let id = id.unwrap();
        self.run(Duration::from_millis(20));
        assert!(self.peers[id].suite.is_some(), "peer {id} is not connected");
        id
    }

    /// Lets time pass.
    pub(super) fn run(&mut self, duration: Duration) {
        let end = self.now + duration;
        while self.now < end {
            self.now += TICK;
            self.step();
        }
    }

    fn step(&mut self) {
        for id in 0..self.peers.len() {
            self.peer_timers(id);
        }
        if self.core.poll_timeout().is_some_and(|at| at <= self.now) {
            self.core.handle_timeout(self.now);
        }
        self.exchange();
    }

    /// Moves datagrams until nobody has anything to say.
    pub(super) fn exchange(&mut self) {
        loop {
            let now = self.now;
            self.core.flush(now);
            self.events.extend(self.core.take_events());
            let sent: Vec<(Path, Vec<u8>)> = self
                .core
                .outbox()
                .runs(1)
                .map(|run| (run.path, run.contents.to_vec()))
                .collect();
            self.core.outbox().clear();
            let mut quiet = sent.is_empty();
            for (path, mut datagram) in sent {
                assert_eq!(
                    path.local,
                    Some(ENGINE.ip()),
                    "replies leave from where the peer reached us"
                );
                let to = self
                    .peers
                    .iter()
                    .position(|peer| (peer.address, peer.carrier) == (path.remote, path.carrier));
                if let Some(id) = to
                    && !(self.loss)(id, false, &mut datagram)
                {
                    self.peers[id].inbox.push_back(datagram);
                }
            }
            for id in 0..self.peers.len() {
                while let Some(datagram) = self.peers[id].inbox.pop_front() {
                    self.peer_takes(id, &datagram);
                    quiet = false;
                }
                while let Some(transmit) = self.peers[id].endpoint.poll_transmit() {
                    self.reach_engine(id, &transmit.message);
                    quiet = false;
                }
            }
            if quiet {
                return;
            }
        }
    }

    fn peer_timers(&mut self, id: Id) {
        let now = self.now;
        let peer = &mut self.peers[id];
        // The peer is new to the address while the engine's answer is out: it checks often until then.
        if peer.consents && peer.next_check <= now {
            peer.next_check = now
                + if peer.stun_answers == 0 {
                    Duration::from_millis(50)
                } else {
                    CONSENT
                };
            self.check(id, true);
        }
        let peer = &mut self.peers[id];
        if peer
            .endpoint
            .poll_timeout(&ENGINE)
            .is_some_and(|at| at <= now)
        {
            let _ = peer.endpoint.handle_timeout(ENGINE, now);
        }
    }

    /// Sends a Binding request.
    pub(super) fn check(&mut self, id: Id, chosen: bool) {
        let request = self.peers[id].check(chosen, &self.provider);
        self.reach_engine(id, &request);
    }

    pub(super) fn reach_engine(&mut self, id: Id, datagram: &[u8]) {
        let mut datagram = datagram.to_vec();
        if (self.loss)(id, true, &mut datagram) {
            return;
        }
        self.core
            .handle_datagram(self.now, self.path(id), &datagram);
    }

    /// How the engine sees where a peer is.
    pub(super) fn path(&self, id: Id) -> Path {
        let Peer {
            address, carrier, ..
        } = self.peers[id];
        Path {
            remote: address,
            local: Some(ENGINE.ip()),
            carrier,
        }
    }

    fn peer_takes(&mut self, id: Id, datagram: &[u8]) {
        let now = self.now;
        self.peers[id].take(now, datagram, self.provider.as_ref());
    }

    /// The publisher sends one RTP packet.
    pub(super) fn send(&mut self, id: Id, packet: &Sent) {
        let sealed = self.peers[id].seal(packet);
        self.reach_engine(id, &sealed);
    }

    pub(super) fn send_rtcp(&mut self, id: Id, compound: rtcp::Compound) {
        self.send_plain_rtcp(id, &compound.write().unwrap());
    }

    /// Encrypts and sends whatever it is given.
    pub(super) fn send_plain_rtcp(&mut self, id: Id, plain: &[u8]) {
        if let Ok(sealed) = self.peers[id].srtp.as_mut().unwrap().seal_rtcp(plain) {
            self.reach_engine(id, &sealed);
        }
    }
}
