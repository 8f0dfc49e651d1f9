//! A typed Livepeer client: streams, playback, access control, webhooks, WHIP and WHEP.
//!
//! Nothing outside this crate names a path or a field of Livepeer's API. The calls that make up a live stream are marked
//! in the source, so `grep -rn 'Livepeer: [0-9]'` finds them all:
//!
//! | | call | where |
//! |---|---|---|
//! | 1 | create the stream | [`studio::Studio::create_stream`] |
//! | 2 | the address to publish to | [`studio::Studio::whip_url`] |
//! | 3 | the address to play from | [`studio::Studio::playback`] |
//! | 4 | a key to sign playback tokens with (once, then kept) | [`studio::Studio::create_signing_key`] |
//! | 5 | a token that lets one person play one stream | [`token::PlaybackSigner::mint`] |
//! | 6 | ask whether it is live, and check what a webhook says | [`studio::Studio::get_stream`], [`webhook::verify`] |
//! | 7 | suspend the stream: out with everybody, for good | [`studio::Studio::suspend_stream`] |
//! | 8 | delete the stream | [`studio::Studio::delete_stream`] |
//! | 9 | publish over WHIP, play over WHEP (feature `media`; browsers do it themselves) | `media` |
//!
//! Reading order: [`secret`] (what is never printed), [`Error`], [`studio`] (the API), [`token`], [`webhook`], `media`. To test
//! servers rather than to use one: `conformance` (feature of the same name).

#[cfg(feature = "conformance")]
pub mod conformance;
mod error;
mod http;
mod link;
#[cfg(feature = "media")]
pub mod media;
mod retry;
pub mod secret;
pub mod studio;
pub mod token;
pub mod webhook;

pub use error::Error;
pub use http::client as http_client;
pub use retry::RetryPolicy;
pub use secret::{ApiKey, PlaybackToken, PrivateKey, SecretUrl, SharedSecret, StreamKey};
