//! Offers of real clients in, answers out; and offers that nobody should send.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use super::candidates::Candidate;
use super::names::OfferError;
use super::negotiate;
use super::sdp::{Codec, MAX_OFFER_BYTES, Offer, Transport, write_answer};

const CHROMIUM_PUBLISH: &str = include_str!("offers/chromium-publish.sdp");
const CHROMIUM_SIMULCAST: &str = include_str!("offers/chromium-simulcast.sdp");
const CHROMIUM_PLAY: &str = include_str!("offers/chromium-play.sdp");
const FIREFOX_PLAY: &str = include_str!("offers/firefox-play.sdp");
const WEBRTC_RS_PUBLISH: &str = include_str!("offers/webrtc-rs-publish.sdp");
const WEBRTC_RS_PLAY: &str = include_str!("offers/webrtc-rs-play.sdp");
const GSTREAMER_PUBLISH: &str = include_str!("offers/gstreamer-publish.sdp");
const FFMPEG_PUBLISH: &str = include_str!("offers/ffmpeg-publish.sdp");
const EVERY: [&str; 8] = [
    CHROMIUM_PUBLISH,
    CHROMIUM_SIMULCAST,
    CHROMIUM_PLAY,
    FIREFOX_PLAY,
    WEBRTC_RS_PUBLISH,
    WEBRTC_RS_PLAY,
    GSTREAMER_PUBLISH,
    FFMPEG_PUBLISH,
];

fn transport() -> Transport<'static> {
    const fn candidate(ip: std::net::Ipv4Addr) -> Candidate {
        Candidate::udp(std::net::SocketAddr::new(std::net::IpAddr::V4(ip), 7300))
    }
    const CANDIDATES: [Candidate; 2] = [
        candidate(std::net::Ipv4Addr::new(192, 0, 2, 1)),
        candidate(std::net::Ipv4Addr::LOCALHOST),
    ];
    Transport {
        ice_ufrag: "ours",
        ice_pwd: "the-password-of-the-engine",
        fingerprint: &[0xab; 32],
        candidates: &CANDIDATES,
        trickle: true,
        session: 1,
    }
}

fn publish(offer: &str) -> Result<String, OfferError> {
    let offer = Offer::parse(offer)?;
    let plan = negotiate::publish(&offer)?;
    Ok(readable(&write_answer(&offer, &transport(), &plan.lines)))
}

fn play(offer: &str, audio: Option<Codec>, video: Option<Codec>) -> Result<String, OfferError> {
    let offer = Offer::parse(offer)?;
    let mut ssrc = 100;
    let next = || {
        ssrc += 1;
        ssrc
    };
    let names = ("cname".to_owned(), "stream".to_owned());
    let plan = negotiate::play(&offer, [audio, video], next, names)?;
    Ok(readable(&write_answer(&offer, &transport(), &plan.lines)))
}

/// Every line ends with CR LF; a snapshot shows lines.
fn readable(sdp: &str) -> String {
    assert!(
        sdp.split_terminator("\r\n")
            .all(|line| !line.contains(['\r', '\n']))
    );
    sdp.replace("\r\n", "\n")
}

fn h264(fmtp: &str) -> Option<Codec> {
    Codec::parse("H264", 90_000, 0, fmtp)
}

fn refusal(result: Result<String, OfferError>) -> String {
    result.unwrap_err().to_string()
}

#[test]
fn publishers_are_answered_with_their_own_first_preference() {
    insta::assert_snapshot!("chromium_publish", publish(CHROMIUM_PUBLISH).unwrap());
    insta::assert_snapshot!("webrtc_rs_publish", publish(WEBRTC_RS_PUBLISH).unwrap());
    insta::assert_snapshot!("gstreamer_publish", publish(GSTREAMER_PUBLISH).unwrap());
    insta::assert_snapshot!("ffmpeg_publish", publish(FFMPEG_PUBLISH).unwrap());
    insta::assert_snapshot!("chromium_simulcast", publish(CHROMIUM_SIMULCAST).unwrap());
}

#[test]
fn viewers_are_answered_with_the_publishers_codec_in_their_own_numbers() {
    let constrained = h264("packetization-mode=1;profile-level-id=42e01f");
    let opus = Some(Codec::Opus);
    insta::assert_snapshot!(
        "chromium_play_vp8",
        play(CHROMIUM_PLAY, opus, Some(Codec::Vp8)).unwrap()
    );
    insta::assert_snapshot!(
        "firefox_play_h264",
        play(FIREFOX_PLAY, opus, constrained).unwrap()
    );
    insta::assert_snapshot!(
        "webrtc_rs_play_h264",
        play(WEBRTC_RS_PLAY, opus, constrained).unwrap()
    );
    // The stream has no sound: the section stays in the bundle, silent.
    insta::assert_snapshot!(
        "chromium_play_video_only",
        play(CHROMIUM_PLAY, None, Some(Codec::Vp8)).unwrap()
    );
}

#[test]
fn a_viewer_that_cannot_decode_the_stream_is_told_so() {
    let high = h264("packetization-mode=1;profile-level-id=64001f");
    insta::assert_snapshot!(
        refusal(play(FIREFOX_PLAY, None, high)),
        @"the offer cannot be served: its video offers VP8, VP9, H264 (VP8, H264 (ConstrainedBaseline, packetization-mode=1), H264 (ConstrainedBaseline, packetization-mode=0)); this stream needs H264 (High, packetization-mode=1)"
    );
    let only_vp9 = CHROMIUM_PUBLISH
        .replace("VP8/", "VP7/")
        .replace("H264/", "H265/");
    insta::assert_snapshot!(
        refusal(publish(&only_vp9)),
        @"the offer cannot be served: its video offers VP7, H265, AV1, VP9; supported are H264 and VP8 video and opus audio"
    );
}

