//! The receiving leg: a publisher's packets become the stream's, and what is missing is asked for.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use rtc_rtcp::reception_report::ReceptionReport;

use super::diagnosis::{Diagnosis, Finding};
use super::encoding::{Encoding, ticks};
use super::keyframe::Marks;
use super::ring::{FIRST_INDEX, Inserted, Packet};
use super::rtp::{Header, Unwrapper};
use super::sdp::Payload;

/// A missing packet is asked for at once, and again after each of these.
const NACK_INTERVAL: Duration = Duration::from_millis(40);
/// How often a packet is asked for before it counts as lost.
const NACK_TRIES: u8 = 10;
/// More missing at once is an outage: a keyframe mends it sooner than their repetition.
const MAX_HOLES: u64 = 256;
/// A jump beyond this is a sender that began anew (RFC 3550 appendix A.1: MAX_DROPOUT).
const MAX_JUMP: i64 = 3000;

/// One encoding of a publisher's track.
pub(crate) struct Receiver {
    /// The index of the track's layer that it fills.
    pub(crate) layer: usize,
    clock_rate: u32,
    /// Whether the publisher answers NACKs for this track.
    nacks: bool,
    /// The SSRC that sends.
    ssrc: Option<u32>,
    sequences: Unwrapper,
    place: Option<Place>,
    holes: BTreeMap<u64, Hole>,
    reception: Reception,
    /// For video. Apart, since every session of a viewer is as large as one of a publisher.
    diagnosis: Option<Box<Diagnosis>>,
}

/// Where a source's numbers lie on those of the layer.
#[derive(Clone, Copy)]
struct Place {
    /// Layer's index minus extended sequence number.
    index: i64,
    /// Layer's timestamp minus the source's.
    timestamp: u32,
    /// Nothing of this source belongs before it.
    first: u64,
}

struct Hole {
    due: Instant,
    tries: u8,
}

/// What receiver reports are made of (RFC 3550 section 6.4.1).
#[derive(Default)]
struct Reception {
    first: Option<i64>,
    received: u64,
    reported_expected: i64,
    reported_received: u64,
    /// In ticks, scaled by 16.
    jitter: u32,
    transit: Option<(Instant, u32)>,
    /// The middle of the last sender report's NTP time, and when it came.
    report: Option<(u32, Instant)>,
}

impl Receiver {
    pub(crate) fn new(payload: &Payload, layer: usize) -> Self {
        Receiver {
            layer,
            clock_rate: payload.codec.clock_rate(),
            nacks: payload.feedback.contains(&"nack"),
            ssrc: None,
            sequences: Unwrapper::default(),
            place: None,
            holes: BTreeMap::new(),
            reception: Reception::default(),
            diagnosis: payload
                .codec
                .is_video()
                .then(|| Box::new(Diagnosis::new(payload))),
        }
    }

    /// What is wrong with what the publisher sends, for video.
    pub(crate) fn diagnosis(&self) -> Option<&Diagnosis> {
        self.diagnosis.as_deref()
    }

    /// What was found wrong since the last call.
    pub(crate) fn take_findings(&mut self) -> Vec<Finding> {
        match &mut self.diagnosis {
            Some(diagnosis) => diagnosis.take_new(),
            None => Vec::new(),
        }
    }

    /// The SSRC that sends, once a packet has come.
    pub(crate) fn ssrc(&self) -> Option<u32> {
        self.ssrc
    }

    /// Whether it is known where the source's numbers lie on the layer's.
    pub(crate) fn is_placed(&self) -> bool {
        self.place.is_some()
    }

    /// Takes an authenticated packet onto its layer. `anchor` is where a layer's very first packet belongs
    /// on the time line of the track's other layers.
    pub(crate) fn receive(
        &mut self,
        now: Instant,
        header: &Header,
        payload: &[u8],
        layer: &mut Encoding,
        anchor: Option<u32>,
    ) -> Inserted {
        let mut extended = self.sequences.unwrap(header.sequence);
        let jumped = self
            .sequences
            .newest()
            .is_some_and(|newest| (extended - newest).abs() > MAX_JUMP);
        if self.ssrc != Some(header.ssrc) || jumped {
            self.ssrc = Some(header.ssrc);
            self.sequences = Unwrapper::default();
            if let Some(diagnosis) = &mut self.diagnosis {
                diagnosis.restart();
            }
            self.reception = Reception::default();
            self.holes.clear();
            if self.place.take().is_some() {
                // What was lost in between cannot be asked for, and viewers see no gap: only a keyframe mends it.
                layer.give_up(layer.ring.head().saturating_sub(1));
            }
            extended = self.sequences.unwrap(header.sequence);
        }
        let place = *self
            .place
            .get_or_insert_with(|| match layer.continue_at(now) {
                Some((index, timestamp)) => Place {
                    index: index as i64 - extended,
                    timestamp: timestamp.wrapping_sub(header.timestamp),
                    first: index,
                },
                None => Place {
                    index: FIRST_INDEX as i64 - extended,
                    timestamp: anchor.map_or(0, |anchor| anchor.wrapping_sub(header.timestamp)),
                    first: 0,
                },
            });
        self.sequences.note(extended);
        if let Some(diagnosis) = &mut self.diagnosis {
            diagnosis.watch(extended, header.timestamp, payload);
            layer.size = diagnosis.size();
        }
        self.reception
            .note(now, extended, header.timestamp, self.clock_rate);
        let index = match u64::try_from(extended + place.index) {
            Ok(index) if index >= place.first => index,
            _ => return Inserted::Useless,
        };
        let packet = Packet {
            index,
            timestamp: header.timestamp.wrapping_add(place.timestamp),
            marker: header.marker,
            marks: Marks::of(layer.codec(), payload),
            payload: Box::from(payload),
        };
        let inserted = layer.insert(now, packet);
        match inserted {
            Inserted::Newest { missing } => self.note_holes(now, index - missing..index, layer),
            Inserted::Late => {
                self.holes.remove(&index);
            }
            Inserted::Useless => {}
        }
        inserted
    }

