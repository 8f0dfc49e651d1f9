//! Whole stories, as snapshots: inputs in, effects and Views out.

use one_to_one::{OneToOne, Policy};
use session::transcript::{Transcript, join, press};
use session::{Architecture, Input, Opening, Seat, Sending, Slot};

fn story() -> Transcript<OneToOne> {
    let opening = Opening {
        title: "A word with Ada".into(),
        host: "ada".into(),
        host_name: "Ada".into(),
    };
    Transcript::of(
        OneToOne::open(opening, Policy::default()),
        &["ada", "ben", "cleo"],
    )
}

fn host(take: u32) -> Slot {
    Slot::new("call-host", take)
}

fn guest(take: u32) -> Slot {
    Slot::new("call-guest", take)
}

fn leave(id: &str) -> Input {
    Input::Left {
        participant: id.into(),
    }
}

/// Ada has called, and Ben has answered.
fn answered() -> Transcript<OneToOne> {
    let mut story = story();
    story
        .at(0, join("ada", Seat::Host))
        .at(1, press("ada", "call"))
        .at(2, join("ben", Seat::Guest))
        .at(5, press("ben", "join-call"));
    story
}

/// Ada and Ben see each other.
fn talking() -> Transcript<OneToOne> {
    let mut story = answered();
    story
        .at(6, Input::Provisioned { slot: host(1) })
        .at(6, Input::Provisioned { slot: guest(1) })
        .at(7, Input::Started { slot: host(1) })
        .at(7, Input::Started { slot: guest(1) });
    story
}

#[test]
fn a_call_from_ringing_to_hanging_up() {
    let mut story = talking();
    story
        .at(
            20,
            Input::Switched {
                participant: "ben".into(),
                sending: Sending {
                    camera: true,
                    microphone: false,
                },
            },
        )
        .at(60, press("ben", "hang-up"))
        .at(61, Input::Ended { slot: host(1) })
        .at(61, Input::Ended { slot: guest(1) })
        .at(70, press("ada", "call"))
        .at(75, press("ben", "join-call"))
        .at(80, press("ada", "hang-up"));
    insta::assert_snapshot!(story.text());
}

#[test]
fn a_third_person_learns_nothing() {
    let mut story = talking();
    story
        .at(10, join("cleo", Seat::Guest))
        .at(11, press("cleo", "join-call"))
        .at(12, press("cleo", "hang-up"))
        .at(30, press("ada", "hang-up"));
    insta::assert_snapshot!(story.text());
}

#[test]
fn somebody_who_drops_out_comes_back_into_the_same_call_or_ends_it() {
    let mut story = talking();
    story
        .at(20, Input::Idle { slot: guest(1) })
        .at(22, leave("ben"))
        .at(40, join("ben", Seat::Guest))
        .at(42, Input::Started { slot: guest(1) })
        .at(50, Input::Idle { slot: host(1) })
        .at(
            110,
            Input::DeadlinePassed {
                deadline: "call-host-return.1".into(),
            },
        );
    insta::assert_snapshot!(story.text());
}

#[test]
fn livepeer_makes_one_stream_and_not_the_other() {
    let mut story = answered();
    story
        .at(6, Input::Provisioned { slot: host(1) })
        .at(
            7,
            Input::ProvisionFailed {
                slot: guest(1),
                reason: "Livepeer cannot be reached.".into(),
            },
        )
        .at(9, press("ada", "call"))
        .at(11, press("ben", "decline-call"))
        .at(12, press("ben", "join-call"));
    insta::assert_snapshot!(story.text());
}
