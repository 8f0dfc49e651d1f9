//! What each person sees: the show's View or the call's, and what lies between them.

use one_to_one::HANG_UP;
use session::{
    Architecture as _, Button, Emphasis, Flow, Layout, Other, ParticipantId, Phase, Play, Publish,
    Sending, Source, View,
};

use crate::requests::{Request, Wants};
use crate::stage::OnStage;
use crate::{
    ACCEPT, ASK_CALL, ASK_STAGE, AudienceSees, BACK_TO_SHOW, DECLINE, Hybrid, LEAVE_STAGE,
    TAKE_DOWN, WITHDRAW,
};

impl Hybrid {
    pub(crate) fn seen_by(&self, participant: &ParticipantId) -> View {
        let show = self.show.view(participant);
        let called = self.call.includes(participant);
        let view = match (*participant == self.host, called) {
            (true, true) => self.host_in_call(&show),
            (true, false) => self.host_in_show(show.clone()),
            (false, true) => self.call.view(participant),
            (false, false) if self.people.has(participant) => {
                self.viewer(participant, show.clone())
            }
            (false, false) => return show,
        };
        // Somebody in the call does not watch the show, nor is told how many do.
        let is_guest = called && *participant != self.host;
        let audience = show.audience.filter(|_| !is_guest);
        View {
            title: show.title,
            byline: show.byline,
            audience: audience.map(|count| count.saturating_sub(self.away_from_it())),
            ..view
        }
    }

    /// How many of those whom the show counts are in the call instead.
    fn away_from_it(&self) -> u32 {
        let away = self.away.as_ref();
        let guest = away.and_then(|away| away.guest.as_ref());
        u32::from(guest.is_some_and(|guest| self.people.has(guest)))
    }

    fn host_in_show(&self, show: View) -> View {
        let guest = self.stage.guest().and_then(|guest| self.on_stage(guest));
        let mut view = View {
            layout: beside(guest.is_some()),
            publishes: self.in_public(&show),
            plays: guest.into_iter().collect(),
            people: self.people_for_host(),
            ..show
        };
        if self.away.is_none() {
            return view;
        }
        // The call has ended, and not by the host's own press: what they are saying may still be for their guest alone.
        let back = Button::new(BACK_TO_SHOW, "Back to the show", Emphasis::Primary);
        view.buttons.insert(0, back);
        view.private = true;
        if view.phase == Phase::Live {
            let (headline, reason) = self.how_the_call_ended();
            let still = match self.policy.audience_sees {
                AudienceSees::AwayCard => {
                    "Your audience still sees the away card and hears nothing."
                }
                AudienceSees::SilentCamera => "Your audience still sees you and hears nothing.",
            };
            view.headline = headline;
            view.detail = match reason {
                Some(reason) => format!("{reason} {still}"),
                None => still.to_owned(),
            };
        }
        view
    }

    /// What the host sends to the audience.
    fn in_public(&self, show: &View) -> Vec<Publish> {
        let publishes = show.publishes.iter();
        let public = |publish: &Publish| Publish {
            slot: publish.slot.clone(),
            source: self.public_source(),
        };
        publishes.map(public).collect()
    }

    /// Two streams at the same time: the show's goes on with something else on it, the call's carries the camera.
    fn host_in_call(&self, show: &View) -> View {
        let call = self.call.view(&self.host);
        let mut view = View {
            people: self.people_for_host(),
            ..call
        };
        if self.show.stream().is_none() {
            return view;
        }
        view.publishes.splice(0..0, self.in_public(show));
        for button in &mut view.buttons {
            if button.action == HANG_UP {
                button.label = "Back to the show".to_owned();
                button.emphasis = Emphasis::Primary;
            }
        }
        view.buttons.extend(show.buttons.iter().cloned());
        view.detail = match (view.phase, show.phase) {
            (Phase::Live, Phase::Interrupted) => {
                "Your audience sees nothing at the moment: your public picture does not arrive."
                    .to_owned()
            }
            (Phase::Live, _) => match self.policy.audience_sees {
                AudienceSees::AwayCard => "Your audience sees the away card and hears nothing.",
                AudienceSees::SilentCamera => "Your audience sees you and hears nothing.",
            }
            .to_owned(),
            _ => view.detail,
        };
        view
    }

    /// What the public stream carries at this moment.
    fn public_source(&self) -> Source {
        match (&self.away, self.policy.audience_sees) {
            (None, _) => Source::Camera,
            (Some(_), AudienceSees::SilentCamera) => Source::SilentCamera,
            (Some(away), AudienceSees::AwayCard) => Source::Card {
                title: self.policy.card_title.clone(),
                since: away.since,
            },
        }
    }

