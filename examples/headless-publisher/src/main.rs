//! Publishes a test picture with a running clock and a tone to any WHIP address.
//!
//! What it shows of the `livepeer` crate: [`WhipPublisher`] takes encoded frames, says when the server wants a keyframe,
//! and ends the session properly.

mod picture;
mod tone;

use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, ensure};
use clap::Parser;
use livepeer::media::{MediaError, WhipConfig, WhipPublisher};
use livepeer::{PlaybackToken, SecretUrl};
use openh264::OpenH264API;
use openh264::encoder::{
    BitRate, Encoder, EncoderConfig, FrameRate, IntraFramePeriod, Profile, RateControlMode,
    UsageType,
};
use tokio::time::{Instant, MissedTickBehavior, interval};

use crate::picture::Picture;
use crate::tone::Tone;

/// Seconds from one keyframe to the next, if nobody asks for one before.
const KEYFRAMES: u32 = 2;

/// How often to say how it goes.
const REPORT: Duration = Duration::from_secs(5);

/// Publishes a test picture with a running clock and a tone.
#[derive(Parser)]
#[command(version, about)]
struct Options {
    /// Where to publish (WHIP). Better given in the environment: the address may hold a key, and a command line shows.
    #[arg(env = "WHIP_URL", hide_env_values = true)]
    url: String,
    /// Sent as `Authorization: Bearer`, for servers that want it. Livepeer does not.
    #[arg(long, env = "WHIP_BEARER_TOKEN", hide_env_values = true)]
    bearer: Option<String>,
    /// Stop after so many seconds; without it, on Ctrl-C.
    #[arg(long)]
    seconds: Option<u64>,
    /// Pixels, even.
    #[arg(long, default_value_t = 1280, value_parser = clap::value_parser!(u16).range(128..=1920))]
    width: u16,
    /// Pixels, even.
    #[arg(long, default_value_t = 720, value_parser = clap::value_parser!(u16).range(96..=1920))]
    height: u16,
    /// Pictures per second.
    #[arg(long, default_value_t = 30, value_parser = clap::value_parser!(u32).range(1..=60))]
    fps: u32,
    /// Kilobits per second of the picture.
    #[arg(long, default_value_t = 1500, value_parser = clap::value_parser!(u32).range(50..=20_000))]
    bitrate: u32,
}

