//! One test for each thing that can happen to a panel.

#![allow(clippy::unwrap_used)]

use panel::{Panel, Policy};
use session::transcript::{join, press, press_about};
use session::{
    Architecture, Effect, Input, Opening, ParticipantId, Phase, Players, Renditions, Seat, Seconds,
    Sending, Slot, Timestamp, View,
};

const NOON: Timestamp = Timestamp(43_200_000);

fn open() -> Panel {
    let opening = Opening {
        title: "Shall we?".into(),
        host: "ada".into(),
        host_name: "Ada".into(),
    };
    Panel::open(opening, Policy::default())
}

fn seat(number: u32, take: u32) -> Slot {
    Slot::new(format!("seat-{number}"), take)
}

fn leave(id: &str) -> Input {
    Input::Left {
        participant: id.into(),
    }
}

fn provisioned(slot: Slot) -> Input {
    Input::Provisioned { slot }
}

fn started(slot: Slot) -> Input {
    Input::Started { slot }
}

fn passes(deadline: &str) -> Input {
    Input::DeadlinePassed {
        deadline: deadline.into(),
    }
}

fn sees(session: &Panel, id: &str) -> View {
    session.view(&ParticipantId::from(id))
}

fn ends(effects: &[Effect], slot: &Slot) -> bool {
    effects.contains(&Effect::End { slot: slot.clone() })
}

/// Whom the effects tell something.
fn told(effects: &[Effect]) -> Vec<&str> {
    let told = effects.iter().filter_map(|effect| match effect {
        Effect::Notice { to, .. } => Some(to.0.as_str()),
        _ => None,
    });
    told.collect()
}

/// What comes of something that must not be refused.
fn does(session: &mut Panel, input: Input) -> Vec<Effect> {
    session.handle(NOON, input).unwrap()
}

/// The words with which an input is refused that must change nothing.
fn refused(session: &mut Panel, input: Input) -> String {
    let before = session.clone();
    let refusal = session.handle(NOON, input).unwrap_err();
    assert_eq!(*session, before, "a refused input changed the session");
    refusal.0
}

/// Ada has opened the panel; she, Ben and Cleo are here.
fn opened() -> Panel {
    let mut session = open();
    for input in [
        join("ada", Seat::Host),
        join("ben", Seat::Guest),
        join("cleo", Seat::Guest),
        press("ada", "open-panel"),
    ] {
        does(&mut session, input);
    }
    session
}

/// Somebody raises a hand and is brought up.
fn bring_up(session: &mut Panel, id: &str) -> Vec<Effect> {
    does(session, press(id, "raise-hand"));
    does(session, press_about("ada", "bring-up", id))
}

/// Ben is live on seat 1, Cleo watches.
fn ben_is_on() -> Panel {
    let mut session = opened();
    bring_up(&mut session, "ben");
    does(&mut session, provisioned(seat(1, 1)));
    does(&mut session, started(seat(1, 1)));
    session
}

/// Four are on stage, and Cleo has her hand up.
fn full() -> Panel {
    let mut session = opened();
    does(&mut session, press("ada", "step-up"));
    for id in ["dan", "eve", "finn"] {
        does(&mut session, join(id, Seat::Guest));
        bring_up(&mut session, id);
    }
    does(&mut session, press("cleo", "raise-hand"));
    session
}

#[test]
fn opening_the_panel_makes_no_stream() {
    let mut session = open();
    does(&mut session, join("ada", Seat::Host));
    does(&mut session, join("ben", Seat::Guest));
    assert_eq!(sees(&session, "ada").phase, Phase::Setup);
    assert!(!sees(&session, "ben").offers("raise-hand"));
    assert_eq!(does(&mut session, press("ada", "open-panel")), []);
    assert!(sees(&session, "ben").offers("raise-hand"));
    assert_eq!(sees(&session, "ben").since, Some(NOON));
}

