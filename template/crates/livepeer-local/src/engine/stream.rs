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
    /// Came after newer ones and were not sent on yet, of each track.
    late: [Vec<u64>; 2],
    /// Counts publishers.
    generation: u32,
    keyframe_wanted: bool,
    keyframe_asked: Option<Instant>,
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
            late: Default::default(),
            generation: 0,
            keyframe_wanted: false,
            keyframe_asked: None,
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

    /// The packets of each track that came after newer ones and have not been sent on yet.
    pub(crate) fn take_late(&mut self) -> [Vec<u64>; 2] {
        self.gather_late();
        std::mem::take(&mut self.late)
    }

    fn gather_late(&mut self) {
        for (slot, track) in self.tracks.iter_mut().enumerate() {
            let mut late = track.as_mut().map(Track::take_late).unwrap_or_default();
            for mirror in &mut self.mirrors {
                mirror.note_late(slot, &late);
            }
            self.late[slot].append(&mut late);
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
            self.late = Default::default();
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

    pub(crate) fn want_keyframe(&mut self) {
        self.keyframe_wanted = true;
    }

    /// The next request goes at once, however recent the last one is: the first viewer is waiting.
    pub(crate) fn want_keyframe_at_once(&mut self) {
        self.keyframe_wanted = true;
        self.keyframe_asked = None;
    }

    /// Whether a request that is wanted may go now.
    fn may_ask(&self, now: Instant, config: &EngineConfig) -> bool {
        let recent = self
            .keyframe_asked
            .is_some_and(|asked| now.saturating_duration_since(asked) < config.keyframe_interval);
        self.keyframe_wanted && !recent
    }

    fn asked(&mut self, now: Instant) {
        self.keyframe_wanted = false;
        self.keyframe_asked = Some(now);
    }

    /// For a mirror, which asks its home: whether a keyframe is wanted and the last request is old enough.
    pub(crate) fn take_keyframe_wish(&mut self, now: Instant, config: &EngineConfig) -> bool {
        let may = self.may_ask(now, config);
        if may {
            self.asked(now);
        }
        may
    }

    /// Asks the publisher for a keyframe if one is wanted and the last request is old enough.
    pub(crate) fn ask_keyframe(
        &mut self,
        now: Instant,
        config: &EngineConfig,
        publisher: &mut Session,
        out: &mut Outbox,
    ) {
        if !self.may_ask(now, config) || !publisher.is_connected() {
            return;
        }
        let Leg::Publisher([_, Some(video)]) = &publisher.leg else {
            return;
        };
        let Some(media_ssrc) = video.ssrc() else {
            return;
        };
        let (ours, reduced) = (publisher.our_ssrc, publisher.reduced_size);
        publisher.send_rtcp(Compound::feedback(ours, reduced).pli(ours, media_ssrc), out);
        self.counters.plis_out += 1;
        self.asked(now);
    }
}
