//! Media flows, and what the other side says about it comes back.

use std::time::Duration;

use bytes::Bytes;
use livepeer::media::{
    Codec, MediaState, VideoCodec, WhepConfig, WhepPlayer, WhipConfig, WhipPublisher,
};
use tokio::time::timeout;

use crate::answerer::Answerer;

const SOON: Duration = Duration::from_secs(10);

/// An access unit: parameter sets and an IDR slice of that many bytes.
fn keyframe(slice: usize) -> Bytes {
    let mut unit = vec![
        0, 0, 0, 1, 0x67, 0x42, 0xe0, 0x1f, 0, 0, 0, 1, 0x68, 0xce, 0x3c, 0x80, 0, 0, 0, 1, 0x65,
    ];
    unit.resize(unit.len() + slice, 0xab);
    unit.into()
}

/// A VP8 keyframe's first bytes, and so many more.
fn vp8_keyframe(size: usize) -> Bytes {
    let mut frame = vec![0x10, 0x02, 0x00, 0x9d, 0x01, 0x2a];
    frame.resize(size, 0xcd);
    frame.into()
}

#[tokio::test]
async fn a_publisher_sends_pictures_and_sound_and_hears_keyframe_requests() {
    let server = Answerer::start().await;
    let mut packets = server.packets().await;
    let publisher = timeout(
        SOON,
        WhipPublisher::connect(WhipConfig::new(server.url("whip"))),
    )
    .await
    .unwrap()
    .unwrap();
    assert_eq!(*publisher.state().borrow(), MediaState::Connected);

    publisher
        .write_video(keyframe(3000), Duration::ZERO)
        .await
        .unwrap();
    publisher
        .write_video(keyframe(10), Duration::from_millis(40))
        .await
        .unwrap();
    publisher
        .write_audio(
            Bytes::from_static(&[0xf8, 0xff, 0xfe]),
            Duration::from_millis(20),
        )
        .await
        .unwrap();

    // Four and two packets of video, one of audio.
    let (mut video, mut audio) = (Vec::new(), Vec::new());
    while video.len() + audio.len() < 7 {
        let packet = timeout(SOON, packets.recv()).await.unwrap().unwrap();
        if packet.header.payload_type == 111 {
            audio.push(packet)
        } else {
            video.push(packet)
        }
    }
    let markers: Vec<_> = video.iter().map(|packet| packet.header.marker).collect();
    assert_eq!(
        (
            markers.iter().filter(|marker| **marker).count(),
            audio.len()
        ),
        (2, 1)
    );
    assert!(video.iter().all(|packet| packet.payload.len() <= 1200));
    let mut timestamps: Vec<_> = video.iter().map(|packet| packet.header.timestamp).collect();
    timestamps.dedup();
    timestamps.sort_unstable();
    timestamps.dedup();
    let [a, b] = timestamps[..] else {
        panic!("two pictures: {timestamps:?}")
    };
    assert!(
        [a.wrapping_sub(b), b.wrapping_sub(a)].contains(&3600),
        "40 ms are 3,600 ticks"
    );

    let mut requests = publisher.keyframe_requests();
    assert_eq!(*requests.borrow_and_update(), 0);
    server.ask_for_keyframe(video[0].header.ssrc).await;
    timeout(SOON, requests.changed())
        .await
        .expect("the request arrives")
        .unwrap();

    publisher.close().await;
    assert_eq!(
        server.deleted(),
        1,
        "and that the server answers 405 does not matter"
    );
}

#[tokio::test]
async fn vp8_without_sound_flows_too() {
    let server = Answerer::start().await;
    let mut packets = server.packets().await;
    let config = WhipConfig {
        video: VideoCodec::Vp8,
        audio: livepeer::media::Audio::None,
        ..WhipConfig::new(server.url("whip"))
    };
    let publisher = timeout(SOON, WhipPublisher::connect(config))
        .await
        .unwrap()
        .unwrap();
    publisher
        .write_video(vp8_keyframe(2000), Duration::ZERO)
        .await
        .unwrap();
    publisher
        .write_audio(Bytes::from_static(&[0xf8]), Duration::ZERO)
        .await
        .unwrap();
    let first = timeout(SOON, packets.recv()).await.unwrap().unwrap();
    assert_eq!(first.header.payload_type, 96);
    assert!(Codec::Vp8.begins_keyframe(&first.payload));
    publisher.close().await;
}

#[tokio::test]
async fn a_player_receives_counts_and_notices_the_end() {
    let server = Answerer::start().await;
    let mut player = timeout(
        SOON,
        WhepPlayer::connect(WhepConfig::new(server.url("whep"))),
    )
    .await
    .unwrap()
    .unwrap();
    timeout(SOON, server.player_connected()).await.unwrap();
    // One of the ten is lost on the way.
    for sequence in (0..10u16).filter(|sequence| *sequence != 4) {
        let payload = if sequence == 0 {
            &[0x65, 1][..]
        } else {
            &[0x41, 1][..]
        };
        server
            .send(
                sequence,
                u32::from(sequence / 2),
                sequence % 2 == 1,
                Bytes::from_static(payload),
            )
            .await;
    }
    for _ in 0..9 {
        let packet = timeout(SOON, player.recv())
            .await
            .unwrap()
            .expect("connected");
        assert_eq!(packet.codec, Codec::H264);
    }
    let counts = player.stats().video;
    assert_eq!(
        (
            counts.packets,
            counts.frames,
            counts.keyframes,
            counts.lost()
        ),
        (9, 5, 1, 1)
    );
    assert_eq!(server.keyframes_asked_for(), 0, "it began with one");
    player.request_keyframe().await;
    asked_for(&server, 1).await;

    server.hang_up().await;
    let mut state = player.state();
    timeout(SOON, state.wait_for(|state| *state == MediaState::Closed))
        .await
        .unwrap()
        .unwrap();
    assert!(
        timeout(SOON, player.recv())
            .await
            .expect("the end is heard")
            .is_none()
    );
    player.close().await;
    assert_eq!(server.deleted(), 1);
}

#[tokio::test]
async fn a_player_that_missed_the_keyframe_asks_for_one() {
    let server = Answerer::start().await;
    let mut player = timeout(
        SOON,
        WhepPlayer::connect(WhepConfig::new(server.url("whep"))),
    )
    .await
    .unwrap()
    .unwrap();
    timeout(SOON, server.player_connected()).await.unwrap();
    for sequence in 0..4 {
        server
            .send(
                sequence,
                u32::from(sequence),
                true,
                Bytes::from_static(&[0x41, 1]),
            )
            .await;
        timeout(SOON, player.recv())
            .await
            .unwrap()
            .expect("connected");
    }
    // Once for the four: another request would only follow half a second later.
    asked_for(&server, 1).await;
    player.close().await;
}

/// Waits until players have asked for so many keyframes.
async fn asked_for(server: &Answerer, keyframes: u64) {
    timeout(SOON, async {
        while server.keyframes_asked_for() < keyframes {
            tokio::task::yield_now().await;
        }
    })
    .await
    .expect("the request arrives");
}

#[tokio::test]
async fn a_publisher_that_is_dropped_ends_its_session_all_the_same() {
    let server = Answerer::start().await;
    let publisher = timeout(
        SOON,
        WhipPublisher::connect(WhipConfig::new(server.url("whip"))),
    )
    .await
    .unwrap()
    .unwrap();
    drop(publisher);
    timeout(SOON, async {
        while server.deleted() == 0 {
            tokio::task::yield_now().await;
        }
    })
    .await
    .expect("deleted in the background");
}
