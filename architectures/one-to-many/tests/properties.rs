//! What is true of a show whatever happens, in whatever order: random stories, judged after every input.
//!
//! A failure prints the shortest story that was found, told line by line, and its steps: to keep it as a test of its
//! own, hand those very steps to `rehearse`. Nothing is written to disk.

use one_to_many::{END_SHOW, OneToMany, Policy, SHOW};
use proptest::collection::vec;
use proptest::prelude::*;
use session::rehearsal::{Step, World, ensure, rehearse};
use session::{Input, Phase, Source};

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(512) })]

    #[test]
    fn whatever_happens_to_a_show(steps in stories(80)) {
        rehearse::<OneToMany>(Policy::default(), "ada", &["ben", "cleo"], steps, a_show)?;
    }
}

/// Up to that many steps, whatever they are.
fn stories(steps: usize) -> impl Strategy<Value = Vec<Step>> {
    vec(any::<(u8, u8, u8)>().prop_map(Step::from), 0..steps)
}

/// What is true of shows in particular.
fn a_show(world: &World<OneToMany>) -> Result<(), String> {
    let books = world.books();
    let alive: Vec<_> = books.alive().map(|(slot, _)| slot).collect();
    ensure(alive.len() <= 1, "two shows are on at once")?;
    ensure(
        alive.iter().all(|slot| slot.name == SHOW),
        "there is a stream that is no show",
    )?;
    let slot = alive.first();
    for (who, view) in books.views() {
        let host = who == books.host();
        ensure(
            view.publishes.is_empty() || host,
            format!("{who} publishes a show and is not its host"),
        )?;
        ensure(
            view.plays.is_empty() || !host,
            "the host hears their own show",
        )?;
        let camera = |source: &Source| *source == Source::Camera;
        ensure(
            view.publishes.iter().all(|p| camera(&p.source)),
            "the show is not the camera",
        )?;
        if !books.is_here(who) || host {
            continue;
        }
        // Players stay in place until the show is over: nobody's picture is lost to an interruption.
        let plays = slot.is_some_and(|slot| view.may_play(slot));
        let on = matches!(view.phase, Phase::Live | Phase::Interrupted);
        ensure(
            plays == on,
            format!("{who} reads \"{}\", and plays it: {plays}", view.headline),
        )?;
    }
    a_live_picture_stays(world)?;
    let watching = books.people().filter(|who| books.is_here(who));
    let watching = watching.filter(|who| *who != books.host()).count();
    let counted = world.view(books.host()).audience;
    ensure(
        counted == u32::try_from(watching).ok(),
        format!("{watching} are watching, and {counted:?} are counted"),
    )
}

/// Nobody loses a picture that arrives, unless the host ends the show or Livepeer the stream, or they leave.
fn a_live_picture_stays(world: &World<OneToMany>) -> Result<(), String> {
    let ends = world.log().last().is_some_and(|entry| match &entry.input {
        Input::Acted { action, .. } => action.name == END_SHOW,
        Input::Ended { slot } => slot.name == SHOW,
        _ => false,
    });
    for (who, then) in world.before() {
        let lost = then
            .plays
            .iter()
            .any(|play| !world.view(who).may_play(&play.slot));
        let arrived = then.phase == Phase::Live;
        ensure(
            !(lost && arrived) || ends || !world.books().is_here(who),
            format!("{who} had a picture and has lost it"),
        )?;
    }
    Ok(())
}
