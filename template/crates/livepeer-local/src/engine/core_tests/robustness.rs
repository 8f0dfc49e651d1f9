//! What users of other servers asked for most often, as far as it is the core's doing: `docs/robustness.md` has the list,
//! and which test proves what.

use std::time::Duration;

use super::*;

fn random(seed: u32) -> impl FnMut() -> u32 {
    let mut state = seed;
    move || {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        state
    }
}

fn sequences(world: &World, id: Id) -> Vec<u16> {
    let track = world.peers[id].track("video");
    track.iter().map(|(header, _)| header.sequence).collect()
}

/// Killed, cut off, or started again by hand: the viewers see one track whose numbers and time go on.
#[test]
fn r01_a_publisher_that_comes_back_keeps_its_viewers() {
    for same_port in [false, true] {
        let mut world = world();
        let mut camera = publisher(&mut world);
        camera.film(&mut world, 10);
        let (one, other) = (viewer(&mut world), viewer(&mut world));
        camera.film(&mut world, 10);
        let killed = camera.id;
        world.peers[killed].consents = false;
        let last = world.peers[one].track("video").last().unwrap().0.clone();
        world.run(Duration::from_secs(2));

        let id = world.publish("VP8").unwrap();
        if same_port {
            let before = world.peers[killed].address;
            world.peers[killed].address = "203.0.113.66:6".parse().unwrap();
            world.peers[id].address = before;
        }
        let begun = world.now;
        let mut camera = Camera::new(world.connected(Ok(id)));
        // Whatever a fresh encoder begins with.
        (camera.sequence, camera.timestamp) = (17, 4711);
        camera.shoot(&mut world, true);
        assert!(world.now - begun < Duration::from_secs(1));
        for viewer in [one, other] {
            let peer = &world.peers[viewer];
            assert!(!peer.closed, "it was not sent away");
            assert_eq!(peer.media.len(), 2, "nor shown another SSRC");
            let first = peer.track("video").iter().rev().nth(2).unwrap().0.clone();
            let elapsed = first.timestamp.wrapping_sub(last.timestamp) / 90;
            assert!((1900..2200).contains(&elapsed), "{elapsed} ms later");
        }
        camera.film(&mut world, 10);
        // Twenty pictures, one and ten more; the last twenty-one of them whole for whoever came in between.
        assert_eq!(whole(&world, one, "video").len(), 31 * 3);
        assert_eq!(whole(&world, other, "video").len(), 31 * 3);
        let stats = world.core.stats();
        assert_eq!((stats.sessions, stats.total.takeovers), (3, 1));
        assert_eq!(world.events.len(), 1, "it never was idle");
    }
}

/// Viewers who come before the publisher are told to wait, and those who came get sound and picture, in whatever order
/// all of them connect.
#[test]
fn r02_joins_in_any_order_get_sound_and_picture() {
    for seed in 1..=100 {
        let mut random = random(seed * 7919);
        let mut world = world();
        let mut camera: Option<Camera> = None;
        let mut waiting = 1 + random() % 4;
        let mut viewers = Vec::new();
        for _ in 0..60 {
            match (random() % 4, &mut camera) {
                (0, None) => {
                    let id = world.publish("VP8").unwrap();
                    camera = Some(Camera::new(id));
                }
                (1, _) if waiting > 0 => match world.play() {
                    Ok(id) => {
                        viewers.push(id);
                        waiting -= 1;
                    }
                    Err(error) => assert_eq!(error, OfferError::NotLive),
                },
                (_, Some(camera)) if world.peers[camera.id].suite.is_some() => {
                    let key = camera.pictures == 0 || random().is_multiple_of(10);
                    camera.shoot(&mut world, key);
                }
                _ => world.run(Duration::from_millis(3)),
            }
        }
        let Some(mut camera) = camera else {
            assert!(viewers.is_empty());
            continue;
        };
        camera.film(&mut world, 3);
        for id in viewers {
            for kind in ["audio", "video"] {
                let came = !world.peers[id].track(kind).is_empty();
                assert!(came, "seed {seed}: {kind} of {id}");
            }
        }
    }
}

