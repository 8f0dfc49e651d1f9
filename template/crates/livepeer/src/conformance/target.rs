//! The server under test, and what the suite needs to know of it.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use url::Url;

use super::Protocol;
use crate::secret::{PlaybackToken, SecretUrl};

/// Whoever can do to the server what no client can.
pub trait Operator: Send + Sync {
    /// Ends, from the server's side, the sessions of the stream under test. A new session must be possible afterwards.
    ///
    /// # Errors
    ///
    /// Why it could not be done, in words.
    fn end_sessions(&self) -> Ending<'_>;
}

/// What an [`Operator`] does, while it does it.
pub type Ending<'a> = Pin<Box<dyn Future<Output = Result<(), String>> + Send + 'a>>;

/// A server that has no room for another session, once the suite has taken up the last.
#[derive(Clone, Debug)]
pub struct Full {
    /// An address of the same kind as that under test.
    pub url: SecretUrl,
    /// Where the suite publishes (WHIP) before it asks. For WHEP the stream that it then asks for.
    pub publish: SecretUrl,
}

/// The server under test.
#[derive(Clone)]
pub struct Target {
    /// What it speaks.
    pub protocol: Protocol,
    /// Where offers are sent. Never printed: it may hold a key.
    pub url: SecretUrl,
    /// Sent as `Authorization: Bearer` to its site.
    pub bearer: Option<PlaybackToken>,
    /// For WHEP: where the suite publishes (WHIP) what it then plays. Without it the stream must be live already.
    pub publish: Option<SecretUrl>,
    /// Sent as `Authorization: Bearer` when publishing.
    pub publish_bearer: Option<PlaybackToken>,
    /// A server that has no room for another session.
    pub full: Option<Full>,
    /// Whoever can end sessions at the server.
    pub operator: Option<Arc<dyn Operator>>,
}

impl Target {
    /// A server about which no more is known than its address.
    pub fn new(protocol: Protocol, url: Url) -> Self {
        Self {
            protocol,
            url: url.into(),
            bearer: None,
            publish: None,
            publish_bearer: None,
            full: None,
            operator: None,
        }
    }
}

impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Target")
            .field("protocol", &self.protocol)
            .field("url", &self.url)
            .finish_non_exhaustive()
    }
}
