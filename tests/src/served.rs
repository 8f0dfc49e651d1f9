//! The kit's app as a process of its own, as a user runs it: for browser tests that kill it and start it again.

pub mod person;
pub mod room;

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::net::{Ipv4Addr, TcpListener, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, PoisonError};

use anyhow::{Context, bail};
use livepeer::ApiKey;
use livepeer::studio::{StreamFilter, Studio, StudioConfig};

use crate::root;

/// The key to every served app's Livepeer, so that tests can ask it what it holds.
const LIVEPEER_KEY: &str = "the-key-that-tests-know";

/// Which program is served, and what it is built with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Build {
    package: &'static str,
    features: Option<&'static str>,
}

impl Build {
    /// The kit's app with the architecture that this Cargo feature brings, and no others.
    pub const fn of(architecture: &'static str) -> Build {
        Build {
            package: "livepeer-starter",
            features: Some(architecture),
        }
    }

    /// An example that is an app of its own.
    pub const fn example(package: &'static str) -> Build {
        Build {
            package,
            features: None,
        }
    }

    /// Builds it, once per process, and returns the program. It is optimised if this tool is.
    ///
    /// Every build has a folder of its own for what is finished, so that none takes another's place. What is intermediate
    /// they share (`build-dir` in `.cargo/config.toml`), so that what they have in common is compiled once.
    ///
    /// # Errors
    ///
    /// What cargo said, if it does not build.
    pub fn program(self) -> anyhow::Result<PathBuf> {
        static PROGRAMS: Mutex<BTreeMap<Build, PathBuf>> = Mutex::new(BTreeMap::new());
        // Held while it is built: whoever asks for the same waits for it.
        let mut programs = PROGRAMS.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(program) = programs.get(&self) {
            return Ok(program.clone());
        }
        let mut cargo = root::cargo(root::kit());
        cargo.args(["build", "--quiet", "--package", self.package, "--bins"]);
        if let Some(features) = self.features {
            let features = format!("{features},local");
            cargo.args(["--no-default-features", "--features", &features]);
        }
        if !cfg!(debug_assertions) {
            cargo.arg("--release");
        }
        let name = self.features.unwrap_or(self.package);
        let output = cargo
            .arg("--target-dir")
            .arg(root::build_folder()?.join("served").join(name))
            .args(["--message-format", "json-render-diagnostics"])
            .stderr(Stdio::inherit())
            .output()
            .context("cargo does not run")?;
        if !output.status.success() {
            bail!("{} does not build", self.package);
        }
        let built = root::executable(&output.stdout).context("cargo did not say where it is")?;
        programs.insert(self, built.clone());
        Ok(built)
    }
}

/// A running app. It is killed when dropped.
pub struct Served {
    build: Build,
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
    pub fn start(build: Build, data: &Path, extra: &[(&str, &str)]) -> anyhow::Result<Served> {
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
        let child = launch(build, port, udp, data, &extra)?;
        Ok(Served {
            build,
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
        self.child = launch(self.build, self.port, self.udp, &self.data, &self.extra)?;
        Ok(())
    }

    /// The names of the streams that stand at its Livepeer, in alphabetical order. The app ends each with its slot:
    /// `Friday in the studio (show.1)`.
    ///
    /// # Errors
    ///
    /// If Livepeer does not answer.
    pub async fn streams(&self) -> anyhow::Result<Vec<String>> {
        let api = format!("{}/livepeer/api", self.url()).parse()?;
        let studio = Studio::new(StudioConfig::new(api, ApiKey::new(LIVEPEER_KEY)))?;
        let streams = studio.list_streams(&StreamFilter::default()).await?;
        let mut names: Vec<String> = streams.into_iter().map(|stream| stream.name).collect();
        names.sort();
        Ok(names)
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        // Both fail only if it has ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn launch(
    build: Build,
    port: u16,
    udp: u16,
    data: &Path,
    extra: &[(String, String)],
) -> anyhow::Result<Child> {
    let mut command = Command::new(build.program()?);
    command
        .env("LISTEN", format!("127.0.0.1:{port}"))
        .env("LIVEPEER_LOCAL_UDP", format!("127.0.0.1:{udp}"))
        .env("DATA_DIR", data)
        .env_remove("LIVEPEER_API_URL")
        .env("LIVEPEER_API_KEY", LIVEPEER_KEY)
        .env_remove("POLICY")
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
