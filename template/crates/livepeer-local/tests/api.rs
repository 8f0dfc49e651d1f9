//! What every route shares (who may call, what a body may be), and the small resources.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod support;

use axum::body::Body;
use axum::http::{Request, StatusCode};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use support::{KEY, TestLocal, request, text};

#[tokio::test]
async fn without_the_key_nothing_but_the_playback_info_is_told() {
    let local = TestLocal::start().await;
    let stream = local.named("a").await;
    for (method, path) in [
        ("GET", "/api/stream"),
        ("POST", "/api/stream"),
        ("GET", "/api/ingest"),
        ("GET", "/api/access-control/signing-key"),
        ("GET", "/api/webhook"),
    ] {
        for key in [None, Some("lp-wrong-key-123")] {
            let answer = local.send(request(method, path, None, key)).await;
            assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{method} {path}");
            assert!(
                answer
                    .header("www-authenticate")
                    .unwrap()
                    .starts_with("Bearer")
            );
            assert!(
                !answer.text.contains("lp-wrong-key"),
                "the key comes back: {}",
                answer.text
            );
            assert!(answer.error().contains("key"), "{}", answer.text);
        }
    }
    let path = format!("/api/playback/{}", text(&stream, "playbackId"));
    let open = local.send(request("GET", &path, None, None)).await;
    assert_eq!(open.status, StatusCode::OK);
    assert_eq!(open.header("access-control-allow-origin"), Some("*"));
}

#[tokio::test]
async fn basic_authentication_works_with_the_users_id() {
    let local = TestLocal::start().await;
    let user = text(&local.named("a").await, "userId");
    let basic = |text: String| {
        Request::get("/api/stream")
            .header("authorization", format!("Basic {}", STANDARD.encode(text)))
            .body(Body::empty())
            .unwrap()
    };
    assert_eq!(
        local.send(basic(format!("{user}:{KEY}"))).await.status,
        StatusCode::OK
    );
    assert_eq!(
        local.send(basic(format!("other:{KEY}"))).await.status,
        StatusCode::UNAUTHORIZED
    );
}

#[tokio::test]
async fn a_project_in_the_query_is_refused_as_at_studio() {
    let local = TestLocal::start().await;
    let answer = local.get("/stream?projectId=1").await;
    assert_eq!(answer.status, StatusCode::BAD_REQUEST);
    assert_eq!(answer.error(), "projectId as query param not supported");
}

#[tokio::test]
async fn a_body_that_is_not_json_or_too_long_is_refused_and_the_next_one_is_served() {
    let local = TestLocal::start().await;
    let send = |kind: &'static str, body: String| {
        let request = Request::post("/api/stream")
            .header("authorization", format!("Bearer {KEY}"))
            .header("content-type", kind)
            .body(Body::from(body));
        local.send(request.unwrap())
    };
    let long = format!("{{\"name\":\"{}\"}}", "x".repeat(300_000));
    let answers = [
        (
            send("application/json", "{name".into()).await,
            400,
            "not JSON",
        ),
        (
            send("application/json", "\u{feff}".into()).await,
            400,
            "not JSON",
        ),
        (
            send("text/plain", "{\"name\":\"a\"}".into()).await,
            422,
            "Content-Type",
        ),
        (send("application/json", long).await, 413, "too large"),
        (
            send("application/json", "[".repeat(10_000)).await,
            400,
            "not JSON",
        ),
        (send("application/json", String::new()).await, 422, "name"),
    ];
    for (answer, status, word) in &answers {
        assert_eq!(answer.status.as_u16(), *status, "{}", answer.text);
        assert!(answer.error().contains(word), "{}", answer.text);
    }
    let fine = send("application/json; charset=utf-8", "{\"name\":\"a\"}".into()).await;
    assert_eq!(fine.status, StatusCode::CREATED);
}

