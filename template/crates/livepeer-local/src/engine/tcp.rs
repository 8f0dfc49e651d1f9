//! Media over TCP (RFC 6544), for peers whose network blocks UDP: the peer connects, and datagrams go either
//! way behind their lengths (RFC 4571).
//!
//! One thread for all connections, a task for each, so that neither the core nor another viewer waits for a
//! peer that does not read. To the core a connection is a [`Path`]: it answers nobody whose Binding request
//! it has not authenticated, so the first datagram that it sends over a connection is the proof that the
//! other end belongs to a session. Until then the connection may say little, and not for long.

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio::time::{Instant, timeout, timeout_at};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::bind::canonical;
use super::framing::{Deframer, MAX_FRAME};
use super::ice::MAX_REQUEST_BYTES;
use super::outbox::{Carrier, Path};
use super::routes::Routes;
use super::tcp_queue::Backlog;
use super::workers::{Desks, Routed};

/// How long a connection may do nothing useful.
#[derive(Clone, Copy)]
pub(crate) struct Deadlines {
    /// From the connection to its first authenticated Binding request; browsers send it at once.
    pub(crate) proof: Duration,
    /// Without a byte from the peer. Browsers keep spare connections alive with a check at least every 25
    /// seconds.
    pub(crate) idle: Duration,
    /// While the peer takes nothing of what there is for it.
    pub(crate) stall: Duration,
}

impl Default for Deadlines {
    fn default() -> Self {
        Deadlines {
            proof: Duration::from_secs(5),
            idle: Duration::from_secs(60),
            stall: Duration::from_secs(10),
        }
    }
}

/// Binding requests before one is authenticated: browsers repeat theirs until it is answered.
const MAX_UNPROVEN_FRAMES: u32 = 16;
/// For the goodbyes when the engine stops.
const LAST_WORDS: Duration = Duration::from_secs(1);
/// When the system has no descriptor left for another connection.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// Unproven connections in all, and from one address; then new ones are closed at once.
const MAX_UNPROVEN: usize = 128;
const MAX_UNPROVEN_OF_ADDRESS: usize = 16;
/// Connections from one address: a school or an office behind one NAT, but not all that there are.
const MAX_OF_ADDRESS: usize = 256;
const READ_BYTES: usize = 8 * 1024;
/// Unsent bytes that the system may hold of a connection; what is beyond waits in the queue, where it ages.
const UNSENT_BYTES: u32 = 64 * 1024;

/// The listener and its connections, for whoever sends. Dropping it ends them all.
#[derive(Debug)]
pub(crate) struct Tcp {
    connections: Connections,
    stop: CancellationToken,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Drop for Tcp {
    fn drop(&mut self) {
        self.stop.cancel();
        if let Some(thread) = self.thread.take() {
            // It never panics; if it did, it is over as well.
            let _ = thread.join();
        }
    }
}

/// Starts to accept connections, at most so many at a time. What they bring goes to the workers' desks.
pub(crate) fn spawn(
    listener: std::net::TcpListener,
    most: usize,
    deadlines: Deadlines,
    routes: &Arc<Routes>,
    desks: &Desks,
) -> io::Result<Tcp> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .enable_time()
        .build()?;
    listener.set_nonblocking(true)?;
    let listener = {
        let _context = runtime.enter();
        TcpListener::from_std(listener)?
    };
    let connections = Connections(Arc::new(Mutex::new(Table::new(most))));
    let stop = CancellationToken::new();
    let edge = Edge {
        connections: connections.clone(),
        routes: routes.clone(),
        desks: desks.clone(),
        deadlines,
    };
    let accepting = edge.accept_all(listener, stop.clone());
    let thread = std::thread::Builder::new()
        .name("livepeer-tcp".into())
        .spawn(move || runtime.block_on(accepting))?;
    Ok(Tcp {
        connections,
        stop,
        thread: Some(thread),
    })
}

/// What every connection's task has.
#[derive(Clone)]
struct Edge {
    connections: Connections,
    routes: Arc<Routes>,
    desks: Desks,
    deadlines: Deadlines,
}

