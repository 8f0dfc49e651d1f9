//! The extension for server-sent events of WHEP (webrtc-http-egress-events).

use std::time::Duration;

use reqwest::Method;
use serde_json::Value;
use tokio::time::{Instant, timeout_at};
use url::Url;

use crate::conformance::client::{Ask, Reply};
use crate::conformance::requirement::{Level, Miss, Outcome, Requirement, WHEP, fail, skip};
use crate::conformance::session::Session;
use crate::conformance::suite::Suite;
use crate::link::Link;

pub(super) const ALL: &[Requirement] = &[
    Requirement {
        id: "W-E1",
        level: Level::Must,
        protocols: WHEP,
        source: "WHEP events, server sent events",
        words: "POST of a JSON array of names to the extension's address is answered with 201 and the event stream in Location",
        check: |suite| Box::pin(subscribe(suite)),
    },
    Requirement {
        id: "W-E2",
        level: Level::Must,
        protocols: WHEP,
        source: "WHEP events, server sent events",
        words: "a name that is not announced, and what is no JSON array, are refused with 400",
        check: |suite| Box::pin(unknown_event(suite)),
    },
    Requirement {
        id: "W-E3",
        level: Level::Must,
        protocols: WHEP,
        source: "WHEP events, server sent events",
        words: "the stream is text/event-stream; each event is one of the names asked for with one data line of JSON",
        check: |suite| Box::pin(event(suite)),
    },
    Requirement {
        id: "W-E4",
        level: Level::Must,
        protocols: WHEP,
        source: "WHEP events, inactive event",
        words: "no inactive event comes at the start",
        check: |suite| Box::pin(not_inactive(suite)),
    },
    Requirement {
        id: "W-E5",
        level: Level::Must,
        protocols: WHEP,
        source: "WHEP events, server sent events",
        words: "DELETE on the event stream ends it; GET on it is answered with 404 from then on",
        check: |suite| Box::pin(unsubscribe(suite)),
    },
    Requirement {
        id: "W-E6",
        level: Level::Must,
        protocols: WHEP,
        source: "WHEP events, server sent events",
        words: "the end of the session is the end of its event streams",
        check: |suite| Box::pin(ends_with_the_session(suite)),
    },
];

const RELATION: &str = "urn:ietf:params:whep:ext:core:server-sent-events";

/// How long the first event of a stream that is live may take.
const FIRST: Duration = Duration::from_secs(8);

/// How long nothing must come that should not.
const QUIET: Duration = Duration::from_secs(1);

/// The extension as the 201 announces it: its address, and the names of its events.
pub(super) fn announced(session: &Session) -> Option<(Url, Vec<String>)> {
    let links = session.reply.links();
    let link: &Link = links.iter().find(|link| link.is(RELATION))?;
    let url = session.reply.url.join(&link.target).ok()?;
    let events = link.param("events").unwrap_or_default();
    let events = events.split(',').map(|event| event.trim().to_owned());
    Some((url, events.filter(|event| !event.is_empty()).collect()))
}

/// A session whose server has the extension.
async fn eventful(suite: &Suite) -> Result<(Session, Url, Vec<String>), Miss> {
    let session = suite.open().await?;
    match announced(&session) {
        Some((url, events)) => Ok((session, url, events)),
        None => skip("the extension is not announced"),
    }
}

async fn post(suite: &Suite, to: &Url, body: &str) -> Result<Reply, Miss> {
    let ask = Ask::new(Method::POST, to).content("application/json", body);
    suite.client.send(ask).await
}

/// The names of whatever there is of these, and the stream.
async fn stream(suite: &Suite, to: &Url, events: &[String]) -> Result<Url, Miss> {
    let names = serde_json::json!(events).to_string();
    let reply = post(suite, to, &names).await?;
    reply.expect("POST of all announced names", &[201])?;
    match reply.location() {
        Some(stream) => Ok(stream),
        None => fail("POST of all announced names: 201 without a Location"),
    }
}

async fn subscribe(suite: &Suite) -> Outcome {
    let (_session, to, events) = eventful(suite).await?;
    stream(suite, &to, &events).await?;
    Ok(format!(
        "POST of {}: 201 with a Location",
        events.join(", ")
    ))
}

async fn unknown_event(suite: &Suite) -> Outcome {
    let (_session, to, _) = eventful(suite).await?;
    for (what, body) in [
        ("a name that nobody has", "[\"no-such-event\"]"),
        ("an object", "{\"events\":[]}"),
        ("words", "no JSON"),
    ] {
        let reply = post(suite, &to, body).await?;
        if !reply.is_refusal() {
            return fail(format!("POST of {what}: {}; expected 400", reply.status));
        }
    }
    Ok("an unknown name, an object, words: refused".to_owned())
}

/// One event: its name and its data lines.
#[derive(Debug, Default, PartialEq, Eq)]
struct Event {
    name: String,
    data: Vec<String>,
}

