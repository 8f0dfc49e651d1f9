//! What is true of a show with private calls whatever happens, in whatever order: random stories, judged after every
//! input.
//!
//! A failure prints the shortest story that was found, told line by line, and its steps: to keep it as a test of its
//! own, hand those very steps to `rehearse`. Nothing is written to disk.

use std::collections::BTreeMap;

use hybrid::{ACCEPT, AudienceSees, BACK_TO_SHOW, Hybrid, Policy};
use one_to_many::{END_SHOW, GO_LIVE, HOST_RETURN, OneToMany, SHOW};
use one_to_one::{CALL_GUEST, CALL_HOST, HANG_UP};
use proptest::collection::vec;
use proptest::prelude::*;
use session::rehearsal::{Booked, Books, State, Step, World, ensure, rehearse};
use session::{
    Architecture, Deadline, Effect, Input, Opening, ParticipantId, Play, Players, Renditions,
    Seconds, Slot, Source, View,
};

/// What the stage's streams are called.
const STAGE: &str = "stage";
/// Whose names are no part of a word.
const GUESTS: [&str; 3] = ["ben", "cleo", "zoe"];

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(192) })]

    #[test]
    fn whatever_happens_to_a_show_with_calls(
        policy in policies(),
        steps in stories(120),
    ) {
        rehearse::<Hybrid>(policy, "ada", &GUESTS, steps, |world| {
            one_call_at_most(world)?;
            nothing_private_is_public(world)?;
            the_host_goes_on_air_by_their_own_press(world)?;
            one_on_stage_at_most(world)?;
            nobody_asks_without_a_show(world)?;
            nobody_is_named_to_the_audience(world)
        })?;
    }

    #[test]
    fn the_show_is_the_show_of_one_to_many(
        policy in policies(),
        steps in stories(120),
    ) {
        let mut show = OneToMany::open(opening(), policy.show.clone());
        let mut world = World::<Hybrid>::open(policy, "ada", &GUESTS)?;
        for step in steps {
            let alone = show_alone(world.books());
            if world.play(step)? {
                side_by_side(&world, &mut show, alone).map_err(|rule| world.broken(rule))?;
            }
        }
    }
}

/// Up to that many steps, whatever they are.
fn stories(steps: usize) -> impl Strategy<Value = Vec<Step>> {
    vec(any::<(u8, u8, u8)>().prop_map(Step::from), 0..steps)
}

/// Any policy, with spans so short that one may end before another that is usually shorter.
fn policies() -> impl Strategy<Value = Policy> {
    let seconds = || (1..90u32).prop_map(Seconds::new);
    let spans = (seconds(), seconds(), seconds(), seconds());
    (spans, any::<bool>(), any::<bool>(), 0..4usize).prop_map(
        |((request, host_return, call_return, longest), card, stage, requests)| Policy {
            audience_sees: match card {
                true => AudienceSees::AwayCard,
                false => AudienceSees::SilentCamera,
            },
            stage,
            requests,
            request_seconds: request,
            show: one_to_many::Policy {
                host_return_seconds: host_return,
                ..Default::default()
            },
            call: one_to_one::Policy {
                return_seconds: call_return,
                longest_seconds: longest,
            },
            ..Policy::default()
        },
    )
}

/// The streams of that name that are there or on their way.
fn alive<'a>(books: &'a Books, name: &str) -> Vec<(&'a Slot, &'a Booked)> {
    books
        .alive()
        .filter(|(slot, _)| slot.name == name)
        .collect()
}

/// The guest of the call that is on, by what was provisioned for it.
fn guest_in_call(books: &Books) -> Option<&ParticipantId> {
    alive(books, CALL_GUEST)
        .first()
        .map(|(_, booked)| &booked.spec.publisher)
}

/// A call is two streams of the same take, one from each for the other alone; and there is one of it, or none.
fn one_call_at_most(world: &World<Hybrid>) -> Result<(), String> {
    let (books, host) = (world.books(), world.books().host());
    let calls = (alive(books, CALL_HOST), alive(books, CALL_GUEST));
    let [(from_host, one)] = calls.0.as_slice() else {
        let none = calls.0.is_empty() && calls.1.is_empty();
        return ensure(none, "the host has two calls, or half of one");
    };
    let [(from_guest, other)] = calls.1.as_slice() else {
        return Err("the call has not one stream from a guest".to_owned());
    };
    let guest = &other.spec.publisher;
    ensure(guest != host, "the host is in a call with themselves")?;
    ensure(
        from_host.take == from_guest.take,
        "one of the streams is from an earlier call",
    )?;
    for (booked, publisher, player) in [(one, host, guest), (other, guest, host)] {
        ensure(
            booked.spec.publisher == *publisher
                && booked.spec.players == Players::only(player.clone())
                && booked.spec.renditions == Renditions::Source,
            format!("{publisher}'s stream is not for {player} alone, as published"),
        )?;
    }
    let views = books.views();
    for (who, theirs) in [(host, from_guest), (guest, from_host)] {
        ensure(
            views[who].plays.iter().all(|play| play.slot == **theirs),
            format!("{who} is in a call, and plays something else"),
        )?;
    }
    Ok(())
}

