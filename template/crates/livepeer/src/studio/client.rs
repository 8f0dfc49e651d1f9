//! How a call is made: with the key, in time, repeated where that is safe, its errors put into words.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use reqwest::header::{ACCEPT, AUTHORIZATION, HeaderMap, HeaderValue, LOCATION, RETRY_AFTER};
use reqwest::{Method, StatusCode};
use serde::Serialize;
use serde::de::DeserializeOwned;
use url::Url;

use super::refusal;
use crate::retry::{Repeat, parse_retry_after, repeating};
use crate::secret::ApiKey;
use crate::{Error, RetryPolicy, http};

/// No answer of the API is longer: a page of a thousand streams with everything filled in stays below two megabytes.
const LONGEST_ANSWER: usize = 8 << 20;

/// What a [`Studio`] needs to know.
#[derive(Clone, Debug)]
pub struct StudioConfig {
    /// The API's address, e.g. `https://livepeer.studio/api` or `http://localhost:8888/api`.
    pub api_url: Url,
    /// The account's key.
    pub api_key: ApiKey,
    /// How long one call may take, before it is repeated or given up.
    pub timeout: Duration,
    /// How calls are repeated.
    pub retry: RetryPolicy,
}

impl StudioConfig {
    /// With 15 seconds for a call and the default [`RetryPolicy`].
    pub fn new(api_url: Url, api_key: ApiKey) -> Self {
        Self {
            api_url,
            api_key,
            timeout: Duration::from_secs(15),
            retry: RetryPolicy::default(),
        }
    }
}

/// A client of Livepeer Studio's API, or of anything that speaks it. A clone is a handle to the same connections.
#[derive(Clone, Debug)]
pub struct Studio {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    http: reqwest::Client,
    config: StudioConfig,
    /// `Bearer ...`, marked sensitive so that nobody prints it.
    authorization: HeaderValue,
}

/// One call, before it is made.
pub(super) struct Call<'a> {
    /// What it does, for errors: `create a stream`.
    pub(super) what: &'static str,
    pub(super) method: Method,
    pub(super) path: &'a [&'a str],
    pub(super) query: &'a [(&'a str, String)],
    pub(super) body: Option<serde_json::Value>,
    /// Whether to send the key along.
    pub(super) keyed: bool,
}

impl<'a> Call<'a> {
    pub(super) fn new(what: &'static str, method: Method, path: &'a [&'a str]) -> Self {
        Self {
            what,
            method,
            path,
            query: &[],
            body: None,
            keyed: true,
        }
    }

    pub(super) fn json(mut self, body: &impl Serialize) -> Result<Self, Error> {
        let what = self.what;
        let body = serde_json::to_value(body).map_err(|error| {
            Error::Config(format!(
                "cannot write what is to be sent to {what}: {error}"
            ))
        })?;
        self.body = Some(body);
        Ok(self)
    }

    fn repeat(&self) -> Repeat {
        // A PATCH here sets fields to values: twice is the same as once.
        if self.method == Method::POST {
            Repeat::Creates
        } else {
            Repeat::Idempotent
        }
    }
}

/// A good answer.
pub(super) struct Answer {
    what: &'static str,
    pub(super) headers: HeaderMap,
    body: Vec<u8>,
}

impl Answer {
    /// Its body.
    pub(super) fn json<T: DeserializeOwned>(&self) -> Result<T, Error> {
        serde_json::from_slice(&self.body)
            // The parser's words name a field and a place, and may quote a value of the wrong type: not told, since
            // that value may be a key.
            .map_err(|error| Error::Unreadable {
                call: self.what,
                reason: format!(
                    "{:?} error at line {} column {}",
                    error.classify(),
                    error.line(),
                    error.column()
                ),
            })
    }
}

impl Studio {
    /// Makes a client; no call yet.
    ///
    /// # Errors
    ///
    /// [`Error::Config`] if the address is not `http` or `https`, the key is not something a header can hold, or this
    /// machine has no CA certificates to verify an `https` server by.
    pub fn new(config: StudioConfig) -> Result<Self, Error> {
        if !matches!(config.api_url.scheme(), "http" | "https") || config.api_url.cannot_be_a_base()
        {
            return Err(Error::Config(format!(
                "Livepeer's API address must begin with http:// or https://, not {}:",
                config.api_url.scheme()
            )));
        }
        let key = config.api_key.expose();
        if key.is_empty() || !key.bytes().all(|b| b.is_ascii_graphic()) {
            return Err(Error::Config(
                "the Livepeer API key must be letters, digits and punctuation, without spaces"
                    .to_owned(),
            ));
        }
        let mut authorization = HeaderValue::from_str(&format!("Bearer {key}")).map_err(|_| {
            Error::Config("the Livepeer API key cannot be sent in a header".to_owned())
        })?;
        authorization.set_sensitive(true);
        let http = http::client(&config.api_url, config.timeout)?;
        Ok(Self {
            inner: Arc::new(Inner {
                http,
                config,
                authorization,
            }),
        })
    }

