//! The thin loop around the core: one UDP socket, one clock, one thread.

use std::io::{self, IoSliceMut};
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

use quinn_udp::{BATCH_SIZE, RecvMeta, Transmit, UdpSocketState};
use tokio::io::Interest;
use tokio::sync::{broadcast, mpsc};
use tokio::time::sleep_until;

use super::config::{EngineConfig, StartError};
use super::core::Core;
use super::dtls::DtlsServer;
use super::handle::Command;
use super::names::StreamEvent;
use super::outbox::Path;

/// Room for bursts in the kernel, in bytes; it gives what it may.
const SOCKET_BUFFER: usize = 4 * 1024 * 1024;
/// One receive buffer takes a whole run that the kernel joined.
const RECEIVE_BYTES: usize = 64 * 1024;
/// How long a look at the machine's addresses is good for.
const ADDRESSES_FRESH: Duration = Duration::from_secs(5);

/// Binds the socket and starts the engine's thread, which ends with the command channel. A thread of
/// its own, so that media never wait for whatever else the program does.
pub(crate) fn spawn(
    config: EngineConfig,
    commands: mpsc::UnboundedReceiver<Command>,
    events: broadcast::Sender<StreamEvent>,
) -> Result<SocketAddr, StartError> {
    let address = config.udp;
    let socket_error = |source: io::Error| match source.kind() {
        io::ErrorKind::AddrInUse => StartError::PortTaken { address },
        _ => StartError::Socket { address, source },
    };
    let socket = UdpSocket::bind(address).map_err(socket_error)?;
    let bound = socket.local_addr().map_err(socket_error)?;
    let state = UdpSocketState::new((&socket).into()).map_err(socket_error)?;
    // Smaller buffers are not an error.
    let _ = state.set_recv_buffer_size((&socket).into(), SOCKET_BUFFER);
    let _ = state.set_send_buffer_size((&socket).into(), SOCKET_BUFFER);
    let advertised = Advertised::new(&config, bound);
    let candidates = advertised.candidates();
    if candidates.is_empty() {
        return Err(StartError::NoAddress);
    }
    let provider = rtc_crypto::default_provider()
        .map_err(|error| StartError::Certificate(error.to_string()))?;
    let mut core = Core::new(
        config,
        DtlsServer::new(provider).map_err(StartError::Certificate)?,
    );
    core.set_candidates(candidates);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .enable_time()
        .build()
        .map_err(StartError::Thread)?;
    let socket = {
        let _context = runtime.enter();
        tokio::net::UdpSocket::from_std(socket).map_err(socket_error)?
    };
    let socket_loop = SocketLoop {
        core,
        socket,
        state,
        advertised,
        events,
        addresses_at: Instant::now(),
    };
    std::thread::Builder::new()
        .name("livepeer-engine".into())
        .spawn(move || runtime.block_on(socket_loop.run(commands)))
        .map_err(StartError::Thread)?;
    Ok(bound)
}

struct SocketLoop {
    core: Core,
    socket: tokio::net::UdpSocket,
    state: UdpSocketState,
    advertised: Advertised,
    events: broadcast::Sender<StreamEvent>,
    addresses_at: Instant,
}

