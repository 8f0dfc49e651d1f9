//! What of WebRTC is used (RFC 9725 section 4.4).

use crate::conformance::offer::{Offer, Section};
use crate::conformance::requirement::{BOTH, Level, Outcome, Requirement, WHIP, fail, skip};
use crate::conformance::suite::Suite;
use crate::conformance::{Protocol, client::Reply, description::Description};

pub(super) const ALL: &[Requirement] = &[
    Requirement {
        id: "S-B1",
        level: Level::Shall,
        protocols: BOTH,
        source: "RFC 9725 section 4.4.1",
        words: "all m-lines of the answer are in one BUNDLE group and multiplex RTCP",
        check: |suite| Box::pin(bundled(suite)),
    },
    Requirement {
        id: "S-B2",
        level: Level::Must,
        protocols: BOTH,
        source: "RFC 9725 section 4.4.1, RFC 8858 section 3",
        words: "every bundled m-section of the answer has rtcp-mux-only",
        check: |suite| Box::pin(mux_only(suite)),
    },
    Requirement {
        id: "S-W1",
        level: Level::Must,
        protocols: WHIP,
        source: "RFC 9725 section 4.4.2",
        words: "more tracks of a kind, or more MediaStreams, than are supported: the whole offer is refused with 422 or 400",
        check: |suite| Box::pin(too_many(suite)),
    },
    Requirement {
        id: "S-W2",
        level: Level::Should,
        protocols: BOTH,
        source: "RFC 9725 section 4.4.3",
        words: "an offer with an m-section that cannot be served is refused as a whole (422 or 400), not in part",
        check: |suite| Box::pin(whole_or_nothing(suite)),
    },
    Requirement {
        id: "S-W3",
        level: Level::Should,
        protocols: BOTH,
        source: "RFC 9725 section 4.4.4",
        words: "setup:active is answered with setup:passive, or the offer is refused with 422 or 400",
        check: |suite| Box::pin(active(suite)),
    },
    Requirement {
        id: "S-W4",
        level: Level::Should,
        protocols: BOTH,
        source: "RFC 9725 section 4.4.5",
        words: "an ICE-lite server can be reached by its clients at the candidates that it names",
        check: |suite| Box::pin(lite(suite)),
    },
    Requirement {
        id: "S-M1",
        level: Level::Must,
        protocols: WHIP,
        source: "RFC 9725 section 4.8, RFC 8853 section 5.3.2",
        words: "simulcast that is accepted is answered with a=simulcast:recv and an a=rid line for each layer of it",
        check: |suite| Box::pin(simulcast(suite)),
    },
];

async fn bundled(suite: &Suite) -> Outcome {
    let session = suite.open().await?;
    let groups = session.answer.values("group");
    let bundle: Vec<Vec<&str>> = groups
        .iter()
        .filter_map(|group| group.strip_prefix("BUNDLE "))
        .map(|mids| mids.split_ascii_whitespace().collect())
        .collect();
    let [mids] = &bundle[..] else {
        return fail(format!(
            "the answer has {} BUNDLE groups; expected 1",
            bundle.len()
        ));
    };
    for media in session
        .answer
        .sections
        .iter()
        .filter(|media| !media.is_rejected())
    {
        if !media.value("mid").is_some_and(|mid| mids.contains(&mid)) {
            return fail(format!(
                "the answer's {} is not in its BUNDLE group",
                media.kind
            ));
        }
        if !media.has("rtcp-mux") {
            return fail(format!("the answer's {} has no a=rtcp-mux", media.kind));
        }
    }
    Ok(format!("one BUNDLE group of {}, with rtcp-mux", mids.len()))
}

async fn mux_only(suite: &Suite) -> Outcome {
    let session = suite.open().await?;
    let mut bundled = session
        .answer
        .sections
        .iter()
        .filter(|media| !media.is_rejected());
    match bundled.find(|media| !media.has("rtcp-mux-only")) {
        Some(media) => fail(format!(
            "the answer's {} has no a=rtcp-mux-only",
            media.kind
        )),
        None => Ok("every m-section of the answer has a=rtcp-mux-only".to_owned()),
    }
}

/// Whether a 201 takes every m-section in the wanted direction.
fn takes_all(suite: &Suite, offer: &Offer, reply: &Reply) -> bool {
    let wanted = match suite.target.protocol {
        Protocol::Whip => "recvonly",
        Protocol::Whep => "sendonly",
    };
    let answer = Description::read(&reply.text());
    let mut sections = answer.sections.iter();
    answer.sections.len() == offer.sections.len()
        && sections.all(|media| !media.is_rejected() && media.direction() == wanted)
}