#[test]
fn who_raises_a_hand_checks_their_camera_and_the_moderator_sees_them_in_turn() {
    let mut session = opened();
    assert_eq!(does(&mut session, press("cleo", "raise-hand")), []);
    does(&mut session, press("ben", "raise-hand"));
    assert!(sees(&session, "cleo").preview, "the camera is on");
    assert!(
        sees(&session, "cleo").publishes.is_empty(),
        "and for them alone"
    );
    let people = sees(&session, "ada").people;
    let names: Vec<_> = people.iter().map(|other| other.name.as_str()).collect();
    assert_eq!(names, ["cleo", "ben"]);
    assert!(sees(&session, "ben").people.is_empty());
    for action in ["bring-up", "dismiss"] {
        assert!(sees(&session, "ada").offers_about(action, &"ben".into()));
    }
}

#[test]
fn a_hand_goes_down_when_it_is_lowered_dismissed_or_gone() {
    let mut session = opened();
    for down in [
        press("ben", "lower-hand"),
        press_about("ada", "dismiss", "ben"),
        leave("ben"),
    ] {
        does(&mut session, press("ben", "raise-hand"));
        let dismissed = matches!(&down, Input::Acted { participant, .. } if participant.0 == "ada");
        let effects = does(&mut session, down);
        assert_eq!(told(&effects) == ["ben"], dismissed, "{effects:?}");
        assert!(sees(&session, "ada").people.is_empty());
        assert!(!sees(&session, "ben").preview, "the camera is off again");
        let late = press_about("ada", "bring-up", "ben");
        assert!(refused(&mut session, late).contains("not up any more"));
    }
}

#[test]
fn bringing_somebody_up_makes_a_stream_of_theirs_for_those_who_are_here() {
    let mut session = opened();
    let effects = bring_up(&mut session, "ben");
    let [Effect::Provision { slot, spec }] = effects.as_slice() else {
        panic!("{effects:?}");
    };
    assert_eq!(*slot, seat(1, 1));
    assert_eq!(spec.publisher, "ben".into());
    assert_eq!(spec.players, Players::Admitted);
    assert_eq!(spec.renditions, Renditions::Source);
    assert!(!sees(&session, "ben").may_publish(&seat(1, 1)), "not yet");

    does(&mut session, provisioned(seat(1, 1)));
    assert!(sees(&session, "ben").may_publish(&seat(1, 1)));
    assert!(!sees(&session, "cleo").may_play(&seat(1, 1)), "not yet");

    does(&mut session, started(seat(1, 1)));
    assert!(sees(&session, "ada").may_play(&seat(1, 1)));
    assert!(sees(&session, "cleo").may_play(&seat(1, 1)));
    assert!(!sees(&session, "ben").may_play(&seat(1, 1)), "their own");
    assert!(sees(&session, "eve").plays.is_empty(), "she never came");
}

#[test]
fn those_on_stage_see_each_other_and_the_audience_sees_all() {
    let mut session = ben_is_on();
    does(&mut session, press("ada", "step-up"));
    does(&mut session, provisioned(seat(2, 1)));
    does(&mut session, started(seat(2, 1)));
    let plays = |id: &str| -> Vec<Slot> {
        let view = sees(&session, id);
        view.plays.into_iter().map(|play| play.slot).collect()
    };
    assert_eq!(plays("ben"), [seat(2, 1)]);
    assert_eq!(plays("ada"), [seat(1, 1)]);
    assert_eq!(plays("cleo"), [seat(1, 1), seat(2, 1)]);
    assert_eq!(sees(&session, "ada").audience, Some(1), "Cleo alone");
    assert!(sees(&session, "ada").offers("close-panel"));
}

