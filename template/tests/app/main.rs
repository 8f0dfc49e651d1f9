//! The app as its users meet it: over HTTP and WebSockets, on free ports, with a folder of its own for each test.
//!
//! One program for all of them, since linking takes longer than running. The modules mirror those of `src/`;
//! [`support`] has the browser, the camera and the player that they use.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod fake;
mod support;

mod doctor;
mod effects;

// These run against the Livepeer built in.
#[cfg(feature = "local")]
mod credentials;
#[cfg(feature = "local")]
mod health;
#[cfg(feature = "local")]
mod home;
#[cfg(feature = "local")]
mod live;
#[cfg(feature = "local")]
mod media;
#[cfg(feature = "local")]
mod reconcile;
#[cfg(feature = "local")]
mod restart;
#[cfg(feature = "local")]
mod show;
#[cfg(feature = "local")]
mod webhooks;
