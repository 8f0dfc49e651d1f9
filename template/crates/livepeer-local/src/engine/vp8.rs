//! The running numbers in a VP8 payload descriptor (RFC 7741 section 4.2). Each layer of a simulcast has its
//! own, and a decoder that finds them going back takes pictures for old ones and drops them: a viewer that
//! is moved to another layer is sent them continued.

use std::borrow::Cow;

/// The picture id, and the index of the lowest temporal layer (TL0PICIDX), where they are there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Numbers {
    picture: Option<u16>,
    lowest: Option<u8>,
}

/// What is added to a layer's numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Shift {
    picture: u16,
    lowest: u8,
}

/// Where they stand: the picture id has two bytes or one.
struct Places {
    picture: Option<(usize, bool)>,
    lowest: Option<usize>,
}

fn places(payload: &[u8]) -> Option<Places> {
    let mut places = Places {
        picture: None,
        lowest: None,
    };
    if payload.first()? & 0x80 == 0 {
        return Some(places);
    }
    let extensions = *payload.get(1)?;
    let mut at = 2;
    if extensions & 0x80 != 0 {
        let wide = payload.get(at)? & 0x80 != 0;
        places.picture = Some((at, wide));
        at += if wide { 2 } else { 1 };
    }
    if extensions & 0x40 != 0 {
        places.lowest = Some(at);
        at += 1;
    }
    (payload.len() >= at).then_some(places)
}

impl Numbers {
    /// Those of a payload.
    pub(crate) fn of(payload: &[u8]) -> Numbers {
        let Some(places) = places(payload) else {
            return Numbers::default();
        };
        Numbers {
            picture: places.picture.map(|(at, wide)| match wide {
                true => u16::from_be_bytes([payload[at] & 0x7f, payload[at + 1]]),
                false => u16::from(payload[at]),
            }),
            lowest: places.lowest.map(|at| payload[at]),
        }
    }

    /// As they are sent with a shift.
    pub(crate) fn shifted(self, shift: Shift) -> Numbers {
        Numbers {
            picture: self.picture.map(|p| p.wrapping_add(shift.picture)),
            lowest: self.lowest.map(|l| l.wrapping_add(shift.lowest)),
        }
    }
}

impl Shift {
    /// With which `next` follows on what was sent last.
    pub(crate) fn between(last: Numbers, next: Numbers) -> Shift {
        let picture = last.picture.zip(next.picture);
        let lowest = last.lowest.zip(next.lowest);
        Shift {
            picture: picture.map_or(0, |(l, n)| l.wrapping_add(1).wrapping_sub(n)),
            lowest: lowest.map_or(0, |(l, n)| l.wrapping_add(1).wrapping_sub(n)),
        }
    }

    /// A payload with its numbers shifted: itself, for a viewer that has never changed layers.
    pub(crate) fn applied(self, payload: &[u8]) -> Cow<'_, [u8]> {
        let mut payload = Cow::Borrowed(payload);
        if self != Shift::default() {
            self.apply(payload.to_mut());
        }
        payload
    }

    fn apply(self, payload: &mut [u8]) {
        let numbers = Numbers::of(payload).shifted(self);
        let Some(places) = places(payload) else {
            return;
        };
        if let (Some((at, wide)), Some(picture)) = (places.picture, numbers.picture) {
            let [high, low] = picture.to_be_bytes();
            match wide {
                true => (payload[at], payload[at + 1]) = (high | 0x80, low),
                false => payload[at] = low & 0x7f,
            }
        }
        if let (Some(at), Some(lowest)) = (places.lowest, numbers.lowest) {
            payload[at] = lowest;
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;

    #[test]
    fn the_numbers_go_on_and_nothing_else_changes() {
        let last = Numbers::of(&[0x90, 0xe0, 0xff, 0xff, 0xff, 0x20, 1]);
        let next = [0x90, 0xe0, 0x80, 0x10, 7, 0x20, 9, 9];
        let shift = Shift::between(last, Numbers::of(&next));
        let mut sent = next;
        shift.apply(&mut sent);
        assert_eq!(
            sent,
            [0x90, 0xe0, 0x80, 0, 0, 0x20, 9, 9],
            "after the wraps"
        );
        let mut later = [0x90, 0xe0, 0x80, 0x12, 8, 0x20, 9];
        shift.apply(&mut later);
        assert_eq!(later, [0x90, 0xe0, 0x80, 2, 1, 0x20, 9]);
    }

    #[test]
    fn short_numbers_and_none_are_known_too() {
        let last = Numbers::of(&[0x90, 0x80, 0x7f, 1]);
        let mut next = [0x90, 0x80, 0x05, 1];
        let shift = Shift::between(last, Numbers::of(&next));
        shift.apply(&mut next);
        assert_eq!(next, [0x90, 0x80, 0x00, 1]);
        let plain = [0x10, 0x00, 5];
        let mut sent = plain;
        shift.apply(&mut sent);
        assert_eq!(sent, plain);
        let whole = [0x90, 0xe0, 0x80, 0x10, 7];
        for cut in 0..whole.len() {
            shift.apply(&mut whole[..cut].to_vec());
        }
    }
}
