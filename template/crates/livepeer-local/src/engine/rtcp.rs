//! RTCP (RFC 3550 section 6, RFC 4585): what is read of the peers' compounds, and what we send.

use bytes::Bytes;
use rtc_rtcp::packet::{self, Packet};
use rtc_rtcp::payload_feedbacks::full_intra_request::FullIntraRequest;
use rtc_rtcp::payload_feedbacks::picture_loss_indication::PictureLossIndication;
use rtc_rtcp::payload_feedbacks::receiver_estimated_maximum_bitrate::ReceiverEstimatedMaximumBitrate;
use rtc_rtcp::raw_packet::RawPacket;
use rtc_rtcp::receiver_report::ReceiverReport;
use rtc_rtcp::reception_report::ReceptionReport;
use rtc_rtcp::sender_report::SenderReport;
use rtc_rtcp::source_description::{
    SdesType, SourceDescription, SourceDescriptionChunk, SourceDescriptionItem,
};
use rtc_rtcp::transport_feedbacks::transport_layer_nack::{
    TransportLayerNack, nack_pairs_from_sequence_numbers,
};

use super::twcc::Feedback;

/// RFC 5761 section 4: with multiplexing, these second bytes are RTCP.
pub(crate) fn is_rtcp(datagram: &[u8]) -> bool {
    datagram
        .get(1)
        .is_some_and(|kind| (192..=223).contains(kind))
}

/// The SSRC of a compound's sender: readable before decryption.
pub(crate) fn sender_ssrc(datagram: &[u8]) -> Option<u32> {
    let bytes = datagram.get(4..8)?;
    Some(u32::from_be_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]))
}

/// What the engine acts on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Message {
    SenderReport {
        ssrc: u32,
        ntp: u64,
        rtp: u32,
    },
    /// Packets of `ssrc` that the peer misses.
    Nack {
        ssrc: u32,
        sequences: Vec<u16>,
    },
    /// PLI, or FIR, for `ssrc`.
    KeyframeRequest {
        ssrc: u32,
    },
    /// How `ssrc` arrives, of a receiver or sender report (RFC 3550 section 6.4.1).
    Reception {
        ssrc: u32,
        /// In 256ths.
        fraction_lost: u8,
        /// The middle of our last sender report's NTP time, and for how long it has been there in
        /// 65536ths of a second; zero before the first.
        last_report: u32,
        held: u32,
    },
    TransportFeedback(Feedback),
}

/// Reads a decrypted compound. A part that cannot be read is left out; the others stand.
pub(crate) fn parse(compound: &[u8]) -> Vec<Message> {
    let mut messages = Vec::new();
    let mut rest = compound;
    while rest.len() >= 4 {
        let length = 4 * (usize::from(u16::from_be_bytes([rest[2], rest[3]])) + 1);
        let Some((mut part, tail)) = rest.split_at_checked(length) else {
            break;
        };
        rest = tail;
        if let Some(feedback) = Feedback::parse(part) {
            messages.push(Message::TransportFeedback(feedback));
            continue;
        }
        for read in packet::unmarshal(&mut part).unwrap_or_default() {
            message(read.as_ref(), &mut messages);
        }
    }
    messages
}

fn message(read: &dyn Packet, messages: &mut Vec<Message>) {
    let read = read.as_any();
    if let Some(report) = read.downcast_ref::<SenderReport>() {
        messages.push(Message::SenderReport {
            ssrc: report.ssrc,
            ntp: report.ntp_time,
            rtp: report.rtp_time,
        });
        messages.extend(report.reports.iter().map(reception));
    } else if let Some(report) = read.downcast_ref::<ReceiverReport>() {
        messages.extend(report.reports.iter().map(reception));
    } else if let Some(nack) = read.downcast_ref::<TransportLayerNack>() {
        messages.push(Message::Nack {
            ssrc: nack.media_ssrc,
            sequences: nack
                .nacks
                .iter()
                .flat_map(|pair| pair.packet_list())
                .collect(),
        });
    } else if let Some(pli) = read.downcast_ref::<PictureLossIndication>() {
        messages.push(Message::KeyframeRequest {
            ssrc: pli.media_ssrc,
        });
    } else if let Some(fir) = read.downcast_ref::<FullIntraRequest>() {
        let entries = fir.fir.iter();
        messages.extend(entries.map(|entry| Message::KeyframeRequest { ssrc: entry.ssrc }));
    }
}

fn reception(block: &ReceptionReport) -> Message {
    Message::Reception {
        ssrc: block.ssrc,
        fraction_lost: block.fraction_lost,
        last_report: block.last_sender_report,
        held: block.delay,
    }
}

/// A compound to send, part by part.
#[derive(Default)]
pub(crate) struct Compound(Vec<Box<dyn Packet>>);

