//! HTTP as it is: no redirect is followed unasked, and nothing is taken for an error.

use std::time::{Duration, SystemTime};

use reqwest::Method;
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue, LINK, LOCATION};
use url::Url;

use super::requirement::{Miss, fail};
use crate::http;
use crate::link::{self, Link};
use crate::media::may_carry_authorization;
use crate::retry::parse_retry_after;
use crate::secret::{PlaybackToken, SecretUrl};

/// The media type of offers and answers.
pub(super) const SDP: &str = "application/sdp";

/// How long one request may take.
const TIMEOUT: Duration = Duration::from_secs(10);

/// No body that matters here is longer.
const LONGEST_BODY: usize = 256 << 10;

/// A server that is asked too often says so; then it is asked again, so many times.
const PATIENCE: usize = 5;

/// And not after longer than this.
const LONGEST_WAIT: Duration = Duration::from_secs(15);

/// Speaks to one server.
#[derive(Debug)]
pub(super) struct Client {
    url: SecretUrl,
    bearer: Option<PlaybackToken>,
}

/// A request that is being put together.
#[derive(Clone, Debug)]
pub(super) struct Ask {
    method: Method,
    url: Url,
    headers: HeaderMap,
    body: String,
    bearer: Bearer,
}

#[derive(Clone, Debug)]
enum Bearer {
    Ours,
    None,
    Other(&'static str),
}

impl Ask {
    pub(super) fn new(method: Method, url: &Url) -> Self {
        Self {
            method,
            url: url.clone(),
            headers: HeaderMap::new(),
            body: String::new(),
            bearer: Bearer::Ours,
        }
    }

    pub(super) fn get(url: &Url) -> Self {
        Self::new(Method::GET, url)
    }

    pub(super) fn delete(url: &Url) -> Self {
        Self::new(Method::DELETE, url)
    }

    pub(super) fn options(url: &Url) -> Self {
        Self::new(Method::OPTIONS, url)
    }

    /// With an offer.
    pub(super) fn post(url: &Url, offer: &str) -> Self {
        Self::new(Method::POST, url).content(SDP, offer)
    }

    pub(super) fn content(mut self, media_type: &'static str, body: &str) -> Self {
        body.clone_into(&mut self.body);
        self.headers
            .insert(CONTENT_TYPE, HeaderValue::from_static(media_type));
        self
    }

    /// With a body of no declared type.
    pub(super) fn untyped(mut self, body: &str) -> Self {
        body.clone_into(&mut self.body);
        self
    }

    /// Adds a header; what cannot be one is left out.
    pub(super) fn header(mut self, name: &'static str, value: &str) -> Self {
        if let Ok(value) = HeaderValue::from_str(value) {
            self.headers.insert(name, value);
        }
        self
    }

    /// The same to another address.
    pub(super) fn to(mut self, url: &Url) -> Self {
        url.clone_into(&mut self.url);
        self
    }

    pub(super) fn without_bearer(mut self) -> Self {
        self.bearer = Bearer::None;
        self
    }

    pub(super) fn with_bearer(mut self, bearer: &'static str) -> Self {
        self.bearer = Bearer::Other(bearer);
        self
    }
}

/// What came back.
#[derive(Debug)]
pub(super) struct Reply {
    pub(super) status: u16,
    pub(super) body: Vec<u8>,
    /// Where it came from, after redirects that were followed.
    pub(super) url: Url,
    headers: HeaderMap,
}

impl Client {
    pub(super) fn new(url: SecretUrl, bearer: Option<PlaybackToken>) -> Self {
        Self { url, bearer }
    }

    /// Sends it; again only if the server is asked too often (429) and says for how long to wait.
    pub(super) async fn send(&self, ask: Ask) -> Result<Reply, Miss> {
        let mut patience = PATIENCE;
        loop {
            let reply = self.send_once(&ask).await?;
            let wait = reply
                .header("retry-after")
                .and_then(|value| parse_retry_after(value, SystemTime::now()));
            let (429, Some(wait), 1..) = (reply.status, wait, patience) else {
                return Ok(reply);
            };
            patience -= 1;
            tokio::time::sleep(wait.min(LONGEST_WAIT)).await;
        }
    }

