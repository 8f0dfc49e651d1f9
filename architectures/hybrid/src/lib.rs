//! A live show whose host takes a viewer into a private call, while the audience stays: one session, two streams of the
//! host's at the same time.
//!
//! It is made of the other two architectures, and talks to them as the shell does: inputs go in, effects and Views come
//! out. [`OneToMany`] is the show, [`OneToOne`] the call. What is added here is what lies between them: viewers who ask
//! ([`requests`](crate::requests)), what the public stream carries meanwhile ([`AudienceSees`]), and a guest who may come
//! on stage beside the host ([`stage`](crate::stage)).
//!
//! **Nothing private travels on a public stream.** While a call is on, the show's source is the away card or the camera
//! without its microphone; the call's own streams are made for it alone and for the two in it alone. For the audience the
//! call begins when the host accepts, before the first private word, and it is over when the host says so, after the last:
//! if anything else ends it, the host stays away from the show until they press [`BACK_TO_SHOW`].

mod policy;
mod requests;
mod stage;
mod view;

use one_to_many::{END_SHOW, GO_LIVE, OneToMany, SHOW};
use one_to_one::{CALL, CALL_GUEST, CALL_HOST, HANG_UP, JOIN_CALL, OneToOne};
use serde::{Deserialize, Serialize};
use session::{
    Action, Architecture, Deadline, Effect, Input, Opening, Participant, ParticipantId, People,
    Phase, Refusal, Seat, Slot, Stream, Timestamp, View,
};

pub use self::policy::{AudienceSees, Policy};
use self::requests::{Requests, Wants};
use self::stage::{STAGE, Stage};

/// A viewer's button that asks for a private call.
pub const ASK_CALL: &str = "ask-call";
/// A viewer's button that asks to come on stage.
pub const ASK_STAGE: &str = "ask-stage";
/// A viewer's button that takes back what they asked for.
pub const WITHDRAW: &str = "withdraw";
/// The host's button that gives somebody what they asked for.
pub const ACCEPT: &str = "accept";
/// The host's button that does not.
pub const DECLINE: &str = "decline";
/// The host's button that puts them back on air after a call that they have not ended themselves.
pub const BACK_TO_SHOW: &str = "back-to-show";
/// The host's button that takes the guest off the stage.
pub const TAKE_DOWN: &str = "take-down";
/// The button of the guest who leaves the stage.
pub const LEAVE_STAGE: &str = "leave-stage";

/// The state of one session.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hybrid {
    policy: Policy,
    host: ParticipantId,
    host_name: String,
    /// Who has the page open, the host among them.
    people: People,
    show: OneToMany,
    /// It knows the host, and whoever is in a call with them.
    call: OneToOne,
    /// From when the host accepts a call until they press the button that puts them back on air, or there is no show.
    away: Option<Away>,
    requests: Requests,
    stage: Stage,
}

/// The host is away from the show: what they say is not for the audience.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Away {
    /// Who is in a call with them; none when that has ended and they have not come back yet.
    guest: Option<ParticipantId>,
    since: Timestamp,
}

impl Architecture for Hybrid {
    const NAME: &'static str = "hybrid";
    const TITLE: &'static str = "Live show with private calls";
    const SUMMARY: &'static str =
        "A live show whose host can take a viewer into a private call while the audience stays.";
    type Policy = Policy;

    fn open(opening: Opening, policy: Policy) -> Self {
        Hybrid {
            host: opening.host.clone(),
            host_name: opening.host_name.clone(),
            people: People::default(),
            show: OneToMany::open(opening.clone(), policy.show.clone()),
            call: OneToOne::open(opening, policy.call.clone()),
            away: None,
            requests: Requests::default(),
            stage: Stage::default(),
            policy,
        }
    }

    fn handle(&mut self, now: Timestamp, input: Input) -> Result<Vec<Effect>, Refusal> {
        // Several parts may change before one of them refuses.
        let mut next = self.clone();
        let mut effects = next.step(now, input)?;
        let settled = next.settle(now);
        // Who has been told already why their call has ended is not told again that it has.
        let told = |to: &ParticipantId| tells(&effects, to);
        let news = settled.into_iter().filter(|effect| match effect {
            Effect::Notice { to, .. } => !told(to),
            _ => true,
        });
        let news: Vec<Effect> = news.collect();
        effects.extend(news);
        *self = next;
        Ok(effects)
    }

