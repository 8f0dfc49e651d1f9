//! A core with a publisher, two viewers and a session that never gets beyond ICE, whose packets an input
//! makes up: encrypted with the keys that both sides know, so that what stands behind SRTP is reached.
//! The DTLS handshake is left out, so that thousands of inputs can be played in a second.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rtc_crypto::RTCCryptoProvider;
use rtc_srtp::protection_profile::ProtectionProfile;

use super::bytes::Bytes;
use crate::engine::candidates::Candidate;
use crate::engine::config::EngineConfig;
use crate::engine::core::Core;
use crate::engine::dtls::DtlsServer;
use crate::engine::fake_peer::{binding_request, in_layers, offer};
use crate::engine::names::{Answer, StreamName};
use crate::engine::outbox::Path;
use crate::engine::patch::{Condition, Patched};
use crate::engine::rtcp::Compound;
use crate::engine::rtp;
use crate::engine::sdp::{Fragment, Offer};
use crate::engine::srtp::Srtp;
use crate::engine::stream::SessionKey;

const LOCAL: SocketAddr = SocketAddr::new(
    std::net::IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1)),
    7300,
);

/// Steps of one input.
const STEPS: usize = 200;
/// Sessions that an input may open: the rest of its steps reuse them.
const MOST: usize = 12;

pub(super) fn stream() -> StreamName {
    StreamName::from("show")
}

/// One session and its peer.
struct Member {
    key: SessionKey,
    answer: Answer,
    address: SocketAddr,
    publishes: bool,
    /// None before the keys are agreed.
    srtp: Option<Srtp>,
    /// The engine's SSRC of the video, for feedback.
    ssrc: u32,
    sequence: u16,
    timestamp: u32,
}

pub(super) struct Room {
    pub(super) core: Core,
    pub(super) now: Instant,
    provider: Arc<dyn RTCCryptoProvider>,
    members: Vec<Member>,
}

impl Room {
    /// A live stream with two viewers.
    pub(super) fn new() -> Room {
        let provider = rtc_crypto::default_provider().unwrap();
        // One certificate for all rooms.
        thread_local! {
            static DTLS: DtlsServer =
                DtlsServer::new(rtc_crypto::default_provider().unwrap()).unwrap();
        }
        let mut core = Core::new(EngineConfig::default(), DTLS.with(DtlsServer::clone));
        core.set_candidates(vec![Candidate::udp(LOCAL)]);
        let mut room = Room {
            core,
            now: Instant::now(),
            provider,
            members: Vec::new(),
        };
        room.enter(true, "VP8", true);
        room.picture(0);
        room.enter(false, "VP8", true);
        room.enter(false, "VP8", true);
        room.picture(0);
        room
    }

    fn enter(&mut self, publishes: bool, codec: &str, connects: bool) {
        self.enter_with(publishes, codec, connects, &[]);
    }

    fn enter_with(&mut self, publishes: bool, codec: &str, connects: bool, rids: &[&str]) {
        let fingerprint = ["5A"; 32].join(":");
        let direction = if publishes { "sendonly" } else { "recvonly" };
        let mut text = offer(direction, codec, &fingerprint, false);
        if !rids.is_empty() {
            text = in_layers(&text, rids);
        }
        let offer = Offer::parse(&text).unwrap();
        let answer = match publishes {
            true => self.core.publish(self.now, &stream(), &offer),
            false => self.core.play(self.now, &stream(), &offer),
        };
        let Ok(answer) = answer else {
            return;
        };
        let ssrcs = answer.sdp.lines().filter_map(|line| {
            let line = line.strip_prefix("a=ssrc:")?;
            line.split(' ').next()?.parse().ok()
        });
        let mut ssrcs: Vec<u32> = ssrcs.collect();
        ssrcs.dedup();
        let key = self.core.by_id[&answer.session];
        self.members.push(Member {
            key,
            ssrc: *ssrcs.get(1).unwrap_or(&2),
            answer,
            address: SocketAddr::from(([198, 51, 100, 1], 5000 + self.members.len() as u16)),
            publishes,
            srtp: None,
            sequence: 100,
            timestamp: 1000,
        });
        let member = self.members.len() - 1;
        self.check_from(member, self.members[member].address, true);
        if connects {
            let material: Vec<u8> = (0..56).collect();
            let side = |is_client| {
                let profile = ProtectionProfile::AeadAes128Gcm;
                Srtp::new(profile, &material, is_client, self.provider.crypto()).unwrap()
            };
            self.members[member].srtp = Some(side(true));
            let ours = Box::new(side(false));
            self.core.connect_without_handshake(self.now, key, ours);
        }
        self.deliver();
    }

    fn check_from(&mut self, member: usize, from: SocketAddr, chosen: bool) {
        let request = self.request(member, chosen);
        self.datagram(from, &request);
    }

    fn request(&self, member: usize, chosen: bool) -> Vec<u8> {
        let sdp = &self.members[member].answer.sdp;
        let line = |name: &str| {
            sdp.lines()
                .find_map(|line| line.strip_prefix(name))
                .unwrap()
        };
        let username = format!("{}:peer", line("a=ice-ufrag:"));
        binding_request(&username, line("a=ice-pwd:"), chosen, &self.provider)
    }

