//! The fixed part of RTP (RFC 3550 section 5.1), by hand: the engine needs six of its fields.

use std::ops::Range;

/// Bytes of a header without contributing sources and extensions: all that the engine sends.
pub(crate) const HEADER_BYTES: usize = 12;

/// What is read of a packet's header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) marker: bool,
    pub(crate) payload_type: u8,
    pub(crate) sequence: u16,
    pub(crate) timestamp: u32,
    pub(crate) ssrc: u32,
    /// Where the payload is, without extensions and padding; may be empty.
    pub(crate) payload: Range<usize>,
}

impl Header {
    /// Reads a decrypted packet. `None` if any length in it points outside.
    pub(crate) fn parse(packet: &[u8]) -> Option<Header> {
        let (marker, payload_type, ssrc) = clear_fields(packet)?;
        let sequence = u16::from_be_bytes([packet[2], packet[3]]);
        let timestamp = u32::from_be_bytes([packet[4], packet[5], packet[6], packet[7]]);
        let mut start = HEADER_BYTES + 4 * usize::from(packet[0] & 0x0f);
        if packet[0] & 0x10 != 0 {
            let extension = packet.get(start..start + 4)?;
            let words = u16::from_be_bytes([extension[2], extension[3]]);
            start += 4 + 4 * usize::from(words);
        }
        let mut end = packet.len();
        if packet[0] & 0x20 != 0 {
            let padding = usize::from(*packet.last()?);
            if padding == 0 {
                return None;
            }
            end = end.checked_sub(padding)?;
        }
        (start <= end).then_some(Header {
            marker,
            payload_type,
            sequence,
            timestamp,
            ssrc,
            payload: start..end,
        })
    }
}

/// What the extension with this number holds in a decrypted packet (RFC 8285).
pub(crate) fn extension(packet: &[u8], number: u8) -> Option<&[u8]> {
    if packet.first()? & 0x10 == 0 {
        return None;
    }
    let start = HEADER_BYTES + 4 * usize::from(packet[0] & 0x0f);
    let [profile_high, profile_low, high, low] = *packet.get(start..start + 4)? else {
        return None;
    };
    let words = usize::from(u16::from_be_bytes([high, low]));
    let mut rest = packet.get(start + 4..start + 4 + 4 * words)?;
    let two_bytes = match u16::from_be_bytes([profile_high, profile_low]) {
        0xbede => false,
        0x1000..=0x100f => true,
        _ => return None,
    };
    loop {
        let (first, tail) = rest.split_first()?;
        let (found, length, tail) = match (*first, two_bytes) {
            // Padding.
            (0, _) => {
                rest = tail;
                continue;
            }
            (found, true) => {
                let (length, tail) = tail.split_first()?;
                (found, usize::from(*length), tail)
            }
            // Reserved: reading ends there.
            (0xf0..=0xff, false) => return None,
            (first, false) => (first >> 4, usize::from(first & 0x0f) + 1, tail),
        };
        let (value, tail) = tail.split_at_checked(length)?;
        if found == number {
            return Some(value);
        }
        rest = tail;
    }
}

/// Marker, payload type and SSRC: readable before decryption, and all that is needed to decide
/// whether a packet is expected at all.
pub(crate) fn clear_fields(packet: &[u8]) -> Option<(bool, u8, u32)> {
    if packet.len() < HEADER_BYTES || packet[0] >> 6 != 2 {
        return None;
    }
    let ssrc = u32::from_be_bytes([packet[8], packet[9], packet[10], packet[11]]);
    Some((packet[1] & 0x80 != 0, packet[1] & 0x7f, ssrc))
}

/// A header as the engine sends it.
pub(crate) fn header(
    marker: bool,
    payload_type: u8,
    sequence: u16,
    timestamp: u32,
    ssrc: u32,
) -> [u8; HEADER_BYTES] {
    let mut bytes = [0; HEADER_BYTES];
    bytes[0] = 0x80;
    bytes[1] = (u8::from(marker) << 7) | payload_type;
    bytes[2..4].copy_from_slice(&sequence.to_be_bytes());
    bytes[4..8].copy_from_slice(&timestamp.to_be_bytes());
    bytes[8..12].copy_from_slice(&ssrc.to_be_bytes());
    bytes
}

