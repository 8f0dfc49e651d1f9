//! How a session begins and ends (RFC 9725 section 4.2).

use std::time::Duration;

use crate::conformance::client::{Ask, SDP};
use crate::conformance::description::Description;
use crate::conformance::requirement::{BOTH, Level, Outcome, Requirement, WHIP, fail, skip};
use crate::conformance::suite::Suite;

pub(super) const ALL: &[Requirement] = &[
    Requirement {
        id: "S-S1",
        level: Level::Must,
        protocols: WHIP,
        source: "RFC 9725 section 4.2",
        words: "an offer is answered with 201, application/sdp, an SDP answer, and the session's address in Location",
        check: |suite| Box::pin(created(suite)),
    },
    Requirement {
        id: "S-S2",
        level: Level::Must,
        protocols: BOTH,
        source: "RFC 9725 section 4.2",
        words: "any other content type and malformed SDP are refused with 4xx; parameters of the type are no other type",
        check: |suite| Box::pin(no_offer(suite)),
    },
    Requirement {
        id: "S-S3",
        level: Level::Must,
        protocols: WHIP,
        source: "RFC 9725 section 4.2",
        words: "the answer to a publisher is recvonly",
        check: |suite| Box::pin(receives(suite)),
    },
    Requirement {
        id: "S-S4",
        level: Level::Shall,
        protocols: BOTH,
        source: "RFC 9725 section 4.2",
        words: "a client's DTLS teardown (close_notify) ends the session; a full ICE agent keeps asking for consent (RFC 7675)",
        check: |suite| Box::pin(teardown(suite)),
    },
    Requirement {
        id: "S-S5",
        level: Level::Must,
        protocols: BOTH,
        source: "RFC 9725 section 4.2",
        words: "DELETE on the session's address ends it: 2xx, and ICE and DTLS end too",
        check: |suite| Box::pin(delete(suite)),
    },
    Requirement {
        id: "S-S6",
        level: Level::Must,
        protocols: BOTH,
        source: "RFC 9725 section 4.2, RFC 7675 section 5.2",
        words: "a server that ends a session stops to answer consent checks at once, and closes DTLS",
        check: |suite| Box::pin(ended_by_the_server(suite)),
    },
];

/// How long the server may take to notice a goodbye, and we one of its own.
const NOTICE: Duration = Duration::from_secs(5);

/// How long a full agent may take to ask for consent (RFC 7675 section 5.1: at most six seconds), and a little more.
const CONSENT: Duration = Duration::from_secs(8);

/// What a 201 must bring; `protocol` asks it under an id of its own.
pub(super) async fn created(suite: &Suite) -> Outcome {
    let reply = suite.post(&suite.offer().sdp()).await?;
    reply.expect("POST of an offer", &[201])?;
    if reply.media_type() != SDP {
        return fail(format!("POST of an offer: 201 without Content-Type: {SDP}"));
    }
    if !Description::read(&reply.text()).is_whole() {
        return fail("POST of an offer: 201, and the body is no SDP answer (v=0, an m-line)");
    }
    match reply.location() {
        Some(_) => Ok("POST of an offer: 201 with an SDP answer and a Location".to_owned()),
        None => fail("POST of an offer: 201 without a Location that can be resolved"),
    }
}

async fn no_offer(suite: &Suite) -> Outcome {
    let sdp = suite.offer().sdp();
    for media_type in ["text/plain", "application/json", "application/sdpx"] {
        let ask = Ask::post(suite.url(), "").content(media_type, &sdp);
        let reply = suite.send_offer(ask).await?;
        reply.expect_refusal(&format!("POST of an offer as {media_type}"))?;
    }
    let untyped = Ask::new(reqwest::Method::POST, suite.url()).untyped(&sdp);
    let reply = suite.send_offer(untyped).await?;
    reply.expect_refusal("POST of an offer without Content-Type")?;

    let headless = sdp.replacen("v=0\r\n", "", 1);
    let without_media = sdp.split("m=").next().unwrap_or_default();
    let without_ice = without(&sdp, "a=ice-");
    let without_fingerprint = without(&sdp, "a=fingerprint:");
    for (what, text) in [
        ("words", "this is no offer"),
        ("JSON", "{\"type\":\"offer\",\"sdp\":\"v=0\"}"),
        ("SDP without v=0", headless.as_str()),
        ("SDP without an m-line", without_media),
        ("SDP without ICE credentials", &without_ice),
        ("SDP without a fingerprint", &without_fingerprint),
    ] {
        let reply = suite.post(text).await?;
        reply.expect_refusal(&format!("POST of {what} as application/sdp"))?;
    }

    let offer = suite.offer().sdp();
    let ask = Ask::post(suite.url(), "").content("application/sdp; charset=utf-8", &offer);
    let reply = suite.send_offer(ask).await?;
    reply.expect("POST of an offer as application/sdp; charset=utf-8", &[201])?;
    Ok("4 other types and 6 malformed offers: 4xx; with a charset: 201".to_owned())
}

