//! A true ICE-lite responder (RFC 8445 section 2.5, STUN of RFC 8489): every valid Binding request is
//! answered at once, and no check of our own is ever sent.

use std::net::SocketAddr;

use rtc_crypto::RTCCrypto;
use rtc_stun::attributes::{
    ATTR_ERROR_CODE, ATTR_FINGERPRINT, ATTR_ICE_CONTROLLED, ATTR_MESSAGE_INTEGRITY,
    ATTR_MESSAGE_INTEGRITY_SHA256, ATTR_USE_CANDIDATE, ATTR_USERNAME,
};
use rtc_stun::fingerprint::FINGERPRINT;
use rtc_stun::integrity::MessageIntegrity;
use rtc_stun::message::{
    BINDING_ERROR, BINDING_REQUEST, BINDING_SUCCESS, Message, Setter, TransactionId,
};
use rtc_stun::xoraddr::XorMappedAddress;

use super::seat::{ICE_CHARS, Seat};

/// The longest Binding request that is read; browsers' have about 100 bytes.
pub(crate) const MAX_REQUEST_BYTES: usize = 1500;

/// Our half of a session's ICE credentials.
#[derive(Clone)]
pub(crate) struct Credentials {
    /// Finds the session of a Binding request: its USERNAME begins with it.
    pub(crate) ufrag: String,
    /// Keys the MESSAGE-INTEGRITY of the peer's requests.
    pub(crate) pwd: String,
}

impl Credentials {
    /// 72 bits of name, so that no two sessions meet, and 144 bits of password (RFC 8445 section 5.3
    /// asks for 24 and 128). The name leads to the worker at `seat`.
    pub(crate) fn random(seat: Seat) -> Self {
        Credentials {
            ufrag: format!("{}{}", seat.letter(), ice_chars(12)),
            pwd: ice_chars(24),
        }
    }
}

fn ice_chars(count: usize) -> String {
    let any = || ICE_CHARS[rand::random_range(0..ICE_CHARS.len())];
    (0..count).map(|_| char::from(any())).collect()
}

/// A Binding request that names a session but is not authenticated yet.
pub(crate) struct Request {
    message: Message,
    /// The first half of USERNAME: the fragment of the one who is asked, that is ours.
    pub(crate) ufrag: String,
}

impl Request {
    /// Reads a datagram. `None` unless it is a well-formed Binding request with all that ICE demands
    /// (RFC 8445 section 7.1): USERNAME, MESSAGE-INTEGRITY, and a right FINGERPRINT.
    pub(crate) fn parse(datagram: &[u8]) -> Option<Request> {
        if datagram.len() > MAX_REQUEST_BYTES {
            return None;
        }
        let mut message = Message::new();
        message.unmarshal_binary(datagram).ok()?;
        let whole = message.length as usize + 20 == datagram.len();
        if !whole || message.typ != BINDING_REQUEST {
            return None;
        }
        // What stands behind MESSAGE-INTEGRITY is not covered by it: nothing may, but the fingerprint.
        let mut kinds = message.attributes.0.iter().map(|attribute| attribute.typ);
        kinds.find(|kind| *kind == ATTR_MESSAGE_INTEGRITY)?;
        if kinds.any(|kind| ![ATTR_FINGERPRINT, ATTR_MESSAGE_INTEGRITY_SHA256].contains(&kind)) {
            return None;
        }
        FINGERPRINT.check(&message).ok()?;
        let username = String::from_utf8(message.get(ATTR_USERNAME).ok()?).ok()?;
        let (ufrag, _) = username.split_once(':')?;
        Some(Request {
            ufrag: ufrag.to_owned(),
            message,
        })
    }

    /// Whether the sender knows our password.
    pub(crate) fn is_authentic(&mut self, pwd: &str, crypto: &dyn RTCCrypto) -> bool {
        MessageIntegrity::check(&mut self.message, pwd.as_bytes(), crypto).is_ok()
    }

    /// The peer has chosen this path (RFC 8445 section 8.1.1).
    pub(crate) fn uses_candidate(&self) -> bool {
        self.message.contains(ATTR_USE_CANDIDATE)
    }

    /// The response: success with the address that the request came from, or role conflict, since a
    /// lite agent is always controlled (RFC 8445 section 6.1.1). `None` if it cannot be built.
    pub(crate) fn response(
        &self,
        from: SocketAddr,
        pwd: &str,
        crypto: &dyn RTCCrypto,
    ) -> Option<Vec<u8>> {
        let (kind, body): (_, Box<dyn Setter>) = match self.is_role_conflict() {
            false => (
                BINDING_SUCCESS,
                Box::new(XorMappedAddress {
                    ip: from.ip(),
                    port: from.port(),
                }),
            ),
            true => (BINDING_ERROR, Box::new(RoleConflict)),
        };
        let id = TransactionId(self.message.transaction_id.0);
        let mut message = Message::new();
        message
            .build(&[
                Box::new(kind),
                Box::new(id),
                body,
                Box::new(MessageIntegrity::new_short_term_integrity_with_provider(
                    pwd.to_owned(),
                    crypto,
                )),
                Box::new(FINGERPRINT),
            ])
            .ok()?;
        Some(message.raw)
    }

    /// The peer believes that it is the controlled side.
    pub(crate) fn is_role_conflict(&self) -> bool {
        self.message.contains(ATTR_ICE_CONTROLLED)
    }
}

/// ERROR-CODE 487 (RFC 8445 section 16.1).
struct RoleConflict;

