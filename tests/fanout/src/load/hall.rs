//! Viewers that share a socket.

use std::cell::RefCell;
use std::net::Ipv4Addr;
use std::rc::Rc;
use std::time::{Duration, Instant};

use tokio::sync::{mpsc, watch};
use tokio::time::{MissedTickBehavior, interval};

use super::viewer::Viewer;
use super::wire::{Buffers, Wire};

/// Viewers of a socket. More would need more than the system's ordinary receive buffer at each burst.
pub(super) const SEATS: usize = 8;
/// How often to look at the clock: half of what NACKs are repeated after.
const TICK: Duration = Duration::from_millis(20);

/// A socket and its viewers.
pub(super) struct Hall {
    wire: Wire,
    viewers: Vec<Viewer>,
}

impl Hall {
    pub(super) fn new(wire: Wire) -> Hall {
        Hall {
            wire,
            viewers: Vec::new(),
        }
    }

    /// Seats whoever arrives, and plays until `stop` changes.
    pub(super) async fn run(
        mut self,
        buffers: Rc<RefCell<Buffers>>,
        mut arriving: mpsc::UnboundedReceiver<Viewer>,
        mut stop: watch::Receiver<bool>,
    ) -> anyhow::Result<()> {
        let mut ticks = interval(TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                biased;
                _ = stop.changed() => return Ok(()),
                Some(viewer) = arriving.recv() => {
                    self.viewers.push(viewer);
                    self.tick(Instant::now())?;
                }
                _ = ticks.tick() => self.tick(Instant::now())?,
                () = self.wire.readable() => self.receive(&mut buffers.borrow_mut())?,
            }
        }
    }

    fn tick(&mut self, now: Instant) -> anyhow::Result<()> {
        for seat in 0..self.viewers.len() {
            let mut out = Vec::new();
            self.viewers[seat].tick(now, &mut out)?;
            self.flush(seat, &out);
        }
        Ok(())
    }

    fn receive(&mut self, buffers: &mut Buffers) -> anyhow::Result<()> {
        let now = Instant::now();
        let mut replies = Vec::new();
        let mut failed = Ok(());
        let viewers = &mut self.viewers;
        self.wire.receive(buffers, |arrival, datagram| {
            let seat = seat_of(arrival.to);
            let Some(viewer) = viewers.get_mut(seat) else {
                return;
            };
            let mut out = Vec::new();
            if let Err(error) = viewer.handle(now, arrival.at, datagram, &mut out) {
                failed = Err(error);
            }
            if !out.is_empty() {
                replies.push((seat, out));
            }
        });
        for (seat, out) in replies {
            self.flush(seat, &out);
        }
        failed
    }

    fn flush(&self, seat: usize, datagrams: &[Vec<u8>]) {
        for datagram in datagrams {
            self.wire
                .send(address_of(seat), self.viewers[seat].server(), datagram);
        }
    }
}

/// Each seat has a loopback address of its own: 127.0.0.1 and those after it.
pub(super) fn address_of(seat: usize) -> Ipv4Addr {
    Ipv4Addr::new(127, 0, 0, 1 + seat as u8)
}

fn seat_of(address: Ipv4Addr) -> usize {
    usize::from(address.octets()[3]).wrapping_sub(1)
}
