//! The DTLS side of one session, up to the SRTP keys (RFC 5764). We are the server, but for a peer that
//! insists on being it (`setup:passive`, as ffmpeg does).
//!
//! `rtc-dtls` takes the client's first SRTP profile, which in Chromium is the slowest. So the
//! ClientHello is read here first, and the handshake gets a configuration with the one profile that
//! we prefer among the offered.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::BytesMut;
use rtc_crypto::RTCCryptoProvider;
use rtc_dtls::config::{ClientAuthType, ConfigBuilder, ExtendedMasterSecretType, HandshakeConfig};
use rtc_dtls::crypto::Certificate;
use rtc_dtls::endpoint::{Endpoint, EndpointEvent};
use rtc_dtls::extension::extension_use_srtp::SrtpProtectionProfile;
use rtc_dtls::state::State;
use rtc_shared::TransportProtocol;
use rtc_srtp::config::LABEL_EXTRACTOR_DTLS_SRTP;
use rtc_srtp::protection_profile::ProtectionProfile;
use sha2::{Digest as _, Sha256};

use super::hello::{Hello, HelloReader};
use super::srtp::Srtp;

/// An endpoint serves one peer here, so its address is only a key: the peer may move.
const PEER: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 1);

/// How soon an unanswered flight is sent again. RFC 6347 section 4.2.4.1 suggests a second and lets
/// shorter ones where a delay hurts, as in WebRTC.
const FLIGHT_INTERVAL: Duration = Duration::from_millis(250);

/// Datagrams that an association is given in its life. A handshake takes six, and some forty where nearly all are
/// lost; later comes a goodbye. `rtc-dtls` keeps what it cannot use yet, for which this is the bound.
const MAX_DATAGRAMS: u32 = 128;
/// A longer one is nobody's: handshakes are cut to what networks carry.
const MAX_DATAGRAM_BYTES: usize = 4096;

/// The profiles that are served, best first: what costs least CPU.
const PROFILES: [SrtpProtectionProfile; 3] = [
    SrtpProtectionProfile::Srtp_Aead_Aes_128_Gcm,
    SrtpProtectionProfile::Srtp_Aead_Aes_256_Gcm,
    SrtpProtectionProfile::Srtp_Aes128_Cm_Hmac_Sha1_80,
];

/// The engine's certificate and what every handshake shares. Cloning is cheap.
#[derive(Clone)]
pub(crate) struct DtlsServer {
    provider: Arc<dyn RTCCryptoProvider>,
    configs: Vec<(SrtpProtectionProfile, Arc<HandshakeConfig>)>,
    /// For the peers that we call.
    client: Arc<HandshakeConfig>,
    /// SHA-256 of the certificate, for the answers.
    pub(crate) fingerprint: [u8; 32],
}

impl DtlsServer {
    /// Makes a fresh self-signed certificate.
    ///
    /// # Errors
    ///
    /// The words of the crates below, if the certificate or a configuration cannot be made.
    pub(crate) fn new(provider: Arc<dyn RTCCryptoProvider>) -> Result<Self, String> {
        let names = vec!["livepeer-local".to_owned()];
        let certificate = Certificate::generate_self_signed(names, provider.crypto())
            .map_err(|error| error.to_string())?;
        let der = certificate.certificate.first().ok_or("it is empty")?;
        let fingerprint = Sha256::digest(der).into();
        // WebRTC's certificates are self-signed: the peer's is held against the fingerprint of its offer,
        // below, which a chain of trust would add nothing to.
        let build = |profiles: &[SrtpProtectionProfile], is_client: bool| {
            ConfigBuilder::default()
                .with_crypto_provider(provider.clone())
                .with_certificates(vec![certificate.clone()])
                .with_srtp_protection_profiles(profiles.to_vec())
                .with_client_auth(ClientAuthType::RequireAnyClientCert)
                .with_insecure_skip_verify(true)
                .with_extended_master_secret(ExtendedMasterSecretType::Require)
                .with_flight_interval(FLIGHT_INTERVAL)
                .build(is_client, None)
                .map(Arc::new)
                .map_err(|error| error.to_string())
        };
        let configs = PROFILES
            .into_iter()
            .map(|profile| Ok((profile, build(&[profile], false)?)))
            .collect::<Result<_, String>>()?;
        let client = build(&PROFILES, true)?;
        Ok(DtlsServer {
            provider,
            configs,
            client,
            fingerprint,
        })
    }

    pub(crate) fn provider(&self) -> &Arc<dyn RTCCryptoProvider> {
        &self.provider
    }

