//! Every knob of the app. The doc comments are the manual: `cargo run -- --help` prints them, `.env.example` lists them.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use clap::error::ErrorKind;
use clap::{CommandFactory, Parser, Subcommand};
use livepeer::ApiKey;
use livepeer::studio::Profile;
use serde_json::{Map, Value};
use url::Url;

use crate::secret::Secret;

/// Interactive video on Livepeer.
#[derive(Debug, Parser)]
#[command(version, about)]
pub struct Cli {
    /// What to do; serves the app when left out.
    #[command(subcommand)]
    pub command: Option<Command>,
    /// How to do it.
    #[command(flatten)]
    pub config: Config,
}

impl Cli {
    /// Reads the command line, the environment and `.env`.
    ///
    /// # Errors
    ///
    /// Help that was asked for, or which setting is wrong and how to mend it: to be printed as it is.
    pub fn read() -> Result<Cli, clap::Error> {
        // No `.env` is normal: everything has a default.
        let _ = dotenvy::dotenv();
        Cli::read_from(std::env::args_os())
    }

    fn read_from(
        arguments: impl IntoIterator<Item = impl Into<OsString> + Clone>,
    ) -> Result<Cli, clap::Error> {
        let mut cli = Cli::try_parse_from(arguments)?;
        // `LIVEPEER_API_KEY=` in a file means that there is none.
        cli.config
            .livepeer_api_key
            .take_if(|key| key.expose().is_empty());
        check_secrets(&cli.config)
            .map_err(|words| Cli::command().error(ErrorKind::ValueValidation, words))?;
        Ok(cli)
    }
}

/// What the program can do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Subcommand)]
pub enum Command {
    /// Serve the app (the default).
    Serve,
    /// Check the configuration, the database, Livepeer and the network, and say what to mend.
    Doctor,
}

/// Each setting is a flag, an environment variable, or a line in `.env`; the first of these that is there counts.
#[derive(Clone, Debug, Parser)]
#[allow(rustdoc::bare_urls)] // They are printed by `--help`.
pub struct Config {
    /// Address and port to serve on. Port 0 takes any free one.
    #[arg(long, env = "LISTEN", default_value = Config::LISTEN, value_parser = listen, global = true)]
    pub listen: SocketAddr,

    /// Where browsers reach the app, such as https://live.example.org. Cameras work on https and on localhost only.
    /// [default: http://localhost with the port of LISTEN]
    #[arg(long, env = "PUBLIC_URL", value_parser = public_url, global = true)]
    pub public_url: Option<Url>,

    /// Folder of the database and of everything else that must survive a restart. Back it up; keep it private.
    #[arg(long, env = "DATA_DIR", default_value = Config::DATA_DIR, global = true)]
    pub data_dir: PathBuf,

    /// Livepeer's API. [default: the Livepeer built into this program, or https://livepeer.studio/api if it was built
    /// without]
    #[arg(long, env = "LIVEPEER_API_URL", value_parser = api_url, global = true)]
    pub livepeer_api_url: Option<Url>,

    /// The key to Livepeer's API. The built-in Livepeer makes its own.
    #[arg(long, env = "LIVEPEER_API_KEY", hide_env_values = true, global = true)]
    pub livepeer_api_key: Option<ApiKey>,

    /// What audiences on weak connections get besides the source, as name:width x height:bits per second, separated by
    /// commas. Each is paid for by the minute; `none` turns them off.
    #[arg(long, env = "LIVEPEER_RENDITIONS", default_value = Config::RENDITIONS, value_parser = renditions, global = true)]
    pub livepeer_renditions: Renditions,

    /// The UDP address on which the built-in Livepeer takes and sends media. `[::]` is every address of this machine,
    /// of IPv4 and, where it has that, of IPv6.
    #[arg(long, env = "LIVEPEER_LOCAL_UDP", default_value = Config::LOCAL_UDP, value_parser = local_udp, global = true)]
    pub livepeer_local_udp: SocketAddr,

