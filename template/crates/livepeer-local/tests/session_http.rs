//! The address of a session (RFC 9725 section 4.3): trickling, restarting, ending, and who may.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod support;

use livepeer_local::Fidelity;
use support::{Answer, TestLocal, offer, text};

const SDP: (&str, &str) = ("content-type", "application/sdp");
const FRAGMENT: (&str, &str) = ("content-type", "application/trickle-ice-sdpfrag");

/// The credentials of [`offer`], and others.
const SAME: &str = "a=ice-ufrag:abcd\r\na=ice-pwd:abcdefghijklmnopqrstuvwx\r\n";
const FRESH: &str = "a=ice-ufrag:efgh\r\na=ice-pwd:another-password-of-the-peer\r\n";

async fn start(fidelity: Fidelity) -> TestLocal {
    TestLocal::start_with(|config| config.fidelity = fidelity).await
}

/// A session of a publisher: what the POST was answered, and its `Location`.
async fn publish(local: &TestLocal, headers: &[(&str, &str)]) -> (Answer, String) {
    let key = text(&local.named("a").await, "streamKey");
    let headers: Vec<_> = std::iter::once(SDP)
        .chain(headers.iter().copied())
        .collect();
    let answer = local
        .webrtc("POST", &key, &headers, &offer("sendonly"))
        .await;
    assert_eq!(answer.status.as_u16(), 201, "{}", answer.text);
    let location = answer.header("location").unwrap().to_owned();
    (answer, location)
}

/// The words of a refusal with this status.
fn problem(answer: &Answer, status: u16) -> String {
    assert_eq!(answer.status.as_u16(), status, "{}", answer.text);
    let problem = Some("application/problem+json");
    assert_eq!(answer.header("content-type"), problem);
    text(&answer.json(), "detail")
}

#[tokio::test]
async fn a_201_names_the_ice_session_by_a_strong_entity_tag() {
    let local = start(Fidelity::Lenient).await;
    let (first, _) = publish(&local, &[]).await;
    let (second, _) = publish(&local, &[]).await;
    let tag = first.header("etag").unwrap();
    assert!(
        tag.len() > 10 && tag.starts_with('"') && tag.ends_with('"'),
        "{tag}"
    );
    assert_ne!(second.header("etag").unwrap(), tag);
    assert_eq!(first.header("accept-patch"), Some(FRAGMENT.1));
}

#[tokio::test]
async fn candidates_are_taken_without_content_and_without_an_entity_tag() {
    let local = start(Fidelity::Lenient).await;
    let (answer, location) = publish(&local, &[]).await;
    let tag = answer.header("etag").unwrap().to_owned();
    let candidate = format!("{SAME}a=candidate:1 1 udp 1 192.0.2.1 9000 typ host\r\n");
    for condition in [
        vec![],
        // In the wrong header, as one client has it.
        vec![("etag", tag.as_str())],
        vec![("if-match", tag.as_str())],
        vec![("if-match", "*")],
    ] {
        let headers: Vec<_> = std::iter::once(FRAGMENT).chain(condition).collect();
        let taken = local.webrtc("PATCH", &location, &headers, &candidate).await;
        assert_eq!(
            (taken.status.as_u16(), taken.text.as_str()),
            (204, ""),
            "{headers:?}"
        );
        assert_eq!(taken.header("etag"), None);
    }
    let stale = [FRAGMENT, ("if-match", "\"stale\"")];
    problem(&local.webrtc("PATCH", &location, &stale, SAME).await, 412);
    let weak = format!("W/{tag}");
    let weak = [FRAGMENT, ("if-match", weak.as_str())];
    problem(&local.webrtc("PATCH", &location, &weak, SAME).await, 412);
}