    fn config(&self, hello: &Hello, last: bool) -> Option<Arc<HandshakeConfig>> {
        let mut offered = self
            .configs
            .iter()
            .filter(|(profile, _)| hello.srtp_profiles.contains(&(*profile as u16)));
        // The last is the only one with a MAC that does not depend on the nonce.
        let (_, config) = match last {
            true => offered.next_back(),
            false => offered.next(),
        }?;
        Some(config.clone())
    }
}

/// What a datagram brought about.
pub(crate) enum DtlsEvent {
    /// The handshake is done and the peer is the one of the offer.
    Connected(Box<Srtp>),
    /// The peer said goodbye (close_notify).
    Closed,
}

/// What is wrong with a datagram or a handshake.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DtlsError {
    #[error("the ClientHello cannot be read")]
    Hello,
    #[error("the datagram is too long, or one too many")]
    Excess,
    #[error("the peer offers no SRTP profile that is served")]
    NoProfile,
    #[error("the peer's certificate is not the one of its offer")]
    Fingerprint,
    #[error("the SRTP keys cannot be made: {0}")]
    Keys(String),
    #[error("{0}")]
    Handshake(String),
}

impl DtlsError {
    /// Whether the session is over with it. A datagram that cannot be used may be somebody else's, under the peer's
    /// address: it is dropped, and a peer that has nothing better to send ends with the handshake's deadline.
    pub(crate) fn is_final(&self) -> bool {
        !matches!(self, DtlsError::Hello | DtlsError::Excess)
    }
}

/// One session's association.
pub(crate) struct Dtls {
    phase: Phase,
    taken: u32,
    /// Whether a suite is preferred that bears a sequence number with two different packets.
    repeats_changed: bool,
}

enum Phase {
    /// Until there is a path to call the peer on.
    Call,
    /// Until the first flight is whole; browsers split it over two datagrams.
    Hello(HelloReader),
    Running {
        endpoint: Endpoint,
        connected: bool,
    },
    Closed,
}

impl Dtls {
    /// `calls`: whether we are the client. `repeats_changed`: whether the peer repeats packets with other
    /// header extensions under the same number; with GCM that gives its authentication key away, so it
    /// gets the suite with a MAC of its own if it has offered it.
    pub(crate) fn new(calls: bool, repeats_changed: bool) -> Self {
        Dtls {
            repeats_changed,
            phase: match calls {
                true => Phase::Call,
                false => Phase::Hello(HelloReader::default()),
            },
            taken: 0,
        }
    }

    /// There is a path to the peer now: the ClientHello goes out, if it is ours to send.
    ///
    /// # Errors
    ///
    /// If it cannot be made.
    pub(crate) fn start(&mut self, now: Instant, server: &DtlsServer) -> Result<(), DtlsError> {
        if let Phase::Call = self.phase {
            let mut endpoint = Endpoint::new(PEER, TransportProtocol::UDP, None);
            endpoint
                .connect(now, PEER, server.client.clone(), None)
                .map_err(|error| DtlsError::Handshake(error.to_string()))?;
            self.phase = Phase::Running {
                endpoint,
                connected: false,
            };
        }
        Ok(())
    }

    /// Takes one datagram. The replies are fetched with [`poll_transmit`](Self::poll_transmit), even
    /// after an error.
    ///
    /// # Errors
    ///
    /// See [`DtlsError::is_final`]. Records that are merely unusable are not an error.
    pub(crate) fn handle(
        &mut self,
        now: Instant,
        datagram: &[u8],
        server: &DtlsServer,
        fingerprints: &[[u8; 32]],
    ) -> Result<Option<DtlsEvent>, DtlsError> {
        if self.taken >= MAX_DATAGRAMS || datagram.len() > MAX_DATAGRAM_BYTES {
            return Err(DtlsError::Excess);
        }
        self.taken += 1;
        if let Phase::Hello(reader) = &mut self.phase {
            let hello = match reader.read(datagram) {
                Ok(Some(hello)) => hello,
                Ok(None) => return Ok(None),
                Err(_) => {
                    // The next flight is whole again.
                    *reader = HelloReader::default();
                    return Err(DtlsError::Hello);
                }
            };
            let config = server.config(&hello, self.repeats_changed);
            let config = config.ok_or(DtlsError::NoProfile)?;
            let held = reader.take_datagrams();
            self.phase = Phase::Running {
                endpoint: Endpoint::new(PEER, TransportProtocol::UDP, Some(config)),
                connected: false,
            };
            let mut event = None;
            for datagram in held {
                event = self.run(now, &datagram, server, fingerprints)?.or(event);
            }
            return Ok(event);
        }
        self.run(now, datagram, server, fingerprints)
    }

