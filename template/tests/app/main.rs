//! The app as its users meet it: over HTTP and WebSockets, on free ports, with a folder of its own for each test.
//!
//! One program for all of them, since linking takes longer than running. The modules mirror those of `src/`, and need no
//! architecture but [`toy`]; each real one has a module of its own. [`support`] has the browser, [`page`] what it shows,
//! [`media`] the camera and the player that they use.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod fake;
mod page;
mod support;
mod toy;

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
mod program;
#[cfg(feature = "local")]
mod reconcile;
#[cfg(feature = "local")]
mod restart;
#[cfg(feature = "local")]
mod webhooks;

// Each architecture, from the first button to the last stream.
#[cfg(feature = "hybrid")]
mod hybrid;
#[cfg(feature = "one-to-many")]
mod one_to_many;
#[cfg(feature = "one-to-one")]
mod one_to_one;
