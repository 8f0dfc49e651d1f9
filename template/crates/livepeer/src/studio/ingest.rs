//! Where streams are published (`GET /ingest`, which the OpenAPI description leaves out).

use serde::{Deserialize, Serialize};
use url::Url;

use crate::Error;
use crate::secret::{SecretUrl, StreamKey};

/// One place to publish to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ingest {
    /// The RTMP address, without the stream key.
    pub ingest: String,
    /// The address below which HLS playlists are.
    pub playback: String,
    /// The address below which WHIP and WHEP are.
    pub base: Url,
}

impl Ingest {
    /// Where the holder of that key publishes: `{base}/webrtc/{streamKey}`. The address contains the key, so it goes to
    /// that one publisher, over an authenticated call.
    ///
    /// # Errors
    ///
    /// [`Error::Config`] if `base` is not an address that a path can be added to.
    pub fn whip_url(&self, key: &StreamKey) -> Result<SecretUrl, Error> {
        let mut url = self.base.clone();
        url.path_segments_mut()
            .map_err(|()| {
                Error::Config(format!(
                    "Livepeer's ingest base {:?} is not a web address",
                    self.base.as_str()
                ))
            })?
            .pop_if_empty()
            .extend(["webrtc", key.expose()]);
        Ok(SecretUrl::new(url))
    }
}
