//! One test for each thing that can happen between the show and the call. What happens within each of them is tested
//! where they are, and holds here too: see `composition.rs`.

#![allow(clippy::unwrap_used)]

use hybrid::{AudienceSees, Hybrid, Policy};
use session::transcript::{join, press, press_about};
use session::{
    Architecture, Effect, Input, Layout, Opening, Participant, ParticipantId, Phase, Players,
    Refusal, Seat, Sending, Slot, Source, Timestamp, View,
};

const NOON: Timestamp = Timestamp(43_200_000);
const MUTED: Sending = Sending {
    camera: true,
    microphone: false,
};

fn open_with(policy: Policy) -> Hybrid {
    let opening = Opening {
        title: "Cooking with Ada".into(),
        host: "ada".into(),
        host_name: "Ada".into(),
    };
    Hybrid::open(opening, policy)
}

fn slot(name: &str) -> Slot {
    Slot::new(name, 1)
}

fn leave(id: &str) -> Input {
    Input::Left {
        participant: id.into(),
    }
}

fn provisioned(name: &str) -> Input {
    let slot = slot(name);
    Input::Provisioned { slot }
}

fn started(name: &str) -> Input {
    let slot = slot(name);
    Input::Started { slot }
}

fn idle(name: &str) -> Input {
    let slot = slot(name);
    Input::Idle { slot }
}

fn ended(name: &str) -> Input {
    let slot = slot(name);
    Input::Ended { slot }
}

fn fails(name: &str) -> Input {
    Input::ProvisionFailed {
        slot: slot(name),
        reason: "Livepeer is not reachable.".to_owned(),
    }
}

fn passes(deadline: &str) -> Input {
    Input::DeadlinePassed {
        deadline: deadline.into(),
    }
}

fn switches(id: &str, sending: Sending) -> Input {
    Input::Switched {
        participant: id.into(),
        sending,
    }
}

fn accept(id: &str) -> Input {
    press_about("ada", "accept", id)
}

fn sees(session: &Hybrid, id: &str) -> View {
    session.view(&ParticipantId::from(id))
}

/// What the host sends on a slot.
fn source(session: &Hybrid, name: &str) -> Option<Source> {
    let publishes = sees(session, "ada").publishes;
    let publish = publishes.into_iter().find(|p| p.slot == slot(name));
    publish.map(|publish| publish.source)
}

fn is_card(source: Option<Source>) -> bool {
    matches!(source, Some(Source::Card { .. }))
}

fn ends(effects: &[Effect], name: &str) -> bool {
    effects.contains(&Effect::End { slot: slot(name) })
}

fn made(effects: &[Effect]) -> Vec<String> {
    let slots = effects.iter().filter_map(|effect| match effect {
        Effect::Provision { slot, .. } => Some(slot.to_string()),
        _ => None,
    });
    slots.collect()
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
    /// The same for many things.
    fn and(self, inputs: impl IntoIterator<Item = Input>) -> Self;
}

impl Story for Hybrid {
    fn then(&mut self, input: Input) -> Vec<Effect> {
        self.handle(NOON, input).unwrap()
    }

    fn and(mut self, inputs: impl IntoIterator<Item = Input>) -> Hybrid {
        for input in inputs {
            self.then(input);
        }
        self
    }
}

/// Ada is live; Ben and Cleo watch.
fn show_with(policy: Policy) -> Hybrid {
    open_with(policy).and([
        join("ada", Seat::Host),
        join("ben", Seat::Guest),
        join("cleo", Seat::Guest),
        press("ada", "go-live"),
        provisioned("show"),
        started("show"),
    ])
}

fn show() -> Hybrid {
    show_with(Policy::default())
}

/// Ben asks for a call.
fn asked() -> Hybrid {
    show().and([press("ben", "ask-call")])
}

/// Ada has accepted; the call's streams are being made.
fn accepted() -> Hybrid {
    asked().and([accept("ben")])
}

