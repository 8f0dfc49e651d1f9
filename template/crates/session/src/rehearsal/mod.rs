//! Stories that nobody would think of, played against an architecture.
//!
//! A [`transcript`] tells one story, written by hand. A rehearsal plays any number of steps in any
//! order: people come and go and press what they are offered; streams come to exist, fail, start, go quiet and end;
//! deadlines pass. In between happens what should not: buttons that nobody was offered, news that is late, repeated, or
//! about streams that never were, the wrong door, deadlines that were cleared. The [`World`] keeps its own books of which
//! streams exist and who is here, and after every step it checks what must be true of every architecture:
//!
//! 1. A refusal changes nothing, and only what a person asked for is refused.
//! 2. Each stream that exists is published by its publisher while they are here, and by nobody else ever. While they are
//!    away, a deadline is set or somebody still has the stream in their View.
//! 3. No View has a stream that is not there or on its way, or the same stream or person
//!    twice.
//! 4. A stream for a few is played by nobody else; a stranger has no stream and no button.
//! 5. A slot is provisioned once, and only what was provisioned is ended.
//! 6. A restart after any step, or a replay of all inputs, gives the same state, effects and Views.
//! 7. Every button that somebody is offered works at that moment, and no other changes anything.
//! 8. When everybody has left and every deadline has passed, no stream is left running: it would cost money.
//!
//! A step is three small numbers, so whatever makes random numbers can make a story, and a library that finds the
//! shortest story that fails need not know what they mean. With `proptest`:
//!
//! ```text
//! proptest! {
//!     #[test]
//!     fn whatever_happens(steps in vec(any::<(u8, u8, u8)>(), 0..80)) {
//!         rehearse::<MyShow>(Policy::default(), "ada", &["ben", "cleo"], steps, |world| {
//!             ensure(world.architecture().on_stage() <= 4, "at most four are on stage")
//!         })?;
//!     }
//! }
//! ```
//!
//! Reading order: this file (the story and who checks it), [`books`] (what the world knows), [`step`] (what can happen),
//! `rules`.

pub mod books;
mod rules;
pub mod step;

use std::collections::BTreeMap;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::architecture::{Architecture, Opening, Refusal};
use crate::effect::Effect;
use crate::id::{ParticipantId, Timestamp};
use crate::input::Input;
use crate::transcript::{self, Transcript};
use crate::view::View;

pub use books::{Booked, Books, State};
pub use rules::ensure;
pub use step::Step;

use step::Ending;

/// No architecture takes so many inputs to come to rest. Arbitrary.
const ENDLESS: usize = 500;

/// Plays `steps` against a session that `host` has opened and to which `guests` come, then lets everybody leave, once
/// with the pictures stopping first and once after the people. After each of all these inputs the rules of this module
/// are checked, and then `also`: what must be true of this architecture in particular.
///
/// # Errors
///
/// Says which rule is broken, how, and tells the story up to there.
pub fn rehearse<A: Architecture>(
    policy: A::Policy,
    host: &str,
    guests: &[&str],
    steps: impl IntoIterator<Item: Into<Step>>,
    also: impl Fn(&World<A>) -> Result<(), String>,
) -> Result<(), Broken> {
    let also = |world: &World<A>| also(world).map_err(|rule| world.broken(rule));
    let mut world = World::open(policy, host, guests)?;
    also(&world)?;
    for step in steps {
        if world.play(step)? {
            also(&world)?;
        }
    }
    for ending in [Ending::PicturesFirst, Ending::PeopleFirst] {
        world.again()?.wind_down(ending, also)?;
    }
    Ok(())
}

/// A session and the world around it.
pub struct World<A: Architecture> {
    policy: A::Policy,
    /// Restarted after every input.
    architecture: A,
    /// The same, never restarted: whatever is lost in storage, or is not the same in a replay, tells them apart.
    understudy: A,
    /// The state as it is stored.
    stored: String,
    books: Books,
    /// Everybody's View before the last input.
    before: BTreeMap<ParticipantId, View>,
    log: Vec<Entry>,
}

