//! The load's process, and how it is talked to.

use std::io::{BufRead, BufReader, Lines, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command as Process, Stdio};

use anyhow::{Context, bail};

use crate::load::{Command, Reply, Seen};
use crate::server::{Cpu, cpu};

/// A running load. It is killed when dropped.
pub(crate) struct Load {
    child: Child,
    input: ChildStdin,
    output: Lines<BufReader<ChildStdout>>,
}

impl Load {
    /// Starts it. `drop`: packets of a thousand that each viewer loses on purpose.
    pub(crate) fn start(drop: u32) -> anyhow::Result<Load> {
        let mut child = Process::new(std::env::current_exe()?)
            .args(["load", "--drop", &drop.to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .context("the load does not start")?;
        let input = child.stdin.take().context("its input is piped")?;
        let output = child.stdout.take().context("its output is piped")?;
        Ok(Load {
            child,
            input,
            output: BufReader::new(output).lines(),
        })
    }

    pub(crate) fn cpu(&self) -> anyhow::Result<Cpu> {
        cpu(self.child.id())
    }

    pub(crate) fn publish(&mut self, whips: Vec<String>) -> anyhow::Result<()> {
        self.tell(&Command::Publish(whips)).map(drop)
    }

    pub(crate) fn play(&mut self, seats: Vec<(String, usize)>) -> anyhow::Result<()> {
        self.tell(&Command::Play(seats)).map(drop)
    }

    pub(crate) fn measure(&mut self) -> anyhow::Result<()> {
        self.tell(&Command::Measure).map(drop)
    }

    pub(crate) fn report(&mut self) -> anyhow::Result<Seen> {
        match self.tell(&Command::Report)? {
            Reply::Seen(seen) => Ok(seen),
            reply => bail!("the load says {reply:?}"),
        }
    }

    /// Says something and waits for the reply.
    fn tell(&mut self, command: &Command) -> anyhow::Result<Reply> {
        writeln!(self.input, "{}", serde_json::to_string(command)?)?;
        let line = self.output.next().context("the load has ended")??;
        match serde_json::from_str(&line)? {
            Reply::Failed(why) => bail!("{why}"),
            reply => Ok(reply),
        }
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        // Both fail only if it has ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
