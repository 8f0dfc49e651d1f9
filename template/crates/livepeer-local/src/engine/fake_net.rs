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
use rtc_dtls::extension::extension_use_srtp::SrtpProtectionProfile;
use rtc_shared::TransportProtocol;
use rtc_srtp::config::LABEL_EXTRACTOR_DTLS_SRTP;
use rtc_srtp::protection_profile::ProtectionProfile;
use rtc_stun::attributes::{ATTR_ICE_CONTROLLING, ATTR_USE_CANDIDATE, ATTR_USERNAME};
use rtc_stun::fingerprint::FINGERPRINT;
use rtc_stun::integrity::MessageIntegrity;
use rtc_stun::message::{BINDING_REQUEST, Message, Setter, TransactionId};
use rtc_stun::textattrs::TextAttribute;
use sha2::{Digest as _, Sha256};

use super::config::EngineConfig;
use super::core::Core;
use super::dtls::DtlsServer;
use super::names::{Answer, OfferError, StreamEvent, StreamName};
use super::outbox::Path;
use super::rtcp;
use super::rtp::Header;
use super::sdp::Offer;
use super::srtp::Srtp;

const ENGINE: SocketAddr = SocketAddr::new(
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

/// A browser, as far as the engine can tell.
pub(super) struct Peer {
    pub(super) address: SocketAddr,
    pub(super) answer: Answer,
    /// The SRTP suite, once connected.
    pub(super) suite: Option<SrtpProtectionProfile>,
    /// The engine said goodbye.
    pub(super) closed: bool,
    /// Decrypted RTP, by SSRC, in order of arrival.
    pub(super) media: BTreeMap<u32, Vec<(Header, Vec<u8>)>>,
    pub(super) feedback: Vec<rtcp::Message>,
    /// When the engine's datagrams came.
    pub(super) stun_answers: u64,
    /// Sends consent checks by itself.
    pub(super) consents: bool,
    endpoint: Endpoint,
    config: Arc<rtc_dtls::config::HandshakeConfig>,
    srtp: Option<Srtp>,
    inbox: VecDeque<Vec<u8>>,
    next_check: Instant,
    dtls_started: bool,
}

/// How a peer connects.
pub(super) struct Manner {
    pub(super) suites: Vec<SrtpProtectionProfile>,
    /// It shows another certificate than its offer says.
    pub(super) impostor: bool,
    /// It insists on being the DTLS server (`setup:passive`).
    pub(super) passive: bool,
}

impl Default for Manner {
    fn default() -> Self {
        Manner {
            suites: vec![
                SrtpProtectionProfile::Srtp_Aes128_Cm_Hmac_Sha1_80,
                SrtpProtectionProfile::Srtp_Aead_Aes_256_Gcm,
                SrtpProtectionProfile::Srtp_Aead_Aes_128_Gcm,
            ],
            impostor: false,
            passive: false,
        }
    }
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
                    self.to_engine(id, &transmit.message);
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
        self.to_engine(id, &request);
    }

    pub(super) fn to_engine(&mut self, id: Id, datagram: &[u8]) {
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
        self.to_engine(id, &sealed);
    }

    pub(super) fn send_rtcp(&mut self, id: Id, compound: rtcp::Compound) {
        self.send_plain_rtcp(id, &compound.write().unwrap());
    }

    /// Encrypts and sends whatever it is given.
    pub(super) fn send_plain_rtcp(&mut self, id: Id, plain: &[u8]) {
        if let Ok(sealed) = self.peers[id].srtp.as_mut().unwrap().seal_rtcp(plain) {
            self.to_engine(id, &sealed);
        }
    }
}

/// One packet of a publisher.
#[derive(Clone, Debug)]
pub(super) struct Sent {
    pub(super) ssrc: u32,
    pub(super) payload_type: u8,
    pub(super) sequence: u16,
    pub(super) timestamp: u32,
    pub(super) marker: bool,
    pub(super) payload: Vec<u8>,
}

impl Peer {
    fn make_keys(&mut self, provider: &dyn RTCCryptoProvider) {
        let state = self.endpoint.get_connection_state(ENGINE).unwrap();
        let suite = state.srtp_protection_profile();
        let profile = match suite {
            SrtpProtectionProfile::Srtp_Aead_Aes_128_Gcm => ProtectionProfile::AeadAes128Gcm,
            SrtpProtectionProfile::Srtp_Aead_Aes_256_Gcm => ProtectionProfile::AeadAes256Gcm,
            _ => ProtectionProfile::Aes128CmHmacSha1_80,
        };
        let length = 2 * (profile.key_len() + profile.salt_len());
        let material = state
            .export_keying_material(LABEL_EXTRACTOR_DTLS_SRTP, &[], length)
            .unwrap();
        self.srtp = Some(
            Srtp::new(
                profile,
                material.as_ref(),
                state.is_client(),
                provider.crypto(),
            )
            .unwrap(),
        );
        self.suite = Some(suite);
    }

