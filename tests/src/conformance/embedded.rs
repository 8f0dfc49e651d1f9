//! The embedded engine as a server under test, with somebody at hand who can do to it what no client can.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;

use livepeer::conformance::{Operator, Protocol, Target};
use livepeer::studio::{NewStream, Studio, StudioConfig};
use livepeer_local::{Config, Local};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use url::Url;

/// This machine, and a port that the system chooses.
const HERE: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

/// One that is served on a port of its own.
pub(super) struct Server {
    local: Arc<Local>,
    url: Url,
    serving: JoinHandle<()>,
    _folder: TempDir,
}

impl Server {
    pub(super) async fn start() -> anyhow::Result<Server> {
        let listener = TcpListener::bind(HERE).await?;
        let url: Url = format!("http://{}/", listener.local_addr()?).parse()?;
        let folder = tempfile::tempdir()?;
        let local = Local::start(Config {
            base_url: url.clone(),
            data: folder.path().join("livepeer.json"),
            udp: HERE,
            advertise: vec![HERE.ip()],
            ..Config::default()
        });
        let local = Arc::new(local.await?);
        let router = local.router();
        let serving = tokio::spawn(async move {
            // It ends with the task.
            let _ = axum::serve(listener, router).await;
        });
        Ok(Server {
            local,
            url,
            serving,
            _folder: folder,
        })
    }

    /// A stream's WHIP address and its WHEP address.
    pub(super) async fn targets(&self) -> anyhow::Result<Vec<Target>> {
        let api = self.url.join("api")?;
        let studio = Studio::new(StudioConfig::new(api, self.local.api_key().clone()))?;
        let stream = studio
            .create_stream(&NewStream::source_only("conformance"))
            .await?;
        let publish = studio.whip_url(&stream).await?;
        let play = self.url.join("webrtc/")?.join(&stream.playback_id)?;
        let operator: Arc<dyn Operator> = Arc::new(Console {
            studio,
            stream: stream.id.clone(),
        });
        let mut whip = Target::new(Protocol::Whip, publish.expose().clone());
        whip.operator = Some(operator.clone());
        let mut whep = Target::new(Protocol::Whep, play);
        whep.operator = Some(operator);
        whep.publish = Some(publish);
        Ok(vec![whip, whep])
    }

    pub(super) async fn stop(self) {
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
    fn end_sessions(&self) -> livepeer::conformance::Ending<'_> {
        Box::pin(async {
            let ended = self.studio.terminate_stream(&self.stream).await;
            ended.map_err(|error| error.to_string())
        })
    }
}
