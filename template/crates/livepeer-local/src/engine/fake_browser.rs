//! For tests: what a browser does with what it is sent: it gives feedback, asks again for what it
//! misses, and shows a picture once it has all of it and the one before.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use rtc_rtcp::reception_report::ReceptionReport;

use super::fake_peer::Peer;
use super::rtcp::{Compound, Message};
use super::rtp::{Header, Unwrapper};
use super::twcc::Arrivals;

/// As Chromium does at a few megabits a second.
const FEEDBACK: Duration = Duration::from_millis(50);
/// Chromium repeats a NACK after a round trip, and takes that for 100 ms where it does not know it.
const NACK: Duration = Duration::from_millis(100);
const NACK_TRIES: u32 = 10;
/// Without a picture for so long it asks for a keyframe.
const PLI: Duration = Duration::from_secs(3);
const REPORT: Duration = Duration::from_secs(1);

/// The first bytes of a payload that a [`Browser`] can put together: a VP8 descriptor, the frame's first
/// byte, then which part of how many of which picture it is.
pub(super) const PICTURE_BYTES: usize = 8;

/// The payload of one part of a picture.
pub(super) fn picture_part(number: u32, part: u8, parts: u8, key: bool, bytes: usize) -> Vec<u8> {
    let mut payload = vec![0; bytes.max(PICTURE_BYTES)];
    payload[0] = if part == 0 { 0x10 } else { 0x00 };
    payload[1] = u8::from(!key);
    payload[2..6].copy_from_slice(&number.to_be_bytes());
    payload[6] = part;
    payload[7] = parts;
    payload
}

/// A viewer's receiving side.
pub(super) struct Browser {
    ssrc: u32,
    rtx: Option<u32>,
    audio: u32,
    transport_cc: Option<u8>,
    arrivals: Arrivals,
    numbers: Unwrapper,
    first: Option<i64>,
    have: BTreeSet<i64>,
    missing: BTreeMap<i64, (Instant, u32)>,
    /// Parts that are here, and whether the picture is a key.
    pictures: BTreeMap<u32, (BTreeSet<u8>, u8, bool)>,
    last_shown: Option<u32>,
    /// Each picture that could be shown, and when.
    pub(super) shown: Vec<(u32, Instant)>,
    /// When each audio packet came.
    pub(super) heard: Vec<Instant>,
    /// Packets that came a second time.
    pub(super) duplicates: u64,
    /// Sequence numbers that it has asked for, repetitions included.
    pub(super) asked: u64,
    pub(super) asks_keyframes: bool,
    next_report: Instant,
    next_nack: Instant,
    asked_keyframe: Instant,
    reported: (u64, u64),
    received: u64,
    report: Option<(u32, Instant)>,
}

impl Browser {
    pub(super) fn new(now: Instant, peer: &Peer) -> Self {
        let video = peer.ssrcs("video");
        let extension = peer.answer.sdp.lines().find_map(|line| {
            let (id, uri) = line.strip_prefix("a=extmap:")?.split_once(' ')?;
            (uri == super::twcc::EXTENSION).then(|| id.parse().unwrap())
        });
        Browser {
            ssrc: video[0],
            rtx: video.get(1).copied(),
            audio: peer.ssrcs("audio")[0],
            transport_cc: extension,
            arrivals: Arrivals::default(),
            numbers: Unwrapper::default(),
            first: None,
            have: BTreeSet::new(),
            missing: BTreeMap::new(),
            pictures: BTreeMap::new(),
            last_shown: None,
            shown: Vec::new(),
            heard: Vec::new(),
            duplicates: 0,
            asked: 0,
            asks_keyframes: true,
            next_report: now + REPORT,
            next_nack: now,
            asked_keyframe: now,
            reported: (0, 0),
            received: 0,
            report: None,
        }
    }

