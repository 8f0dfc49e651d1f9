//! Architectures as the app knows them: by name, all with one face, each with its policy.

use std::sync::Arc;

use serde::Deserialize as _;
use serde_json::Value;
use session::{Architecture, Effect, Input, Opening, ParticipantId, Refusal, Timestamp, View};

use crate::config::Policies;

/// One session's architecture with its state, whichever it is.
pub(crate) trait Machine: Send {
    /// See [`Architecture::handle`].
    fn handle(&mut self, now: Timestamp, input: Input) -> Result<Vec<Effect>, Refusal>;
    /// See [`Architecture::view`].
    fn view(&self, participant: &ParticipantId) -> View;
    /// The state as it is stored.
    fn state(&self) -> serde_json::Result<String>;
}

impl<A: Architecture> Machine for A {
    fn handle(&mut self, now: Timestamp, input: Input) -> Result<Vec<Effect>, Refusal> {
        Architecture::handle(self, now, input)
    }

    fn view(&self, participant: &ParticipantId) -> View {
        Architecture::view(self, participant)
    }

    fn state(&self) -> serde_json::Result<String> {
        serde_json::to_string(self)
    }
}

/// An architecture that can be chosen, and how its sessions begin and come back.
#[derive(Clone, Copy)]
pub struct Kind {
    /// Its name in forms and in the database.
    pub(crate) name: &'static str,
    /// What a person calls it.
    pub(crate) title: &'static str,
    /// What it is, in a sentence.
    pub(crate) summary: &'static str,
    /// What is configured, made complete with the defaults; the defaults themselves if nothing is.
    complete: fn(Option<&Value>) -> serde_json::Result<Value>,
    /// A session as it stands before anything has happened, with a complete policy.
    open: fn(Opening, &Value) -> serde_json::Result<Box<dyn Machine>>,
    /// A session as it was stored.
    pub(crate) restore: fn(&str) -> serde_json::Result<Box<dyn Machine>>,
}

impl Kind {
    /// The architecture `A`, to be given to [`start`](crate::start).
    pub const fn of<A: Architecture>() -> Kind {
        Kind {
            name: A::NAME,
            title: A::TITLE,
            summary: A::SUMMARY,
            complete: |configured| {
                serde_json::to_value(match configured {
                    Some(configured) => A::Policy::deserialize(configured)?,
                    None => A::Policy::default(),
                })
            },
            open: |opening, policy| Ok(Box::new(A::open(opening, A::Policy::deserialize(policy)?))),
            restore: |state| Ok(Box::new(serde_json::from_str::<A>(state)?)),
        }
    }

    /// The policy with which its sessions are opened, or what is wrong with the configured one and how to mend it.
    fn policy(&self, policies: &Policies) -> Result<Value, String> {
        let configured = policies.0.get(self.name);
        let why = match (self.complete)(configured) {
            Ok(policy) => return Ok(policy),
            Err(why) => why,
        };
        // What is wrong with a value is not said with the name of its field: that is the one which fails alone, too.
        let fields = configured.and_then(Value::as_object).into_iter().flatten();
        let alone = |(field, value): (&String, &Value)| {
            let alone = Value::from_iter([(field.clone(), value.clone())]);
            Some((field.clone(), (self.complete)(Some(&alone)).err()?))
        };
        let wrong = match fields.into_iter().find_map(alone) {
            Some((field, why)) => format!("{field:?} cannot be used ({why})"),
            None => format!("it cannot be used ({why})"),
        };
        let defaults = (self.complete)(None).unwrap_or_default();
        Err(format!(
            "POLICY for {:?}: {wrong}. Correct it, or leave it out. The defaults are {defaults}.",
            self.name
        ))
    }
}

