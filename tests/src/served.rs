//! The kit's app as a process of its own, as a user runs it: for browser tests that kill it and start it again.

use std::io::{BufRead, BufReader};
use std::net::{Ipv4Addr, TcpListener, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;

use anyhow::{Context, bail};

use crate::root;

/// Builds the app once per process and returns its program.
///
/// # Errors
///
/// What cargo said, if it does not build.
pub fn program() -> anyhow::Result<&'static Path> {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    if let Some(program) = PROGRAM.get() {
        return Ok(program);
    }
    let output = root::cargo(root::kit())
        .args([
            "build",
            "--quiet",
            "--package",
            "livepeer-starter",
            "--bin",
            "livepeer-starter",
        ])
        .args(["--message-format", "json-render-diagnostics"])
        .stderr(Stdio::inherit())
        .output()
        .context("cargo does not run")?;
    if !output.status.success() {
        bail!("the app does not build");
    }
    let built = output
        .stdout
        .split(|byte| *byte == b'\n')
        .filter_map(|line| serde_json::from_slice::<serde_json::Value>(line).ok())
        .find_map(|message| message["executable"].as_str().map(PathBuf::from))
        .context("cargo did not say where the app is")?;
    Ok(PROGRAM.get_or_init(|| built))
}

/// A running app. It is killed when dropped.
pub struct Served {
    child: Child,
    port: u16,
    udp: u16,
    data: PathBuf,
    extra: Vec<(String, String)>,
}

impl Served {
    /// Starts the app on free ports with that folder for its data, and waits until it serves. `extra` settings are
    /// added to its environment.
    ///
    /// # Errors
    ///
    /// If it does not build, or ends before it serves; its words are on standard error.
    pub fn start(data: &Path, extra: &[(&str, &str)]) -> anyhow::Result<Served> {
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?
            .local_addr()?
            .port();
        let udp = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?
            .local_addr()?
            .port();
        let extra: Vec<_> = extra
            .iter()
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
            .collect();
        let child = launch(port, udp, data, &extra)?;
        Ok(Served {
            child,
            port,
            udp,
            data: data.to_owned(),
            extra,
        })
    }

    /// Where browsers reach it, without a slash at the end.
    pub fn url(&self) -> String {
        format!("http://localhost:{}", self.port)
    }

    /// Ends it as a power cut would (SIGKILL), and starts it again on the same ports and data.
    ///
    /// # Errors
    ///
    /// If it does not come up again.
    pub fn kill_and_start_again(&mut self) -> anyhow::Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        self.child = launch(self.port, self.udp, &self.data, &self.extra)?;
        Ok(())
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        // Both fail only if it has ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn launch(port: u16, udp: u16, data: &Path, extra: &[(String, String)]) -> anyhow::Result<Child> {
    let mut command = Command::new(program()?);
    command
        .env("LISTEN", format!("127.0.0.1:{port}"))
        .env("LIVEPEER_LOCAL_UDP", format!("127.0.0.1:{udp}"))
        .env("DATA_DIR", data)
        .env_remove("LIVEPEER_API_URL")
        .env_remove("LIVEPEER_API_KEY")
        .current_dir(data)
        .stdin(Stdio::null())
        .stdout(Stdio::piped());
    for (key, value) in extra {
        command.env(key, value);
    }
    let mut child = command.spawn().context("the app does not start")?;
    let stdout = child.stdout.take().context("its output is piped")?;
    let mut lines = BufReader::new(stdout).lines();
    // It prints where it serves as soon as it does; its output ends when it does.
    let serves = lines
        .by_ref()
        .map_while(Result::ok)
        .any(|line| line.contains(&format!("http://localhost:{port}")));
    if !serves {
        let _ = child.kill();
        bail!("the app ended before it served ({})", child.wait()?);
    }
    // Whatever else it prints must not fill the pipe.
    std::thread::spawn(move || lines.map_while(Result::ok).for_each(drop));
    Ok(child)
}
