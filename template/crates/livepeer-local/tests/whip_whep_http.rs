//! The HTTP side of WHIP (RFC 9725) and WHEP: who is let in, in what order the questions are asked, and what a page of
//! another origin may read. No media flows here.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod support;

use axum::http::StatusCode;
use serde_json::json;
use support::{Answer, TestLocal, offer, text};

const SDP: (&str, &str) = ("content-type", "application/sdp");

fn problem(answer: &Answer, status: u16) -> String {
    assert_eq!(answer.status.as_u16(), status, "{}", answer.text);
    assert_eq!(
        answer.header("content-type"),
        Some("application/problem+json")
    );
    assert_eq!(
        answer.header("access-control-allow-origin"),
        Some("*"),
        "a page must be able to read it"
    );
    assert_eq!(answer.json()["status"], status);
    text(&answer.json(), "detail")
}

/// Long enough to be an offer, and none.
const NONSENSE: &str = "this is not an offer";

#[tokio::test]
async fn what_is_not_an_offer_is_refused_for_what_it_is() {
    let local = TestLocal::start().await;
    let stream = local.named("a").await;
    for name in ["streamKey", "playbackId"] {
        let path = text(&stream, name);
        let post = |headers: Vec<(&'static str, &'static str)>, body: String| {
            let (local, path) = (&local, &path);
            async move { local.webrtc("POST", path, &headers, &body).await }
        };
        let large = "v=0\r\n".repeat(40_000);
        let table = [
            (post(vec![], NONSENSE.into()).await, 415, "application/sdp"),
            (
                post(vec![("content-type", "text/plain")], NONSENSE.into()).await,
                415,
                "application/sdp",
            ),
            (
                post(vec![("content-type", "application/sdpx")], NONSENSE.into()).await,
                415,
                "application/sdp",
            ),
            (post(vec![SDP], String::new()).await, 400, "empty"),
            (
                post(vec![SDP], NONSENSE.into()).await,
                400,
                "cannot be read",
            ),
            (
                post(
                    vec![("content-type", "application/sdp; charset=utf-8")],
                    NONSENSE.into(),
                )
                .await,
                400,
                "cannot be read",
            ),
            (
                post(vec![SDP], "{\"type\":\"offer\"}".into()).await,
                400,
                "cannot be read",
            ),
            (post(vec![SDP], large.clone()).await, 413, "128 KB"),
            (
                post(vec![SDP, ("content-length", "99999999")], NONSENSE.into()).await,
                413,
                "128 KB",
            ),
        ];
        for (answer, status, word) in &table {
            let detail = problem(answer, *status);
            assert!(detail.contains(word), "{detail}");
        }
    }
}

#[tokio::test]
async fn an_unknown_name_is_refused_before_the_offer_is_read() {
    let local = TestLocal::start().await;
    for path in ["none", "abcd-efgh-ijkl-mnop", "video+none", "%2e%2e%2fapi"] {
        let answer = local
            .webrtc("POST", path, &[("content-type", "text/plain")], NONSENSE)
            .await;
        problem(&answer, 404);
        problem(&local.webrtc("GET", path, &[], "").await, 404);
    }
}

#[tokio::test]
async fn the_gate_stands_before_the_offer() {
    let local = TestLocal::start().await;
    let stream = local
        .stream(json!({"name": "a", "playbackPolicy": {"type": "jwt"}}))
        .await;
    let play = text(&stream, "playbackId");
    let unknown = local.webrtc("POST", &play, &[SDP], "").await;
    let detail = problem(&unknown, 401);
    assert!(detail.contains("Livepeer-Jwt"), "{detail}");
    let challenge = unknown.header("www-authenticate").unwrap();
    assert!(challenge.starts_with("Bearer"), "{challenge}");
    for path in [play.clone(), format!("{play}?jwt=top.secret.token")] {
        let answer = local
            .webrtc(
                "POST",
                &path,
                &[SDP, ("livepeer-jwt", "top.secret.token")],
                "",
            )
            .await;
        let detail = problem(&answer, 403);
        assert!(
            detail.contains("refused") && !detail.contains("secret"),
            "{detail}"
        );
    }
    // Publishing needs no token: the key is the permission. The offer is looked at.
    problem(
        &local
            .webrtc("POST", &text(&stream, "streamKey"), &[SDP], "")
            .await,
        400,
    );

    let path = format!("/stream/{}/suspended", text(&stream, "id"));
    local.patch(&path, json!({"suspended": true})).await;
    let detail = problem(
        &local
            .webrtc("POST", &text(&stream, "streamKey"), &[SDP], "")
            .await,
        403,
    );
    assert!(detail.contains("suspended"), "{detail}");
    problem(&local.webrtc("POST", &play, &[SDP], "").await, 404);
}

