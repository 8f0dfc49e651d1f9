//! Up to four people on stage, an audience, and a moderator who brings people up and takes them down.
//!
//! Whoever wants to come up raises a hand, and checks their camera while they wait; the moderator may take a seat too.
//! Each seat is a stream of whoever sits there, and of nobody after them: `seat-1.1`, then `seat-1.2`. A seat waits some
//! time for a picture that does not come ([`Policy::seat_return_seconds`]), and the panel for a moderator who has gone
//! ([`Policy::moderator_return_seconds`]); then their streams are ended, so that nothing is left running.
//!
//! The same parts as every architecture: the policy, the state, what it does with an input, what each person sees.

use serde::{Deserialize, Serialize};
use session::{
    Action, Architecture, Button, Deadline, Effect, Emphasis, Flow, Input, Layout, Opening, Other,
    Participant, ParticipantId, People, Phase, Play, Players, Publish, Refusal, Renditions,
    Seconds, Slot, Source, Stream, StreamSpec, Timestamp, View,
};

/// The moderator opens the panel.
pub const OPEN_PANEL: &str = "open-panel";
/// The moderator closes it.
pub const CLOSE_PANEL: &str = "close-panel";
/// The moderator takes a seat.
pub const STEP_UP: &str = "step-up";
/// Anybody on stage leaves it.
pub const STEP_DOWN: &str = "step-down";
/// Somebody in the audience wants to come up.
pub const RAISE_HAND: &str = "raise-hand";
/// They no longer want to.
pub const LOWER_HAND: &str = "lower-hand";
/// The moderator grants it.
pub const BRING_UP: &str = "bring-up";
/// The moderator does not.
pub const DISMISS: &str = "dismiss";
/// The moderator takes somebody off the stage.
pub const TAKE_DOWN: &str = "take-down";
/// The deadline of a moderator who has gone.
pub const MODERATOR_RETURN: &str = "moderator-return";

/// What can be configured.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Policy {
    /// How long a seat waits for a picture that has stopped or has not come yet, in seconds; at least 1. The default is
    /// 60.
    pub seat_return_seconds: Seconds,
    /// How long the panel goes on without its moderator, in seconds; at least 1. The default is 300.
    pub moderator_return_seconds: Seconds,
}

impl Default for Policy {
    fn default() -> Self {
        Policy {
            seat_return_seconds: Seconds::new(60),
            moderator_return_seconds: Seconds::new(300),
        }
    }
}

/// The state of one session.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Panel {
    policy: Policy,
    title: String,
    /// The moderator.
    host: ParticipantId,
    host_name: String,
    /// Who is here, the moderator among them.
    people: People,
    standing: Standing,
    /// Who asks to come up, in that order; nobody unless the panel is open.
    hands: Vec<Hand>,
    /// Empty unless the panel is open.
    seats: [Seat; 4],
}

/// Where the panel stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "kebab-case")]
enum Standing {
    /// Not opened.
    Off,
    /// On.
    Open { since: Timestamp },
    /// Closed.
    Over,
}

/// Somebody in the audience who asks to come up.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Hand {
    who: ParticipantId,
    since: Timestamp,
}

/// A seat on the stage.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Seat {
    /// How many have sat here; the present one's take.
    take: u32,
    speaker: Option<Speaker>,
}

/// Somebody on stage. Whoever holds one has a stream at Livepeer, or on its way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Speaker {
    who: ParticipantId,
    name: String,
    stream: Stream,
}

impl Speaker {
    /// The deadline of a seat without a picture. It is named by the take, so that one that comes late says nothing about
    /// whoever sits there now.
    fn returning(&self) -> Deadline {
        let Slot { name, take } = &self.stream.slot;
        Deadline(format!("{name}-return.{take}"))
    }

    /// The effects of leaving the stage.
    fn leave(self) -> Vec<Effect> {
        vec![clear(self.returning()), self.stream.end()]
    }