/// Bytes of a header with one extension in one word (RFC 8285 section 4.2).
pub(crate) const NUMBERED_HEADER_BYTES: usize = HEADER_BYTES + 8;

/// The header with a packet's transport-wide number, as the extension with this id (1 to 14).
pub(crate) fn numbered(
    header: &[u8; HEADER_BYTES],
    id: u8,
    number: u16,
) -> [u8; NUMBERED_HEADER_BYTES] {
    let mut bytes = [0; NUMBERED_HEADER_BYTES];
    bytes[..HEADER_BYTES].copy_from_slice(header);
    bytes[0] |= 0x10;
    bytes[HEADER_BYTES..HEADER_BYTES + 4].copy_from_slice(&[0xbe, 0xde, 0, 1]);
    // The length field is one less than the two bytes; the last is padding.
    bytes[HEADER_BYTES + 4] = (id << 4) | 1;
    bytes[HEADER_BYTES + 5..HEADER_BYTES + 7].copy_from_slice(&number.to_be_bytes());
    bytes
}

/// What the extension with this id holds in a decrypted packet: two bytes of it.
pub(crate) fn number(packet: &[u8], id: u8) -> Option<u16> {
    match *extension(packet, id)? {
        [high, low, ..] => Some(u16::from_be_bytes([high, low])),
        _ => None,
    }
}

/// Extends 16-bit sequence numbers over their wraps, taking each as the nearest to the newest.
#[derive(Clone, Debug, Default)]
pub(crate) struct Unwrapper {
    newest: Option<i64>,
}

impl Unwrapper {
    /// The sequence number as it counts on over wraps; below zero only for packets before the first.
    pub(crate) fn unwrap(&self, sequence: u16) -> i64 {
        match self.newest {
            None => i64::from(sequence),
            Some(newest) => newest + i64::from(sequence.wrapping_sub(newest as u16) as i16),
        }
    }

    /// Notes an authenticated packet's number.
    pub(crate) fn note(&mut self, extended: i64) {
        self.newest = Some(self.newest.map_or(extended, |newest| newest.max(extended)));
    }

