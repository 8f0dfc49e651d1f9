//! The WebSocket of a session's page: Views and notices go out, acts and what somebody has switched come in.
//!
//! 1. The page says `join`, or after a cut `resume` and how far it had come.
//! 2. It is greeted with `hello`, and told what it missed, or how things stand.
//! 3. Messages go both ways until either side is gone. What goes to a person is numbered; see `sessions/audience.rs`.
//!
//! A message that cannot be understood is answered with words, and the connection stays.

mod said;

use std::time::Duration;

use axum::Router;
use axum::extract::ws::{CloseFrame, Message, WebSocket, WebSocketUpgrade, close_code};
use axum::extract::{Path, Query, State};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum_extra::extract::cookie::SignedCookieJar;
use serde::Deserialize;
use serde_json::json;
use session::{Participant, ParticipantId, Seat};
use tokio::sync::mpsc;
use tokio::time::{Instant, MissedTickBehavior, interval_at, timeout};

use crate::app::App;
use crate::identity::Identity;
use crate::pages::Problem;
use crate::sessions::ask::Ask;
use crate::sessions::audience::{Outgoing, Resume, WAITING};

use self::said::{Said, is_act_id};

/// The largest message from a page, in bytes. They are a few hundred.
const LARGEST: usize = 16 * 1024;
/// How long a page may take to say `join`.
const FIRST_WORD: Duration = Duration::from_secs(10);
/// How often a page is asked whether it is still there. Proxies cut what is silent for longer, often after a minute.
const PING: Duration = Duration::from_secs(20);
/// A page that was silent for so long is gone, whatever TCP says.
const SILENCE: Duration = Duration::from_secs(45);
/// How long sending one message may take before the page counts as gone. It resumes.
const SENDING: Duration = Duration::from_secs(10);
/// Messages that a page may send within [`RATE_SPAN`]. Arbitrary, far more than a person presses buttons.
const RATE: u32 = 60;
const RATE_SPAN: Duration = Duration::from_secs(10);

/// Closed because the same person has come by another connection: the page does not reconnect by itself.
const TAKEN_OVER: u16 = 4001;

/// Where pages connect.
pub(crate) fn routes() -> Router<App> {
    Router::new().route("/s/{id}/live", get(connect))
}

#[derive(Deserialize)]
struct Door {
    seat: Seat,
}

async fn connect(
    State(app): State<App>,
    Path(id): Path<String>,
    Query(door): Query<Door>,
    jar: SignedCookieJar,
    upgrade: WebSocketUpgrade,
) -> Response {
    let record = match app.sessions.record(&id).await {
        Ok(Some(record)) => record,
        Ok(None) => return Problem::NoSuchSession.answer(false),
        Err(error) => return Problem::from(error).answer(false),
    };
    // Without a cookie they have never opened the page.
    let Some(who) = Identity::of(&jar) else {
        return Problem::NotTheHost.answer(false);
    };
    if door.seat == Seat::Host && who.id != record.host {
        return Problem::NotTheHost.answer(false);
    }
    let participant = Participant {
        id: who.participant(door.seat, &record.host),
        name: match door.seat {
            Seat::Host => record.host_name,
            Seat::Guest => who.shown_name().to_owned(),
        },
        seat: door.seat,
    };
    upgrade
        .max_message_size(LARGEST)
        .max_frame_size(LARGEST)
        .on_upgrade(move |socket| async move {
            app.metrics.connections.inc();
            let mut page = Page { app: &app, socket };
            let end = page.run(&id, participant).await;
            page.close(end).await;
            app.metrics.connections.dec();
        })
        .into_response()
}

/// Why a connection ends.
enum End {
    /// It is broken, or the page is gone.
    Gone,
    /// It is closed with that code and those words.
    Close(u16, &'static str),
}

/// One page's connection.
struct Page<'a> {
    app: &'a App,
    socket: WebSocket,
}