impl Edge {
    async fn accept_all(self, listener: TcpListener, stop: CancellationToken) {
        let tasks = TaskTracker::new();
        loop {
            let accepted = tokio::select! {
                () = stop.cancelled() => break,
                accepted = listener.accept() => accepted,
            };
            match accepted {
                Ok((stream, remote)) => {
                    let remote = canonical(remote);
                    let admitted = self.connections.table().admit(remote.ip());
                    // Without room the stream is dropped here, which closes it.
                    if let Some((number, queue)) = admitted {
                        let edge = self.clone();
                        tasks.spawn(async move {
                            edge.serve(number, &queue, stream, remote).await;
                            edge.connections.table().forget(number);
                        });
                    }
                }
                Err(error) => {
                    tracing::debug!(%error, "a TCP connection was not accepted");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
        drop(listener);
        for entry in self.connections.table().open.values() {
            entry.queue.close();
        }
        tasks.close();
        // Whoever does not read the goodbye goes without.
        let _ = timeout(LAST_WORDS, tasks.wait()).await;
    }

    /// Moves datagrams both ways until either end is through with the other.
    async fn serve(&self, number: u64, queue: &Queue, mut stream: TcpStream, remote: SocketAddr) {
        let local = stream.local_addr().ok();
        let path = Path {
            remote,
            local: local.map(|local| local.ip().to_canonical()),
            carrier: Carrier::Tcp(number),
        };
        // For latency; a system without it is slower.
        let _ = stream.set_nodelay(true);
        limit_unsent(&stream);
        let (mut reader, mut writer) = stream.split();
        tokio::select! {
            () = self.read(number, &mut reader, path) => {}
            () = self.write(&mut writer, queue) => {}
        }
        let desk = &self.desks[self.routes.worker_at(path)];
        // Fails when the engine is gone.
        let _ = desk.datagrams.send(Routed::Closed(path)).await;
    }

    async fn read(&self, number: u64, reader: &mut ReadHalf<'_>, path: Path) {
        let is_proven = || self.connections.table().is_proven(number);
        let proof_due = Instant::now() + self.deadlines.proof;
        let (mut proven, mut unproven_frames) = (false, 0);
        let mut deframer = Deframer::default();
        let mut bytes = vec![0; READ_BYTES];
        loop {
            let idle_due = Instant::now() + self.deadlines.idle;
            let due = match proven {
                true => idle_due,
                false => idle_due.min(proof_due),
            };
            let count = match timeout_at(due, reader.read(&mut bytes)).await {
                Ok(Ok(count)) if count > 0 => count,
                // It may have been proven while nothing came.
                Err(_) if !proven && (is_proven() || due < proof_due) => {
                    proven = is_proven();
                    continue;
                }
                _ => return,
            };
            deframer.push(&bytes[..count]);
            loop {
                proven = proven || is_proven();
                let longest = match proven {
                    true => MAX_FRAME,
                    false => MAX_REQUEST_BYTES,
                };
                let datagram: Box<[u8]> = match deframer.next(longest) {
                    Ok(Some(datagram)) => Box::from(datagram),
                    Ok(None) => break,
                    Err(_) => return,
                };
                if !proven {
                    unproven_frames += 1;
                    // STUN, as `demux.rs` tells it.
                    let is_stun = datagram.first().is_some_and(|first| *first < 4);
                    if !is_stun || unproven_frames > MAX_UNPROVEN_FRAMES {
                        return;
                    }
                }
                let desk = &self.desks[self.routes.worker(path, &datagram)];
                let routed = Routed::Datagram(path, datagram);
                // While the worker is busy, the peer's packets wait in its own buffers.
                if desk.datagrams.send(routed).await.is_err() {
                    return;
                }
            }
        }
    }

    async fn write(&self, writer: &mut WriteHalf<'_>, queue: &Queue) {
        let mut out = Vec::new();
        loop {
            out.clear();
            let closing = queue.fill(&mut out);
            match (out.is_empty(), closing) {
                (true, true) => {
                    // A peer that is gone already has nothing to be told.
                    let _ = writer.shutdown().await;
                    return;
                }
                (true, false) => queue.wake.notified().await,
                (false, _) => {
                    let written = timeout(self.deadlines.stall, writer.write_all(&out)).await;
                    if !matches!(written, Ok(Ok(()))) {
                        return;
                    }
                }
            }
        }
    }
}

/// Keeps what is not sent in our queue rather than in the system's, which drops nothing and ages badly.
fn limit_unsent(stream: &TcpStream) {
    let socket = socket2::SockRef::from(stream);
    #[cfg(any(target_os = "linux", target_os = "android"))]
    let limited = socket.set_tcp_notsent_lowat(UNSENT_BYTES);
    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    let limited = socket.set_send_buffer_size(UNSENT_BYTES as usize);
    if let Err(error) = limited {
        tracing::debug!(%error, "a TCP connection may lag behind");
    }
}

/// All connections, shared between those who send and the thread that serves. Cloning is cheap.
#[derive(Clone, Debug)]
struct Connections(Arc<Mutex<Table>>);

impl Connections {
    fn table(&self) -> MutexGuard<'_, Table> {
        // Nothing in here panics half way.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Tcp {
    /// Queues datagrams of the core for a connection. Returns how many were dropped since the last call,
    /// because it is gone or its peer too slow.
    pub(crate) fn send<'a>(&self, number: u64, datagrams: impl Iterator<Item = &'a [u8]>) -> u64 {
        match self.connections.table().prove(number) {
            Some(queue) => queue.push(datagrams),
            None => datagrams.count() as u64,
        }
    }

    /// Closes a connection once it has been written what is queued for it.
    pub(crate) fn hang_up(&self, number: u64) {
        if let Some(entry) = self.connections.table().open.get(&number) {
            entry.queue.close();
        }
    }
}

/// The open connections and their number.
#[derive(Debug)]
struct Table {
    most: usize,
    /// The number of the next connection; none is used twice.
    next: u64,
    open: HashMap<u64, Entry>,
    unproven: usize,
    /// By address: all, and those unproven.
    of_address: HashMap<IpAddr, (usize, usize)>,
}

#[derive(Debug)]
struct Entry {
    queue: Arc<Queue>,
    home: IpAddr,
    proven: bool,
}

impl Table {
    fn new(most: usize) -> Self {
        Table {
            most,
            next: 0,
            open: HashMap::new(),
            unproven: 0,
            of_address: HashMap::new(),
        }
    }

    /// Takes a new connection in, if there is room for another one of this address.
    fn admit(&mut self, address: IpAddr) -> Option<(u64, Arc<Queue>)> {
        let home = home_of(address);
        let (all, unproven) = self.of_address.get(&home).copied().unwrap_or_default();
        let room = self.open.len() < self.most
            && self.unproven < MAX_UNPROVEN
            && all < MAX_OF_ADDRESS
            && unproven < MAX_UNPROVEN_OF_ADDRESS;
        if !room {
            tracing::debug!(%address, "no room for another TCP connection");
            return None;
        }
        self.of_address.insert(home, (all + 1, unproven + 1));
        self.unproven += 1;
        self.next += 1;
        let queue = Arc::new(Queue::default());
        let entry = Entry {
            queue: queue.clone(),
            home,
            proven: false,
        };
        self.open.insert(self.next, entry);
        Some((self.next, queue))
    }

    /// The core sends over this connection, so its peer has proven itself.
    fn prove(&mut self, number: u64) -> Option<Arc<Queue>> {
        let entry = self.open.get_mut(&number)?;
        if !entry.proven {
            entry.proven = true;
            self.unproven -= 1;
            if let Some((_, unproven)) = self.of_address.get_mut(&entry.home) {
                *unproven -= 1;
            }
        }
        Some(entry.queue.clone())
    }

    fn is_proven(&self, number: u64) -> bool {
        self.open.get(&number).is_some_and(|entry| entry.proven)
    }

    fn forget(&mut self, number: u64) {
        let Some(entry) = self.open.remove(&number) else {
            return;
        };
        let unproven = usize::from(!entry.proven);
        self.unproven -= unproven;
        if let Some(counts) = self.of_address.get_mut(&entry.home) {
            *counts = (counts.0 - 1, counts.1 - unproven);
            if counts.0 == 0 {
                self.of_address.remove(&entry.home);
            }
        }
    }
}

/// What counts as one address: of IPv6, all that one subscriber has.
fn home_of(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(ip) => {
            let network = u128::from(ip) & !u128::from(u64::MAX);
            IpAddr::V6(network.into())
        }
    }
}

/// What waits for one connection's task.
#[derive(Debug, Default)]
struct Queue {
    waiting: Mutex<Waiting>,
    wake: Notify,
}

#[derive(Debug, Default)]
struct Waiting {
    backlog: Backlog,
    closing: bool,
}

impl Queue {
    fn push<'a>(&self, datagrams: impl Iterator<Item = &'a [u8]>) -> u64 {
        let now = Instant::now().into_std();
        let mut waiting = self.waiting();
        for datagram in datagrams {
            waiting.backlog.push(now, datagram);
        }
        self.wake.notify_one();
        waiting.backlog.take_dropped()
    }

    /// What to write next, and whether that is the last.
    fn fill(&self, out: &mut Vec<u8>) -> bool {
        let mut waiting = self.waiting();
        waiting.backlog.fill(Instant::now().into_std(), out);
        waiting.closing
    }

    fn close(&self) {
        self.waiting().closing = true;
        self.wake.notify_one();
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        // Nothing in here panics half way.
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
