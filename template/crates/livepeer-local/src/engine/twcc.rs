//! Transport-wide congestion control feedback: when each packet of a transport arrived
//! (draft-holmer-rmcat-transport-wide-cc-extensions-01). Viewers tell us, and publishers are told.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::rtp::Unwrapper;

/// The header extension that carries a packet's number in its transport.
pub(crate) const EXTENSION: &str =
    "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01";

/// RTPFB and the format of this feedback (section 3.1).
const PACKET_TYPE: u8 = 205;
const FORMAT: u8 = 15;
/// The unit of arrival times, in microseconds.
const TICK: i64 = 250;
/// The unit of the reference time, in ticks.
const REFERENCE: i64 = 256;
/// Arrivals that are kept until the publisher is told.
const MAX_PENDING: usize = 512;
/// A number this far from the newest is a sender that began anew.
const MAX_JUMP: i64 = 4096;

/// One feedback message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Feedback {
    /// The first number that it speaks of.
    pub(crate) base: u16,
    /// How many it speaks of; those that [`received`](Self::received) does not have had not come.
    pub(crate) count: u16,
    /// Numbers in order, and the microsecond on the receiver's clock at which each came. No more than
    /// the message has bytes, whatever `count` says.
    pub(crate) received: Vec<(u16, i64)>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Symbol {
    Missing,
    Small,
    Large,
}

impl Symbol {
    fn read(bits: u16) -> Option<Symbol> {
        match bits & 3 {
            0 => Some(Symbol::Missing),
            1 => Some(Symbol::Small),
            2 => Some(Symbol::Large),
            _ => None,
        }
    }

    fn of(delta: Option<i64>) -> Symbol {
        match delta {
            None => Symbol::Missing,
            Some(0..=255) => Symbol::Small,
            Some(_) => Symbol::Large,
        }
    }
}

impl Feedback {
    /// Reads one RTCP packet of a compound. `None` if it is another kind, or its lengths do not fit.
    pub(crate) fn parse(packet: &[u8]) -> Option<Feedback> {
        if packet.len() < 20 || packet[0] & 0x1f != FORMAT || packet[1] != PACKET_TYPE {
            return None;
        }
        let word = |at: usize| u16::from_be_bytes([packet[at], packet[at + 1]]);
        let (base, count) = (word(12), word(14));
        // 24 bits, signed.
        let reference = i32::from_be_bytes([packet[16], packet[17], packet[18], 0]) >> 8;
        let mut arrival = i64::from(reference) * REFERENCE;
        let mut rest = &packet[20..];
        let mut chunks = Vec::new();
        let mut spoken = 0u32;
        while spoken < u32::from(count) {
            let (chunk, tail) = rest.split_at_checked(2)?;
            rest = tail;
            let chunk = u16::from_be_bytes([chunk[0], chunk[1]]);
            spoken += Self::chunk_length(chunk);
            chunks.push(chunk);
        }
        let mut received = Vec::new();
        let mut offset = 0u32;
        for chunk in chunks {
            let length = Self::chunk_length(chunk).min(u32::from(count) - offset);
            if chunk & 0xe000 == 0 {
                // A run of missing packets, of whatever length, costs nothing.
                offset += length;
                continue;
            }
            for position in 0..length {
                let delta = match Self::symbol(chunk, position)? {
                    Symbol::Missing => None,
                    Symbol::Small => {
                        let (delta, tail) = rest.split_first()?;
                        rest = tail;
                        Some(i64::from(*delta))
                    }
                    Symbol::Large => {
                        let (delta, tail) = rest.split_at_checked(2)?;
                        rest = tail;
                        Some(i64::from(i16::from_be_bytes([delta[0], delta[1]])))
                    }
                };
                if let Some(delta) = delta {
                    arrival += delta;
                    let number = base.wrapping_add((offset + position) as u16);
                    received.push((number, arrival * TICK));
                }
            }
            offset += length;
        }
        Some(Feedback {
            base,
            count,
            received,
        })
    }

    fn chunk_length(chunk: u16) -> u32 {
        match chunk >> 14 {
            0 | 1 => u32::from(chunk & 0x1fff),
            2 => 14,
            _ => 7,
        }
    }

    fn symbol(chunk: u16, position: u32) -> Option<Symbol> {
        match chunk >> 14 {
            0 | 1 => Symbol::read(chunk >> 13),
            2 => Symbol::read((chunk >> (13 - position)) & 1),
            _ => Symbol::read(chunk >> (12 - 2 * position)),
        }
    }

