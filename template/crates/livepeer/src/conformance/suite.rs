//! One run against one server.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::timeout;
use url::Url;

use super::Protocol;
use super::call::Identity;
use super::client::{Ask, Client, Reply};
use super::description::Description;
use super::offer::{Credentials, Offer};
use super::publisher::TestStream;
use super::requirement::{Miss, Requirement, Verdict, fail, requirements, skip};
use super::session::Session;
use super::stun::Pair;
use super::target::Target;

/// No check takes longer; consent alone may take thirty seconds to expire.
const LONGEST: Duration = Duration::from_secs(120);

/// Redirects that are followed.
const REDIRECTS: usize = 3;

/// How long the server may take to notice that the test stream has begun, in all.
const NOT_YET: Duration = Duration::from_millis(250);
const NOT_YET_TRIES: usize = 40;

/// The checks, and what they share: a certificate, and the test stream. They may run one after another only, since a
/// server may let nobody publish twice.
pub struct Suite {
    pub(super) target: Target,
    pub(super) client: Client,
    pub(super) identity: Identity,
    /// To be deleted after the check.
    opened: Mutex<Vec<Url>>,
    stream: tokio::sync::Mutex<Option<TestStream>>,
}

impl std::fmt::Debug for Suite {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Suite")
            .field("target", &self.target)
            .finish_non_exhaustive()
    }
}

impl Suite {
    /// Prepares a run; nothing is sent yet.
    ///
    /// # Errors
    ///
    /// If this machine lacks the cryptography.
    pub fn new(target: Target) -> Result<Self, String> {
        Ok(Self {
            client: Client::new(target.url.clone(), target.bearer.clone()),
            identity: Identity::new()?,
            target,
            opened: Mutex::default(),
            stream: tokio::sync::Mutex::default(),
        })
    }

    /// What will be asked.
    pub fn requirements(&self) -> Vec<&'static Requirement> {
        requirements(self.target.protocol)
    }

    /// Tries one, and deletes whatever sessions that made.
    pub async fn check(&self, requirement: &Requirement) -> Verdict {
        let verdict = match timeout(LONGEST, (requirement.check)(self)).await {
            Ok(outcome) => Verdict::from(outcome),
            Err(_) => Verdict::Fail(format!("no end after {} seconds", LONGEST.as_secs())),
        };
        let opened = std::mem::take(&mut *self.opened());
        for session in opened {
            // It may be gone already, and not every server knows how.
            let _ = self.client.send(Ask::delete(&session)).await;
        }
        verdict
    }

    /// Ends the test stream.
    pub async fn close(&self) {
        self.silence().await;
    }

    /// An offer of the right direction.
    pub(super) fn offer(&self) -> Offer {
        Offer::new(self.target.protocol, &self.identity.fingerprint)
    }

    pub(super) fn url(&self) -> &Url {
        self.target.url.expose()
    }

    pub(super) fn pair(&self, ours: Credentials, theirs: Credentials) -> Pair {
        Pair {
            ours,
            theirs,
            crypto: self.identity.crypto.clone(),
        }
    }

    /// Sends an offer to the address under test, over redirects, when there is something to play.
    pub(super) async fn post(&self, sdp: &str) -> Result<Reply, Miss> {
        self.send_offer(Ask::post(self.url(), sdp)).await
    }

    /// The same, of a request made by hand.
    pub(super) async fn send_offer(&self, ask: Ask) -> Result<Reply, Miss> {
        self.be_live().await?;
        match self.target.publish {
            Some(_) => self.wait_until_live(ask).await,
            None => self.follow(ask).await,
        }
    }

    /// The same again, for as long as a server may take to notice that somebody publishes.
    pub(super) async fn wait_until_live(&self, ask: Ask) -> Result<Reply, Miss> {
        for _ in 0..NOT_YET_TRIES {
            let reply = self.follow(ask.clone()).await?;
            if reply.status != 409 {
                return Ok(reply);
            }
            tokio::time::sleep(NOT_YET).await;
        }
        self.follow(ask).await
    }

    /// Sends an offer over redirects, whether anything is live or not.
    pub(super) async fn follow(&self, mut ask: Ask) -> Result<Reply, Miss> {
        for _ in 0..REDIRECTS {
            let reply = self.client.send(ask.clone()).await?;
            match (reply.status, reply.location()) {
                (307 | 308, Some(to)) => ask = ask.to(&to),
                (201, Some(session)) => {
                    self.opened().push(session);
                    return Ok(reply);
                }
                _ => return Ok(reply),
            }
        }
        fail(format!("POST: more than {REDIRECTS} redirects in a row"))
    }

    /// A session on an offer that nothing is wrong with.
    pub(super) async fn open(&self) -> Result<Session, Miss> {
        self.open_with(self.offer()).await
    }

    /// A session on this offer.
    pub(super) async fn open_with(&self, offer: Offer) -> Result<Session, Miss> {
        let reply = self.post(&offer.sdp()).await?;
        if reply.status != 201 {
            return skip(format!(
                "no session to try it on: POST of an offer: {}",
                reply.status
            ));
        }
        let Some(url) = reply.location() else {
            return skip("no session to try it on: the 201 has no Location");
        };
        Ok(Session {
            url,
            tag: reply.entity_tag().map(str::to_owned),
            offer,
            answer: Description::read(&reply.text()),
            reply,
        })
    }

    /// For WHEP: sees to it that the test stream runs, if it is ours to publish.
    async fn be_live(&self) -> Result<(), Miss> {
        let (Protocol::Whep, Some(url)) = (self.target.protocol, &self.target.publish) else {
            return Ok(());
        };
        let mut stream = self.stream.lock().await;
        if stream.as_ref().is_some_and(|stream| !stream.is_over()) {
            return Ok(());
        }
        let bearer = self.target.publish_bearer.clone();
        match TestStream::begin(url.clone(), bearer).await {
            Ok(begun) => *stream = Some(begun),
            Err(error) => return skip(format!("nothing to play: {error}")),
        }
        Ok(())
    }

    /// Ends the test stream, until somebody needs it.
    pub(super) async fn silence(&self) {
        if let Some(stream) = self.stream.lock().await.take() {
            stream.end().await;
        }
    }

    fn opened(&self) -> std::sync::MutexGuard<'_, Vec<Url>> {
        // A list of addresses: nothing in there can be left half done.
        self.opened.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
