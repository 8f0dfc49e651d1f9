//! A guest on stage beside the host: a public stream of their own, which the audience plays next to the host's.

use serde::{Deserialize, Serialize};
use session::{
    Deadline, Effect, Input, ParticipantId, People, Players, Slot, Stream, StreamSpec, Timestamp,
};

use crate::Policy;

/// What the stage's streams are called.
pub(crate) const STAGE: &str = "stage";

/// The place beside the host.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Stage {
    guest: Option<OnStage>,
    /// How many have been brought up; the present guest's take.
    take: u32,
}

/// Somebody on stage. Whoever holds one has a stream at Livepeer, or on its way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct OnStage {
    pub(crate) who: ParticipantId,
    pub(crate) name: String,
    pub(crate) stream: Stream,
}

impl Stage {
    pub(crate) fn guest(&self) -> Option<&OnStage> {
        self.guest.as_ref()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.guest.is_none()
    }

    pub(crate) fn holds(&self, who: &ParticipantId) -> bool {
        self.guest.as_ref().is_some_and(|guest| guest.who == *who)
    }

    /// Notes what somebody calls themselves, if they are on stage.
    pub(crate) fn called(&mut self, who: &ParticipantId, name: &str) {
        if let Some(guest) = self.guest.as_mut().filter(|guest| guest.who == *who) {
            guest.name = name.to_owned();
        }
    }

    /// Brings somebody up; the stage is empty.
    pub(crate) fn bring_up(
        &mut self,
        who: &ParticipantId,
        name: String,
        policy: &Policy,
    ) -> Vec<Effect> {
        self.take += 1;
        let spec = StreamSpec {
            publisher: who.clone(),
            players: Players::Admitted,
            renditions: policy.show.renditions,
        };
        let (stream, provision) = Stream::provision(Slot::new(STAGE, self.take), spec);
        self.guest = Some(OnStage {
            who: who.clone(),
            name,
            stream,
        });
        vec![provision]
    }

    /// Takes somebody down, if they are on stage.
    pub(crate) fn take_down(&mut self, who: &ParticipantId) -> Option<Vec<Effect>> {
        self.holds(who).then(|| self.clear())
    }

    /// Takes down whoever is there.
    pub(crate) fn clear(&mut self) -> Vec<Effect> {
        match self.guest.take() {
            Some(guest) => vec![guest.expect_no_return(), guest.stream.end()],
            None => vec![],
        }
    }

    pub(crate) fn joined(
        &self,
        now: Timestamp,
        who: &ParticipantId,
        policy: &Policy,
    ) -> Option<Effect> {
        let guest = self.guest.as_ref().filter(|guest| guest.who == *who)?;
        match guest.stream.since() {
            None => Some(guest.expect_no_return()),
            Some(_) if guest.stream.is_live() => None,
            Some(_) => Some(guest.expect_return(now, policy)),
        }
    }

    pub(crate) fn left(
        &self,
        now: Timestamp,
        who: &ParticipantId,
        policy: &Policy,
    ) -> Option<Effect> {
        let guest = self.guest.as_ref().filter(|guest| guest.who == *who)?;
        let waiting = guest.stream.since().is_none();
        waiting.then(|| guest.expect_return(now, policy))
    }

    /// Something happened to a stream of the stage's.
    pub(crate) fn happened(
        &mut self,
        now: Timestamp,
        input: Input,
        people: &People,
        host: &ParticipantId,
        policy: &Policy,
    ) -> Vec<Effect> {
        let Some(guest) = &mut self.guest else {
            return vec![];
        };
        match input {
            Input::Provisioned { slot } => {
                let absent = guest.stream.provisioned(&slot) && !people.has(&guest.who);
                absent
                    .then(|| guest.expect_return(now, policy))
                    .into_iter()
                    .collect()
            }
            Input::Started { slot } if guest.stream.started(&slot, now) => {
                vec![guest.expect_no_return()]
            }
            Input::Idle { slot } if guest.stream.idle(&slot) => {
                vec![guest.expect_return(now, policy)]
            }
            Input::ProvisionFailed { slot, reason }
                if guest.stream.slot == slot && !guest.stream.exists() =>
            {
                let tell = |to: &ParticipantId, who: &str| Effect::Notice {
                    to: to.clone(),
                    text: format!("{who} could not come on stage: {reason}"),
                };
                let effects = vec![
                    guest.expect_no_return(),
                    tell(host, &guest.name),
                    tell(&guest.who, "You"),
                ];
                self.guest = None;
                effects
            }
            Input::Ended { slot } if guest.stream.slot == slot => {
                let effects = vec![guest.expect_no_return(), tell_taken_down(&guest.who)];
                self.guest = None;
                effects
            }
            _ => vec![],
        }
    }

    pub(crate) fn deadline_passed(&mut self, deadline: &Deadline, people: &People) -> Vec<Effect> {
        let Some(guest) = &self.guest else {
            return vec![];
        };
        // One that passes as the person or the picture comes back must not end it.
        let missing = match guest.stream.since() {
            None => !people.has(&guest.who),
            Some(_) => !guest.stream.is_live(),
        };
        if !missing || guest.returning() != *deadline {
            return vec![];
        }
        let tell = tell_taken_down(&guest.who);
        let mut effects = self.clear();
        effects.push(tell);
        effects
    }
}

/// To somebody who is not on stage any more and has not asked for it: from now on they are neither seen nor heard.
pub(crate) fn tell_taken_down(who: &ParticipantId) -> Effect {
    Effect::Notice {
        to: who.clone(),
        text: "You are not on stage any more.".to_owned(),
    }
}

impl OnStage {
    /// Named by the take, so that one of an earlier guest that comes late says nothing about this one.
    fn returning(&self) -> Deadline {
        Deadline(format!("stage-return.{}", self.stream.slot.take))
    }

    fn expect_return(&self, now: Timestamp, policy: &Policy) -> Effect {
        Effect::SetDeadline {
            deadline: self.returning(),
            at: now.after(policy.call.return_seconds.duration()),
        }
    }

    fn expect_no_return(&self) -> Effect {
        Effect::ClearDeadline {
            deadline: self.returning(),
        }
    }
}
