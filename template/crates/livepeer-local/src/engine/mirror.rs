//! A stream on several workers: what its home and its mirrors do with each other's letters (`relay.rs`).
//!
//! 1. A viewer is to join on a worker that does not have the stream: [`Core::mirror`] makes an empty mirror and
//!    asks the home for it. The caller waits until [`Core::is_asking`] says no, and then plays.
//! 2. The home notes the mirror and tells it everything, then all that is new: [`Core::relay`].
//! 3. The mirror's viewers are served as anywhere. Their wish for a keyframe goes home, where it is one
//!    among those of all viewers.
//! 4. A mirror without viewers takes its leave in `upkeep.rs`.

use std::time::Instant;

use super::core::Core;
use super::names::StreamName;
use super::relay::{Letter, Mirrored, Relay, Update};
use super::stream::Stream;

impl Core {
    /// What the caller is to hand to other cores, in order.
    pub(crate) fn take_letters(&mut self) -> Vec<Letter> {
        std::mem::take(&mut self.letters)
    }

    /// Sees to it that a stream whose home is elsewhere can be played here. `false` if its home has to
    /// be heard first.
    pub(crate) fn mirror(&mut self, now: Instant, name: &StreamName, home: usize) -> bool {
        if let Some(stream) = self.streams.get(name) {
            if stream.home == Some(home) || home == self.seat.worker {
                return !stream.asking;
            }
            // Nobody plays it here, or its home would be the same.
            self.take_leave(name);
        }
        self.streams.insert(name.clone(), Stream::mirror(home));
        self.next_upkeep.get_or_insert(now);
        self.write(home, name, Relay::Wanted);
        false
    }

    /// Whether the home of a mirror has not answered yet.
    pub(crate) fn is_asking(&self, name: &StreamName) -> bool {
        self.streams.get(name).is_some_and(|stream| stream.asking)
    }

    /// Takes a letter of another core. Nothing is sent on to viewers before [`flush`](Core::flush).
    pub(crate) fn handle_letter(&mut self, now: Instant, letter: Letter) {
        let Letter {
            from,
            stream: name,
            relay,
            ..
        } = letter;
        let stream = self.streams.get_mut(&name);
        match relay {
            Relay::Wanted => match stream.filter(|stream| stream.home.is_none() && stream.live) {
                Some(stream) => {
                    stream.mirrors.retain(|mirror| mirror.worker != from);
                    stream.mirrors.push(Mirrored::new(from));
                    self.relay_stream(&name);
                }
                None => self.write(from, &name, Relay::NotLive),
            },
            Relay::Keyframe(layer) => {
                if let Some(stream) = stream
                    && stream.mirrors.iter().any(|mirror| mirror.worker == from)
                {
                    stream.want_keyframe(layer);
                    self.mark_dirty(&name);
                }
            }
            Relay::Left(counters) => match stream {
                Some(stream) => {
                    stream.mirrors.retain(|mirror| mirror.worker != from);
                    stream.counters.add(&counters);
                    self.drop_if_empty(&name);
                }
                None => self.past.add(&counters),
            },
            Relay::NotLive => {
                if stream.is_some_and(|stream| stream.home == Some(from) && stream.asking) {
                    self.streams.remove(&name);
                }
            }
            Relay::Update(update) => {
                if stream.is_some_and(|stream| stream.home == Some(from)) {
                    self.take_update(now, &name, *update);
                }
            }
        }
    }

    fn take_update(&mut self, now: Instant, name: &StreamName, update: Update) {
        let Some(stream) = self.streams.get_mut(name) else {
            return;
        };
        stream.asking = false;
        match update.live {
            true => stream.idle_since = None,
            false if stream.live => stream.idle_since = Some(now),
            false => {}
        }
        stream.live = update.live;
        let continues = update
            .payloads
            .is_none_or(|payloads| stream.take_tracks(payloads));
        let orphans = match continues {
            true => Vec::new(),
            false => stream.viewers.clone(),
        };
        for (track, update) in stream.tracks.iter_mut().zip(update.tracks) {
            if let (Some(track), Some(update)) = (track, update) {
                track.mirror(update);
            }
        }
        for viewer in orphans {
            self.remove(now, viewer);
        }
        self.mark_dirty(name);
    }

    /// Tells the mirrors of what has come in since the last call. [`flush`](Core::flush) does it too; before it,
    /// the other workers need not wait until this one has served its own viewers.
    pub(crate) fn relay(&mut self) {
        for name in self.dirty.clone() {
            self.relay_stream(&name);
        }
    }

    pub(super) fn relay_stream(&mut self, name: &StreamName) {
        let Some(stream) = self.streams.get_mut(name) else {
            return;
        };
        for (to, update) in stream.relay() {
            self.write(to, name, Relay::Update(Box::new(update)));
        }
    }

    /// A mirror has no publisher to ask for a keyframe: it asks its home.
    pub(super) fn ask_home(&mut self, now: Instant, name: &StreamName) {
        let Some(stream) = self.streams.get_mut(name) else {
            return;
        };
        if let Some(home) = stream.home {
            for layer in stream.take_keyframe_wishes(now, &self.config) {
                self.write(home, name, Relay::Keyframe(layer));
            }
        }
    }

    /// The mirrors that nobody plays any more go away.
    pub(super) fn leave_unplayed(&mut self) {
        let unplayed =
            |stream: &Stream| stream.home.is_some() && !stream.asking && stream.viewers.is_empty();
        let mirrors = self.streams.iter();
        let names: Vec<_> = mirrors
            .filter(|(_, stream)| unplayed(stream))
            .map(|(name, _)| name.clone())
            .collect();
        for name in names {
            self.take_leave(&name);
        }
    }

    fn take_leave(&mut self, name: &StreamName) {
        if let Some(stream) = self.streams.remove(name)
            && let Some(home) = stream.home
        {
            self.write(home, name, Relay::Left(Box::new(stream.counters)));
        }
    }

    /// A publisher comes to where a mirror was: the stream's home is here now.
    pub(super) fn come_home(&mut self, name: &StreamName) {
        let Some(stream) = self.streams.get_mut(name) else {
            return;
        };
        if let Some(home) = stream.home.take() {
            (stream.asking, stream.live) = (false, false);
            self.write(home, name, Relay::Left(Box::default()));
        }
    }

    fn write(&mut self, to: usize, name: &StreamName, relay: Relay) {
        self.letters.push(Letter {
            from: self.seat.worker,
            to,
            stream: name.clone(),
            relay,
        });
    }
}
