//! Media over real sockets: UDP and TCP, IPv4 and IPv6.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::io::{Read as _, Write as _};
use std::net::{IpAddr, SocketAddr, TcpStream, UdpSocket};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rtc_crypto::RTCCryptoProvider;

use super::config::EngineConfig;
use super::fake_peer::{Manner, Peer, Sent, dial};
use super::framing::{Deframer, MAX_FRAME, append_frame};
use super::handle::Engine;
use super::names::StreamName;

/// Longer than anything here takes; a test that waits this long has failed.
const PATIENCE: Duration = Duration::from_secs(20);

/// A client with ICE, DTLS and SRTP of its own.
struct Client {
    peer: Peer,
    wire: Wire,
    provider: Arc<dyn RTCCryptoProvider>,
}

enum Wire {
    Udp(UdpSocket),
    Tcp(TcpStream, Deframer),
}

impl Wire {
    fn open(protocol: &str, address: SocketAddr) -> Wire {
        match protocol {
            "udp" => {
                let all: &str = if address.is_ipv6() {
                    "[::1]:0"
                } else {
                    "127.0.0.1:0"
                };
                let socket = UdpSocket::bind(all).unwrap();
                socket.connect(address).unwrap();
                socket.set_read_timeout(Some(PATIENCE)).unwrap();
                Wire::Udp(socket)
            }
            _ => {
                let stream = TcpStream::connect(address).unwrap();
                stream.set_read_timeout(Some(PATIENCE)).unwrap();
                Wire::Tcp(stream, Deframer::default())
            }
        }
    }

    fn send(&mut self, datagram: &[u8]) {
        match self {
            Wire::Udp(socket) => {
                socket.send(datagram).unwrap();
            }
            Wire::Tcp(stream, _) => {
                let mut framed = Vec::new();
                append_frame(&mut framed, datagram);
                stream.write_all(&framed).unwrap();
            }
        }
    }

    /// What has come, once there is something.
    fn receive(&mut self) -> Vec<Vec<u8>> {
        let mut bytes = [0; 4096];
        match self {
            Wire::Udp(socket) => {
                let count = socket.recv(&mut bytes).expect("the engine goes on");
                vec![bytes[..count].to_vec()]
            }
            Wire::Tcp(stream, deframer) => {
                let count = stream.read(&mut bytes).expect("the engine goes on");
                assert_ne!(count, 0, "the engine has closed the connection");
                deframer.push(&bytes[..count]);
                let mut datagrams = Vec::new();
                while let Some(datagram) = deframer.next(MAX_FRAME).unwrap() {
                    datagrams.push(datagram.to_vec());
                }
                datagrams
            }
        }
    }
}

impl Client {
    /// Has its offer answered, goes to the answer's candidate of this protocol and address, and completes the
    /// handshakes.
    async fn connect(engine: &Engine, direction: &str, protocol: &str, ip: IpAddr) -> Client {
        let provider = rtc_crypto::default_provider().unwrap();
        let (config, offer) = dial(&provider, direction, "VP8", Manner::default());
        let stream = StreamName::from("show");
        let answer = match direction {
            "sendonly" => engine.publish(&stream, &offer).await,
            _ => engine.play(&stream, &offer).await,
        };
        let answer = answer.unwrap();
        let wanted = format!(" {ip} ");
        let mut lines = answer.sdp.lines();
        let candidate =
            lines.find(|line| line.contains(&format!(" {protocol} ")) && line.contains(&wanted));
        let words: Vec<&str> = candidate.expect("such a candidate").split(' ').collect();
        let kind = match protocol {
            "udp" => &["typ", "host"][..],
            _ => &["typ", "host", "tcptype", "passive"],
        };
        assert_eq!(&words[6..], kind);
        let address = SocketAddr::new(ip, words[5].parse().unwrap());
        let mut client = Client {
            peer: Peer::new(Instant::now(), address, answer, config, false),
            wire: Wire::open(protocol, address),
            provider,
        };
        let check = client.peer.check(true, &client.provider);
        client.wire.send(&check);
        client.read_until(|peer| peer.suite.is_some());
        client
    }

