//! How long a viewer waits: from the POST of the offer to the first decoded picture.

use std::time::Duration;

use anyhow::ensure;
use serde_json::json;

use super::stage::Stage;
use super::{Codec, Report, percentile, tenths};

/// What `cargo kit bench join` is told.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// How many viewers join, one after another
    #[arg(long, default_value_t = 30, value_parser = clap::value_parser!(u32).range(1..=1000))]
    joins: u32,
    /// What the browser publishes
    #[arg(long, default_value = "vp8")]
    codec: Codec,
    #[command(flatten)]
    report: Report,
}

/// Publishes one picture from Chromium and joins it again and again, at moments unrelated to its keyframes.
pub(super) async fn run(args: Args) -> anyhow::Result<()> {
    let stage = Stage::set().await?;
    stage.publish(args.codec).await?;
    let mut waits = Vec::new();
    for join in 0..args.joins {
        // Not in step with anything that the encoder does.
        tokio::time::sleep(Duration::from_millis(u64::from(150 + join * 137 % 400))).await;
        waits.push(stage.join().await?);
    }
    stage.strike().await?;
    ensure!(!waits.is_empty(), "nobody joined");

    let (p50, p95) = (
        tenths(percentile(&mut waits, 50.0)),
        tenths(percentile(&mut waits, 95.0)),
    );
    let (least, most) = (tenths(waits[0]), tenths(waits[waits.len() - 1]));
    if args.report.json {
        println!(
            "{}",
            json!({ "bench": "join", "n": waits.len(), "p50_ms": p50, "p95_ms": p95 })
        );
    } else {
        println!(
            "POST to first decoded picture, {} joins, {}",
            waits.len(),
            args.codec.name()
        );
        println!("  least {least:>8.1} ms");
        println!("  p50   {p50:>8.1} ms");
        println!("  p95   {p95:>8.1} ms");
        println!("  most  {most:>8.1} ms");
    }
    Ok(())
}
