//! What is wrong with what a publisher sends, though every packet arrives: found without decoding, said in
//! words. Viewers would see a black, jumping or late picture, and nobody would know why.

use std::fmt;

use serde::{Serialize, Serializer};

use super::keyframe::{h264_units, vp8_size};
use super::sdp::{Codec, H264Profile, Payload, parameter};
use super::sps::Sps;

/// Pictures that go back in time before it is taken for more than an accident.
const BACKWARD_PICTURES: u32 = 3;
/// A step back of more than this, in ticks of the clock (5 s), is another clock and not another order.
const MAX_STEP: u32 = 5 * 90_000;

/// Something that a publisher should change, for a person to read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// What it is about.
    pub kind: FindingKind,
    /// What was seen.
    pub seen: String,
    /// What it does to viewers.
    pub effect: &'static str,
    /// What the publisher should change.
    pub mend: &'static str,
}

/// In its words, which say all that it has.
impl Serialize for Finding {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// The kinds of [`Finding`]; there is at most one of each at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum FindingKind {
    /// Pictures come in another order than they are shown in: B-frames.
    Reordered,
    /// Another H.264 profile than was negotiated, that its decoders need not know.
    Profile,
    /// Larger H.264 pictures than the negotiated level allows.
    Level,
    /// H.264 in pieces, though `packetization-mode=0` was negotiated.
    Packetization,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}. {}.", self.seen, self.effect, self.mend)
    }
}

/// Watches one video track of one publisher.
pub(crate) struct Diagnosis {
    /// `None` for codecs that have no profiles.
    negotiated: Option<Negotiated>,
    codec: Codec,
    /// The newest packet's number and timestamp.
    newest: Option<(i64, u32)>,
    backward: u32,
    size: Option<(u32, u32)>,
    findings: Vec<Finding>,
    /// Those of them that have been told.
    told: usize,
}

struct Negotiated {
    profile: H264Profile,
    level_idc: u8,
    packetization_mode: u8,
}

impl Diagnosis {
    pub(crate) fn new(payload: &Payload) -> Self {
        let negotiated = match payload.codec {
            Codec::H264 {
                profile,
                packetization_mode,
            } => Some(Negotiated {
                profile,
                packetization_mode,
                level_idc: parameter(&payload.fmtp, "profile-level-id")
                    .and_then(|id| u8::from_str_radix(id.get(4..6)?, 16).ok())
                    // RFC 6184 section 8.1: without the parameter, level 1 is meant.
                    .unwrap_or(10),
            }),
            _ => None,
        };
        Diagnosis {
            negotiated,
            codec: payload.codec,
            newest: None,
            backward: 0,
            size: None,
            findings: Vec::new(),
            told: 0,
        }
    }

    /// The pictures' size in pixels, once a keyframe has told.
    pub(crate) fn size(&self) -> Option<(u32, u32)> {
        self.size
    }

    /// What was found so far.
    pub(crate) fn findings(&self) -> &[Finding] {
        &self.findings
    }

    /// What was found since the last call.
    pub(crate) fn take_new(&mut self) -> Vec<Finding> {
        let new = self.findings[self.told..].to_vec();
        self.told = self.findings.len();
        new
    }

    /// What comes is numbered and timed anew.
    pub(crate) fn restart(&mut self) {
        self.newest = None;
    }

    /// Looks at an authenticated packet. `number` is its extended sequence number.
    pub(crate) fn watch(&mut self, number: i64, timestamp: u32, payload: &[u8]) {
        self.watch_order(number, timestamp, payload);
        match self.codec {
            Codec::Vp8 => self.size = vp8_size(payload).or(self.size),
            Codec::H264 { .. } => self.watch_h264(payload),
            Codec::Opus => {}
        }
    }