impl Compound {
    /// What a feedback message stands behind where the peer does not take reduced-size RTCP
    /// (RFC 5506): an empty receiver report.
    pub(crate) fn feedback(our_ssrc: u32, reduced_size: bool) -> Self {
        match reduced_size {
            true => Compound::default(),
            false => Compound::default().receiver_report(our_ssrc, Vec::new()),
        }
    }

    pub(crate) fn receiver_report(mut self, ssrc: u32, reports: Vec<ReceptionReport>) -> Self {
        self.0.push(Box::new(ReceiverReport {
            ssrc,
            reports,
            profile_extensions: Bytes::new(),
        }));
        self
    }

    pub(crate) fn sender_report(
        mut self,
        ssrc: u32,
        (ntp_time, rtp_time): (u64, u32),
        (packet_count, octet_count): (u32, u32),
    ) -> Self {
        self.0.push(Box::new(SenderReport {
            ssrc,
            ntp_time,
            rtp_time,
            packet_count,
            octet_count,
            reports: Vec::new(),
            profile_extensions: Bytes::new(),
        }));
        self
    }

    pub(crate) fn cname(mut self, source: u32, cname: &str) -> Self {
        self.0.push(Box::new(SourceDescription {
            chunks: vec![SourceDescriptionChunk {
                source,
                items: vec![SourceDescriptionItem {
                    sdes_type: SdesType::SdesCname,
                    text: Bytes::copy_from_slice(cname.as_bytes()),
                }],
            }],
        }));
        self
    }

    /// `bitrate` in bits per second.
    pub(crate) fn remb(mut self, sender_ssrc: u32, bitrate: u64, ssrcs: Vec<u32>) -> Self {
        self.0.push(Box::new(ReceiverEstimatedMaximumBitrate {
            sender_ssrc,
            bitrate: bitrate as f32,
            ssrcs,
        }));
        self
    }

    pub(crate) fn nack(mut self, sender_ssrc: u32, media_ssrc: u32, sequences: &[u16]) -> Self {
        self.0.push(Box::new(TransportLayerNack {
            sender_ssrc,
            media_ssrc,
            nacks: nack_pairs_from_sequence_numbers(sequences),
        }));
        self
    }

    pub(crate) fn pli(mut self, sender_ssrc: u32, media_ssrc: u32) -> Self {
        self.0.push(Box::new(PictureLossIndication {
            sender_ssrc,
            media_ssrc,
        }));
        self
    }

    /// A packet that is written already.
    pub(crate) fn written(mut self, packet: Vec<u8>) -> Self {
        self.0.push(Box::new(RawPacket(Bytes::from(packet))));
        self
    }

    /// `None` if it is empty or cannot be written.
    pub(crate) fn write(self) -> Option<Vec<u8>> {
        if self.0.is_empty() {
            return None;
        }
        packet::marshal(&self.0).ok().map(|bytes| bytes.to_vec())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;

    #[test]
    fn what_is_written_is_read_again() {
        let compound = Compound::feedback(1, false)
            .sender_report(2, (3, 4), (5, 6))
            .cname(2, "name")
            .remb(1, 3_000_000, vec![7])
            .nack(1, 7, &[10, 11, 65_535])
            .pli(1, 7)
            .write()
            .unwrap();
        assert!(is_rtcp(&compound));
        assert_eq!(sender_ssrc(&compound), Some(1));
        let messages = parse(&compound);
        assert_eq!(
            messages[0],
            Message::SenderReport {
                ssrc: 2,
                ntp: 3,
                rtp: 4
            }
        );
        let Message::Nack { ssrc: 7, sequences } = &messages[1] else {
            panic!("{messages:?}");
        };
        let mut sequences = sequences.clone();
        sequences.sort_unstable();
        assert_eq!(sequences, [10, 11, 65_535]);
        assert_eq!(messages[2], Message::KeyframeRequest { ssrc: 7 });
        assert_eq!(messages.len(), 3);
    }

    #[test]
    fn a_bad_part_does_not_take_the_good_ones_with_it() {
        let mut compound = vec![0x81, 200, 0, 1, 0, 0, 0, 9]; // a sender report of eight bytes
        let pli = Compound::default().pli(1, 7).write().unwrap();
        compound.extend_from_slice(&pli);
        assert_eq!(parse(&compound), [Message::KeyframeRequest { ssrc: 7 }]);
    }

    #[test]
    fn cut_and_flipped_compounds_never_panic() {
        let good = Compound::feedback(1, false)
            .sender_report(2, (3, 4), (5, 6))
            .cname(2, "name")
            .remb(1, 3_000_000, vec![7])
            .nack(1, 7, &[10, 11])
            .write()
            .unwrap();
        for cut in 0..good.len() {
            parse(&good[..cut]);
        }
        for bit in 0..good.len() * 8 {
            let mut bad = good.clone();
            bad[bit / 8] ^= 1 << (bit % 8);
            parse(&bad);
        }
    }
}
