//! For tests: a peer with an ICE, a DTLS and an SRTP of its own, and what it offers.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use bytes::BytesMut;
use rtc_crypto::RTCCryptoProvider;
use rtc_dtls::config::{ClientAuthType, ConfigBuilder, HandshakeConfig};
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

use super::fake_browser::Browser;
use super::fake_net::ENGINE;
use super::fake_wire::Wire;
use super::names::Answer;
use super::outbox::Carrier;
use super::rtcp;
use super::rtp::Header;
use super::srtp::Srtp;
use super::twcc::EXTENSION;

/// A browser, as far as the engine can tell.
pub(super) struct Peer {
    pub(super) address: SocketAddr,
    pub(super) carrier: Carrier,
    pub(super) answer: Answer,
    /// The SRTP suite, once connected.
    pub(super) suite: Option<SrtpProtectionProfile>,
    /// The engine said goodbye.
    pub(super) closed: bool,
    /// Decrypted RTP, by SSRC, in order of arrival.
    pub(super) media: BTreeMap<u32, Vec<(Header, Vec<u8>)>>,
    pub(super) feedback: Vec<rtcp::Message>,
    /// What the engine says that it may send (REMB).
    pub(super) remb: Vec<u64>,
    /// When the engine's datagrams came.
    pub(super) stun_answers: u64,
    /// Sends consent checks by itself.
    pub(super) consents: bool,
    pub(super) endpoint: Endpoint,
    pub(super) config: Arc<HandshakeConfig>,
    pub(super) srtp: Option<Srtp>,
    pub(super) inbox: VecDeque<Vec<u8>>,
    pub(super) next_check: Instant,
    pub(super) dtls_started: bool,
    /// To the engine, and from it.
    pub(super) up: Wire,
    pub(super) down: Wire,
    /// For a viewer that does more than take what comes.
    pub(super) browser: Option<Browser>,
}

/// How a peer connects.
pub(super) struct Manner {
    pub(super) suites: Vec<SrtpProtectionProfile>,
    /// It shows another certificate than its offer says.
    pub(super) impostor: bool,
    /// It insists on being the DTLS server (`setup:passive`).
    pub(super) passive: bool,
    /// The layers of its video, by their rids (extension 10); empty without simulcast.
    pub(super) rids: Vec<&'static str>,
    /// As a publisher it numbers its packets for transport-wide feedback; viewers always ask for that.
    pub(super) numbers: bool,
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
            rids: Vec::new(),
            numbers: false,
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

/// What a peer calls with: its DTLS, and the offer that goes with it.
pub(super) fn dial(
    provider: &Arc<dyn RTCCryptoProvider>,
    direction: &str,
    codec: &str,
    manner: Manner,
) -> (Arc<HandshakeConfig>, String) {
    let certificate =
        || Certificate::generate_self_signed(vec!["peer".to_owned()], provider.crypto()).unwrap();
    let shown = certificate();
    let named = match manner.impostor {
        true => certificate(),
        false => shown.clone(),
    };
    let config = ConfigBuilder::default()
        .with_crypto_provider(provider.clone())
        .with_certificates(vec![shown])
        .with_srtp_protection_profiles(manner.suites)
        .with_client_auth(ClientAuthType::RequireAnyClientCert)
        .with_insecure_skip_verify(true)
        .build(!manner.passive, None)
        .map(Arc::new)
        .unwrap();
    let digest = Sha256::digest(&named.certificate[0]);
    let fingerprint: Vec<String> = digest.iter().map(|byte| format!("{byte:02X}")).collect();
    let mut offer = offer(direction, codec, &fingerprint.join(":"), manner.passive);
    if !manner.rids.is_empty() {
        offer = in_layers(&offer, &manner.rids);
    }
    if direction == "sendonly" && !manner.numbers {
        offer = offer.replace(&transport_cc(), "");
    }
    (config, offer)
}

impl Peer {
    /// A peer that has its answer, and does nothing yet.
    pub(super) fn new(
        now: Instant,
        address: SocketAddr,
        answer: Answer,
        config: Arc<HandshakeConfig>,
        passive: bool,
    ) -> Self {
        Peer {
            address,
            carrier: Carrier::Udp,
            answer,
            suite: None,
            closed: false,
            media: BTreeMap::new(),
            feedback: Vec::new(),
            remb: Vec::new(),
            stun_answers: 0,
            consents: true,
            endpoint: Endpoint::new(
                ENGINE,
                TransportProtocol::UDP,
                passive.then(|| config.clone()),
            ),
            config,
            srtp: None,
            inbox: VecDeque::new(),
            next_check: now,
            dtls_started: passive,
            up: Wire::default(),
            down: Wire::default(),
            browser: None,
        }
    }

