//! What the benchmarks play on: a local Livepeer, one stream, and a page in Chromium that publishes and plays it.

use anyhow::Context;
use axum::Router;
use axum::http::header::CONTENT_TYPE;
use axum::response::Html;
use axum::routing::get;
use livepeer::studio::{NewStream, Studio, StudioConfig};
use livepeer_local::{Config, Local};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::Codec;
use crate::browser::{Browser, Page};

/// A stage that is set. Strike it at the end.
pub(super) struct Stage {
    local: Local,
    browser: Browser,
    page: Page,
    whip: String,
    whep: String,
    /// Keeps the state file until the end.
    _data: tempfile::TempDir,
}

impl Stage {
    /// Starts a local Livepeer on free ports, makes a stream, and opens the page.
    pub(super) async fn set() -> anyhow::Result<Stage> {
        let data = tempfile::tempdir()?;
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
        let address = format!("http://localhost:{}", listener.local_addr()?.port());
        let local = Local::start(Config {
            base_url: format!("{address}/livepeer").parse()?,
            data: data.path().join("livepeer-local.json"),
            udp: ([127, 0, 0, 1], 0).into(),
            ..Config::default()
        })
        .await?;
        let app = Router::new()
            .route("/", get(|| async { Html(include_str!("page.html")) }))
            .route(
                "/bench.js",
                get(|| async {
                    (
                        [(CONTENT_TYPE, "text/javascript")],
                        include_str!("bench.js"),
                    )
                }),
            )
            .nest("/livepeer", local.router());
        tokio::spawn(async move { axum::serve(listener, app).await });

        let studio = Studio::new(StudioConfig::new(
            format!("{address}/livepeer/api").parse()?,
            local.api_key().clone(),
        ))?;
        let stream = studio
            .create_stream(&NewStream::source_only("bench"))
            .await?;
        let whip = studio.whip_url(&stream).await?.expose().to_string();
        let whep = studio
            .playback(&stream.playback_id)
            .await?
            .whep_url()
            .context("the stream has no WHEP address")?
            .to_string();

        let browser = Browser::start().await?;
        let page = browser.open(&address).await?;
        Ok(Stage {
            local,
            browser,
            page,
            whip,
            whep,
            _data: data,
        })
    }

    /// Publishes the page's picture; returns when it is connected.
    pub(super) async fn publish(&self, codec: Codec) -> anyhow::Result<()> {
        self.call("publish", json!([self.whip, codec.name()])).await
    }

    /// Joins as one more viewer, and leaves; milliseconds from the POST to the first decoded picture.
    pub(super) async fn join(&self) -> anyhow::Result<f64> {
        self.call("join", json!([self.whep])).await
    }

    /// The ages in milliseconds of the pictures seen through the engine, and of those seen directly.
    pub(super) async fn latency(
        &self,
        codec: Codec,
        seconds: u32,
    ) -> anyhow::Result<(Vec<f64>, Vec<f64>)> {
        #[derive(serde::Deserialize)]
        struct Ages {
            engine: Vec<f64>,
            direct: Vec<f64>,
        }
        let ages: Ages = self
            .call(
                "latency",
                json!([self.whip, self.whep, codec.name(), seconds]),
            )
            .await?;
        Ok((ages.engine, ages.direct))
    }

    /// Closes the browser and the local Livepeer.
    pub(super) async fn strike(self) -> anyhow::Result<()> {
        self.page.close()?;
        self.browser.stop();
        self.local.shutdown().await;
        Ok(())
    }

    /// Calls a function of `bench.js`, waits for its promise, and returns what it resolves to, or its error.
    async fn call<T: DeserializeOwned>(
        &self,
        function: &str,
        arguments: Value,
    ) -> anyhow::Result<T> {
        let script = "const [name, args] = arguments; return await window.bench[name](...args);";
        self.page
            .run(script, json!([function, arguments]))
            .await
            .with_context(|| format!("in the page, {function}"))
    }
}
