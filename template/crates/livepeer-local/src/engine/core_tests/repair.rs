//! What is lost comes again, within limits.

use std::time::Duration;

use super::*;

#[test]
fn what_a_viewer_misses_comes_again_as_rtx() {
    let mut world = world();
    let mut camera = publisher(&mut world);
    camera.film(&mut world, 2);
    let viewer = viewer(&mut world);
    camera.film(&mut world, 4);

    let ssrcs = world.peers[viewer].ssrcs("video");
    let packets = world.peers[viewer].track("video").to_vec();
    let (lost, payload) = &packets[5];
    world.send_rtcp(
        viewer,
        Compound::default().nack(9, ssrcs[0], &[lost.sequence]),
    );
    world.exchange();
    let again = &world.peers[viewer].media[&ssrcs[1]];
    assert_eq!(again.len(), 1);
    assert_eq!(again[0].0.payload_type, 97);
    assert_eq!(again[0].0.timestamp, lost.timestamp);
    assert_eq!(
        again[0].1,
        [&lost.sequence.to_be_bytes()[..], payload].concat()
    );

    // Numbers that were never sent bring nothing.
    let unknown = packets[0].0.sequence.wrapping_sub(1);
    world.send_rtcp(viewer, Compound::default().nack(9, ssrcs[0], &[unknown]));
    world.exchange();
    assert_eq!(world.peers[viewer].media[&ssrcs[1]].len(), 1);
    let counters = world.core.stats().total;
    assert_eq!((counters.nacks_in, counters.retransmissions), (2, 1));
}

#[test]
fn a_viewer_cannot_ask_without_end() {
    let mut world = world();
    let mut camera = publisher(&mut world);
    camera.film(&mut world, 20);
    let viewer = viewer(&mut world);
    camera.film(&mut world, 1);
    let ssrc = world.peers[viewer].ssrcs("video")[0];
    let first = world.peers[viewer].track("video")[0].0.sequence;
    let all: Vec<u16> = (0..60).map(|offset| first.wrapping_add(offset)).collect();
    for _ in 0..100 {
        world.send_rtcp(viewer, Compound::default().nack(9, ssrc, &all));
    }
    let again = world.core.stats().total.retransmissions;
    assert_eq!(again, 60, "each once while it is under way");
    for _ in 0..2000 {
        world.send_rtcp(viewer, Compound::default().nack(9, ssrc, &all));
        world.run(Duration::from_millis(1));
    }
    let total = world.core.stats().total;
    assert!(
        (1200..=1500).contains(&total.retransmissions),
        "no more than 500 a second: {}",
        total.retransmissions
    );
    assert!(total.nacks_refused > 0);
}

#[test]
fn what_the_publisher_loses_is_asked_for_until_it_comes() {
    let mut world = world();
    let mut camera = publisher(&mut world);
    camera.film(&mut world, 2);
    let viewer = viewer(&mut world);
    let mut packets = camera.picture(false);
    let late = packets.remove(1);
    for packet in &packets {
        world.send(camera.id, packet);
    }
    world.exchange();
    let asked = |world: &World| {
        let messages = world.peers[0].feedback.iter();
        let nacks = messages.filter_map(|message| match message {
            Message::Nack { ssrc: 2, sequences } => Some(sequences.clone()),
            _ => None,
        });
        nacks.collect::<Vec<_>>()
    };
    assert_eq!(asked(&world), [[late.sequence]], "at once");
    world.run(Duration::from_millis(100));
    assert_eq!(asked(&world).len(), 3, "and every 40 ms");
    world.send(camera.id, &late);
    world.run(Duration::from_millis(100));
    assert_eq!(asked(&world).len(), 3, "no longer");
    camera.shoot(&mut world, false);
    assert_eq!(
        whole(&world, viewer, "video").len(),
        4 * 3,
        "the late one was sent on"
    );
}

#[test]
fn a_lost_packet_is_given_up_and_no_joiner_is_led_into_the_hole() {
    let mut world = world();
    let mut camera = publisher(&mut world);
    camera.film(&mut world, 2);
    for (part, packet) in camera.picture(false).iter().enumerate() {
        if part != 1 {
            world.send(camera.id, packet);
        }
    }
    world.exchange();
    world.run(Duration::from_secs(2));
    let total = world.core.stats().total;
    assert_eq!(
        (total.nacks_out, total.plis_out),
        (10, 1),
        "then a keyframe is the only mend"
    );
    viewer(&mut world);
    let total = world.core.stats().total;
    assert_eq!((total.replays, total.plis_out), (0, 2));
}

#[test]
fn after_an_outage_too_long_for_repeats_a_keyframe_is_asked_for() {
    let mut world = world();
    let mut camera = publisher(&mut world);
    camera.film(&mut world, 2);
    let viewer = viewer(&mut world);
    let before = world.core.stats().total;
    camera.sequence = camera.sequence.wrapping_add(5000);
    camera.shoot(&mut world, false);
    let total = world.core.stats().total;
    assert_eq!(total.nacks_out, before.nacks_out, "nobody keeps that many");
    assert_eq!(total.plis_out, before.plis_out + 1);
    // The viewer's numbers have no gap, so its decoder could not know.
    assert_eq!(whole(&world, viewer, "video").len(), 3 * 3);

    self::viewer(&mut world);
    assert_eq!(
        world.core.stats().total.replays,
        total.replays,
        "no joiner is led over the outage"
    );
}

#[test]
fn both_ways_lose_packets_and_the_picture_stays_whole() {
    let mut world = world();
    let mut camera = publisher(&mut world);
    camera.film(&mut world, 2);
    let viewer = viewer(&mut world);
    let mut count = 0;
    world.loss = Box::new(move |_, _, datagram| {
        let is_media = (128..192).contains(&datagram[0]) && !crate::engine::rtcp::is_rtcp(datagram);
        count += u32::from(is_media);
        is_media && count % 11 == 0
    });
    let mut sent = Vec::new();
    for _ in 0..60 {
        let packets = camera.picture(false);
        for packet in &packets {
            world.send(camera.id, packet);
        }
        sent.extend(packets);
        world.run(PICTURE);
        // The publisher and the viewer do what browsers do: repeat, and ask for repetition.
        for message in std::mem::take(&mut world.peers[camera.id].feedback) {
            if let Message::Nack { sequences, .. } = message {
                for packet in sent.iter().filter(|p| sequences.contains(&p.sequence)) {
                    world.send(camera.id, &packet.clone());
                }
            }
        }
    }
    world.run(Duration::from_secs(1));
    let ssrcs = world.peers[viewer].ssrcs("video");
    for _ in 0..5 {
        let track = world.peers[viewer].track("video");
        let first = track[0].0.sequence;
        let repeated = world.peers[viewer].media.get(&ssrcs[1]);
        let repeated = repeated
            .into_iter()
            .flatten()
            .map(|(_, payload)| u16::from_be_bytes([payload[0], payload[1]]));
        let got: Vec<u16> = track
            .iter()
            .map(|(header, _)| header.sequence)
            .chain(repeated)
            .collect();
        let missing: Vec<u16> = (0..62 * 3)
            .map(|n| first.wrapping_add(n))
            .filter(|s| !got.contains(s))
            .collect();
        if missing.is_empty() {
            return;
        }
        world.send_rtcp(viewer, Compound::default().nack(9, ssrcs[0], &missing));
        world.run(Duration::from_millis(50));
    }
    panic!("packets are still missing");
}
