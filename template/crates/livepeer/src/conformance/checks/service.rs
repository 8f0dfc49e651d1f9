//! Redirects and load, helpers, who may, extensions, addresses (RFC 9725 sections 4.5 to 5).

use std::collections::BTreeSet;

use reqwest::Method;
use url::{Host, Url};

use crate::conformance::client::Ask;
use crate::conformance::fragment::{CANDIDATE, FRAGMENT, fragment};
use crate::conformance::publisher::TestStream;
use crate::conformance::requirement::{BOTH, Level, Outcome, Requirement, fail, skip};
use crate::conformance::suite::Suite;

use super::patch;

pub(super) const ALL: &[Requirement] = &[
    Requirement {
        id: "S-L1",
        level: Level::Must,
        protocols: BOTH,
        source: "RFC 9725 section 4.5",
        words: "POST is never redirected with 301 or 302, which would lose the offer",
        check: |suite| Box::pin(redirects(suite)),
    },
    Requirement {
        id: "S-L2",
        level: Level::May,
        protocols: BOTH,
        source: "RFC 9725 section 4.5",
        words: "a server that is full answers with 503, and says in Retry-After when to come again",
        check: |suite| Box::pin(full(suite)),
    },
    Requirement {
        id: "S-I1",
        level: Level::May,
        protocols: BOTH,
        source: "RFC 9725 section 4.6",
        words: "STUN and TURN servers stand in Link headers with rel=ice-server, those of TURN with username and credential",
        check: |suite| Box::pin(helpers(suite)),
    },
    Requirement {
        id: "S-I2",
        level: Level::Should,
        protocols: BOTH,
        source: "RFC 9725 section 4.6",
        words: "the answer to a CORS preflight names no STUN and TURN servers",
        check: |suite| Box::pin(no_helpers(suite)),
    },
    Requirement {
        id: "S-A1",
        level: Level::Must,
        protocols: BOTH,
        source: "RFC 9725 section 4.7.1, RFC 6750 section 3",
        words: "bearer tokens are supported: without one, 401 with WWW-Authenticate: Bearer; with another, 401 or 403; with the right one, 201",
        check: |suite| Box::pin(bearer(suite)),
    },
    Requirement {
        id: "S-X1",
        level: Level::Must,
        protocols: BOTH,
        source: "RFC 9725 section 4.9",
        words: "extensions are announced in the 201: a Link for each, rel beginning with urn:ietf:params:whip:ext (or whep), and an address",
        check: |suite| Box::pin(extensions(suite)),
    },
    Requirement {
        id: "S-X2",
        level: Level::Must,
        protocols: BOTH,
        source: "RFC 9725 section 4.9",
        words: "no extension is required: a client that knows none gets a session and keeps it",
        check: |suite| Box::pin(none_required(suite)),
    },
    Requirement {
        id: "S-Z1",
        level: Level::Shall,
        protocols: BOTH,
        source: "RFC 9725 section 5",
        words: "HTTPS is used, but for a server on the very same machine",
        check: |suite| Box::pin(https(suite)),
    },
    Requirement {
        id: "S-Z2",
        level: Level::Should,
        protocols: BOTH,
        source: "RFC 9725 section 5, RFC 4086",
        words: "the address of a session cannot be guessed, and holds nothing of the endpoint's secrets",
        check: |suite| Box::pin(unguessable(suite)),
    },
    Requirement {
        id: "S-Z3",
        level: Level::Should,
        protocols: BOTH,
        source: "RFC 9725 section 5, RFC 6585 section 4",
        words: "who sends PATCH after PATCH is told to slow down",
        check: |suite| Box::pin(flood(suite)),
    },
];

async fn redirects(suite: &Suite) -> Outcome {
    let sdp = suite.offer().sdp();
    let reply = suite.client.send(Ask::post(suite.url(), &sdp)).await?;
    if let (201, Some(session)) = (reply.status, reply.location()) {
        // Its clean-up is ours: it came about past the suite's own way.
        let _ = suite.client.send(Ask::delete(&session)).await;
    }
    match reply.status {
        301..=303 => fail(format!(
            "POST: {}; expected no redirect, or 307",
            reply.status
        )),
        307 | 308 if reply.location().is_none() => {
            fail(format!("POST: {} without a Location", reply.status))
        }
        status => Ok(format!("POST: {status}")),
    }
}

async fn full(suite: &Suite) -> Outcome {
    let Some(full) = &suite.target.full else {
        return skip("no server is at hand that has no room");
    };
    let stream = match TestStream::begin(full.publish.clone(), None).await {
        Ok(stream) => stream,
        Err(error) => return skip(format!("the last room could not be taken up: {error}")),
    };
    let refusal = refused_for_want_of_room(suite, full.url.expose()).await;
    stream.end().await;
    refusal
}

