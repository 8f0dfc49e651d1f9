//! What a session asks of the world.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::id::{Deadline, ParticipantId, Slot, Timestamp};

/// One thing for the shell to carry out. It keeps at it, over restarts, until it is done or has definitely failed, and
/// reports back with an [`Input`](crate::Input).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "kebab-case")]
pub enum Effect {
    /// Make a stream at Livepeer. Answered by `Provisioned` or `ProvisionFailed`.
    Provision {
        /// Where it stands in this session.
        slot: Slot,
        /// What kind of stream it is.
        spec: StreamSpec,
    },
    /// End a stream at Livepeer for good: publisher and players out, and nothing left that costs money. Ending a slot
    /// that was never provisioned, or is being provisioned at this moment, is right too. Answered by `Ended`.
    End {
        /// The stream to end.
        slot: Slot,
    },
    /// Send `DeadlinePassed` at that time. Setting a deadline again moves it.
    SetDeadline {
        /// Its name.
        deadline: Deadline,
        /// When.
        at: Timestamp,
    },
    /// Forget a deadline; one that is not set is forgotten already.
    ClearDeadline {
        /// Its name.
        deadline: Deadline,
    },
    /// Tell somebody something once, beside their View.
    Notice {
        /// Whom.
        to: ParticipantId,
        /// The words.
        text: String,
    },
}

/// What kind of stream to make.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StreamSpec {
    /// Who publishes it. Nobody else is ever given its key.
    pub publisher: ParticipantId,
    /// Who may play it.
    pub players: Players,
    /// What it is transcoded to.
    pub renditions: Renditions,
}

/// Who may play a stream.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Players {
    /// Whoever knows its playback id.
    Anyone,
    /// Only those in whose View it stands, each with a token of their own.
    Admitted,
    /// Of those in whose View it stands, only these. The shell refuses everybody else whatever their View says, and the
    /// tokens live for minutes: for what must stay between a few people.
    Only(BTreeSet<ParticipantId>),
}

impl Players {
    /// That one person alone.
    pub fn only(participant: ParticipantId) -> Players {
        Players::Only(BTreeSet::from([participant]))
    }
}

/// What a stream is transcoded to. Every rendition is paid for by the minute.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Renditions {
    /// As published: lowest delay, lowest cost.
    Source,
    /// The configured ladder beside the source, for audiences on weak connections.
    Ladder,
}
