//! A publisher: thirty pictures a second of nine packets each, 2.55 Mb/s of payload, sent as a browser's pacer does.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::net::Ipv4Addr;
use std::rc::Rc;
use std::time::{Duration, Instant, SystemTime};

use rtc_rtcp::packet;
use rtc_rtcp::payload_feedbacks::full_intra_request::FullIntraRequest;
use rtc_rtcp::payload_feedbacks::picture_loss_indication::PictureLossIndication;
use rtc_rtcp::sender_report::SenderReport;
use rtc_rtcp::transport_feedbacks::transport_layer_nack::TransportLayerNack;
use tokio::sync::watch;
use tokio::time::{sleep_until, timeout};

use super::rtp::{Header, write};
use super::sdp::VP8;
use super::transport::{Incoming, Transport};
use super::wire::{Buffers, Wire};

/// Ticks of RTP's clock between two pictures, and the same in time.
const PICTURE_TICKS: u32 = 3000;
pub(super) const PICTURE: Duration = Duration::from_nanos(33_333_333);
/// Bytes of payload of a packet.
pub(super) const PAYLOAD: usize = 1180;
/// Packets of a picture; keyframes have no more, so that the load is even.
pub(super) const PACKETS: usize = 9;
/// Packets that leave at once: libwebrtc's pacer works every 5 ms, and sends at two and a half times the rate.
pub(super) const BURST: usize = 3;
const PACE: Duration = Duration::from_millis(5);
/// Pictures between two keyframes that nobody asked for.
const KEYFRAMES: u64 = 120;
/// Pictures whose times are kept.
const KEPT: usize = 256;
/// Packets that are kept to be sent again.
const AGAIN: usize = 1024;
const REPORTS: Duration = Duration::from_secs(1);
/// How often to look at the clock while connecting.
const TICK: Duration = Duration::from_millis(10);
const CONNECTING: Duration = Duration::from_secs(10);
/// The address that a publisher has a socket of its own for.
const OURS: Ipv4Addr = Ipv4Addr::LOCALHOST;

/// When each packet of the last pictures was handed to the kernel, since 1970.
pub(super) struct Sent {
    origin: u32,
    pictures: RefCell<Vec<Picture>>,
}

#[derive(Clone, Copy, Default)]
struct Picture {
    number: u64,
    at: [Duration; PACKETS],
}

impl Sent {
    fn new(origin: u32) -> Sent {
        Sent {
            origin,
            pictures: RefCell::new(vec![Picture::default(); KEPT]),
        }
    }

    fn note(&self, number: u64, place: usize, at: Duration) {
        let picture = &mut self.pictures.borrow_mut()[number as usize % KEPT];
        if picture.number != number {
            *picture = Picture {
                number,
                ..Picture::default()
            };
        }
        picture.at[place] = at;
    }

    /// When the packet at this place of the picture with this timestamp was sent. `None` for a timestamp that the server
    /// has changed, and for what is too old.
    pub(super) fn at(&self, timestamp: u32, place: usize) -> Option<Duration> {
        let ticks = timestamp.wrapping_sub(self.origin);
        if !ticks.is_multiple_of(PICTURE_TICKS) {
            return None;
        }
        let number = u64::from(ticks / PICTURE_TICKS);
        let pictures = self.pictures.borrow();
        let picture = pictures.get(number as usize % KEPT)?;
        let at = picture.at.get(place).filter(|at| !at.is_zero())?;
        (picture.number == number).then_some(*at)
    }
}

/// One publisher.
pub(super) struct Publisher {
    wire: Wire,
    transport: Transport,
    pub(super) sent: Rc<Sent>,
    ssrc: u32,
    sequence: u16,
    transport_wide: u16,
    picture: u64,
    keyframe: bool,
    since_keyframe: u64,
    payload: Vec<u8>,
    kept: VecDeque<(u16, Vec<u8>)>,
    packets: u32,
}

impl Publisher {
    pub(super) fn new(wire: Wire, transport: Transport, ssrc: u32) -> Publisher {
        Publisher {
            wire,
            transport,
            sent: Rc::new(Sent::new(rand::random())),
            ssrc,
            // Below 2^15, so that both sides count the first rollover alike.
            sequence: rand::random::<u16>() >> 1,
            transport_wide: 0,
            picture: 1,
            keyframe: true,
            since_keyframe: 0,
            payload: (0..PAYLOAD).map(|byte| byte as u8).collect(),
            kept: VecDeque::new(),
            packets: 0,
        }
    }

    /// Connects.
    ///
    /// # Errors
    ///
    /// If that takes too long or fails.
    pub(super) async fn connect(&mut self, buffers: &RefCell<Buffers>) -> anyhow::Result<()> {
        let deadline = Instant::now() + CONNECTING;
        while !self.transport.is_connected() {
            anyhow::ensure!(Instant::now() < deadline, "a publisher does not connect");
            let mut out = Vec::new();
            self.transport.tick(Instant::now(), &mut out)?;
            self.flush(&out);
            // It is only how long to wait for the next datagram.
            let _ = timeout(TICK, self.wire.readable()).await;
            self.receive(buffers)?;
        }
        Ok(())
    }

