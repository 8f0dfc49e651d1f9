//! One audio or video track of a stream: what it carries, and its layers.

use std::sync::Arc;
use std::time::Instant;

use super::config::ReplayLimit;
use super::encoding::Encoding;
use super::layers::Ladder;
use super::names::Layer;
use super::relay::TrackUpdate;
use super::sdp::{Codec, Payload};

/// A track as viewers see it. It outlives its publishers.
pub(crate) struct Track {
    /// What its publisher sends; viewers are matched with it.
    pub(crate) payload: Payload,
    /// One, or the layers of a simulcast in no particular order. An index into it names the same layer
    /// for as long as the track is here.
    pub(crate) layers: Vec<Encoding>,
    /// Those of them that can be shown at this moment; see [`rank`](Track::rank).
    pub(crate) ladder: Ladder,
}

/// The name of a layer (RFC 8851); `None` for the only encoding of a publisher without simulcast.
pub(crate) type RidName = Option<Arc<str>>;

impl Track {
    pub(crate) fn new(payload: Payload) -> Self {
        Track {
            payload,
            layers: Vec::new(),
            ladder: Ladder::default(),
        }
    }

    /// Gives each of a new publisher's encodings its layer, and returns their indexes. One with the rid
    /// of an older one continues it; others continue what nobody sends any more, so that there never are
    /// more layers than a publisher may have, and that a viewer finds something new where it is.
    pub(crate) fn assign(&mut self, rids: &[RidName]) -> Vec<usize> {
        let mut taken: Vec<Option<usize>> = rids
            .iter()
            .map(|rid| self.layers.iter().position(|layer| layer.rid == *rid))
            .collect();
        for (place, rid) in rids.iter().enumerate() {
            if taken[place].is_some() {
                continue;
            }
            let free = (0..self.layers.len()).find(|layer| !taken.contains(&Some(*layer)));
            let layer = free.unwrap_or_else(|| {
                self.layers.push(Encoding::new(self.payload.codec));
                self.layers.len() - 1
            });
            self.layers[layer].rid = rid.clone();
            taken[place] = Some(layer);
        }
        let taken: Vec<usize> = taken.into_iter().flatten().collect();
        for (index, layer) in self.layers.iter_mut().enumerate() {
            layer.is_sent = taken.contains(&index);
        }
        taken
    }

    /// Takes what the stream's home has, on another worker.
    pub(crate) fn mirror(&mut self, update: TrackUpdate) {
        let codec = self.codec();
        let missing = update.len().saturating_sub(self.layers.len());
        self.layers
            .extend((0..missing).map(|_| Encoding::new(codec)));
        for (layer, update) in self.layers.iter_mut().zip(update) {
            layer.mirror(update);
        }
    }

    /// The layer with this index.
    pub(crate) fn layer(&self, index: usize) -> Option<&Encoding> {
        self.layers.get(index)
    }

    /// Whether a joiner can be shown a picture at once.
    pub(crate) fn is_joinable(&self, limit: ReplayLimit) -> bool {
        let mut layers = self.layers.iter();
        layers.any(|layer| layer.joinable_from(limit).is_some())
    }

    /// Looks again at which layers can be shown: those that are sent, since an encoder that is short of
    /// bandwidth stops the best one. If nobody sends, all that were.
    pub(crate) fn rank(&mut self, now: Instant) {
        let mut rungs = std::mem::take(&mut self.ladder.0);
        rungs.clear();
        let sent = |active: bool| {
            let layers = self.layers.iter().enumerate();
            let shown = layers.filter(move |(_, layer)| {
                layer.is_sent
                    && layer.newest_timestamp().is_some()
                    && (!active || layer.is_active(now))
            });
            shown.map(|(index, layer)| layer.rung(index))
        };
        rungs.extend(sent(true));
        if rungs.is_empty() {
            rungs.extend(sent(false));
        }
        self.ladder.0 = rungs;
        self.ladder.sort();
    }

