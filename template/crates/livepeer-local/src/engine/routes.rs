//! Which worker a datagram is for. One worker reads the socket for all of them.

use std::collections::HashMap;
use std::sync::{PoisonError, RwLock};
use std::time::Instant;

use super::outbox::{Path, TransportAddress};
use super::seat::{Seat, worker_of_stun};
use super::session::HOLD;

/// What a core has learned about an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RouteChange {
    /// An authenticated check of one of its sessions came from there.
    Validated(TransportAddress, Instant),
    /// A packet came from there that only the session's keys could make. Told once in a while.
    Proven(TransportAddress, Instant),
    /// None of its sessions is there any more.
    Forgotten(TransportAddress),
}

/// The table that all workers write and worker 0 reads: only addresses that an authenticated check
/// came from, each with the worker whose check is the newest, unless another's session is at work
/// there: a check may have been sent under its address.
#[derive(Debug)]
pub(crate) struct Routes {
    workers: usize,
    table: RwLock<HashMap<TransportAddress, Route>>,
}

#[derive(Clone, Copy, Debug)]
struct Route {
    worker: usize,
    proven: Option<Instant>,
}

impl Routes {
    pub(crate) fn new(workers: usize) -> Self {
        Routes {
            workers,
            table: RwLock::default(),
        }
    }

    /// Takes what a worker's core has learned: before what that core wants sent leaves, so that the
    /// peer's next datagram finds its way.
    pub(crate) fn apply(&self, seat: Seat, changes: Vec<RouteChange>) {
        if changes.is_empty() {
            return;
        }
        // Every entry is whole at any time, whatever panicked.
        let mut table = self.table.write().unwrap_or_else(PoisonError::into_inner);
        for change in changes {
            match change {
                RouteChange::Validated(address, now) => {
                    let new = Route {
                        worker: seat.worker,
                        proven: None,
                    };
                    let route = table.entry(address).or_insert(new);
                    let held = route
                        .proven
                        .is_some_and(|at| now.saturating_duration_since(at) < HOLD);
                    if route.worker != seat.worker && !held {
                        *route = new;
                    }
                }
                RouteChange::Proven(address, now) => {
                    if let Some(route) = table.get_mut(&address)
                        && route.worker == seat.worker
                    {
                        route.proven = Some(now);
                    }
                }
                RouteChange::Forgotten(address) => {
                    let route = table.get(&address);
                    if route.is_some_and(|route| route.worker == seat.worker) {
                        table.remove(&address);
                    }
                }
            }
        }
    }

    /// The worker to hand a datagram to. Those that are for nobody go to worker 0, which counts them.
    pub(crate) fn worker(&self, path: Path, datagram: &[u8]) -> usize {
        if self.workers == 1 {
            return 0;
        }
        // RFC 7983 section 7: below 4 it is STUN.
        let found = match datagram.first() {
            Some(0..4) => worker_of_stun(datagram, self.workers),
            _ => Some(self.worker_at(path)),
        };
        found.unwrap_or(0)
    }

    /// The worker with a session at the other end of a path, or worker 0.
    pub(crate) fn worker_at(&self, path: Path) -> usize {
        let table = self.table.read().unwrap_or_else(PoisonError::into_inner);
        table
            .get(&path.remote_end())
            .map_or(0, |route| route.worker)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::SocketAddr;

    const RTP: &[u8] = &[0x80; 12];

    fn seat(worker: usize) -> Seat {
        Seat { worker, of: 3 }
    }

    fn path(port: u16) -> Path {
        Path::udp(SocketAddr::from(([192, 0, 2, 1], port)), None)
    }

    fn end(port: u16) -> TransportAddress {
        path(port).remote_end()
    }

    #[test]
    fn only_validated_addresses_lead_to_other_workers_and_the_newest_check_wins() {
        let routes = Routes::new(3);
        assert_eq!(routes.worker(path(1), RTP), 0, "a stranger");
        let now = Instant::now();
        routes.apply(seat(2), vec![RouteChange::Validated(end(1), now)]);
        assert_eq!(routes.worker(path(1), RTP), 2);
        assert_eq!(routes.worker(path(2), RTP), 0);
        routes.apply(seat(1), vec![RouteChange::Validated(end(1), now)]);
        assert_eq!(routes.worker(path(1), RTP), 1);
        routes.apply(seat(2), vec![RouteChange::Forgotten(end(1))]);
        assert_eq!(routes.worker(path(1), RTP), 1, "not its any more");
        routes.apply(seat(1), vec![RouteChange::Forgotten(end(1))]);
        assert_eq!(routes.worker(path(1), RTP), 0);
    }

    #[test]
    fn an_address_at_which_a_session_is_at_work_is_not_anothers() {
        let routes = Routes::new(3);
        let now = Instant::now();
        let (validated, proven) = (RouteChange::Validated, RouteChange::Proven);
        routes.apply(seat(2), vec![validated(end(1), now)]);
        routes.apply(seat(1), vec![proven(end(1), now)]);
        routes.apply(seat(2), vec![proven(end(1), now)]);
        routes.apply(seat(1), vec![validated(end(1), now + HOLD / 2)]);
        assert_eq!(routes.worker(path(1), RTP), 2, "made up");
        routes.apply(seat(1), vec![validated(end(1), now + HOLD)]);
        assert_eq!(routes.worker(path(1), RTP), 1, "left alone");
    }
}
