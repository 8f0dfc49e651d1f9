//! What a publisher sends amiss, told while its stream is live.

use super::*;
use crate::engine::diagnosis::{Finding, FindingKind};

/// Constrained baseline, level 3.1, as it was negotiated; 1280x720.
const BASELINE: &[u8] = &[0x67, 0x42, 0xe0, 0x1f, 0xda, 0x01, 0x40, 0x16, 0xe8];
/// High, level 4.0; 1920x1080.
const HIGH: &[u8] = &[
    0x67, 0x64, 0x00, 0x28, 0xac, 0xda, 0x01, 0xe0, 0x08, 0x9f, 0x95,
];

/// Sends parameter sets, one for each picture, shown at these times.
fn publish(world: &mut World, id: Id, set: &[u8], order: &[u32]) {
    for (sequence, shown) in (1..).zip(order) {
        let packet = Sent {
            ssrc: 2,
            payload_type: 96,
            sequence,
            timestamp: shown * 3000,
            marker: true,
            payload: set.to_vec(),
        };
        world.send(id, &packet);
    }
    world.exchange();
}

fn told(world: &World) -> Vec<Vec<FindingKind>> {
    let told = world.events.iter().filter_map(|event| match event {
        StreamEvent::Diagnosed { findings, .. } => {
            Some(findings.iter().map(|finding| finding.kind).collect())
        }
        _ => None,
    });
    told.collect()
}

fn known(world: &World) -> Vec<Finding> {
    world.core.stats().streams[&stream()].findings.clone()
}

#[test]
fn a_publisher_that_sends_what_it_negotiated_is_told_nothing() {
    let mut world = world();
    let id = world.publish("H264");
    let id = world.connected(id);
    publish(&mut world, id, BASELINE, &[1, 2, 3, 4]);
    assert_eq!(told(&world), Vec::<Vec<FindingKind>>::new());
    let stats = &world.core.stats().streams[&stream()];
    assert_eq!(
        (stats.picture, stats.findings.len()),
        (Some((1280, 720)), 0)
    );
}

#[test]
fn findings_are_told_as_they_grow_after_the_stream_is_live_and_once() {
    let mut world = world();
    let id = world.publish("H264");
    let id = world.connected(id);
    publish(&mut world, id, HIGH, &[1, 4, 2, 3, 7, 5, 6, 10, 8, 9]);
    assert!(matches!(world.events[0], StreamEvent::Started { .. }));
    let (profile, level) = (FindingKind::Profile, FindingKind::Level);
    let all = vec![profile, level, FindingKind::Reordered];
    assert_eq!(told(&world), [vec![profile, level], all]);
    assert_eq!(known(&world).len(), 3);
}

#[test]
fn another_publisher_is_not_told_of_the_mistakes_of_the_last() {
    let mut world = world();
    let first = world.publish("H264");
    let first = world.connected(first);
    publish(&mut world, first, HIGH, &[1]);
    let second = world.publish("H264");
    let second = world.connected(second);
    publish(&mut world, second, BASELINE, &[1]);
    assert_eq!(told(&world).last(), Some(&Vec::new()));
    assert_eq!(known(&world), []);
}
