//! What a [`Local`](crate::Local) is started with, and why it may refuse to start.

use std::io;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use livepeer::ApiKey;
use url::Url;

use crate::engine::{self, EngineConfig, TcpMedia};
use crate::fidelity::Fidelity;
use crate::ice_server::IceServer;
use crate::rate::RateLimits;

/// Every knob of the local Livepeer. `Default` is a machine for development.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where browsers reach the router, e.g. `http://localhost:3000/livepeer`: the addresses to publish to and to play
    /// from are made of it.
    pub base_url: Url,
    /// The file that streams, signing keys and webhooks are kept in. Made if it is not there, readable by its owner only.
    pub data: PathBuf,
    /// The key that callers of the API must send. `None`: the one in the file, made at random when the file is made.
    pub api_key: Option<ApiKey>,
    /// Where the engine's one UDP socket is bound. Port 0 lets the system choose (tests). `[::]` is every address of this
    /// machine, of IPv4 and, where it has that, of IPv6.
    pub udp: SocketAddr,
    /// Where browsers whose network blocks UDP connect.
    pub tcp: TcpMedia,
    /// The addresses at which browsers reach those sockets. Empty: all addresses of this machine's network cards.
    pub advertise: Vec<IpAddr>,
    /// How many threads the engine has, up to 64. 0: one for each core of the processor.
    pub threads: usize,
    /// So many viewers of a stream are served by the thread that has its publisher; further ones by whichever has the
    /// least to do.
    pub viewers_per_thread: usize,
    /// Which WHIP and WHEP server the media routes are.
    pub fidelity: Fidelity,
    /// STUN and TURN servers that clients are told of with the answer. None are needed where browsers reach [`udp`](Self::udp).
    pub ice_servers: Vec<IceServer>,
    /// For [`Fidelity::Studio`]: where offers to `base_url` are sent on to; it must lead here too. `None`: the other name of
    /// this machine, `127.0.0.1` or `localhost`.
    pub redirect_to: Option<Url>,
    /// The most sessions, publishers and viewers together; further offers are told to come later (503).
    pub max_sessions: usize,
    /// The most streams that are kept.
    pub max_streams: usize,
    /// How long a webhook that failed waits for its second attempt; every further wait is twice the last, up to an hour.
    pub webhook_retry: Duration,
    /// From an answer to the end of the handshake; whoever offered and never came is forgotten then.
    pub handshake_deadline: Duration,
    /// How often one address, one stream key and one session may ask on the media routes.
    pub rate: RateLimits,
}

impl Default for Config {
    fn default() -> Self {
        let engine = EngineConfig::default();
        Config {
            base_url: default_base_url(),
            data: PathBuf::from("data/livepeer-local.json"),
            api_key: None,
            udp: SocketAddr::from((Ipv6Addr::UNSPECIFIED, 7300)),
            tcp: TcpMedia::BesideUdp,
            advertise: Vec::new(),
            threads: engine.threads,
            viewers_per_thread: engine.viewers_per_thread,
            fidelity: Fidelity::default(),
            ice_servers: Vec::new(),
            redirect_to: None,
            max_sessions: engine.max_sessions,
            max_streams: 10_000,
            webhook_retry: Duration::from_secs(5),
            handshake_deadline: Duration::from_secs(10),
            rate: RateLimits::default(),
        }
    }
}

/// The port of Livepeer-in-a-Box, which this takes the place of.
#[allow(clippy::expect_used)] // A constant; the test below parses it.
fn default_base_url() -> Url {
    Url::parse("http://localhost:8888").expect("a constant address")
}

/// Why the local Livepeer did not start, and what to do about it.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The media engine did not start.
    #[error(transparent)]
    Engine(#[from] engine::StartError),
    /// Another process uses the file.
    #[error("{} is in use by another local Livepeer: stop that one, or give this one a folder of its own", .path.display())]
    InUse {
        /// The file.
        path: PathBuf,
    },
    /// The file holds something else. It is left as it is.
    #[error("{} cannot be understood ({why}): move it away to start empty, or put back a good copy", .path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// The file cannot be opened or written.
    #[error("{} cannot be used: {source}", .path.display())]
    State {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// `base_url` cannot carry a path.
    #[error("{0} is not an address that browsers can be sent to: use http(s)://host[:port][/path]")]
    BaseUrl(Url),
    /// The client that delivers webhooks could not be made.
    #[error("webhooks cannot be delivered: {0}")]
    Webhooks(String),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_is_where_livepeer_in_a_box_was() {
        assert_eq!(
            Config::default().base_url.as_str(),
            "http://localhost:8888/"
        );
    }
}
