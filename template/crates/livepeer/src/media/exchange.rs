//! The HTTP half of WHIP and WHEP: the offer goes up, the answer comes down, and at the end a DELETE.

use std::time::{Duration, SystemTime};

use reqwest::header::{
    ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, LOCATION, RETRY_AFTER,
};
use reqwest::{Method, RequestBuilder};
use serde::Deserialize;
use url::{Host, Url};

use super::MediaError;
use crate::http;
use crate::retry::parse_retry_after;
use crate::secret::{PlaybackToken, SecretUrl};

/// Livepeer's header for a playback token.
const LIVEPEER_JWT: HeaderName = HeaderName::from_static("livepeer-jwt");

/// How long one request may take.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Redirects followed: Livepeer has one to the nearest node and one to the best.
const REDIRECTS: usize = 2;

/// No answer is longer.
const LONGEST_ANSWER: usize = 256 << 10;

/// No refusal is told longer than this.
const LONGEST_MESSAGE: usize = 300;

/// Where to send an offer, and with what.
#[derive(Clone, Debug)]
pub(super) struct Endpoint {
    /// `publish` or `play`, for errors.
    pub(super) call: &'static str,
    pub(super) url: SecretUrl,
    /// For `Authorization: Bearer`.
    pub(super) bearer: Option<PlaybackToken>,
    /// For `Livepeer-Jwt`.
    pub(super) jwt: Option<PlaybackToken>,
}

/// What came of it.
#[derive(Debug)]
pub(super) struct Accepted {
    pub(super) answer: String,
    /// To be deleted at the end. Not every server names one.
    pub(super) session: Option<SecretUrl>,
}

impl Endpoint {
    /// Sends the offer, through up to two redirects.
    pub(super) async fn post(&self, offer: &str) -> Result<Accepted, MediaError> {
        let mut url = self.url.expose().clone();
        for _ in 0..=REDIRECTS {
            let request = http::client(&url, TIMEOUT)?
                .post(url.clone())
                .header(CONTENT_TYPE, "application/sdp")
                .header(ACCEPT, "application/sdp")
                .body(offer.to_owned());
            // Livepeer's token goes along to whichever node it sends us to; that is what it is for.
            let request = self.authorized(request, &url)?;
            let request = match &self.jwt {
                Some(jwt) => request.header(LIVEPEER_JWT, sensitive(jwt.expose())?),
                None => request,
            };
            let response = request
                .send()
                .await
                .map_err(|error| http::failure(self.call, error))?;
            let (status, headers) = (response.status().as_u16(), response.headers().clone());
            match status {
                307 | 308 => url = self.redirected(&url, &headers)?,
                301..=303 => {
                    return Err(MediaError::Redirect(format!(
                        "{status} would lose the offer; 307 keeps it"
                    )));
                }
                200 | 201 => {
                    let body = http::body(self.call, response, LONGEST_ANSWER).await?;
                    return accepted(&url, &headers, body);
                }
                _ => {
                    // What it says is a kindness; that it refuses is known without.
                    let body = http::body(self.call, response, LONGEST_ANSWER)
                        .await
                        .unwrap_or_default();
                    return Err(self.refused(status, &headers, &body));
                }
            }
        }
        Err(MediaError::Redirect(format!(
            "more than {REDIRECTS} in a row"
        )))
    }

    /// Ends a session. Many servers do not know how (405): whatever they answer is fine.
    pub(super) async fn delete(&self, accepted: &Accepted) {
        let Some(session) = accepted.session.as_ref().map(SecretUrl::expose) else {
            return;
        };
        let outcome = async {
            let request = http::client(session, TIMEOUT)?.request(Method::DELETE, session.clone());
            let request = self.authorized(request, session)?;
            Ok(request
                .send()
                .await
                .map_err(|error| http::failure("end the session", error))?)
        };
        let outcome: Result<_, MediaError> = outcome.await;
        match outcome {
            Ok(response) => tracing::debug!(status = response.status().as_u16(), "session ended"),
            Err(error) => tracing::debug!(%error, "session not ended in so many words"),
        }
    }

    fn authorized(&self, request: RequestBuilder, to: &Url) -> Result<RequestBuilder, MediaError> {
        match &self.bearer {
            Some(bearer) if may_carry_authorization(self.url.expose(), to) => Ok(request.header(
                AUTHORIZATION,
                sensitive(&format!("Bearer {}", bearer.expose()))?,
            )),
            _ => Ok(request),
        }
    }

    fn redirected(&self, from: &Url, headers: &HeaderMap) -> Result<Url, MediaError> {
        let location = headers.get(LOCATION).and_then(|value| value.to_str().ok());
        let to = location
            .and_then(|location| from.join(location).ok())
            .filter(|to| matches!(to.scheme(), "http" | "https"))
            .ok_or_else(|| MediaError::Redirect("it does not say where to".to_owned()))?;
        if from.scheme() == "https" && to.scheme() == "http" {
            return Err(MediaError::Redirect(
                "it leads from https to http".to_owned(),
            ));
        }
        Ok(to)
    }

    fn refused(&self, status: u16, headers: &HeaderMap, body: &[u8]) -> MediaError {
        let retry_after = headers
            .get(RETRY_AFTER)
            .and_then(|value| value.to_str().ok())
            .and_then(|value| parse_retry_after(value, SystemTime::now()));
        if self.call == PLAY && matches!(status, 404 | 409) {
            return MediaError::NotLive { retry_after };
        }
        MediaError::Refused {
            call: self.call,
            status,
            message: self.message(body),
            retry_after,
        }
    }

