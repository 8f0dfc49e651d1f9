//! Peers that reach the engine over TCP connections, which can close.

use super::*;
use crate::engine::outbox::Carrier;

/// A viewer over the connection of this number.
fn viewer_over_tcp(world: &mut World, connection: u64) -> Id {
    let id = world.play().unwrap();
    world.peers[id].carrier = Carrier::Tcp(connection);
    world.connected(Ok(id))
}

fn pictures(world: &World, id: Id) -> usize {
    world.peers[id].track("video").len()
}

#[test]
fn media_flow_over_a_connection_as_over_udp() {
    let mut world = world();
    let id = world.publish("VP8").unwrap();
    world.peers[id].carrier = Carrier::Tcp(1);
    let mut camera = Camera::new(world.connected(Ok(id)));
    camera.film(&mut world, 2);
    let viewer = viewer_over_tcp(&mut world, 2);
    camera.film(&mut world, 3);
    assert_eq!(whole(&world, viewer, "video").len(), 15);
}

#[test]
fn an_address_that_is_proven_over_tcp_is_a_stranger_over_udp_and_on_another_connection() {
    let mut world = world();
    let mut camera = publisher(&mut world);
    camera.film(&mut world, 1);
    let viewer = viewer_over_tcp(&mut world, 7);
    let before = world.core.stats().drops.unknown_address;
    for carrier in [Carrier::Udp, Carrier::Tcp(8)] {
        world.peers[viewer].carrier = carrier;
        world.send_rtcp(viewer, Compound::feedback(9, true).pli(9, 9));
    }
    assert_eq!(world.core.stats().drops.unknown_address, before + 2);
    world.peers[viewer].carrier = Carrier::Tcp(7);
    let before = pictures(&world, viewer);
    camera.shoot(&mut world, false);
    assert_eq!(pictures(&world, viewer), before + 3, "nothing has moved");
}

#[test]
fn a_closed_connection_ends_its_session_in_ten_seconds() {
    let mut world = world();
    let mut camera = publisher(&mut world);
    camera.film(&mut world, 1);
    let viewer = viewer_over_tcp(&mut world, 1);
    world.peers[viewer].consents = false;
    let path = world.path(viewer);
    world.core.handle_disconnect(world.now, path);
    world.run(Duration::from_millis(9_800));
    assert_eq!(world.core.stats().sessions, 2, "it may come back");
    world.run(Duration::from_millis(400));
    assert_eq!(world.core.stats().sessions, 1);
    world.core.handle_disconnect(world.now, path);
}

#[test]
fn a_browser_that_connects_again_goes_on_watching() {
    let mut world = world();
    let mut camera = publisher(&mut world);
    camera.film(&mut world, 1);
    let viewer = viewer_over_tcp(&mut world, 1);
    let path = world.path(viewer);
    world.core.handle_disconnect(world.now, path);
    world.peers[viewer].consents = false;
    world.run(Duration::from_secs(3));
    world.peers[viewer].consents = true;
    world.peers[viewer].address = "198.51.100.1:6000".parse().unwrap();
    world.peers[viewer].carrier = Carrier::Tcp(2);
    world.check(viewer, true);
    world.run(Duration::from_secs(20));
    assert_eq!(world.core.stats().sessions, 2);
    let before = pictures(&world, viewer);
    camera.film(&mut world, 2);
    assert!(pictures(&world, viewer) >= before + 6);
}

#[test]
fn what_went_over_a_closed_connection_goes_over_another_path_that_is_proven() {
    let mut world = world();
    let mut camera = publisher(&mut world);
    camera.film(&mut world, 1);
    let viewer = viewer_over_tcp(&mut world, 1);
    let tcp = world.path(viewer);
    world.peers[viewer].consents = false;
    world.peers[viewer].carrier = Carrier::Udp;
    world.check(viewer, false);
    world.exchange();
    let before = pictures(&world, viewer);
    camera.shoot(&mut world, false);
    assert_eq!(
        pictures(&world, viewer),
        before,
        "it did not choose that one"
    );

    world.core.handle_disconnect(world.now, tcp);
    camera.shoot(&mut world, false);
    assert_eq!(pictures(&world, viewer), before + 3);
    world.run(Duration::from_secs(12));
    assert_eq!(world.core.stats().sessions, 2);
}

#[test]
fn the_end_of_a_session_hangs_up_its_connections_and_no_other() {
    let mut world = world();
    let mut camera = publisher(&mut world);
    camera.film(&mut world, 1);
    let (one, _other) = (
        viewer_over_tcp(&mut world, 1),
        viewer_over_tcp(&mut world, 2),
    );
    assert!(world.core.take_hang_ups().is_empty());
    let session = world.peers[one].answer.session.clone();
    assert!(world.core.end(world.now, &session));
    assert_eq!(world.core.take_hang_ups(), [1]);
    world.exchange();
    assert!(world.peers[one].closed, "it is told before");
}

#[test]
fn connections_beyond_the_eighth_of_a_session_cost_the_oldest() {
    let mut world = world();
    let mut camera = publisher(&mut world);
    camera.film(&mut world, 1);
    let viewer = viewer_over_tcp(&mut world, 1);
    for connection in 2..=9 {
        world.peers[viewer].carrier = Carrier::Tcp(connection);
        world.check(viewer, true);
    }
    assert_eq!(world.core.take_hang_ups(), [1]);
    let before = pictures(&world, viewer);
    world.exchange();
    camera.shoot(&mut world, false);
    assert_eq!(pictures(&world, viewer), before + 3);
}
