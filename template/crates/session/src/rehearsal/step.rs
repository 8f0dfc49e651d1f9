//! What can happen next.

use std::collections::BTreeSet;
use std::fmt;

use crate::id::{Deadline, ParticipantId, Slot};
use crate::input::{Action, Input, Participant, Seat, Sending};
use crate::rehearsal::books::{Books, Offer, State};
use crate::view::Emphasis;

/// One step of a rehearsal. What it comes to depends on how things stand: the numbers choose among what is possible
/// then, and small numbers choose the simpler things, so that shrinking them makes a story plainer.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Step {
    /// What kind of thing happens.
    pub kind: u8,
    /// To whom, or to which of the streams.
    pub one: u8,
    /// Which of the buttons, how long, and the like.
    pub other: u8,
}

impl From<(u8, u8, u8)> for Step {
    fn from((kind, one, other): (u8, u8, u8)) -> Step {
        Step { kind, one, other }
    }
}

/// In one line, and as a test would write it.
impl fmt::Debug for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Step { kind, one, other } = self;
        write!(f, "({kind}, {one}, {other})")
    }
}

/// How many kinds there are. What builds a story up comes up more often than what tears it down, by having several
/// numbers: else few would come to where most can go wrong.
const KINDS: u8 = 34;

impl Step {
    /// What it comes to, if anything.
    pub(super) fn input(self, books: &mut Books) -> Option<Input> {
        books.wait(1);
        let input = match self.kind % KINDS {
            0..=1 => self.comes(books),
            2..=6 => self.presses(books, false),
            7..=11 => self.news(books, &[State::Making], provisioned),
            12..=18 => self.news(books, &[State::Quiet], started),
            19..=20 => self.news(books, &[State::Live], idle),
            21 => passed(books),
            22 => self.presses(books, true),
            23 => {
                books.wait(u64::from(self.other));
                return None;
            }
            24 => self.news(books, &[State::Making], failed),
            25 => self.news(books, &[State::Quiet, State::Live, State::Ending], ended),
            26 => self.leaves(books),
            27 => self.switches(books),
            // From here on, what should not happen.
            28..=30 => self.presses_what_is_not_there(books),
            31 => self.any_news(books),
            32 => self.any_deadline(books),
            _ => match self.other % 3 {
                0 => self.by_a_door(books, true),
                1 => self.by_a_door(books, false),
                _ => self.leaves_again(books),
            },
        };
        // Nothing of that kind is possible at the moment: the story gets on in another way.
        input
            .or_else(|| self.news(books, &[State::Making], provisioned))
            .or_else(|| self.news(books, &[State::Quiet], started))
            .or_else(|| self.comes(books))
            .or_else(|| self.presses(books, false))
    }

    /// Anybody at all: here or not, and the stranger.
    fn anybody(self, books: &Books) -> Option<ParticipantId> {
        chosen(&books.people().collect::<Vec<_>>(), self.one).map(|who| (*who).clone())
    }

    /// Somebody comes who is not here.
    fn comes(self, books: &Books) -> Option<Input> {
        let away: Vec<_> = cast(books).filter(|who| !books.is_here(who)).collect();
        let id = (*chosen(&away, self.one)?).clone();
        let name = id.0.clone();
        Some(joined(books, id, name, false))
    }

    /// Anybody but the stranger comes by their own door or by the wrong one, here already or not, and has another name
    /// now.
    fn by_a_door(self, books: &Books, wrong: bool) -> Option<Input> {
        let cast: Vec<_> = cast(books).collect();
        let id = (*chosen(&cast, self.one)?).clone();
        let name = format!("{id}-again");
        Some(joined(books, id, name, wrong))
    }

    /// Somebody who is here leaves.
    fn leaves(self, books: &Books) -> Option<Input> {
        let here: Vec<_> = books.people().filter(|who| books.is_here(who)).collect();
        let participant = (*chosen(&here, self.one)?).clone();
        Some(Input::Left { participant })
    }

    /// Somebody who is here presses a button that they are offered: one that cannot be undone, or one of the others.
    fn presses(self, books: &Books, danger: bool) -> Option<Input> {
        let mut offers = books.offers();
        offers.retain(|offer| (offer.emphasis == Emphasis::Danger) == danger);
        let able: Vec<_> = books
            .people()
            .filter(|who| offers.iter().any(|offer| offer.by == **who))
            .collect();
        let who = *chosen(&able, self.one)?;
        offers.retain(|offer| offer.by == *who);
        chosen(&offers, self.other).map(Offer::pressed)
    }

