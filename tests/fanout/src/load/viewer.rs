//! A viewer: counts what comes, and says what a browser says.

use std::cell::RefCell;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::{Duration, Instant};

use super::feedback::{Arrivals, Received, Reception, nack};
use super::publisher::Sent;
use super::rtp::Header;
use super::sdp::{RTX, VP8};
use super::tally::Tally;
use super::transport::{Incoming, Transport};

/// Browsers report once a second for video, or a little more often.
const REPORTS: Duration = Duration::from_secs(1);
/// Chromium gives transport-wide feedback every 50 to 250 ms, by the bitrate; at 2.5 Mb/s every 100 ms.
const FEEDBACK: Duration = Duration::from_millis(100);

/// One viewer.
pub(super) struct Viewer {
    transport: Transport,
    tally: Rc<RefCell<Tally>>,
    /// When its publisher sent what.
    sent: Rc<Sent>,
    /// Whether it decrypts every packet; the others only read headers, and decrypt what was sent again.
    decrypts: bool,
    /// When it began to join, until its first packet has come.
    joins: Option<Instant>,
    ours: u32,
    /// The source it watches.
    ssrc: Option<u32>,
    reception: Reception,
    arrivals: Arrivals,
    /// The picture that is coming: its timestamp and its first packet's number.
    picture: Option<(u32, u16)>,
    last_marker: Option<u16>,
    next_report: Instant,
    next_feedback: Instant,
    /// Lost on purpose, in packets of a thousand.
    drop: u32,
}

impl Viewer {
    pub(super) fn new(
        joined: Instant,
        transport: Transport,
        tally: Rc<RefCell<Tally>>,
        sent: Rc<Sent>,
        decrypts: bool,
        drop: u32,
    ) -> Viewer {
        Viewer {
            transport,
            tally,
            sent,
            decrypts,
            joins: Some(joined),
            ours: rand::random(),
            ssrc: None,
            reception: Reception::default(),
            arrivals: Arrivals::default(),
            picture: None,
            last_marker: None,
            next_report: joined + REPORTS,
            next_feedback: joined + FEEDBACK,
            drop,
        }
    }

    pub(super) fn server(&self) -> SocketAddr {
        self.transport.answer().server
    }

    /// Takes a datagram that the kernel had at `at`; what is to be sent is added to `out`.
    pub(super) fn handle(
        &mut self,
        now: Instant,
        at: Duration,
        datagram: &[u8],
        out: &mut Vec<Vec<u8>>,
    ) -> anyhow::Result<()> {
        let from = self.server();
        match self.transport.handle(now, from, datagram, out)? {
            Incoming::Ours => {}
            Incoming::Rtp => self.handle_rtp(now, at, datagram, out),
            Incoming::Rtcp => {
                if let Some(plain) = self.transport.open_rtcp(datagram)
                    && let Some(ntp) = sender_report(&plain)
                {
                    self.reception.note_report(now, ntp);
                }
            }
        }
        Ok(())
    }

    fn handle_rtp(&mut self, now: Instant, at: Duration, packet: &[u8], out: &mut Vec<Vec<u8>>) {
        let transport_wide = self.transport.answer().transport_wide;
        let Some(header) = Header::read(packet, transport_wide) else {
            return;
        };
        if self.drop > 0 && rand::random::<u32>() % 1000 < self.drop {
            return;
        }
        if let Some(number) = header.transport_wide {
            self.arrivals.note(number, at);
        }
        match header.payload_type {
            VP8 => {}
            RTX => return self.handle_rtx(now, packet, &header),
            _ => return,
        }
        if *self.ssrc.get_or_insert(header.ssrc) != header.ssrc {
            return;
        }
        let received = self.reception.note(now, header.sequence);
        if received == Received::Newest {
            self.reception.note_transit(at, header.timestamp);
        }
        let opened = self.decrypts && self.transport.open_rtp(packet).is_some();
        let delay = self.delay(received, at, &header);
        {
            let mut tally = self.tally.borrow_mut();
            tally.packet(received, packet.len(), opened, delay);
            if self.decrypts && !opened && received != Received::Again {
                tally.undecryptable += 1;
            }
            if let Some(joined) = self.joins.take() {
                tally.joined(now.saturating_duration_since(joined));
            }
        }
        self.ask(now, out);
    }

    /// How long after its publisher sent it a packet came here.
    fn delay(&mut self, received: Received, at: Duration, header: &Header) -> Option<Duration> {
        if received != Received::Newest {
            return None;
        }
        if self
            .picture
            .is_none_or(|(timestamp, _)| timestamp != header.timestamp)
        {
            let follows = self.last_marker == Some(header.sequence.wrapping_sub(1));
            self.picture = follows.then_some((header.timestamp, header.sequence));
        }
        if header.marker {
            self.last_marker = Some(header.sequence);
        }
        let (_, first) = self.picture?;
        let place = header.sequence.wrapping_sub(first);
        self.sent
            .at(header.timestamp, place.into())
            .map(|sent| at.saturating_sub(sent))
    }

    /// RFC 4588 section 4: the payload begins with the number of the packet that is sent again.
    fn handle_rtx(&mut self, now: Instant, packet: &[u8], header: &Header) {
        let Some(plain) = self.transport.open_rtp(packet) else {
            return;
        };
        let Some([high, low]) = plain.get(header.payload..header.payload + 2) else {
            return;
        };
        let received = self.reception.note(now, u16::from_be_bytes([*high, *low]));
        self.tally
            .borrow_mut()
            .packet(received, packet.len(), true, None);
    }

    /// Asks for what is missing, at once and again.
    fn ask(&mut self, now: Instant, out: &mut Vec<Vec<u8>>) {
        let (due, lost) = self.reception.due(now);
        if due.is_empty() && lost == 0 {
            return;
        }
        let mut tally = self.tally.borrow_mut();
        tally.lost(lost);
        tally.nacks(due.len() as u64);
        if let Some(ssrc) = self.ssrc
            && let Some(nack) = nack(self.ours, ssrc, &due)
            && !due.is_empty()
            && let Some(sealed) = self.transport.seal_rtcp(&nack)
        {
            out.push(sealed.to_vec());
        }
    }

    /// Does what time demands.
    pub(super) fn tick(&mut self, now: Instant, out: &mut Vec<Vec<u8>>) -> anyhow::Result<()> {
        self.transport.tick(now, out)?;
        let Some(ssrc) = self.ssrc else {
            return Ok(());
        };
        self.ask(now, out);
        let mut compound = Vec::new();
        if self.next_report <= now {
            self.next_report = now + REPORTS;
            compound.extend(
                self.reception
                    .report(now, self.ours, ssrc)
                    .unwrap_or_default(),
            );
        }
        if self.next_feedback <= now {
            self.next_feedback = now + FEEDBACK;
            compound.extend(self.arrivals.feedback(self.ours, ssrc).unwrap_or_default());
        }
        if !compound.is_empty()
            && let Some(sealed) = self.transport.seal_rtcp(&compound)
        {
            out.push(sealed.to_vec());
        }
        Ok(())
    }
}

/// The NTP time of the sender report that a compound begins with.
fn sender_report(compound: &[u8]) -> Option<u64> {
    let report = compound.get(..16).filter(|report| report[1] == 200)?;
    let ntp: [u8; 8] = report[8..16].try_into().ok()?;
    Some(u64::from_be_bytes(ntp))
}
