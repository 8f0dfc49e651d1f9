//! The one UDP socket: read by one worker, sent on by all.

use std::io::{self, IoSliceMut};
use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;

use quinn_udp::{BATCH_SIZE, RecvMeta, Transmit, UdpSocketState};
use tokio::io::Interest;

use super::outbox::{Outbox, Path};

/// Room for bursts in the kernel, in bytes; it gives what it may.
const SOCKET_BUFFER: usize = 4 * 1024 * 1024;
/// One receive buffer takes a whole run that the kernel joined.
const RECEIVE_BYTES: usize = 64 * 1024;

/// The sending side. The socket closes with the last clone, and with its [`Reader`].
#[derive(Clone, Debug)]
pub(crate) struct Wire {
    shared: Arc<Socket>,
}

#[derive(Debug)]
struct Socket {
    socket: UdpSocket,
    state: UdpSocketState,
}

impl Wire {
    /// Binds the socket.
    ///
    /// # Errors
    ///
    /// What the system says.
    pub(crate) fn bind(address: SocketAddr) -> io::Result<Self> {
        let socket = UdpSocket::bind(address)?;
        let state = UdpSocketState::new((&socket).into())?;
        // Smaller buffers are not an error.
        let _ = state.set_recv_buffer_size((&socket).into(), SOCKET_BUFFER);
        let _ = state.set_send_buffer_size((&socket).into(), SOCKET_BUFFER);
        Ok(Wire {
            shared: Arc::new(Socket { socket, state }),
        })
    }

    pub(crate) fn local_addr(&self) -> io::Result<SocketAddr> {
        self.shared.socket.local_addr()
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

    /// Sends all that is queued. Returns how many datagrams the system did not take: UDP may lose
    /// anything, so a full socket buffer or an unreachable peer costs these and nothing else. NACKs and
    /// consent mend or end what follows.
    pub(crate) fn send(&self, outbox: &mut Outbox) -> u64 {
        let Socket { socket, state } = &*self.shared;
        let mut unsent = 0;
        for run in outbox.runs(state.max_gso_segments()) {
            let transmit = Transmit {
                destination: run.path.remote,
                ecn: None,
                contents: run.contents,
                segment_size: (run.datagrams > 1).then_some(run.segment),
                src_ip: run.path.local,
            };
            if state.try_send(socket.into(), &transmit).is_err() {
                unsent += run.datagrams as u64;
            }
        }
        outbox.clear();
        unsent
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
            let path = Path {
                remote: meta.addr,
                local: meta.dst_ip,
            };
            for datagram in buffer[..meta.len].chunks(meta.stride.max(1)) {
                take(path, datagram);
            }
        }
    }
}
