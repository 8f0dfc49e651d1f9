//! Simulcast in SDP: `a=rid` (RFC 8851) and `a=simulcast` (RFC 8853), as far as a publisher sends it.

use super::offer::Payload;

/// Layers that are taken of one track. A publisher that offers more is answered without the last ones.
pub(crate) const MAX_LAYERS: usize = 4;
/// Bytes of a rid: all that its header extension can hold in the one-byte form (RFC 8285 section 4.2).
const MAX_RID_BYTES: usize = 16;

/// The header extension by which a packet names its layer (RFC 8852 section 3.1).
pub(super) const RID: &str = "urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id";
/// The one that names its section (RFC 9143 section 15).
pub(super) const MID: &str = "urn:ietf:params:rtp-hdrext:sdes:mid";

/// What an offer says of the layers that it sends in one section.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Simulcast {
    /// In the offer's order, which says nothing about their quality.
    pub(crate) layers: Vec<Rid>,
    /// The number of the extension with the rid.
    pub(crate) rid_extension: u8,
    /// The number of the extension with the mid, if offered.
    pub(super) mid_extension: Option<u8>,
}

/// One layer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Rid {
    pub(crate) name: String,
    /// The payload types that it is restricted to; empty if it is not.
    formats: Vec<u8>,
    /// Its other restrictions, which an answer has to repeat.
    restrictions: Vec<String>,
    /// It begins paused (RFC 8853 section 5.1).
    paused: bool,
}

/// The lines of one section, as they are read.
#[derive(Default)]
pub(super) struct RawSimulcast {
    rids: Vec<Rid>,
    /// The list of the direction `send`.
    sent: Option<String>,
    rid_extension: Option<u8>,
    mid_extension: Option<u8>,
}

impl RawSimulcast {
    /// `a=rid:h send pt=96;max-width=1280`. What cannot be read or served is no layer.
    pub(super) fn rid(&mut self, value: &str) {
        // Twice as many as are taken: a list of alternatives may leave some out.
        if self.rids.len() >= 2 * MAX_LAYERS {
            return;
        }
        let mut words = value.split_ascii_whitespace();
        let (Some(name), Some("send")) = (words.next(), words.next()) else {
            return;
        };
        // RFC 8852 section 3: letters and digits; RFC 8851 section 10 has `-` and `_` too.
        let is_token = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        let known = self.rids.iter().any(|rid| rid.name == name);
        if name.is_empty() || name.len() > MAX_RID_BYTES || !name.chars().all(is_token) || known {
            return;
        }
        let mut rid = Rid {
            name: name.to_owned(),
            formats: Vec::new(),
            restrictions: Vec::new(),
            paused: false,
        };
        for restriction in words.next().unwrap_or_default().split(';') {
            match restriction.split_once('=').unwrap_or((restriction, "")) {
                ("", _) => {}
                ("pt", formats) => {
                    rid.formats = formats.split(',').filter_map(|f| f.parse().ok()).collect();
                }
                // A layer that cannot be decoded without another is none that a viewer could choose.
                ("depend", _) => return,
                _ => rid.restrictions.push(restriction.to_owned()),
            }
        }
        self.rids.push(rid);
    }

    /// `a=simulcast:send l;m,m2;~h recv x`.
    pub(super) fn simulcast(&mut self, value: &str) {
        let mut words = value.split_ascii_whitespace();
        while let (Some(direction), Some(list)) = (words.next(), words.next()) {
            if direction == "send" && self.sent.is_none() {
                self.sent = Some(list.to_owned());
            }
        }
    }

    /// `a=extmap:10 urn:...`, where the number may have a direction.
    pub(super) fn extension(&mut self, value: &str) {
        let mut words = value.split_ascii_whitespace();
        let (Some(number), Some(uri)) = (words.next(), words.next()) else {
            return;
        };
        let number = number.split('/').next().unwrap_or_default();
        // 15 ends the one-byte form, and 0 is padding (RFC 8285 section 4.2).
        let Some(number) = number.parse::<u8>().ok().filter(|n| !matches!(n, 0 | 15)) else {
            return;
        };
        match uri {
            RID => self.rid_extension = Some(number),
            MID => self.mid_extension = Some(number),
            _ => {}
        }
    }

    /// `None` if there is no simulcast that could be told apart.
    pub(super) fn finish(&self) -> Option<Simulcast> {
        let (sent, rid_extension) = (self.sent.as_deref()?, self.rid_extension?);
        let mut layers: Vec<Rid> = Vec::new();
        for alternatives in sent.split(';') {
            let known = alternatives.split(',').find_map(|name| {
                let paused = name.starts_with('~');
                let name = name.trim_start_matches('~');
                let rid = self.rids.iter().find(|rid| rid.name == name)?;
                let rid = Rid {
                    paused,
                    ..rid.clone()
                };
                (!layers.iter().any(|layer| layer.name == name)).then_some(rid)
            });
            layers.extend(known);
        }
        (!layers.is_empty()).then_some(Simulcast {
            layers,
            rid_extension,
            mid_extension: self.mid_extension,
        })
    }
}

