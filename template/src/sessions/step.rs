//! One step of a session: what was taken in together and is written together, or not at all.

use std::collections::BTreeMap;

use session::{Deadline, Effect, ParticipantId, Refusal, Seat, Timestamp};
use tokio::sync::{mpsc, oneshot};

use super::audience::{Outgoing, Resume};
use super::effects::Outcome;
use super::store::Changes;

/// What is gathered while inputs are taken in.
#[derive(Default)]
pub(super) struct Step {
    /// What is to be written.
    pub(super) changes: Changes,
    /// What follows once it is written.
    pub(super) after: Vec<After>,
    /// What is answered once everybody has been told how things stand.
    pub(super) answers: Vec<Answer>,
    /// Effects that are done with this step; if it cannot be written, they are settled by a later one.
    pub(super) done: Vec<(i64, Outcome)>,
}

/// What follows once a step is written.
pub(super) enum After {
    /// A page that may come in.
    Welcome {
        participant: ParticipantId,
        seat: Seat,
        resume: Option<Resume>,
        out: mpsc::Sender<Outgoing>,
        answer: oneshot::Sender<Result<u64, Refusal>>,
    },
    /// Somebody who has left.
    Forget(ParticipantId),
    /// Something to tell somebody once.
    Notice(ParticipantId, String),
    /// Somebody who waits until it is written.
    Tell(oneshot::Sender<()>),
}

/// The answer to an act.
pub(super) struct Answer {
    pub(super) participant: ParticipantId,
    pub(super) id: String,
    pub(super) outcome: Result<(), Refusal>,
}

impl Step {
    /// How much was taken in.
    pub(super) fn len(&self) -> usize {
        self.changes.inputs.len() + self.after.len() + self.answers.len()
    }

    /// Whether somebody joined in this very step.
    pub(super) fn joined(&self, participant: &ParticipantId) -> bool {
        let news = self.changes.present.iter().rev();
        let mut news = news.filter(|(who, _)| who == participant);
        news.next().is_some_and(|(_, here)| *here)
    }

    /// Whether somebody comes in with this step.
    pub(super) fn welcomes(&self, participant: &ParticipantId) -> bool {
        let is = |after: &After| matches!(after, After::Welcome { participant: p, .. } if p == participant);
        self.after.iter().any(is)
    }

    /// Whether this step answers an act of that id.
    pub(super) fn answers(&self, participant: &ParticipantId, id: &str) -> bool {
        let mut answers = self.answers.iter();
        answers.any(|answer| answer.participant == *participant && answer.id == id)
    }

    /// What this step does to a deadline: moves it, clears it, or nothing.
    pub(super) fn deadline(&self, deadline: &Deadline) -> Option<Option<Timestamp>> {
        let mut changes = self.changes.deadlines.iter().rev();
        let change = changes.find(|(name, _)| name == deadline);
        change.map(|(_, at)| *at)
    }

    /// Takes an effect down, given those that wait to be carried out.
    pub(super) fn note(&mut self, effect: Effect, outbox: &BTreeMap<i64, Effect>) {
        match effect {
            Effect::SetDeadline { deadline, at } => {
                self.changes.deadlines.push((deadline, Some(at)))
            }
            Effect::ClearDeadline { deadline } => self.changes.deadlines.push((deadline, None)),
            Effect::End { slot } => {
                // A stream that is still being made is not wanted any more. Its task is stopped once that is written,
                // and the end then looks for what it may have left at Livepeer.
                let unwanted = |effect: &Effect| matches!(effect, Effect::Provision { slot: s, .. } if *s == slot);
                let rows = outbox.iter().filter(|(_, effect)| unwanted(effect));
                self.changes.settled.extend(rows.map(|(row, _)| *row));
                self.changes.queued.retain(|effect| !unwanted(effect));
                self.changes.queued.push(Effect::End { slot });
            }
            Effect::Provision { .. } | Effect::Notice { .. } => self.changes.queued.push(effect),
        }
    }
}
