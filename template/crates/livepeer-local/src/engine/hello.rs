//! Reading a DTLS ClientHello (RFC 6347 section 4.2.2, RFC 5246 section 7.4.1.2) far enough to see the
//! SRTP profiles in it (RFC 5764 section 4.1.1), also when it is split over several datagrams.

/// A first flight beyond this is nobody's; Chromium's, with a post-quantum key share, has about 1.9 KB.
const MAX_HELLO_BYTES: usize = 8 * 1024;
/// Datagrams that are held until the hello is whole, repeats included.
const MAX_HELD: usize = 12;

const HANDSHAKE_RECORD: u8 = 22;
const CLIENT_HELLO: u8 = 1;
const USE_SRTP: u16 = 14;

/// What is kept of a ClientHello.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Hello {
    /// The client's SRTP profiles in its order, by their numbers.
    pub(crate) srtp_profiles: Vec<u16>,
}

/// The first flight is not a ClientHello, or too long.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct NotAHello;

/// Collects the datagrams of a first flight.
#[derive(Default)]
pub(crate) struct HelloReader {
    held: Vec<Vec<u8>>,
    body: Vec<u8>,
    /// Which bytes of the body have come.
    present: Vec<bool>,
}

impl HelloReader {
    /// Takes a datagram; `Some` once the hello is whole. Every datagram is kept for
    /// [`take_datagrams`](Self::take_datagrams).
    pub(crate) fn read(&mut self, datagram: &[u8]) -> Result<Option<Hello>, NotAHello> {
        if self.held.len() >= MAX_HELD {
            return Err(NotAHello);
        }
        self.fragments(datagram).ok_or(NotAHello)?;
        self.held.push(datagram.to_vec());
        if self.body.is_empty() || !self.present.iter().all(|byte| *byte) {
            return Ok(None);
        }
        let srtp_profiles = srtp_profiles(&self.body).ok_or(NotAHello)?;
        Ok(Some(Hello { srtp_profiles }))
    }

    /// The datagrams so far, for the handshake that follows.
    pub(crate) fn take_datagrams(&mut self) -> Vec<Vec<u8>> {
        std::mem::take(&mut self.held)
    }

    fn fragments(&mut self, datagram: &[u8]) -> Option<()> {
        let mut records = Bytes(datagram);
        while !records.0.is_empty() {
            let kind = records.u8()?;
            records.take(2)?; // version
            records.take(8)?; // epoch and sequence number
            let length = records.u16()?;
            let record = records.take(usize::from(length))?;
            if kind != HANDSHAKE_RECORD {
                return None;
            }
            let mut messages = Bytes(record);
            while !messages.0.is_empty() {
                self.fragment(&mut messages)?;
            }
        }
        Some(())
    }

    fn fragment(&mut self, messages: &mut Bytes) -> Option<()> {
        let kind = messages.u8()?;
        let total = messages.u24()?;
        messages.take(2)?; // message sequence
        let offset = messages.u24()?;
        let length = messages.u24()?;
        let part = messages.take(length)?;
        let end = offset.checked_add(length)?;
        if kind != CLIENT_HELLO || total == 0 || total > MAX_HELLO_BYTES || end > total {
            return None;
        }
        if self.body.is_empty() {
            self.body = vec![0; total];
            self.present = vec![false; total];
        } else if self.body.len() != total {
            return None;
        }
        self.body[offset..end].copy_from_slice(part);
        self.present[offset..end].fill(true);
        Some(())
    }
}

fn srtp_profiles(body: &[u8]) -> Option<Vec<u16>> {
    let mut hello = Bytes(body);
    hello.take(2 + 32)?; // version and random
    hello.vector8()?; // session id
    hello.vector8()?; // cookie
    hello.vector16()?; // cipher suites
    hello.vector8()?; // compression methods
    let mut profiles = Vec::new();
    if hello.0.is_empty() {
        return Some(profiles);
    }
    let mut extensions = Bytes(hello.vector16()?);
    while !extensions.0.is_empty() {
        let kind = extensions.u16()?;
        let mut value = Bytes(extensions.vector16()?);
        if kind == USE_SRTP {
            let mut list = Bytes(value.vector16()?);
            while !list.0.is_empty() {
                profiles.push(list.u16()?);
            }
        }
    }
    Some(profiles)
}

