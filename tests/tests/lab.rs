//! The browser helper itself: two browsers with cameras see one another's test picture.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::time::Duration;

use kit::browser::{self, Browser};
use serde_json::json;

const LIMIT: Duration = Duration::from_secs(20);

/// Opens the fake camera and counts the pictures that a `<video>` shows of it.
const SHOW_CAMERA: &str = "
    const stream = await navigator.mediaDevices.getUserMedia({ video: true, audio: true });
    const video = document.createElement('video');
    video.muted = true;
    video.srcObject = stream;
    document.body.append(video);
    await video.play();
    window.shown = () => video.getVideoPlaybackQuality().totalVideoFrames;
    return stream.getTracks().length;";

#[tokio::test]
async fn a_browser_shows_its_camera_says_what_it_logs_and_is_gone_when_dropped() {
    if !browser::available("lab") {
        return;
    }
    let browser = Browser::start().await.unwrap();
    let page = browser
        .open("data:text/html,<title>lab</title>")
        .await
        .unwrap();
    // Cameras are for secure contexts only, which a data: address is not.
    assert!(page.run::<i64>(SHOW_CAMERA, json!([])).await.is_err());
    page.goto("chrome://version").await.unwrap();
    assert_eq!(
        page.run::<i64>(
            "console.log('hello ' + arguments[0]); return arguments[0] + 1",
            json!([41])
        )
        .await
        .unwrap(),
        42
    );
    assert!(
        page.console()
            .unwrap()
            .iter()
            .any(|line| line.contains("hello 41"))
    );

    let failed = page
        .until::<i64>("window.nothing", Duration::from_millis(200))
        .await
        .unwrap_err();
    assert!(failed.to_string().contains("window.nothing"), "{failed}");
}

#[tokio::test]
async fn a_camera_is_granted_denied_or_missing_as_asked() {
    if !browser::available("lab") {
        return;
    }
    // Any page of this machine will do: localhost is a secure context.
    let server = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://localhost:{}", server.local_addr().unwrap().port());
    let page = axum::Router::new().route(
        "/",
        axum::routing::get(|| async { axum::response::Html("<body>") }),
    );
    tokio::spawn(async move { axum::serve(server, page).await });

    let browser = Browser::start().await.unwrap();
    let granted = browser.open(&url).await.unwrap();
    assert_eq!(granted.run::<i64>(SHOW_CAMERA, json!([])).await.unwrap(), 2);
    granted
        .until::<bool>("window.shown() > 10", LIMIT)
        .await
        .unwrap();

    let why = "return await navigator.mediaDevices.getUserMedia({ video: true }).then(() => 'granted', error => error.name)";
    let denied = browser
        .open_with(&url, browser::CAMERA_DENIED)
        .await
        .unwrap();
    assert_eq!(
        denied.run::<String>(why, json!([])).await.unwrap(),
        "NotAllowedError"
    );
    let missing = browser.open_with(&url, browser::NO_CAMERA).await.unwrap();
    assert_eq!(
        missing.run::<String>(why, json!([])).await.unwrap(),
        "NotFoundError"
    );
}
