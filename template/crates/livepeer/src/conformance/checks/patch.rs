//! What PATCH may carry, and entity-tags (RFC 9725 section 4.3.1).

use crate::conformance::client::Ask;
use crate::conformance::client::Reply;
use crate::conformance::fragment::{CANDIDATE, fragment};
use crate::conformance::offer::Credentials;
use crate::conformance::requirement::{BOTH, Level, Miss, Outcome, Requirement, fail, skip};
use crate::conformance::session::{Match, STALE, Session};
use crate::conformance::suite::Suite;

pub(super) const ALL: &[Requirement] = &[
    Requirement {
        id: "S-P1",
        level: Level::Must,
        protocols: BOTH,
        source: "RFC 9725 section 4.3.1",
        words: "PATCH with another type than application/trickle-ice-sdpfrag, or with a malformed fragment, is refused with 4xx",
        check: |suite| Box::pin(no_fragment(suite)),
    },
    Requirement {
        id: "S-P2",
        level: Level::Must,
        protocols: BOTH,
        source: "RFC 9725 section 4.3.1",
        words: "where only one of trickle ICE and ICE restart is supported, a PATCH for the other is answered with 422",
        check: |suite| Box::pin(one_of_two(suite)),
    },
    Requirement {
        id: "S-P3",
        level: Level::Must,
        protocols: BOTH,
        source: "RFC 9725 section 4.3.1",
        words: "where restart is supported, each ICE session has a strong entity-tag of its own, and the 201 brings the first",
        check: |suite| Box::pin(entity_tags(suite)),
    },
    Requirement {
        id: "S-P4",
        level: Level::Must,
        protocols: BOTH,
        source: "RFC 9725 section 4.3.1, RFC 6585 section 3, RFC 9110 section 13.1.1",
        words: "PATCH without If-Match is answered with 428, with an outdated entity-tag with 412",
        check: |suite| Box::pin(conditions(suite)),
    },
    Requirement {
        id: "S-P5",
        level: Level::Must,
        protocols: BOTH,
        source: "RFC 9725 section 4.3.1",
        words: "an entity-tag on DELETE is ignored",
        check: |suite| Box::pin(delete_ignores_tags(suite)),
    },
    Requirement {
        id: "S-P6",
        level: Level::Must,
        protocols: BOTH,
        source: "RFC 9725 section 4.3.1",
        words: "PATCH requests that overlap or come out of order do no harm: the entity-tag tells which session each is for",
        check: |suite| Box::pin(out_of_order(suite)),
    },
];

/// Statuses of a server that knows nothing of PATCH. (405 and 501 both occur, and clients bear with both.)
const UNKNOWN: [u16; 2] = [405, 501];

/// A candidate of the current ICE session.
pub(super) async fn trickle(suite: &Suite, session: &Session) -> Result<Reply, Miss> {
    let body = fragment(&session.offer.ice, &[CANDIDATE]);
    session.patch(suite, Match::Current, &body).await
}

/// New credentials.
pub(super) async fn restart(
    suite: &Suite,
    session: &Session,
    ice: &Credentials,
) -> Result<Reply, Miss> {
    let body = fragment(ice, &[CANDIDATE]);
    session.patch(suite, Match::Is("*"), &body).await
}

/// A session at a server that does trickle ICE.
pub(super) async fn trickling(suite: &Suite) -> Result<Session, Miss> {
    let session = suite.open().await?;
    let reply = trickle(suite, &session).await?;
    match reply.status {
        405 | 422 | 501 => skip(format!("no trickle ICE here: PATCH: {}", reply.status)),
        _ => Ok(session),
    }
}

/// A session at a server that does ICE restarts, and the reply to one.
pub(super) async fn restarting(suite: &Suite, ice: &Credentials) -> Result<(Session, Reply), Miss> {
    let session = suite.open().await?;
    let reply = restart(suite, &session, ice).await?;
    match reply.status {
        405 | 422 | 501 => skip(format!("no ICE restart here: PATCH: {}", reply.status)),
        _ => Ok((session, reply)),
    }
}

async fn no_fragment(suite: &Suite) -> Outcome {
    let session = suite.open().await?;
    let good = fragment(&session.offer.ice, &[CANDIDATE]);
    let refused = |what: &str, reply: &Reply| match reply.status {
        501 => Ok(()),
        _ => reply.expect_refusal(what),
    };
    for media_type in [
        "application/json",
        "text/plain",
        "application/trickle-ice-sdp",
    ] {
        let reply = session
            .patch_as(suite, Match::Current, media_type, &good)
            .await?;
        refused(&format!("PATCH of {media_type}"), &reply)?;
    }
    for (what, body) in [
        ("words", "this is no fragment"),
        ("JSON", "{\"candidate\":\"\"}"),
        ("an m-line cut off", "a=ice-ufrag:x\r\nm=\r\n"),
    ] {
        let reply = session.patch(suite, Match::Current, body).await?;
        refused(&format!("PATCH of {what} as a fragment"), &reply)?;
    }
    Ok("3 other types and 3 malformed fragments: refused".to_owned())
}