/// The text without the lines that begin so.
fn without(sdp: &str, beginning: &str) -> String {
    sdp.split_inclusive("\r\n")
        .filter(|line| !line.starts_with(beginning))
        .collect()
}

async fn receives(suite: &Suite) -> Outcome {
    let session = suite.open().await?;
    for media in &session.answer.sections {
        let direction = media.direction();
        if !media.is_rejected() && direction != "recvonly" {
            return fail(format!(
                "the answer's {} is {direction}; expected recvonly",
                media.kind
            ));
        }
    }
    Ok("every m-line of the answer is recvonly".to_owned())
}

async fn teardown(suite: &Suite) -> Outcome {
    let session = suite.open().await?;
    let mut call = session.call(suite).await?;
    let lite = session.answer.value("ice-lite").is_some();
    if !lite {
        let before = call.seen.checks;
        call.run(CONSENT, |seen| seen.checks > before || seen.closed)
            .await;
        if call.seen.checks == before {
            return fail(format!(
                "a full ICE agent, and no check of it within {} seconds",
                CONSENT.as_secs()
            ));
        }
    }
    call.close().await;
    match (call.is_forsaken(NOTICE).await, lite) {
        (true, true) => Ok("after our close_notify, checks are no longer answered (ICE-lite: no consent of its own)".to_owned()),
        (true, false) => Ok("it asks for consent; after our close_notify, checks are no longer answered".to_owned()),
        (false, _) => fail(format!(
            "{} seconds after our close_notify, checks are still answered",
            NOTICE.as_secs()
        )),
    }
}

async fn delete(suite: &Suite) -> Outcome {
    let session = suite.open().await?;
    let mut call = session.call(suite).await?;
    let reply = suite.client.send(Ask::delete(&session.url)).await?;
    if !reply.is_success() {
        return fail(format!("DELETE: {}; expected 200", reply.status));
    }
    call.run(NOTICE, |seen| seen.closed).await;
    let closed = call.seen.closed;
    match (call.is_forsaken(NOTICE).await, closed) {
        (true, true) => Ok(format!(
            "DELETE: {}, then close_notify, and checks are no longer answered",
            reply.status
        )),
        (true, false) => fail(format!(
            "DELETE: {}, and no close_notify came",
            reply.status
        )),
        (false, _) => fail(format!(
            "DELETE: {}, and {} seconds later checks are still answered",
            reply.status,
            NOTICE.as_secs()
        )),
    }
}

async fn ended_by_the_server(suite: &Suite) -> Outcome {
    let Some(operator) = suite.target.operator.clone() else {
        return skip("nobody is at hand who could end a session at the server");
    };
    let session = suite.open().await?;
    let mut call = session.call(suite).await?;
    if let Err(why) = operator.end_sessions().await {
        return skip(format!(
            "the session could not be ended at the server: {why}"
        ));
    }
    call.run(NOTICE, |seen| seen.closed).await;
    let closed = call.seen.closed;
    // At once: nothing is left that could still notice.
    match (call.is_forsaken(Duration::ZERO).await, closed) {
        (true, true) => Ok("close_notify came, and checks are no longer answered".to_owned()),
        (true, false) => fail("checks are no longer answered, and no close_notify came"),
        (false, _) => fail("the server has ended the session, and checks are still answered"),
    }
}
