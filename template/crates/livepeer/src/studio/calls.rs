//! The calls, one function each, in the order in which an app makes them.

use std::collections::HashSet;

use reqwest::Method;
use reqwest::header::LINK;
use url::Url;

use super::client::{Answer, Call, Studio};
use super::ingest::Ingest;
use super::playback::PlaybackInfo;
use super::signing_key::{NewSigningKey, SigningKey};
use super::stream::{NewStream, Stream, StreamFilter, StreamPatch, Suspension};
use super::webhook::{NewWebhook, Webhook};
use crate::secret::SecretUrl;
use crate::{Error, link};

/// Streams per page unless a filter says otherwise.
const PAGE: u16 = 100;

/// # Streams
impl Studio {
    /// Creates a stream. Ready to be published at once; costs nothing until it is.
    ///
    /// Repeated only if it certainly was not carried out, so a failure may leave a stream behind: give it a
    /// [`creator_id`](NewStream::creator_id) or [`user_tags`](NewStream::user_tags) to find it by.
    ///
    /// # Errors
    ///
    /// See [`Error`]; 422 names the field that is wrong.
    pub async fn create_stream(&self, new: &NewStream) -> Result<Stream, Error> {
        // Livepeer: 1 create the stream
        self.call(Call::new("create a stream", Method::POST, &["stream"]).json(new)?)
            .await?
            .json()
    }

    /// Reads a stream: whether it is live, suspended, and how much it has taken in.
    ///
    /// # Errors
    ///
    /// See [`Error`]; 404 if it does not exist or was deleted.
    pub async fn get_stream(&self, id: &str) -> Result<Stream, Error> {
        // Livepeer: 6 ask whether it is live
        self.call(Call::new("read a stream", Method::GET, &["stream", id]))
            .await?
            .json()
    }

    /// Lists streams, all pages of them.
    ///
    /// # Errors
    ///
    /// See [`Error`]. A failure on any page fails the whole: half a list would be taken for all of it.
    pub async fn list_streams(&self, filter: &StreamFilter) -> Result<Vec<Stream>, Error> {
        let mut wanted = Vec::new();
        if let Some(is_active) = filter.is_active {
            wanted.push(serde_json::json!({ "id": "isActive", "value": is_active }));
        }
        if let Some(creator) = &filter.creator_id {
            wanted.push(serde_json::json!({ "id": "creatorId", "value": creator }));
        }
        let mut query = vec![
            (
                "limit",
                filter.page_size.unwrap_or(PAGE).clamp(1, 1000).to_string(),
            ),
            // Without it the list holds a record of each past session too.
            ("streamsonly", "1".to_owned()),
        ];
        if !wanted.is_empty() {
            query.push(("filters", serde_json::Value::from(wanted).to_string()));
        }

        let (mut streams, mut seen, first) = (Vec::new(), HashSet::new(), query.len());
        loop {
            let mut call = Call::new("list streams", Method::GET, &["stream"]);
            call.query = &query;
            let answer = self.call(call).await?;
            streams.extend(answer.json::<Vec<Stream>>()?);
            match next_cursor(&answer, self.api_url()) {
                // A cursor that comes again would turn in a circle.
                Some(cursor) if seen.insert(cursor.clone()) => {
                    query.truncate(first);
                    query.push(("cursor", cursor));
                }
                _ => return Ok(streams),
            }
        }
    }

    /// Changes a stream. (Livepeer does not send back what became of it.)
    ///
    /// # Errors
    ///
    /// See [`Error`]; 400 if `record` or `profiles` are to change while it is active.
    pub async fn patch_stream(&self, id: &str, patch: &StreamPatch) -> Result<(), Error> {
        self.call(Call::new("change a stream", Method::PATCH, &["stream", id]).json(patch)?)
            .await
            .map(drop)
    }

    /// Suspends a stream, which throws out its publisher and its players and keeps everybody out, or lets it go on.
    ///
    /// # Errors
    ///
    /// See [`Error`].
    pub async fn suspend_stream(&self, id: &str, suspended: bool) -> Result<(), Error> {
        // Livepeer: 7 suspend the stream: out with everybody, for good
        let path = ["stream", id, "suspended"];
        let call = Call::new("suspend a stream", Method::PATCH, &path);
        self.call(call.json(&Suspension { suspended })?)
            .await
            .map(drop)
    }

    /// Throws the publisher out. It may come back at once: [`suspend_stream`](Self::suspend_stream) first if it may not.
    ///
    /// # Errors
    ///
    /// See [`Error`]; 429 if done twice within five seconds (which is waited out first).
    pub async fn terminate_stream(&self, id: &str) -> Result<(), Error> {
        self.call(Call::new(
            "terminate a stream",
            Method::DELETE,
            &["stream", id, "terminate"],
        ))
        .await
        .map(drop)
    }

    /// Deletes a stream. Its key and its playback id are void from then on.
    ///
    /// # Errors
    ///
    /// See [`Error`]; 404 if it did not exist to begin with.
    pub async fn delete_stream(&self, id: &str) -> Result<(), Error> {
        // Livepeer: 8 delete the stream
        self.remove(Call::new(
            "delete a stream",
            Method::DELETE,
            &["stream", id],
        ))
        .await
    }
}

