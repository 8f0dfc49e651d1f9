//! What goes wrong is said in words, without the key, and repeated only where that is safe.

use std::time::{Duration, Instant};

use livepeer::studio::{NewStream, StreamPatch, Studio, StudioConfig};
use livepeer::{ApiKey, Error, RetryPolicy};

use crate::server::{KEY, Server};

const STREAM: &str = r#"{"id":"i","name":"n","playbackId":"p"}"#;

#[tokio::test]
async fn the_echo_of_the_key_is_cut_out() {
    let server = Server::start().await;
    server.answers(401, &format!(r#"{{"errors":["no token {KEY} found"]}}"#));
    let error = server.studio().get_stream("x").await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "Livepeer answered 401 when asked to read a stream: no token [redacted] found"
    );
    assert!(error.is_unauthorized() && !error.is_retryable());
    assert!(!format!("{error:?} {:?}", server.studio()).contains(KEY));
}

#[tokio::test]
async fn a_validators_findings_name_the_field() {
    let server = Server::start().await;
    let finding = |field: &str| {
        serde_json::json!({"instancePath": "", "schemaPath": "#/required", "keyword": "required",
            "params": {"missingProperty": field}, "message": format!("must have required property '{field}'")})
        .to_string()
    };
    server.answers(
        422,
        &serde_json::json!({ "errors": [finding("name"), finding("x")] }).to_string(),
    );
    let error = server
        .studio()
        .create_stream(&NewStream::default())
        .await
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "Livepeer answered 422 when asked to create a stream: `name` is required; `x` is required"
    );
    assert_eq!(error.messages(), ["`name` is required", "`x` is required"]);
}

#[tokio::test]
async fn a_429_is_waited_out_as_long_as_it_asks() {
    let server = Server::start().await;
    server
        .answers_with(429, &[("retry-after", "1")], "{}")
        .answers(200, STREAM);
    let begin = Instant::now();
    server.studio().get_stream("x").await.unwrap();
    assert!(begin.elapsed() >= Duration::from_secs(1));

    // And a date that has passed at once; creations too, since a 429 means that nothing was created.
    server
        .answers_with(
            429,
            &[("retry-after", "Sun, 06 Nov 1994 08:49:37 GMT")],
            "{}",
        )
        .answers(201, STREAM);
    let begin = Instant::now();
    server
        .studio()
        .create_stream(&NewStream::source_only("x"))
        .await
        .unwrap();
    assert!(begin.elapsed() < Duration::from_secs(1));
}

#[tokio::test]
async fn a_429_that_asks_for_an_hour_is_told_with_its_time() {
    let server = Server::start().await;
    server.answers_with(
        429,
        &[("retry-after", "3600")],
        r#"{"errors":["slow down"]}"#,
    );
    let error = server.studio().get_stream("x").await.unwrap_err();
    assert_eq!(error.retry_after(), Some(Duration::from_secs(3600)));
    assert!(error.is_retryable());
}

#[tokio::test]
async fn a_creation_is_not_repeated_after_a_500_and_everything_else_is() {
    let server = Server::start().await;
    let studio = server.studio();
    server.answers(500, r#"{"errors":["Internal server error: TypeError"]}"#);
    studio
        .create_stream(&NewStream::source_only("x"))
        .await
        .unwrap_err();
    assert_eq!(server.requests().lines().count(), 1);

    server.answers(500, "").answers(200, STREAM);
    studio.get_stream("x").await.unwrap();
    server.answers(502, "<html>").answers(204, "");
    studio
        .patch_stream("x", &StreamPatch::default())
        .await
        .unwrap();
    server.answers(503, "").answers(204, "");
    studio.terminate_stream("x").await.unwrap();
    assert_eq!(server.requests().lines().count(), 6);
}

#[tokio::test]
async fn a_deletion_whose_answer_was_lost_has_succeeded() {
    let server = Server::start().await;
    let studio = server.studio();
    server
        .answers(504, "")
        .answers(404, r#"{"errors":["not found"]}"#);
    studio.delete_stream("x").await.unwrap();
    // But one that never was there has not.
    server.answers(404, r#"{"errors":["not found"]}"#);
    assert!(studio.delete_stream("x").await.unwrap_err().is_not_found());
}

#[tokio::test]
async fn a_redirect_is_not_followed_but_told() {
    let server = Server::start().await;
    server.answers_with(
        301,
        &[("location", "https://livepeer.studio/api/stream/x")],
        "",
    );
    let error = server.studio().get_stream("x").await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "Livepeer answered 301 when asked to read a stream: it points to https://livepeer.studio/api/stream/x; \
         set the API's address to where that leads"
    );
    assert_eq!(server.requests().lines().count(), 1);
}

#[tokio::test]
async fn an_answer_of_another_kind_is_said_without_quoting_it() {
    let server = Server::start().await;
    server
        .answers(200, r#"{"id":1,"name":"s3cr3t","playbackId":"p"}"#)
        .answers(200, "<html>");
    let studio = server.studio_with(RetryPolicy::NEVER);
    let error = studio.get_stream("x").await.unwrap_err().to_string();
    assert!(
        error.starts_with("cannot read Livepeer's answer when asked to read a stream: "),
        "{error}"
    );
    assert!(!error.contains("s3cr3t"));
    assert!(matches!(
        studio.get_stream("x").await,
        Err(Error::Unreadable { .. })
    ));
}

#[tokio::test]
async fn nobody_there_and_nobody_answering() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/api", listener.local_addr().unwrap())
        .parse()
        .unwrap();
    let config = StudioConfig {
        timeout: Duration::from_millis(100),
        retry: RetryPolicy::NEVER,
        ..StudioConfig::new(url, ApiKey::new(KEY))
    };
    let studio = Studio::new(config).unwrap();
    // The kernel takes the connection; nobody reads from it.
    let error = studio.get_stream("x").await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "no answer from Livepeer when asked to read a stream: it took too long"
    );
    drop(listener);
    let error = studio.get_stream("x").await.unwrap_err();
    assert!(
        matches!(&error, Error::Connect { reason, .. } if reason.contains("refused")),
        "{error:?}"
    );
    assert!(error.is_retryable() && error.status().is_none());
}

#[test]
fn a_configuration_that_cannot_work_is_refused_at_once() {
    let refusal = |url: &str, key: &str| {
        let config = StudioConfig::new(url.parse().unwrap(), ApiKey::new(key));
        Studio::new(config).unwrap_err().to_string()
    };
    assert_eq!(
        refusal("ftp://livepeer.studio/api", "k"),
        "Livepeer's API address must begin with http:// or https://, not ftp:"
    );
    let key = "the Livepeer API key must be letters, digits and punctuation, without spaces";
    assert_eq!(refusal("http://localhost/api", " "), key);
    assert_eq!(refusal("http://localhost/api", "a b"), key);
    assert_eq!(refusal("http://localhost/api", "a\nb"), key);
}
