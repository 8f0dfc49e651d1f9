//! Which addresses answers name, and how (RFC 8445 section 5.1, RFC 6544 section 4).
//!
//! Only IP addresses: Firefox refuses an answer that names a host. Only what the sockets are bound to, or
//! what the configuration says instead: `0.0.0.0` and `[::]` are no place to send anything to.

use std::fmt;
use std::net::{IpAddr, SocketAddr};

/// Browsers check every pair of their candidates and ours; a machine with thirty bridges must not take
/// all of the hundred pairs that they allow themselves (RFC 8445 section 6.1.2.5).
const MAX_ADDRESSES: usize = 12;

/// A host candidate of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Candidate {
    pub(crate) address: SocketAddr,
    pub(crate) protocol: Protocol,
}

/// How a candidate is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Protocol {
    Udp,
    /// The peer opens the connection: a lite agent opens none (RFC 6544 section 4.1, `tcptype passive`).
    Tcp,
}

impl Candidate {
    /// Our address for UDP.
    pub(crate) const fn udp(address: SocketAddr) -> Self {
        let protocol = Protocol::Udp;
        Candidate { address, protocol }
    }

    /// Our address for TCP connections.
    pub(crate) const fn tcp(address: SocketAddr) -> Self {
        let protocol = Protocol::Tcp;
        Candidate { address, protocol }
    }

    /// The attribute of the candidate that stands at this place of the list, without `a=`.
    pub(crate) fn attribute(self, index: usize) -> impl fmt::Display {
        Attribute(self, index)
    }
}

struct Attribute(Candidate, usize);

impl fmt::Display for Attribute {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Attribute(Candidate { address, protocol }, index) = *self;
        let (ip, port) = (address.ip(), address.port());
        // RFC 8445 section 5.1.2.1: host candidates have 126, component 1 has 255.
        // RFC 6544 section 4.2: TCP has a lower type preference, so that it is taken where UDP does not pass
        // and nowhere else; the direction preference of a passive candidate is 4, in the upper three bits.
        let (name, kind, local, end) = match protocol {
            Protocol::Udp => ("udp", 126, 65_535 - index.min(65_535), ""),
            Protocol::Tcp => (
                "tcp",
                90,
                (4 << 13) + 8191 - index.min(8191),
                " tcptype passive",
            ),
        };
        let priority = (kind << 24) | (local << 8) | 255;
        let foundation = index + 1;
        write!(
            f,
            "candidate:{foundation} 1 {name} {priority} {ip} {port} typ host{end}"
        )
    }
}

/// What the candidates are made of: the configuration and the bound sockets.
#[derive(Clone, Debug)]
pub(crate) struct Advertised {
    configured: Vec<IpAddr>,
    udp: SocketAddr,
    tcp: Option<SocketAddr>,
}

impl Advertised {
    /// `configured` takes the place of whatever the machine has, unless it is empty.
    pub(crate) fn new(configured: &[IpAddr], udp: SocketAddr, tcp: Option<SocketAddr>) -> Self {
        Advertised {
            configured: configured.iter().map(IpAddr::to_canonical).collect(),
            udp,
            tcp,
        }
    }

    /// The candidates at this moment, best first: UDP before TCP. Empty if there is no address to name.
    pub(crate) fn candidates(&self) -> Vec<Candidate> {
        let found = if_addrs::get_if_addrs().unwrap_or_default();
        let interfaces: Vec<_> = found.iter().map(|i| (i.name.as_str(), i.ip())).collect();
        self.candidates_among(&interfaces)
    }

    fn candidates_among(&self, interfaces: &[(&str, IpAddr)]) -> Vec<Candidate> {
        let at = |bound: SocketAddr| {
            let ips = match bound.ip() {
                _ if !self.configured.is_empty() => self.configured.clone(),
                // A socket that is bound to `[::]` takes both families (`bind.rs`).
                ip if ip.is_unspecified() => host_addresses(interfaces, ip.is_ipv6()),
                ip => vec![ip],
            };
            ips.into_iter()
                .map(move |ip| SocketAddr::new(ip, bound.port()))
        };
        let udp = at(self.udp).map(Candidate::udp);
        let tcp = self.tcp.into_iter().flat_map(at).map(Candidate::tcp);
        udp.chain(tcp).collect()
    }
}

