//! The thin loop around a core: one for each worker thread.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::oneshot;
use tokio::time::sleep_until;

use super::announcer::Announcer;
use super::candidates::Advertised;
use super::core::Core;
use super::handle::Command;
use super::names::{Answer, OfferError, StreamName};
use super::placement::Lease;
use super::routes::Routes;
use super::sdp::Offer;
use super::seat::Seat;
use super::wire::{Reader, Wire};
use super::workers::{Desks, Inbox, Mail, Routed, stop_all};

/// How long a look at the machine's addresses is good for.
const ADDRESSES_FRESH: Duration = Duration::from_secs(5);
/// Datagrams from the worker that reads the socket that are taken as one batch.
const ROUTED_BATCH: usize = 256;
/// The same for letters.
const MAIL_BATCH: usize = 64;

/// A viewer's offer.
pub(crate) struct Play {
    pub(crate) stream: StreamName,
    pub(crate) offer: Offer,
    pub(crate) lease: Lease,
    pub(crate) reply: oneshot::Sender<Result<Answer, OfferError>>,
}

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
    /// Until the stream's home has told what they are to be answered.
    waiting: Vec<Play>,
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
            waiting: Vec::new(),
        }
    }

    /// Works until the engine's handle is gone or says so.
    pub(crate) async fn run(mut self, mut inbox: Inbox) {
        let mut routed = Vec::with_capacity(ROUTED_BATCH);
        let mut mail = Vec::with_capacity(MAIL_BATCH);
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
                1.. = inbox.mail.recv_many(&mut mail, MAIL_BATCH) => {
                    if mail.iter().any(|mail| matches!(mail, Mail::Stop)) {
                        return self.stop();
                    }
                    self.take_mail(&mut mail);
                }
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
            Command::Play(play) => {
                let home = play.lease.home();
                let is_here = home == self.seat.worker;
                match is_here || self.core.mirror(now, &play.stream, home) {
                    true => self.play(now, play),
                    false => self.waiting.push(play),
                }
            }
            Command::End(session, reply) => {
                let _ = reply.send(self.core.end(now, &session));
            }
            Command::Session(session, command) => self.core.handle_session(&session, command),
            Command::EndStream(stream, reply) => {
                self.core.end_stream(now, &stream);
                let _ = reply.send(());
            }
            Command::ChooseLayer(session, rid, reply) => {
                let _ = reply.send(self.core.choose_layer(&session, rid));
            }
            Command::Layers(stream, reply) => {
                let _ = reply.send(self.core.layers(now, &stream));
            }
            Command::Stats(reply) => {
                let _ = reply.send(self.core.stats());
            }
            Command::Shutdown(_) => {}
            #[cfg(test)]
            Command::Panic => panic!("a test wants it"),
        }
    }

    fn play(&mut self, now: Instant, play: Play) {
        self.refresh_addresses(now);
        let answer = self.core.play(now, &play.stream, &play.offer);
        if let Ok(answer) = &answer {
            self.core.hold(&answer.session, play.lease);
        }
        let _ = play.reply.send(answer);
    }

    fn take_mail(&mut self, mail: &mut Vec<Mail>) {
        let now = Instant::now();
        for mail in mail.drain(..) {
            if let Mail::Letter(letter) = mail {
                self.core.handle_letter(now, letter);
            }
        }
        for play in std::mem::take(&mut self.waiting) {
            match self.core.is_asking(&play.stream) {
                true => self.waiting.push(play),
                false => self.play(now, play),
            }
        }
        self.core.flush(now);
    }

    /// Hands on what the core wants other workers to know.
    fn post(&mut self) {
        for letter in self.core.take_letters() {
            // A worker that is gone takes the engine with it.
            let _ = self.desks[letter.to].mail.send(Mail::Letter(letter));
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
        self.relay_and_flush(now);
    }

    /// The other workers do not wait until this one's viewers are served.
    fn relay_and_flush(&mut self, now: Instant) {
        self.core.relay();
        self.post();
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
        self.relay_and_flush(now);
    }

    /// Brings out what the core has: first the routes, since what is sent may be answered at once.
    fn send(&mut self) {
        loop {
            self.post();
            self.routes.apply(self.seat, self.core.take_routes());
            let unsent = self.wire.send(self.core.outbox());
            self.core.count_unsent(unsent);
            if !self.core.is_halfway() {
                break;
            }
            self.core.flush(Instant::now());
        }
        for connection in self.core.take_hang_ups() {
            self.wire.hang_up(connection);
        }
        for event in self.core.take_events() {
            self.announcer.announce(self.seat.worker, event);
        }
    }
}