    /// A Binding request for our session.
    pub(super) fn check(&self, chosen: bool, provider: &Arc<dyn RTCCryptoProvider>) -> Vec<u8> {
        let line = |name: &str| {
            let mut lines = self.answer.sdp.lines();
            lines.find_map(|line| line.strip_prefix(name)).unwrap()
        };
        let username = format!("{}:peer", line("a=ice-ufrag:"));
        binding_request(&username, line("a=ice-pwd:"), chosen, provider)
    }

    /// Encrypts a packet.
    pub(super) fn seal(&mut self, packet: &Sent) -> Vec<u8> {
        let header = super::rtp::header(
            packet.marker,
            packet.payload_type,
            packet.sequence,
            packet.timestamp,
            packet.ssrc,
        );
        let mut sealed = Vec::new();
        let srtp = self.srtp.as_mut().unwrap();
        srtp.seal_rtp([&header, &[], &packet.payload], &mut sealed)
            .unwrap();
        sealed
    }

    /// Takes a datagram of the engine. What there is to answer, [`Peer::endpoint`] has.
    pub(super) fn take(&mut self, now: Instant, datagram: &[u8], provider: &dyn RTCCryptoProvider) {
        match datagram[0] {
            0..4 => {
                self.stun_answers += 1;
                if !self.dtls_started {
                    self.dtls_started = true;
                    self.endpoint
                        .connect(now, ENGINE, self.config.clone(), None)
                        .unwrap();
                }
            }
            20..64 => {
                let events = self
                    .endpoint
                    .read(now, ENGINE, None, BytesMut::from(datagram));
                for event in events.unwrap_or_default() {
                    match event {
                        EndpointEvent::HandshakeComplete => self.make_keys(provider),
                        EndpointEvent::PeerClosed => self.closed = true,
                        _ => {}
                    }
                }
            }
            _ => self.take_media(now, datagram),
        }
    }

    pub(super) fn make_keys(&mut self, provider: &dyn RTCCryptoProvider) {
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

    pub(super) fn take_media(&mut self, now: Instant, datagram: &[u8]) {
        let Some(srtp) = &mut self.srtp else {
            return;
        };
        if rtcp::is_rtcp(datagram) {
            let plain = srtp.open_rtcp(datagram).expect("RTCP of the engine opens");
            let messages = rtcp::parse(&plain);
            self.remb.extend(remb(&plain));
            if let Some(browser) = &mut self.browser {
                messages.iter().for_each(|m| browser.note_report(now, m));
            }
            self.feedback.extend(messages);
        } else if let Ok(plain) = srtp.open_rtp(datagram) {
            let header = Header::parse(&plain).expect("RTP of the engine is well-formed");
            if let Some(browser) = &mut self.browser {
                return browser.take(now, &plain, &header);
            }
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

/// A browser's offer, cut to what matters.
pub(super) fn offer(direction: &str, codec: &str, fingerprint: &str, passive: bool) -> String {
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
         {}\
         a=rtpmap:97 rtx/90000\na=fmtp:97 apt=96\n{}",
        ssrc(1),
        transport_cc(),
        ssrc(2)
    )
}

/// The same offer with the video in layers, which browsers name no SSRCs for.
pub(super) fn in_layers(offer: &str, rids: &[&str]) -> String {
    let lines: String = rids
        .iter()
        .map(|rid| format!("a=rid:{rid} send\n"))
        .collect();
    format!(
        "{}a=extmap:10 urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id\n{lines}a=simulcast:send {}\n",
        offer.replace("a=ssrc:2 cname:peer\n", ""),
        rids.join(";")
    )
}

/// The extension with id 3, and its feedback.
fn transport_cc() -> String {
    format!("a=rtcp-fb:96 transport-cc\na=extmap:3 {EXTENSION}\n")
}

/// The bitrate of the REMB in a compound.
fn remb(compound: &[u8]) -> Option<u64> {
    let at = compound.windows(4).position(|four| four == b"REMB")?;
    let [high, middle, low] = compound.get(at + 5..at + 8)?.try_into().ok()?;
    let mantissa = u64::from(high & 3) << 16 | u64::from(middle) << 8 | u64::from(low);
    Some(mantissa << (high >> 2))
}

struct Flag(rtc_stun::attributes::AttrType, Vec<u8>);

impl Setter for Flag {
    fn add_to(&self, message: &mut Message) -> rtc_shared::error::Result<()> {
        message.add(self.0, &self.1);
        Ok(())
    }
}

/// An ICE check of a controlling agent.
pub(super) fn binding_request(
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
