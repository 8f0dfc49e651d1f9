//! Values that must never be printed: their `Debug` shows a placeholder, they have no `Display`, and reading one is a
//! greppable `expose()`.

use std::fmt;

use serde::{Deserialize, Serialize};
use subtle::ConstantTimeEq;
use url::Url;

macro_rules! secret {
    ($(#[$meta:meta])* $name:ident) => {
        $(#[$meta])*
        #[derive(Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(String);

        impl $name {
            /// Wraps a value; surrounding white space, which a copied secret often carries, is dropped.
            pub fn new(value: impl AsRef<str>) -> Self {
                Self(value.as_ref().trim().to_owned())
            }

            /// The value itself. Never put it in a log, an error, a metric label, or an address of ours.
            pub fn expose(&self) -> &str {
                &self.0
            }

            /// Whether `presented` is this value, in a time that does not depend on where they differ.
            pub fn matches(&self, presented: &str) -> bool {
                self.0.as_bytes().ct_eq(presented.as_bytes()).into()
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(concat!(stringify!($name), "(redacted)"))
            }
        }

        impl From<String> for $name {
            fn from(value: String) -> Self {
                Self::new(value)
            }
        }

        impl From<&str> for $name {
            fn from(value: &str) -> Self {
                Self::new(value)
            }
        }

        impl std::str::FromStr for $name {
            type Err = std::convert::Infallible;

            fn from_str(value: &str) -> Result<Self, Self::Err> {
                Ok(Self::new(value))
            }
        }
    };
}

secret! {
    /// The key of an account's API. It can do everything; it never leaves the server.
    ApiKey
}
secret! {
    /// What a publisher proves itself with: whoever holds it can publish the stream. It goes to that one person.
    StreamKey
}
secret! {
    /// What webhooks are signed with.
    SharedSecret
}
secret! {
    /// The private half of a signing key, in the API's form: base64 of a PKCS#8 PEM. Livepeer shows it once.
    PrivateKey
}
secret! {
    /// An ES256 token that lets its bearer play one stream until it expires; see [`crate::token`].
    PlaybackToken
}

/// An address that is itself a secret: a WHIP address contains the stream key.
#[derive(Clone, PartialEq, Eq)]
pub struct SecretUrl(Url);

impl SecretUrl {
    /// Wraps an address.
    pub fn new(url: Url) -> Self {
        Self(url)
    }

    /// The address itself, for the one who may use it.
    pub fn expose(&self) -> &Url {
        &self.0
    }

    /// Scheme, host and port: the part that may be told to anybody.
    pub fn origin(&self) -> String {
        self.0.origin().ascii_serialization()
    }
}

impl fmt::Debug for SecretUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SecretUrl({}/redacted)", self.origin())
    }
}

impl From<Url> for SecretUrl {
    fn from(url: Url) -> Self {
        Self::new(url)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn debug_never_shows_the_value() {
        let shown = format!(
            "{:?} {:?} {:?}",
            ApiKey::new("f61b3cdb"),
            StreamKey::new("de78-ab12"),
            SecretUrl::new(
                "https://livepeer.studio/webrtc/de78-ab12?jwt=x"
                    .parse()
                    .unwrap()
            ),
        );
        assert_eq!(
            shown,
            "ApiKey(redacted) StreamKey(redacted) SecretUrl(https://livepeer.studio/redacted)"
        );
    }

    #[test]
    fn a_copied_key_loses_its_line_break() {
        assert!(ApiKey::new(" abc\n").matches("abc"));
        assert!(!ApiKey::new("abc").matches("abd"));
        assert!(!ApiKey::new("abc").matches("ab"));
    }

    #[test]
    fn on_the_wire_a_secret_is_a_plain_string() {
        assert_eq!(
            serde_json::to_string(&StreamKey::new("k")).unwrap(),
            "\"k\""
        );
        assert_eq!(
            serde_json::from_str::<StreamKey>("\"k\"").unwrap(),
            StreamKey::new("k")
        );
    }
}
