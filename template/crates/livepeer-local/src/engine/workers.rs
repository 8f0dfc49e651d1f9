//! The engine's threads. Each runs the loop of `socket_loop.rs` around a core of its own; what they share
//! is the socket, the routes that lead to each, the places that are taken, and the ear of those who
//! follow the engine.
//!
//! 1. Worker 0 reads the socket, and hands each datagram to the worker that it is for (`routes.rs`).
//! 2. Every worker sends on the same socket (`wire.rs`).
//! 3. A command goes to the worker that it concerns: a new session to the one that has a place for it
//!    (`placement.rs`), any other to the one that the session's id names (`seat.rs`).
//! 4. A stream that more viewers play than one worker is to serve is mirrored on others (`mirror.rs`).
//! 5. A worker that panics takes the whole engine with it, so that nobody waits for it in vain.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use tokio::sync::mpsc;

use super::announcer::Announcer;
use super::bind::{MediaSockets, media_sockets};
use super::candidates::Advertised;
use super::config::{EngineConfig, StartError};
use super::core::Core;
use super::dtls::DtlsServer;
use super::handle::Command;
use super::outbox::Path;
use super::relay::Letter;
use super::routes::Routes;
use super::seat::Seat;
use super::socket_loop::SocketLoop;
use super::tcp::{self, Deadlines};
use super::wire::Wire;

/// Datagrams that may wait for a worker; when it is too busy to take them, more are dropped, as the
/// network would.
const WAITING_DATAGRAMS: usize = 4096;

/// What has come, on its way from the worker that reads the socket, or from a TCP connection, to the
/// worker that it is for.
#[derive(Debug)]
pub(crate) enum Routed {
    Datagram(Path, Box<[u8]>),
    /// A TCP connection is closed.
    Closed(Path),
}

/// What workers tell each other.
#[derive(Debug)]
pub(crate) enum Mail {
    /// One of them cannot go on: the engine stops.
    Stop,
    /// For the core, about a stream that both have.
    Letter(Letter),
}

/// How the others reach a worker.
#[derive(Clone, Debug)]
pub(crate) struct Desk {
    pub(crate) mail: mpsc::UnboundedSender<Mail>,
    pub(crate) datagrams: mpsc::Sender<Routed>,
}

/// The desks of all workers, by number.
pub(crate) type Desks = Arc<[Desk]>;

/// Tells all of them, oneself included.
pub(crate) fn stop_all(desks: &Desks) {
    for desk in desks.iter() {
        // Whoever is gone has stopped.
        let _ = desk.mail.send(Mail::Stop);
    }
}

/// What a worker is told.
pub(crate) struct Inbox {
    pub(crate) mail: mpsc::UnboundedReceiver<Mail>,
    pub(crate) commands: mpsc::UnboundedReceiver<Command>,
    pub(crate) datagrams: mpsc::Receiver<Routed>,
}

/// Binds the socket and starts the threads, which end with their command channels. Threads of their own,
/// so that media never wait for whatever else the program does.
///
/// # Errors
///
/// See [`StartError`]; those threads that have started end then.
pub(crate) fn spawn(
    config: &EngineConfig,
    announcer: &Arc<Announcer>,
) -> Result<(SocketAddr, Vec<mpsc::UnboundedSender<Command>>), StartError> {
    let address = config.udp;
    let socket_error = |source: io::Error| StartError::Socket { address, source };
    let MediaSockets { udp, tcp } = media_sockets(config)?;
    let bound = udp.local_addr().map_err(socket_error)?;
    let tcp_bound = tcp.as_ref().and_then(|tcp| tcp.local_addr().ok());
    let advertised = Advertised::new(&config.advertise, bound, tcp_bound);
    if advertised.candidates().is_empty() {
        return Err(StartError::NoAddress);
    }
    let provider = rtc_crypto::default_provider()
        .map_err(|error| StartError::Certificate(error.to_string()))?;
    let dtls = DtlsServer::new(provider).map_err(StartError::Certificate)?;

    let workers = config.workers();
    let routes = Arc::new(Routes::new(workers));
    let (mut desks, mut commands, mut inboxes) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..workers {
        let (command, orders) = mpsc::unbounded_channel();
        let (letter, mail) = mpsc::unbounded_channel();
        let (routed, datagrams) = mpsc::channel(WAITING_DATAGRAMS);
        commands.push(command);
        desks.push(Desk {
            mail: letter,
            datagrams: routed,
        });
        inboxes.push(Inbox {
            mail,
            commands: orders,
            datagrams,
        });
    }
    let desks = Desks::from(desks);
    let tcp = tcp.map(|listener| {
        let most = config.max_tcp_connections;
        tcp::spawn(listener, most, Deadlines::default(), &routes, &desks)
    });
    let tcp = tcp.transpose().map_err(StartError::Thread)?;
    let wire = Wire::new(udp, tcp).map_err(socket_error)?;
    for (worker, inbox) in inboxes.into_iter().enumerate() {
        let seat = Seat {
            worker,
            of: workers,
        };
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_io()
            .enable_time()
            .build()
            .map_err(StartError::Thread)?;
        let reader = match worker {
            0 => {
                let _context = runtime.enter();
                Some(wire.reader().map_err(socket_error)?)
            }
            _ => None,
        };
        let mut core = Core::new(config.clone(), dtls.clone());
        core.set_seat(seat);
        core.set_candidates(advertised.candidates());
        let socket_loop = SocketLoop::new(
            core,
            reader,
            wire.clone(),
            routes.clone(),
            desks.clone(),
            announcer.clone(),
            advertised.clone(),
        );
        let watch = Watch {
            worker,
            desks: desks.clone(),
            announcer: announcer.clone(),
        };
        std::thread::Builder::new()
            .name(format!("livepeer-media-{worker}"))
            .spawn(move || {
                // Dropped last: whoever waits for an answer knows before.
                let _watch = watch;
                runtime.block_on(socket_loop.run(inbox));
            })
            .map_err(StartError::Thread)?;
    }
    Ok((bound, commands))
}

/// Sees a worker's panic.
struct Watch {
    worker: usize,
    desks: Desks,
    announcer: Arc<Announcer>,
}

impl Drop for Watch {
    fn drop(&mut self) {
        if std::thread::panicking() {
            tracing::error!(
                worker = self.worker,
                "a thread of the media engine panicked: the engine stops"
            );
            self.announcer.close();
            stop_all(&self.desks);
        }
    }
}