#[tokio::main]
async fn main() -> ExitCode {
    let filter =
        tracing_subscriber::EnvFilter::try_from_default_env().unwrap_or_else(|_| "off".into());
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .init();
    match run(Options::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run(options: Options) -> anyhow::Result<()> {
    ensure!(
        options.width.is_multiple_of(2) && options.height.is_multiple_of(2),
        "width and height must be even: H.264 keeps one colour for two by two pixels"
    );
    // What is wrong is not shown: it may hold a key.
    let url = options.url.parse::<SecretUrlArgument>()?.0;
    let mut encoder = encoder(&options)?;
    let mut tone = Tone::new()?;
    let mut picture = Picture::new(options.width.into(), options.height.into());
    let mut stop = std::pin::pin!(stopped(options.seconds.map(Duration::from_secs)));

    let config = WhipConfig {
        bearer: options.bearer.map(PlaybackToken::from),
        ..WhipConfig::new(url.clone())
    };
    let publisher = tokio::select! {
        publisher = WhipPublisher::connect(config) => publisher.with_context(|| format!("cannot publish to {}", url.origin()))?,
        () = &mut stop => return Ok(()),
    };
    println!(
        "publishing {}x{} at {} fps, {} kb/s to {}; Ctrl-C ends",
        options.width,
        options.height,
        options.fps,
        options.bitrate,
        url.origin()
    );
    let outcome = tokio::select! {
        outcome = publish(&publisher, &mut encoder, &mut picture, &mut tone, options.fps) => outcome,
        () = &mut stop => Ok(()),
    };
    publisher.close().await;
    outcome?;
    println!("ended");
    Ok(())
}

/// Makes and sends pictures and sound until the connection is over.
async fn publish(
    publisher: &WhipPublisher,
    encoder: &mut Encoder,
    picture: &mut Picture,
    tone: &mut Tone,
    fps: u32,
) -> anyhow::Result<()> {
    let begin = Instant::now();
    let mut pictures = interval(Duration::from_secs(1) / fps);
    // A picture that is late is left out; sound that is late is caught up on.
    pictures.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let mut sounds = interval(tone::PACKET);
    let mut reports = interval(REPORT);
    reports.reset();
    let mut keyframe_requests = publisher.keyframe_requests();
    let mut state = publisher.state();
    let (mut frames, mut bytes) = (0u64, 0usize);
    loop {
        tokio::select! {
            biased;
            _ = state.wait_for(|state| state.is_over()) => return Err(MediaError::Over.into()),
            _ = sounds.tick() => {
                let (packet, at) = tone.next()?;
                publisher.write_audio(packet, at).await?;
            }
            _ = pictures.tick() => {
                if keyframe_requests.has_changed().unwrap_or(false) {
                    keyframe_requests.mark_unchanged();
                    encoder.force_intra_frame();
                }
                let at = begin.elapsed();
                let frame = tokio::task::block_in_place(|| {
                    picture.draw(&jiff::Zoned::now().strftime("%H:%M:%S%.3f").to_string(), frames);
                    encoder.encode(picture).map(|stream| stream.to_vec())
                });
                let frame = frame.context("cannot encode the picture")?;
                frames += 1;
                bytes += frame.len();
                // The encoder leaves a picture out to keep to its bitrate; the next one's clock has moved on.
                if !frame.is_empty() {
                    publisher.write_video(frame.into(), at).await?;
                }
            }
            _ = reports.tick() => {
                let kilobits = bytes as u128 * 8 / REPORT.as_millis();
                println!(
                    "{} s: {frames} frames, {kilobits} kb/s, {} keyframes asked for",
                    begin.elapsed().as_secs(),
                    *keyframe_requests.borrow()
                );
                bytes = 0;
            }
        }
    }
}

/// Constrained Baseline without B-frames: what every browser decodes over WebRTC.
fn encoder(options: &Options) -> anyhow::Result<Encoder> {
    let config = EncoderConfig::new()
        .profile(Profile::Baseline)
        .usage_type(UsageType::CameraVideoRealTime)
        .rate_control_mode(RateControlMode::Bitrate)
        .bitrate(BitRate::from_bps(options.bitrate * 1000))
        .max_frame_rate(FrameRate::from_hz(options.fps as f32))
        .intra_frame_period(IntraFramePeriod::from_num_frames(options.fps * KEYFRAMES));
    Encoder::with_api_config(OpenH264API::from_source(), config)
        .context("cannot set up the H.264 encoder")
}

/// Waits for the end: so many seconds, Ctrl-C, or a polite kill.
async fn stopped(seconds: Option<Duration>) {
    let enough = async {
        match seconds {
            Some(seconds) => tokio::time::sleep(seconds).await,
            None => std::future::pending().await,
        }
    };
    #[cfg(unix)]
    let terminated = async {
        match tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()) {
            Ok(mut signal) => signal.recv().await,
            // Then only Ctrl-C ends it.
            Err(_) => std::future::pending().await,
        }
    };
    #[cfg(not(unix))]
    let terminated = std::future::pending::<Option<()>>();
    tokio::select! {
        () = enough => {}
        _ = tokio::signal::ctrl_c() => {}
        _ = terminated => {}
    }
}

/// A WHIP address whose errors do not repeat it.
struct SecretUrlArgument(SecretUrl);

impl std::str::FromStr for SecretUrlArgument {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> anyhow::Result<Self> {
        let url: url::Url = text
            .trim()
            .parse()
            .context("the address to publish to is not a URL")?;
        ensure!(
            matches!(url.scheme(), "http" | "https"),
            "the address to publish to must begin with http:// or https://, not {}:",
            url.scheme()
        );
        Ok(Self(url.into()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_that_is_wrong_is_not_repeated() {
        for wrong in ["s3cr3t", "ftp://host/s3cr3t", "https://[s3cr3t"] {
            let error = match wrong.parse::<SecretUrlArgument>() {
                Ok(_) => panic!("{wrong} is no address to publish to"),
                Err(error) => format!("{error:#}"),
            };
            assert!(!error.contains("s3cr3t"), "{error}");
        }
    }

    #[test]
    fn the_options_hold_together() {
        use clap::CommandFactory as _;
        Options::command().debug_assert();
    }
}
