//! The last packets of one track, made once and shared by all viewers: live sending, retransmission
//! and the pictures that a joiner is shown all read from here.

use std::sync::Arc;

use super::keyframe::Marks;
use super::sdp::Codec;

/// A track's first packet has this index, which leaves room below for those that it overtook.
pub(crate) const FIRST_INDEX: u64 = 1 << 20;

/// One packet of a track, on the stream's own numbers. Never changed once it is made: what was sent
/// under a sequence number may be sent again only with the same bytes.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Packet {
    /// Counts the packets of a track, over wraps and over publishers.
    pub(crate) index: u64,
    /// On the stream's time line, which a new publisher continues.
    pub(crate) timestamp: u32,
    pub(crate) marker: bool,
    pub(crate) marks: Marks,
    pub(crate) payload: Box<[u8]>,
}

/// A window over the newest packets of a track. Holes are packets that have not come (yet).
#[derive(Debug)]
pub(crate) struct Ring {
    slots: Box<[Option<Arc<Packet>>]>,
    /// One past the newest packet.
    head: u64,
    /// The newest packet that begins a keyframe.
    keyframe: Option<u64>,
}

/// What became of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Inserted {
    /// It is the newest; so many before it are missing now.
    Newest { missing: u64 },
    /// It filled a hole.
    Late,
    /// It was here already, or is too old to keep.
    Useless,
}

impl Ring {
    /// A ring of `capacity` packets, a power of two.
    pub(crate) fn new(capacity: usize) -> Self {
        Ring {
            slots: (0..capacity.next_power_of_two()).map(|_| None).collect(),
            head: FIRST_INDEX,
            keyframe: None,
        }
    }

    /// One past the newest packet.
    pub(crate) fn head(&self) -> u64 {
        self.head
    }

    /// The oldest index that may still be here.
    pub(crate) fn tail(&self) -> u64 {
        self.head.saturating_sub(self.slots.len() as u64)
    }

    pub(crate) fn get(&self, index: u64) -> Option<&Arc<Packet>> {
        self.slots[self.slot(index)]
            .as_ref()
            .filter(|packet| packet.index == index)
    }

    /// The packets from `from` to the newest, without holes.
    pub(crate) fn since(&self, from: u64) -> impl Iterator<Item = &Arc<Packet>> {
        (from.max(self.tail())..self.head).filter_map(|index| self.get(index))
    }

    pub(crate) fn insert(&mut self, packet: impl Into<Arc<Packet>>) -> Inserted {
        let packet = packet.into();
        let index = packet.index;
        if index < self.tail() || self.get(index).is_some() {
            return Inserted::Useless;
        }
        if packet.marks.key && self.keyframe.is_none_or(|newest| index > newest) {
            self.keyframe = Some(index);
        }
        let missing = index.checked_sub(self.head);
        let slot = self.slot(index);
        self.slots[slot] = Some(packet);
        match missing {
            None => Inserted::Late,
            Some(missing) => {
                self.head = index + 1;
                Inserted::Newest { missing }
            }
        }
    }

    /// Where a decoder can begin: the first packet of the newest keyframe, if that picture is whole and
    /// has all that it needs (for H.264 its parameter sets too).
    pub(crate) fn decodable_from(&self, codec: Codec) -> Option<u64> {
        let key = self.keyframe.filter(|key| *key >= self.tail())?;
        let timestamp = self.get(key)?.timestamp;
        let same_picture = |index: u64| self.get(index).filter(|p| p.timestamp == timestamp);
        let mut start = key;
        while start > self.tail() && same_picture(start - 1).is_some() {
            start -= 1;
        }
        let mut marks = Marks::default();
        for index in start..self.head {
            // A hole before the picture's end, or a next picture where it never had an end.
            let packet = same_picture(index)?;
            marks = marks.union(packet.marks);
            if packet.marker {
                return marks.is_decodable(codec).then_some(start);
            }
        }
        None
    }

