//! A publisher that sends its video in layers, and viewers that are shown one of them at a time.

use std::collections::BTreeSet;
use std::time::Duration;

use super::*;
use crate::engine::fake_browser::{Browser, picture_part};
use crate::engine::names::Layer;
use crate::engine::rtp;
use crate::engine::session::Leg;

/// One layer of a camera.
struct Lens {
    rid: &'static str,
    ssrc: u32,
    sequence: u16,
    /// What its timestamps are off those of the other layers.
    offset: u32,
    /// Its picture id.
    picture: u16,
    /// Bytes of a packet.
    bytes: usize,
    /// Packets of a picture.
    parts: u8,
    /// What its keyframes say; without, they are what [`Browser`] can put together.
    size: Option<(u16, u16)>,
    paused: bool,
    /// Packets carry its rid.
    names_itself: bool,
    key_wanted: bool,
}

/// A camera that encodes each picture once for each layer.
struct Layers {
    id: Id,
    lenses: Vec<Lens>,
    pictures: u16,
    time: u32,
    requests: Vec<u32>,
    /// It makes no keyframe for being asked.
    deaf: bool,
}

/// What a viewer has got of a picture.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Shown {
    layer: u8,
    picture: u16,
    key: bool,
    timestamp: u32,
}

const LOW: u8 = 0;
const MIDDLE: u8 = 1;
const TOP: u8 = 2;

