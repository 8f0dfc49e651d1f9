//! What each person sees of a call.

use session::{Button, Emphasis, Flow, Other, ParticipantId, Phase, Play, Publish, Source, View};

use crate::pair::{Pair, Side};
use crate::{CALL, CANCEL_CALL, Call, DECLINE_CALL, HANG_UP, JOIN_CALL, OneToOne};

impl OneToOne {
    pub(crate) fn seen_by(&self, participant: &ParticipantId) -> View {
        let is_host = *participant == self.host;
        let view = match (self.side(participant).zip(self.pair()), is_host) {
            (Some((side, pair)), _) => self.pair_view(side, pair),
            (None, true) => self.host_view(),
            (None, false) if self.pair().is_some() => return full(),
            (None, false) if self.people.has(participant) => self.visitor_view(participant),
            (None, false) => return stranger(),
        };
        View {
            title: self.title.clone(),
            byline: match is_host {
                true => "You are the host".to_owned(),
                false => format!("with {}", self.host_name),
            },
            ..view
        }
    }

    /// The host outside a call.
    fn host_view(&self) -> View {
        let call = |label| vec![Button::new(CALL, label, Emphasis::Primary)];
        match &self.call {
            Call::Off | Call::On { .. } => View {
                preview: true,
                buttons: call("Call"),
                ..View::of(
                    Phase::Setup,
                    "Nobody is in the call yet",
                    "Check your picture and sound, send the link to one person, then call.",
                )
            },
            Call::Ringing { since, .. } => View {
                preview: true,
                since: Some(*since),
                buttons: vec![Button::new(CANCEL_CALL, "Cancel", Emphasis::Plain)],
                people: self.visitors(),
                ..View::of(
                    Phase::Waiting,
                    "Calling…",
                    "The first person who opens your link and joins is in the call, and nobody after them.",
                )
            },
            Call::Failed { reason, .. } => View {
                preview: true,
                buttons: call("Try again"),
                ..View::of(Phase::Setup, "The call could not start", reason)
            },
            Call::Over { .. } => View {
                buttons: call("Call again"),
                ..View::of(Phase::Ended, "The call is over", "Your camera is off.")
            },
        }
    }

    /// Who has opened the link, as the host sees them while it rings.
    fn visitors(&self) -> Vec<Other> {
        let Call::Ringing { declined, .. } = &self.call else {
            return vec![];
        };
        let visitors = self.people.iter().filter(|(id, _)| **id != self.host);
        visitors
            .map(|(id, person)| Other {
                id: id.clone(),
                name: person.name.clone(),
                note: match declined.contains(id) {
                    true => "cannot come now".to_owned(),
                    false => "has opened your link".to_owned(),
                },
                since: None,
                buttons: vec![],
            })
            .collect()
    }

    /// Somebody with the link, outside a call.
    fn visitor_view(&self, participant: &ParticipantId) -> View {
        let host = &self.host_name;
        let join = |label| Button::new(JOIN_CALL, label, Emphasis::Primary).by_name();
        match &self.call {
            Call::Ringing { since, declined } if self.people.has(&self.host) => {
                if declined.contains(participant) {
                    return View {
                        buttons: vec![join("Join after all")],
                        ..View::of(
                            Phase::Waiting,
                            "You cannot come now",
                            format!("{host} knows, and is still calling."),
                        )
                    };
                }
                View {
                    preview: true,
                    since: Some(*since),
                    buttons: vec![
                        join("Join"),
                        Button::new(DECLINE_CALL, "Not now", Emphasis::Plain),
                    ],
                    ..View::of(
                        Phase::Ringing,
                        format!("{host} is calling"),
                        "Check your picture and sound, then join. Only the two of you will see and hear it.",
                    )
                }
            }
            Call::Failed { guest, .. } if guest == participant => View::of(
                Phase::Waiting,
                "The call could not start",
                format!("{host} can try again. Stay on this page: it rings here."),
            ),
            Call::Over { guest } if guest == participant => {
                View::of(Phase::Ended, "The call is over", "Your camera is off.")
            }
            _ => View::of(
                Phase::Waiting,
                format!("{host} is not calling yet"),
                "Stay on this page: it rings here.",
            ),
        }
    }

    /// One of the two in a call.
    fn pair_view(&self, side: Side, pair: &Pair) -> View {
        let (mine, theirs) = (pair.stream(side), pair.stream(side.other()));
        let camera = mine.exists().then(|| Publish {
            slot: mine.slot.clone(),
            source: Source::Camera,
        });
        let other = match side {
            Side::Host => &pair.guest_name,
            Side::Guest => &self.host_name,
        };
        let picture = theirs.since().map(|_| Play {
            slot: theirs.slot.clone(),
            label: other.clone(),
            sending: self.people.sending(pair.who(side.other())),
        });
        View {
            private: true,
            since: pair.since,
            preview: true,
            publishes: camera.into_iter().collect(),
            plays: picture.into_iter().collect(),
            buttons: vec![Button::new(HANG_UP, "Hang up", Emphasis::Danger)],
            ..self.pair_words(side, pair, other)
        }
    }

    fn pair_words(&self, side: Side, pair: &Pair, other: &str) -> View {
        let grace = self.policy.return_seconds;
        let theirs = pair.stream(side.other());
        // Either their picture was there, or they have closed the page before it was.
        let dropped_out = match theirs.since() {
            Some(_) => !theirs.is_live(),
            None => !self.people.has(pair.who(side.other())),
        };
        match pair.stream(side).flow {
            Flow::Interrupted { .. } => View::of(
                Phase::Interrupted,
                "Your picture does not arrive",
                format!(
                    "It comes back by itself when your camera and connection do. After {grace} without it the call ends."
                ),
            ),
            Flow::Live { .. } if dropped_out => View::of(
                Phase::Interrupted,
                format!("{other} has dropped out"),
                format!("They can come back into this call. After {grace} without them it ends."),
            ),
            Flow::Live { .. } if theirs.is_live() => View::of(
                Phase::Live,
                format!("You are in a call with {other}"),
                "Nobody else can see or hear it.",
            ),
            Flow::Provisioning => View::of(
                Phase::Starting,
                "Getting your call ready",
                "This takes a moment.",
            ),
            Flow::Connecting => View::of(
                Phase::Starting,
                "Connecting your camera",
                format!("{other} sees you as soon as your picture arrives."),
            ),
            Flow::Live { .. } => View::of(
                Phase::Starting,
                format!("Waiting for {other}"),
                "Your picture has arrived, theirs is on its way.",
            ),
        }
    }
}

/// What a third person is told: nothing about the call.
fn full() -> View {
    View::of(Phase::Waiting, "This call is full", "")
}

fn stranger() -> View {
    View::of(
        Phase::Waiting,
        "You are not in this session",
        "Reload the page to join.",
    )
}
