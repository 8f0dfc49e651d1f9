//! An open page, as its script is one.

#![allow(dead_code, reason = "not every build has every test")]

use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};

use crate::support::PATIENCE;

/// An open page: what its WebSocket says.
pub(crate) struct Page {
    socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
    pub(crate) epoch: String,
    /// Its line, as it was greeted.
    pub(crate) line: u64,
    /// The number of the last message.
    pub(crate) last: u64,
    /// The last View.
    pub(crate) view: Value,
    /// How often a button was pressed.
    presses: u32,
}

impl Page {
    /// One that has said nothing yet.
    pub(crate) fn on(socket: WebSocketStream<MaybeTlsStream<TcpStream>>) -> Page {
        Page {
            socket,
            epoch: String::new(),
            line: 0,
            last: 0,
            view: Value::Null,
            presses: 0,
        }
    }

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
                    self.line = message["line"].as_u64().unwrap();
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
