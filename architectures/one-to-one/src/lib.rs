//! Two people, two streams: each publishes one and plays the other's.
//!
//! The host calls, and whoever has the link may answer; the first who does is the guest, and everybody else learns no
//! more than that the call is full. Both streams are made for this call alone, playable by the other person alone and
//! never transcoded. Somebody who drops out has some time to come back into the same call
//! ([`Policy::return_seconds`]); hanging up, or the end of that time, ends both streams at once.
//!
//! The same parts as every architecture: the policy, the state, what it does with an input; what each person sees is in
//! [`view`](crate::view).

mod pair;
mod view;

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use session::{
    Action, Architecture, Deadline, Effect, Input, Opening, Participant, ParticipantId, People,
    Refusal, Seconds, Slot, Timestamp, View,
};

use self::pair::{Pair, Side};

/// The host's button that begins to ring.
pub const CALL: &str = "call";
/// The host's button that stops ringing.
pub const CANCEL_CALL: &str = "cancel-call";
/// The button of whoever answers.
pub const JOIN_CALL: &str = "join-call";
/// The button of whoever does not.
pub const DECLINE_CALL: &str = "decline-call";
/// The button of either that ends the call.
pub const HANG_UP: &str = "hang-up";
/// What the stream that the host publishes is called.
pub const CALL_HOST: &str = "call-host";
/// What the stream that the guest publishes is called.
pub const CALL_GUEST: &str = "call-guest";

/// What can be configured.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Policy {
    /// How long the call waits for somebody who has dropped out, in seconds; at least 1. The default is 60.
    pub return_seconds: Seconds,
    /// How long a call may last, in seconds from the answer; at least 1. The default of 7200 is for the calls that
    /// somebody has forgotten to end.
    pub longest_seconds: Seconds,
}

impl Default for Policy {
    fn default() -> Self {
        Policy {
            return_seconds: Seconds::new(60),
            longest_seconds: Seconds::new(7200),
        }
    }
}

/// The state of one session.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OneToOne {
    policy: Policy,
    title: String,
    host: ParticipantId,
    host_name: String,
    /// Who has the page open, the host among them.
    people: People,
    /// How many calls have been answered; the present one's take.
    take: u32,
    call: Call,
}

/// Where the call stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "kebab-case")]
enum Call {
    /// Nobody has been called yet.
    Off,
    /// The host waits for an answer. There is no stream yet.
    Ringing {
        since: Timestamp,
        /// Who will not come now.
        declined: BTreeSet<ParticipantId>,
    },
    /// Answered: two people and their streams.
    On { pair: Pair },
    /// Their streams could not be made.
    Failed {
        guest: ParticipantId,
        reason: String,
    },
    /// Ended.
    Over { guest: ParticipantId },
}

impl Architecture for OneToOne {
    const NAME: &'static str = "one-to-one";
    const TITLE: &'static str = "Private call";
    const SUMMARY: &'static str = "Two people on camera, and nobody else.";
    type Policy = Policy;

    fn open(opening: Opening, policy: Policy) -> Self {
        OneToOne {
            policy,
            title: opening.title,
            host: opening.host,
            host_name: opening.host_name,
            people: People::default(),
            take: 0,
            call: Call::Off,
        }
    }

    fn handle(&mut self, now: Timestamp, input: Input) -> Result<Vec<Effect>, Refusal> {
        match input {
            Input::Joined { participant } => self.joined(now, participant),
            Input::Left { participant } => Ok(self.left(now, &participant)),
            Input::Acted {
                participant,
                action,
            } => self.acted(now, &participant, &action),
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
        self.seen_by(participant)
    }
}

impl OneToOne {
    /// Who is in the call with the host, while one is on.
    pub fn guest(&self) -> Option<&ParticipantId> {
        self.pair().map(|pair| &pair.guest)
    }

    /// Whether somebody is in the call, as its host or as its guest.
    pub fn includes(&self, participant: &ParticipantId) -> bool {
        self.side(participant).is_some()
    }

    fn pair(&self) -> Option<&Pair> {
        match &self.call {
            Call::On { pair } => Some(pair),
            _ => None,
        }
    }

    fn pair_mut(&mut self) -> Option<&mut Pair> {
        match &mut self.call {
            Call::On { pair } => Some(pair),
            _ => None,
        }
    }

