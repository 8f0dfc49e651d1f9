//! Sealing RTP with AES-GCM (RFC 7714) where the packet lies: in the buffer that it is sent from.
//!
//! `rtc-srtp` hands each sealed packet out in memory of its own, which for every packet of every viewer is two allocations
//! and two copies more. Keys, nonces and rollovers are as there; the tests hold the two against each other.

use rtc_crypto::{AeadAlgorithm, AeadCipher, BlockCipherAlgorithm, RTCCrypto};
use rtc_shared::error::{Error, Result};
use rtc_srtp::protection_profile::ProtectionProfile;

use super::rtp::{HEADER_BYTES, Unwrapper, clear_fields};

/// Bytes that sealing adds.
const TAG: usize = 16;
/// Bytes of the salt, and of the nonce that is made with it (RFC 7714 section 8.1).
const SALT: usize = 12;
/// What a derived secret is for (RFC 3711 section 4.3.1).
const LABEL_KEY: u8 = 0x00;
const LABEL_SALT: u8 = 0x02;

/// The outbound RTP of one session.
pub(crate) struct Sealer {
    cipher: Box<dyn AeadCipher>,
    salt: [u8; SALT],
    /// One for each SSRC: two tracks, and the retransmissions of each.
    sources: Vec<(u32, Unwrapper)>,
}

impl Sealer {
    /// Derives the session's key and salt from the master's. `None` for a profile that is not AES-GCM.
    ///
    /// # Errors
    ///
    /// If the lengths are not the profile's.
    pub(crate) fn new(
        profile: ProtectionProfile,
        master_key: &[u8],
        master_salt: &[u8],
        crypto: &dyn RTCCrypto,
    ) -> Result<Option<Sealer>> {
        let (block, aead) = match profile {
            ProtectionProfile::AeadAes128Gcm => {
                (BlockCipherAlgorithm::Aes128, AeadAlgorithm::Aes128Gcm)
            }
            ProtectionProfile::AeadAes256Gcm => {
                (BlockCipherAlgorithm::Aes256, AeadAlgorithm::Aes256Gcm)
            }
            _ => return Ok(None),
        };
        let master_salt: [u8; SALT] = master_salt.try_into().map_err(other)?;
        let derive = |label: u8, out: &mut [u8]| {
            for (counter, part) in (0u16..).zip(out.chunks_mut(16)) {
                // RFC 3711 sections 4.1.1 and 4.3.3; RFC 7714 section 11 pads the salt with zeros.
                let mut input = [0; 16];
                input[..SALT].copy_from_slice(&master_salt);
                input[7] ^= label;
                input[14..].copy_from_slice(&counter.to_be_bytes());
                crypto.block_encrypt(block, master_key, &mut input)?;
                part.copy_from_slice(&input[..part.len()]);
            }
            Ok::<(), rtc_crypto::CryptoError>(())
        };
        let (mut key, mut salt) = (vec![0; master_key.len()], [0; SALT]);
        derive(LABEL_KEY, &mut key).map_err(other)?;
        derive(LABEL_SALT, &mut salt).map_err(other)?;
        let cipher = crypto.new_aead(aead, &key).map_err(other)?;
        Ok(Some(Sealer::with_session_keys(cipher, salt)))
    }

    fn with_session_keys(cipher: Box<dyn AeadCipher>, salt: [u8; SALT]) -> Sealer {
        Sealer {
            cipher,
            salt,
            sources: Vec::new(),
        }
    }

    /// Seals the packet that fills `buffer` from `start` on, of which the first `header` bytes stay in the clear.
    ///
    /// The same sequence number may come again, as a retransmission, only with the very same bytes: anything else would
    /// give the key away.
    ///
    /// # Errors
    ///
    /// If it is no RTP packet, or there have been too many for one key (2^48).
    pub(crate) fn seal(&mut self, buffer: &mut Vec<u8>, start: usize, header: usize) -> Result<()> {
        let packet = buffer.get_mut(start..).unwrap_or_default();
        let (Some((_, _, ssrc)), true) = (clear_fields(packet), header >= HEADER_BYTES) else {
            return Err(Error::ErrTooShortRtp);
        };
        let nonce = self.nonce(ssrc, u16::from_be_bytes([packet[2], packet[3]]))?;
        let (header, payload) = packet
            .split_at_mut_checked(header)
            .ok_or(Error::ErrTooShortRtp)?;
        let mut tag = [0; TAG];
        self.cipher
            .seal_in_place(&nonce, header, payload, &mut tag)
            .map_err(other)?;
        buffer.extend_from_slice(&tag);
        Ok(())
    }

    /// RFC 7714 section 8.1: the SSRC, the rollover counter and the sequence number, under the salt.
    fn nonce(&mut self, ssrc: u32, sequence: u16) -> Result<[u8; SALT]> {
        let known = self.sources.iter().position(|(known, _)| *known == ssrc);
        let known = known.unwrap_or_else(|| {
            self.sources.push((ssrc, Unwrapper::default()));
            self.sources.len() - 1
        });
        let sequences = &mut self.sources[known].1;
        let mut index = sequences.unwrap(sequence);
        if index < 0 {
            // Nothing was sent before the first packet.
            index += 1 << 16;
        }
        sequences.note(index);
        let rollovers = u32::try_from(index >> 16).map_err(other)?;
        let mut nonce = [0; SALT];
        nonce[2..6].copy_from_slice(&ssrc.to_be_bytes());
        nonce[6..10].copy_from_slice(&rollovers.to_be_bytes());
        nonce[10..].copy_from_slice(&sequence.to_be_bytes());
        nonce
            .iter_mut()
            .zip(self.salt)
            .for_each(|(byte, salt)| *byte ^= salt);
        Ok(nonce)
    }
}

