//! How the media routes behave: as the standards have it, more kindly or to the letter, or as Livepeer's own nodes.

use clap::ValueEnum;

/// Which WHIP and WHEP server the media routes are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Fidelity {
    /// RFC 9725 and WHEP, kind to the clients that there are: candidates may be trickled without `If-Match`, and the
    /// address of a session is enough to change and to end it.
    #[default]
    Lenient,
    /// RFC 9725 and WHEP to the letter. For the tests of a client.
    Strict,
    /// As MistServer does it at Livepeer Studio: a redirect to a node, no PATCH, no DELETE. For the tests of a client
    /// before it meets the hosted one.
    Studio,
}

impl Fidelity {
    /// Whether PATCH is served, and so whether answers may invite to it.
    pub(crate) fn takes_patches(self) -> bool {
        self != Fidelity::Studio
    }
}