impl SocketLoop {
    async fn run(mut self, mut commands: mpsc::UnboundedReceiver<Command>) {
        let mut buffers = vec![0; BATCH_SIZE * RECEIVE_BYTES];
        loop {
            let timeout = self.core.poll_timeout();
            let timer = async {
                match timeout {
                    Some(at) => sleep_until(at.into()).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                biased;
                command = commands.recv() => match command {
                    Some(Command::Shutdown(reply)) => {
                        self.stop();
                        drop(self);
                        // The caller may have gone away meanwhile.
                        let _ = reply.send(());
                        return;
                    }
                    Some(command) => self.handle(command),
                    None => return self.stop(),
                },
                ready = self.socket.readable() => match ready {
                    Ok(()) => self.receive(&mut buffers),
                    Err(error) => {
                        tracing::error!(%error, "the media socket is gone");
                        // Whoever follows the events must not take the streams for live for ever.
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
            for event in self.core.take_events() {
                // Without subscribers nobody wants to know.
                let _ = self.events.send(event);
            }
        }
    }

    fn stop(&mut self) {
        self.core.end_all(Instant::now());
        self.send();
        for event in self.core.take_events() {
            let _ = self.events.send(event);
        }
    }

    fn handle(&mut self, command: Command) {
        let now = Instant::now();
        // A caller that no longer waits for the reply has lost nothing but the reply.
        match command {
            Command::Publish(stream, offer, reply) => {
                self.refresh_addresses(now);
                let _ = reply.send(self.core.publish(now, &stream, &offer));
            }
            Command::Play(stream, offer, reply) => {
                self.refresh_addresses(now);
                let _ = reply.send(self.core.play(now, &stream, &offer));
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

    /// Takes what the socket has, a batch at a time.
    fn receive(&mut self, buffers: &mut [u8]) {
        let mut metas = [RecvMeta::default(); BATCH_SIZE];
        let received = {
            let mut slices = buffers.chunks_mut(RECEIVE_BYTES).map(IoSliceMut::new);
            let mut slices: [IoSliceMut; BATCH_SIZE] =
                std::array::from_fn(|_| slices.next().unwrap_or_else(|| IoSliceMut::new(&mut [])));
            self.socket.try_io(Interest::READABLE, || {
                self.state
                    .recv((&self.socket).into(), &mut slices, &mut metas)
            })
        };
        let Ok(count) = received else {
            // Nothing there after all, or an ICMP error about an earlier datagram.
            return;
        };
        let now = Instant::now();
        for (meta, buffer) in metas.iter().zip(buffers.chunks(RECEIVE_BYTES)).take(count) {
            let path = Path {
                remote: meta.addr,
                local: meta.dst_ip,
            };
            for datagram in buffer[..meta.len].chunks(meta.stride.max(1)) {
                self.core.handle_datagram(now, path, datagram);
            }
        }
        self.core.flush(now);
    }

    fn send(&mut self) {
        let mut unsent = 0;
        let (state, socket) = (&self.state, &self.socket);
        let outbox = self.core.outbox();
        for run in outbox.runs(state.max_gso_segments()) {
            let transmit = Transmit {
                destination: run.path.remote,
                ecn: None,
                contents: run.contents,
                segment_size: (run.datagrams > 1).then_some(run.segment),
                src_ip: run.path.local,
            };
            // UDP may lose anything, so a full socket buffer or an unreachable peer costs these
            // datagrams and nothing else: NACKs and consent mend or end what follows.
            if state.try_send(socket.into(), &transmit).is_err() {
                unsent += run.datagrams as u64;
            }
        }
        outbox.clear();
        if unsent > 0 {
            self.core.count_unsent(unsent);
        }
    }
}

/// Which addresses answers name.
struct Advertised {
    configured: Vec<IpAddr>,
    bound: SocketAddr,
}

impl Advertised {
    fn new(config: &EngineConfig, bound: SocketAddr) -> Self {
        Advertised {
            configured: config.advertise.clone(),
            bound,
        }
    }

    /// The configured ones, or the bound one, or all of this machine of the socket's family: those that
    /// other machines reach first.
    fn candidates(&self) -> Vec<SocketAddr> {
        let ips = if !self.configured.is_empty() {
            self.configured.clone()
        } else if !self.bound.ip().is_unspecified() {
            vec![self.bound.ip()]
        } else {
            let found = if_addrs::get_if_addrs().unwrap_or_default();
            usable(
                found.iter().map(if_addrs::Interface::ip),
                self.bound.is_ipv6(),
            )
        };
        ips.into_iter()
            .map(|ip| SocketAddr::new(ip, self.bound.port()))
            .collect()
    }
}

fn usable(found: impl Iterator<Item = IpAddr>, is_ipv6: bool) -> Vec<IpAddr> {
    let mut ips: Vec<IpAddr> = found
        .filter(|ip| ip.is_ipv6() == is_ipv6 && !ip.is_unspecified())
        // A link-local address means nothing without its interface.
        .filter(|ip| !matches!(ip, IpAddr::V6(ip) if ip.is_unicast_link_local()))
        .collect();
    ips.sort_by_key(|ip| (ip.is_loopback(), *ip));
    ips.dedup();
    ips
}
