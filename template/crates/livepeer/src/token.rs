//! Playback tokens: ES256 (ECDSA on P-256) JSON Web Tokens, each for one playback id.
//!
//! The public key stands in the token itself (`pub`); a playback node verifies the signature with it and then asks
//! whether that key belongs to the stream's owner. So [`verify`] alone proves nothing: whoever calls it must look up
//! [`Verified::public_key`].

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use p256::ecdsa::signature::{Signer as _, Verifier as _};
use p256::ecdsa::{Signature, SigningKey, VerifyingKey};
use p256::elliptic_curve::rand_core::OsRng;
use p256::pkcs8::{
    DecodePrivateKey as _, DecodePublicKey as _, EncodePrivateKey as _, EncodePublicKey as _,
    LineEnding,
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::secret::{PlaybackToken, PrivateKey};
use crate::studio;

/// The longest life that Livepeer accepts: seven days.
pub const LONGEST_LIFE: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// How far back a new token is dated: a playback node whose clock is a little behind ours would refuse what is made "now".
const BACKDATED: u64 = 30;

/// No token is longer: the header that carries it would not fit a server's limits.
const LONGEST_TOKEN: usize = 8 << 10;

/// Why a token was not made or not accepted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TokenError {
    /// It is not three parts of base64 with JSON inside.
    #[error("the playback token is malformed: {0}")]
    Malformed(&'static str),
    /// It is signed in another way than ES256.
    #[error("the playback token must be signed with ES256")]
    Algorithm,
    /// The key is not an EC P-256 key in base64 of PEM.
    #[error("the signing key cannot be read: {0}")]
    Key(&'static str),
    /// The two halves of the key do not belong together.
    #[error("the private signing key does not belong to the public one")]
    KeyPair,
    /// The signature is not that of the key in the token.
    #[error("the playback token's signature is wrong")]
    Signature,
    /// It is for another stream.
    #[error("the playback token is for another stream")]
    OtherStream,
    /// Its time is over.
    #[error("the playback token has expired")]
    Expired,
    /// It names no end, or one more than seven days away.
    #[error("a playback token must expire within seven days")]
    TooLong,
    /// Its time has not come (`iat` or `nbf`).
    #[error("the playback token is not valid yet")]
    NotYet,
}

/// What a token says. Livepeer reads `pub`, `sub`, `exp`, `iat` and `nbf`; the rest is for your own logs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Claims {
    /// Always `pull`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub action: Option<String>,
    /// Who issued it, e.g. your app's address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub iss: Option<String>,
    /// The public key, exactly as Livepeer gave it.
    #[serde(rename = "pub", default)]
    pub public_key: String,
    /// The playback id that it is for.
    #[serde(default)]
    pub sub: String,
    /// Always `none`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub video: Option<String>,
    /// When it ends, seconds since 1970.
    #[serde(
        default,
        deserialize_with = "seconds",
        skip_serializing_if = "Option::is_none"
    )]
    pub exp: Option<u64>,
    /// When it was made, seconds since 1970.
    #[serde(
        default,
        deserialize_with = "seconds",
        skip_serializing_if = "Option::is_none"
    )]
    pub iat: Option<u64>,
    /// When it begins, seconds since 1970.
    #[serde(
        default,
        deserialize_with = "seconds",
        skip_serializing_if = "Option::is_none"
    )]
    pub nbf: Option<u64>,
    /// Anything of yours, e.g. who it was made for.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub custom: Map<String, Value>,
}

/// A new pair, in the form in which Livepeer hands out signing keys.
#[derive(Clone, Debug)]
pub struct KeyPair {
    /// Base64 of the SubjectPublicKeyInfo PEM.
    pub public_key: String,
    /// Base64 of the PKCS#8 PEM.
    pub private_key: PrivateKey,
}