#[tokio::test]
async fn an_unknown_route_is_told_in_studios_shape() {
    let local = TestLocal::start().await;
    let answer = local.get("/asset").await;
    assert_eq!(answer.status, StatusCode::NOT_FOUND);
    assert!(answer.error().starts_with("not found"));
    let answer = local.call("PUT", "/stream", None).await;
    assert_eq!(answer.status, StatusCode::METHOD_NOT_ALLOWED);
    assert!(!answer.error().is_empty());
}

#[tokio::test]
async fn the_playback_info_lists_webrtc_below_the_configured_address() {
    let local = TestLocal::start().await;
    let stream = local
        .stream(json!({"name": "a", "playbackPolicy": {"type": "jwt"}}))
        .await;
    let playback_id = text(&stream, "playbackId");
    let answer = local.get(&format!("/playback/{playback_id}")).await;
    assert_eq!(
        answer.json(),
        json!({
            "type": "live",
            "meta": {
                "live": 0,
                "playbackPolicy": {"type": "jwt"},
                "source": [{
                    "hrn": "WebRTC (H264)",
                    "type": "html5/video/h264",
                    "url": format!("http://localhost:3000/livepeer/webrtc/{playback_id}"),
                }]
            }
        })
    );
    let by_id = local
        .get(&format!("/playback/{}", text(&stream, "id")))
        .await;
    assert_eq!(by_id.json(), answer.json());
    let unknown = local.get("/playback/none").await;
    assert_eq!(unknown.status, StatusCode::NOT_FOUND);
    assert_eq!(unknown.error(), "No playback URL found for none");
    let by_key = local
        .get(&format!("/playback/{}", text(&stream, "streamKey")))
        .await;
    assert_eq!(
        by_key.status,
        StatusCode::NOT_FOUND,
        "a stream key plays nothing"
    );
}

#[tokio::test]
async fn the_ingest_names_the_base_of_whip() {
    let local = TestLocal::start().await;
    let answer = local.get("/ingest").await;
    assert_eq!(answer.json()[0]["base"], "http://localhost:3000/livepeer");
}

#[tokio::test]
async fn a_signing_key_shows_its_private_half_once() {
    let local = TestLocal::start().await;
    let path = "/access-control/signing-key";
    let created = local.post(path, json!({"name": "k1"})).await;
    assert_eq!(created.status, StatusCode::CREATED);
    let created = created.json();
    let pem =
        |field: &str| String::from_utf8(STANDARD.decode(text(&created, field)).unwrap()).unwrap();
    assert!(pem("publicKey").starts_with("-----BEGIN PUBLIC KEY-----"));
    assert!(pem("privateKey").starts_with("-----BEGIN PRIVATE KEY-----"));

    let mut kept = created.clone();
    kept.as_object_mut().unwrap().remove("privateKey");
    let one = format!("{path}/{}", text(&created, "id"));
    assert_eq!(local.get(&one).await.json(), kept);
    assert_eq!(local.get(path).await.json(), json!([kept]));
    let file = std::fs::read_to_string(local.file()).unwrap();
    assert!(
        !file.contains(&text(&created, "privateKey")),
        "the private half is kept nowhere"
    );

    let patch = local
        .patch(&one, json!({"disabled": true, "name": "k2"}))
        .await;
    assert_eq!(patch.status, StatusCode::NO_CONTENT);
    let read = local.get(&one).await.json();
    assert_eq!(
        (&read["disabled"], &read["name"]),
        (&json!(true), &json!("k2"))
    );
    let refused = local.patch(&one, json!({"publicKey": "x"})).await;
    assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY);

    assert_eq!(local.delete(&one).await.status, StatusCode::NO_CONTENT);
    assert_eq!(local.get(&one).await.status, StatusCode::NOT_FOUND);
    assert_eq!(local.delete(&one).await.status, StatusCode::NOT_FOUND);
    assert_eq!(
        local.patch(&one, json!({})).await.status,
        StatusCode::NOT_FOUND
    );
}

