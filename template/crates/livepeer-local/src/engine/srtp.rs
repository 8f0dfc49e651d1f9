//! SRTP and SRTCP of one session (RFC 3711, RFC 7714): one context for each direction.

use bytes::BytesMut;
use rtc_crypto::RTCCrypto;
use rtc_shared::error::Result;
use rtc_srtp::config::Config;
use rtc_srtp::context::Context;
use rtc_srtp::option::{srtcp_replay_protection, srtp_replay_protection};
use rtc_srtp::protection_profile::ProtectionProfile;

use super::sealer::Sealer;

/// How far a packet may be late before it counts as a replay. Wide enough for a retransmission that
/// took the tenth request at 3 Mb/s.
const REPLAY_WINDOW: usize = 1024;

/// Both directions of a session.
///
/// `rtc-srtp` makes state for an SSRC before it has authenticated a packet: callers must hold the SSRC
/// against what they expect first.
pub(crate) struct Srtp {
    inbound: Context,
    outbound: Context,
    /// Seals RTP in the place of `outbound` where the profile is AES-GCM, which it nearly always is.
    sealer: Option<Sealer>,
}

impl Srtp {
    /// Splits the keys that the DTLS handshake exported (RFC 5764 section 4.2).
    ///
    /// # Errors
    ///
    /// If the material's length is not the profile's.
    pub(crate) fn new(
        profile: ProtectionProfile,
        material: &[u8],
        is_client: bool,
        crypto: &dyn RTCCrypto,
    ) -> Result<Srtp> {
        let mut config = Config {
            profile,
            ..Config::default()
        };
        config.set_session_keys_from_keying_material(material, is_client)?;
        let keys = &config.keys;
        Ok(Srtp {
            inbound: Context::new(
                &keys.remote_master_key,
                &keys.remote_master_salt,
                profile,
                Some(srtp_replay_protection(REPLAY_WINDOW)),
                Some(srtcp_replay_protection(REPLAY_WINDOW)),
                crypto,
            )?,
            outbound: Context::new(
                &keys.local_master_key,
                &keys.local_master_salt,
                profile,
                None,
                None,
                crypto,
            )?,
            sealer: Sealer::new(
                profile,
                &keys.local_master_key,
                &keys.local_master_salt,
                crypto,
            )?,
        })
    }

    /// Authenticates and decrypts a packet, whose SSRC the caller expects.
    pub(crate) fn open_rtp(&mut self, packet: &[u8]) -> Result<BytesMut> {
        self.inbound.decrypt_rtp(packet)
    }

    /// Authenticates and decrypts a compound RTCP packet.
    pub(crate) fn open_rtcp(&mut self, packet: &[u8]) -> Result<BytesMut> {
        self.inbound.decrypt_rtcp(packet)
    }

    /// Encrypts a packet, given in parts, behind what `out` holds; its first part is its header. The same sequence number may
    /// come again, as a retransmission, only with the very same bytes: with GCM anything else would give the key away.
    ///
    /// # Errors
    ///
    /// If it is no packet, or there have been too many for one key (2^48). What was added to `out` must be taken off
    /// again: it is not encrypted.
    pub(crate) fn seal_rtp(&mut self, packet: [&[u8]; 3], out: &mut Vec<u8>) -> Result<()> {
        let start = out.len();
        packet.iter().for_each(|part| out.extend_from_slice(part));
        match &mut self.sealer {
            Some(sealer) => sealer.seal(out, start, packet[0].len()),
            None => {
                let sealed = self.outbound.encrypt_rtp(&out[start..])?;
                out.truncate(start);
                out.extend_from_slice(&sealed);
                Ok(())
            }
        }
    }

    /// Encrypts a compound RTCP packet.
    pub(crate) fn seal_rtcp(&mut self, packet: &[u8]) -> Result<BytesMut> {
        self.outbound.encrypt_rtcp(packet)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;
    use crate::engine::rtp::header;

    fn pair(profile: ProtectionProfile) -> (Srtp, Srtp) {
        let provider = rtc_crypto::default_provider().unwrap();
        let length = 2 * (profile.key_len() + profile.salt_len());
        let material: Vec<u8> = (0..length).map(|byte| byte as u8).collect();
        let side = |is_client| Srtp::new(profile, &material, is_client, provider.crypto()).unwrap();
        (side(true), side(false))
    }

    const PROFILES: [ProtectionProfile; 3] = [
        ProtectionProfile::AeadAes128Gcm,
        ProtectionProfile::AeadAes256Gcm,
        ProtectionProfile::Aes128CmHmacSha1_80,
    ];

    fn seal(srtp: &mut Srtp, header: &[u8], payload: &[u8]) -> Vec<u8> {
        let mut sealed = Vec::new();
        srtp.seal_rtp([header, &[], payload], &mut sealed).unwrap();
        sealed
    }

    #[test]
    fn what_one_side_seals_the_other_opens_once_over_the_wrap() {
        for profile in PROFILES {
            let (mut client, mut server) = pair(profile);
            for step in 0..200u16 {
                let mut packet = header(false, 96, 65_500u16.wrapping_add(step), 1, 7).to_vec();
                let sealed = seal(&mut client, &packet, b"picture");
                packet.extend_from_slice(b"picture");
                assert_eq!(
                    server.open_rtp(&sealed).unwrap(),
                    packet,
                    "{profile:?} {step}"
                );
                assert!(server.open_rtp(&sealed).is_err(), "a replay");
            }
        }
    }

    #[test]
    fn a_retransmission_from_before_the_wrap_opens_where_the_first_was_lost() {
        for profile in PROFILES {
            let (mut client, mut server) = pair(profile);
            let packet = |sequence| header(false, 96, sequence, 1, 7).to_vec();
            for sequence in 40_000..=65_535 {
                let sealed = seal(&mut client, &packet(sequence), b"");
                if sequence != 65_530 {
                    server.open_rtp(&sealed).unwrap();
                }
            }
            for sequence in 0..5 {
                let sealed = seal(&mut client, &packet(sequence), b"");
                server.open_rtp(&sealed).unwrap();
            }
            let again = seal(&mut client, &packet(65_530), b"");
            assert_eq!(
                server.open_rtp(&again).unwrap(),
                packet(65_530),
                "{profile:?}"
            );
            let next = seal(&mut client, &packet(5), b"");
            server.open_rtp(&next).unwrap();
        }
    }

    #[test]
    fn a_flipped_bit_anywhere_is_refused() {
        for profile in PROFILES {
            let (mut client, mut server) = pair(profile);
            let mut packet = header(true, 96, 1, 1, 7).to_vec();
            let sealed = seal(&mut client, &packet, b"picture");
            packet.extend_from_slice(b"picture");
            for bit in 0..sealed.len() * 8 {
                let mut bad = sealed.to_vec();
                bad[bit / 8] ^= 1 << (bit % 8);
                assert!(server.open_rtp(&bad).is_err(), "{profile:?} bit {bit}");
            }
            assert_eq!(server.open_rtp(&sealed).unwrap(), packet);
        }
    }
}
