//! Writing the answer.

use std::fmt::Write as _;

use super::super::candidates::Candidate;
use super::TRANSPORT_CC;
use super::offer::{Kind, Media, Offer, Payload, Setup, TaggedSection};
use super::simulcast::Simulcast;
use crate::engine::twcc;

/// What the answer says about our side of the transport.
#[derive(Clone, Debug)]
pub(crate) struct Transport<'a> {
    pub(crate) ice_ufrag: &'a str,
    pub(crate) ice_pwd: &'a str,
    /// SHA-256 of our DTLS certificate.
    pub(crate) fingerprint: &'a [u8; 32],
    /// Host candidates, best first.
    pub(crate) candidates: &'a [Candidate],
    /// Whether the peer may add candidates to its offer, and restart ICE.
    pub(crate) trickle: bool,
    /// The `sess-id` of the o-line (RFC 8866 section 5.2).
    pub(crate) session: u64,
}

/// The answer to one m-section of the offer.
#[derive(Clone, Debug)]
pub(crate) enum AnswerLine {
    /// Port 0: not a kind of media that is served, or taken out by the offerer.
    Rejected,
    /// Part of the bundle, but nothing flows: a viewer offers audio and the publisher has none.
    Inactive(Payload),
    /// From a publisher to us, in one encoding or in layers.
    Receive(Payload, Option<Simulcast>),
    /// From us to a viewer.
    Send(Payload, Outgoing),
}

/// A track that we send.
#[derive(Clone, Debug)]
pub(crate) struct Outgoing {
    pub(crate) ssrc: u32,
    /// The SSRC of its retransmissions, if the payload has RTX.
    pub(crate) rtx_ssrc: Option<u32>,
    /// The same for both tracks of a viewer, so that they are played in step (RFC 3550 section 6.5.1).
    pub(crate) cname: String,
    /// The MediaStream that both tracks of a viewer belong to (RFC 8830).
    pub(crate) stream_id: String,
}

/// Writes the answer; `lines` has one entry for each m-section of the offer.
pub(crate) fn write_answer(offer: &Offer, transport: &Transport, lines: &[AnswerLine]) -> String {
    let mut sdp = Lines::with_capacity(2048);
    sdp.line(format_args!("v=0"));
    sdp.line(format_args!("o=- {} 1 IN IP4 127.0.0.1", transport.session));
    sdp.line(format_args!("s=-"));
    sdp.line(format_args!("t=0 0"));
    let bundle = bundle(offer, lines);
    if !bundle.is_empty() {
        sdp.line(format_args!("a=group:BUNDLE {bundle}"));
    }
    match transport.trickle {
        true => sdp.ice_options(),
        false => sdp.line(format_args!("a=ice-lite")),
    }
    sdp.line(format_args!("a=msid-semantic: WMS *"));
    // Candidates stand in the bundle's tagged section only (RFC 9143 section 7.3).
    let mut tagged = true;
    for (media, line) in offer.media.iter().zip(lines) {
        sdp.section(offer, transport, media, line, tagged);
        if !matches!(line, AnswerLine::Rejected) {
            tagged = false;
        }
    }
    sdp.finish()
}

/// What an answer to `offer` says of its bundle.
pub(crate) fn tagged_section(offer: &Offer, lines: &[AnswerLine]) -> TaggedSection {
    // There is one: an offer whose every section is rejected is refused.
    let media = accepted(offer, lines).next().map(|(media, _)| media);
    TaggedSection {
        bundle: bundle(offer, lines),
        kind: media.map(|media| media.kind).unwrap_or_default(),
        mid: media.map(|media| media.mid.clone()).unwrap_or_default(),
        video: offer.media.iter().zip(lines).position(|(media, line)| {
            media.kind == Kind::Video && matches!(line, AnswerLine::Send(..))
        }),
    }
}

fn accepted<'a>(
    offer: &'a Offer,
    lines: &'a [AnswerLine],
) -> impl Iterator<Item = (&'a Media, &'a AnswerLine)> {
    let sections = offer.media.iter().zip(lines);
    sections.filter(|(_, line)| !matches!(line, AnswerLine::Rejected))
}

fn bundle(offer: &Offer, lines: &[AnswerLine]) -> String {
    let mids: Vec<&str> = match offer.bundle.is_empty() {
        true => Vec::new(),
        false => accepted(offer, lines)
            .map(|(media, _)| media.mid.as_str())
            .collect(),
    };
    mids.join(" ")
}

/// An SDP text in the making.
pub(super) struct Lines(String);

impl Lines {
    pub(super) fn with_capacity(bytes: usize) -> Self {
        Lines(String::with_capacity(bytes))
    }

    pub(super) fn finish(self) -> String {
        self.0
    }

    /// What we are in ICE: a lite agent of RFC 8445 that takes candidates late. The same in the answer to a restart.
    pub(super) fn ice_options(&mut self) {
        self.line(format_args!("a=ice-lite"));
        self.line(format_args!("a=ice-options:trickle ice2"));
    }

