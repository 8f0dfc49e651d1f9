//! `cargo kit`: scaffolds projects from this repository and keeps the repository's derived files fresh.

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// The kit's own tool.
#[derive(Parser)]
#[command(
    name = "cargo kit",
    bin_name = "cargo kit",
    version,
    arg_required_else_help = true
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Make a new project from the kit, and with --run build and serve it
    New(kit::new::Args),
    /// Renew what is derived: twin files, lock file, the README's sizes, goldens
    Bless,
    /// Count the files, lines and dependencies of each project
    Sizes,
    /// Measure: join, latency and switch in real browsers, fanout under load
    #[cfg(all(feature = "lab", not(debug_assertions)))]
    Bench(kit::bench::Args),
    /// Measure: join, latency and switch in real browsers, fanout under load
    #[cfg(not(all(feature = "lab", not(debug_assertions))))]
    Bench(kit::handover::Args),
    /// Play every publisher on this machine in every browser on it, through the embedded engine
    #[cfg(feature = "lab")]
    Interop(kit::interop::Args),
    /// Play every publisher on this machine in every browser on it, through the embedded engine
    #[cfg(not(feature = "lab"))]
    Interop(kit::handover::Args),
    /// Try a WHIP or WHEP server against its specification
    #[cfg(feature = "lab")]
    Conformance(kit::conformance::Args),
    /// Try a WHIP or WHEP server against its specification
    #[cfg(not(feature = "lab"))]
    Conformance(kit::handover::Args),
    #[command(hide = true)]
    Generate(kit::generate::Args),
}

fn main() -> ExitCode {
    let done = match Cli::parse().command {
        Command::New(args) => kit::new::run(args),
        Command::Bless => kit::bless::run(),
        Command::Sizes => kit::sizes::run(),
        #[cfg(all(feature = "lab", not(debug_assertions)))]
        Command::Bench(args) => kit::bench::run(args),
        #[cfg(not(all(feature = "lab", not(debug_assertions))))]
        Command::Bench(args) => kit::handover::run("bench", args),
        #[cfg(feature = "lab")]
        Command::Interop(args) => kit::interop::run(args),
        #[cfg(not(feature = "lab"))]
        Command::Interop(args) => kit::handover::run("interop", args),
        #[cfg(feature = "lab")]
        Command::Conformance(args) => kit::conformance::run(args),
        #[cfg(not(feature = "lab"))]
        Command::Conformance(args) => kit::handover::run("conformance", args),
        Command::Generate(args) => kit::generate::run(args),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => {
            eprintln!("error: {problem:#}");
            ExitCode::FAILURE
        }
    }
}