    fn view(&self, participant: &ParticipantId) -> View {
        self.seen_by(participant)
    }
}

// What it does with an input.
impl Hybrid {
    fn step(&mut self, now: Timestamp, input: Input) -> Result<Vec<Effect>, Refusal> {
        match input {
            Input::Joined { participant } => self.joined(now, participant),
            Input::Left { participant } => self.left(now, participant),
            Input::Acted {
                participant,
                action,
            } => self.acted(now, participant, action),
            Input::Switched {
                participant,
                sending,
            } => {
                self.people.switched(&participant, sending);
                let input = Input::Switched {
                    participant,
                    sending,
                };
                let effects = self.show.handle(now, input.clone())?;
                Ok(join(effects, self.call.handle(now, input)?))
            }
            Input::Provisioned { ref slot }
            | Input::ProvisionFailed { ref slot, .. }
            | Input::Started { ref slot }
            | Input::Idle { ref slot }
            | Input::Ended { ref slot } => {
                let slot = slot.clone();
                self.happened(now, &slot, input)
            }
            Input::DeadlinePassed { deadline } => self.deadline_passed(now, deadline),
        }
    }

    fn joined(&mut self, now: Timestamp, participant: Participant) -> Result<Vec<Effect>, Refusal> {
        let id = participant.id.clone();
        let joined = Input::Joined {
            participant: participant.clone(),
        };
        let mut effects = self.show.handle(now, joined.clone())?;
        self.requests.called(&id, &participant.name);
        self.stage.called(&id, &participant.name);
        self.people.joined(participant);
        if id == self.host || self.call.includes(&id) {
            effects.extend(self.call.handle(now, joined)?);
        }
        effects.extend(self.stage.joined(now, &id, &self.policy));
        Ok(effects)
    }

    fn left(&mut self, now: Timestamp, participant: ParticipantId) -> Result<Vec<Effect>, Refusal> {
        self.people.left(&participant);
        let mut effects: Vec<Effect> = self.requests.withdraw(&participant).into_iter().collect();
        effects.extend(self.stage.left(now, &participant, &self.policy));
        let left = Input::Left { participant };
        effects.extend(self.show.handle(now, left.clone())?);
        effects.extend(self.call.handle(now, left)?);
        Ok(effects)
    }

    fn acted(
        &mut self,
        now: Timestamp,
        participant: ParticipantId,
        action: Action,
    ) -> Result<Vec<Effect>, Refusal> {
        let name = action.name.clone();
        match (name.as_str(), participant == self.host) {
            // The next show is not begun out of a call that has outlived the last one.
            (GO_LIVE, true) if self.call.guest().is_some() && self.show.stream().is_none() => {
                Err(Refusal::because("Hang up first."))
            }
            (GO_LIVE | END_SHOW, _) => self.show.handle(
                now,
                Input::Acted {
                    participant,
                    action,
                },
            ),
            (HANG_UP, false) if !self.call.includes(&participant) => {
                Err(Refusal::because("You are not in a call."))
            }
            (HANG_UP, is_host) => {
                let pressed = Input::Acted {
                    participant,
                    action,
                };
                let mut effects = self.call.handle(now, pressed)?;
                if is_host {
                    effects.extend(self.call_is_over(now));
                    self.away = None;
                }
                Ok(effects)
            }
            (BACK_TO_SHOW, true) => self.back_to_show(),
            (ASK_CALL, false) => self.ask(now, &participant, Wants::Call),
            (ASK_STAGE, false) => self.ask(now, &participant, Wants::Stage),
            (WITHDRAW, false) => match self.requests.withdraw(&participant) {
                Some(effect) => Ok(vec![effect]),
                None => Err(Refusal::because("You have not asked for anything.")),
            },
            (LEAVE_STAGE, false) => self
                .stage
                .take_down(&participant)
                .ok_or_else(|| Refusal::because("You are not on stage.")),
            (ACCEPT, true) => self.accept(now, &target(action)?),
            (DECLINE, true) => self.decline(&target(action)?),
            (TAKE_DOWN, true) => self.take_down(&target(action)?),
            (ACCEPT | DECLINE | TAKE_DOWN | BACK_TO_SHOW, false) => {
                Err(Refusal::because("Only the host can do that."))
            }
            (other, _) => Err(Refusal::because(format!(
                "There is no button \"{other}\" here."
            ))),
        }
    }