    /// The same, telling them why.
    fn leave_because(self, why: &str) -> Vec<Effect> {
        let told = tell(&self.who, why);
        [vec![told], self.leave()].concat()
    }
}

impl Architecture for Panel {
    const NAME: &'static str = "panel";
    const TITLE: &'static str = "Panel";
    const SUMMARY: &'static str =
        "Up to four people on stage, an audience who may ask to come up, and you to moderate.";
    type Policy = Policy;

    fn open(opening: Opening, policy: Policy) -> Self {
        Panel {
            policy,
            title: opening.title,
            host: opening.host,
            host_name: opening.host_name,
            people: People::default(),
            standing: Standing::Off,
            hands: Vec::new(),
            seats: Default::default(),
        }
    }

    fn handle(&mut self, now: Timestamp, input: Input) -> Result<Vec<Effect>, Refusal> {
        // A seat whose stream has come to exist, or has gone quiet, waits for its picture.
        let at = now.after(self.policy.seat_return_seconds.duration());
        let wait = |deadline| Effect::SetDeadline { deadline, at };
        match input {
            Input::Joined { participant } => Ok(self.joined(participant)),
            Input::Left { participant } => Ok(self.left(now, &participant)),
            Input::Acted {
                participant,
                action,
            } => self.acted(now, &participant, &action),
            Input::Switched {
                participant,
                sending,
            } => {
                self.people.switched(&participant, sending);
                Ok(vec![])
            }
            Input::Provisioned { slot } => Ok(self.news(|s| s.provisioned(&slot), wait)),
            Input::ProvisionFailed { slot, reason } => Ok(self.provision_failed(&slot, &reason)),
            Input::Started { slot } => Ok(self.news(|s| s.started(&slot, now), clear)),
            Input::Idle { slot } => Ok(self.news(|s| s.idle(&slot), wait)),
            Input::Ended { slot } => Ok(self.ended(&slot)),
            Input::DeadlinePassed { deadline } => Ok(self.deadline_passed(&deadline)),
        }
    }

    fn view(&self, participant: &ParticipantId) -> View {
        let is_host = *participant == self.host;
        let view = match (self.standing, self.speaker(participant)) {
            (Standing::Open { .. }, Some(speaker)) => self.speaker_view(speaker),
            (_, None) if !is_host && !self.people.has(participant) => {
                return View::of(
                    Phase::Waiting,
                    "You are not in this session",
                    "Reload the page to join.",
                );
            }
            (Standing::Open { .. }, None) if is_host => self.moderator_view(),
            (Standing::Open { .. }, None) => self.audience_view(participant),
            (Standing::Off | Standing::Over, _) => self.closed_view(is_host),
        };
        View {
            title: self.title.clone(),
            byline: match is_host {
                true => "You are the moderator".to_owned(),
                false => format!("with {}", self.host_name),
            },
            since: self.since(),
            plays: self.plays(participant),
            layout: Layout::Grid,
            people: match is_host {
                true => self.rows(),
                false => vec![],
            },
            audience: Some(self.audience()),
            ..view
        }
    }
}

// What it does with an input.
impl Panel {
    fn joined(&mut self, participant: Participant) -> Vec<Effect> {
        // Somebody who was here already may have another name now.
        if let Some(speaker) = self.speakers_mut().find(|s| s.who == participant.id) {
            speaker.name.clone_from(&participant.name);
        }
        let is_host = participant.id == self.host;
        self.people.joined(participant);
        match is_host && self.since().is_some() {
            true => vec![clear(MODERATOR_RETURN.into())],
            false => vec![],
        }
    }

    fn left(&mut self, now: Timestamp, participant: &ParticipantId) -> Vec<Effect> {
        self.people.left(participant);
        self.hands.retain(|hand| hand.who != *participant);
        // Whoever is on stage has a picture, which tells by itself when it stops.
        match *participant == self.host && self.since().is_some() {
            true => vec![Effect::SetDeadline {
                deadline: MODERATOR_RETURN.into(),
                at: now.after(self.policy.moderator_return_seconds.duration()),
            }],
            false => vec![],
        }
    }

