//! What a page says: one JSON object a message. Anything else is not understood, and told so.

use serde::Deserialize;
use session::{Action, ParticipantId, Sending};

/// Letters in the id that a page gives an act.
const ACT_ID: usize = 64;

/// One message of a page.
#[derive(Deserialize)]
#[serde(tag = "type", rename_all = "kebab-case")]
pub(crate) enum Said {
    Join,
    Resume {
        epoch: String,
        after: u64,
    },
    Act {
        id: String,
        #[serde(flatten)]
        act: Act,
    },
    /// What is on of their camera and microphone. Not answered: the Views of others say it.
    Switched(Sending),
    Pong,
}

/// Something that a person did.
#[derive(Deserialize)]
pub(crate) struct Act {
    action: String,
    #[serde(default)]
    target: Option<ParticipantId>,
}

impl From<Act> for Action {
    fn from(act: Act) -> Action {
        Action {
            name: act.action,
            target: act.target,
        }
    }
}

impl Said {
    /// Reads a message; `None` if it cannot be understood.
    pub(crate) fn read(text: &str) -> Option<Said> {
        serde_json::from_str(text).ok()
    }
}

/// Whether an act can have this id: whoever answers it has to repeat it.
pub(crate) fn is_act_id(id: &str) -> bool {
    !id.is_empty() && id.len() <= ACT_ID
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_message_is_not_understood() {
        let nested = "[".repeat(10_000);
        for text in [
            "",
            "null",
            "[]",
            "{}",
            &nested,
            r#"{"type":"Join"}"#,
            r#"{"type":"resume","epoch":"e","after":-1}"#,
            r#"{"type":"resume","epoch":"e","after":18446744073709551616}"#,
            r#"{"type":"act","id":"1"}"#,
            r#"{"type":"act","id":1,"action":"go"}"#,
            r#"{"type":"join"}{"type":"join"}"#,
            "\u{0}",
        ] {
            assert!(Said::read(text).is_none(), "{text:.40}");
        }
    }

    #[test]
    fn acts_have_short_ids() {
        assert!(is_act_id("1") && is_act_id(&"x".repeat(ACT_ID)));
        assert!(!is_act_id("") && !is_act_id(&"x".repeat(ACT_ID + 1)));
    }
}
