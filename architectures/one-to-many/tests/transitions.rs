//! One test for each thing that can happen to a show.

#![allow(clippy::unwrap_used)]

use one_to_many::{OneToMany, Policy};
use session::transcript::{join, press};
use session::{
    Architecture, Deadline, Effect, Input, Opening, ParticipantId, Phase, Refusal, Renditions,
    Seat, Sending, Slot, Timestamp, View,
};

const NOON: Timestamp = Timestamp(43_200_000);

fn open() -> OneToMany {
    let opening = Opening {
        title: "Cooking with Ada".into(),
        host: "ada".into(),
        host_name: "Ada".into(),
    };
    OneToMany::open(opening, Policy::default())
}

fn slot(take: u32) -> Slot {
    Slot::new("show", take)
}

/// A session to which all of that has happened, at noon.
fn after(inputs: impl IntoIterator<Item = Input>) -> OneToMany {
    let mut session = open();
    for input in inputs {
        session.handle(NOON, input).unwrap();
    }
    session
}

fn live() -> OneToMany {
    after([
        join("ada", Seat::Host),
        join("ben", Seat::Guest),
        press("ada", "go-live"),
        Input::Provisioned { slot: slot(1) },
        Input::Started { slot: slot(1) },
    ])
}

fn sees(session: &OneToMany, id: &str) -> View {
    session.view(&ParticipantId::from(id))
}

fn ends(effects: &[Effect], slot: &Slot) -> bool {
    effects.contains(&Effect::End { slot: slot.clone() })
}

/// Hands over an input that must be refused, and must change nothing.
fn refused(session: &mut OneToMany, input: Input) -> Refusal {
    let before = session.clone();
    let refusal = session.handle(NOON, input).unwrap_err();
    assert_eq!(*session, before, "a refused input changed the session");
    refusal
}

#[test]
fn going_live_provisions_one_stream_from_the_host() {
    let mut session = after([join("ada", Seat::Host)]);
    let effects = session.handle(NOON, press("ada", "go-live")).unwrap();
    let [Effect::Provision { slot: made, spec }] = effects.as_slice() else {
        panic!("{effects:?}");
    };
    assert_eq!(*made, slot(1));
    assert_eq!(spec.publisher, "ada".into());
    assert!(
        !sees(&session, "ada").may_publish(&slot(1)),
        "there is no stream yet"
    );
}

#[test]
fn only_the_host_may_publish_and_only_viewers_play() {
    let session = live();
    assert!(sees(&session, "ada").may_publish(&slot(1)));
    assert!(!sees(&session, "ada").may_play(&slot(1)));
    assert!(sees(&session, "ben").may_play(&slot(1)));
    assert!(!sees(&session, "ben").may_publish(&slot(1)));
}

#[test]
fn somebody_who_has_not_joined_gets_no_stream() {
    let view = sees(&live(), "eve");
    assert!(view.plays.is_empty() && view.publishes.is_empty() && view.buttons.is_empty());
}

#[test]
fn viewers_wait_until_the_picture_arrives() {
    let mut session = after([
        join("ben", Seat::Guest),
        join("ada", Seat::Host),
        press("ada", "go-live"),
    ]);
    assert_eq!(sees(&session, "ben").phase, Phase::Waiting);
    session
        .handle(NOON, Input::Provisioned { slot: slot(1) })
        .unwrap();
    assert_eq!(sees(&session, "ben").phase, Phase::Waiting);
    session
        .handle(NOON, Input::Started { slot: slot(1) })
        .unwrap();
    assert_eq!(sees(&session, "ben").phase, Phase::Live);
}

#[test]
fn viewers_are_counted_once_each_and_no_longer_when_gone() {
    let mut session = live();
    session.handle(NOON, join("cleo", Seat::Guest)).unwrap();
    session.handle(NOON, join("cleo", Seat::Guest)).unwrap();
    assert_eq!(sees(&session, "ada").audience, Some(2));
    session
        .handle(
            NOON,
            Input::Left {
                participant: "ben".into(),
            },
        )
        .unwrap();
    assert_eq!(sees(&session, "ada").audience, Some(1));
}

#[test]
fn ending_the_show_ends_its_stream_and_takes_it_from_every_view() {
    let mut session = live();
    let effects = session.handle(NOON, press("ada", "end-show")).unwrap();
    assert!(ends(&effects, &slot(1)));
    assert!(!sees(&session, "ada").may_publish(&slot(1)));
    assert!(!sees(&session, "ben").may_play(&slot(1)));
    assert_eq!(sees(&session, "ben").phase, Phase::Ended);
}

