//! What a browser that watches tells the server: receiver reports, NACKs, and the arrival of every packet.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use bytes::Bytes;
use rtc_rtcp::packet::{self, Packet};
use rtc_rtcp::receiver_report::ReceiverReport;
use rtc_rtcp::reception_report::ReceptionReport;
use rtc_rtcp::transport_feedbacks::transport_layer_nack::{
    TransportLayerNack, nack_pairs_from_sequence_numbers,
};

use super::rtp::unwrap;

/// A missing packet is asked for at once, and again after each of these.
const AGAIN: Duration = Duration::from_millis(40);
/// After so long it is lost for good.
const LOST: Duration = Duration::from_secs(1);
/// A jump beyond this is a sender that began anew.
const JUMP: i64 = 3000;

/// What became of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Received {
    Newest,
    /// It filled a hole.
    Late,
    /// It was here already.
    Again,
}

/// The packets of one source, as RFC 3550 counts them.
#[derive(Default)]
pub(super) struct Reception {
    first: Option<i64>,
    newest: Option<i64>,
    received: u64,
    holes: BTreeMap<i64, Hole>,
    reported: (i64, u64),
    /// In ticks, scaled by 16.
    jitter: u32,
    transit: Option<u32>,
    /// The middle of the last sender report's time, and when it came.
    report: Option<(u32, Instant)>,
}

struct Hole {
    since: Instant,
    asked: Option<Instant>,
}

impl Reception {
    /// Notes a packet of the source.
    pub(super) fn note(&mut self, now: Instant, sequence: u16) -> Received {
        let extended = unwrap(self.newest, sequence);
        if self
            .newest
            .is_some_and(|newest| (extended - newest).abs() > JUMP)
        {
            *self = Reception::default();
        }
        let Some(newest) = self.newest else {
            (self.first, self.newest) = (Some(extended), Some(extended));
            self.received = 1;
            return Received::Newest;
        };
        if extended <= newest {
            if self.holes.remove(&extended).is_none() {
                return Received::Again;
            }
            self.received += 1;
            return Received::Late;
        }
        for missing in newest + 1..extended {
            self.holes.insert(
                missing,
                Hole {
                    since: now,
                    asked: None,
                },
            );
        }
        self.newest = Some(extended);
        self.received += 1;
        Received::Newest
    }

    /// Notes when a packet of this timestamp came, for the jitter (RFC 3550 section 6.4.1).
    pub(super) fn note_transit(&mut self, at: Duration, timestamp: u32) {
        let arrival = (at.as_micros() * 9 / 100) as u32;
        let transit = arrival.wrapping_sub(timestamp);
        if let Some(before) = self.transit.replace(transit) {
            let difference = (transit.wrapping_sub(before) as i32).unsigned_abs();
            let difference = difference.min(90_000);
            self.jitter = (self.jitter + difference).saturating_sub((self.jitter + 8) >> 4);
        }
    }

    /// Notes a sender report's NTP time.
    pub(super) fn note_report(&mut self, now: Instant, ntp: u64) {
        self.report = Some(((ntp >> 16) as u32, now));
    }

    /// Packets to ask for now, and how many are lost for good since the last call.
    pub(super) fn due(&mut self, now: Instant) -> (Vec<u16>, u64) {
        let (mut due, mut lost) = (Vec::new(), 0);
        self.holes.retain(|number, hole| {
            if now.saturating_duration_since(hole.since) >= LOST {
                lost += 1;
                return false;
            }
            let waits = hole
                .asked
                .is_some_and(|at| now.saturating_duration_since(at) < AGAIN);
            if !waits {
                hole.asked = Some(now);
                due.push(*number as u16);
            }
            true
        });
        (due, lost)
    }

    /// A receiver report of this moment.
    pub(super) fn report(&mut self, now: Instant, ours: u32, ssrc: u32) -> Option<Vec<u8>> {
        let (first, newest) = (self.first?, self.newest?);
        let expected = newest - first + 1;
        let lost = (expected - self.received as i64).clamp(0, 0x7f_ffff);
        let (expected_before, received_before) =
            std::mem::replace(&mut self.reported, (expected, self.received));
        let expected_since = expected - expected_before;
        let lost_since = expected_since - (self.received - received_before) as i64;
        let fraction_lost = match expected_since > 0 {
            true => (lost_since.max(0) * 256 / expected_since).min(255) as u8,
            false => 0,
        };
        let (last_sender_report, delay) = self.report.map_or((0, 0), |(ntp, at)| {
            let delay = now.saturating_duration_since(at).as_micros() * 65_536 / 1_000_000;
            (ntp, delay as u32)
        });
        marshal(Box::new(ReceiverReport {
            ssrc: ours,
            reports: vec![ReceptionReport {
                ssrc,
                fraction_lost,
                total_lost: lost as u32,
                last_sequence_number: newest as u32,
                jitter: self.jitter >> 4,
                last_sender_report,
                delay,
            }],
            profile_extensions: Bytes::new(),
        }))
    }
}

/// Asks for packets of `ssrc` again.
pub(super) fn nack(ours: u32, ssrc: u32, sequences: &[u16]) -> Option<Vec<u8>> {
    marshal(Box::new(TransportLayerNack {
        sender_ssrc: ours,
        media_ssrc: ssrc,
        nacks: nack_pairs_from_sequence_numbers(sequences),
    }))
}

