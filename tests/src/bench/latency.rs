//! How old a picture is when it is seen: a time code is drawn into it and read back.

use anyhow::ensure;
use serde_json::json;

use super::stage::Stage;
use super::{Codec, Report, percentile, tenths};

/// What `cargo kit bench latency` is told.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// How long to watch each way, after five seconds for a connection to settle
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=600))]
    seconds: u32,
    /// What the browser publishes
    #[arg(long, default_value = "vp8")]
    codec: Codec,
    #[command(flatten)]
    report: Report,
}

/// Watches the same picture through the engine and over a direct connection on the same page, in turns.
pub(super) async fn run(args: Args) -> anyhow::Result<()> {
    let stage = Stage::set().await?;
    let (mut engine, mut direct) = stage.latency(args.codec, args.seconds).await?;
    stage.strike().await?;
    ensure!(
        !engine.is_empty() && !direct.is_empty(),
        "no picture had a legible time code"
    );

    let p50 = (
        tenths(percentile(&mut engine, 50.0)),
        tenths(percentile(&mut direct, 50.0)),
    );
    let p95 = (
        tenths(percentile(&mut engine, 95.0)),
        tenths(percentile(&mut direct, 95.0)),
    );
    let ratio = (100.0 * p50.0 / p50.1).round() / 100.0;
    if args.report.json {
        println!(
            "{}",
            json!({
                "bench": "latency", "engine_p50_ms": p50.0, "direct_p50_ms": p50.1, "ratio": ratio,
                "engine_p95_ms": p95.0, "direct_p95_ms": p95.1, "engine_n": engine.len(), "direct_n": direct.len(),
            })
        );
    } else {
        println!(
            "Drawn to seen, {} s, {}        p50        p95   pictures",
            args.seconds,
            args.codec.name()
        );
        println!(
            "  through the engine    {:>8.1} ms {:>8.1} ms {:>8}",
            p50.0,
            p95.0,
            engine.len()
        );
        println!(
            "  browser to browser    {:>8.1} ms {:>8.1} ms {:>8}",
            p50.1,
            p95.1,
            direct.len()
        );
        println!("  ratio                 {ratio:>8.2}");
    }
    Ok(())
}
