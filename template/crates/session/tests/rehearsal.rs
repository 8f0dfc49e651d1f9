//! Each rule of a rehearsal is broken by an architecture that keeps all the others, and is heard of.

#![allow(clippy::unwrap_used)]

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use session::rehearsal::{Broken, Step, World, ensure, rehearse};
use session::{
    Architecture, Button, Deadline, Effect, Emphasis, Input, Opening, Other, ParticipantId, People,
    Phase, Play, Players, Publish, Refusal, Renditions, Seat, Sending, Slot, Source, Stream,
    StreamSpec, Timestamp, View,
};

/// What is wrong with a booth.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
enum Bug {
    #[default]
    Nothing,
    RemembersWhomItRefused,
    RefusesNews,
    LetsNobodyPublish,
    LetsTheGuestPublish,
    LosesTheStream,
    ShowsWhatHasEnded,
    ShowsItTwice,
    ListsSomebodyTwice,
    ShowsItToEverybody,
    OffersStrangersAButton,
    UsesASlotAgain,
    EndsWhatNeverWas,
    ForgetsInStorage,
    IsNotTheSameInAReplay,
    RefusesWhatItOffers,
    TakesWhatItDoesNotOffer,
    IgnoresTheDeadline,
    WaitsForEver,
    Panics,
}

use Bug::*;

/// The smallest architecture with a private stream: the host shows themselves to one guest, in a booth.
#[derive(Serialize, Deserialize)]
struct Booth {
    bug: Bug,
    host: ParticipantId,
    people: People,
    take: u32,
    on: Option<(Stream, ParticipantId)>,
    refused: u32,
    #[serde(skip)]
    unstored: bool,
}

const AWAY: &str = "away";
static ANSWERS: AtomicU32 = AtomicU32::new(0);

impl Architecture for Booth {
    const NAME: &'static str = "booth";
    const TITLE: &'static str = "Booth";
    const SUMMARY: &'static str = "For tests.";
    type Policy = Bug;

    fn open(opening: Opening, bug: Bug) -> Self {
        Booth {
            bug,
            host: opening.host,
            people: People::default(),
            take: 0,
            on: None,
            refused: 0,
            unstored: false,
        }
    }

    fn handle(&mut self, now: Timestamp, input: Input) -> Result<Vec<Effect>, Refusal> {
        match input {
            Input::Joined { participant } => {
                if (participant.seat == Seat::Host) != (participant.id == self.host) {
                    self.refused += u32::from(self.bug == RemembersWhomItRefused);
                    return Err(Refusal::because("That is not your door."));
                }
                self.people.joined(participant);
                Ok(vec![])
            }
            Input::Left { participant } => {
                self.people.left(&participant);
                Ok(self.waits(now))
            }
            Input::Acted {
                participant,
                action,
            } => {
                let refusal = Refusal::because("Not now.");
                if participant != self.host || !self.people.has(&self.host) {
                    return Err(refusal);
                }
                match (action.name.as_str(), action.target, &self.on) {
                    ("show", Some(guest), None)
                        if guest != self.host && self.people.has(&guest) =>
                    {
                        Ok(self.show(guest))
                    }
                    ("end", None, Some(_)) if self.bug != RefusesWhatItOffers => Ok(self.end()),
                    ("end", _, None) if self.bug == TakesWhatItDoesNotOffer => {
                        self.refused += 1;
                        Ok(vec![])
                    }
                    _ => Err(refusal),
                }
            }
            Input::Switched { .. } => Ok(vec![]),
            Input::Provisioned { slot } => Ok(match self.told(|s| s.provisioned(&slot)) {
                true => self.waits(now),
                false => vec![],
            }),
            Input::ProvisionFailed { slot, .. } => {
                if self.stream().is_some_and(|s| s.slot == slot && !s.exists()) {
                    self.on = None;
                }
                Ok(vec![])
            }
            Input::Started { slot } => {
                if !self.told(|s| s.started(&slot, now)) && self.bug == RefusesNews {
                    return Err(Refusal::because("This is no news."));
                }
                assert!(self.bug != Panics || slot.take < 2);
                Ok(vec![])
            }
            Input::Idle { slot } => Ok(match self.told(|s| s.idle(&slot)) {
                true => self.waits(now),
                false => vec![],
            }),
            Input::Ended { slot } => {
                let ours = self.stream().is_some_and(|s| s.slot == slot);
                if ours && self.bug != ShowsWhatHasEnded {
                    self.on = None;
                }
                Ok(vec![])
            }
            Input::DeadlinePassed { .. } => Ok(match self.bug {
                IgnoresTheDeadline => vec![],
                WaitsForEver => self.waits(now),
                _ if self.people.has(&self.host) => vec![],
                _ => self.end(),
            }),
        }
    }