/// Ada and Ben see each other, Cleo watches the show.
fn private() -> Hybrid {
    connect(accepted())
}

fn connect(session: Hybrid) -> Hybrid {
    session.and([
        provisioned("call-host"),
        provisioned("call-guest"),
        started("call-host"),
        started("call-guest"),
    ])
}

/// Ben is on stage.
fn staged() -> Hybrid {
    show().and([
        press("ben", "ask-stage"),
        accept("ben"),
        provisioned("stage"),
        started("stage"),
    ])
}

/// Hands over an input that must be refused, and must change nothing.
fn refused(session: &mut Hybrid, input: Input) -> Refusal {
    let before = session.clone();
    let refusal = session.handle(NOON, input).unwrap_err();
    assert_eq!(*session, before, "a refused input changed the session");
    refusal
}

/// Hands over an input that is nothing to this session.
fn ignored(session: &mut Hybrid, input: Input) {
    let (before, told) = (session.clone(), format!("{input:?}"));
    assert_eq!(session.handle(NOON, input), Ok(vec![]), "{told}");
    assert_eq!(*session, before, "{told}");
}

// Asking.

#[test]
fn a_viewer_asks_and_the_host_sees_who_what_and_since_when() {
    let mut session = show();
    let effects = session.then(press("ben", "ask-call"));
    assert_eq!(told(&effects, "ada"), "ben asks for a private call.");
    let people = sees(&session, "ada").people;
    assert_eq!(people.len(), 1);
    assert_eq!(people[0].note, "asks for a private call");
    assert_eq!(people[0].since, Some(NOON));
    assert!(sees(&session, "ada").offers_about("accept", &"ben".into()));
    assert!(sees(&session, "ben").preview, "they check their camera");
    assert!(sees(&session, "cleo").people.is_empty(), "nobody else's");
}

#[test]
fn those_who_ask_stand_in_a_row() {
    let session = show().and([press("cleo", "ask-stage"), press("ben", "ask-call")]);
    let people = sees(&session, "ada").people;
    let names: Vec<&str> = people.iter().map(|other| other.name.as_str()).collect();
    assert_eq!(names, ["cleo", "ben"]);
}

#[test]
fn a_name_that_is_told_late_is_known_to_the_host() {
    let named = || Input::Joined {
        participant: Participant {
            id: "ben".into(),
            name: "Benjamin".into(),
            seat: Seat::Guest,
        },
    };
    let name = |session: &Hybrid| sees(session, "ada").people[0].name.clone();
    assert_eq!(name(&asked().and([named()])), "Benjamin");
    assert_eq!(name(&staged().and([named()])), "Benjamin");
    let session = connect(asked().and([named(), accept("ben")]));
    assert_eq!(sees(&session, "ada").plays[0].label, "Benjamin");
}

#[test]
fn nobody_asks_before_the_show_or_after_it() {
    let before = open_with(Policy::default()).and([
        join("ada", Seat::Host),
        join("ben", Seat::Guest),
        press("ada", "go-live"),
        provisioned("show"),
    ]);
    let after = show().and([press("ada", "end-show")]);
    for mut session in [before, after] {
        assert!(!sees(&session, "ben").offers("ask-call"));
        let words = refused(&mut session, press("ben", "ask-call"));
        assert_eq!(words.0, "The show is not on.");
    }
}

#[test]
fn a_request_is_taken_back() {
    let mut session = asked();
    let effects = session.then(press("ben", "withdraw"));
    assert!(matches!(effects[..], [Effect::ClearDeadline { .. }]));
    assert!(sees(&session, "ada").people.is_empty());
    assert!(sees(&session, "ben").offers("ask-call"));
    let words = refused(&mut session, accept("ben"));
    assert!(words.0.contains("any more"), "{words}");
}

