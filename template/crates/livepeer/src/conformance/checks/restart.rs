//! ICE restart (RFC 9725 section 4.3.3).

use std::time::Duration;

use crate::conformance::Protocol;
use crate::conformance::client::Reply;
use crate::conformance::fragment::{FRAGMENT, joined};
use crate::conformance::offer::Credentials;
use crate::conformance::requirement::{BOTH, Level, Miss, Outcome, Requirement, fail, skip};
use crate::conformance::session::{Match, Session};
use crate::conformance::suite::Suite;

use super::patch;

pub(super) const ALL: &[Requirement] = &[
    Requirement {
        id: "S-R1",
        level: Level::Must,
        protocols: BOTH,
        source: "RFC 9725 section 4.3.3",
        words: "PATCH with new credentials restarts ICE: 200, a fragment with the server's new ones, a new ETag, and media goes on",
        check: |suite| Box::pin(restarts(suite)),
    },
    Requirement {
        id: "S-R2",
        level: Level::Must,
        protocols: BOTH,
        source: "RFC 9725 section 4.3.3",
        words: "a restart that cannot be is answered with an error, and the session goes on as it was",
        check: |suite| Box::pin(cannot(suite)),
    },
    Requirement {
        id: "S-R3",
        level: Level::Must,
        protocols: BOTH,
        source: "RFC 9725 section 4.3.3",
        words: "the fragment of a restart has the ice-lite, ice-options and ice-pacing of the answer",
        check: |suite| Box::pin(same_attributes(suite)),
    },
    Requirement {
        id: "S-R4",
        level: Level::Must,
        protocols: BOTH,
        source: "RFC 9725 section 4.3.3, RFC 7675 section 5.1",
        words: "a session whose client has vanished ends when consent has expired, after 30 seconds",
        check: |suite| Box::pin(consent_expires(suite)),
    },
];

/// How long media may take to come on the new path; receiver reports of a lone publisher are five seconds apart.
const MEDIA: Duration = Duration::from_secs(6);

/// How long the connection must have lasted to count as alive.
const ALIVE: Duration = Duration::from_secs(1);

/// The server's new credentials and candidates.
fn accepted(
    session: &Session,
    reply: &Reply,
) -> Result<(Credentials, Vec<std::net::SocketAddr>), Miss> {
    reply.expect("PATCH with new credentials", &[200])?;
    if reply.media_type() != FRAGMENT {
        return fail(format!(
            "PATCH with new credentials: 200 without Content-Type: {FRAGMENT}"
        ));
    }
    let Some((described, credentials)) = Session::restarted(reply) else {
        return fail(
            "PATCH with new credentials: 200, and its fragment has no ice-ufrag and ice-pwd",
        );
    };
    let old = session.answer.credentials();
    if old.is_some_and(|old| old.ufrag == credentials.ufrag || old.pwd == credentials.pwd) {
        return fail(
            "PATCH with new credentials: 200, and the server's ice-ufrag or ice-pwd is the old one",
        );
    }
    match (reply.entity_tag(), &session.tag) {
        (None, _) => return fail("PATCH with new credentials: 200 without a strong ETag"),
        (Some(new), Some(old)) if new == old => {
            return fail("PATCH with new credentials: 200 with the old ETag");
        }
        _ => {}
    }
    // New candidates may be left out: then those of the answer stand.
    let candidates = match described.candidates() {
        none if none.is_empty() => session.answer.candidates(),
        candidates => candidates,
    };
    Ok((credentials, candidates))
}

async fn restarts(suite: &Suite) -> Outcome {
    let session = suite.open().await?;
    let mut call = session.call(suite).await?;
    let ice = Credentials::random();
    let reply = patch::restart(suite, &session, &ice).await?;
    if matches!(reply.status, 405 | 422 | 501) {
        return skip(format!("no ICE restart here: PATCH: {}", reply.status));
    }
    let (theirs, candidates) = accepted(&session, &reply)?;
    if !call.restart(suite.pair(ice, theirs), &candidates).await {
        return fail("PATCH with new credentials: 200, and nobody answers checks with them");
    }
    match suite.target.protocol {
        Protocol::Whep => {
            call.run(MEDIA, |seen| seen.media > 0 || seen.closed).await;
            if call.seen.media == 0 {
                return fail(format!(
                    "after the restart no media comes on the new path within {} seconds",
                    MEDIA.as_secs()
                ));
            }
        }
        Protocol::Whip => call.run(ALIVE, |seen| seen.closed).await,
    }
    match call.seen.closed {
        true => fail("after the restart the server closes DTLS"),
        false => Ok("200, new credentials, new ETag; checks with them are answered, and the connection goes on".to_owned()),
    }
}

async fn cannot(suite: &Suite) -> Outcome {
    let session = suite.open().await?;
    let ufrag = "a=ice-ufrag:NewUfrag";
    let section = ["m=audio 9 RTP/AVP 0", "a=mid:0"];
    let mut statuses = Vec::new();
    for (what, lines) in [
        ("a new ice-ufrag and no ice-pwd", vec![ufrag]),
        (
            "an ice-pwd that is too short",
            vec![ufrag, "a=ice-pwd:short"],
        ),
    ] {
        let body = joined(&[lines, section.to_vec()].concat(), "\r\n");
        let reply = session.patch(suite, Match::Is("*"), &body).await?;
        if reply.status < 400 {
            return fail(format!(
                "PATCH with {what}: {}; expected an error",
                reply.status
            ));
        }
        statuses.push(reply.status.to_string());
    }
    if !session.answers(suite).await? {
        return fail(
            "after a restart that was refused, checks with the old credentials are no longer answered",
        );
    }
    Ok(format!(
        "2 restarts that cannot be: {}; the old ICE session goes on",
        statuses.join(", ")
    ))
}

async fn same_attributes(suite: &Suite) -> Outcome {
    let ice = Credentials::random();
    let (session, reply) = patch::restarting(suite, &ice).await?;
    accepted(&session, &reply)?;
    let Some((described, _)) = Session::restarted(&reply) else {
        return fail("the fragment cannot be read");
    };
    let answer = &session.answer;
    if answer.value("ice-lite").is_some() != described.value("ice-lite").is_some() {
        return fail("a=ice-lite stands in one of answer and fragment, and not in the other");
    }
    for name in ["ice-options", "ice-pacing"] {
        if answer.words(name) != described.words(name) {
            return fail(format!(
                "a={name} of the answer: {:?}, of the fragment: {:?}",
                answer.words(name),
                described.words(name)
            ));
        }
    }
    Ok("ice-lite, ice-options and ice-pacing are those of the answer".to_owned())
}

/// Consent lasts for 30 seconds (RFC 7675 section 5.1), and noticing takes a moment.
const EXPIRED: Duration = Duration::from_secs(35);

async fn consent_expires(suite: &Suite) -> Outcome {
    let session = suite.open().await?;
    let mut call = session.call(suite).await?;
    // Not a word, neither STUN nor DTLS, and no answers either.
    call.vanish(EXPIRED).await;
    let lite = session.answer.value("ice-lite").is_some();
    match (call.is_forsaken(Duration::ZERO).await, lite) {
        (true, _) => Ok(format!(
            "after {} silent seconds, checks are no longer answered",
            EXPIRED.as_secs()
        )),
        (false, true) => Ok("ICE-lite: it asks for no consent that could expire".to_owned()),
        (false, false) => fail(format!(
            "after {} silent seconds of ours, checks are still answered",
            EXPIRED.as_secs()
        )),
    }
}
