//! The smallest architecture, for tests: whoever is named publishes.

use serde::{Deserialize, Serialize};
use session::{
    Architecture, Effect, Input, Opening, ParticipantId, Phase, Publish, Refusal, Slot, Source,
    Timestamp, View,
};

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

    fn handle(&mut self, _: Timestamp, _: Input) -> Result<Vec<Effect>, Refusal> {
        Ok(vec![])
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
