//! What one person sees and may do.

use serde::{Deserialize, Serialize};

use crate::id::{ParticipantId, Slot, Timestamp};
use crate::input::Sending;

/// Everything that one participant sees and may do at this moment. The page draws it; the shell mints credentials by it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct View {
    /// What the session is called; empty for somebody who is not to know.
    pub title: String,
    /// Whose it is, as in "with Ada"; empty for somebody who is not to know.
    pub byline: String,
    /// Where the session stands for this person.
    pub phase: Phase,
    /// Whether what is going on is between a few people: the page says "Private" where it would say "Live".
    pub private: bool,
    /// What is going on, in a few words.
    pub headline: String,
    /// What to do or expect, in a sentence; empty when the headline says it all.
    pub detail: String,
    /// When this phase began, where the page should show how long it has been.
    pub since: Option<Timestamp>,
    /// Whether this person is about to publish: the page asks for camera and microphone and shows the picture to
    /// them alone.
    pub preview: bool,
    /// The streams that this person publishes. For each, and for no other, they are given its WHIP address.
    pub publishes: Vec<Publish>,
    /// The streams that this person plays, the most important first. For each, and for no other, they are given its
    /// WHEP address and a token.
    pub plays: Vec<Play>,
    /// How the pictures are laid out.
    pub layout: Layout,
    /// What this person may do now.
    pub buttons: Vec<Button>,
    /// Others in the session with whom this person has to do: who asks for something, who is on stage. Each
    /// once, in the order in which they are to be shown.
    pub people: Vec<Other>,
    /// How many people watch, where this person should see it.
    pub audience: Option<u32>,
}

impl View {
    /// A View of words alone: untitled, nothing published, nothing played, nothing to press.
    pub fn of(phase: Phase, headline: impl Into<String>, detail: impl Into<String>) -> View {
        View {
            title: String::new(),
            byline: String::new(),
            phase,
            private: false,
            headline: headline.into(),
            detail: detail.into(),
            since: None,
            preview: false,
            publishes: Vec::new(),
            plays: Vec::new(),
            layout: Layout::Spotlight,
            buttons: Vec::new(),
            people: Vec::new(),
            audience: None,
        }
    }

    /// Whether this person may have the credential to publish `slot`.
    pub fn may_publish(&self, slot: &Slot) -> bool {
        self.publishes.iter().any(|publish| publish.slot == *slot)
    }

    /// Whether this person may have the credential to play `slot`.
    pub fn may_play(&self, slot: &Slot) -> bool {
        self.plays.iter().any(|play| play.slot == *slot)
    }

    /// Whether this person may do `action` now, about anybody.
    pub fn offers(&self, action: &str) -> bool {
        self.every_button().any(|button| button.action == action)
    }

    /// Whether this person may do `action` about `target` now.
    pub fn offers_about(&self, action: &str, target: &ParticipantId) -> bool {
        self.every_button()
            .any(|button| button.action == action && button.target.as_ref() == Some(target))
    }

    /// Every button on the page: this person's own, and those beside others.
    pub fn every_button(&self) -> impl Iterator<Item = &Button> {
        let beside_others = self.people.iter().flat_map(|other| &other.buttons);
        self.buttons.iter().chain(beside_others)
    }
}

/// Where a session stands for one person.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Phase {
    /// Nothing is on, and it is for this person to begin.
    Setup,
    /// Nothing is on yet, and it is for somebody else to begin.
    Waiting,
    /// Somebody calls, and it is for this person to answer.
    Ringing,
    /// It is being started.
    Starting,
    /// Pictures flow.
    Live,
    /// They have stopped for now; nobody has to do anything for them to come back.
    Interrupted,
    /// It is over.
    Ended,
}

/// A stream that this person publishes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Publish {
    /// Which.
    pub slot: Slot,
    /// What is sent on it. A change of source never renegotiates (`RTCRtpSender.replaceTrack`).
    pub source: Source,
}

/// What a publisher sends.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "kebab-case")]
pub enum Source {
    /// Camera and microphone.
    Camera,
    /// The camera without any sound.
    SilentCamera,
    /// A card instead of a picture, without any sound: those words, and how long it has been.
    Card {
        /// The words on it.
        title: String,
        /// Since when it has been shown.
        since: Timestamp,
    },
}

/// A stream that this person plays.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Play {
    /// Which.
    pub slot: Slot,
    /// Who or what is to be seen on it.
    pub label: String,
    /// What its publisher has switched on; the page says in words what is off.
    pub sending: Sending,
}

/// How the pictures are laid out; the page has a form of each for any number of them, on any screen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Layout {
    /// The first picture fills the stage; the others are smaller, and one's own is in a corner.
    Spotlight,
    /// All pictures are equally large, one's own among them.
    Grid,
}

/// A button on the page.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Button {
    /// What is sent back when it is pressed, as [`Action::name`](crate::Action).
    pub action: String,
    /// The person it is about, sent back with it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<ParticipantId>,
    /// The words on it.
    pub label: String,
    /// How it stands out.
    pub emphasis: Emphasis,
    /// What to ask before it is carried out, if anything.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub confirm: Option<String>,
    /// Whether others will want to know whose wish it is: the page asks for a name first, if it has none.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub named: bool,
}

/// Somebody else, as one person sees them in a list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Other {
    /// Who it is.
    pub id: ParticipantId,
    /// What they call themselves.
    pub name: String,
    /// What is the matter with them, such as "asks for a private call".
    pub note: String,
    /// Since when, where the page should show how long it has been.
    pub since: Option<Timestamp>,
    /// What may be done about them.
    pub buttons: Vec<Button>,
}

impl Button {
    /// A button about nobody in particular.
    pub fn new(action: &str, label: impl Into<String>, emphasis: Emphasis) -> Button {
        Button {
            action: action.to_owned(),
            target: None,
            label: label.into(),
            emphasis,
            confirm: None,
            named: false,
        }
    }

    /// The same, pressed by somebody with a name.
    #[must_use]
    pub fn by_name(self) -> Button {
        Button {
            named: true,
            ..self
        }
    }

    /// The same about `target`.
    #[must_use]
    pub fn about(self, target: &ParticipantId) -> Button {
        Button {
            target: Some(target.clone()),
            ..self
        }
    }

    /// The same, asking `question` first.
    #[must_use]
    pub fn confirmed_by(self, question: &str) -> Button {
        Button {
            confirm: Some(question.to_owned()),
            ..self
        }
    }
}

/// How a button stands out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Emphasis {
    /// The one thing to do next.
    Primary,
    /// One of several.
    Plain,
    /// It cannot be undone.
    Danger,
}
