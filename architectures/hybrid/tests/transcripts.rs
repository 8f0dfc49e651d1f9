//! Whole stories, as snapshots: inputs in, effects and Views out.

use hybrid::{AudienceSees, Hybrid, Policy};
use session::transcript::{Transcript, join, press, press_about};
use session::{Architecture, Input, Opening, Seat, Slot};

/// Ada is live; Ben and Cleo watch.
fn show(policy: Policy) -> Transcript<Hybrid> {
    let opening = Opening {
        title: "Cooking with Ada".into(),
        host: "ada".into(),
        host_name: "Ada".into(),
    };
    let mut story = Transcript::of(Hybrid::open(opening, policy), &["ada", "ben", "cleo"]);
    story
        .at(0, join("ada", Seat::Host))
        .at(0, join("ben", Seat::Guest))
        .at(0, join("cleo", Seat::Guest))
        .at(1, press("ada", "go-live"))
        .at(2, provisioned("show", 1))
        .at(3, started("show", 1));
    story
}

/// Ada and Ben are in a call, and Cleo watches.
fn private(policy: Policy) -> Transcript<Hybrid> {
    let mut story = show(policy);
    story
        .at(10, press("ben", "ask-call"))
        .at(15, press_about("ada", "accept", "ben"))
        .at(16, provisioned("call-host", 1))
        .at(16, provisioned("call-guest", 1))
        .at(17, started("call-host", 1))
        .at(17, started("call-guest", 1));
    story
}

fn provisioned(name: &str, take: u32) -> Input {
    let slot = Slot::new(name, take);
    Input::Provisioned { slot }
}

fn started(name: &str, take: u32) -> Input {
    let slot = Slot::new(name, take);
    Input::Started { slot }
}

fn idle(name: &str, take: u32) -> Input {
    let slot = Slot::new(name, take);
    Input::Idle { slot }
}

fn passes(deadline: &str) -> Input {
    Input::DeadlinePassed {
        deadline: deadline.into(),
    }
}

#[test]
fn a_viewer_is_taken_private_while_the_audience_stays() {
    let mut story = private(Policy::default());
    story
        .at(60, press("ada", "hang-up"))
        .at(70, press("ben", "ask-call"))
        .at(75, press_about("ada", "accept", "ben"))
        .at(80, press("ben", "hang-up"))
        .at(85, press("ada", "back-to-show"))
        .at(90, press("ada", "end-show"));
    insta::assert_snapshot!(story.text());
}

#[test]
fn the_audience_may_keep_the_picture_but_never_the_sound() {
    let policy = Policy {
        audience_sees: AudienceSees::SilentCamera,
        ..Policy::default()
    };
    let mut story = private(policy);
    story
        .at(60, press("ben", "hang-up"))
        .at(65, press("ada", "back-to-show"));
    insta::assert_snapshot!(story.text());
}

#[test]
fn requests_wait_are_withdrawn_declined_and_grow_old() {
    let mut story = show(Policy::default());
    story
        .at(10, press("ben", "ask-call"))
        .at(11, press("cleo", "ask-call"))
        .at(12, press("ben", "ask-call"))
        .at(13, press("ben", "withdraw"))
        .at(14, press_about("ada", "accept", "ben"))
        .at(15, press_about("ada", "decline", "cleo"))
        .at(20, press("ben", "ask-call"))
        .at(320, passes("request.3"))
        .at(330, press("cleo", "ask-call"))
        .at(
            335,
            Input::Left {
                participant: "cleo".into(),
            },
        );
    insta::assert_snapshot!(story.text());
}

#[test]
fn a_guest_comes_on_stage_and_from_there_into_a_call() {
    let mut story = show(Policy::default());
    story
        .at(10, press("ben", "ask-stage"))
        .at(15, press_about("ada", "accept", "ben"))
        .at(16, provisioned("stage", 1))
        .at(17, started("stage", 1))
        .at(30, idle("stage", 1))
        .at(32, started("stage", 1))
        .at(40, press("ben", "ask-call"))
        .at(45, press_about("ada", "accept", "ben"))
        .at(50, press("ada", "hang-up"));
    insta::assert_snapshot!(story.text());
}

#[test]
fn the_show_ends_and_the_call_goes_on() {
    let mut story = private(Policy::default());
    story
        .at(20, press("cleo", "ask-call"))
        .at(30, idle("show", 1))
        .at(150, passes("host-return"))
        .at(160, press("ada", "hang-up"));
    insta::assert_snapshot!(story.text());
}

#[test]
fn livepeer_cannot_make_the_call_and_the_show_goes_on() {
    let mut story = show(Policy::default());
    story
        .at(10, press("ben", "ask-call"))
        .at(15, press_about("ada", "accept", "ben"))
        .at(16, provisioned("call-host", 1))
        .at(
            18,
            Input::ProvisionFailed {
                slot: Slot::new("call-guest", 1),
                reason: "Livepeer cannot be reached.".into(),
            },
        );
    insta::assert_snapshot!(story.text());
}