/// One input of the story, and what came of it.
#[derive(Clone, Debug)]
pub struct Entry {
    /// When, in seconds after the story's beginning.
    pub seconds: u64,
    /// What happened.
    pub input: Input,
    /// What the architecture made of it.
    pub outcome: Result<Vec<Effect>, Refusal>,
}

impl<A: Architecture> World<A> {
    /// A session that `host` has opened, before anything has happened. People are called by their ids.
    ///
    /// # Errors
    ///
    /// A rule is broken from the beginning.
    pub fn open(policy: A::Policy, host: &str, guests: &[&str]) -> Result<World<A>, Broken> {
        let mut world = World {
            architecture: open(policy.clone(), host),
            understudy: open(policy.clone(), host),
            policy,
            stored: String::new(),
            books: Books::open(host, guests),
            before: BTreeMap::new(),
            log: Vec::new(),
        };
        world.store().map_err(|rule| world.broken(rule))?;
        world.look().map_err(|rule| world.broken(rule))?;
        world.before = world.books.views().clone();
        Ok(world)
    }

    /// Plays one step. Whether it came to anything: some find nothing to do, such as a deadline to pass.
    ///
    /// # Errors
    ///
    /// A rule is broken.
    pub fn play(&mut self, step: impl Into<Step>) -> Result<bool, Broken> {
        match step.into().input(&mut self.books) {
            Some(input) => self.give(input).map(|()| true),
            None => Ok(false),
        }
    }

    /// Plays on until everybody has left and nothing is waited for.
    fn wind_down(
        &mut self,
        ending: Ending,
        also: impl Fn(&World<A>) -> Result<(), Broken>,
    ) -> Result<(), Broken> {
        for _ in 0..ENDLESS {
            let Some(input) = ending.input(&mut self.books) else {
                return rules::nothing_is_left_running(&self.books)
                    .map_err(|rule| self.broken(rule));
            };
            self.give(input)?;
            also(self)?;
        }
        Err(self.broken("rule 8: everybody has left, and it goes on and on"))
    }

    /// Lets that happen, and checks the rules.
    ///
    /// # Errors
    ///
    /// A rule is broken.
    pub fn give(&mut self, input: Input) -> Result<(), Broken> {
        self.books.happened(&input);
        let (now, seconds) = (self.books.now(), self.books.seconds());
        let take_in = AssertUnwindSafe(|| self.architecture.handle(now, input.clone()));
        // A panic would end the story before it can be told.
        let outcome = catch_unwind(take_in).map_err(|_| {
            let last = transcript::told(&input);
            self.broken(format!("it panics when then, at {seconds}s, {last}"))
        })?;
        let again = self.understudy.handle(now, input.clone());
        let entry = Entry {
            seconds,
            input,
            outcome,
        };
        self.log.push(entry.clone());
        self.judge(entry, again).map_err(|rule| self.broken(rule))
    }

    fn judge(&mut self, entry: Entry, again: Result<Vec<Effect>, Refusal>) -> Result<(), String> {
        ensure(
            entry.outcome == again,
            "rule 6: after a restart, or in a replay, it answers differently",
        )?;
        let stored = self.stored.clone();
        self.before = self.books.views().clone();
        self.store()?;
        match entry.outcome {
            Ok(effects) => {
                let nothing = effects.is_empty() && self.stored == stored;
                rules::what_was_not_offered_changes(nothing, &entry.input, &self.before)?;
                self.books.accepted(&entry.input);
                for effect in effects {
                    self.books.wanted(effect)?;
                }
            }
            Err(refusal) => rules::may_be_refused(&entry.input, &refusal)?,
        }
        self.look()?;
        let refused = self.log.last().is_some_and(|entry| entry.outcome.is_err());
        ensure(
            !refused || (self.stored == stored && *self.books.views() == self.before),
            "rule 1: it refuses, and changes all the same",
        )?;
        if self.stored != stored {
            self.press_every_button()?;
        }
        Ok(())
    }

    /// Stores the state and restarts from it.
    fn store(&mut self) -> Result<(), String> {
        self.stored = stored(&self.architecture)?;
        self.architecture = restored(&self.stored)?;
        ensure(
            stored(&self.architecture)? == self.stored,
            "rule 6: the state is another when it has been stored and read",
        )?;
        ensure(
            stored(&self.understudy)? == self.stored,
            "rule 6: a replay, or a run without restarts, comes to another state",
        )
    }

