//! One host, one public stream with renditions, any number of viewers.
//!
//! The host goes live and ends the show; viewers come and go. A host who vanishes has [`HOST_GRACE`] to come back to the
//! same stream while the audience waits with its players in place; then the show ends by itself, so that no stream that
//! nobody hosts is left running. Each show is a take of its own: `show.1`, `show.2`.
//!
//! The same four parts as every architecture: the state, what it does with an input, what each person sees, the words.

use std::collections::BTreeSet;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use session::{
    Action, Architecture, Button, Deadline, Effect, Emphasis, Input, Opening, Participant,
    ParticipantId, Phase, Play, Players, Publish, Refusal, Renditions, Seat, Slot, Source,
    StreamSpec, Timestamp, View,
};

/// How long the audience waits for a host whose picture is gone. Arbitrary: long enough to restart a computer.
pub const HOST_GRACE: Duration = Duration::from_secs(120);

const GO_LIVE: &str = "go-live";
const END_SHOW: &str = "end-show";
const HOST_RETURN: &str = "host-return";

/// The state of one session.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OneToMany {
    title: String,
    host: ParticipantId,
    host_name: String,
    host_here: bool,
    /// Who watches. Someone with several tabs counts once.
    viewers: BTreeSet<ParticipantId>,
    /// How many shows have been begun; the present one's take.
    take: u32,
    show: Show,
}

/// Where the show stands. Whatever holds a slot has a stream at Livepeer, or is about to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "kebab-case")]
enum Show {
    /// Not begun.
    Off,
    /// The stream is being made.
    Provisioning { slot: Slot },
    /// The stream exists; the host's camera is connecting to it.
    Connecting { slot: Slot },
    /// The picture is on.
    Live { slot: Slot, since: Timestamp },
    /// The picture was on and has stopped; the host may come back until the deadline.
    Interrupted { slot: Slot, since: Timestamp },
    /// The stream could not be made.
    Failed { reason: String },
    /// Ended.
    Over,
}

impl Architecture for OneToMany {
    const NAME: &'static str = "one-to-many";
    const TITLE: &'static str = "Live show";
    const SUMMARY: &'static str =
        "One host on camera, any number of viewers, less than a second behind.";

    fn open(opening: Opening) -> Self {
        OneToMany {
            title: opening.title,
            host: opening.host,
            host_name: opening.host_name,
            host_here: false,
            viewers: BTreeSet::new(),
            take: 0,
            show: Show::Off,
        }
    }

    fn handle(&mut self, now: Timestamp, input: Input) -> Result<Vec<Effect>, Refusal> {
        match input {
            Input::Joined { participant } => self.joined(now, participant),
            Input::Left { participant } => Ok(self.left(now, &participant)),
            Input::Acted {
                participant,
                action,
            } => self.acted(&participant, &action),
            Input::Provisioned { slot } => Ok(self.provisioned(now, slot)),
            Input::ProvisionFailed { slot, reason } => Ok(self.provision_failed(&slot, reason)),
            Input::Started { slot } => Ok(self.started(now, slot)),
            Input::Idle { slot } => Ok(self.idle(now, slot)),
            Input::Ended { slot } => Ok(self.ended(&slot)),
            Input::DeadlinePassed { deadline } => Ok(self.deadline_passed(&deadline)),
        }
    }

    fn view(&self, participant: &ParticipantId) -> View {
        if *participant == self.host {
            self.host_view()
        } else if self.viewers.contains(participant) {
            self.viewer_view()
        } else {
            View::of(
                Phase::Waiting,
                &self.title,
                "You are not in this session. Reload the page to join.",
            )
        }
    }
}

// What it does with an input.
impl OneToMany {
    fn joined(&mut self, now: Timestamp, participant: Participant) -> Result<Vec<Effect>, Refusal> {
        match (participant.seat, participant.id == self.host) {
            (Seat::Host, true) => {
                self.host_here = true;
                Ok(match self.show {
                    // Back before the camera had ever connected: the stream is still theirs.
                    Show::Provisioning { .. } | Show::Connecting { .. } => vec![no_host_return()],
                    // Back, but the picture is not yet: time starts anew, to find the camera.
                    Show::Interrupted { .. } => vec![host_return(now)],
                    _ => vec![],
                })
            }
            (Seat::Guest, false) => {
                self.viewers.insert(participant.id);
                Ok(vec![])
            }
            (Seat::Host, false) => Err(Refusal::because(
                "Only the person who created this show can host it.",
            )),
            (Seat::Guest, true) => {
                Err(Refusal::because("You host this show: open your host page."))
            }
        }
    }