    /// Sends it once, whatever comes of it.
    pub(super) async fn send_once(&self, ask: &Ask) -> Result<Reply, Miss> {
        let response = self.response(ask).await?;
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let method = &ask.method;
        let body = http::body("ask the server", response, LONGEST_BODY)
            .await
            .map_err(|error| Miss::Fail(format!("{method}: {error}")))?;
        Ok(Reply {
            status,
            body,
            url: ask.url.clone(),
            headers,
        })
    }

    /// The response with its body still to come: for streams of events.
    pub(super) async fn response(&self, ask: &Ask) -> Result<reqwest::Response, Miss> {
        let Ask { method, url, .. } = ask;
        let unsent = |error: crate::Error| {
            Miss::Fail(match error {
                crate::Error::Connect { reason, .. } => {
                    format!("{method}: no connection: {reason}")
                }
                crate::Error::NoAnswer { reason, .. } => format!("{method}: no answer: {reason}"),
                other => format!("{method}: {other}"),
            })
        };
        let mut headers = ask.headers.clone();
        let bearer = match (&ask.bearer, &self.bearer) {
            (Bearer::Other(bearer), _) => Some(*bearer),
            (Bearer::Ours, Some(bearer)) if may_carry_authorization(self.url.expose(), url) => {
                Some(bearer.expose())
            }
            _ => None,
        };
        if let Some(bearer) = bearer {
            let mut value = HeaderValue::from_str(&format!("Bearer {bearer}"))
                .map_err(|_| Miss::Fail("the token holds what no header may".to_owned()))?;
            value.set_sensitive(true);
            headers.insert(AUTHORIZATION, value);
        }
        http::client(url, TIMEOUT)
            .map_err(unsent)?
            .request(method.clone(), url.clone())
            .headers(headers)
            .body(ask.body.clone())
            .send()
            .await
            .map_err(|error| unsent(http::failure("ask the server", error)))
    }
}

impl Reply {
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    pub(super) fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    pub(super) fn is_refusal(&self) -> bool {
        (400..500).contains(&self.status)
    }

    /// The media type without its parameters, in lower case.
    pub(super) fn media_type(&self) -> String {
        let value = self.header("content-type").unwrap_or_default();
        let essence = value.split(';').next().unwrap_or_default();
        essence.trim().to_ascii_lowercase()
    }

    pub(super) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// Where `Location` leads, seen from where this came from.
    pub(super) fn location(&self) -> Option<Url> {
        let location = self.headers.get(LOCATION)?.to_str().ok()?;
        let to = self.url.join(location).ok()?;
        matches!(to.scheme(), "http" | "https").then_some(to)
    }

    /// The strong entity-tag (RFC 9110 section 8.8.3), quotes included; `None` if there is none or it is weak.
    pub(super) fn entity_tag(&self) -> Option<&str> {
        let tag = self.header("etag")?.trim();
        let opaque = tag.strip_prefix('"')?.strip_suffix('"')?;
        (!opaque.contains('"')).then_some(tag)
    }

    pub(super) fn links(&self) -> Vec<Link> {
        let values = self.headers.get_all(LINK).into_iter();
        values
            .filter_map(|value| value.to_str().ok())
            .flat_map(link::parse)
            .collect()
    }

    /// The words of a header that is a list, in lower case.
    pub(super) fn list(&self, name: &str) -> Vec<String> {
        let values = self.headers.get_all(name).into_iter();
        let words = values
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split(','));
        words
            .map(|word| word.trim().to_ascii_lowercase())
            .filter(|word| !word.is_empty())
            .collect()
    }

    /// Passes on success and on a refusal; anything else (a redirect, an error of the server's own) is told.
    pub(super) fn expect(&self, what: &str, statuses: &[u16]) -> Result<(), Miss> {
        if statuses.contains(&self.status) {
            return Ok(());
        }
        let wanted: Vec<String> = statuses.iter().map(u16::to_string).collect();
        fail(format!(
            "{what}: {}; expected {}",
            self.status,
            wanted.join(" or ")
        ))
    }

    /// Passes on any 4xx.
    pub(super) fn expect_refusal(&self, what: &str) -> Result<(), Miss> {
        match self.is_refusal() {
            true => Ok(()),
            false => fail(format!("{what}: {}; expected 4xx", self.status)),
        }
    }
}
