//! Simulcast in a browser: Chromium sends three layers, and a viewer is moved between them without noticing more than
//! another size.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use axum::Router;
use axum::response::Html;
use axum::routing::{get, post};
use kit::browser::{self, Browser, Page};
use livepeer_local::engine::{Engine, EngineConfig, SessionId, StreamName};
use serde_json::json;

const LIMIT: Duration = Duration::from_secs(60);

/// A moving picture in three sizes. The best is neither first nor last.
const PUBLISH: &str = "
    const canvas = document.createElement('canvas');
    Object.assign(canvas, { width: 960, height: 540 });
    const draw = canvas.getContext('2d');
    let step = 0;
    setInterval(() => {
        draw.fillStyle = `hsl(${step % 360} 80% 50%)`;
        draw.fillRect((step * 7) % 900, (step * 5) % 500, 60, 40);
        step += 1;
    }, 66);
    const [track] = canvas.captureStream(15).getVideoTracks();
    const connection = new RTCPeerConnection();
    window.publisher = connection;
    connection.addTransceiver(track, { direction: 'sendonly', sendEncodings: [
        { rid: 'q', scaleResolutionDownBy: 4, maxBitrate: 100000 },
        { rid: 'f', scaleResolutionDownBy: 1, maxBitrate: 900000 },
        { rid: 'h', scaleResolutionDownBy: 2, maxBitrate: 300000 },
    ] });
    await window.exchange(connection, '/publish');";

/// Plays, and notes what a person would see: the size, and for how long the picture has stood at most.
const PLAY: &str = "
    const connection = new RTCPeerConnection();
    window.viewer = connection;
    const video = document.createElement('video');
    Object.assign(video, { muted: true, autoplay: true });
    document.body.append(video);
    connection.ontrack = event => { video.srcObject = new MediaStream([event.track]); };
    connection.addTransceiver('video', { direction: 'recvonly' });
    const session = await window.exchange(connection, '/play');
    window.seen = { height: 0, frames: 0, lost: 0, gap: 0, changed: performance.now() };
    setInterval(async () => {
        for (const entry of (await connection.getStats()).values()) {
            if (entry.type !== 'inbound-rtp') continue;
            const now = performance.now();
            if (window.seen.frames > 0) {
                window.seen.gap = Math.max(window.seen.gap, now - window.seen.changed);
            }
            if (entry.framesDecoded !== window.seen.frames) window.seen.changed = now;
            window.seen.frames = entry.framesDecoded ?? 0;
            window.seen.height = entry.frameHeight ?? 0;
            window.seen.lost = entry.packetsLost ?? 0;
        }
    }, 100);
    return session;";

/// Offers and takes the answer; returns the session.
const EXCHANGE: &str = "
    window.exchange = async (connection, where) => {
        await connection.setLocalDescription();
        const answer = await fetch(where, { method: 'POST', body: connection.localDescription.sdp });
        if (!answer.ok) throw new Error(await answer.text());
        const [session, sdp] = await answer.json();
        await connection.setRemoteDescription({ type: 'answer', sdp });
        return session;
    };";

fn stream() -> StreamName {
    StreamName::from("show")
}

async fn serve(engine: Engine) -> String {
    let (publishing, playing) = (engine.clone(), engine);
    let told = |answer: Result<livepeer_local::engine::Answer, _>| match answer {
        Ok(answer) => Ok(json!([answer.session.as_str(), answer.sdp]).to_string()),
        Err(error) => Err(format!("{error}")),
    };
    let app =
        Router::new()
            .route("/", get(|| async { Html("<body>") }))
            .route(
                "/publish",
                post(move |offer: String| async move {
                    told(publishing.publish(&stream(), &offer).await)
                }),
            )
            .route(
                "/play",
                post(
                    move |offer: String| async move { told(playing.play(&stream(), &offer).await) },
                ),
            );
    let listener = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
        .await
        .unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move { axum::serve(listener, app).await });
    format!("http://localhost:{port}/")
}

/// Waits for a picture of this height; nothing was lost and nothing stood still on the way.
async fn shows(page: &Page, height: u32) {
    let expression = format!("window.seen.height === {height} && window.seen");
    let seen: serde_json::Value = page.until(&expression, LIMIT).await.unwrap();
    // And it goes on.
    let frames = seen["frames"].as_u64().unwrap() + 30;
    let expression = format!("window.seen.frames > {frames} && window.seen");
    let seen: serde_json::Value = page.until(&expression, LIMIT).await.unwrap();
    assert_eq!(seen["height"], height, "{seen}");
    assert_eq!(seen["lost"], 0, "{seen}");
    assert!(seen["gap"].as_f64().unwrap() < 1000.0, "{seen}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_viewer_in_chromium_is_moved_between_chromiums_layers_and_sees_another_size() {
    if !browser::available("simulcast") {
        return;
    }
    let engine = Engine::start(EngineConfig {
        udp: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
        ..EngineConfig::default()
    })
    .await
    .unwrap();
    let url = serve(engine.clone()).await;
    let browser = Browser::start().await.unwrap();
    let page = browser.open(&url).await.unwrap();
    page.run::<()>(EXCHANGE, json!([])).await.unwrap();
    page.run::<()>(PUBLISH, json!([])).await.unwrap();

    let begun = std::time::Instant::now();
    let layers = loop {
        let layers = engine.layers(&stream()).await;
        let sent = |layer: &livepeer_local::engine::Layer| layer.active && layer.bitrate > 0;
        if layers.len() == 3 && layers.iter().all(sent) {
            break layers;
        }
        assert!(begun.elapsed() < LIMIT, "{layers:?}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    };
    let told: Vec<_> = layers.iter().map(|l| (l.rid.as_str(), l.height)).collect();
    assert_eq!(told, [("q", Some(135)), ("h", Some(270)), ("f", Some(540))]);

    let session: String = page.run(PLAY, json!([])).await.unwrap();
    let session: SessionId = session.parse().unwrap();
    shows(&page, 540).await;
    for (rid, height) in [(Some("q"), 135), (Some("h"), 270), (None, 540)] {
        assert!(engine.choose_layer(&session, rid.map(str::to_owned)).await);
        shows(&page, height).await;
    }
    let counters = engine.stats().await.total;
    assert_eq!(counters.layer_changes, 3);
    engine.shutdown().await;
}