    /// The server's words, out of any of the three forms that are in use.
    fn message(&self, body: &[u8]) -> String {
        #[derive(Deserialize)]
        struct Words {
            /// RFC 9457.
            detail: Option<String>,
            /// RFC 9457.
            title: Option<String>,
            /// Livepeer.
            #[serde(default)]
            errors: Vec<String>,
        }
        let text = String::from_utf8_lossy(body);
        let said = match serde_json::from_str::<Words>(&text) {
            Ok(words) => words
                .detail
                .or(words.title)
                .unwrap_or_else(|| words.errors.join("; ")),
            Err(_) if text.trim_start().starts_with('<') => String::new(),
            Err(_) => text.trim().lines().next().unwrap_or_default().to_owned(),
        };
        self.redacted(&said).chars().take(LONGEST_MESSAGE).collect()
    }

    /// Without anything that we sent and that is nobody else's business. A WHIP address ends in the stream key.
    fn redacted(&self, text: &str) -> String {
        let url = self.url.expose();
        let parts = url.path_segments().into_iter().flatten().next_back();
        let values: Vec<_> = url
            .query_pairs()
            .map(|(_, value)| value.into_owned())
            .collect();
        let tokens = [&self.bearer, &self.jwt]
            .into_iter()
            .flatten()
            .map(PlaybackToken::expose);
        let secrets = tokens.chain(parts).chain(values.iter().map(String::as_str));
        // A secret this short is none, and a word like "a" would be cut out of every other word.
        secrets
            .filter(|secret| secret.len() >= 4)
            .fold(text.to_owned(), |text, secret| {
                text.replace(secret, "[redacted]")
            })
    }
}

/// [`Endpoint::call`] of a publisher.
pub(super) const PUBLISH: &str = "publish";
/// [`Endpoint::call`] of a player.
pub(super) const PLAY: &str = "play";

fn accepted(url: &Url, headers: &HeaderMap, body: Vec<u8>) -> Result<Accepted, MediaError> {
    let answer =
        String::from_utf8(body).map_err(|_| MediaError::Answer("it is not text".to_owned()))?;
    if !answer.trim_start().starts_with("v=0") {
        return Err(MediaError::Answer("it does not begin with v=0".to_owned()));
    }
    // Relative to where the answer came from, not to where we first asked.
    let session = headers
        .get(LOCATION)
        .and_then(|value| value.to_str().ok())
        .and_then(|to| url.join(to).ok())
        .map(SecretUrl::new);
    Ok(Accepted { answer, session })
}

fn sensitive(value: &str) -> Result<HeaderValue, MediaError> {
    let mut value = HeaderValue::from_str(value).map_err(|_| {
        MediaError::Local("a token holds a character that no header may".to_owned())
    })?;
    value.set_sensitive(true);
    Ok(value)
}

/// Whether a bearer token meant for `original` may go to `target`: to the same origin, or to a host below the original's
/// name. (What the registrable site is cannot be told without a list of public suffixes, so no further.)
pub(crate) fn may_carry_authorization(original: &Url, target: &Url) -> bool {
    if original.origin() == target.origin() {
        return true;
    }
    match (original.host(), target.host()) {
        (Some(Host::Domain(site)), Some(Host::Domain(host))) => {
            target.scheme() == "https"
                && site.contains('.')
                && host
                    .strip_suffix(site)
                    .is_some_and(|sub| sub.ends_with('.'))
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_bearer_token_stays_on_its_site() {
        let may = |from: &str, to: &str| {
            may_carry_authorization(&from.parse().unwrap(), &to.parse().unwrap())
        };
        assert!(may(
            "https://play.example/webrtc/k",
            "https://play.example/webrtc/other"
        ));
        assert!(may(
            "https://play.example/webrtc/k",
            "https://node-2.play.example:8443/webrtc/k"
        ));
        assert!(may(
            "http://127.0.0.1:8888/webrtc/k",
            "http://127.0.0.1:8888/session/1"
        ));
        for other in [
            "https://play.example.attacker.test/k",
            "https://attackerplay.example/k",
            "https://example/k",
            "http://node.play.example/k",
            "http://play.example/k",
            "https://[::1]/k",
        ] {
            assert!(!may("https://play.example/webrtc/k", other), "{other}");
        }
        assert!(
            !may("http://127.0.0.1:8888/k", "http://127.0.0.1:9999/k"),
            "another port is another service"
        );
        assert!(
            !may("https://localhost/k", "https://a.localhost/k"),
            "a name without a dot is no site"
        );
    }

    #[test]
    fn a_refusal_is_told_without_what_we_sent() {
        let endpoint = Endpoint {
            call: PUBLISH,
            url: SecretUrl::new(
                "https://x.example/webrtc/de78-ab12?jwt=eyJhbGciOi"
                    .parse()
                    .unwrap(),
            ),
            bearer: Some(PlaybackToken::new("b3ar3r")),
            jwt: None,
        };
        let message = |body: &str| endpoint.message(body.as_bytes());
        assert_eq!(
            message(r#"{"errors":["no stream de78-ab12"]}"#),
            "no stream [redacted]"
        );
        assert_eq!(
            message(r#"{"title":"Unauthorized","detail":"b3ar3r is not a key"}"#),
            "[redacted] is not a key"
        );
        assert_eq!(message("bad eyJhbGciOi\nstack trace"), "bad [redacted]");
        assert_eq!(message("<html>502</html>"), "");
    }
}
