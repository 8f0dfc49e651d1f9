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
/// No picture.
const NOTHING: [u32; 0] = [];

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

/// Five percent lost both ways, and so much delay each way: the pictures that were not whole so long after
/// they came out of the path.
fn frozen_at_five_percent(delay: Duration) -> Vec<u32> {
    let mut world = world();
    let mut film = Film::new(&mut world);
    film.roll(&mut world, seconds(1));
    let viewer = world.watch(|down, up| {
        for wire in [down, up] {
            wire.delay = delay;
            wire.loss = 0.05;
        }
    });
    film.roll(&mut world, seconds(2));
    let from = world.now;
    film.roll(&mut world, seconds(60));
    let until = world.now - seconds(1);
    film.frozen(browser(&world, viewer), (from, until), delay + 500 * MILLI)
}

#[test]
fn nothing_freezes_at_five_percent_loss_and_a_round_trip_of_a_hundred_milliseconds() {
    assert_eq!(frozen_at_five_percent(50 * MILLI), NOTHING);
}

#[test]
fn nothing_freezes_at_five_percent_loss_and_a_hundred_milliseconds_each_way() {
    assert_eq!(frozen_at_five_percent(100 * MILLI), NOTHING);
}

/// What a viewer gets is not delayed: its sound, and so whatever else it is sent.
fn heard_late(film: &Film, browser: &Browser, (from, until): (Instant, Instant)) -> usize {
    let heard: Vec<_> = browser.heard.iter().collect();
    let shot = film.shot.iter().filter(|at| (from..until).contains(*at));
    shot.filter(|at| {
        let next = heard.iter().find(|heard| **heard > *at);
        next.is_none_or(|next| **next > **at + 250 * MILLI)
    })
    .count()
}

#[test]
fn a_viewer_on_a_link_too_thin_hears_everything_sees_pictures_and_harms_nobody() {
    let mut world = world();
    let mut film = Film::new(&mut world);
    film.roll(&mut world, seconds(1));
    let neighbour = world.watch(|down, _| down.delay = 20 * MILLI);
    film.roll(&mut world, seconds(1));
    let thin = world.watch(|down, up| {
        down.rate = Some(800_000.0);
        down.queue = 100_000;
        (down.delay, up.delay) = (20 * MILLI, 20 * MILLI);
    });
    film.roll(&mut world, seconds(5));
    let from = world.now;
    world.peers[thin].down.longest = Duration::ZERO;
    film.roll(&mut world, seconds(30));
    let span = (from, world.now - seconds(1));

    let view = browser(&world, thin);
    assert_eq!(heard_late(&film, view, span), 0, "sound is never held back");
    let wire = &world.peers[thin].down;
    assert!(wire.longest < 400 * MILLI, "{:?}", wire.longest);
    let shown: Vec<Instant> = view.shown.iter().map(|shown| shown.1).collect();
    let gap = |pair: &[Instant]| pair[1] - pair[0];
    let longest = shown.windows(2).map(gap).max().unwrap();
    assert!(longest < seconds(5), "a picture now and then: {longest:?}");
    assert!(film.keys.len() < 15, "{:?}", film.keys);
    let next_door = browser(&world, neighbour);
    assert_eq!(film.frozen(next_door, span, 100 * MILLI), NOTHING);
}

#[test]
fn a_cut_to_what_the_stream_still_fits_into_freezes_nothing_for_long() {
    let mut world = world();
    let mut film = Film::new(&mut world);
    film.roll(&mut world, seconds(1));
    let viewer = world.watch(|down, up| {
        down.rate = Some(10e6);
        down.queue = 150_000;
        (down.delay, up.delay) = (20 * MILLI, 20 * MILLI);
    });
    film.roll(&mut world, seconds(5));
    world.peers[viewer].down.rate = Some(3e6);
    let cut = world.now;
    film.roll(&mut world, seconds(10));
    let browser = browser(&world, viewer);
    assert_eq!(
        film.frozen(browser, (cut, world.now - seconds(1)), 300 * MILLI),
        NOTHING
    );
}