    /// Where it takes media over TCP from browsers whose network blocks UDP: `same` is the address and the number of the
    /// UDP port, another address may be one that strict networks leave open, such as 0.0.0.0:443, and `off` is none.
    #[arg(long, env = "LIVEPEER_LOCAL_TCP", default_value = Config::LOCAL_TCP, value_parser = local_tcp, global = true)]
    pub livepeer_local_tcp: LocalTcp,

    /// The addresses under which browsers reach those ports, separated by commas. [default: those of this machine]
    #[arg(long, env = "LIVEPEER_LOCAL_ADVERTISE", value_delimiter = ',', value_parser = advertise, global = true)]
    pub livepeer_local_advertise: Vec<IpAddr>,

    /// Which WHIP and WHEP server the built-in Livepeer is: `lenient`, the standards' one; `strict`, that to the letter;
    /// `studio`, as at Livepeer Studio, with a redirect and nothing after the offer, to try the pages against.
    #[arg(long, env = "LIVEPEER_LOCAL_FIDELITY", default_value = "lenient", value_parser = fidelity, global = true)]
    pub livepeer_local_fidelity: Fidelity,

    /// Every request comes through a proxy that writes `X-Forwarded-For`: the built-in Livepeer then counts how often
    /// somebody asks by the last address in it. Without this the header is not believed.
    #[arg(long, env = "LIVEPEER_LOCAL_BEHIND_PROXY", global = true)]
    pub livepeer_local_behind_proxy: bool,

    /// What identity cookies are signed with: at least 64 characters, the same on every restart. [default: made once
    /// and kept in DATA_DIR]
    #[arg(long, env = "SESSION_SECRET", hide_env_values = true, global = true)]
    pub session_secret: Option<Secret>,

    /// Settings of the architectures: a JSON object of one object for each, by its name. The README of each lists what
    /// it has; what is not set is as it says there. A session keeps those with which it was created.
    #[arg(long, env = "POLICY", default_value = Config::POLICY, value_parser = policy, global = true)]
    pub policy: Policies,

    /// How often to ask Livepeer how the streams are, in seconds, from 1 to 60. Webhooks tell sooner, where Livepeer can
    /// reach PUBLIC_URL.
    #[arg(long, env = "POLL_SECONDS", default_value_t = Config::POLL, value_parser = poll, global = true)]
    pub poll_seconds: u64,

    /// How long somebody without a connection counts as being there, in seconds, from 1 to 600: a reload is no departure.
    #[arg(long, env = "LEAVE_SECONDS", default_value_t = Config::LEAVE, value_parser = leave, global = true)]
    pub leave_seconds: u64,

    /// How long after the start the streams of a session live on that this version cannot run, in seconds: long enough to
    /// put another version in its place. Not to be set from outside.
    #[arg(skip = Config::MENDED)]
    pub mended_seconds: u64,
}

impl Config {
    const LISTEN: &'static str = "127.0.0.1:3000";
    const DATA_DIR: &'static str = "./data";
    const LOCAL_UDP: &'static str = "[::]:7300";
    const LOCAL_TCP: &'static str = "same";
    const RENDITIONS: &'static str = "360p:640x360:800000,720p:1280x720:3000000";
    const POLICY: &'static str = "{}";
    const POLL: u64 = 5;
    const LEAVE: u64 = 8;
    const MENDED: u64 = 10 * 60;

    /// The defaults on free ports with that folder, untouched by the environment: where every test begins.
    pub fn on_free_ports(data_dir: PathBuf) -> Config {
        Config {
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            public_url: None,
            data_dir,
            livepeer_api_url: None,
            livepeer_api_key: None,
            livepeer_renditions: renditions(Config::RENDITIONS).unwrap_or_default(),
            livepeer_local_udp: SocketAddr::from(([127, 0, 0, 1], 0)),
            livepeer_local_tcp: LocalTcp::Same,
            livepeer_local_advertise: Vec::new(),
            livepeer_local_fidelity: Fidelity::Lenient,
            livepeer_local_behind_proxy: false,
            session_secret: None,
            policy: Policies::default(),
            poll_seconds: Config::POLL,
            leave_seconds: Config::LEAVE,
            mended_seconds: Config::MENDED,
        }
    }

