//! The engine's handle: commands go to its thread, answers come back.

use std::net::SocketAddr;
use std::sync::Arc;

use tokio::sync::{broadcast, mpsc, oneshot};

use super::config::{EngineConfig, StartError};
use super::names::{Answer, OfferError, SessionId, StreamEvent, StreamName};
use super::sdp::Offer;
use super::socket_loop;
use super::stats::Stats;

/// Events that a slow subscriber may be behind before it misses some.
const EVENT_BACKLOG: usize = 1024;

/// A running engine. Cloning is cheap; the engine stops when the last clone is dropped, or at
/// [`shutdown`](Engine::shutdown).
#[derive(Clone, Debug)]
pub struct Engine {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    commands: mpsc::UnboundedSender<Command>,
    events: broadcast::Sender<StreamEvent>,
    udp_addr: SocketAddr,
}

/// What the handle asks of the engine's thread.
pub(crate) enum Command {
    Publish(
        StreamName,
        Offer,
        oneshot::Sender<Result<Answer, OfferError>>,
    ),
    Play(
        StreamName,
        Offer,
        oneshot::Sender<Result<Answer, OfferError>>,
    ),
    End(SessionId, oneshot::Sender<bool>),
    EndStream(StreamName, oneshot::Sender<()>),
    Stats(oneshot::Sender<Stats>),
    Shutdown(oneshot::Sender<()>),
}

impl Engine {
    /// Binds the socket, makes a fresh DTLS certificate, and starts the engine's thread.
    ///
    /// # Errors
    ///
    /// See [`StartError`]; its words name the mend.
    pub async fn start(config: EngineConfig) -> Result<Engine, StartError> {
        let (commands, inbox) = mpsc::unbounded_channel();
        let (events, _) = broadcast::channel(EVENT_BACKLOG);
        let udp_addr = socket_loop::spawn(config, inbox, events.clone())?;
        Ok(Engine {
            shared: Arc::new(Shared {
                commands,
                events,
                udp_addr,
            }),
        })
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
        let stream = stream.clone();
        self.ask(|reply| Command::Publish(stream, offer, reply))
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
        let stream = stream.clone();
        self.ask(|reply| Command::Play(stream, offer, reply))
            .await
            .unwrap_or(Err(OfferError::ShuttingDown))
    }

    /// Ends one session (HTTP DELETE): the peer is sent a DTLS close_notify. `false` if there is no
    /// such session (any more).
    pub async fn end(&self, session: &SessionId) -> bool {
        let session = session.clone();
        self.ask(|reply| Command::End(session, reply))
            .await
            .unwrap_or(false)
    }

    /// Ends the publisher and every viewer of a stream, at once.
    pub async fn end_stream(&self, stream: &StreamName) {
        let stream = stream.clone();
        self.ask(|reply| Command::EndStream(stream, reply)).await;
    }

    /// What happens to streams from now on.
    pub fn events(&self) -> broadcast::Receiver<StreamEvent> {
        self.shared.events.subscribe()
    }

    /// Every counter at this moment; empty once the engine has stopped.
    pub async fn stats(&self) -> Stats {
        self.ask(Command::Stats).await.unwrap_or_default()
    }

    /// Ends every session and closes the socket. Returns when both are done; a second call does nothing.
    pub async fn shutdown(&self) {
        self.ask(Command::Shutdown).await;
    }

    async fn ask<T>(&self, command: impl FnOnce(oneshot::Sender<T>) -> Command) -> Option<T> {
        let (reply, answer) = oneshot::channel();
        self.shared.commands.send(command(reply)).ok()?;
        answer.await.ok()
    }
}
