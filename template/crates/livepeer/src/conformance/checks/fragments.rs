//! What a reader of fragments bears with (RFC 8840 sections 4.4 and 9), and what clients really send.

use crate::conformance::fragment::{CANDIDATE, fragment, joined};
use crate::conformance::offer::Credentials;
use crate::conformance::requirement::{BOTH, Level, Outcome, Requirement, fail};
use crate::conformance::session::Match;
use crate::conformance::suite::Suite;

use super::patch;

pub(super) const ALL: &[Requirement] = &[
    Requirement {
        id: "S-F1",
        level: Level::Must,
        protocols: BOTH,
        source: "RFC 8840 section 9",
        words: "ice-ufrag and ice-pwd may stand on the session level or in an m-section",
        check: |suite| Box::pin(either_level(suite)),
    },
    Requirement {
        id: "S-F2",
        level: Level::Must,
        protocols: BOTH,
        source: "RFC 8866 section 5",
        words: "lines may end with CRLF or with LF alone",
        check: |suite| Box::pin(line_ends(suite)),
    },
    Requirement {
        id: "S-F3",
        level: Level::Must,
        protocols: BOTH,
        source: "RFC 8840 section 9, RFC 8866 section 5.13",
        words: "attributes that are not known are ignored",
        check: |suite| Box::pin(unknown_attributes(suite)),
    },
    Requirement {
        id: "S-F4",
        level: Level::Must,
        protocols: BOTH,
        source: "RFC 8839 section 5.1",
        words: "a candidate may have extensions: ufrag, generation, network-id, network-cost, tcptype, and any other",
        check: |suite| Box::pin(extensions(suite)),
    },
    Requirement {
        id: "S-F5",
        level: Level::Must,
        protocols: BOTH,
        source: "RFC 8840 section 9",
        words: "the port, protocol and formats of a fragment's m-line mean nothing",
        check: |suite| Box::pin(any_protocol(suite)),
    },
    Requirement {
        id: "S-F6",
        level: Level::Should,
        protocols: BOTH,
        source: "RFC 8840 section 4.4, RFC 9725 section 4.3.2",
        words: "candidates that are repeated in other sections of the bundle do no harm",
        check: |suite| Box::pin(other_sections(suite)),
    },
    Requirement {
        id: "S-F7",
        level: Level::Should,
        protocols: BOTH,
        source: "RFC 8840 section 9",
        words: "a fragment without an m-line is borne with",
        check: |suite| Box::pin(no_section(suite)),
    },
    Requirement {
        id: "S-F8",
        level: Level::Must,
        protocols: BOTH,
        source: "RFC 8840 sections 4.4 and 8.2",
        words: "end-of-candidates alone, on the session level or in an m-section, is a fragment: 204",
        check: |suite| Box::pin(end_alone(suite)),
    },
    Requirement {
        id: "S-F9",
        level: Level::Must,
        protocols: BOTH,
        source: "RFC 8840 section 9",
        words: "a fragment without ice-ufrag is of the current ICE session, or it is refused with 4xx",
        check: |suite| Box::pin(no_credentials(suite)),
    },
    Requirement {
        id: "S-F10",
        level: Level::Must,
        protocols: BOTH,
        source: "RFC 9725 section 4.3.3, against RFC 8840 section 4.4",
        words: "another ice-ufrag is a restart and never discarded: 200, or the refusal of a restart",
        check: |suite| Box::pin(other_credentials(suite)),
    },
    Requirement {
        id: "S-F11",
        level: Level::Should,
        protocols: BOTH,
        source: "RFC 8840 section 9; the clients named",
        words: "fragments of the shapes that known clients send are taken",
        check: |suite| Box::pin(known_clients(suite)),
    },
];

/// The section that clients send, and the one of RFC 9725's examples.
const SECTION: [&str; 2] = ["m=audio 9 RTP/AVP 0", "a=mid:0"];

/// Writes a fragment for a session with these credentials.
type Text<'a> = &'a (dyn Fn(&Credentials) -> String + Sync);

