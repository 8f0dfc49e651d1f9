//! Streams at Livepeer, in this app's terms. Every call that the app makes there is in this file.
//!
//! The numbers are those of the table in `crates/livepeer/src/lib.rs`: `grep -rn 'Livepeer: [0-9]' src crates`.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use livepeer::studio::{
    CreatorId, Ingest, NewStream, NewWebhook, PlaybackPolicy, Stream, StreamFilter, Studio,
    StudioConfig, TagValue,
};
use livepeer::token::PlaybackSigner;
use livepeer::webhook::Event;
use livepeer::{ApiKey, Error, PlaybackToken, PrivateKey, SecretUrl, SharedSecret};
use serde::{Deserialize, Serialize};
use session::{ParticipantId, Players, Renditions, Slot, StreamSpec, Timestamp};
use url::Url;

use crate::clock;
use crate::config;
use crate::secret::random_text;
use crate::sessions::store::Made;
use crate::store::{Store, StoreError};
use crate::telemetry::Metrics;

/// How long a playback token lets in. Short, since it cannot be taken back; a page asks for another when it needs one.
const TOKEN_LIFE: Duration = Duration::from_secs(10 * 60);
/// How often Livepeer's nodes ask again whether those who play may. Its default of ten minutes is long for a person who
/// was shown the door.
const REFRESH_SECONDS: u32 = 60;
/// How long the places to publish to are taken as known.
const INGEST_LIFE: Duration = Duration::from_secs(5 * 60);
/// Playback addresses remembered; beyond that, all are asked for anew. Arbitrary.
const ADDRESSES: usize = 10_000;

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
    signer: tokio::sync::Mutex<Option<Arc<PlaybackSigner>>>,
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