    fn left(&mut self, now: Timestamp, participant: &ParticipantId) -> Vec<Effect> {
        if *participant != self.host {
            self.viewers.remove(participant);
            return vec![];
        }
        self.host_here = false;
        match self.show {
            Show::Provisioning { .. } | Show::Connecting { .. } => vec![host_return(now)],
            // A live picture tells by itself when it stops.
            _ => vec![],
        }
    }

    fn acted(
        &mut self,
        participant: &ParticipantId,
        action: &Action,
    ) -> Result<Vec<Effect>, Refusal> {
        if *participant != self.host {
            return Err(Refusal::because("Only the host can do that."));
        }
        match action.name.as_str() {
            GO_LIVE => self.go_live(),
            END_SHOW => self.end_show(),
            other => Err(Refusal::because(format!(
                "There is no button \"{other}\" here."
            ))),
        }
    }

    fn go_live(&mut self) -> Result<Vec<Effect>, Refusal> {
        if !matches!(self.show, Show::Off | Show::Failed { .. } | Show::Over) {
            return Err(Refusal::because("The show is on already."));
        }
        self.take += 1;
        let slot = Slot::new("show", self.take);
        self.show = Show::Provisioning { slot: slot.clone() };
        let spec = StreamSpec {
            publisher: self.host.clone(),
            players: Players::Admitted,
            renditions: Renditions::Ladder,
        };
        Ok(vec![Effect::Provision { slot, spec }])
    }

    fn end_show(&mut self) -> Result<Vec<Effect>, Refusal> {
        self.end()
            .ok_or_else(|| Refusal::because("There is no show to end."))
    }

    /// Ends the show, if one is on, and its stream with it.
    fn end(&mut self) -> Option<Vec<Effect>> {
        let slot = self.slot()?.clone();
        self.show = Show::Over;
        Some(vec![no_host_return(), Effect::End { slot }])
    }

    fn provisioned(&mut self, now: Timestamp, slot: Slot) -> Vec<Effect> {
        if self.show != (Show::Provisioning { slot: slot.clone() }) {
            return vec![];
        }
        self.show = Show::Connecting { slot };
        if self.host_here {
            vec![]
        } else {
            vec![host_return(now)]
        }
    }

    fn provision_failed(&mut self, slot: &Slot, reason: String) -> Vec<Effect> {
        if self.show != (Show::Provisioning { slot: slot.clone() }) {
            return vec![];
        }
        self.show = Show::Failed { reason };
        vec![no_host_return()]
    }

    fn started(&mut self, now: Timestamp, slot: Slot) -> Vec<Effect> {
        let since = match &self.show {
            // The camera can be faster than the answer that the stream is there.
            Show::Provisioning { slot: mine } | Show::Connecting { slot: mine }
                if *mine == slot =>
            {
                now
            }
            Show::Interrupted { slot: mine, since } if *mine == slot => *since,
            _ => return vec![],
        };
        self.show = Show::Live { slot, since };
        vec![no_host_return()]
    }

    fn idle(&mut self, now: Timestamp, slot: Slot) -> Vec<Effect> {
        match &self.show {
            Show::Live { slot: mine, since } if *mine == slot => {
                let since = *since;
                self.show = Show::Interrupted { slot, since };
                vec![host_return(now)]
            }
            _ => vec![],
        }
    }

    fn ended(&mut self, slot: &Slot) -> Vec<Effect> {
        if self.slot() != Some(slot) {
            return vec![];
        }
        self.show = Show::Over;
        vec![no_host_return()]
    }

    fn deadline_passed(&mut self, deadline: &Deadline) -> Vec<Effect> {
        // One that passes as the picture comes back must not end the show.
        if deadline.0 != HOST_RETURN || matches!(self.show, Show::Live { .. }) {
            return vec![];
        }
        self.end().unwrap_or_default()
    }

    /// The slot of the stream that is there or on its way.
    fn slot(&self) -> Option<&Slot> {
        match &self.show {
            Show::Provisioning { slot }
            | Show::Connecting { slot }
            | Show::Live { slot, .. }
            | Show::Interrupted { slot, .. } => Some(slot),
            Show::Off | Show::Failed { .. } | Show::Over => None,
        }
    }
}

