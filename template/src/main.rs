//! The start, told.

use std::process::ExitCode;

use app::config::{Cli, Command, Config};
use app::{doctor, telemetry};
use tokio_util::sync::CancellationToken;

#[tokio::main]
async fn main() -> ExitCode {
    // What is wrong with the configuration is said in words that name the key and the mend.
    let cli = match Cli::read() {
        Ok(cli) => cli,
        Err(words) => words.exit(),
    };
    telemetry::init();
    match cli.command.unwrap_or(Command::Serve) {
        Command::Doctor => examine(&cli.config).await,
        Command::Serve => serve(cli.config).await,
    }
}

async fn serve(config: Config) -> ExitCode {
    // One token stops everything. Tests bring their own.
    let shutdown = CancellationToken::new();
    tokio::spawn(cancel_on_signal(shutdown.clone()));

    // The database, the port, the built-in Livepeer if it is wanted, a look at Livepeer, and the sessions as they were.
    let running = match app::start(config, app::KINDS, shutdown).await {
        Ok(running) => running,
        Err(words) => {
            eprintln!("{words}");
            return ExitCode::FAILURE;
        }
    };
    println!("Open {}", running.public_url);

    // Pages are told that the server restarts; streams go on, and so do the sessions when it is back.
    running.stopped().await;
    ExitCode::SUCCESS
}

async fn examine(config: &Config) -> ExitCode {
    let found = doctor::examine(config, app::KINDS).await;
    for finding in &found {
        match finding {
            Ok(words) => println!("  ok    {words}"),
            Err(words) => println!("  MEND  {words}"),
        }
    }
    match found.iter().all(Result::is_ok) {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    }
}

/// Waits for Ctrl-C, or for what a supervisor sends.
async fn cancel_on_signal(shutdown: CancellationToken) {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        if let Ok(mut terminated) = signal(SignalKind::terminate()) {
            tokio::select! {
                _ = tokio::signal::ctrl_c() => {}
                _ = terminated.recv() => {}
            }
            return shutdown.cancel();
        }
    }
    if tokio::signal::ctrl_c().await.is_ok() {
        shutdown.cancel();
    }
}
