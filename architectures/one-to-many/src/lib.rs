//! One host, one public stream with renditions, any number of viewers.
//!
//! The host goes live and ends the show; viewers come and go. A host who vanishes has some time to come back to the same
//! stream ([`Policy::host_return_seconds`]) while the audience waits with its players in place; then the show ends by
//! itself, so that no stream that nobody hosts is left running. Each show is a take of its own: `show.1`, `show.2`.
//!
//! The same parts as every architecture: the policy, the state, what it does with an input, what each person sees.

use serde::{Deserialize, Serialize};
use session::{
    Action, Architecture, Button, Deadline, Effect, Emphasis, Flow, Input, Opening, Participant,
    ParticipantId, People, Phase, Play, Players, Publish, Refusal, Renditions, Seconds, Sending,
    Slot, Source, Stream, StreamSpec, Timestamp, View,
};

/// The host's button that begins a show.
pub const GO_LIVE: &str = "go-live";
/// The host's button that ends it.
pub const END_SHOW: &str = "end-show";
/// What the show's streams are called.
pub const SHOW: &str = "show";
/// The deadline of a host who has vanished.
pub const HOST_RETURN: &str = "host-return";

/// What can be configured.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Policy {
    /// How long the audience waits for a host whose picture is gone, in seconds; at least 1. The default of 120 is long
    /// enough to restart a computer.
    pub host_return_seconds: Seconds,
    /// Whether the show is transcoded for weak connections: `"ladder"`, or `"source"` for none, which costs nothing.
    pub renditions: Renditions,
}

impl Default for Policy {
    fn default() -> Self {
        Policy {
            host_return_seconds: Seconds::new(120),
            renditions: Renditions::Ladder,
        }
    }
}

/// The state of one session.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OneToMany {
    policy: Policy,
    title: String,
    host: ParticipantId,
    host_name: String,
    /// Who is here, the host among them. Someone with several tabs counts once.
    people: People,
    /// How many shows have been begun; the present one's take.
    take: u32,
    show: Show,
}

/// Where the show stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "kebab-case")]
enum Show {
    /// Not begun.
    Off,
    /// On, or about to be.
    On { stream: Stream },
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
    type Policy = Policy;

    fn open(opening: Opening, policy: Policy) -> Self {
        OneToMany {
            policy,
            title: opening.title,
            host: opening.host,
            host_name: opening.host_name,
            people: People::default(),
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
            Input::Switched {
                participant,
                sending,
            } => {
                self.people.switched(&participant, sending);
                Ok(vec![])
            }
            Input::Provisioned { slot } => Ok(self.provisioned(now, &slot)),
            Input::ProvisionFailed { slot, reason } => Ok(self.provision_failed(&slot, reason)),
            Input::Started { slot } => Ok(self.started(now, &slot)),
            Input::Idle { slot } => Ok(self.idle(now, &slot)),
            Input::Ended { slot } => Ok(self.ended(&slot)),
            Input::DeadlinePassed { deadline } => Ok(self.deadline_passed(&deadline)),
        }
    }

    fn view(&self, participant: &ParticipantId) -> View {
        let view = if *participant == self.host {
            View {
                byline: "You are the host".to_owned(),
                ..self.host_view()
            }
        } else if self.people.has(participant) {
            View {
                byline: format!("with {}", self.host_name),
                ..self.viewer_view()
            }
        } else {
            return View::of(
                Phase::Waiting,
                "You are not in this session",
                "Reload the page to join.",
            );
        };
        View {
            title: self.title.clone(),
            audience: Some(self.audience()),
            ..view
        }
    }
}

