//! What is asked of Livepeer when, against one that can be told to say nothing.

#![allow(clippy::unwrap_used)]

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::extract::State;
use axum::routing::get;
use axum::{Json, Router};
use livepeer::StreamKey;
use livepeer::studio::SigningKey;
use livepeer::token::KeyPair;
use session::ParticipantId;
use tokio::net::TcpListener;
use tokio::sync::Notify;
use tokio::time::timeout;

use super::*;

/// The signing keys of an account.
#[derive(Default)]
struct Account {
    keys: Mutex<Vec<SigningKey>>,
    silent: AtomicBool,
    /// Told of a question that is left without an answer.
    asked: Notify,
}

async fn keys(State(account): State<Arc<Account>>) -> Json<Vec<SigningKey>> {
    if account.silent.load(Ordering::SeqCst) {
        account.asked.notify_one();
        std::future::pending::<()>().await;
    }
    Json(lock(&account.keys).clone())
}

async fn create(State(account): State<Arc<Account>>) -> Json<SigningKey> {
    let pair = KeyPair::generate().unwrap();
    let mut keys = lock(&account.keys);
    let key = SigningKey {
        id: format!("key-{}", keys.len() + 1),
        name: None,
        user_id: None,
        project_id: None,
        created_at: None,
        disabled: false,
        public_key: pair.public_key,
        private_key: None,
    };
    keys.push(key.clone());
    Json(SigningKey {
        private_key: Some(pair.private_key),
        ..key
    })
}

#[tokio::test]
async fn a_signing_key_serves_until_it_is_known_that_it_does_not() {
    let account = Arc::new(Account::default());
    let router = Router::new()
        .route("/access-control/signing-key", get(keys).post(create))
        .with_state(Arc::clone(&account));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let api = Url::parse(&format!("http://{}", listener.local_addr().unwrap())).unwrap();
    tokio::spawn(axum::serve(listener, router).into_future());
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path()).unwrap();
    let (renditions, metrics) = (config::Renditions::default(), Metrics::new());
    let streams = Streams::new(api, ApiKey::new("key"), renditions, store, metrics);
    let streams = streams.await.unwrap();

    let ada = ParticipantId::from("ada");
    let made = Made {
        id: "stream".into(),
        key: StreamKey::from("key".to_owned()),
        playback_id: "playback".into(),
        publisher: ada.clone(),
        players: Players::Admitted,
        active: false,
    };
    let token = async || {
        let token = timeout(Duration::from_secs(10), streams.token(&made, &ada));
        token.await.unwrap().unwrap().unwrap().0
    };
    // However many ask at once, one key is made.
    tokio::join!(token(), token(), async {
        streams.renew_signing_key().await.unwrap();
    });
    assert_eq!(lock(&account.keys).len(), 1);

    // Livepeer is asked whether it still holds, and says nothing.
    account.silent.store(true, Ordering::SeqCst);
    let renewing = tokio::spawn({
        let streams = streams.clone();
        async move { streams.renew_signing_key().await }
    });
    account.asked.notified().await;
    token().await;
    renewing.abort();
    assert!(renewing.await.unwrap_err().is_cancelled());

    // It is gone there, so another takes its place.
    account.silent.store(false, Ordering::SeqCst);
    lock(&account.keys)[0].disabled = true;
    streams.renew_signing_key().await.unwrap();
    token().await;
    let disabled: Vec<_> = lock(&account.keys).iter().map(|key| key.disabled).collect();
    assert_eq!(disabled, [true, false]);
}
