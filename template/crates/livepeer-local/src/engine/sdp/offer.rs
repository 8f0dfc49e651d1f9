//! What is kept of an offer.

use super::MAX_OFFER_BYTES;
use super::codec::Codec;
use super::reader::Reader;
use super::simulcast::Simulcast;
use crate::engine::names::OfferError;

/// What is kept of an offer.
#[derive(Clone, Debug)]
pub(crate) struct Offer {
    /// SHA-256 of the certificates that the peer may show in DTLS.
    pub(crate) fingerprints: Vec<[u8; 32]>,
    /// The peer's DTLS role.
    pub(crate) setup: Setup,
    /// In order: the answer has the same ones (RFC 3264 section 6).
    pub(crate) media: Vec<Media>,
    /// The mids of the BUNDLE group; empty without one.
    pub(crate) bundle: Vec<String>,
    /// The peer's half of the ICE credentials.
    pub(crate) ice: IceParameters,
}

/// One side's ICE credentials, as the other is told them (RFC 8839 section 5.4).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct IceParameters {
    pub(crate) ufrag: String,
    pub(crate) pwd: String,
}

/// The m-section under which the transport of the bundle stands in an answer and in a fragment (RFC 9143 section 7.2).
#[derive(Clone, Debug)]
pub(crate) struct TaggedSection {
    /// The mids that were answered with a bundle; empty without one.
    pub(crate) bundle: String,
    pub(crate) kind: Kind,
    pub(crate) mid: String,
    /// The index of the section in which we send pictures.
    pub(crate) video: Option<usize>,
}

/// One m-section.
#[derive(Clone, Debug, Default)]
pub(crate) struct Media {
    pub(crate) kind: Kind,
    /// The m-line's first word, and what stands after its port, for an answer that rejects it.
    pub(crate) word: String,
    pub(crate) protocol: String,
    pub(crate) formats: String,
    pub(crate) mid: String,
    /// Port 0 without `a=bundle-only` (RFC 9143 section 6): taken out by the offerer.
    pub(crate) rejected: bool,
    pub(crate) direction: Direction,
    /// The MediaStream that its track belongs to (RFC 8830); empty if the offer does not say.
    pub(crate) stream_id: String,
    pub(crate) rtcp_mux: bool,
    pub(crate) rtcp_reduced_size: bool,
    /// The payload types whose codec is forwarded, in the offerer's order of preference.
    pub(crate) payloads: Vec<Payload>,
    /// Every codec's name in the offer, for the words of a refusal.
    pub(crate) names: Vec<String>,
    /// The SSRCs that will send media; empty if the offer does not say.
    pub(crate) ssrcs: Vec<u32>,
    /// The layers that are offered to be sent.
    pub(crate) simulcast: Option<Simulcast>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Kind {
    Audio,
    Video,
    /// Data channels and whatever comes: rejected in the answer.
    #[default]
    Other,
}

impl Kind {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Kind::Audio => "audio",
            Kind::Video => "video",
            Kind::Other => "other media",
        }
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Direction {
    #[default]
    SendReceive,
    SendOnly,
    ReceiveOnly,
    Inactive,
}

impl Direction {
    pub(crate) fn sends(self) -> bool {
        matches!(self, Direction::SendReceive | Direction::SendOnly)
    }

    pub(crate) fn receives(self) -> bool {
        matches!(self, Direction::SendReceive | Direction::ReceiveOnly)
    }
}

/// RFC 8842: who sends the ClientHello.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Setup {
    ActPass,
    Active,
    Passive,
}

/// One payload type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Payload {
    pub(crate) number: u8,
    pub(crate) codec: Codec,
    /// As the offer wrote it, e.g. `VP8/90000`.
    pub(crate) rtpmap: String,
    pub(crate) fmtp: String,
    /// The payload type of its retransmissions (RFC 4588), if offered.
    pub(crate) rtx: Option<u8>,
    /// The feedback that both sides know, as `rtcp-fb` values in the offer's order.
    pub(crate) feedback: Vec<&'static str>,
    /// The id of the header extension with transport-wide numbers, where it and its feedback are offered.
    pub(crate) transport_cc: Option<u8>,
}

#[cfg(test)]
impl Payload {
    /// As if it had been offered, without feedback and repair.
    pub(crate) fn for_test(codec: Codec, fmtp: &str) -> Payload {
        Payload {
            number: 96,
            codec,
            rtpmap: String::new(),
            fmtp: fmtp.to_owned(),
            rtx: None,
            feedback: Vec::new(),
            transport_cc: None,
        }
    }
}

impl Offer {
    /// Reads an offer; unknown lines and every candidate are ignored.
    ///
    /// # Errors
    ///
    /// `TooLarge`, `Malformed`, or `Unsupported` for what can be understood but not served.
    pub(crate) fn parse(text: &str) -> Result<Offer, OfferError> {
        if text.len() > MAX_OFFER_BYTES {
            return Err(OfferError::TooLarge);
        }
        let mut reader = Reader::default();
        for line in text.split('\n') {
            let line = line.strip_suffix('\r').unwrap_or(line);
            if !line.is_empty() {
                reader.line(line)?;
            }
        }
        reader.finish()
    }
}