#[test]
fn a_request_is_declined_and_the_asker_is_told() {
    let mut session = asked();
    let effects = session.then(press_about("ada", "decline", "ben"));
    assert_eq!(told(&effects, "ben"), "Ada cannot do that now.");
    assert!(sees(&session, "ada").people.is_empty());
    assert!(sees(&session, "ben").offers("ask-call"), "they may again");
}

#[test]
fn a_request_that_nobody_answers_grows_old() {
    let mut session = show();
    let effects = session.then(press("ben", "ask-call"));
    let at = Timestamp(NOON.0 + 300_000);
    let deadline = "request.1".into();
    assert!(effects.contains(&Effect::SetDeadline { deadline, at }));
    let effects = session.then(passes("request.1"));
    assert!(told(&effects, "ben").contains("has not answered"));
    assert!(sees(&session, "ada").people.is_empty());
}

#[test]
fn a_deadline_of_an_older_request_does_not_strike_the_present_one() {
    let mut session = asked().and([press("ben", "withdraw"), press("ben", "ask-call")]);
    ignored(&mut session, passes("request.1"));
    assert_eq!(sees(&session, "ada").people.len(), 1);
}

#[test]
fn a_request_goes_with_the_person_and_with_the_show() {
    let session = asked().and([leave("ben")]);
    assert!(sees(&session, "ada").people.is_empty());
    let mut session = asked();
    let effects = session.then(press("ada", "end-show"));
    let deadline = "request.1".into();
    assert!(effects.contains(&Effect::ClearDeadline { deadline }));
    assert!(sees(&session, "ada").people.is_empty());
}

// The call.

#[test]
fn accepting_makes_the_calls_streams_and_takes_the_host_off_the_air_at_once() {
    let mut session = asked();
    let effects = session.then(accept("ben"));
    assert_eq!(made(&effects), ["call-host.1", "call-guest.1"]);
    assert!(!ends(&effects, "show"), "the audience stays");
    assert_eq!(
        source(&session, "show"),
        Some(Source::Card {
            title: "Back in a moment".into(),
            since: NOON
        })
    );
    assert_eq!(source(&session, "call-host"), None, "not made yet");
}

#[test]
fn in_private_the_host_publishes_twice_and_the_guest_leaves_the_audience() {
    let session = private();
    assert!(is_card(source(&session, "show")));
    assert_eq!(source(&session, "call-host"), Some(Source::Camera));
    assert!(sees(&session, "ada").may_play(&slot("call-guest")));
    let ben = sees(&session, "ben");
    assert!(ben.may_publish(&slot("call-guest")) && ben.may_play(&slot("call-host")));
    assert!(!ben.may_play(&slot("show")));
    assert_eq!(sees(&session, "ada").audience, Some(1));
    assert!(ben.private && sees(&session, "ada").private && !sees(&session, "cleo").private);
}

#[test]
fn the_audience_keeps_its_stream_and_is_not_told_with_whom_the_host_is() {
    for session in [accepted(), private()] {
        let cleo = sees(&session, "cleo");
        assert_eq!(cleo.phase, Phase::Live);
        assert_eq!(cleo.plays.len(), 1);
        assert!(cleo.may_play(&slot("show")));
        let told = format!("{cleo:?}").to_lowercase();
        assert!(!told.contains("ben") && !told.contains("call-"), "{told}");
    }
}

#[test]
fn the_calls_streams_are_for_the_two_in_it_alone() {
    let effects = asked().then(accept("ben"));
    let players = effects.into_iter().filter_map(|effect| match effect {
        Effect::Provision { spec, .. } => Some((spec.publisher, spec.players)),
        _ => None,
    });
    let wanted = [("ada", "ben"), ("ben", "ada")]
        .map(|(publisher, player)| (publisher.into(), Players::only(player.into())));
    assert_eq!(players.collect::<Vec<_>>(), wanted);
}

