//! Trickle ICE (RFC 9725 section 4.3.2).

use crate::conformance::fragment::{CANDIDATE, fragment};
use crate::conformance::requirement::{BOTH, Level, Outcome, Requirement, fail};
use crate::conformance::session::Match;
use crate::conformance::suite::Suite;

use super::patch;

pub(super) const ALL: &[Requirement] = &[
    Requirement {
        id: "S-T1",
        level: Level::Shall,
        protocols: BOTH,
        source: "RFC 9725 section 4.3.2",
        words: "the answer lists the server's candidates: none comes later, so one of them must do",
        check: |suite| Box::pin(gathered(suite)),
    },
    Requirement {
        id: "S-T2",
        level: Level::Must,
        protocols: BOTH,
        source: "RFC 9725 section 4.3.2",
        words: "PATCH with candidates and the current credentials is answered with 204, without body and ETag",
        check: |suite| Box::pin(no_content(suite)),
    },
    Requirement {
        id: "S-T3",
        level: Level::Must,
        protocols: BOTH,
        source: "RFC 9725 section 4.3.2",
        words: "candidates of a transport or an address that the server cannot use are passed over, and the rest is taken",
        check: |suite| Box::pin(unusable(suite)),
    },
];

async fn gathered(suite: &Suite) -> Outcome {
    let session = suite.open().await?;
    let candidates = session.answer.candidates().len();
    if session.answer.values("candidate").is_empty() {
        return fail("POST: the answer has no candidate");
    }
    match session.answers(suite).await? {
        true => Ok(format!(
            "candidates over UDP: {candidates}, and a check is answered"
        )),
        false => fail(format!(
            "candidates over UDP in the answer: {candidates}, and none answers a check from here"
        )),
    }
}

async fn no_content(suite: &Suite) -> Outcome {
    let session = patch::trickling(suite).await?;
    let body = fragment(&session.offer.ice, &[CANDIDATE, "a=end-of-candidates"]);
    let reply = session.patch(suite, Match::Current, &body).await?;
    reply.expect("PATCH with a candidate", &[204])?;
    if !reply.body.is_empty() {
        return fail("PATCH with a candidate: 204 with a body");
    }
    match reply.header("etag") {
        Some(_) => fail("PATCH with a candidate: 204 with an ETag"),
        None => Ok("PATCH with a candidate: 204, no body, no ETag".to_owned()),
    }
}

async fn unusable(suite: &Suite) -> Outcome {
    let session = patch::trickling(suite).await?;
    for (what, candidate) in [
        (
            "an mDNS name",
            "a=candidate:1 1 udp 2113937151 3d5a8f0e-7c1b-4f6e-9d2a-1b2c3d4e5f60.local 50000 typ host",
        ),
        (
            "a host name",
            "a=candidate:2 1 udp 2113937151 client.invalid 50000 typ host",
        ),
        (
            "TCP, active",
            "a=candidate:3 1 tcp 1518280447 192.0.2.77 9 typ host tcptype active",
        ),
        (
            "an unknown transport",
            "a=candidate:4 1 pigeon 1518280447 192.0.2.77 50000 typ host",
        ),
        (
            "IPv6",
            "a=candidate:5 1 udp 2113937151 2001:db8::77 50000 typ host",
        ),
    ] {
        let body = fragment(&session.offer.ice, &[candidate, CANDIDATE]);
        let reply = session.patch(suite, Match::Current, &body).await?;
        reply.expect(&format!("PATCH with a candidate of {what}"), &[204])?;
    }
    match session.answers(suite).await? {
        true => Ok(
            "mDNS, host name, TCP, an unknown transport, IPv6: all 204, and the session goes on"
                .to_owned(),
        ),
        false => fail("after candidates that cannot be used, checks are no longer answered"),
    }
}
