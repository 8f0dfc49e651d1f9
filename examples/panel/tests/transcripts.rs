//! Whole stories, as snapshots: inputs in, effects and Views out.

use panel::{Panel, Policy};
use session::transcript::{Transcript, join, press, press_about};
use session::{Architecture, Input, Opening, Seat, Slot};

fn story() -> Transcript<Panel> {
    let opening = Opening {
        title: "Shall we?".into(),
        host: "ada".into(),
        host_name: "Ada".into(),
    };
    Transcript::of(
        Panel::open(opening, Policy::default()),
        &["ada", "ben", "cleo"],
    )
}

fn seat(number: u32, take: u32) -> Slot {
    Slot::new(format!("seat-{number}"), take)
}

fn leave(id: &str) -> Input {
    Input::Left {
        participant: id.into(),
    }
}

/// Ada moderates from seat 1, Ben has come up to seat 2, Cleo watches.
fn under_way() -> Transcript<Panel> {
    let mut story = story();
    story
        .at(0, join("ada", Seat::Host))
        .at(1, join("ben", Seat::Guest))
        .at(2, join("cleo", Seat::Guest))
        .at(3, press("ada", "open-panel"))
        .at(4, press("ada", "step-up"))
        .at(5, Input::Provisioned { slot: seat(1, 1) })
        .at(6, Input::Started { slot: seat(1, 1) })
        .at(10, press("ben", "raise-hand"))
        .at(15, press_about("ada", "bring-up", "ben"))
        .at(16, Input::Provisioned { slot: seat(2, 1) })
        .at(17, Input::Started { slot: seat(2, 1) });
    story
}

#[test]
fn a_panel_from_opening_to_closing() {
    let mut story = under_way();
    story
        .at(60, press("ben", "step-down"))
        .at(61, Input::Ended { slot: seat(2, 1) })
        .at(70, press("cleo", "raise-hand"))
        .at(75, press_about("ada", "bring-up", "cleo"))
        .at(76, Input::Provisioned { slot: seat(2, 2) })
        .at(77, Input::Started { slot: seat(2, 2) })
        .at(90, press_about("ada", "take-down", "cleo"))
        .at(99, press("ada", "close-panel"))
        .at(120, press("ada", "open-panel"));
    insta::assert_snapshot!(story.text());
}

#[test]
fn hands_go_up_and_down() {
    let mut story = under_way();
    story
        .at(20, press("cleo", "raise-hand"))
        .at(25, press("cleo", "lower-hand"))
        .at(26, press_about("ada", "bring-up", "cleo"))
        .at(30, press("cleo", "raise-hand"))
        .at(35, press_about("ada", "dismiss", "cleo"))
        .at(40, press("cleo", "raise-hand"))
        .at(41, leave("cleo"));
    insta::assert_snapshot!(story.text());
}

#[test]
fn somebody_drops_out_and_comes_back_or_loses_the_seat() {
    let mut story = under_way();
    story
        .at(20, Input::Idle { slot: seat(2, 1) })
        .at(22, leave("ben"))
        .at(40, join("ben", Seat::Guest))
        .at(42, Input::Started { slot: seat(2, 1) })
        .at(50, Input::Idle { slot: seat(2, 1) })
        .at(
            110,
            Input::DeadlinePassed {
                deadline: "seat-2-return.1".into(),
            },
        );
    insta::assert_snapshot!(story.text());
}

#[test]
fn the_moderator_vanishes() {
    let mut story = under_way();
    story
        .at(20, leave("ada"))
        .at(21, Input::Idle { slot: seat(1, 1) })
        .at(30, join("ada", Seat::Host))
        .at(33, Input::Started { slot: seat(1, 1) })
        .at(40, leave("ada"))
        .at(
            340,
            Input::DeadlinePassed {
                deadline: "moderator-return".into(),
            },
        );
    insta::assert_snapshot!(story.text());
}

#[test]
fn livepeer_makes_no_stream() {
    let mut story = under_way();
    story
        .at(20, press("cleo", "raise-hand"))
        .at(21, press_about("ada", "bring-up", "cleo"))
        .at(
            50,
            Input::ProvisionFailed {
                slot: seat(3, 1),
                reason: "Livepeer cannot be reached.".into(),
            },
        )
        .at(60, press("cleo", "raise-hand"))
        .at(61, press_about("ada", "bring-up", "cleo"));
    insta::assert_snapshot!(story.text());
}
