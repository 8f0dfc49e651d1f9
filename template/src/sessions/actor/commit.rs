//! (3) Writing a step, and (4) doing what follows from it.

use std::sync::Arc;

use session::{Effect, Slot};
use tokio::time::Instant;

use super::{Actor, Due, Held, SETBACK, not_saved};
use crate::sessions::step::{After, Step};
use crate::sessions::store::{self, Changes};
use crate::store::StoreError;

impl Actor {
    /// (3) Writes the step, and (4) does what follows from it.
    pub(super) async fn finish(&mut self, step: Step) -> Result<(), StoreError> {
        if !step.changes.is_empty()
            && let Err(error) = self.write(&step.changes).await
        {
            tracing::error!(session = %self.session, %error, "a step could not be written; it is as if it had not been");
            return self.take_back(step);
        }
        self.start_work();
        // Views follow from the state, and the state from inputs alone.
        let changed = !step.changes.inputs.is_empty();
        for after in step.after {
            match after {
                After::Welcome {
                    participant,
                    seat,
                    resume,
                    out,
                    answer,
                } => {
                    let (audience, machine) = (&mut self.audience, &*self.machine);
                    let line = audience.connect(&participant, seat, resume.as_ref(), out, machine);
                    if answer.send(Ok(line)).is_err() {
                        // The page was gone before it came in.
                        self.audience.disconnected(&participant, line);
                    }
                }
                After::Forget(participant) => self.audience.remove(&participant),
                After::Notice(to, text) => self.audience.notice(&to, text),
                After::Tell(answer) => {
                    let _ = answer.send(());
                }
            }
        }
        if changed {
            self.audience.publish(&*self.machine);
        }
        for answer in step.answers {
            self.audience
                .answer(&answer.participant, answer.id, answer.outcome);
        }
        self.shared.metrics.cut.inc_by(self.audience.cut());
        Ok(())
    }

    async fn write(&mut self, changes: &Changes) -> Result<(), StoreError> {
        let state = self.machine.state()?;
        let (session, first) = (Arc::clone(&self.session), self.inputs);
        let (changes, stored) = (changes.clone(), state.clone());
        let (rows, changes) = self
            .shared
            .store
            .run(move |connection| {
                let rows = store::write(connection, &session, first, &stored, &changes)?;
                Ok((rows, changes))
            })
            .await?;
        self.stored = state;
        self.inputs += changes.inputs.len() as u64;
        for row in &changes.settled {
            self.outbox.remove(row);
            if let Some(task) = self.working.remove(row) {
                task.abort();
            }
        }
        self.outbox.extend(rows.into_iter().zip(changes.queued));
        for (slot, made) in changes.streams {
            let told = self.streams.get(&slot).map_or(0, |held| held.told);
            self.streams.insert(
                slot,
                Held {
                    told,
                    ..Held::new(made)
                },
            );
        }
        for slot in &changes.ended {
            self.streams.remove(slot);
        }
        for (deadline, at) in changes.deadlines {
            match at {
                Some(at) => self.deadlines.insert(deadline, Due::at(at)),
                None => self.deadlines.remove(&deadline),
            };
        }
        Ok(())
    }

    /// Goes back to where the last step ended. What the world did is tried again; people are told.
    fn take_back(&mut self, step: Step) -> Result<(), StoreError> {
        self.machine = (self.kind.restore)(&self.stored)?;
        self.setback = Some(Instant::now() + SETBACK);
        self.unwritten.extend(step.done);
        for after in step.after {
            if let After::Welcome { answer, .. } = after {
                let _ = answer.send(Err(not_saved()));
            }
        }
        for answer in step.answers {
            self.audience
                .answer(&answer.participant, answer.id, Err(not_saved()));
        }
        Ok(())
    }

    /// Begins with every effect that waits, but one at a time for each slot.
    pub(super) fn start_work(&mut self) {
        if self.setback.is_some() {
            return;
        }
        let mut busy: Vec<&Slot> = Vec::new();
        for (row, effect) in &self.outbox {
            let (Effect::Provision { slot, .. } | Effect::End { slot }) = effect else {
                continue;
            };
            let first = !busy.contains(&slot);
            busy.push(slot);
            let settling = self.unwritten.iter().any(|(unwritten, _)| unwritten == row);
            if !first || settling || self.working.contains_key(row) {
                continue;
            }
            let known = self.streams.get(slot).map(|held| held.made.clone());
            let (row, effect, again) = (*row, effect.clone(), *row <= self.inherited);
            let hands = self.hands.clone();
            let task = self.work.spawn(async move {
                let outcome = hands.carry_out(effect, known, again).await;
                (row, outcome)
            });
            self.working.insert(row, task);
        }
    }
}
