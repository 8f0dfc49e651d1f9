//! The engine's handle: commands go to its worker threads, answers come back.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use tokio::sync::{broadcast, mpsc, oneshot};

use super::announcer::Announcer;
use super::config::{EngineConfig, StartError};
use super::names::{Answer, Layer, OfferError, Owner, SessionId, StreamEvent, StreamName};
use super::negotiate;
use super::patch::{Condition, PatchError, Patched, SessionInfo};
use super::placement::{Lease, Placement};
use super::sdp::{Fragment, Offer};
use super::socket_loop::Play;
use super::stats::Stats;
use super::workers;

/// A running engine. Cloning is cheap; the engine stops when the last clone is dropped, or at
/// [`shutdown`](Engine::shutdown).
#[derive(Clone, Debug)]
pub struct Engine {
    shared: Arc<Shared>,
    asker: Option<IpAddr>,
}

#[derive(Debug)]
struct Shared {
    /// Of each worker.
    commands: Vec<mpsc::UnboundedSender<Command>>,
    placement: Arc<Placement>,
    announcer: Arc<Announcer>,
    udp_addr: SocketAddr,
}

/// What the handle asks of a worker. A new one that concerns a session goes through
/// [`Engine::ask_session`], and is carried out in `socket_loop.rs`.
pub(crate) enum Command {
    Publish(
        StreamName,
        Offer,
        Lease,
        oneshot::Sender<Result<Answer, OfferError>>,
    ),
    Play(Play),
    End(SessionId, oneshot::Sender<bool>),
    Session(SessionId, SessionCommand),
    EndStream(StreamName, oneshot::Sender<()>),
    ChooseLayer(SessionId, Option<String>, oneshot::Sender<bool>),
    Layers(StreamName, oneshot::Sender<Vec<Layer>>),
    Stats(oneshot::Sender<Stats>),
    Shutdown(oneshot::Sender<()>),
    /// Shows what happens when a worker panics.
    #[cfg(test)]
    Panic,
}

/// What is asked of one session.
pub(crate) enum SessionCommand {
    Info(oneshot::Sender<Option<SessionInfo>>),
    SetOwner(Owner, oneshot::Sender<()>),
    Patch(
        Fragment,
        Condition,
        oneshot::Sender<Result<Patched, PatchError>>,
    ),
}

impl Engine {
    /// Binds the socket, makes a fresh DTLS certificate, and starts the engine's threads.
    ///
    /// # Errors
    ///
    /// See [`StartError`]; its words name the mend.
    pub async fn start(config: EngineConfig) -> Result<Engine, StartError> {
        let announcer = Arc::new(Announcer::new());
        let (udp_addr, commands) = workers::spawn(&config, &announcer)?;
        Ok(Engine {
            shared: Arc::new(Shared {
                placement: Placement::new(&config, commands.len()),
                commands,
                announcer,
                udp_addr,
            }),
            asker: None,
        })
    }

    /// The same engine, whose viewers from now on count for this address: a stream takes
    /// [`max_viewers_per_address`](EngineConfig::max_viewers_per_address) of them.
    pub fn on_behalf_of(&self, address: IpAddr) -> Engine {
        Engine {
            asker: Some(address),
            ..self.clone()
        }
    }

    /// Where the socket is bound, with the port that the system chose.
    pub fn udp_addr(&self) -> SocketAddr {
        self.shared.udp_addr
    }

    /// A publisher's offer (WHIP). A stream that has a publisher changes hands at once: the older
    /// session is ended, and the viewers stay connected if the codecs are the same.
    ///
    /// # Errors
    ///
    /// Every variant of [`OfferError`] but `NotLive`.
    pub async fn publish(&self, stream: &StreamName, offer: &str) -> Result<Answer, OfferError> {
        let offer = Offer::parse(offer)?;
        let lease = self.shared.placement.publish(stream)?;
        let stream = stream.clone();
        self.ask(lease.worker(), |reply| {
            Command::Publish(stream, offer, lease, reply)
        })
        .await
        .unwrap_or(Err(OfferError::ShuttingDown))
    }

