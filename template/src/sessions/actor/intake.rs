//! (2) Taking in what has happened, as inputs to the architecture.

use std::sync::Arc;

use session::{
    Action, Deadline, Effect, Input, Participant, ParticipantId, Refusal, Slot, Timestamp,
};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinError;
use tokio::time::Instant;

use super::{Actor, SETBACK, not_saved};
use crate::clock;
use crate::kind::Machine;
use crate::sessions::ask::{Ask, Denied, News, Right};
use crate::sessions::audience::{Outgoing, Resume};
use crate::sessions::effects::Outcome;
use crate::sessions::step::{After, Answer, Step};
use crate::sessions::store::{self, Made};

impl Actor {
    /// Somebody asks.
    pub(super) async fn asked(&mut self, step: &mut Step, ask: Ask) {
        match ask {
            Ask::Connect {
                participant,
                resume,
                out,
                answer,
            } => self.connecting(step, participant, resume, out, answer),
            Ask::Disconnected { participant, line } => {
                self.audience.disconnected(&participant, line)
            }
            Ask::Act {
                participant,
                line,
                id,
                action,
            } => self.acted(step, participant, line, id, action).await,
            Ask::Called {
                participant,
                answer,
            } => {
                // Who is not here comes with their name when they come.
                if self.audience.has(&participant.id) {
                    self.said(step, Input::Joined { participant });
                }
                step.after.push(After::Tell(answer));
            }
            Ask::Switched {
                participant,
                line,
                sending,
            } => {
                if self.audience.holds(&participant, line) {
                    let input = Input::Switched {
                        participant,
                        sending,
                    };
                    self.said(step, input);
                }
            }
            Ask::Credential {
                participant,
                line,
                slot,
                right,
                answer,
            } => {
                // Nobody waits any more if this fails.
                let _ = answer.send(self.credential(&participant, line, &slot, right));
            }
            Ask::Observe {
                slot,
                stream_id,
                news,
                answer,
            } => {
                self.observed(step, slot, &stream_id, news);
                step.after.push(After::Tell(answer));
            }
        }
    }

    fn connecting(
        &mut self,
        step: &mut Step,
        participant: Participant,
        resume: Option<Resume>,
        out: mpsc::Sender<Outgoing>,
        answer: oneshot::Sender<Result<u64, Refusal>>,
    ) {
        let (id, seat) = (participant.id.clone(), participant.seat);
        if !self.audience.has(&id) && !step.joined(&id) {
            let joined = Input::Joined { participant };
            if let Err(refusal) = self.handle(step, joined, None) {
                let _ = answer.send(Err(refusal));
                return;
            }
            step.changes.present.push((id.clone(), true));
        }
        step.after.push(After::Welcome {
            participant: id,
            seat,
            resume,
            out,
            answer,
        });
    }

    async fn acted(
        &mut self,
        step: &mut Step,
        participant: ParticipantId,
        line: u64,
        id: String,
        action: Action,
    ) {
        if !self.audience.holds(&participant, line)
            || self.audience.answered(&participant, line, &id)
            || step.answers(&participant, &id)
        {
            return;
        }
        self.audience.acts(&participant, line);
        // Before a restart, or in an epoch that this person has left behind, it may have been carried out already.
        let key = format!("{participant} {id}");
        let session = Arc::clone(&self.session);
        let known = key.clone();
        let outcome = match self
            .shared
            .store
            .run(move |connection| store::acted(connection, &session, &known))
            .await
        {
            Ok(true) => Ok(()),
            Ok(false) => {
                let participant = participant.clone();
                let acted = Input::Acted {
                    participant,
                    action,
                };
                self.handle(step, acted, Some(key))
            }
            Err(_) => Err(not_saved()),
        };
        step.answers.push(Answer {
            participant,
            id,
            outcome,
        });
    }

    /// Somebody says something of themselves, perhaps for the tenth time: pages say what is switched on at every turn, to
    /// be sure that it is known. What tells nothing new is not worth a place in the log.
    fn said(&mut self, step: &mut Step, input: Input) {
        let state = |machine: &dyn Machine| machine.state().ok();
        let (now, before) = (clock::now(), state(&*self.machine));
        match self.machine.handle(now, input.clone()) {
            Ok(effects) if effects.is_empty() && before == state(&*self.machine) => {}
            Ok(effects) => self.took(step, now, input, None, effects),
            Err(refusal) => refused(&self.session, &refusal),
        }
    }

    fn credential(
        &self,
        participant: &ParticipantId,
        line: Option<u64>,
        slot: &Slot,
        right: Right,
    ) -> Result<Made, Denied> {
        // A page that does not hear what is to be sent by now must not go on with what it sent before, least of all where
        // another page of the same person has taken its place.
        let hears = line.is_none_or(|line| self.audience.holds(participant, line));
        if right == Right::Publish && !hears {
            return Err(Denied::NotInView);
        }
        let view = self.machine.view(participant);
        let may = match right {
            Right::Publish => view.may_publish(slot),
            Right::Play => view.may_play(slot),
        };
        if !may {
            return Err(Denied::NotInView);
        }
        let held = self.streams.get(slot).ok_or(Denied::NotThere)?;
        // The View is the permission. That a View can err must not open what is for a few people alone.
        let meant = match right {
            Right::Publish => held.made.publisher == *participant,
            Right::Play => held.made.may_be_played_by(participant),
        };
        if !meant {
            tracing::error!(session = %self.session, %slot, ?right, "a View shows a stream to somebody for whom it is not");
            return Err(Denied::NotInView);
        }
        Ok(held.made.clone())
    }

