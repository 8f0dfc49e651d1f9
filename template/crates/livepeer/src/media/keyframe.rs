//! Sees the keyframe requests (PLI and FIR) among what the server sends back about a stream.
//!
//! The WebRTC stack swallows incoming RTCP at the end of its chain of interceptors; this one stands last in that chain
//! and counts what only an encoder can answer.

use std::collections::VecDeque;
use std::time::Instant;

use rtc::interceptor::{Interceptor, Packet, StreamInfo, TaggedPacket};
use rtc::rtcp::payload_feedbacks::full_intra_request::FullIntraRequest;
use rtc::rtcp::payload_feedbacks::picture_loss_indication::PictureLossIndication;
use rtc::sansio::Protocol;
use rtc::shared::error::Error;
use tokio::sync::watch;

/// Its place in the chain: beyond all of the stack's own, so that they have seen everything first.
pub(super) const SLOT: usize = 14_000;

/// Counts the requests into a channel, and passes everything on.
pub(super) struct KeyframeRequests {
    count: watch::Sender<u64>,
    incoming: VecDeque<TaggedPacket>,
    outgoing: VecDeque<TaggedPacket>,
}

impl KeyframeRequests {
    pub(super) fn new(count: watch::Sender<u64>) -> Self {
        Self {
            count,
            incoming: VecDeque::new(),
            outgoing: VecDeque::new(),
        }
    }
}

impl Protocol<TaggedPacket, TaggedPacket, ()> for KeyframeRequests {
    type Rout = TaggedPacket;
    type Wout = TaggedPacket;
    type Eout = ();
    type Error = Error;
    type Time = Instant;

    fn handle_read(&mut self, message: TaggedPacket) -> Result<(), Error> {
        if let Packet::Rtcp(packets) = &message.message.packet {
            let asks = |packet: &dyn std::any::Any| {
                packet.is::<PictureLossIndication>() || packet.is::<FullIntraRequest>()
            };
            if packets.iter().any(|packet| asks(packet.as_any())) {
                self.count.send_modify(|count| *count += 1);
            }
        }
        self.incoming.push_back(message);
        Ok(())
    }

    fn poll_read(&mut self) -> Option<TaggedPacket> {
        self.incoming.pop_front()
    }

    fn handle_write(&mut self, message: TaggedPacket) -> Result<(), Error> {
        self.outgoing.push_back(message);
        Ok(())
    }

    fn poll_write(&mut self) -> Option<TaggedPacket> {
        self.outgoing.pop_front()
    }
}

impl Interceptor for KeyframeRequests {
    fn bind_local_stream(&mut self, _info: &StreamInfo) {}
    fn unbind_local_stream(&mut self, _info: &StreamInfo) {}
    fn bind_remote_stream(&mut self, _info: &StreamInfo) {}
    fn unbind_remote_stream(&mut self, _info: &StreamInfo) {}
}
