//! The streaming architectures that this app was built with.
//!
//! To add one: write its crate, give it a Cargo feature, and name it in `KINDS`. Nothing else knows.

use session::{Architecture, Effect, Input, Opening, ParticipantId, Refusal, Timestamp, View};

/// One session's architecture with its state, whichever it is.
pub(crate) trait Machine: Send {
    /// See [`Architecture::handle`].
    fn handle(&mut self, now: Timestamp, input: Input) -> Result<Vec<Effect>, Refusal>;
    /// See [`Architecture::view`].
    fn view(&self, participant: &ParticipantId) -> View;
    /// The state as it is stored.
    fn state(&self) -> serde_json::Result<String>;
}

impl<A: Architecture> Machine for A {
    fn handle(&mut self, now: Timestamp, input: Input) -> Result<Vec<Effect>, Refusal> {
        Architecture::handle(self, now, input)
    }

    fn view(&self, participant: &ParticipantId) -> View {
        Architecture::view(self, participant)
    }

    fn state(&self) -> serde_json::Result<String> {
        serde_json::to_string(self)
    }
}

/// An architecture that can be chosen, and how its sessions begin and come back.
#[derive(Clone, Copy)]
pub(crate) struct Kind {
    /// Its name in forms and in the database.
    pub(crate) name: &'static str,
    /// What a person calls it.
    pub(crate) title: &'static str,
    /// What it is, in a sentence.
    pub(crate) summary: &'static str,
    /// A session as it stands before anything has happened.
    pub(crate) open: fn(Opening) -> Box<dyn Machine>,
    /// A session as it was stored.
    pub(crate) restore: fn(&str) -> serde_json::Result<Box<dyn Machine>>,
}

impl Kind {
    pub(crate) const fn of<A: Architecture>() -> Kind {
        Kind {
            name: A::NAME,
            title: A::TITLE,
            summary: A::SUMMARY,
            open: |opening| Box::new(A::open(opening)),
            restore: |state| Ok(Box::new(serde_json::from_str::<A>(state)?)),
        }
    }
}

/// Every architecture built in, the first one being the default.
pub(crate) const KINDS: &[Kind] = &[
    #[cfg(feature = "one-to-many")]
    Kind::of::<one_to_many::OneToMany>(),
];

/// The architecture of that name, if it is built in.
pub(crate) fn named(name: &str) -> Option<&'static Kind> {
    KINDS.iter().find(|kind| kind.name == name)
}
