//! Streams at Livepeer, in this app's terms. Every call that the app makes there is in this folder: making and ending
//! streams here, publishing and playing them in [`access`], hearing of them in [`hook`].
//!
//! The numbers are those of the table in `crates/livepeer/src/lib.rs`: `grep -rn 'Livepeer: [0-9]' src crates`.

mod access;
mod hook;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use livepeer::studio::{
    CreatorId, Ingest, NewStream, PlaybackPolicy, Stream, StreamFilter, Studio, StudioConfig,
    TagValue,
};
use livepeer::token::PlaybackSigner;
use livepeer::{ApiKey, Error};
use session::{Players, Renditions, Slot, StreamSpec};
use url::Url;

use crate::config;
use crate::secret::random_text;
use crate::sessions::store::Made;
use crate::store::{Store, StoreError};
use crate::telemetry::Metrics;

/// How often Livepeer's nodes ask again whether those who play may. Its default of ten minutes is long for a person who
/// was shown the door.
const REFRESH_SECONDS: u32 = 60;
/// This app's account at Livepeer. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Streams {
    inner: Arc<Inner>,
}

struct Inner {
    studio: Studio,
    /// Names this installation at Livepeer, so that it never touches a stream of another.
    instance: String,
    renditions: config::Renditions,
    store: Store,
    metrics: Arc<Metrics>,
    /// Made at the first use, and again when Livepeer no longer knows the key.
    signer: Mutex<Option<Arc<PlaybackSigner>>>,
    /// Held while one is made.
    signing: tokio::sync::Mutex<()>,
    ingest: Mutex<Option<(Instant, Ingest)>>,
    /// WHEP addresses by playback id.
    addresses: Mutex<HashMap<String, Url>>,
}

