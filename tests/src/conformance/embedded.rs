//! The embedded engine as a server under test: the one of its own tests.

#[path = "../../../template/crates/livepeer-local/tests/conformance/server.rs"]
mod server;

pub(super) use server::Server;
