//! What only WHEP asks (draft-ietf-wish-whep-04).

use std::time::Duration;

use reqwest::Method;

use crate::conformance::client::{Ask, SDP};
use crate::conformance::description::Description;
use crate::conformance::offer::Section;
use crate::conformance::requirement::{Level, Outcome, Requirement, WHEP, fail, skip};
use crate::conformance::suite::Suite;

use super::setup;

pub(super) const ALL: &[Requirement] = &[
    Requirement {
        id: "W-D1",
        level: Level::Should,
        protocols: WHEP,
        source: "WHEP draft-04, discoverability",
        words: "HEAD on the endpoint is answered with 200, Content-Type: application/sdp, and no body",
        check: |suite| Box::pin(head(suite)),
    },
    Requirement {
        id: "W-D2",
        level: Level::Should,
        protocols: WHEP,
        source: "WHEP draft-04, discoverability",
        words: "GET on the endpoint has the headers of HEAD",
        check: |suite| Box::pin(get(suite)),
    },
    Requirement {
        id: "W-A1",
        level: Level::Must,
        protocols: WHEP,
        source: "WHEP draft-04, playback session set up",
        words: "an offer is answered with 201, application/sdp, an SDP answer, and the session's address in Location",
        check: |suite| Box::pin(setup::created(suite)),
    },
    Requirement {
        id: "W-A2",
        level: Level::Must,
        protocols: WHEP,
        source: "WHEP draft-04, playback session set up",
        words: "the answer to a player is sendonly; what there is none of may be inactive",
        check: |suite| Box::pin(sends(suite)),
    },
    Requirement {
        id: "W-C1",
        level: Level::Shall,
        protocols: WHEP,
        source: "WHEP draft-04, playback session set up",
        words: "where nobody publishes and nothing can be played, the offer is answered with 409 and Retry-After",
        check: |suite| Box::pin(not_live(suite)),
    },
    Requirement {
        id: "W-O1",
        level: Level::Must,
        protocols: WHEP,
        source: "WHEP draft-04, counter-offer",
        words: "a 406 is a counter-offer: a session's Location, an SDP offer that sends; a malformed answer to it gets 4xx",
        check: |suite| Box::pin(counter_offer(suite)),
    },
    Requirement {
        id: "W-W1",
        level: Level::Must,
        protocols: WHEP,
        source: "WHEP draft-04, single MediaStream",
        words: "all m-sections that send are of one MediaStream, with at most one track of each kind",
        check: |suite| Box::pin(one_stream(suite)),
    },
];

/// How long the server may take to notice that a publisher has left.
const GONE: Duration = Duration::from_secs(20);

/// Between two looks.
const LOOK: Duration = Duration::from_millis(500);

async fn discover(suite: &Suite, method: Method) -> Outcome {
    let name = method.to_string();
    let reply = suite.client.send(Ask::new(method, suite.url())).await?;
    if reply.status != 200 {
        return fail(format!("{name}: {}; expected 200", reply.status));
    }
    if !reply.body.is_empty() {
        return fail(format!(
            "{name}: 200 with {} bytes; expected none",
            reply.body.len()
        ));
    }
    match reply.media_type() == SDP {
        true => Ok(format!("{name}: 200 with Content-Type: {SDP}")),
        false => fail(format!("{name}: 200 without Content-Type: {SDP}")),
    }
}

async fn head(suite: &Suite) -> Outcome {
    discover(suite, Method::HEAD).await
}

async fn get(suite: &Suite) -> Outcome {
    discover(suite, Method::GET).await
}

async fn sends(suite: &Suite) -> Outcome {
    let session = suite.open().await?;
    let mut sending = 0;
    for media in session
        .answer
        .sections
        .iter()
        .filter(|media| !media.is_rejected())
    {
        match media.direction() {
            "sendonly" => sending += 1,
            "inactive" => {}
            other => {
                return fail(format!(
                    "the answer's {} is {other}; expected sendonly",
                    media.kind
                ));
            }
        }
    }
    match sending {
        0 => fail("no m-line of the answer is sendonly"),
        _ => Ok(format!("{sending} m-lines of the answer are sendonly")),
    }
}

async fn not_live(suite: &Suite) -> Outcome {
    if suite.target.publish.is_none() {
        return skip("the stream is not ours to publish, so it cannot be stopped");
    }
    suite.silence().await;
    let end = tokio::time::Instant::now() + GONE;
    loop {
        let reply = suite
            .follow(Ask::post(suite.url(), &suite.offer().sdp()))
            .await?;
        let when = reply.header("retry-after").map(str::to_owned);
        match (reply.status, when) {
            (409, Some(when)) => {
                return Ok(format!(
                    "POST with nobody publishing: 409 with Retry-After: {when}"
                ));
            }
            (409, None) => return fail("POST with nobody publishing: 409 without Retry-After"),
            // The publisher is still remembered, or the stream may be waited for: looked at again below.
            (201, _) if tokio::time::Instant::now() < end => tokio::time::sleep(LOOK).await,
            (201, _) => {
                return Ok(
                    "POST with nobody publishing: 201: a player may wait in a session".to_owned(),
                );
            }
            (other, _) => {
                return fail(format!(
                    "POST with nobody publishing: {other}; expected 409 with Retry-After"
                ));
            }
        }
    }
}

async fn counter_offer(suite: &Suite) -> Outcome {
    let mut offer = suite.offer();
    let mut video = Section::strange_audio();
    video.kind = "video";
    offer.sections = vec![video];
    let reply = suite.post(&offer.sdp()).await?;
    if reply.status != 406 {
        return Ok(format!(
            "POST with codecs that nobody has: {}, no counter-offer",
            reply.status
        ));
    }
    let Some(session) = reply.location() else {
        return fail("POST: 406 without a Location");
    };
    let counter = Description::read(&reply.text());
    if reply.media_type() != SDP || !counter.is_whole() {
        return fail(format!("POST: 406 without an SDP offer as {SDP}"));
    }
    let sends = |direction: &str| ["sendonly", "sendrecv"].contains(&direction);
    if !counter
        .sections
        .iter()
        .all(|media| sends(media.direction()))
    {
        return fail("POST: 406, and its offer does not send");
    }
    let ask = Ask::new(Method::PATCH, &session).content(SDP, "this is no answer");
    let patched = suite.client.send(ask).await?;
    let _ = suite.client.send(Ask::delete(&session)).await;
    patched.expect_refusal("PATCH of words as an answer to the counter-offer")?;
    Ok(format!(
        "POST: 406 with an offer; a malformed answer to it: {}",
        patched.status
    ))
}

async fn one_stream(suite: &Suite) -> Outcome {
    let session = suite.open().await?;
    let mut streams = Vec::new();
    let mut kinds = Vec::new();
    for media in session.answer.sections.iter() {
        if media.is_rejected() || media.direction() != "sendonly" {
            continue;
        }
        let Some(msid) = media.value("msid") else {
            return fail(format!("the answer's {} has no a=msid", media.kind));
        };
        let stream = msid.split(' ').next().unwrap_or_default();
        if !streams.contains(&stream) {
            streams.push(stream);
        }
        if kinds.contains(&media.kind) {
            return fail(format!("the answer has two tracks of {}", media.kind));
        }
        kinds.push(media.kind.clone());
    }
    match streams.len() {
        1 => Ok(format!("{} in one MediaStream", kinds.join(" and "))),
        other => fail(format!(
            "the answer's tracks are of {other} MediaStreams; expected 1"
        )),
    }
}
