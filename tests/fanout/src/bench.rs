//! The series: which steps there are, what each of them goes through, and what is told in the end.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use anyhow::ensure;

use crate::figures::{Figures, HEAD};
use crate::load::floor;
use crate::load_process::Load;
use crate::server::{Engine, Server, Stream, idle};

/// From the last join to the first look.
const SETTLING: Duration = Duration::from_secs(2);
/// A publisher has filled its buffers before the memory of viewers is looked at: 4096 packets at 270 a second.
const WARMING: Duration = Duration::from_secs(16);

/// What `cargo kit bench fanout` is told.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Audiences of one publisher, smallest first: each step adds to the one before
    #[arg(long, value_delimiter = ',', default_value = "50,100,200,400,800,1600")]
    viewers: Vec<usize>,
    /// Numbers of publishers, smallest first; `--publishers 0` leaves that series out
    #[arg(long, value_delimiter = ',', default_value = "1,10,50,100,200")]
    publishers: Vec<usize>,
    /// Viewers of each publisher where there are several
    #[arg(long, default_value_t = 2)]
    viewers_each: usize,
    /// How long each step is measured
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u64).range(1..=600))]
    seconds: u64,
    /// How often everything is done, the engines taking turns; the figures are medians
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=20))]
    repetitions: u32,
    /// Packets of a thousand that every viewer loses on purpose, and asks for again
    #[arg(long, default_value_t = 0, value_parser = clap::value_parser!(u32).range(0..=500))]
    drop: u32,
    /// One JSON object a line instead of tables
    #[arg(long)]
    json: bool,
}

/// Runs all series, and reports.
pub(crate) async fn run(args: Args) -> anyhow::Result<()> {
    ensure!(
        args.viewers.is_sorted() && args.publishers.is_sorted(),
        "--viewers and --publishers begin with the smallest: each step adds to the one before"
    );
    let mut series = vec![Plan::audiences(&args)];
    if args.publishers.iter().any(|count| *count > 0) {
        series.push(Plan::publishers(&args));
    }
    for plan in series {
        let mut all: BTreeMap<(Step, Engine), Vec<Figures>> = BTreeMap::new();
        for repetition in 1..=args.repetitions {
            eprintln!("a bare sender, {repetition} of {}", args.repetitions);
            let floors = plan.steps.iter().map(|step| floor::measure(step.viewers));
            let floors: Vec<f64> = floors.collect::<anyhow::Result<_>>()?;
            for engine in Engine::ALL {
                eprintln!("{}, {} of {}", engine.name(), repetition, args.repetitions);
                for figures in play(&plan, engine, &floors, &args).await? {
                    let step = Step {
                        publishers: figures.publishers,
                        viewers: figures.viewers,
                    };
                    all.entry((step, engine)).or_default().push(figures);
                }
            }
        }
        let medians: Vec<Figures> = all.values().filter_map(|of| Figures::median(of)).collect();
        if args.json {
            medians
                .iter()
                .for_each(|figures| println!("{}", figures.json()));
        } else {
            println!("{HEAD}");
            medians
                .iter()
                .for_each(|figures| println!("{}", figures.row()));
            println!();
            ratios(&medians);
        }
    }
    Ok(())
}

/// How the two engines compare, step by step.
fn ratios(medians: &[Figures]) {
    for pair in medians.windows(2) {
        let [ours, other] = pair else { continue };
        if (ours.publishers, ours.viewers) == (other.publishers, other.viewers) {
            println!(
                "{} publishers, {} viewers: {:.2} of the CPU of {}, {:.2} of its memory",
                ours.publishers,
                ours.viewers,
                ours.us_per_packet / other.us_per_packet,
                other.engine.name(),
                ours.kb_per_viewer / other.kb_per_viewer,
            );
        }
    }
    println!();
}

/// What a series goes through.
struct Plan {
    steps: Vec<Step>,
    /// How long to wait before the memory is looked at for the first time.
    warming: Duration,
}

/// How many there are, all in all.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Step {
    publishers: usize,
    viewers: usize,
}

impl Plan {
    fn audiences(args: &Args) -> Plan {
        let steps = args.viewers.iter().map(|viewers| Step {
            publishers: 1,
            viewers: *viewers,
        });
        Plan {
            steps: steps.collect(),
            warming: WARMING,
        }
    }

