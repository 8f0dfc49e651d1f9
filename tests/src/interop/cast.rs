//! Who is on this machine to publish and to play.

use std::fmt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::Context;
use tempfile::TempDir;

use crate::browser;
use crate::skip::program;

/// A program that runs until this is dropped, with the profile that it wrote.
pub(super) struct Running {
    child: Child,
    _profile: Option<TempDir>,
}

impl Running {
    fn start(command: &mut Command, profile: Option<TempDir>) -> anyhow::Result<Running> {
        let child = command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .with_context(|| format!("{} does not start", command.get_program().display()))?;
        Ok(Running {
            child,
            _profile: profile,
        })
    }

    /// Whether it has ended by itself.
    pub(super) fn has_ended(&mut self) -> bool {
        !matches!(self.child.try_wait(), Ok(None))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A browser that opens one address, without a screen and without being driven.
pub(super) struct Browser {
    kind: Kind,
    program: PathBuf,
    /// As it names itself, e.g. `Firefox 153.7`.
    name: String,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Chromium,
    Firefox,
}

/// What a Firefox without a user needs: sound that starts by itself, candidates with their addresses, and no traffic of its
/// own.
const FIREFOX_PREFERENCES: &str = r#"
user_pref("media.peerconnection.ice.obfuscate_host_addresses", false);
user_pref("media.navigator.streams.fake", true);
user_pref("media.navigator.permission.disabled", true);
user_pref("media.autoplay.default", 0);
user_pref("media.autoplay.blocking_policy", 0);
user_pref("app.update.enabled", false);
user_pref("browser.shell.checkDefaultBrowser", false);
user_pref("datareporting.policy.dataSubmissionEnabled", false);
user_pref("toolkit.telemetry.reportingpolicy.firstRun", false);
user_pref("network.captive-portal-service.enabled", false);
user_pref("network.connectivity-service.enabled", false);
user_pref("browser.aboutwelcome.enabled", false);
user_pref("dom.timeout.enable_budget_timer_throttling", false);
"#;

impl Browser {
    /// Those that are installed; says which are not, unless `quiet`.
    pub(super) fn all_here(quiet: bool) -> Vec<Browser> {
        let known: [(Kind, &str, &[&str]); 2] = [
            (
                Kind::Chromium,
                "Chromium",
                &["chromium", "chromium-browser", "google-chrome"],
            ),
            (Kind::Firefox, "Firefox", &["firefox-esr", "firefox"]),
        ];
        let mut here = Vec::new();
        for (kind, name, programs) in known {
            match program(programs) {
                Some(program) => here.push(Browser {
                    kind,
                    name: format!("{name} {}", version(&program)),
                    program,
                }),
                None if !quiet => eprintln!("not here: {name}"),
                None => {}
            }
        }
        here
    }

    /// Opens an address in a profile of its own.
    pub(super) fn open(&self, url: &str) -> anyhow::Result<Running> {
        let profile = tempfile::tempdir()?;
        let mut command = Command::new(&self.program);
        match self.kind {
            Kind::Chromium => {
                command.args(browser::QUIET);
                command.arg(format!("--user-data-dir={}", profile.path().display()));
            }
            Kind::Firefox => {
                std::fs::write(profile.path().join("user.js"), FIREFOX_PREFERENCES)?;
                command.args(["--headless", "--no-remote", "--profile"]);
                command.arg(profile.path());
            }
        }
        Running::start(command.arg(url), Some(profile))
    }
}

impl fmt::Display for Browser {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

/// Somebody who publishes with WHIP.
pub(super) enum Publisher<'a> {
    /// A browser, which encodes with this codec (as RTP names it).
    Browser(&'a Browser, &'static str),
    /// ffmpeg with its `whip` muxer: H.264 and Opus.
    Ffmpeg { program: PathBuf, name: String },
}

impl<'a> Publisher<'a> {
    /// Those that are installed; says which are not, unless `quiet`.
    pub(super) fn all_here(browsers: &'a [Browser], quiet: bool) -> Vec<Publisher<'a>> {
        let mut here: Vec<Publisher> = browsers
            .iter()
            .flat_map(|browser| ["VP8", "H264"].map(|codec| Publisher::Browser(browser, codec)))
            .collect();
        let named = std::env::var_os("FFMPEG").map(PathBuf::from);
        match named.or_else(|| program(&["ffmpeg"])) {
            Some(program) if has_whip(&program) => here.push(Publisher::Ffmpeg {
                name: format!("ffmpeg {}", version(&program)),
                program,
            }),
            _ if !quiet => eprintln!("not here: an ffmpeg with the whip muxer (8 or later)"),
            _ => {}
        }
        here
    }

    /// Starts publishing. A browser reports by itself once it is connected, under `id`.
    pub(super) fn start(&self, page: &str, whip: &str, id: u32) -> anyhow::Result<Running> {
        match self {
            Publisher::Browser(browser, codec) => {
                let query = [
                    ("role", "publish"),
                    ("url", whip),
                    ("codec", codec),
                    ("id", &id.to_string()),
                ];
                browser.open(reqwest::Url::parse_with_params(page, query)?.as_str())
            }
            Publisher::Ffmpeg { program, .. } => {
                let mut command = Command::new(program);
                command.args(["-hide_banner", "-nostdin", "-re"]);
                command.args(["-f", "lavfi", "-i", "testsrc2=size=640x360:rate=30"]);
                command.args(["-f", "lavfi", "-i", "sine=frequency=440:sample_rate=48000"]);
                command.args([
                    "-c:v",
                    "libx264",
                    "-preset",
                    "ultrafast",
                    "-tune",
                    "zerolatency",
                ]);
                command.args(["-profile:v", "baseline", "-bf", "0", "-g", "60"]);
                command.args(["-pix_fmt", "yuv420p", "-c:a", "libopus", "-ac", "2"]);
                Running::start(command.args(["-f", "whip", whip]), None)
            }
        }
    }

    /// Whether it tells when it is connected.
    pub(super) fn reports(&self) -> bool {
        matches!(self, Publisher::Browser(..))
    }
}

impl fmt::Display for Publisher<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Publisher::Browser(browser, codec) => write!(f, "{browser}, {codec}"),
            Publisher::Ffmpeg { name, .. } => f.write_str(name),
        }
    }
}

/// The version number in what a program says of itself; empty if it says none.
fn version(program: &Path) -> String {
    let flag = match is_ffmpeg(program) {
        true => "-version",
        false => "--version",
    };
    let said = Command::new(program).arg(flag).output();
    let said = said.map(|said| String::from_utf8_lossy(&said.stdout).into_owned());
    let said = said.unwrap_or_default();
    let number = said
        .split_whitespace()
        .map(|word| word.trim_start_matches('n'))
        .find(|word| word.starts_with(|first: char| first.is_ascii_digit()));
    let number = number.unwrap_or_default();
    let mut parts = number.split(['.', '-', '_']);
    match (parts.next(), parts.next()) {
        (Some(major), Some(minor)) => format!("{major}.{minor}"),
        _ => number.to_owned(),
    }
}

fn is_ffmpeg(program: &Path) -> bool {
    let name = program.file_name().and_then(|name| name.to_str());
    name.is_some_and(|name| name.starts_with("ffmpeg"))
}

fn has_whip(program: &Path) -> bool {
    let muxers = Command::new(program)
        .args(["-hide_banner", "-muxers"])
        .output();
    muxers.is_ok_and(|listed| String::from_utf8_lossy(&listed.stdout).contains(" whip "))
}
