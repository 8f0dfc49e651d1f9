//! Offers, written by hand: as right as they can be, and wrong in one place where a check wants it.

use std::fmt::Write as _;

use rand::RngExt as _;

use super::Protocol;

/// ICE credentials of one side (RFC 8445 section 5.3).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Credentials {
    pub(super) ufrag: String,
    pub(super) pwd: String,
}

impl Credentials {
    pub(super) fn random() -> Self {
        const LETTERS: &[u8; 62] =
            b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
        let mut random = rand::rng();
        let mut text = |length: usize| -> String {
            (0..length)
                .map(|_| char::from(LETTERS[random.random_range(0..LETTERS.len())]))
                .collect()
        };
        Self {
            ufrag: text(8),
            pwd: text(24),
        }
    }
}

/// One m-section.
#[derive(Clone, Debug)]
pub(super) struct Section {
    /// `audio` or `video`.
    pub(super) kind: &'static str,
    /// The formats of the m-line.
    pub(super) formats: &'static str,
    /// What the formats are, and whatever else a check wants: lines without their ends.
    pub(super) lines: Vec<String>,
    /// The MediaStream that a publisher's track belongs to.
    pub(super) stream: &'static str,
}

impl Section {
    pub(super) fn audio() -> Self {
        Self {
            kind: "audio",
            formats: "111",
            lines: lines(&[
                "a=rtpmap:111 opus/48000/2",
                "a=fmtp:111 minptime=10;useinbandfec=1",
            ]),
            stream: STREAM,
        }
    }

    /// VP8 and H.264: as many servers as possible take one of them.
    pub(super) fn video() -> Self {
        Self {
            kind: "video",
            formats: "96 102",
            lines: lines(&[
                "a=rtcp-rsize",
                "a=rtpmap:96 VP8/90000",
                "a=rtcp-fb:96 nack",
                "a=rtcp-fb:96 nack pli",
                "a=rtpmap:102 H264/90000",
                "a=fmtp:102 level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f",
                "a=rtcp-fb:102 nack",
                "a=rtcp-fb:102 nack pli",
            ]),
            stream: STREAM,
        }
    }

    /// Sound in a codec that nobody has.
    pub(super) fn strange_audio() -> Self {
        Self {
            kind: "audio",
            formats: "100",
            lines: lines(&["a=rtpmap:100 no-such-codec/48000"]),
            stream: STREAM,
        }
    }
}

/// The MediaStream of both tracks: RFC 9725 section 4.4.2 wants one.
const STREAM: &str = "suite";

fn lines(lines: &[&str]) -> Vec<String> {
    lines.iter().map(|line| (*line).to_owned()).collect()
}

/// An offer.
#[derive(Clone, Debug)]
pub(super) struct Offer {
    pub(super) ice: Credentials,
    pub(super) sections: Vec<Section>,
    /// The DTLS role.
    pub(super) setup: &'static str,
    direction: &'static str,
    fingerprint: String,
}

impl Offer {
    /// Sound and picture, in the direction of the protocol, without a candidate: those come later, or never.
    pub(super) fn new(protocol: Protocol, fingerprint: &str) -> Self {
        Self {
            ice: Credentials::random(),
            sections: vec![Section::audio(), Section::video()],
            setup: "actpass",
            direction: match protocol {
                Protocol::Whip => "sendonly",
                Protocol::Whep => "recvonly",
            },
            fingerprint: fingerprint.to_owned(),
        }
    }

    pub(super) fn sdp(&self) -> String {
        let mut sdp = String::with_capacity(2048);
        let mids: Vec<String> = (0..self.sections.len())
            .map(|mid| mid.to_string())
            .collect();
        let session = rand::random::<u64>() >> 2;
        let mut line = |line: std::fmt::Arguments<'_>| {
            // Writing to a String cannot fail.
            let _ = write!(sdp, "{line}\r\n");
        };
        line(format_args!("v=0"));
        line(format_args!("o=- {session} 1 IN IP4 0.0.0.0"));
        line(format_args!("s=-"));
        line(format_args!("t=0 0"));
        line(format_args!("a=group:BUNDLE {}", mids.join(" ")));
        line(format_args!("a=ice-options:trickle ice2"));
        for (mid, section) in self.sections.iter().enumerate() {
            // Max-bundle: all but the first have no transport of their own (RFC 9429 section 4.1.1).
            let port = if mid == 0 { 9 } else { 0 };
            line(format_args!(
                "m={} {port} UDP/TLS/RTP/SAVPF {}",
                section.kind, section.formats
            ));
            line(format_args!("c=IN IP4 0.0.0.0"));
            line(format_args!("a=mid:{mid}"));
            if mid > 0 {
                line(format_args!("a=bundle-only"));
            }
            line(format_args!("a=ice-ufrag:{}", self.ice.ufrag));
            line(format_args!("a=ice-pwd:{}", self.ice.pwd));
            line(format_args!("a=fingerprint:sha-256 {}", self.fingerprint));
            line(format_args!("a=setup:{}", self.setup));
            line(format_args!("a={}", self.direction));
            line(format_args!("a=rtcp-mux"));
            line(format_args!("a=rtcp-mux-only"));
            if self.direction == "sendonly" {
                line(format_args!("a=msid:{} {}", section.stream, section.kind));
            }
            for text in &section.lines {
                line(format_args!("{text}"));
            }
        }
        sdp
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_offer_holds_what_its_sections_say() {
        let offer = Offer::new(Protocol::Whip, "AB:CD");
        let sdp = offer.sdp();
        assert!(sdp.starts_with("v=0\r\n") && sdp.ends_with("\r\n"));
        assert_eq!(sdp.matches("a=sendonly\r\n").count(), 2);
        assert_eq!(sdp.matches("a=msid:suite ").count(), 2);
        assert_eq!(sdp.matches("a=bundle-only\r\n").count(), 1);
        assert!(sdp.contains(&format!("a=ice-pwd:{}\r\n", offer.ice.pwd)));
        let play = Offer::new(Protocol::Whep, "AB:CD").sdp();
        assert!(!play.contains("msid") && play.contains("a=recvonly\r\n"));
    }
}
