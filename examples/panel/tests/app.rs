//! The panel within the starter's app: its buttons come over the WebSocket, and credentials are given by its Views.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::time::Duration;

use app::config::Config;
use app::{Kind, Running};
use futures_util::{SinkExt as _, StreamExt as _};
use panel::Panel;
use reqwest::header::{CONTENT_TYPE, COOKIE, LOCATION, SET_COOKIE};
use reqwest::{Response, StatusCode, Url};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};
use tokio_util::sync::CancellationToken;

static KINDS: &[Kind] = &[Kind::of::<Panel>()];

/// Longer than anything here takes; a test that waits this long has failed.
const PATIENCE: Duration = Duration::from_secs(20);

/// Somebody's browser.
struct Browser {
    http: reqwest::Client,
    app: Url,
    cookie: String,
}

/// Their page of a session.
struct Page {
    socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
    view: Value,
}

impl Browser {
    fn at(app: &Url) -> Browser {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let http = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none());
        Browser {
            http: http.build().unwrap(),
            app: app.clone(),
            cookie: String::new(),
        }
    }

    async fn get(&mut self, path: &str) -> Response {
        let request = self.http.get(self.app.join(path).unwrap());
        self.keep(request.header(COOKIE, &self.cookie).send().await.unwrap())
    }

    async fn post(&mut self, path: &str, kind: &str, body: String) -> Response {
        let request = self.http.post(self.app.join(path).unwrap());
        let request = request
            .header(COOKIE, &self.cookie)
            .header(CONTENT_TYPE, kind);
        self.keep(request.body(body).send().await.unwrap())
    }

    fn keep(&mut self, answer: Response) -> Response {
        if let Some(cookie) = answer.headers().get(SET_COOKIE) {
            let cookie = cookie.to_str().unwrap().split(';').next().unwrap();
            cookie.clone_into(&mut self.cookie);
        }
        answer
    }

    /// What comes of asking to `publish` or `play`.
    async fn asks(&mut self, session: &str, what: &str, slot: &str, seat: &str) -> StatusCode {
        let body = json!({"slot": slot, "seat": seat}).to_string();
        let path = format!("{session}/{what}");
        let answer = self.post(&path, "application/json", body).await;
        answer.status()
    }

    async fn open(&self, session: &str, seat: &str) -> Page {
        let mut url = self
            .app
            .join(&format!("{session}/live?seat={seat}"))
            .unwrap();
        url.set_scheme("ws").unwrap();
        let mut request = url.as_str().into_client_request().unwrap();
        let cookie = self.cookie.parse().unwrap();
        request.headers_mut().insert("Cookie", cookie);
        let (socket, _) = tokio_tungstenite::connect_async(request).await.unwrap();
        let view = Value::Null;
        let mut page = Page { socket, view };
        page.say(json!({"type": "join"})).await;
        page
    }
}

impl Page {
    async fn say(&mut self, message: Value) {
        let text = message.to_string();
        self.socket.send(Message::text(text)).await.unwrap();
    }

    async fn press(&mut self, action: &str, target: Option<&Value>) {
        let act = json!({"type": "act", "id": action, "action": action, "target": target});
        self.say(act).await;
    }

    /// Waits until that is so of the View.
    async fn sees(&mut self, holds: impl Fn(&Value) -> bool) {
        while self.view.is_null() || !holds(&self.view) {
            let message = tokio::time::timeout(PATIENCE, self.socket.next()).await;
            let message = message
                .expect("the View comes")
                .expect("it stays open")
                .unwrap();
            let message: Value = serde_json::from_str(message.to_text().unwrap()).unwrap();
            assert_ne!(message["type"], "refused", "{message}");
            if message["type"] == "view" {
                self.view = message["view"].clone();
            }
        }
    }
}

#[tokio::test]
async fn somebody_is_brought_on_stage_and_taken_down_again() {
    let folder = tempfile::tempdir().unwrap();
    let shutdown = CancellationToken::new();
    let config = Config::on_free_ports(folder.path().to_owned());
    let running: Running = app::start(config, KINDS, shutdown.clone()).await.unwrap();
    let (mut ada, mut ben) = (
        Browser::at(&running.public_url),
        Browser::at(&running.public_url),
    );

    let form = "title=Friday&name=Ada&kind=panel".to_owned();
    let created = ada
        .post("/sessions", "application/x-www-form-urlencoded", form)
        .await;
    let host_page = created.headers()[LOCATION].to_str().unwrap();
    let session = host_page.strip_suffix("/host").unwrap();
    let mut moderator = ada.open(session, "host").await;
    assert_eq!(ben.get(session).await.status(), StatusCode::OK);
    let mut guest = ben.open(session, "guest").await;

    moderator.press("open-panel", None).await;
    guest
        .sees(|view| view["buttons"][0]["action"] == "raise-hand")
        .await;
    guest.press("raise-hand", None).await;
    moderator
        .sees(|view| view["people"][0]["note"] == "raises a hand")
        .await;
    assert_eq!(
        ben.asks(session, "publish", "seat-1.1", "guest").await,
        StatusCode::FORBIDDEN,
        "a raised hand publishes nothing"
    );

    let hand = moderator.view["people"][0]["id"].clone();
    moderator.press("bring-up", Some(&hand)).await;
    guest
        .sees(|view| view["publishes"][0]["slot"] == "seat-1.1")
        .await;
    assert_eq!(
        ben.asks(session, "publish", "seat-1.1", "guest").await,
        StatusCode::OK
    );
    assert_eq!(
        ada.asks(session, "publish", "seat-1.1", "host").await,
        StatusCode::FORBIDDEN
    );

    moderator.press("take-down", Some(&hand)).await;
    guest.sees(|view| view["publishes"] == json!([])).await;
    assert_eq!(
        ben.asks(session, "publish", "seat-1.1", "guest").await,
        StatusCode::FORBIDDEN,
        "what was his is so no longer"
    );
    shutdown.cancel();
    running.stopped().await;
}