    /// A viewer's offer (WHEP).
    ///
    /// # Errors
    ///
    /// [`OfferError::NotLive`] until a publisher has sent its first media packet, and every other
    /// variant of [`OfferError`].
    pub async fn play(&self, stream: &StreamName, offer: &str) -> Result<Answer, OfferError> {
        let offer = Offer::parse(offer)?;
        let Some(lease) = self.shared.placement.play(stream, self.asker)? else {
            if self.has_stopped() {
                return Err(OfferError::ShuttingDown);
            }
            negotiate::check_receives(&offer)?;
            return Err(OfferError::NotLive);
        };
        let stream = stream.clone();
        self.ask(lease.worker(), |reply| {
            Command::Play(Play {
                stream,
                offer,
                lease,
                reply,
            })
        })
        .await
        .unwrap_or(Err(OfferError::ShuttingDown))
    }

    /// What a session is; `None` if there is no such session (any more).
    pub async fn session(&self, session: &SessionId) -> Option<SessionInfo> {
        self.ask_session(session, |session, reply| {
            Command::Session(session, SessionCommand::Info(reply))
        })
        .await
        .flatten()
    }

    /// Notes who opened a session, to be told again by [`session`](Engine::session).
    pub async fn set_owner(&self, session: &SessionId, owner: Owner) {
        self.ask_session(session, |session, reply| {
            Command::Session(session, SessionCommand::SetOwner(owner, reply))
        })
        .await;
    }

    /// A fragment that a peer adds to its offer (HTTP PATCH): candidates, or an ICE restart.
    ///
    /// # Errors
    ///
    /// See [`PatchError`]; the session goes on as it was.
    pub async fn patch(
        &self,
        session: &SessionId,
        fragment: &str,
        condition: Condition,
    ) -> Result<Patched, PatchError> {
        let fragment = Fragment::parse(fragment).map_err(PatchError::Malformed)?;
        self.ask_session(session, |session, reply| {
            Command::Session(session, SessionCommand::Patch(fragment, condition, reply))
        })
        .await
        .unwrap_or(Err(PatchError::ShuttingDown))
    }

    /// Ends one session (HTTP DELETE): the peer is sent a DTLS close_notify. `false` if there is no
    /// such session (any more).
    pub async fn end(&self, session: &SessionId) -> bool {
        self.ask_session(session, Command::End)
            .await
            .unwrap_or(false)
    }

    /// Ends the publisher and every viewer of a stream, at once.
    pub async fn end_stream(&self, stream: &StreamName) {
        self.ask_all(|reply| Command::EndStream(stream.clone(), reply))
            .await;
    }

    /// The layers of a stream's video, lowest first. Empty if its publisher sends one encoding only, or if
    /// there is no such stream.
    pub async fn layers(&self, stream: &StreamName) -> Vec<Layer> {
        let told = self
            .ask_all(|reply| Command::Layers(stream.clone(), reply))
            .await;
        told.into_iter()
            .find(|layers| !layers.is_empty())
            .unwrap_or_default()
    }

    /// Shows a viewer the layer with this rid from its next keyframe on, whatever its link carries; with
    /// `None` the engine chooses again. While nobody sends the layer, the engine chooses too. `false` if
    /// there is no such viewer, or no such layer of its stream.
    pub async fn choose_layer(&self, session: &SessionId, rid: Option<String>) -> bool {
        self.ask_session(session, |session, reply| {
            Command::ChooseLayer(session, rid, reply)
        })
        .await
        .unwrap_or(false)
    }

    /// What happens to streams from now on.
    pub fn events(&self) -> broadcast::Receiver<StreamEvent> {
        self.shared.announcer.subscribe()
    }

    /// Every counter at this moment; empty once the engine has stopped.
    pub async fn stats(&self) -> Stats {
        let mut all = Stats::default();
        for stats in self.ask_all(Command::Stats).await {
            all.add(stats);
        }
        all
    }

    /// Ends every session and closes the socket. Returns when both are done; a second call does nothing.
    pub async fn shutdown(&self) {
        self.ask_all(Command::Shutdown).await;
    }

    /// Asks the worker that has a session. `None` once the engine has stopped.
    async fn ask_session<T>(
        &self,
        session: &SessionId,
        command: impl FnOnce(SessionId, oneshot::Sender<T>) -> Command,
    ) -> Option<T> {
        let worker = session.worker(self.shared.commands.len());
        self.ask(worker, |reply| command(session.clone(), reply))
            .await
    }

