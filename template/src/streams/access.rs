//! Where and with what to publish and to play.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use livepeer::studio::Ingest;
use livepeer::token::PlaybackSigner;
use livepeer::{PlaybackToken, PrivateKey, SecretUrl};
use serde::{Deserialize, Serialize};
use session::{ParticipantId, Players, Timestamp};
use url::Url;

use super::{Streams, StreamsError, lock};
use crate::clock;
use crate::sessions::store::Made;
use crate::store::StoreError;

/// How long a playback token lets in: as long as a stream may last at Livepeer. Its nodes ask again and again with the
/// token that a player came with, so a shorter one would cut every viewer in the middle of a show. It is for one take's
/// stream and is worth nothing when that has ended.
const TOKEN_LIFE: Duration = Duration::from_secs(12 * 60 * 60);
/// How long it does for a stream that is for a few people alone. It bounds what a token is worth that was passed on or
/// stolen: Livepeer cannot take back a single one. A page renews its own before that, by a second connection that takes
/// over when it has a picture, so that nobody sees a cut. Arbitrary, but well above [`super::REFRESH_SECONDS`], after which
/// the nodes find an expired one.
///
/// It is not what shuts people out at once. What a node has been told it may keep for minutes, and Studio's gate has had
/// gaps; so such a stream is made anew for every call, with an unguessable id, and ended with it: then there is nothing
/// left to play, whatever tokens are about.
const PRIVATE_TOKEN_LIFE: Duration = Duration::from_secs(10 * 60);
/// How long the places to publish to are taken as known.
const INGEST_LIFE: Duration = Duration::from_secs(5 * 60);
/// Playback addresses remembered; beyond that, all are asked for anew. Arbitrary.
const ADDRESSES: usize = 10_000;

/// The playback signing key as it is kept. Livepeer shows the private half once.
#[derive(Serialize, Deserialize)]
struct KeptKey {
    id: String,
    public: String,
    private: PrivateKey,
}

impl Streams {
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

    /// A token with which `person` may play a stream, and when it expires; none for a stream that needs none.
    pub(crate) async fn token(
        &self,
        made: &Made,
        person: &ParticipantId,
    ) -> Result<Option<(PlaybackToken, Timestamp)>, StreamsError> {
        let life = match made.players {
            Players::Anyone => return Ok(None),
            Players::Admitted => TOKEN_LIFE,
            Players::Only(_) => PRIVATE_TOKEN_LIFE,
        };
        let signer = self.signer().await?;
        let custom = [("participant".to_owned(), person.0.as_str().into())];
        // Livepeer: 5 a token that lets one person play one stream
        let token = signer.mint(
            &made.playback_id,
            SystemTime::now(),
            life,
            custom.into_iter().collect(),
        )?;
        Ok(Some((token, clock::now().after(life))))
    }

    async fn signer(&self) -> Result<Arc<PlaybackSigner>, StreamsError> {
        let known = || lock(&self.inner.signer).clone();
        if let Some(signer) = known() {
            return Ok(signer);
        }
        let _one_at_a_time = self.inner.signing.lock().await;
        match known() {
            Some(signer) => Ok(signer),
            None => self.make_signer().await,
        }
    }

    /// Makes the signer anew. Who calls this holds `signing`: two at once would each make a key.
    async fn make_signer(&self) -> Result<Arc<PlaybackSigner>, StreamsError> {
        let kept = self.signing_key().await?;
        let issuer = format!("app {}", self.inner.instance);
        let signer = PlaybackSigner::new(&kept.public, &kept.private, issuer)?;
        Ok(Arc::clone(
            lock(&self.inner.signer).insert(Arc::new(signer)),
        ))
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

    /// Whether Livepeer still honours the key that tokens are signed with; makes another if not. Until that is known,
    /// the one at hand serves.
    pub(crate) async fn renew_signing_key(&self) -> Result<(), StreamsError> {
        let _one_at_a_time = self.inner.signing.lock().await;
        self.make_signer().await.map(drop)
    }
}
