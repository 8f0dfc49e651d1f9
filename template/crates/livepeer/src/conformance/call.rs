//! A media connection by hand: ICE checks, a DTLS handshake, and what comes after. Nothing is decrypted: that packets
//! come, and to which of our sockets, is all that is asked.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use rtc::crypto::RTCCryptoProvider;
use rtc::dtls::config::{ClientAuthType, ConfigBuilder, ExtendedMasterSecretType, HandshakeConfig};
use rtc::dtls::crypto::Certificate;
use rtc::dtls::endpoint::{Endpoint, EndpointEvent};
use rtc::dtls::extension::extension_use_srtp::SrtpProtectionProfile;
use rtc::shared::TransportProtocol;
use sha2::{Digest as _, Sha256};
use tokio::net::UdpSocket;
use tokio::time::{Instant, timeout_at};

use super::stun::{DATAGRAM, Pair, Stun};

/// One endpoint serves one peer here, so its address is only a key: our path to it may change.
const PEER: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 1);

/// How often we ask for consent; RFC 7675 has five seconds, and checks should not wait for so long.
const CONSENT: Duration = Duration::from_millis(250);

/// How long the handshake may take.
const HANDSHAKE: Duration = Duration::from_secs(10);

/// Who asks so often and hears nothing has been forsaken: five checks.
const SILENCE: Duration = Duration::from_millis(1250);

/// Our certificate, and the cryptography of all calls.
pub(super) struct Identity {
    pub(super) crypto: Arc<dyn RTCCryptoProvider>,
    /// As offers say it.
    pub(super) fingerprint: String,
    client: Arc<HandshakeConfig>,
    server: Arc<HandshakeConfig>,
}

impl Identity {
    /// A fresh one.
    ///
    /// # Errors
    ///
    /// What the libraries below say.
    pub(super) fn new() -> Result<Self, String> {
        let crypto = rtc::crypto::default_provider().map_err(|error| error.to_string())?;
        let names = vec!["conformance".to_owned()];
        let certificate = Certificate::generate_self_signed(names, crypto.crypto())
            .map_err(|error| error.to_string())?;
        let der = certificate.certificate.first().ok_or("no certificate")?;
        let digest = Sha256::digest(der);
        let hex: Vec<_> = digest.iter().map(|byte| format!("{byte:02X}")).collect();
        let build = |is_client: bool| {
            ConfigBuilder::default()
                .with_crypto_provider(crypto.clone())
                .with_certificates(vec![certificate.clone()])
                .with_srtp_protection_profiles(vec![
                    SrtpProtectionProfile::Srtp_Aead_Aes_128_Gcm,
                    SrtpProtectionProfile::Srtp_Aes128_Cm_Hmac_Sha1_80,
                ])
                .with_client_auth(ClientAuthType::RequireAnyClientCert)
                // Self-signed, as in all of WebRTC. What is sent here is nobody's secret.
                .with_insecure_skip_verify(true)
                .with_extended_master_secret(ExtendedMasterSecretType::Request)
                .with_flight_interval(Duration::from_millis(500))
                .build(is_client, None)
                .map(Arc::new)
                .map_err(|error| error.to_string())
        };
        Ok(Self {
            client: build(true)?,
            server: build(false)?,
            fingerprint: hex.join(":"),
            crypto,
        })
    }
}

/// What has come so far.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Seen {
    /// The handshake is done.
    pub(super) connected: bool,
    /// The server said goodbye (close_notify).
    pub(super) closed: bool,
    /// Answers to our checks.
    pub(super) answers: u64,
    /// Checks of the server's own.
    pub(super) checks: u64,
    /// SRTP and SRTCP on the path that is in use now.
    pub(super) media: u64,
}

/// A connection.
pub(super) struct Call {
    pub(super) seen: Seen,
    socket: UdpSocket,
    remote: SocketAddr,
    pair: Pair,
    endpoint: Endpoint,
    next_consent: Instant,
}

impl Call {
    /// Finds a path and shakes hands.
    ///
    /// # Errors
    ///
    /// Where it stopped, in words.
    pub(super) async fn connect(
        identity: &Identity,
        pair: Pair,
        candidates: &[SocketAddr],
        server_calls: bool,
    ) -> Result<Self, String> {
        let (socket, remote) = pair
            .reach(candidates)
            .await
            .ok_or("no candidate of the answer answers a STUN check")?;
        let config = server_calls.then(|| identity.server.clone());
        let mut endpoint = Endpoint::new(PEER, TransportProtocol::UDP, config);
        if !server_calls {
            endpoint
                .connect(Instant::now().into(), PEER, identity.client.clone(), None)
                .map_err(|error| format!("the DTLS handshake cannot begin: {error}"))?;
        }
        let mut call = Self {
            seen: Seen::default(),
            socket,
            remote,
            pair,
            endpoint,
            next_consent: Instant::now(),
        };
        call.run(HANDSHAKE, |seen| seen.connected || seen.closed)
            .await;
        match call.seen.connected && !call.seen.closed {
            true => Ok(call),
            false => Err("STUN is answered, and the DTLS handshake does not end".to_owned()),
        }
    }

