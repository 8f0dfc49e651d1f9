//! An app for one test, and browsers to meet it with.

#![allow(dead_code, reason = "not every build has every test")]

use std::sync::{LazyLock, Mutex};
use std::time::Duration;

use app::config::Config;
use app::{Kind, Running};
use futures_util::{SinkExt as _, StreamExt as _};
use livepeer::studio::{Studio, StudioConfig};
use reqwest::header::{COOKIE, HeaderMap, LOCATION, SET_COOKIE};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::{self, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};
use tokio_util::sync::CancellationToken;
use url::Url;

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
        Page {
            socket: self.upgrade(&path, None).await.unwrap(),
            epoch: String::new(),
            last: 0,
            view: Value::Null,
            presses: 0,
        }
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

/// An open page: what its WebSocket says.
pub(crate) struct Page {
    socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
    pub(crate) epoch: String,
    /// The number of the last message.
    pub(crate) last: u64,
    /// The last View.
    pub(crate) view: Value,
    /// How often a button was pressed.
    presses: u32,
}

impl Page {
    /// Comes in for the first time, and takes the greeting and the View.
    pub(crate) async fn join(&mut self) {
        self.say(&json!({"type": "join"})).await;
        self.until(|message| message["type"] == "hello").await;
        self.until(|message| message["type"] == "view").await;
    }

    /// Comes back after a cut; what was missed follows.
    pub(crate) async fn resume(&mut self, epoch: &str, after: u64) -> Value {
        self.say(&json!({"type": "resume", "epoch": epoch, "after": after}))
            .await;
        self.until(|message| message["type"] == "hello").await
    }

    pub(crate) async fn say(&mut self, message: &Value) {
        self.say_text(&message.to_string()).await;
    }

    pub(crate) async fn say_text(&mut self, text: &str) {
        self.socket.send(Message::text(text)).await.unwrap();
    }

    /// Presses a button, and waits for the answer: `done` or `refused`.
    pub(crate) async fn press(&mut self, action: &str) -> Value {
        self.presses += 1;
        self.act(&format!("press-{}", self.presses), action).await;
        self.until(|message| matches!(message["type"].as_str(), Some("done" | "refused")))
            .await
    }

    /// Says what is on of the person's camera and microphone.
    pub(crate) async fn switch(&mut self, camera: bool, microphone: bool) {
        let switched = json!({"type": "switched", "camera": camera, "microphone": microphone});
        self.say(&switched).await;
    }

    /// Waits until the View says that of the first picture.
    pub(crate) async fn sees_sending(&mut self, sending: &Value) {
        self.sees(|view| view["plays"][0]["sending"] == *sending)
            .await;
    }

    /// Presses a button about the first of the people on the page, and waits for the answer.
    pub(crate) async fn press_about_first(&mut self, action: &str) -> Value {
        self.presses += 1;
        let id = format!("press-{}", self.presses);
        let target = &self.view["people"][0]["id"];
        let act = json!({"type": "act", "id": id, "action": action, "target": target});
        self.say(&act).await;
        self.until(|message| message["id"] == *id).await
    }

    pub(crate) async fn act(&mut self, id: &str, action: &str) {
        let act = json!({"type": "act", "id": id, "action": action, "target": null, "value": null});
        self.say(&act).await;
    }

    /// The next message, or the code with which the connection was closed.
    pub(crate) async fn next(&mut self) -> Result<Value, Option<u16>> {
        loop {
            let message = timeout(PATIENCE, self.socket.next()).await;
            let text = match message.expect("something is said") {
                Some(Ok(Message::Text(text))) => text,
                Some(Ok(Message::Close(frame))) => return Err(frame.map(|f| f.code.into())),
                Some(Ok(_)) => continue,
                Some(Err(_)) | None => return Err(None),
            };
            let message: Value = serde_json::from_str(&text).unwrap();
            if let Some(n) = message["n"].as_u64() {
                assert!(
                    self.last == 0 || n == self.last + 1,
                    "{n} after {}",
                    self.last
                );
                self.last = n;
            }
            match message["type"].as_str().unwrap() {
                "hello" => {
                    message["epoch"]
                        .as_str()
                        .unwrap()
                        .clone_into(&mut self.epoch);
                    self.last = message["last"].as_u64().unwrap();
                }
                "view" => self.view = message["view"].clone(),
                "ping" => continue,
                _ => {}
            }
            return Ok(message);
        }
    }

    /// The next message of which that holds.
    pub(crate) async fn until(&mut self, holds: impl Fn(&Value) -> bool) -> Value {
        loop {
            let message = self.next().await.expect("the connection stays open");
            if holds(&message) {
                return message;
            }
        }
    }

    /// Waits until the View is in that phase.
    pub(crate) async fn phase(&mut self, phase: &str) {
        self.sees(|view| view["phase"] == phase).await;
    }

    /// Waits until that is so of the View.
    pub(crate) async fn sees(&mut self, holds: impl Fn(&Value) -> bool) {
        while !holds(&self.view) {
            self.until(|message| message["type"] == "view").await;
        }
    }

    /// Waits until that button is there.
    pub(crate) async fn offers(&mut self, action: &str) {
        let is = |button: &Value| button["action"] == action;
        self.sees(|view| view["buttons"].as_array().unwrap().iter().any(is))
            .await;
    }

    /// Waits until there is a stream of that name to be published, or played; gives its slot.
    pub(crate) async fn slot(&mut self, list: &str, name: &str) -> String {
        let take_of = |slot: &Value| {
            let slot = slot["slot"].as_str().unwrap();
            slot.starts_with(&format!("{name}."))
                .then(|| slot.to_owned())
        };
        let find = |view: &Value| view[list].as_array().unwrap().iter().find_map(take_of);
        self.sees(|view| find(view).is_some()).await;
        find(&self.view).unwrap()
    }

    /// Waits until so many watch.
    pub(crate) async fn audience(&mut self, count: u64) {
        self.sees(|view| view["audience"] == count).await;
    }

    /// Presses "Go live", and waits until the stream is there to be published.
    pub(crate) async fn go_live(&mut self) -> String {
        self.press("go-live").await;
        self.slot("publishes", "show").await
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
