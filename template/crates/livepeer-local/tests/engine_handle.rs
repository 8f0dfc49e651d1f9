//! The engine's handle on a real socket.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::time::Duration;

use livepeer_local::engine::{
    Engine, EngineConfig, MAX_OFFER_BYTES, OfferError, SessionId, StartError, StreamName,
};

fn loopback() -> EngineConfig {
    EngineConfig {
        udp: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
        ..EngineConfig::default()
    }
}

fn offer() -> String {
    let fingerprint = ["AB"; 32].join(":");
    format!(
        "v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\na=group:BUNDLE 0\r\na=ice-ufrag:peer\r\n\
         a=ice-pwd:the-password-of-the-peer\r\na=fingerprint:sha-256 {fingerprint}\r\na=setup:actpass\r\n\
         m=video 9 UDP/TLS/RTP/SAVPF 96\r\na=mid:0\r\na=sendonly\r\na=rtcp-mux\r\na=rtpmap:96 VP8/90000\r\n"
    )
}

#[tokio::test]
async fn a_taken_port_is_named_with_the_mend() {
    let taken = UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let config = EngineConfig {
        udp: address,
        ..loopback()
    };
    let error = Engine::start(config).await.unwrap_err();
    assert!(matches!(error, StartError::PortTaken { address: named } if named == address));
    let words = error.to_string();
    assert!(
        words.contains(&address.port().to_string()) && words.contains("stop what uses it"),
        "{words}"
    );
}

#[tokio::test]
async fn an_answer_names_the_bound_port_and_a_session_ends_once() {
    let engine = Engine::start(loopback()).await.unwrap();
    let stream = StreamName::from("show");
    let answer = engine.publish(&stream, &offer()).await.unwrap();
    let candidate = format!("127.0.0.1 {} typ host", engine.udp_addr().port());
    assert!(answer.sdp.contains(&candidate), "{}", answer.sdp);
    assert_eq!(engine.stats().await.sessions, 1);

    let unknown: SessionId = "AAAAAAAAAAAAAAAAAAAAAA".parse().unwrap();
    assert!(!engine.end(&unknown).await);
    assert!(engine.end(&answer.session).await);
    assert!(!engine.end(&answer.session).await);
    assert_eq!(engine.stats().await.sessions, 0);
}

#[tokio::test]
async fn configured_addresses_are_the_only_candidates() {
    let config = EngineConfig {
        advertise: vec![
            "203.0.113.9".parse().unwrap(),
            "2001:db8::9".parse().unwrap(),
        ],
        ..loopback()
    };
    let engine = Engine::start(config).await.unwrap();
    let answer = engine
        .publish(&StreamName::from("show"), &offer())
        .await
        .unwrap();
    let port = engine.udp_addr().port();
    let candidates: Vec<&str> = answer
        .sdp
        .lines()
        .filter(|line| line.starts_with("a=candidate"))
        .collect();
    assert_eq!(
        candidates,
        [
            format!("a=candidate:1 1 udp 2130706431 203.0.113.9 {port} typ host"),
            format!("a=candidate:2 1 udp 2130706175 2001:db8::9 {port} typ host"),
            format!("a=candidate:3 1 tcp 1520434687 203.0.113.9 {port} typ host tcptype passive"),
            format!("a=candidate:4 1 tcp 1520434431 2001:db8::9 {port} typ host tcptype passive"),
        ]
    );
}

#[tokio::test]
async fn every_interface_is_a_candidate_when_none_is_configured_and_loopback_is_last() {
    let config = EngineConfig {
        udp: SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0)),
        ..EngineConfig::default()
    };
    let engine = Engine::start(config).await.unwrap();
    let answer = engine
        .publish(&StreamName::from("show"), &offer())
        .await
        .unwrap();
    let candidates = answer
        .sdp
        .lines()
        .filter(|line| line.starts_with("a=candidate"));
    let addresses: Vec<&str> = candidates
        .filter(|line| line.contains(" udp "))
        .map(|line| line.split(' ').nth(4).unwrap())
        .collect();
    assert!(
        addresses.last().unwrap().starts_with("127."),
        "{addresses:?}"
    );
    assert!(!addresses.contains(&"0.0.0.0"), "{addresses:?}");
}

#[tokio::test]
async fn offers_are_refused_in_the_words_of_their_kind() {
    let engine = Engine::start(loopback()).await.unwrap();
    let stream = StreamName::from("show");
    let huge = "a".repeat(MAX_OFFER_BYTES + 1);
    assert_eq!(
        engine.publish(&stream, &huge).await.unwrap_err(),
        OfferError::TooLarge
    );
    assert!(matches!(
        engine.publish(&stream, "").await,
        Err(OfferError::Malformed(_))
    ));
    assert!(matches!(
        engine.publish(&stream, "not SDP").await,
        Err(OfferError::Malformed(_))
    ));
    let backwards = offer().replace("sendonly", "recvonly");
    assert!(matches!(
        engine.publish(&stream, &backwards).await,
        Err(OfferError::WrongDirection(_))
    ));
    let foreign = offer().replace("VP8", "H265");
    assert!(matches!(
        engine.publish(&stream, &foreign).await,
        Err(OfferError::Unsupported(_))
    ));
    assert_eq!(
        engine.play(&stream, &backwards).await.unwrap_err(),
        OfferError::NotLive
    );
    assert_eq!(
        engine.stats().await.sessions,
        0,
        "a refusal leaves nothing behind"
    );
}

#[tokio::test]
async fn after_shutdown_the_port_is_free_and_every_call_says_so() {
    let engine = Engine::start(loopback()).await.unwrap();
    let stream = StreamName::from("show");
    engine.publish(&stream, &offer()).await.unwrap();
    let address = engine.udp_addr();
    engine.shutdown().await;
    engine.shutdown().await;
    UdpSocket::bind(address).expect("the port is free again");
    assert_eq!(
        engine.publish(&stream, &offer()).await.unwrap_err(),
        OfferError::ShuttingDown
    );
    assert_eq!(
        engine.play(&stream, &offer()).await.unwrap_err(),
        OfferError::ShuttingDown
    );
    assert_eq!(engine.stats().await.sessions, 0);
    engine.end_stream(&stream).await;
}

#[tokio::test]
async fn dropping_the_last_handle_stops_the_engine() {
    let engine = Engine::start(loopback()).await.unwrap();
    let address = engine.udp_addr();
    let other = engine.clone();
    drop(engine);
    other
        .publish(&StreamName::from("show"), &offer())
        .await
        .unwrap();
    drop(other);
    // The thread sees the closed channel on its own time.
    let freed = tokio::time::timeout(Duration::from_secs(5), async {
        while UdpSocket::bind(address).is_err() {
            tokio::task::yield_now().await;
        }
    });
    freed.await.expect("the port is free again");
}

#[tokio::test]
async fn noise_on_the_socket_is_counted_and_harms_nothing() {
    let engine = Engine::start(loopback()).await.unwrap();
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let mut sent = 0;
    for first in (0..=255u8).step_by(5) {
        for length in [1, 20, 1400] {
            socket
                .send_to(&vec![first; length], engine.udp_addr())
                .unwrap();
            sent += 1;
        }
    }
    let counted = tokio::time::timeout(Duration::from_secs(5), async {
        loop {
            let drops = engine.stats().await.drops;
            if drops.unknown_kind + drops.unknown_address + drops.stun_unknown == sent {
                return;
            }
            tokio::task::yield_now().await;
        }
    });
    counted.await.expect("every datagram is counted");
}
