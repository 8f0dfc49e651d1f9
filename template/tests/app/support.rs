//! An app for one test, and browsers to meet it with.

#![allow(dead_code, reason = "not every build has every test")]

use std::sync::{LazyLock, Mutex};
use std::time::Duration;

use app::config::Config;
use app::{Kind, Running};
use livepeer::studio::{Studio, StudioConfig};
use reqwest::header::{COOKIE, HeaderMap, LOCATION, SET_COOKIE};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};
use tokio_util::sync::CancellationToken;
use url::Url;

use crate::page::Page;
use crate::toy::TOY;

/// Longer than anything here takes; a test that waits this long has failed.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);
/// The key to the Livepeer built in.
pub(crate) const KEY: &str = "a-key-of-the-tests";

/// An app at work.
pub(crate) struct TestApp {
    pub(crate) url: Url,
    folder: TempDir,
    shutdown: CancellationToken,
    running: Running,
}

impl TestApp {
    /// On free ports, with the Livepeer built in.
    pub(crate) async fn start() -> TestApp {
        TestApp::start_with(|_| {}).await
    }

    /// The same, configured otherwise.
    pub(crate) async fn start_with(configure: impl FnOnce(&mut Config)) -> TestApp {
        TestApp::start_in(tempfile::tempdir().unwrap(), configure).await
    }

    /// The same, with what an earlier one has left in its folder.
    pub(crate) async fn start_in(folder: TempDir, configure: impl FnOnce(&mut Config)) -> TestApp {
        TestApp::begin(folder, TOY, configure).await
    }

    /// The same with other architectures.
    pub(crate) async fn start_as(
        kinds: &'static [Kind],
        configure: impl FnOnce(&mut Config),
    ) -> TestApp {
        TestApp::begin(tempfile::tempdir().unwrap(), kinds, configure).await
    }

    async fn begin(
        folder: TempDir,
        kinds: &'static [Kind],
        configure: impl FnOnce(&mut Config),
    ) -> TestApp {
        let config = TestApp::config(&folder, configure);
        let shutdown = CancellationToken::new();
        let running = app::start(config, kinds, shutdown.clone()).await.unwrap();
        TestApp {
            url: running.public_url.clone(),
            folder,
            shutdown,
            running,
        }
    }

    /// What a test's app is configured with.
    pub(crate) fn config(folder: &TempDir, configure: impl FnOnce(&mut Config)) -> Config {
        let mut config = Config::on_free_ports(folder.path().to_owned());
        config.livepeer_api_key = Some(KEY.into());
        config.livepeer_local_advertise = vec!["127.0.0.1".parse().unwrap()];
        config.poll_seconds = 1;
        config.leave_seconds = 1;
        configure(&mut config);
        config
    }

    /// Stops it as a signal would, and leaves its folder.
    pub(crate) async fn stop(self) -> TempDir {
        self.shutdown.cancel();
        self.running.stopped().await;
        self.folder
    }

    /// Somebody new.
    pub(crate) fn browser(&self) -> Browser {
        Browser::at(self.url.clone())
    }

    /// Livepeer, as its own customer sees it.
    pub(crate) fn livepeer(&self) -> Studio {
        let api = self.url.join("livepeer/api").unwrap();
        Studio::new(StudioConfig::new(api, KEY.into())).unwrap()
    }
}

/// Somebody's browser, with its cookie.
pub(crate) struct Browser {
    url: Url,
    http: reqwest::Client,
    cookie: Mutex<Option<String>>,
}

pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) text: String,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|_| panic!("not JSON: {}", self.text))
    }

    /// For how many seconds the token lets in that is in it.
    pub(crate) fn life(&self) -> u64 {
        let at = |name: &str| self.json()[name].as_u64().unwrap();
        (at("expiresAt") - at("now")) / 1000
    }

    pub(crate) fn location(&self) -> &str {
        self.headers[LOCATION].to_str().unwrap()
    }
}