    /// Writes the message, as number `message` of its sender's.
    pub(crate) fn write(&self, our_ssrc: u32, media_ssrc: u32, message: u8) -> Vec<u8> {
        let first = self.received.first().map_or(0, |(_, at)| at / TICK);
        let reference = first.div_euclid(REFERENCE);
        let mut clock = reference * REFERENCE;
        let mut deltas = Vec::with_capacity(usize::from(self.count));
        let mut received = self.received.iter().peekable();
        for offset in 0..self.count {
            let number = self.base.wrapping_add(offset);
            let arrival = received.next_if(|(n, _)| *n == number);
            deltas.push(arrival.map(|(_, at)| {
                let delta = (at / TICK - clock).clamp(i64::from(i16::MIN), i64::from(i16::MAX));
                clock += delta;
                delta
            }));
        }
        let mut packet = vec![0x80 | FORMAT, PACKET_TYPE, 0, 0];
        packet.extend_from_slice(&our_ssrc.to_be_bytes());
        packet.extend_from_slice(&media_ssrc.to_be_bytes());
        packet.extend_from_slice(&self.base.to_be_bytes());
        packet.extend_from_slice(&self.count.to_be_bytes());
        packet.extend_from_slice(&(reference as u32).to_be_bytes()[1..]);
        packet.push(message);
        let mut rest = deltas.as_slice();
        while let Some(first) = rest.first() {
            let symbol = Symbol::of(*first);
            let run = rest.iter().take(0x1fff);
            let run = run.take_while(|delta| Symbol::of(**delta) == symbol);
            let run = run.count();
            let (chunk, length) = match run > 7 {
                true => (((symbol as u16) << 13) | run as u16, run),
                false => {
                    let vector = rest.iter().take(7).enumerate();
                    let chunk = vector.fold(0xc000, |chunk, (position, delta)| {
                        chunk | ((Symbol::of(*delta) as u16) << (12 - 2 * position))
                    });
                    (chunk, rest.len().min(7))
                }
            };
            packet.extend_from_slice(&chunk.to_be_bytes());
            rest = &rest[length..];
        }
        for delta in deltas.into_iter().flatten() {
            match u8::try_from(delta) {
                Ok(delta) => packet.push(delta),
                Err(_) => packet.extend_from_slice(&(delta as i16).to_be_bytes()),
            }
        }
        packet.resize(packet.len().next_multiple_of(4), 0);
        let words = (packet.len() / 4 - 1) as u16;
        packet[2..4].copy_from_slice(&words.to_be_bytes());
        packet
    }
}

/// What has arrived of a publisher's packets since it was told last.
#[derive(Default)]
pub(crate) struct Arrivals {
    epoch: Option<Instant>,
    numbers: Unwrapper,
    /// The first number of the next message.
    next: Option<i64>,
    /// Microseconds since the first packet.
    pending: BTreeMap<i64, i64>,
    told: Option<Instant>,
    messages: u8,
}

impl Arrivals {
    /// Notes an authenticated packet.
    pub(crate) fn note(&mut self, now: Instant, number: u16) {
        let epoch = *self.epoch.get_or_insert(now);
        let mut extended = self.numbers.unwrap(number);
        let newest = self.numbers.newest().unwrap_or(extended);
        if (extended - newest).abs() > MAX_JUMP {
            self.numbers = Unwrapper::default();
            self.pending.clear();
            self.next = None;
            extended = self.numbers.unwrap(number);
        }
        self.numbers.note(extended);
        let micros = now.saturating_duration_since(epoch).as_micros() as i64;
        if self.pending.len() < MAX_PENDING {
            self.pending.entry(extended).or_insert(micros);
        }
    }

