//! WHIP and WHEP over the loopback interface: the client against another WebRTC peer, and its HTTP half against servers
//! that redirect, refuse and misbehave.
#![cfg(feature = "media")]
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used)]

mod answerer;
mod exchange;
mod requests;
mod rtp;
