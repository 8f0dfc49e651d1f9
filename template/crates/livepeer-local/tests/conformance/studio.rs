//! Every answer against Studio's own OpenAPI description (a trimmed copy of its schemas is in `fixtures/`), but for the
//! known differences between the description and the running service, which are listed here.

use serde_json::{Value, json};

use crate::support::{Answer, TestLocal, text};

/// Where the service answers with another status than its description says.
const OTHER_STATUS: [(&str, u16); 4] = [
    ("POST /access-control/signing-key", 201),
    ("POST /webhook", 201),
    ("DELETE /webhook/{id}", 204),
    ("PUT /webhook/{id}", 200),
];

/// Fields that the service sends and the description leaves out.
const OTHER_FIELDS: [(&str, &str); 1] = [("POST /access-control/signing-key", "privateKey")];

/// Answers that the service makes shorter than the description says: `{"id"}` alone.
const SHORTER: [&str; 1] = ["PUT /webhook/{id}"];

struct Description(Value);

impl Description {
    fn read() -> Description {
        Description(serde_json::from_str(include_str!("../fixtures/studio-openapi.json")).unwrap())
    }

    /// Panics unless `answer` is one that the description, or the list of differences, allows for this route.
    fn check(&self, route: &str, answer: &Answer) {
        let responses = self.0["responses"][route]
            .as_object()
            .unwrap_or_else(|| panic!("{route} is not described"));
        let (described, schema) = responses.iter().next().unwrap();
        let other = OTHER_STATUS
            .iter()
            .find(|(name, _)| *name == route)
            .map(|(_, status)| *status);
        let expected = other.unwrap_or_else(|| described.parse().unwrap());
        assert_eq!(answer.status.as_u16(), expected, "{route}: {}", answer.text);
        if expected == 204 || schema.is_null() {
            assert_eq!(answer.text, "", "{route}");
            return;
        }
        let mut body = answer.json();
        for (_, field) in OTHER_FIELDS.iter().filter(|(name, _)| *name == route) {
            assert!(
                body.as_object_mut().unwrap().remove(*field).is_some(),
                "{route} has no {field}"
            );
        }
        if SHORTER.contains(&route) {
            assert_eq!(body.as_object().unwrap().keys().collect::<Vec<_>>(), ["id"]);
            return;
        }
        if let Some(items) = schema.as_array() {
            let items = items[0].as_str().unwrap();
            assert!(
                !body.as_array().unwrap().is_empty(),
                "{route}: an empty list proves nothing"
            );
            for item in body.as_array().unwrap() {
                self.valid(items, item)
                    .unwrap_or_else(|why| panic!("{route}: {why}"));
            }
        } else {
            self.valid(schema.as_str().unwrap(), &body)
                .unwrap_or_else(|why| panic!("{route}: {why}"));
        }
    }

    fn check_error(&self, answer: &Answer) {
        self.valid("error", &answer.json()).unwrap();
        assert!(answer.status.is_client_error() || answer.status.is_server_error());
    }

    fn valid(&self, schema: &str, value: &Value) -> Result<(), String> {
        valid(&self.0["schemas"][schema], value, schema)
    }
}

/// As much of JSON Schema as the description uses.
fn valid(schema: &Value, value: &Value, at: &str) -> Result<(), String> {
    let wrong = |what: &str| Err(format!("{at}: {what}: {value}"));
    if let Some(kind) = schema.get("type") {
        let kinds: Vec<&str> = match kind {
            Value::String(kind) => vec![kind],
            kinds => kinds
                .as_array()
                .unwrap()
                .iter()
                .map(|kind| kind.as_str().unwrap())
                .collect(),
        };
        let is = |kind: &str| match kind {
            "object" => value.is_object(),
            "array" => value.is_array(),
            "string" => value.is_string(),
            "number" => value.is_number(),
            "integer" => value.is_i64() || value.is_u64(),
            "boolean" => value.is_boolean(),
            "null" => value.is_null(),
            other => panic!("unknown type {other}"),
        };
        if !kinds.iter().any(|kind| is(kind)) {
            return wrong(&format!("is not {kinds:?}"));
        }
    }
    let words = schema.get("enum").and_then(Value::as_array);
    if words.is_some_and(|words| !words.contains(value)) {
        return wrong("is not one of the words");
    }
    if let Some(choices) = schema.get("oneOf") {
        let fits = |choice: &&Value| valid(choice, value, at).is_ok();
        if choices.as_array().unwrap().iter().filter(fits).count() != 1 {
            return wrong("does not fit exactly one of the choices");
        }
    }
    let least = schema.get("minItems").and_then(Value::as_u64).unwrap_or(0);
    if value
        .as_array()
        .is_some_and(|items| (items.len() as u64) < least)
    {
        return wrong("is too short");
    }
    if let (Some(items), Some(values)) = (schema.get("items"), value.as_array()) {
        for value in values {
            valid(items, value, &format!("{at}[]"))?;
        }
    }
    let Some(fields) = value.as_object() else {
        return Ok(());
    };
    for name in schema
        .get("required")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
    {
        if !fields.contains_key(name.as_str().unwrap()) {
            return wrong(&format!("lacks {name}"));
        }
    }
    let none = json!({});
    let properties = schema.get("properties").unwrap_or(&none);
    for (name, value) in fields {
        let at = format!("{at}.{name}");
        match (properties.get(name), schema.get("additionalProperties")) {
            (Some(property), _) => valid(property, value, &at)?,
            (None, Some(Value::Bool(false))) => return Err(format!("{at} is not described")),
            (None, Some(free)) if free.is_object() => valid(free, value, &at)?,
            (None, _) => {}
        }
    }
    Ok(())
}

