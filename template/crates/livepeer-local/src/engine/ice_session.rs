//! The ICE half of a session over restarts (RFC 8445 section 9): our credentials, the peer's, and what it has told us of
//! itself since.
//!
//! An ICE-lite agent answers checks from wherever they come, so the peer's candidates are not needed for anything but
//! their limit.

use std::net::SocketAddr;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::ice::Credentials;
use super::sdp::{IceParameters, TaggedSection};

/// Candidates of a peer that are kept; those beyond are passed over.
const MAX_CANDIDATES: usize = 32;

/// Dropped with its session.
pub(crate) struct IceSession {
    /// What the peer's checks use. Goes when the peer uses `next` first: never before, or a restart that fails half way
    /// would end the session (RFC 9725 section 4.3.3).
    used: Credentials,
    /// Made by a restart, not yet used.
    next: Option<Credentials>,
    /// Names this ICE session (RFC 9725 section 4.3.1): another after each restart.
    tag: String,
    remote: IceParameters,
    section: TaggedSection,
    candidates: Vec<SocketAddr>,
}

impl IceSession {
    pub(crate) fn new(ours: Credentials, remote: IceParameters, section: TaggedSection) -> Self {
        IceSession {
            used: ours,
            next: None,
            tag: random_tag(),
            remote,
            section,
            candidates: Vec::new(),
        }
    }

    /// Our newest credentials.
    pub(crate) fn newest(&self) -> &Credentials {
        self.next.as_ref().unwrap_or(&self.used)
    }

    /// Names that find this session.
    pub(crate) fn ufrags(&self) -> impl Iterator<Item = &str> {
        let both = std::iter::once(&self.used).chain(&self.next);
        both.map(|credentials| credentials.ufrag.as_str())
    }

    /// The password that goes with one of our names.
    pub(crate) fn pwd(&self, ufrag: &str) -> Option<&str> {
        let mut both = std::iter::once(&self.used).chain(&self.next);
        let found = both.find(|credentials| credentials.ufrag == ufrag);
        found.map(|credentials| credentials.pwd.as_str())
    }

    /// An authentic check named `ufrag`. Returns the name that is over, if this was the first use of its successor.
    pub(crate) fn note_use(&mut self, ufrag: &str) -> Option<String> {
        let next = self.next.take_if(|next| next.ufrag == ufrag)?;
        Some(std::mem::replace(&mut self.used, next).ufrag)
    }

    /// The entity-tag, without its quotes.
    pub(crate) fn tag(&self) -> &str {
        &self.tag
    }

    pub(crate) fn remote(&self) -> &IceParameters {
        &self.remote
    }

    /// What the answer said of the bundle.
    pub(crate) fn section(&self) -> &TaggedSection {
        &self.section
    }

    /// Begins another ICE session. Returns the name of a restart before this one that came to nothing.
    pub(crate) fn restart(&mut self, ours: Credentials, remote: IceParameters) -> Option<String> {
        self.remote = remote;
        self.candidates.clear();
        self.tag = random_tag();
        self.next.replace(ours).map(|given_up| given_up.ufrag)
    }

    /// Keeps what it may of these.
    pub(crate) fn add_candidates(&mut self, candidates: &[SocketAddr]) {
        for candidate in candidates {
            if self.candidates.len() < MAX_CANDIDATES && !self.candidates.contains(candidate) {
                self.candidates.push(*candidate);
            }
        }
    }

    /// How many of them there are.
    pub(crate) fn candidates(&self) -> usize {
        self.candidates.len()
    }
}

/// 72 random bits.
fn random_tag() -> String {
    URL_SAFE_NO_PAD.encode(rand::random::<[u8; 9]>())
}
