//! One peer's ICE, DTLS and SRTP, without a socket: as a browser does it, at a small part of a browser's cost.

use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use bytes::BytesMut;
use rtc_crypto::{RTCCrypto, RTCCryptoProvider};
use rtc_dtls::config::{ClientAuthType, ConfigBuilder, HandshakeConfig};
use rtc_dtls::crypto::Certificate;
use rtc_dtls::endpoint::{Endpoint, EndpointEvent};
use rtc_dtls::extension::extension_use_srtp::SrtpProtectionProfile;
use rtc_shared::TransportProtocol;
use rtc_srtp::config::{Config, LABEL_EXTRACTOR_DTLS_SRTP};
use rtc_srtp::context::Context;
use rtc_srtp::protection_profile::ProtectionProfile;
use rtc_stun::attributes::{
    ATTR_ICE_CONTROLLING, ATTR_PRIORITY, ATTR_USE_CANDIDATE, ATTR_USERNAME, AttrType,
};
use rtc_stun::fingerprint::FINGERPRINT;
use rtc_stun::integrity::MessageIntegrity;
use rtc_stun::message::{
    BINDING_REQUEST, BINDING_SUCCESS, Message, MessageType, Setter, TransactionId,
};
use rtc_stun::textattrs::TextAttribute;
use rtc_stun::xoraddr::XorMappedAddress;
use sha2::{Digest as _, Sha256};

use super::sdp::{Answer, Credentials};

/// An endpoint serves one association here, so its address is only a key.
const SERVER: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 1);
/// An ICE check is repeated so often until it is answered.
const CHECK: Duration = Duration::from_millis(50);
/// Consent is renewed so often (Chromium).
const CONSENT: Duration = Duration::from_millis(2500);

/// Certificate and configuration, shared by all peers: what is measured is the server, which cannot tell.
pub(super) struct Identity {
    provider: Arc<dyn RTCCryptoProvider>,
    config: Arc<HandshakeConfig>,
    /// As SDP writes it.
    pub(super) fingerprint: String,
}

impl Identity {
    pub(super) fn new() -> anyhow::Result<Identity> {
        let provider = rtc_crypto::default_provider()?;
        let names = vec!["load".to_owned()];
        let certificate = Certificate::generate_self_signed(names, provider.crypto())?;
        let der = certificate.certificate.first().context("it is empty")?;
        let digest = Sha256::digest(der);
        let fingerprint: Vec<String> = digest.iter().map(|byte| format!("{byte:02X}")).collect();
        let config = ConfigBuilder::default()
            .with_crypto_provider(provider.clone())
            .with_certificates(vec![certificate])
            // In Chromium's order: a server that takes the first takes the slowest.
            .with_srtp_protection_profiles(vec![
                SrtpProtectionProfile::Srtp_Aes128_Cm_Hmac_Sha1_80,
                SrtpProtectionProfile::Srtp_Aead_Aes_256_Gcm,
                SrtpProtectionProfile::Srtp_Aead_Aes_128_Gcm,
            ])
            .with_client_auth(ClientAuthType::RequireAnyClientCert)
            .with_insecure_skip_verify(true)
            .build(true, None)?;
        Ok(Identity {
            provider,
            config: Arc::new(config),
            fingerprint: fingerprint.join(":"),
        })
    }

    fn crypto(&self) -> &dyn RTCCrypto {
        self.provider.crypto()
    }
}

/// What a datagram turned out to be.
pub(super) enum Incoming {
    /// Of ICE or DTLS: seen to.
    Ours,
    Rtp,
    Rtcp,
}

/// One association.
pub(super) struct Transport {
    identity: Rc<Identity>,
    credentials: Credentials,
    answer: Answer,
    endpoint: Endpoint,
    checked: bool,
    next_check: Instant,
    keys: Option<Keys>,
}

struct Keys {
    inbound: Context,
    outbound: Context,
}

