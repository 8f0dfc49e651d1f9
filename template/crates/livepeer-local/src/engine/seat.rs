//! Which of the engine's worker threads something belongs to. A session's ICE ufrag and its id say it
//! themselves, so that nobody keeps a table of them.

/// The most workers: an ICE ufrag names its worker by one of 64 letters.
pub(crate) const MAX_WORKERS: usize = 64;

/// The characters of an ICE ufrag or password (`ice-char`, RFC 8839 section 5.4).
pub(crate) const ICE_CHARS: &[u8; MAX_WORKERS] =
    b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// USERNAME (RFC 8489 section 14.3).
const ATTR_USERNAME: u16 = 0x0006;

/// One worker, by its number, and how many there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Seat {
    pub(crate) worker: usize,
    pub(crate) of: usize,
}

impl Default for Seat {
    /// The only one.
    fn default() -> Self {
        Seat { worker: 0, of: 1 }
    }
}

impl Seat {
    /// Whether a name that begins with this number is of this worker: names are drawn until it is, so
    /// that they stay as random as they can be.
    pub(crate) fn owns(self, number: u8) -> bool {
        usize::from(number) % self.of == self.worker
    }

    /// A random letter that an ICE ufrag of this worker begins with.
    pub(crate) fn letter(self) -> char {
        let mine = ICE_CHARS.iter().skip(self.worker).step_by(self.of);
        let letters: Vec<u8> = mine.copied().collect();
        char::from(letters[rand::random_range(0..letters.len())])
    }
}

/// The worker whose session a Binding request names; nothing is authenticated by that. `None` for
/// what is no STUN message with a USERNAME of ours.
pub(crate) fn worker_of_stun(datagram: &[u8], of: usize) -> Option<usize> {
    let mut attributes = datagram.get(20..)?;
    loop {
        let [kind_high, kind_low, length_high, length_low, ..] = *attributes else {
            return None;
        };
        let length = usize::from(u16::from_be_bytes([length_high, length_low]));
        let value = attributes.get(4..4 + length)?;
        if u16::from_be_bytes([kind_high, kind_low]) == ATTR_USERNAME {
            // RFC 8445 section 7.2.2: the fragment of the one who is asked comes first.
            let letter = value.first()?;
            let place = ICE_CHARS.iter().position(|c| c == letter)?;
            return Some(place % of);
        }
        attributes = attributes.get(4 + length.next_multiple_of(4)..)?;
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;
    use crate::engine::fake_peer::binding_request;
    use crate::engine::ice::Credentials;
    use crate::engine::names::SessionId;

    #[test]
    fn a_check_and_a_session_id_name_their_worker_however_many_there_are() {
        let provider = rtc_crypto::default_provider().unwrap();
        for of in [1, 2, 3, 7, 64] {
            for worker in [0, of / 2, of - 1] {
                let seat = Seat { worker, of };
                let ours = Credentials::random(seat);
                let username = format!("{}:peer", ours.ufrag);
                let check = binding_request(&username, &ours.pwd, false, &provider);
                assert_eq!(worker_of_stun(&check, of), Some(worker), "{seat:?}");
                assert_eq!(SessionId::random(seat).worker(of), worker, "{seat:?}");
            }
        }
    }

    #[test]
    fn what_names_nobody_names_no_worker() {
        let provider = rtc_crypto::default_provider().unwrap();
        let check = binding_request("?:peer", "pwd", false, &provider);
        assert_eq!(worker_of_stun(&check, 2), None, "no letter of ours");
        let check = binding_request("A:peer", "pwd", false, &provider);
        for end in 0..check.len() {
            // Cut anywhere: an answer or none, but no panic.
            worker_of_stun(&check[..end], 2);
        }
        assert_eq!(worker_of_stun(&[0; 20], 2), None);
    }
}