    fn acted(
        &mut self,
        now: Timestamp,
        by: &ParticipantId,
        action: &Action,
    ) -> Result<Vec<Effect>, Refusal> {
        if !self.people.has(by) {
            return refuse("Reload the page to join.");
        }
        let about = action.target.as_ref();
        match (action.name.as_str(), *by == self.host) {
            (OPEN_PANEL | CLOSE_PANEL | STEP_UP | BRING_UP | DISMISS | TAKE_DOWN, false) => {
                refuse("Only the moderator can do that.")
            }
            (RAISE_HAND | LOWER_HAND, true) => {
                refuse("You are the moderator: take a seat instead.")
            }
            (OPEN_PANEL, _) => self.open_panel(now),
            _ if self.since().is_none() => refuse("The panel is not open."),
            (CLOSE_PANEL, _) => Ok(self.close()),
            (STEP_UP, _) => self.take_seat(by),
            (STEP_DOWN, _) => self.step_down(by),
            (RAISE_HAND, _) => self.raise_hand(now, by),
            (LOWER_HAND, _) => self.lower_hand(Some(by)).map(|_| vec![]),
            (BRING_UP, _) => self.bring_up(about),
            (DISMISS, _) => self.dismiss(about),
            (TAKE_DOWN, _) if about == Some(by) => {
                refuse("You are the moderator: leave the stage.")
            }
            (TAKE_DOWN, _) => self.take_down(about),
            (other, _) => refuse(format!("There is no button \"{other}\" here.")),
        }
    }

    fn open_panel(&mut self, now: Timestamp) -> Result<Vec<Effect>, Refusal> {
        if self.since().is_some() {
            return refuse("The panel is open already.");
        }
        self.standing = Standing::Open { since: now };
        Ok(vec![])
    }

    /// Closes the panel, and ends every stream with it.
    fn close(&mut self) -> Vec<Effect> {
        self.standing = Standing::Over;
        self.hands.clear();
        let speakers = self.seats.iter_mut().filter_map(|seat| seat.speaker.take());
        let mut effects: Vec<Effect> = speakers.flat_map(Speaker::leave).collect();
        effects.push(clear(MODERATOR_RETURN.into()));
        effects
    }

    fn raise_hand(&mut self, now: Timestamp, who: &ParticipantId) -> Result<Vec<Effect>, Refusal> {
        if self.speaker(who).is_some() || self.has_raised(who) {
            return refuse("You have raised your hand already.");
        }
        let who = who.clone();
        self.hands.push(Hand { who, since: now });
        Ok(vec![])
    }

    fn lower_hand(&mut self, who: Option<&ParticipantId>) -> Result<ParticipantId, Refusal> {
        match self.hands.iter().position(|hand| Some(&hand.who) == who) {
            Some(position) => Ok(self.hands.remove(position).who),
            None => refuse("That hand is not up any more."),
        }
    }

    fn bring_up(&mut self, who: Option<&ParticipantId>) -> Result<Vec<Effect>, Refusal> {
        // Before the hand goes down: a refusal changes nothing.
        if self.is_full() {
            return refuse(FULL);
        }
        let who = self.lower_hand(who)?;
        self.take_seat(&who)
    }

    /// Gives somebody the first seat that is free, and a stream that nobody has had before.
    fn take_seat(&mut self, who: &ParticipantId) -> Result<Vec<Effect>, Refusal> {
        if self.speaker(who).is_some() {
            return refuse("You are on stage already.");
        }
        let name = self.name(who);
        let mut seats = self.seats.iter_mut().zip(1..);
        let Some((seat, number)) = seats.find(|(seat, _)| seat.speaker.is_none()) else {
            return refuse(FULL);
        };
        seat.take += 1;
        let spec = StreamSpec {
            publisher: who.clone(),
            players: Players::Admitted,
            renditions: Renditions::Source,
        };
        let (stream, provision) =
            Stream::provision(Slot::new(format!("seat-{number}"), seat.take), spec);
        let who = who.clone();
        seat.speaker = Some(Speaker { who, name, stream });
        Ok(vec![provision])
    }

