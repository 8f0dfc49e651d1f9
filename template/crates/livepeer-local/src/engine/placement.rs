//! Where sessions go: which worker is a stream's home, and which takes the next viewer.
//!
//! A [`Lease`] is a session's place. It is taken before the worker is asked and dropped with the session
//! (or with the refusal), so the numbers here are never behind: as long as anybody publishes or plays a
//! stream anywhere, its home stays the same.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::config::EngineConfig;
use super::names::{OfferError, StreamName};

/// The places of all workers. One for an engine.
#[derive(Debug)]
pub(crate) struct Placement {
    max_sessions: usize,
    max_viewers_per_stream: usize,
    max_viewers_per_address: usize,
    viewers_per_thread: usize,
    taken: Mutex<Taken>,
}

#[derive(Debug)]
struct Taken {
    /// Sessions of each worker.
    sessions: Vec<usize>,
    streams: HashMap<StreamName, Placed>,
}

/// Kept while a stream has sessions, those that are being answered included.
#[derive(Debug)]
struct Placed {
    home: usize,
    publishers: usize,
    /// Of each worker.
    viewers: Vec<usize>,
    /// Viewers of each address that is known.
    askers: HashMap<IpAddr, usize>,
}

/// A session's place at a worker, given back when it is dropped.
#[derive(Debug)]
pub(crate) struct Lease {
    placement: Arc<Placement>,
    stream: StreamName,
    publishes: bool,
    asker: Option<IpAddr>,
    worker: usize,
    home: usize,
}

impl Placement {
    pub(crate) fn new(config: &EngineConfig, workers: usize) -> Arc<Self> {
        Arc::new(Placement {
            max_sessions: config.max_sessions,
            max_viewers_per_stream: config.max_viewers_per_stream,
            max_viewers_per_address: config.max_viewers_per_address,
            viewers_per_thread: config.viewers_per_thread,
            taken: Mutex::new(Taken {
                sessions: vec![0; workers],
                streams: HashMap::new(),
            }),
        })
    }

    /// A place for a publisher: at the stream's home, which is the worker with the fewest sessions if
    /// nobody has the stream yet.
    ///
    /// # Errors
    ///
    /// `Busy` above the configured number of sessions, unless it takes over from another publisher.
    pub(crate) fn publish(self: &Arc<Self>, stream: &StreamName) -> Result<Lease, OfferError> {
        let mut taken = self.lock();
        let known = taken.streams.get(stream);
        let takes_over = known.is_some_and(|placed| placed.publishers > 0);
        if !takes_over && taken.total() >= self.max_sessions {
            return Err(OfferError::Busy);
        }
        let home = known.map_or_else(|| taken.emptiest(|_| 0), |placed| placed.home);
        Ok(self.lease(&mut taken, stream, true, None, home, home))
    }

    /// A place for a viewer: at home while there are fewer than `viewers_per_thread`, then at the
    /// worker with the fewest sessions. `None` if nobody publishes or plays the stream. `asker` is the
    /// address that asks for it.
    ///
    /// # Errors
    ///
    /// `Busy` above the configured number of sessions or of the stream's viewers, all of them or those
    /// of this address.
    pub(crate) fn play(
        self: &Arc<Self>,
        stream: &StreamName,
        asker: Option<IpAddr>,
    ) -> Result<Option<Lease>, OfferError> {
        let mut taken = self.lock();
        let Some(placed) = taken.streams.get(stream) else {
            return Ok(None);
        };
        let viewers: usize = placed.viewers.iter().sum();
        if viewers >= self.max_viewers_per_stream || taken.total() >= self.max_sessions {
            return Err(OfferError::Busy);
        }
        let theirs = asker.and_then(|asker| placed.askers.get(&asker));
        if theirs.is_some_and(|theirs| *theirs >= self.max_viewers_per_address) {
            return Err(OfferError::Busy);
        }
        let home = placed.home;
        let worker = match placed.viewers[home] < self.viewers_per_thread {
            true => home,
            // Among equals first home, then one that has the stream already.
            false => taken.emptiest(|worker| match worker == home {
                true => 0,
                false if placed.viewers[worker] > 0 => 1,
                false => 2,
            }),
        };
        Ok(Some(
            self.lease(&mut taken, stream, false, asker, worker, home),
        ))
    }

    fn lease(
        self: &Arc<Self>,
        taken: &mut Taken,
        stream: &StreamName,
        publishes: bool,
        asker: Option<IpAddr>,
        worker: usize,
        home: usize,
    ) -> Lease {
        let workers = taken.sessions.len();
        taken.sessions[worker] += 1;
        let placed = taken.streams.entry(stream.clone());
        let placed = placed.or_insert_with(|| Placed {
            home,
            publishers: 0,
            viewers: vec![0; workers],
            askers: HashMap::new(),
        });
        if let Some(asker) = asker {
            *placed.askers.entry(asker).or_default() += 1;
        }
        match publishes {
            true => placed.publishers += 1,
            false => placed.viewers[worker] += 1,
        }
        Lease {
            placement: self.clone(),
            stream: stream.clone(),
            publishes,
            asker,
            worker,
            home,
        }
    }

