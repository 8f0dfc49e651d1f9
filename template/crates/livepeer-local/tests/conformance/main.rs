//! The local Livepeer against what it claims to be: Studio's HTTP API (`studio.rs`), a WHIP and a WHEP server (`whip.rs`,
//! `whep.rs`: one test for each requirement of `livepeer::conformance`, under its id; `policy.rs`: where it is kinder).

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod policy;
mod requirement;
mod server;
mod studio;
#[path = "../support/mod.rs"]
mod support;
mod whep;
mod whip;