impl Browser {
    pub(crate) fn at(url: Url) -> Browser {
        static TLS: LazyLock<()> = LazyLock::new(|| {
            let _ = rustls::crypto::ring::default_provider().install_default();
        });
        LazyLock::force(&TLS);
        let http = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none());
        Browser {
            url,
            http: http.build().unwrap(),
            cookie: Mutex::default(),
        }
    }

    /// The same person as the one with that cookie.
    pub(crate) fn with_cookie(self, cookie: Option<String>) -> Browser {
        *self.cookie.lock().unwrap() = cookie;
        self
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.send(Method::GET, path, |r| r.header("Accept", "text/html"))
            .await
    }

    pub(crate) async fn post_form(&self, path: &str, fields: &[(&str, &str)]) -> Answer {
        let mut form = url::form_urlencoded::Serializer::new(String::new());
        let form = form.extend_pairs(fields).finish();
        let kind = "application/x-www-form-urlencoded";
        self.send(Method::POST, path, |request| {
            request.header("Content-Type", kind).body(form)
        })
        .await
    }

    pub(crate) async fn post_json(&self, path: &str, body: &Value) -> Answer {
        self.send(Method::POST, path, |request| request.json(body))
            .await
    }

    pub(crate) async fn send(
        &self,
        method: Method,
        path: &str,
        with: impl FnOnce(reqwest::RequestBuilder) -> reqwest::RequestBuilder,
    ) -> Answer {
        let mut request = with(self.http.request(method, self.url.join(path).unwrap()));
        if let Some(cookie) = self.cookie() {
            request = request.header(COOKIE, cookie);
        }
        let answer = request.send().await.unwrap();
        let headers = answer.headers().clone();
        if let Some(cookie) = headers.get(SET_COOKIE) {
            let cookie = cookie.to_str().unwrap().split(';').next().unwrap();
            *self.cookie.lock().unwrap() = Some(cookie.to_owned());
        }
        Answer {
            status: answer.status(),
            headers,
            text: answer.text().await.unwrap(),
        }
    }

    pub(crate) fn cookie(&self) -> Option<String> {
        self.cookie.lock().unwrap().clone()
    }

    /// Creates a session of the default kind, and gives its id.
    pub(crate) async fn create(&self) -> String {
        self.create_kind("").await
    }

    /// Creates a session of that kind, and gives its id.
    pub(crate) async fn create_kind(&self, kind: &str) -> String {
        self.create_as("Ada", kind).await
    }

    /// The same under that name, which this browser has from then on.
    pub(crate) async fn create_as(&self, name: &str, kind: &str) -> String {
        let form = [("title", "Friday"), ("name", name), ("kind", kind)];
        let answer = self.post_form("/sessions", &form).await;
        assert_eq!(answer.status, StatusCode::SEE_OTHER, "{}", answer.text);
        let path = answer.location().strip_suffix("/host").unwrap();
        path.strip_prefix("/s/").unwrap().to_owned()
    }

    /// Opens the host's page.
    pub(crate) async fn host(&self, session: &str) -> Page {
        let mut page = self.open(session, "host").await;
        page.join().await;
        page
    }

    /// Opens the page for everybody.
    pub(crate) async fn watch(&self, session: &str) -> Page {
        self.get(&format!("/s/{session}")).await;
        let mut page = self.open(session, "guest").await;
        page.join().await;
        page
    }

    /// Connects a page's WebSocket, and says nothing yet.
    pub(crate) async fn open(&self, session: &str, seat: &str) -> Page {
        let path = format!("/s/{session}/live?seat={seat}");
        Page::on(self.upgrade(&path, None).await.unwrap())
    }

    pub(crate) async fn upgrade(
        &self,
        path: &str,
        origin: Option<&str>,
    ) -> Result<WebSocketStream<MaybeTlsStream<TcpStream>>, tungstenite::Error> {
        let mut url = self.url.join(path).unwrap();
        url.set_scheme("ws").unwrap();
        let mut request = url.as_str().into_client_request().unwrap();
        if let Some(cookie) = self.cookie() {
            request
                .headers_mut()
                .insert("Cookie", cookie.parse().unwrap());
        }
        if let Some(origin) = origin {
            request
                .headers_mut()
                .insert("Origin", origin.parse().unwrap());
        }
        let (socket, _) = tokio_tungstenite::connect_async(request).await?;
        Ok(socket)
    }

    /// Asks for a credential: `publish` or `play`.
    pub(crate) async fn credential(
        &self,
        session: &str,
        what: &str,
        slot: &str,
        seat: &str,
    ) -> Answer {
        let wanted = json!({"slot": slot, "seat": seat});
        self.post_json(&format!("/s/{session}/{what}"), &wanted)
            .await
    }
}

/// Asks again until the answer is there.
pub(crate) async fn eventually<T>(mut ask: impl AsyncFnMut() -> Option<T>) -> T {
    let asking = async {
        loop {
            if let Some(answer) = ask().await {
                return answer;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(PATIENCE, asking)
        .await
        .expect("it comes true in time")
}
