//! A stream on several workers: viewers away from its home notice nothing.

use std::time::Duration;

use super::*;
use crate::engine::relay::Relay;

fn world() -> World {
    World::with_workers(EngineConfig::default(), 3)
}

fn viewer_at(world: &mut World, worker: usize) -> Id {
    let id = world.play_at(worker);
    world.connected(id)
}

fn keyframe_requests(world: &World, id: Id) -> usize {
    let asked = world.peers[id].feedback.iter();
    asked
        .filter(|message| matches!(message, Message::KeyframeRequest { .. }))
        .count()
}

/// Nothing is kept of anything.
fn assert_empty(world: &mut World) {
    let stats = world.stats();
    assert_eq!(stats.sessions, 0);
    assert!(stats.streams.is_empty(), "{:?}", stats.streams);
    for worker in 0..3 {
        assert_eq!(world.core_at(worker).poll_timeout(), None, "{worker}");
    }
}

#[test]
fn a_joiner_is_shown_the_pictures_since_the_keyframe_without_asking_anybody() {
    let mut world = world();
    let mut camera = publisher(&mut world);
    camera.film(&mut world, 20);
    let home = viewer(&mut world);
    let away = viewer_at(&mut world, 1);
    for _ in 0..20 {
        camera.shoot(&mut world, false);
    }
    for id in [home, away] {
        let video = whole(&world, id, "video");
        assert_eq!(video.len(), 40 * 3);
        for (index, payload) in video.iter().enumerate() {
            assert_eq!(payload[2..], [(index / 3 + 1) as u8, (index % 3) as u8]);
        }
        assert_eq!(whole(&world, id, "audio").len(), 20);
    }
    assert_eq!(world.events, [StreamEvent::Started { stream: stream() }]);
    let stats = world.stats();
    let counted = &stats.streams[&stream()];
    assert_eq!((counted.viewers, counted.mirrors), (2, 1));
    assert_eq!((counted.counters.joins, counted.counters.replays), (2, 2));
    assert_eq!(counted.counters.plis_out, 0);
    assert_eq!(counted.counters.packets_in, 40 * 4, "counted once");
    assert_eq!(stats.sessions, 3);
    assert_eq!(counted.codecs, ["opus", "VP8"]);
}

#[test]
fn every_mirror_gets_the_very_packets_of_the_home() {
    let mut world = world();
    let mut camera = publisher(&mut world);
    camera.film(&mut world, 2);
    viewer_at(&mut world, 1);
    viewer_at(&mut world, 2);
    camera.shoot(&mut world, false);
    let newest = |world: &mut World, worker: usize| {
        let stream = &world.core_at(worker).streams[&stream()];
        let ring = &stream.tracks[1].as_ref().unwrap().layers[0].ring;
        ring.get(ring.head() - 1).unwrap().clone()
    };
    let home = newest(&mut world, 0);
    for worker in [1, 2] {
        let mirrored = newest(&mut world, worker);
        assert!(std::sync::Arc::ptr_eq(&home, &mirrored), "not a copy");
    }
}

#[test]
fn what_comes_late_or_is_missed_comes_again_away_from_home_too() {
    let mut world = world();
    let mut camera = publisher(&mut world);
    camera.film(&mut world, 2);
    let away = viewer_at(&mut world, 2);
    let mut packets = camera.picture(false);
    let late = packets.remove(1);
    for packet in &packets {
        world.send(camera.id, packet);
    }
    world.exchange();
    world.run(Duration::from_millis(50));
    assert_eq!(world.peers[away].track("video").len(), 3 * 3 - 1);
    world.send(camera.id, &late);
    world.exchange();
    assert_eq!(whole(&world, away, "video").len(), 3 * 3);

    let ssrcs = world.peers[away].ssrcs("video");
    let lost = world.peers[away].track("video")[2].0.sequence;
    world.send_rtcp(away, Compound::default().nack(9, ssrcs[0], &[lost]));
    world.exchange();
    assert_eq!(world.peers[away].media[&ssrcs[1]].len(), 1);
}

#[test]
fn a_hole_that_stays_leads_no_joiner_astray() {
    let mut world = world();
    let mut camera = publisher(&mut world);
    camera.film(&mut world, 2);
    viewer_at(&mut world, 1);
    for (part, packet) in camera.picture(false).iter().enumerate() {
        if part != 1 {
            world.send(camera.id, packet);
        }
    }
    world.exchange();
    world.run(Duration::from_secs(2));
    let before = world.stats().total;
    let joiner = viewer_at(&mut world, 1);
    assert_eq!(world.stats().total.replays, before.replays);
    assert!(keyframe_requests(&world, camera.id) > before.plis_out as usize);
    camera.film(&mut world, 2);
    assert_eq!(whole(&world, joiner, "video").len(), 2 * 3);
}