/// A cursor that never reads beyond the end.
struct Bytes<'a>(&'a [u8]);

impl<'a> Bytes<'a> {
    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (head, tail) = self.0.split_at_checked(count)?;
        self.0 = tail;
        Some(head)
    }

    fn u8(&mut self) -> Option<u8> {
        self.take(1).map(|b| b[0])
    }

    fn u16(&mut self) -> Option<u16> {
        self.take(2).map(|b| u16::from_be_bytes([b[0], b[1]]))
    }

    fn u24(&mut self) -> Option<usize> {
        self.take(3)
            .map(|b| usize::from(b[0]) << 16 | usize::from(b[1]) << 8 | usize::from(b[2]))
    }

    fn vector8(&mut self) -> Option<&'a [u8]> {
        let length = self.u8()?;
        self.take(usize::from(length))
    }

    fn vector16(&mut self) -> Option<&'a [u8]> {
        let length = self.u16()?;
        self.take(usize::from(length))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;

    fn body(profiles: &[u16]) -> Vec<u8> {
        let mut body = vec![0xfe, 0xfd];
        body.extend_from_slice(&[7; 32]);
        body.extend_from_slice(&[0, 0]); // no session id, no cookie
        body.extend_from_slice(&[0, 2, 0xc0, 0x2b]);
        body.extend_from_slice(&[1, 0]);
        let list: Vec<u8> = profiles.iter().flat_map(|p| p.to_be_bytes()).collect();
        let mut extensions = vec![0, 23, 0, 0]; // extended master secret
        extensions.extend_from_slice(&USE_SRTP.to_be_bytes());
        extensions.extend_from_slice(&(list.len() as u16 + 3).to_be_bytes());
        extensions.extend_from_slice(&(list.len() as u16).to_be_bytes());
        extensions.extend_from_slice(&list);
        extensions.push(0);
        body.extend_from_slice(&(extensions.len() as u16).to_be_bytes());
        body.extend_from_slice(&extensions);
        body
    }

    fn record(body: &[u8], from: usize, to: usize) -> Vec<u8> {
        let mut message = vec![CLIENT_HELLO];
        message.extend_from_slice(&(body.len() as u32).to_be_bytes()[1..]);
        message.extend_from_slice(&[0, 0]);
        message.extend_from_slice(&(from as u32).to_be_bytes()[1..]);
        message.extend_from_slice(&((to - from) as u32).to_be_bytes()[1..]);
        message.extend_from_slice(&body[from..to]);
        let mut record = vec![HANDSHAKE_RECORD, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 0];
        record.extend_from_slice(&(message.len() as u16).to_be_bytes());
        record.extend_from_slice(&message);
        record
    }

    #[test]
    fn a_hello_split_over_two_datagrams_is_read_in_either_order() {
        let body = body(&[1, 7, 8]);
        let parts = [record(&body, 0, 40), record(&body, 40, body.len())];
        for order in [[0, 1], [1, 0]] {
            let mut reader = HelloReader::default();
            assert_eq!(reader.read(&parts[order[0]]), Ok(None));
            let hello = reader.read(&parts[order[1]]).unwrap().unwrap();
            assert_eq!(hello.srtp_profiles, [1, 7, 8]);
            assert_eq!(
                reader.take_datagrams().len(),
                2,
                "both go on to the handshake"
            );
        }
    }

    #[test]
    fn cut_and_flipped_hellos_never_panic() {
        let body = body(&[7]);
        let whole = record(&body, 0, body.len());
        for cut in 0..whole.len() {
            let _ = HelloReader::default().read(&whole[..cut]);
        }
        for bit in 0..whole.len() * 8 {
            let mut bad = whole.clone();
            bad[bit / 8] ^= 1 << (bit % 8);
            let _ = HelloReader::default().read(&bad);
        }
    }

    #[test]
    fn memory_is_bounded() {
        let huge = vec![0; MAX_HELLO_BYTES + 1];
        let first = record(&huge, 0, 1000);
        assert_eq!(HelloReader::default().read(&first), Err(NotAHello));

        let body = body(&[7]);
        let part = record(&body, 0, 10);
        let mut reader = HelloReader::default();
        for _ in 0..MAX_HELD {
            assert_eq!(reader.read(&part), Ok(None));
        }
        assert_eq!(reader.read(&part), Err(NotAHello));
    }
}