/// The addresses that another machine may reach, those first that it likely can: of network cards, of
/// bridges, of this machine alone. IPv4 first: ffmpeg tries the first candidate and no other.
fn host_addresses(interfaces: &[(&str, IpAddr)], both_families: bool) -> Vec<IpAddr> {
    let mut found: Vec<_> = interfaces
        .iter()
        .map(|(name, ip)| (*name, ip.to_canonical()))
        .filter(|(_, ip)| (both_families || ip.is_ipv4()) && !ip.is_unspecified())
        // A link-local address means nothing without its interface.
        .filter(|(_, ip)| match ip {
            IpAddr::V4(ip) => !ip.is_link_local(),
            IpAddr::V6(ip) => !ip.is_unicast_link_local(),
        })
        .map(|(name, ip)| (rank(name, ip), ip))
        .collect();
    found.sort();
    found.dedup();
    let (own, others): (Vec<_>, Vec<_>) =
        found.into_iter().partition(|(rank, _)| *rank == LOOPBACK);
    let others = others.into_iter().take(MAX_ADDRESSES);
    // Among those of this machine alone, one of each family is as good as all.
    let mut own_families = own;
    own_families.dedup_by_key(|(_, ip)| ip.is_ipv6());
    others.chain(own_families).map(|(_, ip)| ip).collect()
}

const CARD: u8 = 0;
const BRIDGE: u8 = 1;
const LOOPBACK: u8 = 2;

