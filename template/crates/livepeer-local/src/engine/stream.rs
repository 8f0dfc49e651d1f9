//! A stream: one publisher at a time, its tracks, and its viewers.

use std::time::Instant;

use super::config::EngineConfig;
use super::outbox::Outbox;
use super::relay::{Mirrored, Update};
use super::rtcp::Compound;
use super::sdp::Payload;
use super::session::{Leg, Session, Tracks};
use super::stats::Counters;
use super::track::Track;

/// Names a session inside the core: cheaper than its id, and never told to anybody.
pub(crate) type SessionKey = u64;

/// Made by the first publisher; dropped when neither a publisher nor viewers are left.
pub(crate) struct Stream {
    pub(crate) publisher: Option<SessionKey>,
    pub(crate) viewers: Vec<SessionKey>,
    /// The worker that has the publisher, if that is another one: this is a mirror.
    pub(crate) home: Option<usize>,
    /// The home has not told us anything yet.
    pub(crate) asking: bool,
    /// At home: the other workers that have viewers.
    pub(crate) mirrors: Vec<Mirrored>,
    /// Audio, then video. They outlive the publisher, for the viewers' sake.
    pub(crate) tracks: Tracks<Track>,
    /// Between the events Started and Idle.
    pub(crate) live: bool,
    /// Since when the viewers have been waiting for a publisher to return.
    pub(crate) idle_since: Option<Instant>,
    pub(crate) counters: Counters,
    /// Something came in that viewers or the publisher have not been sent yet.
    pub(crate) dirty: bool,
    /// Counts publishers.
    generation: u32,
}

impl Stream {
    pub(crate) fn new() -> Self {
        Stream {
            publisher: None,
            viewers: Vec::new(),
            home: None,
            asking: false,
            mirrors: Vec::new(),
            tracks: [None, None],
            live: false,
            idle_since: None,
            counters: Counters::default(),
            dirty: false,
            generation: 0,
        }
    }

    /// An empty one for viewers of a stream whose publisher is at another worker.
    pub(crate) fn mirror(home: usize) -> Self {
        Stream {
            home: Some(home),
            asking: true,
            ..Stream::new()
        }
    }

    /// What is new to each mirror.
    pub(crate) fn relay(&mut self) -> Vec<(usize, Update)> {
        self.gather_late();
        let mut updates = Vec::new();
        for mirror in &mut self.mirrors {
            if let Some(update) = mirror.update(self.live, self.generation, &self.tracks) {
                updates.push((mirror.worker, update));
            }
        }
        updates
    }

    fn gather_late(&mut self) {
        for (slot, track) in self.tracks.iter_mut().enumerate() {
            let layers = track.iter_mut().flat_map(|track| &mut track.layers);
            for (layer, encoding) in layers.enumerate() {
                let late = encoding.take_unrelayed();
                for mirror in &mut self.mirrors {
                    mirror.note_late(slot, layer, late);
                }
            }
        }
    }

    /// Takes the tracks of a new publisher. `false` if viewers cannot go on with them: they are then
    /// fresh ones.
    pub(crate) fn take_tracks(&mut self, payloads: Tracks<Payload>) -> bool {
        self.generation += 1;
        let same = self.tracks.iter().zip(&payloads).all(|pair| match pair {
            (Some(track), Some(payload)) => track.codec().is_same_stream_as(payload.codec),
            (None, None) => true,
            _ => false,
        });
        if !same {
            self.tracks = payloads.map(|payload| payload.map(Track::new));
            self.mirrors.iter_mut().for_each(Mirrored::restart);
            return false;
        }
        for (track, payload) in self.tracks.iter_mut().zip(payloads) {
            if let (Some(track), Some(payload)) = (track, payload) {
                track.payload = payload;
            }
        }
        true
    }

    /// A viewer needs a keyframe of this layer of the video.
    pub(crate) fn want_keyframe(&mut self, layer: usize) {
        let video = self.tracks[1].as_mut();
        if let Some(layer) = video.and_then(|video| video.layers.get_mut(layer)) {
            layer.want_keyframe();
        }
    }

    /// The same for a viewer whose link is too thin.
    pub(crate) fn want_keyframe_slowly(&mut self, now: Instant, layer: usize) {
        let video = self.tracks[1].as_mut();
        if let Some(layer) = video.and_then(|video| video.layers.get_mut(layer)) {
            layer.want_keyframe_slowly(now);
        }
    }

    /// For a mirror, which asks its home: the layers that a keyframe is to be asked of now.
    pub(crate) fn take_keyframe_wishes(
        &mut self,
        now: Instant,
        config: &EngineConfig,
    ) -> Vec<usize> {
        let layers = self.tracks[1].iter_mut().flat_map(|t| &mut t.layers);
        let wished = layers.enumerate().filter_map(|(index, layer)| {
            let wanted = layer.take_keyframe_wanted(now, config.keyframe_interval);
            wanted.then_some(index)
        });
        wished.collect()
    }

    /// Asks the publisher for the keyframes that are wanted, of each layer if its last request is old
    /// enough.
    pub(crate) fn ask_keyframes(
        &mut self,
        now: Instant,
        config: &EngineConfig,
        publisher: &mut Session,
        out: &mut Outbox,
    ) {
        let (ours, reduced) = (publisher.our_ssrc, publisher.reduced_size);
        if !publisher.is_connected() {
            return;
        }
        let (Leg::Publisher([_, Some(video)]), Some(track)) = (&publisher.leg, &mut self.tracks[1])
        else {
            return;
        };
        let mut asked = Vec::new();
        for receiver in video.receivers() {
            if let (Some(ssrc), Some(layer)) =
                (receiver.ssrc(), track.layers.get_mut(receiver.layer))
                && layer.take_keyframe_wanted(now, config.keyframe_interval)
            {
                asked.push(ssrc);
            }
        }
        for ssrc in asked {
            publisher.send_rtcp(Compound::feedback(ours, reduced).pli(ours, ssrc), out);
            self.counters.plis_out += 1;
        }
    }
}