#[test]
fn the_checker_itself_refuses_what_is_wrong() {
    let description = Description::read();
    assert!(description.valid("stream", &json!({"name": "a"})).is_ok());
    for wrong in [
        json!({}),
        json!({"name": 7}),
        json!({"name": "a", "colour": "red"}),
        json!({"name": "a", "creatorId": "bare"}),
        json!({"name": "a", "profiles": [{"name": "p"}]}),
        json!({"name": "a", "playbackPolicy": {"type": "none"}}),
    ] {
        assert!(description.valid("stream", &wrong).is_err(), "{wrong}");
    }
    assert!(description.valid("error", &json!({"errors": []})).is_err());
}

#[tokio::test]
async fn streams_answer_as_described() {
    let (local, description) = (TestLocal::start().await, Description::read());
    let created = local
        .post(
            "/stream",
            json!({"name": "a", "creatorId": "me", "record": true, "userTags": {"a": "b", "n": [1, "x"]},
                   "playbackPolicy": {"type": "jwt", "refreshInterval": 60, "allowedOrigins": ["*"]}}),
        )
        .await;
    description.check("POST /stream", &created);
    let one = format!("/stream/{}", text(&created.json(), "id"));
    description.check("GET /stream/{id}", &local.get(&one).await);
    description.check("GET /stream", &local.get("/stream").await);
    description.check(
        "PATCH /stream/{id}",
        &local.patch(&one, json!({"name": "b"})).await,
    );
    description.check(
        "DELETE /stream/{id}/terminate",
        &local.delete(&format!("{one}/terminate")).await,
    );
    description.check("GET /stream/{id}", &local.get(&one).await);
    let playback = format!("/playback/{}", text(&created.json(), "playbackId"));
    description.check("GET /playback/{id}", &local.get(&playback).await);
    description.check("DELETE /stream/{id}", &local.delete(&one).await);
    for refused in [
        local.get(&one).await,
        local.get(&playback).await,
        local.post("/stream", json!({})).await,
        local.get("/nothing").await,
    ] {
        description.check_error(&refused);
    }
}

#[tokio::test]
async fn signing_keys_answer_as_described() {
    let (local, description) = (TestLocal::start().await, Description::read());
    let path = "/access-control/signing-key";
    let created = local.post(path, json!({"name": "k"})).await;
    description.check("POST /access-control/signing-key", &created);
    let one = format!("{path}/{}", text(&created.json(), "id"));
    description.check("GET /access-control/signing-key", &local.get(path).await);
    let patched = local.patch(&one, json!({"disabled": true})).await;
    description.check("PATCH /access-control/signing-key/{keyId}", &patched);
    description.check(
        "GET /access-control/signing-key/{keyId}",
        &local.get(&one).await,
    );
    description.check(
        "DELETE /access-control/signing-key/{keyId}",
        &local.delete(&one).await,
    );
    description.check_error(&local.get(&one).await);
}

#[tokio::test]
async fn webhooks_answer_as_described() {
    let (local, description) = (TestLocal::start().await, Description::read());
    let body = json!({"name": "w", "url": "http://127.0.0.1:9/", "events": ["stream.idle"], "sharedSecret": "s"});
    let created = local.post("/webhook", body.clone()).await;
    description.check("POST /webhook", &created);
    let one = format!("/webhook/{}", text(&created.json(), "id"));
    description.check("GET /webhook", &local.get("/webhook").await);
    description.check("GET /webhook/{id}", &local.get(&one).await);
    description.check(
        "PUT /webhook/{id}",
        &local.call("PUT", &one, Some(body)).await,
    );
    description.check("DELETE /webhook/{id}", &local.delete(&one).await);
    description.check_error(&local.get(&one).await);
}
