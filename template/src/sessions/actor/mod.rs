//! One session at work: a task that owns its state, so that nothing in it ever happens twice at once.
//!
//! The loop, round and round:
//!
//! 1. Wait until something happens: somebody asks, an effect is done, a time has come.
//! 2. Take in all that has happened by now as one [`Step`]: each input goes to the architecture.
//! 3. Write the step in one transaction: inputs, state, effects. If that fails, the step has never been.
//! 4. Carry out its effects, tell everybody their changed View, and answer who asked.

mod commit;
mod intake;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use session::{Deadline, Effect, Refusal, Slot, Timestamp};
use tokio::sync::mpsc;
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::Instant;

use super::Shared;
use super::ask::Ask;
use super::audience::Audience;
use super::effects::{Hands, Outcome};
use super::step::Step;
use super::store::{Made, Saved};
use crate::clock;
use crate::kind::{Kind, Machine};

/// How much is taken in as one step, at most. Arbitrary: it bounds the time until the first who asked is answered.
const STEP: usize = 64;
/// The wait after the database failed, or an effect's task died.
const SETBACK: Duration = Duration::from_secs(1);
/// How long a session stays in memory when nobody and nothing needs it.
const LINGER: Duration = Duration::from_millis(if cfg!(test) { 50 } else { 30_000 });

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
    deadlines: BTreeMap<Deadline, Due>,
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
        let due = |(deadline, at)| (deadline, Due::at(at));
        let session: Arc<str> = saved.record.id.into();
        Actor {
            kind,
            machine,
            stored: saved.state,
            inputs: saved.inputs,
            inbox,
            audience,
            streams: saved.streams.into_iter().map(hold).collect(),
            deadlines: saved.deadlines.into_iter().map(due).collect(),
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
        // Nothing is tried sooner than that, and what is to be tried again does not wait for anything else.
        if let Some(until) = self.setback {
            return until;
        }
        let deadline = self.deadlines.values().map(Due::next_look).min();
        let unload = self.idle.map(|since| since + LINGER);
        let notice = self.outbox.values().any(|effect| self.due(effect));
        let notice = notice.then_some(now);
        let times = [deadline, self.audience.next_leaving(), unload, notice];
        let wake = times.into_iter().flatten().min();
        wake.unwrap_or(now + Duration::from_secs(3600))
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

/// When a deadline passes: at that time of the wall clock, or when as long has gone by on one that nobody puts back.
struct Due {
    at: Timestamp,
    steady: Instant,
}

impl Due {
    fn at(at: Timestamp) -> Due {
        Due {
            at,
            steady: after_wall(at),
        }
    }

    fn passed(&self) -> bool {
        self.at <= clock::now() || self.steady <= Instant::now()
    }

    fn next_look(&self) -> Instant {
        self.steady.min(after_wall(self.at))
    }
}

/// When the wall clock will show that time, if it goes on as it does.
fn after_wall(at: Timestamp) -> Instant {
    Instant::now() + Duration::from_millis(at.0.saturating_sub(clock::now().0))
}

/// What somebody is told whose wish could not be written down.
fn not_saved() -> Refusal {
    Refusal::because("This could not be saved just now. Try again.")
}