#[test]
fn the_audience_may_keep_the_picture_but_never_the_sound() {
    let policy = Policy {
        audience_sees: AudienceSees::SilentCamera,
        ..Policy::default()
    };
    let session = show_with(policy).and([press("ben", "ask-call"), accept("ben")]);
    assert_eq!(source(&session, "show"), Some(Source::SilentCamera));
    let play = &sees(&session, "cleo").plays[0];
    assert!(play.sending.camera && !play.sending.microphone);
}

#[test]
fn the_hosts_switches_are_not_told_to_an_audience_that_sees_a_card() {
    let mut session = private();
    session.then(switches("ada", MUTED));
    assert_eq!(sees(&session, "cleo").plays[0].sending, Sending::default());
    assert_eq!(sees(&session, "ben").plays[0].sending, MUTED);
}

#[test]
fn what_the_guest_had_switched_off_is_known_in_the_call() {
    let session = show().and([
        switches("ben", MUTED),
        press("ben", "ask-call"),
        accept("ben"),
    ]);
    assert_eq!(sees(&connect(session), "ada").plays[0].sending, MUTED);
}

#[test]
fn there_is_one_call_at_a_time_and_others_may_go_on_asking() {
    let mut session = private().and([press("cleo", "ask-call")]);
    let ada = sees(&session, "ada");
    assert!(!ada.offers_about("accept", &"cleo".into()));
    assert!(ada.offers_about("decline", &"cleo".into()));
    let words = refused(&mut session, accept("cleo"));
    assert_eq!(words.0, "You are in a call already.");
}

#[test]
fn the_host_hangs_up_and_is_back_on_air_at_once() {
    let mut session = private();
    let effects = session.then(press("ada", "hang-up"));
    assert!(ends(&effects, "call-host") && ends(&effects, "call-guest"));
    assert_eq!(source(&session, "show"), Some(Source::Camera));
    assert_eq!(told(&effects, "ben"), "The call is over.");
    assert_eq!(sees(&session, "ben"), sees(&session, "cleo"));
    assert!(!sees(&session, "ada").offers("back-to-show"));
}

/// Everything that ends a call, but the host's own press.
fn ends_of_a_call() -> Vec<(&'static str, Hybrid)> {
    let failed = |name| accepted().and([fails(name)]);
    vec![
        ("hung up", private().and([press("ben", "hang-up")])),
        (
            "guest dropped out",
            private().and([idle("call-guest"), passes("call-guest-return.1")]),
        ),
        (
            "host dropped out",
            private().and([idle("call-host"), passes("call-host-return.1")]),
        ),
        ("longest", private().and([passes("call-longest.1")])),
        ("host's ended", private().and([ended("call-host")])),
        ("guest's ended", private().and([ended("call-guest")])),
        ("host's not made", failed("call-host")),
        ("guest's not made", failed("call-guest")),
    ]
}

#[test]
fn a_call_that_anything_else_ends_leaves_the_host_away_until_they_press() {
    for (how, mut session) in ends_of_a_call() {
        let ada = sees(&session, "ada");
        assert!(is_card(source(&session, "show")), "{how}");
        assert_eq!(source(&session, "call-host"), None, "{how}");
        assert!(
            ada.detail.contains("hears nothing"),
            "{how}: {}",
            ada.detail
        );
        assert!(
            ada.offers("back-to-show") && !ada.offers("hang-up"),
            "{how}"
        );
        let cleo = sees(&session, "cleo");
        assert_eq!(cleo.headline, "Ada will be right back", "{how}");
        assert_eq!(sees(&session, "ben"), cleo, "{how}: one of the audience");

        assert_eq!(session.then(press("ada", "back-to-show")), [], "{how}");
        assert_eq!(source(&session, "show"), Some(Source::Camera), "{how}");
        assert_eq!(sees(&session, "cleo").headline, "Ada is live", "{how}");
        refused(&mut session, press("ada", "back-to-show"));
    }
}

