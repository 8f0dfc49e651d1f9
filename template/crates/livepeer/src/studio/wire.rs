//! Small helpers for what the API does beside its description.

use serde::{Deserialize, Deserializer, Serialize};

/// How every error of the API looks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErrorBody {
    /// At least one message. Of a 422, each is itself JSON: one finding of the validator.
    pub errors: Vec<String>,
}

/// Reads `null` like an absent field: the store behind the API writes either.
pub(crate) fn null_as_default<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Default + Deserialize<'de>,
{
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}
