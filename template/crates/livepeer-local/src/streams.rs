//! `/stream`: create, read, change, suspend, terminate, delete.

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::routing::{get, patch, post};
use axum::{Json, Router};
use livepeer::StreamKey;
use livepeer::studio::{Stream, Suspension};
use serde_json::Value;

use crate::body::JsonBody;
use crate::engine::StreamName;
use crate::error::{ApiError, ApiResult};
use crate::ids::{StreamIds, now_ms};
use crate::live::WireStream;
use crate::state::{Shared, to_the_end};
use crate::stream_body::{
    CreateBody, IDS, Ids, NEW_STREAM, PatchBody, STREAM_PATCH, check_policy, check_profiles,
    check_recording, check_tags, default_profiles, refuse_what_is_not_here,
};
use crate::stream_list;
use crate::tables::{StreamRow, Tables};

/// A second `terminate` within this many milliseconds is refused.
const TERMINATE_PAUSE: u64 = 5_000;

/// The routes of this file, relative to the API.
pub(crate) fn routes() -> Router<Shared> {
    Router::new()
        .route(
            "/stream",
            post(create).get(stream_list::list).delete(delete_many),
        )
        .route("/stream/{id}", get(read).patch(change).delete(delete_one))
        .route("/stream/{id}/suspended", patch(suspend))
        .route("/stream/{id}/terminate", axum::routing::delete(terminate))
        .route("/stream/playback/{playback_id}", get(read_by_playback))
}

async fn create(
    State(shared): State<Shared>,
    body: JsonBody,
) -> ApiResult<(StatusCode, Json<WireStream>)> {
    let body: CreateBody = body.typed(&NEW_STREAM)?;
    refuse_what_is_not_here(body.multistream.as_ref(), body.pull.as_ref())?;
    let new = body.new;
    let record = new.record.unwrap_or(false);
    check_recording(record, body.recording_spec.as_ref())?;
    let profiles = new.profiles.unwrap_or_else(default_profiles);
    check_profiles(&profiles)?;
    check_tags(&new.user_tags)?;

    let max_streams = shared.config().max_streams;
    let row = shared
        .change(move |tables| {
            if let Some(policy) = &new.playback_policy {
                check_policy(policy, tables)?;
            }
            if tables.stream_count() >= max_streams {
                return Err(ApiError::forbidden(format!(
                    "this Livepeer keeps at most {max_streams} streams, delete some first"
                )));
            }
            let ids = unused_ids(tables);
            let row = StreamRow {
                stream: Stream {
                    id: ids.id,
                    kind: Some("stream".to_owned()),
                    name: new.name,
                    creator_id: new.creator_id,
                    user_id: Some(tables.user_id.clone()),
                    project_id: Some(tables.project_id.clone()),
                    created_at: Some(now_ms()),
                    created_by_token_name: Some("local".to_owned()),
                    stream_key: Some(StreamKey::new(ids.stream_key)),
                    playback_id: ids.playback_id,
                    record,
                    profiles: Some(profiles),
                    playback_policy: new.playback_policy,
                    user_tags: new.user_tags,
                    ..Stream::default()
                },
                recording_spec: body.recording_spec,
            };
            tables.put_stream(row.clone()).map_err(ApiError::internal)?;
            Ok(row)
        })
        .await?;
    Ok((StatusCode::CREATED, Json(shared.live().show(&row))))
}

async fn read(State(shared): State<Shared>, Path(id): Path<String>) -> ApiResult<Json<WireStream>> {
    let tables = shared.tables();
    let row = tables.stream(&id).ok_or_else(ApiError::not_found)?;
    Ok(Json(shared.live().show(row)))
}

async fn read_by_playback(
    State(shared): State<Shared>,
    Path(playback_id): Path<String>,
) -> ApiResult<Json<WireStream>> {
    let tables = shared.tables();
    let row = tables.stream_by_playback(&playback_id);
    Ok(Json(
        shared.live().show(row.ok_or_else(ApiError::not_found)?),
    ))
}

