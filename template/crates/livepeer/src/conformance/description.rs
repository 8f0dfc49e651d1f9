//! Reading answers (SDP): only what checks look at.

use std::net::{IpAddr, SocketAddr};

use super::offer::Credentials;

/// An SDP description.
#[derive(Clone, Debug, Default)]
pub(super) struct Description {
    session: Vec<Attribute>,
    pub(super) sections: Vec<Media>,
    /// The lines of both levels up to the first `m=`, in order; the first must be `v=0`.
    first: String,
}

/// One m-section.
#[derive(Clone, Debug)]
pub(super) struct Media {
    pub(super) kind: String,
    port: String,
    attributes: Vec<Attribute>,
}

/// `a=name:value`, or `a=name`.
#[derive(Clone, Debug)]
struct Attribute {
    name: String,
    value: String,
}

impl Description {
    /// Reads a description or a fragment of one; lines that are no attributes and no m-lines are passed over.
    pub(super) fn read(text: &str) -> Self {
        let mut read = Self::default();
        for (index, line) in text.lines().map(str::trim_end).enumerate() {
            if index == 0 {
                line.clone_into(&mut read.first);
            }
            if let Some(media) = line.strip_prefix("m=") {
                let mut words = media.split(' ').map(str::to_owned);
                read.sections.push(Media {
                    kind: words.next().unwrap_or_default(),
                    port: words.next().unwrap_or_default(),
                    attributes: Vec::new(),
                });
            } else if let Some(attribute) = line.strip_prefix("a=") {
                let (name, value) = attribute.split_once(':').unwrap_or((attribute, ""));
                let attribute = Attribute {
                    name: name.to_owned(),
                    value: value.to_owned(),
                };
                match read.sections.last_mut() {
                    Some(section) => section.attributes.push(attribute),
                    None => read.session.push(attribute),
                }
            }
        }
        read
    }

    /// Whether it is a description at all.
    pub(super) fn is_whole(&self) -> bool {
        self.first == "v=0" && !self.sections.is_empty()
    }

    /// The values of an attribute on both levels, without repetitions.
    pub(super) fn values(&self, name: &str) -> Vec<&str> {
        let sections = self.sections.iter().flat_map(|section| &section.attributes);
        let mut values = Vec::new();
        for attribute in self.session.iter().chain(sections) {
            if attribute.name == name && !values.contains(&attribute.value.as_str()) {
                values.push(attribute.value.as_str());
            }
        }
        values
    }

    pub(super) fn value(&self, name: &str) -> Option<&str> {
        self.values(name).first().copied()
    }

    /// The ICE credentials of the bundle: those of its first section, or of the session level.
    pub(super) fn credentials(&self) -> Option<Credentials> {
        Some(Credentials {
            ufrag: self.value("ice-ufrag")?.to_owned(),
            pwd: self.value("ice-pwd")?.to_owned(),
        })
    }

    /// Candidates over UDP with an address, of the first component.
    pub(super) fn candidates(&self) -> Vec<SocketAddr> {
        let candidates = self.values("candidate").into_iter();
        let mut addresses = Vec::new();
        for candidate in candidates {
            let fields: Vec<_> = candidate.split_ascii_whitespace().collect();
            let [_, "1", transport, _, address, port, ..] = fields[..] else {
                continue;
            };
            if let (true, Ok(ip), Ok(port)) = (
                transport.eq_ignore_ascii_case("udp"),
                address.parse::<IpAddr>(),
                port.parse(),
            ) {
                addresses.push(SocketAddr::new(ip, port));
            }
        }
        addresses
    }

    /// The words of a list-valued attribute (`ice-options`), sorted.
    pub(super) fn words(&self, name: &str) -> Vec<&str> {
        let values = self.values(name).into_iter();
        let mut words: Vec<_> = values.flat_map(str::split_ascii_whitespace).collect();
        words.sort_unstable();
        words.dedup();
        words
    }
}

impl Media {
    pub(super) fn value(&self, name: &str) -> Option<&str> {
        let mut attributes = self.attributes.iter();
        attributes
            .find(|attribute| attribute.name == name)
            .map(|attribute| attribute.value.as_str())
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.value(name).is_some()
    }

    pub(super) fn all(&self, name: &str) -> Vec<&str> {
        let attributes = self.attributes.iter();
        attributes
            .filter(|attribute| attribute.name == name)
            .map(|attribute| attribute.value.as_str())
            .collect()
    }

    /// Port 0, but for those that only have none because they are bundled (RFC 9143 section 7.2.1).
    pub(super) fn is_rejected(&self) -> bool {
        self.port == "0" && !self.has("bundle-only")
    }

    /// The direction, or `sendrecv` where none stands (RFC 8866 section 6.7).
    pub(super) fn direction(&self) -> &'static str {
        let known = ["sendonly", "recvonly", "inactive"];
        known
            .into_iter()
            .find(|direction| self.has(direction))
            .unwrap_or("sendrecv")
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn an_answer_is_read() {
        let answer = Description::read(
            "v=0\r\na=ice-lite\r\na=group:BUNDLE 0 1\r\na=ice-options:trickle ice2\r\n\
             m=audio 9 X 111\r\na=ice-ufrag:u\r\na=ice-pwd:p\r\na=recvonly\r\n\
             a=candidate:1 1 UDP 9 192.0.2.1 7 typ host\r\na=candidate:1 2 udp 9 192.0.2.1 8 typ host\r\n\
             a=candidate:2 1 tcp 9 192.0.2.1 9 typ host tcptype passive\r\na=candidate:3 1 udp 9 x.local 9 typ host\r\n\
             m=video 0 X 96\r\na=bundle-only\r\nm=video 0 X 97\r\n",
        );
        assert!(answer.is_whole());
        assert_eq!(answer.candidates(), [SocketAddr::from(([192, 0, 2, 1], 7))]);
        assert_eq!(answer.words("ice-options"), ["ice2", "trickle"]);
        let credentials = answer.credentials().unwrap();
        assert_eq!(
            (credentials.ufrag, credentials.pwd),
            ("u".into(), "p".into())
        );
        let rejected: Vec<_> = answer.sections.iter().map(Media::is_rejected).collect();
        assert_eq!(rejected, [false, false, true]);
        assert_eq!(answer.sections[0].direction(), "recvonly");
        assert!(!Description::read("not a description").is_whole());
    }
}
