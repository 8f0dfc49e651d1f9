//! The View is the permission.

use reqwest::{Method, StatusCode};
use serde_json::json;

use crate::support::TestApp;

#[tokio::test]
async fn credentials_follow_the_view() {
    let app = TestApp::start().await;
    let ada = app.browser();
    let session = ada.create().await;
    let bob = app.browser();
    let mut host = ada.host(&session).await;
    let _viewer = bob.watch(&session).await;

    // Before there is a show, there is nothing to publish.
    let early = ada.credential(&session, "publish", "show.1", "host").await;
    assert_eq!(early.status, StatusCode::FORBIDDEN);
    assert!(early.json()["error"].is_string());

    let slot = host.go_live().await;
    let granted = ada.credential(&session, "publish", &slot, "host").await;
    assert_eq!(granted.status, StatusCode::OK);
    assert_eq!(granted.headers["cache-control"], "no-store");
    let address = granted.json()["url"].as_str().unwrap().to_owned();
    assert!(address.starts_with(app.url.join("livepeer/webrtc/").unwrap().as_str()));

    // A viewer publishes nothing, and plays nothing before the picture is on. A host's seat is not for the taking.
    for (what, seat) in [("publish", "guest"), ("play", "guest"), ("publish", "host")] {
        let refused = bob.credential(&session, what, &slot, seat).await;
        assert_eq!(refused.status, StatusCode::FORBIDDEN, "{what} {seat}");
    }
    // A stranger is nobody's viewer.
    let refused = app
        .browser()
        .credential(&session, "play", &slot, "guest")
        .await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN);

    // When the show is over, so are its credentials.
    assert_eq!(host.press("end-show").await["type"], "done");
    let late = ada.credential(&session, "publish", &slot, "host").await;
    assert_eq!(late.status, StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn what_is_no_request_for_a_credential_is_said_so() {
    let app = TestApp::start().await;
    let ada = app.browser();
    let session = ada.create().await;
    let unknown = ada.credential("nobody", "play", "show.1", "guest").await;
    assert_eq!(unknown.status, StatusCode::NOT_FOUND);
    for body in [
        json!({}),
        json!({"slot": "show", "seat": "host"}),
        json!({"slot": "show.1", "seat": "king"}),
    ] {
        let answer = ada.post_json(&format!("/s/{session}/play"), &body).await;
        assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY, "{body}");
        assert!(answer.json()["error"].is_string());
    }
    // What a form of another site could send is not taken.
    let answer = ada
        .send(Method::POST, &format!("/s/{session}/play"), |r| {
            r.header("Content-Type", "text/plain")
                .body(r#"{"slot":"show.1","seat":"host"}"#)
        })
        .await;
    assert_eq!(answer.status, StatusCode::UNSUPPORTED_MEDIA_TYPE);
}