    /// Timestamps say when a picture is shown, numbers in which order it is decoded (RFC 6184 section 5.1). Late
    /// packets say nothing of either.
    fn watch_order(&mut self, number: i64, timestamp: u32, payload: &[u8]) {
        if let Some((newest, before)) = self.newest {
            if number <= newest {
                return;
            }
            let back = before.wrapping_sub(timestamp);
            // A probe without payload may carry any timestamp.
            if (1..MAX_STEP).contains(&back) && !payload.is_empty() {
                self.backward += 1;
                if self.backward == BACKWARD_PICTURES {
                    self.reordered(
                        "The pictures do not come in the order in which they are shown".into(),
                    );
                }
            }
        }
        self.newest = Some((number, timestamp));
    }

    fn watch_h264(&mut self, payload: &[u8]) {
        let Some(negotiated) = &self.negotiated else {
            return;
        };
        let kind = payload.first().map_or(0, |first| first & 0x1f);
        if negotiated.packetization_mode == 0 && kind >= 24 {
            self.find(Finding {
                kind: FindingKind::Packetization,
                seen: "The H.264 comes in pieces or bundles, though packetization-mode=0 was negotiated".into(),
                effect: "Viewers that can take only whole units see nothing",
                mend: "Have the encoder offer packetization-mode=1",
            });
        }
        for unit in h264_units(payload) {
            if unit.first().is_some_and(|first| first & 0x1f == 7)
                && let Some(sps) = Sps::parse(unit)
            {
                self.look_at(sps);
            }
        }
    }

    fn look_at(&mut self, sps: Sps) {
        self.size = Some((sps.width, sps.height));
        let Some(negotiated) = &self.negotiated else {
            return;
        };
        let sent = H264Profile::of(sps.profile_idc, sps.constraints);
        let plays = sent.is_some_and(|sent| negotiated.profile.distance(sent).is_some());
        let (asked, allowed) = (negotiated.profile, negotiated.level_idc);
        if !plays {
            let name = match sent {
                Some(sent) => sent.words().to_owned(),
                None => format!(
                    "a profile that browsers do not have (profile_idc {})",
                    sps.profile_idc
                ),
            };
            self.find(Finding {
                kind: FindingKind::Profile,
                seen: format!(
                    "The encoder sends H.264 {name}, though {} was negotiated",
                    asked.words()
                ),
                effect: "Some viewers see black, most of all on phones and in Safari",
                mend: "Set the encoder to profile baseline (x264: `-profile:v baseline`; OBS: profile `baseline`)",
            });
        }
        // Encoders round up what they say: it counts where the pictures are too large for what was negotiated.
        let blocks = sps
            .width
            .div_ceil(16)
            .saturating_mul(sps.height.div_ceil(16));
        if sps.level_idc > allowed && blocks > largest_picture(allowed) {
            self.find(Finding {
                kind: FindingKind::Level,
                seen: format!(
                    "The encoder sends {}x{} as H.264 level {}, though level {} was negotiated",
                    sps.width,
                    sps.height,
                    Level(sps.level_idc),
                    Level(allowed)
                ),
                effect: "Viewers whose decoder is in hardware may see black or a slow picture",
                mend: "Send a smaller picture, or have the encoder offer the level that it sends",
            });
        }
        if let Some(pictures @ 1..) = sps.reordered {
            self.reordered(format!(
                "The encoder announces that up to {pictures} pictures come before others that are shown earlier"
            ));
        }
    }

    fn reordered(&mut self, seen: String) {
        self.find(Finding {
            kind: FindingKind::Reordered,
            seen,
            effect: "With B-frames, viewers see a picture that jumps back and forth, or is late",
            mend: "Turn B-frames off (x264: `-bf 0` or `-tune zerolatency`; OBS: max B-frames 0, or profile `baseline`)",
        });
    }

    fn find(&mut self, finding: Finding) {
        if self.findings.iter().all(|known| known.kind != finding.kind) {
            self.findings.push(finding);
        }
    }
}