impl Page<'_> {
    async fn run(&mut self, session: &str, participant: Participant) -> End {
        // (1)
        let resume = match timeout(FIRST_WORD, self.first_word()).await {
            Ok(Ok(resume)) => resume,
            Ok(Err(end)) => return end,
            Err(_) => return End::Close(close_code::POLICY, "Nothing was said."),
        };
        // (2)
        let (out, inbox) = mpsc::channel(WAITING);
        let asked = self.app.sessions.ask(session, |answer| Ask::Connect {
            participant: participant.clone(),
            resume: resume.clone(),
            out: out.clone(),
            answer,
        });
        let (line, actor) = match asked.await {
            Ok((Ok(line), actor)) => (line, actor),
            Ok((Err(refusal), _)) => {
                let _ = self.error(&refusal.0).await;
                return End::Close(close_code::POLICY, "You may not come in here.");
            }
            Err(error) => {
                tracing::warn!(session, %error, "a page could not come in");
                return End::Close(close_code::AGAIN, "Try again in a moment.");
            }
        };
        // The actor holds the other end now; when it lets go, this connection is to end.
        drop(out);
        // (3)
        let who = participant.id;
        let end = self.converse(&who, line, &actor, inbox).await;
        // If the actor is gone, it knows already.
        let _ = actor
            .send(Ask::Disconnected {
                participant: who,
                line,
            })
            .await;
        end
    }

    async fn first_word(&mut self) -> Result<Option<Resume>, End> {
        loop {
            let Some(text) = self.hear().await? else {
                continue;
            };
            match Said::read(&text) {
                Some(Said::Join) => return Ok(None),
                Some(Said::Resume { epoch, after }) => return Ok(Some(Resume { epoch, after })),
                Some(Said::Pong) => {}
                Some(Said::Act { .. } | Said::Switched(_)) => {
                    self.error("Say join or resume first.").await?
                }
                None => self.error(NOT_UNDERSTOOD).await?,
            }
        }
    }

    async fn converse(
        &mut self,
        who: &ParticipantId,
        line: u64,
        actor: &mpsc::Sender<Ask>,
        mut inbox: mpsc::Receiver<Outgoing>,
    ) -> End {
        let mut pings = interval_at(Instant::now() + PING, PING);
        pings.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut heard = Instant::now();
        let mut rate = (Instant::now(), 0);
        let stopping = self.app.stopping.clone();
        loop {
            let sent = tokio::select! {
                outgoing = inbox.recv() => match outgoing {
                    Some(Outgoing::Text(text)) => self.send(text).await,
                    Some(Outgoing::TakenOver(text)) => {
                        let _ = self.send(json!({"type": "taken-over", "text": text}).to_string()).await;
                        return End::Close(TAKEN_OVER, "taken over");
                    }
                    // It did not keep up, or its session starts anew.
                    None => return End::Close(close_code::AGAIN, "Connect again to go on."),
                },
                said = self.hear() => {
                    heard = Instant::now();
                    if rate.0.elapsed() > RATE_SPAN {
                        rate = (heard, 0);
                    }
                    rate.1 += 1;
                    match said {
                        Ok(_) if rate.1 > RATE => return End::Close(close_code::POLICY, "That was too much at once."),
                        Ok(Some(text)) => self.said(who, line, actor, &text).await,
                        Ok(None) => Ok(()),
                        Err(end) => Err(end),
                    }
                }
                _ = pings.tick() => {
                    if heard.elapsed() > SILENCE {
                        return End::Gone;
                    }
                    self.send(json!({"type": "ping"}).to_string()).await
                }
                () = stopping.cancelled() => {
                    return End::Close(close_code::RESTART, "The server restarts. The page comes back by itself.");
                }
            };
            if let Err(end) = sent {
                return end;
            }
        }
    }

    async fn said(
        &mut self,
        who: &ParticipantId,
        line: u64,
        actor: &mpsc::Sender<Ask>,
        text: &str,
    ) -> Result<(), End> {
        let participant = who.clone();
        let ask = match Said::read(text) {
            Some(Said::Act { id, act }) if is_act_id(&id) => Ask::Act {
                participant,
                line,
                id,
                action: act.into(),
            },
            Some(Said::Switched(sending)) => Ask::Switched {
                participant,
                line,
                sending,
            },
            Some(Said::Pong) => return Ok(()),
            Some(Said::Act { .. }) => {
                return self
                    .error("An act needs an id of at most 64 letters.")
                    .await;
            }
            Some(Said::Join | Said::Resume { .. }) => {
                return self.error("You are here already.").await;
            }
            None => return self.error(NOT_UNDERSTOOD).await,
        };
        // Waiting here while the session is busy slows down this page alone.
        actor.send(ask).await.map_err(|_| End::Gone)
    }

    /// The next text from the page; none for what is no text, such as a browser's own pong.
    async fn hear(&mut self) -> Result<Option<String>, End> {
        match self.socket.recv().await {
            Some(Ok(Message::Text(text))) => Ok(Some(text.as_str().to_owned())),
            // Bytes are not understood either, but are owed an answer like any other nonsense.
            Some(Ok(Message::Binary(_))) => Ok(Some(String::new())),
            Some(Ok(Message::Ping(_) | Message::Pong(_))) => Ok(None),
            Some(Ok(Message::Close(_)) | Err(_)) | None => Err(End::Gone),
        }
    }

    async fn error(&mut self, text: &str) -> Result<(), End> {
        self.send(json!({"type": "error", "text": text}).to_string())
            .await
    }

    async fn send(&mut self, text: String) -> Result<(), End> {
        match timeout(SENDING, self.socket.send(Message::Text(text.into()))).await {
            Ok(Ok(())) => Ok(()),
            _ => Err(End::Gone),
        }
    }

    async fn close(mut self, end: End) {
        if let End::Close(code, reason) = end {
            let frame = CloseFrame {
                code,
                reason: reason.into(),
            };
            // Who does not take it is gone.
            let _ = timeout(SENDING, self.socket.send(Message::Close(Some(frame)))).await;
        }
    }
}

const NOT_UNDERSTOOD: &str = "The server did not understand this page. Reload it.";
