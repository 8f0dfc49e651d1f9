//! Steps 3 and 4: what came in goes on to the viewers, and what time demands is done.

use std::time::{Duration, Instant};

use super::core::Core;
use super::incoming::Incoming;
use super::names::StreamName;
use super::rtcp::Compound;
use super::sdp::MAX_LAYERS;
use super::session::{Leg, Session};
use super::stream::{SessionKey, Stream};
use super::viewer::Link;

/// Deadlines, repeats and reports are looked at this often; each viewer's reports fall into one of ten
/// such slots of a second.
const UPKEEP: Duration = Duration::from_millis(100);
/// While a joiner is shown the past, it gets the next part this often.
const PACE: Duration = Duration::from_millis(3);
/// A browser whose TCP connection broke tries for this long to open another one.
const RECONNECT: Duration = Duration::from_secs(10);
/// Sender and receiver reports.
const REPORT: Duration = Duration::from_secs(1);

/// What has been seen on the way through a stream's viewers.
#[derive(Debug, Default)]
pub(super) struct Round {
    /// How many of them have been served.
    next: usize,
    /// Layers that somebody needs a keyframe of, to begin or to be moved there ...
    keyframes: [bool; MAX_LAYERS],
    /// ... and to go on on a thin link.
    skipping: [bool; MAX_LAYERS],
    /// Time alone brings somebody more.
    paced: bool,
}