    fn publishers(args: &Args) -> Plan {
        let steps = args.publishers.iter().map(|publishers| Step {
            publishers: *publishers,
            viewers: publishers * args.viewers_each,
        });
        Plan {
            steps: steps.collect(),
            warming: Duration::ZERO,
        }
    }
}

/// Goes through a series with one engine, as far as the machine bears it.
///
/// `floors`: what a bare sender takes for each packet in each step.
async fn play(
    plan: &Plan,
    engine: Engine,
    floors: &[f64],
    args: &Args,
) -> anyhow::Result<Vec<Figures>> {
    let mut server = Server::start(engine)?;
    let mut load = Load::start(args.drop)?;
    let mut streams: Vec<Stream> = Vec::new();
    let (mut viewers, mut base) = (0, None);
    let mut all = Vec::new();
    for (step, floor) in plan.steps.iter().zip(floors) {
        let mut whips = Vec::new();
        while streams.len() < step.publishers {
            let stream = server.stream().await?;
            whips.push(stream.whip.clone());
            streams.push(stream);
        }
        load.publish(whips)?;
        let before = match base {
            Some(before) => before,
            None => {
                tokio::time::sleep(plan.warming).await;
                *base.insert(server.memory_kb()?)
            }
        };
        let seats = (viewers..step.viewers).map(|viewer| {
            let publisher = viewer % streams.len();
            (streams[publisher].whep.clone(), publisher)
        });
        let joined = load.play(seats.collect());
        viewers = step.viewers;
        if let Err(why) = joined {
            eprintln!("  {viewers} viewers are too many: {why:#}");
            break;
        }
        let figures = measure(&mut load, &server, *step, before, *floor, args).await?;
        eprintln!("  {}", figures.row());
        let processors = std::thread::available_parallelism()?;
        let last = figures.is_overloaded(processors.get());
        all.push(figures);
        if last {
            eprintln!("  the machine bears no more");
            break;
        }
    }
    Ok(all)
}

async fn measure(
    load: &mut Load,
    server: &Server,
    step: Step,
    memory_before: u64,
    floor: f64,
    args: &Args,
) -> anyhow::Result<Figures> {
    tokio::time::sleep(SETTLING).await;
    let (cpu, load_cpu, machine) = (server.cpu()?, load.cpu()?, idle()?);
    load.measure()?;
    let began = Instant::now();
    tokio::time::sleep(Duration::from_secs(args.seconds)).await;
    let (used, machine_after) = (server.cpu()?.since(cpu), idle()?);
    let (load_used, took) = (load.cpu()?.since(load_cpu), began.elapsed().as_secs_f64());
    let seen = load.report()?;
    let memory = server.memory_kb()?;
    ensure!(seen.packets > 0, "no packet reached a viewer");
    ensure!(
        seen.decrypted > 0 && seen.undecryptable == 0,
        "of the packets to decrypt, {} were decrypted and {} were not",
        seen.decrypted,
        seen.undecryptable
    );
    let packets = seen.packets as f64;
    let all = (machine_after.1 - machine.1).max(1) as f64;
    Ok(Figures {
        engine: server.engine(),
        publishers: step.publishers,
        viewers: step.viewers,
        us_per_packet: used.as_secs_f64() * 1e6 / packets,
        floor_us_per_packet: floor,
        packets_per_second: packets / took,
        loss_percent: 100.0 * seen.lost as f64 / (packets + seen.lost as f64),
        delay_p50_ms: seen.delay_p50_ms,
        delay_p99_ms: seen.delay_p99_ms,
        kb_per_viewer: memory.saturating_sub(memory_before) as f64 / step.viewers as f64,
        join_p50_ms: seen.join_p50_ms,
        nacks_per_mille: 1000.0 * seen.nacks as f64 / packets,
        repaired_per_mille: 1000.0 * seen.repaired as f64 / packets,
        idle_percent: 100.0 * (machine_after.0 - machine.0) as f64 / all,
        server_cores: used.as_secs_f64() / took,
        load_cores: load_used.as_secs_f64() / took,
    })
}
