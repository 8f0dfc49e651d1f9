//! What is wrong is said in words, before anything is served.

use app::StartError;
use app::config::{Config, Policies};
use serde_json::json;
use tokio_util::sync::CancellationToken;

use crate::fake::{self, FakeLivepeer};
use crate::support::{Browser, TestApp};
use crate::toy::TOY;

async fn refused(config: Config) -> String {
    match app::start(config, TOY, CancellationToken::new()).await {
        Err(StartError::Livepeer(words)) => words,
        Err(other) => panic!("{other:?}"),
        Ok(_) => panic!("it started"),
    }
}

#[tokio::test]
async fn a_wrong_key_is_named_and_not_told() {
    // Browsers are not needed, but the HTTP client is.
    let api = FakeLivepeer::default().start().await;
    let folder = tempfile::tempdir().unwrap();
    let config = TestApp::config(&folder, |config| {
        config.livepeer_api_url = Some(api.clone());
        config.livepeer_api_key = Some("wrong-key-sesame".into());
    });
    let words = refused(config.clone()).await;
    assert!(
        words.contains("LIVEPEER_API_KEY") && words.contains(api.as_str()),
        "{words}"
    );
    assert!(!words.contains("sesame"), "{words}");

    let found = app::doctor::examine(&config, TOY).await;
    let mends: Vec<&String> = found.iter().filter_map(|f| f.as_ref().err()).collect();
    assert_eq!(mends, [&words]);
}

#[tokio::test]
async fn a_livepeer_that_is_not_there_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let config = TestApp::config(&folder, |config| {
        // Nothing listens on the port for discarding.
        config.livepeer_api_url = Some("http://127.0.0.1:9/api".parse().unwrap());
    });
    let words = refused(config).await;
    assert!(words.contains("LIVEPEER_API_URL"), "{words}");
}

#[tokio::test]
async fn a_missing_key_is_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    let config = TestApp::config(&folder, |config| {
        config.livepeer_api_url = Some("https://livepeer.example/api".parse().unwrap());
        config.livepeer_api_key = None;
    });
    assert!(refused(config).await.contains("LIVEPEER_API_KEY"));
}

#[tokio::test]
async fn a_taken_port_is_named() {
    let taken = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let config = TestApp::config(&folder, |config| {
        config.listen = taken.local_addr().unwrap()
    });
    let error = app::start(config, TOY, CancellationToken::new())
        .await
        .err()
        .unwrap();
    assert!(error.to_string().contains("LISTEN"), "{error}");
}

#[tokio::test]
async fn another_livepeer_is_taken_like_the_built_in_one() {
    let api = FakeLivepeer::default().start().await;
    let app = TestApp::start_with(|config| {
        config.livepeer_api_url = Some(api);
        config.livepeer_api_key = Some(fake::KEY.into());
    })
    .await;
    assert_eq!(
        Browser::at(app.url.clone()).get("/healthz").await.status,
        200
    );
    // The built-in one is not there then.
    assert_eq!(app.browser().get("/livepeer/api/stream").await.status, 404);
    app.stop().await;
}

#[cfg(feature = "local")]
#[tokio::test]
async fn a_taken_udp_port_is_named() {
    let taken = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let folder = tempfile::tempdir().unwrap();
    let config = TestApp::config(&folder, |config| {
        config.livepeer_local_udp = taken.local_addr().unwrap();
    });
    let error = app::start(config, TOY, CancellationToken::new())
        .await
        .err()
        .unwrap();
    assert!(error.to_string().contains("LIVEPEER_LOCAL_UDP"), "{error}");
    println!("{error}");
}

#[tokio::test]
async fn a_start_that_livepeer_keeps_waiting_can_be_called_off() {
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let config = TestApp::config(&folder, |config| {
        let api = format!("http://{}/api", silent.local_addr().unwrap());
        config.livepeer_api_url = Some(api.parse().unwrap());
    });
    let shutdown = CancellationToken::new();
    let starting = tokio::spawn(app::start(config, TOY, shutdown.clone()));
    // It is asked, and says nothing.
    let _asked = silent.accept().await.unwrap();
    shutdown.cancel();
    let stopping = async { starting.await.unwrap().unwrap().stopped().await };
    let limit = std::time::Duration::from_secs(5);
    tokio::time::timeout(limit, stopping).await.unwrap();
}

#[tokio::test]
async fn a_wrong_policy_is_named_before_anything_is_begun() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let config = TestApp::config(&folder, |config| {
        config.data_dir.clone_from(&data);
        config.policy = Policies([("toy".to_owned(), json!({"patience": 5}))].into());
    });
    let error = app::start(config.clone(), TOY, CancellationToken::new()).await;
    let words = error.err().unwrap().to_string();
    for told in ["POLICY", "toy", "patience", r#"{"patience":"Soon"}"#] {
        assert!(words.contains(told), "{words}");
    }
    assert!(!data.exists());
    let found = app::doctor::examine(&config, TOY).await;
    assert!(found.contains(&Err(words)), "{found:?}");
}

#[tokio::test]
async fn an_app_without_any_architecture_does_not_start() {
    let folder = tempfile::tempdir().unwrap();
    let config = TestApp::config(&folder, |_| {});
    let error = app::start(config, &[], CancellationToken::new()).await;
    let words = error.err().unwrap().to_string();
    assert!(words.contains("Cargo feature"), "{words}");
}