    fn run(
        &mut self,
        now: Instant,
        datagram: &[u8],
        server: &DtlsServer,
        fingerprints: &[[u8; 32]],
    ) -> Result<Option<DtlsEvent>, DtlsError> {
        let Phase::Running {
            endpoint,
            connected,
        } = &mut self.phase
        else {
            return Ok(None);
        };
        let events = match endpoint.read(now, PEER, None, BytesMut::from(datagram)) {
            Ok(events) => events,
            // Once connected, a bad record is somebody else's or late: the association stands.
            Err(_) if *connected => return Ok(None),
            Err(error) => return Err(DtlsError::Handshake(error.to_string())),
        };
        let mut outcome = None;
        for event in events {
            match event {
                EndpointEvent::HandshakeComplete if !*connected => {
                    *connected = true;
                    let state = endpoint
                        .get_connection_state(PEER)
                        .ok_or_else(|| DtlsError::Keys("no connection state".into()))?;
                    let srtp = keys(state, server.provider(), fingerprints)?;
                    outcome = Some(DtlsEvent::Connected(Box::new(srtp)));
                }
                EndpointEvent::PeerClosed => outcome = Some(DtlsEvent::Closed),
                // There is no data channel: application data has no reader.
                _ => {}
            }
        }
        if matches!(outcome, Some(DtlsEvent::Closed)) {
            self.closed();
        }
        Ok(outcome)
    }

    /// The next datagram to send to the peer.
    pub(crate) fn poll_transmit(&mut self) -> Option<BytesMut> {
        match &mut self.phase {
            Phase::Running { endpoint, .. } => endpoint.poll_transmit().map(|t| t.message),
            _ => None,
        }
    }

    /// When [`handle_timeout`](Self::handle_timeout) is next due.
    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        match &self.phase {
            Phase::Running { endpoint, .. } => endpoint.poll_timeout(&PEER),
            _ => None,
        }
    }

    /// Sends flights again that got no reply.
    ///
    /// # Errors
    ///
    /// When the peer never answered.
    pub(crate) fn handle_timeout(&mut self, now: Instant) -> Result<(), DtlsError> {
        match &mut self.phase {
            Phase::Running { endpoint, .. } => endpoint
                .handle_timeout(PEER, now)
                .map_err(|error| DtlsError::Handshake(error.to_string())),
            _ => Ok(()),
        }
    }

    /// Says goodbye; the alert is left in [`poll_transmit`](Self::poll_transmit).
    pub(crate) fn close(&mut self, now: Instant) {
        if let Phase::Running { endpoint, .. } = &mut self.phase {
            endpoint.stop(now, PEER);
        }
    }

    /// After the peer's goodbye nothing more is read: the endpoint would take the next datagram for
    /// a new association.
    fn closed(&mut self) {
        self.phase = Phase::Closed;
    }
}

/// Holds the peer's certificate against its offer, and only then makes the SRTP keys.
fn keys(
    state: &State,
    provider: &Arc<dyn RTCCryptoProvider>,
    fingerprints: &[[u8; 32]],
) -> Result<Srtp, DtlsError> {
    let certificate = state
        .peer_certificates
        .first()
        .ok_or(DtlsError::Fingerprint)?;
    let digest: [u8; 32] = Sha256::digest(certificate).into();
    if !fingerprints.contains(&digest) {
        return Err(DtlsError::Fingerprint);
    }
    let profile = match state.srtp_protection_profile() {
        SrtpProtectionProfile::Srtp_Aead_Aes_128_Gcm => ProtectionProfile::AeadAes128Gcm,
        SrtpProtectionProfile::Srtp_Aead_Aes_256_Gcm => ProtectionProfile::AeadAes256Gcm,
        SrtpProtectionProfile::Srtp_Aes128_Cm_Hmac_Sha1_80 => {
            ProtectionProfile::Aes128CmHmacSha1_80
        }
        _ => return Err(DtlsError::NoProfile),
    };
    let length = 2 * (profile.key_len() + profile.salt_len());
    let material = state
        .export_keying_material(LABEL_EXTRACTOR_DTLS_SRTP, &[], length)
        .map_err(|error| DtlsError::Keys(error.to_string()))?;
    Srtp::new(
        profile,
        material.as_ref(),
        state.is_client(),
        provider.crypto(),
    )
    .map_err(|error| DtlsError::Keys(error.to_string()))
}
