//! Sessions and streams begin, change hands, and end.

use std::time::Duration;

use super::*;

#[test]
fn a_stream_is_not_live_before_its_first_media() {
    let mut world = world();
    assert_eq!(world.play().unwrap_err(), OfferError::NotLive);
    let mut camera = publisher(&mut world);
    assert_eq!(world.play().unwrap_err(), OfferError::NotLive);
    camera.film(&mut world, 1);
    viewer(&mut world);
}

#[test]
fn a_returning_publisher_continues_the_numbers_and_the_time() {
    let mut world = world();
    let mut camera = publisher(&mut world);
    camera.film(&mut world, 10);
    let viewer = viewer(&mut world);
    let older = camera.id;
    let before = world.peers[viewer].track("video").last().unwrap().0.clone();

    world.run(Duration::from_secs(1));
    let mut camera = publisher(&mut world);
    assert!(world.peers[older].closed, "the older one is told to go");
    camera.sequence = 7;
    camera.timestamp = 99;
    camera.film(&mut world, 10);

    assert_eq!(whole(&world, viewer, "video").len(), 20 * 3);
    let after = world.peers[viewer].track("video")[10 * 3].0.clone();
    let elapsed = f64::from(after.timestamp.wrapping_sub(before.timestamp)) / 90_000.0;
    assert!((1.0..1.1).contains(&elapsed), "{elapsed}");
    assert!(!world.peers[viewer].closed);
    assert_eq!(
        world.events,
        [StreamEvent::Started { stream: stream() }],
        "it never was idle"
    );
    assert_eq!(world.core.stats().total.takeovers, 1);
}

#[test]
fn a_publisher_that_returns_with_another_codec_sends_its_viewers_to_rejoin() {
    let mut world = world();
    let mut camera = publisher(&mut world);
    camera.film(&mut world, 2);
    let viewer = viewer(&mut world);
    let id = world.publish("H264");
    world.connected(id);
    assert!(world.peers[viewer].closed);
    assert_eq!(world.core.stats().sessions, 1);
}

#[test]
fn a_silent_publisher_leaves_an_idle_stream_whose_viewers_wait_a_minute() {
    let mut world = world();
    let mut camera = publisher(&mut world);
    camera.film(&mut world, 2);
    let viewer = viewer(&mut world);
    world.peers[camera.id].consents = false; // killed
    world.run(Duration::from_secs(5));
    assert_eq!(world.events.len(), 1, "consent may be that far apart");
    world.run(Duration::from_secs(2));
    assert_eq!(world.events[1], StreamEvent::Idle { stream: stream() });
    assert_eq!(world.play().unwrap_err(), OfferError::NotLive);
    world.run(Duration::from_secs(50));
    assert!(!world.peers[viewer].closed);
    world.run(Duration::from_secs(12));
    assert!(world.peers[viewer].closed);
    assert_eq!(world.core.stats().sessions, 0);
    assert!(world.core.stats().streams.is_empty(), "nothing is left");
    assert_eq!(world.core.poll_timeout(), None, "and nothing is waited for");
}

#[test]
fn a_publisher_that_mutes_everything_stays_live_by_its_consent() {
    let mut world = world();
    let mut camera = publisher(&mut world);
    camera.film(&mut world, 2);
    world.run(Duration::from_secs(60));
    assert_eq!(world.events.len(), 1);
}

#[test]
fn ending_a_session_says_goodbye_and_frees_it() {
    let mut world = world();
    let mut camera = publisher(&mut world);
    camera.film(&mut world, 2);
    let (one, other) = (viewer(&mut world), viewer(&mut world));
    let id = world.peers[one].answer.session.clone();
    assert!(world.core.end(world.now, &id));
    assert!(!world.core.end(world.now, &id), "once");
    world.exchange();
    assert!(world.peers[one].closed && !world.peers[other].closed);

    world.core.end_stream(world.now, &stream());
    world.exchange();
    assert!(world.peers[other].closed && world.peers[camera.id].closed);
    assert_eq!(world.events[1], StreamEvent::Idle { stream: stream() });
    assert_eq!(world.core.stats().sessions, 0);
}

#[test]
fn abandoned_offers_are_forgotten_after_ten_seconds() {
    let mut world = world();
    for _ in 0..50 {
        let id = world.publish("VP8").unwrap();
        world.peers[id].consents = false;
    }
    assert_eq!(
        world.core.stats().sessions,
        1,
        "each takes over from the one before"
    );
    world.run(Duration::from_millis(10_200));
    assert_eq!(world.core.stats().sessions, 0);
}

#[test]
fn a_viewer_without_consent_is_gone_after_thirty_seconds() {
    let mut world = world();
    let mut camera = publisher(&mut world);
    camera.film(&mut world, 2);
    let viewer = viewer(&mut world);
    world.peers[viewer].consents = false;
    world.run(Duration::from_secs(29));
    assert_eq!(world.core.stats().sessions, 2);
    world.run(Duration::from_secs(2));
    assert_eq!(world.core.stats().sessions, 1);
}

#[test]
fn the_configured_numbers_of_sessions_and_viewers_are_kept() {
    let mut world = World::new(EngineConfig {
        max_sessions: 3,
        max_viewers_per_stream: 1,
        ..EngineConfig::default()
    });
    let mut camera = publisher(&mut world);
    camera.film(&mut world, 1);
    viewer(&mut world);
    assert_eq!(world.play().unwrap_err(), OfferError::Busy);
    assert_eq!(world.core.stats().sessions, 2);
}