#[test]
fn a_show_cancelled_while_its_stream_is_made_still_ends_the_stream() {
    let mut session = after([join("ada", Seat::Host), press("ada", "go-live")]);
    let effects = session.handle(NOON, press("ada", "end-show")).unwrap();
    assert!(ends(&effects, &slot(1)));
    assert_eq!(
        session.handle(NOON, Input::Provisioned { slot: slot(1) }),
        Ok(vec![])
    );
    assert!(sees(&session, "ada").publishes.is_empty());
}

#[test]
fn another_show_is_another_take() {
    let mut session = live();
    session.handle(NOON, press("ada", "end-show")).unwrap();
    let effects = session.handle(NOON, press("ada", "go-live")).unwrap();
    assert!(
        matches!(effects.as_slice(), [Effect::Provision { slot: made, .. }] if *made == slot(2))
    );
}

#[test]
fn a_host_who_vanishes_is_waited_for_and_comes_back_to_the_same_stream() {
    let mut session = live();
    let effects = session.handle(NOON, Input::Idle { slot: slot(1) }).unwrap();
    let deadline = Deadline::from("host-return");
    let at = NOON.after(Policy::default().host_return_seconds.duration());
    assert_eq!(
        effects,
        [Effect::SetDeadline {
            deadline: deadline.clone(),
            at
        }]
    );
    assert_eq!(sees(&session, "ben").phase, Phase::Interrupted);
    assert!(
        sees(&session, "ben").may_play(&slot(1)),
        "players stay in place"
    );
    assert!(sees(&session, "ada").may_publish(&slot(1)));

    let effects = session
        .handle(NOON, Input::Started { slot: slot(1) })
        .unwrap();
    assert_eq!(effects, [Effect::ClearDeadline { deadline }]);
    assert_eq!(sees(&session, "ben").phase, Phase::Live);
    assert_eq!(
        sees(&session, "ben").since,
        Some(NOON),
        "the show goes on, it does not begin again"
    );
}

#[test]
fn a_host_who_stays_away_ends_the_show() {
    let mut session = live();
    session.handle(NOON, Input::Idle { slot: slot(1) }).unwrap();
    let effects = session
        .handle(
            NOON,
            Input::DeadlinePassed {
                deadline: "host-return".into(),
            },
        )
        .unwrap();
    assert!(ends(&effects, &slot(1)));
    assert_eq!(sees(&session, "ben").phase, Phase::Ended);
}

#[test]
fn a_deadline_that_passes_as_the_picture_returns_ends_nothing() {
    let mut session = live();
    let before = session.clone();
    assert_eq!(
        session.handle(
            NOON,
            Input::DeadlinePassed {
                deadline: "host-return".into()
            }
        ),
        Ok(vec![])
    );
    assert_eq!(session, before);
}

#[test]
fn a_host_who_leaves_before_the_picture_was_on_is_waited_for_too() {
    let mut session = after([
        join("ada", Seat::Host),
        press("ada", "go-live"),
        Input::Provisioned { slot: slot(1) },
    ]);
    let effects = session
        .handle(
            NOON,
            Input::Left {
                participant: "ada".into(),
            },
        )
        .unwrap();
    assert!(matches!(effects.as_slice(), [Effect::SetDeadline { .. }]));
    let effects = session.handle(NOON, join("ada", Seat::Host)).unwrap();
    assert!(matches!(effects.as_slice(), [Effect::ClearDeadline { .. }]));
}

#[test]
fn a_host_who_left_while_the_stream_was_made_is_waited_for_when_it_is_there() {
    let mut session = after([join("ada", Seat::Host), press("ada", "go-live")]);
    session
        .handle(
            NOON,
            Input::Left {
                participant: "ada".into(),
            },
        )
        .unwrap();
    let effects = session
        .handle(NOON, Input::Provisioned { slot: slot(1) })
        .unwrap();
    assert!(matches!(effects.as_slice(), [Effect::SetDeadline { .. }]));
}

#[test]
fn a_stream_that_cannot_be_made_is_told_to_the_host_and_can_be_tried_again() {
    let mut session = after([
        join("ada", Seat::Host),
        join("ben", Seat::Guest),
        press("ada", "go-live"),
    ]);
    let reason = "Livepeer is not reachable.".to_owned();
    session
        .handle(
            NOON,
            Input::ProvisionFailed {
                slot: slot(1),
                reason: reason.clone(),
            },
        )
        .unwrap();
    assert_eq!(sees(&session, "ada").detail, reason);
    assert!(sees(&session, "ada").offers("go-live"));
    assert!(
        !sees(&session, "ben").detail.contains(&reason),
        "the audience is not troubled with it"
    );
    assert!(session.handle(NOON, press("ada", "go-live")).is_ok());
}

#[test]
fn a_stream_ended_at_livepeer_ends_the_show() {
    let mut session = live();
    session
        .handle(NOON, Input::Ended { slot: slot(1) })
        .unwrap();
    assert_eq!(sees(&session, "ada").phase, Phase::Ended);
}

