//! A session that the server has agreed to.

use reqwest::Method;
use url::Url;

use super::call::Call;
use super::client::{Ask, Reply};
use super::description::Description;
use super::fragment::FRAGMENT;
use super::offer::{Credentials, Offer};
use super::requirement::{Miss, fail, skip};
use super::stun::Pair;
use super::suite::Suite;

/// What a 201 has brought.
#[derive(Debug)]
pub(super) struct Session {
    /// From `Location`.
    pub(super) url: Url,
    /// The strong entity-tag of its ICE session, if it has one.
    pub(super) tag: Option<String>,
    pub(super) offer: Offer,
    pub(super) answer: Description,
    pub(super) reply: Reply,
}

/// The `If-Match` of a PATCH.
#[derive(Clone, Copy, Debug)]
pub(super) enum Match<'a> {
    /// The current entity-tag, or no header if the server gave none.
    Current,
    /// As it stands.
    Is(&'a str),
    /// No header.
    None,
}

/// An entity-tag that no server gives.
pub(super) const STALE: &str = "\"no-such-session\"";

impl Session {
    /// The credentials of both sides.
    pub(super) fn pair(&self, suite: &Suite) -> Result<Pair, Miss> {
        match self.answer.credentials() {
            Some(theirs) => Ok(suite.pair(self.offer.ice.clone(), theirs)),
            None => fail("POST: the answer has no ice-ufrag and ice-pwd"),
        }
    }

    pub(super) async fn patch(
        &self,
        suite: &Suite,
        matches: Match<'_>,
        body: &str,
    ) -> Result<Reply, Miss> {
        self.patch_as(suite, matches, FRAGMENT, body).await
    }

    /// With another media type.
    pub(super) async fn patch_as(
        &self,
        suite: &Suite,
        matches: Match<'_>,
        media_type: &'static str,
        body: &str,
    ) -> Result<Reply, Miss> {
        let ask = Ask::new(Method::PATCH, &self.url).content(media_type, body);
        let ask = match (matches, &self.tag) {
            (Match::Current, Some(tag)) => ask.header("if-match", tag),
            (Match::Is(tag), _) => ask.header("if-match", tag),
            (Match::Current, None) | (Match::None, _) => ask,
        };
        suite.client.send(ask).await
    }

    /// Connects media.
    pub(super) async fn call(&self, suite: &Suite) -> Result<Call, Miss> {
        let pair = self.pair(suite)?;
        let server_calls = self.answer.value("setup") == Some("active");
        let candidates = self.answer.candidates();
        Call::connect(&suite.identity, pair, &candidates, server_calls)
            .await
            .or_else(|why| skip(format!("no media connection to try it on: {why}")))
    }

    /// Whether the server answers checks with the credentials of the first answer.
    pub(super) async fn answers(&self, suite: &Suite) -> Result<bool, Miss> {
        let pair = self.pair(suite)?;
        Ok(pair.reach(&self.answer.candidates()).await.is_some())
    }

    /// A restart's credentials, ours and then theirs; passes over what else the reply holds.
    pub(super) fn restarted(reply: &Reply) -> Option<(Description, Credentials)> {
        let fragment = Description::read(&reply.text());
        let credentials = fragment.credentials()?;
        Some((fragment, credentials))
    }
}
