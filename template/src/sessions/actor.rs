//! One session at work: a task that owns its state, so that nothing in it ever happens twice at once.
//!
//! The loop, round and round:
//!
//! 1. Wait until something happens: somebody asks, an effect is done, a time has come.
//! 2. Take in all that has happened by now as one [`Step`]: each input goes to the architecture.
//! 3. Write the step in one transaction: inputs, state, effects. If that fails, the step has never been.
//! 4. Carry out its effects, tell everybody their changed View, and answer who asked.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use session::{
    Action, Deadline, Effect, Input, Participant, ParticipantId, Refusal, Slot, Timestamp,
};
use tokio::sync::{mpsc, oneshot};
use tokio::task::{AbortHandle, JoinError, JoinSet};
use tokio::time::Instant;

use super::audience::{Audience, Outgoing, Resume};
use super::effects::{Hands, Outcome};
use super::step::{After, Answer, Step};
use super::store::{Changes, Made, Saved};
use super::{Shared, store};
use crate::architectures::{Kind, Machine};
use crate::clock;
use crate::store::StoreError;

/// How much is taken in as one step, at most. Arbitrary: it bounds the time until the first who asked is answered.
const STEP: usize = 64;
/// The wait after the database failed, or an effect's task died.
const SETBACK: Duration = Duration::from_secs(1);
/// How long a session stays in memory when nobody and nothing needs it.
const LINGER: Duration = Duration::from_secs(30);

/// What is asked of a session.
pub(crate) enum Ask {
    /// Somebody opened a page.
    Connect {
        participant: Participant,
        /// How far they had come, if this is not the first time.
        resume: Option<Resume>,
        /// Where their messages go.
        out: mpsc::Sender<Outgoing>,
        /// The number of their line.
        answer: oneshot::Sender<Result<u64, Refusal>>,
    },
    /// A page is gone.
    Disconnected {
        participant: ParticipantId,
        line: u64,
    },
    /// Somebody pressed a button. The answer goes to their lines.
    Act {
        participant: ParticipantId,
        line: u64,
        /// The page's own id of it.
        id: String,
        action: Action,
    },
    /// Somebody wants a credential, which is theirs while the stream stands in their View.
    Credential {
        participant: ParticipantId,
        slot: Slot,
        right: Right,
        answer: oneshot::Sender<Result<Made, Denied>>,
    },
    /// Livepeer says how a stream is.
    Observe {
        slot: Slot,
        stream_id: String,
        news: News,
        answer: oneshot::Sender<()>,
    },
}

/// What a credential is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Right {
    Publish,
    Play,
}

/// Why there is no credential.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Denied {
    /// The stream does not stand in that person's View.
    NotInView,
    /// It does, but it is not there: it is gone, and the news of it on its way.
    NotThere,
}

/// How a stream is at Livepeer.
#[derive(Clone, Copy, Debug)]
pub(crate) enum News {
    /// Seen when we asked at that time.
    Seen { active: bool, at: Instant },
    /// Told by a webhook about that time of Livepeer's clock, in milliseconds.
    Told { active: bool, at: u64 },
    /// It does not exist any more.
    Gone,
}

/// A stream of this session, and when it was last heard of.
struct Held {
    made: Made,
    changed: Instant,
    told: u64,
}

pub(super) struct Actor {
    shared: Arc<Shared>,
    session: Arc<str>,
    kind: &'static Kind,
    machine: Box<dyn Machine>,
    /// The state as it is stored, to go back to when a step cannot be written.
    stored: String,
    /// How many inputs are stored.
    inputs: u64,
    inbox: mpsc::Receiver<Ask>,
    audience: Audience,
    streams: BTreeMap<Slot, Held>,
    deadlines: BTreeMap<Deadline, Timestamp>,
    outbox: BTreeMap<i64, Effect>,
    /// Up to this row, effects are from before a restart.
    inherited: i64,
    hands: Hands,
    work: JoinSet<(i64, Outcome)>,
    working: HashMap<i64, AbortHandle>,
    /// Outcomes that could not be written yet.
    unwritten: Vec<(i64, Outcome)>,
    /// Nothing is tried before that time.
    setback: Option<Instant>,
    /// Since when nobody and nothing has needed this session.
    idle: Option<Instant>,
}

impl Actor {
    /// A session as it was left.
    pub(super) fn new(
        shared: Arc<Shared>,
        kind: &'static Kind,
        machine: Box<dyn Machine>,
        saved: Saved,
        inbox: mpsc::Receiver<Ask>,
    ) -> Actor {
        let mut audience = Audience::new(shared.leave);
        for participant in saved.present {
            // After a restart all come back at once, and some will have waited with it.
            audience.expect(participant, shared.leave * 3);
        }
        let hold = |(slot, made)| (slot, Held::new(made));
        let session: Arc<str> = saved.record.id.into();
        Actor {
            kind,
            machine,
            stored: saved.state,
            inputs: saved.inputs,
            inbox,
            audience,
            streams: saved.streams.into_iter().map(hold).collect(),
            deadlines: saved.deadlines,
            inherited: saved.outbox.last_key_value().map_or(0, |(row, _)| *row),
            outbox: saved.outbox,
            hands: Hands {
                session: Arc::clone(&session),
                title: saved.record.title.into(),
                streams: shared.streams.clone(),
                metrics: Arc::clone(&shared.metrics),
            },
            session,
            shared,
            work: JoinSet::new(),
            working: HashMap::new(),
            unwritten: Vec::new(),
            setback: None,
            idle: None,
        }
    }