#[tokio::test]
async fn an_account_has_at_most_ten_signing_keys() {
    let local = TestLocal::start().await;
    let path = "/access-control/signing-key";
    for _ in 0..10 {
        // No body at all: the name is made up.
        let answer = local.call("POST", path, None).await;
        assert_eq!(answer.status, StatusCode::CREATED);
        assert!(text(&answer.json(), "name").starts_with("Signing Key"));
    }
    let eleventh = local.call("POST", path, None).await;
    assert_eq!(eleventh.status, StatusCode::FORBIDDEN);
    assert_eq!(
        eleventh.error(),
        "user can only have up to 10 signing keys, delete some first"
    );
}

fn webhook() -> Value {
    json!({"name": "mine", "url": "http://127.0.0.1:9/hook", "events": ["stream.started", "stream.idle"],
           "sharedSecret": "s3cret"})
}

#[tokio::test]
async fn a_webhook_never_shows_its_secret() {
    let local = TestLocal::start().await;
    let created = local.post("/webhook", webhook()).await;
    assert_eq!(created.status, StatusCode::CREATED);
    let one = format!("/webhook/{}", text(&created.json(), "id"));
    let shown = json!({
        "id": created.json()["id"],
        "kind": "webhook",
        "name": "mine",
        "url": "http://127.0.0.1:9/hook",
        "events": ["stream.started", "stream.idle"],
        "createdAt": created.json()["createdAt"],
        "userId": created.json()["userId"],
        "projectId": created.json()["projectId"],
    });
    assert_eq!(created.json(), shown);
    assert_eq!(local.get(&one).await.json(), shown);
    assert_eq!(local.get("/webhook").await.json(), json!([shown]));
}

#[tokio::test]
async fn a_webhook_is_replaced_changed_and_deleted() {
    let local = TestLocal::start().await;
    let created = local.post("/webhook", webhook()).await.json();
    let one = format!("/webhook/{}", text(&created, "id"));

    let mut other = webhook();
    other["name"] = json!("other");
    other["streamId"] = json!("s-1");
    let replaced = local.call("PUT", &one, Some(other)).await;
    assert_eq!(
        (replaced.status, replaced.json()),
        (StatusCode::OK, json!({"id": created["id"]}))
    );
    let read = local.get(&one).await.json();
    assert_eq!(
        (&read["name"], &read["streamId"]),
        (&json!("other"), &json!("s-1"))
    );
    assert_eq!(read["createdAt"], created["createdAt"]);

    let patched = local.patch(&one, json!({"events": ["stream.idle"]})).await;
    assert_eq!(patched.status, StatusCode::NO_CONTENT);
    assert_eq!(
        local.get(&one).await.json()["events"],
        json!(["stream.idle"])
    );

    assert_eq!(local.delete(&one).await.status, StatusCode::NO_CONTENT);
    for gone in [
        local.get(&one).await,
        local.delete(&one).await,
        local.patch(&one, json!({"name": "b"})).await,
        local.call("PUT", &one, Some(webhook())).await,
    ] {
        assert_eq!(gone.status, StatusCode::NOT_FOUND);
    }
}

#[tokio::test]
async fn a_webhook_without_sense_is_refused() {
    let local = TestLocal::start().await;
    let with = |field: &str, value: Value| {
        let mut body = webhook();
        body[field] = value;
        body
    };
    for (body, word) in [
        (
            json!({"name": "a", "url": "http://a"}),
            "must provide \"events\" field",
        ),
        (with("events", json!([])), "must provide \"events\" field"),
        (with("events", json!(["stream.exploded"])), "allowed values"),
        (with("url", json!("ftp://a")), "pattern"),
        (with("url", json!("http://")), "host"),
        (with("colour", json!("red")), "additional properties"),
        (
            json!({"url": "http://a", "events": ["stream.idle"]}),
            "'name'",
        ),
    ] {
        let answer = local.post("/webhook", body.clone()).await;
        assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY, "{body}");
        assert!(answer.error().contains(word), "{body}: {}", answer.text);
    }
    assert_eq!(local.get("/webhook").await.json(), json!([]));
}
