//! A server under test: a process of its own, of which CPU time and memory are read.

use std::fs;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, bail};
use livepeer::ApiKey;
use livepeer::studio::{NewStream, Studio, StudioConfig};

/// The key to the local Livepeer.
pub(crate) const KEY: &str = "the-key-of-the-benchmark";

/// What is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Engine {
    /// `engine.rs`.
    Ours,
    /// `broadcaster.rs`.
    Webrtc,
}

impl Engine {
    pub(crate) const ALL: [Engine; 2] = [Engine::Ours, Engine::Webrtc];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Engine::Ours => "livepeer-local",
            Engine::Webrtc => "webrtc",
        }
    }
}

/// A running server. It is killed when dropped.
pub(crate) struct Server {
    child: Child,
    engine: Engine,
    /// Without a slash at the end.
    url: String,
    streams: usize,
}

/// Where to publish a stream and where to play it.
pub(crate) struct Stream {
    pub(crate) whip: String,
    pub(crate) whep: String,
}

/// CPU time of all threads of a process so far.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cpu(Duration);

impl Cpu {
    /// The time since.
    pub(crate) fn since(self, before: Cpu) -> Duration {
        self.0.saturating_sub(before.0)
    }
}

impl Server {
    /// Starts it, and waits until it serves.
    pub(crate) fn start(engine: Engine) -> anyhow::Result<Server> {
        let mut child = Command::new(std::env::current_exe()?)
            .arg(match engine {
                Engine::Ours => "engine",
                Engine::Webrtc => "webrtc",
            })
            .env("RUST_LOG", "error")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .context("the server does not start")?;
        let stdout = child.stdout.take().context("its output is piped")?;
        let mut lines = BufReader::new(stdout).lines();
        let url = lines
            .by_ref()
            .map_while(Result::ok)
            .find_map(|line| line.starts_with("http://").then_some(line));
        let Some(url) = url else {
            let _ = child.kill();
            bail!("the server ended before it served ({})", child.wait()?);
        };
        // Whatever else it prints must not fill the pipe.
        std::thread::spawn(move || lines.map_while(Result::ok).for_each(drop));
        Ok(Server {
            child,
            engine,
            url,
            streams: 0,
        })
    }

    /// Makes one stream more.
    pub(crate) async fn stream(&mut self) -> anyhow::Result<Stream> {
        self.streams += 1;
        let name = format!("stream-{}", self.streams);
        let url = &self.url;
        if self.engine == Engine::Webrtc {
            return Ok(Stream {
                whip: format!("{url}/whip/{name}"),
                whep: format!("{url}/whep/{name}"),
            });
        }
        let api = format!("{url}/api").parse()?;
        let studio = Studio::new(StudioConfig::new(api, ApiKey::new(KEY)))?;
        let stream = studio.create_stream(&NewStream::source_only(&name)).await?;
        let whip = studio.whip_url(&stream).await?.expose().to_string();
        let playback = studio.playback(&stream.playback_id).await?;
        let whep = playback
            .whep_url()
            .context("the stream has no WHEP address")?;
        Ok(Stream {
            whip,
            whep: whep.to_string(),
        })
    }

    pub(crate) fn engine(&self) -> Engine {
        self.engine
    }

    pub(crate) fn cpu(&self) -> anyhow::Result<Cpu> {
        cpu(self.child.id())
    }

    /// Memory that is in use, in kilobytes (VmRSS).
    pub(crate) fn memory_kb(&self) -> anyhow::Result<u64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kb = line.and_then(|line| line.trim().strip_suffix(" kB")?.parse().ok());
        kb.context("the system does not say how much memory a process uses")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Both fail only if it has ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// CPU time of all threads of a process.
pub(crate) fn cpu(process: u32) -> anyhow::Result<Cpu> {
    let mut total = Duration::ZERO;
    for thread in fs::read_dir(format!("/proc/{process}/task"))? {
        // A thread may end between the two looks.
        if let Ok(account) = fs::read_to_string(thread?.path().join("schedstat")) {
            total += ran(&account)?;
        }
    }
    Ok(Cpu(total))
}

/// How long a thread ran by its `schedstat`, the scheduler's own account in nanoseconds: `stat` counts hundredths of a
/// second, which is too coarse for seconds.
pub(crate) fn ran(account: &str) -> anyhow::Result<Duration> {
    let ran = account.split(' ').next().and_then(|ran| ran.parse().ok());
    let ran = ran.context("the scheduler keeps no account")?;
    Ok(Duration::from_nanos(ran))
}

/// Time that all processors together have been idle, and all time, in hundredths of a second.
pub(crate) fn idle() -> anyhow::Result<(u64, u64)> {
    let stat = fs::read_to_string("/proc/stat")?;
    let line = stat.lines().next().unwrap_or_default();
    let times: Vec<u64> = line
        .split_whitespace()
        .skip(1)
        .filter_map(|t| t.parse().ok())
        .collect();
    // user, nice, system, idle, iowait, irq, softirq, steal; guests are counted in user.
    let idle = times
        .get(3..5)
        .context("the system has no account of itself")?
        .iter()
        .sum();
    Ok((idle, times.iter().take(8).sum()))
}