// What it does with an input.
impl OneToMany {
    fn joined(&mut self, now: Timestamp, participant: Participant) -> Result<Vec<Effect>, Refusal> {
        let is_host = participant.is_host(&self.host, "show")?;
        self.people.joined(participant);
        Ok(match self.flow() {
            // Back before the camera had ever connected: the stream is still theirs.
            Some(Flow::Provisioning | Flow::Connecting) if is_host => vec![no_host_return()],
            // Back, but the picture is not yet: time starts anew, to find the camera.
            Some(Flow::Interrupted { .. }) if is_host => vec![self.host_return(now)],
            _ => vec![],
        })
    }

    fn left(&mut self, now: Timestamp, participant: &ParticipantId) -> Vec<Effect> {
        self.people.left(participant);
        match self.flow() {
            // A live picture tells by itself when it stops.
            Some(Flow::Provisioning | Flow::Connecting) if *participant == self.host => {
                vec![self.host_return(now)]
            }
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
            END_SHOW => self
                .end()
                .ok_or_else(|| Refusal::because("There is no show to end.")),
            other => Err(Refusal::because(format!(
                "There is no button \"{other}\" here."
            ))),
        }
    }

    fn go_live(&mut self) -> Result<Vec<Effect>, Refusal> {
        if self.stream().is_some() {
            return Err(Refusal::because("The show is on already."));
        }
        self.take += 1;
        let spec = StreamSpec {
            publisher: self.host.clone(),
            players: Players::Admitted,
            renditions: self.policy.renditions,
        };
        let (stream, provision) = Stream::provision(Slot::new(SHOW, self.take), spec);
        self.show = Show::On { stream };
        Ok(vec![provision])
    }

    /// Ends the show, if one is on, and its stream with it.
    fn end(&mut self) -> Option<Vec<Effect>> {
        let end = self.stream()?.clone().end();
        self.show = Show::Over;
        Some(vec![no_host_return(), end])
    }

    fn provisioned(&mut self, now: Timestamp, slot: &Slot) -> Vec<Effect> {
        let news = self.stream_mut().is_some_and(|s| s.provisioned(slot));
        if news && !self.people.has(&self.host) {
            return vec![self.host_return(now)];
        }
        vec![]
    }

    fn provision_failed(&mut self, slot: &Slot, reason: String) -> Vec<Effect> {
        match self.stream() {
            Some(stream) if stream.slot == *slot && !stream.exists() => {
                self.show = Show::Failed { reason };
                vec![no_host_return()]
            }
            _ => vec![],
        }
    }

    fn started(&mut self, now: Timestamp, slot: &Slot) -> Vec<Effect> {
        match self.stream_mut().is_some_and(|s| s.started(slot, now)) {
            true => vec![no_host_return()],
            false => vec![],
        }
    }

    fn idle(&mut self, now: Timestamp, slot: &Slot) -> Vec<Effect> {
        match self.stream_mut().is_some_and(|s| s.idle(slot)) {
            true => vec![self.host_return(now)],
            false => vec![],
        }
    }

    fn ended(&mut self, slot: &Slot) -> Vec<Effect> {
        if self.stream().is_none_or(|stream| stream.slot != *slot) {
            return vec![];
        }
        self.show = Show::Over;
        vec![no_host_return()]
    }

    fn deadline_passed(&mut self, deadline: &Deadline) -> Vec<Effect> {
        // One that passes as the host or the picture comes back must not end the show.
        let missing = match self.flow() {
            Some(Flow::Interrupted { .. }) => true,
            Some(Flow::Provisioning | Flow::Connecting) => !self.people.has(&self.host),
            Some(Flow::Live { .. }) | None => false,
        };
        match missing && deadline.0 == HOST_RETURN {
            true => self.end().unwrap_or_default(),
            false => vec![],
        }
    }

    /// The show's stream, if it is there or on its way.
    pub fn stream(&self) -> Option<&Stream> {
        match &self.show {
            Show::On { stream } => Some(stream),
            Show::Off | Show::Failed { .. } | Show::Over => None,
        }
    }

    fn stream_mut(&mut self) -> Option<&mut Stream> {
        match &mut self.show {
            Show::On { stream } => Some(stream),
            Show::Off | Show::Failed { .. } | Show::Over => None,
        }
    }

