//! The part of SDP (RFC 8866, as JSEP RFC 9429 uses it) that WHIP and WHEP need: reading an offer,
//! choosing codecs, writing the answer, and the fragments that follow it.
//!
//! Our own reader, because the offer is the one input that a stranger may send: it keeps only what
//! is used, ignores what it does not know, and has a limit for everything that could grow.

/// The `rtcp-fb` value of transport-wide feedback, which means nothing without its header extension.
const TRANSPORT_CC: &str = "transport-cc";

mod answer;
mod codec;
mod fragment;
mod offer;
mod reader;
mod simulcast;

pub(crate) use answer::{AnswerLine, Outgoing, Transport, tagged_section, write_answer};
pub(crate) use codec::{Codec, H264Profile, parameter};
pub(crate) use fragment::{Fragment, write_fragment};
pub(crate) use offer::{IceParameters, Kind, Media, Offer, Payload, Setup, TaggedSection};
pub(crate) use simulcast::{MAX_LAYERS, Simulcast};

pub use fragment::MAX_FRAGMENT_BYTES;

/// The largest offer that is read at all. Browsers' offers are 2 to 8 KB.
pub const MAX_OFFER_BYTES: usize = 128 * 1024;
