//! The media sockets: one for UDP, and a listener for TCP beside it.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, UdpSocket};

use socket2::{Domain, Protocol, Socket, Type};

use super::config::{EngineConfig, StartError, TcpMedia};

/// With port 0, a number that UDP got may be taken on TCP; this often another one is tried.
const TRIES: usize = 16;
/// Connections that wait to be accepted, which takes no longer than a turn of the loop.
const BACKLOG: i32 = 128;

/// What the engine is reached at.
pub(crate) struct MediaSockets {
    pub(crate) udp: UdpSocket,
    /// `None` if TCP is off, or could not be had: a warning has said so.
    pub(crate) tcp: Option<TcpListener>,
}

/// Binds both as the configuration says. `[::]` is every address of both families, and of IPv4 alone where
/// the machine has no IPv6.
pub(crate) fn media_sockets(config: &EngineConfig) -> Result<MediaSockets, StartError> {
    let address = canonical(config.udp);
    let mut tries = TRIES;
    loop {
        let udp: UdpSocket = open(address, Type::DGRAM)
            .map_err(|source| match source.kind() {
                io::ErrorKind::AddrInUse => StartError::PortTaken { address },
                _ => StartError::Socket { address, source },
            })?
            .into();
        let bound = udp
            .local_addr()
            .map_err(|source| StartError::Socket { address, source })?;
        let at = match config.tcp {
            TcpMedia::BesideUdp => bound,
            TcpMedia::At(address) => canonical(address),
            TcpMedia::Off => return Ok(MediaSockets { udp, tcp: None }),
        };
        tries -= 1;
        match open(at, Type::STREAM) {
            Ok(tcp) => {
                let tcp = Some(tcp.into());
                return Ok(MediaSockets { udp, tcp });
            }
            Err(_) if tries > 0 && address.port() == 0 && config.tcp == TcpMedia::BesideUdp => {}
            Err(error) => {
                tracing::warn!(
                    %error,
                    "TCP port {} cannot be had, so browsers whose network blocks UDP get no media: \
                     stop what uses it, or choose another address for media over TCP",
                    at.port()
                );
                return Ok(MediaSockets { udp, tcp: None });
            }
        }
    }
}

/// An address as this engine writes it: an IPv4 address is never one of IPv6 (RFC 4291 section 2.5.5.2), so
/// that whoever is reached over both kinds of socket is one and the same.
pub(crate) fn canonical(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}

/// The same address as a socket of both families wants it.
pub(crate) fn mapped(address: SocketAddr) -> SocketAddr {
    match address.ip() {
        IpAddr::V4(ip) => SocketAddr::new(ip.to_ipv6_mapped().into(), address.port()),
        IpAddr::V6(_) => address,
    }
}

fn open(address: SocketAddr, kind: Type) -> io::Result<Socket> {
    let all_of_ipv6 = address.is_ipv6() && address.ip().is_unspecified();
    match open_as(address, kind) {
        // The kernel knows no IPv6, or will not have one socket for both families.
        Err(error) if all_of_ipv6 && error.kind() != io::ErrorKind::AddrInUse => {
            let ipv4 = SocketAddr::from((Ipv4Addr::UNSPECIFIED, address.port()));
            open_as(ipv4, kind)
        }
        other => other,
    }
}

fn open_as(address: SocketAddr, kind: Type) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), kind, None::<Protocol>)?;
    if address.is_ipv6() {
        // Said aloud, because systems differ in their default.
        socket.set_only_v6(!address.ip().is_unspecified())?;
    }
    // Connections of an engine that has just stopped linger for a minute; on Windows the option would let
    // two listeners share the port.
    if kind == Type::STREAM && cfg!(unix) {
        socket.set_reuse_address(true)?;
    }
    socket.bind(&address.into())?;
    if kind == Type::STREAM {
        socket.listen(BACKLOG)?;
    }
    Ok(socket)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn config(udp: &str, tcp: TcpMedia) -> EngineConfig {
        EngineConfig {
            udp: udp.parse().unwrap(),
            tcp,
            ..EngineConfig::default()
        }
    }

    #[test]
    fn tcp_has_the_number_of_udp() {
        let sockets = media_sockets(&config("127.0.0.1:0", TcpMedia::BesideUdp)).unwrap();
        let (udp, tcp) = (sockets.udp, sockets.tcp.unwrap());
        assert_eq!(udp.local_addr().unwrap(), tcp.local_addr().unwrap());
    }

    #[test]
    fn tcp_may_be_elsewhere_or_off() {
        let at = TcpMedia::At("127.0.0.1:0".parse().unwrap());
        let sockets = media_sockets(&config("127.0.0.1:0", at)).unwrap();
        assert_ne!(sockets.tcp.unwrap().local_addr().unwrap().port(), 0);
        let sockets = media_sockets(&config("127.0.0.1:0", TcpMedia::Off)).unwrap();
        assert!(sockets.tcp.is_none());
    }

    #[test]
    fn a_taken_tcp_port_costs_tcp_and_a_taken_udp_port_the_start() {
        let taken = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = taken.local_addr().unwrap();
        let at = config("127.0.0.1:0", TcpMedia::At(address));
        assert!(media_sockets(&at).unwrap().tcp.is_none());

        let taken = UdpSocket::bind("127.0.0.1:0").unwrap();
        let address = taken.local_addr().unwrap();
        let refused = media_sockets(&config(&address.to_string(), TcpMedia::BesideUdp));
        assert!(
            matches!(refused, Err(StartError::PortTaken { address: named }) if named == address)
        );
    }

    #[test]
    fn all_of_ipv6_is_all_of_ipv4_too() {
        let sockets = media_sockets(&config("[::]:0", TcpMedia::BesideUdp)).unwrap();
        let port = sockets.udp.local_addr().unwrap().port();
        let peer = UdpSocket::bind("127.0.0.1:0").unwrap();
        peer.send_to(b"hello", ("127.0.0.1", port)).unwrap();
        let (_, from) = sockets.udp.recv_from(&mut [0; 8]).unwrap();
        assert_eq!(canonical(from), peer.local_addr().unwrap());
        std::net::TcpStream::connect(("127.0.0.1", port)).unwrap();
    }

    #[test]
    fn a_mapped_address_and_the_plain_one_are_the_same() {
        let plain: SocketAddr = "192.0.2.7:1".parse().unwrap();
        let ipv6: SocketAddr = "[2001:db8::1]:1".parse().unwrap();
        assert_eq!(mapped(plain).to_string(), "[::ffff:192.0.2.7]:1");
        assert_eq!(canonical(mapped(plain)), plain);
        assert_eq!((mapped(ipv6), canonical(ipv6)), (ipv6, ipv6));
    }
}
