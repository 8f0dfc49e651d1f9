//! A server in this process, on a port of its own.

use std::collections::VecDeque;
use std::fmt::Write as _;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use livepeer::studio::{Studio, StudioConfig};
use livepeer::{ApiKey, RetryPolicy};

pub(crate) const KEY: &str = "f61b3cdb-d173-4a7a";

/// Answers in the order in which it was told, and notes what comes.
#[derive(Clone, Default)]
pub(crate) struct Server {
    address: String,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    answers: Mutex<VecDeque<Response>>,
    requests: Mutex<Vec<String>>,
}

impl Server {
    pub(crate) async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let server = Self {
            address: listener.local_addr().unwrap().to_string(),
            shared: Arc::default(),
        };
        let router = Router::new().fallback(answer).with_state(server.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        server
    }

    /// A client of it that repeats at most once, at once.
    pub(crate) fn studio(&self) -> Studio {
        self.studio_with(RetryPolicy {
            attempts: 2,
            base: Duration::from_millis(1),
            ..RetryPolicy::default()
        })
    }

    pub(crate) fn studio_with(&self, retry: RetryPolicy) -> Studio {
        let config = StudioConfig::new(self.url("/api").parse().unwrap(), ApiKey::new(KEY));
        Studio::new(StudioConfig { retry, ..config }).unwrap()
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// Answers the next request so.
    pub(crate) fn answers(&self, status: u16, body: &str) -> &Self {
        self.answers_with(status, &[], body)
    }

    pub(crate) fn answers_with(&self, status: u16, headers: &[(&str, &str)], body: &str) -> &Self {
        let mut response = (StatusCode::from_u16(status).unwrap(), body.to_owned()).into_response();
        for (name, value) in headers {
            let name = axum::http::HeaderName::from_bytes(name.as_bytes()).unwrap();
            response.headers_mut().append(name, value.parse().unwrap());
        }
        self.shared.answers.lock().unwrap().push_back(response);
        self
    }

    /// What has come since the last time: a line for each, and its body.
    pub(crate) fn requests(&self) -> String {
        std::mem::take(&mut *self.shared.requests.lock().unwrap()).join("\n")
    }
}

async fn answer(
    State(server): State<Server>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let mut request = format!("{method} {uri}");
    match headers
        .get("authorization")
        .map(|value| value.to_str().unwrap())
    {
        Some(value) if value == format!("Bearer {KEY}") => request.push_str(" with the key"),
        Some(other) => write!(request, " with {other}").unwrap(),
        None => {}
    }
    if !body.is_empty() {
        assert_eq!(headers["content-type"], "application/json");
        write!(request, " {}", String::from_utf8_lossy(&body)).unwrap();
    }
    server.shared.requests.lock().unwrap().push(request);
    let next = server.shared.answers.lock().unwrap().pop_front();
    next.expect("the test says how to answer")
}
