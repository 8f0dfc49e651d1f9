//! The extension for the choice of a video layer of WHEP (webrtc-http-egress-events).

use reqwest::Method;
use url::Url;

use crate::conformance::client::{Ask, Reply};
use crate::conformance::requirement::{Level, Miss, Outcome, Requirement, WHEP, fail, skip};
use crate::conformance::session::Session;
use crate::conformance::suite::Suite;

use super::events;

pub(super) const ALL: &[Requirement] = &[
    Requirement {
        id: "W-L1",
        level: Level::Must,
        protocols: WHEP,
        source: "WHEP events, video layer selection",
        words: "who announces the extension announces server-sent events too, and the layers event among them",
        check: |suite| Box::pin(with_events(suite)),
    },
    Requirement {
        id: "W-L2",
        level: Level::Must,
        protocols: WHEP,
        source: "WHEP events, video layer selection",
        words: "a choice that can be made is answered with 2xx; one that cannot, and what is no JSON object, with an error",
        check: |suite| Box::pin(choose(suite)),
    },
    Requirement {
        id: "W-L3",
        level: Level::Must,
        protocols: WHEP,
        source: "WHEP events, video layer selection",
        words: "DELETE, or a choice without conditions, leaves it to the server again: 2xx",
        check: |suite| Box::pin(automatic(suite)),
    },
];

const RELATION: &str = "urn:ietf:params:whep:ext:core:layer";

/// A session whose server has the extension, and the extension's address.
async fn layered(suite: &Suite) -> Result<(Session, Url), Miss> {
    let session = suite.open().await?;
    let links = session.reply.links();
    let link = links.iter().find(|link| link.is(RELATION));
    match link.map(|link| session.reply.url.join(&link.target)) {
        Some(Ok(url)) => Ok((session, url)),
        Some(Err(_)) => fail("POST: the Link of the extension leads nowhere"),
        None => skip("the extension is not announced"),
    }
}

async fn post(suite: &Suite, to: &Url, body: &str) -> Result<Reply, Miss> {
    let ask = Ask::new(Method::POST, to).content("application/json", body);
    suite.client.send(ask).await
}

async fn with_events(suite: &Suite) -> Outcome {
    let (session, _) = layered(suite).await?;
    match events::announced(&session) {
        None => fail("layers are announced, and server-sent events are not"),
        Some((_, names)) if !names.iter().any(|name| name == "layers") => {
            fail("layers are announced, and the layers event is not")
        }
        Some(_) => Ok("layers are announced, and the layers event too".to_owned()),
    }
}

/// The index of the first m-section with video, as the extension counts.
fn video(session: &Session) -> usize {
    let mut sections = session.answer.sections.iter();
    sections
        .position(|media| media.kind == "video")
        .unwrap_or(0)
}

async fn choose(suite: &Suite) -> Outcome {
    let (session, to) = layered(suite).await?;
    let media = video(&session);
    let any = format!("{{\"mediaId\":\"{media}\"}}");
    let reply = post(suite, &to, &any).await?;
    if !reply.is_success() {
        return fail(format!(
            "POST of a choice without conditions: {}; expected 2xx",
            reply.status
        ));
    }
    let unknown = format!("{{\"mediaId\":\"{media}\",\"rid\":\"no-such-layer\"}}");
    for (what, body) in [
        ("a layer that is not there", unknown.as_str()),
        ("an array", "[]"),
        ("words", "no JSON"),
    ] {
        let reply = post(suite, &to, body).await?;
        if reply.status < 400 {
            return fail(format!(
                "POST of {what}: {}; expected an error",
                reply.status
            ));
        }
    }
    Ok(
        "a choice without conditions: 2xx; a layer that is not there, an array, words: refused"
            .to_owned(),
    )
}

async fn automatic(suite: &Suite) -> Outcome {
    let (session, to) = layered(suite).await?;
    let deleted = suite.client.send(Ask::delete(&to)).await?;
    if deleted.is_success() {
        return Ok(format!("DELETE on the choice: {}", deleted.status));
    }
    let any = format!("{{\"mediaId\":\"{}\"}}", video(&session));
    let reply = post(suite, &to, &any).await?;
    match reply.is_success() {
        true => Ok(format!("a choice without conditions: {}", reply.status)),
        false => fail(format!(
            "DELETE on the choice: {}, a choice without conditions: {}; expected 2xx",
            deleted.status, reply.status
        )),
    }
}
