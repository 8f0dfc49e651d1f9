//! The trait that every streaming architecture implements.

use std::fmt;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::effect::Effect;
use crate::id::{ParticipantId, Timestamp};
use crate::input::Input;
use crate::view::View;

/// A streaming architecture: the state of one session, and every decision about it.
///
/// The state is serde data: the shell stores it after each input and restores it after a restart. Given the same
/// opening and the same inputs at the same times, an architecture gives the same effects and Views.
pub trait Architecture: Serialize + DeserializeOwned + Send + 'static {
    /// The name in configuration, storage and the Cargo feature: lower-case words with hyphens between them.
    const NAME: &'static str;
    /// What a person calls it, such as "Live show".
    const TITLE: &'static str;
    /// What it is, in a sentence for the person who chooses.
    const SUMMARY: &'static str;

    /// What can be configured, with its defaults. It is read from JSON, so its field names and their docs are the manual;
    /// a policy should `deny_unknown_fields`, so that a misspelt one is heard of.
    type Policy: Default + Clone + Serialize + DeserializeOwned + Send + Sync + 'static;

    /// A session as it stands before anything has happened. It keeps `policy`: a change of configuration is for sessions
    /// that are opened later.
    fn open(opening: Opening, policy: Self::Policy) -> Self;

    /// Takes in what happened and says what is to be done about it.
    ///
    /// News about the world (a stream's event, a passed deadline) that no longer matters is answered with no effects;
    /// only what a person asked for can be refused.
    ///
    /// # Errors
    ///
    /// A [`Refusal`] leaves the state exactly as it was and says why in words fit for the person who asked.
    fn handle(&mut self, now: Timestamp, input: Input) -> Result<Vec<Effect>, Refusal>;

    /// What `participant` sees and may do now. Somebody who is not in the session gets a View without streams.
    fn view(&self, participant: &ParticipantId) -> View;
}

/// How a session is opened.
#[derive(Clone, Debug)]
pub struct Opening {
    /// What its creator called it.
    pub title: String,
    /// Who created it, and hosts it.
    pub host: ParticipantId,
    /// What the creator calls themselves.
    pub host_name: String,
}

/// Why somebody cannot have what they asked for, in words fit for them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal(pub String);

impl Refusal {
    /// A refusal for that reason.
    pub fn because(reason: impl Into<String>) -> Refusal {
        Refusal(reason.into())
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Refusal {}
