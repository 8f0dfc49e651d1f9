//! The body of a PATCH (`application/trickle-ice-sdpfrag`, RFC 8840 section 9): what a peer adds to its offer once it has
//! been answered, and what we answer when it restarts ICE.
//!
//! A fragment has none of the lines that begin an SDP document. Only the transport of the bundle matters, so it does not
//! matter here under which m-line a candidate stands, nor how often.

use std::net::{IpAddr, SocketAddr};

use super::answer::Lines;
use super::offer::TaggedSection;
use crate::engine::candidates::Candidate;
use crate::engine::ice::Credentials;

/// The longest fragment that is read. One with thirty candidates has about 4 KB.
pub const MAX_FRAGMENT_BYTES: usize = 16 * 1024;

// As for an offer: beyond these it is somebody's experiment.
const MAX_LINE_BYTES: usize = 4096;
const MAX_SECTIONS: usize = 16;

/// What is kept of a fragment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Fragment {
    /// The peer's, at whichever level they stand. Some clients leave both out.
    pub(crate) ice_ufrag: Option<String>,
    pub(crate) ice_pwd: Option<String>,
    /// Those that can be used: UDP, an address rather than a name, the one component that there is. The others are passed
    /// over without a word (RFC 9725 section 4.3.2).
    pub(crate) candidates: Vec<SocketAddr>,
}

