//! The clear part of an RTP packet (RFC 3550 section 5.1): all that is read of most viewers' packets.

/// Bytes of a header without extensions.
pub(super) const HEADER: usize = 12;

/// What is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) marker: bool,
    pub(super) payload_type: u8,
    pub(super) sequence: u16,
    pub(super) timestamp: u32,
    pub(super) ssrc: u32,
    /// The transport-wide number, if the packet has one.
    pub(super) transport_wide: Option<u16>,
    /// Where the payload begins.
    pub(super) payload: usize,
}

impl Header {
    /// `transport_wide`: the id of the extension that was agreed on. `None` if it is no RTP packet.
    pub(super) fn read(packet: &[u8], transport_wide: Option<u8>) -> Option<Header> {
        if packet.len() < HEADER || packet[0] >> 6 != 2 {
            return None;
        }
        let u32_at = |at: usize| {
            u32::from_be_bytes([packet[at], packet[at + 1], packet[at + 2], packet[at + 3]])
        };
        let mut payload = HEADER + 4 * usize::from(packet[0] & 0x0f);
        let mut number = None;
        if packet[0] & 0x10 != 0 {
            let head = packet.get(payload..payload + 4)?;
            let length = 4 * usize::from(u16::from_be_bytes([head[2], head[3]]));
            let body = packet.get(payload + 4..payload + 4 + length)?;
            if head[..2] == [0xbe, 0xde] {
                number = transport_wide.and_then(|id| extension(body, id));
            }
            payload += 4 + length;
        }
        Some(Header {
            marker: packet[1] & 0x80 != 0,
            payload_type: packet[1] & 0x7f,
            sequence: u16::from_be_bytes([packet[2], packet[3]]),
            timestamp: u32_at(4),
            ssrc: u32_at(8),
            transport_wide: number,
            payload,
        })
    }
}

/// Two bytes of a one-byte-header extension (RFC 8285 section 4.2).
fn extension(mut body: &[u8], wanted: u8) -> Option<u16> {
    while let [head, rest @ ..] = body {
        if *head == 0 {
            body = rest;
            continue;
        }
        let length = usize::from(head & 0x0f) + 1;
        let value = rest.get(..length)?;
        if head >> 4 == wanted && length == 2 {
            return Some(u16::from_be_bytes([value[0], value[1]]));
        }
        body = &rest[length..];
    }
    None
}

/// Writes a packet: with the transport-wide extension if there is an id and a number for it.
pub(super) fn write(header: &Header, extension: Option<(u8, u16)>, payload: &[u8]) -> Vec<u8> {
    let mut packet = Vec::with_capacity(HEADER + 8 + payload.len());
    packet.push(0x80 | if extension.is_some() { 0x10 } else { 0 });
    packet.push((u8::from(header.marker) << 7) | header.payload_type);
    packet.extend_from_slice(&header.sequence.to_be_bytes());
    packet.extend_from_slice(&header.timestamp.to_be_bytes());
    packet.extend_from_slice(&header.ssrc.to_be_bytes());
    if let Some((id, number)) = extension {
        packet.extend_from_slice(&[0xbe, 0xde, 0, 1, (id << 4) | 1]);
        packet.extend_from_slice(&number.to_be_bytes());
        packet.push(0);
    }
    packet.extend_from_slice(payload);
    packet
}

/// A 16-bit number that wraps, counted on: the nearest to the newest so far.
pub(super) fn unwrap(newest: Option<i64>, number: u16) -> i64 {
    match newest {
        None => i64::from(number),
        Some(newest) => newest + i64::from(number.wrapping_sub(newest as u16) as i16),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_again() {
        let header = Header {
            marker: true,
            payload_type: 96,
            sequence: 7,
            timestamp: 90_000,
            ssrc: 0xdead_beef,
            transport_wide: Some(515),
            payload: 20,
        };
        let packet = write(&header, Some((3, 515)), b"payload");
        assert_eq!(Header::read(&packet, Some(3)), Some(header));
        assert_eq!(&packet[header.payload..], b"payload");
        let other = Header::read(&packet, Some(4)).map(|header| header.transport_wide);
        assert_eq!(other, Some(None), "the extension has another id");
        assert_eq!(Header::read(&packet[..15], Some(3)), None, "cut");
    }

    #[test]
    fn numbers_count_on_over_wraps() {
        assert_eq!(unwrap(Some(65_535), 0), 65_536);
        assert_eq!(unwrap(Some(65_536), 65_535), 65_535);
    }
}
