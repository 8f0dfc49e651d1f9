//! What must be seen of a video payload without decoding it: where pictures begin that can be decoded
//! without any other.

use super::sdp::Codec;

/// What one packet holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Marks {
    /// It belongs to the beginning of a keyframe; for H.264 also a lone parameter set.
    pub(crate) key: bool,
    /// H.264: a sequence parameter set.
    pub(crate) sps: bool,
    /// H.264: a picture parameter set.
    pub(crate) pps: bool,
    /// H.264: the beginning of an IDR slice. VP8: the first bytes of a keyframe.
    pub(crate) picture: bool,
}

impl Marks {
    /// Reads the payload's first bytes. Malformed payloads simply have no marks.
    pub(crate) fn of(codec: Codec, payload: &[u8]) -> Marks {
        match codec {
            Codec::H264 { .. } => h264(payload),
            Codec::Vp8 => vp8(payload).unwrap_or_default(),
            Codec::Opus => Marks::default(),
        }
    }

    pub(crate) fn union(self, other: Marks) -> Marks {
        Marks {
            key: self.key || other.key,
            sps: self.sps || other.sps,
            pps: self.pps || other.pps,
            picture: self.picture || other.picture,
        }
    }

    /// Whether the packets of one picture, marks joined, are decodable on their own.
    pub(crate) fn is_decodable(self, codec: Codec) -> bool {
        match codec {
            Codec::H264 { .. } => self.sps && self.pps && self.picture,
            Codec::Vp8 => self.picture,
            Codec::Opus => true,
        }
    }
}

/// The frame header's inverse key bit (RFC 7741 section 4.3).
fn vp8(payload: &[u8]) -> Option<Marks> {
    let key = vp8_frame(payload)?.first()? & 0x01 == 0;
    Some(Marks {
        key,
        picture: key,
        ..Marks::default()
    })
}

/// The size that a keyframe's header tells (RFC 6386 section 9.1), in pixels.
pub(crate) fn vp8_size(payload: &[u8]) -> Option<(u32, u32)> {
    match vp8_frame(payload)? {
        [tag, _, _, 0x9d, 0x01, 0x2a, w0, w1, h0, h1, ..] if tag & 0x01 == 0 => {
            // The upper two bits are the scale.
            let side = |low, high| u32::from(u16::from_le_bytes([low, high]) & 0x3fff);
            Some((side(*w0, *w1), side(*h0, *h1)))
        }
        _ => None,
    }
}

/// What stands behind the descriptor (RFC 7741 section 4.2) of a payload that begins a frame.
fn vp8_frame(payload: &[u8]) -> Option<&[u8]> {
    let first = *payload.first()?;
    let begins_frame = first & 0x10 != 0 && first & 0x07 == 0;
    let mut at = 1;
    if first & 0x80 != 0 {
        let extensions = *payload.get(1)?;
        at = 2;
        if extensions & 0x80 != 0 {
            // The picture id has 7 or 15 bits.
            at += if *payload.get(at)? & 0x80 != 0 { 2 } else { 1 };
        }
        if extensions & 0x40 != 0 {
            at += 1;
        }
        if extensions & 0x30 != 0 {
            at += 1;
        }
    }
    payload.get(at..).filter(|_| begins_frame)
}

fn h264(payload: &[u8]) -> Marks {
    let kinds = h264_units(payload).filter_map(|unit| unit.first());
    kinds.fold(Marks::default(), |marks, kind| {
        marks.union(unit_marks(kind & 0x1f))
    })
}

/// The NAL units of a payload, each from its type on, or as much of it as there is (RFC 6184 section 5):
/// single units, those of a STAP-A aggregate, and the first fragment of FU-A.
pub(crate) fn h264_units(payload: &[u8]) -> impl Iterator<Item = &[u8]> {
    const STAP_A: u8 = 24;
    const FU_A: u8 = 28;
    let (mut rest, bundled) = match payload {
        [first, bundle @ ..] if first & 0x1f == STAP_A => (bundle, true),
        [first, header, ..] if first & 0x1f == FU_A => match header & 0x80 {
            0 => (&[][..], false),
            _ => (&payload[1..], false),
        },
        _ => (payload, false),
    };
    std::iter::from_fn(move || {
        if !bundled {
            return Some(std::mem::take(&mut rest)).filter(|unit| !unit.is_empty());
        }
        let ([high, low], units) = rest.split_first_chunk()?;
        let size = usize::from(u16::from_be_bytes([*high, *low]));
        let (unit, others) = units.split_at(size.min(units.len()));
        rest = others;
        Some(unit).filter(|unit| !unit.is_empty())
    })
}

/// The kinds of RFC 6184's NAL units that matter: IDR slice, SPS, PPS.
fn unit_marks(kind: u8) -> Marks {
    let mut marks = Marks::default();
    match kind {
        5 => marks.picture = true,
        7 => marks.sps = true,
        8 => marks.pps = true,
        _ => return marks,
    }
    marks.key = true;
    marks
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::sdp::Codec;

    fn h264_marks(payload: &[u8]) -> (bool, bool, bool) {
        let marks = h264(payload);
        (marks.sps, marks.pps, marks.picture)
    }

    #[test]
    fn vp8_keyframes_are_seen_behind_every_descriptor() {
        let is_key = |payload: &[u8]| Marks::of(Codec::Vp8, payload).picture;
        assert!(is_key(&[0x10, 0x00]), "the shortest descriptor");
        assert!(!is_key(&[0x10, 0x01]), "an inter frame");
        assert!(!is_key(&[0x00, 0x00]), "the middle of a frame");
        assert!(!is_key(&[0x11, 0x00]), "the beginning of another partition");
        assert!(is_key(&[0x90, 0x80, 0x05, 0x00]), "a short picture id");
        assert!(
            is_key(&[0x90, 0xe0, 0x81, 0x05, 7, 0x20, 0x10]),
            "everything, long id"
        );
        assert!(!is_key(&[0x90, 0xe0, 0x81, 0x05, 7, 0x20, 0x11]));
        for cut in [
            &[][..],
            &[0x90],
            &[0x90, 0x80],
            &[0x90, 0x80, 0x85],
            &[0x10],
        ] {
            assert!(!is_key(cut), "{cut:?}");
        }
    }

    #[test]
    fn h264_parameter_sets_and_slices_are_seen_in_every_packing() {
        assert_eq!(h264_marks(&[0x67, 1, 2]), (true, false, false));
        assert_eq!(h264_marks(&[0x65, 1]), (false, false, true));
        assert_eq!(h264_marks(&[0x41, 1]), (false, false, false));
        let stap = [0x78, 0, 2, 0x67, 1, 0, 1, 0x68, 0, 2, 0x65, 9];
        assert_eq!(h264_marks(&stap), (true, true, true));
        assert_eq!(
            h264_marks(&[0x7c, 0x85, 1]),
            (false, false, true),
            "first fragment"
        );
        assert_eq!(
            h264_marks(&[0x7c, 0x05, 1]),
            (false, false, false),
            "later fragment"
        );
        for cut in 0..stap.len() {
            let _ = h264_marks(&stap[..cut]);
        }
        assert_eq!(
            h264_marks(&[0x78, 0, 0, 0, 0]),
            (false, false, false),
            "empty units"
        );
        assert_eq!(
            h264_marks(&[0x78, 0xff, 0xff, 0x67]),
            (true, false, false),
            "a size beyond the end"
        );
    }
}
