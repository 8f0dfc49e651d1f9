//! What strangers and hostile peers cannot do.

use std::net::SocketAddr;
use std::time::Duration;

use super::*;
use crate::engine::outbox::{Path, TransportAddress};

fn end(address: SocketAddr) -> TransportAddress {
    Path::udp(address, None).remote_end()
}

/// Sends a Binding request of a peer's, authentic, as if it came from another address.
fn check_as(world: &mut World, id: Id, address: SocketAddr) {
    let own = std::mem::replace(&mut world.peers[id].address, address);
    world.check(id, true);
    world.peers[id].address = own;
}

fn videos(world: &World, id: Id) -> usize {
    world.peers[id].track("video").len()
}

#[test]
fn nobody_takes_over_the_address_of_a_session_that_is_at_work() {
    let mut world = world();
    let mut camera = publisher(&mut world);
    camera.film(&mut world, 2);
    let (victim, thief) = (viewer(&mut world), viewer(&mut world));
    let (theirs, own) = (world.peers[victim].address, world.peers[thief].address);
    let before = world.core.stats().drops.stun_taken;

    // The publisher's address: its media would count for the thief's session, and be dropped.
    let publisher = world.peers[camera.id].address;
    check_as(&mut world, thief, publisher);
    check_as(&mut world, thief, theirs);
    world.exchange();
    assert_eq!(world.core.stats().drops.stun_taken, before + 2);
    assert_ne!(
        world.core.by_address[&end(theirs)],
        world.core.by_address[&end(own)]
    );
    let (one, other) = (videos(&world, victim), videos(&world, thief));
    camera.film(&mut world, 3);
    assert_eq!(videos(&world, victim), one + 9);
    assert_eq!(videos(&world, thief), other + 9, "nor does it lose its own");
}

#[test]
fn an_address_that_its_session_is_silent_on_may_be_anothers_soon() {
    let mut world = world();
    let mut camera = publisher(&mut world);
    camera.film(&mut world, 2);
    let (gone, next) = (viewer(&mut world), viewer(&mut world));
    world.peers[gone].consents = false; // its tab was closed, and its port is somebody else's now
    for _ in 0..250 {
        camera.shoot(&mut world, false);
    }
    let address = world.peers[gone].address;
    check_as(&mut world, next, address);
    let own = world.peers[next].address;
    assert_eq!(
        world.core.by_address[&end(address)],
        world.core.by_address[&end(own)]
    );
    assert_eq!(world.core.stats().drops.stun_taken, 0);
}

#[test]
fn forged_checks_are_soon_not_looked_at_and_cost_the_peer_nothing() {
    let mut world = world();
    let mut camera = publisher(&mut world);
    camera.film(&mut world, 2);
    let viewer = viewer(&mut world);
    let stranger = Path::udp("203.0.113.5:1".parse().unwrap(), None);
    let answer = world.peers[viewer].answer.clone();
    let forged = {
        let peer = &mut world.peers[viewer];
        let right = peer.answer.sdp.find("a=ice-pwd:").unwrap() + "a=ice-pwd:".len();
        peer.answer.sdp.replace_range(right..right + 4, "????");
        world.request(viewer, true)
    };
    world.peers[viewer].answer = answer;
    for _ in 0..1000 {
        world.core.handle_datagram(world.now, stranger, &forged);
    }
    let drops = world.core.stats().drops;
    assert_eq!((drops.stun_integrity, drops.stun_forged), (50, 950));
    assert!(world.core.outbox().runs(1).next().is_none(), "no answer");

    let answers = world.peers[viewer].stun_answers;
    world.check(viewer, true);
    world.exchange();
    assert_eq!(world.peers[viewer].stun_answers, answers + 1);
    // From a new address it has to wait a second.
    let elsewhere = "198.51.100.9:9999".parse().unwrap();
    check_as(&mut world, viewer, elsewhere);
    assert!(!world.core.by_address.contains_key(&end(elsewhere)));
    world.run(Duration::from_secs(1));
    check_as(&mut world, viewer, elsewhere);
    assert!(world.core.by_address.contains_key(&end(elsewhere)));
}