/// Nobody outside a call has its streams in their View, and nobody in it sends their sound anywhere else.
fn nothing_private_is_public(world: &World<Hybrid>) -> Result<(), String> {
    let books = world.books();
    let guest = guest_in_call(books);
    let private = |slot: &Slot| slot.name == CALL_HOST || slot.name == CALL_GUEST;
    for (who, view) in books.views() {
        let host = who == books.host();
        let called = guest.is_some_and(|guest| host || who == guest);
        let mut slots = view.plays.iter().map(|play| &play.slot);
        let plays = slots.any(private);
        let (ours, others): (Vec<_>, Vec<_>) =
            view.publishes.iter().partition(|p| private(&p.slot));
        ensure(
            called || (!plays && ours.is_empty()),
            format!("{who} is not in the call, and has its streams"),
        )?;
        ensure(
            ours.iter().all(|publish| publish.source == Source::Camera),
            format!("{who} does not show themselves in the call"),
        )?;
        for publish in others {
            let public = publish.source == Source::Camera;
            ensure(
                !(called && public),
                format!(
                    "{who} is in a call, and all can hear them on {}",
                    publish.slot
                ),
            )?;
            ensure(
                public || called || (host && view.offers(BACK_TO_SHOW)),
                format!(
                    "{who} is not in a call, and not to be seen on {}",
                    publish.slot
                ),
            )?;
        }
    }
    Ok(())
}

/// The host is put on air, and taken off it, by presses of their own alone: a call may end in the middle of a word.
fn the_host_goes_on_air_by_their_own_press(world: &World<Hybrid>) -> Result<(), String> {
    let host = world.books().host();
    let (before, now) = (&world.before()[host], &world.books().views()[host]);
    for then in &before.publishes {
        let same = now.publishes.iter().find(|now| now.slot == then.slot);
        let Some(now) = same.filter(|now| now.source != then.source) else {
            continue;
        };
        let by = match now.source {
            Source::Camera => vec![HANG_UP, BACK_TO_SHOW],
            Source::SilentCamera | Source::Card { .. } => vec![ACCEPT],
        };
        let pressed = world.log().last().is_some_and(|entry| match &entry.input {
            Input::Acted {
                participant,
                action,
            } => participant == host && by.contains(&action.name.as_str()),
            _ => false,
        });
        ensure(
            pressed,
            format!(
                "{} goes from {:?} to {:?}, and the host has not asked for it",
                now.slot, then.source, now.source
            ),
        )?;
    }
    Ok(())
}

/// One guest on stage, or none, and nobody without a show.
fn one_on_stage_at_most(world: &World<Hybrid>) -> Result<(), String> {
    let books = world.books();
    let stage = alive(books, STAGE);
    ensure(stage.len() <= 1, "two are on stage")?;
    let Some((slot, booked)) = stage.first() else {
        return Ok(());
    };
    let who = &booked.spec.publisher;
    ensure(who != books.host(), "the host is their own guest on stage")?;
    ensure(
        !alive(books, SHOW).is_empty(),
        "somebody is on stage, and no show is on",
    )?;
    let gone = !books.is_here(who) && booked.state != State::Live;
    let deadline = Deadline(format!("stage-return.{}", slot.take));
    ensure(
        !gone || books.deadlines().contains_key(&deadline),
        format!("{who} is gone, and {} is not set", deadline.0),
    )?;
    ensure(
        guest_in_call(books) != Some(who),
        format!("{who} is in a call and on stage ({slot})"),
    )
}

/// Whoever asks for something asks it of a show that is on.
fn nobody_asks_without_a_show(world: &World<Hybrid>) -> Result<(), String> {
    let books = world.books();
    let asks = |deadline: &Deadline| deadline.0.starts_with("request.");
    ensure(
        !alive(books, SHOW).is_empty() || !books.deadlines().keys().any(asks),
        "somebody asks for something, and no show is on",
    )
}

