//! Links that are slow, thin or lossy, and what their viewers see. Each link is emulated (`fake_wire.rs`)
//! and each viewer does what a browser does (`fake_browser.rs`).

use std::time::{Duration, Instant};

use rtc_dtls::extension::extension_use_srtp::SrtpProtectionProfile;

use super::super::fake_browser::{Browser, picture_part};
use super::super::rtp::{header, numbered};
use super::*;

const MILLI: Duration = Duration::from_millis(1);
/// Of a payload: with headers and tag about 1200.
const BYTES: usize = 1100;

/// A camera with pictures of a real size: 2.1 Mb/s, keyframes of 44 KB, none but at the start and when
/// asked. And a microphone.
struct Film {
    camera: Camera,
    number: u32,
    /// When each picture was shot.
    shot: Vec<Instant>,
    parts: u8,
    key_parts: u8,
    /// Numbers of the keyframes.
    keys: Vec<u32>,
}

impl Film {
    fn new(world: &mut World) -> Self {
        Film {
            camera: publisher(world),
            number: 0,
            shot: Vec::new(),
            parts: 8,
            key_parts: 40,
            keys: Vec::new(),
        }
    }

    fn roll(&mut self, world: &mut World, duration: Duration) {
        let end = world.now + duration;
        while world.now < end {
            self.shoot(world);
            world.run(PICTURE);
        }
    }

    fn shoot(&mut self, world: &mut World) {
        let feedback = std::mem::take(&mut world.peers[self.camera.id].feedback);
        let asked = feedback.contains(&Message::KeyframeRequest { ssrc: 2 });
        let key = self.number == 0 || asked;
        let parts = if key { self.key_parts } else { self.parts };
        if key {
            self.keys.push(self.number);
        }
        self.camera.timestamp = self.camera.timestamp.wrapping_add(2970);
        for part in 0..parts {
            self.camera.sequence = self.camera.sequence.wrapping_add(1);
            let packet = Sent {
                ssrc: 2,
                payload_type: 96,
                sequence: self.camera.sequence,
                timestamp: self.camera.timestamp,
                marker: part + 1 == parts,
                payload: picture_part(self.number, part, parts, key, BYTES),
            };
            world.send(self.camera.id, &packet);
        }
        self.camera.audio_sequence = self.camera.audio_sequence.wrapping_add(1);
        let audio = Sent {
            ssrc: 1,
            payload_type: 111,
            sequence: self.camera.audio_sequence,
            timestamp: u32::from(self.camera.audio_sequence) * 1584,
            marker: false,
            payload: vec![0xf8; 80],
        };
        world.send(self.camera.id, &audio);
        world.exchange();
        self.shot.push(world.now);
        self.number += 1;
    }

    /// The pictures shot between the two moments that were not whole within `deadline`.
    fn frozen(
        &self,
        browser: &Browser,
        (from, until): (Instant, Instant),
        deadline: Duration,
    ) -> Vec<u32> {
        let shot = self.shot.iter().enumerate();
        let shot = shot.filter(|(_, at)| (from..until).contains(*at));
        shot.filter(|(number, at)| {
            let shown = browser.shown.iter().find(|shown| shown.0 == *number as u32);
            shown.is_none_or(|shown| shown.1 > **at + deadline)
        })
        .map(|(number, _)| number as u32)
        .collect()
    }
}

fn browser(world: &World, id: Id) -> &Browser {
    world.peers[id].browser.as_ref().unwrap()
}

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

#[test]
fn nothing_freezes_at_five_percent_loss_and_a_hundred_milliseconds() {
    let mut world = world();
    let mut film = Film::new(&mut world);
    film.roll(&mut world, seconds(1));
    let viewer = world.watch(|down, up| {
        for wire in [down, up] {
            wire.delay = 50 * MILLI;
            wire.loss = 0.05;
        }
    });
    film.roll(&mut world, seconds(2));
    let from = world.now;
    film.roll(&mut world, seconds(60));
    let until = world.now - seconds(1);
    let browser = browser(&world, viewer);
    let frozen = film.frozen(browser, (from, until), 500 * MILLI);
    assert!(frozen.is_empty(), "{frozen:?}");
}

#[test]
fn a_publisher_that_numbers_its_packets_is_told_when_each_arrived() {
    let mut world = world();
    let manner = Manner {
        numbers: true,
        ..Manner::default()
    };
    let id = world.connect("sendonly", "VP8", manner);
    let id = world.connected(id);
    assert_eq!(
        world.peers[id].suite,
        Some(SrtpProtectionProfile::Srtp_Aes128_Cm_Hmac_Sha1_80),
        "it repeats packets with other numbers, which GCM does not bear"
    );
    for number in 0..40u16 {
        let plain = header(false, 96, number, 0, 2);
        let plain = [&numbered(&plain, 3, number)[..], &[0x10, 0]].concat();
        let sealed = world.peers[id].srtp.as_mut().unwrap().seal_rtp(&plain);
        if number != 7 {
            world.reach_engine(id, &sealed.unwrap());
        }
        world.run(10 * MILLI);
    }
    world.run(100 * MILLI);
    let told = world.peers[id].feedback.iter();
    let told: Vec<u16> = told
        .filter_map(|message| match message {
            Message::TransportFeedback(feedback) => Some(feedback),
            _ => None,
        })
        .flat_map(|feedback| feedback.received.iter().map(|(number, _)| *number))
        .collect();
    let sent: Vec<u16> = (0..40).filter(|number| *number != 7).collect();
    assert_eq!(told, sent);
}

#[test]
fn a_publisher_without_such_numbers_is_told_what_it_may_send_from_what_it_sends() {
    let mut world = world();
    let mut film = Film::new(&mut world);
    film.roll(&mut world, seconds(5));
    let limits = |world: &World| world.peers[0].remb.clone();
    let first = limits(&world)[0];
    let last = *limits(&world).last().unwrap();
    assert_eq!(first, 1_000_000);
    assert!((2_500_000..=3_000_000).contains(&last), "{last}");
}