    fn take_media(&mut self, datagram: &[u8]) {
        let Some(srtp) = &mut self.srtp else {
            return;
        };
        if rtcp::is_rtcp(datagram) {
            let plain = srtp.open_rtcp(datagram).expect("RTCP of the engine opens");
            self.feedback.extend(rtcp::parse(&plain));
        } else if let Ok(plain) = srtp.open_rtp(datagram) {
            let header = Header::parse(&plain).expect("RTP of the engine is well-formed");
            let payload = plain[header.payload.clone()].to_vec();
            self.media
                .entry(header.ssrc)
                .or_default()
                .push((header, payload));
        }
    }

    /// The SSRC that the answer names for the track of this kind, and that of its retransmissions.
    pub(super) fn ssrcs(&self, kind: &str) -> Vec<u32> {
        let section = self
            .answer
            .sdp
            .split("\r\nm=")
            .find(|section| section.starts_with(kind));
        let lines = section.unwrap().lines();
        let mut ssrcs: Vec<u32> = lines
            .filter_map(|line| {
                line.strip_prefix("a=ssrc:")?
                    .split(' ')
                    .next()?
                    .parse()
                    .ok()
            })
            .collect();
        ssrcs.dedup();
        ssrcs
    }

    /// What came on the track of this kind.
    pub(super) fn track(&self, kind: &str) -> &[(Header, Vec<u8>)] {
        let ssrc = self.ssrcs(kind)[0];
        self.media.get(&ssrc).map(Vec::as_slice).unwrap_or_default()
    }
}

fn offer(direction: &str, codec: &str, fingerprint: &str, passive: bool) -> String {
    let setup = if passive { "passive" } else { "actpass" };
    let ssrc = |number: u32| match direction {
        "sendonly" => format!("a=ssrc:{number} cname:peer\n"),
        _ => String::new(),
    };
    let fmtp = match codec {
        "H264" => "a=fmtp:96 packetization-mode=1;profile-level-id=42e01f\n",
        _ => "",
    };
    format!(
        "v=0\no=- 1 1 IN IP4 0.0.0.0\ns=-\nt=0 0\na=group:BUNDLE 0 1\n\
         a=ice-ufrag:peer\na=ice-pwd:the-password-of-the-peer\n\
         a=fingerprint:sha-256 {fingerprint}\na=setup:{setup}\na={direction}\n\
         m=audio 9 UDP/TLS/RTP/SAVPF 111\nc=IN IP4 0.0.0.0\na=mid:0\na=rtcp-mux\na=rtcp-rsize\n\
         a=rtpmap:111 opus/48000/2\n{}\
         m=video 9 UDP/TLS/RTP/SAVPF 96 97\nc=IN IP4 0.0.0.0\na=mid:1\na=rtcp-mux\na=rtcp-rsize\n\
         a=rtpmap:96 {codec}/90000\n{fmtp}a=rtcp-fb:96 nack\na=rtcp-fb:96 nack pli\n\
         a=rtpmap:97 rtx/90000\na=fmtp:97 apt=96\n{}",
        ssrc(1),
        ssrc(2)
    )
}

struct Flag(rtc_stun::attributes::AttrType, Vec<u8>);

impl Setter for Flag {
    fn add_to(&self, message: &mut Message) -> rtc_shared::error::Result<()> {
        message.add(self.0, &self.1);
        Ok(())
    }
}

fn binding_request(
    username: &str,
    pwd: &str,
    chosen: bool,
    provider: &Arc<dyn RTCCryptoProvider>,
) -> Vec<u8> {
    let integrity =
        MessageIntegrity::new_short_term_integrity_with_provider(pwd.to_owned(), provider.crypto());
    let mut setters: Vec<Box<dyn Setter + '_>> = vec![
        Box::new(BINDING_REQUEST),
        Box::new(TransactionId::new()),
        Box::new(TextAttribute::new(ATTR_USERNAME, username.to_owned())),
        Box::new(Flag(ATTR_ICE_CONTROLLING, vec![7; 8])),
    ];
    if chosen {
        setters.push(Box::new(Flag(ATTR_USE_CANDIDATE, Vec::new())));
    }
    setters.push(Box::new(integrity));
    setters.push(Box::new(FINGERPRINT));
    let mut message = Message::new();
    message.build(&setters).unwrap();
    message.raw
}