    fn dismiss(&mut self, who: Option<&ParticipantId>) -> Result<Vec<Effect>, Refusal> {
        let who = self.lower_hand(who)?;
        let words = format!("{} cannot bring you up now.", self.host_name);
        Ok(vec![tell(&who, words)])
    }

    fn step_down(&mut self, who: &ParticipantId) -> Result<Vec<Effect>, Refusal> {
        match self.vacate(|speaker| speaker.who == *who) {
            Some(speaker) => Ok(speaker.leave()),
            None => refuse("You are not on stage."),
        }
    }

    fn take_down(&mut self, who: Option<&ParticipantId>) -> Result<Vec<Effect>, Refusal> {
        let Some(speaker) = self.vacate(|speaker| Some(&speaker.who) == who) else {
            return refuse("They are not on stage any more.");
        };
        let words = format!("{} has taken you off the stage.", self.host_name);
        Ok(speaker.leave_because(&words))
    }

    /// Empties the seat of the one of whom that is true.
    fn vacate(&mut self, is: impl Fn(&Speaker) -> bool) -> Option<Speaker> {
        self.seats
            .iter_mut()
            .find_map(|seat| seat.speaker.take_if(|speaker| is(speaker)))
    }

    fn provision_failed(&mut self, slot: &Slot, reason: &str) -> Vec<Effect> {
        let failed = |s: &Speaker| s.stream.slot == *slot && !s.stream.exists();
        let Some(Speaker { who, name, .. }) = self.vacate(failed) else {
            return vec![];
        };
        let words = format!("{name} could not come on stage: {reason}");
        let told = match who == self.host {
            true => vec![],
            false => vec![tell(&self.host, words.clone())],
        };
        [told, vec![tell(&who, words)]].concat()
    }

    fn ended(&mut self, slot: &Slot) -> Vec<Effect> {
        let Some(speaker) = self.vacate(|s| s.stream.slot == *slot) else {
            return vec![];
        };
        let words = "Your stream was ended, so you are off the stage.";
        vec![tell(&speaker.who, words), clear(speaker.returning())]
    }

    /// Tells every stream of something. If it was news for one of them, there is something to do about its deadline.
    fn news(
        &mut self,
        mut tell: impl FnMut(&mut Stream) -> bool,
        then: impl Fn(Deadline) -> Effect,
    ) -> Vec<Effect> {
        let news = self
            .speakers_mut()
            .filter_map(|speaker| tell(&mut speaker.stream).then(|| then(speaker.returning())));
        news.collect()
    }

    fn deadline_passed(&mut self, deadline: &Deadline) -> Vec<Effect> {
        // One that passes as the picture or the moderator comes back must end nothing.
        let missing =
            |s: &Speaker| s.returning() == *deadline && s.stream.exists() && !s.stream.is_live();
        if let Some(speaker) = self.vacate(missing) {
            return speaker
                .leave_because("Your picture did not arrive, so your seat is free for others.");
        }
        let gone = self.since().is_some() && !self.people.has(&self.host);
        match gone && deadline.0 == MODERATOR_RETURN {
            true => self.close(),
            false => vec![],
        }
    }

    /// Since when the panel is open, if it is.
    fn since(&self) -> Option<Timestamp> {
        match self.standing {
            Standing::Open { since } => Some(since),
            Standing::Off | Standing::Over => None,
        }
    }

    fn speakers(&self) -> impl Iterator<Item = &Speaker> {
        self.seats.iter().filter_map(|seat| seat.speaker.as_ref())
    }

    fn speakers_mut(&mut self) -> impl Iterator<Item = &mut Speaker> {
        self.seats
            .iter_mut()
            .filter_map(|seat| seat.speaker.as_mut())
    }

    fn speaker(&self, who: &ParticipantId) -> Option<&Speaker> {
        self.speakers().find(|speaker| speaker.who == *who)
    }

