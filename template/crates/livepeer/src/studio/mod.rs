//! Livepeer Studio's HTTP API: what it says on the wire ([`Stream`] and the others) and a client of it ([`Studio`]).
//!
//! The wire types are written and read by both sides: by this client, and by the Livepeer that runs on your machine.
//! They take what the running service does where its OpenAPI description says otherwise: unknown fields are passed over,
//! `null` is absent, 200 and 201 are both good answers to a creation.

mod calls;
mod client;
mod ingest;
mod playback;
mod policy;
mod profile;
mod refusal;
mod signing_key;
mod stream;
mod webhook;
mod wire;

pub use client::{Studio, StudioConfig};
pub use ingest::Ingest;
pub use playback::{PlaybackInfo, PlaybackMeta, PlaybackSource};
pub use policy::{PlaybackPolicy, PolicyKind};
pub use profile::{Encoder, H264Profile, Profile};
pub use signing_key::{NewSigningKey, SigningKey};
pub use stream::{CreatorId, NewStream, Stream, StreamFilter, StreamPatch, Suspension, TagValue};
pub use webhook::{NewWebhook, Webhook};
pub use wire::ErrorBody;