    fn slot(&self, index: u64) -> usize {
        index as usize & (self.slots.len() - 1)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;

    const KEY: Marks = Marks {
        key: true,
        sps: false,
        pps: false,
        picture: true,
    };

    fn packet(offset: u64, timestamp: u32, marker: bool, marks: Marks) -> Packet {
        Packet {
            index: FIRST_INDEX + offset,
            timestamp,
            marker,
            marks,
            payload: Box::from([offset as u8]),
        }
    }

    fn plain(offset: u64) -> Packet {
        packet(offset, 0, false, Marks::default())
    }

    #[test]
    fn holes_are_counted_filled_once_and_forgotten_with_the_window() {
        let mut ring = Ring::new(16);
        assert_eq!(ring.insert(plain(0)), Inserted::Newest { missing: 0 });
        assert_eq!(ring.insert(plain(3)), Inserted::Newest { missing: 2 });
        assert_eq!(ring.insert(plain(1)), Inserted::Late);
        assert_eq!(ring.insert(plain(1)), Inserted::Useless);
        assert_eq!(ring.since(FIRST_INDEX).count(), 3);
        assert!(ring.get(FIRST_INDEX + 2).is_none());
        assert_eq!(ring.insert(plain(20)), Inserted::Newest { missing: 16 });
        assert_eq!(ring.insert(plain(2)), Inserted::Useless, "too old by now");
        assert!(
            ring.get(FIRST_INDEX + 4).is_none(),
            "an old packet in the same slot is not it"
        );
        assert_eq!(ring.since(0).count(), 1);
    }

    #[test]
    fn a_packet_that_the_first_one_overtook_has_room() {
        let mut ring = Ring::new(16);
        ring.insert(plain(0));
        let mut early = plain(0);
        early.index = FIRST_INDEX - 1;
        assert_eq!(ring.insert(early), Inserted::Late);
    }

    #[test]
    fn a_decoder_begins_at_the_newest_keyframe_once_it_is_whole() {
        let mut ring = Ring::new(64);
        let begin = |ring: &Ring| ring.decodable_from(Codec::Vp8).map(|i| i - FIRST_INDEX);
        ring.insert(packet(0, 10, false, KEY));
        assert_eq!(begin(&ring), None, "its end has not come");
        ring.insert(packet(2, 10, true, Marks::default()));
        assert_eq!(begin(&ring), None, "a hole in it");
        ring.insert(packet(1, 10, false, Marks::default()));
        assert_eq!(begin(&ring), Some(0));
        ring.insert(packet(3, 20, true, Marks::default()));
        assert_eq!(begin(&ring), Some(0), "a later picture needs it");
        ring.insert(packet(4, 30, true, KEY));
        assert_eq!(begin(&ring), Some(4), "the newest");
    }

    #[test]
    fn a_keyframe_whose_marker_was_lost_is_not_trusted() {
        let mut ring = Ring::new(64);
        ring.insert(packet(0, 10, false, KEY));
        ring.insert(packet(1, 10, false, Marks::default()));
        ring.insert(packet(3, 20, true, Marks::default()));
        assert_eq!(ring.decodable_from(Codec::Vp8), None);
    }

    #[test]
    fn h264_begins_with_parameter_sets_or_not_at_all() {
        let codec = Codec::parse("H264", 90_000, 0, "profile-level-id=42e01f").unwrap();
        let sps = Marks {
            key: true,
            sps: true,
            ..Marks::default()
        };
        let pps = Marks {
            key: true,
            pps: true,
            ..Marks::default()
        };
        let mut ring = Ring::new(64);
        // The very first packet of the stream, the SPS, was lost: there is no gap to see.
        ring.insert(packet(1, 10, false, pps));
        ring.insert(packet(2, 10, true, KEY));
        assert_eq!(ring.decodable_from(codec), None);
        ring.insert(packet(0, 10, false, sps));
        assert_eq!(ring.decodable_from(codec), Some(FIRST_INDEX));
    }

    #[test]
    fn a_keyframe_that_left_the_window_is_no_beginning() {
        let mut ring = Ring::new(8);
        ring.insert(packet(0, 10, true, KEY));
        for offset in 1..9 {
            ring.insert(packet(offset, 20, true, Marks::default()));
        }
        assert_eq!(ring.decodable_from(Codec::Vp8), None);
    }
}