    /// Takes a decrypted packet.
    pub(super) fn take(&mut self, now: Instant, plain: &[u8], header: &Header) {
        if let Some(id) = self.transport_cc
            && let Some(number) = super::rtp::number(plain, id)
        {
            self.arrivals.note(now, number);
        }
        let payload = &plain[header.payload.clone()];
        if header.ssrc == self.audio {
            self.heard.push(now);
        } else if header.ssrc == self.ssrc {
            self.received += 1;
            let number = self.numbers.unwrap(header.sequence);
            let newest = self.numbers.newest();
            self.numbers.note(number);
            for missing in newest.map_or(number, |newest| newest + 1)..number {
                self.missing.insert(missing, (now - NACK, 0));
            }
            self.first.get_or_insert(number);
            self.has(now, number, payload);
        } else if Some(header.ssrc) == self.rtx && payload.len() > 2 {
            let number = u16::from_be_bytes([payload[0], payload[1]]);
            self.has(now, self.numbers.unwrap(number), &payload[2..]);
        }
    }

    fn has(&mut self, now: Instant, number: i64, payload: &[u8]) {
        self.missing.remove(&number);
        if !self.have.insert(number) {
            self.duplicates += 1;
            return;
        }
        let picture = u32::from_be_bytes(payload[2..6].try_into().unwrap());
        let key = payload[1] & 1 == 0;
        let entry = self
            .pictures
            .entry(picture)
            .or_insert_with(|| (BTreeSet::new(), payload[7], false));
        entry.0.insert(payload[6]);
        entry.2 |= key;
        self.show(now);
    }

    fn show(&mut self, now: Instant) {
        loop {
            let whole = |parts: &BTreeSet<u8>, of: u8| parts.len() == usize::from(of);
            let next = self.pictures.iter().find(|(number, (parts, of, key))| {
                let follows = self.last_shown.is_some_and(|last| last + 1 == **number);
                let later = self.last_shown.is_none_or(|last| last < **number);
                whole(parts, *of) && (follows || (*key && later))
            });
            let Some((number, _)) = next else {
                return;
            };
            let number = *number;
            self.pictures = self.pictures.split_off(&(number + 1));
            self.last_shown = Some(number);
            self.shown.push((number, now));
        }
    }

    /// Notes what the engine says about itself.
    pub(super) fn note_report(&mut self, now: Instant, message: &Message) {
        if let Message::SenderReport { ssrc, ntp, .. } = message
            && *ssrc == self.ssrc
        {
            self.report = Some(((ntp >> 16) as u32, now));
        }
    }

    /// What it has to say now: compounds, in the plain.
    pub(super) fn speak(&mut self, now: Instant) -> Vec<Vec<u8>> {
        let mut said = Vec::new();
        said.extend(self.arrivals.due(now, FEEDBACK, 9, self.ssrc));
        let newest = self.shown.last().map_or(self.asked_keyframe, |last| last.1);
        if self.asks_keyframes && now - newest.max(self.asked_keyframe) >= PLI {
            self.asked_keyframe = now;
            said.extend(Compound::default().pli(9, self.ssrc).write());
        }
        if now >= self.next_nack {
            self.next_nack = now + Duration::from_millis(20);
            self.missing.retain(|_, (_, tries)| *tries < NACK_TRIES);
            let due = self
                .missing
                .iter_mut()
                .filter(|(_, (at, _))| *at + NACK <= now);
            let due: Vec<u16> = due
                .map(|(number, asked)| {
                    *asked = (now, asked.1 + 1);
                    *number as u16
                })
                .collect();
            self.asked += due.len() as u64;
            if !due.is_empty() {
                said.extend(Compound::default().nack(9, self.ssrc, &due).write());
            }
        }
        if now >= self.next_report {
            self.next_report = now + REPORT;
            let newest = self.numbers.newest().unwrap_or(0);
            let expected = (newest - self.first.unwrap_or(0) + 1) as u64;
            let (before, received) = self.reported;
            let (expected_now, received_now) = (expected - before, self.received - received);
            self.reported = (expected, self.received);
            let lost = expected_now.saturating_sub(received_now);
            let (last_sender_report, delay) = match self.report {
                Some((ntp, at)) => (ntp, ((now - at).as_secs_f64() * 65_536.0) as u32),
                None => (0, 0),
            };
            let block = ReceptionReport {
                ssrc: self.ssrc,
                fraction_lost: (256 * lost / expected_now.max(1)).min(255) as u8,
                last_sequence_number: newest as u32,
                last_sender_report,
                delay,
                ..ReceptionReport::default()
            };
            said.extend(Compound::default().receiver_report(9, vec![block]).write());
        }
        said
    }
}
