//! `/playback/{id}` and `/ingest`: where to play a stream and where to publish one.

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::routing::get;
use axum::{Json, Router};
use livepeer::studio::{Ingest, PlaybackInfo, PlaybackMeta, PlaybackSource};
use url::Url;

use crate::error::{ApiError, ApiResult};
use crate::state::Shared;

/// The route that anybody may call. Browsers may read it from any page, as at Studio.
pub(crate) fn public_routes() -> Router<Shared> {
    Router::new().route("/playback/{id}", get(playback))
}

/// The route that needs the key.
pub(crate) fn routes() -> Router<Shared> {
    Router::new().route("/ingest", get(ingest))
}

/// By playback id or by stream id. WebRTC alone: there is no HLS here.
async fn playback(
    State(shared): State<Shared>,
    Path(id): Path<String>,
) -> ApiResult<Json<PlaybackInfo>> {
    let tables = shared.tables();
    let row = tables
        .stream_by_playback(&id)
        .or_else(|| tables.stream(&id));
    let Some(row) = row.filter(|row| !row.stream.suspended) else {
        let message = format!("No playback URL found for {id}");
        return Err(ApiError::new(StatusCode::NOT_FOUND, message));
    };
    let stream = &row.stream;
    let url = below(&shared.config().base_url, &["webrtc", &stream.playback_id]);
    Ok(Json(PlaybackInfo {
        kind: "live".to_owned(),
        meta: PlaybackMeta {
            live: Some(shared.live().is_active(&stream.playback_id).into()),
            playback_policy: stream.playback_policy.clone(),
            source: vec![PlaybackSource::webrtc(&url)],
        },
    }))
}

/// One place. The RTMP and HLS addresses that Studio names here are named too, for clients that insist on the fields;
/// nothing answers there.
async fn ingest(State(shared): State<Shared>) -> Json<Vec<Ingest>> {
    let base = &shared.config().base_url;
    let host = base.host_str().unwrap_or("localhost");
    Json(vec![Ingest {
        ingest: format!("rtmp://{host}/live"),
        playback: below(base, &["hls"]).to_string(),
        base: base.clone(),
    }])
}

/// `base` with segments after its path. `Local::start` made sure that it can have some.
fn below(base: &Url, segments: &[&str]) -> Url {
    let mut url = base.clone();
    if let Ok(mut path) = url.path_segments_mut() {
        path.pop_if_empty().extend(segments);
    }
    url
}