#[test]
fn a_rate_cut_is_recovered_from_within_two_seconds_and_its_end_is_found() {
    let mut world = world();
    let mut film = Film::new(&mut world);
    film.roll(&mut world, seconds(1));
    let viewer = world.watch(|down, up| {
        down.rate = Some(10e6);
        down.queue = 150_000;
        (down.delay, up.delay) = (20 * MILLI, 20 * MILLI);
    });
    film.roll(&mut world, seconds(10));
    world.peers[viewer].down.rate = Some(1e6);
    let cut = world.now;
    film.roll(&mut world, seconds(2));
    world.peers[viewer].down.longest = Duration::ZERO;
    film.roll(&mut world, seconds(10));
    let restored = world.now;
    assert_eq!(
        heard_late(&film, browser(&world, viewer), (cut + seconds(2), restored)),
        0
    );
    assert!(world.peers[viewer].down.longest < 400 * MILLI);
    let during = browser(&world, viewer).shown.iter();
    let during = during.filter(|shown| shown.1 > cut + seconds(2)).count();
    assert!(during > 10, "{during}");

    world.peers[viewer].down.rate = Some(10e6);
    film.roll(&mut world, seconds(15));
    let span = (restored + seconds(6), world.now - seconds(1));
    let frozen = film.frozen(browser(&world, viewer), span, 300 * MILLI);
    assert_eq!(frozen, NOTHING, "all of it again");
}

#[test]
fn a_replay_does_not_overflow_a_thin_link() {
    let mut world = world();
    let mut film = Film::new(&mut world);
    film.parts = 4; // 1.1 Mb/s
    film.roll(&mut world, seconds(4));
    let viewer = world.watch(|down, up| {
        down.rate = Some(2e6);
        down.queue = 100_000;
        (down.delay, up.delay) = (20 * MILLI, 20 * MILLI);
    });
    film.roll(&mut world, seconds(10));
    assert_eq!(world.core.stats().total.replays, 1);
    assert_eq!(world.peers[viewer].down.overflowed, 0);
    let span = (world.now - seconds(4), world.now - seconds(1));
    assert_eq!(
        film.frozen(browser(&world, viewer), span, 300 * MILLI),
        NOTHING
    );
}

#[test]
fn a_nack_flood_costs_no_more_than_its_share_and_harms_nobody() {
    let mut world = world();
    let mut film = Film::new(&mut world);
    film.roll(&mut world, seconds(1));
    let neighbour = world.watch(|_, _| {});
    let flooder = world.watch(|down, _| {
        down.rate = Some(20e6);
        down.queue = 200_000;
    });
    film.roll(&mut world, seconds(1));
    let (from, before) = (world.now, world.core.stats().total);
    let ssrc = world.peers[flooder].ssrcs("video")[0];
    for _ in 0..150 {
        let all: Vec<u16> = (0..=u16::MAX).step_by(7).collect();
        for some in all.chunks(300) {
            world.send_rtcp(flooder, Compound::default().nack(9, ssrc, some));
        }
        film.shoot(&mut world);
        world.run(PICTURE);
    }
    let again = world.core.stats().total.retransmissions - before.retransmissions;
    let elapsed = (world.now - from).as_secs_f64();
    assert!(
        again as f64 <= 500.0 * (elapsed + 1.0),
        "{again} in {elapsed} s"
    );
    let span = (from, world.now - seconds(1));
    assert_eq!(
        film.frozen(browser(&world, neighbour), span, 50 * MILLI),
        NOTHING
    );
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
        let mut sealed = Vec::new();
        let srtp = world.peers[id].srtp.as_mut().unwrap();
        srtp.seal_rtp([&numbered(&plain, 3, number), &[], &[0x10, 0]], &mut sealed)
            .unwrap();
        if number != 7 {
            world.reach_engine(id, &sealed);
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