impl Setter for RoleConflict {
    fn add_to(&self, message: &mut Message) -> rtc_shared::error::Result<()> {
        let mut value = vec![0, 0, 4, 87];
        value.extend_from_slice(b"Role Conflict");
        message.add(ATTR_ERROR_CODE, &value);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;
    use rtc_stun::attributes::ATTR_ICE_CONTROLLING;
    use rtc_stun::textattrs::TextAttribute;

    struct Flag(rtc_stun::attributes::AttrType, &'static [u8]);

    impl Setter for Flag {
        fn add_to(&self, message: &mut Message) -> rtc_shared::error::Result<()> {
            message.add(self.0, self.1);
            Ok(())
        }
    }

    fn request(username: &str, pwd: &str, role: Flag, crypto: &dyn RTCCrypto) -> Vec<u8> {
        let mut message = Message::new();
        message
            .build(&[
                Box::new(BINDING_REQUEST),
                Box::new(TransactionId::new()),
                Box::new(TextAttribute::new(ATTR_USERNAME, username.to_owned())),
                Box::new(role),
                Box::new(Flag(ATTR_USE_CANDIDATE, &[])),
                Box::new(MessageIntegrity::new_short_term_integrity_with_provider(
                    pwd.to_owned(),
                    crypto,
                )),
                Box::new(FINGERPRINT),
            ])
            .unwrap();
        message.raw
    }

    fn controlling() -> Flag {
        Flag(ATTR_ICE_CONTROLLING, &[0, 0, 0, 0, 0, 0, 0, 9])
    }

    #[test]
    fn a_good_request_is_answered_with_the_address_it_came_from() {
        let provider = rtc_crypto::default_provider().unwrap();
        let ours = Credentials::random(Seat::default());
        let username = format!("{}:peer", ours.ufrag);
        let datagram = request(&username, &ours.pwd, controlling(), provider.crypto());

        let mut request = Request::parse(&datagram).unwrap();
        assert_eq!(request.ufrag, ours.ufrag);
        assert!(request.is_authentic(&ours.pwd, provider.crypto()));
        assert!(request.uses_candidate());

        let from: SocketAddr = "192.0.2.7:4711".parse().unwrap();
        let response = request
            .response(from, &ours.pwd, provider.crypto())
            .unwrap();
        let mut read = Message::new();
        read.unmarshal_binary(&response).unwrap();
        assert_eq!(read.typ, BINDING_SUCCESS);
        assert_eq!(read.transaction_id.0[..], datagram[8..20]);
        let mut mapped = XorMappedAddress::default();
        rtc_stun::message::Getter::get_from(&mut mapped, &read).unwrap();
        assert_eq!((mapped.ip, mapped.port), (from.ip(), from.port()));
        FINGERPRINT.check(&read).unwrap();
        MessageIntegrity::check(&mut read, ours.pwd.as_bytes(), provider.crypto()).unwrap();
    }

    #[test]
    fn what_the_integrity_does_not_cover_is_not_taken() {
        let provider = rtc_crypto::default_provider().unwrap();
        let mut message = Message::new();
        let integrity = MessageIntegrity::new_short_term_integrity_with_provider(
            "pwd".to_owned(),
            provider.crypto(),
        );
        message
            .build(&[
                Box::new(BINDING_REQUEST),
                Box::new(TransactionId::new()),
                Box::new(TextAttribute::new(ATTR_USERNAME, "us:peer".to_owned())),
                Box::new(integrity),
                Box::new(Flag(ATTR_USE_CANDIDATE, &[])),
                Box::new(FINGERPRINT),
            ])
            .unwrap();
        assert!(Request::parse(&message.raw).is_none());
    }

    #[test]
    fn a_wrong_password_is_not_authentic() {
        let provider = rtc_crypto::default_provider().unwrap();
        let datagram = request(
            "us:peer",
            "not the password",
            controlling(),
            provider.crypto(),
        );
        let mut request = Request::parse(&datagram).unwrap();
        assert!(
            !request.is_authentic(&Credentials::random(Seat::default()).pwd, provider.crypto())
        );
    }

    #[test]
    fn a_controlled_peer_is_told_of_the_conflict() {
        let provider = rtc_crypto::default_provider().unwrap();
        let role = Flag(ATTR_ICE_CONTROLLED, &[0; 8]);
        let datagram = request("us:peer", "pwd", role, provider.crypto());
        let request = Request::parse(&datagram).unwrap();
        let from: SocketAddr = "192.0.2.7:4711".parse().unwrap();
        let response = request.response(from, "pwd", provider.crypto()).unwrap();
        let mut read = Message::new();
        read.unmarshal_binary(&response).unwrap();
        assert_eq!(read.typ, BINDING_ERROR);
        assert_eq!(read.get(ATTR_ERROR_CODE).unwrap()[..4], [0, 0, 4, 87]);
    }

    #[test]
    fn cut_and_flipped_requests_never_pass_nor_panic() {
        let provider = rtc_crypto::default_provider().unwrap();
        let good = request("us:peer", "pwd", controlling(), provider.crypto());
        for cut in 0..good.len() {
            assert!(Request::parse(&good[..cut]).is_none(), "cut at {cut}");
        }
        for bit in 0..good.len() * 8 {
            let mut bad = good.clone();
            bad[bit / 8] ^= 1 << (bit % 8);
            let passed = Request::parse(&bad)
                .is_some_and(|mut request| request.is_authentic("pwd", provider.crypto()));
            assert!(!passed, "bit {bit}");
        }
    }
}