    fn lock(&self) -> MutexGuard<'_, Taken> {
        // Nothing below can panic half-way.
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Taken {
    fn total(&self) -> usize {
        self.sessions.iter().sum()
    }

    /// The worker with the fewest sessions, and among those the one that `rank` puts first.
    fn emptiest(&self, rank: impl Fn(usize) -> usize) -> usize {
        let workers = 0..self.sessions.len();
        workers
            .min_by_key(|worker| (self.sessions[*worker], rank(*worker)))
            .unwrap_or(0)
    }
}

impl Lease {
    /// The worker that takes the session.
    pub(crate) fn worker(&self) -> usize {
        self.worker
    }

    /// The worker that has the stream's publisher.
    pub(crate) fn home(&self) -> usize {
        self.home
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        let mut taken = self.placement.lock();
        taken.sessions[self.worker] -= 1;
        let Some(placed) = taken.streams.get_mut(&self.stream) else {
            return;
        };
        match self.publishes {
            true => placed.publishers -= 1,
            false => placed.viewers[self.worker] -= 1,
        }
        if let Some(asker) = self.asker
            && let Some(theirs) = placed.askers.get_mut(&asker)
        {
            *theirs -= 1;
            if *theirs == 0 {
                placed.askers.remove(&asker);
            }
        }
        if placed.publishers == 0 && placed.viewers.iter().all(|viewers| *viewers == 0) {
            taken.streams.remove(&self.stream);
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;

    fn placement(workers: usize) -> Arc<Placement> {
        let config = EngineConfig {
            max_sessions: 8,
            max_viewers_per_stream: 5,
            viewers_per_thread: 2,
            ..EngineConfig::default()
        };
        Placement::new(&config, workers)
    }

    fn viewers(placement: &Arc<Placement>, stream: &str, count: usize) -> Vec<Lease> {
        let viewers = (0..count).map(|_| placement.play(&stream.into(), None).unwrap().unwrap());
        viewers.collect()
    }

    fn workers(leases: &[Lease]) -> Vec<usize> {
        leases.iter().map(Lease::worker).collect()
    }

    #[test]
    fn streams_spread_and_viewers_stay_at_home_until_it_has_many() {
        let placement = placement(3);
        let a = placement.publish(&"a".into()).unwrap();
        let b = placement.publish(&"b".into()).unwrap();
        assert_eq!((a.worker(), b.worker()), (0, 1));
        let first = viewers(&placement, "a", 5);
        assert_eq!(workers(&first), [0, 0, 2, 2, 1], "then where there is room");
        let second = viewers(&placement, "b", 1);
        assert_eq!(workers(&second), [1]);
    }

    #[test]
    fn a_home_is_kept_while_anybody_is_there_and_free_afterwards() {
        let placement = placement(2);
        let publisher = placement.publish(&"a".into()).unwrap();
        let other = placement.publish(&"b".into()).unwrap();
        let viewer = viewers(&placement, "b", 1);
        drop(other);
        let again = placement.publish(&"b".into()).unwrap();
        assert_eq!(again.worker(), 1, "its viewer waits there");
        drop((publisher, again, viewer));
        assert!(placement.play(&"b".into(), None).unwrap().is_none());
        assert_eq!(placement.publish(&"b".into()).unwrap().worker(), 0);
    }

    #[test]
    fn the_limits_hold_over_all_workers_and_a_takeover_is_always_let_in() {
        let placement = placement(2);
        let _publisher = placement.publish(&"a".into()).unwrap();
        let five = viewers(&placement, "a", 5);
        assert_eq!(
            placement.play(&"a".into(), None).unwrap_err(),
            OfferError::Busy
        );
        let _b = placement.publish(&"b".into()).unwrap();
        let _c = placement.publish(&"c".into()).unwrap();
        assert_eq!(
            placement.publish(&"d".into()).unwrap_err(),
            OfferError::Busy
        );
        assert_eq!(
            placement.play(&"b".into(), None).unwrap_err(),
            OfferError::Busy
        );
        placement.publish(&"a".into()).unwrap();
        drop(five);
        placement.publish(&"d".into()).unwrap();
    }

    #[test]
    fn one_address_does_not_take_a_streams_every_place() {
        let mut placement = placement(2);
        Arc::get_mut(&mut placement)
            .unwrap()
            .max_viewers_per_address = 2;
        let _publisher = placement.publish(&"a".into()).unwrap();
        let play = |last: u8| placement.play(&"a".into(), Some([192, 0, 2, last].into()));
        let (one, _two) = (play(1).unwrap(), play(1).unwrap());
        assert_eq!(play(1).unwrap_err(), OfferError::Busy);
        let _other = play(2).unwrap();
        drop(one);
        let _again = play(1).unwrap();
        assert_eq!(play(1).unwrap_err(), OfferError::Busy);
    }
}