#[test]
fn a_full_stage_says_so_and_keeps_the_hand_up() {
    let mut session = full();
    assert!(sees(&session, "ben").detail.contains("full"));
    assert!(sees(&session, "cleo").detail.contains("full"));
    let cleo = ParticipantId::from("cleo");
    assert!(!sees(&session, "ada").offers_about("bring-up", &cleo));
    let words = refused(&mut session, press_about("ada", "bring-up", "cleo"));
    assert!(words.contains("full"), "{words}");

    does(&mut session, press("dan", "step-down"));
    assert!(sees(&session, "ada").offers_about("bring-up", &cleo));
    let effects = does(&mut session, press_about("ada", "bring-up", "cleo"));
    assert!(
        matches!(effects.as_slice(), [Effect::Provision { slot, .. }] if *slot == seat(2, 2)),
        "the seat is free, and its stream another one: {effects:?}"
    );
}

#[test]
fn a_moderator_off_stage_is_told_that_it_is_full() {
    let mut session = full();
    does(&mut session, press("ada", "step-down"));
    bring_up(&mut session, "ben");
    assert!(sees(&session, "ada").detail.contains("full"));
    assert!(!sees(&session, "ada").offers("step-up"));
    assert!(refused(&mut session, press("ada", "step-up")).contains("full"));
}

#[test]
fn stepping_down_or_being_taken_down_ends_the_stream_at_once() {
    for (down, notified) in [
        (press("ben", "step-down"), false),
        (press_about("ada", "take-down", "ben"), true),
    ] {
        let mut session = ben_is_on();
        let effects = does(&mut session, down);
        assert!(ends(&effects, &seat(1, 1)));
        assert_eq!(told(&effects) == ["ben"], notified);
        assert!(!sees(&session, "ben").may_publish(&seat(1, 1)));
        assert!(!sees(&session, "cleo").may_play(&seat(1, 1)));
        assert!(sees(&session, "ben").offers("raise-hand"));
    }
}

#[test]
fn who_is_taken_down_while_their_stream_is_made_leaves_none_behind() {
    let mut session = opened();
    bring_up(&mut session, "ben");
    let effects = does(&mut session, press_about("ada", "take-down", "ben"));
    assert!(ends(&effects, &seat(1, 1)));
    let before = session.clone();
    assert_eq!(does(&mut session, provisioned(seat(1, 1))), []);
    assert_eq!(session, before);
}

#[test]
fn a_seat_waits_for_a_picture_that_has_stopped() {
    let mut session = ben_is_on();
    let effects = does(&mut session, Input::Idle { slot: seat(1, 1) });
    let deadline = "seat-1-return.1".into();
    let at = NOON.after(Policy::default().seat_return_seconds.duration());
    assert_eq!(effects, [Effect::SetDeadline { deadline, at }]);
    does(&mut session, leave("ben"));
    assert_eq!(sees(&session, "cleo").phase, Phase::Interrupted);
    assert!(
        sees(&session, "cleo").may_play(&seat(1, 1)),
        "players stay in place"
    );

    does(&mut session, join("ben", Seat::Guest));
    assert!(sees(&session, "ben").may_publish(&seat(1, 1)));
    let effects = does(&mut session, started(seat(1, 1)));
    let deadline = "seat-1-return.1".into();
    assert_eq!(effects, [Effect::ClearDeadline { deadline }]);
    assert_eq!(sees(&session, "cleo").phase, Phase::Live);
}

#[test]
fn a_seat_that_waits_in_vain_is_free_and_its_stream_ended() {
    let mut never_on = opened();
    bring_up(&mut never_on, "ben");
    let effects = does(&mut never_on, provisioned(seat(1, 1)));
    assert!(matches!(effects.as_slice(), [Effect::SetDeadline { .. }]));
    let mut dropped_out = ben_is_on();
    does(&mut dropped_out, Input::Idle { slot: seat(1, 1) });
    for mut session in [never_on, dropped_out] {
        let effects = does(&mut session, passes("seat-1-return.1"));
        assert!(ends(&effects, &seat(1, 1)));
        assert_eq!(told(&effects), ["ben"]);
        assert!(sees(&session, "ben").offers("raise-hand"));
    }
}

