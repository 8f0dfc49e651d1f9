//! What happens to streams, told in order to whoever follows the engine.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::broadcast;

use super::names::{StreamEvent, StreamName};

/// Events that a slow subscriber may be behind before it misses some.
const EVENT_BACKLOG: usize = 1024;

/// Takes the events of all workers. A subscriber sees `Started` and `Idle` of a stream alternate, even
/// when the stream has just moved from one worker to another, and no stream stays live when the engine
/// stops, for whatever reason.
#[derive(Debug)]
pub(crate) struct Announcer {
    events: broadcast::Sender<StreamEvent>,
    known: Mutex<Known>,
}

#[derive(Debug, Default)]
struct Known {
    /// Live streams, and the worker that said so.
    live: HashMap<StreamName, usize>,
    over: bool,
}

impl Announcer {
    pub(crate) fn new() -> Self {
        Announcer {
            events: broadcast::channel(EVENT_BACKLOG).0,
            known: Mutex::default(),
        }
    }

    pub(crate) fn subscribe(&self) -> broadcast::Receiver<StreamEvent> {
        self.events.subscribe()
    }

    /// Tells of one event of a worker.
    pub(crate) fn announce(&self, worker: usize, event: StreamEvent) {
        let mut known = self.lock();
        if known.over {
            return;
        }
        match &event {
            StreamEvent::Started { stream } => {
                // Its older home has not come to say it yet.
                if known.live.insert(stream.clone(), worker).is_some() {
                    let stream = stream.clone();
                    self.send(StreamEvent::Idle { stream });
                }
            }
            StreamEvent::Idle { stream } => {
                if known.live.get(stream) != Some(&worker) {
                    return;
                }
                known.live.remove(stream);
            }
            StreamEvent::Diagnosed { stream, .. } => {
                if known.live.get(stream) != Some(&worker) {
                    return;
                }
            }
        }
        self.send(event);
    }

    /// Every stream that is still live becomes idle, and nothing follows.
    pub(crate) fn close(&self) {
        let mut known = self.lock();
        known.over = true;
        for (stream, _) in known.live.drain() {
            self.send(StreamEvent::Idle { stream });
        }
    }

    fn send(&self, event: StreamEvent) {
        // Without subscribers nobody wants to know.
        let _ = self.events.send(event);
    }

    fn lock(&self) -> MutexGuard<'_, Known> {
        // Nothing above can panic half-way.
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;

    fn started() -> StreamEvent {
        StreamEvent::Started {
            stream: "show".into(),
        }
    }

    fn idle() -> StreamEvent {
        StreamEvent::Idle {
            stream: "show".into(),
        }
    }

    fn all(events: &mut broadcast::Receiver<StreamEvent>) -> Vec<StreamEvent> {
        std::iter::from_fn(|| events.try_recv().ok()).collect()
    }

    #[test]
    fn a_stream_that_moves_is_idle_in_between_whoever_speaks_first() {
        let announcer = Announcer::new();
        let mut events = announcer.subscribe();
        announcer.announce(0, started());
        announcer.announce(1, started());
        announcer.announce(0, idle());
        assert_eq!(all(&mut events), [started(), idle(), started()]);
        announcer.announce(1, idle());
        assert_eq!(all(&mut events), [idle()]);
    }

    #[test]
    fn only_the_home_of_a_live_stream_may_say_what_is_amiss_with_it() {
        let announcer = Announcer::new();
        let mut events = announcer.subscribe();
        let diagnosed = StreamEvent::Diagnosed {
            stream: "show".into(),
            findings: Vec::new(),
        };
        announcer.announce(0, diagnosed.clone());
        announcer.announce(0, started());
        announcer.announce(1, diagnosed.clone());
        announcer.announce(0, diagnosed.clone());
        assert_eq!(all(&mut events), [started(), diagnosed]);
    }

    #[test]
    fn when_the_engine_stops_no_stream_stays_live_and_nothing_follows() {
        let announcer = Announcer::new();
        let mut events = announcer.subscribe();
        announcer.announce(0, started());
        announcer.close();
        announcer.announce(1, started());
        assert_eq!(all(&mut events), [started(), idle()]);
    }
}