    /// Sends until `stop` changes.
    pub(super) async fn run(
        mut self,
        buffers: Rc<RefCell<Buffers>>,
        mut stop: watch::Receiver<bool>,
    ) -> anyhow::Result<()> {
        // Publishers are not in step with each other.
        let offset = rand::random::<u32>() % PICTURE.as_nanos() as u32;
        let start = Instant::now() + Duration::from_nanos(offset.into());
        let mut next_report = start;
        let (mut slot, slots) = (0u64, (PACKETS / BURST) as u64);
        loop {
            let (picture, burst) = (slot / slots, slot % slots);
            let due = start + PICTURE.mul_f64(picture as f64) + PACE * burst as u32;
            tokio::select! {
                biased;
                () = sleep_until(due.into()) => {
                    self.send_burst(burst as usize);
                    slot += 1;
                    let now = Instant::now();
                    let mut out = Vec::new();
                    self.transport.tick(now, &mut out)?;
                    if next_report <= now {
                        next_report = now + REPORTS;
                        out.extend(self.report());
                    }
                    self.flush(&out);
                }
                () = self.wire.readable() => self.receive(&buffers)?,
                _ = stop.changed() => return Ok(()),
            }
        }
    }

    fn receive(&mut self, buffers: &RefCell<Buffers>) -> anyhow::Result<()> {
        let now = Instant::now();
        let server = self.transport.answer().server;
        let (mut out, mut failed) = (Vec::new(), Ok(()));
        let (mut plis, mut nacked) = (false, Vec::new());
        let transport = &mut self.transport;
        self.wire.receive(&mut buffers.borrow_mut(), |_, datagram| {
            match transport.handle(now, server, datagram, &mut out) {
                Ok(Incoming::Rtcp) => {
                    let plain = transport.open_rtcp(datagram).unwrap_or_default();
                    for part in packet::unmarshal(&mut &plain[..]).unwrap_or_default() {
                        let part = part.as_any();
                        plis |= part.is::<PictureLossIndication>() || part.is::<FullIntraRequest>();
                        if let Some(nack) = part.downcast_ref::<TransportLayerNack>() {
                            let pairs = nack.nacks.iter();
                            nacked.extend(pairs.flat_map(|pair| pair.packet_list()));
                        }
                    }
                }
                Ok(_) => {}
                Err(error) => failed = Err(error),
            }
        });
        self.keyframe |= plis;
        for sequence in nacked {
            out.extend(
                self.kept
                    .iter()
                    .find(|(kept, _)| *kept == sequence)
                    .map(|(_, p)| p.clone()),
            );
        }
        self.flush(&out);
        failed
    }

    fn flush(&self, datagrams: &[Vec<u8>]) {
        for datagram in datagrams {
            self.wire
                .send(OURS, self.transport.answer().server, datagram);
        }
    }

    fn send_burst(&mut self, burst: usize) {
        if burst == 0 {
            self.picture += 1;
            self.since_keyframe += 1;
            if self.since_keyframe >= KEYFRAMES {
                self.keyframe = true;
            }
        }
        for place in burst * BURST..(burst + 1) * BURST {
            self.describe(place);
            let header = Header {
                marker: place + 1 == PACKETS,
                payload_type: VP8,
                sequence: self.sequence,
                timestamp: self.timestamp(),
                ssrc: self.ssrc,
                transport_wide: None,
                payload: 0,
            };
            let extension = self.transport.answer().transport_wide;
            let extension = extension.map(|id| (id, self.transport_wide));
            let packet = write(&header, extension, &self.payload);
            let Some(sealed) = self.transport.seal_rtp(&packet) else {
                return;
            };
            self.sent.note(self.picture, place, now());
            self.wire
                .send(OURS, self.transport.answer().server, &sealed);
            self.kept.push_back((self.sequence, sealed.to_vec()));
            if self.kept.len() > AGAIN {
                self.kept.pop_front();
            }
            self.sequence = self.sequence.wrapping_add(1);
            self.transport_wide = self.transport_wide.wrapping_add(1);
            self.packets = self.packets.wrapping_add(1);
        }
    }

    /// VP8's descriptor (RFC 7741 section 4.2), and at the beginning of a picture the frame's (RFC 6386 section 9.1).
    /// Nobody decodes the rest.
    fn describe(&mut self, place: usize) {
        if place > 0 {
            self.payload[0] = 0x00;
            return;
        }
        let key = std::mem::take(&mut self.keyframe);
        if key {
            self.since_keyframe = 0;
        }
        self.payload[0] = 0x10;
        // Shown, version 0; then a keyframe has its start code and a size of 1280 × 720.
        self.payload[1..4].copy_from_slice(&[if key { 0x10 } else { 0x11 }, 0, 0]);
        self.payload[4..11].copy_from_slice(&[0x9d, 0x01, 0x2a, 0x00, 0x05, 0xd0, 0x02]);
    }

    fn timestamp(&self) -> u32 {
        let ticks = (self.picture as u32).wrapping_mul(PICTURE_TICKS);
        self.sent.origin.wrapping_add(ticks)
    }

    fn report(&mut self) -> Option<Vec<u8>> {
        let now = now();
        // NTP counts from 1900.
        let seconds = now.as_secs() + 2_208_988_800;
        let fraction = (u64::from(now.subsec_nanos()) << 32) / 1_000_000_000;
        let report = packet::marshal(&[Box::new(SenderReport {
            ssrc: self.ssrc,
            ntp_time: (seconds << 32) | fraction,
            rtp_time: self.timestamp(),
            packet_count: self.packets,
            octet_count: self.packets.wrapping_mul(PAYLOAD as u32),
            ..SenderReport::default()
        }) as Box<dyn packet::Packet>]);
        Some(self.transport.seal_rtcp(&report.ok()?)?.to_vec())
    }
}

fn now() -> Duration {
    // Not before 1970.
    SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default()
}
