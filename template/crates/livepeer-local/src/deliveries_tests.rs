#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::SystemTime;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use livepeer::studio::{Stream, Webhook};
use tempfile::TempDir;

use super::*;
use crate::live::Live;
use crate::tables::{StreamRow, Tables};

const SOON: Duration = Duration::from_secs(10);

/// A receiver that answers with each status in turn (the last one for ever) and passes on what it was sent.
async fn receiver(answers: &'static [u16]) -> (Url, mpsc::UnboundedReceiver<(HeaderMap, Bytes)>) {
    type Taken = (
        Arc<AtomicUsize>,
        mpsc::UnboundedSender<(HeaderMap, Bytes)>,
        &'static [u16],
    );
    async fn take(
        State((count, taken, answers)): State<Taken>,
        headers: HeaderMap,
        body: Bytes,
    ) -> StatusCode {
        let nth = count.fetch_add(1, Ordering::SeqCst).min(answers.len() - 1);
        taken.send((headers, body)).ok();
        StatusCode::from_u16(answers[nth]).unwrap()
    }
    let (taken, seen) = mpsc::unbounded_channel();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!(
        "http://{}/hook?token=in-the-address",
        listener.local_addr().unwrap()
    );
    let router =
        Router::new()
            .route("/hook", post(take))
            .with_state((Arc::default(), taken, answers));
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    (url.parse().unwrap(), seen)
}

struct Scene {
    deliveries: Deliveries,
    store: Store,
    _folder: TempDir,
}

async fn scene(hooks: &[(&str, &Url, &[&str], Option<&str>)]) -> Scene {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(&folder.path().join("state.json"), || {
        let mut tables = Tables::new("key".into(), "user".into(), "project".into());
        for (id, url, events, stream_id) in hooks {
            tables.webhooks.push(Arc::new(WebhookRow {
                webhook: Webhook {
                    id: (*id).into(),
                    name: (*id).into(),
                    url: (*url).clone(),
                    events: events.iter().map(|&event| event.to_owned()).collect(),
                    stream_id: stream_id.map(str::to_owned),
                    project_id: None,
                    created_at: None,
                },
                shared_secret: Some("s3cret".into()),
            }));
        }
        tables
    })
    .unwrap();
    Scene {
        deliveries: Deliveries::new(store.clone(), Duration::from_millis(10)),
        store,
        _folder: folder,
    }
}

fn stream(id: &str) -> WireStream {
    Live::default().show(&StreamRow {
        stream: Stream {
            id: id.into(),
            playback_id: format!("play-{id}"),
            stream_key: Some("abcd-efgh-ijkl-mnop".into()),
            ..Stream::default()
        },
        recording_spec: None,
    })
}

async fn next(seen: &mut mpsc::UnboundedReceiver<(HeaderMap, Bytes)>) -> Delivery {
    let (headers, body) = tokio::time::timeout(SOON, seen.recv())
        .await
        .unwrap()
        .unwrap();
    assert_eq!(headers[CONTENT_TYPE], "application/json");
    assert_eq!(headers[USER_AGENT], "livepeer.studio");
    assert!(
        !String::from_utf8_lossy(&body).contains("abcd-efgh"),
        "the stream key is not told"
    );
    let signature = headers[webhook::SIGNATURE_HEADER].to_str().unwrap();
    webhook::verify(&"s3cret".into(), Some(signature), &body, SystemTime::now()).unwrap()
}

#[tokio::test]
async fn a_failure_is_repeated_with_the_same_id_and_a_new_signature() {
    let (url, mut seen) = receiver(&[500, 503, 200]).await;
    let scene = scene(&[("h", &url, &["stream.started"], None)]).await;
    scene.deliveries.report("stream.started", &stream("s"));
    let (first, second, third) = (
        next(&mut seen).await,
        next(&mut seen).await,
        next(&mut seen).await,
    );
    assert_eq!((&first.id, &second.id), (&second.id, &third.id));
    assert_eq!(first.created_at, third.created_at);
    assert!(first.timestamp < third.timestamp, "each is signed anew");
    scene.deliveries.close(SOON).await;
    assert!(seen.try_recv().is_err(), "what was taken is not sent again");
}

