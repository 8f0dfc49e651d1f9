//! A camera and a player that need no browser.

#![allow(dead_code, reason = "not every build has every test")]

use std::sync::Arc;
use std::time::Duration;

use axum::body::Bytes;
use livepeer::SecretUrl;
use livepeer::media::{MediaError, WhepConfig, WhepPlayer, WhipConfig, WhipPublisher};
use serde_json::Value;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use url::Url;

use crate::support::PATIENCE;

/// Publishes 30 pictures a second, and sound, until it is stopped or the stream is ended.
pub(crate) struct Camera {
    publisher: Arc<WhipPublisher>,
    task: JoinHandle<()>,
}

impl Camera {
    /// Publishes with a credential as `POST /s/{id}/publish` gives it.
    pub(crate) async fn start(credential: &Value) -> Camera {
        let publisher = WhipPublisher::connect(WhipConfig::new(address(credential))).await;
        let publisher = Arc::new(publisher.unwrap());
        let feeding = Arc::clone(&publisher);
        let task = tokio::spawn(async move {
            let mut ticks = tokio::time::interval(Duration::from_millis(20));
            for tick in 0_u32.. {
                ticks.tick().await;
                let at = Duration::from_millis(20) * tick;
                let silence = Bytes::from_static(&[0xf8, 0xff, 0xfe]);
                let sound = feeding.write_audio(silence, at).await;
                let pictured = feeding.write_video(picture(tick % 30 == 0), at).await;
                if sound.is_err() || pictured.is_err() {
                    return;
                }
            }
        });
        Camera { publisher, task }
    }

    /// Waits until the server has closed the connection.
    pub(crate) async fn thrown_out(&self) {
        let mut state = self.publisher.state();
        let over = state.wait_for(|state| state.is_over());
        let _ = timeout(PATIENCE, over).await.expect("it is closed");
    }

    /// Stops as a page does that is closed.
    pub(crate) async fn stop(self) {
        self.task.abort();
        let _ = self.task.await;
        if let Some(publisher) = Arc::into_inner(self.publisher) {
            publisher.close().await;
        }
    }
}

/// Plays until it is dropped or the stream is ended.
pub(crate) struct Player(WhepPlayer);

impl Player {
    /// Plays with a credential as `POST /s/{id}/play` gives it.
    pub(crate) async fn start(credential: &Value) -> Player {
        let config = play(credential);
        let connecting = async {
            loop {
                match WhepPlayer::connect(config.clone()).await {
                    // As a page does: nothing flows yet, so it asks again.
                    Err(MediaError::NotLive { retry_after }) => {
                        tokio::time::sleep(retry_after.unwrap_or(Duration::from_millis(100))).await;
                    }
                    player => return Player(player.unwrap()),
                }
            }
        };
        timeout(PATIENCE, connecting).await.expect("it is live")
    }

    /// Waits until so many more pictures have come, on this very connection.
    pub(crate) async fn pictures(&mut self, more: u64) {
        let enough = self.0.stats().video.frames + more;
        let playing = async {
            while self.0.stats().video.frames < enough {
                self.0.recv().await.expect("the player is still connected");
            }
        };
        timeout(PATIENCE, playing).await.expect("pictures come");
    }

    /// Waits until the server has closed the connection.
    pub(crate) async fn thrown_out(mut self) {
        let playing = async { while self.0.recv().await.is_some() {} };
        timeout(PATIENCE, playing).await.expect("it is closed");
    }
}

/// Plays with a credential until so many pictures have come.
pub(crate) async fn watch(credential: &Value, pictures: u64) {
    let mut player = Player::start(credential).await;
    player.pictures(pictures).await;
    player.0.close().await;
}

/// Tries to play at that address with that token, and gives the HTTP status of the refusal.
pub(crate) async fn refused(address: &Value, token: Option<&Value>) -> u16 {
    let mut credential = address.clone();
    credential["token"] = token.cloned().unwrap_or_default();
    match WhepPlayer::connect(play(&credential)).await {
        Err(MediaError::Refused { status, .. }) => status,
        // Nothing is there.
        Err(MediaError::NotLive { .. }) => 404,
        Err(other) => panic!("{other}"),
        Ok(_) => panic!("it was let in"),
    }
}

fn play(credential: &Value) -> WhepConfig {
    let mut config = WhepConfig::new(address(credential));
    config.token = credential["token"].as_str().map(Into::into);
    config
}

fn address(credential: &Value) -> SecretUrl {
    SecretUrl::new(Url::parse(credential["url"].as_str().unwrap()).unwrap())
}

/// What a forwarding engine takes for an H.264 picture: the beginning is true, the rest is filler.
fn picture(keyframe: bool) -> Bytes {
    let parameters = [
        0, 0, 0, 1, 0x67, 0x42, 0xe0, 0x1f, 0xda, 0x01, 0x40, 0x16, 0xe8, 0, 0, 0, 1, 0x68, 0xce,
        0x3c, 0x80,
    ];
    let mut bytes = match keyframe {
        true => [&parameters[..], &[0, 0, 0, 1, 0x65, 0x88]].concat(),
        false => vec![0, 0, 0, 1, 0x41, 0x9a],
    };
    bytes.resize(1500, 0x5a);
    bytes.into()
}