/// `MaxFS` of ITU-T H.264 table A-1: how many blocks of 16 by 16 pixels a picture of this level has at most.
fn largest_picture(level_idc: u8) -> u32 {
    match level_idc {
        0..11 => 99,
        11..21 => 396,
        21 => 792,
        22..31 => 1620,
        31 => 3600,
        32 => 5120,
        33..42 => 8192,
        42..50 => 8704,
        50 => 22_080,
        51..60 => 36_864,
        60.. => 139_264,
    }
}

/// `31` is level 3.1.
struct Level(u8);

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.0 / 10, self.0 % 10)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::engine::sps::tests::Writer;

    fn h264(fmtp: &str) -> Diagnosis {
        watching(Codec::parse("H264", 90_000, 0, fmtp).unwrap(), fmtp)
    }

    fn watching(codec: Codec, fmtp: &str) -> Diagnosis {
        Diagnosis::new(&Payload::for_test(codec, fmtp))
    }

    const USUAL: &str = "packetization-mode=1;profile-level-id=42e01f";

    fn baseline(level: u8) -> Vec<u8> {
        Writer::default()
            .golomb(0)
            .pictures(80, 45, 0)
            .bits(0, 1)
            .unit(66, 0xe0, level)
    }

    fn high(reordered: u32) -> Vec<u8> {
        let high = Writer::default()
            .golomb(0)
            .golomb(1)
            .golomb(0)
            .golomb(0)
            .bits(0, 2);
        high.pictures(120, 68, 8)
            .reorders(reordered)
            .unit(100, 0, 40)
    }

    fn kinds(diagnosis: &Diagnosis) -> Vec<FindingKind> {
        diagnosis
            .findings()
            .iter()
            .map(|finding| finding.kind)
            .collect()
    }

    /// Sends pictures of two packets that are shown in this order.
    fn show(diagnosis: &mut Diagnosis, order: &[u32]) {
        for (number, shown) in (0..).zip(order) {
            for part in 0..2 {
                diagnosis.watch(number * 2 + part, shown.wrapping_mul(3000), &[0x41, 1]);
            }
        }
    }

    #[test]
    fn a_stream_as_it_was_negotiated_is_well() {
        let mut diagnosis = h264(USUAL);
        diagnosis.watch(1, 0, &baseline(31));
        // Wraps in the middle.
        show(
            &mut diagnosis,
            &[1_431_655, 1_431_656, 1_431_657, 1_431_658, 1, 2],
        );
        assert_eq!(diagnosis.findings(), []);
        assert_eq!(diagnosis.size(), Some((1280, 720)));
    }

    #[test]
    fn another_profile_is_found_in_every_packing_and_told_once() {
        let set = high(0);
        let mut bundle = vec![0x78, 0, set.len() as u8];
        bundle.extend(&set);
        let mut fragment = vec![0x7c, 0x87];
        fragment.extend(&set[1..]);
        for packet in [&set, &bundle, &fragment] {
            let mut diagnosis = h264("packetization-mode=1;profile-level-id=42e02a");
            diagnosis.watch(1, 0, packet);
            diagnosis.watch(2, 3000, packet);
            assert_eq!(kinds(&diagnosis), [FindingKind::Profile]);
            assert_eq!(diagnosis.size(), Some((1920, 1080)));
            let told = diagnosis.take_new();
            let words = told[0].to_string();
            assert!(
                words.contains("sends H.264 High, though Constrained Baseline"),
                "{words}"
            );
            assert!(words.contains("baseline (x264"), "{words}");
            assert!(diagnosis.take_new().is_empty());
        }
    }

    #[test]
    fn a_profile_that_no_browser_has_is_named_by_its_number() {
        let mut diagnosis = h264(USUAL);
        let ten_bits = Writer::default()
            .golomb(0)
            .golomb(1)
            .golomb(2)
            .golomb(2)
            .bits(0, 2);
        diagnosis.watch(
            1,
            0,
            &ten_bits.pictures(80, 45, 0).bits(0, 1).unit(110, 0, 31),
        );
        assert!(diagnosis.findings()[0].seen.contains("profile_idc 110"));
    }

    #[test]
    fn pictures_that_are_too_large_for_the_negotiated_level_are_found() {
        let mut diagnosis = h264(USUAL);
        // Chromium's encoder says 3.2 of pictures of 1280x720, which are as large as 3.1 allows.
        for level in [30, 31, 32] {
            diagnosis.watch(1, 0, &baseline(level));
        }
        assert_eq!(kinds(&diagnosis), []);
        let large = Writer::default().golomb(0).pictures(120, 68, 8).bits(0, 1);
        diagnosis.watch(2, 0, &large.unit(66, 0xe0, 40));
        assert_eq!(kinds(&diagnosis), [FindingKind::Level]);
        let words = diagnosis.findings()[0].to_string();
        assert!(
            words.contains("1920x1080 as H.264 level 4.0") && words.contains("level 3.1"),
            "{words}"
        );
    }

    #[test]
    fn b_frames_are_found_by_their_order() {
        let mut diagnosis = watching(Codec::Vp8, "");
        show(&mut diagnosis, &[0, 3, 1, 2, 6, 4]);
        assert_eq!(kinds(&diagnosis), [], "two steps back are not enough");
        let mut diagnosis = h264(USUAL);
        show(&mut diagnosis, &[0, 3, 1, 2, 6, 4, 5, 9, 7, 8]);
        assert_eq!(kinds(&diagnosis), [FindingKind::Reordered]);
        let words = diagnosis.findings()[0].to_string();
        assert!(
            words.contains("B-frames") && words.contains("-bf 0"),
            "{words}"
        );
    }

    #[test]
    fn b_frames_are_found_by_what_the_encoder_announces() {
        let mut diagnosis = h264("packetization-mode=1;profile-level-id=640028");
        diagnosis.watch(1, 0, &high(0));
        assert_eq!(kinds(&diagnosis), []);
        diagnosis.watch(2, 0, &high(2));
        assert_eq!(kinds(&diagnosis), [FindingKind::Reordered]);
    }

    #[test]
    fn neither_lateness_nor_probes_nor_another_clock_are_b_frames() {
        let mut diagnosis = watching(Codec::Vp8, "");
        for number in 0..20 {
            let timestamp = number as u32 * 3000 + 900_000;
            diagnosis.watch(number * 4 + 3, timestamp, &[0x10, 1]);
            diagnosis.watch(number * 4 + 1, timestamp - 3000, &[0x10, 1]);
            diagnosis.watch(number * 4 + 4, timestamp - 3000, &[]);
            diagnosis.watch(number * 4 + 5, timestamp, &[0x10, 1]);
        }
        for start in [u32::MAX / 2, 1_000_000, 0] {
            let at = i64::from(u32::MAX - start);
            diagnosis.watch(at, start, &[0x10, 1]);
        }
        assert_eq!(kinds(&diagnosis), []);
    }

    #[test]
    fn pieces_are_found_where_whole_units_were_negotiated() {
        let mut diagnosis = h264("profile-level-id=42e01f");
        diagnosis.watch(1, 0, &[0x41, 1]);
        assert_eq!(kinds(&diagnosis), []);
        diagnosis.watch(2, 0, &[0x7c, 0x81, 1]);
        assert_eq!(kinds(&diagnosis), [FindingKind::Packetization]);
    }

    #[test]
    fn the_size_of_vp8_is_in_its_keyframes() {
        let mut diagnosis = watching(Codec::Vp8, "");
        let key = [
            0x10, 0x10, 0x02, 0x00, 0x9d, 0x01, 0x2a, 0x80, 0x02, 0xe0, 0x41,
        ];
        for cut in 0..key.len() {
            diagnosis.watch(cut as i64, 0, &key[..cut]);
        }
        assert_eq!(diagnosis.size(), None);
        diagnosis.watch(100, 0, &key);
        assert_eq!(
            diagnosis.size(),
            Some((640, 480)),
            "the scale is not part of it"
        );
    }
}
