//! What is true of a private call whatever happens, in whatever order: random stories, judged after every input.
//!
//! A failure prints the shortest story that was found, told line by line, and its steps: to keep it as a test of its
//! own, hand those very steps to `rehearse`. Nothing is written to disk.

use one_to_one::{CALL_GUEST, CALL_HOST, OneToOne, Policy};
use proptest::collection::vec;
use proptest::prelude::*;
use session::rehearsal::{Books, State, Step, World, ensure, rehearse};
use session::{Deadline, ParticipantId, Players, Renditions, Seconds, Slot, Source, View};

const GUESTS: [&str; 3] = ["ben", "cleo", "dan"];

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(512) })]

    #[test]
    fn whatever_happens_to_a_call(
        policy in policies(),
        steps in stories(100),
    ) {
        rehearse::<OneToOne>(policy, "ada", &GUESTS, steps, a_call)?;
    }
}

/// Up to that many steps, whatever they are.
fn stories(steps: usize) -> impl Strategy<Value = Vec<Step>> {
    vec(any::<(u8, u8, u8)>().prop_map(Step::from), 0..steps)
}

/// Any policy under which a call may end before somebody has had the time to come back to it.
fn policies() -> impl Strategy<Value = Policy> {
    (1..60u32, 1..120u32).prop_map(|(return_seconds, longest_seconds)| Policy {
        return_seconds: Seconds::new(return_seconds),
        longest_seconds: Seconds::new(longest_seconds),
    })
}

/// What is true of calls in particular.
fn a_call(world: &World<OneToOne>) -> Result<(), String> {
    let alive: Vec<_> = world.books().alive().collect();
    let Some(guest) = world.architecture().guest() else {
        return ensure(alive.is_empty(), "no call is on, and a stream is left");
    };
    let host = world.books().host();
    ensure(guest != host, "the host is in a call with themselves")?;
    // By name: the guest's first.
    let [(from_guest, one), (from_host, other)] = alive.as_slice() else {
        return Err(format!("a call has two streams, this one {}", alive.len()));
    };
    ensure(
        from_guest.name == CALL_GUEST && from_host.name == CALL_HOST,
        "the two streams are not one from each",
    )?;
    ensure(
        from_guest.take == from_host.take,
        "one of the streams is from an earlier call",
    )?;
    for (booked, publisher, player) in [(one, guest, host), (other, host, guest)] {
        let spec = &booked.spec;
        ensure(
            spec.publisher == *publisher
                && spec.players == Players::only(player.clone())
                && spec.renditions == Renditions::Source,
            format!("{publisher}'s stream is not for {player} alone, as published"),
        )?;
    }
    waited_for_so_long(world.books(), host, from_host, "call-host-return")?;
    waited_for_so_long(world.books(), guest, from_guest, "call-guest-return")?;
    for (who, view) in world.books().views() {
        if who == host || who == guest {
            let (mine, theirs) = match who == host {
                true => (from_host, from_guest),
                false => (from_guest, from_host),
            };
            let publishes = view.publishes.iter();
            ensure(
                publishes
                    .map(|p| (&p.slot, &p.source))
                    .all(|p| p == (*mine, &Source::Camera)),
                format!("{who} publishes something else than their camera"),
            )?;
            ensure(
                view.plays.iter().all(|play| play.slot == **theirs),
                format!("{who} plays something else than the other's picture"),
            )?;
        } else {
            tells_nothing(world, who, view)?;
        }
    }
    Ok(())
}

/// Somebody whose picture does not arrive, and who is not here, is waited for until a deadline of their own.
fn waited_for_so_long(
    books: &Books,
    who: &ParticipantId,
    slot: &Slot,
    deadline: &str,
) -> Result<(), String> {
    let gone = !books.is_here(who) && books.streams()[slot].state != State::Live;
    let deadline = Deadline(format!("{deadline}.{}", slot.take));
    ensure(
        !gone || books.deadlines().contains_key(&deadline),
        format!("{who} is gone, and {} is not set", deadline.0),
    )
}

/// A third person learns that the call is full: no title, no name, nothing to play and nothing to press.
fn tells_nothing(world: &World<OneToOne>, who: &ParticipantId, view: &View) -> Result<(), String> {
    let told = format!("{view:?}").to_lowercase();
    let named = |id: &ParticipantId| id != who && told.contains(&id.0);
    ensure(
        view.title.is_empty() && view.byline.is_empty() && !world.books().people().any(named),
        format!("{who} is not in the call, and is told whose it is"),
    )?;
    let words = View::of(view.phase, view.headline.clone(), view.detail.clone());
    ensure(
        *view == words && view.headline == "This call is full",
        format!("{who} is not in the call, and sees more than that it is full"),
    )
}