impl Transport {
    pub(super) fn new(
        now: Instant,
        identity: Rc<Identity>,
        credentials: Credentials,
        answer: Answer,
    ) -> Transport {
        Transport {
            identity,
            credentials,
            answer,
            endpoint: Endpoint::new(SERVER, TransportProtocol::UDP, None),
            checked: false,
            next_check: now,
            keys: None,
        }
    }

    pub(super) fn answer(&self) -> &Answer {
        &self.answer
    }

    pub(super) fn is_connected(&self) -> bool {
        self.keys.is_some()
    }

    /// Takes a datagram; what is to be sent in turn is added to `out`.
    ///
    /// # Errors
    ///
    /// If the association cannot come about.
    pub(super) fn handle(
        &mut self,
        now: Instant,
        from: SocketAddr,
        datagram: &[u8],
        out: &mut Vec<Vec<u8>>,
    ) -> anyhow::Result<Incoming> {
        match datagram.first() {
            Some(0..4) => self.handle_stun(now, from, datagram, out)?,
            Some(20..64) => self.handle_dtls(now, datagram, out)?,
            Some(128..192) => {
                let rtcp = datagram
                    .get(1)
                    .is_some_and(|kind| (192..=223).contains(kind));
                return Ok(if rtcp { Incoming::Rtcp } else { Incoming::Rtp });
            }
            _ => {}
        }
        Ok(Incoming::Ours)
    }

    /// Does what time demands.
    pub(super) fn tick(&mut self, now: Instant, out: &mut Vec<Vec<u8>>) -> anyhow::Result<()> {
        if self.next_check <= now {
            self.next_check = now + if self.checked { CONSENT } else { CHECK };
            out.push(self.check()?);
        }
        if self
            .endpoint
            .poll_timeout(&SERVER)
            .is_some_and(|at| at <= now)
        {
            self.endpoint.handle_timeout(SERVER, now)?;
            self.transmit(out);
        }
        Ok(())
    }

    fn check(&self) -> anyhow::Result<Vec<u8>> {
        let username = format!("{}:{}", self.answer.ufrag, self.credentials.ufrag);
        self.message(
            BINDING_REQUEST,
            TransactionId::new(),
            &self.answer.pwd,
            vec![
                Box::new(TextAttribute::new(ATTR_USERNAME, username)),
                Box::new(Plain(ATTR_ICE_CONTROLLING, vec![7; 8])),
                Box::new(Plain(ATTR_PRIORITY, vec![0x6e, 0, 0x1e, 0xff])),
                Box::new(Plain(ATTR_USE_CANDIDATE, Vec::new())),
            ],
        )
    }

    fn message(
        &self,
        kind: MessageType,
        id: TransactionId,
        pwd: &str,
        body: Vec<Box<dyn Setter + '_>>,
    ) -> anyhow::Result<Vec<u8>> {
        let integrity = MessageIntegrity::new_short_term_integrity_with_provider(
            pwd.to_owned(),
            self.identity.crypto(),
        );
        let mut setters: Vec<Box<dyn Setter + '_>> = vec![Box::new(kind), Box::new(id)];
        setters.extend(body);
        setters.push(Box::new(integrity));
        setters.push(Box::new(FINGERPRINT));
        let mut message = Message::new();
        message.build(&setters)?;
        Ok(message.raw)
    }

    fn handle_stun(
        &mut self,
        now: Instant,
        from: SocketAddr,
        datagram: &[u8],
        out: &mut Vec<Vec<u8>>,
    ) -> anyhow::Result<()> {
        let mut message = Message::new();
        if message.unmarshal_binary(datagram).is_err() {
            return Ok(());
        }
        if message.typ == BINDING_REQUEST {
            // A server with the whole of ICE checks on its part.
            let address = XorMappedAddress {
                ip: from.ip(),
                port: from.port(),
            };
            let id = TransactionId(message.transaction_id.0);
            let pwd = &self.credentials.pwd;
            out.push(self.message(BINDING_SUCCESS, id, pwd, vec![Box::new(address)])?);
        } else if message.typ == BINDING_SUCCESS && !self.checked {
            self.checked = true;
            self.next_check = now + CONSENT;
            let config = self.identity.config.clone();
            self.endpoint.connect(now, SERVER, config, None)?;
            self.transmit(out);
        }
        Ok(())
    }