/// The playback signing key as it is kept. Livepeer shows the private half once.
#[derive(Serialize, Deserialize)]
struct KeptKey {
    id: String,
    public: String,
    private: PrivateKey,
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
                signer: tokio::sync::Mutex::default(),
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
        let policy = match spec.players {
            Players::Anyone => PlaybackPolicy::public(),
            Players::Admitted => PlaybackPolicy::jwt().refreshed_every(REFRESH_SECONDS),
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

    /// Where the publisher of a stream sends its WHIP offer. It contains the stream key: for that person alone.
    pub(crate) async fn whip(&self, made: &Made) -> Result<SecretUrl, StreamsError> {
        // Livepeer: 2 the address to publish to
        Ok(self.ingest().await?.whip_url(&made.key)?)
    }

    /// The origin of the place to publish to, which pages must be allowed to reach.
    pub(crate) async fn ingest_origin(&self) -> Result<String, StreamsError> {
        Ok(self.ingest().await?.base.origin().ascii_serialization())
    }

    async fn ingest(&self) -> Result<Ingest, StreamsError> {
        if let Some((at, ingest)) = &*lock(&self.inner.ingest)
            && at.elapsed() < INGEST_LIFE
        {
            return Ok(ingest.clone());
        }
        let places = self.measured("ingest", self.inner.studio.ingest()).await?;
        let ingest = places.into_iter().next().ok_or(StreamsError::NoIngest)?;
        *lock(&self.inner.ingest) = Some((Instant::now(), ingest.clone()));
        Ok(ingest)
    }

    /// Where a player of a stream sends its WHEP offer.
    pub(crate) async fn whep(&self, playback_id: &str) -> Result<Url, StreamsError> {
        if let Some(url) = lock(&self.inner.addresses).get(playback_id) {
            return Ok(url.clone());
        }
        // Livepeer: 3 the address to play from
        let info = self
            .measured("playback", self.inner.studio.playback(playback_id))
            .await?;
        let url = info.whep_url().ok_or(StreamsError::NoWebRtc)?;
        let mut addresses = lock(&self.inner.addresses);
        if addresses.len() >= ADDRESSES {
            addresses.clear();
        }
        addresses.insert(playback_id.to_owned(), url.clone());
        Ok(url)
    }

    /// A token with which `person` may play a stream, and when it expires.
    pub(crate) async fn token(
        &self,
        playback_id: &str,
        person: &ParticipantId,
    ) -> Result<(PlaybackToken, Timestamp), StreamsError> {
        let signer = self.signer().await?;
        let custom = [("participant".to_owned(), person.0.as_str().into())];
        // Livepeer: 5 a token that lets one person play one stream
        let token = signer.mint(
            playback_id,
            SystemTime::now(),
            TOKEN_LIFE,
            custom.into_iter().collect(),
        )?;
        Ok((token, clock::now().after(TOKEN_LIFE)))
    }

    async fn signer(&self) -> Result<Arc<PlaybackSigner>, StreamsError> {
        let mut signer = self.inner.signer.lock().await;
        if let Some(signer) = &*signer {
            return Ok(Arc::clone(signer));
        }
        let kept = self.signing_key().await?;
        let issuer = format!("app {}", self.inner.instance);
        let made = Arc::new(PlaybackSigner::new(&kept.public, &kept.private, issuer)?);
        Ok(Arc::clone(signer.insert(made)))
    }

    /// The key kept in the database, if Livepeer still honours it, or a new one in its place.
    async fn signing_key(&self) -> Result<KeptKey, StreamsError> {
        let studio = &self.inner.studio;
        let known = self
            .measured("list-signing-keys", studio.list_signing_keys())
            .await?;
        if let Some(kept) = self.inner.store.setting("signing_key").await?
            && let Ok(kept) = serde_json::from_str::<KeptKey>(&kept)
            && known.iter().any(|key| key.id == kept.id && !key.disabled)
        {
            return Ok(kept);
        }
        let name = self.name();
        // Keys of this installation whose private half is lost would fill up the ten that an account may have.
        for key in known
            .iter()
            .filter(|key| key.name.as_deref() == Some(&*name))
        {
            let _ = self
                .measured("delete-signing-key", studio.delete_signing_key(&key.id))
                .await;
        }
        // Livepeer: 4 a key to sign playback tokens with
        let key = self
            .measured("create-signing-key", studio.create_signing_key(Some(&name)))
            .await?;
        let kept = KeptKey {
            id: key.id,
            public: key.public_key,
            private: key.private_key.ok_or(StreamsError::NoKey)?,
        };
        let text = serde_json::to_string(&kept).map_err(StoreError::from)?;
        self.inner.store.set("signing_key", text).await?;
        Ok(kept)
    }

    /// Whether Livepeer still honours the key that tokens are signed with; makes another if not.
    pub(crate) async fn renew_signing_key(&self) -> Result<(), StreamsError> {
        *self.inner.signer.lock().await = None;
        self.signer().await.map(drop)
    }

    /// Asks Livepeer to tell `url` when streams start and stop, and gives the secret that it signs with.
    pub(crate) async fn register_webhook(&self, url: Url) -> Result<(), StreamsError> {
        let secret = self.webhook_secret().await?;
        let (studio, name) = (&self.inner.studio, self.name());
        let known = self
            .measured("list-webhooks", studio.list_webhooks())
            .await?;
        let registered = self.inner.store.setting("webhook").await?;
        let mut there = false;
        for webhook in known.iter().filter(|webhook| webhook.name == name) {
            if webhook.url == url && registered.as_deref() == Some(&webhook.id) {
                there = true;
                continue;
            }
            self.measured("delete-webhook", studio.delete_webhook(&webhook.id))
                .await?;
        }
        if there {
            return Ok(());
        }
        let new = NewWebhook {
            name,
            url,
            events: vec![Event::STREAM_STARTED.into(), Event::STREAM_IDLE.into()],
            shared_secret: Some(secret),
            stream_id: None,
        };
        let webhook = self
            .measured("create-webhook", studio.create_webhook(&new))
            .await?;
        Ok(self.inner.store.set("webhook", webhook.id).await?)
    }

    /// What Livepeer signs its webhooks with.
    pub(crate) async fn webhook_secret(&self) -> Result<SharedSecret, StoreError> {
        let secret = self
            .inner
            .store
            .setting_or("webhook_secret", random_text::<32>)
            .await?;
        Ok(SharedSecret::new(secret))
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
        needs_token: spec.players == Players::Admitted,
        active: false,
    })
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    // What is behind these locks is replaced whole, so a panic elsewhere cannot have left it half done.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
