//! What the hybrid is made of keeps its promises inside it: a show in which nobody asks for anything is the show alone,
//! and a call out of a show is the call alone. Each is run beside the other, through every state that its inputs can
//! lead to, in whatever order they come.

#![allow(clippy::unwrap_used)]

use std::collections::HashSet;
use std::fmt::Debug;

use hybrid::{AudienceSees, Hybrid, Policy};
use one_to_many::OneToMany;
use one_to_one::OneToOne;
use session::transcript::{join, press, press_about};
use session::{
    Architecture, Deadline, Effect, Input, Opening, ParticipantId, Play, Publish, Seat, Sending,
    Slot, Source, Timestamp,
};

const NOON: Timestamp = Timestamp(43_200_000);
const EVERYBODY: [&str; 4] = ["ada", "ben", "cleo", "somebody-who-never-came"];

fn opening() -> Opening {
    Opening {
        title: "Cooking with Ada".into(),
        host: "ada".into(),
        host_name: "Ada".into(),
    }
}

fn hybrid() -> Hybrid {
    Hybrid::open(opening(), Policy::default())
}

fn leave(id: &str) -> Input {
    Input::Left {
        participant: id.into(),
    }
}

fn mutes(id: &str) -> Input {
    Input::Switched {
        participant: id.into(),
        sending: Sending {
            camera: true,
            microphone: false,
        },
    }
}

fn passes(deadline: &str) -> Input {
    Input::DeadlinePassed {
        deadline: deadline.into(),
    }
}

/// All that can happen to a stream.
fn news(slot: Slot) -> Vec<Input> {
    let reason = "Livepeer is not reachable.".to_owned();
    vec![
        Input::Provisioned { slot: slot.clone() },
        Input::ProvisionFailed {
            slot: slot.clone(),
            reason,
        },
        Input::Started { slot: slot.clone() },
        Input::Idle { slot: slot.clone() },
        Input::Ended { slot },
    ]
}

/// What somebody publishes and plays of what `part` calls its own.
fn streams<A: Architecture>(
    session: &A,
    id: &str,
    part: fn(&str) -> bool,
) -> (Vec<Publish>, Vec<Play>) {
    let view = session.view(&ParticipantId::from(id));
    let (mut publishes, mut plays) = (view.publishes, view.plays);
    publishes.retain(|publish| part(&publish.slot.name));
    plays.retain(|play| part(&play.slot.name));
    (publishes, plays)
}

/// The effects that are about what `part` calls its own.
fn about(effects: Vec<Effect>, part: fn(&str) -> bool) -> Vec<Effect> {
    let of = |effect: &Effect| match effect {
        Effect::Provision { slot, .. } | Effect::End { slot } => part(&slot.name),
        Effect::SetDeadline { deadline, .. } | Effect::ClearDeadline { deadline } => {
            part(&deadline.0)
        }
        Effect::Notice { .. } => false,
    };
    effects.into_iter().filter(of).collect()
}

/// Takes every input in every state that they can lead to, in whatever order and number, and gives how many states those
/// are. `take` lets one happen and judges it, and says whether to go on from there: a show can be begun for ever.
fn everywhere<S: Clone + Debug>(
    begin: S,
    inputs: &[Input],
    take: impl Fn(&mut S, &Input) -> bool,
) -> usize {
    let mut met = HashSet::from([format!("{begin:?}")]);
    let mut ahead = vec![begin];
    while let Some(state) = ahead.pop() {
        for input in inputs {
            let mut next = state.clone();
            let go_on = take(&mut next, input);
            if met.insert(format!("{next:?}")) && go_on {
                ahead.push(next);
            }
        }
    }
    met.len()
}

#[test]
fn a_show_in_which_nobody_asks_is_the_show_alone() {
    let mut inputs = vec![
        join("ada", Seat::Host),
        join("ben", Seat::Guest),
        join("cleo", Seat::Guest),
        join("ben", Seat::Host),
        join("ada", Seat::Guest),
        leave("ada"),
        leave("ben"),
        mutes("ada"),
        press("ada", "go-live"),
        press("ada", "end-show"),
        press("ben", "go-live"),
        press("ben", "end-show"),
        passes("host-return"),
        passes("of-somebody-else"),
    ];
    inputs.extend([1, 2].map(|take| news(Slot::new("show", take))).concat());
    let alone = OneToMany::open(opening(), Policy::default().show);
    let met = everywhere((hybrid(), alone), &inputs, |(hybrid, show), input| {
        let within = hybrid.handle(NOON, input.clone());
        let without = show.handle(NOON, input.clone());
        assert_eq!(within, without, "{input:?}");
        for id in EVERYBODY {
            let (within, without) = (hybrid.view(&id.into()), show.view(&id.into()));
            assert_eq!(within.publishes, without.publishes, "{input:?}");
            assert_eq!(within.plays, without.plays, "{input:?}");
            assert!(!within.private, "{input:?}");
            assert_eq!(
                (within.title, within.byline, within.phase, within.since),
                (without.title, without.byline, without.phase, without.since)
            );
            assert_eq!(
                (within.headline, within.detail, within.audience),
                (without.headline, without.detail, without.audience)
            );
            for button in without.buttons {
                assert!(within.buttons.contains(&button), "{input:?}: {button:?}");
            }
        }
        let state = serde_json::to_value(&*show).unwrap();
        state["take"].as_u64().unwrap() <= 2
    });
    // Who is here, times where the show stands.
    assert!(met > 150, "only {met} states were met");
}

/// What belongs to a call.
fn of_the_call(name: &str) -> bool {
    name.starts_with("call-")
}

