//! The API's client against a server that notes what comes and answers as told.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used)]

mod calls;
mod failures;
mod pages;
mod server;
