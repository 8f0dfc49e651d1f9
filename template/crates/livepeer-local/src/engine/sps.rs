//! The sequence parameter set of H.264 (ITU-T H.264 section 7.3.2.1.1): what an encoder really sends, whatever
//! its offer says. Total on any bytes: what cannot be read is not there.

/// Sets have twenty to sixty bytes; what is longer is not read to its end.
const MAX_BYTES: usize = 512;

/// What is said of the pictures that follow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Sps {
    pub(crate) profile_idc: u8,
    /// The six constraint flags, from the highest bit on.
    pub(crate) constraints: u8,
    /// Ten times the level.
    pub(crate) level_idc: u8,
    /// In pixels, cropped.
    pub(crate) width: u32,
    pub(crate) height: u32,
    /// How many pictures may come before others that are shown earlier. `None` if it is not said, which most
    /// encoders without B-frames do not.
    pub(crate) reordered: Option<u32>,
}

impl Sps {
    /// Reads a NAL unit of type 7, its header included.
    pub(crate) fn parse(unit: &[u8]) -> Option<Sps> {
        let [_, profile_idc, constraints, level_idc, rest @ ..] = unit else {
            return None;
        };
        let mut bits = Bits::new(&rest[..rest.len().min(MAX_BYTES)]);
        bits.golomb()?; // seq_parameter_set_id
        let chroma = match profile_idc {
            100 | 110 | 122 | 244 | 44 | 83 | 86 | 118 | 128 | 134 | 135 | 138 | 139 => {
                bits.high_profile()?
            }
            _ => Chroma::Yuv420,
        };
        bits.golomb()?; // log2_max_frame_num_minus4
        bits.picture_order()?;
        bits.golomb()?; // max_num_ref_frames
        bits.skip(1)?; // gaps_in_frame_num_value_allowed_flag
        let width = bits.golomb()?.checked_add(1)?.checked_mul(16)?;
        let units = bits.golomb()?.checked_add(1)?;
        let frames_only = bits.flag()?;
        let fields = if frames_only { 1 } else { 2 };
        if !frames_only {
            bits.skip(1)?; // mb_adaptive_frame_field_flag
        }
        let height = units.checked_mul(16 * fields)?;
        bits.skip(1)?; // direct_8x8_inference_flag
        let (across, down) = match chroma {
            Chroma::Yuv420 => (2, 2),
            Chroma::Yuv422 => (2, 1),
            Chroma::Other => (1, 1),
        };
        let (width, height) = match bits.flag()? {
            false => (width, height),
            true => {
                let mut cropped = |unit: u32| {
                    let both = bits.golomb()?.checked_add(bits.golomb()?)?;
                    both.checked_mul(unit)
                };
                let (x, y) = (cropped(across)?, cropped(down * fields)?);
                (width.checked_sub(x)?, height.checked_sub(y)?)
            }
        };
        Some(Sps {
            profile_idc: *profile_idc,
            constraints: *constraints,
            level_idc: *level_idc,
            width,
            height,
            // The rest is not always there, and not always whole.
            reordered: bits.reordered(),
        })
    }
}

/// How much smaller the planes of colour are, in as far as it matters for cropping.
#[derive(Clone, Copy)]
enum Chroma {
    Yuv420,
    Yuv422,
    Other,
}

/// Bits from the highest of each byte on, without the bytes that keep start codes out (section 7.4.1).
struct Bits<'a> {
    bytes: &'a [u8],
    /// How many bits of the first byte have been taken.
    taken: u8,
    zeros: u8,
}

impl<'a> Bits<'a> {
    fn new(bytes: &'a [u8]) -> Self {
        Bits {
            bytes,
            taken: 0,
            zeros: 0,
        }
    }

    fn bit(&mut self) -> Option<u32> {
        let byte = *self.bytes.first()?;
        let bit = byte >> (7 - self.taken) & 1;
        self.taken += 1;
        if self.taken == 8 {
            self.taken = 0;
            self.zeros = if byte == 0 { self.zeros + 1 } else { 0 };
            self.bytes = &self.bytes[1..];
            if self.zeros >= 2 {
                self.zeros = 0;
                self.bytes = self.bytes.strip_prefix(&[3]).unwrap_or(self.bytes);
            }
        }
        Some(u32::from(bit))
    }

    fn flag(&mut self) -> Option<bool> {
        Some(self.bit()? == 1)
    }

    /// At most 32 bits.
    fn number(&mut self, bits: u32) -> Option<u32> {
        (0..bits).try_fold(0, |number, _| Some(number << 1 | self.bit()?))
    }

    fn skip(&mut self, bits: u32) -> Option<()> {
        (0..bits).try_for_each(|_| self.bit().map(drop))
    }

