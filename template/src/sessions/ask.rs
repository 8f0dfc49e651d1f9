//! What a session can be asked, and what it can be told.

use session::{Action, Participant, ParticipantId, Refusal, Sending, Slot};
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

use super::audience::{Outgoing, Resume};
use super::store::Made;

/// What is asked of a session.
pub(crate) enum Ask {
    /// Somebody opened a page.
    Connect {
        participant: Participant,
        /// How far they had come, if this is not the first time.
        resume: Option<Resume>,
        /// Where their messages go.
        out: mpsc::Sender<Outgoing>,
        /// The number of their line.
        answer: oneshot::Sender<Result<u64, Refusal>>,
    },
    /// A page is gone.
    Disconnected {
        participant: ParticipantId,
        line: u64,
    },
    /// Somebody pressed a button. The answer goes to their lines.
    Act {
        participant: ParticipantId,
        line: u64,
        /// The page's own id of it.
        id: String,
        action: Action,
    },
    /// Somebody has said what they are called. It is written when this is answered.
    Called {
        participant: Participant,
        answer: oneshot::Sender<()>,
    },
    /// Somebody has switched their camera or microphone.
    Switched {
        participant: ParticipantId,
        line: u64,
        sending: Sending,
    },
    /// Somebody wants a credential, which is theirs while the stream stands in their View.
    Credential {
        participant: ParticipantId,
        /// The line of the page that asks, if it is a page.
        line: Option<u64>,
        slot: Slot,
        right: Right,
        answer: oneshot::Sender<Result<Made, Denied>>,
    },
    /// Livepeer says how a stream is.
    Observe {
        slot: Slot,
        stream_id: String,
        news: News,
        answer: oneshot::Sender<()>,
    },
}

/// What a credential is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Right {
    Publish,
    Play,
}

/// Why there is no credential.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Denied {
    /// The stream does not stand in that person's View, or not in the one that the asking page has.
    NotInView,
    /// It does, but it is not there: it is gone, and the news of it on its way.
    NotThere,
}

/// How a stream is at Livepeer.
#[derive(Clone, Copy, Debug)]
pub(crate) enum News {
    /// Seen when we asked at that time.
    Seen { active: bool, at: Instant },
    /// Told by a webhook about that time of Livepeer's clock, in milliseconds.
    Told { active: bool, at: u64 },
    /// It does not exist any more.
    Gone,
}