    /// Asks all workers at once. Those that have stopped do not answer.
    async fn ask_all<T>(&self, command: impl Fn(oneshot::Sender<T>) -> Command) -> Vec<T> {
        let workers = 0..self.shared.commands.len();
        let asked: Vec<_> = workers.map(|worker| self.send(worker, &command)).collect();
        let mut answers = Vec::new();
        for answer in asked.into_iter().flatten() {
            answers.extend(answer.await);
        }
        answers
    }

    async fn ask<T>(
        &self,
        worker: usize,
        command: impl FnOnce(oneshot::Sender<T>) -> Command,
    ) -> Option<T> {
        self.send(worker, command)?.await.ok()
    }

    fn send<T>(
        &self,
        worker: usize,
        command: impl FnOnce(oneshot::Sender<T>) -> Command,
    ) -> Option<oneshot::Receiver<T>> {
        let (reply, answer) = oneshot::channel();
        self.shared.commands[worker].send(command(reply)).ok()?;
        Some(answer)
    }

    fn has_stopped(&self) -> bool {
        self.shared
            .commands
            .iter()
            .any(mpsc::UnboundedSender::is_closed)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use std::net::Ipv4Addr;

    use super::*;

    fn offer(direction: &str) -> String {
        super::super::fake_peer::offer(direction, "VP8", &["AB"; 32].join(":"), false)
    }

    async fn engine(threads: usize) -> Engine {
        let config = EngineConfig {
            udp: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            threads,
            ..EngineConfig::default()
        };
        Engine::start(config).await.unwrap()
    }

    #[tokio::test]
    async fn streams_spread_over_the_workers_and_their_sessions_are_found_there() {
        let engine = engine(3).await;
        let mut sessions = Vec::new();
        for stream in ["a", "b", "c"] {
            let answer = engine.publish(&stream.into(), &offer("sendonly")).await;
            sessions.push(answer.unwrap().session);
        }
        let mut workers: Vec<usize> = sessions.iter().map(|s| s.worker(3)).collect();
        workers.sort_unstable();
        assert_eq!(workers, [0, 1, 2]);
        let stats = engine.stats().await;
        assert_eq!((stats.sessions, stats.streams.len()), (3, 3));
        for session in &sessions {
            assert!(engine.end(session).await);
            assert!(!engine.end(session).await);
        }
        assert_eq!(engine.stats().await.sessions, 0);
    }

    #[tokio::test]
    async fn a_session_that_ends_leaves_its_place_at_once() {
        let config = EngineConfig {
            udp: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            threads: 2,
            max_sessions: 1,
            ..EngineConfig::default()
        };
        let engine = Engine::start(config).await.unwrap();
        let publish = |stream: &'static str| {
            let engine = engine.clone();
            async move { engine.publish(&stream.into(), &offer("sendonly")).await }
        };
        let first = publish("a").await.unwrap();
        assert_eq!(publish("b").await.unwrap_err(), OfferError::Busy);
        let second = publish("a").await.unwrap();
        assert!(!engine.end(&first.session).await, "it was taken over");
        assert!(engine.end(&second.session).await);
        publish("b").await.unwrap();
    }

    #[tokio::test]
    async fn a_worker_that_panics_takes_the_engine_with_it_and_nobody_waits_in_vain() {
        let engine = engine(2).await;
        let stream = StreamName::from("show");
        let answer = engine.publish(&stream, &offer("sendonly")).await.unwrap();
        let mut events = engine.events();
        let started = StreamEvent::Started {
            stream: stream.clone(),
        };
        engine.shared.announcer.announce(0, started.clone());
        let _ = engine.shared.commands[1].send(Command::Panic);
        assert_eq!(events.recv().await.unwrap(), started);
        assert_eq!(events.recv().await.unwrap(), StreamEvent::Idle { stream });
        for commands in &engine.shared.commands {
            commands.closed().await;
        }
        assert_eq!(
            engine
                .publish(&"a".into(), &offer("sendonly"))
                .await
                .unwrap_err(),
            OfferError::ShuttingDown
        );
        assert_eq!(
            engine
                .play(&"a".into(), &offer("recvonly"))
                .await
                .unwrap_err(),
            OfferError::ShuttingDown
        );
        assert!(!engine.end(&answer.session).await);
        assert_eq!(engine.stats().await.sessions, 0);
        engine.shutdown().await;
    }
}
