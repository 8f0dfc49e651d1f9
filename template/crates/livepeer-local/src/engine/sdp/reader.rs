//! Reading an offer, line by line.

use super::TRANSPORT_CC;
use super::codec::{Codec, parameter};
use super::offer::{Direction, IceParameters, Kind, Media, Offer, Payload, Setup};
use super::simulcast::RawSimulcast;
use crate::engine::names::OfferError;
use crate::engine::twcc;

// Limits. Browsers stay far below each; beyond them an offer is somebody's experiment.
const MAX_LINE_BYTES: usize = 4096;
const MAX_MEDIA: usize = 16;
const MAX_CANDIDATES: usize = 256;
const MAX_PAYLOADS: usize = 96;
const MAX_SSRC_LINES: usize = 256;
const MAX_MID_BYTES: usize = 64;
const MAX_FEEDBACK: usize = 16;

/// The feedback messages that the engine sends and understands.
const FEEDBACK: [&str; 4] = ["goog-remb", "ccm fir", "nack", "nack pli"];

fn malformed<T>(words: impl Into<String>) -> Result<T, OfferError> {
    Err(OfferError::Malformed(words.into()))
}

fn unsupported<T>(words: impl Into<String>) -> Result<T, OfferError> {
    Err(OfferError::Unsupported(words.into()))
}

/// ICE, DTLS and direction may stand at session level or in each m-section.
#[derive(Clone, Default)]
struct Level {
    ice_ufrag: Option<String>,
    ice_pwd: Option<String>,
    fingerprints: Vec<(String, String)>,
    setup: Option<String>,
    direction: Option<Direction>,
}

#[derive(Default)]
struct Section {
    level: Level,
    media: Media,
    port: u32,
    bundle_only: bool,
    payloads: Vec<RawPayload>,
    ssrcs: Vec<u32>,
    /// The id of the extension with transport-wide numbers.
    transport_cc: Option<u8>,
    /// SSRCs that repeat another one's packets: never the ones with the media.
    repair_ssrcs: Vec<u32>,
    simulcast: RawSimulcast,
}

#[derive(Default)]
struct RawPayload {
    number: u8,
    rtpmap: String,
    fmtp: String,
    feedback: Vec<String>,
}

impl RawPayload {
    /// Keeps one feedback message. A line for every payload type (`*`) is kept once for each, so without a
    /// limit an offer would cost hundreds of times its length.
    fn feedback(&mut self, value: &str) {
        if self.feedback.len() < MAX_FEEDBACK {
            self.feedback.push(value.trim().to_owned());
        }
    }
}

/// What has been read so far.
#[derive(Default)]
pub(super) struct Reader {
    lines: usize,
    session: Level,
    bundle: Vec<String>,
    sections: Vec<Section>,
    candidates: usize,
    ssrc_lines: usize,
}

impl Reader {
    pub(super) fn line(&mut self, line: &str) -> Result<(), OfferError> {
        if line.len() > MAX_LINE_BYTES {
            return malformed("a line is too long");
        }
        if line.chars().any(|c| c.is_control() && c != '\t') {
            return malformed("it holds control characters");
        }
        let Some((kind, value)) = line.split_once('=') else {
            return malformed("a line is not of the form <letter>=<value>");
        };
        self.lines += 1;
        if self.lines == 1 && (kind, value) != ("v", "0") {
            return malformed("it does not begin with v=0");
        }
        match kind {
            "m" => self.media(value),
            "a" => self.attribute(value),
            _ if kind.len() == 1 => Ok(()),
            _ => malformed("a line is not of the form <letter>=<value>"),
        }
    }

