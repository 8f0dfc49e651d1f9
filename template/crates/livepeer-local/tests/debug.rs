//! What the engine is doing, over HTTP: open on a machine for development, behind the API key elsewhere.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod support;

use axum::body::Body;
use axum::http::{Request, StatusCode, header};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;
use support::{Answer, KEY, TestLocal};

const PATHS: [&str; 3] = ["/debug", "/debug/stats", "/metrics"];

async fn get(local: &TestLocal, path: &str, host: &str, authorization: Option<&str>) -> Answer {
    let mut request = Request::get(path).header(header::HOST, host);
    if let Some(authorization) = authorization {
        request = request.header(header::AUTHORIZATION, authorization);
    }
    local.send(request.body(Body::empty()).unwrap()).await
}

#[tokio::test]
async fn a_developer_sees_everything_without_a_key_and_a_stranger_by_name_does_not() {
    let local = TestLocal::start().await;
    for path in PATHS {
        let own = get(&local, path, "localhost:3000", None).await;
        assert_eq!(own.status, StatusCode::OK, "{path}");
        assert_eq!(own.header("cache-control"), Some("no-store"), "{path}");
        // Another machine on the network, and a page whose name was pointed at this one.
        for host in ["192.168.1.7:3000", "rebound.example.org:3000"] {
            let stranger = get(&local, path, host, None).await;
            assert_eq!(stranger.status, StatusCode::UNAUTHORIZED, "{path} {host}");
        }
    }
}

#[tokio::test]
async fn where_others_reach_it_the_key_is_asked_for() {
    let local = TestLocal::start_with(|config| {
        config.base_url = "https://live.example.org/livepeer".parse().unwrap();
    })
    .await;
    let basic = |password: &str| format!("Basic {}", STANDARD.encode(format!("me:{password}")));
    for path in PATHS {
        let host = "live.example.org";
        let refused = get(&local, path, host, None).await;
        assert_eq!(refused.status, StatusCode::UNAUTHORIZED, "{path}");
        let challenge = refused.header("www-authenticate").unwrap();
        assert!(challenge.starts_with("Basic "), "a browser asks its user");
        // The name that is asked for is the visitor's word alone.
        let forged = get(&local, path, "localhost:3000", None).await;
        assert_eq!(forged.status, StatusCode::UNAUTHORIZED, "{path}");
        for wrong in ["Bearer wrong", &basic("wrong"), "Basic ???", KEY] {
            let refused = get(&local, path, host, Some(wrong)).await;
            assert_eq!(refused.status, StatusCode::UNAUTHORIZED, "{path} {wrong}");
            assert!(!refused.text.contains("wrong"), "{}", refused.text);
        }
        for right in [format!("Bearer {KEY}"), basic(KEY)] {
            let allowed = get(&local, path, host, Some(&right)).await;
            assert_eq!(allowed.status, StatusCode::OK, "{path}");
        }
    }
}

#[tokio::test]
async fn the_figures_have_a_name_for_everything_and_no_secret() {
    let local = TestLocal::start().await;
    let answer = get(&local, "/debug/stats", "localhost", None).await;
    let stats = answer.json();
    assert_eq!(stats["streams"], json!([]));
    assert_eq!(stats["total"]["packets_in"], 0);
    let buckets = stats["joinTimes"]["buckets"].as_array().unwrap().len();
    assert_eq!(buckets, stats["joinBoundsMs"].as_array().unwrap().len() + 1);
    for drop in stats["drops"].as_array().unwrap() {
        assert!(!drop["words"].as_str().unwrap().is_empty(), "{drop}");
    }
    for path in PATHS {
        assert!(
            !get(&local, path, "localhost", None)
                .await
                .text
                .contains(KEY)
        );
    }
}