async fn too_many(suite: &Suite) -> Outcome {
    let mut two_videos = suite.offer();
    two_videos.sections.push(Section::video());
    let mut two_streams = suite.offer();
    two_streams.sections[1].stream = "another";
    let mut seen = Vec::new();
    for (what, offer) in [
        ("2 video tracks", two_videos),
        ("2 MediaStreams", two_streams),
    ] {
        let reply = suite.post(&offer.sdp()).await?;
        match reply.status {
            201 if takes_all(suite, &offer, &reply) => seen.push(format!("{what}: supported")),
            201 => {
                return fail(format!(
                    "POST with {what}: 201, and the answer takes only a part; expected 422 or 400"
                ));
            }
            400 | 422 => seen.push(format!("{what}: {}", reply.status)),
            other => {
                return fail(format!("POST with {what}: {other}; expected 422 or 400"));
            }
        }
    }
    Ok(seen.join("; "))
}

async fn whole_or_nothing(suite: &Suite) -> Outcome {
    let mut offer = suite.offer();
    offer.sections[0] = Section::strange_audio();
    let reply = suite.post(&offer.sdp()).await?;
    match reply.status {
        400 | 422 => Ok(format!(
            "POST with sound in an unknown codec: {}",
            reply.status
        )),
        201 if takes_all(suite, &offer, &reply) => {
            fail("POST with sound in an unknown codec: 201, and the answer takes it")
        }
        201 => {
            fail("POST with sound in an unknown codec: 201 without the sound; expected 422 or 400")
        }
        other => fail(format!(
            "POST with sound in an unknown codec: {other}; expected 422 or 400"
        )),
    }
}

async fn active(suite: &Suite) -> Outcome {
    let mut offer = suite.offer();
    offer.setup = "active";
    let reply = suite.post(&offer.sdp()).await?;
    let setup = Description::read(&reply.text());
    match (reply.status, setup.value("setup")) {
        (400 | 422, _) => Ok(format!("POST with setup:active: {}", reply.status)),
        (201, Some("passive")) => Ok("POST with setup:active: 201 with setup:passive".to_owned()),
        (201, other) => fail(format!(
            "POST with setup:active: 201 with setup:{}; expected passive",
            other.unwrap_or("(none)")
        )),
        (other, _) => fail(format!(
            "POST with setup:active: {other}; expected 201, 422 or 400"
        )),
    }
}

async fn lite(suite: &Suite) -> Outcome {
    let session = suite.open().await?;
    if session.answer.value("ice-lite").is_none() {
        return Ok("a full ICE agent".to_owned());
    }
    match session.answers(suite).await? {
        true => Ok("ICE-lite, and it answers at a candidate that it names".to_owned()),
        false => fail("ICE-lite, and none of its candidates can be reached from here"),
    }
}

async fn simulcast(suite: &Suite) -> Outcome {
    let mut offer = suite.offer();
    let layers = ["a=rid:l send", "a=rid:h send", "a=simulcast:send l;h"];
    let extensions = [
        "a=extmap:1 urn:ietf:params:rtp-hdrext:sdes:mid",
        "a=extmap:2 urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id",
    ];
    let lines = extensions
        .iter()
        .chain(&layers)
        .map(|line| (*line).to_owned());
    offer.sections[1].lines.extend(lines);
    let reply = suite.post(&offer.sdp()).await?;
    if reply.status != 201 {
        return skip(format!(
            "no session to try it on: POST with simulcast: {}",
            reply.status
        ));
    }
    let answer = Description::read(&reply.text());
    let Some(video) = answer.sections.iter().find(|media| media.kind == "video") else {
        return fail("POST with simulcast: 201 without video");
    };
    let Some(simulcast) = video.value("simulcast") else {
        return Ok("POST with simulcast: 201 without it, as it may".to_owned());
    };
    let Some(taken) = simulcast.strip_prefix("recv ") else {
        return fail(format!(
            "POST with simulcast: 201 with a=simulcast:{simulcast}; expected recv"
        ));
    };
    let rids = video.all("rid");
    for layer in taken
        .split([';', ',', ' '])
        .map(|layer| layer.trim_start_matches('~'))
    {
        if !["l", "h"].contains(&layer) {
            return fail("POST with simulcast: the answer takes a layer that was not offered");
        }
        let line = format!("{layer} recv");
        if !rids
            .iter()
            .any(|rid| *rid == line || rid.starts_with(&format!("{line} ")))
        {
            return fail(format!(
                "POST with simulcast: the answer lacks a=rid:{line}"
            ));
        }
    }
    Ok(format!(
        "POST with 2 layers: 201 with a=simulcast:recv {taken}"
    ))
}
