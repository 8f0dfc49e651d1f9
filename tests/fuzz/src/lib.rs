//! What is fuzzed: the engine, which with `cfg(fuzzing)` has a module of entry points, and what pages say to the app.

#![allow(dead_code, unused_imports, unexpected_cfgs)]

#[path = "../../../template/crates/livepeer-local/src/engine/mod.rs"]
pub mod engine;

#[path = "../../../template/src/live/said.rs"]
mod said;
mod socket;

pub use socket::socket;