#[test]
fn a_deadline_that_passes_as_the_picture_or_the_moderator_returns_ends_nothing() {
    let mut session = ben_is_on();
    let before = session.clone();
    assert_eq!(does(&mut session, passes("seat-1-return.1")), []);
    assert_eq!(does(&mut session, passes("moderator-return")), []);
    assert_eq!(session, before);
}

#[test]
fn a_deadline_of_an_earlier_take_says_nothing_about_this_one() {
    let mut session = ben_is_on();
    does(&mut session, press("ben", "step-down"));
    bring_up(&mut session, "cleo");
    does(&mut session, provisioned(seat(1, 2)));
    assert_eq!(does(&mut session, passes("seat-1-return.1")), []);
    assert!(sees(&session, "cleo").may_publish(&seat(1, 2)));
}

#[test]
fn closing_the_panel_ends_every_stream_and_every_wish() {
    let mut session = full();
    let effects = does(&mut session, press("ada", "close-panel"));
    for number in 1..=4 {
        assert!(ends(&effects, &seat(number, 1)), "{number}");
    }
    for id in ["ada", "ben", "cleo", "dan"] {
        let view = sees(&session, id);
        assert_eq!(view.phase, Phase::Ended);
        assert!(view.publishes.is_empty() && view.plays.is_empty() && !view.preview);
    }
    does(&mut session, press("ada", "open-panel"));
    assert!(sees(&session, "ada").people.is_empty(), "no hand of then");
    let effects = does(&mut session, press("ada", "step-up"));
    assert!(
        matches!(effects.as_slice(), [Effect::Provision { slot, .. }] if *slot == seat(1, 2)),
        "another take: {effects:?}"
    );
}

#[test]
fn a_moderator_who_goes_is_waited_for_and_then_the_panel_closes() {
    let mut session = ben_is_on();
    let effects = does(&mut session, leave("ada"));
    let at = NOON.after(Policy::default().moderator_return_seconds.duration());
    let deadline = "moderator-return".into();
    assert_eq!(effects, [Effect::SetDeadline { deadline, at }]);
    assert_eq!(sees(&session, "cleo").phase, Phase::Live, "it goes on");

    let mut back = session.clone();
    let effects = does(&mut back, join("ada", Seat::Host));
    let deadline = "moderator-return".into();
    assert_eq!(effects, [Effect::ClearDeadline { deadline }]);

    let effects = does(&mut session, passes("moderator-return"));
    assert!(ends(&effects, &seat(1, 1)));
    assert_eq!(sees(&session, "cleo").phase, Phase::Ended);
}

#[test]
fn a_stream_that_cannot_be_made_leaves_the_seat_free_and_is_told() {
    let failed = |slot| Input::ProvisionFailed {
        slot,
        reason: "Livepeer cannot be reached.".into(),
    };
    let mut session = opened();
    bring_up(&mut session, "ben");
    let effects = does(&mut session, failed(seat(1, 1)));
    assert_eq!(told(&effects), ["ada", "ben"]);
    assert!(sees(&session, "ben").offers("raise-hand"));

    does(&mut session, press("ada", "step-up"));
    let effects = does(&mut session, failed(seat(1, 2)));
    assert_eq!(told(&effects), ["ada"], "once is enough");
    assert!(sees(&session, "ada").offers("step-up"));
}

#[test]
fn a_stream_ended_at_livepeer_leaves_the_seat_free() {
    let mut session = ben_is_on();
    let effects = does(&mut session, Input::Ended { slot: seat(1, 1) });
    assert!(!ends(&effects, &seat(1, 1)), "there is nothing left to end");
    assert_eq!(told(&effects), ["ben"]);
    assert!(!sees(&session, "cleo").may_play(&seat(1, 1)));
}

