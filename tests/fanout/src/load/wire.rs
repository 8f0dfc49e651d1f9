//! A UDP socket as the load needs it: batches in, times by the kernel, nothing joined.

use std::io::IoSliceMut;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::time::Duration;

use anyhow::Context;
use nix::sys::socket::{setsockopt, sockopt};
use quinn_udp::{BATCH_SIZE, RecvMeta, Transmit, UdpSocketState};
use tokio::io::Interest;

/// No datagram of these protocols is longer: they stay below what all networks carry in one piece.
const LONGEST: usize = 2048;
/// Room for what a busy server sends at once, in bytes; the system gives what it may.
const BUFFER: usize = 4 << 20;

/// One socket. It is bound to every address of this machine, so that many peers can share it, each by a loopback address
/// of its own: a server tells peers apart by address and port.
pub(super) struct Wire {
    socket: tokio::net::UdpSocket,
    state: UdpSocketState,
}

/// Where a datagram came from, to which of our addresses, and when the kernel had it (since 1970).
#[derive(Clone, Copy)]
pub(super) struct Arrival {
    pub(super) to: Ipv4Addr,
    pub(super) at: Duration,
}

/// Memory to receive into, one for all sockets of the thread.
pub(super) struct Buffers(Vec<u8>);

impl Buffers {
    pub(super) fn new() -> Self {
        Buffers(vec![0; BATCH_SIZE * LONGEST])
    }
}

impl Wire {
    pub(super) fn bind() -> anyhow::Result<Wire> {
        let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0))?;
        let state = UdpSocketState::new((&socket).into())?;
        // Browsers take datagrams one by one. Joined ones would spare the server, whose system call delivers them
        // on this machine, the cutting that it pays for where there is a network.
        setsockopt(&socket, sockopt::UdpGroSegment, &false)
            .context("the kernel goes on joining datagrams")?;
        // Smaller buffers are not an error.
        let _ = state.set_recv_buffer_size((&socket).into(), BUFFER);
        let socket = tokio::net::UdpSocket::from_std(socket)?;
        Ok(Wire { socket, state })
    }

    pub(super) fn port(&self) -> std::io::Result<u16> {
        Ok(self.socket.local_addr()?.port())
    }

    /// Resolves when there is something to [`receive`](Self::receive).
    pub(super) async fn readable(&self) {
        // An error is one that an earlier datagram met; the socket lives on.
        let _ = self.socket.readable().await;
    }

    /// Takes one batch.
    pub(super) fn receive(&self, buffers: &mut Buffers, mut each: impl FnMut(Arrival, &[u8])) {
        let mut metas = [RecvMeta::default(); BATCH_SIZE];
        let received = {
            let mut slices = buffers.0.chunks_mut(LONGEST).map(IoSliceMut::new);
            let mut slices: [IoSliceMut; BATCH_SIZE] =
                std::array::from_fn(|_| slices.next().unwrap_or_else(|| IoSliceMut::new(&mut [])));
            self.socket.try_io(Interest::READABLE, || {
                self.state
                    .recv((&self.socket).into(), &mut slices, &mut metas)
            })
        };
        // Nothing there after all, or an error that an earlier datagram met.
        let count = received.unwrap_or_default();
        for (meta, buffer) in metas.iter().zip(buffers.0.chunks(LONGEST)).take(count) {
            if let (Some(IpAddr::V4(to)), Some(at)) = (meta.dst_ip, meta.timestamp) {
                each(Arrival { to, at }, &buffer[..meta.len]);
            }
        }
    }

    /// Sends one datagram. What the system does not take is lost, as on any network.
    pub(super) fn send(&self, from: Ipv4Addr, to: SocketAddr, datagram: &[u8]) {
        let transmit = Transmit {
            destination: to,
            ecn: None,
            contents: datagram,
            segment_size: None,
            src_ip: Some(from.into()),
        };
        let _ = self.state.try_send((&self.socket).into(), &transmit);
    }
}