    /// The API's address.
    pub fn api_url(&self) -> &Url {
        &self.inner.config.api_url
    }

    /// Makes a call, and repeats it where that is safe.
    pub(super) async fn call(&self, call: Call<'_>) -> Result<Answer, Error> {
        repeating(self.inner.config.retry, call.repeat(), |_| self.once(&call)).await
    }

    /// Makes a call that removes something: if a repetition finds nothing, an earlier attempt has done it.
    pub(super) async fn remove(&self, call: Call<'_>) -> Result<(), Error> {
        repeating(self.inner.config.retry, call.repeat(), |made| {
            let once = self.once(&call);
            async move {
                match once.await {
                    Err(error) if made > 0 && error.is_not_found() => Ok(()),
                    other => other.map(drop),
                }
            }
        })
        .await
    }

    async fn once(&self, call: &Call<'_>) -> Result<Answer, Error> {
        let what = call.what;
        let mut request = self
            .inner
            .http
            .request(call.method.clone(), self.address(call)?)
            .header(ACCEPT, "application/json");
        if call.keyed {
            request = request.header(AUTHORIZATION, self.inner.authorization.clone());
        }
        if let Some(body) = &call.body {
            request = request.json(body);
        }
        let response = request
            .send()
            .await
            .map_err(|error| http::failure(what, error))?;
        let (status, headers) = (response.status(), response.headers().clone());
        let body = http::body(what, response, LONGEST_ANSWER).await?;
        if status.is_success() {
            return Ok(Answer {
                what,
                headers,
                body,
            });
        }
        Err(self.refused(what, status, &headers, &body))
    }

    fn address(&self, call: &Call<'_>) -> Result<Url, Error> {
        let mut url = self.inner.config.api_url.clone();
        url.path_segments_mut()
            .map_err(|()| Error::Config("Livepeer's API address takes no path".to_owned()))?
            .pop_if_empty()
            .extend(call.path);
        if !call.query.is_empty() {
            url.query_pairs_mut().extend_pairs(call.query);
        }
        Ok(url)
    }

    fn refused(
        &self,
        call: &'static str,
        status: StatusCode,
        headers: &HeaderMap,
        body: &[u8],
    ) -> Error {
        let key = &self.inner.config.api_key;
        let header = |name| {
            headers
                .get(name)
                .and_then(|value: &HeaderValue| value.to_str().ok())
        };
        let mut messages = refusal::messages(body, key);
        if let (true, Some(location)) = (status.is_redirection(), header(LOCATION)) {
            // Followed, it would carry the key to wherever it points.
            messages.push(format!(
                "it points to {}; set the API's address to where that leads",
                refusal::redact(location, key)
            ));
        }
        Error::Api {
            call,
            status: status.as_u16(),
            messages,
            retry_after: header(RETRY_AFTER)
                .and_then(|value| parse_retry_after(value, SystemTime::now())),
        }
    }
}
