//! Whole stories, as snapshots: inputs in, effects and Views out.

use one_to_many::{OneToMany, Policy};
use session::transcript::{Transcript, join, press};
use session::{Architecture, Input, Opening, Seat, Slot};

fn story() -> Transcript<OneToMany> {
    let opening = Opening {
        title: "Cooking with Ada".into(),
        host: "ada".into(),
        host_name: "Ada".into(),
    };
    Transcript::of(OneToMany::open(opening, Policy::default()), &["ada", "ben"])
}

fn show() -> Slot {
    Slot::new("show", 1)
}

#[test]
fn a_show_from_beginning_to_end() {
    let mut story = story();
    story
        .at(0, join("ada", Seat::Host))
        .at(5, join("ben", Seat::Guest))
        .at(9, press("ada", "go-live"))
        .at(10, Input::Provisioned { slot: show() })
        .at(11, Input::Started { slot: show() })
        .at(20, press("ben", "end-show"))
        .at(60, press("ada", "end-show"))
        .at(61, Input::Ended { slot: show() })
        .at(
            62,
            Input::Left {
                participant: "ben".into(),
            },
        );
    insta::assert_snapshot!(story.text());
}

#[test]
fn the_host_vanishes_and_comes_back() {
    let mut story = story();
    story
        .at(0, join("ada", Seat::Host))
        .at(1, join("ben", Seat::Guest))
        .at(2, press("ada", "go-live"))
        .at(3, Input::Provisioned { slot: show() })
        .at(4, Input::Started { slot: show() })
        .at(30, Input::Idle { slot: show() })
        .at(
            31,
            Input::Left {
                participant: "ada".into(),
            },
        )
        .at(60, join("ada", Seat::Host))
        .at(62, Input::Started { slot: show() })
        .at(90, Input::Idle { slot: show() })
        .at(
            91,
            Input::Left {
                participant: "ada".into(),
            },
        )
        .at(
            210,
            Input::DeadlinePassed {
                deadline: "host-return".into(),
            },
        );
    insta::assert_snapshot!(story.text());
}

#[test]
fn livepeer_is_not_to_be_had_at_first() {
    let mut story = story();
    story
        .at(0, join("ada", Seat::Host))
        .at(1, join("ben", Seat::Guest))
        .at(2, press("ada", "go-live"))
        .at(
            30,
            Input::ProvisionFailed {
                slot: show(),
                reason: "Livepeer did not answer. Try again in a moment.".into(),
            },
        )
        .at(40, press("ada", "go-live"))
        .at(
            41,
            Input::Provisioned {
                slot: Slot::new("show", 2),
            },
        )
        .at(
            42,
            Input::Started {
                slot: Slot::new("show", 2),
            },
        );
    insta::assert_snapshot!(story.text());
}
