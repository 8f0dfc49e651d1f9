//! For tests: peers with a real ICE, DTLS and SRTP of their own, and a network between them and the
//! core that may lose packets. One thread, and time is a number.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::BytesMut;
use rtc_crypto::RTCCryptoProvider;
use rtc_dtls::config::{ClientAuthType, ConfigBuilder};
use rtc_dtls::crypto::Certificate;
use rtc_dtls::endpoint::{Endpoint, EndpointEvent};
use rtc_shared::TransportProtocol;
use sha2::{Digest as _, Sha256};

use super::config::EngineConfig;
use super::core::Core;
use super::dtls::DtlsServer;
use super::fake_peer::{Manner, Peer, Sent, binding_request, offer};
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
        core.set_candidates(vec![ENGINE]);
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
        let certificate = || {
            Certificate::generate_self_signed(vec!["peer".to_owned()], self.provider.crypto())
                .unwrap()
        };
        let shown = certificate();
        let named = match manner.impostor {
            true => certificate(),
            false => shown.clone(),
        };
        let config = ConfigBuilder::default()
            .with_crypto_provider(self.provider.clone())
            .with_certificates(vec![shown])
            .with_srtp_protection_profiles(manner.suites)
            .with_client_auth(ClientAuthType::RequireAnyClientCert)
            .with_insecure_skip_verify(true)
            .build(!manner.passive, None)
            .map(Arc::new)
            .unwrap();
        let digest = Sha256::digest(&named.certificate[0]);
        let fingerprint: Vec<String> = digest.iter().map(|byte| format!("{byte:02X}")).collect();
        let offer = Offer::parse(&offer(
            direction,
            codec,
            &fingerprint.join(":"),
            manner.passive,
        ))
        .unwrap();
        let answer = match direction {
            "sendonly" => self.core.publish(self.now, &stream(), &offer),
            _ => self.core.play(self.now, &stream(), &offer),
        }?;
        let id = self.peers.len();
        self.peers.push(Peer {
            address: SocketAddr::from(([198, 51, 100, 1], 5000 + id as u16)),
            answer,
            suite: None,
            closed: false,
            media: BTreeMap::new(),
            feedback: Vec::new(),
            stun_answers: 0,
            consents: true,
            endpoint: Endpoint::new(
                ENGINE,
                TransportProtocol::UDP,
                manner.passive.then(|| config.clone()),
            ),
            config,
            srtp: None,
            inbox: VecDeque::new(),
            next_check: self.now,
            dtls_started: manner.passive,
        });
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
                    .position(|peer| peer.address == path.remote);
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
        let answer = &self.peers[id].answer.sdp;
        let line = |name: &str| {
            let line = answer.lines().find_map(|line| line.strip_prefix(name));
            line.unwrap().to_owned()
        };
        let (ufrag, pwd) = (line("a=ice-ufrag:"), line("a=ice-pwd:"));
        let request = binding_request(&format!("{ufrag}:peer"), &pwd, chosen, &self.provider);
        self.reach_engine(id, &request);
    }

    pub(super) fn reach_engine(&mut self, id: Id, datagram: &[u8]) {
        let mut datagram = datagram.to_vec();
        if (self.loss)(id, true, &mut datagram) {
            return;
        }
        let path = Path {
            remote: self.peers[id].address,
            local: Some(ENGINE.ip()),
        };
        self.core.handle_datagram(self.now, path, &datagram);
    }

    fn peer_takes(&mut self, id: Id, datagram: &[u8]) {
        let now = self.now;
        let peer = &mut self.peers[id];
        match datagram[0] {
            0..4 => {
                peer.stun_answers += 1;
                if !peer.dtls_started {
                    peer.dtls_started = true;
                    peer.endpoint
                        .connect(now, ENGINE, peer.config.clone(), None)
                        .unwrap();
                }
            }
            20..64 => {
                let events = peer
                    .endpoint
                    .read(now, ENGINE, None, BytesMut::from(datagram));
                for event in events.unwrap_or_default() {
                    match event {
                        EndpointEvent::HandshakeComplete => peer.make_keys(self.provider.as_ref()),
                        EndpointEvent::PeerClosed => peer.closed = true,
                        _ => {}
                    }
                }
            }
            _ => peer.take_media(datagram),
        }
    }

    /// The publisher sends one RTP packet.
    pub(super) fn send(&mut self, id: Id, packet: &Sent) {
        let header = super::rtp::header(
            packet.marker,
            packet.payload_type,
            packet.sequence,
            packet.timestamp,
            packet.ssrc,
        );
        let plain = [&header[..], &packet.payload].concat();
        let sealed = self.peers[id]
            .srtp
            .as_mut()
            .unwrap()
            .seal_rtp(&plain)
            .unwrap();
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
