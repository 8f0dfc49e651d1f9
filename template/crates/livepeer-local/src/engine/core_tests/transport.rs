//! Who may say what, and from where.

use std::time::Duration;

use rtc_dtls::extension::extension_use_srtp::SrtpProtectionProfile;

use super::*;

#[test]
fn the_fastest_srtp_suite_that_a_peer_offers_is_taken() {
    use SrtpProtectionProfile as Suite;
    for (offered, taken) in [
        (
            vec![
                Suite::Srtp_Aes128_Cm_Hmac_Sha1_80,
                Suite::Srtp_Aead_Aes_256_Gcm,
                Suite::Srtp_Aead_Aes_128_Gcm,
            ],
            Suite::Srtp_Aead_Aes_128_Gcm,
        ),
        (
            vec![
                Suite::Srtp_Aes128_Cm_Hmac_Sha1_80,
                Suite::Srtp_Aead_Aes_256_Gcm,
            ],
            Suite::Srtp_Aead_Aes_256_Gcm,
        ),
        (
            vec![Suite::Srtp_Aes128_Cm_Hmac_Sha1_80],
            Suite::Srtp_Aes128_Cm_Hmac_Sha1_80,
        ),
    ] {
        let mut world = world();
        let manner = Manner {
            suites: offered,
            ..Manner::default()
        };
        let id = world.connect("sendonly", "VP8", manner);
        let id = world.connected(id);
        assert_eq!(world.peers[id].suite, Some(taken));
        let mut camera = Camera::new(id);
        camera.film(&mut world, 2);
        assert!(
            world.core.stats().streams[&stream()].live,
            "its media can be read"
        );
    }
}

#[test]
fn a_peer_with_another_certificate_than_its_offer_gets_nothing() {
    let mut world = world();
    let manner = Manner {
        impostor: true,
        ..Manner::default()
    };
    world.connect("sendonly", "VP8", manner).unwrap();
    world.run(Duration::from_millis(100));
    assert_eq!(world.core.stats().sessions, 0);
    assert_eq!(world.core.stats().drops.dtls, 1);
}

#[test]
fn media_go_where_the_peer_chose_and_only_there() {
    let mut world = world();
    let mut camera = publisher(&mut world);
    camera.film(&mut world, 2);
    let viewer = viewer(&mut world);
    let count = |world: &World| world.peers[viewer].track("video").len();

    // A check from another address without USE-CANDIDATE is answered, and moves nothing.
    let first = world.peers[viewer].address;
    let second = "198.51.100.9:9999".parse().unwrap();
    world.peers[viewer].address = second;
    world.check(viewer, false);
    let before = count(&world);
    world.peers[viewer].address = first;
    camera.shoot(&mut world, false);
    assert_eq!(count(&world), before + 3);

    // With it, the path moves.
    world.peers[viewer].address = second;
    world.check(viewer, true);
    world.exchange();
    camera.shoot(&mut world, false);
    assert_eq!(count(&world), before + 6);
}

#[test]
fn strangers_change_nothing() {
    let mut world = world();
    let mut camera = publisher(&mut world);
    camera.film(&mut world, 2);
    let before = world.core.stats();
    let stranger = crate::engine::outbox::Path::udp("203.0.113.5:1".parse().unwrap(), None);
    for first in 0..=255u8 {
        for length in [0, 1, 12, 20, 60, 1200] {
            world
                .core
                .handle_datagram(world.now, stranger, &vec![first; length]);
        }
    }
    let after = world.core.stats();
    assert_eq!(after.sessions, before.sessions);
    assert_eq!(after.total, before.total);
    assert!(
        world.core.outbox().runs(1).next().is_none(),
        "and get no answer"
    );
}

#[test]
fn a_hostile_peer_on_its_own_path_harms_nobody_else() {
    let mut world = world();
    let mut camera = publisher(&mut world);
    camera.film(&mut world, 2);
    let hostile = viewer(&mut world);
    let good = viewer(&mut world);
    // Every first byte and length, then real packets with every bit flipped in turn.
    for first in 0..=255u8 {
        for second in [0, 96, 200, 206] {
            for length in [2, 11, 12, 13, 25, 60, 300] {
                let mut datagram = vec![first; length];
                datagram[1] = second;
                world.reach_engine(hostile, &datagram);
            }
        }
    }
    world.run(Duration::from_millis(50));
    let before = world.peers[good].track("video").len();
    camera.film(&mut world, 3);
    assert_eq!(world.peers[good].track("video").len(), before + 9);
}

#[test]
fn a_peer_that_insists_on_being_the_server_is_called() {
    let mut world = world();
    let manner = Manner {
        passive: true,
        ..Manner::default()
    };
    let id = world.connect("sendonly", "VP8", manner);
    let id = world.connected(id);
    assert!(world.peers[id].answer.sdp.contains("a=setup:active"));
    let mut camera = Camera::new(id);
    camera.film(&mut world, 3);
    let viewer = viewer(&mut world);
    assert_eq!(whole(&world, viewer, "video").len(), 9);
    world.core.end_stream(world.now, &stream());
    world.exchange();
    assert!(world.peers[id].closed);
}

#[test]
fn mangled_handshakes_end_their_own_session_at_most() {
    let mut connected = 0;
    for seed in 1..150 {
        let mut world = world();
        let mut random = Random(seed);
        world.loss = Box::new(move |_, _, datagram| {
            let is_dtls = (20..64).contains(&datagram[0]);
            if is_dtls && random.next().is_multiple_of(3) {
                for _ in 0..1 + random.next() % 3 {
                    let at = random.next() as usize % datagram.len();
                    datagram[at] ^= 1 << (random.next() % 8);
                }
            }
            is_dtls && random.next().is_multiple_of(20)
        });
        let manner = Manner {
            passive: seed % 4 == 0,
            ..Manner::default()
        };
        let id = world.connect("sendonly", "VP8", manner).unwrap();
        world.run(Duration::from_millis(700));
        connected += u32::from(world.peers[id].suite.is_some());
        world.loss = Box::new(|_, _, _| false);
        publisher(&mut world);
    }
    assert!(
        connected > 0,
        "some handshakes survive, so the others were under way"
    );
}

#[test]
fn authentic_garbage_harms_nobody_else() {
    let mut world = world();
    let mut camera = publisher(&mut world);
    camera.film(&mut world, 2);
    let (hostile, good) = (viewer(&mut world), viewer(&mut world));
    let mut random = Random(1);
    for _ in 0..3000 {
        // From a publisher that mangles what it encrypts ...
        let mut packet = camera.picture(false).remove(0);
        packet.sequence = random.next() as u16;
        packet.timestamp = random.next();
        packet.payload = (0..random.next() % 40)
            .map(|_| random.next() as u8)
            .collect();
        world.send(camera.id, &packet);
        // ... and a viewer whose reports are noise behind a right header.
        let mut compound = vec![
            0x80 | random.next() as u8,
            200 + (random.next() % 8) as u8,
            0,
            0,
        ];
        compound[3] = (random.next() % 8) as u8;
        compound.extend_from_slice(&9u32.to_be_bytes());
        compound.extend((0..random.next() % 60).map(|_| random.next() as u8));
        world.send_plain_rtcp(hostile, &compound);
        world.exchange();
    }
    world.peers[good].media.clear();
    let mut camera = publisher(&mut world);
    camera.film(&mut world, 5);
    assert_eq!(whole(&world, good, "video").len(), 15);
}

/// Xorshift: the same noise in every run.
struct Random(u32);

impl Random {
    fn next(&mut self) -> u32 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 17;
        self.0 ^= self.0 << 5;
        self.0
    }
}