    fn note_holes(&mut self, now: Instant, missing: std::ops::Range<u64>, layer: &mut Encoding) {
        let Some(last) = missing.clone().last() else {
            return;
        };
        if !self.nacks || missing.end - missing.start + self.holes.len() as u64 > MAX_HOLES {
            self.holes.clear();
            return layer.give_up(last);
        }
        for index in missing {
            self.holes.insert(index, Hole { due: now, tries: 0 });
        }
    }

    /// When [`due_nacks`](Self::due_nacks) has something to say.
    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        self.holes.values().map(|hole| hole.due).min()
    }

    /// The sequence numbers to ask for now. A packet that was asked for too often is given up.
    pub(crate) fn due_nacks(&mut self, now: Instant, layer: &mut Encoding) -> Vec<u16> {
        let Some(place) = self.place else {
            return Vec::new();
        };
        let mut due = Vec::new();
        self.holes.retain(|index, hole| {
            if hole.due > now {
                return true;
            }
            if hole.tries == NACK_TRIES || *index < layer.ring.tail() {
                layer.give_up(*index);
                return false;
            }
            hole.tries += 1;
            hole.due = now + NACK_INTERVAL;
            due.push((*index as i64 - place.index) as u16);
            true
        });
        due
    }

    /// A sender report of this source: noted on the layer's time line.
    pub(crate) fn note_report(&mut self, now: Instant, ntp: u64, rtp: u32, layer: &mut Encoding) {
        self.reception.report = Some(((ntp >> 16) as u32, now));
        if let Some(place) = self.place {
            layer.note_report(now, ntp, rtp.wrapping_add(place.timestamp));
        }
    }

    /// The block for this source in our next receiver report.
    pub(crate) fn reception_report(&mut self, now: Instant) -> Option<ReceptionReport> {
        let (ssrc, newest) = (self.ssrc?, self.sequences.newest()?);
        Some(self.reception.report_block(now, ssrc, newest))
    }
}

impl Reception {
    fn note(&mut self, now: Instant, extended: i64, timestamp: u32, clock_rate: u32) {
        self.first = Some(self.first.map_or(extended, |first| first.min(extended)));
        self.received += 1;
        if let Some((at, before)) = self.transit {
            let elapsed = ticks(now.saturating_duration_since(at), clock_rate);
            let difference = elapsed.wrapping_sub(timestamp.wrapping_sub(before)) as i32;
            let difference = difference.unsigned_abs().min(clock_rate);
            self.jitter = self.jitter + difference - ((self.jitter + 8) >> 4);
        }
        self.transit = Some((now, timestamp));
    }

    fn report_block(&mut self, now: Instant, ssrc: u32, newest: i64) -> ReceptionReport {
        let expected = newest - self.first.unwrap_or(newest) + 1;
        let lost = (expected - self.received as i64).clamp(0, 0x7f_ffff);
        let expected_since = expected - self.reported_expected;
        let received_since = (self.received - self.reported_received) as i64;
        let lost_since = (expected_since - received_since).max(0);
        let fraction_lost = match expected_since {
            1.. => (256 * lost_since / expected_since).min(255) as u8,
            _ => 0,
        };
        self.reported_expected = expected;
        self.reported_received = self.received;
        let (last_sender_report, delay) = match self.report {
            Some((ntp, at)) => (ntp, ticks(now.saturating_duration_since(at), 65_536)),
            None => (0, 0),
        };
        ReceptionReport {
            ssrc,
            fraction_lost,
            total_lost: lost as u32,
            last_sequence_number: newest as u32,
            jitter: self.jitter >> 4,
            last_sender_report,
            delay,
        }
    }
}