#[tokio::test]
async fn a_restart_is_answered_with_new_credentials_and_a_new_tag() {
    let local = start(Fidelity::Lenient).await;
    let (answer, location) = publish(&local, &[]).await;
    let before = answer.header("etag").unwrap().to_owned();
    let unconditional = local.webrtc("PATCH", &location, &[FRAGMENT], FRESH).await;
    assert!(problem(&unconditional, 428).contains("If-Match"));

    let any = [FRAGMENT, ("if-match", "*")];
    let restarted = local.webrtc("PATCH", &location, &any, FRESH).await;
    assert_eq!(restarted.status.as_u16(), 200, "{}", restarted.text);
    assert_eq!(restarted.header("content-type"), Some(FRAGMENT.1));
    let tag = restarted.header("etag").unwrap();
    assert!(tag.starts_with('"') && tag != before);
    let line = |sdp: &str, name: &str| {
        let mut lines = sdp.lines();
        lines
            .find(|line| line.starts_with(name))
            .unwrap()
            .to_owned()
    };
    for name in ["a=ice-ufrag:", "a=ice-pwd:"] {
        assert_ne!(line(&restarted.text, name), line(&answer.text, name));
    }
    for name in ["a=ice-lite", "a=ice-options:", "a=candidate:", "a=mid:"] {
        assert_eq!(line(&restarted.text, name), line(&answer.text, name));
    }

    // The tag of before is over, the new one holds; `"*"` is how the RFC's own example writes it.
    let stale = [FRAGMENT, ("if-match", before.as_str())];
    problem(&local.webrtc("PATCH", &location, &stale, FRESH).await, 412);
    let current = [FRAGMENT, ("if-match", tag)];
    let trickled = local.webrtc("PATCH", &location, &current, FRESH).await;
    assert_eq!(trickled.status.as_u16(), 204);
    let quoted = [FRAGMENT, ("if-match", "\"*\"")];
    let again = local.webrtc("PATCH", &location, &quoted, SAME).await;
    assert_eq!(again.status.as_u16(), 200);
    assert_eq!(local.local.engine().stats().await.sessions, 1);
}

#[tokio::test]
async fn what_is_no_fragment_is_refused_for_what_it_is() {
    let local = start(Fidelity::Lenient).await;
    let (_, location) = publish(&local, &[]).await;
    let large = "a=x\r\n".repeat(4000);
    for (headers, body, status, word) in [
        (vec![], SAME, 415, FRAGMENT.1),
        (vec![SDP], SAME, 415, FRAGMENT.1),
        (vec![FRAGMENT], "", 400, "empty"),
        (vec![FRAGMENT], "hello", 400, "cannot be read"),
        (vec![FRAGMENT], "m=audio 9 RTP/AVP 0\r\n", 400, "a=mid"),
        (vec![FRAGMENT], &large, 413, "16 KB"),
    ] {
        let answer = local.webrtc("PATCH", &location, &headers, body).await;
        let detail = problem(&answer, status);
        assert!(detail.contains(word), "{detail}");
    }
    for id in ["abc", "AAAAAAAAAAAAAAAAAAAAAA"] {
        let path = format!("session/{id}");
        problem(&local.webrtc("PATCH", &path, &[FRAGMENT], SAME).await, 404);
        problem(&local.webrtc("GET", &path, &[], "").await, 404);
    }
}

#[tokio::test]
async fn to_the_letter_every_patch_needs_its_condition() {
    let local = start(Fidelity::Strict).await;
    let (answer, location) = publish(&local, &[]).await;
    let tag = answer.header("etag").unwrap();
    let bare = local.webrtc("PATCH", &location, &[FRAGMENT], SAME).await;
    assert!(problem(&bare, 428).contains("If-Match"));
    let conditional = [FRAGMENT, ("if-match", tag)];
    let taken = local.webrtc("PATCH", &location, &conditional, SAME).await;
    assert_eq!(taken.status.as_u16(), 204);
    // Whoever opened it with nothing but the address needs nothing but the address.
    let ended = local.webrtc("DELETE", &location, &[], "").await;
    assert_eq!(ended.status.as_u16(), 200);
}

#[tokio::test]
async fn to_the_letter_a_session_is_changed_by_whoever_opened_it() {
    let local = start(Fidelity::Strict).await;
    let mine = ("authorization", "Bearer mine");
    let yours = ("authorization", "Bearer yours");
    let (_, location) = publish(&local, &[mine]).await;
    for (method, body) in [("PATCH", SAME), ("DELETE", "")] {
        let refused = local.webrtc(method, &location, &[FRAGMENT], body).await;
        problem(&refused, 401);
        assert!(
            refused
                .header("www-authenticate")
                .unwrap()
                .starts_with("Bearer")
        );
        let foreign = local
            .webrtc(method, &location, &[FRAGMENT, yours], body)
            .await;
        let never = "session/AAAAAAAAAAAAAAAAAAAAAA";
        let never = local.webrtc(method, never, &[FRAGMENT, yours], body).await;
        assert_eq!(problem(&foreign, 404), problem(&never, 404));
    }
    let any = ("if-match", "*");
    let taken = local
        .webrtc("PATCH", &location, &[FRAGMENT, mine, any], SAME)
        .await;
    assert_eq!(taken.status.as_u16(), 204);
    let ended = local.webrtc("DELETE", &location, &[mine], "").await;
    assert_eq!(ended.status.as_u16(), 200);

    // Otherwise the address, which nobody can guess, is enough.
    let local = start(Fidelity::Lenient).await;
    let (_, location) = publish(&local, &[mine]).await;
    let ended = local.webrtc("DELETE", &location, &[], "").await;
    assert_eq!(ended.status.as_u16(), 200);
}
