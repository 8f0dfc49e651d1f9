//! The playback policy `webhook`: a webhook of the app's own says who may play.

use livepeer::studio::Stream;
use reqwest::header::CONTENT_TYPE;
use serde_json::{Value, json};
use url::Url;

use crate::deliveries;
use crate::ids::now_ms;
use crate::tables::WebhookRow;

/// The longest answer that is looked at, in bytes; longer ones count as empty.
const MAX_ANSWER: usize = 64 * 1024;

/// What the webhook decided.
pub(crate) enum Decision {
    /// Any 2xx.
    Allowed,
    /// Anything else, or a 2xx whose body says `{"ret":403}`.
    Denied,
    /// Nobody answered, for this reason.
    Unreachable(String),
}

/// Asks. The stream's key is not among what is told.
pub(crate) async fn ask(
    row: &WebhookRow,
    stream: &Stream,
    access_key: &str,
    play_url: &Url,
) -> Decision {
    let context = stream
        .playback_policy
        .as_ref()
        .and_then(|policy| policy.webhook_context.clone());
    let timestamp = now_ms();
    let body = json!({
        "context": context.unwrap_or_default(),
        "accessKey": access_key,
        "timestamp": timestamp,
        "playDomain": play_url.host_str().unwrap_or_default(),
        "playURL": play_url,
        "headers": { "Tx-Stream-Id": stream.playback_id },
    });
    let body = body.to_string().into_bytes();
    match deliveries::post(&mut None, row, body, timestamp).await {
        Err(why) => Decision::Unreachable(why),
        Ok(response) if !response.status().is_success() => Decision::Denied,
        Ok(response) => {
            let json = response.headers().get(CONTENT_TYPE);
            let json = json
                .and_then(|value| value.to_str().ok())
                .unwrap_or_default()
                .contains("json");
            if !json {
                return Decision::Allowed;
            }
            match read(response).await {
                Err(why) => Decision::Unreachable(why),
                Ok(body) => {
                    let answer: Value = serde_json::from_slice(&body).unwrap_or_default();
                    if answer["ret"] == 403 {
                        Decision::Denied
                    } else {
                        Decision::Allowed
                    }
                }
            }
        }
    }
}

/// The answer's body, however it is framed: one that comes in chunks has no length, and says no like any other.
async fn read(mut response: reqwest::Response) -> Result<Vec<u8>, String> {
    let mut body = Vec::new();
    // Without the address: it may carry a secret in its query.
    let failed = |error: reqwest::Error| error.without_url().to_string();
    while let Some(chunk) = response.chunk().await.map_err(failed)? {
        if body.len() + chunk.len() > MAX_ANSWER {
            return Ok(Vec::new());
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}
