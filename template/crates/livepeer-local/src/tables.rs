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
    streams: BTreeMap<String, Arc<StreamRow>>,
    by_key: HashMap<String, String>,
    by_playback: HashMap<String, String>,
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

/// The form of the file.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct OnDisk {
    /// Of this form; another number is another program's file.
    pub(crate) version: u32,
    api_key: ApiKey,
    user_id: String,
    project_id: String,
    streams: Vec<StreamRow>,
    signing_keys: Vec<SigningKey>,
    webhooks: Vec<WebhookRow>,
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
        self.streams.values()
    }

    /// The stream of that id.
    pub(crate) fn stream(&self, id: &str) -> Option<&Arc<StreamRow>> {
        self.streams.get(id)
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
    pub(crate) fn put_stream(&mut self, row: StreamRow) {
        let id = row.stream.id.clone();
        if let Some(key) = &row.stream.stream_key {
            self.by_key.insert(key.expose().to_owned(), id.clone());
        }
        self.by_playback.insert(row.stream.playback_id.clone(), id.clone());
        self.streams.insert(id, Arc::new(row));
    }

    /// Forgets a stream and both its names. Gives it back if there was one.
    pub(crate) fn remove_stream(&mut self, id: &str) -> Option<Arc<StreamRow>> {
        let row = self.streams.remove(id)?;
        if let Some(key) = &row.stream.stream_key {
            self.by_key.remove(key.expose());
        }
        self.by_playback.remove(&row.stream.playback_id);
        Some(row)
    }

    /// Changes a stream in place, if it is there. Its names must stay.
    pub(crate) fn edit_stream(&mut self, id: &str, edit: impl FnOnce(&mut StreamRow)) -> bool {
        let Some(row) = self.streams.get_mut(id) else {
            return false;
        };
        edit(Arc::make_mut(row));
        true
    }

    /// The webhook of that id.
    pub(crate) fn webhook(&self, id: &str) -> Option<&Arc<WebhookRow>> {
        self.webhooks.iter().find(|row| row.webhook.id == id)
    }
}

impl From<&Tables> for OnDisk {
    fn from(tables: &Tables) -> Self {
        OnDisk {
            version: VERSION,
            api_key: tables.api_key.clone(),
            user_id: tables.user_id.clone(),
            project_id: tables.project_id.clone(),
            streams: tables.streams.values().map(|row| (**row).clone()).collect(),
            signing_keys: tables.signing_keys.clone(),
            webhooks: tables.webhooks.iter().map(|row| (**row).clone()).collect(),
        }
    }
}

impl From<OnDisk> for Tables {
    fn from(disk: OnDisk) -> Self {
        let mut tables = Tables::new(disk.api_key, disk.user_id, disk.project_id);
        tables.signing_keys = disk.signing_keys;
        tables.webhooks = disk.webhooks.into_iter().map(Arc::new).collect();
        for row in disk.streams {
            tables.put_stream(row);
        }
        tables
    }
}