    /// All of them: we gather before we answer, so none follow (RFC 9725 section 4.3.2).
    pub(super) fn candidates(&mut self, candidates: &[Candidate]) {
        for (index, candidate) in candidates.iter().enumerate() {
            self.line(format_args!("a={}", candidate.attribute(index)));
        }
        self.line(format_args!("a=end-of-candidates"));
    }

    pub(super) fn line(&mut self, line: std::fmt::Arguments) {
        // Writing to a String cannot fail.
        let _ = self.0.write_fmt(line);
        self.0.push_str("\r\n");
    }

    fn section(
        &mut self,
        offer: &Offer,
        transport: &Transport,
        media: &Media,
        line: &AnswerLine,
        tagged: bool,
    ) {
        let (payload, direction, outgoing) = match line {
            AnswerLine::Rejected => return self.rejected(offer, media),
            AnswerLine::Inactive(payload) => (payload, "inactive", None),
            AnswerLine::Receive(payload, _) => (payload, "recvonly", None),
            AnswerLine::Send(payload, outgoing) => (payload, "sendonly", Some(outgoing)),
        };
        // A publisher's retransmissions come on the track's own SSRC: without RTX both are one stream.
        let rtx = payload
            .rtx
            .filter(|_| outgoing.is_some_and(|o| o.rtx_ssrc.is_some()));
        let formats = match rtx {
            Some(rtx) => format!("{} {rtx}", payload.number),
            None => payload.number.to_string(),
        };
        self.line(format_args!(
            "m={} 9 {} {formats}",
            media.kind.name(),
            media.protocol
        ));
        self.line(format_args!("c=IN IP4 0.0.0.0"));
        self.line(format_args!("a=mid:{}", media.mid));
        self.line(format_args!("a=ice-ufrag:{}", transport.ice_ufrag));
        self.line(format_args!("a=ice-pwd:{}", transport.ice_pwd));
        self.line(format_args!(
            "a=fingerprint:sha-256 {}",
            Hex(transport.fingerprint)
        ));
        let setup = match offer.setup {
            Setup::ActPass | Setup::Active => "passive",
            Setup::Passive => "active",
        };
        self.line(format_args!("a=setup:{setup}"));
        self.line(format_args!("a={direction}"));
        self.line(format_args!("a=rtcp-mux"));
        self.line(format_args!("a=rtcp-mux-only"));
        if media.rtcp_reduced_size {
            self.line(format_args!("a=rtcp-rsize"));
        }
        self.line(format_args!(
            "a=rtpmap:{} {}",
            payload.number, payload.rtpmap
        ));
        if !payload.fmtp.is_empty() {
            self.line(format_args!("a=fmtp:{} {}", payload.number, payload.fmtp));
        }
        for feedback in &payload.feedback {
            self.line(format_args!("a=rtcp-fb:{} {feedback}", payload.number));
        }
        if let Some(id) = payload.transport_cc {
            self.line(format_args!("a=rtcp-fb:{} {TRANSPORT_CC}", payload.number));
            self.line(format_args!("a=extmap:{id} {}", twcc::EXTENSION));
        }
        if let Some(rtx) = rtx {
            self.line(format_args!(
                "a=rtpmap:{rtx} rtx/{}",
                payload.codec.clock_rate()
            ));
            self.line(format_args!("a=fmtp:{rtx} apt={}", payload.number));
        }
        if let Some(outgoing) = outgoing {
            self.outgoing(media, outgoing);
        }
        if let AnswerLine::Receive(_, Some(simulcast)) = line {
            for line in simulcast.lines(payload) {
                self.line(format_args!("{line}"));
            }
        }
        if tagged {
            self.candidates(transport.candidates);
        }
    }

    fn rejected(&mut self, offer: &Offer, media: &Media) {
        self.line(format_args!(
            "m={} 0 {} {}",
            media.word, media.protocol, media.formats
        ));
        self.line(format_args!("c=IN IP4 0.0.0.0"));
        if !offer.bundle.is_empty() {
            self.line(format_args!("a=mid:{}", media.mid));
        }
        self.line(format_args!("a=inactive"));
    }

    fn outgoing(&mut self, media: &Media, outgoing: &Outgoing) {
        let Outgoing {
            ssrc,
            rtx_ssrc,
            cname,
            stream_id,
        } = outgoing;
        let track = media.kind.name();
        self.line(format_args!("a=msid:{stream_id} {track}"));
        if let Some(rtx_ssrc) = rtx_ssrc {
            self.line(format_args!("a=ssrc-group:FID {ssrc} {rtx_ssrc}"));
        }
        for ssrc in [Some(*ssrc), *rtx_ssrc].into_iter().flatten() {
            self.line(format_args!("a=ssrc:{ssrc} cname:{cname}"));
            self.line(format_args!("a=ssrc:{ssrc} msid:{stream_id} {track}"));
        }
    }
}

struct Hex<'a>(&'a [u8; 32]);

impl std::fmt::Display for Hex<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (index, byte) in self.0.iter().enumerate() {
            let colon = if index == 0 { "" } else { ":" };
            write!(f, "{colon}{byte:02X}")?;
        }
        Ok(())
    }
}