impl Fragment {
    /// Reads a fragment; attributes that are not known are ignored.
    ///
    /// # Errors
    ///
    /// Words that say what is wrong with it.
    pub(crate) fn parse(text: &str) -> Result<Fragment, String> {
        if text.len() > MAX_FRAGMENT_BYTES {
            return Err(format!(
                "it is larger than {} KB",
                MAX_FRAGMENT_BYTES / 1024
            ));
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

#[derive(Default)]
struct Reader {
    lines: usize,
    sections: usize,
    /// The last m-line has its mid, or there was none.
    named: bool,
    fragment: Fragment,
}

impl Reader {
    fn line(&mut self, line: &str) -> Result<(), String> {
        if line.len() > MAX_LINE_BYTES {
            return Err("a line is too long".into());
        }
        if line.chars().any(|c| c.is_control() && c != '\t') {
            return Err("it holds control characters".into());
        }
        let Some((kind, value)) = line.split_once('=').filter(|(kind, _)| kind.len() == 1) else {
            return Err("a line is not of the form <letter>=<value>".into());
        };
        self.lines += 1;
        match kind {
            "m" => self.section(),
            "a" => self.attribute(value),
            _ => Ok(()),
        }
    }

    /// A pseudo m-line: its port, protocol and formats say nothing.
    fn section(&mut self) -> Result<(), String> {
        self.check_named()?;
        self.sections += 1;
        self.named = false;
        match self.sections > MAX_SECTIONS {
            true => Err("it has too many m-lines".into()),
            false => Ok(()),
        }
    }

    /// RFC 8840 section 9.2: no m-line without a mid.
    fn check_named(&self) -> Result<(), String> {
        match self.sections > 0 && !self.named {
            true => Err("an m-line has no a=mid".into()),
            false => Ok(()),
        }
    }

    fn attribute(&mut self, attribute: &str) -> Result<(), String> {
        let (name, value) = attribute.split_once(':').unwrap_or((attribute, ""));
        let value = value.trim();
        let fragment = &mut self.fragment;
        match name {
            "mid" => self.named = !value.is_empty(),
            // At the first level that has them; a bundle has one transport, so all say the same.
            "ice-ufrag" if fragment.ice_ufrag.is_none() => {
                fragment.ice_ufrag = Some(value.to_owned());
            }
            "ice-pwd" if fragment.ice_pwd.is_none() => fragment.ice_pwd = Some(value.to_owned()),
            "candidate" => {
                if let Some(address) = candidate(value)?
                    && !fragment.candidates.contains(&address)
                {
                    fragment.candidates.push(address);
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn finish(self) -> Result<Fragment, String> {
        if self.lines == 0 {
            return Err("it is empty".into());
        }
        self.check_named()?;
        let fragment = self.fragment;
        // RFC 8839 section 5.4.
        let fits = |value: &Option<String>, lengths: std::ops::RangeInclusive<usize>| {
            value
                .as_ref()
                .is_none_or(|text| lengths.contains(&text.len()))
        };
        if !fits(&fragment.ice_ufrag, 4..=256) || !fits(&fragment.ice_pwd, 22..=256) {
            return Err("its ice-ufrag or ice-pwd has the wrong length".into());
        }
        Ok(fragment)
    }
}

/// RFC 8839 section 5.1. `None` for one that cannot be used, and for the empty one with which browsers mark the end.
fn candidate(value: &str) -> Result<Option<SocketAddr>, String> {
    if value.is_empty() {
        return Ok(None);
    }
    let words: Vec<&str> = value.split_ascii_whitespace().collect();
    let [
        _,
        component,
        transport,
        priority,
        address,
        port,
        "typ",
        _,
        ..,
    ] = words[..]
    else {
        return Err("a candidate has not the fields of one".into());
    };
    let (Ok(component), Ok(_), Ok(port)) = (
        component.parse::<u16>(),
        priority.parse::<u32>(),
        port.parse::<u16>(),
    ) else {
        return Err("a number of a candidate is none".into());
    };
    let address = address.parse::<IpAddr>().ok();
    let usable = address.filter(|ip| !ip.is_unspecified() && !ip.is_multicast());
    Ok(usable
        .filter(|_| component == 1 && port != 0 && transport.eq_ignore_ascii_case("udp"))
        .map(|ip| SocketAddr::new(ip, port)))
}

/// The answer to a restart: the new credentials, every candidate, and the ICE attributes of the SDP answer, which must
/// not change (RFC 9725 section 4.3.3).
pub(crate) fn write_fragment(
    section: &TaggedSection,
    credentials: &Credentials,
    candidates: &[Candidate],
) -> String {
    let mut lines = Lines::with_capacity(512);
    lines.ice_options();
    if !section.bundle.is_empty() {
        lines.line(format_args!("a=group:BUNDLE {}", section.bundle));
    }
    let kind = section.kind.name();
    lines.line(format_args!("m={kind} 9 UDP/TLS/RTP/SAVPF 0"));
    lines.line(format_args!("a=mid:{}", section.mid));
    lines.line(format_args!("a=ice-ufrag:{}", credentials.ufrag));
    lines.line(format_args!("a=ice-pwd:{}", credentials.pwd));
    lines.candidates(candidates);
    lines.finish()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;

    const WHIP_WHEP: &str = "a=ice-options:trickle ice2\r\na=group:BUNDLE 0 1\r\na=ice-ufrag:EsAw\r\n\
         a=ice-pwd:bP+XJMM09aR8AiX1jdukzR6Y\r\nm=audio 9 UDP/TLS/RTP/SAVPF 0\r\na=mid:0\r\n\
         a=candidate:1387637174 1 udp 2122260223 192.0.2.1 61764 typ host generation 0 ufrag EsAw network-id 1\r\n\
         a=candidate:3471623853 1 udp 2122194687 198.51.100.2 61765 typ srflx raddr 0.0.0.0 rport 0\r\n\
         a=end-of-candidates\r\n";

    fn addresses(text: &str) -> Vec<String> {
        let fragment = Fragment::parse(text).unwrap();
        fragment
            .candidates
            .iter()
            .map(ToString::to_string)
            .collect()
    }

    #[test]
    fn fragments_of_real_clients_are_read() {
        let fragment = Fragment::parse(WHIP_WHEP).unwrap();
        assert_eq!(fragment.ice_ufrag.as_deref(), Some("EsAw"));
        assert_eq!(
            fragment.ice_pwd.as_deref(),
            Some("bP+XJMM09aR8AiX1jdukzR6Y")
        );
        assert_eq!(
            addresses(WHIP_WHEP),
            ["192.0.2.1:61764", "198.51.100.2:61765"]
        );
        assert_eq!(
            Fragment::parse(&WHIP_WHEP.replace('\r', "")).unwrap(),
            fragment
        );

        // One candidate a request, the same one under each mid, credentials in each section.
        let per_mid = "m=audio 9 RTP/AVP 0\r\na=mid:0\r\na=ice-ufrag:EsAw\r\na=ice-pwd:bP+XJMM09aR8AiX1jdukzR6Y\r\n\
             a=candidate:1 1 UDP 1 192.0.2.1 9000 typ host\r\nm=video 9 RTP/AVP 0\r\na=mid:1\r\na=ice-ufrag:EsAw\r\n\
             a=ice-pwd:bP+XJMM09aR8AiX1jdukzR6Y\r\na=candidate:1 1 UDP 1 192.0.2.1 9000 typ host\r\n";
        assert_eq!(addresses(per_mid), ["192.0.2.1:9000"]);

        // No m-line at all, and nothing but the end.
        let bare = "a=ice-ufrag:EsAw\na=ice-pwd:bP+XJMM09aR8AiX1jdukzR6Y\na=end-of-candidates\n";
        assert_eq!(addresses(bare), Vec::<String>::new());
        let end = Fragment::parse("a=end-of-candidates").unwrap();
        assert_eq!(end, Fragment::default());
    }

    #[test]
    fn candidates_that_cannot_be_used_are_passed_over() {
        let text = [
            "a=candidate:1 1 udp 1 4b1cf7a0-3a3f-4b6e-8a0e-2f4f7f5d9b11.local 9000 typ host",
            "a=candidate:2 1 udp 1 host.example 9000 typ host",
            "a=candidate:3 1 tcp 1 192.0.2.1 9 typ host tcptype active",
            "a=candidate:4 1 sctp 1 192.0.2.1 9000 typ host",
            "a=candidate:5 2 udp 1 192.0.2.1 9001 typ host",
            "a=candidate:6 1 udp 1 0.0.0.0 9000 typ host",
            "a=candidate:7 1 udp 1 192.0.2.1 0 typ host",
            "a=candidate:",
            "a=candidate:8 1 udp 1 2001:db8::1 9000 typ relay raddr 192.0.2.1 rport 1 new-extension 1",
        ];
        assert_eq!(addresses(&text.join("\r\n")), ["[2001:db8::1]:9000"]);
    }

    #[test]
    fn what_is_no_fragment_is_refused_in_words() {
        let long = format!("a=x:{}", "0".repeat(MAX_LINE_BYTES));
        let many = "m=audio 9 RTP/AVP 0\na=mid:0\n".repeat(MAX_SECTIONS + 1);
        let large = "a=x\n".repeat(MAX_FRAGMENT_BYTES / 4 + 1);
        for (text, words) in [
            ("", "empty"),
            ("\r\n\r\n", "empty"),
            ("hello", "<letter>=<value>"),
            ("{\"candidate\":\"\"}", "<letter>=<value>"),
            ("ab=c", "<letter>=<value>"),
            ("a=mid:\u{0}", "control characters"),
            ("m=audio 9 RTP/AVP 0\na=end-of-candidates", "no a=mid"),
            (
                "m=audio 9 RTP/AVP 0\nm=video 9 RTP/AVP 0\na=mid:1",
                "no a=mid",
            ),
            ("a=ice-ufrag:abc", "wrong length"),
            ("a=ice-ufrag:abcd\na=ice-pwd:short", "wrong length"),
            ("a=candidate:nonsense", "fields"),
            ("a=candidate:1 1 udp x 192.0.2.1 9000 typ host", "number"),
            ("a=candidate:1 1 udp 1 192.0.2.1 90000 typ host", "number"),
            (&long, "line is too long"),
            (&many, "too many m-lines"),
            (&large, "larger than 16 KB"),
        ] {
            let refusal = Fragment::parse(text).unwrap_err();
            assert!(refusal.contains(words), "{words}: {refusal}");
        }
    }

    #[test]
    fn cut_and_mangled_fragments_never_panic() {
        for cut in 0..WHIP_WHEP.len() {
            let _ = Fragment::parse(&WHIP_WHEP[..cut]);
            for with in ["\u{0}", "é", " ", ":", "99999999999", "\n"] {
                let _ =
                    Fragment::parse(&format!("{}{with}{}", &WHIP_WHEP[..cut], &WHIP_WHEP[cut..]));
            }
        }
    }
}
