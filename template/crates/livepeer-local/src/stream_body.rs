//! What the stream routes accept: the shapes of the description, and the rules that it leaves unsaid.

use livepeer::studio::{H264Profile, NewStream, PlaybackPolicy, PolicyKind, Profile, StreamPatch};
use serde::Deserialize;
use serde_json::Value;

use crate::error::{ApiError, ApiResult};
use crate::schema::{Shape, TEXT};
use crate::tables::Tables;

/// Longest JSON text of `userTags`, in characters.
const MAX_TAGS: usize = 2048;

/// What the routes accept: the description's `new-stream-payload` and `stream-patch-payload`.
pub(crate) const NEW_STREAM: Shape = Shape::Object {
    required: &["name"],
    fields: &[
        ("name", TEXT),
        ("pull", Shape::Any),
        ("creatorId", CREATOR_ID),
        ("playbackPolicy", POLICY),
        ("profiles", PROFILES),
        ("record", Shape::Flag),
        ("recordingSpec", RECORDING_SPEC),
        ("multistream", MULTISTREAM),
        ("userTags", USER_TAGS),
    ],
};

/// The same for a change.
pub(crate) const STREAM_PATCH: Shape = Shape::Object {
    required: &[],
    fields: &[
        ("creatorId", CREATOR_ID),
        ("record", Shape::Flag),
        ("suspended", Shape::Flag),
        ("multistream", MULTISTREAM),
        ("playbackPolicy", POLICY),
        ("profiles", PROFILES),
        ("recordingSpec", RECORDING_SPEC),
        ("userTags", USER_TAGS),
        ("name", TEXT),
    ],
};

const CREATOR_ID: Shape = Shape::Either(&[
    TEXT,
    Shape::Object {
        required: &["type", "value"],
        fields: &[("type", Shape::Word(&["unverified"])), ("value", TEXT)],
    },
]);

const POLICY: Shape = Shape::OrNull(&Shape::Object {
    required: &["type"],
    fields: &[
        ("type", Shape::Word(&["public", "jwt", "webhook"])),
        ("webhookId", TEXT),
        ("webhookContext", Shape::Map(&Shape::Any)),
        ("refreshInterval", Shape::Number),
        ("allowedOrigins", Shape::List(&TEXT)),
    ],
});

const PROFILES: Shape = Shape::OrNull(&Shape::List(&Shape::Object {
    required: &["width", "name", "height", "bitrate", "fps"],
    fields: &[
        ("width", at_least(128)),
        ("name", Shape::Text { min: 1, max: 500 }),
        ("height", at_least(128)),
        ("bitrate", at_least(400)),
        ("fps", at_least(0)),
        ("fpsDen", at_least(1)),
        ("quality", Shape::Integer { min: 0, max: 44 }),
        ("gop", TEXT),
        (
            "profile",
            Shape::Word(&[
                "H264Baseline",
                "H264Main",
                "H264High",
                "H264ConstrainedHigh",
            ]),
        ),
        ("encoder", Shape::Word(&["H.264"])),
    ],
}));

const fn at_least(min: i64) -> Shape {
    Shape::Integer {
        min,
        max: u32::MAX as i64,
    }
}

/// Kept and given back, never acted on; so its inside is not looked at.
const RECORDING_SPEC: Shape = Shape::Object {
    required: &[],
    fields: &[(
        "profiles",
        Shape::OrNull(&Shape::List(&Shape::Map(&Shape::Any))),
    )],
};

const MULTISTREAM: Shape = Shape::Object {
    required: &[],
    fields: &[("targets", Shape::List(&Shape::Map(&Shape::Any)))],
};

const USER_TAGS: Shape = Shape::Map(&Shape::Either(&[
    TEXT,
    Shape::Number,
    Shape::List(&Shape::Either(&[TEXT, Shape::Number])),
]));

/// Which streams to delete.
pub(crate) const IDS: Shape = Shape::Object {
    required: &["ids"],
    fields: &[("ids", Shape::List(&TEXT))],
};

/// Body of a creation.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct CreateBody {
    #[serde(flatten)]
    pub(crate) new: NewStream,
    pub(crate) recording_spec: Option<Value>,
    pub(crate) multistream: Option<Multistream>,
    pub(crate) pull: Option<Value>,
}