/// Sends each text to a session of its own server; every one must be answered with 204.
async fn all_taken(suite: &Suite, texts: &[(&str, Text<'_>)]) -> Outcome {
    let session = patch::trickling(suite).await?;
    for (what, text) in texts {
        let body = text(&session.offer.ice);
        let reply = session.patch(suite, Match::Current, &body).await?;
        reply.expect(&format!("PATCH, {what}"), &[204])?;
    }
    let all: Vec<_> = texts.iter().map(|(what, _)| *what).collect();
    Ok(format!("{}: 204", all.join("; ")))
}

fn lines_of(ice: &Credentials) -> [String; 2] {
    [
        format!("a=ice-ufrag:{}", ice.ufrag),
        format!("a=ice-pwd:{}", ice.pwd),
    ]
}

/// Session level first, then a section with what stands after its mid.
fn shaped(
    ice: &Credentials,
    session: &[&str],
    section: &[&str],
    media: &[&str],
    end: &str,
) -> String {
    let [ufrag, pwd] = lines_of(ice);
    let fill = |line: &&str| match *line {
        "UFRAG" => ufrag.clone(),
        "PWD" => pwd.clone(),
        line => line.to_owned(),
    };
    let lines: Vec<String> = [session, section, media]
        .concat()
        .iter()
        .map(fill)
        .collect();
    let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
    joined(&lines, end)
}

async fn either_level(suite: &Suite) -> Outcome {
    all_taken(
        suite,
        &[
            ("credentials on the session level", &|ice| {
                shaped(ice, &["UFRAG", "PWD"], &SECTION, &[CANDIDATE], "\r\n")
            }),
            ("in the m-section", &|ice| {
                shaped(ice, &[], &SECTION, &["UFRAG", "PWD", CANDIDATE], "\r\n")
            }),
            ("on both", &|ice| {
                shaped(
                    ice,
                    &["UFRAG", "PWD"],
                    &SECTION,
                    &["UFRAG", "PWD", CANDIDATE],
                    "\r\n",
                )
            }),
        ],
    )
    .await
}

async fn line_ends(suite: &Suite) -> Outcome {
    all_taken(
        suite,
        &[
            ("CRLF", &|ice| fragment(ice, &[CANDIDATE])),
            ("LF", &|ice| {
                fragment(ice, &[CANDIDATE]).replace("\r\n", "\n")
            }),
            ("no end of the last line", &|ice| {
                fragment(ice, &[CANDIDATE]).trim_end().to_owned()
            }),
        ],
    )
    .await
}

async fn unknown_attributes(suite: &Suite) -> Outcome {
    all_taken(
        suite,
        &[
            ("unknown attributes on the session level", &|ice| {
                let session = [
                    "a=group:BUNDLE 0 1",
                    "a=ice-options:trickle ice2",
                    "a=x-colour:blue",
                    "UFRAG",
                    "PWD",
                ];
                shaped(ice, &session, &SECTION, &[CANDIDATE], "\r\n")
            }),
            ("and in the m-section", &|ice| {
                let media = ["a=rtcp-mux", "a=x-flag", "a=x-colour:blue", CANDIDATE];
                shaped(ice, &["UFRAG", "PWD"], &SECTION, &media, "\r\n")
            }),
        ],
    )
    .await
}

async fn extensions(suite: &Suite) -> Outcome {
    all_taken(
        suite,
        &[
            ("a candidate with browsers' extensions", &|ice| {
                let Credentials { ufrag, .. } = ice;
                let candidate = format!("{CANDIDATE} generation 0 ufrag {ufrag} network-id 1 network-cost 10");
                fragment(ice, &[&candidate])
            }),
            ("with tcptype", &|ice| {
                let candidate = "a=candidate:473322822 1 tcp 1518280447 192.0.2.77 9 typ host tcptype active generation 0";
                fragment(ice, &[candidate, CANDIDATE])
            }),
            ("with one that nobody knows", &|ice| {
                fragment(ice, &[&format!("{CANDIDATE} x-colour blue")])
            }),
        ],
    )
    .await
}

async fn any_protocol(suite: &Suite) -> Outcome {
    let with = |ice: &Credentials, line: &str| {
        shaped(
            ice,
            &["UFRAG", "PWD"],
            &[line, "a=mid:0"],
            &[CANDIDATE],
            "\r\n",
        )
    };
    all_taken(
        suite,
        &[
            ("RTP/AVP 0", &|ice| with(ice, "m=audio 9 RTP/AVP 0")),
            ("UDP/TLS/RTP/SAVPF 111", &|ice| {
                with(ice, "m=audio 9 UDP/TLS/RTP/SAVPF 111")
            }),
            ("UDP/DTLS/SCTP", &|ice| {
                with(ice, "m=application 9 UDP/DTLS/SCTP webrtc-datachannel")
            }),
        ],
    )
    .await
}

async fn other_sections(suite: &Suite) -> Outcome {
    all_taken(
        suite,
        &[("the candidate in both sections", &|ice| {
            let media = [CANDIDATE, "m=video 9 RTP/AVP 0", "a=mid:1", CANDIDATE];
            shaped(ice, &["UFRAG", "PWD"], &SECTION, &media, "\r\n")
        })],
    )
    .await
}

async fn no_section(suite: &Suite) -> Outcome {
    all_taken(
        suite,
        &[
            ("no m-line", &|ice| {
                shaped(ice, &["UFRAG", "PWD"], &[], &[CANDIDATE], "\r\n")
            }),
            ("no m-line and a mid", &|ice| {
                shaped(ice, &["UFRAG", "PWD"], &["a=mid:0"], &[CANDIDATE], "\r\n")
            }),
        ],
    )
    .await
}

async fn end_alone(suite: &Suite) -> Outcome {
    all_taken(
        suite,
        &[
            ("end-of-candidates in the m-section", &|ice| {
                fragment(ice, &["a=end-of-candidates"])
            }),
            ("on the session level", &|ice| {
                shaped(
                    ice,
                    &["UFRAG", "PWD", "a=end-of-candidates"],
                    &[],
                    &[],
                    "\r\n",
                )
            }),
        ],
    )
    .await
}

async fn no_credentials(suite: &Suite) -> Outcome {
    let session = patch::trickling(suite).await?;
    let body = joined(&[SECTION[0], SECTION[1], CANDIDATE], "\r\n");
    let reply = session.patch(suite, Match::Current, &body).await?;
    match reply.status {
        204 | 400..=499 => Ok(format!("PATCH without ice-ufrag: {}", reply.status)),
        other => fail(format!(
            "PATCH without ice-ufrag: {other}; expected 204 or 4xx"
        )),
    }
}

async fn other_credentials(suite: &Suite) -> Outcome {
    let session = suite.open().await?;
    let reply = patch::restart(suite, &session, &Credentials::random()).await?;
    match reply.status {
        200 => Ok("PATCH with another ice-ufrag: 200, a restart".to_owned()),
        status if status >= 400 => Ok(format!(
            "PATCH with another ice-ufrag: {status}, no restart"
        )),
        other => fail(format!(
            "PATCH with another ice-ufrag: {other}; expected 200 or an error"
        )),
    }
}

async fn known_clients(suite: &Suite) -> Outcome {
    all_taken(
        suite,
        &[
            ("simple-whip-client", &|ice| {
                let media = [
                    "a=candidate:1 1 udp 2015363327 192.0.2.77 40001 typ host",
                    "a=candidate:2 1 udp 1679819007 198.51.100.77 40002 typ srflx raddr 192.0.2.77 rport 40001",
                    "a=end-of-candidates",
                ];
                shaped(ice, &["UFRAG", "PWD"], &SECTION, &media, "\r\n")
            }),
            ("whip-whep", &|ice| {
                let section = ["m=audio 9 UDP/TLS/RTP/SAVPF 0", "a=mid:0"];
                let media = [
                    "a=candidate:2439874 1 udp 2113937151 5f1e8a90-2b7d-4c55-8e2a-aa0b1c2d3e4f.local 53123 typ host generation 0 network-cost 999",
                    "a=end-of-candidates",
                ];
                shaped(ice, &["UFRAG", "PWD"], &section, &media, "\r\n")
            }),
            ("eyevinn", &|ice| {
                // One candidate a request, and the same one again for every mid.
                let media = ["UFRAG", "PWD", CANDIDATE, "m=video 9 RTP/AVP 0", "a=mid:1", "UFRAG", "PWD", CANDIDATE];
                shaped(ice, &[], &SECTION, &media, "\r\n")
            }),
            ("libwebrtc wrappers", &|ice| {
                let Credentials { ufrag, .. } = ice;
                let candidate = format!(
                    "a=candidate:842163049 1 udp 1677729535 203.0.113.77 46154 typ srflx raddr 0.0.0.0 rport 0 generation 0 ufrag {ufrag} network-id 1 network-cost 50"
                );
                let media = [candidate.as_str()];
                shaped(ice, &["a=group:BUNDLE 0 1", "UFRAG", "PWD"], &SECTION, &media, "\n")
            }),
        ],
    )
    .await
}
