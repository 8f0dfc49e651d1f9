//! Streams, as Studio's API writes them (`stream`, `new-stream-payload` and `stream-patch-payload` of its OpenAPI
//! description). Times are milliseconds since 1970, as everywhere in that API.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::policy::PlaybackPolicy;
use super::profile::Profile;
use super::wire::null_as_default;
use crate::secret::StreamKey;

/// One stream: an id to manage it, a key to publish it, a playback id to play it.
///
/// One live publisher at a time: a second one with the same key takes over.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Stream {
    /// What the API calls it by.
    pub id: String,
    /// Always `stream`; the API calls the field deprecated and still sends it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// The name given at creation.
    pub name: String,
    /// Whose it is, in your own words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub creator_id: Option<CreatorId>,
    /// The account.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_id: Option<String>,
    /// The project within the account.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub project_id: Option<String>,
    /// When it was created.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created_at: Option<u64>,
    /// Name of the API key that created it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created_by_token_name: Option<String>,
    /// What its publisher proves itself with. Webhooks leave it out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stream_key: Option<StreamKey>,
    /// What players call it by.
    pub playback_id: String,
    /// Whether somebody publishes it now. Livepeer notices a publisher that vanished after up to 90 seconds.
    #[serde(default, deserialize_with = "null_as_default")]
    pub is_active: bool,
    /// When media last came; 0 for never.
    #[serde(default, deserialize_with = "null_as_default")]
    pub last_seen: u64,
    /// Whether it is recorded.
    #[serde(default, deserialize_with = "null_as_default")]
    pub record: bool,
    /// Whether nobody may publish or play it.
    #[serde(default, deserialize_with = "null_as_default")]
    pub suspended: bool,
    /// When its publisher was last thrown out.
    #[serde(default)]
    pub last_terminated_at: Option<u64>,
    /// Segments taken in.
    #[serde(default, deserialize_with = "null_as_default")]
    pub source_segments: u64,
    /// Segments transcoded.
    #[serde(default, deserialize_with = "null_as_default")]
    pub transcoded_segments: u64,
    /// Seconds taken in.
    #[serde(default, deserialize_with = "null_as_default")]
    pub source_segments_duration: f64,
    /// Seconds transcoded.
    #[serde(default, deserialize_with = "null_as_default")]
    pub transcoded_segments_duration: f64,
    /// Bytes taken in.
    #[serde(default, deserialize_with = "null_as_default")]
    pub source_bytes: u64,
    /// Bytes transcoded.
    #[serde(default, deserialize_with = "null_as_default")]
    pub transcoded_bytes: u64,
    /// Bytes per second coming in.
    #[serde(default, deserialize_with = "null_as_default")]
    pub ingest_rate: f64,
    /// Bytes per second going out.
    #[serde(default, deserialize_with = "null_as_default")]
    pub outgoing_rate: f64,
    /// What it is transcoded to; empty for the source alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub profiles: Option<Vec<Profile>>,
    /// Who may play it; nothing means anyone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub playback_policy: Option<PlaybackPolicy>,
    /// Your own labels.
    #[serde(
        default,
        deserialize_with = "null_as_default",
        skip_serializing_if = "BTreeMap::is_empty"
    )]
    pub user_tags: BTreeMap<String, TagValue>,
    /// Whether Livepeer finds the incoming media healthy; nothing while it does not know.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub is_healthy: Option<bool>,
    /// What is wrong with the incoming media, for a person to read.
    #[serde(
        default,
        deserialize_with = "null_as_default",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub issues: Vec<String>,
    /// Set on the record of one session of a stream: the id of that stream.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent_id: Option<String>,
}

/// What [`Studio::create_stream`](super::Studio::create_stream) sends.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct NewStream {
    /// The only thing that is required; need not be unique.
    pub name: String,
    /// Whose it is, in your own words; [`StreamFilter::creator_id`] finds it again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub creator_id: Option<CreatorId>,
    /// What to transcode to. `Some(vec![])` is the source alone: lowest delay and cost. `None` is Livepeer's own
    /// ladder: 240p, 360p, 480p and 720p.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub profiles: Option<Vec<Profile>>,
    /// Whether to record it; not unless asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub record: Option<bool>,
    /// Who may play it; anyone unless said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub playback_policy: Option<PlaybackPolicy>,
    /// Your own labels, at most 2,048 characters of JSON.
    #[serde(
        default,
        deserialize_with = "null_as_default",
        skip_serializing_if = "BTreeMap::is_empty"
    )]
    pub user_tags: BTreeMap<String, TagValue>,
}

impl NewStream {
    /// A public stream of the source alone.
    pub fn source_only(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            profiles: Some(Vec::new()),
            ..Self::default()
        }
    }
}

/// What [`Studio::patch_stream`](super::Studio::patch_stream) changes; what is `None` stays as it is.
///
/// `record` and `profiles` cannot change while the stream is active.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StreamPatch {
    /// A new name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// A new owner.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub creator_id: Option<CreatorId>,
    /// Record from the next session on, or not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub record: Option<bool>,
    /// `true` throws publisher and players out and lets nobody in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub suspended: Option<bool>,
    /// A new policy. Grants that a playback node has cached live on for up to ten minutes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub playback_policy: Option<PlaybackPolicy>,
    /// A new ladder.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub profiles: Option<Vec<Profile>>,
    /// New labels, in place of all the old ones.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_tags: Option<BTreeMap<String, TagValue>>,
}

/// Body of the call that suspends a stream or lets it go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Suspension {
    /// Whether nobody may publish or play it.
    pub suspended: bool,
}

/// Which streams to list; the default is all of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StreamFilter {
    /// Only those that are live, or only those that are not.
    pub is_active: Option<bool>,
    /// Only those of this owner.
    pub creator_id: Option<String>,
    /// Streams per page, 1 to 1,000; Livepeer's own default is 20. Nothing here means 100.
    pub page_size: Option<u16>,
}

/// Whose a stream is, in your own words. Livepeer writes it `{"type": "unverified", "value": ...}` and takes a bare
/// string too.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "CreatorIdWire", into = "CreatorIdWire")]
pub struct CreatorId(pub String);

impl<T: Into<String>> From<T> for CreatorId {
    fn from(value: T) -> Self {
        Self(value.into())
    }
}

#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum CreatorIdWire {
    Object { r#type: Unverified, value: String },
    Bare(String),
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Unverified {
    Unverified,
}

impl From<CreatorIdWire> for CreatorId {
    fn from(wire: CreatorIdWire) -> Self {
        match wire {
            CreatorIdWire::Object { value, .. } | CreatorIdWire::Bare(value) => Self(value),
        }
    }
}

impl From<CreatorId> for CreatorIdWire {
    fn from(CreatorId(value): CreatorId) -> Self {
        Self::Object {
            r#type: Unverified::Unverified,
            value,
        }
    }
}

/// What a label of [`Stream::user_tags`] may hold.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum TagValue {
    /// Text.
    Text(String),
    /// A number.
    Number(serde_json::Number),
    /// Texts and numbers.
    List(Vec<TagValue>),
}

impl From<&str> for TagValue {
    fn from(value: &str) -> Self {
        Self::Text(value.to_owned())
    }
}

impl From<String> for TagValue {
    fn from(value: String) -> Self {
        Self::Text(value)
    }
}
