//! The webhook by which Livepeer tells that a stream has started or stopped.

use livepeer::SharedSecret;
use livepeer::studio::NewWebhook;
use livepeer::webhook::Event;
use url::Url;

use super::{Streams, StreamsError};
use crate::secret::random_text;
use crate::store::StoreError;

impl Streams {
    /// Asks Livepeer to tell `url` when streams start and stop, in the place of any other address told earlier.
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
}