impl Layers {
    fn new(id: Id, rids: &[&'static str]) -> Self {
        let lenses = rids.iter().enumerate().map(|(place, rid)| {
            let quality = match *rid {
                "q" => LOW,
                "h" => MIDDLE,
                _ => TOP,
            };
            let scale = 1u16 << quality;
            Lens {
                rid,
                ssrc: 1000 + 10 * id as u32 + place as u32,
                sequence: 65_500 + 10 * place as u16,
                offset: 4_000_000_000 + 1_000_000 * place as u32,
                picture: 32_700 - 50 * place as u16,
                bytes: 60 * usize::from(scale) * usize::from(scale),
                parts: 3,
                size: Some((160 * scale, 90 * scale)),
                paused: false,
                names_itself: true,
                key_wanted: true,
            }
        });
        Layers {
            id,
            lenses: lenses.collect(),
            pictures: 0,
            time: 0,
            requests: Vec::new(),
            deaf: false,
        }
    }

    fn lens(&mut self, rid: &str) -> &mut Lens {
        self.lenses.iter_mut().find(|lens| lens.rid == rid).unwrap()
    }

    /// The time of the next picture has come.
    fn tick(&mut self) {
        self.pictures += 1;
        self.time = self.time.wrapping_add(2970);
    }

    /// The packets of one layer's picture.
    fn packets(&mut self, place: usize) -> Vec<Vec<u8>> {
        let (picture, time) = (self.pictures, self.time);
        let lens = &mut self.lenses[place];
        let key = std::mem::take(&mut lens.key_wanted);
        let quality = match lens.rid {
            "q" => LOW,
            "h" => MIDDLE,
            _ => TOP,
        };
        let parts = lens.parts;
        lens.picture = (lens.picture + 1) & 0x7fff;
        let packets = (0..parts).map(|part| {
            lens.sequence = lens.sequence.wrapping_add(1);
            let (last, timestamp) = (part + 1 == parts, time.wrapping_add(lens.offset));
            let mut plain = rtp::header(last, 96, lens.sequence, timestamp, lens.ssrc).to_vec();
            if lens.names_itself {
                plain[0] |= 0x10;
                let mut extension = vec![0xa0 | (lens.rid.len() as u8 - 1)];
                extension.extend_from_slice(lens.rid.as_bytes());
                extension.resize(extension.len().next_multiple_of(4), 0);
                plain.extend_from_slice(&[0xbe, 0xde, 0, (extension.len() / 4) as u8]);
                plain.extend_from_slice(&extension);
            }
            let mut payload = picture_part(u32::from(picture), part, parts, key, 16 + lens.bytes);
            if let Some((width, height)) = lens.size {
                // RFC 7741 section 4.2, with everything; the layers' numbers are their own.
                let [high, low] = lens.picture.to_be_bytes();
                let lowest = lens.picture as u8;
                let descriptor = [0x80 | payload[0], 0xe0, 0x80 | high, low, lowest, 0x20];
                payload[6] = payload[1];
                payload[..6].copy_from_slice(&descriptor);
                payload[7..12].copy_from_slice(&[0, 0, 0x9d, 0x01, 0x2a]);
                payload[12..14].copy_from_slice(&width.to_le_bytes());
                payload[14..16].copy_from_slice(&height.to_le_bytes());
            }
            let tail = payload.len() - 5;
            payload[tail..tail + 2].copy_from_slice(&picture.to_be_bytes());
            payload[tail + 2..].copy_from_slice(&[u8::from(key), quality, part]);
            plain.extend_from_slice(&payload);
            plain
        });
        packets.collect()
    }

    /// The next picture in every layer that is not paused, with a keyframe where one was asked for.
    fn shoot(&mut self, world: &mut World) {
        for message in std::mem::take(&mut world.peers[self.id].feedback) {
            if let Message::KeyframeRequest { ssrc } = message {
                self.requests.push(ssrc);
                let mut lenses = self.lenses.iter_mut();
                if let Some(lens) = lenses.find(|lens| lens.ssrc == ssrc && !self.deaf) {
                    lens.key_wanted = true;
                }
            }
        }
        self.tick();
        for place in 0..self.lenses.len() {
            if self.lenses[place].paused {
                continue;
            }
            for packet in self.packets(place) {
                world.send_plain(self.id, &packet);
            }
        }
        world.exchange();
        world.run(PICTURE);
    }

    fn film(&mut self, world: &mut World, pictures: u32) {
        for _ in 0..pictures {
            self.shoot(world);
        }
    }

    /// Each layer's sender report of this moment.
    fn report(&mut self, world: &mut World, ntp: u64) {
        for lens in &self.lenses {
            let at = (ntp, self.time.wrapping_add(lens.offset));
            let report = Compound::default().sender_report(lens.ssrc, at, (1, 1));
            world.send_rtcp(self.id, report);
        }
    }

    /// How often each layer was asked for a keyframe.
    fn asked(&self, rid: &str) -> usize {
        let lens = self.lenses.iter().find(|lens| lens.rid == rid).unwrap();
        self.requests
            .iter()
            .filter(|ssrc| **ssrc == lens.ssrc)
            .count()
    }
}

fn layered(world: &mut World, rids: &[&'static str]) -> Layers {
    let manner = Manner {
        rids: rids.to_vec(),
        ..Manner::default()
    };
    let id = world.connect("sendonly", "VP8", manner);
    Layers::new(world.connected(id), rids)
}

/// Pictures after which a joiner has caught up, though it gives no feedback on its link.
const CAUGHT_UP: u32 = 40;

/// A publisher whose layers have been measured, and a viewer of it.
fn watched(rids: &[&'static str]) -> (World, Layers, Id) {
    let mut world = world();
    let mut camera = layered(&mut world, rids);
    camera.film(&mut world, 70);
    let viewer = viewer(&mut world);
    camera.film(&mut world, CAUGHT_UP);
    (world, camera, viewer)
}

fn choose(world: &mut World, viewer: Id, rid: Option<&str>) -> bool {
    let session = world.peers[viewer].answer.session.clone();
    world.core.choose_layer(&session, rid.map(str::to_owned))
}

/// The pictures that a viewer's decoder would make: there is no gap in the sequence numbers, every picture
/// is of three packets of one layer with the marker on the last, each is later than the one before, and a
/// layer is only ever entered with a keyframe.
fn shown(world: &World, viewer: Id) -> Vec<Shown> {
    let mut packets = world.peers[viewer].track("video").to_vec();
    let first = packets[0].0.sequence;
    packets.sort_by_key(|(header, _)| header.sequence.wrapping_sub(first));
    packets.dedup_by_key(|(header, _)| header.sequence);
    let mut shown: Vec<Shown> = Vec::new();
    for (place, picture) in packets.chunks(3).enumerate() {
        for (part, (header, payload)) in picture.iter().enumerate() {
            let number = first.wrapping_add((3 * place + part) as u16);
            assert_eq!(header.sequence, number, "a gap");
            assert_eq!(header.timestamp, picture[0].0.timestamp);
            assert_eq!(header.marker, part == 2);
            assert_eq!(payload[payload.len() - 1], part as u8);
        }
        let (header, payload) = &picture[0];
        let tail = &payload[payload.len() - 5..];
        let next = Shown {
            layer: tail[3],
            picture: u16::from_be_bytes([tail[0], tail[1]]),
            key: tail[2] == 1,
            timestamp: header.timestamp,
        };
        match shown.last() {
            None => assert!(next.key),
            Some(last) => {
                assert!(last.layer == next.layer || next.key, "{last:?} {next:?}");
                let later = next.timestamp.wrapping_sub(last.timestamp);
                assert!((1..90_000 * 2).contains(&later), "{last:?} {next:?}");
            }
        }
        shown.push(next);
    }
    shown
}

fn now_shown(world: &World, viewer: Id) -> u8 {
    shown(world, viewer).last().unwrap().layer
}

#[test]
fn a_viewer_begins_with_the_best_layer_however_the_layers_are_called_and_ordered() {
    for rids in [["q", "h", "f"], ["f", "h", "q"], ["h", "0", "q"]] {
        let (mut world, mut camera, viewer) = watched(&rids);
        camera.film(&mut world, 30);
        let shown = shown(&world, viewer);
        assert!(shown.iter().all(|picture| picture.layer == TOP), "{rids:?}");
        assert_eq!(shown.len(), 140, "all since the keyframe");
        assert!(camera.requests.is_empty(), "nobody had to be asked");
        let drops = world.core.stats().drops;
        assert_eq!(drops.unexpected_rtp, 0);
    }
}

#[test]
fn layers_are_told_lowest_first_with_what_is_known_of_them() {
    let (mut world, mut camera, _) = watched(&["f", "q", "h"]);
    camera.lens("f").paused = true;
    camera.film(&mut world, 40);
    let layers = world.core.layers(world.now, &stream());
    let rids: Vec<&str> = layers.iter().map(|layer| layer.rid.as_str()).collect();
    assert_eq!(rids, ["q", "h", "f"]);
    assert!(layers.is_sorted_by_key(|layer| layer.bitrate));
    assert_eq!((layers[2].width, layers[2].height), (Some(640), Some(360)));
    let active: Vec<bool> = layers.iter().map(|layer| layer.active).collect();
    assert_eq!(active, [true, true, false]);

    let mut world = super::world();
    publisher(&mut world).film(&mut world, 2);
    assert_eq!(world.core.layers(world.now, &stream()), Vec::<Layer>::new());
}

#[test]
fn a_wish_is_fulfilled_at_a_keyframe_without_a_gap_until_it_is_withdrawn() {
    let (mut world, mut camera, viewer) = watched(&["q", "h", "f"]);
    assert!(choose(&mut world, viewer, Some("q")));
    camera.film(&mut world, 10);
    assert_eq!(now_shown(&world, viewer), LOW);
    assert_eq!((camera.asked("q"), camera.requests.len()), (1, 1));
    camera.film(&mut world, 200);
    assert_eq!(now_shown(&world, viewer), LOW, "whatever the link carries");

    assert!(choose(&mut world, viewer, Some("h")));
    camera.film(&mut world, 10);
    assert_eq!(now_shown(&world, viewer), MIDDLE);
    assert!(choose(&mut world, viewer, None));
    camera.film(&mut world, 80);
    assert_eq!(now_shown(&world, viewer), MIDDLE, "up after a while");
    camera.film(&mut world, 30);
    assert_eq!(now_shown(&world, viewer), TOP);
    assert_eq!(world.core.stats().total.layer_changes, 3);
    assert_eq!(camera.requests.len(), 3);

    // Every picture was shown once, but for one that two layers may share or neither has.
    let pictures: Vec<u16> = shown(&world, viewer).iter().map(|p| p.picture).collect();
    for pair in pictures.windows(2) {
        assert!(
            (0..=2).contains(&(i32::from(pair[1]) - i32::from(pair[0]))),
            "{pair:?}"
        );
    }
}

#[test]
fn a_wish_for_what_there_is_not_is_refused() {
    let (mut world, camera, viewer) = watched(&["q", "h"]);
    assert!(!choose(&mut world, viewer, Some("f")));
    assert!(!choose(&mut world, viewer, Some("")));
    assert!(!choose(&mut world, camera.id, Some("q")), "a publisher");
    assert!(choose(&mut world, viewer, None));
}

#[test]
fn many_viewers_that_change_layers_cost_the_publisher_one_request_each_half_second() {
    let (mut world, mut camera, _) = watched(&["q", "h", "f"]);
    let viewers: Vec<Id> = (0..20).map(|_| super::viewer(&mut world)).collect();
    camera.film(&mut world, CAUGHT_UP);
    for viewer in &viewers {
        choose(&mut world, *viewer, Some("q"));
    }
    camera.film(&mut world, 10);
    assert!(
        viewers
            .iter()
            .all(|viewer| now_shown(&world, *viewer) == LOW)
    );
    assert_eq!(camera.asked("q"), 1);
    assert_eq!((camera.asked("h"), camera.asked("f")), (0, 0));
}

#[test]
fn a_viewers_own_request_goes_to_the_layer_that_it_looks_at() {
    let (mut world, mut camera, viewer) = watched(&["q", "h", "f"]);
    choose(&mut world, viewer, Some("h"));
    camera.film(&mut world, 40);
    let before = (camera.asked("h"), camera.requests.len());
    let ssrc = world.peers[viewer].ssrcs("video")[0];
    world.send_rtcp(viewer, Compound::default().pli(9, ssrc));
    camera.film(&mut world, 3);
    assert_eq!(
        (camera.asked("h"), camera.requests.len()),
        (before.0 + 1, before.1 + 1)
    );
}

#[test]
fn a_viewer_away_from_the_streams_home_is_shown_layers_too() {
    let mut world = World::with_workers(EngineConfig::default(), 2);
    let mut camera = layered(&mut world, &["f", "h", "q"]);
    camera.film(&mut world, 70);
    let away = world.play_at(1);
    let away = world.connected(away);
    camera.film(&mut world, CAUGHT_UP);
    assert_eq!(now_shown(&world, away), TOP);
    let session = world.peers[away].answer.session.clone();
    let now = world.now;
    assert!(world.core_at(1).choose_layer(&session, Some("q".into())));
    assert!(!world.core_at(1).choose_layer(&session, Some("x".into())));
    camera.film(&mut world, 10);
    assert_eq!(now_shown(&world, away), LOW);
    assert_eq!((camera.asked("q"), camera.requests.len()), (1, 1));
    let told = world.core_at(1).layers(now, &stream());
    let rids: Vec<&str> = told.iter().map(|layer| layer.rid.as_str()).collect();
    assert_eq!(rids, ["q", "h", "f"]);

    // A layer that is paused at home is paused here.
    assert!(world.core_at(1).choose_layer(&session, None));
    camera.film(&mut world, 110);
    assert_eq!(now_shown(&world, away), TOP);
    camera.lens("f").paused = true;
    camera.film(&mut world, 40);
    assert_eq!(now_shown(&world, away), MIDDLE);
}

#[test]
fn what_was_sent_before_a_change_comes_again_bit_for_bit() {
    let (mut world, mut camera, viewer) = watched(&["q", "h", "f"]);
    let lost: BTreeSet<u16> = {
        let track = world.peers[viewer].track("video");
        track[track.len() - 7..]
            .iter()
            .map(|(header, _)| header.sequence)
            .collect()
    };
    for rid in ["q", "h", "f"] {
        choose(&mut world, viewer, Some(rid));
        camera.film(&mut world, 20);
    }
    let track = world.peers[viewer].track("video").to_vec();
    assert_eq!(world.core.stats().total.layer_changes, 3);
    // The first and last packets of every run, and those from before all changes.
    let layer = |payload: &[u8]| payload[payload.len() - 2];
    let edges = track
        .windows(2)
        .filter(|pair| layer(&pair[0].1) != layer(&pair[1].1));
    let edges = edges.flat_map(|pair| [pair[0].0.sequence, pair[1].0.sequence]);
    let asked: Vec<u16> = lost.into_iter().chain(edges).collect();
    assert_eq!(asked.len(), 7 + 2 * 3);
    let ssrcs = world.peers[viewer].ssrcs("video");
    world.send_rtcp(viewer, Compound::default().nack(9, ssrcs[0], &asked));
    world.exchange();
    let again = &world.peers[viewer].media[&ssrcs[1]];
    assert_eq!(again.len(), asked.len());
    for (header, payload) in again {
        let sequence = u16::from_be_bytes([payload[0], payload[1]]);
        let (first, sent) = track.iter().find(|(h, _)| h.sequence == sequence).unwrap();
        assert_eq!(
            (header.timestamp, header.marker),
            (first.timestamp, first.marker)
        );
        assert_eq!(&payload[2..], &sent[..]);
    }
}

#[test]
fn the_numbers_within_vp8_go_on_too() {
    let (mut world, mut camera, viewer) = watched(&["q", "h", "f"]);
    for rid in ["q", "h", "f", "h"] {
        choose(&mut world, viewer, Some(rid));
        camera.film(&mut world, 20);
    }
    assert_eq!(world.core.stats().total.layer_changes, 4);
    let track = world.peers[viewer].track("video");
    let numbers: Vec<(u16, u8)> = track
        .iter()
        .map(|(_, p)| (u16::from_be_bytes([p[2] & 0x7f, p[3]]), p[4]))
        .collect();
    for (place, pair) in numbers.chunks(3).collect::<Vec<_>>().windows(2).enumerate() {
        assert!(pair[0].iter().all(|numbers| *numbers == pair[0][0]));
        let (picture, lowest) = pair[0][0];
        let next = ((picture + 1) & 0x7fff, lowest.wrapping_add(1));
        assert_eq!(pair[1][0], next, "{place}");
    }
}

#[test]
fn a_packet_that_comes_after_its_layer_was_left_is_still_sent_on() {
    let (mut world, mut camera, viewer) = watched(&["q", "f"]);
    camera.tick();
    let mut packets = camera.packets(1);
    camera.lens("f").paused = true;
    let late = packets.remove(1);
    for packet in packets {
        world.send_plain(camera.id, &packet);
    }
    choose(&mut world, viewer, Some("q"));
    camera.film(&mut world, 10);
    let before = world.peers[viewer].track("video").len();
    assert_eq!(world.peers[viewer].track("video")[before - 1].1.len(), 76);
    world.send_plain(camera.id, &late);
    world.exchange();
    let track = world.peers[viewer].track("video");
    assert_eq!(track.len(), before + 1);
    assert_eq!(track[before].1.len(), 16 + 960);
    assert_eq!(now_shown(&world, viewer), LOW);
}

#[test]
fn a_layer_that_the_encoder_pauses_is_left_and_taken_again() {
    let (mut world, mut camera, viewer) = watched(&["q", "h", "f"]);
    camera.lens("f").paused = true;
    camera.film(&mut world, 29);
    assert_eq!(now_shown(&world, viewer), TOP, "nothing new, and no hurry");
    camera.film(&mut world, 10);
    assert_eq!(now_shown(&world, viewer), MIDDLE);
    camera.lens("f").paused = false;
    camera.lens("f").key_wanted = true;
    camera.film(&mut world, 60);
    assert_eq!(now_shown(&world, viewer), MIDDLE, "on probation");
    camera.film(&mut world, 60);
    assert_eq!(now_shown(&world, viewer), TOP);
    shown(&world, viewer);
}

#[test]
fn a_picture_is_never_broken_off_in_its_middle() {
    let (mut world, mut camera, viewer) = watched(&["q", "f"]);
    camera.deaf = true;
    choose(&mut world, viewer, Some("q"));
    camera.film(&mut world, 2);
    assert_eq!(now_shown(&world, viewer), TOP);
    // The low layer's keyframe arrives while a picture of the top layer is under way.
    camera.lens("q").key_wanted = true;
    camera.tick();
    let (low, top) = (camera.packets(0), camera.packets(1));
    for packet in [&top[0], &low[0], &low[1], &low[2], &top[1], &top[2]] {
        world.send_plain(camera.id, packet);
        world.exchange();
    }
    camera.film(&mut world, 3);
    let pictures = shown(&world, viewer);
    let layers: Vec<u8> = pictures.iter().rev().take(6).map(|p| p.layer).collect();
    assert_eq!(layers, [LOW, LOW, LOW, LOW, TOP, TOP]);
}

#[test]
fn a_keyframe_that_takes_long_to_arrive_does_not_turn_the_time_back() {
    let (mut world, mut camera, viewer) = watched(&["q", "f"]);
    choose(&mut world, viewer, Some("q"));
    camera.film(&mut world, 10);
    choose(&mut world, viewer, Some("f"));
    camera.deaf = true;
    camera.shoot(&mut world);
    // The keyframe's packets trickle in behind eight pictures of the low layer.
    camera.lens("f").key_wanted = true;
    camera.tick();
    let key = camera.packets(1);
    camera.lens("f").paused = true;
    for step in 0..9 {
        if step % 4 == 0 {
            world.send_plain(camera.id, &key[step / 4]);
        }
        camera.shoot(&mut world);
    }
    camera.lens("f").paused = false;
    camera.film(&mut world, 30);
    assert_eq!(now_shown(&world, viewer), TOP);
    // And in the end the picture is as old as it was before.
    let shown = shown(&world, viewer);
    let times: Vec<u32> = shown.iter().map(|p| p.timestamp).collect();
    let last = times.len() - 1;
    assert_eq!(times[last].wrapping_sub(times[last - 1]), 2970);
    let expected = u32::from(shown[last].picture - shown[80].picture) * 2970;
    let off = times[last].wrapping_sub(times[80]).wrapping_sub(expected) as i32;
    assert!(off.abs() < 2970, "{off}");
}

#[test]
fn layers_are_brought_onto_one_time_line_by_their_sender_reports() {
    let mut world = world();
    let mut camera = layered(&mut world, &["q", "f"]);
    // The top layer's first picture arrives late, so that arrival says little.
    camera.lens("f").paused = true;
    camera.shoot(&mut world);
    camera.lens("f").paused = false;
    let first = camera.packets(1);
    world.run(Duration::from_millis(70));
    for packet in first {
        world.send_plain(camera.id, &packet);
    }
    camera.film(&mut world, 40);
    let ntp = 0x1234_5678_0000_0000u64;
    camera.report(&mut world, ntp);
    let viewer = viewer(&mut world);
    camera.film(&mut world, 5);
    choose(&mut world, viewer, Some("q"));
    camera.film(&mut world, 30);
    choose(&mut world, viewer, Some("f"));
    camera.film(&mut world, 30);
    let shown = shown(&world, viewer);
    let settled: Vec<&Shown> = shown.iter().filter(|p| p.picture > 47).collect();
    let of = |layer: u8| {
        let picture = settled.iter().rev().find(|p| p.layer == layer).unwrap();
        picture
            .timestamp
            .wrapping_sub(u32::from(picture.picture) * 2970)
    };
    let off = of(TOP).wrapping_sub(of(LOW)) as i32;
    assert!(off.abs() <= 2, "{off} ticks");

    // And the viewer's own reports follow the layer that it is sent.
    world.run(Duration::from_secs(1));
    let ssrc = world.peers[viewer].ssrcs("video")[0];
    let report = world.peers[viewer]
        .feedback
        .iter()
        .rev()
        .find_map(|message| match message {
            Message::SenderReport { ssrc: of, ntp, rtp } if *of == ssrc => Some((*ntp, *rtp)),
            _ => None,
        });
    let (at, timestamp) = report.unwrap();
    let picture = shown.last().unwrap();
    let since = f64::from(u32::from(picture.picture - 41) * 2970) / 90_000.0;
    let elapsed = (at - ntp) as f64 / f64::from(u32::MAX) - since;
    let ticks = f64::from(timestamp.wrapping_sub(picture.timestamp) as i32);
    assert!(
        (ticks - elapsed * 90_000.0).abs() < 200.0,
        "{ticks} {elapsed}"
    );
}

#[test]
fn sources_that_name_no_layer_are_dropped_until_they_do() {
    let mut world = world();
    let mut camera = layered(&mut world, &["q", "f"]);
    camera.lens("f").names_itself = false;
    camera.film(&mut world, 40);
    assert_eq!(world.core.stats().drops.unexpected_rtp, 120);
    let viewer = viewer(&mut world);
    camera.lens("f").names_itself = true;
    camera.shoot(&mut world);
    // Browsers stop once they know that they were heard.
    camera.lens("f").names_itself = false;
    camera.lens("q").names_itself = false;
    camera.film(&mut world, 160);
    assert_eq!(world.core.stats().drops.unexpected_rtp, 120);
    assert_eq!(now_shown(&world, viewer), TOP);

    // A stranger with the right keys still has to name a layer that was negotiated.
    let before = world.core.stats();
    camera.lenses.push(Lens {
        rid: "x",
        ssrc: 77,
        ..Layers::new(camera.id, &["q"]).lenses.remove(0)
    });
    camera.lens("x").names_itself = true;
    camera.film(&mut world, 2);
    let after = world.core.stats();
    assert_eq!(after.drops.unexpected_rtp, before.drops.unexpected_rtp + 6);
}

#[test]
fn strangers_cost_the_publisher_no_more_than_a_few_tries() {
    let mut world = world();
    let mut camera = layered(&mut world, &["q", "f"]);
    camera.film(&mut world, 2);
    for ssrc in 0..100u32 {
        // Not authentic.
        let mut noise = rtp::header(false, 96, 1, 1, 0x5000 + ssrc).to_vec();
        noise.extend_from_slice(&[0; 40]);
        world.reach_engine(camera.id, &noise);
    }
    let drops = world.core.stats().drops;
    assert!(
        drops.srtp <= 32 && drops.srtp + drops.unexpected_rtp == 100,
        "{drops:?}"
    );
    let viewer = viewer(&mut world);
    camera.film(&mut world, 5);
    assert_eq!(now_shown(&world, viewer), TOP);
}

#[test]
fn a_publisher_that_returns_with_the_same_rids_continues_each_layer() {
    let (mut world, mut camera, top) = watched(&["q", "h", "f"]);
    let low = viewer(&mut world);
    choose(&mut world, low, Some("q"));
    camera.film(&mut world, 10);
    let mut camera = layered(&mut world, &["f", "h", "q"]);
    camera.film(&mut world, 40);
    assert_eq!((now_shown(&world, top), now_shown(&world, low)), (TOP, LOW));
    assert!(!world.peers[top].closed && !world.peers[low].closed);
    let changes = world.core.stats().total.layer_changes;
    assert_eq!(changes, 1, "nobody was moved");
}

#[test]
fn viewers_go_on_with_what_another_publisher_sends() {
    let (mut world, mut camera, one) = watched(&["q", "h", "f"]);
    let other = viewer(&mut world);
    choose(&mut world, other, Some("h"));
    camera.film(&mut world, 10);

    // Other names.
    let mut camera = layered(&mut world, &["a", "q"]);
    camera.film(&mut world, 60);
    for viewer in [one, other] {
        assert_eq!(now_shown(&world, viewer), TOP);
        let last = shown(&world, viewer).last().unwrap().picture;
        assert!((59..=60).contains(&last), "{last}");
    }
    // None at all.
    let mut camera = super::publisher(&mut world);
    let before = [one, other].map(|viewer| world.peers[viewer].track("video").len());
    camera.film(&mut world, 60);
    for message in world.peers[camera.id].feedback.clone() {
        if matches!(message, Message::KeyframeRequest { .. }) {
            camera.shoot(&mut world, true);
        }
    }
    camera.film(&mut world, 5);
    for (viewer, before) in [one, other].into_iter().zip(before) {
        let track = world.peers[viewer].track("video");
        assert!(track.len() > before + 15, "{viewer}");
        let last = &track.last().unwrap().1;
        assert_eq!(last[2], camera.pictures as u8, "the newest");
    }
    assert_eq!(world.core.layers(world.now, &stream()), Vec::<Layer>::new());

    // And back.
    let mut camera = layered(&mut world, &["q", "h", "f"]);
    camera.film(&mut world, 200);
    let layers = world.core.layers(world.now, &stream());
    assert_eq!(layers.len(), 3);
    let last = |viewer: Id| world.peers[viewer].track("video").last().unwrap().1.len();
    assert_eq!(last(one), 16 + 960, "the best layer");
    assert_eq!(last(other), 16 + 240, "the one that it asked for before");
}

/// Layers of real rates, 150 and 550 kb/s and 2.1 Mb/s, and a viewer that does what a browser does behind
/// a link of `rate` bits per second.
fn behind(rate: f64) -> (World, Layers, Id) {
    let mut world = world();
    let mut camera = layered(&mut world, &["q", "h", "f"]);
    for (lens, (parts, bytes)) in camera
        .lenses
        .iter_mut()
        .zip([(1, 600), (2, 1100), (8, 1100)])
    {
        (lens.parts, lens.bytes, lens.size) = (parts, bytes, None);
    }
    camera.film(&mut world, 70);
    let viewer = world.watch(|down, up| {
        down.rate = Some(rate);
        down.queue = (rate / 8.0 * 0.4) as usize;
        for wire in [down, up] {
            wire.delay = Duration::from_millis(20);
        }
    });
    (world, camera, viewer)
}

fn browser(world: &World, viewer: Id) -> &Browser {
    world.peers[viewer].browser.as_ref().unwrap()
}

/// The layer that a viewer is sent.
fn sent(world: &World, viewer: Id) -> String {
    let id = &world.peers[viewer].answer.session;
    let Leg::Viewer(viewer) = &world.core.sessions[&world.core.by_id[id]].leg else {
        panic!("a publisher");
    };
    let layer = viewer.tracks[1].as_ref().unwrap().layer();
    let track = world.core.streams[&stream()].tracks[1].as_ref().unwrap();
    track.layers[layer].rid.as_deref().unwrap().to_owned()
}

/// How long a viewer saw nothing new at most.
fn longest_freeze(browser: &Browser, from: std::time::Instant) -> Duration {
    let shown = browser.shown.iter().map(|shown| shown.1);
    let times: Vec<_> = shown.filter(|at| *at >= from).collect();
    let gaps = times.windows(2).map(|pair| pair[1] - pair[0]);
    gaps.max().unwrap_or(Duration::MAX)
}

#[test]
fn a_viewer_is_shown_what_its_link_carries_and_its_neighbour_all() {
    for (rate, layer) in [(1_000_000.0, "h"), (350_000.0, "q"), (6_000_000.0, "f")] {
        let (mut world, mut camera, viewer) = behind(rate);
        let neighbour = world.watch(|_, _| {});
        camera.film(&mut world, 30 * 5);
        assert_eq!(sent(&world, viewer), layer, "{rate}");
        let from = world.now;
        camera.film(&mut world, 30 * 4);
        assert_eq!(sent(&world, viewer), layer, "{rate}");
        let freeze = longest_freeze(browser(&world, viewer), from);
        assert!(freeze < Duration::from_millis(200), "{rate}: {freeze:?}");
        assert_eq!(sent(&world, neighbour), "f");
        let freeze = longest_freeze(browser(&world, neighbour), from);
        assert!(freeze < Duration::from_millis(100), "{rate}: {freeze:?}");
    }
}

#[test]
fn a_link_that_gets_thin_and_wide_again_changes_the_layer_within_seconds() {
    let (mut world, mut camera, viewer) = behind(8_000_000.0);
    camera.film(&mut world, 30 * 10);
    assert_eq!(sent(&world, viewer), "f");
    world.peers[viewer].down.rate = Some(900_000.0);
    world.peers[viewer].down.queue = 45_000;
    camera.film(&mut world, 30 * 2);
    let settled = world.now;
    assert_eq!(sent(&world, viewer), "h", "within two seconds");
    camera.film(&mut world, 30 * 5);
    let freeze = longest_freeze(browser(&world, viewer), settled);
    assert!(freeze < Duration::from_millis(200), "{freeze:?}");
    world.peers[viewer].down.rate = Some(8_000_000.0);
    camera.film(&mut world, 30 * 20);
    assert_eq!(sent(&world, viewer), "f");
    let changes = world.core.stats().total.layer_changes;
    assert!((2..=4).contains(&changes), "{changes}");
}

#[test]
fn trying_for_more_costs_a_viewer_little() {
    let (mut world, mut camera, viewer) = behind(1_000_000.0);
    camera.film(&mut world, 30 * 5);
    let from = world.now;
    camera.film(&mut world, 30 * 120);
    let shown = browser(&world, viewer).shown.iter();
    let shown = shown.filter(|shown| shown.1 >= from).count();
    assert!(shown > 30 * 120 * 95 / 100, "{shown}");
    let changes = world.core.stats().total.layer_changes;
    assert!(changes < 16, "{changes}");
}
