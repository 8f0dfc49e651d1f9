//! The vocabulary of interactive video sessions.
//!
//! **Decisions are pure, effects are at the edge.** An [`Architecture`] is a state machine: it takes an [`Input`] and
//! the time, and answers with [`Effect`]s for the shell to carry out, or with a [`Refusal`] and no change at all. What a
//! person sees, publishes, plays and may do is their [`View`], computed from the state alone.
//!
//! **The View is the permission.** The shell hands out a credential to publish or to play a stream only while that
//! stream stands in the asking person's View, and the page draws nothing but the View. So access control, the user
//! interface and the tests all read one value.
//!
//! Nothing here knows a clock, a socket or a random number: time and ids come in with the input. That makes every
//! architecture testable without a network and replayable from its log.
//!
//! Reading order: [`id`] (names of things), [`input`], [`effect`], [`view`], [`architecture`] (the trait); then what
//! most architectures need, [`stream`] (how far a stream has come), [`people`] (who is here) and [`seconds`] (how
//! long); for tests, [`transcript`] (one story, told) and [`rehearsal`] (any story, judged).

pub mod architecture;
pub mod effect;
pub mod id;
pub mod input;
pub mod people;
pub mod rehearsal;
pub mod seconds;
pub mod stream;
pub mod transcript;
pub mod view;

pub use architecture::{Architecture, Opening, Refusal};
pub use effect::{Effect, Players, Renditions, StreamSpec};
pub use id::{Deadline, ParticipantId, Slot, Timestamp};
pub use input::{Action, Input, Participant, Seat, Sending};
pub use people::{People, Person};
pub use seconds::Seconds;
pub use stream::{Flow, Stream};
pub use view::{Button, Emphasis, Layout, Other, Phase, Play, Publish, Source, View};
