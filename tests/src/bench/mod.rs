//! `cargo kit bench`: performance, measured in a real browser against the real engine.
//!
//! Figures are only as good as the machine is quiet, so each benchmark gives ratios or distributions taken in one run.
//! Nothing here asserts a time. The engine is built as users run it in production: `--release`.

mod join;
mod latency;
mod stage;
mod switch;

use clap::{Args as ClapArgs, Subcommand};

/// What `cargo kit bench` is told.
#[derive(Debug, ClapArgs)]
pub struct Args {
    #[command(subcommand)]
    bench: Bench,
}

#[derive(Debug, Subcommand)]
enum Bench {
    /// CPU time, memory and delay for each viewer, against a broadcaster on the `webrtc` crate
    Fanout(crate::handover::Args),
    /// From a viewer's POST to the first decoded picture
    Join(join::Args),
    /// From drawing a picture to seeing it: through the engine, and straight from browser to browser
    Latency(latency::Args),
    /// A host who takes a viewer private in the middle of a show: the guest's wait, and the gap in the audience's picture
    Switch(switch::Args),
}

/// How a benchmark reports.
#[derive(Clone, Copy, Debug, ClapArgs)]
struct Report {
    /// One JSON object a line instead of a table
    #[arg(long)]
    json: bool,
}

/// Which codec the browser publishes.
#[derive(Clone, Copy, Debug, clap::ValueEnum)]
#[value(rename_all = "lower")]
enum Codec {
    Vp8,
    H264,
}

impl Codec {
    /// As RTP names it (RFC 7741, RFC 6184).
    fn name(self) -> &'static str {
        match self {
            Codec::Vp8 => "VP8",
            Codec::H264 => "H264",
        }
    }
}

/// Runs one benchmark.
///
/// # Errors
///
/// If Chromium or chromedriver is missing, or something fails on the way.
pub fn run(args: Args) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    match args.bench {
        Bench::Fanout(args) => crate::handover::fanout(args),
        Bench::Join(args) => runtime.block_on(join::run(args)),
        Bench::Latency(args) => runtime.block_on(latency::run(args)),
        Bench::Switch(args) => runtime.block_on(switch::run(args)),
    }
}

/// The `p`th percentile (0 to 100) of what was measured, by nearest rank. `values` must not be empty.
fn percentile(values: &mut [f64], p: f64) -> f64 {
    values.sort_by(f64::total_cmp);
    let rank = (p / 100.0 * values.len() as f64).ceil() as usize;
    values[rank.clamp(1, values.len()) - 1]
}

/// Rounded to a tenth, which is finer than any of these is repeatable.
fn tenths(value: f64) -> f64 {
    (value * 10.0).round() / 10.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_by_nearest_rank() {
        let mut values = [5.0, 1.0, 4.0, 2.0, 3.0];
        assert_eq!(percentile(&mut values, 50.0), 3.0);
        assert_eq!(percentile(&mut values, 95.0), 5.0);
        assert_eq!(percentile(&mut values, 0.0), 1.0);
        assert_eq!(percentile(&mut [7.0], 50.0), 7.0);
    }
}
