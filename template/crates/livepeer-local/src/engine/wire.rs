//! The one UDP socket: read by one worker, sent on by all. What is sent over TCP connections passes here too.

use std::io::{self, IoSliceMut};
use std::net::UdpSocket;
use std::sync::Arc;

use quinn_udp::{BATCH_SIZE, RecvMeta, Transmit, UdpSocketState};
use tokio::io::Interest;

use super::bind::{canonical, mapped};
use super::outbox::{Carrier, Outbox, Path};
use super::tcp::Tcp;

/// Room for bursts in the kernel, in bytes; it gives what it may.
const SOCKET_BUFFER: usize = 4 * 1024 * 1024;
/// One receive buffer takes a whole run that the kernel joined.
const RECEIVE_BYTES: usize = 64 * 1024;

/// The sending side. The socket closes with the last clone, and with its [`Reader`]; so do TCP connections.
#[derive(Clone, Debug)]
pub(crate) struct Wire {
    shared: Arc<Socket>,
}

#[derive(Debug)]
struct Socket {
    socket: UdpSocket,
    state: UdpSocketState,
    /// IPv4 addresses are written as IPv6 ones on the way out.
    both_families: bool,
    tcp: Option<Tcp>,
}

/// How many datagrams were not sent, and why.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Unsent {
    /// The system did not take them.
    pub(crate) udp: u64,
    /// Their TCP connection is closed, or its peer too slow.
    pub(crate) tcp: u64,
}

impl Wire {
    /// Takes a bound socket, and the TCP connections beside it.
    ///
    /// # Errors
    ///
    /// What the system says.
    pub(crate) fn new(socket: UdpSocket, tcp: Option<Tcp>) -> io::Result<Self> {
        let bound = socket.local_addr()?;
        let state = UdpSocketState::new((&socket).into())?;
        // Smaller buffers are not an error.
        let _ = state.set_recv_buffer_size((&socket).into(), SOCKET_BUFFER);
        let _ = state.set_send_buffer_size((&socket).into(), SOCKET_BUFFER);
        Ok(Wire {
            shared: Arc::new(Socket {
                socket,
                state,
                both_families: bound.is_ipv6() && bound.ip().is_unspecified(),
                tcp,
            }),
        })
    }

    /// The receiving side, for a worker whose runtime is entered.
    ///
    /// # Errors
    ///
    /// What the system says.
    pub(crate) fn reader(&self) -> io::Result<Reader> {
        Ok(Reader {
            socket: tokio::net::UdpSocket::from_std(self.shared.socket.try_clone()?)?,
            wire: self.clone(),
            buffers: vec![0; BATCH_SIZE * RECEIVE_BYTES],
        })
    }

    /// Sends all that is queued. Returns how many datagrams were not taken: UDP may lose anything, so a
    /// full socket buffer or an unreachable peer costs these and nothing else. NACKs and consent mend or
    /// end what follows.
    pub(crate) fn send(&self, outbox: &mut Outbox) -> Unsent {
        let Socket {
            socket,
            state,
            both_families,
            tcp,
        } = &*self.shared;
        let mut unsent = Unsent::default();
        for run in outbox.runs(state.max_gso_segments()) {
            if let Carrier::Tcp(number) = run.path.carrier {
                let datagrams = run.contents.chunks(run.segment.max(1));
                unsent.tcp += match tcp {
                    Some(tcp) => tcp.send(number, datagrams),
                    None => run.datagrams as u64,
                };
                continue;
            }
            let transmit = Transmit {
                destination: match both_families {
                    true => mapped(run.path.remote),
                    false => run.path.remote,
                },
                ecn: None,
                contents: run.contents,
                segment_size: (run.datagrams > 1).then_some(run.segment),
                src_ip: run.path.local,
            };
            if state.try_send(socket.into(), &transmit).is_err() {
                unsent.udp += run.datagrams as u64;
            }
        }
        outbox.clear();
        unsent
    }

    /// Closes a TCP connection once it has been written what was sent to it.
    pub(crate) fn hang_up(&self, number: u64) {
        if let Some(tcp) = &self.shared.tcp {
            tcp.hang_up(number);
        }
    }
}

/// The receiving side.
#[derive(Debug)]
pub(crate) struct Reader {
    socket: tokio::net::UdpSocket,
    wire: Wire,
    buffers: Vec<u8>,
}

impl Reader {
    /// Waits until something is there.
    ///
    /// # Errors
    ///
    /// The socket is gone.
    pub(crate) async fn readable(&self) -> io::Result<()> {
        self.socket.readable().await
    }

    /// Takes what is there, a batch at a time.
    pub(crate) fn receive(&mut self, mut take: impl FnMut(Path, &[u8])) {
        let mut metas = [RecvMeta::default(); BATCH_SIZE];
        let received = {
            let mut slices = self.buffers.chunks_mut(RECEIVE_BYTES).map(IoSliceMut::new);
            let mut slices: [IoSliceMut; BATCH_SIZE] =
                std::array::from_fn(|_| slices.next().unwrap_or_else(|| IoSliceMut::new(&mut [])));
            let state = &self.wire.shared.state;
            self.socket.try_io(Interest::READABLE, || {
                state.recv((&self.socket).into(), &mut slices, &mut metas)
            })
        };
        let Ok(count) = received else {
            // Nothing there after all, or an ICMP error about an earlier datagram.
            return;
        };
        let buffers = self.buffers.chunks(RECEIVE_BYTES);
        for (meta, buffer) in metas.iter().zip(buffers).take(count) {
            let local = meta.dst_ip.map(|ip| ip.to_canonical());
            let path = Path::udp(canonical(meta.addr), local);
            for datagram in buffer[..meta.len].chunks(meta.stride.max(1)) {
                take(path, datagram);
            }
        }
    }
}
