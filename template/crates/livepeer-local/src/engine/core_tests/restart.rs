//! Trickled candidates and ICE restarts.

use super::*;
use crate::engine::patch::{Condition, PatchError, Patched, SessionInfo};
use crate::engine::sdp::Fragment;

/// What the peer's offer said.
const SAME: &str = "a=ice-ufrag:peer\r\na=ice-pwd:the-password-of-the-peer\r\n";
const FRESH: &str = "a=ice-ufrag:pee2\r\na=ice-pwd:another-password-of-it\r\n";
const FRESHER: &str = "a=ice-ufrag:pee3\r\na=ice-pwd:yet-another-password-of-it\r\n";

fn info(world: &World, id: Id) -> SessionInfo {
    let session = &world.peers[id].answer.session;
    world.core.session_info(session).unwrap()
}

fn patch(
    world: &mut World,
    id: Id,
    fragment: &str,
    condition: &Condition,
) -> Result<Patched, PatchError> {
    let fragment = Fragment::parse(fragment).unwrap();
    let session = world.peers[id].answer.session.clone();
    world.core.patch(&session, &fragment, condition)
}

/// Restarts, and has the peer know it from now on.
fn restart(world: &mut World, id: Id) -> Patched {
    let restarted = patch(world, id, FRESHER, &Condition::Any).unwrap();
    let Patched::Restarted { fragment, .. } = &restarted else {
        panic!("{restarted:?}");
    };
    world.peers[id].answer.sdp = fragment.clone();
    restarted
}

#[test]
fn candidates_are_noted_within_their_limit_and_need_no_condition() {
    let mut world = world();
    let id = publisher(&mut world).id;
    let tag = info(&world, id).tag;
    for condition in [
        Condition::Absent,
        Condition::Any,
        Condition::OneOf(vec!["x".into(), tag.clone()]),
    ] {
        let one = format!("{SAME}a=candidate:1 1 udp 1 198.51.100.7 4000 typ host\r\n");
        assert_eq!(
            patch(&mut world, id, &one, &condition),
            Ok(Patched::Trickled)
        );
    }
    assert_eq!(info(&world, id).candidates, 1, "the same one three times");
    let many: String = (1..100)
        .map(|port| format!("a=candidate:1 1 udp 1 198.51.100.7 {port} typ host\r\n"))
        .collect();
    let many = format!("{SAME}{many}");
    assert_eq!(
        patch(&mut world, id, &many, &Condition::Absent),
        Ok(Patched::Trickled)
    );
    assert_eq!(info(&world, id).candidates, 32);
    assert_eq!(info(&world, id).tag, tag, "trickling begins no ICE session");
}

#[test]
fn what_does_not_fit_the_ice_session_is_refused_and_changes_nothing() {
    let mut world = world();
    let id = publisher(&mut world).id;
    let before = info(&world, id).tag;
    let stale = Condition::OneOf(vec!["stale".into()]);
    let wrong_pwd = "a=ice-ufrag:peer\r\na=ice-pwd:not-the-password-of-the-peer\r\n";
    for (fragment, condition, refusal) in [
        (SAME, &stale, PatchError::Outdated),
        (FRESH, &stale, PatchError::Outdated),
        (FRESH, &Condition::Absent, PatchError::ConditionNeeded),
        (
            wrong_pwd,
            &Condition::Any,
            PatchError::Malformed("its ice-pwd is not that of its ice-ufrag".into()),
        ),
        (
            "a=ice-ufrag:pee2\r\n",
            &Condition::Any,
            PatchError::Malformed("its ice-ufrag is new, and the ice-pwd is missing".into()),
        ),
    ] {
        assert_eq!(patch(&mut world, id, fragment, condition), Err(refusal));
    }
    assert_eq!(info(&world, id).tag, before);
    let session = world.peers[id].answer.session.clone();
    world.core.end(world.now, &session);
    assert_eq!(
        patch(&mut world, id, SAME, &Condition::Any),
        Err(PatchError::Unknown)
    );
}

#[test]
fn media_flow_on_over_a_restart_without_a_handshake() {
    let mut world = world();
    let mut camera = publisher(&mut world);
    camera.film(&mut world, 2);
    let viewer = viewer(&mut world);
    world.loss = Box::new(|_, _, datagram| {
        assert!(!(20..64).contains(&datagram[0]), "no DTLS after the first");
        false
    });
    let before = (
        info(&world, viewer).tag,
        world.peers[viewer].answer.sdp.clone(),
    );
    let video = world.peers[viewer].ssrcs("video")[0];
    let seen = |world: &World| world.peers[viewer].media[&video].len();

    let Patched::Restarted { tag, fragment } = restart(&mut world, viewer) else {
        unreachable!()
    };
    assert_ne!(tag, before.0);
    assert_eq!(tag, info(&world, viewer).tag);
    for kept in [
        "a=ice-lite",
        "a=ice-options:trickle ice2",
        "a=end-of-candidates",
    ] {
        assert!(before.1.contains(kept) && fragment.contains(kept), "{kept}");
    }
    let candidates = |sdp: &str| -> Vec<String> {
        let lines = sdp.lines().filter(|line| line.starts_with("a=candidate:"));
        lines.map(str::to_owned).collect()
    };
    assert_eq!(candidates(&fragment), candidates(&before.1));

    // Before the peer has used the new credentials, the old ones hold.
    let count = seen(&world);
    camera.film(&mut world, 1);
    assert_eq!(seen(&world), count + 3);

    // With them it comes from another network.
    world.peers[viewer].address = "198.51.100.9:9999".parse().unwrap();
    world.check(viewer, true);
    world.exchange();
    camera.film(&mut world, 1);
    assert_eq!(seen(&world), count + 6);
    assert!(!world.peers[viewer].closed);
}

#[test]
fn the_old_credentials_are_answered_until_the_new_ones_are_used() {
    let mut world = world();
    let id = publisher(&mut world).id;
    let old = world.peers[id].answer.sdp.clone();
    // A restart whose answer is lost, then one that arrives.
    let Ok(Patched::Restarted { fragment: lost, .. }) =
        patch(&mut world, id, FRESH, &Condition::Any)
    else {
        panic!("not restarted");
    };
    let answered = |world: &mut World, sdp: &str| {
        world.peers[id].answer.sdp = sdp.to_owned();
        let before = world.peers[id].stun_answers;
        world.check(id, true);
        world.exchange();
        world.peers[id].stun_answers > before
    };
    assert!(answered(&mut world, &old));
    restart(&mut world, id);
    let new = world.peers[id].answer.sdp.clone();
    assert!(
        !answered(&mut world, &lost),
        "its successor has taken its place"
    );
    assert!(answered(&mut world, &old));
    assert!(answered(&mut world, &new));
    assert!(!answered(&mut world, &old));
    assert!(answered(&mut world, &new));
    // Nothing is left of any of them.
    world.core.end_stream(world.now, &stream());
    assert!(world.core.by_ufrag.is_empty());
}

#[test]
fn a_restart_that_is_never_used_does_not_end_the_session() {
    let mut world = world();
    let mut camera = publisher(&mut world);
    patch(&mut world, camera.id, FRESH, &Condition::Any).unwrap();
    for _ in 0..8 {
        world.run(Duration::from_secs(5));
        camera.film(&mut world, 1);
    }
    assert!(world.core.stats().streams[&stream()].live);
}
