//! The thin loop around a core: one for each worker thread.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::time::sleep_until;

use super::announcer::Announcer;
use super::candidates::Advertised;
use super::core::Core;
use super::handle::Command;
use super::routes::Routes;
use super::seat::Seat;
use super::wire::{Reader, Wire};
use super::workers::{Desks, Inbox, Mail, Routed, stop_all};

/// How long a look at the machine's addresses is good for.
const ADDRESSES_FRESH: Duration = Duration::from_secs(5);
/// Datagrams from the worker that reads the socket that are taken as one batch.
const ROUTED_BATCH: usize = 256;

/// One worker.
pub(crate) struct SocketLoop {
    core: Core,
    seat: Seat,
    /// Worker 0 has it.
    reader: Option<Reader>,
    wire: Wire,
    routes: Arc<Routes>,
    desks: Desks,
    announcer: Arc<Announcer>,
    advertised: Advertised,
    addresses_at: Instant,
}

impl SocketLoop {
    pub(crate) fn new(
        core: Core,
        reader: Option<Reader>,
        wire: Wire,
        routes: Arc<Routes>,
        desks: Desks,
        announcer: Arc<Announcer>,
        advertised: Advertised,
    ) -> Self {
        SocketLoop {
            seat: core.seat(),
            core,
            reader,
            wire,
            routes,
            desks,
            announcer,
            advertised,
            addresses_at: Instant::now(),
        }
    }

    /// Works until the engine's handle is gone or says so.
    pub(crate) async fn run(mut self, mut inbox: Inbox) {
        let mut routed = Vec::with_capacity(ROUTED_BATCH);
        loop {
            let timeout = self.core.poll_timeout();
            let timer = async {
                match timeout {
                    Some(at) => sleep_until(at.into()).await,
                    None => std::future::pending().await,
                }
            };
            let readable = async {
                match &self.reader {
                    Some(reader) => reader.readable().await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                biased;
                Some(mail) = inbox.mail.recv() => match mail {
                    Mail::Stop => return self.stop(),
                },
                command = inbox.commands.recv() => match command {
                    Some(Command::Shutdown(reply)) => {
                        self.stop();
                        drop((self, inbox));
                        // The caller may have gone away meanwhile.
                        let _ = reply.send(());
                        return;
                    }
                    Some(command) => self.handle(command),
                    None => return self.stop(),
                },
                1.. = inbox.datagrams.recv_many(&mut routed, ROUTED_BATCH) => {
                    self.take_routed(&mut routed);
                }
                ready = readable => match ready {
                    Ok(()) => self.receive(),
                    Err(error) => {
                        tracing::error!(%error, "the media socket is gone");
                        // Whoever follows the events must not take the streams for live for ever.
                        stop_all(&self.desks);
                        return self.stop();
                    }
                },
                () = timer => {}
            }
            let now = Instant::now();
            if self.core.poll_timeout().is_some_and(|at| at <= now) {
                self.core.handle_timeout(now);
            }
            self.send();
        }
    }

    fn stop(&mut self) {
        self.core.end_all(Instant::now());
        self.send();
    }

    fn handle(&mut self, command: Command) {
        let now = Instant::now();
        // A caller that no longer waits for the reply has lost nothing but the reply.
        match command {
            Command::Publish(stream, offer, lease, reply) => {
                self.refresh_addresses(now);
                let answer = self.core.publish(now, &stream, &offer);
                if let Ok(answer) = &answer {
                    self.core.hold(&answer.session, lease);
                }
                let _ = reply.send(answer);
            }
            Command::Play(stream, offer, lease, reply) => {
                self.refresh_addresses(now);
                let answer = self.core.play(now, &stream, &offer);
                if let Ok(answer) = &answer {
                    self.core.hold(&answer.session, lease);
                }
                let _ = reply.send(answer);
            }
            Command::End(session, reply) => {
                let _ = reply.send(self.core.end(now, &session));
            }
            Command::EndStream(stream, reply) => {
                self.core.end_stream(now, &stream);
                let _ = reply.send(());
            }
            Command::Stats(reply) => {
                let _ = reply.send(self.core.stats());
            }
            Command::Shutdown(_) => {}
            #[cfg(test)]
            Command::Panic => panic!("a test wants it"),
        }
    }

    /// A laptop changes networks while the engine runs.
    fn refresh_addresses(&mut self, now: Instant) {
        if now.saturating_duration_since(self.addresses_at) >= ADDRESSES_FRESH {
            self.addresses_at = now;
            let candidates = self.advertised.candidates();
            if !candidates.is_empty() {
                self.core.set_candidates(candidates);
            }
        }
    }

    /// Takes what the socket has, and hands on what is not for this worker.
    fn receive(&mut self) {
        let Some(reader) = &mut self.reader else {
            return;
        };
        let (core, routes, desks) = (&mut self.core, &self.routes, &self.desks);
        let now = Instant::now();
        reader.receive(|path, datagram| {
            let worker = routes.worker(path, datagram);
            if worker == self.seat.worker {
                return core.handle_datagram(now, path, datagram);
            }
            let routed = Routed::Datagram(path, Box::from(datagram));
            if desks[worker].datagrams.try_send(routed).is_err() {
                core.count_unrouted();
            }
        });
        self.core.flush(now);
    }

    fn take_routed(&mut self, routed: &mut Vec<Routed>) {
        let now = Instant::now();
        for routed in routed.drain(..) {
            match routed {
                Routed::Datagram(path, datagram) => {
                    self.core.handle_datagram(now, path, &datagram);
                }
                Routed::Closed(path) => self.core.handle_disconnect(now, path),
            }
        }
        self.core.flush(now);
    }

    /// Brings out what the core has: first the routes, since what is sent may be answered at once.
    fn send(&mut self) {
        self.routes.apply(self.seat, self.core.take_routes());
        let unsent = self.wire.send(self.core.outbox());
        self.core.count_unsent(unsent);
        for connection in self.core.take_hang_ups() {
            self.wire.hang_up(connection);
        }
        for event in self.core.take_events() {
            self.announcer.announce(self.seat.worker, event);
        }
    }
}
