//! What can happen next.

use crate::id::{Deadline, ParticipantId, Slot};
use crate::input::{Action, Input, Participant, Seat, Sending};
use crate::rehearsal::books::{Books, State};

/// One step of a rehearsal. What it comes to depends on how things stand: the numbers choose among what is possible
/// then, and small numbers choose the simpler things, so that shrinking them makes a story plainer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
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

/// How many kinds there are; some come up more often, by having several numbers.
const KINDS: u8 = 30;

impl Step {
    /// What it comes to, if anything.
    pub(super) fn input(self, books: &mut Books) -> Option<Input> {
        books.wait(1);
        Some(match self.kind % KINDS {
            0..=2 => self.comes(books, false)?,
            3..=8 => self.presses(books)?,
            9..=11 => Input::Provisioned {
                slot: self.stream(books, |state| state == State::Making)?,
            },
            12..=14 => Input::Started {
                slot: self.stream(books, |state| state == State::Quiet)?,
            },
            15..=16 => Input::Idle {
                slot: self.stream(books, |state| state == State::Live)?,
            },
            17..=18 => Input::DeadlinePassed {
                deadline: books.pass()?,
            },
            19 => {
                books.wait(u64::from(self.other));
                return None;
            }
            20 => Input::ProvisionFailed {
                slot: self.stream(books, |state| state == State::Making)?,
                reason: "Livepeer cannot be reached.".to_owned(),
            },
            21 => Input::Ended {
                slot: self.stream(books, |state| state.exists() || state == State::Ending)?,
            },
            22..=23 => {
                let here: Vec<_> = books.people().filter(|who| books.is_here(who)).collect();
                let participant = chosen(&here, self.one)?.to_owned().clone();
                Input::Left { participant }
            }
            24 => self.switches(books)?,
            // From here on, what should not happen.
            25 => self.presses_what_is_not_there(books)?,
            26..=27 => self.news_of_any_stream(books)?,
            28 => Input::DeadlinePassed {
                deadline: self.any_deadline(books)?,
            },
            _ => match self.other % 2 {
                0 => self.comes(books, true)?,
                _ => Input::Left {
                    participant: self.anybody(books)?,
                },
            },
        })
    }

    /// Anybody at all: here or not, and the stranger.
    fn anybody(self, books: &Books) -> Option<ParticipantId> {
        chosen(&books.people().collect::<Vec<_>>(), self.one).map(|who| (*who).clone())
    }

    /// Somebody comes by their own door or by the wrong one, here already or not. The stranger does not.
    fn comes(self, books: &Books, wrong: bool) -> Option<Input> {
        let cast: Vec<_> = books.people().take(books.people().len() - 1).collect();
        let id = (*chosen(&cast, self.one)?).clone();
        let seat = match (id == *books.host()) != wrong {
            true => Seat::Host,
            false => Seat::Guest,
        };
        let name = id.0.clone();
        Some(Input::Joined {
            participant: Participant { id, name, seat },
        })
    }

    /// Somebody who is here presses a button that they are offered.
    fn presses(self, books: &Books) -> Option<Input> {
        let offers = books.offers();
        let able: Vec<_> = books
            .people()
            .filter(|who| offers.iter().any(|(by, _)| by == *who))
            .collect();
        let who = *chosen(&able, self.one)?;
        let own: Vec<_> = offers.iter().filter(|(by, _)| by == who).collect();
        let (_, action) = chosen(&own, self.other)?;
        Some(Input::Acted {
            participant: who.clone(),
            action: action.clone(),
        })
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

    /// One of the streams of which that is true.
    fn stream(self, books: &Books, is: impl Fn(State) -> bool) -> Option<Slot> {
        let fitting: Vec<_> = books
            .streams()
            .iter()
            .filter(|(_, booked)| is(booked.state))
            .collect();
        chosen(&fitting, self.one).map(|(slot, _)| (*slot).clone())
    }

    /// Any news of any stream: repeated, late, too early, or of one that never was.
    fn news_of_any_stream(self, books: &Books) -> Option<Input> {
        let mut slots: Vec<Slot> = books.streams().keys().cloned().collect();
        let later = slots
            .iter()
            .map(|slot| Slot::new(slot.name.clone(), slot.take + 1));
        let later: Vec<Slot> = later.filter(|slot| !slots.contains(slot)).collect();
        slots.extend(later);
        slots.push(Slot::new("no-such-stream", 1));
        let slot = chosen(&slots, self.one)?.clone();
        Some(match self.other % 5 {
            0 => Input::Provisioned { slot },
            1 => Input::Started { slot },
            2 => Input::Idle { slot },
            3 => Input::ProvisionFailed {
                slot,
                reason: "Livepeer cannot be reached.".to_owned(),
            },
            _ => Input::Ended { slot },
        })
    }

    /// A deadline that was cleared or has passed already, one that is set and passes before its time (the clock was put
    /// back), or one that never was.
    fn any_deadline(self, books: &Books) -> Option<Deadline> {
        let mut names: Vec<Deadline> = books.dated().iter().cloned().collect();
        names.push("no-such-deadline".into());
        chosen(&names, self.one).cloned()
    }
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
        let stops = first
            .stream(books, |state| state == State::Live)
            .map(|slot| Input::Idle { slot });
        // What is being made may yet come to exist when nobody is left to want it.
        let made = first
            .stream(books, |state| state == State::Making)
            .map(|slot| Input::Provisioned { slot });
        let people_and_pictures = match self {
            Ending::PicturesFirst => stops.or(leaves),
            Ending::PeopleFirst => leaves.or(stops),
        };
        books.wait(1);
        people_and_pictures.or(made).or_else(|| {
            let deadline = books.pass()?;
            Some(Input::DeadlinePassed { deadline })
        })
    }
}