/// # Publishing and playing
impl Studio {
    /// The places to publish to, nearest or least busy first as far as Livepeer tells.
    ///
    /// # Errors
    ///
    /// See [`Error`].
    pub async fn ingest(&self) -> Result<Vec<Ingest>, Error> {
        self.call(Call::new("find the ingest", Method::GET, &["ingest"]))
            .await?
            .json()
    }

    /// Where the publisher of this stream POSTs its WHIP offer. The address contains the stream key.
    ///
    /// # Errors
    ///
    /// See [`Error`]; [`Error::Unreadable`] if Livepeer names no ingest, [`Error::Config`] if `stream` comes from a
    /// webhook, which leaves the key out.
    pub async fn whip_url(&self, stream: &Stream) -> Result<SecretUrl, Error> {
        // Livepeer: 2 the address to publish to
        let key = stream.stream_key.as_ref().ok_or_else(|| {
            Error::Config(format!(
                "stream {} comes without its key; read it with get_stream",
                stream.id
            ))
        })?;
        let ingests = self.ingest().await?;
        let ingest = ingests.first().ok_or(Error::Unreadable {
            call: "find the ingest",
            reason: "the list is empty".to_owned(),
        })?;
        ingest.whip_url(key)
    }

    /// Where to play a playback id, lowest delay first. Public: asked without the key.
    ///
    /// # Errors
    ///
    /// See [`Error`]; 404 if there is no such playback id, or its stream is suspended or deleted.
    pub async fn playback(&self, playback_id: &str) -> Result<PlaybackInfo, Error> {
        // Livepeer: 3 the address to play from
        let path = ["playback", playback_id];
        let mut call = Call::new("find the playback addresses", Method::GET, &path);
        call.keyed = false;
        let mut info: PlaybackInfo = self.call(call).await?.json()?;
        info.sort_by_delay();
        Ok(info)
    }
}

/// # Signing keys
impl Studio {
    /// Makes a signing key. Keep its private half: Livepeer shows it in this answer only.
    ///
    /// # Errors
    ///
    /// See [`Error`]; 403 if the account has ten already.
    pub async fn create_signing_key(&self, name: Option<&str>) -> Result<SigningKey, Error> {
        // Livepeer: 4 a key to sign playback tokens with (once, then kept)
        let new = NewSigningKey {
            name: name.map(str::to_owned),
        };
        let call = Call::new(
            "create a signing key",
            Method::POST,
            &["access-control", "signing-key"],
        );
        self.call(call.json(&new)?).await?.json()
    }

    /// Lists the account's signing keys, without their private halves.
    ///
    /// # Errors
    ///
    /// See [`Error`].
    pub async fn list_signing_keys(&self) -> Result<Vec<SigningKey>, Error> {
        self.call(Call::new(
            "list signing keys",
            Method::GET,
            &["access-control", "signing-key"],
        ))
        .await?
        .json()
    }

    /// Deletes a signing key. Livepeer's nodes may honour its tokens for up to ten minutes more.
    ///
    /// # Errors
    ///
    /// See [`Error`]; 404 if it did not exist to begin with.
    pub async fn delete_signing_key(&self, id: &str) -> Result<(), Error> {
        self.remove(Call::new(
            "delete a signing key",
            Method::DELETE,
            &["access-control", "signing-key", id],
        ))
        .await
    }
}

/// # Webhooks
impl Studio {
    /// Registers a webhook.
    ///
    /// # Errors
    ///
    /// See [`Error`]; 422 without any event.
    pub async fn create_webhook(&self, new: &NewWebhook) -> Result<Webhook, Error> {
        self.call(Call::new("create a webhook", Method::POST, &["webhook"]).json(new)?)
            .await?
            .json()
    }

    /// Lists the account's webhooks.
    ///
    /// # Errors
    ///
    /// See [`Error`].
    pub async fn list_webhooks(&self) -> Result<Vec<Webhook>, Error> {
        self.call(Call::new("list webhooks", Method::GET, &["webhook"]))
            .await?
            .json()
    }

    /// Deletes a webhook.
    ///
    /// # Errors
    ///
    /// See [`Error`]; 404 if it did not exist to begin with.
    pub async fn delete_webhook(&self, id: &str) -> Result<(), Error> {
        self.remove(Call::new(
            "delete a webhook",
            Method::DELETE,
            &["webhook", id],
        ))
        .await
    }
}

/// The cursor of the next page. Only that is taken from the link: behind a proxy its scheme and host are wrong, and the
/// key must go nowhere else.
fn next_cursor(answer: &Answer, base: &Url) -> Option<String> {
    let headers = answer
        .headers
        .get_all(LINK)
        .iter()
        .filter_map(|value| value.to_str().ok());
    let next = headers.flat_map(link::parse).find(|link| link.is("next"))?;
    let next = base.join(&next.target).ok()?;
    next.query_pairs()
        .find(|(name, _)| name == "cursor")
        .map(|(_, value)| value.into_owned())
}
