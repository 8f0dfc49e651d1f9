//! What is asked of a server, and how it did.

use std::fmt;
use std::future::Future;
use std::pin::Pin;

use super::checks;
use super::suite::Suite;

/// Which of the two protocols an address speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Protocol {
    /// Publishing: RFC 9725.
    Whip,
    /// Playing: draft-ietf-wish-whep-04.
    Whep,
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Whip => "whip",
            Self::Whep => "whep",
        })
    }
}

/// How binding a requirement is (RFC 2119).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Level {
    /// An absolute requirement.
    Must,
    /// The same, in another word.
    Shall,
    /// A server needs a good reason to do otherwise.
    Should,
    /// A server is free to do it; if it does, then so.
    May,
}

impl Level {
    /// Whether a server that fails is not conformant.
    pub fn is_binding(self) -> bool {
        matches!(self, Self::Must | Self::Shall)
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Must => "MUST",
            Self::Shall => "SHALL",
            Self::Should => "SHOULD",
            Self::May => "MAY",
        })
    }
}

/// What became of one check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The server does as it is asked; what was seen.
    Pass(String),
    /// It does not; what was sent, what came back, what was expected.
    Fail(String),
    /// It could not be tried, and why.
    Skip(String),
}

impl Verdict {
    /// `pass`, `fail` or `skip`.
    pub fn result(&self) -> &'static str {
        match self {
            Self::Pass(_) => "pass",
            Self::Fail(_) => "fail",
            Self::Skip(_) => "skip",
        }
    }

    /// One line, without keys, tokens or addresses.
    pub fn why(&self) -> &str {
        match self {
            Self::Pass(why) | Self::Fail(why) | Self::Skip(why) => why,
        }
    }
}

/// A check at work.
pub(super) type Checking<'a> = Pin<Box<dyn Future<Output = Outcome> + Send + 'a>>;

/// What a check comes to: what was seen, or why it is no pass.
pub(super) type Outcome = Result<String, Miss>;

/// Why a check does not pass.
#[derive(Debug)]
pub(super) enum Miss {
    Fail(String),
    Skip(String),
}

/// The server does otherwise than it should.
pub(super) fn fail<T>(why: impl Into<String>) -> Result<T, Miss> {
    Err(Miss::Fail(why.into()))
}

/// It cannot be tried.
pub(super) fn skip<T>(why: impl Into<String>) -> Result<T, Miss> {
    Err(Miss::Skip(why.into()))
}

impl From<Outcome> for Verdict {
    fn from(outcome: Outcome) -> Self {
        match outcome {
            Ok(why) => Self::Pass(why),
            Err(Miss::Fail(why)) => Self::Fail(why),
            Err(Miss::Skip(why)) => Self::Skip(why),
        }
    }
}

/// One thing that is asked of a server.
#[derive(Clone, Copy)]
pub struct Requirement {
    /// `S-` and a letter for what both protocols or WHIP alone ask, `W-` for what only WHEP asks.
    pub id: &'static str,
    /// How binding it is.
    pub level: Level,
    /// The protocols that ask it. WHEP says most of what WHIP says, with the roles swapped.
    pub protocols: &'static [Protocol],
    /// Where it stands. Of what both protocols ask, where it stands in WHIP.
    pub source: &'static str,
    /// In our words.
    pub words: &'static str,
    pub(super) check: for<'a> fn(&'a Suite) -> Checking<'a>,
}

impl fmt::Debug for Requirement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Requirement")
            .field("id", &self.id)
            .field("level", &self.level)
            .finish_non_exhaustive()
    }
}

/// [`Requirement::protocols`] of what both ask.
pub(super) const BOTH: &[Protocol] = &[Protocol::Whip, Protocol::Whep];
/// [`Requirement::protocols`] of what WHIP asks.
pub(super) const WHIP: &[Protocol] = &[Protocol::Whip];
/// [`Requirement::protocols`] of what WHEP asks.
pub(super) const WHEP: &[Protocol] = &[Protocol::Whep];

/// What this protocol asks of a server, in the order of its text.
pub fn requirements(protocol: Protocol) -> Vec<&'static Requirement> {
    let all = checks::ALL.iter().copied().flatten();
    all.filter(|requirement| requirement.protocols.contains(&protocol))
        .collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_id_is_there_once_in_each_protocol() {
        for protocol in [Protocol::Whip, Protocol::Whep] {
            let all = requirements(protocol);
            let ids: BTreeSet<_> = all.iter().map(|requirement| requirement.id).collect();
            assert_eq!(ids.len(), all.len());
            for requirement in all {
                assert!(requirement.words.len() > 20 && !requirement.source.is_empty());
            }
        }
    }
}
