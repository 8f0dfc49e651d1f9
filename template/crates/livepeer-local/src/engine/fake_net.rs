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
use super::fake_browser::Browser;
use super::fake_peer::{Manner, Peer, Sent, dial};
use super::fake_wire::Wire;
use super::names::{OfferError, StreamEvent, StreamName};
use super::outbox::Path;
use super::routes::Routes;
use super::rtcp;
use super::sdp::Offer;
use super::seat::Seat;
use super::stats::Stats;

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
    /// Worker 0.
    pub(super) core: Core,
    /// The further workers.
    pub(super) others: Vec<Core>,
    routes: Routes,
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
        Self::with_workers(config, 1)
    }

    /// Several cores, wired together as the threads are.
    pub(super) fn with_workers(config: EngineConfig, workers: usize) -> Self {
        let provider = rtc_crypto::default_provider().unwrap();
        let dtls = DtlsServer::new(provider.clone()).unwrap();
        let mut cores = (0..workers).map(|worker| {
            let mut core = Core::new(config.clone(), dtls.clone());
            core.set_seat(Seat {
                worker,
                of: workers,
            });
            core.set_candidates(vec![Candidate::udp(ENGINE)]);
            core
        });
        World {
            core: cores.next().unwrap(),
            others: cores.collect(),
            routes: Routes::new(workers),
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

    /// Plays at a worker, which asks the stream's home, worker 0, first.
    pub(super) fn play_at(&mut self, worker: usize) -> Result<Id, OfferError> {
        let now = self.now;
        if !self.core_at(worker).mirror(now, &stream(), 0) {
            self.exchange();
        }
        assert!(!self.core_at(worker).is_asking(&stream()));
        self.connect_at(worker, "recvonly", "VP8", Manner::default())
    }

    pub(super) fn core_at(&mut self, worker: usize) -> &mut Core {
        match worker {
            0 => &mut self.core,
            _ => &mut self.others[worker - 1],
        }
    }

    /// Of all workers.
    pub(super) fn stats(&self) -> Stats {
        let mut all = self.core.stats();
        for core in &self.others {
            all.add(core.stats());
        }
        all
    }

    pub(super) fn connect(
        &mut self,
        direction: &str,
        codec: &str,
        manner: Manner,
    ) -> Result<Id, OfferError> {
        self.connect_at(0, direction, codec, manner)
    }

    pub(super) fn connect_at(
        &mut self,
        worker: usize,
        direction: &str,
        codec: &str,
        manner: Manner,
    ) -> Result<Id, OfferError> {
        let passive = manner.passive;
        let (config, offer) = dial(&self.provider, direction, codec, manner);
        let offer = Offer::parse(&offer).unwrap();
        let answer = match direction {
            "sendonly" => {
                let now = self.now;
                self.core_at(worker).publish(now, &stream(), &offer)
            }
            _ => {
                let now = self.now;
                self.core_at(worker).play(now, &stream(), &offer)
            }
        }?;
        let id = self.peers.len();
        let address = SocketAddr::from(([198, 51, 100, 1], 5000 + id as u16));
        self.peers
            .push(Peer::new(self.now, address, answer, config, passive));
        Ok(id)
    }

    /// A viewer that does all that a browser does, behind a link that is as `link` makes it: down, up.
    pub(super) fn watch(&mut self, link: impl FnOnce(&mut Wire, &mut Wire)) -> Id {
        let id = self.play().unwrap();
        let peer = &mut self.peers[id];
        link(&mut peer.down, &mut peer.up);
        peer.browser = Some(Browser::new(self.now, peer));
        id
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

    /// Lets time pass, fifty milliseconds at a time.
    pub(super) fn leap(&mut self, end: Instant) {
        while self.now < end {
            self.now = (self.now + 50 * TICK).min(end);
            self.step();
        }
    }

    fn step(&mut self) {
        for id in 0..self.peers.len() {
            let now = self.now;
            let arrived = self.peers[id].down.arrived(now);
            self.peers[id].inbox.extend(arrived);
            for datagram in self.peers[id].up.arrived(now) {
                self.engine_takes(id, &datagram);
            }
            self.peer_timers(id);
        }
        let now = self.now;
        for worker in 0..=self.others.len() {
            let core = self.core_at(worker);
            if core.poll_timeout().is_some_and(|at| at <= now) {
                core.handle_timeout(now);
            }
        }
        self.exchange();
    }

    /// Moves datagrams until nobody has anything to say.
    pub(super) fn exchange(&mut self) {
        loop {
            let now = self.now;
            let (mut sent, mut letters) = (Vec::<(Path, Vec<u8>)>::new(), Vec::new());
            for worker in 0..=self.others.len() {
                let core = self.core_at(worker);
                core.flush(now);
                let (seat, changes, events) = (core.seat(), core.take_routes(), core.take_events());
                letters.extend(core.take_letters());
                let runs = core.outbox().runs(1);
                sent.extend(runs.map(|run| (run.path, run.contents.to_vec())));
                core.outbox().clear();
                self.routes.apply(seat, changes);
                self.events.extend(events);
            }
            let mut quiet = sent.is_empty() && letters.is_empty();
            for letter in letters {
                self.core_at(letter.to).handle_letter(now, letter);
            }
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
                    let peer = &mut self.peers[id];
                    peer.inbox.extend(peer.down.carry(now, datagram));
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
        if let (Some(browser), Some(_)) = (&mut peer.browser, &peer.srtp) {
            for compound in browser.speak(now) {
                self.send_plain_rtcp(id, &compound);
            }
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
        let request = self.request(id, chosen);
        self.reach_engine(id, &request);
    }

    pub(super) fn request(&self, id: Id, chosen: bool) -> Vec<u8> {
        self.peers[id].check(chosen, &self.provider)
    }

    pub(super) fn reach_engine(&mut self, id: Id, datagram: &[u8]) {
        let mut datagram = datagram.to_vec();
        if (self.loss)(id, true, &mut datagram) {
            return;
        }
        if let Some(datagram) = self.peers[id].up.carry(self.now, datagram) {
            self.engine_takes(id, &datagram);
        }
    }

    fn engine_takes(&mut self, id: Id, datagram: &[u8]) {
        let (now, path) = (self.now, self.path(id));
        let worker = self.routes.worker(path, datagram);
        self.core_at(worker).handle_datagram(now, path, datagram);
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

    /// Encrypts and sends an RTP packet as it is.
    pub(super) fn send_plain(&mut self, id: Id, plain: &[u8]) {
        let srtp = self.peers[id].srtp.as_mut().unwrap();
        let clear = super::rtp::Header::parse(plain).unwrap().payload.start;
        let (header, payload) = plain.split_at(clear);
        let mut sealed = Vec::new();
        srtp.seal_rtp([header, &[], payload], &mut sealed).unwrap();
        self.reach_engine(id, &sealed);
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