/// Body of a change.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct PatchBody {
    #[serde(flatten)]
    pub(crate) patch: StreamPatch,
    pub(crate) recording_spec: Option<Value>,
    pub(crate) multistream: Option<Multistream>,
}

/// Where else a stream should go.
#[derive(Deserialize)]
pub(crate) struct Multistream {
    #[serde(default)]
    pub(crate) targets: Vec<Value>,
}

/// Body of a deletion of many.
#[derive(Deserialize)]
pub(crate) struct Ids {
    pub(crate) ids: Vec<String>,
}

/// What Studio transcodes to if nobody says otherwise. Kept for the client's eyes: nothing is transcoded here.
pub(crate) fn default_profiles() -> Vec<Profile> {
    let rendition = |name: &str, width, height, bitrate| Profile {
        gop: None,
        profile: Some(H264Profile::ConstrainedHigh),
        ..Profile::h264(name, width, height, bitrate)
    };
    vec![
        rendition("240p0", 426, 240, 250_000),
        rendition("360p0", 640, 360, 800_000),
        rendition("480p0", 854, 480, 1_600_000),
        rendition("720p0", 1280, 720, 3_000_000),
    ]
}

/// Names tell renditions apart, and `source` is the publisher's own.
pub(crate) fn check_profiles(profiles: &[Profile]) -> ApiResult<()> {
    for (index, profile) in profiles.iter().enumerate() {
        if profile.name == "source" {
            return Err(ApiError::unprocessable(
                "profile cannot be named \"source\"",
            ));
        }
        if profiles[..index]
            .iter()
            .any(|other| other.name == profile.name)
        {
            return Err(ApiError::unprocessable(format!(
                "profile names must be unique, {:?} is there twice",
                profile.name
            )));
        }
    }
    Ok(())
}

/// `userTags` as JSON is not too long.
pub(crate) fn check_tags<T: serde::Serialize>(tags: &T) -> ApiResult<()> {
    let text = serde_json::to_string(tags).map_err(ApiError::internal)?;
    let length = text.chars().count();
    if length > MAX_TAGS {
        return Err(ApiError::unprocessable(format!(
            "userTags object is too large: {length} characters of JSON, at most {MAX_TAGS}"
        )));
    }
    Ok(())
}

/// A recording's settings come with a recording.
pub(crate) fn check_recording(record: bool, spec: Option<&Value>) -> ApiResult<()> {
    if spec.is_some() && !record {
        return Err(ApiError::bad_request(
            "recordingSpec is only supported with record=true",
        ));
    }
    Ok(())
}

/// The webhook that decides is there, and the origins are origins.
pub(crate) fn check_policy(policy: &PlaybackPolicy, tables: &Tables) -> ApiResult<()> {
    if policy.kind == PolicyKind::Webhook {
        let id = policy.webhook_id.as_deref();
        if id.and_then(|id| tables.webhook(id)).is_none() {
            return Err(ApiError::unprocessable(
                "playbackPolicy.webhookId must name a webhook of yours",
            ));
        }
    }
    let origins = policy.allowed_origins.as_deref().unwrap_or_default();
    let is_origin = |text: &String| {
        text == "*"
            || url::Url::parse(text).is_ok_and(|url| url.origin().ascii_serialization() == *text)
    };
    if let Some(wrong) = origins.iter().find(|text| !is_origin(text)) {
        return Err(ApiError::unprocessable(format!(
            "allowedOrigins: {wrong:?} is not an origin; write <scheme>://<hostname>[:<port>] without a path, or *"
        )));
    }
    Ok(())
}

/// What needs the hosted Livepeer is refused, not passed over in silence.
pub(crate) fn refuse_what_is_not_here(
    multistream: Option<&Multistream>,
    pull: Option<&Value>,
) -> ApiResult<()> {
    if pull.is_some() {
        return Err(ApiError::not_here("pull a stream from an address"));
    }
    if multistream.is_some_and(|multistream| !multistream.targets.is_empty()) {
        return Err(ApiError::not_here(
            "push a stream on to multistream targets",
        ));
    }
    Ok(())
}