#[test]
fn whoever_offers_the_other_direction_is_told_so() {
    insta::assert_snapshot!(
        refusal(publish(CHROMIUM_PLAY)),
        @"the offer's direction is wrong: a publisher offers sendonly or sendrecv, and this offer only receives"
    );
    insta::assert_snapshot!(
        refusal(play(CHROMIUM_PUBLISH, None, Some(Codec::Vp8))),
        @"the offer's direction is wrong: a viewer offers recvonly or sendrecv, and this offer receives nothing"
    );
}

#[test]
fn line_ends_and_unknown_lines_do_not_matter() {
    let plain = publish(CHROMIUM_PUBLISH).unwrap();
    assert_eq!(
        publish(&CHROMIUM_PUBLISH.replace('\n', "\r\n")).unwrap(),
        plain
    );
    let strange = CHROMIUM_PUBLISH
        .replace("a=rtcp-mux\n", "a=rtcp-mux\na=x-new\na=x-new:1 2 3\nb=AS:5000\nz=what\n")
        .replace("a=mid:0\n", "a=mid:0\na=candidate:1 1 udp 1 host.example 9 typ host\na=candidate:nonsense\na=candidate:2 1 udp 1 0b1c.local 9 typ host\n");
    assert_eq!(publish(&strange).unwrap(), plain);
}

#[test]
fn what_is_not_an_offer_is_refused_in_words() {
    for (offer, words) in [
        (String::new(), "it is empty"),
        ("hello".into(), "<letter>=<value>"),
        ("{\"sdp\":\"v=0\"}".into(), "does not begin with v=0"),
        ("v=1\n".into(), "does not begin with v=0"),
        ("v=0\ns=-\n".into(), "no m-line"),
        (
            CHROMIUM_PUBLISH.replace("a=mid:1", "a=mid:0"),
            "stands twice",
        ),
        (CHROMIUM_PUBLISH.replace(" 96 97 ", " 96 128 "), "0 to 127"),
        (CHROMIUM_PUBLISH.replace(" 96 97 ", " 96 96 "), "twice"),
        (
            CHROMIUM_PUBLISH.replace("ice-pwd", "ice-pw"),
            "ice-ufrag and ice-pwd",
        ),
        (
            CHROMIUM_PUBLISH.replace("the-password-of-the-peer", "short"),
            "wrong length",
        ),
        (
            CHROMIUM_PUBLISH.replace("a=fingerprint", "a=finger"),
            "no DTLS fingerprint",
        ),
        (
            CHROMIUM_PUBLISH.replace("sha-256 00:", "sha-256 0:"),
            "fingerprint cannot be read",
        ),
        (CHROMIUM_PUBLISH.replace("sha-256", "sha-1"), "not sha-256"),
        (
            CHROMIUM_PUBLISH.replace("setup:actpass", "setup:holdconn"),
            "setup",
        ),
        (
            CHROMIUM_PUBLISH.replace("a=mid:0", "a=mid:0\u{0}"),
            "control characters",
        ),
        (
            CHROMIUM_PUBLISH.replace("a=mid:0", &format!("a=mid:{}", "0".repeat(65))),
            "mid is not a token",
        ),
        (
            CHROMIUM_PUBLISH.replace("a=mid:0", &format!("a=x:{}", "0".repeat(5000))),
            "line is too long",
        ),
        (
            CHROMIUM_PUBLISH.replace("a=rtcp-mux\n", ""),
            "multiplex RTCP",
        ),
        (
            CHROMIUM_PUBLISH.replace("UDP/TLS/RTP/SAVPF", "RTP/AVP"),
            "not secured",
        ),
        (
            CHROMIUM_PUBLISH.replace("a=group:BUNDLE 0 1\n", ""),
            "not bundled",
        ),
        (
            CHROMIUM_PUBLISH
                .replace("m=video 9", "m=audio 9")
                .replace("m=video ", "m=audio "),
            "two audio tracks",
        ),
        (
            format!("v=0\n{}", "m=audio 9 UDP/TLS/RTP/SAVPF 0\n".repeat(17)),
            "too many m-lines",
        ),
        (
            CHROMIUM_PUBLISH.replace(
                "a=mid:0\n",
                &format!("a=mid:0\n{}", "a=candidate:x\n".repeat(300)),
            ),
            "too many candidates",
        ),
    ] {
        let refused = refusal(publish(&offer));
        assert!(refused.contains(words), "{words}: {refused}");
    }
    assert_eq!(
        Offer::parse(&"a".repeat(MAX_OFFER_BYTES + 1)).unwrap_err(),
        OfferError::TooLarge
    );
}

#[test]
fn cut_and_mangled_offers_never_panic() {
    for offer in EVERY {
        for cut in (0..offer.len()).step_by(29) {
            let _ = publish(&offer[..cut]);
        }
        let lines: Vec<&str> = offer.lines().collect();
        for index in 0..lines.len() {
            let mut fewer = lines.clone();
            fewer.remove(index);
            let mut swapped = lines.clone();
            swapped.swap(index, (index * 7 + 3) % lines.len());
            let mut doubled = lines.clone();
            doubled.insert(index, lines[index]);
            for mangled in [fewer, swapped, doubled] {
                let mangled = mangled.join("\n");
                let _ = publish(&mangled);
                let _ = play(&mangled, Some(Codec::Opus), Some(Codec::Vp8));
            }
        }
        for position in (0..offer.len()).step_by(23) {
            for byte in ["\u{0}", ":", " ", "9999999999", "-1", "é"] {
                let mangled = format!("{}{byte}{}", &offer[..position], &offer[position + 1..]);
                let _ = publish(&mangled);
            }
        }
    }
}