    fn datagram(&mut self, remote: SocketAddr, datagram: &[u8]) {
        let path = Path::udp(remote, Some(LOCAL.ip()));
        self.core.handle_datagram(self.now, path, datagram);
    }

    /// What a batch's end does.
    fn deliver(&mut self) {
        self.core.flush(self.now);
        self.core.outbox().clear();
        self.core.take_events();
    }

    fn rtp(&mut self, member: usize, plain: &[u8]) {
        let from = &mut self.members[member];
        let address = from.address;
        let sealed = from.srtp.as_mut().and_then(|srtp| seal(srtp, plain));
        if let Some(sealed) = sealed {
            self.datagram(address, &sealed);
        }
    }

    fn rtcp(&mut self, member: usize, plain: &[u8]) {
        let from = &mut self.members[member];
        let address = from.address;
        let sealed = from
            .srtp
            .as_mut()
            .and_then(|srtp| srtp.seal_rtcp(plain).ok());
        if let Some(sealed) = sealed {
            self.datagram(address, &sealed);
        }
    }

    /// A whole keyframe.
    fn picture(&mut self, member: usize) {
        let from = &mut self.members[member];
        from.timestamp = from.timestamp.wrapping_add(3000);
        for part in 0..2u8 {
            let from = &mut self.members[member];
            from.sequence = from.sequence.wrapping_add(1);
            let head = rtp::header(part == 1, 96, from.sequence, from.timestamp, 2);
            let begins = if part == 0 { 0x10 } else { 0 };
            self.rtp(member, &[&head[..], &[begins, 0, part, 7]].concat());
        }
        self.deliver();
    }

    /// Plays an input: a byte chooses what happens, a byte whose doing it is, further ones the details.
    pub(super) fn play(&mut self, input: &[u8]) {
        let mut input = Bytes(input);
        for _ in 0..STEPS {
            if input.is_empty() {
                break;
            }
            let what = input.u8();
            let member = usize::from(input.u8()) % self.members.len();
            self.step(what, member, &mut input);
        }
        self.deliver();
    }

    fn step(&mut self, what: u8, member: usize, input: &mut Bytes) {
        let stranger = SocketAddr::from(([203, 0, 113, 1], 1 + u16::from(what >> 4)));
        match what % 16 {
            0 => self.datagram(stranger, input.some()),
            1 => self.datagram(self.members[member].address, input.some()),
            2 => {
                let packet = self.made_up_rtp(member, input);
                self.rtp(member, &packet);
            }
            3 => {
                let plain = input.some();
                self.rtp(member, plain);
            }
            4 => {
                let plain = input.some();
                self.rtcp(member, plain);
            }
            5 => {
                // Sealed, then spoilt.
                let packet = self.made_up_rtp(member, input);
                let (at, bit) = (input.u16(), input.u8());
                let address = self.members[member].address;
                let srtp = self.members[member].srtp.as_mut();
                if let Some(mut sealed) = srtp.and_then(|srtp| seal(srtp, &packet)) {
                    let at = usize::from(at) % sealed.len();
                    sealed[at] ^= bit;
                    self.datagram(address, &sealed);
                }
            }
            6 => {
                let from = match input.u8() % 3 {
                    0 => stranger,
                    1 => self.members[member].address,
                    _ => self.members[usize::from(input.u8()) % self.members.len()].address,
                };
                self.check_from(member, from, what & 0x80 != 0);
            }
            7 => {
                let mut request = self.request(member, true);
                let (at, with) = (usize::from(input.u8()) % request.len(), input.u8());
                request[at] ^= with;
                self.datagram(stranger, &request);
            }
            8 => {
                self.now += Duration::from_millis(u64::from(input.u16()) / 4);
                self.core.handle_timeout(self.now);
                self.deliver();
            }
            9 => {
                let (ours, media) = (self.members[member].key as u32, self.members[member].ssrc);
                let first = input.u16();
                let count = u16::from(input.u8());
                let missing: Vec<u16> = (0..count).map(|n| first.wrapping_add(n)).collect();
                let nack = Compound::default().nack(ours, media, &missing).write();
                if let Some(nack) = nack {
                    self.rtcp(member, &nack);
                }
            }
            10 => {
                let (ours, media) = (self.members[member].key as u32, self.members[member].ssrc);
                let pli = Compound::default().pli(ours, media).write();
                self.rtcp(member, &pli.unwrap());
            }
            11 if self.members.len() < MOST => {
                let codec = if what & 0x10 == 0 { "VP8" } else { "H264" };
                let rids: &[&str] = match what & 0xa0 {
                    0xa0 => &["h", "q"],
                    _ => &[],
                };
                self.enter_with(what & 0x20 != 0, codec, what & 0x40 == 0, rids);
            }
            12 => {
                let session = self.members[member].answer.session.clone();
                self.core.end(self.now, &session);
            }
            13 => self.picture(member),
            14 => {
                let (ntp, rtp) = (u64::from(input.u32()) << 16, input.u32());
                let ssrc = 1 + u32::from(what >> 7);
                let report = Compound::default().sender_report(ssrc, (ntp, rtp), (1, 1));
                self.rtcp(member, &report.write().unwrap());
            }
            15 => {
                let session = self.members[member].answer.session.clone();
                match what >> 4 {
                    0..4 => self.deliver(),
                    4..8 => {
                        let rid =
                            [None, Some("h"), Some("q"), Some("x")][usize::from(what >> 4 & 3)];
                        let rid = rid.map(str::to_owned);
                        let _ = self.core.choose_layer(&session, rid);
                    }
                    _ => {
                        let text = String::from_utf8_lossy(input.some());
                        self.patch(member, &text);
                    }
                }
            }
            _ => {}
        }
    }