fn rank(interface: &str, ip: IpAddr) -> u8 {
    // Networks between this machine and its own containers and virtual machines.
    const BRIDGES: [&str; 6] = ["docker", "br-", "veth", "virbr", "cni", "lxc"];
    if ip.is_loopback() {
        LOOPBACK
    } else if BRIDGES.iter().any(|name| interface.starts_with(name)) {
        BRIDGE
    } else {
        CARD
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const LOOPBACKS: [(&str, &str); 2] = [("lo", "127.0.0.1"), ("lo", "::1")];

    fn among(advertised: &Advertised, interfaces: &[(&str, &str)]) -> Vec<String> {
        let interfaces: Vec<(&str, IpAddr)> = interfaces
            .iter()
            .map(|(name, ip)| (*name, ip.parse().unwrap()))
            .collect();
        let found = advertised.candidates_among(&interfaces);
        let words = found.iter().map(|candidate| {
            let kind = match candidate.protocol {
                Protocol::Udp => "udp",
                Protocol::Tcp => "tcp",
            };
            format!("{kind} {}", candidate.address)
        });
        words.collect()
    }

    fn bound(udp: &str) -> Advertised {
        Advertised::new(&[], udp.parse().unwrap(), None)
    }

    #[test]
    fn a_machine_without_a_network_has_its_loopback() {
        assert_eq!(
            among(&bound("[::]:7300"), &LOOPBACKS),
            ["udp 127.0.0.1:7300", "udp [::1]:7300"]
        );
        assert_eq!(
            among(&bound("0.0.0.0:7300"), &LOOPBACKS),
            ["udp 127.0.0.1:7300"]
        );
        assert!(among(&bound("[::]:7300"), &[]).is_empty());
    }

    #[test]
    fn both_families_of_a_network_card_are_named_and_link_local_ones_are_not() {
        let interfaces = [
            LOOPBACKS[0],
            LOOPBACKS[1],
            ("eth0", "fe80::1"),
            ("eth0", "2001:db8::7"),
            ("eth0", "fd12:3456::7"),
            ("eth0", "192.168.1.7"),
            ("eth1", "169.254.9.9"),
        ];
        assert_eq!(
            among(&bound("[::]:7300"), &interfaces),
            [
                "udp 192.168.1.7:7300",
                "udp [2001:db8::7]:7300",
                "udp [fd12:3456::7]:7300",
                "udp 127.0.0.1:7300",
                "udp [::1]:7300",
            ]
        );
        assert_eq!(
            among(&bound("0.0.0.0:7300"), &interfaces),
            ["udp 192.168.1.7:7300", "udp 127.0.0.1:7300"]
        );
    }

    #[test]
    fn bridges_of_containers_come_behind_network_cards() {
        let interfaces = [
            ("lo", "127.0.0.1"),
            ("br-0a1b2c", "172.18.0.1"),
            ("docker0", "172.17.0.1"),
            ("wlan0", "192.168.1.7"),
        ];
        assert_eq!(
            among(&bound("0.0.0.0:7300"), &interfaces),
            [
                "udp 192.168.1.7:7300",
                "udp 172.17.0.1:7300",
                "udp 172.18.0.1:7300",
                "udp 127.0.0.1:7300",
            ]
        );
    }

    #[test]
    fn every_card_of_a_multihomed_machine_is_named_once() {
        let interfaces = [
            ("eth1", "203.0.113.7"),
            ("eth0", "10.0.0.7"),
            ("eth0:1", "10.0.0.7"),
            ("tun0", "::ffff:10.8.0.2"),
        ];
        assert_eq!(
            among(&bound("[::]:7300"), &interfaces),
            [
                "udp 10.0.0.7:7300",
                "udp 10.8.0.2:7300",
                "udp 203.0.113.7:7300",
            ]
        );
    }

    #[test]
    fn a_crowd_of_bridges_does_not_crowd_out_the_card_nor_the_loopback() {
        let bridges: Vec<_> = (0..40).map(|n| format!("172.20.{n}.1")).collect();
        let mut interfaces: Vec<_> = bridges.iter().map(|ip| ("br-x", ip.as_str())).collect();
        interfaces.extend([
            ("eth0", "10.0.0.7"),
            ("lo", "127.0.0.1"),
            ("lo", "127.0.0.2"),
        ]);
        let found = among(&bound("0.0.0.0:7300"), &interfaces);
        assert_eq!(found.first().unwrap(), "udp 10.0.0.7:7300");
        assert_eq!(found.last().unwrap(), "udp 127.0.0.1:7300");
        assert_eq!(found.len(), MAX_ADDRESSES + 1);
    }

    #[test]
    fn a_bound_address_is_the_only_one() {
        let interfaces = [("lo", "127.0.0.1"), ("eth0", "10.0.0.7")];
        assert_eq!(
            among(&bound("10.0.0.7:7300"), &interfaces),
            ["udp 10.0.0.7:7300"]
        );
        assert_eq!(among(&bound("[::1]:7300"), &interfaces), ["udp [::1]:7300"]);
    }

    #[test]
    fn configured_addresses_take_the_place_of_all_others() {
        let configured: Vec<IpAddr> = ["203.0.113.9", "2001:db8::9", "::ffff:198.51.100.9"]
            .iter()
            .map(|ip| ip.parse().unwrap())
            .collect();
        let udp = "0.0.0.0:7300".parse().unwrap();
        let advertised = Advertised::new(&configured, udp, Some(udp));
        assert_eq!(
            among(&advertised, &[("docker0", "172.17.0.1")]),
            [
                "udp 203.0.113.9:7300",
                "udp [2001:db8::9]:7300",
                "udp 198.51.100.9:7300",
                "tcp 203.0.113.9:7300",
                "tcp [2001:db8::9]:7300",
                "tcp 198.51.100.9:7300",
            ]
        );
    }

    #[test]
    fn tcp_is_named_with_the_port_of_its_listener_and_after_all_of_udp() {
        let udp = "[::]:7300".parse().unwrap();
        let tcp = "0.0.0.0:443".parse().unwrap();
        let advertised = Advertised::new(&[], udp, Some(tcp));
        assert_eq!(
            among(&advertised, &LOOPBACKS),
            ["udp 127.0.0.1:7300", "udp [::1]:7300", "tcp 127.0.0.1:443",]
        );
    }

    #[test]
    fn the_priority_of_tcp_is_below_that_of_any_udp_candidate() {
        let address = "192.0.2.1:7300".parse().unwrap();
        assert_eq!(
            Candidate::udp(address).attribute(0).to_string(),
            "candidate:1 1 udp 2130706431 192.0.2.1 7300 typ host"
        );
        assert_eq!(
            Candidate::tcp(address).attribute(1).to_string(),
            "candidate:2 1 tcp 1520434943 192.0.2.1 7300 typ host tcptype passive"
        );
    }
}