/// The events that are whole in what has come so far (HTML, 9.2.6). Comments and other fields are passed over.
fn events_in(text: &str) -> Vec<Event> {
    let text = text.replace("\r\n", "\n");
    let Some((whole, _)) = text.rsplit_once("\n\n") else {
        return Vec::new();
    };
    let blocks = whole.split("\n\n").map(|block| {
        let mut event = Event::default();
        for line in block.lines() {
            let (field, value) = line.split_once(':').unwrap_or((line, ""));
            let value = value.strip_prefix(' ').unwrap_or(value);
            match field {
                "event" => value.clone_into(&mut event.name),
                "data" => event.data.push(value.to_owned()),
                _ => {}
            }
        }
        event
    });
    blocks.filter(|event| !event.data.is_empty()).collect()
}

/// What comes on a stream within so long, or until there is something.
async fn listen(
    suite: &Suite,
    stream: &Url,
    time: Duration,
    until_first: bool,
) -> Result<Vec<Event>, Miss> {
    let end = Instant::now() + time;
    let ask = Ask::get(stream).header("accept", "text/event-stream");
    let mut response = suite.client.response(&ask).await?;
    if response.status() != 200 {
        return fail(format!(
            "GET on the event stream: {}; expected 200",
            response.status().as_u16()
        ));
    }
    let typed = response.headers().get("content-type").is_some_and(|value| {
        value
            .as_bytes()
            .to_ascii_lowercase()
            .starts_with(b"text/event-stream")
    });
    if !typed {
        return fail("GET on the event stream: 200 without Content-Type: text/event-stream");
    }
    let mut text = String::new();
    while let Ok(Ok(Some(chunk))) = timeout_at(end, response.chunk()).await {
        text.push_str(&String::from_utf8_lossy(&chunk));
        if until_first && !events_in(&text).is_empty() {
            break;
        }
    }
    Ok(events_in(&text))
}

async fn event(suite: &Suite) -> Outcome {
    let (_session, to, names) = eventful(suite).await?;
    let stream = stream(suite, &to, &names).await?;
    let events = listen(suite, &stream, FIRST, true).await?;
    let Some(first) = events.first() else {
        return fail(format!(
            "the stream is live, and no event comes within {} seconds",
            FIRST.as_secs()
        ));
    };
    for event in &events {
        if !names.contains(&event.name) {
            return fail("an event comes that was not asked for");
        }
        let [data] = &event.data[..] else {
            return fail(format!(
                "an event has {} data lines; expected 1",
                event.data.len()
            ));
        };
        // SCTE-35 messages are base64.
        if event.name != "scte35" && serde_json::from_str::<Value>(data).is_err() {
            return fail(format!("the data of {} is no JSON", event.name));
        }
    }
    Ok(format!(
        "the first event is {}, with one data line of JSON",
        first.name
    ))
}

async fn not_inactive(suite: &Suite) -> Outcome {
    let (_session, to, names) = eventful(suite).await?;
    if !names.iter().any(|name| name == "inactive") {
        return Ok("inactive is not among the announced events".to_owned());
    }
    let stream = stream(suite, &to, &["inactive".to_owned()]).await?;
    let events = listen(suite, &stream, QUIET, false).await?;
    match events.iter().any(|event| event.name == "inactive") {
        true => fail("the stream begins with inactive"),
        false => Ok("the stream does not begin with inactive".to_owned()),
    }
}

async fn gone(suite: &Suite, stream: &Url, after: &str) -> Outcome {
    let ask = Ask::get(stream).header("accept", "text/event-stream");
    let response = suite.client.response(&ask).await?;
    match response.status().as_u16() {
        404 => Ok(format!("after {after}, GET on the event stream: 404")),
        other => fail(format!(
            "after {after}, GET on the event stream: {other}; expected 404"
        )),
    }
}

async fn unsubscribe(suite: &Suite) -> Outcome {
    let (_session, to, names) = eventful(suite).await?;
    let stream = stream(suite, &to, &names).await?;
    let reply = suite.client.send(Ask::delete(&stream)).await?;
    if !reply.is_success() {
        return fail(format!(
            "DELETE on the event stream: {}; expected 2xx",
            reply.status
        ));
    }
    gone(suite, &stream, "DELETE on it").await
}

async fn ends_with_the_session(suite: &Suite) -> Outcome {
    let (session, to, names) = eventful(suite).await?;
    let stream = stream(suite, &to, &names).await?;
    let reply = suite.client.send(Ask::delete(&session.url)).await?;
    if !reply.is_success() {
        return skip(format!(
            "the session cannot be ended: DELETE: {}",
            reply.status
        ));
    }
    gone(suite, &stream, "DELETE on the session").await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_read_once_they_are_whole() {
        let text = ": hello\r\n\r\nevent: active\r\ndata: {}\r\n\r\nid: 7\nevent: viewercount\ndata: {\ndata:}\n\nevent: x\nda";
        let event = |name: &str, data: &[&str]| Event {
            name: name.to_owned(),
            data: data.iter().map(|data| (*data).to_owned()).collect(),
        };
        assert_eq!(
            events_in(text),
            [event("active", &["{}"]), event("viewercount", &["{", "}"])]
        );
    }
}
