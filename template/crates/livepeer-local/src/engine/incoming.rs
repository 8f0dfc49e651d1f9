//! One negotiated section of a publisher's offer: which packets are its own, and of which layer.

use super::diagnosis::Finding;
use super::publisher::Receiver;
use super::rtp::{self, Header};
use super::sdp::{Media, Payload, Simulcast};
use super::track::RidName;

/// SSRCs that an offer did not name, and changes between SSRCs, that are put up with.
const MAX_STRANGERS: u32 = 32;
/// SSRCs that a packet was authentic of and that belong to no layer (yet). They cost no more memory.
const MAX_UNBOUND: usize = 16;

/// A publisher's audio or video.
pub(crate) struct Incoming {
    payload_type: u8,
    /// The SSRCs of the offer; empty if it named none.
    declared: Vec<u32>,
    /// The number of the header extension that names a packet's layer. Without simulcast there is none:
    /// every packet is of the only receiver.
    rid_extension: Option<u8>,
    /// One for each encoding that was negotiated, with its name.
    receivers: Vec<(RidName, Receiver)>,
    strangers: u32,
    unbound: Vec<u32>,
}

/// What the layers of a section are called, in the offer's order.
pub(crate) fn rids(simulcast: Option<&Simulcast>) -> Vec<RidName> {
    match simulcast {
        Some(simulcast) => {
            let layers = simulcast.layers.iter();
            layers.map(|rid| Some(rid.name.as_str().into())).collect()
        }
        None => vec![None],
    }
}

impl Incoming {
    /// `layers` are the indexes that the track has for `rids`.
    pub(crate) fn new(
        media: &Media,
        payload: &Payload,
        simulcast: Option<&Simulcast>,
        layers: Vec<usize>,
    ) -> Self {
        let receivers = layers.into_iter().map(|l| Receiver::new(payload, l));
        Incoming {
            payload_type: payload.number,
            declared: media.ssrcs.clone(),
            rid_extension: simulcast.map(|simulcast| simulcast.rid_extension),
            receivers: rids(simulcast).into_iter().zip(receivers).collect(),
            strangers: 0,
            unbound: Vec::new(),
        }
    }

    pub(crate) fn receivers(&self) -> impl Iterator<Item = &Receiver> {
        self.receivers.iter().map(|(_, receiver)| receiver)
    }

    pub(crate) fn receivers_mut(&mut self) -> impl Iterator<Item = &mut Receiver> {
        self.receivers.iter_mut().map(|(_, receiver)| receiver)
    }

    /// The size of the best layer's pictures in pixels, once a keyframe has told.
    pub(crate) fn picture(&self) -> Option<(u32, u32)> {
        let sizes = self.receivers().filter_map(|r| r.diagnosis()?.size());
        sizes.max_by_key(|(width, height)| width.saturating_mul(*height))
    }

    /// What is wrong with what it sends: what was found in any layer, once.
    pub(crate) fn findings(&self) -> Vec<Finding> {
        let found = self.receivers().filter_map(Receiver::diagnosis);
        let mut findings: Vec<Finding> = Vec::new();
        for finding in found.flat_map(|diagnosis| diagnosis.findings()) {
            if !findings.iter().any(|known| known.kind == finding.kind) {
                findings.push(finding.clone());
            }
        }
        findings
    }

    /// The receiver of this source, once a packet has come from it.
    pub(crate) fn by_ssrc(&mut self, ssrc: u32) -> Option<&mut Receiver> {
        self.receivers_mut().find(|r| r.ssrc() == Some(ssrc))
    }

    /// Whether a packet with these clear fields may be one of ours: asked before decryption, which costs
    /// memory for each SSRC.
    pub(crate) fn expects(&mut self, payload_type: u8, ssrc: u32) -> bool {
        if payload_type != self.payload_type {
            return false;
        }
        if self.by_ssrc(ssrc).is_some() || self.unbound.contains(&ssrc) {
            return true;
        }
        let may_be = self.declared.is_empty() || self.declared.contains(&ssrc);
        if may_be && self.strangers < MAX_STRANGERS {
            self.strangers += 1;
            return true;
        }
        false
    }

    /// Whose packet this is, now that it is authenticated. A source belongs to the layer that it has
    /// named (RFC 8852 section 3.3); senders repeat the name until they know that it was heard. `None`
    /// for a source that has named none of ours.
    pub(crate) fn receiver(&mut self, packet: &[u8], header: &Header) -> Option<&mut Receiver> {
        let ssrc = header.ssrc;
        let Some(number) = self.rid_extension else {
            return self.receivers_mut().next();
        };
        let named = rtp::extension(packet, number).and_then(|rid| {
            let of = |name: &RidName| name.as_deref().is_some_and(|name| name.as_bytes() == rid);
            self.receivers.iter().position(|(name, _)| of(name))
        });
        let known = || {
            let mut receivers = self.receivers.iter();
            receivers.position(|(_, receiver)| receiver.ssrc() == Some(ssrc))
        };
        let known = known();
        match named.or(known) {
            Some(receiver) => {
                if named != known {
                    self.unbound.retain(|unbound| *unbound != ssrc);
                }
                self.receivers
                    .get_mut(receiver)
                    .map(|(_, receiver)| receiver)
            }
            None => {
                if self.unbound.len() < MAX_UNBOUND && !self.unbound.contains(&ssrc) {
                    self.unbound.push(ssrc);
                }
                None
            }
        }
    }
}
