//! `livepeer-local`: the local Livepeer as a program of its own.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context;
use clap::Parser;
use livepeer::ApiKey;
use livepeer_local::engine::TcpMedia;
use livepeer_local::{Config, Fidelity, IceServer, Local, RateLimits};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tracing_subscriber::EnvFilter;
use url::Url;

/// How long requests may go on after the signal to stop. A connection whose request never becomes whole must not keep the
/// program from ending.
const LAST_REQUESTS: Duration = Duration::from_secs(3);

/// Livepeer on your machine: Studio's HTTP API, WHIP, WHEP, playback access control and webhooks, in one process.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    /// Where to serve HTTP. Port 0 lets the system choose.
    #[arg(long, env = "LIVEPEER_LOCAL_LISTEN", default_value = "127.0.0.1:8888")]
    listen: SocketAddr,

    /// Where browsers reach it, if that is not the address above: behind a proxy, in a container.
    #[arg(long, env = "LIVEPEER_LOCAL_BASE_URL")]
    base_url: Option<Url>,

    /// The folder that streams, signing keys and webhooks are kept in.
    #[arg(long, env = "LIVEPEER_LOCAL_DATA", default_value = "data")]
    data: PathBuf,

    /// The key that callers of the API must send. Without one, a random key is made once and kept in the folder.
    #[arg(long, env = "LIVEPEER_API_KEY", hide_env_values = true)]
    api_key: Option<ApiKey>,

    /// Where to receive and send media: one UDP port for everybody. `[::]` is every address of this machine, of IPv4 and,
    /// where it has that, of IPv6.
    #[arg(long, env = "LIVEPEER_LOCAL_UDP", default_value = "[::]:7300")]
    udp: SocketAddr,

    /// Where to take media over TCP from browsers whose network blocks UDP: `same` is the address and number of the UDP
    /// port, another address may be one that strict networks leave open, such as 0.0.0.0:443, and `off` is none.
    #[arg(long, env = "LIVEPEER_LOCAL_TCP", default_value = "same")]
    tcp: TcpMedia,

    /// An address at which browsers reach those ports, if it is not one of this machine's own: repeat it or separate by
    /// commas.
    #[arg(long, env = "LIVEPEER_LOCAL_ADVERTISE", value_delimiter = ',')]
    advertise: Vec<IpAddr>,

    /// How many threads share the media, up to 64. 0: one for each core of the processor.
    #[arg(long, env = "LIVEPEER_LOCAL_THREADS", default_value_t = 0)]
    threads: usize,

    /// Which WHIP and WHEP server to be: the standards' one, that to the letter, or Livepeer's own.
    #[arg(long, env = "LIVEPEER_LOCAL_FIDELITY", value_enum, default_value_t)]
    fidelity: Fidelity,

    /// A STUN or TURN server to tell clients of: stun:host, or "turn:host user password". Repeat it or separate by commas.
    #[arg(
        long,
        env = "LIVEPEER_LOCAL_ICE_SERVERS",
        value_delimiter = ',',
        hide_env_values = true
    )]
    ice_server: Vec<IceServer>,

    /// Every request comes through a proxy that writes `X-Forwarded-For`: limits count by the last address in it, not by
    /// the proxy's own.
    #[arg(long, env = "LIVEPEER_LOCAL_BEHIND_PROXY")]
    behind_proxy: bool,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let filter =
        EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info,rtc_dtls=error"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .init();
    let arguments = Arguments::parse();

    let listener = TcpListener::bind(arguments.listen).await.with_context(|| {
        format!(
            "{} cannot be listened on: stop what uses it, or choose another with --listen",
            arguments.listen
        )
    })?;
    let address = listener.local_addr()?;
    let base_url = match arguments.base_url {
        Some(url) => url,
        None => Url::parse(&format!("http://{}", browsable(address)))?,
    };
    let key_is_known = arguments.api_key.is_some();
    let local = Local::start(Config {
        base_url: base_url.clone(),
        data: arguments.data.join("livepeer-local.json"),
        api_key: arguments.api_key,
        udp: arguments.udp,
        tcp: arguments.tcp,
        advertise: arguments.advertise,
        threads: arguments.threads,
        fidelity: arguments.fidelity,
        ice_servers: arguments.ice_server,
        rate: RateLimits {
            behind_proxy: arguments.behind_proxy,
            ..RateLimits::default()
        },
        ..Config::default()
    })
    .await?;

    let stop = asked_to_stop()?;

    let base = base_url.as_str().trim_end_matches('/');
    println!(
        "Livepeer on this machine: {base} (media on UDP {})",
        local.engine().udp_addr()
    );
    println!("Point the app at it:");
    println!("  LIVEPEER_API_URL={base}/api");
    if key_is_known {
        println!("  LIVEPEER_API_KEY=<the key that this was started with>");
    } else {
        // The one place that prints it: whoever starts the program has to learn it somewhere.
        println!("  LIVEPEER_API_KEY={}", local.api_key().expose());
    }

    // With the address that each request is from, for the limits.
    let service = local
        .router()
        .into_make_service_with_connect_info::<SocketAddr>();
    let stopping = CancellationToken::new();
    let asked = stopping.clone();
    let serving = axum::serve(listener, service).with_graceful_shutdown(async move {
        stop.await;
        asked.cancel();
    });
    let overdue = async {
        stopping.cancelled().await;
        tokio::time::sleep(LAST_REQUESTS).await;
    };
    tokio::select! {
        served = serving.into_future() => served?,
        () = overdue => tracing::warn!("not every request was over in time"),
    }
    local.shutdown().await;
    Ok(())
}

/// An address that a browser can be given: nobody can visit 0.0.0.0, and cameras open on `localhost` without TLS.
fn browsable(address: SocketAddr) -> String {
    if address.ip().is_unspecified() || address.ip().is_loopback() {
        format!("localhost:{}", address.port())
    } else {
        address.to_string()
    }
}

/// Resolves at Ctrl-C, or at the signal that a service manager sends. Both are listened for from the call on, not from the
/// first poll on: whoever reads our address may stop us at once.
fn asked_to_stop() -> io::Result<impl Future<Output = ()>> {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        let mut interrupted = signal(SignalKind::interrupt())?;
        let mut terminated = signal(SignalKind::terminate())?;
        Ok(async move {
            tokio::select! {
                _ = interrupted.recv() => {}
                _ = terminated.recv() => {}
            }
        })
    }
    #[cfg(windows)]
    {
        let mut interrupted = tokio::signal::windows::ctrl_c()?;
        Ok(async move {
            interrupted.recv().await;
        })
    }
}
