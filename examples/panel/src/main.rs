//! The starter's app with one more architecture: `cargo run -p panel`.

use std::process::ExitCode;
use std::sync::LazyLock;

use app::Kind;
use app::config::Cli;
use panel::Panel;
use tokio_util::sync::CancellationToken;

/// The panel, which the start page offers first, and what the app has built in.
static KINDS: LazyLock<Vec<Kind>> = LazyLock::new(|| [&[Kind::of::<Panel>()], app::KINDS].concat());

#[tokio::main]
async fn main() -> ExitCode {
    let cli = match Cli::read() {
        Ok(cli) => cli,
        Err(words) => words.exit(),
    };
    app::telemetry::init();
    let shutdown = CancellationToken::new();
    let running = match app::start(cli.config, &KINDS, shutdown.clone()).await {
        Ok(running) => running,
        Err(words) => {
            eprintln!("{words}");
            return ExitCode::FAILURE;
        }
    };
    println!("Open {}", running.public_url);
    if tokio::signal::ctrl_c().await.is_ok() {
        shutdown.cancel();
    }
    running.stopped().await;
    ExitCode::SUCCESS
}