async fn change(
    State(shared): State<Shared>,
    Path(id): Path<String>,
    body: JsonBody,
) -> ApiResult<StatusCode> {
    // `null` makes the stream public again; a missing policy leaves it as it is. Only the raw body tells them apart.
    let public_again = body.0.get("playbackPolicy").is_some_and(Value::is_null);
    let default_again = body.0.get("profiles").is_some_and(Value::is_null);
    let PatchBody {
        mut patch,
        recording_spec,
        multistream,
    } = body.typed(&STREAM_PATCH)?;
    refuse_what_is_not_here(multistream.as_ref(), None)?;
    if default_again {
        patch.profiles = Some(default_profiles());
    }
    if let Some(profiles) = &patch.profiles {
        check_profiles(profiles)?;
    }
    if let Some(tags) = &patch.user_tags {
        check_tags(tags)?;
    }
    let suspend = patch.suspended == Some(true);
    edit_and_maybe_end(shared, id, suspend, move |row, active, tables| {
        let stream = &mut row.stream;
        let differs = |field: &str| {
            ApiError::bad_request(format!(
                "cannot change '{field}' field while stream is active"
            ))
        };
        if active && patch.record.is_some_and(|record| record != stream.record) {
            return Err(differs("record"));
        }
        if active && patch.profiles.is_some() && patch.profiles != stream.profiles {
            return Err(differs("profiles"));
        }
        let record = patch.record.unwrap_or(stream.record);
        check_recording(record, recording_spec.as_ref())?;
        if let Some(policy) = &patch.playback_policy {
            check_policy(policy, tables)?;
        }
        stream.record = record;
        if let Some(name) = patch.name {
            stream.name = name;
        }
        if let Some(suspended) = patch.suspended {
            stream.suspended = suspended;
        }
        if let Some(tags) = patch.user_tags {
            stream.user_tags = tags;
        }
        if patch.creator_id.is_some() {
            stream.creator_id = patch.creator_id;
        }
        if patch.profiles.is_some() {
            stream.profiles = patch.profiles;
        }
        if public_again || patch.playback_policy.is_some() {
            stream.playback_policy = patch.playback_policy;
        }
        if recording_spec.is_some() {
            row.recording_spec = recording_spec;
        }
        Ok(())
    })
    .await
}

async fn suspend(
    State(shared): State<Shared>,
    Path(id): Path<String>,
    body: JsonBody,
) -> ApiResult<StatusCode> {
    let Ok(Suspension { suspended }) = serde_json::from_value(body.0) else {
        return Err(ApiError::unprocessable("missing suspended property"));
    };
    edit_and_maybe_end(shared, id, suspended, move |row, _, _| {
        row.stream.suspended = suspended;
        Ok(())
    })
    .await
}

async fn terminate(State(shared): State<Shared>, Path(id): Path<String>) -> ApiResult<StatusCode> {
    edit_and_maybe_end(shared, id, true, |row, _, _| {
        let now = now_ms();
        let last = row.stream.last_terminated_at;
        if last.is_some_and(|last| now.saturating_sub(last) < TERMINATE_PAUSE) {
            return Err(ApiError::new(
                StatusCode::TOO_MANY_REQUESTS,
                "too many terminate requests",
            ));
        }
        row.stream.last_terminated_at = Some(now);
        Ok(())
    })
    .await
}

async fn delete_one(State(shared): State<Shared>, Path(id): Path<String>) -> ApiResult<StatusCode> {
    delete(shared, vec![id]).await
}

async fn delete_many(State(shared): State<Shared>, body: JsonBody) -> ApiResult<StatusCode> {
    let Ids { ids } = body.typed(&IDS)?;
    delete(shared, ids).await
}

/// All or none: one unknown id refuses the whole request.
async fn delete(shared: Shared, ids: Vec<String>) -> ApiResult<StatusCode> {
    to_the_end(async move {
        let gone = shared
            .change(move |tables| {
                let forget = |id: &String| tables.remove_stream(id).ok_or_else(ApiError::not_found);
                ids.iter().map(forget).collect::<ApiResult<Vec<_>>>()
            })
            .await?;
        for row in gone {
            shared.live().remember(&row);
            let name = StreamName::from(row.stream.playback_id.as_str());
            shared.engine().end_stream(&name).await;
        }
        Ok(StatusCode::NO_CONTENT)
    })
    .await
}

/// Edits one stream; `end` then throws its publisher and viewers out. Both happen even if the caller hangs up between.
async fn edit_and_maybe_end(
    shared: Shared,
    id: String,
    end: bool,
    edit: impl FnOnce(&mut StreamRow, bool, &Tables) -> ApiResult<()> + Send + 'static,
) -> ApiResult<StatusCode> {
    to_the_end(async move {
        let live = shared.live().clone();
        let playback_id = shared
            .change(move |tables| {
                let row = tables.stream(&id).ok_or_else(ApiError::not_found)?;
                let mut row = StreamRow::clone(row);
                let active = live.is_active(&row.stream.playback_id);
                edit(&mut row, active, tables)?;
                let playback_id = row.stream.playback_id.clone();
                tables.put_stream(row).map_err(ApiError::internal)?;
                Ok(playback_id)
            })
            .await?;
        if end {
            shared.engine().end_stream(&playback_id.into()).await;
        }
        Ok(StatusCode::NO_CONTENT)
    })
    .await
}

fn unused_ids(tables: &Tables) -> StreamIds {
    loop {
        let ids = StreamIds::random();
        let used = tables.stream(&ids.id).is_some()
            || tables.stream_by_key(&ids.stream_key).is_some()
            || tables.stream_by_playback(&ids.playback_id).is_some();
        if !used {
            return ids;
        }
    }
}