impl Core {
    /// When [`handle_timeout`](Core::handle_timeout) is due; `None` while there are no sessions.
    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        let timers = [
            self.next_upkeep,
            self.next_nack,
            self.next_pace,
            self.next_flush,
        ];
        timers.into_iter().flatten().min()
    }

    /// Does what is due.
    pub(crate) fn handle_timeout(&mut self, now: Instant) {
        let due = |timer: Option<Instant>| timer.is_some_and(|at| at <= now);
        if due(self.next_nack) || due(self.next_pace) {
            self.mark_all_dirty();
        }
        if due(self.next_upkeep) {
            self.next_upkeep = Some(now + UPKEEP);
            self.upkeep(now);
            if self.sessions.is_empty() && self.streams.is_empty() {
                self.next_upkeep = None;
            }
        }
        self.flush(now);
    }

    pub(super) fn mark_dirty(&mut self, name: &StreamName) {
        if let Some(stream) = self.streams.get_mut(name)
            && !stream.dirty
        {
            stream.dirty = true;
            self.dirty.push_back(name.clone());
        }
    }

    fn mark_all_dirty(&mut self) {
        self.next_nack = None;
        self.next_pace = None;
        for (name, stream) in &mut self.streams {
            if !stream.dirty {
                stream.dirty = true;
                self.dirty.push_back(name.clone());
            }
        }
    }

    /// Sends on what has come in since the last call: once for each batch of datagrams, so that a
    /// viewer's packets leave side by side. When the outbox is full the rest waits for the next call, which is due
    /// at once: whoever comes first has its packets before those of the last are made.
    pub(crate) fn flush(&mut self, now: Instant) {
        while !self.out.is_full()
            && let Some(name) = self.dirty.front().cloned()
        {
            if self.flush_stream(now, &name) {
                self.dirty.pop_front();
            }
        }
        self.next_flush = (!self.dirty.is_empty()).then_some(now);
    }

    /// Whether a [`flush`](Core::flush) ended before all viewers were served.
    pub(crate) fn is_halfway(&self) -> bool {
        self.next_flush.is_some()
    }

    /// Goes on with the round of a stream's viewers. Returns whether it has come to its end.
    fn flush_stream(&mut self, now: Instant, name: &StreamName) -> bool {
        let mut round = std::mem::take(&mut self.round);
        self.relay_stream(name);
        let Some(stream) = self.streams.get_mut(name) else {
            return true;
        };
        stream.dirty = false;
        let Stream {
            viewers,
            tracks,
            counters,
            ..
        } = stream;
        for track in tracks.iter_mut().flatten() {
            track.rank(now);
        }
        for key in viewers.iter().skip(round.next) {
            if self.out.is_full() {
                self.round = round;
                return false;
            }
            round.next += 1;
            let Some(session) = self.sessions.get_mut(key) else {
                continue;
            };
            let created = session.created;
            let Some((srtp, path, Leg::Viewer(viewer))) = session.media() else {
                continue;
            };
            // A viewer has joined when it sees something, or hears it where there is nothing to see.
            let main = usize::from(viewer.tracks[1].is_some());
            let mut link = Link {
                srtp,
                path,
                out: &mut self.out,
                counters,
                bandwidth: &mut viewer.bandwidth,
            };
            for (slot, sender) in viewer.tracks.iter_mut().enumerate() {
                if let (Some(sender), Some(track)) = (sender, &tracks[slot]) {
                    let limit = self.config.replay_limit();
                    let was_waiting = sender.is_waiting();
                    sender.forward(now, track, limit, &mut link);
                    if slot == main && was_waiting && !sender.is_waiting() {
                        link.counters.joins += 1;
                        let waited = now.saturating_duration_since(created);
                        link.counters.join_times.note(waited);
                    }
                    if let (1, Some(layer)) = (slot, sender.wants_keyframe()) {
                        round.keyframes[layer % MAX_LAYERS] = true;
                    }
                    if slot == 1 && sender.is_skipping() {
                        round.skipping[sender.layer() % MAX_LAYERS] = true;
                    }
                    round.paced |= sender.is_paced();
                }
            }
        }
        for layer in tracks.iter_mut().flatten().flat_map(|t| &mut t.layers) {
            layer.clear_late();
        }
        if let Some(video) = &mut tracks[1] {
            for (layer, awaited) in video.layers.iter_mut().zip(round.keyframes) {
                layer.keyframe_awaited = awaited;
            }
            for (layer, skipping) in video.layers.iter_mut().zip(round.skipping) {
                if skipping {
                    layer.want_keyframe_slowly(now);
                }
            }
        }
        if round.paced {
            let at = now + PACE;
            self.next_pace = Some(self.next_pace.map_or(at, |next| next.min(at)));
        }
        self.ask_home(now, name);
        self.feed_back(now, name);
        true
    }

    /// What the publisher is told at once: missing packets, and that a keyframe is needed.
    fn feed_back(&mut self, now: Instant, name: &StreamName) {
        let Some(stream) = self.streams.get_mut(name) else {
            return;
        };
        let publisher = stream.publisher.and_then(|key| self.sessions.get_mut(&key));
        let Some(session) = publisher else {
            return;
        };
        let (ours, reduced) = (session.our_ssrc, session.reduced_size);
        let mut nacks = Vec::new();
        if let Leg::Publisher(incoming) = &mut session.leg {
            for (incoming, track) in incoming.iter_mut().zip(&mut stream.tracks) {
                let (Some(incoming), Some(track)) = (incoming, track) else {
                    continue;
                };
                for receiver in incoming.receivers_mut() {
                    let Some(layer) = track.layers.get_mut(receiver.layer) else {
                        continue;
                    };
                    let missing = receiver.due_nacks(now, layer);
                    if let (false, Some(ssrc)) = (missing.is_empty(), receiver.ssrc()) {
                        stream.counters.nacks_out += missing.len() as u64;
                        nacks.push(Compound::feedback(ours, reduced).nack(ours, ssrc, &missing));
                    }
                    if let Some(at) = receiver.poll_timeout() {
                        self.next_nack = Some(self.next_nack.map_or(at, |next| next.min(at)));
                    }
                }
            }
        }
        for layer in stream.tracks[1].iter_mut().flat_map(|t| &mut t.layers) {
            if layer.take_broken() {
                layer.want_keyframe();
            }
        }
        if let Some(advice) = &mut session.advice
            && let Some(feedback) = advice.feedback(now, ours)
        {
            nacks.push(Compound::feedback(ours, reduced).written(feedback));
        }
        for nack in nacks {
            session.send_rtcp(nack, &mut self.out);
        }
        stream.ask_keyframes(now, &self.config, session, &mut self.out);
    }

    fn upkeep(&mut self, now: Instant) {
        let mut over = Vec::new();
        for (key, session) in &mut self.sessions {
            if let Some(why) = self.config.end_of(now, session) {
                tracing::debug!(session = ?session.id, stream = %session.stream, why, "session over");
                over.push(*key);
            } else if session.handle_dtls_timeout(now, &mut self.out).is_err() {
                over.push(*key);
            }
        }
        let mut silent = Vec::new();
        for (name, stream) in &mut self.streams {
            let publisher = stream.publisher.and_then(|key| self.sessions.get(&key));
            let quiet = publisher.is_some_and(|publisher| {
                now.saturating_duration_since(publisher.heard) >= self.config.publisher_silence
            });
            if stream.live && quiet {
                silent.push(name.clone());
            }
            if let Some(since) = stream.idle_since
                && now.saturating_duration_since(since) >= self.config.viewer_hold
            {
                over.extend(&stream.viewers);
                stream.idle_since = None;
            }
            // A keyframe that was wanted too soon after the last may be due now.
            if !stream.dirty {
                stream.dirty = true;
                self.dirty.push_back(name.clone());
            }
        }
        for name in silent {
            self.go_idle(now, &name);
        }
        for key in over {
            self.remove(now, key);
        }
        self.leave_unplayed();
        self.report(now);
    }

    fn report(&mut self, now: Instant) {
        let ceiling = self.config.publisher_bitrate;
        for (key, session) in &mut self.sessions {
            if session.next_report > now || !session.is_connected() {
                continue;
            }
            session.next_report = next_report(now, *key, session);
            let Some(stream) = self.streams.get(&session.stream) else {
                continue;
            };
            let ours = session.our_ssrc;
            let mut compounds = Vec::new();
            match &mut session.leg {
                Leg::Publisher(incoming) => {
                    let incoming = incoming.iter_mut().flatten();
                    let receivers = incoming.flat_map(Incoming::receivers_mut);
                    let blocks: Vec<_> =
                        receivers.filter_map(|r| r.reception_report(now)).collect();
                    let loss = blocks.iter().map(|block| block.fraction_lost).max();
                    let loss = f64::from(loss.unwrap_or(0)) / 256.0;
                    let bitrate = match &mut session.advice {
                        Some(advice) => advice.limit(now, ceiling, loss),
                        None => ceiling,
                    };
                    let ssrcs = blocks.iter().map(|block| block.ssrc).collect();
                    compounds.push(
                        Compound::default()
                            .receiver_report(ours, blocks)
                            .remb(ours, bitrate, ssrcs),
                    );
                }
                Leg::Viewer(viewer) => {
                    for (sender, track) in viewer.tracks.iter().zip(&stream.tracks) {
                        if let (Some(sender), Some(track)) = (sender, track)
                            && let Some(clock) = sender.report(now, track)
                        {
                            if track.codec().is_video() {
                                viewer.bandwidth.note_report(now, clock.0);
                            }
                            compounds.push(
                                Compound::default()
                                    .sender_report(sender.ssrc(), clock, sender.sent())
                                    .cname(sender.ssrc(), &viewer.cname),
                            );
                        }
                    }
                }
            }
            for compound in compounds {
                session.send_rtcp(compound, &mut self.out);
            }
        }
    }
}

/// The first reports go at once; later ones once a second, each session in its own slot.
fn next_report(now: Instant, key: SessionKey, session: &Session) -> Instant {
    let first = session.next_report == session.created;
    let slot = UPKEEP * (key % 10) as u32;
    match first {
        true => now + REPORT / 2 + slot / 2,
        false => now + REPORT - UPKEEP / 2,
    }
}

impl super::config::EngineConfig {
    /// Why a session is over, if it is.
    fn end_of(&self, now: Instant, session: &Session) -> Option<&'static str> {
        if !session.is_connected() {
            let age = now.saturating_duration_since(session.created);
            return (age >= self.handshake_deadline).then_some("never connected");
        }
        let since = |then: Instant| now.saturating_duration_since(then);
        match &session.leg {
            _ if session.cut_off.is_some_and(|then| since(then) >= RECONNECT) => {
                Some("its TCP connection was closed")
            }
            _ if since(session.consent) >= self.consent_deadline => Some("no consent (RFC 7675)"),
            Leg::Publisher(_) if since(session.media) >= self.media_deadline => Some("no media"),
            _ => None,
        }
    }
}
