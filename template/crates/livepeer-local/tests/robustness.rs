//! What users of other servers asked for most often, as far as it is seen from outside: `docs/robustness.md` has the list,
//! and which test proves what.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod support;

use std::net::{IpAddr, SocketAddr};

use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::http::{Request, StatusCode};
use livepeer_local::{Rate, RateLimits};
use support::{Answer, TestLocal, offer, text};

const SDP: (&str, &str) = ("content-type", "application/sdp");

/// The offer with further lines at its end, which is in its media section.
fn offer_with(direction: &str, lines: &[&str]) -> String {
    let mut offer = offer(direction);
    for line in lines {
        offer.push_str(line);
        offer.push_str("\r\n");
    }
    offer
}

/// Firefox takes no candidate with a name in it, so ours have none; and the ones of an offer are no reason to refuse it,
/// whatever they look like: names that only the sender's network can resolve, TCP, more than anybody can try.
#[tokio::test]
async fn r05_candidates_are_addresses_and_those_of_an_offer_never_refuse_it() {
    let local = TestLocal::start().await;
    let key = text(&local.named("show").await, "streamKey");
    let candidates = [
        "a=candidate:1 1 UDP 2122252543 a8d3b7c0-1f3e-4d53-9c2b-5b1a1f0e7c11.local 50000 typ host",
        "a=candidate:2 1 udp 2113937151 turn.example.com 3478 typ relay raddr 0.0.0.0 rport 0",
        "a=candidate:3 1 TCP 2105524479 192.0.2.8 9 typ host tcptype active",
        "a=candidate:4 1 udp 2122194687 fe80::1 50000 typ host generation 0 network-id 1",
        "a=candidate:5 1 sctp 1 192.0.2.8 50000 typ host",
        "a=candidate:6 1 udp",
        "a=candidate:",
        "a=end-of-candidates",
    ];
    for lines in [&candidates[..], &[], &candidates[..1]] {
        let offer = offer_with("sendonly", lines);
        let answer = local.webrtc("POST", &key, &[SDP], &offer).await;
        assert_eq!(answer.status, StatusCode::CREATED, "{}", answer.text);
        let ours: Vec<&str> = answer
            .text
            .lines()
            .filter_map(|line| line.strip_prefix("a=candidate:"))
            .collect();
        assert!(!ours.is_empty());
        for candidate in ours {
            let address = candidate.split(' ').nth(4).unwrap();
            assert!(address.parse::<IpAddr>().is_ok(), "{candidate}");
        }
    }
}

/// Sound keeps what its sender says of it: without `stereo=1` a browser mixes down (RFC 7587 section 7.1).
#[tokio::test]
async fn r13_the_parameters_of_sound_are_kept() {
    let local = TestLocal::start().await;
    let key = text(&local.named("show").await, "streamKey");
    let fmtp = "minptime=10;useinbandfec=1;stereo=1;sprop-stereo=1";
    let offer = offer("sendonly")
        .replace(
            "m=video 9 UDP/TLS/RTP/SAVPF 96",
            "m=audio 9 UDP/TLS/RTP/SAVPF 111",
        )
        .replace("a=rtpmap:96 VP8/90000", "a=rtpmap:111 opus/48000/2")
        .replace("a=rtcp-fb:96 nack pli", &format!("a=fmtp:111 {fmtp}"));
    let answer = local.webrtc("POST", &key, &[SDP], &offer).await;
    assert_eq!(answer.status, StatusCode::CREATED, "{}", answer.text);
    let line = format!("a=fmtp:111 {fmtp}\r\n");
    assert!(answer.text.contains(&line), "{}", answer.text);
}

fn limited() -> RateLimits {
    RateLimits {
        per_address: Rate {
            burst: 30,
            per_second: 0.1,
        },
        per_key: Rate {
            burst: 5,
            per_second: 0.1,
        },
        ..RateLimits::default()
    }
}

async fn from(local: &TestLocal, address: &str, method: &str, path: &str, body: &str) -> Answer {
    let address: SocketAddr = address.parse().unwrap();
    let request = Request::builder()
        .method(method)
        .uri(format!("/webrtc/{path}"))
        .header(SDP.0, SDP.1)
        .extension(ConnectInfo(address));
    local
        .send(request.body(Body::from(body.to_owned())).unwrap())
        .await
}

