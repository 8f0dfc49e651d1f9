//! A thousand offers whose senders never come: what they cost is given back. A process of its own, since it is measured.

#![allow(clippy::unwrap_used, clippy::expect_used)]
#![cfg(target_os = "linux")]

mod support;

use std::sync::Arc;
use std::time::Duration;

use axum::body::Bytes;
use livepeer::media::{VideoCodec, WhipConfig, WhipPublisher};
use serde_json::json;
use support::{TestLocal, offer, studio, text};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};
use url::Url;

/// Short, so that the test need not wait for the ten seconds of the default.
const DEADLINE: Duration = Duration::from_millis(500);
const PATIENCE: Duration = Duration::from_secs(60);

fn resident_kilobytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status
        .lines()
        .find(|line| line.starts_with("VmRSS:"))
        .unwrap();
    line.split_ascii_whitespace()
        .nth(1)
        .unwrap()
        .parse()
        .unwrap()
}

fn descriptors() -> usize {
    std::fs::read_dir("/proc/self/fd").unwrap().count()
}

/// POSTs and goes away; the status, if `whole`, and otherwise in the middle of the body.
async fn post(server: &Url, name: &str, body: &str, whole: bool) -> Option<u16> {
    let port = server.port().unwrap();
    let mut connection = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    let head = format!(
        "POST /livepeer/webrtc/{name} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\
         content-type: application/sdp\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    connection.write_all(head.as_bytes()).await.unwrap();
    let sent = if whole { body } else { &body[..body.len() / 2] };
    connection.write_all(sent.as_bytes()).await.unwrap();
    if !whole {
        return None;
    }
    let mut answer = String::new();
    connection.read_to_string(&mut answer).await.unwrap();
    answer.split(' ').nth(1)?.parse().ok()
}

/// A thousand: most to play, some to publish streams of their own, some that are never whole.
async fn abandon(server: &Url, playback: &str, keys: &[String]) {
    for number in 0..1000 {
        match number % 10 {
            0 => {
                let status = post(server, &keys[number / 10], &offer("sendonly"), true).await;
                assert_eq!(status, Some(201));
            }
            1 => assert_eq!(
                post(server, playback, &offer("recvonly"), false).await,
                None
            ),
            _ => {
                let status = post(server, playback, &offer("recvonly"), true).await;
                assert_eq!(status, Some(201));
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r14_a_thousand_abandoned_offers_leave_memory_and_descriptors_where_they_were() {
    let (local, server) =
        TestLocal::serving_with(|config| config.handshake_deadline = DEADLINE).await;
    let show = local.named("show").await;
    let playback = text(&show, "playbackId");
    let mut keys = Vec::new();
    for number in 0..100 {
        let stream = local.stream(json!({ "name": format!("{number}") })).await;
        keys.push(text(&stream, "streamKey"));
    }
    let api = studio(&server);
    let stream = api.get_stream(&text(&show, "id")).await.unwrap();
    let url = api.whip_url(&stream).await.unwrap();
    let mut config = WhipConfig::new(url);
    config.video = VideoCodec::Vp8; // as the offers
    let publisher = Arc::new(WhipPublisher::connect(config).await.unwrap());
    let feeding = publisher.clone();
    let feed = tokio::spawn(async move {
        for tick in 0_u32.. {
            let at = Duration::from_millis(20) * tick;
            let sound = Bytes::from_static(&[0xf8, 0xff, 0xfe]);
            if feeding.write_audio(sound, at).await.is_err() {
                return;
            }
            sleep(Duration::from_millis(20)).await;
        }
    });
    let engine = local.local.engine().clone();
    let settled = async |sessions: usize| {
        let wait = async {
            while engine.stats().await.sessions != sessions {
                sleep(Duration::from_millis(20)).await;
            }
        };
        timeout(PATIENCE, wait).await.expect("they are forgotten");
    };
    let live = async {
        while !engine
            .stats()
            .await
            .streams
            .values()
            .any(|stream| stream.live)
        {
            sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(PATIENCE, live).await.expect("it is published");

    // The first thousand fill the allocator's pools; those after it must find them as they were.
    let mut memory = Vec::new();
    let before = descriptors();
    for _ in 0..4 {
        abandon(&server, &playback, &keys).await;
        settled(1).await;
        memory.push(resident_kilobytes());
        let stats = engine.stats().await;
        assert_eq!(
            stats.streams.len(),
            1,
            "no stream is left of those that nobody came to"
        );
    }
    let closed = async {
        // The server's side of a connection closes a moment after ours.
        while descriptors() > before + 5 {
            sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(PATIENCE, closed)
        .await
        .expect("descriptors are closed");
    // A session kept would be at least 3 KB, nine hundred of them 2.7 MB each time.
    let growth = memory[3].saturating_sub(memory[1]);
    assert!(growth < 3000, "{memory:?} KB");
    feed.abort();
}
