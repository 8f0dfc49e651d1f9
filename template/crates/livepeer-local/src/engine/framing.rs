//! Datagrams on a TCP connection: each behind its length, two bytes in network order (RFC 4571 section 2).

/// The longest datagram that is taken from a connection. What browsers send stays below 1500 bytes, on
/// TCP too; the length field would allow 64 KB.
pub(crate) const MAX_FRAME: usize = 4096;

/// The length before each datagram.
const LENGTH: usize = 2;

/// The peer announced a longer datagram than may come. The connection cannot be read any further.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FrameTooLong;

/// Bytes as they come from a connection, cut into datagrams. Holds one frame and what one read brought
/// beyond it.
#[derive(Default)]
pub(crate) struct Deframer {
    buffer: Vec<u8>,
    /// Up to here the buffer has been given out.
    taken: usize,
}

impl Deframer {
    /// Takes what was read.
    pub(crate) fn push(&mut self, bytes: &[u8]) {
        self.buffer.drain(..self.taken);
        self.taken = 0;
        self.buffer.extend_from_slice(bytes);
    }

    /// The next whole datagram, `None` until more has been read. Call it until then: [`push`](Self::push)
    /// moves what is left.
    ///
    /// # Errors
    ///
    /// [`FrameTooLong`] as soon as the length is known, for good.
    pub(crate) fn next(&mut self, longest: usize) -> Result<Option<&[u8]>, FrameTooLong> {
        let rest = &self.buffer[self.taken..];
        let Some((length, rest)) = rest.split_first_chunk::<LENGTH>() else {
            return Ok(None);
        };
        let length = usize::from(u16::from_be_bytes(*length));
        if length > longest {
            return Err(FrameTooLong);
        }
        let datagram = rest.get(..length);
        if datagram.is_some() {
            self.taken += LENGTH + length;
        }
        Ok(datagram)
    }
}

/// Appends a datagram to what is to be written. One that no length field can tell of, which the engine never
/// makes, is left out.
pub(crate) fn append_frame(out: &mut Vec<u8>, datagram: &[u8]) {
    if let Ok(length) = u16::try_from(datagram.len()) {
        out.extend_from_slice(&length.to_be_bytes());
        out.extend_from_slice(datagram);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn stream(sizes: &[usize]) -> (Vec<Vec<u8>>, Vec<u8>) {
        let datagrams = sizes.iter().zip(1u8..).map(|(size, n)| vec![n; *size]);
        let datagrams: Vec<_> = datagrams.collect();
        let mut bytes = Vec::new();
        for datagram in &datagrams {
            append_frame(&mut bytes, datagram);
        }
        (datagrams, bytes)
    }

    #[test]
    fn datagrams_come_out_whole_however_the_stream_is_cut() {
        let (datagrams, bytes) = stream(&[1, 0, 20, 1200, MAX_FRAME, 2]);
        for piece in [1, 2, 3, 7, 1201, bytes.len()] {
            let mut deframer = Deframer::default();
            let mut found = Vec::new();
            for read in bytes.chunks(piece) {
                deframer.push(read);
                while let Some(datagram) = deframer.next(MAX_FRAME).unwrap() {
                    found.push(datagram.to_vec());
                }
            }
            assert!(found == datagrams, "cut into {piece}");
        }
    }

    #[test]
    fn a_length_above_the_limit_is_refused_before_its_bytes_have_come() {
        let mut deframer = Deframer::default();
        deframer.push(&[0x10]);
        assert_eq!(deframer.next(MAX_FRAME), Ok(None));
        deframer.push(&[0x01]);
        assert_eq!(deframer.next(MAX_FRAME), Err(FrameTooLong));
        assert_eq!(deframer.next(MAX_FRAME), Err(FrameTooLong));
    }

    #[test]
    fn no_more_is_held_than_a_frame_and_a_read() {
        let (_, bytes) = stream(&[1000; 200]);
        let mut deframer = Deframer::default();
        for read in bytes.chunks(1500) {
            deframer.push(read);
            while deframer.next(MAX_FRAME).unwrap().is_some() {}
            assert!(deframer.buffer.len() <= LENGTH + MAX_FRAME + 1500);
        }
    }

    #[test]
    fn what_no_length_can_tell_of_is_left_out() {
        let mut out = Vec::new();
        append_frame(&mut out, &[0; 65_536]);
        assert!(out.is_empty());
        append_frame(&mut out, &[0; 65_535]);
        assert_eq!(out.len(), 65_537);
    }
}