    /// The highest number noted.
    pub(crate) fn newest(&self) -> Option<i64> {
        self.newest
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;

    #[test]
    fn extensions_sources_and_padding_are_not_payload() {
        let mut packet = header(true, 96, 7, 90_000, 0xdead_beef).to_vec();
        packet[0] |= 0x30 | 2;
        packet.extend_from_slice(&[0; 8]); // two contributing sources
        packet.extend_from_slice(&[0xbe, 0xde, 0, 1, 1, 2, 3, 4]); // one word of extensions
        packet.extend_from_slice(b"payload");
        packet.extend_from_slice(&[0, 0, 3]); // three bytes of padding
        let header = Header::parse(&packet).unwrap();
        assert_eq!(&packet[header.payload.clone()], b"payload");
        assert!(header.marker);
        assert_eq!((header.payload_type, header.sequence), (96, 7));
        assert_eq!((header.timestamp, header.ssrc), (90_000, 0xdead_beef));
    }

    #[test]
    fn lengths_that_point_outside_are_refused() {
        let plain = header(false, 96, 7, 0, 1).to_vec();
        assert!(Header::parse(&plain).is_some(), "an empty payload is legal");
        let with = |first: u8, tail: &[u8]| {
            let mut packet = plain.clone();
            packet[0] = first;
            packet.extend_from_slice(tail);
            Header::parse(&packet)
        };
        assert_eq!(with(0xa0, &[0]), None, "padding of zero bytes");
        assert_eq!(with(0xa0, &[200]), None, "padding longer than the packet");
        assert_eq!(with(0x8f, &[0; 8]), None, "sources beyond the end");
        assert_eq!(
            with(0x90, &[0xbe, 0xde, 0xff, 0xff]),
            None,
            "extensions beyond the end"
        );
        assert_eq!(with(0x90, &[0xbe]), None, "half an extension header");
        assert_eq!(with(0x40, &[]), None, "version 1");
        assert_eq!(Header::parse(&plain[..11]), None);
    }

    #[test]
    fn a_transport_wide_number_is_written_and_read_among_others() {
        let plain = header(true, 96, 7, 90_000, 1);
        let mut packet = numbered(&plain, 5, 0xabcd).to_vec();
        packet.extend_from_slice(b"payload");
        assert_eq!(number(&packet, 5), Some(0xabcd));
        assert_eq!(number(&packet, 4), None);
        let read = Header::parse(&packet).unwrap();
        assert_eq!(&packet[read.payload], b"payload");
        assert_eq!(number(&plain, 5), None);

        let with = |profile: [u8; 2], extension: &[u8]| {
            let mut packet = plain.to_vec();
            packet[0] |= 0x10;
            packet.extend_from_slice(&profile);
            packet.extend_from_slice(&[0, (extension.len() / 4) as u8]);
            packet.extend_from_slice(extension);
            number(&packet, 5)
        };
        let one = [0xbe, 0xde];
        assert_eq!(with(one, &[0x12, 1, 2, 3, 0, 0x51, 7, 8]), Some(0x0708));
        assert_eq!(with([0x10, 0], &[1, 0, 5, 2, 7, 8, 0, 0]), Some(0x0708));
        assert_eq!(with(one, &[0xf1, 1, 2, 0x51]), None, "reserved");
        assert_eq!(with(one, &[0, 0, 0, 0x51]), None, "beyond the end");
        assert_eq!(with(one, &[0x50, 7, 0, 0]), None, "one byte only");
        assert_eq!(with([9, 9], &[0x51, 7, 8, 0]), None, "another profile");
    }

    #[test]
    fn an_extension_is_found_among_others_in_both_forms() {
        let with = |profile: [u8; 2], extensions: &[u8], number: u8| {
            let mut packet = header(false, 96, 7, 0, 1).to_vec();
            packet[0] |= 0x10 | 1;
            packet.extend_from_slice(&[0; 4]); // a contributing source
            packet.extend_from_slice(&profile);
            packet.extend_from_slice(&[0, (extensions.len() / 4) as u8]);
            packet.extend_from_slice(extensions);
            packet.extend_from_slice(&[0x51, 7, 7]); // payload, not an extension
            extension(&packet, number).map(<[u8]>::to_vec)
        };
        let one = [0xbe, 0xde];
        assert_eq!(
            with(one, &[0x12, 1, 2, 3, 0, 0x51, 7, 8], 5),
            Some(vec![7, 8])
        );
        assert_eq!(with(one, &[0x12, 1, 2, 3, 0, 0x51, 7, 8], 4), None);
        assert_eq!(
            with([0x10, 0], &[1, 0, 20, 2, 7, 8, 0, 0], 20),
            Some(vec![7, 8])
        );
        assert_eq!(with(one, &[0xf1, 1, 2, 0x51], 5), None, "reserved");
        assert_eq!(with(one, &[0, 0, 0, 0x51], 5), None, "beyond the end");
        assert_eq!(with([0x10, 0], &[0, 0, 5, 9], 5), None, "beyond the end");
        assert_eq!(with([9, 9], &[0x51, 7, 8, 0], 5), None, "another profile");
        assert_eq!(extension(&header(false, 96, 7, 0, 1), 5), None);
    }

    #[test]
    fn sequence_numbers_count_on_over_wraps_both_ways() {
        let mut unwrapper = Unwrapper::default();
        for (sequence, extended) in [(65_534, 65_534), (65_535, 65_535), (1, 65_537), (0, 65_536)] {
            assert_eq!(unwrapper.unwrap(sequence), extended);
            unwrapper.note(extended);
        }
        assert_eq!(
            unwrapper.unwrap(65_535),
            65_535,
            "a late one from before the wrap"
        );
        assert_eq!(unwrapper.newest(), Some(65_537));
    }
}
