//! What machines ask.

use reqwest::StatusCode;

use crate::support::TestApp;

#[tokio::test]
async fn the_app_tells_how_it_is() {
    let app = TestApp::start().await;
    let probe = app.browser();
    let health = probe.get("/healthz").await;
    assert_eq!(
        (health.status, &*health.text),
        (StatusCode::OK, r#"{"status":"ok"}"#)
    );

    let ada = app.browser();
    let session = ada.create().await;
    let mut host = ada.host(&session).await;
    host.go_live().await;
    let metrics = probe.get("/metrics").await.text;
    for line in [
        "app_sessions 1",
        "app_connections 1",
        "app_streams_provisioned_total 1",
        r#"app_livepeer_seconds_count{call="create-stream",outcome="ok"} 1"#,
    ] {
        assert!(metrics.contains(line), "{line} is not in\n{metrics}");
    }
    assert!(!metrics.contains(&session), "metrics name nobody");
}