#[tokio::test]
async fn pages_of_other_origins_may_ask_and_read() {
    let local = TestLocal::start().await;
    let stream = local.named("a").await;
    let name = text(&stream, "playbackId");
    for path in [name.as_str(), "session/abc"] {
        let asked = [
            ("origin", "https://app.example"),
            ("access-control-request-method", "POST"),
            (
                "access-control-request-headers",
                "content-type,livepeer-jwt",
            ),
        ];
        let answer = local.webrtc("OPTIONS", path, &asked, "").await;
        assert_eq!(answer.status, StatusCode::OK);
        assert_eq!(answer.header("access-control-allow-origin"), Some("*"));
        assert_eq!(answer.header("accept-post"), Some("application/sdp"));
        let patches = path.starts_with("session/");
        assert_eq!(answer.header("accept-patch").is_some(), patches);
        let allowed = answer
            .header("access-control-allow-headers")
            .unwrap()
            .to_lowercase();
        for header in [
            "authorization",
            "content-type",
            "livepeer-jwt",
            "livepeer-access-key",
            "if-match",
            "etag",
        ] {
            assert!(allowed.contains(header), "{header}");
        }
        let methods = answer.header("access-control-allow-methods").unwrap();
        for method in ["POST", "PATCH", "DELETE"] {
            assert!(methods.contains(method), "{method}");
        }
        let exposed = answer
            .header("access-control-expose-headers")
            .unwrap()
            .to_lowercase();
        for header in [
            "location",
            "link",
            "etag",
            "accept-patch",
            "accept-post",
            "retry-after",
            "playhead-utc",
        ] {
            assert!(exposed.contains(header), "{header}");
        }
        assert_eq!(
            answer.header("link"),
            None,
            "no helpers in a preflight (RFC 9725 section 4.6)"
        );
    }
}

#[tokio::test]
async fn knocking_is_answered_without_content() {
    let local = TestLocal::start().await;
    let stream = local
        .stream(json!({"name": "a", "playbackPolicy": {"type": "jwt"}}))
        .await;
    for name in ["streamKey", "playbackId"] {
        for method in ["GET", "HEAD"] {
            let answer = local.webrtc(method, &text(&stream, name), &[], "").await;
            assert_eq!(answer.status, StatusCode::OK);
            assert_eq!(
                (answer.header("content-type"), answer.text.as_str()),
                (Some("application/sdp"), "")
            );
        }
    }
}

#[tokio::test]
async fn other_methods_are_refused_and_say_what_is_allowed() {
    let local = TestLocal::start().await;
    let name = text(&local.named("a").await, "streamKey");
    for (method, path, allowed) in [
        ("PATCH", name.as_str(), "POST"),
        ("DELETE", name.as_str(), "POST"),
        ("PUT", name.as_str(), "POST"),
        ("PUT", "session/abc", "PATCH"),
        ("POST", "session/abc", "DELETE"),
    ] {
        let answer = local.webrtc(method, path, &[], "").await;
        problem(&answer, 405);
        assert!(
            answer.header("allow").unwrap().contains(allowed),
            "{method} {path}"
        );
    }
}

#[tokio::test]
async fn a_session_that_never_was_cannot_be_ended() {
    let local = TestLocal::start().await;
    for id in ["abc", "AAAAAAAAAAAAAAAAAAAAAA", "%2e%2e"] {
        problem(
            &local
                .webrtc("DELETE", &format!("session/{id}"), &[], "")
                .await,
            404,
        );
    }
}

#[tokio::test]
async fn an_offer_is_answered_with_a_session_that_can_be_ended_once() {
    let local = TestLocal::start().await;
    let key = text(&local.named("a").await, "streamKey");
    let answer = local.webrtc("POST", &key, &[SDP], &offer("sendonly")).await;
    assert_eq!(answer.status, StatusCode::CREATED, "{}", answer.text);
    assert_eq!(answer.header("content-type"), Some("application/sdp"));
    assert_eq!(answer.header("access-control-allow-origin"), Some("*"));
    assert!(
        answer.header("content-length").is_some(),
        "ffmpeg does not read a chunked answer"
    );
    assert!(answer.text.contains("a=recvonly") && answer.text.contains("a=candidate:"));

    // Relative to the address of the POST, under whatever mount; and it names neither key nor stream.
    let location = answer.header("location").unwrap();
    let session = location.strip_prefix("session/").expect("relative");
    assert!(session.len() >= 22 && !location.contains(&key));
    assert_eq!(
        local.webrtc("GET", location, &[], "").await.status,
        StatusCode::OK
    );

    let stale = [("if-match", "\"stale\"")];
    let ended = local.webrtc("DELETE", location, &stale, "").await;
    assert_eq!(
        ended.status,
        StatusCode::OK,
        "an entity tag does not matter here (RFC 9725 section 4.3.1)"
    );
    problem(&local.webrtc("DELETE", location, &[], "").await, 404);
    assert_eq!(local.local.engine().stats().await.sessions, 0);
}

#[tokio::test]
async fn a_player_before_the_publisher_is_told_when_to_ask_again() {
    let local = TestLocal::start().await;
    let play = text(&local.named("a").await, "playbackId");
    let answer = local
        .webrtc("POST", &play, &[SDP], &offer("recvonly"))
        .await;
    let detail = problem(&answer, 409);
    assert!(detail.contains("not live"), "{detail}");
    assert_eq!(answer.header("retry-after"), Some("1"));
}