    fn ask(
        &mut self,
        now: Timestamp,
        who: &ParticipantId,
        wants: Wants,
    ) -> Result<Vec<Effect>, Refusal> {
        self.may_ask(who, wants)?;
        let Some(person) = self.people.get(who) else {
            return Err(Refusal::because("Reload the page to join."));
        };
        let name = person.name.clone();
        let words = wants.asks();
        let tell_host = Effect::Notice {
            to: self.host.clone(),
            text: format!("{name} {words}."),
        };
        let deadline = self.requests.add(now, who, name, wants, &self.policy);
        Ok(vec![deadline, tell_host])
    }

    /// Whether somebody may ask for that now; the page offers it by the same answer.
    fn may_ask(&self, who: &ParticipantId, wants: Wants) -> Result<(), Refusal> {
        let refuse = |reason: &str| Err(Refusal::because(reason));
        if self.show.stream().is_none_or(|show| show.since().is_none()) {
            return refuse("The show is not on.");
        }
        if self.call.includes(who) {
            return refuse("You are in a call already.");
        }
        if wants == Wants::Stage && !self.policy.stage {
            return refuse("Nobody comes on stage in this show.");
        }
        if wants == Wants::Stage && self.stage.holds(who) {
            return refuse("You are on stage already.");
        }
        if self.requests.of(who).is_some() {
            return refuse("You have asked already.");
        }
        if self.requests.is_full(&self.policy) {
            return refuse("Too many people are waiting. Try again in a while.");
        }
        Ok(())
    }

    fn accept(&mut self, now: Timestamp, who: &ParticipantId) -> Result<Vec<Effect>, Refusal> {
        let Some(request) = self.requests.of(who) else {
            return Err(Refusal::because("They do not ask for anything any more."));
        };
        let (wants, name) = (request.wants, request.name.clone());
        self.may_accept(wants)?;
        let mut effects: Vec<Effect> = self.requests.withdraw(who).into_iter().collect();
        match wants {
            Wants::Stage => effects.extend(self.stage.bring_up(who, name, &self.policy)),
            Wants::Call => {
                effects.extend(self.stage.take_down(who).unwrap_or_default());
                let guest = Participant {
                    id: who.clone(),
                    name,
                    seat: Seat::Guest,
                };
                let sending = self.people.sending(who);
                for input in [
                    Input::Joined { participant: guest },
                    Input::Switched {
                        participant: who.clone(),
                        sending,
                    },
                    pressed(&self.host, CALL),
                    pressed(who, JOIN_CALL),
                ] {
                    effects.extend(self.call.handle(now, input)?);
                }
                // From one call to the next they have been away all the time.
                let since = self.away.as_ref().map_or(now, |away| away.since);
                self.away = Some(Away {
                    guest: Some(who.clone()),
                    since,
                });
            }
        }
        Ok(effects)
    }

    /// Whether the host may say yes to that now; the page offers it by the same answer.
    fn may_accept(&self, wants: Wants) -> Result<(), Refusal> {
        match wants {
            Wants::Call if self.call.guest().is_some() => {
                Err(Refusal::because("You are in a call already."))
            }
            // Who is not here is not called away from the show.
            Wants::Call if !self.people.has(&self.host) => {
                Err(Refusal::because("Reload the page to join."))
            }
            Wants::Stage if !self.stage.is_empty() => {
                Err(Refusal::because("Somebody is on stage already."))
            }
            Wants::Call | Wants::Stage => Ok(()),
        }
    }

    fn decline(&mut self, who: &ParticipantId) -> Result<Vec<Effect>, Refusal> {
        let Some(cleared) = self.requests.withdraw(who) else {
            return Err(Refusal::because("They do not ask for anything any more."));
        };
        let tell = Effect::Notice {
            to: who.clone(),
            text: format!("{} cannot do that now.", self.host_name),
        };
        Ok(vec![cleared, tell])
    }

