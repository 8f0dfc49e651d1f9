//! May this viewer play this stream? The decision that Studio's gate takes, with the order of its questions: is the
//! stream there, is the page's origin allowed, does the policy let this viewer in.
//!
//! A decision is taken once, when a viewer joins. Who plays already goes on until the stream is terminated, suspended or
//! deleted: there is no `refreshInterval` here.

use std::sync::Arc;
use std::time::SystemTime;

use axum::http::{HeaderMap, HeaderName, StatusCode, header};
use livepeer::studio::{PolicyKind, Stream};
use livepeer::token::{self, TokenError};
use url::Url;

use crate::auth;
use crate::tables::{Tables, WebhookRow};

/// The header that carries a playback token.
pub(crate) const TOKEN_HEADER: HeaderName = HeaderName::from_static("livepeer-jwt");

/// The header that carries an access key for the policy `webhook`.
pub(crate) const ACCESS_KEY_HEADER: HeaderName = HeaderName::from_static("livepeer-access-key");

/// What a viewer shows at the gate.
#[derive(Default)]
pub(crate) struct Viewer {
    token: Option<String>,
    /// For the policy `webhook`.
    pub(crate) access_key: Option<String>,
    origin: Option<String>,
}

impl Viewer {
    /// Reads what a request carries. A query parameter wins over the header of the same meaning, as at Livepeer; a bearer
    /// token (RFC 9725 section 4.7) stands for either where there is neither.
    pub(crate) fn of(headers: &HeaderMap, query: &str) -> Viewer {
        let header = |name: &HeaderName| {
            let value = headers.get(name)?.to_str().ok()?;
            Some(value.trim().to_owned()).filter(|text| !text.is_empty())
        };
        let asked = |name: &str| {
            let mut pairs = url::form_urlencoded::parse(query.as_bytes());
            let found = pairs.find(|(key, value)| key == name && !value.is_empty());
            found.map(|(_, value)| value.into_owned())
        };
        let referrer = || {
            let page = Url::parse(&header(&header::REFERER)?).ok()?;
            Some(page.origin().ascii_serialization())
        };
        let bearer = || auth::bearer(headers).map(str::to_owned);
        let token = asked("jwt").or_else(|| header(&TOKEN_HEADER));
        let access_key = asked("accessKey").or_else(|| header(&ACCESS_KEY_HEADER));
        Viewer {
            token: token.or_else(bearer),
            access_key: access_key.or_else(bearer),
            // A sandboxed page sends `null`; then its address speaks for it.
            origin: header(&header::ORIGIN)
                .filter(|origin| origin != "null")
                .or_else(referrer),
        }
    }
}

/// What the gate says to a viewer whom it does not refuse.
pub(crate) enum Verdict {
    /// Come in.
    Allowed,
    /// This webhook decides.
    Ask(Arc<WebhookRow>),
}

/// Why a viewer is refused. The words never repeat what the viewer sent.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refusal {
    #[error("this stream is suspended")]
    Suspended,
    #[error(
        "pages from this origin may not play this stream: its playback policy names the origins that may"
    )]
    Origin,
    #[error(
        "this stream is private: send a playback token in the header Livepeer-Jwt, as a bearer token, or as ?jwt="
    )]
    NoToken,
    #[error("the playback token is refused: {0}")]
    Token(#[from] TokenError),
    #[error(
        "the playback token is refused: its signing key is not registered here; create one and sign with that"
    )]
    UnknownKey,
    #[error("the playback token is refused: its signing key is disabled")]
    DisabledKey,
    #[error(
        "this stream is private: send an access key in the header Livepeer-Access-Key, as a bearer token, or as ?accessKey="
    )]
    NoAccessKey,
    #[error("this stream's playback policy names a webhook that is gone")]
    NoWebhook,
}

impl Refusal {
    /// 404 for what the viewer should not know about, 401 for whoever shows nothing, 403 for the rest.
    pub(crate) fn status(&self) -> StatusCode {
        match self {
            Refusal::Suspended => StatusCode::NOT_FOUND,
            Refusal::NoToken | Refusal::NoAccessKey => StatusCode::UNAUTHORIZED,
            _ => StatusCode::FORBIDDEN,
        }
    }
}

/// The decision. Pure: time comes in.
pub(crate) fn decide(
    stream: &Stream,
    tables: &Tables,
    viewer: &Viewer,
    now: SystemTime,
) -> Result<Verdict, Refusal> {
    if stream.suspended {
        return Err(Refusal::Suspended);
    }
    let Some(policy) = &stream.playback_policy else {
        return Ok(Verdict::Allowed);
    };
    let origins = policy.allowed_origins.as_deref().unwrap_or_default();
    let origin = viewer.origin.as_deref();
    let allowed = |wanted: &String| wanted == "*" || Some(wanted.as_str()) == origin;
    if !origins.is_empty() && !origins.iter().any(allowed) {
        return Err(Refusal::Origin);
    }
    match policy.kind {
        PolicyKind::Public => Ok(Verdict::Allowed),
        PolicyKind::Jwt => {
            let token = viewer.token.as_deref().ok_or(Refusal::NoToken)?;
            let verified = token::verify(token, &stream.playback_id, now)?;
            let mut keys = tables.signing_keys.iter();
            let key = keys.find(|key| key.public_key == verified.public_key);
            match key {
                None => Err(Refusal::UnknownKey),
                Some(key) if key.disabled => Err(Refusal::DisabledKey),
                Some(_) => Ok(Verdict::Allowed),
            }
        }
        PolicyKind::Webhook => {
            if viewer.access_key.is_none() {
                return Err(Refusal::NoAccessKey);
            }
            let id = policy.webhook_id.as_deref().unwrap_or_default();
            let webhook = tables.webhook(id).ok_or(Refusal::NoWebhook)?;
            Ok(Verdict::Ask(webhook.clone()))
        }
    }
}

#[cfg(test)]
#[path = "gate_tests.rs"]
mod tests;
