//! What a stream's home tells its mirrors, and they it. A mirror is the same stream on another worker, for
//! the viewers that are there: it has no publisher, and its rings hold the very packets of the home's.

use std::sync::Arc;
use std::time::Instant;

use super::encoding::{Encoding, Report};
use super::names::StreamName;
use super::ring::Packet;
use super::sdp::Payload;
use super::session::Tracks;
use super::stats::Counters;
use super::track::{RidName, Track};

/// Updates that a mirror may be behind. Beyond that it is too busy: what comes meanwhile waits in the
/// home's ring. What has left that is lost to it, and is a hole to its viewers.
const MAX_WAITING: usize = 64;

/// From one core to another.
#[derive(Debug)]
pub(crate) struct Letter {
    pub(crate) from: usize,
    pub(crate) to: usize,
    pub(crate) stream: StreamName,
    pub(crate) relay: Relay,
}

/// What it says.
#[derive(Debug)]
pub(crate) enum Relay {
    /// To the home: a viewer is coming, tell me everything.
    Wanted,
    /// To the home: a viewer needs a keyframe of this layer.
    Keyframe(usize),
    /// To the home: the last viewer has gone, tell me no more. What was counted is yours now, so that a
    /// stream's counters never go down.
    Left(Box<Counters>),
    /// To a mirror: there is nothing to tell; the answer to `Wanted`.
    NotLive,
    /// To a mirror: the answer to `Wanted`, and from then on all that is new.
    Update(Box<Update>),
}

/// The state of a stream, with the packets that are new to the mirror.
#[derive(Debug)]
pub(crate) struct Update {
    pub(crate) live: bool,
    /// A publisher came: what it sends. It is in the first update.
    pub(crate) payloads: Option<Tracks<Payload>>,
    pub(crate) tracks: Tracks<TrackUpdate>,
    /// Dropped with the update: how the home knows how many wait.
    _waiting: Arc<()>,
}

/// One track of it: each of its layers.
pub(crate) type TrackUpdate = Vec<LayerUpdate>;

/// One layer of it.
#[derive(Debug)]
pub(crate) struct LayerUpdate {
    /// Those that came late among them.
    pub(crate) packets: Vec<Arc<Packet>>,
    pub(crate) state: LayerState,
    /// The newest packet's place on the time line, and when it came.
    pub(crate) newest: Option<(u32, Instant)>,
    pub(crate) bitrate: u64,
}

/// What is told even when there are no packets.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct LayerState {
    pub(crate) rid: RidName,
    /// The publisher of this moment negotiated it.
    pub(crate) is_sent: bool,
    pub(crate) size: Option<(u32, u32)>,
    /// The newest hole that will stay one.
    pub(crate) lost: Option<u64>,
    pub(crate) report: Option<Report>,
}

/// The home's side: what one mirror knows. Like a viewer it is a cursor in each ring, so nothing is kept
/// for it, however slow it is.
#[derive(Debug)]
pub(crate) struct Mirrored {
    pub(crate) worker: usize,
    live: bool,
    /// Of the payloads that it was told.
    generation: Option<u32>,
    /// Of each track's layers.
    lanes: [Vec<Lane>; 2],
    waiting: Arc<()>,
}

/// What it knows of one layer. Zero to begin with: it is told all that the ring has.
#[derive(Debug, Default)]
struct Lane {
    /// The next to tell.
    next: u64,
    /// Came after newer ones, and are to be told.
    late: Vec<u64>,
    state: LayerState,
}

impl Mirrored {
    pub(crate) fn new(worker: usize) -> Self {
        Mirrored {
            worker,
            live: false,
            generation: None,
            lanes: Default::default(),
            waiting: Arc::default(),
        }
    }

    /// The tracks are other ones now.
    pub(crate) fn restart(&mut self) {
        self.lanes = Default::default();
    }

    /// Takes note of packets that came late.
    pub(crate) fn note_late(&mut self, slot: usize, layer: usize, late: &[u64]) {
        if let Some(lane) = self.lanes[slot].get_mut(layer) {
            let told = late.iter().filter(|index| **index < lane.next);
            lane.late.extend(told);
        }
    }

    /// What is new to it. `None` if nothing is, or if it is too far behind to be told more.
    pub(crate) fn update(
        &mut self,
        live: bool,
        generation: u32,
        tracks: &Tracks<Track>,
    ) -> Option<Update> {
        if Arc::strong_count(&self.waiting) > MAX_WAITING {
            return None;
        }
        let is_new = self.generation != Some(generation);
        let mut changed = is_new || self.live != live;
        let mut lanes = self.lanes.iter_mut();
        let updates = tracks.each_ref().map(|track| {
            let (lanes, track) = (lanes.next()?, track.as_ref()?);
            lanes.resize_with(track.layers.len(), Lane::default);
            let layers = lanes.iter_mut().zip(&track.layers);
            let updates = layers.map(|(lane, layer)| {
                let update = lane.update(layer);
                changed |= !update.packets.is_empty() || lane.state != update.state;
                lane.state = update.state.clone();
                update
            });
            Some(updates.collect())
        });
        if !changed {
            return None;
        }
        self.live = live;
        self.generation = Some(generation);
        let payloads = || tracks.each_ref().map(|t| Some(t.as_ref()?.payload.clone()));
        Some(Update {
            live,
            payloads: is_new.then(payloads),
            tracks: updates,
            _waiting: self.waiting.clone(),
        })
    }
}

impl Lane {
    fn update(&mut self, layer: &Encoding) -> LayerUpdate {
        let ring = &layer.ring;
        let late = self.late.drain(..).filter_map(|index| ring.get(index));
        let packets = late.chain(ring.since(self.next)).cloned().collect();
        self.next = ring.head();
        layer.told(packets)
    }
}