#[test]
fn a_host_who_was_gone_when_the_call_ended_comes_back_to_the_card() {
    let session = private().and([
        idle("show"),
        idle("call-host"),
        leave("ada"),
        passes("call-host-return.1"),
        join("ada", Seat::Host),
        started("show"),
    ]);
    assert!(is_card(source(&session, "show")));
    assert!(sees(&session, "ada").offers("back-to-show"));
}

#[test]
fn the_next_caller_is_accepted_without_a_moment_in_public() {
    let session = private().and([press("cleo", "ask-call")]);
    let mut session = session.and([press("ben", "hang-up")]);
    let later = Timestamp(NOON.0 + 60_000);
    session.handle(later, accept("cleo")).unwrap();
    let Some(Source::Card { since, .. }) = source(&session, "show") else {
        panic!("the host is on air");
    };
    assert_eq!(since, NOON, "they have been away all the time");
    assert!(sees(&session, "cleo").offers("hang-up"));
}

#[test]
fn livepeer_cannot_make_the_call_and_both_are_told() {
    let mut session = accepted().and([provisioned("call-guest")]);
    let effects = session.then(fails("call-host"));
    assert!(ends(&effects, "call-guest") && !ends(&effects, "show"));
    for id in ["ada", "ben"] {
        assert!(told(&effects, id).contains("Livepeer is not reachable"));
    }
}

#[test]
fn the_show_ends_and_the_call_goes_on() {
    let mut session = private();
    let effects = session.then(press("ada", "end-show"));
    assert!(ends(&effects, "show") && !ends(&effects, "call-host"));
    assert_eq!(sees(&session, "cleo").phase, Phase::Ended);
    let ada = sees(&session, "ada");
    assert_eq!(ada.phase, Phase::Live);
    assert_eq!(ada.publishes.len(), 1);
    let words = refused(&mut session, press("ada", "go-live"));
    assert_eq!(words.0, "Hang up first.", "no show begins out of a call");

    let session = session.and([press("ben", "hang-up")]);
    let ada = sees(&session, "ada");
    assert!(ada.publishes.is_empty() && ada.offers("go-live"));
    assert!(
        !ada.offers("back-to-show"),
        "there is no show to go back to"
    );
}

#[test]
fn a_show_that_ends_while_the_host_is_away_takes_the_card_with_it() {
    let session = private().and([
        press("ben", "hang-up"),
        press("ada", "end-show"),
        press("ada", "go-live"),
    ]);
    let second = Slot::new("show", 2);
    let session = session.and([Input::Provisioned { slot: second }]);
    let publishes = sees(&session, "ada").publishes;
    assert_eq!(publishes[0].source, Source::Camera, "they pressed go-live");
}

#[test]
fn the_host_is_told_when_the_public_picture_does_not_arrive() {
    let mut session = private();
    session.then(idle("show"));
    let ada = sees(&session, "ada");
    assert!(ada.detail.contains("sees nothing"), "{}", ada.detail);
    assert_eq!(ada.phase, Phase::Live, "the call is not disturbed");
    assert_eq!(sees(&session, "cleo").phase, Phase::Interrupted);
}

#[test]
fn the_hosts_reload_disturbs_neither_the_card_nor_the_call() {
    let session = private().and([
        idle("show"),
        idle("call-host"),
        leave("ada"),
        join("ada", Seat::Host),
    ]);
    assert!(is_card(source(&session, "show")));
    assert_eq!(source(&session, "call-host"), Some(Source::Camera));
}

#[test]
fn a_host_who_is_not_here_is_neither_called_away_nor_put_on_air() {
    let mut session = asked().and([leave("ada")]);
    refused(&mut session, accept("ben"));
    let mut session = private().and([press("ben", "hang-up"), leave("ada")]);
    refused(&mut session, press("ada", "back-to-show"));
}

// The stage.

