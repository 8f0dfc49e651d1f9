//! Who may change a session: whoever opened it.
//!
//! Its address is a capability of 128 random bits, and that is enough for most. Under [`Fidelity::Strict`] whoever showed
//! a credential at the POST has to show it again.

use axum::http::{HeaderMap, header};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

use super::session::over;
use crate::engine::{Owner, SessionInfo};
use crate::fidelity::Fidelity;
use crate::gate::{ACCESS_KEY_HEADER, TOKEN_HEADER};
use crate::problem::Problem;

/// The owner that these headers speak for; `None` if they show nothing.
pub(super) fn shown(headers: &HeaderMap) -> Option<Owner> {
    let names = [header::AUTHORIZATION, TOKEN_HEADER, ACCESS_KEY_HEADER];
    let mut digest = Sha256::new();
    let mut any = false;
    for name in &names {
        for value in headers.get_all(name) {
            any = true;
            digest.update(name.as_str());
            digest.update([0]);
            digest.update(value.as_bytes());
            digest.update([0]);
        }
    }
    any.then(|| Owner::new(digest.finalize().into()))
}

/// Lets the owner through. Anybody else hears what they would of a session that never was.
///
/// # Errors
/// 401 for whoever shows nothing, 404 for whoever shows something else.
pub(super) fn check(
    fidelity: Fidelity,
    session: &SessionInfo,
    headers: &HeaderMap,
) -> Result<(), Problem> {
    let (Fidelity::Strict, Some(owner)) = (fidelity, &session.owner) else {
        return Ok(());
    };
    let Some(shown) = shown(headers) else {
        return Err(Problem::unauthorized(
            "send the Authorization header with which this session was opened",
        ));
    };
    match bool::from(shown.digest().ct_eq(owner.digest())) {
        true => Ok(()),
        false => Err(over()),
    }
}
