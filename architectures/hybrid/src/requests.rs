//! Viewers who ask for something, in the order in which they asked.

use serde::{Deserialize, Serialize};
use session::{Deadline, Effect, ParticipantId, Timestamp};

use crate::Policy;

/// What somebody asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Wants {
    /// A private call.
    Call,
    /// To come on stage.
    Stage,
}

impl Wants {
    pub(crate) fn asks(self) -> &'static str {
        match self {
            Wants::Call => "asks for a private call",
            Wants::Stage => "asks to come on stage",
        }
    }
}

/// One person who asks. Dropped when it is answered, withdrawn or too old, or when the person or the show is gone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Request {
    pub(crate) who: ParticipantId,
    pub(crate) name: String,
    pub(crate) wants: Wants,
    pub(crate) since: Timestamp,
    /// Which one it is of this session; its deadline is named by it.
    number: u32,
}

/// All who ask; everybody at most once.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Requests {
    waiting: Vec<Request>,
    /// How many there have been.
    count: u32,
}

impl Requests {
    pub(crate) fn of(&self, who: &ParticipantId) -> Option<&Request> {
        self.waiting.iter().find(|request| request.who == *who)
    }

    /// Notes what somebody calls themselves, if they ask for something.
    pub(crate) fn called(&mut self, who: &ParticipantId, name: &str) {
        let mut waiting = self.waiting.iter_mut();
        if let Some(request) = waiting.find(|request| request.who == *who) {
            request.name = name.to_owned();
        }
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Request> {
        self.waiting.iter()
    }

    pub(crate) fn is_full(&self, policy: &Policy) -> bool {
        self.waiting.len() >= policy.requests
    }

    /// Takes a request down; gives the effect that sets its deadline.
    pub(crate) fn add(
        &mut self,
        now: Timestamp,
        who: &ParticipantId,
        name: String,
        wants: Wants,
        policy: &Policy,
    ) -> Effect {
        self.count += 1;
        let request = Request {
            who: who.clone(),
            name,
            wants,
            since: now,
            number: self.count,
        };
        let deadline = request.deadline();
        self.waiting.push(request);
        Effect::SetDeadline {
            deadline,
            at: now.after(policy.request_seconds.duration()),
        }
    }

    /// Strikes somebody's request, if there is one; gives the effect that clears its deadline.
    pub(crate) fn withdraw(&mut self, who: &ParticipantId) -> Option<Effect> {
        let at = self.waiting.iter().position(|r| r.who == *who)?;
        let deadline = self.waiting.remove(at).deadline();
        Some(Effect::ClearDeadline { deadline })
    }

    /// Strikes the request whose deadline that is; gives whose it was.
    pub(crate) fn expired(&mut self, deadline: &Deadline) -> Option<ParticipantId> {
        let mut waiting = self.waiting.iter();
        let at = waiting.position(|r| r.deadline() == *deadline)?;
        Some(self.waiting.remove(at).who)
    }

    /// Strikes them all; gives the effects that clear their deadlines.
    pub(crate) fn clear(&mut self) -> Vec<Effect> {
        let clear = |request: Request| Effect::ClearDeadline {
            deadline: request.deadline(),
        };
        self.waiting.drain(..).map(clear).collect()
    }
}

impl Request {
    fn deadline(&self) -> Deadline {
        Deadline(format!("request.{}", self.number))
    }
}