    fn view(&self, who: &ParticipantId) -> View {
        let mut view = View::of(Phase::Waiting, format!("A booth {}", self.refused), "");
        let is_host = *who == self.host;
        if !self.people.has(who) && !is_host {
            let button = Button::new("show", "Show", Emphasis::Plain);
            let offered = self.bug == OffersStrangersAButton;
            view.buttons.extend(offered.then_some(button));
            return view;
        }
        let Some((stream, guest)) = &self.on else {
            if is_host {
                view.people = self.guests();
            }
            return view;
        };
        let publishes = match self.bug {
            LetsNobodyPublish => false,
            LetsTheGuestPublish => is_host || who == guest,
            LosesTheStream => is_host && self.people.has(who),
            _ => is_host,
        };
        if publishes && stream.exists() {
            view.publishes.push(Publish {
                slot: stream.slot.clone(),
                source: Source::Camera,
            });
        }
        let plays = who == guest && self.bug != LetsTheGuestPublish;
        if plays || (self.bug == ShowsItToEverybody && !is_host) {
            view.plays.extend(stream.since().map(|_| Play {
                slot: stream.slot.clone(),
                label: "Host".to_owned(),
                sending: Sending::default(),
            }));
        }
        if self.bug == ShowsItTwice {
            view.plays.extend_from_within(..);
        }
        if self.bug == ListsSomebodyTwice && is_host {
            let row = Other {
                id: "ben".into(),
                name: "Ben".to_owned(),
                note: "is the guest".to_owned(),
                since: None,
                buttons: vec![],
            };
            view.people = vec![row.clone(), row];
        }
        if is_host && !self.unstored {
            view.buttons = vec![Button::new("end", "End", Emphasis::Danger)];
        }
        view
    }
}

impl Booth {
    fn stream(&self) -> Option<&Stream> {
        self.on.as_ref().map(|(stream, _)| stream)
    }

    fn told(&mut self, tell: impl FnOnce(&mut Stream) -> bool) -> bool {
        self.on.as_mut().is_some_and(|(stream, _)| tell(stream))
    }

    fn show(&mut self, guest: ParticipantId) -> Vec<Effect> {
        self.take = match self.bug {
            UsesASlotAgain => 1,
            _ => self.take + 1,
        };
        self.unstored = self.bug == ForgetsInStorage;
        let spec = StreamSpec {
            publisher: self.host.clone(),
            players: Players::only(guest.clone()),
            renditions: Renditions::Source,
        };
        let (stream, provision) = Stream::provision(Slot::new("booth", self.take), spec);
        self.on = Some((stream, guest));
        let mut effects = vec![provision];
        if self.bug == IsNotTheSameInAReplay {
            let text = ANSWERS.fetch_add(1, Ordering::Relaxed).to_string();
            let to = self.host.clone();
            effects.push(Effect::Notice { to, text });
        }
        effects
    }

    /// Waits for a host who is not here and has a stream.
    fn waits(&self, now: Timestamp) -> Vec<Effect> {
        let waits = self.on.is_some() && !self.people.has(&self.host) && self.bug != LosesTheStream;
        let deadline = Deadline::from(AWAY);
        let at = now.after(Duration::from_secs(20));
        let set = Effect::SetDeadline { deadline, at };
        waits.then_some(set).into_iter().collect()
    }