#[tokio::test]
async fn a_refusal_is_not_repeated() {
    for status in [&[400][..], &[404], &[302]] {
        let (url, mut seen) = receiver(status).await;
        let scene = scene(&[("h", &url, &["stream.idle"], None)]).await;
        scene.deliveries.report("stream.idle", &stream("first"));
        scene.deliveries.report("stream.idle", &stream("second"));
        assert_eq!(next(&mut seen).await.stream.unwrap().id, "first");
        assert_eq!(next(&mut seen).await.stream.unwrap().id, "second");
        scene.deliveries.close(SOON).await;
        assert!(seen.try_recv().is_err());
    }
}

#[tokio::test]
async fn reports_come_in_order_and_only_to_who_asked() {
    let (url, mut seen) = receiver(&[200]).await;
    let (other, mut others) = receiver(&[200]).await;
    let both = &["stream.started", "stream.idle"][..];
    let scene = scene(&[
        ("all", &url, both, None),
        ("idle of b", &other, &["stream.idle"], Some("b")),
    ])
    .await;
    for _ in 0..20 {
        scene.deliveries.report("stream.started", &stream("a"));
        scene.deliveries.report("stream.idle", &stream("a"));
    }
    scene.deliveries.report("stream.started", &stream("b"));
    scene.deliveries.report("stream.idle", &stream("b"));
    for _ in 0..20 {
        assert_eq!(next(&mut seen).await.name, "stream.started");
        assert_eq!(next(&mut seen).await.name, "stream.idle");
    }
    let only = next(&mut others).await;
    assert_eq!(
        (only.name.as_str(), only.stream.unwrap().id.as_str()),
        ("stream.idle", "b")
    );
    scene.deliveries.close(SOON).await;
    assert!(others.try_recv().is_err());
}

#[tokio::test]
async fn a_receiver_that_hangs_delays_nobody_and_its_queue_is_bounded() {
    // Accepts connections (the system does) and never answers.
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let hanging = format!("http://{}/", silent.local_addr().unwrap())
        .parse()
        .unwrap();
    let (url, mut seen) = receiver(&[200]).await;
    let events = &["stream.started"][..];
    let scene = scene(&[
        ("hangs", &hanging, events, None),
        ("well", &url, events, None),
    ])
    .await;
    let begin = std::time::Instant::now();
    for n in 0..(QUEUE + 50) {
        scene
            .deliveries
            .report("stream.started", &stream(&n.to_string()));
        // The one that is well keeps up.
        assert_eq!(next(&mut seen).await.stream.unwrap().id, n.to_string());
    }
    assert!(begin.elapsed() < SOON);
    let waiting = scene.deliveries.inner.lanes.lock().unwrap()["hangs"].capacity();
    assert_eq!(waiting, 0, "full, and no fuller");
}

#[tokio::test]
async fn a_webhook_that_is_deleted_hears_no_more() {
    let (url, mut seen) = receiver(&[500]).await;
    let scene = scene(&[("h", &url, &["stream.idle"], None)]).await;
    scene.deliveries.report("stream.idle", &stream("a"));
    next(&mut seen).await;
    let forget = |tables: &mut Tables| {
        tables.webhooks.clear();
        Ok::<_, ()>(())
    };
    assert!(scene.store.change(forget).await.is_ok());
    scene.deliveries.report("stream.idle", &stream("b"));
    assert!(scene.deliveries.inner.lanes.lock().unwrap().is_empty());
    // The repetition finds that nobody wants it any more and ends.
    let inner = scene.deliveries.inner.clone();
    inner.tasks.close();
    tokio::time::timeout(SOON, inner.tasks.wait())
        .await
        .expect("nothing is left waiting");
}

#[tokio::test]
async fn closing_drops_what_waits_for_another_attempt() {
    let (url, mut seen) = receiver(&[500]).await;
    let folder_scene = scene(&[("h", &url, &["stream.idle"], None)]).await;
    let slow = Deliveries::new(folder_scene.store.clone(), Duration::from_secs(3600));
    slow.report("stream.idle", &stream("a"));
    next(&mut seen).await;
    tokio::time::timeout(SOON, slow.close(Duration::from_secs(3600)))
        .await
        .expect("it does not wait an hour");
}
