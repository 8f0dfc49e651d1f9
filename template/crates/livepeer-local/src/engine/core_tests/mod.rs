//! The core with peers around it, under a virtual clock.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod congestion;
mod diagnosis;
mod forwarding;
mod hardness;
mod lifetime;
mod mirrors;
mod repair;
mod restart;
mod robustness;
mod simulcast;
mod tcp;
mod transport;

use std::time::Duration;

use super::config::EngineConfig;
use super::fake_net::{Id, World, stream};
use super::fake_peer::{Manner, Sent};
use super::names::{OfferError, StreamEvent};
use super::rtcp::{Compound, Message};

const PICTURE: Duration = Duration::from_millis(33);

/// A publisher's camera and microphone.
struct Camera {
    id: Id,
    pictures: u32,
    sequence: u16,
    audio_sequence: u16,
    timestamp: u32,
}

impl Camera {
    fn new(id: Id) -> Self {
        Camera {
            id,
            pictures: 0,
            sequence: 65_500, // wraps soon
            audio_sequence: 10,
            timestamp: 4_294_900_000,
        }
    }

    /// The packets of the next picture: three, numbered in their last byte.
    fn picture(&mut self, key: bool) -> Vec<Sent> {
        self.pictures += 1;
        self.timestamp = self.timestamp.wrapping_add(2970);
        let packets = (0..3u8).map(|part| {
            self.sequence = self.sequence.wrapping_add(1);
            let begins = if part == 0 { 0x10 } else { 0x00 };
            Sent {
                ssrc: 2,
                payload_type: 96,
                sequence: self.sequence,
                timestamp: self.timestamp,
                marker: part == 2,
                payload: vec![begins, u8::from(!key), self.pictures as u8, part],
            }
        });
        packets.collect()
    }

    fn shoot(&mut self, world: &mut World, key: bool) {
        for packet in self.picture(key) {
            world.send(self.id, &packet);
        }
        self.audio_sequence = self.audio_sequence.wrapping_add(1);
        world.send(
            self.id,
            &Sent {
                ssrc: 1,
                payload_type: 111,
                sequence: self.audio_sequence,
                timestamp: u32::from(self.audio_sequence) * 960,
                marker: false,
                payload: vec![0xf8, self.pictures as u8],
            },
        );
        world.exchange();
        world.run(PICTURE);
    }

    /// A keyframe and then inter frames.
    fn film(&mut self, world: &mut World, pictures: u32) {
        for number in 0..pictures {
            self.shoot(world, number == 0);
        }
    }
}

fn world() -> World {
    World::new(EngineConfig::default())
}

fn publisher(world: &mut World) -> Camera {
    let id = world.publish("VP8");
    Camera::new(world.connected(id))
}

fn viewer(world: &mut World) -> Id {
    let id = world.play();
    world.connected(id)
}

/// The payloads of a track, in the order of their sequence numbers, which have no gap.
fn whole(world: &World, id: Id, kind: &str) -> Vec<Vec<u8>> {
    let mut packets: Vec<_> = world.peers[id].track(kind).to_vec();
    let first = packets[0].0.sequence;
    packets.sort_by_key(|(header, _)| header.sequence.wrapping_sub(first));
    packets.dedup_by_key(|(header, _)| header.sequence);
    for (offset, (header, _)) in packets.iter().enumerate() {
        assert_eq!(
            header.sequence,
            first.wrapping_add(offset as u16),
            "a gap at {offset}"
        );
    }
    packets.into_iter().map(|(_, payload)| payload).collect()
}