    /// The next message, if there is something to tell and the last is `interval` old.
    pub(crate) fn due(
        &mut self,
        now: Instant,
        interval: Duration,
        our_ssrc: u32,
        media_ssrc: u32,
    ) -> Option<Vec<u8>> {
        let recent = self
            .told
            .is_some_and(|told| now.saturating_duration_since(told) < interval);
        let (first, _) = self.pending.first_key_value()?;
        let (last, _) = self.pending.last_key_value()?;
        if recent {
            return None;
        }
        // One that came late is told too, although its message then goes back.
        let base = self.next.map_or(*first, |next| next.min(*first));
        let count = (last - base + 1).min(MAX_JUMP * 2);
        let feedback = Feedback {
            base: base as u16,
            count: count as u16,
            received: self
                .pending
                .iter()
                .take_while(|(number, _)| **number < base + count)
                .map(|(number, at)| (*number as u16, *at))
                .collect(),
        };
        self.next = Some(base + count);
        self.pending.clear();
        self.told = Some(now);
        let message = feedback.write(our_ssrc, media_ssrc, self.messages);
        self.messages = self.messages.wrapping_add(1);
        Some(message)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;

    #[test]
    fn a_message_of_the_draft_is_read() {
        // Run of two small, then a vector of 1-bit symbols (received, missing, received), then a
        // vector of 2-bit ones with a large negative delta.
        let mut packet = vec![0x8f, 205, 0, 0, 0, 0, 0, 1, 0, 0, 0, 2];
        packet.extend_from_slice(&[0xff, 0xff, 0, 18, 0, 0, 2, 9]); // from 65535, 18 packets, 128 ms
        packet.extend_from_slice(&[0x20, 0x02, 0b1010_1000, 0, 0b1101_1000, 0]);
        packet.extend_from_slice(&[4, 8, 0, 12, 1, 0xff, 0xfc]); // ticks
        packet.extend_from_slice(&[0; 3]);
        let words = (packet.len() / 4 - 1) as u8;
        packet[3] = words;
        let feedback = Feedback::parse(&packet).unwrap();
        assert_eq!((feedback.base, feedback.count), (65_535, 18));
        let at = |ticks: i64| 128_000 + 250 * ticks;
        assert_eq!(
            feedback.received,
            [
                (65_535, at(4)),
                (0, at(12)),
                (1, at(12)),
                (3, at(24)),
                (15, at(25)),
                (16, at(21))
            ]
        );
    }

    #[test]
    fn what_is_written_is_read_again() {
        for (base, gaps) in [(0u16, 1), (65_530, 3), (7, 40)] {
            let mut arrival = 77_000_000;
            let mut received = Vec::new();
            for offset in (0..200u16).filter(|offset| offset % gaps == 0 || *offset < 20) {
                arrival += i64::from(offset % 5) * 30_000 - i64::from(offset % 3) * 250;
                received.push((base.wrapping_add(offset), arrival / 250 * 250));
            }
            let last = received.last().unwrap().0;
            let feedback = Feedback {
                base,
                count: last.wrapping_sub(base) + 1,
                received,
            };
            let written = feedback.write(1, 2, 3);
            assert_eq!(written.len() % 4, 0);
            assert_eq!(Feedback::parse(&written), Some(feedback));
        }
    }

    #[test]
    fn cut_and_flipped_messages_never_panic_and_never_cost_more_than_they_have_bytes() {
        let feedback = Feedback {
            base: 9,
            count: 30,
            received: (9..30).map(|n| (n, i64::from(n) * 1000)).collect(),
        };
        let good = feedback.write(1, 2, 3);
        for cut in 0..good.len() {
            Feedback::parse(&good[..cut]);
        }
        for bit in 0..good.len() * 8 {
            let mut bad = good.clone();
            bad[bit / 8] ^= 1 << (bit % 8);
            if let Some(read) = Feedback::parse(&bad) {
                assert!(read.received.len() <= bad.len());
            }
        }
        // Eight runs that claim 65 528 arrivals without a single delta.
        let mut liar = vec![0x8f, 205, 0, 8, 0, 0, 0, 1, 0, 0, 0, 2];
        liar.extend_from_slice(&[0, 0, 0xff, 0xf8, 0, 0, 2, 9]);
        liar.extend([0x3f, 0xff].repeat(8));
        assert_eq!(Feedback::parse(&liar), None);
        // A run of no packets at all, over and over, ends with the bytes.
        let mut idle = liar[..20].to_vec();
        idle.extend([0x20, 0].repeat(50));
        assert_eq!(Feedback::parse(&idle), None);
    }

    #[test]
    fn a_publisher_is_told_of_each_packet_once_and_of_late_ones_too() {
        let start = Instant::now();
        let interval = Duration::from_millis(50);
        let at = |millis| start + Duration::from_millis(millis);
        let mut arrivals = Arrivals::default();
        assert_eq!(arrivals.due(start, interval, 1, 2), None);
        for (millis, number) in [(0, 65_534), (10, 65_535), (20, 1)] {
            arrivals.note(at(millis), number);
        }
        let told = arrivals.due(at(20), interval, 1, 2).unwrap();
        let told = Feedback::parse(&told).unwrap();
        assert_eq!((told.base, told.count), (65_534, 4));
        let numbers: Vec<u16> = told.received.iter().map(|(number, _)| *number).collect();
        assert_eq!(numbers, [65_534, 65_535, 1]);

        arrivals.note(at(30), 0);
        arrivals.note(at(31), 2);
        assert_eq!(arrivals.due(at(40), interval, 1, 2), None, "too soon");
        let told = arrivals.due(at(70), interval, 1, 2).unwrap();
        let told = Feedback::parse(&told).unwrap();
        assert_eq!((told.base, told.count), (0, 3));
        assert_eq!(told.received[0].0, 0);
        assert_eq!(arrivals.due(at(200), interval, 1, 2), None, "nothing new");
    }
}