    fn has_raised(&self, who: &ParticipantId) -> bool {
        self.hands.iter().any(|hand| hand.who == *who)
    }

    fn is_full(&self) -> bool {
        self.speakers().count() == self.seats.len()
    }

    fn name(&self, who: &ParticipantId) -> String {
        self.people
            .get(who)
            .map(|person| person.name.clone())
            .unwrap_or_default()
    }
}

const FULL: &str = "The stage is full: take somebody down first.";

fn refuse<T>(words: impl Into<String>) -> Result<T, Refusal> {
    Err(Refusal::because(words))
}

fn clear(deadline: Deadline) -> Effect {
    Effect::ClearDeadline { deadline }
}

fn tell(to: &ParticipantId, text: impl Into<String>) -> Effect {
    let (to, text) = (to.clone(), text.into());
    Effect::Notice { to, text }
}

// What each person sees.
impl Panel {
    /// Anybody, while the panel is not open.
    fn closed_view(&self, is_host: bool) -> View {
        let open = |label| vec![Button::new(OPEN_PANEL, label, Emphasis::Primary)];
        let over = self.standing == Standing::Over;
        let (view, buttons) = match (over, is_host) {
            (true, true) => (
                View::of(Phase::Ended, "The panel is over", "Every camera is off."),
                open("Open it again"),
            ),
            (true, false) => (
                View::of(Phase::Ended, "The panel is over", "Thank you for coming."),
                vec![],
            ),
            (false, true) => (
                View::of(
                    Phase::Setup,
                    "The panel is not open yet",
                    "Check your picture and sound, then open the panel. You are on stage when you take a seat.",
                ),
                open("Open panel"),
            ),
            (false, false) => (
                View::of(
                    Phase::Waiting,
                    format!("{} has not opened the panel yet", self.host_name),
                    "Stay on this page: it begins here by itself.",
                ),
                vec![],
            ),
        };
        View {
            preview: is_host && !over,
            buttons,
            ..view
        }
    }

    /// The moderator, off stage.
    fn moderator_view(&self) -> View {
        let (words, mut buttons) = match self.is_full() {
            true => (FULL, vec![]),
            false => (
                "Bring up whoever raises a hand, or take a seat yourself.",
                vec![Button::new(STEP_UP, "Take a seat", Emphasis::Primary)],
            ),
        };
        buttons.push(close_panel());
        View {
            buttons,
            ..View::of(self.phase(), self.on_stage(), words)
        }
    }

    /// Whoever is on stage, the moderator or somebody else.
    fn speaker_view(&self, speaker: &Speaker) -> View {
        let stream = &speaker.stream;
        let grace = self.policy.seat_return_seconds;
        let view = match stream.flow {
            Flow::Provisioning => View::of(
                Phase::Starting,
                "Getting your seat ready",
                "This takes a moment.",
            ),
            Flow::Connecting => View::of(
                Phase::Starting,
                "Connecting your camera",
                format!(
                    "You are on stage as soon as your picture arrives. Your seat waits {grace} for it."
                ),
            ),
            Flow::Live { .. } => View::of(
                Phase::Live,
                "You are on stage",
                "Everybody here sees and hears you.",
            ),
            Flow::Interrupted { .. } => View::of(
                Phase::Interrupted,
                "Your picture does not arrive",
                format!(
                    "It comes back by itself when your camera and connection do. Your seat waits {grace} for it."
                ),
            ),
        };
        let camera = stream.exists().then(|| Publish {
            slot: stream.slot.clone(),
            source: Source::Camera,
        });
        let leave = Button::new(STEP_DOWN, "Leave the stage", Emphasis::Plain);
        let close = (speaker.who == self.host).then(close_panel);
        View {
            preview: true,
            publishes: camera.into_iter().collect(),
            buttons: [leave].into_iter().chain(close).collect(),
            ..view
        }
    }