    /// Anybody presses anything about anybody: some of it may be on offer after all.
    fn presses_what_is_not_there(self, books: &Books) -> Option<Input> {
        let mut names: Vec<&str> = books.actions().iter().map(String::as_str).collect();
        names.push("no-such-button");
        let people: Vec<_> = books.people().collect();
        let target = usize::from(self.other) / names.len() % (people.len() + 1);
        let name = (*chosen(&names, self.other)?).to_owned();
        Some(Input::Acted {
            participant: self.anybody(books)?,
            action: Action {
                name,
                target: people.get(target).map(|who| (*who).clone()),
            },
        })
    }

    /// Anybody has switches, the stranger too.
    fn switches(self, books: &Books) -> Option<Input> {
        Some(Input::Switched {
            participant: self.anybody(books)?,
            sending: Sending {
                camera: self.other & 1 == 0,
                microphone: self.other & 2 == 0,
            },
        })
    }

    /// Anybody leaves, here or not.
    fn leaves_again(self, books: &Books) -> Option<Input> {
        let participant = self.anybody(books)?;
        Some(Input::Left { participant })
    }

    /// News of one of the streams of which something of that kind is to be heard.
    fn news(self, books: &Books, of: &[State], news: fn(Slot) -> Input) -> Option<Input> {
        let streams = books.streams().iter();
        let fitting: Vec<_> = streams.filter(|(_, s)| of.contains(&s.state)).collect();
        chosen(&fitting, self.one).map(|(slot, _)| news((*slot).clone()))
    }

    /// Any news of any stream: repeated, late, too early, or of one that never was.
    fn any_news(self, books: &Books) -> Option<Input> {
        let made = books.streams().keys();
        let next = made
            .clone()
            .map(|slot| Slot::new(&slot.name, slot.take + 1));
        let never = Slot::new("no-such-stream", 1);
        let slots: BTreeSet<Slot> = made.cloned().chain(next).chain([never]).collect();
        let slots: Vec<Slot> = slots.into_iter().collect();
        let slot = chosen(&slots, self.one)?.clone();
        let news = [provisioned, started, idle, failed, ended];
        chosen(&news, self.other).map(|news| news(slot))
    }

    /// A deadline that was cleared or has passed already, one that is set and passes before its time (the clock was put
    /// back), or one that never was.
    fn any_deadline(self, books: &Books) -> Option<Input> {
        let mut names: Vec<Deadline> = books.dated().iter().cloned().collect();
        names.push("no-such-deadline".into());
        let deadline = chosen(&names, self.one)?.clone();
        Some(Input::DeadlinePassed { deadline })
    }
}

/// Everybody but the stranger.
fn cast(books: &Books) -> impl Iterator<Item = &ParticipantId> {
    books.people().take(books.people().len() - 1)
}

fn joined(books: &Books, id: ParticipantId, name: String, wrong: bool) -> Input {
    let seat = match (id == *books.host()) != wrong {
        true => Seat::Host,
        false => Seat::Guest,
    };
    Input::Joined {
        participant: Participant { id, name, seat },
    }
}

/// The deadline that is next.
fn passed(books: &mut Books) -> Option<Input> {
    let deadline = books.pass()?;
    Some(Input::DeadlinePassed { deadline })
}

fn provisioned(slot: Slot) -> Input {
    Input::Provisioned { slot }
}

fn failed(slot: Slot) -> Input {
    let reason = "Livepeer cannot be reached.".to_owned();
    Input::ProvisionFailed { slot, reason }
}

fn started(slot: Slot) -> Input {
    Input::Started { slot }
}

fn idle(slot: Slot) -> Input {
    Input::Idle { slot }
}

fn ended(slot: Slot) -> Input {
    Input::Ended { slot }
}

fn chosen<T>(among: &[T], number: u8) -> Option<&T> {
    among.get(usize::from(number).checked_rem(among.len())?)
}

/// How a story comes to its end.
#[derive(Clone, Copy)]
pub(super) enum Ending {
    /// The pictures stop, then people leave.
    PicturesFirst,
    /// People leave, then the pictures stop.
    PeopleFirst,
}

impl Ending {
    /// What happens next on the way to rest: nobody here, nothing being made, nothing live, no deadline set.
    pub(super) fn input(self, books: &mut Books) -> Option<Input> {
        let leaves = books.people().find(|who| books.is_here(who)).cloned();
        let leaves = leaves.map(|participant| Input::Left { participant });
        let first = Step::from((0, 0, 0));
        let stops = first.news(books, &[State::Live], idle);
        // What is being made may yet come to exist when nobody is left to want it.
        let made = first.news(books, &[State::Making], provisioned);
        let people_and_pictures = match self {
            Ending::PicturesFirst => stops.or(leaves),
            Ending::PeopleFirst => leaves.or(stops),
        };
        books.wait(1);
        people_and_pictures.or(made).or_else(|| passed(books))
    }
}
