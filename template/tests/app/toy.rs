//! The architecture that the app is tested with: as little of a show as it takes, so that no test of the app depends on
//! an architecture that a project may have left out.
//!
//! The host goes live and ends the show; whoever is there plays it from its first picture on. A show that nobody hosts
//! goes on.

use app::Kind;
use serde::{Deserialize, Serialize};
use session::{
    Architecture, Button, Effect, Emphasis, Flow, Input, Opening, Other, ParticipantId, People,
    Phase, Play, Players, Publish, Refusal, Renditions, Slot, Source, Stream, StreamSpec,
    Timestamp, View,
};

/// What tests start the app with.
pub(crate) static TOY: &[Kind] = &[Kind::of::<Toy>()];

#[derive(Serialize, Deserialize)]
pub(crate) struct Toy {
    policy: Policy,
    title: String,
    host: ParticipantId,
    people: People,
    take: u32,
    stream: Option<Stream>,
    /// Why there is no show any more, or not yet.
    failed: Option<String>,
}

/// What can be configured: the words for those who wait.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Policy {
    patience: String,
}

impl Default for Policy {
    fn default() -> Self {
        Policy {
            patience: "Soon".to_owned(),
        }
    }
}

impl Architecture for Toy {
    const NAME: &'static str = "toy";
    const TITLE: &'static str = "Toy";
    const SUMMARY: &'static str = "For tests.";
    type Policy = Policy;

    fn open(opening: Opening, policy: Policy) -> Self {
        Toy {
            policy,
            title: opening.title,
            host: opening.host,
            people: People::default(),
            take: 0,
            stream: None,
            failed: None,
        }
    }

    fn handle(&mut self, now: Timestamp, input: Input) -> Result<Vec<Effect>, Refusal> {
        match input {
            Input::Joined { participant } => self.people.joined(participant),
            Input::Left { participant } => self.people.left(&participant),
            Input::Switched {
                participant,
                sending,
            } => self.people.switched(&participant, sending),
            Input::Acted {
                participant,
                action,
            } => return self.acted(&participant, &action.name),
            Input::ProvisionFailed { slot, reason } if self.is(&slot) => {
                self.stream = None;
                self.failed = Some(reason);
            }
            Input::Ended { slot } if self.is(&slot) => self.stream = None,
            Input::ProvisionFailed { .. } | Input::Ended { .. } | Input::DeadlinePassed { .. } => {}
            Input::Provisioned { slot } => self.news(|stream| stream.provisioned(&slot)),
            Input::Started { slot } => self.news(|stream| stream.started(&slot, now)),
            Input::Idle { slot } => self.news(|stream| stream.idle(&slot)),
        }
        Ok(vec![])
    }

    fn view(&self, participant: &ParticipantId) -> View {
        let view = match *participant == self.host {
            true => self.host_view(),
            false => self.viewer_view(),
        };
        let viewers = self.people.iter().filter(|(id, _)| **id != self.host);
        let others = viewers.map(|(id, person)| Other {
            id: id.clone(),
            name: person.name.clone(),
            note: "watches".to_owned(),
            since: None,
            buttons: vec![],
        });
        let people: Vec<Other> = others.collect();
        View {
            title: self.title.clone(),
            audience: u32::try_from(people.len()).ok(),
            people,
            ..view
        }
    }
}

impl Toy {
    fn acted(&mut self, who: &ParticipantId, action: &str) -> Result<Vec<Effect>, Refusal> {
        if *who != self.host {
            return Err(Refusal::because("Only the host can do that."));
        }
        match (action, self.stream.take()) {
            ("go-live", None) => {
                self.take += 1;
                self.failed = None;
                let spec = StreamSpec {
                    publisher: self.host.clone(),
                    players: Players::Admitted,
                    renditions: Renditions::Source,
                };
                let (stream, provision) = Stream::provision(Slot::new("show", self.take), spec);
                self.stream = Some(stream);
                Ok(vec![provision])
            }
            ("end-show", Some(stream)) => Ok(vec![stream.end()]),
            (_, stream) => {
                self.stream = stream;
                Err(Refusal::because("Not now."))
            }
        }
    }

    fn is(&self, slot: &Slot) -> bool {
        self.stream.as_ref().is_some_and(|s| s.slot == *slot)
    }

    fn news(&mut self, take: impl FnOnce(&mut Stream) -> bool) {
        self.stream.as_mut().map(take);
    }

    fn host_view(&self) -> View {
        let go_live = Button::new("go-live", "Go live", Emphasis::Primary);
        let Some(stream) = &self.stream else {
            let view = match (&self.failed, self.take) {
                (Some(reason), _) => View::of(Phase::Setup, "There is no stream", reason),
                (None, 0) => View::of(Phase::Setup, "Not live", ""),
                (None, _) => View::of(Phase::Ended, "Over", ""),
            };
            return View {
                buttons: vec![go_live],
                ..view
            };
        };
        let phase = match stream.flow {
            Flow::Provisioning | Flow::Connecting => Phase::Starting,
            Flow::Live { .. } => Phase::Live,
            Flow::Interrupted { .. } => Phase::Interrupted,
        };
        let camera = stream.exists().then(|| Publish {
            slot: stream.slot.clone(),
            source: Source::Camera,
        });
        View {
            publishes: camera.into_iter().collect(),
            buttons: vec![Button::new("end-show", "End", Emphasis::Danger)],
            ..View::of(phase, "On", "")
        }
    }

    fn viewer_view(&self) -> View {
        let Some(stream) = &self.stream else {
            return match self.take {
                0 => View::of(Phase::Waiting, &self.policy.patience, ""),
                _ => View::of(Phase::Ended, "Over", ""),
            };
        };
        if stream.since().is_none() {
            return View::of(Phase::Waiting, &self.policy.patience, "");
        }
        let phase = match stream.is_live() {
            true => Phase::Live,
            false => Phase::Interrupted,
        };
        View {
            plays: vec![Play {
                slot: stream.slot.clone(),
                label: "Show".to_owned(),
                sending: self.people.sending(&self.host),
            }],
            ..View::of(phase, "On", "")
        }
    }
}
