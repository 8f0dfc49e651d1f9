//! Webhook registrations: where Livepeer reports what happens. What it then sends is in [`crate::webhook`].

use serde::{Deserialize, Serialize};
use url::Url;

use super::wire::null_as_default;
use crate::secret::SharedSecret;

/// A registered webhook.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Webhook {
    /// What the API calls it by.
    pub id: String,
    /// The name given at creation.
    pub name: String,
    /// Where it is sent.
    pub url: Url,
    /// What is reported, e.g. `stream.started`.
    #[serde(default, deserialize_with = "null_as_default")]
    pub events: Vec<String>,
    /// The one stream it is about; nothing means all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stream_id: Option<String>,
    /// The project within the account.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub project_id: Option<String>,
    /// When it was created, milliseconds since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created_at: Option<u64>,
}

/// What [`Studio::create_webhook`](super::Studio::create_webhook) sends.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct NewWebhook {
    /// A name for people.
    pub name: String,
    /// Where to send it. Livepeer never calls private or local addresses; the embedded one does.
    pub url: Url,
    /// What to report, at least one, e.g. `stream.started`, `stream.idle`.
    pub events: Vec<String>,
    /// What to sign with. Without one, nothing proves that a report comes from Livepeer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shared_secret: Option<SharedSecret>,
    /// Only this stream.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stream_id: Option<String>,
}
