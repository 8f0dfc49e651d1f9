//! The local Livepeer as a server under test, with somebody at hand who can do to it what no client can. The kit's command
//! `conformance` uses it too.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use livepeer::PlaybackToken;
use livepeer::conformance::{Ending, Full, Operator, Protocol, Target};
use livepeer::studio::{NewStream, PlaybackPolicy, Stream, Studio, StudioConfig};
use livepeer::token::PlaybackSigner;
use livepeer_local::{Config, Fidelity, Local};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use url::Url;

/// This machine, and a port that the system chooses.
const HERE: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

/// Longer than any run.
const VALID: Duration = Duration::from_secs(3600);

/// One that is served on a port of its own, with a stream that only a token's bearer may play.
pub(crate) struct Server {
    served: Served,
    stream: Stream,
    token: PlaybackToken,
    /// Room for one session and no more.
    full: Served,
}

impl Server {
    pub(crate) async fn start(fidelity: Fidelity) -> anyhow::Result<Server> {
        let served = Served::start(fidelity, Config::default().max_sessions).await?;
        let full = Served::start(fidelity, 1).await?;
        let new = NewStream {
            playback_policy: Some(PlaybackPolicy::jwt()),
            ..NewStream::source_only("conformance")
        };
        let stream = served.studio.create_stream(&new).await?;
        let key = served.studio.create_signing_key(None).await?;
        let signer = PlaybackSigner::from_signing_key(&key, "conformance")?;
        let now = SystemTime::now();
        let token = signer.mint(&stream.playback_id, now, VALID, Default::default())?;
        Ok(Server {
            served,
            stream,
            token,
            full,
        })
    }

    /// The stream as either protocol sees it.
    pub(crate) async fn target(&self, protocol: Protocol) -> anyhow::Result<Target> {
        let (stream, full) = (&self.stream, &self.full);
        let occupied = full.stream().await?;
        let other = full.stream().await?;
        let mut target = match protocol {
            // The key goes as a bearer token here, so that there is one to be tried without.
            Protocol::Whip => Target {
                bearer: stream.stream_key.as_ref().map(|key| key.expose().into()),
                ..Target::new(protocol, self.served.address("whip")?)
            },
            Protocol::Whep => Target {
                bearer: Some(self.token.clone()),
                publish: Some(self.served.studio.whip_url(stream).await?),
                ..Target::new(protocol, self.served.address(&stream.playback_id)?)
            },
        };
        target.full = Some(Full {
            url: match protocol {
                Protocol::Whip => full.studio.whip_url(&other).await?,
                Protocol::Whep => full.address(&occupied.playback_id)?.into(),
            },
            publish: full.studio.whip_url(&occupied).await?,
        });
        target.operator = Some(Arc::new(Console {
            studio: self.served.studio.clone(),
            stream: stream.id.clone(),
        }));
        Ok(target)
    }

    pub(crate) async fn stop(self) {
        self.served.stop().await;
        self.full.stop().await;
    }
}

/// A local Livepeer and its API.
struct Served {
    local: Local,
    url: Url,
    studio: Studio,
    serving: JoinHandle<()>,
    _folder: TempDir,
}

impl Served {
    async fn start(fidelity: Fidelity, max_sessions: usize) -> anyhow::Result<Served> {
        let listener = TcpListener::bind(HERE).await?;
        let url: Url = format!("http://{}/", listener.local_addr()?).parse()?;
        let folder = tempfile::tempdir()?;
        let local = Local::start(Config {
            base_url: url.clone(),
            data: folder.path().join("livepeer.json"),
            udp: HERE,
            advertise: vec![HERE.ip()],
            fidelity,
            max_sessions,
            // So that there is something to announce; nobody asks them.
            ice_servers: vec![
                "stun:stun.invalid".parse()?,
                "turn:turn.invalid?transport=udp user password".parse()?,
            ],
            ..Config::default()
        })
        .await?;
        let studio = Studio::new(StudioConfig::new(url.join("api")?, local.api_key().clone()))?;
        let router = local.router();
        let serving = tokio::spawn(async move {
            // It ends with the task.
            let _ = axum::serve(listener, router).await;
        });
        Ok(Served {
            local,
            url,
            studio,
            serving,
            _folder: folder,
        })
    }

    fn address(&self, name: &str) -> anyhow::Result<Url> {
        Ok(self.url.join("webrtc/")?.join(name)?)
    }

    async fn stream(&self) -> anyhow::Result<Stream> {
        let new = NewStream::source_only("full");
        Ok(self.studio.create_stream(&new).await?)
    }

    async fn stop(self) {
        self.local.shutdown().await;
        self.serving.abort();
    }
}

/// The API, as whoever runs the server uses it.
struct Console {
    studio: Studio,
    stream: String,
}

impl Operator for Console {
    fn end_sessions(&self) -> Ending<'_> {
        Box::pin(async {
            let ended = self.studio.terminate_stream(&self.stream).await;
            ended.map_err(|error| error.to_string())
        })
    }
}
