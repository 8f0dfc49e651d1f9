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

/// RFC 7741 section 4.2: the descriptor's X, S and PID, then the frame header's inverse key bit.
fn vp8(payload: &[u8]) -> Option<Marks> {
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
    let key = begins_frame && payload.get(at)? & 0x01 == 0;
    Some(Marks {
        key,
        picture: key,
        ..Marks::default()
    })
}

/// RFC 6184 section 5: single units, STAP-A aggregates, and the first fragment of FU-A.
fn h264(payload: &[u8]) -> Marks {
    const STAP_A: u8 = 24;
    const FU_A: u8 = 28;
    match payload.first().map(|byte| byte & 0x1f) {
        Some(STAP_A) => {
            let mut marks = Marks::default();
            let mut rest = &payload[1..];
            while let [high, low, unit @ ..] = rest {
                let size = usize::from(u16::from_be_bytes([*high, *low]));
                let Some(kind) = unit.first().filter(|_| size > 0) else {
                    break;
                };
                marks = marks.union(unit_marks(kind & 0x1f));
                rest = unit.get(size..).unwrap_or_default();
            }
            marks
        }
        Some(FU_A) => match payload.get(1) {
            Some(header) if header & 0x80 != 0 => unit_marks(header & 0x1f),
            _ => Marks::default(),
        },
        Some(kind) => unit_marks(kind),
        None => Marks::default(),
    }
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
