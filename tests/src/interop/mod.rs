//! `cargo kit interop`: whatever can publish on this machine publishes into the embedded engine, and whatever can play
//! plays it.
//!
//! What is looked for: Chromium, Firefox, and an ffmpeg with the `whip` muxer (8 or later; the variable `FFMPEG` names one
//! that is not on the PATH). What is not here is said to be not here; it is never counted as well.

mod cast;
mod stage;

use anyhow::ensure;
use clap::Args as ClapArgs;
use serde::Deserialize;
use serde_json::json;

use cast::{Browser, Publisher};
use stage::{LacksCodec, Stage};

/// What `cargo kit interop` is told.
#[derive(Debug, ClapArgs)]
pub struct Args {
    /// How long each player watches, in seconds
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=600))]
    seconds: u32,
    /// One JSON object a line instead of a table
    #[arg(long)]
    json: bool,
}

/// What a player reports.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Seen {
    codec: Option<String>,
    /// From the POST of the offer to the first picture on the screen, in milliseconds.
    join_ms: u32,
    width: u32,
    height: u32,
    frames_decoded: u32,
    frames_dropped: u32,
    /// Not every browser counts them.
    freezes: Option<u32>,
    packets_lost: i64,
    audio_packets: u32,
    audio_energy: Option<f64>,
}

impl Seen {
    /// Whether somebody who watched saw a moving picture and heard a tone.
    fn is_well(&self, seconds: u32) -> bool {
        let heard = self.audio_energy.is_none_or(|energy| energy > 0.0);
        // Half of 30 a second: a machine that encodes and decodes at once is busy.
        self.frames_decoded >= 15 * seconds && self.audio_packets > 0 && heard
    }
}

/// Plays every publisher in every player, and prints what was seen.
///
/// # Errors
///
/// If a pair that is on this machine does not work, or nothing is.
pub fn run(args: Args) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    runtime.block_on(play_all(args))
}

async fn play_all(args: Args) -> anyhow::Result<()> {
    // What the engine says of a pair that does not work; silent unless `RUST_LOG` asks.
    tracing_subscriber::fmt()
        .with_env_filter(tracing_subscriber::EnvFilter::from_default_env())
        .with_writer(std::io::stderr)
        .init();
    let players = Browser::all_here(args.json);
    let publishers = Publisher::all_here(&players, args.json);
    ensure!(
        !players.is_empty(),
        "neither Chromium nor Firefox is installed (Debian: chromium, firefox-esr)"
    );
    let stage = Stage::set().await?;
    if !args.json {
        println!(
            "| publisher | player | codec | picture | first picture | decoded | dropped | freezes | lost | sound |"
        );
        println!("|---|---|---|---|---:|---:|---:|---:|---:|---|");
    }
    let mut failed = Vec::new();
    for publisher in &publishers {
        let show = match stage.publish(publisher).await {
            Ok(show) => show,
            Err(error) => {
                report_failure(&args, &publisher.to_string(), "", &error);
                if !error.is::<LacksCodec>() {
                    failed.push(publisher.to_string());
                }
                continue;
            }
        };
        for player in &players {
            match stage.play(&show, player, args.seconds).await {
                Ok(seen) => {
                    report(&args, &publisher.to_string(), &player.to_string(), &seen);
                    if !seen.is_well(args.seconds) {
                        failed.push(format!("{publisher} in {player}"));
                    }
                }
                Err(error) => {
                    report_failure(&args, &publisher.to_string(), &player.to_string(), &error);
                    if !error.is::<LacksCodec>() {
                        failed.push(format!("{publisher} in {player}"));
                    }
                }
            }
        }
        stage.end(show).await?;
    }
    stage.strike().await;
    ensure!(failed.is_empty(), "not well: {}", failed.join("; "));
    Ok(())
}

fn report(args: &Args, publisher: &str, player: &str, seen: &Seen) {
    let sound = match seen.audio_energy {
        Some(energy) if energy > 0.0 => "heard",
        Some(_) => "silent",
        None if seen.audio_packets > 0 => "arrived",
        None => "none",
    };
    let codec = seen.codec.as_deref().unwrap_or("?");
    if args.json {
        println!(
            "{}",
            json!({
                "publisher": publisher, "player": player, "codec": codec,
                "join_ms": seen.join_ms, "width": seen.width, "height": seen.height,
                "frames_decoded": seen.frames_decoded, "frames_dropped": seen.frames_dropped,
                "freezes": seen.freezes, "packets_lost": seen.packets_lost, "sound": sound,
                "ok": seen.is_well(args.seconds),
            })
        );
        return;
    }
    let freezes = seen
        .freezes
        .map_or("–".to_owned(), |count| count.to_string());
    println!(
        "| {publisher} | {player} | {codec} | {}x{} | {} ms | {} | {} | {freezes} | {} | {sound} |",
        seen.width,
        seen.height,
        seen.join_ms,
        seen.frames_decoded,
        seen.frames_dropped,
        seen.packets_lost,
    );
}

fn report_failure(args: &Args, publisher: &str, player: &str, error: &anyhow::Error) {
    let why = format!("{error:#}");
    match args.json {
        true => println!(
            "{}",
            json!({ "publisher": publisher, "player": player, "ok": false, "why": why })
        ),
        false => println!("| {publisher} | {player} | {why} |"),
    }
}