    /// The time between two looks at Livepeer.
    pub fn poll(&self) -> Duration {
        Duration::from_secs(self.poll_seconds)
    }

    /// How long somebody without a connection counts as being there.
    pub fn leave(&self) -> Duration {
        Duration::from_secs(self.leave_seconds)
    }

    /// Where browsers reach the app, given the address that it was found to listen on.
    pub fn public_url(&self, listening: SocketAddr) -> Url {
        self.public_url.clone().unwrap_or_else(|| {
            let mut url = LOCALHOST.clone();
            // Setting a port fails only for addresses without a host, which this is not.
            let _ = url.set_port(Some(listening.port()));
            url
        })
    }
}

static LOCALHOST: std::sync::LazyLock<Url> = std::sync::LazyLock::new(|| {
    #[expect(clippy::expect_used, reason = "a constant, checked by every test")]
    Url::parse("http://localhost").expect("an address")
});

/// Which WHIP and WHEP server the built-in Livepeer is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fidelity {
    /// The standards' one, kind to the clients that there are.
    Lenient,
    /// The standards' one, to the letter.
    Strict,
    /// As at Livepeer Studio.
    Studio,
}

/// What is set for each architecture, by its name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Policies(pub BTreeMap<String, Value>);

/// What a stream for an audience is transcoded to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Renditions(pub Vec<Profile>);

/// Where the built-in Livepeer takes media over TCP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LocalTcp {
    /// At the address of the UDP port.
    Same,
    /// At this one.
    At(SocketAddr),
    /// Nowhere.
    Off,
}

fn listen(text: &str) -> Result<SocketAddr, String> {
    text.parse().map_err(|_| {
        format!("LISTEN is {text:?}; it must be an address with a port, such as 127.0.0.1:3000")
    })
}

fn local_udp(text: &str) -> Result<SocketAddr, String> {
    text.parse().map_err(|_| {
        format!(
            "LIVEPEER_LOCAL_UDP is {text:?}; it must be an address with a port, such as [::]:7300"
        )
    })
}

fn local_tcp(text: &str) -> Result<LocalTcp, String> {
    match text.trim() {
        "same" => Ok(LocalTcp::Same),
        "off" => Ok(LocalTcp::Off),
        address => address.parse().map(LocalTcp::At).map_err(|_| {
            format!(
                "LIVEPEER_LOCAL_TCP is {text:?}; it must be same, off, or an address with a port, such as 0.0.0.0:443"
            )
        }),
    }
}

fn advertise(text: &str) -> Result<IpAddr, String> {
    text.trim().parse().map_err(|_| {
        format!(
            "LIVEPEER_LOCAL_ADVERTISE has {text:?}; it must be IP addresses with commas between, such as 203.0.113.7"
        )
    })
}

fn fidelity(text: &str) -> Result<Fidelity, String> {
    match text.trim() {
        "lenient" => Ok(Fidelity::Lenient),
        "strict" => Ok(Fidelity::Strict),
        "studio" => Ok(Fidelity::Studio),
        _ => Err(format!(
            "LIVEPEER_LOCAL_FIDELITY is {text:?}; it must be lenient, strict or studio"
        )),
    }
}

fn public_url(text: &str) -> Result<Url, String> {
    let mend =
        "it must be where browsers reach the app, such as https://live.example.org, without a path";
    let url = web_address(text).ok_or_else(|| format!("PUBLIC_URL is {text:?}; {mend}"))?;
    if url.path() != "/" || url.query().is_some() || url.fragment().is_some() {
        return Err(format!("PUBLIC_URL is {text:?}; {mend}"));
    }
    Ok(url)
}

fn api_url(text: &str) -> Result<Url, String> {
    web_address(text).ok_or_else(|| {
        format!("LIVEPEER_API_URL is {text:?}; it must be a web address, such as https://livepeer.studio/api")
    })
}