async fn refused_for_want_of_room(suite: &Suite, url: &Url) -> Outcome {
    let reply = suite
        .wait_until_live(Ask::post(url, &suite.offer().sdp()))
        .await?;
    reply.expect("POST to a server that is full", &[503])?;
    match reply.header("retry-after") {
        Some(when) => Ok(format!(
            "POST to a server that is full: 503 with Retry-After: {when}"
        )),
        None => fail("POST to a server that is full: 503 without Retry-After"),
    }
}

async fn helpers(suite: &Suite) -> Outcome {
    let session = suite.open().await?;
    let links = session.reply.links();
    let servers: Vec<_> = links.iter().filter(|link| link.is("ice-server")).collect();
    for server in &servers {
        let scheme = server.target.split(':').next().unwrap_or_default();
        if !["stun", "stuns", "turn", "turns"].contains(&scheme) {
            return fail(
                "POST: a Link with rel=ice-server leads to something else than STUN or TURN",
            );
        }
        let whole = server.param("username").is_some() && server.param("credential").is_some();
        if scheme.starts_with("turn") && !whole {
            return fail("POST: a Link to a TURN server lacks username or credential");
        }
    }
    Ok(format!(
        "POST: 201 with {} Link: rel=ice-server",
        servers.len()
    ))
}

async fn no_helpers(suite: &Suite) -> Outcome {
    let ask = Ask::options(suite.url())
        .without_bearer()
        .header("origin", "https://page.example")
        .header("access-control-request-method", "POST")
        .header("access-control-request-headers", "content-type");
    let reply = suite.client.send(ask).await?;
    match reply.links().iter().any(|link| link.is("ice-server")) {
        true => fail(format!(
            "OPTIONS (preflight): {} with Link: rel=ice-server",
            reply.status
        )),
        false => Ok(format!(
            "OPTIONS (preflight): {} without Link: rel=ice-server",
            reply.status
        )),
    }
}

async fn bearer(suite: &Suite) -> Outcome {
    if suite.target.bearer.is_none() {
        return skip("no bearer token is given for this address");
    }
    let sdp = suite.offer().sdp();
    let bare = Ask::post(suite.url(), &sdp).without_bearer();
    let bare = suite.client.send(bare).await?;
    bare.expect("POST without a token", &[401])?;
    let challenges = bare.list("www-authenticate");
    if !challenges
        .iter()
        .any(|challenge| challenge.starts_with("bearer"))
    {
        return fail("POST without a token: 401 without WWW-Authenticate: Bearer");
    }
    let other = Ask::post(suite.url(), &sdp).with_bearer("not-the-token");
    let other = suite.client.send(other).await?;
    // RFC 6750 section 3.1 recommends 401; RFC 9110 section 15.5.4 has 403 for credentials that do not suffice.
    other.expect("POST with another token", &[401, 403])?;
    let session = suite.open().await?;
    let reply = suite.client.send(Ask::delete(&session.url)).await?;
    if !reply.is_success() {
        return fail(format!(
            "DELETE with the token: {}; expected 200",
            reply.status
        ));
    }
    Ok(format!(
        "POST without a token: 401 with WWW-Authenticate: Bearer, with another: {}, with the right one: 201",
        other.status
    ))
}

/// The beginning of the name of an extension.
fn prefix(suite: &Suite) -> String {
    format!("urn:ietf:params:{}:ext:", suite.target.protocol)
}

async fn extensions(suite: &Suite) -> Outcome {
    let session = suite.open().await?;
    let prefix = prefix(suite);
    let mut names = Vec::new();
    for link in session.reply.links() {
        let Some(name) = link.param("rel").and_then(|rel| rel.strip_prefix(&prefix)) else {
            continue;
        };
        if session.reply.url.join(&link.target).is_err() {
            return fail(format!(
                "POST: the Link of the extension {name} leads nowhere"
            ));
        }
        names.push(name.to_owned());
    }
    match names.is_empty() {
        true => Ok("POST: 201, and no extension is announced".to_owned()),
        false => Ok(format!("POST: 201 with Link: {}", names.join(", "))),
    }
}

async fn none_required(suite: &Suite) -> Outcome {
    let reply = suite.post(&suite.offer().sdp()).await?;
    reply.expect("POST without any extension", &[201])?;
    let Some(session) = reply.location() else {
        return fail("POST without any extension: 201 without a Location");
    };
    let reply = suite.client.send(Ask::get(&session)).await?;
    match reply.status {
        404 | 410 => fail(format!(
            "the session is gone at once: GET: {}",
            reply.status
        )),
        status => Ok(format!(
            "POST without any extension: 201; GET on the session: {status}"
        )),
    }
}