#[test]
fn a_guest_comes_on_stage_and_everybody_sees_both() {
    let mut session = show().and([press("ben", "ask-stage")]);
    let effects = session.then(accept("ben"));
    assert_eq!(made(&effects), ["stage.1"]);
    let session = session.and([provisioned("stage"), started("stage")]);
    let (ada, ben, cleo) = (
        sees(&session, "ada"),
        sees(&session, "ben"),
        sees(&session, "cleo"),
    );
    assert!(ada.may_play(&slot("stage")) && ada.may_publish(&slot("show")));
    assert!(ben.may_publish(&slot("stage")) && ben.may_play(&slot("show")));
    assert!(!ben.may_play(&slot("stage")), "they do not hear themselves");
    assert!(cleo.may_play(&slot("show")) && cleo.may_play(&slot("stage")));
    for view in [ada, ben, cleo] {
        assert_eq!(view.layout, Layout::Grid);
    }
}

#[test]
fn there_is_one_place_on_stage() {
    let mut session = staged().and([press("cleo", "ask-stage")]);
    assert!(!sees(&session, "ada").offers_about("accept", &"cleo".into()));
    let words = refused(&mut session, accept("cleo"));
    assert!(words.0.contains("on stage already"), "{words}");
}

#[test]
fn the_guest_leaves_the_stage_or_is_taken_down() {
    for (press, notice) in [
        (press("ben", "leave-stage"), ""),
        (
            press_about("ada", "take-down", "ben"),
            "You are not on stage any more.",
        ),
    ] {
        let mut session = staged();
        let effects = session.then(press);
        assert!(ends(&effects, "stage"));
        assert_eq!(told(&effects, "ben"), notice);
        assert!(sees(&session, "ben").publishes.is_empty());
        assert_eq!(sees(&session, "cleo").plays.len(), 1);
    }
}

#[test]
fn a_guest_on_stage_who_drops_out_is_waited_for() {
    let mut session = staged();
    let effects = session.then(idle("stage"));
    assert!(matches!(effects[..], [Effect::SetDeadline { .. }]));
    assert!(sees(&session, "cleo").may_play(&slot("stage")));
    let back = session.clone().then(started("stage"));
    assert!(matches!(back[..], [Effect::ClearDeadline { .. }]));
    let effects = session.then(passes("stage-return.1"));
    assert!(ends(&effects, "stage") && !ends(&effects, "show"));
    assert!(!told(&effects, "ben").is_empty());
}

#[test]
fn a_guest_who_leaves_before_their_picture_was_on_stage_is_waited_for_too() {
    let session = show().and([press("ben", "ask-stage"), accept("ben")]);
    let mut session = session.and([leave("ben")]);
    let effects = session.then(provisioned("stage"));
    assert!(matches!(effects[..], [Effect::SetDeadline { .. }]));
    let back = session.clone().then(join("ben", Seat::Guest));
    assert!(matches!(back[..], [Effect::ClearDeadline { .. }]));
    assert!(ends(&session.then(passes("stage-return.1")), "stage"));
}

#[test]
fn a_deadline_that_passes_as_the_guest_returns_leaves_them_on_stage() {
    ignored(&mut staged(), passes("stage-return.1"));
}

#[test]
fn a_place_on_stage_that_cannot_be_made_is_told_to_both() {
    let mut session = show().and([press("ben", "ask-stage"), accept("ben")]);
    let effects = session.then(fails("stage"));
    assert!(told(&effects, "ada").starts_with("ben could not come"));
    assert!(told(&effects, "ben").starts_with("You could not come"));
    assert!(sees(&session, "ada").people.is_empty());
    assert!(sees(&session, "ben").offers("ask-stage"));
}

#[test]
fn a_stage_that_is_gone_at_livepeer_is_empty() {
    let mut session = staged();
    let effects = session.then(ended("stage"));
    assert!(!ends(&effects, "stage") && !told(&effects, "ben").is_empty());
    assert_eq!(sees(&session, "cleo").plays.len(), 1);
}

