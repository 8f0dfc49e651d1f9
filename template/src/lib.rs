//! The app: the imperative shell around the sessions' architectures.
//!
//! What happens (somebody comes, a stream starts, time passes) goes as an `Input` into a session's architecture, which
//! is pure; what it answers, `Effect`s and `View`s, is carried out and shown here. See `crates/session` for the words.
//!
//! Reading order:
//!
//! 1. [`config`] (every knob), `main.rs` (the start, told), `app` (what there is, and how it is wired).
//! 2. `architectures` (which are built in), `kind` (how the app handles any), `sessions` (one actor each: the heart of the app), `store` (the database).
//! 3. `streams` (every call to Livepeer), `webhooks` (what Livepeer calls), `embedded` (the Livepeer built in).
//! 4. `pages`, `live` (the WebSocket), `credentials`, `assets`: what browsers ask for.
//! 5. `identity` (who is this), `security` (who may ask), `doctor`, `health`, [`telemetry`] (is it well).

mod app;
mod architectures;
mod assets;
mod clock;
pub mod config;
mod credentials;
pub mod doctor;
mod embedded;
mod health;
mod identity;
mod kind;
mod live;
mod pages;
mod secret;
mod security;
mod sessions;
mod store;
mod streams;
pub mod telemetry;
mod webhooks;

pub use crate::app::{Running, StartError, start};
pub use crate::architectures::KINDS;
pub use crate::kind::Kind;
pub use crate::secret::Secret;
pub use crate::store::StoreError;
