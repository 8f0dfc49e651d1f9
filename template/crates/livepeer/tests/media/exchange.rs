//! The HTTP half: redirects, refusals, and what is sent along to whom.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use livepeer::media::{MediaError, WhepConfig, WhepPlayer, WhipConfig, WhipPublisher};
use livepeer::{PlaybackToken, SecretUrl};

/// One request as it came.
#[derive(Clone, Debug, PartialEq)]
struct Seen {
    method: Method,
    path: String,
    content_type: Option<String>,
    authorization: Option<String>,
    jwt: Option<String>,
    body: String,
}

/// A server that notes what comes and answers as told.
#[derive(Clone)]
struct Server {
    address: String,
    seen: Arc<Mutex<Vec<Seen>>>,
    answer: Arc<dyn Fn(&Seen) -> Response + Send + Sync>,
}

impl Server {
    async fn start(answer: impl Fn(&Seen) -> Response + Send + Sync + 'static) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let server = Self {
            address: listener.local_addr().unwrap().to_string(),
            seen: Arc::default(),
            answer: Arc::new(answer),
        };
        let router = Router::new().fallback(note).with_state(server.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        server
    }

    fn url(&self, path: &str) -> SecretUrl {
        SecretUrl::new(format!("http://{}{path}", self.address).parse().unwrap())
    }

    fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }
}

async fn note(
    State(server): State<Server>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let header = |name: &str| {
        headers
            .get(name)
            .map(|value| value.to_str().unwrap().to_owned())
    };
    let seen = Seen {
        method,
        path: uri.to_string(),
        content_type: header("content-type"),
        authorization: header("authorization"),
        jwt: header("livepeer-jwt"),
        body: String::from_utf8(body.to_vec()).unwrap(),
    };
    let answer = (server.answer)(&seen);
    server.seen.lock().unwrap().push(seen);
    answer
}

fn redirect(to: &str) -> Response {
    (StatusCode::TEMPORARY_REDIRECT, [("location", to)]).into_response()
}

async fn play(url: SecretUrl) -> MediaError {
    let config = WhepConfig {
        token: Some(PlaybackToken::new("ey.to.ken")),
        bearer: Some(PlaybackToken::new("b3ar3r")),
        ..WhepConfig::new(url)
    };
    WhepPlayer::connect(config)
        .await
        .expect_err("no server here ever lets a player in")
}

async fn publish(url: SecretUrl) -> MediaError {
    WhipPublisher::connect(WhipConfig::new(url))
        .await
        .expect_err("no server here ever lets a publisher in")
}

#[tokio::test]
async fn two_redirects_keep_method_body_and_token() {
    let node =
        Server::start(|_| (StatusCode::CONFLICT, [("retry-after", "3")]).into_response()).await;
    let best = format!("http://{}/webrtc/video+abc", node.address);
    // From the first server to another path on it, and from there to another server.
    let front = Server::start(move |seen| match seen.path.as_str() {
        "/webrtc/abc" => redirect("/nearest/abc?ingestpb=true"),
        _ => redirect(&best),
    })
    .await;

    let error = play(front.url("/webrtc/abc")).await;
    assert_eq!(
        error,
        MediaError::NotLive {
            retry_after: Some(Duration::from_secs(3))
        }
    );

    let (front, node) = (front.seen(), node.seen());
    let paths: Vec<_> = front
        .iter()
        .chain(&node)
        .map(|seen| seen.path.as_str())
        .collect();
    assert_eq!(
        paths,
        [
            "/webrtc/abc",
            "/nearest/abc?ingestpb=true",
            "/webrtc/video+abc"
        ]
    );
    for seen in front.iter().chain(&node) {
        assert_eq!(seen.method, Method::POST);
        assert_eq!(seen.content_type.as_deref(), Some("application/sdp"));
        assert_eq!(seen.jwt.as_deref(), Some("ey.to.ken"));
        assert!(seen.body.starts_with("v=0") && seen.body == front[0].body);
        assert!(
            seen.body.contains("a=candidate:"),
            "all candidates are in the offer"
        );
        assert!(seen.body.contains("127.0.0.1"), "loopback among them");
    }
    assert_eq!(
        front[1].authorization.as_deref(),
        Some("Bearer b3ar3r"),
        "the same origin"
    );
    assert_eq!(node[0].authorization, None, "another one");
}