#[test]
fn late_and_repeated_news_change_nothing() {
    let mut session = live();
    session.handle(NOON, press("ada", "end-show")).unwrap();
    session.handle(NOON, press("ada", "go-live")).unwrap();
    session
        .handle(NOON, Input::Provisioned { slot: slot(2) })
        .unwrap();
    session
        .handle(NOON, Input::Started { slot: slot(2) })
        .unwrap();
    let before = session.clone();
    for input in [
        Input::Provisioned { slot: slot(1) },
        Input::Provisioned { slot: slot(2) },
        Input::ProvisionFailed {
            slot: slot(1),
            reason: "late".into(),
        },
        Input::Started { slot: slot(1) },
        Input::Started { slot: slot(2) },
        Input::Idle { slot: slot(1) },
        Input::Ended { slot: slot(1) },
        Input::DeadlinePassed {
            deadline: "of-somebody-else".into(),
        },
    ] {
        let told = format!("{input:?}");
        assert_eq!(session.handle(NOON, input), Ok(vec![]), "{told}");
        assert_eq!(session, before, "{told}");
    }
}

#[test]
fn what_a_person_may_not_do_is_refused_and_changes_nothing() {
    let mut session = live();
    for (input, words) in [
        (press("ben", "end-show"), "Only the host"),
        (press("ada", "go-live"), "on already"),
        (press("ada", "raise-curtain"), "\"raise-curtain\""),
        (join("ben", Seat::Host), "Only the person who created"),
        (join("ada", Seat::Guest), "host page"),
    ] {
        let refusal = refused(&mut session, input);
        assert!(refusal.0.contains(words), "{refusal}");
    }
    let mut session = open();
    assert!(
        refused(&mut session, press("ada", "end-show"))
            .0
            .contains("no show")
    );
}

#[test]
fn every_button_of_every_view_is_taken() {
    let moments = [
        after([join("ada", Seat::Host)]),
        after([join("ada", Seat::Host), press("ada", "go-live")]),
        live(),
        after([
            join("ada", Seat::Host),
            press("ada", "go-live"),
            Input::ProvisionFailed {
                slot: slot(1),
                reason: "no".into(),
            },
        ]),
        after([
            join("ada", Seat::Host),
            press("ada", "go-live"),
            press("ada", "end-show"),
        ]),
    ];
    for session in moments {
        let buttons = sees(&session, "ada").buttons;
        assert!(!buttons.is_empty());
        for button in buttons {
            let mut session = session.clone();
            assert!(
                session.handle(NOON, press("ada", &button.action)).is_ok(),
                "{}",
                button.action
            );
        }
    }
}

#[test]
fn the_state_survives_storage() {
    let session = live();
    let stored = serde_json::to_string(&session).unwrap();
    assert_eq!(serde_json::from_str::<OneToMany>(&stored).unwrap(), session);
}

#[test]
fn what_the_host_switches_off_is_told_to_viewers() {
    let mut session = live();
    let muted = Sending {
        microphone: false,
        ..Sending::default()
    };
    let switched = |who: &str| Input::Switched {
        participant: who.into(),
        sending: muted,
    };
    session.handle(NOON, switched("ben")).unwrap();
    assert_eq!(sees(&session, "ben").plays[0].sending, Sending::default());
    session.handle(NOON, switched("ada")).unwrap();
    assert_eq!(sees(&session, "ben").plays[0].sending, muted);
}

#[test]
fn the_policy_says_how_long_a_host_is_waited_for_and_what_is_paid_for() {
    let policy: Policy =
        serde_json::from_str(r#"{"hostReturnSeconds": 300, "renditions": "source"}"#).unwrap();
    let mut session = OneToMany::open(
        Opening {
            title: "Cooking with Ada".into(),
            host: "ada".into(),
            host_name: "Ada".into(),
        },
        policy,
    );
    session.handle(NOON, join("ada", Seat::Host)).unwrap();
    let effects = session.handle(NOON, press("ada", "go-live")).unwrap();
    assert!(matches!(
        &effects[..],
        [Effect::Provision { spec, .. }] if spec.renditions == Renditions::Source
    ));
    session
        .handle(NOON, Input::Started { slot: slot(1) })
        .unwrap();
    let effects = session.handle(NOON, Input::Idle { slot: slot(1) }).unwrap();
    assert!(matches!(
        effects[..],
        [Effect::SetDeadline { at, .. }] if at == Timestamp(NOON.0 + 300_000)
    ));
    let words = sees(&session, "ada").detail;
    assert!(words.contains("5 minutes"), "{words}");
}

#[test]
fn a_misspelt_policy_is_refused_by_name() {
    let error = serde_json::from_str::<Policy>(r#"{"hostReturn": 300}"#).unwrap_err();
    assert!(error.to_string().contains("hostReturn"), "{error}");
}