impl KeyPair {
    /// Makes a pair from the operating system's randomness.
    ///
    /// # Errors
    ///
    /// [`TokenError::Key`] if it cannot be written down, which does not happen.
    pub fn generate() -> Result<Self, TokenError> {
        let key = SigningKey::random(&mut OsRng);
        let private = key
            .to_pkcs8_pem(LineEnding::LF)
            .map_err(|_| TokenError::Key("cannot write the private half"))?;
        let public = key
            .verifying_key()
            .to_public_key_pem(LineEnding::LF)
            .map_err(|_| TokenError::Key("cannot write the public half"))?;
        Ok(Self {
            public_key: STANDARD.encode(public),
            private_key: PrivateKey::new(STANDARD.encode(private.as_bytes())),
        })
    }
}

/// Signs playback tokens with one signing key.
#[derive(Clone)]
pub struct PlaybackSigner {
    key: SigningKey,
    public_key: String,
    issuer: String,
}

impl std::fmt::Debug for PlaybackSigner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PlaybackSigner")
            .field("issuer", &self.issuer)
            .finish_non_exhaustive()
    }
}

impl PlaybackSigner {
    /// From the two halves as Livepeer gave them; `issuer` is put into each token.
    ///
    /// # Errors
    ///
    /// [`TokenError::Key`] or [`TokenError::KeyPair`].
    pub fn new(
        public_key: &str,
        private_key: &PrivateKey,
        issuer: impl Into<String>,
    ) -> Result<Self, TokenError> {
        let pem = STANDARD
            .decode(private_key.expose())
            .ok()
            .and_then(|pem| String::from_utf8(pem).ok())
            .ok_or(TokenError::Key("the private half is not base64 of PEM"))?;
        let key = SigningKey::from_pkcs8_pem(&pem)
            .map_err(|_| TokenError::Key("the private half is not a P-256 key in PKCS#8"))?;
        if read_public(public_key)? != *key.verifying_key() {
            return Err(TokenError::KeyPair);
        }
        Ok(Self {
            key,
            public_key: public_key.to_owned(),
            issuer: issuer.into(),
        })
    }

    /// From a signing key that still has its private half.
    ///
    /// # Errors
    ///
    /// As [`new`](Self::new); [`TokenError::Key`] if the private half is not there.
    pub fn from_signing_key(
        key: &studio::SigningKey,
        issuer: impl Into<String>,
    ) -> Result<Self, TokenError> {
        let private = key
            .private_key
            .as_ref()
            .ok_or(TokenError::Key("the private half is missing"))?;
        Self::new(&key.public_key, private, issuer)
    }

    /// The public half, as Livepeer knows it.
    pub fn public_key(&self) -> &str {
        &self.public_key
    }

    /// A token that lets its bearer play `playback_id` from `now` on for `life`. `custom` may say for whom.
    ///
    /// Livepeer lets whoever has begun go on until it asks again (see
    /// [`PlaybackPolicy::refresh_interval`](studio::PlaybackPolicy::refresh_interval)): a short life is what revokes.
    ///
    /// # Errors
    ///
    /// [`TokenError::TooLong`] if `life` is over seven days.
    pub fn mint(
        &self,
        playback_id: &str,
        now: SystemTime,
        life: Duration,
        custom: Map<String, Value>,
    ) -> Result<PlaybackToken, TokenError> {
        // Livepeer: 5 a token that lets one person play one stream
        if life > LONGEST_LIFE {
            return Err(TokenError::TooLong);
        }
        let now = unix(now);
        self.sign(&Claims {
            action: Some("pull".to_owned()),
            iss: Some(self.issuer.clone()),
            public_key: self.public_key.clone(),
            sub: playback_id.to_owned(),
            video: Some("none".to_owned()),
            exp: Some(now + life.as_secs()),
            iat: Some(now.saturating_sub(BACKDATED)),
            nbf: None,
            custom,
        })
    }