    /// ue(v), section 9.1.
    fn golomb(&mut self) -> Option<u32> {
        let mut zeros = 0;
        while !self.flag()? {
            zeros += 1;
            if zeros > 31 {
                return None;
            }
        }
        Some((1 << zeros) - 1 + self.number(zeros)?)
    }

    /// se(v), section 9.1.1.
    fn signed(&mut self) -> Option<i64> {
        let number = i64::from(self.golomb()?);
        Some(if number % 2 == 1 {
            (number + 1) / 2
        } else {
            -number / 2
        })
    }

    /// What only the profiles from High on have.
    fn high_profile(&mut self) -> Option<Chroma> {
        let format = self.golomb()?;
        if format == 3 {
            self.skip(1)?; // separate_colour_plane_flag
        }
        self.golomb()?; // bit_depth_luma_minus8
        self.golomb()?; // bit_depth_chroma_minus8
        self.skip(1)?; // qpprime_y_zero_transform_bypass_flag
        if self.flag()? {
            for list in 0..if format == 3 { 12 } else { 8 } {
                if self.flag()? {
                    self.scaling_list(if list < 6 { 16 } else { 64 })?;
                }
            }
        }
        Some(match format {
            1 => Chroma::Yuv420,
            2 => Chroma::Yuv422,
            _ => Chroma::Other,
        })
    }

    fn scaling_list(&mut self, size: u32) -> Option<()> {
        let (mut last, mut next) = (8, 8);
        for _ in 0..size {
            if next != 0 {
                next = (last + self.signed()?).rem_euclid(256);
            }
            if next != 0 {
                last = next;
            }
        }
        Some(())
    }

    fn picture_order(&mut self) -> Option<()> {
        match self.golomb()? {
            0 => self.golomb().map(drop), // log2_max_pic_order_cnt_lsb_minus4
            1 => {
                self.skip(1)?; // delta_pic_order_always_zero_flag
                self.golomb()?; // offset_for_non_ref_pic
                self.golomb()?; // offset_for_top_to_bottom_field
                let cycle = self.golomb()?;
                (0..cycle.min(256)).try_for_each(|_| self.golomb().map(drop))
            }
            _ => Some(()),
        }
    }

    /// `max_num_reorder_frames`, near the end of the usability information (section E.1.1).
    fn reordered(&mut self) -> Option<u32> {
        if !self.flag()? {
            return None; // vui_parameters_present_flag
        }
        if self.flag()? && self.number(8)? == 255 {
            self.skip(32)?; // aspect ratio
        }
        if self.flag()? {
            self.skip(1)?; // overscan
        }
        if self.flag()? {
            self.skip(4)?; // video signal
            if self.flag()? {
                self.skip(24)?; // colour description
            }
        }
        if self.flag()? {
            self.golomb()?; // chroma location
            self.golomb()?;
        }
        if self.flag()? {
            self.skip(65)?; // timing
        }
        let mut buffered = false;
        for _ in ["NAL", "VCL"] {
            if self.flag()? {
                buffered = true;
                self.buffering()?;
            }
        }
        if buffered {
            self.skip(1)?; // low_delay_hrd_flag
        }
        self.skip(1)?; // pic_struct_present_flag
        if !self.flag()? {
            return None; // bitstream_restriction_flag
        }
        self.skip(1)?; // motion_vectors_over_pic_boundaries_flag
        for _ in 0..4 {
            self.golomb()?; // sizes of pictures, blocks and vectors
        }
        self.golomb()
    }

    /// Section E.1.2.
    fn buffering(&mut self) -> Option<()> {
        let buffers = self.golomb()?.min(31) + 1;
        self.skip(8)?;
        for _ in 0..buffers {
            self.golomb()?;
            self.golomb()?;
            self.skip(1)?;
        }
        self.skip(20)
    }
}

