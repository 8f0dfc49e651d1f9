//! Whole stories as text, for snapshot tests of architectures.
//!
//! Each step names what came in, the effects that came out (or the refusal), and every watched person's View where it
//! changed. Reading one transcript is the quickest way to learn what an architecture does.

use std::fmt::Write as _;

use crate::architecture::Architecture;
use crate::effect::{Effect, Players, Renditions};
use crate::id::{ParticipantId, Timestamp};
use crate::input::{Action, Input, Participant, Seat, Sending};
use crate::view::{Button, Emphasis, Layout, Source, View};

/// A story in the making.
pub struct Transcript<A> {
    architecture: A,
    watched: Vec<(ParticipantId, Option<View>)>,
    text: String,
}

impl<A: Architecture> Transcript<A> {
    /// Begins a story. The Views of the `watched` are shown whenever they change.
    pub fn of(architecture: A, watched: &[&str]) -> Transcript<A> {
        Transcript {
            architecture,
            watched: watched
                .iter()
                .map(|id| (ParticipantId::from(*id), None))
                .collect(),
            text: String::new(),
        }
    }

    /// Hands the architecture one input, `seconds` after the story's beginning.
    pub fn at(&mut self, seconds: u64, input: Input) -> &mut Self {
        let _ = writeln!(self.text, "{:>4}s {}", seconds, told(&input));
        match self.architecture.handle(Timestamp(seconds * 1000), input) {
            Ok(effects) => {
                for effect in effects {
                    let _ = writeln!(self.text, "      -> {}", wanted(&effect));
                }
            }
            Err(refusal) => {
                let _ = writeln!(self.text, "      refused: {refusal}");
            }
        }
        for (id, last) in &mut self.watched {
            let view = self.architecture.view(id);
            if last.as_ref() != Some(&view) {
                let _ = writeln!(self.text, "      {id} sees {}", seen(&view));
                *last = Some(view);
            }
        }
        self
    }

    /// The story so far.
    pub fn text(&self) -> &str {
        &self.text
    }
}

/// Somebody comes in by that door, and is called by their id.
pub fn join(id: &str, seat: Seat) -> Input {
    Input::Joined {
        participant: Participant {
            id: id.into(),
            name: id.to_owned(),
            seat,
        },
    }
}

/// Somebody presses a button that is about nobody in particular.
pub fn press(id: &str, action: &str) -> Input {
    Input::Acted {
        participant: id.into(),
        action: Action::named(action),
    }
}

/// Somebody presses a button that is about `target`.
pub fn press_about(id: &str, action: &str, target: &str) -> Input {
    Input::Acted {
        participant: id.into(),
        action: Action {
            name: action.to_owned(),
            target: Some(target.into()),
        },
    }
}

pub(crate) fn told(input: &Input) -> String {
    match input {
        Input::Joined { participant } => {
            let seat = match participant.seat {
                Seat::Host => "host",
                Seat::Guest => "guest",
            };
            format!("{} joins as {seat}", participant.id)
        }
        Input::Left { participant } => format!("{participant} leaves"),
        Input::Acted {
            participant,
            action,
        } => match &action.target {
            Some(target) => format!("{participant} presses {} about {target}", action.name),
            None => format!("{participant} presses {}", action.name),
        },
        Input::Switched {
            participant,
            sending,
        } => match switched(*sending) {
            "" => format!("{participant} has camera and microphone on"),
            off => format!("{participant} switches{}", off.trim_start_matches(',')),
        },
        Input::Provisioned { slot } => format!("{slot} is provisioned"),
        Input::ProvisionFailed { slot, reason } => {
            format!("{slot} cannot be provisioned: {reason}")
        }
        Input::Started { slot } => format!("{slot} starts"),
        Input::Idle { slot } => format!("{slot} goes idle"),
        Input::Ended { slot } => format!("{slot} has ended"),
        Input::DeadlinePassed { deadline } => format!("{} passes", deadline.0),
    }
}

fn wanted(effect: &Effect) -> String {
    match effect {
        Effect::Provision { slot, spec } => {
            let players = match &spec.players {
                Players::Anyone => "anyone".to_owned(),
                Players::Admitted => "the admitted".to_owned(),
                Players::Only(these) => {
                    let these: Vec<&str> = these.iter().map(|id| id.0.as_str()).collect();
                    format!("{} only", these.join(", "))
                }
            };
            let renditions = match spec.renditions {
                Renditions::Source => "source only",
                Renditions::Ladder => "with renditions",
            };
            format!(
                "provision {slot} from {} for {players}, {renditions}",
                spec.publisher
            )
        }
        Effect::End { slot } => format!("end {slot}"),
        Effect::SetDeadline { deadline, at } => format!("{} at {}s", deadline.0, at.0 / 1000),
        Effect::ClearDeadline { deadline } => format!("no {}", deadline.0),
        Effect::Notice { to, text } => format!("tell {to}: {text}"),
    }
}

fn seen(view: &View) -> String {
    let mut text = format!("{:?}: {}", view.phase, view.headline);
    if view.private {
        text.push_str(" | private");
    }
    if view.title.is_empty() {
        text.push_str(" | untitled");
    }
    if !view.detail.is_empty() {
        let _ = write!(text, " / {}", view.detail);
    }
    if let Some(since) = view.since {
        let _ = write!(text, " | since {}s", since.0 / 1000);
    }
    if view.preview {
        text.push_str(" | preview");
    }
    for publish in &view.publishes {
        let source = match &publish.source {
            Source::Camera => "camera".to_owned(),
            Source::SilentCamera => "camera without sound".to_owned(),
            Source::Card { title, since } => format!("card \"{title}\" since {}s", since.0 / 1000),
        };
        let _ = write!(text, " | publishes {} ({source})", publish.slot);
    }
    for play in &view.plays {
        let off = switched(play.sending);
        let _ = write!(text, " | plays {} ({}{off})", play.slot, play.label);
    }
    if view.layout == Layout::Grid {
        text.push_str(" | in a grid");
    }
    for button in &view.buttons {
        let _ = write!(text, " | {}", offered(button));
    }
    for other in &view.people {
        let _ = write!(text, " | {} {}", other.name, other.note);
        if let Some(since) = other.since {
            let _ = write!(text, " since {}s", since.0 / 1000);
        }
        for button in &other.buttons {
            let _ = write!(text, " {}", offered(button));
        }
    }
    if let Some(audience) = view.audience {
        let _ = write!(text, " | {audience} watching");
    }
    text
}

fn offered(button: &Button) -> String {
    let mark = match button.emphasis {
        Emphasis::Primary => "!",
        Emphasis::Plain => "",
        Emphasis::Danger => "!!",
    };
    format!("[{}{mark}: {}]", button.action, button.label)
}

fn switched(sending: Sending) -> &'static str {
    match (sending.camera, sending.microphone) {
        (true, true) => "",
        (true, false) => ", microphone off",
        (false, true) => ", camera off",
        (false, false) => ", camera and microphone off",
    }
}
