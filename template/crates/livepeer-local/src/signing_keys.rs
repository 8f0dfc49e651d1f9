//! `/access-control/signing-key`: the keys whose tokens open streams with the policy `jwt`.

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::routing::{get, post};
use axum::{Json, Router};
use livepeer::studio::SigningKey;
use livepeer::token::KeyPair;
use serde::Deserialize;

use crate::body::JsonBody;
use crate::error::{ApiError, ApiResult};
use crate::ids::{now_ms, uuid};
use crate::schema::{Shape, TEXT};
use crate::state::Shared;

/// Studio's own limit.
const MAX_KEYS: usize = 10;

const NEW_KEY: Shape = Shape::Object {
    required: &[],
    fields: &[("name", TEXT), ("projectId", TEXT)],
};

const KEY_PATCH: Shape = Shape::Object {
    required: &[],
    fields: &[("disabled", Shape::Flag), ("name", TEXT)],
};

/// The routes of this file, relative to the API.
pub(crate) fn routes() -> Router<Shared> {
    Router::new()
        .route("/access-control/signing-key", post(create).get(list))
        .route(
            "/access-control/signing-key/{id}",
            get(read).patch(change).delete(delete),
        )
}

#[derive(Deserialize)]
struct NewKey {
    name: Option<String>,
}

#[derive(Deserialize)]
struct KeyPatch {
    disabled: Option<bool>,
    name: Option<String>,
}

async fn create(
    State(shared): State<Shared>,
    body: JsonBody,
) -> ApiResult<(StatusCode, Json<SigningKey>)> {
    let NewKey { name } = body.typed(&NEW_KEY)?;
    let KeyPair {
        public_key,
        private_key,
    } = KeyPair::generate().map_err(ApiError::internal)?;
    let mut key = shared
        .change(move |tables| {
            let count = tables.signing_keys.len();
            if count >= MAX_KEYS {
                return Err(ApiError::forbidden(
                    "user can only have up to 10 signing keys, delete some first",
                ));
            }
            let key = SigningKey {
                id: uuid(),
                name: Some(name.unwrap_or_else(|| format!("Signing Key {}", count + 1))),
                user_id: Some(tables.user_id.clone()),
                project_id: Some(tables.project_id.clone()),
                created_at: Some(now_ms()),
                disabled: false,
                public_key,
                private_key: None,
            };
            tables.signing_keys.push(key.clone());
            Ok(key)
        })
        .await?;
    // Told once, kept nowhere.
    key.private_key = Some(private_key);
    Ok((StatusCode::CREATED, Json(key)))
}

async fn list(State(shared): State<Shared>) -> Json<Vec<SigningKey>> {
    Json(shared.tables().signing_keys.clone())
}

async fn read(State(shared): State<Shared>, Path(id): Path<String>) -> ApiResult<Json<SigningKey>> {
    let tables = shared.tables();
    let key = tables.signing_keys.iter().find(|key| key.id == id);
    Ok(Json(key.ok_or_else(ApiError::not_found)?.clone()))
}

async fn change(
    State(shared): State<Shared>,
    Path(id): Path<String>,
    body: JsonBody,
) -> ApiResult<StatusCode> {
    let patch: KeyPatch = body.typed(&KEY_PATCH)?;
    shared
        .change(move |tables| {
            let key = tables.signing_keys.iter_mut().find(|key| key.id == id);
            let key = key.ok_or_else(ApiError::not_found)?;
            if let Some(disabled) = patch.disabled {
                key.disabled = disabled;
            }
            if patch.name.is_some() {
                key.name = patch.name;
            }
            Ok(StatusCode::NO_CONTENT)
        })
        .await
}

async fn delete(State(shared): State<Shared>, Path(id): Path<String>) -> ApiResult<StatusCode> {
    shared
        .change(move |tables| {
            let before = tables.signing_keys.len();
            tables.signing_keys.retain(|key| key.id != id);
            if tables.signing_keys.len() == before {
                return Err(ApiError::not_found());
            }
            Ok(StatusCode::NO_CONTENT)
        })
        .await
}