/// The architectures that an app is run with, and the policy of each.
#[derive(Clone)]
pub(crate) struct Kinds {
    all: Arc<[(&'static Kind, Value)]>,
}

impl Kinds {
    /// Those, as they are configured; or what is wrong with that, in words that name the mend.
    pub(crate) fn new(kinds: &'static [Kind], policies: &Policies) -> Result<Kinds, String> {
        let names: Vec<&str> = kinds.iter().map(|kind| kind.name).collect();
        if names.is_empty() {
            return Err(
                "this app was built without any architecture. Build it with the Cargo feature of one: Cargo.toml lists \
                 them."
                    .to_owned(),
            );
        }
        let unknown = |name: &&String| !names.contains(&name.as_str());
        if let Some(name) = policies.0.keys().find(unknown) {
            return Err(format!(
                "POLICY names {name:?}, which is no architecture of this app. It was built with {}. Correct the name, or \
                 leave it out.",
                names.join(", ")
            ));
        }
        let all = kinds
            .iter()
            .map(|kind| Ok((kind, kind.policy(policies)?)))
            .collect::<Result<_, String>>()?;
        Ok(Kinds { all })
    }

    /// Every one of them, the default first.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &'static Kind> {
        self.all.iter().map(|(kind, _)| *kind)
    }

    /// The one of that name.
    pub(crate) fn named(&self, name: &str) -> Option<&'static Kind> {
        self.iter().find(|kind| kind.name == name)
    }

    /// A session of that kind as it stands before anything has happened.
    pub(crate) fn open(
        &self,
        kind: &Kind,
        opening: Opening,
    ) -> serde_json::Result<Box<dyn Machine>> {
        let mut policies = self.all.iter();
        let policy = policies.find_map(|(k, policy)| (k.name == kind.name).then_some(policy));
        (kind.open)(opening, policy.unwrap_or(&Value::Null))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::sessions::toy::Toy;

    static TOY: &[Kind] = &[Kind::of::<Toy>()];

    fn policies(json: &str) -> Policies {
        Policies(serde_json::from_str(json).unwrap())
    }

    #[test]
    fn what_is_not_configured_is_as_the_architecture_has_it() {
        for (configured, said, seconds) in [
            ("{}", "A toy", 5),
            (r#"{"toy":{}}"#, "A toy", 5),
            (r#"{"toy":{"words":"Ahoy"}}"#, "Ahoy", 5),
            (r#"{"toy":{"nap":{"seconds":7}}}"#, "A toy", 7),
        ] {
            let kinds = Kinds::new(TOY, &policies(configured)).unwrap();
            let opening = Opening {
                title: String::new(),
                host: "ada".into(),
                host_name: String::new(),
            };
            let toy = kinds.open(&TOY[0], opening).unwrap();
            assert_eq!(toy.view(&"ada".into()).headline, said);
            // The policy is a part of the state: it stays what it was when the session was opened.
            let nap = format!(r#""nap":{{"seconds":{seconds}}}"#);
            assert!(toy.state().unwrap().contains(&nap), "{configured}");
        }
    }

    #[test]
    fn a_wrong_policy_is_told_with_its_architecture_its_field_and_the_mend() {
        for (configured, wrong) in [
            (r#"{"opera":{}}"#, r#""opera", which is no architecture"#),
            (r#"{"toy":{"word":"Ahoy"}}"#, r#""word" cannot be used"#),
            (
                r#"{"toy":{"words":"Ahoy","nap":{"seconds":-1}}}"#,
                r#""nap" cannot be used"#,
            ),
            (
                r#"{"toy":{"nap":{"seconds":7,"x":1}}}"#,
                "unknown field `x`",
            ),
        ] {
            let words = Kinds::new(TOY, &policies(configured)).err().unwrap();
            let told = ["POLICY", "toy", wrong, "leave it out"];
            assert!(told.iter().all(|told| words.contains(told)), "{words}");
        }
        let words = Kinds::new(&[], &Policies::default()).err().unwrap();
        assert!(words.contains("Cargo.toml"), "{words}");
    }
}
