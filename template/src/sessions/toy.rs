//! The smallest architecture, for tests: whoever is named publishes, and each effect has a button.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use session::{
    Architecture, Effect, Input, Opening, ParticipantId, Phase, Publish, Refusal, Slot, Source,
    Timestamp, View,
};

/// How long "wait" waits.
const WAIT: Duration = Duration::from_millis(100);

#[derive(Default, Serialize, Deserialize)]
pub(super) struct Toy {
    pub(super) publisher: Option<ParticipantId>,
}

impl Architecture for Toy {
    const NAME: &'static str = "toy";
    const TITLE: &'static str = "Toy";
    const SUMMARY: &'static str = "For tests.";

    fn open(_: Opening) -> Self {
        Toy::default()
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
            Input::DeadlinePassed { deadline } => {
                self.publisher = Some(ParticipantId(deadline.0));
                Ok(vec![])
            }
            _ => Ok(vec![]),
        }
    }

    fn view(&self, participant: &ParticipantId) -> View {
        let mut view = View::of(Phase::Waiting, "A toy", "");
        if self.publisher.as_ref() == Some(participant) {
            view.publishes.push(Publish {
                slot: Slot::new("toy", 1),
                source: Source::Camera,
            });
        }
        view
    }
}