fn is_refused_for_now(answer: &Answer) {
    assert_eq!(
        answer.status,
        StatusCode::TOO_MANY_REQUESTS,
        "{}",
        answer.text
    );
    let seconds: u64 = answer.header("retry-after").unwrap().parse().unwrap();
    assert!((1..=300).contains(&seconds), "{seconds}");
    assert_eq!(
        answer.header("content-type"),
        Some("application/problem+json")
    );
    assert_eq!(answer.header("access-control-allow-origin"), Some("*"));
    assert!(
        answer
            .header("access-control-expose-headers")
            .unwrap()
            .contains("Retry-After")
    );
}

#[tokio::test]
async fn who_asks_too_often_is_told_when_to_come_back_and_others_are_not() {
    let local = TestLocal::start_with(|config| config.rate = limited()).await;
    let playback = text(&local.named("show").await, "playbackId");
    for _ in 0..30 {
        let answer = from(
            &local,
            "203.0.113.9:1",
            "POST",
            &playback,
            &offer("recvonly"),
        )
        .await;
        assert_eq!(answer.status, StatusCode::CONFLICT, "nobody publishes yet");
    }
    is_refused_for_now(&from(&local, "203.0.113.9:2", "POST", &playback, "").await);
    is_refused_for_now(&from(&local, "203.0.113.9:2", "PATCH", "session/x", "").await);
    is_refused_for_now(&from(&local, "203.0.113.9:2", "DELETE", "session/x", "").await);
    for method in ["GET", "HEAD", "OPTIONS"] {
        let answer = from(&local, "203.0.113.9:2", method, &playback, "").await;
        assert!(answer.status.is_success(), "{method}: {}", answer.status);
    }
    let other = from(
        &local,
        "203.0.113.10:1",
        "POST",
        &playback,
        &offer("recvonly"),
    )
    .await;
    assert_eq!(other.status, StatusCode::CONFLICT);
}

#[tokio::test]
async fn guessing_keys_takes_long() {
    let local = TestLocal::start_with(|config| config.rate = limited()).await;
    for guess in ["a", "b", "c"] {
        let answer = from(&local, "203.0.113.9:1", "POST", guess, "").await;
        assert_eq!(answer.status, StatusCode::NOT_FOUND);
    }
    is_refused_for_now(&from(&local, "203.0.113.9:1", "POST", "d", "").await);
}

#[tokio::test]
async fn one_stream_key_is_limited_wherever_it_is_used_from() {
    let local = TestLocal::start_with(|config| config.rate = limited()).await;
    let show = local.named("show").await;
    let key = text(&show, "streamKey");
    for last in 0..5 {
        let address = format!("203.0.113.{last}:1");
        let answer = from(&local, &address, "POST", &key, &offer("sendonly")).await;
        assert_eq!(answer.status, StatusCode::CREATED, "{}", answer.text);
    }
    is_refused_for_now(&from(&local, "198.51.100.1:1", "POST", &key, "").await);
    // The limit is of that key, and the stream's own page is somebody else's business.
    let other = text(&local.named("other").await, "streamKey");
    let answer = from(&local, "198.51.100.1:1", "POST", &other, &offer("sendonly")).await;
    assert_eq!(answer.status, StatusCode::CREATED);
}

/// Nothing in an offer is looked at before its sender has been let in.
#[tokio::test]
async fn strangers_offers_are_not_read() {
    let local = TestLocal::start().await;
    let show = local.named("show").await;
    let body = "this would be refused with 400";
    let answer = local.webrtc("POST", "no-such-key", &[SDP], body).await;
    assert_eq!(answer.status, StatusCode::NOT_FOUND);
    let id = text(&show, "id");
    let suspended = serde_json::json!({ "suspended": true });
    local.patch(&format!("/stream/{id}"), suspended).await;
    let key = text(&show, "streamKey");
    let answer = local.webrtc("POST", &key, &[SDP], body).await;
    assert_eq!(answer.status, StatusCode::FORBIDDEN, "{}", answer.text);
}
