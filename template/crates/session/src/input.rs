//! What happens to a session.

use serde::{Deserialize, Serialize};

use crate::architecture::Refusal;
use crate::id::{Deadline, ParticipantId, Slot};

/// One thing that happened. The shell writes each into the session's log before it acts on the answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "kebab-case")]
pub enum Input {
    /// Somebody opened the page (the first of their tabs), or has told their name since.
    Joined {
        /// Who it is.
        participant: Participant,
    },
    /// Somebody's last tab has been gone for the shell's grace period.
    Left {
        /// Who it was.
        participant: ParticipantId,
    },
    /// Somebody pressed a button that their View offered, or claims to have.
    Acted {
        /// Who did.
        participant: ParticipantId,
        /// What they ask for.
        action: Action,
    },
    /// Somebody switched their camera or microphone on or off. A page that joins with one of them off says so first.
    Switched {
        /// Who did.
        participant: ParticipantId,
        /// What is on now.
        sending: Sending,
    },
    /// The stream exists at Livepeer and can be published to.
    Provisioned {
        /// The slot it was provisioned for.
        slot: Slot,
    },
    /// The stream could not be made, and the shell has given up trying.
    ProvisionFailed {
        /// The slot it was wanted for.
        slot: Slot,
        /// Why, in words fit for a person.
        reason: String,
    },
    /// Media arrives at Livepeer.
    Started {
        /// The stream that started.
        slot: Slot,
    },
    /// Media stopped arriving; the publisher may come back to the same stream.
    Idle {
        /// The stream that went quiet.
        slot: Slot,
    },
    /// The stream is gone at Livepeer: ended by us, by an operator, or by its limits.
    Ended {
        /// The stream that ended.
        slot: Slot,
    },
    /// A deadline that an effect had set has passed.
    DeadlinePassed {
        /// Which one.
        deadline: Deadline,
    },
}

/// Somebody who is in the session.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Participant {
    /// Who, within this session.
    pub id: ParticipantId,
    /// What they call themselves.
    pub name: String,
    /// Which page they opened; the shell has checked that they may.
    pub seat: Seat,
}

impl Participant {
    /// Whether this is the session's host, who has come in by their own door; what is hosted is called `what`.
    ///
    /// # Errors
    ///
    /// Somebody else at the host's door, or the host at that of the guests, is refused with the way in.
    pub fn is_host(&self, host: &ParticipantId, what: &str) -> Result<bool, Refusal> {
        match (self.seat, self.id == *host) {
            (Seat::Host, true) => Ok(true),
            (Seat::Guest, false) => Ok(false),
            (Seat::Host, false) => Err(Refusal(format!(
                "Only the person who created this {what} can host it."
            ))),
            (Seat::Guest, true) => Err(Refusal(format!(
                "You host this {what}: open your host page."
            ))),
        }
    }
}

/// Which of a session's two doors somebody came in by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Seat {
    /// The creator's own page.
    Host,
    /// The shared link.
    Guest,
}

/// Which of somebody's devices are switched on. Their page obeys its own switches at once; this is for the words that
/// the others read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sending {
    /// Whether the camera is on.
    pub camera: bool,
    /// Whether the microphone is on.
    pub microphone: bool,
}

impl Default for Sending {
    /// Both on, as every page begins.
    fn default() -> Self {
        Sending {
            camera: true,
            microphone: true,
        }
    }
}

/// A button pressed: its name as the View gave it, and what it was about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Action {
    /// The button's name, such as `go-live`.
    pub name: String,
    /// The person it is about, for buttons that have one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<ParticipantId>,
}

impl Action {
    /// An action about nobody in particular.
    pub fn named(name: impl Into<String>) -> Action {
        Action {
            name: name.into(),
            target: None,
        }
    }
}