    fn back_to_show(&mut self) -> Result<Vec<Effect>, Refusal> {
        // Who is not here is not put on air.
        if !self.people.has(&self.host) {
            return Err(Refusal::because("Reload the page to join."));
        }
        if self.call.guest().is_some() {
            return Err(Refusal::because("Hang up first."));
        }
        match self.away.take() {
            Some(_) => Ok(vec![]),
            None => Err(Refusal::because("You are not away from the show.")),
        }
    }

    fn take_down(&mut self, who: &ParticipantId) -> Result<Vec<Effect>, Refusal> {
        let Some(mut effects) = self.stage.take_down(who) else {
            return Err(Refusal::because("They are not on stage."));
        };
        effects.push(stage::tell_taken_down(who));
        Ok(effects)
    }

    /// Something happened to a stream.
    fn happened(
        &mut self,
        now: Timestamp,
        slot: &Slot,
        input: Input,
    ) -> Result<Vec<Effect>, Refusal> {
        match slot.name.as_str() {
            SHOW => self.show.handle(now, input),
            CALL_HOST | CALL_GUEST => self.call.handle(now, input),
            STAGE => Ok(self
                .stage
                .happened(now, input, &self.people, &self.host, &self.policy)),
            _ => Ok(vec![]),
        }
    }

    fn deadline_passed(
        &mut self,
        now: Timestamp,
        deadline: Deadline,
    ) -> Result<Vec<Effect>, Refusal> {
        if let Some(who) = self.requests.expired(&deadline) {
            return Ok(vec![Effect::Notice {
                to: who,
                text: format!("{} has not answered. You can ask again.", self.host_name),
            }]);
        }
        let effects = self.stage.deadline_passed(&deadline, &self.people);
        let passed = Input::DeadlinePassed { deadline };
        let effects = join(effects, self.show.handle(now, passed.clone())?);
        Ok(join(effects, self.call.handle(now, passed)?))
    }

    /// Draws the consequences for the other parts when the show or the call has ended.
    fn settle(&mut self, now: Timestamp) -> Vec<Effect> {
        let mut effects = Vec::new();
        if self.show.stream().is_none() {
            effects.extend(self.requests.clear());
            effects.extend(self.stage.clear());
        }
        if self.call.guest().is_none() {
            effects.extend(self.call_is_over(now));
            // There is no show to come back to; the next one is begun by a press of its own.
            if self.show.stream().is_none() {
                self.away = None;
            }
        }
        effects
    }

    /// Tells the two that their call has ended, unless they know. The host stays away from the show.
    fn call_is_over(&mut self, now: Timestamp) -> Vec<Effect> {
        let Some(guest) = self.away.as_mut().and_then(|away| away.guest.take()) else {
            return vec![];
        };
        let (headline, reason) = self.how_the_call_ended();
        let words = match reason {
            Some(reason) => format!("{headline}: {reason}"),
            None => format!("{headline}."),
        };
        let tell = |to: &ParticipantId| Effect::Notice {
            to: to.clone(),
            text: words.clone(),
        };
        let effects = vec![tell(&self.host), tell(&guest)];
        // From here on they are one of the audience, and the call does not know them.
        let left = Input::Left { participant: guest };
        join(effects, self.call.handle(now, left).unwrap_or_default())
    }

    /// What the host is told of a call that is not on any more; the reason, if it could not be made.
    fn how_the_call_ended(&self) -> (String, Option<String>) {
        let after = self.call.view(&self.host);
        let failed = after.phase != Phase::Ended;
        (after.headline, failed.then_some(after.detail))
    }

    /// The show's stream once it can be played.
    fn on_air(&self) -> Option<&Stream> {
        self.show.stream().filter(|show| show.since().is_some())
    }
}

/// Whether somebody is told something among `effects`.
fn tells(effects: &[Effect], whom: &ParticipantId) -> bool {
    let told = |effect: &Effect| matches!(effect, Effect::Notice { to, .. } if to == whom);
    effects.iter().any(told)
}

/// Whom a button is about.
fn target(action: Action) -> Result<ParticipantId, Refusal> {
    action
        .target
        .ok_or_else(|| Refusal::because("Whom do you mean?"))
}

fn pressed(who: &ParticipantId, action: &str) -> Input {
    Input::Acted {
        participant: who.clone(),
        action: Action::named(action),
    }
}

fn join(mut effects: Vec<Effect>, more: Vec<Effect>) -> Vec<Effect> {
    effects.extend(more);
    effects
}
