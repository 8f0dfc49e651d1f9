//! Where the server is kinder than the texts by default, to clients that there are, and to the letter on demand: each row
//! both ways.

use livepeer_local::Fidelity;

use crate::support::{Answer, TestLocal, offer, text};

const SDP: (&str, &str) = ("content-type", "application/sdp");
const FRAGMENT: (&str, &str) = ("content-type", "application/trickle-ice-sdpfrag");
const STALE: &str = "\"no-such-session\"";

/// A candidate of the ICE session that `support::offer` begins.
const CANDIDATE: &str = "a=ice-ufrag:abcd\r\na=ice-pwd:abcdefghijklmnopqrstuvwx\r\nm=video 9 RTP/AVP 0\r\na=mid:0\r\n\
    a=candidate:1 1 udp 2122260223 192.0.2.7 50000 typ host\r\n";
const RESTART: &str =
    "a=ice-ufrag:efgh\r\na=ice-pwd:xwvutsrqponmlkjihgfedcba\r\nm=video 9 RTP/AVP 0\r\na=mid:0\r\n";

/// A publisher's session, as somebody with a token or without opened it.
struct Session {
    local: TestLocal,
    path: String,
    tag: String,
}

impl Session {
    async fn open(fidelity: Fidelity, token: Option<&str>) -> Session {
        let local = TestLocal::start_with(|config| config.fidelity = fidelity).await;
        let key = text(&local.named("a").await, "streamKey");
        let mut headers = vec![SDP];
        headers.extend(token.map(|token| ("authorization", token)));
        let answer = local
            .webrtc("POST", &key, &headers, &offer("sendonly"))
            .await;
        assert_eq!(answer.status, 201, "{}", answer.text);
        Session {
            path: answer.header("location").unwrap().to_owned(),
            tag: answer.header("etag").unwrap().to_owned(),
            local,
        }
    }

    async fn patch(&self, body: &str, header: Option<(&str, &str)>) -> Answer {
        let mut headers = vec![FRAGMENT];
        headers.extend(header);
        self.local.webrtc("PATCH", &self.path, &headers, body).await
    }

    async fn delete(&self, headers: &[(&str, &str)]) -> Answer {
        self.local.webrtc("DELETE", &self.path, headers, "").await
    }
}

/// What to do with a session's PATCH, and its status by default and to the letter.
#[tokio::test]
async fn a_patch_needs_as_much_of_a_condition_as_the_policy_says() {
    for (fidelity, column) in [(Fidelity::Lenient, 0), (Fidelity::Strict, 1)] {
        let current = Session::open(fidelity, None).await.tag;
        for (what, body, header, statuses) in [
            ("trickle, no If-Match", CANDIDATE, None, [204, 428]),
            (
                "trickle, ETag instead of If-Match",
                CANDIDATE,
                Some(("etag", current.as_str())),
                [204, 428],
            ),
            (
                "trickle, stale",
                CANDIDATE,
                Some(("if-match", STALE)),
                [412, 412],
            ),
            ("restart, no If-Match", RESTART, None, [428, 428]),
            (
                "restart, stale",
                RESTART,
                Some(("if-match", STALE)),
                [412, 412],
            ),
            ("restart, *", RESTART, Some(("if-match", "*")), [200, 200]),
            (
                "restart, \"*\"",
                RESTART,
                Some(("if-match", "\"*\"")),
                [200, 200],
            ),
        ] {
            let session = Session::open(fidelity, None).await;
            let answer = session.patch(body, header).await;
            assert_eq!(
                answer.status, statuses[column],
                "{fidelity:?}: {what}: {}",
                answer.text
            );
        }
        let session = Session::open(fidelity, None).await;
        for (body, status) in [(CANDIDATE, 204), (RESTART, 200)] {
            let answer = session.patch(body, Some(("if-match", &session.tag))).await;
            assert_eq!(
                answer.status, status,
                "{fidelity:?}: the current entity-tag"
            );
        }
    }
}

#[tokio::test]
async fn an_end_needs_no_condition_and_comes_once() {
    for fidelity in [Fidelity::Lenient, Fidelity::Strict] {
        let session = Session::open(fidelity, None).await;
        let stale = [("if-match", STALE)];
        assert_eq!(session.delete(&stale).await.status, 200, "{fidelity:?}");
        assert_eq!(session.delete(&[]).await.status, 404, "{fidelity:?}");
    }
}

#[tokio::test]
async fn to_the_letter_a_session_that_was_opened_with_a_token_is_ended_with_it() {
    let token = "Bearer a-token";
    let session = Session::open(Fidelity::Strict, Some(token)).await;
    let bare = session.delete(&[]).await;
    assert_eq!(bare.status, 401);
    assert_eq!(
        bare.header("www-authenticate")
            .map(|it| it.starts_with("Bearer")),
        Some(true)
    );
    assert_eq!(
        session.delete(&[("authorization", token)]).await.status,
        200
    );

    // By default the address of the session is enough: some clients send no token along with DELETE.
    let session = Session::open(Fidelity::Lenient, Some(token)).await;
    assert_eq!(session.delete(&[]).await.status, 200);
}

#[tokio::test]
async fn a_player_before_the_publisher_waits_outside_in_either_way() {
    for fidelity in [Fidelity::Lenient, Fidelity::Strict] {
        let local = TestLocal::start_with(|config| config.fidelity = fidelity).await;
        let play = text(&local.named("a").await, "playbackId");
        let answer = local
            .webrtc("POST", &play, &[SDP], &offer("recvonly"))
            .await;
        assert_eq!(answer.status, 409);
        assert!(answer.header("retry-after").is_some());
    }
}