    fn read_until(&mut self, enough: impl Fn(&Peer) -> bool) {
        while !enough(&self.peer) {
            for datagram in self.wire.receive() {
                let provider = self.provider.as_ref();
                self.peer.take(Instant::now(), &datagram, provider);
            }
            while let Some(transmit) = self.peer.endpoint.poll_transmit() {
                self.wire.send(&transmit.message);
            }
        }
    }

    fn publish(&mut self, packet: &Sent) {
        let sealed = self.peer.seal(packet);
        self.wire.send(&sealed);
    }
}

/// The packet of this number: every one is a keyframe.
fn picture(number: u16) -> Sent {
    Sent {
        ssrc: 2,
        payload_type: 96,
        sequence: number,
        timestamp: u32::from(number) * 2970,
        marker: true,
        payload: vec![0x10, 0x00, number as u8, 0],
    }
}

async fn start(udp: &str) -> Engine {
    let config = EngineConfig {
        udp: udp.parse().unwrap(),
        ..EngineConfig::default()
    };
    Engine::start(config).await.unwrap()
}

async fn media_flow(engine: Engine, protocol: &str, ip: &str) {
    let ip = ip.parse().unwrap();
    let mut publisher = Client::connect(&engine, "sendonly", protocol, ip).await;
    publisher.publish(&picture(1));
    while !engine.stats().await.streams[&StreamName::from("show")].live {
        tokio::task::yield_now().await;
    }
    let mut viewer = Client::connect(&engine, "recvonly", protocol, ip).await;
    for number in 2..40 {
        publisher.publish(&picture(number));
    }
    viewer.read_until(|peer| {
        let newest = peer.track("video").last();
        newest.is_some_and(|(_, payload)| payload[2] == 39)
    });

    // The engine ends both, and says so.
    engine.shutdown().await;
    viewer.read_until(|peer| peer.closed);
    if let Wire::Tcp(stream, _) = &mut viewer.wire {
        assert_eq!(stream.read(&mut [0; 64]).unwrap(), 0);
        assert!(TcpStream::connect(viewer.peer.address).is_err());
    }
}

/// Says that a test was skipped, unless nothing may be.
fn has_ipv6(test: &str) -> bool {
    let has = UdpSocket::bind("[::1]:0").is_ok();
    if !has {
        let required = std::env::var_os("KIT_REQUIRE").is_some();
        assert!(!required, "{test} cannot run: this machine has no IPv6");
        eprintln!("SKIPPED {test}: this machine has no IPv6");
    }
    has
}

#[tokio::test]
async fn a_publisher_and_a_viewer_whose_networks_block_udp_are_served_over_tcp() {
    media_flow(start("127.0.0.1:0").await, "tcp", "127.0.0.1").await;
}

#[tokio::test]
async fn a_socket_of_both_families_serves_ipv4() {
    for protocol in ["udp", "tcp"] {
        media_flow(start("[::]:0").await, protocol, "127.0.0.1").await;
    }
}

#[tokio::test]
async fn a_socket_of_both_families_serves_ipv6() {
    if has_ipv6("a socket of both families serves IPv6") {
        for protocol in ["udp", "tcp"] {
            media_flow(start("[::]:0").await, protocol, "::1").await;
        }
    }
}

#[tokio::test]
async fn an_engine_of_ipv6_alone_serves_ipv6() {
    if has_ipv6("an engine of IPv6 alone") {
        for protocol in ["udp", "tcp"] {
            media_flow(start("[::1]:0").await, protocol, "::1").await;
        }
    }
}

#[tokio::test]
async fn a_closed_connection_is_noticed_and_may_be_opened_again() {
    let engine = start("127.0.0.1:0").await;
    let ip = "127.0.0.1".parse().unwrap();
    let mut publisher = Client::connect(&engine, "sendonly", "tcp", ip).await;
    publisher.publish(&picture(1));
    // As the browser does it: another connection, another check, the same keys.
    publisher.wire = Wire::open("tcp", publisher.peer.address);
    let check = publisher.peer.check(true, &publisher.provider);
    publisher.wire.send(&check);
    let answers = publisher.peer.stun_answers;
    publisher.read_until(|peer| peer.stun_answers > answers);
    publisher.publish(&picture(2));
    let counted = tokio::time::timeout(PATIENCE, async {
        while engine.stats().await.total.packets_in < 2 {
            tokio::task::yield_now().await;
        }
    });
    counted.await.expect("both packets have come");
}