    /// Draws everybody's View and checks what stands there.
    fn look(&mut self) -> Result<(), String> {
        let mut same = true;
        let (architecture, understudy) = (&self.architecture, &self.understudy);
        self.books.draw(|id| {
            let view = architecture.view(id);
            same &= view == understudy.view(id);
            view
        });
        ensure(same, "rule 6: a View is another after a restart")?;
        rules::views(&self.books)
    }

    /// Presses every button of everybody who is here, each as if it were the only one.
    fn press_every_button(&self) -> Result<(), String> {
        for offer in self.books.offers() {
            let mut architecture: A = restored(&self.stored)?;
            let press = offer.pressed();
            let told = transcript::told(&press);
            if let Err(refusal) = architecture.handle(self.books.now(), press) {
                return Err(format!(
                    "rule 7: {told}, as offered, and is refused: {refusal}"
                ));
            }
        }
        Ok(())
    }

    /// The same world, to go on with in another way.
    fn again(&self) -> Result<World<A>, Broken> {
        let restored = || restored(&self.stored).map_err(|rule| self.broken(rule));
        Ok(World {
            policy: self.policy.clone(),
            architecture: restored()?,
            understudy: restored()?,
            stored: self.stored.clone(),
            books: self.books.clone(),
            before: self.before.clone(),
            log: self.log.clone(),
        })
    }

    /// The session as it stands.
    pub fn architecture(&self) -> &A {
        &self.architecture
    }

    /// What the world knows: who is here and sees what, which streams exist.
    pub fn books(&self) -> &Books {
        &self.books
    }

    /// What somebody sees.
    pub fn view(&self, who: &ParticipantId) -> View {
        self.architecture.view(who)
    }

    /// What everybody saw before the last input: for rules about what may follow what.
    pub fn before(&self) -> &BTreeMap<ParticipantId, View> {
        &self.before
    }

    /// What time it is in the story.
    pub fn now(&self) -> Timestamp {
        self.books.now()
    }

    /// What has happened so far.
    pub fn log(&self) -> &[Entry] {
        &self.log
    }

    /// The story so far, as a transcript of everybody's Views.
    pub fn story(&self) -> String {
        let people: Vec<&str> = self.books.people().map(|id| id.0.as_str()).collect();
        let opened = open::<A>(self.policy.clone(), &self.books.host().0);
        let mut story = Transcript::of(opened, &people);
        for entry in &self.log {
            story.at(entry.seconds, entry.input.clone());
        }
        story.text().to_owned()
    }

    /// That a rule is broken at this point of the story.
    pub fn broken(&self, rule: impl Into<String>) -> Broken {
        Broken {
            rule: rule.into(),
            inputs: self.log.len(),
            story: self.story(),
        }
    }
}

fn open<A: Architecture>(policy: A::Policy, host: &str) -> A {
    let opening = Opening {
        title: "A rehearsal".to_owned(),
        host: host.into(),
        host_name: host.to_owned(),
    };
    A::open(opening, policy)
}

fn stored<A: Architecture>(architecture: &A) -> Result<String, String> {
    serde_json::to_string(architecture)
        .map_err(|error| format!("rule 6: the state cannot be stored: {error}"))
}

fn restored<A: Architecture>(stored: &str) -> Result<A, String> {
    serde_json::from_str(stored)
        .map_err(|error| format!("rule 6: the stored state cannot be read: {error}: {stored}"))
}

/// A rule that an architecture has broken, and the story up to there.
#[derive(Clone)]
pub struct Broken {
    /// Which rule, and how.
    pub rule: String,
    /// After how many inputs.
    pub inputs: usize,
    /// What happened, with everybody's Views. Its last lines are where the rule is broken.
    pub story: String,
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Broken {
            rule,
            inputs,
            story,
        } = self;
        write!(f, "{rule}\nafter {inputs} inputs:\n{story}")
    }
}

/// As it is told, so that `unwrap` shows it well.
impl fmt::Debug for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::error::Error for Broken {}