#[test]
fn junk_in_front_of_a_handshake_does_not_end_it() {
    let mut world = world();
    let id = world.publish("VP8").unwrap();
    world.check(id, true);
    for junk in [
        &[22, 254, 253, 0, 0, 0, 0, 0, 0, 0, 0, 0, 5, 1, 2, 3, 4, 5][..],
        &[21, 254, 253, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 2, 40],
        &[23; 300],
        &[20],
        &vec![22; 5000],
    ] {
        world.reach_engine(id, junk);
    }
    assert_eq!(world.core.stats().drops.dtls, 5);
    let mut camera = Camera::new(world.connected(Ok(id)));
    camera.film(&mut world, 1);
    viewer(&mut world);
}

#[test]
fn a_flood_of_handshake_packets_is_not_kept() {
    let mut world = world();
    let mut camera = publisher(&mut world);
    camera.film(&mut world, 2);
    let hostile = viewer(&mut world);
    // Empty fragments of messages that never become whole, in the clear, as anybody could send them who makes up the address.
    let mut flood = vec![22, 254, 253, 0, 0, 0, 0, 0, 0, 0, 99, 0, 120];
    for message in 0..10 {
        flood.extend_from_slice(&[11, 0, 8, 0, 0, 200 + message, 0, 0, 0, 0, 0, 0]);
    }
    for number in 0..2000u16 {
        flood[9..11].copy_from_slice(&(number + 500).to_be_bytes());
        world.reach_engine(hostile, &flood);
        world.core.outbox().clear();
    }
    let refused = world.core.stats().drops.dtls;
    assert!((1870..2000).contains(&refused), "{refused}");
    let before = videos(&world, hostile);
    camera.film(&mut world, 2);
    assert_eq!(videos(&world, hostile), before + 6, "its media go on");
}

#[test]
fn a_publisher_that_consents_and_never_sends_is_ended() {
    let mut world = World::new(EngineConfig {
        media_deadline: Duration::from_secs(20),
        ..EngineConfig::default()
    });
    let id = world.publish("VP8");
    let id = world.connected(id);
    world.run(Duration::from_secs(19));
    assert_eq!(world.core.stats().sessions, 1);
    world.run(Duration::from_secs(2));
    assert_eq!(world.core.stats().sessions, 0);
    assert!(world.peers[id].closed, "and is told so");
}

#[test]
fn a_publisher_that_stops_sending_is_ended_and_its_viewers_after_their_wait() {
    let mut world = World::new(EngineConfig {
        media_deadline: Duration::from_secs(20),
        viewer_hold: Duration::from_secs(10),
        ..EngineConfig::default()
    });
    let mut camera = publisher(&mut world);
    camera.film(&mut world, 2);
    let viewer = viewer(&mut world);
    world.run(Duration::from_secs(22));
    assert_eq!(world.events[1], StreamEvent::Idle { stream: stream() });
    assert!(world.peers[camera.id].closed && !world.peers[viewer].closed);
    world.run(Duration::from_secs(10));
    assert!(world.peers[viewer].closed);
    assert!(world.core.stats().streams.is_empty());
}

#[test]
fn a_thousand_abandoned_offers_leave_nothing_behind() {
    let mut world = world();
    let mut camera = publisher(&mut world);
    camera.film(&mut world, 2);
    let fixed = (world.core.by_address.len(), world.core.by_ufrag.len());
    for number in 0..1000 {
        let id = world.play().unwrap();
        world.peers[id].consents = false;
        match number % 4 {
            // Never heard of again, or only a check, or half a handshake.
            0 | 1 => {}
            2 => world.check(id, true),
            _ => {
                world.check(id, true);
                world.reach_engine(id, &[22, 254, 253, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1]);
            }
        }
    }
    world.core.outbox().clear();
    assert_eq!(world.core.stats().sessions, 1001);
    world.peers.truncate(1);
    for _ in 0..320 {
        camera.shoot(&mut world, false);
    }
    let core = &world.core;
    assert_eq!((core.by_address.len(), core.by_ufrag.len()), fixed);
    assert_eq!((core.sessions.len(), core.by_id.len()), (1, 1));
    assert_eq!(core.streams[&stream()].viewers.len(), 0);
    world.core.end_stream(world.now, &stream());
    assert!(world.core.streams.is_empty() && world.core.by_address.is_empty());
    assert!(world.core.sessions.is_empty() && world.core.by_id.is_empty());
}
