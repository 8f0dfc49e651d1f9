//! A run of one layer's packets as one viewer is sent them: under which number and time. A viewer that is
//! moved to another layer begins a new one, and its decoder sees a single stream.
//!
//! All of it is a pure function of the segment and the packet: a retransmission must be equal to the first
//! sending bit for bit.

use super::ring::Packet;
use super::vp8::Shift;

/// Replayed pictures are this much closer to each other in time: those of ten seconds fit into a third
/// of one, and no two timestamps meet at 60 pictures a second.
const SQUEEZE: u32 = 33;
/// Pictures that are shown a little late after a change of layers are in time again after at least these
/// ticks: a tenth of a second.
const CATCH_UP: u32 = 9_000;

/// One run.
#[derive(Clone, Debug)]
pub(crate) struct Segment {
    /// The index of the track's layer.
    pub(crate) layer: usize,
    /// The index of its first packet in the layer. Numbers are linear in indexes: a hole in the layer is a
    /// hole here, and a NACK needs no table.
    pub(crate) first: u64,
    /// One past its last; open for the run that is being sent.
    pub(crate) end: u64,
    /// The number of the first packet among all that the viewer is sent.
    number: u64,
    /// What is added to the layer's timestamps.
    shift: u32,
    bend: Option<Bend>,
    /// What is added to the numbers in VP8 payloads.
    pub(crate) vp8: Shift,
}

/// What a packet is sent with.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place {
    /// Counts what the viewer is sent; the low 16 bits are the sequence number.
    pub(crate) number: u64,
    pub(crate) timestamp: u32,
    pub(crate) vp8: Shift,
}

/// Where the time line is not straight.
#[derive(Clone, Copy, Debug)]
enum Bend {
    /// Packets before `until` are from the past of a viewer that joined when the newest timestamp was
    /// `joined`.
    Joined { until: u64, joined: u32 },
    /// The first picture, of the time `first`, would have to be shown before one that was sent already: it
    /// is shown `behind` ticks late, and those after it less and less.
    Behind { first: u32, behind: u32 },
}

impl Segment {
    /// The first run of a viewer, from the live edge on.
    pub(crate) fn live(layer: usize, head: u64, number: u64) -> Self {
        Segment {
            layer,
            first: head,
            end: u64::MAX,
            number,
            shift: 0,
            bend: None,
            vp8: Shift::default(),
        }
    }

    /// The first run of a viewer that is shown the past from `first` on. It joined when the layer's head was
    /// `until` and its newest timestamp `joined`.
    pub(crate) fn joined(layer: usize, first: u64, number: u64, until: u64, joined: u32) -> Self {
        Segment {
            bend: Some(Bend::Joined { until, joined }),
            ..Segment::live(layer, first, number)
        }
    }

    /// Closes this run before `end`, and goes on with another layer from the packet `first`, whose timestamp
    /// is `timestamp`. `shift` is what the layer's time line is off this run's layer's, and `newest` the
    /// newest timestamp that was sent: the run's times are all above it.
    pub(crate) fn follow(
        &mut self,
        end: u64,
        layer: usize,
        (first, timestamp): (u64, u32),
        shift: u32,
        newest: u32,
    ) -> Self {
        self.end = end;
        let shift = self.shift.wrapping_add(shift);
        let timestamp = timestamp.wrapping_add(shift);
        let behind = newest.wrapping_add(1).wrapping_sub(timestamp);
        Segment {
            layer,
            first,
            end: u64::MAX,
            number: self.number(end),
            shift,
            bend: (behind as i32).is_positive().then_some(Bend::Behind {
                first: timestamp,
                behind,
            }),
            vp8: Shift::default(),
        }
    }

    /// What a packet of this run is sent with, each time.
    pub(crate) fn place(&self, packet: &Packet) -> Place {
        Place {
            number: self.number(packet.index),
            timestamp: self.timestamp(packet),
            vp8: self.vp8,
        }
    }

    /// The number of a packet of this run.
    pub(crate) fn number(&self, index: u64) -> u64 {
        self.number + index.saturating_sub(self.first)
    }

    /// The index of the packet with this number, if it is of this run.
    pub(crate) fn index(&self, number: u64) -> Option<u64> {
        let index = self.first + number.checked_sub(self.number)?;
        (index < self.end).then_some(index)
    }

    /// Whether the run has this packet of its layer.
    pub(crate) fn has(&self, index: u64) -> bool {
        (self.first..self.end).contains(&index)
    }

    /// A packet's timestamp for this viewer.
    fn timestamp(&self, packet: &Packet) -> u32 {
        let straight = self.straight(packet.timestamp);
        match self.bend {
            Some(Bend::Joined { until, joined }) if packet.index < until => {
                let age = joined.wrapping_sub(packet.timestamp);
                match (age as i32).is_positive() {
                    true => joined.wrapping_sub(age / SQUEEZE),
                    false => straight,
                }
            }
            Some(Bend::Behind { first, behind }) => {
                let age = straight.wrapping_sub(first);
                let until = u64::from(behind) + u64::from(behind.max(CATCH_UP));
                match u64::from(age) < until {
                    // From `behind` at the first picture to nothing at `until`.
                    true => {
                        let late = u64::from(behind) * (until - u64::from(age)) / until;
                        straight.wrapping_add(late as u32)
                    }
                    false => straight,
                }
            }
            _ => straight,
        }
    }

    /// A moment of the layer's time line on the viewer's, for sender reports.
    pub(crate) fn straight(&self, timestamp: u32) -> u32 {
        timestamp.wrapping_add(self.shift)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;
    use crate::engine::keyframe::Marks;

    fn packet(index: u64, timestamp: u32) -> Packet {
        Packet {
            index,
            timestamp,
            marker: true,
            marks: Marks::default(),
            payload: Box::default(),
        }
    }

    #[test]
    fn numbers_go_on_over_runs_and_each_is_found_again() {
        let mut one = Segment::live(0, 1000, 65_530);
        let two = one.follow(1010, 1, (50, 0), 0, 0);
        assert_eq!((one.number(1009), two.number(50)), (65_539, 65_540));
        assert_eq!((one.index(65_539), two.index(65_539)), (Some(1009), None));
        assert_eq!((one.index(65_540), two.index(65_540)), (None, Some(50)));
        assert_eq!(one.index(65_529), None);
        assert!(one.has(1009) && !one.has(1010) && two.has(50) && !two.has(49));
    }

    #[test]
    fn a_run_that_begins_in_time_has_straight_times() {
        let mut one = Segment::live(0, 0, 0);
        let two = one.follow(10, 1, (0, 5_000), 100, 5_000);
        assert_eq!(two.timestamp(&packet(0, 5_000)), 5_100);
        assert_eq!(two.timestamp(&packet(1, 8_000)), 8_100);
    }

    #[test]
    fn a_run_that_begins_late_catches_up_and_never_goes_back() {
        for behind in [0u32, 1, 3_000, 20_000, 90_000] {
            let newest = 10u32; // after a wrap
            let first = newest.wrapping_sub(behind);
            let two = Segment::live(0, 0, 0).follow(10, 1, (0, first), 0, newest);
            let mut before = newest;
            for picture in 0..200u32 {
                let straight = first.wrapping_add(picture * 1_500);
                let at = two.timestamp(&packet(u64::from(picture), straight));
                let step = at.wrapping_sub(before);
                assert!((1..=1_600).contains(&step), "{behind} {picture}: {step}");
                before = at;
            }
            let end = first.wrapping_add(199 * 1_500);
            assert_eq!(before, end, "in time again");
        }
    }
}