    fn media(&mut self, value: &str) -> Result<(), OfferError> {
        if self.sections.len() >= MAX_MEDIA {
            return malformed("it has too many m-lines");
        }
        let mut words = value.splitn(4, ' ');
        let (Some(kind), Some(port), Some(protocol), Some(formats)) =
            (words.next(), words.next(), words.next(), words.next())
        else {
            return malformed(
                "an m-line does not have a kind, a port, a protocol and at least one format",
            );
        };
        let Ok(port) = port.split('/').next().unwrap_or_default().parse::<u32>() else {
            return malformed("an m-line's port is not a number");
        };
        let word = kind.to_owned();
        let kind = match kind {
            "audio" => Kind::Audio,
            "video" => Kind::Video,
            _ => Kind::Other,
        };
        let mut section = Section {
            port,
            media: Media {
                kind,
                word,
                protocol: protocol.to_owned(),
                formats: formats.to_owned(),
                ..Media::default()
            },
            ..Section::default()
        };
        if kind != Kind::Other {
            for format in formats.split_ascii_whitespace() {
                let number = payload_number(format)?;
                if section.payloads.len() >= MAX_PAYLOADS {
                    return malformed("an m-line has too many payload types");
                }
                if section.payloads.iter().any(|p| p.number == number) {
                    return malformed("an m-line names a payload type twice");
                }
                section.payloads.push(RawPayload {
                    number,
                    ..RawPayload::default()
                });
            }
        }
        self.sections.push(section);
        Ok(())
    }

    fn attribute(&mut self, value: &str) -> Result<(), OfferError> {
        let (name, value) = value.split_once(':').unwrap_or((value, ""));
        let level = match self.sections.last_mut() {
            Some(section) => &mut section.level,
            None => &mut self.session,
        };
        match name {
            "ice-ufrag" => level.ice_ufrag = Some(value.to_owned()),
            "ice-pwd" => level.ice_pwd = Some(value.to_owned()),
            "setup" => level.setup = Some(value.to_owned()),
            "fingerprint" => {
                let Some((hash, hex)) = value.split_once(' ') else {
                    return malformed("a fingerprint has no value");
                };
                if level.fingerprints.len() < 8 {
                    level
                        .fingerprints
                        .push((hash.to_ascii_lowercase(), hex.trim().to_owned()));
                }
            }
            "sendrecv" => level.direction = Some(Direction::SendReceive),
            "sendonly" => level.direction = Some(Direction::SendOnly),
            "recvonly" => level.direction = Some(Direction::ReceiveOnly),
            "inactive" => level.direction = Some(Direction::Inactive),
            "candidate" => {
                self.candidates += 1;
                if self.candidates > MAX_CANDIDATES {
                    return malformed("it has too many candidates");
                }
            }
            "group" if self.sections.is_empty() => {
                let mut words = value.split_ascii_whitespace();
                if words.next() == Some("BUNDLE") {
                    self.bundle = words.take(MAX_MEDIA).map(str::to_owned).collect();
                }
            }
            _ => return self.media_attribute(name, value),
        }
        Ok(())
    }

    fn media_attribute(&mut self, name: &str, value: &str) -> Result<(), OfferError> {
        let Some(section) = self.sections.last_mut() else {
            return Ok(());
        };
        match name {
            "mid" => {
                if value.is_empty() || value.len() > MAX_MID_BYTES || value.contains(' ') {
                    return malformed("a mid is not a token");
                }
                section.media.mid = value.to_owned();
            }
            "msid" => {
                let id = value.split_ascii_whitespace().next();
                section.media.stream_id = id.unwrap_or_default().to_owned();
            }
            "bundle-only" => section.bundle_only = true,
            "rtcp-mux" | "rtcp-mux-only" => section.media.rtcp_mux = true,
            "rtcp-rsize" => section.media.rtcp_reduced_size = true,
            "rtpmap" | "fmtp" | "rtcp-fb" if section.media.kind != Kind::Other => {
                let Some((format, value)) = value.split_once(' ') else {
                    return malformed(format!("an {name} line has no value"));
                };
                if format == "*" {
                    if name == "rtcp-fb" {
                        for payload in &mut section.payloads {
                            payload.feedback(value);
                        }
                    }
                    return Ok(());
                }
                let number = payload_number(format)?;
                let Some(payload) = section.payloads.iter_mut().find(|p| p.number == number) else {
                    return Ok(());
                };
                match name {
                    "rtpmap" => payload.rtpmap = value.trim().to_owned(),
                    "fmtp" => payload.fmtp = value.trim().to_owned(),
                    _ => payload.feedback(value),
                }
            }
            "rid" => section.simulcast.rid(value),
            "simulcast" => section.simulcast.simulcast(value),
            // RFC 8285 section 5; one-byte extensions have ids from 1 to 14.
            "extmap" => {
                section.simulcast.extension(value);
                let mut words = value.split_ascii_whitespace();
                if let (Some(id), Some(twcc::EXTENSION)) = (words.next(), words.next()) {
                    let id = id.split('/').next().unwrap_or_default();
                    let id = id.parse().ok().filter(|id| (1..=14).contains(id));
                    section.transport_cc = id;
                }
            }
            "ssrc" | "ssrc-group" => {
                self.ssrc_lines += 1;
                if self.ssrc_lines > MAX_SSRC_LINES {
                    return malformed("it has too many ssrc lines");
                }
                let mut words = value.split_ascii_whitespace();
                if name == "ssrc" {
                    if let Some(Ok(ssrc)) = words.next().map(str::parse)
                        && !section.ssrcs.contains(&ssrc)
                    {
                        section.ssrcs.push(ssrc);
                    }
                } else if value.starts_with("FID") || value.starts_with("FEC") {
                    let ssrcs = words.skip(2).filter_map(|word| word.parse::<u32>().ok());
                    section.repair_ssrcs.extend(ssrcs);
                }
            }
            _ => {}
        }
        Ok(())
    }