    /// Which side of the call somebody is on, if it is on and they are in it.
    fn side(&self, participant: &ParticipantId) -> Option<Side> {
        let pair = self.pair()?;
        Side::BOTH
            .into_iter()
            .find(|side| pair.who(*side) == participant)
    }
}

// What it does with an input.
impl OneToOne {
    fn joined(&mut self, now: Timestamp, participant: Participant) -> Result<Vec<Effect>, Refusal> {
        participant.is_host(&self.host, "call")?;
        let id = participant.id.clone();
        if let Some(pair) = self.pair_mut().filter(|pair| pair.guest == id) {
            pair.guest_name.clone_from(&participant.name);
        }
        self.people.joined(participant);
        let Some((side, pair)) = self.side(&id).zip(self.pair()) else {
            return Ok(vec![]);
        };
        Ok(match pair.stream(side) {
            // Back before the camera had ever connected: the stream is still theirs.
            stream if stream.since().is_none() => vec![pair.expect_no_return(side)],
            stream if stream.is_live() => vec![],
            // Back, but the picture is not yet: time starts anew, to find the camera.
            _ => vec![pair.expect_return(side, now, &self.policy)],
        })
    }

    fn left(&mut self, now: Timestamp, participant: &ParticipantId) -> Vec<Effect> {
        self.people.left(participant);
        if let Call::Ringing { declined, .. } = &mut self.call {
            declined.remove(participant);
        }
        match self.side(participant).zip(self.pair()) {
            Some((side, pair)) if pair.stream(side).since().is_none() => {
                vec![pair.expect_return(side, now, &self.policy)]
            }
            // A live picture tells by itself when it stops.
            _ => vec![],
        }
    }

    fn acted(
        &mut self,
        now: Timestamp,
        participant: &ParticipantId,
        action: &Action,
    ) -> Result<Vec<Effect>, Refusal> {
        let Some(person) = self.people.get(participant) else {
            return Err(Refusal::because("Reload the page to join."));
        };
        let is_host = *participant == self.host;
        match (action.name.as_str(), is_host) {
            (CALL, true) => self.ring(now),
            (CANCEL_CALL, true) => self.stop_ringing(),
            (JOIN_CALL, false) => {
                let name = person.name.clone();
                self.answer(now, participant, name)
            }
            (DECLINE_CALL, false) => self.decline(participant),
            (HANG_UP, _) if self.includes(participant) => Ok(self.end()),
            (HANG_UP, true) => Err(Refusal::because("There is no call to end.")),
            (CALL | CANCEL_CALL, false) => Err(Refusal::because("Only the host can do that.")),
            (other, _) => Err(Refusal::because(format!(
                "There is no button \"{other}\" here."
            ))),
        }
    }

    fn ring(&mut self, now: Timestamp) -> Result<Vec<Effect>, Refusal> {
        if matches!(self.call, Call::Ringing { .. } | Call::On { .. }) {
            return Err(Refusal::because("The call is on already."));
        }
        self.call = Call::Ringing {
            since: now,
            declined: BTreeSet::new(),
        };
        Ok(vec![])
    }

    fn stop_ringing(&mut self) -> Result<Vec<Effect>, Refusal> {
        match &self.call {
            Call::Ringing { .. } => self.call = Call::Off,
            // At the same moment. It is on, and the host must know it.
            Call::On { pair } => {
                return Err(Refusal::because(format!(
                    "{} has joined already. Hang up instead.",
                    pair.guest_name
                )));
            }
            _ => return Err(Refusal::because("Nobody is being called.")),
        }
        Ok(vec![])
    }

    fn answer(
        &mut self,
        now: Timestamp,
        guest: &ParticipantId,
        guest_name: String,
    ) -> Result<Vec<Effect>, Refusal> {
        match &self.call {
            Call::On { pair } if pair.guest == *guest => {
                return Err(Refusal::because("You are in this call already."));
            }
            Call::On { .. } => return Err(Refusal::because("This call is full.")),
            Call::Ringing { .. } if self.people.has(&self.host) => {}
            _ => return Err(Refusal::because("Nobody is calling at the moment.")),
        }
        self.take += 1;
        let (pair, mut effects) = Pair::begin(self.take, &self.host, guest, guest_name);
        effects.push(Effect::SetDeadline {
            deadline: pair.longest(),
            at: now.after(self.policy.longest_seconds.duration()),
        });
        self.call = Call::On { pair };
        Ok(effects)
    }

