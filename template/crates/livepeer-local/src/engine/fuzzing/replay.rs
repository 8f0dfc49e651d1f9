//! What fuzzing has found, once more, and a beginning of what it starts from.

const OFFERS: [&str; 8] = [
    include_str!("../offers/chromium-publish.sdp"),
    include_str!("../offers/chromium-simulcast.sdp"),
    include_str!("../offers/chromium-play.sdp"),
    include_str!("../offers/firefox-play.sdp"),
    include_str!("../offers/webrtc-rs-publish.sdp"),
    include_str!("../offers/webrtc-rs-play.sdp"),
    include_str!("../offers/gstreamer-publish.sdp"),
    include_str!("../offers/ffmpeg-publish.sdp"),
];

#[test]
fn offers_are_survived() {
    for offer in OFFERS {
        super::sdp_offer(offer.as_bytes());
    }
}

#[test]
fn fragments_are_survived() {
    let candidate = "a=candidate:1 1 udp 1 192.0.2.7 50000 typ host\r\n";
    let restart = "a=ice-ufrag:new1\r\na=ice-pwd:a-password-of-24-letters\r\n";
    let section = "m=audio 9 RTP/AVP 0\r\na=mid:0\r\n";
    for text in [
        candidate.to_owned(),
        format!("{restart}{section}{candidate}a=end-of-candidates\r\n"),
        format!("{section}{restart}{}", candidate.repeat(200)),
        (0..300)
            .map(|port| candidate.replace("50000", &(port + 1).to_string()))
            .collect(),
    ] {
        for end in (0..=text.len()).rev().step_by(97) {
            super::sdp_fragment(&text.as_bytes()[..end]);
        }
    }
}

#[test]
fn every_kind_of_step_in_a_room_is_survived() {
    for kind in 0..=255 {
        for detail in [0, 1, 7, 0x7f, 0xff] {
            let input = [[kind, detail, 40, 0x9f].as_slice(), &[detail; 60]].concat();
            super::demux(&input.repeat(3));
        }
    }
}

#[test]
fn short_packets_of_every_kind_are_survived() {
    for first in 0..=255 {
        for second in [0, 0x60, 200, 201, 205, 206, 255] {
            for length in [0, 1, 3, 4, 11, 12, 20, 64] {
                let mut input = vec![first; length];
                input.extend_from_slice(&[second; 5]);
                super::packets(&input);
                super::stun(&input);
            }
        }
    }
}