#[tokio::test]
async fn the_wrong_direction_is_refused_with_the_other_address() {
    let local = TestLocal::start().await;
    let stream = local.named("a").await;
    let publish = local
        .webrtc(
            "POST",
            &text(&stream, "playbackId"),
            &[SDP],
            &offer("sendonly"),
        )
        .await;
    let detail = problem(&publish, 422);
    assert!(detail.contains("publish with the stream key"), "{detail}");
    let play = local
        .webrtc(
            "POST",
            &text(&stream, "streamKey"),
            &[SDP],
            &offer("recvonly"),
        )
        .await;
    let detail = problem(&play, 422);
    assert!(detail.contains("play with the playback id"), "{detail}");
    assert_eq!(local.local.engine().stats().await.sessions, 0);
}

#[tokio::test]
async fn a_codec_that_cannot_be_served_is_named() {
    let local = TestLocal::start().await;
    let key = text(&local.named("a").await, "streamKey");
    let strange = offer("sendonly").replace("VP8/90000", "H261/90000");
    let detail = problem(&local.webrtc("POST", &key, &[SDP], &strange).await, 422);
    assert!(
        detail.contains("H261") && detail.contains("VP8"),
        "{detail}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_suspended_at_the_moment_of_an_offer_has_nobody_in_it() {
    let local = TestLocal::start().await;
    let stream = local.named("a").await;
    let key = text(&stream, "streamKey");
    let path = format!("/stream/{}/suspended", text(&stream, "id"));
    let sdp = offer("sendonly");
    let mut seen = std::collections::BTreeSet::new();
    for _ in 0..50 {
        let headers = [SDP];
        let (answer, suspended) = tokio::join!(
            local.webrtc("POST", &key, &headers, &sdp),
            local.patch(&path, json!({"suspended": true})),
        );
        assert_eq!(suspended.status, StatusCode::NO_CONTENT);
        seen.insert(answer.status.as_u16());
        assert_eq!(
            local.local.engine().stats().await.sessions,
            0,
            "after {}",
            answer.status
        );
        local.patch(&path, json!({"suspended": false})).await;
    }
    assert!(seen.is_subset(&[201, 403].into()), "{seen:?}");
}

#[tokio::test]
async fn a_stream_key_may_come_as_a_bearer_token() {
    let local = TestLocal::start().await;
    let key = text(&local.named("a").await, "streamKey");
    for authorization in [
        None,
        Some("Bearer abcd-efgh"),
        Some("Basic abc"),
        Some("Bearer "),
    ] {
        let headers: Vec<_> = std::iter::once(SDP)
            .chain(authorization.map(|value| ("authorization", value)))
            .collect();
        // Asked for before the offer is looked at.
        let refused = local.webrtc("POST", "whip", &headers, NONSENSE).await;
        let detail = problem(&refused, 401);
        assert!(!detail.contains("abcd"), "{detail}");
        let challenge = refused.header("www-authenticate").unwrap();
        assert!(challenge.starts_with("Bearer"), "{challenge}");
    }
    let bearer = format!("Bearer {key}");
    let headers = [SDP, ("authorization", bearer.as_str())];
    problem(&local.webrtc("POST", "whip", &headers, NONSENSE).await, 400);
    let answer = local
        .webrtc("POST", "whip", &headers, &offer("sendonly"))
        .await;
    assert_eq!(answer.status, StatusCode::CREATED, "{}", answer.text);
    let location = answer.header("location").unwrap();
    assert!(!location.contains(&key), "{location}");
    let ended = local.webrtc("DELETE", location, &[], "").await;
    assert_eq!(ended.status, StatusCode::OK);
    for method in ["GET", "OPTIONS"] {
        let asked = local.webrtc(method, "whip", &[], "").await;
        assert_eq!(asked.status, StatusCode::OK);
        assert_eq!(asked.header("accept-post"), Some("application/sdp"));
    }
}

#[tokio::test]
async fn helpers_are_told_of_with_the_answer_and_nowhere_else() {
    let local = TestLocal::start_with(|config| {
        config.ice_servers = vec![
            "stun:stun.example.org".parse().unwrap(),
            "turn:turn.example.org?transport=udp ada s3cret"
                .parse()
                .unwrap(),
        ];
    })
    .await;
    let key = text(&local.named("a").await, "streamKey");
    let answer = local.webrtc("POST", &key, &[SDP], &offer("sendonly")).await;
    let links: Vec<_> = answer.headers.get_all("link").iter().collect();
    assert_eq!(
        links,
        [
            "<stun:stun.example.org>; rel=\"ice-server\"",
            "<turn:turn.example.org?transport=udp>; rel=\"ice-server\"; username=\"ada\"; credential=\"s3cret\"; \
             credential-type=\"password\"",
        ]
    );
    for method in ["OPTIONS", "GET", "HEAD"] {
        let asked = local.webrtc(method, &key, &[], "").await;
        assert_eq!(asked.header("link"), None, "{method}");
    }
}
