//! What a player has received, in numbers.

use super::codec::{Kind, RtpPacket};

/// What has come so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PlayerStats {
    /// Of the pictures.
    pub video: Counts,
    /// Of the sound.
    pub audio: Counts,
    /// Packets that nobody read in time; they are counted above all the same.
    pub unread: u64,
}

impl PlayerStats {
    /// Of one kind.
    pub fn of(&self, kind: Kind) -> &Counts {
        match kind {
            Kind::Video => &self.video,
            Kind::Audio => &self.audio,
        }
    }
}

/// What has come on one track.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Packets.
    pub packets: u64,
    /// Bytes of payload.
    pub bytes: u64,
    /// Timestamps: pictures, or packets of sound. One that came in pieces and out of order counts twice.
    pub frames: u64,
    /// Pictures among them that need no other one.
    pub keyframes: u64,
    /// The last packet's sequence number and timestamp.
    last: Option<(u16, u32)>,
    /// Sequence numbers left out, less those that came late.
    gaps: i64,
}

impl Counts {
    /// Packets that never came, as far as one can tell by now.
    pub fn lost(&self) -> u64 {
        u64::try_from(self.gaps).unwrap_or(0)
    }

    pub(super) fn add(&mut self, packet: &RtpPacket) {
        self.packets += 1;
        self.bytes += packet.payload.len() as u64;
        self.keyframes += u64::from(packet.codec.begins_keyframe(&packet.payload));
        let Some((sequence, timestamp)) = self.last else {
            self.frames += 1;
            self.last = Some((packet.sequence, packet.timestamp));
            return;
        };
        self.frames += u64::from(packet.timestamp != timestamp);
        // Seen on a circle: less than half ahead is newer, the rest is late.
        let ahead = packet.sequence.wrapping_sub(sequence) as i16;
        if ahead > 0 {
            self.gaps += i64::from(ahead) - 1;
            self.last = Some((packet.sequence, packet.timestamp));
        } else if ahead < 0 {
            self.gaps -= 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use bytes::Bytes;

    use super::*;
    use crate::media::Codec;

    #[test]
    fn losses_are_counted_across_the_wrap_and_mended_by_late_packets() {
        let mut counts = Counts::default();
        for sequence in [65_533, 65_534, 2, 0, 1, 5] {
            counts.add(&RtpPacket {
                codec: Codec::H264,
                sequence,
                timestamp: u32::from(sequence),
                marker: true,
                payload: Bytes::from_static(&[0x65]),
                at: Instant::now(),
            });
        }
        // 65,535, 3 and 4 never came; 0 and 1 came late.
        assert_eq!((counts.lost(), counts.packets, counts.keyframes), (3, 6, 6));
    }
}