    pub(super) fn finish(mut self) -> Result<Offer, OfferError> {
        if self.lines == 0 {
            return malformed("it is empty");
        }
        if self.sections.is_empty() {
            return malformed("it has no m-line");
        }
        let mut media: Vec<Media> = Vec::new();
        for (index, section) in self.sections.iter_mut().enumerate() {
            let finished = section.finish(index, self.session.direction)?;
            if media.iter().any(|other| other.mid == finished.mid) {
                return malformed(format!("the mid {} stands twice", finished.mid));
            }
            media.push(finished);
        }
        // The transport is that of the offerer's tagged section: the first of the group (RFC 9143
        // section 7.2), or else the first that is not rejected.
        let tagged = self
            .bundle
            .first()
            .and_then(|mid| media.iter().position(|m| &m.mid == mid && !m.rejected))
            .or_else(|| media.iter().position(|m| !m.rejected));
        let Some(tagged) = tagged else {
            return malformed("every m-line is rejected");
        };
        let level = self.sections[tagged].level.clone();
        let session = self.session;
        let (Some(ice_ufrag), Some(ice_pwd)) = (
            level.ice_ufrag.or(session.ice_ufrag),
            level.ice_pwd.or(session.ice_pwd),
        ) else {
            return malformed("it has no ice-ufrag and ice-pwd");
        };
        // RFC 8839 section 5.4.
        if !(4..=256).contains(&ice_ufrag.len()) || !(22..=256).contains(&ice_pwd.len()) {
            return malformed("its ice-ufrag or ice-pwd has the wrong length");
        }
        let fingerprints = match level.fingerprints.is_empty() {
            true => session.fingerprints,
            false => level.fingerprints,
        };
        if fingerprints.is_empty() {
            return malformed("it has no DTLS fingerprint");
        }
        let fingerprints: Vec<[u8; 32]> = fingerprints
            .iter()
            .filter(|(hash, _)| hash == "sha-256")
            .map(|(_, hex)| fingerprint(hex))
            .collect::<Option<_>>()
            .ok_or_else(|| OfferError::Malformed("its fingerprint cannot be read".into()))?;
        if fingerprints.is_empty() {
            return unsupported("its DTLS fingerprints are not sha-256, the one hash supported");
        }
        let setup = match level.setup.or(session.setup).as_deref() {
            Some("actpass") => Setup::ActPass,
            Some("active") => Setup::Active,
            Some("passive") => Setup::Passive,
            Some(_) => return malformed("its setup attribute is not known"),
            // RFC 8842 section 5.2: an offer has one; those that leave it out expect to be called.
            None => Setup::ActPass,
        };
        Ok(Offer {
            fingerprints,
            setup,
            media,
            bundle: self.bundle,
            ice: IceParameters {
                ufrag: ice_ufrag,
                pwd: ice_pwd,
            },
        })
    }
}