    fn decline(&mut self, guest: &ParticipantId) -> Result<Vec<Effect>, Refusal> {
        match &mut self.call {
            Call::Ringing { declined, .. } if self.people.has(&self.host) => {
                declined.insert(guest.clone());
                Ok(vec![])
            }
            _ => Err(Refusal::because("Nobody is calling at the moment.")),
        }
    }

    /// Ends the call, if one is on, and both its streams with it.
    fn end(&mut self) -> Vec<Effect> {
        let Call::On { pair } = std::mem::replace(&mut self.call, Call::Off) else {
            return vec![];
        };
        let effects = pair.end();
        self.call = Call::Over { guest: pair.guest };
        effects
    }

    fn provisioned(&mut self, now: Timestamp, slot: &Slot) -> Vec<Effect> {
        let Some(side) = self.news(|stream| stream.provisioned(slot)) else {
            return vec![];
        };
        match self.pair() {
            Some(pair) if !self.people.has(pair.who(side)) => {
                vec![pair.expect_return(side, now, &self.policy)]
            }
            _ => vec![],
        }
    }

    fn provision_failed(&mut self, slot: &Slot, reason: String) -> Vec<Effect> {
        let Some(pair) = self.pair() else {
            return vec![];
        };
        let failed = |side: &Side| pair.stream(*side).slot == *slot && !pair.stream(*side).exists();
        let Some(side) = Side::BOTH.into_iter().find(failed) else {
            return vec![];
        };
        let (guest, effects) = (pair.guest.clone(), pair.end_without(side));
        self.call = Call::Failed { guest, reason };
        effects
    }

    fn started(&mut self, now: Timestamp, slot: &Slot) -> Vec<Effect> {
        let Some(side) = self.news(|stream| stream.started(slot, now)) else {
            return vec![];
        };
        let Some(pair) = self.pair_mut() else {
            return vec![];
        };
        if pair.since.is_none() && Side::BOTH.iter().all(|side| pair.stream(*side).is_live()) {
            pair.since = Some(now);
        }
        vec![pair.expect_no_return(side)]
    }

    fn idle(&mut self, now: Timestamp, slot: &Slot) -> Vec<Effect> {
        let side = self.news(|stream| stream.idle(slot));
        match side.zip(self.pair()) {
            Some((side, pair)) => vec![pair.expect_return(side, now, &self.policy)],
            None => vec![],
        }
    }

    fn ended(&mut self, slot: &Slot) -> Vec<Effect> {
        let Some(pair) = self.pair() else {
            return vec![];
        };
        let ended = |side: &Side| pair.stream(*side).slot == *slot;
        let Some(side) = Side::BOTH.into_iter().find(ended) else {
            return vec![];
        };
        let (guest, effects) = (pair.guest.clone(), pair.end_without(side));
        self.call = Call::Over { guest };
        effects
    }

    fn deadline_passed(&mut self, deadline: &Deadline) -> Vec<Effect> {
        let Some(pair) = self.pair() else {
            return vec![];
        };
        // One that passes as the person or the picture comes back must not end the call.
        let missing = |side: Side| {
            let stream = pair.stream(side);
            match stream.since() {
                None => !self.people.has(pair.who(side)),
                Some(_) => !stream.is_live(),
            }
        };
        let gone = |side: Side| pair.returning(side) == *deadline && missing(side);
        if Side::BOTH.into_iter().any(gone) {
            return self.end();
        }
        if pair.longest() == *deadline {
            // Nothing on the page had said that it would.
            let told = Side::BOTH.map(|side| Effect::Notice {
                to: pair.who(side).clone(),
                text: format!(
                    "The call has ended: it may last {} at most.",
                    self.policy.longest_seconds
                ),
            });
            let mut effects = self.end();
            effects.extend(told);
            return effects;
        }
        vec![]
    }

    /// Tells both streams of something, and which side's it was, if it was news.
    fn news(&mut self, mut tell: impl FnMut(&mut session::Stream) -> bool) -> Option<Side> {
        let pair = self.pair_mut()?;
        Side::BOTH
            .into_iter()
            .find(|side| tell(pair.stream_mut(*side)))
    }
}
