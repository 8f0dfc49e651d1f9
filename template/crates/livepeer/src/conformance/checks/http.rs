//! How HTTP is used: GET, OPTIONS, errors (RFC 9725 sections 4.1 and 4.2).

use serde_json::Value;

use crate::conformance::client::{Ask, Reply, SDP};
use crate::conformance::requirement::{BOTH, Level, Outcome, Requirement, fail};
use crate::conformance::suite::Suite;

pub(super) const ALL: &[Requirement] = &[
    Requirement {
        id: "S-H1",
        level: Level::Must,
        protocols: BOTH,
        source: "RFC 9725 section 4.1",
        words: "GET on the endpoint and on a session is answered with 2xx and no content",
        check: |suite| Box::pin(get(suite)),
    },
    Requirement {
        id: "S-H2",
        level: Level::May,
        protocols: BOTH,
        source: "RFC 9725 section 4.1",
        words: "the body of an error may be application/problem+json; then it is a JSON object as RFC 9457 describes it",
        check: |suite| Box::pin(problem(suite)),
    },
    Requirement {
        id: "S-S7",
        level: Level::Must,
        protocols: BOTH,
        source: "RFC 9725 section 4.2",
        words: "OPTIONS is supported for CORS: a page of another origin may POST an offer",
        check: |suite| Box::pin(preflight(suite)),
    },
    Requirement {
        id: "S-S7a",
        level: Level::Should,
        protocols: BOTH,
        source: "RFC 9725 section 4.2",
        words: "the 200 to OPTIONS has Accept-Post: application/sdp",
        check: |suite| Box::pin(accept_post(suite)),
    },
    Requirement {
        id: "S-S7b",
        level: Level::Should,
        protocols: BOTH,
        source: "Fetch section 3.3.3, for RFC 9725 section 4.2",
        words: "a page of another origin may read Location, Link, ETag, Accept-Patch and Retry-After of an answer",
        check: |suite| Box::pin(exposed(suite)),
    },
];

/// The origin of a page elsewhere.
const ORIGIN: &str = "https://page.example";

async fn get(suite: &Suite) -> Outcome {
    let empty = |what: &str, reply: &Reply| match (reply.is_success(), reply.body.len()) {
        (true, 0) => Ok(()),
        (true, length) => fail(format!(
            "GET on {what}: {} with {length} bytes; expected none",
            reply.status
        )),
        (false, _) => fail(format!("GET on {what}: {}; expected 2xx", reply.status)),
    };
    let endpoint = suite.client.send(Ask::get(suite.url())).await?;
    empty("the endpoint", &endpoint)?;
    let session = suite.open().await?;
    let reply = suite.client.send(Ask::get(&session.url)).await?;
    empty("a session", &reply)?;
    Ok(format!(
        "GET on the endpoint: {}, on a session: {}, both empty",
        endpoint.status, reply.status
    ))
}

async fn problem(suite: &Suite) -> Outcome {
    let ask = Ask::post(suite.url(), "").content("text/plain", "this is no offer");
    let reply = suite.send_offer(ask).await?;
    if reply.media_type() != "application/problem+json" {
        return Ok(format!(
            "POST of text/plain: {} without problem+json, as it may",
            reply.status
        ));
    }
    let Ok(Value::Object(problem)) = serde_json::from_slice(&reply.body) else {
        return fail("POST of text/plain: the body of problem+json is no JSON object");
    };
    match problem.get("status").map(Value::as_u64) {
        None => {}
        Some(status) if status == Some(reply.status.into()) => {}
        Some(_) => {
            return fail(format!(
                "POST of text/plain: {}, and the problem's status is another",
                reply.status
            ));
        }
    }
    let text = |name: &str| problem.get(name).is_none_or(Value::is_string);
    match ["type", "title", "detail", "instance"]
        .into_iter()
        .all(text)
    {
        true => Ok(format!(
            "POST of text/plain: {} as problem+json",
            reply.status
        )),
        false => fail("the problem's type, title, detail and instance must be strings"),
    }
}

fn preflight_ask(suite: &Suite) -> Ask {
    // A browser never sends a token along with this one.
    Ask::options(suite.url())
        .without_bearer()
        .header("origin", ORIGIN)
        .header("access-control-request-method", "POST")
        .header(
            "access-control-request-headers",
            "authorization,content-type",
        )
}

/// Whether the origin is let in.
fn allows_origin(reply: &Reply) -> bool {
    reply
        .header("access-control-allow-origin")
        .is_some_and(|origin| origin == "*" || origin == ORIGIN)
}

async fn preflight(suite: &Suite) -> Outcome {
    let reply = suite.client.send(preflight_ask(suite)).await?;
    if !reply.is_success() {
        return fail(format!(
            "OPTIONS (preflight): {}; expected 2xx",
            reply.status
        ));
    }
    if !allows_origin(&reply) {
        return fail(
            "OPTIONS (preflight): Access-Control-Allow-Origin does not let a page of another origin in",
        );
    }
    let headers = reply.list("access-control-allow-headers");
    for header in ["authorization", "content-type"] {
        // The star does not stand for Authorization (Fetch section 4.9).
        let allowed = headers
            .iter()
            .any(|allowed| allowed == header || (allowed == "*" && header != "authorization"));
        if !allowed {
            return fail(format!(
                "OPTIONS (preflight): Access-Control-Allow-Headers lacks {header}"
            ));
        }
    }
    // POST needs no leave (Fetch section 3.3.2); the others do.
    let methods = reply.list("access-control-allow-methods");
    let missing = ["patch", "delete"].into_iter().find(|method| {
        !methods
            .iter()
            .any(|allowed| allowed == method || allowed == "*")
    });
    match missing {
        Some(method) => fail(format!(
            "OPTIONS (preflight): Access-Control-Allow-Methods lacks {}",
            method.to_ascii_uppercase()
        )),
        None => Ok(format!(
            "OPTIONS (preflight): {}, and pages of other origins may POST, PATCH and DELETE",
            reply.status
        )),
    }
}

async fn accept_post(suite: &Suite) -> Outcome {
    let reply = suite.client.send(Ask::options(suite.url())).await?;
    let listed = reply.list("accept-post");
    let named = listed.iter().any(|range| {
        [SDP, "*/*", "application/*"].contains(&range.split(';').next().unwrap_or_default().trim())
    });
    match named {
        true => Ok(format!("OPTIONS: {} with Accept-Post: {SDP}", reply.status)),
        false => fail(format!(
            "OPTIONS: {} without Accept-Post: {SDP}",
            reply.status
        )),
    }
}

async fn exposed(suite: &Suite) -> Outcome {
    let offer = suite.offer().sdp();
    let ask = Ask::post(suite.url(), &offer).header("origin", ORIGIN);
    let reply = suite.send_offer(ask).await?;
    if !allows_origin(&reply) {
        return fail(format!(
            "POST from a page: {} without Access-Control-Allow-Origin for it",
            reply.status
        ));
    }
    let exposed = reply.list("access-control-expose-headers");
    let missing: Vec<_> = ["Location", "Link", "ETag", "Accept-Patch", "Retry-After"]
        .into_iter()
        .filter(|header| {
            let header = header.to_ascii_lowercase();
            !exposed
                .iter()
                .any(|exposed| *exposed == header || exposed == "*")
        })
        .collect();
    match missing.is_empty() {
        true => Ok(format!(
            "POST from a page: {}, and it may read all five",
            reply.status
        )),
        false => fail(format!(
            "POST from a page: Access-Control-Expose-Headers lacks {}",
            missing.join(", ")
        )),
    }
}
