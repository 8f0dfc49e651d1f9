//! Who may call the API: whoever has its key.
//!
//! `Authorization: Bearer <key>` or `Basic <userId>:<key>`, as at Studio. Unlike Studio, whose 401 repeats the key that was
//! sent (`no token <key> found`), nothing here ever echoes a credential.

use axum::extract::{Request, State};
use axum::http::{HeaderMap, header};
use axum::middleware::Next;
use axum::response::Response;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use subtle::ConstantTimeEq;

use crate::error::{ApiError, ApiResult};
use crate::state::Shared;

/// Lets a request through if it carries the API key, before its body is read.
pub(crate) async fn require_api_key(
    State(shared): State<Shared>,
    request: Request,
    next: Next,
) -> ApiResult<Response> {
    check(
        request.headers(),
        shared.user_id(),
        shared.api_key().expose(),
    )?;
    let query = request.uri().query().unwrap_or_default();
    let names_project =
        url::form_urlencoded::parse(query.as_bytes()).any(|(key, _)| key == "projectId");
    if names_project {
        return Err(ApiError::bad_request(
            "projectId as query param not supported",
        ));
    }
    Ok(next.run(request).await)
}

fn check(headers: &HeaderMap, user_id: &str, api_key: &str) -> ApiResult<()> {
    let Some(value) = headers.get(header::AUTHORIZATION) else {
        return Err(ApiError::unauthorized(
            "no API key: send it as Authorization: Bearer <key>",
        ));
    };
    let unreadable = || {
        ApiError::unauthorized(
            "the Authorization header is not understood: send Bearer <key>, or Basic with <userId>:<key>",
        )
    };
    let (scheme, credentials) = value
        .to_str()
        .ok()
        .and_then(|text| text.split_once(' '))
        .ok_or_else(unreadable)?;
    let credentials = credentials.trim();
    let known = if scheme.eq_ignore_ascii_case("bearer") {
        same(credentials, api_key)
    } else if scheme.eq_ignore_ascii_case("basic") {
        let decoded = STANDARD.decode(credentials).map_err(|_| unreadable())?;
        let decoded = String::from_utf8(decoded).map_err(|_| unreadable())?;
        let (user, key) = decoded.split_once(':').ok_or_else(unreadable)?;
        // Both are always compared, so that timing tells nothing about which was wrong.
        same(key, api_key) & same(user, user_id)
    } else {
        return Err(unreadable());
    };
    if known {
        Ok(())
    } else {
        Err(ApiError::unauthorized(
            "no token found: this Livepeer does not know the API key that was sent. \
             Set LIVEPEER_API_KEY to the key that it was started with",
        ))
    }
}

/// Whether the API key was sent: as a bearer token, or as the password of any user, as a browser asks for it.
pub(crate) fn has_key(headers: &HeaderMap, api_key: &str) -> bool {
    let value = headers.get(header::AUTHORIZATION);
    let Some((scheme, sent)) = value
        .and_then(|value| value.to_str().ok())
        .and_then(|text| text.split_once(' '))
    else {
        return false;
    };
    let sent = sent.trim();
    if scheme.eq_ignore_ascii_case("bearer") {
        return same(sent, api_key);
    }
    let decoded = STANDARD.decode(sent).ok();
    let decoded = decoded.and_then(|bytes| String::from_utf8(bytes).ok());
    let password = decoded.as_deref().and_then(|pair| pair.split_once(':'));
    scheme.eq_ignore_ascii_case("basic")
        && password.is_some_and(|(_, password)| same(password, api_key))
}

/// The token of `Authorization: Bearer` (RFC 6750 section 2.1), if that is what a request shows.
pub(crate) fn bearer(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.trim().split_once(' ')?;
    let token = token.trim();
    (scheme.eq_ignore_ascii_case("bearer") && !token.is_empty()).then_some(token)
}

fn same(left: &str, right: &str) -> bool {
    left.as_bytes().ct_eq(right.as_bytes()).into()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn decide(value: Option<&str>) -> ApiResult<()> {
        let mut headers = HeaderMap::new();
        if let Some(value) = value {
            headers.insert(header::AUTHORIZATION, value.parse().unwrap());
        }
        check(&headers, "user-1", "key-1")
    }

    #[test]
    fn the_key_is_taken_as_bearer_or_as_basic_and_nothing_else() {
        let basic = |text: &str| format!("Basic {}", STANDARD.encode(text));
        assert!(decide(Some("Bearer key-1")).is_ok());
        assert!(decide(Some("bearer key-1")).is_ok());
        assert!(decide(Some(&basic("user-1:key-1"))).is_ok());
        for refused in [
            None,
            Some("Bearer key-2"),
            Some("Bearer "),
            Some("key-1"),
            Some("JWT key-1"),
            Some("Basic key-1"),
            Some(basic("user-2:key-1").as_str()),
            Some(basic("user-1:key-2").as_str()),
        ] {
            assert!(decide(refused).is_err(), "{refused:?}");
        }
    }

    #[test]
    fn no_refusal_repeats_what_was_sent() {
        let error = decide(Some("Bearer lp-secret-123")).unwrap_err();
        assert!(!format!("{error:?}").contains("lp-secret-123"));
    }
}
