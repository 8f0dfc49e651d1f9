//! What this Livepeer remembers: streams, signing keys, webhooks. Plain data with its lookups; no file, no lock, no clock.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use livepeer::studio::{SigningKey, Stream, Webhook};
use livepeer::{ApiKey, SharedSecret};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Everything that survives a restart. Cloning is cheap enough to do for every change: rows are shared.
#[derive(Clone, Debug)]
pub(crate) struct Tables {
    /// Known to whoever may call the API, unless the configuration names another.
    pub(crate) api_key: ApiKey,
    /// The one account.
    pub(crate) user_id: String,
    /// Its one project.
    pub(crate) project_id: String,
    /// At most ten.
    pub(crate) signing_keys: Vec<SigningKey>,
    /// Where events are reported.
    pub(crate) webhooks: Vec<Arc<WebhookRow>>,
    streams: BTreeMap<Arc<str>, Kept>,
    by_key: HashMap<Arc<str>, Arc<str>>,
    by_playback: HashMap<Arc<str>, Arc<str>>,
}

/// A stream and its JSON: every change writes the whole file, and should not have to format ten thousand streams for it.
#[derive(Clone, Debug)]
struct Kept {
    row: Arc<StreamRow>,
    json: Arc<str>,
}

/// A stream as it is kept. `is_active` is always false here: only the engine knows who publishes right now.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct StreamRow {
    /// The part that clients read.
    #[serde(flatten)]
    pub(crate) stream: Stream,
    /// Kept and given back; nothing is recorded here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) recording_spec: Option<Value>,
}

/// A webhook as it is kept.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct WebhookRow {
    /// The part that clients read.
    #[serde(flatten)]
    pub(crate) webhook: Webhook,
    /// Written once, never given back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) shared_secret: Option<SharedSecret>,
}

/// The form of the file, as it is read.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct FromDisk {
    /// Of this form; another number is another program's file.
    pub(crate) version: u32,
    api_key: ApiKey,
    user_id: String,
    project_id: String,
    streams: Vec<StreamRow>,
    signing_keys: Vec<SigningKey>,
    webhooks: Vec<WebhookRow>,
}

/// The same as it is written, but for the streams.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Head<'a> {
    version: u32,
    api_key: &'a ApiKey,
    user_id: &'a str,
    project_id: &'a str,
    signing_keys: &'a [SigningKey],
    webhooks: Vec<&'a WebhookRow>,
}

/// The form that this program reads and writes.
pub(crate) const VERSION: u32 = 1;

impl Tables {
    /// An account with nothing in it.
    pub(crate) fn new(api_key: ApiKey, user_id: String, project_id: String) -> Tables {
        Tables {
            api_key,
            user_id,
            project_id,
            signing_keys: Vec::new(),
            webhooks: Vec::new(),
            streams: BTreeMap::new(),
            by_key: HashMap::new(),
            by_playback: HashMap::new(),
        }
    }

    /// How many streams there are.
    pub(crate) fn stream_count(&self) -> usize {
        self.streams.len()
    }

    /// Every stream, in the order of their ids.
    pub(crate) fn streams(&self) -> impl Iterator<Item = &Arc<StreamRow>> {
        self.streams.values().map(|kept| &kept.row)
    }

    /// The stream of that id.
    pub(crate) fn stream(&self, id: &str) -> Option<&Arc<StreamRow>> {
        self.streams.get(id).map(|kept| &kept.row)
    }

    /// The stream that this key publishes.
    pub(crate) fn stream_by_key(&self, key: &str) -> Option<&Arc<StreamRow>> {
        self.stream(self.by_key.get(key)?)
    }

    /// The stream that this playback id plays.
    pub(crate) fn stream_by_playback(&self, playback_id: &str) -> Option<&Arc<StreamRow>> {
        self.stream(self.by_playback.get(playback_id)?)
    }

    /// Adds a stream, or puts it in place of the one with the same id.
    pub(crate) fn put_stream(&mut self, row: StreamRow) -> serde_json::Result<()> {
        let json = serde_json::to_string(&row)?.into();
        let id: Arc<str> = row.stream.id.as_str().into();
        if let Some(key) = &row.stream.stream_key {
            self.by_key.insert(key.expose().into(), id.clone());
        }
        self.by_playback
            .insert(row.stream.playback_id.as_str().into(), id.clone());
        let row = Arc::new(row);
        self.streams.insert(id, Kept { row, json });
        Ok(())
    }

    /// Forgets a stream and both its names. Gives it back if there was one.
    pub(crate) fn remove_stream(&mut self, id: &str) -> Option<Arc<StreamRow>> {
        let row = self.streams.remove(id)?.row;
        if let Some(key) = &row.stream.stream_key {
            self.by_key.remove(key.expose());
        }
        self.by_playback.remove(row.stream.playback_id.as_str());
        Some(row)
    }

    /// The text of the file.
    pub(crate) fn to_json(&self) -> serde_json::Result<String> {
        let mut text = serde_json::to_string(&Head {
            version: VERSION,
            api_key: &self.api_key,
            user_id: &self.user_id,
            project_id: &self.project_id,
            signing_keys: &self.signing_keys,
            webhooks: self.webhooks.iter().map(AsRef::as_ref).collect(),
        })?;
        // The brace that closed it comes back after the streams.
        text.pop();
        text.push_str(",\n\"streams\":[");
        for (index, kept) in self.streams.values().enumerate() {
            text.push_str(if index == 0 { "\n" } else { ",\n" });
            text.push_str(&kept.json);
        }
        text.push_str("\n]}\n");
        Ok(text)
    }

    /// The webhook of that id.
    pub(crate) fn webhook(&self, id: &str) -> Option<&Arc<WebhookRow>> {
        self.webhooks.iter().find(|row| row.webhook.id == id)
    }
}

impl TryFrom<FromDisk> for Tables {
    type Error = serde_json::Error;

    fn try_from(disk: FromDisk) -> Result<Self, Self::Error> {
        let mut tables = Tables::new(disk.api_key, disk.user_id, disk.project_id);
        tables.signing_keys = disk.signing_keys;
        tables.webhooks = disk.webhooks.into_iter().map(Arc::new).collect();
        for row in disk.streams {
            tables.put_stream(row)?;
        }
        Ok(tables)
    }
}