/// A viewer reads the name of nobody in the audience but of who is on stage: who asks, and who is in a call, is between
/// them and the host.
fn nobody_is_named_to_the_audience(world: &World<Hybrid>) -> Result<(), String> {
    let books = world.books();
    let on_stage = alive(books, STAGE);
    let on_stage = on_stage.first().map(|(_, booked)| &booked.spec.publisher);
    let viewers = books.views().iter().filter(|(who, _)| *who != books.host());
    for (who, view) in viewers {
        let told = format!("{view:?}");
        for other in GUESTS.map(ParticipantId::from) {
            ensure(
                other == *who || on_stage == Some(&other) || !told.contains(&other.0),
                format!("{who} reads of {other}"),
            )?;
        }
    }
    Ok(())
}

fn opening() -> Opening {
    Opening {
        title: "A rehearsal".to_owned(),
        host: "ada".into(),
        host_name: "ada".to_owned(),
    }
}

/// Whether nothing but a show is on or asked for.
fn show_alone(books: &Books) -> bool {
    books.alive().all(|(slot, _)| slot.name == SHOW)
        && books.deadlines().keys().all(|d| d.0 == HOST_RETURN)
}

/// Gives the last input to a show without calls, too, if it concerns shows, and compares.
fn side_by_side(world: &World<Hybrid>, show: &mut OneToMany, alone: bool) -> Result<(), String> {
    let Some(entry) = world.log().last() else {
        return Ok(());
    };
    let of_hybrid = |effect: &Effect| match effect {
        Effect::Provision { slot, .. } | Effect::End { slot } => slot.name == SHOW,
        Effect::SetDeadline { deadline, .. } | Effect::ClearDeadline { deadline } => {
            deadline.0 == HOST_RETURN
        }
        Effect::Notice { .. } => false,
    };
    let concerns_the_show = match &entry.input {
        Input::Joined { .. } | Input::Left { .. } | Input::Switched { .. } => true,
        Input::Acted { action, .. } => [GO_LIVE, END_SHOW].contains(&action.name.as_str()),
        Input::Provisioned { slot }
        | Input::ProvisionFailed { slot, .. }
        | Input::Started { slot }
        | Input::Idle { slot }
        | Input::Ended { slot } => slot.name == SHOW,
        Input::DeadlinePassed { deadline } => deadline.0 == HOST_RETURN,
    };
    let guest = guest_in_call(world.books());
    // A show is not begun out of a call.
    let hang_up_first = guest.is_some()
        && alive(world.books(), SHOW).is_empty()
        && matches!(&entry.input, Input::Acted { action, .. } if action.name == GO_LIVE);
    let concerns_the_show = concerns_the_show && !hang_up_first;
    let mut theirs = entry.outcome.clone();
    let ours = match concerns_the_show {
        true => show.handle(world.now(), entry.input.clone()),
        false => Ok(vec![]),
    };
    if let (Ok(effects), false) = (&mut theirs, alone && concerns_the_show) {
        effects.retain(of_hybrid);
    }
    ensure(
        theirs == ours || (!concerns_the_show && theirs.is_err()),
        format!("a show alone answers {ours:?}"),
    )?;
    let on_air = world.view(world.books().host()).publishes;
    let on_air = on_air
        .iter()
        .all(|p| p.source == Source::Camera || p.slot.name != SHOW);
    for (who, view) in world.books().views() {
        let other = show.view(who);
        if guest == Some(who) {
            continue;
        }
        let plays = |view: &View| {
            let plays = view.plays.iter().filter(|play| play.slot.name == SHOW);
            // What a viewer is told of the host's switches is not the same while the host is away.
            let told = plays.map(
                |Play {
                     slot,
                     label,
                     sending,
                 }| { (slot.clone(), (label.clone(), on_air.then_some(*sending))) },
            );
            told.collect::<BTreeMap<_, _>>()
        };
        ensure(
            plays(view) == plays(&other),
            format!("in a show alone, {who} plays {:?}", other.plays),
        )?;
        let publishes = |view: &View| {
            let publishes = view.publishes.iter().map(|publish| publish.slot.clone());
            publishes
                .filter(|slot| slot.name == SHOW)
                .collect::<Vec<_>>()
        };
        ensure(
            publishes(view) == publishes(&other),
            format!("in a show alone, {who} publishes {:?}", other.publishes),
        )?;
    }
    Ok(())
}
