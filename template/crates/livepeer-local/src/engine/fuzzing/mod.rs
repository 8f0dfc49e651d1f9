//! Where fuzzing enters: each function takes any bytes, panics where something holds no longer, and is
//! what one target of the kit's `tests/fuzz` calls. Built for that and for tests, in which what fuzzing has
//! found is played again (`replay.rs`).
//!
//! After a finding: put the input that the tool wrote there, see the test fail, mend the engine.

#![allow(dead_code, clippy::unwrap_used, clippy::expect_used)]

mod bytes;
#[cfg(test)]
mod replay;
mod room;

use super::diagnosis::Diagnosis;
use super::fake_peer;
use super::framing::{Deframer, MAX_FRAME};
use super::hello::HelloReader;
use super::ice::Request;
use super::keyframe::Marks;
use super::names::StreamName;
use super::rtcp;
use super::rtp::{Header, clear_fields};
use super::sdp::{Codec, Fragment, MAX_FRAGMENT_BYTES, MAX_OFFER_BYTES, Offer};
use super::seat::worker_of_stun;
use super::sps::Sps;

/// An offer, as a publisher and as a viewer: what is answered has a line for each of its m-lines, nothing
/// that could be taken for a further line, and no more than a few times its length.
pub fn sdp_offer(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else {
        return;
    };
    let Ok(offer) = Offer::parse(text) else {
        return;
    };
    assert!(text.len() <= MAX_OFFER_BYTES);
    let mut room = room::Room::new();
    let answers = [
        room.core
            .publish(room.now, &StreamName::from("other"), &offer),
        room.core.play(room.now, &room::stream(), &offer),
    ];
    for answer in answers.into_iter().flatten() {
        let lines = answer.sdp.lines().filter(|line| line.starts_with("m="));
        assert_eq!(lines.count(), offer.media.len(), "an m-line for each");
        let controls = |c: char| c.is_control() && !"\r\n\t".contains(c);
        assert!(!answer.sdp.contains(controls), "{:?}", answer.sdp);
        assert!(answer.sdp.len() <= 64 * 1024 + 2 * text.len(), "it is long");
    }
    room.check();
}

/// An SDP fragment, as it is read, and as a PATCH of a publisher and of a viewer.
pub fn sdp_fragment(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else {
        return;
    };
    if let Ok(fragment) = Fragment::parse(text) {
        assert!(text.len() <= MAX_FRAGMENT_BYTES);
        // No more than one for each ten bytes: `a=candidate:` alone is longer.
        assert!(fragment.candidates.len() <= text.len() / 10);
        let mut room = room::Room::new();
        for member in 0..2 {
            room.patch(member, text);
            room.patch(member, text);
        }
        room.check();
    }
}

/// A STUN message, by itself: read, and never taken for an authentic one.
pub fn stun(input: &[u8]) {
    let provider = rtc_crypto::default_provider().unwrap();
    assert!(worker_of_stun(input, 3).is_none_or(|worker| worker < 3));
    if let Some(mut request) = Request::parse(input) {
        let from = "192.0.2.7:4711".parse().unwrap();
        let _ = request.uses_candidate();
        assert!(!request.is_authentic("a-password-that-nobody-knows", provider.crypto()));
        assert!(request.response(from, "pwd", provider.crypto()).is_some());
    }
}

/// Decrypted RTP and RTCP, the first flight of DTLS, frames on TCP, and what is read of video: the parsers by
/// themselves. The first byte chooses.
pub fn packets(input: &[u8]) {
    let Some((kind, input)) = input.split_first() else {
        return;
    };
    match kind % 6 {
        0 => {
            if let Some(header) = Header::parse(input) {
                let payload = &input[header.payload.clone()];
                assert!(payload.len() + 12 <= input.len());
                assert!(clear_fields(input).is_some());
            }
        }
        1 => {
            let messages = rtcp::parse(input);
            // A NACK's pair of four bytes names at most 17 packets; nothing else is longer than it came.
            assert!(messages.len() <= input.len());
            let named = messages.iter().map(|message| match message {
                rtcp::Message::Nack { sequences, .. } => sequences.len(),
                _ => 0,
            });
            assert!(named.sum::<usize>() <= 17 * input.len() / 4);
        }
        2 => {
            let mut reader = HelloReader::default();
            for datagram in input.chunks(1 + usize::from(kind >> 2)) {
                if reader.read(datagram).is_err() {
                    break;
                }
            }
            let _ = HelloReader::default().read(input);
        }
        3 => {
            let _ = Sps::parse(input);
            diagnose(input);
        }
        4 => {
            // However it is cut, the same datagrams come out.
            let whole = deframed(&[input]);
            let cut: Vec<&[u8]> = input.chunks(1 + usize::from(kind / 6)).collect();
            assert_eq!(deframed(&cut), whole);
        }
        _ => {
            for codec in [
                Codec::Vp8,
                Codec::Opus,
                Codec::parse("H264", 90_000, 0, "packetization-mode=1").unwrap(),
            ] {
                let _ = Marks::of(codec, input).is_decodable(codec);
            }
        }
    }
}

fn deframed(parts: &[&[u8]]) -> Vec<Vec<u8>> {
    let mut deframer = Deframer::default();
    let mut datagrams = Vec::new();
    for part in parts {
        deframer.push(part);
        loop {
            match deframer.next(MAX_FRAME) {
                Ok(Some(datagram)) => datagrams.push(datagram.to_vec()),
                Ok(None) => break,
                Err(_) => return datagrams,
            }
        }
    }
    datagrams
}

/// The input as H.264 payloads of some length each, at times and numbers that it chooses.
fn diagnose(input: &[u8]) {
    let offer = fake_peer::offer("sendonly", "H264", &["5A"; 32].join(":"), false);
    let offer = Offer::parse(&offer).unwrap();
    let mut diagnosis = Diagnosis::new(&offer.media[1].payloads[0]);
    let mut input = bytes::Bytes(input);
    let (mut number, mut timestamp) = (0_i64, 0_u32);
    for _ in 0..200 {
        if input.is_empty() {
            break;
        }
        number += i64::from(input.u8() as i8);
        timestamp = timestamp.wrapping_add(u32::from(input.u16()) << 3);
        diagnosis.watch(number, timestamp, input.some());
    }
    assert!(diagnosis.findings().len() <= 8, "told once each");
    let _ = (diagnosis.size(), diagnosis.take_new());
}

/// A publisher, viewers and strangers who send whatever they like, well encrypted where they can: see
/// [`room::Room::play`].
pub fn demux(input: &[u8]) {
    let mut room = room::Room::new();
    room.play(input);
    room.check();
}
