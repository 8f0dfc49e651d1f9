//! Two people in a call, and the stream of each.

use serde::{Deserialize, Serialize};
use session::{
    Deadline, Effect, ParticipantId, Players, Renditions, Slot, Stream, StreamSpec, Timestamp,
};

use crate::{CALL_GUEST, CALL_HOST, Policy};

/// One of the two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    /// Who called.
    Host,
    /// Who answered.
    Guest,
}

impl Side {
    pub(crate) const BOTH: [Side; 2] = [Side::Host, Side::Guest];

    pub(crate) fn other(self) -> Side {
        match self {
            Side::Host => Side::Guest,
            Side::Guest => Side::Host,
        }
    }
}

/// Two people in a call. Whoever holds one has two streams at Livepeer, or on their way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Pair {
    host: ParticipantId,
    pub(crate) guest: ParticipantId,
    pub(crate) guest_name: String,
    /// Published by the host, played by the guest.
    from_host: Stream,
    /// Published by the guest, played by the host.
    from_guest: Stream,
    /// Since when they have seen each other.
    pub(crate) since: Option<Timestamp>,
}

impl Pair {
    /// Two people who are to be connected, and the effects that make their streams. Nothing of an earlier call is used
    /// again, so that no credential of then is worth anything now.
    pub(crate) fn begin(
        take: u32,
        host: &ParticipantId,
        guest: &ParticipantId,
        guest_name: String,
    ) -> (Pair, Vec<Effect>) {
        let private = |publisher: &ParticipantId, player: &ParticipantId| StreamSpec {
            publisher: publisher.clone(),
            players: Players::only(player.clone()),
            // Lowest delay and lowest cost.
            renditions: Renditions::Source,
        };
        let (from_host, make_host) =
            Stream::provision(Slot::new(CALL_HOST, take), private(host, guest));
        let (from_guest, make_guest) =
            Stream::provision(Slot::new(CALL_GUEST, take), private(guest, host));
        let pair = Pair {
            host: host.clone(),
            guest: guest.clone(),
            guest_name,
            from_host,
            from_guest,
            since: None,
        };
        (pair, vec![make_host, make_guest])
    }

    /// Who is on that side.
    pub(crate) fn who(&self, side: Side) -> &ParticipantId {
        match side {
            Side::Host => &self.host,
            Side::Guest => &self.guest,
        }
    }

    /// What that side publishes.
    pub(crate) fn stream(&self, side: Side) -> &Stream {
        match side {
            Side::Host => &self.from_host,
            Side::Guest => &self.from_guest,
        }
    }

    pub(crate) fn stream_mut(&mut self, side: Side) -> &mut Stream {
        match side {
            Side::Host => &mut self.from_host,
            Side::Guest => &mut self.from_guest,
        }
    }

    /// The deadline of somebody who has dropped out. It is named by the take, so that one of an earlier call that comes
    /// late says nothing about this one.
    pub(crate) fn returning(&self, side: Side) -> Deadline {
        Deadline(match side {
            Side::Host => format!("call-host-return.{}", self.take()),
            Side::Guest => format!("call-guest-return.{}", self.take()),
        })
    }

    /// The deadline of the whole call.
    pub(crate) fn longest(&self) -> Deadline {
        Deadline(format!("call-longest.{}", self.take()))
    }

    /// That side has dropped out, and is waited for.
    pub(crate) fn expect_return(&self, side: Side, now: Timestamp, policy: &Policy) -> Effect {
        Effect::SetDeadline {
            deadline: self.returning(side),
            at: now.after(policy.return_seconds.duration()),
        }
    }

    /// That side is there.
    pub(crate) fn expect_no_return(&self, side: Side) -> Effect {
        Effect::ClearDeadline {
            deadline: self.returning(side),
        }
    }

    /// The effects that end the call.
    pub(crate) fn end(&self) -> Vec<Effect> {
        let mut effects = self.no_deadlines();
        effects.extend(Side::BOTH.map(|side| self.stream(side).clone().end()));
        effects
    }

    /// The effects that end the call when one side's stream is gone already, or never came to be.
    pub(crate) fn end_without(&self, gone: Side) -> Vec<Effect> {
        let mut effects = self.no_deadlines();
        effects.push(self.stream(gone.other()).clone().end());
        effects
    }

    fn no_deadlines(&self) -> Vec<Effect> {
        let clear = |deadline| Effect::ClearDeadline { deadline };
        let returning = Side::BOTH.map(|side| clear(self.returning(side)));
        returning
            .into_iter()
            .chain([clear(self.longest())])
            .collect()
    }

    fn take(&self) -> u32 {
        self.from_host.slot.take
    }
}