/// Ben in a call with Ada: out of a show, and alone.
fn calls(audience_sees: AudienceSees) -> (Hybrid, OneToOne) {
    let policy = Policy {
        audience_sees,
        ..Policy::default()
    };
    let call = policy.call.clone();
    let (mut hybrid, mut alone) = (
        Hybrid::open(opening(), policy),
        OneToOne::open(opening(), call),
    );
    let (mut within, mut without) = (vec![], vec![]);
    for input in [join("ada", Seat::Host), join("ben", Seat::Guest)] {
        within.extend(hybrid.handle(NOON, input.clone()).unwrap());
        without.extend(alone.handle(NOON, input).unwrap());
    }
    let slot = Slot::new("show", 1);
    for input in [
        join("cleo", Seat::Guest),
        press("ada", "go-live"),
        Input::Provisioned { slot: slot.clone() },
        Input::Started { slot },
        press("ben", "ask-call"),
        press_about("ada", "accept", "ben"),
    ] {
        within.extend(hybrid.handle(NOON, input).unwrap());
    }
    for input in [press("ada", "call"), press("ben", "join-call")] {
        without.extend(alone.handle(NOON, input).unwrap());
    }
    assert_eq!(about(within, of_the_call), without);
    assert!(
        without
            .iter()
            .any(|effect| matches!(effect, Effect::Provision { .. }))
    );
    (hybrid, alone)
}

/// All that can happen in a call.
fn in_a_call() -> Vec<Input> {
    let mut inputs = vec![
        join("ada", Seat::Host),
        join("ben", Seat::Guest),
        leave("ada"),
        leave("ben"),
        mutes("ada"),
        mutes("ben"),
        press("ada", "hang-up"),
        press("ben", "hang-up"),
        passes("call-host-return.1"),
        passes("call-guest-return.1"),
        passes("call-longest.1"),
        passes("call-longest.7"),
    ];
    let slots = ["call-host", "call-guest"].map(|name| Slot::new(name, 1));
    inputs.extend(slots.map(news).concat());
    inputs
}

#[test]
fn a_call_out_of_a_show_is_the_call_alone() {
    for audience_sees in [AudienceSees::AwayCard, AudienceSees::SilentCamera] {
        let met = everywhere(
            calls(audience_sees),
            &in_a_call(),
            |(hybrid, call), input| {
                let within = hybrid.handle(NOON, input.clone());
                let without = call.handle(NOON, input.clone());
                // Whoever hangs up when there is no call any more is refused in either, in other words.
                assert_eq!(within.is_err(), without.is_err(), "{input:?}");
                assert_eq!(
                    about(within.unwrap_or_default(), of_the_call),
                    about(without.unwrap_or_default(), of_the_call),
                    "{input:?}"
                );
                for id in EVERYBODY {
                    assert_eq!(
                        streams(hybrid, id, of_the_call),
                        streams(call, id, of_the_call),
                        "{id} after {input:?}"
                    );
                }
                for id in ["ada", "ben"] {
                    let (within, without) = (hybrid.view(&id.into()), call.view(&id.into()));
                    assert_eq!(within.offers("hang-up"), without.offers("hang-up"));
                    assert!(within.private || !without.private, "{id} after {input:?}");
                }
                true
            },
        );
        // Who is here, times where each of the two streams stands.
        assert!(met > 150, "only {met} states were met");
    }
}

#[test]
fn the_audience_plays_the_show_and_nothing_else_through_every_call() {
    let mut inputs = in_a_call();
    inputs.extend(news(Slot::new("show", 1)));
    inputs.extend([
        press("ada", "back-to-show"),
        press("ada", "end-show"),
        passes("host-return"),
    ]);
    let (begin, _) = calls(AudienceSees::AwayCard);
    let met = everywhere(begin, &inputs, |hybrid, input| {
        let before = card_is_shown(hybrid);
        let taken = hybrid.handle(NOON, input.clone()).is_ok();
        let cleo = hybrid.view(&"cleo".into());
        assert!(cleo.publishes.is_empty(), "{input:?}");
        let shows = |play: &Play| play.slot.name == "show";
        assert!(cleo.plays.iter().all(shows), "{input:?}");
        let told = format!("{cleo:?}").to_lowercase();
        assert!(!told.contains("ben"), "{input:?}: {told}");
        if before == Some(true) && card_is_shown(hybrid) == Some(false) {
            let own = [press("ada", "hang-up"), press("ada", "back-to-show")];
            assert!(
                taken && own.contains(input),
                "{input:?} put the host on air"
            );
        }
        true
    });
    assert!(met > 500, "only {met} states were met");
}

/// Whether it is the card that the host sends to the audience; none while nothing is sent.
fn card_is_shown(session: &Hybrid) -> Option<bool> {
    let publishes = session.view(&"ada".into()).publishes;
    let mut shows = publishes.iter().filter(|p| p.slot.name == "show");
    shows
        .next()
        .map(|publish| matches!(publish.source, Source::Card { .. }))
}

#[test]
fn deadlines_of_the_two_are_told_apart() {
    let (mut hybrid, _) = calls(AudienceSees::AwayCard);
    let slot = Slot::new("show", 1);
    let effects = hybrid.handle(NOON, Input::Idle { slot }).unwrap();
    let deadline = Deadline::from("host-return");
    let set = |effect: &Effect| matches!(effect, Effect::SetDeadline { deadline: d, .. } if *d == deadline);
    assert!(matches!(&effects[..], [effect] if set(effect)));
    let effects = hybrid.handle(NOON, passes("host-return")).unwrap();
    assert_eq!(about(effects, of_the_call), [], "the call goes on");
}