    /// Trickles or restarts, as the text says.
    pub(super) fn patch(&mut self, member: usize, text: &str) {
        let Ok(fragment) = Fragment::parse(text) else {
            return;
        };
        let session = self.members[member].answer.session.clone();
        let patched = self.core.patch(&session, &fragment, &Condition::Any);
        if let Ok(Patched::Restarted { fragment, .. }) = patched {
            let ours = Fragment::parse(&fragment).expect("ours can be read");
            assert!(ours.ice_ufrag.is_some() && ours.ice_pwd.is_some());
        }
        if let Some(info) = self.core.session_info(&session) {
            assert!(info.candidates <= 32, "candidates that are kept");
        }
    }

    /// A packet of the right payload type, more or less, whose other fields are anything.
    fn made_up_rtp(&mut self, member: usize, input: &mut Bytes) -> Vec<u8> {
        let (flags, shape) = (input.u8(), input.u8());
        let from = &mut self.members[member];
        let step = match flags & 3 {
            0 => 1,
            1 => u16::from(input.u8()),
            _ => input.u16(),
        };
        from.sequence = from.sequence.wrapping_add(step);
        from.timestamp = match flags & 4 {
            0 => from.timestamp.wrapping_add(u32::from(input.u8())),
            _ => input.u32(),
        };
        let (payload_type, ssrc) = match flags >> 3 & 3 {
            0 | 1 => (96, 2),
            2 => (111, 1),
            _ => (input.u8() & 0x7f, u32::from(input.u8())),
        };
        let marker = flags & 0x20 != 0;
        let head = rtp::header(marker, payload_type, from.sequence, from.timestamp, ssrc);
        let mut packet = head.to_vec();
        // Padding, extension, sources: what they then point at is the input's.
        packet[0] |= shape & 0x3f;
        if flags & 0x40 != 0 {
            // A header extension with a layer's name (RFC 8285).
            packet[0] = 0x90;
            let rid = if flags & 0x80 == 0 { b'h' } else { b'q' };
            packet.extend_from_slice(&[0xbe, 0xde, 0, 1, 10 << 4, rid, 0, 0]);
        }
        packet.extend_from_slice(input.some());
        packet
    }

    /// What holds whatever came in: no table names a session that is gone, and a new publisher and a new viewer are
    /// served as if nothing had been.
    pub(super) fn check(&mut self) {
        let core = &self.core;
        assert_eq!(core.by_id.len(), core.sessions.len());
        let named = core
            .sessions
            .values()
            .flat_map(|session| session.ice.ufrags());
        assert_eq!(core.by_ufrag.len(), named.count());
        assert!(
            core.by_address
                .values()
                .all(|key| core.sessions.contains_key(key))
        );
        for stream in core.streams.values() {
            let mut members = stream.publisher.iter().chain(&stream.viewers);
            assert!(members.all(|key| core.sessions.contains_key(key)));
        }
        self.enter(true, "VP8", true);
        let publisher = self.members.len() - 1;
        self.picture(publisher);
        self.enter(false, "VP8", true);
        let viewer = self.members.len() - 1;
        assert_ne!(publisher, viewer, "a viewer may come in");
        let before = self.core.stats().total.packets_out;
        self.picture(publisher);
        assert!(
            self.core.stats().total.packets_out > before,
            "and is sent pictures"
        );

        self.core.end_all(self.now);
        self.deliver();
        let core = &self.core;
        assert!(core.by_id.is_empty() && core.by_ufrag.is_empty() && core.by_address.is_empty());
        assert!(core.sessions.is_empty() && core.streams.is_empty());
    }
}

/// Encrypts what is a packet as far as its header: its padding may be wrong, and is found only behind the decryption.
fn seal(srtp: &mut Srtp, plain: &[u8]) -> Option<Vec<u8>> {
    let mut unpadded = plain.to_vec();
    *unpadded.first_mut()? &= !0x20;
    let clear = rtp::Header::parse(&unpadded)?.payload.start;
    let (header, payload) = plain.split_at(clear);
    let mut sealed = Vec::new();
    srtp.seal_rtp([header, &[], payload], &mut sealed).ok()?;
    Some(sealed)
}
