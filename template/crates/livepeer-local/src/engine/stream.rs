//! A stream: one publisher at a time, its tracks, and its viewers.

use std::time::Instant;

use super::config::EngineConfig;
use super::outbox::Outbox;
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
    /// Audio, then video. They outlive the publisher, for the viewers' sake.
    pub(crate) tracks: Tracks<Track>,
    /// Between the events Started and Idle.
    pub(crate) live: bool,
    /// Since when the viewers have been waiting for a publisher to return.
    pub(crate) idle_since: Option<Instant>,
    pub(crate) counters: Counters,
    /// Something came in that viewers or the publisher have not been sent yet.
    pub(crate) dirty: bool,
    keyframe_wanted: bool,
    keyframe_asked: Option<Instant>,
}

impl Stream {
    pub(crate) fn new() -> Self {
        Stream {
            publisher: None,
            viewers: Vec::new(),
            tracks: [None, None],
            live: false,
            idle_since: None,
            counters: Counters::default(),
            dirty: false,
            keyframe_wanted: false,
            keyframe_asked: None,
        }
    }

    /// Takes the tracks of a new publisher. `false` if viewers cannot go on with them: they are then
    /// fresh ones.
    pub(crate) fn take_tracks(&mut self, payloads: Tracks<Payload>) -> bool {
        let same = self.tracks.iter().zip(&payloads).all(|pair| match pair {
            (Some(track), Some(payload)) => track.codec().is_same_stream_as(payload.codec),
            (None, None) => true,
            _ => false,
        });
        if !same {
            self.tracks = payloads.map(|payload| payload.map(Track::new));
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

    /// Asks the publisher for a keyframe if one is wanted and the last request is old enough.
    pub(crate) fn ask_keyframe(
        &mut self,
        now: Instant,
        config: &EngineConfig,
        publisher: &mut Session,
        out: &mut Outbox,
    ) {
        let recent = self
            .keyframe_asked
            .is_some_and(|asked| now.saturating_duration_since(asked) < config.keyframe_interval);
        if !self.keyframe_wanted || recent || !publisher.is_connected() {
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
        self.keyframe_wanted = false;
        self.keyframe_asked = Some(now);
    }
}
