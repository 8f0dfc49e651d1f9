//! STUN (RFC 8489) as ICE uses it: a client that asks, and that can answer a server with checks of its own.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use rtc::crypto::RTCCryptoProvider;
use rtc::stun::attributes::{
    ATTR_ICE_CONTROLLING, ATTR_PRIORITY, ATTR_USE_CANDIDATE, ATTR_USERNAME, AttrType,
};
use rtc::stun::fingerprint::FINGERPRINT;
use rtc::stun::integrity::MessageIntegrity;
use rtc::stun::message::{
    BINDING_REQUEST, BINDING_SUCCESS, Message, Setter, TransactionId, is_stun_message,
};
use rtc::stun::textattrs::TextAttribute;
use rtc::stun::xoraddr::XorMappedAddress;
use tokio::net::UdpSocket;
use tokio::time::{Instant, timeout_at};

use super::offer::Credentials;

/// How often a check is sent while nobody answers.
const INTERVAL: Duration = Duration::from_millis(200);

/// After so many the other side does not answer.
const ATTEMPTS: u32 = 8;

/// The longest datagram that is read.
pub(super) const DATAGRAM: usize = 2048;

/// Who asks whom: USERNAME and MESSAGE-INTEGRITY are made of both sides' credentials (RFC 8445 section 7.2.2).
#[derive(Clone)]
pub(super) struct Pair {
    pub(super) ours: Credentials,
    pub(super) theirs: Credentials,
    pub(super) crypto: Arc<dyn RTCCryptoProvider>,
}

/// A STUN message that is meant for us.
pub(super) enum Stun {
    /// The other side answers our check.
    Success(TransactionId),
    /// It checks us: the answer to send back.
    Request(Vec<u8>),
}

struct Flag(AttrType, Vec<u8>);

impl Setter for Flag {
    fn add_to(&self, message: &mut Message) -> rtc::shared::error::Result<()> {
        message.add(self.0, &self.1);
        Ok(())
    }
}

impl Pair {
    /// A check of a controlling agent that has chosen this path. `None` if the library cannot build it.
    pub(super) fn check(&self) -> Option<(TransactionId, Vec<u8>)> {
        let id = TransactionId::new();
        let username = format!("{}:{}", self.theirs.ufrag, self.ours.ufrag);
        let integrity = MessageIntegrity::new_short_term_integrity_with_provider(
            self.theirs.pwd.clone(),
            self.crypto.crypto(),
        );
        let mut message = Message::new();
        message
            .build(&[
                Box::new(BINDING_REQUEST),
                Box::new(id),
                Box::new(TextAttribute::new(ATTR_USERNAME, username)),
                // Type preference of a peer-reflexive candidate (RFC 8445 section 5.1.2.2).
                Box::new(Flag(
                    ATTR_PRIORITY,
                    (110u32 << 24 | 255).to_be_bytes().to_vec(),
                )),
                Box::new(Flag(ATTR_ICE_CONTROLLING, vec![7; 8])),
                Box::new(Flag(ATTR_USE_CANDIDATE, Vec::new())),
                Box::new(integrity),
                Box::new(FINGERPRINT),
            ])
            .ok()?;
        Some((id, message.raw))
    }

    /// Reads a datagram; whatever is not authenticated with our or their password is passed over.
    pub(super) fn read(&self, datagram: &[u8], from: SocketAddr) -> Option<Stun> {
        if !is_stun_message(datagram) {
            return None;
        }
        let mut message = Message::new();
        message.unmarshal_binary(datagram).ok()?;
        let crypto = self.crypto.crypto();
        if message.typ == BINDING_SUCCESS {
            MessageIntegrity::check(&mut message, self.theirs.pwd.as_bytes(), crypto).ok()?;
            return Some(Stun::Success(message.transaction_id));
        }
        if message.typ != BINDING_REQUEST {
            return None;
        }
        MessageIntegrity::check(&mut message, self.ours.pwd.as_bytes(), crypto).ok()?;
        let integrity =
            MessageIntegrity::new_short_term_integrity_with_provider(self.ours.pwd.clone(), crypto);
        let mut answer = Message::new();
        answer
            .build(&[
                Box::new(BINDING_SUCCESS),
                Box::new(TransactionId(message.transaction_id.0)),
                Box::new(XorMappedAddress {
                    ip: from.ip(),
                    port: from.port(),
                }),
                Box::new(integrity),
                Box::new(FINGERPRINT),
            ])
            .ok()?;
        Some(Stun::Request(answer.raw))
    }

    /// Checks all candidates from a socket of its own, until one answers: that socket, and who answered.
    pub(super) async fn reach(&self, candidates: &[SocketAddr]) -> Option<(UdpSocket, SocketAddr)> {
        // Where there are both, what is said of one family holds for the other.
        let family = candidates.iter().any(SocketAddr::is_ipv4);
        let candidates: Vec<_> = candidates
            .iter()
            .filter(|address| address.is_ipv4() == family)
            .collect();
        let any = match family {
            true => IpAddr::from(Ipv4Addr::UNSPECIFIED),
            false => IpAddr::from(Ipv6Addr::UNSPECIFIED),
        };
        let socket = UdpSocket::bind((any, 0)).await.ok()?;
        let mut ids = Vec::new();
        let mut datagram = [0; DATAGRAM];
        for _ in 0..ATTEMPTS {
            for candidate in &candidates {
                let (id, check) = self.check()?;
                ids.push(id);
                // An address that cannot be reached from here is one of many.
                let _ = socket.send_to(&check, candidate).await;
            }
            let until = Instant::now() + INTERVAL;
            while let Ok(received) = timeout_at(until, socket.recv_from(&mut datagram)).await {
                let Ok((length, from)) = received else {
                    continue;
                };
                match self.read(&datagram[..length], from) {
                    Some(Stun::Success(id)) if ids.contains(&id) => return Some((socket, from)),
                    Some(Stun::Request(answer)) => {
                        let _ = socket.send_to(&answer, from).await;
                    }
                    _ => {}
                }
            }
        }
        None
    }
}
