//! Who may play a stream (`playback-policy`).

use serde::{Deserialize, Serialize};

/// The rule that playback nodes apply.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PlaybackPolicy {
    /// What is asked of a player.
    #[serde(rename = "type")]
    pub kind: PolicyKind,
    /// For [`PolicyKind::Webhook`]: which webhook decides.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub webhook_id: Option<String>,
    /// For [`PolicyKind::Webhook`]: sent along to it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub webhook_context: Option<serde_json::Map<String, serde_json::Value>>,
    /// Seconds after which playback nodes ask again, for everybody who plays; Livepeer's own default is 600. What was
    /// revoked is played on for up to this long.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refresh_interval: Option<u32>,
    /// Origins whose pages may play; `*` is any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub allowed_origins: Option<Vec<String>>,
}

impl PlaybackPolicy {
    /// Anyone who knows the playback id.
    pub fn public() -> Self {
        Self::of(PolicyKind::Public)
    }

    /// Whoever bears a token for this playback id; see [`crate::token`].
    pub fn jwt() -> Self {
        Self::of(PolicyKind::Jwt)
    }

    /// The same, asked again every so many seconds.
    pub fn refreshed_every(self, seconds: u32) -> Self {
        Self {
            refresh_interval: Some(seconds),
            ..self
        }
    }

    fn of(kind: PolicyKind) -> Self {
        Self {
            kind,
            webhook_id: None,
            webhook_context: None,
            refresh_interval: None,
            allowed_origins: None,
        }
    }
}

/// What is asked of a player.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PolicyKind {
    /// Nothing.
    Public,
    /// A token signed with one of the account's signing keys.
    Jwt,
    /// An access key that a webhook of yours accepts.
    Webhook,
}
