//! `/stream`: what it takes, what it refuses, and the bytes that it answers with.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod support;

use axum::http::StatusCode;
use serde_json::{Value, json};
use support::{TestLocal, text};

/// The same with everything that differs from run to run replaced by what it has to look like.
fn redacted(stream: &Value) -> Value {
    let mut stream = stream.clone();
    let shard = text(&stream, "id")[..4].to_owned();
    let shape = |text: &str| -> String {
        text.strip_prefix(&shard)
            .unwrap_or(text)
            .chars()
            .map(|c| if c.is_ascii_alphanumeric() { 'x' } else { c })
            .collect()
    };
    for field in ["id", "streamKey", "playbackId"] {
        let value = text(&stream, field);
        assert!(value.starts_with(&shard), "{field} begins like the id");
        stream[field] = json!(format!("<shard>{}", shape(&value)));
    }
    for field in ["userId", "projectId"] {
        stream[field] = json!(shape(&text(&stream, field)));
    }
    assert!(
        stream["createdAt"].as_u64().unwrap() > 1_700_000_000_000,
        "milliseconds"
    );
    stream["createdAt"] = json!("<ms>");
    stream
}

#[tokio::test]
async fn a_stream_with_only_a_name_has_studios_defaults() {
    let local = TestLocal::start().await;
    let stream = local.named("first").await;
    insta::assert_json_snapshot!(redacted(&stream), @r#"
    {
      "createdAt": "<ms>",
      "createdByTokenName": "local",
      "id": "<shard>xxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx",
      "ingestRate": 0.0,
      "isActive": false,
      "kind": "stream",
      "lastSeen": 0,
      "lastTerminatedAt": null,
      "name": "first",
      "outgoingRate": 0.0,
      "playbackId": "<shard>xxxxxxxxxxxx",
      "profiles": [
        {
          "bitrate": 250000,
          "fps": 0,
          "height": 240,
          "name": "240p0",
          "profile": "H264ConstrainedHigh",
          "width": 426
        },
        {
          "bitrate": 800000,
          "fps": 0,
          "height": 360,
          "name": "360p0",
          "profile": "H264ConstrainedHigh",
          "width": 640
        },
        {
          "bitrate": 1600000,
          "fps": 0,
          "height": 480,
          "name": "480p0",
          "profile": "H264ConstrainedHigh",
          "width": 854
        },
        {
          "bitrate": 3000000,
          "fps": 0,
          "height": 720,
          "name": "720p0",
          "profile": "H264ConstrainedHigh",
          "width": 1280
        }
      ],
      "projectId": "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx",
      "record": false,
      "renditions": {},
      "sourceBytes": 0,
      "sourceSegments": 0,
      "sourceSegmentsDuration": 0.0,
      "streamKey": "<shard>-xxxx-xxxx-xxxx",
      "suspended": false,
      "transcodedBytes": 0,
      "transcodedSegments": 0,
      "transcodedSegmentsDuration": 0.0,
      "userId": "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx"
    }
    "#);
}

#[tokio::test]
async fn what_is_sent_is_what_is_kept() {
    let local = TestLocal::start().await;
    let stream = local
        .stream(json!({
            "name": "room-42-main",
            "creatorId": "user-7",
            "record": true,
            "recordingSpec": {"profiles": null},
            "playbackPolicy": {"type": "jwt", "refreshInterval": 60, "allowedOrigins": ["https://app.example"]},
            "profiles": [{"name": "720p", "width": 1280, "height": 720, "bitrate": 3_000_000, "fps": 30,
                          "fpsDen": 1, "quality": 23, "gop": "1.0", "profile": "H264Baseline", "encoder": "H.264"}],
            "multistream": {"targets": []},
            "userTags": {"session": "s-1", "seats": 2, "roles": ["main", 7]}
        }))
        .await;
    insta::assert_json_snapshot!(redacted(&stream), @r#"
    {
      "createdAt": "<ms>",
      "createdByTokenName": "local",
      "creatorId": {
        "type": "unverified",
        "value": "user-7"
      },
      "id": "<shard>xxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx",
      "ingestRate": 0.0,
      "isActive": false,
      "kind": "stream",
      "lastSeen": 0,
      "lastTerminatedAt": null,
      "name": "room-42-main",
      "outgoingRate": 0.0,
      "playbackId": "<shard>xxxxxxxxxxxx",
      "playbackPolicy": {
        "allowedOrigins": [
          "https://app.example"
        ],
        "refreshInterval": 60,
        "type": "jwt"
      },
      "profiles": [
        {
          "bitrate": 3000000,
          "encoder": "H.264",
          "fps": 30,
          "fpsDen": 1,
          "gop": "1.0",
          "height": 720,
          "name": "720p",
          "profile": "H264Baseline",
          "quality": 23,
          "width": 1280
        }
      ],
      "projectId": "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx",
      "record": true,
      "recordingSpec": {
        "profiles": null
      },
      "renditions": {},
      "sourceBytes": 0,
      "sourceSegments": 0,
      "sourceSegmentsDuration": 0.0,
      "streamKey": "<shard>-xxxx-xxxx-xxxx",
      "suspended": false,
      "transcodedBytes": 0,
      "transcodedSegments": 0,
      "transcodedSegmentsDuration": 0.0,
      "userId": "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx",
      "userTags": {
        "roles": [
          "main",
          7
        ],
        "seats": 2,
        "session": "s-1"
      }
    }
    "#);
    let read = local.get(&format!("/stream/{}", text(&stream, "id"))).await;
    assert_eq!(read.status, StatusCode::OK);
    assert_eq!(read.json(), stream);
    let read = local
        .get(&format!("/stream/playback/{}", text(&stream, "playbackId")))
        .await;
    assert_eq!(read.json(), stream);
}

#[tokio::test]
async fn an_empty_list_of_profiles_stays_empty_and_null_means_the_defaults() {
    let local = TestLocal::start().await;
    let source_only = local.stream(json!({"name": "a", "profiles": []})).await;
    assert_eq!(source_only["profiles"], json!([]));
    let ladder = local.stream(json!({"name": "a", "profiles": null})).await;
    assert_eq!(ladder["profiles"].as_array().unwrap().len(), 4);
}

#[tokio::test]
async fn a_body_that_breaks_the_description_is_refused_with_ajvs_words() {
    let local = TestLocal::start().await;
    let refusals = [
        (json!({}), "must have required property 'name'"),
        (
            json!({"name": "a", "title": "b"}),
            "must NOT have additional properties",
        ),
        (json!({"name": 7}), "must be string"),
        (json!({"name": "a", "record": "yes"}), "must be boolean"),
        (
            json!({"name": "a", "creatorId": 7}),
            "must match exactly one schema in oneOf",
        ),
        (
            json!({"name": "a", "playbackPolicy": {}}),
            "must have required property 'type'",
        ),
        (
            json!({"name": "a", "playbackPolicy": {"type": "secret"}}),
            "must be equal to one of the allowed values",
        ),
        (
            json!({"name": "a", "playbackPolicy": 1}),
            "must be object,null",
        ),
        (
            json!({"name": "a", "profiles": [{"name": "p"}]}),
            "must have required property 'width'",
        ),
        (
            json!({"name": "a", "profiles": [profile("p", 10)]}),
            "must be >= 128",
        ),
        (
            json!({"name": "a", "userTags": {"a": {"b": 1}}}),
            "must match exactly one schema in oneOf",
        ),
        (
            json!({"name": "a", "userTags": {"a": true}}),
            "must match exactly one schema in oneOf",
        ),
        (json!(["name"]), "must be object"),
    ];
    for (body, message) in refusals {
        let answer = local.post("/stream", body.clone()).await;
        assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY, "{body}");
        let inner: Value =
            serde_json::from_str(&answer.error()).expect("each error is itself JSON");
        assert_eq!(inner["message"], message, "{body}");
    }
}

#[tokio::test]
async fn a_body_that_the_description_allows_and_reason_does_not_is_refused_in_words() {
    let local = TestLocal::start().await;
    let refusals = [
        (
            422,
            json!({"name": "a", "profiles": [profile("source", 640)]}),
            "source",
        ),
        (
            422,
            json!({"name": "a", "profiles": [profile("p", 640), profile("p", 640)]}),
            "unique",
        ),
        (
            422,
            json!({"name": "a", "userTags": {"a": "x".repeat(2048)}}),
            "too large",
        ),
        (
            400,
            json!({"name": "a", "recordingSpec": {}}),
            "record=true",
        ),
        (
            422,
            json!({"name": "a", "playbackPolicy": {"type": "webhook"}}),
            "webhookId",
        ),
        (
            422,
            json!({"name": "a", "playbackPolicy": {"type": "webhook", "webhookId": "none"}}),
            "webhookId",
        ),
        (
            422,
            json!({"name": "a", "playbackPolicy": {"type": "public", "allowedOrigins": ["https://a/b"]}}),
            "origin",
        ),
        (
            501,
            json!({"name": "a", "multistream": {"targets": [{"profile": "source", "id": "x"}]}}),
            "multistream",
        ),
        (
            501,
            json!({"name": "a", "pull": {"source": "https://a/b.flv"}}),
            "pull",
        ),
    ];
    for (status, body, word) in refusals {
        let answer = local.post("/stream", body.clone()).await;
        assert_eq!(answer.status.as_u16(), status, "{body}: {}", answer.text);
        assert!(answer.error().contains(word), "{}", answer.text);
    }
    assert_eq!(
        local.get("/stream").await.json(),
        json!([]),
        "nothing was kept"
    );
}

fn profile(name: &str, width: u32) -> Value {
    json!({"name": name, "width": width, "height": 360, "bitrate": 800_000, "fps": 0})
}

#[tokio::test]
async fn a_patch_changes_what_it_names_and_nothing_else() {
    let local = TestLocal::start().await;
    let before = local
        .stream(json!({"name": "a", "userTags": {"k": "v"}, "playbackPolicy": {"type": "jwt"}, "profiles": []}))
        .await;
    let path = format!("/stream/{}", text(&before, "id"));

    let answer = local
        .patch(&path, json!({"name": "b", "creatorId": "me"}))
        .await;
    assert_eq!(answer.status, StatusCode::NO_CONTENT);
    assert_eq!(answer.text, "");
    let mut expected = before.clone();
    expected["name"] = json!("b");
    expected["creatorId"] = json!({"type": "unverified", "value": "me"});
    assert_eq!(local.get(&path).await.json(), expected);

    assert_eq!(
        local.patch(&path, json!({})).await.status,
        StatusCode::NO_CONTENT
    );
    assert_eq!(local.get(&path).await.json(), expected);

    let body =
        json!({"playbackPolicy": null, "profiles": null, "userTags": {"n": 1}, "record": true});
    assert_eq!(
        local.patch(&path, body).await.status,
        StatusCode::NO_CONTENT
    );
    let after = local.get(&path).await.json();
    assert_eq!(after.get("playbackPolicy"), None);
    assert_eq!(after["profiles"].as_array().unwrap().len(), 4);
    assert_eq!(after["userTags"], json!({"n": 1}));
    assert_eq!(after["record"], true);
}

#[tokio::test]
async fn a_patch_that_is_refused_changes_nothing() {
    let local = TestLocal::start().await;
    let before = local.named("a").await;
    let path = format!("/stream/{}", text(&before, "id"));
    for body in [
        json!({"name": "b", "streamKey": "mine"}),
        json!({"name": "b", "isActive": true}),
        json!({"name": "b", "playbackPolicy": {"type": "webhook", "webhookId": "none"}}),
        json!({"name": "b", "recordingSpec": {}}),
        json!({"name": "b", "profiles": [profile("source", 640)]}),
    ] {
        let answer = local.patch(&path, body).await;
        assert!(answer.status.is_client_error(), "{}", answer.text);
    }
    assert_eq!(local.get(&path).await.json(), before);
    let unknown = local.patch("/stream/none", json!({"name": "b"})).await;
    assert_eq!(
        (unknown.status, unknown.error().as_str()),
        (StatusCode::NOT_FOUND, "not found")
    );
}

#[tokio::test]
async fn suspending_hides_the_playback_and_resuming_brings_it_back() {
    let local = TestLocal::start().await;
    let stream = local.named("a").await;
    let path = format!("/stream/{}/suspended", text(&stream, "id"));
    let playback = format!("/playback/{}", text(&stream, "playbackId"));

    let missing = local.patch(&path, json!({})).await;
    assert_eq!(missing.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(missing.error(), "missing suspended property");

    assert_eq!(
        local.patch(&path, json!({"suspended": true})).await.status,
        StatusCode::NO_CONTENT
    );
    assert_eq!(local.get(&playback).await.status, StatusCode::NOT_FOUND);
    let body = json!({"suspended": false});
    let answer = local
        .patch(&format!("/stream/{}", text(&stream, "id")), body)
        .await;
    assert_eq!(answer.status, StatusCode::NO_CONTENT);
    assert_eq!(local.get(&playback).await.status, StatusCode::OK);
}

#[tokio::test]
async fn terminating_twice_within_five_seconds_is_refused() {
    let local = TestLocal::start().await;
    let stream = local.named("a").await;
    let path = format!("/stream/{}", text(&stream, "id"));
    let first = local.delete(&format!("{path}/terminate")).await;
    assert_eq!(first.status, StatusCode::NO_CONTENT);
    let second = local.delete(&format!("{path}/terminate")).await;
    assert_eq!(second.status, StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(second.error(), "too many terminate requests");
    assert!(local.get(&path).await.json()["lastTerminatedAt"].is_u64());
    assert_eq!(
        local.delete("/stream/none/terminate").await.status,
        StatusCode::NOT_FOUND
    );
}

#[tokio::test]
async fn a_deleted_stream_is_gone_everywhere() {
    let local = TestLocal::start().await;
    let stream = local.named("a").await;
    let path = format!("/stream/{}", text(&stream, "id"));
    assert_eq!(local.delete(&path).await.status, StatusCode::NO_CONTENT);
    for gone in [
        local.get(&path).await,
        local.delete(&path).await,
        local.delete(&format!("{path}/terminate")).await,
        local.patch(&path, json!({"name": "b"})).await,
        local
            .get(&format!("/playback/{}", text(&stream, "playbackId")))
            .await,
    ] {
        assert_eq!(gone.status, StatusCode::NOT_FOUND, "{}", gone.text);
    }
    for name in ["streamKey", "playbackId"] {
        let answer = local.webrtc("GET", &text(&stream, name), &[], "").await;
        assert_eq!(answer.status, StatusCode::NOT_FOUND);
    }
}

#[tokio::test]
async fn deleting_many_is_all_or_nothing() {
    let local = TestLocal::start().await;
    let (a, b) = (local.named("a").await, local.named("b").await);
    let bulk = |ids: Value| local.call("DELETE", "/stream", Some(json!({ "ids": ids })));
    assert_eq!(
        bulk(json!([a["id"], "none"])).await.status,
        StatusCode::NOT_FOUND
    );
    assert_eq!(
        local.get("/stream").await.json().as_array().unwrap().len(),
        2
    );
    assert_eq!(
        bulk(json!([a["id"], b["id"]])).await.status,
        StatusCode::NO_CONTENT
    );
    assert_eq!(local.get("/stream").await.json(), json!([]));
    let nonsense = local
        .call("DELETE", "/stream", Some(json!({"ids": "all"})))
        .await;
    assert_eq!(nonsense.status, StatusCode::UNPROCESSABLE_ENTITY);
}

#[tokio::test]
async fn pages_follow_the_link_header_and_lose_nothing() {
    let local = TestLocal::start().await;
    for n in 0..25 {
        local.named(&format!("stream {n}")).await;
    }
    let first = local.get("/stream?order=createdAt-false&count=true").await;
    assert_eq!(
        first.json().as_array().unwrap().len(),
        20,
        "a page is 20 unless asked otherwise"
    );
    assert_eq!(first.header("x-total-count"), Some("25"));
    assert_eq!(
        first.header("link"),
        Some(
            "<http://localhost:3000/api/stream?order=createdAt-false&count=true&cursor=skip20>; rel=\"next\""
        )
    );
    let last = local
        .get("/stream?order=createdAt-false&cursor=skip20")
        .await;
    assert_eq!(last.header("link"), None);
    assert_eq!(last.header("x-total-count"), None);
    let mut names: Vec<String> = [first.json(), last.json()]
        .iter()
        .flat_map(names_of)
        .collect();
    names.sort();
    names.dedup();
    assert_eq!(names.len(), 25);
    assert_eq!(local.get("/stream?cursor=skip500").await.json(), json!([]));
    assert_eq!(
        local
            .get("/stream?limit=1")
            .await
            .json()
            .as_array()
            .unwrap()
            .len(),
        1
    );
    assert_eq!(
        local
            .get("/stream?limit=5000")
            .await
            .json()
            .as_array()
            .unwrap()
            .len(),
        25
    );
}

#[tokio::test]
async fn filters_and_order_choose_by_field() {
    let local = TestLocal::start().await;
    let anna = local
        .stream(json!({"name": "Morning show", "creatorId": "anna", "record": true}))
        .await;
    let bert = local
        .stream(json!({"name": "Evening show", "creatorId": "bert"}))
        .await;
    let path = format!("/stream/{}/suspended", text(&bert, "id"));
    local.patch(&path, json!({"suspended": true})).await;

    let a = "Morning show";
    let b = "Evening show";
    let table = [
        (json!([{"id": "creatorId", "value": "anna"}]), vec![a]),
        (json!([{"id": "name", "value": "SHOW"}]), vec![b, a]),
        (
            json!([{"id": "name", "value": "show"}, {"id": "record", "value": true}]),
            vec![a],
        ),
        (json!([{"id": "isActive", "value": true}]), vec![]),
        (json!([{"id": "isActive", "value": false}]), vec![b, a]),
        (json!([{"id": "suspended", "value": true}]), vec![b]),
        (json!([{"id": "id", "value": anna["id"]}]), vec![a]),
        (
            json!([{"id": "playbackId", "value": bert["playbackId"]}]),
            vec![b],
        ),
        (
            json!([{"id": "createdAt", "value": {"gte": anna["createdAt"]}}]),
            vec![b, a],
        ),
        (
            json!([{"id": "createdAt", "value": {"lt": anna["createdAt"]}}]),
            vec![],
        ),
        (json!([{"id": "lastSeen", "value": 0}]), vec![b, a]),
    ];
    for (filters, expected) in table {
        let query: String =
            url::form_urlencoded::byte_serialize(filters.to_string().as_bytes()).collect();
        let answer = local
            .get(&format!("/stream?order=name-false&filters={query}"))
            .await;
        assert_eq!(names_of(&answer.json()), expected, "{filters}");
    }
    assert_eq!(
        names_of(&local.get("/stream?order=name-true").await.json()),
        [a, b]
    );
    assert_eq!(
        names_of(&local.get("/stream?active=1").await.json()),
        [""; 0]
    );
    assert_eq!(
        names_of(&local.get("/stream?sessionsonly=1").await.json()),
        [""; 0]
    );
    assert_eq!(
        local
            .get("/stream?streamsonly=1")
            .await
            .json()
            .as_array()
            .unwrap()
            .len(),
        2
    );
}

#[tokio::test]
async fn a_question_that_makes_no_sense_is_refused_in_words() {
    let local = TestLocal::start().await;
    for (query, word) in [
        ("limit=0", "limit"),
        ("limit=many", "limit"),
        ("cursor=20", "cursor"),
        ("order=colour-true", "colour"),
        ("filters=name", "filters"),
        (
            "filters=%5B%7B%22id%22%3A%22colour%22%2C%22value%22%3A1%7D%5D",
            "colour",
        ),
    ] {
        let answer = local.get(&format!("/stream?{query}")).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{query}");
        assert!(answer.error().contains(word), "{}", answer.text);
    }
}

#[tokio::test]
async fn the_number_of_streams_is_bounded() {
    let local = TestLocal::start_with(|config| config.max_streams = 2).await;
    let first = local.named("a").await;
    local.named("b").await;
    let answer = local.post("/stream", json!({"name": "c"})).await;
    assert_eq!(answer.status, StatusCode::FORBIDDEN);
    assert!(
        answer.error().contains("at most 2 streams"),
        "{}",
        answer.text
    );
    local
        .delete(&format!("/stream/{}", text(&first, "id")))
        .await;
    local.named("c").await;
}

fn names_of(page: &Value) -> Vec<String> {
    page.as_array()
        .unwrap()
        .iter()
        .map(|stream| text(stream, "name"))
        .collect()
}
