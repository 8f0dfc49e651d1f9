//! What can be configured.

use serde::{Deserialize, Serialize};
use session::Seconds;

/// What can be configured.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Policy {
    /// What the public stream carries while the host is in a call: `"away-card"` (the default) or `"silent-camera"`.
    pub audience_sees: AudienceSees,
    /// The words on the away card; "Back in a moment" by default.
    pub card_title: String,
    /// How long a request waits for the host's answer, in seconds; at least 1. The default is 300.
    pub request_seconds: Seconds,
    /// How many requests may wait at once; none with 0. The default of 20 is what a person can look through.
    pub requests: usize,
    /// Whether a viewer may come on stage, publicly, beside the host; `true` by default.
    pub stage: bool,
    /// The show's own policy.
    pub show: one_to_many::Policy,
    /// The call's own policy. `returnSeconds` holds for a guest on stage, too.
    pub call: one_to_one::Policy,
}

/// What the public stream carries while the host is in a call. The microphone is never among it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AudienceSees {
    /// A card with a few words, and how long it has been.
    AwayCard,
    /// The camera, without any sound.
    SilentCamera,
}

impl Default for Policy {
    fn default() -> Self {
        Policy {
            audience_sees: AudienceSees::AwayCard,
            card_title: "Back in a moment".to_owned(),
            request_seconds: Seconds::new(300),
            requests: 20,
            stage: true,
            show: one_to_many::Policy::default(),
            call: one_to_one::Policy::default(),
        }
    }
}