fn policy(text: &str) -> Result<Policies, String> {
    // Docker passes on the quotes that other readers of `.env` take off.
    let json = text.trim();
    let quoted = json
        .strip_prefix('\'')
        .and_then(|json| json.strip_suffix('\''));
    let json = match quoted.unwrap_or(json) {
        "" => Config::POLICY,
        json => json,
    };
    let by_name: Result<BTreeMap<String, Map<String, Value>>, _> = serde_json::from_str(json);
    match by_name {
        Ok(by_name) => Ok(Policies(
            by_name
                .into_iter()
                .map(|(name, settings)| (name, settings.into()))
                .collect(),
        )),
        Err(why) => Err(format!(
            "POLICY is {text:?} ({why}); it must be a JSON object of objects, such as \
             {{\"ARCHITECTURE\":{{\"SETTING\":1}}}}, and stand within single quotes in .env"
        )),
    }
}

fn web_address(text: &str) -> Option<Url> {
    Url::parse(text.trim())
        .ok()
        .filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host())
}

/// Checks what the parser must not check, because it would print what it refuses.
fn check_secrets(config: &Config) -> Result<(), String> {
    let signs_in = |url: &Url| !url.username().is_empty() || url.password().is_some();
    if config.public_url.as_ref().is_some_and(signs_in) {
        return Err(
            "PUBLIC_URL has a user or a password in it, which every page would show; remove them, and everything else \
             between // and the name of the host".into(),
        );
    }
    let graphic = |key: &ApiKey| key.expose().bytes().all(|b| b.is_ascii_graphic());
    if !config.livepeer_api_key.as_ref().is_none_or(graphic) {
        return Err(
            "LIVEPEER_API_KEY is not a key; copy it again from Livepeer's dashboard, or remove the line".into(),
        );
    }
    let long = |secret: &Secret| secret.expose().len() >= 64;
    if !config.session_secret.as_ref().is_none_or(long) {
        return Err(
            "SESSION_SECRET is too short; it needs at least 64 characters. Make one with: openssl rand -hex 32".into(),
        );
    }
    Ok(())
}

fn poll(text: &str) -> Result<u64, String> {
    within("POLL_SECONDS", text, 1, 60)
}

fn leave(text: &str) -> Result<u64, String> {
    within("LEAVE_SECONDS", text, 1, 600)
}

fn within(key: &str, text: &str, least: u64, most: u64) -> Result<u64, String> {
    match text.trim().parse() {
        Ok(seconds) if (least..=most).contains(&seconds) => Ok(seconds),
        _ => Err(format!(
            "{key} is {text:?}; it must be a whole number of seconds from {least} to {most}"
        )),
    }
}

fn renditions(text: &str) -> Result<Renditions, String> {
    if text.trim() == "none" {
        return Ok(Renditions::default());
    }
    let profiles = text
        .split(',')
        .map(|part| rendition(part.trim()))
        .collect::<Option<Vec<_>>>();
    profiles.map(Renditions).ok_or_else(|| {
        format!(
            "LIVEPEER_RENDITIONS is {text:?}; it must read name:width x height:bits per second, with commas between, \
             such as {}, or none",
            Config::RENDITIONS
        )
    })
}

/// Livepeer's own limits: sides from 128, bit rates from 400.
fn rendition(text: &str) -> Option<Profile> {
    let (name, rest) = text.split_once(':')?;
    let (size, bitrate) = rest.split_once(':')?;
    let (width, height) = size.split_once('x')?;
    let side = |text: &str| text.parse().ok().filter(|side| (128..=7680).contains(side));
    let bitrate = bitrate.parse().ok().filter(|rate| *rate >= 400)?;
    // Livepeer keeps that name for itself.
    if name.is_empty() || name == "source" {
        return None;
    }
    Some(Profile::h264(name, side(width)?, side(height)?, bitrate))
}

#[cfg(test)]
#[path = "config_tests.rs"]
mod tests;
