//! Who is this? A signed cookie with a random id and the name that the person gave.
//!
//! This is the one file to replace with your own login: whatever it is, it has to give an id that nobody else can claim,
//! and a name. Everything else in the app takes both from here.

use std::time::Duration;

use axum::extract::FromRef;
use axum_extra::extract::cookie::{Cookie, Key, SameSite, SignedCookieJar};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use session::{ParticipantId, Seat};

use crate::app::App;
use crate::config::Config;
use crate::secret::random_text;
use crate::store::{Store, StoreError};

const COOKIE: &str = "who";
/// How long a browser is remembered. Arbitrary: long enough for a series of shows.
const REMEMBERED: Duration = Duration::from_secs(365 * 24 * 60 * 60);
/// Letters in a name, at most.
pub(crate) const NAME: usize = 40;
/// What somebody is called who was never asked.
const NAMELESS: &str = "Guest";

/// Somebody, as this app knows them.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Identity {
    /// Unguessable, and signed: nobody else can claim it.
    pub(crate) id: String,
    /// What they call themselves; empty if they were never asked.
    pub(crate) name: String,
}

impl Identity {
    /// Who sends this cookie, if anybody we know.
    pub(crate) fn of(jar: &SignedCookieJar) -> Option<Identity> {
        let cookie = jar.get(COOKIE)?;
        let json = URL_SAFE_NO_PAD.decode(cookie.value()).ok()?;
        serde_json::from_slice(&json).ok()
    }

    /// Who sends this cookie, or somebody new.
    pub(crate) fn of_or_new(jar: &SignedCookieJar) -> Identity {
        Identity::of(jar).unwrap_or_else(|| Identity {
            id: random_text::<16>(),
            name: String::new(),
        })
    }

    /// Puts this identity into the cookie.
    pub(crate) fn remember(&self, jar: SignedCookieJar, app: &App) -> SignedCookieJar {
        let json = serde_json::to_vec(self).unwrap_or_default();
        let cookie = Cookie::build((COOKIE, URL_SAFE_NO_PAD.encode(json)))
            .path("/")
            .http_only(true)
            .same_site(SameSite::Lax)
            .secure(app.public_url.scheme() == "https")
            .max_age(REMEMBERED.try_into().unwrap_or_default());
        jar.add(cookie)
    }

    /// What others see them called.
    pub(crate) fn shown_name(&self) -> &str {
        match self.name.as_str() {
            "" => NAMELESS,
            name => name,
        }
    }

    /// Who they are within a session that `host` created. A host who opens the watch page is a viewer like any other.
    pub(crate) fn participant(&self, seat: Seat, host: &str) -> ParticipantId {
        match seat {
            Seat::Guest if self.id == host => ParticipantId(format!("{}~watch", self.id)),
            _ => ParticipantId(self.id.clone()),
        }
    }
}

/// A name as it may be shown: on one line, without what is not seen, and not too long.
pub(crate) fn tidy(text: &str, most: usize) -> String {
    let visible: String = text
        .chars()
        .map(|c| if c.is_whitespace() { ' ' } else { c })
        .filter(|c| !c.is_control())
        .collect();
    let words: Vec<&str> = visible.split_whitespace().collect();
    words
        .join(" ")
        .chars()
        .take(most)
        .collect::<String>()
        .trim_end()
        .to_owned()
}

/// The key that cookies are signed with: the configured one, or one made once and kept.
pub(crate) async fn signing_key(config: &Config, store: &Store) -> Result<Key, StoreError> {
    if let Some(secret) = &config.session_secret {
        return Ok(Key::from(secret.expose().as_bytes()));
    }
    // 64 bytes and more, as `Key` demands.
    let kept = store
        .setting_or("session_secret", random_text::<64>)
        .await?;
    Ok(Key::from(kept.as_bytes()))
}

impl FromRef<App> for Key {
    fn from_ref(app: &App) -> Key {
        app.key.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_tidied() {
        assert_eq!(tidy("  Ada \n Lovelace\u{7} ", NAME), "Ada Lovelace");
        assert_eq!(tidy(&"x".repeat(100), NAME).len(), NAME);
        assert_eq!(tidy("\u{0}\t", NAME), "");
    }

    #[test]
    fn a_host_who_watches_is_somebody_else() {
        let ada = Identity {
            id: "ada".into(),
            name: String::new(),
        };
        assert_eq!(ada.participant(Seat::Host, "ada").0, "ada");
        assert_eq!(ada.participant(Seat::Guest, "ada").0, "ada~watch");
        assert_eq!(ada.participant(Seat::Guest, "bob").0, "ada");
        assert_eq!(ada.shown_name(), "Guest");
    }
}