#[cfg(test)]
pub(crate) mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// Writes sets, bit by bit, as an encoder would.
    #[derive(Default)]
    pub(crate) struct Writer(Vec<bool>);

    impl Writer {
        pub(crate) fn bits(mut self, number: u32, bits: u32) -> Self {
            self.0
                .extend((0..bits).rev().map(|at| number >> at & 1 == 1));
            self
        }

        pub(crate) fn golomb(self, number: u32) -> Self {
            let bits = 32 - (number + 1).leading_zeros();
            self.bits(0, bits - 1).bits(number + 1, bits)
        }

        /// The unit, with what keeps start codes out.
        pub(crate) fn unit(self, profile_idc: u8, constraints: u8, level_idc: u8) -> Vec<u8> {
            let mut unit = vec![0x67, profile_idc, constraints, level_idc];
            let mut zeros = 0;
            for bits in self.bits(1, 1).0.chunks(8) {
                let byte = (0..8).fold(0, |byte, at| {
                    byte << 1 | u8::from(bits.get(at).copied().unwrap_or(false))
                });
                if zeros == 2 && byte <= 3 {
                    unit.push(3);
                    zeros = 0;
                }
                zeros = if byte == 0 { zeros + 1 } else { 0 };
                unit.push(byte);
            }
            unit
        }

        /// From the frame number to the cropping: so many blocks of 16, without the last `below` lines.
        pub(crate) fn pictures(self, across: u32, down: u32, below: u32) -> Self {
            let sized = self
                .golomb(0) // frame number
                .golomb(0) // picture order by its low bits
                .golomb(2)
                .golomb(1) // reference frames
                .bits(0, 1)
                .golomb(across - 1)
                .golomb(down - 1)
                .bits(0b11, 2); // frames only, 8x8 inference
            match below {
                0 => sized.bits(0, 1),
                lines => sized
                    .bits(1, 1)
                    .golomb(0)
                    .golomb(0)
                    .golomb(0)
                    .golomb(lines / 2),
            }
        }

        /// Usability information with nothing in it but how many pictures are out of order.
        pub(crate) fn reorders(self, pictures: u32) -> Self {
            // Present; no aspect, overscan, signal, chroma, timing, buffers, structure; restrictions.
            let said = self.bits(0b100_0000_0011, 11);
            said.golomb(0)
                .golomb(0)
                .golomb(10)
                .golomb(10)
                .golomb(pictures)
                .golomb(4)
        }
    }

    #[test]
    fn what_openh264_sends_is_read() {
        // Chromium's software encoder at 640x480: constrained baseline, level 3.1 as negotiated.
        let unit = [
            0x67, 0x42, 0xc0, 0x1f, 0x8c, 0x8d, 0x40, 0x50, 0x1e, 0x90, 0x0f, 0x08, 0x84, 0x6a,
        ];
        let sps = Sps::parse(&unit).unwrap();
        assert_eq!(
            (sps.profile_idc, sps.constraints, sps.level_idc),
            (66, 0xc0, 31)
        );
        assert_eq!((sps.width, sps.height), (640, 480));
    }

    #[test]
    fn size_and_reordering_are_read_behind_every_kind_of_profile() {
        let baseline = Writer::default().golomb(0).pictures(80, 45, 0).bits(0, 1);
        let sps = Sps::parse(&baseline.unit(66, 0xe0, 31)).unwrap();
        assert_eq!((sps.width, sps.height, sps.reordered), (1280, 720, None));

        // High, 4:2:0, 8 bits, no scaling; 1080 lines are 68 blocks without the last eight lines.
        let high = Writer::default()
            .golomb(0)
            .golomb(1)
            .golomb(0)
            .golomb(0)
            .bits(0, 2)
            .pictures(120, 68, 8)
            .reorders(2);
        let sps = Sps::parse(&high.unit(100, 0, 40)).unwrap();
        assert_eq!(
            (sps.width, sps.height, sps.reordered),
            (1920, 1080, Some(2))
        );

        // The same with scaling lists: one of them ends early, one is whole.
        let scaled = Writer::default()
            .golomb(0)
            .golomb(1)
            .golomb(0)
            .golomb(0)
            .bits(0, 1)
            .bits(1, 1)
            .bits(1, 1)
            .golomb(16) // -8: the list ends
            .bits(1, 1);
        let scaled = (0..16).fold(scaled, |list, _| list.golomb(0)).bits(0, 6);
        let sps = Sps::parse(&scaled.pictures(40, 30, 0).reorders(0).unit(100, 0, 30)).unwrap();
        assert_eq!((sps.width, sps.height, sps.reordered), (640, 480, Some(0)));
    }

    #[test]
    fn any_bytes_are_read_to_some_end() {
        let good = Writer::default()
            .golomb(0)
            .pictures(80, 45, 0)
            .reorders(1)
            .unit(66, 0xe0, 31);
        for cut in 0..good.len() {
            let _ = Sps::parse(&good[..cut]);
        }
        for bit in 0..good.len() * 8 {
            let mut bad = good.clone();
            bad[bit / 8] ^= 1 << (bit % 8);
            let _ = Sps::parse(&bad);
        }
        let mut noise = 1u32;
        for length in 0..2000 {
            let mut unit = vec![0x67, [66, 77, 100, 244][length % 4]];
            unit.extend((0..length).map(|_| {
                noise ^= noise << 13;
                noise ^= noise >> 17;
                noise ^= noise << 5;
                // Runs of zeros and ones are what long numbers are made of.
                [0, 0xff, noise as u8, 3][(noise >> 8) as usize % 4]
            }));
            let _ = Sps::parse(&unit);
        }
        assert_eq!(Sps::parse(&[0x67; 3]), None);
        assert_eq!(Sps::parse(&[0; 600]), None);
    }
}