    fn observed(&mut self, step: &mut Step, slot: Slot, stream_id: &str, news: News) {
        let Some(held) = self
            .streams
            .get_mut(&slot)
            .filter(|held| held.made.id == stream_id)
        else {
            return;
        };
        let active = match news {
            // Asked before we knew better.
            News::Seen { at, .. } if at < held.changed => return,
            // Overtaken by a later delivery.
            News::Told { at, .. } if at < held.told => return,
            News::Seen { active, .. } => active,
            News::Told { active, at } => {
                held.told = at;
                active
            }
            News::Gone => {
                let ending =
                    |effect: &Effect| matches!(effect, Effect::End { slot: s } if *s == slot);
                if !self.outbox.values().any(ending) {
                    step.changes.ended.push(slot.clone());
                    self.happened(step, Input::Ended { slot });
                }
                return;
            }
        };
        if active == held.made.active {
            return;
        }
        let made = Made {
            active,
            ..held.made.clone()
        };
        step.changes.streams.push((slot.clone(), made));
        let input = match active {
            true => Input::Started { slot },
            false => Input::Idle { slot },
        };
        self.happened(step, input);
    }

    /// An effect is done, or its task has died.
    pub(super) fn worked(&mut self, step: &mut Step, done: Result<(i64, Outcome), JoinError>) {
        match done {
            Ok((row, outcome)) => {
                self.working.remove(&row);
                self.settle(step, row, outcome);
            }
            Err(died) => {
                self.working.retain(|_, task| task.id() != died.id());
                if died.is_panic() {
                    tracing::error!(session = %self.session, "an effect's task died; it is begun again");
                    self.setback = Some(Instant::now() + SETBACK);
                }
            }
        }
    }

    fn settle(&mut self, step: &mut Step, row: i64, outcome: Outcome) {
        // What is not in the outbox any more was called off while it was carried out.
        let (Some(effect), false) = (self.outbox.get(&row), step.changes.settled.contains(&row))
        else {
            return;
        };
        let (Effect::Provision { slot, .. } | Effect::End { slot }) = effect.clone() else {
            return;
        };
        step.changes.settled.push(row);
        step.done.push((row, outcome.clone()));
        let input = match outcome {
            Outcome::Provisioned(Ok(made)) => {
                step.changes.streams.push((slot.clone(), made));
                Input::Provisioned { slot }
            }
            Outcome::Provisioned(Err(reason)) => Input::ProvisionFailed { slot, reason },
            Outcome::Ended => {
                step.changes.ended.push(slot.clone());
                Input::Ended { slot }
            }
        };
        self.happened(step, input);
    }

    /// Whatever was to happen by now.
    pub(super) fn time_passed(&mut self, step: &mut Step) {
        for (row, outcome) in std::mem::take(&mut self.unwritten) {
            self.settle(step, row, outcome);
        }
        for participant in self.audience.leaving(Instant::now()) {
            // Back at the last moment.
            if step.welcomes(&participant) {
                continue;
            }
            step.changes.present.push((participant.clone(), false));
            self.happened(
                step,
                Input::Left {
                    participant: participant.clone(),
                },
            );
            step.after.push(After::Forget(participant));
        }
        let passed: Vec<Deadline> = self
            .deadlines
            .iter()
            .filter(|(_, due)| due.passed())
            .map(|(deadline, _)| deadline.clone())
            .collect();
        for deadline in passed {
            // Another input of this step may have moved it.
            if step.deadline(&deadline).is_none() {
                step.changes.deadlines.push((deadline.clone(), None));
                self.happened(step, Input::DeadlinePassed { deadline });
            }
        }
        // Notices go out as soon as there is somebody to read them, and not at all to who has left.
        for (row, effect) in &self.outbox {
            if let Effect::Notice { to, text } = effect
                && self.due(effect)
            {
                step.changes.settled.push(*row);
                step.after.push(After::Notice(to.clone(), text.clone()));
            }
        }
    }

    /// Whether a notice can go out, or will never be able to.
    pub(super) fn due(&self, effect: &Effect) -> bool {
        match effect {
            Effect::Notice { to, .. } => self.audience.reaches(to) || !self.audience.has(to),
            _ => false,
        }
    }

    /// Gives news of the world to the architecture, which has no say in whether it happened.
    fn happened(&mut self, step: &mut Step, input: Input) {
        if let Err(refusal) = self.handle(step, input, None) {
            refused(&self.session, &refusal);
        }
    }

    /// Gives an input to the architecture and notes its effects.
    fn handle(
        &mut self,
        step: &mut Step,
        input: Input,
        act: Option<String>,
    ) -> Result<(), Refusal> {
        let now = clock::now();
        let effects = self.machine.handle(now, input.clone())?;
        self.took(step, now, input, act, effects);
        Ok(())
    }

    /// Notes an input that the architecture has taken, and its effects.
    fn took(
        &self,
        step: &mut Step,
        now: Timestamp,
        input: Input,
        act: Option<String>,
        effects: Vec<Effect>,
    ) {
        step.changes.inputs.push((now, input, act));
        for effect in effects {
            step.note(effect, &self.outbox);
        }
    }
}

fn refused(session: &str, refusal: &Refusal) {
    tracing::warn!(session, %refusal, "the architecture refused news of the world");
}
