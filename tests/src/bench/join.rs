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
    /// Wait before each join until the last keyframe is too old to be shown from: a new one must come
    #[arg(long)]
    cold: bool,
    #[command(flatten)]
    report: Report,
}

/// The engine shows a joiner nothing older than five seconds. Chromium sends a keyframe only if it is asked to, and only
/// joiners have it asked.
const COLD: Duration = Duration::from_millis(5500);

/// Publishes one picture from Chromium and joins it again and again, at moments unrelated to its keyframes.
pub(super) async fn run(args: Args) -> anyhow::Result<()> {
    let stage = Stage::set().await?;
    stage.publish(args.codec).await?;
    let mut waits = Vec::new();
    for join in 0..args.joins {
        // Not in step with anything that the encoder does.
        let pause = Duration::from_millis(u64::from(150 + join * 137 % 400));
        let pause = if args.cold { COLD + pause } else { pause };
        tokio::time::sleep(pause).await;
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
        let mut line = json!({ "bench": "join", "n": waits.len(), "p50_ms": p50, "p95_ms": p95 });
        if args.cold {
            line["cold"] = true.into();
        }
        println!("{line}");
    } else {
        println!(
            "POST to first decoded picture, {} joins, {}{}",
            waits.len(),
            args.codec.name(),
            if args.cold {
                ", each long after the last keyframe"
            } else {
                ""
            }
        );
        println!("  least {least:>8.1} ms");
        println!("  p50   {p50:>8.1} ms");
        println!("  p95   {p95:>8.1} ms");
        println!("  most  {most:>8.1} ms");
    }
    Ok(())
}
