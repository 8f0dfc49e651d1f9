//! The playback policy `webhook`: a webhook of the app's own says who may play.

use livepeer::studio::Stream;
use reqwest::header::CONTENT_TYPE;
use serde_json::{Value, json};
use url::Url;

use crate::deliveries;
use crate::ids::now_ms;
use crate::tables::WebhookRow;

/// The longest answer that is looked at, in bytes; longer ones count as empty.
const MAX_ANSWER: u64 = 64 * 1024;

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
            let short = response
                .content_length()
                .is_some_and(|length| length <= MAX_ANSWER);
            let json = response.headers().get(CONTENT_TYPE);
            let json = json
                .and_then(|value| value.to_str().ok())
                .unwrap_or_default()
                .contains("json");
            if short && json {
                let answer: Value = response
                    .bytes()
                    .await
                    .ok()
                    .and_then(|bytes| serde_json::from_slice(&bytes).ok())
                    .unwrap_or_default();
                if answer["ret"] == 403 {
                    return Decision::Denied;
                }
            }
            Decision::Allowed
        }
    }
}
