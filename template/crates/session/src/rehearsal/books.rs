//! What the world knows, whatever the architecture believes.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::effect::{Effect, StreamSpec};
use crate::id::{Deadline, ParticipantId, Slot, Timestamp};
use crate::input::{Action, Input};
use crate::rehearsal::ensure;
use crate::view::{Button, Emphasis, View};

/// Somebody who never comes.
const STRANGER: &str = "a-stranger";

/// Who is here and sees what, which streams exist, which deadlines are set.
#[derive(Clone, Debug)]
pub struct Books {
    /// The host, the guests, and last the stranger.
    people: Vec<ParticipantId>,
    here: BTreeSet<ParticipantId>,
    /// Who has ever been here.
    known: BTreeSet<ParticipantId>,
    streams: BTreeMap<Slot, Booked>,
    deadlines: BTreeMap<Deadline, Timestamp>,
    seconds: u64,
    views: BTreeMap<ParticipantId, View>,
    /// Every action that a View has ever offered to anybody.
    actions: BTreeSet<String>,
    /// Every deadline that was ever set.
    dated: BTreeSet<Deadline>,
}

/// A stream that the architecture has asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Booked {
    /// What it asked for.
    pub spec: StreamSpec,
    /// What has become of it.
    pub state: State,
}

/// What has become of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// It is being made.
    Making,
    /// It exists, and nothing is sent on it.
    Quiet,
    /// It exists, and media arrives.
    Live,
    /// The architecture has ended it, and has not yet been told that it is gone.
    Ending,
    /// It could not be made, or is gone.
    Gone,
}

impl State {
    /// Whether it is there or on its way, and nobody has ended it: it costs money, or will.
    pub fn is_alive(self) -> bool {
        matches!(self, State::Making | State::Quiet | State::Live)
    }

    /// Whether it can be published to.
    pub fn exists(self) -> bool {
        matches!(self, State::Quiet | State::Live)
    }
}

impl Books {
    pub(super) fn open(host: &str, guests: &[&str]) -> Books {
        let people = [host].into_iter().chain(guests.iter().copied());
        Books {
            people: people.chain([STRANGER]).map(ParticipantId::from).collect(),
            here: BTreeSet::new(),
            known: BTreeSet::new(),
            streams: BTreeMap::new(),
            deadlines: BTreeMap::new(),
            seconds: 0,
            views: BTreeMap::new(),
            actions: BTreeSet::new(),
            dated: BTreeSet::new(),
        }
    }

    /// Everybody: the host, the guests, and last a stranger who never comes.
    pub fn people(&self) -> impl ExactSizeIterator<Item = &ParticipantId> {
        self.people.iter()
    }

    /// Who opened the session.
    pub fn host(&self) -> &ParticipantId {
        &self.people[0]
    }

    /// Whether somebody has come and not left.
    pub fn is_here(&self, who: &ParticipantId) -> bool {
        self.here.contains(who)
    }

    /// Whether somebody neither opened the session nor was ever let in.
    pub fn is_stranger(&self, who: &ParticipantId) -> bool {
        who != self.host() && !self.known.contains(who)
    }

    /// Every stream that was ever asked for.
    pub fn streams(&self) -> &BTreeMap<Slot, Booked> {
        &self.streams
    }

    /// The streams that are there or on their way.
    pub fn alive(&self) -> impl Iterator<Item = (&Slot, &Booked)> {
        self.streams.iter().filter(|(_, s)| s.state.is_alive())
    }

    /// The deadlines that are set.
    pub fn deadlines(&self) -> &BTreeMap<Deadline, Timestamp> {
        &self.deadlines
    }

    /// Everybody's View.
    pub fn views(&self) -> &BTreeMap<ParticipantId, View> {
        &self.views
    }

    /// What time it is.
    pub fn now(&self) -> Timestamp {
        Timestamp(0).after(Duration::from_secs(self.seconds))
    }

    pub(super) fn seconds(&self) -> u64 {
        self.seconds
    }

    pub(super) fn actions(&self) -> &BTreeSet<String> {
        &self.actions
    }

    pub(super) fn dated(&self) -> &BTreeSet<Deadline> {
        &self.dated
    }

    /// What those who are here may press.
    pub(super) fn offers(&self) -> Vec<Offer> {
        let here = self.views.iter().filter(|(who, _)| self.is_here(who));
        here.flat_map(|(who, view)| view.every_button().map(|button| Offer::of(who, button)))
            .collect()
    }