/// A failure of Livepeer, or of the database that holds what is needed there.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StreamsError {
    #[error(transparent)]
    Livepeer(#[from] Error),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("the playback signing key cannot be used: {0}")]
    Key(#[from] livepeer::token::TokenError),
    #[error("Livepeer names no WebRTC address to play this stream from")]
    NoWebRtc,
    #[error("Livepeer names no place to publish to")]
    NoIngest,
    #[error("Livepeer made a stream without telling its key")]
    NoKey,
}

impl Streams {
    /// The account that `key` opens at `api`.
    pub(crate) async fn new(
        api: Url,
        key: ApiKey,
        renditions: config::Renditions,
        store: Store,
        metrics: Arc<Metrics>,
    ) -> Result<Streams, StreamsError> {
        let instance = store.setting_or("instance", random_text::<12>).await?;
        Ok(Streams {
            inner: Arc::new(Inner {
                studio: Studio::new(StudioConfig::new(api, key))?,
                instance,
                renditions,
                store,
                metrics,
                signer: Mutex::default(),
                signing: tokio::sync::Mutex::default(),
                ingest: Mutex::default(),
                addresses: Mutex::default(),
            }),
        })
    }

    /// The address of Livepeer's API.
    pub(crate) fn api(&self) -> &Url {
        self.inner.studio.api_url()
    }

    /// Whether Livepeer answers and takes the key.
    pub(crate) async fn check(&self) -> Result<(), Error> {
        self.measured("list-signing-keys", self.inner.studio.list_signing_keys())
            .await
            .map(drop)
    }

    /// Makes the stream of a slot.
    pub(crate) async fn create(
        &self,
        session: &str,
        title: &str,
        slot: &Slot,
        spec: &StreamSpec,
    ) -> Result<Made, StreamsError> {
        let policy = match &spec.players {
            Players::Anyone => PlaybackPolicy::public(),
            Players::Admitted | Players::Only(_) => {
                PlaybackPolicy::jwt().refreshed_every(REFRESH_SECONDS)
            }
        };
        let profiles = match spec.renditions {
            Renditions::Source => Vec::new(),
            Renditions::Ladder => self.inner.renditions.0.clone(),
        };
        let new = NewStream {
            name: format!("{title} ({slot})"),
            creator_id: Some(CreatorId::from(self.inner.instance.as_str())),
            profiles: Some(profiles),
            playback_policy: Some(policy),
            user_tags: self.tags(session, slot),
            ..NewStream::default()
        };
        // Livepeer: 1 create the stream
        let stream = self
            .measured("create-stream", self.inner.studio.create_stream(&new))
            .await?;
        made(stream, spec)
    }

    /// The streams that stand at Livepeer for a slot: none, or one; two, if a creation was repeated unknowingly.
    pub(crate) async fn find(&self, session: &str, slot: &Slot) -> Result<Vec<Stream>, Error> {
        let tags = self.tags(session, slot);
        let mut streams = self.mine().await?;
        streams.retain(|stream| stream.user_tags == tags);
        Ok(streams)
    }

    /// The stream of a slot, as `create` gives it, if it stands at Livepeer already.
    pub(crate) async fn found(
        &self,
        session: &str,
        slot: &Slot,
        spec: &StreamSpec,
    ) -> Result<Option<Made>, StreamsError> {
        let found = self.find(session, slot).await?.into_iter().next();
        found.map(|stream| made(stream, spec)).transpose()
    }

    /// Every stream of this installation, of whatever session.
    pub(crate) async fn mine(&self) -> Result<Vec<Stream>, Error> {
        let filter = StreamFilter {
            creator_id: Some(self.inner.instance.clone()),
            ..StreamFilter::default()
        };
        // Livepeer: 6 ask which are live
        let mut streams = self
            .measured("list-streams", self.inner.studio.list_streams(&filter))
            .await?;
        // Whether a filter was understood is not to be relied on where streams are ended by it.
        streams.retain(|stream| tag(stream, "app") == Some(&self.inner.instance));
        Ok(streams)
    }

    /// One stream, or none if it is gone.
    pub(crate) async fn get(&self, id: &str) -> Result<Option<Stream>, Error> {
        match self
            .measured("get-stream", self.inner.studio.get_stream(id))
            .await
        {
            Err(error) if error.is_not_found() => Ok(None),
            answer => answer.map(Some),
        }
    }

    /// Ends a stream for good. One that is gone already is ended.
    pub(crate) async fn end(&self, id: &str) -> Result<(), Error> {
        // Livepeer: 7 suspend the stream, which keeps its publisher from coming back before it is deleted
        let suspended = self
            .measured("suspend-stream", self.inner.studio.suspend_stream(id, true))
            .await;
        if let Err(error) = suspended
            && !error.is_not_found()
        {
            return Err(error);
        }
        // Livepeer: 8 delete it
        match self
            .measured("delete-stream", self.inner.studio.delete_stream(id))
            .await
        {
            Err(error) if !error.is_not_found() => Err(error),
            _ => Ok(()),
        }
    }

    /// Under which keys and webhooks of this installation are found at Livepeer.
    fn name(&self) -> String {
        format!("{} {}", env!("CARGO_PKG_NAME"), self.inner.instance)
    }

    fn tags(&self, session: &str, slot: &Slot) -> BTreeMap<String, TagValue> {
        [
            ("app", self.inner.instance.clone()),
            ("session", session.to_owned()),
            ("slot", slot.to_string()),
        ]
        .map(|(name, value)| (name.to_owned(), TagValue::Text(value)))
        .into()
    }

    async fn measured<T, E>(
        &self,
        call: &'static str,
        work: impl Future<Output = Result<T, E>>,
    ) -> Result<T, E> {
        self.inner.metrics.livepeer(call, work).await
    }
}

/// Which session, and which slot in it, a stream was made for.
pub(crate) fn place(stream: &Stream) -> Option<(&str, Slot)> {
    Some((tag(stream, "session")?, tag(stream, "slot")?.parse().ok()?))
}

fn tag<'a>(stream: &'a Stream, name: &str) -> Option<&'a String> {
    match stream.user_tags.get(name) {
        Some(TagValue::Text(value)) => Some(value),
        _ => None,
    }
}

fn made(stream: Stream, spec: &StreamSpec) -> Result<Made, StreamsError> {
    Ok(Made {
        id: stream.id,
        key: stream.stream_key.ok_or(StreamsError::NoKey)?,
        playback_id: stream.playback_id,
        publisher: spec.publisher.clone(),
        players: spec.players.clone(),
        active: false,
    })
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    // What is behind these locks is replaced whole, so a panic elsewhere cannot have left it half done.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
