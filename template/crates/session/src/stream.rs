//! How far a stream has come, as its session knows it.

use serde::{Deserialize, Serialize};

use crate::effect::{Effect, StreamSpec};
use crate::id::{Slot, Timestamp};

/// A stream that is there or on its way. An architecture that holds one has a stream at Livepeer to end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stream {
    /// Where it stands in the session.
    pub slot: Slot,
    /// How far it has come.
    pub flow: Flow,
}

/// How far a stream has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "kebab-case")]
pub enum Flow {
    /// It is being made.
    Provisioning,
    /// It exists; its publisher is connecting to it.
    Connecting,
    /// Its media arrives.
    Live {
        /// Since when, interruptions included.
        since: Timestamp,
    },
    /// Its media arrived and has stopped; the publisher may come back to it.
    Interrupted {
        /// Since when it had been live.
        since: Timestamp,
    },
}

impl Stream {
    /// A stream to be made, and the effect that makes it.
    pub fn provision(slot: Slot, spec: StreamSpec) -> (Stream, Effect) {
        let stream = Stream {
            slot: slot.clone(),
            flow: Flow::Provisioning,
        };
        (stream, Effect::Provision { slot, spec })
    }

    /// It exists. Whether that was news, and about this stream.
    pub fn provisioned(&mut self, slot: &Slot) -> bool {
        let news = self.slot == *slot && self.flow == Flow::Provisioning;
        if news {
            self.flow = Flow::Connecting;
        }
        news
    }

    /// Media arrives. Whether that was news, and about this stream. A camera can be faster than the answer that the
    /// stream exists.
    pub fn started(&mut self, slot: &Slot, now: Timestamp) -> bool {
        let since = match self.flow {
            Flow::Provisioning | Flow::Connecting => now,
            Flow::Interrupted { since } => since,
            Flow::Live { .. } => return false,
        };
        let news = self.slot == *slot;
        if news {
            self.flow = Flow::Live { since };
        }
        news
    }

    /// Media stopped. Whether that was news, and about this stream.
    pub fn idle(&mut self, slot: &Slot) -> bool {
        match self.flow {
            Flow::Live { since } if self.slot == *slot => {
                self.flow = Flow::Interrupted { since };
                true
            }
            _ => false,
        }
    }

    /// Whether it can be published to: it exists.
    pub fn exists(&self) -> bool {
        self.flow != Flow::Provisioning
    }

    /// Whether its media arrives at this moment.
    pub fn is_live(&self) -> bool {
        matches!(self.flow, Flow::Live { .. })
    }

    /// Since when it has been live, interruptions included; none if it never was. From then on it can be played, and
    /// players stay in place while it is interrupted.
    pub fn since(&self) -> Option<Timestamp> {
        match self.flow {
            Flow::Live { since } | Flow::Interrupted { since } => Some(since),
            Flow::Provisioning | Flow::Connecting => None,
        }
    }

    /// The effect that ends it.
    #[must_use]
    pub fn end(self) -> Effect {
        Effect::End { slot: self.slot }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::effect::{Players, Renditions};

    fn show() -> Stream {
        let spec = StreamSpec {
            publisher: "ada".into(),
            players: Players::Admitted,
            renditions: Renditions::Source,
        };
        let (stream, effect) = Stream::provision(Slot::new("show", 2), spec.clone());
        let slot = Slot::new("show", 2);
        assert_eq!(effect, Effect::Provision { slot, spec });
        stream
    }

    #[test]
    fn a_stream_comes_and_goes_and_comes_back() {
        let (mut stream, slot) = (show(), Slot::new("show", 2));
        assert!(!stream.exists());
        assert!(stream.provisioned(&slot) && stream.exists());
        assert_eq!(stream.since(), None);
        assert!(stream.started(&slot, Timestamp(5)) && stream.is_live());
        assert!(stream.idle(&slot) && !stream.is_live());
        assert!(stream.started(&slot, Timestamp(9)));
        assert_eq!(stream.since(), Some(Timestamp(5)));
        assert_eq!(stream.end(), Effect::End { slot });
    }

    #[test]
    fn late_and_repeated_news_change_nothing() {
        let (mut stream, slot, older) = (show(), Slot::new("show", 2), Slot::new("show", 1));
        for _ in 0..2 {
            let before = stream.clone();
            assert!(!stream.provisioned(&older));
            assert!(!stream.started(&older, Timestamp(1)));
            assert!(!stream.idle(&older));
            assert_eq!(stream, before);
            // The camera is faster than the answer.
            stream.started(&slot, Timestamp(7));
        }
        assert!(!stream.provisioned(&slot));
        assert!(!stream.started(&slot, Timestamp(8)));
        assert!(stream.idle(&slot));
        assert!(!stream.idle(&slot));
    }
}