    /// Lets time go by, but no deadline.
    pub(super) fn wait(&mut self, seconds: u64) {
        let next = self.deadlines.values().min();
        let end = next.map_or(u64::MAX, |at| at.0 / 1000);
        let later = self.seconds.saturating_add(seconds).min(end);
        self.seconds = self.seconds.max(later);
    }

    /// The deadline that passes next, at its time.
    pub(super) fn pass(&mut self) -> Option<Deadline> {
        let (deadline, at) = self.deadlines.iter().min_by_key(|(_, at)| **at)?;
        self.seconds = self.seconds.max(at.0.div_ceil(1000));
        Some(deadline.clone())
    }

    /// Notes what is true now, whatever the architecture will say.
    pub(super) fn happened(&mut self, input: &Input) {
        let (slot, becomes): (_, fn(State) -> State) = match input {
            Input::Left { participant } => {
                self.here.remove(participant);
                return;
            }
            Input::DeadlinePassed { deadline } => {
                self.deadlines.remove(deadline);
                return;
            }
            Input::Provisioned { slot } => (slot, |state| match state {
                State::Making => State::Quiet,
                other => other,
            }),
            Input::ProvisionFailed { slot, .. } => (slot, |state| match state {
                State::Making => State::Gone,
                other => other,
            }),
            Input::Started { slot } => (slot, |state| match state {
                // A camera can be faster than the answer that the stream exists.
                State::Making | State::Quiet => State::Live,
                other => other,
            }),
            Input::Idle { slot } => (slot, |state| match state {
                State::Live => State::Quiet,
                other => other,
            }),
            Input::Ended { slot } => (slot, |_| State::Gone),
            Input::Joined { .. } | Input::Acted { .. } | Input::Switched { .. } => return,
        };
        if let Some(booked) = self.streams.get_mut(slot) {
            booked.state = becomes(booked.state);
        }
    }

    /// Notes what is true because the architecture has not refused it.
    pub(super) fn accepted(&mut self, input: &Input) {
        if let Input::Joined { participant } = input {
            self.here.insert(participant.id.clone());
            self.known.insert(participant.id.clone());
        }
    }

    /// Notes what the architecture asks for, if it may.
    pub(super) fn wanted(&mut self, effect: Effect) -> Result<(), String> {
        match effect {
            Effect::Provision { slot, spec } => {
                let told = format!("rule 5: {slot} is provisioned a second time");
                let state = State::Making;
                let before = self.streams.insert(slot, Booked { spec, state });
                ensure(before.is_none(), told)
            }
            Effect::End { slot } => {
                let booked = self.streams.get_mut(&slot);
                let booked = booked
                    .ok_or_else(|| format!("rule 5: {slot} is ended and was never provisioned"))?;
                if booked.state.is_alive() {
                    booked.state = State::Ending;
                }
                Ok(())
            }
            Effect::SetDeadline { deadline, at } => {
                self.dated.insert(deadline.clone());
                self.deadlines.insert(deadline, at);
                Ok(())
            }
            Effect::ClearDeadline { deadline } => {
                self.deadlines.remove(&deadline);
                Ok(())
            }
            Effect::Notice { .. } => Ok(()),
        }
    }

    /// Draws everybody's View anew.
    pub(super) fn draw(&mut self, mut view: impl FnMut(&ParticipantId) -> View) {
        let drawn = self.people.iter().map(|who| (who.clone(), view(who)));
        self.views = drawn.collect();
        for button in self.views.values().flat_map(View::every_button) {
            if !self.actions.contains(&button.action) {
                self.actions.insert(button.action.clone());
            }
        }
    }
}

/// A button, and who may press it.
pub(super) struct Offer {
    pub(super) by: ParticipantId,
    pub(super) emphasis: Emphasis,
    action: Action,
}

impl Offer {
    fn of(by: &ParticipantId, button: &Button) -> Offer {
        Offer {
            by: by.clone(),
            emphasis: button.emphasis,
            action: Action {
                name: button.action.clone(),
                target: button.target.clone(),
            },
        }
    }

    /// What happens when it is pressed.
    pub(super) fn pressed(&self) -> Input {
        Input::Acted {
            participant: self.by.clone(),
            action: self.action.clone(),
        }
    }
}