    fn handle_dtls(
        &mut self,
        now: Instant,
        datagram: &[u8],
        out: &mut Vec<Vec<u8>>,
    ) -> anyhow::Result<()> {
        if !self.checked {
            return Ok(());
        }
        let events = self
            .endpoint
            .read(now, SERVER, None, BytesMut::from(datagram))?;
        self.transmit(out);
        if events
            .iter()
            .any(|event| matches!(event, EndpointEvent::PeerClosed))
        {
            anyhow::bail!("the server closed the connection");
        }
        let complete = |event: &EndpointEvent| matches!(event, EndpointEvent::HandshakeComplete);
        if self.keys.is_none() && events.iter().any(complete) {
            self.keys = Some(self.make_keys()?);
        }
        Ok(())
    }

    fn transmit(&mut self, out: &mut Vec<Vec<u8>>) {
        while let Some(transmit) = self.endpoint.poll_transmit() {
            out.push(transmit.message.to_vec());
        }
    }

    fn make_keys(&self) -> anyhow::Result<Keys> {
        let state = self.endpoint.get_connection_state(SERVER);
        let state = state.context("no connection state")?;
        let profile = match state.srtp_protection_profile() {
            SrtpProtectionProfile::Srtp_Aead_Aes_128_Gcm => ProtectionProfile::AeadAes128Gcm,
            SrtpProtectionProfile::Srtp_Aead_Aes_256_Gcm => ProtectionProfile::AeadAes256Gcm,
            _ => ProtectionProfile::Aes128CmHmacSha1_80,
        };
        let length = 2 * (profile.key_len() + profile.salt_len());
        let material = state.export_keying_material(LABEL_EXTRACTOR_DTLS_SRTP, &[], length)?;
        let mut config = Config {
            profile,
            ..Config::default()
        };
        config.set_session_keys_from_keying_material(material.as_ref(), state.is_client())?;
        let context = |key: &[u8], salt: &[u8]| {
            Context::new(key, salt, profile, None, None, self.identity.crypto())
        };
        let keys = &config.keys;
        Ok(Keys {
            inbound: context(&keys.remote_master_key, &keys.remote_master_salt)?,
            outbound: context(&keys.local_master_key, &keys.local_master_salt)?,
        })
    }

    /// Decrypts an RTP packet; `None` if it does not authenticate.
    pub(super) fn open_rtp(&mut self, packet: &[u8]) -> Option<BytesMut> {
        self.keys.as_mut()?.inbound.decrypt_rtp(packet).ok()
    }

    /// Decrypts a compound RTCP packet; `None` if it does not authenticate.
    pub(super) fn open_rtcp(&mut self, packet: &[u8]) -> Option<BytesMut> {
        self.keys.as_mut()?.inbound.decrypt_rtcp(packet).ok()
    }

    /// Encrypts an RTP packet; `None` before the handshake is done.
    pub(super) fn seal_rtp(&mut self, packet: &[u8]) -> Option<BytesMut> {
        self.keys.as_mut()?.outbound.encrypt_rtp(packet).ok()
    }

    /// Encrypts a compound RTCP packet; `None` before the handshake is done.
    pub(super) fn seal_rtcp(&mut self, packet: &[u8]) -> Option<BytesMut> {
        self.keys.as_mut()?.outbound.encrypt_rtcp(packet).ok()
    }
}

/// An attribute by its bytes.
struct Plain(AttrType, Vec<u8>);

impl Setter for Plain {
    fn add_to(&self, message: &mut Message) -> rtc_shared::error::Result<()> {
        message.add(self.0, &self.1);
        Ok(())
    }
}