fn host_return(now: Timestamp) -> Effect {
    Effect::SetDeadline {
        deadline: HOST_RETURN.into(),
        at: now.after(HOST_GRACE),
    }
}

fn no_host_return() -> Effect {
    Effect::ClearDeadline {
        deadline: HOST_RETURN.into(),
    }
}

// What each person sees.
impl OneToMany {
    fn host_view(&self) -> View {
        let view = match &self.show {
            Show::Off => View {
                preview: true,
                buttons: vec![button(GO_LIVE, "Go live", Emphasis::Primary)],
                ..View::of(
                    Phase::Setup,
                    "You are not live yet",
                    "Check your picture and sound, then go live.",
                )
            },
            Show::Failed { reason } => View {
                preview: true,
                buttons: vec![button(GO_LIVE, "Try again", Emphasis::Primary)],
                ..View::of(Phase::Setup, "The show could not start", reason)
            },
            Show::Provisioning { .. } => View {
                preview: true,
                buttons: vec![button(END_SHOW, "Cancel", Emphasis::Plain)],
                ..View::of(
                    Phase::Starting,
                    "Getting your stream ready",
                    "This takes a moment.",
                )
            },
            Show::Connecting { slot } => View {
                preview: true,
                publishes: vec![camera(slot)],
                buttons: vec![button(END_SHOW, "Cancel", Emphasis::Plain)],
                ..View::of(
                    Phase::Starting,
                    "Connecting your camera",
                    "You are live as soon as your picture arrives.",
                )
            },
            Show::Live { slot, since } => View {
                since: Some(*since),
                preview: true,
                publishes: vec![camera(slot)],
                buttons: vec![end_for_everybody()],
                ..View::of(Phase::Live, "You are live", "")
            },
            Show::Interrupted { slot, since } => View {
                since: Some(*since),
                preview: true,
                publishes: vec![camera(slot)],
                buttons: vec![end_for_everybody()],
                ..View::of(
                    Phase::Interrupted,
                    "Your picture does not arrive",
                    "It comes back by itself when your camera and connection do. After two minutes without it the \
                     show ends.",
                )
            },
            Show::Over => View {
                buttons: vec![button(GO_LIVE, "Start another show", Emphasis::Primary)],
                ..View::of(Phase::Ended, "The show is over", "Your camera is off.")
            },
        };
        View {
            audience: Some(self.audience()),
            ..view
        }
    }

    fn viewer_view(&self) -> View {
        let host = &self.host_name;
        let view = match &self.show {
            Show::Off
            | Show::Failed { .. }
            | Show::Provisioning { .. }
            | Show::Connecting { .. } => View::of(
                Phase::Waiting,
                format!("{host} is not live yet"),
                "Stay on this page: the show starts here by itself.",
            ),
            Show::Live { slot, since } => View {
                since: Some(*since),
                plays: vec![self.play(slot)],
                ..View::of(Phase::Live, format!("{host} is live"), "")
            },
            Show::Interrupted { slot, since } => View {
                since: Some(*since),
                plays: vec![self.play(slot)],
                ..View::of(
                    Phase::Interrupted,
                    format!("{host} will be right back"),
                    "The picture has stopped for a moment. It goes on here by itself.",
                )
            },
            Show::Over => View::of(Phase::Ended, "The show is over", "Thank you for watching."),
        };
        View {
            audience: Some(self.audience()),
            ..view
        }
    }

    fn play(&self, slot: &Slot) -> Play {
        Play {
            slot: slot.clone(),
            label: self.host_name.clone(),
        }
    }

    fn audience(&self) -> u32 {
        u32::try_from(self.viewers.len()).unwrap_or(u32::MAX)
    }
}

fn camera(slot: &Slot) -> Publish {
    Publish {
        slot: slot.clone(),
        source: Source::Camera,
    }
}

fn button(action: &str, label: &str, emphasis: Emphasis) -> Button {
    Button {
        action: action.to_owned(),
        target: None,
        label: label.to_owned(),
        emphasis,
        confirm: None,
    }
}

fn end_for_everybody() -> Button {
    Button {
        confirm: Some("End the show for everybody?".to_owned()),
        ..button(END_SHOW, "End show", Emphasis::Danger)
    }
}
