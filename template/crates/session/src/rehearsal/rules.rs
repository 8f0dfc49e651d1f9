//! The rules that every architecture keeps, by the numbers that [`rehearsal`](super) gives them.

use std::collections::{BTreeMap, BTreeSet};

use crate::architecture::Refusal;
use crate::effect::Players;
use crate::id::{ParticipantId, Slot};
use crate::input::Input;
use crate::rehearsal::books::Books;
use crate::transcript;
use crate::view::View;

/// A rule of one's own: fails with those words unless it holds.
///
/// # Errors
///
/// The words, if it does not hold.
pub fn ensure(holds: bool, rule: impl Into<String>) -> Result<(), String> {
    match holds {
        true => Ok(()),
        false => Err(rule.into()),
    }
}

/// Rule 1: only what a person asked for is refused.
pub(super) fn may_be_refused(input: &Input, refusal: &Refusal) -> Result<(), String> {
    let asked = matches!(
        input,
        Input::Joined { .. } | Input::Acted { .. } | Input::Switched { .. }
    );
    ensure(
        asked,
        format!(
            "rule 1: {} is news, which cannot be refused, and is: {refusal}",
            transcript::told(input)
        ),
    )
}

/// Rule 7, of an input that was not refused: a button that was not in the View of who pressed it changes `nothing`. It may
/// be pressed twice, or a moment too late. A target is of no importance with a button that has none.
pub(super) fn what_was_not_offered_changes(
    nothing: bool,
    input: &Input,
    views: &BTreeMap<ParticipantId, View>,
) -> Result<(), String> {
    let Input::Acted {
        participant,
        action,
    } = input
    else {
        return Ok(());
    };
    let mut buttons = views
        .get(participant)
        .into_iter()
        .flat_map(View::every_button);
    let offered = buttons.any(|button| {
        let about = button.target.is_none() || button.target == action.target;
        button.action == action.name && about
    });
    ensure(
        offered || nothing,
        format!(
            "rule 7: {}, which was not on offer, and something changes",
            transcript::told(input)
        ),
    )
}

/// Rules 2, 3 and 4.
pub(super) fn views(books: &Books) -> Result<(), String> {
    for (who, view) in books.views() {
        one_view(books, who, view)?;
    }
    for (slot, booked) in books.alive() {
        let publisher = &booked.spec.publisher;
        if !booked.state.exists() {
            continue;
        }
        let published = books
            .views()
            .get(publisher)
            .is_some_and(|view| view.may_publish(slot));
        if books.is_here(publisher) {
            ensure(
                published,
                format!("rule 2: {slot} exists, and {publisher} is here and does not publish it"),
            )?;
        }
        let kept = |view: &View| view.may_publish(slot) || view.may_play(slot);
        ensure(
            !books.deadlines().is_empty() || books.views().values().any(kept),
            format!("rule 2: {slot} exists, no View has it, and no deadline is set"),
        )?;
    }
    Ok(())
}

fn one_view(books: &Books, who: &ParticipantId, view: &View) -> Result<(), String> {
    let publishes = view.publishes.iter().map(|publish| &publish.slot);
    let plays = view.plays.iter().map(|play| &play.slot);
    let mut seen: BTreeSet<&Slot> = BTreeSet::new();
    for slot in publishes.clone().chain(plays.clone()) {
        let alive = books
            .streams()
            .get(slot)
            .is_some_and(|b| b.state.is_alive());
        ensure(
            alive,
            format!("rule 3: {who} has {slot} in their View, and it is not there"),
        )?;
        ensure(
            seen.insert(slot),
            format!("rule 3: {who} has {slot} in their View twice"),
        )?;
    }
    for (slot, booked) in publishes.filter_map(|slot| books.streams().get_key_value(slot)) {
        ensure(
            booked.spec.publisher == *who,
            format!(
                "rule 2: {who} publishes {slot}, which is {}'s",
                booked.spec.publisher
            ),
        )?;
    }
    for (slot, booked) in plays.filter_map(|slot| books.streams().get_key_value(slot)) {
        if let Players::Only(few) = &booked.spec.players {
            ensure(
                few.contains(who),
                format!("rule 4: {who} plays {slot}, which is for a few others"),
            )?;
        }
    }
    let mut listed = BTreeSet::new();
    for other in &view.people {
        ensure(
            listed.insert(&other.id),
            format!("rule 3: {who} has {} in their View twice", other.id),
        )?;
    }
    let nothing =
        view.publishes.is_empty() && view.plays.is_empty() && view.every_button().next().is_none();
    ensure(
        nothing || !books.is_stranger(who),
        format!("rule 4: {who} was never let in, and has a stream or a button"),
    )
}

/// Rule 8.
pub(super) fn nothing_is_left_running(books: &Books) -> Result<(), String> {
    match books.alive().next() {
        None => Ok(()),
        Some((slot, _)) => Err(format!(
            "rule 8: everybody has left, no deadline is set, and {slot} is left running"
        )),
    }
}