#[test]
fn a_returning_publisher_goes_on_at_the_mirrors() {
    let mut world = world();
    let mut camera = publisher(&mut world);
    camera.film(&mut world, 10);
    let away = viewer_at(&mut world, 1);
    let mut camera = publisher(&mut world);
    camera.film(&mut world, 10);
    let video = whole(&world, away, "video");
    assert_eq!(video.len(), 20 * 3);
    assert!(!world.peers[away].closed);
    assert_eq!(world.events, [StreamEvent::Started { stream: stream() }]);
    assert_eq!(world.stats().total.takeovers, 1);
}

#[test]
fn a_publisher_that_returns_with_another_codec_sends_all_viewers_to_rejoin() {
    let mut world = world();
    let mut camera = publisher(&mut world);
    camera.film(&mut world, 2);
    let (home, away) = (viewer(&mut world), viewer_at(&mut world, 1));
    let id = world.publish("H264");
    world.connected(id);
    assert!(world.peers[home].closed && world.peers[away].closed);
    assert_eq!(world.stats().sessions, 1);
}

#[test]
fn viewers_of_all_workers_together_cost_the_publisher_two_keyframe_requests_a_second() {
    let mut world = world();
    let mut camera = publisher(&mut world);
    camera.film(&mut world, 2);
    let viewers: Vec<Id> = (0..9).map(|n| viewer_at(&mut world, n % 3)).collect();
    let before = keyframe_requests(&world, camera.id);
    for _ in 0..30 {
        for viewer in &viewers {
            let ssrc = world.peers[*viewer].ssrcs("video")[0];
            world.send_rtcp(*viewer, Compound::default().pli(9, ssrc));
        }
        camera.shoot(&mut world, false);
    }
    let asked = keyframe_requests(&world, camera.id) - before;
    assert!((2..=3).contains(&asked), "in a second: {asked}");
    assert_eq!(world.stats().total.plis_in, 9 * 30);
    assert_eq!(world.stats().total.plis_out as usize, before + asked);
}

#[test]
fn ending_a_stream_ends_it_everywhere() {
    let mut world = world();
    let mut camera = publisher(&mut world);
    camera.film(&mut world, 2);
    let (home, away) = (viewer(&mut world), viewer_at(&mut world, 1));
    let now = world.now;
    for worker in 0..3 {
        world.core_at(worker).end_stream(now, &stream());
    }
    world.exchange();
    for id in [camera.id, home, away] {
        assert!(world.peers[id].closed);
    }
    assert_eq!(world.events[1..], [StreamEvent::Idle { stream: stream() }]);
    world.run(Duration::from_millis(300));
    assert_empty(&mut world);
}

#[test]
fn a_mirror_goes_with_its_last_viewer_and_comes_with_the_next() {
    let mut world = world();
    let mut camera = publisher(&mut world);
    camera.film(&mut world, 2);
    for round in 1..=2 {
        let away = viewer_at(&mut world, 1);
        camera.film(&mut world, 2);
        let shown = whole(&world, away, "video").len();
        assert!(shown >= 2 * 3, "{shown}");
        assert_eq!(world.stats().streams[&stream()].mirrors, 1);
        let (now, session) = (world.now, world.peers[away].answer.session.clone());
        assert!(world.core_at(1).end(now, &session));
        world.run(Duration::from_millis(300));
        assert_eq!(world.stats().streams[&stream()].mirrors, 0);
        assert!(world.core_at(1).streams.is_empty());
        let joins = world.stats().streams[&stream()].counters.joins;
        assert_eq!(joins, round, "what it counted stays with the stream");
        assert_eq!(world.core_at(1).poll_timeout(), None);
    }
    let now = world.now;
    world.core.end_all(now);
    world.run(Duration::from_millis(300));
    assert_empty(&mut world);
}

#[test]
fn the_viewers_of_a_silent_publisher_wait_a_minute_wherever_they_are() {
    let mut world = world();
    let mut camera = publisher(&mut world);
    camera.film(&mut world, 2);
    let away = viewer_at(&mut world, 1);
    world.peers[camera.id].consents = false;
    world.run(Duration::from_secs(7));
    assert_eq!(world.events[1..], [StreamEvent::Idle { stream: stream() }]);
    assert_eq!(world.play_at(1).unwrap_err(), OfferError::NotLive);
    assert_eq!(world.play_at(2).unwrap_err(), OfferError::NotLive);
    world.run(Duration::from_secs(50));
    assert!(!world.peers[away].closed);
    world.run(Duration::from_secs(12));
    assert!(world.peers[away].closed);
    assert_empty(&mut world);
}

#[test]
fn viewers_that_wait_elsewhere_keep_the_numbers_for_the_publisher_that_returns() {
    let mut world = world();
    let mut camera = publisher(&mut world);
    camera.film(&mut world, 10);
    let away = viewer_at(&mut world, 1);
    let (now, session) = (world.now, world.peers[camera.id].answer.session.clone());
    assert!(world.core.end(now, &session));
    world.run(Duration::from_secs(20));
    let mut camera = publisher(&mut world);
    camera.film(&mut world, 10);
    assert_eq!(whole(&world, away, "video").len(), 20 * 3);
    let started = StreamEvent::Started { stream: stream() };
    let idle = StreamEvent::Idle { stream: stream() };
    assert_eq!(world.events, [started.clone(), idle, started]);
}

