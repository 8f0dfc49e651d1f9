//! `/webrtc/session/{id}/events`: what happens to the stream that a player plays, as server-sent events (WHEP extension
//! `urn:ietf:params:whep:ext:core:server-sent-events`).
//!
//! A POST of names makes a subscription; its address streams the events; DELETE ends it.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::time::{Duration, Instant};

use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, get, post};
use futures_util::stream;
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;
use tokio::time::{Interval, MissedTickBehavior, interval};

use super::layers;
use super::sent::NAMES;
use super::session::{over, owned};
use super::subscriptions::Reading;
use crate::engine::{SessionId, StreamEvent, StreamName};
use crate::problem::Problem;
use crate::state::Shared;

/// How often a reader looks for what is not told at once.
const LOOK: Duration = Duration::from_secs(1);

/// An event that a player can ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Name {
    Active,
    Inactive,
    Layers,
    Viewers,
}

impl Name {
    const ALL: [Name; 4] = [Name::Active, Name::Inactive, Name::Layers, Name::Viewers];

    fn as_str(self) -> &'static str {
        match self {
            Name::Active => "active",
            Name::Inactive => "inactive",
            Name::Layers => "layers",
            Name::Viewers => "viewercount",
        }
    }

    fn parse(text: &str) -> Option<Name> {
        Name::ALL.into_iter().find(|name| name.as_str() == text)
    }
}

/// Every name, separated by commas.
fn every_name() -> String {
    Name::ALL.map(Name::as_str).join(",")
}

/// The `Link` that tells a player of it.
pub(super) fn link(session: &SessionId) -> String {
    let events = every_name();
    format!(
        "<session/{session}/events>; rel=\"urn:ietf:params:whep:ext:core:server-sent-events\"; events=\"{events}\""
    )
}

pub(super) fn subscriptions() -> MethodRouter<Shared> {
    post(subscribe).options(about)
}

pub(super) fn subscription() -> MethodRouter<Shared> {
    get(follow).delete(unsubscribe).options(about)
}

async fn about() {}

async fn subscribe(
    State(shared): State<Shared>,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let (session, info) = owned(&shared, &id, &headers).await?;
    if info.publishes {
        let words = "a publisher has no events here: they are for players";
        return Err(Problem::new(StatusCode::NOT_FOUND, words));
    }
    let bad = |words: String| Problem::new(StatusCode::BAD_REQUEST, words);
    let text = NAMES.read(&headers, body).await?;
    let wanted: Vec<String> = serde_json::from_str(&text).map_err(|_| {
        bad(format!(
            "the body is not a JSON array of names: {}",
            NAMES.empty
        ))
    })?;
    let names: Option<Vec<Name>> = wanted.iter().map(|name| Name::parse(name)).collect();
    let Some(names) = names.filter(|names| !names.is_empty()) else {
        return Err(bad(format!("the events that there are: {}", every_name())));
    };
    // Each once.
    let names = Name::ALL
        .into_iter()
        .filter(|name| names.contains(name))
        .collect();
    let Some(subscription) = shared.subscriptions().add(Instant::now(), &session, names) else {
        let words = "this session has as many subscriptions as it may: DELETE one";
        return Err(Problem::new(StatusCode::TOO_MANY_REQUESTS, words));
    };
    // Relative to the address of the POST.
    let location = format!("events/{subscription}");
    Ok((StatusCode::CREATED, [(header::LOCATION, location)]).into_response())
}

/// The address of a subscription is its key: a browser's EventSource sends no header of ours.
async fn unsubscribe(
    State(shared): State<Shared>,
    Path((session, subscription)): Path<(String, String)>,
) -> Result<StatusCode, Problem> {
    let session = session.parse().map_err(|_| over())?;
    match shared.subscriptions().remove(&session, &subscription) {
        true => Ok(StatusCode::OK),
        false => Err(over()),
    }
}