impl Simulcast {
    /// What is taken of it with this payload; `None` if no layer may be sent with it.
    pub(crate) fn accept(&self, payload: &Payload) -> Option<Simulcast> {
        let may = |rid: &&Rid| rid.formats.is_empty() || rid.formats.contains(&payload.number);
        let layers: Vec<Rid> = self.layers.iter().filter(may).cloned().collect();
        let layers: Vec<Rid> = layers.into_iter().take(MAX_LAYERS).collect();
        (!layers.is_empty()).then_some(Simulcast {
            layers,
            ..self.clone()
        })
    }

    /// The lines of the answer (RFC 8853 section 5.3.2, RFC 8851 section 6.3).
    pub(super) fn lines(&self, payload: &Payload) -> Vec<String> {
        let mut lines = Vec::new();
        if let Some(number) = self.mid_extension {
            lines.push(format!("a=extmap:{number} {MID}"));
        }
        lines.push(format!("a=extmap:{} {RID}", self.rid_extension));
        for rid in &self.layers {
            let mut restrictions = rid.restrictions.clone();
            if !rid.formats.is_empty() {
                restrictions.insert(0, format!("pt={}", payload.number));
            }
            let space = if restrictions.is_empty() { "" } else { " " };
            let restrictions = restrictions.join(";");
            lines.push(format!("a=rid:{} recv{space}{restrictions}", rid.name));
        }
        let names = self.layers.iter().map(|rid| match rid.paused {
            true => format!("~{}", rid.name),
            false => rid.name.clone(),
        });
        let names: Vec<String> = names.collect();
        lines.push(format!("a=simulcast:recv {}", names.join(";")));
        lines
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;
    use crate::engine::sdp::Codec;

    fn answer(lines: &[&str]) -> Option<Vec<String>> {
        let mut raw = RawSimulcast::default();
        for line in lines {
            match line.split_once(':').unwrap() {
                ("rid", value) => raw.rid(value),
                ("simulcast", value) => raw.simulcast(value),
                ("extmap", value) => raw.extension(value),
                _ => panic!("{line}"),
            }
        }
        let taken = raw.finish()?.accept(&Payload::for_test(Codec::Vp8, ""))?;
        let lines = taken.lines(&Payload::for_test(Codec::Vp8, "")).into_iter();
        Some(lines.filter(|line| !line.contains("extmap")).collect())
    }

    const EXTENSION: &str = "extmap:10 urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id";

    #[test]
    fn layers_are_answered_in_the_offers_order_with_their_restrictions() {
        let lines = [
            EXTENSION,
            "rid:f send pt=96,97;max-width=1280;max-fps=30",
            "rid:q send",
            "rid:x recv",
            "rid:2 send",
            "simulcast:recv x send f;q,2;~2",
        ];
        assert_eq!(
            answer(&lines).unwrap(),
            [
                "a=rid:f recv pt=96;max-width=1280;max-fps=30",
                "a=rid:q recv",
                "a=rid:2 recv",
                "a=simulcast:recv f;q;~2"
            ]
        );
    }

    #[test]
    fn what_cannot_be_served_is_left_out() {
        let lines = [
            EXTENSION,
            "rid:a send pt=100",
            "rid:b send depend=a",
            "rid:c,d send",
            "rid:0123456789abcdef0 send",
            "rid:e send",
            "simulcast:send a;b;c,d;0123456789abcdef0;none;e",
        ];
        assert_eq!(
            answer(&lines).unwrap(),
            ["a=rid:e recv", "a=simulcast:recv e"]
        );
        let many = ["a", "b", "c", "d", "e", "f"].map(|name| format!("rid:{name} send"));
        let mut lines: Vec<&str> = many.iter().map(String::as_str).collect();
        lines.extend([EXTENSION, "simulcast:send a;b;c;d;e;f"]);
        assert_eq!(
            answer(&lines).unwrap().last().unwrap(),
            "a=simulcast:recv a;b;c;d"
        );
    }

    #[test]
    fn layers_that_no_packet_could_name_are_no_simulcast() {
        assert_eq!(answer(&["rid:a send", "simulcast:send a"]), None);
        assert_eq!(answer(&[EXTENSION, "simulcast:send a"]), None);
        assert_eq!(answer(&[EXTENSION, "rid:a send"]), None);
        let ends = "extmap:15 urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id";
        assert_eq!(answer(&[ends, "rid:a send", "simulcast:send a"]), None);
    }
}