fn other(error: impl std::fmt::Display) -> Error {
    Error::Other(error.to_string())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use rtc_srtp::context::Context;

    use super::*;
    use crate::engine::rtp::header;

    fn bytes(hex: &str) -> Vec<u8> {
        let digits: Vec<u32> = hex.chars().filter_map(|digit| digit.to_digit(16)).collect();
        digits
            .chunks(2)
            .map(|pair| (pair[0] << 4 | pair[1]) as u8)
            .collect()
    }

    /// RFC 7714 sections 16.1.1 and 16.2.1.
    #[test]
    fn the_vectors_of_rfc_7714_come_out() {
        let provider = rtc_crypto::default_provider().unwrap();
        let plain = "8040f17b 8041f8d3 5501a0b2 47616c6c 69612065 7374206f 6d6e6973 20646976 69736120 \
                     696e2070 61727465 73207472 6573";
        let vectors = [
            (
                AeadAlgorithm::Aes128Gcm,
                16,
                "8040f17b 8041f8d3 5501a0b2 f24de3a3 fb34de6c acba861c 9d7e4bca be633bd5 0d294e6f \
                 42a5f47a 51c7d19b 36de3adf 8833899d 7f27beb1 6a9152cf 765ee439 0cce",
            ),
            (
                AeadAlgorithm::Aes256Gcm,
                32,
                "8040f17b 8041f8d3 5501a0b2 32b1de78 a822fe12 ef9f78fa 332e33aa b1801238 9a58e2f3 \
                 b50b2a02 76ffae0f 1ba63799 b87b7aa3 db36dfff d6b0f9bb 7878d7a7 6c13",
            ),
        ];
        for (algorithm, key_bytes, sealed) in vectors {
            let key: Vec<u8> = (0..key_bytes).collect();
            let salt = bytes("517569642070726f2071756f").try_into().unwrap();
            let cipher = provider.crypto().new_aead(algorithm, &key).unwrap();
            let mut sealer = Sealer::with_session_keys(cipher, salt);
            let mut buffer = b"before".to_vec();
            buffer.extend(bytes(plain));
            sealer.seal(&mut buffer, 6, HEADER_BYTES).unwrap();
            assert_eq!(buffer[6..], bytes(sealed), "{algorithm:?}");
            assert_eq!(&buffer[..6], b"before");
        }
    }

    /// Over two wraps, with retransmissions from before each, two sources, and an extension in the header.
    #[test]
    fn it_seals_as_the_context_of_rtc_srtp_does() {
        let provider = rtc_crypto::default_provider().unwrap();
        for profile in [
            ProtectionProfile::AeadAes128Gcm,
            ProtectionProfile::AeadAes256Gcm,
        ] {
            let key: Vec<u8> = (7..).take(profile.key_len()).collect();
            let salt: Vec<u8> = (100..).take(profile.salt_len()).collect();
            let crypto = provider.crypto();
            let mut context = Context::new(&key, &salt, profile, None, None, crypto).unwrap();
            let mut sealer = Sealer::new(profile, &key, &salt, crypto).unwrap().unwrap();
            let mut check = |index: u64, ssrc: u32| {
                let mut packet = header(true, 96, index as u16, index as u32, ssrc).to_vec();
                packet[0] |= 0x10;
                packet.extend_from_slice(&[0xbe, 0xde, 0, 1, 0x31, 1, 2, 0]);
                let clear = packet.len();
                packet.extend((0..index % 50).map(|byte| byte as u8));
                let expected = context.encrypt_rtp(&packet).unwrap();
                sealer.seal(&mut packet, 0, clear).unwrap();
                assert_eq!(packet, expected, "{profile:?} {index} {ssrc}");
            };
            for index in (100..140_000).step_by(7) {
                check(index, 1);
                if index % 3 == 0 {
                    check(index + 500, 2);
                }
                if index % 1000 > 990 && index > 2000 {
                    check(index - 1500, 1);
                }
            }
        }
    }

    #[test]
    fn what_is_no_packet_is_not_sealed() {
        let provider = rtc_crypto::default_provider().unwrap();
        let crypto = provider.crypto();
        let profile = ProtectionProfile::AeadAes128Gcm;
        let mut sealer = Sealer::new(profile, &[1; 16], &[2; 12], crypto)
            .unwrap()
            .unwrap();
        for (length, header) in [(0, 12), (11, 12), (12, 13), (12, 11)] {
            let mut buffer = vec![0x80; length];
            assert!(
                sealer.seal(&mut buffer, 0, header).is_err(),
                "{length} {header}"
            );
        }
        assert!(
            sealer.seal(&mut vec![0x80; 12], 13, 12).is_err(),
            "behind the end"
        );
        assert!(
            Sealer::new(profile, &[1; 16], &[2; 14], crypto).is_err(),
            "another profile's salt"
        );
        let other = ProtectionProfile::Aes128CmHmacSha1_80;
        assert!(
            Sealer::new(other, &[1; 16], &[2; 14], crypto)
                .unwrap()
                .is_none()
        );
    }
}