async fn https(suite: &Suite) -> Outcome {
    let here = |url: &Url| match url.host() {
        Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(Host::Ipv4(ip)) => ip.is_loopback(),
        Some(Host::Ipv6(ip)) => ip.is_loopback(),
        None => false,
    };
    let safe = |url: &Url| url.scheme() == "https" || here(url);
    if !safe(suite.url()) {
        return fail("the endpoint is asked over http; expected https");
    }
    let session = suite.open().await?;
    match (safe(&session.url), suite.url().scheme()) {
        (false, _) => fail("the session's address begins with http; expected https"),
        (true, "https") => Ok("endpoint and session are https".to_owned()),
        (true, _) => Ok("on this very machine, where http leaves nothing open".to_owned()),
    }
}

/// Of an address that is made of random letters, what they are worth at least.
const BITS: f64 = 110.0;

async fn unguessable(suite: &Suite) -> Outcome {
    let mut sessions = Vec::new();
    for _ in 0..3 {
        sessions.push(suite.open().await?.url);
    }
    let distinct: BTreeSet<_> = sessions.iter().map(Url::as_str).collect();
    if distinct.len() < sessions.len() {
        return fail("two sessions have the same address");
    }
    let parts = |url: &Url| -> BTreeSet<String> {
        let path = url.path_segments().into_iter().flatten();
        path.map(str::to_owned)
            .chain(url.query().map(str::to_owned))
            .collect()
    };
    // What they have in common is no secret.
    let others = parts(&sessions[1]);
    let own: Vec<String> = parts(&sessions[0]).difference(&others).cloned().collect();
    let bits: f64 = own.iter().map(|part| worth(part)).sum();
    if bits < BITS {
        return fail(format!(
            "the address of a session has {bits:.0} bits of its own at most; expected {BITS:.0}"
        ));
    }
    // The last part of the endpoint's address may be a key; of the session's it must not be one.
    let key = suite
        .url()
        .path_segments()
        .into_iter()
        .flatten()
        .next_back();
    let tells = |secret: &str| secret.len() > 8 && own.iter().any(|part| part.contains(secret));
    let token = suite.target.bearer.as_ref().map(|bearer| bearer.expose());
    match key.into_iter().chain(token).any(tells) {
        true => {
            fail("the address of a session holds the last part of the endpoint's, or the token")
        }
        false => Ok(format!(
            "3 sessions, 3 addresses, {bits:.0} bits of their own at most"
        )),
    }
}

/// More than any client has candidates for (RFC 8445 section 14: a hundred pairs).
const FLOOD: usize = 300;

async fn flood(suite: &Suite) -> Outcome {
    let session = patch::trickling(suite).await?;
    let body = fragment(&session.offer.ice, &[CANDIDATE]);
    let ask = Ask::new(Method::PATCH, &session.url).content(FRAGMENT, &body);
    let ask = match &session.tag {
        Some(tag) => ask.header("if-match", tag),
        None => ask,
    };
    for sent in 1..=FLOOD {
        let reply = suite.client.send_once(&ask).await?;
        if matches!(reply.status, 429 | 503) {
            return Ok(format!(
                "PATCH number {sent} without a pause: {}",
                reply.status
            ));
        }
    }
    fail(format!(
        "{FLOOD} PATCH without a pause, and none is refused; expected 429"
    ))
}

/// Bits of a text if every letter of its alphabet were as likely as any other.
fn worth(text: &str) -> f64 {
    let letters = text
        .chars()
        .filter(|letter| letter.is_ascii_alphanumeric() || "-_".contains(*letter));
    let letters: Vec<char> = letters.collect();
    let hex = letters
        .iter()
        .all(|letter| letter.is_ascii_hexdigit() || *letter == '-');
    let digits = letters.iter().all(char::is_ascii_digit);
    let counted = letters
        .iter()
        .filter(|letter| !(hex && **letter == '-'))
        .count();
    let alphabet: f64 = match (digits, hex) {
        (true, _) => 10.0,
        (_, true) => 16.0,
        _ => 64.0,
    };
    counted as f64 * alphabet.log2()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_worth_its_letters() {
        assert!(
            worth("8f14e45f-ceea-467f-a3bd-0c6c1a6d3e21") > BITS,
            "a UUID"
        );
        assert!(
            worth("q0J5zX8gV3u6wR1kT9yB2A") > BITS,
            "22 letters of base64"
        );
        assert!(
            worth("4711") < BITS
                && worth("213786HF") < BITS
                && worth("12345678901234567890") < BITS
        );
    }
}
