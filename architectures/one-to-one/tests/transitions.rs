//! One test for each thing that can happen to a call.

#![allow(clippy::unwrap_used)]

use one_to_one::{OneToOne, Policy};
use session::transcript::{join, press};
use session::{
    Architecture, Deadline, Effect, Input, Opening, Participant, ParticipantId, Phase, Players,
    Refusal, Renditions, Seat, Sending, Slot, Source, Timestamp, View,
};

const NOON: Timestamp = Timestamp(43_200_000);

fn open_with(policy: Policy) -> OneToOne {
    let opening = Opening {
        title: "A word with Ada".into(),
        host: "ada".into(),
        host_name: "Ada".into(),
    };
    OneToOne::open(opening, policy)
}

fn host(take: u32) -> Slot {
    Slot::new("call-host", take)
}

fn guest(take: u32) -> Slot {
    Slot::new("call-guest", take)
}

/// Somebody who is here says what they are called.
fn called(id: &str, name: &str) -> Input {
    Input::Joined {
        participant: Participant {
            id: id.into(),
            name: name.to_owned(),
            seat: Seat::Guest,
        },
    }
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

fn idle(slot: Slot) -> Input {
    Input::Idle { slot }
}

fn fails(slot: Slot) -> Input {
    let reason = "Livepeer is not reachable.".to_owned();
    Input::ProvisionFailed { slot, reason }
}

fn passes(deadline: &str) -> Input {
    Input::DeadlinePassed {
        deadline: deadline.into(),
    }
}

fn sees(session: &OneToOne, id: &str) -> View {
    session.view(&ParticipantId::from(id))
}

fn ends(effects: &[Effect], slot: &Slot) -> bool {
    effects.contains(&Effect::End { slot: slot.clone() })
}

/// Whether the two streams are ended, and nothing of the call is left in anybody's View.
fn is_over(session: &OneToOne, effects: &[Effect]) -> bool {
    let nothing = |id| {
        let view = sees(session, id);
        view.publishes.is_empty() && view.plays.is_empty()
    };
    ends(effects, &host(1)) && ends(effects, &guest(1)) && nothing("ada") && nothing("ben")
}

/// Who is waited for, and how many seconds from noon.
fn waits_for(effects: &[Effect]) -> Option<(&str, u64)> {
    effects.iter().find_map(|effect| match effect {
        Effect::SetDeadline { deadline, at } => Some((deadline.0.as_str(), (at.0 - NOON.0) / 1000)),
        _ => None,
    })
}

fn told(effects: &[Effect], id: &str) -> String {
    let notice = effects.iter().find_map(|effect| match effect {
        Effect::Notice { to, text } if *to == id.into() => Some(text.clone()),
        _ => None,
    });
    notice.unwrap_or_default()
}

/// A story that is told on.
trait Story {
    /// Lets something happen that is not refused.
    fn then(&mut self, input: Input) -> Vec<Effect>;
}

impl Story for OneToOne {
    fn then(&mut self, input: Input) -> Vec<Effect> {
        self.handle(NOON, input).unwrap()
    }
}

/// A session to which all of that has happened, at noon.
fn after(inputs: impl IntoIterator<Item = Input>) -> OneToOne {
    let mut session = open_with(Policy::default());
    for input in inputs {
        session.then(input);
    }
    session
}

/// Ada calls; Ben and Cleo have opened the link.
fn ringing() -> OneToOne {
    after([
        join("ada", Seat::Host),
        join("ben", Seat::Guest),
        join("cleo", Seat::Guest),
        press("ada", "call"),
    ])
}

/// Ben has answered. The streams are being made.
fn answered() -> OneToOne {
    let mut session = ringing();
    session.then(press("ben", "join-call"));
    session
}

/// Both streams are there, and no picture is.
fn connecting() -> OneToOne {
    let mut session = answered();
    session.then(provisioned(host(1)));
    session.then(provisioned(guest(1)));
    session
}

/// Ada and Ben see each other; Cleo is a third.
fn talking() -> OneToOne {
    let mut session = connecting();
    session.then(started(host(1)));
    session.then(started(guest(1)));
    session
}

/// Hands over an input that must be refused, and must change nothing.
fn refused(session: &mut OneToOne, input: Input) -> Refusal {
    let before = session.clone();
    let refusal = session.handle(NOON, input).unwrap_err();
    assert_eq!(*session, before, "a refused input changed the session");
    refusal
}

/// Hands over an input that is nothing to this session.
fn ignored(session: &mut OneToOne, input: Input) {
    let (before, told) = (session.clone(), format!("{input:?}"));
    assert_eq!(session.handle(NOON, input), Ok(vec![]), "{told}");
    assert_eq!(*session, before, "{told}");
}

#[test]
fn calling_makes_no_stream_until_somebody_answers() {
    let mut session = after([join("ada", Seat::Host), join("ben", Seat::Guest)]);
    assert_eq!(sees(&session, "ben").phase, Phase::Waiting);
    assert_eq!(session.then(press("ada", "call")), []);
    assert_eq!(sees(&session, "ben").phase, Phase::Ringing);
    assert_eq!(sees(&session, "ada").phase, Phase::Waiting);
}

#[test]
fn who_is_called_sees_who_calls_and_checks_camera_and_microphone() {
    let view = sees(&ringing(), "ben");
    assert!(view.headline.contains("Ada"), "{}", view.headline);
    assert!(view.preview);
    assert!(view.publishes.is_empty(), "nothing is sent before joining");
    assert!(view.offers("join-call") && view.offers("decline-call"));
}

#[test]
fn who_opens_the_link_while_it_rings_is_called_too_and_the_host_sees_them() {
    let mut session = after([join("ada", Seat::Host), press("ada", "call")]);
    session.then(join("ben", Seat::Guest));
    assert_eq!(sees(&session, "ben").phase, Phase::Ringing);
    let people = sees(&session, "ada").people;
    assert_eq!(people.len(), 1);
    assert_eq!(people[0].note, "has opened your link");
}

#[test]
fn answering_makes_two_streams_each_for_the_other_alone_and_never_transcoded() {
    let mut session = ringing();
    let effects = session.then(press("ben", "join-call"));
    let made = effects.iter().filter_map(|effect| match effect {
        Effect::Provision { slot, spec } => Some((slot.clone(), spec.clone())),
        _ => None,
    });
    let made: Vec<_> = made.collect();
    assert_eq!(made.len(), 2);
    for ((slot, spec), (wanted, publisher, player)) in made
        .into_iter()
        .zip([(host(1), "ada", "ben"), (guest(1), "ben", "ada")])
    {
        assert_eq!(slot, wanted);
        assert_eq!(spec.publisher, publisher.into());
        assert_eq!(spec.players, Players::only(player.into()));
        assert_eq!(spec.renditions, Renditions::Source);
    }
}

#[test]
fn each_publishes_their_own_and_plays_the_others_once_it_is_there() {
    let mut session = answered();
    assert!(sees(&session, "ada").publishes.is_empty(), "not made yet");
    session.then(provisioned(host(1)));
    assert!(sees(&session, "ada").may_publish(&host(1)));
    assert!(
        sees(&session, "ben").publishes.is_empty(),
        "theirs is not made yet"
    );
    assert!(!sees(&session, "ben").may_play(&host(1)), "no picture yet");
    session.then(started(host(1)));
    assert!(sees(&session, "ben").may_play(&host(1)));

    let session = talking();
    for (id, mine, theirs) in [("ada", host(1), guest(1)), ("ben", guest(1), host(1))] {
        let view = sees(&session, id);
        assert_eq!(view.phase, Phase::Live);
        assert!(view.may_publish(&mine) && !view.may_publish(&theirs));
        assert!(view.may_play(&theirs) && !view.may_play(&mine));
        assert!(view.publishes.iter().all(|p| p.source == Source::Camera));
    }
}

#[test]
fn a_call_has_lasted_since_both_pictures_were_there() {
    let mut session = connecting();
    session.then(started(host(1)));
    assert_eq!(sees(&session, "ada").since, None);
    let later = Timestamp(NOON.0 + 4_000);
    session.handle(later, started(guest(1))).unwrap();
    assert_eq!(sees(&session, "ada").since, Some(later));
    session.then(idle(guest(1)));
    session.then(started(guest(1)));
    assert_eq!(sees(&session, "ben").since, Some(later), "it goes on");
}

#[test]
fn a_camera_may_be_faster_than_the_answer_that_its_stream_exists() {
    let mut session = answered();
    session.then(started(host(1)));
    assert!(sees(&session, "ben").may_play(&host(1)));
    ignored(&mut session, provisioned(host(1)));
    ignored(&mut session, fails(host(1)));
}

#[test]
fn a_third_person_is_told_that_the_call_is_full_and_nothing_else() {
    let full = View::of(Phase::Waiting, "This call is full", "");
    for session in [answered(), connecting(), talking()] {
        assert_eq!(sees(&session, "cleo"), full);
        assert_eq!(sees(&session, "somebody-who-never-came"), full);
    }
    let mut session = talking();
    session.then(join("dan", Seat::Guest));
    assert_eq!(sees(&session, "dan"), full);
    let words = refused(&mut session, press("dan", "join-call"));
    assert_eq!(words.0, "This call is full.");
}

#[test]
fn a_third_person_may_answer_the_next_call() {
    let mut session = talking();
    session.then(press("ada", "hang-up"));
    session.then(press("ada", "call"));
    session.then(press("cleo", "join-call"));
    assert!(session.includes(&"cleo".into()) && !session.includes(&"ben".into()));
    assert_eq!(sees(&session, "ben").headline, "This call is full");
}

#[test]
fn somebody_who_has_not_joined_gets_no_stream_and_no_button() {
    for session in [after([]), ringing(), talking()] {
        let view = sees(&session, "eve");
        assert!(view.plays.is_empty() && view.publishes.is_empty() && view.buttons.is_empty());
        assert!(view.title.is_empty() && view.byline.is_empty());
    }
}

#[test]
fn either_hangs_up_and_both_streams_end_at_once() {
    for id in ["ada", "ben"] {
        let mut session = talking();
        let effects = session.then(press(id, "hang-up"));
        assert!(is_over(&session, &effects), "{id}: {effects:?}");
        assert_eq!(sees(&session, "ada").phase, Phase::Ended);
        assert_eq!(sees(&session, "ben").phase, Phase::Ended);
        assert!(sees(&session, "ada").offers("call"));
    }
}

#[test]
fn hanging_up_while_the_streams_are_made_ends_them_all_the_same() {
    let mut session = answered();
    let effects = session.then(press("ben", "hang-up"));
    assert!(is_over(&session, &effects));
    ignored(&mut session, provisioned(host(1)));
    ignored(&mut session, provisioned(guest(1)));
    assert!(sees(&session, "ada").publishes.is_empty());
}

#[test]
fn another_call_uses_nothing_of_the_one_before() {
    let mut session = talking();
    session.then(press("ada", "hang-up"));
    session.then(press("ada", "call"));
    let effects = session.then(press("ben", "join-call"));
    for slot in [host(2), guest(2)] {
        let made =
            |effect: &Effect| matches!(effect, Effect::Provision { slot: s, .. } if *s == slot);
        assert!(effects.iter().any(made), "{slot}");
    }
}

#[test]
fn not_now_is_told_to_the_host_and_is_no_last_word() {
    let mut session = ringing();
    assert_eq!(session.then(press("ben", "decline-call")), []);
    let people = sees(&session, "ada").people;
    let ben = people.iter().find(|other| other.id == "ben".into());
    assert_eq!(ben.unwrap().note, "cannot come now");
    assert_eq!(sees(&session, "cleo").phase, Phase::Ringing, "it goes on");

    let view = sees(&session, "ben");
    assert!(!view.preview && view.offers("join-call") && !view.offers("decline-call"));
    session.then(press("ben", "join-call"));
    assert!(session.includes(&"ben".into()));
}

#[test]
fn who_declined_and_comes_anew_is_called_anew() {
    let mut session = ringing();
    session.then(press("ben", "decline-call"));
    session.then(leave("ben"));
    session.then(join("ben", Seat::Guest));
    assert_eq!(sees(&session, "ben").phase, Phase::Ringing);
}

#[test]
fn the_host_stops_ringing() {
    let mut session = ringing();
    assert_eq!(session.then(press("ada", "cancel-call")), []);
    assert_eq!(sees(&session, "ben").phase, Phase::Waiting);
    let words = refused(&mut session, press("ben", "join-call"));
    assert!(words.0.contains("Nobody is calling"), "{words}");
}

#[test]
fn a_host_who_has_left_is_not_calling_until_they_are_back() {
    let mut session = ringing();
    session.then(leave("ada"));
    assert_eq!(sees(&session, "ben").phase, Phase::Waiting);
    refused(&mut session, press("ben", "join-call"));
    session.then(join("ada", Seat::Host));
    assert_eq!(sees(&session, "ben").phase, Phase::Ringing);
}

#[test]
fn somebody_whose_picture_stops_is_waited_for_and_comes_back_into_the_same_call() {
    for (id, other, slot, deadline) in [
        ("ada", "ben", host(1), "call-host-return.1"),
        ("ben", "ada", guest(1), "call-guest-return.1"),
    ] {
        let mut session = talking();
        let effects = session.then(idle(slot.clone()));
        assert_eq!(waits_for(&effects), Some((deadline, 60)));
        assert_eq!(sees(&session, id).phase, Phase::Interrupted);
        assert_eq!(sees(&session, other).phase, Phase::Interrupted);
        assert!(sees(&session, other).detail.contains("a minute"));
        assert!(sees(&session, id).may_publish(&slot));
        assert!(sees(&session, other).may_play(&slot), "players stay");

        let deadline = Deadline::from(deadline);
        let back = session.then(started(slot));
        assert_eq!(back, [Effect::ClearDeadline { deadline }]);
        assert_eq!(sees(&session, other).phase, Phase::Live);
    }
}

#[test]
fn somebody_who_stays_away_ends_the_call() {
    for (slot, deadline) in [
        (host(1), "call-host-return.1"),
        (guest(1), "call-guest-return.1"),
    ] {
        let mut session = talking();
        session.then(idle(slot));
        let effects = session.then(passes(deadline));
        assert!(is_over(&session, &effects), "{deadline}");
    }
}

#[test]
fn somebody_who_is_back_without_a_picture_has_the_whole_time_again() {
    let mut session = talking();
    session.then(idle(guest(1)));
    session.then(leave("ben"));
    let later = Timestamp(NOON.0 + 50_000);
    let effects = session.handle(later, join("ben", Seat::Guest)).unwrap();
    assert_eq!(waits_for(&effects), Some(("call-guest-return.1", 110)));
}

#[test]
fn a_live_picture_tells_by_itself_when_it_stops() {
    let mut session = talking();
    assert_eq!(session.then(leave("ben")), [], "the picture is still there");
    assert_eq!(session.then(join("ben", Seat::Guest)), []);
    assert_eq!(sees(&session, "ben").phase, Phase::Live);
}

#[test]
fn somebody_who_leaves_before_their_picture_was_there_is_waited_for_too() {
    let mut session = connecting();
    session.then(started(host(1)));
    let effects = session.then(leave("ben"));
    assert_eq!(waits_for(&effects), Some(("call-guest-return.1", 60)));
    let view = sees(&session, "ada");
    assert!(view.headline.contains("dropped out"), "{}", view.headline);

    let back = session.clone().then(join("ben", Seat::Guest));
    assert!(matches!(back[..], [Effect::ClearDeadline { .. }]));
    let effects = session.then(passes("call-guest-return.1"));
    assert!(is_over(&session, &effects));
}

#[test]
fn somebody_who_left_while_their_stream_was_made_is_waited_for_when_it_is_there() {
    let mut session = answered();
    session.then(leave("ben"));
    let effects = session.then(provisioned(guest(1)));
    assert_eq!(waits_for(&effects), Some(("call-guest-return.1", 60)));
    assert_eq!(session.then(provisioned(host(1))), [], "Ada is here");
}

#[test]
fn a_deadline_that_passes_as_somebody_returns_ends_nothing() {
    ignored(&mut talking(), passes("call-guest-return.1"));
    ignored(&mut connecting(), passes("call-host-return.1"));
}

#[test]
fn a_deadline_of_an_earlier_call_ends_nothing() {
    let mut session = talking();
    session.then(press("ada", "hang-up"));
    session.then(press("ada", "call"));
    session.then(press("ben", "join-call"));
    session.then(leave("ben"));
    for deadline in [
        "call-longest.1",
        "call-guest-return.1",
        "call-host-return.1",
    ] {
        ignored(&mut session, passes(deadline));
    }
}

#[test]
fn the_longest_call_ends_and_both_are_told_why() {
    let mut session = ringing();
    let effects = session.then(press("ben", "join-call"));
    assert_eq!(waits_for(&effects), Some(("call-longest.1", 7200)));
    let mut session = talking();
    let effects = session.then(passes("call-longest.1"));
    assert!(is_over(&session, &effects));
    for id in ["ada", "ben"] {
        assert!(told(&effects, id).contains("2 hours"), "{effects:?}");
    }
}

#[test]
fn one_stream_that_cannot_be_made_ends_the_other() {
    for (failed, other) in [(host(1), guest(1)), (guest(1), host(1))] {
        let mut session = answered();
        session.then(provisioned(other.clone()));
        let effects = session.then(fails(failed.clone()));
        assert!(ends(&effects, &other), "{effects:?}");
        assert!(!ends(&effects, &failed), "there is nothing to end");
        let (ada, ben) = (sees(&session, "ada"), sees(&session, "ben"));
        assert_eq!(ada.detail, "Livepeer is not reachable.");
        assert!(ada.offers("call") && ada.publishes.is_empty());
        assert!(!ben.detail.contains("Livepeer"), "not troubled with it");
        assert_eq!(session.then(press("ada", "call")), []);
    }
}

#[test]
fn a_stream_that_is_gone_at_livepeer_ends_the_call_and_the_other_stream() {
    for (gone, other) in [(host(1), guest(1)), (guest(1), host(1))] {
        let mut session = talking();
        let effects = session.then(Input::Ended { slot: gone });
        assert!(ends(&effects, &other));
        assert_eq!(sees(&session, "ben").phase, Phase::Ended);
    }
}

#[test]
fn late_and_repeated_news_change_nothing() {
    let mut session = talking();
    session.then(press("ada", "hang-up"));
    session.then(press("ada", "call"));
    session.then(press("ben", "join-call"));
    for slot in [host(2), guest(2)] {
        session.then(provisioned(slot.clone()));
        session.then(started(slot));
    }
    for slot in [host(1), guest(1), Slot::new("call-nobody", 2)] {
        for input in [
            provisioned(slot.clone()),
            fails(slot.clone()),
            started(slot.clone()),
            idle(slot.clone()),
            Input::Ended { slot },
        ] {
            ignored(&mut session, input);
        }
    }
    for slot in [host(2), guest(2)] {
        ignored(&mut session, provisioned(slot.clone()));
        ignored(&mut session, fails(slot.clone()));
        ignored(&mut session, started(slot));
    }
    ignored(&mut session, passes("of-somebody-else"));
}

#[test]
fn what_somebody_switches_off_is_told_to_the_other() {
    let mut session = talking();
    let muted = Sending {
        microphone: false,
        ..Sending::default()
    };
    session.then(Input::Switched {
        participant: "ben".into(),
        sending: muted,
    });
    assert_eq!(sees(&session, "ada").plays[0].sending, muted);
    assert_eq!(sees(&session, "ben").plays[0].sending, Sending::default());
}

#[test]
fn a_name_that_the_guest_tells_late_is_told_to_the_host() {
    let mut session = talking();
    session.then(called("ben", "Benjamin"));
    let ada = sees(&session, "ada");
    assert_eq!(ada.plays[0].label, "Benjamin");
    assert!(ada.headline.contains("Benjamin"), "{}", ada.headline);
}

#[test]
fn what_a_person_may_not_do_is_refused_and_changes_nothing() {
    let mut session = talking();
    for (input, words) in [
        (press("cleo", "hang-up"), "\"hang-up\""),
        (press("cleo", "call"), "Only the host"),
        (press("cleo", "join-call"), "full"),
        (press("ben", "join-call"), "already"),
        (press("ben", "decline-call"), "Nobody is calling"),
        (press("ada", "call"), "on already"),
        (press("ada", "cancel-call"), "ben has joined"),
        (press("ada", "wave"), "\"wave\""),
        (press("eve", "join-call"), "Reload"),
        (join("ben", Seat::Host), "Only the person who created"),
        (join("ada", Seat::Guest), "host page"),
    ] {
        let refusal = refused(&mut session, input);
        assert!(refusal.0.contains(words), "{refusal}");
    }
    let mut session = after([join("ada", Seat::Host), join("ben", Seat::Guest)]);
    for (input, words) in [
        (press("ada", "hang-up"), "no call"),
        (press("ada", "cancel-call"), "Nobody is being called"),
        (press("ben", "join-call"), "Nobody is calling"),
    ] {
        let refusal = refused(&mut session, input);
        assert!(refusal.0.contains(words), "{refusal}");
    }
}

#[test]
fn every_button_of_every_view_is_taken() {
    let mut declined = ringing();
    declined.then(press("ben", "decline-call"));
    let mut failed = answered();
    failed.then(fails(host(1)));
    let mut over = talking();
    over.then(press("ada", "hang-up"));
    let before = after([join("ada", Seat::Host), join("ben", Seat::Guest)]);
    let moments = [
        before,
        ringing(),
        declined,
        answered(),
        connecting(),
        talking(),
        failed,
        over,
    ];
    for session in moments {
        let hosts = sees(&session, "ada").buttons;
        assert!(!hosts.is_empty(), "the host always has something to do");
        for id in ["ada", "ben", "cleo"] {
            for button in sees(&session, id).every_button() {
                let taken = session.clone().handle(NOON, press(id, &button.action));
                assert!(taken.is_ok(), "{id}: {}: {taken:?}", button.action);
            }
        }
    }
}

#[test]
fn the_state_survives_storage() {
    for session in [ringing(), answered(), talking()] {
        let stored = serde_json::to_string(&session).unwrap();
        assert_eq!(serde_json::from_str::<OneToOne>(&stored).unwrap(), session);
    }
}

#[test]
fn the_policy_says_how_long_somebody_is_waited_for_and_how_long_a_call_may_be() {
    let policy: Policy =
        serde_json::from_str(r#"{"returnSeconds": 20, "longestSeconds": 600}"#).unwrap();
    let mut session = open_with(policy);
    session.then(join("ada", Seat::Host));
    session.then(join("ben", Seat::Guest));
    session.then(press("ada", "call"));
    let effects = session.then(press("ben", "join-call"));
    assert_eq!(waits_for(&effects), Some(("call-longest.1", 600)));
    session.then(started(host(1)));
    let effects = session.then(idle(host(1)));
    assert_eq!(waits_for(&effects), Some(("call-host-return.1", 20)));
    let words = sees(&session, "ada").detail;
    assert!(words.contains("20 seconds"), "{words}");
}

#[test]
fn a_misspelt_policy_is_refused_by_name() {
    let error = serde_json::from_str::<Policy>(r#"{"return": 20}"#).unwrap_err();
    assert!(error.to_string().contains("`return`"), "{error}");
}