#[test]
fn late_and_repeated_news_change_nothing() {
    let mut session = ben_is_on();
    does(&mut session, press("ben", "step-down"));
    bring_up(&mut session, "cleo");
    does(&mut session, provisioned(seat(1, 2)));
    does(&mut session, started(seat(1, 2)));
    let before = session.clone();
    for input in [
        provisioned(seat(1, 1)),
        provisioned(seat(1, 2)),
        started(seat(1, 1)),
        started(seat(1, 2)),
        Input::Idle { slot: seat(1, 1) },
        Input::Ended { slot: seat(1, 1) },
        Input::ProvisionFailed {
            slot: seat(1, 2),
            reason: "late".into(),
        },
        started(seat(4, 1)),
        passes("of-somebody-else"),
    ] {
        let what = format!("{input:?}");
        assert_eq!(does(&mut session, input), [], "{what}");
        assert_eq!(session, before, "{what}");
    }
}

#[test]
fn what_a_person_may_not_do_is_refused_and_changes_nothing() {
    let mut session = ben_is_on();
    does(&mut session, press("ada", "step-up"));
    for (input, words) in [
        (press("ben", "close-panel"), "Only the moderator"),
        (
            press_about("cleo", "take-down", "ben"),
            "Only the moderator",
        ),
        (press("cleo", "step-up"), "Only the moderator"),
        (press("ada", "open-panel"), "open already"),
        (press("ada", "raise-hand"), "take a seat"),
        (press("ben", "raise-hand"), "already"),
        (press("cleo", "step-down"), "not on stage"),
        (press("cleo", "lower-hand"), "not up any more"),
        (press("ada", "take-down"), "not on stage any more"),
        (press_about("ada", "bring-up", "cleo"), "not up any more"),
        (press("ada", "raise-curtain"), "\"raise-curtain\""),
        (press("eve", "raise-hand"), "Reload"),
        (press_about("ada", "take-down", "ada"), "leave the stage"),
    ] {
        let refusal = refused(&mut session, input);
        assert!(refusal.contains(words), "{refusal}");
    }
    let mut session = open();
    does(&mut session, join("ben", Seat::Guest));
    assert!(refused(&mut session, press("ben", "raise-hand")).contains("not open"));
}

#[test]
fn what_somebody_switches_off_is_told_to_those_who_see_them() {
    let mut session = ben_is_on();
    let sending = Sending {
        microphone: false,
        ..Sending::default()
    };
    let participant = "ben".into();
    does(
        &mut session,
        Input::Switched {
            participant,
            sending,
        },
    );
    assert_eq!(sees(&session, "cleo").plays[0].sending, sending);
}

#[test]
fn somebody_on_stage_is_called_as_they_say_now() {
    let mut session = ben_is_on();
    let mut again = join("ben", Seat::Guest);
    if let Input::Joined { participant } = &mut again {
        participant.name = "Benedict".to_owned();
    }
    assert_eq!(does(&mut session, again), []);
    assert_eq!(sees(&session, "cleo").plays[0].label, "Benedict");
    assert_eq!(sees(&session, "ada").people[0].name, "Benedict");
}

#[test]
fn the_policy_says_how_long_is_waited() {
    let policy: Policy =
        serde_json::from_str(r#"{"seatReturnSeconds":7,"moderatorReturnSeconds":9}"#).unwrap();
    assert_eq!(policy.seat_return_seconds, Seconds::new(7));
    let opening = Opening {
        title: String::new(),
        host: "ada".into(),
        host_name: "Ada".into(),
    };
    let mut session = Panel::open(opening, policy);
    does(&mut session, join("ada", Seat::Host));
    does(&mut session, press("ada", "open-panel"));
    let effects = does(&mut session, leave("ada"));
    assert!(
        matches!(effects[0], Effect::SetDeadline { at, .. } if at == Timestamp(NOON.0 + 9000)),
        "{effects:?}"
    );
    assert!(serde_json::from_str::<Policy>(r#"{"seats":9}"#).is_err());
}

#[test]
fn the_state_survives_storage() {
    let session = full();
    let stored = serde_json::to_string(&session).unwrap();
    assert_eq!(serde_json::from_str::<Panel>(&stored).unwrap(), session);
}
