//! Which streams are live right now. Only the engine knows, so this is kept in memory, follows the engine's events, and
//! starts empty: after a restart nobody publishes yet.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::Serialize;

use crate::ids::now_ms;
use crate::tables::StreamRow;

/// A stream as the API shows it: what is kept, and what is going on.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct WireStream {
    #[serde(flatten)]
    pub(crate) row: StreamRow,
    /// Always empty, at Studio too.
    renditions: Renditions,
}

#[derive(Clone, Debug, Serialize)]
struct Renditions {}

/// The live streams, by playback id. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub(crate) struct Live {
    streams: Arc<Mutex<HashMap<String, LiveStream>>>,
}

/// One live stream. Dropped when the engine says that it is idle.
#[derive(Debug, Default)]
struct LiveStream {
    /// Set when the stream is deleted while live: its last webhook still has to say whose it was.
    deleted: Option<Arc<StreamRow>>,
    /// What its publisher should change, in words.
    issues: Vec<String>,
}

impl Live {
    /// The stream has a publisher who sends media. `false` if that was known.
    pub(crate) fn start(&self, playback_id: &str) -> bool {
        self.lock()
            .insert(playback_id.to_owned(), LiveStream::default())
            .is_none()
    }

    /// The publisher is gone. `None` if the stream was not live; otherwise the stream, if it has been deleted since.
    pub(crate) fn stop(&self, playback_id: &str) -> Option<Option<Arc<StreamRow>>> {
        self.lock().remove(playback_id).map(|live| live.deleted)
    }

    /// What is amiss with what comes in, all of it.
    pub(crate) fn diagnose(&self, playback_id: &str, issues: Vec<String>) {
        if let Some(live) = self.lock().get_mut(playback_id) {
            live.issues = issues;
        }
    }

    /// Keeps what a deleted stream was until the engine has let go of it.
    pub(crate) fn remember(&self, row: &Arc<StreamRow>) {
        if let Some(live) = self.lock().get_mut(&row.stream.playback_id) {
            live.deleted = Some(row.clone());
        }
    }

    /// Whether somebody publishes it now.
    pub(crate) fn is_active(&self, playback_id: &str) -> bool {
        self.lock().contains_key(playback_id)
    }

    /// The playback ids of all that are live.
    pub(crate) fn all(&self) -> Vec<String> {
        self.lock().keys().cloned().collect()
    }

    /// The stream as the API shows it now.
    pub(crate) fn show(&self, row: &StreamRow) -> WireStream {
        let mut row = row.clone();
        let stream = &mut row.stream;
        let live = self.lock();
        let issues = live.get(&stream.playback_id).map(|live| &live.issues);
        stream.is_active = issues.is_some();
        if let Some(issues) = issues {
            stream.last_seen = now_ms();
            stream.issues.clone_from(issues);
            // That nothing was found is no proof of health.
            stream.is_healthy = (!issues.is_empty()).then_some(false);
        }
        drop(live);
        WireStream {
            row,
            renditions: Renditions {},
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, LiveStream>> {
        self.streams.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
