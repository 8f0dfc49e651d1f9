//! Who is here.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::id::ParticipantId;
use crate::input::{Participant, Sending};

/// Everybody whose page is open, by id.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct People(BTreeMap<ParticipantId, Person>);

/// Somebody whose page is open.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Person {
    /// What they call themselves.
    pub name: String,
    /// What they have switched on.
    pub sending: Sending,
}

impl People {
    /// Takes somebody in. Who is here already keeps their switches, and may have another name now.
    pub fn joined(&mut self, participant: Participant) {
        let Participant { id, name, .. } = participant;
        match self.0.get_mut(&id) {
            Some(person) => person.name = name,
            None => {
                let sending = Sending::default();
                self.0.insert(id, Person { name, sending });
            }
        }
    }

    /// Lets somebody go.
    pub fn left(&mut self, id: &ParticipantId) {
        self.0.remove(id);
    }

    /// Notes somebody's switches, if they are here.
    pub fn switched(&mut self, id: &ParticipantId, sending: Sending) {
        if let Some(person) = self.0.get_mut(id) {
            person.sending = sending;
        }
    }

    /// Whether somebody is here.
    pub fn has(&self, id: &ParticipantId) -> bool {
        self.0.contains_key(id)
    }

    /// Somebody who is here.
    pub fn get(&self, id: &ParticipantId) -> Option<&Person> {
        self.0.get(id)
    }

    /// What somebody has switched on; all of it as far as is known of who is not here.
    pub fn sending(&self, id: &ParticipantId) -> Sending {
        self.get(id)
            .map(|person| person.sending)
            .unwrap_or_default()
    }

    /// Everybody who is here, by id.
    pub fn iter(&self) -> impl Iterator<Item = (&ParticipantId, &Person)> {
        self.0.iter()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::input::Seat;

    fn called(name: &str) -> Participant {
        Participant {
            id: "bob".into(),
            name: name.to_owned(),
            seat: Seat::Guest,
        }
    }

    #[test]
    fn somebody_who_joins_anew_keeps_their_switches_until_they_have_left() {
        let bob = ParticipantId::from("bob");
        let muted = Sending {
            microphone: false,
            ..Sending::default()
        };
        let mut people = People::default();
        people.switched(&bob, muted);
        assert!(!people.has(&bob), "switches alone let nobody in");

        people.joined(called("Bob"));
        people.switched(&bob, muted);
        people.joined(called("Robert"));
        assert_eq!(people.get(&bob).unwrap().name, "Robert");
        assert_eq!(people.sending(&bob), muted);

        people.left(&bob);
        assert_eq!(people.get(&bob), None);
        people.joined(called("Bob"));
        assert_eq!(people.sending(&bob), Sending::default());
    }
}
