//! Signing keys: pairs whose private half signs playback tokens and whose public half Livepeer knows.

use serde::{Deserialize, Serialize};

use super::wire::null_as_default;
use crate::secret::PrivateKey;

/// A signing key. An account holds at most ten.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SigningKey {
    /// What the API calls it by.
    pub id: String,
    /// The name given at creation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The account.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_id: Option<String>,
    /// The project within the account.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub project_id: Option<String>,
    /// When it was created, milliseconds since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created_at: Option<u64>,
    /// Whether its tokens are refused.
    #[serde(
        default,
        deserialize_with = "null_as_default",
        skip_serializing_if = "std::ops::Not::not"
    )]
    pub disabled: bool,
    /// Base64 of the public half as PEM; goes into each token as it is.
    pub public_key: String,
    /// The private half: in the answer to its creation, and never again. (The OpenAPI description forgets it.)
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub private_key: Option<PrivateKey>,
}

/// What [`Studio::create_signing_key`](super::Studio::create_signing_key) sends.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewSigningKey {
    /// A name for people; Livepeer makes one up if there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}
