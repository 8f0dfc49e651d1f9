//! What a private call in the middle of a show costs: how long the guest waits for the host's picture, and how long the
//! audience's picture stands still.

use anyhow::Context;
use serde_json::json;

use super::{Report, percentile, tenths};
use crate::served::Build;
use crate::served::person::{LIMIT, Person};
use crate::served::room::Room;

/// The audience is watched for so long after each press, in milliseconds.
const AFTERWARDS: f64 = 3000.0;

/// What `cargo kit bench switch` is told.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// How many times the host takes a viewer into a call and comes back
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=100))]
    n: u32,
    #[command(flatten)]
    report: Report,
}

/// What one call showed, in milliseconds.
struct Switch {
    /// From the host's press on accept to the guest's first picture of the host.
    guest_waits: f64,
    /// The audience's longest interval between two pictures from the press on.
    to_the_card: f64,
    /// The same when the host comes back.
    to_the_camera: f64,
}

/// A show with one who watches and one who is called, again and again.
pub(super) async fn run(args: Args) -> anyhow::Result<()> {
    let room = Room::open(Build::of("hybrid"), "hybrid").await?;
    let guest = room.guest().await?;
    let audience = room.guest().await?;
    room.go_live().await?;
    for person in [&room.host, &guest, &audience] {
        let script = include_str!("switch.js");
        person.run::<()>(script, json!([])).await?;
    }
    audience.plays("show.1").await?;
    audience
        .run::<()>("window.seen = window.bench.watch('show.1')", json!([]))
        .await?;

    let mut switches = Vec::new();
    for take in 1..=args.n {
        switches.push(
            switch(&room, &guest, &audience, take)
                .await
                .with_context(|| format!("in call {take}"))?,
        );
    }
    let reconnects: u32 = audience
        .run("return window.seen.reconnects", json!([]))
        .await?;
    report(&switches, reconnects, args.report);
    Ok(())
}

async fn switch(
    room: &Room,
    guest: &Person,
    audience: &Person,
    take: u32,
) -> anyhow::Result<Switch> {
    for viewer in [guest, audience] {
        viewer.has_only(&["show.1"]).await?;
        viewer.plays("show.1").await?;
        viewer.decodes("show.1", 30).await?;
        viewer.sees_camera("show.1").await?;
    }
    let slot = format!("call-host.{take}");
    let await_it =
        "window.first = null; window.bench.first(arguments[0]).then((at) => (window.first = at));";
    guest.run::<()>(await_it, json!([slot])).await?;
    guest.press_as("ask-call", "Ben").await?;
    let accept =
        "document.querySelector('[data-action=\"accept\"]') && window.bench.press('accept')";
    let accepted: f64 = room.host.until(accept, LIMIT).await?;
    let first: f64 = guest.until("window.first", LIMIT).await?;
    room.host.reads("You are in a call with").await?;
    audience.sees_card("show.1").await?;
    let to_the_card = gap(audience, accepted).await?;

    let back: f64 = room
        .host
        .run("return window.bench.press('hang-up')", json!([]))
        .await?;
    audience.sees_camera("show.1").await?;
    let to_the_camera = gap(audience, back).await?;
    Ok(Switch {
        guest_waits: first - accepted,
        to_the_card,
        to_the_camera,
    })
}

/// The audience's longest interval between two pictures, from a moment on.
async fn gap(audience: &Person, from: f64) -> anyhow::Result<f64> {
    let watched = format!("window.seen.pictures.at(-1) > {}", from + AFTERWARDS);
    audience.until::<bool>(&watched, LIMIT).await?;
    let pictures = "return window.seen.pictures.splice(0, window.seen.pictures.length - 1)";
    let pictures: Vec<f64> = audience.run(pictures, json!([])).await?;
    longest(&pictures, from, from + AFTERWARDS).context("no picture was shown")
}

/// The longest interval between two successive times of which the later one lies after `from` and the earlier one before
/// `until`.
fn longest(times: &[f64], from: f64, until: f64) -> Option<f64> {
    times
        .windows(2)
        .filter(|pair| pair[1] > from && pair[0] < until)
        .map(|pair| pair[1] - pair[0])
        .max_by(f64::total_cmp)
}

fn report(switches: &[Switch], reconnects: u32, report: Report) {
    let all = |of: fn(&Switch) -> f64| -> Vec<f64> { switches.iter().map(of).collect() };
    let mut waits = all(|switch| switch.guest_waits);
    let mut gaps = all(|switch| switch.to_the_card.max(switch.to_the_camera));
    let p50 = |values: &mut Vec<f64>| tenths(percentile(values, 50.0));
    let p95 = |values: &mut Vec<f64>| tenths(percentile(values, 95.0));
    if report.json {
        println!(
            "{}",
            json!({
                "bench": "switch", "n": switches.len(), "guest_first_frame_p50_ms": p50(&mut waits),
                "audience_gap_p50_ms": p50(&mut gaps), "audience_reconnects": reconnects,
            })
        );
        return;
    }
    println!("{} calls in a show        p50        p95", switches.len());
    let line = |what: &str, mut values: Vec<f64>| {
        let (p50, p95) = (p50(&mut values), p95(&mut values));
        println!("  {what:<22}{p50:>8.1} ms {p95:>8.1} ms");
    };
    line("accept to first frame", waits);
    line("gap to the card", all(|switch| switch.to_the_card));
    line("gap to the camera", all(|switch| switch.to_the_camera));
    line("the larger of the two", gaps);
    println!("  audience's reconnections {reconnects:>5}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_gap_is_that_from_the_press_on() {
        let times = [0.0, 900.0, 1000.0, 1200.0, 1230.0, 2000.0];
        assert_eq!(longest(&times, 950.0, 1210.0), Some(200.0));
        // The interval in which the press falls counts, and so does one that is not over at the end.
        assert_eq!(longest(&times, 850.0, 1210.0), Some(900.0));
        assert_eq!(longest(&times, 950.0, 1240.0), Some(770.0));
        assert_eq!(longest(&times[..1], 0.0, 1.0), None);
    }
}
