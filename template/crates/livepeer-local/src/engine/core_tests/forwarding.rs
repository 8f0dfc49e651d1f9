//! What a publisher sends, viewers get.

use std::time::Duration;

use super::*;

#[test]
fn a_viewer_gets_what_the_publisher_sends_in_its_own_numbers() {
    let mut world = world();
    let mut camera = publisher(&mut world);
    camera.film(&mut world, 3);
    let viewer = viewer(&mut world);
    camera.film(&mut world, 20);

    let video = whole(&world, viewer, "video");
    assert_eq!(video.len(), 23 * 3);
    for (index, payload) in video.iter().enumerate() {
        assert_eq!(payload[2..], [(index / 3 + 1) as u8, (index % 3) as u8]);
    }
    assert_eq!(whole(&world, viewer, "audio").len(), 20);
    let (last, _) = world.peers[viewer].track("video").last().unwrap();
    assert_eq!(last.payload_type, 96);
    assert!(last.marker);
    assert_eq!(world.events, [StreamEvent::Started { stream: stream() }]);
}

#[test]
fn a_joiner_is_shown_the_pictures_since_the_keyframe_squeezed_in_time() {
    let mut world = world();
    let mut camera = publisher(&mut world);
    camera.film(&mut world, 60);
    let viewer = viewer(&mut world);
    camera.shoot(&mut world, false);

    let packets = world.peers[viewer].track("video").to_vec();
    assert_eq!(whole(&world, viewer, "video").len(), 61 * 3);
    let age = |index: usize| {
        let newest = packets[60 * 3].0.timestamp;
        newest.wrapping_sub(packets[index].0.timestamp)
    };
    assert_eq!(age(59 * 3), 2970, "the live edge is where it was");
    assert!(
        age(0) < 2970 + 60 * 2970 / 30,
        "two seconds look like a tenth of one: {}",
        age(0)
    );
    assert!(
        (0..60).all(|n| age(n * 3) > age(n * 3 + 3)),
        "and no two pictures coincide"
    );
    assert_eq!(
        world.core.stats().total.plis_out,
        0,
        "nobody had to be asked"
    );
}

#[test]
fn without_a_whole_keyframe_one_is_asked_for_at_once_and_then_twice_a_second() {
    let mut world = world();
    let mut camera = publisher(&mut world);
    // The keyframe's beginning never arrived, and there is no gap to see before it.
    for packet in &camera.picture(true)[1..] {
        world.send(camera.id, packet);
    }
    for _ in 0..5 {
        camera.shoot(&mut world, false);
    }
    let viewer = viewer(&mut world);
    let asked = |world: &World| {
        let asked = world.peers[0].feedback.iter();
        asked
            .filter(|message| **message == Message::KeyframeRequest { ssrc: 2 })
            .count()
    };
    assert_eq!(asked(&world), 1, "at once");
    for _ in 0..60 {
        camera.shoot(&mut world, false);
    }
    assert!(
        (4..=6).contains(&asked(&world)),
        "in two seconds: {}",
        asked(&world)
    );
    assert_eq!(world.peers[viewer].track("video").len(), 0);
    let before = camera.pictures;
    camera.film(&mut world, 2);
    let first = whole(&world, viewer, "video")[0].clone();
    assert_eq!(first[2], (before + 1) as u8, "begins with the keyframe");
}

#[test]
fn a_viewer_that_no_keyframe_comes_for_is_sent_what_there_is() {
    let mut world = world();
    let mut camera = publisher(&mut world);
    camera.shoot(&mut world, false);
    let viewer = viewer(&mut world);
    for _ in 0..150 {
        camera.shoot(&mut world, false);
    }
    assert!(!world.peers[viewer].track("video").is_empty());
}

#[test]
fn many_joiners_cost_the_publisher_two_requests_a_second() {
    let mut world = world();
    let mut camera = publisher(&mut world);
    camera.shoot(&mut world, false);
    for _ in 0..10 {
        viewer(&mut world);
        camera.shoot(&mut world, false);
    }
    // Ten joins took half a second.
    assert!(
        world.core.stats().total.plis_out <= 2,
        "{}",
        world.core.stats().total.plis_out
    );
}

#[test]
fn sender_reports_carry_the_publishers_clock_on() {
    let mut world = world();
    let mut camera = publisher(&mut world);
    camera.film(&mut world, 2);
    let viewer = viewer(&mut world);
    let ntp = 0x1234_5678_0000_0000;
    let report = (ntp, camera.timestamp);
    world.send_rtcp(
        camera.id,
        Compound::default().sender_report(2, report, (1, 1)),
    );
    world.run(Duration::from_secs(3));
    let ssrc = world.peers[viewer].ssrcs("video")[0];
    let reports: Vec<(u64, u32)> = world.peers[viewer]
        .feedback
        .iter()
        .filter_map(|message| match message {
            Message::SenderReport { ssrc: of, ntp, rtp } if *of == ssrc => Some((*ntp, *rtp)),
            _ => None,
        })
        .collect();
    assert!(
        (3..=5).contains(&reports.len()),
        "about one a second: {}",
        reports.len()
    );
    for (at, timestamp) in reports {
        let seconds = (at - ntp) as f64 / f64::from(u32::MAX);
        let ticks = f64::from(timestamp.wrapping_sub(camera.timestamp));
        assert!(
            (ticks - seconds * 90_000.0).abs() < 100.0,
            "{seconds} s, {ticks} ticks"
        );
    }
}

#[test]
fn a_joiner_is_not_led_through_a_past_that_takes_long_to_decode() {
    let mut world = world();
    let mut camera = publisher(&mut world);
    camera.film(&mut world, 140);
    let early = viewer(&mut world);
    assert_eq!(world.core.stats().total.replays, 1);
    for _ in 0..20 {
        camera.shoot(&mut world, false);
    }
    let late = viewer(&mut world);
    assert_eq!(
        world.core.stats().total.plis_out,
        1,
        "a keyframe is asked for"
    );
    camera.film(&mut world, 2);
    assert_eq!(whole(&world, late, "video").len(), 2 * 3);
    assert_eq!(whole(&world, early, "video").len(), 162 * 3);
}

#[test]
fn the_first_viewers_packets_do_not_wait_until_those_of_the_last_are_made() {
    let mut world = world();
    let mut camera = publisher(&mut world);
    camera.film(&mut world, 2);
    let viewers: Vec<Id> = (0..6).map(|_| viewer(&mut world)).collect();
    camera.shoot(&mut world, false);
    let video = |world: &World, id: Id| world.peers[id].track("video").len();
    let before: Vec<usize> = viewers.iter().map(|id| video(&world, *id)).collect();

    for _ in 0..14 {
        for mut packet in camera.picture(false) {
            packet.payload.resize(1000, 0);
            world.send(camera.id, &packet);
        }
    }
    let now = world.now;
    world.core.flush(now);
    let first = world.core.outbox().runs(1).count();
    assert!((42..5 * 42).contains(&first), "{first}");
    assert!(world.core.is_halfway());
    assert_eq!(world.core.poll_timeout(), Some(now), "the others are next");

    world.exchange();
    assert!(!world.core.is_halfway());
    for (id, before) in viewers.into_iter().zip(before) {
        assert_eq!(video(&world, id), before + 42, "each packet once");
        whole(&world, id, "video");
    }
}
