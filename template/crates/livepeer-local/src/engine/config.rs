//! The engine's knobs, and why it may fail to start.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::str::FromStr;
use std::time::Duration;

use super::seat::MAX_WORKERS;

/// Every knob of the engine. `Default` is a development machine.
#[derive(Clone, Debug)]
pub struct EngineConfig {
    /// Where the one UDP socket is bound. Port 0 lets the system choose (tests). `[::]` is every address of
    /// both families, or of IPv4 alone where the machine has no IPv6; `0.0.0.0` is every one of IPv4.
    pub udp: SocketAddr,
    /// Where peers whose network blocks UDP may connect instead.
    pub tcp: TcpMedia,
    /// The most TCP connections at a time. Each takes a file descriptor and up to half a megabyte.
    pub max_tcp_connections: usize,
    /// The addresses that answers name as candidates. Empty: every address of this machine's
    /// interfaces, loopback included. Behind a NAT or in a container, name the public one here.
    pub advertise: Vec<IpAddr>,
    /// How many threads share the work, up to 64: streams are spread over them,
    /// and the viewers of a large stream. 0: one for each core of
    /// the processor that this process may use.
    pub threads: usize,
    /// So many viewers of a stream are served by the thread that has its publisher; further ones by
    /// whichever has the fewest sessions.
    pub viewers_per_thread: usize,
    /// Whether answers invite to trickle ICE and to restart it. Off for whoever serves no PATCH.
    pub trickle: bool,
    /// Whether offers must keep to RFC 9725 section 4.4 to the letter: one MediaStream, nothing but audio and video.
    pub strict: bool,
    /// The most sessions, publishers and viewers together.
    pub max_sessions: usize,
    /// The most viewers of one stream.
    pub max_viewers_per_stream: usize,
    /// The most viewers of one stream who asked from one address, as far as it is known
    /// ([`on_behalf_of`](super::Engine::on_behalf_of)).
    pub max_viewers_per_address: usize,
    /// The most that a publisher is told that it may send, in bits per second (REMB).
    pub publisher_bitrate: u64,
    /// From the answer to the end of the DTLS handshake; then the session is dropped.
    pub handshake_deadline: Duration,
    /// Without an authenticated STUN check for this long, a session is over (RFC 7675 section 5.1: 30 s).
    pub consent_deadline: Duration,
    /// Without any authenticated packet of its publisher for this long, a stream is idle. Above the
    /// six seconds that may pass between two consent checks (RFC 7675), for a publisher that mutes.
    pub publisher_silence: Duration,
    /// Without a media packet of its publisher for this long, its session is over, though it goes on consenting:
    /// whoever left a tab open, or never began. Above what anybody mutes with nothing sent at all.
    pub media_deadline: Duration,
    /// How long the viewers of an idle stream wait for its publisher to come back.
    pub viewer_hold: Duration,
    /// The shortest time between two keyframe requests to one publisher.
    pub keyframe_interval: Duration,
    /// How much of the past a joiner is shown at most, to begin at once with the last keyframe; beyond
    /// it a new one is asked for. It has to decode all of it before it is at the live edge.
    pub replay_span: Duration,
    /// The same in bytes, which its link has to carry.
    pub replay_bytes: usize,
}

impl Default for EngineConfig {
    fn default() -> Self {
        EngineConfig {
            udp: SocketAddr::from((Ipv6Addr::UNSPECIFIED, 7300)),
            tcp: TcpMedia::BesideUdp,
            // Half of the file descriptors that a process has by default on Linux.
            max_tcp_connections: 512,
            advertise: Vec::new(),
            threads: 0,
            viewers_per_thread: 500,
            trickle: true,
            strict: false,
            max_sessions: 4000,
            max_viewers_per_stream: 2000,
            max_viewers_per_address: 1000,
            publisher_bitrate: 3_000_000,
            handshake_deadline: Duration::from_secs(10),
            consent_deadline: Duration::from_secs(30),
            publisher_silence: Duration::from_millis(6500),
            media_deadline: Duration::from_secs(180),
            viewer_hold: Duration::from_secs(60),
            keyframe_interval: Duration::from_millis(500),
            replay_span: Duration::from_secs(5),
            replay_bytes: 2_000_000,
        }
    }
}

/// Where media may come over TCP (RFC 6544): slower than UDP where packets are lost, and the only way where
/// UDP is blocked.
///
/// If the port is taken, the engine starts without and a warning says so.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TcpMedia {
    /// At the address and the port number of the UDP socket.
    #[default]
    BesideUdp,
    /// At another address, such as port 443, which strict networks leave open. Port 0 lets the system choose.
    At(SocketAddr),
    /// Nowhere.
    Off,
}

impl FromStr for TcpMedia {
    type Err = NotTcpMedia;

    /// `same`, `off`, or an address with its port.
    fn from_str(text: &str) -> Result<Self, NotTcpMedia> {
        match text {
            "same" => Ok(TcpMedia::BesideUdp),
            "off" => Ok(TcpMedia::Off),
            address => address.parse().map(TcpMedia::At).map_err(|_| NotTcpMedia),
        }
    }
}

/// The text says of no place for [`TcpMedia`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not `same` (as UDP), `off`, nor an address with a port, such as 0.0.0.0:443")]
pub struct NotTcpMedia;

/// How much of the past a joiner may be shown.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ReplayLimit {
    pub(crate) span: Duration,
    pub(crate) bytes: usize,
}

impl EngineConfig {
    /// The number of threads, with 0 replaced.
    pub(crate) fn workers(&self) -> usize {
        let cores = || std::thread::available_parallelism().map_or(1, usize::from);
        let wanted = match self.threads {
            0 => cores(),
            threads => threads,
        };
        wanted.clamp(1, MAX_WORKERS)
    }

    pub(crate) fn replay_limit(&self) -> ReplayLimit {
        ReplayLimit {
            span: self.replay_span,
            bytes: self.replay_bytes,
        }
    }
}

/// Why the engine did not start, and what to do about it.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// Another process, or another engine of this one, has the port.
    #[error("UDP port {} is taken: stop what uses it, or choose another address for the media socket", .address.port())]
    PortTaken {
        /// The address that was asked for.
        address: SocketAddr,
    },
    /// The socket could not be opened for another reason.
    #[error("the UDP socket {address} cannot be opened: {source}")]
    Socket {
        /// The address that was asked for.
        address: SocketAddr,
        /// What the system said.
        source: std::io::Error,
    },
    /// No address can be told to browsers.
    #[error("no network address to advertise was found: name one in the configuration")]
    NoAddress,
    /// The DTLS certificate or configuration could not be made.
    #[error("the DTLS certificate cannot be made: {0}")]
    Certificate(String),
    /// A thread of the engine could not be started.
    #[error("the engine's thread cannot be started: {0}")]
    Thread(std::io::Error),
}