    fn end(&mut self) -> Vec<Effect> {
        let Some((stream, _)) = self.on.take() else {
            return vec![];
        };
        let mut end = stream.end();
        if let (EndsWhatNeverWas, Effect::End { slot }) = (self.bug, &mut end) {
            slot.take += 1;
        }
        vec![end]
    }

    fn guests(&self) -> Vec<Other> {
        let guests = self.people.iter().filter(|(id, _)| **id != self.host);
        let row = |id: &ParticipantId, name: &str| Other {
            id: id.clone(),
            name: name.to_owned(),
            note: String::new(),
            since: None,
            buttons: vec![Button::new("show", "Show", Emphasis::Plain).about(id)],
        };
        guests.map(|(id, person)| row(id, &person.name)).collect()
    }
}

/// The same stories every time, without a library.
fn stories() -> impl Iterator<Item = Vec<Step>> {
    let mut state: u32 = 2_463_534_242;
    let mut number = move || {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        state.to_be_bytes()[0]
    };
    std::iter::repeat_with(move || {
        let step = |_| Step::from((number(), number(), number()));
        (0..60).map(step).collect()
    })
}

fn first_broken(bug: Bug) -> Option<Broken> {
    stories()
        .take(300)
        .find_map(|story| rehearse::<Booth>(bug, "ada", &["ben", "cleo"], story, |_| Ok(())).err())
}

#[test]
fn an_architecture_that_keeps_the_rules_passes() {
    let broken = first_broken(Nothing);
    assert!(broken.is_none(), "{broken:?}");
}

#[test]
fn every_rule_is_heard_of_that_is_broken() {
    for (bug, words) in [
        (RemembersWhomItRefused, "rule 1: it refuses, and changes"),
        (RefusesNews, "which cannot be refused"),
        (LetsNobodyPublish, "ada is here and does not publish it"),
        (LetsTheGuestPublish, "which is ada's"),
        (LosesTheStream, "no View has it, and no deadline is set"),
        (ShowsWhatHasEnded, "rule 3"),
        (ShowsItTwice, "in their View twice"),
        (
            ListsSomebodyTwice,
            "rule 3: ada has ben in their View twice",
        ),
        (ShowsItToEverybody, "rule 4: "),
        (OffersStrangersAButton, "was never let in"),
        (UsesASlotAgain, "booth.1 is provisioned a second time"),
        (EndsWhatNeverWas, "was never provisioned"),
        (ForgetsInStorage, "rule 6: a View is another"),
        (IsNotTheSameInAReplay, "rule 6: after a restart"),
        (RefusesWhatItOffers, "rule 7: ada presses end, as offered"),
        (TakesWhatItDoesNotOffer, "which was not on offer, and"),
        (IgnoresTheDeadline, "is left running"),
        (WaitsForEver, "it goes on and on"),
        (Panics, "it panics when then"),
    ] {
        let broken = first_broken(bug).map(|broken| broken.rule);
        assert!(
            broken.as_ref().is_some_and(|rule| rule.contains(words)),
            "{bug:?}: {broken:?}"
        );
    }
}

#[test]
fn a_rule_of_ones_own_is_told_with_the_story() {
    let steps = [(0, 0, 0), (0, 1, 0), (2, 0, 0)];
    let broken = rehearse::<Booth>(Nothing, "ada", &["ben"], steps, |world| {
        let nothing = world.books().streams().is_empty();
        ensure(nothing, "nobody is shown anything")
    });
    let told = broken.unwrap_err().to_string();
    assert!(told.starts_with("nobody is shown anything\nafter 3 inputs:\n"));
    assert!(told.contains("   3s ada presses show about ben\n      -> provision booth.1"));
}

#[test]
fn a_world_can_be_played_by_hand() {
    let mut world = World::<Booth>::open(Nothing, "ada", &["ben"]).unwrap();
    assert!(world.play((0, 0, 0)).unwrap(), "ada comes");
    assert!(!world.play((23, 0, 9)).unwrap(), "only time goes by");
    assert!(world.books().is_here(&"ada".into()));
    assert_eq!(world.log().len(), 1);
    assert_eq!(world.now(), Timestamp(11_000));
}