    /// Lives for so long, or until what has been seen is enough.
    pub(super) async fn run(&mut self, time: Duration, enough: impl Fn(&Seen) -> bool) {
        let end = Instant::now() + time;
        let mut datagram = [0; DATAGRAM];
        while !enough(&self.seen) && Instant::now() < end {
            self.keep_consent().await;
            self.transmit().await;
            let dtls = self.endpoint.poll_timeout(&PEER).map(Instant::from);
            let until = end.min(self.next_consent).min(dtls.unwrap_or(end));
            match timeout_at(until, self.socket.recv_from(&mut datagram)).await {
                Ok(Ok((length, from))) => self.take(&datagram[..length], from).await,
                // A port that is closed on the other side says so on the next call; then time passes until it is tried again.
                Ok(Err(_)) => tokio::time::sleep(Duration::from_millis(20)).await,
                Err(_) => {
                    if dtls.is_some_and(|dtls| dtls <= Instant::now()) {
                        // What it gives up on shows in what is not seen.
                        let _ = self.endpoint.handle_timeout(PEER, Instant::now().into());
                    }
                }
            }
        }
        self.transmit().await;
    }

    async fn keep_consent(&mut self) {
        if self.next_consent > Instant::now() {
            return;
        }
        self.next_consent = Instant::now() + CONSENT;
        if let Some((_, check)) = self.pair.check() {
            let _ = self.socket.send_to(&check, self.remote).await;
        }
    }

    async fn take(&mut self, datagram: &[u8], from: SocketAddr) {
        // RFC 7983 section 7.
        match datagram.first() {
            Some(0..=3) => match self.pair.read(datagram, from) {
                Some(Stun::Success(_)) => self.seen.answers += 1,
                Some(Stun::Request(answer)) => {
                    self.seen.checks += 1;
                    let _ = self.socket.send_to(&answer, from).await;
                }
                None => {}
            },
            Some(20..=63) if !self.seen.closed => {
                let now = Instant::now().into();
                let events = self
                    .endpoint
                    .read(now, PEER, None, BytesMut::from(datagram));
                for event in events.unwrap_or_default() {
                    match event {
                        EndpointEvent::HandshakeComplete => self.seen.connected = true,
                        EndpointEvent::PeerClosed => self.seen.closed = true,
                        _ => {}
                    }
                }
            }
            Some(128..=191) => self.seen.media += 1,
            _ => {}
        }
    }

    async fn transmit(&mut self) {
        while let Some(datagram) = self.endpoint.poll_transmit() {
            let _ = self.socket.send_to(&datagram.message, self.remote).await;
        }
    }

    /// Says goodbye (close_notify), as a client that leaves without a DELETE.
    pub(super) async fn close(&mut self) {
        self.endpoint.stop(Instant::now().into(), PEER);
        self.transmit().await;
    }

    /// Whether our checks stay unanswered within so long.
    pub(super) async fn is_forsaken(&mut self, within: Duration) -> bool {
        let end = Instant::now() + within;
        loop {
            self.seen.answers = 0;
            self.run(SILENCE, |seen| seen.answers > 0).await;
            if self.seen.answers == 0 {
                return true;
            }
            if Instant::now() >= end {
                return false;
            }
            // Whoever answers does so at once: a moment, so that not all of it is asked in one breath.
            self.run(CONSENT, |_| false).await;
        }
    }

    /// Says nothing for so long, whatever comes.
    pub(super) async fn vanish(&mut self, time: Duration) {
        let end = Instant::now() + time;
        let mut datagram = [0; DATAGRAM];
        while timeout_at(end, self.socket.recv_from(&mut datagram))
            .await
            .is_ok()
        {}
    }

    /// Goes on over a new path, from another socket, with other credentials (RFC 8445 section 2.4). `false` if nobody
    /// answers there.
    pub(super) async fn restart(&mut self, pair: Pair, candidates: &[SocketAddr]) -> bool {
        let Some((socket, remote)) = pair.reach(candidates).await else {
            return false;
        };
        (self.socket, self.remote, self.pair) = (socket, remote, pair);
        self.seen.media = 0;
        true
    }
}