/// Fifty joiners within a second, no picture of which can be replayed: one request serves many of them, and is repeated until
/// the keyframe comes.
#[test]
fn r03_fifty_joiners_cost_three_keyframe_requests_and_get_a_picture_at_once() {
    let mut world = world();
    let mut camera = publisher(&mut world);
    camera.film(&mut world, 1);
    for _ in 0..170 {
        camera.shoot(&mut world, false); // older than what is replayed
    }
    let before = world.core.stats().total.plis_out;
    let mut viewers = Vec::new();
    for _ in 0..10 {
        for _ in 0..5 {
            viewers.push(world.play().unwrap());
        }
        for _ in 0..3 {
            camera.shoot(&mut world, false);
        }
    }
    let asked = world.core.stats().total.plis_out - before;
    assert!((2..=3).contains(&asked), "{asked} in a second");
    camera.shoot(&mut world, true);
    for viewer in &viewers {
        assert!(!world.peers[*viewer].track("video").is_empty(), "{viewer}");
    }
    // And whoever comes now costs nothing, and waits for nothing.
    let asked = world.core.stats().total.plis_out;
    let late = viewer(&mut world);
    assert_eq!(world.peers[late].track("video").len(), 3);
    assert_eq!(world.core.stats().total.plis_out, asked);
}

/// A viewer to whom nothing gets through, and who asks for everything again, is its own trouble alone.
#[test]
fn r12_a_viewer_that_takes_nothing_delays_nobody() {
    let mut world = world();
    let mut camera = publisher(&mut world);
    camera.film(&mut world, 2);
    let stuck = viewer(&mut world);
    let others = [viewer(&mut world), viewer(&mut world)];
    world.loss = Box::new(move |id, to_engine, _| id == stuck && !to_engine);
    let ssrc = world.peers[stuck].ssrcs("video")[0];
    let before: Vec<usize> = others
        .iter()
        .map(|id| sequences(&world, *id).len())
        .collect();
    for round in 0..60 {
        let all: Vec<u16> = (0..200).map(|n| n * 300).collect();
        world.send_rtcp(stuck, Compound::default().nack(9, ssrc, &all).pli(9, ssrc));
        for packet in camera.picture(false) {
            world.send(camera.id, &packet);
        }
        // Without any time passing.
        world.exchange();
        for (id, before) in others.iter().zip(&before) {
            assert_eq!(sequences(&world, *id).len(), before + 3 * (round + 1));
        }
        world.run(PICTURE);
    }
    for id in others {
        whole(&world, id, "video");
    }
    let asked = world.core.stats().total.plis_out;
    assert!(
        asked <= 6,
        "{asked} keyframes for one that cannot be helped in 2 s"
    );
}

/// After ten minutes a viewer's time is still the publisher's, for sound and picture alike, though the publisher's clock is
/// not ours.
#[test]
fn r13_sound_and_picture_stay_in_step_for_as_long_as_it_goes_on() {
    let mut world = world();
    let mut camera = publisher(&mut world);
    camera.film(&mut world, 2);
    let id = viewer(&mut world);
    let start = world.now;
    // Its crystal is 200 ppm fast.
    let seconds = |world: &World| (world.now - start).as_secs_f64() * 1.0002;
    let ticks = |world: &World, rate: f64| (seconds(world) * rate) as u32;
    for second in 0..600_u32 {
        let ntp = ((seconds(&world) + 1.0) * 4_294_967_296.0) as u64;
        for (ssrc, rate) in [(1, 48_000.0), (2, 90_000.0)] {
            let report = (ntp, ticks(&world, rate));
            world.send_rtcp(
                camera.id,
                Compound::default().sender_report(ssrc, report, (1, 1)),
            );
        }
        camera.timestamp = ticks(&world, 90_000.0);
        for packet in camera.picture(second % 5 == 0) {
            world.send(camera.id, &packet);
        }
        camera.audio_sequence += 1;
        let sound = Sent {
            ssrc: 1,
            payload_type: 111,
            sequence: camera.audio_sequence,
            timestamp: ticks(&world, 48_000.0),
            marker: false,
            payload: vec![0xf8],
        };
        world.send(camera.id, &sound);
        world.exchange();
        let next = start + Duration::from_secs(u64::from(second) + 1);
        world.leap(next);
    }
    let clock = |kind: &str, rate: f64| {
        let ssrc = world.peers[id].ssrcs(kind)[0];
        let mut reports =
            world.peers[id]
                .feedback
                .iter()
                .filter_map(move |message| match message {
                    Message::SenderReport { ssrc: of, ntp, rtp } if *of == ssrc => {
                        Some((*ntp as f64 / 4_294_967_296.0, f64::from(*rtp) / rate))
                    }
                    _ => None,
                });
        reports.next_back().unwrap()
    };
    let (sound, picture) = (clock("audio", 48_000.0), clock("video", 90_000.0));
    assert!(
        sound.0 > 590.0 && picture.0 > 590.0,
        "{sound:?} {picture:?}"
    );
    let apart = (sound.0 - sound.1) - (picture.0 - picture.1);
    assert!(apart.abs() < 0.05, "{apart} s apart after ten minutes");
}