    /// Who asks for something, and who is on stage.
    fn people_for_host(&self) -> Vec<Other> {
        let mut people: Vec<Other> = Vec::new();
        people.extend(self.stage.guest().map(|guest| {
            Other {
                id: guest.who.clone(),
                name: guest.name.clone(),
                note: match guest.stream.flow {
                    Flow::Live { .. } => "is on stage",
                    Flow::Interrupted { .. } => "is on stage, without a picture",
                    Flow::Provisioning | Flow::Connecting => "is coming on stage",
                }
                .to_owned(),
                since: guest.stream.since(),
                buttons: vec![
                    Button::new(TAKE_DOWN, "Take off stage", Emphasis::Plain).about(&guest.who),
                ],
            }
        }));
        for asking in self.requests.iter().map(|request| self.asking(request)) {
            // Somebody on stage may ask for a call, and is still one person.
            match people.iter_mut().find(|other| other.id == asking.id) {
                Some(other) => {
                    other.note = format!("{}, and {}", other.note, asking.note);
                    other.since = asking.since;
                    other.buttons.splice(0..0, asking.buttons);
                }
                None => people.push(asking),
            }
        }
        people
    }

    fn asking(&self, request: &Request) -> Other {
        let mut buttons = Vec::new();
        if self.may_accept(request.wants).is_ok() {
            buttons.push(Button::new(ACCEPT, "Accept", Emphasis::Primary).about(&request.who));
        }
        buttons.push(Button::new(DECLINE, "Decline", Emphasis::Plain).about(&request.who));
        Other {
            id: request.who.clone(),
            name: request.name.clone(),
            note: request.wants.asks().to_owned(),
            since: Some(request.since),
            buttons,
        }
    }

    /// One of the audience, or the guest on stage.
    fn viewer(&self, participant: &ParticipantId, show: View) -> View {
        let mut view = self.with_public_words(show);
        let guest = self.stage.guest();
        match guest.filter(|guest| guest.who == *participant) {
            Some(guest) => view = on_stage_view(guest, view),
            None if self.on_air().is_some() => {
                view.plays
                    .extend(guest.and_then(|guest| self.on_stage(guest)));
            }
            None => {}
        }
        view.layout = beside(!view.publishes.is_empty() || view.plays.len() > 1);
        match self.requests.of(participant) {
            Some(request) => {
                let asked = match request.wants {
                    Wants::Call => "You have asked for a private call",
                    Wants::Stage => "You have asked to come on stage",
                };
                let host = &self.host_name;
                if self.stage.holds(participant) {
                    // Who is seen by everybody goes on reading so.
                    view.detail = format!("{} {asked}: {host} decides.", view.detail);
                } else {
                    view.preview = true;
                    view.headline = asked.to_owned();
                    view.detail = format!("{host} decides. Check your picture and sound.");
                }
                view.buttons
                    .push(Button::new(WITHDRAW, "Withdraw", Emphasis::Plain));
            }
            None => {
                for (wants, action, label) in [
                    (Wants::Call, ASK_CALL, "Ask for a private call"),
                    (Wants::Stage, ASK_STAGE, "Ask to come on stage"),
                ] {
                    if self.may_ask(participant, wants).is_ok() {
                        let ask = Button::new(action, label, Emphasis::Plain);
                        view.buttons.push(ask.by_name());
                    }
                }
            }
        }
        view
    }

    /// What the audience is told while the host is away. With whom is nobody's business.
    fn with_public_words(&self, show: View) -> View {
        if self.away.is_none() || self.on_air().is_none() {
            return show;
        }
        let mut view = show;
        let host = &self.host_name;
        if view.phase == Phase::Live {
            view.headline = format!("{host} will be right back");
            view.detail = match self.policy.audience_sees {
                AudienceSees::AwayCard => "The show goes on here by itself.",
                AudienceSees::SilentCamera => "There is no sound for the moment.",
            }
            .to_owned();
        }
        for play in &mut view.plays {
            // The host's switches are about their camera, which may not be what is to be seen.
            play.sending = match self.policy.audience_sees {
                AudienceSees::AwayCard => Sending::default(),
                AudienceSees::SilentCamera => Sending {
                    microphone: false,
                    ..play.sending
                },
            };
        }
        view
    }

    /// The guest's picture, once there is one.
    fn on_stage(&self, guest: &OnStage) -> Option<Play> {
        guest.stream.since().map(|_| Play {
            slot: guest.stream.slot.clone(),
            label: guest.name.clone(),
            sending: self.people.sending(&guest.who),
        })
    }
}

/// The guest on stage publishes, and sees the host.
fn on_stage_view(guest: &OnStage, show: View) -> View {
    let stream = &guest.stream;
    let (headline, detail) = match stream.flow {
        Flow::Provisioning => ("Getting your place on stage ready", "This takes a moment."),
        Flow::Connecting => (
            "Connecting your camera",
            "Everybody in the show sees and hears you as soon as your picture arrives.",
        ),
        Flow::Live { .. } => (
            "You are on stage",
            "Everybody in the show sees and hears you.",
        ),
        Flow::Interrupted { .. } => (
            "Your picture does not arrive",
            "It comes back by itself when your camera and connection do.",
        ),
    };
    let camera = stream.exists().then(|| Publish {
        slot: stream.slot.clone(),
        source: Source::Camera,
    });
    View {
        headline: headline.to_owned(),
        detail: detail.to_owned(),
        preview: true,
        publishes: camera.into_iter().collect(),
        buttons: vec![Button::new(
            LEAVE_STAGE,
            "Leave the stage",
            Emphasis::Danger,
        )],
        ..show
    }
}

fn beside(two: bool) -> Layout {
    match two {
        true => Layout::Grid,
        false => Layout::Spotlight,
    }
}
