//! The smallest architecture, for tests: whoever is named publishes, and each effect has a button.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use session::{
    Architecture, Effect, Input, Opening, ParticipantId, Phase, Publish, Refusal, Sending, Slot,
    Source, Timestamp, View,
};

/// How long "wait" waits.
const WAIT: Duration = Duration::from_millis(100);

#[derive(Default, Serialize, Deserialize)]
pub(crate) struct Toy {
    policy: Policy,
    pub(crate) publisher: Option<ParticipantId>,
    /// What was last said of anybody's switches.
    sending: Sending,
}

#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Policy {
    words: String,
    nap: Nap,
}

#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Nap {
    seconds: u8,
}

impl Default for Policy {
    fn default() -> Self {
        Policy {
            words: "A toy".to_owned(),
            nap: Nap { seconds: 5 },
        }
    }
}

impl Architecture for Toy {
    const NAME: &'static str = "toy";
    const TITLE: &'static str = "Toy";
    const SUMMARY: &'static str = "For tests.";
    type Policy = Policy;

    fn open(_: Opening, policy: Policy) -> Self {
        Toy {
            policy,
            ..Toy::default()
        }
    }

    fn handle(&mut self, now: Timestamp, input: Input) -> Result<Vec<Effect>, Refusal> {
        match input {
            Input::Acted { action, .. } => match (action.name.as_str(), action.target) {
                ("tell", Some(to)) => Ok(vec![Effect::Notice {
                    to,
                    text: "Hello!".into(),
                }]),
                ("wait", Some(publisher)) => Ok(vec![Effect::SetDeadline {
                    deadline: publisher.0.as_str().into(),
                    at: now.after(WAIT),
                }]),
                _ => Err(Refusal::because("There is no such button.")),
            },
            Input::Switched { sending, .. } => {
                self.sending = sending;
                Ok(vec![])
            }
            Input::DeadlinePassed { deadline } => {
                self.publisher = Some(ParticipantId(deadline.0));
                Ok(vec![])
            }
            _ => Ok(vec![]),
        }
    }

    fn view(&self, participant: &ParticipantId) -> View {
        let mut view = View::of(Phase::Waiting, &self.policy.words, "");
        if self.publisher.as_ref() == Some(participant) {
            view.publishes.push(Publish {
                slot: Slot::new("toy", 1),
                source: Source::Camera,
            });
        }
        view
    }
}