    /// What is told of the layers, lowest first.
    pub(crate) fn described(&self, now: Instant) -> Vec<Layer> {
        let sent = self
            .layers
            .iter()
            .enumerate()
            .filter(|(_, layer)| layer.is_sent);
        let mut all = Ladder(sent.map(|(index, layer)| layer.rung(index)).collect());
        all.sort();
        let layers = all.0.iter().filter_map(|rung| {
            let layer = self.layer(rung.layer)?;
            Some(Layer {
                rid: layer.rid.as_deref()?.to_owned(),
                bitrate: layer.bitrate(),
                width: layer.size.map(|(width, _)| width),
                height: layer.size.map(|(_, height)| height),
                active: layer.is_active(now),
            })
        });
        layers.collect()
    }

    /// The best layer of the moment.
    pub(crate) fn best(&self) -> usize {
        self.ladder.0.last().map_or(0, |rung| rung.layer)
    }

    /// A layer, and those that show less, best first.
    pub(crate) fn up_to(&self, layer: usize) -> impl Iterator<Item = usize> {
        let rungs = self.ladder.0.iter().rev().map(|rung| rung.layer);
        let lower = rungs.skip_while(move |rung| *rung != layer);
        std::iter::once(layer).chain(lower.skip(1))
    }

    /// The index of the layer that the publisher calls so.
    pub(crate) fn named(&self, rid: &RidName) -> Option<usize> {
        let mut layers = self.layers.iter();
        layers.position(|layer| layer.is_sent && layer.rid == *rid)
    }

    /// What the time line of layer `to` is off that of layer `from`, by the publisher's own clock: an
    /// encoder's layers have clocks of their own, and only their sender reports tell what they have in
    /// common. Until both have come, the time of arrival has to do: see [`anchor`](Track::anchor).
    pub(crate) fn shift(&self, from: usize, to: usize) -> u32 {
        let clock = |index: usize| self.layer(index)?.clock();
        let (Some((ntp, timestamp)), Some((ntp_to, timestamp_to))) = (clock(from), clock(to))
        else {
            return 0;
        };
        let elapsed = i128::from(ntp_to.wrapping_sub(ntp) as i64);
        let elapsed = (elapsed * i128::from(self.codec().clock_rate())) >> 32;
        let shift = timestamp
            .wrapping_add(elapsed as u32)
            .wrapping_sub(timestamp_to);
        match (shift as i32).unsigned_abs() > self.codec().clock_rate() {
            // They have been within the jitter of the network from the beginning.
            true => 0,
            false => shift,
        }
    }

    /// Where a layer's first packet belongs on the time line of the others.
    pub(crate) fn anchor(&self, now: Instant) -> Option<u32> {
        let layers = self.layers.iter().filter(|layer| layer.is_active(now));
        layers.filter_map(|layer| layer.live_edge(now)).next()
    }

    /// What it carries.
    pub(crate) fn codec(&self) -> Codec {
        self.payload.codec
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;

    fn rids(names: &str) -> Vec<RidName> {
        match names {
            "" => vec![None],
            names => names.split(' ').map(|name| Some(Arc::from(name))).collect(),
        }
    }

    #[test]
    fn a_new_publishers_layers_continue_those_of_the_older_one() {
        let mut track = Track::new(Payload::for_test(Codec::Vp8, ""));
        for (names, indexes) in [
            ("q h f", vec![0, 1, 2]),
            ("f q h", vec![2, 0, 1]),
            // Another name continues what nobody sends any more.
            ("f x h", vec![2, 0, 1]),
            // Without simulcast: one goes on, the others are there for nobody.
            ("", vec![0]),
            ("h q", vec![1, 0]),
            ("a b c d", vec![0, 1, 2, 3]),
        ] {
            assert_eq!(track.assign(&rids(names)), indexes, "{names}");
            let sent: Vec<usize> = (0..track.layers.len())
                .filter(|index| track.layers[*index].is_sent)
                .collect();
            assert_eq!(sent.len(), indexes.len(), "{names}");
        }
        assert_eq!(track.layers.len(), 4);
    }
}
