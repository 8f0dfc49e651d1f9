//! What it costs to send a picture on: the engine against a plain broadcaster on the `webrtc` crate, under the same load in
//! the same run. `cargo kit bench fanout` builds and runs it.
//!
//! One program, several processes: `bench.rs` starts a server under test (`server.rs`), which is either `engine.rs` or
//! `broadcaster.rs`, and the load (`load_process.rs`, `load/`); it tells the load what to do and looks at the server's CPU
//! time and memory. `load/floor.rs` is what the system takes alone. What comes of it is in `figures.rs`.

mod bench;
mod broadcaster;
mod engine;
mod figures;
mod load;
mod load_process;
mod server;

use clap::{Parser, Subcommand};

/// CPU time, memory and delay for each viewer: the engine, and a broadcaster on the `webrtc` crate.
#[derive(Parser)]
#[command(
    name = "cargo kit bench fanout",
    args_conflicts_with_subcommands = true
)]
struct Cli {
    #[command(subcommand)]
    role: Option<Role>,
    #[command(flatten)]
    args: bench::Args,
}

/// What this process is, if it is not the benchmark itself.
#[derive(Subcommand)]
enum Role {
    /// The load
    #[command(hide = true)]
    Load(load::Args),
    /// A bare sender
    #[command(hide = true)]
    Floor(load::floor::Args),
    /// The engine, as an app has it
    #[command(hide = true)]
    Engine,
    /// The broadcaster on the `webrtc` crate
    #[command(hide = true)]
    Webrtc,
}

fn main() -> anyhow::Result<()> {
    let cli = Cli::parse();
    let runtime = || {
        tokio::runtime::Builder::new_multi_thread()
            .enable_all()
            .build()
    };
    match cli.role {
        None => runtime()?.block_on(bench::run(cli.args)),
        Some(Role::Load(args)) => load::run(&args),
        Some(Role::Floor(args)) => load::floor::run(&args),
        Some(Role::Engine) => runtime()?.block_on(engine::serve()),
        Some(Role::Webrtc) => runtime()?.block_on(broadcaster::serve()),
    }
}