    fn flow(&self) -> Option<Flow> {
        self.stream().map(|stream| stream.flow)
    }

    fn host_return(&self, now: Timestamp) -> Effect {
        Effect::SetDeadline {
            deadline: HOST_RETURN.into(),
            at: now.after(self.policy.host_return_seconds.duration()),
        }
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
        let stream = match &self.show {
            Show::Off => {
                return View {
                    preview: true,
                    buttons: vec![Button::new(GO_LIVE, "Go live", Emphasis::Primary)],
                    ..View::of(
                        Phase::Setup,
                        "You are not live yet",
                        "Check your picture and sound, then go live.",
                    )
                };
            }
            Show::Failed { reason } => {
                return View {
                    preview: true,
                    buttons: vec![Button::new(GO_LIVE, "Try again", Emphasis::Primary)],
                    ..View::of(Phase::Setup, "The show could not start", reason)
                };
            }
            Show::Over => {
                return View {
                    buttons: vec![Button::new(
                        GO_LIVE,
                        "Start another show",
                        Emphasis::Primary,
                    )],
                    ..View::of(Phase::Ended, "The show is over", "Your camera is off.")
                };
            }
            Show::On { stream } => stream,
        };
        let (view, button) = match stream.flow {
            Flow::Provisioning => (
                View::of(
                    Phase::Starting,
                    "Getting your stream ready",
                    "This takes a moment.",
                ),
                cancel(),
            ),
            Flow::Connecting => (
                View::of(
                    Phase::Starting,
                    "Connecting your camera",
                    "You are live as soon as your picture arrives.",
                ),
                cancel(),
            ),
            Flow::Live { .. } => (
                View::of(Phase::Live, "You are live", ""),
                end_for_everybody(),
            ),
            Flow::Interrupted { .. } => (
                View::of(
                    Phase::Interrupted,
                    "Your picture does not arrive",
                    format!(
                        "It comes back by itself when your camera and connection do. After {} without it the show ends.",
                        self.policy.host_return_seconds
                    ),
                ),
                end_for_everybody(),
            ),
        };
        let camera = stream.exists().then(|| Publish {
            slot: stream.slot.clone(),
            source: Source::Camera,
        });
        View {
            since: stream.since(),
            preview: true,
            publishes: camera.into_iter().collect(),
            buttons: vec![button],
            ..view
        }
    }

    fn viewer_view(&self) -> View {
        let host = &self.host_name;
        if let Show::Over = self.show {
            return View::of(Phase::Ended, "The show is over", "Thank you for watching.");
        }
        let Some((stream, since)) = self.stream().and_then(|s| Some((s, s.since()?))) else {
            return View::of(
                Phase::Waiting,
                format!("{host} is not live yet"),
                "Stay on this page: the show starts here by itself.",
            );
        };
        let view = match stream.is_live() {
            true => View::of(Phase::Live, format!("{host} is live"), ""),
            false => View::of(
                Phase::Interrupted,
                format!("{host} will be right back"),
                "The picture has stopped for a moment. It goes on here by itself.",
            ),
        };
        let play = Play {
            slot: stream.slot.clone(),
            label: host.clone(),
            sending: self.sending(),
        };
        View {
            since: Some(since),
            plays: vec![play],
            ..view
        }
    }

    /// What the host has switched on.
    fn sending(&self) -> Sending {
        self.people.sending(&self.host)
    }

    fn audience(&self) -> u32 {
        let viewers = self.people.iter().filter(|(id, _)| **id != self.host);
        u32::try_from(viewers.count()).unwrap_or(u32::MAX)
    }
}

fn cancel() -> Button {
    Button::new(END_SHOW, "Cancel", Emphasis::Plain)
}

fn end_for_everybody() -> Button {
    Button::new(END_SHOW, "End show", Emphasis::Danger).confirmed_by("End the show for everybody?")
}
