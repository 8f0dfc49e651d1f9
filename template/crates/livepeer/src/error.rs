//! The one error of everything here that goes over the network.

use std::time::Duration;

/// Why a call failed, in words for whoever runs the app.
///
/// Livepeer's own messages are kept. No variant, and no text within one, contains an API key, a stream key or a token:
/// they are cut out before an error is made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Livepeer refused, or failed.
    #[error("Livepeer answered {status} when asked to {call}{}", spelled(.messages))]
    Api {
        /// What was asked, e.g. `create a stream`.
        call: &'static str,
        /// The HTTP status.
        status: u16,
        /// Livepeer's messages, a validator's findings turned into words. May be empty.
        messages: Vec<String>,
        /// How long Livepeer asks to be left alone, if it says.
        retry_after: Option<Duration>,
    },
    /// There was no connection: nothing was asked.
    #[error("no connection to Livepeer to {call}: {reason}")]
    Connect {
        /// What was to be asked.
        call: &'static str,
        /// What the network said.
        reason: String,
    },
    /// The connection broke, or no answer came in time: the call may have been carried out or not.
    #[error("no answer from Livepeer when asked to {call}: {reason}")]
    NoAnswer {
        /// What was asked.
        call: &'static str,
        /// What the network said.
        reason: String,
    },
    /// The answer is not what the API promises.
    #[error("cannot read Livepeer's answer when asked to {call}: {reason}")]
    Unreadable {
        /// What was asked.
        call: &'static str,
        /// What is wrong with it.
        reason: String,
    },
    /// The configuration cannot work.
    #[error("{0}")]
    Config(String),
}

impl Error {
    /// The HTTP status, if Livepeer answered with one.
    pub fn status(&self) -> Option<u16> {
        match self {
            Self::Api { status, .. } => Some(*status),
            _ => None,
        }
    }

    /// Livepeer's messages, if it gave any.
    pub fn messages(&self) -> &[String] {
        match self {
            Self::Api { messages, .. } => messages,
            _ => &[],
        }
    }

    /// How long Livepeer asks to be left alone, if it says.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Api { retry_after, .. } => *retry_after,
            _ => None,
        }
    }

    /// Whether what was asked for does not exist (404).
    pub fn is_not_found(&self) -> bool {
        self.status() == Some(404)
    }

    /// Whether the API key is wrong or may not do this (401, 403).
    pub fn is_unauthorized(&self) -> bool {
        matches!(self.status(), Some(401 | 403))
    }

    /// Whether the same call may succeed later without a change to it. (The client has already repeated it as often as
    /// its [`RetryPolicy`](crate::RetryPolicy) allows and the call is safe to repeat.)
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Connect { .. } | Self::NoAnswer { .. } => true,
            Self::Api { status, .. } => matches!(status, 408 | 425 | 429 | 500 | 502..=504),
            Self::Unreadable { .. } | Self::Config(_) => false,
        }
    }

    /// Whether it is certain that the call was not carried out, so that even a creation may be repeated.
    pub(crate) fn was_not_carried_out(&self) -> bool {
        matches!(
            self,
            Self::Connect { .. }
                | Self::Api {
                    status: 429 | 503,
                    ..
                }
        )
    }
}

fn spelled(messages: &[String]) -> String {
    if messages.is_empty() {
        String::new()
    } else {
        format!(": {}", messages.join("; "))
    }
}