fn marshal(part: Box<dyn Packet>) -> Option<Vec<u8>> {
    packet::marshal(&[part]).ok().map(|bytes| bytes.to_vec())
}

/// When packets came, by their transport-wide numbers.
#[derive(Default)]
pub(super) struct Arrivals {
    newest: Option<i64>,
    /// Since 1970, in quarters of a millisecond.
    came: BTreeMap<i64, i64>,
    count: u8,
}

impl Arrivals {
    pub(super) fn note(&mut self, number: u16, at: Duration) {
        let extended = unwrap(self.newest, number);
        self.newest = self.newest.max(Some(extended));
        self.came.insert(extended, (at.as_micros() / 250) as i64);
    }

    /// The feedback on what came since the last (draft-holmer-rmcat-transport-wide-cc-extensions-01 section 3.1).
    pub(super) fn feedback(&mut self, ours: u32, ssrc: u32) -> Option<Vec<u8>> {
        let came = std::mem::take(&mut self.came);
        let (first, first_at) = came.first_key_value()?;
        let (last, _) = came.last_key_value()?;
        let count = u16::try_from(last - first + 1).ok()?;
        // In units of 64 ms.
        let reference = first_at / 256;
        let mut at = reference * 256;
        let (mut symbols, mut deltas) = (Vec::new(), Vec::new());
        for number in *first..=*last {
            let Some(arrived) = came.get(&number) else {
                symbols.push(0u16);
                continue;
            };
            let delta = arrived - at;
            at = *arrived;
            match u8::try_from(delta) {
                Ok(small) => {
                    symbols.push(1);
                    deltas.push(small);
                }
                Err(_) => {
                    symbols.push(2);
                    let delta = delta.clamp(i16::MIN.into(), i16::MAX.into()) as i16;
                    deltas.extend_from_slice(&delta.to_be_bytes());
                }
            }
        }
        let mut packet = vec![0x80 | 15, 205, 0, 0];
        packet.extend_from_slice(&ours.to_be_bytes());
        packet.extend_from_slice(&ssrc.to_be_bytes());
        packet.extend_from_slice(&(*first as u16).to_be_bytes());
        packet.extend_from_slice(&count.to_be_bytes());
        packet.extend_from_slice(&(reference as u32).to_be_bytes()[1..]);
        packet.push(self.count);
        self.count = self.count.wrapping_add(1);
        // Status vector chunks of seven two-bit symbols each.
        for seven in symbols.chunks(7) {
            let bits = seven.iter().enumerate();
            let vector = bits.fold(0xc000, |vector, (place, symbol)| {
                vector | symbol << (12 - 2 * place)
            });
            packet.extend_from_slice(&vector.to_be_bytes());
        }
        packet.extend_from_slice(&deltas);
        let padding = packet.len().wrapping_neg() % 4;
        if padding > 0 {
            packet[0] |= 0x20;
            packet.extend(std::iter::repeat_n(0, padding - 1));
            packet.push(padding as u8);
        }
        let words = (packet.len() / 4 - 1) as u16;
        packet[2..4].copy_from_slice(&words.to_be_bytes());
        Some(packet)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use rtc_rtcp::transport_feedbacks::transport_layer_cc::{SymbolTypeTcc, TransportLayerCc};

    use super::*;

    #[test]
    fn holes_are_asked_for_until_they_are_filled_or_lost() {
        let mut reception = Reception::default();
        let start = Instant::now();
        assert_eq!(reception.note(start, 65_534), Received::Newest);
        assert_eq!(reception.note(start, 1), Received::Newest);
        assert_eq!(reception.due(start), (vec![65_535, 0], 0));
        assert_eq!(reception.due(start), (vec![], 0), "not twice at once");
        assert_eq!(reception.note(start, 65_535), Received::Late);
        assert_eq!(reception.note(start, 65_535), Received::Again);
        assert_eq!(reception.due(start + AGAIN), (vec![0], 0));
        assert_eq!(reception.due(start + LOST), (vec![], 1));
    }

    #[test]
    fn arrivals_are_read_as_they_were_written() {
        let mut arrivals = Arrivals::default();
        let at = |quarters: u64| Duration::from_micros(1_000_000_000 + 250 * quarters);
        for (number, quarters) in [(65_534, 0), (65_535, 2), (2, 400), (1, 401)] {
            arrivals.note(number, at(quarters));
        }
        let bytes = arrivals.feedback(1, 2).unwrap();
        assert_eq!(bytes.len() % 4, 0);
        let read = packet::unmarshal(&mut bytes.as_slice()).unwrap();
        let read = read[0].as_any().downcast_ref::<TransportLayerCc>().unwrap();
        assert_eq!(read.base_sequence_number, 65_534);
        assert_eq!(read.packet_status_count, 5);
        let deltas: Vec<_> = read
            .recv_deltas
            .iter()
            .map(|d| (d.type_tcc_packet, d.delta))
            .collect();
        let start = 1_000_000_000 % 64_000;
        assert_eq!(
            deltas,
            [
                (SymbolTypeTcc::PacketReceivedSmallDelta, start),
                (SymbolTypeTcc::PacketReceivedSmallDelta, 500),
                (SymbolTypeTcc::PacketReceivedLargeDelta, 99_750),
                (SymbolTypeTcc::PacketReceivedLargeDelta, -250),
            ]
        );
        assert!(arrivals.feedback(1, 2).is_none(), "nothing new");
    }
}