#[test]
fn the_end_of_the_show_clears_the_stage() {
    let effects = staged().then(press("ada", "end-show"));
    assert!(ends(&effects, "stage") && ends(&effects, "show"));
}

#[test]
fn from_the_stage_into_a_call_the_public_stream_ends_first() {
    let mut session = staged().and([press("ben", "ask-call")]);
    let ben = sees(&session, "ben");
    assert_eq!(ben.headline, "You are on stage", "they still are");
    let effects = session.then(accept("ben"));
    let at = |wanted: &dyn Fn(&Effect) -> bool| effects.iter().position(wanted).unwrap();
    let down = at(&|effect| {
        *effect
            == Effect::End {
                slot: slot("stage"),
            }
    });
    let call = at(&|effect| matches!(effect, Effect::Provision { .. }));
    assert!(down < call, "{effects:?}");
    assert!(!sees(&session, "ben").may_publish(&slot("stage")));
    assert!(!sees(&session, "cleo").may_play(&slot("stage")));
}

#[test]
fn somebody_else_on_stage_stays_there_while_the_host_is_away() {
    let session = connect(staged().and([press("cleo", "ask-call"), accept("cleo")]));
    let ben = sees(&session, "ben");
    assert!(ben.may_publish(&slot("stage")) && ben.may_play(&slot("show")));
    let ada = sees(&session, "ada");
    assert!(!ada.may_play(&slot("stage")), "not into the call");
    assert!(ada.offers_about("take-down", &"ben".into()));
}

// Whatever it is.

#[test]
fn late_and_repeated_news_change_nothing() {
    let mut session = staged().and([
        press("cleo", "ask-call"),
        accept("cleo"),
        press("ada", "hang-up"),
    ]);
    for name in ["call-host", "call-guest", "stage", "curtain"] {
        let slot = match name {
            "stage" => Slot::new(name, 7),
            _ => slot(name),
        };
        let of = |input: fn(Slot) -> Input| input(slot.clone());
        for input in [
            of(|slot| Input::Provisioned { slot }),
            of(|slot| Input::Started { slot }),
            of(|slot| Input::Idle { slot }),
            of(|slot| Input::Ended { slot }),
        ] {
            ignored(&mut session, input);
        }
    }
    for name in ["show", "stage"] {
        ignored(&mut session, provisioned(name));
        ignored(&mut session, started(name));
        ignored(&mut session, fails(name));
    }
    for deadline in [
        "call-longest.1",
        "call-guest-return.1",
        "request.1",
        "request.2",
        "of-somebody-else",
    ] {
        ignored(&mut session, passes(deadline));
    }
}

#[test]
fn what_a_person_may_not_do_is_refused_and_changes_nothing() {
    let mut session = private();
    for (input, words) in [
        (press_about("cleo", "accept", "cleo"), "Only the host"),
        (press_about("cleo", "take-down", "ben"), "Only the host"),
        (press("cleo", "back-to-show"), "Only the host"),
        (press("cleo", "end-show"), "Only the host"),
        (press("cleo", "hang-up"), "not in a call"),
        (press("cleo", "withdraw"), "not asked"),
        (press("cleo", "leave-stage"), "not on stage"),
        (press("cleo", "join-call"), "no button"),
        (press("ben", "ask-call"), "in a call already"),
        (press("ben", "ask-stage"), "in a call already"),
        (press("eve", "ask-call"), "Reload"),
        (press("ada", "accept"), "Whom"),
        (press("ada", "call"), "no button"),
        (press("ada", "ask-call"), "no button"),
        (press("ada", "back-to-show"), "Hang up first"),
        (press_about("ada", "decline", "cleo"), "any more"),
        (press_about("ada", "take-down", "cleo"), "not on stage"),
        (join("ben", Seat::Host), "Only the person who created"),
        (join("ada", Seat::Guest), "host page"),
    ] {
        let refusal = refused(&mut session, input);
        assert!(refusal.0.contains(words), "{refusal}");
    }
    let mut session = asked();
    for (input, words) in [
        (press("ben", "ask-stage"), "asked already"),
        (press("ada", "hang-up"), "no call"),
        (press("ada", "back-to-show"), "not away"),
    ] {
        let refusal = refused(&mut session, input);
        assert!(refusal.0.contains(words), "{refusal}");
    }
    let refusal = refused(&mut staged(), press("ben", "ask-stage"));
    assert!(refusal.0.contains("on stage already"), "{refusal}");
}

