//! What is true of a panel whatever happens, in whatever order: random stories, judged after every input.

use std::collections::BTreeSet;

use panel::{MODERATOR_RETURN, Panel, Policy};
use proptest::collection::vec;
use proptest::prelude::*;
use session::rehearsal::{Broken, State, World, ensure, rehearse};
use session::transcript::{join, press, press_about};
use session::{Deadline, Input, Seat, Seconds, Slot, View};

/// More than there are seats.
const GUESTS: [&str; 5] = ["ben", "cleo", "dan", "eve", "finn"];

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(192) })]

    #[test]
    fn whatever_happens_to_a_panel(
        policy in policies(),
        steps in vec(any::<(u8, u8, u8)>(), 0..80),
    ) {
        rehearse::<Panel>(policy, "ada", &GUESTS, steps, a_panel)?;
    }

    #[test]
    fn whatever_happens_to_a_full_stage(
        policy in policies(),
        steps in vec(any::<(u8, u8, u8)>(), 0..60),
    ) {
        let mut world = full(policy)?;
        for step in steps {
            world.play(step)?;
            a_panel(&world).map_err(|rule| world.broken(rule))?;
        }
    }
}

/// Where chance alone seldom comes: four are on stage, and one more has raised a hand.
fn full(policy: Policy) -> Result<World<Panel>, Broken> {
    let mut world = World::open(policy, "ada", &GUESTS)?;
    world.give(join("ada", Seat::Host))?;
    world.give(press("ada", "open-panel"))?;
    for guest in GUESTS {
        world.give(join(guest, Seat::Guest))?;
        world.give(press(guest, "raise-hand"))?;
    }
    for (guest, number) in GUESTS.into_iter().zip(1..=4) {
        let slot = Slot::new(format!("seat-{number}"), 1);
        world.give(press_about("ada", "bring-up", guest))?;
        world.give(Input::Provisioned { slot: slot.clone() })?;
        world.give(Input::Started { slot })?;
    }
    Ok(world)
}

/// Any policy under which a seat, or the panel, may be given up before somebody has had the time to come back.
fn policies() -> impl Strategy<Value = Policy> {
    (1..60u32, 1..120u32).prop_map(|(seat, moderator)| Policy {
        seat_return_seconds: Seconds::new(seat),
        moderator_return_seconds: Seconds::new(moderator),
    })
}

/// What is true of panels in particular.
fn a_panel(world: &World<Panel>) -> Result<(), String> {
    let books = world.books();
    let moderator = books.host();
    let seats: BTreeSet<&str> = books.alive().map(|(slot, _)| slot.name.as_str()).collect();
    let speakers: BTreeSet<_> = books.alive().map(|(_, s)| &s.spec.publisher).collect();
    let streams = books.alive().count();
    ensure(streams <= 4, "more than four are on stage")?;
    for (slot, _) in books.alive().filter(|(_, s)| s.state == State::Quiet) {
        let deadline = Deadline(format!("{}-return.{}", slot.name, slot.take));
        ensure(
            books.deadlines().contains_key(&deadline),
            format!("{slot} has no picture, and is not waited for"),
        )?;
    }
    ensure(
        seats.len() == streams && speakers.len() == streams,
        "somebody sits on two seats, or two on one",
    )?;
    ensure(
        streams == 0
            || books.is_here(moderator)
            || books.deadlines().contains_key(&MODERATOR_RETURN.into()),
        "nobody moderates, and nobody is waited for",
    )?;
    for (who, view) in books.views() {
        let on_stage = speakers.contains(who);
        ensure(
            on_stage == view.offers("step-down"),
            format!("{who} is on stage and cannot leave it, or cannot leave what they are not on"),
        )?;
        ensure(
            who == moderator || !on_stage || !asks(view),
            format!("{who} is on stage, and asks to come up"),
        )?;
        ensure(
            who == moderator || view.people.is_empty(),
            format!("{who} sees who asks, which is for the moderator"),
        )?;
        // Everybody who sees the stage sees all of it.
        let plays: BTreeSet<_> = view.plays.iter().map(|play| &play.slot).collect();
        for (other, theirs) in books.views() {
            let seen = books.is_here(who) && books.is_here(other);
            let mut missing = theirs
                .plays
                .iter()
                .filter(|play| !plays.contains(&play.slot));
            ensure(
                !seen || missing.all(|play| view.may_publish(&play.slot)),
                format!("{other} sees somebody on stage whom {who} does not"),
            )?;
        }
    }
    let rows = &world.view(moderator).people;
    ensure(
        rows.iter()
            .all(|row| books.is_here(&row.id) || speakers.contains(&row.id)),
        "somebody asks to come up who is not here",
    )?;
    let offered = rows.iter().flat_map(|row| &row.buttons);
    ensure(
        streams < 4 || offered.clone().all(|button| button.action != "bring-up"),
        "the stage is full, and yet somebody can be brought up",
    )?;
    ensure(
        offered
            .clone()
            .filter(|button| button.action == "take-down")
            .count()
            == speakers.iter().filter(|who| **who != moderator).count(),
        "the moderator cannot take down exactly those who are on stage",
    )
}

fn asks(view: &View) -> bool {
    view.offers("raise-hand") || view.offers("lower-hand")
}