    /// Signs any claims, also such as Livepeer would refuse: for tests.
    ///
    /// # Errors
    ///
    /// [`TokenError::Malformed`] if they cannot be written as JSON, which does not happen.
    pub fn sign(&self, claims: &Claims) -> Result<PlaybackToken, TokenError> {
        let claims = serde_json::to_vec(claims)
            .map_err(|_| TokenError::Malformed("its claims are not JSON"))?;
        let signed = format!(
            "{}.{}",
            URL_SAFE_NO_PAD.encode(r#"{"alg":"ES256","typ":"JWT"}"#),
            URL_SAFE_NO_PAD.encode(claims)
        );
        let signature: Signature = self.key.sign(signed.as_bytes());
        Ok(PlaybackToken::new(format!(
            "{signed}.{}",
            URL_SAFE_NO_PAD.encode(signature.to_bytes())
        )))
    }
}

/// A token that is right in itself.
#[derive(Clone, Debug, PartialEq)]
pub struct Verified {
    /// The key that signed it. **Look it up**: anybody can sign with a key of his own.
    pub public_key: String,
    /// All that it says.
    pub claims: Claims,
}

/// Verifies a token as Livepeer's playback nodes do: signature, stream, times. A leading `video+` of either playback id
/// is passed over, as it is there.
///
/// # Errors
///
/// See [`TokenError`].
pub fn verify(token: &str, playback_id: &str, now: SystemTime) -> Result<Verified, TokenError> {
    if token.len() > LONGEST_TOKEN {
        return Err(TokenError::Malformed("it is too long"));
    }
    let (signed, signature) = token
        .rsplit_once('.')
        .ok_or(TokenError::Malformed("it has no signature"))?;
    let (header, claims) = signed
        .split_once('.')
        .ok_or(TokenError::Malformed("it has no claims"))?;

    #[derive(Deserialize)]
    struct Header {
        alg: String,
    }
    if decode::<Header>(header)?.alg != "ES256" {
        return Err(TokenError::Algorithm);
    }
    let claims: Claims = decode(claims)?;

    let signature = URL_SAFE_NO_PAD
        .decode(signature)
        .map_err(|_| TokenError::Malformed("it is not base64"))?;
    let signature = Signature::from_slice(&signature).map_err(|_| TokenError::Signature)?;
    read_public(&claims.public_key)?
        .verify(signed.as_bytes(), &signature)
        .map_err(|_| TokenError::Signature)?;

    let plain = |id: &str| id.strip_prefix("video+").unwrap_or(id).to_owned();
    if plain(&claims.sub) != plain(playback_id) {
        return Err(TokenError::OtherStream);
    }
    let now = unix(now);
    let exp = claims.exp.ok_or(TokenError::TooLong)?;
    if exp <= now {
        return Err(TokenError::Expired);
    }
    if exp > now + LONGEST_LIFE.as_secs() {
        return Err(TokenError::TooLong);
    }
    if claims.iat.max(claims.nbf).is_some_and(|begin| begin > now) {
        return Err(TokenError::NotYet);
    }
    Ok(Verified {
        public_key: claims.public_key.clone(),
        claims,
    })
}

fn decode<T: for<'de> Deserialize<'de>>(part: &str) -> Result<T, TokenError> {
    let json = URL_SAFE_NO_PAD
        .decode(part)
        .map_err(|_| TokenError::Malformed("it is not base64"))?;
    serde_json::from_slice(&json)
        .map_err(|_| TokenError::Malformed("it is not JSON of the right kind"))
}

fn read_public(public_key: &str) -> Result<VerifyingKey, TokenError> {
    STANDARD
        .decode(public_key)
        .ok()
        .and_then(|pem| String::from_utf8(pem).ok())
        .and_then(|pem| VerifyingKey::from_public_key_pem(&pem).ok())
        .ok_or(TokenError::Key(
            "the public half is not base64 of a P-256 key in PEM",
        ))
}

/// Whole seconds since 1970; a clock before that is at its beginning.
fn unix(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH)
        .unwrap_or_default()
        .as_secs()
}

/// Other issuers write these with a fraction.
fn seconds<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<u64>, D::Error> {
    // A float that is out of range ends at the range's end, which is refused like any time that far away.
    Ok(Option::<f64>::deserialize(deserializer)?.map(|seconds| seconds as u64))
}