#[tokio::test]
async fn a_third_redirect_and_one_that_loses_the_body_are_errors() {
    let server = Server::start(|_| redirect("/again")).await;
    assert_eq!(
        play(server.url("/")).await.to_string(),
        "cannot follow the server's redirect: more than 2 in a row"
    );
    assert_eq!(server.seen().len(), 3);

    let server =
        Server::start(|_| (StatusCode::FOUND, [("location", "/other")]).into_response()).await;
    assert_eq!(
        play(server.url("/")).await.to_string(),
        "cannot follow the server's redirect: 302 would lose the offer; 307 keeps it"
    );

    let server = Server::start(|_| StatusCode::TEMPORARY_REDIRECT.into_response()).await;
    assert_eq!(
        play(server.url("/")).await.to_string(),
        "cannot follow the server's redirect: it does not say where to"
    );
}

#[tokio::test]
async fn only_to_a_player_is_404_a_matter_of_waiting() {
    let server =
        Server::start(|_| (StatusCode::NOT_FOUND, r#"{"errors":["not found"]}"#).into_response())
            .await;
    let error = play(server.url("/webrtc/abc")).await;
    assert_eq!(error, MediaError::NotLive { retry_after: None });
    assert!(error.is_retryable());
    let error = publish(server.url("/webrtc/abc")).await;
    assert_eq!(
        error.to_string(),
        "the server refuses to publish (404): not found"
    );
    assert!(!error.is_retryable());
}

#[tokio::test]
async fn a_refusal_keeps_the_servers_words_and_loses_our_secrets() {
    let server = Server::start(|seen| {
        let body = format!(
            r#"{{"detail":"{} with {} may not"}}"#,
            seen.path,
            seen.jwt.clone().unwrap_or_default()
        );
        (StatusCode::FORBIDDEN, body).into_response()
    })
    .await;
    let error = play(server.url("/webrtc/de78-ab12")).await;
    assert_eq!(
        error.to_string(),
        "the server refuses to play (403): /webrtc/[redacted] with [redacted] may not"
    );
    assert!(!format!("{error:?}").contains("ey.to.ken"));
}

#[tokio::test]
async fn a_busy_server_says_when_to_come_back() {
    let server = Server::start(|_| {
        (StatusCode::SERVICE_UNAVAILABLE, [("retry-after", "7")]).into_response()
    })
    .await;
    let error = publish(server.url("/webrtc/key")).await;
    assert_eq!(
        (error.retry_after(), error.is_retryable()),
        (Some(Duration::from_secs(7)), true)
    );
}

#[tokio::test]
async fn an_answer_that_is_none_ends_the_session_that_was_begun() {
    let server = Server::start(|seen| match seen.method {
        Method::POST => (
            StatusCode::CREATED,
            [("location", "video+abc/s1")],
            "v=0\r\nnonsense",
        )
            .into_response(),
        _ => StatusCode::OK.into_response(),
    })
    .await;
    assert!(matches!(
        publish(server.url("/webrtc/abc")).await,
        MediaError::Answer(_)
    ));
    let seen = server.seen();
    assert_eq!(
        (&seen[1].method, seen[1].path.as_str()),
        (&Method::DELETE, "/webrtc/video+abc/s1")
    );

    let server = Server::start(|_| (StatusCode::CREATED, "<html>").into_response()).await;
    let error = publish(server.url("/webrtc/abc")).await;
    assert_eq!(
        error.to_string(),
        "cannot use the server's SDP answer: it does not begin with v=0"
    );
}

#[tokio::test]
async fn a_server_that_is_not_there_is_said_in_words() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!(
        "http://{}/webrtc/s3cr3t-key",
        listener.local_addr().unwrap()
    );
    drop(listener);
    let error = publish(SecretUrl::new(url.parse().unwrap()))
        .await
        .to_string();
    assert!(
        error.starts_with("no connection to Livepeer to publish:"),
        "{error}"
    );
    assert!(!error.contains("s3cr3t"), "{error}");
}