#[test]
fn a_publisher_may_come_to_where_a_mirror_has_just_been() {
    let mut world = world();
    let mut camera = publisher(&mut world);
    camera.film(&mut world, 2);
    let away = viewer_at(&mut world, 1);
    let now = world.now;
    // Everybody goes, and before the workers have told each other the next publisher is there.
    for worker in 0..3 {
        world.core_at(worker).end_stream(now, &stream());
    }
    assert!(world.core_at(1).streams[&stream()].home.is_some());
    let id = world.connect_at(1, "sendonly", "VP8", Manner::default());
    let id = world.connected(id);
    assert!(world.peers[away].closed);
    let mut camera = Camera::new(id);
    camera.film(&mut world, 10);
    let started = StreamEvent::Started { stream: stream() };
    let idle = StreamEvent::Idle { stream: stream() };
    assert_eq!(world.events, [started.clone(), idle, started]);
    let viewer = world.connect_at(1, "recvonly", "VP8", Manner::default());
    let viewer = world.connected(viewer);
    camera.shoot(&mut world, false);
    assert_eq!(whole(&world, viewer, "video").len(), 11 * 3);
    assert!(world.core.streams.is_empty(), "the older home is gone");
}

#[test]
fn sender_reports_carry_the_publishers_clock_on_away_from_home() {
    let mut world = world();
    let mut camera = publisher(&mut world);
    camera.film(&mut world, 2);
    let viewers = [viewer(&mut world), viewer_at(&mut world, 1)];
    let report = (0x1234_5678_0000_0000, camera.timestamp);
    let report = Compound::default().sender_report(2, report, (1, 1));
    world.send_rtcp(camera.id, report);
    world.run(Duration::from_secs(3));
    // Which timestamp the publisher's clock would have shown at a fixed moment.
    let offsets = viewers.map(|viewer| {
        let ssrc = world.peers[viewer].ssrcs("video")[0];
        let feedback = world.peers[viewer].feedback.iter();
        let mut reports = feedback.filter_map(|message| match message {
            Message::SenderReport { ssrc: of, ntp, rtp } if *of == ssrc => Some((*ntp, *rtp)),
            _ => None,
        });
        let (ntp, rtp) = reports.next_back().expect("a report");
        let elapsed = (ntp - 0x1234_5678_0000_0000) as f64 / f64::from(u32::MAX);
        f64::from(rtp.wrapping_sub(camera.timestamp)) - elapsed * 90_000.0
    });
    assert!(offsets.iter().all(|ticks| ticks.abs() < 2.0), "{offsets:?}");
}

#[test]
fn a_mirror_that_was_too_busy_for_too_long_goes_on_with_the_next_keyframe() {
    let mut world = world();
    let mut camera = publisher(&mut world);
    camera.film(&mut world, 2);
    let away = viewer_at(&mut world, 1);
    let (now, mut held) = (world.now, Vec::new());
    for _ in 0..1500 {
        for packet in camera.picture(false) {
            world.send(camera.id, &packet);
            world.core.flush(now);
            held.extend(world.core.take_letters());
        }
    }
    for letter in held {
        world.core_at(1).handle_letter(now, letter);
    }
    camera.shoot(&mut world, false);
    let joiner = viewer_at(&mut world, 1);
    for _ in 0..30 {
        camera.shoot(&mut world, false);
    }
    assert!(world.peers[joiner].track("video").is_empty());
    assert!(keyframe_requests(&world, camera.id) > 0);
    camera.shoot(&mut world, true);
    for viewer in [away, joiner] {
        let newest = world.peers[viewer].track("video").last().unwrap();
        assert_eq!(newest.1[..3], [0, 0, camera.pictures as u8]);
    }
}

#[test]
fn a_mirror_that_is_too_busy_is_told_later_and_never_piles_up_updates() {
    let mut world = world();
    let mut camera = publisher(&mut world);
    camera.film(&mut world, 2);
    let away = viewer_at(&mut world, 1);
    let (now, mut held) = (world.now, Vec::new());
    for _ in 0..100 {
        for packet in camera.picture(false) {
            world.send(camera.id, &packet);
            world.core.flush(now);
            held.extend(world.core.take_letters());
        }
    }
    assert!(held.len() <= 64, "{}", held.len());
    assert!(
        held.iter()
            .all(|letter| matches!(letter.relay, Relay::Update(_)))
    );
    assert_eq!(world.peers[away].track("video").len(), 2 * 3);
    for letter in held {
        world.core_at(1).handle_letter(now, letter);
    }
    camera.shoot(&mut world, false);
    assert_eq!(whole(&world, away, "video").len(), 103 * 3);
}