impl Section {
    fn finish(&mut self, index: usize, direction: Option<Direction>) -> Result<Media, OfferError> {
        let mut media = std::mem::take(&mut self.media);
        if media.mid.is_empty() {
            // Without mids (RFC 9429 demands them) the index serves; it is not echoed.
            media.mid = index.to_string();
        }
        media.rejected = self.port == 0 && !self.bundle_only;
        media.direction = self.level.direction.or(direction).unwrap_or_default();
        media.simulcast = self
            .simulcast
            .finish()
            .filter(|_| media.kind == Kind::Video);
        media.ssrcs = self.ssrcs.clone();
        media.ssrcs.retain(|ssrc| !self.repair_ssrcs.contains(ssrc));
        for raw in &self.payloads {
            // `name/clock[/channels]`; PCMU and its like may stand without a map and are not known here.
            let mut fields = raw.rtpmap.split('/');
            let name = fields.next().unwrap_or_default();
            if name.is_empty() {
                continue;
            }
            if !media.names.iter().any(|known| known == name)
                && ![
                    "rtx",
                    "red",
                    "ulpfec",
                    "flexfec-03",
                    "telephone-event",
                    "CN",
                ]
                .contains(&name)
            {
                media.names.push(name.to_owned());
            }
            let clock_rate = fields.next().and_then(|f| f.parse().ok()).unwrap_or(0);
            let channels = fields.next().and_then(|f| f.parse().ok()).unwrap_or(0);
            let Some(codec) = Codec::parse(name, clock_rate, channels, &raw.fmtp) else {
                continue;
            };
            if codec.is_video() != (media.kind == Kind::Video) {
                continue;
            }
            let rtx = self.payloads.iter().find(|other| {
                other.rtpmap.to_ascii_lowercase().starts_with("rtx/")
                    && parameter(&other.fmtp, "apt").and_then(|apt| apt.parse::<u8>().ok())
                        == Some(raw.number)
            });
            media.payloads.push(Payload {
                number: raw.number,
                codec,
                rtpmap: raw.rtpmap.clone(),
                fmtp: raw.fmtp.clone(),
                rtx: rtx.map(|payload| payload.number),
                feedback: FEEDBACK
                    .into_iter()
                    .filter(|known| raw.feedback.iter().any(|offered| offered == known))
                    .collect(),
                transport_cc: self
                    .transport_cc
                    .filter(|_| raw.feedback.iter().any(|offered| offered == TRANSPORT_CC)),
            });
        }
        Ok(media)
    }
}

/// RTP has seven bits for it (RFC 3550 section 5.1).
fn payload_number(text: &str) -> Result<u8, OfferError> {
    match text.parse::<u8>() {
        Ok(number) if number <= 127 => Ok(number),
        _ => malformed("a payload type is not a number from 0 to 127"),
    }
}

/// `AB:CD:...`, 32 bytes.
fn fingerprint(hex: &str) -> Option<[u8; 32]> {
    let mut bytes = [0; 32];
    let mut parts = hex.split(':');
    for byte in &mut bytes {
        let part = parts.next().filter(|part| part.len() == 2)?;
        *byte = u8::from_str_radix(part, 16).ok()?;
    }
    parts.next().is_none().then_some(bytes)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;

    #[test]
    fn feedback_for_every_payload_type_is_kept_within_limits() {
        let mut reader = Reader::default();
        reader.line("v=0").unwrap();
        let numbers: Vec<String> = (0..96).map(|number: u8| number.to_string()).collect();
        let media = format!("m=video 9 UDP/TLS/RTP/SAVPF {}", numbers.join(" "));
        reader.line(&media).unwrap();
        reader.line("a=rtcp-fb:* nack pli").unwrap();
        reader.line("a=fmtp:* is not feedback").unwrap();
        for _ in 0..1000 {
            reader.line("a=rtcp-fb:* x").unwrap();
        }
        for payload in &reader.sections[0].payloads {
            assert_eq!(payload.feedback.len(), MAX_FEEDBACK);
            assert_eq!(payload.feedback[..2], ["nack pli", "x"]);
        }
    }
}