    /// Runs until the app stops or nobody needs the session any more.
    pub(super) async fn run(mut self) {
        self.start_work();
        loop {
            let wake = self.wake();
            let mut step = Step::default();
            // (1) and (2)
            tokio::select! {
                biased;
                () = self.shared.stopping.cancelled() => return,
                Some(done) = self.work.join_next(), if !self.work.is_empty() => self.worked(&mut step, done),
                () = tokio::time::sleep_until(wake) => {}
                ask = self.inbox.recv() => match ask {
                    Some(ask) => self.asked(&mut step, ask).await,
                    None => return,
                },
            }
            while step.len() < STEP {
                let Ok(ask) = self.inbox.try_recv() else {
                    break;
                };
                self.asked(&mut step, ask).await;
            }
            if self.setback.is_none_or(|until| until <= Instant::now()) {
                self.setback = None;
                self.time_passed(&mut step);
            }
            if let Err(error) = self.finish(step).await {
                tracing::error!(session = %self.session, %error, "the session cannot go on; it is loaded anew");
                return;
            }
            if self.may_unload() && self.shared.unload(&self.session, &self.inbox).await {
                return;
            }
        }
    }

    /// When something is to be done even if nobody asks.
    fn wake(&self) -> Instant {
        let now = Instant::now();
        let clock = clock::now();
        let deadline = self.deadlines.values().min();
        let deadline = deadline.map(|at| now + Duration::from_millis(at.0.saturating_sub(clock.0)));
        let unload = self.idle.map(|since| since + LINGER);
        let notice = self.outbox.values().any(|effect| self.due(effect));
        let notice = notice.then_some(now);
        let times = [deadline, self.audience.next_leaving(), unload, notice];
        let wake = times.into_iter().flatten().min();
        match self.setback {
            Some(until) => wake.map_or(until, |wake| wake.max(until)),
            None => wake.unwrap_or(now + Duration::from_secs(3600)),
        }
    }

    async fn asked(&mut self, step: &mut Step, ask: Ask) {
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
            Ask::Credential {
                participant,
                slot,
                right,
                answer,
            } => {
                // Nobody waits any more if this fails.
                let _ = answer.send(self.credential(&participant, &slot, right));
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
            || self.audience.answered(&participant, &id)
            || step.answers(&participant, &id)
        {
            return;
        }
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

    fn credential(
        &self,
        participant: &ParticipantId,
        slot: &Slot,
        right: Right,
    ) -> Result<Made, Denied> {
        let view = self.machine.view(participant);
        let may = match right {
            Right::Publish => view.may_publish(slot),
            Right::Play => view.may_play(slot),
        };
        if !may {
            return Err(Denied::NotInView);
        }
        let held = self.streams.get(slot).ok_or(Denied::NotThere)?;
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
    fn worked(&mut self, step: &mut Step, done: Result<(i64, Outcome), JoinError>) {
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

    fn time_passed(&mut self, step: &mut Step) {
        for (row, outcome) in std::mem::take(&mut self.unwritten) {
            self.settle(step, row, outcome);
        }
        for participant in self.audience.leaving(Instant::now()) {
            step.changes.present.push((participant.clone(), false));
            self.happened(
                step,
                Input::Left {
                    participant: participant.clone(),
                },
            );
            step.after.push(After::Forget(participant));
        }
        let now = clock::now();
        let passed: Vec<Deadline> = self
            .deadlines
            .iter()
            .filter(|(_, at)| **at <= now)
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
    fn due(&self, effect: &Effect) -> bool {
        match effect {
            Effect::Notice { to, .. } => self.audience.reaches(to) || !self.audience.has(to),
            _ => false,
        }
    }

    /// Gives news of the world to the architecture, which has no say in whether it happened.
    fn happened(&mut self, step: &mut Step, input: Input) {
        if let Err(refusal) = self.handle(step, input, None) {
            tracing::warn!(session = %self.session, %refusal, "the architecture refused news of the world");
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
        step.changes.inputs.push((now, input, act));
        for effect in effects {
            step.note(effect, &self.outbox);
        }
        Ok(())
    }

    /// (3) Writes the step, and (4) does what follows from it.
    async fn finish(&mut self, step: Step) -> Result<(), StoreError> {
        if !step.changes.is_empty()
            && let Err(error) = self.write(&step.changes).await
        {
            tracing::error!(session = %self.session, %error, "a step could not be written; it is as if it had not been");
            return self.take_back(step);
        }
        self.start_work();
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
        self.audience.publish(&*self.machine);
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
            self.streams.insert(slot, Held::new(made));
        }
        for slot in &changes.ended {
            self.streams.remove(slot);
        }
        for (deadline, at) in changes.deadlines {
            match at {
                Some(at) => self.deadlines.insert(deadline, at),
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
    fn start_work(&mut self) {
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

    /// Whether nobody and nothing has needed this session for a while.
    fn may_unload(&mut self) -> bool {
        let needed = !self.audience.is_empty()
            || !self.streams.is_empty()
            || !self.outbox.is_empty()
            || !self.deadlines.is_empty();
        if needed {
            self.idle = None;
            return false;
        }
        self.idle.get_or_insert_with(Instant::now).elapsed() >= LINGER
    }
}

impl Held {
    fn new(made: Made) -> Held {
        Held {
            made,
            changed: Instant::now(),
            told: 0,
        }
    }
}

fn not_saved() -> Refusal {
    Refusal::because("This could not be saved just now. Try again.")
}