    /// Somebody in the audience.
    fn audience_view(&self, who: &ParticipantId) -> View {
        let raised = self.has_raised(who);
        let words = match (raised, self.is_full()) {
            (false, false) => "Raise your hand if you want to come up.",
            (false, true) => "The stage is full at the moment.",
            (true, false) => {
                "Your hand is up. Check your picture and sound: nobody sees or hears you yet."
            }
            (true, true) => "Your hand is up. The stage is full, so it may take a while.",
        };
        let button = match raised {
            true => Button::new(LOWER_HAND, "Lower hand", Emphasis::Plain),
            false => Button::new(RAISE_HAND, "Raise hand", Emphasis::Primary).by_name(),
        };
        View {
            preview: raised,
            buttons: vec![button],
            ..View::of(self.phase(), self.on_stage(), words)
        }
    }

    /// Where the panel stands for whoever is not on stage.
    fn phase(&self) -> Phase {
        match (
            self.seen().next(),
            self.seen().any(|speaker| speaker.stream.is_live()),
        ) {
            (None, _) => Phase::Waiting,
            (Some(_), true) => Phase::Live,
            (Some(_), false) => Phase::Interrupted,
        }
    }

    /// Whose picture has arrived. It is played from then on, so that players stay in place while it is interrupted.
    fn seen(&self) -> impl Iterator<Item = &Speaker> {
        self.speakers()
            .filter(|speaker| speaker.stream.since().is_some())
    }

    fn on_stage(&self) -> String {
        let names: Vec<&str> = self.seen().map(|speaker| speaker.name.as_str()).collect();
        match names.as_slice() {
            [] => "Nobody is on stage".to_owned(),
            names => format!("On stage: {}", names.join(", ")),
        }
    }

    /// Everybody on stage but oneself.
    fn plays(&self, who: &ParticipantId) -> Vec<Play> {
        let others = self.seen().filter(|speaker| speaker.who != *who);
        let play = |speaker: &Speaker| Play {
            slot: speaker.stream.slot.clone(),
            label: speaker.name.clone(),
            sending: self.people.sending(&speaker.who),
        };
        others.map(play).collect()
    }

    /// With whom the moderator has to do: the hands, then the others on stage.
    fn rows(&self) -> Vec<Other> {
        let hands = self.hands.iter().map(|Hand { who, since }| {
            let bring_up = Button::new(BRING_UP, "Bring up", Emphasis::Primary).about(who);
            let dismiss = Button::new(DISMISS, "Not now", Emphasis::Plain).about(who);
            Other {
                id: who.clone(),
                name: self.name(who),
                note: "raises a hand".to_owned(),
                since: Some(*since),
                buttons: match self.is_full() {
                    true => vec![dismiss],
                    false => vec![bring_up, dismiss],
                },
            }
        });
        let others = self.speakers().filter(|speaker| speaker.who != self.host);
        let stage = others.map(|Speaker { who, name, stream }| Other {
            id: who.clone(),
            name: name.clone(),
            note: match stream.flow {
                Flow::Provisioning | Flow::Connecting => "is coming up".to_owned(),
                Flow::Live { .. } => "is on stage".to_owned(),
                Flow::Interrupted { .. } => "has dropped out".to_owned(),
            },
            // A picture that has stopped was live since then, and gone since nobody knows when.
            since: stream.since().filter(|_| stream.is_live()),
            buttons: vec![Button::new(TAKE_DOWN, "Take down", Emphasis::Plain).about(who)],
        });
        hands.chain(stage).collect()
    }

    /// How many watch: everybody who is here, but the moderator and those on stage.
    fn audience(&self) -> u32 {
        let watches = |id: &ParticipantId| *id != self.host && self.speaker(id).is_none();
        let watching = self.people.iter().filter(|(id, _)| watches(id));
        u32::try_from(watching.count()).unwrap_or(u32::MAX)
    }
}

fn close_panel() -> Button {
    Button::new(CLOSE_PANEL, "Close panel", Emphasis::Danger)
        .confirmed_by("Close the panel for everybody?")
}