async fn one_of_two(suite: &Suite) -> Outcome {
    let session = suite.open().await?;
    let trickled = trickle(suite, &session).await?.status;
    let restarted = restart(suite, &session, &Credentials::random())
        .await?
        .status;
    match (
        (200..300).contains(&trickled),
        (200..300).contains(&restarted),
    ) {
        (true, true) => Ok("both are supported".to_owned()),
        (true, false) if restarted == 422 => Ok("trickle is supported; restart: 422".to_owned()),
        (true, false) => fail(format!(
            "trickle is supported; restart: {restarted}; expected 422"
        )),
        (false, true) if trickled == 422 => Ok("restart is supported; trickle: 422".to_owned()),
        (false, true) => fail(format!(
            "restart is supported; trickle: {trickled}; expected 422"
        )),
        (false, false) if UNKNOWN.contains(&trickled) && UNKNOWN.contains(&restarted) => {
            Ok(format!("neither is supported: {trickled}"))
        }
        (false, false) => fail(format!(
            "neither is supported: trickle: {trickled}, restart: {restarted}; expected 405 or 501"
        )),
    }
}

async fn entity_tags(suite: &Suite) -> Outcome {
    let ice = Credentials::random();
    let (session, reply) = restarting(suite, &ice).await?;
    let weak = |reply: &Reply| match reply.header("etag") {
        Some(tag) => format!("ETag is not a strong entity-tag: {tag}"),
        None => "no ETag".to_owned(),
    };
    let Some(first) = &session.tag else {
        return fail(format!("POST: 201, {}", weak(&session.reply)));
    };
    reply.expect("PATCH with new credentials", &[200])?;
    let Some(second) = reply.entity_tag() else {
        return fail(format!("PATCH with new credentials: 200, {}", weak(&reply)));
    };
    let other = suite.open().await?;
    match &other.tag {
        None => fail(format!("POST: 201, {}", weak(&other.reply))),
        Some(other) if first == second || first == other || second == other => fail(
            "two of three ICE sessions (a session, its restart, another session) have the same entity-tag",
        ),
        Some(_) => {
            Ok("a session, its restart and another session: three strong entity-tags".to_owned())
        }
    }
}

async fn conditions(suite: &Suite) -> Outcome {
    let session = trickling(suite).await?;
    if session.tag.is_none() {
        return skip("the 201 brings no strong entity-tag to hold a PATCH against");
    }
    let body = fragment(&session.offer.ice, &[CANDIDATE]);
    let reply = session.patch(suite, Match::None, &body).await?;
    reply.expect("PATCH (trickle) without If-Match", &[428])?;
    let reply = session.patch(suite, Match::Is(STALE), &body).await?;
    reply.expect("PATCH (trickle) with another If-Match", &[412])?;
    let body = fragment(&Credentials::random(), &[CANDIDATE]);
    let reply = session.patch(suite, Match::None, &body).await?;
    let restarts = !matches!(reply.status, 405 | 422 | 501);
    if restarts {
        reply.expect("PATCH (restart) without If-Match", &[428])?;
        let reply = session.patch(suite, Match::Is(STALE), &body).await?;
        reply.expect("PATCH (restart) with another If-Match", &[412])?;
    }
    Ok("without If-Match: 428, with another: 412".to_owned())
}

async fn delete_ignores_tags(suite: &Suite) -> Outcome {
    let session = suite.open().await?;
    let ask = Ask::delete(&session.url).header("if-match", STALE);
    let reply = suite.client.send(ask).await?;
    match reply.is_success() {
        true => Ok(format!("DELETE with another If-Match: {}", reply.status)),
        false => fail(format!(
            "DELETE with another If-Match: {}; expected 200",
            reply.status
        )),
    }
}

async fn out_of_order(suite: &Suite) -> Outcome {
    let mut session = trickling(suite).await?;
    let replies = tokio::join!(
        trickle(suite, &session),
        trickle(suite, &session),
        trickle(suite, &session),
        trickle(suite, &session),
    );
    for reply in [replies.0?, replies.1?, replies.2?, replies.3?] {
        reply.expect("4 PATCH (trickle) at once", &[204])?;
    }
    let ice = Credentials::random();
    let reply = restart(suite, &session, &ice).await?;
    if matches!(reply.status, 405 | 422 | 501) {
        return Ok("4 PATCH (trickle) at once: all 204".to_owned());
    }
    reply.expect("PATCH (restart) after them", &[200])?;
    let late = trickle(suite, &session).await?;
    late.expect("PATCH (trickle) of before the restart, late", &[412])?;
    session.tag = reply.entity_tag().map(str::to_owned);
    session.offer.ice = ice;
    let now = trickle(suite, &session).await?;
    now.expect("PATCH (trickle) after the restart", &[204])?;
    Ok("4 at once: all 204; one of before a restart: 412, and it does no harm".to_owned())
}