#[test]
fn every_button_of_every_view_is_taken() {
    let mut moments = vec![
        show(),
        asked(),
        accepted(),
        private(),
        private().and([press("cleo", "ask-stage")]),
        private().and([idle("show")]),
        staged(),
        staged().and([press("ben", "ask-call"), press("cleo", "ask-stage")]),
        show().and([press("ada", "end-show")]),
        private().and([press("ada", "end-show")]),
    ];
    moments.extend(ends_of_a_call().into_iter().map(|(_, session)| session));
    for session in moments {
        for id in ["ada", "ben", "cleo"] {
            for button in sees(&session, id).every_button() {
                let press = match &button.target {
                    Some(target) => press_about(id, &button.action, &target.0),
                    None => press(id, &button.action),
                };
                let taken = session.clone().handle(NOON, press);
                assert!(taken.is_ok(), "{id}: {}: {taken:?}", button.action);
            }
        }
        assert!(
            !sees(&session, "ada").buttons.is_empty(),
            "the host is stuck"
        );
    }
}

#[test]
fn the_state_survives_storage() {
    let mut moments = vec![asked(), private(), staged()];
    moments.extend(ends_of_a_call().into_iter().map(|(_, session)| session));
    for session in moments {
        let stored = serde_json::to_string(&session).unwrap();
        assert_eq!(serde_json::from_str::<Hybrid>(&stored).unwrap(), session);
    }
}

#[test]
fn the_policy_is_read_from_json() {
    let policy: Policy = serde_json::from_str(
        r#"{"audienceSees": "away-card", "cardTitle": "Tea", "requestSeconds": 30, "requests": 1,
            "stage": false, "show": {"hostReturnSeconds": 300}, "call": {"longestSeconds": 600}}"#,
    )
    .unwrap();
    let mut session = show_with(policy);
    assert!(!sees(&session, "ben").offers("ask-stage"), "nobody may");
    refused(&mut session, press("ben", "ask-stage"));
    let sets = |effects: &[Effect], name: &str, seconds: u64| {
        effects.contains(&Effect::SetDeadline {
            deadline: name.into(),
            at: Timestamp(NOON.0 + seconds * 1000),
        })
    };
    let effects = session.then(press("ben", "ask-call"));
    assert!(sets(&effects, "request.1", 30));
    let words = refused(&mut session, press("cleo", "ask-call"));
    assert!(words.0.contains("Too many"), "{words}");
    assert!(!sees(&session, "cleo").offers("ask-call"), "nor offered");
    assert!(sets(&session.then(accept("ben")), "call-longest.1", 600));
    assert!(matches!(source(&session, "show"), Some(Source::Card { title, .. }) if title == "Tea"));
    assert!(sets(&session.then(idle("show")), "host-return", 300));
}

#[test]
fn a_misspelt_policy_is_refused_by_name() {
    for (json, name) in [
        (r#"{"request": 30}"#, "`request`"),
        (r#"{"call": {"longest": 30}}"#, "`longest`"),
        (r#"{"audienceSees": "microphone"}"#, "`microphone`"),
    ] {
        let error = serde_json::from_str::<Policy>(json).unwrap_err();
        assert!(error.to_string().contains(name), "{error}");
    }
}
