//! A local Livepeer for one test: on port 0, in a folder of its own, called through its router.

#![allow(dead_code, clippy::unwrap_used, clippy::expect_used)]

pub(crate) mod feed;

use std::path::PathBuf;
use std::time::Duration;

use axum::body::{Body, to_bytes};
use axum::http::{HeaderMap, Method, Request, StatusCode, header};
use livepeer::studio::{Studio, StudioConfig};
use livepeer_local::{Config, Local};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tower::ServiceExt;
use url::Url;

pub(crate) const KEY: &str = "the-api-key";

pub(crate) struct TestLocal {
    pub(crate) local: Local,
    pub(crate) folder: TempDir,
}

pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) text: String,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|_| panic!("not JSON: {:?}", self.text))
    }

    /// The first of Studio's error messages.
    pub(crate) fn error(&self) -> String {
        self.json()["errors"][0].as_str().unwrap().to_owned()
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }
}

pub(crate) fn config(folder: &TempDir) -> Config {
    Config {
        base_url: Url::parse("http://localhost:3000/livepeer").unwrap(),
        data: folder.path().join("state.json"),
        api_key: Some(KEY.into()),
        udp: "127.0.0.1:0".parse().unwrap(),
        advertise: vec!["127.0.0.1".parse().unwrap()],
        webhook_retry: Duration::from_millis(20),
        ..Config::default()
    }
}

impl TestLocal {
    pub(crate) async fn start() -> TestLocal {
        Self::start_with(|_| {}).await
    }

    pub(crate) async fn start_with(adjust: impl FnOnce(&mut Config)) -> TestLocal {
        let folder = tempfile::tempdir().unwrap();
        let mut config = config(&folder);
        adjust(&mut config);
        let local = Local::start(config).await.unwrap();
        TestLocal { local, folder }
    }

    /// One that is also served on a port of its own, mounted as the app mounts it, with a base address to match.
    pub(crate) async fn serving() -> (TestLocal, Url) {
        Self::serving_with(|_| {}).await
    }

    pub(crate) async fn serving_with(adjust: impl FnOnce(&mut Config)) -> (TestLocal, Url) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let server = Url::parse(&format!(
            "http://{}/livepeer/",
            listener.local_addr().unwrap()
        ))
        .unwrap();
        let base_url = server.clone();
        let local = Self::start_with(|config| {
            config.base_url = base_url;
            adjust(config);
        })
        .await;
        let router = axum::Router::new().nest("/livepeer", local.local.router());
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        (local, server)
    }

    pub(crate) fn file(&self) -> PathBuf {
        self.folder.path().join("state.json")
    }

    pub(crate) async fn send(&self, request: Request<Body>) -> Answer {
        let response = self.local.router().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let bytes = to_bytes(body, usize::MAX).await.unwrap();
        Answer {
            status: parts.status,
            headers: parts.headers,
            text: String::from_utf8(bytes.into()).unwrap(),
        }
    }

    /// A call of the API, with the key.
    pub(crate) async fn call(&self, method: &str, path: &str, body: Option<Value>) -> Answer {
        self.send(request(method, &format!("/api{path}"), body, Some(KEY)))
            .await
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.call("GET", path, None).await
    }

    pub(crate) async fn post(&self, path: &str, body: Value) -> Answer {
        self.call("POST", path, Some(body)).await
    }

    pub(crate) async fn patch(&self, path: &str, body: Value) -> Answer {
        self.call("PATCH", path, Some(body)).await
    }

    pub(crate) async fn delete(&self, path: &str) -> Answer {
        self.call("DELETE", path, None).await
    }

    /// A new stream.
    pub(crate) async fn stream(&self, body: Value) -> Value {
        let answer = self.post("/stream", body).await;
        assert_eq!(answer.status, StatusCode::CREATED, "{}", answer.text);
        answer.json()
    }

    pub(crate) async fn named(&self, name: &str) -> Value {
        self.stream(json!({ "name": name })).await
    }

    /// A request of the media routes.
    pub(crate) async fn webrtc(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> Answer {
        let mut request = Request::builder()
            .method(method)
            .uri(format!("/webrtc/{path}"));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        self.send(request.body(Body::from(body.to_owned())).unwrap())
            .await
    }
}

pub(crate) fn studio(server: &Url) -> Studio {
    Studio::new(StudioConfig::new(server.join("api").unwrap(), KEY.into())).unwrap()
}

pub(crate) fn request(
    method: &str,
    path: &str,
    body: Option<Value>,
    key: Option<&str>,
) -> Request<Body> {
    let mut request = Request::builder()
        .method(Method::from_bytes(method.as_bytes()).unwrap())
        .uri(path);
    if let Some(key) = key {
        request = request.header(header::AUTHORIZATION, format!("Bearer {key}"));
    }
    match body {
        None => request.body(Body::empty()).unwrap(),
        Some(body) => request
            .header(header::CONTENT_TYPE, "application/json")
            .body(Body::from(body.to_string()))
            .unwrap(),
    }
}

/// The text of a field.
pub(crate) fn text(value: &Value, field: &str) -> String {
    value[field]
        .as_str()
        .unwrap_or_else(|| panic!("no {field} in {value}"))
        .to_owned()
}

/// A browser's offer of one VP8 track, cut down to what an answer needs; `direction` is `sendonly` or `recvonly`.
pub(crate) fn offer(direction: &str) -> String {
    let fingerprint = ["5A"; 32].join(":");
    [
        "v=0",
        "o=- 4611731400430051336 2 IN IP4 127.0.0.1",
        "s=-",
        "t=0 0",
        "a=group:BUNDLE 0",
        "m=video 9 UDP/TLS/RTP/SAVPF 96",
        "c=IN IP4 0.0.0.0",
        "a=mid:0",
        "a=msid:stream track",
        &format!("a={direction}"),
        "a=rtcp-mux",
        "a=rtcp-mux-only",
        "a=ice-ufrag:abcd",
        "a=ice-pwd:abcdefghijklmnopqrstuvwx",
        &format!("a=fingerprint:sha-256 {fingerprint}"),
        "a=setup:actpass",
        "a=rtpmap:96 VP8/90000",
        "a=rtcp-fb:96 nack pli",
        "",
    ]
    .join("\r\n")
}
