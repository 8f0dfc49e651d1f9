//! `/webrtc/session/{id}/layer`: which layer of a simulcast a player is shown (WHEP extension
//! `urn:ietf:params:whep:ext:core:layer`). The event `layers` says which there are.

use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::routing::{MethodRouter, post};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::sent::LAYER;
use super::session::owned;
use crate::engine::{Layer, SessionId, SessionInfo};
use crate::problem::Problem;
use crate::state::Shared;

/// The `Link` that tells a player of it.
pub(super) fn link(session: &SessionId) -> String {
    format!("<session/{session}/layer>; rel=\"urn:ietf:params:whep:ext:core:layer\"")
}

pub(super) fn layer() -> MethodRouter<Shared> {
    post(choose).delete(leave).options(about)
}

async fn about() {}

/// What a player wishes. Simulcast has layers of space by their rid, and no others.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Wish {
    /// The index of an m-line.
    media_id: Option<Value>,
    rid: Option<String>,
    spatial_layer_id: Option<u32>,
    temporal_layer_id: Option<u32>,
}

async fn choose(
    State(shared): State<Shared>,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Result<StatusCode, Problem> {
    let (session, info) = viewer(&shared, &id, &headers).await?;
    let text = LAYER.read(&headers, body).await?;
    let wish: Map<String, Value> = serde_json::from_str(&text)
        .map_err(|error| bad(format!("the body is not a JSON object: {error}")))?;
    let wish: Wish = serde_json::from_value(wish.into())
        .map_err(|error| bad(format!("the wish is not understood: {error}")))?;
    let scalable = [wish.spatial_layer_id, wish.temporal_layer_id];
    if scalable.into_iter().flatten().any(|layer| layer > 0) {
        let words = "there are no scalable layers here: choose one by its rid";
        return Err(Problem::new(StatusCode::UNPROCESSABLE_ENTITY, words));
    }
    if let Some(media) = &wish.media_id
        && index(media) != info.video.map(|video| video as u64)
    {
        let words = match info.video {
            Some(video) => format!("mediaId is not that of the video: it is \"{video}\""),
            None => "this session has no video".to_owned(),
        };
        return Err(Problem::new(StatusCode::UNPROCESSABLE_ENTITY, words));
    }
    match shared.engine().choose_layer(&session, wish.rid).await {
        true => Ok(StatusCode::OK),
        false => Err(Problem::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            "the stream has no layer of this rid: the event layers lists them",
        )),
    }
}

/// Back to the server's own choice.
async fn leave(
    State(shared): State<Shared>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<StatusCode, Problem> {
    let (session, _) = viewer(&shared, &id, &headers).await?;
    shared.engine().choose_layer(&session, None).await;
    Ok(StatusCode::OK)
}

async fn viewer(
    shared: &Shared,
    id: &str,
    headers: &HeaderMap,
) -> Result<(SessionId, SessionInfo), Problem> {
    let (session, info) = owned(shared, id, headers).await?;
    if info.publishes {
        let words = "a publisher is shown no layer: they are for players";
        return Err(Problem::new(StatusCode::NOT_FOUND, words));
    }
    Ok((session, info))
}

fn bad(words: String) -> Problem {
    Problem::new(StatusCode::BAD_REQUEST, words)
}

/// A string in the text of the extension; some send a number.
fn index(media: &Value) -> Option<u64> {
    match media {
        Value::String(text) => text.parse().ok(),
        other => other.as_u64(),
    }
}

/// The data of the event `layers`: what can be chosen of the m-line with the video. Nothing, if the publisher sends one
/// encoding only.
pub(super) fn data(video: Option<usize>, layers: &[Layer]) -> Value {
    let Some(video) = video else {
        return json!({});
    };
    let layers: Vec<Value> = layers
        .iter()
        .map(|layer| {
            // A layer without bits is one that is not sent at the moment.
            let bitrate = if layer.active { layer.bitrate } else { 0 };
            let mut shown = json!({"rid": layer.rid, "bitrate": bitrate});
            if let (Some(width), Some(height)) = (layer.width, layer.height) {
                shown["width"] = width.into();
                shown["height"] = height.into();
            }
            shown
        })
        .collect();
    json!({video.to_string(): layers})
}

/// What has to change for the event to be worth repeating: bitrates do all the time.
pub(super) type Shape = Vec<(String, bool, Option<u32>, Option<u32>)>;

pub(super) fn shape(layers: &[Layer]) -> Shape {
    let shape = layers.iter().map(|layer| {
        let sends = layer.active && layer.bitrate > 0;
        (layer.rid.clone(), sends, layer.width, layer.height)
    });
    shape.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layer(rid: &str, bitrate: u64, active: bool) -> Layer {
        Layer {
            rid: rid.to_owned(),
            bitrate,
            width: active.then_some(640),
            height: active.then_some(360),
            active,
        }
    }

    #[test]
    fn layers_are_told_by_the_index_of_the_m_line() {
        let layers = [layer("q", 100_000, true), layer("h", 500_000, false)];
        assert_eq!(
            data(Some(1), &layers),
            json!({"1": [
                {"rid": "q", "bitrate": 100_000, "width": 640, "height": 360},
                {"rid": "h", "bitrate": 0},
            ]})
        );
        assert_eq!(data(Some(0), &[]), json!({"0": []}));
        assert_eq!(data(None, &[]), json!({}));
    }

    #[test]
    fn a_bitrate_alone_is_no_news_but_that_there_is_one_is() {
        let before = shape(&[layer("q", 100_000, true)]);
        assert_eq!(shape(&[layer("q", 120_000, true)]), before);
        assert_ne!(shape(&[layer("q", 0, true)]), before);
        assert_ne!(shape(&[layer("q", 100_000, false)]), before);
        assert_ne!(shape(&[]), before);
    }

    #[test]
    fn an_index_is_a_string_or_a_number() {
        assert_eq!(index(&json!("1")), Some(1));
        assert_eq!(index(&json!(1)), Some(1));
        assert_eq!(index(&json!("video")), None);
        assert_eq!(index(&json!([1])), None);
    }
}