async fn follow(
    State(shared): State<Shared>,
    Path((session, subscription)): Path<(String, String)>,
) -> Result<Response, Problem> {
    let session: SessionId = session.parse().map_err(|_| over())?;
    // Before anything is looked at, so that nothing falls in between.
    let events = shared.engine().events();
    let info = shared.engine().session(&session).await.ok_or_else(over)?;
    let reading = shared
        .subscriptions()
        .read(Instant::now(), &session, &subscription)
        .ok_or_else(over)?;
    let mut looks = interval(LOOK);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut reader = Reader {
        active: false,
        viewers: None,
        pending: VecDeque::new(),
        shared,
        session,
        subscription,
        stream: info.stream,
        video: info.video,
        layers: None,
        reading,
        events,
        looks,
    };
    // No `inactive` at the start.
    if reader.shared.live().is_active(reader.stream.as_str()) {
        reader.note(true);
    }
    let events = stream::unfold(reader, |mut reader| async move {
        let event = reader.next().await?;
        Some((Ok::<_, Infallible>(event), reader))
    });
    let stream = Sse::new(events).keep_alive(KeepAlive::default());
    Ok(([(header::CACHE_CONTROL, "no-store")], stream).into_response())
}

/// One GET of a subscription. Dropped when the reader hangs up, at DELETE, and when its session is over.
struct Reader {
    shared: Shared,
    session: SessionId,
    subscription: String,
    stream: StreamName,
    /// Which m-line has the picture.
    video: Option<usize>,
    reading: Reading,
    events: Receiver<StreamEvent>,
    looks: Interval,
    /// What the reader was told last.
    active: bool,
    viewers: Option<usize>,
    layers: Option<layers::Shape>,
    pending: VecDeque<Event>,
}

impl Reader {
    async fn next(&mut self) -> Option<Event> {
        loop {
            if let Some(event) = self.pending.pop_front() {
                return Some(event);
            }
            tokio::select! {
                () = self.reading.over.cancelled() => return None,
                event = self.events.recv() => match event {
                    Ok(StreamEvent::Started { stream }) if stream == self.stream => self.note(true),
                    Ok(StreamEvent::Idle { stream }) if stream == self.stream => self.note(false),
                    Ok(_) => {}
                    Err(RecvError::Lagged(_)) => {
                        let active = self.shared.live().is_active(self.stream.as_str());
                        self.note(active);
                    }
                    Err(RecvError::Closed) => return None,
                },
                _ = self.looks.tick() => self.look().await?,
            }
        }
    }

    fn note(&mut self, active: bool) {
        if active != self.active {
            self.active = active;
            let name = if active { Name::Active } else { Name::Inactive };
            self.tell(name, "{}");
        }
    }

    /// `None` when it is over.
    async fn look(&mut self) -> Option<()> {
        let (now, all) = (Instant::now(), self.shared.subscriptions());
        all.read(now, &self.session, &self.subscription)?;
        self.shared.engine().session(&self.session).await?;
        if self.reading.names.contains(&Name::Viewers) {
            let stats = self.shared.recent_stats(LOOK).await;
            let viewers = stats
                .streams
                .get(&self.stream)
                .map_or(0, |stream| stream.viewers);
            if self.viewers != Some(viewers) {
                self.viewers = Some(viewers);
                self.tell(Name::Viewers, &format!("{{\"viewercount\":{viewers}}}"));
            }
        }
        if self.reading.names.contains(&Name::Layers) {
            let layers = self.shared.recent_layers(&self.stream, LOOK).await;
            let shape = layers::shape(&layers);
            if self.layers.as_ref() != Some(&shape) {
                self.layers = Some(shape);
                self.tell(Name::Layers, &layers::data(self.video, &layers).to_string());
            }
        }
        Some(())
    }

    fn tell(&mut self, name: Name, data: &str) {
        if self.reading.names.contains(&name) {
            self.pending
                .push_back(Event::default().event(name.as_str()).data(data));
        }
    }
}
